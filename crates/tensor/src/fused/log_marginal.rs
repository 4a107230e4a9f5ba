//! Log marginal likelihood of Gaussian observations, with its gradient.

use elbo_core::Result;
use elbo_linalg::{
    Diagonal, Jitter, Ladder, LinalgError, MatMut, MatRef, Side, Triangle, log_det_from_factor, potrf, trsm,
};
use rayon::prelude::*;

use super::gram::{Hyper, Points, composed_symmetric, fill_lower, hyper_gradients, hyper_inputs, pull_symmetric};
use super::{Radial, all_f64, collect_rows, inverse_lower, per_row, shaped};
use crate::tensor::Tensor;
use elbo_core::recycle::Kept;

/// `Σ_p log N(y_p; 0, K + diag(noise))` in nats, over the columns of `y`.
///
/// $$ -\tfrac12 y^\top \alpha - \sum_i \log L_{ii} - \tfrac N2 \log 2\pi, \quad \alpha = (K + \mathrm{diag}(\sigma^2))^{-1} y $$
///
/// # Shapes
/// `k: [N, N]` symmetric; `noise: []`, `[1]` or `[N]`, variances; `y: [N]` or `[N, P]`, residuals. Returns a scalar, differentiable in all of them.
/// The gradient costs `2/3 N³` on top of the value's `1/3 N³`.
///
/// # Errors
/// Recoverable, when the covariance is not positive definite within the jitter policy, or not finite.
pub fn gaussian_log_marginal(k: &Tensor, noise: &Tensor, y: &Tensor) -> Result<Tensor> {
    Ok(gaussian_log_marginal_with(k, noise, y, Ladder::standard::<f64>())?.0)
}

/// [`gaussian_log_marginal`] with these jitters, and the one that was used.
///
/// # Errors
/// As there.
pub fn gaussian_log_marginal_with(k: &Tensor, noise: &Tensor, y: &Tensor, ladder: Ladder) -> Result<(Tensor, Jitter)> {
    let n = y.size(0);
    assert!(k.shape() == [n, n], "a covariance of shape {:?} for {n} rows", k.shape());
    if !all_f64(&[k, noise, y]) {
        return composed(k, noise, y, ladder);
    }
    let noise_values = noise.to_vec();
    let noise_at = per_row(&noise_values, n);
    let source = k.as_f64();
    let mut l = Kept::zeros(n * n);
    let mean = (0..n).map(|i| source[i * n + i] + noise_at(i)).sum::<f64>() / n.max(1) as f64;
    let jitter = ladder.climb(n, mean, |jitter| {
        l.par_chunks_mut(n.max(1)).enumerate().for_each(|(i, row)| {
            row[..=i].copy_from_slice(&source[i * n..=i * n + i]);
            row[i] += noise_at(i) + jitter;
        });
        potrf(MatMut::row_major(&mut l, n, n), false).map_err(|e| not_finite(n, |i, j| source[i * n + j]).unwrap_or(e))
    })?;
    let fit = Fit::new(l, &y.as_f64(), n);
    let value = fit.value;
    let shapes = [k, noise, y].map(|t| t.shape().to_vec());
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let g = grad.item();
        let dy = wanted[2].then(|| fit.y_gradient(g, &shapes[2]));
        if !wanted[0] && !wanted[1] {
            return vec![None, None, dy];
        }
        let mut dk = inverse_lower(&fit.l, n);
        dk.par_chunks_mut(n.max(1)).enumerate().for_each(|(i, row)| {
            fit.entries(i, 0, 0.5 * g, &mut row[..=i]);
        });
        let diagonal: Vec<f64> = (0..n).map(|i| dk[i * n + i]).collect();
        let count = shapes[1].iter().product();
        let dnoise = wanted[1].then(|| shaped(collect_rows(diagonal, count), &shapes[1])).flatten();
        let dk = wanted[0].then(|| {
            elbo_linalg::mirror_lower(MatMut::row_major(&mut dk, n, n));
            Tensor::from_vec(dk.into_vec(), &[n, n])
        });
        vec![dk, dnoise, dy]
    };
    let inputs = vec![k.clone(), noise.clone(), y.clone()];
    let out =
        Tensor::custom("gaussian_log_marginal", inputs, Tensor::scalar(value), backward).with_twin(move |inputs| {
            let fixed = Ladder::Fixed(jitter.relative);
            composed(&inputs[0], &inputs[1], &inputs[2], fixed).expect("the same matrix was factored before").0
        });
    Ok((out, jitter))
}

/// [`gaussian_log_marginal`] of a stationary kernel's covariances, as one operation: kernel, factor, inverse and all gradients, without
/// an `N x N` matrix beyond the factor and, for the gradient, its inverse.
///
/// # Shapes
/// `x: [N, D]`; `lengthscales`, `variance`, `alpha` as in [`super::stationary_gram`]; `noise`, `y` as in [`gaussian_log_marginal`].
///
/// # Errors
/// As [`gaussian_log_marginal`].
pub fn stationary_log_marginal(
    radial: Radial,
    x: &Tensor,
    lengthscales: &Tensor,
    variance: &Tensor,
    alpha: Option<&Tensor>,
    noise: &Tensor,
    y: &Tensor,
) -> Result<Tensor> {
    let ladder = Ladder::standard::<f64>();
    Ok(stationary_log_marginal_with(radial, x, lengthscales, variance, alpha, noise, y, ladder)?.0)
}

/// [`stationary_log_marginal`] with these jitters, and the one that was used.
///
/// # Errors
/// As there.
pub fn stationary_log_marginal_with(
    radial: Radial,
    x: &Tensor,
    lengthscales: &Tensor,
    variance: &Tensor,
    alpha: Option<&Tensor>,
    noise: &Tensor,
    y: &Tensor,
    ladder: Ladder,
) -> Result<(Tensor, Jitter)> {
    let n = y.size(0);
    assert!(x.rank() == 2 && x.size(0) == n && x.size(1) > 0, "points of shape {:?} for {n} rows", x.shape());
    let mut inputs = vec![noise.clone(), y.clone()];
    inputs.extend(hyper_inputs(&[x], [lengthscales, variance], alpha));
    if !all_f64(&inputs.iter().collect::<Vec<_>>()) {
        return composed(&composed_symmetric(radial, &inputs[2..]), noise, y, ladder);
    }
    let hyper = Hyper::new(radial, x.size(1), lengthscales, variance, alpha);
    let points = Points::new(&x.as_f64(), n, &hyper);
    let noise_values = noise.to_vec();
    let noise_at = per_row(&noise_values, n);
    let mut l = Kept::zeros(n * n);
    let mean = hyper.variance + (0..n).map(&noise_at).sum::<f64>() / n.max(1) as f64;
    let jitter = ladder.climb(n, mean, |jitter| {
        fill_lower(&points, &hyper, |i| hyper.variance + noise_at(i) + jitter, &mut l);
        potrf(MatMut::row_major(&mut l, n, n), false).map_err(|e| {
            // The factor has overwritten the matrix, but a NaN can only come from the points or from the parameters.
            let bad = |i: usize, _| points.row(i).iter().copied().find(|v| !v.is_finite()).unwrap_or(mean);
            not_finite(n, bad).unwrap_or(e)
        })
    })?;
    let fit = Fit::new(l, &y.as_f64(), n);
    let value = fit.value;
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|t| t.shape().to_vec()).collect();
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let g = grad.item();
        let mut out = vec![None, wanted[1].then(|| fit.y_gradient(g, &shapes[1]))];
        if !wanted[0] && wanted[2..].iter().all(|w| !w) {
            out.extend(wanted[2..].iter().map(|_| None));
            return out;
        }
        let inverse = inverse_lower(&fit.l, n);
        let row = |i: usize, start: usize, scale: f64, out: &mut [f64]| {
            out.copy_from_slice(&inverse[i * n + start..][..out.len()]);
            fit.entries(i, start, scale, out);
        };
        let mut diagonal = vec![0.0; n];
        diagonal.iter_mut().enumerate().for_each(|(i, d)| row(i, i, 0.5 * g, std::slice::from_mut(d)));
        // A pair stands in the matrix twice.
        let pull = pull_symmetric(&points, &hyper, wanted[2], |i, start, out| row(i, start, g, out), |i| diagonal[i]);
        let count = shapes[0].iter().product();
        out[0] = shaped(collect_rows(diagonal, count), &shapes[0]);
        out.push(shaped(pull.x.clone(), &shapes[2]));
        out.extend(hyper_gradients(&pull, &hyper, &shapes[3..]));
        out.into_iter().zip(wanted).map(|(g, w)| g.filter(|_| *w)).collect()
    };
    let twin = move |inputs: &[Tensor]| {
        let k = composed_symmetric(radial, &inputs[2..]);
        let fixed = Ladder::Fixed(jitter.relative);
        composed(&k, &inputs[0], &inputs[1], fixed).expect("the same matrix was factored before").0
    };
    let out = Tensor::custom("stationary_log_marginal", inputs, Tensor::scalar(value), backward).with_twin(twin);
    Ok((out, jitter))
}

/// The first NaN or infinity in a lower triangle.
fn not_finite(n: usize, entry: impl Fn(usize, usize) -> f64) -> Option<LinalgError> {
    let places = (0..n).flat_map(|i| (0..=i).map(move |j| (i, j)));
    let (row, column) = places.into_iter().find(|&(i, j)| !entry(i, j).is_finite())?;
    Some(LinalgError::NotFinite { rows: n, columns: n, row, column, value: entry(row, column) })
}

/// A factored covariance and what it says about the residuals.
struct Fit {
    /// Lower triangle of the factor, `[N, N]`; the rest is not meant.
    l: Kept<f64>,
    /// `[N, P]`.
    alpha: Vec<f64>,
    columns: usize,
    value: f64,
}

impl Fit {
    fn new(l: Kept<f64>, y: &[f64], n: usize) -> Self {
        let columns = y.len().checked_div(n).unwrap_or(1);
        let factor = MatRef::row_major(&l, n, n);
        let mut alpha = y.to_vec();
        let solve = |triangle, l, b: &mut [f64]| {
            trsm(Side::Left, triangle, Diagonal::Stored, l, MatMut::row_major(b, n, columns));
        };
        solve(Triangle::Lower, factor, &mut alpha);
        let quadratic = elbo_linalg::vector::dot(&alpha, &alpha);
        solve(Triangle::Upper, factor.transpose(), &mut alpha);
        let constant = n as f64 * std::f64::consts::TAU.ln();
        let value = -0.5 * (quadratic + columns as f64 * (log_det_from_factor(factor) + constant));
        Self { l, alpha, columns, value }
    }

    /// Replaces entries `(i, start..)` of the inverse by `scale (Σ_p α_p α_pᵀ - P K⁻¹)`.
    #[inline(always)]
    fn entries(&self, i: usize, start: usize, scale: f64, out: &mut [f64]) {
        let p = self.columns;
        if p == 1 {
            let (own, others) = (self.alpha[i], &self.alpha[start..][..out.len()]);
            out.iter_mut().zip(others).for_each(|(o, a)| *o = scale * (own * a - *o));
            return;
        }
        let own = &self.alpha[i * p..(i + 1) * p];
        for (o, other) in out.iter_mut().zip(self.alpha[start * p..].chunks_exact(p)) {
            let product: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
            *o = scale * (product - p as f64 * *o);
        }
    }

    fn y_gradient(&self, g: f64, shape: &[usize]) -> Tensor {
        Tensor::from_vec(self.alpha.iter().map(|a| -g * a).collect(), shape)
    }
}

/// The twin.
fn composed(k: &Tensor, noise: &Tensor, y: &Tensor, ladder: Ladder) -> Result<(Tensor, Jitter)> {
    let n = y.size(0);
    let noise = if noise.len() == 1 { noise.reshape(&[1]).broadcast_to(&[n]) } else { noise.clone() };
    let (l, jitter) = (k + noise.diag()).cholesky_with(ladder)?;
    let y = y.reshape(&[n, y.len().checked_div(n).unwrap_or(1)]);
    let log_det = l.cholesky_log_det() + n as f64 * std::f64::consts::TAU.ln();
    let quadratic = l.solve_lower(&y).square().sum();
    Ok(((quadratic + log_det * y.size(1) as f64) * -0.5, jitter))
}
