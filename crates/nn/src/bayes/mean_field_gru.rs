//! A gated recurrent unit with a normal distribution for each weight.

use super::mean_field::check_repeated;
use super::{MeanFieldLinear, Noise};
use crate::layer::{Build, GruConfig, Layer, Output, Pass, by_time, next_state, refuse};
use elbo_core::Result;
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of [`MeanFieldGru`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MeanFieldGruConfig {
    /// The unit.
    pub gru: GruConfig,
    /// Standard deviation of each weight at the start.
    pub sd: f64,
    /// How the randomness reaches the states: flipout or weights.
    pub noise: Noise,
}

impl Default for MeanFieldGruConfig {
    fn default() -> Self {
        Self { gru: GruConfig::default(), sd: 0.01, noise: Noise::Flipout }
    }
}

/// A [`crate::layer::Gru`] whose weights and biases are `N(μ, σ²)`, each by itself. Passes draw as those of a [`MeanFieldLinear`].
///
/// Weights are drawn once a pass and serve all times, as the weights of a recurrent unit do. With [`Noise::Flipout`] the signs of a row are the same at
/// all times too, so that a sequence meets one unit from its first time to its last, and the states of one sequence have exactly the distribution that
/// drawn weights give them; only that of several sequences together differs.
///
/// # Source
/// Wen et al. (2018); one draw for all times: Fortunato, Blundell and Vinyals (2017).
pub struct MeanFieldGru {
    layers: Vec<Unit>,
    output: Output,
}

/// The weights on the input, `[3H, I + 1]`, and on the state, `[3H, H + 1]`.
struct Unit {
    ih: MeanFieldLinear,
    hh: MeanFieldLinear,
}

elbo_tensor::parameters!(Unit { "ih": ih, "hh": hh });
elbo_tensor::parameters!(MeanFieldGru { "layers": layers });

impl MeanFieldGruConfig {
    /// The layer for data points `[T, D]`, and the shape of what it returns.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a deviation that is not positive, local noise, sequences without a time, and as [`GruConfig::build`].
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<(MeanFieldGru, Vec<usize>)> {
        check_repeated(self.sd, self.noise)?;
        if shape.first() == Some(&0) {
            return refuse("gru", shape, "[T, D], one time at least");
        }
        // Checks everything, and starts weights as the plain unit does.
        let built = self.gru.build(shape, build)?;
        let mut start = vec![];
        built.layer.visit(&mut |_, p| start.push(p.get().detach()));
        let around = |weight: &Tensor, bias: &Tensor| MeanFieldLinear::around(weight, bias, self.sd, self.noise);
        // Weights on the input and on the state, then the biases of both.
        let unit = |of: &[Tensor]| Unit { ih: around(&of[0], &of[2]), hh: around(&of[1], &of[3]) };
        let layer = MeanFieldGru { layers: start.chunks(4).map(unit).collect(), output: self.gru.output };
        Ok((layer, built.shape))
    }
}

impl MeanFieldGru {
    /// KL of all weights and biases to independent normals of mean zero and this standard deviation, in nats.
    pub fn kl(&self, prior_sd: f64) -> Tensor {
        self.layers.iter().map(|unit| unit.ih.kl(prior_sd) + unit.hh.kl(prior_sd)).sum()
    }
}

impl Layer for MeanFieldGru {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let rows = x.size(0);
        let mut sequence = by_time(x);
        for unit in &self.layers {
            let (ih, hh) = (unit.ih.held(rows, 2, pass), unit.hh.held(rows, 2, pass));
            let mut state = Tensor::zeros(&[rows, unit.ih.mean.shape()[0] / 3], x.dtype());
            for at in &mut sequence {
                state = next_state(&ih.apply(at), &hh.apply(&state), &state);
                *at = state.clone();
            }
        }
        match self.output {
            Output::All => Tensor::stack(&sequence, 1),
            Output::Last => sequence.pop().expect("a sequence has one time at least"),
            Output::Mean => Tensor::stack(&sequence, 1).mean_axis(1, false),
        }
    }
}
