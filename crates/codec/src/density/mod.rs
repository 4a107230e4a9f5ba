//! Densities around a mean, symmetric and with one scale, and the probability they give to integers.
//!
//! | density | scale | tails |
//! |---|---|---|
//! | [`Density::Gaussian`] | standard deviation | light |
//! | [`Density::Logistic`] | `s` of `1 / (1 + e^(-t/s))` | as `e^(-t/s)` |
//! | [`Density::Laplace`] | mean absolute deviation | as `e^(-t/b)` |
//! | [`Density::Generalised`] | `alpha` of `exp(-(t/alpha)^beta)` | by its shape `beta`: 1 is Laplace's, 2 Gauss's |
//!
//! The bits of a value under several Gaussians with weights are [`mixture_bits`].
//!
//! To add one: a variant, its [`Density::upper`] and [`Density::density`], and its slope in the shape if it has one.

mod ladder;
mod likelihood;
mod mixture;

pub use ladder::{LADDER, Ladder, MOST_HALF, best_bits, bits_of, log_scale_of, log_scale_to};
pub use likelihood::{Bits, bits};
pub use mixture::mixture_bits;

use elbo_tensor::special::{gamma_log_quantile_slope, gamma_q, gamma_q_inv, lgamma, ndtr, ndtri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// The mass outside an alphabet.
pub const TAIL: f64 = 1e-9;
/// Shapes that a generalised Gaussian may have.
pub const SHAPES: (f64, f64) = (0.5, 3.0);
/// The least standard deviation of a Gaussian.
const LEAST_DEVIATION: f64 = 0.11;

/// A density of mean zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Density {
    /// Gauss's.
    Gaussian,
    /// The logistic density.
    Logistic,
    /// Laplace's.
    Laplace,
    /// `beta / (2 alpha Gamma(1 / beta)) exp(-(|t| / alpha)^beta)`.
    Generalised {
        /// The shape, `beta`.
        shape: f64,
    },
}

impl Density {
    /// Mass above `x` at scale one, for `x` of either sign, without cancellation in the upper tail.
    pub fn upper(&self, x: f64) -> f64 {
        if x < 0.0 {
            return 1.0 - self.upper(-x);
        }
        match *self {
            Self::Gaussian => ndtr(-x),
            Self::Logistic => 1.0 / (1.0 + x.exp()),
            Self::Laplace => 0.5 * (-x).exp(),
            Self::Generalised { shape } => 0.5 * gamma_q(shape.recip(), x.powf(shape)),
        }
    }

    /// The density at scale one.
    pub fn density(&self, x: f64) -> f64 {
        self.peak() * self.fall(x)
    }

    /// The density at its mean.
    fn peak(&self) -> f64 {
        match *self {
            Self::Gaussian => 1.0 / std::f64::consts::TAU.sqrt(),
            Self::Logistic => 0.25,
            Self::Laplace => 0.5,
            Self::Generalised { shape } => 0.5 * (shape.ln() - lgamma(shape.recip())).exp(),
        }
    }

    /// The density over that at its mean.
    fn fall(&self, x: f64) -> f64 {
        let x = x.abs();
        match *self {
            Self::Gaussian => (-0.5 * x * x).exp(),
            Self::Logistic => {
                let e = (-x).exp();
                4.0 * e / (1.0 + e).powi(2)
            }
            Self::Laplace => (-x).exp(),
            Self::Generalised { shape } => (-x.powf(shape)).exp(),
        }
    }

    /// Slope of [`Density::upper`] in the shape; zero for a density without one.
    ///
    /// With `a = 1 / beta` and `z = x^beta`, the mass below zero and `x` is `P(a, z) / 2`, so
    /// `d/dbeta = -P_a / (2 beta^2) + P_z z ln(x) / 2`. Here `P_z z = 2 x f / beta`, and `P_a` is that times how the logarithm of a quantile
    /// moves with `a`, negative.
    pub fn upper_slope(&self, x: f64) -> f64 {
        self.upper_slope_of(x, self.density(x))
    }

    /// [`Density::upper_slope`] where the density at `x` is known.
    fn upper_slope_of(&self, x: f64, density: f64) -> f64 {
        let Self::Generalised { shape } = *self else { return 0.0 };
        let log = x.abs().ln();
        let factor = x.abs() * density / shape;
        if factor == 0.0 {
            return 0.0;
        }
        let below = factor * (log + gamma_log_quantile_slope(shape.recip(), shape * log) / (shape * shape));
        if x > 0.0 { -below } else { below }
    }

    /// Probability of the integer `k` around mean zero at this scale: the mass of `(k - 1/2, k + 1/2)`, taken on one side of the mean,
    /// where nothing cancels.
    pub fn probability(&self, k: i64, scale: f64) -> f64 {
        let k = k.unsigned_abs() as f64;
        self.upper((k - 0.5) / scale) - self.upper((k + 0.5) / scale)
    }

    /// The distance from the mean, at scale one, beyond which both tails together have the mass `outside`.
    pub fn reach(&self, outside: f64) -> f64 {
        match *self {
            Self::Gaussian => -ndtri(0.5 * outside),
            Self::Logistic => (2.0 / outside - 1.0).ln(),
            Self::Laplace => -outside.ln(),
            Self::Generalised { shape } => gamma_q_inv(shape.recip(), outside).powf(shape.recip()),
        }
    }

    /// The least scale: that at which the bin around the mean holds as much as under a Gaussian of standard deviation 0.11.
    ///
    /// Equal uncertainty for all shapes; at shape 2 it is the customary bound.
    pub fn least_scale(&self) -> f64 {
        if *self == Self::Gaussian { LEAST_DEVIATION } else { 0.5 / self.reach(2.0 * ndtr(-0.5 / LEAST_DEVIATION)) }
    }

    /// Slope of the logarithm of [`Density::least_scale`] in the shape, by the implicit function theorem: at the bound
    /// `upper(1 / (2 alpha), beta)` is constant.
    pub fn least_scale_slope(&self) -> f64 {
        let Self::Generalised { .. } = self else { return 0.0 };
        let x = 0.5 / self.least_scale();
        // d upper / dx = -density, and d x / d ln(alpha) = -x.
        -self.upper_slope(x) / (self.density(x) * x)
    }

    /// [`Density::least_scale`] of a generalised Gaussian, as its logarithm, with the slope of that in the shape: from a table, to within 1e-6,
    /// for networks that need one for every latent.
    pub fn least_scale_of(shape: f64) -> [f64; 2] {
        const STEPS: usize = 256;
        static TABLE: OnceLock<Vec<[f64; 2]>> = OnceLock::new();
        let (low, high) = SHAPES;
        let step = (high - low) / STEPS as f64;
        let table = TABLE.get_or_init(|| {
            let at = |i: usize| {
                let density = Self::Generalised { shape: low + step * i as f64 };
                [density.least_scale().ln(), step * density.least_scale_slope()]
            };
            (0..=STEPS).map(at).collect()
        });
        let place = (shape.clamp(low, high) - low) / step;
        let i = (place as usize).min(STEPS - 1);
        let (t, [[a, u], [b, v]]) = (place - i as f64, [table[i], table[i + 1]]);
        // The cubic with these values and slopes at both ends.
        let (c2, c3) = (3.0 * (b - a) - 2.0 * u - v, 2.0 * (a - b) + u + v);
        [a + t * (u + t * (c2 + t * c3)), (u + t * (2.0 * c2 + 3.0 * t * c3)) / step]
    }

    /// Variance at scale one.
    pub fn variance(&self) -> f64 {
        match *self {
            Self::Gaussian => 1.0,
            Self::Logistic => std::f64::consts::PI.powi(2) / 3.0,
            Self::Laplace => 2.0,
            Self::Generalised { shape } => (lgamma(3.0 / shape) - lgamma(1.0 / shape)).exp(),
        }
    }

    /// Entropy in nats at scale one.
    pub fn entropy(&self) -> f64 {
        match *self {
            Self::Gaussian => 0.5 * (std::f64::consts::TAU.ln() + 1.0),
            Self::Logistic => 2.0,
            Self::Laplace => 1.0 + 2f64.ln(),
            Self::Generalised { shape } => shape.recip() - (shape / 2.0).ln() + lgamma(shape.recip()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_scales_are_those_of_equal_uncertainty() {
        for (shape, expected) in [
            (0.5, 0.002_258_48),
            (0.7, 0.012_299_6),
            (1.0, 0.041_274_2),
            (1.3, 0.077_157_3),
            (1.5, 0.101_185),
            (2.0, 0.155_563),
            (3.0, 0.235_574),
        ] {
            let found = Density::Generalised { shape }.least_scale();
            assert!((found / expected - 1.0).abs() < 5e-6, "{shape}: {found}");
            for shape in [shape, (shape + 0.0117).min(SHAPES.1)] {
                let density = Density::Generalised { shape };
                let [log_scale, slope] = Density::least_scale_of(shape);
                assert!((log_scale - density.least_scale().ln()).abs() < 1e-6, "{shape}");
                assert!((slope / density.least_scale_slope() - 1.0).abs() < 1e-4, "{shape}");
            }
        }
        assert!((Density::Laplace.least_scale() - 0.041_274_2).abs() < 1e-7);
    }

    #[test]
    fn shapes_one_and_two_are_laplaces_and_gausses() {
        let laplace = Density::Generalised { shape: 1.0 };
        let gauss = Density::Generalised { shape: 2.0 };
        for x in [-3.0, -0.2, 0.0, 0.1, 1.0, 4.0, 6.0] {
            assert!((laplace.upper(x) - Density::Laplace.upper(x)).abs() < 1e-14, "{x}");
            let unit = Density::Gaussian.upper(x * 2f64.sqrt());
            assert!((gauss.upper(x) - unit).abs() < 1e-14, "{x}");
        }
        assert!((gauss.variance() - 0.5).abs() < 1e-14 && (laplace.variance() - 2.0).abs() < 1e-14);
        assert!((laplace.entropy() - Density::Laplace.entropy()).abs() < 1e-14);
    }

    #[test]
    fn slopes_are_those_of_central_differences() {
        // The specification asks for 1e-6 over shapes 0.5 to 3 and |t| / alpha up to 8.
        for shape in [0.5, 0.7, 1.0, 1.4, 2.0, 2.6, 3.0] {
            let density = Density::Generalised { shape };
            for x in [-8.0, -2.0, -0.3, 1e-3, 0.1, 0.5, 0.999, 1.5, 3.0, 5.0, 8.0] {
                let h = 1e-5;
                let at = |s: f64, x: f64| {
                    let d = Density::Generalised { shape: s };
                    if x < 0.0 { -d.upper(-x) } else { d.upper(x) }
                };
                let numeric = (at(shape + h, x) - at(shape - h, x)) / (2.0 * h);
                let exact = density.upper_slope(x);
                // The last digits of the mass limit the difference.
                let scale = exact.abs().max(1e-4 * at(shape, x).abs()).max(1e-12);
                assert!((numeric - exact).abs() <= 1e-6 * scale + 1e-13, "{shape} {x}: {numeric} {exact}");
                let h = 1e-5 * x.abs();
                let numeric = -(at(shape, x + h) - at(shape, x - h)) / (2.0 * h);
                let exact = density.density(x);
                assert!((numeric - exact).abs() <= 1e-6 * exact + 1e-13, "{shape} {x}: {numeric} {exact}");
            }
            let least = |s: f64| Density::Generalised { shape: s }.least_scale().ln();
            let numeric = (least(shape + 1e-5) - least(shape - 1e-5)) / 2e-5;
            assert!((density.least_scale_slope() / numeric - 1.0).abs() < 1e-6, "{shape}");
        }
    }

    #[test]
    fn probabilities_of_all_integers_sum_to_one() {
        for density in [Density::Gaussian, Density::Logistic, Density::Laplace, Density::Generalised { shape: 0.7 }] {
            for scale in [0.2, 1.0, 7.0] {
                let sum: f64 = (-3000..=3000).map(|k| density.probability(k, scale)).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{density:?} {scale}: {sum}");
            }
        }
    }
}
