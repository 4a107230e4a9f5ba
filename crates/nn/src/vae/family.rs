//! Latent families: what an encoder's numbers mean, and what suits them.

use super::classes::{Classes, ClassesConfig};
use super::posterior::Posterior;
use super::prior::PriorConfig;
use super::shares::Shares;
use super::sigma_points::SigmaPointsConfig;
use super::sphere::{Sphere, SphereConfig};
use elbo_core::{Allowed, Error, Result, ensure, ensure_within};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Smallest log variance of a posterior, where nothing else is said.
pub const LEAST_LOG_VARIANCE: f64 = -30.0;

/// Largest log variance of a posterior.
pub(super) const MOST_LOG_VARIANCE: f64 = 20.0;

/// Refuses a bound below which no log variance is left, and a start beyond the bounds, where no gradient flows.
pub(crate) fn check_log_variances(least: f64, start: f64) -> Result<()> {
    ensure_within("least_log_variance", least, ..MOST_LOG_VARIANCE)?;
    ensure(
        "start_log_variance",
        start,
        start == 0.0 || (start > least && start < MOST_LOG_VARIANCE),
        "0, or above `least_log_variance` and below 20",
    )
}

/// The family of q(z | x).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Family {
    /// Gaussian with a diagonal covariance.
    #[default]
    GaussDiag,
    /// Gaussian with any covariance.
    GaussFull,
    /// Gaussian, with sums over sigma points in the place of draws in training.
    SigmaPoints(SigmaPointsConfig),
    /// A point: the code is what the encoder gives, and the model an autoencoder.
    Dirac,
    /// One of `latent` classes; the code is a one-hot vector.
    Categorical(ClassesConfig),
    /// Von Mises-Fisher on the unit sphere of `latent` dimensions.
    Vmf(SphereConfig),
    /// Dirichlet: the code is `latent` shares, which add up to one.
    Dirichlet,
}

impl Family {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussDiag => "gauss_diag",
            Self::GaussFull => "gauss_full",
            Self::SigmaPoints(_) => "sigma_points",
            Self::Dirac => "dirac",
            Self::Categorical(_) => "categorical",
            Self::Vmf(_) => "vmf",
            Self::Dirichlet => "dirichlet",
        }
    }

    /// Whether codes are any vectors, with a Gaussian posterior.
    pub fn is_gaussian(self) -> bool {
        matches!(self, Self::GaussDiag | Self::GaussFull | Self::SigmaPoints(_))
    }

    /// Whether codes are any vectors.
    pub fn is_vector(self) -> bool {
        self.is_gaussian() || self == Self::Dirac
    }

    /// Whether posteriors have a density, and the model bounds on its likelihood.
    pub fn has_bounds(self) -> bool {
        self != Self::Dirac
    }

    /// The Gaussians behind sigma points; other families are themselves.
    fn base(self) -> Self {
        match self {
            Self::SigmaPoints(config) if config.is_full => Self::GaussFull,
            Self::SigmaPoints(_) => Self::GaussDiag,
            other => other,
        }
    }

    /// Whether the divergence from the standard prior is a number that no parameter moves.
    pub(crate) fn has_fixed_divergence(self) -> bool {
        matches!(self, Self::Vmf(SphereConfig { concentration: Some(_) }))
    }

    /// Codes that a training step decodes for each data point.
    pub(crate) fn codes_a_step(self, latent: usize, draws: usize) -> usize {
        match self {
            Self::Categorical(config) if config.sums(latent) => latent,
            Self::SigmaPoints(_) => SigmaPointsConfig::count(latent),
            _ => draws,
        }
    }

    /// Numbers that the encoder returns for `latent` dimensions.
    pub fn width(self, latent: usize) -> usize {
        match self {
            Self::GaussDiag => 2 * latent,
            Self::GaussFull => 2 * latent + latent * (latent - 1) / 2,
            Self::SigmaPoints(_) => self.base().width(latent),
            Self::Categorical(_) | Self::Dirichlet | Self::Dirac => latent,
            Self::Vmf(config) => config.width(latent),
        }
    }

    /// The encoder's numbers `[B, W]` with `start` added to the log variances of Gaussians; whatever follows them stays.
    pub(super) fn shifted(self, raw: &Tensor, latent: usize, start: f64) -> Tensor {
        if start == 0.0 || !self.is_gaussian() {
            return raw.clone();
        }
        let width = raw.size(-1);
        let shift: Vec<f64> = (0..width).map(|i| if (latent..2 * latent).contains(&i) { start } else { 0.0 }).collect();
        raw + Tensor::from_vec(shift, &[width]).cast(raw.dtype())
    }

    /// The posteriors of a batch from the encoder's numbers `[B, width]`. Gaussians: means, then log variances, which are kept between `least`
    /// and 20, then the factor below its diagonal. Others: see [`Classes`], [`Sphere`] and [`Shares`].
    pub fn posterior(self, raw: &Tensor, latent: usize, least: f64) -> Posterior {
        let mean = || raw.narrow(-1, 0, latent);
        let log_variance = || raw.narrow(-1, latent, latent).clamp(least, MOST_LOG_VARIANCE);
        match self {
            Self::GaussDiag => Posterior::Diagonal { mean: mean(), log_variance: log_variance() },
            Self::GaussFull => {
                let factor = factor(raw, &(log_variance() * 0.5).exp(), latent);
                Posterior::Full { mean: mean(), factor }
            }
            Self::SigmaPoints(_) => self.base().posterior(raw, latent, least),
            Self::Dirac => Posterior::Point(mean()),
            // A flow's numbers would follow, but flows are behind Gaussians alone.
            Self::Categorical(_) => Posterior::Classes(Classes::new(raw.clone())),
            Self::Vmf(config) => Posterior::Sphere(Sphere::encoded(raw, latent, config)),
            Self::Dirichlet => Posterior::Shares(Shares::encoded(raw)),
        }
    }

    /// The code nearest to a mean of codes `[N, L]`, which itself is none for classes and on a sphere.
    pub fn nearest_code(self, mean: &Tensor) -> Tensor {
        match self {
            Self::GaussDiag | Self::GaussFull | Self::SigmaPoints(_) | Self::Dirac | Self::Dirichlet => mean.clone(),
            Self::Categorical(_) => mean.argmax(-1, false).one_hot(mean.size(-1), mean.dtype()),
            Self::Vmf(_) => mean / mean.square().sum_axis(-1, true).sqrt(),
        }
    }

    /// Refuses rows `z: [N, L]` that are near no code: zeros, which have no direction on a sphere, and numbers that are no shares of a whole.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] with the first such row.
    pub fn check_codes(self, z: &Tensor) -> Result<()> {
        let is_code = |row: &[f64]| match self {
            Self::Vmf(_) => row.iter().any(|v| *v != 0.0),
            // Written with few digits, shares add up to one about.
            Self::Dirichlet => row.iter().all(|v| *v >= 0.0) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-3,
            _ => true,
        };
        let values = z.to_f64().to_vec();
        match values.chunks_exact(z.size(-1)).position(|row| !is_code(row)) {
            None => Ok(()),
            Some(row) => Err(Error::data(
                format!("row {} is no code of the family `{}`", row + 1, self.name()),
                "give points that are not the origin for `vmf`, shares that add up to one for `dirichlet`",
            )),
        }
    }

    /// Checks ranges, and refuses a prior or a flow over other codes than the family's.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub(crate) fn check(self, latent: usize, prior: &PriorConfig, flow: Option<&str>) -> Result<()> {
        use PriorConfig as P;
        prior.check_samples(latent)?;
        let (suits, expected) = match self {
            Self::GaussDiag | Self::GaussFull | Self::SigmaPoints(_) => (
                !matches!(prior, P::Shares | P::Dirichlet { .. }),
                "standard, diagonal, mixture, class_conditional, vamp, hierarchical or samples for Gaussian codes",
            ),
            Self::Dirac => (
                !matches!(prior, P::Shares | P::Dirichlet { .. } | P::Vamp { .. }),
                "standard, diagonal, mixture, class_conditional, hierarchical or samples for codes that are points",
            ),
            Self::Categorical(_) => (
                matches!(prior, P::Standard | P::Shares),
                "standard, which is equal probabilities, or shares, which is learned ones",
            ),
            Self::Vmf(_) => {
                (matches!(prior, P::Standard | P::Vamp { .. }), "standard, which is uniform on the sphere, or vamp")
            }
            Self::Dirichlet => (
                matches!(prior, P::Standard | P::Dirichlet { .. } | P::Vamp { .. }),
                "standard, which is uniform on the simplex, dirichlet or vamp",
            ),
        };
        ensure("prior", format!("{} with the family `{}`", prior.name(), self.name()), suits, expected)?;
        if matches!(self, Self::GaussDiag | Self::GaussFull) {
            return Ok(());
        }
        let found = format!("{} with the family `{}`", flow.unwrap_or("none"), self.name());
        ensure("flow", found, flow.is_none(), "none; a flow starts from draws of a Gaussian")?;
        if let Self::SigmaPoints(config) = self {
            return config.check();
        }
        if self == Self::Dirac {
            return Ok(());
        }
        ensure(
            "latent",
            latent,
            latent >= 2,
            Allowed::within(2..).told("at least 2 for classes, shares and points on a sphere"),
        )?;
        match self {
            Self::Categorical(config) => config.check(),
            Self::Vmf(config) => config.check(),
            _ => Ok(()),
        }
    }
}

/// Lower triangular factors `[B, L, L]` with the diagonal `sd: [B, L]`, the rest from the last of the encoder's numbers.
fn factor(raw: &Tensor, sd: &Tensor, latent: usize) -> Tensor {
    let below = raw.narrow(-1, 2 * latent, latent * (latent - 1) / 2);
    let zero = Tensor::zeros(&[raw.size(0), 1], raw.dtype());
    let entries = Tensor::cat(&[zero, sd.clone(), below], -1);
    let position = |i: usize, j: usize| match i.cmp(&j) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => 1 + i,
        std::cmp::Ordering::Greater => 1 + latent + i * (i - 1) / 2 + j,
    };
    let index: Vec<usize> = (0..latent * latent).map(|k| position(k / latent, k % latent)).collect();
    entries.index_select(-1, &Tensor::indices(&index)).reshape(&[raw.size(0), latent, latent])
}
