//! Reductions. Their order depends on the shape alone, so the bits do not depend on the number of threads.

use crate::dtype::{Number, with_number, with_real};
use crate::kernels::{Reduction, arg_reduce, cumulative, reduce_axes};
use crate::layout::Dims;
use crate::tape::is_recording;
use crate::tensor::Tensor;

struct Sum;
impl<T: Number> Reduction<T> for Sum {
    const START: T = T::ZERO;
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        a + b
    }
}

struct Product;
impl<T: Number> Reduction<T> for Product {
    const START: T = T::ONE;
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        a * b
    }
}

// In both, a NaN stays.
struct Largest;
impl<T: Number> Reduction<T> for Largest {
    const START: T = T::LOWEST;
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        if a >= b || a.partial_cmp(&a).is_none() { a } else { b }
    }
}

struct Smallest;
impl<T: Number> Reduction<T> for Smallest {
    const START: T = T::HIGHEST;
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        if a <= b || a.partial_cmp(&a).is_none() { a } else { b }
    }
}

/// The sum over the marked axes, which keep size one, outside the graph.
pub(super) fn sum_value(x: &Tensor, over: &[bool]) -> Tensor {
    with_number!("sum", x.dtype(), T => reduce_axes::<T, _>(x, over, Sum))
}

impl Tensor {
    fn marked(&self, name: &str, axes: &[isize]) -> Vec<bool> {
        let mut over = vec![false; self.rank()];
        axes.iter().for_each(|a| over[self.axis(name, *a)] = true);
        over
    }

    /// The shape without the marked axes.
    fn without(&self, over: &[bool]) -> Dims {
        self.shape().iter().zip(over).filter(|(_, o)| !**o).map(|(s, _)| *s).collect()
    }

    fn reduced_shape(&self, over: &[bool], keep: bool) -> Dims {
        if !keep {
            return self.without(over);
        }
        self.shape().iter().zip(over).map(|(s, o)| if *o { 1 } else { *s }).collect()
    }

    /// Sum of all elements, without axes.
    pub fn sum(&self) -> Tensor {
        let value = sum_value(self, &vec![true; self.rank()]).view(crate::layout::Layout::contiguous(&[]));
        let shape = self.layout.shape.clone();
        value.record("sum", [self], move |g| [Some(g.grad.broadcast_to(&shape))])
    }

    /// Sum over some axes, which stay with size one when `keep`.
    pub fn sum_axes(&self, axes: &[isize], keep: bool) -> Tensor {
        let over = self.marked("sum", axes);
        let kept = self.reduced_shape(&over, true);
        let value = sum_value(self, &over);
        let value = value.view(crate::layout::Layout::contiguous(&self.reduced_shape(&over, keep)));
        let shape = self.layout.shape.clone();
        value.record("sum_axes", [self], move |g| [Some(g.grad.reshape(&kept).broadcast_to(&shape))])
    }

    /// Sum over one axis.
    pub fn sum_axis(&self, axis: isize, keep: bool) -> Tensor {
        self.sum_axes(&[axis], keep)
    }

    /// Mean of all elements; NaN when there are none.
    pub fn mean(&self) -> Tensor {
        self.sum() * (1.0 / self.len() as f64)
    }

    /// Mean over some axes.
    pub fn mean_axes(&self, axes: &[isize], keep: bool) -> Tensor {
        let n: usize =
            self.shape().iter().zip(self.marked("mean", axes)).filter(|(_, o)| *o).map(|(s, _)| *s).product();
        self.sum_axes(axes, keep) * (1.0 / n as f64)
    }

    /// Mean over one axis.
    pub fn mean_axis(&self, axis: isize, keep: bool) -> Tensor {
        self.mean_axes(&[axis], keep)
    }

    /// Variance over some axes, dividing by the number of elements less `dof` (0 or 1).
    pub fn variance_axes(&self, axes: &[isize], keep: bool, dof: usize) -> Tensor {
        let n: usize =
            self.shape().iter().zip(self.marked("variance", axes)).filter(|(_, o)| *o).map(|(s, _)| *s).product();
        let centred = self - self.mean_axes(axes, true);
        centred.square().sum_axes(axes, keep) * (1.0 / (n as f64 - dof as f64))
    }

    /// Variance over one axis.
    pub fn variance_axis(&self, axis: isize, keep: bool, dof: usize) -> Tensor {
        self.variance_axes(&[axis], keep, dof)
    }

    /// Variance of all elements.
    pub fn variance(&self, dof: usize) -> Tensor {
        self.flatten().variance_axis(0, false, dof)
    }

    /// Product over one axis. Its gradient needs elements different from zero.
    pub fn prod_axis(&self, axis: isize, keep: bool) -> Tensor {
        let over = self.marked("prod", &[axis]);
        let kept = self.reduced_shape(&over, true);
        let value = with_real!("prod", self.dtype(), T => reduce_axes::<T, _>(self, &over, Product));
        let value = value.view(crate::layout::Layout::contiguous(&self.reduced_shape(&over, keep)));
        let x = self.clone();
        value.record_output("prod", [self], move |g, y| [Some((g.grad * y).reshape(&kept) / &x)])
    }

    /// Position of the first largest element along an axis, as `i64`; a NaN counts as largest.
    pub fn argmax(&self, axis: isize, keep: bool) -> Tensor {
        self.arg("argmax", axis, keep, true)
    }

    /// Position of the first smallest element along an axis, as `i64`; a NaN counts as smallest.
    pub fn argmin(&self, axis: isize, keep: bool) -> Tensor {
        self.arg("argmin", axis, keep, false)
    }

    fn arg(&self, name: &str, axis: isize, keep: bool, largest: bool) -> Tensor {
        let axis = self.axis(name, axis);
        let found = with_number!(name, self.dtype(), T => {
            arg_reduce::<T>(self, axis, if largest { |new, old| new > old } else { |new, old| new < old })
        });
        if keep { found } else { found.squeeze(axis as isize) }
    }

    /// Largest element along an axis, which must have one; the gradient goes to the first one. A NaN stays.
    pub fn max_axis(&self, axis: isize, keep: bool) -> Tensor {
        self.extreme("max", axis, keep, true)
    }

    /// Smallest element along an axis, which must have one; the gradient goes to the first one. A NaN stays.
    pub fn min_axis(&self, axis: isize, keep: bool) -> Tensor {
        self.extreme("min", axis, keep, false)
    }

    fn extreme(&self, name: &str, axis: isize, keep: bool, largest: bool) -> Tensor {
        let found = if self.node.is_some() && is_recording() {
            self.gather(axis, &self.arg(name, axis, true, largest))
        } else {
            let over = self.marked(name, &[axis]);
            assert!(self.size(axis) > 0 || self.without(&over).contains(&0), "`{name}` over an empty axis");
            with_number!(name, self.dtype(), T => {
                if largest { reduce_axes::<T, _>(self, &over, Largest) } else { reduce_axes::<T, _>(self, &over, Smallest) }
            })
        };
        if keep { found } else { found.squeeze(axis) }
    }

    /// Largest of all elements, without axes. There must be one.
    pub fn max(&self) -> Tensor {
        self.flatten().max_axis(0, false)
    }

    /// Smallest of all elements, without axes. There must be one.
    pub fn min(&self) -> Tensor {
        self.flatten().min_axis(0, false)
    }

    /// Running sum along an axis.
    pub fn cumsum(&self, axis: isize) -> Tensor {
        self.running_sum(axis, false)
    }

    fn running_sum(&self, axis: isize, from_back: bool) -> Tensor {
        let at = self.axis("cumsum", axis);
        let value = with_number!("cumsum", self.dtype(), T => cumulative::<T>(self, at, from_back));
        value.record("cumsum", [self], move |g| [Some(g.grad.running_sum(at as isize, !from_back))])
    }

    /// Euclidean norm of all elements.
    pub fn norm(&self) -> Tensor {
        self.square().sum().sqrt()
    }
}
