//! Codes on the unit sphere.

use super::posterior::Posterior;
use super::prior::{Prior, PriorPass};
use elbo_core::{Result, Rng, ensure_within};
use elbo_dist::batched::{Batched, VonMisesFisher};
use elbo_tensor::{Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Smallest concentration that an encoder gives; below it a von Mises-Fisher distribution is uniform for all that matters.
const LEAST_CONCENTRATION: f64 = 1e-3;

/// The concentration of von Mises-Fisher posteriors.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SphereConfig {
    /// The same number for every data point, so that the divergence is constant and cannot collapse; without one, the encoder gives each its own.
    pub concentration: Option<f64>,
}

impl SphereConfig {
    /// Checks ranges.
    pub(super) fn check(self) -> Result<()> {
        let found = self.concentration.unwrap_or(1.0);
        ensure_within("family.concentration", found, LEAST_CONCENTRATION..=1e6)
    }

    /// Numbers that the encoder returns for `latent` dimensions.
    pub(super) fn width(self, latent: usize) -> usize {
        latent + usize::from(self.concentration.is_none())
    }
}

/// Von Mises-Fisher posteriors.
///
/// # Source
/// Davidson, Falorsi, De Cao, Kipf and Tomczak (2018); a fixed concentration as in Xu and Durrett (2018).
#[derive(Debug, Clone)]
pub struct Sphere {
    direction: Tensor,
    concentration: Tensor,
    mean: OnceLock<Tensor>,
}

impl Sphere {
    /// From directions `[B, L]` of any length above zero and concentrations `[B]`.
    pub fn new(direction: Tensor, concentration: Tensor) -> Self {
        Self { direction, concentration, mean: OnceLock::new() }
    }

    /// From the encoder's numbers `[B, width]`: directions, then one whose softplus is the concentration where none is fixed.
    pub(super) fn encoded(raw: &Tensor, latent: usize, config: SphereConfig) -> Self {
        let concentration = match config.concentration {
            Some(fixed) => Tensor::full(&[raw.size(0)], fixed, raw.dtype()),
            None => raw.select(-1, latent).softplus() + LEAST_CONCENTRATION,
        };
        let direction = raw.narrow(-1, 0, latent);
        // Numbers that are all zero, as of a blank data point where biases start at zero, point nowhere: any direction will do.
        let is_nowhere = direction.square().sum_axis(-1, true).eq_scalar(0.0);
        Self::new(is_nowhere.where_(&direction.ones_like(), &direction), concentration)
    }

    /// Mean directions of any length, `[B, L]`.
    pub fn direction(&self) -> &Tensor {
        &self.direction
    }

    /// Concentrations, `[B]`.
    pub fn concentration(&self) -> &Tensor {
        &self.concentration
    }

    fn law(&self) -> VonMisesFisher {
        VonMisesFisher::new(&self.direction, self.concentration.clone())
    }

    /// Means, `[B, L]`, inside the sphere; without a gradient.
    pub(super) fn mean(&self) -> &Tensor {
        self.mean.get_or_init(|| no_grad(|| self.law().mean().expect("its mean is closed")))
    }

    /// Variances, `[B, L]`: A/κ across the direction and 1 - A² - (L - 1) A/κ along it, with A the length of the mean.
    pub(super) fn variance(&self) -> Tensor {
        let length = self.law().resultant().unsqueeze(-1);
        let across = &length / self.concentration.unsqueeze(-1);
        let dims = self.direction.size(-1) as f64;
        let along = (1.0 - length.square() - &across * (dims - 1.0)).relu();
        let squares = self.direction.square();
        let share = &squares / squares.sum_axis(-1, true);
        &across * (1.0 - &share) + along * share
    }

    /// Heights and tangents, `[K, B, 1 + L]`, f64; see [`VonMisesFisher::noise`].
    pub(super) fn noise(&self, draws: usize, rng: &mut Rng) -> Tensor {
        self.law().noise(&[draws], rng)
    }

    /// Draws at this noise, `[K, B, L]`.
    pub(super) fn draw(&self, noise: &Tensor) -> Tensor {
        self.law().at(noise)
    }

    /// Log density on the sphere, `[K, B]`.
    pub(super) fn log_prob(&self, z: &Tensor) -> Tensor {
        self.law().log_prob(z)
    }

    /// Entropy, `[B]`.
    pub(super) fn entropy(&self) -> Option<Tensor> {
        self.law().entropy()
    }

    pub(super) fn map(&self, f: &dyn Fn(&Tensor) -> Tensor) -> Self {
        Self::new(f(&self.direction), f(&self.concentration))
    }
}

/// The uniform distribution on the sphere of `latent` dimensions.
pub(super) struct UniformSphere {
    pub(super) latent: usize,
}

elbo_tensor::parameters!(UniformSphere {});

impl Prior for UniformSphere {
    fn log_prob(&self, z: &Tensor, _: &mut PriorPass<'_>) -> Tensor {
        Tensor::full(&z.shape()[..z.rank() - 1], VonMisesFisher::log_uniform(self.latent), z.dtype())
    }

    fn kl(&self, q: &Posterior) -> Option<Tensor> {
        let Posterior::Sphere(q) = q else { return None };
        // In double precision, since logarithms of the normalisers nearly cancel.
        let kl = q.map(&Tensor::to_f64).law().kl_uniform();
        Some(kl.cast(q.direction.dtype()).unsqueeze(-1))
    }

    fn sample(&self, count: usize, _: Option<&Posterior>, rng: &mut Rng) -> Tensor {
        let points = Tensor::from_vec(rng.normals(count * self.latent), &[count, self.latent]);
        &points / points.square().sum_axis(-1, true).sqrt()
    }
}
