//! Distributions on the circle and on spheres.

use super::fisher::diagonal;
use super::noise::{broadcast, draw_each, joined, map_pairs, normals};
use super::{Batched, Kl, Support};
use crate::tanh_sinh;
use elbo_core::Rng;
use elbo_tensor::special::{bessel_i_ratio, lgamma, log_bessel_ie};
use elbo_tensor::{DType, Tensor};
use std::f64::consts::{LN_2, PI, TAU};

/// $\log[e^{-k} I_\nu(k)]$ of each element, differentiable.
pub(crate) fn log_bessel(order: f64, k: &Tensor) -> Tensor {
    let values: Vec<f64> = k.to_vec().iter().map(|k| log_bessel_ie(order, *k)).collect();
    let value = Tensor::from_vec(values, k.shape()).cast(k.dtype());
    let input = k.clone();
    Tensor::custom("log-bessel", vec![k.clone()], value, move |g, _| {
        // I' / I = I_{v+1} / I_v + v / k.
        let slope: Vec<f64> = input
            .to_vec()
            .iter()
            .map(|k| bessel_i_ratio(order, *k) + if order == 0.0 { 0.0 } else { order / k } - 1.0)
            .collect();
        vec![Some(g * Tensor::from_vec(slope, input.shape()).cast(input.dtype()))]
    })
}

/// $I_{\nu+1}(k) / I_\nu(k)$ of each element, differentiable.
fn bessel_ratio(order: f64, k: &Tensor) -> Tensor {
    let values: Vec<f64> = k.to_vec().iter().map(|k| bessel_i_ratio(order, *k)).collect();
    let value = Tensor::from_vec(values, k.shape()).cast(k.dtype());
    let (input, ratio) = (k.detach(), value.clone());
    Tensor::custom("bessel-ratio", vec![k.clone()], value, move |g, _| {
        // The slope of the ratio R is 1 - R^2 - (2 v + 1) R / k; at zero 1 / (2 v + 2).
        let formula = 1.0 - ratio.square() - &ratio / &input * (2.0 * order + 1.0);
        let start = formula.full_like(1.0 / (2.0 * order + 2.0));
        vec![Some(g * input.eq_scalar(0.0).where_(&start, &formula))]
    })
}

/// Von Mises distributions of an angle in $(-\pi, \pi]$, with mean direction and concentration.
#[derive(Debug, Clone)]
pub struct VonMises {
    direction: Tensor,
    concentration: Tensor,
}

impl VonMises {
    /// From mean directions in radians and positive concentrations, which broadcast.
    pub fn new(direction: Tensor, concentration: Tensor) -> Self {
        let [direction, concentration] = broadcast([direction, concentration]);
        Self { direction, concentration }
    }

    /// $\mathbb{E} \cos(z - m)$, the mean resultant length, `[batch...]`.
    pub fn resultant(&self) -> Tensor {
        bessel_ratio(0.0, &self.concentration)
    }
}

/// A draw about zero, by Best and Fisher's rejection from a wrapped Cauchy distribution.
pub(crate) fn von_mises_draw(concentration: f64, rng: &mut Rng) -> f64 {
    if !(concentration >= 0.0 && concentration.is_finite()) {
        return f64::NAN;
    }
    // Near zero the envelope's parameter rounds to zero, and nothing would be accepted.
    if concentration < 1e-7 {
        return PI * (2.0 * rng.uniform() - 1.0);
    }
    // Far out the envelope's parameter loses its digits; there the law is normal to working precision.
    if concentration > 1e8 {
        return rng.normal() / concentration.sqrt();
    }
    let tau = 1.0 + (1.0 + 4.0 * concentration * concentration).sqrt();
    let rho = (tau - (2.0 * tau).sqrt()) / (2.0 * concentration);
    let r = (1.0 + rho * rho) / (2.0 * rho);
    loop {
        let z = (PI * rng.uniform()).cos();
        let f = (1.0 + r * z) / (r + z);
        let c = concentration * (r - f);
        let u = 1.0 - rng.uniform();
        if c * (2.0 - c) > u || (c / u).ln() + 1.0 >= c {
            let angle = f.clamp(-1.0, 1.0).acos();
            return if rng.uniform() < 0.5 { -angle } else { angle };
        }
    }
}

/// $\partial z / \partial \kappa$ of an angle about zero at a constant value of the distribution function.
fn von_mises_slope(concentration: f64, z: f64) -> f64 {
    let mean = bessel_i_ratio(0.0, concentration);
    let size = z.abs();
    // The integral over [0, pi] vanishes: the side where the integrand has one sign loses no digits.
    let integrand = |t: f64| {
        // cos t - cos z as a product, without cancellation.
        let difference = 2.0 * (0.5 * (size + t)).sin() * (0.5 * (size - t)).sin();
        (t.cos() - mean) * (concentration * difference).exp()
    };
    let integral = if size.cos() >= mean {
        tanh_sinh(integrand, 0.0, size, 1e-11)
    } else {
        -tanh_sinh(integrand, size, PI, 1e-11)
    };
    -integral * z.signum()
}

impl Batched for VonMises {
    fn batch_shape(&self) -> Vec<usize> {
        self.direction.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.direction.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let k = &self.concentration;
        // k (cos d - 1) = -2 k sin^2(d / 2) goes with the scaled Bessel function.
        ((x - &self.direction) * 0.5).sin().square() * k * -2.0 - log_bessel(0.0, k) - TAU.ln()
    }
    /// Draws are not wrapped: they lie within $\pi$ of the mean direction, where they are differentiable.
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let wide = self.concentration.broadcast_to(&joined(&[lead, self.concentration.shape()]));
        let concentrations = wide.to_vec();
        let draws = draw_each(&concentrations, rng, von_mises_draw);
        let (dtype, shape) = (self.dtype(), wide.shape().to_vec());
        let value = Tensor::from_slice(&draws, &shape).cast(dtype);
        let angle = Tensor::custom("von-mises-draws", vec![wide], value, move |g, _| {
            let slope = map_pairs(&concentrations, &draws, von_mises_slope);
            vec![Some(g * Tensor::from_vec(slope, &shape).cast(dtype))]
        });
        Some(&self.direction + angle)
    }
    fn entropy(&self) -> Option<Tensor> {
        let k = &self.concentration;
        // log(2 pi I0) - k A, with the exponential of the scaled function taken out of both.
        Some(log_bessel(0.0, k) + k * (1.0 - self.resultant()) + TAU.ln())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Circle)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let (k, r) = (&self.concentration, self.resultant());
        // The slope of the resultant, the variance of the cosine; one half at zero.
        let is_zero = k.eq_scalar(0.0);
        let slope = (1.0 - r.square() - &r / k.masked_fill(&is_zero, 1.0)).masked_fill(&is_zero, 0.5);
        Some(diagonal([k * r, slope]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { direction: self.direction.detach(), concentration: self.concentration.detach() })
    }
}

impl Kl for VonMises {
    fn kl(&self, p: &Self) -> Tensor {
        let (k, other) = (&self.concentration, &p.concentration);
        let turned = (&self.direction - &p.direction).cos();
        let normalisers = log_bessel(0.0, other) + other - log_bessel(0.0, k) - k;
        normalisers + self.resultant() * (k - other * turned)
    }
}

/// Von Mises-Fisher distributions on the unit sphere of `D` dimensions, `D >= 2`.
///
/// # Shapes
/// Mean direction `[batch..., D]` of unit length, concentration `[batch...]`; a point is `[D]`.
///
/// # Source
/// Davidson, Falorsi, De Cao, Kipf and Tomczak (2018); draws by Wood (1994), with the implicit derivative of the height.
#[derive(Debug, Clone)]
pub struct VonMisesFisher {
    direction: Tensor,
    concentration: Tensor,
}

impl VonMisesFisher {
    /// From directions, made unit vectors here, and positive concentrations.
    pub fn new(direction: &Tensor, concentration: Tensor) -> Self {
        assert!(direction.size(-1) >= 2, "a sphere needs two dimensions at least");
        let direction = direction / direction.square().sum_axis(-1, true).sqrt();
        let batch = super::noise::common_shape(&[&direction.shape()[..direction.rank() - 1], concentration.shape()]);
        let d = direction.size(-1);
        Self {
            direction: direction.broadcast_to(&joined(&[&batch, &[d]])),
            concentration: concentration.broadcast_to(&batch),
        }
    }

    fn dimension(&self) -> f64 {
        self.direction.size(-1) as f64
    }

    fn order(&self) -> f64 {
        0.5 * self.dimension() - 1.0
    }

    /// $\log C_D(\kappa)$ of the density $C_D e^{\kappa \mu^\top z}$, less $-\kappa$.
    fn log_scaled_normaliser(&self) -> Tensor {
        let v = self.order();
        let power = if v == 0.0 { self.concentration.zeros_like() } else { self.concentration.log() * v };
        power - log_bessel(v, &self.concentration) - 0.5 * self.dimension() * TAU.ln()
    }

    /// The log density of the uniform distribution on the sphere in `dimension` dimensions, nats: minus the logarithm of its area.
    pub fn log_uniform(dimension: usize) -> f64 {
        let half = 0.5 * dimension as f64;
        lgamma(half) - LN_2 - half * PI.ln()
    }

    /// Divergence to the uniform distribution on the sphere, `[batch...]`, in nats.
    pub fn kl_uniform(&self) -> Tensor {
        let k = &self.concentration;
        let log_uniform = Self::log_uniform(self.direction.size(-1));
        k * (self.resultant() - 1.0) + self.log_scaled_normaliser() - log_uniform
    }

    /// $\mathbb{E} \mu^\top z$, the mean resultant length, `[batch...]`.
    pub fn resultant(&self) -> Tensor {
        bessel_ratio(self.order(), &self.concentration)
    }

    /// What [`VonMisesFisher::at`] makes draws of, outside the graph: for each the height along the mean direction, drawn at this concentration,
    /// then a standard normal vector for the tangent. `[lead..., batch..., 1 + D]`, f64.
    pub fn noise(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let d = self.dimension();
        let wide = joined(&[lead, self.concentration.shape()]);
        let concentrations = self.concentration.detach().broadcast_to(&wide).to_vec();
        let heights = draw_each(&concentrations, rng, |k, rng| height_draw(d, k, rng));
        let tangents = normals(&joined(&[lead, self.direction.shape()]), DType::F64, rng);
        Tensor::cat(&[Tensor::from_vec(heights, &wide).unsqueeze(-1), tangents], -1)
    }

    /// The draws at this noise, which is of these concentrations; differentiable in both parameters. `noise: [lead..., batch..., 1 + D]`, f64;
    /// returns `[lead..., batch..., D]`.
    pub fn at(&self, noise: &Tensor) -> Tensor {
        let (d, dtype) = (self.dimension(), self.dtype());
        let heights = noise.select(-1, 0).contiguous();
        let wide = self.concentration.broadcast_to(heights.shape()).to_f64();
        let (concentrations, drawn, shape) = (wide.to_vec(), heights.to_vec(), heights.shape().to_vec());
        // In double precision, since in single precision a height may round to one, where the square root has no slope.
        let w = Tensor::custom("sphere-heights", vec![wide], heights, move |g, _| {
            let slope = map_pairs(&concentrations, &drawn, |k, w| height_slope(d, k, w));
            vec![Some(g * Tensor::from_vec(slope, &shape))]
        })
        .unsqueeze(-1);
        let across = ((1.0 - &w) * (1.0 + &w)).sqrt().cast(dtype);
        // A unit tangent: noise without its part along the mean direction.
        let noise = noise.narrow(-1, 1, self.direction.size(-1)).cast(dtype);
        let along = (&noise * &self.direction).sum_axis(-1, true);
        let tangent = noise - along * &self.direction;
        let tangent = &tangent / tangent.square().sum_axis(-1, true).sqrt();
        w.cast(dtype) * &self.direction + across * tangent
    }
}

/// The height along the mean direction, by Wood's rejection.
fn height_draw(dimension: f64, concentration: f64, rng: &mut Rng) -> f64 {
    if !(concentration >= 0.0 && concentration.is_finite()) {
        return f64::NAN;
    }
    let m = dimension - 1.0;
    let b = m / (2.0 * concentration + (4.0 * concentration * concentration + m * m).sqrt());
    let x0 = (1.0 - b) / (1.0 + b);
    // log(1 - x0^2) through b, which keeps its digits when x0 is near one.
    let log_rest = (4.0 * b).ln() - 2.0 * b.ln_1p();
    let c = concentration * x0 + m * log_rest;
    loop {
        let (g, h) = (rng.gamma(0.5 * m), rng.gamma(0.5 * m));
        let z = g / (g + h);
        let denominator = 1.0 - (1.0 - b) * z;
        let w = (1.0 - (1.0 + b) * z) / denominator;
        // 1 - x0 w, as a quotient.
        let t = 2.0 * b / ((1.0 + b) * denominator);
        if concentration * w + m * t.ln() - c >= (1.0 - rng.uniform()).ln() {
            return w;
        }
    }
}

/// $\partial w / \partial \kappa$ of the height at a constant value of its distribution function.
fn height_slope(dimension: f64, concentration: f64, w: f64) -> f64 {
    let mean = bessel_i_ratio(0.5 * dimension - 1.0, concentration);
    let power = 0.5 * (dimension - 3.0);
    let log_rest = |t: f64| ((1.0 - t) * (1.0 + t)).ln();
    let here = log_rest(w);
    let integrand = |t: f64| (t - mean) * (concentration * (t - w) + power * (log_rest(t) - here)).exp();
    if w < mean { -tanh_sinh(integrand, -1.0, w, 1e-11) } else { tanh_sinh(integrand, w, 1.0, 1e-11) }
}

impl Batched for VonMisesFisher {
    fn batch_shape(&self) -> Vec<usize> {
        self.concentration.shape().to_vec()
    }
    fn event_shape(&self) -> Vec<usize> {
        vec![self.direction.size(-1)]
    }
    fn dtype(&self) -> DType {
        self.direction.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let along = (x * &self.direction).sum_axis(-1, false);
        &self.concentration * (along - 1.0) + self.log_scaled_normaliser()
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(self.at(&self.noise(lead, rng)))
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(&self.concentration * (1.0 - self.resultant()) - self.log_scaled_normaliser())
    }
    fn mean(&self) -> Option<Tensor> {
        Some(&self.direction * self.resultant().unsqueeze(-1))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Sphere)
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { direction: self.direction.detach(), concentration: self.concentration.detach() })
    }
}
