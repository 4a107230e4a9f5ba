//! Several objectives at once, all minimised.
//!
//! | I want | look at |
//! |---|---|
//! | the trials that no other beats in everything | [`front`] |
//! | how good a set of trials is | [`hypervolume`], [`distance_to`], [`epsilon`] |
//! | a score for one more trial | [`Ehvi`]: exact for independent processes and any number of objectives |
//! | one objective out of several | [`tchebycheff`], [`scalarise`] |
//! | the next trial | [`Choose`] with [`Strategy::Ehvi`]; [`Strategy::ParEgo`] where its cells are too many, from five objectives on |
//! | problems with known fronts | [`problems`] |
//!
//! Pending trials are believed to be their means, as elsewhere in this crate. To add a strategy, give [`Strategy`] a variant and an arm in [`Choose::next`].

mod choose;
mod ehvi;
mod front;
pub mod problems;
mod scalar;
mod volume;

pub use choose::{Choose, Strategy};
pub use ehvi::{Cell, Ehvi, cells};
pub use front::{distance_to, dominates, epsilon, front, reference_point};
pub use scalar::{scalarise, simplex_weights, tchebycheff};
pub use volume::hypervolume;
