//! What stands for rounding and bounds in training.

use elbo_core::Rng;
use elbo_tensor::Tensor;

/// `y + u` with `u` uniform within half a unit: the rate's stand-in for rounding.
pub fn noisy(y: &Tensor, rng: &mut Rng) -> Tensor {
    let noise: Vec<f32> = rng.uniforms(y.len()).into_iter().map(|u| (u - 0.5) as f32).collect();
    y + &Tensor::from_f32(noise, y.shape())
}

/// Rounded about the mean, `floor(y - mean + 1/2) + mean`, with the derivative of `y`: the distortion's stand-in.
pub fn straight_through(y: &Tensor, mean: &Tensor) -> Tensor {
    let rounded = ((y - mean + 0.5).floor() + mean).detach();
    let value = rounded.clone();
    Tensor::custom("straight_through", vec![y.clone()], value, |g, _| vec![Some(g.clone())])
}

/// The integer of a value about its mean. Halves go up, on every machine.
#[inline]
pub fn quantise(y: f32, mean: f32) -> i32 {
    // A cast of a float saturates, and takes NaN to zero.
    (y - mean + 0.5).floor() as i32
}

/// `max(x, bound)`, whose gradient passes where `x` is above the bound, or where it would raise `x`.
///
/// Below the bound the value is the bound's; with `moves`, the bound gets those gradients there that raise it: it moves only where
/// that lowers the loss.
pub fn lower_bound(x: &Tensor, bound: &Tensor, moves: bool) -> Tensor {
    let value = x.maximum(bound).detach();
    let above = x.detach().ge(&bound.detach());
    let axes: Vec<isize> = (0..bound.rank()).filter(|a| bound.shape()[*a] == 1).map(|a| a as isize).collect();
    let (kind, zero) = (x.dtype(), Tensor::zeros(x.shape(), x.dtype()));
    Tensor::custom("lower_bound", vec![x.clone(), bound.clone()], value, move |g, wanted| {
        let raises = g.lt(&zero).cast(kind);
        let above = above.cast(kind);
        let passes = above.maximum(&raises);
        let to_bound = || {
            let part = g * &raises * (-&above + 1.0);
            if moves { part.sum_axes(&axes, true) } else { part.sum_axes(&axes, true) * 0.0 }
        };
        vec![wanted[0].then(|| g * &passes), wanted[1].then(to_bound)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::{DType, grad};

    #[test]
    fn rounding_is_about_the_mean_and_halves_go_up() {
        let y = Tensor::from_f32(vec![0.5, -0.5, 1.49, 2.2], &[4]).variable();
        let mean = Tensor::from_f32(vec![0.0, 0.0, 0.25, 0.8], &[4]);
        let rounded = straight_through(&y, &mean);
        let expected: Vec<f64> = vec![1.0, 0.0, 1.25, 1.8];
        rounded.to_vec().iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-6));
        assert_eq!(grad(&rounded.sum(), &[&y])[0].to_vec(), [1.0; 4]);
        assert_eq!([quantise(0.5, 0.0), quantise(-0.5, 0.0), quantise(f32::NAN, 0.0)], [1, 0, 0]);
    }

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
}
