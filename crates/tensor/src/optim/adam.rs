//! Adam, with decoupled weight decay and clipping of the gradient.

use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result};

use super::{Rule, Schedule, save_list};

/// Adam's settings.
///
/// # Source
/// Kingma and Ba (2015); decoupled weight decay after Loshchilov and Hutter (2019), multiplied by the rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Length of a step.
    pub rate: Schedule,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay; zero is plain Adam.
    pub weight_decay: f64,
    /// Largest Euclidean norm of the gradient; longer ones are shortened.
    pub clip: Option<f64>,
}

impl Default for Adam {
    fn default() -> Self {
        Self { rate: 1e-3.into(), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, clip: None }
    }
}

impl Adam {
    /// The defaults with this rate.
    pub fn with_rate(rate: impl Into<Schedule>) -> Self {
        Self { rate: rate.into(), ..Self::default() }
    }
}

/// Adam's memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AdamState {
    /// Updates done.
    pub steps: usize,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Snapshot for AdamState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.steps.save(file, &format!("{prefix}.steps"));
        save_list(file, prefix, "first", &self.first);
        save_list(file, prefix, "second", &self.second);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.steps.restore(file, &format!("{prefix}.steps"))?;
        self.first = file.get(&format!("{prefix}.first"))?;
        self.second = file.get(&format!("{prefix}.second"))?;
        Ok(())
    }
}

impl Rule for Adam {
    type State = AdamState;

    fn start(&self, n: usize) -> AdamState {
        AdamState { steps: 0, first: vec![0.0; n], second: vec![0.0; n] }
    }

    fn update(&self, x: &mut [f64], gradient: &[f64], state: &mut AdamState) {
        assert!(x.len() == gradient.len() && x.len() == state.first.len(), "Adam's vectors differ in length");
        let rate = self.rate.at(state.steps);
        state.steps += 1;
        let t = state.steps as i32;
        let (debias1, debias2) = (1.0 - self.beta1.powi(t), 1.0 - self.beta2.powi(t));
        let shrink = shrink(gradient, self.clip);
        let keep = 1.0 - rate * self.weight_decay;
        let moments = state.first.iter_mut().zip(&mut state.second);
        for ((x, g), (m, v)) in x.iter_mut().zip(gradient).zip(moments) {
            let g = g * shrink;
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
            *x = keep * *x - rate * (*m / debias1) / ((*v / debias2).sqrt() + self.epsilon);
        }
    }
}

/// The factor that brings a gradient within a norm.
pub(super) fn shrink(gradient: &[f64], clip: Option<f64>) -> f64 {
    let Some(most) = clip else { return 1.0 };
    let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    if norm > most { most / norm } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_has_the_length_of_the_rate_whatever_the_gradient() {
        for scale in [1e-3, 1.0, 1e6] {
            let adam = Adam::with_rate(0.1);
            let mut x = [0.0, 0.0];
            adam.update(&mut x, &[scale, -2.0 * scale], &mut adam.start(2));
            assert!((x[0] + 0.1).abs() < 1e-5 && (x[1] - 0.1).abs() < 1e-5, "{x:?}");
        }
    }

    #[test]
    fn decay_and_clipping_act_as_defined() {
        let adam = Adam { weight_decay: 0.5, ..Adam::with_rate(0.1) };
        let mut x = [2.0];
        adam.update(&mut x, &[0.0], &mut adam.start(1));
        assert_eq!(x[0], 2.0 * 0.95);
        assert_eq!(shrink(&[3.0, 4.0], Some(1.0)), 0.2);
        assert_eq!(shrink(&[3.0, 4.0], Some(6.0)), 1.0);
    }
}
