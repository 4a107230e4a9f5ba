//! Slice sampling of one number at a time, from values of a log density alone.

use super::transition::Transition;
use elbo_core::{Error, Result, Rng};

/// One slice-sampling transition of a number: an interval of `width` is laid around `x` at random, widened at both ends while the density is above
/// the slice's level there, to `steps` widths at most, and shrunk until a point above the level is drawn.
///
/// `height` is the log density at `x` in nats, finite. Returns the new number and its log density. A log density of NaN counts as none.
///
/// # Panics
/// When `height` is not finite, from which no interval would ever be left, or `width` is not positive.
///
/// # Source
/// Neal (2003), figures 3 and 5.
pub fn slice_number(
    x: f64,
    height: f64,
    width: f64,
    steps: usize,
    rng: &mut Rng,
    mut log_density: impl FnMut(f64) -> f64,
) -> (f64, f64) {
    assert!(height.is_finite() && width > 0.0, "a slice at height {height} with width {width}");
    let level = height - rng.exponential();
    let mut low = x - width * rng.uniform();
    let mut high = low + width;
    // How often each end may be moved is drawn beforehand, without which a limit would favour one side.
    let most = steps.max(1);
    let mut below = rng.below(most);
    let mut above = most - 1 - below;
    while below > 0 && log_density(low) > level {
        low -= width;
        below -= 1;
    }
    while above > 0 && log_density(high) > level {
        high += width;
        above -= 1;
    }
    // The interval shrinks to `x`, which is on the slice, so this ends.
    loop {
        let proposal = rng.range(low, high);
        let found = log_density(proposal);
        if found >= level {
            return (proposal, found);
        }
        if proposal < x {
            low = proposal;
        } else {
            high = proposal;
        }
    }
}

/// Slice sampling of one unknown after the other. Widths far too small or too large cost evaluations, not exactness.
///
/// ```
/// use elbo_core::Run;
/// use elbo_infer::mcmc::{Chains, Slice, sample_by};
/// // An exponential number with mean one half, whose density ends at zero.
/// let slice = Slice::new(|z: &[f64]| if z[0] < 0.0 { f64::NEG_INFINITY } else { -2.0 * z[0] }, &[1.0]);
/// let draws = sample_by(&slice, &Chains::default(), &[vec![0.3]], &mut Run::new(1))?;
/// assert!((draws.mean()[0] - 0.5).abs() < 0.05);
/// # Ok::<(), elbo_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Slice<F> {
    log_density: F,
    widths: Vec<f64>,
    coordinates: Vec<usize>,
    steps: usize,
}

impl<F: Fn(&[f64]) -> f64 + Sync> Slice<F> {
    /// Of all unknowns of a log density, one width each, about as large as the unknown's spread.
    ///
    /// # Panics
    /// For widths that are not positive, or not finite.
    pub fn new(log_density: F, widths: &[f64]) -> Self {
        assert!(widths.iter().all(|w| *w > 0.0 && w.is_finite()), "widths are positive: {widths:?}");
        Self { log_density, widths: widths.into(), coordinates: (0..widths.len()).collect(), steps: 100 }
    }

    /// Moves these unknowns alone, in this order.
    ///
    /// # Panics
    /// For an unknown that has no width.
    pub fn only(mut self, coordinates: &[usize]) -> Self {
        assert!(coordinates.iter().all(|i| *i < self.widths.len()), "an unknown without a width: {coordinates:?}");
        self.coordinates = coordinates.into();
        self
    }

    /// Limits an interval to this many widths; 100 without it.
    pub fn within(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }
}

impl<F: Fn(&[f64]) -> f64 + Sync> Transition for Slice<F> {
    fn advance(&self, state: &mut [f64], rng: &mut Rng) -> Result<u64> {
        if state.len() != self.widths.len() {
            return Err(Error::Setting {
                setting: "widths".into(),
                found: format!("{} numbers for {} unknowns", self.widths.len(), state.len()),
                expected: "one width an unknown".into(),
            });
        }
        let mut evaluations = 1;
        let mut height = (self.log_density)(state);
        for i in &self.coordinates {
            // A slice below an infinite density would have no level.
            if !height.is_finite() {
                return Err(Error::numerical(
                    format!("the log density is {height} where a chain stands"),
                    "start where the density exists, and give one that is finite where it does",
                ));
            }
            let x = state[*i];
            (state[*i], height) = {
                let at = |value: f64| {
                    evaluations += 1;
                    state[*i] = value;
                    (self.log_density)(state)
                };
                slice_number(x, height, self.widths[*i], self.steps, rng, at)
            };
        }
        Ok(evaluations)
    }

    fn log_density(&self, state: &[f64]) -> f64 {
        (self.log_density)(state)
    }
}
