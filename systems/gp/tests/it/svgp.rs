//! Settings of `svgp`: where inducing points start, the form of the posterior, and the likelihood; the last of other systems too.

use elbo_core::{AnySystem, Array, Data, ModelFile, Rng, Run};
use elbo_systems_gp::cvi_ep_hyper::CviEpHyper;
use elbo_systems_gp::memory_dual_gp::MemoryDualGp;
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

/// Rows whose target is one of two whole numbers, which is taken for two classes.
fn two_prices() -> Data {
    let x: Vec<f64> = (0..20).map(f64::from).collect();
    let y = x.iter().map(|x| if (x * 0.7).sin() > 0.0 { 20.0 } else { 10.0 }).collect();
    let arrays = vec![("x".into(), Array::new(&[20, 1], x)), ("price".into(), Array::new(&[20], y))];
    Data { source: "made".into(), arrays, target: Some("price".into()), ..Data::default() }
}

#[test]
fn likelihoods_of_numbers_are_refused_for_two_classes_before_the_fit() {
    let systems: [&dyn AnySystem; 3] = [&SvgpSystem, &MemoryDualGp, &CviEpHyper];
    for system in systems {
        for name in ["gaussian", "student_t", "laplace"] {
            let error = system.fit(&json!({ "likelihood": { "type": name } }), &two_prices(), &mut Run::new(1));
            let error = error.err().unwrap();
            let told = format!("{error}; {}", error.remedy());
            for part in ["`price`", "`likelihood`", name, "--task regression", "bernoulli_probit"] {
                assert!(told.contains(part), "{}: {told}", system.card().id);
            }
        }
    }
}

#[test]
fn a_likelihood_beside_multi_has_no_effect_and_this_is_said() {
    let fit = |settings: &Value| {
        let mut run = Run::new(1);
        let model = SvgpSystem.fit(settings, &wave(), &mut run).unwrap();
        let said = run.warnings().iter().any(|w| w.contains("`likelihood` has no effect where `multi` is given"));
        (model.summary().objective.unwrap().1, said)
    };
    let alone = json!({ "multi": { "type": "heteroscedastic" }, "inducing": 5, "steps": 3, "batch": 80 });
    let mut both = alone.clone();
    // One whose target stays in its own unit: the target of the other must not.
    both["likelihood"] = json!({ "type": "poisson" });
    let ((expected, is_said_alone), (bound, is_said)) = (fit(&alone), fit(&both));
    assert!(is_said && !is_said_alone);
    assert_eq!(bound, expected);
    let mut run = Run::new(1);
    let streamed = json!({
        "multi": { "type": "heteroscedastic" }, "likelihood": { "type": "poisson" },
        "inducing": 5, "batches": 1, "sweeps": 1, "moves": 0, "rounds": 1
    });
    MemoryDualGp.fit(&streamed, &wave(), &mut run).unwrap();
    assert!(run.warnings().iter().any(|w| w.contains("`likelihood` has no effect")), "{:?}", run.warnings());
}
