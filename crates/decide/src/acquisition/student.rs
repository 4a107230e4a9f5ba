//! Expected improvement under a Student-t distribution, and its logarithm far into the tail.
//!
//! With `T` and `t` the distribution function and density of `ν` degrees of freedom, expected improvement is the scale times
//!
//! $$ h_\nu(z) = z\,T(z) + e(z), \qquad e(z) = \frac{\nu}{\nu - 1}\left(1 + \frac{z^2}{\nu}\right) t(z), \qquad h_\nu' = T. $$
//!
//! # Source
//! Shah, Wilson and Ghahramani (2014). The series of the tails are ours, from the incomplete beta function.

use elbo_tensor::special::{log_beta, student_t_cdf};
use std::f64::consts::LN_2;

/// Logarithms of `T(z)`, `t(z)`, `h(z)` and `e(z)`.
pub(super) struct Logs {
    pub(super) cdf: f64,
    pub(super) density: f64,
    pub(super) h: f64,
    pub(super) e: f64,
}

/// All of them at `z`, for more than one degree of freedom.
///
/// In the left tail, where `z T` and `e` nearly cancel, with `x = ν/(ν + z²)`, `a = ν/2`, `c_k = (a + 1/2)_k / (a + 1)_k` and `B = B(a, 1/2)`:
///
/// $$ T = \frac{x^a \sqrt{1 - x}}{2 a B} \sum_{k \ge 0} c_k x^k, \qquad
/// h = \frac{x^{(\nu - 1)/2}}{B \sqrt\nu} \left[\frac{1}{\nu - 1} + \frac12 \sum_{k \ge 1} \frac{c_{k-1} x^k}{a + k}\right]. $$
///
/// Where these converge too slowly and `T` may be below all numbers, with many degrees of freedom, by Pfaff's transformation and `w = ν/z²`
///
/// $$ (1 - x) \sum_{k \ge 0} c_k x^k \sim 1 - s, \quad \frac12 \sum_{k \ge 1} \frac{c_{k-1} x^k}{a + k} \sim s, \qquad
/// s = \frac{w}{\nu + 2} - \frac{3 w^2}{(\nu + 2)(\nu + 4)} + \frac{15 w^3}{(\nu + 2)(\nu + 4)(\nu + 6)} - \cdots $$
pub(super) fn logs(z: f64, freedom: f64) -> Logs {
    /// From this square over the degrees of freedom on the series end within some hundreds of terms.
    const TAIL: f64 = 0.1;
    /// From this square on the smallest term of the asymptotic series is lost in rounding.
    const FAR: f64 = 64.0;
    let (a, beta) = (0.5 * freedom, log_beta(0.5 * freedom, 0.5));
    let ratio = z * z / freedom;
    let log_x = -ratio.ln_1p();
    let density = 0.5 * (freedom + 1.0) * log_x - beta - 0.5 * freedom.ln();
    let e = (freedom / (freedom - 1.0)).ln() - log_x + density;
    if z > 0.0 || (ratio < TAIL && z * z < FAR) {
        let cdf = student_t_cdf(z, freedom);
        return Logs { cdf: cdf.ln(), density, h: (z * cdf + e.exp()).ln(), e };
    }
    // ln(1 - x), where x may be nearly one.
    let log_rest = ratio.ln() + log_x;
    let (log_values, slopes) = if ratio < TAIL {
        let slopes = asymptotic(freedom, 1.0 / ratio);
        ((-slopes).ln_1p() - log_rest, slopes)
    } else {
        let (values, slopes) = series(a, log_x.exp());
        (values.ln(), 0.5 * slopes)
    };
    let cdf = a * log_x + 0.5 * log_rest - LN_2 - a.ln() - beta + log_values;
    let h = 0.5 * (freedom - 1.0) * log_x - beta - 0.5 * freedom.ln() + (1.0 / (freedom - 1.0) + slopes).ln();
    Logs { cdf, density, h, e }
}

/// `s` of [`logs`], up to its smallest term.
fn asymptotic(freedom: f64, w: f64) -> f64 {
    let (mut sum, mut term, mut last, mut k) = (0.0, w / (freedom + 2.0), f64::INFINITY, 1.0);
    while term.abs() < last && term.abs() > 1e-17 * sum {
        sum += term;
        last = term.abs();
        term *= -(2.0 * k + 1.0) * w / (freedom + 2.0 * k + 2.0);
        k += 1.0;
    }
    sum
}

/// `Σ c_k x^k` from zero, and `Σ c_{k-1} x^k / (a + k)` from one; all terms are positive.
fn series(a: f64, x: f64) -> (f64, f64) {
    let (mut term, mut values, mut slopes, mut k) = (1.0, 1.0, 0.0, 1.0);
    while term > 1e-17 * values {
        slopes += term * x / (a + k);
        term *= x * (a + k - 0.5) / (a + k);
        values += term;
        k += 1.0;
    }
    (values, slopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::normal::log_h;

    #[test]
    fn the_tail_joins_the_middle_and_has_its_known_values() {
        for freedom in [3.0, 7.5, 40.0, 300.0] {
            let edge = -f64::sqrt(0.1 * freedom);
            let [middle, tail] = [edge * (1.0 - 1e-9), edge * (1.0 + 1e-9)].map(|z| logs(z, freedom));
            assert!((middle.h - tail.h).abs() < 1e-6 && (middle.cdf - tail.cdf).abs() < 1e-6, "{freedom}");
        }
        // From 40 digits.
        for (freedom, times, expected) in [
            (3.0, 2.0, -3.2167718609769693),
            (7.5, 30.0, -24.934609643480584),
            (40.0, 2.0, -35.767166147481944),
            (300.0, 30.0, -1_023.743_151_993_934_8),
        ] {
            let found = logs(-times * f64::sqrt(freedom), freedom).h;
            assert!((found - expected).abs() < 1e-11 * expected.abs(), "{freedom}: {found} for {expected}");
        }
    }

    #[test]
    fn with_many_degrees_of_freedom_the_tail_goes_on_where_the_distribution_is_below_all_numbers() {
        // From 60 digits.
        for (freedom, z, cdf, h) in [
            (2000.0, -10.0, -51.997169975401384, -54.26969904130988),
            (1e5, -39.0, -759.349993574221, -762.99976118894),
            (1e6, -39.0, -764.5046224299493, -768.1679747113644),
        ] {
            let found = logs(z, freedom);
            assert!((found.cdf - cdf).abs() < 1e-11 * cdf.abs(), "{freedom}: {} for {cdf}", found.cdf);
            assert!((found.h - h).abs() < 1e-11 * h.abs(), "{freedom}: {} for {h}", found.h);
        }
        for freedom in [700.0, 1e5] {
            let [middle, tail] = [-8.0 * (1.0 - 1e-9), -8.0 * (1.0 + 1e-9)].map(|z| logs(z, freedom));
            assert!((middle.h - tail.h).abs() < 1e-6 && (middle.cdf - tail.cdf).abs() < 1e-6, "{freedom}");
        }
        let edge = -f64::sqrt(0.1 * 1e5);
        let [far, series] = [edge * (1.0 - 1e-9), edge * (1.0 + 1e-9)].map(|z| logs(z, 1e5));
        // The slope of the logarithm is some hundred there.
        assert!((far.h - series.h).abs() < 1e-4 && (far.cdf - series.cdf).abs() < 1e-4);
    }

    #[test]
    fn many_degrees_of_freedom_are_a_normal_distribution() {
        for z in [-3.0, -1.0, 0.0, 2.0] {
            let found = logs(z, 1e7).h;
            assert!((found - log_h(z)).abs() < 1e-5, "{z}: {found} for {}", log_h(z));
        }
    }

    #[test]
    fn the_function_is_its_two_parts_and_its_slope_is_the_distribution() {
        for z in [-4.0, -1.5, -0.3, 0.8, 3.0] {
            let at = |z: f64| logs(z, 6.0).h.exp();
            let found = logs(z, 6.0);
            let sum = z * found.cdf.exp() + found.e.exp();
            assert!((sum - at(z)).abs() < 1e-13, "{z}: {sum} for {}", at(z));
            let slope = (at(z + 1e-5) - at(z - 1e-5)) / 2e-5;
            assert!((slope - found.cdf.exp()).abs() < 1e-8, "{z}: {slope}");
        }
    }
}
