//! Kronecker factors of a linear layer's curvature.

use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the Kronecker factors make of a layer that is used at several positions of a row, as in convolutions and on sets.
///
/// # Source
/// Eschenhagen, Immer, Turner, Schneider and Hennig (2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Positions count as rows: exact for one linear layer with Gaussian noise whose every position has an output of its own.
    #[default]
    Expand,
    /// Inputs are averaged over positions and gradients added up: exact for one linear layer with Gaussian noise whose outputs are pooled
    /// over positions.
    Reduce,
}

/// The factors `A: [I, I]` and `B: [O, O]` of a layer's curvature, which is about `B ⊗ A`: the mean of `a a'` over rows, and the sum over
/// rows and outputs of `g g'`.
///
/// # Shapes
/// `input: [N, I]` or `[N, T, I]`; `slopes`: for each output, the gradient of `<R e_k, output>` in the layer's sums, `[N, O]` or
/// `[N, T, O]`.
pub(super) fn factors(input: &Tensor, slopes: &[Tensor], sharing: Sharing) -> (Tensor, Tensor) {
    let rows = |t: &Tensor| t.reshape(&[t.len() / t.size(-1), t.size(-1)]);
    let (a, g): (Tensor, Vec<Tensor>) = match sharing {
        Sharing::Reduce if input.rank() == 3 => {
            (input.mean_axis(1, false), slopes.iter().map(|s| s.sum_axis(1, false)).collect())
        }
        _ => (rows(input), slopes.iter().map(rows).collect()),
    };
    let inner = a.t().matmul(&a) * (1.0 / a.size(0) as f64);
    let outer = g.iter().map(|g| g.t().matmul(g)).reduce(|sum, part| sum + part).expect("there is an output");
    (inner, outer)
}
