//! Several climbs together: draws of the normals that each of them found, weighted as draws of their mixture.

use super::ensure_dim;
use super::pathfinder::{PathfinderSettings, climb, nothing};
use super::vi::{Fit, judge};
use crate::family::{FullRank, FullRankMixture};
use crate::target::LogDensity;
use elbo_core::{Result, Run};
use rayon::prelude::*;
use std::time::Instant;

/// Climbs as [`pathfinder`](super::pathfinder) does, from several starts side by side, and takes the normals of all climbs in equal parts: as many
/// draws of each, with Pareto-smoothed weights by the density of all of them together.
///
/// [`Fit::resampled`] gives draws that count the same, nearer to the posterior than any of the normals; k-hat, in [`Fit::psis`], says whether to
/// believe them. Modes that some climb has found have their mass, however many climbs have ended in each; of others there is nothing, and k-hat
/// knows nothing of them: take more paths, from a `start` between the modes.
///
/// The draws depend on the seed alone, not on the number of threads.
///
/// # Errors
/// As [`pathfinder`](super::pathfinder).
///
/// # Source
/// Zhang, Carpenter, Gelman and Vehtari (2022), with the smoothing of Vehtari et al. (2024). Deviation: a draw is weighted by the density of the mixture,
/// in place of that of the normal it came from (Owen and Zhou 2000), which would give a mode the more mass the more climbs end in it.
///
/// ```
/// use elbo_core::{Rng, Run};
/// use elbo_infer::fit::{PathfinderSettings, multipath};
/// use elbo_infer::target::Toy;
/// // Two modes of equal mass, on either side of the diagonal.
/// let settings = PathfinderSettings { paths: 12, ..PathfinderSettings::default() };
/// let fit = multipath(&Toy::TwoModes, &[0.0; 2], &settings, &mut Run::new(1))?;
/// let draws = fit.resampled(1000, &mut Rng::new(2));
/// let share = draws.chunks_exact(2).filter(|z| z[0] > z[1]).count() as f64 / 1000.0;
/// assert!((share - 0.5).abs() < 0.1);
/// # Ok::<(), elbo_core::Error>(())
/// ```
pub fn multipath(target: &dyn LogDensity, start: &[f64], settings: &PathfinderSettings, run: &mut Run) -> Result<Fit> {
    settings.check()?;
    ensure_dim("start", start.len(), target)?;
    let started = Instant::now();
    let base = run.rng.fork();
    // Each climb has its own generator, and a run that knows when to stop.
    let runs: Vec<Run> = (0..settings.paths).map(|_| run.child(run.seed)).collect();
    let climbs = runs
        .into_par_iter()
        .enumerate()
        .map(|(path, own)| climb(target, start, settings, &mut base.split(path as u64), &own))
        .collect::<Result<Vec<_>>>()?;
    let gradients: u64 = climbs.iter().map(|c| c.gradients).sum();
    let steps: usize = climbs.iter().map(|c| c.steps).sum();
    let cut = climbs.iter().filter(|c| c.is_cut).count();
    let missing = climbs.iter().filter(|c| c.normal.is_none() && !c.is_cut).count();
    let normals: Vec<FullRank> = climbs.into_iter().filter_map(|c| c.normal).map(|(_, normal)| normal).collect();
    if normals.is_empty() {
        return Err(nothing(run));
    }
    let count = settings.evaluated.next_multiple_of(normals.len());
    let mut fit = judge(target, Box::new(FullRankMixture::new(normals)), count, run);
    if cut > 0 {
        run.mark_stopped_early();
        fit.warnings.push(format!("multipath: {cut} of {} climbs were stopped before their end", settings.paths));
    }
    if missing > 0 {
        fit.warnings.push(format!(
            "multipath: {missing} of {} climbs found no normal at whose draws the log density is finite",
            settings.paths
        ));
    }
    if !fit.psis.is_reliable() {
        fit.warnings.push(format!("multipath: {}", fit.psis.verdict()));
    }
    fit.warnings.iter().for_each(|warning| run.warn(warning));
    (fit.steps, fit.gradients, fit.seconds) = (steps, gradients, started.elapsed().as_secs_f64());
    Ok(fit)
}
