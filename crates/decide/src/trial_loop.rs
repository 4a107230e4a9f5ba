//! Ask and tell in a loop, on a function that answers at once: for claims and comparisons.

use crate::ask::{AskConfig, Surrogates, ask};
use crate::functions::TestFunction;
use crate::history::History;
use crate::space::Space;
use crate::surrogate::SurrogateConfig;
use elbo_core::{Result, Run};
use std::time::{Duration, Instant};

/// A loop of single trials.
#[derive(Debug, Clone)]
pub struct Loop {
    /// How the surrogate is fitted after each trial; the last fit is one of its starts.
    pub surrogate: SurrogateConfig,
    /// How points are chosen.
    pub ask: AskConfig,
    /// All trials, those of the design included.
    pub trials: usize,
}

/// What a loop did.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// Values, trial by trial.
    pub values: Vec<f64>,
    /// Time of fitting and asking.
    pub thinking: Duration,
}

impl Done {
    /// The best value.
    pub fn best(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

impl Loop {
    /// Runs it on a function, from these points of the unit cube where given, else from the design.
    ///
    /// # Errors
    /// As [`ask`]; [`elbo_core::Error::Stopped`] when the run is cancelled or out of time.
    pub fn run(&self, function: &TestFunction, start: Option<&[Vec<f64>]>, run: &mut Run) -> Result<Done> {
        let space = Space::cube(&function.bounds);
        let mut history = History::default();
        let (mut values, mut thinking) = (vec![], Duration::ZERO);
        let tell = |history: &mut History, values: &mut Vec<f64>, point: Vec<f64>| {
            let value = function.at(&point);
            values.push(value);
            history.tell(point, value);
        };
        for point in start.into_iter().flatten() {
            tell(&mut history, &mut values, point.clone());
        }
        let mut last = None;
        while values.len() < self.trials {
            if run.must_stop() {
                return Err(elbo_core::Error::Stopped);
            }
            let before = Instant::now();
            let initial = self.ask.initial.unwrap_or_else(|| crate::design::default_size(space.dims()));
            let surrogates = if history.len() < initial {
                Surrogates::default()
            } else {
                Surrogates::fit(&space, &history, &self.surrogate, last.as_ref(), &mut run.rng)?
            };
            // The design at once, so that it is one.
            let count = if surrogates.objective.is_some() {
                1
            } else {
                initial.saturating_sub(history.len()).clamp(1, self.trials - values.len())
            };
            let suggestions = ask(&space, &history, &surrogates, &self.ask, count, &mut run.rng)?;
            thinking += before.elapsed();
            last = surrogates.objective.as_ref().map(|gp| gp.hyper().clone()).or(last);
            for suggestion in suggestions {
                tell(&mut history, &mut values, suggestion.point);
            }
        }
        Ok(Done { values, thinking })
    }
}
