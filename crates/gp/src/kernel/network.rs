//! Kernels of infinitely wide networks.

use std::f64::consts::PI;

use elbo_tensor::{Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kernel;
use super::parameter::{positive, show};

/// Closest cosine to ±1 that the composed form uses: its derivatives are infinite at ±1.
const EDGE: f64 = 1.0 - 1e-12;

/// The angular part of the arc-cosine kernel of order 0, 1 or 2 as a function of `t = cos θ`, times π at `t = 1` for orders 0 and 1.
///
/// `J_0 = π - θ`, `J_1 = sin θ + (π - θ) cos θ`, `J_2 = 3 sin θ cos θ + (π - θ)(1 + 2 cos² θ)`, with `J_1' = J_0` and `J_2' = 4 J_1`. Values
/// are right up to `t = ±1`; so are the first derivatives of orders 1 and 2.
fn angular(order: u8, t: &Tensor) -> Tensor {
    let raw = t.detach().clamp(-1.0, 1.0);
    let value = angular_composed(order, &raw);
    let saved = raw.clone();
    let backward = move |g: &Tensor, _: &[bool]| {
        let slope = match order {
            0 => (1.0 - saved.clamp(-EDGE, EDGE).square()).sqrt().recip(),
            1 => angular_composed(0, &saved),
            _ => angular_composed(1, &saved) * 4.0,
        };
        vec![Some(g * slope)]
    };
    Tensor::custom("angular", vec![t.clone()], value, backward)
        .with_twin(move |inputs| angular_composed(order, &inputs[0].clamp(-EDGE, EDGE)))
}

fn angular_composed(order: u8, t: &Tensor) -> Tensor {
    let rest = PI - t.acos();
    let sine = || (1.0 - t.square()).sqrt();
    match order {
        0 => rest,
        1 => sine() + rest * t,
        _ => sine() * t * 3.0 + rest * (t.square() * 2.0 + 1.0),
    }
}

/// Cosines of the angles from inner products `[N, M]` and squared norms; one exactly on the diagonal of symmetric matrices.
fn cosines(inner: &Tensor, norms: &Tensor, symmetric: bool) -> Tensor {
    let t = inner / norms;
    if !symmetric {
        return t;
    }
    let same = Tensor::eye(t.size(0), elbo_tensor::DType::Bool);
    t.masked_fill(&same, 1.0)
}

/// The arc-cosine kernel: one hidden layer of infinitely many units, steps (order 0), rectified linear (1) or their squares (2).
///
/// With `K = Σ_d w_d x_d x'_d + b` on the inputs extended by a bias, `k = v J_n(θ) (K(x,x) K(x',x'))^(n/2) / π`, where
/// `cos θ = K(x,x') / √(K(x,x) K(x',x'))`.
///
/// Parameters: `weight_variance` `[1]` or `[D]`, `bias_variance` `[]`, `variance` `[]`.
#[derive(Debug, Clone)]
pub struct ArcCosine {
    order: u8,
    /// `w`, squares of the input weights.
    pub weight_variance: Parameter,
    /// `b`, square of the bias.
    pub bias_variance: Parameter,
    /// `v`.
    pub variance: Parameter,
}
elbo_tensor::parameters!(ArcCosine { weight_variance, bias_variance, variance });

impl ArcCosine {
    /// A kernel of this order (0, 1 or 2) with these weight variances (one a dimension, or a single one).
    pub fn new(order: u8, weight_variances: &[f64], bias_variance: f64) -> Self {
        assert!(order <= 2, "the arc-cosine kernel has order 0, 1 or 2, not {order}");
        Self {
            order,
            weight_variance: positive(weight_variances, &[weight_variances.len()]),
            bias_variance: positive(&[bias_variance], &[]),
            variance: positive(&[1.0], &[]),
        }
    }

    /// The same with this variance.
    pub fn with_variance(self, variance: f64) -> Self {
        Self { variance: positive(&[variance], &[]), ..self }
    }

    fn norms(&self, x: &Tensor) -> Tensor {
        (x.square() * self.weight_variance.get()).sum_axis(1, false) + self.bias_variance.get()
    }

    fn between(&self, x: &Tensor, z: &Tensor, symmetric: bool) -> Tensor {
        let inner = (x * self.weight_variance.get()).matmul(&z.t()) + self.bias_variance.get();
        let norms = (self.norms(x).unsqueeze(1) * self.norms(z).unsqueeze(0)).sqrt();
        let angular = angular(self.order, &cosines(&inner, &norms, symmetric));
        let scale = self.variance.get() / PI;
        match self.order {
            0 => angular * scale,
            1 => angular * norms * scale,
            _ => angular * norms.square() * scale,
        }
    }
}

impl Kernel for ArcCosine {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        self.between(x, z, false)
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        self.between(x, x, true)
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        let norms = self.norms(x);
        match self.order {
            0 => self.variance.get().broadcast_to(&[x.size(0)]),
            1 => norms * self.variance.get(),
            _ => norms.square() * (self.variance.get() * 3.0),
        }
    }

    fn summary(&self) -> String {
        let (v, w, b) = (show(&self.variance), show(&self.weight_variance), show(&self.bias_variance));
        format!("arc-cosine of order {} (variance {v}, weights {w}, bias {b})", self.order)
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }
}

/// The units of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Rectified linear units.
    Relu,
    /// The error function, close to tanh.
    Erf,
}

/// The Gaussian process of a network with `depth` infinitely wide hidden layers.
///
/// `K⁰ = b + w x·x'/D`; a layer maps `K` to `b + w/(2π) √(K11 K22) (sin θ + (π - θ) cos θ)` for rectified linear units and to
/// `b + w (2/π) asin(2 K12 / √((1 + 2 K11)(1 + 2 K22)))` for the error function. The last layer's variance is a factor outside.
///
/// Parameters: `weight_variance` (`w`) `[]`, `bias_variance` (`b`) `[]`, `variance` `[]`.
///
/// # Source
/// Lee, Bahri, Novak, Schoenholz, Pennington and Sohl-Dickstein (2018); Williams (1997) for the error function.
#[derive(Debug, Clone)]
pub struct Nngp {
    activation: Activation,
    depth: usize,
    /// `w`, shared by the layers.
    pub weight_variance: Parameter,
    /// `b`, shared by the layers.
    pub bias_variance: Parameter,
    /// The last layer's variance.
    pub variance: Parameter,
}
elbo_tensor::parameters!(Nngp { weight_variance, bias_variance, variance });

impl Nngp {
    /// A network of this depth, at least one, with these variances; the last layer's is one.
    pub fn new(activation: Activation, depth: usize, weight_variance: f64, bias_variance: f64) -> Self {
        assert!(depth >= 1, "a network needs a hidden layer");
        Self {
            activation,
            depth,
            weight_variance: positive(&[weight_variance], &[]),
            bias_variance: positive(&[bias_variance], &[]),
            variance: positive(&[1.0], &[]),
        }
    }

    /// The same with this last-layer variance.
    pub fn with_variance(self, variance: f64) -> Self {
        Self { variance: positive(&[variance], &[]), ..self }
    }

    /// Variances after a layer, from those before.
    fn layer_diag(&self, k: &Tensor, w: &Tensor, b: &Tensor) -> Tensor {
        match self.activation {
            Activation::Relu => k * (w * 0.5) + b,
            Activation::Erf => {
                let t = (k * 2.0) / (k * 2.0 + 1.0);
                t.asin() * (w * (2.0 / PI)) + b
            }
        }
    }

    fn between(&self, x: &Tensor, z: &Tensor, symmetric: bool) -> Tensor {
        let (w, b) = (self.weight_variance.get(), self.bias_variance.get());
        let scale = &w / x.size(1) as f64;
        let start = |x: &Tensor| x.square().sum_axis(1, false) * &scale + &b;
        let (mut kx, mut kz) = (start(x), start(z));
        let mut k = x.matmul(&z.t()) * &scale + &b;
        for _ in 0..self.depth {
            k = match self.activation {
                Activation::Relu => {
                    let norms = (kx.unsqueeze(1) * kz.unsqueeze(0)).sqrt();
                    let t = cosines(&k, &norms, symmetric);
                    angular(1, &t) * norms * (&w / (2.0 * PI)) + &b
                }
                Activation::Erf => {
                    let norms = ((kx.unsqueeze(1) * 2.0 + 1.0) * (kz.unsqueeze(0) * 2.0 + 1.0)).sqrt();
                    (k * 2.0 / norms).asin() * (&w * (2.0 / PI)) + &b
                }
            };
            (kx, kz) = (self.layer_diag(&kx, &w, &b), self.layer_diag(&kz, &w, &b));
        }
        k * self.variance.get()
    }
}

impl Kernel for Nngp {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        self.between(x, z, false)
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        self.between(x, x, true)
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        let (w, b) = (self.weight_variance.get(), self.bias_variance.get());
        let mut k = x.square().sum_axis(1, false) * (&w / x.size(1) as f64) + &b;
        for _ in 0..self.depth {
            k = self.layer_diag(&k, &w, &b);
        }
        k * self.variance.get()
    }

    fn summary(&self) -> String {
        let units = match self.activation {
            Activation::Relu => "rectified linear",
            Activation::Erf => "erf",
        };
        let (v, w, b) = (show(&self.variance), show(&self.weight_variance), show(&self.bias_variance));
        format!("infinite network of {} {units} layers (variance {v}, weights {w}, bias {b})", self.depth)
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }
}
