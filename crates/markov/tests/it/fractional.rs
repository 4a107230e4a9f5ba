//! Fractional Brownian motion: published distances, the Kalman model against dense algebra, exact paths.

use crate::problems::assert_near;
use elbo_core::Rng;
use elbo_markov::fractional::{Fractional, Kind, davies_harte, geometric};
use elbo_markov::{Evidence, Wants, reference, run};

const INDICES: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

#[test]
fn distances_are_those_that_quadrature_gave() {
    let cases = [
        (Kind::Stationary, 5, 20.0, [0.307, 0.0166, 0.0128, 0.098, 0.51]),
        (Kind::Stationary, 10, 1000.0, [0.141, 0.0015, 0.0003, 0.0095, 0.235]),
        (Kind::Zero, 5, 20.0, [0.229, 0.0078, 0.0, 0.0001, 0.0001]),
    ];
    for (kind, count, top, expected) in cases {
        for (hurst, error) in INDICES.into_iter().zip(expected) {
            let found = Fractional::new(hurst, kind, &geometric(count, 1.0 / top, top), 1.0).unwrap();
            // They are given in two to four digits.
            assert!((found.error - error).abs() < 0.01 * error + 6e-5, "{kind:?} {count} {hurst}: {}", found.error);
        }
    }
    let variances =
        [(Kind::Stationary, [0.884, 0.9995, 0.9998, 0.989, 0.750]), (Kind::Zero, [0.906, 0.9991, 1.0, 0.9999, 0.9999])];
    for (kind, expected) in variances {
        for (hurst, share) in INDICES.into_iter().zip(expected) {
            let found = Fractional::new(hurst, kind, &geometric(10, 1e-3, 1e3), 1.0).unwrap();
            assert!((found.covariance(1.0, 1.0) - share).abs() < 6e-4, "{kind:?} {hurst}");
        }
    }
    // Off the centre.
    for (hurst, rates, error) in [(0.1, geometric(14, 1e-3, 1e6), 0.036), (0.7, geometric(12, 1e-6, 1e3), 0.0002)] {
        let found = Fractional::new(hurst, Kind::Stationary, &rates, 1.0).unwrap();
        assert!((found.error - error).abs() < 0.02 * error + 6e-5, "{hurst}: {}", found.error);
    }
}

#[test]
fn the_distance_is_the_integral_of_the_variance_that_is_missed() {
    // Without a cross-covariance in closed form, the best weights are orthogonal: E (B - B~)² integrates to E B² - E B~².
    for kind in [Kind::Stationary, Kind::Zero] {
        for hurst in [0.2, 0.5, 0.8] {
            let horizon = 2.5f64;
            let found = Fractional::new(hurst, kind, &geometric(6, 0.02, 50.0), horizon).unwrap();
            let steps = 20_000;
            let mean: f64 = (0..steps)
                .map(|k| {
                    let t = horizon * (f64::from(k) + 0.5) / f64::from(steps);
                    found.covariance(t, t) / f64::from(steps)
                })
                .sum();
            let exact = horizon.powf(2.0 * hurst) / (2.0 * hurst + 1.0);
            assert!((1.0 - mean / exact - found.error).abs() < 1e-5, "{kind:?} {hurst}: {}", found.error);
        }
    }
}

#[test]
fn the_kalman_model_is_the_dense_one() {
    let mut rng = Rng::new(6);
    let mut t = 0.0;
    let times: Vec<f64> = (0..60)
        .map(|_| {
            t += rng.range(0.001, 0.05);
            t
        })
        .collect();
    let y = rng.normals(60);
    for kind in [Kind::Stationary, Kind::Zero] {
        for hurst in INDICES {
            let model = Fractional::new(hurst, kind, &geometric(6, 0.02, 100.0), 1.5).unwrap();
            let mut covariance: Vec<f64> =
                times.iter().flat_map(|t| times.iter().map(|s| model.covariance(*t, *s)).collect::<Vec<_>>()).collect();
            (0..60).for_each(|i| covariance[i * 61] += 0.1);
            let evidence = Evidence::Observations { y: &y, noise: &[0.1; 60] };
            let found = run(&model.chain(&times).unwrap(), evidence, Wants::Evidence, None).unwrap().log_z;
            assert_near(
                &format!("{kind:?} {hurst}"),
                &[found],
                &[reference::log_normal(&y, &covariance).unwrap()],
                1e-9,
            );
        }
    }
    let model = Fractional::new(0.3, Kind::Zero, &[1.0], 1.0).unwrap();
    assert!(model.chain(&[-1.0, 0.0]).unwrap_err().to_string().contains("before zero"));
    assert!(Fractional::new(1.0, Kind::Zero, &[1.0], 1.0).is_err());
    assert!(Fractional::new(0.5, Kind::Zero, &[], 1.0).is_err());
}

#[test]
fn ends_are_found_that_reach_a_hundredth_where_it_can_be_reached() {
    for hurst in [0.3, 0.5, 0.7] {
        let found = Fractional::automatic(hurst, Kind::Stationary, 3.0, 0.01).unwrap();
        assert!(found.error <= 0.01, "{hurst}: {}", found.error);
        assert!(found.rates.len() <= 12);
    }
    let hard = Fractional::automatic(0.9, Kind::Stationary, 1.0, 0.01).unwrap();
    assert!(hard.error > 0.01 && hard.error < 0.1, "{}", hard.error);
}

#[test]
fn exact_paths_have_the_covariance_and_the_approximation_knows_their_index() {
    let (steps, count) = (6, 20_000);
    for hurst in [0.2, 0.7] {
        let mut rng = Rng::new(3);
        let mut sums = vec![0.0; steps * steps];
        for _ in 0..count {
            let path = davies_harte(hurst, 0.5, steps, &mut rng).unwrap();
            (0..steps * steps).for_each(|i| sums[i] += path[i / steps] * path[i % steps] / f64::from(count));
        }
        let power = |x: f64| x.abs().powf(2.0 * hurst);
        for i in 0..steps {
            for j in 0..steps {
                let (t, s) = (0.5 * (i as f64 + 1.0), 0.5 * (j as f64 + 1.0));
                let exact = 0.5 * (power(t) + power(s) - power(t - s));
                // Five standard errors of a product of normals.
                let error = 5.0 * (2.0 * power(t) * power(s)).sqrt() / f64::from(count).sqrt();
                assert!((sums[i * steps + j] - exact).abs() < error, "{hurst} {i} {j}");
            }
        }
        // The likelihood of a long path is highest near its index.
        let path = davies_harte(hurst, 0.01, 500, &mut rng).unwrap();
        let times: Vec<f64> = (1..=500).map(|k| 0.01 * f64::from(k)).collect();
        let value = |h: f64| {
            let rates = if h > 0.5 { geometric(12, 2e-7, 200.0) } else { geometric(12, 2e-3, 1e4) };
            let chain = Fractional::new(h, Kind::Stationary, &rates, 5.0).unwrap().chain(&times).unwrap();
            let evidence = Evidence::Observations { y: &path, noise: &[1e-6; 500] };
            run(&chain, evidence, Wants::Evidence, None).unwrap().log_z
        };
        let best = (1..20).map(|i| 0.05 * f64::from(i)).max_by(|a, b| value(*a).total_cmp(&value(*b))).unwrap();
        assert!((best - hurst).abs() < 0.11, "{hurst}: {best}");
    }
}
