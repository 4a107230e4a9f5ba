//! Gradient descent with momentum.

use elbo_core::ModelFile;
use elbo_core::Result;
use elbo_core::step::Snapshot;

use super::adam::shrink;
use super::{Rule, Schedule, save_list};

/// Settings of gradient descent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sgd {
    /// Length of a step.
    pub rate: Schedule,
    /// Share of the last step that is added to the next; zero is plain descent.
    pub momentum: f64,
    /// Looks ahead along the momentum (Nesterov).
    pub nesterov: bool,
    /// Largest Euclidean norm of the gradient; longer ones are shortened.
    pub clip: Option<f64>,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { rate: 1e-2.into(), momentum: 0.0, nesterov: false, clip: None }
    }
}

/// Memory of gradient descent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SgdState {
    /// Updates done.
    pub steps: usize,
    velocity: Vec<f64>,
}

impl Snapshot for SgdState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.steps.save(file, &format!("{prefix}.steps"));
        save_list(file, prefix, "velocity", &self.velocity);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.steps.restore(file, &format!("{prefix}.steps"))?;
        self.velocity = file.get(&format!("{prefix}.velocity"))?;
        Ok(())
    }
}

impl Rule for Sgd {
    type State = SgdState;

    fn start(&self, n: usize) -> SgdState {
        SgdState { steps: 0, velocity: vec![0.0; n] }
    }

    fn update(&self, x: &mut [f64], gradient: &[f64], state: &mut SgdState) {
        assert!(x.len() == gradient.len() && x.len() == state.velocity.len(), "the vectors differ in length");
        let rate = self.rate.at(state.steps);
        state.steps += 1;
        let shrink = shrink(gradient, self.clip);
        for ((x, g), v) in x.iter_mut().zip(gradient).zip(&mut state.velocity) {
            let g = g * shrink;
            *v = self.momentum * *v + g;
            *x -= rate * if self.nesterov { g + self.momentum * *v } else { *v };
        }
    }
}
