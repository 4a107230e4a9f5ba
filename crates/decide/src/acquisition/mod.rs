//! Scores of places: how much it is worth to measure there. Larger is better; all of them minimise the function.
//!
//! | score | choose it for |
//! |---|---|
//! | [`Score::LogEi`] | one point, little noise: the default |
//! | [`MonteCarlo`] | several points at once, pending points, noise: qLogEI and qLogNEI |
//! | [`PathScore`] | Thompson sampling: a minimum of a function drawn from the posterior |
//! | [`KnowledgeGradient`] | noise, and a final choice by the posterior mean |
//! | [`OneShot`] | the same without a finite set, over the trial and its fantasies' minimisers together: for [`bound::minimise`](crate::bound::minimise) |
//! | [`EntropySearch`] | information about the minimum's value, place or both; [`entropy_fall`] on a finite set |
//! | [`Score::Lcb`] | a bound with a schedule |
//! | [`Score::Ei`], [`Score::Pi`] | comparison; they vanish numerically far from the incumbent, which their logarithms do not |
//!
//! Under a Student-t process [`Score`], [`MonteCarlo`] and [`PathScore`] are those of its distributions; the others take them for normal ones, which
//! [`AskConfig`](crate::ask::AskConfig) refuses.
//!
//! [`Adjusted`] adds local penalisation and the expected cost to a score in log form.
//!
//! Limits and failures come in as log probabilities, [`Feasibility`], added to the score: to one in log form as a product, to any other as a penalty. To
//! add a score of mean and variance, give [`Score`] a variant; anything else implements [`Acquisition`]. `tests/it/acquisition.rs` checks each by
//! differences.

mod adjusted;
mod analytic;
mod entropy;
mod feasibility;
mod knowledge;
mod monte_carlo;
mod normal;
mod student;

pub use adjusted::{Adjusted, LocalPenalty, PerCost};
pub use analytic::{Analytic, Schedule, Score};
pub use entropy::{About, EntropySearch, Minimum, entropy_fall, minima, minima_within, minimum_probabilities};
pub use feasibility::{Feasibility, OnlyFeasible};
pub use knowledge::{KnowledgeGradient, OneShot, knowledge_gradient};
pub use monte_carlo::{MonteCarlo, MonteCarloOptions};
pub use normal::log_h;

use crate::surrogate::{Gp, Path};

/// A score of `q` encoded points together.
pub trait Acquisition: Sync {
    /// Number of points that are scored together, `q`.
    fn count(&self) -> usize {
        1
    }

    /// The score at `x: [q, E]`; writes its gradient, as long as `x`.
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64;

    /// Scores at many places, `xs: [M, q, E]`, where `width` is `q E`.
    fn values(&self, xs: &[f64], width: usize) -> Vec<f64> {
        let mut gradient = vec![0.0; width];
        xs.chunks_exact(width).map(|x| self.value_and_gradient(x, &mut gradient)).collect()
    }
}

/// Minus a draw of the function: its largest place is the draw's minimum.
pub struct PathScore<'a>(pub Path<'a>);

impl Acquisition for PathScore<'_> {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let value = self.0.value_and_gradient(x, gradient);
        gradient.iter_mut().for_each(|g| *g = -*g);
        -value
    }
}

/// Smallest posterior mean at the data: the incumbent where values are noisy. Standardised.
pub fn smallest_mean(gp: &Gp) -> f64 {
    gp.marginals(gp.inputs()).0.into_iter().fold(f64::INFINITY, f64::min)
}
