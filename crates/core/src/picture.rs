//! What models of pictures and scenes offer: restored pictures, compressed files, rendered views.

use crate::data::Data;
use crate::error::Result;
use crate::run::Run;
use serde_json::Value;

/// The verb `restore`: a clean picture from a degraded one.
pub trait Restore {
    /// Names and defaults of the settings that say how the pictures were degraded and how to restore them; a JSON object.
    fn defaults(&self) -> Value;

    /// Restored pictures: the arrays of `data` that the model knows, in the same unit and layout; beside them, where the method
    /// gives them, more arrays of pictures of as many rows (`sd`, draws), and what says how it went: `misfit`, one number a step, and `evaluations`;
    /// of pictures also `range`, the two numbers that are black and white in their unit.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for a wrong setting, [`crate::Error::Data`] for pictures that are not of the model's form.
    fn restore(&self, data: &Data, settings: &Value, run: &mut Run) -> Result<Data>;
}

/// The verb `compress`, and its way back.
pub trait Compress {
    /// Names and defaults of the settings, such as the quality; a JSON object.
    fn defaults(&self) -> Value;

    /// One picture (an array of bytes `[1, H, W, C]`) as a file that stands for itself.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for a wrong setting, [`crate::Error::Data`] for anything but one picture.
    fn compress(&self, data: &Data, settings: &Value, run: &mut Run) -> Result<Vec<u8>>;

    /// The picture of such a file: an array of bytes `[1, H, W, C]`.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the file is damaged, foreign, or of another model.
    fn decompress(&self, file: &[u8]) -> Result<Data>;

    /// As much of the picture as a damaged file still gives. What was lost becomes warnings of the run; none for a file that is whole.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when nothing can be read: the file's header is damaged, it is cut short, foreign, or of another model.
    fn salvage(&self, file: &[u8], run: &mut Run) -> Result<Data>;
}

/// The verb `render`.
pub trait Render {
    /// Pictures from these cameras: an array of bytes `[N, H, W, 3]`, and others of as many rows (`depth`).
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for a view that cannot be.
    fn render(&self, views: &Views, run: &mut Run) -> Result<Data>;
}

/// Where to look from.
#[derive(Debug, Clone, PartialEq)]
pub enum Views {
    /// So many cameras on a circle around the scene, each `size = [width, height]` pixels where it is given.
    Orbit {
        /// Number of cameras.
        count: usize,
        /// Pixels, or the size of the pictures the model was fitted to.
        size: Option<[usize; 2]>,
    },
    /// The cameras of a data set.
    Data(Data),
}
