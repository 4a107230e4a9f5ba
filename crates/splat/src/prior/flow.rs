//! Where the pixels of one picture lie in another.

use super::{array, numbers, with_some, without};
use elbo_core::{Array, Result, Values};

/// Where the pixels of one picture lie in another: optical flow.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Pixels to the right, then pixels down, `[2, H, W]`; zero where there is nothing, and for points behind the other camera.
    pub shift: Vec<f32>,
    /// Whether the point is seen in the other picture, as far as that is known: inside, and nothing before it; `[H, W]`.
    pub is_seen: Vec<bool>,
}

/// Shifts beyond this are none: how Middlebury's files mark pixels of which nothing is known.
const UNKNOWN: f32 = 1e9;

impl Flow {
    /// A flow from an array `[H, W, 2]` of pixels to the right and pixels down, between pictures of this width and height. `mask`, `[H, W]`, is zero for pixels that
    /// have no partner; without one, those are left out whose shift is beyond 1e9. Shifts that are left out may be anything; they are kept where they are
    /// shifts at all, and else become zero.
    ///
    /// # Errors
    /// [`Error::Data`](elbo_core::Error::Data) for another shape of either, text, shifts that are no numbers where they count, a mask with such values, and where
    /// no pixel is left.
    pub fn new(flow: &Array, mask: Option<&Array>, size: [usize; 2]) -> Result<Self> {
        const REMEDY: &str = "give a mask that is zero for pixels without a partner, or write 1e10 for their shifts";
        let [width, height] = size;
        let pairs = numbers("flow", flow, size, Some(2))?;
        let mut is_seen = match mask {
            None => vec![true; width * height],
            Some(mask) => {
                let mask = numbers("flow's mask", mask, size, None)?;
                let faults = mask.iter().map(|v| v.is_nan());
                without(faults, width, "the flow's mask is no number", "write zeros and ones")?;
                mask.iter().map(|v| *v != 0.0).collect()
            }
        };
        let is_beyond = |pair: &[f32]| pair.iter().any(|v| v.abs() > UNKNOWN);
        is_seen.iter_mut().zip(pairs.chunks_exact(2)).for_each(|(seen, pair)| *seen &= !is_beyond(pair));
        let is_nan = |pair: &[f32]| pair.iter().any(|v| v.is_nan());
        let faults = pairs.chunks_exact(2).zip(&is_seen).map(|(pair, seen)| *seen && is_nan(pair));
        without(faults, width, "the flow is no number", REMEDY)?;
        with_some(is_seen.iter().copied(), "flow", REMEDY)?;
        let kept = |axis: usize| {
            let one = move |pair: &[f32]| if is_beyond(pair) || is_nan(pair) { 0.0 } else { pair[axis] };
            pairs.chunks_exact(2).map(one)
        };
        Ok(Self { width, height, shift: kept(0).chain(kept(1)).collect(), is_seen })
    }

    /// The shifts `[H, W, 2]`, for a `.flo` or `.npy` file, and the mask of zeros and ones `[H, W]`.
    pub fn to_arrays(&self) -> [Array; 2] {
        let (right, down) = self.shift.split_at(self.width * self.height);
        let pairs = right.iter().zip(down).flat_map(|(x, y)| [*x, *y]).collect();
        let mask = self.is_seen.iter().map(|seen| u8::from(*seen)).collect();
        let shape = vec![self.height, self.width];
        [array(&[self.height, self.width, 2], pairs), Array { shape, values: Values::U8(mask) }]
    }
}
