//! The probability that a place keeps its limits and does not fail.

use super::Acquisition;
use crate::failure::FailureModel;
use crate::surrogate::Gp;
use elbo_tensor::special::{inverse_mills, log_ndtr};

/// Limits as processes that must be at most zero, in their own unit, and a model of failures.
#[derive(Clone, Default)]
pub struct Feasibility<'a> {
    /// Slacks of the limits.
    pub limits: Vec<&'a Gp>,
    /// Failures.
    pub failures: Option<&'a FailureModel>,
}

impl Feasibility<'_> {
    /// Whether everything is feasible.
    pub fn is_certain(&self) -> bool {
        self.limits.is_empty() && self.failures.is_none()
    }

    /// Log probability at `x: [E]`; adds its gradient.
    pub fn add(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let mut value = 0.0;
        for gp in &self.limits {
            let joint = gp.joint(x);
            let sd = joint.covariance[0].sqrt();
            let z = (gp.standardised(0.0) - joint.mean[0]) / sd;
            let mills = inverse_mills(z);
            value += log_ndtr(z);
            gp.pullback(&joint, &[-mills / sd], &[-0.5 * mills * z / (sd * sd)], None, gradient);
        }
        value + self.failures.map_or(0.0, |f| f.log_success(x, gradient))
    }

    /// Adds log probabilities at many places `xs: [M, E]`.
    pub fn add_many(&self, xs: &[f64], width: usize, values: &mut [f64]) {
        for gp in &self.limits {
            let (mean, variance) = gp.marginals(xs);
            let bound = gp.standardised(0.0);
            for ((value, m), v) in values.iter_mut().zip(mean).zip(variance) {
                *value += log_ndtr((bound - m) / v.sqrt());
            }
        }
        if let Some(failures) = self.failures {
            let mut scratch = vec![0.0; width];
            values
                .iter_mut()
                .zip(xs.chunks_exact(width))
                .for_each(|(v, x)| *v += failures.log_success(x, &mut scratch));
        }
    }
}

/// The log probability of being feasible alone: the score while no feasible trial is known.
pub struct OnlyFeasible<'a>(pub Feasibility<'a>);

impl Acquisition for OnlyFeasible<'_> {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        self.0.add(x, gradient)
    }

    fn values(&self, xs: &[f64], width: usize) -> Vec<f64> {
        let mut values = vec![0.0; xs.len() / width];
        self.0.add_many(xs, width, &mut values);
        values
    }
}
