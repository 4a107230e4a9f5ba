//! A generalised linear model as posterior draws: the one model of every method of inference on tables.

use super::frame::Frame;
use super::kept::Kept;
use super::table::{GlmKind, GlmTable};
use crate::family::Variational;
use crate::gaussian::Gaussian;
use elbo_core::{
    Array, Data, Error, Figure, Marginals, Model, ModelFile, Predict, Prediction, Result, Run, Sample, Summary, Table,
    ensure,
};
use elbo_dist::flow::FlowSpec;
use elbo_dist::{Distribution, GaussianMixtures, Poisson};
use elbo_linalg::vector::dot;
use elbo_tensor::special::{log_sum_exp, sigmoid};
use serde::Serialize;
use std::sync::Arc;

/// Draws that predictions are mixed from, evenly spaced among all.
const MIXED: usize = 256;

/// A fitted generalised linear model: draws of its unknowns, and what they mean.
///
/// Predictions are mixtures over the draws, so they carry the uncertainty of the weights as well as the noise.
#[derive(Debug, Clone)]
pub struct GlmPosterior {
    frame: Frame,
    /// What the draws came from, where that is kept.
    kept: Option<Kept>,
}

impl GlmPosterior {
    /// From draws `[S, P]` in the order of [`GlmTable::labels`], the log noise last where there is noise. Mean and standard deviation
    /// of every unknown are added to the summary.
    pub fn new(config: &impl Serialize, table: GlmTable, draws: Vec<f64>, mut summary: Summary) -> Self {
        let labels = table.labels();
        let p = labels.len();
        let count = (draws.len() / p) as f64;
        for (d, label) in labels.iter().enumerate() {
            let values = draws.iter().skip(d).step_by(p).map(|v| shown(&table, p, d, *v));
            let mean = values.clone().sum::<f64>() / count;
            let sd = (values.map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
            summary.parameters.push((label.clone(), format!("{mean:.4} ± {sd:.4}"), "posterior mean ± sd".into()));
        }
        Self { frame: Frame::new(config, table, draws, p, summary), kept: None }
    }

    /// The same with the Gaussian over all unknowns that the draws came from: its mean and Cholesky factor go to the model file, and to
    /// tables.
    ///
    /// # Errors
    /// [`Error::Numerical`] when its covariance is not positive definite, [`Error::Setting`] for another number of unknowns.
    pub fn with_gaussian(mut self, law: &Gaussian) -> Result<Self> {
        ensure("gaussian", law.dim(), law.dim() == self.frame.unknowns, format!("{} unknowns", self.frame.unknowns))?;
        self.kept = Some(Kept::gaussian(law)?);
        Ok(self)
    }

    /// The same with the flow over all unknowns that the draws came from, as `spec` builds it: it goes to the model file, and
    /// the verb `sample` draws from it anew.
    ///
    /// # Errors
    /// [`Error::Setting`] for another number of unknowns.
    pub fn with_flow(mut self, spec: FlowSpec, family: Arc<dyn Variational>) -> Result<Self> {
        ensure("flow", family.dim(), family.dim() == self.frame.unknowns, format!("{} unknowns", self.frame.unknowns))?;
        self.kept = Some(Kept::Flow(spec, family));
        Ok(self)
    }

    /// Log densities of the approximation at any points `[S, P]`, row-major and as [`GlmPosterior::draws`] are: the log noise last where
    /// there is noise.
    ///
    /// # Errors
    /// [`Error::Data`] where none was kept, where its layers have no closed inverse, and for points of another length.
    pub fn log_density(&self, points: &[f64]) -> Result<Vec<f64>> {
        let kept = self.kept.as_ref().ok_or_else(|| {
            Error::data("this posterior is known by its draws alone", "fit it by fb-gvi or flow-vi for a density")
        })?;
        kept.log_density(points)
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
        let frame = Frame::load(file, |table| table.labels().len())?;
        let kept = Kept::load(file, frame.unknowns)?;
        Ok(Self { frame, kept })
    }

    /// The draws, `[S, P]` row-major.
    pub fn draws(&self) -> &[f64] {
        &self.frame.draws
    }

    /// The design and its names.
    pub fn table(&self) -> &GlmTable {
        &self.frame.table
    }

    /// Draws that predictions are mixed from.
    fn mixed(&self) -> Vec<&[f64]> {
        let all: Vec<&[f64]> = self.frame.rows().collect();
        if all.len() <= MIXED { all } else { (0..MIXED).map(|k| all[k * all.len() / MIXED]).collect() }
    }

    /// Predictions at rows of a design `[N, D]`.
    fn at(&self, design: Vec<f64>) -> Prediction {
        let table = &self.frame.table;
        let dims = table.names().len();
        let draws: Vec<Vec<f64>> = self.mixed().into_iter().map(<[f64]>::to_vec).collect();
        let classes = table.classes().to_vec();
        match table.kind() {
            GlmKind::Gaussian => {
                let (shift, scale) = table.target_scaling();
                Prediction::Numbers(Box::new(LinearMarginals { design, dims, draws, shift, scale }))
            }
            GlmKind::Poisson => Prediction::Numbers(Box::new(PoissonMarginals { design, dims, draws })),
            GlmKind::Bernoulli => {
                let of = |x: &[f64], w: &[f64]| {
                    let chance = sigmoid(dot(x, w));
                    vec![1.0 - chance, chance]
                };
                let probabilities = design.chunks_exact(dims).flat_map(|x| average(&draws, |w| of(x, w))).collect();
                Prediction::Classes { classes, probabilities }
            }
            GlmKind::Categorical => {
                let of = |x: &[f64], w: &[f64]| {
                    let eta: Vec<f64> = w.chunks_exact(dims).map(|w| dot(x, w)).collect();
                    let total = log_sum_exp(&eta);
                    eta.iter().map(|e| (e - total).exp()).collect()
                };
                let probabilities = design.chunks_exact(dims).flat_map(|x| average(&draws, |w| of(x, w))).collect();
                Prediction::Classes { classes, probabilities }
            }
        }
    }
}

/// An unknown as it is shown: the noise by its standard deviation, of which the posterior has the log.
fn shown(table: &GlmTable, unknowns: usize, d: usize, value: f64) -> f64 {
    if table.kind() == GlmKind::Gaussian && d + 1 == unknowns { value.exp() } else { value }
}

/// The mean over draws of a list of numbers.
fn average(draws: &[Vec<f64>], of: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let mut total = of(&draws[0]);
    for w in &draws[1..] {
        total.iter_mut().zip(of(w)).for_each(|(t, p)| *t += p);
    }
    total.iter_mut().for_each(|t| *t /= draws.len() as f64);
    total
}

impl Model for GlmPosterior {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        self.frame.save(file);
        if let Some(kept) = &self.kept {
            kept.save(file);
        }
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
        let mut names = self.frame.table.labels();
        if let (GlmKind::Gaussian, Some(noise)) = (self.frame.table.kind(), names.last_mut()) {
            noise.insert_str(0, "log ");
        }
        let mut tables = self.frame.tables.clone();
        tables.extend(self.kept.iter().flat_map(|kept| kept.tables(&names)));
        tables
    }
}

impl Predict for GlmPosterior {
    fn predict(&self, data: &Data, run: &mut Run) -> Result<Prediction> {
        Ok(self.at(self.frame.table.design(data, run)?))
    }

    /// Functions of the draws that predictions are mixed from, so that paths have the predictions' moments less the
    /// noise; none for counts and classes.
    fn sample_paths(&self, data: &Data, count: usize, run: &mut Run) -> Result<Option<Vec<f64>>> {
        let table = &self.frame.table;
        if table.kind() != GlmKind::Gaussian {
            return Ok(None);
        }
        let (design, dims) = (table.design(data, run)?, table.names().len());
        let function = |w: &[f64]| design.chunks_exact(dims).map(|x| dot(x, &w[..dims])).collect::<Vec<f64>>();
        Ok(Some(self.frame.paths(&self.mixed(), count, &mut run.rng, function)))
    }
}

impl Sample for GlmPosterior {
    /// Posterior draws of the weights, and of the noise's standard deviation where there is noise, for standardised inputs and target. Of a
    /// flow they are new ones, and a last column has the log density of each, as the columns before it are.
    fn sample(&self, count: usize, run: &mut Run) -> Result<Data> {
        let (table, p) = (&self.frame.table, self.frame.unknowns);
        let value = |d, v| shown(table, p, d, v);
        let Some((z, mut log_density)) = self.kept.as_ref().and_then(|kept| kept.anew(count, &mut run.rng)) else {
            return Ok(self.frame.sample(table.labels(), count, &mut run.rng, value));
        };
        if table.kind() == GlmKind::Gaussian {
            // Of the standard deviation, not of its logarithm.
            log_density.iter_mut().zip(z.chunks_exact(p)).for_each(|(l, z)| *l -= z[p - 1]);
        }
        let mut name = "log_density".to_owned();
        while table.labels().contains(&name) {
            name.push('_');
        }
        let column = |d: usize| Array::new(&[count], z.iter().skip(d).step_by(p).map(|v| value(d, *v)).collect());
        let mut arrays: Vec<(String, Array)> =
            table.labels().into_iter().enumerate().map(|(d, label)| (label, column(d))).collect();
        arrays.push((name, Array::new(&[count], log_density)));
        Ok(Data { source: "posterior draws".into(), arrays, ..Data::default() })
    }
}

/// Mixtures of normals, made row by row when asked for.
struct LinearMarginals {
    design: Vec<f64>,
    dims: usize,
    draws: Vec<Vec<f64>>,
    shift: f64,
    scale: f64,
}

impl LinearMarginals {
    fn row(&self, i: usize) -> GaussianMixtures {
        let x = &self.design[i * self.dims..(i + 1) * self.dims];
        let means = self.draws.iter().map(|w| dot(x, &w[..self.dims])).collect();
        let sds = self.draws.iter().map(|w| w[self.dims].exp()).collect();
        let k = self.draws.len();
        GaussianMixtures::new(k, vec![1.0 / k as f64; k], means, sds).unscaled(self.shift, self.scale)
    }
}

impl Marginals for LinearMarginals {
    fn len(&self) -> usize {
        self.design.len() / self.dims
    }

    fn mean(&self, i: usize) -> f64 {
        self.row(i).mean(0)
    }

    fn sd(&self, i: usize) -> f64 {
        self.row(i).sd(0)
    }

    fn quantile(&self, i: usize, p: f64) -> f64 {
        self.row(i).quantile(0, p)
    }

    fn cdf(&self, i: usize, y: f64) -> f64 {
        self.row(i).cdf(0, y)
    }

    fn log_prob(&self, i: usize, y: f64) -> f64 {
        self.row(i).log_prob(0, y)
    }

    fn crps(&self, i: usize, y: f64) -> f64 {
        self.row(i).crps(0, y)
    }
}

/// Mixtures of Poisson distributions.
struct PoissonMarginals {
    design: Vec<f64>,
    dims: usize,
    draws: Vec<Vec<f64>>,
}

impl PoissonMarginals {
    fn parts(&self, i: usize) -> impl Iterator<Item = Poisson> + '_ {
        let x = &self.design[i * self.dims..(i + 1) * self.dims];
        self.draws.iter().map(move |w| Poisson { mean: dot(x, w).exp() })
    }

    fn average(&self, i: usize, f: impl Fn(&Poisson) -> f64) -> f64 {
        self.parts(i).map(|p| f(&p)).sum::<f64>() / self.draws.len() as f64
    }
}

impl Marginals for PoissonMarginals {
    fn len(&self) -> usize {
        self.design.len() / self.dims
    }

    fn mean(&self, i: usize) -> f64 {
        self.average(i, |p| p.mean)
    }

    fn sd(&self, i: usize) -> f64 {
        let mean = self.mean(i);
        (mean + self.average(i, |p| (p.mean - mean).powi(2))).sqrt()
    }

    /// The mixture's quantile lies between the least and the greatest of its parts'.
    fn quantile(&self, i: usize, p: f64) -> f64 {
        let ends = self.parts(i).map(|part| part.quantile(p));
        let (mut low, mut high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), q| (a.min(q), b.max(q)));
        while low < high {
            let middle = (0.5 * (low + high)).floor();
            // Beyond 2^53 neighbours are further apart than one, and nothing lies between them.
            if middle >= high || middle + 1.0 <= low {
                return high;
            }
            if self.cdf(i, middle) >= p { high = middle } else { low = middle + 1.0 }
        }
        low
    }

    fn cdf(&self, i: usize, y: f64) -> f64 {
        self.average(i, |p| p.cdf(y))
    }

    fn log_prob(&self, i: usize, y: f64) -> f64 {
        let terms: Vec<f64> = self.parts(i).map(|p| p.log_prob(y)).collect();
        log_sum_exp(&terms) - (terms.len() as f64).ln()
    }
}
