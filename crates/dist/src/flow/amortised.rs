use super::{Autoregressive, Coupling, planar};
use crate::transform::Bijector;
use elbo_tensor::{Parameter, Parameters, Tensor};

/// A chain of layers that differ by data point: an encoder gives each its numbers, the *context*.
///
/// The context is all there is to a planar layer: its `u`, `w` and `b`. Conditioners of autoregressive layers and of couplings see it beside the
/// coordinates; their weights are the same for all data points. Built by [`FlowSpec::amortised`](super::FlowSpec::amortised). Parameters
/// and arithmetic are in double precision.
///
/// # Source
/// Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016) for autoregressive layers with a context, reversed between layers; Rezende
/// and Mohamed (2015) for planar layers from an encoder.
#[derive(Debug, Clone)]
pub struct Amortised {
    context: usize,
    layers: Vec<Layer>,
}

/// A layer, and how the context enters it.
#[derive(Debug, Clone)]
pub(super) enum Layer {
    /// A planar layer: `u`, `w` and `b` are the numbers of the context from this position on.
    Planar { at: usize },
    /// Coordinates in reverse order.
    Reversal,
    /// An autoregressive layer with a conditioner that sees the context.
    Autoregressive(Autoregressive),
    /// A coupling of the coordinates and, after them and always kept, the context.
    Coupling(Box<Coupling>),
}

impl Parameters for Layer {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        match self {
            Self::Planar { .. } | Self::Reversal => {}
            Self::Autoregressive(layer) => layer.visit(f),
            Self::Coupling(layer) => layer.visit(f),
        }
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        match self {
            Self::Planar { .. } | Self::Reversal => {}
            Self::Autoregressive(layer) => layer.visit_mut(f),
            Self::Coupling(layer) => layer.visit_mut(f),
        }
    }
}

elbo_tensor::parameters!(Amortised { "": layers });

impl Layer {
    fn forward(&self, x: &Tensor, context: &Tensor) -> (Tensor, Tensor) {
        let d = x.size(-1);
        match self {
            Self::Planar { at } => {
                let (u, w) = (context.narrow(-1, *at, d), context.narrow(-1, at + d, d));
                planar(x, &u, &w, &context.select(-1, at + 2 * d))
            }
            Self::Reversal => reversed(x),
            Self::Autoregressive(layer) => layer.forward_given(x, Some(context)),
            Self::Coupling(layer) => {
                let (image, log_det) = layer.forward(&Tensor::cat(&[x.clone(), context.clone()], -1));
                (image.narrow(-1, 0, d), log_det)
            }
        }
    }

    fn inverse(&self, y: &Tensor, context: &Tensor) -> Option<(Tensor, Tensor)> {
        let d = y.size(-1);
        Some(match self {
            Self::Planar { .. } => return None,
            Self::Reversal => reversed(y),
            Self::Autoregressive(layer) => layer.inverse_given(y, Some(context)),
            Self::Coupling(layer) => {
                let (point, log_det) = layer.inverse(&Tensor::cat(&[y.clone(), context.clone()], -1))?;
                (point.narrow(-1, 0, d), log_det)
            }
        })
    }
}

fn reversed(x: &Tensor) -> (Tensor, Tensor) {
    (x.flip(-1), Tensor::zeros(&x.shape()[..x.rank() - 1], x.dtype()))
}

impl Amortised {
    pub(super) fn new(context: usize, layers: Vec<Layer>) -> Self {
        Self { context, layers }
    }

    /// Numbers of the context, `C`.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Whether points have a closed inverse, so that the density of any point is known, not only that of own draws.
    pub fn is_invertible(&self) -> bool {
        !self.layers.iter().any(|layer| matches!(layer, Layer::Planar { .. }))
    }

    /// Images of points and $\log|\det \partial y / \partial x|$ in nats, differentiable in points, context and parameters.
    ///
    /// # Shapes
    /// `x: [N, D]`, `context: [N, C]`, f64; returns `[N, D]` and `[N]`.
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> (Tensor, Tensor) {
        let start = (x.clone(), Tensor::zeros(&x.shape()[..x.rank() - 1], x.dtype()));
        self.layers.iter().fold(start, |(x, total), layer| {
            let (y, log_det) = layer.forward(&x, context);
            (y, total + log_det)
        })
    }

    /// Points of images and $\log|\det \partial x / \partial y|$, in the shapes of [`Amortised::forward`]; `None` with planar layers. Autoregressive
    /// layers take `D` passes.
    pub fn inverse(&self, y: &Tensor, context: &Tensor) -> Option<(Tensor, Tensor)> {
        let start = (y.clone(), Tensor::zeros(&y.shape()[..y.rank() - 1], y.dtype()));
        self.layers.iter().rev().try_fold(start, |(y, total), layer| {
            let (x, log_det) = layer.inverse(&y, context)?;
            Some((x, total + log_det))
        })
    }
}
