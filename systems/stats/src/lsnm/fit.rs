//! Estimators of `y = f(x) + g(x) n`: a mean and a standard deviation for every `x`.

use super::network;
use super::ridge::{Ridge, natural};
use super::spline::{Design, Splines};
use elbo_core::{Error, Result, Rng};
use elbo_linalg::{Cholesky, Ladder, MatMut, MatRef, cholesky_with_jitter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// How the conditional law is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// Splines in the natural parameters: jointly concave, solved exactly.
    Splines,
    /// A network of one hidden layer with both natural parameters as outputs.
    Network,
    /// A baseline: splines for the mean, one standard deviation for all (the additive noise model).
    Homoscedastic,
    /// A baseline: splines for the mean, then for the logarithm of the squared residuals, then a weighted mean.
    TwoStep,
}

/// Numbers that the estimators share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Form {
    /// Knots of the splines.
    pub knots: usize,
    /// Their degree.
    pub degree: usize,
    /// Weight of half the squared norm of the weights, beside the sum of the rows' log likelihoods: a prior precision.
    pub ridge: Ridge,
    /// Hidden units of the network.
    pub hidden: usize,
    /// Steps of the network's training.
    pub steps: usize,
}

/// Mean and standard deviation at a point.
pub type Law = Box<dyn Fn(f64) -> (f64, f64) + Send + Sync>;

/// A fitted conditional law.
pub struct Fitted {
    /// Mean and standard deviation at any point.
    pub law: Law,
    /// `(y - f(x)) / g(x)`, `[N]`.
    pub residuals: Vec<f64>,
    /// Log density of each `y`, `[N]`, in nats.
    pub log_probs: Vec<f64>,
    /// The ridge, given or chosen; a network has none.
    pub ridge: Option<f64>,
}

impl Fitted {
    fn new(law: Law, ridge: Option<f64>, x: &[f64], y: &[f64]) -> Self {
        let (residuals, log_probs) = x
            .iter()
            .zip(y)
            .map(|(x, y)| {
                let (mean, sd) = law(*x);
                let residual = (y - mean) / sd;
                (residual, -0.5 * (residual * residual + TAU.ln()) - sd.ln())
            })
            .unzip();
        Self { law, residuals, log_probs, ridge }
    }

    /// Mean log density of a row, in nats.
    pub fn log_likelihood(&self) -> f64 {
        self.log_probs.iter().sum::<f64>() / self.log_probs.len() as f64
    }
}

/// Fits `y` given `x`, both standardised, `[N]`. Only the network uses random numbers, for its start.
///
/// # Errors
/// When a system of equations cannot be solved, as for values that are not finite; for a baseline whose ridge the evidence is to choose.
pub fn fit(estimator: Estimator, form: &Form, x: &[f64], y: &[f64], rng: &mut Rng) -> Result<Fitted> {
    if estimator == Estimator::Network {
        return Ok(Fitted::new(network::train(x, y, form.hidden, form.steps, rng), None, x, y));
    }
    let splines = Splines::over(x, form.knots, form.degree);
    let design = Design::new(&splines, x);
    let ones = vec![1.0; x.len()];
    // Beside means over rows the prior's share falls with their number.
    let share = |ridge: f64| ridge / x.len() as f64;
    let order = form.degree + 1;
    let sum = move |first: usize, row: &[f64], w: &[f64]| row.iter().zip(&w[first..]).map(|(v, w)| v * w).sum::<f64>();
    let (law, ridge): (Law, f64) = match estimator {
        Estimator::Homoscedastic => {
            let ridge = form.ridge.number()?;
            let mean = weighted_least_squares(&design, y, &ones, share(ridge))?;
            let sd = residual_variance(&design, &mean, y).sqrt();
            let law: Law = Box::new(move |x| {
                let mut row = vec![0.0; order];
                let first = splines.at(x, &mut row);
                (sum(first, &row, &mean), sd)
            });
            (law, ridge)
        }
        Estimator::TwoStep => {
            let ridge = form.ridge.number()?;
            let mean = weighted_least_squares(&design, y, &ones, share(ridge))?;
            let squares: Vec<f64> = design.apply(&mean).iter().zip(y).map(|(m, y)| (y - m).powi(2)).collect();
            let least = 1e-6 * squares.iter().sum::<f64>() / squares.len() as f64 + f64::MIN_POSITIVE;
            // The mean of the logarithm of a chi-squared variable of one degree of freedom is ψ(1/2) + ln 2.
            let logs: Vec<f64> = squares.iter().map(|s| s.max(least).ln() + 1.270_362_845_461_478).collect();
            let log_variance = weighted_least_squares(&design, &logs, &ones, share(ridge))?;
            let weights: Vec<f64> = design.apply(&log_variance).iter().map(|v| (-v).exp().clamp(1e-6, 1e6)).collect();
            let mean = weighted_least_squares(&design, y, &weights, share(ridge))?;
            let law: Law = Box::new(move |x| {
                let mut row = vec![0.0; order];
                let first = splines.at(x, &mut row);
                (sum(first, &row, &mean), (0.5 * sum(first, &row, &log_variance)).exp().clamp(1e-3, 1e3))
            });
            (law, ridge)
        }
        _ => {
            let (weights, ridge) = natural(&design, y, form.ridge)?;
            let law: Law = Box::new(move |x| {
                let mut row = vec![0.0; order];
                let first = splines.at(x, &mut row);
                let (one, two) = weights.split_at(weights.len() / 2);
                // Beyond the data a continued piece could turn negative.
                let precision = 2.0 * sum(first, &row, two).max(LEAST);
                (sum(first, &row, one) / precision, precision.sqrt().recip())
            });
            (law, ridge)
        }
    };
    Ok(Fitted::new(law, Some(ridge), x, y))
}

/// Least weight of the second natural parameter.
pub(super) const LEAST: f64 = 1e-3;

fn residual_variance(design: &Design, mean: &[f64], y: &[f64]) -> f64 {
    let squares: f64 = design.apply(mean).iter().zip(y).map(|(m, y)| (y - m).powi(2)).sum();
    (squares / y.len() as f64).max(1e-6)
}

/// Minimises `mean(weights (y - Φ w)²) / 2 + ridge |w|² / 2`.
fn weighted_least_squares(design: &Design, y: &[f64], weights: &[f64], ridge: f64) -> Result<Vec<f64>> {
    let (k, n) = (design.size, y.len() as f64);
    let mut normal = vec![0.0; k * k];
    let mut right = vec![0.0; k];
    for (i, (y, weight)) in y.iter().zip(weights).enumerate() {
        let (first, row) = design.row(i);
        for (a, va) in row.iter().enumerate() {
            right[first + a] += weight * va * y / n;
            for (b, vb) in row.iter().enumerate() {
                normal[(first + a) * k + first + b] += weight * va * vb / n;
            }
        }
    }
    (0..k).for_each(|d| normal[d * k + d] += ridge);
    solve(&normal, &mut right)?;
    Ok(right)
}

/// The factor of a matrix `[n, n]`.
pub(super) fn factor(matrix: &[f64], n: usize) -> Result<Cholesky<f64>> {
    cholesky_with_jitter(MatRef::row_major(matrix, n, n), Ladder::standard::<f64>())
        .map_err(|cause| Error::numerical(cause.to_string(), cause.remedy()))
}

fn solve(matrix: &[f64], right: &mut [f64]) -> Result<()> {
    factor(matrix, right.len())?.solve(MatMut::column(right));
    Ok(())
}

/// The negative mean log likelihood in `η₁ = Φ w₁` and `-η₂ = Φ w₂`, with the ridge: convex in both together.
pub(crate) struct Natural<'a> {
    pub(crate) design: &'a Design,
    pub(crate) y: &'a [f64],
    pub(crate) ridge: f64,
}

impl Natural<'_> {
    /// Value, in nats a row.
    pub(crate) fn value(&self, w: &[f64]) -> f64 {
        let (one, two) = w.split_at(self.design.size);
        let (a, b) = (self.design.apply(one), self.design.apply(two));
        let row = |((y, a), b): ((&f64, &f64), &f64)| {
            -y * a + y * y * b + a * a / (4.0 * b) - 0.5 * (2.0 * b).ln() + 0.5 * TAU.ln()
        };
        let sum: f64 = self.y.iter().zip(&a).zip(&b).map(row).sum();
        sum / self.y.len() as f64 + 0.5 * self.ridge * w.iter().map(|w| w * w).sum::<f64>()
    }

    /// Gradient `[2K]` and Hessian `[2K, 2K]`.
    pub(crate) fn derivatives(&self, w: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (k, size, n) = (self.design.size, w.len(), self.y.len() as f64);
        let (one, two) = w.split_at(k);
        let (a, b) = (self.design.apply(one), self.design.apply(two));
        let mut gradient: Vec<f64> = w.iter().map(|w| self.ridge * w).collect();
        let mut hessian = vec![0.0; size * size];
        for (i, y) in self.y.iter().enumerate() {
            let (a, b) = (a[i], b[i]);
            let (da, db) = (a / (2.0 * b) - y, y * y - a * a / (4.0 * b * b) - 0.5 / b);
            let (aa, ab) = (0.5 / b, -0.5 * a / (b * b));
            let bb = 0.5 * (a * a / b + 1.0) / (b * b);
            let (first, row) = self.design.row(i);
            for (p, vp) in row.iter().enumerate() {
                let (up, low) = (first + p, k + first + p);
                gradient[up] += da * vp / n;
                gradient[low] += db * vp / n;
                for (q, vq) in row.iter().enumerate() {
                    let product = vp * vq / n;
                    hessian[up * size + first + q] += aa * product;
                    hessian[up * size + k + first + q] += ab * product;
                    hessian[low * size + first + q] += ab * product;
                    hessian[low * size + k + first + q] += bb * product;
                }
            }
        }
        (0..size).for_each(|d| hessian[d * size + d] += self.ridge);
        (gradient, hessian)
    }

    /// The minimum over `w₂ ≥ 1e-3`.
    ///
    /// # Errors
    /// When a system of equations cannot be solved.
    pub(super) fn optimum(&self) -> Result<Vec<f64>> {
        let ones = vec![1.0; self.y.len()];
        self.solve(&weighted_least_squares(self.design, self.y, &ones, self.ridge)?)
    }

    /// The same by Newton's method with projected steps, from the homoscedastic fit with weights `mean`.
    fn solve(&self, mean: &[f64]) -> Result<Vec<f64>> {
        let k = self.design.size;
        let variance = residual_variance(self.design, mean, self.y);
        let mut w: Vec<f64> = mean.iter().map(|m| m / variance).chain(vec![0.5 / variance; k]).collect();
        let mut value = self.value(&w);
        for _ in 0..200 {
            let (mut gradient, mut hessian) = self.derivatives(&w);
            let size = w.len();
            // Weights that press against their bound stay there in this step.
            for i in (k..size).filter(|i| w[*i] <= LEAST) {
                if gradient[i] > 0.0 {
                    gradient[i] = 0.0;
                    for j in 0..size {
                        hessian[i * size + j] = 0.0;
                        hessian[j * size + i] = 0.0;
                    }
                    hessian[i * size + i] = 1.0;
                }
            }
            let mut step: Vec<f64> = gradient.iter().map(|g| -g).collect();
            solve(&hessian, &mut step)?;
            let decrement: f64 = -gradient.iter().zip(&step).map(|(g, s)| g * s).sum::<f64>();
            if decrement < 1e-12 {
                break;
            }
            let mut length = 1.0;
            let found = loop {
                let moved = w.iter().zip(&step).enumerate().map(|(i, (w, s))| {
                    let to = w + length * s;
                    if i < k { to } else { to.max(LEAST) }
                });
                let trial: Vec<f64> = moved.collect();
                let slope: f64 = gradient.iter().zip(trial.iter().zip(&w)).map(|(g, (t, w))| g * (t - w)).sum();
                let reached = self.value(&trial);
                if reached <= value + 1e-4 * slope {
                    break Some((trial, reached));
                }
                length *= 0.5;
                if length < 1e-10 {
                    break None;
                }
            };
            let Some((trial, reached)) = found else { break };
            let fall = value - reached;
            (w, value) = (trial, reached);
            if fall < 1e-13 {
                break;
            }
        }
        Ok(w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { knots: 12, degree: 3, ridge: Ridge::Value(1e-5), hidden: 20, steps: 800 };

    fn sample(n: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Rng::new(seed);
        let x: Vec<f64> = (0..n).map(|_| rng.range(-1.7, 1.7)).collect();
        let y = x.iter().map(|x| (2.0 * x).sin() + (0.2 + 0.3 * (x + 1.7)) * rng.normal()).collect();
        (x, y)
    }

    #[test]
    fn the_objectives_derivatives_agree_with_finite_differences() {
        let (x, y) = sample(60, 1);
        let splines = Splines::over(&x, 5, 3);
        let design = Design::new(&splines, &x);
        let problem = Natural { design: &design, y: &y, ridge: 1e-3 };
        let k = design.size;
        let mut rng = Rng::new(2);
        let w: Vec<f64> = (0..2 * k).map(|i| if i < k { rng.normal() } else { rng.range(0.3, 2.0) }).collect();
        let (gradient, hessian) = problem.derivatives(&w);
        for i in 0..2 * k {
            let h = 1e-5;
            let shifted = |by: f64| {
                let mut w = w.clone();
                w[i] += by;
                w
            };
            let slope = (problem.value(&shifted(h)) - problem.value(&shifted(-h))) / (2.0 * h);
            assert!((slope - gradient[i]).abs() < 1e-7 * gradient[i].abs().max(1.0), "{i}: {slope} {}", gradient[i]);
            let (up, down) = (problem.derivatives(&shifted(h)).0, problem.derivatives(&shifted(-h)).0);
            for j in 0..2 * k {
                let slope = (up[j] - down[j]) / (2.0 * h);
                let exact = hessian[i * 2 * k + j];
                assert!((slope - exact).abs() < 1e-6 * exact.abs().max(1.0), "{i}, {j}: {slope} {exact}");
            }
        }
    }

    #[test]
    fn the_solution_is_stationary_or_at_its_bound() {
        let (x, y) = sample(400, 3);
        let splines = Splines::over(&x, 12, 3);
        let design = Design::new(&splines, &x);
        let problem = Natural { design: &design, y: &y, ridge: 1e-6 };
        let mean = weighted_least_squares(&design, &y, &vec![1.0; 400], 1e-6).unwrap();
        let w = problem.solve(&mean).unwrap();
        let (gradient, _) = problem.derivatives(&w);
        for (i, g) in gradient.iter().enumerate() {
            let held = i >= design.size && w[i] <= LEAST && *g > 0.0;
            assert!(held || g.abs() < 1e-6, "{i}: {g} at {}", w[i]);
        }
    }

    #[test]
    fn every_estimator_finds_mean_and_scale() {
        let (x, y) = sample(2000, 4);
        for (estimator, tolerance) in
            [(Estimator::Splines, 0.15), (Estimator::TwoStep, 0.15), (Estimator::Network, 0.25)]
        {
            let found = fit(estimator, &FORM, &x, &y, &mut Rng::new(5)).unwrap();
            for at in [-1.0, 0.0, 1.0] {
                let (mean, sd) = (found.law)(at);
                let (f, g) = ((2.0 * at).sin(), 0.2 + 0.3 * (at + 1.7));
                assert!((mean - f).abs() < tolerance, "{estimator:?} at {at}: {mean}, {f}");
                assert!((sd / g - 1.0).abs() < tolerance, "{estimator:?} at {at}: {sd}, {g}");
            }
        }
        let one = fit(Estimator::Homoscedastic, &FORM, &x, &y, &mut Rng::new(5)).unwrap();
        let two = fit(Estimator::Splines, &FORM, &x, &y, &mut Rng::new(5)).unwrap();
        assert!(two.log_likelihood() > one.log_likelihood() + 0.05);
    }

    #[test]
    fn with_equal_noise_the_scales_agree() {
        let mut rng = Rng::new(6);
        let x: Vec<f64> = (0..3000).map(|_| rng.range(-1.7, 1.7)).collect();
        let y: Vec<f64> = x.iter().map(|x| x * x + 0.5 * rng.normal()).collect();
        let [one, two] = [Estimator::Homoscedastic, Estimator::Splines]
            .map(|e| fit(e, &FORM, &x, &y, &mut Rng::new(5)).unwrap().log_likelihood());
        // Fourteen more weights gain about 14 / (2 · 3000) nats a row.
        assert!(two >= one - 1e-4 && two < one + 0.01, "{one} {two}");
    }
}
