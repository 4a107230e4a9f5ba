//! What a target is, given the numbers that a network returns: the loss to train it with, and its predictive distribution.

use elbo_core::{Result, ensure, ensure_within};
use elbo_dist::batched::{Batched, Bernoulli, Categorical, Laplace, Normal, Poisson, StudentT};
use elbo_tensor::{Constraint, DType, Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Log variances are held between these.
const LOG_VARIANCES: (f64, f64) = (-10.0, 10.0);
/// Student's distribution has a variance above so many degrees of freedom.
const LEAST_DOF: f64 = 2.0;
/// Most classes of a target.
const MOST_CLASSES: usize = 1 << 20;

/// What a target is, given the network's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ObservationConfig {
    /// A number with normal noise of this standard deviation.
    Fixed {
        /// Standard deviation.
        sd: f64,
    },
    /// A number with normal noise of one learned standard deviation a target.
    Learned {
        /// Standard deviation at the start.
        sd: f64,
    },
    /// A number with normal noise whose log variance is the network's second number, held in [-10, 10].
    Varying {
        /// Each row's loss is multiplied by this power of its variance, which counts as a constant: 0 is the log likelihood, 1 fits means
        /// as squared errors do, 0.5 is usual. Otherwise rows that fit badly get noise in place of a better mean.
        beta: f64,
    },
    /// A number with noise of Student's distribution, of learned scale and degrees of freedom, which stay above 2.
    StudentT {
        /// Scale at the start.
        scale: f64,
        /// Degrees of freedom at the start.
        dof: f64,
    },
    /// A number with noise of Laplace's distribution, of learned scale.
    Laplace {
        /// Scale at the start.
        scale: f64,
    },
    /// One of so many classes, from as many logits.
    Categorical {
        /// Number of classes.
        classes: usize,
    },
    /// 0 or 1, from a logit.
    Bernoulli,
    /// A count, from the logarithm of its mean.
    Poisson,
}

impl Default for ObservationConfig {
    fn default() -> Self {
        Self::Varying { beta: 0.5 }
    }
}

impl ObservationConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, value: f64| ensure(name, value, value > 0.0 && value.is_finite(), "above 0");
        match *self {
            Self::Fixed { sd } | Self::Learned { sd } => positive("sd", sd),
            Self::Varying { beta } => ensure_within("beta", beta, 0.0..=1.0),
            Self::StudentT { scale, dof } => {
                positive("scale", scale).and(ensure("dof", dof, dof > LEAST_DOF && dof.is_finite(), "above 2"))
            }
            Self::Laplace { scale } => positive("scale", scale),
            Self::Categorical { classes } => ensure_within("classes", classes, 2..=MOST_CLASSES),
            Self::Bernoulli | Self::Poisson => Ok(()),
        }
    }

    /// Numbers that the network returns for each target.
    pub fn blocks(&self) -> usize {
        match self {
            Self::Varying { .. } => 2,
            Self::Categorical { classes } => *classes,
            _ => 1,
        }
    }

    /// The distributions of rows of `targets` targets, with what they learn at its start. Classes are one target a row.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for settings out of range.
    pub fn build(&self, targets: usize, dtype: DType) -> Result<Observation> {
        self.check()?;
        let is_single = matches!(self, Self::Categorical { .. });
        ensure("targets", targets, targets == 1 || (targets > 1 && !is_single), "at least 1, and 1 for classes")?;
        let start = |value: f64, constraint: Constraint| {
            Parameter::from_tensor(&Tensor::full(&[targets], value, dtype), constraint)
        };
        let (scale, dof) = match *self {
            Self::Learned { sd } => (Some(start(sd, Constraint::Positive)), None),
            Self::Laplace { scale } => (Some(start(scale, Constraint::Positive)), None),
            Self::StudentT { scale, dof } => {
                (Some(start(scale, Constraint::Positive)), Some(start(dof, Constraint::Above(LEAST_DOF))))
            }
            _ => (None, None),
        };
        Ok(Observation { config: *self, targets, scale, dof })
    }
}

/// The distribution of targets given a network's numbers, with what it learns.
///
/// # Source
/// Seitzer, Tavakoli, Antic and Martius (2022) for the weights of varying noise.
pub struct Observation {
    config: ObservationConfig,
    targets: usize,
    scale: Option<Parameter>,
    dof: Option<Parameter>,
}

elbo_tensor::parameters!(Observation { "scale": scale, "dof": dof });

impl Observation {
    /// Numbers that the network returns for a row.
    pub fn outputs(&self) -> usize {
        self.targets * self.config.blocks()
    }

    fn learned(&self) -> Tensor {
        self.scale.as_ref().expect("a learned scale was built").get()
    }

    fn variance(&self, output: &Tensor) -> Tensor {
        output.narrow(-1, self.targets, self.targets).clamp(LOG_VARIANCES.0, LOG_VARIANCES.1).exp()
    }

    /// The distribution of each target. `output: [B, M]` with `M` of [`Observation::outputs`]; batches are `[B, K]`, or `[B]` for classes.
    pub fn distribution(&self, output: &Tensor) -> Box<dyn Batched> {
        let location = output.narrow(-1, 0, self.targets);
        match self.config {
            ObservationConfig::Fixed { sd } => Box::new(Normal::new(location, Tensor::full(&[], sd, output.dtype()))),
            ObservationConfig::Learned { .. } => Box::new(Normal::new(location, self.learned())),
            ObservationConfig::Varying { .. } => Box::new(Normal::new(location, self.variance(output).sqrt())),
            ObservationConfig::StudentT { .. } => {
                let dof = self.dof.as_ref().expect("degrees of freedom were built").get();
                Box::new(StudentT::new(location, self.learned(), dof))
            }
            ObservationConfig::Laplace { .. } => Box::new(Laplace::new(location, self.learned())),
            ObservationConfig::Categorical { .. } => Box::new(Categorical::new(output)),
            ObservationConfig::Bernoulli => Box::new(Bernoulli::new(location)),
            ObservationConfig::Poisson => Box::new(Poisson::new(location.exp())),
        }
    }

    /// Log probability of each row, `[B]`, in nats. `y: [B, K]` of numbers, or `[B]` of class indices in `I64`.
    pub fn log_prob(&self, output: &Tensor, y: &Tensor) -> Tensor {
        self.sum(self.distribution(output).log_prob(y))
    }

    /// What training lowers, `[B]`: less the log probability, each target's part weighted where the noise varies and `beta` is not zero.
    pub fn loss(&self, output: &Tensor, y: &Tensor) -> Tensor {
        let each = -self.distribution(output).log_prob(y);
        self.sum(match self.config {
            ObservationConfig::Varying { beta } if beta > 0.0 => each * self.variance(output).detach().powf(beta),
            _ => each,
        })
    }

    fn sum(&self, each: Tensor) -> Tensor {
        if matches!(self.config, ObservationConfig::Categorical { .. }) { each } else { each.sum_axis(-1, false) }
    }
}
