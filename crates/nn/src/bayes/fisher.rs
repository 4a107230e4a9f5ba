//! The diagonal of the Fisher information of a network's weights, and what it anchors.

use super::Observation;
use super::stack::{Traced, pulled, squared_gradients};
use elbo_core::{Error, Result, Rng, ensure_within};
use elbo_tensor::gradient::{Layer, PerSample, per_sample};
use elbo_tensor::{Parameters, Tensor, grad, no_grad, with_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The targets that gradients are taken at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FisherTargets {
    /// All that the network considers, by their probabilities, in closed form: the Fisher information.
    #[default]
    Expected,
    /// Drawn from what the network says: an unbiased estimate of it.
    Drawn {
        /// Draws a row.
        draws: usize,
    },
    /// The rows' own targets: the empirical Fisher information, which is another matrix wherever the network errs.
    Observed,
}

/// The diagonal of the Fisher information, a mean over rows.
///
/// $$ F_i = \frac 1N \sum_n \mathbb E_y \Big( \frac{\partial \log p(y \mid x_n, \theta)}{\partial \theta_i} \Big)^2 $$
///
/// It is a mean of squared gradients of single rows. The square of a batch's gradient is something else, with cross terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Fisher {
    /// In [`Parameters::pack`]'s order.
    pub diagonal: Vec<f64>,
    /// The targets that gradients were taken at.
    pub targets: FisherTargets,
}

impl Fisher {
    /// Of a network of linear layers at the rows of `x`, in one backward pass for each output or draw. `y` is read for observed targets alone. What
    /// `observation` has learned is held.
    ///
    /// # Errors
    /// [`Error::Setting`] for no draws, or an observation of another number of outputs; [`Error::Data`] for no rows, and observed targets
    /// that are not given or do not fit.
    pub fn new<N: Traced>(
        network: &N,
        x: &Tensor,
        y: Option<&Tensor>,
        observation: &Observation,
        targets: FisherTargets,
        rng: &mut Rng,
    ) -> Result<Self> {
        if x.size(0) == 0 {
            return Err(Error::data("there are no rows", "give at least one"));
        }
        let trace = with_grad(|| network.trace(x));
        let output = trace.output.detach();
        observation.check_rows(&output, y.filter(|_| targets == FisherTargets::Observed))?;
        let (cotangents, count) = match (targets, y) {
            (FisherTargets::Expected, _) => (no_grad(|| observation.roots(&output)), 1),
            (FisherTargets::Drawn { draws }, _) => {
                ensure_within("draws", draws, 1..=1_000_000)?;
                let one = |_| slope(observation, &output, &observation.draw(&output, rng));
                ((0..draws).map(one).collect(), draws)
            }
            (FisherTargets::Observed, Some(y)) => (vec![slope(observation, &output, y)], 1),
            (FisherTargets::Observed, None) => {
                return Err(Error::data(
                    "observed targets were asked for and none are given",
                    "give the rows' targets, or take expected ones",
                ));
            }
        };
        let share = 1.0 / (output.size(0) * count) as f64;
        let mut sums: Vec<Option<Tensor>> = vec![None; trace.inputs.len()];
        for cotangent in &cotangents {
            let slopes = pulled(&trace, cotangent, 0);
            no_grad(|| {
                for ((sum, slope), input) in sums.iter_mut().zip(&slopes).zip(&trace.inputs) {
                    let part = squared_gradients(slope, &input.detach());
                    *sum = Some(sum.take().map_or(part.clone(), |sum| sum + part));
                }
            });
        }
        let diagonal = sums.iter().flatten().flat_map(|sum| sum.to_vec()).map(|s| s * share).collect();
        Ok(Self { diagonal, targets })
    }

    /// Of any model, from one loss or log probability a row, `losses: [N]`, by a backward pass a row. `targets` says what they were taken
    /// at.
    ///
    /// # Errors
    /// [`Error::Data`] where there is not one loss a row.
    pub fn of_losses<M: Parameters>(model: &M, losses: &Tensor, rows: usize, targets: FisherTargets) -> Result<Self> {
        if losses.shape() != [rows] || rows == 0 {
            let shape = losses.shape();
            return Err(Error::data(
                format!("losses of shape {shape:?} for {rows} rows; a batch's squared gradient is something else"),
                "give one loss a row",
            ));
        }
        let leaves = model.leaves();
        let inputs: Vec<&Tensor> = leaves.iter().collect();
        let mut diagonal = vec![0.0; leaves.iter().map(Tensor::len).sum()];
        for n in 0..rows {
            let gradients = grad(&losses.select(0, n), &inputs);
            let each = gradients.iter().flat_map(|g| g.to_vec());
            diagonal.iter_mut().zip(each).for_each(|(sum, g)| *sum += g * g / rows as f64);
        }
        Ok(Self { diagonal, targets })
    }

    /// A penalty of moving away from the model's present weights.
    ///
    /// # Errors
    /// As [`Anchor::new`].
    pub fn anchor(&self, model: &impl Parameters) -> Result<Anchor> {
        Anchor::new(model, self.diagonal.clone())
    }
}

/// Gradients of each row's log probability in the outputs, `[N, K]`.
fn slope(observation: &Observation, output: &Tensor, y: &Tensor) -> Tensor {
    let output = output.detach().variable();
    let total = with_grad(|| observation.log_prob(&output, y).sum());
    grad(&total, &[&output]).remove(0)
}

/// Means over rows of the squared gradients of each row's loss `[N]`, for the weights and biases of these layers, in one backward pass;
/// see [`per_sample`].
pub fn squares_of_layers(losses: &Tensor, layers: &[Layer]) -> Vec<PerSample> {
    let square = |t: &Tensor| t.square().mean_axis(0, false);
    let each = per_sample(losses, layers);
    no_grad(|| each.iter().map(|g| PerSample { weight: square(&g.weight), bias: square(&g.bias) }).collect())
}

/// A penalty of moving away from weights that matter: elastic weight consolidation.
///
/// # Source
/// Kirkpatrick et al. (2017).
#[derive(Debug, Clone, PartialEq)]
pub struct Anchor {
    information: Vec<f64>,
    weights: Vec<f64>,
}

impl Anchor {
    /// At the model's present weights, which matter by this diagonal, in [`Parameters::pack`]'s order.
    ///
    /// # Errors
    /// [`Error::Data`] for another number of weights, and for numbers that are negative or not finite.
    pub fn new(model: &impl Parameters, information: Vec<f64>) -> Result<Self> {
        let weights = model.pack();
        if weights.len() != information.len() || information.iter().any(|f| !f.is_finite() || *f < 0.0) {
            let (found, needed) = (information.len(), weights.len());
            return Err(Error::data(
                format!("{found} numbers of information for {needed} weights, or one that is negative or not finite"),
                "give one number a weight, none below zero",
            ));
        }
        Ok(Self { information, weights })
    }

    /// `1/2 Σ F_i (θ_i - θ*_i)²`, differentiable in the model's unconstrained weights.
    ///
    /// # Panics
    /// For a model with another number of weights.
    pub fn penalty(&self, model: &impl Parameters) -> Tensor {
        let leaves = model.leaves();
        assert_eq!(leaves.iter().map(Tensor::len).sum::<usize>(), self.weights.len(), "the anchor of another model");
        let mut at = 0;
        let mut terms = vec![];
        for leaf in &leaves {
            let range = at..at + leaf.len();
            at = range.end;
            let part = |values: &[f64]| Tensor::from_slice(&values[range.clone()], leaf.shape()).cast(leaf.dtype());
            terms.push(((leaf - part(&self.weights)).square() * part(&self.information)).sum() * 0.5);
        }
        terms.into_iter().sum()
    }
}
