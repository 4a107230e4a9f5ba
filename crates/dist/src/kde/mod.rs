//! Kernel density estimates and the mean shift that climbs them.

mod search;

pub use search::{FoundMode, ProjectedSearch};

use elbo_core::{Result, Rng, ensure};
use elbo_tensor::special::log_sum_exp;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shifts shorter than this share of the bandwidth are none.
const STILL: f64 = 1e-6;

/// Halvings of a shift that does not climb.
const HALVINGS: usize = 40;

/// The profile `κ(u)` of a radial kernel, `u = ‖x - p‖² / h²`; not increasing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DensityKernel {
    /// `exp(-u / 2)`.
    Gaussian,
    /// `1 / (exp(√u) + 2 + exp(-√u))`.
    Logistic,
    /// `1 / (exp(√u) + exp(-√u))`.
    Sigmoid,
    /// `exp(-u^(a/2))`.
    GeneralisedGaussian {
        /// The exponent of the distance, `a`, positive.
        a: f64,
    },
    /// `1 / (1 + u)`.
    Cauchy,
    /// One for `u <= 1`, else zero. It has no slope; its shift is the mean of the points inside.
    Box,
}

impl DensityKernel {
    /// Checks the exponent.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for an exponent that is not positive.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::GeneralisedGaussian { a } => ensure("exponent", a, *a > 0.0 && a.is_finite(), "a positive number"),
            _ => Ok(()),
        }
    }

    /// `log κ(u)`; minus infinity outside the box.
    pub fn log_value(&self, u: f64) -> f64 {
        let t = u.sqrt();
        match self {
            Self::Gaussian => -0.5 * u,
            Self::Logistic => -t - 2.0 * (-t).exp().ln_1p(),
            Self::Sigmoid => -t - (-2.0 * t).exp().ln_1p(),
            Self::GeneralisedGaussian { a } => -u.powf(0.5 * a),
            Self::Cauchy => -u.ln_1p(),
            Self::Box => {
                if u <= 1.0 {
                    0.0
                } else {
                    f64::NEG_INFINITY
                }
            }
        }
    }

    /// `log(-κ'(u))`: the weight of a point in the mean shift. Infinite at zero for a generalised Gaussian with `a < 2`.
    pub fn log_slope(&self, u: f64) -> f64 {
        let t = u.sqrt();
        // (1 - exp(-s t)) / t, finite at zero.
        let ratio = |s: f64| if t < 1e-12 { s } else { -(-s * t).exp_m1() / t };
        match self {
            Self::Gaussian => -0.5 * u - std::f64::consts::LN_2,
            Self::Logistic => -t + ratio(1.0).ln() - std::f64::consts::LN_2 - 3.0 * (-t).exp().ln_1p(),
            Self::Sigmoid => -t + ratio(2.0).ln() - std::f64::consts::LN_2 - 2.0 * (-2.0 * t).exp().ln_1p(),
            Self::GeneralisedGaussian { a } if *a == 2.0 => -u,
            Self::GeneralisedGaussian { a } => (0.5 * a).ln() + (0.5 * a - 1.0) * u.ln() - u.powf(0.5 * a),
            Self::Cauchy => -2.0 * u.ln_1p(),
            Self::Box => self.log_value(u),
        }
    }
}

/// `Σ_i w_i κ(‖x - p_i‖² / h²)` with weights that sum to one; not normalised to integrate to one.
#[derive(Debug, Clone)]
pub struct Kde<'a> {
    /// Points, `[n, D]` row-major.
    pub points: &'a [f64],
    /// Number of dimensions, `D`.
    pub dims: usize,
    /// Bandwidth, in the points' unit.
    pub bandwidth: f64,
    /// The kernel.
    pub kernel: DensityKernel,
    /// Logarithms of the points' weights, `[n]`; without them each weighs `1 / n`.
    pub log_weights: Option<&'a [f64]>,
}

/// Where a climb ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Climb {
    /// The end, `[D]`.
    pub at: Vec<f64>,
    /// Log density there.
    pub log_density: f64,
    /// Shifts made.
    pub shifts: usize,
    /// Kernel evaluations, one for each point and position looked at.
    pub evaluations: usize,
}

impl Kde<'_> {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.points.len() / self.dims
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Squared distances in bandwidths from `x: [D]` to all points, `[n]`.
    pub fn scaled_distances(&self, x: &[f64]) -> Vec<f64> {
        let scale = self.bandwidth.powi(-2);
        let distance = |p: &[f64]| p.iter().zip(x).map(|(p, x)| (p - x) * (p - x)).sum::<f64>() * scale;
        self.points.chunks_exact(self.dims).map(distance).collect()
    }

    /// Log density at `x: [D]`.
    pub fn log_density(&self, x: &[f64]) -> f64 {
        self.log_density_at(&self.scaled_distances(x))
    }

    fn log_density_at(&self, u: &[f64]) -> f64 {
        let mut logs: Vec<f64> = u.iter().map(|u| self.kernel.log_value(*u)).collect();
        self.weigh(&mut logs);
        log_sum_exp(&logs) - if self.log_weights.is_none() { (u.len() as f64).ln() } else { 0.0 }
    }

    /// Adds the logarithms of the weights where they differ.
    fn weigh(&self, logs: &mut [f64]) {
        if let Some(weights) = self.log_weights {
            logs.iter_mut().zip(weights).for_each(|(log, weight)| *log += weight);
        }
    }

    /// Log densities at all points, `[n]`.
    pub fn log_densities(&self) -> Vec<f64> {
        self.points.par_chunks_exact(self.dims).map(|p| self.log_density(p)).collect()
    }

    /// Weights of the points in the mean shift from a place with these scaled distances; they sum to one. The smallest exponent is
    /// taken out first, so that far places do not underflow. A point at the place itself is left out where its weight is infinite.
    /// `None` when no point pulls.
    pub fn pulls(&self, u: &[f64]) -> Option<Vec<f64>> {
        let mut logs: Vec<f64> = u
            .iter()
            .map(|u| self.kernel.log_slope(*u))
            .map(|l| if l == f64::INFINITY { f64::NEG_INFINITY } else { l })
            .collect();
        self.weigh(&mut logs);
        let total = log_sum_exp(&logs);
        total.is_finite().then(|| logs.into_iter().map(|l| (l - total).exp()).collect())
    }

    /// Shares of the points at a place with these scaled distances, in proportion to their weights.
    fn shares_at(&self, u: &[f64]) -> Vec<f64> {
        let mut logs: Vec<f64> = u.iter().map(|u| if *u == 0.0 { 0.0 } else { f64::NEG_INFINITY }).collect();
        self.weigh(&mut logs);
        let total = log_sum_exp(&logs);
        logs.into_iter().map(|l| (l - total).exp()).collect()
    }

    /// The mean of the points with these weights, `[D]`.
    pub fn mean(&self, weights: &[f64]) -> Vec<f64> {
        let mut mean = vec![0.0; self.dims];
        for (w, p) in weights.iter().zip(self.points.chunks_exact(self.dims)) {
            if *w > 0.0 {
                mean.iter_mut().zip(p).for_each(|(m, p)| *m += w * p);
            }
        }
        mean
    }

    /// Climbs from `start: [D]` by mean shifts, `x ← Σ g_i p_i / Σ g_i` with `g_i = -κ'(u_i)`. A shift that would descend, which happens for
    /// profiles that are not convex and where a point's own pull is infinite, is halved until it climbs.
    pub fn climb(&self, start: &[f64], most_shifts: usize) -> Climb {
        let n = self.len();
        let mut at = start.to_vec();
        let mut u = self.scaled_distances(&at);
        let mut density = self.log_density_at(&u);
        let (mut shifts, mut evaluations) = (0, n);
        while shifts < most_shifts {
            let Some(weights) = self.pulls(&u) else { break };
            let target = self.mean(&weights);
            let mut length = 1.0;
            let mut accepted = None;
            for _ in 0..HALVINGS {
                let next: Vec<f64> = at.iter().zip(&target).map(|(a, t)| a + length * (t - a)).collect();
                let moved = next.iter().zip(&at).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                if moved < STILL * self.bandwidth {
                    break;
                }
                let distances = self.scaled_distances(&next);
                evaluations += n;
                let value = self.log_density_at(&distances);
                if value >= density {
                    accepted = Some((next, distances, value));
                    break;
                }
                length *= 0.5;
            }
            let Some(next) = accepted else { break };
            (at, u, density) = next;
            shifts += 1;
        }
        Climb { at, log_density: density, shifts, evaluations }
    }
}

/// A random linear map of points `[n, D]` to `[n, k]`, entries `N(0, 1/k)`: it keeps squared distances within a factor `1 ± ε` of all
/// pairs with probability `1 - δ` for `k` of the order of `log(n/δ) / ε²`.
///
/// # Source
/// Johnson and Lindenstrauss (1984).
pub fn random_projection(points: &[f64], dims: usize, k: usize, rng: &mut Rng) -> Vec<f64> {
    let scale = (k as f64).sqrt().recip();
    let map: Vec<f64> = rng.normals(k * dims).into_iter().map(|v| v * scale).collect();
    let project = |p: &[f64]| map.chunks_exact(dims).map(|row| elbo_linalg::vector::dot(row, p)).collect::<Vec<_>>();
    points.par_chunks_exact(dims).flat_map_iter(project).collect()
}

/// A box of a cover, ordered by the bound of the log density inside it.
struct Cell {
    bound: f64,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.bound == other.bound
    }
}

impl Eq for Cell {}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cell {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bound.total_cmp(&other.bound)
    }
}

impl Kde<'_> {
    /// A certain upper bound of the log density anywhere, in any number of dimensions, from the pairs of points.
    ///
    /// At `x` with nearest point `p_j`, every other point is at least as far as `‖p_i - p_j‖ / 2`, so the density is at most
    /// `max_j Σ_i w_i κ(‖p_i - p_j‖² / 4h²)`. Takes `n²` kernel evaluations.
    pub fn log_upper_bound(&self) -> f64 {
        let wide = Kde { bandwidth: 2.0 * self.bandwidth, ..self.clone() };
        wide.log_densities().into_iter().fold(f64::NEG_INFINITY, f64::max)
    }

    /// A certain upper bound of the log density anywhere, by a cover of the points' bounding box, which holds all modes: boxes are halved,
    /// the most promising first, until the bound is within `tolerance` nats of `log_lower`, a density that is reached somewhere, or there
    /// are `most_cells` boxes. Useful for up to three dimensions.
    pub fn log_cover_bound(&self, log_lower: f64, tolerance: f64, most_cells: usize) -> f64 {
        let edge = |pick: fn(f64, f64) -> f64, start: f64| -> Vec<f64> {
            let column = |d: usize| self.points.iter().skip(d).step_by(self.dims).fold(start, |a, v| pick(a, *v));
            (0..self.dims).map(column).collect()
        };
        let cell = |low: Vec<f64>, high: Vec<f64>| {
            let scale = self.bandwidth.powi(-2);
            let outside = |p: &[f64]| {
                let gap = |d: usize| (low[d] - p[d]).max(p[d] - high[d]).max(0.0);
                (0..self.dims).map(|d| gap(d).powi(2)).sum::<f64>() * scale
            };
            let u: Vec<f64> = self.points.chunks_exact(self.dims).map(outside).collect();
            Cell { bound: self.log_density_at(&u), low, high }
        };
        let mut heap = std::collections::BinaryHeap::new();
        heap.push(cell(edge(f64::min, f64::INFINITY), edge(f64::max, f64::NEG_INFINITY)));
        loop {
            let top = heap.pop().expect("a split gives two boxes");
            if top.bound <= log_lower + tolerance || heap.len() >= most_cells {
                return top.bound.max(log_lower);
            }
            let width = |d: usize| top.high[d] - top.low[d];
            let axis = (1..self.dims).fold(0, |best, d| if width(d) > width(best) { d } else { best });
            let middle = 0.5 * (top.low[axis] + top.high[axis]);
            let (mut left, mut right) = (top.high.clone(), top.low.clone());
            (left[axis], right[axis]) = (middle, middle);
            heap.push(cell(top.low, left));
            heap.push(cell(right, top.high));
        }
    }
}

/// A place `[D]` within all balls around `points: [n, D]` of these radii `[n]`, as far as successive projections onto the most violated
/// ball find one, from `start: [D]`; and the largest ratio of distance to radius there, at most one when every ball holds it.
pub fn within_balls(points: &[f64], radii: &[f64], start: &[f64], rounds: usize) -> (Vec<f64>, f64) {
    let dims = start.len();
    let worst = |x: &[f64]| {
        let distance = |p: &[f64]| p.iter().zip(x).map(|(p, x)| (p - x).powi(2)).sum::<f64>().sqrt();
        let ratios = points.chunks_exact(dims).zip(radii).map(|(p, r)| distance(p) / r.max(f64::MIN_POSITIVE));
        ratios.enumerate().fold((0, 0.0), |best, (i, r)| if r > best.1 { (i, r) } else { best })
    };
    let mut x = start.to_vec();
    let (mut i, mut ratio) = worst(&x);
    let mut best = (x.clone(), ratio);
    for _ in 0..rounds {
        if ratio <= 1.0 {
            break;
        }
        let centre = &points[i * dims..(i + 1) * dims];
        x.iter_mut().zip(centre).for_each(|(x, c)| *x = c + (*x - c) / ratio);
        (i, ratio) = worst(&x);
        if ratio < best.1 {
            best = (x.clone(), ratio);
        }
    }
    best
}
