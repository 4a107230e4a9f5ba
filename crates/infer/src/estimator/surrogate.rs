//! Surrogates of continuous families.

use super::{Baseline, Estimator};
use crate::family::{Drawn, Variational};
use crate::objective::{Objective, doubly_reparameterised};
use crate::target::LogDensity;
use elbo_core::{Error, Result};
use elbo_tensor::{Tensor, grad, no_grad};

/// A tensor whose gradient is the estimate, to be ascended, with what was found on the way.
#[derive(Debug, Clone)]
pub struct Surrogate {
    /// Its gradient in the family's parameters estimates that of the objective.
    pub tensor: Tensor,
    /// The objective, averaged over the `B` repetitions; draws of a mixture's components count by the components' weights.
    pub value: f64,
    /// Log weights, `[K, B]`.
    pub log_weights: Tensor,
}

/// The part of a gradient that runs through draws: the surrogate of $\sum_k c_k \, (\partial \ell_k / \partial z_k) \, \partial z_k$.
///
/// `log_weight` maps points, in the shape of `z`, to log weights; parameters inside it are not differentiated. `coefficient` maps log
/// weights to `c`, and sees them outside the graph. Returns the surrogate and the log weights.
pub fn along_paths(
    z: &Tensor,
    log_weight: impl FnOnce(&Tensor) -> Tensor,
    coefficient: impl FnOnce(&Tensor) -> Tensor,
) -> (Tensor, Tensor) {
    let held = z.detach().variable();
    let weights = log_weight(&held);
    let slope = grad(&(coefficient(&weights.detach()) * &weights).sum(), &[&held]).remove(0);
    ((slope * z).sum(), weights.detach())
}

impl Estimator {
    /// The estimate from standard normal noise: `noise: [K B, E]` holds `draws = K` draws for each of `B` repetitions, whose
    /// estimates are averaged. Row `k B + b` is draw `k` of repetition `b`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a combination without meaning, and for a running baseline without its past; a recoverable [`Error::Numerical`] where the target does not exist at a
    /// draw.
    pub fn surrogate(
        &self,
        objective: &Objective,
        target: &dyn LogDensity,
        family: &dyn Variational,
        noise: &Tensor,
        draws: usize,
    ) -> Result<Surrogate> {
        self.check(objective, family, draws)?;
        if let Self::Score { baseline: Baseline::Running { .. } } = self {
            return Err(Error::Setting {
                setting: "estimator".into(),
                found: "a running baseline without its past".into(),
                expected: "what `Estimator::given` makes of it and of the objective at earlier steps".into(),
            });
        }
        let repeats = noise.size(0) / draws;
        let fold = |t: &Tensor| t.reshape(&[draws, repeats]);
        let share = 1.0 / repeats as f64;
        let density = |z: &Tensor| {
            family.log_prob(z).ok_or_else(|| Error::Setting {
                setting: "estimator".into(),
                found: format!("{self:?} for a {}", family.title()),
                expected: "reparameterised, where the density is known at own draws only".into(),
            })
        };
        let (tensor, log_weights, weights) = match (self, objective) {
            (Self::Score { baseline }, _) => {
                let z = family.sample_from(noise);
                let log_q = fold(&density(&z)?);
                let log_weights = fold(&no_grad(|| target.log_prob(&z))) - log_q.detach();
                (score(objective, *baseline, &log_weights, &log_q), log_weights, None)
            }
            (Self::ClosedEntropy, _) => {
                let Drawn { z, log_prob, weights } = family.draw(noise);
                let log_joint = target.log_prob(&z);
                let log_weights = fold(&(log_joint.detach() - log_prob.detach()));
                let entropy = family.entropy().expect("checked above");
                (
                    (weighted(&log_joint, weights.as_ref()).sum() * (1.0 / draws as f64)) + entropy * repeats as f64,
                    log_weights,
                    weights,
                )
            }
            (Self::Reparameterised, Objective::ForwardKl) => {
                let z = family.sample_from(noise);
                let log_q = fold(&density(&z)?);
                let log_weights = fold(&no_grad(|| target.log_prob(&z))) - log_q.detach();
                ((log_weights.softmax(0) * log_q).sum(), log_weights, None)
            }
            (Self::Reparameterised, _) => {
                let Drawn { z, log_prob, weights } = family.draw(noise);
                let log_weights = fold(&(target.log_prob(&z) - log_prob));
                let surrogate = match &weights {
                    None => objective.value(&log_weights).sum(),
                    Some(w) => (fold(w) * &log_weights).sum() * (1.0 / draws as f64),
                };
                (surrogate, log_weights.detach(), weights)
            }
            (Self::StickingTheLanding | Self::DoublyReparameterised, _) => {
                let Drawn { z, weights, .. } = family.draw(noise);
                density(&z.detach())?;
                let held = weights.as_ref().map(Tensor::detach);
                let log_weight = |z: &Tensor| fold(&(target.log_prob(z) - density(z).expect("checked just now")));
                let coefficient = |l: &Tensor| {
                    let c = self.coefficients(objective, l);
                    held.as_ref().map_or(c.clone(), |w| c * fold(w))
                };
                let (mut surrogate, log_weights) = along_paths(&z, log_weight, coefficient);
                if let Some(w) = &weights {
                    surrogate += &((fold(w) * &log_weights).sum() * (1.0 / draws as f64));
                }
                (surrogate, log_weights, weights)
            }
        };
        if !log_weights.is_finite() {
            return Err(Error::recoverable(
                "the log density is not finite at a draw of the approximation",
                "start nearer to where it exists, lower the rate, or map constrained unknowns to the whole space",
            ));
        }
        let value = match &weights {
            None => objective.value(&log_weights).mean(),
            // Strata go with the ELBO alone, as was checked above.
            Some(w) => (fold(&w.detach()) * &log_weights).mean(),
        };
        Ok(Surrogate { tensor: tensor * share, value: value.item(), log_weights })
    }

    /// What multiplies $\partial \ell_k / \partial z_k$.
    fn coefficients(&self, objective: &Objective, log_weights: &Tensor) -> Tensor {
        match (self, objective) {
            // E[w d log q] is itself a path gradient: r w (1 - w) dl/dz dz, subtracted from w dl/dz dz.
            (Self::DoublyReparameterised, Objective::Power { order }) => {
                let w = objective.weights(log_weights);
                &w * (1.0 - order) + w.square() * *order
            }
            // Wake steps.
            (Self::DoublyReparameterised, _) => doubly_reparameterised(log_weights, 1.0),
            _ => objective.weights(log_weights),
        }
    }
}

fn weighted(values: &Tensor, weights: Option<&Tensor>) -> Tensor {
    weights.map_or_else(|| values.clone(), |w| w * values)
}

/// Surrogate of the score estimator, `[K, B]` summed.
fn score(objective: &Objective, baseline: Baseline, log_weights: &Tensor, log_q: &Tensor) -> Tensor {
    let Objective::Power { order } = objective else {
        return objective.value(&(log_weights + log_q.detach() - log_q)).sum();
    };
    let draws = log_weights.size(0);
    let value = objective.value(log_weights);
    let signal = match baseline {
        // For the mean, other draws are independent of a score and are left out.
        Baseline::Constant { value: constant } if *order == 0.0 => (log_weights - constant) * (1.0 / draws as f64),
        Baseline::Constant { value: constant } => (value - constant).broadcast_to(log_weights.shape()),
        Baseline::Running { .. } => unreachable!("`given` has made it a constant"),
        Baseline::LeaveOneOut => {
            let total = log_weights.sum_axis(0, true);
            let others = (&total - log_weights) * (1.0 / (draws as f64 - 1.0));
            let without = (0..draws).map(|k| {
                let rows: Vec<Tensor> = (0..draws)
                    .map(|j| if j == k { others.narrow(0, k, 1) } else { log_weights.narrow(0, j, 1) })
                    .collect();
                objective.value(&Tensor::cat(&rows, 0))
            });
            value - Tensor::stack(&without.collect::<Vec<_>>(), 0)
        }
    };
    let mut surrogate = (signal * log_q).sum();
    // The direct dependence of the log weights on q; for the ELBO its mean is zero and leaving it out costs nothing.
    if *order != 0.0 {
        surrogate = surrogate - (objective.weights(log_weights) * log_q).sum();
    }
    surrogate
}

impl dyn Variational + '_ {
    /// Draws held fixed.
    fn sample_from(&self, noise: &Tensor) -> Tensor {
        no_grad(|| self.draw(noise).z)
    }
}
