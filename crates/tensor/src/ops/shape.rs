//! Views, joins and triangles. Views share storage; joins copy.

use rayon::prelude::*;

use crate::dtype::{Element, with_any, with_number};
use crate::kernels::GRAIN;
use crate::layout::{Dims, Layout, count};
use crate::tensor::Tensor;

impl Tensor {
    /// The same elements, in row-major order, in another shape. Shares storage when contiguous.
    pub fn reshape(&self, shape: &[usize]) -> Tensor {
        if self.shape() == shape {
            return self.clone();
        }
        assert_eq!(self.len(), count(shape), "`reshape`: {:?} does not fill {shape:?}", self.shape());
        let source = self.contiguous_value();
        let layout = Layout { offset: source.layout.offset, ..Layout::contiguous(shape) };
        let from: Dims = self.layout.shape.clone();
        source.view(layout).record("reshape", [self], move |g| [Some(g.grad.reshape(&from))])
    }

    /// All elements in one axis.
    pub fn flatten(&self) -> Tensor {
        self.reshape(&[self.len()])
    }

    /// Axes in another order: axis `i` of the result is axis `order[i]` of `self`.
    pub fn permute(&self, order: &[usize]) -> Tensor {
        let mut seen = vec![false; self.rank()];
        order.iter().for_each(|d| seen[*d] = true);
        assert!(order.len() == self.rank() && seen.iter().all(|s| *s), "`permute`: {order:?} of {:?}", self.shape());
        let layout = Layout {
            shape: order.iter().map(|d| self.layout.shape[*d]).collect(),
            strides: order.iter().map(|d| self.layout.strides[*d]).collect(),
            offset: self.layout.offset,
        };
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(i, d)| back[*d] = i);
        self.view(layout).record("permute", [self], move |g| [Some(g.grad.permute(&back))])
    }

    /// Two axes exchanged.
    pub fn transpose(&self, a: isize, b: isize) -> Tensor {
        let (a, b) = (self.axis("transpose", a), self.axis("transpose", b));
        let mut layout = self.layout.clone();
        layout.shape.swap(a, b);
        layout.strides.swap(a, b);
        self.view(layout).record("transpose", [self], move |g| [Some(g.grad.transpose(a as isize, b as isize))])
    }

    /// The last two axes exchanged.
    pub fn t(&self) -> Tensor {
        assert!(self.rank() >= 2, "`t` needs a matrix, found shape {:?}", self.shape());
        self.transpose(-2, -1)
    }

    /// A new axis of size one before position `axis`; -1 puts it last.
    pub fn unsqueeze(&self, axis: isize) -> Tensor {
        let at = crate::layout::axis("unsqueeze", axis, self.rank() + 1);
        let mut layout = self.layout.clone();
        layout.shape.insert(at, 1);
        layout.strides.insert(at, 1);
        self.view(layout).record("unsqueeze", [self], move |g| [Some(g.grad.squeeze(at as isize))])
    }

    /// Without an axis of size one.
    pub fn squeeze(&self, axis: isize) -> Tensor {
        let at = self.axis("squeeze", axis);
        assert_eq!(self.shape()[at], 1, "`squeeze` of axis {axis} of {:?}", self.shape());
        let mut layout = self.layout.clone();
        layout.shape.remove(at);
        layout.strides.remove(at);
        self.view(layout).record("squeeze", [self], move |g| [Some(g.grad.unsqueeze(at as isize))])
    }

    /// `length` elements of an axis from `start` on, as a view.
    pub fn narrow(&self, axis: isize, start: usize, length: usize) -> Tensor {
        let at = self.axis("narrow", axis);
        let size = self.shape()[at];
        assert!(start + length <= size, "`narrow` to {start}..{} of an axis of size {size}", start + length);
        if length == size {
            return self.clone();
        }
        let mut layout = self.layout.clone();
        layout.shape[at] = length;
        layout.offset += start * layout.strides[at];
        self.view(layout)
            .record("narrow", [self], move |g| [Some(g.grad.pad_axis(at as isize, start, size - start - length))])
    }

    /// One position of an axis, which disappears.
    pub fn select(&self, axis: isize, index: usize) -> Tensor {
        self.narrow(axis, index, 1).squeeze(self.axis("select", axis) as isize)
    }

    /// One matrix row, or the `index`-th entry along the first axis.
    pub fn row(&self, index: usize) -> Tensor {
        self.select(0, index)
    }

    /// Zeros before and after the elements of an axis.
    pub fn pad_axis(&self, axis: isize, before: usize, after: usize) -> Tensor {
        let at = self.axis("pad", axis);
        if before + after == 0 {
            return self.clone();
        }
        let size = self.shape()[at];
        let mut shape = self.layout.shape.clone();
        shape[at] += before + after;
        let inner = count(&shape[at + 1..]);
        let source = self.contiguous_value();
        let value = with_any!(self.dtype(), T => {
            let mut out = vec![<T as Default>::default(); count(&shape)];
            let (whole, part) = ((size + before + after) * inner, size * inner);
            if part > 0 {
                let rows = out.chunks_exact_mut(whole).zip(source.row_major::<T>().chunks_exact(part));
                rows.for_each(|(o, s)| o[before * inner..][..part].copy_from_slice(s));
            }
            Tensor::new(out, &shape)
        });
        value.record("pad", [self], move |g| [Some(g.grad.narrow(at as isize, before, size))])
    }

    /// Zeros around: `(before, after)` for each axis.
    pub fn pad(&self, widths: &[(usize, usize)]) -> Tensor {
        assert_eq!(widths.len(), self.rank(), "`pad` needs one pair an axis of {:?}", self.shape());
        widths.iter().enumerate().fold(self.clone(), |x, (d, (before, after))| x.pad_axis(d as isize, *before, *after))
    }

    /// Tensors one after the other along an axis; their other axes agree.
    pub fn cat(parts: &[Tensor], axis: isize) -> Tensor {
        let first = parts.first().expect("`cat` needs at least one tensor");
        let at = first.axis("cat", axis);
        for part in parts {
            let agrees = part.rank() == first.rank()
                && (0..first.rank()).all(|d| d == at || part.shape()[d] == first.shape()[d]);
            assert!(agrees, "`cat` along axis {at}: {:?} beside {:?}", part.shape(), first.shape());
            crate::kernels::same_type("cat", first, part);
        }
        let mut shape = first.layout.shape.clone();
        shape[at] = parts.iter().map(|p| p.shape()[at]).sum();
        let inner = count(&shape[at + 1..]);
        let value = with_any!(first.dtype(), T => {
            let mut out = crate::kernels::buffer::<T>(count(&shape));
            let whole = (shape[at] * inner).max(1);
            let sources: Vec<Tensor> = parts.iter().map(Tensor::contiguous_value).collect();
            let sources: Vec<(&[T], usize)> =
                sources.iter().map(|s| (s.row_major::<T>(), s.shape()[at] * inner)).collect();
            let row = |(k, mut o): (usize, &mut [T])| {
                for (values, width) in &sources {
                    let (head, tail) = o.split_at_mut(*width);
                    head.copy_from_slice(&values[k * width..][..*width]);
                    o = tail;
                }
            };
            if out.len() < 2 * GRAIN {
                out.chunks_exact_mut(whole).enumerate().for_each(row);
            } else {
                let together = (GRAIN / whole).max(1);
                out.par_chunks_mut(together * whole).enumerate().for_each(|(task, chunk)| {
                    let rows = chunk.chunks_exact_mut(whole).enumerate();
                    rows.for_each(|(i, o)| row((task * together + i, o)));
                });
            }
            Tensor::new(out, &shape)
        });
        let sizes: Vec<usize> = parts.iter().map(|p| p.shape()[at]).collect();
        let inputs: Vec<&Tensor> = parts.iter().collect();
        value.record_many("cat", &inputs, move |g| {
            let mut start = 0;
            sizes
                .iter()
                .enumerate()
                .map(|(i, size)| {
                    start += size;
                    g.when(i, || g.grad.narrow(at as isize, start - size, *size))
                })
                .collect()
        })
    }

    /// Tensors of one shape along a new axis.
    pub fn stack(parts: &[Tensor], axis: isize) -> Tensor {
        let parts: Vec<Tensor> = parts.iter().map(|p| p.unsqueeze(axis)).collect();
        let rank = parts.first().expect("`stack` needs at least one tensor").rank();
        Tensor::cat(&parts, crate::layout::axis("stack", axis, rank) as isize)
    }

    /// Pieces of these sizes along an axis, as views; the sizes add up to the axis.
    pub fn split(&self, axis: isize, sizes: &[usize]) -> Vec<Tensor> {
        assert_eq!(sizes.iter().sum::<usize>(), self.size(axis), "`split` into {sizes:?} of {:?}", self.shape());
        let mut start = 0;
        sizes
            .iter()
            .map(|size| {
                start += size;
                self.narrow(axis, start - size, *size)
            })
            .collect()
    }

    /// An axis in reverse order.
    pub fn flip(&self, axis: isize) -> Tensor {
        let at = self.axis("flip", axis);
        let reversed: Vec<usize> = (0..self.shape()[at]).rev().collect();
        self.index_select(at as isize, &Tensor::indices(&reversed))
    }

    /// Lower triangle of the last two axes: zeros above diagonal `k` (0 the main one, -1 below it).
    pub fn tril(&self, k: isize) -> Tensor {
        self.triangle("tril", k, true).record("tril", [self], move |g| [Some(g.grad.tril(k))])
    }

    /// Upper triangle of the last two axes: zeros below diagonal `k` (0 the main one, 1 above it).
    pub fn triu(&self, k: isize) -> Tensor {
        self.triangle("triu", k, false).record("triu", [self], move |g| [Some(g.grad.triu(k))])
    }

    fn triangle(&self, name: &str, k: isize, lower: bool) -> Tensor {
        assert!(self.rank() >= 2, "`{name}` needs a matrix, found shape {:?}", self.shape());
        let (m, n) = (self.size(-2), self.size(-1));
        with_number!(name, self.dtype(), T => {
            let mut values = self.contiguous_value().into_elements::<T>();
            for (row, values) in values.chunks_exact_mut(n.max(1)).enumerate() {
                let edge = (row % m.max(1)) as isize + k;
                if lower {
                    values[(edge + 1).clamp(0, n as isize) as usize..].fill(T::from_f64(0.0));
                } else {
                    values[..edge.clamp(0, n as isize) as usize].fill(T::from_f64(0.0));
                }
            }
            Tensor::new(values, self.shape())
        })
    }

    /// Diagonal matrices from vectors: `[..., n]` to `[..., n, n]`.
    pub fn diag(&self) -> Tensor {
        assert!(self.rank() >= 1, "`diag` needs a vector");
        let n = self.size(-1);
        let mut shape = self.layout.shape.clone();
        shape.push(n);
        let source = self.contiguous_value();
        let value = with_any!(self.dtype(), T => {
            let mut out = vec![<T as Default>::default(); count(&shape)];
            for (o, s) in out.chunks_exact_mut((n * n).max(1)).zip(source.row_major::<T>().chunks_exact(n.max(1))) {
                o.iter_mut().step_by(n + 1).zip(s).for_each(|(o, s)| *o = *s);
            }
            Tensor::new(out, &shape)
        });
        value.record("diag", [self], |g| [Some(g.grad.diagonal())])
    }

    /// Diagonals of square matrices, as a view: `[..., n, n]` to `[..., n]`.
    pub fn diagonal(&self) -> Tensor {
        assert!(self.rank() >= 2 && self.size(-1) == self.size(-2), "`diagonal` of shape {:?}", self.shape());
        let mut layout = self.layout.clone();
        layout.shape.pop();
        let stride = layout.strides.pop().expect("two axes at least");
        *layout.strides.last_mut().expect("two axes at least") += stride;
        self.view(layout).record("diagonal", [self], |g| [Some(g.grad.diag())])
    }

    /// Sum of the diagonal: `[..., n, n]` to `[...]`.
    pub fn trace(&self) -> Tensor {
        self.diagonal().sum_axis(-1, false)
    }
}
