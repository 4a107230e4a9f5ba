//! Evidences side by side around learned hyperparameters.

use elbo_core::{AnySystem, Array, Data, Error, Mark, Model, ModelFile, Rng, Run, Values};
use elbo_systems_gp::cvi_ep_hyper::CviEpHyper;
use serde_json::json;

/// Two classes of 30 rows, noisy in the way that the probit says.
fn waves() -> Data {
    let mut rng = Rng::new(3);
    let x: Vec<f64> = (0..60).map(|_| rng.range(-2.0, 2.0)).collect();
    let codes = x.chunks_exact(2).map(|x| Some(u32::from(rng.normal() < 2.0 * (2.0 * x[0]).sin() * x[1]))).collect();
    let levels = vec!["no".into(), "yes".into()];
    let arrays =
        vec![("x".into(), Array::new(&[30, 2], x)), ("class".into(), Array::column(Values::Text { levels, codes }))];
    Data { source: "waves".into(), arrays, target: Some("class".into()), ..Data::default() }
}

fn fitted(settings: serde_json::Value, run: &mut Run) -> Box<dyn Model> {
    (&CviEpHyper as &dyn AnySystem).fit(&settings, &waves(), run).unwrap()
}

#[test]
fn on_the_grid_the_bound_lies_below_the_truth_and_the_energy_is_nearer_to_it() {
    let mut run = Run::new(1);
    let model = fitted(json!({ "rounds": 3, "grid": 3 }), &mut run);
    let tables = model.tables();
    let table = &tables[0];
    assert_eq!((tables.len(), table.name.as_str(), table.rows.len()), (1, "evidence", 9));
    let (mut energy_error, mut ep_error, mut bound_error) = (0.0, 0.0, 0.0);
    for row in &table.rows {
        let cells: Vec<f64> = row.iter().map(|cell| cell.parse().unwrap()).collect();
        let [_, _, bound, energy, ep, laplace, sampled, error] = cells[..] else { panic!("{row:?}") };
        // Cells have three decimals.
        assert!(bound < sampled + 5.0 * error + 1e-3, "{row:?}");
        assert!((ep - sampled).abs() < (bound - sampled).abs() + 5.0 * error + 1e-3, "{row:?}");
        // Laplace's lies below the bound nearly everywhere, and above it by little.
        assert!(laplace < bound + 0.5 && laplace > bound - 3.0, "{row:?}");
        ep_error += (ep - sampled).abs();
        energy_error += (energy - sampled).abs();
        bound_error += (bound - sampled).abs();
    }
    assert!(energy_error < 0.5 * bound_error, "{energy_error} and {bound_error}");
    assert!(ep_error < 0.5 * bound_error, "{ep_error} and {bound_error}");
    // The middle is what was learned, where the bound is that of the summary.
    let summary = model.summary();
    let learned = summary.metrics.iter().find(|(name, _)| name == "elbo").unwrap().1;
    let middle: f64 = table.rows[4][2].parse().unwrap();
    assert!((middle - learned).abs() < 0.01, "{middle} and {learned}");

    let figure = run.figures().iter().find(|f| f.name == "evidence").unwrap();
    let Mark::Heat { x, y, values } = &figure.marks[0] else { panic!("the first mark is the map") };
    assert_eq!((x.len(), y.len(), values.len()), (3, 3, 9));
    for (value, row) in values.iter().zip(&table.rows) {
        assert_eq!(format!("{value:.3}"), row[6]);
    }

    let mut file = ModelFile::new("cvi-ep-hyper");
    model.save(&mut file).unwrap();
    let back = (&CviEpHyper as &dyn AnySystem).load(&file).unwrap();
    assert_eq!(back.tables(), tables);
}

#[test]
fn the_grid_changes_nothing_of_the_model_and_is_absent_unless_asked_for() {
    let plain = fitted(json!({ "rounds": 2 }), &mut Run::new(1));
    let compared = fitted(json!({ "rounds": 2, "grid": 1 }), &mut Run::new(1));
    assert!(plain.tables().is_empty());
    assert_eq!(compared.tables()[0].rows.len(), 1);
    assert_eq!(plain.summary(), compared.summary());
}

#[test]
fn a_kernel_of_several_parts_has_no_grid_and_inducing_points_have_none_either() {
    let system: &dyn AnySystem = &CviEpHyper;
    let settings = json!({ "kernel": "rbf + linear", "rounds": 1, "grid": 3 });
    match system.fit(&settings, &waves(), &mut Run::new(1)) {
        Err(Error::Setting { setting, .. }) => assert_eq!(setting, "grid"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted"),
    }
    let mut run = Run::new(1);
    let model = fitted(json!({ "rounds": 1, "grid": 3, "most_dense_rows": 10, "inducing": 10 }), &mut run);
    assert!(model.tables().is_empty());
    assert!(run.warnings().iter().any(|w| w.contains("`grid` has no effect")), "{:?}", run.warnings());
}
