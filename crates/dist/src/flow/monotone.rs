use super::spline::{Spline, spline, spline_inverse};
use elbo_tensor::Tensor;

/// An increasing map of one number whose parameters come from a conditioner; raw parameters of zero are the identity, but for the gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Monotone {
    /// $y = x + t$: keeps volumes.
    Additive,
    /// $y = x e^s + t$ with $s = c \tanh(s'/c)$, $c$ the bound.
    Affine {
        /// Largest size of the log scale.
        bound: f64,
    },
    /// $y = g x + (1 - g) m$ with the gate $g = \sigma(s + 1.5)$, the stable form of inverse autoregressive flows.
    Gate,
    /// A rational-quadratic spline.
    Spline(Spline),
}

impl Default for Monotone {
    fn default() -> Self {
        Self::Affine { bound: 2.0 }
    }
}

impl Monotone {
    /// How many parameters a number needs.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Additive => 1,
            Self::Affine { .. } | Self::Gate => 2,
            Self::Spline(s) => s.parameters(),
        }
    }

    /// Images and log slopes. `x: [...]`, `raw: [..., P]`; both results `[...]`.
    pub fn forward(&self, x: &Tensor, raw: &Tensor) -> (Tensor, Tensor) {
        let part = |k: usize| raw.select(-1, k);
        match self {
            Self::Additive => (x + part(0), x.zeros_like()),
            Self::Affine { bound } => {
                let s = log_scale(&part(1), *bound);
                (x * s.exp() + part(0), s)
            }
            Self::Gate => {
                let logit = part(1) + 1.5;
                (logit.sigmoid() * x + (-&logit).sigmoid() * part(0), logit.log_sigmoid())
            }
            Self::Spline(s) => spline(s, x, raw),
        }
    }

    /// Points of the images and log slopes of the inverse, in the same shapes.
    pub fn inverse(&self, y: &Tensor, raw: &Tensor) -> (Tensor, Tensor) {
        let part = |k: usize| raw.select(-1, k);
        match self {
            Self::Additive => (y - part(0), y.zeros_like()),
            Self::Affine { bound } => {
                let s = log_scale(&part(1), *bound);
                ((y - part(0)) * (-&s).exp(), -s)
            }
            Self::Gate => {
                let logit = part(1) + 1.5;
                ((y - (-&logit).sigmoid() * part(0)) / logit.sigmoid(), -logit.log_sigmoid())
            }
            Self::Spline(s) => spline_inverse(s, y, raw),
        }
    }
}

fn log_scale(raw: &Tensor, bound: f64) -> Tensor {
    (raw / bound).tanh() * bound
}
