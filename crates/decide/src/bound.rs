//! Minimising a smooth function in a box: L-BFGS with projection.
//!
//! [`elbo_tensor::optim::Lbfgs`] has bounds too. There the line search asks for the strong Wolfe conditions; here a step is accepted once the value
//! has fallen enough, a start without a finite value is returned as it is, and gradients are written in place.

use elbo_linalg::vector::{axpy, dot, norm};
use std::collections::VecDeque;

/// Curvature pairs kept.
const PAIRS: usize = 10;
/// Share of the predicted decrease that a step must reach.
const SUFFICIENT: f64 = 1e-4;

/// How long to go on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Steps at most.
    pub steps: usize,
    /// Largest entry of the projected gradient at which to stop.
    pub gradient: f64,
    /// Decrease, relative to the value's size, below which to stop.
    pub decrease: f64,
}

impl Default for Stop {
    fn default() -> Self {
        Self { steps: 100, gradient: 1e-6, decrease: 1e-9 }
    }
}

/// Where a search ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The point.
    pub x: Vec<f64>,
    /// Its value.
    pub value: f64,
    /// Evaluations made.
    pub evaluations: usize,
}

/// Minimises `f(x, gradient) -> value` over `low <= x <= high` from a start, which is moved into the box. A value that is not finite is a wall: the
/// step is shortened. Entries with `low == high` stay.
///
/// The direction is that of L-BFGS over the entries that are free, those not held at a bound by the gradient; steps are shortened along the
/// projected path until the value falls enough.
///
/// # Source
/// Bertsekas (1982), the projected quasi-Newton method, with the recursion of Nocedal (1980).
pub fn minimise(
    mut f: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: &[f64],
    low: &[f64],
    high: &[f64],
    stop: Stop,
) -> End {
    let n = start.len();
    let mut x: Vec<f64> = (0..n).map(|i| start[i].clamp(low[i], high[i])).collect();
    let mut gradient = vec![0.0; n];
    let mut value = f(&x, &mut gradient);
    let mut evaluations = 1;
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::with_capacity(PAIRS);
    let (mut trial, mut trial_gradient) = (vec![0.0; n], vec![0.0; n]);
    for _ in 0..stop.steps {
        if !value.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
            break;
        }
        let is_free = |i: usize| {
            low[i] < high[i] && !(x[i] <= low[i] && gradient[i] > 0.0) && !(x[i] >= high[i] && gradient[i] < 0.0)
        };
        let free: Vec<bool> = (0..n).map(is_free).collect();
        let projected: Vec<f64> = (0..n).map(|i| if free[i] { gradient[i] } else { 0.0 }).collect();
        if projected.iter().all(|g| g.abs() <= stop.gradient) {
            break;
        }
        let mut direction = two_loops(&projected, &pairs);
        (0..n).filter(|i| !free[*i]).for_each(|i| direction[i] = 0.0);
        if dot(&direction, &projected) > -1e-12 * norm(&direction) * norm(&projected) {
            pairs.clear();
            direction = projected.iter().map(|g| -g).collect();
        }
        // Without curvature the first step goes a tenth of a unit.
        let mut step = if pairs.is_empty() { 0.1 / norm(&direction).max(1e-12) } else { 1.0 };
        let mut accepted = false;
        for _ in 0..30 {
            for i in 0..n {
                trial[i] = (x[i] + step * direction[i]).clamp(low[i], high[i]);
            }
            let predicted: f64 = (0..n).map(|i| gradient[i] * (trial[i] - x[i])).sum();
            let trial_value = f(&trial, &mut trial_gradient);
            evaluations += 1;
            if trial_value.is_finite() && trial_value <= value + SUFFICIENT * predicted {
                accepted = true;
                let s: Vec<f64> = (0..n).map(|i| trial[i] - x[i]).collect();
                // Entries held at a bound carry no curvature of the free ones.
                let y: Vec<f64> = (0..n).map(|i| if free[i] { trial_gradient[i] - gradient[i] } else { 0.0 }).collect();
                let curvature = dot(&s, &y);
                if curvature > 1e-10 * norm(&s) * norm(&y) && curvature > 0.0 {
                    if pairs.len() == PAIRS {
                        pairs.pop_front();
                    }
                    pairs.push_back((s, y, 1.0 / curvature));
                }
                let decrease = value - trial_value;
                std::mem::swap(&mut x, &mut trial);
                std::mem::swap(&mut gradient, &mut trial_gradient);
                let size = value.abs().max(trial_value.abs()).max(1.0);
                value = trial_value;
                if decrease <= stop.decrease * size {
                    return End { x, value, evaluations };
                }
                break;
            }
            // The minimum of the parabola through value, slope and the trial, kept within a tenth and a half.
            let excess = trial_value - value - predicted;
            let shrink = if trial_value.is_finite() && excess > 0.0 {
                (-0.5 * predicted / excess).clamp(0.1, 0.5)
            } else {
                0.25
            };
            step *= shrink;
        }
        if !accepted {
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
        }
    }
    End { x, value, evaluations }
}

/// `-H g` with the inverse curvature that the pairs hold.
fn two_loops(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut weights = Vec::with_capacity(pairs.len());
    for (s, y, rho) in pairs.iter().rev() {
        let weight = rho * dot(s, &q);
        axpy(-weight, y, &mut q);
        weights.push(weight);
    }
    if let Some((_, y, rho)) = pairs.back() {
        let scale = 1.0 / (rho * dot(y, y));
        q.iter_mut().for_each(|v| *v *= scale);
    }
    for ((s, y, rho), weight) in pairs.iter().zip(weights.iter().rev()) {
        let correction = weight - rho * dot(y, &q);
        axpy(correction, s, &mut q);
    }
    q
}
