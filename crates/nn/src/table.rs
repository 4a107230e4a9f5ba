//! Tables as networks take them: numbers as they are, categories as one column a level.

use elbo_core::columns::ColumnKind;
use elbo_core::{Columns, Data, Features, Result, Run};
use elbo_tensor::Tensor;

/// Numbers that a network sees for each row.
pub fn width(columns: &Columns) -> usize {
    let of = |kind: &ColumnKind| match kind {
        ColumnKind::Number { .. } => 1,
        ColumnKind::Category { levels } => levels.len(),
    };
    columns.inputs.iter().map(|c| of(&c.kind)).sum()
}

/// Rows `[N, D']` in double precision: one number a numeric column, one a level of a category. A level unseen in training is all zeros.
pub fn one_hot(features: &Features) -> Tensor {
    let columns: usize = features.levels.iter().map(|l| (*l).max(1)).sum();
    let mut values = Vec::with_capacity(features.rows * columns);
    for i in 0..features.rows {
        for (value, levels) in features.row(i).iter().zip(&features.levels) {
            match levels {
                0 => values.push(*value),
                _ => values.extend((0..*levels).map(|l| f64::from(u8::from(*value == l as f64)))),
            }
        }
    }
    Tensor::from_vec(values, &[features.rows, columns])
}

/// Encodes new rows, with a warning where a category has a level that training did not see.
///
/// # Errors
/// As [`Columns::encode`].
pub fn encode(columns: &Columns, data: &Data, run: &mut Run) -> Result<Tensor> {
    let features = columns.encode(data)?;
    for (d, column) in columns.inputs.iter().enumerate().filter(|(d, _)| features.levels[*d] > 0) {
        let unseen = (0..features.rows).filter(|i| features.row(*i)[d] < 0.0).count();
        if unseen > 0 {
            run.warn(format!(
                "{unseen} rows have a level of `{}` that was not seen in training; they are predicted without one",
                column.name
            ));
        }
    }
    Ok(one_hot(&features))
}
