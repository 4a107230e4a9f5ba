//! What models of data points without a target offer: new points, reconstructions, codes and bounds on their likelihood.

use crate::data::Data;
use crate::error::Result;
use crate::run::Run;
use serde::{Deserialize, Serialize};

/// The verb `sample`.
pub trait Sample {
    /// New draws: data points of a generative model, or unknowns of a posterior. Named arrays of `count` rows.
    ///
    /// # Errors
    /// When the arithmetic fails.
    fn sample(&self, count: usize, run: &mut Run) -> Result<Data>;
}

/// The verb `reconstruct`.
pub trait Reconstruct {
    /// What the model makes of the codes of these data points: the arrays of `data` that it knows, in the same unit and shape.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the data are not of the model's form.
    fn reconstruct(&self, data: &Data, run: &mut Run) -> Result<Data>;
}

/// The verb `encode`.
pub trait Encode {
    /// Codes of data points: a table of numeric columns, one row a point.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the data are not of the model's form.
    fn encode(&self, data: &Data, run: &mut Run) -> Result<Data>;
}

/// What the verb `sample` offers besides draws, of models with a code for each data point.
pub trait Decode {
    /// Names of the numbers of a code: the columns that [`Decode::decode`] reads, and [`Encode::encode`] writes.
    fn code_columns(&self) -> Vec<String>;

    /// What the model makes of codes: one data point for each row of `codes`, in the data's unit and shape. Columns of other names are not read.
    ///
    /// # Errors
    /// [`crate::Error::Data`] for a column that is missing, and for rows that are no codes.
    fn decode(&self, codes: &Data, run: &mut Run) -> Result<Data>;

    /// Codes that move one number at a time through what draws of codes reach, from minus to plus three standard deviations of a normal one, in `steps` steps, and
    /// leave the others in the middle: `steps` rows for each number, one number after the other.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for fewer than two steps, for more codes than can be shown, and for codes whose numbers are not free.
    fn traverse(&self, steps: usize, run: &mut Run) -> Result<Data>;
}

/// Importance draws a data point, where the user does not say.
pub const IMPORTANCE_DRAWS: usize = 100;

/// The verb `evaluate`, for models without a target.
pub trait Evaluate {
    /// Bounds on the likelihood of these data points, the tighter one with `draws` importance draws a point.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the data are not of the model's form.
    fn evaluate(&self, data: &Data, draws: usize, run: &mut Run) -> Result<LikelihoodBounds>;

    /// The same for each of these data points; their means are those of [`Evaluate::evaluate`] with as many draws in a run of the same seed.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the data are not of the model's form.
    fn evaluate_each(&self, data: &Data, draws: usize, run: &mut Run) -> Result<Vec<PointBounds>>;
}

/// Bounds on the log likelihood of one data point: nats, summed over its dimensions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointBounds {
    /// The evidence lower bound.
    pub elbo: f64,
    /// The importance-weighted bound, which is tighter.
    pub iwae: f64,
    /// How many of the importance draws count: the square of the sum of their weights over the sum of their squares.
    pub effective_draws: f64,
    /// Pareto k of the importance weights: above 0.7 the tighter bound cannot be trusted. `None` where the draws are too few, or too much alike, to tell.
    pub pareto_k: Option<f64>,
}

/// Bounds on the log likelihood of data points: nats a point, summed over its dimensions, averaged over points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodBounds {
    /// Number of data points.
    pub rows: usize,
    /// The evidence lower bound.
    pub elbo: f64,
    /// Its standard error over data points.
    pub elbo_se: f64,
    /// The importance-weighted bound, which is tighter.
    pub iwae: ImportanceBound,
    /// `-elbo / (D ln 2)`; less is better.
    pub bits_per_dim: f64,
}

/// An importance-weighted bound with `k` draws a data point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImportanceBound {
    /// Draws a data point.
    pub k: usize,
    /// The bound.
    pub value: f64,
    /// Its standard error over data points.
    pub se: f64,
}
