//! Depths of one picture.

use super::{array, numbers, with_some, without};
use elbo_core::{Array, Result, ensure};

/// Distances from a camera's plane as a model of single pictures estimates them: often right only up to a factor and a shift.
#[derive(Debug, Clone, PartialEq)]
pub struct Depth {
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// `[H, W]`; zero where nothing is known.
    pub values: Vec<f32>,
}

/// The largest number of a grey PNG of 16 bits.
const MOST: f64 = 65_535.0;

impl Depth {
    /// Depths from an array `[H, W]` for a picture of this width and height: `scale` times its numbers, where zero means unknown. The scale of a PNG file stands
    /// beside it, 0.001 where its numbers are millimetres and the scene's unit is a metre; that of an `.npy` file is mostly one.
    ///
    /// # Errors
    /// [`Error::Data`](elbo_core::Error::Data) for another shape, text, values below zero or not finite, and where no depth is known;
    /// [`Error::Setting`](elbo_core::Error::Setting) for a scale that is not positive.
    pub fn new(depth: &Array, scale: f64, size: [usize; 2]) -> Result<Self> {
        const REMEDY: &str = "write distances above zero, and zero where nothing is known";
        ensure("scale", scale, scale > 0.0 && scale.is_finite(), "above 0")?;
        let stored = numbers("depth", depth, size, None)?;
        let [width, height] = size;
        let values: Vec<f32> = stored.iter().map(|v| (scale * f64::from(*v)) as f32).collect();
        without(values.iter().map(|v| !v.is_finite()), width, "the depth is no finite number", REMEDY)?;
        without(values.iter().map(|v| *v < 0.0), width, "the depth is below zero", REMEDY)?;
        with_some(values.iter().map(|v| *v > 0.0), "depth", REMEDY)?;
        Ok(Self { width, height, values })
    }

    /// Whether the depth is known, `[H, W]`.
    pub fn is_known(&self) -> Vec<bool> {
        self.values.iter().map(|v| *v > 0.0).collect()
    }

    /// `[H, W]`, for an `.npy` file.
    pub fn to_array(&self) -> Array {
        array(&[self.height, self.width], self.values.clone())
    }

    /// Whole numbers up to 65535 for a grey PNG of 16 bits, `[H, W]`, and the scale that makes depths of them, exact to half of it. Known depths of less than half
    /// the scale become one, since zero means unknown.
    pub fn to_grey16(&self) -> (Array, f64) {
        let farthest = self.values.iter().fold(0.0, |far: f64, v| far.max(f64::from(*v)));
        // One step is a number in single precision, which depths are read in.
        let scale = (farthest / MOST).max(f64::from(f32::MIN_POSITIVE));
        let whole = |v: &f32| if *v > 0.0 { (f64::from(*v) / scale).round().clamp(1.0, MOST) } else { 0.0 };
        let whole = self.values.iter().map(|v| whole(v) as f32).collect();
        (array(&[self.height, self.width], whole), scale)
    }
}
