//! Every ratio to a peer that the document holds, as one picture.

use super::{beside, infer, regret, works, worst};
use crate::error::{DevError, Result, read, write};
use crate::markers;
use crate::tables::tables;
use elbo::core::{Figure, Mark};
use elbo::report::svg::{Size, to_svg};
use std::path::{Path, PathBuf};

/// Where the picture is written.
pub const PICTURE: &str = "docs/pictures/ratios.svg";

/// Wide enough for the names; the height follows from the number of rows.
pub const SIZE: Size = Size { width: 900.0, height: 400.0 };

/// Settings of `peers plot`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The document that holds the tables.
    #[arg(long, default_value = "docs/benchmarks.md")]
    pub from: PathBuf,
}

/// One row of a table: our time in the peer's.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratio {
    /// What was done, as the table calls it.
    pub work: String,
    /// `n = 1000`; empty where the table has no sizes.
    pub size: String,
    /// The peer's name without its version.
    pub peer: String,
    /// Our time divided by the peer's.
    pub ratio: f64,
    /// The largest ratio that is asked for.
    pub limit: f64,
}

impl Ratio {
    /// A name for the picture, short enough not to be cut: `SVGP step, batch 1024 / GPyTorch`.
    pub fn name(&self) -> String {
        let comma = if self.size.is_empty() { "" } else { ", " };
        format!("{}{comma}{} / {}", self.short(), self.size.replace(" = ", " "), in_its_own_spelling(&self.peer))
    }

    /// The short name of the work; the title of a posterior or of a function up to the first comma.
    pub fn short(&self) -> &str {
        match self.found() {
            Some(work) => work.short,
            None => self.work.split_once(',').map_or(self.work.as_str(), |(name, _)| name),
        }
    }

    /// The work's name in tables of floors and on the command line.
    pub fn work_id(&self) -> Option<&'static str> {
        let posterior = || infer::MODELS.iter().find(|(_, title)| *title == self.work).map(|(id, _)| *id);
        let function = || regret::FUNCTIONS.iter().find(|(_, words)| *words == self.short()).map(|(id, _)| *id);
        self.found().map(|work| work.id).or_else(posterior).or_else(function)
    }

    fn found(&self) -> Option<&'static works::Work> {
        let mut works = [works::GP, works::NN, beside::MARKOV, beside::SPLAT, beside::CODEC].into_iter().flatten();
        works.find(|work| work.title == self.work)
    }
}

fn in_its_own_spelling(engine: &str) -> &str {
    match engine {
        "botorch" => "BoTorch",
        "gpytorch" => "GPyTorch",
        "jax" => "JAX",
        "numpyro" => "NumPyro",
        "sklearn" => "scikit-learn",
        "torch" => "PyTorch",
        other => other,
    }
}

/// The rows of all tables that have the columns `engine`, `elbo/peer` and `at most`, largest ratio first. The work stands in a
/// table's first column and counts until the next; rows that are not comparable are left out.
///
/// # Errors
/// [`DevError::Format`] for a ratio or a limit that is no positive number, and when there is no row at all.
pub fn ratios(page: &str) -> Result<Vec<Ratio>> {
    let mut found = vec![];
    for table in tables(page) {
        let columns = ["engine", "elbo/peer", "at most", "verdict"].map(|header| table.column(header));
        let [Some(engine), Some(ratio), Some(limit), Some(verdict)] = columns else { continue };
        let size = table.column("size");
        let mut work = String::new();
        for row in &table.rows {
            if !row[0].is_empty() {
                work.clone_from(&row[0]);
            }
            if row[ratio].is_empty() || row[verdict].contains("not comparable") {
                continue;
            }
            let number = |at: usize| match row[at].parse::<f64>() {
                Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
                _ => Err(DevError::format(format!("`{}` of {work}", row[at]), "expected a positive number")),
            };
            found.push(Ratio {
                work: work.clone(),
                size: size.map_or_else(String::new, |at| row[at].clone()),
                peer: row[engine].split_whitespace().next().unwrap_or_default().to_owned(),
                ratio: number(ratio)?,
                limit: number(limit)?,
            });
        }
    }
    if found.is_empty() {
        return Err(DevError::format("the document", "it has no table with the column `elbo/peer`"));
    }
    found.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    Ok(found)
}

/// Bars of the ratios on a logarithmic axis, with their numbers, a point at each limit and a line where both sides are equally fast.
pub fn figure(ratios: &[Ratio]) -> Figure {
    let rows = (0..ratios.len()).map(|row| row as f64).collect();
    let ends = vec![-0.5, ratios.len() as f64 - 0.5];
    Figure {
        name: "ratios".into(),
        caption: "Our time divided by the peer's for every row of the tables, with the largest ratio that is asked for; left of the line we are faster."
            .into(),
        x_label: "time of elbo / time of the peer".into(),
        y_label: String::new(),
        x_log: true,
        y_log: false,
        marks: vec![
            Mark::Bars {
                names: ratios.iter().map(Ratio::name).collect(),
                values: ratios.iter().map(|row| row.ratio).collect(),
            },
            Mark::Line { label: "as fast as the peer".into(), x: vec![1.0, 1.0], y: ends, dashed: true },
            Mark::Points {
                label: "asked for at most".into(),
                x: ratios.iter().map(|row| row.limit).collect(),
                y: rows,
                lower: vec![],
                upper: vec![],
            },
        ],
    }
}

/// Draws the picture from the tables, and writes the worst rows between the markers `peers-worst`; returns a sentence and these rows.
///
/// # Errors
/// As [`ratios`]; [`DevError::Faults`] when the document does not speak of one of the worst rows; [`DevError::File`].
pub fn plot(root: &Path, options: &Options) -> Result<String> {
    let path = root.join(&options.from);
    let page = read(&path)?;
    let found = ratios(&page)?;
    write(&root.join(PICTURE), &to_svg(&figure(&found), SIZE))?;
    let table = worst::table(&page, &found);
    write(&path, &markers::replace(&page, worst::MARKER, &table)?)?;
    let missing = worst::unspoken(&page, &found)?;
    if missing.is_empty() {
        Ok(format!("wrote {PICTURE}: {} rows; the largest ratios are\n{}", found.len(), table.trim_end()))
    } else {
        let why = format!("{} has no paragraph with their names in bold", options.from.display());
        Err(DevError::Faults(missing.iter().map(|name| format!("{name} is among the worst rows; {why}")).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
| work | size | engine | elbo/peer | at most | verdict |
|---|---|---|---:|---:|---|
| exact GP, fit to convergence on `concrete`, one start | n = 10 | elbo 0.1.0 | | | |
| | n = 10 | jax 0.10 | 0.5 | 0.25 | **missed** |
| | n = 10 | torch 2 | 0.7 | 1 | **not comparable**: no |

| scores | RMSE |
|---|---|
| a | 1 |

| posterior | engine | elbo/peer | at most | verdict |
|---|---|---:|---:|---|
| eight schools, non-centred, 10 unknowns | numpyro 0.22 | 0.9 | 1.00 | held |
";

    #[test]
    fn ratios_are_read_from_every_table_that_has_them() {
        let found = ratios(PAGE).unwrap();
        let names: Vec<String> = found.iter().map(Ratio::name).collect();
        assert_eq!(names, ["eight schools / NumPyro", "exact GP fitted, n 10 / JAX"]);
        assert_eq!((found[1].ratio, found[1].limit), (0.5, 0.25));
        assert_eq!(found.iter().map(Ratio::work_id).collect::<Vec<_>>(), [Some("schools"), Some("gp-fit")]);
        let levy = Ratio { work: "Levy's function, 8 variables, 80 trials".into(), ..found[0].clone() };
        assert_eq!(levy.work_id(), Some("levy"));
    }

    #[test]
    fn a_ratio_that_is_no_number_and_a_page_without_any_are_refused() {
        let error = ratios(&PAGE.replace("0.9", "fast")).unwrap_err().to_string();
        assert!(error.contains("`fast` of eight schools"), "{error}");
        assert!(ratios("text").unwrap_err().to_string().contains("no table"));
    }

    #[test]
    fn the_picture_has_a_bar_and_a_limit_for_each_row() {
        let found = ratios(PAGE).unwrap();
        let figure = figure(&found);
        let [Mark::Bars { names, values }, Mark::Line { .. }, Mark::Points { x, y, .. }] = &figure.marks[..] else {
            panic!("{:?}", figure.marks)
        };
        assert_eq!((names.len(), values, x, y), (2, &vec![0.9, 0.5], &vec![1.0, 0.25], &vec![0.0, 1.0]));
        let svg = to_svg(&figure, Size::default());
        assert!(
            svg.contains("eight schools / NumPyro") && svg.contains("asked for at most") && !svg.contains("No data")
        );
    }
}
