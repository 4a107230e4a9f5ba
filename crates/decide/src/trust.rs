//! A trust region: in many variables a process knows little far from its data, and is asked only near the best trial.

use crate::history::{History, Outcome};
use crate::maximise::Region;
use crate::space::Space;
use crate::surrogate::Gp;

/// Side at the start, at most, and below which the search starts anew, in units of the cube.
const SIDES: [f64; 3] = [0.8, 1.6, 0.007_812_5];
/// Successes after which the side doubles.
const SUCCESSES: usize = 3;
/// Share of its size by which a value must fall to count as a success.
const SUCCESS: f64 = 1e-3;

/// Where the search stands, read off the history.
///
/// # Source
/// Eriksson, Pearce, Gardner, Turner and Poloczek (2019), with one region. Deviation: a new start keeps the old trials in the surrogate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trust {
    /// Side of the region, in units of the cube.
    pub side: f64,
    /// The trial since which this search runs.
    pub since: usize,
    /// Row of its best trial.
    pub centre: Option<usize>,
}

impl Trust {
    /// Goes through the history in its order: the first `initial` trials of each search are its design; three successes in a row double the side, `max(4,
    /// D)` failures in a row halve it. Failed trials and those beyond a limit are failures; pending ones are none.
    pub fn read(history: &History, dims: usize, initial: usize) -> Self {
        let [start, most, least] = SIDES;
        let fresh = |since| Self { side: start, since, centre: None };
        let (mut trust, mut best) = (fresh(0), f64::INFINITY);
        let (mut successes, mut failures) = (0, 0);
        for row in 0..history.len() {
            let value = match history.outcomes[row] {
                Outcome::Pending => continue,
                Outcome::Measured(y) if history.is_feasible(row) => y,
                _ => f64::INFINITY,
            };
            // The first value is a success against nothing.
            let is_success = value.is_finite() && (best.is_infinite() || value < best - SUCCESS * best.abs());
            if value < best {
                best = value;
                trust.centre = Some(row);
            }
            if row - trust.since < initial {
                continue;
            }
            (successes, failures) = if is_success { (successes + 1, 0) } else { (0, failures + 1) };
            if successes == SUCCESSES {
                trust.side = (2.0 * trust.side).min(most);
                successes = 0;
            } else if failures >= dims.max(4) {
                trust.side *= 0.5;
                failures = 0;
            }
            if trust.side < least {
                (trust, best, successes, failures) = (fresh(row + 1), f64::INFINITY, 0, 0);
            }
        }
        trust
    }

    /// The box around the centre, longer where the process varies less: sides in proportion to the lengthscales, their geometric mean being
    /// [`Trust::side`]. The whole space without a centre.
    pub fn region(&self, space: &Space, history: &History, gp: &Gp) -> Region {
        let mut region = Region::whole(space.width());
        let Some(row) = self.centre else { return region };
        let scales = &gp.hyper().lengthscale;
        let mean = scales.iter().map(|l| l.ln()).sum::<f64>() / scales.len() as f64;
        for (e, group) in space.groups().into_iter().enumerate() {
            let scale = scales[if scales.len() == 1 { 0 } else { group }];
            let half = 0.5 * self.side * (scale.ln() - mean).exp();
            let centre = history.points[row][e];
            region.low[e] = (centre - half).clamp(0.0, 1.0);
            region.high[e] = (centre + half).clamp(0.0, 1.0);
        }
        region
    }
}
