//! Maps from free vectors to vectors and matrices with structure.

use super::Bijector;
use elbo_tensor::special::{LOG_SQRT_TAU, lgamma, log_beta};
use elbo_tensor::{DType, Tensor};
use std::f64::consts::LN_2;

/// Vectors to increasing vectors: $y_1 = x_1$, $y_k = y_{k-1} + e^{x_k}$.
#[derive(Debug, Clone, Copy)]
pub struct Ordered;

impl Bijector for Ordered {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let rest = x.narrow(-1, 1, x.size(-1) - 1);
        let steps = Tensor::cat(&[x.narrow(-1, 0, 1), rest.exp()], -1);
        (steps.cumsum(-1), rest.sum_axis(-1, false))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let k = y.size(-1);
        let rest = (y.narrow(-1, 1, k - 1) - y.narrow(-1, 0, k - 1)).log();
        Some((Tensor::cat(&[y.narrow(-1, 0, 1), rest.clone()], -1), -rest.sum_axis(-1, false)))
    }
}

/// Vectors of `K - 1` numbers to the simplex of `K` weights; zero goes to the uniform point.
///
/// $$ v_k = \sigma(x_k - \log(K - k)), \qquad y_k = v_k \prod_{j<k} (1 - v_j) $$
#[derive(Debug, Clone, Copy)]
pub struct StickBreaking;

impl StickBreaking {
    /// $\log(K - k)$ for the `K - 1` breaks.
    fn offsets(breaks: usize, dtype: DType) -> Tensor {
        Tensor::from_vec((0..breaks).map(|k| ((breaks - k) as f64).ln()).collect(), &[breaks]).cast(dtype)
    }

    /// The log-determinant, from the logits of the breaks and the logarithm of what is left before each.
    fn log_det(logits: &Tensor, log_left: &Tensor) -> Tensor {
        (logits.log_sigmoid() + (-logits).log_sigmoid() + log_left).sum_axis(-1, false)
    }
}

impl Bijector for StickBreaking {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let breaks = x.size(-1);
        let logits = x - Self::offsets(breaks, x.dtype());
        let after = (-&logits).log_sigmoid().cumsum(-1);
        let log_left = after.pad_axis(-1, 1, 0);
        let pieces = logits.log_sigmoid() + log_left.narrow(-1, 0, breaks);
        let last = log_left.narrow(-1, breaks, 1);
        (Tensor::cat(&[pieces, last], -1).exp(), Self::log_det(&logits, &log_left.narrow(-1, 0, breaks)))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let breaks = y.size(-1) - 1;
        // What is left after break k is the sum of the later pieces, which loses no digits.
        let left = y.flip(-1).cumsum(-1).flip(-1);
        let logits = y.narrow(-1, 0, breaks).log() - left.narrow(-1, 1, breaks).log();
        let log_det = Self::log_det(&logits, &left.narrow(-1, 0, breaks).log());
        Some((logits + Self::offsets(breaks, y.dtype()), -log_det))
    }
}

/// The factor of numbers row by row, with logarithms on its diagonal, which are given too.
fn factor(x: &Tensor, dimension: usize) -> (Tensor, Tensor) {
    let raw = lower_triangle(x, dimension, 0);
    let log_diagonal = raw.diagonal();
    (raw.tril(-1) + log_diagonal.exp().diag(), log_diagonal)
}

/// The numbers of a factor, and the logarithms of its diagonal.
fn factor_entries(factor: &Tensor) -> (Tensor, Tensor) {
    let log_diagonal = factor.diagonal().log();
    (triangle_entries(&(factor.tril(-1) + log_diagonal.diag()), 0), log_diagonal)
}

/// Vectors of `D (D + 1) / 2` numbers to lower triangular matrices with a positive diagonal, row by row, with logarithms on the diagonal: Cholesky factors.
#[derive(Debug, Clone, Copy)]
pub struct CholeskyFactor {
    dimension: usize,
}

impl CholeskyFactor {
    /// To matrices `[D, D]`.
    pub fn new(dimension: usize) -> Self {
        Self { dimension }
    }
}

impl Bijector for CholeskyFactor {
    fn ranks(&self) -> (usize, usize) {
        (1, 2)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let (factor, log_diagonal) = factor(x, self.dimension);
        (factor, log_diagonal.sum_axis(-1, false))
    }
    /// What stands above the diagonal is not looked at.
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let (entries, log_diagonal) = factor_entries(y);
        Some((entries, -log_diagonal.sum_axis(-1, false)))
    }
}

/// Vectors of `D (D + 1) / 2` numbers to positive definite matrices $L L^\top$, where the vector holds the lower triangle of $L$ row by row, with
/// logarithms on its diagonal.
#[derive(Debug, Clone, Copy)]
pub struct PositiveDefinite {
    dimension: usize,
}

impl PositiveDefinite {
    /// To matrices `[D, D]`.
    pub fn new(dimension: usize) -> Self {
        Self { dimension }
    }

    /// $D \log 2 + \sum_k (D - k + 2) \log L_{kk}$, k from one.
    fn log_det(&self, log_diagonal: &Tensor) -> Tensor {
        let d = self.dimension;
        let weights = Tensor::from_vec((0..d).map(|k| (d - k + 1) as f64).collect(), &[d]).cast(log_diagonal.dtype());
        (log_diagonal * weights).sum_axis(-1, false) + d as f64 * LN_2
    }
}

impl Bijector for PositiveDefinite {
    fn ranks(&self) -> (usize, usize) {
        (1, 2)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let (factor, log_diagonal) = factor(x, self.dimension);
        (factor.matmul(&factor.t()), self.log_det(&log_diagonal))
    }
    /// The matrices must be positive definite; where one is not, the point is NaN.
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let Ok(factor) = y.cholesky() else {
            let n = self.dimension * (self.dimension + 1) / 2;
            let lead = &y.shape()[..y.rank() - 2];
            return Some((
                Tensor::full(&[lead, &[n]].concat(), f64::NAN, y.dtype()),
                Tensor::full(lead, f64::NAN, y.dtype()),
            ));
        };
        let (entries, log_diagonal) = factor_entries(&factor);
        Some((entries, -self.log_det(&log_diagonal)))
    }
}

/// Vectors of `D (D - 1) / 2` numbers to Cholesky factors of correlation matrices, through partial correlations $\tanh x$:
///
/// $$ L_{ij} = \tanh(x_{ij}) \sqrt{1 - \textstyle\sum_{j' < j} L_{ij'}^2} $$
#[derive(Debug, Clone, Copy)]
pub struct CorrelationCholesky {
    dimension: usize,
}

impl CorrelationCholesky {
    /// To factors `[D, D]`.
    pub fn new(dimension: usize) -> Self {
        Self { dimension }
    }
}

impl Bijector for CorrelationCholesky {
    fn ranks(&self) -> (usize, usize) {
        (1, 2)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let d = self.dimension;
        let partial = lower_triangle(x, d, 1);
        // log(1 - tanh^2) of each, zero outside the triangle; half its running sum is the log of what a row has left.
        let log_rest = (LN_2 - &partial - (&partial * -2.0).softplus()) * 2.0;
        let log_rest = log_rest.tril(-1);
        let log_left = log_rest.cumsum(-1).pad_axis(-1, 1, 0).narrow(-1, 0, d) * 0.5;
        let factor = ((partial.tanh() + Tensor::eye(d, x.dtype())) * log_left.exp()).tril(0);
        let log_det = (log_rest + log_left.tril(-1)).sum_axes(&[-1, -2], false);
        (factor, log_det)
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let d = self.dimension;
        // What a row has left before column j is the sum of squares from j on.
        let left = y.square().flip(-1).cumsum(-1).flip(-1);
        let log_left = left.log() * 0.5;
        let below = triangle_entries(&(y * (-&log_left).exp()), 1);
        let (plus, minus) = (below.log1p(), (-&below).log1p());
        let log_left = triangle_entries(&log_left, 1);
        let log_det = (&plus + &minus + log_left).sum_axis(-1, false);
        debug_assert_eq!(y.size(-1), d);
        Some(((plus - minus) * 0.5, -log_det))
    }
}

elbo_tensor::parameters!(Ordered {});
elbo_tensor::parameters!(StickBreaking {});
elbo_tensor::parameters!(CholeskyFactor {});
elbo_tensor::parameters!(PositiveDefinite {});
elbo_tensor::parameters!(CorrelationCholesky {});

/// Log density of the LKJ distribution on Cholesky factors of correlation matrices, normalised, in nats.
///
/// $$ p(L) \propto \prod_{k \ge 2} L_{kk}^{D - k + 2\eta - 2} $$
///
/// # Shapes
/// `factor: [..., D, D]`, returns `[...]`; with respect to the entries below the diagonal.
///
/// # Source
/// Lewandowski, Kurowicka and Joe (2009).
pub fn lkj_cholesky_log_prob(factor: &Tensor, eta: f64) -> Tensor {
    let d = factor.size(-1);
    let weights: Vec<f64> = (1..=d).map(|k| if k == 1 { 0.0 } else { (d - k) as f64 + 2.0 * eta - 2.0 }).collect();
    let weights = Tensor::from_vec(weights, &[d]).cast(factor.dtype());
    // Row k is a ball of k - 1 dimensions: a beta variable for its squared radius and a uniform direction.
    let row = |k: usize| {
        let (half, power) = (0.5 * (k - 1) as f64, 0.5 * ((d - k) as f64 + 2.0 * eta));
        (2.0 * LOG_SQRT_TAU - LN_2) * half - lgamma(half) + log_beta(half, power)
    };
    let log_normaliser: f64 = (2..=d).map(row).sum();
    (factor.diagonal().log() * weights).sum_axis(-1, false) - log_normaliser
}

/// Row-major places of the lower triangle from diagonal `-skip` down.
fn places(dimension: usize, skip: usize) -> Vec<usize> {
    (skip..dimension).flat_map(|i| (0..=i - skip).map(move |j| i * dimension + j)).collect()
}

/// Vectors `[..., n]` as lower triangles of matrices `[..., D, D]`, row by row, without the first `skip` diagonals.
fn lower_triangle(x: &Tensor, dimension: usize, skip: usize) -> Tensor {
    let places = places(dimension, skip);
    assert_eq!(x.size(-1), places.len(), "a triangle of {dimension} rows has {} entries", places.len());
    let mut from = vec![0; dimension * dimension];
    places.iter().enumerate().for_each(|(k, place)| from[*place] = k + 1);
    let flat = x.pad_axis(-1, 1, 0).index_select(-1, &Tensor::indices(&from));
    flat.reshape(&[&x.shape()[..x.rank() - 1], &[dimension, dimension]].concat())
}

/// The inverse of [`lower_triangle`].
fn triangle_entries(matrix: &Tensor, skip: usize) -> Tensor {
    let d = matrix.size(-1);
    let flat = matrix.reshape(&[&matrix.shape()[..matrix.rank() - 2], &[d * d]].concat());
    flat.index_select(-1, &Tensor::indices(&places(d, skip)))
}
