//! Model files that somebody made: the checksum is right, and the contents are those of no fit.
//!
//! An input is a list of edits in code: which model, and then six bytes an edit.

use crate::fitting::numbers;
use crate::models::fitted;
use elbo::core::{AnySystem, Data, DataKind, Error, ModelFile, Run};
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;

/// Systems that are quick, one of each way of keeping a model.
const SYSTEMS: [&str; 14] = [
    "gpr",
    "sgpr",
    "svgp",
    "sdd-gp",
    "cvtgp",
    "bayesian-gpr",
    "memory-dual-gp",
    "cvi-ep-hyper",
    "fb-gvi",
    "coin-sampling",
    "vbll",
    "markov-gp",
    "aevb",
    "red-diff",
];

/// Edits that are followed at most: each should be able to do harm alone.
const MOST_EDITS: usize = 4;

/// What a number of an array can become.
const NUMBERS: [f64; 8] = [f64::NAN, f64::INFINITY, 0.0, -1.0, 1e300, 1e-300, 0.5, 1000.0];

/// A table of the kind that the system takes.
fn example(system: &dyn AnySystem, rows: usize) -> Data {
    let mut data = numbers(rows);
    match system.data_kind() {
        DataKind::Rows => {
            data.arrays.retain(|(name, _)| name != "y");
            data.target = None;
        }
        DataKind::Series => data.arrays.retain(|(name, _)| name != "x1"),
        _ => {}
    }
    data
}

fn models() -> &'static [ModelFile] {
    static MODELS: OnceLock<Vec<ModelFile>> = OnceLock::new();
    let one = |id: &&str| fitted(id, &example(elbo::find(id).expect("the system is registered"), 30));
    MODELS.get_or_init(|| SYSTEMS.iter().map(one).collect())
}

/// Every model as it is, with room for edits.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    (0..models().len()).map(|k| [vec![k as u8], vec![0; 6 * MOST_EDITS]].concat()).collect()
}

/// The part of a tree that a number leads to.
fn part(tree: &mut Value, place: usize) -> &mut Value {
    let count = match tree {
        Value::Array(items) => items.len(),
        Value::Object(items) => items.len(),
        _ => 0,
    };
    if place == 0 || count == 0 {
        return tree;
    }
    let (child, rest) = ((place - 1) % count, (place - 1) / count);
    match tree {
        Value::Array(items) => part(&mut items[child], rest),
        Value::Object(items) => part(items.values_mut().nth(child).expect("there are more"), rest),
        leaf => leaf,
    }
}

/// Replaces a part of a fact, leaves something out, or repeats something.
fn change_fact(file: &mut ModelFile, key: &str, how: u8, place: usize, value: u8) {
    let mut tree: Value = file.fact(key).expect("the key is the file's own");
    let found = part(&mut tree, place);
    let is_done = match (how % 4, &mut *found) {
        (1, Value::Array(items)) => items.pop().is_some(),
        (2, Value::Array(items)) => {
            items.extend(items.last().cloned());
            true
        }
        (1 | 2, Value::Object(items)) => {
            let key = items.keys().nth(usize::from(value) % items.len().max(1)).cloned();
            key.and_then(|key| items.remove(&key)).is_some()
        }
        _ => false,
    };
    if !is_done {
        let values = [
            Value::Null,
            json!(0),
            json!(-1),
            json!(1e300),
            json!(u64::MAX),
            json!(""),
            json!([]),
            json!({}),
            json!(true),
            json!(0.5),
            json!(1000),
            json!("gaussian"),
        ];
        *found = values[usize::from(value) % values.len()].clone();
    }
    file.set(key, &tree);
}

/// Changes values or the shape of an array, or keeps it in another precision.
fn change_array(file: &mut ModelFile, name: &str, how: u8, place: usize, value: u8) {
    let mut shape = file.shape(name).expect("the name is the file's own").to_vec();
    let (mut values, is_single) = match (file.get(name), file.get_f32(name), file.get_i64(name)) {
        (Ok(values), ..) => (values, false),
        (_, Ok(values), _) => (values.into_iter().map(f64::from).collect(), true),
        (.., Ok(values)) => (values.into_iter().map(|v| v as f64).collect(), false),
        _ => return,
    };
    let number = NUMBERS[usize::from(value) % NUMBERS.len()];
    let row = values.len() / shape.first().copied().unwrap_or(1).max(1);
    match (how % 9, shape.first_mut()) {
        (0, _) if !values.is_empty() => {
            let at = place % values.len();
            values[at] = number;
        }
        (1, _) => values.fill(number),
        (2, _) => shape.reverse(),
        (3, _) => shape = vec![values.len()],
        (4, Some(rows)) if *rows > 0 => {
            *rows -= 1;
            values.truncate(*rows * row);
        }
        (5, Some(rows)) => {
            *rows = 0;
            values.clear();
        }
        (6, Some(rows)) => {
            *rows *= 2;
            values.extend_from_within(..);
        }
        (7, _) => shape.push(1),
        _ => {}
    }
    if is_single == (how % 9 == 8) {
        file.put(name, &shape, &values);
    } else {
        file.put_f32(name, &shape, &values.iter().map(|v| *v as f32).collect::<Vec<_>>());
    }
}

fn edit(file: &mut ModelFile, [what, which, how, low, high, value]: [u8; 6]) {
    let place = usize::from(u16::from_le_bytes([low, high]));
    let list: Vec<String> = match what % 3 {
        0 => return,
        1 => file.names().map(str::to_owned).collect(),
        _ => file.facts().map(str::to_owned).collect(),
    };
    if let Some(name) = list.get(usize::from(which) % list.len().max(1)) {
        if what % 3 == 1 {
            change_array(file, name, how, place, value);
        } else {
            change_fact(file, name, how, place, value);
        }
    }
}

/// Edits a model, seals it again, loads it, and uses what was loaded. What is refused is refused as a model file.
pub(crate) fn run(input: &[u8]) -> bool {
    let Some((first, edits)) = input.split_first() else { return false };
    let mut file = models()[usize::from(*first) % SYSTEMS.len()].clone();
    let (edits, _) = edits.as_chunks::<6>();
    edits.iter().take(MOST_EDITS).for_each(|one| edit(&mut file, *one));
    let Ok(file) = ModelFile::from_bytes(&file.to_bytes()) else { return false };
    let (card, model) = match elbo::rebuild(&file) {
        Ok(rebuilt) => rebuilt,
        Err(error) => {
            assert!(matches!(error, Error::ModelFile { .. }) && !error.remedy().is_empty(), "{error:?}");
            return false;
        }
    };
    let data = example(elbo::find(card.id).expect("the system is registered"), 5);
    let mut run = Run::new(7).with_time(Duration::from_secs(2));
    let _ = (model.summary(), model.tables(), model.figures(), model.validation());
    if let Some(predictor) = model.as_predict() {
        let _ = predictor.predict(&data, &mut run);
    }
    if let Some(sampler) = model.as_sample() {
        let _ = sampler.sample(3, &mut run);
    }
    if let Some(encoder) = model.as_encode() {
        let _ = encoder.encode(&data, &mut run);
    }
    if let Some(reconstructor) = model.as_reconstruct() {
        let _ = reconstructor.reconstruct(&data, &mut run);
    }
    if let Some(decoder) = model.as_decode() {
        let _ = decoder.traverse(3, &mut run).and_then(|codes| decoder.decode(&codes, &mut run));
    }
    if let Some(evaluator) = model.as_evaluate() {
        // As many draws as have a tail.
        let _ = evaluator.evaluate_each(&data, 30, &mut run);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_of_another_shape_and_one_of_other_settings_are_refused() {
        // The first array of `sgpr` flattened, emptied, and turned into something that is no number.
        for how in [3, 5, 0] {
            assert!(!run(&[1, 1, 0, how, 0, 0, 0]), "{how}");
        }
        let changed = |key: &str, place: usize, value: u8| {
            let mut file = models()[0].clone();
            change_fact(&mut file, key, 0, place, value);
            elbo::rebuild(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).map(drop)
        };
        assert!(changed("columns", 0, 6).is_err() && changed("config", 0, 5).is_err());
        assert!(run(&[0]));
    }
}
