//! Mixtures of normals fitted to points: exact for one component, monotone, densities, and what is refused.

use elbo_core::{ModelFile, Rng};
use elbo_dist::{GaussianMixture, GaussianMixtureConfig};

/// Points of two normals in the plane: three in ten around (4, 0) with a correlation, the others around (-4, 1).
fn points(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    let one = |i: usize| {
        let (a, b) = (rng.normal(), rng.normal());
        if i % 10 < 3 { [4.0 + a, 0.8 * a + 0.6 * b] } else { [-4.0 + 0.5 * a, 1.0 + 1.5 * b] }
    };
    (0..n).flat_map(one).collect()
}

fn fit(x: &[f64], config: &GaussianMixtureConfig) -> GaussianMixture {
    GaussianMixture::fit(x, 2, config, &mut Rng::new(1)).unwrap().mixture
}

fn mean_log(mixture: &GaussianMixture, x: &[f64]) -> f64 {
    x.chunks(2).map(|point| mixture.log_prob(point)).sum::<f64>() / (x.len() / 2) as f64
}

#[test]
fn one_component_has_the_mean_and_the_covariance_of_the_points() {
    let x = points(500, 3);
    let ridge = 0.01;
    let one = fit(&x, &GaussianMixtureConfig { components: 1, ridge, ..Default::default() });
    let n = 500.0;
    let mean = [0, 1].map(|d| x.iter().skip(d).step_by(2).sum::<f64>() / n);
    let component = &one.components()[0];
    assert_eq!(one.weights(), [1.0]);
    for i in 0..2 {
        assert!((component.mean()[i] - mean[i]).abs() < 1e-12);
        for j in 0..2 {
            let moment = x.chunks(2).map(|p| (p[i] - mean[i]) * (p[j] - mean[j])).sum::<f64>() / n;
            let expected = moment + if i == j { ridge } else { 0.0 };
            let found = component.covariance()[2 * i + j];
            assert!((found - expected).abs() < 1e-10, "{i}, {j}: {found} for {expected}");
        }
    }
}

#[test]
fn two_normals_far_apart_are_found() {
    let n = 4000;
    let found = fit(&points(n, 5), &GaussianMixtureConfig { components: 2, ..Default::default() });
    let right = usize::from(found.components()[0].mean()[0] < 0.0);
    // Every point is surely of one of them, so that the weights are counts.
    assert!((found.weights()[right] - 0.3).abs() < 1e-4, "{:?}", found.weights());
    let component = &found.components()[right];
    // Standard errors of a mean and of a covariance of 1200 points with variances about one: 0.029 and 0.041 at most.
    for (value, expected) in component.mean().iter().zip([4.0, 0.0]) {
        assert!((value - expected).abs() < 4.0 * 0.029, "{:?}", component.mean());
    }
    for (value, expected) in component.covariance().iter().zip([1.0, 0.8, 0.8, 1.0]) {
        assert!((value - expected).abs() < 4.0 * 0.041, "{:?}", component.covariance());
    }
    let shares = found.responsibilities(&[4.0, 0.0]);
    assert!(shares[right] > 0.999 && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{shares:?}");
}

#[test]
fn the_likelihood_rises_in_every_round() {
    // Overlapping clusters, more components than there are normals, and nearly no ridge, with which the likelihood is not what is maximised.
    let x: Vec<f64> = points(300, 7).iter().map(|v| 0.3 * v).collect();
    let after = |iterations| {
        let config = GaussianMixtureConfig { components: 4, ridge: 1e-12, iterations, tolerance: 0.0 };
        mean_log(&fit(&x, &config), &x)
    };
    let all: Vec<f64> = (1..30).map(after).collect();
    assert!(all.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9), "{all:?}");
    assert!(all[28] > all[0] + 1e-3, "{all:?}");
}

#[test]
fn a_fit_says_whether_it_settled_before_its_rounds_were_used_up() {
    let x: Vec<f64> = points(300, 7).iter().map(|v| 0.3 * v).collect();
    let of = |iterations: usize, tolerance: f64| {
        let config = GaussianMixtureConfig { components: 4, iterations, tolerance, ..Default::default() };
        GaussianMixture::fit(&x, 2, &config, &mut Rng::new(1)).unwrap()
    };
    let short = of(3, 0.0);
    assert!(!short.is_converged && short.rounds == 3, "{} rounds", short.rounds);
    // No rise is as large as this one, but for the first, which has nothing before it.
    let coarse = of(3, 1e6);
    assert!(coarse.is_converged && coarse.rounds == 1, "{} rounds", coarse.rounds);
    // One normal is found at once, and the second round sees it.
    let one = GaussianMixtureConfig { components: 1, ..Default::default() };
    let one = GaussianMixture::fit(&x, 2, &one, &mut Rng::new(1)).unwrap();
    assert!(one.is_converged && one.rounds == 1, "{} rounds", one.rounds);
}

#[test]
fn the_density_integrates_to_one_and_draws_have_its_mean() {
    let x = points(600, 9);
    let found = fit(&x, &GaussianMixtureConfig { components: 3, ..Default::default() });
    let step = 0.1;
    let axis = |low: i32, high: i32| (low..high).map(move |i| (f64::from(i) + 0.5) * step);
    let (mut total, mut mean) = (0.0, 0.0);
    for a in axis(-120, 120) {
        for b in axis(-100, 100) {
            let mass = found.log_prob(&[a, b]).exp() * step * step;
            total += mass;
            mean += mass * a;
        }
    }
    assert!((total - 1.0).abs() < 1e-4, "{total}");
    let drawn = found.sample(20_000, &mut Rng::new(2));
    let first: Vec<f64> = drawn.iter().step_by(2).copied().collect();
    let average = first.iter().sum::<f64>() / 20_000.0;
    let variance = first.iter().map(|v| (v - average).powi(2)).sum::<f64>() / 19_999.0;
    assert!((average - mean).abs() < 4.0 * (variance / 20_000.0).sqrt() + 1e-3, "{average} for {mean}");
}

#[test]
fn a_file_keeps_it_and_one_that_holds_none_is_refused() {
    let found = fit(&points(200, 1), &GaussianMixtureConfig { components: 3, ..Default::default() });
    let mut file = ModelFile::new("test");
    found.save(&mut file, "codes");
    assert_eq!(GaussianMixture::load(&file, "codes", 2).unwrap(), found);
    assert!(GaussianMixture::load(&file, "codes", 3).is_err());
    let count = found.weights().len();
    file.put("codes.factors", &[count, 2, 2], &vec![0.0; count * 4]);
    assert!(GaussianMixture::load(&file, "codes", 2).unwrap_err().to_string().contains("no mixture"));
}

#[test]
fn the_result_has_the_same_bits_for_1_2_and_8_threads() {
    let x = points(3000, 4);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&x, &GaussianMixtureConfig { components: 4, iterations: 20, ..Default::default() }))
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(8));
}

#[test]
fn repeated_points_make_fewer_components_and_what_cannot_be_fitted_is_refused() {
    let repeated: Vec<f64> = (0..30).flat_map(|i| [f64::from(i % 3), 0.0]).collect();
    let found = fit(&repeated, &GaussianMixtureConfig::default());
    assert_eq!(found.components().len(), 3);
    assert!(found.log_prob(&[1.0, 0.0]).is_finite());
    let refused = |x: &[f64], config: &GaussianMixtureConfig, part: &str| {
        let error = GaussianMixture::fit(x, 2, config, &mut Rng::new(1)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(&[0.0; 6], &GaussianMixtureConfig::default(), "3 points for 10 normals");
    refused(&[0.0; 2], &GaussianMixtureConfig { components: 1, ..Default::default() }, "1 points");
    let wrong = [0.0, 1.0, 2.0, f64::NAN, 4.0, 5.0];
    refused(&wrong, &GaussianMixtureConfig { components: 1, ..Default::default() }, "point 2 has NaN as coordinate 2");
    refused(&repeated, &GaussianMixtureConfig { components: 0, ..Default::default() }, "`components` is 0");
    refused(&repeated, &GaussianMixtureConfig { ridge: -1.0, ..Default::default() }, "`ridge` is -1");
}
