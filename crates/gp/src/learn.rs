//! Learning hyperparameters of a site model: inference at fixed hyperparameters, then hyperparameters at fixed sites, in turn.

use crate::evidence::Evidence;
use crate::site::{SiteRule, Update};
use crate::sites::SiteGp;
use elbo_core::{ModelFile, Progress, Result, Run, Snapshot, Step};
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::{Parameters, Tensor, no_grad};

/// Largest kernel variance: separable classes would let it grow without end.
pub const MOST_VARIANCE: f64 = 2980.957987041728; // exp(8)

/// One round: sweeps of a site rule, then L-BFGS moves of the hyperparameters on an evidence. Rule and evidence are chosen apart, so
/// variational sites with EP's evidence is one point of the grid. The likelihood's parameters are held, with a warning, where the
/// evidence has no derivatives by them. Where it does not exist its milder form, if it has one, is climbed from the best round on.
pub struct Rounds<'a> {
    /// How sites are found.
    pub rule: &'a dyn SiteRule,
    /// What hyperparameters climb.
    pub evidence: &'a dyn Evidence,
    /// Sweeps a round, at most.
    pub sweeps: usize,
    /// L-BFGS iterations a round.
    pub moves: usize,
    /// Ends when the evidence rises by less than this in a round, in nats.
    pub tolerance: f64,
}

/// The best round so far, and how many have been worse since.
pub struct RoundsState {
    best: f64,
    parameters: Vec<f64>,
    sites: crate::site::Sites,
    worse: usize,
    /// Whether [`Evidence::milder`] is climbed.
    is_milder: bool,
}

impl Snapshot for RoundsState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.best.save(file, &format!("{prefix}.best"));
        self.parameters.save(file, &format!("{prefix}.parameters"));
        self.sites.save(file, &format!("{prefix}.sites"));
        self.worse.save(file, &format!("{prefix}.worse"));
        file.set(&format!("{prefix}.is_milder"), &self.is_milder);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.best.restore(file, &format!("{prefix}.best"))?;
        self.parameters.restore(file, &format!("{prefix}.parameters"))?;
        self.sites.restore(file, &format!("{prefix}.sites"))?;
        self.worse.restore(file, &format!("{prefix}.worse"))?;
        self.is_milder = file.fact(&format!("{prefix}.is_milder"))?;
        Ok(())
    }
}

impl Rounds<'_> {
    /// The evidence at the present sites, or its milder form.
    fn value(&self, model: &SiteGp, is_milder: bool) -> Result<Tensor> {
        match self.evidence.milder().filter(|_| is_milder) {
            Some(milder) => milder.value(model),
            None => self.evidence.value(model),
        }
    }

    fn infer(&self, model: &mut SiteGp, is_milder: bool) -> Result<f64> {
        model.infer(self.rule, self.sweeps, 1e-6)?;
        Ok(no_grad(|| self.value(model, is_milder))?.item())
    }

    /// Goes on from the best round with the milder evidence, if there is one that has not been tried. Returns whether it does.
    fn soften(&self, model: &mut SiteGp, state: &mut RoundsState, run: &mut Run) -> Result<bool> {
        let Some(milder) = self.evidence.milder().filter(|_| !state.is_milder) else { return Ok(false) };
        Self::roll_back(model, state);
        state.best = match no_grad(|| self.value(model, true)) {
            Err(error) if error.is_recoverable() => return Ok(false),
            value => value?.item(),
        };
        (state.is_milder, state.worse) = (true, 0);
        run.warn(format!(
            "the evidence `{}` does not exist at some sites: from there on its milder form, `{milder:?}`, is climbed",
            self.evidence.name()
        ));
        Ok(true)
    }

    fn roll_back(model: &mut SiteGp, state: &RoundsState) {
        model.unpack(&state.parameters);
        model.sites = state.sites.clone();
    }
}

impl Step<SiteGp> for Rounds<'_> {
    type State = RoundsState;

    fn init(&self, model: &mut SiteGp, run: &mut Run) -> Result<RoundsState> {
        if !self.evidence.learns_likelihood() {
            hold_likelihood(model, self.evidence.name(), run);
        }
        // The first round starts from flat sites, so it may take more sweeps than later ones.
        for _ in 0..5 {
            if model.infer(self.rule, self.sweeps, 1e-6)?.0.change <= 1e-6 {
                break;
            }
        }
        let (best, failure) = match self.infer(model, false) {
            Err(error) if error.is_recoverable() => (f64::NEG_INFINITY, Some(error)),
            best => (best?, None),
        };
        let (parameters, sites) = (model.pack(), model.sites.clone());
        let mut state = RoundsState { best, parameters, sites, worse: 0, is_milder: false };
        match failure {
            Some(error) if !self.soften(model, &mut state, run)? => Err(error),
            _ => Ok(state),
        }
    }

    fn step(&self, model: &mut SiteGp, state: &mut RoundsState, run: &mut Run) -> Result<Progress> {
        let is_milder = state.is_milder;
        let optimiser = Lbfgs::default().on(|model: &SiteGp, _: &mut Run| Ok(-self.value(model, is_milder)?));
        let mut memory = optimiser.init(model, run)?;
        for _ in 0..self.moves {
            match optimiser.step(model, &mut memory, run) {
                Ok(progress) if progress.converged => break,
                Ok(_) => {}
                // A cavity that stops being positive ends the round's moves; the sites are found anew next.
                Err(error) if error.is_recoverable() => break,
                Err(error) => return Err(error),
            }
        }
        bound_variances(model, run);
        let value = self
            .infer(model, is_milder)
            .or_else(|error| if error.is_recoverable() { Ok(f64::NEG_INFINITY) } else { Err(error) })?;
        if value == f64::NEG_INFINITY && self.soften(model, state, run)? {
            return Ok(Progress { objective: state.best, converged: false });
        }
        let rise = value - state.best;
        if rise > 0.0 {
            let (parameters, sites) = (model.pack(), model.sites.clone());
            *state = RoundsState { best: value, parameters, sites, worse: 0, is_milder };
        } else {
            state.worse += 1;
        }
        let converged = state.worse >= 2 || (0.0..self.tolerance).contains(&rise);
        if converged || !value.is_finite() {
            Self::roll_back(model, state);
        }
        Ok(Progress { objective: state.best, converged })
    }
}

/// How many sites the rule skips or floors where a fit has left them, as metrics; warns of those that it skips.
///
/// # Errors
/// As [`SiteGp::marginals`].
pub fn site_counts(model: &SiteGp, rule: &dyn SiteRule, run: &mut Run) -> Result<Vec<(String, f64)>> {
    let Update { skipped, floored, .. } = model.survey(rule)?;
    if skipped > 0 {
        run.warn(format!(
            "{skipped} of {} sites stand where the rule `{}` could not move them, since their cavities have no positive variance: \
             predictions near these rows may be off; a smaller step or power, or variational sites, may reach them",
            model.targets().len(),
            rule.name()
        ));
    }
    let counts = [("skipped_sites", skipped), ("floored_sites", floored)];
    Ok(counts.iter().filter(|(_, n)| *n > 0).map(|(name, n)| ((*name).into(), *n as f64)).collect())
}

/// Holds the likelihood's parameters, and says so.
fn hold_likelihood(model: &mut SiteGp, evidence: &str, run: &mut Run) {
    let held: Vec<String> = model.hold_likelihood().iter().map(|name| format!("`{name}`")).collect();
    if !held.is_empty() {
        run.warn(format!(
            "{} of the likelihood held at the start: the evidence `{evidence}` has no derivatives by them; the bound and the energy \
             learn them",
            held.join(", ")
        ));
    }
}

/// Holds kernel variances at most at [`MOST_VARIANCE`], and says so.
fn bound_variances(model: &mut SiteGp, run: &mut Run) {
    let mut bounded = false;
    model.visit_mut(&mut |name, p| {
        if name.starts_with("kernel.") && name.ends_with("variance") {
            let values: Vec<f64> = p.value().iter().map(|v| v.min(MOST_VARIANCE)).collect();
            if values != p.value() {
                p.set(&values).expect("a bounded variance is positive");
                bounded = true;
            }
        }
    });
    if bounded {
        run.warn(
            "the kernel's variance reached its bound exp(8): the classes can be separated without error, and the \
             evidence would grow without end",
        );
    }
}
