//! Restoration without a prior.

use super::{Problem, Restored, misfit};
use crate::operator::pseudo_inverse;
use elbo_tensor::Tensor;

/// Hᵀ(HHᵀ + δI)⁻¹y.
pub(super) fn linear(problems: &[Problem<'_>], delta: f64) -> Restored {
    let x: Vec<f64> = problems.iter().flat_map(|p| pseudo_inverse(p.operator, &p.y, delta)).collect();
    let trajectory = vec![misfit(problems, &x)];
    let shape = [problems.len(), x.len() / problems.len()];
    Restored { x: Tensor::from_vec(x, &shape), sd: None, evaluations: 0, trajectory }
}
