//! Gradients of each example's loss, for linear and convolution layers, from one backward pass.
//!
//! The gradient of a layer's weights is a sum over examples of products of its input and the gradient of its output. Both are known
//! after one pass for all examples together; leaving out the sum gives each example's own gradient, and its norm often without making
//! it at all.

use crate::ops::Convolution;
use crate::tape::no_grad;
use crate::tensor::Tensor;

/// A layer of a network as it was used: what went in and what came out, both with the batch as first axis. The output must be the
/// layer's own, before its activation, and a member of the graph.
#[derive(Debug, Clone)]
pub enum Layer {
    /// `y = x W' + b`: `input: [B, ..., I]`, `output: [B, ..., O]`.
    Linear {
        /// What went in.
        input: Tensor,
        /// What came out.
        output: Tensor,
    },
    /// [`Tensor::conv2d`]: `input: [B, C, H, W]`, `output: [B, O, H', W']`.
    Conv2d {
        /// What went in.
        input: Tensor,
        /// What came out.
        output: Tensor,
        /// Height and width of the filters.
        kernel: [usize; 2],
        /// How they moved.
        how: Convolution,
    },
}

/// Gradients of one layer for each example.
#[derive(Debug, Clone)]
pub struct PerSample {
    /// `[B, O, I]`, or `[B, O, C / groups, kh, kw]`.
    pub weight: Tensor,
    /// `[B, O]`.
    pub bias: Tensor,
}

impl Layer {
    fn output(&self) -> &Tensor {
        match self {
            Self::Linear { output, .. } | Self::Conv2d { output, .. } => output,
        }
    }

    /// Input and gradient as `[B, T, I]` and `[B, T, O]`.
    fn rows(&self, gradient: &Tensor) -> Option<(Tensor, Tensor)> {
        let Self::Linear { input, .. } = self else { return None };
        let flat = |t: &Tensor| {
            let (batch, last) = (t.size(0), t.size(-1));
            t.reshape(&[batch, t.len() / (batch * last).max(1), last])
        };
        Some((flat(&input.detach()), flat(gradient)))
    }

    fn gradients(&self, gradient: &Tensor) -> PerSample {
        if let Some((x, g)) = self.rows(gradient) {
            return PerSample { weight: g.t().matmul(&x), bias: g.sum_axis(1, false) };
        }
        let Self::Conv2d { input, kernel, how, .. } = self else { unreachable!("linear layers were handled above") };
        // All examples side by side are one image whose groups do not see each other.
        let (x, g) = (input.detach(), gradient);
        let (batch, channels) = (x.size(0), x.size(1));
        let beside = |t: &Tensor| t.reshape(&[1, t.size(0) * t.size(1), t.size(2), t.size(3)]);
        let filters = [g.size(1), channels / how.groups, kernel[0], kernel[1]];
        let many = Convolution { groups: how.groups * batch, ..*how };
        let weight =
            crate::ops::filters(&beside(&x), &beside(g), many, &[&[batch * filters[0]], &filters[1..]].concat());
        PerSample { weight: weight.reshape(&[&[batch], &filters[..]].concat()), bias: g.sum_axes(&[2, 3], false) }
    }

    /// Squared norms of weights' and biases' gradients, `[B]`.
    fn square_norms(&self, gradient: &Tensor) -> Tensor {
        let squares = |t: &Tensor| t.square().reshape(&[t.size(0), t.len() / t.size(0).max(1)]).sum_axis(1, false);
        if let Some((x, g)) = self.rows(gradient) {
            let (rows, width) = (x.size(1), x.size(2) * g.size(2));
            if rows * rows <= width {
                // |sum_t g_t x_t'|^2 = sum_ts (g_t'g_s)(x_t'x_s), without the product of I and O.
                let both = x.matmul(&x.t()) * g.matmul(&g.t());
                return both.sum_axes(&[1, 2], false) + squares(&g.sum_axis(1, false));
            }
        }
        let PerSample { weight, bias } = self.gradients(gradient);
        squares(&weight) + squares(&bias)
    }
}

fn output_gradients(losses: &Tensor, layers: &[Layer]) -> Vec<Tensor> {
    assert_eq!(losses.rank(), 1, "per-sample gradients need one loss an example, found shape {:?}", losses.shape());
    let outputs: Vec<&Tensor> = layers.iter().map(Layer::output).collect();
    for output in &outputs {
        assert!(output.size(0) == losses.len(), "{:?} is not a batch of {} examples", output.shape(), losses.len());
        assert!(output.is_tracked(), "a layer's output must be a member of the graph");
    }
    super::vjp(losses, &outputs, &losses.ones_like(), false)
}

/// Gradients of each example's loss by the weights and biases of these layers, outside the graph. Examples must not influence each
/// other (no batch normalisation), and each layer is used once.
///
/// # Shapes
/// `losses: [B]`; see [`Layer`] and [`PerSample`].
pub fn per_sample(losses: &Tensor, layers: &[Layer]) -> Vec<PerSample> {
    let gradients = output_gradients(losses, layers);
    no_grad(|| layers.iter().zip(&gradients).map(|(layer, g)| layer.gradients(g)).collect())
}

/// Squared Euclidean norms of each example's gradient by all weights and biases of these layers together, `[B]`; cheaper than the
/// gradients where a layer is wide.
pub fn per_sample_square_norms(losses: &Tensor, layers: &[Layer]) -> Tensor {
    let gradients = output_gradients(losses, layers);
    no_grad(|| layers.iter().zip(&gradients).map(|(layer, g)| layer.square_norms(g)).sum())
}
