//! From a table to tensors and back: what every system on tabular data shares.

mod model;
mod noise;

pub use model::{Process, TableModel};
pub use noise::{describe_noise, middle_noise, take_noise_column};

use crate::kernel::Kernel;
use crate::likelihood::{Likelihood, LikelihoodMarginals};
use crate::priors::PriorsConfig;
use elbo_core::{Columns, Data, Error, Features, ModelFile, Prediction, Result, Run, Summary};
use elbo_dist::{GaussianMixtures, NormalScaleMixture, Normals};
use elbo_tensor::{Parameters, Tensor, stored};

/// The inputs as a tensor, `[N, D]`.
pub fn tensor(features: &Features) -> Tensor {
    Tensor::from_slice(&features.values, &[features.rows, features.dims])
}

/// Stores inputs in a model file.
pub fn save_features(file: &mut ModelFile, features: &Features) {
    file.put("x", &[features.rows, features.dims], &features.values);
}

/// Takes back what [`save_features`] stored, as these columns encode it.
///
/// # Errors
/// [`elbo_core::Error::ModelFile`] when it is missing, without rows, or not what these columns encode.
pub fn load_features(file: &ModelFile, columns: &Columns) -> Result<Features> {
    let mut features = features_like(columns);
    features.rows = file.rows("x", &[features.dims])?;
    features.values = file.get_as("x", &[features.rows, features.dims])?;
    let mut cells = features.values.iter().zip(features.levels.iter().cycle());
    let is_known =
        cells.all(|(code, levels)| *levels == 0 || (code.fract() == 0.0 && *code >= -1.0 && *code < *levels as f64));
    if features.values.is_empty() || !is_known {
        return Err(Error::misfit("the rows that the model keeps are not rows of its columns"));
    }
    Ok(features)
}

/// Points that carry a posterior, `[M, dims]`, of which a model file alone knows how many there are.
///
/// # Errors
/// [`elbo_core::Error::ModelFile`] when they are missing, none, or of another width.
pub fn stored_points(file: &ModelFile, name: &str, dims: usize) -> Result<Tensor> {
    let count = file.rows(name, &[dims])?;
    if count == 0 {
        return Err(Error::misfit(format!("array `{name}` holds no points")));
    }
    stored(file, name, &[count, dims])
}

/// Features without rows, as these columns encode them: enough to build a kernel.
pub fn features_like(columns: &Columns) -> Features {
    let level_count = |kind: &elbo_core::columns::ColumnKind| match kind {
        elbo_core::columns::ColumnKind::Number { .. } => 0,
        elbo_core::columns::ColumnKind::Category { levels } => levels.len(),
    };
    Features {
        rows: 0,
        dims: columns.inputs.len(),
        values: vec![],
        levels: columns.inputs.iter().map(|c| level_count(&c.kind)).collect(),
        names: columns.inputs.iter().map(|c| c.name.clone()).collect(),
    }
}

/// Encodes new rows, with a warning when some are outside what the model has seen.
///
/// # Errors
/// As [`Columns::encode`].
pub fn encode(columns: &Columns, data: &Data, run: &mut Run) -> Result<Tensor> {
    let features = columns.encode(data)?;
    warn_about_rows(columns, &features, run);
    Ok(tensor(&features))
}

/// Warns when some of these new rows are outside what the model has seen. What the model says there is its own affair: a stationary kernel goes
/// back to the mean, a linear one or a network goes on.
pub fn warn_about_rows(columns: &Columns, features: &Features, run: &mut Run) {
    use elbo_core::columns::ColumnKind;
    let rows = features.rows;
    for (d, column) in columns.inputs.iter().enumerate() {
        let cells = || (0..rows).map(|i| features.row(i)[d]);
        match &column.kind {
            ColumnKind::Category { .. } => {
                let unseen = cells().filter(|v| *v < 0.0).count();
                if unseen > 0 {
                    run.warn(format!(
                        "{unseen} of {rows} rows have a level of `{}` that was not seen in training; the training rows say nothing of it",
                        column.name
                    ));
                }
            }
            ColumnKind::Number { centre, scale, low, high } => {
                let width = (high - low).max(*scale);
                let far = cells().map(|v| centre + scale * v).filter(|v| *v < low - width || *v > high + width).count();
                if far > 0 {
                    run.warn(format!(
                        "{far} of {rows} rows have `{}` far outside the training range {low:.4} to {high:.4}; predictions there \
                         extrapolate, and the training rows say nothing of what holds there",
                        column.name
                    ));
                }
            }
        }
    }
}

/// Values of the scaled target, such as sample paths, in the target's own unit.
pub fn unscaled(values: Vec<f64>, columns: &Columns) -> Vec<f64> {
    let (shift, scale) = columns.target_scaling();
    values.into_iter().map(|v| shift + scale * v).collect()
}

/// Normal predictions of the target in its own unit, from means and variances of `f` and the noise variance, of the scaled target.
pub fn normal_prediction((mean, variance): (Vec<f64>, Vec<f64>), noise: f64, columns: &Columns) -> Prediction {
    let (shift, scale) = columns.target_scaling();
    let sd = variance.iter().map(|v| (v + noise).sqrt()).collect();
    Prediction::Numbers(Box::new(Normals { mean, sd }.unscaled(shift, scale)))
}

/// As [`normal_prediction`], with the errors, in standard deviations, distributed as `errors` instead of as a standard normal.
pub fn mixture_prediction(
    (mean, variance): (Vec<f64>, Vec<f64>),
    noise: f64,
    errors: &NormalScaleMixture,
    columns: &Columns,
) -> Prediction {
    let (shift, scale) = columns.target_scaling();
    let sds = variance.iter().flat_map(|v| errors.sds.iter().map(move |sd| sd * (v + noise).sqrt())).collect();
    Prediction::Numbers(Box::new(GaussianMixtures::around(&mean, errors.weights.clone(), sds).unscaled(shift, scale)))
}

/// The first of every set of rows that are equal in all inputs, in the target and in the noise that is known of them, in their order; `x: [N, D]`,
/// `y: [N]`, `known: [N]`.
pub fn without_copies(x: &Features, y: &[f64], known: Option<&[f64]>) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    let bits = |i: usize| {
        let noise = known.map(|known| &known[i..=i]).unwrap_or_default();
        x.row(i).iter().chain(&y[i..=i]).chain(noise).map(|v| (v + 0.0).to_bits()).collect::<Vec<u64>>()
    };
    (0..x.rows).filter(|i| seen.insert(bits(*i))).collect()
}

/// Predictions through a likelihood of the scaled target, from marginals of `f`.
pub fn likelihood_prediction(
    likelihood: &dyn Likelihood,
    mean: Vec<f64>,
    variance: Vec<f64>,
    (shift, scale): (f64, f64),
) -> Prediction {
    Prediction::Numbers(Box::new(
        LikelihoodMarginals::new(likelihood.clone_box(), mean, variance).unscaled(shift, scale),
    ))
}

/// What was learned, for people: relevance by column and every parameter.
pub fn summarise(kernel: &dyn Kernel, parameters: &dyn Parameters, names: &[String]) -> Summary {
    let mut summary = Summary::default();
    if let Some(relevance) = kernel.relevance(names.len()) {
        summary.relevance = names.iter().cloned().zip(relevance).collect();
    }
    parameters.visit(&mut |name, p| {
        let values = p.get().to_vec();
        if values.len() <= 64 {
            let shown: Vec<String> = values.iter().map(|v| format!("{v:.4}")).collect();
            let meaning = match p.prior() {
                _ if p.is_frozen() => "held".into(),
                Some(prior) => format!("learned, prior {}", prior.describe()),
                None => "learned".into(),
            };
            summary.parameters.push((name.into(), shown.join(", "), meaning));
        }
    });
    summary
}

/// Notes what a search reached: the evidence without the priors, and what was maximised where there are priors.
pub fn add_objective(summary: &mut Summary, name: &str, found: &crate::fit::Found, priors: &PriorsConfig) {
    summary.objective = Some((name.into(), found.evidence()));
    if !priors.is_empty() {
        summary.metrics.push(("log_prior".into(), found.log_prior));
        summary.text.push_str(&format!(
            " Hyperparameters maximise the posterior density of their natural values, without the Jacobian of the logarithm, under {}.",
            priors.describe()
        ));
    }
}

/// Warns when the noise explains nearly all of a target of variance one, and when it sits at its floor.
pub fn warn_about_noise(noise: f64, run: &mut Run) {
    if noise > 0.95 {
        run.warn(format!(
            "the noise explains {:.0} % of the target's variance: the inputs say nearly nothing about the target",
            100.0 * noise.min(1.0)
        ));
    } else if noise < 2.0 * crate::exact::NOISE_FLOOR {
        run.warn(
            "the noise is at its floor: the rows are interpolated exactly; intervals between rows may be too narrow",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_far_outside_and_unseen_levels_are_warned_of_for_any_model() {
        use elbo_core::{Array, Values};
        let table = |levels: [&str; 2], x: [f64; 4]| {
            let levels = levels.map(str::to_owned).to_vec();
            let codes = (0..4).map(|i| Some(i % 2)).collect();
            let arrays = vec![
                ("x".into(), Array::column(Values::F64(x.to_vec()))),
                ("colour".into(), Array::column(Values::Text { levels, codes })),
                ("y".into(), Array::column(Values::F64(vec![0.3, 1.2, 0.7, 2.1]))),
            ];
            Data { arrays, target: Some("y".into()), ..Data::default() }
        };
        let (columns, _) = Columns::learn(&table(["blue", "red"], [0.0, 1.0, 2.0, 3.0])).unwrap();
        let said = |levels, x| {
            let mut run = Run::new(1);
            encode(&columns, &table(levels, x), &mut run).unwrap();
            run.warnings().to_vec()
        };
        assert!(said(["red", "blue"], [-2.9, 0.0, 1.0, 5.9]).is_empty(), "up to a range's width beyond the range");
        let warnings = said(["mauve", "blue"], [0.0, 1.0, -3.1, 900.0]);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        let far = "2 of 4 rows have `x` far outside the training range 0.0000 to 3.0000; predictions there extrapolate";
        assert!(warnings.iter().any(|w| w.starts_with(far)), "{warnings:?}");
        let unseen = "2 of 4 rows have a level of `colour` that was not seen in training";
        assert!(warnings.iter().any(|w| w.starts_with(unseen)), "{warnings:?}");
        // Not every model goes back to its prior there.
        assert!(!warnings.iter().any(|w| w.contains("prior")), "{warnings:?}");
    }

    #[test]
    fn rows_of_different_known_noise_are_no_copies_in_any_order() {
        let x =
            Features { rows: 4, dims: 1, values: vec![1.0, 1.0, 1.0, 2.0], levels: vec![0], names: vec!["x".into()] };
        let y = [0.5; 4];
        assert_eq!(without_copies(&x, &y, None), [0, 3]);
        for known in [[0.1, 0.4, 0.1, 0.1], [0.4, 0.1, 0.4, 0.1]] {
            assert_eq!(without_copies(&x, &y, Some(&known)), [0, 1, 3]);
        }
    }
}
