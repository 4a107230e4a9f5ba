//! Velocity fields on particles.

use crate::diagnostics::stein::SteinKernel;
use crate::score::Score;
use elbo_linalg::vector::{axpy, dot};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where particles want to go.
pub trait Velocity: Sync {
    /// Writes a velocity for each particle. `points`, `scores`, `out`: row-major `[N, D]`; `rows` are those behind the scores, for
    /// fields that need more of them.
    fn velocity(&self, score: &dyn Score, rows: &[usize], points: &[f64], scores: &[f64], out: &mut [f64]);
}

/// A field of this crate, by name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Field {
    /// Stein variational gradient descent.
    Svgd {
        /// The kernel by which particles see each other.
        #[serde(default)]
        kernel: Kernel,
    },
    /// Kernel Stein discrepancy descent.
    Ksdd {
        /// The kernel of the discrepancy.
        #[serde(default)]
        kernel: SteinKernel,
    },
}

impl Default for Field {
    fn default() -> Self {
        Self::Svgd { kernel: Kernel::default() }
    }
}

/// A kernel on particles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kernel {
    /// $\exp(-r^2 / 2h^2)$ with $h^2 = \tfrac12 \mathrm{med}(r^2) / \log(N + 1)$, the median over distinct pairs at each step.
    #[default]
    Median,
    /// $\exp(-r^2 / 2h^2)$.
    Rbf {
        /// Bandwidth.
        h: f64,
    },
    /// $(c^2 + r^2)^{-1/2}$.
    InverseMultiquadric {
        /// Scale.
        c: f64,
    },
}

/// The squared bandwidth of [`Kernel::Median`]: half the median squared distance of distinct pairs over log(N + 1), at least 1e-12.
pub fn median_bandwidth(points: &[f64], dim: usize) -> f64 {
    bandwidth_of(&squared_distances(points, dim), points.len() / dim)
}

/// Squared distances between all points, `[N, N]`. `points`: row-major `[N, D]`.
fn squared_distances(points: &[f64], dim: usize) -> Vec<f64> {
    let n = points.len() / dim;
    let row = |i: usize| &points[i * dim..(i + 1) * dim];
    let mut squares = vec![0.0; n * n];
    squares.par_chunks_exact_mut(n.max(1)).enumerate().for_each(|(i, squares)| {
        // Differences first: sizes that cancel would lose the distance of points that lie together.
        let mut difference = vec![0.0; dim];
        for (j, square) in squares[..i].iter_mut().enumerate() {
            difference.iter_mut().zip(row(i).iter().zip(row(j))).for_each(|(d, (a, b))| *d = a - b);
            *square = dot(&difference, &difference);
        }
    });
    for i in 0..n {
        (0..i).for_each(|j| squares[j * n + i] = squares[i * n + j]);
    }
    squares
}

/// The squared bandwidth of [`Kernel::Median`] from squared distances `[N, N]`.
fn bandwidth_of(squares: &[f64], n: usize) -> f64 {
    if n < 2 {
        return 1.0;
    }
    let mut squares: Vec<f64> = (0..n).flat_map(|i| squares[i * n..i * n + i].iter().copied()).collect();
    let middle = squares.len() / 2;
    let (below, upper, _) = squares.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    let is_even = (below.len() * 2) == n * (n - 1) / 2;
    let median = if is_even { 0.5 * (upper + below.iter().copied().fold(f64::NEG_INFINITY, f64::max)) } else { upper };
    (0.5 * median / ((n + 1) as f64).ln()).max(1e-12)
}

/// Stein variational gradient descent: $\phi(x) = \tfrac1N \sum_j k(x_j, x)\,s(x_j) + \nabla_{x_j} k(x_j, x)$.
///
/// # Source
/// Liu and Wang (2016). Deviation: the median leaves out the zeros of a particle with itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Svgd {
    /// The kernel.
    pub kernel: Kernel,
}

impl Velocity for Svgd {
    fn velocity(&self, score: &dyn Score, _: &[usize], points: &[f64], scores: &[f64], out: &mut [f64]) {
        let dim = score.dim();
        let n = points.len() / dim;
        let squares = squared_distances(points, dim);
        let rate = match self.kernel {
            Kernel::Median => 0.5 / bandwidth_of(&squares, n),
            Kernel::Rbf { h } => 0.5 / (h * h),
            Kernel::InverseMultiquadric { .. } => f64::NAN,
        };
        let rows = points.par_chunks_exact(dim).zip(squares.par_chunks_exact(n.max(1)));
        out.par_chunks_exact_mut(dim).zip(rows).for_each(|(out, (x, squares))| {
            out.fill(0.0);
            let mut pushed = 0.0;
            for ((y, s), square) in points.chunks_exact(dim).zip(scores.chunks_exact(dim)).zip(squares) {
                // grad_y k = 2 slope (y - x) with slope the derivative in the squared distance.
                let (k, slope) = match self.kernel {
                    Kernel::InverseMultiquadric { c } => {
                        let base = c * c + square;
                        (base.powf(-0.5), -0.5 * base.powf(-1.5))
                    }
                    _ => {
                        let k = (-rate * square).exp();
                        (k, -rate * k)
                    }
                };
                axpy(k, s, out);
                axpy(2.0 * slope, y, out);
                pushed += 2.0 * slope;
            }
            axpy(-pushed, x, out);
            out.iter_mut().for_each(|v| *v /= n as f64);
        });
    }
}

/// Kernel Stein discrepancy descent: down the squared discrepancy of the particles.
///
/// The log density's Hessian-vector products are central differences of its score: two scores a particle and step.
///
/// # Source
/// Korba, Aubin-Frankowski, Majewski and Ablin (2021).
#[derive(Debug, Clone, Copy, Default)]
pub struct Ksdd {
    /// The kernel of the discrepancy.
    pub kernel: SteinKernel,
}

impl Velocity for Ksdd {
    fn velocity(&self, score: &dyn Score, rows: &[usize], points: &[f64], scores: &[f64], out: &mut [f64]) {
        let dim = score.dim();
        let n = (points.len() / dim) as f64;
        let all = points.par_chunks_exact(dim).zip(scores.par_chunks_exact(dim));
        out.par_chunks_exact_mut(dim).zip(all).for_each(|(out, (y, sy))| {
            out.fill(0.0);
            let mut through = vec![0.0; dim];
            for (x, sx) in points.chunks_exact(dim).zip(scores.chunks_exact(dim)) {
                self.kernel.stein_gradient((x, sx), (y, sy), out, &mut through);
            }
            let size = dot(&through, &through).sqrt();
            if size > 0.0 {
                // A step of fixed length along the direction; the error is of order h^2 beside rounding of order 1e-16 / h.
                let h = 1e-5 / size;
                let at = |h: f64| {
                    let moved: Vec<f64> = y.iter().zip(&through).map(|(y, v)| y + h * v).collect();
                    let mut s = vec![0.0; dim];
                    score.score(&moved, rows, &mut s);
                    s
                };
                let (plus, minus) = (at(h), at(-h));
                out.iter_mut().zip(plus.iter().zip(&minus)).for_each(|(o, (p, m))| *o += (p - m) / (2.0 * h));
            }
            // The squared discrepancy holds each pair twice.
            out.iter_mut().for_each(|v| *v *= -2.0 / (n * n));
        });
    }
}
