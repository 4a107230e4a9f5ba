//! How far one picture is from another.
//!
//! | I want | use |
//! |---|---|
//! | mean squared error, and the same in decibels | [`mse`], [`psnr`] |
//! | structural similarity, and its derivative for training | [`ssim`], [`ssim_gradient`] |
//! | structural similarity over five scales | [`ms_ssim`], [`ms_ssim_decibels`] |
//! | the same over as many scales as a picture holds, with its derivative | [`ms_ssim_gradient`], [`scales_held`] |

mod scales;
mod similarity;

pub use scales::{ms_ssim, ms_ssim_decibels, ms_ssim_gradient, scales_held};
pub use similarity::{Pixel, ssim, ssim_gradient};

/// Mean squared error of two pictures with as many numbers, in the square of their unit.
///
/// # Panics
/// When one has more numbers than the other.
pub fn mse<T: Copy + Into<f64>>(x: &[T], y: &[T]) -> f64 {
    assert_eq!(x.len(), y.len(), "two pictures of one size are compared");
    let square = |(x, y): (&T, &T)| ((*x).into() - (*y).into()).powi(2);
    x.iter().zip(y).map(square).sum::<f64>() / x.len().max(1) as f64
}

/// Peak signal to noise ratio in decibels, `10 log10(range^2 / MSE)`, of numbers whose range is `range` wide: 255 for bytes. Infinite for
/// equal pictures. Of several pictures average this, not the squared error.
///
/// # Panics
/// As [`mse`].
pub fn psnr<T: Copy + Into<f64>>(x: &[T], y: &[T], range: f64) -> f64 {
    10.0 * (range * range / mse(x, y)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_range_is_twenty_decibels_in_every_type() {
        assert!((psnr(&[0.5f64; 9], &[0.6; 9], 1.0) - 20.0).abs() < 1e-12);
        assert!((psnr(&[10u8, 200], &[35, 175], 250.0) - 20.0).abs() < 1e-12);
        assert_eq!(mse(&[0u8, 255], &[255, 0]), 65025.0);
        assert_eq!(psnr(&[1f32], &[1.0], 1.0), f64::INFINITY);
    }
}
