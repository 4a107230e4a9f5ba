//! Variational and Gaussian probabilistic machine learning: the library's face and the registry.
//!
//! | you want to | use |
//! |---|---|
//! | list what there is, or find a system by its id | [`systems`], [`find`] |
//! | a system's settings in words | [`schema`] |
//! | let the table decide which system | [`auto`](fn@auto) |
//! | fit, and keep the result with where it came from | [`find`]`(id)?.fit(...)`, then [`write_model`] |
//! | use a saved model | [`load_model`] |
//! | the report on a fit | [`findings`] |
//! | write a density of your own, sample or approximate it | [`infer`] |
//! | build a model from parts | [`gp`], [`dist`], [`tensor`], [`linalg`] |
//!
//! ```
//! use elbo::prelude::*;
//! for system in elbo::systems() {
//!     println!("{}: {}", system.card().id, system.needs());
//! }
//! assert!(elbo::find("no-such-system").is_err());
//! ```
//!
//! A model of a table, as every system's page has it:
//!
//! ```
//! use elbo::data::{ReadOptions, read};
//! use elbo::prelude::*;
//!
//! let options = ReadOptions { target: Some("flow".into()), ..ReadOptions::default() };
//! let data = read("../../examples/data/classic/nile.csv".as_ref(), &options)?;
//! let settings = serde_json::json!({"starts": 1});
//! let model = elbo::find("gpr")?.fit(&settings, &data, &mut Run::new(0))?;
//! let predict = model.as_predict().expect("it is among the verbs");
//! let prediction = predict.predict(&data, &mut Run::new(0))?;
//! assert!(matches!(prediction, Prediction::Numbers(_)));
//! # Ok::<(), Error>(())
//! ```

pub mod auto;
pub mod findings;
mod record;
mod registry;
pub mod schema;
mod scoring;
pub mod words;

pub use auto::{Choice, auto};
pub use elbo_codec as codec;
pub use elbo_core as core;
pub use elbo_core::Task;
pub use elbo_data as data;
pub use elbo_decide as decide;
pub use elbo_diffusion as diffusion;
pub use elbo_dist as dist;
pub use elbo_gp as gp;
pub use elbo_infer as infer;
pub use elbo_linalg as linalg;
pub use elbo_markov as markov;
pub use elbo_nn as nn;
pub use elbo_picture as picture;
pub use elbo_report as report;
pub use elbo_splat as splat;
pub use elbo_tensor as tensor;
pub use record::{DataRecord, FitRecord, Reading, Scored, load_model, rebuild, record_of, refused, write_model};
pub use registry::{families, find, systems};
pub use scoring::{Observed, bound_columns, check_prediction};

/// What most programs need.
pub mod prelude {
    pub use elbo_core::{
        AnySystem, Array, Card, Data, Error, Marginals, Model, ModelFile, Predict, Prediction, Result, Rng, Run,
        Summary, System, Values, Verb,
    };
}
