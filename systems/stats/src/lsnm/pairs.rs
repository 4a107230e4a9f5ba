//! Pairs of variables: one from a table of two columns, or many.

use elbo_core::{Array, Data, Error, FromData, Result, Values};

/// One pair of variables.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Its name.
    pub name: String,
    /// The first variable, `[N]`.
    pub a: Vec<f64>,
    /// The second variable, `[N]`.
    pub b: Vec<f64>,
    /// Weight in scores: pairs from one source share a weight of one.
    pub weight: f64,
    /// Whether the first causes the second, where it is known.
    pub truth: Option<bool>,
}

/// Pairs of variables, in their own units.
///
/// A table of two numeric columns is one pair. With a column `pair` the rows belong to the pairs it names; columns `weight` and `truth` (1: the first
/// causes the second, -1: the other way round) may stand beside it. A table with a pair in each row, its samples as numbers separated by spaces in two
/// columns of text, is read too.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Names of the two variables.
    pub columns: [String; 2],
    /// The pairs, in the table's order.
    pub pairs: Vec<Pair>,
}

impl FromData for Pairs {
    const NEEDS: &'static str = "a table of two numeric columns, or of many such pairs named by a column `pair`";

    fn from_data(data: &Data) -> Result<Self> {
        if data.rows() == 0 {
            return Err(Error::data(
                format!("{} has no rows", data.source),
                "give a table with one row for each observation of the two variables",
            ));
        }
        data.check_rows()?;
        let read = match nested(data)? {
            Some(pairs) => pairs,
            None => long(data)?,
        };
        for pair in &read.pairs {
            for (name, values) in read.columns.iter().zip([&pair.a, &pair.b]) {
                check(&pair.name, name, values)?;
            }
        }
        Ok(read)
    }
}

fn check(pair: &str, column: &str, values: &[f64]) -> Result<()> {
    let place =
        if pair.is_empty() { format!("column `{column}`") } else { format!("column `{column}` of pair `{pair}`") };
    if let Some(row) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::data(
            format!("{place} has no finite value in row {}", row + 1),
            "fill the cell, or drop such rows with --missing drop",
        ));
    }
    if values.len() < 10 {
        return Err(Error::data(
            format!("{place} has {} rows", values.len()),
            "a direction needs at least 10 rows, better 500",
        ));
    }
    if values.iter().all(|v| *v == values[0]) {
        return Err(Error::data(
            format!("{place} is constant"),
            "a variable that does not vary is neither cause nor effect; give two that vary",
        ));
    }
    Ok(())
}

/// Columns `pair`, `weight`, `truth` where they are, and two more of numbers.
fn long(data: &Data) -> Result<Pairs> {
    let mut variables: Vec<(String, Vec<f64>)> = vec![];
    let (mut names, mut weights, mut truths) = (None, None, None);
    for (name, array) in &data.arrays {
        match name.to_lowercase().as_str() {
            "pair" => names = Some(array.class_names(name)?),
            "weight" => weights = Some(numbers(name, array)?),
            "truth" => truths = Some(numbers(name, array)?),
            _ if array.shape.len() == 2 => {
                let (values, width) = (numbers(name, array)?, array.shape[1]);
                for d in 0..width {
                    let column = values.iter().skip(d).step_by(width).copied().collect();
                    variables.push((format!("{name}[{d}]"), column));
                }
            }
            _ if array.shape.len() > 2 => {
                return Err(Error::data(
                    format!("array `{name}` has {} dimensions", array.shape.len()),
                    "give each variable as a column, or both as an array of shape [N, 2]",
                ));
            }
            _ => variables.push((name.clone(), numbers(name, array)?)),
        }
    }
    let found = variables.len();
    let listed = variables.iter().map(|(n, _)| n.as_str()).take(10).collect::<Vec<_>>().join(", ");
    let Ok([(a_name, a), (b_name, b)]) = <[_; 2]>::try_from(variables) else {
        return Err(Error::data(
            format!("there are {found} variables ({listed}) in {}; the direction is between two", data.source),
            "keep two columns, the others leave out with --drop NAME; a column `pair` may tell many pairs apart",
        ));
    };
    let mut pairs: Vec<Pair> = vec![];
    for row in 0..a.len() {
        let name = match &names {
            Some(names) => names[row].clone().ok_or_else(|| {
                Error::data(format!("column `pair` is empty in row {}", row + 1), "name the pair of every row")
            })?,
            None => String::new(),
        };
        // Rows of a pair mostly stand together.
        let place = match pairs.last() {
            Some(last) if last.name == name => Some(pairs.len() - 1),
            _ => pairs.iter().position(|p| p.name == name),
        };
        let place = match place {
            Some(place) => place,
            None => {
                let weight = weights.as_ref().map_or(1.0, |w| w[row]);
                if !(weight >= 0.0 && weight.is_finite()) {
                    return Err(Error::data(
                        format!("column `weight` has {weight} in row {}", row + 1),
                        "weights are numbers of at least zero",
                    ));
                }
                let truth = match truths.as_ref().map(|t| t[row]) {
                    None => None,
                    Some(1.0) => Some(true),
                    Some(-1.0) => Some(false),
                    Some(other) => {
                        return Err(Error::data(
                            format!("column `truth` has {other} in row {}", row + 1),
                            "write 1 where the first variable causes the second, and -1 for the other way round",
                        ));
                    }
                };
                pairs.push(Pair { name, a: vec![], b: vec![], weight, truth });
                pairs.len() - 1
            }
        };
        pairs[place].a.push(a[row]);
        pairs[place].b.push(b[row]);
    }
    Ok(Pairs { columns: [a_name, b_name], pairs })
}

fn numbers(name: &str, array: &Array) -> Result<Vec<f64>> {
    array.to_f64().ok_or_else(|| text(name))
}

fn text(name: &str) -> Error {
    Error::data(
        format!("column `{name}` holds text"),
        format!("both variables must be numbers; leave the column out with --drop {name}"),
    )
}

/// A pair in each row, its samples in two cells.
fn nested(data: &Data) -> Result<Option<Pairs>> {
    let lists = |(name, array): &(String, Array)| -> Option<(String, Vec<Vec<f64>>)> {
        let Values::Text { levels, codes } = &array.values else { return None };
        let parse = |code: &Option<u32>| {
            let cell = levels[(*code)? as usize].split_whitespace();
            cell.map(|v| v.parse::<f64>().ok()).collect::<Option<Vec<f64>>>().filter(|v| v.len() > 1)
        };
        Some((name.clone(), codes.iter().map(parse).collect::<Option<_>>()?))
    };
    let Ok([(a_name, a), (b_name, b)]) = <[_; 2]>::try_from(data.arrays.iter().filter_map(lists).collect::<Vec<_>>())
    else {
        return Ok(None);
    };
    let names = match data.arrays.iter().find(|(n, _)| *n != a_name && *n != b_name) {
        Some((name, array)) => array.class_names(name)?,
        None => vec![None; a.len()],
    };
    let mut pairs = vec![];
    for (row, ((a, b), name)) in a.into_iter().zip(b).zip(names).enumerate() {
        let name = name.unwrap_or_else(|| format!("pair{}", row + 1));
        if a.len() != b.len() {
            return Err(Error::data(
                format!("pair `{name}` has {} and {} numbers", a.len(), b.len()),
                "both variables of a pair need the same number of samples",
            ));
        }
        pairs.push(Pair { name, a, b, weight: 1.0, truth: None });
    }
    Ok(Some(Pairs { columns: [a_name, b_name], pairs }))
}
