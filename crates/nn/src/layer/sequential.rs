//! Layers in a row.

use super::{Build, Built, Layer, LayerConfig, Pass, refuse};
use elbo_core::Result;
use elbo_tensor::Tensor;

/// Layers in a row; their parameters are named by their position: `0.weight`.
#[derive(Default)]
pub struct Sequential {
    /// First to last.
    pub layers: Vec<Box<dyn Layer>>,
}

elbo_tensor::parameters!(Sequential { "": layers });

impl Sequential {
    /// The layers for data points of this shape, and the shape of what they return.
    ///
    /// # Errors
    /// Those of the layers.
    pub fn build(layers: &[LayerConfig], shape: &[usize], build: &mut Build<'_>) -> Result<(Self, Vec<usize>)> {
        let (layers, shape, _) = Self::measured(layers, shape, build)?;
        Ok((layers, shape))
    }

    /// The same, and how many numbers of a data point there are after the widest of them.
    ///
    /// # Errors
    /// Those of the layers.
    pub(crate) fn measured(
        layers: &[LayerConfig],
        shape: &[usize],
        build: &mut Build<'_>,
    ) -> Result<(Self, Vec<usize>, usize)> {
        let (mut shape, mut widest) = (shape.to_vec(), 0);
        let mut built = vec![];
        for layer in layers {
            let next = layer.build(&shape, build)?;
            built.push(next.layer);
            (shape, widest) = (next.shape, next.widest.max(widest));
        }
        Ok((Self { layers: built }, shape, widest))
    }
}

impl Layer for Sequential {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        self.layers.iter().fold(x.clone(), |x, layer| layer.forward(&x, pass))
    }
}

/// x + f(x), where f is layers in a row that keep the shape.
pub struct Residual {
    /// f.
    pub inner: Sequential,
}

elbo_tensor::parameters!(Residual { "": inner });

impl Residual {
    /// The layers for data points of this shape.
    ///
    /// # Errors
    /// Those of the layers, and [`elbo_core::Error::Setting`] when they change the shape.
    pub fn build(layers: &[LayerConfig], shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        let (inner, after, widest) = Sequential::measured(layers, shape, build)?;
        if after != shape {
            return refuse("residual", shape, format!("layers that keep the shape; these return {after:?}"));
        }
        Ok(Built { layer: Box::new(Self { inner }), shape: after, widest })
    }
}

impl Layer for Residual {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        x + self.inner.forward(x, pass)
    }
}
