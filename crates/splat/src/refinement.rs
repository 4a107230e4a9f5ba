//! What every refinement did to the number of Gaussians: written down during the fit, kept in the model, shown as a table and as curves.

use elbo_core::{Error, Figure, Mark, ModelFile, Result, Table};

/// How many Gaussians something was done to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Dead ones moved onto living ones.
    pub relocated: usize,
    /// Added to come closer to the cap.
    pub added: usize,
    /// Small ones doubled.
    pub cloned: usize,
    /// Large ones replaced by two.
    pub split: usize,
    /// Deleted.
    pub pruned: usize,
}

impl Counts {
    /// Each count with its name, in the order in which they are shown.
    pub fn named(&self) -> [(&'static str, usize); 5] {
        [
            ("relocated", self.relocated),
            ("added", self.added),
            ("cloned", self.cloned),
            ("split", self.split),
            ("deleted", self.pruned),
        ]
    }

    /// What was done after `earlier`, a count of the same Gaussians.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            relocated: self.relocated - earlier.relocated,
            added: self.added - earlier.added,
            cloned: self.cloned - earlier.cloned,
            split: self.split - earlier.split,
            pruned: self.pruned - earlier.pruned,
        }
    }
}

/// One change of the number of Gaussians. A clone, a half of a split and an addition are one Gaussian more each, so that
///
/// $$ \text{after} = \text{before} + \text{added} + \text{cloned} + \text{split} - \text{deleted} $$
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refinement {
    /// Steps of the descent that came before it.
    pub step: usize,
    /// Gaussians before it.
    pub before: usize,
    /// What it did.
    pub counts: Counts,
    /// Gaussians after it.
    pub after: usize,
}

/// Numbers of a refinement in files.
const WIDTH: usize = 8;

/// Writes refinements under this name, `[R, 8]`.
pub fn put(file: &mut ModelFile, name: &str, refinements: &[Refinement]) {
    let numbers = |r: &Refinement| {
        let Counts { relocated, added, cloned, split, pruned } = r.counts;
        [r.step, r.before, relocated, added, cloned, split, pruned, r.after].map(|n| n as i64)
    };
    let all: Vec<i64> = refinements.iter().flat_map(numbers).collect();
    file.put_i64(name, &[refinements.len(), WIDTH], &all);
}

/// Takes back what [`put`] wrote.
///
/// # Errors
/// [`Error::ModelFile`] when it is missing, of another shape, or holds counts below zero.
pub fn get(file: &ModelFile, name: &str) -> Result<Vec<Refinement>> {
    file.rows(name, &[WIDTH])?;
    let numbers: Vec<usize> = file
        .get_i64(name)?
        .into_iter()
        .map(usize::try_from)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::misfit(format!("array `{name}` holds a count below zero")))?;
    let refinement = |n: &[usize]| Refinement {
        step: n[0],
        before: n[1],
        counts: Counts { relocated: n[2], added: n[3], cloned: n[4], split: n[5], pruned: n[6] },
        after: n[7],
    };
    Ok(numbers.chunks_exact(WIDTH).map(refinement).collect())
}

/// A row a refinement.
pub fn table(refinements: &[Refinement]) -> Table {
    let names = Counts::default().named().map(|(name, _)| name);
    let mut columns = vec!["step", "before"];
    columns.extend(names);
    columns.push("after");
    let mut table = Table::new("refinements", "What each refinement did to the number of Gaussians.", &columns);
    for r in refinements {
        let mut row = vec![r.step.to_string(), r.before.to_string()];
        row.extend(r.counts.named().map(|(_, count)| count.to_string()));
        row.push(r.after.to_string());
        table.push(row);
    }
    table
}

/// The number of Gaussians over the steps, and how many each refinement changed in each way that there was.
pub fn figures(refinements: &[Refinement]) -> Vec<Figure> {
    let Some(first) = refinements.first() else { return vec![] };
    // Between two refinements the number stays: a staircase.
    let (mut x, mut y) = (vec![0.0], vec![first.before as f64]);
    for r in refinements {
        x.extend([r.step as f64; 2]);
        y.extend([r.before as f64, r.after as f64]);
    }
    let mut figures = vec![Figure {
        name: "number-of-gaussians".into(),
        caption: "The number of Gaussians during the fit.".into(),
        x_label: "step".into(),
        y_label: "Gaussians".into(),
        marks: vec![Mark::Line { label: String::new(), x, y, dashed: false }],
        ..Figure::default()
    }];
    let steps: Vec<f64> = refinements.iter().map(|r| r.step as f64).collect();
    let mut marks = vec![];
    for (k, (name, _)) in first.counts.named().into_iter().enumerate() {
        let y: Vec<f64> = refinements.iter().map(|r| r.counts.named()[k].1 as f64).collect();
        if y.iter().any(|count| *count > 0.0) {
            marks.push(Mark::Line { label: name.into(), x: steps.clone(), y, dashed: false });
        }
    }
    if !marks.is_empty() {
        figures.push(Figure {
            name: "refinements".into(),
            caption: "How many Gaussians each refinement changed.".into(),
            x_label: "step".into(),
            y_label: "Gaussians".into(),
            marks,
            ..Figure::default()
        });
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> [Refinement; 2] {
        let counts = Counts { cloned: 3, split: 2, pruned: 4, ..Counts::default() };
        let later = Counts { cloned: 1, ..Counts::default() };
        [
            Refinement { step: 100, before: 10, counts, after: 11 },
            Refinement { step: 200, before: 11, counts: later, after: 12 },
        ]
    }

    #[test]
    fn refinements_survive_their_file_and_damaged_ones_are_refused() {
        for refinements in [&two()[..], &[]] {
            let mut file = ModelFile::new("test");
            put(&mut file, "r", refinements);
            let back = ModelFile::from_bytes(&file.to_bytes()).unwrap();
            assert_eq!(get(&back, "r").unwrap(), refinements);
        }
        let mut file = ModelFile::new("test");
        file.put_i64("r", &[1, 8], &[1, 2, 3, 4, -5, 6, 7, 8]);
        assert!(get(&file, "r").unwrap_err().to_string().contains("below zero"));
        file.put_i64("r", &[1, 7], &[1; 7]);
        assert!(get(&file, "r").unwrap_err().to_string().contains("[1, 7]"));
        assert!(get(&file, "s").is_err());
    }

    #[test]
    fn a_table_has_a_row_a_refinement_and_the_curve_is_a_staircase() {
        let table = table(&two());
        assert_eq!(table.columns, ["step", "before", "relocated", "added", "cloned", "split", "deleted", "after"]);
        assert_eq!(table.rows[0], ["100", "10", "0", "0", "3", "2", "4", "11"]);
        assert_eq!(table.rows.len(), 2);
        let shown = figures(&two());
        let Mark::Line { x, y, .. } = &shown[0].marks[0] else { panic!("the number is a line") };
        assert_eq!((&x[..], &y[..]), (&[0.0, 100.0, 100.0, 200.0, 200.0][..], &[10.0, 10.0, 11.0, 11.0, 12.0][..]));
        // What never happened has no curve.
        let names: Vec<&str> = shown[1]
            .marks
            .iter()
            .map(|mark| if let Mark::Line { label, .. } = mark { label.as_str() } else { "" })
            .collect();
        assert_eq!(names, ["cloned", "split", "deleted"]);
        assert!(figures(&[]).is_empty());
    }
}
