//! A report as data: what is said, in the order in which it is read. [`crate::html`] lays it out.

use elbo_core::{Figure, Table};
use serde::{Deserialize, Serialize};

/// How good something is, for an accent of colour; the words say it too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing to judge.
    #[default]
    Neutral,
    /// As it should be.
    Good,
    /// Usable with care.
    Caution,
    /// Not usable.
    Poor,
}

/// A judgement in words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// A few words: the judgement.
    pub headline: String,
    /// Sentences that support it, most important first.
    pub sentences: Vec<String>,
    /// The judgement as a colour.
    pub standing: Standing,
}

/// A key figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// What it is.
    pub label: String,
    /// The number as it is shown.
    pub value: String,
    /// What to compare it with.
    pub note: String,
    /// Whether it is as it should be.
    #[serde(default)]
    pub standing: Standing,
}

impl Card {
    /// A card without a judgement.
    pub fn new(label: impl Into<String>, value: impl Into<String>, note: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), note: note.into(), standing: Standing::Neutral }
    }

    /// The same card with a judgement.
    pub fn judged(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }
}

/// A part of the report under one heading. Text may mark `code` with backticks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Heading.
    pub heading: String,
    /// Paragraphs.
    #[serde(default)]
    pub text: Vec<String>,
    /// Figures, each with its caption.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// Names with values. A section of nothing else is set small, beside its neighbours.
    #[serde(default)]
    pub facts: Vec<(String, String)>,
    /// Tables, each with its caption.
    #[serde(default)]
    pub tables: Vec<Table>,
}

impl Section {
    /// Whether there is nothing under the heading.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.figures.is_empty() && self.facts.is_empty() && self.tables.is_empty()
    }
}

/// Everything a report says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Title.
    pub title: String,
    /// A line above the title: which system, which data.
    pub subtitle: String,
    /// The judgement in a few words.
    pub headline: String,
    /// The judgement's colour.
    #[serde(default)]
    pub standing: Standing,
    /// The judgement in sentences.
    pub verdict: Vec<String>,
    /// What the user should know before using the model.
    pub warnings: Vec<String>,
    /// Key figures.
    pub cards: Vec<Card>,
    /// The parts.
    pub sections: Vec<Section>,
    /// Environment: version, threads, seed, seconds.
    pub facts: Vec<(String, String)>,
    /// The command that makes this report again.
    pub command: String,
}

/// What a report tells besides its predictions. The builders for regression and classification share it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Title of the report.
    pub title: String,
    /// A line above the title: which system, which data.
    pub subtitle: String,
    /// One or two sentences on what the model is.
    pub about: String,
    /// Figures that come first, such as the fit over one input or a decision map.
    pub lead: Vec<Figure>,
    /// Relevance of each input, larger is more relevant; may be empty.
    pub relevance: Vec<(String, f64)>,
    /// Named series `(step, value)` of the fit; may be empty.
    pub learning: Vec<(String, Vec<(f64, f64)>)>,
    /// Learned parameters: name, value, unit or meaning.
    pub parameters: Vec<(String, String, String)>,
    /// Further figures of the model's own.
    pub figures: Vec<Figure>,
    /// Further tables of the model's own.
    pub tables: Vec<Table>,
    /// Warnings of the fit.
    pub warnings: Vec<String>,
    /// Description of the data: rows, columns, dropped rows, levels of categories.
    pub data: Vec<(String, String)>,
    /// Settings with their values.
    pub settings: Vec<(String, String)>,
    /// Environment: version, threads, seed, seconds.
    pub environment: Vec<(String, String)>,
    /// The command that makes this report again.
    pub command: String,
}

/// On which rows the predictions are judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Rows the model has not seen.
    #[default]
    HeldOut,
    /// Training rows, each predicted without itself; the method in words, such as "leave-one-out".
    Validation(String),
    /// The rows the model was fitted to.
    Training,
}

impl Basis {
    /// "On 103 held-out rows".
    pub(crate) fn opening(&self, rows: usize) -> String {
        use crate::format::{count, counted};
        let one = if rows == 1 { "row" } else { "rows" };
        match self {
            Self::HeldOut => format!("On {} held-out {one}", count(rows)),
            Self::Validation(method) => format!("On {} ({method})", counted(rows, "training row")),
            Self::Training => format!("On the {} the model was fitted to", counted(rows, "row")),
        }
    }

    /// What to keep in mind, where there is something.
    pub(crate) fn caveat(&self) -> Option<String> {
        match self {
            Self::HeldOut => None,
            Self::Validation(_) => Some(
                "Each row was predicted without itself, but the settings were learned from all rows; \
                 a separate test set would be the stricter judge."
                    .into(),
            ),
            Self::Training => Some(
                "The model has seen these rows: expect larger errors on new ones, and judge it on held-out data."
                    .into(),
            ),
        }
    }
}

impl Context {
    /// The report around a verdict: `cards` and the sections on predictions come before what the context adds.
    pub(crate) fn into_report(self, verdict: Verdict, cards: Vec<Card>, predictions: Vec<Section>) -> Report {
        let mut learned = Section { heading: "What the model learned".into(), ..Section::default() };
        learned.text.extend((!self.about.is_empty()).then(|| self.about.clone()));
        if !self.relevance.is_empty() {
            learned.figures.push(crate::figures::relevance(&self.relevance));
        }
        if !self.learning.is_empty() {
            let name = if let [(name, _)] = self.learning.as_slice() { name.as_str() } else { "value" };
            learned.figures.push(crate::figures::learning_curve(&self.learning, name));
        }
        learned.figures.extend(self.figures);
        if !self.parameters.is_empty() {
            let mut table = Table::new("parameters", "Learned parameters.", &["parameter", "value", "unit or meaning"]);
            for (name, value, meaning) in self.parameters {
                table.push(vec![name, value, meaning]);
            }
            learned.tables.push(table);
        }
        learned.tables.extend(self.tables);
        let lead = Section { heading: "The fit".into(), figures: self.lead, ..Section::default() };
        let data = Section { heading: "Data".into(), facts: self.data, ..Section::default() };
        let settings = Section { heading: "Settings".into(), facts: self.settings, ..Section::default() };
        let sections = std::iter::once(lead).chain(predictions).chain([learned, data, settings]);
        Report {
            title: self.title,
            subtitle: self.subtitle,
            headline: verdict.headline,
            standing: verdict.standing,
            verdict: verdict.sentences,
            warnings: self.warnings,
            cards,
            sections: sections.filter(|s| !s.is_empty()).collect(),
            facts: self.environment,
            command: self.command,
        }
    }
}
