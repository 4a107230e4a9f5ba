//! Systems that always learn some hyperparameter: at the values they learned, predictions still have a closed form.

use super::entry::{Entry, Exact, Outcome, Size, fit, largest, predict, saved, simulations, stored_number, table};
use super::held::{distance, gaussian, kernel};
use super::linear::{cholesky, dot, matrix, mean_and_sd, solve};
use super::process::{Moments, Process, inputs};
use crate::error::Result;
use elbo::core::{Data, ModelFile, Rng, Run};
use serde_json::{Value, json};

const TRUTH: Process = Process { lengthscale: 0.5, variance: 0.7, noise: 0.3 };
const ROWS: usize = 20;
/// Noise variances of `elbo_gp` are this far above the exponential of the stored number.
const NOISE_FLOOR: f64 = 1e-6;
/// Shape and scale of the inverse gamma prior of `scale-mixture-nngp`.
const TAILS: (f64, f64) = (2.0, 1.5);

type Read = fn(&ModelFile, &Process) -> Result<Process>;

/// Every system of this kind.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new(
            "scale-mixture-nngp",
            "predictions equal the closed form (Student-t) at the learned hyperparameters",
            |size| {
                outcome(
                    "scale-mixture-nngp",
                    scale_mixture,
                    |file, _| logarithms(file, "parameters", "noise"),
                    Some(TAILS),
                    size,
                )
            },
        ),
        Entry::new(
            "cvi-ep-hyper",
            "Gaussian noise: predictions equal the closed form at the learned hyperparameters",
            |size| {
                outcome(
                    "cvi-ep-hyper",
                    cvi,
                    |file, _| logarithms(file, "model.parameters", "likelihood.variance"),
                    None,
                    size,
                )
            },
        ),
        Entry::new("markov-gp", "kernel held: predictions equal the closed form at the learned noise", |size| {
            outcome(
                "markov-gp",
                markov,
                |file, held| Ok(Process { noise: stored_number(file, "numbers")?, ..*held }),
                None,
                size,
            )
        }),
        Entry::new(
            "vbll",
            "no hidden layer: predictions equal those of the conjugate regression at the learned noise",
            last_layer,
        ),
    ]
}

/// Compares in the unit of the standardised table, where a system's numbers are.
fn outcome(
    system: &'static str,
    settings: fn(&Process) -> Value,
    read: Read,
    tails: Option<(f64, f64)>,
    size: Size,
) -> Result<Outcome> {
    let found = simulations(size.pick(20, 200), |i| {
        let mut rng = Rng::new(2).split(i);
        let new_x = rng.range(-1.5, 1.5);
        let draw = TRUTH.draw(&inputs(ROWS), new_x, &mut rng);
        let (input, target) = draw.scales();
        let held = TRUTH.in_unit(input, target);
        // A series keeps its own unit of time.
        let shown = if system == "markov-gp" { TRUTH.in_unit(1.0, target) } else { held };
        let mut run = Run::new(i);
        let model = fit(system, &settings(&shown), &draw.rows(), &mut run)?;
        let given = predict(system, model.as_ref(), &draw.new_row(), &mut run)?;
        let learned = read(&saved(system, model.as_ref())?, &held)?;
        let x: Vec<f64> = draw.x.iter().map(|x| x / input).collect();
        let y: Vec<f64> = draw.y.iter().map(|y| y / target).collect();
        let exact = learned.predict(&x, &y, draw.new_x / input);
        // The scale of process and noise together has an inverse gamma posterior; so much wider is the Student-t.
        let wider = tails
            .map_or(1.0, |(alpha, beta)| (2.0 * beta + learned.square(&x, &y)) / (2.0 * alpha + ROWS as f64 - 2.0));
        Ok(distance(given.as_ref(), target * exact.mean, target * exact.sd * wider.sqrt()))
    })?;
    Ok(Outcome { places: vec![], exact: Some(Exact { distance: largest(found), tolerance: 1e-6 }) })
}

/// Hyperparameters that are stored as logarithms.
fn logarithms(file: &ModelFile, prefix: &str, noise: &str) -> Result<Process> {
    let number = |name: &str| stored_number(file, &format!("{prefix}.{name}"));
    Ok(Process {
        lengthscale: number("kernel.lengthscale")?.exp(),
        variance: number("kernel.variance")?.exp(),
        noise: NOISE_FLOOR + number(noise)?.exp(),
    })
}

fn scale_mixture(unit: &Process) -> Value {
    json!({"kernel": kernel(unit), "noise": unit.noise, "starts": 1, "iterations": 20, "alpha": TAILS.0, "beta": TAILS.1})
}

fn cvi(unit: &Process) -> Value {
    json!({"kernel": kernel(unit), "likelihood": gaussian(unit), "moves": 3, "rounds": 5, "sweeps": 20, "rho": 1.0})
}

fn markov(unit: &Process) -> Value {
    let kernel = format!("matern32(lengthscale={}!, variance={}!)", unit.lengthscale, unit.variance);
    // The noise is learned; a start above the target's variance would be refused.
    json!({"kernel": kernel, "noise": 0.3, "starts": 1, "iterations": 20})
}

/// Two inputs and a target that is linear in them: the columns, and the same as a table.
fn linear(rows: usize, rng: &mut Rng) -> (Vec<Vec<f64>>, Data) {
    let (w, sd) = ([rng.normal(), rng.normal()], 0.5);
    let x: Vec<Vec<f64>> = (0..2).map(|_| (0..rows).map(|_| rng.normal()).collect()).collect();
    let y: Vec<f64> = (0..rows).map(|i| w[0] * x[0][i] + w[1] * x[1][i] + sd * rng.normal()).collect();
    let columns = [x, vec![y]].concat();
    let data = table(["a", "b", "y"].into_iter().zip(columns.clone()).collect(), Some("y"));
    (columns, data)
}

/// Without a hidden layer the features are the standardised inputs and a one, and their weights have the prior variance `scale / 3` each.
fn last_layer(size: Size) -> Result<Outcome> {
    let found = simulations(size.pick(4, 20), |i| {
        let mut rng = Rng::new(3).split(i);
        let (columns, data) = linear(60, &mut rng);
        let new = [rng.normal(), rng.normal()];
        let settings = json!({"hidden": [], "steps": 1500, "rate": 0.03, "batch": 60});
        let mut run = Run::new(i);
        let model = fit("vbll", &settings, &data, &mut run)?;
        let row = table(vec![("a", vec![new[0]]), ("b", vec![new[1]])], None);
        let given = predict("vbll", model.as_ref(), &row, &mut run)?;
        let noise = stored_number(&saved("vbll", model.as_ref())?, "network.head.sd")?.exp().powi(2);
        let scales: Vec<(f64, f64)> = columns.iter().map(|column| mean_and_sd(column)).collect();
        let encoded = |value: f64, column: usize| (value - scales[column].0) / scales[column].1;
        let features = |a: f64, b: f64| [encoded(a, 0), encoded(b, 1), 1.0];
        let x: Vec<[f64; 3]> = columns[0].iter().zip(&columns[1]).map(|(a, b)| features(*a, *b)).collect();
        let y: Vec<f64> = columns[2].iter().map(|y| encoded(*y, 2)).collect();
        let exact = conjugate(&x, &y, noise, &features(new[0], new[1]));
        Ok(distance(given.as_ref(), scales[2].0 + scales[2].1 * exact.mean, scales[2].1 * exact.sd))
    })?;
    // What Adam leaves at the end of its rate's fall: 1e-7 in these simulations.
    Ok(Outcome { places: vec![], exact: Some(Exact { distance: largest(found), tolerance: 1e-4 }) })
}

/// The prediction at `at` of a linear regression on features `x: [N, 3]` with noise of this variance and a prior of precision 3 on each
/// weight.
fn conjugate(x: &[[f64; 3]], y: &[f64], noise: f64, at: &[f64; 3]) -> Moments {
    let moment = |a: usize, b: usize| x.iter().map(|f| f[a] * f[b]).sum::<f64>() / noise;
    let precision = matrix(3, |a, b| moment(a, b) + if a == b { 3.0 } else { 0.0 });
    let pull = |a: usize| x.iter().zip(y).map(|(f, y)| f[a] * y).sum::<f64>() / noise;
    let factor = cholesky(&precision, 3);
    let mean = dot(at, &solve(&factor, &[pull(0), pull(1), pull(2)]));
    Moments { mean, sd: (noise + dot(at, &solve(&factor, at))).sqrt() }
}
