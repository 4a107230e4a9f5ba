//! Likelihoods of pixels.

use super::noise::{broadcast, joined, uniforms};
use super::support::excluding;
use super::{Batched, Support};
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor};
use std::f64::consts::LN_2;

/// Numbers in [0, 1] with density $C(l)\, e^{x l - \mathrm{softplus}(l)}$: the Bernoulli density of grey values, normalised.
///
/// $$ C = \frac{2 \operatorname{atanh}(1 - 2p)}{1 - 2p} = \frac{l}{\tanh(l/2)}, \qquad p = \sigma(l) $$
///
/// # Source
/// Loaiza-Ganem and Cunningham (2019).
#[derive(Debug, Clone)]
pub struct ContinuousBernoulli {
    logits: Tensor,
}

impl ContinuousBernoulli {
    /// From the logits, `[batch...]`.
    pub fn new(logits: Tensor) -> Self {
        Self { logits }
    }

    /// $\log C$; by its series where `l` is small, where the quotient and its slope lose their digits.
    fn log_normaliser(&self) -> Tensor {
        let small = self.logits.abs().lt_scalar(0.2);
        let one = Tensor::ones(&[], self.dtype());
        let size = small.where_(&one, &self.logits.abs());
        let quotient = (&size / (&size * 0.5).tanh()).log();
        let q = small.where_(&self.logits, &Tensor::zeros(&[], self.dtype())).square() * 0.25;
        // y coth y - 1 in q = y^2, y = l / 2.
        let series = [1.0 / 3.0, -1.0 / 45.0, 2.0 / 945.0, -1.0 / 4725.0, 2.0 / 93_555.0];
        let sum = series.iter().rev().fold(q.zeros_like(), |sum, c| (sum + *c) * &q);
        small.where_(&(sum.log1p() + LN_2), &quotient)
    }
}

impl Batched for ContinuousBernoulli {
    fn batch_shape(&self) -> Vec<usize> {
        self.logits.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.logits.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = x.lt_scalar(0.0).or(&x.gt_scalar(1.0));
        let x = x.masked_fill(&is_outside, 0.0);
        excluding(&is_outside, &(x * &self.logits - self.logits.softplus() + self.log_normaliser()))
    }
    /// By the inverse distribution function $\log(1 + u (e^l - 1)) / l$, mirrored for positive `l`.
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let u = uniforms(&joined(&[lead, self.logits.shape()]), self.dtype(), rng);
        let tiny = self.logits.abs().lt_scalar(1e-6);
        let one = Tensor::ones(&[], self.dtype());
        let size = tiny.where_(&one, &self.logits.abs());
        let positive = self.logits.gt_scalar(0.0);
        let v = positive.where_(&(1.0 - &u), &u);
        let mirrored = -(&v * (-&size).expm1()).log1p() / &size;
        let far = positive.where_(&(1.0 - &mirrored), &mirrored);
        let near = &u + &self.logits * (&u * (1.0 - &u)) * 0.5;
        Some(tiny.where_(&near, &far))
    }
    fn mean(&self) -> Option<Tensor> {
        // 1 / (1 - e^-l) - 1 / l = 1/2 + tanh^-1-type series near zero.
        let small = self.logits.abs().lt_scalar(0.02);
        let one = Tensor::ones(&[], self.dtype());
        let l = small.where_(&one, &self.logits);
        let far = -(-&l).expm1().recip() - l.recip();
        let s = small.where_(&self.logits, &Tensor::zeros(&[], self.dtype()));
        let near = &s * (1.0 / 12.0) - s.powi(3) * (1.0 / 720.0) + s.powi(5) * (1.0 / 30_240.0) + 0.5;
        Some(small.where_(&near, &far))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Unit)
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { logits: self.logits.detach() })
    }
}

/// Levels of an image of `2^bits` grey values, placed evenly in [-1, 1], with the mass of a logistic distribution in each bin; the end bins take
/// the tails.
///
/// # Source
/// Salimans, Karpathy, Chen and Kingma (2017).
#[derive(Debug, Clone)]
pub struct DiscretisedLogistic {
    location: Tensor,
    log_scale: Tensor,
    levels: usize,
}

impl DiscretisedLogistic {
    /// From locations and log scales, which broadcast, and the number of levels, 256 for 8-bit images.
    pub fn new(location: Tensor, log_scale: Tensor, levels: usize) -> Self {
        assert!(levels >= 2, "an image has two levels at least");
        let [location, log_scale] = broadcast([location, log_scale]);
        Self { location, log_scale, levels }
    }

    /// Half the width of a bin.
    fn half_width(&self) -> f64 {
        1.0 / (self.levels - 1) as f64
    }
}

impl Batched for DiscretisedLogistic {
    fn batch_shape(&self) -> Vec<usize> {
        self.location.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.location.dtype()
    }
    /// The mass of the bin around `x`; minus infinity beyond the end bins.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let d = self.half_width();
        let is_outside = x.abs().gt_scalar(1.0 + d);
        let x = x.masked_fill(&is_outside, 0.0);
        let inverse_scale = (-&self.log_scale).exp();
        let centred = &x - &self.location;
        let a = (&centred + d) * &inverse_scale;
        let b = (&centred - d) * &inverse_scale;
        // sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - e^(b - a)), exactly; b - a is -2 d / s.
        let inside = a.log_sigmoid() + (-&b).log_sigmoid() + (-(&inverse_scale * (-2.0 * d)).expm1()).log();
        let first = x.lt_scalar(-1.0 + d);
        let last = x.gt_scalar(1.0 - d);
        excluding(&is_outside, &first.where_(&a.log_sigmoid(), &last.where_(&(-b).log_sigmoid(), &inside)))
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let u = uniforms(&joined(&[lead, self.location.shape()]), self.dtype(), rng);
        let real = &self.location.detach() + (u.log() - (-&u).log1p()) * self.log_scale.detach().exp();
        let top = (self.levels - 1) as f64;
        ((real + 1.0) * (0.5 * top)).round().clamp(0.0, top) * (2.0 / top) - 1.0
    }
    fn enumerate(&self) -> Option<Tensor> {
        let batch = self.location.shape();
        let column = joined(&[&[self.levels], &vec![1; batch.len()]]);
        let levels = Tensor::linspace(-1.0, 1.0, self.levels).cast(self.dtype()).reshape(&column);
        Some(levels.broadcast_to(&joined(&[&[self.levels], batch])))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Levels(self.levels))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { location: self.location.detach(), log_scale: self.log_scale.detach(), levels: self.levels })
    }
}
