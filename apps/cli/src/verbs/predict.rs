//! `elbo predict`.

use super::evaluate::predictor;
use crate::args::Predict;
use crate::failure::Failure;
use crate::output::{named_file, print_json, say, say_warnings};
use crate::table::for_model;
use elbo::core::{Error, Prediction, Run};
use elbo::{check_prediction, record_of};
use elbo_data::{Cells, write_table};
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// Runs the verb.
pub fn run(args: &Predict, json: bool) -> Result<ExitCode, Failure> {
    let (card, model, file) = elbo::load_model(&args.model)?;
    let record = record_of(&file)?;
    let predictor = predictor(card, model.as_ref(), "predict")?;
    let out = named_file(args.out.as_deref());
    if let Some(out) = out {
        super::fit::check_writable(out, &[args.data.as_ref(), &args.model])?;
    }
    let data = for_model(&args.data, &args.reading, &file, &record, false)?;
    data.notes.iter().for_each(|note| say(json, note));
    if data.rows() == 0 {
        return Err(Error::data(format!("{} has no rows to predict", args.data), "give at least one row").into());
    }
    let mut run = Run::new(record.seed);
    let prediction = predictor.predict(&data, &mut run)?;
    check_prediction(&prediction)?;
    say_warnings(json, &run);
    let columns = columns(&prediction, args.level)?;
    let rows = prediction.len();
    if out.is_some() || !json {
        write_table(out, &columns)?;
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    match (out, json) {
        (None, false) => {}
        (Some(out), false) => say(json, format!("{rows} rows written to {}", out.display())),
        (out, true) => {
            let mut object = json!({
                "system": card.id,
                "rows": rows,
                "level": args.level,
                "columns": names,
                "warnings": run.warnings(),
            });
            match out {
                Some(out) => object["out"] = out.display().to_string().into(),
                None => {
                    let cells = columns.into_iter().map(|(name, cells)| (name, values(cells)));
                    object["predictions"] = Value::Object(cells.collect::<Map<_, _>>());
                }
            }
            print_json(&object)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn columns(prediction: &Prediction, level: f64) -> Result<Vec<(String, Cells)>, Error> {
    match prediction {
        Prediction::Numbers(m) => {
            let each = |f: &dyn Fn(usize) -> f64| (0..m.len()).map(f).collect::<Vec<f64>>();
            let (lower, upper): (Vec<f64>, Vec<f64>) = (0..m.len()).map(|i| m.interval(i, level)).unzip();
            if let Some(row) = (0..m.len()).find(|i| !(lower[*i].is_finite() && upper[*i].is_finite())) {
                return Err(Error::numerical(
                    format!("the interval of row {} has no finite ends at level {level}", row + 1),
                    "ask for a smaller --level",
                ));
            }
            let columns =
                [("mean", each(&|i| m.mean(i))), ("sd", each(&|i| m.sd(i))), ("lower", lower), ("upper", upper)];
            Ok(columns.map(|(name, values)| (name.to_owned(), Cells::Numbers(values))).into())
        }
        Prediction::Classes { classes, probabilities } => {
            let width = classes.len();
            let best = elbo_report::figures::most_probable(probabilities, width);
            let labels = best.into_iter().map(|c| classes[c].clone()).collect();
            let mut columns = vec![("label".to_owned(), Cells::Text(labels))];
            for (c, class) in classes.iter().enumerate() {
                let p = probabilities.iter().skip(c).step_by(width).copied().collect();
                columns.push((format!("p_{class}"), Cells::Numbers(p)));
            }
            Ok(columns)
        }
    }
}

fn values(cells: Cells) -> Value {
    match cells {
        Cells::Numbers(values) => values.into_iter().map(Value::from).collect(),
        Cells::Text(values) => values.into_iter().map(Value::from).collect(),
    }
}
