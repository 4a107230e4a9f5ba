//! The one objective: a sum of weighted terms over time.

use super::critic::AdversarialLoss;
use super::divergence::{Kernel, check_batch};
use super::matching::Field;
use super::path::Gradient;
use super::weight::Weight;
use crate::activation::Activation;
use crate::bayes;
use crate::layer::{MOST_WIDTH, check_widths};
use crate::network::MlpConfig;
use elbo_core::{Result, ensure, ensure_within};
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
    /// The encoder as a stochastic inverse of the decoder, in place of the other terms: -log q(z | x), and -log p(x, z) for the model, at the ends of
    /// chains that start from draws of q(z | x) and leave the model's own p(z | x) as it is. For Gaussians without a flow.
    StochasticInverse {
        /// Steps of a chain.
        #[serde(default = "ten")]
        steps: usize,
        /// Length of a step, in the unit of the code: about the smallest standard deviation of p(z | x).
        #[serde(default = "tenth")]
        length: f64,
    },
    /// Squared 2-Wasserstein distance of q(z | x) from N(0, I), for each data point, in squared units of the code. For Gaussians or points, and a
    /// standard prior.
    Wasserstein,
    /// E ||J S||²: the squared length of what the decoder's means J make of the posterior's spread S S', estimated along one column for each data
    /// point. For Gaussians, and decoders whose elements do not depend on each other.
    Jacobian,
    /// Maximum mean discrepancy between the codes of the batch and draws of the prior.
    Mmd {
        /// The kernel.
        #[serde(default)]
        kernel: Kernel,
        /// Codes of past batches that stand beside those of the batch, at most; zero for none. They have no derivative.
        #[serde(default)]
        buffer: usize,
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
    /// KL(q(z) || p(z)) of the posteriors of the batch together, by their densities at their draws: the divergence of each, less what the codes tell
    /// of their data points. Nothing is charged for that, up to the logarithm of the batch.
    AggregatedKl {
        /// Whether each dimension is compared on its own, and their sum is charged, which leaves dimensions free to depend on each other; for
        /// gauss_diag and a standard prior.
        #[serde(default)]
        marginal: bool,
    },
    /// Half the squared length of the move that brings the codes of the batch nearer to draws of the prior, along the gradient of a divergence between
    /// noisy ones: its derivative in the codes is that move. See [`matching`](super::matching).
    DistributionMatching {
        /// Where the gradient comes from.
        #[serde(default)]
        field: Field,
    },
    /// -log q(y | x) of data points whose class y is known; the others cost nothing, and count in the average over the batch.
    CrossEntropy {
        /// What gives q(y | x).
        classifier: Classifier,
    },
    /// KL(q(z | x') || q(z | x)), with x' the decoder's means for draws of q(z | x): whether what is decoded has the code that it came from. For
    /// Gaussians.
    Cycle,
    /// Mean of (tanh(c (z_i - z_j)) - sign(a_i - a_j))² over pairs of data points, summed over attributes a, with the dimension z of the code at the
    /// attribute's place: it is to rank data points as the attribute does.
    Attributes {
        /// c: how far apart codes must be to count as ranked.
        #[serde(default = "unit")]
        steepness: f64,
    },
    /// What a discriminator of patches holds against the decoder's means, which it tells from data points. For pictures.
    PatchAdversarial {
        /// Channels after each of its convolutions, which halve the picture.
        channels: Vec<usize>,
        /// Its loss.
        #[serde(default)]
        loss: AdversarialLoss,
    },
}

/// What gives probabilities of classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Classifier {
    /// The responsibilities of the prior's components.
    Prior,
    /// A network of its own, which sees draws of the code.
    Network {
        /// Number of classes.
        classes: usize,
        /// Widths of its layers between code and classes; none for a linear classifier.
        hidden: Vec<usize>,
    },
}

/// Most codes of past batches: the kernel compares all of them with each other.
const MOST_PAST: usize = 4096;

fn unit() -> f64 {
    1.0
}

fn one() -> usize {
    1
}

fn ten() -> usize {
    10
}

fn tenth() -> f64 {
    0.1
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
            Self::StochasticInverse { .. } => "stochastic inverse",
            Self::Wasserstein => "wasserstein distance",
            Self::Jacobian => "jacobian penalty",
            Self::Mmd { .. } => "mmd",
            Self::Stein { .. } => "stein discrepancy",
            Self::Adversarial { .. } => "adversarial kl",
            Self::AggregatedKl { .. } => "aggregated kl",
            Self::DistributionMatching { .. } => "distribution matching",
            Self::CrossEntropy { .. } => "cross-entropy of classes",
            Self::Cycle => "cycle consistency",
            Self::Attributes { .. } => "ranks of attributes",
            Self::PatchAdversarial { .. } => "patch adversary",
        }
    }

    fn is_aggregated(&self) -> bool {
        matches!(
            self,
            Self::Mmd { .. }
                | Self::Stein { .. }
                | Self::Adversarial { .. }
                | Self::AggregatedKl { .. }
                | Self::DistributionMatching { .. }
                | Self::Attributes { .. }
        )
    }

    /// Whether a second network is trained beside the model for it, of which there is one at most of each kind.
    fn is_of(&self, network: &str) -> bool {
        match self {
            Self::Adversarial { .. } => network == "adversary",
            Self::PatchAdversarial { .. } => network == "critic",
            Self::DistributionMatching { field: Field::Network { .. } } => network == "fields",
            Self::CrossEntropy { classifier: Classifier::Network { .. } } => network == "classifier",
            _ => false,
        }
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
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self, batch: usize) -> Result<()> {
        ensure_within("draws", self.draws, 1..=100_000)?;
        let count = |is: &dyn Fn(&Term) -> bool| self.terms.iter().filter(|t| is(&t.term)).count();
        let bounds = count(&|t| matches!(t, Term::Iwae { .. } | Term::WakeSleep | Term::StochasticInverse { .. }));
        let reconstructions = count(&|t| matches!(t, Term::Reconstruction));
        let divergences = count(&|t| {
            matches!(t, Term::Kl { .. } | Term::FreeBits { .. } | Term::Capacity { .. } | Term::Wasserstein)
        });
        let is_single = |network: &str| count(&|t| t.is_of(network)) <= 1;
        let are_single = ["adversary", "critic", "classifier", "fields"].into_iter().all(is_single);
        let fits = bounds + reconstructions == 1 && (bounds == 0 || divergences == 0) && are_single;
        ensure(
            "terms",
            format!("{:?}", self.terms.iter().map(|t| t.term.name()).collect::<Vec<_>>()),
            fits,
            "one reconstruction, with divergences, or one importance-weighted bound without; one adversary of codes, one of patches, one network of \
             classes and one pair of networks that match distributions at most",
        )?;
        if self.terms.iter().any(|t| t.term.is_aggregated()) {
            check_batch(batch)?;
        }
        for weighted in &self.terms {
            weighted.weight.check()?;
            match &weighted.term {
                Term::FreeBits { least } => ensure_within("least", *least, 0.0..)?,
                Term::Capacity { to, .. } => ensure_within("to", *to, 0.0..)?,
                Term::Mmd { buffer, .. } => ensure_within("buffer", *buffer, 0..=MOST_PAST)?,
                Term::Iwae { groups, beta, .. } => {
                    let fits = *groups >= 1 && self.draws.is_multiple_of(*groups);
                    ensure("groups", groups, fits, "a divisor of `draws`")?;
                    ensure_within("beta", *beta, 0.0..=1.0)?;
                }
                Term::CrossEntropy { classifier: Classifier::Network { classes, hidden } } => {
                    ensure_within("classes", *classes, 2..=MOST_WIDTH)?;
                    check_widths("hidden", hidden)?;
                }
                Term::Attributes { steepness } => {
                    ensure("steepness", steepness, *steepness > 0.0 && steepness.is_finite(), "above 0")?;
                }
                Term::PatchAdversarial { channels, .. } => check_widths("channels", channels)?,
                Term::DistributionMatching { field } => field.check(batch)?,
                Term::StochasticInverse { steps, length } => {
                    ensure_within("steps", *steps, 1..=100_000)?;
                    ensure("length", length, *length > 0.0 && length.is_finite(), "above 0")?;
                }
                _ => {}
            }
        }
        Ok(())
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

    /// Classes and widths of the network that tells them, where there is one.
    pub(super) fn classifier(&self) -> Option<(usize, &[usize])> {
        self.terms.iter().find_map(|t| match &t.term {
            Term::CrossEntropy { classifier: Classifier::Network { classes, hidden } } => {
                Some((*classes, hidden.as_slice()))
            }
            _ => None,
        })
    }

    /// Channels and loss of the discriminator of patches, where there is one.
    pub(super) fn critic(&self) -> Option<(&[usize], AdversarialLoss)> {
        self.terms.iter().find_map(|t| match &t.term {
            Term::PatchAdversarial { channels, loss } => Some((channels.as_slice(), *loss)),
            _ => None,
        })
    }

    /// Widths of the networks that match distributions, where there are some.
    pub(super) fn fields(&self) -> Option<&[usize]> {
        self.matched().map(|(hidden, ..)| hidden)
    }

    /// Their widths, the steps of the teacher, and those of the student a step.
    pub(super) fn matched(&self) -> Option<(&[usize], usize, usize)> {
        self.terms.iter().find_map(|t| match &t.term {
            Term::DistributionMatching { field: Field::Network { hidden, teacher_steps, updates } } => {
                Some((hidden.as_slice(), *teacher_steps, *updates))
            }
            _ => None,
        })
    }

    /// Codes of past batches that are kept, at most.
    pub(super) fn buffer(&self) -> usize {
        let of = |t: &Weighted| if let Term::Mmd { buffer, .. } = t.term { buffer } else { 0 };
        self.terms.iter().map(of).max().unwrap_or(0)
    }

    /// Whether the objective is an importance-weighted bound of several draws.
    pub(crate) fn is_importance_weighted(&self) -> bool {
        self.draws > 1 && self.terms.iter().any(|t| matches!(t.term, Term::Iwae { .. }))
    }

    /// Whether a term ranks data points by attributes.
    pub(super) fn ranks_attributes(&self) -> bool {
        self.terms.iter().any(|t| matches!(t.term, Term::Attributes { .. }))
    }

    /// The estimator of the encoder's gradient that draws are made for.
    pub(super) fn gradient(&self) -> Gradient {
        let of = |t: &Weighted| match t.term {
            Term::Iwae { gradient, .. } => Some(gradient),
            Term::WakeSleep | Term::StochasticInverse { .. } => Some(Gradient::Held),
            _ => None,
        };
        self.terms.iter().find_map(of).unwrap_or(Gradient::Plain)
    }
}
