//! Weights of objective terms over time.

use elbo_core::{Result, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The weight of a term at each step, counted from zero. Never negative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Weight {
    /// The same always.
    Constant {
        /// The weight.
        value: f64,
    },
    /// From zero in proportion to the step, then constant.
    WarmUp {
        /// The weight afterwards.
        value: f64,
        /// Steps of the rise.
        steps: usize,
    },
    /// The rise of a warm-up, again and again.
    Cyclic {
        /// The weight after each rise.
        value: f64,
        /// Steps of a cycle.
        period: usize,
        /// Share of a cycle that rises.
        ramp: f64,
    },
    /// Multiplied by 1.01 after each step with the term above `target`, else divided by it; kept within [1e-3, 1e3].
    Target {
        /// The weight at the start.
        start: f64,
        /// The wanted size of the term.
        target: f64,
    },
}

impl Default for Weight {
    fn default() -> Self {
        Self::Constant { value: 1.0 }
    }
}

impl From<f64> for Weight {
    fn from(value: f64) -> Self {
        Self::Constant { value }
    }
}

impl Weight {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let size = |value: f64| ensure_within("weight", value, 0.0..);
        match self {
            Self::Constant { value } | Self::WarmUp { value, .. } => size(*value),
            Self::Cyclic { value, period, ramp } => {
                size(*value)?;
                ensure_within("period", *period, 1..)?;
                ensure_within("ramp", *ramp, 0.0..=1.0)
            }
            Self::Target { start, .. } => ensure_within("start", *start, 1e-3..=1e3),
        }
    }

    /// The weight at a step. `control` is the controller's state: 1 at the start, moved by [`Weight::control`].
    pub fn at(&self, step: usize, control: f64) -> f64 {
        let share = |step: usize, steps: f64| if steps <= 0.0 { 1.0 } else { (step as f64 / steps).min(1.0) };
        match self {
            Self::Constant { value } => *value,
            Self::WarmUp { value, steps } => value * share(step, *steps as f64),
            Self::Cyclic { value, period, ramp } => value * share(step % period, ramp * *period as f64),
            Self::Target { start, .. } => (start * control).clamp(1e-3, 1e3),
        }
    }

    /// The controller's state after a step in which the term was `value`.
    pub fn control(&self, control: f64, value: f64) -> f64 {
        let Self::Target { start, target } = self else { return control };
        let moved = if value > *target { control * 1.01 } else { control / 1.01 };
        moved.clamp(1e-3 / start, 1e3 / start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_starts_rises_and_holds_as_it_says() {
        let warm = Weight::WarmUp { value: 2.0, steps: 4 };
        assert_eq!([0, 2, 4, 99].map(|s| warm.at(s, 1.0)), [0.0, 1.0, 2.0, 2.0]);
        assert_eq!(Weight::WarmUp { value: 2.0, steps: 0 }.at(0, 1.0), 2.0);
        let cyclic = Weight::Cyclic { value: 1.0, period: 10, ramp: 0.5 };
        assert_eq!([0, 1, 5, 9, 10, 11].map(|s| cyclic.at(s, 1.0)), [0.0, 0.2, 1.0, 1.0, 0.0, 0.2]);
    }

    #[test]
    fn a_controller_climbs_while_the_term_is_too_large_and_stays_in_bounds() {
        let weight = Weight::Target { start: 1.0, target: 5.0 };
        let mut control = 1.0;
        for _ in 0..2000 {
            control = weight.control(control, 6.0);
        }
        assert_eq!(weight.at(0, control), 1e3);
        for _ in 0..4000 {
            control = weight.control(control, 4.0);
        }
        assert_eq!(weight.at(0, control), 1e-3);
    }
}
