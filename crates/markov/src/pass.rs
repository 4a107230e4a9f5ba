//! Filter, smoother and gradient as one operation: one pass forward, one pass back.
//!
//! The way back carries `r` and `N`, the derivatives of the remaining log evidence by a step's mean and (twice, negated, with `r r'`) its
//! covariance. They give the smoothed moments without inverting a covariance and, at the same cost, the derivatives by every transition,
//! process covariance, output row and noise variance: smoother and gradient are the same recursion (Bryson and Frazier 1963; Koopman and
//! Shephard 1992). Every formula holds for singular process covariances and singular sites.
//!
//! The way back needs what the forward pass knew of every step. That is kept for the last steps only, all of a short series and `O(T^0.9)`
//! of a long one; before these, checkpoints are kept, from which each block is filtered once more when its turn comes. The memory of a long series is
//! then mostly that of what is returned, and the time of a step hardly grows with their number.

mod back;
mod forward;
mod shape;

use crate::evidence::{Evidence, Observed, Sited, Update};
use crate::model::{Chain, ChainGradient};
use crate::scalar::Real;
use back::back;
use elbo_core::recycle::Kept;
use elbo_core::{Error, Result};
use forward::{Filter, Limits, Memory, Scratch};
use shape::{Blocks, Fixed, Many, One, Outputs, Shape};

/// What [`run`] computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// The log evidence alone.
    Evidence,
    /// Smoothed moments of the rows read.
    Moments,
    /// These, smoothed states, and each step's predictions from those before it and from all others.
    Smoothed,
    /// Smoothed moments and the gradient.
    Gradient,
}

/// What one pass found, in buffers that the next pass uses again.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass<T: Real> {
    /// Log evidence: of the observations, or of the unnormalised sites. Nats.
    pub log_z: T,
    /// Smoothed means of the rows read, `[T, R]`.
    pub mean: Kept<T>,
    /// Smoothed covariances of the rows read, `[T, R, R]`.
    pub covariance: Kept<T>,
    /// Smoothed states, `[T, n]`; with [`Wants::Smoothed`], as the two that follow.
    pub state: Kept<T>,
    /// With [`Wants::Smoothed`], what each step's prediction missed: `u: [T, L]`, `Φ: [T, L, L]`; zero where nothing was seen. For numbers with noise,
    /// the prediction before the step had mean `y - u / Φ` and variance `1 / Φ`.
    pub innovation: (Kept<T>, Kept<T>),
    /// The same with all other steps known: `e: [T, L]`, `D: [T, L, L]`. The prediction of `y` from all others has mean `y - e / D` and
    /// variance `1 / D`.
    pub left_out: (Kept<T>, Kept<T>),
    /// Derivatives by the chain's numbers.
    pub gradient: Option<ChainGradient<T>>,
    /// Derivatives by each step's noise variance, `[T]`; for observations.
    pub noise_gradient: Kept<T>,
}

/// Filters, and on the way back smooths and differentiates.
///
/// `rows: [R, n]` are the functions of the state whose smoothed moments are wanted; the chain's own outputs where `None`.
/// Time is linear in the number of steps; nothing is allocated inside the loops.
///
/// # Errors
/// A recoverable [`Error::Numerical`] where the log evidence is not finite.
///
/// # Panics
/// When there is evidence for another number of steps than the chain has, or observations for several outputs.
pub fn run<T: Real>(chain: &Chain<T>, evidence: Evidence<'_, T>, wants: Wants, rows: Option<&[T]>) -> Result<Pass<T>> {
    within(Limits::USUAL, chain, evidence, (wants, rows))
}

/// What is computed, and which rows are read.
type Asked<'a, T> = (Wants, Option<&'a [T]>);

fn within<T: Real>(
    limits: Limits,
    chain: &Chain<T>,
    evidence: Evidence<'_, T>,
    asked: Asked<'_, T>,
) -> Result<Pass<T>> {
    match evidence {
        Evidence::Observations { y, noise } => {
            assert_eq!(chain.outputs, 1, "observations are of one output; give sites for several");
            assert_eq!(y.len(), noise.len(), "one noise variance an observation");
            by_outputs(limits, chain, Observed { y, noise }, asked)
        }
        Evidence::Sites { shift, precision } => {
            assert_eq!(precision.len(), shift.len() * chain.outputs, "sites have precisions [T, L, L]");
            by_outputs(limits, chain, Sited { shift, precision }, asked)
        }
    }
}

fn by_outputs<T: Real, E: Update<T>>(
    limits: Limits,
    chain: &Chain<T>,
    evidence: E,
    asked: Asked<'_, T>,
) -> Result<Pass<T>> {
    assert_eq!(evidence.steps(chain.outputs), chain.len(), "evidence for every step");
    if chain.outputs == 1 {
        by_size(limits, chain, evidence, One, asked)
    } else {
        by_size(limits, chain, evidence, Many(chain.outputs), asked)
    }
}

fn by_size<T: Real, E: Update<T>, O: Outputs>(
    limits: Limits,
    chain: &Chain<T>,
    evidence: E,
    outputs: O,
    asked: Asked<'_, T>,
) -> Result<Pass<T>> {
    // Only the hottest cases are compiled for a known size: each is a copy of both passes.
    if O::IS_ONE && T::IS_PLAIN && chain.places.len() == 1 {
        match chain.size {
            1 => return both(limits, Filter { shape: Fixed::<1>, chain, evidence, outputs }, asked),
            2 => return both(limits, Filter { shape: Fixed::<2>, chain, evidence, outputs }, asked),
            3 => return both(limits, Filter { shape: Fixed::<3>, chain, evidence, outputs }, asked),
            4 => return both(limits, Filter { shape: Fixed::<4>, chain, evidence, outputs }, asked),
            _ => {}
        }
    }
    both(limits, Filter { shape: Blocks(&chain.places, chain.size), chain, evidence, outputs }, asked)
}

fn both<T: Real, S: Shape, E: Update<T>, O: Outputs>(
    limits: Limits,
    filter: Filter<'_, T, S, E, O>,
    (wants, rows): Asked<'_, T>,
) -> Result<Pass<T>> {
    let mut scratch = Scratch::new(filter.chain);
    let (log_z, memory) = if wants == Wants::Evidence {
        (filter.evidence(&mut scratch), Memory::none())
    } else {
        filter.remembered(limits, &mut scratch)
    };
    if !log_z.value().is_finite() {
        return Err(Error::recoverable(
            format!("the log evidence of {} steps is {}", filter.chain.len(), log_z.value()),
            "raise the noise variance, or start from other lengthscales",
        ));
    }
    let none = || Kept::new(0);
    Ok(match wants {
        Wants::Evidence => Pass {
            log_z,
            mean: none(),
            covariance: none(),
            state: none(),
            innovation: (none(), none()),
            left_out: (none(), none()),
            gradient: None,
            noise_gradient: none(),
        },
        Wants::Moments | Wants::Smoothed => {
            back::<T, S, E, O, false>(filter, log_z, memory, &mut scratch, (wants, rows))
        }
        Wants::Gradient => back::<T, S, E, O, true>(filter, log_z, memory, &mut scratch, (wants, rows)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;
    use crate::model::{Grid, StateSpace};

    #[test]
    fn blocks_that_are_filtered_again_change_no_bit() {
        let kernels: [&[&str]; 3] = [
            &["matern32(lengthscale=3)"],
            &["matern12(lengthscale=9) + cosine(period=5)"],
            &["matern52(lengthscale=2)", "matern12"],
        ];
        for texts in kernels {
            let kernels: Vec<Kernel> = texts.iter().map(|t| t.parse().unwrap()).collect();
            let l = kernels.len();
            for steps in [1, 2, 3, 31, 200] {
                let grid = Grid::regular(0.0, 0.7, steps);
                let chain = StateSpace::of_latents(&kernels, 0.0).unwrap().chain(&grid);
                let shift: Vec<f64> = (0..steps * l).map(|i| (i as f64).sin()).collect();
                let one = |i: usize| if i / l % l == i % l { 0.5 + 0.4 * (i as f64).cos() } else { 0.1 };
                let precision: Vec<f64> = (0..steps * l * l).map(one).collect();
                let evidence = Evidence::Sites { shift: &shift, precision: &precision };
                for wants in [Wants::Moments, Wants::Smoothed, Wants::Gradient] {
                    let whole = run(&chain, evidence, wants, None).unwrap();
                    for (least, block) in [(1, 1), (9, 1), (10, 100), (100, 70)] {
                        let limits = Limits { least, numbers: 1 << 20, block };
                        let parts = within(limits, &chain, evidence, (wants, None)).unwrap();
                        assert!(parts == whole, "{texts:?}, {steps} steps, {wants:?}, {least} {block}");
                    }
                }
            }
        }
    }
}
