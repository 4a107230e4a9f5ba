//! Speed of the dense operations, in multiply-adds per second.

#![allow(missing_docs)] // the benchmark macros make items without documentation

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use elbo_core::Rng;
use elbo_linalg::{Diagonal, Ladder, MatMut, MatRef, Side, Triangle, cholesky_in_place, gemm, potri, syevd, trsm};

fn matrix(n: usize, seed: u64) -> Vec<f64> {
    Rng::new(seed).normals(n * n)
}

fn covariance(n: usize) -> Vec<f64> {
    let a = matrix(n, 7);
    let a = MatRef::row_major(&a, n, n);
    let mut k: Vec<f64> = (0..n * n).map(|x| if x / n == x % n { 1.0 } else { 0.0 }).collect();
    gemm(MatMut::row_major(&mut k, n, n), 1.0 / n as f64, a, a.transpose(), 1.0);
    k
}

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("linalg/gemm");
    for n in [16, 64, 256, 1024, 2000] {
        let (a, b) = (matrix(n, 1), matrix(n, 2));
        let mut out = vec![0.0; n * n];
        group.throughput(Throughput::Elements((n * n * n) as u64));
        group.bench_with_input(BenchmarkId::new("elbo", n), &n, |bench, &n| {
            bench.iter(|| {
                let (a, b) = (MatRef::row_major(&a, n, n), MatRef::row_major(&b, n, n));
                gemm(MatMut::row_major(&mut out, n, n), 1.0, a, b, 0.0);
            });
        });
    }
}

fn factors(c: &mut Criterion) {
    for n in [64, 256, 500, 1024, 2000] {
        let k = covariance(n);
        let mut l = k.clone();
        let cube = (n * n * n) as u64;
        let mut group = c.benchmark_group("linalg/cholesky");
        group.throughput(Throughput::Elements(cube / 6));
        group.bench_function(BenchmarkId::new("elbo", n), |bench| {
            bench.iter(|| {
                l.copy_from_slice(&k);
                cholesky_in_place(&mut l, n, Ladder::standard::<f64>(), false).expect("the matrix is positive definite")
            });
        });
        group.finish();
        let factor = MatRef::row_major(&l, n, n);
        let mut group = c.benchmark_group("linalg/trsm");
        group.throughput(Throughput::Elements(cube / 2));
        let (b, mut x) = (matrix(n, 3), matrix(n, 3));
        group.bench_function(BenchmarkId::new("elbo", n), |bench| {
            bench.iter(|| {
                x.copy_from_slice(&b);
                trsm(Side::Left, Triangle::Lower, Diagonal::Stored, factor, MatMut::row_major(&mut x, n, n));
            });
        });
        group.finish();
        let mut group = c.benchmark_group("linalg/inverse");
        group.throughput(Throughput::Elements(cube / 3));
        group.bench_function(BenchmarkId::new("elbo", n), |bench| {
            bench.iter(|| potri(MatMut::row_major(&mut x, n, n), factor));
        });
    }
}

fn eigenvalues(c: &mut Criterion) {
    let mut group = c.benchmark_group("linalg/eigenvalues");
    group.sample_size(10);
    for n in [64, 256, 1000] {
        let k = covariance(n);
        group.bench_function(BenchmarkId::new("elbo", n), |bench| {
            bench.iter(|| syevd(MatRef::row_major(&k, n, n)).expect("a covariance has eigenvalues"));
        });
    }
}

criterion_group!(benches, products, factors, eigenvalues);
criterion_main!(benches);
