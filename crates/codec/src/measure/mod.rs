//! Distortion of pictures, and rates at equal distortion.
//!
//! | I want | use |
//! |---|---|
//! | mean squared error in decibels | [`psnr`] |
//! | structural similarity over scales | [`ms_ssim`] |
//! | how many per cent one codec's rate is from another's | [`bd_rate`] |

mod bd;
mod similarity;

pub use bd::{BdRate, Point, bd_rate};
pub use similarity::{ms_ssim, ms_ssim_decibels};

/// Mean squared error of bytes, in squared steps of 255.
pub fn mse(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len(), "pictures of one size");
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    sum / a.len().max(1) as f64
}

/// Peak signal to noise ratio, `10 log10(255^2 / MSE)`, of one picture; infinite for equal ones. Of several, average this, not the MSE.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    10.0 * (255.0 * 255.0 / mse(a, b)).log10()
}
