//! Normalising flows: learnable bijections, and the distributions they make of a Gaussian.
//!
//! | layer | density of own draws | of any point | use it |
//! |---|---|---|---|
//! | [`Planar`], [`Sylvester`] | one pass | no closed inverse | posteriors, cheap |
//! | [`Radial`] | one pass | one pass | posteriors |
//! | [`Coupling`] of [`Monotone::Affine`] (RealNVP), [`Monotone::Additive`] (NICE), [`Monotone::Spline`] | one pass | one pass | the general choice |
//! | [`Autoregressive`] (IAF) | one pass | `D` passes | sampling |
//! | [`Invert`](crate::transform::Invert) of [`Autoregressive`] (MAF) | `D` passes | one pass | density estimation |
//! | [`Continuous`] | four passes a step | four passes a step | smooth bends, with equal cost both ways |
//! | [`Actnorm`] | one pass | one pass | between the others |
//! | [`Amortised`] | as its layers | as its layers | posteriors of many data points, from an encoder |
//!
//! Every layer maps points one to one; where the inverse is not closed, it is still there, and a test finds it by Newton's method.
//! That of [`Continuous`] holds to the error of its steps.
//!
//! A [`Flow`] is a Gaussian base with a chain of layers; [`FlowSpec`] builds one from a text such as `planar:32` or `spline:4x8`. Every layer is a
//! [`Bijector`], so that the maps of [`transform`](crate::transform) (a [`Householder`](crate::transform::Householder) reflection, a permutation) are
//! layers too. A layer starts at, or near, the identity.

mod actnorm;
mod amortised;
mod autoregressive;
mod continuous;
mod coupling;
mod monotone;
mod network;
mod planar;
mod radial;
mod spec;
mod spline;
mod sylvester;

pub use actnorm::Actnorm;
pub use amortised::Amortised;
pub use autoregressive::Autoregressive;
pub use continuous::Continuous;
pub use coupling::Coupling;
pub use monotone::Monotone;
pub use network::MaskedNetwork;
pub use planar::{Planar, planar};
pub use radial::Radial;
pub use spec::FlowSpec;
pub use spline::{Spline, spline, spline_inverse};
pub use sylvester::Sylvester;

use crate::batched::noise::normals;
use crate::batched::{Batched, Independent, Normal};
use crate::transform::{Bijector, Chain};
use elbo_core::Rng;
use elbo_tensor::{Constraint, DType, Parameter, Tensor};

/// A Gaussian base with diagonal covariance, pushed through a chain of layers; all of it learnable.
///
/// $$ \log q(z_K) = \log q_0(z_0) - \sum_k \log|\det \partial f_k / \partial z_{k-1}| $$
///
/// # Source
/// Rezende and Mohamed (2015).
#[derive(Debug)]
pub struct Flow {
    mean: Parameter,
    sd: Parameter,
    layers: Chain,
}

elbo_tensor::parameters!(Flow { mean, sd, layers });

impl Flow {
    /// A standard normal base over `dimension` coordinates, and layers in the order of application.
    pub fn new(dimension: usize, layers: Vec<Box<dyn Bijector>>) -> Self {
        let layers = Chain::new(layers);
        assert!(layers.ranks().0 <= 1 && layers.ranks().1 <= 1, "layers of a flow map vectors");
        Self {
            mean: Parameter::real(&Tensor::zeros(&[dimension], DType::F64)),
            sd: Parameter::from_tensor(&Tensor::ones(&[dimension], DType::F64), Constraint::Positive),
            layers,
        }
    }

    /// The same flow from another base, `mean: [D]`, `sd: [D]`.
    pub fn with_base(mut self, mean: &[f64], sd: &[f64]) -> Self {
        self.mean = Parameter::new(mean, &[mean.len()], Constraint::Real);
        self.sd = Parameter::new(sd, &[sd.len()], Constraint::Positive);
        self
    }

    /// Number of coordinates, `D`.
    pub fn dimension(&self) -> usize {
        self.mean.len()
    }

    /// The base distribution.
    pub fn base(&self) -> Independent<Normal> {
        Normal::new(self.mean.get(), self.sd.get()).to_event(1)
    }

    /// The layers.
    pub fn layers(&self) -> &Chain {
        &self.layers
    }

    /// Points and their log densities (`[S, D]` and `[S]`) from standard normal noise `[S, D]`, differentiable in the parameters.
    pub fn at(&self, noise: &Tensor) -> (Tensor, Tensor) {
        let base = self.base();
        let start = base.at(noise);
        let log_base = base.log_prob(&start);
        let (z, log_det) = self.layers.forward(&start);
        let log_det = crate::batched::sum_last(&log_det, log_det.rank() - log_base.rank());
        (z, log_base - log_det)
    }

    /// `count` draws with their log densities, `[S, D]` and `[S]`, reparameterised.
    pub fn rsample(&self, count: usize, rng: &mut Rng) -> (Tensor, Tensor) {
        self.at(&normals(&[count, self.dimension()], DType::F64, rng))
    }

    /// Log densities at any points `z: [S, D]`; `None` when a layer has no closed inverse.
    pub fn log_prob(&self, z: &Tensor) -> Option<Tensor> {
        let (start, log_det) = self.layers.inverse(z)?;
        let log_base = self.base().log_prob(&start);
        Some(&log_base + crate::batched::sum_last(&log_det, log_det.rank() - log_base.rank()))
    }
}
