//! The common statistical figures, as plain [`elbo_core::Figure`]s. Captions say what the reader should conclude.
//!
//! | question | figure |
//! |---|---|
//! | how far off are the predictions? | [`predicted_vs_observed`], [`residuals`] |
//! | do the intervals hold what they promise? | [`calibration`], [`coverage`], [`pit_histogram`] |
//! | what does the fit look like? | [`fit_1d`] for one input, [`decision_map`] for two |
//! | what matters? | [`relevance`] |
//! | has the optimiser finished? | [`learning_curve`] |
//! | are the class probabilities honest? | [`reliability`], [`recall_bars`], [`confusion`] |
//! | are the rows one is sure of the right ones? | [`risk_coverage`] |
//!
//! Slices that belong together must have one length; anything else is a mistake in the caller and panics with both lengths.

mod calibration;
mod classes;
mod fit;
mod regression;

pub use calibration::{calibration, coverage, gaussian_pit, pit_histogram};
pub use classes::{confusion, decision_map, most_probable, recall_bars, reliability, risk_coverage};
pub use fit::{FitCurve, fit_1d, learning_curve, relevance};
pub use regression::{predicted_vs_observed, residuals};

/// Panics with a message unless the slices have one length. An empty optional slice passes.
fn same_length(name: &str, found: usize, rows: usize) {
    assert_eq!(found, rows, "`{name}` has {found} values for {rows} rows");
}

/// `[low, high]` of the finite values, or the unit interval.
fn range<'a>(values: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}
