//! The tensor: a shared piece of storage seen through a shape, with its place in the graph.

use std::borrow::Cow;
use std::sync::Arc;

use crate::dtype::{DType, Element, with_any};
use crate::layout::{Dims, Layout, Rows, count};
use crate::storage::Storage;
use crate::tape::Node;

/// A dense array of `f32`, `f64`, `i64` or `bool`, of any shape.
///
/// Cloning shares the storage. Views (transpose, slice, broadcast) share it too. Elements never change once a tensor exists,
/// except through a method that takes the tensor by value and finds the storage unshared.
///
/// Types and shapes that do not fit are our own bugs, since user data are checked where they enter; operations panic with both.
///
/// ```
/// use elbo_tensor::Tensor;
/// let x = Tensor::from_vec(vec![1.0, 2.0, 3.0, 4.0], &[2, 2]).variable();
/// let y = (&x * &x).sum();
/// assert_eq!(y.item(), 30.0);
/// assert_eq!(elbo_tensor::grad(&y, &[&x])[0].to_vec(), [2.0, 4.0, 6.0, 8.0]);
/// ```
#[derive(Clone)]
pub struct Tensor {
    pub(crate) storage: Arc<Storage>,
    pub(crate) layout: Layout,
    pub(crate) node: Option<Arc<Node>>,
}

impl Tensor {
    // ---- making ----

    /// A tensor with these elements in row-major order. `values.len()` is the product of `shape`.
    pub fn new<T: Element>(values: Vec<T>, shape: &[usize]) -> Self {
        assert_eq!(values.len(), count(shape), "{} values do not fill the shape {shape:?}", values.len());
        Self { storage: Arc::new(T::wrap(values)), layout: Layout::contiguous(shape), node: None }
    }

    /// Doubles in row-major order.
    pub fn from_vec(values: Vec<f64>, shape: &[usize]) -> Self {
        Self::new(values, shape)
    }

    /// Doubles copied from a row-major slice.
    pub fn from_slice(values: &[f64], shape: &[usize]) -> Self {
        Self::new(values.to_vec(), shape)
    }

    /// Single-precision numbers in row-major order.
    pub fn from_f32(values: Vec<f32>, shape: &[usize]) -> Self {
        Self::new(values, shape)
    }

    /// Integers in row-major order.
    pub fn from_i64(values: Vec<i64>, shape: &[usize]) -> Self {
        Self::new(values, shape)
    }

    /// Truth values in row-major order.
    pub fn from_bool(values: Vec<bool>, shape: &[usize]) -> Self {
        Self::new(values, shape)
    }

    /// A vector of indices, for [`Tensor::index_select`] and its kin.
    pub fn indices(values: &[usize]) -> Self {
        Self::new(values.iter().map(|v| *v as i64).collect::<Vec<i64>>(), &[values.len()])
    }

    /// A double without axes.
    pub fn scalar(value: f64) -> Self {
        Self::new(vec![value], &[])
    }

    /// One value everywhere, stored once.
    pub fn full(shape: &[usize], value: f64, dtype: DType) -> Self {
        let one = with_any!(dtype, T => Self::new(vec![T::from_f64(value)], &[]));
        one.expanded(shape)
    }

    /// Zeros.
    pub fn zeros(shape: &[usize], dtype: DType) -> Self {
        Self::full(shape, 0.0, dtype)
    }

    /// Ones.
    pub fn ones(shape: &[usize], dtype: DType) -> Self {
        Self::full(shape, 1.0, dtype)
    }

    /// Zeros with the shape and type of `self`.
    pub fn zeros_like(&self) -> Self {
        Self::zeros(self.shape(), self.dtype())
    }

    /// Ones with the shape and type of `self`.
    pub fn ones_like(&self) -> Self {
        Self::ones(self.shape(), self.dtype())
    }

    /// One value with the shape and type of `self`.
    pub fn full_like(&self, value: f64) -> Self {
        Self::full(self.shape(), value, self.dtype())
    }

    /// The identity matrix, `[n, n]`.
    pub fn eye(n: usize, dtype: DType) -> Self {
        with_any!(dtype, T => {
            let mut values = vec![T::default(); n * n];
            values.iter_mut().step_by(n + 1).for_each(|v| *v = T::from_f64(1.0));
            Self::new(values, &[n, n])
        })
    }

    /// 0, 1, ..., n - 1.
    pub fn arange(n: usize, dtype: DType) -> Self {
        with_any!(dtype, T => Self::new((0..n).map(|i| T::from_f64(i as f64)).collect::<Vec<T>>(), &[n]))
    }

    /// `n` doubles from `first` to `last`, both included, evenly spaced.
    pub fn linspace(first: f64, last: f64, n: usize) -> Self {
        let step = if n > 1 { (last - first) / (n - 1) as f64 } else { 0.0 };
        let at = |i: usize| if i + 1 == n && n > 1 { last } else { first + step * i as f64 };
        Self::new((0..n).map(at).collect::<Vec<f64>>(), &[n])
    }

    // ---- asking ----

    /// The sizes of the axes.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Number of axes.
    #[inline]
    pub fn rank(&self) -> usize {
        self.layout.shape.len()
    }

    /// The size of one axis; negative axes count from the back.
    pub fn size(&self, axis: isize) -> usize {
        self.layout.shape[self.axis("size", axis)]
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements' type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.storage.dtype()
    }

    /// Distances between neighbours along each axis, in elements; zero where the tensor repeats.
    pub fn strides(&self) -> &[usize] {
        &self.layout.strides
    }

    /// Whether the elements lie in row-major order without gaps.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.layout.is_contiguous()
    }

    /// Whether gradients flow to or through it.
    #[inline]
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    pub(crate) fn axis(&self, name: &str, axis: isize) -> usize {
        crate::layout::axis(name, axis, self.rank())
    }

    // ---- reading ----

    /// The only element, as a double.
    pub fn item(&self) -> f64 {
        assert_eq!(self.len(), 1, "`item` of a tensor of shape {:?}", self.shape());
        let at = self.layout.offset;
        with_any!(self.dtype(), T => T::slice(&self.storage)[at].to_f64())
    }

    /// The elements in row-major order, as doubles.
    pub fn to_vec(&self) -> Vec<f64> {
        let all = self.contiguous_value();
        with_any!(self.dtype(), T => all.row_major::<T>().iter().map(|v| v.to_f64()).collect())
    }

    /// The elements in row-major order as doubles, without a copy when they are contiguous doubles already.
    pub fn as_f64(&self) -> Cow<'_, [f64]> {
        if self.dtype() == DType::F64 && self.is_contiguous() {
            return Cow::Borrowed(self.row_major::<f64>());
        }
        Cow::Owned(self.to_vec())
    }

    /// The elements in row-major order, without a copy when they are contiguous. `T` must be the element type.
    pub fn as_slice<T: Element>(&self) -> Cow<'_, [T]> {
        if self.is_contiguous() {
            return Cow::Borrowed(self.row_major::<T>());
        }
        Cow::Owned(self.contiguous_value().row_major::<T>().to_vec())
    }

    /// Whether every element is finite.
    pub fn is_finite(&self) -> bool {
        match self.dtype() {
            // Pieces without an early exit, which vectorise.
            DType::F64 => {
                self.as_slice::<f64>().chunks(1024).all(|c| c.iter().fold(true, |all, v| all & v.is_finite()))
            }
            DType::F32 => {
                self.as_slice::<f32>().chunks(1024).all(|c| c.iter().fold(true, |all, v| all & v.is_finite()))
            }
            _ => true,
        }
    }

    /// The elements of a contiguous tensor.
    #[inline]
    pub(crate) fn row_major<T: Element>(&self) -> &[T] {
        debug_assert!(self.is_contiguous());
        if self.is_empty() {
            return &[];
        }
        &T::slice(&self.storage)[self.layout.offset..self.layout.offset + self.len()]
    }

    /// All of the storage behind this view; strides and offset index into it.
    #[inline]
    pub(crate) fn raw<T: Element>(&self) -> &[T] {
        T::slice(&self.storage)
    }

    /// The same elements, contiguous and outside the graph.
    pub(crate) fn contiguous_value(&self) -> Self {
        if self.is_contiguous() {
            return self.detach();
        }
        with_any!(self.dtype(), T => {
            let source = self.raw::<T>();
            let rows = Rows::new(self.shape(), [self.layout.strides.clone()], [self.layout.offset]);
            let mut out = crate::kernels::buffer::<T>(self.len());
            crate::kernels::fill_rows(&rows, &mut out, &|out, [at]| {
                let step = rows.steps[0];
                if step == 1 {
                    out.copy_from_slice(&source[at..at + out.len()]);
                } else {
                    out.iter_mut().enumerate().for_each(|(i, o)| *o = source[at + i * step]);
                }
            });
            Self::new(out, self.shape())
        })
    }

    /// Takes the elements out, copying only when they are shared or not contiguous.
    pub(crate) fn into_elements<T: Element>(self) -> Vec<T> {
        let whole = self.is_contiguous() && self.layout.offset == 0 && self.len() == self.storage.len();
        if !whole {
            return self.contiguous_value().row_major::<T>().to_vec();
        }
        match Arc::try_unwrap(self.storage) {
            Ok(mut storage) => std::mem::take(vec_mut::<T>(&mut storage)),
            Err(shared) => T::slice(&shared).to_vec(),
        }
    }

    /// The elements for writing, when nobody else sees them and they fill their storage in row-major order.
    pub(crate) fn unshared<T: Element>(&mut self) -> Option<&mut [T]> {
        let whole = self.is_contiguous() && self.layout.offset == 0 && self.len() == self.storage.len();
        if !whole || self.node.is_some() {
            return None;
        }
        Arc::get_mut(&mut self.storage).map(T::slice_mut)
    }

    /// Another view of the same storage, outside the graph.
    pub(crate) fn view(&self, layout: Layout) -> Self {
        Self { storage: self.storage.clone(), layout, node: None }
    }

    /// Shows the tensor in a larger shape, outside the graph.
    pub(crate) fn expanded(&self, shape: &[usize]) -> Self {
        let strides = self.layout.broadcast_strides(shape);
        self.view(Layout { shape: Dims::from_slice(shape), strides, offset: self.layout.offset })
    }

    /// Converts the elements; nothing converts in silence. Gradients come back in the source's type. Casting a real number to
    /// `I64` truncates towards zero, to `Bool` asks whether it is not zero.
    pub fn cast(&self, dtype: DType) -> Self {
        let from = self.dtype();
        if from == dtype {
            return self.clone();
        }
        let source = self.contiguous_value();
        let value = with_any!(from, A => with_any!(dtype, B => {
            let values: Vec<B> = source.row_major::<A>().iter().map(|v| B::from_f64(v.to_f64())).collect();
            Self::new(values, self.shape())
        }));
        if !(from.is_real() && dtype.is_real()) {
            return value;
        }
        value.record("cast", [self], move |b| [Some(b.grad.cast(from))])
    }

    /// As double precision.
    pub fn to_f64(&self) -> Self {
        self.cast(DType::F64)
    }

    /// As single precision.
    pub fn to_f32(&self) -> Self {
        self.cast(DType::F32)
    }

    /// Row-major without gaps; a copy only when needed.
    pub fn contiguous(&self) -> Self {
        if self.is_contiguous() {
            return self.clone();
        }
        self.contiguous_value().record("contiguous", [self], |b| [Some(b.grad.clone())])
    }
}

fn vec_mut<T: Element>(storage: &mut Storage) -> &mut Vec<T> {
    // The four vectors are the four element types, so the downcast holds whenever the tag matches.
    let any: &mut dyn std::any::Any = match storage {
        Storage::F32(v) => v,
        Storage::F64(v) => v,
        Storage::I64(v) => v,
        Storage::Bool(v) => v,
    };
    any.downcast_mut().expect("the element type was checked by the caller")
}

/// Type, shape and the first elements.
impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values = self.to_vec();
        let shown = &values[..values.len().min(8)];
        let more = if values.len() > shown.len() { ", ..." } else { "" };
        write!(f, "Tensor({} {:?}", self.dtype(), self.shape())?;
        if let Some(node) = &self.node {
            write!(f, ", {}", node.name())?;
        }
        let list: Vec<String> = shown.iter().map(|v| format!("{v:.6}")).collect();
        write!(f, ", [{}{more}])", list.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_and_unshared_elements_can_be_taken() {
        let mut a = Tensor::from_vec(vec![1.0, 2.0], &[2]);
        let b = a.clone();
        assert!(a.unshared::<f64>().is_none());
        drop(b);
        a.unshared::<f64>().unwrap()[0] = 5.0;
        assert_eq!(a.into_elements::<f64>(), [5.0, 2.0]);
    }

    #[test]
    #[should_panic(expected = "3 values do not fill the shape [2, 2]")]
    fn a_wrong_number_of_values_is_named() {
        let _ = Tensor::from_vec(vec![0.0; 3], &[2, 2]);
    }

    #[test]
    fn constructors_give_what_they_say() {
        assert_eq!(Tensor::linspace(0.0, 1.0, 3).to_vec(), [0.0, 0.5, 1.0]);
        assert_eq!(Tensor::eye(2, DType::I64).to_vec(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(Tensor::arange(3, DType::F32).to_vec(), [0.0, 1.0, 2.0]);
        assert_eq!(Tensor::ones(&[2, 0], DType::F64).len(), 0);
        assert_eq!(Tensor::full(&[2], 3.0, DType::Bool).to_vec(), [1.0, 1.0]);
        assert_eq!(Tensor::from_vec(vec![1.9, -1.9], &[2]).cast(DType::I64).to_vec(), [1.0, -1.0]);
    }
}
