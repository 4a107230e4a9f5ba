//! What comes before a Bayesian last layer.

use super::{MeanFieldLinear, Noise};
use crate::activation::Activation;
use crate::layer::{Build, Layer, Pass, Sequential, check_widths};
use elbo_core::{Result, ensure};
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut};

/// Linear layers, each with the nonlinear function after it.
pub(super) enum Body {
    /// Their weights are numbers.
    Point(Sequential),
    /// Their weights have independent normal distributions.
    MeanField { layers: Vec<MeanFieldLinear>, activation: Activation },
}

impl Parameters for Body {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        match self {
            Self::Point(layers) => layers.visit(f),
            Self::MeanField { layers, .. } => nested("", layers, f),
        }
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        match self {
            Self::Point(layers) => layers.visit_mut(f),
            Self::MeanField { layers, .. } => nested_mut("", layers, f),
        }
    }
}

impl Body {
    /// Layers of these widths whose weights start with this standard deviation.
    pub(super) fn mean_field(
        input: usize,
        hidden: &[usize],
        activation: Activation,
        sd: f64,
        build: &mut Build<'_>,
    ) -> Result<Self> {
        check_widths("hidden", hidden)?;
        ensure("hidden", "none", !hidden.is_empty(), "a width at least, whose weights have distributions")?;
        let widths = [&[input], hidden].concat();
        let layer = |pair: &[usize]| MeanFieldLinear::new(pair[0], pair[1], sd, Noise::Local, build);
        Ok(Self::MeanField { layers: widths.windows(2).map(layer).collect(), activation })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        match self {
            Self::Point(layers) => layers.forward(x, pass),
            Self::MeanField { layers, activation } => {
                layers.iter().fold(x.clone(), |x, layer| activation.apply(&layer.forward(&x, pass)))
            }
        }
    }

    /// Divergence in nats from normals of mean zero and, for each layer, the variance of one over its inputs; none for numbers.
    pub(super) fn kl(&self) -> Option<Tensor> {
        let Self::MeanField { layers, .. } = self else { return None };
        // The last column is the bias.
        let inputs = |layer: &MeanFieldLinear| (layer.mean.shape()[1] - 1).max(1) as f64;
        Some(layers.iter().map(|layer| layer.kl(1.0 / inputs(layer).sqrt())).sum())
    }
}
