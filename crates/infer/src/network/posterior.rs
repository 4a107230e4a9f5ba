//! Draws of a small network as a tabular model.

use super::density::{Network, weights};
use crate::glm::GlmTable;
use elbo_core::{Data, Error, Figure, Model, ModelFile, Predict, Prediction, Result, Run, Summary, Table};
use elbo_dist::GaussianMixtures;
use serde::Serialize;
use serde_json::Value;

/// A fitted network: draws of its unknowns. Predictions are mixtures of normals over the draws.
#[derive(Debug, Clone)]
pub struct NetworkPosterior {
    config: Value,
    table: GlmTable,
    hidden: usize,
    /// `[S, P]` row-major.
    draws: Vec<f64>,
    summary: Summary,
    figures: Vec<Figure>,
    tables: Vec<Table>,
}

impl NetworkPosterior {
    /// From draws `[S, P]` of a [`Network`] on this table's design.
    pub fn new(config: &impl Serialize, table: GlmTable, hidden: usize, draws: Vec<f64>, summary: Summary) -> Self {
        let config = serde_json::to_value(config).expect("settings are plain data");
        Self { config, table, hidden, draws, summary, figures: vec![], tables: vec![] }
    }

    /// The same with figures and tables for the report.
    pub fn with_pictures(mut self, figures: Vec<Figure>, tables: Vec<Table>) -> Self {
        (self.figures, self.tables) = (figures, tables);
        self
    }

    /// Takes back what [`Model::save`] wrote.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing or does not fit.
    pub fn load(file: &ModelFile) -> Result<Self> {
        let network = Self {
            config: file.fact("config")?,
            table: file.fact("table")?,
            hidden: file.fact("hidden")?,
            draws: file.get("draws")?,
            summary: file.fact("summary")?,
            figures: file.fact("figures")?,
            tables: file.fact("tables")?,
        };
        if network.draws.is_empty() || !network.draws.len().is_multiple_of(network.unknowns()) {
            return Err(Error::model_file(
                format!("the model file's draws do not have {} columns", network.unknowns()),
                "fit the model again with this version",
            ));
        }
        Ok(network)
    }

    fn unknowns(&self) -> usize {
        weights(self.table.names().len(), self.hidden) + 2
    }
}

impl Model for NetworkPosterior {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("table", &self.table);
        file.set("hidden", &self.hidden);
        file.put("draws", &[self.draws.len() / self.unknowns(), self.unknowns()], &self.draws);
        file.set("summary", &self.summary);
        file.set("figures", &self.figures);
        file.set("tables", &self.tables);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn as_predict(&self) -> Option<&dyn Predict> {
        Some(self)
    }

    fn figures(&self) -> Vec<Figure> {
        self.figures.clone()
    }

    fn tables(&self) -> Vec<Table> {
        self.tables.clone()
    }
}

impl Predict for NetworkPosterior {
    fn predict(&self, data: &Data, run: &mut Run) -> Result<Prediction> {
        let design = self.table.design(data, run)?;
        let dims = self.table.names().len();
        let draws: Vec<&[f64]> = self.draws.chunks_exact(self.unknowns()).collect();
        let outputs: Vec<Vec<f64>> = draws.iter().map(|z| Network::outputs(&design, dims, self.hidden, z)).collect();
        let rows = design.len() / dims;
        let noise = |z: &&[f64]| (-0.5 * z[z.len() - 2]).exp();
        let means = (0..rows).flat_map(|i| outputs.iter().map(move |f| f[i])).collect();
        let sds = (0..rows).flat_map(|_| draws.iter().map(noise)).collect();
        let share = vec![1.0 / draws.len() as f64; draws.len() * rows];
        let (shift, scale) = self.table.target_scaling();
        Ok(Prediction::Numbers(Box::new(GaussianMixtures::new(draws.len(), share, means, sds).unscaled(shift, scale))))
    }
}
