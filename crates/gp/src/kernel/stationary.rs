//! Stationary kernels with one lengthscale a dimension.

use elbo_core::Rng;
use elbo_tensor::{Parameter, Tensor, fused};

use super::parameter::{positive, show};
use super::radial::{Profile, squared_distances};
use super::spectral::Spectral;
use super::{Kernel, RadialForm};

/// `k(x, x') = v g(r)`, `r² = Σ (x_d - x'_d)² / l_d²`; see [`Profile`] for the choices of `g`.
///
/// Parameters: `lengthscale` `[D]`, or `[1]` for all dimensions together; `variance` `[]`; `alpha` `[]` for the rational quadratic.
#[derive(Debug, Clone)]
pub struct Stationary {
    profile: Profile,
    /// `l`, positive.
    pub lengthscale: Parameter,
    /// `v`, positive.
    pub variance: Parameter,
    /// `α`, positive; of the rational quadratic only.
    pub alpha: Option<Parameter>,
}
elbo_tensor::parameters!(Stationary { lengthscale, variance, alpha });

impl Stationary {
    /// A kernel with these lengthscales (one a dimension, or a single one) and variance one. The rational quadratic's shape
    /// starts at one.
    pub fn new(profile: Profile, lengthscales: &[f64]) -> Self {
        let alpha = (profile == Profile::RationalQuadratic).then(|| positive(&[1.0], &[]));
        let lengthscale = positive(lengthscales, &[lengthscales.len()]);
        Self { profile, lengthscale, variance: positive(&[1.0], &[]), alpha }
    }

    /// The same with this variance.
    pub fn with_variance(self, variance: f64) -> Self {
        Self { variance: positive(&[variance], &[]), ..self }
    }

    /// The same with this shape; meant for the rational quadratic.
    pub fn with_alpha(self, alpha: f64) -> Self {
        assert!(self.profile == Profile::RationalQuadratic, "only the rational quadratic has a shape parameter");
        Self { alpha: Some(positive(&[alpha], &[])), ..self }
    }

    /// Standardised inputs: every lengthscale is the square root of the number of dimensions.
    fn standard(profile: Profile, dims: usize) -> Self {
        Self::new(profile, &vec![(dims as f64).sqrt(); dims])
    }

    /// An RBF over `dims` standardised dimensions.
    pub fn rbf(dims: usize) -> Self {
        Self::standard(Profile::Rbf, dims)
    }

    /// A Matern-1/2 over `dims` standardised dimensions.
    pub fn matern12(dims: usize) -> Self {
        Self::standard(Profile::Matern12, dims)
    }

    /// A Matern-3/2 over `dims` standardised dimensions.
    pub fn matern32(dims: usize) -> Self {
        Self::standard(Profile::Matern32, dims)
    }

    /// A Matern-5/2 over `dims` standardised dimensions.
    pub fn matern52(dims: usize) -> Self {
        Self::standard(Profile::Matern52, dims)
    }

    /// A rational quadratic over `dims` standardised dimensions.
    pub fn rational_quadratic(dims: usize) -> Self {
        Self::standard(Profile::RationalQuadratic, dims)
    }

    /// The shape of the kernel.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The kernel from tensor operations alone: the readable reference, and the way to derivatives of any order.
    pub fn composed(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let alpha = self.alpha.as_ref().map(Parameter::get);
        composed(self.profile, x, z, &self.lengthscale.get(), &self.variance.get(), alpha.as_ref())
    }
}

fn composed(
    profile: Profile,
    x: &Tensor,
    z: &Tensor,
    lengthscale: &Tensor,
    variance: &Tensor,
    alpha: Option<&Tensor>,
) -> Tensor {
    let s = squared_distances(&(x / lengthscale), &(z / lengthscale));
    profile.of_squared(&s, alpha) * variance
}

impl Kernel for Stationary {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let alpha = self.alpha.as_ref().map(Parameter::get);
        let radial = self.profile.radial();
        fused::stationary_gram(radial, x, z, &self.lengthscale.get(), &self.variance.get(), alpha.as_ref())
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        let alpha = self.alpha.as_ref().map(Parameter::get);
        let radial = self.profile.radial();
        fused::stationary_gram_symmetric(radial, x, &self.lengthscale.get(), &self.variance.get(), alpha.as_ref())
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        self.variance.get().broadcast_to(&[x.size(0)])
    }

    fn summary(&self) -> String {
        let scales = show(&self.lengthscale);
        let alpha = self.alpha.as_ref().map_or(String::new(), |a| format!(", alpha {}", show(a)));
        format!("{} (variance {}, lengthscale {scales}{alpha})", self.profile.label(), show(&self.variance))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn radial_form(&self) -> Option<RadialForm> {
        Some(RadialForm {
            radial: self.profile.radial(),
            lengthscale: self.lengthscale.get(),
            variance: self.variance.get(),
            alpha: self.alpha.as_ref().map(Parameter::get),
        })
    }

    fn is_stationary(&self) -> bool {
        true
    }

    fn relevance(&self, dims: usize) -> Option<Vec<f64>> {
        let scales = self.lengthscale.value();
        Some((0..dims).map(|d| 1.0 / scales[if scales.len() == 1 { 0 } else { d }]).collect())
    }

    fn spectral_sample(&self, dims: usize, count: usize, rng: &mut Rng) -> Option<Spectral> {
        let inverse = self.relevance(dims)?;
        let alpha = self.alpha.as_ref().map(|a| a.value()[0]);
        let mut frequencies = Vec::with_capacity(count * dims);
        for _ in 0..count {
            // A scale mixture of normals: one scale a frequency.
            let scale = match (self.profile.degrees_of_freedom(), alpha) {
                (Some(dof), _) => (dof / rng.chi_squared(dof)).sqrt(),
                (None, Some(alpha)) => (rng.gamma(alpha) / alpha).sqrt(),
                (None, None) => 1.0,
            };
            frequencies.extend(inverse.iter().map(|r| rng.normal() * scale * r));
        }
        Some(Spectral::equal(self.variance.value()[0], count, dims, frequencies))
    }
}
