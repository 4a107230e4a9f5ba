//! Matrices to test with.

use elbo_core::Rng;
use elbo_linalg::{MatMut, MatRef, Real, gemm};

/// `rows * columns` standard normals.
pub fn normals<T: Real>(rows: usize, columns: usize, seed: u64) -> Vec<T> {
    Rng::new(seed).normals(rows * columns).into_iter().map(T::from_f64).collect()
}

/// A well-conditioned positive definite matrix, both triangles.
pub fn covariance<T: Real>(n: usize, seed: u64) -> Vec<T> {
    let a = normals::<T>(n, n, seed);
    let a = MatRef::row_major(&a, n, n);
    let mut c = naive(a, a.transpose());
    for (i, value) in c.iter_mut().enumerate() {
        *value = *value / T::from_f64(n as f64) + if i / n == i % n { T::ONE } else { T::ZERO };
    }
    c
}

/// The product by three loops.
pub fn naive<T: Real>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Vec<T> {
    let mut out = vec![];
    for i in 0..a.rows() {
        for j in 0..b.columns() {
            let sum: f64 = (0..a.columns()).map(|k| a.get(i, k).to_f64() * b.get(k, j).to_f64()).sum();
            out.push(T::from_f64(sum));
        }
    }
    out
}

/// The product by the library.
pub fn product<T: Real>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Vec<T> {
    let mut out = vec![T::ZERO; a.rows() * b.columns()];
    gemm(MatMut::row_major(&mut out, a.rows(), b.columns()), T::ONE, a, b, T::ZERO);
    out
}

/// The identity.
pub fn identity<T: Real>(n: usize) -> Vec<T> {
    (0..n * n).map(|i| if i / n == i % n { T::ONE } else { T::ZERO }).collect()
}

/// Agreement relative to the largest entry. `roundings` multiplies the type's precision and covers the length of the sums.
#[track_caller]
pub fn assert_close<T: Real>(found: &[T], expected: &[T], roundings: f64) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1.0f64, |m, v| m.max(v.abs().to_f64()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let error = (*f - *e).abs().to_f64();
        assert!(error <= roundings * T::EPSILON.to_f64() * scale, "entry {i}: {f} instead of {e}");
    }
}
