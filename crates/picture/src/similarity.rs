//! Structural similarity of one scale, and what the window sees.

use rayon::prelude::*;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// Taps of the window.
pub(crate) const TAPS: usize = 11;
/// Pixels of the window on each side of its middle.
pub(crate) const REACH: usize = TAPS / 2;
const SD: f64 = 1.5;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// A number of a picture: `f32`, or `f64` so that finite differences are exact.
pub trait Pixel:
    Copy
    + Send
    + Sync
    + Into<f64>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + 'static
{
    /// The nearest number of this type.
    fn nearest(value: f64) -> Self;
}

impl Pixel for f32 {
    #[inline(always)]
    fn nearest(value: f64) -> Self {
        value as f32
    }
}

impl Pixel for f64 {
    #[inline(always)]
    fn nearest(value: f64) -> Self {
        value
    }
}

/// Structural similarity of two pictures `[C, H, W]` on `[0, 1]`, averaged over pixels and channels: a Gaussian window of 11 x 11 pixels with
/// standard deviation 1.5, zeros around the picture. `size` is `[W, H]`.
///
/// # Panics
/// When the pictures do not have the same size, or no pixels.
///
/// # Source
/// Wang, Bovik, Sheikh and Simoncelli (2004).
pub fn ssim<T: Pixel>(x: &[T], y: &[T], size: [usize; 2]) -> f64 {
    planes(x, y, size, false).0
}

/// The mean structural similarity and its derivative in `x`.
///
/// # Panics
/// As [`ssim`].
pub fn ssim_gradient<T: Pixel>(x: &[T], y: &[T], size: [usize; 2]) -> (f64, Vec<T>) {
    planes(x, y, size, true)
}

fn planes<T: Pixel>(x: &[T], y: &[T], [width, height]: [usize; 2], with_gradient: bool) -> (f64, Vec<T>) {
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

/// What the window sees of two planes around each pixel: means, and means of the products.
pub(crate) struct Seen<T> {
    pub(crate) mx: Vec<T>,
    pub(crate) my: Vec<T>,
    xx: Vec<T>,
    yy: Vec<T>,
    xy: Vec<T>,
}

impl<T: Pixel> Seen<T> {
    pub(crate) fn new(x: &[T], y: &[T], size: [usize; 2]) -> Self {
        let times = |a: &[T], b: &[T]| blur(&a.iter().zip(b).map(|(a, b)| *a * *b).collect::<Vec<T>>(), size);
        Self { mx: blur(x, size), my: blur(y, size), xx: times(x, x), yy: times(y, y), xy: times(x, y) }
    }

    /// Above and below the fraction of the means, then those of contrast and structure: the similarity is the product of both fractions.
    #[inline(always)]
    pub(crate) fn fractions(&self, i: usize, [c1, c2, two]: [T; 3]) -> [T; 4] {
        let (m1, m2) = (self.mx[i], self.my[i]);
        let (s1, s2, s12) = (self.xx[i] - m1 * m1, self.yy[i] - m2 * m2, self.xy[i] - m1 * m2);
        [two * m1 * m2 + c1, m1 * m1 + m2 * m2 + c1, two * s12 + c2, s1 + s2 + c2]
    }
}

pub(crate) fn constants<T: Pixel>() -> [T; 3] {
    [C1, C2, 2.0].map(T::nearest)
}

/// The sum over one channel, and its derivative times `weight`.
fn plane<T: Pixel>(x: &[T], y: &[T], size: [usize; 2], weight: f64, with_gradient: bool) -> (f64, Vec<T>) {
    let seen = Seen::new(x, y, size);
    let (constants, zero, one) = (constants::<T>(), T::nearest(0.0), T::nearest(1.0));
    let (two, g) = (constants[2], T::nearest(weight));
    let mut total = 0.0;
    let kept = if with_gradient { x.len() } else { 0 };
    let (mut p, mut q, mut r) = (vec![zero; kept], vec![zero; kept], vec![zero; kept]);
    for i in 0..x.len() {
        let [a1, b1, a2, b2] = seen.fractions(i, constants);
        let over = one / (b1 * b2);
        let s = a1 * a2 * over;
        total += s.into();
        if with_gradient {
            let (m1, m2) = (seen.mx[i], seen.my[i]);
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

fn window<T: Pixel>() -> [T; TAPS] {
    let weights: [f64; TAPS] = std::array::from_fn(|k| (-0.5 * ((k as f64 - REACH as f64) / SD).powi(2)).exp());
    let total: f64 = weights.iter().sum();
    weights.map(|w| T::nearest(w / total))
}

/// Correlation with the window, zeros around the plane. The window is symmetric, so this is its own adjoint.
pub(crate) fn blur<T: Pixel>(plane: &[T], [width, height]: [usize; 2]) -> Vec<T> {
    let (w, zero) = (window::<T>(), T::nearest(0.0));
    let mut across = vec![zero; plane.len()];
    let mut padded = vec![zero; width + 2 * REACH];
    for (from, to) in plane.chunks_exact(width).zip(across.chunks_exact_mut(width)) {
        padded[REACH..REACH + width].copy_from_slice(from);
        for (k, w) in w.iter().enumerate() {
            to.iter_mut().zip(&padded[k..]).for_each(|(to, from)| *to += *w * *from);
        }
    }
    let mut out = vec![zero; plane.len()];
    for (y, to) in out.chunks_exact_mut(width).enumerate() {
        for (k, w) in w.iter().enumerate() {
            let Some(row) = (y + k).checked_sub(REACH).filter(|row| *row < height) else { continue };
            to.iter_mut().zip(&across[row * width..(row + 1) * width]).for_each(|(to, from)| *to += *w * *from);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;

    #[test]
    fn the_derivative_is_that_of_central_differences() {
        let (w, h) = (13, 9);
        let mut rng = Rng::new(2);
        let (x, y) = (rng.uniforms(3 * w * h), rng.uniforms(3 * w * h));
        let (value, gradient) = ssim_gradient(&x, &y, [w, h]);
        assert!((value - ssim(&x, &y, [w, h])).abs() < 1e-15);
        for k in (0..x.len()).step_by(7) {
            let shifted = |delta: f64| {
                let mut moved = x.clone();
                moved[k] += delta;
                ssim(&moved, &y, [w, h])
            };
            assert!(((shifted(1e-6) - shifted(-1e-6)) / 2e-6 - gradient[k]).abs() < 1e-8, "{k}");
        }
        assert!((ssim(&x, &x, [w, h]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn constant_pictures_compare_by_their_means() {
        // Far from the border a constant picture has no variance. A corner sees zeros beyond.
        let [m1, m2] = [0.5f64, 0.6];
        let middle = (2.0 * m1 * m2 + C1) / (m1 * m1 + m2 * m2 + C1);
        let large = |v: f32| vec![v; 3 * 200 * 200];
        let found = ssim(&large(0.5), &large(0.6), [200, 200]);
        assert!((found - middle).abs() < 0.01, "{found} for {middle}");
    }
}
