//! Correlated outputs with one kernel: the intrinsic coregionalisation model on complete rows.

use super::kronecker::{Grid, log_density};
use super::{ensure_complete, ensure_table, noise_parameter};
use crate::exact::{checked_variances, in_blocks};
use crate::kernel::{Index, Kernel};
use elbo_core::Result;
use elbo_tensor::{Parameter, Tensor, no_grad};

/// `y_p = f_p(x) + noise_p`, `cov(f_p(x), f_q(x')) = B_pq k(x, x')`, every row with all outputs.
///
/// $$ \mathrm{vec}(Y) \sim N(0,\ B \otimes K + \mathrm{diag}(\sigma^2) \otimes I) $$
///
/// Outputs are divided by their noise, so that the noise of `B̃ = S⁻¹ B S⁻¹`, `S = diag(σ)`, is the identity; the
/// eigendecompositions of `B̃` and `K` then give everything in `N³ + P³ + N² P`.
///
/// Parameters: `coregionalisation.weights` `[P, rank]` and `coregionalisation.variance` `[P]`; those of the kernel;
/// `noise` `[P]`, or `[1]` for all outputs together.
///
/// # Source
/// Bonilla, Chai and Williams (2008); Rakitsch, Lippert, Borgwardt and Stegle (2013) for the noise.
pub struct Icm {
    coregionalisation: Index,
    kernel: Box<dyn Kernel>,
    noise: Parameter,
    x: Tensor,
    y: Tensor,
}
elbo_tensor::parameters!(Icm { coregionalisation, kernel, noise });

/// The model in units of each output's noise.
struct Scaled {
    /// `B̃`, `[P, P]`.
    b: Tensor,
    /// `Y S⁻¹`, `[N, P]`.
    y: Tensor,
    /// `σ`, `[P]`.
    sd: Tensor,
}

impl Icm {
    /// A model of `x: [N, D]`, `y: [N, P]` with a covariance of `P` levels and these starts for the noise variances:
    /// `P`, or one that all outputs share.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] when there is no row or no output, or a target is missing.
    pub fn new(coregionalisation: Index, kernel: Box<dyn Kernel>, noise: &[f64], x: Tensor, y: Tensor) -> Result<Self> {
        ensure_table(&x, &y)?;
        ensure_complete(&y)?;
        let outputs = coregionalisation.variance.len();
        assert_eq!(outputs, y.size(1), "one level of the covariance an output");
        Ok(Self { coregionalisation, kernel, noise: noise_parameter(noise, outputs), x, y })
    }

    /// The covariance of the outputs, `B`.
    pub fn coregionalisation(&self) -> &Index {
        &self.coregionalisation
    }

    /// The covariance of the outputs, to change or freeze its parameters.
    pub fn coregionalisation_mut(&mut self) -> &mut Index {
        &mut self.coregionalisation
    }

    /// The kernel over the inputs.
    pub fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }

    /// The kernel over the inputs, to change or freeze its parameters.
    pub fn kernel_mut(&mut self) -> &mut dyn Kernel {
        self.kernel.as_mut()
    }

    /// The noise variances: one for each output, or one.
    pub fn noise(&self) -> Vec<f64> {
        self.noise.value()
    }

    fn scaled(&self) -> Scaled {
        let sd = self.noise.get().sqrt().broadcast_to(&[self.y.size(1)]);
        let b = self.coregionalisation.covariance() / (sd.unsqueeze(1) * sd.unsqueeze(0));
        Scaled { b, y: &self.y / sd.unsqueeze(0), sd }
    }

    /// Log marginal likelihood of all outputs in nats, a scalar, differentiable in all parameters.
    ///
    /// # Errors
    /// Recoverable, when a covariance is not finite or not positive semi-definite.
    pub fn log_marginal(&self) -> Result<Tensor> {
        let Scaled { b, y, sd } = self.scaled();
        let value = log_density(&b, &self.kernel.gram_symmetric(&self.x), &y)?;
        Ok(value - sd.log().sum() * self.y.size(0) as f64)
    }

    /// The posterior at the present parameters.
    ///
    /// # Errors
    /// As [`Icm::log_marginal`].
    pub fn condition(&self) -> Result<IcmPosterior> {
        no_grad(|| {
            let Scaled { b, y, sd } = self.scaled();
            let grid = Grid::new(&b, &self.kernel.gram_symmetric(&self.x), &y)?;
            let noise = sd.square();
            let loadings = (&grid.b_vectors * grid.b_values.unsqueeze(0)).square();
            Ok(IcmPosterior {
                kernel: self.kernel.clone_box(),
                x: self.x.detach(),
                weights: grid.solution().matmul(&b) * sd.unsqueeze(0),
                explained: grid.precision.matmul(&loadings.t()) * noise.unsqueeze(0),
                rotation: grid.k_vectors,
                prior: b.diagonal() * &noise,
                noise,
            })
        })
    }
}

/// What is known of every output after seeing all of them.
pub struct IcmPosterior {
    kernel: Box<dyn Kernel>,
    x: Tensor,
    /// What `k(x*, x)` is multiplied by, `[N, P]`.
    weights: Tensor,
    /// Eigenvectors of `K`, `[N, N]`.
    rotation: Tensor,
    /// What `(k(x*, x) U)²` is multiplied by, `[N, P]`.
    explained: Tensor,
    /// The diagonal of `B`, `[P]`.
    prior: Tensor,
    noise: Tensor,
}

impl IcmPosterior {
    /// Means and variances of every output's `f` (noise not included) at `x: [N*, D]`, both `[N*, P]` row-major.
    ///
    /// # Errors
    /// When a variance is negative beyond rounding.
    pub fn marginals(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        in_blocks(x, |x| {
            let cross = self.kernel.gram(x, &self.x);
            let prior = self.kernel.diag(x).unsqueeze(1) * self.prior.unsqueeze(0);
            let variance = &prior - cross.matmul(&self.rotation).square().matmul(&self.explained);
            Ok((cross.matmul(&self.weights).to_vec(), checked_variances(variance.to_vec(), &prior.to_vec())?))
        })
    }

    /// The noise variance of each output, `[P]`.
    pub fn noise(&self) -> Vec<f64> {
        self.noise.to_vec()
    }
}
