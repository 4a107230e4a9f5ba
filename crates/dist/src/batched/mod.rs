//! Batches of distributions whose parameters are tensors: differentiable densities, reparameterised draws, divergences.
//!
//! | on | distributions |
//! |---|---|
//! | the line, elementwise | [`Normal`], [`StudentT`], [`Laplace`], [`GeneralisedNormal`], [`Logistic`], [`Gumbel`], [`Uniform`] on intervals |
//! | vectors | [`MultivariateNormal`] (Cholesky factor, with precision, natural and expectation parameters), [`LowRankNormal`], [`MultivariateStudentT`] |
//! | positive numbers | [`Gamma`], [`InverseGamma`], [`LogNormal`], [`Exponential`], [`Weibull`], [`HalfNormal`], [`HalfCauchy`], [`InverseGaussian`], [`Pareto`] |
//! | the unit interval, the simplex | [`Beta`], [`Kumaraswamy`], [`LogitNormal`], [`Dirichlet`], [`Concrete`] |
//! | angles, spheres, matrices | [`VonMises`], [`VonMisesFisher`], [`Wishart`], [`Lkj`] |
//! | events and classes | [`Bernoulli`], [`Categorical`] (ordered classes too) |
//! | counts | [`Poisson`], [`NegativeBinomial`], [`Binomial`], [`Multinomial`], [`Geometric`], [`ZeroInflated`], [`Hurdle`] |
//! | pixels | [`Bernoulli`], [`ContinuousBernoulli`], [`DiscretisedLogistic`] |
//! | made of others | [`Independent`], [`Mixture`], [`Transformed`](crate::transform::Transformed) |
//!
//! Draws of continuous families are reparameterised: by location and scale, by the inverse distribution function, or implicitly (the gamma
//! variable behind gamma, beta, Dirichlet, Student-t, generalised normal and Wishart draws; von Mises; inverse Gaussian; mixtures of normals).
//!
//! Parameters broadcast. A *batch* axis separates independent distributions, each with its own parameters; an *event* axis belongs to
//! one point. A draw of shape `[lead..., batch..., event...]` has a log density of shape `[lead..., batch...]`. [`Independent`] turns the
//! last batch axes into event axes: `Normal::new(mean, sd).to_event(1)` is a Gaussian with diagonal covariance.
//!
//! Off its support a density is minus infinity, with slopes of zero; sums that have to be one, and lengths, are not looked at. [`Bernoulli`]
//! takes grey values between its events.
//!
//! Everything runs in the parameters' type, f64 or f32. Parameters are the author's (network outputs, constrained parameters): one outside its
//! range gives NaN, but for draws of [`Categorical`], whose indices have no NaN: they need probabilities that are numbers. Noise is drawn in double precision from the [`Rng`] passed in, then cast, so that both types see the same draws.
//!
//! [`Batched::support`] says where points lie, and [`Batched::fisher_information`] how much one draw says about the parameters.
//!
//! [`Unconstrained::free_form`] is the map from unconstrained numbers to the parameters, with its log-Jacobian.
//!
//! To add a family, implement [`Batched`] (and [`Kl`] where it is closed) in one file, give it a line in `free.rs`, and add it to the lists in
//! `tests/it/batched/families.rs` and `free.rs`.

mod by_quantile;
mod concrete;
mod counts;
mod directional;
mod dirichlet;
mod discrete;
mod fisher;
mod free;
mod gamma;
mod generalised_normal;
mod geometric;
mod hurdle;
mod independent;
mod inverse_gaussian;
mod location_scale;
mod low_rank;
mod matrices;
mod mixture;
mod multivariate_normal;
mod multivariate_student_t;
pub(crate) mod noise;
mod normal;
mod pixels;
mod positive;
mod support;

pub use by_quantile::{Exponential, HalfCauchy, HalfNormal, Kumaraswamy, Pareto, Weibull};
pub use concrete::Concrete;
pub use counts::{Binomial, Multinomial, NegativeBinomial, Poisson, ZeroInflated};
pub use directional::{VonMises, VonMisesFisher};
pub(crate) use directional::{log_bessel, von_mises_draw};
pub use dirichlet::{Beta, Dirichlet};
pub use discrete::{Bernoulli, Categorical};
pub use free::{FreeForm, Range, Unconstrained};
pub use gamma::{Gamma, InverseGamma, log_gamma_draws};
pub(crate) use gamma::{log_gamma_at, log_gamma_draw, log_gamma_noise};
pub use generalised_normal::GeneralisedNormal;
pub use geometric::Geometric;
pub use hurdle::Hurdle;
pub use independent::Independent;
pub use inverse_gaussian::InverseGaussian;
pub use location_scale::{Gumbel, Laplace, LogNormal, Logistic, LogitNormal, StudentT, Uniform};
pub use low_rank::LowRankNormal;
pub use matrices::{Lkj, Wishart};
pub use mixture::Mixture;
pub use multivariate_normal::MultivariateNormal;
pub use multivariate_student_t::MultivariateStudentT;
pub(crate) use noise::sum_last;
pub use normal::Normal;
pub use pixels::{ContinuousBernoulli, DiscretisedLogistic};
pub use support::Support;

use elbo_core::Rng;
use elbo_tensor::{DType, Tensor, no_grad};
use std::fmt::Debug;

/// A batch of distributions with tensors for parameters.
pub trait Batched: Debug + Send + Sync {
    /// The axes that separate independent distributions.
    fn batch_shape(&self) -> Vec<usize>;

    /// The axes of one point.
    fn event_shape(&self) -> Vec<usize> {
        vec![]
    }

    /// The type of the parameters, of densities and of continuous draws.
    fn dtype(&self) -> DType;

    /// Log density or log probability in nats, differentiable in the parameters and, where `x` is continuous, in `x`.
    ///
    /// # Shapes
    /// `x: [lead..., batch..., event...]`, returns `[lead..., batch...]`.
    fn log_prob(&self, x: &Tensor) -> Tensor;

    /// Draws outside the graph, `[lead..., batch..., event...]`.
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        no_grad(|| self.rsample(lead, rng)).expect("a family without reparameterised draws has its own `sample`")
    }

    /// Draws that are differentiable functions of the parameters, with the values of [`Batched::sample`]; `None` where there are none.
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let _ = (lead, rng);
        None
    }

    /// Entropy in nats, `[batch...]`; `None` where it is not closed.
    fn entropy(&self) -> Option<Tensor> {
        None
    }

    /// Mean, `[batch..., event...]`; `None` where it is not closed or the family never has one, infinite or NaN where parameters leave none.
    fn mean(&self) -> Option<Tensor> {
        None
    }

    /// Variance of each coordinate, `[batch..., event...]`; `None` where it is not closed.
    fn variance(&self) -> Option<Tensor> {
        None
    }

    /// All values of a finite support, `[K, batch..., event...]`; `None` where it is not finite.
    fn enumerate(&self) -> Option<Tensor> {
        None
    }

    /// Draws of counts given that they are not zero, outside the graph, `[lead..., batch...]`; `None` for other families.
    fn sample_positive(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let _ = (lead, rng);
        None
    }

    /// Where points lie; `None` where that has no name, as of the image of an arbitrary map, or of a mixture whose components end elsewhere.
    fn support(&self) -> Option<Support>;

    /// Fisher information of the parameters in the constructor's order, the covariance of their scores
    /// $\mathbb{E}[\nabla \log p \, \nabla \log p^\top]$; `None` where it is not closed, where ends of the support are parameters, and where one
    /// parameter is a vector or a matrix beside others.
    ///
    /// # Shapes
    /// `[batch..., P, P]` for `P` parameters; for families with one vector of parameters `P` is its length. Of [`Independent`] one matrix for each
    /// of the elements that it takes together: they share no parameter.
    fn fisher_information(&self) -> Option<Tensor> {
        None
    }

    /// The same distributions with parameters that carry no gradient.
    fn detached(&self) -> Box<dyn Batched>;

    /// The last `axes` batch axes as axes of one point.
    fn to_event(self, axes: usize) -> Independent<Self>
    where
        Self: Sized,
    {
        Independent::new(self, axes)
    }
}

/// A divergence `KL[self || p]` in closed form, in nats.
pub trait Kl<P: ?Sized = Self> {
    /// One divergence a batch element, `[batch...]`, differentiable in both; batches broadcast.
    fn kl(&self, p: &P) -> Tensor;
}

impl Batched for Box<dyn Batched> {
    fn batch_shape(&self) -> Vec<usize> {
        (**self).batch_shape()
    }
    fn event_shape(&self) -> Vec<usize> {
        (**self).event_shape()
    }
    fn dtype(&self) -> DType {
        (**self).dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        (**self).log_prob(x)
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        (**self).sample(lead, rng)
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        (**self).rsample(lead, rng)
    }
    fn entropy(&self) -> Option<Tensor> {
        (**self).entropy()
    }
    fn mean(&self) -> Option<Tensor> {
        (**self).mean()
    }
    fn variance(&self) -> Option<Tensor> {
        (**self).variance()
    }
    fn enumerate(&self) -> Option<Tensor> {
        (**self).enumerate()
    }
    fn sample_positive(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        (**self).sample_positive(lead, rng)
    }
    fn support(&self) -> Option<Support> {
        (**self).support()
    }
    fn fisher_information(&self) -> Option<Tensor> {
        (**self).fisher_information()
    }
    fn detached(&self) -> Box<dyn Batched> {
        (**self).detached()
    }
}
