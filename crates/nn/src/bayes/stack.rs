//! Networks of linear layers whose inputs and sums can be read.

use crate::activation::Activation;
use crate::layer::Build;
use elbo_core::{ModelFile, Result, step::Snapshot};
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut, vjp};

/// A network of linear layers whose inputs and sums can be read.
///
/// The parameters are the layers' weights and nothing else, first to last, each bias the last column of its weight, `[O, I + 1]`.
pub trait Traced: Parameters {
    /// Sizes `[O, I + 1]` of the layers.
    fn shapes(&self) -> Vec<[usize; 2]>;

    /// All that passes through the layers, for rows along the first axis of `x`.
    fn trace(&self, x: &Tensor) -> Trace;
}

/// What passed through the layers.
pub struct Trace {
    /// What each layer was given, a constant one included: `[N, I + 1]`, or `[N, T, I + 1]` for a layer used at `T` positions of a row.
    pub inputs: Vec<Tensor>,
    /// What each layer made of it, before the nonlinear function, `[N, O]` or `[N, T, O]`.
    pub sums: Vec<Tensor>,
    /// The network's output, `[N, K]`.
    pub output: Tensor,
}

/// Linear layers with a nonlinear function between them; each bias is the last column of its weight, `[O, I + 1]`.
///
/// The parameters of the whole network in one vector, as [`Parameters::pack`] gives them, are layer after layer, row after row.
pub struct Stack {
    layers: Vec<Parameter>,
    activation: Activation,
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
    ///
    /// # Panics
    /// For fewer than two widths, or one of zero.
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

    /// `x: [N, D]` or `[N, T, D]`; returns `[N, K]` or `[N, T, K]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.trace(x).output
    }
}

impl Traced for Stack {
    fn shapes(&self) -> Vec<[usize; 2]> {
        self.layers.iter().map(|w| [w.shape()[0], w.shape()[1]]).collect()
    }

    fn trace(&self, x: &Tensor) -> Trace {
        let (mut inputs, mut sums) = (vec![], vec![]);
        let mut at = x.clone();
        for (l, weight) in self.layers.iter().enumerate() {
            let input = with_one(&at);
            let sum = input.linear(&weight.get(), None);
            at = if l + 1 < self.layers.len() { self.activation.apply(&sum) } else { sum.clone() };
            inputs.push(input);
            sums.push(sum);
        }
        Trace { inputs, sums, output: at }
    }
}

/// What becomes of the outputs at the positions of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// They are added up, as the energies of atoms.
    Sum,
    /// They are averaged.
    Mean,
}

/// A stack applied at every position of a row `[T, D]`, whose outputs are pooled: `[N, T, D]` to `[N, K]`.
pub struct Pooled {
    /// What is applied.
    pub stack: Stack,
    /// What becomes of its outputs.
    pub pooling: Pooling,
}

elbo_tensor::parameters!(Pooled { "": stack });

impl Traced for Pooled {
    fn shapes(&self) -> Vec<[usize; 2]> {
        self.stack.shapes()
    }

    fn trace(&self, x: &Tensor) -> Trace {
        let trace = self.stack.trace(x);
        let output = match self.pooling {
            Pooling::Sum => trace.output.sum_axis(1, false),
            Pooling::Mean => trace.output.mean_axis(1, false),
        };
        Trace { output, ..trace }
    }
}

/// A constant one after the last axis's numbers.
pub(super) fn with_one(x: &Tensor) -> Tensor {
    let mut shape = x.shape().to_vec();
    *shape.last_mut().expect("a batch has axes") = 1;
    Tensor::cat(&[x.clone(), Tensor::ones(&shape, x.dtype())], -1)
}

/// Gradients of `<cotangent, output>` in each layer's sums, from a layer on, of the sums' shapes.
pub(super) fn pulled(trace: &Trace, cotangent: &Tensor, first: usize) -> Vec<Tensor> {
    let sums: Vec<&Tensor> = trace.sums[first..].iter().collect();
    vjp(&trace.output, &sums, cotangent, false)
}

/// Gradients of each row in one layer's weights, `[N, O, I]`, from those in its sums and from its input: an outer product, or the sum of
/// those of all positions.
pub(super) fn layer_jacobian(slope: &Tensor, input: &Tensor) -> Tensor {
    if input.rank() == 2 { slope.unsqueeze(2) * input.unsqueeze(1) } else { slope.t().matmul(input) }
}

/// Squares of [`layer_jacobian`] summed over rows, `[O, I]`.
pub(super) fn squared_gradients(slope: &Tensor, input: &Tensor) -> Tensor {
    if input.rank() == 2 {
        return slope.square().t().matmul(&input.square());
    }
    layer_jacobian(slope, input).square().sum_axis(0, false)
}
