//! What other models say about the pictures of a scene, pixel by pixel. For tests and programs of your own: no fit here takes one.
//!
//! | prior | read from | shape | made up by |
//! |---|---|---|---|
//! | [`Depth`] of a picture | grey PNG of 16 bits with its scale, or `.npy` | `[H, W]` | [`DepthFaults`](crate::make::standin::DepthFaults) |
//! | [`Flow`] from one picture to another | `.flo` or `.npy`, and a mask | `[H, W, 2]`, `[H, W]` | [`FlowFaults`](crate::make::standin::FlowFaults) |
//! | [`Pointmap`] of a picture of a pair | `.npy`, and its confidence | `[H, W, 3]`, `[H, W]` | [`PointFaults`](crate::make::standin::PointFaults) |
//!
//! `elbo_data::read_map` makes an array of any of these files. Here an array is held against the size of the picture that it is about, and refused where it
//! has values that mean nothing.

mod depth;
mod flow;
mod pointmap;

pub use depth::Depth;
pub use flow::Flow;
pub use pointmap::Pointmap;

use elbo_core::{Array, Error, Result, Values};

/// The numbers of an array over a picture of this width and height, with so many a pixel where it has a third axis.
fn numbers(what: &str, array: &Array, size: [usize; 2], channels: Option<usize>) -> Result<Vec<f32>> {
    let [width, height] = size;
    let expected: Vec<usize> = [height, width].into_iter().chain(channels).collect();
    if array.shape != expected {
        let found = &array.shape;
        return Err(Error::data(
            format!("the {what} has shape {found:?}; a picture of {width} x {height} pixels needs {expected:?}"),
            format!("give the {what} at the size of its picture"),
        ));
    }
    let values = match &array.values {
        Values::F32(values) => Some(values.clone()),
        _ => array.to_f64().map(|values| values.into_iter().map(|v| v as f32).collect()),
    };
    values.ok_or_else(|| Error::data(format!("the {what} holds text"), "give numbers"))
}

/// Refuses values at fault, naming the first pixel of one. `faults` has one entry a pixel.
fn without(faults: impl IntoIterator<Item = bool>, width: usize, what: &str, remedy: &str) -> Result<()> {
    match faults.into_iter().position(|is_fault| is_fault) {
        None => Ok(()),
        Some(p) => Err(Error::data(format!("{what} in column {}, row {}", p % width + 1, p / width + 1), remedy)),
    }
}

/// Refuses a map that says nothing about any pixel.
fn with_some(known: impl IntoIterator<Item = bool>, what: &str, remedy: &str) -> Result<()> {
    if known.into_iter().any(|is_known| is_known) {
        return Ok(());
    }
    Err(Error::data(format!("the {what} is known for no pixel"), remedy))
}

fn array(shape: &[usize], values: Vec<f32>) -> Array {
    Array { shape: shape.into(), values: Values::F32(values) }
}
