//! How far a picture is from the truth: absolute error beside structural similarity, peak signal to noise.

use crate::real::Real;
use elbo_picture::ssim_gradient;

/// `(1 - λ) |x - y|₁ + λ (1 - SSIM)`, averaged over pixels and channels, and its derivative in `x`. Both `[C, H, W]` on `[0, 1]`.
pub fn photometric<T: Real>(x: &[T], y: &[T], size: [usize; 2], lambda: f64) -> (f64, Vec<T>) {
    let count = x.len() as f64;
    let (similarity, slope) = if lambda > 0.0 { ssim_gradient(x, y, size) } else { (1.0, vec![T::ZERO; x.len()]) };
    let mut total = 0.0;
    let (step, share) = (T::of((1.0 - lambda) / count), T::of(lambda));
    let gradient = x
        .iter()
        .zip(y)
        .zip(&slope)
        .map(|((x, y), s)| {
            let d = *x - *y;
            total += d.distance().to_f64();
            let sign = if d > T::ZERO {
                step
            } else if d < T::ZERO {
                -step
            } else {
                T::ZERO
            };
            sign - share * *s
        })
        .collect();
    ((1.0 - lambda) * total / count + lambda * (1.0 - similarity), gradient)
}

/// `-10 log₁₀` of the mean squared error in decibels, after limiting `x` to `[0, 1]`.
pub fn psnr<T: Real>(x: &[T], y: &[T]) -> f64 {
    decibels(x, y, |v| v.clamp(0.0, 1.0))
}

/// The same after rounding `x` to 8 bits.
pub fn psnr_of_bytes<T: Real>(x: &[T], y: &[T]) -> f64 {
    decibels(x, y, |v| (255.0 * v.clamp(0.0, 1.0)).round() / 255.0)
}

fn decibels<T: Real>(x: &[T], y: &[T], shown: impl Fn(f64) -> f64) -> f64 {
    let x: Vec<f64> = x.iter().map(|v| shown(v.to_f64())).collect();
    let y: Vec<f64> = y.iter().map(|v| v.to_f64()).collect();
    // Equal pictures have no limit; this is beyond what 8 bits can tell.
    elbo_picture::psnr(&x, &y, 1.0).min(100.0)
}
