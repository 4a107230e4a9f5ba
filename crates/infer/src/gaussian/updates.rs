//! The updates themselves: from a Gaussian and expected derivatives to the next Gaussian.
//!
//! `g: [D]` is $\mathbb E \nabla V$ and `h: [D, D]` is $\mathbb E \nabla^2 V$, with $V = -\log p$.

use super::law::{Gaussian, product, spectral, symmetrise};
use elbo_core::{Error, Result};
use elbo_linalg::{Ladder, MatMut, MatRef, cholesky_in_place, potri};
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
    let covariance = spectral(&half, d, |s| {
        // Rounding may leave an eigenvalue below zero; zero itself is mapped to eta.
        let s = s.max(0.0);
        0.5 * (s + 2.0 * eta + (s * (s + 4.0 * eta)).sqrt())
    })?;
    Ok(Gaussian { mean: moved(&q.mean, g, eta), covariance })
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
