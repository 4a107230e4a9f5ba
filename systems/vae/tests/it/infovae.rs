//! `infovae` on digits and sequences, and what it refuses.

use elbo_core::{AnySystem, Array, Data, Error, Model, Run, Values};
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
    for divergence in ["mmd", "stein", "adversarial"] {
        let settings =
            json!({"latent": 2, "hidden": [16], "epochs": 2, "alpha": 0.0, "lambda": 10.0, "divergence": divergence});
        let model = fit(settings, &data, &mut Run::new(1)).unwrap();
        assert_eq!(model.tables()[0].rows.len(), 3, "{divergence}");
    }
    let without = fit(json!({"latent": 2, "epochs": 1, "alpha": 0.0, "lambda": 1.0}), &data, &mut Run::new(1)).unwrap();
    assert_eq!(without.tables()[0].rows.len(), 2, "the evidence lower bound has no aggregated term");
}

#[test]
fn settings_without_an_optimum_are_refused() {
    for (settings, part) in [
        (json!({"alpha": 1.5}), "without limit"),
        (json!({"alpha": 0.0, "lambda": 0.5}), "unbounded"),
        (json!({"divergence": "stein", "prior": "diagonal", "epochs": 1}), "take `mmd` for other priors"),
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
