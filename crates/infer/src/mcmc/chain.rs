//! One chain: where it stands, what it has learnt, what it has recorded.

use super::adapt::{DualAveraging, Windows};
use super::integrate::{Point, reasonable_step};
use super::metric::{Mass, Moments};
use super::nuts::{Move, Pool, fixed, no_u_turn};
use super::sample::{Hamiltonian, Trajectory};
use super::walk::Walker;
use crate::target::LogDensity;
use elbo_core::{ModelFile, Result, Rng, Snapshot};
use serde::{Deserialize, Serialize};

/// Everything that decides how a chain goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    pub point: Point,
    pub rng: Rng,
    pub iteration: usize,
    pub step: f64,
    pub warmup_gradients: u64,
    /// Why the last window gave no metric, where the one before had to stay.
    pub metric_failure: Option<String>,
    adapt: DualAveraging,
    mass: Mass,
    moments: Moments,
}

impl State {
    /// Goes on with another metric, and looks for the step anew.
    fn renew(&mut self, mass: Mass, settings: &Hamiltonian, target: &dyn LogDensity) {
        self.mass = mass;
        self.metric_failure = None;
        let (step, evaluations) = reasonable_step(target, &self.point, &self.mass, self.step, &mut self.rng);
        self.warmup_gradients += evaluations;
        self.step = step;
        self.adapt = DualAveraging::new(settings.target_accept, step);
    }
}

/// What is kept of every draw; each vector has an entry per draw, `values` as many as there are unknowns.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub values: Vec<f64>,
    pub log_density: Vec<f64>,
    pub energy: Vec<f64>,
    pub accept: Vec<f64>,
    pub depth: Vec<f64>,
    pub steps: Vec<f64>,
    pub divergent: Vec<f64>,
}

impl Record {
    fn fields(&self) -> [(&'static str, &Vec<f64>); 7] {
        [
            ("values", &self.values),
            ("log_density", &self.log_density),
            ("energy", &self.energy),
            ("accept", &self.accept),
            ("depth", &self.depth),
            ("steps", &self.steps),
            ("divergent", &self.divergent),
        ]
    }

    fn fields_mut(&mut self) -> [(&'static str, &mut Vec<f64>); 7] {
        [
            ("values", &mut self.values),
            ("log_density", &mut self.log_density),
            ("energy", &mut self.energy),
            ("accept", &mut self.accept),
            ("depth", &mut self.depth),
            ("steps", &mut self.steps),
            ("divergent", &mut self.divergent),
        ]
    }

    pub fn push(&mut self, point: &Point, report: &Move) {
        self.values.extend_from_slice(&point.position);
        self.log_density.push(point.log_density);
        self.energy.push(report.energy);
        self.accept.push(report.accept);
        self.depth.push(f64::from(report.depth));
        self.steps.push(report.steps as f64);
        self.divergent.push(f64::from(u8::from(report.divergent)));
    }
}

impl Snapshot for Record {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        for (name, values) in self.fields() {
            file.put(&format!("{prefix}.{name}"), &[values.len()], values);
        }
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        for (name, values) in self.fields_mut() {
            *values = file.get(&format!("{prefix}.{name}"))?;
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Chain {
    pub state: State,
    pub record: Record,
    pool: Pool,
}

impl Chain {
    pub fn new(settings: &Hamiltonian, target: &dyn LogDensity, point: Point, mut rng: Rng) -> Self {
        let dim = point.position.len();
        let mass = Mass::identity(dim);
        let (step, evaluations) = reasonable_step(target, &point, &mass, 1.0, &mut rng);
        let state = State {
            point,
            rng,
            iteration: 0,
            step,
            warmup_gradients: evaluations + 1,
            metric_failure: None,
            adapt: DualAveraging::new(settings.target_accept, step),
            mass,
            moments: Moments::new(settings.metric, dim),
        };
        Self { state, record: Record::default(), pool: Pool::default() }
    }

    /// One transition: adapts during the warm-up, records after it.
    pub fn advance(&mut self, settings: &Hamiltonian, windows: &Windows, target: &dyn LogDensity) {
        let state = &mut self.state;
        let report = match settings.trajectory {
            Trajectory::NoUTurn { max_depth } => {
                no_u_turn(target, &state.mass, state.step, max_depth, &mut state.point, &mut state.rng, &mut self.pool)
            }
            Trajectory::Jittered { least, most } => {
                let steps = least + state.rng.below(most - least + 1);
                fixed(target, &state.mass, state.step, steps as u64, &mut state.point, &mut state.rng)
            }
            Trajectory::Langevin => fixed(target, &state.mass, state.step, 1, &mut state.point, &mut state.rng),
        };
        state.iteration += 1;
        if state.iteration > settings.warmup {
            self.record.push(&state.point, &report);
            return;
        }
        state.warmup_gradients += report.steps;
        state.adapt.update(report.accept);
        state.step = state.adapt.step();
        if windows.is_estimating(state.iteration - 1) {
            state.moments.push(&state.point.position, &state.point.gradient);
        }
        if windows.ends.contains(&state.iteration) {
            match state.moments.mass() {
                Ok(None) => {}
                Ok(Some(mass)) => state.renew(mass, settings, target),
                Err(error) => state.metric_failure = Some(error.to_string()),
            }
            state.moments = Moments::new(settings.metric, state.point.position.len());
        }
        if state.iteration == settings.warmup {
            state.step = state.adapt.average();
        }
    }
}

impl Snapshot for Chain {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(prefix, &self.state);
        self.record.save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.state = file.fact(prefix)?;
        self.record.restore(file, prefix)
    }
}

impl Walker for Chain {
    fn iteration(&self) -> usize {
        self.state.iteration
    }
}
