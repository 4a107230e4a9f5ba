//! What stands for rounding in training.

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

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::grad;

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
}
