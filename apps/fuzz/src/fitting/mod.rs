//! Fitting every registered system to data with values that nobody expects.
//!
//! An input is a data set in code: which system, the form and the sizes, how each column is made, and then the cells. What the system asks for
//! ([`DataKind`]) decides what the code stands for.
//!
//! | what is asked for | what it gets | file |
//! |---|---|---|
//! | a target, a series, trials | a table | `table` |
//! | rows | a table, pictures of one size, or sequences | `table`, `arrays` |
//! | photographs | pictures of several sizes | `arrays` |
//! | a scene | a small scene with changed pictures, cameras and points | `arrays` |
//!
//! A system that is registered takes part by itself; where its seed is refused, because it asks for something else, the test names it. None is
//! left out: with the settings of [`quick`] each fits its seeds in a fraction of a second.

mod arrays;
mod table;

pub(crate) use table::numbers;

use elbo::core::{AnySystem, Classification, Data, DataKind, FromData, ModelFile, Run, Samples, Supervised};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Bytes before the cells: system, rows, columns, target, a way for each column and the target, form.
const HEAD: usize = 6 + table::COLUMNS;
/// A fit that has steps ends after so long; others are quick by their sizes.
const LONGEST: Duration = Duration::from_secs(2);

/// Systems without a target whose numbers must be counts.
const OF_COUNTS: [&str; 2] = ["rsvi", "cvhm"];
/// Systems without a target that take sequences `[sequences, times, numbers]`.
const OF_SEQUENCES: [&str; 2] = ["markovian-gpvae", "cvhm"];

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

/// The parts of an input.
struct Code<'a> {
    head: [u8; HEAD],
    /// At least one.
    cells: &'a [u8],
    place: usize,
}

impl<'a> Code<'a> {
    fn new(input: &'a [u8]) -> Self {
        let head = std::array::from_fn(|k| input.get(k).copied().unwrap_or(0));
        Self { head, cells: input.get(HEAD..).filter(|c| !c.is_empty()).unwrap_or(&[0]), place: 0 }
    }

    /// The next cell's byte. Cells that the input does not reach repeat those it has.
    fn next(&mut self) -> u8 {
        self.place += 1;
        self.cells[(self.place - 1) % self.cells.len()]
    }

    /// The next cell as a number below `count`.
    fn below(&mut self, count: usize) -> usize {
        usize::from(self.next()) % count
    }

    /// The next cell as one of [`VALUES`].
    fn strange(&mut self) -> f64 {
        VALUES[self.below(VALUES.len())]
    }

    /// The last byte of the head.
    fn form(&self) -> u8 {
        self.head[HEAD - 1]
    }
}

/// The system and the data of an input.
fn decoded(input: &[u8]) -> (&'static dyn AnySystem, Data) {
    let mut code = Code::new(input);
    let systems = elbo::systems();
    let system = systems[usize::from(code.head[0]) % systems.len()];
    let data = match (system.data_kind(), code.form() % 3) {
        (DataKind::Photographs, _) => arrays::photographs(&mut code),
        (DataKind::Scene, _) => arrays::scene(&mut code),
        (DataKind::Rows, 1) => arrays::pictures(&mut code),
        (DataKind::Rows, 2) => arrays::sequences(&mut code),
        _ => table::table(&mut code),
    };
    (system, data)
}

/// The least settings of a quick fit; of each name those that a system has.
fn least() -> [(&'static str, Value); 37] {
    [
        // How long.
        ("starts", json!(1)),
        ("iterations", json!(4)),
        ("steps", json!(10)),
        ("epochs", json!(1)),
        ("rounds", json!(1)),
        ("sweeps", json!(2)),
        ("moves", json!(2)),
        ("warmup", json!(10)),
        ("draws", json!(10)),
        ("chains", json!(2)),
        ("kept", json!(100)),
        ("mixed", json!(3)),
        ("shifts", json!(20)),
        ("lifts", json!(2)),
        ("resamples", json!(2)),
        ("permutations", json!(9)),
        ("entropy_steps", json!(2)),
        ("measured", json!(0)),
        // How large.
        ("batch", json!(8)),
        ("batches", json!(2)),
        ("inducing", json!(5)),
        ("points", json!(5)),
        ("particles", json!(5)),
        ("samples", json!(2)),
        ("frequencies", json!(10)),
        ("layers", json!([3])),
        ("hidden", json!([8])),
        ("widths", json!([4, 8])),
        ("encoder", json!([8])),
        ("decoder", json!([8])),
        ("latent", json!(2)),
        ("latents", json!(8)),
        ("second", json!(4)),
        ("width", json!(8)),
        ("hyper", json!(4)),
        ("crop", json!(32)),
        ("cap", json!(100)),
    ]
}

/// Settings of a quick fit: of these names those that the system has, as small as its schema allows.
pub(crate) fn quick(system: &dyn AnySystem) -> Value {
    let (defaults, schema) = (system.defaults(), system.schema());
    let mut settings = Map::new();
    for (name, value) in least() {
        let default = &defaults[name];
        let is_alike = if value.is_array() { default.is_array() } else { default.is_u64() || default.is_null() };
        if defaults.get(name).is_none() || !is_alike {
            continue;
        }
        let value = match (value.as_u64(), schema["properties"][name]["minimum"].as_f64()) {
            (Some(value), Some(minimum)) => json!(value.max(minimum as u64)),
            _ => value,
        };
        let mut tried = settings.clone();
        tried.insert(name.into(), value);
        if system.check_config(&Value::Object(tried.clone())).is_ok() {
            settings = tried;
        }
    }
    Value::Object(settings)
}

/// Data without surprises for every system, in every form that it takes.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut all = vec![];
    for (k, system) in elbo::systems().iter().enumerate() {
        let (id, needs) = (system.card().id, system.needs());
        let is_of_counts = OF_COUNTS.contains(&id);
        let way = if is_of_counts { table::COUNTS } else { table::PLAIN };
        // Rows, columns, kind of target, form.
        let forms: Vec<[u8; 4]> = match system.data_kind() {
            DataKind::Target if needs == Supervised::NEEDS => vec![[40, 2, 1, 0], [40, 2, 2, 0]],
            DataKind::Target if needs == Classification::NEEDS => vec![[40, 2, 2, 0]],
            DataKind::Target | DataKind::Trials => vec![[40, 2, 1, 0]],
            // A series has one column, of times, which may not repeat.
            DataKind::Series => vec![[40, 1, 1, 0]],
            DataKind::Rows if needs == Samples::NEEDS => vec![[40, 2, 0, 0], [12, 0, 0, 1]],
            DataKind::Rows if OF_SEQUENCES.contains(&id) => vec![[40, 2, 0, 0], [2, 3, 0, 2]],
            DataKind::Rows => vec![[40, 2, 0, 0]],
            DataKind::Photographs => vec![[1, 3, 0, 0]],
            DataKind::Scene => vec![[0, 0, 0, 0]],
        };
        for [rows, columns, kind, form] in forms {
            let head = [&[k as u8, rows, columns, kind][..], &[way; table::COLUMNS + 1], &[form]].concat();
            // Any step that shares no factor with 256 visits every value once.
            let cells = (0..=255u8).map(|i| i.wrapping_mul(97).wrapping_add(31));
            all.push(head.into_iter().chain(cells).collect());
        }
    }
    all
}

/// Fits, saves, loads, and predicts. What was fitted can be loaded, and has the same summary.
pub(crate) fn run(input: &[u8]) -> bool {
    let (system, data) = decoded(input);
    let mut run = Run::new(7).with_time(LONGEST);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_seeds_reach_every_registered_system_and_every_form() {
        let found: Vec<(&str, Data)> =
            seeds().iter().map(|seed| decoded(seed)).map(|(system, data)| (system.card().id, data)).collect();
        let reached: BTreeSet<&str> = found.iter().map(|(id, _)| *id).collect();
        let all: BTreeSet<&str> = elbo::systems().iter().map(|system| system.card().id).collect();
        assert_eq!(reached, all);
        for id in OF_COUNTS.iter().chain(&OF_SEQUENCES) {
            assert_eq!(elbo::find(id).unwrap().data_kind(), DataKind::Rows, "{id}");
        }
        let has = |id: &str, axes: usize| {
            found.iter().any(|(of, data)| *of == id && data.arrays.iter().any(|(_, array)| array.shape.len() == axes))
        };
        assert!(has("gpr", 1) && has("aevb", 1) && has("aevb", 3) && has("cvhm", 1) && has("cvhm", 3));
        assert!(has("hyperprior", 4) && has("gs-mcmc", 4));
    }

    #[test]
    fn quick_settings_are_as_small_as_the_schema_allows() {
        let of = |id: &str| quick(elbo::find(id).unwrap());
        assert_eq!((of("sdd-gp")["steps"].as_u64(), of("gpr")["starts"].as_u64()), (Some(100), Some(1)));
        assert_eq!((of("flow-vi")["draws"].as_u64(), &of("ddpm")["widths"]), (Some(100), &json!([4, 8])));
        // The width of a bin is a number of the data's unit, no size.
        assert!(of("cvhm").get("width").is_none());
        for system in elbo::systems() {
            system.check_config(&quick(system)).unwrap_or_else(|error| panic!("{}: {error}", system.card().id));
        }
    }

    #[test]
    fn the_shortest_inputs_are_data_of_some_kind() {
        let inputs: [&[u8]; 5] = [&[], &[255], &[3, 255, 255, 255, 255], &[0; HEAD], &[255; HEAD + 1]];
        for input in inputs {
            let (system, data) = decoded(input);
            for (name, array) in &data.arrays {
                let count: usize = array.shape.iter().product();
                assert_eq!(array.values.len(), count, "{} {name}", system.card().id);
            }
        }
    }
}
