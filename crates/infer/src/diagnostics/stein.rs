//! Kernel Stein discrepancy: how far points are from a density of which only the score is known.

use elbo_linalg::vector::dot;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The base kernel of a Stein discrepancy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SteinKernel {
    /// $(c^2 + r^2)^b$; tells convergence from its absence for $-1 < b < 0$ (Gorham and Mackey 2017).
    InverseMultiquadric {
        /// Scale.
        c: f64,
        /// Exponent.
        b: f64,
    },
    /// $\exp(-r^2 / 2h^2)$; blind to mass that escapes when there are many unknowns.
    Rbf {
        /// Bandwidth.
        h: f64,
    },
}

impl Default for SteinKernel {
    /// The inverse multiquadric with c = 1 and b = -1/2.
    fn default() -> Self {
        Self::InverseMultiquadric { c: 1.0, b: -0.5 }
    }
}

impl SteinKernel {
    /// The Stein kernel $k_0 = k\,s \cdot s' + s \cdot \nabla_{x'} k + s' \cdot \nabla_x k + \mathrm{tr} \nabla_x \nabla_{x'} k$ of two
    /// points and their scores, all `[D]`.
    pub fn stein(&self, x: &[f64], sx: &[f64], y: &[f64], sy: &[f64]) -> f64 {
        let dim = x.len() as f64;
        let (mut square, mut along) = (0.0, 0.0);
        for i in 0..x.len() {
            let delta = x[i] - y[i];
            square += delta * delta;
            along += (sy[i] - sx[i]) * delta;
        }
        let scores = dot(sx, sy);
        match *self {
            Self::InverseMultiquadric { c, b } => {
                let base = c * c + square;
                let slope = 2.0 * b * base.powf(b - 1.0);
                let trace = -slope * dim - 4.0 * b * (b - 1.0) * square * base.powf(b - 2.0);
                base.powf(b) * scores + slope * along + trace
            }
            Self::Rbf { h } => {
                let precision = 1.0 / (h * h);
                let k = (-0.5 * square * precision).exp();
                k * (scores - along * precision + dim * precision - square * precision * precision)
            }
        }
    }

    /// The gradient of [`SteinKernel::stein`] in `y`, in two parts: the first is added to `out`; the score's Jacobian at `y` (the
    /// log density's Hessian, symmetric) times what is added to `through` is the second. So sums over `x` need one product.
    pub fn stein_gradient(
        &self,
        (x, sx): (&[f64], &[f64]),
        (y, sy): (&[f64], &[f64]),
        out: &mut [f64],
        through: &mut [f64],
    ) {
        let dim = x.len();
        let delta: Vec<f64> = x.iter().zip(y).map(|(a, b)| a - b).collect();
        let square = dot(&delta, &delta);
        let along = dot(sy, &delta) - dot(sx, &delta);
        let scores = dot(sx, sy);
        // k0 = f(u) s.s' + 2 f'(u) (s' - s).delta - 2 d f'(u) - 4 u f''(u), with u = r^2, k = f(u) and du/dy = -2 delta.
        let (f, f1, f2, f3) = match *self {
            Self::InverseMultiquadric { c, b } => {
                let base = c * c + square;
                (
                    base.powf(b),
                    b * base.powf(b - 1.0),
                    b * (b - 1.0) * base.powf(b - 2.0),
                    b * (b - 1.0) * (b - 2.0) * base.powf(b - 3.0),
                )
            }
            Self::Rbf { h } => {
                let rate = -0.5 / (h * h);
                let k = (rate * square).exp();
                (k, rate * k, rate * rate * k, rate * rate * rate * k)
            }
        };
        let radial = f1 * scores + 2.0 * f2 * along - 2.0 * dim as f64 * f2 - 4.0 * (f2 + square * f3);
        for i in 0..dim {
            out[i] += -2.0 * radial * delta[i] - 2.0 * f1 * (sy[i] - sx[i]);
            through[i] += f * sx[i] + 2.0 * f1 * delta[i];
        }
    }
}

/// The squared discrepancy as a V-statistic: the mean of the Stein kernel over all pairs, each point with itself included. Never
/// negative; biased upwards by order 1/n.
///
/// # Shapes
/// `points`, `scores`: row-major `[n, dim]`.
pub fn ksd_squared_v(points: &[f64], scores: &[f64], dim: usize, kernel: SteinKernel) -> f64 {
    let n = points.len() / dim;
    let (off, diagonal) = sums(points, scores, dim, kernel);
    (2.0 * off + diagonal) / (n * n) as f64
}

/// The squared discrepancy as a U-statistic: the mean over distinct pairs. Unbiased, so it may be negative.
///
/// # Shapes
/// `points`, `scores`: row-major `[n, dim]`, `n` at least two.
///
/// # Panics
/// For fewer than two points.
pub fn ksd_squared_u(points: &[f64], scores: &[f64], dim: usize, kernel: SteinKernel) -> f64 {
    let n = points.len() / dim;
    assert!(n > 1, "distinct pairs need two points");
    2.0 * sums(points, scores, dim, kernel).0 / (n * (n - 1)) as f64
}

/// Sums of the Stein kernel above and on the diagonal.
fn sums(points: &[f64], scores: &[f64], dim: usize, kernel: SteinKernel) -> (f64, f64) {
    assert!(!points.is_empty() && points.len() == scores.len(), "one score a point");
    let n = points.len() / dim;
    let at = |i: usize, j: usize| {
        let of = |i: usize| i * dim..(i + 1) * dim;
        kernel.stein(&points[of(i)], &scores[of(i)], &points[of(j)], &scores[of(j)])
    };
    // Rows are summed in parallel and added in order, so the bits do not depend on the threads.
    let off: Vec<f64> = (0..n).into_par_iter().map(|i| (i + 1..n).map(|j| at(i, j)).sum()).collect();
    (off.iter().sum(), (0..n).map(|i| at(i, i)).sum())
}
