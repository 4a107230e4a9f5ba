//! What a target is, given the numbers that a network returns: the loss to train it with, its predictive distribution, draws of it, and what it
//! tells about the numbers. Laplace's approximation, Fisher information and outputs of known mean and variance take it too.

use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use elbo_dist::batched::{Batched, Bernoulli, Categorical, Laplace, Normal, Poisson, StudentT};
use elbo_tensor::{Constraint, DType, Parameter, Tensor, no_grad};
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

    /// Its name in settings and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fixed { .. } => "fixed",
            Self::Learned { .. } => "learned",
            Self::Varying { .. } => "varying",
            Self::StudentT { .. } => "student_t",
            Self::Laplace { .. } => "laplace",
            Self::Categorical { .. } => "categorical",
            Self::Bernoulli => "bernoulli",
            Self::Poisson => "poisson",
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
#[derive(Debug, Clone)]
pub struct Observation {
    config: ObservationConfig,
    targets: usize,
    scale: Option<Parameter>,
    dof: Option<Parameter>,
}

elbo_tensor::parameters!(Observation { "scale": scale, "dof": dof });

impl Observation {
    /// The settings it was built from; learned numbers have moved since.
    pub fn config(&self) -> ObservationConfig {
        self.config
    }

    /// Targets of a row.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Numbers that the network returns for a row.
    pub fn outputs(&self) -> usize {
        self.targets * self.config.blocks()
    }

    /// Variances `[K]` of normal noise that is the same for all rows, differentiable where they are learned; `None` of other targets.
    pub fn noise(&self, dtype: DType) -> Option<Tensor> {
        match self.config {
            ObservationConfig::Fixed { sd } => Some(Tensor::full(&[self.targets], sd * sd, dtype)),
            ObservationConfig::Learned { .. } => Some(self.learned().square()),
            _ => None,
        }
    }

    fn learned(&self) -> Tensor {
        self.scale.as_ref().expect("a learned scale was built").get()
    }

    fn degrees(&self) -> Tensor {
        self.dof.as_ref().expect("degrees of freedom were built").get()
    }

    fn log_variance(&self, output: &Tensor) -> Tensor {
        output.narrow(-1, self.targets, self.targets)
    }

    fn variance(&self, output: &Tensor) -> Tensor {
        self.log_variance(output).clamp(LOG_VARIANCES.0, LOG_VARIANCES.1).exp()
    }

    fn is_classes(&self) -> bool {
        matches!(self.config, ObservationConfig::Categorical { .. })
    }

    /// The shape of the targets of outputs `[..., M]`.
    fn shape_of_targets(&self, output: &Tensor) -> Vec<usize> {
        let lead = &output.shape()[..output.rank() - 1];
        if self.is_classes() { lead.to_vec() } else { [lead, &[self.targets]].concat() }
    }

    /// Whether outputs `[N, M]` of a network, and targets, are of this distribution.
    ///
    /// # Errors
    /// [`Error::Setting`] for another number of outputs; [`Error::Data`] for targets of another shape, and classes that there are not.
    pub(super) fn check_rows(&self, output: &Tensor, y: Option<&Tensor>) -> Result<()> {
        let (needed, found) = (self.outputs(), output.size(-1));
        let text = format!("{} of {needed} outputs", self.config.name());
        ensure("observation", text, found == needed, format!("one of {found} outputs, as many as the network has"))?;
        let Some(y) = y else { return Ok(()) };
        let expected = self.shape_of_targets(output);
        if y.shape() != expected {
            let (found, name) = (y.shape(), self.config.name());
            return Err(Error::data(
                format!("targets have the shape {found:?}; {name} targets of these rows have {expected:?}"),
                "give numbers [N, K], or classes [N]",
            ));
        }
        if let ObservationConfig::Categorical { classes } = self.config {
            let is_class = |v: &f64| *v >= 0.0 && *v < classes as f64;
            if y.dtype() != DType::I64 || !y.to_vec().iter().all(is_class) {
                return Err(Error::data(
                    format!("a target is none of the {classes} classes, or the classes are not whole numbers"),
                    "code classes as 0, 1, ... in I64, or raise `classes`",
                ));
            }
        }
        Ok(())
    }

    /// The distribution of each target. `output: [B, M]` with `M` of [`Observation::outputs`]; batches are `[B, K]`, or `[B]` for classes.
    ///
    /// # Panics
    /// For another number of outputs.
    pub fn distribution(&self, output: &Tensor) -> Box<dyn Batched> {
        assert_eq!(output.size(-1), self.outputs(), "outputs of a network for these targets");
        let location = || output.narrow(-1, 0, self.targets);
        match self.config {
            ObservationConfig::Fixed { sd } => Box::new(Normal::new(location(), Tensor::full(&[], sd, output.dtype()))),
            ObservationConfig::Learned { .. } => Box::new(Normal::new(location(), self.learned())),
            ObservationConfig::Varying { .. } => Box::new(Normal::new(location(), self.variance(output).sqrt())),
            ObservationConfig::StudentT { .. } => Box::new(StudentT::new(location(), self.learned(), self.degrees())),
            ObservationConfig::Laplace { .. } => Box::new(Laplace::new(location(), self.learned())),
            ObservationConfig::Categorical { .. } => Box::new(Categorical::new(output)),
            ObservationConfig::Bernoulli => Box::new(Bernoulli::new(location())),
            ObservationConfig::Poisson => Box::new(Poisson::new(location().exp())),
        }
    }

    /// Log probability of each row, `[B]`, in nats. `y: [B, K]` of numbers, or `[B]` of class indices in `I64`.
    ///
    /// # Panics
    /// For another number of outputs, and for targets of another shape.
    pub fn log_prob(&self, output: &Tensor, y: &Tensor) -> Tensor {
        self.sum(self.of_targets(output, y))
    }

    /// What training lowers, `[B]`: less the log probability, each target's part weighted where the noise varies and `beta` is not zero.
    ///
    /// # Panics
    /// As [`Observation::log_prob`].
    pub fn loss(&self, output: &Tensor, y: &Tensor) -> Tensor {
        let each = -self.of_targets(output, y);
        self.sum(match self.config {
            ObservationConfig::Varying { beta } if beta > 0.0 => each * self.variance(output).detach().powf(beta),
            _ => each,
        })
    }

    /// Log probability of each target.
    fn of_targets(&self, output: &Tensor, y: &Tensor) -> Tensor {
        assert_eq!(y.shape(), self.shape_of_targets(output), "one target for each that the outputs are of");
        self.distribution(output).log_prob(y)
    }

    fn sum(&self, each: Tensor) -> Tensor {
        if self.is_classes() { each } else { each.sum_axis(-1, false) }
    }

    /// A target for each row, drawn from what the network says, outside the graph: `[B, K]` of numbers, or `[B]` of classes in `I64`.
    ///
    /// # Panics
    /// For another number of outputs.
    pub fn draw(&self, output: &Tensor, rng: &mut Rng) -> Tensor {
        no_grad(|| self.distribution(&output.detach()).sample(&[], rng))
    }

    /// Right sides R e_k with `R R' = Λ`, the Fisher information in the outputs, for every row; one tensor `[N, M]` for each k.
    ///
    /// Of normal noise, classes, events and counts it is the curvature of the log probability too.
    pub(super) fn roots(&self, output: &Tensor) -> Vec<Tensor> {
        if !self.is_classes() {
            let root = self.information(output).sqrt();
            return units(output).iter().map(|unit| unit * &root).collect();
        }
        // diag(p) - p p' = R R' with R = diag(√p) - p √p'.
        let p = output.softmax(-1);
        units(output).into_iter().enumerate().map(|(j, unit)| (unit - &p) * p.narrow(1, j, 1).sqrt()).collect()
    }

    /// The Fisher information in each output `[N, M]`, of targets with one parameter an output.
    fn information(&self, output: &Tensor) -> Tensor {
        let location = output.narrow(-1, 0, self.targets);
        let each = match self.config {
            ObservationConfig::Fixed { .. } | ObservationConfig::Learned { .. } => {
                self.noise(output.dtype()).expect("it is normal noise").recip()
            }
            ObservationConfig::Varying { .. } => {
                let (low, high) = LOG_VARIANCES;
                let level = self.log_variance(output);
                // Where it is held, its own number does not matter.
                let is_held = level.lt_scalar(low).or(&level.gt_scalar(high));
                let of_level = level.full_like(0.5).masked_fill(&is_held, 0.0);
                Tensor::cat(&[self.variance(output).recip(), of_level], -1)
            }
            ObservationConfig::StudentT { .. } => {
                let dof = self.degrees();
                (&dof + 1.0) / ((&dof + 3.0) * self.learned().square())
            }
            ObservationConfig::Laplace { .. } => self.learned().square().recip(),
            ObservationConfig::Bernoulli => location.sigmoid() * (-&location).sigmoid(),
            ObservationConfig::Poisson => location.exp(),
            ObservationConfig::Categorical { .. } => unreachable!("classes share their information"),
        };
        each.broadcast_to(output.shape())
    }
}

/// The unit vectors of the outputs `[N, K]`, each for every row.
pub(super) fn units(output: &Tensor) -> Vec<Tensor> {
    let (rows, k) = (output.size(0), output.size(1));
    (0..k).map(|j| Tensor::indices(&vec![j; rows]).one_hot(k, output.dtype())).collect()
}
