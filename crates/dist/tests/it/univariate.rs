//! Laws that every distribution of one number obeys.

use super::{assert_close, slope};
use elbo_core::Rng;
use elbo_dist::{
    Bernoulli, Beta, Distribution, Gamma, InverseGamma, LogNormal, NegativeBinomial, Normal, Poisson, StudentT, Uniform,
};

fn continuous() -> Vec<Box<dyn Distribution>> {
    vec![
        Box::new(Normal { mean: -1.0, sd: 2.5 }),
        Box::new(StudentT { location: 0.5, scale: 0.7, dof: 5.0 }),
        Box::new(StudentT { location: 0.5, scale: 0.7, dof: 31.5 }),
        Box::new(Gamma { shape: 2.4, rate: 3.0 }),
        Box::new(Gamma { shape: 1.0, rate: 0.2 }),
        Box::new(InverseGamma { shape: 6.5, scale: 2.0 }),
        Box::new(LogNormal { mu: 0.3, sigma: 0.4 }),
        Box::new(Beta { a: 2.0, b: 3.5 }),
        Box::new(Beta { a: 0.6, b: 1.3 }),
        Box::new(Uniform { low: -2.0, high: 0.5 }),
    ]
}

fn counts() -> Vec<Box<dyn Distribution>> {
    vec![
        Box::new(Poisson { mean: 0.4 }),
        Box::new(Poisson { mean: 65.0 }),
        Box::new(NegativeBinomial { mean: 3.0, dispersion: 0.8 }),
        Box::new(NegativeBinomial { mean: 40.0, dispersion: 12.0 }),
        Box::new(Bernoulli { probability: 0.3 }),
    ]
}

#[test]
fn the_density_is_the_derivative_of_the_distribution_function() {
    for d in continuous() {
        for p in [0.05, 0.3, 0.5, 0.9] {
            let x = d.quantile(p);
            assert_close(&format!("{d:?} at {x}"), slope(|x| d.cdf(x), x), d.log_prob(x).exp(), 1e-7);
        }
    }
}

#[test]
fn counts_sum_to_their_distribution_function_and_to_their_moments() {
    for d in counts() {
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        for k in 0..600 {
            let k = f64::from(k);
            let p = d.log_prob(k).exp();
            (sum, first, second) = (sum + p, first + p * k, second + p * k * k);
            assert_close(&format!("{d:?} at {k}"), d.cdf(k), sum, 1e-12);
        }
        assert_close(&format!("mean of {d:?}"), d.mean(), first, 1e-11);
        assert_close(&format!("variance of {d:?}"), d.variance(), second - first * first, 1e-10);
        assert_eq!(d.log_prob(0.5), f64::NEG_INFINITY);
        assert_eq!(d.cdf(-0.1), 0.0);
    }
}

#[test]
fn quantiles_invert_the_distribution_function() {
    for d in continuous() {
        for p in [1e-6, 0.01, 0.2, 0.5, 0.77, 0.999] {
            assert_close(&format!("{d:?}"), d.cdf(d.quantile(p)), p, 1e-11);
        }
    }
    for d in counts() {
        for p in [1e-6, 0.01, 0.2, 0.5, 0.77, 0.999, 1.0 - 1e-9] {
            let k = d.quantile(p);
            assert!(d.cdf(k) >= p && (k == 0.0 || d.cdf(k - 1.0) < p), "{d:?}: {k} for {p}");
        }
    }
}

#[test]
fn draws_have_the_distribution_function_and_the_moments() {
    let mut rng = Rng::new(41);
    let n = 20_000;
    for d in continuous().into_iter().chain(counts()) {
        let draws: Vec<f64> = (0..n).map(|_| d.sample(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        // Five standard errors.
        assert!((mean - d.mean()).abs() < 5.0 * (d.variance() / f64::from(n)).sqrt(), "{d:?}: mean {mean}");
        for p in [0.1, 0.5, 0.9] {
            let x = d.quantile(p);
            let below = draws.iter().filter(|v| **v <= x).count() as f64 / f64::from(n);
            let expected = d.cdf(x);
            assert!(
                (below - expected).abs() < 5.0 * (expected * (1.0 - expected) / f64::from(n)).sqrt() + 1e-12,
                "{d:?}: {below} below {x}"
            );
        }
    }
}

#[test]
fn moments_agree_with_integrals_of_the_quantiles() {
    for d in continuous() {
        let mean = elbo_dist::tanh_sinh(|p| d.quantile(p), 0.0, 1.0, 1e-11);
        assert_close(&format!("mean of {d:?}"), d.mean(), mean, 1e-6);
        let square = elbo_dist::tanh_sinh(|p| (d.quantile(p) - mean).powi(2), 0.0, 1.0, 1e-11);
        assert_close(&format!("variance of {d:?}"), d.variance(), square, 1e-4);
    }
}

#[test]
fn densities_at_the_edge_of_the_support_are_right() {
    assert_close("exponential at 0", Gamma { shape: 1.0, rate: 2.0 }.log_prob(0.0), 2f64.ln(), 1e-15);
    assert_eq!(Beta { a: 1.0, b: 1.0 }.log_prob(1.0), 0.0);
    for d in [
        &Gamma { shape: 2.0, rate: 1.0 } as &dyn Distribution,
        &InverseGamma { shape: 2.0, scale: 1.0 },
        &LogNormal { mu: 0.0, sigma: 1.0 },
    ] {
        assert_eq!(d.log_prob(-1.0), f64::NEG_INFINITY);
        assert_eq!(d.cdf(-1.0), 0.0);
    }
    assert_eq!(StudentT { location: 0.0, scale: 1.0, dof: 1.5 }.variance(), f64::INFINITY);
    // A tiny shape neither hangs nor gives NaN.
    let draw = Beta { a: 1e-3, b: 2e-3 }.sample(&mut Rng::new(1));
    assert!((0.0..=1.0).contains(&draw));
}
