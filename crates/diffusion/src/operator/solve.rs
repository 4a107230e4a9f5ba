//! Linear systems with an operator, without its matrix.

use super::Operator;
use elbo_linalg::vector::{axpy, dot};

/// Solves M x = b for a symmetric positive definite M, to a residual of `tolerance` times that of zero.
pub fn conjugate_gradient(apply: impl Fn(&[f64]) -> Vec<f64>, b: &[f64], tolerance: f64, most: usize) -> Vec<f64> {
    let mut x = vec![0.0; b.len()];
    let (mut residual, mut direction) = (b.to_vec(), b.to_vec());
    let start = dot(b, b);
    let mut square = start;
    for _ in 0..most {
        if square <= tolerance * tolerance * start {
            break;
        }
        let image = apply(&direction);
        let step = square / dot(&direction, &image);
        axpy(step, &direction, &mut x);
        axpy(-step, &image, &mut residual);
        let next = dot(&residual, &residual);
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / square * *d);
        square = next;
    }
    x
}

/// (s HHᵀ + t I)⁻¹ y of a linear operator, for `t > 0`.
pub fn regularised(operator: &dyn Operator, y: &[f64], s: f64, t: f64) -> Vec<f64> {
    let apply = |v: &[f64]| {
        let mut image = operator.apply(&operator.adjoint(v));
        image.iter_mut().zip(v).for_each(|(i, v)| *i = s * *i + t * v);
        image
    };
    conjugate_gradient(apply, y, 1e-10, 500)
}

/// The pseudo-inverse Hᵀ(HHᵀ + δI)⁻¹ y of a linear operator, with δ > 0 for operators that lose something: Tikhonov's estimate.
pub fn pseudo_inverse(operator: &dyn Operator, y: &[f64], delta: f64) -> Vec<f64> {
    operator.adjoint(&regularised(operator, y, 1.0, delta))
}

/// argmin over x of ‖y - Hx‖² + `pull` ‖x - x₀‖² for a linear operator: x₀ + Hᵀ(HHᵀ + pull I)⁻¹(y - Hx₀).
pub fn proximal(operator: &dyn Operator, y: &[f64], start: &[f64], pull: f64) -> Vec<f64> {
    let residual: Vec<f64> = operator.apply(start).iter().zip(y).map(|(a, y)| y - a).collect();
    let change = pseudo_inverse(operator, &residual, pull);
    start.iter().zip(change).map(|(x, c)| x + c).collect()
}
