use super::fisher::diagonal;
use super::noise::{broadcast, draw_each, joined};
use super::support::{excluding, is_off_open_half_line};
use super::{Batched, Kl, Support};
use crate::univariate::{self, Distribution};
use elbo_core::Rng;
use elbo_tensor::special::{LOG_SQRT_TAU, inverse_mills};
use elbo_tensor::{DType, Tensor};

/// Inverse Gaussian distributions with mean and shape; draws are differentiable in both, implicitly.
#[derive(Debug, Clone)]
pub struct InverseGaussian {
    mean: Tensor,
    shape: Tensor,
}

impl InverseGaussian {
    /// From positive means and shapes, which broadcast. The variance is `mean^3 / shape`.
    pub fn new(mean: Tensor, shape: Tensor) -> Self {
        let [mean, shape] = broadcast([mean, shape]);
        Self { mean, shape }
    }
}

/// Derivatives of a draw `x` in mean `m` and shape `s` at a constant value of the distribution function.
///
/// With $r = \sqrt{s/x}$ and $b = -r(x/m + 1)$ the function is $\Phi(r(x/m - 1)) + e^{2s/m} \Phi(b)$, and the two densities in its derivatives are
/// one: $e^{2s/m} \phi(b) = \phi(r(x/m - 1))$. What remains is $\Phi(b)/\phi(b)$, without the exponential.
fn slopes(m: f64, s: f64, x: f64) -> (f64, f64) {
    let r = (s / x).sqrt();
    let mills = inverse_mills(-r * (x / m + 1.0)).recip();
    let common = 2.0 * x * mills / (m * r);
    (common * s / m, x / s - common)
}

impl Batched for InverseGaussian {
    fn batch_shape(&self) -> Vec<usize> {
        self.mean.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.mean.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = is_off_open_half_line(x);
        let x = x.masked_fill(&is_outside, 1.0);
        let z = (&x - &self.mean) / &self.mean;
        let value = (self.shape.log() - x.log() * 3.0 - &self.shape * z.square() / x) * 0.5 - LOG_SQRT_TAU;
        excluding(&is_outside, &value)
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let wide = joined(&[lead, self.mean.shape()]);
        let [mean, shape] = [&self.mean, &self.shape].map(|t| t.broadcast_to(&wide));
        let (means, shapes) = (mean.to_vec(), shape.to_vec());
        let index: Vec<f64> = (0..means.len()).map(|i| i as f64).collect();
        let draws = draw_each(&index, rng, |i, rng| {
            univariate::InverseGaussian { mean: means[i as usize], shape: shapes[i as usize] }.sample(rng)
        });
        let dtype = self.dtype();
        let value = Tensor::from_slice(&draws, &wide).cast(dtype);
        Some(Tensor::custom("inverse-gaussian-draws", vec![mean, shape], value, move |g, wanted| {
            let both = means.iter().zip(&shapes).zip(&draws).map(|((m, s), x)| slopes(*m, *s, *x));
            let (of_mean, of_shape): (Vec<f64>, Vec<f64>) = both.unzip();
            let times = |slope: Vec<f64>| g * Tensor::from_vec(slope, &wide).cast(dtype);
            vec![wanted[0].then(|| times(of_mean)), wanted[1].then(|| times(of_shape))]
        }))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.mean.clone())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.mean.powi(3) / &self.shape)
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Positive)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        Some(diagonal([&self.shape / self.mean.powi(3), self.shape.square().recip() * 0.5]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.mean.detach(), self.shape.detach()))
    }
}

impl Kl for InverseGaussian {
    fn kl(&self, p: &Self) -> Tensor {
        let ratio = &p.shape / &self.shape;
        let apart = &p.shape * (&self.mean - &p.mean).square() / (&self.mean * p.mean.square());
        (&ratio - ratio.log() - 1.0 + apart) * 0.5
    }
}
