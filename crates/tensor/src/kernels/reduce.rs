//! Sums, extremes and running sums in an order that depends on the shape alone.

use rayon::prelude::*;
use smallvec::SmallVec;

use super::{GRAIN, dispatched};
use crate::dtype::{Element, Number};
use crate::layout::{Dims, count};
use crate::tensor::Tensor;

/// How two elements become one.
pub(crate) trait Reduction<T>: Sync {
    const START: T;
    fn join(a: T, b: T) -> T;
}

/// A row's result by eight interleaved accumulators, joined in order.
#[inline(always)]
fn row<T: Element, R: Reduction<T>>(values: &[T]) -> T {
    let mut lanes = [R::START; 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = R::join(*lane, *value);
        }
    }
    let mut total = R::START;
    for lane in lanes {
        total = R::join(total, lane);
    }
    for value in rest {
        total = R::join(total, *value);
    }
    total
}

dispatched! {
    fn reduce_rows<T: Element, R: Reduction<T>>(_rule: &R, values: &[T], length: usize, out: &mut [T]) {
        for (o, values) in out.iter_mut().zip(values.chunks_exact(length)) {
            *o = row::<T, R>(values);
        }
    }
}

dispatched! {
    /// Joins the rows of `values`, each as long as `out`, into `out`.
    fn reduce_columns<T: Element, R: Reduction<T>>(_rule: &R, values: &[T], out: &mut [T]) {
        for values in values.chunks_exact(out.len()) {
            for (o, v) in out.iter_mut().zip(values) {
                *o = R::join(*o, *v);
            }
        }
    }
}

/// Reduces the middle axis of `[outer, length, inner]`.
fn reduce_block<T: Element, R: Reduction<T>>(rule: &R, values: &[T], [outer, length, inner]: [usize; 3]) -> Vec<T> {
    let mut out = vec![R::START; outer * inner];
    if out.is_empty() || length == 0 {
        return out;
    }
    if inner == 1 {
        if length <= GRAIN {
            if values.len() < 2 * GRAIN {
                reduce_rows(rule, values, length, &mut out);
            } else {
                let group = (GRAIN / length).max(1);
                let pieces = values.par_chunks(group * length);
                out.par_chunks_mut(group).zip(pieces).for_each(|(o, v)| reduce_rows(rule, v, length, o));
            }
            return out;
        }
        for (o, values) in out.iter_mut().zip(values.chunks_exact(length)) {
            let piece = |v: &[T]| {
                let mut part = [R::START];
                reduce_rows(rule, v, v.len(), &mut part);
                part[0]
            };
            let parts: Vec<T> = values.par_chunks(GRAIN).map(piece).collect();
            *o = parts.into_iter().fold(R::START, R::join);
        }
        return out;
    }
    // Blocks of whole rows, whose size depends on the shape alone.
    let block = (GRAIN / inner).max(16);
    if length <= 2 * block {
        let columns = |(o, v): (&mut [T], &[T])| reduce_columns(rule, v, o);
        if values.len() < 2 * GRAIN {
            out.chunks_mut(inner).zip(values.chunks_exact(length * inner)).for_each(columns);
        } else {
            out.par_chunks_mut(inner).zip(values.par_chunks_exact(length * inner)).for_each(columns);
        }
        return out;
    }
    for (o, values) in out.chunks_mut(inner).zip(values.chunks_exact(length * inner)) {
        let piece = |v: &[T]| {
            let mut part = vec![R::START; inner];
            reduce_columns(rule, v, &mut part);
            part
        };
        let parts: Vec<Vec<T>> = values.par_chunks(block * inner).map(piece).collect();
        parts.iter().for_each(|part| reduce_columns(rule, part, o));
    }
    out
}

/// Reduces the axes marked in `over`; they keep size one.
pub(crate) fn reduce_axes<T: Element, R: Reduction<T>>(x: &Tensor, over: &[bool], rule: R) -> Tensor {
    let source = x.contiguous_value();
    let mut shape = Dims::from_slice(x.shape());
    let mut values: Option<Vec<T>> = None;
    let mut d = shape.len();
    // From the last run of marked axes to the first.
    while d > 0 {
        if !over[d - 1] {
            d -= 1;
            continue;
        }
        let end = d;
        while d > 0 && over[d - 1] {
            d -= 1;
        }
        let parts = [count(&shape[..d]), count(&shape[d..end]), count(&shape[end..])];
        let reduced = reduce_block(&rule, values.as_deref().unwrap_or_else(|| source.row_major::<T>()), parts);
        values = Some(reduced);
        shape[d..end].fill(1);
    }
    match values {
        Some(values) => Tensor::new(values, &shape),
        None => Tensor::new(source.row_major::<T>().to_vec(), &shape),
    }
}

/// Position of the first best element along one axis of `[outer, length, inner]`; a NaN wins, so that it is not overlooked.
pub(crate) fn arg_reduce<T: Element>(x: &Tensor, axis: usize, better: impl Fn(T, T) -> bool) -> Tensor {
    let source = x.contiguous_value();
    let values = source.row_major::<T>();
    let shape = x.shape();
    let (length, inner) = (shape[axis], count(&shape[axis + 1..]));
    assert!(length > 0 || x.is_empty() && count(&shape[..axis]) * inner == 0, "the extreme of no elements");
    let mut out = Vec::with_capacity(count(&shape[..axis]) * inner);
    for outer in 0..count(&shape[..axis]) {
        for i in 0..inner {
            let at = |k: usize| values[(outer * length + k) * inner + i];
            let mut best = 0;
            for k in 1..length {
                let (new, old) = (at(k), at(best));
                let old_is_nan = old.partial_cmp(&old).is_none();
                let new_is_nan = new.partial_cmp(&new).is_none();
                if !old_is_nan && (new_is_nan || better(new, old)) {
                    best = k;
                }
            }
            out.push(best as i64);
        }
    }
    let mut shape: SmallVec<[usize; 4]> = shape.into();
    shape[axis] = 1;
    Tensor::new(out, &shape)
}

/// Running sums along one axis, from the front or from the back.
pub(crate) fn cumulative<T: Number>(x: &Tensor, axis: usize, from_back: bool) -> Tensor {
    let shape = x.shape().to_vec();
    let mut values = x.contiguous_value().into_elements::<T>();
    let (length, inner) = (shape[axis], count(&shape[axis + 1..]));
    if values.is_empty() {
        return Tensor::new(values, &shape);
    }
    for block in values.chunks_exact_mut(length * inner) {
        for k in 1..length {
            let (to, from) = if from_back { (length - 1 - k, length - k) } else { (k, k - 1) };
            for i in 0..inner {
                block[to * inner + i] = block[from * inner + i] + block[to * inner + i];
            }
        }
    }
    Tensor::new(values, &shape)
}
