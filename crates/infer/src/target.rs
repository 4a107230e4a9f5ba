//! What is inferred: a log density on $\mathbb{R}^D$, known up to a constant.

use elbo_tensor::{Tensor, grad};

/// A log density on $\mathbb{R}^D$, known up to a constant, in nats.
///
/// Constrained unknowns are mapped to the whole space by the author, log-Jacobian included. Where the density does not exist, the
/// value is minus infinity or NaN: samplers reject such points, and fits count them.
///
/// Write [`LogDensity::log_prob`] in tensor operations, or give a value and gradient by hand through [`Explicit`].
pub trait LogDensity: Sync {
    /// Number of unknowns, `D`.
    fn dim(&self) -> usize;

    /// The log density at each row. `z: [S, D]`, f64; returns `[S]`, differentiable in `z`.
    fn log_prob(&self, z: &Tensor) -> Tensor;

    /// The log density at one point `z: [D]`; its gradient is written to `gradient: [D]`.
    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let point = Tensor::from_slice(z, &[1, z.len()]).variable();
        let value = self.log_prob(&point);
        let slope = grad(&value.sum(), &[&point]);
        gradient.copy_from_slice(&slope[0].as_f64());
        value.sum().item()
    }
}

/// A log density given by hand: a closure that returns the value at `z: [D]` and writes the gradient.
///
/// Its tensor form has first derivatives only.
pub struct Explicit<F> {
    dim: usize,
    function: F,
}

impl<F: Fn(&[f64], &mut [f64]) -> f64 + Send + Sync> Explicit<F> {
    /// A density over `dim` unknowns.
    pub fn new(dim: usize, function: F) -> Self {
        Self { dim, function }
    }
}

impl<F: Fn(&[f64], &mut [f64]) -> f64 + Send + Sync> LogDensity for Explicit<F> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let rows = z.size(0);
        let points = z.as_f64();
        let mut gradient = vec![0.0; rows * self.dim];
        let values: Vec<f64> = points
            .chunks_exact(self.dim)
            .zip(gradient.chunks_exact_mut(self.dim))
            .map(|(point, slope)| (self.function)(point, slope))
            .collect();
        // Linear in z around the points: the value is theirs, the derivative the closure's.
        let slope = Tensor::from_vec(gradient, &[rows, self.dim]);
        let base = Tensor::from_vec(values, &[rows]);
        let centre = Tensor::from_slice(&points, &[rows, self.dim]);
        ((z - &centre) * slope).sum_axis(-1, false) + base
    }

    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        (self.function)(z, gradient)
    }
}
