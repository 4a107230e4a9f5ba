//! The discrete Fourier transform of any length, and the periodogram.

use std::f64::consts::TAU;

/// `X_k = Σ_t x_t e^{-2 π i k t / T}`, real and imaginary parts, in O(T log T) for every length (Bluestein's chirps).
pub fn transform(x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = x.len();
    if n.is_power_of_two() {
        let (mut re, mut im) = (x.to_vec(), vec![0.0; n]);
        radix_two(&mut re, &mut im, -1.0);
        return (re, im);
    }
    let m = (2 * n - 1).next_power_of_two();
    // e^{-i π t² / n}; t² modulo 2 n keeps the angle exact.
    let chirp = |t: usize| {
        let angle = -TAU * 0.5 * ((t as u128 * t as u128) % (2 * n as u128)) as f64 / n as f64;
        let (s, c) = angle.sin_cos();
        (c, s)
    };
    let (mut a_re, mut a_im) = (vec![0.0; m], vec![0.0; m]);
    let (mut b_re, mut b_im) = (vec![0.0; m], vec![0.0; m]);
    for t in 0..n {
        let (c, s) = chirp(t);
        (a_re[t], a_im[t]) = (x[t] * c, x[t] * s);
        for at in [t, (m - t) % m] {
            (b_re[at], b_im[at]) = (c, -s);
        }
    }
    radix_two(&mut a_re, &mut a_im, -1.0);
    radix_two(&mut b_re, &mut b_im, -1.0);
    for i in 0..m {
        let (re, im) = (a_re[i] * b_re[i] - a_im[i] * b_im[i], a_re[i] * b_im[i] + a_im[i] * b_re[i]);
        (a_re[i], a_im[i]) = (re, im);
    }
    radix_two(&mut a_re, &mut a_im, 1.0);
    let scale = 1.0 / m as f64;
    (0..n)
        .map(|k| {
            let (c, s) = chirp(k);
            ((a_re[k] * c - a_im[k] * s) * scale, (a_re[k] * s + a_im[k] * c) * scale)
        })
        .unzip()
}

/// In place, length a power of two; `sign` of the exponent.
fn radix_two(re: &mut [f64], im: &mut [f64], sign: f64) {
    let n = re.len();
    let mut j = 0;
    for i in 1..n {
        let mut bit = n >> 1;
        while j & bit != 0 {
            j ^= bit;
            bit >>= 1;
        }
        j |= bit;
        if i < j {
            re.swap(i, j);
            im.swap(i, j);
        }
    }
    let mut width = 2;
    while width <= n {
        let half = width / 2;
        let roots: Vec<(f64, f64)> = (0..half).map(|k| (sign * TAU * k as f64 / width as f64).sin_cos()).collect();
        for first in (0..n).step_by(width) {
            for (k, (s, c)) in roots.iter().enumerate() {
                let (low, high) = (first + k, first + k + half);
                let (r, i) = (re[high] * c - im[high] * s, re[high] * s + im[high] * c);
                (re[high], im[high]) = (re[low] - r, im[low] - i);
                (re[low], im[low]) = (re[low] + r, im[low] + i);
            }
        }
        width *= 2;
    }
}

/// `I(w_k) = |Σ_t (y_t - mean) e^{-i w_k t}|² / T` at `w_k = 2 π k / T`, `k = 1 ... T/2`: `[T / 2]`, without the zero frequency.
pub fn periodogram(y: &[f64]) -> Vec<f64> {
    let n = y.len();
    let mean = y.iter().sum::<f64>() / n as f64;
    let centred: Vec<f64> = y.iter().map(|v| v - mean).collect();
    let (re, im) = transform(&centred);
    (1..=n / 2).map(|k| (re[k] * re[k] + im[k] * im[k]) / n as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_of_any_length_equal_the_sum() {
        for n in [1, 2, 3, 8, 12, 31] {
            let x: Vec<f64> = (0..n).map(|t| ((t * t) as f64 * 0.37).sin()).collect();
            let (re, im) = transform(&x);
            for k in 0..n {
                let angle = |t: usize| -TAU * (k * t) as f64 / n as f64;
                let c: f64 = (0..n).map(|t| x[t] * angle(t).cos()).sum();
                let s: f64 = (0..n).map(|t| x[t] * angle(t).sin()).sum();
                assert!((re[k] - c).abs() < 1e-12 && (im[k] - s).abs() < 1e-12, "length {n}, k {k}");
            }
        }
    }
}
