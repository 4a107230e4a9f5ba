//! Gradient descent with momentum.

use elbo_core::ModelFile;
use elbo_core::Result;
use elbo_core::step::Snapshot;

use super::adam::shrink;
use super::memory::Memory;
use super::{Rule, Schedule, for_parts};
use crate::dtype::{DType, with_real};
use crate::storage::Storage;
use crate::tensor::Tensor;

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
    velocity: Memory,
}

impl Snapshot for SgdState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.steps.save(file, &format!("{prefix}.steps"));
        self.velocity.save(file, &format!("{prefix}.velocity"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.steps.restore(file, &format!("{prefix}.steps"))?;
        self.velocity.restore(file, &format!("{prefix}.velocity"))
    }
}

/// The numbers of one update.
#[derive(Debug, Clone, Copy)]
pub struct SgdUpdate {
    shrink: f64,
    rate: f64,
}

impl Rule for Sgd {
    type State = SgdState;
    type Update = SgdUpdate;

    fn start_parts(&self, parts: &[(usize, DType)]) -> SgdState {
        SgdState { steps: 0, velocity: Memory::zeros(parts) }
    }

    fn begin(&self, norm: &dyn Fn() -> f64, state: &mut SgdState) -> SgdUpdate {
        let rate = self.rate.at(state.steps);
        state.steps += 1;
        SgdUpdate { shrink: shrink(norm, self.clip), rate }
    }

    fn apply(&self, update: &SgdUpdate, part: usize, x: &mut Storage, gradient: &Tensor, state: &mut SgdState) {
        with_real!("Sgd", gradient.dtype(), T => {
            let [shrink, rate, momentum] =
                [update.shrink, update.rate, self.momentum].map(<T as crate::Element>::from_f64);
            for_parts::<T, 1>(x, gradient, [state.velocity.part::<T>(part)], &|x, gradient, [velocity]| {
                for ((x, g), v) in x.iter_mut().zip(gradient).zip(velocity) {
                    let g = *g * shrink;
                    *v = momentum * *v + g;
                    *x -= rate * if self.nesterov { g + momentum * *v } else { *v };
                }
            });
        });
    }
}
