//! The code of one data point as an unknown: its posterior for samplers, and its evidence by chains.

use super::{Posterior, PriorConfig, Vae};
use elbo_core::{Error, Result, Rng, ensure};
use elbo_infer::LogDensity;
use elbo_infer::family::{FullRank, MeanField, Variational};
use elbo_infer::mcmc::{Bridge, Evidence, log_evidence};
use elbo_tensor::{Tensor, grad, with_grad};

/// log p(x, z) of one data point as a function of its code z, whose normaliser is p(x): a target for every sampler and family of `elbo_infer`.
pub struct Joint<'a> {
    vae: &'a Vae,
    x: Tensor,
}

impl Vae {
    /// The density of the code of one data point, up to a constant. `x: [D]`, with NaN for what is missing.
    ///
    /// # Errors
    /// [`Error::Setting`] for codes that are no vectors of free numbers, and for a prior with latent variables of its own; [`Error::Data`] for
    /// anything but one data point, and for numbers that are not finite, but for NaN where elements may be missing.
    pub fn joint(&self, x: &[f32]) -> Result<Joint<'_>> {
        let (family, prior) = (self.config.family, &self.config.prior);
        ensure(
            "family",
            family.name(),
            family.is_gaussian(),
            "gauss_diag or gauss_full, whose codes are free numbers",
        )?;
        let is_closed = !matches!(prior, PriorConfig::Hierarchical { .. });
        ensure("prior", prior.name(), is_closed, "one with a density of its own")?;
        let likelihood = &self.config.likelihood;
        ensure("likelihood", likelihood.name(), likelihood.is_density(), "a distribution; a loss has no evidence")?;
        let can_lack = self.config.nan_is_missing;
        let lacks = |i: usize, v: &f32| can_lack && i < self.size && v.is_nan();
        let unfit = x.iter().enumerate().filter(|(i, v)| !(v.is_finite() || lacks(*i, v))).count();
        if x.len() != self.width() || unfit > 0 {
            return Err(Error::data(
                format!(
                    "one data point has {} finite numbers; {} are given, {unfit} of them not finite",
                    self.width(),
                    x.len()
                ),
                "give one data point, with NaN for what is missing if the model was built with `nan_is_missing`",
            ));
        }
        self.check_known(x)?;
        Ok(Joint { vae: self, x: self.tensor(x) })
    }

    /// log p(x) of one data point by annealed importance sampling from the encoder's posterior, or from a Gaussian with its moments where it is
    /// behind a flow: dearer than the importance-weighted bound, and sharp where the encoder is far from the true posterior. `x: [D]`.
    ///
    /// # Errors
    /// Those of [`Vae::joint`] and of [`log_evidence`].
    ///
    /// # Source
    /// Wu, Burda, Salakhutdinov and Grosse (2017).
    pub fn annealed(&self, x: &[f32], settings: &Bridge, rng: &mut Rng) -> Result<Evidence> {
        let joint = self.joint(x)?;
        let q = self.encode(x);
        let mean = q.mean().to_vec();
        let start: Box<dyn Variational> = match &q {
            Posterior::Full { factor, .. } => Box::new(FullRank::from_chol(&mean, &factor.to_vec())),
            _ => Box::new(MeanField::new(&mean, &q.variance().sqrt().to_vec())),
        };
        log_evidence(&joint, start.as_ref(), settings, rng)
    }
}

impl LogDensity for Joint<'_> {
    fn dim(&self) -> usize {
        self.vae.latent()
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        self.vae.log_joint(&z.unsqueeze(1), &self.x).squeeze(1)
    }

    fn values_and_gradients(&self, z: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let d = self.dim();
        with_grad(|| {
            let points = Tensor::from_slice(z, &[z.len() / d, d]).variable();
            let values = self.log_prob(&points);
            let gradients = grad(&values.sum(), &[&points]).remove(0);
            (values.to_vec(), gradients.to_vec())
        })
    }
}
