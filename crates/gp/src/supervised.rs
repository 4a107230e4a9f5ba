//! A target of either kind in the form that likelihoods want.

use crate::likelihood::{LikelihoodConfig, MultiLikelihood, MultiLikelihoodConfig, Single};
use elbo_core::{Columns, Data, Error, Features, Result, Rng, Supervised};

/// Seed of softmax's common random numbers: part of the likelihood, not of a fit.
const DRAWS_SEED: u64 = 1;

/// What a likelihood needs to know of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A number.
    Number,
    /// One of this many classes.
    Classes(usize),
}

impl Target {
    /// The kind of target that these columns describe.
    pub fn of(columns: &Columns) -> Self {
        match columns.classes().len() {
            0 => Self::Number,
            count => Self::Classes(count),
        }
    }
}

/// The likelihoods a user named, if any: one of a single latent function, one of several.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// For a number or two classes.
    pub single: Option<&'a LikelihoodConfig>,
    /// For more classes, or noise that varies.
    pub multi: Option<&'a MultiLikelihoodConfig>,
}

impl Named<'_> {
    /// The likelihood for a target; without a name, Gaussian noise, probit for two classes, softmax for more.
    ///
    /// # Errors
    /// [`Error::Setting`] for a number out of range.
    pub fn build(&self, target: Target) -> Result<Box<dyn MultiLikelihood>> {
        let single = |default: LikelihoodConfig| -> Result<Box<dyn MultiLikelihood>> {
            Ok(Box::new(Single(self.single.cloned().unwrap_or(default).build()?)))
        };
        let mut rng = Rng::new(DRAWS_SEED);
        match (target, self.multi) {
            (Target::Number, Some(multi)) => multi.build(1, &mut rng),
            (Target::Number, None) => single(LikelihoodConfig::Gaussian { variance: 0.1 }),
            (Target::Classes(2), None) => single(LikelihoodConfig::BernoulliProbit),
            (Target::Classes(count), None) => MultiLikelihoodConfig::Softmax { draws: 32 }.build(count, &mut rng),
            (Target::Classes(count), Some(multi)) => multi.build(count, &mut rng),
        }
    }

    /// The targets of new rows, encoded as the rows that columns were learned from.
    ///
    /// # Errors
    /// [`Error::Data`] for a class or a cell that cannot be encoded.
    pub fn encode(&self, columns: &Columns, data: &Data) -> Result<Vec<f64>> {
        match Target::of(columns) {
            Target::Number => columns.encode_number_target(data),
            Target::Classes(count) => {
                let classes = columns.encode_class_target(data)?;
                Ok(classes.iter().map(|class| self.code(*class, count)).collect())
            }
        }
    }

    /// Two classes are -1 and 1 to a likelihood of one latent function, and 0, 1, ... to one of several.
    fn code(&self, class: usize, count: usize) -> f64 {
        if count == 2 && self.multi.is_none() { 2.0 * class as f64 - 1.0 } else { class as f64 }
    }

    /// The rows in the form that the likelihood wants.
    ///
    /// # Errors
    /// [`Error::Data`] when a likelihood of classes was named for a numeric target.
    pub fn rows(&self, input: Supervised) -> Result<Rows> {
        match input {
            Supervised::Classes(input) => {
                let count = input.classes.len();
                let y = input.y.iter().map(|class| self.code(*class, count)).collect();
                let target = Target::Classes(count);
                Ok(Rows { x: input.x, y, columns: input.columns, target, notes: input.notes })
            }
            Supervised::Numbers(input) => {
                if self.multi.is_some_and(|m| !matches!(m, MultiLikelihoodConfig::Heteroscedastic)) {
                    return Err(Error::data(
                        "the target is numeric and `multi` names a likelihood of classes",
                        "leave `multi` out, or set it to heteroscedastic",
                    ));
                }
                let is_scaled = self.single.is_none_or(LikelihoodConfig::is_of_location_and_scale);
                let input = if is_scaled { input } else { input.in_own_unit() };
                Ok(Rows { x: input.x, y: input.y, columns: input.columns, target: Target::Number, notes: input.notes })
            }
        }
    }
}

/// Inputs and targets as a likelihood wants them.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Inputs, `[N, D]`.
    pub x: Features,
    /// Targets, `[N]`: numbers, signs, or classes 0, 1, ...
    pub y: Vec<f64>,
    /// How to encode new rows.
    pub columns: Columns,
    /// What kind the target is.
    pub target: Target,
    /// Notes for the user.
    pub notes: Vec<String>,
}
