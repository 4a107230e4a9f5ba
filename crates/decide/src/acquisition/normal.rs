//! The function behind expected improvement, and its logarithm far into the tail.

use elbo_tensor::special::{erfcx, log1m_exp, ndtr};
use std::f64::consts::{FRAC_1_SQRT_2, PI, TAU};

/// `h(z) = ϕ(z) + z Φ(z)`: expected improvement is `σ h((f* - μ)/σ)`.
pub(crate) fn h(z: f64) -> f64 {
    density(z) + z * ndtr(z)
}

/// The standard normal density.
pub(crate) fn density(z: f64) -> f64 {
    log_density(z).exp()
}

pub(crate) fn log_density(z: f64) -> f64 {
    -0.5 * z * z - 0.5 * TAU.ln()
}

/// `log(ϕ(z) + z Φ(z))`, accurate for every `z`.
///
/// # Source
/// Ament, Daulton, Eriksson, Balandat and Bakshy (2023), equation 9.
pub fn log_h(z: f64) -> f64 {
    if z > -1.0 {
        return h(z).ln();
    }
    if z > -1.0 / f64::EPSILON.sqrt() {
        let mills = (erfcx(-z * FRAC_1_SQRT_2) * -z).ln() + 0.5 * (0.5 * PI).ln();
        // Far out the difference from one is about 1/z², and rounding may lose it.
        return log_density(z) + log1m_exp(if mills < 0.0 { mills } else { -1.0 / (z * z) });
    }
    log_density(z) - 2.0 * (-z).ln()
}
