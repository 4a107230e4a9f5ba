//! Learning in the frequency domain: the spectrum of a sampled kernel, and Whittle's likelihood of regular series.

use crate::fourier;
use crate::kernel::{Block, Factor, Kernel};
use crate::model::{StateSpace, block_transition};
use crate::scalar::{Dual, Real};
use elbo_core::{Error, Result};

/// The spectrum of `f` sampled every `width`, aliasing included, at these angular frequencies per step; its mean over `(-π, π]` is the
/// variance of `f`.
///
/// # Errors
/// [`Error::Setting`] for kernels without a continuous spectrum.
pub fn spectrum(kernel: &Kernel, width: f64, frequencies: &[f64]) -> Result<Vec<f64>> {
    let space = space(kernel)?;
    let parts = parts(&space, width, None);
    Ok(frequencies.iter().map(|w| density(&parts, *w).v).collect())
}

/// The spectrum of `f` in continuous time at these angular frequencies a unit of time, two-sided: `k(τ) = ∫ S(w) cos(w τ) dw / 2π`. That of `f`
/// sampled every `width`, [`spectrum`], is `Σ_m S((w + 2 π m) / width) / width`.
///
/// $$ S(w) = \frac{\sigma^2 (2 \lambda)^{2p+1} (p!)^2}{(2p)! \, (\lambda^2 + w^2)^{p+1}} $$
///
/// for a Matérn kernel with `λ = sqrt(2 p + 1) / l`; a cosine that multiplies it moves half of it to either side.
///
/// # Errors
/// [`Error::Setting`] for kernels without a continuous spectrum, and for those of which a term has another form than this: squared exponentials, and
/// products of two Matérn kernels.
pub fn continuous(kernel: &Kernel, frequencies: &[f64]) -> Result<Vec<f64>> {
    let space = space(kernel)?;
    let mut out = vec![0.0; frequencies.len()];
    for block in space.blocks() {
        let (order, rate, centres) = matern_around(block).ok_or_else(|| Error::Setting {
            setting: "kernel".into(),
            found: kernel.to_string(),
            expected: "a kernel whose terms have one Matérn factor each; `spectrum` takes others".into(),
        })?;
        // 2^{2p+1} (p!)² / (2p)!, as a product.
        let constant = (1..=order).fold(2.0, |c, k| c * 2.0 * k as f64 / (2.0 * k as f64 - 1.0));
        let share = block.scale * block.scale * constant / (rate * centres.len() as f64);
        let around = |w: f64| -> f64 {
            centres.iter().map(|c| (1.0 + ((w - c) / rate).powi(2)).powi(-(order as i32 + 1))).sum()
        };
        out.iter_mut().zip(frequencies).for_each(|(s, w)| *s += share * around(*w));
    }
    Ok(out)
}

/// Order and rate of a block's only Matérn factor, and the frequencies to which its rotations move it; `None` for other blocks.
fn matern_around(block: &Block) -> Option<(usize, f64, Vec<f64>)> {
    let (mut matern, mut centres) = (None, vec![0.0]);
    for (factor, rate) in block.factors.iter().zip(&block.rates) {
        match factor {
            Factor::Matern(order) if matern.is_none() => matern = Some((*order, *rate)),
            Factor::Rotation => centres = centres.iter().flat_map(|c: &f64| [c - rate, c + rate]).collect(),
            _ => return None,
        }
    }
    matern.map(|(order, rate)| (order, rate, centres))
}

/// Whittle's log likelihood of a series sampled every `width` with this [`periodogram`](crate::fourier::periodogram), and its derivatives by
/// the logarithms of the kernel's parameters. `length` is the series' number of steps; periodograms of several series or draws may be
/// averaged before.
///
/// $$ -\sum_{0<k<T/2} \left[\log S(w_k) + I(w_k) / S(w_k)\right] $$
///
/// and half of such a term at the highest frequency of an even length. Constants are left out, and so is the zero frequency.
///
/// # Errors
/// As [`spectrum`].
pub fn log_likelihood(kernel: &Kernel, width: f64, length: usize, periodogram: &[f64]) -> Result<(f64, Vec<f64>)> {
    assert_eq!(periodogram.len(), length / 2, "a periodogram has T / 2 entries");
    let space = space(kernel)?;
    let mut gradient = vec![];
    let mut value = 0.0;
    for parameter in 0..space.parameters() {
        let parts = parts(&space, width, Some(parameter));
        let mut sum = Dual::of(0.0);
        for (i, power) in periodogram.iter().enumerate() {
            let k = i + 1;
            let s = density(&parts, std::f64::consts::TAU * k as f64 / length as f64);
            let weight = if 2 * k == length { 0.5 } else { 1.0 };
            sum -= Dual::of(weight) * (s.ln() + Dual::of(*power) / s);
        }
        value = sum.v;
        gradient.push(sum.d);
    }
    Ok((value, gradient))
}

/// A window over a regular series, and what it does to the expected periodogram.
///
/// The spectrum of a smooth process falls by many decades, and the plain periodogram leaks its low frequencies over the high ones; a Hann window
/// does not. What is left of the bias is known exactly and goes into the likelihood.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Weights of the steps, `[T]`; their squares add up to `T`.
    weights: Vec<f64>,
    /// `Σ_t h_t h_{t+j} / T` for `j = 0 ... T - 1`.
    lags: Vec<f64>,
}

impl Window {
    /// No window: every step counts the same.
    pub fn flat(length: usize) -> Self {
        let lags = (0..length).map(|j| 1.0 - j as f64 / length as f64).collect();
        Self { weights: vec![1.0; length], lags }
    }

    /// Hann's window.
    pub fn hann(length: usize) -> Self {
        let n = length as f64;
        let mut weights: Vec<f64> =
            (0..length).map(|t| (std::f64::consts::PI * (t as f64 + 0.5) / n).sin().powi(2)).collect();
        let scale = (n / weights.iter().map(|h| h * h).sum::<f64>()).sqrt();
        weights.iter_mut().for_each(|h| *h *= scale);
        // The autocorrelation by two transforms of twice the length.
        let mut padded = weights.clone();
        padded.resize(2 * length, 0.0);
        let (re, im) = fourier::transform(&padded);
        let power: Vec<f64> = re.iter().zip(&im).map(|(a, b)| a * a + b * b).collect();
        let (back, _) = fourier::transform(&power);
        let lags = back[..length].iter().map(|r| r / (2.0 * n * n)).collect();
        Self { weights, lags }
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The periodogram of a series less its mean, under the window: `[T / 2]`, without the zero frequency.
    pub fn periodogram(&self, y: &[f64]) -> Vec<f64> {
        assert_eq!(y.len(), self.len(), "the window is for series of another length");
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        let seen: Vec<f64> = y.iter().zip(&self.weights).map(|(y, h)| h * (y - mean)).collect();
        let (re, im) = fourier::transform(&seen);
        (1..=y.len() / 2).map(|k| (re[k] * re[k] + im[k] * im[k]) / y.len() as f64).collect()
    }
}

/// [`log_likelihood`] with the periodogram's exact expectation in place of the spectrum (Sykulski et al. 2019):
/// `E I(w) = Σ_{|j|<T} c_j k(j width) cos(w j)`, with the lags `c` of the window, by one transform.
///
/// # Errors
/// As [`spectrum`].
pub fn debiased(kernel: &Kernel, width: f64, window: &Window, periodogram: &[f64]) -> Result<(f64, Vec<f64>)> {
    let length = window.len();
    assert_eq!(periodogram.len(), length / 2, "a periodogram has T / 2 entries");
    let space = space(kernel)?;
    let mut gradient = vec![];
    let mut value = 0.0;
    for parameter in 0..space.parameters() {
        let covariances = covariances(&space, &parts(&space, width, Some(parameter)), length);
        let weighted = |part: fn(&Dual) -> f64| -> Vec<f64> {
            let twice = |(j, (c, k)): (usize, (&f64, &Dual))| if j == 0 { c * part(k) } else { 2.0 * c * part(k) };
            fourier::transform(&window.lags.iter().zip(&covariances).enumerate().map(twice).collect::<Vec<f64>>()).0
        };
        let (expected, slope) = (weighted(|k| k.v), weighted(|k| k.d));
        // Rounding of the transform must not make a tiny expectation negative.
        let floor = 1e-13 * covariances[0].v;
        let mut sum = Dual::of(0.0);
        for (i, power) in periodogram.iter().enumerate() {
            let k = i + 1;
            let s = Dual::new(expected[k].max(0.0) + floor, slope[k]);
            let weight = if 2 * k == length { 0.5 } else { 1.0 };
            sum -= Dual::of(weight) * (s.ln() + Dual::of(*power) / s);
        }
        value = sum.v;
        gradient.push(sum.d);
    }
    Ok((value, gradient))
}

/// `k(j width)` for `j = 0 ... length - 1`: `variance · e₁' A^j P e₁`.
fn covariances(space: &StateSpace, parts: &[Part], length: usize) -> Vec<Dual> {
    let mut out = vec![Dual::of(0.0); length];
    for (part, start) in parts.iter().zip(space.starts()) {
        let n = part.size;
        let mut x: Vec<Dual> = (0..n).map(|i| Dual::of(start[i * n])).collect();
        for total in &mut out {
            *total += part.variance * x[0];
            let mut next = vec![Dual::of(0.0); n];
            for i in 0..n {
                for j in 0..n {
                    next[i] += part.a[i * n + j] * x[j];
                }
            }
            x = next;
        }
    }
    out
}

fn space(kernel: &Kernel) -> Result<StateSpace> {
    let space = StateSpace::new(kernel, 0.0)?;
    let has_lines = |b: &crate::kernel::Block| !b.factors.iter().any(|f| f.forgets());
    if space.blocks().iter().any(has_lines) {
        return Err(Error::Setting {
            setting: "kernel".into(),
            found: kernel.to_string(),
            expected: "a kernel with a continuous spectrum for Whittle's likelihood: every term with a Matérn or squared exponential factor"
                .into(),
        });
    }
    Ok(space)
}

/// A block's variance, transition and process covariance, with derivatives by the logarithm of one parameter.
struct Part {
    variance: Dual,
    size: usize,
    a: Vec<Dual>,
    q: Vec<Dual>,
}

fn parts(space: &StateSpace, width: f64, by: Option<usize>) -> Vec<Part> {
    let part = |block: &crate::kernel::Block| {
        let slope: f64 = block.scale_slopes.iter().filter(|(i, _)| Some(*i) == by).map(|s| s.1).sum();
        let scale = Dual::new(block.scale, slope * block.scale);
        let rates: Vec<Dual> = block
            .rates
            .iter()
            .zip(&block.rate_parameters)
            .map(|(r, p)| Dual::new(*r, if p.is_some() && *p == by { -r } else { 0.0 }))
            .collect();
        let (a, q) = block_transition(block, &rates, width);
        Part { variance: scale * scale, size: block.factors.iter().map(|f| f.size()).product(), a, q }
    };
    space.blocks().iter().map(part).collect()
}

/// `Σ variance · x Q x*` with `x = e₁' (I - A e^{-iw})⁻¹`.
fn density(parts: &[Part], w: f64) -> Dual {
    let (sin, cos) = w.sin_cos();
    let zero = Dual::of(0.0);
    let mut total = zero;
    for part in parts {
        let n = part.size;
        // The transposed system (I - A e^{-iw})' x' = e₁; entries are (real, imaginary).
        let mut m: Vec<(Dual, Dual)> = vec![(zero, zero); n * n];
        for i in 0..n {
            for j in 0..n {
                let a = part.a[j * n + i];
                let one = Dual::of(if i == j { 1.0 } else { 0.0 });
                m[i * n + j] = (one - a * Dual::of(cos), a * Dual::of(sin));
            }
        }
        let mut x = vec![(zero, zero); n];
        x[0].0 = Dual::of(1.0);
        eliminate(&mut m, &mut x, n);
        let mut sum = zero;
        for i in 0..n {
            for j in 0..n {
                // The imaginary parts cancel, Q being symmetric.
                sum += part.q[i * n + j] * (x[i].0 * x[j].0 + x[i].1 * x[j].1);
            }
        }
        total += part.variance * sum;
    }
    total
}

type Complex = (Dual, Dual);

fn times(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn over(a: Complex, b: Complex) -> Complex {
    let norm = b.0 * b.0 + b.1 * b.1;
    let product = times(a, (b.0, -b.1));
    (product.0 / norm, product.1 / norm)
}

fn minus(a: Complex, b: Complex) -> Complex {
    (a.0 - b.0, a.1 - b.1)
}

/// Solves `m x = x₀` in place, with row pivots. The systems here are never singular: the spectral radius of `A` is below one.
fn eliminate(m: &mut [Complex], x: &mut [Complex], n: usize) {
    let size = |z: &Complex| z.0.v.abs() + z.1.v.abs();
    for j in 0..n {
        let pivot = (j..n).max_by(|p, q| size(&m[p * n + j]).total_cmp(&size(&m[q * n + j]))).unwrap_or(j);
        if pivot != j {
            (0..n).for_each(|k| m.swap(pivot * n + k, j * n + k));
            x.swap(pivot, j);
        }
        for i in j + 1..n {
            let factor = over(m[i * n + j], m[j * n + j]);
            for k in j..n {
                m[i * n + k] = minus(m[i * n + k], times(factor, m[j * n + k]));
            }
            x[i] = minus(x[i], times(factor, x[j]));
        }
    }
    for j in (0..n).rev() {
        for k in j + 1..n {
            x[j] = minus(x[j], times(m[j * n + k], x[k]));
        }
        x[j] = over(x[j], m[j * n + j]);
    }
}
