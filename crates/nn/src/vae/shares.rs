//! Codes that are shares of a whole.

use super::posterior::Posterior;
use super::prior::{Prior, PriorPass};
use elbo_core::Rng;
use elbo_dist::batched::{Batched, Dirichlet, Kl};
use elbo_tensor::{DType, Tensor, no_grad};
use std::sync::OnceLock;

/// Smallest concentration of a share.
const LEAST_CONCENTRATION: f64 = 1e-4;

/// Dirichlet posteriors. Draws and densities are of the logarithms of shares, which stay finite where shares round to zero.
///
/// # Source
/// Joo, Lee, Park and Moon (2020). Deviation: draws follow the concentrations implicitly, as in Figurnov, Mohamed and Mnih (2018).
#[derive(Debug, Clone)]
pub struct Shares {
    concentration: Tensor,
    mean: OnceLock<Tensor>,
}

impl Shares {
    /// From concentrations `[B, L]` above zero.
    pub fn new(concentration: Tensor) -> Self {
        Self { concentration, mean: OnceLock::new() }
    }

    /// From the encoder's numbers `[B, L]`, whose softplus are the concentrations.
    pub(super) fn encoded(raw: &Tensor) -> Self {
        Self::new(raw.softplus() + LEAST_CONCENTRATION)
    }

    /// Concentrations, `[B, L]`.
    pub fn concentration(&self) -> &Tensor {
        &self.concentration
    }

    fn law(&self) -> Dirichlet {
        Dirichlet::new(self.concentration.clone())
    }

    /// Means, `[B, L]`, without a gradient.
    pub(super) fn mean(&self) -> &Tensor {
        self.mean.get_or_init(|| no_grad(|| self.law().mean().expect("its mean is closed")))
    }

    /// Variances, `[B, L]`.
    pub(super) fn variance(&self) -> Tensor {
        self.law().variance().expect("its variance is closed")
    }

    /// Logarithms of gamma variables, `[K, B, L]`, f64; see [`Dirichlet::noise`].
    pub(super) fn noise(&self, draws: usize, rng: &mut Rng) -> Tensor {
        self.law().noise(&[draws], rng)
    }

    /// Logarithms of the shares at this noise, `[K, B, L]`.
    pub(super) fn draw(&self, noise: &Tensor) -> Tensor {
        self.law().log_at(noise)
    }

    /// Log density of shares, with respect to all but the last, at their logarithms `[K, B, L]`: `[K, B]`.
    pub(super) fn log_prob(&self, log_shares: &Tensor) -> Tensor {
        self.law().log_prob_at_log(log_shares)
    }

    /// Entropy, `[B]`.
    pub(super) fn entropy(&self) -> Option<Tensor> {
        self.law().entropy()
    }

    pub(super) fn map(&self, f: &dyn Fn(&Tensor) -> Tensor) -> Self {
        Self::new(f(&self.concentration))
    }
}

/// A Dirichlet prior with one concentration for all shares.
pub(super) struct SharesPrior {
    pub(super) latent: usize,
    pub(super) concentration: f64,
}

elbo_tensor::parameters!(SharesPrior {});

impl SharesPrior {
    fn law(&self, dtype: DType) -> Dirichlet {
        Dirichlet::new(Tensor::full(&[self.latent], self.concentration, dtype))
    }
}

impl Prior for SharesPrior {
    fn log_prob(&self, log_shares: &Tensor, _: &mut PriorPass<'_>) -> Tensor {
        self.law(log_shares.dtype()).log_prob_at_log(log_shares)
    }

    fn kl(&self, q: &Posterior) -> Option<Tensor> {
        let Posterior::Shares(q) = q else { return None };
        // In double precision, since logarithms of gamma functions nearly cancel.
        let kl = q.map(&Tensor::to_f64).law().kl(&self.law(DType::F64));
        Some(kl.cast(q.concentration.dtype()).unsqueeze(-1))
    }

    fn sample(&self, count: usize, _: Option<&Posterior>, rng: &mut Rng) -> Tensor {
        self.law(DType::F64).sample(&[count], rng)
    }
}
