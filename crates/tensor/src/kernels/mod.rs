//! Loops over plain slices, outside the graph.
//!
//! Work is cut into pieces of constant size, so that results have the same bits for any number of threads. Loops are compiled
//! twice, for the base instruction set and for AVX2 with FMA, and the machine chooses at run time.

pub(crate) mod attention;
pub(crate) mod axis_map;
pub(crate) mod conv;
mod depthwise;
pub(crate) mod gemm;
mod matmul;
pub(crate) mod norm;
mod reduce;

use rayon::prelude::*;

use crate::dtype::Element;
use crate::layout::{Rows, broadcast_shape};
use crate::tensor::Tensor;

pub(crate) use elbo_core::recycle::{buffer, zeros};
pub(crate) use matmul::{affine, matmul};
pub(crate) use reduce::{Reduction, arg_reduce, cumulative, reduce_axes};

/// Elements in one piece of parallel work.
pub(crate) const GRAIN: usize = 16_384;

/// Whether the machine has AVX2 and FMA, and the environment variable `ELBO_PLAIN`, with which tests take the code for plain machines, is not set.
#[inline]
pub(crate) fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        static IS_PLAIN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        !*IS_PLAIN.get_or_init(|| std::env::var_os("ELBO_PLAIN").is_some())
            && std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Defines `$name` as a run-time choice between two compilations of the same body.
macro_rules! dispatched {
    ($(#[$meta:meta])* fn $name:ident<$($g:ident: $bound:path),*>($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[inline]
        pub(crate) fn $name<$($g: $bound),*>($($arg: $ty),*) {
            #[inline(always)]
            fn body<$($g: $bound),*>($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2<$($g: $bound),*>($($arg: $ty),*) {
                    body($($arg),*)
                }
                if $crate::kernels::has_avx2() {
                    // SAFETY: the features were detected on this machine.
                    #[allow(unsafe_code)]
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(crate) use dispatched;

/// A loop with its data, to be compiled for both instruction sets. `run` must be `#[inline(always)]`.
pub(crate) trait Vectorised {
    fn run(self);
}

dispatched! {
    fn run_vectorised<V: Vectorised>(work: V) {
        work.run();
    }
}

/// A function of one element. `at` must be `#[inline(always)]`, or the loops do not vectorise.
pub(crate) trait Unary<A, O>: Sync {
    fn at(&self, x: A) -> O;
}

/// A function of two elements.
pub(crate) trait Binary<A, O>: Sync {
    fn at(&self, x: A, y: A) -> O;
}

dispatched! {
    fn map_slice<A: Element, O: Element, F: Unary<A, O>>(f: &F, x: &[A], out: &mut [O]) {
        for (o, x) in out.iter_mut().zip(x) {
            *o = f.at(*x);
        }
    }
}
dispatched! {
    fn map_slice_in_place<A: Element, F: Unary<A, A>>(f: &F, x: &mut [A]) {
        for x in x {
            *x = f.at(*x);
        }
    }
}
dispatched! {
    fn zip_in_place<A: Element, F: Binary<A, A>>(f: &F, x: &mut [A], y: &[A]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x = f.at(*x, *y);
        }
    }
}
dispatched! {
    /// One row of two operands with these steps.
    fn zip_row<A: Element, O: Element, F: Binary<A, O>>(f: &F, x: &[A], y: &[A], steps: [usize; 2], out: &mut [O]) {
        let n = out.len();
        match steps {
            [1, 1] => {
                for ((o, x), y) in out.iter_mut().zip(&x[..n]).zip(&y[..n]) {
                    *o = f.at(*x, *y);
                }
            }
            [1, 0] => {
                let y = y[0];
                for (o, x) in out.iter_mut().zip(&x[..n]) {
                    *o = f.at(*x, y);
                }
            }
            [0, 1] => {
                let x = x[0];
                for (o, y) in out.iter_mut().zip(&y[..n]) {
                    *o = f.at(x, *y);
                }
            }
            [s, t] => {
                for (k, o) in out.iter_mut().enumerate() {
                    *o = f.at(x[k * s], y[k * t]);
                }
            }
        }
    }
}

// The drivers below know the loop only as a `dyn` function, so that each is compiled once an element type.

/// Calls `work(start, piece)` for pieces of `out`, in parallel when it is large.
pub(crate) fn for_pieces<O: Element>(out: &mut [O], work: &(dyn Fn(usize, &mut [O]) + Sync)) {
    if out.len() < 2 * GRAIN {
        work(0, out);
    } else {
        out.par_chunks_mut(GRAIN).enumerate().for_each(|(i, o)| work(i * GRAIN, o));
    }
}

/// Fills `out` row by row, in parallel when it is large. `fill(row, starts)` writes one row, or a piece of one.
pub(crate) fn fill_rows<const N: usize, O: Element>(
    rows: &Rows<N>,
    out: &mut [O],
    fill: &(dyn Fn(&mut [O], [usize; N]) + Sync),
) {
    if out.is_empty() {
        return;
    }
    let inner = rows.inner;
    if rows.len() == 1 {
        let first = rows.start();
        for_pieces(out, &|at, o| fill(o, std::array::from_fn(|k| first[k] + at * rows.steps[k])));
        return;
    }
    if out.len() < 2 * GRAIN {
        let mut rest = out;
        rows.visit(0..rows.len(), |_, starts| {
            let (row, tail) = std::mem::take(&mut rest).split_at_mut(inner);
            fill(row, starts);
            rest = tail;
        });
        return;
    }
    let group = (GRAIN / inner).max(1);
    out.par_chunks_mut(group * inner).enumerate().for_each(|(i, chunk)| {
        let first = i * group;
        rows.visit(first..first + chunk.len() / inner, |row, starts| {
            fill(&mut chunk[(row - first) * inner..][..inner], starts);
        });
    });
}

/// Applies `f` to every element.
pub(crate) fn map<A: Element, O: Element, F: Unary<A, O>>(x: &Tensor, f: F) -> Tensor {
    map_with::<A, O>(x, &|x, o| map_slice(&f, x, o))
}

fn map_with<A: Element, O: Element>(x: &Tensor, f: &(dyn Fn(&[A], &mut [O]) + Sync)) -> Tensor {
    let copy: Tensor;
    let source = if x.is_contiguous() {
        x
    } else {
        copy = x.contiguous_value();
        &copy
    };
    let values = source.row_major::<A>();
    let mut out = buffer::<O>(values.len());
    for_pieces(&mut out, &|at, o| f(&values[at..at + o.len()], o));
    Tensor::new(out, x.shape())
}

/// Applies `f` in place when nobody else sees the elements.
pub(crate) fn map_owned<A: Element, F: Unary<A, A>>(mut x: Tensor, f: F) -> Tensor {
    match x.unshared::<A>() {
        Some(values) => for_pieces(values, &|_, x| map_slice_in_place(&f, x)),
        None => return map(&x, f),
    }
    x
}

/// Applies `f` to pairs of elements, after broadcasting.
pub(crate) fn zip<A: Element, O: Element, F: Binary<A, O>>(name: &str, a: &Tensor, b: &Tensor, f: F) -> Tensor {
    zip_with::<A, O>(name, a, b, &|x, y, steps, out| zip_row(&f, x, y, steps, out))
}

type RowOfTwo<'a, A, O> = dyn Fn(&[A], &[A], [usize; 2], &mut [O]) + Sync + 'a;

fn zip_with<A: Element, O: Element>(name: &str, a: &Tensor, b: &Tensor, f: &RowOfTwo<'_, A, O>) -> Tensor {
    same_type(name, a, b);
    if a.shape() == b.shape() && a.is_contiguous() && b.is_contiguous() {
        let (x, y) = (a.row_major::<A>(), b.row_major::<A>());
        let mut out = buffer::<O>(x.len());
        for_pieces(&mut out, &|at, o| f(&x[at..], &y[at..], [1, 1], o));
        return Tensor::new(out, a.shape());
    }
    let shape = broadcast_shape(name, a.shape(), b.shape());
    let mut out = buffer::<O>(crate::layout::count(&shape));
    let (x, y) = (a.raw::<A>(), b.raw::<A>());
    let strides = [a.layout.broadcast_strides(&shape), b.layout.broadcast_strides(&shape)];
    let rows = Rows::new(&shape, strides, [a.layout.offset, b.layout.offset]);
    fill_rows(&rows, &mut out, &|o, [i, j]| f(&x[i..], &y[j..], rows.steps, o));
    Tensor::new(out, &shape)
}

/// Like [`zip`], writing over `a` when nobody else sees its elements and the shapes agree.
pub(crate) fn zip_owned<A: Element, F: Binary<A, A>>(name: &str, mut a: Tensor, b: &Tensor, f: F) -> Tensor {
    same_type(name, &a, b);
    if a.shape() != b.shape() || !b.is_contiguous() {
        return zip(name, &a, b, f);
    }
    let y = b.row_major::<A>();
    match a.unshared::<A>() {
        Some(x) => for_pieces(x, &|at, x| zip_in_place(&f, x, &y[at..])),
        None => return zip(name, &a, b, f),
    }
    a
}

/// Nothing promotes in silence.
#[inline]
pub(crate) fn same_type(name: &str, a: &Tensor, b: &Tensor) {
    assert!(a.dtype() == b.dtype(), "`{name}`: types {} and {} differ; cast one of them", a.dtype(), b.dtype());
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    /// In a process of its own, since the choice is made once.
    #[test]
    fn the_code_for_plain_machines_can_be_asked_for() {
        if std::env::var_os("ELBO_PLAIN").is_some() {
            assert!(!has_avx2());
            return;
        }
        let name = "kernels::tests::the_code_for_plain_machines_can_be_asked_for";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args([name, "--exact"]).env("ELBO_PLAIN", "1").output().unwrap();
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    }
}
