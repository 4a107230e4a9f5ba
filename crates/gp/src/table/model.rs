//! A fitted process on a table: the frame that systems share.

use super::{encode, unscaled};
use crate::jitter::warn_about_clamps;
use elbo_core::{
    Chains, Columns, Config, Data, Error, Model, ModelFile, Predict, Prediction, Result, Rng, Run, Sample, Summary,
    Table, Validation,
};
use elbo_tensor::Tensor;

/// What differs between fitted processes on a table. Inputs are encoded, `x: [N, D]`.
pub trait Process: Send + Sync {
    /// Writes what rebuilds it, besides settings and columns.
    fn save(&self, file: &mut ModelFile);

    /// Predictions of the target in its own unit.
    ///
    /// # Errors
    /// When the arithmetic fails.
    fn predict(&self, x: &Tensor, columns: &Columns) -> Result<Prediction>;

    /// Predictive variances that were raised since this was last asked; see [`Clamps::check`](crate::jitter::Clamps::check).
    fn clamped(&self) -> usize {
        0
    }

    /// Sample paths of the scaled target without noise, `[count, N]` row-major; `None` where there are none.
    ///
    /// # Errors
    /// When the arithmetic fails, or there are fewer paths than asked for.
    fn sample_paths(&self, _x: &Tensor, _count: usize, _rng: &mut Rng) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }

    /// Draws of its hyperparameters on their natural scale, for processes that integrate over them; the verb `sample` is offered where this is not
    /// `None`. Empty where the settings asked for one value alone.
    fn chains(&self) -> Option<&Chains> {
        None
    }

    /// As [`Model::validation`].
    fn validation(&self, _columns: &Columns) -> Option<Validation> {
        None
    }

    /// As [`Model::tables`].
    fn tables(&self, _columns: &Columns) -> Vec<Table> {
        vec![]
    }
}

/// A process with the settings, columns and summary of its fit.
pub struct TableModel<C, P> {
    /// Settings.
    pub config: C,
    /// How rows are encoded.
    pub columns: Columns,
    /// What was fitted.
    pub process: P,
    /// What the fit found.
    pub summary: Summary,
}

impl<C: Config, P: Process> TableModel<C, P> {
    /// Puts the parts together.
    pub fn new(config: &C, columns: Columns, process: P, summary: Summary) -> Self {
        Self { config: config.clone(), columns, process, summary }
    }

    /// Rebuilds a model from its file; `rebuild` makes the process from settings, columns and what [`Process::save`] wrote.
    ///
    /// # Errors
    /// [`elbo_core::Error::ModelFile`] when something is missing.
    pub fn load(file: &ModelFile, rebuild: impl FnOnce(&C, &Columns) -> Result<P>) -> Result<Self> {
        let (config, columns): (C, Columns) = (file.fact("config")?, file.fact("columns")?);
        let process = rebuild(&config, &columns)?;
        Ok(Self { config, columns, process, summary: file.fact("summary")? })
    }
}

impl<C: Config, P: Process> Model for TableModel<C, P> {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("columns", &self.columns);
        self.process.save(file);
        file.set("summary", &self.summary);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn as_predict(&self) -> Option<&dyn Predict> {
        Some(self)
    }

    fn as_sample(&self) -> Option<&dyn Sample> {
        self.process.chains().map(|_| self as &dyn Sample)
    }

    fn validation(&self) -> Option<Validation> {
        self.process.validation(&self.columns)
    }

    fn chains(&self) -> Option<&Chains> {
        self.process.chains().filter(|chains| !chains.is_empty())
    }

    fn tables(&self) -> Vec<Table> {
        self.process.tables(&self.columns)
    }
}

impl<C: Config, P: Process> Predict for TableModel<C, P> {
    fn predict(&self, data: &Data, run: &mut Run) -> Result<Prediction> {
        let prediction = self.process.predict(&encode(&self.columns, data, run)?, &self.columns)?;
        warn_about_clamps(self.process.clamped(), run);
        Ok(prediction)
    }

    fn sample_paths(&self, data: &Data, count: usize, run: &mut Run) -> Result<Option<Vec<f64>>> {
        let x = encode(&self.columns, data, run)?;
        let paths = self.process.sample_paths(&x, count, &mut run.rng)?;
        Ok(paths.map(|paths| unscaled(paths, &self.columns)))
    }
}

impl<C: Config, P: Process> Sample for TableModel<C, P> {
    /// Draws of the hyperparameters, for standardised inputs and target.
    fn sample(&self, count: usize, run: &mut Run) -> Result<Data> {
        let chains = Model::chains(self).ok_or_else(|| {
            Error::data(
                "the model holds one value of its hyperparameters, and no draws of them",
                "fit it with a setting that integrates over them, as infer=nuts",
            )
        })?;
        Ok(chains.shuffled(count, &mut run.rng))
    }
}
