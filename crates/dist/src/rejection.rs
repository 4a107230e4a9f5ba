//! Reparameterisation through acceptance-rejection sampling: low-variance gradients for distributions that are drawn by rejection.
//!
//! A sampler proposes $z = h(\varepsilon, \theta)$, $\varepsilon \sim s$, and accepts it with probability proportional to $q/r$. The *accepted*
//! noise has density $\pi(\varepsilon; \theta) = s(\varepsilon)\, q(h; \theta) / r(h; \theta)$, so that
//!
//! $$ \nabla_\theta \mathbb{E}_q f = \underbrace{\mathbb{E}_\pi [\nabla f(h)\, \partial h / \partial \theta]}_{\text{reparameterised}}
//!    + \underbrace{\mathbb{E}_\pi [f(h)\, \nabla_\theta \log (q / r)]}_{\text{correction}} $$
//!
//! | to | use |
//! |---|---|
//! | draw gamma variables this way, with shape augmentation | [`gamma`] |
//! | draw angles of von Mises distributions, or tails of the normal | [`draw`] with [`BestFisher`] or [`NormalTail`] |
//! | use another sampler | implement [`Rejection`], then [`draw`] |
//! | make the surrogate whose gradient is the estimate | [`Draws::surrogate`] |
//! | compare: standardised draws whose law still depends on the parameters | [`standardised_gamma`] |
//!
//! # Source
//! Naesseth, Ruiz, Linderman and Blei (2017); Ruiz, Titsias and Blei (2016) for the standardised draws.

use crate::batched::noise::{draw_each, joined, uniforms};
use crate::batched::{log_bessel, log_gamma_draw};
use elbo_core::Rng;
use elbo_tensor::Tensor;
use elbo_tensor::special::{digamma, trigamma};
use std::f64::consts::PI;

/// A rejection sampler of one number with one parameter, in tensor operations, so that the derivatives of `h` and of the ratio follow.
pub trait Rejection: Sync {
    /// One accepted noise at the parameter `theta`.
    fn accept(&self, theta: f64, rng: &mut Rng) -> f64;

    /// The proposal $h(\varepsilon, \theta)$, elementwise.
    fn propose(&self, noise: &Tensor, theta: &Tensor) -> Tensor;

    /// $\log q(h(\varepsilon, \theta); \theta) + \log |\partial h / \partial \varepsilon|$ up to terms without $\theta$: the log of $q/r$ for a proposal
    /// density $s$ without parameters.
    fn log_ratio(&self, noise: &Tensor, theta: &Tensor) -> Tensor;

    /// The noise that proposes `z`.
    fn invert(&self, z: f64, theta: f64) -> f64;
}

/// Draws with what their gradients need.
#[derive(Debug, Clone)]
pub struct Draws {
    /// The draws, differentiable along $h$ only.
    pub z: Tensor,
    /// $\log(q/r)$ of each draw, whose gradient is the correction's.
    pub log_ratio: Tensor,
}

impl Draws {
    /// A tensor whose gradient is the estimate of the gradient of $\mathbb{E} f$, for values `f: [lead...]` made from the draws.
    ///
    /// `signal: [lead...]` is `f` less anything whose mean does not depend on its own draw (a leave-one-out mean): it enters the
    /// correction only, whose mean is zero for a constant. Elements of a draw beyond `lead` share one signal.
    pub fn surrogate(&self, f: &Tensor, signal: &Tensor) -> Tensor {
        let extra = self.log_ratio.rank() - signal.rank();
        let ratio = crate::batched::sum_last(&self.log_ratio, extra);
        f.sum() + (signal.detach() * (&ratio - ratio.detach())).sum()
    }
}

/// Draws of any sampler at parameters `theta: [batch...]`; `[lead..., batch...]`.
pub fn draw(sampler: &dyn Rejection, theta: &Tensor, lead: &[usize], rng: &mut Rng) -> Draws {
    let wide = theta.broadcast_to(&joined(&[lead, theta.shape()]));
    let noise = draw_each(&wide.to_vec(), rng, |theta, rng| sampler.accept(theta, rng));
    let noise = Tensor::from_vec(noise, wide.shape()).cast(theta.dtype());
    Draws { z: sampler.propose(&noise, &wide), log_ratio: sampler.log_ratio(&noise, &wide) }
}

/// Logarithms of gamma variables of rate one and shape `a >= 1`, by Marsaglia and Tsang's sampler:
/// $h = b (1 + c \varepsilon)^3$ with $b = a - 1/3$, $c = 1/\sqrt{9 b}$, $\varepsilon$ normal.
#[derive(Debug, Clone, Copy)]
pub struct MarsagliaTsang;

impl MarsagliaTsang {
    /// $b$ and $v = 1 + c \varepsilon$.
    fn parts(noise: &Tensor, shape: &Tensor) -> (Tensor, Tensor) {
        let b = shape - 1.0 / 3.0;
        let v = noise / ((&b * 9.0).sqrt()) + 1.0;
        (b, v)
    }
}

impl Rejection for MarsagliaTsang {
    fn accept(&self, shape: f64, rng: &mut Rng) -> f64 {
        if !(shape > 1.0 / 3.0 && shape.is_finite()) {
            return f64::NAN;
        }
        let b = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * b).sqrt();
        loop {
            let e = rng.normal();
            let v = (1.0 + c * e).powi(3);
            if v > 0.0 && (1.0 - rng.uniform()).ln() < 0.5 * e * e + b - b * v + b * v.ln() {
                return e;
            }
        }
    }

    fn propose(&self, noise: &Tensor, shape: &Tensor) -> Tensor {
        let (b, v) = Self::parts(noise, shape);
        b.log() + v.log() * 3.0
    }

    fn log_ratio(&self, noise: &Tensor, shape: &Tensor) -> Tensor {
        let (b, v) = Self::parts(noise, shape);
        let log_z = b.log() + v.log() * 3.0;
        // The density of log z, and d log z / d noise = 3 c / v = 1 / (sqrt(b) v).
        shape * &log_z - log_z.exp() - shape.lgamma() - b.log() * 0.5 - v.log()
    }

    fn invert(&self, log_z: f64, shape: f64) -> f64 {
        let b = shape - 1.0 / 3.0;
        (((log_z - b.ln()) / 3.0).exp() - 1.0) * (9.0 * b).sqrt()
    }
}

/// Logarithms of gamma variables with shape `a: [batch...]` and rate one, drawn at shape `a + B` and brought down by uniforms:
///
/// $$ \log z = \log \tilde z + \sum_{i=1}^{B} \frac{\log u_i}{a + i - 1}, \qquad \tilde z \sim \mathrm{Gamma}(a + B, 1) $$
///
/// The larger `B`, the smaller the correction. Shapes below one need `B >= 1`.
pub fn gamma(shape: &Tensor, augmentation: usize, lead: &[usize], rng: &mut Rng) -> Draws {
    let mut draws = draw(&MarsagliaTsang, &(shape + augmentation as f64), lead, rng);
    let wide = joined(&[lead, shape.shape()]);
    for i in 0..augmentation {
        draws.z = draws.z + uniforms(&wide, shape.dtype(), rng).log() / (shape + i as f64);
    }
    draws
}

/// Logarithms of gamma variables as $\psi(a) + \sqrt{\psi_1(a)}\, \varepsilon$: noise standardised to two moments, whose law depends on the shape
/// only weakly.
pub fn standardised_gamma(shape: &Tensor, lead: &[usize], rng: &mut Rng) -> Draws {
    let wide = shape.broadcast_to(&joined(&[lead, shape.shape()]));
    let noise = draw_each(&wide.to_vec(), rng, |a, rng| (log_gamma_draw(a, rng) - digamma(a)) / trigamma(a).sqrt());
    let noise = Tensor::from_vec(noise, wide.shape()).cast(shape.dtype());
    let spread = wide.polygamma(1);
    let z = wide.digamma() + spread.sqrt() * noise;
    let log_ratio = &wide * &z - z.exp() - wide.lgamma() + spread.log() * 0.5;
    Draws { z, log_ratio }
}

/// Standard normals beyond a bound `theta > 0`, by an exponential proposal of rate `theta` (Robert 1995).
#[derive(Debug, Clone, Copy)]
pub struct NormalTail;

impl Rejection for NormalTail {
    /// The noise is a unit exponential; `theta` must be positive.
    fn accept(&self, theta: f64, rng: &mut Rng) -> f64 {
        if !(theta > 0.0 && theta.is_finite()) {
            return f64::NAN;
        }
        loop {
            let e = rng.exponential();
            let beyond = e / theta;
            if rng.uniform() <= (-0.5 * beyond * beyond).exp() {
                return e;
            }
        }
    }

    fn propose(&self, noise: &Tensor, theta: &Tensor) -> Tensor {
        theta + noise / theta
    }

    fn log_ratio(&self, noise: &Tensor, theta: &Tensor) -> Tensor {
        let z = self.propose(noise, theta);
        z.square() * -0.5 - (-theta).log_ndtr() - theta.log()
    }

    fn invert(&self, z: f64, theta: f64) -> f64 {
        (z - theta) * theta
    }
}

/// Angles about zero of von Mises distributions with concentration `theta >= 0`, by Best and Fisher's proposal from a wrapped Cauchy
/// distribution: $h = 2 \arctan(c \varepsilon)$ with $c^{-2} = 2\theta + \sqrt{1 + 4\theta^2}$, $\varepsilon$ standard Cauchy.
///
/// Its `c` is Best and Fisher's $(1 - \rho) / (1 + \rho)$ in closed form, without their cancellations at either end.
///
/// # Source
/// Best and Fisher (1979).
#[derive(Debug, Clone, Copy)]
pub struct BestFisher;

/// $c^{-2}$ of [`BestFisher`].
fn spread(concentration: f64) -> f64 {
    2.0 * concentration + (1.0 + 4.0 * concentration * concentration).sqrt()
}

impl Rejection for BestFisher {
    fn accept(&self, concentration: f64, rng: &mut Rng) -> f64 {
        if !(concentration >= 0.0 && concentration.is_finite()) {
            return f64::NAN;
        }
        let inverse = spread(concentration).recip();
        loop {
            // The middles of cells, so that neither end is met.
            let e = (PI * (rng.uniform() + 0.5 / (1u64 << 53) as f64 - 0.5)).tan();
            let q = inverse * e * e;
            // theta (r - cos h), where r theta = (1 + sqrt(1 + 4 theta^2)) / 2.
            let distance = 0.5 * (1.0 + inverse) + 2.0 * concentration * q / (1.0 + q);
            if (1.0 - rng.uniform()).ln() <= distance.ln() + 1.0 - distance {
                return e;
            }
        }
    }

    fn propose(&self, noise: &Tensor, concentration: &Tensor) -> Tensor {
        (noise * inverse_spread(concentration).sqrt()).atan() * 2.0
    }

    fn log_ratio(&self, noise: &Tensor, concentration: &Tensor) -> Tensor {
        let inverse = inverse_spread(concentration);
        let q = noise.square() * &inverse;
        // cos h - 1 = -2 q / (1 + q), and d h / d noise = 2 c / (1 + q).
        let cosine = &q / (&q + 1.0) * -2.0;
        concentration * cosine - log_bessel(0.0, concentration) + inverse.log() * 0.5 - q.log1p()
    }

    fn invert(&self, z: f64, concentration: f64) -> f64 {
        (0.5 * z).tan() * spread(concentration).sqrt()
    }
}

/// $c^2$ of [`BestFisher`].
fn inverse_spread(concentration: &Tensor) -> Tensor {
    (concentration * 2.0 + (concentration.square() * 4.0 + 1.0).sqrt()).recip()
}
