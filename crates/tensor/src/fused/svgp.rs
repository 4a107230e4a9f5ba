//! Marginals of a whitened sparse variational posterior, and its divergence from the prior.
//!
//! With `L = chol(Kuu)`, `A = L⁻¹ Kuf`, `q(L⁻¹u) = N(m, R Rᵀ)`, `W = Rᵀ A`: `f_m = Aᵀ m`, `f_v = kff - colsum(A²) + colsum(W²)`. For gradients `g`, `h`
//! of a function of them: `dm = A g`, `dR = tril(2 A diag(h) Wᵀ)`, `dA = m gᵀ + 2 (R W - A) diag(h)`, `dkff = h`, `dKuf = L⁻ᵀ dA`. The
//! factor's adjoint shortens, since the lower triangle of `Lᵀ tril(X)` is that of `Lᵀ X`: `dKuu = -½ L⁻ᵀ sym(dA Aᵀ) L⁻¹`, where `sym` copies the lower
//! triangle onto the upper one.
//!
//! Everything of order M²B is a product with a triangle, of a factor or of the result; `L⁻¹` is one of the factors (see `whitening.rs`).
//! There are six, or five: with `G = A diag(h) Aᵀ` and `T = Rᵀ G`, `dR = 2 tril(Tᵀ)` and `dA Aᵀ = m dmᵀ + 2 (R T - G)`, which is cheaper from about
//! 5/3 points a batch for each inducing one on (see `marginals.rs`).

use elbo_core::Result;
use elbo_linalg::{Jitter, Ladder};

use super::marginals::Marginals;
use super::sgpr::factor;
use super::{all_f64, by_rows, shaped};
use crate::kernels::buffer;
use crate::tensor::Tensor;

/// Means and variances of `f` at `B` points under `q(L⁻¹u) = N(m, R Rᵀ)`.
///
/// # Shapes
/// `kuu: [M, M]`, `kuf: [M, B]`, `kff: [B]` (variances of the prior). One latent function: `mean: [M]`, `chol: [M, M]`, returns `[B]` twice; `P` of them that share
/// the prior: `mean: [P, M]`, `chol: [P, M, M]`, returns `[P, B]` twice. Of `chol` the lower triangle is read. Differentiable in all inputs.
///
/// # Errors
/// Recoverable, when `kuu` is not positive definite within the jitter policy.
///
/// # Source
/// Hensman, Matthews and Ghahramani (2015), whitened; gradients as derived above.
pub fn svgp_marginals(
    kuu: &Tensor,
    kuf: &Tensor,
    kff: &Tensor,
    mean: &Tensor,
    chol: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (mean, variance, _) = svgp_marginals_with(kuu, kuf, kff, mean, chol, Ladder::standard::<f64>())?;
    Ok((mean, variance))
}

/// [`svgp_marginals`] with these jitters on `kuu`, and the one that was used.
///
/// # Errors
/// As there.
pub fn svgp_marginals_with(
    kuu: &Tensor,
    kuf: &Tensor,
    kff: &Tensor,
    mean: &Tensor,
    chol: &Tensor,
    ladder: Ladder,
) -> Result<(Tensor, Tensor, Jitter)> {
    let (m, b) = (kuf.size(0), kuf.size(1));
    let lead = &mean.shape()[..mean.rank() - 1];
    assert!(
        kuu.shape() == [m, m] && kff.shape() == [b] && mean.size(-1) == m && lead.len() <= 1,
        "kuu {:?}, kuf [{m}, {b}], kff {:?}, mean {:?}",
        kuu.shape(),
        kff.shape(),
        mean.shape()
    );
    assert!(chol.shape() == [lead, &[m, m]].concat(), "chol {:?} for mean {:?}", chol.shape(), mean.shape());
    let latents: usize = lead.iter().product();
    let (packed, jitter) = if all_f64(&[kuu, kuf, kff, mean, chol]) {
        fused(kuu, kuf, kff, mean, chol, latents, ladder)?
    } else {
        composed(&[kuu, kuf, kff, mean, chol].map(Tensor::clone), ladder)?
    };
    let shape = [lead, &[b]].concat();
    let part = |i| packed.select(0, i).reshape(&shape);
    Ok((part(0), part(1), jitter))
}

/// Values as `[2, P, B]`: means, then variances.
fn fused(
    kuu: &Tensor,
    kuf: &Tensor,
    kff: &Tensor,
    mean: &Tensor,
    chol: &Tensor,
    latents: usize,
    ladder: Ladder,
) -> Result<(Tensor, Jitter)> {
    let (m, b) = (kuf.size(0), kuf.size(1));
    let (l, jitter) = factor(kuu, ladder)?;
    let posterior = (mean.to_vec(), chol.contiguous_value());
    let (marginals, value) = Marginals::new(&l, &kuf.as_f64(), &kff.as_f64(), posterior, [m, b, latents]);
    let shapes = [kuu, kuf, kff, mean, chol].map(|t| t.shape().to_vec());
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let found = marginals.gradients(&grad.as_f64(), wanted).into_iter().zip(&shapes).zip(wanted);
        found.map(|((values, shape), wanted)| values.filter(|_| *wanted).map(|v| Tensor::from_vec(v, shape))).collect()
    };
    let inputs = [kuu, kuf, kff, mean, chol].map(Tensor::clone).to_vec();
    let value = Tensor::from_vec(value, &[2, latents, b]);
    let out = Tensor::custom("svgp_marginals", inputs, value, backward).with_twin(move |inputs| {
        composed(inputs, Ladder::Fixed(jitter.relative)).expect("the same matrix was factored before").0
    });
    Ok((out, jitter))
}

/// The twin: inputs in the order of [`svgp_marginals`].
fn composed(inputs: &[Tensor], ladder: Ladder) -> Result<(Tensor, Jitter)> {
    let [kuu, kuf, kff, mean, chol] = inputs else { unreachable!("five inputs") };
    let (m, b) = (kuf.size(0), kuf.size(1));
    let latents = mean.len() / m.max(1);
    let (l, jitter) = kuu.cholesky_with(ladder)?;
    let a = l.solve_lower(kuf);
    let w = chol.reshape(&[latents, m, m]).tril(0).t().matmul(&a);
    let fm = mean.reshape(&[latents, m]).matmul(&a);
    let fv = w.square().sum_axis(-2, false) + (kff - a.square().sum_axis(0, false)).unsqueeze(0);
    Ok((Tensor::stack(&[fm.reshape(&[latents, b]), fv], 0), jitter))
}

/// Gets a row's number and its part up to the diagonal.
type RowVisitor<'a> = Box<dyn FnMut(usize, &[f64]) + 'a>;

/// `KL[N(m, R Rᵀ) || N(0, I)]` in nats, summed over latent functions: `½ (|R|² + |m|² - M) - Σ log |R_ii|`.
///
/// # Shapes
/// `mean: [M]` or `[P, M]`, `chol: [M, M]` or `[P, M, M]`, of which the lower triangle is read; returns a scalar.
pub fn whitened_kl(mean: &Tensor, chol: &Tensor) -> Tensor {
    let m = mean.size(-1);
    assert!(chol.shape() == [mean.shape(), &[m]].concat(), "chol {:?} for mean {:?}", chol.shape(), mean.shape());
    if !all_f64(&[mean, chol]) {
        return composed_kl(mean, chol);
    }
    let (means, chols) = (mean.to_vec(), chol.contiguous_value());
    // Row i of a factor ends at its diagonal.
    let rows = |values: &[f64], mut f: RowVisitor<'_>| {
        values.chunks_exact(m.max(1)).enumerate().for_each(|(k, row)| f(k, &row[..=k % m]));
    };
    let mut value = 0.5 * (elbo_linalg::vector::dot(&means, &means) - means.len() as f64);
    rows(
        chols.row_major(),
        Box::new(|_, row| {
            value += 0.5 * elbo_linalg::vector::dot(row, row) - row[row.len() - 1].abs().ln();
        }),
    );
    let shapes = [mean, chol].map(|t| t.shape().to_vec());
    let backward = move |grad: &Tensor, _: &[bool]| {
        let g = grad.item();
        let mut dr: Vec<f64> = buffer(chols.len());
        by_rows(&mut dr, m, |k, out| {
            let i = k % m;
            let row = &chols.row_major::<f64>()[k * m..=k * m + i];
            out[i + 1..].fill(0.0);
            out[..=i].iter_mut().zip(row).for_each(|(o, v)| *o = g * v);
            out[i] -= g / row[i];
        });
        vec![shaped(means.iter().map(|v| g * v).collect(), &shapes[0]), shaped(dr, &shapes[1])]
    };
    Tensor::custom("whitened_kl", vec![mean.clone(), chol.clone()], Tensor::scalar(value), backward)
        .with_twin(|inputs| composed_kl(&inputs[0], &inputs[1]))
}

fn composed_kl(mean: &Tensor, chol: &Tensor) -> Tensor {
    let chol = chol.tril(0);
    let count = mean.len() as f64;
    (chol.square().sum() + mean.square().sum() - count) * 0.5 - chol.diagonal().abs().log().sum()
}
