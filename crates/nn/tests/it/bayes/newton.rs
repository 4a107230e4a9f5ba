//! Variational online Newton on losses whose posterior is known.

use elbo_core::{ModelFile, Run, Stop, drive, step::Snapshot};
use elbo_nn::bayes::{Estimate, Newton, NewtonConfig, NewtonStep};
use elbo_tensor::optim::{Explicit, Schedule};
use elbo_tensor::{Constraint, Parameter, Parameters};

const CURVATURE: [f64; 3] = [0.2, 1.0, 5.0];
const CENTRE: [f64; 3] = [1.0, -2.0, 0.5];
const DECAY: f64 = 0.1;
const ROWS: f64 = 200.0;

fn model() -> Parameter {
    Parameter::new(&[0.0; 3], &[3], Constraint::Real)
}

fn quadratic(theta: &Parameter, _: &mut Run) -> elbo_core::Result<(f64, Vec<f64>)> {
    let at = theta.value();
    let slope: Vec<f64> = (0..3).map(|i| CURVATURE[i] * (at[i] - CENTRE[i])).collect();
    Ok((0.5 * (0..3).map(|i| slope[i] * (at[i] - CENTRE[i])).sum::<f64>(), slope))
}

fn config(estimate: Estimate) -> NewtonConfig {
    // The rate falls, so that the noise of the steps is averaged away.
    let rate = Schedule::Cosine { start: 0.2, end: 1e-3, steps: 30_000 };
    NewtonConfig { decay: DECAY, beta2: 0.9995, curvature: 0.5, estimate, ..NewtonConfig::new(ROWS as usize, rate) }
}

fn fitted(config: &NewtonConfig, exact: bool, steps: usize) -> Newton<Parameter> {
    let mut newton = Newton::new(model(), config).unwrap();
    let curvatures: Option<Box<elbo_nn::bayes::Curvatures<'_, Parameter>>> =
        if exact { Some(Box::new(|_: &Parameter, _: &mut Run| Ok(CURVATURE.to_vec()))) } else { None };
    let step = NewtonStep { config: config.clone(), objective: Explicit(quadratic), exact: curvatures };
    drive(&step, &mut newton, &Stop::after(steps, "fit", "loss"), &mut Run::new(3)).unwrap();
    newton
}

#[test]
fn a_quadratic_has_its_curvature_and_ridge_mean_as_fixed_point() {
    for (exact, tolerance) in [(true, 1e-3), (false, 0.12)] {
        let newton = fitted(&config(Estimate::Reparameterised), exact, 30_000);
        let mean = newton.model.pack();
        for i in 0..3 {
            let ridge = CURVATURE[i] * CENTRE[i] / (CURVATURE[i] + DECAY);
            // An average over 1 / (1 - beta2) = 2000 estimates of h, each with the spread √2 h and more, is known to 5 % or so.
            let h = newton.curvature[i];
            assert!((h / CURVATURE[i] - 1.0).abs() < tolerance, "exact {exact}, curvature {i}: {h}");
            assert!((mean[i] - ridge).abs() < 0.02, "exact {exact}, mean {i}: {} and {ridge}", mean[i]);
            assert!((newton.sds()[i] - 1.0 / (ROWS * (h + DECAY)).sqrt()).abs() < 1e-12);
        }
    }
}

/// Where `h = level + H² / (λ (h + δ))`: the mean of squared gradients, of which the weights' own noise gives the last part.
fn fixed_point(curvature: f64, level: f64) -> f64 {
    let b = DECAY - level;
    0.5 * (-b + (b * b + 4.0 * (curvature * curvature / ROWS + level * DECAY)).sqrt())
}

/// The squared slope at the ridge mean, which is that of the prior: `(δ m)²`.
fn pull(i: usize) -> f64 {
    (DECAY * CURVATURE[i] * CENTRE[i] / (CURVATURE[i] + DECAY)).powi(2)
}

#[test]
fn squared_gradients_of_a_quadratic_have_a_fixed_point_below_its_curvature() {
    let newton = fitted(&config(Estimate::SquaredGradient), false, 30_000);
    for i in 0..3 {
        let (found, h) = (newton.curvature[i], fixed_point(CURVATURE[i], pull(i)));
        // Squares of normals with the spread √2 h, and 2 / (1 - beta2) = 4000 of them in the average: a standard error of 2.3 %. The
        // steps of the mean, which still moves a little, add 2 % at most.
        assert!((found / h - 1.0).abs() < 0.12, "curvature {i}: {found} and {h}");
        assert!(found < 0.2 * CURVATURE[i], "curvature {i}: {found}");
    }
}

#[test]
fn squared_gradients_of_single_rows_have_the_curvature_of_the_mean_loss_as_their_mean() {
    // A row says y ~ N(θ, 1 / H) and is drawn from the same law around the centre: its loss has curvature H, its slope variance H.
    let row = |theta: &Parameter, run: &mut Run| -> elbo_core::Result<(f64, Vec<f64>)> {
        let (at, noise) = (theta.value(), run.rng.normals(3));
        let error: Vec<f64> = (0..3).map(|i| at[i] - CENTRE[i] - noise[i] / CURVATURE[i].sqrt()).collect();
        let slope: Vec<f64> = (0..3).map(|i| CURVATURE[i] * error[i]).collect();
        Ok((0.5 * (0..3).map(|i| slope[i] * error[i]).sum::<f64>(), slope))
    };
    let config = config(Estimate::SquaredGradient);
    let mut newton = Newton::new(model(), &config).unwrap();
    let step: NewtonStep<'_, Parameter, _> = NewtonStep { config, objective: Explicit(row), exact: None };
    drive(&step, &mut newton, &Stop::after(30_000, "fit", "loss"), &mut Run::new(3)).unwrap();
    for i in 0..3 {
        let (found, h) = (newton.curvature[i], fixed_point(CURVATURE[i], CURVATURE[i] + pull(i)));
        // A standard error of 2.3 %, as above; the prior's slope and the weights' noise move the mean by 4 % at most.
        assert!((found / h - 1.0).abs() < 0.1, "curvature {i}: {found} and {h}");
        assert!((found / CURVATURE[i] - 1.0).abs() < 0.14, "curvature {i}: {found}");
    }
}

#[test]
fn curvatures_stay_above_minus_the_decay_whatever_the_estimates() {
    let wild = NewtonConfig { beta2: 0.5, curvature: 0.01, decay: 1e-3, ..config(Estimate::Reparameterised) };
    let newton = fitted(&wild, false, 300);
    assert!(newton.curvature.iter().all(|h| h + wild.decay > 0.0) && newton.sds().iter().all(|s| s.is_finite()));
}

#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    let config = config(Estimate::Reparameterised);
    let whole = fitted(&config, false, 50);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoints = elbo_core::run::Checkpoints {
        path: path.clone(),
        every: std::time::Duration::ZERO,
        header: ModelFile::new("test"),
    };
    let step: NewtonStep<'_, Parameter, _> =
        NewtonStep { config: config.clone(), objective: Explicit(quadratic), exact: None };
    let fresh = || Newton::new(model(), &config).unwrap();
    let stop = |n| Stop::after(n, "fit", "loss");
    drive(&step, &mut fresh(), &stop(20), &mut Run::new(3).with_checkpoints(checkpoints)).unwrap();
    let mut resumed = fresh();
    drive(&step, &mut resumed, &stop(50), &mut Run::new(9).resuming(ModelFile::read(&path).unwrap())).unwrap();
    let bits = |n: &Newton<Parameter>| {
        let mut file = ModelFile::new("test");
        n.save(&mut file, "n");
        file.to_bytes()
    };
    assert!(bits(&resumed) == bits(&whole));
}

#[test]
fn a_loss_that_is_not_finite_is_named_and_leaves_the_mean() {
    let config = config(Estimate::Reparameterised);
    let mut newton = Newton::new(model(), &config).unwrap();
    let bad = |_: &Parameter, _: &mut Run| -> elbo_core::Result<(f64, Vec<f64>)> { Ok((f64::NAN, vec![0.0; 3])) };
    let step: NewtonStep<'_, Parameter, _> = NewtonStep { config, objective: Explicit(bad), exact: None };
    let error = drive(&step, &mut newton, &Stop::after(1, "fit", "loss"), &mut Run::new(0)).unwrap_err();
    assert!(error.to_string().contains("NaN"), "{error}");
    assert_eq!(newton.model.pack(), [0.0; 3]);
}
