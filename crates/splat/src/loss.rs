//! How far a picture is from the truth: absolute error, structural similarity, peak signal to noise.

use crate::real::Real;
use rayon::prelude::*;

/// Taps of the window of the structural similarity.
const TAPS: usize = 11;
const REACH: usize = TAPS / 2;
const SD: f64 = 1.5;
const C1: f64 = 1e-4;
const C2: f64 = 9e-4;

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

/// Structural similarity of two pictures `[C, H, W]` on `[0, 1]`, averaged over pixels and channels: a Gaussian window of 11 x 11 pixels with
/// standard deviation 1.5, zeros around the picture.
///
/// # Source
/// Wang, Bovik, Sheikh and Simoncelli (2004).
pub fn ssim<T: Real>(x: &[T], y: &[T], size: [usize; 2]) -> f64 {
    planes(x, y, size, false).0
}

/// The mean structural similarity and its derivative in `x`.
pub fn ssim_gradient<T: Real>(x: &[T], y: &[T], size: [usize; 2]) -> (f64, Vec<T>) {
    planes(x, y, size, true)
}

fn planes<T: Real>(x: &[T], y: &[T], [width, height]: [usize; 2], with_gradient: bool) -> (f64, Vec<T>) {
    assert_eq!(x.len(), y.len(), "two pictures of one size are compared");
    let area = width * height;
    let count = x.len();
    let parts: Vec<(f64, Vec<T>)> = x
        .par_chunks(area)
        .zip(y.par_chunks(area))
        .map(|(x, y)| plane(x, y, [width, height], 1.0 / count as f64, with_gradient))
        .collect();
    let total = parts.iter().map(|(s, _)| s).sum::<f64>() / count as f64;
    (total, parts.into_iter().flat_map(|(_, g)| g).collect())
}

/// The sum over one channel, and its derivative times `weight`.
fn plane<T: Real>(x: &[T], y: &[T], size: [usize; 2], weight: f64, with_gradient: bool) -> (f64, Vec<T>) {
    let times = |a: &[T], b: &[T]| a.iter().zip(b).map(|(a, b)| *a * *b).collect::<Vec<T>>();
    let mx = blur(x, size);
    let my = blur(y, size);
    let xx = blur(&times(x, x), size);
    let yy = blur(&times(y, y), size);
    let xy = blur(&times(x, y), size);
    let (c1, c2, two, one) = (T::of(C1), T::of(C2), T::of(2.0), T::ONE);
    let g = T::of(weight);
    let mut total = 0.0;
    let (mut p, mut q, mut r) = (vec![], vec![], vec![]);
    if with_gradient {
        (p, q, r) = (vec![T::ZERO; x.len()], vec![T::ZERO; x.len()], vec![T::ZERO; x.len()]);
    }
    for i in 0..x.len() {
        let (m1, m2) = (mx[i], my[i]);
        let (s1, s2, s12) = (xx[i] - m1 * m1, yy[i] - m2 * m2, xy[i] - m1 * m2);
        let (a1, a2) = (two * m1 * m2 + c1, two * s12 + c2);
        let (b1, b2) = (m1 * m1 + m2 * m2 + c1, s1 + s2 + c2);
        let over = one / (b1 * b2);
        let s = a1 * a2 * over;
        total += s.to_f64();
        if with_gradient {
            p[i] = g * two * ((m2 * (a2 - a1)) * over + m1 * s * (one / b2 - one / b1));
            q[i] = -g * s / b2;
            r[i] = g * two * a1 * over;
        }
    }
    if !with_gradient {
        return (total, vec![]);
    }
    let (p, q, r) = (blur(&p, size), blur(&q, size), blur(&r, size));
    let gradient = (0..x.len()).map(|i| p[i] + two * x[i] * q[i] + y[i] * r[i]).collect();
    (total, gradient)
}

fn window<T: Real>() -> [T; TAPS] {
    let weights: [f64; TAPS] = std::array::from_fn(|k| (-0.5 * ((k as f64 - REACH as f64) / SD).powi(2)).exp());
    let total: f64 = weights.iter().sum();
    weights.map(|w| T::of(w / total))
}

/// Correlation with the window, zeros around the plane. The window is symmetric, so this is its own adjoint.
fn blur<T: Real>(plane: &[T], [width, height]: [usize; 2]) -> Vec<T> {
    let w = window::<T>();
    let mut across = vec![T::ZERO; plane.len()];
    let mut padded = vec![T::ZERO; width + 2 * REACH];
    for (from, to) in plane.chunks_exact(width).zip(across.chunks_exact_mut(width)) {
        padded[REACH..REACH + width].copy_from_slice(from);
        for (k, w) in w.iter().enumerate() {
            to.iter_mut().zip(&padded[k..]).for_each(|(to, from)| *to += *w * *from);
        }
    }
    let mut out = vec![T::ZERO; plane.len()];
    for (y, to) in out.chunks_exact_mut(width).enumerate() {
        for (k, w) in w.iter().enumerate() {
            let Some(row) = (y + k).checked_sub(REACH).filter(|row| *row < height) else { continue };
            to.iter_mut().zip(&across[row * width..(row + 1) * width]).for_each(|(to, from)| *to += *w * *from);
        }
    }
    out
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
    let square = |(x, y): (&T, &T)| (shown(x.to_f64()) - y.to_f64()).powi(2);
    let mse = x.iter().zip(y).map(square).sum::<f64>() / x.len() as f64;
    // Equal pictures have no limit; this is beyond what 8 bits can tell.
    -10.0 * mse.max(1e-10).log10()
}
