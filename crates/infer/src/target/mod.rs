//! What is inferred: a log density on $\mathbb{R}^D$, known up to a constant.
//!
//! | I have | use |
//! |---|---|
//! | a model of my own, over named unknowns that may be positive, bounded, ordered or shares | [`Unknowns`] |
//! | a model that implements [`Parameters`](elbo_tensor::Parameters), with priors on them | [`ParametersDensity`] |
//! | a value and a gradient, computed by hand | [`Explicit`] |
//! | a linear, logistic, Poisson or softmax regression | [`Glm`](crate::glm::Glm) |
//! | rows of data, of which some shall do for a step | [`Parted`], which [`Glm`](crate::glm::Glm) is |
//! | a method to try | [`Toy`], targets in the plane |
//! | something else | implement [`LogDensity`] |

mod parameters;
mod parted;
mod support;
mod toys;
mod unknowns;

pub use parameters::ParametersDensity;
pub use parted::Parted;
pub use support::Support;
pub use toys::Toy;
pub use unknowns::{Named, NamedDensity, RowDensity, Unknown, Unknowns};

use elbo_tensor::{Tensor, grad, grad_graph, with_grad};
use rayon::prelude::*;
use std::sync::Arc;

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
        with_grad(|| {
            let point = Tensor::from_slice(z, &[1, z.len()]).variable();
            let value = self.log_prob(&point);
            let slope = grad(&value.sum(), &[&point]);
            gradient.copy_from_slice(&slope[0].as_f64());
            value.sum().item()
        })
    }

    /// Value and gradient at each row, `[S]` and `[S, D]`; `z: [S, D]` row-major. Override it where many points at once are quicker than
    /// one after the other.
    fn values_and_gradients(&self, z: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let d = self.dim();
        let mut gradient = vec![0.0; z.len()];
        let rows = z.par_chunks_exact(d).zip(gradient.par_chunks_exact_mut(d));
        (rows.map(|(z, g)| self.value_and_gradient(z, g)).collect(), gradient)
    }

    /// The Hessian at one point `z: [D]`, `[D, D]` row-major; `None` where only first derivatives are known.
    ///
    /// The default differentiates the gradient, all rows in one batch. An author whose [`LogDensity::log_prob`] has first derivatives
    /// only must say so here.
    fn hessian(&self, z: &[f64]) -> Option<Vec<f64>> {
        let d = z.len();
        with_grad(|| {
            // Row i of the batch is the same point; the i-th component of its gradient is differentiated once more.
            let points = Tensor::from_vec(z.repeat(d), &[d, d]).variable();
            let slope = grad_graph(&self.log_prob(&points).sum(), &[&points]).remove(0);
            if !slope.is_tracked() {
                return Some(vec![0.0; d * d]);
            }
            let rows = grad(&slope.trace(), &[&points]).remove(0).to_vec();
            Some((0..d * d).map(|ij| 0.5 * (rows[ij] + rows[ij % d * d + ij / d])).collect())
        })
    }

    /// The same density for keeps; `None` where it is only lent. What the target itself drives, as
    /// [`InfinitesimalFlow`](crate::family::InfinitesimalFlow), keeps it: an `Arc<dyn LogDensity + Send>` is a target that can be kept.
    fn shared(&self) -> Option<Arc<dyn LogDensity + Send>> {
        None
    }

    /// Names of the natural values that [`LogDensity::natural`] returns, `P` of them.
    fn labels(&self) -> Vec<String> {
        (0..self.dim()).map(|d| format!("z[{d}]")).collect()
    }

    /// Draws in the author's own terms: `[S, D]` row-major to `[S, P]`.
    fn natural(&self, draws: &[f64]) -> Vec<f64> {
        draws.to_vec()
    }
}

impl LogDensity for Arc<dyn LogDensity + Send> {
    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        (**self).log_prob(z)
    }

    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        (**self).value_and_gradient(z, gradient)
    }

    fn values_and_gradients(&self, z: &[f64]) -> (Vec<f64>, Vec<f64>) {
        (**self).values_and_gradients(z)
    }

    fn hessian(&self, z: &[f64]) -> Option<Vec<f64>> {
        (**self).hessian(z)
    }

    fn shared(&self) -> Option<Self> {
        Some(Self::clone(self))
    }

    fn labels(&self) -> Vec<String> {
        (**self).labels()
    }

    fn natural(&self, draws: &[f64]) -> Vec<f64> {
        (**self).natural(draws)
    }
}

/// Enters rows whose values and gradients are already known into the graph: `values: [S]`, `gradient: [S, D]` row-major,
/// `z: [S, D]`. First derivatives only.
pub(crate) fn with_gradient(name: &'static str, z: &Tensor, values: Vec<f64>, gradient: Vec<f64>) -> Tensor {
    let (rows, slope) = (values.len(), Tensor::from_vec(gradient, z.shape()));
    Tensor::custom(name, vec![z.clone()], Tensor::from_vec(values, &[rows]), move |g, _| {
        vec![Some(g.unsqueeze(-1) * &slope)]
    })
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
        let (values, gradient) = self.values_and_gradients(&z.as_f64());
        with_gradient("explicit log density", z, values, gradient)
    }

    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        (self.function)(z, gradient)
    }

    fn hessian(&self, _: &[f64]) -> Option<Vec<f64>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::no_grad;

    /// `-z⁴`.
    struct Quartic;

    impl LogDensity for Quartic {
        fn dim(&self) -> usize {
            1
        }

        fn log_prob(&self, z: &Tensor) -> Tensor {
            z.square().square().sum_axis(-1, false) * -1.0
        }
    }

    #[test]
    fn a_thread_that_records_nothing_still_gets_the_derivatives() {
        let mut gradient = [f64::NAN];
        let found = no_grad(|| (Quartic.value_and_gradient(&[2.0], &mut gradient), Quartic.hessian(&[2.0])));
        assert_eq!((found, gradient), ((-16.0, Some(vec![-48.0])), [-32.0]));
    }
}
