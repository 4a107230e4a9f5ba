//! The Stein kernels: derivatives by finite differences, expectation zero, and both statistics.

use crate::support::independent;
use elbo_core::Rng;
use elbo_infer::LogDensity;
use elbo_infer::diagnostics::{SteinKernel, ksd_squared_u, ksd_squared_v};

fn kernels() -> [SteinKernel; 3] {
    [SteinKernel::default(), SteinKernel::InverseMultiquadric { c: 0.7, b: -0.3 }, SteinKernel::Rbf { h: 0.8 }]
}

fn base(kernel: SteinKernel, x: &[f64], y: &[f64]) -> f64 {
    let square: f64 = x.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum();
    match kernel {
        SteinKernel::InverseMultiquadric { c, b } => (c * c + square).powf(b),
        SteinKernel::Rbf { h } => (-square / (2.0 * h * h)).exp(),
    }
}

fn shift(x: &[f64], i: usize, h: f64) -> Vec<f64> {
    let mut x = x.to_vec();
    x[i] += h;
    x
}

#[test]
fn the_stein_kernel_is_its_definition() {
    let (x, sx, y, sy) = ([0.3, -1.0], [0.5, 0.2], [1.1, 0.4], [-0.7, 0.9]);
    let h = 1e-4;
    for kernel in kernels() {
        let mut expected = base(kernel, &x, &y) * (sx[0] * sy[0] + sx[1] * sy[1]);
        for i in 0..2 {
            let dy = (base(kernel, &x, &shift(&y, i, h)) - base(kernel, &x, &shift(&y, i, -h))) / (2.0 * h);
            let dx = (base(kernel, &shift(&x, i, h), &y) - base(kernel, &shift(&x, i, -h), &y)) / (2.0 * h);
            let both = |a: f64, b: f64| base(kernel, &shift(&x, i, a), &shift(&y, i, b));
            let dxy = (both(h, h) - both(h, -h) - both(-h, h) + both(-h, -h)) / (4.0 * h * h);
            expected += sx[i] * dy + sy[i] * dx + dxy;
        }
        let found = kernel.stein(&x, &sx, &y, &sy);
        // Second differences at h = 1e-4 carry rounding of order 1e-8.
        assert!((found - expected).abs() < 1e-6, "{kernel:?}: {found} vs {expected}");
        assert!((found - kernel.stein(&y, &sy, &x, &sx)).abs() < 1e-14);
    }
}

#[test]
fn the_stein_gradient_is_its_derivative() {
    // A score that is not linear: s(z) = -z^3 with the diagonal Jacobian -3 z^2.
    let score = |z: &[f64]| -> Vec<f64> { z.iter().map(|v| -v.powi(3)).collect() };
    let (x, y) = ([0.3, -1.0], [1.1, 0.4]);
    for kernel in kernels() {
        let (mut found, mut through) = ([0.0; 2], [0.0; 2]);
        kernel.stein_gradient((&x, &score(&x)), (&y, &score(&y)), &mut found, &mut through);
        for i in 0..2 {
            found[i] += -3.0 * y[i] * y[i] * through[i];
        }
        for i in 0..2 {
            let at = |h: f64| {
                let moved = shift(&y, i, h);
                kernel.stein(&x, &score(&x), &moved, &score(&moved))
            };
            let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((found[i] - numeric).abs() < 1e-7, "{kernel:?}: {} vs {numeric}", found[i]);
        }
    }
}

#[test]
fn the_unbiased_statistic_vanishes_for_draws_of_the_target_only() {
    let target = independent(vec![0.0, 0.0], vec![1.0, 1.0]);
    let draw = |seed: u64, shift: f64| {
        let points: Vec<f64> = Rng::new(seed).normals(400).into_iter().map(|x| x + shift).collect();
        let mut scores = vec![0.0; 400];
        for (z, s) in points.chunks_exact(2).zip(scores.chunks_exact_mut(2)) {
            target.value_and_gradient(z, s);
        }
        (points, scores)
    };
    for kernel in kernels() {
        let statistics = |shift: f64| -> Vec<f64> {
            (0..30)
                .map(|seed| {
                    let (p, s) = draw(seed, shift);
                    ksd_squared_u(&p, &s, 2, kernel)
                })
                .collect()
        };
        let (right, wrong) = (statistics(0.0), statistics(0.5));
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        // About their own mean: a bias must not widen the band it has to stay in.
        let spread = (right.iter().map(|v| (v - mean(&right)).powi(2)).sum::<f64>() / 29.0).sqrt();
        // Five standard errors of the mean of thirty.
        assert!(mean(&right).abs() < 5.0 * spread / 30f64.sqrt(), "{kernel:?}: {}", mean(&right));
        assert!(mean(&wrong) > 5.0 * spread, "{kernel:?}: {} against {spread}", mean(&wrong));
        let (p, s) = draw(1, 0.0);
        let diagonal: f64 = (0..200)
            .map(|i| {
                kernel.stein(&p[2 * i..2 * i + 2], &s[2 * i..2 * i + 2], &p[2 * i..2 * i + 2], &s[2 * i..2 * i + 2])
            })
            .sum();
        let v = ksd_squared_v(&p, &s, 2, kernel);
        let u = ksd_squared_u(&p, &s, 2, kernel);
        assert!((v - (u * 199.0 / 200.0 + diagonal / 40_000.0)).abs() < 1e-12, "the two differ by the diagonal alone");
    }
}
