//! L-BFGS with a strong Wolfe line search and optional bounds.

use std::collections::VecDeque;

use elbo_core::step::Snapshot;
use elbo_core::{Error, ModelFile, Progress, Result, Run, Step};

use super::linesearch::{DECREASE, Point, attempt, dot, wolfe};
use super::{Function, Objective, save_list};
use crate::parameters::Parameters;

/// Settings of L-BFGS.
///
/// # Source
/// Liu and Nocedal (1989). Deviation: with bounds, coordinates that press against one are held, and steps that reach one are
/// projected (after Bertsekas 1982), in place of the Cauchy point of L-BFGS-B.
#[derive(Debug, Clone, PartialEq)]
pub struct Lbfgs {
    /// Pairs of steps and gradient changes that are remembered.
    pub memory: usize,
    /// Converged when no component of the (projected) gradient is larger.
    pub gradient_tolerance: f64,
    /// Converged when the objective falls by less than this, relative to its size.
    pub value_tolerance: f64,
    /// Bounds of each free value, in the order of `pack`; `None` for none.
    pub bounds: Option<Vec<(f64, f64)>>,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self { memory: 10, gradient_tolerance: 1e-5, value_tolerance: 1e-10, bounds: None }
    }
}

/// Memory of L-BFGS: the last point and the curvature seen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LbfgsState {
    x: Vec<f64>,
    value: f64,
    /// Gradient of the objective at the last point.
    pub gradient: Vec<f64>,
    /// Steps, changes of the gradient.
    pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
    /// Evaluations so far.
    pub evaluations: usize,
}

/// What [`Lbfgs::minimise`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// The point.
    pub x: Vec<f64>,
    /// The objective there.
    pub value: f64,
    /// The gradient there.
    pub gradient: Vec<f64>,
    /// Iterations done.
    pub iterations: usize,
    /// Evaluations done.
    pub evaluations: usize,
    /// Whether a tolerance was met.
    pub converged: bool,
}

impl Lbfgs {
    /// As a step of a driver: one call is one iteration. The objective must not change between calls.
    pub fn on<O>(self, objective: O) -> LbfgsStep<O> {
        LbfgsStep { rule: self, objective }
    }

    /// Minimises a function of a flat vector that returns its value and gradient.
    ///
    /// # Errors
    /// Those of the function at the start, and those that are not recoverable anywhere.
    pub fn minimise(
        &self,
        start: &[f64],
        iterations: usize,
        mut f: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>)>,
    ) -> Result<Minimum> {
        let mut x = start.to_vec();
        let mut state = self.start(&mut x, &mut f)?;
        let mut done = 0;
        let mut converged = false;
        while done < iterations && !converged {
            converged = self.iterate(&mut x, &mut state, &mut f)?.converged;
            done += 1;
        }
        let LbfgsState { value, gradient, evaluations, .. } = state;
        Ok(Minimum { x, value, gradient, iterations: done, evaluations, converged })
    }

    /// Evaluates the start, moved into the bounds.
    ///
    /// # Errors
    /// Those of the function, and a start where it is not finite.
    pub fn start(&self, x: &mut [f64], f: &mut Function<'_>) -> Result<LbfgsState> {
        self.project(x);
        let (value, gradient) = f(x)?;
        super::check_finite(value, &gradient)?;
        Ok(LbfgsState { x: x.to_vec(), value, gradient, pairs: VecDeque::new(), evaluations: 1 })
    }

    /// One iteration: a direction, a line search, an update of the memory.
    ///
    /// # Errors
    /// Those of the function that are not recoverable.
    pub fn iterate(&self, x: &mut Vec<f64>, state: &mut LbfgsState, f: &mut Function<'_>) -> Result<Progress> {
        let mut calls = 0;
        let mut counted = |x: &[f64]| {
            calls += 1;
            f(x)
        };
        // Another step may have moved the model.
        if *x != state.x {
            *state = LbfgsState { evaluations: state.evaluations, ..self.start(x, &mut counted)? };
        }
        let held: Vec<bool> = (0..x.len()).map(|i| self.holds(i, x[i], state.gradient[i])).collect();
        let steepest =
            state.gradient.iter().zip(&held).filter(|(_, h)| !**h).fold(0.0, |m: f64, (g, _)| m.max(g.abs()));
        if steepest <= self.gradient_tolerance {
            return Ok(Progress { objective: state.value, converged: true });
        }
        let mut found = self.search(state, &held, &mut counted)?;
        if found.is_none() && !state.pairs.is_empty() {
            // The remembered curvature misled the search; steepest descent has the last word.
            state.pairs.clear();
            found = self.search(state, &held, &mut counted)?;
        }
        state.evaluations += calls;
        let Some(new) = found else { return Ok(Progress { objective: state.value, converged: true }) };
        let step: Vec<f64> = new.x.iter().zip(&state.x).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = new.gradient.iter().zip(&state.gradient).map(|(a, b)| a - b).collect();
        if dot(&step, &change) > 1e-10 * dot(&step, &step).sqrt() * dot(&change, &change).sqrt() {
            if state.pairs.len() == self.memory {
                state.pairs.pop_front();
            }
            state.pairs.push_back((step, change));
        }
        let fall = (state.value - new.value) / state.value.abs().max(new.value.abs()).max(1.0);
        x.clone_from(&new.x);
        (state.x, state.value, state.gradient) = (new.x, new.value, new.gradient);
        Ok(Progress { objective: state.value, converged: fall <= self.value_tolerance })
    }

    /// A better point along the quasi-Newton direction.
    fn search(&self, state: &LbfgsState, held: &[bool], f: &mut Function<'_>) -> Result<Option<Point>> {
        let mut direction = two_loops(state, held);
        let mut slope = dot(&direction, &state.gradient);
        if slope.is_nan() || slope >= 0.0 {
            direction = masked(&state.gradient, held).iter().map(|g| -g).collect();
            slope = dot(&direction, &state.gradient);
        }
        let start =
            Point { step: 0.0, value: state.value, slope, x: state.x.clone(), gradient: state.gradient.clone() };
        // Without curvature the first trial moves by at most one.
        let norm = dot(&direction, &direction).sqrt();
        let first = if state.pairs.is_empty() { (1.0 / norm).min(1.0) } else { 1.0 };
        let room = self.room(&state.x, &direction);
        if room >= first {
            return wolfe(f, &start, &direction, first, room);
        }
        // A bound lies before the first trial: shorten along the projected path.
        let mut step = first;
        for _ in 0..40 {
            let mut x: Vec<f64> = state.x.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
            self.project(&mut x);
            let moved: f64 = x.iter().zip(&state.x).zip(&state.gradient).map(|((a, b), g)| (a - b) * g).sum();
            let (value, gradient) = attempt(f, &x)?;
            if moved < 0.0 && value <= state.value + DECREASE * moved {
                return Ok(Some(Point { step, value, slope: dot(&gradient, &direction), x, gradient }));
            }
            step *= 0.5;
        }
        Ok(None)
    }

    /// Whether a coordinate lies at a bound and the gradient presses it there.
    fn holds(&self, i: usize, x: f64, gradient: f64) -> bool {
        self.bounds.as_ref().is_some_and(|b| (x <= b[i].0 && gradient > 0.0) || (x >= b[i].1 && gradient < 0.0))
    }

    fn project(&self, x: &mut [f64]) {
        if let Some(bounds) = &self.bounds {
            assert_eq!(bounds.len(), x.len(), "L-BFGS needs one pair of bounds a value");
            x.iter_mut().zip(bounds).for_each(|(x, (low, high))| *x = x.clamp(*low, *high));
        }
    }

    /// The step at which the first bound is reached.
    fn room(&self, x: &[f64], direction: &[f64]) -> f64 {
        let Some(bounds) = &self.bounds else { return f64::INFINITY };
        let to = |((x, d), (low, high)): ((&f64, &f64), &(f64, f64))| match d {
            d if *d > 0.0 => (high - x) / d,
            d if *d < 0.0 => (low - x) / d,
            _ => f64::INFINITY,
        };
        x.iter().zip(direction).zip(bounds).map(to).fold(f64::INFINITY, f64::min)
    }
}

fn masked(v: &[f64], held: &[bool]) -> Vec<f64> {
    v.iter().zip(held).map(|(v, h)| if *h { 0.0 } else { *v }).collect()
}

/// The quasi-Newton direction, zero where held.
fn two_loops(state: &LbfgsState, held: &[bool]) -> Vec<f64> {
    let mut q = masked(&state.gradient, held);
    let mut weights = Vec::with_capacity(state.pairs.len());
    for (s, y) in state.pairs.iter().rev() {
        let weight = dot(s, &q) / dot(s, y);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= weight * y);
        weights.push(weight);
    }
    if let Some((s, y)) = state.pairs.back() {
        let scale = dot(s, y) / dot(y, y);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y), weight) in state.pairs.iter().zip(weights.iter().rev()) {
        let correction = weight - dot(y, &q) / dot(s, y);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += correction * s);
    }
    q.iter().zip(held).map(|(q, h)| if *h { 0.0 } else { -q }).collect()
}

/// L-BFGS on an objective. See [`Lbfgs::on`].
pub struct LbfgsStep<O> {
    rule: Lbfgs,
    objective: O,
}

impl<O> LbfgsStep<O> {
    fn evaluate<M: Parameters>(&self, model: &mut M, run: &mut Run, x: &[f64]) -> Result<(f64, Vec<f64>)>
    where
        O: Objective<M>,
    {
        model.unpack(x);
        self.objective.evaluate(model, run)
    }
}

impl<M: Parameters, O: Objective<M>> Step<M> for LbfgsStep<O> {
    type State = LbfgsState;

    fn init(&self, model: &mut M, run: &mut Run) -> Result<LbfgsState> {
        let mut x = model.pack();
        self.rule.start(&mut x, &mut |x| self.evaluate(model, run, x))
    }

    fn step(&self, model: &mut M, state: &mut LbfgsState, run: &mut Run) -> Result<Progress> {
        let mut x = model.pack();
        let outcome = self.rule.iterate(&mut x, state, &mut |x| self.evaluate(model, run, x));
        // The last trial of the search need not be the accepted point.
        model.unpack(&x);
        outcome
    }
}

impl Snapshot for LbfgsState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        save_list(file, prefix, "x", &self.x);
        save_list(file, prefix, "gradient", &self.gradient);
        self.value.save(file, &format!("{prefix}.value"));
        self.evaluations.save(file, &format!("{prefix}.evaluations"));
        let shape = [self.pairs.len(), self.x.len()];
        let steps: Vec<f64> = self.pairs.iter().flat_map(|(s, _)| s.iter().copied()).collect();
        let changes: Vec<f64> = self.pairs.iter().flat_map(|(_, y)| y.iter().copied()).collect();
        file.put(&format!("{prefix}.steps"), &shape, &steps);
        file.put(&format!("{prefix}.changes"), &shape, &changes);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.x = file.get(&format!("{prefix}.x"))?;
        self.gradient = file.get(&format!("{prefix}.gradient"))?;
        self.value.restore(file, &format!("{prefix}.value"))?;
        self.evaluations.restore(file, &format!("{prefix}.evaluations"))?;
        let steps = file.get(&format!("{prefix}.steps"))?;
        let changes = file.get(&format!("{prefix}.changes"))?;
        if steps.len() != changes.len() {
            return Err(Error::model_file("the optimiser's memory is inconsistent", "start the fit again"));
        }
        let n = self.x.len().max(1);
        self.pairs = steps.chunks(n).zip(changes.chunks(n)).map(|(s, y)| (s.to_vec(), y.to_vec())).collect();
        Ok(())
    }
}
