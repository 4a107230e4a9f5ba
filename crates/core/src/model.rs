//! A fitted object: its verbs are capabilities; asking for an absent one is answered with the ones present.

use crate::chains::Chains;
use crate::data::Data;
use crate::error::Result;
use crate::figure::{Figure, Table};
use crate::file::ModelFile;
use crate::generative::{Decode, Encode, Evaluate, Reconstruct, Sample};
use crate::picture::{Compress, Render, Restore};
use crate::predict::{Predict, Prediction};
use crate::run::Run;
use crate::suggest::Suggest;
use serde::{Deserialize, Serialize};

/// What `fit` returns and a model file holds.
pub trait Model: Send + Sync {
    /// Writes everything that `System::load` needs.
    ///
    /// # Errors
    /// When a value cannot be represented in the file.
    fn save(&self, file: &mut ModelFile) -> Result<()>;

    /// What the fit found, for people: metrics, parameters, relevance.
    fn summary(&self) -> Summary;

    /// The verbs `predict` and `evaluate`.
    fn as_predict(&self) -> Option<&dyn Predict> {
        None
    }

    /// The verb `sample`.
    fn as_sample(&self) -> Option<&dyn Sample> {
        None
    }

    /// The verb `sample` from codes that are given, or moved one number at a time.
    fn as_decode(&self) -> Option<&dyn Decode> {
        None
    }

    /// The verb `reconstruct`.
    fn as_reconstruct(&self) -> Option<&dyn Reconstruct> {
        None
    }

    /// The verb `encode`.
    fn as_encode(&self) -> Option<&dyn Encode> {
        None
    }

    /// The verb `evaluate` of a model without a target.
    fn as_evaluate(&self) -> Option<&dyn Evaluate> {
        None
    }

    /// The verb `restore`.
    fn as_restore(&self) -> Option<&dyn Restore> {
        None
    }

    /// The verb `compress`, and `restore` of a compressed file.
    fn as_compress(&self) -> Option<&dyn Compress> {
        None
    }

    /// The verb `render`.
    fn as_render(&self) -> Option<&dyn Render> {
        None
    }

    /// The verb `suggest`.
    fn as_suggest(&self) -> Option<&dyn Suggest> {
        None
    }

    /// The verb `update`: absorb new rows without the old ones.
    fn as_update(&self) -> Option<&dyn Update> {
        None
    }

    /// Predictions of training rows that did not see them, where the model has them in closed form.
    fn validation(&self) -> Option<Validation> {
        None
    }

    /// The draws of the sampler that fitted the model, chain by chain, where one did.
    fn chains(&self) -> Option<&Chains> {
        None
    }

    /// Figures of the model's own, for the report.
    fn figures(&self) -> Vec<Figure> {
        vec![]
    }

    /// Tables of the model's own: `elbo info MODEL --table NAME`, and the report.
    fn tables(&self) -> Vec<Table> {
        vec![]
    }
}

/// The verb `update`.
pub trait Update {
    /// A new model that has also absorbed these rows.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the rows do not have the model's columns.
    fn update(&self, data: &Data, run: &mut Run) -> Result<Box<dyn Model>>;

    /// Whether it says itself which columns are new.
    fn judges_columns(&self) -> bool;
}

/// Held-out predictions the model computed itself.
pub struct Validation {
    /// How, in words: "leave-one-out".
    pub method: &'static str,
    /// The target values, in the target's unit.
    pub observed: Vec<f64>,
    /// Their predictions.
    pub prediction: Prediction,
}

/// What a fit found. Shown by the program and the report, and stored in the model file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The objective's name and value at the end, in nats where it is a likelihood or a bound.
    pub objective: Option<(String, f64)>,
    /// Named numbers, in order.
    pub metrics: Vec<(String, f64)>,
    /// Relevance of each input: inverse lengthscales or the like, larger is more relevant.
    pub relevance: Vec<(String, f64)>,
    /// Learned parameters: name, value, unit or meaning.
    pub parameters: Vec<(String, String, String)>,
    /// One or two sentences on what the model is.
    pub text: String,
}
