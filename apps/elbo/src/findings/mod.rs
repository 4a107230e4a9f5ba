//! The report on a fit: what the model found, judged, with the pictures that its inputs allow. The program writes it as a file, the
//! Python package shows its heart.

mod generative;

pub use generative::{pairs, pictures};

use crate::record::{FitRecord, Scored};
use crate::scoring::{Observed, check_prediction};
use crate::words::{found, number};
use elbo_core::{Array, Card, Data, Figure, Marginals, Mark, Model, Prediction, Result, Run, Values};
use elbo_dist::scores::{ClassificationScores, classification};
use elbo_report::figures::FitCurve;
use elbo_report::{Basis, ClassMeasure, ClassificationEvidence, Context, RegressionEvidence, Report};
use std::path::Path;

/// Points of a curve, and of each side of a map.
const CURVE: usize = 200;
const MAP: usize = 40;
/// Sample paths in the picture of a curve.
const PATHS: usize = 5;

/// A finished fit.
pub struct Work<'a> {
    /// The system's card.
    pub card: &'static Card,
    /// The model.
    pub model: &'a dyn Model,
    /// Where it came from.
    pub record: &'a FitRecord,
    /// What the run recorded.
    pub run: &'a Run,
    /// How long it took.
    pub seconds: f64,
    /// Settings with their values, as they are shown.
    pub settings: Vec<(String, String)>,
}

/// Predictions of rows the model has not seen, scored.
pub struct Judged {
    /// Method and scores.
    pub scored: Scored,
    /// Whether rows were kept back, as opposed to the model's own validation.
    pub is_held_out: bool,
    /// The observed targets.
    pub observed: Observed,
    /// Their predictions.
    pub prediction: Prediction,
}

/// The report on a fit.
///
/// # Errors
/// Those of the model's verbs.
pub fn make(work: &Work<'_>, training: &Data, judged: Option<Judged>, held: Option<&Data>) -> Result<Report> {
    let context = context(work, training)?;
    Ok(match evidence(work, training, judged)? {
        Some(Evidence::Numbers(evidence)) => elbo_report::regression_report(context, &evidence),
        Some(Evidence::Classes(evidence)) => elbo_report::classification_report(context, &evidence),
        None => generative::make(context, work, training, held)?,
    })
}

/// Scores on rows the model has not seen: its own validation, or the rows kept back.
///
/// # Errors
/// When the rows do not have the model's columns or target, or arithmetic fails.
pub fn judge(model: &dyn Model, held: Option<&Data>, seed: u64) -> Result<Option<Judged>> {
    let (method, observed, prediction): (String, Observed, Prediction) = if let Some(data) = held {
        let Some(predictor) = model.as_predict() else { return Ok(None) };
        let prediction = predictor.predict(data, &mut Run::new(seed))?;
        ("held-out rows".into(), Observed::of(data, &prediction)?, prediction)
    } else if let Some(own) = model.validation() {
        (own.method.into(), Observed::of_values(own.observed, &own.prediction), own.prediction)
    } else {
        return Ok(None);
    };
    check_prediction(&prediction)?;
    let scores = serde_json::to_value(observed.score(&prediction)?).expect("scores are plain data");
    let rows = prediction.len();
    Ok(Some(Judged { scored: Scored { method, rows, scores }, is_held_out: held.is_some(), observed, prediction }))
}

/// What a model of data points thinks of those it has not seen.
///
/// # Errors
/// When they are not of the model's form.
pub fn bounds_of(model: &dyn Model, held: &Data, seed: u64) -> Result<Option<Scored>> {
    let Some(evaluator) = model.as_evaluate() else { return Ok(None) };
    let bounds = evaluator.evaluate(held, elbo_core::IMPORTANCE_DRAWS, &mut Run::new(seed))?;
    let scores = serde_json::to_value(&bounds).expect("bounds are plain data");
    Ok(Some(Scored { method: "held-out rows".into(), rows: bounds.rows, scores }))
}

enum Evidence {
    Numbers(RegressionEvidence),
    Classes(ClassificationEvidence),
}

/// What the report is judged on; the training rows where there is nothing better, and it says so.
fn evidence(work: &Work<'_>, training: &Data, judged: Option<Judged>) -> Result<Option<Evidence>> {
    let target = work.record.target.clone().unwrap_or_default();
    let (basis, observed, prediction) = match judged {
        Some(j) if j.is_held_out => (Basis::HeldOut, j.observed, j.prediction),
        Some(j) => (Basis::Validation(j.scored.method), j.observed, j.prediction),
        None => {
            let (Some(predictor), Some(_)) = (work.model.as_predict(), &training.target) else { return Ok(None) };
            let prediction = predictor.predict(training, &mut Run::new(work.record.seed))?;
            (Basis::Training, Observed::of(training, &prediction)?, prediction)
        }
    };
    Ok(Some(match (observed, prediction) {
        (Observed::Numbers(y), Prediction::Numbers(marginals)) => {
            let mut evidence = RegressionEvidence::new(&target, basis, y, marginals.as_ref());
            evidence.baseline = training.get(&target)?.to_f64().map(|y| {
                // Targets of pending trials are not there yet.
                let known: Vec<f64> = y.into_iter().filter(|v| !v.is_nan()).collect();
                known.iter().sum::<f64>() / known.len() as f64
            });
            Evidence::Numbers(evidence)
        }
        (Observed::Classes(truth), Prediction::Classes { classes, probabilities }) => {
            let base_rates = Some(base_rates(training, &target, &classes)?);
            let measures = measures(&classification(classes.len(), &probabilities, &truth)?);
            let evidence =
                ClassificationEvidence { target, basis, classes, truth, probabilities, base_rates, measures };
            Evidence::Classes(evidence)
        }
        _ => unreachable!("the observed values were made for this prediction"),
    }))
}

/// Scores of classes as the report shows them, under the names of `elbo evaluate`.
fn measures(scores: &ClassificationScores) -> Vec<ClassMeasure> {
    let ClassificationScores { lower, upper, calibration, .. } = scores;
    let mut found = vec![
        ClassMeasure::new("accuracy", "share of rows whose most probable class is right", scores.accuracy)
            .within(lower.accuracy, upper.accuracy),
        ClassMeasure::new("log_loss", "mean negative log probability of the observed class, in nats", scores.log_loss)
            .within(lower.log_loss, upper.log_loss),
        ClassMeasure::new("brier", "squared error of the probabilities, summed over classes", scores.brier)
            .within(lower.brier, upper.brier),
        ClassMeasure::new("ece", "mean gap between stated and observed, 15 bins of equal width", scores.ece)
            .within(lower.ece, upper.ece),
        ClassMeasure::new("ece_equal_mass", "as ece, bins of equally many rows", calibration.ece_equal_mass),
        ClassMeasure::new(
            "classwise",
            "as ece, of each class's own probability, averaged over classes",
            calibration.classwise,
        ),
        ClassMeasure::new(
            "squared_debiased",
            "mean squared gap less what chance alone gives; may be below zero",
            calibration.squared_debiased,
        ),
        ClassMeasure::new("mce", "largest gap of a bin", calibration.mce),
        ClassMeasure::new(
            "risk_coverage",
            "share of wrong rows among the surest, averaged over how many are kept",
            calibration.risk_coverage,
        ),
    ];
    let of_errors = "area under precision against recall for finding wrong rows by their doubt";
    found.extend(calibration.error_aupr.map(|area| ClassMeasure::new("error_aupr", of_errors, area)));
    found
}

fn base_rates(training: &Data, target: &str, classes: &[String]) -> Result<Vec<f64>> {
    let names = training.get(target)?.class_names(target)?;
    let share = |class: &String| names.iter().flatten().filter(|n| *n == class).count() as f64 / names.len() as f64;
    Ok(classes.iter().map(share).collect())
}

fn context(work: &Work<'_>, training: &Data) -> Result<Context> {
    let Work { card, model, record, run, seconds, settings } = work;
    let summary = model.summary();
    let about = if summary.text.is_empty() { card.title.to_owned() } else { summary.text.clone() };
    let target = record.target.as_ref().map(|t| format!("`{t}` of ")).unwrap_or_default();
    let mut tables = model.tables();
    tables.extend(run.tables().iter().cloned());
    let mut figures = model.figures();
    figures.extend(run.figures().iter().cloned());
    let found = found(&summary).map(|(name, value)| (name.clone(), number(*value), String::new()));
    let parameters = summary.parameters.iter().cloned().chain(found).collect();
    Ok(Context {
        // The whole path stands under the data.
        title: format!("{}{}", target.replace('`', ""), file_name(&record.data.source)),
        subtitle: format!("{} · {}", card.id, card.title),
        about,
        lead: lead(work, training)?,
        relevance: summary.relevance,
        learning: run.metrics().iter().filter(|(_, series)| series.len() > 1).cloned().collect(),
        parameters,
        figures,
        tables,
        warnings: run.warnings().to_vec(),
        data: data_facts(record, training),
        settings: settings.clone(),
        environment: vec![
            ("elbo".into(), env!("CARGO_PKG_VERSION").into()),
            ("system".into(), format!("{} ({})", card.id, card.source)),
            ("seed".into(), record.seed.to_string()),
            ("threads".into(), rayon::current_num_threads().to_string()),
            ("seconds".into(), number(*seconds)),
            ("machine".into(), format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ],
        command: record.command.clone(),
    })
}

fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn data_facts(record: &FitRecord, training: &Data) -> Vec<(String, String)> {
    let kind = |array: &Array| match &array.values {
        Values::Text { levels, .. } => format!("{} categories", levels.len()),
        _ if array.shape.len() == 2 => format!("matrix of {} columns", array.shape[1]),
        _ if array.shape.len() > 2 => format!("arrays of {:?}", &array.shape[1..]),
        _ => {
            let values = array.to_f64().expect("only text is not numeric");
            let (low, high) = bounds(&values);
            // Trials of an experiment may have no result yet.
            if low <= high { format!("{} to {}", number(low), number(high)) } else { "no values".into() }
        }
    };
    let mut facts = vec![
        ("file".into(), record.data.source.clone()),
        ("rows read".into(), record.data.rows.to_string()),
        ("rows fitted".into(), training.rows().to_string()),
        ("digest".into(), record.data.digest.clone()),
    ];
    facts.extend(record.notes.iter().map(|note| ("note".into(), note.clone())));
    for (name, array) in training.arrays.iter().take(60) {
        let role = if record.target.as_ref() == Some(name) { "target" } else { "input" };
        facts.push((format!("{role} `{name}`"), kind(array)));
    }
    if training.arrays.len() > 60 {
        facts.push(("further columns".into(), (training.arrays.len() - 60).to_string()));
    }
    facts
}

fn bounds(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)))
}

/// The numeric inputs, if there are no others: name and values.
fn numeric_inputs(record: &FitRecord, training: &Data) -> Option<Vec<(String, Vec<f64>)>> {
    let inputs = training.arrays.iter().filter(|(name, _)| record.target.as_ref() != Some(name));
    inputs
        .map(|(name, array)| Some((name.clone(), array.to_f64().filter(|_| array.shape.len() == 1)?)))
        .collect::<Option<Vec<_>>>()
        .map(|mut columns| {
            // Constant columns are not part of the model.
            columns.retain(|(_, values)| bounds(values).0 < bounds(values).1);
            columns
        })
}

/// The picture of the fit itself, where there are one or two numeric inputs.
fn lead(work: &Work<'_>, training: &Data) -> Result<Vec<Figure>> {
    let (Some(target), Some(inputs)) = (&work.record.target, numeric_inputs(work.record, training)) else {
        return Ok(vec![]);
    };
    Ok(match inputs.as_slice() {
        [x] => curve(work, training, target, x)?.into_iter().collect(),
        [x, y] => map(work, training, target, x, y)?.into_iter().collect(),
        _ => vec![],
    })
}

/// Evenly spaced over the data and a little beyond.
fn grid(values: &[f64], count: usize) -> Vec<f64> {
    let (low, high) = bounds(values);
    let margin = 0.06 * (high - low);
    let step = (high - low + 2.0 * margin) / (count - 1) as f64;
    (0..count).map(|i| low - margin + step * i as f64).collect()
}

/// A table of these inputs. Columns of the training data that are constant keep their value.
fn rows_of(training: &Data, target: &str, columns: &[(&str, Vec<f64>)]) -> Data {
    let count = columns[0].1.len();
    let constant = |name: &String, array: &Array| (name.clone(), array.take_rows(&vec![0; count]));
    let arrays = training.arrays.iter().filter(|(name, _)| name != target).map(|(name, array)| {
        match columns.iter().find(|(n, _)| n == name) {
            Some((_, values)) => (name.clone(), Array::new(&[count], values.clone())),
            None => constant(name, array),
        }
    });
    Data { source: "the grid of the report".into(), arrays: arrays.collect(), ..Data::default() }
}

fn curve(
    work: &Work<'_>,
    training: &Data,
    target: &str,
    (name, values): &(String, Vec<f64>),
) -> Result<Option<Figure>> {
    let Some(predictor) = work.model.as_predict() else { return Ok(None) };
    let Some(data_y) = training.get(target)?.to_f64() else { return Ok(None) };
    let x = grid(values, CURVE);
    let rows = rows_of(training, target, &[(name, x.clone())]);
    let mut run = Run::new(work.record.seed);
    let Prediction::Numbers(m) = predictor.predict(&rows, &mut run)? else { return Ok(None) };
    let paths = predictor.sample_paths(&rows, PATHS, &mut run)?;
    let band = |level: f64| {
        let (lower, upper): (Vec<f64>, Vec<f64>) = (0..CURVE).map(|i| m.interval(i, level)).unzip();
        (level, lower, upper)
    };
    Ok(Some(elbo_report::figures::fit_1d(&FitCurve {
        mean: (0..CURVE).map(|i| m.mean(i)).collect(),
        bands: vec![band(0.95), band(0.5)],
        samples: paths.map(|p| p.chunks(CURVE).map(<[f64]>::to_vec).collect()).unwrap_or_default(),
        data_x: values.clone(),
        data_y,
        x_label: name.clone(),
        y_label: target.into(),
        x,
    })))
}

type Input = (String, Vec<f64>);

fn map(
    work: &Work<'_>,
    training: &Data,
    target: &str,
    (x_name, x_values): &Input,
    (y_name, y_values): &Input,
) -> Result<Option<Figure>> {
    let Some(predictor) = work.model.as_predict() else { return Ok(None) };
    let (x, y) = (grid(x_values, MAP), grid(y_values, MAP));
    let across: Vec<f64> = (0..MAP * MAP).map(|i| x[i % MAP]).collect();
    let up: Vec<f64> = (0..MAP * MAP).map(|i| y[i / MAP]).collect();
    let rows = rows_of(training, target, &[(x_name, across), (y_name, up)]);
    match predictor.predict(&rows, &mut Run::new(work.record.seed))? {
        Prediction::Numbers(m) => Ok(Some(mean_map(m.as_ref(), target, (x_name, x, x_values), (y_name, y, y_values)))),
        Prediction::Classes { classes, probabilities } if classes.len() == 2 => {
            let values: Vec<f64> = probabilities.iter().skip(1).step_by(2).copied().collect();
            let names = training.get(target)?.class_names(target)?;
            let clouds: Vec<_> = classes
                .iter()
                .map(|class| {
                    let of = |v: &[f64]| {
                        v.iter().zip(&names).filter(|(_, n)| n.as_ref() == Some(class)).map(|(v, _)| *v).collect()
                    };
                    (class.clone(), of(x_values), of(y_values))
                })
                .collect();
            Ok(Some(elbo_report::figures::decision_map(&classes[1], &x, &y, &values, &clouds, (x_name, y_name))))
        }
        Prediction::Classes { .. } => Ok(None),
    }
}

fn mean_map(
    m: &dyn Marginals,
    target: &str,
    (x_name, x, data_x): (&str, Vec<f64>, &[f64]),
    (y_name, y, data_y): (&str, Vec<f64>, &[f64]),
) -> Figure {
    let values = (0..m.len()).map(|i| m.mean(i)).collect();
    let points =
        Mark::Points { label: "data".into(), x: data_x.to_vec(), y: data_y.to_vec(), lower: vec![], upper: vec![] };
    Figure {
        name: "mean-map".into(),
        caption: format!("Predicted mean of `{target}` over the two inputs; points are the data."),
        x_label: x_name.into(),
        y_label: y_name.into(),
        marks: vec![Mark::Heat { x, y, values }, points],
        ..Figure::default()
    }
}
