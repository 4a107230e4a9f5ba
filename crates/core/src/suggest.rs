//! What models of an experiment's history offer: where to measure next.

use crate::data::Data;
use crate::error::Result;
use crate::run::Run;

/// The verb `suggest`.
pub trait Suggest {
    /// The next `count` points to try: a table of `count` rows with a column for each variable of the space, in the user's unit, and
    /// then columns on what is expected there (`mean`, `sd`, the score of the acquisition function).
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the space has no room for so many points.
    fn suggest(&self, count: usize, run: &mut Run) -> Result<Data>;
}
