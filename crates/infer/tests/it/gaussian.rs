//! Closed updates of a Gaussian: guarantees on quadratics, fixed points, bad targets.

use crate::common::{assert_close, interrupted};
use elbo_core::{Rng, Run, Stop, drive};
use elbo_infer::gaussian::{
    Expectation, Gaussian, GaussianFit, GaussianSteps, Minibatch, Rule, bures_wasserstein, diagonal_step,
    largest_curvature, low_rank_hessian, proximal_entropy_step,
};
use elbo_infer::glm::{Glm, GlmLikelihood};
use elbo_infer::target::LogDensity;
use elbo_linalg::MatRef;
use elbo_tensor::Tensor;

/// A Gaussian target with these precision eigenvalues, randomly rotated.
struct Quadratic {
    mean: Vec<f64>,
    precision: Vec<f64>,
}

impl Quadratic {
    fn new(eigenvalues: &[f64], rng: &mut Rng) -> Self {
        let d = eigenvalues.len();
        let q = elbo_linalg::qr(MatRef::row_major(&rng.normals(d * d), d, d)).q;
        let precision =
            (0..d * d).map(|ij| (0..d).map(|k| q[ij / d * d + k] * eigenvalues[k] * q[ij % d * d + k]).sum()).collect();
        Self { mean: rng.normals(d), precision }
    }

    fn optimum(&self) -> Gaussian {
        let covariance = Gaussian { mean: self.mean.clone(), covariance: self.precision.clone() }.precision().unwrap();
        Gaussian { mean: self.mean.clone(), covariance }
    }
}

impl LogDensity for Quadratic {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let d = self.mean.len();
        let r = z - Tensor::from_slice(&self.mean, &[d]);
        (r.matmul(&Tensor::from_slice(&self.precision, &[d, d])) * &r).sum_axis(-1, false) * -0.5
    }
}

fn geomspace(low: f64, high: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| low * (high / low).powf(i as f64 / (n - 1) as f64)).collect()
}

#[test]
fn forward_backward_steps_obey_their_inequality_on_quadratics() {
    for seed in [1, 2, 3] {
        let target = Quadratic::new(&geomspace(0.005, 1.0, 6), &mut Rng::new(seed));
        let best = target.optimum();
        let f = |q: &Gaussian| {
            let energy = Expectation::Mean.energy(&target, q, &mut Rng::new(0)).unwrap();
            energy.value - 0.5 * q.log_det().unwrap()
        };
        let optimum = f(&best);
        let mut q = Gaussian::isotropic(vec![0.0; 6], 1.0);
        let mut distance = bures_wasserstein(&q, &best).unwrap();
        for step in 0..120 {
            let energy = Expectation::Mean.energy(&target, &q, &mut Rng::new(0)).unwrap();
            q = Rule::ForwardBackward.step(&q, &energy.gradient, &energy.hessian, 1.0).unwrap();
            let next = bures_wasserstein(&q, &best).unwrap();
            let bound = (1.0 - 0.005) * distance - 2.0 * (f(&q) - optimum);
            assert!(next <= bound + 1e-9, "seed {seed}, step {step}: {next} above {bound}");
            distance = next;
        }
    }
}

#[test]
fn every_rule_has_the_optimum_as_its_fixed_point() {
    let target = Quadratic::new(&geomspace(0.1, 1.0, 3), &mut Rng::new(4));
    let best = target.optimum();
    for rule in [Rule::ForwardBackward, Rule::BuresWasserstein, Rule::Natural, Rule::Newton, Rule::LocationScale] {
        let energy = Expectation::Mean.energy(&target, &best, &mut Rng::new(0)).unwrap();
        let next = rule.step(&best, &energy.gradient, &energy.hessian, 0.5).unwrap();
        assert_close(&next.covariance, &best.covariance, 1e-10, &format!("{rule:?} moves"));
        let mut fit = GaussianFit::new(Gaussian::isotropic(vec![0.0; 3], 0.5));
        let steps = GaussianSteps { rule, ..GaussianSteps::deterministic(&target, Expectation::Mean, 0.5) };
        drive(&steps, &mut fit, &Stop::after(2000, "gaussian", "F"), &mut Run::new(0)).unwrap();
        let distance = bures_wasserstein(fit.answer(), &best).unwrap();
        assert!(distance < 1e-10, "{rule:?}: {distance}");
    }
    let newton = GaussianSteps { rule: Rule::Newton, ..GaussianSteps::deterministic(&target, Expectation::Mean, 1.0) };
    let mut fit = GaussianFit::new(Gaussian::isotropic(vec![0.0; 3], 0.5));
    drive(&newton, &mut fit, &Stop::after(1, "gaussian", "F"), &mut Run::new(0)).unwrap();
    assert_close(&fit.answer().covariance, &best.covariance, 1e-10, "one Newton step of a quadratic");
}

#[test]
fn a_small_start_is_safe_forward_backward_and_not_by_gradient_descent() {
    let target = Quadratic { mean: vec![0.0; 2], precision: vec![1.0, 0.0, 0.0, 0.1] };
    let start = Gaussian::isotropic(vec![3.0; 2], 1e-4);
    let f = |q: &Gaussian| {
        Expectation::Mean.energy(&target, q, &mut Rng::new(0)).unwrap().value - 0.5 * q.log_det().unwrap()
    };
    let energy = Expectation::Mean.energy(&target, &start, &mut Rng::new(0)).unwrap();
    let step = |rule: Rule| rule.step(&start, &energy.gradient, &energy.hessian, 1.0).unwrap();
    assert!(f(&step(Rule::ForwardBackward)) < f(&start));
    assert!(f(&step(Rule::LocationScale)) < f(&start));
    assert!(f(&step(Rule::BuresWasserstein)) > f(&start) + 100.0);
}

#[test]
fn expectations_agree_on_a_quadratic_and_with_stein() {
    let target = Quadratic::new(&[0.2, 1.0], &mut Rng::new(5));
    let q = Gaussian { mean: vec![0.5, -1.0], covariance: vec![0.7, 0.2, 0.2, 1.1] };
    let of = |e: Expectation| e.energy(&target, &q, &mut Rng::new(1)).unwrap();
    let exact = of(Expectation::Mean);
    for e in [Expectation::Cubature, Expectation::Hermite { points: 5 }] {
        let found = of(e);
        assert!((found.value - exact.value).abs() < 1e-12, "{e:?}");
        assert_close(&found.gradient, &exact.gradient, 1e-12, "gradient");
        assert_close(&found.hessian, &exact.hessian, 1e-12, "Hessian");
    }
    // Without a Hessian: Stein's identity is exact under cubature, whose moments to order three are right.
    let bare = elbo_infer::Explicit::new(2, |z: &[f64], g: &mut [f64]| target.value_and_gradient(z, g));
    let found = Expectation::Cubature.energy(&bare, &q, &mut Rng::new(1)).unwrap();
    assert_close(&found.hessian, &exact.hessian, 1e-12, "Stein");
    assert!(Expectation::Mean.energy(&bare, &q, &mut Rng::new(1)).is_err());
    assert!((largest_curvature(&bare, &[0.0, 0.0]).unwrap() - 1.0).abs() < 1e-6);
}

#[test]
fn stochastic_steps_reach_the_best_gaussian_of_a_logistic_regression() {
    let mut rng = Rng::new(6);
    let (n, d) = (40, 3);
    let x = rng.normals(n * d);
    let y: Vec<f64> = (0..n).map(|i| f64::from(u8::from(x[i * d] - 0.5 * x[i * d + 1] + rng.normal() > 0.0))).collect();
    let glm = Glm::new(GlmLikelihood::Bernoulli, x, y, vec![1.5; d]);
    let beta = largest_curvature(&glm, &[0.0; 3]).unwrap();
    let start = || GaussianFit::new(Gaussian::isotropic(vec![0.0; d], 1.0 / beta));
    let mut exact = start();
    let steps = GaussianSteps::deterministic(&glm, Expectation::Hermite { points: 12 }, 1.0 / beta);
    drive(&steps, &mut exact, &Stop::after(1500, "gaussian", "F"), &mut Run::new(0)).unwrap();
    for seed in [1, 2, 3] {
        let mut random = start();
        let steps = GaussianSteps::stochastic(&glm, 0.3 / beta, 1500);
        drive(&steps, &mut random, &Stop::after(1500, "gaussian", "F"), &mut Run::new(seed)).unwrap();
        let gap = random.answer().kl(exact.answer()).unwrap();
        assert!(gap < 0.02, "seed {seed}: {gap} nats from the exact run");
    }
}

/// A logistic regression of three weights.
fn logistic(rows: usize, seed: u64) -> Glm {
    let (mut rng, d) = (Rng::new(seed), 3);
    let x = rng.normals(rows * d);
    let chosen = |i: usize, rng: &mut Rng| x[i * d] - 0.5 * x[i * d + 1] + rng.normal() > 0.0;
    let y = (0..rows).map(|i| f64::from(u8::from(chosen(i, &mut rng)))).collect();
    Glm::new(GlmLikelihood::Bernoulli, x, y, vec![1.5; d])
}

#[test]
fn steps_from_some_of_the_rows_reach_the_best_gaussian() {
    let glm = logistic(40, 6);
    let beta = largest_curvature(&glm, &[0.0; 3]).unwrap();
    let start = || GaussianFit::new(Gaussian::isotropic(vec![0.0; 3], 1.0 / beta));
    let mut exact = start();
    let steps = GaussianSteps::deterministic(&glm, Expectation::Hermite { points: 12 }, 1.0 / beta);
    drive(&steps, &mut exact, &Stop::after(1500, "gaussian", "F"), &mut Run::new(0)).unwrap();
    let far = start().answer().kl(exact.answer()).unwrap();
    let run = |seed: u64, expectation: Expectation| {
        let mut random = start();
        let batch = Some(Minibatch { target: &glm, rows: 10 });
        let steps = GaussianSteps { batch, expectation, ..GaussianSteps::stochastic(&glm, 0.25 / beta, 6000) };
        drive(&steps, &mut random, &Stop::after(6000, "gaussian", "F"), &mut Run::new(seed)).unwrap();
        random.answer().clone()
    };
    for expectation in [Expectation::Draws { count: 1 }, Expectation::Cubature] {
        for seed in [1, 2, 3] {
            let gap = run(seed, expectation).kl(exact.answer()).unwrap();
            assert!(gap < 0.1 && gap < 0.1 * far, "{expectation:?}, seed {seed}: {gap} nats, {far} at the start");
        }
        assert_eq!(run(4, expectation), run(4, expectation), "a seed gives the same bits");
    }
}

#[test]
fn a_batch_of_all_rows_is_no_batch_and_the_objective_is_looked_at_once_for_all_rows() {
    let glm = logistic(40, 7);
    let curve = |batch: Option<usize>, expectation: Expectation| {
        let mut fit = GaussianFit::new(Gaussian::isotropic(vec![0.0; 3], 0.1));
        let batch = batch.map(|rows| Minibatch { target: &glm, rows });
        let steps = GaussianSteps { batch, expectation, ..GaussianSteps::stochastic(&glm, 0.01, usize::MAX) };
        let mut run = Run::new(1);
        drive(&steps, &mut fit, &Stop::after(40, "gaussian", "F"), &mut run).unwrap();
        (fit.current, run.metrics()[0].1.iter().map(|m| m.1).collect::<Vec<f64>>())
    };
    let (all, _) = curve(Some(40), Expectation::Cubature);
    let (more, _) = curve(Some(1000), Expectation::Cubature);
    let (none, _) = curve(None, Expectation::Cubature);
    assert_eq!(all, more);
    assert_close(&all.covariance, &none.covariance, 1e-10, "covariance");
    assert_close(&all.mean, &none.mean, 1e-10, "mean");
    let (_, looks) = curve(Some(10), Expectation::Cubature);
    let changes = looks.windows(2).filter(|w| w[0] != w[1]).count();
    assert_eq!(changes, 9, "40 steps of a quarter of the rows take all rows ten times: {looks:?}");
    let steps =
        GaussianSteps { batch: Some(Minibatch { target: &glm, rows: 0 }), ..GaussianSteps::stochastic(&glm, 0.01, 10) };
    let mut fit = GaussianFit::new(Gaussian::isotropic(vec![0.0; 3], 0.1));
    let error = drive(&steps, &mut fit, &Stop::after(10, "gaussian", "F"), &mut Run::new(1)).unwrap_err().to_string();
    assert!(error.contains("`batch` is 0"), "{error}");
}

#[test]
fn a_run_by_batches_that_was_interrupted_goes_on_to_the_same_bits() {
    let glm = logistic(40, 8);
    let work = |run: &mut Run| {
        let mut fit = GaussianFit::new(Gaussian::isotropic(vec![0.0; 3], 0.1));
        let batch = Some(Minibatch { target: &glm, rows: 7 });
        let steps = GaussianSteps { batch, ..GaussianSteps::stochastic(&glm, 0.01, 60) };
        drive(&steps, &mut fit, &Stop::after(60, "gaussian", "F"), run).unwrap();
        fit
    };
    let (_, stopped, resumed) = interrupted(25, work);
    let whole = work(&mut Run::new(6));
    assert!(stopped != whole && resumed == whole);
}

/// Steps of length one by a rule never raise the objective of a quadratic, from narrow and wide starts.
#[track_caller]
fn assert_lowers(rule: Rule, target: &Quadratic) {
    let f = |q: &Gaussian| {
        Expectation::Mean.energy(target, q, &mut Rng::new(0)).unwrap().value - 0.5 * q.log_det().unwrap()
    };
    for variance in [1e-4, 1.0, 50.0] {
        let mut q = Gaussian::isotropic(vec![0.0; 4], variance);
        let mut last = f(&q);
        for step in 0..50 {
            let energy = Expectation::Mean.energy(target, &q, &mut Rng::new(0)).unwrap();
            q = rule.step(&q, &energy.gradient, &energy.hessian, 1.0).unwrap();
            let next = f(&q);
            assert!(next <= last + 1e-10 * last.abs().max(1.0), "{rule:?}, step {step}: {last} to {next}");
            last = next;
        }
    }
}

#[test]
fn the_diagonal_rule_finds_the_best_independent_unknowns_and_always_lowers_the_objective() {
    for seed in [1, 2, 3] {
        let target = Quadratic::new(&geomspace(0.05, 1.0, 4), &mut Rng::new(seed));
        assert_lowers(Rule::Diagonal, &target);
        let mut fit = GaussianFit::new(Gaussian::isotropic(vec![0.0; 4], 1.0));
        let exact = GaussianSteps::deterministic(&target, Expectation::Mean, 1.0);
        let steps = GaussianSteps { rule: Rule::Diagonal, tolerance: 1e-22, ..exact };
        let mut run = Run::new(0);
        drive(&steps, &mut fit, &Stop::after(5000, "gaussian", "F"), &mut run).unwrap();
        let found = fit.answer();
        assert_close(&found.mean, &target.mean, 1e-8, "mean");
        for ij in 0..16 {
            let expected = if ij / 4 == ij % 4 { 1.0 / target.precision[ij] } else { 0.0 };
            assert!((found.covariance[ij] - expected).abs() < 1e-8 * expected.max(1.0), "seed {seed}, entry {ij}");
        }
        let curve = &run.metrics()[0].1;
        assert!(curve.len() < 5000, "it stops where its own gradient vanishes");
    }
}

#[test]
fn diagonal_steps_drop_covariances_and_are_forward_backward_steps_of_independent_targets() {
    let (g, h) = ([0.3, -0.2], [0.8, 0.0, 0.0, 0.1]);
    let q = Gaussian { mean: vec![1.0, 2.0], covariance: vec![0.7, 0.0, 0.0, 3.0] };
    let (one, other) = (Rule::Diagonal.step(&q, &g, &h, 0.9).unwrap(), Rule::ForwardBackward.step(&q, &g, &h, 0.9));
    assert_close(&one.covariance, &other.as_ref().unwrap().covariance, 1e-12, "covariance");
    assert_eq!(one.mean, other.unwrap().mean);
    let correlated = Gaussian { covariance: vec![0.7, 0.5, 0.5, 3.0], ..q };
    assert_eq!(diagonal_step(&correlated, &g, &h, 0.9).unwrap(), one);
    let error = diagonal_step(&correlated, &g, &[f64::NAN, 0.0, 0.0, 0.1], 0.9).unwrap_err();
    assert!(error.is_recoverable(), "{error}");
}

#[test]
fn a_low_rank_hessian_keeps_the_largest_curvatures_and_the_trace() {
    let values = [0.1, 0.2, 0.6, 2.0, 5.0];
    let h = Quadratic::new(&values, &mut Rng::new(9)).precision;
    for rank in 1..=6 {
        let found = low_rank_hessian(&h, 5, rank).unwrap();
        let eigen = elbo_linalg::syevd(MatRef::row_major(&found, 5, 5)).unwrap().values;
        let rest = 5usize.saturating_sub(rank).max(1);
        let level = values[..rest].iter().sum::<f64>() / rest as f64;
        let expected: Vec<f64> = (0..5).map(|i| if i < rest { level } else { values[i] }).collect();
        assert_close(&eigen, &expected, 1e-12, &format!("rank {rank}"));
        if rank >= 4 {
            assert_eq!(found, h, "rank {rank}");
        }
    }
    assert!(low_rank_hessian(&h, 5, 0).unwrap_err().to_string().contains("`rank` is 0"));
    // Where all but two curvatures are alike, two directions are the whole.
    let alike = Quadratic::new(&[0.3, 0.3, 0.3, 1.5, 2.0], &mut Rng::new(10)).precision;
    assert_close(&low_rank_hessian(&alike, 5, 2).unwrap(), &alike, 1e-12, "alike");
}

#[test]
fn steps_of_low_rank_end_at_the_covariance_of_their_hessian() {
    let target = Quadratic::new(&geomspace(0.1, 1.0, 5), &mut Rng::new(11));
    for rank in [1, 2, 4] {
        let hessian = low_rank_hessian(&target.precision, 5, rank).unwrap();
        let expected = Gaussian { mean: vec![0.0; 5], covariance: hessian }.precision().unwrap();
        let mut fit = GaussianFit::new(Gaussian::isotropic(vec![0.0; 5], 0.5));
        let exact = GaussianSteps::deterministic(&target, Expectation::Mean, 1.0);
        let steps = GaussianSteps { rank: Some(rank), tolerance: 1e-22, ..exact };
        let mut run = Run::new(0);
        drive(&steps, &mut fit, &Stop::after(3000, "gaussian", "F"), &mut run).unwrap();
        assert_close(&fit.answer().covariance, &expected, 1e-8, "covariance");
        assert_close(&fit.answer().mean, &target.mean, 1e-8, "mean");
        assert!(run.warnings().is_empty(), "{:?}", run.warnings());
    }
}

#[test]
fn improper_targets_and_long_steps_are_told() {
    let flat = elbo_infer::Explicit::new(1, |z: &[f64], g: &mut [f64]| {
        g[0] = z[0];
        0.5 * z[0] * z[0]
    });
    let error = largest_curvature(&flat, &[0.0]).unwrap_err().to_string();
    assert!(error.contains("improper"), "{error}");
    let mut fit = GaussianFit::new(Gaussian::isotropic(vec![0.1], 1.0));
    let steps = GaussianSteps::deterministic(&flat, Expectation::Cubature, 0.5);
    let error = drive(&steps, &mut fit, &Stop::after(500, "gaussian", "F"), &mut Run::new(0)).unwrap_err().to_string();
    assert!(error.contains("improper"), "{error}");

    let steep = Quadratic { mean: vec![1.0], precision: vec![100.0] };
    let mut fit = GaussianFit::new(Gaussian::isotropic(vec![0.0], 1.0));
    let mut run = Run::new(0);
    let steps = GaussianSteps::deterministic(&steep, Expectation::Mean, 1.0);
    drive(&steps, &mut fit, &Stop::after(500, "gaussian", "F"), &mut run).unwrap();
    assert!(run.warnings().iter().any(|w| w.contains("step length")), "{:?}", run.warnings());
    assert!((fit.answer().mean[0] - 1.0).abs() < 1e-6 && (fit.answer().covariance[0] - 0.01).abs() < 1e-6);
}

#[test]
fn the_proximal_entropy_step_is_the_minimiser_of_its_objective() {
    for gamma in [1e-6, 0.03, 1.0, 40.0] {
        for c in [-30.0, -1.0, -1e-3, 0.0, 0.2, 5.0, 1e4] {
            let found = proximal_entropy_step(&[c], 1, gamma).unwrap()[0];
            // The derivative of -log x + (x - c)^2 / (2 gamma), times gamma, rises through zero once: halve the interval.
            let slope = |x: f64| x - c - gamma / x;
            let (mut low, mut high) = (0.0f64, c.abs() + gamma.sqrt() + 1.0);
            for _ in 0..200 {
                let middle = 0.5 * (low + high);
                if slope(middle) < 0.0 { low = middle } else { high = middle }
            }
            assert!((found - low).abs() <= 1e-8 * low, "gamma {gamma}, c {c}: {found} and {low}");
        }
    }
    let (factor, gamma) = ([-0.3, 0.0, 0.0, 0.7, 1.1, 0.0, -0.2, 0.4, 0.0], 0.3);
    let found = proximal_entropy_step(&factor, 3, gamma).unwrap();
    let objective = |x: &[f64]| {
        let square: f64 = x.iter().zip(&factor).map(|(x, c)| (x - c).powi(2)).sum();
        0.5 * square / gamma - (0..3).map(|i| x[4 * i].ln()).sum::<f64>()
    };
    for ij in [0, 3, 4, 6, 7, 8] {
        for delta in [-1e-3, 1e-3] {
            let mut other = found.clone();
            other[ij] += delta;
            assert!(objective(&other) > objective(&found), "entry {ij} moved by {delta}");
        }
    }
    assert_eq!((found[1], found[2], found[5]), (0.0, 0.0, 0.0));
    assert_eq!((found[3], found[6], found[7]), (0.7, -0.2, 0.4));
}

#[test]
fn proximal_steps_of_the_factor_lower_the_objective_of_every_quadratic() {
    for seed in [1, 2, 3] {
        let target = Quadratic::new(&geomspace(0.05, 1.0, 4), &mut Rng::new(seed));
        assert_lowers(Rule::LocationScale, &target);
    }
}

#[test]
fn proximal_entropy_steps_without_meaning_are_refused() {
    let message =
        |factor: &[f64], d: usize, gamma: f64| proximal_entropy_step(factor, d, gamma).unwrap_err().to_string();
    for gamma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(&[1.0], 1, gamma).contains("`gamma`"));
    }
    assert!(message(&[1.0, 0.0, 1.0], 2, 1.0).contains("of 3 numbers; expected of 2 x 2"));
    assert!(message(&[], 0, 1.0).contains("`d` is 0"));
    assert!(message(&[1.0, 0.5, 0.0, 1.0], 2, 1.0).contains("0.5 above the diagonal"));
    assert!(proximal_entropy_step(&[f64::NAN], 1, 1.0).unwrap_err().is_recoverable());
}
