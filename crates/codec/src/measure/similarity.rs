//! Structural similarity over scales.

use elbo_core::{Error, Result};

const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);
/// The last of five scales must hold the window.
const LEAST_SIDE: usize = 161;

/// Structural similarity over five scales of bytes `[H, W, C]`, the mean over channels; 1 for equal pictures.
///
/// # Errors
/// [`Error::Data`] when a side is below 161 pixels.
///
/// # Source
/// Wang, Simoncelli and Bovik (2003). Gaussian window of 11 pixels with sigma 1.5, where it fits; the mean of 2 x 2 pixels between scales.
pub fn ms_ssim(a: &[u8], b: &[u8], [h, w, c]: [usize; 3]) -> Result<f64> {
    assert!(a.len() == h * w * c && b.len() == a.len(), "pictures of one size");
    if h.min(w) < LEAST_SIDE {
        return Err(Error::data(
            format!("a picture of {w} x {h} pixels is too small for five scales of similarity"),
            format!("use pictures of at least {LEAST_SIDE} pixels either way, or PSNR"),
        ));
    }
    let plane = |x: &[u8], k: usize| x.iter().skip(k).step_by(c).map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let channel = |k: usize| {
        let (mut x, mut y, mut size) = (plane(a, k), plane(b, k), [h, w]);
        let mut product = 1.0;
        for (scale, weight) in WEIGHTS.iter().enumerate() {
            let (similarity, contrast) = one_scale(&x, &y, size);
            let factor = if scale == WEIGHTS.len() - 1 { similarity } else { contrast };
            // Negative correlations count as none.
            product *= f64::max(factor, 0.0).powf(*weight);
            (x, y) = (halved(&x, size), halved(&y, size));
            size = size.map(|n| n.div_ceil(2));
        }
        product
    };
    Ok((0..c).map(channel).sum::<f64>() / c as f64)
}

/// Similarity in decibels, `-10 log10(1 - s)`.
pub fn ms_ssim_decibels(similarity: f64) -> f64 {
    -10.0 * (1.0 - similarity).log10()
}

/// Mean similarity and mean of its part of contrast and structure.
fn one_scale(x: &[f64], y: &[f64], size: [usize; 2]) -> (f64, f64) {
    let product = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    let [mx, my] = [x, y].map(|v| blurred(v, size));
    let (xx, yy, xy) = (blurred(&product(x, x), size), blurred(&product(y, y), size), blurred(&product(x, y), size));
    let (mut similarity, mut contrast) = (0.0, 0.0);
    for i in 0..mx.len() {
        let (a, b) = (mx[i], my[i]);
        let (vx, vy, cov) = (xx[i] - a * a, yy[i] - b * b, xy[i] - a * b);
        let cs = (2.0 * cov + C2) / (vx + vy + C2);
        contrast += cs;
        similarity += cs * (2.0 * a * b + C1) / (a * a + b * b + C1);
    }
    let n = mx.len() as f64;
    (similarity / n, contrast / n)
}

/// The Gaussian window where it fits.
fn blurred(x: &[f64], [h, w]: [usize; 2]) -> Vec<f64> {
    let raw: Vec<f64> = (0..WINDOW).map(|i| (-0.5 * ((i as f64 - 5.0) / SIGMA).powi(2)).exp()).collect();
    let sum: f64 = raw.iter().sum();
    let window: Vec<f64> = raw.iter().map(|v| v / sum).collect();
    let (hh, ww) = (h + 1 - WINDOW, w + 1 - WINDOW);
    let mut across = vec![0.0; h * ww];
    for y in 0..h {
        for (k, weight) in window.iter().enumerate() {
            let from = &x[y * w + k..y * w + k + ww];
            across[y * ww..(y + 1) * ww].iter_mut().zip(from).for_each(|(s, v)| *s += weight * v);
        }
    }
    let mut out = vec![0.0; hh * ww];
    for y in 0..hh {
        for (k, weight) in window.iter().enumerate() {
            let from = &across[(y + k) * ww..(y + k + 1) * ww];
            out[y * ww..(y + 1) * ww].iter_mut().zip(from).for_each(|(s, v)| *s += weight * v);
        }
    }
    out
}

/// The mean of two by two pixels; an odd last row or column stands for two.
fn halved(x: &[f64], [h, w]: [usize; 2]) -> Vec<f64> {
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
}
