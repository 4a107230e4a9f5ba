//! Reports on predictions of a number: the evidence, its scores, the verdict, the page.

mod scores;
mod verdict;

use elbo_core::Marginals;
use serde::{Deserialize, Serialize};

pub use self::scores::{Held, RegressionScores};
use crate::figures;
use crate::format::{number, percent};
use crate::report::{Basis, Card, Context, Report, Section, Standing};

/// Central intervals of one probability, one a row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Probability inside, in (0, 1).
    pub level: f64,
    /// Lower ends, `[N]`.
    pub lower: Vec<f64>,
    /// Upper ends, `[N]`.
    pub upper: Vec<f64>,
}

/// Predictions of a number with what was observed. Vectors are `[N]`, in the target's unit, or empty where marked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegressionEvidence {
    /// Name of the target, with its unit.
    pub target: String,
    /// On which rows.
    pub basis: Basis,
    /// Observed values.
    pub observed: Vec<f64>,
    /// Predicted means.
    pub mean: Vec<f64>,
    /// Predicted standard deviations of an observation; may be empty.
    pub sd: Vec<f64>,
    /// Intervals at several levels; may be empty.
    pub intervals: Vec<Interval>,
    /// Predictive distribution function at the observed values; may be empty.
    pub pit: Vec<f64>,
    /// Mean negative log predictive density, in nats.
    pub nlpd: Option<f64>,
    /// Mean continuous ranked probability score, in the target's unit.
    pub crps: Option<f64>,
    /// Mean of the training target: what a prediction without inputs would say. The observed mean where it is not known.
    pub baseline: Option<f64>,
}

impl RegressionEvidence {
    /// Asks predictive distributions for everything the report shows, with intervals at 50, 90 and 95 %.
    ///
    /// # Panics
    /// When there is not one distribution a row.
    pub fn new(target: &str, basis: Basis, observed: Vec<f64>, marginals: &dyn Marginals) -> Self {
        let n = observed.len();
        assert_eq!(marginals.len(), n, "{} predictive distributions for {n} observed values", marginals.len());
        let each = |f: &dyn Fn(usize) -> f64| (0..n).map(f).collect::<Vec<f64>>();
        let average = |values: Vec<f64>| (n > 0).then(|| values.iter().sum::<f64>() / n as f64);
        let intervals = [0.5, 0.9, 0.95].map(|level| {
            let (lower, upper) = (0..n).map(|i| marginals.interval(i, level)).unzip();
            Interval { level, lower, upper }
        });
        Self {
            target: target.into(),
            basis,
            mean: each(&|i| marginals.mean(i)),
            sd: each(&|i| marginals.sd(i)),
            intervals: intervals.into(),
            pit: each(&|i| marginals.cdf(i, observed[i])),
            nlpd: average(each(&|i| -marginals.log_prob(i, observed[i]))),
            crps: average(each(&|i| marginals.crps(i, observed[i]))),
            baseline: None,
            observed,
        }
    }
}

/// The whole report on a regression.
pub fn regression_report(context: Context, evidence: &RegressionEvidence) -> Report {
    let scores = RegressionScores::new(evidence);
    let verdict = scores.verdict();
    let widest = evidence.intervals.iter().max_by(|a, b| a.level.total_cmp(&b.level));
    let (lower, upper, level) = widest.map_or((&[][..], &[][..], 0.0), |i| (&i.lower, &i.upper, i.level));
    let finite_sd = evidence.sd.iter().all(|s| s.is_finite() && *s > 0.0);
    let sd = if finite_sd { evidence.sd.as_slice() } else { &[] };
    let RegressionEvidence { target, observed, mean, .. } = evidence;
    let mut predictions = Section {
        heading: "Predictions".into(),
        figures: vec![
            figures::predicted_vs_observed(target, observed, mean, lower, upper, level),
            figures::residuals(target, observed, mean, sd),
        ],
        ..Section::default()
    };
    let mut honest = Section { heading: "Are the intervals honest?".into(), ..Section::default() };
    if !evidence.pit.is_empty() {
        honest.figures.push(figures::calibration(&evidence.pit));
        honest.figures.push(figures::pit_histogram(&evidence.pit));
    } else if !sd.is_empty() {
        let pit = figures::gaussian_pit(observed, mean, sd);
        honest.text.push("Computed from means and standard deviations as if the predictions were Gaussian.".into());
        honest.figures.push(figures::calibration(&pit));
        honest.figures.push(figures::pit_histogram(&pit));
    } else if !scores.held.is_empty() {
        let (levels, held): (Vec<f64>, Vec<usize>) = scores.held.iter().map(|h| (h.level, h.rows)).unzip();
        honest.figures.push(figures::coverage(&levels, &held, scores.rows));
    }
    honest.tables.extend(scores.coverage_table());
    if observed.is_empty() {
        predictions.figures.clear();
        honest = Section::default();
    }
    context.into_report(verdict, cards(&scores), vec![predictions, honest])
}

fn cards(scores: &RegressionScores) -> Vec<Card> {
    if scores.rows == 0 {
        return vec![];
    }
    let baseline = number(scores.baseline_rmse);
    let mut cards = vec![
        Card::new("Typical error", number(scores.rmse), format!("RMSE; the mean alone: {baseline}"))
            .judged(scores.error_standing()),
        Card::new(
            "Variance explained",
            percent(scores.explained()),
            format!("R²; mean absolute error {}", number(scores.mae)),
        ),
    ];
    if let Some(held) = scores.held.last() {
        let (low, high) = held.allowed(scores.rows);
        let note = format!("{} to {} is within chance", percent(low), percent(high));
        let standing = if held.state(scores.rows).is_right() { Standing::Good } else { Standing::Caution };
        let level = percent(held.level);
        let share = percent(held.share(scores.rows));
        cards.push(Card::new(format!("{level} intervals hold"), share, note).judged(standing));
        cards.push(Card::new(format!("{level} interval width"), number(held.width), "mean, in the target's unit"));
    }
    if let Some(nlpd) = scores.nlpd {
        let reference = format!("NLPD; mean and spread alone: {}", number(scores.baseline_nlpd()));
        cards.push(Card::new("Log score", number(nlpd), reference));
    }
    if let Some(crps) = scores.crps {
        cards.push(Card::new("CRPS", number(crps), "error of the whole distribution"));
    }
    cards
}
