//! Many series of one kernel: padded arrays in, likelihoods and gradients that add up, predictions series by series, all in parallel.
//!
//! Series may differ in length and in their times. A kernel that starts at an origin has the same origin for all of them.

use crate::series::{Curve, MarkovGp, Series};
use elbo_core::{Error, Result};
use rayon::prelude::*;

/// Series from padded arrays `times, y: [B, T]` and their lengths `[B]`; what lies beyond a length is not read. A NaN of `y` is missing.
///
/// # Errors
/// As [`Series::new`], with the series named; [`Error::Data`] for lengths beyond `T`.
pub fn padded(times: &[f64], y: &[f64], lengths: &[usize]) -> Result<Vec<Series>> {
    assert_eq!(times.len(), y.len(), "one value a time");
    let width = times.len() / lengths.len().max(1);
    assert_eq!(width * lengths.len(), times.len(), "arrays are [B, T]");
    let one = |(b, length): (usize, &usize)| {
        if *length > width {
            return Err(Error::data(
                format!("series {} has length {length} in an array of {width} steps", b + 1),
                "give lengths of at most the number of steps",
            ));
        }
        let own = b * width..b * width + length;
        Series::new(&times[own.clone()], &y[own])
            .map_err(|e| Error::data(format!("series {}: {e}", b + 1), e.remedy().into_owned()))
    };
    lengths.iter().enumerate().map(one).collect()
}

/// Log marginal likelihood of independent series, nats.
///
/// # Errors
/// As [`MarkovGp::log_marginal`].
pub fn log_marginal(gp: &MarkovGp, series: &[Series]) -> Result<f64> {
    // Collected before they are summed, for the same bits with any number of threads.
    let each: Vec<f64> = series.par_iter().map(|s| gp.log_marginal(s)).collect::<Result<_>>()?;
    Ok(each.iter().sum())
}

/// [`log_marginal`] and its derivatives, as [`MarkovGp::gradient`].
///
/// # Errors
/// As [`MarkovGp::log_marginal`].
pub fn gradient(gp: &MarkovGp, series: &[Series]) -> Result<(f64, Vec<f64>)> {
    let each: Vec<(f64, Vec<f64>)> = series.par_iter().map(|s| gp.gradient(s)).collect::<Result<_>>()?;
    let mut total = (0.0, vec![0.0; gp.kernel.parameters().len() + 1]);
    for (value, gradient) in each {
        total.0 += value;
        total.1.iter_mut().zip(gradient).for_each(|(t, g)| *t += g);
    }
    Ok(total)
}

/// The posterior of each series at times of its own.
///
/// # Errors
/// As [`MarkovGp::predict`].
pub fn predict(gp: &MarkovGp, series: &[Series], times: &[Vec<f64>]) -> Result<Vec<Curve>> {
    assert_eq!(series.len(), times.len(), "one list of times a series");
    series.par_iter().zip(times).map(|(s, t)| gp.predict(s, t)).collect()
}
