//! Lists of noise levels, from noise to data.

use crate::path::{Path, check_bounds};
use elbo_core::{Allowed, Error, Result, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most steps of a schedule: a list of levels is kept.
const MOST_STEPS: usize = 1_000_000;

/// How the levels of a sampler are spread. Each ends at zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Evenly in σ^(1/ρ), as EDM does.
    Karras {
        /// Greatest level.
        #[serde(default = "greatest")]
        high: f64,
        /// Least level before zero.
        #[serde(default = "least")]
        low: f64,
        /// ρ; larger puts more levels near the data.
        #[serde(default = "seven")]
        rho: f64,
    },
    /// Evenly in ln σ.
    Log {
        /// Greatest level.
        #[serde(default = "greatest")]
        high: f64,
        /// Least level before zero.
        #[serde(default = "least")]
        low: f64,
    },
    /// Evenly in a path's time.
    Time {
        /// The path.
        #[serde(default)]
        path: Path,
    },
    /// Evenly among the thousand levels of DDPM, whose rates grow linearly from 1e-4 to 0.02.
    Ddpm,
}

fn greatest() -> f64 {
    80.0
}
fn least() -> f64 {
    2e-3
}
fn seven() -> f64 {
    7.0
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Karras { high: greatest(), low: least(), rho: seven() }
    }
}

impl Schedule {
    /// `steps` falling levels and a zero.
    ///
    /// # Errors
    /// [`Error::Setting`] for less than one step, more than there are levels, or bounds in the wrong order.
    pub fn levels(&self, steps: usize) -> Result<Vec<f64>> {
        ensure_within("steps", steps, 1..=MOST_STEPS)?;
        let share = |i: usize| if steps == 1 { 0.0 } else { i as f64 / (steps - 1) as f64 };
        let mut levels: Vec<f64> = match self {
            Self::Karras { high, low, rho } => {
                check_bounds("schedule", *low, *high)?;
                ensure("schedule", rho, *rho > 0.0, "`rho` above 0")?;
                let (a, b) = (high.powf(1.0 / rho), low.powf(1.0 / rho));
                (0..steps).map(|i| (a + share(i) * (b - a)).powf(*rho)).collect()
            }
            Self::Log { high, low } => {
                check_bounds("schedule", *low, *high)?;
                (0..steps).map(|i| (high.ln() + share(i) * (low / high).ln()).exp()).collect()
            }
            Self::Time { path } => {
                path.check()?;
                let (near, far) = path.interval();
                (0..steps).map(|i| path.at(far + share(i) * (near - far)).level()).collect()
            }
            Self::Ddpm => {
                let all = ddpm_levels(1000, 1e-4, 0.02);
                ensure(
                    "steps",
                    steps,
                    steps <= all.len(),
                    Allowed::within(..=all.len()).told("at most 1000 for this schedule"),
                )?;
                (0..steps).map(|i| all[((1.0 - share(i)) * (all.len() - 1) as f64).round() as usize]).collect()
            }
        };
        levels.push(0.0);
        check_levels(&levels)?;
        Ok(levels)
    }
}

/// The levels √((1 - ᾱ)/ᾱ) of a chain whose rates grow linearly from `first` to `last`, rising.
pub fn ddpm_levels(steps: usize, first: f64, last: f64) -> Vec<f64> {
    let mut log_kept = 0.0;
    (0..steps)
        .map(|i| {
            let rate = first + (last - first) * i as f64 / (steps.max(2) - 1) as f64;
            log_kept += f64::ln_1p(-rate);
            (-log_kept).exp_m1().sqrt()
        })
        .collect()
}

/// Refuses levels that are not finite, negative, repeated or rising, by their place.
///
/// # Errors
/// [`Error::Setting`] naming the first such level.
pub fn check_levels(levels: &[f64]) -> Result<()> {
    let refuse = |i: usize, what: &str| {
        Err(Error::Setting {
            setting: "schedule".into(),
            found: format!("level {} of {} is {:e}, which {what}", i + 1, levels.len(), levels[i]),
            expected: "at least two falling noise levels, the last one may be zero".into(),
        })
    };
    if levels.len() < 2 {
        return Err(Error::Setting {
            setting: "schedule".into(),
            found: format!("{} levels", levels.len()),
            expected: "at least two falling noise levels".into(),
        });
    }
    for i in 0..levels.len() {
        if !levels[i].is_finite() || levels[i] < 0.0 {
            return refuse(i, "is not a noise level");
        }
        if i > 0 && levels[i] == levels[i - 1] {
            return refuse(i, "repeats the one before");
        }
        if i > 0 && levels[i] > levels[i - 1] {
            return refuse(i, "is above the one before");
        }
    }
    Ok(())
}

/// What a schedule draws from in training: the level of each point of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum NoiseLaw {
    /// Uniform in a path's time.
    Time {
        /// The path.
        #[serde(default)]
        path: Path,
    },
    /// ln σ is normal, as in EDM.
    LogNormal {
        /// Mean of ln σ.
        #[serde(default = "edm_mean")]
        mean: f64,
        /// Its standard deviation.
        #[serde(default = "edm_sd")]
        sd: f64,
    },
}

fn edm_mean() -> f64 {
    -1.2
}
fn edm_sd() -> f64 {
    1.2
}

impl Default for NoiseLaw {
    fn default() -> Self {
        Self::Time { path: Path::default() }
    }
}

impl NoiseLaw {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Time { path } => path.check(),
            Self::LogNormal { mean, sd } => {
                ensure("noise_law", sd, *sd > 0.0 && sd.is_finite() && mean.is_finite(), "`sd` above 0")
            }
        }
    }

    /// The level at a share of the law in (0, 1).
    pub fn quantile(&self, share: f64) -> f64 {
        match self {
            Self::Time { path } => {
                let (near, far) = path.interval();
                path.at(near + share * (far - near)).level()
            }
            Self::LogNormal { mean, sd } => (mean + sd * elbo_tensor::special::ndtri(share)).exp(),
        }
    }

    /// One level for each of `count` points: one draw in each of `count` equal shares of the law, which halves the noise of a
    /// batch's loss many times over.
    pub fn draw(&self, count: usize, rng: &mut elbo_core::Rng) -> Vec<f64> {
        let mut levels: Vec<f64> = (0..count)
            .map(|i| self.quantile(((i as f64 + rng.uniform()) / count as f64).clamp(1e-9, 1.0 - 1e-9)))
            .collect();
        rng.shuffle(&mut levels);
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_falls_to_zero_in_as_many_steps_as_asked() {
        let time = Schedule::Time { path: Path::VpCosine };
        for schedule in [Schedule::default(), Schedule::Log { high: 10.0, low: 0.1 }, time, Schedule::Ddpm] {
            for steps in [1, 2, 17] {
                let levels = schedule.levels(steps).unwrap();
                assert_eq!((levels.len(), levels[steps]), (steps + 1, 0.0), "{schedule:?}");
            }
        }
        let karras = Schedule::default().levels(18).unwrap();
        assert!((karras[0] - 80.0).abs() < 1e-9 && (karras[17] - 2e-3).abs() < 1e-12);
    }

    #[test]
    fn repeated_and_rising_levels_are_refused_by_their_place() {
        let message = |levels: &[f64]| check_levels(levels).unwrap_err().to_string();
        assert!(message(&[3.0, 1.0, 1.0, 0.0]).contains("level 3 of 4 is 1e0, which repeats"));
        assert!(message(&[3.0, 4.0]).contains("above the one before"));
        assert!(message(&[f64::NAN, 1.0]).contains("is not a noise level"));
        assert!(message(&[1.0]).contains("1 levels"));
        assert!(Schedule::Ddpm.levels(1001).is_err() && Schedule::default().levels(0).is_err());
        assert!(Schedule::default().levels(usize::MAX).is_err());
    }
}
