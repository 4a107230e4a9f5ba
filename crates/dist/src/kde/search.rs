//! The search for a mode through a random projection.

use super::{Climb, Kde, random_projection, within_balls};
use elbo_core::{Error, Progress, Result, Run, Step, Stop, drive};
use rayon::prelude::*;

/// Climbs a step of the driver.
const CLIMBS: usize = 16;

/// Ends nearer than this share of the bandwidth are one mode.
const SAME: f64 = 0.1;

/// Climbs from sixteen starts a step. The model is a list of ends: coordinates, log density, shifts, evaluations.
struct Climbs<'a> {
    kde: &'a Kde<'a>,
    starts: &'a [usize],
    shifts: usize,
}

impl Climbs<'_> {
    fn width(&self) -> usize {
        self.kde.dims + 3
    }

    fn ends(&self, list: &[f64]) -> Vec<Climb> {
        let k = self.kde.dims;
        let end = |e: &[f64]| Climb {
            at: e[..k].to_vec(),
            log_density: e[k],
            shifts: e[k + 1] as usize,
            evaluations: e[k + 2] as usize,
        };
        list.chunks_exact(self.width()).map(end).collect()
    }
}

impl Step<Vec<f64>> for Climbs<'_> {
    type State = ();

    fn init(&self, _: &mut Vec<f64>, _: &mut Run) -> Result<()> {
        Ok(())
    }

    fn step(&self, list: &mut Vec<f64>, (): &mut (), _: &mut Run) -> Result<Progress> {
        let done = list.len() / self.width();
        let next = &self.starts[done..(done + CLIMBS).min(self.starts.len())];
        let (k, points) = (self.kde.dims, self.kde.points);
        let climb = |i: &usize| self.kde.climb(&points[i * k..(i + 1) * k], self.shifts);
        for end in next.par_iter().map(climb).collect::<Vec<_>>() {
            list.extend(end.at);
            list.extend([end.log_density, end.shifts as f64, end.evaluations as f64]);
        }
        let best = self.ends(list).iter().fold(f64::NEG_INFINITY, |a, e| a.max(e.log_density));
        Ok(Progress { objective: best, converged: list.len() == self.starts.len() * self.width() })
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundMode {
    /// The mode, `[D]`.
    pub mode: Vec<f64>,
    /// Its log density, in all dimensions.
    pub log_density: f64,
    /// Dimensions of the projection.
    pub k: usize,
    /// Rows that were climbed from, densest first after the projection.
    pub starts: Vec<usize>,
    /// Where each climb ended, among the projected points.
    pub ends: Vec<Climb>,
    /// Mode of each end, counted from zero in the order of density.
    pub labels: Vec<usize>,
    /// Upper bound of the projected log density, from a cover, for up to three dimensions.
    pub projected_upper: Option<f64>,
    /// Largest ratio of a distance to what the guarantee allows.
    pub violation: Option<f64>,
    /// Multiplications and additions of coordinates, pairs of them.
    pub work: f64,
}

/// Mode search through a random projection: the points are projected, climbed from where they are densest, the best modes lifted
/// back, and the densest of those climbed on from.
///
/// # Source
/// Luo, Musco and Widdershoven (2023), dimensionality reduction for general KDE mode finding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProjectedSearch {
    /// Dimensions to project to, `k`; all of them or more mean no projection.
    pub target_dims: usize,
    /// Points to climb from, the densest.
    pub starts: usize,
    /// Shifts a climb, at most.
    pub shifts: usize,
    /// Different modes that are lifted back.
    pub lifts: usize,
    /// Relative error of distances within which a lifted mode must stay, as the guarantee asks; without one it is the weighted mean.
    pub within: Option<f64>,
    /// Whether the lifted mode climbs on in all dimensions.
    pub is_polished: bool,
}

impl ProjectedSearch {
    /// Searches. Climbing is one resumable stage of the run.
    ///
    /// # Errors
    /// [`Error::Numerical`] when distances in bandwidths overflow; else as [`drive`].
    pub fn find(&self, whole: &Kde<'_>, run: &mut Run) -> Result<FoundMode> {
        let (n, dims) = (whole.len(), whole.dims);
        let k = self.target_dims.min(dims);
        let is_projected = k < dims;
        let mut work = 0.0;
        let projected = if is_projected {
            work += (n * dims * k) as f64;
            random_projection(whole.points, dims, k, &mut run.rng)
        } else {
            whole.points.to_vec()
        };
        let low = Kde { points: &projected, dims: k, ..whole.clone() };
        let densities = low.log_densities();
        work += (n * n * k) as f64;
        if densities.iter().any(|d| d.is_nan()) {
            return Err(Error::numerical(
                format!("the density with a bandwidth of {:e} is not a number", whole.bandwidth),
                "give a larger bandwidth",
            ));
        }
        let mut starts: Vec<usize> = (0..n).collect();
        starts.sort_by(|a, b| densities[*b].total_cmp(&densities[*a]).then(a.cmp(b)));
        starts.truncate(self.starts);

        let climbs = Climbs { kde: &low, starts: &starts, shifts: self.shifts };
        let mut list = vec![];
        let steps = starts.len().div_ceil(CLIMBS);
        drive(&climbs, &mut list, &Stop::after(steps, "mean shift", "best log density"), run)?;
        let ends = climbs.ends(&list);
        starts.truncate(ends.len());
        work += ends.iter().map(|e| (e.evaluations * k) as f64).sum::<f64>();

        let (labels, modes) = distinct(&ends, SAME * low.bandwidth);
        let best_low = ends[modes[0]].log_density;
        let projected_upper = (k <= 3).then(|| low.log_cover_bound(best_low, 0.01, 5000));
        let (mut best, mut violation) = ((vec![], f64::NEG_INFINITY), None);
        for mode in modes.iter().take(self.lifts) {
            let u = low.scaled_distances(&ends[*mode].at);
            // Nothing pulls where the points within reach all lie on the mode, with infinite pulls: these count by their weights.
            let weights = low.pulls(&u).unwrap_or_else(|| low.shares_at(&u));
            let mut lifted = if is_projected { whole.mean(&weights) } else { ends[*mode].at.clone() };
            work += 2.0 * (n * dims) as f64;
            let mut ratio = None;
            if let (Some(epsilon), true) = (self.within, is_projected) {
                let radii: Vec<f64> = u.iter().map(|u| (1.0 + epsilon) * u.sqrt() * low.bandwidth).collect();
                let (x, worst) = within_balls(whole.points, &radii, &lifted, 1000);
                (lifted, ratio) = (x, Some(worst));
            }
            let value = whole.log_density(&lifted);
            // A lifted mode may lie out of reach of all points; the first stands until there is a denser one.
            if best.0.is_empty() || value > best.1 {
                (best, violation) = ((lifted, value), ratio);
            }
        }
        let (mut mode, mut log_density) = best;
        if self.is_polished {
            let end = whole.climb(&mode, self.shifts);
            work += (end.evaluations * dims) as f64;
            (mode, log_density) = (end.at, end.log_density);
        }
        Ok(FoundMode { mode, log_density, k, starts, ends, labels, projected_upper, violation, work })
    }
}

/// The mode of each end, and the densest end of each mode, in the order of density.
fn distinct(ends: &[Climb], radius: f64) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by(|a, b| ends[*b].log_density.total_cmp(&ends[*a].log_density).then(a.cmp(b)));
    let (mut labels, mut modes) = (vec![0; ends.len()], vec![]);
    for i in order {
        let is_near = |j: &usize| {
            let squares = ends[*j].at.iter().zip(&ends[i].at).map(|(a, b)| (a - b).powi(2));
            squares.sum::<f64>().sqrt() < radius
        };
        labels[i] = modes.iter().position(is_near).unwrap_or_else(|| {
            modes.push(i);
            modes.len() - 1
        });
    }
    (labels, modes)
}
