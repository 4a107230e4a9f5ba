//! A point of space for every pixel.

use super::{array, numbers, with_some, without};
use elbo_core::{Array, Result};

/// The points that the pixels of a picture show, as a model of pairs of pictures estimates them: in the coordinates of the pair's first camera, up to one factor
/// for the pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointmap {
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// `[H, W, 3]`; zero where nothing is known.
    pub points: Vec<f32>,
    /// How much the points can be trusted beside each other, `[H, W]`; zero where nothing is known.
    pub confidence: Vec<f32>,
}

impl Pointmap {
    /// Points from an array `[H, W, 3]` and their confidences `[H, W]`, for a picture of this width and height. Points with a confidence of zero may be anything.
    ///
    /// # Errors
    /// [`Error::Data`](elbo_core::Error::Data) for another shape of either, text, confidences below zero or not finite, points that are not finite where they
    /// count, and where no pixel has a confidence.
    pub fn new(points: &Array, confidence: &Array, size: [usize; 2]) -> Result<Self> {
        const REMEDY: &str = "write a confidence of zero where no point is known, and more elsewhere";
        let [width, height] = size;
        let mut points = numbers("pointmap", points, size, Some(3))?;
        let confidence = numbers("pointmap's confidence", confidence, size, None)?;
        let is_wrong = |c: &f32| !c.is_finite() || *c < 0.0;
        without(confidence.iter().map(is_wrong), width, "the confidence is below zero or not finite", REMEDY)?;
        let is_finite = |point: &[f32]| point.iter().all(|v| v.is_finite());
        let faults = points.chunks_exact(3).zip(&confidence).map(|(point, c)| *c > 0.0 && !is_finite(point));
        without(faults, width, "the point is no finite number", REMEDY)?;
        with_some(confidence.iter().map(|c| *c > 0.0), "pointmap", REMEDY)?;
        points.chunks_exact_mut(3).zip(&confidence).filter(|(_, c)| **c == 0.0).for_each(|(point, _)| point.fill(0.0));
        Ok(Self { width, height, points, confidence })
    }

    /// The points `[H, W, 3]` and their confidences `[H, W]`, for `.npy` files.
    pub fn to_arrays(&self) -> [Array; 2] {
        let (h, w) = (self.height, self.width);
        [array(&[h, w, 3], self.points.clone()), array(&[h, w], self.confidence.clone())]
    }
}
