//! What a network says about a noisy point, and how each is made from the others.

use crate::path::Coefficients;
use elbo_core::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A quantity that says the same as the clean estimate x₀, given the noisy point x = αx₀ + σε.
///
/// All of them are linear in (x, x₀), so one pair of numbers converts in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Parameterisation {
    /// ε.
    #[default]
    Noise,
    /// x₀.
    Data,
    /// αε - σx₀.
    V,
    /// The velocity of the path, α̇x₀ + σ̇ε.
    Velocity,
    /// The score -ε/σ.
    Score,
}

impl Parameterisation {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Noise, Self::Data, Self::V, Self::Velocity, Self::Score];

    /// x₀ = a x + b · output: `(a, b)`.
    pub fn to_data(self, at: &Coefficients) -> (f64, f64) {
        let Coefficients { alpha, sigma, alpha_dot, sigma_dot } = *at;
        match self {
            Self::Noise => (1.0 / alpha, -sigma / alpha),
            Self::Data => (0.0, 1.0),
            Self::V => {
                let total = alpha * alpha + sigma * sigma;
                (alpha / total, -sigma / total)
            }
            Self::Velocity => {
                let scale = alpha_dot - alpha * sigma_dot / sigma;
                (-sigma_dot / sigma / scale, 1.0 / scale)
            }
            Self::Score => (1.0 / alpha, sigma * sigma / alpha),
        }
    }

    /// output = a x + b x₀: `(a, b)`.
    pub fn from_data(self, at: &Coefficients) -> (f64, f64) {
        let (a, b) = self.to_data(at);
        (-a / b, 1.0 / b)
    }

    /// other = a x + b · output: `(a, b)`.
    pub fn convert(self, other: Self, at: &Coefficients) -> (f64, f64) {
        let ((a, b), (c, d)) = (self.to_data(at), other.from_data(at));
        (c + d * a, d * b)
    }
}

/// How a network is wrapped: D(x; σ) = skip · x + out · F(input · x; ln(σ)/4), in the scale of the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Preconditioning {
    /// F is the noise, as in DDPM.
    Noise,
    /// F is the data.
    Data,
    /// F is v.
    V,
    /// F is what is missing from the best linear estimate, at unit variance.
    Edm {
        /// Standard deviation of the data.
        #[serde(default = "half")]
        data_sd: f64,
    },
}

fn half() -> f64 {
    0.5
}

/// The numbers of a [`Preconditioning`] at one level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wrapped {
    /// What the noisy point is multiplied by.
    pub skip: f64,
    /// What the network's output is multiplied by.
    pub out: f64,
    /// What the network's input is multiplied by.
    pub input: f64,
}

impl Preconditioning {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Edm { data_sd } => {
                ensure("parameterisation", data_sd, *data_sd > 0.0 && data_sd.is_finite(), "`data_sd` above 0")
            }
            _ => Ok(()),
        }
    }

    /// The numbers at a level.
    pub fn at(&self, sigma: f64) -> Wrapped {
        let unit = (1.0 + sigma * sigma).sqrt();
        match self {
            Self::Noise => Wrapped { skip: 1.0, out: -sigma, input: 1.0 / unit },
            Self::Data => Wrapped { skip: 0.0, out: 1.0, input: 1.0 / unit },
            Self::V => Wrapped { skip: 1.0 / (unit * unit), out: -sigma / unit, input: 1.0 / unit },
            Self::Edm { data_sd } => {
                let total = (sigma * sigma + data_sd * data_sd).sqrt();
                Wrapped { skip: (data_sd / total).powi(2), out: sigma * data_sd / total, input: 1.0 / total }
            }
        }
    }
}

/// Weight of the squared error of the clean estimate at a level.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Weighting {
    /// The squared error of the network's own output: of ε where the network says ε.
    #[default]
    Simple,
    /// min(SNR, γ).
    MinSnr {
        /// γ.
        #[serde(default = "five")]
        gamma: f64,
    },
    /// (σ² + σ_d²) / (σ σ_d)², which is one for the EDM network's own output.
    Edm {
        /// σ_d.
        #[serde(default = "half")]
        data_sd: f64,
    },
    /// The rate at which the signal falls, -½ dSNR/d ln σ = 1/σ²: the bound on the likelihood, in time ln σ.
    Elbo,
}

fn five() -> f64 {
    5.0
}

impl Weighting {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::MinSnr { gamma: v } | Self::Edm { data_sd: v } => ensure("weighting", v, *v > 0.0, "above 0"),
            _ => Ok(()),
        }
    }

    /// Weight of ‖x̂₀ - x₀‖² at a level, for a network wrapped so.
    pub fn at(&self, sigma: f64, how: &Preconditioning) -> f64 {
        match self {
            Self::Simple => how.at(sigma).out.powi(-2),
            Self::MinSnr { gamma } => gamma.min(sigma.powi(-2)),
            Self::Edm { data_sd } => (sigma * sigma + data_sd * data_sd) / (sigma * data_sd).powi(2),
            Self::Elbo => sigma.powi(-2),
        }
    }
}
