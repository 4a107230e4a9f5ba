//! The one objective: a sum of weighted terms over time.

use super::divergence::{Kernel, check_batch, mmd, stein};
use super::path::{Gradient, Path};
use super::regulariser::wasserstein;
use super::weight::Weight;
use super::{Draws, LikelihoodConfig, Posterior, PriorConfig, Vae, VaeConfig};
use crate::activation::Activation;
use crate::bayes;
use crate::layer::{Layer, Pass};
use crate::network::{DecoderConfig, MlpConfig};
use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use elbo_dist::flow::FlowSpec;
use elbo_infer::objective::combined;
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Minimised in training: Σ_j w_j(t) R_j, each summed over dimensions and averaged over the batch, in nats a data point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectiveConfig {
    /// Draws of the code for each data point.
    pub draws: usize,
    /// The terms.
    pub terms: Vec<Weighted>,
}

/// A term with its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    /// What is minimised.
    pub term: Term,
    /// Its weight over time.
    #[serde(default)]
    pub weight: Weight,
}

/// One term of the objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Term {
    /// -E log p(x | z).
    Reconstruction,
    /// KL(q(z | x) || p(z)) of each data point.
    Kl {
        /// How it is estimated.
        #[serde(default)]
        estimate: Estimate,
    },
    /// Σ_i max(KL_i, least): a dimension's mean divergence over the batch costs nothing below `least`. Where the divergence is no sum over
    /// dimensions (a full covariance, a flow, a mixture as the prior), `least` is for all of them together.
    FreeBits {
        /// Nats a dimension.
        least: f64,
    },
    /// |KL - C(t)|, with a capacity C that rises from zero.
    Capacity {
        /// Nats at the end.
        to: f64,
        /// Steps of the rise.
        steps: usize,
    },
    /// -log (1/K) Σ_k p(x, z_k) / q(z_k | x): takes the place of reconstruction and divergence.
    Iwae {
        /// The estimator of the encoder's gradient.
        #[serde(default)]
        gradient: Gradient,
        /// Groups of draws, each with a logarithm of its own, whose bounds are averaged. With as many groups as draws this is the
        /// evidence lower bound.
        #[serde(default = "one")]
        groups: usize,
        /// Share of the evidence lower bound, from zero to one; the rest is the importance-weighted bound.
        #[serde(default)]
        beta: f64,
    },
    /// The two halves of wake-sleep, in place of the other terms: -log p(x, z) at held draws, for the model, and -log q(z | x) at
    /// data points drawn from the model, for the encoder.
    WakeSleep,
    /// Squared 2-Wasserstein distance of q(z | x) from N(0, I), for each data point, in squared units of the code. For Gaussians and a standard prior.
    Wasserstein,
    /// E ||J S||²: the squared length of what the decoder's means J make of the posterior's spread S S', estimated along one column for each data
    /// point. For Gaussians, and decoders whose elements do not depend on each other.
    Jacobian,
    /// Maximum mean discrepancy between the codes of the batch and draws of the prior.
    Mmd {
        /// The kernel.
        #[serde(default)]
        kernel: Kernel,
    },
    /// Stein discrepancy of the codes of the batch from N(0, I).
    Stein {
        /// The kernel.
        #[serde(default)]
        kernel: Kernel,
    },
    /// KL(q(z) || p(z)) as a discriminator between codes and draws of the prior sees it.
    Adversarial {
        /// Widths of the discriminator.
        hidden: Vec<usize>,
    },
}

fn one() -> usize {
    1
}

/// How the divergence of a posterior from the prior is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Estimate {
    /// In closed form where there is one, which for classes is a sum; else from draws, sticking the landing. Behind a flow as `sampled`.
    #[default]
    Closed,
    /// log q(z | x) - log p(z) at the draws.
    Sampled,
    /// The same, with the posterior's own parameters held inside its density.
    StickingTheLanding,
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self::beta(1.0)
    }
}

impl Term {
    /// Its name in curves and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reconstruction => "reconstruction",
            Self::Kl { .. } => "kl",
            Self::FreeBits { .. } => "kl with free bits",
            Self::Capacity { .. } => "distance of the kl from its capacity",
            Self::Iwae { .. } => "negative importance-weighted bound",
            Self::WakeSleep => "wake and sleep",
            Self::Wasserstein => "wasserstein distance",
            Self::Jacobian => "jacobian penalty",
            Self::Mmd { .. } => "mmd",
            Self::Stein { .. } => "stein discrepancy",
            Self::Adversarial { .. } => "adversarial kl",
        }
    }

    fn is_aggregated(&self) -> bool {
        matches!(self, Self::Mmd { .. } | Self::Stein { .. } | Self::Adversarial { .. })
    }
}

impl From<Term> for Weighted {
    fn from(term: Term) -> Self {
        Self { term, weight: Weight::default() }
    }
}

impl Weighted {
    /// A term with this weight.
    pub fn new(weight: impl Into<Weight>, term: Term) -> Self {
        Self { term, weight: weight.into() }
    }
}

impl ObjectiveConfig {
    /// The evidence lower bound with a divergence weighted by `beta`.
    pub fn beta(beta: impl Into<Weight>) -> Self {
        let kl = Term::Kl { estimate: Estimate::Closed };
        Self { draws: 1, terms: vec![Term::Reconstruction.into(), Weighted::new(beta, kl)] }
    }

    /// The importance-weighted bound with this many draws.
    pub fn iwae(draws: usize, gradient: Gradient) -> Self {
        Self::grouped(draws, 1, 0.0, gradient)
    }

    /// The importance-weighted bound with this many draws in `groups` groups, and a share `beta` of the evidence lower bound.
    ///
    /// # Source
    /// Rainforth et al. (2018): MIWAE with several groups, CIWAE with a share.
    pub fn grouped(draws: usize, groups: usize, beta: f64, gradient: Gradient) -> Self {
        Self { draws, terms: vec![Term::Iwae { gradient, groups, beta }.into()] }
    }

    /// Checks ranges, and that the terms fit together. `batch` is the number of data points a step.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self, batch: usize) -> Result<()> {
        ensure_within("draws", self.draws, 1..=100_000)?;
        let count = |is: &dyn Fn(&Term) -> bool| self.terms.iter().filter(|t| is(&t.term)).count();
        let bounds = count(&|t| matches!(t, Term::Iwae { .. } | Term::WakeSleep));
        let reconstructions = count(&|t| matches!(t, Term::Reconstruction));
        let divergences = count(&|t| {
            matches!(t, Term::Kl { .. } | Term::FreeBits { .. } | Term::Capacity { .. } | Term::Wasserstein)
        });
        let adversaries = count(&|t| matches!(t, Term::Adversarial { .. }));
        let fits = bounds + reconstructions == 1 && (bounds == 0 || divergences == 0) && adversaries <= 1;
        ensure(
            "terms",
            format!("{:?}", self.terms.iter().map(|t| t.term.name()).collect::<Vec<_>>()),
            fits,
            "one reconstruction, with divergences, or one importance-weighted bound without; one adversary at most",
        )?;
        if self.terms.iter().any(|t| t.term.is_aggregated()) {
            check_batch(batch)?;
        }
        for weighted in &self.terms {
            weighted.weight.check()?;
            match &weighted.term {
                Term::FreeBits { least } => ensure_within("least", *least, 0.0..)?,
                Term::Capacity { to, .. } => ensure_within("to", *to, 0.0..)?,
                Term::Iwae { groups, beta, .. } => {
                    let fits = *groups >= 1 && self.draws.is_multiple_of(*groups);
                    ensure("groups", groups, fits, "a divisor of `draws`")?;
                    ensure_within("beta", *beta, 0.0..=1.0)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses what asks for the density of a posterior elsewhere than along its own draws, which is all that a flow offers.
    ///
    /// # Errors
    /// [`Error::Setting`] for terms and estimators that do.
    pub(super) fn check_for_flow(&self, flow: &FlowSpec) -> Result<()> {
        for Weighted { term, .. } in &self.terms {
            let found = |name: &str| format!("{name} with the flow `{flow}`");
            match term {
                Term::Iwae { gradient, .. } => {
                    let expected = "`plain`, since the others need densities with the flow's parameters held";
                    ensure("gradient", found(gradient.name()), *gradient == Gradient::Plain, expected)?;
                }
                Term::Kl { estimate } => {
                    let is_held = *estimate == Estimate::StickingTheLanding;
                    ensure(
                        "divergence",
                        found("sticking_the_landing"),
                        !is_held,
                        "`closed` or `sampled`, the same here",
                    )?;
                }
                Term::Wasserstein | Term::Jacobian => {
                    ensure("terms", found(term.name()), false, "no flow; this one is of Gaussian posteriors")?;
                }
                Term::WakeSleep => {
                    ensure(
                        "terms",
                        found("wake-sleep"),
                        false,
                        "a bound; the posterior of a dreamt code has no density",
                    )?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses terms of the posterior's and the decoder's shape where these have none, or where the prior is another.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(super) fn check_for_model(&self, model: &VaeConfig) -> Result<()> {
        let has = |term: &Term| self.terms.iter().any(|t| t.term == *term);
        let found = format!("{} with a wasserstein distance", model.prior.name());
        let is_standard = model.prior == PriorConfig::Standard;
        ensure("prior", found, is_standard || !has(&Term::Wasserstein), "`standard`, which the distance is from")?;
        let has_smooth_means = !matches!(model.decoder, DecoderConfig::Gru(_))
            && !matches!(model.likelihood, LikelihoodConfig::Categorical { .. });
        ensure(
            "terms",
            format!("a jacobian penalty with the likelihood `{}`", model.likelihood.name()),
            has_smooth_means || !has(&Term::Jacobian),
            "elements with means that are smooth in the code: no levels, no recurrent decoder",
        )
    }

    /// Refuses terms that know no posterior over the decoder's weights.
    ///
    /// # Errors
    /// [`Error::Setting`] for wake-sleep.
    pub(super) fn check_for_weights(&self) -> Result<()> {
        let dreams = self.terms.iter().any(|t| t.term == Term::WakeSleep);
        ensure("weights", "posterior with wake-sleep", !dreams, "`point` there, or a bound as the objective")
    }

    /// How noise of the decoder's weights enters: for each row where an expectation is all that is asked; one draw of the weights for all rows where
    /// the logarithm of an average over draws of the code is, whose expectation is over the weights.
    pub(super) fn weight_noise(&self) -> bayes::Noise {
        let averages = |t: &Weighted| matches!(t.term, Term::Iwae { .. });
        if self.terms.iter().any(averages) { bayes::Noise::Weights } else { bayes::Noise::Local }
    }

    /// The discriminator's settings, where there is one.
    pub(super) fn adversary(&self) -> Option<MlpConfig> {
        self.terms.iter().find_map(|t| match &t.term {
            Term::Adversarial { hidden } => Some(MlpConfig::new(hidden, Activation::LeakyRelu)),
            _ => None,
        })
    }

    /// The estimator of the encoder's gradient that draws are made for.
    pub(super) fn gradient(&self) -> Gradient {
        let of = |t: &Weighted| match t.term {
            Term::Iwae { gradient, .. } => Some(gradient),
            Term::WakeSleep => Some(Gradient::Held),
            _ => None,
        };
        self.terms.iter().find_map(of).unwrap_or(Gradient::Plain)
    }
}

/// The terms of one batch.
pub struct Losses {
    /// One scalar a term, in the objective's order.
    pub terms: Vec<Tensor>,
    /// The draws they were computed from.
    pub draws: Draws,
}

impl Losses {
    /// The sum with these weights.
    pub fn total(&self, weights: &[f64]) -> Tensor {
        self.terms.iter().zip(weights).map(|(term, weight)| term * *weight).sum()
    }
}

impl Vae {
    /// The terms of the objective for a batch, differentiable in all parameters. `x: [B, D]`; `step` counts from zero.
    ///
    /// # Errors
    /// [`Error::Setting`] for a term that the prior does not allow.
    pub fn losses(&self, x: &Tensor, objective: &ObjectiveConfig, step: usize, rng: &mut Rng) -> Result<Losses> {
        let path = Path::new(objective.gradient());
        let mut noise = rng.fork();
        let mut inner = rng.fork();
        let pass = &mut Pass::training(&mut inner);
        let draws = self.training_draws(x, (objective.draws, step), &path, &mut noise, pass);
        let mut terms = vec![];
        for weighted in &objective.terms {
            terms.push(self.term(&weighted.term, &draws, step, &path, rng)?);
        }
        Ok(Losses { terms, draws })
    }

    fn term(&self, term: &Term, draws: &Draws, step: usize, path: &Path, rng: &mut Rng) -> Result<Tensor> {
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
                let log_q = draws.log_density(|q| path.density(q));
                let log_weights = &draws.log_likelihood + &draws.log_prior - log_q;
                path.finish(&log_weights, *groups, *beta);
                -combined(&log_weights, *groups, *beta).mean()
            }
            Term::WakeSleep => {
                let z = self.sample_prior(draws.z.size(1), rng);
                let dreamt = self.generate(&z, true, rng);
                let q = self.posterior(&dreamt, &mut Pass::evaluation());
                -(&draws.log_likelihood + &draws.log_prior).mean() - q.log_prob(&z.unsqueeze(0)).mean()
            }
            Term::Wasserstein => wasserstein(&draws.q)?.mean(),
            Term::Jacobian => self.steepness(&draws.q, rng),
            Term::Mmd { kernel } => {
                let z = codes();
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
            // The discriminator is held; its own step is in training.
            Term::Adversarial { .. } => {
                let adversary = self.adversary().expect("an adversarial term has a discriminator");
                adversary.forward(&codes(), &mut Pass::evaluation()).mean()
            }
        })
    }

    /// KL(q(z | x) || p(z)), `[B, J]`, to be summed over J.
    pub(super) fn kl(&self, draws: &Draws, estimate: Estimate) -> Tensor {
        let closed = if estimate == Estimate::Closed { self.prior().kl(&draws.q) } else { None };
        closed.unwrap_or_else(|| {
            let density = |q: &Posterior| if estimate == Estimate::Sampled { q.clone() } else { q.detach() };
            (draws.log_density(density) - &draws.log_prior).mean_axis(0, false).unsqueeze(-1)
        })
    }
}
