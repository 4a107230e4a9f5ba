//! Speed of the fused operations: the sizes of the project's comparison with other libraries.

#![allow(missing_docs)] // the benchmark macros make items without documentation

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use elbo_core::Rng;
use elbo_tensor::fused::{self, Radial};
use elbo_tensor::{Tensor, grad};

const D: usize = 8;

fn inputs(n: usize) -> Tensor {
    Tensor::from_vec(Rng::new(1).uniforms(n * D).iter().map(|v| 4.0 * v - 2.0).collect(), &[n, D])
}

fn targets(x: &Tensor) -> Tensor {
    x.sin().sum_axis(1, false)
}

fn lengthscales() -> Tensor {
    Tensor::from_vec(vec![1.5; D], &[D]).variable()
}

/// Covariances of `n` points, and the pullback of a gradient through them.
fn gram(c: &mut Criterion) {
    let (scales, variance) = (lengthscales(), Tensor::scalar(1.0).variable());
    for (name, radial) in [("rbf", Radial::Rbf), ("matern52", Radial::Matern52)] {
        for n in [1000, 2000] {
            let x = inputs(n);
            let mut group = c.benchmark_group(format!("tensor/gram-{name}"));
            group.sample_size(20);
            group.bench_function(BenchmarkId::new("value", n), |b| {
                b.iter(|| fused::stationary_gram_symmetric(radial, &x, &scales, &variance, None));
            });
            let k = fused::stationary_gram_symmetric(radial, &x, &scales, &variance, None);
            let weights = k.detach();
            group.bench_function(BenchmarkId::new("pullback", n), |b| {
                b.iter(|| elbo_tensor::vjp(&k, &[&scales, &variance], &weights, false));
            });
        }
    }
}

/// Negative log marginal likelihood and its gradient by all ten hyperparameters.
fn exact(c: &mut Criterion) {
    let mut group = c.benchmark_group("tensor/gp-nll-gradient");
    group.sample_size(10);
    for n in [200, 1000, 2000] {
        let x = inputs(n);
        let y = targets(&x);
        let (scales, variance, noise) =
            (lengthscales(), Tensor::scalar(1.0).variable(), Tensor::scalar(0.1).variable());
        group.bench_function(BenchmarkId::new("one-operation", n), |b| {
            b.iter(|| {
                let value = fused::stationary_log_marginal(Radial::Rbf, &x, &scales, &variance, None, &noise, &y)
                    .expect("the noise keeps the covariance positive definite");
                grad(&value, &[&scales, &variance, &noise])
            });
        });
        group.bench_function(BenchmarkId::new("two-operations", n), |b| {
            b.iter(|| {
                let k = fused::stationary_gram_symmetric(Radial::Rbf, &x, &scales, &variance, None);
                let value = fused::gaussian_log_marginal(&k, &noise, &y)
                    .expect("the noise keeps the covariance positive definite");
                grad(&value, &[&scales, &variance, &noise])
            });
        });
    }
}

/// A step of the sparse variational bound with 500 inducing points: value and gradient by everything.
fn sparse(c: &mut Criterion) {
    let m = 500;
    let mut group = c.benchmark_group("tensor/svgp-step");
    group.sample_size(20);
    for batch in [256, 1024] {
        let x = inputs(m + batch);
        let z = x.narrow(0, 0, m).contiguous().variable();
        let x = x.narrow(0, m, batch).contiguous();
        let y = targets(&x);
        let (scales, variance, noise) =
            (lengthscales(), Tensor::scalar(1.0).variable(), Tensor::scalar(0.1).variable());
        let mean = Tensor::from_vec(Rng::new(2).normals(m), &[m]).variable();
        let chol = (Tensor::eye(m, x.dtype()) + Tensor::from_vec(Rng::new(3).normals(m * m), &[m, m]).tril(0) * 0.01)
            .variable();
        group.bench_function(BenchmarkId::new("elbo", batch), |b| {
            b.iter(|| {
                let kuu = fused::stationary_gram_symmetric(Radial::Rbf, &z, &scales, &variance, None);
                let kuf = fused::stationary_gram(Radial::Rbf, &z, &x, &scales, &variance, None);
                let kff = variance.broadcast_to(&[batch]);
                let (fm, fv) = fused::svgp_marginals(&kuu, &kuf, &kff, &mean, &chol).expect("distinct inducing points");
                let fit = (((&y - fm).square() + fv) / &noise + noise.log()).sum() * (-0.5 * 10_000.0 / batch as f64);
                let bound = fit - fused::whitened_kl(&mean, &chol);
                grad(&bound, &[&scales, &variance, &noise, &z, &mean, &chol])
            });
        });
    }
}

criterion_group!(benches, gram, exact, sparse);
criterion_main!(benches);
