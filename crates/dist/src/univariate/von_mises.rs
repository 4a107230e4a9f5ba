use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{bessel_i_ratio, log_bessel_ie};
use serde::{Deserialize, Serialize};

use std::f64::consts::{PI, TAU};

/// Von Mises distribution of an angle within $\pi$ of its mean direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VonMises {
    /// Mean direction, in radians.
    pub direction: f64,
    /// Concentration, not negative; zero is uniform.
    pub concentration: f64,
}

impl Distribution for VonMises {
    fn log_prob(&self, x: f64) -> f64 {
        let angle = x - self.direction;
        if angle.abs() > PI {
            return f64::NEG_INFINITY;
        }
        // k (cos a - 1) goes with the scaled Bessel function.
        -2.0 * self.concentration * (0.5 * angle).sin().powi(2) - log_bessel_ie(0.0, self.concentration) - TAU.ln()
    }

    fn cdf(&self, x: f64) -> f64 {
        self.centred_cdf(x - self.direction)
    }

    fn quantile(&self, p: f64) -> f64 {
        if !(0.0..=1.0).contains(&p) {
            return f64::NAN;
        }
        // Newton's iteration within a bracket that halves when it leaves.
        let (mut low, mut high) = (-PI, PI);
        let mut angle = 0.0;
        for _ in 0..200 {
            let excess = self.centred_cdf(angle) - p;
            if excess < 0.0 {
                low = angle
            } else {
                high = angle
            }
            let newton = angle - excess / self.log_prob(self.direction + angle).exp();
            let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
            if (next - angle).abs() <= 1e-15 * angle.abs().max(1e-3) {
                break;
            }
            angle = next;
        }
        self.direction + angle
    }

    fn mean(&self) -> f64 {
        self.direction
    }

    fn variance(&self) -> f64 {
        // E a^2 = pi^2 / 3 + 4 sum of (-1)^j r_j / j^2, with the Fourier coefficients r_j.
        let terms = self.coefficients().into_iter().enumerate().map(|(i, r)| {
            let j = (i + 1) as f64;
            if i % 2 == 0 { -r / (j * j) } else { r / (j * j) }
        });
        PI * PI / 3.0 + 4.0 * terms.sum::<f64>()
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.direction + crate::batched::von_mises_draw(self.concentration, rng)
    }

    fn entropy(&self) -> Option<f64> {
        Some(
            TAU.ln()
                + log_bessel_ie(0.0, self.concentration)
                + self.concentration * (1.0 - bessel_i_ratio(0.0, self.concentration)),
        )
    }
}

impl VonMises {
    /// `I_j / I_0` for j from one, until they vanish.
    fn coefficients(&self) -> Vec<f64> {
        let k = self.concentration;
        if k == 0.0 {
            return vec![];
        }
        // I_j / I_0 is about exp(-j^2 / 2k). Ratios of neighbours by the backward recurrence, which is stable.
        let count = (80.0 * k).sqrt() as usize + 30;
        let mut ratios = vec![0.0; count + 1];
        for j in (1..=count).rev() {
            ratios[j - 1] = 1.0 / (2.0 * j as f64 / k + ratios[j]);
        }
        let mut product = 1.0;
        ratios[..count]
            .iter()
            .map(|r| {
                product *= r;
                product
            })
            .collect()
    }

    fn centred_cdf(&self, angle: f64) -> f64 {
        if angle <= -PI {
            return 0.0;
        }
        if angle >= PI {
            return 1.0;
        }
        let series = self.coefficients().into_iter().enumerate().map(|(i, r)| {
            let j = (i + 1) as f64;
            r * (j * angle).sin() / j
        });
        0.5 + angle / TAU + series.sum::<f64>() / PI
    }
}
