//! Structural similarity over several scales, and its derivative for training.

use crate::similarity::{REACH, Seen, TAPS, blur, constants};
use elbo_core::{Error, Result};
use rayon::prelude::*;

/// Exponents of the scales, the finest first.
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// The last of five scales must hold the window.
const LEAST_SIDE: usize = 161;

/// How many of the five scales a picture has whose smaller side is this: the coarsest of them must hold the window of 11 pixels. Five from
/// 161 pixels on, none below 11.
pub fn scales_held(side: usize) -> usize {
    let sides = std::iter::successors(Some(side), |n| Some(n.div_ceil(2)));
    sides.take(WEIGHTS.len()).take_while(|n| *n >= TAPS).count()
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
/// Wang, Simoncelli and Bovik (2003). The window of [`crate::ssim`] where all of it lies on the picture; the mean of 2 x 2 pixels between
/// scales, where an odd last row or column stands for two.
pub fn ms_ssim(a: &[u8], b: &[u8], [h, w, c]: [usize; 3]) -> Result<f64> {
    assert!(a.len() == h * w * c && b.len() == a.len(), "two pictures of one size are compared");
    if h.min(w) < LEAST_SIDE {
        return Err(Error::data(
            format!("a picture of {w} x {h} pixels is too small for five scales of similarity"),
            format!("use pictures of at least {LEAST_SIDE} pixels either way, or PSNR"),
        ));
    }
    let plane = |x: &[u8], k: usize| x.iter().skip(k).step_by(c).map(|v| f64::from(*v) / 255.0).collect::<Vec<f64>>();
    let channel = |k: usize| product(&pyramid(plane(a, k), plane(b, k), [w, h], &WEIGHTS));
    Ok((0..c).into_par_iter().map(channel).collect::<Vec<f64>>().iter().sum::<f64>() / c as f64)
}

/// [`ms_ssim`] of planes on `[0, 1]` and its derivative in `x`, over as many of the five scales as the smaller side holds
/// ([`scales_held`]); of fewer than five the exponents are divided by their sum. A channel in which a scale has a negative correlation has no
/// similarity and no derivative.
///
/// # Shapes
/// `x`, `y`: `[C, H, W]`; `size` is `[W, H]`. Returns the mean over channels, and its derivative `[C, H, W]`.
///
/// # Errors
/// [`Error::Data`] when a side is below 11 pixels.
///
/// # Panics
/// When the pictures do not have the same size, or not as many numbers as their size says.
///
/// # Source
/// As [`ms_ssim`]. Deviation: fewer scales for small pictures, as parts of photographs in training are.
pub fn ms_ssim_gradient(x: &[f64], y: &[f64], size: [usize; 2]) -> Result<(f64, Vec<f64>)> {
    let [width, height] = size;
    let area = width * height;
    let held = scales_held(width.min(height));
    if held == 0 {
        return Err(Error::data(
            format!("a picture of {width} x {height} pixels does not hold the window of {TAPS} pixels"),
            format!("use pictures of at least {TAPS} pixels either way"),
        ));
    }
    assert!(x.len() == y.len() && x.len().is_multiple_of(area), "two pictures of one size are compared");
    let total: f64 = if held == WEIGHTS.len() { 1.0 } else { WEIGHTS[..held].iter().sum() };
    let weights: Vec<f64> = WEIGHTS[..held].iter().map(|w| w / total).collect();
    let share = area as f64 / x.len() as f64;
    let channels: Vec<(f64, Vec<f64>)> = x
        .par_chunks(area)
        .zip(y.par_chunks(area))
        .map(|(x, y)| {
            let scales = pyramid(x.to_vec(), y.to_vec(), size, &weights);
            let value = product(&scales);
            (value, pulled_back(&scales, share * value))
        })
        .collect();
    let value = channels.iter().map(|(value, _)| value).sum::<f64>() * share;
    Ok((value, channels.into_iter().flat_map(|(_, slope)| slope).collect()))
}

/// Similarity in decibels, `-10 log10(1 - s)`.
pub fn ms_ssim_decibels(similarity: f64) -> f64 {
    -10.0 * (1.0 - similarity).log10()
}

/// Two planes at one scale.
struct Scale {
    x: Vec<f64>,
    y: Vec<f64>,
    size: [usize; 2],
    /// Whether the means count too, as they do at the coarsest scale only.
    is_last: bool,
    exponent: f64,
    /// The mean over the pixels whose window lies on the picture, without its exponent.
    factor: f64,
}

/// Two planes at as many scales as there are exponents, the finest first.
fn pyramid(mut x: Vec<f64>, mut y: Vec<f64>, mut size: [usize; 2], weights: &[f64]) -> Vec<Scale> {
    let mut scales = vec![];
    for (i, exponent) in weights.iter().enumerate() {
        let is_last = i == weights.len() - 1;
        let factor = inside(&x, &y, size, is_last);
        let (small_x, small_y) = (halved(&x, size), halved(&y, size));
        scales.push(Scale { x, y, size, is_last, exponent: *exponent, factor });
        (x, y) = (small_x, small_y);
        size = size.map(|n| n.div_ceil(2));
    }
    scales
}

/// The similarity of one channel; negative correlations count as none.
fn product(scales: &[Scale]) -> f64 {
    scales.iter().map(|s| f64::max(s.factor, 0.0).powf(s.exponent)).product()
}

/// The derivative of the similarity of one channel in its finest plane, times `weight / value`: each factor `f^w` moves the product by
/// `w / f` of it.
fn pulled_back(scales: &[Scale], weight: f64) -> Vec<f64> {
    if weight == 0.0 {
        return vec![0.0; scales[0].x.len()];
    }
    let mut from_coarser: Vec<f64> = vec![];
    for (i, scale) in scales.iter().enumerate().rev() {
        let mut slope = inside_slope(scale, weight * scale.exponent / scale.factor);
        if i + 1 < scales.len() {
            spread(&from_coarser, scale.size, &mut slope);
        }
        from_coarser = slope;
    }
    from_coarser
}

/// Places whose window lies on the picture, row by row.
fn places([width, height]: [usize; 2]) -> impl Iterator<Item = usize> {
    (REACH..height - REACH).flat_map(move |row| (REACH..width - REACH).map(move |column| row * width + column))
}

/// The number of [`places`].
fn count_inside([width, height]: [usize; 2]) -> f64 {
    ((height - 2 * REACH) * (width - 2 * REACH)) as f64
}

/// Mean similarity, or the mean of its part of contrast and structure, over [`places`].
fn inside(x: &[f64], y: &[f64], size: [usize; 2], with_means: bool) -> f64 {
    let seen = Seen::new(x, y, size);
    let mut total = 0.0;
    for i in places(size) {
        let [a1, b1, a2, b2] = seen.fractions(i, constants());
        total += if with_means { a1 / b1 * (a2 / b2) } else { a2 / b2 };
    }
    total / count_inside(size)
}

/// The derivative of [`inside`] in `x`, times `weight`: through the window's mean of x, of its square, and of its product with y.
fn inside_slope(scale: &Scale, weight: f64) -> Vec<f64> {
    let Scale { x, y, size, .. } = scale;
    let seen = Seen::new(x, y, *size);
    let g = weight / count_inside(*size);
    let (mut p, mut q, mut r) = (vec![0.0; x.len()], vec![0.0; x.len()], vec![0.0; x.len()]);
    for i in places(*size) {
        let [a1, b1, a2, b2] = seen.fractions(i, constants());
        let (m1, m2) = (seen.mx[i], seen.my[i]);
        if scale.is_last {
            let over = 1.0 / (b1 * b2);
            let s = a1 * a2 * over;
            p[i] = 2.0 * g * (m2 * (a2 - a1) * over + m1 * s * (1.0 / b2 - 1.0 / b1));
            q[i] = -g * s / b2;
            r[i] = 2.0 * g * a1 * over;
        } else {
            let s = a2 / b2;
            p[i] = 2.0 * g * (m1 * s - m2) / b2;
            q[i] = -g * s / b2;
            r[i] = 2.0 * g / b2;
        }
    }
    let (p, q, r) = (blur(&p, *size), blur(&q, *size), blur(&r, *size));
    (0..x.len()).map(|i| p[i] + 2.0 * x[i] * q[i] + y[i] * r[i]).collect()
}

/// The four places of `[W, H]` whose mean is the place `(y, z)` of the next scale; an odd last row or column stands for two.
fn corners([w, h]: [usize; 2], y: usize, z: usize) -> [usize; 4] {
    let at = |y: usize, z: usize| y.min(h - 1) * w + z.min(w - 1);
    [at(2 * y, 2 * z), at(2 * y, 2 * z + 1), at(2 * y + 1, 2 * z), at(2 * y + 1, 2 * z + 1)]
}

/// The mean of two by two pixels.
fn halved(x: &[f64], size: [usize; 2]) -> Vec<f64> {
    let [w, h] = size;
    let mean = |y: usize, z: usize| {
        let [a, b, c, d] = corners(size, y, z);
        0.25 * (x[a] + x[b] + x[c] + x[d])
    };
    (0..h.div_ceil(2)).flat_map(|y| (0..w.div_ceil(2)).map(move |z| mean(y, z))).collect()
}

/// The adjoint of [`halved`]: adds to each pixel its share of what became of it.
fn spread(coarse: &[f64], size: [usize; 2], fine: &mut [f64]) {
    let across = size[0].div_ceil(2);
    for (i, value) in coarse.iter().enumerate() {
        for at in corners(size, i / across, i % across) {
            fine[at] += 0.25 * value;
        }
    }
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
    fn sides_hold_scales_until_the_window_no_longer_fits() {
        for (side, held) in
            [(0, 0), (10, 0), (11, 1), (20, 1), (21, 2), (32, 2), (64, 3), (160, 4), (161, 5), (5000, 5)]
        {
            assert_eq!(scales_held(side), held, "{side}");
        }
        assert!(ms_ssim_gradient(&[0.5; 110], &[0.5; 110], [11, 10]).is_err());
    }

    /// Two similar pictures `[C, H, W]` without a scale of negative correlation.
    fn pair(count: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Rng::new(seed);
        let y = rng.uniforms(count);
        let x = y.iter().map(|v| 0.7 * v + 0.3 * rng.uniform()).collect();
        (x, y)
    }

    #[test]
    fn the_derivative_is_that_of_central_differences_at_every_number_of_scales() {
        // Odd sides, so that a last row and column stand for two; 161 is the least of five scales.
        for (size, channels, step) in [([15, 12], 3, 11), ([25, 23], 2, 37), ([45, 43], 2, 173), ([161, 163], 1, 2741)]
        {
            let count = channels * size[0] * size[1];
            let (x, y) = pair(count, 4);
            let (value, gradient) = ms_ssim_gradient(&x, &y, size).unwrap();
            assert!(value > 0.3 && value < 1.0, "{size:?}: {value}");
            let largest = gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
            for k in (0..count).step_by(step) {
                let shifted = |delta: f64| {
                    let mut moved = x.clone();
                    moved[k] += delta;
                    ms_ssim_gradient(&moved, &y, size).unwrap().0
                };
                let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                // The last digits of the value limit the difference.
                assert!(
                    (numeric - gradient[k]).abs() < 1e-6 * largest + 3e-9,
                    "{size:?} {k}: {numeric} {}",
                    gradient[k]
                );
            }
        }
    }

    #[test]
    fn over_five_scales_the_value_is_that_of_bytes_and_equal_pictures_are_at_the_top() {
        let (h, w) = (170, 162);
        let (a, b) = (golden_like(h * w, 0), golden_like(h * w, 2));
        let plane = |x: &[u8]| x.iter().map(|v| f64::from(*v) / 255.0).collect::<Vec<f64>>();
        let found = ms_ssim_gradient(&plane(&a), &plane(&b), [w, h]).unwrap().0;
        assert!((found - ms_ssim(&a, &b, [h, w, 1]).unwrap()).abs() < 1e-14, "{found}");
        let (top, flat) = ms_ssim_gradient(&plane(&a), &plane(&a), [w, h]).unwrap();
        assert!((top - 1.0).abs() < 1e-12 && flat.iter().all(|g| g.abs() < 1e-9), "{top}");
    }

    /// Bytes that vary smoothly with some noise on top.
    fn golden_like(count: usize, salt: usize) -> Vec<u8> {
        let mut rng = Rng::new(6);
        (0..count).map(|i| ((i / 40 % 200) as f64 + 20.0 * salt as f64 * rng.uniform()) as u8).collect()
    }

    #[test]
    fn a_negative_correlation_has_no_similarity_and_no_derivative() {
        let x: Vec<f64> = (0..441).map(|i| ((i % 7) as f64) / 7.0).collect();
        let y: Vec<f64> = x.iter().map(|v| 1.0 - v).collect();
        let (value, gradient) = ms_ssim_gradient(&x, &y, [21, 21]).unwrap();
        assert!(value == 0.0 && gradient.iter().all(|g| *g == 0.0), "{value}");
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
