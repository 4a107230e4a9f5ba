//! Adam and AMSGrad, with decoupled weight decay and clipping of the gradient.

use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result};

use super::memory::Memory;
use super::{Rule, Schedule, for_parts};
use crate::dtype::{DType, Real, with_real};
use crate::kernels::Vectorised;
use crate::storage::Storage;
use crate::tensor::Tensor;

/// Adam's settings.
///
/// # Source
/// Kingma and Ba (2015); decoupled weight decay after Loshchilov and Hutter (2019), multiplied by the rate; AMSGrad after Reddi, Kale and
/// Kumar (2018). Deviation: the largest second moment is corrected for its start as Adam's is.
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
    /// Divides by the largest second moment so far (AMSGrad), so that a rate never grows again, but for the correction
    /// of the moments' start.
    pub amsgrad: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            rate: 1e-3.into(),
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip: None,
            amsgrad: false,
        }
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
    first: Memory,
    second: Memory,
    /// Largest second moments; of AMSGrad alone.
    largest: Memory,
}

impl Snapshot for AdamState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.steps.save(file, &format!("{prefix}.steps"));
        self.first.save(file, &format!("{prefix}.first"));
        self.second.save(file, &format!("{prefix}.second"));
        if !self.largest.is_empty() {
            self.largest.save(file, &format!("{prefix}.largest"));
        }
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.steps.restore(file, &format!("{prefix}.steps"))?;
        self.first.restore(file, &format!("{prefix}.first"))?;
        self.second.restore(file, &format!("{prefix}.second"))?;
        if !self.largest.is_empty() {
            self.largest.restore(file, &format!("{prefix}.largest"))?;
        }
        Ok(())
    }
}

/// The numbers of one of Adam's updates.
#[derive(Debug, Clone, Copy)]
pub struct AdamUpdate {
    /// What the gradient is multiplied by.
    shrink: f64,
    /// What the value is multiplied by.
    keep: f64,
    /// Rate over the first moment's correction.
    step: f64,
    /// Reciprocal root of the second moment's correction.
    root: f64,
}

/// The numbers of an update in the parameters' own type.
#[derive(Clone, Copy)]
struct Numbers<T> {
    shrink: T,
    keep: T,
    step: T,
    root: T,
    beta1: [T; 2],
    beta2: [T; 2],
    epsilon: T,
}

impl<T: Real> Numbers<T> {
    #[inline(always)]
    fn remember(&self, g: T, m: &mut T, v: &mut T) {
        let g = g * self.shrink;
        *m = self.beta1[0] * *m + self.beta1[1] * g;
        *v = self.beta2[0] * *v + self.beta2[1] * g * g;
    }

    #[inline(always)]
    fn moved(&self, x: T, m: T, v: T) -> T {
        self.keep * x - self.step * m / (v.sqrt() * self.root + self.epsilon)
    }
}

struct Loop<'a, T> {
    x: &'a mut [T],
    gradient: &'a [T],
    first: &'a mut [T],
    second: &'a mut [T],
    numbers: Numbers<T>,
}

impl<T: Real> Vectorised for Loop<'_, T> {
    #[inline(always)]
    fn run(self) {
        let moments = self.first.iter_mut().zip(self.second);
        for ((x, g), (m, v)) in self.x.iter_mut().zip(self.gradient).zip(moments) {
            self.numbers.remember(*g, m, v);
            *x = self.numbers.moved(*x, *m, *v);
        }
    }
}

/// The same, over the largest second moment so far.
struct LargestLoop<'a, T> {
    plain: Loop<'a, T>,
    largest: &'a mut [T],
}

impl<T: Real> Vectorised for LargestLoop<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Loop { x, gradient, first, second, numbers } = self.plain;
        let moments = first.iter_mut().zip(second).zip(self.largest);
        for ((x, g), ((m, v), largest)) in x.iter_mut().zip(gradient).zip(moments) {
            numbers.remember(*g, m, v);
            *largest = if *v > *largest { *v } else { *largest };
            *x = numbers.moved(*x, *m, *largest);
        }
    }
}

impl Rule for Adam {
    type State = AdamState;
    type Update = AdamUpdate;

    fn start_parts(&self, parts: &[(usize, DType)]) -> AdamState {
        let largest = if self.amsgrad { Memory::zeros(parts) } else { Memory::default() };
        AdamState { steps: 0, first: Memory::zeros(parts), second: Memory::zeros(parts), largest }
    }

    fn begin(&self, norm: &dyn Fn() -> f64, state: &mut AdamState) -> AdamUpdate {
        let rate = self.rate.at(state.steps);
        state.steps += 1;
        let t = state.steps as i32;
        let (debias1, debias2) = (1.0 - self.beta1.powi(t), 1.0 - self.beta2.powi(t));
        AdamUpdate {
            shrink: shrink(norm, self.clip),
            keep: 1.0 - rate * self.weight_decay,
            step: rate / debias1,
            root: 1.0 / debias2.sqrt(),
        }
    }

    fn apply(&self, update: &AdamUpdate, part: usize, x: &mut Storage, gradient: &Tensor, state: &mut AdamState) {
        with_real!("Adam", gradient.dtype(), T => {
            let number = |v: f64| <T as crate::Element>::from_f64(v);
            let numbers = Numbers {
                shrink: number(update.shrink),
                keep: number(update.keep),
                step: number(update.step),
                root: number(update.root),
                beta1: [number(self.beta1), number(1.0 - self.beta1)],
                beta2: [number(self.beta2), number(1.0 - self.beta2)],
                epsilon: number(self.epsilon),
            };
            let [first, second] = [state.first.part::<T>(part), state.second.part::<T>(part)];
            if self.amsgrad {
                let memory = [first, second, state.largest.part::<T>(part)];
                for_parts::<T, 3>(x, gradient, memory, &|x, gradient, [first, second, largest]| {
                    let plain = Loop { x, gradient, first, second, numbers };
                    crate::kernels::run_vectorised(LargestLoop { plain, largest });
                });
            } else {
                for_parts::<T, 2>(x, gradient, [first, second], &|x, gradient, [first, second]| {
                    crate::kernels::run_vectorised(Loop { x, gradient, first, second, numbers });
                });
            }
        });
    }
}

/// The factor that brings a gradient within a norm.
pub(super) fn shrink(norm: &dyn Fn() -> f64, clip: Option<f64>) -> f64 {
    let Some(most) = clip else { return 1.0 };
    let norm = norm();
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
    fn amsgrad_keeps_the_largest_second_moment() {
        // One large gradient, then small ones: Adam's second moment forgets it, AMSGrad's does not, in its own closed form.
        let rule = Adam { amsgrad: true, beta1: 0.0, beta2: 0.5, epsilon: 0.0, ..Adam::with_rate(1.0) };
        let (mut x, mut state) = ([0.0], rule.start(1));
        let (mut v, mut largest, mut expected) = (0.0f64, 0.0f64, 0.0);
        for t in 1..30 {
            let g = if t == 1 { 8.0 } else { 0.5 };
            v = 0.5 * v + 0.5 * g * g;
            largest = largest.max(v);
            expected -= g / (largest / (1.0 - 0.5f64.powi(t))).sqrt();
            rule.update(&mut x, &[g], &mut state);
            assert!((x[0] - expected).abs() < 1e-12, "step {t}: {} and {expected}", x[0]);
        }
        assert_eq!(largest, 32.0);
        let plain = Adam { amsgrad: false, ..rule };
        let (mut y, mut state) = ([0.0], plain.start(1));
        (1..30).for_each(|t| plain.update(&mut y, &[if t == 1 { 8.0 } else { 0.5 }], &mut state));
        assert!(y[0] < 5.0 * x[0], "{} and {}", y[0], x[0]);
    }

    #[test]
    fn decay_and_clipping_act_as_defined() {
        let adam = Adam { weight_decay: 0.5, ..Adam::with_rate(0.1) };
        let mut x = [2.0];
        adam.update(&mut x, &[0.0], &mut adam.start(1));
        assert_eq!(x[0], 2.0 * 0.95);
        assert_eq!(shrink(&|| 5.0, Some(1.0)), 0.2);
        assert_eq!(shrink(&|| 5.0, Some(6.0)), 1.0);
    }
}
