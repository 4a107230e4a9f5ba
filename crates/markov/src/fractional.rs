//! Fractional Brownian motion as a sum of a few Ornstein-Uhlenbeck processes that share one Wiener process.
//!
//! $$ B(t) \approx \sum_k w_k (Y_k(t) - Y_k(0)), \qquad dY_k = -\gamma_k Y_k \, dt + dW $$
//!
//! Rates `γ` are geometric, weights minimise the mean squared distance over a horizon, in closed form. What is left of it is
//! [`Fractional::error`]; [`Fractional::chain`] makes a Kalman model of it, with its exact transition. [`davies_harte`] draws exact paths.
//!
//! # Source
//! Daems, Opper, Crevecoeur and Birdal (2024), *Variational inference for SDEs driven by fractional noise*; the closed forms of the weights hold for
//! both types, and rates may lie off the centre, which the first type needs away from H = 1/2.

use crate::fourier;
use crate::model::{Chain, Grid, Place};
use crate::small;
use elbo_core::{Error, Result, Rng, ensure};
use elbo_linalg::{MatRef, syevd};
use elbo_tensor::special::{gamma_p, gamma_q, lgamma};

/// Where the processes start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Stationary, as in Mandelbrot and van Ness's representation: increments are stationary.
    Stationary,
    /// At zero, as in Riemann and Liouville's.
    Zero,
}

/// An approximation of standard fractional Brownian motion (of variance one at time one, for [`Kind::Stationary`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Fractional {
    /// The Hurst index, in (0, 1).
    pub hurst: f64,
    /// Where the processes start.
    pub kind: Kind,
    /// Rates, `[K]`, increasing, in the inverse of the unit of time.
    pub rates: Vec<f64>,
    /// Weights, `[K]`.
    pub weights: Vec<f64>,
    /// Mean squared distance from the process over the horizon, divided by the mean square of the process.
    pub error: f64,
}

/// `count` rates from `low` to `high`, each the same multiple of the one before.
pub fn geometric(count: usize, low: f64, high: f64) -> Vec<f64> {
    let share = |k: usize| if count > 1 { k as f64 / (count - 1) as f64 } else { 0.5 };
    (0..count).map(|k| low.powf(1.0 - share(k)) * high.powf(share(k))).collect()
}

impl Fractional {
    /// The best weights for these rates over `[0, horizon]`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a Hurst index outside (0, 1), a horizon that is not positive, and rates that are not.
    pub fn new(hurst: f64, kind: Kind, rates: &[f64], horizon: f64) -> Result<Self> {
        ensure("hurst", hurst, hurst > 0.0 && hurst < 1.0, "between 0 and 1")?;
        ensure("horizon", horizon, horizon > 0.0 && horizon.is_finite(), "positive")?;
        let is_positive = !rates.is_empty() && rates.iter().all(|g| *g > 0.0 && g.is_finite());
        ensure("rates", format!("{rates:?}"), is_positive, "one or more positive numbers")?;
        // In units of the horizon; a rate's weight then has the unit of time to the power of H - 1/2.
        let scaled: Vec<f64> = rates.iter().map(|g| g * horizon).collect();
        let (weights, error) = weights(hurst, kind, &scaled)?;
        let unit = horizon.powf(hurst - 0.5) * standard(hurst, kind);
        Ok(Self { hurst, kind, rates: rates.to_vec(), weights: weights.iter().map(|w| w * unit).collect(), error })
    }

    /// As few rates as reach `tolerance` (0.01 is usual), of at most 16, between ends that suit the index; the best of all where none does, which
    /// [`Fractional::error`] tells.
    ///
    /// # Errors
    /// As [`Fractional::new`].
    pub fn automatic(hurst: f64, kind: Kind, horizon: f64, tolerance: f64) -> Result<Self> {
        let mut best: Option<Self> = None;
        for count in [3, 5, 8, 10, 12, 14, 16] {
            for low in [0.05, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6] {
                for high in [20.0, 1e2, 1e3, 1e4, 1e5, 1e6] {
                    let rates = geometric(count, low / horizon, high / horizon);
                    let found = Self::new(hurst, kind, &rates, horizon)?;
                    if best.as_ref().is_none_or(|b| found.error < b.error) {
                        best = Some(found);
                    }
                }
            }
            if best.as_ref().is_some_and(|b| b.error <= tolerance) {
                break;
            }
        }
        Ok(best.expect("some ends were tried"))
    }

    /// Covariance of the approximation at two times, in closed form.
    pub fn covariance(&self, t: f64, s: f64) -> f64 {
        let mut sum = 0.0;
        for (a, w) in self.rates.iter().zip(&self.weights) {
            for (b, v) in self.rates.iter().zip(&self.weights) {
                let later = if t >= s { a * (t - s) } else { b * (s - t) };
                sum += w
                    * v
                    * match self.kind {
                        // e^{-later} (1 - e^{-(a + b) min}) / (a + b).
                        Kind::Zero => -(-later).exp() * (-(a + b) * t.min(s)).exp_m1() / (a + b),
                        // (e^{-later} - 1 + 1 - e^{-a t} + 1 - e^{-b s}) / (a + b).
                        Kind::Stationary => ((-later).exp_m1() - (-a * t).exp_m1() - (-b * s).exp_m1()) / (a + b),
                    };
            }
        }
        sum
    }

    /// The approximation as a Markov chain with one output at these times, from zero on, for [`run`](crate::run): its state is `Y - Y(0)`,
    /// and for [`Kind::Stationary`] also `Y(0)`.
    ///
    /// # Errors
    /// As [`Grid::new`]; [`Error::Data`] for times before zero.
    pub fn chain(&self, times: &[f64]) -> Result<Chain<f64>> {
        let grid = Grid::new(times)?;
        if times[0] < 0.0 {
            return Err(Error::data(
                format!("time {} lies before zero", times[0]),
                "count times from the path's start",
            ));
        }
        let (k, twice) = (self.rates.len(), self.kind == Kind::Stationary);
        let n = if twice { 2 * k } else { k };
        let (mut a, mut q) = (vec![], vec![]);
        for gap in grid.gaps() {
            let (mut own_a, mut own_q) = (vec![0.0; n * n], vec![0.0; n * n]);
            for (i, g) in self.rates.iter().enumerate() {
                own_a[i * n + i] = (-g * gap).exp();
                if twice {
                    own_a[i * n + k + i] = (-g * gap).exp_m1();
                    own_a[(k + i) * n + k + i] = 1.0;
                }
                for (j, o) in self.rates.iter().enumerate() {
                    own_q[i * n + j] = -(-(g + o) * gap).exp_m1() / (g + o);
                }
            }
            a.extend(own_a);
            q.extend(own_q);
        }
        let mut start = vec![0.0; n * n];
        for (i, g) in self.rates.iter().enumerate() {
            for (j, o) in self.rates.iter().enumerate() {
                let fallen = |rate: f64| -(-rate * times[0]).exp_m1() / (g + o);
                if twice {
                    start[i * n + j] = fallen(*g) + fallen(*o);
                    start[i * n + k + j] = -fallen(*g);
                    start[(k + i) * n + j] = -fallen(*o);
                    start[(k + i) * n + k + j] = 1.0 / (g + o);
                } else {
                    start[i * n + j] = fallen(g + o);
                }
            }
        }
        let mut h = self.weights.clone();
        h.resize(n, 0.0);
        Ok(Chain {
            places: vec![Place { at: 0, size: n, packed: 0 }],
            size: n,
            packed: n * n,
            outputs: 1,
            h,
            start: small::symmetrised(start, n),
            a,
            q,
            gap: grid.gap_indices().to_vec(),
        })
    }
}

/// What a unit path is multiplied with to have variance one at time one: exactly for [`Kind::Stationary`]; for [`Kind::Zero`] the same representation
/// with `1 / Γ(H + 1/2)` as its kernel has variance `1 / (2 H Γ(H + 1/2)²)`.
fn standard(hurst: f64, kind: Kind) -> f64 {
    match kind {
        Kind::Stationary => (lgamma(2.0 * hurst + 1.0).exp() * (std::f64::consts::PI * hurst).sin()).sqrt(),
        Kind::Zero => (2.0 * hurst).sqrt() * lgamma(hurst + 0.5).exp(),
    }
}

/// Weights that minimise `∫_0^1 E (B - Σ w_k (Y_k - Y_k(0)))² dt`, and what is left of `∫ E B²`, as a share.
fn weights(hurst: f64, kind: Kind, rates: &[f64]) -> Result<(Vec<f64>, f64)> {
    let k = rates.len();
    let alpha = hurst + 0.5;
    // (x + e^{-x} - 1) / x².
    let phi = |x: f64| {
        if x < 1e-2 { 0.5 - x / 6.0 + x * x / 24.0 - x.powi(3) / 120.0 } else { (x + (-x).exp_m1()) / (x * x) }
    };
    let mut a = vec![0.0; k * k];
    for (i, g) in rates.iter().enumerate() {
        for (j, o) in rates.iter().enumerate() {
            a[i * k + j] = match kind {
                Kind::Zero => phi(g + o),
                Kind::Stationary => (g * phi(*g) + o * phi(*o)) / (g + o),
            };
        }
    }
    let b: Vec<f64> = rates
        .iter()
        .map(|g| match kind {
            Kind::Zero => g.powf(-alpha) * gamma_p(alpha, *g) - alpha * g.powf(-alpha - 1.0) * gamma_p(alpha + 1.0, *g),
            Kind::Stationary => g.powf(-alpha - 1.0) * stationary_side(alpha, *g),
        })
        .collect();
    let square = match kind {
        Kind::Zero => 1.0 / (2.0 * hurst * (2.0 * hurst + 1.0) * (2.0 * lgamma(alpha)).exp()),
        Kind::Stationary => {
            1.0 / ((2.0 * hurst + 1.0) * lgamma(2.0 * hurst + 1.0).exp() * (std::f64::consts::PI * hurst).sin())
        }
    };
    // The system is close to singular: directions below the accuracy of its entries are left out. Rows are scaled to a unit diagonal first.
    let scale: Vec<f64> = (0..k).map(|i| a[i * k + i].sqrt()).collect();
    let scaled: Vec<f64> = (0..k * k).map(|i| a[i] / (scale[i / k] * scale[i % k])).collect();
    let eigen = syevd(MatRef::row_major(&scaled, k, k))
        .map_err(|e| Error::numerical(e.to_string(), "take fewer rates, or rates further apart"))?;
    let largest = eigen.values.iter().fold(0.0, |m: f64, v| m.max(*v));
    let mut w = vec![0.0; k];
    for (c, value) in eigen.values.iter().enumerate().filter(|(_, v)| **v > 1e-13 * largest) {
        let along: f64 = (0..k).map(|i| eigen.vectors[i * k + c] * b[i] / scale[i]).sum();
        (0..k).for_each(|i| w[i] += eigen.vectors[i * k + c] * along / value / scale[i]);
    }
    let aw = small::product(&a, &w, k, k, 1);
    let left: f64 = w.iter().zip(&aw).zip(&b).map(|((w, aw), b)| w * (aw - 2.0 * b)).sum();
    Ok((w, ((left + square) / square).max(0.0)))
}

/// `2 x - x^α / Γ(α + 1) + e^{-x} - e^x Q(α, x)`, without cancellation where `x` is small and without overflow where it is large.
fn stationary_side(alpha: f64, x: f64) -> f64 {
    if x < 2.0 {
        // -2 (sinh x - x) + x^α Σ_{n≥1} x^n / Γ(α + n + 1).
        let (mut odd, mut term, mut n) = (0.0, x, 1.0);
        while term.abs() > 1e-18 * x {
            term *= x * x / ((n + 1.0) * (n + 2.0));
            n += 2.0;
            odd += term;
        }
        let (mut sum, mut term, mut n) = (0.0, 1.0 / lgamma(alpha + 1.0).exp(), 0.0);
        loop {
            n += 1.0;
            term *= x / (alpha + n);
            sum += term;
            if term < 1e-18 * sum {
                return x.powf(alpha) * sum - 2.0 * odd;
            }
        }
    }
    2.0 * x - x.powf(alpha) / lgamma(alpha + 1.0).exp() + (-x).exp() - scaled_upper_gamma(alpha, x)
}

/// `e^x Q(α, x)`: by Legendre's continued fraction from 10 on.
fn scaled_upper_gamma(alpha: f64, x: f64) -> f64 {
    if x < 10.0 {
        return x.exp() * gamma_q(alpha, x);
    }
    // Lentz's method.
    let mut b = x + 1.0 - alpha;
    let mut c = 1e300;
    let mut d = 1.0 / b;
    let mut value = d;
    for n in 1..300 {
        let an = -f64::from(n) * (f64::from(n) - alpha);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        value *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    x.powf(alpha) * value / lgamma(alpha).exp()
}

/// An exact path of standard fractional Brownian motion at `1, 2, ... steps` times `width`, by embedding the covariance of its increments in a circulant
/// (Davies and Harte 1987): `O(T log T)`.
///
/// # Errors
/// [`Error::Setting`] for an index outside (0, 1) or a width that is not positive.
pub fn davies_harte(hurst: f64, width: f64, steps: usize, rng: &mut Rng) -> Result<Vec<f64>> {
    ensure("hurst", hurst, hurst > 0.0 && hurst < 1.0, "between 0 and 1")?;
    ensure("width", width, width > 0.0 && width.is_finite(), "positive")?;
    if steps == 0 {
        return Ok(vec![]);
    }
    let lag = |j: usize| {
        let j = j as f64;
        let power = |x: f64| x.abs().powf(2.0 * hurst);
        0.5 * (power(j + 1.0) - 2.0 * power(j) + power(j - 1.0))
    };
    let m = 2 * steps;
    let circle: Vec<f64> = (0..m).map(|j| lag(j.min(m - j))).collect();
    let (values, _) = fourier::transform(&circle);
    // Eigenvalues of this circulant are never negative but for rounding.
    let size: Vec<f64> = values.iter().map(|v| (v.max(0.0) / m as f64).sqrt()).collect();
    let (real, imaginary): (Vec<f64>, Vec<f64>) = size.iter().map(|s| (s * rng.normal(), s * rng.normal())).unzip();
    // The real part of the transform of complex noise.
    let (one, _) = fourier::transform(&real);
    let (_, other) = fourier::transform(&imaginary);
    let unit = width.powf(hurst);
    let mut level = 0.0;
    Ok((0..steps)
        .map(|t| {
            level += unit * (one[t] - other[t]);
            level
        })
        .collect())
}
