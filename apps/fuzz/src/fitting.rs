//! Fitting to tables with values that nobody expects.
//!
//! An input is a table in code: which system, how many rows and columns, what kind of target, how each column is made, and then the cells.

use elbo::core::{AnySystem, Array, Data, ModelFile, Run, Values};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Systems that are quick, and what their examples look like.
const SYSTEMS: [(&str, Target); 11] = [
    ("gpr", Target::Numbers),
    ("sgpr", Target::Numbers),
    ("svgp", Target::Classes),
    ("sdd-gp", Target::Numbers),
    ("cvtgp", Target::Numbers),
    ("fb-gvi", Target::Numbers),
    ("coin-sampling", Target::Numbers),
    ("markov-gp", Target::Numbers),
    ("vbll", Target::Numbers),
    ("aevb", Target::None),
    ("kde-mode", Target::None),
];

/// Most rows and columns: small enough for thousands of fits.
const ROWS: usize = 41;
const COLUMNS: usize = 4;
/// Bytes before the cells: system, rows, columns, target, and a way for each column and the target.
const HEAD: usize = 5 + COLUMNS;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    None,
    Numbers,
    Classes,
}

/// What a byte of a cell can stand for, besides a number between -3.2 and 3.2.
const VALUES: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1e300,
    -1e300,
    1e-300,
    5e-324,
    f64::MAX,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e16,
    1e9,
    -1e-9,
    2.5,
];

/// A column of `rows` cells, made in the way `way` from bytes; `before` is the column on its left.
fn column(way: u8, rows: usize, mut next: impl FnMut() -> u8, before: Option<&Vec<f64>>) -> Vec<f64> {
    let plain = |b: u8| (f64::from(b) - 128.0) / 40.0;
    match (way % 8, before) {
        (0, _) => vec![plain(next()); rows],
        (1, _) => vec![VALUES[usize::from(next()) % 16]; rows],
        (2, Some(before)) => before.clone(),
        (3, Some(before)) => before.iter().map(|v| 2.0 * v + 1.0).collect(),
        // Nearly constant, far from zero.
        (4, _) => (0..rows).map(|_| 1e9 + 1e-6 * plain(next())).collect(),
        (5, _) => (0..rows).map(|_| VALUES[usize::from(next()) % 16]).collect(),
        // One cell that is far out.
        (6, _) => {
            let (at, value) = (usize::from(next()) % rows.max(1), VALUES[usize::from(next()) % 16]);
            (0..rows).map(|i| if i == at { value } else { plain(next()) }).collect()
        }
        _ => (0..rows).map(|_| plain(next())).collect(),
    }
}

/// The system and the table of an input.
fn decoded(input: &[u8]) -> (&'static dyn AnySystem, Data) {
    let at = |k: usize| input.get(k).copied().unwrap_or(0);
    let (id, _) = SYSTEMS[usize::from(at(0)) % SYSTEMS.len()];
    let (rows, columns) = (usize::from(at(1)) % ROWS, usize::from(at(2)) % (COLUMNS + 1));
    // Cells that the input does not reach repeat those it has.
    let cells = input.get(HEAD..).filter(|c| !c.is_empty()).unwrap_or(&[0]);
    let mut place = 0;
    let mut next = || {
        place += 1;
        cells[(place - 1) % cells.len()]
    };
    let mut made: Vec<Vec<f64>> = vec![];
    for k in 0..columns {
        let values = column(at(4 + k), rows, &mut next, made.last());
        made.push(values);
    }
    let y = column(at(4 + COLUMNS), rows, &mut next, made.last());
    let mut arrays: Vec<(String, Array)> =
        made.into_iter().enumerate().map(|(k, values)| (format!("x{k}"), Array::new(&[rows], values))).collect();
    let target = match at(3) % 4 {
        0 => None,
        1 => Some(Array::new(&[rows], y)),
        kind => {
            // Some classes may have no row, and some rows no class.
            let levels: Vec<String> = (0..kind).map(|k| format!("class {k}")).collect();
            let code = |v: &f64| v.is_finite().then(|| (v.abs() * 3.0) as u32 % u32::from(kind));
            Some(Array::column(Values::Text { codes: y.iter().map(code).collect(), levels }))
        }
    };
    let name = target.is_some().then(|| "y".to_owned());
    arrays.extend(target.map(|array| ("y".to_owned(), array)));
    let data = Data { source: "input".into(), arrays, target: name, ..Data::default() };
    (elbo::find(id).expect("the system is registered"), data)
}

/// A smooth table of two inputs and a number, for models that have to work.
pub(crate) fn numbers(rows: usize) -> Data {
    let a: Vec<f64> = (0..rows).map(|i| (i as f64 * 0.618_034).fract() * 4.0 - 2.0).collect();
    let b: Vec<f64> = (0..rows).map(|i| (i as f64 * 0.414_214).fract() * 2.0).collect();
    let y = a.iter().zip(&b).map(|(a, b)| (1.5 * a).sin() + 0.5 * b).collect();
    let arrays = [("x0", a), ("x1", b), ("y", y)].map(|(name, values)| (name.to_owned(), Array::new(&[rows], values)));
    Data { source: "example".into(), arrays: arrays.into(), target: Some("y".into()), ..Data::default() }
}

/// Settings of a quick fit: those of these names that the system has.
pub(crate) fn quick(system: &dyn AnySystem) -> Value {
    let known = [
        ("starts", 1),
        ("iterations", 4),
        ("steps", 10),
        ("epochs", 2),
        ("inducing", 5),
        ("rounds", 1),
        ("warmup", 10),
        ("draws", 10),
        ("mixed", 3),
    ];
    let defaults = system.defaults();
    let mut settings = Map::new();
    for (name, value) in known {
        if defaults.get(name).is_some_and(|d| d.is_number() || d.is_null()) {
            let mut tried = settings.clone();
            tried.insert(name.into(), json!(value));
            if system.check_config(&Value::Object(tried.clone())).is_ok() {
                settings = tried;
            }
        }
    }
    Value::Object(settings)
}

/// A table without surprises for every system.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let one = |(k, (id, target)): (usize, &(&str, Target))| -> Vec<u8> {
        // A series has one column, of times, which may not repeat.
        let columns = if *id == "markov-gp" { 1 } else { 2 };
        let kind = match target {
            Target::None => 0,
            Target::Numbers => 1,
            Target::Classes => 2,
        };
        let head = [k as u8, 40, columns, kind, 7, 7, 7, 7, 7];
        // Any step that shares no factor with 256 visits every value once.
        head.into_iter().chain((0..=255u8).map(|i| i.wrapping_mul(97).wrapping_add(31))).collect()
    };
    SYSTEMS.iter().enumerate().map(one).collect()
}

/// Fits, saves, loads, and predicts. What was fitted can be loaded, and has the same summary.
pub(crate) fn run(input: &[u8]) -> bool {
    let (system, data) = decoded(input);
    let mut run = Run::new(7).with_time(Duration::from_secs(2));
    let Ok(model) = system.fit(&quick(system), &data, &mut run) else { return false };
    let mut file = ModelFile::new(system.card().id);
    if model.save(&mut file).is_err() {
        return false;
    }
    let read = ModelFile::from_bytes(&file.to_bytes()).expect("what was written can be read");
    let back = system.load(&read).expect("a model that was saved can be loaded");
    assert_eq!(back.summary().text, model.summary().text);
    if let Some(predictor) = back.as_predict()
        && let Ok(prediction) = predictor.predict(&data, &mut Run::new(7))
    {
        // Numbers that are not finite are an error here, and shown as one.
        let _ = elbo::check_prediction(&prediction);
    }
    true
}
