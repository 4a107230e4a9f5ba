//! Maxima over windows of an image.

use std::sync::Arc;

use rayon::prelude::*;

use super::conv::plane;
use super::resample::Window;
use crate::dtype::{Element, Number, with_real};
use crate::tensor::Tensor;

/// Where each window's largest pixel lies in its plane, for `[planes, H', W']`. The first one counts; a NaN wins.
fn positions<T: Number>(x: &[T], size: [usize; 2], windows: &[Vec<std::ops::Range<usize>>; 2]) -> Vec<u32> {
    let [rows, columns] = windows;
    let (pixels, count) = (size[0] * size[1], rows.len() * columns.len());
    let mut out = vec![0; x.len() / pixels.max(1) * count];
    out.par_chunks_mut(count.max(1)).zip(x.par_chunks(pixels.max(1))).for_each(|(out, x)| {
        let mut places = out.iter_mut();
        for rows in rows {
            for columns in columns {
                let mut best = rows.start * size[1] + columns.start;
                for row in rows.clone() {
                    for at in row * size[1] + columns.start..row * size[1] + columns.end {
                        let is_nan = x[at].partial_cmp(&x[at]).is_none();
                        if x[at] > x[best] || (is_nan && x[best].partial_cmp(&x[best]).is_some()) {
                            best = at;
                        }
                    }
                }
                *places.next().expect("one place a window") = best as u32;
            }
        }
    });
    out
}

/// The elements of each plane at its positions: `[planes, from]` to `[planes, to]`.
fn pick(x: &Tensor, positions: Arc<Vec<u32>>, from: Vec<usize>, to: Vec<usize>) -> Tensor {
    let source = x.contiguous_value();
    let ([h, w], [p, q]) = (plane(&from), plane(&to));
    let value = with_real!("max_pool2d", x.dtype(), T => {
        let x = source.row_major::<T>();
        let planes = positions.chunks_exact((p * q).max(1)).zip(x.chunks_exact((h * w).max(1)));
        let picked = planes.flat_map(|(at, x)| at.iter().map(|i| x[*i as usize])).collect::<Vec<T>>();
        Tensor::new(picked, &to)
    });
    value.record("max_pool2d", [x], move |g| [Some(place(g.grad, positions.clone(), from.clone(), to.clone()))])
}

/// The adjoint of [`pick`].
fn place(y: &Tensor, positions: Arc<Vec<u32>>, from: Vec<usize>, to: Vec<usize>) -> Tensor {
    let source = y.contiguous_value();
    let ([h, w], [p, q]) = (plane(&from), plane(&to));
    let value = with_real!("max_unpool2d", y.dtype(), T => {
        let mut out = vec![T::from_f64(0.0); crate::layout::count(&from)];
        let y = source.row_major::<T>();
        let planes = positions.chunks_exact((p * q).max(1)).zip(y.chunks_exact((p * q).max(1)));
        for (out, (at, y)) in out.chunks_exact_mut((h * w).max(1)).zip(planes) {
            at.iter().zip(y).for_each(|(i, y)| out[*i as usize] += *y);
        }
        Tensor::new(out, &from)
    });
    value.record("max_unpool2d", [y], move |g| [Some(pick(g.grad, positions.clone(), from.clone(), to.clone()))])
}

impl Tensor {
    /// Maxima over windows, the padding left out: `[..., H, W]` to `[..., H', W']`. The gradient goes to the first largest pixel.
    pub fn max_pool2d(&self, window: &Window) -> Tensor {
        assert!(self.rank() >= 2, "`max_pool2d` needs an image, found shape {:?}", self.shape());
        let size = plane(self.shape());
        let windows = [0, 1].map(|d| window.along("max_pool2d", d, size[d]));
        let mut to = self.shape().to_vec();
        let rank = to.len();
        (to[rank - 2], to[rank - 1]) = (windows[0].len(), windows[1].len());
        let source = self.contiguous_value();
        let found = with_real!("max_pool2d", self.dtype(), T => positions::<T>(source.row_major(), size, &windows));
        pick(self, Arc::new(found), self.shape().to_vec(), to)
    }
}
