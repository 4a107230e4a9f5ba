//! Likelihoods: how observations come from latent functions.
//!
//! | target | likelihood | latent value is |
//! |---|---|---|
//! | any number | [`Gaussian`], [`KnownNoise`]; with outliers [`StudentT`], [`Laplace`] | the mean or median |
//! | any number, noise that varies | [`Heteroscedastic`], two latents | mean, and log standard deviation |
//! | a positive number | [`LogGaussian`]; [`Gamma`], [`Exponential`], [`Weibull`] | mean of the log; log scale |
//! | a share in (0, 1) | [`Beta`] | logit of the mean |
//! | a count | [`Poisson`]; overdispersed [`NegativeBinomial`]; many zeros [`ZeroInflatedPoisson`] | log mean |
//! | successes in n trials | [`Binomial`] | logit of the probability |
//! | one of two classes, -1 and 1 | [`BernoulliProbit`], [`BernoulliLogit`] | probit or logit |
//! | ordered classes 0, 1, ... | [`Ordinal`] | position on a line cut by edges |
//! | one of C classes 0, 1, ... | [`Softmax`], [`RobustMax`], C latents | score of each class |
//!
//! A likelihood of one latent is a [`Density`]: plain numbers in, plain numbers out. [`OneLatent`] joins it with named parameters and
//! makes it a [`Likelihood`], where whatever has no closed form is done by Gauss-Hermite quadrature. Likelihoods of several latents
//! implement [`MultiLikelihood`]; [`Single`] lets any [`Likelihood`] stand in for one.
//!
//! To add one, write a file with a [`Density`] and a type alias, name it in [`LikelihoodConfig`], and add it to the list of
//! constructors in `tests/it/likelihood.rs`: derivatives, normalisation and inverses are then tested without further work.

mod bernoulli_logit;
mod bernoulli_probit;
mod beta;
mod binomial;
mod config;
mod density;
mod exponential;
mod gamma;
mod gaussian;
mod heteroscedastic;
mod known_noise;
mod laplace;
mod log_gaussian;
mod marginals;
mod multi;
mod negative_binomial;
mod one_latent;
mod ops;
mod ordinal;
mod poisson;
pub mod quadrature;
mod robust_max;
mod softmax;
mod student_t;
mod weibull;
mod zero_inflated_poisson;

pub use bernoulli_logit::{BernoulliLogit, BernoulliLogitDensity};
pub use bernoulli_probit::{BernoulliProbit, BernoulliProbitDensity};
pub use beta::{Beta, BetaDensity};
pub use binomial::{Binomial, BinomialDensity};
pub use config::{LikelihoodConfig, MultiLikelihoodConfig};
pub use density::{Density, Expected, Jet, Moments, Tilted};
pub use exponential::{Exponential, ExponentialDensity};
pub use gamma::{Gamma, GammaDensity};
pub use gaussian::{Gaussian, GaussianDensity};
pub use heteroscedastic::Heteroscedastic;
pub use known_noise::KnownNoise;
pub use laplace::{Laplace, LaplaceDensity};
pub use log_gaussian::{LogGaussian, LogGaussianDensity};
pub use marginals::LikelihoodMarginals;
pub use multi::{MultiLikelihood, Single};
pub use negative_binomial::{NegativeBinomial, NegativeBinomialDensity};
pub use one_latent::OneLatent;
pub use ops::{expected_log_prob, expected_log_prob_multi, expected_log_prob_weighted, log_tilted_sum};
pub use ordinal::{Ordinal, OrdinalDensity};
pub use poisson::{Poisson, PoissonDensity};
pub use robust_max::RobustMax;
pub use softmax::Softmax;
pub use student_t::{StudentT, StudentTDensity};
pub use weibull::{Weibull, WeibullDensity};
pub use zero_inflated_poisson::{ZeroInflatedPoisson, ZeroInflatedPoissonDensity};

use elbo_core::{Error, Result, Rng};
use elbo_tensor::Parameters;
use std::fmt::Debug;

/// A likelihood of one latent value, datum by datum.
///
/// `y` is an observation, `f` the latent value, `N(f; mean, variance)` its distribution. Logarithms are natural, values in nats.
/// Derivatives by parameters are by their natural values, in the order of [`Parameters::visit`], flattened; an empty vector when there
/// are none.
pub trait Likelihood: Parameters + Send + Sync + Debug {
    /// The likelihood's name, as in [`LikelihoodConfig`].
    fn name(&self) -> &'static str;

    /// One line for people, with the parameters' present values.
    fn description(&self) -> String;

    /// `log p(y | f)`.
    fn log_prob(&self, y: f64, f: f64) -> f64;

    /// First derivative of `log p(y | f)` in `f`.
    fn g1(&self, y: f64, f: f64) -> f64;

    /// Second derivative in `f`.
    fn g2(&self, y: f64, f: f64) -> f64;

    /// Third derivative in `f`.
    fn g3(&self, y: f64, f: f64) -> f64;

    /// Derivatives of `log p(y | f)` by the parameters.
    fn d_log_prob(&self, y: f64, f: f64) -> Vec<f64>;

    /// `E[log p(y | f)]` and its derivatives by mean and variance; in closed form or with 20 nodes.
    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected;

    /// Derivatives of [`Likelihood::expected`] by the parameters.
    fn d_expected(&self, y: f64, mean: f64, variance: f64) -> Vec<f64>;

    /// `log E[p(y | f)^alpha]` and its derivatives; in closed form or with 50 nodes, in logarithms. `alpha > 0`.
    fn log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Tilted;

    /// Derivatives of [`Likelihood::log_tilted`] by the parameters.
    fn d_log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Vec<f64>;

    /// Mean and variance of `y`. Infinite or NaN where they do not exist.
    fn predict(&self, mean: f64, variance: f64) -> Moments;

    /// Log predictive density `log E[p(y | f)]`.
    fn log_density(&self, y: f64, mean: f64, variance: f64) -> f64 {
        self.log_tilted(y, mean, variance, 1.0).value
    }

    /// Predictive distribution function.
    fn cdf(&self, y: f64, mean: f64, variance: f64) -> f64;

    /// Smallest `y` whose predictive distribution function reaches `p`, for `p` in (0, 1).
    fn quantile(&self, p: f64, mean: f64, variance: f64) -> f64;

    /// For two classes, the probability of the class 1.
    fn probability(&self, mean: f64, variance: f64) -> Option<f64>;

    /// One observation given the latent value.
    fn sample(&self, f: f64, rng: &mut Rng) -> f64;

    /// Refuses targets outside the support.
    ///
    /// # Errors
    /// [`Error::Data`] naming the first such row.
    fn check_targets(&self, y: &[f64]) -> Result<()>;

    /// Whether observations are whole numbers.
    fn is_discrete(&self) -> bool;

    /// Whether `log p(y | f)` is concave in `f` for every `y`.
    fn is_log_concave(&self) -> bool;

    /// Whether `log p(y | f)` is quadratic in `f`, so that its site is the same under every posterior.
    fn is_conjugate(&self) -> bool {
        false
    }

    /// Whether `f` is the location of `y`: an observation is the latent value plus noise.
    fn is_location(&self) -> bool {
        false
    }

    /// The likelihood of one row; differs between rows only where side information does, as in [`KnownNoise`].
    fn row(&self, n: usize) -> &dyn Likelihood;

    /// The likelihood of these rows only, for a minibatch.
    fn select(&self, _rows: &[usize]) -> Box<dyn Likelihood> {
        self.clone_box()
    }

    /// A copy.
    fn clone_box(&self) -> Box<dyn Likelihood>;
}

impl Clone for Box<dyn Likelihood> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

/// Refuses the first target that is not supported.
fn check_support(y: &[f64], name: &str, support: &str, remedy: &str, holds: impl Fn(f64) -> bool) -> Result<()> {
    match y.iter().position(|y| !y.is_finite() || !holds(*y)) {
        Some(i) => Err(Error::data(
            format!("the target in row {} is {}; the {name} likelihood needs {support}", i + 1, y[i]),
            remedy,
        )),
        None => Ok(()),
    }
}
