//! How far particles go along a velocity.

use elbo_core::{Config, Error, ModelFile, Result, Snapshot, ensure, ensure_within};
use elbo_tensor::DType;
use elbo_tensor::optim::{Adam, AnyRule, AnyState, Coin, RmsProp, Rule, Sgd, UnitCoin};
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

impl Pace {
    /// The optimiser's rule that this is, with a particle for each parameter.
    fn rule(self) -> AnyRule {
        match self {
            Self::Coin { alpha } => AnyRule::Coin(Coin { alpha }),
            Self::UnitCoin => AnyRule::UnitCoin(UnitCoin),
            Self::Fixed { rate } => AnyRule::Sgd(Sgd { rate: rate.into(), ..Sgd::default() }),
            // The literature on particles calls these steps Adagrad with momentum.
            Self::Adagrad { rate } => AnyRule::RmsProp(RmsProp {
                rate: rate.into(),
                decay: 0.9,
                starts_whole: true,
                epsilon: 1e-6,
                ..RmsProp::default()
            }),
            Self::Adam { rate } => AnyRule::Adam(Adam::with_rate(rate)),
        }
    }
}

/// The memory of a pace: what was bet, won and lost, or running moments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Purse {
    dim: usize,
    start: Vec<f64>,
    /// The pace of the last move, and the memory of its rule.
    memory: Option<(Pace, AnyState)>,
}

impl Purse {
    /// An empty purse for particles that start at these points, row-major `[N, dim]`.
    pub fn new(start: &[f64], dim: usize) -> Self {
        Self { dim, start: start.into(), memory: None }
    }

    /// Whether it is of this number of particles in as many unknowns.
    pub(super) fn is_of(&self, count: usize, dim: usize) -> bool {
        self.dim == dim && self.start.len() == count * dim
    }

    /// A rule's memory of all particles before the first move.
    fn empty(&self, pace: Pace) -> AnyState {
        let count = self.start.len() / self.dim.max(1);
        pace.rule().start_parts(&vec![(self.dim, DType::F64); count])
    }

    /// Moves `points` along `velocity`, both row-major `[N, D]`. Rows marked in `frozen` stay, and their memory with them. A pace other than
    /// the last move's begins anew where the points are.
    ///
    /// # Errors
    /// [`Error::Numerical`] when [`Pace::UnitCoin`] meets a velocity longer than one.
    pub fn advance(&mut self, pace: Pace, points: &mut [f64], velocity: &[f64], frozen: &[bool]) -> Result<()> {
        let dim = self.dim;
        let moves = |row: &usize| !frozen[*row];
        let rows = |row: usize| row * dim..(row + 1) * dim;
        if pace == Pace::UnitCoin {
            let norm = |row: usize| velocity[rows(row)].iter().map(|c| c * c).sum::<f64>().sqrt();
            // Rounding aside.
            if let Some(norm) = (0..frozen.len()).filter(moves).map(norm).find(|norm| *norm > 1.0 + 1e-9) {
                return Err(Error::numerical(
                    format!("a velocity of norm {norm:.3} was bet on, and the rule needs at most 1"),
                    "use the pace `coin`, which learns the scale",
                ));
            }
        }
        let mut state = match self.memory.take() {
            Some((last, state)) if last == pace => state,
            _ => self.empty(pace),
        };
        let rule = pace.rule();
        // What is descended is minus the velocity.
        let slope: Vec<f64> = velocity.iter().map(|v| -v).collect();
        let update = rule.begin(&|| slope.iter().map(|g| g * g).sum::<f64>().sqrt(), &mut state);
        for row in (0..frozen.len()).filter(moves) {
            rule.apply_to(&update, row, &mut points[rows(row)], &slope[rows(row)], &mut state);
        }
        self.memory = Some((pace, state));
        Ok(())
    }

    /// The farthest that any coordinate is from its start.
    pub fn reach(&self, points: &[f64]) -> f64 {
        points.iter().zip(&self.start).map(|(x, s)| (x - s).abs()).fold(0.0, f64::max)
    }
}

impl Snapshot for Purse {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(prefix, &(self.dim, self.memory.as_ref().map(|(pace, _)| *pace)));
        file.put(&format!("{prefix}.start"), &[self.start.len()], &self.start);
        if let Some((_, state)) = &self.memory {
            state.save(file, &format!("{prefix}.memory"));
        }
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let (dim, pace): (usize, Option<Pace>) = file.fact(prefix)?;
        (self.dim, self.start, self.memory) = (dim, file.get(&format!("{prefix}.start"))?, None);
        if let Some(pace) = pace {
            let mut state = self.empty(pace);
            state.restore(file, &format!("{prefix}.memory"))?;
            self.memory = Some((pace, state));
        }
        Ok(())
    }
}
