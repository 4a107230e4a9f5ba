//! Families of one number whose draws are closed functions of uniform or normal noise.

use super::fisher::{diagonal, matrix};
use super::noise::{broadcast, joined, normals, uniforms};
use super::support::{at_end, excluding, is_off_half_line};
use super::{Batched, Kl, Support};
use crate::univariate::EULER;
use elbo_core::Rng;
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{DType, Tensor};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, LN_2, PI, TAU};

/// Exponential variables of rate one, `[lead..., batch...]`, for parameters of this shape.
fn exponentials(parameter: &Tensor, lead: &[usize], rng: &mut Rng) -> Tensor {
    -uniforms(&joined(&[lead, parameter.shape()]), parameter.dtype(), rng).log()
}

/// Exponential distributions.
#[derive(Debug, Clone)]
pub struct Exponential {
    rate: Tensor,
}

impl Exponential {
    /// From positive rates, the reciprocals of the means.
    pub fn new(rate: Tensor) -> Self {
        Self { rate }
    }
}

impl Batched for Exponential {
    fn batch_shape(&self) -> Vec<usize> {
        self.rate.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.rate.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = is_off_half_line(x);
        let x = x.masked_fill(&is_outside, 0.0);
        excluding(&is_outside, &(self.rate.log() - &self.rate * x))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(exponentials(&self.rate, lead, rng) / &self.rate)
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(1.0 - self.rate.log())
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.rate.recip())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.rate.square().recip())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Positive)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        Some(diagonal([self.rate.square().recip()]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.rate.detach()))
    }
}

impl Kl for Exponential {
    fn kl(&self, p: &Self) -> Tensor {
        let ratio = &p.rate / &self.rate;
        &ratio - ratio.log() - 1.0
    }
}

/// Weibull distributions: of powers of exponential variables.
#[derive(Debug, Clone)]
pub struct Weibull {
    shape: Tensor,
    scale: Tensor,
}

impl Weibull {
    /// From positive shapes and scales, which broadcast. Below a shape of one the hazard falls, above it rises.
    pub fn new(shape: Tensor, scale: Tensor) -> Self {
        let [shape, scale] = broadcast([shape, scale]);
        Self { shape, scale }
    }

    /// `log E (x / scale)^n`.
    fn log_moment(&self, n: f64) -> Tensor {
        (n / &self.shape + 1.0).lgamma()
    }
}

impl Batched for Weibull {
    fn batch_shape(&self) -> Vec<usize> {
        self.shape.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.shape.dtype()
    }
    /// The slope in `x` is zero outside of the support and at zero, its end.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = is_off_half_line(x);
        let is_end = x.eq_scalar(0.0);
        // The scale stands for what is not inside: the logarithm of zero has no finite slope.
        let x = is_outside.or(&is_end).where_(&self.scale, x);
        let log = (x / &self.scale).log();
        let height = self.shape.log() - self.scale.log();
        let value = &height + (&self.shape - 1.0) * &log - (&self.shape * &log).exp();
        excluding(&is_outside, &is_end.where_(&at_end(&self.shape, &height), &value))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some((exponentials(&self.shape, lead, rng).log() / &self.shape).exp() * &self.scale)
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(EULER * (1.0 - self.shape.recip()) + self.scale.log() - self.shape.log() + 1.0)
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.log_moment(1.0).exp() * &self.scale)
    }
    fn variance(&self) -> Option<Tensor> {
        Some((self.log_moment(2.0).exp() - (self.log_moment(1.0) * 2.0).exp()) * self.scale.square())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Positive)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let spread = PI * PI / 6.0 + (1.0 - EULER).powi(2);
        let across = (EULER - 1.0) / &self.scale;
        let scale = (&self.shape / &self.scale).square();
        Some(matrix([[spread / self.shape.square(), across.clone()], [across, scale]]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.shape.detach(), self.scale.detach()))
    }
}

impl Kl for Weibull {
    /// # Source
    /// Bauckhage (2013).
    fn kl(&self, p: &Self) -> Tensor {
        let (k, other) = (&self.shape, &p.shape);
        let log_ratio = self.scale.log() - p.scale.log();
        let power = (other * &log_ratio + (other / k + 1.0).lgamma()).exp();
        k.log() - other.log() - other * log_ratio - EULER * (1.0 - other / k) + power - 1.0
    }
}

/// Normal distributions about zero, folded there.
#[derive(Debug, Clone)]
pub struct HalfNormal {
    sd: Tensor,
}

impl HalfNormal {
    /// From standard deviations before folding.
    pub fn new(sd: Tensor) -> Self {
        Self { sd }
    }
}

impl Batched for HalfNormal {
    fn batch_shape(&self) -> Vec<usize> {
        self.sd.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.sd.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = is_off_half_line(x);
        let x = x.masked_fill(&is_outside, 0.0);
        excluding(&is_outside, &((x / &self.sd).square() * -0.5 - self.sd.log() + (LN_2 - LOG_SQRT_TAU)))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(normals(&joined(&[lead, self.sd.shape()]), self.dtype(), rng).abs() * &self.sd)
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(self.sd.log() + (0.5 + LOG_SQRT_TAU - LN_2))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(&self.sd * FRAC_2_PI.sqrt())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.sd.square() * (1.0 - FRAC_2_PI))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Positive)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        Some(diagonal([self.sd.square().recip() * 2.0]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.sd.detach()))
    }
}

impl Kl for HalfNormal {
    fn kl(&self, p: &Self) -> Tensor {
        let ratio = &self.sd / &p.sd;
        (ratio.square() - 1.0) * 0.5 - ratio.log()
    }
}

/// Cauchy distributions about zero, folded there. They have no moments.
#[derive(Debug, Clone)]
pub struct HalfCauchy {
    scale: Tensor,
}

impl HalfCauchy {
    /// From scales, the medians.
    pub fn new(scale: Tensor) -> Self {
        Self { scale }
    }
}

impl Batched for HalfCauchy {
    fn batch_shape(&self) -> Vec<usize> {
        self.scale.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.scale.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = is_off_half_line(x);
        let x = x.masked_fill(&is_outside, 0.0);
        excluding(&is_outside, &(FRAC_2_PI.ln() - self.scale.log() - (x / &self.scale).square().log1p()))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let u = uniforms(&joined(&[lead, self.scale.shape()]), self.dtype(), rng);
        Some((u * FRAC_PI_2).tan() * &self.scale)
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(self.scale.log() + TAU.ln())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Positive)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        Some(diagonal([self.scale.square().recip() * 0.5]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.scale.detach()))
    }
}

impl Kl for HalfCauchy {
    /// # Source
    /// Chyzak and Nielsen (2019).
    fn kl(&self, p: &Self) -> Tensor {
        (&self.scale + &p.scale).log() * 2.0 - (&self.scale * &p.scale * 4.0).log()
    }
}

/// Pareto distributions, of numbers above a threshold.
#[derive(Debug, Clone)]
pub struct Pareto {
    scale: Tensor,
    shape: Tensor,
}

impl Pareto {
    /// From positive thresholds and tail indices, which broadcast. Moments of the order of the index and above are infinite.
    pub fn new(scale: Tensor, shape: Tensor) -> Self {
        let [scale, shape] = broadcast([scale, shape]);
        Self { scale, shape }
    }
}

impl Batched for Pareto {
    fn batch_shape(&self) -> Vec<usize> {
        self.scale.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.scale.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = x.lt(&self.scale).or(&x.eq_scalar(f64::INFINITY));
        // The threshold stands for what is outside: the logarithm of zero has no finite slope.
        let x = is_outside.where_(&self.scale, x);
        let value = self.shape.log() + &self.shape * self.scale.log() - (&self.shape + 1.0) * x.log();
        excluding(&is_outside, &value)
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some((exponentials(&self.shape, lead, rng) / &self.shape).exp() * &self.scale)
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(self.scale.log() - self.shape.log() + self.shape.recip() + 1.0)
    }
    fn mean(&self) -> Option<Tensor> {
        let finite = &self.scale * &self.shape / (&self.shape - 1.0);
        Some(self.shape.gt_scalar(1.0).where_(&finite, &finite.full_like(f64::INFINITY)))
    }
    fn variance(&self) -> Option<Tensor> {
        let spread = &self.shape / ((&self.shape - 1.0).square() * (&self.shape - 2.0));
        let finite = self.scale.square() * spread;
        Some(self.shape.gt_scalar(2.0).where_(&finite, &finite.full_like(f64::INFINITY)))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Above(self.scale.clone()))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.scale.detach(), self.shape.detach()))
    }
}

impl Kl for Pareto {
    /// Infinite where numbers of this distribution lie below the threshold of `p`.
    fn kl(&self, p: &Self) -> Tensor {
        let ratio = &p.shape / &self.shape;
        let finite = &ratio - ratio.log() + &p.shape * (self.scale.log() - p.scale.log()) - 1.0;
        let is_above = self.scale.ge(&p.scale);
        is_above.where_(&finite, &finite.full_like(f64::INFINITY))
    }
}

/// Kumaraswamy's distributions on (0, 1): like beta distributions, with closed draws.
#[derive(Debug, Clone)]
pub struct Kumaraswamy {
    a: Tensor,
    b: Tensor,
}

impl Kumaraswamy {
    /// From positive exponents `a` of `x` and `b` of `1 - x^a`, which broadcast.
    pub fn new(a: Tensor, b: Tensor) -> Self {
        let [a, b] = broadcast([a, b]);
        Self { a, b }
    }

    /// `E x^n`, which is b B(1 + n / a, b).
    fn moment(&self, n: f64) -> Tensor {
        let first = n / &self.a + 1.0;
        let log_beta = first.lgamma() + self.b.lgamma() - (first + &self.b).lgamma();
        log_beta.exp() * &self.b
    }
}

/// `log(1 - e^x)` for negative `x`.
pub fn log_complement(x: &Tensor) -> Tensor {
    (-x.expm1()).log()
}

impl Batched for Kumaraswamy {
    fn batch_shape(&self) -> Vec<usize> {
        self.a.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.a.dtype()
    }
    /// The slope in `x` is zero outside of the support and at zero and one, its ends.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = x.lt_scalar(0.0).or(&x.gt_scalar(1.0));
        let (is_low, is_high) = (x.eq_scalar(0.0), x.eq_scalar(1.0));
        // A half stands for what is not inside: the logarithm of zero has no finite slope.
        let log = x.masked_fill(&is_outside.or(&is_low).or(&is_high), 0.5).log();
        let rest = log_complement(&(&self.a * &log));
        let height = self.a.log() + self.b.log();
        let value = &height + (&self.a - 1.0) * log + (&self.b - 1.0) * rest;
        let value = is_low.where_(&at_end(&self.a, &height), &value);
        excluding(&is_outside, &is_high.where_(&at_end(&self.b, &height), &value))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let log_rest = -exponentials(&self.b, lead, rng) / &self.b;
        Some((log_complement(&log_rest) / &self.a).exp())
    }
    fn entropy(&self) -> Option<Tensor> {
        let spread = (1.0 - self.a.recip()) * ((&self.b + 1.0).digamma() + EULER);
        Some(1.0 - self.b.recip() + spread - self.a.log() - self.b.log())
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.moment(1.0))
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.moment(2.0) - self.moment(1.0).square())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Unit)
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.a.detach(), self.b.detach()))
    }
}
