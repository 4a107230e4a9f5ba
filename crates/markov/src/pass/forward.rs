//! The way forward: filtered moments and the log evidence, and what is remembered of them.

use super::shape::{Outputs, Shape, carry, times_transposed};
use crate::evidence::Update;
use crate::model::Chain;
use crate::scalar::Real;
use elbo_core::recycle::Kept;

/// What the forward pass keeps of a step: filtered mean `[n]` and covariance `[n, n]`, `P H' [n, L]`, `u [L]`, `Φ [L, L]`.
fn stride(n: usize, outputs: usize) -> usize {
    n + n * n + n * outputs + outputs + outputs * outputs
}

/// Of the number of steps, in the number of those kept.
const POWER: f64 = 0.9;

/// How much of the forward pass is remembered.
///
/// Of `T` steps, the last `least^0.1 T^0.9` are kept. A power, and not a fixed number, lets the share that is filtered twice grow slowly: the time of a
/// step rises by a few hundredths with each doubling.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Steps up to which all are kept,
    pub least: usize,
    /// unless they have more numbers than this.
    pub numbers: usize,
    /// Numbers of a block that is filtered once more.
    pub block: usize,
}

impl Limits {
    /// At most 16 MiB in double precision up to where the power takes over, and blocks that stay in the cache.
    pub const USUAL: Self = Self { least: 6000, numbers: 1 << 21, block: 1 << 15 };
}

/// What the way back can read of the forward pass.
pub(super) struct Memory<T: Real> {
    /// Filtered mean and covariance before each block but the first, and before the kept steps: `[blocks, n + n²]`.
    pub checkpoints: Vec<T>,
    /// Steps of a block.
    pub block: usize,
    /// First of the kept steps; a multiple of `block`.
    pub first: usize,
    /// Records of the kept steps.
    pub record: Kept<T>,
}

impl<T: Real> Memory<T> {
    pub fn none() -> Self {
        Self { checkpoints: vec![], block: 1, first: 0, record: Kept::new(0) }
    }
}

/// The filter of one chain with its evidence.
#[derive(Clone, Copy)]
pub(super) struct Filter<'a, T, S, E, O> {
    pub shape: S,
    pub chain: &'a Chain<T>,
    pub evidence: E,
    pub outputs: O,
}

/// Predicted moments and other intermediate numbers of a step.
pub(super) struct Scratch<T> {
    mean: Vec<T>,
    covariance: Vec<T>,
    half: Vec<T>,
    f_mean: Vec<T>,
    f_covariance: Vec<T>,
    system: Vec<T>,
}

impl<T: Real> Scratch<T> {
    pub fn new(chain: &Chain<T>) -> Self {
        let (n, l) = (chain.size, chain.outputs);
        let zeros = |count: usize| vec![T::of(0.0); count];
        Self {
            mean: zeros(n),
            covariance: zeros(n * n),
            half: zeros(n * n),
            f_mean: zeros(l),
            f_covariance: zeros(l * l),
            system: zeros(2 * l * (l + 1)),
        }
    }
}

impl<T: Real, S: Shape, E: Update<T>, O: Outputs> Filter<'_, T, S, E, O> {
    pub fn stride(self) -> usize {
        stride(self.shape.size(), self.outputs.count())
    }

    /// Numbers of a checkpoint: filtered mean and covariance, with which a record begins.
    pub fn moments(self) -> usize {
        let n = self.shape.size();
        n + n * n
    }

    /// The log evidence alone: two records take turns.
    pub fn evidence(self, scratch: &mut Scratch<T>) -> T {
        let mut turns = vec![T::of(0.0); 2 * self.stride()];
        self.passing(scratch, &mut turns, self.chain.len(), |_, _| {})
    }

    /// Steps `0 .. end` in two records that take turns; `see` is shown each.
    #[inline(always)]
    fn passing(self, scratch: &mut Scratch<T>, turns: &mut [T], end: usize, mut see: impl FnMut(usize, &[T])) -> T {
        let (mut before, mut now) = turns.split_at_mut(self.stride());
        let mut log_z = T::of(0.0);
        for k in 0..end {
            log_z += self.step(k, before, now, scratch);
            see(k, now);
            std::mem::swap(&mut before, &mut now);
        }
        log_z
    }

    /// The log evidence, and what the way back will need.
    pub fn remembered(self, limits: Limits, scratch: &mut Scratch<T>) -> (T, Memory<T>) {
        let (steps, stride, moments) = (self.chain.len(), self.stride(), self.moments());
        let block = (limits.block / stride).max(2);
        let least = limits.least.min(limits.numbers / stride).max(2) as f64;
        let kept = (least.powf(1.0 - POWER) * (steps as f64).max(least).powf(POWER)).ceil() as usize;
        let first = steps.saturating_sub(kept) / block * block;
        let mut memory = Memory {
            checkpoints: Vec::with_capacity(first / block * moments),
            block,
            first,
            record: Kept::new((steps - first) * stride),
        };
        let mut turns = vec![T::of(0.0); 2 * stride];
        let mut log_z = self.passing(scratch, &mut turns, first, |k, record| {
            if (k + 1) % block == 0 {
                memory.checkpoints.extend_from_slice(&record[..moments]);
            }
        });
        let entry = memory.checkpoints.len().saturating_sub(moments);
        log_z = self.recorded((first, steps), &memory.checkpoints[entry..], &mut memory.record, log_z, scratch);
        (log_z, memory)
    }

    /// Steps `from .. to` into a record, from the filtered moments of the step before the first; their log evidence is added, one by one, to what
    /// came before, so that the sum does not depend on where a record begins.
    #[inline(always)]
    pub fn recorded(
        self,
        (from, to): (usize, usize),
        entry: &[T],
        record: &mut [T],
        mut log_z: T,
        scratch: &mut Scratch<T>,
    ) -> T {
        let stride = self.stride();
        for k in from..to {
            let (done, rest) = record.split_at_mut((k - from) * stride);
            let before = if k == from { entry } else { &done[(k - from - 1) * stride..] };
            log_z += self.step(k, before, &mut rest[..stride], scratch);
        }
        log_z
    }

    /// One step: from the filtered moments at the head of `before` to a whole record.
    #[inline(always)]
    fn step(self, k: usize, before: &[T], now: &mut [T], scratch: &mut Scratch<T>) -> T {
        let zero = T::of(0.0);
        let (n, l) = (self.shape.size(), self.outputs.count());
        let h = &self.chain.h[..l * n];
        let (mean, covariance) = (&mut scratch.mean[..n], &mut scratch.covariance[..n * n]);
        if k == 0 {
            mean.fill(zero);
            covariance.copy_from_slice(&self.chain.start);
        } else {
            let (a, q) = self.chain.transition(k);
            let (m, p) = before[..n + n * n].split_at(n);
            carry(self.shape, a, q, m, p, mean, covariance, &mut scratch.half);
        }
        let (m, rest) = now.split_at_mut(n);
        let (p, rest) = rest.split_at_mut(n * n);
        let (ph, rest) = rest.split_at_mut(n * l);
        let (u, phi) = rest.split_at_mut(l);
        let (f_mean, f_covariance) = (&mut scratch.f_mean[..l], &mut scratch.f_covariance[..l * l]);
        // P H', then the moments of f.
        times_transposed(covariance, h, (n, n, l), ph);
        for o in 0..l {
            let mut sum = zero;
            for j in 0..n {
                sum += h[o * n + j] * mean[j];
            }
            f_mean[o] = sum;
            for c in 0..l {
                let mut sum = zero;
                for j in 0..n {
                    sum += h[o * n + j] * ph[j * l + c];
                }
                f_covariance[o * l + c] = sum;
            }
        }
        let log_z = self.evidence.update(k, f_mean, f_covariance, &mut u[..l], &mut phi[..l * l], &mut scratch.system);
        for i in 0..n {
            let mut sum = mean[i];
            for o in 0..l {
                sum += ph[i * l + o] * u[o];
            }
            m[i] = sum;
            for j in 0..=i {
                let mut value = covariance[i * n + j];
                for o in 0..l {
                    let mut gain = zero;
                    for c in 0..l {
                        gain += phi[o * l + c] * ph[j * l + c];
                    }
                    value -= ph[i * l + o] * gain;
                }
                p[i * n + j] = value;
                p[j * n + i] = value;
            }
        }
        log_z
    }
}
