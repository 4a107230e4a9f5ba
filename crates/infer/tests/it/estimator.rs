//! Gradient estimators: unbiasedness against quadrature, signal to noise, discrete cases.

use elbo_core::Rng;
use elbo_dist::Rule;
use elbo_infer::estimator::{Baseline, LearnedBaseline, RunningMean, enumerate, expectation, measure_valued, report};
use elbo_infer::family::MeanField;
use elbo_infer::{Estimate, Estimator, Explicit, LogDensity, Objective};
use elbo_tensor::optim::Adam;
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{Parameters, Tensor, grad};

/// A skewed density of one unknown with all moments under a Gaussian.
fn skewed() -> Explicit<impl Fn(&[f64], &mut [f64]) -> f64 + Send + Sync> {
    Explicit::new(1, |z: &[f64], g: &mut [f64]| {
        let e = (0.5 * z[0]).exp();
        g[0] = -z[0] + 0.8 - 0.5 * e;
        -0.5 * z[0] * z[0] + 0.8 * z[0] - e
    })
}

/// The expected objective of two draws from N(mean, exp(log_sd)^2), by a product of Gauss-Hermite rules.
fn expected(objective: &Objective, target: &dyn LogDensity, mean: f64, log_sd: f64) -> f64 {
    let rule = Rule::hermite(40);
    let n = rule.nodes.len();
    let weight = |e: f64| {
        let z = mean + log_sd.exp() * e;
        target.value_and_gradient(&[z], &mut [0.0]) + 0.5 * e * e + LOG_SQRT_TAU + log_sd
    };
    let single: Vec<f64> = rule.nodes.iter().map(|e| weight(*e)).collect();
    let pairs: Vec<f64> = (0..2 * n * n).map(|i| single[if i < n * n { i / n } else { i % n }]).collect();
    let values = objective.value(&Tensor::from_vec(pairs, &[2, n * n])).to_vec();
    (0..n * n).map(|i| rule.weights[i / n] * rule.weights[i % n] * values[i]).sum()
}

const LEAVE_ONE_OUT: Estimator = Estimator::Score { baseline: Baseline::LeaveOneOut };
const CONSTANT: Estimator = Estimator::Score { baseline: Baseline::Constant { value: -1.0 } };

#[test]
fn every_estimator_that_says_so_is_unbiased() {
    let target = skewed();
    let family = MeanField::new(&[0.4], &[0.7]);
    let h = 1e-4;
    let objectives = [
        (Objective::ELBO, "elbo"),
        (Objective::IWAE, "iwae"),
        (Objective::renyi(0.5), "renyi 0.5"),
        (Objective::cubo(2.0), "cubo 2"),
    ];
    for (objective, name) in &objectives {
        let exact = [
            (expected(objective, &target, 0.4 + h, 0.7f64.ln()) - expected(objective, &target, 0.4 - h, 0.7f64.ln()))
                / (2.0 * h),
            (expected(objective, &target, 0.4, 0.7f64.ln() + h) - expected(objective, &target, 0.4, 0.7f64.ln() - h))
                / (2.0 * h),
        ];
        for estimator in [
            Estimator::Reparameterised,
            Estimator::ClosedEntropy,
            Estimator::StickingTheLanding,
            Estimator::DoublyReparameterised,
            LEAVE_ONE_OUT,
            CONSTANT,
        ] {
            if !estimator.is_unbiased(objective) || estimator.check(objective, &family, 2).is_err() {
                continue;
            }
            // 400 means of 50 pairs each: 2e4 estimates.
            let mut rng = Rng::new(11);
            let groups = [("mean".to_owned(), 1), ("sd".to_owned(), 1)];
            let found = report(&groups, 400, &mut rng, |rng| {
                let noise = Tensor::from_vec(rng.normals(100), &[100, 1]);
                Ok(family.gradient(&estimator.surrogate(objective, &target, &family, &noise, 2)?.tensor))
            })
            .unwrap();
            for i in 0..2 {
                let z = (found.mean[i] - exact[i]) / found.errors()[i];
                assert!(z.abs() < 4.0, "{name}, {estimator:?}, entry {i}: {} and {}, z = {z}", found.mean[i], exact[i]);
            }
        }
    }
}

#[test]
fn the_largest_log_weight_has_one_gradient_by_paths_and_by_the_score_and_no_doubly_reparameterised_one() {
    let (target, family, objective) = (skewed(), MeanField::new(&[0.4], &[0.7]), Objective::VR_MAX);
    assert_eq!(Estimator::default_for(&objective, true), Estimator::Reparameterised);
    let error = Estimator::DoublyReparameterised.check(&objective, &family, 2).unwrap_err();
    assert!(error.to_string().contains("finite order"), "{error}");
    assert!(!Estimator::DoublyReparameterised.is_unbiased(&objective));
    let groups = [("mean".to_owned(), 1), ("sd".to_owned(), 1)];
    let measured = |estimator: Estimator, seed| {
        assert!(estimator.is_unbiased(&objective));
        report(&groups, 400, &mut Rng::new(seed), |rng| {
            let noise = Tensor::from_vec(rng.normals(100), &[100, 1]);
            Ok(family.gradient(&estimator.surrogate(&objective, &target, &family, &noise, 2)?.tensor))
        })
        .unwrap()
    };
    let paths = measured(Estimator::Reparameterised, 3);
    for (estimator, seed) in [(LEAVE_ONE_OUT, 4), (CONSTANT, 5)] {
        let score = measured(estimator, seed);
        for i in 0..2 {
            let z = (score.mean[i] - paths.mean[i]) / score.errors()[i].hypot(paths.errors()[i]);
            assert!(z.abs() < 4.0, "{estimator:?}, entry {i}: {} and {}, z = {z}", score.mean[i], paths.mean[i]);
        }
    }
}

#[test]
fn a_running_baseline_is_unbiased_and_takes_away_the_level_of_the_signal() {
    // A constant of 40 nats, which a score without a baseline has to average out.
    let plain = skewed();
    let target = Explicit::new(1, |z: &[f64], g: &mut [f64]| plain.value_and_gradient(z, g) - 40.0);
    let (family, objective, h) = (MeanField::new(&[0.4], &[0.7]), Objective::ELBO, 1e-4);
    let at = |mean: f64, log_sd: f64| expected(&objective, &target, mean, log_sd);
    let log_sd = 0.7f64.ln();
    let exact = [
        (at(0.4 + h, log_sd) - at(0.4 - h, log_sd)) / (2.0 * h),
        (at(0.4, log_sd + h) - at(0.4, log_sd - h)) / (2.0 * h),
    ];
    let groups = [("mean".to_owned(), 1), ("sd".to_owned(), 1)];
    let mut past = RunningMean::default();
    let running = Estimator::Score { baseline: Baseline::Running { decay: 0.9 } };
    let mut estimate = |rng: &mut Rng| -> elbo_core::Result<Vec<f64>> {
        let noise = Tensor::from_vec(rng.normals(20), &[20, 1]);
        let found = running.given(&past).surrogate(&objective, &target, &family, &noise, 2)?;
        past.observe(found.value, 0.9);
        Ok(family.gradient(&found.tensor))
    };
    // The first steps have no past.
    report(&groups, 100, &mut Rng::new(6), &mut estimate).unwrap();
    let found = report(&groups, 2000, &mut Rng::new(7), &mut estimate).unwrap();
    for i in 0..2 {
        let z = (found.mean[i] - exact[i]) / found.errors()[i];
        assert!(z.abs() < 4.0, "entry {i}: {} and {}, z = {z}", found.mean[i], exact[i]);
    }
    let none = Estimator::Score { baseline: Baseline::Constant { value: 0.0 } };
    let without = report(&groups, 500, &mut Rng::new(8), |rng| {
        let noise = Tensor::from_vec(rng.normals(20), &[20, 1]);
        Ok(family.gradient(&none.surrogate(&objective, &target, &family, &noise, 2)?.tensor))
    });
    let (without, with) = (without.unwrap().total_variance(), found.total_variance());
    assert!(without > 50.0 * with, "variance {without} without, {with} with a running mean");
}

#[test]
fn a_learned_baseline_knows_the_input_and_leaves_the_gradient_unbiased() {
    // x ~ N(0, 1), z ~ Bernoulli(p), f = 4 x + (z - 0.3)^2: the input moves the signal and tells nothing of the logit's gradient.
    const BATCH: usize = 64;
    let p = 0.4;
    let draw = |rng: &mut Rng| {
        let x = rng.normals(BATCH);
        let z: Vec<f64> = (0..BATCH).map(|_| f64::from(u8::from(rng.uniform() < p))).collect();
        let signal = x.iter().zip(&z).map(|(x, z)| 4.0 * x + (z - 0.3).powi(2)).collect();
        let score: Vec<f64> = z.iter().map(|z| z - p).collect();
        (Tensor::from_vec(x, &[BATCH, 1]), Tensor::from_vec(signal, &[1, BATCH]), score)
    };
    let mut rng = Rng::new(3);
    let mut baseline = LearnedBaseline::new(1, &[], 0.9, &mut rng);
    let rule = Adam::with_rate(0.02);
    let mut memory = baseline.memory(&rule);
    for _ in 0..1500 {
        let (input, signal, _) = draw(&mut rng);
        baseline.learn(&signal, &input, &rule, &mut memory);
    }
    // The regression on the input is 4 x and a constant.
    let ends = baseline.predict(&Tensor::from_vec(vec![-1.0, 1.0], &[2, 1])).to_vec();
    assert!((ends[1] - ends[0] - 8.0).abs() < 0.5, "{ends:?}");
    let groups = [("logit".to_owned(), 1)];
    let gradient = |centred: Tensor, score: &[f64]| {
        let sum: f64 = centred.to_vec().iter().zip(score).map(|(f, s)| f * s).sum();
        vec![sum / BATCH as f64]
    };
    let learned = report(&groups, 2000, &mut Rng::new(4), |rng| {
        let (input, signal, score) = draw(rng);
        Ok(gradient(baseline.centred(&signal, &input), &score))
    })
    .unwrap();
    let exact = p * (1.0 - p) * (0.49 - 0.09);
    let z = (learned.mean[0] - exact) / learned.errors()[0];
    assert!(z.abs() < 4.0, "{} and {exact}, z = {z}", learned.mean[0]);
    // The best constant leaves the input's part, 16 p (1 - p) a draw.
    let constant = report(&groups, 2000, &mut Rng::new(4), |rng| {
        let (_, signal, score) = draw(rng);
        Ok(gradient(signal - ((1.0 - p) * 0.09 + p * 0.49), &score))
    })
    .unwrap();
    let (with, without) = (learned.total_variance(), constant.total_variance());
    assert!(without > 20.0 * with, "variance {with} learned, {without} with a constant");
}

#[test]
fn the_variance_objective_has_the_leave_one_out_gradient() {
    let (target, family) = (skewed(), MeanField::new(&[0.4], &[0.7]));
    let noise = Tensor::from_vec(Rng::new(2).normals(5), &[5, 1]);
    let of = |estimator: Estimator, objective: &Objective| {
        family.gradient(&estimator.surrogate(objective, &target, &family, &noise, 5).unwrap().tensor)
    };
    let (a, b) = (of(LEAVE_ONE_OUT, &Objective::VarGrad), of(LEAVE_ONE_OUT, &Objective::ELBO));
    crate::common::assert_close(&a, &b, 1e-12, "VarGrad");
}

#[test]
fn sticking_the_landing_has_no_variance_at_the_optimum_and_others_do() {
    let target = Explicit::new(1, |z: &[f64], g: &mut [f64]| {
        g[0] = -(z[0] - 1.0) / 0.25;
        -0.5 * (z[0] - 1.0).powi(2) / 0.25
    });
    let family = MeanField::new(&[1.0], &[0.5]);
    let variance = |estimator: Estimator, objective: &Objective, k: usize| {
        report(&[("all".to_owned(), 2)], 50, &mut Rng::new(3), |rng| {
            let noise = Tensor::from_vec(rng.normals(k), &[k, 1]);
            Ok(family.gradient(&estimator.surrogate(objective, &target, &family, &noise, k)?.tensor))
        })
        .unwrap()
        .total_variance()
    };
    assert!(variance(Estimator::StickingTheLanding, &Objective::ELBO, 4) < 1e-24);
    assert!(variance(Estimator::DoublyReparameterised, &Objective::IWAE, 4) < 1e-24);
    assert!(variance(Estimator::Reparameterised, &Objective::ELBO, 4) > 1e-3);
    assert!(variance(Estimator::ClosedEntropy, &Objective::ELBO, 4) > 1e-3);
}

#[test]
fn signal_to_noise_of_importance_weighted_gradients_falls_with_draws_unless_doubly_reparameterised() {
    // x ~ N(z, 1), z ~ N(0, 1), x = 2; q is a little too wide, and off by a little or by more.
    let target = Explicit::new(1, |z: &[f64], g: &mut [f64]| {
        g[0] = -z[0] + (2.0 - z[0]);
        -0.5 * z[0] * z[0] - 0.5 * (2.0 - z[0]).powi(2)
    });
    // Least squares in log K. Averaging `repeats` raises every signal to noise alike, so the slope stays.
    let slope = |estimator: Estimator, mean: f64, draws: [usize; 3], repeats: usize, count: usize, seed: u64| {
        let family = MeanField::new(&[mean], &[0.8]);
        let points: Vec<(f64, f64)> = draws
            .iter()
            .map(|k| {
                let found = report(&[("all".to_owned(), 2)], count, &mut Rng::new(seed), |rng| {
                    let noise = Tensor::from_vec(rng.normals(*k * repeats), &[*k * repeats, 1]);
                    Ok(family.gradient(&estimator.surrogate(&Objective::IWAE, &target, &family, &noise, *k)?.tensor))
                })
                .unwrap();
                ((*k as f64).ln(), found.snr()[0].ln())
            })
            .collect();
        let n = points.len() as f64;
        let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
        points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum::<f64>()
            / points.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>()
    };
    for seed in [1, 2, 3] {
        let doubly = slope(Estimator::DoublyReparameterised, 0.7, [10, 100, 1000], 1, 1500, seed);
        assert!((doubly - 0.5).abs() < 0.1, "DReG slope {doubly}");
    }
    // The plain signal sinks into the noise: 2e5 gradients where it is 0.08 at K = 100, so that the slope's standard error is 0.02.
    let plain = slope(Estimator::Reparameterised, 0.3, [10, 30, 100], 200, 1000, 1);
    assert!((plain + 0.5).abs() < 0.1, "plain slope {plain}");
}

#[test]
fn enumeration_is_exact_and_knows_its_limit() {
    let states = enumerate(&[2, 3]).unwrap();
    assert_eq!(states.shape(), [6, 2]);
    let logits = Tensor::from_vec(vec![0.2, -0.4, 1.0], &[3]).variable();
    let f = Tensor::from_vec(vec![0.09, 0.49, 2.89], &[3]);
    let value = expectation(&logits.log_softmax(-1), &f);
    let p = logits.softmax(-1).to_vec();
    let mean: f64 = p.iter().zip(f.to_vec()).map(|(p, f)| p * f).sum();
    assert!((value.item() - mean).abs() < 1e-14);
    let slope = grad(&value, &[&logits])[0].to_vec();
    for k in 0..3 {
        assert!((slope[k] - p[k] * (f.to_vec()[k] - mean)).abs() < 1e-14);
    }
    let error = enumerate(&[2; 17]).unwrap_err();
    assert!(error.to_string().contains("131072"), "{error}");
    assert!(enumerate(&[1000; 30]).is_err());
}

#[test]
fn measure_valued_derivatives_are_unbiased() {
    let f = |x: f64| (x - 0.3).powi(2) + x.sin();
    let (m, s) = (0.4f64, 0.7f64);
    // E (x - .3)^2 = (m - .3)^2 + s^2 and E sin x = sin(m) exp(-s^2 / 2).
    let damp = (-0.5 * s * s).exp();
    let mut rng = Rng::new(5);
    let mut check = |name: &str, exact: f64, draw: &mut dyn FnMut(&mut Rng) -> f64| {
        let found = Estimate::mean(&(0..50_000).map(|_| draw(&mut rng)).collect::<Vec<_>>());
        assert!((found.value - exact).abs() < 4.0 * found.error, "{name}: {found:?} and {exact}");
    };
    check("normal mean", 2.0 * (m - 0.3) + m.cos() * damp, &mut |rng| measure_valued::normal_mean(m, s, f, rng));
    check("normal sd", 2.0 * s - s * m.sin() * damp, &mut |rng| measure_valued::normal_sd(m, s, f, rng));
    // E (X - .3)^2 = l + (l - .3)^2.
    let l = 2.5;
    check("poisson", 1.0 + 2.0 * (l - 0.3), &mut |rng| measure_valued::poisson(l, |x| (x - 0.3).powi(2), rng));
    assert!((measure_valued::bernoulli(|x| (x - 0.3).powi(2)) - 0.4).abs() < 1e-15);
    // Three classes: the mean is linear in the first two probabilities.
    let values = [0.09, 0.49, 2.89];
    let mean = |p: [f64; 2]| p[0] * values[0] + p[1] * values[1] + (1.0 - p[0] - p[1]) * values[2];
    let found = measure_valued::categorical(3, |k| values[k]);
    let exact = [mean([0.3, 0.5]) - mean([0.2, 0.5]), mean([0.2, 0.6]) - mean([0.2, 0.5])].map(|d| d / 0.1);
    crate::common::assert_close(&found, &exact, 1e-12, "categorical");
}

#[test]
fn combinations_without_meaning_are_refused_with_one_that_has() {
    let family = MeanField::new(&[0.0], &[1.0]);
    let message = |estimator: Estimator, objective: Objective, draws| {
        estimator.check(&objective, &family, draws).unwrap_err().to_string()
    };
    assert!(message(Estimator::ClosedEntropy, Objective::IWAE, 2).contains("use reparameterised"));
    assert!(message(LEAVE_ONE_OUT, Objective::ELBO, 1).contains("at least two draws"));
    assert!(message(Estimator::DoublyReparameterised, Objective::VarGrad, 2).contains("use reparameterised"));
    assert!(Estimator::Reparameterised.needs_gradient() && CONSTANT.evaluations() == 1);
    let running = |decay| Estimator::Score { baseline: Baseline::Running { decay } };
    assert!(message(running(1.0), Objective::ELBO, 2).contains("`decay` is 1"));
    // A running baseline is nothing without the steps before.
    let noise = Tensor::from_vec(vec![0.3, -0.2], &[2, 1]);
    let alone = running(0.9).surrogate(&Objective::ELBO, &skewed(), &family, &noise, 2).unwrap_err();
    assert!(alone.to_string().contains("without its past"), "{alone}");
    let groups = [("mean".to_owned(), 2)];
    let refuse = |count: usize, length: usize, part: &str| {
        let error = report(&groups, count, &mut Rng::new(0), |_| Ok(vec![0.0; length])).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    refuse(1, 2, "`count` is 1");
    refuse(2, 3, "`groups` is of 2 numbers");
}
