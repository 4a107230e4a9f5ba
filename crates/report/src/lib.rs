//! Figures as SVG, tables as text, and the one-file HTML report. Knows no system: plain numbers come in, readable things go out.
//!
//! | you have | you want | use |
//! |---|---|---|
//! | an [`elbo_core::Figure`] | a drawing | [`svg::to_svg`] for a file, [`svg::draw`] for a page |
//! | predictions and observed values | a figure | [`figures`] |
//! | predictions of a number | the whole report | [`regression_report`] |
//! | class probabilities | the whole report | [`classification_report`] |
//! | a [`Report`] of your own | one HTML file | [`html::render`], [`html::write`] |
//! | a [`Report`] | its heart inside a notebook | [`html::heart`] |
//! | an [`elbo_core::Table`] | text for terminal, document, program | [`text::plain`], [`text::markdown`], [`text::csv`] |
//! | pixels | a PNG file | [`picture::png`] |
//! | scores | a verdict in words | [`RegressionScores::verdict`], [`ClassificationScores::verdict`] |
//!
//! Reports judge before they show: the first thing on the page is a sentence such as "On 103 held-out rows the 95 % intervals
//! held 94 % of the values, as they should", and "too narrow" is said only where chance does not explain it.

pub mod chance;
mod classification;
pub mod figures;
pub mod format;
pub mod html;
mod palette;
pub mod picture;
mod regression;
mod report;
pub mod svg;
pub mod text;

pub use classification::{ClassMeasure, ClassificationEvidence, ClassificationScores, classification_report};
pub use regression::{Held, Interval, RegressionEvidence, RegressionScores, regression_report};
pub use report::{Basis, Card, Context, Report, Section, Standing, Verdict};
