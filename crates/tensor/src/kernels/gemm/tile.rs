//! The innermost loop: one tile of C in registers.

#![allow(unsafe_code)]

use super::ROWS;
use crate::dtype::Real;
use crate::kernels::has_avx2;

/// A number type with a tile.
pub(crate) trait Tiled: Real {
    /// Columns of a tile: two vector registers.
    const WIDTH: usize;

    /// `C = bias + A B` or `C += A B` of one tile: `a: [k][ROWS]`, `b: [k][WIDTH]`, rows of C `row` apart.
    ///
    /// # Safety
    /// `c` points to `ROWS` rows of `WIDTH` elements, `row` elements apart, that may be read and written and that nobody else touches.
    unsafe fn tile(k: usize, a: &[Self], b: &[Self], c: *mut Self, row: usize, adds: bool, bias: &[Self; ROWS]);
}

/// For machines without AVX2.
///
/// # Safety
/// As [`Tiled::tile`], with rows of `W` elements.
unsafe fn plain<T: Real, const W: usize>(
    k: usize,
    a: &[T],
    b: &[T],
    c: *mut T,
    row: usize,
    adds: bool,
    bias: &[T; ROWS],
) {
    for i in 0..ROWS {
        let mut sums = [bias[i]; W];
        for p in 0..k {
            let (x, b) = (a[p * ROWS + i], &b[p * W..(p + 1) * W]);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += x * *b;
            }
        }
        for (j, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                let to = c.add(i * row + j);
                *to = if adds { *to + sum } else { sum };
            }
        }
    }
}

macro_rules! tiled {
    ($t:ident, $width:literal, $half:literal, $load:ident, $store:ident, $set:ident, $fma:ident, $add:ident) => {
        impl Tiled for $t {
            const WIDTH: usize = $width;

            #[inline]
            unsafe fn tile(
                k: usize,
                a: &[Self],
                b: &[Self],
                c: *mut Self,
                row: usize,
                adds: bool,
                bias: &[Self; ROWS],
            ) {
                assert!(a.len() >= k * ROWS && b.len() >= k * $width, "panels are shorter than the depth");
                #[cfg(target_arch = "x86_64")]
                {
                    use std::arch::x86_64::{$add, $fma, $load, $set, $store};

                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn wide(
                        k: usize,
                        a: *const $t,
                        b: *const $t,
                        c: *mut $t,
                        row: usize,
                        adds: bool,
                        bias: &[$t; ROWS],
                    ) {
                        // SAFETY: `tile` asserted that the panels hold `k` times `ROWS` and `WIDTH` elements; C is the caller's promise.
                        unsafe {
                            let mut sums = [[$set(0.0); 2]; ROWS];
                            for i in 0..ROWS {
                                sums[i] = [$set(bias[i]); 2];
                            }
                            let (mut a, mut b) = (a, b);
                            for _ in 0..k {
                                let right = [$load(b), $load(b.add($half))];
                                for i in 0..ROWS {
                                    let left = $set(*a.add(i));
                                    sums[i][0] = $fma(left, right[0], sums[i][0]);
                                    sums[i][1] = $fma(left, right[1], sums[i][1]);
                                }
                                a = a.add(ROWS);
                                b = b.add($width);
                            }
                            for i in 0..ROWS {
                                let to = c.add(i * row);
                                if adds {
                                    $store(to, $add($load(to), sums[i][0]));
                                    $store(to.add($half), $add($load(to.add($half)), sums[i][1]));
                                } else {
                                    $store(to, sums[i][0]);
                                    $store(to.add($half), sums[i][1]);
                                }
                            }
                        }
                    }
                    if has_avx2() {
                        // SAFETY: the features were detected on this machine.
                        return unsafe { wide(k, a.as_ptr(), b.as_ptr(), c, row, adds, bias) };
                    }
                }
                // SAFETY: the caller's promise.
                unsafe { plain::<$t, $width>(k, a, b, c, row, adds, bias) }
            }
        }
    };
}

tiled!(f32, 16, 8, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps);
tiled!(f64, 8, 4, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_add_pd);
