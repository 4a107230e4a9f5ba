//! Times as a table holds them: numbers or dates.

use elbo_core::{Data, Error, Result, Values};
use elbo_markov::clock;
use serde::{Deserialize, Serialize};

/// The column of times, and how they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    /// Its name.
    pub column: String,
    is_date: bool,
}

impl Clock {
    /// The column that holds the times.
    pub fn find(data: &Data, named: Option<&str>) -> Result<Self> {
        let target = data.target()?;
        let others: Vec<&str> = data.arrays.iter().map(|(n, _)| n.as_str()).filter(|n| *n != target).collect();
        let column = match named {
            Some(name) => name,
            None if others.len() == 1 => others[0],
            None => {
                let known = ["time", "date", "datetime", "timestamp", "t", "year"];
                others.iter().copied().find(|n| known.contains(&n.to_lowercase().as_str())).ok_or_else(|| {
                    Error::data(
                        "it is not clear which column holds the times",
                        format!("name one with --time; columns: {}", others.join(", ")),
                    )
                })?
            }
        };
        let is_date = matches!(data.get(column)?.values, Values::Text { .. });
        Ok(Self { column: column.into(), is_date })
    }

    /// The times of these rows: numbers as they are, dates as days since 1970.
    pub fn read(&self, data: &Data) -> Result<Vec<f64>> {
        let array = data.get(&self.column)?;
        let wrong = |row: usize, found: &str| {
            let expected =
                if self.is_date { "a date such as 2020-05-17 or 2020-05-17T13:30" } else { "a finite number" };
            Error::data(
                format!("time `{}` of row {} is {found}, not {expected}", self.column, row + 1),
                "mend the cell, or name another column with --time",
            )
        };
        if let Values::Text { levels, codes } = &array.values {
            let parsed: Vec<Option<f64>> = levels.iter().map(|l| clock::parse_date(l)).collect();
            if !self.is_date {
                return Err(wrong(0, &format!("text, {:?}", levels.first().map_or("", String::as_str))));
            }
            return codes
                .iter()
                .enumerate()
                .map(|(row, code)| match code {
                    None => Err(wrong(row, "missing")),
                    Some(code) => {
                        parsed[*code as usize].ok_or_else(|| wrong(row, &format!("`{}`", levels[*code as usize])))
                    }
                })
                .collect();
        }
        if self.is_date {
            return Err(wrong(0, "a number"));
        }
        let values = array.to_f64().filter(|_| array.shape.len() == 1).ok_or_else(|| wrong(0, "not one number"))?;
        match values.iter().position(|v| !v.is_finite()) {
            Some(row) => Err(wrong(row, if values[row].is_nan() { "missing" } else { "infinite" })),
            None => Ok(values),
        }
    }

    /// Times as an axis shows them.
    pub fn shown(&self, times: &[f64]) -> Vec<f64> {
        times.iter().map(|t| if self.is_date { clock::year(*t) } else { *t }).collect()
    }

    /// What stands at such an axis.
    pub fn label(&self) -> String {
        if self.is_date { "year".into() } else { self.column.clone() }
    }
}
