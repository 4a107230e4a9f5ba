//! The jitter policy over all solves of a fit, and the count of variances that rounding made negative.

use elbo_core::{Error, ModelFile, Result, Run, Snapshot, Summary};
use elbo_tensor::{Jitter, Ladder};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// From which rung of the project's ladder the solves of a model begin.
///
/// Free, as it comes, every solve climbs from the first rung, so that its value depends on the parameters alone: chains that share models need
/// that. Held, later solves begin at the rung that earlier ones have needed, so that what a search maximises is one function; where
/// that rung no longer suffices the next one that does takes its place, from there on. Held without exception, the rung of the starting
/// point would close the way to smoother functions.
#[derive(Debug, Default)]
pub struct Rung {
    /// Relative to the mean of the diagonal, as bits.
    kept: AtomicU64,
    is_held: bool,
}

impl Rung {
    /// A rung that later solves begin at.
    pub fn held() -> Self {
        Self { is_held: true, ..Self::default() }
    }

    /// The jitters to try next.
    pub fn ladder(&self) -> Ladder {
        let kept = self.relative();
        match Ladder::standard::<f64>() {
            Ladder::Climb(rungs) => {
                let first = rungs.iter().position(|rung| *rung >= kept).unwrap_or(0);
                Ladder::Climb(&rungs[first..])
            }
            fixed @ Ladder::Fixed(_) => fixed,
        }
    }

    /// Remembers, where it is held, what a solve has needed, and passes its result on.
    pub fn keep<T>(&self, (value, jitter): (T, Jitter)) -> T {
        if self.is_held {
            // Numbers that are not negative are ordered as their bits are.
            self.kept.fetch_max(jitter.relative.to_bits(), Ordering::Relaxed);
        }
        value
    }

    /// The rung that solves begin at, relative to the mean of the diagonal.
    pub fn relative(&self) -> f64 {
        f64::from_bits(self.kept.load(Ordering::Relaxed))
    }
}

impl Snapshot for Rung {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(&format!("{prefix}.rung"), &self.relative());
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let name = format!("{prefix}.rung");
        // Files of earlier versions hold none.
        let rung: f64 = if file.has(&name) { file.fact(&name)? } else { 0.0 };
        match Ladder::standard::<f64>() {
            Ladder::Climb(rungs) if !rungs.contains(&rung) => Err(Error::misfit(format!("a jitter of {rung}"))),
            _ => {
                self.kept = AtomicU64::new(rung.to_bits());
                Ok(())
            }
        }
    }
}

/// Notes a jitter above 1e-8 among the metrics, and warns of it.
pub fn report(summary: &mut Summary, relative: f64, run: &mut Run) {
    if (Jitter { relative, absolute: 0.0 }).is_worth_reporting() {
        summary.metrics.push(("jitter".into(), relative));
        run.warn(format!(
            "the covariance needed a jitter of {relative:.0e} of its mean variance to factorise: the fit is that of a slightly noisier function"
        ));
    }
}

/// How many predictive variances were too small for rounding to tell from zero, and were raised.
#[derive(Debug, Default)]
pub struct Clamps(AtomicUsize);

impl Clamps {
    /// Variances below `1e-12` of the prior's become that, and are counted.
    ///
    /// # Errors
    /// When one is negative beyond rounding, which is more than `1e-6` of the prior's, or no number.
    pub fn check(&self, mut variance: Vec<f64>, prior: &[f64]) -> Result<Vec<f64>> {
        let mut raised = 0;
        for (v, p) in variance.iter_mut().zip(prior) {
            if *v < -1e-6 * p || v.is_nan() {
                return Err(Error::numerical(
                    format!("a predictive variance came out as {v:.1e} of a prior {p:.1e}"),
                    "the covariance is nearly singular; raise the noise or remove repeated inputs",
                ));
            }
            if *v < 1e-12 * p {
                raised += 1;
                *v = 1e-12 * p;
            }
        }
        self.0.fetch_add(raised, Ordering::Relaxed);
        Ok(variance)
    }

    /// The number since it was last taken.
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// Warns of variances that were raised.
pub fn warn_about_clamps(count: usize, run: &mut Run) {
    if count > 0 {
        run.warn(format!(
            "predictive variances of the function that were zero or negative by rounding, {count} of them, were raised to 1e-12 of the prior's: \
             the function is known there to the last digit, or the covariance is nearly singular"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jitter(relative: f64) -> Jitter {
        Jitter { relative, absolute: 0.0 }
    }

    #[test]
    fn later_solves_begin_at_the_rung_of_earlier_ones_and_never_go_back() {
        let rung = Rung::held();
        assert_eq!(rung.ladder(), Ladder::standard::<f64>());
        assert_eq!(rung.keep(("solved", jitter(1e-8))), "solved");
        assert_eq!(rung.ladder(), Ladder::Climb(&[1e-8, 1e-6, 1e-4]));
        rung.keep(((), jitter(0.0)));
        assert_eq!(rung.relative(), 1e-8);
        rung.keep(((), jitter(1e-4)));
        assert_eq!(rung.ladder(), Ladder::Climb(&[1e-4]));
        let free = Rung::default();
        free.keep(((), jitter(1e-4)));
        assert_eq!(free.ladder(), Ladder::standard::<f64>());
    }

    #[test]
    fn a_rung_survives_its_file_and_a_wrong_one_is_refused() {
        let (rung, mut file) = (Rung::held(), ModelFile::new("test"));
        rung.keep(((), jitter(1e-10)));
        rung.save(&mut file, "gp");
        let mut again = Rung::held();
        again.restore(&file, "gp").unwrap();
        assert_eq!(again.relative().to_bits(), 1e-10f64.to_bits());
        again.restore(&file, "of an earlier version").unwrap();
        assert_eq!(again.relative(), 0.0);
        file.set("gp.rung", &0.3);
        assert!(again.restore(&file, "gp").is_err());
    }

    #[test]
    fn large_jitters_are_reported_and_small_ones_are_not() {
        for (relative, count) in [(0.0, 0), (1e-8, 0), (1e-6, 1)] {
            let (mut summary, mut run) = (Summary::default(), Run::new(0));
            report(&mut summary, relative, &mut run);
            assert_eq!((summary.metrics.len(), run.warnings().len()), (count, count), "{relative}");
        }
    }

    #[test]
    fn variances_at_rounding_are_raised_and_counted_and_negative_ones_refused() {
        let clamps = Clamps::default();
        assert_eq!(clamps.check(vec![0.5, -1e-9, 0.0], &[1.0, 1.0, 2.0]).unwrap(), [0.5, 1e-12, 2e-12]);
        assert_eq!((clamps.take(), clamps.take()), (2, 0));
        assert!(clamps.check(vec![-1e-5], &[1.0]).is_err() && clamps.check(vec![f64::NAN], &[1.0]).is_err());
        let mut run = Run::new(0);
        warn_about_clamps(0, &mut run);
        warn_about_clamps(2, &mut run);
        assert_eq!(run.warnings().len(), 1);
    }
}
