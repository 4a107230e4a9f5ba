use super::assert_close;
use elbo_core::Rng;
use elbo_dist::*;

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
    let (q, p) = (Beta { a: 3.2, b: 1.1 }, Beta { a: 2.0, b: 1.6 });
    assert_close("beta", divergence::beta(&q, &p), by_quantiles(&q, &p), 1e-9);
    let (q, p) = (Laplace { location: 0.2, scale: 1.1 }, Laplace { location: -0.4, scale: 0.6 });
    assert_close("laplace", divergence::laplace(&q, &p), by_quantiles(&q, &p), 1e-6);
    let general = |scale: f64, exponent: f64| GeneralisedNormal { mean: 0.3, scale, exponent };
    let (q, p) = (general(1.1, 1.7), general(0.8, 2.6));
    assert_close("generalised normal", divergence::generalised_normal(&q, &p), by_quantiles(&q, &p), 1e-8);
    assert!(divergence::generalised_normal(&q, &GeneralisedNormal { mean: 0.0, ..p }).is_nan());
    let (q, p) = (Gumbel { location: 0.2, scale: 1.1 }, Gumbel { location: -0.6, scale: 0.8 });
    assert_close("gumbel", divergence::gumbel(&q, &p), by_quantiles(&q, &p), 1e-8);
    assert_close("gumbel, the other way", divergence::gumbel(&p, &q), by_quantiles(&p, &q), 1e-8);
    assert!(divergence::gumbel(&q, &q).abs() < 1e-14);
    let uniform = |low: f64, high: f64| Uniform { low, high };
    // The densities have one ratio inside the first interval.
    let (q, p) = (uniform(-0.5, 0.8), uniform(-1.0, 2.0));
    assert_close("uniform", divergence::uniform(&q, &p), q.log_prob(0.1) - p.log_prob(0.1), 1e-14);
    assert_eq!((divergence::uniform(&q, &q), divergence::uniform(&p, &q)), (0.0, f64::INFINITY));
    assert_eq!(divergence::uniform(&uniform(-1.0, 2.1), &p), f64::INFINITY);
    let von_mises = |direction: f64, concentration: f64| VonMises { direction, concentration };
    let (q, p) = (von_mises(0.0, 2.0), von_mises(0.6, 0.7));
    // Over the circle of q, on which p repeats.
    let integrand = |x: f64| {
        let log_p = p.log_prob(if x < 0.6 - std::f64::consts::PI { x + std::f64::consts::TAU } else { x });
        q.log_prob(x).exp() * (q.log_prob(x) - log_p)
    };
    let integral = tanh_sinh(integrand, -std::f64::consts::PI, 0.0, 1e-12)
        + tanh_sinh(integrand, 0.0, std::f64::consts::PI, 1e-12);
    assert_close("von mises", divergence::von_mises(&q, &p), integral, 1e-9);
    let by_sum = |q: &dyn Distribution, p: &dyn Distribution| -> f64 {
        (0..200)
            .map(f64::from)
            .map(|k| q.log_prob(k).exp() * (q.log_prob(k) - p.log_prob(k)))
            .filter(|t| t.is_finite())
            .sum()
    };
    let (q, p) = (Poisson { mean: 2.2 }, Poisson { mean: 3.0 });
    assert_close("poisson", divergence::poisson(&q, &p), by_sum(&q, &p), 1e-12);
    let (q, p) = (Bernoulli { probability: 0.3 }, Bernoulli { probability: 0.8 });
    assert_close("bernoulli", divergence::bernoulli(&q, &p), by_sum(&q, &p), 1e-14);
    assert_close("dirichlet", divergence::dirichlet(&[0.5, 2.0], &[1.0, 3.0]), 0.227_411_277_76, 1e-10);
    assert_eq!(divergence::categorical(&[0.5, 0.5], &[1.0, 0.0]), f64::INFINITY);
    // Of two classes the counts are binomial.
    let binomial = |probability: f64| Binomial { trials: 6.0, probability };
    let sum = by_sum(&binomial(0.3), &binomial(0.8));
    assert_close("multinomial", divergence::multinomial(6, &[0.3, 0.7], &[0.8, 0.2]), sum, 1e-12);
    let nothing = divergence::multinomial(0, &[0.5, 0.5], &[1.0, 0.0]);
    assert_eq!((nothing, divergence::multinomial(2, &[0.5, 0.5], &[1.0, 0.0])), (0.0, f64::INFINITY));
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

#[test]
fn renyi_divergences_agree_with_sampling_and_with_their_limit() {
    // Nearly equal covariances, so that the power has a finite variance.
    let q = example(1);
    let p = {
        let chol = q.chol().iter().map(|c| 1.15 * c).collect();
        MultivariateNormal::new(q.mean().iter().map(|m| m + 0.1).collect(), chol)
    };
    let mut rng = Rng::new(9);
    let n = 40_000;
    for order in [0.5, 2.0] {
        let powers: Vec<f64> = (0..n)
            .map(|_| {
                let x = p.sample(&mut rng);
                (order * (q.log_prob(&x) - p.log_prob(&x))).exp()
            })
            .collect();
        let mean = powers.iter().sum::<f64>() / f64::from(n);
        let sd = (powers.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(n)).sqrt();
        let exact = ((order - 1.0) * divergence::renyi(&q, &p, order)).exp();
        assert!((mean - exact).abs() < 4.0 * sd / f64::from(n).sqrt(), "order {order}: {mean}, exact {exact}");
    }
    assert_close("limit", divergence::renyi(&q, &p, 1.0 + 1e-6), divergence::dense(&q, &p), 1e-5);
    let affinity = (-divergence::bhattacharyya(&q, &p)).exp();
    assert_close("hellinger", divergence::hellinger(&q, &p).powi(2), 1.0 - affinity, 1e-12);
    assert_close("chi-squared", divergence::chi_squared(&q, &p), divergence::renyi(&q, &p, 2.0).exp() - 1.0, 1e-12);
    // A wide q has no second moment under a narrow p.
    let narrow = MultivariateNormal::new(vec![0.0], vec![0.5]);
    assert_eq!(divergence::renyi(&MultivariateNormal::new(vec![0.0], vec![1.0]), &narrow, 2.0), f64::INFINITY);
}

#[test]
fn the_optimal_map_carries_one_covariance_to_the_other_at_the_stated_cost() {
    let (q, p) = (example(1), example(2));
    let map = divergence::optimal_map(&q, &p).unwrap();
    let d = 4;
    let product = |a: &[f64], b: &[f64]| -> Vec<f64> {
        (0..d * d).map(|ij| (0..d).map(|k| a[ij / d * d + k] * b[k * d + ij % d]).sum()).collect()
    };
    let carried = product(&product(&map, &q.covariance()), &map);
    for (a, b) in carried.iter().zip(p.covariance()) {
        assert_close("carried covariance", *a, b, 1e-10);
    }
    // The cost is |m_q - m_p|^2 + tr (I - T) S_q (I - T).
    let rest: Vec<f64> = (0..d * d).map(|ij| f64::from(u8::from(ij / d == ij % d)) - map[ij]).collect();
    let moved = product(&product(&rest, &q.covariance()), &rest);
    let means: f64 = q.mean().iter().zip(p.mean()).map(|(a, b)| (a - b).powi(2)).sum();
    let cost = means + (0..d).map(|i| moved[i * d + i]).sum::<f64>();
    assert_close("cost", divergence::wasserstein(&q, &p).unwrap(), cost, 1e-10);
    // Covariances that commute: the distance of the roots.
    let diagonal = |sds: [f64; 2]| MultivariateNormal::new(vec![0.0; 2], vec![sds[0], 0.0, 0.0, sds[1]]);
    let cost = divergence::wasserstein(&diagonal([0.5, 2.0]), &diagonal([1.5, 0.3])).unwrap();
    assert_close("commuting", cost, 1.0 + 1.7 * 1.7, 1e-12);
}

#[test]
fn total_variation_has_its_closed_forms_and_is_half_the_integral_of_the_difference() {
    let normal = |mean: f64, sd: f64| Normal { mean, sd };
    let ndtr = |z: f64| Normal { mean: 0.0, sd: 1.0 }.cdf(z);
    // Of one deviation: 2 Φ(d / 2) - 1. Of one mean: the densities cross at ±t with t² = 2 r² ln r / (r² - 1).
    for d in [0.0, 0.3, 1.0, 7.0] {
        let found = divergence::total_variation(&normal(2.0, 1.5), &normal(2.0 + 1.5 * d, 1.5));
        assert!((found - (2.0 * ndtr(0.5 * d) - 1.0)).abs() < 1e-14, "{d}: {found}");
    }
    for r in [0.2f64, 0.9, 1.1, 2.0, 30.0] {
        let t = (2.0 * r * r * r.ln() / (r * r - 1.0)).sqrt();
        let found = divergence::total_variation(&normal(-1.0, 1.0), &normal(-1.0, r));
        assert!((found - 2.0 * (ndtr(t) - ndtr(t / r)).abs()).abs() < 1e-13, "{r}: {found}");
    }
    for (q, p) in [
        (normal(0.3, 0.8), normal(-0.5, 1.7)),
        (normal(0.0, 1.0), normal(1.2, 0.4)),
        (normal(5.0, 2.0), normal(4.9, 2.1)),
        (normal(0.0, 1.0), normal(9.0, 3.0)),
    ] {
        let found = divergence::total_variation(&q, &p);
        // Trapezia over thirty deviations.
        let step = 1e-3;
        let points = (-40_000..=40_000).map(|i| f64::from(i) * step);
        let integral: f64 = points.map(|x| (q.log_prob(x).exp() - p.log_prob(x).exp()).abs() * step).sum();
        assert!((found - 0.5 * integral).abs() < 1e-5, "{found} {}", 0.5 * integral);
        let turned = divergence::total_variation(&p, &q);
        assert!((found - turned).abs() < 1e-13 && (0.0..=1.0).contains(&found), "{found} {turned}");
        // Pinsker's inequality.
        assert!(found <= (0.5 * divergence::normal(&q, &p)).sqrt());
    }
    // Deviations that are almost equal are no corner.
    let near = [0.0, 1e-12, -1e-9].map(|e| divergence::total_variation(&normal(0.0, 1.0), &normal(0.5, 1.0 + e)));
    assert!(near.iter().all(|v| (v - near[0]).abs() < 1e-9), "{near:?}");
}
