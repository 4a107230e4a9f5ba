//! Fitting hyperparameters: several starts, one driver, and what to be suspicious of.

use crate::exact::NOISE_FLOOR;
use elbo_core::figure::Table;
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Snapshot, Step, Stop, drive};
use elbo_dist::{Scramble, Sobol};
use elbo_tensor::optim::{Lbfgs, LbfgsState};
use elbo_tensor::{Constraint, Parameters, Tensor, no_grad};

/// Optima further apart than this many nats are different optima.
const DISTINCT: f64 = 2.0;

/// A parameter within this share of its range from one of the ends sits on that end.
const AT_END: f64 = 1e-3;

/// A model with a smooth loss of its parameters.
pub trait Loss: Parameters {
    /// The loss in nats, a scalar: a negative log evidence or bound, without the priors on parameters, which [`search`] adds.
    ///
    /// # Errors
    /// Recoverable where it does not exist, so that a line search shortens its step.
    fn loss(&self) -> Result<Tensor>;
}

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Starting points: the model as it is, then this many less one from a Sobol sequence around it.
    pub starts: usize,
    /// L-BFGS iterations a start, at most.
    pub iterations: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self { starts: 5, iterations: 200 }
    }
}

/// Where one start ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct End {
    /// Loss at its start, in nats.
    pub first: f64,
    /// Loss at its end, in nats.
    pub last: f64,
    /// Iterations done.
    pub iterations: usize,
    /// Whether it was given up because it fell behind the best.
    pub abandoned: bool,
}

/// What a search found. The model is left at the best end.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The best loss, in nats; with priors, less the log density of them.
    pub loss: f64,
    /// Log density of the priors at the best end, in nats; zero without any.
    pub log_prior: f64,
    /// Every end, in the order of the starts.
    pub ends: Vec<End>,
}

impl Found {
    /// Minus the model's own loss at the best end, in nats: its log evidence or bound, without the priors.
    pub fn evidence(&self) -> f64 {
        -self.loss - self.log_prior
    }

    /// The ends as a table for the report.
    pub fn table(&self) -> Table {
        let mut table = Table::new(
            "starts",
            "Where each start of the search ended; the best is kept.",
            &["start", "first loss (nats)", "last loss (nats)", "iterations", "ended"],
        );
        for (i, end) in self.ends.iter().enumerate() {
            let how = if end.abandoned { "given up: far behind" } else { "converged or out of steps" };
            let row = [format!("{:.3}", end.first), format!("{:.3}", end.last), end.iterations.to_string(), how.into()];
            table.push([vec![(i + 1).to_string()], row.to_vec()].concat());
        }
        table
    }
}

/// Minimises a model's loss less the log density of the priors that its parameters carry, from several starts, as one resumable stage.
/// Warns when starts end at different optima, and of parameters that end on a bound.
///
/// # Errors
/// When the loss cannot be evaluated at any start.
pub fn search<M: Loss + Snapshot>(model: &mut M, options: Search, run: &mut Run) -> Result<Found> {
    let mut rng = run.rng.fork();
    let step = MultiStart { starts: starts(model, options.starts, &mut rng), iterations: options.iterations };
    let mut tracked = Tracked { model, best: vec![], best_loss: f64::INFINITY, ends: vec![] };
    let steps = options.starts * (options.iterations + 1);
    let stop = Stop::after(steps, "hyperparameters", "negative log evidence (nats)");
    drive(&step, &mut tracked, &stop, run)?;
    let found = tracked.finish()?;
    let settled: Vec<f64> = found.ends.iter().filter(|e| !e.abandoned && e.last.is_finite()).map(|e| e.last).collect();
    let worst = settled.iter().fold(f64::NEG_INFINITY, |a, l| a.max(*l));
    if settled.len() > 1 && worst - found.loss > DISTINCT {
        run.warn(format!(
            "the starts ended up to {:.1} nats apart, so the likelihood has several optima; the best of {} is kept",
            worst - found.loss,
            found.ends.len()
        ));
    }
    on_a_bound(model).into_iter().for_each(|text| run.warn(text));
    Ok(found)
}

/// One sentence for each learned parameter that sits on an end of its range.
fn on_a_bound<M: Parameters>(model: &M) -> Vec<String> {
    let mut found = vec![];
    model.visit(&mut |name, p| {
        let Constraint::Interval(low, high) = p.constraint() else { return };
        if p.is_frozen() {
            return;
        }
        for end in [low, high] {
            if p.value().iter().any(|v| (v - end).abs() < AT_END * (high - low)) {
                found.push(format!("`{name}` ended at {end}, a bound of its range {low} to {high}"));
            }
        }
    });
    found
}

/// The model's own start and Sobol points around it: positive parameters within a factor of `e^1.5`, others held.
fn starts<M: Parameters>(model: &M, count: usize, rng: &mut Rng) -> Vec<Vec<f64>> {
    let centre = model.pack();
    let mut scales = vec![];
    model.visit(&mut |_, p| {
        if !p.is_frozen() {
            let is_logarithmic = matches!(p.constraint(), Constraint::Positive | Constraint::Above(_));
            scales.extend(vec![if is_logarithmic { 1.5 } else { 0.0 }; p.len()]);
        }
    });
    // Beyond the sequence's dimensions its coordinates are used again; inducing inputs and means have no scale and stay put.
    let sobol = Sobol::new(centre.len().clamp(1, Sobol::MAX_DIMENSION), Scramble::Owen, rng);
    let mut out = vec![centre.clone()];
    for start in 1..count {
        let point = sobol.point(start as u64);
        let shift = |i: usize| scales[i] * (2.0 * point[i % point.len()] - 1.0);
        out.push((0..centre.len()).map(|i| centre[i] + shift(i)).collect());
    }
    out
}

/// The model together with the best parameters seen.
struct Tracked<'a, M> {
    model: &'a mut M,
    best: Vec<f64>,
    best_loss: f64,
    ends: Vec<End>,
}

impl<M: Loss> Tracked<'_, M> {
    fn offer(&mut self, loss: f64) {
        if loss < self.best_loss {
            self.best_loss = loss;
            self.best = self.model.pack();
        }
    }

    fn finish(self) -> Result<Found> {
        if self.best.is_empty() {
            // No start could be evaluated: say why.
            penalised(self.model)?;
        } else {
            self.model.unpack(&self.best);
        }
        let log_prior = if has_priors(self.model) { no_grad(|| self.model.log_prior().item()) } else { 0.0 };
        Ok(Found { loss: self.best_loss, log_prior, ends: self.ends })
    }
}

impl<M: Snapshot> Snapshot for Tracked<'_, M> {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.model.save(file, &format!("{prefix}.model"));
        file.put(&format!("{prefix}.best"), &[self.best.len()], &self.best);
        file.put(&format!("{prefix}.best_loss"), &[1], &[self.best_loss]);
        let flat: Vec<f64> = self
            .ends
            .iter()
            .flat_map(|e| [e.first, e.last, e.iterations as f64, f64::from(u8::from(e.abandoned))])
            .collect();
        file.put(&format!("{prefix}.ends"), &[self.ends.len(), 4], &flat);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.model.restore(file, &format!("{prefix}.model"))?;
        self.best = file.get(&format!("{prefix}.best"))?;
        self.best_loss.restore(file, &format!("{prefix}.best_loss"))?;
        let flat = file.get(&format!("{prefix}.ends"))?;
        let end = |e: &[f64]| End { first: e[0], last: e[1], iterations: e[2] as usize, abandoned: e[3] != 0.0 };
        self.ends = flat.chunks_exact(4).map(end).collect();
        Ok(())
    }
}

fn optimiser<M: Loss>() -> impl Step<M, State = LbfgsState> {
    Lbfgs::default().on(|model: &M, _: &mut Run| penalised(model))
}

/// The loss less the log priors of natural values, without the Jacobian of the logarithm: what MAP usually means.
fn penalised<M: Loss>(model: &M) -> Result<Tensor> {
    if !has_priors(model) {
        return model.loss();
    }
    let prior = model.log_prior();
    if !prior.item().is_finite() {
        return Err(Error::recoverable(
            "a parameter has left the support of its prior",
            "choose a prior whose density is positive around the start",
        ));
    }
    Ok(model.loss()? - prior)
}

fn has_priors<M: Parameters>(model: &M) -> bool {
    let mut found = false;
    model.visit(&mut |_, p| found |= p.prior().is_some());
    found
}

/// L-BFGS from one start after the other.
struct MultiStart {
    starts: Vec<Vec<f64>>,
    iterations: usize,
}

/// Which start is being followed, and how it goes.
struct MultiState {
    at: usize,
    iterations: usize,
    losses: Vec<f64>,
    inner: LbfgsState,
}

impl Snapshot for MultiState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(&format!("{prefix}.at"), &(self.at, self.iterations));
        file.put(&format!("{prefix}.losses"), &[self.losses.len()], &self.losses);
        self.inner.save(file, &format!("{prefix}.inner"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        (self.at, self.iterations) = file.fact(&format!("{prefix}.at"))?;
        self.losses = file.get(&format!("{prefix}.losses"))?;
        self.inner.restore(file, &format!("{prefix}.inner"))
    }
}

impl MultiStart {
    fn begin<M: Loss>(&self, at: usize, model: &mut M, run: &mut Run) -> Result<MultiState> {
        model.unpack(&self.starts[at]);
        let inner = optimiser().init(model, run)?;
        Ok(MultiState { at, iterations: 0, losses: vec![], inner })
    }

    /// The next start that can be evaluated, if any is left.
    fn next<M: Loss>(&self, mut at: usize, model: &mut M, run: &mut Run) -> Result<Option<MultiState>> {
        while at < self.starts.len() {
            match self.begin(at, model, run) {
                Ok(state) => return Ok(Some(state)),
                Err(error) if error.is_recoverable() => at += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Whether a run is so far behind that its present pace would not catch up in twenty more such stretches.
fn falls_behind(losses: &[f64], best: f64) -> bool {
    let Some(earlier) = losses.len().checked_sub(6).map(|i| losses[i]) else { return false };
    let last = losses[losses.len() - 1];
    losses.len() >= 15 && last - best > 20.0 * (earlier - last) && last - best > DISTINCT
}

impl<M: Loss> Step<Tracked<'_, M>> for MultiStart {
    type State = MultiState;

    fn init(&self, tracked: &mut Tracked<'_, M>, run: &mut Run) -> Result<MultiState> {
        match self.next(0, tracked.model, run)? {
            Some(state) => Ok(state),
            None => self.begin(0, tracked.model, run),
        }
    }

    fn step(&self, tracked: &mut Tracked<'_, M>, state: &mut MultiState, run: &mut Run) -> Result<Progress> {
        let progress = optimiser().step(tracked.model, &mut state.inner, run)?;
        state.iterations += 1;
        state.losses.push(progress.objective);
        tracked.offer(progress.objective);
        let abandoned = falls_behind(&state.losses, tracked.best_loss);
        if !(progress.converged || abandoned || state.iterations >= self.iterations) {
            return Ok(progress);
        }
        let end = End { first: state.losses[0], last: progress.objective, iterations: state.iterations, abandoned };
        tracked.ends.push(end);
        match self.next(state.at + 1, tracked.model, run)? {
            Some(next) => {
                *state = next;
                Ok(Progress { objective: tracked.best_loss, converged: false })
            }
            None => Ok(Progress { objective: tracked.best_loss, converged: true }),
        }
    }
}

/// Up to three pairs of rows of `d` values that are equal, in words.
fn repeats(values: &[f64], d: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..values.len() / d.max(1)).collect();
    let row = |i: usize| &values[i * d..(i + 1) * d];
    order.sort_by(|a, b| {
        row(*a).iter().zip(row(*b)).map(|(p, q)| p.total_cmp(q)).find(|o| o.is_ne()).unwrap_or(a.cmp(b))
    });
    let pairs = order.windows(2).filter(|w| row(w[0]) == row(w[1])).take(3);
    pairs.map(|w| format!("{} and {}", w[0] + 1, w[1] + 1)).collect()
}

/// A failed factorisation with what the user can change.
pub(crate) fn with_remedy(error: Error, remedy: impl FnOnce() -> String) -> Error {
    match error {
        Error::Numerical { message, recoverable, .. } => Error::Numerical { message, remedy: remedy(), recoverable },
        other => other,
    }
}

/// What most likely made the covariance of inducing variables singular, and what to do. `points: [M, D]` where they are values at points.
pub fn inducing_diagnosis(points: Option<&Tensor>) -> String {
    let Some(z) = points else {
        return "use fewer inducing variables, or such as do not follow from each other; a kernel of your own may not be positive \
                semi-definite"
            .into();
    };
    let values = z.as_f64();
    if let Some(i) = values.iter().position(|v| !v.is_finite()) {
        return format!("inducing point {} is not finite; hold the points where they are", i / z.shape()[1].max(1) + 1);
    }
    let repeats = repeats(&values, z.shape()[1]);
    if !repeats.is_empty() {
        return format!("inducing points {} are the same; use fewer points", repeats.join(", "));
    }
    "use fewer inducing points or shorter lengthscales, which may be far beyond the range of the data; a kernel of your own may not be \
     positive semi-definite"
        .into()
}

/// What most likely made a covariance of these inputs singular, and what to do. `x: [N, D]`.
pub fn diagnosis(x: &Tensor, noise: f64) -> String {
    let (n, d) = (x.shape()[0], x.shape()[1]);
    let values = x.as_f64();
    if let Some(i) = values.iter().position(|v| !v.is_finite()) {
        return format!("row {} of the inputs is not finite; mend or remove it", i / d + 1);
    }
    let repeats = repeats(&values, d);
    if !repeats.is_empty() {
        return format!(
            "rows {} have the same inputs; allow more noise (now {noise:.1e}) or merge them",
            repeats.join(", ")
        );
    }
    for c in 0..d {
        let column = (0..n).map(|i| values[i * d + c]);
        let (low, high) = column.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let (spread, size) = (high - low, low.abs().max(high.abs()));
        // A column that is zero up to rounding, as standardising leaves a constant one, does no harm.
        if size > 1e-6 && spread <= 1e-6 * size {
            return format!(
                "column {} of the inputs varies by {spread:.1e} around {low:.3e}; subtract its mean, or leave it out \
                 if it is constant",
                c + 1
            );
        }
    }
    if noise < 2.0 * NOISE_FLOOR {
        return format!(
            "the noise is at its floor ({noise:.1e}): hold it at a larger value, or shorten the lengthscales"
        );
    }
    format!(
        "raise the noise (now {noise:.1e}) or shorten the lengthscales, which may be far beyond the range of the data; a kernel of your \
         own may not be positive semi-definite"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Exchangeable;

    fn points(rows: &[[f64; 2]]) -> Tensor {
        Tensor::from_vec(rows.concat(), &[rows.len(), 2])
    }

    #[test]
    fn a_singular_covariance_is_put_down_to_what_the_inputs_show() {
        for (rows, noise, says) in [
            ([[0.0, 1.0], [f64::NAN, 2.0], [1.0, 3.0]], 0.1, "row 2 of the inputs is not finite"),
            ([[0.0, 1.0], [5.0, 2.0], [0.0, 1.0]], 0.1, "rows 1 and 3 have the same inputs"),
            ([[0.0, 1e9], [5.0, 1e9 + 1.0], [1.0, 1e9]], 0.1, "column 2 of the inputs varies by 1.0e0 around 1.000e9"),
            ([[0.0, 1.0], [5.0, 2.0], [1.0, 3.0]], 1e-6, "the noise is at its floor"),
            ([[0.0, 0.0], [5.0, 0.0], [1.0, 0.0]], 1e-6, "the noise is at its floor"),
            ([[0.0, 1.0], [5.0, 2.0], [1.0, 3.0]], 0.1, "shorten the lengthscales"),
        ] {
            let text = diagnosis(&points(&rows), noise);
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn a_singular_covariance_of_inducing_points_is_put_down_to_what_they_show() {
        for (rows, says) in [
            ([[0.0, 1.0], [f64::NAN, 2.0], [1.0, 3.0]], "inducing point 2 is not finite"),
            ([[0.0, 1.0], [5.0, 2.0], [0.0, 1.0]], "inducing points 1 and 3 are the same"),
            ([[0.0, 1.0], [5.0, 2.0], [1.0, 3.0]], "use fewer inducing points"),
        ] {
            let text = inducing_diagnosis(Some(&points(&rows)));
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn parameters_on_a_bound_are_named() {
        assert!(on_a_bound(&Exchangeable::new(&[3], 0.5)).is_empty());
        let told = on_a_bound(&Exchangeable::new(&[3], 0.9999));
        assert!(told.len() == 1 && told[0].contains("ended at 1"), "{told:?}");
    }
}
