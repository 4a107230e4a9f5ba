//! Shapes of states, known to the compiler or not, and products of the recursions.

use crate::model::Place;
use crate::scalar::Real;

/// Dimensions known to the compiler, or not.
pub(super) trait Shape: Copy {
    fn size(self) -> usize;

    /// Calls `f(at, size, packed)` for each block.
    fn each(self, f: impl FnMut(usize, usize, usize));
}

/// One dense block of known size.
#[derive(Clone, Copy)]
pub(super) struct Fixed<const N: usize>;

impl<const N: usize> Shape for Fixed<N> {
    #[inline(always)]
    fn size(self) -> usize {
        N
    }

    #[inline(always)]
    fn each(self, mut f: impl FnMut(usize, usize, usize)) {
        f(0, N, 0);
    }
}

/// Any blocks.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a>(pub &'a [Place], pub usize);

impl Shape for Blocks<'_> {
    #[inline(always)]
    fn size(self) -> usize {
        self.1
    }

    #[inline(always)]
    fn each(self, mut f: impl FnMut(usize, usize, usize)) {
        for place in self.0 {
            f(place.at, place.size, place.packed);
        }
    }
}

/// Number of outputs, known to be one or not.
pub(super) trait Outputs: Copy {
    const IS_ONE: bool;

    fn count(self) -> usize;
}

#[derive(Clone, Copy)]
pub(super) struct One;

impl Outputs for One {
    const IS_ONE: bool = true;

    #[inline(always)]
    fn count(self) -> usize {
        1
    }
}

#[derive(Clone, Copy)]
pub(super) struct Many(pub usize);

impl Outputs for Many {
    const IS_ONE: bool = false;

    #[inline(always)]
    fn count(self) -> usize {
        self.0
    }
}

/// `m' = A m`, `P' = A P A' + Q`.
#[inline(always)]
pub(super) fn carry<T: Real, S: Shape>(
    shape: S,
    a: &[T],
    q: &[T],
    m: &[T],
    p: &[T],
    mean: &mut [T],
    covariance: &mut [T],
    half: &mut [T],
) {
    let n = shape.size();
    let (mean, covariance, half) = (&mut mean[..n], &mut covariance[..n * n], &mut half[..n * n]);
    left(shape, a, p, half);
    shape.each(|at, size, packed| {
        for i in 0..size {
            let row = &a[packed + i * size..packed + (i + 1) * size];
            let mut sum = T::of(0.0);
            for l in 0..size {
                sum += row[l] * m[at + l];
            }
            mean[at + i] = sum;
            // Column at + i of (A P) A', and its mirror image.
            for r in at + i..n {
                let mut sum = T::of(0.0);
                for l in 0..size {
                    sum += half[r * n + at + l] * row[l];
                }
                if r < at + size {
                    sum += q[packed + (r - at) * size + i];
                }
                covariance[r * n + at + i] = sum;
                covariance[(at + i) * n + r] = sum;
            }
        }
    });
}

/// `out = a b` for `a: [n, k]`, `b: [k, m]`: [`small::product`](crate::small::product) without an allocation.
#[inline(always)]
pub(super) fn times<T: Real>(a: &[T], b: &[T], (n, k, m): (usize, usize, usize), out: &mut [T]) {
    for i in 0..n {
        for o in 0..m {
            let mut sum = T::of(0.0);
            for j in 0..k {
                sum += a[i * k + j] * b[j * m + o];
            }
            out[i * m + o] = sum;
        }
    }
}

/// `out = a b'` for `a: [n, k]`, `b: [m, k]`.
#[inline(always)]
pub(super) fn times_transposed<T: Real>(a: &[T], b: &[T], (n, k, m): (usize, usize, usize), out: &mut [T]) {
    for i in 0..n {
        for o in 0..m {
            let mut sum = T::of(0.0);
            for j in 0..k {
                sum += a[i * k + j] * b[o * k + j];
            }
            out[i * m + o] = sum;
        }
    }
}

/// `out = A p` for block-diagonal `A`, `p: [n, n]`.
#[inline(always)]
pub(super) fn left<T: Real, S: Shape>(shape: S, a: &[T], p: &[T], out: &mut [T]) {
    let n = shape.size();
    shape.each(|at, size, packed| {
        for i in 0..size {
            let target = &mut out[(at + i) * n..(at + i + 1) * n];
            target.fill(T::of(0.0));
            for l in 0..size {
                let weight = a[packed + i * size + l];
                let source = &p[(at + l) * n..(at + l + 1) * n];
                for j in 0..n {
                    target[j] += weight * source[j];
                }
            }
        }
    });
}

/// `out = p A` for block-diagonal `A`, `p: [n, n]`.
#[inline(always)]
pub(super) fn right<T: Real, S: Shape>(shape: S, p: &[T], a: &[T], out: &mut [T]) {
    let n = shape.size();
    shape.each(|at, size, packed| {
        for r in 0..n {
            for j in 0..size {
                let mut sum = T::of(0.0);
                for l in 0..size {
                    sum += p[r * n + at + l] * a[packed + l * size + j];
                }
                out[r * n + at + j] = sum;
            }
        }
    });
}

/// `out = A' v` for block-diagonal `A`.
#[inline(always)]
pub(super) fn left_transposed<T: Real, S: Shape>(shape: S, a: &[T], v: &[T], out: &mut [T]) {
    shape.each(|at, size, packed| {
        for j in 0..size {
            let mut sum = T::of(0.0);
            for l in 0..size {
                sum += a[packed + l * size + j] * v[at + l];
            }
            out[at + j] = sum;
        }
    });
}

/// `out = A' p` for block-diagonal `A`, symmetric result: only the lower triangle is computed, and mirrored.
#[inline(always)]
pub(super) fn close<T: Real, S: Shape>(shape: S, a: &[T], p: &[T], out: &mut [T]) {
    let n = shape.size();
    shape.each(|at, size, packed| {
        for j in 0..size {
            for c in 0..=at + j {
                let mut sum = T::of(0.0);
                for l in 0..size {
                    sum += a[packed + l * size + j] * p[(at + l) * n + c];
                }
                out[(at + j) * n + c] = sum;
                out[c * n + at + j] = sum;
            }
        }
    });
}

/// `out = m + P r`.
#[inline(always)]
pub(super) fn smoothed<T: Real>(n: usize, m: &[T], p: &[T], r: &[T], out: &mut [T]) {
    for i in 0..n {
        let mut sum = m[i];
        for j in 0..n {
            sum += p[i * n + j] * r[j];
        }
        out[i] = sum;
    }
}
