//! How good predictions are: proper scores, calibration, and the names that `evaluate --json` prints.

use crate::calibration::{
    CALIBRATION_BINS, ClassCalibration, average_precision, bootstrap_each, expected_error, most_probable,
    risk_coverage_area,
};
use elbo_core::magnitude::root_mean_square;
use elbo_core::{Error, Marginals, Prediction, Result, Rng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Bins of the PIT histogram.
const PIT_BINS: usize = 20;
/// Most and fewest redrawn tables of a bootstrap interval, about how many rows are redrawn in all, and the seed, which makes scores the same
/// every time.
const MOST_REDRAWN: usize = 1000;
const FEWEST_REDRAWN: usize = 200;
const REDRAWN_ROWS: usize = 10_000_000;
const REDRAW_SEED: u64 = 0;

/// The share of the observations inside the central interval, or its mean width, at three levels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    /// At 50 %.
    #[serde(rename = "0.5")]
    pub p50: f64,
    /// At 90 %.
    #[serde(rename = "0.9")]
    pub p90: f64,
    /// At 95 %.
    #[serde(rename = "0.95")]
    pub p95: f64,
}

/// Scores of a numeric target. Field names are those of the JSON output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionScores {
    /// Number of rows.
    pub rows: usize,
    /// Root mean squared error of the mean, in the target's unit.
    pub rmse: f64,
    /// Mean absolute error of the median, in the target's unit.
    pub mae: f64,
    /// Mean negative log predictive density, in nats.
    pub nlpd: f64,
    /// Mean continuous ranked probability score, in the target's unit.
    pub crps: f64,
    /// Share of the targets inside the central intervals.
    pub coverage: Levels,
    /// Mean width of the central intervals, in the target's unit.
    pub width: Levels,
    /// Standardised log loss, in nats; `None` where the normal of the training targets is not known ([`TargetNormal`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msll: Option<f64>,
}

/// Scores of classes. Field names are those of the JSON output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassificationScores {
    /// Number of rows.
    pub rows: usize,
    /// Share of the rows whose most probable class is the true one.
    pub accuracy: f64,
    /// Mean negative log probability of the true class, in nats; infinite when a true class had probability zero.
    pub log_loss: f64,
    /// Mean squared distance of the probabilities from the indicator of the true class, summed over classes (0 to 2).
    pub brier: f64,
    /// Expected calibration error of the most probable class, 15 bins of equal width.
    pub ece: f64,
    /// Whether the probabilities mean what they say, in other measures.
    pub calibration: CalibrationScores,
    /// The lower ends of 95 % bootstrap intervals over rows.
    pub lower: ClassificationEnds,
    /// Their upper ends.
    pub upper: ClassificationEnds,
}

/// Calibration of class probabilities beside the expected error; bins are 15.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationScores {
    /// Expected calibration error of the most probable class over bins of equally many rows.
    pub ece_equal_mass: f64,
    /// Expected calibration error of each class's own probability, bins of equal width, averaged over classes.
    pub classwise: f64,
    /// Expected squared error less what chance alone gives; may be below zero.
    pub squared_debiased: f64,
    /// The largest error of a bin of equal width.
    pub mce: f64,
    /// Share of wrong rows among the surest ones, averaged over how many are kept: the area under risk against coverage.
    pub risk_coverage: f64,
    /// Area under precision against recall for finding the wrong rows by their doubt, one less the largest probability; `None` where all rows
    /// are right, or none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_aupr: Option<f64>,
}

/// One end of the intervals of [`ClassificationScores`]. The interval of `ece` lies high, since redrawn rows add chance of their own; it may
/// lie above `ece` where the table is small.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassificationEnds {
    /// Of the accuracy.
    pub accuracy: f64,
    /// Of the log loss, in nats; may be infinite.
    pub log_loss: f64,
    /// Of the Brier score.
    pub brier: f64,
    /// Of the expected calibration error.
    pub ece: f64,
}

/// What is scored against.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// Numbers, `[N]`.
    Numbers(&'a [f64]),
    /// Indices into the prediction's class names, `[N]`.
    Classes(&'a [usize]),
}

/// Scores of either kind of target; serialises as the inner object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scores {
    /// Of a numeric target.
    Regression(RegressionScores),
    /// Of classes.
    Classification(ClassificationScores),
}

/// Scores predictions against targets.
///
/// # Errors
/// [`Error::Data`] when there are no rows, lengths or kinds differ, a target is not finite, or a class is out of range.
pub fn score(prediction: &Prediction, targets: Targets<'_>) -> Result<Scores> {
    match (prediction, targets) {
        (Prediction::Numbers(marginals), Targets::Numbers(y)) => {
            regression(marginals.as_ref(), y).map(Scores::Regression)
        }
        (Prediction::Classes { classes, probabilities }, Targets::Classes(y)) => {
            classification(classes.len(), probabilities, y).map(Scores::Classification)
        }
        _ => Err(Error::data(
            "the model predicts one kind of target and the data hold the other",
            "give the target column that the model was fitted to",
        )),
    }
}

/// Scores distributions against numbers `[N]`.
///
/// # Errors
/// [`Error::Data`] when there are no rows, lengths differ, or a target is not finite.
pub fn regression(marginals: &dyn Marginals, targets: &[f64]) -> Result<RegressionScores> {
    check(marginals.len(), targets.len())?;
    check_finite(targets)?;
    // Columns: error, absolute error, -log density, crps, then hit and width at each level.
    let rows: Vec<[f64; 10]> = (0..targets.len())
        .into_par_iter()
        .map(|i| {
            let y = targets[i];
            let mut row = [
                marginals.mean(i) - y,
                (marginals.quantile(i, 0.5) - y).abs(),
                -marginals.log_prob(i, y),
                marginals.crps(i, y),
                0.0,
                0.0,
                0.0,
                0.0,
                0.0,
                0.0,
            ];
            for (k, level) in [0.5, 0.9, 0.95].into_iter().enumerate() {
                let (low, high) = marginals.interval(i, level);
                row[4 + k] = f64::from(u8::from(low <= y && y <= high));
                row[7 + k] = high - low;
            }
            row
        })
        .collect();
    let mean = |k: usize| rows.iter().map(|row| row[k]).sum::<f64>() / rows.len() as f64;
    let errors: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    let levels = |k: usize| Levels { p50: mean(k), p90: mean(k + 1), p95: mean(k + 2) };
    Ok(RegressionScores {
        rows: rows.len(),
        rmse: root_mean_square(&errors),
        mae: mean(1),
        nlpd: mean(2),
        crps: mean(3),
        coverage: levels(4),
        width: levels(7),
        msll: None,
    })
}

/// Scores probabilities `[N, C]` (row-major) against class indices `[N]`.
///
/// # Errors
/// [`Error::Data`] when there are no rows, lengths differ, a probability is not finite, or an index is not below `classes`.
pub fn classification(classes: usize, probabilities: &[f64], targets: &[usize]) -> Result<ClassificationScores> {
    check(probabilities.len() / classes.max(1), targets.len())?;
    if let Some(i) = targets.iter().position(|t| *t >= classes) {
        return Err(Error::data(
            format!("row {} has class number {}, but the model knows {classes} classes", i + 1, targets[i] + 1),
            "remove rows of classes that were absent when the model was fitted, or fit it again with them",
        ));
    }
    let found = ClassCalibration::new(classes, probabilities, targets, CALIBRATION_BINS)?;
    let rows: Vec<ClassRow> =
        probabilities.chunks(classes).zip(targets).map(|(p, target)| ClassRow::new(p, *target)).collect();
    let all: Vec<usize> = (0..rows.len()).collect();
    let [accuracy, log_loss, brier, ece] = class_scores(&rows, &all);
    let draws = (REDRAWN_ROWS / rows.len()).clamp(FEWEST_REDRAWN, MOST_REDRAWN);
    let intervals = bootstrap_each(rows.len(), draws, &mut Rng::new(REDRAW_SEED), |chosen| class_scores(&rows, chosen));
    let ends = |of: fn((f64, f64)) -> f64| {
        let [accuracy, log_loss, brier, ece] = intervals.map(of);
        ClassificationEnds { accuracy, log_loss, brier, ece }
    };
    Ok(ClassificationScores {
        rows: rows.len(),
        accuracy,
        log_loss,
        brier,
        ece,
        calibration: CalibrationScores::new(&found, &rows),
        lower: ends(|interval| interval.0),
        upper: ends(|interval| interval.1),
    })
}

/// What one row of class probabilities adds to the scores.
struct ClassRow {
    confidence: f64,
    is_hit: bool,
    log_loss: f64,
    brier: f64,
}

impl ClassRow {
    fn new(p: &[f64], target: usize) -> Self {
        let top = most_probable(p);
        Self {
            confidence: p[top],
            is_hit: top == target,
            log_loss: -p[target].ln(),
            brier: p.iter().enumerate().map(|(c, p)| (p - f64::from(u8::from(c == target))).powi(2)).sum(),
        }
    }
}

/// Accuracy, log loss, Brier score and expected calibration error of some of the rows.
fn class_scores(rows: &[ClassRow], chosen: &[usize]) -> [f64; 4] {
    let n = chosen.len() as f64;
    let mean = |of: &dyn Fn(&ClassRow) -> f64| chosen.iter().map(|i| of(&rows[*i])).sum::<f64>() / n;
    let pairs = chosen.iter().map(|i| (rows[*i].confidence, rows[*i].is_hit));
    [
        mean(&|row| f64::from(u8::from(row.is_hit))),
        mean(&|row| row.log_loss),
        mean(&|row| row.brier),
        expected_error(pairs, CALIBRATION_BINS),
    ]
}

impl CalibrationScores {
    fn new(found: &ClassCalibration, rows: &[ClassRow]) -> Self {
        let errors: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(!row.is_hit))).collect();
        let doubts: Vec<f64> = rows.iter().map(|row| 1.0 - row.confidence).collect();
        let doubts_of = |is_hit: bool| -> Vec<f64> {
            rows.iter().filter(|row| row.is_hit == is_hit).map(|row| 1.0 - row.confidence).collect()
        };
        let (right, wrong) = (doubts_of(true), doubts_of(false));
        Self {
            ece_equal_mass: found.ece_equal_mass,
            classwise: found.classwise,
            squared_debiased: found.squared_debiased,
            mce: found.mce,
            risk_coverage: risk_coverage_area(&errors, &doubts),
            error_aupr: (!right.is_empty() && !wrong.is_empty()).then(|| average_precision(&right, &wrong)),
        }
    }
}

/// The probability integral transform of the targets: uniform when the predictions are calibrated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pit {
    /// Share of the targets in each of 20 equal bins of the distribution function.
    pub histogram: Vec<f64>,
    /// Kolmogorov and Smirnov's distance from the uniform distribution; about `1.36 / sqrt(N)` at the 5 % level.
    pub ks: f64,
}

/// The PIT of numbers `[N]`. For counts, the middle of the jump of the distribution function is taken.
///
/// # Errors
/// [`Error::Data`] when there are no rows, lengths differ, or a target is not finite.
pub fn pit(marginals: &dyn Marginals, targets: &[f64], counts: bool) -> Result<Pit> {
    check(marginals.len(), targets.len())?;
    check_finite(targets)?;
    let mut values: Vec<f64> = (0..targets.len())
        .into_par_iter()
        .map(|i| {
            let at = marginals.cdf(i, targets[i]);
            if counts { 0.5 * (at + marginals.cdf(i, targets[i] - 1.0)) } else { at }
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mut histogram = vec![0.0; PIT_BINS];
    let mut ks = 0.0f64;
    for (i, u) in values.iter().enumerate() {
        histogram[((u * PIT_BINS as f64) as usize).min(PIT_BINS - 1)] += 1.0 / n;
        ks = ks.max(u - i as f64 / n).max((i as f64 + 1.0) / n - u);
    }
    Ok(Pit { histogram, ks })
}

/// The normal distribution of the training targets: the trivial model that a standardised score compares with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TargetNormal {
    /// Mean of the training targets, in their unit.
    pub mean: f64,
    /// Their standard deviation, positive.
    pub sd: f64,
}

impl TargetNormal {
    /// That of these targets.
    ///
    /// # Errors
    /// [`Error::Data`] when they are constant, none, or so large that mean or spread are not finite.
    pub fn of(training: &[f64]) -> Result<Self> {
        let n = training.len() as f64;
        let mean = training.iter().map(|y| y / n).sum::<f64>();
        let sd = root_mean_square(&training.iter().map(|y| y - mean).collect::<Vec<_>>());
        let is_constant = training.iter().all(|y| *y == training[0]);
        if is_constant || !mean.is_finite() || !sd.is_finite() || sd <= 0.0 {
            return Err(Error::data(
                "the training targets are constant, or without a finite spread",
                "a standardised score needs targets that vary",
            ));
        }
        Ok(Self { mean, sd })
    }

    /// Mean `-log p(y)` of the predictions less that of this normal, in nats: negative where they are better than it.
    ///
    /// # Errors
    /// [`Error::Data`] when there are no rows, or lengths differ.
    pub fn standardised_log_loss(&self, marginals: &dyn Marginals, targets: &[f64]) -> Result<f64> {
        check(marginals.len(), targets.len())?;
        let trivial = crate::Normals { mean: vec![self.mean], sd: vec![self.sd] };
        let loss = |i: usize| trivial.log_prob(0, targets[i]) - marginals.log_prob(i, targets[i]);
        Ok((0..targets.len()).map(loss).sum::<f64>() / targets.len() as f64)
    }
}

/// Standardised log loss: mean `-log p(y)` less that of a normal with the training targets' mean and variance. Negative is better than
/// that trivial model.
///
/// # Errors
/// [`Error::Data`] when there are no rows, lengths differ, or the training targets are constant.
pub fn standardised_log_loss(marginals: &dyn Marginals, targets: &[f64], training: &[f64]) -> Result<f64> {
    TargetNormal::of(training)?.standardised_log_loss(marginals, targets)
}

pub(crate) fn check(predicted: usize, targets: usize) -> Result<()> {
    if predicted != targets {
        return Err(Error::data(
            format!("there are {predicted} predictions and {targets} targets"),
            "predict and score the same rows",
        ));
    }
    if targets == 0 {
        return Err(Error::data("there are no rows to score", "give at least one row with a target"));
    }
    Ok(())
}

pub(crate) fn check_finite(targets: &[f64]) -> Result<()> {
    match targets.iter().position(|y| !y.is_finite()) {
        Some(i) => {
            Err(Error::data(format!("the target in row {} is {}", i + 1, targets[i]), "remove rows without a target"))
        }
        None => Ok(()),
    }
}
