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

/// Importance draws a data point, where the user does not say.
pub const IMPORTANCE_DRAWS: usize = 100;

/// The verb `evaluate`, for models without a target.
pub trait Evaluate {
    /// Bounds on the likelihood of these data points, the tighter one with `draws` importance draws a point.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the data are not of the model's form.
    fn evaluate(&self, data: &Data, draws: usize, run: &mut Run) -> Result<LikelihoodBounds>;
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
