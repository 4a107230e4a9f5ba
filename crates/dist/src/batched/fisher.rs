//! Matrices of Fisher information from their elements.

use elbo_tensor::Tensor;

/// Diagonal matrices from their elements: `[batch...]` each, returns `[batch..., P, P]`.
pub fn diagonal<const P: usize>(elements: [Tensor; P]) -> Tensor {
    Tensor::stack(&elements, -1).diag()
}

/// Matrices from their rows: elements `[batch...]`, returns `[batch..., P, P]`.
pub fn matrix<const P: usize>(rows: [[Tensor; P]; P]) -> Tensor {
    Tensor::stack(&rows.map(|row| Tensor::stack(&row, -1)), -2)
}

/// $\mathrm{diag}(p) - p p^\top$, of the unnormalised log probabilities of one draw among `K` classes. `[batch..., K]`, returns `[batch..., K, K]`.
pub fn of_logits(probs: &Tensor) -> Tensor {
    probs.diag() - probs.unsqueeze(-1) * probs.unsqueeze(-2)
}
