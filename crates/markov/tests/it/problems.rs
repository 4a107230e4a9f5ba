//! Series to test on.

use elbo_core::Rng;
use elbo_markov::{Form, Kernel};

/// Every kernel, alone and composed.
pub fn every_kernel() -> Vec<(&'static str, Kernel)> {
    let mut out: Vec<(&'static str, Kernel)> = [
        "matern12(variance=1.3, lengthscale=0.7)",
        "matern32(variance=1.3, lengthscale=0.7)",
        "matern52(variance=0.8, lengthscale=1.1)",
        "matern72(variance=1.3, lengthscale=0.9)",
        "matern92(variance=1.3, lengthscale=0.9)",
        "matern112(variance=1, lengthscale=1)",
        "matern132(variance=1, lengthscale=1)",
        "squared_exponential(variance=1.3, lengthscale=0.7)",
        "squared_exponential(lengthscale=1.5, order=8) + matern12(lengthscale=0.4)",
        "squared_exponential(lengthscale=2, order=4) * cosine(period=0.9)",
        "constant(variance=2) + matern12(lengthscale=0.4)",
        "linear(variance=0.5) + matern32(lengthscale=0.4)",
        "wiener(variance=0.7)",
        "integrated_wiener(variance=0.7) + constant(variance=0.5)",
        "cosine(variance=0.9, period=1.7)",
        "periodic(variance=1.2, lengthscale=1.1, period=1.3, harmonics=10)",
        "matern32(variance=1.1, lengthscale=2) * periodic(lengthscale=1.2, period=1.1, harmonics=4)",
        "matern52(variance=1.1, lengthscale=2) * cosine(period=0.8)",
        "matern32(variance=0.7, lengthscale=2) * (constant + cosine(period=0.8))",
        "matern12(variance=0.7, lengthscale=2) * matern32(lengthscale=1.5)",
        "matern12(lengthscale=2) * matern12(lengthscale=1.5) * cosine(period=3)",
        "linear(variance=0.3) + matern52(lengthscale=5) + matern32(lengthscale=3) * periodic(period=1, lengthscale=1, harmonics=3) + matern12(variance=0.1, lengthscale=0.3)",
    ]
    .into_iter()
    .map(|text| (text, text.parse().unwrap()))
    .collect();
    out.push(("a single constant", Kernel::term(Form::Constant, &[1.5])));
    out
}

/// Rows at irregular times in random order, some missing, some of equal time.
pub fn series(rows: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let mut times: Vec<f64> = (0..rows).map(|_| rng.range(0.1, 8.0)).collect();
    for i in 0..rows / 10 {
        times[i * 7 % rows] = times[(i * 5 + 1) % rows];
    }
    let y = times.iter().map(|t| (2.0 * t).sin() + 0.1 * t + 0.3 * rng.normal());
    let mut y: Vec<f64> = y.collect();
    (0..rows).filter(|i| i % 10 < 3).for_each(|i| y[(i * 3) % rows] = f64::NAN);
    (times, y)
}

/// Asserts that two vectors agree, relative to one plus their size.
pub fn assert_near(what: &str, a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len(), "{what}: lengths");
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}: entry {i} is {a}, expected {b}");
    }
}
