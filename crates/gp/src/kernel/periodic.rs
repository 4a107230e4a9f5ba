//! Functions that repeat.

use std::f64::consts::{PI, TAU};

use elbo_core::Rng;
use elbo_tensor::fused::Radial;
use elbo_tensor::special::bessel_ie;
use elbo_tensor::{Parameter, Tensor};

use super::Kernel;
use super::pairwise::{self, Pairwise, Pull};
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

    /// The kernel from tensor operations alone: the readable reference, and the way to derivatives of any order.
    pub fn composed(&self, x: &Tensor, z: &Tensor) -> Tensor {
        composed(x, z, &self.parameters())
    }

    fn parameters(&self) -> [Tensor; 3] {
        [self.period.get(), self.lengthscale.get(), self.variance.get()]
    }
}

/// `parameters`: period, lengthscale and variance, as those of the kernel.
fn composed(x: &Tensor, z: &Tensor, parameters: &[Tensor]) -> Tensor {
    let (angular, scale, variance) = (PI / &parameters[0], &parameters[1], &parameters[2]);
    let mut exponent = Tensor::zeros(&[x.size(0), z.size(0)], x.dtype());
    for d in 0..x.size(1) {
        let (a, l) = (angular.narrow(0, d, 1), scale.narrow(0, d, 1));
        exponent = exponent + ((differences(x, z, d) * a).sin() / l).square();
    }
    (exponent * -2.0).exp() * variance
}

/// The kernel as numbers: an RBF of the chords of circles, whose squares are `4 sin²(π Δ / p) / l²`.
struct Chords {
    period: Vec<f64>,
    lengthscale: Vec<f64>,
    variance: f64,
}

impl Chords {
    /// The numbers of `parameters` for inputs of `dims` dimensions.
    fn new(parameters: &[Tensor; 3], dims: usize) -> Self {
        let [period, lengthscale, variance] = parameters;
        assert_eq!(period.len(), dims, "a periodic kernel over {} dimensions", period.len());
        Self { period: period.to_vec(), lengthscale: lengthscale.to_vec(), variance: variance.item() }
    }

    /// `exp(-2 sum)` for a sum of `sin²(π Δ / p) / l²`.
    #[inline]
    fn correlation(sum: f64) -> f64 {
        Radial::Rbf.value_and_slope(4.0 * sum, 1.0).0
    }
}

impl Pairwise for Chords {
    fn value(&self, a: &[f64], b: &[f64]) -> f64 {
        let share = |d: usize| ((a[d] - b[d]) * (PI / self.period[d])).sin() / self.lengthscale[d];
        let square = |d: usize| share(d).powi(2);
        self.variance * Self::correlation((0..self.period.len()).map(square).sum())
    }

    fn pull(&self, a: &[f64], b: &[f64], weight: f64, to: &mut Pull) {
        let dims = self.period.len();
        let Pull { by_difference, by_parameter, room } = to;
        let mut sum = 0.0;
        for d in 0..dims {
            let (sin, cos) = ((a[d] - b[d]) * (PI / self.period[d])).sin_cos();
            sum += (sin / self.lengthscale[d]).powi(2);
            room[2 * d] = sin;
            room[2 * d + 1] = cos;
        }
        let correlation = Self::correlation(sum);
        for d in 0..dims {
            let (sin, cos, period, scale) = (room[2 * d], room[2 * d + 1], self.period[d], self.lengthscale[d]);
            let inner = weight * self.variance * correlation * 4.0 * sin / (scale * scale);
            // By the angle π Δ / p the derivative is -4 k sin cos / l².
            let by_angle = -inner * cos;
            by_difference[d] += by_angle * PI / period;
            by_parameter[d] -= by_angle * PI * (a[d] - b[d]) / (period * period);
            by_parameter[dims + d] += inner * sin / scale;
        }
        by_parameter[2 * dims] += weight * correlation;
    }

    fn room(&self) -> usize {
        2 * self.period.len()
    }
}

impl Kernel for Periodic {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let parameters = self.parameters();
        let chords = Chords::new(&parameters, x.size(1));
        pairwise::gram("periodic_gram", chords, x, z, &parameters, |i| composed(&i[0], &i[1], &i[2..]))
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        let parameters = self.parameters();
        let chords = Chords::new(&parameters, x.size(1));
        pairwise::gram_symmetric("periodic_gram_symmetric", chords, x, &parameters, |i| composed(&i[0], &i[0], &i[1..]))
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
