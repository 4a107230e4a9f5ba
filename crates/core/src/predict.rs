//! Predictive distributions of a numeric target, or of classes.

use crate::data::Data;
use crate::error::Result;
use crate::run::Run;

/// The verb `predict`.
pub trait Predict {
    /// Predicts rows that have the model's input columns.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when a column is missing or cannot be encoded.
    fn predict(&self, data: &Data, run: &mut Run) -> Result<Prediction>;

    /// Sample paths at these rows, `[count, N]` row-major, in the target's unit; `None` where the model has none.
    ///
    /// # Errors
    /// As for [`Predict::predict`].
    fn sample_paths(&self, _data: &Data, _count: usize, _run: &mut Run) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }
}

/// Predictions for a set of rows.
pub enum Prediction {
    /// A numeric target.
    Numbers(Box<dyn Marginals>),
    /// Classes, with one probability a row and class.
    Classes {
        /// Class names.
        classes: Vec<String>,
        /// Row-major `[N, C]`; each row sums to one.
        probabilities: Vec<f64>,
    },
}

impl Prediction {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(marginals) => marginals.len(),
            Self::Classes { classes, probabilities } => probabilities.len() / classes.len().max(1),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One predictive distribution a row, of an observation (noise included), in the target's own unit.
pub trait Marginals: Send + Sync {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Mean of row `i`; the median where there is no mean.
    fn mean(&self, i: usize) -> f64;

    /// Standard deviation of row `i`; infinite where there is no variance.
    fn sd(&self, i: usize) -> f64;

    /// Smallest value whose distribution function reaches `p`, for `p` in (0, 1).
    fn quantile(&self, i: usize, p: f64) -> f64;

    /// Distribution function at `y`.
    fn cdf(&self, i: usize, y: f64) -> f64;

    /// Log density, or log probability for counts, at `y`, in nats.
    fn log_prob(&self, i: usize, y: f64) -> f64;

    /// Continuous ranked probability score at `y`, in the target's unit; smaller is better.
    ///
    /// The default integrates twice the quantile loss over 200 midpoints; override it where there is a closed form.
    fn crps(&self, i: usize, y: f64) -> f64 {
        let nodes = 200;
        let loss = |k: usize| {
            let p = (k as f64 + 0.5) / f64::from(nodes);
            let q = self.quantile(i, p);
            if y < q { (1.0 - p) * (q - y) } else { p * (y - q) }
        };
        2.0 * (0..nodes as usize).map(loss).sum::<f64>() / f64::from(nodes)
    }

    /// The central interval that holds this share of the probability.
    fn interval(&self, i: usize, level: f64) -> (f64, f64) {
        (self.quantile(i, 0.5 - 0.5 * level), self.quantile(i, 0.5 + 0.5 * level))
    }
}
