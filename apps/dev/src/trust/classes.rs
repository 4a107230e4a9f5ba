//! Classification by a Gaussian process: the classes that come are as surprising as their predicted probabilities say.
//!
//! A class of two has no place of its own that says much: an answer a third too sure moves such places, drawn at random within the class's share,
//! by less than two thousand of them show. The classes of several independent simulations together are one of many outcomes, and the order of
//! these by probability is what too sure answers get wrong: what came is then too often among the least probable.

use super::entry::{Entry, Outcome, fit, simulations, table};
use super::held::{STILL, kernel};
use super::linear::mean_and_sd;
use super::process::{Process, inputs};
use crate::error::{DevError, Result};
use elbo::core::{Data, Model, Prediction, Rng, Run};
use serde_json::{Value, json};

/// The process that data are drawn from: a class says on which side of zero an observation lies, so that noise of variance one is the probit.
const TRUTH: Process = Process { lengthscale: 0.5, variance: 4.0, noise: 1.0 };
/// Rows where hyperparameters are held.
const ROWS: usize = 20;
/// Rows where they are learned: in simulations with EP's posterior and evidence, 640 of them, outcomes were uniform at so many.
const ROWS_TO_LEARN: usize = 60;
/// Simulations whose classes are one outcome.
const TOGETHER: usize = 8;

/// `svgp` as a classifier, and `cvi-ep-hyper`.
pub(super) fn entries() -> Vec<Entry> {
    let held = "probit classes, kernel held: of all outcomes of 8 new points, in order of predicted probability, those that came lie uniformly; \
                finds probits off by a third, not the smaller error of a Gaussian posterior";
    let learned = "probit classes, hyperparameters learned: outcomes of 8 new points as of `svgp`; finds gross overconfidence alone";
    vec![
        Entry::new("svgp", held, |size| outcome("svgp", svgp, ROWS, size.pick(20, 150))),
        Entry::new("cvi-ep-hyper", learned, |size| {
            outcome("cvi-ep-hyper", cvi, size.pick(ROWS, ROWS_TO_LEARN), size.pick(6, 40))
        }),
    ]
}

fn outcome(system: &'static str, settings: fn(&Process) -> Value, rows: usize, count: usize) -> Result<Outcome> {
    let x = inputs(rows);
    let settings = settings(&TRUTH.in_unit(mean_and_sd(&x).1, 1.0));
    let found = simulations(count * TOGETHER, |i| {
        let drawn = simulate(&x, &mut Rng::new(14).split(i));
        let mut run = Run::new(i);
        let model = fit(system, &settings, &drawn.rows, &mut run)?;
        Ok((probability_of_one(system, model.as_ref(), &drawn.new_row, &mut run)?, drawn.is_one))
    })?;
    let groups = found.chunks_exact(TOGETHER).enumerate();
    let places = groups.map(|(group, events)| place(events, Rng::new(15).split(group as u64).uniform())).collect();
    Ok(Outcome { places, exact: None })
}

fn svgp(unit: &Process) -> Value {
    json!({"kernel": kernel(unit), "mean": "zero", "likelihood": "bernoulli_probit", "inducing": ROWS, "move_inducing": false,
           "batch": ROWS, "steps": 20, "rho": 0.7, "rate": STILL})
}

fn cvi(unit: &Process) -> Value {
    json!({"kernel": kernel(unit), "likelihood": "bernoulli_probit", "sweeps": 20, "moves": 3, "rounds": 5})
}

/// Rows with classes 0 and 1, and a point whose class is held back.
struct Drawn {
    rows: Data,
    new_row: Data,
    is_one: bool,
}

/// A table of a single class is refused, so that all is drawn anew then: a condition on what the system sees leaves its posterior as it is.
fn simulate(x: &[f64], rng: &mut Rng) -> Drawn {
    loop {
        let new_x = rng.range(-1.5, 1.5);
        let observed = TRUTH.observations(&[x, &[new_x]].concat(), rng);
        let classes: Vec<f64> = observed[..x.len()].iter().map(|f| f64::from(*f > 0.0)).collect();
        if classes.contains(&0.0) && classes.contains(&1.0) {
            return Drawn {
                rows: table(vec![("x", x.to_vec()), ("y", classes)], Some("y")),
                new_row: table(vec![("x", vec![new_x])], None),
                is_one: observed[x.len()] > 0.0,
            };
        }
    }
}

/// The predicted probability that the first row is of class 1.
fn probability_of_one(system: &str, model: &dyn Model, row: &Data, run: &mut Run) -> Result<f64> {
    let verb = model.as_predict().ok_or_else(|| DevError::format(system, "its models do not predict"))?;
    match verb.predict(row, run)? {
        Prediction::Classes { classes, probabilities } => {
            let found = classes.iter().position(|class| class == "1").and_then(|at| probabilities.get(at).copied());
            found.ok_or_else(|| DevError::format(system, "it predicts no class 1"))
        }
        Prediction::Numbers(_) => Err(DevError::format(system, "it took classes for a numeric target")),
    }
}

/// Where what came lies among all outcomes of independent events, in order of their probability, in (0, 1): the probability of less probable
/// outcomes, and the share `uniform` of that of equally probable ones, itself among them. It is uniform when every event has its probability.
fn place(events: &[(f64, bool)], uniform: f64) -> f64 {
    let outcomes = events.iter().fold(vec![1.0], |before: Vec<f64>, (p, _)| {
        before.iter().flat_map(|before| [before * (1.0 - p), before * p]).collect()
    });
    let came: f64 = events.iter().map(|(p, is_so)| if *is_so { *p } else { 1.0 - p }).product();
    // What differs by rounding alone is equally probable.
    let near = 1e-12 * came;
    let below: f64 = outcomes.iter().filter(|p| **p < came - near).sum();
    let equal: f64 = outcomes.iter().filter(|p| (**p - came).abs() <= near).sum();
    (below + uniform * equal).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::uniform::{bins, p_value};
    use super::*;
    use crate::trust::LEAST_P;
    use crate::trust::entry::column;
    use elbo::tensor::special::ndtr;

    #[test]
    fn outcomes_are_placed_by_hand() {
        assert!((place(&[(0.9, true)], 0.5) - 0.55).abs() < 1e-15);
        assert!((place(&[(0.9, false)], 0.5) - 0.05).abs() < 1e-15);
        // 0.06, 0.14, 0.24 and 0.56: the third came.
        assert!((place(&[(0.8, true), (0.7, false)], 0.25) - 0.26).abs() < 1e-15);
        // All are alike.
        assert!((place(&[(0.5, true), (0.5, false), (0.5, true)], 0.3) - 0.3).abs() < 1e-15);
        // What was called impossible came.
        assert_eq!(place(&[(1.0, false), (0.6, true)], 0.5), 0.0);
    }

    #[test]
    fn classes_are_uniform_among_outcomes_of_right_probabilities_and_not_of_surer_or_less_sure_ones() {
        let p = |factor: f64| {
            let one = |group: u64| {
                let mut rng = Rng::new(16).split(group);
                let mut event = || {
                    let probit = 1.5 * rng.normal();
                    (ndtr(factor * probit), rng.uniform() < ndtr(probit))
                };
                let events: Vec<(f64, bool)> = (0..TOGETHER).map(|_| event()).collect();
                place(&events, rng.uniform())
            };
            let places: Vec<f64> = (0..150).map(one).collect();
            p_value(&places, bins(places.len()))
        };
        let found = [1.0, 1.5, 0.6].map(p);
        assert!(found[0] > LEAST_P && found[1] < LEAST_P && found[2] < LEAST_P, "{found:?}");
    }

    #[test]
    fn tables_have_both_classes_and_new_points_of_either() {
        let x = inputs(ROWS);
        let all: Vec<Drawn> = (0..40).map(|i| simulate(&x, &mut Rng::new(14).split(i))).collect();
        for drawn in &all {
            let classes = column(&drawn.rows, "y").unwrap();
            assert!(classes.len() == ROWS && classes.contains(&0.0) && classes.contains(&1.0), "{classes:?}");
        }
        // Nothing tells the classes apart.
        let ones = all.iter().filter(|drawn| drawn.is_one).count();
        assert!((8..=32).contains(&ones), "{ones}");
    }
}
