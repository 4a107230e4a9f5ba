//! Regression by a Gaussian process whose hyperparameters are held: predictions have a closed form, and new observations of the process
//! lie uniformly in them.

use super::entry::{Entry, Exact, Outcome, Size, fit, largest, predict, simulations};
use super::process::{Process, inputs};
use crate::error::Result;
use elbo::core::{Marginals, Rng, Run};
use serde_json::{Value, json};

/// The process that data are drawn from.
const TRUTH: Process = Process { lengthscale: 0.5, variance: 0.7, noise: 0.3 };
const ROWS: usize = 12;
/// Width of the priors that hold hyperparameters where a system always searches, on the logarithm.
const PINNED: f64 = 1e-5;
/// A rate of Adam that moves nothing in so few steps.
pub(super) const STILL: f64 = 1e-12;

/// A system's settings that hold its hyperparameters at those of a process.
type Settings = fn(&Process) -> Value;

/// Every system whose hyperparameters can be held.
pub(super) fn entries() -> Vec<Entry> {
    let exact = "predictions equal the closed form, and new observations lie uniformly in them; hyperparameters held";
    let sampled = "as `gpr`, with the standard deviations of 400 posterior samples";
    // Jitter and the width of the priors that pin allow 1e-4. Four hundred samples know a standard deviation to 3.5 %; the largest error of
    // two hundred data sets is three times that, and the samples' random frequencies add their own.
    let systems: [(&'static str, &'static str, f64, Settings); 6] = [
        ("gpr", exact, 1e-4, gpr),
        ("sgpr", exact, 1e-4, sgpr),
        ("svgp", exact, 1e-4, svgp),
        ("cvtgp", exact, 1e-4, cvtgp),
        ("memory-dual-gp", exact, 1e-4, memory_dual_gp),
        ("sdd-gp", sampled, 0.15, sdd_gp),
    ];
    systems
        .into_iter()
        .map(|(system, test, tolerance, settings)| {
            // A sampled solution takes a hundred times as long as a factorisation.
            let few = system == "sdd-gp";
            let count = move |size: Size| if few { size.pick(24, 200) } else { size.pick(120, 1000) };
            Entry::new(system, test, move |size| outcome(system, settings, Some(tolerance), count(size)))
        })
        .collect()
}

/// `gpr` that is told a sixteenth of the noise: what the suite must find out.
pub fn overconfident() -> Entry {
    let test = "new observations in predictions of a process with a sixteenth of the noise";
    Entry::new("gpr", test, |size| {
        outcome("gpr", |unit| gpr(&Process { noise: unit.noise / 16.0, ..*unit }), None, size.pick(120, 1000))
    })
}

fn outcome(system: &'static str, settings: Settings, tolerance: Option<f64>, count: usize) -> Result<Outcome> {
    let found = simulations(count, |i| {
        let mut rng = Rng::new(1).split(i);
        let new_x = rng.range(-1.5, 1.5);
        let draw = TRUTH.draw(&inputs(ROWS), new_x, &mut rng);
        let (input, target) = draw.scales();
        let mut run = Run::new(i);
        let model = fit(system, &settings(&TRUTH.in_unit(input, target)), &draw.rows(), &mut run)?;
        let given = predict(system, model.as_ref(), &draw.new_row(), &mut run)?;
        let exact = TRUTH.predict(&draw.x, &draw.y, draw.new_x);
        let distance = distance(given.as_ref(), exact.mean, exact.sd);
        Ok((given.cdf(0, draw.new_y), distance))
    })?;
    let (places, distances): (Vec<f64>, Vec<f64>) = found.into_iter().unzip();
    Ok(Outcome { places, exact: tolerance.map(|tolerance| Exact { distance: largest(distances), tolerance }) })
}

/// How far the first row's prediction is from these moments: its mean in standard deviations, its standard deviation as a share.
pub(super) fn distance(given: &dyn Marginals, mean: f64, sd: f64) -> f64 {
    largest([(given.mean(0) - mean).abs() / sd, (given.sd(0) / sd - 1.0).abs()])
}

pub(super) fn kernel(unit: &Process) -> String {
    format!("matern32(lengthscale = {}, variance = {})", unit.lengthscale, unit.variance)
}

pub(super) fn gaussian(unit: &Process) -> Value {
    json!({"type": "gaussian", "variance": unit.noise})
}

fn pinned(unit: &Process) -> Value {
    let prior = |value: f64| format!("log_normal({}, {PINNED})", value.ln());
    json!({"lengthscale": prior(unit.lengthscale), "variance": prior(unit.variance), "noise": prior(unit.noise)})
}

fn gpr(unit: &Process) -> Value {
    json!({"kernel": kernel(unit), "mean": "zero", "noise": unit.noise, "priors": pinned(unit), "errors": "normal", "starts": 1, "iterations": 1})
}

fn sgpr(unit: &Process) -> Value {
    json!({"kernel": kernel(unit), "mean": "zero", "noise": unit.noise, "priors": pinned(unit), "iterations": 1,
           "inducing": ROWS, "move_inducing": false})
}

fn svgp(unit: &Process) -> Value {
    json!({"kernel": kernel(unit), "mean": "zero", "likelihood": gaussian(unit), "inducing": ROWS, "move_inducing": false,
           "batch": ROWS, "steps": 20, "rho": 1.0, "rate": STILL})
}

fn cvtgp(unit: &Process) -> Value {
    json!({"kernel": kernel(unit), "mean": "zero", "noise": unit.noise, "points": ROWS, "batch": ROWS, "steps": 1, "rate": STILL})
}

fn memory_dual_gp(unit: &Process) -> Value {
    json!({"kernel": kernel(unit), "likelihood": gaussian(unit), "batches": 1, "inducing": ROWS, "remembered": ROWS,
           "moves": 0, "rounds": 3, "sweeps": 20, "rho": 1.0})
}

fn sdd_gp(unit: &Process) -> Value {
    json!({"kernel": kernel(unit), "mean": "zero", "noise": unit.noise, "priors": pinned(unit), "iterations": 1,
           "method": "sdd", "samples": 400, "steps": 1000, "batch": ROWS, "tolerance": 1e-3})
}
