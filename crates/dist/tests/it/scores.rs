use super::assert_close;
use elbo_core::{Prediction, Rng};
use elbo_dist::scores::{self, Scores, Targets};
use elbo_dist::{Distribution, Normals, Poisson};

fn calibrated(n: usize) -> (Normals, Vec<f64>) {
    let mut rng = Rng::new(17);
    let mean: Vec<f64> = (0..n).map(|_| 3.0 * rng.normal()).collect();
    let sd: Vec<f64> = (0..n).map(|_| 0.5 + rng.uniform()).collect();
    let y = (0..n).map(|i| mean[i] + sd[i] * rng.normal()).collect();
    (Normals { mean, sd }, y)
}

#[test]
fn calibrated_predictions_cover_what_they_promise() {
    let (normals, y) = calibrated(20_000);
    let s = scores::regression(&normals, &y).unwrap();
    // Standard errors are 0.0035, 0.0021 and 0.0015.
    for (found, level, error) in
        [(s.coverage.p50, 0.5, 0.0035), (s.coverage.p90, 0.9, 0.0021), (s.coverage.p95, 0.95, 0.0015)]
    {
        assert!((found - level).abs() < 4.0 * error, "{found} at {level}");
    }
    let mean_sd = normals.sd.iter().sum::<f64>() / normals.sd.len() as f64;
    assert_close("width", s.width.p90, 2.0 * 1.6448536269514722 * mean_sd, 1e-12);
    let squares: f64 = normals.mean.iter().zip(&y).map(|(m, y)| (m - y).powi(2)).sum();
    assert_close("rmse", s.rmse, (squares / y.len() as f64).sqrt(), 1e-12);
    let pit = scores::pit(&normals, &y, false).unwrap();
    assert!(pit.ks < 1.63 / (y.len() as f64).sqrt(), "{}", pit.ks);
    assert_close("histogram", pit.histogram.iter().sum(), 1.0, 1e-9);
    assert!(pit.histogram.iter().all(|h| (h - 0.05).abs() < 0.007));
}

#[test]
fn scores_follow_the_unit_however_large_or_small() {
    let (normals, y) = calibrated(50);
    let plain = scores::regression(&normals, &y).unwrap();
    for unit in [1e300, 1e-300] {
        let scaled = |values: &[f64]| values.iter().map(|v| v * unit).collect::<Vec<f64>>();
        let normals = Normals { mean: scaled(&normals.mean), sd: scaled(&normals.sd) };
        let s = scores::regression(&normals, &scaled(&y)).unwrap();
        assert_close("rmse", s.rmse / unit, plain.rmse, 1e-12);
        assert_close("mae", s.mae / unit, plain.mae, 1e-12);
        assert_close("crps", s.crps / unit, plain.crps, 1e-9);
        assert_close("nlpd", s.nlpd, plain.nlpd + unit.ln(), 1e-9);
    }
}

#[test]
fn overconfident_predictions_are_found_out() {
    let (mut normals, y) = calibrated(4000);
    let honest = scores::regression(&normals, &y).unwrap();
    normals.sd.iter_mut().for_each(|s| *s *= 0.4);
    let proud = scores::regression(&normals, &y).unwrap();
    assert!(proud.coverage.p90 < 0.6 && proud.nlpd > honest.nlpd && proud.crps > honest.crps);
    assert!(scores::pit(&normals, &y, false).unwrap().ks > 0.1);
}

#[test]
fn standardised_loss_is_zero_for_the_trivial_model_and_negative_for_a_better_one() {
    let (normals, y) = calibrated(2000);
    let n = y.len() as f64;
    let mean = y.iter().sum::<f64>() / n;
    let sd = (y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n).sqrt();
    let trivial = Normals { mean: vec![mean; y.len()], sd: vec![sd; y.len()] };
    assert!(scores::standardised_log_loss(&trivial, &y, &y).unwrap().abs() < 1e-12);
    assert!(scores::standardised_log_loss(&normals, &y, &y).unwrap() < -0.5);
    assert!(scores::standardised_log_loss(&normals, &y, &[1.0, 1.0]).is_err());
}

#[test]
fn json_names_are_the_documented_ones() {
    let (normals, y) = calibrated(10);
    let json =
        serde_json::to_value(scores::score(&Prediction::Numbers(Box::new(normals)), Targets::Numbers(&y)).unwrap())
            .unwrap();
    let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["rows", "rmse", "mae", "nlpd", "crps", "coverage", "width"]);
    for group in ["coverage", "width"] {
        let levels: Vec<&str> = json[group].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(levels, ["0.5", "0.9", "0.95"]);
    }
    let classes = Prediction::Classes { classes: vec!["a".into(), "b".into()], probabilities: vec![0.9, 0.1] };
    let scores = scores::score(&classes, Targets::Classes(&[0])).unwrap();
    let json = serde_json::to_value(&scores).unwrap();
    let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["rows", "accuracy", "log_loss", "brier", "ece", "calibration", "lower", "upper"]);
    let inner = |key: &str| json[key].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    // One row that is right has no wrong ones to find.
    assert_eq!(inner("calibration"), ["ece_equal_mass", "classwise", "squared_debiased", "mce", "risk_coverage"]);
    for end in ["lower", "upper"] {
        assert_eq!(inner(end), ["accuracy", "log_loss", "brier", "ece"]);
    }
    assert_eq!(serde_json::from_value::<Scores>(json).unwrap(), scores);
}

#[test]
fn class_scores_are_those_computed_by_hand() {
    let p = [0.7, 0.2, 0.1, 0.3, 0.3, 0.4, 0.1, 0.8, 0.1];
    let s = scores::classification(3, &p, &[0, 2, 0]).unwrap();
    assert_close("accuracy", s.accuracy, 2.0 / 3.0, 1e-15);
    assert_close("log loss", s.log_loss, -(0.7f64.ln() + 0.4f64.ln() + 0.1f64.ln()) / 3.0, 1e-15);
    let brier = (0.09 + 0.04 + 0.01) + (0.09 + 0.09 + 0.36) + (0.81 + 0.64 + 0.01);
    assert_close("brier", s.brier, brier / 3.0, 1e-15);
    // Confidences 0.7, 0.4 and 0.8 fall into three bins.
    assert_close("ece", s.ece, (0.3 + 0.6 + 0.8) / 3.0, 1e-14);
    // One row a bin.
    assert_close("equal mass", s.calibration.ece_equal_mass, s.ece, 1e-14);
    assert_close("mce", s.calibration.mce, 0.8, 1e-14);
    // In the order of confidence: wrong, right, right.
    assert_close("risk", s.calibration.risk_coverage, (1.0 + 1.0 / 2.0 + 1.0 / 3.0) / 3.0, 1e-14);
    // The wrong row is the surest, so that it is found last.
    assert_close("aupr", s.calibration.error_aupr.unwrap(), 1.0 / 3.0, 1e-14);
}

#[test]
fn intervals_of_means_have_the_width_that_the_central_limit_gives() {
    let mut rng = Rng::new(29);
    let (mut p, mut y) = (vec![], vec![]);
    for _ in 0..2000 {
        let q = 0.5 + 0.5 * rng.uniform();
        p.extend([q, 1.0 - q]);
        y.push(usize::from(rng.uniform() >= q));
    }
    let s = scores::classification(2, &p, &y).unwrap();
    let half = 1.96 * (s.accuracy * (1.0 - s.accuracy) / 2000.0).sqrt();
    // An end by 1000 redrawn tables has a standard error of about 2.7 / sqrt(1000) = 8 % of a standard deviation, 4 % of the half width.
    assert_close("lower", s.lower.accuracy, s.accuracy - half, 0.2 * half);
    assert_close("upper", s.upper.accuracy, s.accuracy + half, 0.2 * half);
    for (low, value, high) in
        [(s.lower.log_loss, s.log_loss, s.upper.log_loss), (s.lower.brier, s.brier, s.upper.brier)]
    {
        assert!(low < value && value < high, "{low} {value} {high}");
    }
    assert!(s.lower.ece < s.upper.ece, "{s:?}");
    assert_eq!(s, scores::classification(2, &p, &y).unwrap());
}

#[test]
fn a_class_held_impossible_has_an_infinite_upper_end_and_no_nan() {
    let p = [1.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.25, 0.75];
    let s = scores::classification(2, &p, &[1, 0, 0, 1]).unwrap();
    // The impossible row is left out of a share (3/4)^4 = 0.32 of the redrawn tables.
    assert!(s.log_loss.is_infinite() && s.upper.log_loss.is_infinite() && s.lower.log_loss.is_finite(), "{s:?}");
    let always = scores::classification(2, &[1.0, 0.0], &[1]).unwrap();
    assert_eq!((always.lower.log_loss, always.upper.log_loss), (f64::INFINITY, f64::INFINITY));
    assert!(scores::classification(2, &[f64::NAN, 0.5], &[1]).is_err());
}

#[test]
fn calibrated_probabilities_have_a_small_calibration_error() {
    let mut rng = Rng::new(23);
    let n = 20_000;
    let (mut p, mut y) = (vec![], vec![]);
    for _ in 0..n {
        let q = rng.uniform();
        p.extend([1.0 - q, q]);
        y.push(usize::from(rng.uniform() < q));
    }
    assert!(scores::classification(2, &p, &y).unwrap().ece < 0.015);
}

#[test]
fn the_pit_of_counts_uses_the_middle_of_the_jump() {
    struct Rows(Vec<Poisson>);
    impl elbo_core::Marginals for Rows {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn mean(&self, i: usize) -> f64 {
            self.0[i].mean
        }
        fn sd(&self, i: usize) -> f64 {
            self.0[i].mean.sqrt()
        }
        fn quantile(&self, i: usize, p: f64) -> f64 {
            self.0[i].quantile(p)
        }
        fn cdf(&self, i: usize, y: f64) -> f64 {
            self.0[i].cdf(y)
        }
        fn log_prob(&self, i: usize, y: f64) -> f64 {
            self.0[i].log_prob(y)
        }
    }
    let mut rng = Rng::new(31);
    let rows: Vec<Poisson> = (0..4000).map(|_| Poisson { mean: 20.0 + 20.0 * rng.uniform() }).collect();
    let y: Vec<f64> = rows.iter().map(|p| p.sample(&mut rng)).collect();
    let rows = Rows(rows);
    let (middle, end) = (scores::pit(&rows, &y, true).unwrap().ks, scores::pit(&rows, &y, false).unwrap().ks);
    assert!(middle < 1.63 / (4000f64).sqrt() && end > middle, "{middle} {end}");
}

#[test]
fn unusable_input_is_answered_with_a_remedy() {
    let normals = Normals { mean: vec![0.0; 2], sd: vec![1.0; 2] };
    let messages = [
        scores::regression(&normals, &[1.0]).unwrap_err(),
        scores::regression(&Normals { mean: vec![], sd: vec![] }, &[]).unwrap_err(),
        scores::regression(&normals, &[1.0, f64::NAN]).unwrap_err(),
        scores::classification(2, &[0.5, 0.5], &[2]).unwrap_err(),
        scores::score(&Prediction::Numbers(Box::new(normals)), Targets::Classes(&[0, 1])).unwrap_err(),
    ];
    let expected = [
        "there are 2 predictions and 1 targets",
        "there are no rows to score",
        "the target in row 2 is NaN",
        "row 1 has class number 3, but the model knows 2 classes",
        "the model predicts one kind of target and the data hold the other",
    ];
    for (error, message) in messages.iter().zip(expected) {
        assert_eq!(error.to_string(), message);
        assert!(!error.remedy().is_empty());
    }
}
