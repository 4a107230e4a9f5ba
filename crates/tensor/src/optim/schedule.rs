//! Quantities that change with the step, as data.

use serde::{Deserialize, Serialize};

/// A number for each step, counted from zero.
///
/// ```
/// use elbo_tensor::optim::Schedule;
/// let rate = Schedule::Warmup { steps: 10, then: Box::new(Schedule::Cosine { start: 1.0, end: 0.0, steps: 100 }) };
/// assert_eq!(rate.at(4), 0.5);
/// assert_eq!(rate.at(60), 0.5);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The same always.
    Constant {
        /// The value.
        value: f64,
    },
    /// Half a cosine from `start` to `end` over `steps`, then `end`.
    Cosine {
        /// Value at step zero.
        start: f64,
        /// Value from `steps` on.
        end: f64,
        /// How long it falls.
        steps: usize,
    },
    /// `start` multiplied by `factor` after every `period` steps.
    Stair {
        /// Value at step zero.
        start: f64,
        /// What multiplies it.
        factor: f64,
        /// Steps between changes.
        period: usize,
    },
    /// A geometric path from `start` to `end` over `steps`, then `end`.
    Exponential {
        /// Value at step zero.
        start: f64,
        /// Value from `steps` on.
        end: f64,
        /// How long it changes.
        steps: usize,
    },
    /// Rises in proportion to the step up to the first value of `then`, which follows.
    Warmup {
        /// Steps of the rise.
        steps: usize,
        /// What follows, counted from zero.
        then: Box<Schedule>,
    },
}

impl Schedule {
    /// The value at a step.
    pub fn at(&self, step: usize) -> f64 {
        let fraction = |steps: usize| if steps == 0 { 1.0 } else { (step as f64 / steps as f64).min(1.0) };
        match self {
            Self::Constant { value } => *value,
            Self::Cosine { start, end, steps } => {
                end + 0.5 * (start - end) * (1.0 + (std::f64::consts::PI * fraction(*steps)).cos())
            }
            Self::Stair { start, factor, period } => start * factor.powi((step / period.max(&1)) as i32),
            Self::Exponential { start, end, steps } => start * (end / start).powf(fraction(*steps)),
            Self::Warmup { steps, then } if step < *steps => then.at(0) * (step + 1) as f64 / *steps as f64,
            Self::Warmup { steps, then } => then.at(step - steps),
        }
    }
}

impl From<f64> for Schedule {
    fn from(value: f64) -> Self {
        Self::Constant { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_starts_and_ends_where_it_says() {
        let cosine = Schedule::Cosine { start: 2.0, end: 1.0, steps: 10 };
        assert_eq!((cosine.at(0), cosine.at(5), cosine.at(10), cosine.at(99)), (2.0, 1.5, 1.0, 1.0));
        let stair = Schedule::Stair { start: 8.0, factor: 0.5, period: 3 };
        assert_eq!((stair.at(2), stair.at(3), stair.at(6)), (8.0, 4.0, 2.0));
        let exponential = Schedule::Exponential { start: 1.0, end: 0.01, steps: 4 };
        assert!((exponential.at(2) - 0.1).abs() < 1e-15 && (exponential.at(9) - 0.01).abs() < 1e-17);
        let warm = Schedule::Warmup { steps: 4, then: Box::new(8.0.into()) };
        assert_eq!([warm.at(0), warm.at(3), warm.at(4)], [2.0, 8.0, 8.0]);
    }
}
