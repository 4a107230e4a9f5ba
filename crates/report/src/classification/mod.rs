//! Reports on class probabilities: the evidence, its scores, the verdict, the page.

mod verdict;

use elbo_core::Table;
use serde::{Deserialize, Serialize};

use crate::figures;
use crate::format::{count, number, percent};
use crate::report::{Basis, Card, Context, Report, Section, Standing};

/// A score of class probabilities as a row of the report's table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassMeasure {
    /// Its name, as `elbo evaluate` has it.
    pub name: String,
    /// What it says, in a few words.
    pub meaning: String,
    /// Its value.
    pub value: f64,
    /// Its 95 % interval, where there is one.
    pub interval: Option<(f64, f64)>,
}

impl ClassMeasure {
    /// A score without an interval.
    pub fn new(name: &str, meaning: &str, value: f64) -> Self {
        Self { name: name.into(), meaning: meaning.into(), value, interval: None }
    }

    /// The same with its 95 % interval.
    pub fn within(mut self, low: f64, high: f64) -> Self {
        self.interval = Some((low, high));
        self
    }
}

/// Class probabilities with what was observed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassificationEvidence {
    /// Name of the target.
    pub target: String,
    /// On which rows.
    pub basis: Basis,
    /// Class names, `[C]`.
    pub classes: Vec<String>,
    /// Observed class indices, `[N]`.
    pub truth: Vec<usize>,
    /// Row-major `[N, C]`; rows sum to one.
    pub probabilities: Vec<f64>,
    /// Class frequencies of the training rows, `[C]`; those of the observed rows where they are not known.
    pub base_rates: Option<Vec<f64>>,
    /// Scores that somebody else computed from the same rows, with their intervals; shown as they are.
    pub measures: Vec<ClassMeasure>,
}

/// Scores of a classification.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassificationScores {
    /// Rows judged.
    pub rows: usize,
    /// On which rows.
    pub basis: Basis,
    /// Share of rows whose most probable class is right.
    pub accuracy: f64,
    /// Mean negative log probability of the observed class, in nats; infinite when one was held impossible.
    pub log_loss: f64,
    /// Mean squared distance of the probabilities from the observed class, summed over classes.
    pub brier: f64,
    /// Expected calibration error of the most probable class, 15 bins of equal width, as in `elbo evaluate`.
    pub ece: f64,
    /// Mean probability of the most probable class.
    pub confidence: f64,
    /// Standard error of `accuracy - confidence`, if the probabilities are right.
    pub confidence_error: f64,
    /// The most frequent class, and how often always guessing it is right.
    pub majority: (String, f64),
    /// Share of rows gained against the majority, with its standard error.
    pub gain: (f64, f64),
    /// Log loss of always stating the base rates.
    pub baseline_log_loss: f64,
    /// Log loss saved against the base rates, with its standard error.
    pub information: (f64, f64),
    /// Rows whose observed class was given no probability at all.
    pub impossible: usize,
}

impl ClassificationScores {
    /// Scores the evidence.
    ///
    /// # Panics
    /// When there are not `C` probabilities a row, or an index names no class.
    pub fn new(evidence: &ClassificationEvidence) -> Self {
        let ClassificationEvidence { classes, truth, probabilities, .. } = evidence;
        let (rows, width) = (truth.len(), classes.len());
        assert_eq!(probabilities.len(), rows * width, "{rows} rows of {width} classes want as many probabilities");
        if rows == 0 {
            return Self { basis: evidence.basis.clone(), ..Self::default() };
        }
        let p = |i: usize, k: usize| probabilities[i * width + k];
        let predicted = figures::most_probable(probabilities, width);
        let average = |f: &dyn Fn(usize) -> f64| (0..rows).map(f).sum::<f64>() / rows as f64;
        let with_error = |f: &dyn Fn(usize) -> f64| {
            let centre = average(f);
            let variance = average(&|i| (f(i) - centre).powi(2));
            (centre, if rows > 1 { (variance / (rows - 1) as f64).sqrt() } else { f64::INFINITY })
        };
        let base = evidence.base_rates.clone().unwrap_or_else(|| {
            (0..width).map(|k| truth.iter().filter(|&&t| t == k).count() as f64 / rows as f64).collect()
        });
        let most = figures::most_probable(&base, width)[0];
        let right = |i: usize| f64::from(u8::from(predicted[i] == truth[i]));
        let confidence = |i: usize| p(i, predicted[i]);
        let loss = |i: usize| -p(i, truth[i]).ln();
        Self {
            rows,
            basis: evidence.basis.clone(),
            accuracy: average(&right),
            log_loss: average(&loss),
            brier: average(&|i| (0..width).map(|k| (p(i, k) - f64::from(u8::from(k == truth[i]))).powi(2)).sum()),
            ece: calibration_error(rows, &confidence, &right),
            confidence: average(&confidence),
            confidence_error: (average(&|i| confidence(i) * (1.0 - confidence(i))) / rows as f64).sqrt(),
            majority: (classes[most].clone(), average(&|i| f64::from(u8::from(truth[i] == most)))),
            gain: with_error(&|i| right(i) - f64::from(u8::from(truth[i] == most))),
            baseline_log_loss: average(&|i| -base[truth[i]].ln()),
            information: with_error(&|i| loss(i).mul_add(-1.0, -base[truth[i]].ln())),
            impossible: (0..rows).filter(|&i| p(i, truth[i]) <= 0.0).count(),
        }
    }
}

/// Mean gap between stated and observed shares, weighted by the rows of each bin. Bins are those of `elbo_dist::scores`, which this crate
/// does not see: as many, and closed on the right.
fn calibration_error(rows: usize, confidence: &dyn Fn(usize) -> f64, right: &dyn Fn(usize) -> f64) -> f64 {
    const BINS: usize = 15;
    let mut gaps = [0.0; BINS];
    for i in 0..rows {
        gaps[((confidence(i) * BINS as f64).ceil() as usize).clamp(1, BINS) - 1] += confidence(i) - right(i);
    }
    gaps.iter().map(|g| g.abs()).sum::<f64>() / rows as f64
}

/// The whole report on a classification.
pub fn classification_report(context: Context, evidence: &ClassificationEvidence) -> Report {
    let scores = ClassificationScores::new(evidence);
    let verdict = scores.verdict();
    let ClassificationEvidence { classes, truth, probabilities, .. } = evidence;
    if truth.is_empty() {
        return context.into_report(verdict, vec![], vec![]);
    }
    let width = classes.len();
    let predicted = figures::most_probable(probabilities, width);
    let (stated, happened): (Vec<f64>, Vec<bool>) = match width {
        // With two classes the probability of the second says everything, on both sides of one half.
        2 => truth.iter().enumerate().map(|(i, &t)| (probabilities[i * 2 + 1], t == 1)).unzip(),
        _ => {
            truth.iter().enumerate().map(|(i, &t)| (probabilities[i * width + predicted[i]], t == predicted[i])).unzip()
        }
    };
    let mut reliability = figures::reliability(&stated, &happened);
    if width == 2 {
        reliability.x_label = format!("probability stated for {}", classes[1]);
    } else {
        reliability.x_label = "probability stated for the most probable class".into();
    }
    let (confidence, right): (Vec<f64>, Vec<bool>) =
        truth.iter().enumerate().map(|(i, &t)| (probabilities[i * width + predicted[i]], t == predicted[i])).unzip();
    let section = Section {
        heading: "Predictions".into(),
        figures: vec![
            reliability,
            figures::recall_bars(classes, truth, &predicted),
            figures::risk_coverage(&confidence, &right),
        ],
        tables: if width <= 20 { vec![figures::confusion(classes, truth, &predicted)] } else { vec![] },
        ..Section::default()
    };
    let cards = cards(&scores, width);
    let mut sections = vec![section];
    if !evidence.measures.is_empty() {
        sections.push(measures(&evidence.measures));
    }
    context.into_report(verdict, cards, sections)
}

/// All scores with how sure they are.
fn measures(measures: &[ClassMeasure]) -> Section {
    let caption = "Scores and calibration of these rows, with 95 % intervals from rows drawn again with replacement.";
    let mut table = Table::new("scores", caption, &["score", "value", "lower", "upper", "what it says"]);
    for ClassMeasure { name, meaning, value, interval } in measures {
        let [low, high] = interval.map_or([String::new(), String::new()], |(low, high)| [number(low), number(high)]);
        table.push(vec![format!("`{name}`"), number(*value), low, high, meaning.clone()]);
    }
    let text = "Of ever more rows like these the scores would lie within these intervals about nineteen times in twenty; those of another table of as many rows vary \
                more, since it has chance of its own. The interval of the calibration error lies high, since rows that are drawn again add chance too.";
    Section {
        heading: "How sure are the scores?".into(),
        text: vec![text.into()],
        tables: vec![table],
        ..Section::default()
    }
}

fn cards(scores: &ClassificationScores, classes: usize) -> Vec<Card> {
    let (name, share) = &scores.majority;
    let is_informed = scores.is_informed();
    let honest = if scores.is_confidence_right() { Standing::Good } else { Standing::Caution };
    vec![
        Card::new("Right class", percent(scores.accuracy), format!("always “{name}”: {}", percent(*share)))
            .judged(if is_informed { Standing::Good } else { Standing::Poor }),
        Card::new("Stated confidence", percent(scores.confidence), "mean; should equal the share that is right")
            .judged(honest),
        Card::new(
            "Log loss",
            number(scores.log_loss),
            format!("base rates alone: {}", number(scores.baseline_log_loss)),
        ),
        Card::new("Brier score", number(scores.brier), "squared error of the probabilities; smaller is better"),
        Card::new("Calibration error", percent(scores.ece), "mean gap between stated and observed"),
        Card::new("Rows judged", count(scores.rows), format!("{classes} classes")),
    ]
}
