//! A Gaussian process whose scale is unknown: a Student-t process.
//!
//! With a covariance `K` before the data and `ν` degrees of freedom, in the form in which `K` is the covariance itself, values `y: [N]` about their mean have
//!
//! $$ p(y) = \frac{\Gamma(\frac{\nu + N}{2})}{\Gamma(\frac{\nu}{2})\, ((\nu - 2)\pi)^{N/2}}\, |K|^{-1/2} \left(1 + \frac{\beta}{\nu - 2}\right)^{-(\nu + N)/2},
//! \qquad \beta = y^\top K^{-1} y, $$
//!
//! and what is left is such a process again, with `ν + N` degrees of freedom, the Gaussian process's mean, and its covariance times [`spread`].
//!
//! # Source
//! Shah, Wilson and Ghahramani (2014), *Student-t Processes as Alternatives to Gaussian Processes*.

use elbo_core::{Result, ensure};
use elbo_tensor::special::lgamma;
use std::f64::consts::PI;

/// Refuses degrees of freedom without a covariance.
pub(super) fn check(before: Option<f64>) -> Result<()> {
    before.map_or(Ok(()), |d| ensure("degrees", d, d > 2.0 && d.is_finite(), "a finite number above 2"))
}

/// What the data make of the covariance: below one where they vary less than was expected, above one where they vary more. `square` is `β`.
///
/// $$ \frac{\nu + \beta - 2}{\nu + N - 2} $$
pub(super) fn spread(before: f64, n: usize, square: f64) -> f64 {
    (before + square - 2.0) / (before + n as f64 - 2.0)
}

/// The negative log density without half the log determinant, in nats, and twice its slope in `β`: the weight of `K⁻¹y (K⁻¹y)ᵀ` in the gradient,
/// one of a Gaussian process.
pub(super) fn misfit(before: f64, n: usize, square: f64) -> (f64, f64) {
    let (size, after) = (n as f64, before + n as f64);
    let value = 0.5 * size * ((before - 2.0) * PI).ln() + lgamma(0.5 * before) - lgamma(0.5 * after)
        + 0.5 * after * (square / (before - 2.0)).ln_1p();
    (value, after / (before - 2.0 + square))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn many_degrees_of_freedom_are_a_gaussian_process() {
        let (value, weight) = misfit(1e7, 12, 9.0);
        let normal = 0.5 * 9.0 + 0.5 * 12.0 * TAU.ln();
        // Corrections are of the order of N²/ν.
        assert!((value - normal).abs() < 1e-4 && (weight - 1.0).abs() < 1e-5, "{value} {normal} {weight}");
        assert!((spread(1e7, 12, 9.0) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_weight_is_twice_the_slope_of_the_misfit() {
        let (h, square) = (1e-5, 7.0);
        let slope = (misfit(5.0, 9, square + h).0 - misfit(5.0, 9, square - h).0) / (2.0 * h);
        assert!((misfit(5.0, 9, square).1 - 2.0 * slope).abs() < 1e-8);
    }
}
