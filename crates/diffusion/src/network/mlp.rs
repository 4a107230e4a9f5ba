//! Fully connected layers that see the noise level.

use super::{Network, NetworkConfig, Told};
use elbo_core::Result;
use elbo_nn::layer::Linear;
use elbo_nn::{Build, Layer, Pass};
use elbo_tensor::Tensor;

/// Linear layers with x/(1 + e⁻ˣ) between them; the level joins the input.
pub struct Mlp {
    layers: Vec<Linear>,
    told: Told,
}

elbo_tensor::parameters!(Mlp { "": layers, "classes": told });

impl Mlp {
    /// For points of `dims` numbers.
    ///
    /// # Errors
    /// Those of the settings.
    pub fn new(dims: usize, config: &NetworkConfig, build: &mut Build<'_>) -> Result<Self> {
        let mut width = dims + config.embedding;
        let mut layers = vec![];
        for next in config.hidden.iter().chain([&dims]) {
            layers.push(Linear::new(width, *next, true, build));
            width = *next;
        }
        Ok(Self { layers, told: Told::new(config, build) })
    }
}

impl Network for Mlp {
    fn forward(&self, x: &Tensor, level: &[f64], classes: &[usize]) -> Tensor {
        let pass = &mut Pass::evaluation();
        let mut hidden = Tensor::cat(&[x.clone(), self.told.forward(level, classes)], 1);
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                hidden = hidden.silu();
            }
            hidden = layer.forward(&hidden, pass);
        }
        hidden
    }
}
