//! Divergences between two sets of points, and between points and N(0, I): zero in the mean exactly when the distributions agree.

use elbo_core::{Allowed, Result, Rng, ensure};
use elbo_tensor::{Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kernel that compares two codes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Kernel {
    /// A sum of C / (C + r²) over C = 2 d s, with s from 0.1 to 10: near and far differences both count.
    #[default]
    InverseMultiquadric,
    /// exp(-r² / 2h²), with the squared lengthscale h² = d.
    Rbf,
    /// exp(-r² / 2h²), with the squared lengthscale at the median of the squared distances.
    RbfMedian,
    /// exp(-r² / d²), as first published. Almost flat in many dimensions.
    Original,
}

/// Scales of the inverse multiquadric.
const SCALES: [f64; 7] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

impl Kernel {
    /// The scales of [`Kernel::InverseMultiquadric`], or one squared lengthscale h² of exp(-r² / 2h²).
    fn scales(&self, square: &Tensor, dims: usize) -> Vec<f64> {
        let d = dims as f64;
        match self {
            Self::InverseMultiquadric => SCALES.iter().map(|s| 2.0 * d * s).collect(),
            Self::Rbf => vec![d],
            Self::Original => vec![0.5 * d * d],
            Self::RbfMedian => {
                let mut all = square.detach().to_f64().to_vec();
                // The distances of points from themselves are no distances.
                all.retain(|r| *r > 0.0);
                let middle = all.len() / 2;
                vec![if all.is_empty() { d } else { all.select_nth_unstable_by(middle, f64::total_cmp).1.max(1e-12) }]
            }
        }
    }

    /// The kernel at squared distances.
    fn value(&self, square: &Tensor, scales: &[f64]) -> Tensor {
        match self {
            Self::InverseMultiquadric => scales.iter().map(|c| (square + *c).recip() * *c).sum(),
            _ => (square * (-0.5 / scales[0])).exp(),
        }
    }
}

/// Squared distances between the rows of `a: [N, D]` and of `b: [M, D]`, `[N, M]`.
fn squared_distances(a: &Tensor, b: &Tensor) -> Tensor {
    let (aa, bb) = (a.square().sum_axis(-1, true), b.square().sum_axis(-1, false));
    // Rounding may leave a point a little below zero from itself.
    (aa + bb - a.matmul(&b.t()) * 2.0).relu()
}

/// The mean over pairs of different points.
fn off_diagonal_mean(k: &Tensor) -> Tensor {
    let n = k.size(0) as f64;
    (k.sum() - k.diagonal().sum()) * (1.0 / (n * (n - 1.0)))
}

/// Squared maximum mean discrepancy, unbiased: zero in the mean for equal distributions, and then also a little below. `z: [N, D]`,
/// `prior: [M, D]`, at least two points each.
///
/// # Source
/// Gretton et al. (2012).
pub fn mmd(z: &Tensor, prior: &Tensor, kernel: &Kernel) -> Tensor {
    let (dims, between) = (z.size(-1), squared_distances(z, prior));
    let scales = kernel.scales(&between, dims);
    let squares = [squared_distances(z, z), squared_distances(prior, prior), between];
    mmd_of_grams(squares.map(|square| kernel.value(&square, &scales)))
}

/// [`mmd`] from the values of any kernel within both sets and between them: `[N, N]`, `[M, M]` and `[N, M]`, at least two points each.
pub fn mmd_of_grams([own, theirs, between]: [Tensor; 3]) -> Tensor {
    off_diagonal_mean(&own) + off_diagonal_mean(&theirs) - between.mean() * 2.0
}

/// Codes of a batch, `z: [B, L]`, with those of past batches, `past: [M, L]`, behind them, for a discrepancy of all of them together, `[B + M, L]`.
///
/// Past codes have no derivative, so that those of the batch would have the share B / (B + M) of it that all codes have. Theirs is larger by as much: in the mean it is
/// that of the discrepancy of the batch alone where past codes are distributed as present ones, with less noise.
pub(super) fn beside_past(z: &Tensor, past: &Tensor) -> Tensor {
    let held = z.detach();
    let factor = (z.size(0) + past.size(0)) as f64 / z.size(0) as f64;
    // The difference is zero, and has a derivative.
    let scaled = (z - &held) * factor + held;
    Tensor::cat(&[scaled, past.clone()], 0)
}

/// Squared kernelised Stein discrepancy of points from N(0, I), unbiased. `z: [N, D]`, at least two points.
///
/// With s(z) = -z: the mean over pairs of s·s' k + s·∇'k + s'·∇k + tr ∇∇'k.
///
/// # Source
/// Liu, Lee and Jordan (2016); Chwialkowski, Strathmann and Gretton (2016).
pub fn stein(z: &Tensor, kernel: &Kernel) -> Tensor {
    let dims = z.size(-1);
    let d = dims as f64;
    let square = squared_distances(z, z);
    let inner = z.matmul(&z.t());
    let scales = kernel.scales(&square, dims);
    let pairs = match kernel {
        // k = C u⁻¹ with u = C + r², so that ∇k = -2C u⁻² (z - z').
        Kernel::InverseMultiquadric => scales
            .iter()
            .map(|c| {
                let u = (&square + *c).recip();
                let (u2, u3) = (u.square(), u.powi(3));
                (&inner * u - &square * &u2 * 2.0 + u2 * (2.0 * d) - &square * u3 * 8.0) * *c
            })
            .sum(),
        _ => {
            let h2 = scales[0];
            let factor = inner - &square * (1.0 / h2 + 1.0 / (h2 * h2)) + d / h2;
            kernel.value(&square, &scales) * factor
        }
    };
    off_diagonal_mean(&pairs)
}

/// Squared 2-Wasserstein distance between two sets of as many points, averaged over directions on which they are projected.
/// `a`, `b: [N, D]`; outside the graph.
///
/// # Panics
/// For sets of different shapes.
pub fn sliced_wasserstein(a: &Tensor, b: &Tensor, directions: usize, rng: &mut Rng) -> f64 {
    let dims = a.size(-1);
    assert_eq!(a.shape(), b.shape(), "as many points in each set");
    let each = (0..directions).map(|_| {
        let direction = Tensor::from_vec(rng.normals(dims), &[dims, 1]);
        let unit = &direction / direction.norm();
        let sorted = |points: &Tensor| {
            let mut along = points.detach().to_f64().matmul(&unit).to_vec();
            along.sort_unstable_by(f64::total_cmp);
            along
        };
        let (a, b) = (sorted(a), sorted(b));
        a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64
    });
    each.sum::<f64>() / directions as f64
}

/// Energy distance between two sets of points, 2 E|a - b| - E|a - a'| - E|b - b'|, unbiased: zero in the mean for equal distributions, and then also a
/// little below. `a: [N, D]`, `b: [M, D]`, at least two points each; in the unit of the points, outside the graph.
///
/// # Source
/// Székely and Rizzo (2013).
pub fn energy_distance(a: &Tensor, b: &Tensor) -> f64 {
    no_grad(|| {
        let (a, b) = (a.to_f64(), b.to_f64());
        let apart = |a: &Tensor, b: &Tensor| squared_distances(a, b).sqrt();
        let own = off_diagonal_mean(&apart(&a, &a)) + off_diagonal_mean(&apart(&b, &b));
        (apart(&a, &b).mean() * 2.0 - own).item()
    })
}

/// Improved precision and recall of made points beside real ones: the share of made points that lie in the union of balls around the real ones, each as
/// large as the distance to its `k`-th nearest neighbour among them, and the share of real points in the union of the made ones' balls. `k = 3` is
/// usual. `real: [N, D]`, `made: [M, D]`; outside the graph.
///
/// # Panics
/// Where `k` is zero or a set has no more than `k` points.
///
/// # Source
/// Kynkäänniemi, Karras, Laine, Lehtinen and Aila (2019).
pub fn precision_recall(real: &Tensor, made: &Tensor, k: usize) -> (f64, f64) {
    let dims = real.size(-1);
    assert!(k > 0 && real.size(0) > k && made.size(0) > k, "more than k points in each set, and k above zero");
    assert_eq!(made.size(-1), dims, "points of one dimension in both sets");
    let (real, made) = (real.detach().to_f64().to_vec(), made.detach().to_f64().to_vec());
    (covered(&real, &made, dims, k), covered(&made, &real, dims, k))
}

/// Share of `points` in the union of balls around `centres`.
fn covered(centres: &[f64], points: &[f64], dims: usize, k: usize) -> f64 {
    // Not by inner products: a neighbour lies exactly on its ball.
    let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(p, q)| (p - q) * (p - q)).sum::<f64>();
    let radius = |centre: &[f64]| {
        let mut all: Vec<f64> = centres.chunks_exact(dims).map(|other| square(centre, other)).collect();
        // The centre itself is the nearest, at distance zero.
        *all.select_nth_unstable_by(k, f64::total_cmp).1
    };
    let balls: Vec<(&[f64], f64)> = centres.chunks_exact(dims).map(|centre| (centre, radius(centre))).collect();
    let is_inside = |point: &&[f64]| balls.iter().any(|(centre, radius)| square(centre, point) <= *radius);
    let count = points.chunks_exact(dims).filter(is_inside).count();
    count as f64 / (points.len() / dims) as f64
}

/// Refuses a batch in which no two points can be compared.
pub(super) fn check_batch(batch: usize) -> Result<()> {
    ensure("batch", batch, batch >= 2, Allowed::within(2..).told("at least 2 for a divergence between sets of points"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::grad;

    fn normals(rows: usize, rng: &mut Rng) -> Tensor {
        Tensor::from_vec(rng.normals(2 * rows), &[rows, 2])
    }

    /// The derivative of the discrepancy of `z` and `past` from `prior` in the first of the codes, times the number of those in the batch.
    fn pull(z: &Tensor, past: Option<&Tensor>, prior: &Tensor) -> Vec<f64> {
        let z = z.clone().variable();
        let all = past.map_or_else(|| z.clone(), |past| beside_past(&z, past));
        let slope = grad(&mmd(&all, prior, &Kernel::Rbf), &[&z]).remove(0);
        (slope.row(0) * z.size(0) as f64).to_vec()
    }

    #[test]
    fn past_codes_count_and_those_of_the_batch_are_moved_as_all_would_be() {
        let mut rng = Rng::new(1);
        let (z, past, prior) = (normals(3, &mut rng), normals(9, &mut rng), normals(12, &mut rng));
        let all = Tensor::cat(&[z.clone(), past.clone()], 0);
        let together = mmd(&beside_past(&z, &past), &prior, &Kernel::Rbf).item();
        assert_eq!(together, mmd(&all, &prior, &Kernel::Rbf).item());
        let (of_batch, of_all) = (pull(&z, Some(&past), &prior), pull(&all, None, &prior));
        for (a, b) in of_batch.iter().zip(&of_all) {
            assert!((a - b).abs() < 1e-12, "{of_batch:?} beside {of_all:?}");
        }
    }

    #[test]
    fn past_codes_leave_the_mean_pull_on_a_code_and_make_it_steadier() {
        let found = |past: usize| {
            let pulls: Vec<f64> = (0..400)
                .map(|seed| {
                    let mut rng = Rng::new(seed);
                    let first = Tensor::from_vec(vec![1.0, 0.5], &[1, 2]);
                    // The codes are apart from the prior.
                    let rest = normals(3 + past, &mut rng) + 0.5;
                    let z = Tensor::cat(&[first, rest.narrow(0, 0, 3)], 0);
                    let kept = (past > 0).then(|| rest.narrow(0, 3, past));
                    pull(&z, kept.as_ref(), &normals(4 + past, &mut rng))[0]
                })
                .collect();
            let mean = pulls.iter().sum::<f64>() / 400.0;
            let variance = pulls.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 399.0;
            (mean, variance)
        };
        let (alone, beside) = (found(0), found(36));
        let error = ((alone.1 + beside.1) / 400.0).sqrt();
        assert!((alone.0 - beside.0).abs() < 4.0 * error, "{alone:?} beside {beside:?}");
        // Ten times as many codes leave about a tenth of the variance.
        assert!(beside.1 < 0.3 * alone.1, "{alone:?} beside {beside:?}");
    }
}
