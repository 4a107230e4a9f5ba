//! `infovae` on digits and sequences, and what it refuses.

use elbo_core::{AnySystem, Array, Data, Error, Model, ModelFile, Run, Values};
use elbo_systems_vae::infovae::InfoVae;
use serde_json::{Value, json};

fn digits(rows: usize) -> Data {
    let data = elbo_data::digits8().unwrap();
    data.take_rows(&(0..rows).collect::<Vec<_>>())
}

fn fit(settings: Value, data: &Data, run: &mut Run) -> Result<Box<dyn Model>, Error> {
    AnySystem::fit(&InfoVae, &settings, data, run)
}

#[test]
fn every_divergence_trains_and_leaves_its_terms_in_a_table() {
    let data = digits(100);
    for divergence in ["mmd", "stein", "adversarial", "matching"] {
        let settings =
            json!({"latent": 2, "hidden": [16], "epochs": 2, "alpha": 0.0, "lambda": 10.0, "divergence": divergence});
        let model = fit(settings, &data, &mut Run::new(1)).unwrap();
        assert_eq!(model.tables()[0].rows.len(), 3, "{divergence}");
    }
    let without = fit(json!({"latent": 2, "epochs": 1, "alpha": 0.0, "lambda": 1.0}), &data, &mut Run::new(1)).unwrap();
    assert_eq!(without.tables()[0].rows.len(), 2, "the evidence lower bound has no aggregated term");
}

#[test]
fn codes_that_are_points_have_a_reconstruction_and_samples_and_no_bound() {
    let data = digits(120);
    for density in [Value::Null, json!("mixture"), json!({"type": "vae", "hidden": [16], "epochs": 2})] {
        let settings = json!({"latent": 2, "hidden": [16], "epochs": 2, "family": "dirac", "density": density});
        let model = fit(settings, &data, &mut Run::new(1)).unwrap();
        let summary = model.summary();
        assert_eq!(summary.objective.as_ref().unwrap().0, "reconstruction");
        let has = |name: &str| summary.metrics.iter().any(|(n, _)| n == name);
        assert!(!has("iwae") && !has("kl") && !has("bits_per_dim") && has("mmd"), "{:?}", summary.metrics);
        assert!(model.as_evaluate().is_none());
        assert_eq!(summary.text.contains("Samples are decoded from codes drawn from"), !density.is_null());
        let mut file = ModelFile::new("infovae");
        model.save(&mut file).unwrap();
        let loaded = (&InfoVae as &dyn AnySystem).load(&file).unwrap();
        let draw = |m: &dyn Model| m.as_sample().unwrap().sample(5, &mut Run::new(2)).unwrap();
        assert_eq!(draw(model.as_ref()), draw(loaded.as_ref()), "{density}");
    }
}

#[test]
fn more_normals_than_data_points_are_refused_before_training() {
    let density = json!({"type": "mixture", "components": 21});
    let settings = json!({"latent": 2, "hidden": [16], "epochs": 10_000_000, "density": density});
    let mut run = Run::new(1).with_time(std::time::Duration::from_secs(1));
    let error = fit(settings, &digits(20), &mut run).err().unwrap();
    assert!(error.to_string().contains("20 data points for the 21 normals"), "{error}");
    assert!(!run.warnings().iter().any(|w| w.contains("time budget")), "{:?}", run.warnings());
}

#[test]
fn few_numbers_of_a_code_are_kept_on_request() {
    let settings = json!({"latent": 6, "topk": 2, "hidden": [16], "epochs": 2, "family": "dirac"});
    let model = fit(settings, &digits(80), &mut Run::new(1)).unwrap();
    let codes = model.as_encode().unwrap().encode(&digits(10), &mut Run::new(1)).unwrap();
    let column = |i: usize| codes.get(&format!("z{i}")).unwrap().to_f64().unwrap();
    let columns: Vec<Vec<f64>> = (1..=6).map(column).collect();
    for row in 0..10 {
        assert_eq!(columns.iter().filter(|column| column[row] != 0.0).count(), 2, "row {row}");
    }
}

#[test]
fn sigma_points_regularise_without_noise() {
    let terms = |seed: u64| {
        let settings = json!({
            "latent": 2, "hidden": [16], "epochs": 2, "family": "sigma_points", "alpha": 1.0, "lambda": 0.0,
            "wasserstein": 1.0,
        });
        terms(fit(settings, &digits(60), &mut Run::new(seed)).unwrap().as_ref())
    };
    assert_eq!(terms(1), terms(1));
    let error = fit(json!({"family": "sigma_points"}), &digits(60), &mut Run::new(1)).err().unwrap();
    assert!(error.to_string().contains("`family` is sigma_points with the term mmd"), "{error}");
}

#[test]
fn settings_without_an_optimum_are_refused() {
    for (settings, part) in [
        (json!({"alpha": 1.5}), "without limit"),
        (json!({"alpha": 0.0, "lambda": 0.5}), "unbounded"),
        (json!({"divergence": "stein", "prior": "diagonal", "epochs": 1}), "take `mmd` for other priors"),
        (json!({"buffer": 5000}), "`buffer` is 5000"),
        (json!({"wasserstein": -1.0}), "`wasserstein` is -1"),
        (json!({"jacobian": -0.5}), "`jacobian` is -0.5"),
        (json!({"wasserstein": 1.0, "prior": "diagonal"}), "`prior` is diagonal with a wasserstein distance"),
        (json!({"wasserstein": 1.0, "family": "vmf"}), "a Gaussian family"),
        (json!({"jacobian": 1.0, "flow": "iaf:2x8"}), "with the flow `iaf:2x8`"),
    ] {
        let error = fit(settings.clone(), &digits(50), &mut Run::new(1)).err().unwrap_or_else(|| panic!("{settings}"));
        assert!(error.to_string().contains(part), "{settings}: {error}");
    }
}

/// Rows of the table of terms by name: weight and value at the end of training.
fn terms(model: &dyn Model) -> Vec<(String, f64, f64)> {
    let table = model.tables().remove(0);
    table.rows.iter().map(|r| (r[0].clone(), r[1].parse().unwrap(), r[2].parse().unwrap())).collect()
}

#[test]
fn a_term_of_regularised_autoencoders_is_smaller_where_it_costs_more() {
    let data = digits(150);
    let fitted = |wasserstein: f64, jacobian: f64| {
        let settings = json!({
            "latent": 2, "hidden": [32], "epochs": 60, "batch": 50, "rate": 0.01, "alpha": 1.0, "lambda": 0.0,
            "wasserstein": wasserstein, "jacobian": jacobian,
        });
        terms(fit(settings, &data, &mut Run::new(1)).unwrap().as_ref())
    };
    let [weak, strong] = [0.1, 10.0].map(|weight| fitted(weight, 0.0));
    let named: Vec<(&str, f64)> = strong.iter().map(|(name, weight, _)| (name.as_str(), *weight)).collect();
    assert_eq!(named, [("reconstruction", 1.0), ("wasserstein distance", 10.0)]);
    assert!(strong[1].2 < 0.5 * weak[1].2 && strong[1].2 >= 0.0, "{strong:?} beside {weak:?}");
    assert!(strong[0].2 > weak[0].2, "the reconstruction pays for it: {strong:?} beside {weak:?}");
    let [free, flat] = [1e-3, 100.0].map(|weight| fitted(1.0, weight));
    assert_eq!(flat[2].0, "jacobian penalty");
    assert!(flat[2].2 < 0.5 * free[2].2, "{flat:?} beside {free:?}");
}

#[test]
fn small_batches_and_a_flat_kernel_are_warned_of() {
    let mut run = Run::new(1);
    let settings = json!({"latent": 65, "hidden": [4], "epochs": 1, "batch": 20, "kernel": "original"});
    fit(settings, &digits(40), &mut run).unwrap();
    for part in ["fewer than 32", "flat in more than 64"] {
        assert!(run.warnings().iter().any(|w| w.contains(part)), "{:?}", run.warnings());
    }
    // The evidence lower bound compares no codes.
    let mut run = Run::new(1);
    let bound = json!({"latent": 2, "hidden": [4], "epochs": 1, "batch": 20, "alpha": 0.0, "lambda": 1.0});
    fit(bound, &digits(40), &mut run).unwrap();
    assert!(!run.warnings().iter().any(|w| w.contains("fewer than 32")), "{:?}", run.warnings());
}

#[test]
fn sequences_of_tokens_are_sampled_as_tokens() {
    let cells: Vec<i64> = (0..80).flat_map(|i| (0..5).map(move |t| (i + t) % 3)).collect();
    let arrays = vec![("tokens".to_owned(), Array { shape: vec![80, 5], values: Values::I64(cells) })];
    let data = Data { source: "test".into(), arrays, ..Data::default() };
    let network = json!({"type": "gru", "levels": 3, "hidden": 8});
    let settings = json!({
        "latent": 2, "epochs": 3, "lambda": 20.0, "encoder": network, "decoder": network,
        "likelihood": {"type": "categorical", "levels": 3},
    });
    let model = fit(settings, &data, &mut Run::new(1)).unwrap();
    let drawn = model.as_sample().unwrap().sample(20, &mut Run::new(1)).unwrap();
    let values: Vec<f64> = drawn.arrays.iter().flat_map(|(_, a)| a.to_f64().unwrap()).collect();
    assert_eq!(values.len(), 100);
    assert!(values.iter().all(|v| [0.0, 1.0, 2.0].contains(v)), "{values:?}");
}

#[test]
fn codes_of_past_steps_stand_beside_few_codes() {
    let fitted = |buffer: usize, divergence: &str| {
        let settings = json!({
            "latent": 2, "hidden": [8], "epochs": 2, "batch": 8, "lambda": 10.0, "buffer": buffer, "divergence": divergence,
        });
        let mut run = Run::new(1);
        let model = fit(settings, &digits(40), &mut run).unwrap();
        (terms(model.as_ref()), run.warnings().to_vec())
    };
    let (alone, warnings) = fitted(0, "mmd");
    assert!(warnings.iter().any(|w| w.contains("fewer than 32") && w.contains("`buffer`")), "{warnings:?}");
    let (beside, warnings) = fitted(24, "mmd");
    assert!(!warnings.iter().any(|w| w.contains("fewer than 32")), "{warnings:?}");
    assert!(alone != beside, "past codes have a say");
    let (_, warnings) = fitted(24, "stein");
    for part in ["`buffer` has no effect", "fewer than 32 codes varies a lot; raise `batch`"] {
        assert!(warnings.iter().any(|w| w.contains(part)), "{warnings:?}");
    }
}

#[test]
fn a_model_without_a_bound_has_the_reconstruction_of_held_out_rows_in_its_history() {
    let settings = json!({"latent": 2, "hidden": [8], "epochs": 3, "family": "dirac"});
    let data = digits(80);
    let held = data.take_rows(&(60..80).collect::<Vec<_>>());
    let mut run = Run::new(1).with_held_out(held);
    let model = fit(settings, &data.take_rows(&(0..60).collect::<Vec<_>>()), &mut run).unwrap();
    let table = &model.tables()[1];
    assert_eq!(table.columns, ["epoch", "loss", "reconstruction of held-out rows"]);
    assert!(table.rows.len() == 3 && table.rows.iter().all(|row| row[2].parse::<f64>().unwrap() < 0.0), "{table:?}");
}
