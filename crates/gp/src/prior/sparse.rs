//! The sparse Gaussian process in dual form.

use super::{LatentPosterior, LatentPrior, SitePosterior};
use crate::kernel::Kernel;
use crate::site::Sites;
use elbo_core::Result;
use elbo_tensor::{Parameter, Parameters, Tensor, no_grad};

/// `f` explained by inducing variables `u = f(z)`; each site acts on `E[f_n | u]`, a scalar projection of `u`.
///
/// Whitened: `L = chol(K_uu)`, `A = L⁻¹ K_uf`, `W = I + A diag(precision) Aᵀ` with eigenvalues at least one.
pub struct SparsePrior {
    kernel: Box<dyn Kernel>,
    z: Parameter,
    x: Tensor,
}

impl SparsePrior {
    /// The prior of this kernel at the data `x: [N, D]`, carried by the inducing inputs `z: [M, D]`, which are held fixed; call
    /// [`SparsePrior::with_free_inducing`] to optimise them.
    pub fn new(kernel: Box<dyn Kernel>, z: Tensor, x: Tensor) -> Self {
        Self { kernel, z: Parameter::real(&z).frozen(), x }
    }

    /// The same prior with inducing inputs among the parameters that are optimised.
    pub fn with_free_inducing(mut self) -> Self {
        self.z.set_frozen(false);
        self
    }

    /// The inducing inputs, `[M, D]`.
    pub fn inducing(&self) -> Tensor {
        self.z.get()
    }
}

impl Parameters for SparsePrior {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Parameter)) {
        self.kernel.visit(visit);
        visit("inducing", &self.z);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Parameter)) {
        self.kernel.visit_mut(visit);
        visit("inducing", &mut self.z);
    }
}

/// Factor of `W = I + A diag(precision) Aᵀ`.
fn whitened(a: &Tensor, precision: &Tensor) -> Result<Tensor> {
    let weighted = a * precision.sqrt().unsqueeze(0);
    Ok((weighted.matmul(&weighted.t()) + Tensor::eye(a.shape()[0], a.dtype())).cholesky()?)
}

impl LatentPrior for SparsePrior {
    fn rows(&self) -> usize {
        self.x.shape()[0]
    }

    fn posterior(&self, shift: &Tensor, precision: &Tensor) -> Result<SitePosterior> {
        let z = self.z.get();
        let kuu_chol = self.kernel.gram_symmetric(&z).cholesky()?;
        let a = kuu_chol.solve_lower(&self.kernel.gram(&z, &self.x));
        let w_chol = whitened(&a, precision)?;
        let centre = w_chol.solve_lower(&a.matmul(shift).unsqueeze(1));
        let half = w_chol.solve_lower(&a);
        let site_variance = half.square().sum_axis(0, false);
        let unexplained = self.kernel.diag(&self.x) - a.square().sum_axis(0, false);
        Ok(SitePosterior {
            mean: half.t().matmul(&centre).reshape(&[self.rows()]),
            variance: &site_variance + unexplained,
            site_variance,
            log_z: centre.square().sum() * 0.5 - w_chol.diagonal().log().sum(),
        })
    }

    fn condition(&self, sites: &Sites) -> Result<Box<dyn LatentPosterior>> {
        no_grad(|| {
            let (shift, precision) = sites.tensors();
            let z = self.z.get().detach();
            let kuu_chol = self.kernel.gram_symmetric(&z).cholesky()?;
            let a = kuu_chol.solve_lower(&self.kernel.gram(&z, &self.x));
            let w_chol = whitened(&a, &precision)?;
            let centre = w_chol.solve_lower(&a.matmul(&shift).unsqueeze(1));
            let kernel = self.kernel.clone_box();
            Ok(Box::new(SparsePosterior { kernel, z, kuu_chol, w_chol, centre }) as Box<dyn LatentPosterior>)
        })
    }

    fn inputs(&self) -> &Tensor {
        &self.x
    }

    fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }
}

/// A posterior carried by inducing points: `kuu_chol = chol(K_uu)`, `w_chol = chol(I + L⁻¹ Λ̄ L⁻ᵀ)`,
/// `centre = w_chol⁻¹ L⁻¹ λ̄`.
pub(crate) struct SparsePosterior {
    pub(crate) kernel: Box<dyn Kernel>,
    pub(crate) z: Tensor,
    pub(crate) kuu_chol: Tensor,
    pub(crate) w_chol: Tensor,
    pub(crate) centre: Tensor,
}

impl SparsePosterior {
    fn projections(&self, x: &Tensor) -> (Tensor, Tensor, Tensor) {
        let a = self.kuu_chol.solve_lower(&self.kernel.gram(&self.z, x));
        let half = self.w_chol.solve_lower(&a);
        let mean = half.t().matmul(&self.centre).reshape(&[x.shape()[0]]);
        (mean, a, half)
    }
}

impl LatentPosterior for SparsePosterior {
    fn marginals(&self, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| {
            let (mean, a, half) = self.projections(x);
            let variance = self.kernel.diag(x) - a.square().sum_axis(0, false) + half.square().sum_axis(0, false);
            (mean, variance)
        })
    }

    fn joint(&self, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| {
            let (mean, a, half) = self.projections(x);
            (mean, self.kernel.gram_symmetric(x) - a.t().matmul(&a) + half.t().matmul(&half))
        })
    }
}
