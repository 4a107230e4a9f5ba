//! Tests of `elbo-dist`.

mod amortised;
mod batched;
mod bijectors;
mod calibration;
mod clusters;
mod divergence;
mod gaussian_mixture;
mod kmeans;
mod marginals;
mod prior;
mod quadrature;
mod ranking;
mod reparameterised;
mod scores;
mod sobol;
mod two_forms;
mod univariate;

/// Central difference.
fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let h = 1e-5 * x.abs().max(0.1);
    (f(x + h) - f(x - h)) / (2.0 * h)
}

fn assert_close(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance * expected.abs().max(1.0), "{what}: {value}, expected {expected}");
}
