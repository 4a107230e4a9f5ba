//! Counts given that they are not zero, drawn in a bounded number of steps also where a zero is nearly certain.

use elbo_core::Rng;
use elbo_tensor::special::{log_sigmoid, log1m_exp, sigmoid};

/// Of a Poisson process on an interval of this length: the first point given that there is one, then the rest.
pub fn poisson(rate: f64, rng: &mut Rng) -> f64 {
    if !(rate > 0.0 && rate.is_finite()) {
        return f64::NAN;
    }
    let first = -(rng.uniform() * (-rate).exp_m1()).ln_1p();
    1.0 + rng.poisson((rate - first).max(0.0)) as f64
}

/// A negative binomial count is a Poisson number of clusters of logarithmic sizes; where clusters are many, zeros are rare enough to draw again.
pub fn negative_binomial(mean: f64, dispersion: f64, rng: &mut Rng) -> f64 {
    let log_failure = -(mean / dispersion).ln_1p();
    let clusters = -dispersion * log_failure;
    // Parameters outside of their range, or not numbers, give no positive number here; neither does a mean that has underflowed.
    if !(mean > 0.0 && dispersion > 0.0 && clusters > 0.0 && clusters.is_finite()) {
        return f64::NAN;
    }
    if clusters < 1.0 {
        let count = poisson(clusters, rng) as u64;
        return (0..count).map(|_| logarithmic(log_failure, rng)).sum();
    }
    loop {
        let rate = rng.gamma(dispersion) * mean / dispersion;
        let count = if rate.is_finite() { rng.poisson(rate) as f64 } else { f64::NAN };
        if count != 0.0 {
            return count;
        }
    }
}

/// Of the logarithmic law with probabilities proportional to $p^k / k$: geometric, with a random probability.
///
/// # Source
/// Kemp (1981).
fn logarithmic(log_failure: f64, rng: &mut Rng) -> f64 {
    let log_success = log1m_exp(rng.uniform() * log_failure);
    1.0 + (-rng.exponential() / log_success).floor()
}

/// The place of the first success given that there is one, then the successes after it.
pub fn binomial(trials: f64, logit: f64, rng: &mut Rng) -> f64 {
    let log_failure = log_sigmoid(-logit);
    // Written so that numbers that are none are refused too. A logarithm of zero is a probability that has underflowed.
    if !(trials >= 1.0 && trials.is_finite() && log_failure < 0.0) {
        return f64::NAN;
    }
    let failed = (rng.uniform() * (trials * log_failure).exp_m1()).ln_1p() / log_failure;
    let first = (failed.floor() + 1.0).clamp(1.0, trials);
    1.0 + rng.binomial((trials - first) as u64, sigmoid(logit)) as f64
}
