//! Laws that every distribution of one number obeys.

use super::{assert_close, slope};
use elbo_core::Rng;
use elbo_dist::*;

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
        Box::new(Laplace { location: 0.4, scale: 1.3 }),
        Box::new(NormalScaleMixture { weights: vec![0.7, 0.3], sds: vec![0.5, 2.0] }),
        Box::new(GeneralisedNormal { mean: 0.4, scale: 1.3, exponent: 1.4 }),
        Box::new(GeneralisedNormal { mean: -1.0, scale: 0.7, exponent: 4.0 }),
        Box::new(VonMises { direction: 0.4, concentration: 1.3 }),
        Box::new(VonMises { direction: -2.0, concentration: 60.0 }),
        Box::new(HalfNormal { sd: 1.3 }),
        Box::new(Exponential { rate: 0.7 }),
        Box::new(Weibull { shape: 1.7, scale: 0.6 }),
        Box::new(Weibull { shape: 0.8, scale: 2.0 }),
        Box::new(Gumbel { location: 0.4, scale: 1.3 }),
        Box::new(Logistic { location: 0.4, scale: 1.3 }),
        Box::new(Kumaraswamy { a: 2.3, b: 1.4 }),
        Box::new(Kumaraswamy { a: 0.7, b: 3.0 }),
        Box::new(InverseGaussian { mean: 1.3, shape: 2.1 }),
        Box::new(Pareto { scale: 0.7, shape: 6.5 }),
    ]
}

/// Distributions without moments.
fn heavy() -> Vec<Box<dyn Distribution>> {
    vec![Box::new(HalfCauchy { scale: 1.3 }), Box::new(Pareto { scale: 0.7, shape: 0.9 })]
}

fn counts() -> Vec<Box<dyn Distribution>> {
    vec![
        Box::new(Poisson { mean: 0.4 }),
        Box::new(Poisson { mean: 65.0 }),
        Box::new(NegativeBinomial { mean: 3.0, dispersion: 0.8 }),
        Box::new(NegativeBinomial { mean: 40.0, dispersion: 12.0 }),
        Box::new(Bernoulli { probability: 0.3 }),
        Box::new(Binomial { trials: 12.0, probability: 0.35 }),
        Box::new(Geometric { probability: 0.2 }),
        Box::new(ZeroInflated { zero: 0.3, base: Poisson { mean: 4.0 } }),
        Box::new(Hurdle { zero: 0.3, base: Poisson { mean: 4.0 } }),
        Box::new(Hurdle { zero: 0.3, base: NegativeBinomial { mean: 0.2, dispersion: 0.8 } }),
        Box::new(Categorical { probabilities: vec![0.2, 0.5, 0.0, 0.3] }),
    ]
}

#[test]
fn nothing_is_left_at_infinity() {
    for d in continuous().into_iter().chain(heavy()).chain(counts()) {
        for end in [f64::NEG_INFINITY, f64::INFINITY] {
            assert_eq!(d.log_prob(end), f64::NEG_INFINITY, "{d:?}");
            assert_eq!(d.cdf(end), f64::from(end > 0.0), "{d:?}");
        }
    }
}

#[test]
fn the_density_is_the_derivative_of_the_distribution_function() {
    for d in continuous().into_iter().chain(heavy()) {
        // No centre: a density may have a kink there.
        for p in [0.05, 0.3, 0.55, 0.9] {
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
    for d in continuous().into_iter().chain(heavy()) {
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

#[test]
fn entropies_agree_with_integrals_and_sums() {
    for d in continuous().into_iter().chain(heavy()) {
        let Some(entropy) = d.entropy() else { continue };
        let integral = tanh_sinh(|p| -d.log_prob(d.quantile(p)), 0.0, 1.0, 1e-11);
        // A kink at the centre costs the rule some digits.
        assert_close(&format!("entropy of {d:?}"), entropy, integral, 2e-6);
    }
    for d in counts() {
        let Some(entropy) = d.entropy() else { continue };
        let term = |k: u32| {
            let log_p = d.log_prob(f64::from(k));
            if log_p == f64::NEG_INFINITY { 0.0 } else { -log_p.exp() * log_p }
        };
        assert_close(&format!("entropy of {d:?}"), entropy, (0..2000).map(term).sum(), 1e-11);
    }
    assert!(continuous().iter().filter(|d| d.entropy().is_some()).count() > 20);
}

#[test]
fn special_cases_are_the_distributions_they_contain() {
    for x in [-1.3, 0.2, 2.0] {
        let general = |exponent: f64, scale: f64| GeneralisedNormal { mean: 0.4, scale, exponent }.log_prob(x);
        assert_close("laplace", general(1.0, 1.3), Laplace { location: 0.4, scale: 1.3 }.log_prob(x), 1e-14);
        assert_close("normal", general(2.0, 2f64.sqrt() * 1.3), Normal { mean: 0.4, sd: 1.3 }.log_prob(x), 1e-14);
    }
    let uniform = VonMises { direction: 0.0, concentration: 0.0 };
    assert_close("flat circle", uniform.cdf(1.0), 0.5 + 1.0 / std::f64::consts::TAU, 1e-15);
}
