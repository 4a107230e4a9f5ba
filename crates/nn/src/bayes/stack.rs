//! Linear layers whose inputs and sums can be read.

use crate::activation::Activation;
use crate::layer::Build;
use elbo_core::{ModelFile, Result, step::Snapshot};
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut};

/// Linear layers with a nonlinear function between them; each bias is the last column of its weight, `[O, I + 1]`.
///
/// The parameters of the whole network in one vector, as [`Parameters::pack`] gives them, are layer after layer, row after row.
pub struct Stack {
    layers: Vec<Parameter>,
    activation: Activation,
}

/// What passed through the layers.
pub struct Trace {
    /// What each layer was given, a constant one included, `[N, I + 1]`.
    pub inputs: Vec<Tensor>,
    /// What each layer made of it, before the nonlinear function, `[N, O]`; the last is the output.
    pub sums: Vec<Tensor>,
}

impl Trace {
    /// The network's output, `[N, K]`.
    pub fn output(&self) -> &Tensor {
        self.sums.last().expect("a stack has a layer")
    }
}

impl Parameters for Stack {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("layers", &self.layers, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("layers", &mut self.layers, f);
    }
}

impl Snapshot for Stack {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }
    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

impl Stack {
    /// Layers between these widths: of the input, hidden ones, and of the output.
    pub fn new(widths: &[usize], activation: Activation, build: &mut Build<'_>) -> Self {
        assert!(widths.len() >= 2 && widths.iter().all(|w| *w > 0), "a stack goes from an input to an output");
        let layers = widths
            .windows(2)
            .map(|w| {
                let (weight, bias) = (build.weight(&[w[1], w[0]]), build.bias(w[1], w[0]));
                Parameter::real(&Tensor::cat(&[weight.get(), bias.get().unsqueeze(1)], 1).detach())
            })
            .collect();
        Self { layers, activation }
    }

    /// Sizes `[O, I + 1]` of the layers.
    pub fn shapes(&self) -> Vec<[usize; 2]> {
        self.layers.iter().map(|w| [w.shape()[0], w.shape()[1]]).collect()
    }

    /// `x: [N, D]`; returns `[N, K]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.trace(x).output().clone()
    }

    /// All that passes through the layers. `x: [N, D]`.
    pub fn trace(&self, x: &Tensor) -> Trace {
        let one = Tensor::ones(&[x.size(0), 1], x.dtype());
        let (mut inputs, mut sums) = (vec![], vec![]);
        let mut at = x.clone();
        for (l, weight) in self.layers.iter().enumerate() {
            let input = Tensor::cat(&[at, one.clone()], 1);
            let sum = input.linear(&weight.get(), None);
            at = if l + 1 < self.layers.len() { self.activation.apply(&sum) } else { sum.clone() };
            inputs.push(input);
            sums.push(sum);
        }
        Trace { inputs, sums }
    }
}
