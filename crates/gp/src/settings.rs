//! Checks of settings that several systems have under the same name.

use crate::exact::NOISE_FLOOR;
use crate::kernel::KernelConfig;
use crate::mean::MeanConfig;
use elbo_core::{Config, Error, Result, ensure, ensure_within, half_open};

/// The kernel and the mean function of a process.
///
/// # Errors
/// [`Error::Setting`] naming the setting, as all of these.
pub fn process(kernel: &KernelConfig, mean: &MeanConfig) -> Result<()> {
    kernel.check()?;
    mean.check()
}

/// A noise variance to start from, as a share of the target's variance.
///
/// # Errors
/// [`Error::Setting`].
pub fn noise(value: f64) -> Result<()> {
    ensure("noise", value, value > NOISE_FLOOR && value.is_finite(), "above 1e-6")
}

/// A number of points that carry a posterior.
///
/// # Errors
/// [`Error::Setting`].
pub fn points(name: &str, count: usize) -> Result<()> {
    ensure_within(name, count, 1..=5000)
}

/// Counts that cost time alone: at least one, and no more than a slip of the keys would give.
///
/// # Errors
/// [`Error::Setting`] naming the first that is out of range.
pub fn counts(counts: &[(&str, usize)]) -> Result<()> {
    counts.iter().try_for_each(|(name, count)| ensure_within(name, *count, 1..=1_000_000_000))
}

/// Starting points of a search.
///
/// # Errors
/// [`Error::Setting`].
pub fn starts(count: usize) -> Result<()> {
    ensure_within("starts", count, 1..=100)
}

/// A step length or a damping, in (0, 1].
///
/// # Errors
/// [`Error::Setting`].
pub fn share(name: &str, value: f64) -> Result<()> {
    ensure_within(name, value, half_open(0.0, 1.0))
}

/// Refuses a table too large for an exact method.
///
/// # Errors
/// [`Error::Data`] naming what to use instead.
pub fn rows_at_most(rows: usize, most: usize, method: &str, instead: &str) -> Result<()> {
    if rows <= most {
        return Ok(());
    }
    Err(Error::data(
        format!("the table has {rows} rows; {method} is limited to {most}"),
        format!("use {instead}, or raise the limit with --set most_rows=N"),
    ))
}
