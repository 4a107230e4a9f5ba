//! What every posterior on a table keeps, whatever it predicts by.

use super::table::GlmTable;
use elbo_core::{Array, Data, Error, Figure, ModelFile, Result, Rng, Summary, Table};
use serde::Serialize;
use serde_json::Value;

/// Settings, design, draws, and the parts of the report.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    config: Value,
    pub table: GlmTable,
    /// `[S, P]` row-major.
    pub draws: Vec<f64>,
    /// Number of unknowns, `P`.
    pub unknowns: usize,
    pub summary: Summary,
    pub figures: Vec<Figure>,
    pub tables: Vec<Table>,
}

impl Frame {
    pub fn new(config: &impl Serialize, table: GlmTable, draws: Vec<f64>, unknowns: usize, summary: Summary) -> Self {
        assert!(!draws.is_empty() && draws.len().is_multiple_of(unknowns), "draws of {unknowns} unknowns");
        let config = serde_json::to_value(config).expect("settings are plain data");
        Self { config, table, draws, unknowns, summary, figures: vec![], tables: vec![] }
    }

    /// The draws, each `[P]`.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.draws.chunks_exact(self.unknowns)
    }

    /// `count` draws as columns of these names, in a random order: each draw comes once before any comes again. `value` turns a number
    /// of an unknown into the one that is shown.
    pub fn sample(&self, names: Vec<String>, count: usize, rng: &mut Rng, value: impl Fn(usize, f64) -> f64) -> Data {
        let all: Vec<&[f64]> = self.rows().collect();
        let drawn: Vec<&[f64]> = rng.in_rounds(all.len(), count).into_iter().map(|i| all[i]).collect();
        let column = |d: usize| Array::new(&[count], drawn.iter().map(|z| value(d, z[d])).collect());
        let arrays = names.into_iter().enumerate().map(|(d, name)| (name, column(d))).collect();
        Data { source: "posterior draws".into(), arrays, ..Data::default() }
    }

    /// Sample paths `[count, N]` in the target's unit: each is the function of one of these draws, with replacement.
    /// `function` gives a draw's values at the rows, `[N]`, in units of the standardised target.
    pub fn paths(
        &self,
        draws: &[&[f64]],
        count: usize,
        rng: &mut Rng,
        function: impl Fn(&[f64]) -> Vec<f64>,
    ) -> Vec<f64> {
        let (shift, scale) = self.table.target_scaling();
        (0..count).flat_map(|_| function(draws[rng.below(draws.len())])).map(|f| shift + scale * f).collect()
    }

    pub fn save(&self, file: &mut ModelFile) {
        file.set("config", &self.config);
        self.table.save(file);
        file.put("draws", &[self.draws.len() / self.unknowns, self.unknowns], &self.draws);
        file.set("summary", &self.summary);
        file.set("figures", &self.figures);
        file.set("tables", &self.tables);
    }

    /// Takes back what [`Frame::save`] wrote; `unknowns` are those of a design.
    pub fn load(file: &ModelFile, unknowns: impl FnOnce(&GlmTable) -> usize) -> Result<Self> {
        let table = GlmTable::load(file)?;
        let unknowns = unknowns(&table);
        let count = file.rows("draws", &[unknowns])?;
        let draws = file.get_as("draws", &[count, unknowns])?;
        if draws.is_empty() {
            return Err(Error::misfit("there are no draws"));
        }
        Ok(Self {
            config: file.fact("config")?,
            table,
            draws,
            unknowns,
            summary: file.fact("summary")?,
            figures: file.fact("figures")?,
            tables: file.fact("tables")?,
        })
    }
}
