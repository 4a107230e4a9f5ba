//! How far particles go along a velocity.

use elbo_core::{Config, Error, ModelFile, Result, Snapshot, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far particles go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Pace {
    /// By a bet on each coordinate, that learns its own scale: no rate. The first move is half a unit, whatever the velocity.
    Coin {
        /// Keeps early bets small, for networks: the first move is one unit over this, and half a unit at most. 0 for the plain rule, 100 or 1000 for networks.
        #[serde(default)]
        alpha: f64,
    },
    /// By a bet on each particle, for velocities of norm at most one.
    UnitCoin,
    /// A fixed rate.
    Fixed {
        /// The rate.
        rate: f64,
    },
    /// A rate over the root of the running squares (0.9 of the past).
    Adagrad {
        /// The rate.
        rate: f64,
    },
    /// Adam.
    Adam {
        /// The rate.
        rate: f64,
    },
}

impl Default for Pace {
    fn default() -> Self {
        Self::Coin { alpha: 0.0 }
    }
}

impl Config for Pace {
    fn check(&self) -> Result<()> {
        match *self {
            Self::Coin { alpha } => ensure_within("pace.alpha", alpha, 0.0..),
            Self::UnitCoin => Ok(()),
            Self::Fixed { rate } | Self::Adagrad { rate } | Self::Adam { rate } => {
                ensure("pace.rate", rate, rate > 0.0 && rate.is_finite(), "positive")
            }
        }
    }
}

/// The memory of a pace: what was bet, won and lost, or running moments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Purse {
    count: usize,
    dim: usize,
    start: Vec<f64>,
    /// Largest velocity, and sums of sizes, of winnings and of velocities; or running moments, in the first two.
    arrays: [Vec<f64>; 4],
}

impl Purse {
    /// An empty purse for particles that start at these points, row-major `[N, dim]`.
    pub fn new(start: &[f64], dim: usize) -> Self {
        let zeros = || vec![0.0; start.len()];
        Self { count: 0, dim, start: start.into(), arrays: [vec![1e-10; start.len()], zeros(), zeros(), zeros()] }
    }

    /// Moves `points` along `velocity`, both row-major `[N, D]`. Rows marked in `frozen` stay, and their memory with them.
    ///
    /// # Errors
    /// [`Error::Numerical`] when [`Pace::UnitCoin`] meets a velocity longer than one.
    ///
    /// # Source
    /// Sharrock and Nemeth (2023), Coin Sampling; Orabona and Tommasi (2017) for the adaptive bet.
    pub fn advance(&mut self, pace: Pace, points: &mut [f64], velocity: &[f64], frozen: &[bool]) -> Result<()> {
        self.count += 1;
        let t = self.count as f64;
        let [largest, sizes, wealth, sum] = &mut self.arrays;
        for (row, is_frozen) in frozen.iter().enumerate() {
            if *is_frozen {
                continue;
            }
            let range = row * self.dim..(row + 1) * self.dim;
            match pace {
                Pace::UnitCoin => {
                    let norm = velocity[range.clone()].iter().map(|c| c * c).sum::<f64>().sqrt();
                    // Rounding aside.
                    if norm > 1.0 + 1e-9 {
                        return Err(Error::numerical(
                            format!("a velocity of norm {norm:.3} was bet on, and the rule needs at most 1"),
                            "use the pace `coin`, which learns the scale",
                        ));
                    }
                    // The particle's wealth is kept at its first coordinate.
                    let won: f64 = range.clone().map(|i| velocity[i] * (points[i] - self.start[i])).sum();
                    wealth[range.start] += won;
                    let bet = (1.0 + wealth[range.start]) / (t + 1.0);
                    for i in range {
                        sum[i] += velocity[i];
                        points[i] = self.start[i] + sum[i] * bet;
                    }
                }
                Pace::Coin { alpha } => {
                    for i in range {
                        let c = velocity[i];
                        largest[i] = largest[i].max(c.abs());
                        sizes[i] += c.abs();
                        // The winnings are those of the position before it moves.
                        wealth[i] = (wealth[i] + c * (points[i] - self.start[i])).max(0.0);
                        sum[i] += c;
                        let scale = largest[i] * (sizes[i] + largest[i]).max(alpha * largest[i]);
                        points[i] = self.start[i] + sum[i] / scale * (largest[i] + wealth[i]);
                    }
                }
                Pace::Fixed { rate } => range.for_each(|i| points[i] += rate * velocity[i]),
                Pace::Adagrad { rate } => {
                    for i in range {
                        let square = velocity[i] * velocity[i];
                        sizes[i] = if self.count == 1 { square } else { 0.9 * sizes[i] + 0.1 * square };
                        points[i] += rate * velocity[i] / (1e-6 + sizes[i].sqrt());
                    }
                }
                Pace::Adam { rate } => {
                    for i in range {
                        sum[i] = 0.9 * sum[i] + 0.1 * velocity[i];
                        sizes[i] = 0.999 * sizes[i] + 0.001 * velocity[i] * velocity[i];
                        let (mean, square) = (sum[i] / (1.0 - 0.9f64.powf(t)), sizes[i] / (1.0 - 0.999f64.powf(t)));
                        points[i] += rate * mean / (square.sqrt() + 1e-8);
                    }
                }
            }
        }
        Ok(())
    }

    /// The farthest that any coordinate is from its start.
    pub fn reach(&self, points: &[f64]) -> f64 {
        points.iter().zip(&self.start).map(|(x, s)| (x - s).abs()).fold(0.0, f64::max)
    }
}

impl Snapshot for Purse {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(prefix, &(self.count, self.dim));
        file.put(&format!("{prefix}.start"), &[self.start.len()], &self.start);
        for (i, values) in self.arrays.iter().enumerate() {
            file.put(&format!("{prefix}.{i}"), &[values.len()], values);
        }
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        (self.count, self.dim) = file.fact(prefix)?;
        self.start = file.get(&format!("{prefix}.start"))?;
        for (i, values) in self.arrays.iter_mut().enumerate() {
            *values = file.get(&format!("{prefix}.{i}"))?;
        }
        Ok(())
    }
}
