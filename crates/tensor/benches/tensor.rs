//! The engine's speed. `cargo bench -p elbo-tensor --bench tensor`.

#![allow(missing_docs)] // the benchmark macros make items without documentation

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor, grad, no_grad};

fn random(shape: &[usize], seed: u64, dtype: DType) -> Tensor {
    Tensor::from_vec(Rng::new(seed).normals(shape.iter().product()), shape).cast(dtype)
}

/// Forward and backward of x = tanh(x w + b), a thousand times on 16 x 16.
fn tiny_ops(c: &mut Criterion) {
    let mut group = c.benchmark_group("tensor/tiny-ops");
    group.sample_size(20);
    for dtype in [DType::F32, DType::F64] {
        let (w, b) = (random(&[16, 16], 1, dtype) * 0.2, Tensor::zeros(&[16, 16], dtype).contiguous());
        group.bench_function(BenchmarkId::new(dtype.to_string(), 1000), |bench| {
            bench.iter(|| {
                let (w, b) = (w.clone().variable(), b.clone().variable());
                let mut x = Tensor::ones(&[16, 16], dtype);
                for _ in 0..1000 {
                    x = (x.matmul(&w) + &b).tanh();
                }
                black_box(grad(&x.sum(), &[&w, &b]))
            });
        });
    }
}

fn elementwise(c: &mut Criterion) {
    let mut group = c.benchmark_group("tensor/elementwise");
    for n in [1_000, 1_000_000] {
        group.throughput(Throughput::Elements(n as u64));
        for dtype in [DType::F32, DType::F64] {
            let (x, y) = (random(&[n], 1, dtype), random(&[n], 2, dtype));
            let id = |name: &str| BenchmarkId::new(format!("{name}-{dtype}"), n);
            group.bench_function(id("add"), |b| b.iter(|| black_box(&x + &y)));
            group.bench_function(id("exp"), |b| b.iter(|| black_box(x.exp())));
            group.bench_function(id("log"), |b| b.iter(|| black_box(y.log())));
            group.bench_function(id("tanh"), |b| b.iter(|| black_box(x.tanh())));
            group.bench_function(id("softplus"), |b| b.iter(|| black_box(x.softplus())));
        }
    }
}

fn reductions(c: &mut Criterion) {
    let mut group = c.benchmark_group("tensor/reduce");
    let x = random(&[1000, 1000], 1, DType::F64);
    group.throughput(Throughput::Elements(1_000_000));
    group.bench_function("sum/1000000", |b| b.iter(|| black_box(x.sum())));
    group.bench_function("sum-rows/1000000", |b| b.iter(|| black_box(x.sum_axis(1, false))));
    group.bench_function("sum-columns/1000000", |b| b.iter(|| black_box(x.sum_axis(0, false))));
    group.bench_function("log-softmax/1000000", |b| b.iter(|| black_box(no_grad(|| x.log_softmax(1)))));
}

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("tensor/matmul");
    for n in [16, 32, 64, 128, 512] {
        for dtype in [DType::F32, DType::F64] {
            let (x, y) = (random(&[n, n], 1, dtype), random(&[n, n], 2, dtype));
            group.throughput(Throughput::Elements((n * n * n) as u64));
            group.bench_function(BenchmarkId::new(dtype.to_string(), n), |b| b.iter(|| black_box(x.matmul(&y))));
        }
    }
}

criterion_group!(benches, tiny_ops, elementwise, reductions, products);
criterion_main!(benches);
