//! Values in the shape a process likes: transforms that grow, fitted to the data.
//!
//! To add one, give [`Output`] and [`Warp`] a variant; `tests/it/outputs.rs` then checks that it grows and that its inverse is one.

use elbo_core::{Error, Result};
use elbo_tensor::optim::golden_section;
use elbo_tensor::special::ndtri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Golden sections of the search for a power: to 2e-8.
const SECTIONS: usize = 40;

/// What happens to values before they are standardised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Nothing.
    #[default]
    Standardise,
    /// Their logarithm: values of one sign whose ratios matter.
    Log,
    /// A power, chosen by likelihood: values of one sign.
    BoxCox,
    /// A power for each sign, chosen by likelihood: any values.
    YeoJohnson,
    /// Normal scores of their ranks: only the order matters.
    RankNormal,
}

/// A fitted transform, growing in the value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Warp {
    /// Nothing.
    #[default]
    Identity,
    /// Of `v / unit`, positive: `(u^λ - 1) / λ`, with the limit `ln u`; of negative values minus that of minus the value, which `unit < 0` says.
    Power {
        /// λ.
        lambda: f64,
        /// The geometric mean of the values, with their sign.
        unit: f64,
    },
    /// Of `u = (v - shift) / scale`: `((1 + u)^λ - 1) / λ` where positive, `-((1 - u)^(2 - λ) - 1) / (2 - λ)` where negative.
    YeoJohnson {
        /// λ, from 0 to 2, where the transform reaches every number.
        lambda: f64,
        /// Mean of the values.
        shift: f64,
        /// Their standard deviation.
        scale: f64,
    },
    /// Straight lines between the values in order and their scores.
    Ranks {
        /// Different values in order.
        values: Vec<f64>,
        /// Their normal scores.
        scores: Vec<f64>,
    },
}

/// `(u^λ - 1) / λ` and its inverse.
fn power(u: f64, lambda: f64) -> f64 {
    if lambda.abs() < 1e-9 { u.ln() } else { (lambda * u.ln()).exp_m1() / lambda }
}

/// Beyond the range of the transform its end is inverted.
fn unpower(z: f64, lambda: f64) -> f64 {
    if lambda.abs() < 1e-9 { z.exp() } else { ((lambda * z).max(-1.0 + 1e-9).ln_1p() / lambda).exp() }
}

impl Warp {
    /// Fits a transform to values.
    ///
    /// # Errors
    /// [`Error::Data`] where a logarithm or a power meets values of both signs or zero.
    ///
    /// # Source
    /// Box and Cox (1964); Yeo and Johnson (2000); scores `Φ⁻¹((rank - 1/2) / N)` with mean ranks of ties.
    pub fn learn(output: Output, values: &[f64]) -> Result<Self> {
        let n = values.len() as f64;
        Ok(match output {
            Output::Standardise => Self::Identity,
            Output::Log | Output::BoxCox => {
                let sign = values.first().map_or(1.0, |v| v.signum());
                if let Some(row) = values.iter().position(|v| v * sign <= 0.0) {
                    return Err(Error::data(
                        format!("a value of {} has no logarithm beside one of {}", values[row], values[0]),
                        "set output=yeo_johnson, or standardise",
                    ));
                }
                let logs: f64 = values.iter().map(|v| v.abs().ln()).sum();
                let unit = sign * (logs / n).exp();
                let lambda = if output == Output::Log {
                    0.0
                } else {
                    // Over the geometric mean the Jacobian is one.
                    golden_section(-2.0, 2.0, SECTIONS, |lambda| {
                        spread(values.iter().map(|v| Self::Power { lambda, unit }.forward(*v)))
                    })
                };
                Self::Power { lambda, unit }
            }
            Output::YeoJohnson => {
                let (shift, scale) = super::fit::standardiser(values);
                let jacobian: f64 =
                    values.iter().map(|v| (v - shift) / scale).map(|u| u.signum() * u.abs().ln_1p()).sum::<f64>();
                let loss = |lambda: f64| {
                    let z = values.iter().map(|v| Self::YeoJohnson { lambda, shift, scale }.forward(*v));
                    spread(z) - (lambda - 1.0) * jacobian / n
                };
                Self::YeoJohnson { lambda: golden_section(0.0, 2.0, SECTIONS, loss), shift, scale }
            }
            Output::RankNormal => {
                let mut sorted = values.to_vec();
                sorted.sort_by(f64::total_cmp);
                let (mut values, mut scores) = (vec![], vec![]);
                let mut start = 0;
                while start < sorted.len() {
                    let end = start + sorted[start..].iter().take_while(|v| **v == sorted[start]).count();
                    values.push(sorted[start]);
                    scores.push(ndtri(0.5 * (start + end) as f64 / n));
                    start = end;
                }
                Self::Ranks { values, scores }
            }
        })
    }

    /// Whether its numbers are those of a transform.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Identity => true,
            Self::Power { lambda, unit } => lambda.is_finite() && unit.is_finite() && *unit != 0.0,
            Self::YeoJohnson { lambda, shift, scale } => {
                (0.0..=2.0).contains(lambda) && shift.is_finite() && scale.is_finite() && *scale > 0.0
            }
            Self::Ranks { values, scores } => {
                let is_finite = values.iter().chain(scores).all(|v| v.is_finite());
                !values.is_empty() && values.len() == scores.len() && is_finite
            }
        }
    }

    /// The transformed value.
    pub fn forward(&self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Power { lambda, unit } => unit.signum() * power(value / unit, *lambda),
            Self::YeoJohnson { lambda, shift, scale } => {
                let u = (value - shift) / scale;
                if u >= 0.0 { power(1.0 + u, *lambda) } else { -power(1.0 - u, 2.0 - lambda) }
            }
            Self::Ranks { values, scores } => between(values, scores, value),
        }
    }

    /// The value of a transformed one.
    pub fn inverse(&self, z: f64) -> f64 {
        match self {
            Self::Identity => z,
            Self::Power { lambda, unit } => unit * unpower(unit.signum() * z, *lambda),
            Self::YeoJohnson { lambda, shift, scale } => {
                let u = if z >= 0.0 { unpower(z, *lambda) - 1.0 } else { 1.0 - unpower(-z, 2.0 - lambda) };
                shift + scale * u
            }
            Self::Ranks { values, scores } => between(scores, values, z),
        }
    }
}

/// On the line through neighbours; beyond the ends the end's value.
fn between(from: &[f64], to: &[f64], at: f64) -> f64 {
    let above = from.partition_point(|v| *v < at);
    if above == 0 || above == from.len() {
        return to[above.min(to.len() - 1)];
    }
    let share = (at - from[above - 1]) / (from[above] - from[above - 1]);
    to[above - 1] + share * (to[above] - to[above - 1])
}

/// Half the logarithm of the variance.
fn spread(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    0.5 * (values.map(|v| (v - mean).powi(2)).sum::<f64>() / n).max(f64::MIN_POSITIVE).ln()
}
