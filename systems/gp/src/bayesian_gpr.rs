#![doc = "[picture]: ../../../../docs/pictures/bayesian-gpr.svg"]
#![doc = include_str!("bayesian-gpr.md")]

mod claim;
mod posterior;
mod process;
#[cfg(test)]
mod tests;

#[cfg(test)]
use claim::friedman;
use elbo_core::{
    Card, Chains, Claim, Columns, Config, Error, Features, Kind, ModelFile, Prediction, Regression, Result, Rng, Run,
    System, Table, Verb, ensure, ensure_within,
};
use elbo_dist::{GaussianMixtures, Prior};
use elbo_gp::exact::ExactGp;
use elbo_gp::inducing::InducingPoints;
use elbo_gp::kernel::KernelConfig;
use elbo_gp::mean::Zero;
use elbo_gp::path::joint_paths;
use elbo_gp::settings;
use elbo_gp::sgpr::Sgpr;
use elbo_gp::table::{self, Process, TableModel};
use elbo_infer::mcmc::{Hamiltonian, Trajectory};
use elbo_tensor::{Constraint, Parameters, Tensor};
use posterior::Posterior;
use process::{Conditioned, Hyper};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Fully Bayesian Gaussian process regression.
pub struct BayesianGpr;

/// How the posterior of the hyperparameters is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Infer {
    /// Sampling by the no-U-turn sampler.
    Nuts,
    /// A normal with independent coordinates.
    ViMf,
    /// A normal with any covariance.
    ViFull,
    /// The likeliest values alone.
    Ml2,
}

/// Settings of `bayesian-gpr`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BayesianGprConfig {
    /// `nuts`, `vi-full`, `vi-mf`, or `ml2` for the likeliest hyperparameters.
    pub infer: Infer,
    /// Prior of each lengthscale, for inputs of unit variance; log-normal with median √D and log deviation 1 without one.
    pub lengthscale: Option<Prior>,
    /// Prior of the process variance, for a target of unit variance.
    pub variance: Prior,
    /// Prior of the noise variance, for a target of unit variance.
    pub noise: Prior,
    /// Noise variance to hold, as a share of the target's variance, instead of inferring it.
    pub noise_held: Option<f64>,
    /// Chains of the sampler.
    #[schemars(range(min = 1))]
    pub chains: usize,
    /// Transitions of each chain that only adapt.
    pub warmup: usize,
    /// Draws kept of each chain.
    #[schemars(range(min = 4))]
    pub draws: usize,
    /// Steps of a variational fit, at most.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Draws that predictions are mixed from.
    #[schemars(range(min = 1))]
    pub mixed: usize,
    /// Starting points of the search for the likeliest values.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// L-BFGS iterations a start, at most.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// Inducing points that carry the process, whose lower bound then stands for its likelihood: for more rows. Without a number it is exact.
    #[schemars(range(min = 1))]
    pub inducing: Option<usize>,
    /// Rows beyond which an exact fit is refused, since every gradient takes time with N³.
    pub most_rows: usize,
}

impl Default for BayesianGprConfig {
    fn default() -> Self {
        Self {
            infer: Infer::Nuts,
            lengthscale: None,
            variance: Prior::LogNormal { mu: 0.0, sigma: 1.0 },
            noise: Prior::LogNormal { mu: -2.0, sigma: 1.5 },
            noise_held: None,
            chains: 4,
            warmup: 300,
            draws: 500,
            steps: 3000,
            mixed: 100,
            starts: 5,
            iterations: 200,
            inducing: None,
            most_rows: 1000,
        }
    }
}

impl Config for BayesianGprConfig {
    fn check(&self) -> Result<()> {
        self.lengthscale.iter().chain([&self.variance, &self.noise]).try_for_each(Prior::check)?;
        for (name, prior) in
            [("lengthscale", self.lengthscale), ("variance", Some(self.variance)), ("noise", Some(self.noise))]
        {
            let is_real = matches!(prior, Some(Prior::Normal { .. } | Prior::Beta { .. }));
            ensure(name, "a prior of any number or of shares", !is_real, "a prior of positive numbers")?;
        }
        if let Some(noise) = self.noise_held {
            ensure_within("noise_held", noise, 2e-6..)?;
        }
        if let Some(count) = self.inducing {
            settings::points("inducing", count)?;
        }
        settings::counts(&[("steps", self.steps), ("mixed", self.mixed), ("iterations", self.iterations)])?;
        ensure_within("chains", self.chains, 1..=1000)?;
        ensure_within("warmup", self.warmup, 0..=1_000_000)?;
        ensure_within("draws", self.draws, 4..=1_000_000)?;
        settings::starts(self.starts)
    }
}

impl BayesianGprConfig {
    /// Warns of settings that do not apply.
    fn warn_idle(&self, run: &mut Run) {
        match self.infer {
            Infer::Nuts => run.warn_idle(self, &["steps", "starts"], "with infer=nuts"),
            Infer::ViMf | Infer::ViFull => {
                run.warn_idle(self, &["chains", "warmup", "draws", "starts"], "with a variational fit");
            }
            Infer::Ml2 => run.warn_idle(self, &["chains", "warmup", "draws", "steps", "mixed"], "with infer=ml2"),
        }
        if self.noise_held.is_some() {
            run.warn_idle(self, &["noise"], "where `noise_held` is given");
        }
        if self.inducing.is_some() {
            run.warn_idle(self, &["most_rows"], "where `inducing` is given");
        }
    }

    /// The process with its priors; sparse where there are inducing points `z: [M, D]`, which are held.
    fn build(&self, x: &Features, y: &[f64], z: Option<&Tensor>) -> Result<Hyper> {
        let kernel = "rbf".parse::<KernelConfig>()?.build_for(x)?;
        let start = self.noise_held.unwrap_or(0.1);
        let (inputs, targets) = (table::tensor(x), Tensor::from_slice(y, &[y.len()]));
        let mut gp = match z {
            None => Hyper::Exact(ExactGp::new(kernel, Box::new(Zero), start, inputs, targets)),
            Some(z) => {
                let gp = Sgpr::new(kernel, Box::new(Zero), start, z.clone(), inputs, targets);
                Hyper::Sparse(gp.with_fixed_inducing())
            }
        };
        gp.visit_mut(&mut |name, parameter| {
            let prior = self.prior_of(name, parameter.constraint(), x.dims);
            parameter.set_prior(prior.map(|p| Arc::new(p) as Arc<dyn elbo_tensor::Prior>));
            if name == "noise" {
                parameter.set_frozen(self.noise_held.is_some());
            }
        });
        Ok(gp)
    }

    /// The inducing points, `[M, D]`, where they were asked for: centres of k-means.
    fn place(&self, x: &Features, run: &mut Run) -> Result<Option<Tensor>> {
        let Some(count) = self.inducing else { return Ok(None) };
        let kernel = "rbf".parse::<KernelConfig>()?.build_for(x)?;
        InducingPoints::start(kernel.as_ref(), x, count, run).map(Some)
    }

    /// The prior of a parameter. A number between bounds has none: it is uniform there, which its Jacobian makes proper.
    fn prior_of(&self, name: &str, constraint: Constraint, dims: usize) -> Option<Prior> {
        let lengthscale = || Prior::LogNormal { mu: 0.5 * (dims as f64).ln(), sigma: 1.0 };
        match constraint {
            Constraint::Interval(..) | Constraint::Real => None,
            _ if name == "noise" => Some(self.noise),
            _ if name.ends_with("lengthscale") => Some(self.lengthscale.unwrap_or_else(lengthscale)),
            _ => Some(self.variance),
        }
    }

    fn sampler(&self) -> Hamiltonian {
        Hamiltonian {
            chains: self.chains,
            warmup: self.warmup,
            draws: self.draws,
            trajectory: Trajectory::NoUTurn { max_depth: 8 },
            ..Hamiltonian::nuts()
        }
    }
}

impl System for BayesianGpr {
    const CARD: Card = Card {
        id: "bayesian-gpr",
        title: "Approximate Inference for Fully Bayesian Gaussian Process Regression",
        family: "gp",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Sample, Verb::Reproduce],
        source: "Lalchand and Rasmussen (2020), AABI",
        about: include_str!("bayesian-gpr.md"),
        validates_itself: false,
    };
    type Config = BayesianGprConfig;
    type Input = Regression;
    type Model = BayesianGprModel;

    fn fit(&self, config: &BayesianGprConfig, input: Regression, run: &mut Run) -> Result<BayesianGprModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        config.warn_idle(run);
        if config.inducing.is_none() {
            let instead = "`--set inducing=100`, or `gpr`, whose likeliest values are well known with so many rows";
            settings::rows_at_most(input.x.rows, config.most_rows, "integrating over hyperparameters", instead)?;
        }
        if input.x.rows < input.x.dims + 2 {
            run.warn(format!(
                "{} rows for {} inputs: the prior decides most of the answer",
                input.x.rows, input.x.dims
            ));
        }
        let inducing = config.place(&input.x, run)?;
        let Posterior { draws, chains, summary, tables } = config.posterior(&input, inducing.as_ref(), run)?;
        let process =
            Integrated { config: config.clone(), features: input.x, y: input.y, inducing, draws, chains, tables };
        Ok(BayesianGprModel::new(config, input.columns, process, summary))
    }

    fn load(&self, file: &ModelFile) -> Result<BayesianGprModel> {
        BayesianGprModel::load(file, |config, columns| {
            let features = table::load_features(file, columns)?;
            let y = file.get_as("y", &[features.rows])?;
            let inducing =
                config.inducing.map(|_| table::stored_points(file, "inducing", features.dims)).transpose()?;
            let width = config.build(&features, &y, inducing.as_ref())?.pack().len();
            let count = file.rows("draws", &[width])?;
            let draws: Vec<f64> = file.get_as("draws", &[count, width])?;
            if draws.is_empty() {
                return Err(Error::misfit("there are no draws"));
            }
            Ok(Integrated {
                config: config.clone(),
                features,
                y,
                inducing,
                draws: draws.chunks_exact(width).map(<[f64]>::to_vec).collect(),
                // Files of earlier versions hold the draws of predictions alone.
                chains: if file.has("chains") { Chains::load(file, "chains")? } else { Chains::default() },
                tables: file.fact("tables")?,
            })
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(run)
    }
}

/// A process with draws of its hyperparameters.
pub type BayesianGprModel = TableModel<BayesianGprConfig, Integrated>;

/// The rows, and the hyperparameters that predictions are mixed from.
pub struct Integrated {
    /// What builds the process of a draw.
    config: BayesianGprConfig,
    features: Features,
    /// Standardised targets, `[N]`.
    y: Vec<f64>,
    /// Inducing points of a sparse process, `[M, D]`.
    inducing: Option<Tensor>,
    /// Free numbers, one draw a row.
    draws: Vec<Vec<f64>>,
    /// All draws on their natural scale: those of the sampler, or one chain of an approximation's; empty for the likeliest values.
    chains: Chains,
    tables: Vec<Table>,
}

impl Integrated {
    /// The posterior of `f` at one draw of the hyperparameters. It is conditioned anew: a factor for every draw would take J·N² numbers of memory.
    fn conditioned(&self, draw: &[f64]) -> Result<Conditioned> {
        let mut gp = self.config.build(&self.features, &self.y, self.inducing.as_ref())?;
        gp.unpack(draw);
        gp.condition()
    }
}

impl Process for Integrated {
    fn save(&self, file: &mut ModelFile) {
        table::save_features(file, &self.features);
        file.put("y", &[self.y.len()], &self.y);
        if let Some(z) = &self.inducing {
            file.put("inducing", z.shape(), &z.to_vec());
        }
        file.put("draws", &[self.draws.len(), self.draws[0].len()], &self.draws.concat());
        self.chains.save(file, "chains");
        file.set("tables", &self.tables);
    }

    fn predict(&self, x: &Tensor, columns: &Columns) -> Result<Prediction> {
        let (rows, count) = (x.size(0), self.draws.len());
        let parts = self
            .draws
            .par_iter()
            .map(|z| {
                let posterior = self.conditioned(z)?;
                let (mean, mut variance) = posterior.marginals(x)?;
                variance.iter_mut().for_each(|v| *v = (*v + posterior.noise()).sqrt());
                Ok((mean, variance))
            })
            .collect::<Result<Vec<_>>>()?;
        // From one list a draw to one list a row.
        let means = (0..rows).flat_map(|i| parts.iter().map(move |part| part.0[i])).collect();
        let sds = (0..rows).flat_map(|i| parts.iter().map(move |part| part.1[i])).collect();
        let (shift, scale) = columns.target_scaling();
        let mixtures = GaussianMixtures::new(count, vec![1.0 / count as f64; count], means, sds);
        Ok(Prediction::Numbers(Box::new(mixtures.unscaled(shift, scale))))
    }

    /// Each path is at one draw of the hyperparameters, all draws being as likely: a joint draw of the mixture that predictions are.
    fn sample_paths(&self, x: &Tensor, count: usize, rng: &mut Rng) -> Result<Option<Vec<f64>>> {
        let rows = x.size(0);
        let mut paths_of = vec![vec![]; self.draws.len()];
        (0..count).for_each(|path| paths_of[rng.below(self.draws.len())].push(path));
        let base = rng.fork();
        let parts = (0..self.draws.len())
            .into_par_iter()
            .map(|k| {
                if paths_of[k].is_empty() {
                    return Ok(vec![]);
                }
                let posterior = self.conditioned(&self.draws[k])?;
                joint_paths(x, paths_of[k].len(), &mut base.split(k as u64), |x| Ok(posterior.joint(x)))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut out = vec![0.0; count * rows];
        for (paths, values) in paths_of.iter().zip(&parts) {
            for (path, values) in paths.iter().zip(values.chunks(rows.max(1))) {
                out[path * rows..][..rows].copy_from_slice(values);
            }
        }
        Ok(Some(out))
    }

    fn chains(&self) -> Option<&Chains> {
        Some(&self.chains)
    }

    fn tables(&self, _: &Columns) -> Vec<Table> {
        self.tables.clone()
    }
}
