//! Expected derivatives of the potential $V = -\log p$ under a Gaussian.

use super::law::{Gaussian, symmetrise};
use crate::target::LogDensity;
use elbo_core::{Error, Result, Rng};
use elbo_dist::Rule as Quadrature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most points of a product rule.
const MOST_POINTS: usize = 4096;

/// How expectations are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Expectation {
    /// At the mean alone: exact for a quadratic potential.
    Mean,
    /// At `2 D` points on the axes of the factor: exact for cubic potentials, deterministic for all.
    Cubature,
    /// A product of Gauss-Hermite rules; for a few unknowns.
    Hermite {
        /// Points along each axis.
        points: usize,
    },
    /// Random draws, anew at each step.
    Draws {
        /// How many.
        count: usize,
    },
}

/// Expectations of a potential under a Gaussian.
#[derive(Debug, Clone, PartialEq)]
pub struct Energy {
    /// $\mathbb E V$.
    pub value: f64,
    /// $\mathbb E \nabla V$, `[D]`.
    pub gradient: Vec<f64>,
    /// $\mathbb E \nabla^2 V$, `[D, D]`.
    pub hessian: Vec<f64>,
}

impl Expectation {
    /// Whether the same Gaussian always gives the same numbers.
    pub fn is_deterministic(self) -> bool {
        !matches!(self, Self::Draws { .. })
    }

    /// Noise and weights of the points, `[S, D]` and `[S]`; at least one.
    fn points(self, d: usize, rng: &mut Rng) -> Result<(Vec<f64>, Vec<f64>)> {
        Ok(match self {
            Self::Mean => (vec![0.0; d], vec![1.0]),
            Self::Cubature => {
                let mut noise = vec![0.0; 2 * d * d];
                for i in 0..d {
                    noise[2 * i * d + i] = (d as f64).sqrt();
                    noise[(2 * i + 1) * d + i] = -(d as f64).sqrt();
                }
                (noise, vec![0.5 / d as f64; 2 * d])
            }
            Self::Hermite { points } => {
                let count = points.checked_pow(d as u32).filter(|c| *c <= MOST_POINTS && *c > 0);
                let count = count.ok_or_else(|| Error::Setting {
                    setting: "expectation".into(),
                    found: format!("{points} points along each of {d} axes"),
                    expected: format!("at most {MOST_POINTS} points in all; use cubature or draws").into(),
                })?;
                let rule = Quadrature::hermite(points);
                let mut noise = Vec::with_capacity(count * d);
                let mut weights = Vec::with_capacity(count);
                for t in 0..count {
                    let (mut rest, mut weight) = (t, 1.0);
                    for _ in 0..d {
                        noise.push(rule.nodes[rest % points]);
                        weight *= rule.weights[rest % points];
                        rest /= points;
                    }
                    weights.push(weight);
                }
                (noise, weights)
            }
            Self::Draws { count: 0 } => {
                return Err(Error::Setting {
                    setting: "expectation".into(),
                    found: "no draws".into(),
                    expected: "at least one".into(),
                });
            }
            Self::Draws { count } => (rng.normals(count * d), vec![1.0 / count as f64; count]),
        })
    }

    /// The expectations. Where the target has no Hessian, its mean comes from Stein's identity,
    /// $\mathbb E \nabla^2 V = \mathbb E[S^{-1}(x - m) \nabla V']$, which needs more than one point.
    ///
    /// # Errors
    /// Recoverable [`Error::Numerical`] where the target does not exist at a point; [`Error::Setting`] when there is no Hessian and
    /// expectations are taken at the mean, when a product rule has too many points, and for no draws.
    pub fn energy(self, target: &dyn LogDensity, q: &Gaussian, rng: &mut Rng) -> Result<Energy> {
        let d = q.dim();
        let (noise, weights) = self.points(d, rng)?;
        let z = q.at(&noise)?;
        let (values, slopes) = target.values_and_gradients(&z);
        let mut energy = Energy { value: 0.0, gradient: vec![0.0; d], hessian: vec![0.0; d * d] };
        for (s, weight) in weights.iter().enumerate() {
            energy.value -= weight * values[s];
            energy.gradient.iter_mut().zip(&slopes[s * d..]).for_each(|(e, g)| *e -= weight * g);
        }
        let mut is_closed = true;
        for (z, weight) in z.chunks_exact(d).zip(&weights) {
            let Some(hessian) = target.hessian(z) else {
                is_closed = false;
                break;
            };
            energy.hessian.iter_mut().zip(&hessian).for_each(|(e, h)| *e -= weight * h);
        }
        if !is_closed {
            if self == Self::Mean {
                return Err(Error::Setting {
                    setting: "expectation".into(),
                    found: "mean, for a target without Hessian".into(),
                    expected: "cubature or draws".into(),
                });
            }
            energy.hessian = stein(q, &noise, &slopes, &weights)?;
        }
        if self == Self::Mean {
            let trace: f64 = energy.hessian.iter().zip(&q.covariance).map(|(h, s)| h * s).sum();
            energy.value += 0.5 * trace;
        }
        symmetrise(&mut energy.hessian, d);
        let all = energy.gradient.iter().chain(&energy.hessian).chain([&energy.value]);
        if all.into_iter().all(|v| v.is_finite()) {
            Ok(energy)
        } else {
            Err(Error::recoverable(
                "the log density is not finite under the current Gaussian",
                "start nearer to the posterior, or with a smaller covariance",
            ))
        }
    }
}

/// Stein's mean Hessian of the potential from noise `[S, D]` and gradients of the log density.
fn stein(q: &Gaussian, noise: &[f64], slopes: &[f64], weights: &[f64]) -> Result<Vec<f64>> {
    let (d, chol) = (q.dim(), q.chol()?);
    let mut hessian = vec![0.0; d * d];
    for (s, weight) in weights.iter().enumerate() {
        // S^{-1}(x - m) = L^{-T} e.
        let mut white = noise[s * d..(s + 1) * d].to_vec();
        for i in (0..d).rev() {
            let known: f64 = (i + 1..d).map(|k| chol[k * d + i] * white[k]).sum();
            white[i] = (white[i] - known) / chol[i * d + i];
        }
        for i in 0..d {
            for j in 0..d {
                hessian[i * d + j] -= weight * white[i] * slopes[s * d + j];
            }
        }
    }
    Ok(hessian)
}
