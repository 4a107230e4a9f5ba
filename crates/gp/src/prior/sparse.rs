//! The sparse Gaussian process in dual form.

use super::{LatentPosterior, LatentPrior, SitePosterior};
use crate::dual::{DualPosterior, Sums};
use crate::inducing::{Inducing, InducingPoints};
use crate::kernel::Kernel;
use crate::site::Sites;
use elbo_core::Result;
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut, no_grad};

/// `f` explained by inducing variables `u`, as a rule `f(z)`; each site acts on `E[f_n | u]`, a scalar projection of `u`.
///
/// Whitened: `L = chol(K_uu)`, `A = L⁻¹ K_uf`, `W = I + A diag(precision) Aᵀ` with eigenvalues at least one.
pub struct SparsePrior {
    kernel: Box<dyn Kernel>,
    inducing: Box<dyn Inducing>,
    x: Tensor,
}

impl SparsePrior {
    /// The prior of this kernel at the data `x: [N, D]`, carried by function values at `z: [M, D]`, which are held fixed; call
    /// [`SparsePrior::with_free_inducing`] to optimise them.
    pub fn new(kernel: Box<dyn Kernel>, z: Tensor, x: Tensor) -> Self {
        Self::through(kernel, Box::new(InducingPoints::new(&z)), x)
    }

    /// The same carried by any inducing variables, whose own parameters are held fixed.
    pub fn through(kernel: Box<dyn Kernel>, mut inducing: Box<dyn Inducing>, x: Tensor) -> Self {
        inducing.set_all_frozen(true);
        Self { kernel, inducing, x }
    }

    /// The same prior with the inducing variables' own parameters, such as where points are, among those that are optimised.
    pub fn with_free_inducing(mut self) -> Self {
        self.inducing.set_all_frozen(false);
        self
    }

    /// The inducing variables.
    pub fn inducing(&self) -> &dyn Inducing {
        self.inducing.as_ref()
    }

    /// `chol(K_uu): [M, M]`, and `A = chol(K_uu)⁻¹ K_uf: [M, N]` at the data.
    fn projections(&self) -> Result<(Tensor, Tensor)> {
        let kuu_chol = self.inducing.kuu(self.kernel.as_ref()).cholesky()?;
        let a = kuu_chol.solve_lower(&self.inducing.kuf(self.kernel.as_ref(), &self.x));
        Ok((kuu_chol, a))
    }
}

impl Parameters for SparsePrior {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Parameter)) {
        self.kernel.visit(visit);
        nested("inducing", &self.inducing, visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Parameter)) {
        self.kernel.visit_mut(visit);
        nested_mut("inducing", &mut self.inducing, visit);
    }
}

impl LatentPrior for SparsePrior {
    fn rows(&self) -> usize {
        self.x.shape()[0]
    }

    fn posterior(&self, shift: &Tensor, precision: &Tensor) -> Result<SitePosterior> {
        let (kuu_chol, a) = self.projections()?;
        let dual = DualPosterior::from_whitened(&kuu_chol, &Sums::of_sites(&a, shift, precision))?;
        let (mean, half) = dual.projections(&a);
        let site_variance = half.square().sum_axis(0, false);
        let unexplained = self.kernel.diag(&self.x) - a.square().sum_axis(0, false);
        Ok(SitePosterior { mean, variance: &site_variance + unexplained, site_variance, log_z: dual.log_normaliser() })
    }

    fn condition(&self, sites: &Sites) -> Result<Box<dyn LatentPosterior>> {
        no_grad(|| {
            let (shift, precision) = sites.tensors();
            let (kuu_chol, a) = self.projections()?;
            let dual = DualPosterior::from_whitened(&kuu_chol, &Sums::of_sites(&a, &shift, &precision))?;
            let (kernel, inducing) = (self.kernel.clone_box(), self.inducing.clone_box());
            Ok(Box::new(SparsePosterior { kernel, inducing, dual }) as Box<dyn LatentPosterior>)
        })
    }

    fn inputs(&self) -> &Tensor {
        &self.x
    }

    fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }
}

/// A posterior carried by inducing variables.
struct SparsePosterior {
    kernel: Box<dyn Kernel>,
    inducing: Box<dyn Inducing>,
    dual: DualPosterior,
}

impl LatentPosterior for SparsePosterior {
    fn marginals(&self, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| self.dual.marginals(&self.inducing.kuf(self.kernel.as_ref(), x), &self.kernel.diag(x)))
    }

    fn joint(&self, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| self.dual.joint(&self.inducing.kuf(self.kernel.as_ref(), x), &self.kernel.gram_symmetric(x)))
    }
}
