//! Families of one real number whose draws are closed functions of uniform or normal noise.

use super::fisher::{diagonal, matrix};
use super::noise::{broadcast, joined, normals, uniforms};
use super::support::{excluding, is_off_open_half_line};
use super::{Batched, Kl, Normal, Support, log_gamma_draws};
use crate::univariate::EULER;
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor};
use std::f64::consts::{LN_2, PI};

/// Shifted and scaled copies of one law, with the accessors that all of them have.
macro_rules! location_scale {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            location: Tensor,
            scale: Tensor,
        }

        impl $name {
            /// From locations and positive scales, which broadcast.
            pub fn new(location: Tensor, scale: Tensor) -> Self {
                let [location, scale] = broadcast([location, scale]);
                Self { location, scale }
            }

            /// Locations, `[batch...]`.
            pub fn location(&self) -> &Tensor {
                &self.location
            }

            /// Scales, `[batch...]`.
            pub fn scale(&self) -> &Tensor {
                &self.scale
            }

            fn standardised(&self, x: &Tensor) -> Tensor {
                (x - &self.location) / &self.scale
            }

            fn uniform_noise(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
                uniforms(&joined(&[lead, self.location.shape()]), self.dtype(), rng)
            }
        }
    };
}

location_scale! {
    /// Laplace distributions.
    Laplace
}

impl Batched for Laplace {
    fn batch_shape(&self) -> Vec<usize> {
        self.location.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.location.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        -self.standardised(x).abs() - self.scale.log() - LN_2
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let u = self.uniform_noise(lead, rng) - 0.5;
        let size = (u.abs() * -2.0).log1p();
        Some(&self.location - u.sign() * size * &self.scale)
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(self.scale.log() + (1.0 + LN_2))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.location.clone())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.scale.square() * 2.0)
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Real)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let precision = self.scale.square().recip();
        Some(diagonal([precision.clone(), precision]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.location.detach(), self.scale.detach()))
    }
}

impl Kl for Laplace {
    fn kl(&self, p: &Self) -> Tensor {
        let distance = (&self.location - &p.location).abs();
        let ratio = &self.scale / &p.scale;
        &distance / &p.scale + &ratio * (-(&distance / &self.scale)).exp() - 1.0 - ratio.log()
    }
}

location_scale! {
    /// Gumbel distributions of maxima.
    Gumbel
}

impl Batched for Gumbel {
    fn batch_shape(&self) -> Vec<usize> {
        self.location.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.location.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let z = self.standardised(x);
        -(&z + (-&z).exp()) - self.scale.log()
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let noise = -(-self.uniform_noise(lead, rng).log()).log();
        Some(&self.location + noise * &self.scale)
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(self.scale.log() + (1.0 + EULER))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(&self.location + &self.scale * EULER)
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.scale.square() * (PI * PI / 6.0))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Real)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let precision = self.scale.square().recip();
        let spread = PI * PI / 6.0 + (1.0 - EULER).powi(2);
        let across = &precision * (EULER - 1.0);
        Some(matrix([[precision.clone(), across.clone()], [across, precision * spread]]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.location.detach(), self.scale.detach()))
    }
}

impl Kl for Gumbel {
    fn kl(&self, p: &Self) -> Tensor {
        let ratio = &self.scale / &p.scale;
        let distance = (&self.location - &p.location) / &p.scale;
        // E e^(-t z) of a standard variable z is Gamma(1 + t).
        let tail = ((&ratio + 1.0).lgamma() - &distance).exp();
        (&ratio - 1.0) * EULER - ratio.log() + distance + tail - 1.0
    }
}

location_scale! {
    /// Logistic distributions.
    Logistic
}

impl Batched for Logistic {
    fn batch_shape(&self) -> Vec<usize> {
        self.location.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.location.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let z = self.standardised(x);
        z.log_sigmoid() + (-&z).log_sigmoid() - self.scale.log()
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let u = self.uniform_noise(lead, rng);
        Some(&self.location + (u.log() - (-&u).log1p()) * &self.scale)
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(self.scale.log() + 2.0)
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.location.clone())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.scale.square() * (PI * PI / 3.0))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Real)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let precision = self.scale.square().recip();
        Some(diagonal([&precision * (1.0 / 3.0), precision * ((3.0 + PI * PI) / 9.0)]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.location.detach(), self.scale.detach()))
    }
}

/// Uniform distributions on intervals.
#[derive(Debug, Clone)]
pub struct Uniform {
    low: Tensor,
    high: Tensor,
}

impl Uniform {
    /// From lower and upper ends, which broadcast.
    pub fn new(low: Tensor, high: Tensor) -> Self {
        let [low, high] = broadcast([low, high]);
        Self { low, high }
    }
}

impl Batched for Uniform {
    fn batch_shape(&self) -> Vec<usize> {
        self.low.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.low.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let inside = x.ge(&self.low).and(&x.le(&self.high));
        let value = -(&self.high - &self.low).log() + x.zeros_like();
        excluding(&inside.not(), &value)
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let u = uniforms(&joined(&[lead, self.low.shape()]), self.dtype(), rng);
        Some(&self.low + u * (&self.high - &self.low))
    }
    fn entropy(&self) -> Option<Tensor> {
        Some((&self.high - &self.low).log())
    }
    fn mean(&self) -> Option<Tensor> {
        Some((&self.high + &self.low) * 0.5)
    }
    fn variance(&self) -> Option<Tensor> {
        Some((&self.high - &self.low).square() * (1.0 / 12.0))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Between(self.low.clone(), self.high.clone()))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.low.detach(), self.high.detach()))
    }
}

impl Kl for Uniform {
    /// Infinite, with slopes of zero, where numbers of this distribution lie outside the interval of `p`.
    fn kl(&self, p: &Self) -> Tensor {
        let finite = (&p.high - &p.low).log() - (&self.high - &self.low).log();
        let is_outside = self.low.lt(&p.low).or(&self.high.gt(&p.high));
        finite.masked_fill(&is_outside, f64::INFINITY)
    }
}

/// Distributions of positive numbers whose logarithm is normal.
#[derive(Debug, Clone)]
pub struct LogNormal {
    log: Normal,
}

impl LogNormal {
    /// From mean and standard deviation of the logarithm, which broadcast.
    pub fn new(mu: Tensor, sigma: Tensor) -> Self {
        Self { log: Normal::new(mu, sigma) }
    }
}

impl Batched for LogNormal {
    fn batch_shape(&self) -> Vec<usize> {
        self.log.batch_shape()
    }
    fn dtype(&self) -> DType {
        self.log.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = is_off_open_half_line(x);
        let log = x.masked_fill(&is_outside, 1.0).log();
        excluding(&is_outside, &(self.log.log_prob(&log) - log))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        self.log.rsample(lead, rng).map(|x| x.exp())
    }
    fn entropy(&self) -> Option<Tensor> {
        self.log.entropy().map(|h| h + self.log.location())
    }
    fn mean(&self) -> Option<Tensor> {
        Some((self.log.location() + self.log.sd().square() * 0.5).exp())
    }
    fn variance(&self) -> Option<Tensor> {
        let square = self.log.sd().square();
        Some(square.expm1() * (self.log.location() * 2.0 + square).exp())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Positive)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        self.log.fisher_information()
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.log.location().detach(), self.log.sd().detach()))
    }
}

impl Kl for LogNormal {
    fn kl(&self, p: &Self) -> Tensor {
        self.log.kl(&p.log)
    }
}

/// Distributions on (0, 1) whose logit is normal.
#[derive(Debug, Clone)]
pub struct LogitNormal {
    logit: Normal,
}

impl LogitNormal {
    /// From mean and standard deviation of the logit, which broadcast.
    pub fn new(mu: Tensor, sigma: Tensor) -> Self {
        Self { logit: Normal::new(mu, sigma) }
    }
}

impl Batched for LogitNormal {
    fn batch_shape(&self) -> Vec<usize> {
        self.logit.batch_shape()
    }
    fn dtype(&self) -> DType {
        self.logit.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = x.le_scalar(0.0).or(&x.ge_scalar(1.0));
        let x = x.masked_fill(&is_outside, 0.5);
        let (log, log_rest) = (x.log(), (-x).log1p());
        excluding(&is_outside, &(self.logit.log_prob(&(&log - &log_rest)) - log - log_rest))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        self.logit.rsample(lead, rng).map(|x| x.sigmoid())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Unit)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        self.logit.fisher_information()
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.logit.location().detach(), self.logit.sd().detach()))
    }
}

impl Kl for LogitNormal {
    fn kl(&self, p: &Self) -> Tensor {
        self.logit.kl(&p.logit)
    }
}

/// Student-t distributions with location, scale and degrees of freedom; draws are differentiable in all three, through the gamma variable
/// of the scale mixture.
#[derive(Debug, Clone)]
pub struct StudentT {
    location: Tensor,
    scale: Tensor,
    dof: Tensor,
}

impl StudentT {
    /// From locations, scales and degrees of freedom, which broadcast.
    pub fn new(location: Tensor, scale: Tensor, dof: Tensor) -> Self {
        let [location, scale, dof] = broadcast([location, scale, dof]);
        Self { location, scale, dof }
    }

    /// $\log B(\nu/2, 1/2)$.
    fn log_beta(&self) -> Tensor {
        let half = &self.dof * 0.5;
        half.lgamma() - (half + 0.5).lgamma() + 0.5 * PI.ln()
    }
}

impl Batched for StudentT {
    fn batch_shape(&self) -> Vec<usize> {
        self.location.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.location.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let z = (x - &self.location) / &self.scale;
        let tail = (z.square() / &self.dof).log1p() * ((&self.dof + 1.0) * 0.5);
        -self.log_beta() - self.dof.log() * 0.5 - self.scale.log() - tail
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        // w ~ Gamma(nu/2, nu/2), z = m + s e / sqrt(w).
        let half = &self.dof * 0.5;
        let log_w = log_gamma_draws(&half, lead, rng) - half.log();
        let noise = normals(log_w.shape(), self.dtype(), rng);
        Some(&self.location + &self.scale * noise * (log_w * -0.5).exp())
    }
    fn entropy(&self) -> Option<Tensor> {
        let half = (&self.dof + 1.0) * 0.5;
        let spread = &half * (half.digamma() - (&self.dof * 0.5).digamma());
        Some(spread + self.dof.log() * 0.5 + self.log_beta() + self.scale.log())
    }
    fn mean(&self) -> Option<Tensor> {
        let undefined = self.location.full_like(f64::NAN);
        Some(self.dof.gt_scalar(1.0).where_(&self.location, &undefined))
    }
    fn variance(&self) -> Option<Tensor> {
        let finite = self.scale.square() * &self.dof / (&self.dof - 2.0);
        let beyond = self.dof.gt_scalar(1.0).where_(&finite.full_like(f64::INFINITY), &finite.full_like(f64::NAN));
        Some(self.dof.gt_scalar(2.0).where_(&finite, &beyond))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Real)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let (dof, precision) = (&self.dof, self.scale.square().recip());
        let (next, third) = (dof + 1.0, dof + 3.0);
        let zero = dof.zeros_like();
        let location = &next / &third * &precision;
        let scale = dof * 2.0 / &third * &precision;
        let across = -2.0 / (&self.scale * &next * &third);
        let curvature = ((dof * 0.5).polygamma(1) - (&next * 0.5).polygamma(1)) * 0.25;
        let shape = curvature - (dof + 5.0) / (dof * 2.0 * &next * &third);
        Some(matrix([
            [location, zero.clone(), zero.clone()],
            [zero.clone(), scale, across.clone()],
            [zero, across, shape],
        ]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.location.detach(), self.scale.detach(), self.dof.detach()))
    }
}
