//! Special functions of one `f64`, to nearly full double accuracy and without dependencies.
//!
//! | family | functions |
//! |---|---|
//! | error function | [`erf`], [`erfc`], [`erfcx`], [`log_erfc`], [`erf_inv`], [`erfc_inv`] |
//! | normal distribution | [`ndtr`], [`log_ndtr`], [`ndtri`], [`ndtri_exp`], [`inverse_mills`] |
//! | gamma | [`lgamma`], [`digamma`], [`trigamma`], [`polygamma`], [`log_factorial`], [`log_beta`], [`log_choose`] |
//! | incomplete gamma | [`gamma_p`], [`gamma_q`], [`gamma_p_inv`], [`gamma_q_inv`] |
//! | its slope in the shape | [`gamma_p_shape_slope`], [`gamma_q_shape_slope`], [`gamma_log_quantile_slope`] |
//! | incomplete beta | [`beta_inc`], [`beta_inc_c`], [`beta_inc_inv`], [`beta_inc_shape_slopes`] |
//! | Student-t | [`student_t_cdf`], [`student_t_quantile`] |
//! | Bessel | [`bessel_ie`], of real order [`log_bessel_i`], [`log_bessel_ie`], [`bessel_ive`], [`bessel_kve`], [`bessel_i_ratio`] |
//! | others | [`lambert_w`], [`lambert_w_lower`], [`owens_t`] |
//! | whole slices | [`bernoulli_logits`] |
//! | logarithms of sums | [`log1p_exp`], [`log_expm1`], [`log1m_exp`], [`log_sum_exp`], [`log_add_exp`], [`sigmoid`], [`log_sigmoid`], [`logit`] |
//!
//! Outside its domain a function returns NaN; at a pole, the infinity of the limit. Accuracy is relative, about `1e-14` wherever the
//! function is well conditioned, and ten or eleven digits for the slopes in shape parameters; `tests/golden/special.json` holds the values
//! of a multi-precision library that it is tested against.

mod bessel;
mod bessel_real;
mod beta;
mod beta_slope;
mod erf;
mod gamma;
mod gamma_slope;
mod incomplete_beta;
mod incomplete_gamma;
mod lambert;
mod logs;
mod normal;
mod owens_t;
mod root;
mod slices;
mod student;
mod tables;

pub use bessel::bessel_ie;
pub use bessel_real::{bessel_i_ratio, bessel_ive, bessel_kve, log_bessel_i, log_bessel_ie};
pub use beta::{log_beta, log_choose};
pub use beta_slope::beta_inc_shape_slopes;
pub use erf::{erf, erf_inv, erfc, erfc_inv, erfcx, log_erfc};
pub use gamma::{digamma, lgamma, log_factorial, polygamma, trigamma};
pub use gamma_slope::{gamma_log_quantile_slope, gamma_p_shape_slope, gamma_q_shape_slope};
pub use incomplete_beta::{beta_inc, beta_inc_c, beta_inc_inv};
pub use incomplete_gamma::{gamma_p, gamma_p_inv, gamma_q, gamma_q_inv};
pub use lambert::{lambert_w, lambert_w_lower};
pub use logs::{log_add_exp, log_expm1, log_sigmoid, log_sum_exp, log1m_exp, log1p_exp, logit, sigmoid};
pub use normal::{inverse_mills, log_ndtr, ndtr, ndtri, ndtri_exp};
pub use owens_t::owens_t;
pub use slices::bernoulli_logits;
pub use student::{student_t_cdf, student_t_quantile};

/// `log(sqrt(2 pi))`.
pub const LOG_SQRT_TAU: f64 = 0.918_938_533_204_672_7;

/// A Chebyshev series at `t` in [-1, 1] (Clenshaw's recurrence).
fn chebyshev(coefficients: &[f64], t: f64) -> f64 {
    let (mut b1, mut b2) = (0.0, 0.0);
    for c in coefficients[1..].iter().rev() {
        (b1, b2) = (2.0 * t * b1 - b2 + c, b1);
    }
    t * b1 - b2 + coefficients[0]
}
