//! Minimising a smooth function over a convex set that is known by its projection.

use crate::bound::{End, Stop};
use elbo_linalg::vector::dot;
use std::collections::VecDeque;

/// Values whose largest a new one must fall below, and steps after which a search without progress ends.
const MEMORY: usize = 10;
/// Share of the predicted decrease that a step must reach.
const SUFFICIENT: f64 = 1e-4;
/// Bounds of the spectral step.
const STEPS: (f64, f64) = (1e-10, 1e10);

/// Minimises `f(x, gradient) -> value` over the set that `project` moves points into; `None` where that finds no point, which ends the search. The best
/// point is returned; a start that cannot be projected is an error of the caller's, and is returned as it is with an infinite value.
///
/// `stop.gradient` is the largest entry of `project(x - gradient) - x`. A search that ends in a worse place than it has seen goes on from the best one, downwards only.
///
/// # Source
/// Birgin, Martínez and Raydan (2000), the spectral projected gradient method (SPG2).
pub fn minimise_projected(
    mut f: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: &[f64],
    project: impl Fn(&[f64]) -> Option<Vec<f64>>,
    stop: Stop,
) -> End {
    let n = start.len();
    let Some(mut x) = project(start) else {
        return End { x: start.to_vec(), value: f64::INFINITY, evaluations: 0 };
    };
    let mut gradient = vec![0.0; n];
    let mut value = f(&x, &mut gradient);
    let mut best = End { x: x.clone(), value, evaluations: 1 };
    let (mut recent, mut memory) = (VecDeque::from([value]), MEMORY);
    // The best values before each of the last steps.
    let mut records = VecDeque::from([value]);
    let mut spectral: Option<f64> = None;
    for _ in 0..stop.steps {
        if !value.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
            break;
        }
        let towards = |step: f64| -> Option<Vec<f64>> {
            let end = project(&(0..n).map(|i| x[i] - step * gradient[i]).collect::<Vec<_>>())?;
            Some((0..n).map(|i| end[i] - x[i]).collect())
        };
        let Some(unit) = towards(1.0) else { break };
        let size = unit.iter().fold(0.0f64, |m, d| m.max(d.abs()));
        if size <= stop.gradient {
            if value <= best.value {
                break;
            }
            // Rises on the way have led to a worse place: back to the best, and down from there.
            x.clone_from(&best.x);
            value = f(&x, &mut gradient);
            best.evaluations += 1;
            (recent, memory, spectral) = (VecDeque::from([value]), 1, None);
            continue;
        }
        // Without curvature the first step goes a tenth of a unit, at most.
        let largest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        // A step across the set is long enough; a projection from far away loses its digits.
        let length = spectral.map_or(0.1 / largest, |step| step.min(1.0 / largest));
        let Some(direction) = towards(length) else { break };
        let slope = dot(&gradient, &direction);
        if slope >= 0.0 {
            break;
        }
        let ceiling = recent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut step, mut trial_gradient) = (1.0, vec![0.0; n]);
        let mut accepted = None;
        for _ in 0..30 {
            let trial: Vec<f64> = (0..n).map(|i| x[i] + step * direction[i]).collect();
            let trial_value = f(&trial, &mut trial_gradient);
            best.evaluations += 1;
            if trial_value.is_finite() && trial_value <= ceiling + SUFFICIENT * step * slope {
                accepted = Some((trial, trial_value));
                break;
            }
            // The minimum of the parabola through value, slope and the trial, kept within a tenth and a half.
            let excess = trial_value - value - step * slope;
            let shrink = if trial_value.is_finite() && excess > 0.0 {
                (-0.5 * step * slope / excess).clamp(0.1, 0.5)
            } else {
                0.25
            };
            step *= shrink;
        }
        let Some((next, next_value)) = accepted else { break };
        let (mut ss, mut sy) = (0.0, 0.0);
        for i in 0..n {
            let s = next[i] - x[i];
            ss += s * s;
            sy += s * (trial_gradient[i] - gradient[i]);
        }
        spectral = Some(if sy > 0.0 { (ss / sy).clamp(STEPS.0, STEPS.1) } else { STEPS.1 });
        (x, value, gradient) = (next, next_value, trial_gradient);
        if value < best.value {
            (best.x, best.value) = (x.clone(), value);
        }
        recent.push_back(value);
        records.push_back(best.value);
        if recent.len() > memory {
            recent.pop_front();
        }
        if records.len() > MEMORY {
            let before = records.pop_front().unwrap_or(f64::INFINITY);
            if before - best.value <= stop.decrease * best.value.abs().max(1.0) {
                break;
            }
        }
    }
    best
}
