//! Structural similarity, of one scale and of five.

use elbo_core::{Error, Result};
use rayon::prelude::*;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// Taps of the window.
const TAPS: usize = 11;
const REACH: usize = TAPS / 2;
const SD: f64 = 1.5;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;
/// Exponents of the scales, the finest first.
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// The last of five scales must hold the window.
const LEAST_SIDE: usize = 161;

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
struct Seen<T> {
    mx: Vec<T>,
    my: Vec<T>,
    xx: Vec<T>,
    yy: Vec<T>,
    xy: Vec<T>,
}

impl<T: Pixel> Seen<T> {
    fn new(x: &[T], y: &[T], size: [usize; 2]) -> Self {
        let times = |a: &[T], b: &[T]| blur(&a.iter().zip(b).map(|(a, b)| *a * *b).collect::<Vec<T>>(), size);
        Self { mx: blur(x, size), my: blur(y, size), xx: times(x, x), yy: times(y, y), xy: times(x, y) }
    }

    /// Above and below the fraction of the means, then those of contrast and structure: the similarity is the product of both fractions.
    #[inline(always)]
    fn fractions(&self, i: usize, [c1, c2, two]: [T; 3]) -> [T; 4] {
        let (m1, m2) = (self.mx[i], self.my[i]);
        let (s1, s2, s12) = (self.xx[i] - m1 * m1, self.yy[i] - m2 * m2, self.xy[i] - m1 * m2);
        [two * m1 * m2 + c1, m1 * m1 + m2 * m2 + c1, two * s12 + c2, s1 + s2 + c2]
    }
}

fn constants<T: Pixel>() -> [T; 3] {
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
fn blur<T: Pixel>(plane: &[T], [width, height]: [usize; 2]) -> Vec<T> {
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

/// Structural similarity over five scales of bytes `[H, W, C]`, the mean over channels; 1 for equal pictures.
///
/// # Errors
/// [`Error::Data`] when a side is below 161 pixels.
///
/// # Panics
/// When a picture does not have as many bytes as its size says.
///
/// # Source
/// Wang, Simoncelli and Bovik (2003). The window of [`ssim`] where all of it lies on the picture; the mean of 2 x 2 pixels between scales,
/// where an odd last row or column stands for two.
pub fn ms_ssim(a: &[u8], b: &[u8], [h, w, c]: [usize; 3]) -> Result<f64> {
    assert!(a.len() == h * w * c && b.len() == a.len(), "two pictures of one size are compared");
    if h.min(w) < LEAST_SIDE {
        return Err(Error::data(
            format!("a picture of {w} x {h} pixels is too small for five scales of similarity"),
            format!("use pictures of at least {LEAST_SIDE} pixels either way, or PSNR"),
        ));
    }
    let plane = |x: &[u8], k: usize| x.iter().skip(k).step_by(c).map(|v| f64::from(*v) / 255.0).collect::<Vec<f64>>();
    let channel = |k: usize| {
        let (mut x, mut y, mut size) = (plane(a, k), plane(b, k), [w, h]);
        let mut product = 1.0;
        for (scale, weight) in WEIGHTS.iter().enumerate() {
            let (similarity, contrast) = inside(&x, &y, size);
            let factor = if scale == WEIGHTS.len() - 1 { similarity } else { contrast };
            // Negative correlations count as none.
            product *= f64::max(factor, 0.0).powf(*weight);
            (x, y) = (halved(&x, size), halved(&y, size));
            size = size.map(|n| n.div_ceil(2));
        }
        product
    };
    Ok((0..c).into_par_iter().map(channel).collect::<Vec<f64>>().iter().sum::<f64>() / c as f64)
}

/// Similarity in decibels, `-10 log10(1 - s)`.
pub fn ms_ssim_decibels(similarity: f64) -> f64 {
    -10.0 * (1.0 - similarity).log10()
}

/// Mean similarity, and mean of its part of contrast and structure, over the pixels whose window lies on the picture.
fn inside(x: &[f64], y: &[f64], [width, height]: [usize; 2]) -> (f64, f64) {
    let seen = Seen::new(x, y, [width, height]);
    let (mut similarity, mut contrast) = (0.0, 0.0);
    for row in REACH..height - REACH {
        for column in REACH..width - REACH {
            let [a1, b1, a2, b2] = seen.fractions(row * width + column, constants());
            contrast += a2 / b2;
            similarity += a1 / b1 * (a2 / b2);
        }
    }
    let n = ((height - 2 * REACH) * (width - 2 * REACH)) as f64;
    (similarity / n, contrast / n)
}

/// The mean of two by two pixels; an odd last row or column stands for two.
fn halved(x: &[f64], [w, h]: [usize; 2]) -> Vec<f64> {
    let at = |y: usize, z: usize| x[y.min(h - 1) * w + z.min(w - 1)];
    let mean = |y: usize, z: usize| 0.25 * (at(y, z) + at(y, z + 1) + at(y + 1, z) + at(y + 1, z + 1));
    (0..h.div_ceil(2)).flat_map(|y| (0..w.div_ceil(2)).map(move |z| mean(2 * y, 2 * z))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;

    #[test]
    fn equal_pictures_have_one_and_more_noise_has_less() {
        let shape = [170, 180, 3];
        let at = |i: usize| 128.0 + 60.0 * ((i / 540) as f64 / 9.0).sin() + 40.0 * ((i % 540) as f64 / 31.0).cos();
        let clean: Vec<u8> = (0..170 * 540).map(|i| at(i) as u8).collect();
        let mut rng = Rng::new(1);
        let mut noisy = |sd: f64| -> Vec<u8> {
            clean.iter().map(|v| (f64::from(*v) + sd * rng.normal()).clamp(0.0, 255.0) as u8).collect()
        };
        assert_eq!(ms_ssim(&clean, &clean, shape).unwrap(), 1.0);
        let (a, b) = (ms_ssim(&clean, &noisy(3.0), shape).unwrap(), ms_ssim(&clean, &noisy(20.0), shape).unwrap());
        assert!(b < a && a < 1.0 && b > 0.3, "{a} {b}");
        assert!(ms_ssim_decibels(a) > ms_ssim_decibels(b));
        assert!(ms_ssim(&clean[..160 * 540], &clean[..160 * 540], [160, 180, 3]).is_err());
    }

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

    /// Pictures that `golden/make_similarity.py` makes alike: integer arithmetic only.
    fn golden(salt: u64) -> Vec<u8> {
        let (h, w) = (176u64, 208u64);
        let mut out = vec![];
        for i in 0..h * w * 3 {
            let (y, x, k) = (i / (w * 3), i / 3 % w, i % 3);
            let smooth = (y * (3 + k) + x * 2 + (y * x) / 29) % 512;
            let smooth = if smooth < 256 { smooth } else { 511 - smooth };
            let noise = (i * 2_654_435_761 + salt * 40_503) % 4_294_967_296 / 16_777_216;
            out.push(((smooth * 6 + noise * (1 + salt)) / 8).min(255) as u8);
        }
        out
    }

    #[test]
    fn five_scales_have_the_golden_value() {
        let shape = [176, 208, 3];
        for (a, b, expected) in [(0, 1, GOLDEN[0]), (0, 3, GOLDEN[1])] {
            let found = ms_ssim(&golden(a), &golden(b), shape).unwrap();
            // Both in double precision; the order of sums differs.
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    /// pytorch-msssim 1.0.0 on torch 2.15.0, by `golden/make_similarity.py`.
    const GOLDEN: [f64; 2] = [0.987_028_187_322_936_6, 0.924_619_437_723_269];
}
