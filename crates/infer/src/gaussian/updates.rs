//! The updates themselves: from a Gaussian and expected derivatives to the next Gaussian.
//!
//! `g: [D]` is $\mathbb E \nabla V$ and `h: [D, D]` is $\mathbb E \nabla^2 V$, with $V = -\log p$.

use super::law::{Gaussian, product, spectral, symmetrise};
use elbo_core::{Error, Result, ensure, ensure_within};
use elbo_linalg::{Ladder, MatMut, MatRef, cholesky_in_place, gemm, potri, syevd};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Explicit in the energy, implicit in the entropy.
    ForwardBackward,
    /// Explicit in both.
    BuresWasserstein,
    /// Natural gradient, positive definite for every step.
    Natural,
    /// Online Newton: the precision is a running mean of Hessians.
    Newton,
    /// Proximal gradient of the triangular factor: implicit in the entropy, without a decomposition by eigenvalues.
    LocationScale,
    /// Forward-backward among Gaussians of independent unknowns.
    Diagonal,
}

impl Rule {
    /// The next Gaussian, with step length `eta`.
    ///
    /// # Errors
    /// [`Error::Numerical`], recoverable by a shorter step.
    pub fn step(self, q: &Gaussian, g: &[f64], h: &[f64], eta: f64) -> Result<Gaussian> {
        match self {
            Self::ForwardBackward => forward_backward_step(q, g, h, eta),
            Self::BuresWasserstein => bures_wasserstein_step(q, g, h, eta),
            Self::Natural => natural_step(q, g, h, eta),
            Self::Newton => newton_step(q, g, h, eta),
            Self::LocationScale => location_scale_step(q, g, h, eta),
            Self::Diagonal => diagonal_step(q, g, h, eta),
        }
    }
}

fn moved(mean: &[f64], direction: &[f64], length: f64) -> Vec<f64> {
    mean.iter().zip(direction).map(|(m, g)| m - length * g).collect()
}

/// `M S M` with `M = I - eta H`.
fn pushed(covariance: &[f64], h: &[f64], eta: f64, d: usize) -> Vec<f64> {
    let mut map: Vec<f64> = h.iter().map(|h| -eta * h).collect();
    (0..d).for_each(|i| map[i * d + i] += 1.0);
    let half = product(&map, covariance, d);
    // M is symmetric as H is.
    let mut out = product(&half, &map, d);
    symmetrise(&mut out, d);
    out
}

/// Proximal gradient in the Wasserstein metric: a gradient step of the energy, then the minimiser of entropy plus squared distance.
///
/// $$ m_+ = m - \eta g,\quad S_{1/2} = M S M,\quad M = I - \eta H,\quad
///    S_+ = \tfrac12 \left( S_{1/2} + 2 \eta I + (S_{1/2} (S_{1/2} + 4 \eta I))^{1/2} \right) $$
///
/// # Errors
/// [`Error::Numerical`] when derivatives are not finite.
///
/// # Source
/// Diao, Balasubramanian, Chewi and Salim (2023).
pub fn forward_backward_step(q: &Gaussian, g: &[f64], h: &[f64], eta: f64) -> Result<Gaussian> {
    let d = q.dim();
    let half = pushed(&q.covariance, h, eta, d);
    let covariance = spectral(&half, d, |s| entropy_step(s, eta))?;
    Ok(Gaussian { mean: moved(&q.mean, g, eta), covariance })
}

/// The implicit step of the entropy for one eigenvalue of the covariance.
fn entropy_step(s: f64, eta: f64) -> f64 {
    // Rounding may leave an eigenvalue below zero; zero itself is mapped to eta.
    let s = s.max(0.0);
    0.5 * (s + 2.0 * eta + (s * (s + 4.0 * eta)).sqrt())
}

/// [`forward_backward_step`] among Gaussians of independent unknowns: both halves for each unknown alone, with the diagonal of `H`; covariances
/// that `q` has are dropped. The fixed point is the best of those Gaussians, of variances $1 / H_{ii}$.
///
/// # Errors
/// A recoverable [`Error::Numerical`] when derivatives are not finite.
///
/// # Source
/// Diao, Balasubramanian, Chewi and Salim (2023), restricted to a diagonal. Deviation: the restriction is ours.
pub fn diagonal_step(q: &Gaussian, g: &[f64], h: &[f64], eta: f64) -> Result<Gaussian> {
    let d = q.dim();
    let mut covariance = vec![0.0; d * d];
    for ii in (0..d).map(|i| i * d + i) {
        let half = (1.0 - eta * h[ii]).powi(2) * q.covariance[ii];
        if !half.is_finite() {
            return Err(Error::recoverable("a variance is not finite", "take a shorter step"));
        }
        covariance[ii] = entropy_step(half, eta);
    }
    Ok(Gaussian { mean: moved(&q.mean, g, eta), covariance })
}

/// A Hessian `h: [D, D]` of low rank and a constant: its `rank` largest eigenvalues are kept, all others become their mean `c`, so that the trace stays.
///
/// $$ H_r = c I + \sum_{k \le r} (\lambda_k - c)\, u_k u_k^\top $$
///
/// A rank of `D - 1` and more changes nothing. With an expectation by few draws it averages the noise of the weak directions; the step's fixed
/// point has $H_r^{-1}$ as its covariance, which is exact where all but `rank` curvatures are alike.
///
/// # Errors
/// [`Error::Setting`] for a rank of zero; [`Error::Numerical`] when the decomposition fails.
///
/// # Source
/// The form is that of probabilistic principal components, Tipping and Bishop (1999).
pub fn low_rank_hessian(h: &[f64], d: usize, rank: usize) -> Result<Vec<f64>> {
    ensure_within("rank", rank, 1..)?;
    if rank >= d.saturating_sub(1) {
        return Ok(h.to_vec());
    }
    let eigen = syevd(MatRef::row_major(h, d, d))?;
    let rest = d - rank;
    let level = eigen.values[..rest].iter().sum::<f64>() / rest as f64;
    let vectors = |of: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..d * rank).map(|ik| (ik / rank, rest + ik % rank)).map(|(i, k)| eigen.vectors[i * d + k] * of(k)).collect()
    };
    let (scaled, plain) = (vectors(&|k| eigen.values[k] - level), vectors(&|_| 1.0));
    let mut out = vec![0.0; d * d];
    (0..d).for_each(|i| out[i * d + i] = level);
    let right = MatRef::row_major(&plain, d, rank).transpose();
    gemm(MatMut::row_major(&mut out, d, d), 1.0, MatRef::row_major(&scaled, d, rank), right, 1.0);
    symmetrise(&mut out, d);
    Ok(out)
}

/// Gradient descent in the Wasserstein metric, explicit in the entropy: `M = I - eta (H - S^{-1})`.
///
/// # Errors
/// [`Error::Numerical`] when the covariance has become singular.
///
/// # Source
/// Lambert, Chewi, Bach, Bonnabel and Rigollet (2022).
pub fn bures_wasserstein_step(q: &Gaussian, g: &[f64], h: &[f64], eta: f64) -> Result<Gaussian> {
    let d = q.dim();
    let precision = q.precision()?;
    let excess: Vec<f64> = h.iter().zip(&precision).map(|(h, p)| h - p).collect();
    Ok(Gaussian { mean: moved(&q.mean, g, eta), covariance: pushed(&q.covariance, &excess, eta, d) })
}

fn from_precision(mean: &[f64], mut precision: Vec<f64>, g: &[f64], rate: f64) -> Result<Gaussian> {
    let d = mean.len();
    symmetrise(&mut precision, d);
    cholesky_in_place(&mut precision, d, Ladder::Fixed(0.0), true).map_err(|_| {
        Error::recoverable(
            "the precision is no longer positive definite",
            "take a shorter step, or a rule that keeps it so: natural or forward-backward",
        )
    })?;
    let mut covariance = vec![0.0; d * d];
    potri(MatMut::row_major(&mut covariance, d, d), MatRef::row_major(&precision, d, d));
    let step: Vec<f64> = covariance.chunks_exact(d).map(|row| row.iter().zip(g).map(|(s, g)| s * g).sum()).collect();
    Ok(Gaussian { mean: moved(mean, &step, rate), covariance })
}

/// Natural gradient with the second-order term that keeps the precision positive definite for every rate:
/// $\Lambda_+ = \Lambda + r G + \tfrac12 r^2 G \Lambda^{-1} G$ with $G = H - \Lambda$, and $m_+ = m - r \Lambda_+^{-1} g$.
///
/// # Errors
/// [`Error::Numerical`] when derivatives are not finite.
///
/// # Source
/// Lin, Schmidt and Khan (2020). Deviation: the mean moves by the new precision, as in [`newton_step`].
pub fn natural_step(q: &Gaussian, g: &[f64], h: &[f64], rate: f64) -> Result<Gaussian> {
    let d = q.dim();
    let precision = q.precision()?;
    let change: Vec<f64> = h.iter().zip(&precision).map(|(h, p)| h - p).collect();
    let square = product(&product(&change, &q.covariance, d), &change, d);
    let next = (0..d * d).map(|i| precision[i] + rate * change[i] + 0.5 * rate * rate * square[i]).collect();
    from_precision(&q.mean, next, g, rate)
}

/// Variational online Newton: $\Lambda_+ = (1 - r) \Lambda + r H$, $m_+ = m - r \Lambda_+^{-1} g$. A rate of one lands on the optimum of a
/// quadratic.
///
/// # Errors
/// [`Error::Numerical`] where the Hessian makes the precision indefinite.
///
/// # Source
/// Khan and Lin (2017); Khan et al. (2018).
pub fn newton_step(q: &Gaussian, g: &[f64], h: &[f64], rate: f64) -> Result<Gaussian> {
    let precision = q.precision()?;
    let next = precision.iter().zip(h).map(|(p, h)| (1.0 - rate) * p + rate * h).collect();
    from_precision(&q.mean, next, g, rate)
}

/// The proximal step of the entropy of a location-scale family $z = m + C \varepsilon$, whose entropy is $\sum_i \log C_{ii}$ and a constant: the
/// minimiser over lower triangular `X`, given the factor `C: [D, D]` row-major, of
///
/// $$ -\sum_i \log X_{ii} + \frac{1}{2 \gamma} \|X - C\|_F^2,\quad
///    X_{ii} = \tfrac12 \left( C_{ii} + \sqrt{C_{ii}^2 + 4 \gamma} \right),\quad X_{ij} = C_{ij} \text{ below} $$
///
/// It follows a gradient step of length `gamma` on the energy alone, which may leave any number on the diagonal: the answer's is positive. It does
/// not depend on the distribution of $\varepsilon$.
///
/// # Errors
/// [`Error::Setting`] for a factor that is not `[D, D]` or not lower triangular, and for a `gamma` that is not positive; a recoverable
/// [`Error::Numerical`] when an entry is not finite.
///
/// # Source
/// Domke (2020), "Provable smoothness guarantees for black-box variational inference".
pub fn proximal_entropy_step(factor: &[f64], d: usize, gamma: f64) -> Result<Vec<f64>> {
    ensure("gamma", gamma, gamma > 0.0 && gamma.is_finite(), "a positive number")?;
    ensure_within("d", d, 1..)?;
    let fits = d.checked_mul(d) == Some(factor.len());
    ensure("factor", format!("of {} numbers", factor.len()), fits, format!("of {d} x {d}"))?;
    if !factor.iter().all(|c| c.is_finite()) {
        return Err(Error::recoverable("the factor is not finite", "take a shorter step"));
    }
    let above = (0..d * d).find(|ij| ij % d > ij / d && factor[*ij] != 0.0);
    if let Some(ij) = above {
        ensure("factor", format!("{} above the diagonal", factor[ij]), false, "zero there: lower triangular")?;
    }
    let mut next = factor.to_vec();
    (0..d).for_each(|i| next[i * d + i] = proximal_scale(next[i * d + i], gamma));
    Ok(next)
}

/// The positive root of $x^2 - c x - \gamma$.
fn proximal_scale(c: f64, gamma: f64) -> f64 {
    let root = c.hypot(2.0 * gamma.sqrt());
    // Of the two forms the one in which nothing cancels.
    if c >= 0.0 { 0.5 * (c + root) } else { 2.0 * gamma / (root - c) }
}

/// Proximal gradient of mean and triangular factor: with $S = C C'$ the energy's gradient in `C` is the lower triangle of $H C$, and
///
/// $$ m_+ = m - \eta g,\quad C_+ = \mathrm{prox}_\eta(C - \eta\, \mathrm{tril}(H C)),\quad S_+ = C_+ C_+' $$
///
/// with the step of [`proximal_entropy_step`]. It costs products and one Cholesky factor. Steps up to the inverse of the largest curvature are
/// safe for every covariance; unlike [`forward_backward_step`] it depends on the order of the unknowns.
///
/// # Errors
/// [`Error::Numerical`] when the covariance has become singular or derivatives are not finite; [`Error::Setting`] for a step that is not positive.
///
/// # Source
/// Domke (2020); rates by Domke, Gower and Garrigos (2023).
pub fn location_scale_step(q: &Gaussian, g: &[f64], h: &[f64], eta: f64) -> Result<Gaussian> {
    let d = q.dim();
    let factor = q.chol()?;
    let slope = product(h, &factor, d);
    let lower: Vec<f64> =
        (0..d * d).map(|ij| if ij % d > ij / d { 0.0 } else { factor[ij] - eta * slope[ij] }).collect();
    let next = proximal_entropy_step(&lower, d, eta)?;
    let view = MatRef::row_major(&next, d, d);
    let mut covariance = vec![0.0; d * d];
    gemm(MatMut::row_major(&mut covariance, d, d), 1.0, view, view.transpose(), 0.0);
    symmetrise(&mut covariance, d);
    Ok(Gaussian { mean: moved(&q.mean, g, eta), covariance })
}
