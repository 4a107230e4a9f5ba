//! The process at given hyperparameters: with all its rows, or carried by inducing points.

use elbo_core::{ModelFile, Result, Snapshot};
use elbo_gp::exact::{ExactGp, ExactPosterior};
use elbo_gp::fit::Loss;
use elbo_gp::kernel::Kernel;
use elbo_gp::sgpr::{Sgpr, SgprPosterior};
use elbo_tensor::{Parameter, Parameters, Tensor};

/// A process whose hyperparameters are unknown.
pub(super) enum Hyper {
    /// The marginal likelihood itself.
    Exact(ExactGp),
    /// The collapsed bound in its place, with inducing points that are held.
    Sparse(Sgpr),
}

impl Hyper {
    pub(super) fn kernel(&self) -> &dyn Kernel {
        match self {
            Self::Exact(gp) => gp.kernel(),
            Self::Sparse(gp) => gp.kernel(),
        }
    }

    /// The log marginal likelihood or its lower bound, in nats.
    pub(super) fn log_evidence(&self) -> Result<Tensor> {
        match self {
            Self::Exact(gp) => gp.log_marginal(),
            Self::Sparse(gp) => gp.bound(),
        }
    }

    pub(super) fn condition(&self) -> Result<Conditioned> {
        Ok(match self {
            Self::Exact(gp) => Conditioned::Exact(Box::new(gp.condition()?)),
            Self::Sparse(gp) => Conditioned::Sparse(Box::new(gp.condition()?)),
        })
    }
}

impl Parameters for Hyper {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Parameter)) {
        match self {
            Self::Exact(gp) => gp.visit(visit),
            Self::Sparse(gp) => gp.visit(visit),
        }
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Parameter)) {
        match self {
            Self::Exact(gp) => gp.visit_mut(visit),
            Self::Sparse(gp) => gp.visit_mut(visit),
        }
    }
}

impl Snapshot for Hyper {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

impl Loss for Hyper {
    fn loss(&self) -> Result<Tensor> {
        Ok(-self.log_evidence()?)
    }
}

/// The process given its rows, at one value of the hyperparameters.
pub(super) enum Conditioned {
    Exact(Box<ExactPosterior>),
    Sparse(Box<SgprPosterior>),
}

impl Conditioned {
    /// Means and variances of `f` at `x: [N*, D]`, noise not included.
    pub(super) fn marginals(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        match self {
            Self::Exact(posterior) => posterior.marginals(x),
            Self::Sparse(posterior) => posterior.marginals(x),
        }
    }

    /// Mean `[N*]` and covariance `[N*, N*]` of `f`.
    pub(super) fn joint(&self, x: &Tensor) -> (Tensor, Tensor) {
        match self {
            Self::Exact(posterior) => posterior.joint(x),
            Self::Sparse(posterior) => posterior.joint(x),
        }
    }

    /// The noise variance.
    pub(super) fn noise(&self) -> f64 {
        match self {
            Self::Exact(posterior) => posterior.noise(),
            Self::Sparse(posterior) => posterior.noise(),
        }
    }
}
