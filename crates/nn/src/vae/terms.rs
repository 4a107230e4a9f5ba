//! What the terms of the objective are.

use super::Vae;
use super::divergence::{beside_past, mmd, stein};
use super::draws::{Batch, Draws};
use super::objective::{Estimate, ObjectiveConfig, Term};
use super::path::Path;
use super::posterior::Posterior;
use super::prior::{PriorConfig, PriorPass};
use super::regulariser::wasserstein;
use crate::layer::{Layer, Pass};
use elbo_core::{Error, Result, Rng};
use elbo_dist::batched::{Batched, Normal};
use elbo_infer::objective::combined;
use elbo_tensor::Tensor;

/// The terms of one batch.
pub struct Losses {
    /// One scalar a term, in the objective's order.
    pub terms: Vec<Tensor>,
    /// The draws they were computed from; of a bound whose draws were too many to be held at once, the first for each data point alone.
    pub draws: Draws,
}

impl Losses {
    /// The sum with these weights.
    pub fn total(&self, weights: &[f64]) -> Tensor {
        self.terms.iter().zip(weights).map(|(term, weight)| term * *weight).sum()
    }
}

impl Vae {
    /// The terms of the objective for a batch, differentiable in all parameters. `batch` may be the data points alone, `x: [B, D]`; `step` counts
    /// from zero.
    ///
    /// # Errors
    /// [`Error::Setting`] for a term that the prior does not allow, and for too many draws that cannot be taken in chunks; [`Error::Data`] for rows of another
    /// width, for classes and attributes that a term asks for and are not there, and for classes beyond those that the model knows.
    pub fn losses<'a>(
        &self,
        batch: impl Into<Batch<'a>>,
        objective: &ObjectiveConfig,
        step: usize,
        rng: &mut Rng,
    ) -> Result<Losses> {
        let batch = batch.into();
        self.losses_of(batch, (batch.x, None), objective, step, rng)
    }

    /// The same where the encoder sees other data points, `seen: [B, width]`, than those of the batch, and with codes of past batches, `[M, L]`, beside those of
    /// this one where a term compares the codes of all data points with the prior.
    ///
    /// # Errors
    /// Those of [`Vae::losses`].
    pub(super) fn losses_of(
        &self,
        batch: Batch<'_>,
        (seen, past): (&Tensor, Option<&Tensor>),
        objective: &ObjectiveConfig,
        step: usize,
        rng: &mut Rng,
    ) -> Result<Losses> {
        self.check_rows(batch.x)?;
        objective.check_labels(&self.config.prior, batch.labels)?;
        if let Some(at_once) = self.draws_at_once(objective, batch.x.size(0))? {
            return Ok(self.losses_in_chunks(batch, seen, objective, at_once, rng));
        }
        let path = Path::new(objective.gradient());
        let mut noise = rng.fork();
        let mut inner = rng.fork();
        let pass = &mut Pass::training(&mut inner);
        let draws = self.training_draws(batch, seen, (objective.draws, step), &path, &mut noise, pass);
        let mut terms = vec![];
        for weighted in &objective.terms {
            terms.push(self.term(&weighted.term, &draws, (batch, past), step, &path, rng)?);
        }
        Ok(Losses { terms, draws })
    }

    fn term(
        &self,
        term: &Term,
        draws: &Draws,
        (batch, past): (Batch<'_>, Option<&Tensor>),
        step: usize,
        path: &Path,
        rng: &mut Rng,
    ) -> Result<Tensor> {
        // Codes as rows, all draws of a data point.
        let codes = || draws.z.reshape(&[draws.z.len() / self.latent(), self.latent()]);
        Ok(match term {
            Term::Reconstruction => -draws.expectation(&draws.log_likelihood),
            Term::Kl { estimate } => self.kl(draws, *estimate).sum_axis(-1, false).mean(),
            Term::FreeBits { least } => {
                let each = self.kl(draws, Estimate::Closed).mean_axis(0, false);
                each.maximum(&each.full_like(*least)).sum()
            }
            Term::Capacity { to, steps } => {
                let share = if *steps == 0 { 1.0 } else { (step as f64 / *steps as f64).min(1.0) };
                (self.kl(draws, Estimate::Closed).sum_axis(-1, false).mean() - to * share).abs()
            }
            Term::Iwae { groups, beta, .. } => {
                let log_weights = draws.log_weights_along(path);
                path.finish(&log_weights, *groups, *beta);
                -combined(&log_weights, *groups, *beta).mean()
            }
            Term::WakeSleep => {
                let z = self.sample_prior(draws.z.size(1), rng);
                let dreamt = self.generate_by_blocks(&z, self.conditions(batch.x).as_ref(), true, rng);
                let q = self.posterior(&self.as_rows(dreamt, batch.x), &mut Pass::evaluation());
                -(&draws.log_likelihood + &draws.log_prior).mean() - q.log_prob(&z.unsqueeze(0)).mean()
            }
            Term::StochasticInverse { steps, length } => self.inverted(draws, batch.x, (*steps, *length), rng),
            Term::Wasserstein => wasserstein(&draws.q)?.mean(),
            Term::Jacobian => self.steepness(&draws.q, batch.x, rng),
            Term::Mmd { kernel, .. } => {
                let z = past.map_or_else(codes, |past| beside_past(&codes(), past));
                let prior = self.sample_prior(z.size(0), rng);
                mmd(&z, &prior, kernel)
            }
            Term::Stein { kernel } => {
                if !self.prior().is_standard() {
                    return Err(Error::Setting {
                        setting: "prior".into(),
                        found: "not standard normal".into(),
                        expected: "`standard` for a Stein discrepancy; take `mmd` for other priors".into(),
                    });
                }
                stein(&codes(), kernel)
            }
            Term::DistributionMatching { field } => self.matching(&codes(), field, rng),
            // The discriminators are held; their own steps are in training.
            Term::Adversarial { .. } => {
                let adversary = self.adversary.as_ref().expect("an adversarial term has a discriminator");
                adversary.forward(&codes(), &mut Pass::evaluation()).mean()
            }
            Term::PatchAdversarial { loss, .. } => {
                let scores = self.patch_scores(&self.likelihood().mean(&draws.output));
                draws.expectation(&loss.of_model(&scores))
            }
            Term::AggregatedKl { marginal } => self.aggregated_kl(draws, *marginal, path, rng),
            Term::CrossEntropy { classifier } => self.cross_entropy(classifier, draws),
            Term::Cycle => self.cycle(draws, batch.x),
            Term::Attributes { steepness } => self.ranks(draws, batch.attributes, *steepness)?,
        })
    }

    /// KL(q(z | x) || p(z)), `[B, J]`, to be summed over J.
    pub(super) fn kl(&self, draws: &Draws, estimate: Estimate) -> Tensor {
        let closed = if estimate == Estimate::Closed { self.prior().charge(draws) } else { None };
        closed.unwrap_or_else(|| {
            let density = |q: &Posterior| if estimate == Estimate::Sampled { q.clone() } else { q.detach() };
            draws.average(&(draws.log_density(density) - &draws.log_prior)).unsqueeze(-1)
        })
    }

    /// KL of the mixture of the batch's posteriors from the prior, a scalar: the mean over the draws of all of log (1/B) Σ_b q(z | x_b) - log p(z), where
    /// the prior of classes is the mixture of all, whatever is known of the data points.
    ///
    /// # Source
    /// Zhang, Bai, Lin, Wang and Rong (2022).
    fn aggregated_kl(&self, draws: &Draws, marginal: bool, path: &Path, rng: &mut Rng) -> Tensor {
        let (count, rows, dims) = (draws.points.size(0), draws.points.size(1), draws.points.size(2));
        let points = draws.points.reshape(&[count * rows, dims]);
        let log_rows = (rows as f64).ln();
        if marginal {
            let Posterior::Diagonal { mean, log_variance } = &draws.q else {
                unreachable!("a model refuses this term for other posteriors")
            };
            let each = Normal::from_log_variance(mean.clone(), log_variance).log_prob(&points.unsqueeze(1));
            let prior = Normal::standard(&[dims], points.dtype()).log_prob(&points);
            return (each.log_sum_exp(1, false) - log_rows - prior).sum_axis(-1, false).mean();
        }
        let aggregated = draws.q.log_prob_of_each(&points).log_sum_exp(-1, false) - log_rows;
        let log_prior = match self.config.prior {
            // The draws have log p(z | y) of the classes that are known.
            PriorConfig::ClassConditional { .. } if !draws.labels.is_empty() => {
                self.prior().log_prob(&draws.points, &mut PriorPass { pseudo: None, labels: &[], rng, path })
            }
            _ => draws.log_prior.clone(),
        };
        (aggregated - log_prior.reshape(&[count * rows])).mean()
    }

    /// KL(q(z | x') || q(z | x)) for the decoder's means x' at the draws, a scalar.
    fn cycle(&self, draws: &Draws, x: &Tensor) -> Tensor {
        let (count, rows) = (draws.z.size(0), draws.z.size(1));
        let made = self.likelihood().mean(&draws.output).reshape(&[count * rows, self.size()]);
        let again = self.posterior(&self.as_rows(made, x), &mut Pass::evaluation());
        let first = Posterior::concatenate(&vec![draws.q.clone(); count]);
        let kl = again.kl_to(&first).expect("a model refuses this term for other posteriors");
        draws.expectation(&kl.reshape(&[count, rows]))
    }
}
