//! Mixtures of bumps in the frequency domain.

use std::f64::consts::{PI, TAU};

use elbo_core::Rng;
use elbo_tensor::{Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kernel;
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
}

impl Kernel for SpectralMixture {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let (weight, frequency) = (self.weight.get(), self.frequency.get() * TAU);
        let rate = self.bandwidth.get() * TAU;
        let profile = self.spectrum.profile();
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
