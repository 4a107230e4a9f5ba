//! The next trial of several objectives.

use super::ehvi::Ehvi;
use super::front::reference_point;
use super::scalar::{scalarise, simplex_weights};
use crate::acquisition::{Analytic, Feasibility, Score, smallest_mean};
use crate::maximise::{Found, MaximiseConfig, maximise};
use crate::space::Space;
use crate::surrogate::{Gp, SurrogateConfig};
use elbo_core::{Error, Result, Rng, ensure};

/// How several objectives are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Expected growth of the dominated volume.
    #[default]
    Ehvi,
    /// Expected improvement of a randomly weighted [`tchebycheff`](super::tchebycheff): cheap for any number of objectives, and weaker. On two objectives,
    /// `vlmop2`, it did not reliably cover more of the front than a Sobol sequence.
    ParEgo,
}

/// How the next trial is chosen.
#[derive(Debug, Clone, Default)]
pub struct Choose {
    /// How objectives are weighed.
    pub strategy: Strategy,
    /// The reference of the volume, in the unit of the data; [`reference_point`] of the trials where none is given.
    pub reference: Option<Vec<f64>>,
    /// How a process is fitted.
    pub surrogate: SurrogateConfig,
    /// How the best place is looked for.
    pub maximise: MaximiseConfig,
}

impl Choose {
    /// The next point after measured trials: `points: [N][E]` encoded, `values: [N][M]`, minimised; `pending` points are believed to be their means.
    ///
    /// # Errors
    /// [`Error::Data`] without trials, or where sizes differ, [`Error::Setting`] for a Student-t process; as [`Gp::fit`] and [`maximise`].
    pub fn next(
        &self,
        space: &Space,
        points: &[Vec<f64>],
        values: &[Vec<f64>],
        pending: &[Vec<f64>],
        rng: &mut Rng,
    ) -> Result<Found> {
        let objectives = values.first().map_or(0, Vec::len);
        let all_have = |rows: &[Vec<f64>], size: usize| rows.iter().all(|row| row.len() == size);
        let is_whole = all_have(points, space.width()) && all_have(pending, space.width());
        let is_known = objectives > 0 && points.len() == values.len() && all_have(values, objectives);
        if !(is_whole && is_known && self.reference.as_ref().is_none_or(|r| r.len() == objectives)) {
            return Err(Error::data(
                format!(
                    "{} points and {} trials of {objectives} objectives do not fit together",
                    points.len(),
                    values.len()
                ),
                "give each measured point its objectives, as many for all and for the reference",
            ));
        }
        if let Some(degrees) = self.surrogate.degrees {
            ensure("degrees", degrees, false, "none: expected growth is that of normal distributions")?;
        }
        let (x, groups) = (points.concat(), space.groups());
        let fit = |y: &[f64], rng: &mut Rng| -> Result<Gp> {
            let mut gp = Gp::fit(&x, y, &groups, &self.surrogate, None, rng)?;
            for point in pending {
                gp = gp.suppose(point).unwrap_or(gp);
            }
            Ok(gp)
        };
        let taken: Vec<&[f64]> = points.iter().chain(pending).map(Vec::as_slice).collect();
        let best: Vec<&[f64]> = super::front(values).into_iter().map(|i| points[i].as_slice()).collect();
        match self.strategy {
            Strategy::ParEgo => {
                let weights = simplex_weights(objectives, rng);
                let gp = fit(&scalarise(values, &weights), rng)?;
                let incumbent = smallest_mean(&gp);
                maximise(&Analytic::new(&gp, Score::LogEi, incumbent), space, &self.maximise, &best, &taken, rng)
            }
            Strategy::Ehvi => {
                let column = |k: usize| values.iter().map(|v| v[k]).collect::<Vec<f64>>();
                let gps = (0..objectives).map(|k| fit(&column(k), rng)).collect::<Result<Vec<Gp>>>()?;
                // Under noise the front is that of the beliefs.
                let all = taken.concat();
                let means: Vec<Vec<f64>> =
                    gps.iter().map(|gp| gp.marginals(&all).0.into_iter().map(|m| gp.natural(m)).collect()).collect();
                let believed: Vec<Vec<f64>> = (0..taken.len()).map(|i| means.iter().map(|m| m[i]).collect()).collect();
                let reference = self.reference.clone().unwrap_or_else(|| reference_point(values));
                let score = Ehvi::new(gps.iter().collect(), &believed, &reference, Feasibility::default());
                maximise(&score, space, &self.maximise, &best, &taken, rng)
            }
        }
    }
}
