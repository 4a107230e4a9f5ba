//! Draws of a small network as a tabular model.

use super::density::{Network, weights};
use crate::glm::{Frame, GlmKind, GlmTable};
use elbo_core::{Data, Error, Figure, Model, ModelFile, Predict, Prediction, Result, Run, Sample, Summary, Table};
use elbo_dist::GaussianMixtures;
use serde::Serialize;

/// Most hidden units that a model file may claim.
const MOST_HIDDEN: usize = 10_000;

/// A fitted network: draws of its unknowns. Predictions are mixtures of normals over the draws.
#[derive(Debug, Clone)]
pub struct NetworkPosterior {
    frame: Frame,
    hidden: usize,
}

/// Weights of a network of this many hidden units on a table's design, and both precisions.
fn unknowns(table: &GlmTable, hidden: usize) -> usize {
    weights(table.names().len(), hidden) + 2
}

impl NetworkPosterior {
    /// From draws `[S, P]` of a [`Network`] on this table's design.
    pub fn new(config: &impl Serialize, table: GlmTable, hidden: usize, draws: Vec<f64>, summary: Summary) -> Self {
        let count = unknowns(&table, hidden);
        Self { frame: Frame::new(config, table, draws, count, summary), hidden }
    }

    /// The same with figures and tables for the report.
    pub fn with_pictures(mut self, figures: Vec<Figure>, tables: Vec<Table>) -> Self {
        (self.frame.figures, self.frame.tables) = (figures, tables);
        self
    }

    /// Takes back what [`Model::save`] wrote.
    ///
    /// # Errors
    /// [`elbo_core::Error::ModelFile`] when something is missing or does not fit.
    pub fn load(file: &ModelFile) -> Result<Self> {
        let hidden: usize = file.fact("hidden")?;
        if !(1..=MOST_HIDDEN).contains(&hidden) {
            return Err(Error::misfit(format!("a network of {hidden} hidden units")));
        }
        let frame = Frame::load(file, |table| unknowns(table, hidden))?;
        if frame.table.kind() != GlmKind::Gaussian {
            return Err(Error::misfit("a network of one output under a likelihood of classes or counts"));
        }
        Ok(Self { frame, hidden })
    }
}

impl Model for NetworkPosterior {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        self.frame.save(file);
        file.set("hidden", &self.hidden);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.frame.summary.clone()
    }

    fn as_predict(&self) -> Option<&dyn Predict> {
        Some(self)
    }

    fn as_sample(&self) -> Option<&dyn Sample> {
        Some(self)
    }

    fn figures(&self) -> Vec<Figure> {
        self.frame.figures.clone()
    }

    fn tables(&self) -> Vec<Table> {
        self.frame.tables.clone()
    }
}

impl Predict for NetworkPosterior {
    fn predict(&self, data: &Data, run: &mut Run) -> Result<Prediction> {
        let table = &self.frame.table;
        let design = table.design(data, run)?;
        let dims = table.names().len();
        let draws: Vec<&[f64]> = self.frame.rows().collect();
        let outputs: Vec<Vec<f64>> = draws.iter().map(|z| Network::outputs(&design, dims, self.hidden, z)).collect();
        let rows = design.len() / dims;
        let noise = |z: &&[f64]| (-0.5 * z[z.len() - 2]).exp();
        let means = (0..rows).flat_map(|i| outputs.iter().map(move |f| f[i])).collect();
        let sds = (0..rows).flat_map(|_| draws.iter().map(noise)).collect();
        let share = vec![1.0 / draws.len() as f64; draws.len() * rows];
        let (shift, scale) = table.target_scaling();
        Ok(Prediction::Numbers(Box::new(GaussianMixtures::new(draws.len(), share, means, sds).unscaled(shift, scale))))
    }

    fn sample_paths(&self, data: &Data, count: usize, run: &mut Run) -> Result<Option<Vec<f64>>> {
        let table = &self.frame.table;
        let (design, dims) = (table.design(data, run)?, table.names().len());
        let draws: Vec<&[f64]> = self.frame.rows().collect();
        let function = |z: &[f64]| Network::outputs(&design, dims, self.hidden, z);
        Ok(Some(self.frame.paths(&draws, count, &mut run.rng, function)))
    }
}

impl Sample for NetworkPosterior {
    /// Posterior draws of the unknowns of [`Network`], in its order: `z[0]`, `z[1]`, ...
    fn sample(&self, count: usize, run: &mut Run) -> Result<Data> {
        let names = (0..self.frame.unknowns).map(|i| format!("z[{i}]")).collect();
        Ok(self.frame.sample(names, count, &mut run.rng, |_, value| value))
    }
}
