//! Outputs that share a kernel and nothing else.

use super::{ensure_complete, ensure_table};
use crate::exact::{NOISE_FLOOR, checked_variances, in_blocks, log_marginal_of};
use crate::fit::{diagnosis, with_remedy};
use crate::kernel::Kernel;
use elbo_core::{Error, Result};
use elbo_tensor::{Constraint, Ladder, Parameter, Tensor, no_grad};

/// `y_p = f_p(x) + noise`, `f_p ~ GP(0, k)` independent given the kernel: one factor, `P` right-hand sides.
///
/// $$ \log p(Y) = -\tfrac12 \mathrm{tr}(Y^\top K_y^{-1} Y) - \tfrac P2 \log |K_y| - \tfrac{NP}2 \log 2\pi, \qquad K_y = K + \sigma^2 I $$
///
/// Parameters: those of the kernel; `noise` `[]`.
pub struct SharedGp {
    kernel: Box<dyn Kernel>,
    noise: Parameter,
    x: Tensor,
    y: Tensor,
}
elbo_tensor::parameters!(SharedGp { kernel, noise });

impl SharedGp {
    /// A model of `x: [N, D]`, `y: [N, P]`, with this start for the noise variance of every output.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] when there is no row or no output, or a target is missing.
    pub fn new(kernel: Box<dyn Kernel>, noise: f64, x: Tensor, y: Tensor) -> Result<Self> {
        ensure_table(&x, &y)?;
        ensure_complete(&y)?;
        Ok(Self { kernel, noise: Parameter::scalar(noise, Constraint::Above(NOISE_FLOOR)), x, y })
    }

    /// The kernel.
    pub fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }

    /// The kernel, to change or freeze its parameters.
    pub fn kernel_mut(&mut self) -> &mut dyn Kernel {
        self.kernel.as_mut()
    }

    /// The noise variance.
    pub fn noise(&self) -> f64 {
        self.noise.get().item()
    }

    /// Log marginal likelihood of all outputs in nats, a scalar, differentiable in all parameters.
    ///
    /// # Errors
    /// Recoverable, when the covariance is not positive definite within the jitter policy.
    pub fn log_marginal(&self) -> Result<Tensor> {
        let ladder = Ladder::standard::<f64>();
        let value = log_marginal_of(self.kernel.as_ref(), &self.x, &self.noise.get(), &self.y, ladder);
        Ok(value.map_err(|error| self.diagnose(error))?.0)
    }

    fn diagnose(&self, error: Error) -> Error {
        with_remedy(error, || diagnosis(&self.x, self.noise()))
    }

    /// The posterior at the present parameters.
    ///
    /// # Errors
    /// As [`SharedGp::log_marginal`].
    pub fn condition(&self) -> Result<SharedPosterior> {
        no_grad(|| {
            let noise = self.noise.get();
            let ky = self.kernel.gram_symmetric(&self.x) + Tensor::eye(self.x.size(0), self.x.dtype()) * &noise;
            let (chol, jitter) = ky.cholesky_jittered().map_err(|error| self.diagnose(error.into()))?;
            Ok(SharedPosterior {
                kernel: self.kernel.clone_box(),
                noise: noise.item(),
                x: self.x.detach(),
                alpha: chol.cholesky_solve(&self.y),
                chol,
                jitter: jitter.relative,
            })
        })
    }
}

/// What is known of every output after seeing the data.
pub struct SharedPosterior {
    kernel: Box<dyn Kernel>,
    noise: f64,
    x: Tensor,
    chol: Tensor,
    alpha: Tensor,
    jitter: f64,
}

impl SharedPosterior {
    /// Means and variances of every output's `f` (noise not included) at `x: [N*, D]`, both `[N*, P]` row-major. The
    /// variances of a row are equal.
    ///
    /// # Errors
    /// When a variance is negative beyond rounding.
    pub fn marginals(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        let outputs = self.alpha.size(1);
        in_blocks(x, |x| {
            let cross = self.kernel.gram(&self.x, x);
            let prior = self.kernel.diag(x);
            let variance = &prior - self.chol.solve_lower(&cross).square().sum_axis(0, false);
            let variance = checked_variances(variance.to_vec(), &prior.to_vec())?;
            let each = variance.into_iter().flat_map(|v| vec![v; outputs]).collect();
            Ok((cross.t().matmul(&self.alpha).to_vec(), each))
        })
    }

    /// The noise variance.
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// The jitter that the factorisation needed, zero as a rule.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }
}
