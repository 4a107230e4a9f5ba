//! A normalising flow as a family.

use super::{Drawn, Variational};
use elbo_dist::flow::{Flow, FlowSpec};
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut};

/// A flow over the unknowns.
#[derive(Debug)]
pub struct FlowFamily {
    flow: Flow,
    spec: FlowSpec,
}

impl FlowFamily {
    /// Builds the flow that a text names, on a base of independent normals `[D]`: a mean-field solution is a good one.
    ///
    /// # Errors
    /// Those of [`FlowSpec::build`].
    pub fn new(spec: FlowSpec, mean: &[f64], sd: &[f64], rng: &mut elbo_core::Rng) -> elbo_core::Result<Self> {
        Ok(Self { flow: spec.build(mean.len(), rng)?.with_base(mean, sd), spec })
    }

    /// The flow.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }
}

impl Parameters for FlowFamily {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("flow", &self.flow, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("flow", &mut self.flow, f);
    }
}

impl Variational for FlowFamily {
    fn dim(&self) -> usize {
        self.flow.dimension()
    }

    fn draw(&self, noise: &Tensor) -> Drawn {
        let (z, log_prob) = self.flow.at(noise);
        Drawn { z, log_prob, weights: None }
    }

    fn log_prob(&self, z: &Tensor) -> Option<Tensor> {
        self.flow.log_prob(z)
    }

    fn units(&self) -> Option<Vec<f64>> {
        None
    }

    fn title(&self) -> String {
        format!("flow {}", self.spec)
    }
}
