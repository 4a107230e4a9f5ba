//! Sample paths as draws of a mixture over the hyperparameters.

use super::*;
use elbo_core::FromData;

const DRAWS: usize = 6000;

/// A process of 20 rows at three hyperparameters that are far apart.
fn mixture() -> Integrated {
    let input = Regression::from_data(&friedman(20, &mut Run::new(5)).unwrap()).unwrap();
    let config = BayesianGprConfig::default();
    let start = config.build(&input.x, &input.y, None).unwrap().pack();
    let draws = [-0.7, 0.0, 0.9].iter().map(|delta| start.iter().map(|v| v + delta).collect::<Vec<f64>>()).collect();
    let chains = Chains::default();
    Integrated { config, features: input.x, y: input.y, inducing: None, draws, chains, tables: vec![] }
}

/// Five points, of which the first two are near each other.
fn points() -> Tensor {
    let mut x = Rng::new(6).normals(25);
    for d in 0..5 {
        x[5 + d] = x[d] + 0.05;
    }
    Tensor::from_vec(x, &[5, 5])
}

/// Mean `[5]` and covariance `[5, 5]` of the mixture of the draws' posteriors.
fn moments(process: &Integrated, x: &Tensor) -> (Vec<f64>, Vec<f64>) {
    let parts: Vec<(Vec<f64>, Vec<f64>)> = process
        .draws
        .iter()
        .map(|z| {
            let (mean, covariance) = process.conditioned(z).unwrap().joint(x);
            (mean.to_vec(), covariance.to_vec())
        })
        .collect();
    let count = parts.len() as f64;
    let mean: Vec<f64> = (0..5).map(|i| parts.iter().map(|(m, _)| m[i]).sum::<f64>() / count).collect();
    let entry = |k: usize| {
        let (i, j) = (k / 5, k % 5);
        parts.iter().map(|(m, c)| c[k] + (m[i] - mean[i]) * (m[j] - mean[j])).sum::<f64>() / count
    };
    let covariance = (0..25).map(entry).collect();
    (mean, covariance)
}

/// The average over paths of a number of each, within five standard errors of this.
fn assert_average(paths: &[f64], of: &dyn Fn(&[f64]) -> f64, expected: f64, what: &str) {
    let values: Vec<f64> = paths.chunks_exact(5).map(of).collect();
    let count = values.len() as f64;
    let found = values.iter().sum::<f64>() / count;
    let error = (values.iter().map(|v| (v - found).powi(2)).sum::<f64>() / count).sqrt() / count.sqrt();
    assert!((found - expected).abs() < 5.0 * error, "{what}: {found} +- {error}, expected {expected}");
}

#[test]
fn paths_have_the_joint_moments_of_the_mixture() {
    let (process, x) = (mixture(), points());
    let paths = process.sample_paths(&x, DRAWS, &mut Rng::new(7)).unwrap().unwrap();
    assert_eq!(paths.len(), DRAWS * 5);
    let (mean, covariance) = moments(&process, &x);
    for i in 0..5 {
        assert_average(&paths, &|f| f[i], mean[i], &format!("mean {i}"));
        for j in 0..=i {
            let product = |f: &[f64]| (f[i] - mean[i]) * (f[j] - mean[j]);
            assert_average(&paths, &product, covariance[5 * i + j], &format!("covariance {i} {j}"));
        }
    }
}

#[test]
fn paths_are_in_no_order_of_their_hyperparameters() {
    // Successive paths are independent: their products average to the square of the mean.
    let (process, x) = (mixture(), points());
    let paths = process.sample_paths(&x, DRAWS, &mut Rng::new(8)).unwrap().unwrap();
    let (mean, _) = moments(&process, &x);
    let squares: Vec<f64> = paths.chunks_exact(5).map(|f| (f[4] - mean[4]).powi(2)).collect();
    let average = squares.iter().sum::<f64>() / DRAWS as f64;
    let deviations: Vec<f64> = squares.iter().map(|s| s - average).collect();
    let products: Vec<f64> = deviations.windows(2).map(|d| d[0] * d[1]).collect();
    let found = products.iter().sum::<f64>() / products.len() as f64;
    let error = (products.iter().map(|p| p * p).sum::<f64>()).sqrt() / products.len() as f64;
    assert!(found.abs() < 5.0 * error, "{found} +- {error}");
}

#[test]
fn paths_are_the_same_bits_for_a_seed() {
    let (process, x) = (mixture(), points());
    let bits = |seed: u64| {
        let paths = process.sample_paths(&x, 9, &mut Rng::new(seed)).unwrap().unwrap();
        paths.into_iter().map(f64::to_bits).collect::<Vec<_>>()
    };
    assert_eq!(bits(1), bits(1));
    assert_ne!(bits(1), bits(2));
}

fn fitted(config: &BayesianGprConfig) -> BayesianGprModel {
    let input = Regression::from_data(&friedman(15, &mut Run::new(5)).unwrap()).unwrap();
    BayesianGpr.fit(config, input, &mut Run::new(1)).unwrap()
}

#[test]
fn a_sampled_model_keeps_its_chains_and_an_approximation_is_one_of_its_draws() {
    use elbo_core::{Model, Sample};
    let quick = BayesianGprConfig { warmup: 20, mixed: 3, steps: 20, ..BayesianGprConfig::default() };
    let short = BayesianGprConfig { chains: 2, draws: 12, ..quick };
    let model = fitted(&short);
    let chains = Model::chains(&model).unwrap();
    // Five lengthscales, a variance and the noise, all positive.
    assert_eq!((chains.chains(), chains.draws(), chains.unknowns().len()), (2, 12, 7));
    assert!(chains.unknowns().iter().all(|(_, values)| values.len() == 24 && values.iter().all(|v| *v > 0.0)));
    assert!(chains.stats().iter().any(|(name, _)| name == "diverging"));
    let table = model.tables().into_iter().find(|table| table.name == "posterior").unwrap();
    for ((name, values), row) in chains.unknowns().iter().zip(&table.rows) {
        let mean = values.iter().sum::<f64>() / 24.0;
        let shown: f64 = row[1].parse().unwrap();
        assert!(*name == row[0] && (shown - mean).abs() < 1e-4 * mean.max(1.0), "{name}: {mean}, {row:?}");
    }
    let drawn = model.sample(24, &mut Run::new(2)).unwrap();
    assert_eq!((drawn.rows(), drawn.arrays.len()), (24, 7));

    let approximated = fitted(&BayesianGprConfig { infer: Infer::ViMf, ..short.clone() });
    let chains = Model::chains(&approximated).unwrap();
    assert!(chains.chains() == 1 && chains.draws() > 3 && chains.stats().is_empty());

    let likeliest = fitted(&BayesianGprConfig { infer: Infer::Ml2, starts: 1, iterations: 5, ..short });
    assert!(Model::chains(&likeliest).is_none());
    let error = likeliest.sample(3, &mut Run::new(2)).unwrap_err();
    assert!(error.to_string().contains("no draws of them") && error.remedy().contains("infer=nuts"), "{error}");
}
