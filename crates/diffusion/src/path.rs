//! Gaussian probability paths: x_t = α_t x₀ + σ_t ε with data at t = 0 and noise at the end.

use elbo_core::{Error, Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_PI_2;

/// How noise takes the place of data over time. Time runs from data to noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Path {
    /// α² + σ² = 1 with a noise rate that grows linearly; the limit of DDPM's thousand steps.
    VpLinear {
        /// Rate at the data.
        #[serde(default = "low_rate")]
        low: f64,
        /// Rate at the noise.
        #[serde(default = "high_rate")]
        high: f64,
    },
    /// α² + σ² = 1 with a squared cosine for α².
    VpCosine,
    /// α = cos(πt/2), σ = sin(πt/2).
    VpTrigonometric,
    /// α = 1, σ from `low` to `high` geometrically.
    Ve {
        /// Least noise level.
        #[serde(default = "low_level")]
        low: f64,
        /// Greatest noise level.
        #[serde(default = "high_level")]
        high: f64,
    },
    /// α = 1, σ = t.
    Edm,
    /// α = 1 - t, σ = t: rectified flow.
    CondOt,
    /// α = e^(-t), σ² = 1 - e^(-2t).
    OrnsteinUhlenbeck,
    /// Values at given times, with cubic pieces between them.
    Table(Table),
}

fn low_rate() -> f64 {
    0.1
}
fn high_rate() -> f64 {
    20.0
}
fn low_level() -> f64 {
    0.01
}
fn high_level() -> f64 {
    50.0
}

/// A path as values at times.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Table {
    /// Rising times.
    pub time: Vec<f64>,
    /// α at those times.
    pub alpha: Vec<f64>,
    /// σ at those times.
    pub sigma: Vec<f64>,
}

impl Default for Path {
    fn default() -> Self {
        Self::VpLinear { low: low_rate(), high: high_rate() }
    }
}

/// A path's coefficients at one time, and how fast they change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficients {
    /// Share of the data.
    pub alpha: f64,
    /// Share of the noise.
    pub sigma: f64,
    /// dα/dt.
    pub alpha_dot: f64,
    /// dσ/dt.
    pub sigma_dot: f64,
}

impl Coefficients {
    /// Noise level in the scale of the data: σ/α.
    pub fn level(&self) -> f64 {
        self.sigma / self.alpha
    }

    /// λ = log(α/σ).
    pub fn half_log_snr(&self) -> f64 {
        (self.alpha / self.sigma).ln()
    }

    /// α²/σ².
    pub fn snr(&self) -> f64 {
        (self.alpha / self.sigma).powi(2)
    }

    /// d(α²/σ²)/dt, which is negative.
    pub fn snr_dot(&self) -> f64 {
        2.0 * self.snr() * (self.alpha_dot / self.alpha - self.sigma_dot / self.sigma)
    }

    /// The probability flow dx/dt = a x + b s, where s is the score: `(a, b)`.
    pub fn flow(&self) -> (f64, f64) {
        let rate = self.alpha_dot / self.alpha;
        (rate, -(self.sigma * self.sigma_dot - rate * self.sigma * self.sigma))
    }

    /// Drift of the stochastic process with the same marginals and diffusion g, for running backward in time:
    /// dx = (a x + b s) dt + g dw with dt < 0: `(a, b)`.
    pub fn reverse_drift(&self, g: f64) -> (f64, f64) {
        let (a, b) = self.flow();
        (a, b - 0.5 * g * g)
    }
}

impl Path {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::VpLinear { low, high } | Self::Ve { low, high } => check_bounds("path", *low, *high),
            Self::Table(table) => table.check(),
            _ => Ok(()),
        }
    }

    /// Times between which α and σ are both above zero and their ratio is useful: from nearly data to nearly noise.
    pub fn interval(&self) -> (f64, f64) {
        match self {
            Self::VpLinear { .. } => (1e-3, 1.0),
            // Beyond, one of a thousand steps would have a rate above 0.999.
            Self::VpCosine => (1e-3, 0.998),
            Self::VpTrigonometric | Self::CondOt => (1e-3, 0.999),
            Self::Ve { .. } => (0.0, 1.0),
            Self::Edm => (2e-3, 80.0),
            Self::OrnsteinUhlenbeck => (1e-4, 5.0),
            Self::Table(table) => {
                let inside = |i: &usize| table.alpha[*i] > 1e-3 && table.sigma[*i] > 1e-4;
                let ends = (0..table.time.len()).find(inside).zip((0..table.time.len()).rev().find(inside));
                ends.map_or((0.0, 1.0), |(a, b)| (table.time[a], table.time[b]))
            }
        }
    }

    /// Coefficients at a time within the path.
    pub fn at(&self, t: f64) -> Coefficients {
        match self {
            Self::VpLinear { low, high } => {
                let log_alpha = -0.25 * t * t * (high - low) - 0.5 * t * low;
                variance_preserving(
                    log_alpha.exp(),
                    -0.5 * t * (high - low) - 0.5 * low,
                    (-(2.0 * log_alpha).exp_m1()).sqrt(),
                )
            }
            Self::VpCosine => {
                let rate = FRAC_PI_2 / 1.008;
                let angle = rate * (t + 0.008);
                let alpha = angle.cos() / (rate * 0.008).cos();
                // 1 - cos²a / cos²b = sin(a + b) sin(a - b) / cos²b, without cancellation near the data.
                let square = (angle + rate * 0.008).sin() * (angle - rate * 0.008).sin() / (rate * 0.008).cos().powi(2);
                variance_preserving(alpha, -rate * angle.tan(), square.max(0.0).sqrt())
            }
            Self::VpTrigonometric => {
                let (sin, cos) = (FRAC_PI_2 * t).sin_cos();
                Coefficients { alpha: cos, sigma: sin, alpha_dot: -FRAC_PI_2 * sin, sigma_dot: FRAC_PI_2 * cos }
            }
            Self::Ve { low, high } => {
                let sigma = low * (high / low).powf(t);
                Coefficients { alpha: 1.0, sigma, alpha_dot: 0.0, sigma_dot: sigma * (high / low).ln() }
            }
            Self::Edm => Coefficients { alpha: 1.0, sigma: t, alpha_dot: 0.0, sigma_dot: 1.0 },
            Self::CondOt => Coefficients { alpha: 1.0 - t, sigma: t, alpha_dot: -1.0, sigma_dot: 1.0 },
            Self::OrnsteinUhlenbeck => variance_preserving((-t).exp(), -1.0, (-(-2.0 * t).exp_m1()).sqrt()),
            Self::Table(table) => table.at(t),
        }
    }

    /// The time at which σ/α has this value, or the end of [`Path::interval`] beyond it.
    pub fn time_of(&self, level: f64) -> f64 {
        let (mut low, mut high) = self.interval();
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if self.at(middle).level() < level { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }

    /// Least and greatest σ/α on the interval.
    pub fn levels(&self) -> (f64, f64) {
        let (low, high) = self.interval();
        (self.at(low).level(), self.at(high).level())
    }
}

/// Refuses bounds of rates or levels that are not positive, finite and rising.
pub(crate) fn check_bounds(setting: &str, low: f64, high: f64) -> Result<()> {
    let holds = low > 0.0 && high > low && high.is_finite();
    ensure(setting, format!("low {low}, high {high}"), holds, "0 < low < high")
}

/// From α, its logarithmic derivative, and σ.
fn variance_preserving(alpha: f64, rate: f64, sigma: f64) -> Coefficients {
    Coefficients { alpha, sigma, alpha_dot: alpha * rate, sigma_dot: -alpha * alpha * rate / sigma }
}

impl Table {
    fn check(&self) -> Result<()> {
        let n = self.time.len();
        if n < 2 || self.alpha.len() != n || self.sigma.len() != n {
            return Err(Error::Setting {
                setting: "path".into(),
                found: format!("{n} times, {} and {} values", self.alpha.len(), self.sigma.len()),
                expected: "as many values of `alpha` and `sigma` as times, at least two".into(),
            });
        }
        let rises = self.time.windows(2).all(|w| w[0] < w[1]);
        ensure("path", format!("times {:?}", self.time), rises, "rising times")?;
        // Compared as products, so that a share of zero at either end is allowed.
        let falls = (1..n).all(|i| self.alpha[i] * self.sigma[i - 1] < self.alpha[i - 1] * self.sigma[i]);
        let signs = self.alpha.iter().chain(&self.sigma).all(|v| *v >= 0.0 && v.is_finite());
        ensure("path", "a table", falls && signs, "shares that are not negative, with sigma/alpha rising over time")
    }

    /// Cubic Hermite pieces with slopes limited so that a monotone table gives a monotone path (Fritsch and Carlson, 1980).
    fn at(&self, t: f64) -> Coefficients {
        let n = self.time.len();
        let i = self.time.partition_point(|v| *v <= t).clamp(1, n - 1) - 1;
        let h = self.time[i + 1] - self.time[i];
        let s = (t - self.time[i]) / h;
        let piece = |v: &[f64]| {
            let (a, b) = (slope(&self.time, v, i), slope(&self.time, v, i + 1));
            let (s2, s3) = (s * s, s * s * s);
            let value = (2.0 * s3 - 3.0 * s2 + 1.0) * v[i]
                + (s3 - 2.0 * s2 + s) * h * a
                + (3.0 * s2 - 2.0 * s3) * v[i + 1]
                + (s3 - s2) * h * b;
            let dot =
                6.0 * (s2 - s) / h * (v[i] - v[i + 1]) + (3.0 * s2 - 4.0 * s + 1.0) * a + (3.0 * s2 - 2.0 * s) * b;
            (value, dot)
        };
        let ((alpha, alpha_dot), (sigma, sigma_dot)) = (piece(&self.alpha), piece(&self.sigma));
        Coefficients { alpha, sigma, alpha_dot, sigma_dot }
    }
}

/// Weighted harmonic mean of the slopes on both sides; zero where they differ in sign.
fn slope(x: &[f64], y: &[f64], i: usize) -> f64 {
    let secant = |k: usize| (y[k + 1] - y[k]) / (x[k + 1] - x[k]);
    if i == 0 {
        return secant(0);
    }
    if i == x.len() - 1 {
        return secant(i - 1);
    }
    let (a, b) = (secant(i - 1), secant(i));
    if a * b <= 0.0 {
        return 0.0;
    }
    let (h, k) = (x[i] - x[i - 1], x[i + 1] - x[i]);
    3.0 * (h + k) / ((2.0 * k + h) / a + (k + 2.0 * h) / b)
}

/// Every path with its usual settings, for tests and listings.
pub fn every_path() -> Vec<(&'static str, Path)> {
    let time: Vec<f64> = (0..=50).map(|i| f64::from(i) / 50.0).collect();
    let table = Table { alpha: time.iter().map(|t| 1.0 - t).collect(), sigma: time.clone(), time };
    vec![
        ("vp_linear", Path::default()),
        ("vp_cosine", Path::VpCosine),
        ("vp_trigonometric", Path::VpTrigonometric),
        ("ve", Path::Ve { low: low_level(), high: high_level() }),
        ("edm", Path::Edm),
        ("cond_ot", Path::CondOt),
        ("ornstein_uhlenbeck", Path::OrnsteinUhlenbeck),
        ("table", Path::Table(table)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_the_straight_path_is_the_straight_path() {
        let (_, table) = every_path().pop().unwrap();
        for t in [0.111, 0.5, 0.87] {
            let (a, b) = (table.at(t), Path::CondOt.at(t));
            assert!((a.alpha - b.alpha).abs() < 1e-12 && (a.sigma_dot - b.sigma_dot).abs() < 1e-10, "{a:?}");
        }
    }

    #[test]
    fn a_table_that_goes_back_is_refused() {
        let table = Table { time: vec![0.0, 0.5, 1.0], alpha: vec![1.0, 0.2, 0.5], sigma: vec![0.0, 0.9, 1.0] };
        assert!(Path::Table(table).check().unwrap_err().to_string().contains("sigma/alpha rising"));
        assert!(Path::VpLinear { low: 3.0, high: 1.0 }.check().is_err());
    }
}
