//! Mixtures of bumps in the frequency domain.

use std::f64::consts::{PI, TAU};

use elbo_core::Rng;
use elbo_tensor::fused::Radial;
use elbo_tensor::{Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kernel;
use super::pairwise::{self, Pairwise, Pull, products_of_others};
use super::parameter::{positive, real, show};
use super::radial::{Profile, differences};
use super::spectral::Spectral;

/// The shape of every bump in the frequency domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spectrum {
    /// Normal bumps: smooth functions.
    Gaussian,
    /// Student-t with one degree of freedom: Matern-1/2 decay.
    Student1,
    /// Student-t with three degrees of freedom: Matern-3/2 decay.
    Student3,
    /// Student-t with five degrees of freedom: Matern-5/2 decay.
    Student5,
}

impl Spectrum {
    fn profile(self) -> Profile {
        match self {
            Self::Gaussian => Profile::Rbf,
            Self::Student1 => Profile::Matern12,
            Self::Student3 => Profile::Matern32,
            Self::Student5 => Profile::Matern52,
        }
    }
}

/// `k(τ) = Σ_q w_q Π_d g(2π s_qd τ_d) cos(2π μ_qd τ_d)`, with `g` the RBF `exp(-r²/2)` for a normal spectrum and the unit Matern for a
/// Student-t one.
///
/// Parameters: `weight` `[Q]`, positive; `frequency` (`μ`) `[Q, D]` in cycles per unit of the input; `bandwidth` (`s`) `[Q, D]`, positive,
/// the scale of each bump in the same unit.
///
/// # Source
/// Wilson and Adams (2013); Student-t spectra as in Fang, Cooley, Long, Li, Kirby and Zhe (2023).
#[derive(Debug, Clone)]
pub struct SpectralMixture {
    spectrum: Spectrum,
    /// `w`, positive.
    pub weight: Parameter,
    /// `μ`, cycles per unit.
    pub frequency: Parameter,
    /// `s`, cycles per unit, positive.
    pub bandwidth: Parameter,
}
elbo_tensor::parameters!(SpectralMixture { weight, frequency, bandwidth });

impl SpectralMixture {
    /// A mixture with these weights `[Q]`, frequencies and bandwidths, both `[Q, D]` row-major.
    pub fn new(spectrum: Spectrum, dims: usize, weights: &[f64], frequencies: &[f64], bandwidths: &[f64]) -> Self {
        let q = weights.len();
        Self {
            spectrum,
            weight: positive(weights, &[q]),
            frequency: real(frequencies, &[q, dims]),
            bandwidth: positive(bandwidths, &[q, dims]),
        }
    }

    /// `components` bumps with frequencies evenly spaced from 0 to `highest` and bandwidths half their spacing.
    pub fn spread(spectrum: Spectrum, dims: usize, components: usize, highest: f64, variance: f64) -> Self {
        let q = components;
        let spacing = highest / q.saturating_sub(1).max(1) as f64;
        let frequencies: Vec<f64> = (0..q * dims).map(|i| spacing * (i / dims) as f64).collect();
        Self::new(spectrum, dims, &vec![variance / q as f64; q], &frequencies, &vec![0.5 * spacing; q * dims])
    }

    /// The kernel from tensor operations alone: the readable reference, and the way to derivatives of any order.
    pub fn composed(&self, x: &Tensor, z: &Tensor) -> Tensor {
        composed(self.spectrum.profile(), x, z, &self.parameters())
    }

    fn parameters(&self) -> [Tensor; 3] {
        [self.weight.get(), self.frequency.get(), self.bandwidth.get()]
    }

    /// The numbers of `parameters` for inputs of `dims` dimensions.
    fn waves(&self, parameters: &[Tensor; 3], dims: usize) -> Waves {
        let [weight, frequency, bandwidth] = parameters;
        assert_eq!(frequency.size(1), dims, "a spectral mixture over {} dimensions", frequency.size(1));
        let radians = |t: &Tensor| t.to_vec().into_iter().map(|v| TAU * v).collect();
        Waves {
            radial: self.spectrum.profile().radial(),
            dims,
            weight: weight.to_vec(),
            frequency: radians(frequency),
            rate: radians(bandwidth),
        }
    }
}

/// `parameters`: weight, frequency and bandwidth, as those of the kernel.
fn composed(profile: Profile, x: &Tensor, z: &Tensor, parameters: &[Tensor]) -> Tensor {
    let (weight, frequency, rate) = (&parameters[0], &parameters[1] * TAU, &parameters[2] * TAU);
    let lags: Vec<Tensor> = (0..x.size(1)).map(|d| differences(x, z, d)).collect();
    let component = |q: usize| {
        let mut k = weight.narrow(0, q, 1).broadcast_to(&[x.size(0), z.size(0)]);
        for (d, lag) in lags.iter().enumerate() {
            let (f, s) = (frequency.narrow(0, q, 1).narrow(1, d, 1), rate.narrow(0, q, 1).narrow(1, d, 1));
            k = k * profile.of_squared(&(lag * s).square(), None) * (lag * f).cos();
        }
        k
    };
    (0..weight.len()).map(component).reduce(|a, b| a + b).expect("a mixture has a component")
}

/// The mixture as numbers: `Σ_q w_q Π_d u_qd(τ_d)` with `u = g(s τ) cos(f τ)`.
struct Waves {
    radial: Radial,
    dims: usize,
    /// `w`, `[Q]`.
    weight: Vec<f64>,
    /// `f = 2π μ`, `[Q, D]`.
    frequency: Vec<f64>,
    /// `2π` times the bandwidths, `[Q, D]`.
    rate: Vec<f64>,
}

impl Waves {
    /// `u` of component and dimension `at`, and its derivatives with respect to `τ`, `f` and `s`, the last two times `2π`: those by
    /// frequency and bandwidth.
    #[inline]
    fn factor(&self, at: usize, lag: f64) -> (f64, [f64; 3]) {
        let (f, s) = (self.frequency[at], self.rate[at]);
        let (g, h) = self.radial.value_and_slope((lag * s) * (lag * s), 1.0);
        let (sin, cos) = (lag * f).sin_cos();
        // dg/dτ = -h s² τ and dg/ds = -h s τ².
        let bend = -h * s * lag * cos;
        (g * cos, [bend * s - g * f * sin, -TAU * g * lag * sin, TAU * bend * lag])
    }
}

impl Pairwise for Waves {
    fn value(&self, a: &[f64], b: &[f64]) -> f64 {
        let wave = |(q, w): (usize, &f64)| {
            let factors = (0..self.dims).map(|d| self.factor(q * self.dims + d, a[d] - b[d]).0);
            factors.fold(*w, |product, u| product * u)
        };
        self.weight.iter().enumerate().map(wave).sum()
    }

    fn pull(&self, a: &[f64], b: &[f64], weight: f64, to: &mut Pull) {
        let (count, dims) = (self.weight.len(), self.dims);
        let Pull { by_difference, by_parameter, room } = to;
        let (factors, room) = room.split_at_mut(dims);
        let (others, slopes) = room.split_at_mut(dims);
        for (q, w) in self.weight.iter().enumerate() {
            for d in 0..dims {
                let (factor, slope) = self.factor(q * dims + d, a[d] - b[d]);
                factors[d] = factor;
                slopes[3 * d..3 * d + 3].copy_from_slice(&slope);
            }
            by_parameter[q] += weight * products_of_others(factors, others);
            for d in 0..dims {
                let outer = weight * w * others[d];
                by_difference[d] += outer * slopes[3 * d];
                by_parameter[count + q * dims + d] += outer * slopes[3 * d + 1];
                by_parameter[count + (count + q) * dims + d] += outer * slopes[3 * d + 2];
            }
        }
    }

    fn room(&self) -> usize {
        5 * self.dims
    }
}

impl Kernel for SpectralMixture {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let (parameters, profile) = (self.parameters(), self.spectrum.profile());
        let waves = self.waves(&parameters, x.size(1));
        pairwise::gram("spectral_mixture_gram", waves, x, z, &parameters, move |i| {
            composed(profile, &i[0], &i[1], &i[2..])
        })
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        let (parameters, profile) = (self.parameters(), self.spectrum.profile());
        let waves = self.waves(&parameters, x.size(1));
        pairwise::gram_symmetric("spectral_mixture_gram_symmetric", waves, x, &parameters, move |i| {
            composed(profile, &i[0], &i[0], &i[1..])
        })
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        self.weight.get().sum().broadcast_to(&[x.size(0)])
    }

    fn summary(&self) -> String {
        let (w, f) = (show(&self.weight), show(&self.frequency));
        format!("spectral mixture (weights {w}, frequencies {f}, bandwidths {})", show(&self.bandwidth))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn is_stationary(&self) -> bool {
        true
    }

    /// Root mean square frequency, in radians per unit.
    fn relevance(&self, dims: usize) -> Option<Vec<f64>> {
        let (w, f, s) = (self.weight.value(), self.frequency.value(), self.bandwidth.value());
        let total: f64 = w.iter().sum();
        let square = |q: usize, d: usize| w[q] / total * (f[q * dims + d].powi(2) + s[q * dims + d].powi(2));
        Some((0..dims).map(|d| TAU * (0..w.len()).map(|q| square(q, d)).sum::<f64>().sqrt()).collect())
    }

    fn spectral_sample(&self, dims: usize, count: usize, rng: &mut Rng) -> Option<Spectral> {
        let (w, f, s) = (self.weight.value(), self.frequency.value(), self.bandwidth.value());
        let dof = self.spectrum.profile().degrees_of_freedom();
        let mut frequencies = Vec::with_capacity(count * dims);
        for _ in 0..count {
            let q = rng.weighted(&w);
            for at in q * dims..(q + 1) * dims {
                // The kernel is a product over dimensions: each has a scale and a sign of its own.
                let scale = dof.map_or(1.0, |dof| (dof / rng.chi_squared(dof)).sqrt());
                let sign = if rng.uniform() < 0.5 { -1.0 } else { 1.0 };
                frequencies.push(2.0 * PI * (sign * f[at] + s[at] * scale * rng.normal()));
            }
        }
        Some(Spectral::equal(w.iter().sum(), count, dims, frequencies))
    }
}
