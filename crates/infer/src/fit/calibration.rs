//! Whether fits of this kind are right on average over the prior: variational simulation-based calibration.

use super::ensure_dim;
use super::vi::{Fit, ViSettings, vi};
use crate::diagnostics::calibration::{Ranks, sbc};
use crate::target::LogDensity;
use elbo_core::{Error, Result, Rng, Run, ensure_within};

/// Draws of each fit among which a truth is ranked: with the truth they make a hundred places.
const DRAWS: usize = 99;
/// Bins of the test of uniform ranks.
const BINS: usize = 10;

/// What the ranks of one unknown say about the fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Nothing against them.
    Sound,
    /// Their centres are off: truths lie above the draws more often than below, or less often.
    OffCentre,
    /// They are narrower than the posteriors: truths lie at the ends of the draws, or beyond them, too often.
    TooNarrow,
    /// They are wider than the posteriors: truths lie in the middle of the draws too often.
    TooWide,
}

/// A fit, and how fits of its family rank truths of the prior.
pub struct VariationalCalibration {
    /// The fit, as it was.
    pub fit: Fit,
    /// Ranks of true free numbers, `[simulations, D]`, among 99 draws of the fit to each simulation's data.
    pub ranks: Ranks,
    /// How many of the simulations' fits have a k-hat above its threshold.
    pub unreliable: usize,
}

impl VariationalCalibration {
    /// What the ranks of one unknown say at this level, the probability with which each of two tests speaks against fits that are exact: of the centre
    /// ([`Ranks::symmetry_p_value`]), then of the width ([`Ranks::p_value`]). A level below 1/2000 is too fine for the first. With many unknowns some are found at fault
    /// by chance.
    ///
    /// # Panics
    /// For an unknown that there is not.
    pub fn finding(&self, unknown: usize, level: f64, rng: &mut Rng) -> Finding {
        let dim = self.ranks.dim;
        assert!(unknown < dim, "unknown {unknown} of {dim}");
        if self.ranks.symmetry_p_value(unknown, rng) < level {
            Finding::OffCentre
        } else if self.ranks.p_value(unknown, BINS) >= level {
            Finding::Sound
        } else if self.spread(unknown) > 1.0 {
            Finding::TooNarrow
        } else {
            Finding::TooWide
        }
    }

    /// Mean distance of one unknown's ranks from the middle, over that of uniform ranks: above one where the fits are too narrow, below where they are
    /// too wide.
    pub fn spread(&self, unknown: usize) -> f64 {
        let middle = 0.5 * self.ranks.draws as f64;
        let mean = |ranks: &[usize]| ranks.iter().map(|r| (*r as f64 - middle).abs()).sum::<f64>() / ranks.len() as f64;
        mean(&self.ranks.column(unknown)) / mean(&(0..=self.ranks.draws).collect::<Vec<_>>())
    }
}

impl Fit {
    /// Fits this family again to data of many truths, and ranks every truth among draws of its fit: variational simulation-based calibration.
    ///
    /// `simulate` gets a generator of its own, and returns a truth drawn from the prior, in free numbers `[D]`
    /// ([`Unknowns::free`](crate::Unknowns::free)), and the target that data drawn from this truth give. Fits begin with the parameters of this one. Where they are the
    /// posteriors, ranks are uniform; [`VariationalCalibration::finding`] says in which way they are not. It judges the family and the settings over the
    /// whole prior, not this fit: that is what [`Fit::psis`] does. A few hundred simulations show a width that is off by a quarter.
    ///
    /// The family is lent out to the fits, which is why the fit goes in, and comes back in the result.
    ///
    /// # Errors
    /// [`Error::Setting`] without simulations, for a truth of another length and for a target of another dimension; those of `simulate` and of [`vi`];
    /// [`Error::Stopped`] when the run has to stop before the last simulation is done.
    ///
    /// # Source
    /// Yao, Vehtari, Simpson and Gelman (2018), section 3.2, "VSBC", with ranks in place of probabilities. Deviation: widths are tested too.
    ///
    /// ```
    /// use elbo_core::{Rng, Run};
    /// use elbo_infer::{Unknowns, family::MeanField, fit::{Finding, ViSettings, vi}};
    /// // A number with a standard normal prior, of which one value was seen with a noise of one half.
    /// let model = |y: f64| {
    ///     Unknowns::new().real("x", &[]).density(move |u| (u["x"].square() + (&u["x"] - y).square() * 4.0) * -0.5)
    /// };
    /// let settings = ViSettings { steps: 300, tolerance: 0.1, evaluated: 100, ..ViSettings::default() };
    /// let mut run = Run::new(1);
    /// let fit = vi(&model(0.7), Box::new(MeanField::new(&[0.0], &[1.0])), &settings, &mut run)?;
    /// let simulate = |rng: &mut Rng| {
    ///     let truth = rng.normal();
    ///     Ok((vec![truth], model(truth + 0.5 * rng.normal())))
    /// };
    /// let found = fit.calibration(&settings, 20, simulate, &mut run)?;
    /// assert_eq!(found.finding(0, 1e-3, &mut Rng::new(2)), Finding::Sound);
    /// # Ok::<(), elbo_core::Error>(())
    /// ```
    pub fn calibration<T: LogDensity>(
        mut self,
        settings: &ViSettings,
        simulations: usize,
        mut simulate: impl FnMut(&mut Rng) -> Result<(Vec<f64>, T)>,
        run: &mut Run,
    ) -> Result<VariationalCalibration> {
        settings.check()?;
        ensure_within("simulations", simulations, 1..=1_000_000)?;
        let (start, dim) = (self.family.pack(), self.family.dim());
        let mut lent = Some(self.family);
        let mut unreliable = 0;
        let mut base = run.rng.fork();
        let ranks = sbc(simulations, &mut base, |rng| {
            let (truth, target) = simulate(rng)?;
            ensure_dim("truth", truth.len(), &target)?;
            let mut family = lent.take().expect("every fit gives it back");
            family.unpack(&start);
            let mut own = run.child(rng.next_u64());
            let fit = vi(&target, family, settings, &mut own)?;
            if own.stopped_early() {
                return Err(Error::Stopped);
            }
            unreliable += usize::from(!fit.psis.is_reliable());
            let draws = fit.family.sample(DRAWS, rng).0.to_vec();
            lent = Some(fit.family);
            Ok((truth, draws.chunks_exact(dim).map(<[f64]>::to_vec).collect()))
        })?;
        self.family = lent.expect("every fit gives it back");
        self.family.unpack(&start);
        Ok(VariationalCalibration { fit: self, ranks, unreliable })
    }
}
