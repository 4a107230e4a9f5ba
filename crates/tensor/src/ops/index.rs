//! Reading and writing at indices. Index tensors are `i64` and carry no gradient; an index out of range is our own bug.

use crate::dtype::{DType, with_any, with_number};
use crate::layout::{Dims, count};
use crate::tensor::Tensor;

fn checked(name: &str, index: &Tensor, size: usize) -> Vec<usize> {
    assert!(index.dtype() == DType::I64, "`{name}` needs i64 indices, found {}", index.dtype());
    let found = index.contiguous_value();
    let inside = |i: &i64| {
        assert!((0..size as i64).contains(i), "`{name}`: index {i} of an axis of size {size}");
        *i as usize
    };
    found.row_major::<i64>().iter().map(inside).collect()
}

impl Tensor {
    /// The entries of an axis at these positions (`index: [k]`), in this order.
    pub fn index_select(&self, axis: isize, index: &Tensor) -> Tensor {
        let at = self.axis("index_select", axis);
        assert_eq!(index.rank(), 1, "`index_select` needs a vector of indices, found shape {:?}", index.shape());
        let size = self.shape()[at];
        let positions = checked("index_select", index, size);
        let mut shape = self.layout.shape.clone();
        shape[at] = positions.len();
        let inner = count(&shape[at + 1..]);
        let source = self.contiguous_value();
        let value = with_any!(self.dtype(), T => {
            let values = source.row_major::<T>();
            let mut out = Vec::with_capacity(count(&shape));
            for outer in 0..count(&shape[..at]) {
                for p in &positions {
                    out.extend_from_slice(&values[(outer * size + p) * inner..][..inner]);
                }
            }
            Tensor::new(out, &shape)
        });
        let (index, from) = (index.clone(), self.layout.shape.clone());
        value.record("index_select", [self], move |g| {
            [Some(Tensor::zeros(&from, g.grad.dtype()).index_add(at as isize, &index, g.grad))]
        })
    }

    /// `self` with the entries of `source` added at these positions of an axis; repeated positions add up, in order.
    pub fn index_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Tensor {
        let at = self.axis("index_add", axis);
        let size = self.shape()[at];
        let positions = checked("index_add", index, size);
        let fits = source.rank() == self.rank()
            && (0..self.rank()).all(|d| source.shape()[d] == if d == at { positions.len() } else { self.shape()[d] });
        assert!(fits, "`index_add` of {:?} into {:?}", source.shape(), self.shape());
        crate::kernels::same_type("index_add", self, source);
        let inner = count(&self.shape()[at + 1..]);
        let added = source.contiguous_value();
        let value = with_number!("index_add", self.dtype(), T => {
            let mut out = self.contiguous_value().into_elements::<T>();
            let values = added.row_major::<T>();
            for (k, values) in values.chunks_exact(inner.max(1)).enumerate() {
                let (outer, p) = (k / positions.len(), positions[k % positions.len()]);
                let to = &mut out[(outer * size + p) * inner..][..inner];
                to.iter_mut().zip(values).for_each(|(o, v)| *o += *v);
            }
            Tensor::new(out, self.shape())
        });
        let index = index.clone();
        value.record("index_add", [self, source], move |g| {
            [g.when(0, || g.grad.clone()), g.when(1, || g.grad.index_select(at as isize, &index))]
        })
    }

    /// Picks along an axis: `out[..i..] = self[..index[..i..]..]`. `index` has the rank of `self` and agrees with it in the other axes.
    pub fn gather(&self, axis: isize, index: &Tensor) -> Tensor {
        let at = self.axis("gather", axis);
        let offsets = self.offsets("gather", at, index);
        let source = self.contiguous_value();
        let value = with_any!(self.dtype(), T => {
            let values = source.row_major::<T>();
            Tensor::new(offsets.iter().map(|o| values[*o]).collect::<Vec<T>>(), index.shape())
        });
        let (index, from) = (index.clone(), self.layout.shape.clone());
        value.record("gather", [self], move |g| {
            [Some(Tensor::zeros(&from, g.grad.dtype()).scatter_add(at as isize, &index, g.grad))]
        })
    }

    /// `self` with `source` added where `index` points along an axis: the adjoint of [`Tensor::gather`].
    pub fn scatter_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Tensor {
        let at = self.axis("scatter_add", axis);
        assert_eq!(index.shape(), source.shape(), "`scatter_add` needs one index an element");
        crate::kernels::same_type("scatter_add", self, source);
        let offsets = self.offsets("scatter_add", at, index);
        let added = source.contiguous_value();
        let value = with_number!("scatter_add", self.dtype(), T => {
            let mut out = self.contiguous_value().into_elements::<T>();
            offsets.iter().zip(added.row_major::<T>()).for_each(|(o, v)| out[*o] += *v);
            Tensor::new(out, self.shape())
        });
        let index = index.clone();
        value.record("scatter_add", [self, source], move |g| {
            [g.when(0, || g.grad.clone()), g.when(1, || g.grad.gather(at as isize, &index))]
        })
    }

    /// Row-major positions in `self` that `index` points to.
    fn offsets(&self, name: &str, at: usize, index: &Tensor) -> Vec<usize> {
        let agrees =
            index.rank() == self.rank() && (0..self.rank()).all(|d| d == at || index.shape()[d] == self.shape()[d]);
        assert!(agrees, "`{name}` along axis {at}: indices {:?} for {:?}", index.shape(), self.shape());
        let (size, length) = (self.shape()[at], index.shape()[at]);
        let inner = count(&self.shape()[at + 1..]);
        let positions = checked(name, index, size);
        let place = |(k, p): (usize, usize)| (k / (length * inner) * size + p) * inner + k % inner;
        positions.into_iter().enumerate().map(place).collect()
    }

    /// Rows of the identity: indices `[...]` to `[..., depth]`.
    pub fn one_hot(&self, depth: usize, dtype: DType) -> Tensor {
        let positions = checked("one_hot", self, depth);
        let mut shape: Dims = self.layout.shape.clone();
        shape.push(depth);
        with_any!(dtype, T => {
            let mut out = vec![<T as Default>::default(); count(&shape)];
            positions.iter().enumerate().for_each(|(i, p)| out[i * depth + p] = <T as crate::Element>::from_f64(1.0));
            Tensor::new(out, &shape)
        })
    }

    /// `value` where the mask is true, `self` elsewhere. The mask broadcasts to `self`.
    pub fn masked_fill(&self, mask: &Tensor, value: f64) -> Tensor {
        assert!(
            crate::layout::broadcasts(mask.shape(), self.shape()),
            "`masked_fill`: mask {:?} for {:?}",
            mask.shape(),
            self.shape()
        );
        mask.where_(&Tensor::full(&[], value, self.dtype()), self)
    }

    /// Positions of the true elements of a vector, as `i64`.
    pub fn nonzero(&self) -> Tensor {
        assert_eq!(self.rank(), 1, "`nonzero` needs a vector, found shape {:?}", self.shape());
        let found: Vec<i64> = (0..).zip(self.to_vec()).filter(|(_, v)| *v != 0.0).map(|(i, _)| i).collect();
        let n = found.len();
        Tensor::from_i64(found, &[n])
    }
}
