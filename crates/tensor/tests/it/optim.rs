//! Optimisers: they reach known minima, respect bounds, survive holes in the objective and resume to the bit.

use elbo_core::{Error, ModelFile, Result, Run, Snapshot, Step, Stop, drive};
use elbo_tensor::optim::{
    Adagrad, Adam, Coin, Dog, Explicit, Lbfgs, Optimiser, RmsProp, Rule, Schedule, Sgd, UnitCoin, natural_step,
};
use elbo_tensor::{Constraint, DType, Parameter, Parameters, Tensor, grad};

fn rosenbrock(x: &[f64]) -> Result<(f64, Vec<f64>)> {
    let mut value = 0.0;
    let mut gradient = vec![0.0; x.len()];
    for i in 0..x.len() - 1 {
        let (a, b) = (1.0 - x[i], x[i + 1] - x[i] * x[i]);
        value += a * a + 100.0 * b * b;
        gradient[i] += -2.0 * a - 400.0 * x[i] * b;
        gradient[i + 1] += 200.0 * b;
    }
    Ok((value, gradient))
}

#[test]
fn lbfgs_reaches_the_bottom_of_rosenbrocks_valley() {
    let rule = Lbfgs { gradient_tolerance: 1e-9, value_tolerance: 0.0, ..Lbfgs::default() };
    for n in [2, 10, 50] {
        let start: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
        let found = rule.minimise(&start, 1000, rosenbrock).unwrap();
        // From this start some dimensions have a second minimum near x_0 = -1.
        assert!(found.converged && found.value < 4.0, "n = {n}: {found:?}");
        assert!(found.gradient.iter().all(|g| g.abs() < 1e-8), "{found:?}");
    }
    let two = rule.minimise(&[-1.2, 1.0], 1000, rosenbrock).unwrap();
    assert!(two.x.iter().all(|x| (x - 1.0).abs() < 1e-8) && two.evaluations < 70, "{two:?}");
}

#[test]
fn lbfgs_stops_at_bounds_and_never_leaves_them() {
    let bounds = vec![(-2.0, 0.5), (-2.0, 2.0)];
    let rule = Lbfgs { bounds: Some(bounds), gradient_tolerance: 1e-8, value_tolerance: 0.0, ..Lbfgs::default() };
    let inside = |x: &[f64]| {
        assert!(x[0] <= 0.5 && x[0] >= -2.0 && x[1].abs() <= 2.0, "left the bounds: {x:?}");
        rosenbrock(x)
    };
    let found = rule.minimise(&[-1.2, 1.0], 500, inside).unwrap();
    assert!((found.x[0] - 0.5).abs() < 1e-12 && (found.x[1] - 0.25).abs() < 1e-6, "{found:?}");
    let from_outside = rule.minimise(&[9.0, -9.0], 500, inside).unwrap();
    assert!((from_outside.x[0] - 0.5).abs() < 1e-12, "{from_outside:?}");
}

#[test]
fn lbfgs_shortens_its_step_where_the_objective_does_not_exist_and_passes_on_real_errors() {
    // log(x) exists for x > 0 only; the minimum of x - log(x) is at 1.
    let holes = |kind: usize| {
        move |x: &[f64]| match kind {
            _ if x[0] > 0.0 => Ok((x[0] - x[0].ln(), vec![1.0 - 1.0 / x[0]])),
            0 => Ok((f64::NAN, vec![f64::NAN])),
            1 => Err(Error::recoverable("not positive definite", "raise the noise")),
            _ => Err(Error::numerical("broken", "none")),
        }
    };
    let rule = Lbfgs { gradient_tolerance: 1e-8, ..Lbfgs::default() };
    for kind in [0, 1] {
        let found = rule.minimise(&[30.0], 100, holes(kind)).unwrap();
        assert!((found.x[0] - 1.0).abs() < 1e-4 && found.converged, "{found:?}");
        assert!(rule.minimise(&[-1.0], 100, holes(kind)).is_err());
    }
    let steep = |x: &[f64]| if x[0] > -0.5 { Ok((x[0], vec![1.0])) } else { holes(2)(&[-1.0]) };
    assert_eq!(rule.minimise(&[0.0], 10, steep).unwrap_err().to_string(), "broken");
}

struct Line {
    slope: Parameter,
    noise: Parameter,
}

impl Parameters for Line {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        f("slope", &self.slope);
        f("noise", &self.noise);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("slope", &mut self.slope);
        f("noise", &mut self.noise);
    }
}

impl Snapshot for Line {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }
    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

fn line() -> Line {
    Line { slope: Parameter::scalar(0.0, Constraint::Real), noise: Parameter::scalar(1.0, Constraint::Positive) }
}

const X: [f64; 4] = [0.0, 1.0, 2.0, 3.0];
const Y: [f64; 4] = [0.1, 1.9, 4.1, 5.9];

/// Negative log likelihood of y = slope x with Gaussian noise.
fn loss(model: &Line, _: &mut Run) -> Result<Tensor> {
    let (x, y) = (Tensor::from_slice(&X, &[4]), Tensor::from_slice(&Y, &[4]));
    let residual = y - x * model.slope.get();
    let noise = model.noise.get();
    Ok((residual.square().sum() / &noise + noise.log() * 4.0) * 0.5)
}

/// Slope and noise at the maximum of the likelihood.
fn solution() -> (f64, f64) {
    let slope = X.iter().zip(Y).map(|(x, y)| x * y).sum::<f64>() / X.iter().map(|x| x * x).sum::<f64>();
    (slope, X.iter().zip(Y).map(|(x, y)| (y - slope * x).powi(2)).sum::<f64>() / 4.0)
}

fn assert_solved(name: &str, model: &Line, tolerance: f64) {
    let (slope, noise) = solution();
    assert!((model.slope.value()[0] - slope).abs() < tolerance, "{name}: slope {:?}", model.slope.value());
    assert!((model.noise.value()[0] / noise - 1.0).abs() < tolerance, "{name}: noise {:?}", model.noise.value());
}

#[test]
fn every_optimiser_finds_the_maximum_of_a_likelihood() {
    fn run(name: &str, step: impl Step<Line>, steps: usize, tolerance: f64) {
        let mut model = line();
        drive(&step, &mut model, &Stop::after(steps, "fit", "loss"), &mut Run::new(0)).unwrap();
        assert_solved(name, &model, tolerance);
    }
    run("lbfgs", Lbfgs { gradient_tolerance: 1e-8, value_tolerance: 0.0, ..Lbfgs::default() }.on(loss), 100, 1e-6);
    run("adam", Adam::with_rate(0.05).on(loss), 2000, 1e-3);
    run("sgd", Sgd { rate: 5e-4.into(), momentum: 0.9, nesterov: true, clip: Some(5.0) }.on(loss), 4000, 1e-3);
    run("amsgrad", Adam { amsgrad: true, ..Adam::with_rate(0.05) }.on(loss), 2000, 1e-3);
    run("adagrad", Adagrad { rate: 0.5.into(), ..Adagrad::default() }.on(loss), 2000, 1e-3);
    // At a constant rate these steps never shrink.
    let rate = Schedule::Cosine { start: 0.02, end: 0.0, steps: 2000 };
    run("rmsprop", RmsProp { rate, ..RmsProp::default() }.on(loss), 2000, 1e-3);
    let explicit = Explicit(|model: &Line, run: &mut Run| {
        let value = loss(model, run)?;
        Ok((value.item(), model.gradient(&value)))
    });
    run("explicit", Lbfgs::default().on(explicit), 100, 1e-3);
}

#[test]
fn rules_without_a_rate_find_the_bottom_of_a_parabola() {
    // With the noise held. Where curvatures differ by orders of magnitude, as with the noise free, one length of step for all takes far longer.
    fn run(name: &str, step: impl Step<Line>) {
        let mut model = line();
        model.noise.set_frozen(true);
        drive(&step, &mut model, &Stop::after(2000, "fit", "loss"), &mut Run::new(0)).unwrap();
        assert!((model.slope.value()[0] - solution().0).abs() < 1e-9, "{name}: slope {:?}", model.slope.value());
    }
    run("dog", Dog::default().on(loss));
    run("dowg", Dog { weighted: true, ..Dog::default() }.on(loss));
    run("coin", Coin::default().on(loss));
    run("chosen", Optimiser::Coin { alpha: 0.0 }.rule(0.0, None).on(loss));
}

#[test]
fn frozen_parameters_stay_where_they_are() {
    let mut model = line();
    model.noise.set_frozen(true);
    drive(&Lbfgs::default().on(loss), &mut model, &Stop::after(50, "fit", "loss"), &mut Run::new(0)).unwrap();
    assert_eq!(model.noise.value(), [1.0]);
    assert!((model.slope.value()[0] - solution().0).abs() < 1e-5);
}

#[test]
fn a_loss_that_is_not_finite_stops_descent_with_a_remedy() {
    let step = Adam::default().on(|model: &Line, _: &mut Run| Ok((model.slope.get() - 1.0).log()));
    let outcome = drive(&step, &mut line(), &Stop::after(3, "fit", "loss"), &mut Run::new(0));
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("NaN") && error.remedy().contains("learning rate"), "{error}");
}

#[test]
fn optimisers_resume_with_the_same_bits() {
    fn check(name: &str, step: impl Step<Line>, first: usize, all: usize) {
        let stop = |steps| Stop::after(steps, "fit", "loss");
        let mut whole = line();
        drive(&step, &mut whole, &stop(all), &mut Run::new(1)).unwrap();
        // By hand: part of the steps, memory through a file, the rest.
        let mut run = Run::new(1);
        let mut part = line();
        let mut state = step.init(&mut part, &mut run).unwrap();
        for _ in 0..first {
            step.step(&mut part, &mut state, &mut run).unwrap();
        }
        let mut file = ModelFile::new("test");
        part.save(&mut file, "model");
        state.save(&mut file, "state");
        let file = ModelFile::from_bytes(&file.to_bytes()).unwrap();
        let mut resumed = line();
        let mut state = step.init(&mut resumed, &mut run).unwrap();
        resumed.restore(&file, "model").unwrap();
        state.restore(&file, "state").unwrap();
        for _ in first..all {
            step.step(&mut resumed, &mut state, &mut run).unwrap();
        }
        let bits = |m: &Line| m.pack().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&whole), bits(&resumed), "{name}");
    }
    check("lbfgs", Lbfgs::default().on(loss), 3, 6);
    check("adam", Adam::with_rate(0.05).on(loss), 5, 12);
    check("sgd", Sgd { momentum: 0.5, ..Sgd::default() }.on(loss), 5, 12);
    for (name, optimiser) in [
        ("amsgrad", Optimiser::AmsGrad),
        ("adagrad", Optimiser::Adagrad),
        ("rmsprop", Optimiser::RmsProp { momentum: 0.5 }),
        ("dog", Optimiser::Dog),
        ("dowg", Optimiser::Dowg),
        ("coin", Optimiser::Coin { alpha: 0.0 }),
    ] {
        check(name, optimiser.rule(0.01, Some(10.0)).on(loss), 5, 12);
    }
    check("unit coin", UnitCoin.on(loss), 5, 12);
}

#[test]
fn one_natural_step_of_length_one_solves_a_conjugate_problem() {
    // Loss: expected negative log of N(y; A u, I) N(u; 0, I) less entropy; its minimiser is the exact posterior.
    let a = Tensor::from_vec(vec![1.0, 0.5, -0.3, 2.0, 0.1, 0.7], &[3, 2]);
    let y = Tensor::from_vec(vec![0.4, -1.0, 2.0], &[3]);
    let precision = a.t().matmul(&a) + Tensor::eye(2, DType::F64);
    let mean = Tensor::from_vec(vec![0.3, -0.2], &[2]).variable();
    let chol = Tensor::from_vec(vec![0.8, 0.0, 0.2, 1.3], &[2, 2]);
    let cov = chol.matmul(&chol.t()).variable();
    let fit = (&y - a.matmul(&mean)).square().sum() + mean.square().sum();
    let spread = (&precision * &cov).sum() - cov.cholesky().unwrap().cholesky_log_det();
    let gradients = grad(&((fit + spread) * 0.5), &[&mean, &cov]);
    let (new_mean, new_chol) = natural_step(&mean, &chol, &gradients[0], &gradients[1], 1.0).unwrap();
    let exact = precision.inverse_spd().unwrap();
    let exact_mean = exact.matmul(&a.t().matmul(&y));
    assert!((new_mean - exact_mean).abs().max().item() < 1e-12);
    assert!((new_chol.matmul(&new_chol.t()) - exact).abs().max().item() < 1e-12);
    // A step against the curvature leaves the Gaussians.
    let away = -Tensor::eye(2, DType::F64);
    assert!(natural_step(&mean, &chol, &gradients[0], &away, 50.0).unwrap_err().is_recoverable());
}
