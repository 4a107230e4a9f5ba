//! Steps over the root of squared gradients: summed (Adagrad) or averaged (RMSProp).

use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result};

use super::adam::shrink;
use super::memory::Memory;
use super::{Rule, Schedule, for_parts};
use crate::dtype::{DType, with_real};
use crate::storage::Storage;
use crate::tensor::Tensor;

/// Steps over the root of the sum of all squared gradients: they shorten for good, each number at its own pace.
///
/// # Source
/// Duchi, Hazan and Singer (2011), the diagonal form.
#[derive(Debug, Clone, PartialEq)]
pub struct Adagrad {
    /// Length of the first step.
    pub rate: Schedule,
    /// Added to the root of the sum.
    pub epsilon: f64,
    /// Largest Euclidean norm of the gradient; longer ones are shortened.
    pub clip: Option<f64>,
}

impl Default for Adagrad {
    fn default() -> Self {
        Self { rate: 1e-2.into(), epsilon: 1e-10, clip: None }
    }
}

/// Steps over the root of a running mean of squared gradients.
///
/// # Source
/// Tieleman and Hinton (2012); momentum as in PyTorch.
#[derive(Debug, Clone, PartialEq)]
pub struct RmsProp {
    /// Length of a step where gradients keep their size.
    pub rate: Schedule,
    /// Weight of the past in the running mean.
    pub decay: f64,
    /// Whether the first square is taken whole, so that the first step is as long as the rate. Otherwise the mean starts at zero, and the
    /// first step is longer by the root of `1 / (1 - decay)`.
    pub starts_whole: bool,
    /// Share of the last step that is added to the next; zero for none.
    pub momentum: f64,
    /// Added to the root of the mean.
    pub epsilon: f64,
    /// Largest Euclidean norm of the gradient; longer ones are shortened.
    pub clip: Option<f64>,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { rate: 1e-2.into(), decay: 0.99, starts_whole: false, momentum: 0.0, epsilon: 1e-8, clip: None }
    }
}

/// Memory of [`Adagrad`] and [`RmsProp`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SquaresState {
    /// Updates done.
    pub steps: usize,
    square: Memory,
    /// Of a rule with momentum alone.
    velocity: Memory,
}

impl SquaresState {
    fn new(parts: &[(usize, DType)], has_momentum: bool) -> Self {
        let velocity = if has_momentum { Memory::zeros(parts) } else { Memory::default() };
        Self { steps: 0, square: Memory::zeros(parts), velocity }
    }
}

impl Snapshot for SquaresState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.steps.save(file, &format!("{prefix}.steps"));
        self.square.save(file, &format!("{prefix}.square"));
        if !self.velocity.is_empty() {
            self.velocity.save(file, &format!("{prefix}.velocity"));
        }
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.steps.restore(file, &format!("{prefix}.steps"))?;
        self.square.restore(file, &format!("{prefix}.square"))?;
        if !self.velocity.is_empty() {
            self.velocity.restore(file, &format!("{prefix}.velocity"))?;
        }
        Ok(())
    }
}

/// The numbers of one update.
#[derive(Debug, Clone, Copy)]
pub struct SquaresUpdate {
    shrink: f64,
    rate: f64,
    /// What the old squares and the new one are multiplied by.
    weights: [f64; 2],
    momentum: f64,
    epsilon: f64,
}

impl SquaresUpdate {
    fn apply(&self, part: usize, x: &mut Storage, gradient: &Tensor, state: &mut SquaresState) {
        with_real!("a step over squared gradients", gradient.dtype(), T => {
            let [shrink, rate, keep, add, momentum, epsilon] =
                [self.shrink, self.rate, self.weights[0], self.weights[1], self.momentum, self.epsilon]
                    .map(<T as crate::Element>::from_f64);
            let square = state.square.part::<T>(part);
            if state.velocity.is_empty() {
                for_parts::<T, 1>(x, gradient, [square], &|x, gradient, [square]| {
                    for ((x, g), s) in x.iter_mut().zip(gradient).zip(square) {
                        let g = *g * shrink;
                        *s = keep * *s + add * g * g;
                        *x -= rate * g / (epsilon + s.sqrt());
                    }
                });
            } else {
                let memory = [square, state.velocity.part::<T>(part)];
                for_parts::<T, 2>(x, gradient, memory, &|x, gradient, [square, velocity]| {
                    for ((x, g), (s, v)) in x.iter_mut().zip(gradient).zip(square.iter_mut().zip(velocity)) {
                        let g = *g * shrink;
                        *s = keep * *s + add * g * g;
                        *v = momentum * *v + g / (epsilon + s.sqrt());
                        *x -= rate * *v;
                    }
                });
            }
        });
    }
}

impl Rule for Adagrad {
    type State = SquaresState;
    type Update = SquaresUpdate;

    fn start_parts(&self, parts: &[(usize, DType)]) -> SquaresState {
        SquaresState::new(parts, false)
    }

    fn begin(&self, norm: &dyn Fn() -> f64, state: &mut SquaresState) -> SquaresUpdate {
        let rate = self.rate.at(state.steps);
        state.steps += 1;
        let shrink = shrink(norm, self.clip);
        SquaresUpdate { shrink, rate, weights: [1.0, 1.0], momentum: 0.0, epsilon: self.epsilon }
    }

    fn apply(&self, update: &SquaresUpdate, part: usize, x: &mut Storage, gradient: &Tensor, state: &mut SquaresState) {
        update.apply(part, x, gradient, state);
    }
}

impl Rule for RmsProp {
    type State = SquaresState;
    type Update = SquaresUpdate;

    fn start_parts(&self, parts: &[(usize, DType)]) -> SquaresState {
        SquaresState::new(parts, self.momentum > 0.0)
    }

    fn begin(&self, norm: &dyn Fn() -> f64, state: &mut SquaresState) -> SquaresUpdate {
        let rate = self.rate.at(state.steps);
        let is_whole = self.starts_whole && state.steps == 0;
        state.steps += 1;
        SquaresUpdate {
            shrink: shrink(norm, self.clip),
            rate,
            weights: if is_whole { [0.0, 1.0] } else { [self.decay, 1.0 - self.decay] },
            momentum: self.momentum,
            epsilon: self.epsilon,
        }
    }

    fn apply(&self, update: &SquaresUpdate, part: usize, x: &mut Storage, gradient: &Tensor, state: &mut SquaresState) {
        update.apply(part, x, gradient, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRADIENTS: [f64; 4] = [2.0, -1.0, 0.5, 4.0];

    /// Where a rule goes from zero along these gradients.
    fn path(rule: &impl Rule) -> Vec<f64> {
        let (mut x, mut state) = ([0.0], rule.start(1));
        let step = |g: &f64| {
            rule.update(&mut x, &[*g], &mut state);
            x[0]
        };
        GRADIENTS.iter().map(step).collect()
    }

    fn assert_path(found: &[f64], expected: &[f64]) {
        found.iter().zip(expected).for_each(|(f, e)| assert!((f - e).abs() < 1e-13, "{found:?} and {expected:?}"));
    }

    #[test]
    fn adagrad_divides_by_the_root_of_the_sum() {
        let (mut x, mut sum, mut expected) = (0.0, 0.0f64, vec![]);
        for g in GRADIENTS {
            sum += g * g;
            x -= 0.1 * g / sum.sqrt();
            expected.push(x);
        }
        assert_path(&path(&Adagrad { rate: 0.1.into(), epsilon: 0.0, clip: None }), &expected);
    }

    #[test]
    fn rmsprop_divides_by_the_root_of_a_running_mean() {
        for (starts_whole, momentum) in [(false, 0.0), (true, 0.0), (false, 0.9)] {
            let (mut x, mut mean, mut velocity, mut expected) = (0.0, 0.0f64, 0.0, vec![]);
            for (t, g) in GRADIENTS.into_iter().enumerate() {
                mean = if starts_whole && t == 0 { g * g } else { 0.9 * mean + 0.1 * g * g };
                velocity = momentum * velocity + g / (1e-3 + mean.sqrt());
                x -= 0.1 * velocity;
                expected.push(x);
            }
            let rule =
                RmsProp { rate: 0.1.into(), decay: 0.9, starts_whole, momentum, epsilon: 1e-3, ..RmsProp::default() };
            assert_path(&path(&rule), &expected);
        }
    }

    #[test]
    fn single_precision_goes_the_same_way() {
        let rule = RmsProp { momentum: 0.5, ..RmsProp::default() };
        let mut state = rule.start_parts(&[(1, DType::F32)]);
        let mut x = Storage::F32(vec![0.0]);
        for g in GRADIENTS {
            let update = rule.begin(&|| g.abs(), &mut state);
            rule.apply(&update, 0, &mut x, &Tensor::from_f32(vec![g as f32], &[1]), &mut state);
        }
        let Storage::F32(found) = &x else { panic!("the type is kept") };
        let double = path(&rule)[3];
        assert!((f64::from(found[0]) - double).abs() < 1e-5 * double.abs(), "{} and {double}", found[0]);
    }
}
