//! Student-t processes as surrogates: laws of the process, scores, suggestions.

use crate::{assert_gradient, check_gradient, wavy};
use elbo_core::{Error, Rng};
use elbo_decide::acquisition::{
    Acquisition, Analytic, Feasibility, MonteCarlo, MonteCarloOptions, PathScore, Score, smallest_mean,
};
use elbo_decide::ask::{AcquisitionKind, AskConfig, Source, Surrogates, ask};
use elbo_decide::batch::Batch;
use elbo_decide::maximise::MaximiseConfig;
use elbo_decide::objectives::Choose;
use elbo_decide::surrogate::{Gp, Hyper, MeanKind, Path, SurrogateConfig};
use elbo_decide::{History, Space};
use elbo_dist::{Distribution, StudentT};

/// The data and hyperparameters of [`wavy`], with this many degrees of freedom.
fn heavy(degrees: f64) -> Gp {
    let gp = wavy(0.01);
    Gp::with_degrees(gp.inputs(), gp.values(), &[0, 1, 2], gp.hyper().clone(), Some(degrees)).unwrap()
}

/// What a value is expected to be, from mean, variance and degrees of freedom.
fn predictive(mean: f64, variance: f64, dof: f64) -> StudentT {
    StudentT { location: mean, scale: (variance * (dof - 2.0) / dof).sqrt(), dof }
}

#[test]
fn two_values_far_apart_tell_the_scale() {
    // No covariance between them: beta is the sum of squares over one and the noise.
    let hyper = Hyper { lengthscale: vec![1e-3], variance: 1.0, noise: 0.25 };
    for (y, beta) in [([1.0, -2.0], 4.0), ([0.0, 0.0], 0.0), ([5.0, 5.0], 40.0)] {
        let gp = Gp::with_degrees(&[0.0, 1.0], &y, &[0], hyper.clone(), Some(5.0)).unwrap();
        let spread = (5.0 + beta - 2.0) / (5.0 + 2.0 - 2.0);
        let (mean, variance) = gp.marginals(&[0.5]);
        assert!(mean[0].abs() < 1e-12 && (variance[0] - spread).abs() < 1e-12, "{beta}: {variance:?}");
        assert!((gp.noise() - 0.25 * spread).abs() < 1e-12 && gp.freedom() == Some(7.0));
    }
    let gaussian = Gp::with_degrees(&[0.0, 1.0], &[5.0, 5.0], &[0], hyper, None).unwrap();
    assert!((gaussian.marginals(&[0.5]).1[0] - 1.0).abs() < 1e-12 && gaussian.freedom().is_none());
    assert_eq!((gaussian.noise(), gaussian.half_width()), (0.25, 1.96));
}

#[test]
fn degrees_of_freedom_without_a_covariance_are_refused() {
    let hyper = Hyper { lengthscale: vec![0.3], variance: 1.0, noise: 0.1 };
    for degrees in [2.0, -1.0, f64::NAN, f64::INFINITY] {
        let given = Gp::with_degrees(&[0.0, 1.0], &[1.0, 2.0], &[0], hyper.clone(), Some(degrees));
        let config = SurrogateConfig { degrees: Some(degrees), ..SurrogateConfig::default() };
        let fitted = Gp::fit(&[0.0, 1.0], &[1.0, 2.0], &[0], &config, None, &mut Rng::new(1));
        for found in [given, fitted] {
            let message = found.unwrap_err().to_string();
            assert!(message.contains("degrees"), "{degrees}: {message}");
        }
    }
}

#[test]
fn the_evidence_is_the_product_of_what_each_value_was_expected_to_be() {
    let (all, degrees) = (wavy(0.01), 4.5);
    let (x, y, hyper) = (all.inputs(), all.values(), all.hyper());
    let mut log_prob = predictive(0.0, hyper.variance + hyper.noise, degrees).log_prob(y[0]);
    for i in 1..y.len() {
        let gp = Gp::with_degrees(&x[..3 * i], &y[..i], &[0, 1, 2], hyper.clone(), Some(degrees)).unwrap();
        let (mean, variance) = gp.marginals(&x[3 * i..3 * i + 3]);
        log_prob += predictive(mean[0], variance[0] + gp.noise(), degrees + i as f64).log_prob(y[i]);
    }
    let config = SurrogateConfig {
        degrees: Some(degrees),
        learns_variance: true,
        mean: MeanKind::Arithmetic,
        ..SurrogateConfig::default()
    };
    let (value, _) = Gp::evidence(x, y, &[0, 1, 2], &config, hyper);
    assert!((value + log_prob).abs() < 1e-8 * value.abs().max(1.0), "{value} and {log_prob}");
}

#[test]
fn the_evidences_gradient_agrees_with_differences() {
    let data = wavy(0.01);
    for mean in [MeanKind::Learned, MeanKind::Arithmetic] {
        let config = SurrogateConfig { degrees: Some(3.5), learns_variance: true, mean, ..SurrogateConfig::default() };
        let logs = [-0.7, 0.2, 0.1, 0.3, -3.0];
        let hyper = |logs: &[f64]| Hyper {
            lengthscale: logs[..3].iter().map(|l| l.exp()).collect(),
            variance: logs[3].exp(),
            noise: logs[4].exp(),
        };
        let evidence = |logs: &[f64]| Gp::evidence(data.inputs(), data.values(), &[0, 1, 2], &config, &hyper(logs));
        assert_gradient("evidence", |p| evidence(p).0, &evidence(&logs).1, &logs, 1e-6);
    }
}

#[test]
fn the_mean_is_the_gaussian_one_and_many_degrees_of_freedom_are_it() {
    let (gaussian, t, near) = (wavy(0.01), heavy(4.0), heavy(1e6));
    let at = Rng::new(4).uniforms(3 * 6);
    let (plain, heavy, close) = (gaussian.marginals(&at), t.marginals(&at), near.marginals(&at));
    let joint = t.joint(&at);
    let spread = heavy.1[0] / plain.1[0];
    for i in 0..6 {
        assert!((plain.0[i] - heavy.0[i]).abs() < 1e-12 && (plain.0[i] - close.0[i]).abs() < 1e-12);
        assert!((heavy.1[i] - spread * plain.1[i]).abs() < 1e-12 && (close.1[i] - plain.1[i]).abs() < 1e-4);
        assert!((joint.covariance[7 * i] - heavy.1[i]).abs() < 1e-9);
    }
    assert!((near.half_width() - 1.96).abs() < 1e-3 && (t.probability_below(0.3, 2.0, 0.3) - 0.5).abs() < 1e-12);
    assert!((t.probability_below(0.0, 4.0, 2.0 * t.half_width()) - 0.975).abs() < 1e-9);
}

#[test]
fn a_fantasy_is_a_refit_and_leaving_out_is_taking_away() {
    let gp = heavy(4.0);
    let (x, y, hyper) = (gp.inputs(), gp.values(), gp.hyper());
    let fit = |x: &[f64], y: &[f64]| Gp::with_degrees(x, y, &[0, 1, 2], hyper.clone(), Some(4.0)).unwrap();
    let point = [0.3, 0.8, 0.1];
    let again = fit(&[x, &point].concat(), &[y, &[3.0]].concat());
    let more = gp.fantasise(&point, 3.0).unwrap();
    let at = Rng::new(2).uniforms(3 * 5);
    let (a, b) = (more.marginals(&at), again.marginals(&at));
    assert!(a.0.iter().zip(&b.0).chain(a.1.iter().zip(&b.1)).all(|(p, q)| (p - q).abs() < 1e-9));
    assert_eq!(more.freedom(), again.freedom());
    // A value so far from what was expected makes everything less certain.
    let far = [50.0, 50.0, 50.0];
    assert!(more.marginals(&far).1[0] > gp.marginals(&far).1[0]);

    let (mean, variance) = gp.leave_one_out();
    for i in 0..gp.len() {
        let without = fit(&[&x[..3 * i], &x[3 * i + 3..]].concat(), &[&y[..i], &y[i + 1..]].concat());
        let (m, v) = without.marginals(&x[3 * i..3 * i + 3]);
        assert!((m[0] - mean[i]).abs() < 1e-8 && (v[0] + without.noise() - variance[i]).abs() < 1e-8, "{i}");
    }
}

#[test]
fn a_value_that_is_supposed_says_where_and_nothing_of_the_scale() {
    let (gp, gaussian) = (heavy(4.0), wavy(0.01));
    let (point, far) = ([0.3, 0.8, 0.1], [50.0, 50.0, 50.0]);
    let supposed = Batch::Believer.believed(&gp, &[&point, &point]);
    let plain = Batch::Believer.believed(&gaussian, &[&point, &point]);
    assert_eq!((supposed.freedom(), supposed.len()), (gp.freedom(), gp.len() + 2));
    let spread = gp.marginals(&far).1[0] / gaussian.marginals(&far).1[0];
    let at = [&point[..], &far[..], Rng::new(2).uniforms(3 * 5).as_slice()].concat();
    let (before, after, plain) = (gp.marginals(&at), supposed.marginals(&at), plain.marginals(&at));
    for i in 0..7 {
        assert!((after.0[i] - before.0[i]).abs() < 1e-9, "the mean stays");
        assert!((after.1[i] - spread * plain.1[i]).abs() < 1e-9, "{i}: {} and {}", after.1[i], plain.1[i]);
    }
    assert!(after.1[0] < 0.9 * before.1[0]);
    // A lie is a datum.
    assert!(Batch::LiarMin.believed(&gp, &[&point]).freedom() > gp.freedom());
}

#[test]
fn expected_improvement_is_the_area_under_the_distribution() {
    let (mean, variance, freedom) = (0.4, 1.3, 7.0);
    let law = predictive(mean, variance, freedom);
    for incumbent in [-2.5, 0.2, 1.5] {
        // E (f* - f)_+ is the integral of the distribution function up to f*, by Simpson's rule; below -80 there is less than 1e-9.
        let (low, pieces) = (-80.0, 8000);
        let step = (incumbent - low) / pieces as f64;
        let weight = |k: usize| if k == 0 || k == pieces { 1.0 } else { 2.0 + 2.0 * (k % 2) as f64 };
        let area: f64 = (0..=pieces).map(|k| weight(k) * law.cdf(low + k as f64 * step)).sum::<f64>() * step / 3.0;
        let ei = Score::Ei.under(Some(freedom), mean, variance, incumbent).0;
        assert!((ei - area).abs() < 1e-7, "{incumbent}: {ei} for {area}");
        let log_ei = Score::LogEi.under(Some(freedom), mean, variance, incumbent).0;
        assert!((log_ei - ei.ln()).abs() < 1e-11, "{incumbent}: {log_ei} for {}", ei.ln());
        let pi = Score::Pi { margin: 0.1 }.under(Some(freedom), mean, variance, incumbent).0;
        let log_pi = Score::LogPi { margin: 0.1 }.under(Some(freedom), mean, variance, incumbent).0;
        assert!((pi - law.cdf(incumbent - 0.1)).abs() < 1e-12 && (log_pi - pi.ln()).abs() < 1e-9);
    }
}

#[test]
fn scores_have_the_slopes_of_differences_and_the_normal_ones_as_limits() {
    let scores =
        [Score::Ei, Score::LogEi, Score::Pi { margin: 0.1 }, Score::LogPi { margin: 0.1 }, Score::Lcb { beta: 2.0 }];
    for score in scores {
        for (mean, variance) in [(0.3, 0.5), (2.0, 0.04), (-1.0, 1.5)] {
            let of = |mean: f64, variance: f64| score.under(Some(5.0), mean, variance, 0.2);
            let (_, by_mean, by_variance) = of(mean, variance);
            let name = format!("{score:?}");
            assert_gradient(&name, |p| of(p[0], p[1]).0, &[by_mean, by_variance], &[mean, variance], 1e-5);
            assert_eq!(score.under(None, mean, variance, 0.2), score.of(mean, variance, 0.2));
        }
        let (near, limit) = (score.under(Some(1e6), 0.3, 0.5, 0.2), score.of(0.3, 0.5, 0.2));
        assert!((near.0 - limit.0).abs() < 1e-4 && (near.2 - limit.2).abs() < 1e-4, "{score:?}");
    }
    // Far out, too, its logarithm still points somewhere: the tail falls by a power.
    let far = Score::LogEi.under(Some(5.0), 1e6, 1.0, 0.0);
    assert!(far.0.is_finite() && far.1 < 0.0 && (far.1 * 1e6 + 4.0).abs() < 1e-3, "{far:?}");
    // With many degrees of freedom, where the distribution function itself is below all numbers.
    for score in [Score::LogEi, Score::LogPi { margin: 0.1 }] {
        let of = |mean: f64, variance: f64| score.under(Some(1e6), mean, variance, 0.0);
        let (value, by_mean, by_variance) = of(80.0, 1.0);
        assert!((value + 3200.0).abs() < 25.0, "{score:?}: {value}");
        assert_gradient(&format!("{score:?}"), |p| of(p[0], p[1]).0, &[by_mean, by_variance], &[80.0, 1.0], 1e-5);
    }
}

#[test]
fn every_score_has_the_gradient_of_differences() {
    let gp = heavy(3.0);
    let mut rng = Rng::new(21);
    let incumbent = smallest_mean(&gp);
    let at = [0.35, 0.62, 0.4];
    for score in [Score::Ei, Score::LogEi, Score::LogPi { margin: 0.01 }, Score::Lcb { beta: 3.0 }] {
        check_gradient(&format!("{score:?}"), &Analytic::new(&gp, score, incumbent), &at);
    }
    check_gradient("path", &PathScore(Path::draw(&gp, 64, &mut rng)), &at);
    let pending = rng.uniforms(3 * 2);
    for count in [1, 3] {
        let options = MonteCarloOptions { count, samples: 64, is_log: true };
        let x = rng.uniforms(3 * count);
        for fixed in [&[] as &[f64], pending.as_slice()] {
            let score = MonteCarlo::new(&gp, options, incumbent, fixed, Feasibility::default(), &mut rng).unwrap();
            check_gradient("qLogEI", &score, &x);
        }
    }
}

#[test]
fn samples_have_the_tails_of_the_distribution() {
    // Three values far from the place that is scored: its mean is zero, and 5.5 degrees of freedom are left.
    let hyper = Hyper { lengthscale: vec![1e-3], variance: 1.0, noise: 0.01 };
    let gp = Gp::with_degrees(&[0.0, 0.1, 0.2], &[1.0, -1.0, 0.5], &[0], hyper, Some(2.5)).unwrap();
    let sd = gp.marginals(&[0.7]).1[0].sqrt();
    let options = MonteCarloOptions { count: 1, samples: 1 << 15, is_log: false };
    for (deviations, tolerance) in [(-1.0, 0.09), (-2.0, 0.22)] {
        let incumbent = deviations * sd;
        let score = MonteCarlo::new(&gp, options, incumbent, &[], Feasibility::default(), &mut Rng::new(3)).unwrap();
        let sampled = score.value_and_gradient(&[0.7], &mut [0.0]);
        let exact = Score::Ei.under(gp.freedom(), 0.0, sd * sd, incumbent).0;
        // Four standard errors; two deviations out the normal distribution expects half of it.
        assert!((sampled / exact - 1.0).abs() < tolerance, "{deviations}: {sampled} for {exact}");
    }
    let normal = Score::Ei.of(0.0, sd * sd, -2.0 * sd).0;
    assert!(Score::Ei.under(gp.freedom(), 0.0, sd * sd, -2.0 * sd).0 > 1.3 * normal);
}

#[test]
fn drawn_functions_have_the_means_and_variances_that_are_told() {
    let gp = heavy(4.0);
    let at = [0.9, 0.1, 0.95];
    let (mean, variance) = gp.marginals(&at);
    let (mut rng, draws) = (Rng::new(7), 4000);
    let values: Vec<f64> =
        (0..draws).map(|_| Path::draw(&gp, 128, &mut rng).value_and_gradient(&at, &mut [0.0; 3])).collect();
    let found = values.iter().sum::<f64>() / f64::from(draws);
    let spread = values.iter().map(|v| (v - found).powi(2)).sum::<f64>() / f64::from(draws);
    // A standard error of the variance is 0.025 of it, and somewhat more by the random features.
    assert!((found - mean[0]).abs() < 5.0 * (variance[0] / f64::from(draws)).sqrt(), "{found} for {mean:?}");
    assert!((spread / variance[0] - 1.0).abs() < 0.15, "{spread} for {variance:?}");
}

fn quick() -> AskConfig {
    let maximise = MaximiseConfig { raw: 64, starts: 4, steps: 40, ..MaximiseConfig::default() };
    AskConfig { samples: 64, maximise, ..AskConfig::default() }
}

#[test]
fn suggestions_lie_in_the_space_and_are_those_of_their_seed() {
    let space = Space::cube(&[(0.0, 1.0)]);
    let mut history = History::default();
    for (i, y) in [1.0, 0.2, 0.9, 0.1, 1.2, 0.8].into_iter().enumerate() {
        history.tell(vec![i as f64 / 5.0], y);
    }
    let config = SurrogateConfig { starts: 2, iterations: 50, degrees: Some(4.0), ..SurrogateConfig::default() };
    let surrogates = Surrogates::fit(&space, &history, &config, None, &mut Rng::new(1)).unwrap();
    assert_eq!(surrogates.objective.as_ref().unwrap().freedom(), Some(10.0));
    let give = |config: &AskConfig, seed: u64| ask(&space, &history, &surrogates, config, 2, &mut Rng::new(seed));
    for acquisition in [
        AcquisitionKind::LogEi,
        AcquisitionKind::LogNei,
        AcquisitionKind::Ei,
        AcquisitionKind::Pi,
        AcquisitionKind::Lcb,
        AcquisitionKind::Thompson,
    ] {
        for batch in [Batch::Sampled, Batch::LiarMin] {
            let config = AskConfig { acquisition, batch, ..quick() };
            let found = give(&config, 3).unwrap();
            // What is unknown is no number, which equals nothing.
            assert_eq!(format!("{found:?}"), format!("{:?}", give(&config, 3).unwrap()), "{acquisition:?}");
            for suggestion in &found {
                assert!((0.0..=1.0).contains(&suggestion.point[0]) && suggestion.source == Source::Model);
                assert!(suggestion.score.is_finite() && suggestion.sd > 0.0, "{acquisition:?}: {suggestion:?}");
                assert!((0.0..=1.0).contains(&suggestion.improvement), "{acquisition:?}: {suggestion:?}");
            }
        }
    }
    let said = |error: Error| format!("{error}; {}", error.remedy());
    let entropy = AskConfig { acquisition: AcquisitionKind::MaxValueEntropy, ..quick() };
    assert!(said(give(&entropy, 1).unwrap_err()).contains("acquisition = log_ei"));
    let penalise = AskConfig { batch: Batch::Penalise, ..quick() };
    assert!(said(give(&penalise, 1).unwrap_err()).contains("penalise"));
    // Growth of a front is that of normal distributions.
    let choose = Choose { surrogate: config, ..Choose::default() };
    let refused =
        choose.next(&space, &[vec![0.1], vec![0.6]], &[vec![1.0, 0.0], vec![0.0, 1.0]], &[], &mut Rng::new(1));
    assert!(said(refused.unwrap_err()).contains("degrees"));
}
