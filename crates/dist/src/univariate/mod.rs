//! Distributions of one number, as plain values.
//!
//! | on | distributions |
//! |---|---|
//! | the line | [`Normal`], [`StudentT`], [`Laplace`], [`GeneralisedNormal`], [`Logistic`], [`Gumbel`], [`NormalScaleMixture`], [`Uniform`] on an interval |
//! | the positive numbers | [`Gamma`], [`InverseGamma`], [`LogNormal`], [`HalfNormal`], [`HalfCauchy`], [`Exponential`], [`Weibull`], [`InverseGaussian`], [`Pareto`] |
//! | the unit interval | [`Beta`], [`Kumaraswamy`] |
//! | the circle | [`VonMises`] |
//! | counts and events | [`Poisson`], [`NegativeBinomial`], [`Binomial`], [`Geometric`], [`ZeroInflated`], [`Hurdle`], [`Bernoulli`], [`Categorical`] |

mod bernoulli;
mod beta;
mod binomial;
mod categorical;
mod exponential;
mod gamma;
mod generalised_normal;
mod geometric;
mod gumbel;
mod half_cauchy;
mod half_normal;
mod hurdle;
mod inverse_gamma;
mod inverse_gaussian;
mod kumaraswamy;
mod laplace;
mod log_normal;
mod logistic;
mod negative_binomial;
mod normal;
mod normal_scale_mixture;
mod pareto;
mod poisson;
mod student_t;
mod uniform;
mod von_mises;
mod weibull;
mod zero_inflated;

pub use bernoulli::Bernoulli;
pub use beta::Beta;
pub use binomial::Binomial;
pub use categorical::Categorical;
pub use exponential::Exponential;
pub use gamma::Gamma;
pub use generalised_normal::GeneralisedNormal;
pub use geometric::Geometric;
pub use gumbel::Gumbel;
pub use half_cauchy::HalfCauchy;
pub use half_normal::HalfNormal;
pub use hurdle::Hurdle;
pub use inverse_gamma::InverseGamma;
pub use inverse_gaussian::InverseGaussian;
pub use kumaraswamy::Kumaraswamy;
pub use laplace::Laplace;
pub use log_normal::LogNormal;
pub use logistic::Logistic;
pub use negative_binomial::NegativeBinomial;
pub use normal::Normal;
pub use normal_scale_mixture::NormalScaleMixture;
pub use pareto::Pareto;
pub use poisson::Poisson;
pub use student_t::StudentT;
pub use uniform::Uniform;
pub use von_mises::VonMises;
pub use weibull::Weibull;
pub use zero_inflated::ZeroInflated;

use elbo_core::Rng;
use std::fmt::Debug;

/// Euler's constant.
pub(crate) const EULER: f64 = 0.577_215_664_901_532_9;

/// A distribution of one number.
///
/// Parameters outside their range give NaN. Moments that do not exist are infinite (or NaN for the mean of a t distribution with at
/// most one degree of freedom).
pub trait Distribution: Debug {
    /// Log density, or log probability of a count, in nats; minus infinity off the support.
    fn log_prob(&self, x: f64) -> f64;

    /// `P(X <= x)`.
    fn cdf(&self, x: f64) -> f64;

    /// The smallest `x` with `cdf(x) >= p`, for `p` in (0, 1).
    fn quantile(&self, p: f64) -> f64;

    /// Mean.
    fn mean(&self) -> f64;

    /// Variance.
    fn variance(&self) -> f64;

    /// One draw.
    fn sample(&self, rng: &mut Rng) -> f64;

    /// Entropy in nats; `None` where it is not closed.
    fn entropy(&self) -> Option<f64> {
        None
    }
}

/// The smallest count `k >= 0` with `cdf(k) >= p`; `start` is a guess.
pub(crate) fn count_quantile(p: f64, start: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 1.0 {
        return f64::INFINITY;
    }
    if cdf(0.0) >= p {
        return 0.0;
    }
    // The bracket (low, high] holds the answer.
    let (mut low, mut high) = (0.0, start.floor().max(1.0));
    let mut step = 1.0;
    while cdf(high) < p && high.is_finite() {
        low = high;
        high += step;
        step *= 2.0;
    }
    if !high.is_finite() {
        return f64::INFINITY;
    }
    while high - low > 1.0 {
        let middle = (0.5 * (low + high)).floor();
        if middle <= low || middle >= high {
            // Counts beyond 2^53 have no neighbours.
            break;
        }
        if cdf(middle) < p { low = middle } else { high = middle }
    }
    high
}
