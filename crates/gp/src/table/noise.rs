//! A column of known measurement noise.

use elbo_core::columns::ColumnKind;
use elbo_core::{Error, Regression, Result};

/// Deviations beyond this many of the target's say nothing of their row, and take the digits of small ones beside them.
const MOST_NOISE: f64 = 1e9;

/// Takes the column of this name, standard deviations in the target's own unit, out of the inputs. Returns variances of the scaled target,
/// `[N]`.
///
/// # Errors
/// [`Error::Data`] where there is no such column of numbers that varies, where one is negative or beyond all measure, or where no other input is
/// left.
pub fn take_noise_column(input: &mut Regression, name: &str) -> Result<Vec<f64>> {
    let inputs = &input.columns.inputs;
    let Some(d) = inputs.iter().position(|column| column.name == name) else {
        return Err(Error::data(
            format!("`noise_column` is `{name}`, which is no input column that varies"),
            "name a column of standard deviations; noise that is the same in every row is learned without one",
        ));
    };
    let ColumnKind::Number { centre, scale, low, high, .. } = inputs[d].kind else {
        return Err(Error::data(
            format!("`noise_column` is `{name}`, which holds text"),
            "name a column of standard deviations",
        ));
    };
    if low < 0.0 {
        return Err(Error::data(
            format!("the noise column `{name}` holds {low}"),
            "give standard deviations in the target's unit, zero at least",
        ));
    }
    let (_, unit) = input.columns.target_scaling();
    if high > MOST_NOISE * unit {
        return Err(Error::data(
            format!("the noise column `{name}` holds {high:e}, for a target that varies by {unit:.3e}"),
            "leave out the rows whose error is unknown, or correct the column",
        ));
    }
    if inputs.len() == 1 {
        return Err(Error::data(
            format!("the noise column `{name}` is the only input"),
            "give at least one input column besides it and the target",
        ));
    }
    input.columns.inputs.remove(d);
    // A deviation of zero comes back from its standardised value with a rounding error.
    let variance = |cell: f64| ((centre + scale * cell).max(0.0) / unit).powi(2);
    Ok(input.x.remove_column(d).into_iter().map(variance).collect())
}

/// The variance that half of the rows do not exceed, which one badly measured row does not move; zero without any.
pub fn middle_noise(variances: &[f64]) -> f64 {
    let mut sorted = variances.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len().max(1) - 1) / 2).copied().unwrap_or(0.0)
}

/// One sentence for the summary: variances of the scaled target, whose unit is `unit`.
pub fn describe_noise(name: &str, variances: &[f64], unit: f64) -> String {
    let mean = variances.iter().sum::<f64>() / variances.len().max(1) as f64;
    format!(
        " Each row has the measurement noise that column `{name}` gives (root mean square {:.4}) besides the learned one.",
        unit * mean.sqrt()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::{Array, Data, FromData, Values};

    fn input(columns: Vec<(&str, Values)>) -> Regression {
        let arrays = columns.into_iter().map(|(name, values)| (name.into(), Array::column(values))).collect();
        let data = Data { source: "made".into(), arrays, target: Some("y".into()), ..Data::default() };
        Regression::from_data(&data).unwrap()
    }

    #[test]
    fn the_column_leaves_the_inputs_and_comes_back_as_variances_of_the_scaled_target() {
        let numbers = |v: &[f64]| Values::F64(v.to_vec());
        let columns = vec![
            ("a", numbers(&[1.0, 2.0, 4.0])),
            ("se", numbers(&[0.0, 0.5, 3.0])),
            ("b", numbers(&[5.0, 3.0, 4.0])),
            ("y", numbers(&[10.0, 30.0, 20.0])),
        ];
        let mut taken = input(columns.clone());
        let variances = take_noise_column(&mut taken, "se").unwrap();
        let without = input(columns.into_iter().filter(|(name, _)| *name != "se").collect());
        assert_eq!((&taken.x, &taken.columns), (&without.x, &without.columns));
        let (_, unit) = taken.columns.target_scaling();
        for (variance, sd) in variances.iter().zip([0.0, 0.5, 3.0f64]) {
            assert!((variance - (sd / unit).powi(2)).abs() < 1e-14, "{variance}");
        }
        assert!((middle_noise(&variances) - (0.5 / unit).powi(2)).abs() < 1e-14 && middle_noise(&[]) == 0.0);
        assert!(describe_noise("se", &variances, unit).contains("mean square 1.7559"));
    }

    #[test]
    fn columns_that_are_no_noise_are_refused_by_their_fault() {
        let numbers = |v: &[f64]| Values::F64(v.to_vec());
        let (y, varies) = (("y", numbers(&[1.0, 3.0, 2.0])), numbers(&[0.1, 0.2, 0.3]));
        for (columns, says) in [
            (vec![("se", varies.clone()), y.clone()], "is the only input"),
            (vec![("a", varies.clone()), y.clone()], "no input column that varies"),
            (vec![("a", varies.clone()), ("se", numbers(&[0.2; 3])), y.clone()], "no input column that varies"),
            (vec![("a", varies.clone()), ("se", numbers(&[0.2, -0.1, 0.3])), y.clone()], "holds -0.1"),
            (vec![("a", varies), ("se", numbers(&[0.1, 1e30, 0.3])), y], "holds 1e30"),
        ] {
            let error = take_noise_column(&mut input(columns), "se").unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
