//! Student's t distribution function and quantile.

use super::incomplete_beta::{beta_inc_both, beta_logit_quantile};
use super::{ndtr, ndtri};

/// Distribution function of Student's t with `dof > 0` degrees of freedom (any real, infinity included).
///
/// ```
/// use elbo_tensor::special::student_t_cdf;
/// assert!((student_t_cdf(1.0, 1.0) - 0.75).abs() < 1e-15);
/// ```
pub fn student_t_cdf(t: f64, dof: f64) -> f64 {
    if dof == f64::INFINITY {
        return ndtr(t);
    }
    if t.is_nan() || dof.is_nan() || dof <= 0.0 {
        return f64::NAN;
    }
    if t.is_infinite() {
        return if t > 0.0 { 1.0 } else { 0.0 };
    }
    // x = dof / (dof + t^2) and y = 1 - x, from the ratio t / sqrt(dof) so that t^2 cannot overflow.
    let ratio = t.abs() / dof.sqrt();
    let (x, y) = if ratio < 1.0 {
        let square = ratio * ratio;
        (1.0 / (1.0 + square), square / (1.0 + square))
    } else {
        let inverse = 1.0 / (ratio * ratio);
        (inverse / (1.0 + inverse), 1.0 / (1.0 + inverse))
    };
    let (two_tails, centre) = beta_inc_both(0.5 * dof, 0.5, x, y);
    match (t < 0.0, two_tails < 0.5) {
        (true, _) => 0.5 * two_tails,
        (false, true) => 1.0 - 0.5 * two_tails,
        (false, false) => 0.5 + 0.5 * centre,
    }
}

/// Quantile of Student's t. Infinite at the ends, NaN outside [0, 1].
pub fn student_t_quantile(p: f64, dof: f64) -> f64 {
    if dof == f64::INFINITY {
        return ndtri(p);
    }
    if p.is_nan() || !(0.0..=1.0).contains(&p) || dof.is_nan() || dof <= 0.0 {
        return f64::NAN;
    }
    let tail = p.min(1.0 - p);
    let centre = (1.0 - 2.0 * p).abs();
    if centre == 0.0 {
        return 0.0;
    }
    if tail == 0.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // t^2 / dof = y / x = exp(-logit x).
    let size = (dof.sqrt().ln() - 0.5 * beta_logit_quantile(0.5 * dof, 0.5, 2.0 * tail, centre)).exp();
    if p < 0.5 { -size } else { size }
}
