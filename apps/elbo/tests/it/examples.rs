//! Small data for every kind of input, and settings that make a fit quick.

use elbo::core::{AnySystem, Array, Data, DataKind, Result, Rng, Values};
use elbo::splat::make::Recipe;
use serde_json::{Map, Value, json};

/// Names of the kinds of data.
pub const KINDS: [&str; 6] = ["numbers", "two classes", "three classes", "points", "counts", "series"];

/// Small pictures with waves.
fn photographs(count: usize) -> Data {
    let shape = [count, 14, 18, 3];
    let value = |i: usize| {
        let (picture, y, x, colour) = (i / 756, i / 54 % 14, i / 3 % 18, i % 3);
        (128.0 + 60.0 * ((y + picture) as f64 / 4.0).sin() + 50.0 * ((x * (colour + 1)) as f64 / 9.0).cos()) as u8
    };
    let values = Values::U8((0..shape.iter().product()).map(value).collect());
    let arrays = vec![("image".to_owned(), Array { shape: shape.into(), values })];
    Data { source: "example of photographs".into(), arrays, ..Data::default() }
}

/// So many small pictures of bodies on a table, with their cameras.
fn scene(pictures: usize) -> Data {
    let recipe = Recipe { views: pictures.max(1), size: 16, bodies: 1, points: 60, rays: 1, ..Recipe::default() };
    let data = elbo::splat::make::to_data(&elbo::splat::make::make(&recipe, 3).scene);
    if pictures == 0 { data.take_rows(&[]) } else { data }
}

/// A table of this kind: two inputs, and a target but for points and counts. Or photographs, or a scene.
pub fn example(kind: &str, rows: usize) -> Data {
    if kind == "photographs" {
        return photographs(rows);
    }
    if kind == "scene" {
        return scene(rows);
    }
    if kind == "series" {
        return series(rows);
    }
    let mut rng = Rng::new(11);
    let a: Vec<f64> = (0..rows).map(|_| rng.range(-2.0, 2.0)).collect();
    let b: Vec<f64> = (0..rows).map(|_| rng.range(-1.0, 1.0)).collect();
    let signal: Vec<f64> = (0..rows).map(|i| (1.5 * a[i]).sin() + 0.5 * b[i] + 0.1 * rng.normal()).collect();
    let column = |values: Vec<f64>| Array::new(&[rows], values);
    let classes = |names: &[&str], code: &dyn Fn(f64) -> u32| {
        let codes = signal.iter().map(|s| Some(code(*s))).collect();
        Array::column(Values::Text { levels: names.iter().map(|n| (*n).to_owned()).collect(), codes })
    };
    let target = match kind {
        "numbers" => Some(column(signal.iter().map(|s| 10.0 + 3.0 * s).collect())),
        "two classes" => Some(classes(&["no", "yes"], &|s| u32::from(s > 0.0))),
        "three classes" => Some(classes(&["low", "middle", "high"], &|s| u32::from(s > -0.4) + u32::from(s > 0.4))),
        _ => None,
    };
    let (a, b) = match kind {
        "counts" => {
            (a.iter().map(|v| (2.0 + v).round()).collect(), b.iter().map(|v| (3.0 + 3.0 * v).round()).collect())
        }
        _ => (a, b),
    };
    let mut arrays = vec![("a".to_owned(), column(a)), ("b".to_owned(), column(b))];
    let name = target.is_some().then(|| "y".to_owned());
    arrays.extend(target.map(|t| ("y".to_owned(), t)));
    Data { source: format!("example of {kind}"), arrays, target: name, ..Data::default() }
}

/// A wave with a trend at irregular times, in order.
fn series(rows: usize) -> Data {
    let mut rng = Rng::new(12);
    let t: Vec<f64> = (0..rows).map(|k| 0.25 * k as f64 + 0.1 * rng.uniform()).collect();
    let y = t.iter().map(|t| 5.0 + 0.2 * t + (2.0 * t).sin() + 0.1 * rng.normal()).collect();
    let arrays = vec![("t".to_owned(), Array::new(&[rows], t)), ("y".to_owned(), Array::new(&[rows], y))];
    Data { source: "example of series".into(), arrays, target: Some("y".into()), ..Data::default() }
}

/// Settings of a quick fit: those of these names that the system has.
pub fn quick(system: &dyn AnySystem) -> Value {
    let known = [
        ("starts", json!(1)),
        ("iterations", json!(8)),
        ("steps", json!(30)),
        ("epochs", json!(5)),
        ("inducing", json!(8)),
        ("rounds", json!(2)),
        ("warmup", json!(30)),
        ("draws", json!(20)),
        ("mixed", json!(6)),
        // Of codecs.
        ("latents", json!(8)),
        ("second", json!(4)),
        ("hyper", json!(4)),
        ("crop", json!(32)),
        ("entropy_steps", json!(2)),
    ];
    let defaults = system.defaults();
    let mut settings = Map::new();
    for (name, value) in known {
        if defaults.get(name).is_some_and(|d| d.is_number() || d.is_null()) {
            let mut tried = settings.clone();
            tried.insert(name.into(), value);
            if system.check_config(&Value::Object(tried.clone())).is_ok() {
                settings = tried;
            }
        }
    }
    Value::Object(settings)
}

/// Every kind of data that the system accepts, with a model of each. A system without a target is given points and counts.
pub fn fitted(system: &dyn AnySystem) -> Vec<(&'static str, Box<dyn elbo::core::Model>)> {
    let mut models = vec![];
    let mut refused = vec![];
    let kinds = match system.data_kind() {
        // Photographs are for systems that ask for nothing else.
        DataKind::Photographs => vec!["photographs"],
        DataKind::Scene => vec!["scene"],
        asked => {
            let takes = |kind: &&str| match *kind {
                "series" => asked == DataKind::Series,
                kind => asked.has_target() != matches!(kind, "points" | "counts"),
            };
            KINDS.into_iter().filter(takes).collect()
        }
    };
    for kind in kinds {
        match fit(system, &example(kind, 40)) {
            Ok(model) => models.push((kind, model)),
            Err(error) => refused.push(format!("{kind}: {error}")),
        }
    }
    assert!(!models.is_empty(), "no example was accepted: {}", refused.join("; "));
    models
}

/// A quick fit.
pub fn fit(system: &dyn AnySystem, data: &Data) -> Result<Box<dyn elbo::core::Model>> {
    system.fit(&quick(system), data, &mut elbo::core::Run::new(7))
}
