//! The sparse Gaussian process in dual form.

use super::{LatentPosterior, LatentPrior, SitePosterior};
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
        let (_, a) = self.projections()?;
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
            let (kuu_chol, a) = self.projections()?;
            let w_chol = whitened(&a, &precision)?;
            let centre = w_chol.solve_lower(&a.matmul(&shift).unsqueeze(1));
            let (kernel, inducing) = (self.kernel.clone_box(), self.inducing.clone_box());
            Ok(Box::new(SparsePosterior { kernel, inducing, kuu_chol, w_chol, centre }) as Box<dyn LatentPosterior>)
        })
    }

    fn inputs(&self) -> &Tensor {
        &self.x
    }

    fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }
}

/// A posterior carried by inducing variables: `kuu_chol = chol(K_uu)`, `w_chol = chol(I + L⁻¹ Λ̄ L⁻ᵀ)`,
/// `centre = w_chol⁻¹ L⁻¹ λ̄`.
struct SparsePosterior {
    kernel: Box<dyn Kernel>,
    inducing: Box<dyn Inducing>,
    kuu_chol: Tensor,
    w_chol: Tensor,
    centre: Tensor,
}

impl SparsePosterior {
    fn projections(&self, x: &Tensor) -> (Tensor, Tensor, Tensor) {
        let a = self.kuu_chol.solve_lower(&self.inducing.kuf(self.kernel.as_ref(), x));
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
