//! Fisher information by how precisely weights must be known.

use super::Anchor;
use elbo_core::{Error, Result, Run, Stop, drive, ensure, ensure_within};
use elbo_tensor::optim::{Adam, Explicit, Rule, Schedule};
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor, with_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// Where Adam's rate ends, relative to its start.
const LAST_RATE: f64 = 0.01;

/// Settings of [`VariationalFisher`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VariationalFisherConfig {
    /// Steps of the precisions.
    pub steps: usize,
    /// Adam's rate at the start; it falls to a hundredth along half a cosine.
    pub rate: f64,
    /// Pairs of opposite draws a step.
    pub pairs: usize,
    /// What the divergence from the prior is multiplied by, γ: over the number of rows for the mean loss.
    pub gamma: f64,
    /// Variance of the prior around the weights, τ².
    pub prior_variance: f64,
}

impl Default for VariationalFisherConfig {
    fn default() -> Self {
        Self { steps: 200, rate: 0.05, pairs: 1, gamma: 1.0, prior_variance: 1e-4 }
    }
}

/// The diagonal F of the loss's curvature, from the precisions Λ of a normal posterior around fixed weights θ.
///
/// Precisions minimise `E_{w ~ N(θ, Λ^-1)} ℓ(w) + γ KL(N(θ, Λ^-1) || N(θ, τ² I))`. Where the loss is quadratic the best ones are
/// `Λ = F / γ + I / τ²`, so `F = γ (Λ - I / τ²)`, zero where that is negative. Since Λ is learned by small steps, F varies less than squared
/// gradients do.
///
/// # Source
/// Achille et al. (2019).
#[derive(Debug, Clone, PartialEq)]
pub struct VariationalFisher {
    /// F, in [`Parameters::pack`]'s order.
    pub diagonal: Vec<f64>,
    /// Λ.
    pub precisions: Vec<f64>,
}

impl VariationalFisherConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, value: f64| ensure(name, value, value > 0.0 && value.is_finite(), "above 0");
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        ensure_within("pairs", self.pairs, 1..=1_000_000)?;
        positive("gamma", self.gamma)?;
        positive("prior_variance", self.prior_variance)
    }

    /// Learns the precisions around the model's weights, which are as before afterwards. `loss` is the mean loss of a minibatch.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range; [`Error::Numerical`] for a loss or gradient that is not finite; those of the loss.
    pub fn fit<M: Parameters>(
        &self,
        model: &mut M,
        loss: impl Fn(&M, &mut Run) -> Result<Tensor>,
        run: &mut Run,
    ) -> Result<VariationalFisher> {
        self.check()?;
        let weights = model.pack();
        let start = vec![1.0 / self.prior_variance; weights.len()];
        let mut precisions = Parameter::new(&start, &[weights.len()], Constraint::Positive);
        // Draws need the model to move while the precisions are what is fitted.
        let model = RefCell::new(model);
        let objective = |precisions: &Parameter, run: &mut Run| {
            let mut model = model.borrow_mut();
            let found = self.evaluate(&mut **model, &weights, &precisions.value(), &loss, run);
            model.unpack(&weights);
            found
        };
        let rate = Schedule::Cosine { start: self.rate, end: LAST_RATE * self.rate, steps: self.steps };
        let step = Adam::with_rate(rate).on(Explicit(objective));
        drive(&step, &mut precisions, &Stop::after(self.steps, "precisions of weights", "loss with divergence"), run)?;
        let precisions = precisions.value();
        let diagonal = precisions.iter().map(|l| (self.gamma * (l - 1.0 / self.prior_variance)).max(0.0)).collect();
        Ok(VariationalFisher { diagonal, precisions })
    }

    /// The objective and its gradient in the logarithms of the precisions.
    fn evaluate<M: Parameters>(
        &self,
        model: &mut M,
        weights: &[f64],
        precisions: &[f64],
        loss: &impl Fn(&M, &mut Run) -> Result<Tensor>,
        run: &mut Run,
    ) -> Result<(f64, Vec<f64>)> {
        let size = weights.len();
        let ratios: Vec<f64> = precisions.iter().map(|l| 1.0 / (l * self.prior_variance)).collect();
        let mut total = self.gamma * ratios.iter().map(|r| 0.5 * (r - 1.0 - r.ln())).sum::<f64>();
        let mut gradient: Vec<f64> = ratios.iter().map(|r| self.gamma * 0.5 * (1.0 - r)).collect();
        let share = 0.5 / self.pairs as f64;
        for _ in 0..self.pairs {
            let noise = run.rng.normals(size);
            for sign in [1.0, -1.0] {
                let shift: Vec<f64> = (0..size).map(|i| sign * noise[i] / precisions[i].sqrt()).collect();
                let drawn: Vec<f64> = weights.iter().zip(&shift).map(|(w, s)| w + s).collect();
                model.unpack(&drawn);
                let (value, slope) = with_grad(|| -> Result<(f64, Vec<f64>)> {
                    let value = loss(model, run)?;
                    Ok((value.item(), model.gradient(&value)))
                })?;
                if !value.is_finite() || slope.iter().any(|g| !g.is_finite()) {
                    return Err(Error::numerical(
                        format!("the loss at drawn weights is {value}, or its gradient is not finite"),
                        "lower `prior_variance`, which makes the first draws narrower",
                    ));
                }
                total += share * value;
                // The deviation 1 / sqrt(λ) falls by half as log λ grows by one.
                gradient.iter_mut().zip(slope.iter().zip(&shift)).for_each(|(sum, (g, s))| *sum -= 0.5 * share * g * s);
            }
        }
        Ok((total, gradient))
    }
}

impl VariationalFisher {
    /// A penalty of moving away from the model's present weights.
    ///
    /// # Errors
    /// As [`Anchor::new`].
    pub fn anchor(&self, model: &impl Parameters) -> Result<Anchor> {
        Anchor::new(model, self.diagonal.clone())
    }
}
