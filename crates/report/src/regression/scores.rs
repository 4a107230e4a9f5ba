//! Scores of a regression, with the errors of counting that a judgement needs.

use elbo_core::Table;
use elbo_core::magnitude::unit_of;
use serde::{Deserialize, Serialize};

use super::RegressionEvidence;
use crate::chance::binomial_shares;
use crate::format::{number, percent};
use crate::report::Basis;

/// How intervals compare with their promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// Within chance, or off by too little to matter.
    Right,
    /// They hold too little.
    Narrow,
    /// They hold too much.
    Wide,
}

impl Width {
    pub(crate) fn is_right(self) -> bool {
        self == Self::Right
    }
}

/// What the intervals of one level held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Probability promised.
    pub level: f64,
    /// Rows inside.
    pub rows: usize,
    /// Mean width, in the target's unit.
    pub width: f64,
}

impl Held {
    /// Share of all rows inside.
    pub fn share(&self, rows: usize) -> f64 {
        self.rows as f64 / rows.max(1) as f64
    }

    /// Shares that chance explains, with this probability, if the promise holds and rows are independent.
    pub fn chance(&self, rows: usize, probability: f64) -> (f64, f64) {
        binomial_shares(rows, self.level.clamp(0.0, 1.0), probability)
    }

    /// The shares that the verdict takes for chance: 99 % of calibrated models hold one of them.
    pub(crate) fn allowed(&self, rows: usize) -> (f64, f64) {
        self.chance(rows, 0.99)
    }

    /// Too narrow or too wide only beyond what is allowed, and by more than two points, which nobody would notice.
    pub(crate) fn state(&self, rows: usize) -> Width {
        let (low, high) = self.allowed(rows);
        let share = self.share(rows);
        if share < low && self.level - share > 0.02 {
            Width::Narrow
        } else if share > high && share - self.level > 0.02 {
            Width::Wide
        } else {
            Width::Right
        }
    }
}

/// Scores of a regression.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RegressionScores {
    /// Rows judged.
    pub rows: usize,
    /// Rows left out because the value or its prediction is not finite.
    pub unusable: usize,
    /// On which rows.
    pub basis: Basis,
    /// Root mean square error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Root mean square error of predicting the mean.
    pub baseline_rmse: f64,
    /// Mean of predicted minus observed, with its standard error.
    pub bias: (f64, f64),
    /// Mean squared error saved against predicting the mean, with its standard error; both up to a common power of two.
    pub gain: (f64, f64),
    /// Standard deviation of the observed values.
    pub spread: f64,
    /// Coverage by level, ascending.
    pub held: Vec<Held>,
    /// Root mean square error in the least certain third over that in the most certain third; `None` where the predicted
    /// standard deviations hardly differ or rows are few.
    pub contrast: Option<f64>,
    /// Mean negative log predictive density, in nats.
    pub nlpd: Option<f64>,
    /// Mean continuous ranked probability score.
    pub crps: Option<f64>,
}

impl RegressionScores {
    /// Scores the evidence.
    ///
    /// # Panics
    /// When the vectors differ in length.
    pub fn new(evidence: &RegressionEvidence) -> Self {
        let (observed, mean) = (&evidence.observed, &evidence.mean);
        assert_eq!(mean.len(), observed.len(), "one predicted mean an observed value");
        let usable: Vec<usize> =
            (0..observed.len()).filter(|&i| observed[i].is_finite() && mean[i].is_finite()).collect();
        let rows = usable.len();
        let average = |f: &dyn Fn(usize) -> f64| usable.iter().map(|&i| f(i)).sum::<f64>() / rows.max(1) as f64;
        let own_mean = average(&|i| observed[i]);
        let baseline = evidence.baseline.unwrap_or(own_mean);
        // Errors and distances are scaled, so that squares of very large and very small values stay in range.
        let unit = unit_of(usable.iter().flat_map(|&i| [mean[i] - observed[i], observed[i] - baseline]));
        let error = |i: usize| (mean[i] - observed[i]) / unit;
        let distance = |i: usize, from: f64| (observed[i] - from) / unit;
        let saved = |i: usize| distance(i, baseline).powi(2) - error(i).powi(2);
        let with_error = |f: &dyn Fn(usize) -> f64| {
            let centre = average(f);
            let variance = average(&|i| (f(i) - centre).powi(2));
            // With one row there is no error to estimate, and nothing can be told from it.
            (centre, if rows > 1 { (variance / (rows - 1) as f64).sqrt() } else { f64::INFINITY })
        };
        let mut held: Vec<Held> = evidence
            .intervals
            .iter()
            .map(|interval| {
                let (lower, upper) = (&interval.lower, &interval.upper);
                assert_eq!(
                    (lower.len(), upper.len()),
                    (observed.len(), observed.len()),
                    "one interval an observed value"
                );
                let inside = usable.iter().filter(|&&i| lower[i] <= observed[i] && observed[i] <= upper[i]).count();
                Held { level: interval.level, rows: inside, width: average(&|i| upper[i] - lower[i]) }
            })
            .collect();
        held.sort_by(|a, b| a.level.total_cmp(&b.level));
        let (bias, bias_error) = with_error(&error);
        Self {
            rows,
            unusable: observed.len() - rows,
            basis: evidence.basis.clone(),
            rmse: unit * average(&|i| error(i).powi(2)).sqrt(),
            mae: unit * average(&|i| error(i).abs()),
            baseline_rmse: unit * average(&|i| distance(i, baseline).powi(2)).sqrt(),
            bias: (unit * bias, unit * bias_error),
            gain: with_error(&saved),
            spread: unit * average(&|i| distance(i, own_mean).powi(2)).sqrt(),
            held,
            contrast: contrast(&usable, &evidence.sd, &error),
            nlpd: evidence.nlpd,
            crps: evidence.crps,
        }
    }

    /// Share of the baseline's squared error that the predictions save.
    pub fn explained(&self) -> f64 {
        1.0 - (self.rmse / self.baseline_rmse).powi(2)
    }

    /// Whether the errors are smaller than the baseline's by more than two standard errors.
    pub fn is_better_than_the_mean(&self) -> bool {
        self.gain.0 > 2.0 * self.gain.1
    }

    /// Negative log density of a Gaussian with the observed mean and spread.
    pub fn baseline_nlpd(&self) -> f64 {
        0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E).ln() + self.spread.ln()
    }

    /// Coverage and width by level, with what chance explains; `None` without intervals.
    pub fn coverage_table(&self) -> Option<Table> {
        if self.held.is_empty() || self.rows == 0 {
            return None;
        }
        let mut table = Table::new(
            "coverage",
            "Share of values inside their intervals; 95\u{a0}% of calibrated models hold a share within chance.",
            &["promised", "held", "within chance", "mean width"],
        );
        for held in &self.held {
            let (low, high) = held.chance(self.rows, 0.95);
            let range = format!("{} – {}", percent(low), percent(high));
            table.push(vec![percent(held.level), percent(held.share(self.rows)), range, number(held.width)]);
        }
        Some(table)
    }
}

/// Whether the stated uncertainty tells where the errors are large.
fn contrast(usable: &[usize], sd: &[f64], error: &dyn Fn(usize) -> f64) -> Option<f64> {
    let third = usable.len() / 3;
    if third < 20 || sd.is_empty() {
        return None;
    }
    let mut order = usable.to_vec();
    order.sort_by(|&a, &b| sd[a].total_cmp(&sd[b]));
    let (certain, uncertain) = (&order[..third], &order[order.len() - third..]);
    if sd[uncertain[0]] < 1.2 * sd[certain[third - 1]] {
        return None;
    }
    let rms = |rows: &[usize]| (rows.iter().map(|&i| error(i).powi(2)).sum::<f64>() / third as f64).sqrt();
    let ratio = rms(uncertain) / rms(certain);
    ratio.is_finite().then_some(ratio)
}
