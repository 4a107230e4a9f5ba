//! Predictions of a network that is drawn several times.

use super::ensemble::{ClassAverage, Moments};
use crate::layer::{Layer, Pass};
use elbo_core::{Result, Rng, ensure_within};
use elbo_dist::GaussianMixtures;
use elbo_tensor::{Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a network with random layers is asked: one that keeps its dropout (MC dropout), or whose weights have distributions.
///
/// # Source
/// Gal and Ghahramani (2016) for dropout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DrawsConfig {
    /// Draws of the network, `S`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: usize,
    /// Whether a draw serves all rows, so that their predictions are values of one function; otherwise each row has its own.
    pub are_functions: bool,
}

impl Default for DrawsConfig {
    fn default() -> Self {
        Self { count: 20, are_functions: false }
    }
}

impl DrawsConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("count", self.count, 1..=1_000_000)
    }

    /// Draws a network's outputs at the rows of `x`, outside the graph. Normalisation uses its running statistics.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a count out of range.
    pub fn draw(&self, network: &dyn Layer, x: &Tensor, rng: &mut Rng) -> Result<Draws> {
        self.check()?;
        // A stream a draw, so that the first ones do not depend on how many follow.
        let base = rng.fork();
        let one = |s: usize| {
            let mut own = base.split(s as u64);
            let mut pass = if self.are_functions { Pass::drawing_function(&mut own) } else { Pass::drawing(&mut own) };
            no_grad(|| network.forward(x, &mut pass))
        };
        let outputs: Vec<Tensor> = (0..self.count).map(one).collect();
        Ok(Draws { outputs: Tensor::stack(&outputs, 0) })
    }
}

/// A network's outputs, several times.
#[derive(Debug, Clone)]
pub struct Draws {
    /// `[S, B, ...]`.
    pub outputs: Tensor,
}

impl Draws {
    /// How many there are, `S`.
    pub fn count(&self) -> usize {
        self.outputs.size(0)
    }

    /// Class probabilities averaged over draws, and the parts of their entropy, where the outputs `[S, B, K]` are logits.
    pub fn classes(&self) -> ClassAverage {
        let logs = self.outputs.log_softmax(-1);
        let members: Vec<Vec<f64>> = (0..self.count()).map(|s| logs.row(s).to_vec()).collect();
        ClassAverage::new(self.outputs.size(-1), &members)
    }

    /// One output `k` of numbers `[S, B, K]`: a mixture of normals for each row, with noise of this standard deviation.
    pub fn mixtures(&self, k: usize, noise_sd: f64) -> GaussianMixtures {
        let count = self.count();
        let means = self.outputs.select(-1, k).t().to_vec();
        let sds = vec![noise_sd; means.len()];
        GaussianMixtures::new(count, vec![1.0 / count as f64; count], means, sds)
    }

    /// The moments of one output `k` of numbers `[S, B, K]`, with noise of this standard deviation.
    pub fn moments(&self, k: usize, noise_sd: f64) -> Moments {
        let of = |s: usize| {
            let means = self.outputs.row(s).select(-1, k).to_vec();
            let variances = vec![noise_sd * noise_sd; means.len()];
            (means, variances)
        };
        Moments::new(&(0..self.count()).map(of).collect::<Vec<_>>())
    }
}
