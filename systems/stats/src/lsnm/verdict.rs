//! Verdicts on pairs, and what a report says of them in words.

use super::{Finding, LsnmConfig, Pair};
use elbo_core::Summary;
use elbo_tensor::special::ndtr;
use serde::{Deserialize, Serialize};

/// What is said about a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The first variable causes the second.
    Forward,
    /// The second variable causes the first.
    Backward,
    /// The directions differ by less than their uncertainty.
    Undecided,
    /// Residuals depend on the supposed cause in both directions: no such model describes the pair.
    NoModel,
}

/// A pair's verdict with its uncertainty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The pair's name, empty when there is only one.
    pub name: String,
    /// Rows of the pair.
    pub rows: usize,
    /// The verdict.
    pub verdict: Verdict,
    /// How much better the first direction is: nats a row, or standard deviations of dependence over rows. Negative for the second.
    pub score: f64,
    /// Standard error of `score`.
    pub error: f64,
    /// Share of half-samples with the same sign.
    pub agreement: f64,
    /// p-values of the residual test, first to second and second to first.
    pub p_values: [f64; 2],
    /// Dependence of residuals on the supposed cause, in the same order.
    pub hsic: [f64; 2],
    /// Weight in scores.
    pub weight: f64,
    /// The known answer.
    pub truth: Option<bool>,
}

impl Judged {
    /// The score in standard errors; zero where nothing tells the directions apart.
    pub fn z(&self) -> f64 {
        if self.error > 0.0 { self.score / self.error } else { 0.0 }
    }

    pub(super) fn new(pair: &Pair, found: &Finding, config: &LsnmConfig) -> Self {
        let p_values = found.directions.each_ref().map(|d| d.p_value);
        let mut judged = Self {
            name: pair.name.clone(),
            rows: pair.a.len(),
            verdict: Verdict::NoModel,
            score: found.score,
            error: found.error,
            agreement: found.agreement,
            p_values,
            hsic: found.directions.each_ref().map(|d| d.hsic),
            weight: pair.weight,
            truth: pair.truth,
        };
        if p_values.iter().any(|p| *p > config.level) {
            judged.verdict = match judged.z() {
                z if z.abs() < config.decide || z == 0.0 => Verdict::Undecided,
                z if z > 0.0 => Verdict::Forward,
                _ => Verdict::Backward,
            };
        }
        judged
    }

    pub(super) fn words(&self, [a, b]: &[String; 2]) -> String {
        match self.verdict {
            Verdict::Forward => format!("{a} → {b}"),
            Verdict::Backward => format!("{b} → {a}"),
            Verdict::Undecided => "undecided".into(),
            Verdict::NoModel => "model does not hold".into(),
        }
    }
}

/// Numbers and a sentence: of the one pair, or counts over all.
pub(super) fn summarise(judged: &[Judged], columns: &[String; 2]) -> Summary {
    let mut summary = Summary::default();
    if let [only] = judged {
        let z = only.z();
        let probability = ndtr(z);
        summary.objective = Some(("score".into(), only.score));
        summary.metrics = vec![
            ("score".into(), only.score),
            ("standard_error".into(), only.error),
            ("z".into(), z),
            ("probability_first_is_cause".into(), probability),
            ("agreement".into(), only.agreement),
            ("p_forward".into(), only.p_values[0]),
            ("p_backward".into(), only.p_values[1]),
            ("hsic_forward".into(), only.hsic[0]),
            ("hsic_backward".into(), only.hsic[1]),
        ];
        let [a, b] = columns;
        let leaning = if only.score >= 0.0 { format!("{a} → {b}") } else { format!("{b} → {a}") };
        let says = match only.verdict {
            Verdict::Forward | Verdict::Backward => {
                format!("{leaning}: better by {:.1} standard errors", z.abs())
            }
            Verdict::Undecided => {
                format!("Undecided: {leaning} is better by only {:.1} standard errors", z.abs())
            }
            Verdict::NoModel => format!(
                "The model does not hold in either direction (p = {:.3} and {:.3}), so no direction is given; {leaning} would be better by \
                 {:.1} standard errors",
                only.p_values[0],
                only.p_values[1],
                z.abs()
            ),
        };
        summary.text = format!("{says}. A common cause of both cannot be seen from two columns.");
        return summary;
    }
    let share = |verdict: Verdict| judged.iter().filter(|j| j.verdict == verdict).count();
    let [forward, backward, undecided, no_model] =
        [Verdict::Forward, Verdict::Backward, Verdict::Undecided, Verdict::NoModel].map(share);
    summary.metrics = vec![
        ("pairs".into(), judged.len() as f64),
        ("forward".into(), forward as f64),
        ("backward".into(), backward as f64),
        ("undecided".into(), undecided as f64),
        ("model_does_not_hold".into(), no_model as f64),
    ];
    let known: Vec<&Judged> = judged.iter().filter(|j| j.truth.is_some() && j.weight > 0.0).collect();
    if !known.is_empty() {
        let total: f64 = known.iter().map(|j| j.weight).sum();
        let is_right = |j: &&&Judged| j.score != 0.0 && j.truth == Some(j.score > 0.0);
        let right: f64 = known.iter().filter(is_right).map(|j| j.weight).sum();
        summary.metrics.push(("weighted_accuracy".into(), right / total));
        let decided: Vec<&Judged> =
            known.iter().copied().filter(|j| matches!(j.verdict, Verdict::Forward | Verdict::Backward)).collect();
        let weight: f64 = decided.iter().map(|j| j.weight).sum();
        if weight > 0.0 {
            let right: f64 = decided.iter().filter(is_right).map(|j| j.weight).sum();
            summary.metrics.push(("weighted_accuracy_decided".into(), right / weight));
        }
    }
    summary.text = format!(
        "{} pairs: {forward} {} → {}, {backward} the other way round, {undecided} undecided; for {no_model} the model does not hold.",
        judged.len(),
        columns[0],
        columns[1]
    );
    summary
}
