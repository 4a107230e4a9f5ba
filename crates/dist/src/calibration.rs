//! Whether probabilities mean what they say, and whether doubt is where the errors are.
//!
//! | question | measure |
//! |---|---|
//! | do 80 % of the rows predicted with 80 % come true? | [`ClassCalibration`] |
//! | do 80 % of the targets fall in the 80 % interval? | [`regression_calibration_error`], [`interval_score`] |
//! | how narrow are the predictions? | [`sharpness`] |
//! | does a score tell unusual rows from usual ones? | [`auroc`], [`average_precision`], [`false_positive_rate`] |
//! | are the rows one is sure of the right ones? | [`risk_coverage_area`] |
//! | how sure is any of these numbers? | [`bootstrap`], [`bootstrap_each`] |

use crate::scores::{check, check_finite};
use elbo_core::{Error, Marginals, Result, Rng};
use serde::{Deserialize, Serialize};

/// Calibration errors of class probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassCalibration {
    /// Number of rows.
    pub rows: usize,
    /// Expected error of the most probable class over bins of equal width: `Σ n_b / n |accuracy_b - confidence_b|`.
    pub ece: f64,
    /// The same over bins of equally many rows.
    pub ece_equal_mass: f64,
    /// Over bins of equal width for each class's own probability, averaged over classes.
    pub classwise: f64,
    /// Expected squared error over bins of equal width, less what chance alone gives, `accuracy_b (1 - accuracy_b) / (n_b - 1)`; may
    /// be below zero.
    pub squared_debiased: f64,
    /// The largest error of a bin of equal width.
    pub mce: f64,
}

/// Rows, hits and confidences of a bin.
#[derive(Clone, Copy, Default)]
struct Bin {
    rows: f64,
    hits: f64,
    confidence: f64,
}

impl Bin {
    fn add(&mut self, (confidence, hit): (f64, bool)) {
        self.rows += 1.0;
        self.hits += f64::from(u8::from(hit));
        self.confidence += confidence;
    }

    fn gap(&self) -> f64 {
        (self.hits - self.confidence).abs() / self.rows.max(1.0)
    }
}

fn equal_width(pairs: impl Iterator<Item = (f64, bool)>, bins: usize) -> Vec<Bin> {
    let mut found = vec![Bin::default(); bins];
    for (confidence, hit) in pairs {
        // Bins are closed on the right, as is usual.
        let at = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
        found[at].add((confidence, hit));
    }
    found
}

fn expected(bins: &[Bin]) -> f64 {
    let rows: f64 = bins.iter().map(|b| b.rows).sum();
    bins.iter().map(|b| (b.hits - b.confidence).abs()).sum::<f64>() / rows
}

/// Bins of calibration errors, as is usual.
pub const CALIBRATION_BINS: usize = 15;

/// The expected calibration error of pairs of a confidence and whether it came true, over bins of equal width.
pub(crate) fn expected_error(pairs: impl Iterator<Item = (f64, bool)>, bins: usize) -> f64 {
    expected(&equal_width(pairs, bins))
}

/// The most probable class, the first of equal ones.
pub(crate) fn most_probable(p: &[f64]) -> usize {
    (1..p.len()).fold(0, |best, c| if p[c] > p[best] { c } else { best })
}

impl ClassCalibration {
    /// Of probabilities `[N, C]` (row-major) against class indices `[N]`, with this many bins (15 is usual).
    ///
    /// # Errors
    /// [`Error::Data`] when there are no rows, lengths differ, a probability is not finite, or an index is not below `classes`.
    pub fn new(classes: usize, probabilities: &[f64], targets: &[usize], bins: usize) -> Result<Self> {
        assert!(bins > 0, "calibration needs a bin");
        let rows = targets.len();
        let is_usable = probabilities.iter().all(|p| p.is_finite()) && targets.iter().all(|t| *t < classes);
        if rows == 0 || probabilities.len() != rows * classes || !is_usable {
            return Err(Error::data(
                format!("{} probabilities of {classes} classes for {rows} targets", probabilities.len()),
                "give one finite probability a row and class, and targets below the number of classes",
            ));
        }
        let each: Vec<(f64, bool)> = probabilities
            .chunks(classes)
            .zip(targets)
            .map(|(p, target)| {
                let top = most_probable(p);
                (p[top], top == *target)
            })
            .collect();
        let width = equal_width(each.iter().copied(), bins);
        let mut sorted = each;
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut mass = vec![Bin::default(); bins.min(rows)];
        let count = mass.len();
        sorted.iter().enumerate().for_each(|(i, pair)| mass[i * count / rows].add(*pair));
        let of_class = |c: usize| {
            let pairs = probabilities.chunks(classes).zip(targets).map(|(p, t)| (p[c], *t == c));
            expected_error(pairs, bins)
        };
        let squared = |bin: &Bin| {
            let accuracy = bin.hits / bin.rows;
            bin.rows * (bin.gap().powi(2) - accuracy * (1.0 - accuracy) / (bin.rows - 1.0))
        };
        Ok(Self {
            rows,
            ece: expected(&width),
            ece_equal_mass: expected(&mass),
            classwise: (0..classes).map(of_class).sum::<f64>() / classes as f64,
            // A single row says nothing about the spread of its bin.
            squared_debiased: width.iter().filter(|b| b.rows > 1.0).map(squared).sum::<f64>() / rows as f64,
            mce: width.iter().map(Bin::gap).fold(0.0, f64::max),
        })
    }
}

/// Mean distance between the levels 0.05, 0.10, ..., 0.95 and the shares of the targets inside those central intervals.
///
/// # Errors
/// [`Error::Data`] when there are no rows, lengths differ, or a target is not finite.
pub fn regression_calibration_error(marginals: &dyn Marginals, targets: &[f64]) -> Result<f64> {
    check(marginals.len(), targets.len())?;
    check_finite(targets)?;
    // A target lies in the central interval of level p when its distance from the median, as a probability, is at most p / 2.
    let depths: Vec<f64> = targets.iter().enumerate().map(|(i, y)| 2.0 * (marginals.cdf(i, *y) - 0.5).abs()).collect();
    let levels = (1..20).map(|k| 0.05 * f64::from(k));
    let share = |p: f64| depths.iter().filter(|d| **d <= p).count() as f64 / depths.len() as f64;
    Ok(levels.map(|p| (share(p) - p).abs()).sum::<f64>() / 19.0)
}

/// Mean standard deviation of the predictions, in the target's unit: of two calibrated forecasts the sharper one says more. Infinite where a row
/// has no variance.
///
/// # Errors
/// [`Error::Data`] when there are no rows.
pub fn sharpness(marginals: &dyn Marginals) -> Result<f64> {
    let rows = marginals.len();
    check(rows, rows)?;
    Ok((0..rows).map(|i| marginals.sd(i)).sum::<f64>() / rows as f64)
}

/// Width of the central interval of this level, plus `2 / α` times the distance by which the target misses it, α = 1 - level; in the
/// target's unit. Proper: the true quantiles minimise its mean.
///
/// # Source
/// Gneiting and Raftery (2007).
pub fn interval_score(low: f64, high: f64, y: f64, level: f64) -> f64 {
    let penalty = 2.0 / (1.0 - level);
    (high - low) + penalty * ((low - y).max(0.0) + (y - high).max(0.0))
}

/// Scores of both groups in descending order, with equal scores together: counts (inside, outside) of each distinct score.
fn ranked(inside: &[f64], outside: &[f64]) -> Vec<(f64, f64)> {
    assert!(!inside.is_empty() && !outside.is_empty(), "two groups of scores are compared, one is empty");
    let mut all: Vec<(f64, bool)> =
        inside.iter().map(|s| (*s, false)).chain(outside.iter().map(|s| (*s, true))).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut groups: Vec<(f64, f64)> = vec![];
    let mut last = f64::NAN;
    for (score, is_outside) in all {
        if score != last {
            groups.push((0.0, 0.0));
            last = score;
        }
        let group = groups.last_mut().expect("one was pushed");
        *(if is_outside { &mut group.1 } else { &mut group.0 }) += 1.0;
    }
    groups
}

/// Probability that an outside score is above an inside one, ties counting half: the area under the receiver's curve.
pub fn auroc(inside: &[f64], outside: &[f64]) -> f64 {
    let (mut above, mut area) = (0.0, 0.0);
    for (i, o) in ranked(inside, outside) {
        area += i * (above + 0.5 * o);
        above += o;
    }
    area / (inside.len() * outside.len()) as f64
}

/// Area under precision against recall for finding outside scores as the high ones, by steps. For finding inside ones, turn the
/// groups and the signs.
pub fn average_precision(inside: &[f64], outside: &[f64]) -> f64 {
    let (mut seen, mut found, mut area) = (0.0, 0.0, 0.0);
    for (i, o) in ranked(inside, outside) {
        seen += i + o;
        found += o;
        area += o / outside.len() as f64 * found / seen;
    }
    area
}

/// Share of inside scores at or above the threshold that the highest `rate` of the outside scores reach: 0.95 is usual.
pub fn false_positive_rate(inside: &[f64], outside: &[f64], rate: f64) -> f64 {
    let (mut wrong, mut found) = (0.0, 0.0);
    for (i, o) in ranked(inside, outside) {
        wrong += i;
        found += o;
        if found >= rate * outside.len() as f64 {
            break;
        }
    }
    wrong / inside.len() as f64
}

/// Mean error of the surest rows, averaged over how many are kept: one error and one doubt a row, smaller is better. Equal doubts share
/// their mean error.
pub fn risk_coverage_area(errors: &[f64], doubts: &[f64]) -> f64 {
    assert!(!errors.is_empty() && errors.len() == doubts.len(), "one doubt an error, at least one");
    let mut order: Vec<usize> = (0..errors.len()).collect();
    order.sort_by(|a, b| doubts[*a].total_cmp(&doubts[*b]));
    let (mut sum, mut kept, mut area) = (0.0, 0.0, 0.0);
    for group in order.chunk_by(|a, b| doubts[*a] == doubts[*b]) {
        let mean = group.iter().map(|i| errors[*i]).sum::<f64>() / group.len() as f64;
        for _ in group {
            sum += mean;
            kept += 1.0;
            area += sum / kept;
        }
    }
    area / errors.len() as f64
}

/// The 95 % interval of a statistic of rows, by redrawing rows: the 2.5 % and 97.5 % points of `draws` values. `statistic` is given row
/// numbers, some of them several times.
pub fn bootstrap(rows: usize, draws: usize, rng: &mut Rng, statistic: impl Fn(&[usize]) -> f64) -> (f64, f64) {
    let [interval] = bootstrap_each(rows, draws, rng, |chosen| [statistic(chosen)]);
    interval
}

/// The intervals of several statistics by [`bootstrap`], all of the same redrawn rows. Statistics may be infinite.
pub fn bootstrap_each<const K: usize>(
    rows: usize,
    draws: usize,
    rng: &mut Rng,
    statistics: impl Fn(&[usize]) -> [f64; K],
) -> [(f64, f64); K] {
    assert!(rows > 0 && draws >= 2, "an interval needs rows and draws");
    let mut chosen = vec![0; rows];
    let values: Vec<[f64; K]> = (0..draws)
        .map(|_| {
            chosen.iter_mut().for_each(|row| *row = rng.below(rows));
            statistics(&chosen)
        })
        .collect();
    std::array::from_fn(|k| {
        let mut own: Vec<f64> = values.iter().map(|each| each[k]).collect();
        own.sort_by(f64::total_cmp);
        (crate::quantile(&own, 0.025), crate::quantile(&own, 0.975))
    })
}
