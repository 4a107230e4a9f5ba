//! Which terms fit which model: what is refused before work starts.

use super::config::VaeConfig;
use super::family::Family;
use super::likelihood_config::LikelihoodConfig;
use super::objective::{Classifier, Estimate, ObjectiveConfig, Term, Weighted};
use super::path::Gradient;
use super::prior::PriorConfig;
use crate::network::{DecoderConfig, EncoderConfig};
use elbo_core::{Error, Result, ensure};
use elbo_dist::flow::FlowSpec;

impl Family {
    /// Refuses terms that do not know the family's codes.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(super) fn check_objective(self, latent: usize, objective: &ObjectiveConfig) -> Result<()> {
        let summed = match self {
            Self::Categorical(config) if config.sums(latent) => Some(format!("{latent} classes that are summed over")),
            Self::SigmaPoints(_) => Some(format!("sigma points in {latent} dimensions")),
            _ => None,
        };
        if let Some(summed) = summed {
            let found = format!("{} with {summed}", objective.draws);
            ensure("draws", found, objective.draws == 1, "1; a sum has no noise that draws could average out")?;
        }
        objective.terms.iter().try_for_each(|weighted| self.check_term(&weighted.term))
    }

    /// Refuses a term that does not know the family's codes.
    fn check_term(self, term: &Term) -> Result<()> {
        let refuse = |setting: &str, what: &str, expected: &str| {
            ensure(setting, format!("{what} with the family `{}`", self.name()), false, expected)
        };
        match (term, self) {
            (Term::StochasticInverse { .. }, family) if !matches!(family, Self::GaussDiag | Self::GaussFull) => {
                refuse("terms", term.name(), "gauss_diag or gauss_full, whose density can be fitted to any code")
            }
            (
                Term::Kl { .. }
                | Term::FreeBits { .. }
                | Term::Capacity { .. }
                | Term::Iwae { .. }
                | Term::WakeSleep
                | Term::AggregatedKl { .. },
                Self::Dirac,
            ) => {
                let expected = "another family, or an objective of a reconstruction with mmd, wasserstein or no divergence; a point has no density";
                ensure("family", format!("dirac with the term {}", term.name()), false, expected)
            }
            (
                Term::Iwae { .. }
                | Term::WakeSleep
                | Term::Mmd { .. }
                | Term::Stein { .. }
                | Term::Adversarial { .. }
                | Term::DistributionMatching { .. }
                | Term::AggregatedKl { .. },
                Self::SigmaPoints(_),
            ) => {
                let expected = "another family, or an objective of a reconstruction and divergences of each data point; sigma points are no draws";
                ensure("family", format!("sigma_points with the term {}", term.name()), false, expected)
            }
            (Term::Stein { .. }, family) if !family.is_vector() => {
                refuse("terms", "a stein discrepancy", "a Gaussian family, or another divergence")
            }
            (Term::Wasserstein, family) if !family.is_vector() => {
                refuse("terms", term.name(), "a Gaussian family, or dirac")
            }
            (Term::DistributionMatching { .. }, family) if !family.is_vector() => refuse(
                "terms",
                term.name(),
                "a Gaussian family or dirac, whose codes are free numbers that noise can be added to",
            ),
            (Term::Jacobian | Term::Cycle, family) if !family.is_gaussian() => {
                refuse("terms", term.name(), "a Gaussian family")
            }
            (Term::Attributes { .. }, family) if !family.is_vector() => {
                refuse("terms", term.name(), "a Gaussian family or dirac, whose dimensions are free numbers")
            }
            (Term::Kl { estimate }, Self::Categorical(_)) if *estimate != Estimate::Closed => {
                refuse("divergence", "an estimate from draws", "closed, which is a sum over classes")
            }
            (
                Term::Iwae { .. }
                | Term::WakeSleep
                | Term::Mmd { .. }
                | Term::Adversarial { .. }
                | Term::AggregatedKl { .. },
                Self::Categorical(_),
            ) => refuse(
                "terms",
                term.name(),
                "reconstruction and a kl; the gradient of this one needs draws of codes that follow the encoder",
            ),
            (Term::WakeSleep, Self::Dirichlet) => {
                refuse("terms", "wake and sleep", "a bound; shares that are dreamt may round to zero")
            }
            _ => Ok(()),
        }
    }
}

impl ObjectiveConfig {
    /// Refuses what asks for the density of a posterior elsewhere than along its own draws, which is all that a flow offers.
    ///
    /// # Errors
    /// [`Error::Setting`] for terms and estimators that do.
    pub(super) fn check_for_flow(&self, flow: &FlowSpec) -> Result<()> {
        let found = |name: &str| format!("{name} with the flow `{flow}`");
        for Weighted { term, .. } in &self.terms {
            match term {
                Term::Iwae { gradient, .. } => {
                    let expected = "`plain`, since the others need densities with the flow's parameters held";
                    ensure("gradient", found(gradient.name()), *gradient == Gradient::Plain, expected)?;
                }
                Term::Kl { estimate } => {
                    let is_held = *estimate == Estimate::StickingTheLanding;
                    let expected = "`closed` or `sampled`, the same here";
                    ensure("divergence", found("sticking_the_landing"), !is_held, expected)?;
                }
                Term::Wasserstein | Term::Jacobian | Term::Cycle => {
                    ensure("terms", found(term.name()), false, "no flow; this one is of Gaussian posteriors")?;
                }
                Term::AggregatedKl { .. } => {
                    let expected = "no flow, or mmd; this one takes the density of each code under every posterior";
                    ensure("terms", found(term.name()), false, expected)?;
                }
                Term::StochasticInverse { .. } => {
                    let expected = "no flow; the density is fitted to codes that are no draws of its own";
                    ensure("terms", found(term.name()), false, expected)?;
                }
                Term::WakeSleep => {
                    let expected = "a bound; the posterior of a dreamt code has no density";
                    ensure("terms", found("wake-sleep"), false, expected)?;
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
        self.terms.iter().try_for_each(|weighted| check_term_for_model(&weighted.term, model))
    }

    /// Refuses terms that know no posterior over the decoder's weights.
    ///
    /// # Errors
    /// [`Error::Setting`] for wake-sleep and a stochastic inverse.
    pub(super) fn check_for_weights(&self) -> Result<()> {
        let dreams = self.terms.iter().any(|t| t.term == Term::WakeSleep);
        ensure("weights", "posterior with wake-sleep", !dreams, "`point` there, or a bound as the objective")?;
        let inverts = self.terms.iter().any(|t| matches!(t.term, Term::StochasticInverse { .. }));
        let expected = "`point` there, or a bound as the objective";
        ensure("weights", "posterior with a stochastic inverse", !inverts, expected)
    }

    /// Refuses classes of data points beyond those that the model knows, and none where a term asks for them.
    ///
    /// # Errors
    /// [`Error::Data`].
    pub(super) fn check_labels(&self, prior: &PriorConfig, labels: &[Option<usize>]) -> Result<()> {
        let of_term = |t: &Weighted| match &t.term {
            Term::CrossEntropy { classifier: Classifier::Network { classes, .. } } => Some(*classes),
            Term::CrossEntropy { classifier: Classifier::Prior } => Some(prior.components()),
            _ => None,
        };
        let asked: Vec<usize> = self.terms.iter().filter_map(of_term).collect();
        if !asked.is_empty() && labels.is_empty() {
            let remedy = "give them, or leave the term out";
            return Err(Error::data("the cross-entropy needs classes of data points", remedy));
        }
        let of_prior = matches!(prior, PriorConfig::ClassConditional { .. }).then(|| prior.components());
        let most = asked.into_iter().chain(of_prior).min().unwrap_or(usize::MAX);
        match labels.iter().flatten().find(|label| **label >= most) {
            None => Ok(()),
            Some(label) => Err(Error::data(
                format!("a data point is of class {label}, counted from 0, and the model has {most}"),
                "give the model as many classes as there are",
            )),
        }
    }
}

/// Refuses a term that does not fit the rest of the model.
fn check_term_for_model(term: &Term, model: &VaeConfig) -> Result<()> {
    let is_standard = model.prior == PriorConfig::Standard;
    let is_level = matches!(model.likelihood, LikelihoodConfig::Categorical { .. });
    let is_recurrent = matches!(model.decoder, DecoderConfig::Gru(_));
    let name = term.name();
    if matches!(term, Term::Iwae { .. } | Term::WakeSleep | Term::StochasticInverse { .. }) {
        let found = format!("a {name} with the likelihood `{}`", model.likelihood.name());
        let expected = "a reconstruction and a divergence; a loss has no bounds";
        ensure("terms", found, model.likelihood.is_density(), expected)?;
    }
    if matches!(term, Term::WakeSleep | Term::Cycle) {
        let has_table = matches!(model.encoder, EncoderConfig::Table { .. });
        let expected = "a network; what is dreamt or decoded has no row of a table";
        ensure("encoder", format!("table with a {name}"), !has_table, expected)?;
    }
    match term {
        Term::Wasserstein => {
            let found = format!("{} with a wasserstein distance", model.prior.name());
            ensure("prior", found, is_standard, "`standard`, which the distance is from")
        }
        Term::AggregatedKl { marginal: true } => {
            let found = format!("a marginal {name} with the family `{}`", model.family.name());
            let expected = "gauss_diag and a standard prior, whose dimensions are independent";
            ensure("terms", found, model.family == Family::GaussDiag && is_standard, expected)
        }
        Term::Jacobian | Term::Cycle | Term::PatchAdversarial { .. } => {
            // What an element is to be must move smoothly with the code, and be in the unit of the data where it is seen as such.
            let is_share = (model.likelihood == LikelihoodConfig::Multinomial || model.likelihood.library().is_some())
                && *term != Term::Jacobian;
            ensure(
                "terms",
                format!("a {name} with the likelihood `{}`", model.likelihood.name()),
                !is_level && !is_recurrent && !is_share,
                "elements with means that are smooth in the code and of the data's unit: no levels, no shares, no recurrent decoder",
            )?;
            let is_judged = matches!(term, Term::PatchAdversarial { .. });
            let expected = "false; a discriminator sees whole data points";
            ensure("nan_is_missing", format!("true with a {name}"), !(is_judged && model.nan_is_missing), expected)
        }
        Term::DistributionMatching { field } => field.check_prior(&model.prior),
        Term::CrossEntropy { classifier: Classifier::Prior } => {
            let found = format!("{} with a {name} by the prior", model.prior.name());
            ensure("prior", found, model.prior.components() > 0, "mixture or class_conditional, which have components")
        }
        Term::StochasticInverse { .. } if matches!(model.prior, PriorConfig::Hierarchical { .. }) => {
            let found = format!("hierarchical with a {name}");
            ensure("prior", found, false, "one with a density of its own")
        }
        Term::Stein { .. } | Term::WakeSleep | Term::StochasticInverse { .. } => {
            let found = format!("{} with a {name}", model.topk.unwrap_or_default());
            ensure("topk", found, model.topk.is_none(), "none; the prior is of codes all of whose numbers are kept")
        }
        _ => Ok(()),
    }
}
