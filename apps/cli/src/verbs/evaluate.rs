//! `elbo evaluate`.

use crate::args::Evaluate;
use crate::failure::Failure;
use crate::output::{columns, number, print, print_json, say, say_warnings};
use crate::table::for_model;
use elbo::core::{Card, Error, Model, Predict, Run};
use elbo::{Observed, check_prediction, record_of, refused};
use serde_json::Value;
use std::process::ExitCode;

/// Runs the verb.
pub fn run(args: &Evaluate, json: bool) -> Result<ExitCode, Failure> {
    let (card, model, file) = elbo::load_model(&args.model)?;
    let record = record_of(&file)?;
    if let Some(evaluator) = model.as_evaluate() {
        let data = for_model(&args.data, &args.reading, &file, &record, false)?;
        data.notes.iter().for_each(|note| say(json, note));
        let mut run = Run::new(record.seed);
        let bounds = evaluator.evaluate(&data, args.iwae as usize, &mut run)?;
        return told(serde_json::to_value(bounds).expect("bounds are plain data"), &run, json);
    }
    let predictor = predictor(card, model.as_ref(), "evaluate")?;
    if record.target.is_none() {
        return Err(refused(card, "evaluate").into());
    }
    let data = for_model(&args.data, &args.reading, &file, &record, true)?;
    data.notes.iter().for_each(|note| say(json, note));
    let mut run = Run::new(record.seed);
    let prediction = predictor.predict(&data, &mut run)?;
    check_prediction(&prediction)?;
    let scores = Observed::of(&data, &prediction)?.score_against(&prediction, record.target_normal.as_ref())?;
    told(serde_json::to_value(scores).expect("scores are plain data"), &run, json)
}

/// Prints the scores, with the warnings of the run that made them; their JSON has the name `warnings` only where there are any.
fn told(mut scores: Value, run: &Run, json: bool) -> Result<ExitCode, Failure> {
    say_warnings(json, run);
    if json {
        if !run.warnings().is_empty() {
            scores["warnings"] = run.warnings().into();
        }
        print_json(&scores)?;
    } else {
        print(&shown(&scores))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The model's predictive side, or a message with the verbs it has.
pub fn predictor<'a>(card: &Card, model: &'a dyn Model, verb: &str) -> Result<&'a dyn Predict, Error> {
    model.as_predict().ok_or_else(|| refused(card, verb))
}

/// Scores as lines of names and numbers.
pub fn shown(scores: &Value) -> String {
    let cell = |value: &Value| value.as_f64().map_or_else(|| "infinite".to_owned(), number);
    let mut rows = vec![];
    for (name, value) in scores.as_object().into_iter().flatten() {
        match value {
            Value::Object(levels) => rows.extend(levels.iter().map(|(level, value)| {
                let label = match level.parse::<f64>() {
                    Ok(share) => format!("  {name} at {} %", number(100.0 * share)),
                    Err(_) => format!("  {name} {level}"),
                };
                vec![label, cell(value)]
            })),
            value => rows.push(vec![format!("  {name}"), cell(value)]),
        }
    }
    columns(&rows)
}
