//! Laws that every likelihood obeys: derivatives, normalisation, inverses, closed forms against quadrature.

mod closed_forms;
mod derivatives;
mod location;
mod operations;
mod predictive;
mod several;

use elbo_core::Rng;
use elbo_gp::likelihood::*;

/// Constructors, each with targets of its support.
fn every() -> Vec<(Box<dyn Likelihood>, Vec<f64>)> {
    let counts = || vec![0.0, 1.0, 4.0];
    let reals = || vec![-1.3, 0.2, 2.5];
    let positive = || vec![0.1, 0.9, 3.0];
    vec![
        (Box::new(Gaussian::new(0.3)), reals()),
        (Box::new(KnownNoise::new(&[0.2, 0.4]).unwrap()), reals()),
        (Box::new(StudentT::new(4.5, 0.6)), reals()),
        (Box::new(Laplace::new(0.7)), reals()),
        (Box::new(LogGaussian::new(0.3)), positive()),
        (Box::new(Exponential::new()), positive()),
        (Box::new(Gamma::new(2.3)), positive()),
        (Box::new(Weibull::new(1.4)), positive()),
        (Box::new(Beta::new(5.0)), vec![0.05, 0.4, 0.9]),
        (Box::new(Poisson::new(1.7)), counts()),
        (Box::new(NegativeBinomial::new(2.2)), counts()),
        (Box::new(ZeroInflatedPoisson::new(0.3)), counts()),
        (Box::new(Binomial::new(6)), counts()),
        (Box::new(BernoulliProbit::new()), vec![-1.0, 1.0]),
        (Box::new(BernoulliLogit::new()), vec![-1.0, 1.0]),
        (Box::new(Ordinal::new(&[-0.7, 0.2, 1.5], 0.8)), vec![0.0, 1.0, 2.0, 3.0]),
    ]
}

/// Latent marginals to evaluate at.
const MARGINALS: [(f64, f64); 4] = [(0.0, 0.5), (0.8, 0.09), (-0.6, 1.2), (0.3, 1e-12)];

fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let h = 1e-5 * x.abs().max(0.1);
    (f(x + h) - f(x - h)) / (2.0 * h)
}

fn assert_close(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance * expected.abs().max(1.0), "{what}: {value}, expected {expected}");
}

/// Likelihoods whose logarithm is smooth enough in `f` that quadrature has converged.
fn is_smooth(likelihood: &dyn Likelihood) -> bool {
    !matches!(likelihood.name(), "laplace" | "student_t")
}

/// Several latents, each with targets.
fn every_multi() -> Vec<(Box<dyn MultiLikelihood>, Vec<f64>)> {
    let mut rng = Rng::new(5);
    vec![
        (Box::new(Softmax::new(3, 32, &mut rng)), vec![0.0, 2.0]),
        (Box::new(Softmax::bounded(3)), vec![0.0, 1.0]),
        (Box::new(RobustMax::new(3, 1e-3)), vec![0.0, 1.0, 2.0]),
        (Box::new(Heteroscedastic), vec![-0.4, 1.2]),
        (Box::new(Single(Box::new(StudentT::new(4.0, 0.5)))), vec![0.7]),
    ]
}
