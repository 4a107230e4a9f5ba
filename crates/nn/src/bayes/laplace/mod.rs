//! Laplace's approximation of the posterior around trained weights.

mod blocks;
mod evidence;

pub use evidence::EvidenceSearch;

use super::observation::units;
use super::stack::{Traced, pulled};
use super::{Observation, ObservationConfig, Sharing};
use blocks::Block;
use elbo_core::{Error, Result, Rng, ensure};
use elbo_tensor::{Tensor, no_grad, with_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Weights whose full matrix is decomposed at most.
const MOST_WEIGHTS: usize = 4000;
/// Bytes that an approximation may take.
const MEMORY: f64 = 4e9;
/// Gradients of outputs in weights that are held at once when predicting.
const AT_ONCE: usize = 1 << 24;

/// The form in which the curvature is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Curvature {
    /// The whole matrix, up to 4000 weights: of all layers, or of the last layer alone, where they are its outputs times its inputs. Its
    /// eigenvectors are computed, which takes the cube of their number, so that the time is the limit before the memory is.
    #[default]
    Full,
    /// Its diagonal.
    Diagonal,
    /// A Kronecker product for each layer, exact where a layer's inputs and the gradients of its sums are independent.
    Kronecker,
}

/// Which weights are uncertain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// Those of the last layer; the others are held.
    LastLayer,
}

/// Settings of [`Laplace`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LaplaceConfig {
    /// The form in which the curvature is kept.
    pub curvature: Curvature,
    /// Which weights are uncertain.
    pub scope: Scope,
    /// What the Kronecker form makes of a layer that is used at several positions.
    pub sharing: Sharing,
    /// Precision δ of the normal prior that the network was trained with.
    pub prior_precision: f64,
}

impl Default for LaplaceConfig {
    fn default() -> Self {
        Self { curvature: Curvature::Full, scope: Scope::All, sharing: Sharing::Expand, prior_precision: 1.0 }
    }
}

/// Bytes that an approximation takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Weights that are uncertain.
    pub weights: usize,
    /// Of the gradients of one output of all rows in the weights, where they are written out.
    pub jacobian: f64,
    /// Of the curvature, its eigenvectors and a draw.
    pub curvature: f64,
}

impl LaplaceConfig {
    /// These forms with this prior precision.
    pub fn new(curvature: Curvature, scope: Scope, prior_precision: f64) -> Self {
        Self { curvature, scope, prior_precision, ..Self::default() }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let delta = self.prior_precision;
        ensure("prior_precision", delta, delta > 0.0 && delta.is_finite(), "a positive number")
    }

    fn first_layer(&self, layers: usize) -> usize {
        if self.scope == Scope::LastLayer { layers - 1 } else { 0 }
    }

    /// What the approximation around a network with layers of these sizes `[O, I + 1]` takes, from this many rows.
    pub fn plan(&self, shapes: &[[usize; 2]], rows: usize) -> Plan {
        let shapes = &shapes[self.first_layer(shapes.len())..];
        let weights: usize = shapes.iter().map(|[o, i]| o * i).sum();
        let (jacobian, numbers) = match self.curvature {
            // The matrix, its eigenvectors and their work.
            Curvature::Full => (rows as f64 * weights as f64, 3.0 * weights as f64 * weights as f64),
            Curvature::Diagonal => (0.0, 2.0 * weights as f64),
            Curvature::Kronecker => {
                let factors = |[o, i]: &[usize; 2]| 3.0 * ((o * o) as f64 + (i * i) as f64) + 2.0 * (o * i) as f64;
                (0.0, shapes.iter().map(factors).sum())
            }
        };
        Plan { weights, jacobian: 8.0 * jacobian, curvature: 8.0 * numbers }
    }
}

impl Plan {
    fn check(&self, curvature: Curvature) -> Result<()> {
        let Self { weights, .. } = *self;
        let bytes = self.jacobian + self.curvature;
        let refuse = |expected: String| {
            let found = format!("{curvature:?} for {weights} weights: {:.1} GB", bytes / 1e9);
            Err(Error::Setting { setting: "curvature".into(), found, expected: expected.into() })
        };
        if curvature == Curvature::Full && weights > MOST_WEIGHTS {
            return refuse(format!("at most {MOST_WEIGHTS} weights; the diagonal or Kronecker form fits"));
        }
        if bytes > MEMORY {
            let others = if curvature == Curvature::Full { "diagonal or Kronecker" } else { "diagonal" };
            return refuse(format!("at most {:.0} GB; the {others} form needs less", MEMORY / 1e9));
        }
        Ok(())
    }
}

/// N(θ*, (G + δI)^-1), where G is the generalised Gauss-Newton matrix at the trained weights θ* and δ the precision of a normal prior.
///
/// `G = Σ_n J_n' Λ_n J_n`, with the outputs' Jacobian J and the likelihood's curvature Λ: the Hessian, were the network linear in its
/// weights. Targets are numbers with normal noise that is the same for all rows, or classes.
///
/// # Source
/// MacKay (1992); Ritter, Botev and Barber (2018) for the Kronecker form, Eschenhagen et al. (2023) for it in layers used at several
/// positions; Immer, Korzepa and Bauer (2021) for the linearised predictive.
pub struct Laplace<'a, N> {
    network: &'a N,
    observation: Observation,
    /// Log likelihood at the trained weights; of numbers also the sum of squared errors and how many there are.
    log_likelihood: f64,
    errors: (f64, f64),
    first_layer: usize,
    blocks: Vec<Block>,
    /// δ of each block.
    precisions: Vec<f64>,
}

impl<'a, N: Traced> Laplace<'a, N> {
    /// The approximation around a network that was trained with this prior precision. Rows are the first axis of `x`; `y: [N, K]` of
    /// numbers or `[N]` of classes in `I64`.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range, for a form that takes too much memory, with the forms that fit, and for targets whose
    /// predictions are not known or that are of another number of outputs; [`Error::Data`] for targets of another shape, and no rows.
    pub fn new(
        network: &'a N,
        x: &Tensor,
        y: &Tensor,
        observation: &Observation,
        config: &LaplaceConfig,
    ) -> Result<Self> {
        config.check()?;
        let is_known = matches!(
            observation.config(),
            ObservationConfig::Fixed { .. } | ObservationConfig::Learned { .. } | ObservationConfig::Categorical { .. }
        );
        ensure("observation", observation.config().name(), is_known, "fixed, learned or categorical")?;
        if x.size(0) == 0 {
            return Err(Error::data("there are no rows", "give at least one"));
        }
        let shapes = network.shapes();
        config.plan(&shapes, x.size(0)).check(config.curvature)?;
        let first_layer = config.first_layer(shapes.len());
        let trace = with_grad(|| network.trace(x));
        let output = trace.output.detach();
        observation.check_rows(&output, Some(y))?;
        let log_likelihood = no_grad(|| observation.log_prob(&output, y).sum().item());
        let errors = match observation.config() {
            ObservationConfig::Categorical { .. } => (0.0, 0.0),
            _ => no_grad(|| ((y - &output).square().sum().item(), y.len() as f64)),
        };
        let slopes: Vec<Vec<Tensor>> =
            no_grad(|| observation.roots(&output)).iter().map(|r| pulled(&trace, r, first_layer)).collect();
        let inputs: Vec<Tensor> = trace.inputs[first_layer..].iter().map(Tensor::detach).collect();
        let blocks = no_grad(|| blocks::blocks(config, &inputs, &slopes))?;
        let precisions = vec![config.prior_precision; blocks.len()];
        let observation = observation.clone();
        Ok(Self { network, observation, log_likelihood, errors, first_layer, blocks, precisions })
    }

    /// How many weights are uncertain.
    pub fn weights(&self) -> usize {
        self.blocks.iter().map(|block| block.values.len()).sum()
    }

    /// What targets are given outputs; the noise may have been moved by [`Laplace::maximise_evidence_and_noise`].
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    /// Precisions δ of the prior: of each layer, or one for all where the curvature is a full matrix.
    pub fn prior_precisions(&self) -> &[f64] {
        &self.precisions
    }

    /// Sets the precisions of the prior, as many as [`Laplace::prior_precisions`] has.
    ///
    /// # Errors
    /// [`Error::Setting`] for another number of them, or one that is not positive.
    pub fn set_prior_precisions(&mut self, precisions: &[f64]) -> Result<()> {
        let fits = precisions.len() == self.precisions.len() && precisions.iter().all(|d| *d > 0.0 && d.is_finite());
        let expected = format!("{} positive numbers", self.precisions.len());
        ensure("prior_precisions", format!("{precisions:?}"), fits, expected)?;
        self.precisions = precisions.to_vec();
        Ok(())
    }

    /// Means `[N, K]` and covariances `[N, K, K]` of the outputs at the rows of `x`, the network linearised in its weights.
    pub fn outputs(&self, x: &Tensor) -> (Tensor, Tensor) {
        let rows = x.size(0);
        let outputs = self.network.shapes().last().map_or(1, |[o, _]| *o);
        let at_once = (AT_ONCE / (outputs * self.weights())).max(1);
        let parts: Vec<(Tensor, Tensor)> = (0..rows.max(1))
            .step_by(at_once)
            .map(|from| self.outputs_at_once(&x.narrow(0, from, at_once.min(rows - from))))
            .collect();
        let (means, covariances): (Vec<Tensor>, Vec<Tensor>) = parts.into_iter().unzip();
        (Tensor::cat(&means, 0), Tensor::cat(&covariances, 0))
    }

    fn outputs_at_once(&self, x: &Tensor) -> (Tensor, Tensor) {
        let trace = with_grad(|| self.network.trace(x));
        let output = trace.output.detach();
        let (rows, k) = (output.size(0), output.size(1));
        let slopes: Vec<Vec<Tensor>> =
            units(&output).iter().map(|unit| pulled(&trace, unit, self.first_layer)).collect();
        let inputs: Vec<Tensor> = trace.inputs[self.first_layer..].iter().map(Tensor::detach).collect();
        let covariance = no_grad(|| {
            let parts = self.blocks.iter().zip(&self.precisions);
            parts
                .map(|(block, precision)| block.covariance(&slopes, &inputs, *precision))
                .fold(Tensor::zeros(&[rows, k, k], output.dtype()), |sum, part| sum + part)
        });
        (output, covariance)
    }

    /// Predictions at the rows of `x`: means and variances of numbers, noise included, `[N, K]` each; or class probabilities by the
    /// probit rule, `softmax(f / sqrt(1 + π v / 8))`, with the variances of the logits.
    pub fn predict(&self, x: &Tensor) -> (Tensor, Tensor) {
        let (mean, covariance) = self.outputs(x);
        let variance = covariance.diagonal().contiguous();
        match self.observation.noise(mean.dtype()) {
            Some(noise) => (mean, variance + noise.detach()),
            None => {
                let shrunk = mean / (&variance * (PI / 8.0) + 1.0).sqrt();
                (shrunk.softmax(-1), variance)
            }
        }
    }

    /// Class probabilities `[N, K]` at the rows of `x`, averaged over draws of the outputs from standard normals `noise: [S, K]`, the
    /// same for all rows. Unlike the probit rule they know how the logits vary together.
    ///
    /// # Errors
    /// When a covariance of outputs cannot be factorised.
    pub fn probabilities(&self, x: &Tensor, noise: &Tensor) -> Result<Tensor> {
        let (mean, covariance) = self.outputs(x);
        no_grad(|| {
            let root = covariance.cholesky()?;
            let draws = noise.size(0);
            let one = |s: usize| (&mean + root.matmul(&noise.row(s).unsqueeze(-1)).squeeze(-1)).softmax(-1);
            // In order, whatever the number of threads.
            Ok((0..draws).map(one).fold(mean.zeros_like(), |sum, p| sum + p) * (1.0 / draws as f64))
        })
    }

    /// One draw of all weights, in [`elbo_tensor::Parameters::pack`]'s order. Networks at drawn weights, without linearisation, predict
    /// far worse than [`Laplace::predict`] when the curvature is of Gauss-Newton form.
    pub fn sample(&self, rng: &mut Rng) -> Vec<f64> {
        let mut flat = self.network.pack();
        let mut at = flat.len() - self.weights();
        for (block, precision) in self.blocks.iter().zip(&self.precisions) {
            for value in no_grad(|| block.draw(*precision, rng)) {
                flat[at] += value;
                at += 1;
            }
        }
        flat
    }

    /// The curvature G of the uncertain weights written out, `[P, P]`.
    pub fn curvature(&self) -> Tensor {
        let total = self.weights();
        let mut at = 0;
        let rows = self.blocks.iter().map(|block| {
            let matrix = block.matrix();
            let n = matrix.size(0);
            at += n;
            matrix.pad_axis(1, at - n, total - at)
        });
        Tensor::cat(&rows.collect::<Vec<_>>(), 0)
    }
}
