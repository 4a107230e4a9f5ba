//! Evidences side by side: of one model, and over a grid of hyperparameters around the learned ones.

use super::Infer;
use elbo_core::{Figure, Mark, Result, Rng, Run, Table, ensure};
use elbo_gp::evidence::{Elbo, Energy, Evidence, LaplaceEvidence};
use elbo_gp::importance::{self, Estimate};
use elbo_gp::site::{Cvi, Laplace, PowerEp, SiteRule, Sites};
use elbo_gp::sites::SiteGp;
use elbo_tensor::{Parameters, no_grad};

/// Sweeps of a site rule at one point, at most, and the change of a site, relative to its size, below which they end.
const SWEEPS: usize = 400;
const SETTLED: f64 = 1e-8;

/// Sites that move by more than this in the last sweep are of no fixed point, and the user is told.
const MOVING: f64 = 1e-4;

/// Draws of importance sampling at a point.
const DRAWS: usize = 4000;

/// How far the grid reaches around the learned values on both sides: log lengthscale, log variance.
const REACH: [f64; 2] = [1.0, 2.0];

/// Nats a row of bound below energy from which the user is warned: the bound then gives away a twentieth of the probability of every row.
const WIDE_GAP: f64 = 0.05;

/// Estimates of the log marginal likelihood of one model, in nats; `None` where one is not defined.
#[derive(Debug, Clone)]
pub(super) struct Estimates {
    /// By importance sampling from EP's Gaussian, or from the variational one where EP has no fixed point; `None` also where the bound refutes it.
    pub sampled: Option<Estimate>,
    /// The energy at EP's sites.
    pub ep: Option<f64>,
    /// The energy at variational sites.
    pub hybrid: Option<f64>,
    /// The bound at variational sites.
    pub elbo: Option<f64>,
    /// Laplace's.
    pub laplace: Option<f64>,
    /// Whether some sites still moved when their sweeps ended.
    pub is_moving: bool,
}

impl Estimates {
    /// Those of a dense model, whose sites are changed, with energies at power `alpha` and as many draws.
    ///
    /// # Errors
    /// Those of the arithmetic that are not recoverable.
    pub fn of(model: &mut SiteGp, alpha: f64, draws: usize, rng: &mut Rng) -> Result<Self> {
        let energy = Energy { alpha };
        let nothing = Self { sampled: None, ep: None, hybrid: None, elbo: None, laplace: None, is_moving: false };
        let mut found = nothing;
        let is_number = |e: &Estimate| e.value.is_finite() && e.error.is_finite();
        if found.settles(model, &PowerEp { alpha, damping: 0.5 })? {
            // Sites that still move may be those of a Gaussian far from the posterior, whose draws miss it.
            if !found.is_moving {
                found.sampled = defined(importance::log_evidence(model, draws, rng))?.filter(is_number);
            }
            found.ep = value(model, &energy)?;
        }
        if found.settles(model, &Cvi { rho: 0.5 })? {
            found.hybrid = value(model, &energy)?;
            found.elbo = value(model, &Elbo)?;
            if found.sampled.is_none() {
                found.sampled = defined(importance::log_evidence(model, draws, rng))?.filter(is_number);
            }
        }
        if found.settles(model, &Laplace { damping: 0.5 })? {
            found.laplace = value(model, &LaplaceEvidence)?;
        }
        found.sampled = found.sampled.filter(|sampled| !is_refuted(*sampled, found.elbo));
        Ok(found)
    }

    /// Sweeps a rule from the present sites, or, where it fails, leaves flat ones. Returns whether there are sites to judge.
    fn settles(&mut self, model: &mut SiteGp, rule: &dyn SiteRule) -> Result<bool> {
        match defined(model.infer(rule, SWEEPS, SETTLED))? {
            Some((last, _)) => {
                self.is_moving |= last.change > MOVING;
                Ok(true)
            }
            None => {
                model.sites = Sites::flat(model.targets().len());
                Ok(false)
            }
        }
    }

    /// Cells of a table in the order of [`Estimates::COLUMNS`].
    fn cells(&self) -> Vec<String> {
        let (sampled, error) = (self.sampled.map(|s| s.value), self.sampled.map(|s| s.error));
        let shown = |value: Option<f64>| value.map_or_else(|| "–".into(), |v| format!("{v:.3}"));
        [self.elbo, self.hybrid, self.ep, self.laplace, sampled, error].map(shown).into()
    }

    const COLUMNS: [&str; 6] = ["bound", "energy", "energy of EP", "Laplace", "sampled", "s.e."];
}

/// Whether an estimate lies below what bounds the log evidence from below by more than its standard error and rounding explain.
fn is_refuted(sampled: Estimate, bound: Option<f64>) -> bool {
    bound.is_some_and(|bound| sampled.value < bound - 5.0 * sampled.error - 1e-3)
}

/// What arithmetic gave, or `None` where it failed in a way that another point of the grid need not.
fn defined<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_recoverable() => Ok(None),
        Err(error) => Err(error),
    }
}

fn value(model: &SiteGp, evidence: &dyn Evidence) -> Result<Option<f64>> {
    Ok(defined(no_grad(|| evidence.value(model)))?.map(|v| v.item()).filter(|v| v.is_finite()))
}

/// The grid: which parameters it is over, and where.
pub(super) struct Axes {
    lengthscale: String,
    variance: String,
    /// Means of the logarithms where the grid is centred.
    centre: [f64; 2],
    side: usize,
}

impl Axes {
    /// A grid of `side` points a side over the kernel's one lengthscale, or one set of them, and its one variance.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when the kernel has not just one of each.
    pub fn of(model: &SiteGp, side: usize) -> Result<Self> {
        let named = |last: &str| -> Vec<String> {
            let is_it = |name: &String| name.starts_with("kernel.") && name.rsplit('.').next() == Some(last);
            model.names().into_iter().filter(is_it).collect()
        };
        let (lengthscales, variances) = (named("lengthscale"), named("variance"));
        ensure(
            "grid",
            side,
            lengthscales.len() == 1 && variances.len() == 1,
            "0 with this kernel: the grid is over one variance and the lengthscales of one part, as of `matern52` or `rbf`",
        )?;
        let [lengthscale, variance] = [lengthscales, variances].map(|names| names.concat());
        Ok(Self { lengthscale, variance, centre: [0.0; 2], side }.around(model))
    }

    /// The same grid around the hyperparameters of this model.
    pub fn around(&self, model: &SiteGp) -> Self {
        let mean_log = |wanted: &str| {
            let mut found = f64::NAN;
            model.visit(&mut |name, p| {
                if name == wanted {
                    found = p.value().iter().map(|v| v.ln()).sum::<f64>() / p.len() as f64;
                }
            });
            found
        };
        let (lengthscale, variance) = (self.lengthscale.clone(), self.variance.clone());
        let centre = [mean_log(&lengthscale), mean_log(&variance)];
        Self { lengthscale, variance, centre, side: self.side }
    }

    /// Distances of the points of an axis from its centre.
    fn steps(&self, axis: usize) -> Vec<f64> {
        let at = |i: usize| if self.side == 1 { 0.0 } else { 2.0 * i as f64 / (self.side - 1) as f64 - 1.0 };
        (0..self.side).map(|i| REACH[axis] * at(i)).collect()
    }

    /// Moves a model with the learned hyperparameters by these distances: all lengthscales together, and the variance.
    fn shift(&self, model: &mut SiteGp, [length, variance]: [f64; 2]) -> Result<()> {
        let mut outcome = Ok(());
        model.visit_mut(&mut |name, p| {
            let by = if name == self.lengthscale {
                length
            } else if name == self.variance {
                variance
            } else {
                return;
            };
            let moved: Vec<f64> = p.value().iter().map(|v| v * by.exp()).collect();
            if outcome.is_ok() {
                outcome = p.set(&moved);
            }
        });
        outcome
    }
}

/// Compares the evidences over the grid, each at its own sites: a table, and a map of the evidence by importance sampling where it is whole.
/// `again` makes the model anew, with hyperparameters as at the start; those of `learned` are given to it.
///
/// # Errors
/// Those of the arithmetic that are not recoverable.
pub(super) fn compare(
    axes: &Axes,
    alpha: f64,
    learned: &SiteGp,
    again: impl Fn() -> Result<SiteGp>,
    run: &mut Run,
) -> Result<(Table, Option<Figure>)> {
    let columns = [&["log lengthscale", "log variance"][..], &Estimates::COLUMNS[..]].concat();
    let mut table = Table::new(
        "evidence",
        "Log evidence around the learned hyperparameters (nats): bound and energy at variational sites, the energy at EP's, Laplace's, and \
         importance sampling with its standard error, where the bound does not refute it. The log lengthscale is the mean over the \
         inputs, which move together.",
        &columns,
    );
    let start = learned.pack();
    let (lengths, variances) = (axes.steps(0), axes.steps(1));
    let mut found = vec![];
    for variance in &variances {
        for length in &lengths {
            if run.must_stop() {
                run.mark_stopped_early();
                run.warn(format!("the grid was stopped after {} of {} points", found.len(), axes.side * axes.side));
                return Ok((table, None));
            }
            let mut model = again()?;
            model.unpack(&start);
            axes.shift(&mut model, [*length, *variance])?;
            let estimates = Estimates::of(&mut model, alpha, DRAWS, &mut run.rng)?;
            let at = [axes.centre[0] + length, axes.centre[1] + variance].map(|v| format!("{v:.3}"));
            table.push([at.to_vec(), estimates.cells()].concat());
            found.push(estimates);
        }
    }
    let moving = found.iter().filter(|e| e.is_moving).count();
    if moving > 0 {
        run.warn(format!(
            "at {moving} of {} points of the grid some sites still moved after {SWEEPS} sweeps: their evidences are of no fixed point; where \
             EP's moved, the draws of importance sampling are from the variational posterior",
            found.len()
        ));
    }
    let absent = found.iter().filter(|e| e.sampled.is_none()).count();
    if absent > 0 {
        run.warn(format!(
            "at {absent} of {} points of the grid there is no estimate by importance sampling: it failed, or the bound lies above it",
            found.len()
        ));
    }
    let at = |axis: usize, steps: &[f64]| steps.iter().map(|step| axes.centre[axis] + step).collect::<Vec<f64>>();
    let map = map(axes, &at(0, &lengths), &at(1, &variances), &found);
    Ok((table, (axes.side > 1).then_some(map)))
}

/// The evidence by importance sampling as colours, with the largest value of each estimate and the learned hyperparameters as points.
fn map(axes: &Axes, x: &[f64], y: &[f64], found: &[Estimates]) -> Figure {
    let sampled = |e: &Estimates| e.sampled.map(|s| s.value);
    let point = |label: &str, at: [f64; 2]| Mark::Points {
        label: label.into(),
        x: vec![at[0]],
        y: vec![at[1]],
        lower: vec![],
        upper: vec![],
    };
    let largest = |of: &dyn Fn(&Estimates) -> Option<f64>| {
        let values = found.iter().map(|e| of(e).unwrap_or(f64::NEG_INFINITY)).enumerate();
        let best = values.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, value)| value.is_finite());
        best.map(|(i, _)| [x[i % x.len()], y[i / x.len()]])
    };
    let values = found.iter().map(|e| sampled(e).unwrap_or(f64::NAN)).collect();
    let mut marks = vec![Mark::Heat { x: x.to_vec(), y: y.to_vec(), values }];
    marks.extend(largest(&|e| e.elbo).map(|at| point("largest bound", at)));
    marks.extend(largest(&|e| e.hybrid).map(|at| point("largest energy", at)));
    marks.extend(largest(&sampled).map(|at| point("largest by sampling", at)));
    marks.push(point("learned", axes.centre));
    Figure {
        name: "evidence".into(),
        caption: "Log evidence by importance sampling around the learned hyperparameters (nats); light is large. Where the largest bound lies \
                  below the largest energy, hyperparameters learned on the bound have too small an amplitude."
            .into(),
        x_label: "log lengthscale".into(),
        y_label: "log variance".into(),
        marks,
        ..Figure::default()
    }
}

/// Warns where energy and bound lie far apart, in nats a row, at variational sites, whose fixed point alone makes them comparable.
pub(super) fn warn_of_gap(gap: f64, infer: Infer, run: &mut Run) {
    if gap.abs() <= WIDE_GAP {
        return;
    }
    let grid = "--set grid=7 compares both with importance sampling around the learned values";
    match infer {
        Infer::Hybrid | Infer::Vi if gap < 0.0 => run.warn(format!(
            "the energy lies {:.3} nats a row below the bound, which the log evidence cannot: do not trust the energy here; learn on the \
             bound with infer=vi; {grid}",
            -gap
        )),
        Infer::Vi => run.warn(format!(
            "the bound lies {gap:.3} nats a row below the energy: the posterior is far from normal, and hyperparameters learned on the \
             bound, the amplitude above all, tend to be too small; use infer=hybrid; {grid}"
        )),
        Infer::Hybrid => run.warn(format!(
            "the bound lies {gap:.3} nats a row below the energy: the posterior is far from normal. The hyperparameters rest on the energy; \
             those that the bound prefers would differ, the amplitude above all; {grid}"
        )),
        Infer::Ep | Infer::Laplace => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bound_well_above_the_samples_refutes_them() {
        let sampled = |value: f64| Estimate { value, error: 0.1 };
        assert!(is_refuted(sampled(-20.0), Some(-19.4)));
        assert!(!is_refuted(sampled(-20.0), Some(-19.6)) && !is_refuted(sampled(-20.0), Some(-25.0)));
        assert!(!is_refuted(Estimate { value: -20.0, error: 0.0 }, Some(-20.0 + 1e-9)), "rounding");
        assert!(!is_refuted(sampled(-20.0), None));
    }

    #[test]
    fn a_wide_gap_is_told_with_what_it_means_for_the_way_of_learning() {
        let told = |gap: f64, infer: Infer| {
            let mut run = Run::new(0);
            warn_of_gap(gap, infer, &mut run);
            run.warnings().concat()
        };
        assert!(told(0.2, Infer::Vi).contains("use infer=hybrid"));
        assert!(told(0.2, Infer::Hybrid).contains("0.200 nats a row"));
        assert!(told(-0.2, Infer::Hybrid).contains("do not trust the energy"));
        for infer in [Infer::Ep, Infer::Laplace] {
            assert_eq!(told(0.2, infer), "", "their sites are not those of the bound");
        }
        assert_eq!(told(0.5 * WIDE_GAP, Infer::Vi), "");
    }
}
