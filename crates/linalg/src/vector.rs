//! Sums in a fixed order: the same bits for any number of threads.
//!
//! A vector is cut into chunks of [`CHUNK`] values. Each chunk is summed in lanes, in one order; the chunks' sums are added
//! in order. Threads only take whole chunks.

use crate::real::Real;
use rayon::prelude::*;

/// Values summed by one thread in one piece.
pub const CHUNK: usize = 8192;

/// Sum of the products of two vectors of the same length.
pub fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    T::dot(x, y)
}

/// Adds `alpha` times `x` to `y`, which has the same length.
pub fn axpy<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    T::axpy(alpha, x, y);
}

/// Sum of a vector, by chunks whose sums are accumulated in double precision.
pub fn sum<T: Real>(x: &[T]) -> f64 {
    let chunk = |chunk: &[T]| {
        let mut lanes = [0.0f64; 8];
        let blocks = chunk.chunks_exact(8);
        let rest = blocks.remainder();
        for block in blocks {
            for (lane, value) in lanes.iter_mut().zip(block) {
                *lane += value.to_f64();
            }
        }
        combine(&lanes) + rest.iter().map(|v| v.to_f64()).sum::<f64>()
    };
    sum_chunks(x.len(), |range| chunk(&x[range]))
}

/// Sum of `f` over consecutive ranges that cover `0..n`, each at most [`CHUNK`] long. Ranges run in parallel; their values are
/// added in order.
pub fn sum_chunks(n: usize, f: impl Fn(std::ops::Range<usize>) -> f64 + Sync) -> f64 {
    let range = |i: usize| i * CHUNK..n.min((i + 1) * CHUNK);
    let chunks = n.div_ceil(CHUNK);
    if chunks <= 4 {
        return (0..chunks).map(|i| f(range(i))).sum();
    }
    let parts: Vec<f64> = (0..chunks).into_par_iter().map(|i| f(range(i))).collect();
    parts.iter().sum()
}

/// Euclidean length.
pub fn norm<T: Real>(x: &[T]) -> f64 {
    T::dot(x, x).to_f64().sqrt()
}

fn combine(lanes: &[f64; 8]) -> f64 {
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}

macro_rules! vector {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::CHUNK;
            use rayon::prelude::*;

            crate::multiversion! {
                /// The chunk's sum, in 16 lanes combined in order.
                fn dot_chunk[FMA](x: &[$t], y: &[$t]) -> $t {
                    let mut lanes = [0.0; 16];
                    let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
                    let (x_rest, y_rest) = (xs.remainder(), ys.remainder());
                    for (x, y) in xs.zip(ys) {
                        for i in 0..16 {
                            lanes[i] = if FMA { x[i].mul_add(y[i], lanes[i]) } else { x[i] * y[i] + lanes[i] };
                        }
                    }
                    let mut rest = 0.0;
                    for (x, y) in x_rest.iter().zip(y_rest) {
                        rest += x * y;
                    }
                    lanes.iter().sum::<$t>() + rest
                }

                fn axpy_chunk[FMA](alpha: $t, x: &[$t], y: &mut [$t]) {
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = if FMA { alpha.mul_add(*x, *y) } else { alpha * x + *y };
                    }
                }
            }

            pub(crate) fn dot(x: &[$t], y: &[$t]) -> $t {
                assert_eq!(x.len(), y.len(), "lengths differ in `dot`");
                if x.len() <= 4 * CHUNK {
                    return x.chunks(CHUNK).zip(y.chunks(CHUNK)).map(|(x, y)| dot_chunk(x, y)).sum();
                }
                let parts: Vec<$t> =
                    x.par_chunks(CHUNK).zip(y.par_chunks(CHUNK)).map(|(x, y)| dot_chunk(x, y)).collect();
                parts.iter().sum()
            }

            pub(crate) fn axpy(alpha: $t, x: &[$t], y: &mut [$t]) {
                assert_eq!(x.len(), y.len(), "lengths differ in `axpy`");
                axpy_chunk(alpha, x, y);
            }
        }
    };
}

vector!(f64);
vector!(f32);
