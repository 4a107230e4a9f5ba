//! Expected log probabilities of targets under uncertain outputs, in closed form.

use elbo_tensor::Tensor;
use elbo_tensor::special::LOG_SQRT_TAU;

/// Expected log density of a number with normal noise, elementwise: `log N(y; m, τ²) - v / 2τ²`, from the error `y - m` of the mean output,
/// the output's variance v and the noise's variance τ².
pub(crate) fn expected_normal(error: &Tensor, spread: &Tensor, noise: &Tensor) -> Tensor {
    ((error.square() + spread) / noise + noise.log()) * -0.5 - LOG_SQRT_TAU
}

/// The same with noise of variance e^ℓ, where ℓ is uncertain too, and independent of the output: of mean `level` and variance `doubt`.
pub(crate) fn expected_varying_normal(error: &Tensor, spread: &Tensor, level: &Tensor, doubt: &Tensor) -> Tensor {
    let precision = (doubt * 0.5 - level).exp();
    (precision * (error.square() + spread) + level) * -0.5 - LOG_SQRT_TAU
}
