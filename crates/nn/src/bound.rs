//! A lower bound that does not hold training up.

use elbo_tensor::Tensor;

/// `max(x, bound)`, whose gradient passes where `x` is above the bound, or where it would raise `x`.
///
/// Below the bound the value is the bound's; with `moves`, the bound gets those gradients there that raise it: it moves only where
/// that lowers the loss.
///
/// # Shapes
/// `bound` broadcasts to the shape of `x`; differentiable once.
pub fn lower_bound(x: &Tensor, bound: &Tensor, moves: bool) -> Tensor {
    let value = x.maximum(bound).detach();
    let above = x.detach().ge(&bound.detach());
    let (kind, shape) = (x.dtype(), bound.shape().to_vec());
    Tensor::custom("lower_bound", vec![x.clone(), bound.clone()], value, move |g, wanted| {
        let raises = g.lt_scalar(0.0).cast(kind);
        let above = above.cast(kind);
        let passes = above.maximum(&raises);
        let to_bound = || (g * &raises * (-&above + 1.0)).sum_to(&shape);
        vec![wanted[0].then(|| g * &passes), (moves && wanted[1]).then(to_bound)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::{DType, grad};

    #[test]
    fn below_the_bound_only_gradients_that_raise_pass() {
        let x = Tensor::from_f32(vec![1.0, -1.0, -1.0], &[3]).variable();
        let bound = Tensor::zeros(&[1], DType::F32).variable();
        let weights = Tensor::from_f32(vec![1.0, 1.0, -1.0], &[3]);
        let loss = (lower_bound(&x, &bound, true) * weights.clone()).sum();
        let found = grad(&loss, &[&x, &bound]);
        assert_eq!(found[0].to_vec(), [1.0, 0.0, -1.0]);
        assert_eq!(found[1].to_vec(), [-1.0]);
        let still = (lower_bound(&x, &bound, false) * weights).sum();
        assert_eq!(grad(&still, &[&bound])[0].to_vec(), [0.0]);
    }

    #[test]
    fn a_bound_of_fewer_axes_gets_the_sum_over_what_it_bounds() {
        let x = Tensor::zeros(&[2, 3], DType::F32).variable();
        let bound = Tensor::from_f32(vec![-1.0, 1.0, 2.0], &[3]).variable();
        let loss = lower_bound(&x, &bound, true).sum() * -1.0;
        let found = grad(&loss, &[&x, &bound]);
        assert_eq!(found[0].to_vec(), [-1.0; 6]);
        assert_eq!(found[1].to_vec(), [0.0, -2.0, -2.0]);
    }
}
