//! Targets with known answers.

use crate::common;
use elbo_infer::diagnostics::mcse_mean;
use elbo_infer::mcmc::Draws;
use elbo_infer::{Explicit, LogDensity};

/// Central differences agree with the gradient, relative to its size.
pub fn assert_gradient(target: &dyn LogDensity, at: &[f64]) {
    let mut exact = vec![0.0; at.len()];
    target.value_and_gradient(at, &mut exact);
    let value = |p: &[f64]| target.value_and_gradient(p, &mut vec![0.0; p.len()]);
    common::assert_close(&common::numeric_gradient(value, at), &exact, 1e-6, "gradient");
}

/// A Gaussian with independent unknowns of these means and deviations.
pub fn independent(mean: Vec<f64>, sd: Vec<f64>) -> impl LogDensity {
    Explicit::new(mean.len(), move |z: &[f64], gradient: &mut [f64]| {
        let mut value = 0.0;
        for i in 0..z.len() {
            let scaled = (z[i] - mean[i]) / sd[i];
            gradient[i] = -scaled / sd[i];
            value -= 0.5 * scaled * scaled;
        }
        value
    })
}

/// A Gaussian of two unknowns with unit variances and this correlation.
pub fn correlated(rho: f64) -> impl LogDensity {
    Explicit::new(2, move |z: &[f64], gradient: &mut [f64]| {
        let scale = 1.0 / (1.0 - rho * rho);
        gradient[0] = -(z[0] - rho * z[1]) * scale;
        gradient[1] = -(z[1] - rho * z[0]) * scale;
        0.5 * (z[0] * gradient[0] + z[1] * gradient[1])
    })
}

/// Log of a Gamma(shape, rate) unknown, Jacobian included; mean of the log is digamma(shape) - ln(rate).
pub fn log_gamma(shape: f64, rate: f64) -> impl LogDensity {
    Explicit::new(1, move |z: &[f64], gradient: &mut [f64]| {
        gradient[0] = shape - rate * z[0].exp();
        shape * z[0] - rate * z[0].exp()
    })
}

/// Estimates from the standard deviation of a mean, `error`, within five of them.
pub fn assert_close(what: &str, found: f64, expected: f64, error: f64) {
    assert!((found - expected).abs() < 5.0 * error, "{what}: {found}, expected {expected} +- {error}");
}

/// Mean and variance of each unknown within five Monte Carlo standard errors.
pub fn assert_moments(what: &str, draws: &Draws, mean: &[f64], variance: &[f64]) {
    for i in 0..draws.dim() {
        let column = draws.column(i);
        let square: Vec<f64> = column.iter().map(|x| (x - mean[i]).powi(2)).collect();
        let average = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        assert_close(&format!("{what}, mean {i}"), average(&column), mean[i], mcse_mean(&column, draws.chains()));
        assert_close(
            &format!("{what}, variance {i}"),
            average(&square),
            variance[i],
            mcse_mean(&square, draws.chains()),
        );
    }
}
