//! Likelihoods by name.

use super::*;
use elbo_core::{ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A likelihood of one latent value, named by `"type"`; settings left out have the default shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum LikelihoodConfig {
    /// Gaussian noise.
    Gaussian {
        /// Noise variance to start from, above 1e-6; 0.1.
        #[serde(default = "tenth")]
        variance: f64,
    },
    /// Student-t noise, for outliers.
    StudentT {
        /// Degrees of freedom to start from, above 2; 4.
        #[serde(default = "four")]
        dof: f64,
        /// Scale to start from; 0.3.
        #[serde(default = "three_tenths")]
        scale: f64,
    },
    /// Laplace noise, for outliers.
    Laplace {
        /// Scale to start from; 0.3.
        #[serde(default = "three_tenths")]
        scale: f64,
    },
    /// Gaussian noise on the logarithm of a positive target.
    LogGaussian {
        /// Noise variance to start from, above 1e-6; 0.1.
        #[serde(default = "tenth")]
        variance: f64,
    },
    /// Exponential waiting times.
    Exponential,
    /// Gamma, for positive targets of constant relative spread.
    Gamma {
        /// Shape to start from; 1.
        #[serde(default = "one")]
        shape: f64,
    },
    /// Weibull, for lifetimes.
    Weibull {
        /// Shape to start from; 1.
        #[serde(default = "one")]
        shape: f64,
    },
    /// Beta, for shares in (0, 1).
    Beta {
        /// Precision to start from; 10.
        #[serde(default = "ten")]
        precision: f64,
    },
    /// Poisson counts.
    Poisson {
        /// Exposure of every row; 1.
        #[serde(default = "one")]
        exposure: f64,
    },
    /// Overdispersed counts.
    NegativeBinomial {
        /// Dispersion to start from; 1.
        #[serde(default = "one")]
        dispersion: f64,
    },
    /// Counts with many zeros.
    ZeroInflatedPoisson {
        /// Probability of a structural zero to start from; 0.1.
        #[serde(default = "tenth")]
        zero: f64,
    },
    /// Successes in a number of trials.
    Binomial {
        /// Number of trials.
        trials: u32,
    },
    /// Two classes, -1 and 1, through the normal distribution function.
    BernoulliProbit,
    /// Two classes, -1 and 1, through the logistic function.
    BernoulliLogit {
        /// Whether expectations are the closed lower bound; false.
        #[serde(default)]
        bound: bool,
    },
    /// Ordered classes 0 .. K-1.
    Ordinal {
        /// Inner edges to start from, ascending, one fewer than classes.
        edges: Vec<f64>,
    },
}

fn tenth() -> f64 {
    0.1
}

fn three_tenths() -> f64 {
    0.3
}

fn one() -> f64 {
    1.0
}

fn four() -> f64 {
    4.0
}

fn ten() -> f64 {
    10.0
}

impl LikelihoodConfig {
    /// Whether it stays the same likelihood when the target is shifted and scaled; others need the target in its own unit.
    pub fn is_of_location_and_scale(&self) -> bool {
        matches!(self, Self::Gaussian { .. } | Self::StudentT { .. } | Self::Laplace { .. })
    }

    /// Whether it is one of two classes, coded -1 and 1.
    pub fn is_of_two_classes(&self) -> bool {
        matches!(self, Self::BernoulliProbit | Self::BernoulliLogit { .. })
    }

    /// The likelihood.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a number out of range.
    pub fn build(&self) -> Result<Box<dyn Likelihood>> {
        let above = |name: &str, value: f64, low: f64| {
            ensure(name, value, value > low && value.is_finite(), format!("a finite number above {low}"))
        };
        Ok(match self {
            Self::Gaussian { variance } => {
                above("variance", *variance, gaussian::NOISE_FLOOR)?;
                Box::new(Gaussian::new(*variance))
            }
            Self::StudentT { dof, scale } => {
                above("dof", *dof, 2.0)?;
                above("scale", *scale, 0.0)?;
                Box::new(StudentT::new(*dof, *scale))
            }
            Self::Laplace { scale } => {
                above("scale", *scale, 0.0)?;
                Box::new(Laplace::new(*scale))
            }
            Self::LogGaussian { variance } => {
                above("variance", *variance, gaussian::NOISE_FLOOR)?;
                Box::new(LogGaussian::new(*variance))
            }
            Self::Exponential => Box::new(Exponential::new()),
            Self::Gamma { shape } => {
                above("shape", *shape, 0.0)?;
                Box::new(Gamma::new(*shape))
            }
            Self::Weibull { shape } => {
                above("shape", *shape, 0.0)?;
                Box::new(Weibull::new(*shape))
            }
            Self::Beta { precision } => {
                above("precision", *precision, 0.0)?;
                Box::new(Beta::new(*precision))
            }
            Self::Poisson { exposure } => {
                above("exposure", *exposure, 0.0)?;
                Box::new(Poisson::new(*exposure))
            }
            Self::NegativeBinomial { dispersion } => {
                above("dispersion", *dispersion, 0.0)?;
                Box::new(NegativeBinomial::new(*dispersion))
            }
            Self::ZeroInflatedPoisson { zero } => {
                ensure("zero", zero, *zero > 0.0 && *zero < 1.0, "in (0, 1)")?;
                Box::new(ZeroInflatedPoisson::new(*zero))
            }
            Self::Binomial { trials } => {
                ensure_within("trials", *trials, 1..)?;
                Box::new(Binomial::new(*trials))
            }
            Self::BernoulliProbit => Box::new(BernoulliProbit::new()),
            Self::BernoulliLogit { bound } => {
                Box::new(if *bound { BernoulliLogit::bounded() } else { BernoulliLogit::new() })
            }
            Self::Ordinal { edges } => {
                let ascending = edges.windows(2).all(|w| w[0] < w[1]) && edges.iter().all(|e| e.is_finite());
                ensure("edges", format!("{edges:?}"), !edges.is_empty() && ascending, "at least one edge, ascending")?;
                Box::new(Ordinal::new(edges, 1.0))
            }
        })
    }
}

/// A likelihood of several latent values, named by `"type"`; the number of classes comes from the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum MultiLikelihoodConfig {
    /// Softmax with Monte Carlo expectations over common random numbers.
    Softmax {
        /// Draws; 32.
        #[serde(default = "draws")]
        draws: usize,
    },
    /// Softmax with the closed lower bound.
    SoftmaxBound,
    /// The class of the largest score, with a chance of an error.
    RobustMax {
        /// Chance of an error, in (0, 1); 0.001.
        #[serde(default = "thousandth")]
        epsilon: f64,
    },
    /// Gaussian noise whose log standard deviation is a second latent function.
    Heteroscedastic,
}

fn draws() -> usize {
    32
}

fn thousandth() -> f64 {
    1e-3
}

impl MultiLikelihoodConfig {
    /// The likelihood for this many classes (not used by `heteroscedastic`); `rng` gives softmax its common random numbers.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a number out of range.
    pub fn build(&self, classes: usize, rng: &mut Rng) -> Result<Box<dyn MultiLikelihood>> {
        let enough = || ensure_within("classes", classes, 2..);
        Ok(match self {
            Self::Softmax { draws } => {
                enough()?;
                ensure_within("draws", *draws, 1..)?;
                Box::new(Softmax::new(classes, *draws, rng))
            }
            Self::SoftmaxBound => {
                enough()?;
                Box::new(Softmax::bounded(classes))
            }
            Self::RobustMax { epsilon } => {
                enough()?;
                ensure("epsilon", epsilon, *epsilon > 0.0 && *epsilon < 1.0, "in (0, 1)")?;
                Box::new(RobustMax::new(classes, *epsilon))
            }
            Self::Heteroscedastic => Box::new(Heteroscedastic),
        })
    }
}
