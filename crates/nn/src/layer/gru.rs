//! A gated recurrent unit.

use super::size::check_widths;
use super::{Build, Built, Layer, Pass, refuse};
use crate::init::{Init, uniform};
use elbo_core::{Result, ensure_within};
use elbo_tensor::{Parameter, Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a recurrent layer returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The state at every time, `[T, H]`.
    All,
    /// The last state, `[H]`.
    #[default]
    Last,
    /// The mean of the states over time, `[H]`: what a whole sequence has in common, where the last state knows its end best.
    Mean,
}

/// Settings of [`Gru`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GruConfig {
    /// Size of the state.
    pub hidden: usize,
    /// Units above each other.
    pub layers: usize,
    /// Every state, the last, or their mean.
    pub output: Output,
}

impl Default for GruConfig {
    fn default() -> Self {
        Self { hidden: 64, layers: 1, output: Output::Last }
    }
}

/// A gated recurrent unit over the first axis of a data point `[T, D]`.
///
/// $$ r = \sigma(W_{ir} x + b_{ir} + W_{hr} h + b_{hr}),\quad z = \sigma(\cdot),\quad
///    n = \tanh(W_{in} x + b_{in} + r \odot (W_{hn} h + b_{hn})),\quad h' = (1 - z) \odot n + z \odot h $$
///
/// # Source
/// Cho et al. (2014), with the reset gate where PyTorch has it, so that its weights can be read.
pub struct Gru {
    layers: Vec<GruLayer>,
    output: Output,
}

struct GruLayer {
    weight_ih: Parameter,
    weight_hh: Parameter,
    bias_ih: Parameter,
    bias_hh: Parameter,
}

impl Parameters for Gru {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        for (l, layer) in self.layers.iter().enumerate() {
            f(&format!("weight_ih_l{l}"), &layer.weight_ih);
            f(&format!("weight_hh_l{l}"), &layer.weight_hh);
            f(&format!("bias_ih_l{l}"), &layer.bias_ih);
            f(&format!("bias_hh_l{l}"), &layer.bias_hh);
        }
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        for (l, layer) in self.layers.iter_mut().enumerate() {
            f(&format!("weight_ih_l{l}"), &mut layer.weight_ih);
            f(&format!("weight_hh_l{l}"), &mut layer.weight_hh);
            f(&format!("bias_ih_l{l}"), &mut layer.bias_ih);
            f(&format!("bias_hh_l{l}"), &mut layer.bias_hh);
        }
    }
}

impl GruConfig {
    /// The layer for data points `[T, D]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for data points of another rank, or empty sizes.
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        let &[steps, input] = shape else { return refuse("gru", shape, "[T, D], one vector a time") };
        check_widths("hidden", &[self.hidden])?;
        ensure_within("layers", self.layers, 1..=100)?;
        let after = match self.output {
            Output::All => vec![steps, self.hidden],
            Output::Last | Output::Mean => vec![self.hidden],
        };
        Built::new(Gru::new(input, self, build), &after)
    }
}

/// The vectors `[B, D]` of each time of `x: [B, T, D]`.
///
/// Gates are made of one time at a time: the gradient of a part of a tensor is as large as the whole, so that cutting the gates of all times into
/// steps would cost the square of their number.
pub(crate) fn by_time(x: &Tensor) -> Vec<Tensor> {
    let by_time = x.transpose(0, 1).contiguous();
    (0..x.size(1)).map(|t| by_time.row(t)).collect()
}

/// The state after one time, `[B, H]`, from the gates' sums over the input and over the state before, `[B, 3H]` each.
pub(crate) fn next_state(from_x: &Tensor, from_h: &Tensor, state: &Tensor) -> Tensor {
    let hidden = state.size(-1);
    let gates = (from_x.narrow(-1, 0, 2 * hidden) + from_h.narrow(-1, 0, 2 * hidden)).sigmoid();
    let (reset, update) = (gates.narrow(-1, 0, hidden), gates.narrow(-1, hidden, hidden));
    let new = (from_x.narrow(-1, 2 * hidden, hidden) + reset * from_h.narrow(-1, 2 * hidden, hidden)).tanh();
    &new + update * (state - &new)
}

impl Gru {
    /// A unit for vectors of length `input`.
    pub fn new(input: usize, config: &GruConfig, build: &mut Build<'_>) -> Self {
        let hidden = config.hidden;
        // PyTorch starts every recurrent weight within 1 / sqrt(hidden), whatever its fan-in.
        let bound = 1.0 / (hidden as f64).sqrt();
        let mut weight = |shape: &[usize]| match build.init {
            Init::Torch => Parameter::real(&uniform(shape, bound, build.rng, build.dtype)),
            init if shape.len() == 1 => Parameter::real(&init.bias(shape[0], hidden, build.rng, build.dtype)),
            init => Parameter::real(&init.weight(shape, build.rng, build.dtype)),
        };
        let layers = (0..config.layers).map(|l| GruLayer {
            weight_ih: weight(&[3 * hidden, if l == 0 { input } else { hidden }]),
            weight_hh: weight(&[3 * hidden, hidden]),
            bias_ih: weight(&[3 * hidden]),
            bias_hh: weight(&[3 * hidden]),
        });
        Self { layers: layers.collect(), output: config.output }
    }

    /// The states of the top unit at every time, and the last state of each. `x: [B, T, D]`, `start: [layers, B, H]` or zeros;
    /// returns `[B, T, H]` and `[layers, B, H]`.
    pub fn run(&self, x: &Tensor, start: Option<&Tensor>) -> (Tensor, Tensor) {
        let batch = x.size(0);
        let mut sequence = by_time(x);
        let mut last = vec![];
        for (l, layer) in self.layers.iter().enumerate() {
            let (input_weight, input_bias) = (layer.weight_ih.get(), layer.bias_ih.get());
            let (weight, bias) = (layer.weight_hh.get(), layer.bias_hh.get());
            let hidden = weight.size(1);
            let mut state = match start {
                Some(start) => start.select(0, l),
                None => Tensor::zeros(&[batch, hidden], x.dtype()),
            };
            for at in &mut sequence {
                let (from_x, from_h) =
                    (at.linear(&input_weight, Some(&input_bias)), state.linear(&weight, Some(&bias)));
                state = next_state(&from_x, &from_h, &state);
                *at = state.clone();
            }
            last.push(state);
        }
        (Tensor::stack(&sequence, 1), Tensor::stack(&last, 0))
    }
}

impl Layer for Gru {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        let (all, last) = self.run(x, None);
        match self.output {
            Output::All => all,
            Output::Last => last.select(0, self.layers.len() - 1),
            Output::Mean => all.mean_axis(1, false),
        }
    }
}
