//! Functions that repeat.

use std::f64::consts::{PI, TAU};

use elbo_core::Rng;
use elbo_tensor::special::bessel_ie;
use elbo_tensor::{Parameter, Tensor};

use super::Kernel;
use super::parameter::{positive, show};
use super::radial::differences;
use super::spectral::Spectral;

/// `k(x, x') = v exp(-2 Σ_d sin²(π Δ_d / p_d) / l_d²)`.
///
/// Some packages write `exp(-½ sin² / l²)`: their lengthscale is half of ours.
///
/// Parameters: `period` `[D]`, `lengthscale` `[D]` (relative to the period), `variance` `[]`.
#[derive(Debug, Clone)]
pub struct Periodic {
    /// `p`, positive.
    pub period: Parameter,
    /// `l`, positive.
    pub lengthscale: Parameter,
    /// `v`, positive.
    pub variance: Parameter,
}
elbo_tensor::parameters!(Periodic { period, lengthscale, variance });

impl Periodic {
    /// A kernel with these periods, one a dimension, lengthscales one and variance one.
    pub fn new(periods: &[f64]) -> Self {
        let d = periods.len();
        Self {
            period: positive(periods, &[d]),
            lengthscale: positive(&vec![1.0; d], &[d]),
            variance: positive(&[1.0], &[]),
        }
    }

    /// The same with this lengthscale in every dimension and this variance.
    pub fn with(self, lengthscale: f64, variance: f64) -> Self {
        let d = self.period.get().len();
        let lengthscale = positive(&vec![lengthscale; d], &[d]);
        Self { lengthscale, variance: positive(&[variance], &[]), ..self }
    }

    /// The variances `q_j² / v` of the harmonics `j = 0, 1, ...` of dimension `d`; they add up to one.
    pub fn harmonics(&self, d: usize) -> Vec<f64> {
        let concentration = self.lengthscale.value()[d].powi(-2);
        let mut weights = vec![bessel_ie(0, concentration)];
        let mut sum = weights[0];
        // Harmonics fall faster than geometrically once j exceeds the concentration.
        while 1.0 - sum > 1e-15 && weights.len() < 10_000 {
            let next = 2.0 * bessel_ie(weights.len(), concentration);
            if next < 1e-18 {
                break;
            }
            sum += next;
            weights.push(next);
        }
        weights
    }
}

impl Kernel for Periodic {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let (angular, scale) = (PI / self.period.get(), self.lengthscale.get());
        let mut exponent = Tensor::zeros(&[x.size(0), z.size(0)], x.dtype());
        for d in 0..x.size(1) {
            let (a, l) = (angular.narrow(0, d, 1), scale.narrow(0, d, 1));
            exponent = exponent + ((differences(x, z, d) * a).sin() / l).square();
        }
        (exponent * -2.0).exp() * self.variance.get()
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        self.variance.get().broadcast_to(&[x.size(0)])
    }

    fn summary(&self) -> String {
        let (p, l) = (show(&self.period), show(&self.lengthscale));
        format!("periodic (variance {}, period {p}, lengthscale {l})", show(&self.variance))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn is_stationary(&self) -> bool {
        true
    }

    /// The curvature at zero: `2 π / (p l)`.
    fn relevance(&self, _dims: usize) -> Option<Vec<f64>> {
        let (p, l) = (self.period.value(), self.lengthscale.value());
        Some(p.iter().zip(&l).map(|(p, l)| TAU / (p * l)).collect())
    }

    fn spectral_sample(&self, dims: usize, count: usize, rng: &mut Rng) -> Option<Spectral> {
        let harmonics: Vec<Vec<f64>> = (0..dims).map(|d| self.harmonics(d)).collect();
        let period = self.period.value();
        let mut frequencies = Vec::with_capacity(count * dims);
        for _ in 0..count {
            for d in 0..dims {
                let sign = if rng.uniform() < 0.5 { -1.0 } else { 1.0 };
                frequencies.push(sign * TAU * rng.weighted(&harmonics[d]) as f64 / period[d]);
            }
        }
        Some(Spectral::equal(self.variance.value()[0], count, dims, frequencies))
    }
}
