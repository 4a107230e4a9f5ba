//! Resizing, padding and averaging of images: sparse linear maps along an axis.

use std::sync::Arc;

use crate::dtype::{DType, with_real};
use crate::kernels::axis_map::Taps;
use crate::layout::count;
use crate::tensor::Tensor;

/// A window that moves over an image: `[vertical, horizontal]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Pixels under the window.
    pub kernel: [usize; 2],
    /// Pixels between neighbouring windows.
    pub stride: [usize; 2],
    /// Pixels added on each side, at most half of the window.
    pub padding: [usize; 2],
}

impl Window {
    /// Square windows side by side.
    pub fn square(size: usize) -> Self {
        Self { kernel: [size; 2], stride: [size; 2], padding: [0; 2] }
    }

    /// Windows along axis `d` of `size` pixels: each one's first and last pixel, without the padding.
    pub(super) fn along(&self, name: &str, d: usize, size: usize) -> Vec<std::ops::Range<usize>> {
        let (kernel, stride, padding) = (self.kernel[d], self.stride[d], self.padding[d]);
        assert!(kernel > 0 && stride > 0 && 2 * padding <= kernel, "`{name}` with {self:?}");
        assert!(kernel <= size + 2 * padding, "`{name}`: a window of {kernel} over {size} pixels");
        (0..(size + 2 * padding - kernel) / stride + 1)
            .map(|k| {
                let start = k * stride;
                start.saturating_sub(padding)..(start + kernel - padding).min(size)
            })
            .collect()
    }
}

/// A linear map along an axis and its adjoint.
#[derive(Clone)]
struct AxisMap {
    map: Arc<Taps>,
    adjoint: Arc<Taps>,
}

impl AxisMap {
    fn new(map: Taps) -> Self {
        Self { adjoint: Arc::new(map.transposed()), map: Arc::new(map) }
    }

    fn apply(&self, name: &'static str, x: &Tensor, axis: usize) -> Tensor {
        assert_eq!(x.shape()[axis], self.map.inputs(), "`{name}` along axis {axis} of {:?}", x.shape());
        let source = x.contiguous_value();
        let mut shape = x.shape().to_vec();
        shape[axis] = self.map.outputs();
        let around = [count(&shape[..axis]), count(&shape[axis + 1..])];
        let value =
            with_real!(name, x.dtype(), T => Tensor::new(self.map.apply::<T>(source.row_major(), around), &shape));
        let back = Self { map: self.adjoint.clone(), adjoint: self.map.clone() };
        value.record(name, [x], move |g| [Some(back.apply(name, g.grad, axis))])
    }
}

/// Positions in the source of an axis resized from `from` to `to` pixels, as pixel centres.
fn bilinear(from: usize, to: usize) -> Taps {
    let row = |k: usize| {
        let at = ((k as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
        let low = (at as usize).min(from - 1);
        let (high, share) = ((low + 1).min(from - 1), at - low as f64);
        if share == 0.0 || high == low { vec![(low, 1.0)] } else { vec![(low, 1.0 - share), (high, share)] }
    };
    Taps::new(from, (0..to).map(row).collect())
}

fn nearest(from: usize, to: usize) -> Taps {
    Taps::new(from, (0..to).map(|k| vec![(k * from / to, 1.0)]).collect())
}

impl Tensor {
    fn resized(&self, name: &'static str, size: [usize; 2], taps: fn(usize, usize) -> Taps) -> Tensor {
        assert!(self.rank() >= 2, "`{name}` needs an image, found shape {:?}", self.shape());
        let rank = self.rank();
        size.iter().zip([rank - 2, rank - 1]).fold(self.clone(), |x, (to, axis)| {
            let from = x.shape()[axis];
            assert!(from > 0 || *to == 0, "`{name}` of an image without pixels");
            if from == *to { x } else { AxisMap::new(taps(from, *to)).apply(name, &x, axis) }
        })
    }

    /// Images resized to `[height, width]` by repeating or dropping pixels: `[..., H, W]` to `[..., height, width]`.
    pub fn resize_nearest(&self, size: [usize; 2]) -> Tensor {
        self.resized("resize_nearest", size, nearest)
    }

    /// Images resized to `[height, width]` by linear interpolation between pixel centres, the border repeated beyond them.
    pub fn resize_bilinear(&self, size: [usize; 2]) -> Tensor {
        self.resized("resize_bilinear", size, bilinear)
    }

    /// Means over windows, zeros of the padding counted: `[..., H, W]` to `[..., H', W']`.
    pub fn avg_pool2d(&self, window: &Window) -> Tensor {
        assert!(self.rank() >= 2, "`avg_pool2d` needs an image, found shape {:?}", self.shape());
        (0..2).fold(self.clone(), |x, d| {
            let axis = x.rank() - 2 + d;
            let share = 1.0 / window.kernel[d] as f64;
            let windows = window.along("avg_pool2d", d, x.shape()[axis]);
            let rows = windows.into_iter().map(|pixels| pixels.map(|p| (p, share)).collect()).collect();
            AxisMap::new(Taps::new(x.shape()[axis], rows)).apply("avg_pool2d", &x, axis)
        })
    }

    /// A constant around: `(before, after)` for each axis.
    pub fn pad_with(&self, widths: &[(usize, usize)], value: f64) -> Tensor {
        if value == 0.0 {
            return self.pad(widths);
        }
        let frame = Tensor::ones(self.shape(), DType::F32).pad(widths).eq_scalar(0.0);
        self.pad(widths).masked_fill(&frame, value)
    }

    /// The image mirrored at its borders, which are not repeated: `(before, after)` for each axis, below its size.
    pub fn pad_reflect(&self, widths: &[(usize, usize)]) -> Tensor {
        assert_eq!(widths.len(), self.rank(), "`pad_reflect` needs one pair an axis of {:?}", self.shape());
        widths.iter().enumerate().fold(self.clone(), |x, (axis, (before, after))| {
            let size = x.shape()[axis];
            if before + after == 0 {
                return x;
            }
            assert!(*before.max(after) < size, "`pad_reflect` by {before} and {after} of an axis of size {size}");
            let mirrored = |k: usize| {
                let at = k.abs_diff(*before);
                if at < size { at } else { 2 * (size - 1) - at }
            };
            let rows = (0..size + before + after).map(|k| vec![(mirrored(k), 1.0)]).collect();
            AxisMap::new(Taps::new(size, rows)).apply("pad_reflect", &x, axis)
        })
    }
}
