//! Settings of `svgp`: where inducing points start, and the form of the posterior.

use elbo_core::{AnySystem, Array, Data, ModelFile, Rng, Run};
use elbo_systems_gp::svgp::SvgpSystem;
use serde_json::{Value, json};

/// A wave with noise over crowded inputs.
fn wave() -> Data {
    let mut rng = Rng::new(3);
    let x: Vec<f64> = (0..80).map(|_| rng.normal()).collect();
    let y = x.iter().map(|x| (2.0 * x).sin() + 0.1 * rng.normal()).collect();
    let arrays = vec![("x".into(), Array::new(&[80, 1], x)), ("y".into(), Array::new(&[80], y))];
    Data { source: "made".into(), arrays, target: Some("y".into()), ..Data::default() }
}

/// The bound a row, what `svgp.NAME` holds in the model's file, and the warnings.
fn fitted(settings: &Value, name: &str) -> (f64, Vec<f64>, Vec<String>) {
    let mut run = Run::new(1);
    let model = SvgpSystem.fit(settings, &wave(), &mut run).unwrap();
    let mut file = ModelFile::new("svgp");
    model.save(&mut file).unwrap();
    let stored = file.get(&format!("svgp.{name}")).unwrap();
    (model.summary().objective.unwrap().1 / 80.0, stored, run.warnings().to_vec())
}

#[test]
fn inducing_points_start_where_the_setting_says() {
    let points = |start: &str| {
        let held = json!({ "start": start, "inducing": 8, "move_inducing": false, "steps": 5, "batch": 80 });
        fitted(&held, "inducing").1
    };
    let [kmeans, pivoted, random] = ["kmeans", "pivoted", "random"].map(points);
    assert!(kmeans != pivoted && pivoted != random && kmeans != random);
    // Pivots of a stationary kernel take the ends of the data, beyond which no mean of rows lies.
    let reach = |points: &[f64]| points.iter().fold(0.0f64, |a, x| a.max(x.abs()));
    assert!(reach(&pivoted) > reach(&kmeans).max(reach(&random)) - 1e-9, "{pivoted:?} {kmeans:?} {random:?}");
    let default = json!({ "inducing": 8, "move_inducing": false, "steps": 5, "batch": 80 });
    assert_eq!(fitted(&default, "inducing").1, kmeans);
    let error = SvgpSystem.fit(&json!({ "start": "grid" }), &wave(), &mut Run::new(1)).err().unwrap().to_string();
    assert!(error.contains("start"), "{error}");
}

#[test]
fn a_diagonal_posterior_is_learned_and_says_what_has_no_effect() {
    let base = json!({ "inducing": 10, "steps": 600, "batch": 80 });
    let with = |name: &str, value: Value| {
        let mut settings = base.clone();
        settings[name] = value;
        settings
    };
    let diagonal = with("posterior", json!("diagonal"));
    let (bound, scales, warnings) = fitted(&diagonal, "q.scale");
    assert_eq!(scales.len(), 10, "one number for each variable");
    assert!(!warnings.iter().any(|w| w.contains("rho")), "{warnings:?}");
    // The wave is learned: without it the bound of a standardised target is below that of a standard normal.
    let nothing = -0.5 * (std::f64::consts::TAU.ln() + 1.0);
    assert!(bound > nothing + 0.3, "{bound} nats a row; {nothing} of the target's own spread");
    let mut idle = diagonal.clone();
    idle["rho"] = json!(0.5);
    let (_, _, warnings) = fitted(&idle, "q.scale");
    assert!(warnings.iter().any(|w| w.contains("`rho` has no effect with posterior=diagonal")), "{warnings:?}");
}
