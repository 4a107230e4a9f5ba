//! Predictions against what was observed, and what models of data points think of each.

use elbo_core::{Array, Data, Error, Evaluate, Marginals, Prediction, Result, Run};
use elbo_dist::scores::{Scores, TargetNormal, Targets, score};

/// What was observed, in the form that goes with a prediction.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// Numbers, `[N]`.
    Numbers(Vec<f64>),
    /// Indices into the prediction's classes, `[N]`.
    Classes(Vec<usize>),
}

impl Observed {
    /// The target column of these rows, as the prediction needs it.
    ///
    /// # Errors
    /// [`Error::Data`] when the target is of the other kind, has missing cells, or has a class that the model does not know.
    pub fn of(data: &Data, prediction: &Prediction) -> Result<Self> {
        let name = data.target()?;
        let array = data.get(name)?;
        match prediction {
            Prediction::Numbers(_) => {
                let values = array.to_f64().ok_or_else(|| {
                    Error::data(
                        format!("target `{name}` holds text; the model predicts a number"),
                        "give the column that the model was fitted to, or mend its cells",
                    )
                })?;
                match values.iter().position(|v| !v.is_finite()) {
                    None => Ok(Self::Numbers(values)),
                    Some(row) => Err(Error::data(
                        format!("target `{name}` is {} in row {}", values[row], row + 1),
                        "leave such rows out; only rows with a known target can be scored",
                    )),
                }
            }
            Prediction::Classes { classes, .. } => {
                let names = array.class_names(name)?;
                let index = |(row, found): (usize, Option<String>)| {
                    let found = found.ok_or_else(|| {
                        Error::data(
                            format!("target `{name}` has no value in row {}", row + 1),
                            "leave such rows out with --missing drop",
                        )
                    })?;
                    classes.iter().position(|c| *c == found).ok_or_else(|| {
                        Error::data(
                            format!("row {} has class {found:?}, which the model does not know", row + 1),
                            format!("classes are: {}", classes.join(", ")),
                        )
                    })
                };
                names.into_iter().enumerate().map(index).collect::<Result<_>>().map(Self::Classes)
            }
        }
    }

    /// The values that a model's own validation stores: numbers, or class indices as numbers.
    pub fn of_values(values: Vec<f64>, prediction: &Prediction) -> Self {
        match prediction {
            Prediction::Numbers(_) => Self::Numbers(values),
            Prediction::Classes { .. } => Self::Classes(values.into_iter().map(|v| v as usize).collect()),
        }
    }

    /// The scores.
    ///
    /// # Errors
    /// As [`elbo_dist::scores::score`].
    pub fn score(&self, prediction: &Prediction) -> Result<Scores> {
        let targets = match self {
            Self::Numbers(y) => Targets::Numbers(y),
            Self::Classes(y) => Targets::Classes(y),
        };
        score(prediction, targets)
    }

    /// The scores, for numbers with the standardised log loss against the normal of the training targets where it is known.
    ///
    /// # Errors
    /// As [`Observed::score`].
    pub fn score_against(&self, prediction: &Prediction, normal: Option<&TargetNormal>) -> Result<Scores> {
        let mut scores = self.score(prediction)?;
        if let (Scores::Regression(own), Prediction::Numbers(marginals), Self::Numbers(y), Some(normal)) =
            (&mut scores, prediction, self, normal)
        {
            own.msll = Some(normal.standardised_log_loss(marginals.as_ref(), y)?);
        }
        Ok(scores)
    }
}

/// Refuses predictions that are not numbers, so that no NaN reaches a user's table. A standard deviation may be infinite.
///
/// # Errors
/// [`Error::Numerical`] naming the first such row.
pub fn check_prediction(prediction: &Prediction) -> Result<()> {
    let bad = match prediction {
        Prediction::Numbers(m) => (0..m.len()).find(|i| !is_usable(m.as_ref(), *i)),
        Prediction::Classes { classes, probabilities } => {
            let outside = |p: &f64| !(-1e-9..=1.0 + 1e-9).contains(p);
            probabilities.iter().position(outside).map(|at| at / classes.len().max(1))
        }
    };
    match bad {
        None => Ok(()),
        Some(row) => Err(Error::numerical(
            format!("the prediction of row {} is not a finite number", row + 1),
            "check this row for values far outside the training data; if there are none, fit the model again",
        )),
    }
}

fn is_usable(marginals: &dyn Marginals, i: usize) -> bool {
    marginals.mean(i).is_finite() && marginals.sd(i) >= 0.0
}

/// Columns of bounds on each data point: `elbo`, `iwae`, `effective_draws`, and `pareto_k` where there are draws enough, with NaN where the weights of a data
/// point are too much alike. Their means are what [`Evaluate::evaluate`] says with as many draws in a run of this seed.
///
/// # Errors
/// As [`Evaluate::evaluate_each`].
pub fn bound_columns(evaluator: &dyn Evaluate, data: &Data, draws: usize, seed: u64) -> Result<Vec<(String, Array)>> {
    let found = evaluator.evaluate_each(data, draws, &mut Run::new(seed))?;
    let column = |values: Vec<f64>| Array::new(&[values.len()], values);
    let mut columns = vec![
        ("elbo".to_owned(), column(found.iter().map(|b| b.elbo).collect())),
        ("iwae".to_owned(), column(found.iter().map(|b| b.iwae).collect())),
        ("effective_draws".to_owned(), column(found.iter().map(|b| b.effective_draws).collect())),
    ];
    if found.iter().any(|b| b.pareto_k.is_some()) {
        columns.push(("pareto_k".to_owned(), column(found.iter().map(|b| b.pareto_k.unwrap_or(f64::NAN)).collect())));
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_dist::Normals;

    #[test]
    fn the_standardised_loss_is_the_log_loss_less_that_of_the_training_targets() {
        let observed = Observed::Numbers(vec![0.5, 2.0]);
        let prediction = || Prediction::Numbers(Box::new(Normals { mean: vec![0.4, 2.2], sd: vec![0.3, 0.5] }));
        let normal = TargetNormal::of(&[1.0, 3.0, 5.0, 7.0]).unwrap();
        let Scores::Regression(scores) = observed.score_against(&prediction(), Some(&normal)).unwrap() else {
            panic!("numbers are scored as numbers")
        };
        // The training targets have the mean 4 and the variance 5.
        let trivial = |y: f64| 0.5 * (2.0 * std::f64::consts::PI * 5.0).ln() + (y - 4.0).powi(2) / 10.0;
        let expected = scores.nlpd - 0.5 * (trivial(0.5) + trivial(2.0));
        assert!((scores.msll.unwrap() - expected).abs() < 1e-12, "{:?}, expected {expected}", scores.msll);
        let unknown = observed.score_against(&prediction(), None).unwrap();
        assert_eq!(unknown, observed.score(&prediction()).unwrap());
        assert!(serde_json::to_value(unknown).unwrap().get("msll").is_none());
    }
}
