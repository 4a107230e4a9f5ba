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
    /// Refuses a likelihood that is not one of this target: of numbers for classes, of classes for a number. Where both are named, `multi`
    /// is the one that counts.
    fn check(&self, columns: &Columns) -> Result<()> {
        let target = columns.target.as_ref().map_or("", |column| column.name.as_str());
        match (Target::of(columns), self.multi) {
            (Target::Classes(_), Some(MultiLikelihoodConfig::Heteroscedastic)) => Err(Error::data(
                format!("target `{target}` has classes and `multi` is heteroscedastic, which is of numbers"),
                "leave `multi` out or set it to softmax, or use --task regression if the target is a quantity",
            )),
            (Target::Classes(_), Some(_)) | (Target::Number, Some(MultiLikelihoodConfig::Heteroscedastic)) => Ok(()),
            (Target::Number, Some(_)) => Err(Error::data(
                format!("target `{target}` is numeric and `multi` names a likelihood of classes"),
                "leave `multi` out or set it to heteroscedastic, or use --task classification if the numbers are classes",
            )),
            (kind, None) => self.single.map_or(Ok(()), |single| check_single(single, kind, target)),
        }
    }

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
    /// [`Error::Data`] for a likelihood that is not one of this target, with the setting, the target and what to change in either.
    pub fn rows(&self, input: Supervised) -> Result<Rows> {
        match input {
            Supervised::Classes(input) => {
                self.check(&input.columns)?;
                let count = input.classes.len();
                let y = input.y.iter().map(|class| self.code(*class, count)).collect();
                let target = Target::Classes(count);
                Ok(Rows { x: input.x, y, columns: input.columns, target, notes: input.notes })
            }
            Supervised::Numbers(input) => {
                self.check(&input.columns)?;
                // A heteroscedastic one is of a location and a scale.
                let is_scaled =
                    self.multi.is_some() || self.single.is_none_or(LikelihoodConfig::is_of_location_and_scale);
                let input = if is_scaled { input } else { input.in_own_unit() };
                Ok(Rows { x: input.x, y: input.y, columns: input.columns, target: Target::Number, notes: input.notes })
            }
        }
    }
}

/// Refuses a likelihood of one latent function that is not one of this kind of target.
fn check_single(likelihood: &LikelihoodConfig, kind: Target, target: &str) -> Result<()> {
    let name = likelihood.build()?.name();
    let is_of_two = likelihood.is_of_two_classes();
    let count = match kind {
        Target::Number if is_of_two => {
            return Err(Error::data(
                format!("target `{target}` is numeric and `likelihood` is {name}, which is of two classes"),
                "leave `likelihood` out or name one of numbers, or use --task classification if the numbers are classes",
            ));
        }
        Target::Number => return Ok(()),
        Target::Classes(2) if is_of_two => return Ok(()),
        Target::Classes(count) => count,
    };
    let (why, remedy) = match likelihood {
        LikelihoodConfig::Ordinal { .. } => (
            "which takes ordered classes as numbers 0, 1, ...",
            "number the classes in their order and use --task regression, or leave `likelihood` out to forget the order",
        ),
        _ if is_of_two => {
            ("which is of two", "leave `likelihood` out for softmax, or name one of several classes with `multi`")
        }
        _ if count == 2 => (
            "which is of numbers",
            "use --task regression if the target is a quantity, or set `likelihood` to bernoulli_probit or bernoulli_logit",
        ),
        _ => (
            "which is of numbers",
            "use --task regression if the target is a quantity, or leave `likelihood` out for softmax",
        ),
    };
    Err(Error::data(format!("target `{target}` has {count} classes and `likelihood` is {name}, {why}"), remedy))
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

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::{Array, FromData, Task, Values};

    /// Rows of a table with this target, as the task, or else the target, says.
    fn input(y: &[f64], task: Option<Task>) -> Supervised {
        let x = Array::new(&[y.len(), 1], (0..y.len()).map(|i| i as f64).collect());
        let arrays = vec![("x".into(), x), ("price".into(), Array::column(Values::F64(y.to_vec())))];
        let data = Data { arrays, target: Some("price".into()), ..Data::default() };
        let data = match task {
            Some(task) => data.with_task(task).unwrap(),
            None => data,
        };
        Supervised::from_data(&data).unwrap()
    }

    const TWO: [f64; 6] = [10.0, 20.0, 10.0, 20.0, 20.0, 10.0];
    const THREE: [f64; 6] = [0.0, 1.0, 2.0, 2.0, 1.0, 0.0];

    fn rows(single: Option<&str>, multi: Option<&str>, input: Supervised) -> Result<Rows> {
        let single: Option<LikelihoodConfig> = single.map(|text| serde_json::from_str(text).unwrap());
        let multi: Option<MultiLikelihoodConfig> = multi.map(|text| serde_json::from_str(text).unwrap());
        Named { single: single.as_ref(), multi: multi.as_ref() }.rows(input)
    }

    #[test]
    fn a_likelihood_that_is_not_of_the_target_is_refused_by_both_names_with_both_remedies() {
        let classes = Some(Task::Classification);
        let numbers = Some(Task::Regression);
        let softmax = Some(r#"{"type": "softmax"}"#);
        let varying = Some(r#"{"type": "heteroscedastic"}"#);
        let of_numbers = [
            ("gaussian", ""),
            ("student_t", ""),
            ("laplace", ""),
            ("log_gaussian", ""),
            ("exponential", ""),
            ("gamma", ""),
            ("weibull", ""),
            ("beta", ""),
            ("poisson", ""),
            ("negative_binomial", ""),
            ("zero_inflated_poisson", ""),
            ("binomial", r#", "trials": 1"#),
        ];
        let texts: Vec<_> = of_numbers.iter().map(|(name, more)| format!(r#"{{"type": "{name}"{more}}}"#)).collect();
        let mut cases = vec![
            (Some(r#"{"type": "bernoulli_probit"}"#), None, &THREE, classes, "bernoulli_probit", "`multi`"),
            (Some(r#"{"type": "bernoulli_logit"}"#), None, &THREE, None, "bernoulli_logit", "--task classification"),
            (Some(r#"{"type": "bernoulli_logit"}"#), None, &TWO, numbers, "bernoulli_logit", "--task classification"),
            (
                Some(r#"{"type": "ordinal", "edges": [0.0, 1.0]}"#),
                None,
                &THREE,
                classes,
                "ordinal",
                "--task regression",
            ),
            (Some(r#"{"type": "ordinal", "edges": [0.0]}"#), None, &TWO, None, "ordinal", "--task regression"),
            (None, softmax, &THREE, None, "`multi`", "--task classification"),
            (None, varying, &TWO, None, "heteroscedastic", "--task regression"),
            (None, varying, &THREE, classes, "heteroscedastic", "--task regression"),
        ];
        for (text, (name, _)) in texts.iter().zip(of_numbers) {
            cases.push((Some(text.as_str()), None, &TWO, None, name, "--task regression"));
            cases.push((Some(text.as_str()), None, &TWO, None, name, "bernoulli_probit"));
            cases.push((Some(text.as_str()), None, &THREE, classes, name, "softmax"));
        }
        for (single, multi, y, task, name, remedy) in cases {
            let error = rows(single, multi, input(y, task)).unwrap_err();
            let setting = if multi.is_some() { "`multi`" } else { "`likelihood`" };
            let told = format!("{error}; {}", error.remedy());
            let says = ["`price`", setting, name, remedy].iter().all(|part| told.contains(part));
            assert!(says, "{single:?}, {multi:?}, {task:?}: {told}");
        }
    }

    #[test]
    fn a_likelihood_of_the_target_is_taken() {
        let classes = Some(Task::Classification);
        let softmax = Some(r#"{"type": "softmax"}"#);
        for (single, multi, y, task) in [
            (None, None, &TWO, None),
            (Some(r#"{"type": "bernoulli_probit"}"#), None, &TWO, None),
            (Some(r#"{"type": "bernoulli_logit"}"#), None, &TWO, None),
            (None, None, &THREE, classes),
            (None, softmax, &THREE, classes),
            (None, softmax, &TWO, None),
            (Some(r#"{"type": "ordinal", "edges": [0.0, 1.0]}"#), None, &THREE, None),
            (Some(r#"{"type": "student_t"}"#), None, &TWO, Some(Task::Regression)),
            (None, Some(r#"{"type": "heteroscedastic"}"#), &TWO, Some(Task::Regression)),
        ] {
            assert!(rows(single, multi, input(y, task)).is_ok(), "{single:?}, {multi:?}, {task:?}");
        }
    }

    #[test]
    fn the_likelihood_that_counts_says_whether_the_target_is_standardised() {
        let poisson = Some(r#"{"type": "poisson"}"#);
        let varying = Some(r#"{"type": "heteroscedastic"}"#);
        let y = |single, multi| rows(single, multi, input(&THREE, None)).unwrap().y;
        assert_eq!(y(poisson, None), THREE);
        assert_eq!(y(poisson, varying), y(None, varying));
        let mean = y(None, varying).iter().sum::<f64>();
        assert!(mean.abs() < 1e-9 && y(None, varying) != THREE, "standardised");
    }
}
