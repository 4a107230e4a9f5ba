//! What `fb-gvi` and `flow-vi` keep of the approximation that they fitted.

use elbo_core::{AnySystem, Array, Data, Model, ModelFile, Rng, Run, System};
use elbo_systems_inference::fb_gvi::FbGvi;
use elbo_systems_inference::flow_vi::FlowVi;
use serde_json::{Value, json};

const ROWS: usize = 40;

/// A noisy line.
fn line() -> Data {
    let mut rng = Rng::new(8);
    let x = rng.normals(ROWS);
    let y = x.iter().map(|x| 1.0 - 2.0 * x + rng.normal()).collect();
    let arrays = vec![("x".into(), Array::new(&[ROWS], x.clone())), ("y".into(), Array::new(&[ROWS], y))];
    Data { source: "line".into(), arrays, target: Some("y".into()), ..Data::default() }
}

fn saved(system: &dyn AnySystem, settings: &Value, id: &str, run: &mut Run) -> (Box<dyn Model>, ModelFile) {
    let model = system.fit(settings, &line(), run).unwrap();
    let mut file = ModelFile::new(id);
    model.save(&mut file).unwrap();
    (model, ModelFile::from_bytes(&file.to_bytes()).unwrap())
}

fn columns(model: &dyn Model, count: usize, seed: u64) -> Vec<(String, Vec<f64>)> {
    let drawn = model.as_sample().unwrap().sample(count, &mut Run::new(seed)).unwrap();
    drawn.arrays.iter().map(|(name, column)| (name.clone(), column.to_f64().unwrap())).collect()
}

#[test]
fn mean_and_factor_of_the_gaussian_are_in_the_file_and_explain_the_draws() {
    const KEPT: usize = 4000;
    let mut run = Run::new(1);
    let (model, file) = saved(&FbGvi, &json!({ "steps": 300, "kept": KEPT }), "fb-gvi", &mut run);
    let (mean, chol) = (file.get("approximation.mean").unwrap(), file.get("approximation.chol").unwrap());
    assert_eq!((mean.len(), chol.len()), (3, 9));
    assert_eq!([chol[1], chol[2], chol[5]], [0.0; 3], "a lower factor");
    let draws = file.get("draws").unwrap();
    for d in 0..3 {
        let sd = chol[3 * d..3 * d + 3].iter().map(|l| l * l).sum::<f64>().sqrt();
        let found = draws.iter().skip(d).step_by(3).sum::<f64>() / KEPT as f64;
        assert!((found - mean[d]).abs() < 5.0 * sd / (KEPT as f64).sqrt(), "unknown {d}: {found} and {}", mean[d]);
    }
    let centre: Vec<f64> = (0..3).map(|d| draws.iter().skip(d).step_by(3).sum::<f64>() / KEPT as f64).collect();
    let covariance = |a: usize, b: usize| (0..3).map(|k| chol[3 * a + k] * chol[3 * b + k]).sum::<f64>();
    for (a, b) in [(0, 0), (1, 1), (2, 2), (1, 0), (2, 0), (2, 1)] {
        let products = draws.chunks_exact(3).map(|z| (z[a] - centre[a]) * (z[b] - centre[b]));
        let (found, expected) = (products.sum::<f64>() / KEPT as f64, covariance(a, b));
        let error = ((covariance(a, a) * covariance(b, b) + expected * expected) / KEPT as f64).sqrt();
        assert!((found - expected).abs() < 5.0 * error, "covariance of {a} and {b}: {found} and {expected}");
    }
    let tables = model.tables();
    let names: Vec<&str> = tables.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["posterior", "posterior-factor"]);
    assert_eq!(tables[0].rows[2][0], "log noise");
    assert_eq!(tables[0].rows[1][1], format!("{:.6}", mean[1]));
    assert_eq!(AnySystem::load(&FbGvi, &file).unwrap().tables(), tables);
    let norms = run.metrics().iter().find(|(name, _)| name == "gradient norm").expect("recorded");
    assert_eq!(norms.1.len(), 299);
    assert!(norms.1.iter().all(|(_, norm)| norm.is_finite() && *norm >= 0.0));
    let mut forged = file.clone();
    forged.put("approximation.chol", &[3, 3], &[0.0; 9]);
    assert!(AnySystem::load(&FbGvi, &forged).is_err());
}

#[test]
fn a_flow_is_kept_and_drawn_from_anew_with_the_density_of_each_draw() {
    for flow in ["spline:2x4", "planar:2", "iaf:2x4"] {
        let settings = json!({ "flow": flow, "steps": 100, "batch": 16, "draws": 100 });
        let (model, file) = saved(&FlowVi, &settings, "flow-vi", &mut Run::new(2));
        let back = System::load(&FlowVi, &file).unwrap();
        let drawn = columns(model.as_ref(), 300, 5);
        assert_eq!(columns(&back, 300, 5), drawn, "{flow}");
        let names: Vec<&str> = drawn.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["intercept", "x", "noise", "log_density"]);
        let mut distinct = drawn[1].1.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        assert_eq!(distinct.len(), 300, "{flow}: more draws than were kept, and none twice");
        let points: Vec<f64> = (0..300).flat_map(|i| [drawn[0].1[i], drawn[1].1[i], drawn[2].1[i].ln()]).collect();
        match back.log_density(&points) {
            Ok(found) => {
                assert_ne!(flow, "planar:2");
                for (i, found) in found.iter().enumerate() {
                    // Of the standard deviation of the noise, not of its logarithm.
                    let expected = drawn[3].1[i] + points[3 * i + 2];
                    assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "{flow}: {found}, {expected}");
                }
            }
            Err(error) => {
                assert_eq!(flow, "planar:2");
                assert!(error.to_string().contains("no closed inverse"), "{error}");
            }
        }
        assert!(back.log_density(&points[..4]).unwrap_err().to_string().contains("4 numbers"));
    }
}

#[test]
fn several_starts_of_a_flow_agree_on_one_mode_and_the_best_is_kept() {
    let settings = json!({ "flow": "planar:2", "steps": 200, "batch": 16, "draws": 500, "starts": 2 });
    let mut run = Run::new(6);
    let (model, file) = saved(&FlowVi, &settings, "flow-vi", &mut run);
    let tables = model.tables();
    let starts = tables.iter().find(|table| table.name == "starts").expect("two starts are compared");
    let bounds: Vec<f64> = starts.rows.iter().map(|row| row[2].parse().unwrap()).collect();
    let summary = model.summary();
    let kept = summary.objective.as_ref().unwrap().1;
    assert_eq!(bounds.len(), 2);
    assert!(bounds.iter().all(|bound| *bound <= kept + 1e-4), "{bounds:?} and {kept}");
    assert_eq!(starts.rows.iter().filter(|row| row[1] == "yes").count(), 1);
    let apart = summary.metrics.iter().find(|(name, _)| name == "starts_apart").unwrap().1;
    assert!(apart < 1.0, "a linear regression has one mode: {apart}");
    assert!(!run.warnings().iter().any(|warning| warning.contains("several modes")), "{:?}", run.warnings());
    assert_eq!(AnySystem::load(&FlowVi, &file).unwrap().tables(), tables);
    // One start is the first of two, and says nothing of others.
    let alone = saved(
        &FlowVi,
        &json!({ "flow": "planar:2", "steps": 200, "batch": 16, "draws": 500 }),
        "flow-vi",
        &mut Run::new(6),
    )
    .0;
    assert!(alone.summary().metrics.iter().all(|(name, _)| name != "starts_apart"));
    assert_eq!(format!("{:.4}", alone.summary().objective.unwrap().1), starts.rows[0][2]);
}
