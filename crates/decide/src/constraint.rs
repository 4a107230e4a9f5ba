//! Known linear limits on the variables themselves: mixtures, budgets, orders.

use crate::space::{Domain, Space};
use elbo_core::{Error, Result};
use elbo_linalg::vector::{dot, norm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most by which a suggestion may break a limit, as a distance in the unit cube.
const TOLERANCE: f64 = 1e-9;
/// The same of a trial, whose values may be written with few digits.
const ROUNDING: f64 = 1e-4;
/// Rounds over all limits in a projection, at most.
const SWEEPS: usize = 200;

/// A weighted sum of variables that must stay within bounds, in their own units. It is known before any trial; for a measured column see
/// [`Limit`](crate::Limit).
///
/// ```
/// use elbo_decide::Constraint;
/// let mixture: Constraint = serde_json::from_str(r#"{"weights": {"acid": 1, "base": 1}, "at_most": 0.8}"#)?;
/// assert_eq!(mixture.at_most, Some(0.8));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// The weight of each variable that takes part: real or integer ones on a linear scale that count everywhere.
    pub weights: BTreeMap<String, f64>,
    /// Smallest allowed sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Largest allowed sum; the sum is given where it equals the smallest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

impl Constraint {
    /// Whether its numbers make a limit: finite ones, a weight that is not zero, and bounds in their order.
    pub(crate) fn is_sound(&self) -> bool {
        let bounds: Vec<f64> = self.at_least.into_iter().chain(self.at_most).collect();
        let is_ordered = self.at_least.zip(self.at_most).is_none_or(|(least, most)| least <= most);
        let is_finite = self.weights.values().chain(&bounds).all(|v| v.is_finite());
        is_finite && is_ordered && !bounds.is_empty() && self.weights.values().any(|w| *w != 0.0)
    }
}

/// The part of a space that keeps linear limits, in encoded coordinates: `w · u <= b` for every side, with `w` of length one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Polytope {
    sides: Vec<(Vec<f64>, f64)>,
}

impl Polytope {
    /// The limits as sides of the unit cube's coordinates.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a variable that is not in the space, [`Error::Data`] for one that cannot take part.
    pub fn new(space: &Space, constraints: &[Constraint]) -> Result<Self> {
        let mut sides = vec![];
        for constraint in constraints {
            let (mut weights, mut shift) = (vec![0.0; space.width()], 0.0);
            for (name, weight) in &constraint.weights {
                let (column, low, range) = linear(space, name)?;
                weights[column] = weight * range;
                shift += weight * low;
            }
            let length = norm(&weights);
            let ends = constraint.at_least.into_iter().chain(constraint.at_most);
            if !length.is_normal() || ends.into_iter().any(|bound| !((bound - shift) / length).is_finite()) {
                return Err(Error::data(
                    "the weights of a constraint are too large or too small to compute with",
                    "give the sum in another unit",
                ));
            }
            let side = |sign: f64, bound: f64| {
                (weights.iter().map(|w| sign * w / length).collect::<Vec<_>>(), sign * (bound - shift) / length)
            };
            sides.extend(constraint.at_most.map(|bound| side(1.0, bound)));
            sides.extend(constraint.at_least.map(|bound| side(-1.0, bound)));
        }
        Ok(Self { sides })
    }

    /// Whether there are no limits.
    pub fn is_whole(&self) -> bool {
        self.sides.is_empty()
    }

    /// Largest distance by which a limit is broken; zero where none is.
    fn violation(&self, point: &[f64]) -> f64 {
        self.sides.iter().map(|(w, bound)| dot(w, point) - bound).fold(0.0, f64::max)
    }

    /// Whether a place keeps the limits.
    pub fn contains(&self, point: &[f64]) -> bool {
        self.violation(point) <= TOLERANCE
    }

    /// Whether a trial breaks them by more than the rounding of written values.
    pub fn is_broken(&self, trial: &[f64]) -> bool {
        self.violation(trial) > ROUNDING
    }

    /// The nearest point that keeps the limits and lies between `low` and `high`, where the limits move only the columns that are `free`. `None` where
    /// there is none, or none was found in 200 rounds.
    ///
    /// The dual problem, `max` over `λ >= 0` of the distance to `clamp(p - Σ λ_i w_i)` with its multipliers, is solved one multiplier after the other,
    /// each exactly: with one limit this is the answer.
    pub fn project(&self, point: &[f64], low: &[f64], high: &[f64], free: &[bool]) -> Option<Vec<f64>> {
        let clamp = |e: usize, v: f64| v.clamp(low[e], high[e]);
        let mut multipliers = vec![0.0; self.sides.len()];
        let held = |e: usize| if free[e] { point[e] } else { clamp(e, point[e]) };
        let mut shifted: Vec<f64> = (0..point.len()).map(held).collect();
        for _ in 0..SWEEPS {
            let mut moved = 0.0f64;
            for ((weights, bound), multiplier) in self.sides.iter().zip(&mut multipliers) {
                // Without this limit.
                let add = |shifted: &mut Vec<f64>, by: f64| {
                    (0..shifted.len()).filter(|e| free[*e]).for_each(|e| shifted[e] += by * weights[e]);
                };
                let before = *multiplier;
                add(&mut shifted, before);
                *multiplier = multiplier_of(weights, *bound, &shifted, (low, high), free)?;
                add(&mut shifted, -*multiplier);
                moved = moved.max((*multiplier - before).abs());
            }
            if moved <= 1e-3 * TOLERANCE {
                break;
            }
        }
        let found: Vec<f64> = (0..point.len()).map(|e| clamp(e, shifted[e])).collect();
        self.contains(&found).then_some(found)
    }
}

/// Column, low end and range of a variable that can take part in a linear limit.
fn linear(space: &Space, name: &str) -> Result<(usize, f64, f64)> {
    let at = space.variables.iter().position(|v| v.name == name);
    let at = at.ok_or_else(|| Error::unknown("variable", name, space.variables.iter().map(|v| v.name.as_str())))?;
    let variable = &space.variables[at];
    let refused = |what: &str| {
        Error::data(
            format!("variable `{name}` is {what} and cannot take part in a linear constraint"),
            "use real or integer variables on a linear scale that count everywhere",
        )
    };
    if variable.when.is_some() {
        return Err(refused("conditional"));
    }
    let (low, high) = match variable.domain {
        Domain::Real { log: true, .. } | Domain::Integer { log: true, .. } => return Err(refused("logarithmic")),
        Domain::Real { low, high, .. } => (low, high),
        Domain::Integer { low, high, .. } => (low as f64, high as f64),
        Domain::Ordinal { .. } | Domain::Categorical { .. } => return Err(refused("no number")),
    };
    Ok((space.offsets()[at], low, high - low))
}

/// The smallest `λ >= 0` with `w · clamp(p - λ w) <= b`, or `None` where the box has no such place. The sum falls in `λ` along straight pieces
/// between the values at which a coordinate reaches its bound.
fn multiplier_of(
    weights: &[f64],
    bound: f64,
    point: &[f64],
    (low, high): (&[f64], &[f64]),
    free: &[bool],
) -> Option<f64> {
    let sum = |lambda: f64| -> f64 {
        let value = |e: usize| {
            if free[e] { (point[e] - lambda * weights[e]).clamp(low[e], high[e]) } else { point[e] }
        };
        (0..point.len()).map(|e| weights[e] * value(e)).sum::<f64>() - bound
    };
    let mut before = (0.0, sum(0.0));
    if before.1 <= 0.0 {
        return Some(0.0);
    }
    let moving = (0..point.len()).filter(|e| free[*e] && weights[*e] != 0.0);
    let mut kinks: Vec<f64> =
        moving.flat_map(|e| [low[e], high[e]].map(|end| (point[e] - end) / weights[e])).filter(|l| *l > 0.0).collect();
    kinks.sort_by(f64::total_cmp);
    for kink in kinks {
        let excess = sum(kink);
        if excess <= 0.0 {
            let (at, above) = before;
            return Some(at + (kink - at) * above / (above - excess));
        }
        before = (kink, excess);
    }
    // All coordinates are at their bounds.
    (before.1 <= TOLERANCE).then_some(before.0)
}
