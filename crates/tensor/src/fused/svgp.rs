//! Marginals of a whitened sparse variational posterior, and its divergence from the prior.
//!
//! With `L = chol(Kuu)`, `A = L⁻¹ Kuf`, `q(L⁻¹u) = N(m, R Rᵀ)`, `W = Rᵀ A`: `f_m = Aᵀ m`, `f_v = kff - colsum(A²) + colsum(W²)`. For gradients `g`, `h`
//! of a function of them: `dm = A g`, `dR = tril(2 A diag(h) Wᵀ)`, `dA = m gᵀ + 2 (R W - A) diag(h)`, `dkff = h`, `dKuf = L⁻ᵀ dA`. The
//! factor's adjoint shortens, since the lower triangle of `Lᵀ tril(X)` is that of `Lᵀ X`: `dKuu = -½ L⁻ᵀ sym(dA Aᵀ) L⁻¹`, where `sym` copies the lower
//! triangle onto the upper one.
//!
//! Everything of order M²B is six products with a triangle, of a factor or of the result; `L⁻¹` is one of the factors (see
//! `whitening.rs`).

use elbo_core::Result;
use elbo_linalg::{Jitter, Ladder, MatMut, MatRef, Shape, gemm, mirror_lower};

use super::sgpr::factor;
use super::whitening::{Whitening, multiply, outer_lower, sandwich};
use super::{all_f64, columns, shaped};
use crate::kernels::gemm::{Packed, Start, Strided};
use crate::kernels::{buffer, zeros};
use crate::tensor::Tensor;
use elbo_core::recycle::Kept;

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
    let whitening = Whitening::new(&l, m);
    let mut a: Kept<f64> = Kept::new(m * b);
    whitening.whiten(&kuf.as_f64(), b, &mut a);
    let (means, chols) = (mean.to_vec(), chol.contiguous_value());
    let mut value = vec![0.0; 2 * latents * b];
    let mut spreads: Kept<f64> = Kept::new(latents * m * b);
    // kff - colsum(A²)
    let mut missing = kff.to_vec();
    columns::add_squares(&a, b, -1.0, &mut missing);
    {
        let (fm, fv) = value.split_at_mut(latents * b);
        let view = MatRef::row_major(&a, m, b);
        gemm(MatMut::row_major(fm, latents, b), 1.0, MatRef::row_major(&means, latents, m), view, 0.0);
        for (p, (w, fv)) in spreads.chunks_exact_mut((m * b).max(1)).zip(fv.chunks_exact_mut(b.max(1))).enumerate() {
            multiply(&packed_factor(&chols, p, m, true), &a, b, Start::Zero, w);
            fv.copy_from_slice(&missing);
            columns::add_squares(w, b, 1.0, fv);
        }
    }
    let shapes = [kuu, kuf, kff, mean, chol].map(|t| t.shape().to_vec());
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let grad = grad.as_f64();
        let (g, h) = grad.split_at(latents * b);
        let by_covariances = wanted[0] || wanted[1];
        let mut dm = vec![0.0; latents * m];
        let av = MatRef::row_major(&a, m, b);
        gemm(MatMut::row_major(&mut dm, latents, m), 1.0, MatRef::row_major(g, latents, b), av.transpose(), 0.0);
        let mut dr: Vec<f64> = buffer(if wanted[4] { latents * m * m } else { 0 });
        let total: Vec<f64> = (0..b).map(|j| (0..latents).map(|p| h[p * b + j]).sum()).collect();
        // dA starts with m gᵀ of all latent functions and what the prior's variance loses.
        let mut da: Kept<f64> = Kept::new(if by_covariances { m * b } else { 0 });
        if by_covariances {
            columns::scale_and_add(&a, &total, -2.0, (&means[..], g), &mut da);
        }
        let mut scaled: Kept<f64> = Kept::new(m * b);
        for p in 0..latents {
            columns::scale(&spreads[p * m * b..(p + 1) * m * b], &h[p * b..(p + 1) * b], 2.0, &mut scaled);
            if wanted[4] {
                let out = &mut dr[p * m * m..(p + 1) * m * m];
                outer_lower(&a, &scaled, [m, b], out);
                out.chunks_exact_mut(m.max(1)).enumerate().for_each(|(i, row)| row[i + 1..].fill(0.0));
            }
            if by_covariances {
                multiply(&packed_factor(&chols, p, m, false), &scaled, b, Start::Add, &mut da);
            }
        }
        let transposed = by_covariances.then(|| whitening.transposed());
        let dkuu = transposed.as_ref().filter(|_| wanted[0]).map(|transposed| {
            let mut inner: Vec<f64> = buffer(m * m);
            outer_lower(&da, &a, [m, b], &mut inner);
            for (i, row) in inner.chunks_exact_mut(m.max(1)).enumerate() {
                row[..=i].iter_mut().for_each(|v| *v *= -0.5);
            }
            mirror_lower(MatMut::row_major(&mut inner, m, m));
            sandwich(transposed, m, &mut inner);
            Tensor::from_vec(inner, &shapes[0])
        });
        let dkuf = transposed.as_ref().filter(|_| wanted[1]).map(|transposed| {
            let mut out: Vec<f64> = buffer(m * b);
            multiply(transposed, &da, b, Start::Zero, &mut out);
            Tensor::from_vec(out, &shapes[1])
        });
        let dr = wanted[4].then(|| Tensor::from_vec(dr, &shapes[4]));
        let (dkff, dm) = (shaped(total, &shapes[2]), shaped(dm, &shapes[3]));
        [dkuu, dkuf, dkff, dm, dr].into_iter().zip(wanted).map(|(g, w)| g.filter(|_| *w)).collect()
    };
    let inputs = [kuu, kuf, kff, mean, chol].map(Tensor::clone).to_vec();
    let value = Tensor::from_vec(value, &[2, latents, b]);
    let out = Tensor::custom("svgp_marginals", inputs, value, backward).with_twin(move |inputs| {
        composed(inputs, Ladder::Fixed(jitter.relative)).expect("the same matrix was factored before").0
    });
    Ok((out, jitter))
}

/// `R` of latent function `p` of `chols: [P, M, M]`, or its transpose.
fn packed_factor(chols: &Tensor, p: usize, m: usize, transposed: bool) -> Packed<f64> {
    let data = &chols.row_major::<f64>()[p * m * m..(p + 1) * m * m];
    if transposed {
        Packed::triangle(Strided { data, lines: m, line: 1, step: m }, Shape::Upper)
    } else {
        Packed::triangle(Strided { data, lines: m, line: m, step: 1 }, Shape::Lower)
    }
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
        let mut dr = zeros(chols.len());
        for (k, (out, row)) in
            dr.chunks_exact_mut(m.max(1)).zip(chols.row_major::<f64>().chunks_exact(m.max(1))).enumerate()
        {
            let i = k % m;
            out[..=i].iter_mut().zip(row).for_each(|(o, v)| *o = g * v);
            out[i] -= g / row[i];
        }
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
