//! The same bits for 1, 2 and 8 threads, and no deadlock when parallel work is nested.

use crate::support::*;
use elbo_linalg::{
    Diagonal, Ladder, Lu, MatMut, MatRef, Shape, Side, Triangle, cholesky_with_jitter, gemm, gemm_batched,
    gemm_structured, qr, svd, syevd, trsm, vector,
};
use rayon::prelude::*;

fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

/// Everything that could depend on the number of threads, for an awkward size.
fn results(n: usize) -> Vec<(&'static str, Vec<f64>)> {
    let (a, b, k) = (normals::<f64>(n, n, 51), normals::<f64>(n, n, 52), covariance::<f64>(n, 53));
    let (va, vb, vk) = (MatRef::row_major(&a, n, n), MatRef::row_major(&b, n, n), MatRef::row_major(&k, n, n));
    let mut out = vec![("gemm", product(va, vb)), ("gemm transposed", product(va.transpose(), vb.transpose()))];
    let mut c = b.clone();
    let target = (Shape::Lower, MatMut::row_major(&mut c, n, n));
    gemm_structured(target, 1.0, (Shape::Upper, va.transpose()), (Shape::Full, vb), 1.0);
    out.push(("triangular product", c));
    out.push(("matrix-vector", product(va, MatRef::column(&b[..n]))));
    out.push(("vector-matrix", product(MatRef::row_major(&b[..n], 1, n), va)));
    let cholesky = cholesky_with_jitter(vk, Ladder::standard::<f64>()).unwrap();
    for columns in [1, 2, n] {
        let mut x = b[..n * columns].to_vec();
        cholesky.solve(MatMut::row_major(&mut x, n, columns));
        out.push(("solve", x));
    }
    let mut x = b.clone();
    trsm(Side::Right, Triangle::Lower, Diagonal::Stored, cholesky.factor(), MatMut::row_major(&mut x, n, n));
    out.push(("solve from the right", x));
    out.push(("inverse", cholesky.inverse()));
    out.push(("cholesky", cholesky.into_factor()));
    let eigen = syevd(vk).unwrap();
    out.extend([("eigenvalues", eigen.values), ("eigenvectors", eigen.vectors)]);
    let found = svd(va).unwrap();
    out.extend([("singular values", found.s), ("left vectors", found.u), ("right vectors", found.v)]);
    let found = qr(va);
    out.extend([("q", found.q), ("r", found.r)]);
    let mut x = b.clone();
    Lu::new(va).unwrap().solve(MatMut::row_major(&mut x, n, n));
    out.push(("lu", x));
    out.push(("dot", vec![vector::dot(&a, &b), vector::sum(&a)]));
    out
}

#[test]
fn results_have_the_same_bits_for_1_2_and_8_threads() {
    for n in [129, 300] {
        let one = with_threads(1, || results(n));
        for threads in [2, 8] {
            for ((name, expected), (_, found)) in one.iter().zip(with_threads(threads, || results(n))) {
                let same = expected.iter().zip(&found).all(|(e, f)| e.to_bits() == f.to_bits());
                assert!(same, "{name} of size {n} differs with {threads} threads");
            }
        }
    }
}

#[test]
fn parallel_products_inside_parallel_tasks_finish_with_the_same_bits() {
    let n = 160;
    let a = normals::<f64>(n, n, 54);
    let view = MatRef::row_major(&a, n, n);
    let expected = product(view, view);
    for threads in [1, 2, 8] {
        with_threads(threads, || {
            (0..24).into_par_iter().for_each(|_| {
                let mut c = vec![0.0; n * n];
                gemm(MatMut::row_major(&mut c, n, n), 1.0, view, view, 0.0);
                assert!(c == expected);
            });
        });
    }
}

#[test]
fn batches_have_the_same_bits_for_1_2_and_8_threads() {
    let a = normals::<f64>(500 * 6, 6, 55);
    let run = || {
        let operand = |i: usize| MatRef::row_major(&a[i * 36..(i + 1) * 36], 6, 6);
        let mut c = vec![0.0; 500 * 36];
        gemm_batched(&mut c, (6, 6), 1.0, operand, |i| operand(i).transpose(), 0.0);
        c
    };
    let one = with_threads(1, run);
    assert!([2, 8].iter().all(|&threads| with_threads(threads, run) == one));
}
