//! A kernel for each latent function.

use super::{check_slopes, fit, series, shape};
use elbo_core::{AnySystem, Data, Model, ModelFile, Rng, Run};
use elbo_markov::model::Grid;
use elbo_systems_temporal::markovian_gpvae::{MarkovianGpvae, Priors, Shape, markov_posterior};
use elbo_tensor::Tensor;
use serde_json::{Value, json};
use std::sync::Arc;

fn encoded(model: &dyn Model, data: &Data) -> Data {
    model.as_encode().unwrap().encode(data, &mut Run::new(1)).unwrap()
}

fn settings(kernel: &Value) -> Value {
    json!({ "latents": 2, "steps": 10, "lengthscale": 5.0, "kernel": kernel })
}

#[test]
fn equal_kernels_in_a_list_are_the_shared_kernel_to_the_bit() {
    let data = series(30, 11);
    let [shared, text, list] = [json!("matern32"), json!("matern32, matern32"), json!(["matern32", "matern32"])]
        .map(|kernel| encoded(fit(&settings(&kernel), &data).unwrap().0.as_ref(), &data));
    assert_eq!(shared, text);
    assert_eq!(shared, list);
    let other = encoded(fit(&settings(&json!("matern32,matern12")), &data).unwrap().0.as_ref(), &data);
    assert_ne!(shared, other);
}

/// Log density of two numbers of covariance `[[own, across], [across, own]]`, nats.
fn log_pair([a, b]: [f64; 2], own: f64, across: f64) -> f64 {
    let determinant = own * own - across * across;
    let form = (own * (a * a + b * b) - 2.0 * across * a * b) / determinant;
    -0.5 * (form + determinant.ln()) - std::f64::consts::TAU.ln()
}

#[test]
fn covariances_of_the_latent_functions_are_those_of_their_own_kernels() {
    let (gap, noise) = (1.3f64, 0.25f64);
    let (variances, lengths) = ([0.7f64, 2.0], [3.0f64, 0.9]);
    // Matérn 5/2 and 1/2.
    let scaled = 5f64.sqrt() * gap / lengths[0];
    let correlations = [(1.0 + scaled + scaled * scaled / 3.0) * (-scaled).exp(), (-gap / lengths[1]).exp()];
    let grid = [Arc::new(Grid::new(&[2.0, 2.0 + gap]).unwrap())];
    let y = [[0.4f64, -1.1], [0.9, 0.3]];
    let mean = Tensor::from_vec(y.concat(), &[2, 2]);
    let sites = Tensor::from_vec(vec![noise; 4], &[2, 2]);
    let length = Tensor::from_vec(lengths.to_vec(), &[2]);
    let priors = Priors { variance: Tensor::from_vec(variances.to_vec(), &[2]), ..Priors::standard(&[2, 0], &length) };
    let found = markov_posterior(&priors, &grid, &mean, &sites).unwrap();
    let of_latent = |l: usize| log_pair([y[0][l], y[1][l]], variances[l] + noise, variances[l] * correlations[l]);
    assert!((found.log_z.item() - of_latent(0) - of_latent(1)).abs() < 1e-10, "{}", found.log_z.item());
    for (kernel, (variance, correlation)) in priors.kernels().iter().zip(variances.iter().zip(correlations)) {
        assert!((kernel.covariance(0.0, gap, 0.0) - variance * correlation).abs() < 1e-14);
    }
}

#[test]
fn the_bounds_gradient_by_variances_agrees_with_differences() {
    let mut rng = Rng::new(14);
    let shape = Shape { has_variances: true, ..shape(3, &[1, 0]) };
    let model = shape.build(3.0, 0.2, &mut rng).unwrap();
    // Two lengthscales, two variances and the noise.
    check_slopes(model, Grid::regular(0.0, 0.8, 12), 5, &mut rng);
}

#[test]
fn learnt_variances_move_are_told_and_kept_in_the_file() {
    let data = series(40, 12);
    let settings = json!({
        "latents": 2, "steps": 30, "lengthscale": 5.0, "rate": 1e-2, "kernel": ["matern52", "matern12"],
        "learn_variance": true
    });
    let (model, _) = fit(&settings, &data).unwrap();
    let summary = model.summary();
    let variance = |l: usize| -> f64 {
        let name = format!("variance {l}");
        summary.parameters.iter().find(|(found, ..)| *found == name).unwrap().1.parse().unwrap()
    };
    assert!((1..=2).all(|l| variance(l) > 0.0) && (1..=2).any(|l| (variance(l) - 1.0).abs() > 1e-3));
    let rows = &model.tables()[0].rows;
    assert_eq!([rows[0][1].as_str(), rows[1][1].as_str()], ["matern52", "matern12"]);
    let mut file = ModelFile::new("markovian-gpvae");
    model.save(&mut file).unwrap();
    let loaded = AnySystem::load(&MarkovianGpvae, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    assert_eq!(encoded(loaded.as_ref(), &data), encoded(model.as_ref(), &data));
    // A path is drawn from kernels of different sizes of state.
    assert_eq!(model.as_sample().unwrap().sample(7, &mut Run::new(2)).unwrap().get("a").unwrap().shape, [7]);
}

#[test]
fn a_file_of_before_with_one_kernel_and_no_variances_is_read() {
    let data = series(30, 13);
    let (model, _) = fit(&settings(&json!("matern12")), &data).unwrap();
    let mut file = ModelFile::new("markovian-gpvae");
    model.save(&mut file).unwrap();
    let mut config: Value = file.fact("config").unwrap();
    assert!(config.as_object_mut().unwrap().remove("learn_variance").is_some());
    assert_eq!(config["kernel"], json!("matern12"));
    file.set("config", &config);
    let loaded = AnySystem::load(&MarkovianGpvae, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    assert_eq!(encoded(loaded.as_ref(), &data), encoded(model.as_ref(), &data));
    // Kernels that the file's latent functions do not have.
    config["kernel"] = json!(["matern12", "matern12", "matern32"]);
    file.set("config", &config);
    let damaged = ModelFile::from_bytes(&file.to_bytes()).unwrap();
    let error = AnySystem::load(&MarkovianGpvae, &damaged).err().unwrap();
    assert!(error.to_string().contains("a list of 3"), "{error}");
}

#[test]
fn a_wrong_count_of_kernels_and_an_unknown_one_are_refused() {
    let data = series(20, 4);
    let refused = |kernel: Value, words: &[&str]| {
        let error = fit(&settings(&kernel), &data).err().unwrap_or_else(|| panic!("{kernel}: accepted"));
        let told = format!("{error}; {}", error.remedy());
        assert!(words.iter().all(|word| told.contains(word)), "{kernel}: {told}");
    };
    refused(json!(["matern32"]), &["`kernel` is a list of 1", "a list of 2, one for each of `latents`"]);
    refused(json!("matern32,matern12,matern52"), &["`kernel` is a list of 3", "a list of 2"]);
    refused(json!([]), &["`kernel` is a list of 0"]);
    refused(json!("matern33"), &["`kernel`", "nearest allowed value is matern32"]);
    refused(json!("matern32,rbf"), &["`kernel`", "`rbf`"]);
}
