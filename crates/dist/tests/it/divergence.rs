use super::assert_close;
use elbo_core::Rng;
use elbo_dist::{Distribution, Gamma, InverseGamma, MultivariateNormal, Normal, divergence, tanh_sinh};

/// The integral of `q log(q/p)` over the quantiles of q.
fn by_quantiles(q: &dyn Distribution, p: &dyn Distribution) -> f64 {
    let integrand = |u: f64| {
        let x = q.quantile(u);
        q.log_prob(x) - p.log_prob(x)
    };
    tanh_sinh(integrand, 0.0, 1.0, 1e-12)
}

#[test]
fn closed_forms_agree_with_integrals() {
    let (q, p) = (Normal { mean: 0.3, sd: 0.8 }, Normal { mean: -0.5, sd: 1.7 });
    assert_close("normal", divergence::normal(&q, &p), by_quantiles(&q, &p), 1e-9);
    let (q, p) = (Gamma { shape: 3.2, rate: 1.1 }, Gamma { shape: 2.0, rate: 0.6 });
    assert_close("gamma", divergence::gamma(&q, &p), by_quantiles(&q, &p), 1e-9);
    let (q, p) = (InverseGamma { shape: 4.2, scale: 1.1 }, InverseGamma { shape: 2.0, scale: 0.6 });
    assert_close("inverse gamma", divergence::inverse_gamma(&q, &p), by_quantiles(&q, &p), 1e-8);
}

fn example(seed: u64) -> MultivariateNormal {
    let mut rng = Rng::new(seed);
    let d = 4;
    let entry = |ij: usize| match (ij / d).cmp(&(ij % d)) {
        std::cmp::Ordering::Less => 0.0,
        std::cmp::Ordering::Equal => 0.5 + rng.uniform(),
        std::cmp::Ordering::Greater => rng.normal(),
    };
    let chol = (0..d * d).map(entry).collect();
    MultivariateNormal::new((0..d).map(|_| rng.normal()).collect(), chol)
}

#[test]
fn dense_divergences_agree_with_sampling_and_with_their_special_cases() {
    let (q, p) = (example(1), example(2));
    let mut rng = Rng::new(3);
    let n = 20_000;
    let terms: Vec<f64> = (0..n)
        .map(|_| {
            let x = q.sample(&mut rng);
            q.log_prob(&x) - p.log_prob(&x)
        })
        .collect();
    let mean = terms.iter().sum::<f64>() / f64::from(n);
    let sd = (terms.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / f64::from(n)).sqrt();
    // Four standard errors.
    assert!((divergence::dense(&q, &p) - mean).abs() < 4.0 * sd / f64::from(n).sqrt());
    assert!(divergence::dense(&q, &q).abs() < 1e-13);
    let identity: Vec<f64> = (0..16).map(|ij| f64::from(u8::from(ij / 4 == ij % 4))).collect();
    let standard = MultivariateNormal::new(vec![0.0; 4], identity);
    assert_close("whitened", divergence::whitened(&q), divergence::dense(&q, &standard), 1e-13);
    let diagonal =
        |sds: [f64; 2], mean: [f64; 2]| MultivariateNormal::new(mean.to_vec(), vec![sds[0], 0.0, 0.0, sds[1]]);
    let dense = divergence::dense(&diagonal([0.5, 2.0], [1.0, 0.0]), &diagonal([1.5, 0.3], [0.2, 0.4]));
    let split = divergence::diagonal(&[1.0, 0.0], &[0.25, 4.0], &[0.2, 0.4], &[2.25, 0.09]);
    assert_close("diagonal", split, dense, 1e-13);
}

#[test]
fn the_dense_density_is_that_of_its_factors() {
    // With a diagonal factor the density is a product.
    let normal = MultivariateNormal::new(vec![1.0, -2.0], vec![0.5, 0.0, 0.0, 3.0]);
    let product = Normal { mean: 1.0, sd: 0.5 }.log_prob(0.7) + Normal { mean: -2.0, sd: 3.0 }.log_prob(1.1);
    assert_close("density", normal.log_prob(&[0.7, 1.1]), product, 1e-14);
    let dense = example(5);
    let mut rng = Rng::new(8);
    let n = 40_000;
    let draws: Vec<Vec<f64>> = (0..n).map(|_| dense.sample(&mut rng)).collect();
    let covariance = dense.covariance();
    for i in 0..4 {
        for j in 0..4 {
            let sum: f64 = draws.iter().map(|x| (x[i] - dense.mean()[i]) * (x[j] - dense.mean()[j])).sum();
            let (c, scale) = (covariance[i * 4 + j], (covariance[i * 5] * covariance[j * 5]).sqrt());
            // The standard error is at most scale * sqrt(2 / n).
            assert!((sum / f64::from(n) - c).abs() < 5.0 * scale * (2.0 / f64::from(n)).sqrt(), "({i}, {j})");
        }
    }
}

#[test]
fn a_covariance_gives_back_its_factor_and_a_bad_one_is_refused() {
    let dense = example(6);
    let (again, jitter) = MultivariateNormal::from_covariance(dense.mean().to_vec(), dense.covariance()).unwrap();
    assert_eq!(jitter.relative, 0.0);
    for (a, b) in again.chol().iter().zip(dense.chol()) {
        assert_close("factor", *a, *b, 1e-12);
    }
    assert!(MultivariateNormal::from_covariance(vec![0.0; 2], vec![1.0, 2.0, 2.0, 1.0]).is_err());
}
