#![doc = "[picture]: ../../../../docs/pictures/svgp.svg"]
#![doc = include_str!("svgp.md")]

use elbo_core::{
    Card, Claim, Config, Features, Kind, ModelFile, Result, Run, Step, Stop, Supervised, System, Verb, drive, ensure,
};
use elbo_gp::inducing::{InducingPoints, InducingStart};
use elbo_gp::kernel::{Kernel, KernelConfig};
use elbo_gp::likelihood::{Gaussian, LikelihoodConfig, MultiLikelihoodConfig, Single};
use elbo_gp::mean::{MeanConfig, Zero};
use elbo_gp::settings;
use elbo_gp::sgpr::Sgpr;
use elbo_gp::supervised::{Named, Rows, Target};
use elbo_gp::svgp::{NaturalSteps, Svgp};
use elbo_gp::table::{self, TableModel};
use elbo_tensor::optim::{Adam, Rule, Schedule};
use elbo_tensor::{Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stochastic variational inference with inducing variables.
pub struct SvgpSystem;

/// The covariance of the whitened inducing variables in the posterior.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Posterior {
    /// Any covariance, moved by natural-gradient steps.
    Full,
    /// Variances alone, moved by Adam with everything else.
    Diagonal,
}

/// Settings of `svgp`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SvgpConfig {
    /// The kernel, as an expression: `matern52`, `rbf + linear`.
    pub kernel: KernelConfig,
    /// The mean function: zero, constant, linear or polynomial.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub mean: MeanConfig,
    /// The likelihood of a numeric target or of two classes; without one, Gaussian and probit.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub likelihood: Option<LikelihoodConfig>,
    /// The likelihood of more than two classes, or `heteroscedastic` for a numeric target whose noise varies.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub multi: Option<MultiLikelihoodConfig>,
    /// Number of inducing points, `M`.
    #[schemars(range(min = 1))]
    pub inducing: usize,
    /// Where the inducing points start: centres of k-means, pivots of the kernel, or random rows.
    pub start: InducingStart,
    /// Whether the inducing points move with the hyperparameters.
    pub move_inducing: bool,
    /// The posterior's covariance: `full`, or `diagonal` in whitened coordinates.
    pub posterior: Posterior,
    /// Rows a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Steps.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Length of the natural-gradient step on the posterior, in (0, 1].
    pub rho: f64,
    /// Adam's rate for everything else at the start; it falls to a tenth along half a cosine.
    pub rate: f64,
}

impl Default for SvgpConfig {
    fn default() -> Self {
        Self {
            kernel: KernelConfig::default(),
            mean: MeanConfig::Zero,
            likelihood: None,
            multi: None,
            inducing: 128,
            start: InducingStart::Kmeans,
            move_inducing: true,
            posterior: Posterior::Full,
            batch: 256,
            steps: 1500,
            rho: 0.1,
            rate: 0.02,
        }
    }
}

impl Config for SvgpConfig {
    fn check(&self) -> Result<()> {
        settings::process(&self.kernel, &self.mean)?;
        if let Some(likelihood) = &self.likelihood {
            likelihood.build()?;
        }
        settings::points("inducing", self.inducing)?;
        settings::counts(&[("batch", self.batch), ("steps", self.steps)])?;
        settings::share("rho", self.rho)?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")
    }
}

impl SvgpConfig {
    fn named(&self) -> Named<'_> {
        Named { single: self.likelihood.as_ref(), multi: self.multi.as_ref() }
    }

    fn build(&self, like: &Features, target: Target, z: &Tensor, x: Tensor, y: Vec<f64>) -> Result<Svgp> {
        let likelihood = self.named().build(target)?;
        let svgp = Svgp::new(self.kernel.build_for(like)?, self.mean.build(&like.levels)?, likelihood, z, x, y)?;
        let svgp = match self.posterior {
            Posterior::Full => svgp.with_natural_posterior(),
            Posterior::Diagonal => svgp.with_diagonal_posterior(),
        };
        // Coordinates of categories are levels: moving them would mean nothing.
        Ok(if self.move_inducing && like.is_numeric() { svgp } else { svgp.with_fixed_inducing() })
    }

    fn train(&self, svgp: &mut Svgp, run: &mut Run) -> Result<()> {
        let (rows, batch) = (svgp.rows(), self.batch.min(svgp.rows()));
        let rate = Schedule::Cosine { start: self.rate, end: 0.1 * self.rate, steps: self.steps };
        let adam = Adam::with_rate(rate).on(move |svgp: &Svgp, run: &mut Run| {
            let bound = svgp.bound(&run.rng.choose(rows, batch))?;
            Ok(bound * (-1.0 / rows as f64))
        });
        let stop = |objective| Stop::after(self.steps, "minibatches", objective);
        match self.posterior {
            Posterior::Full => {
                let step = adam.then(NaturalSteps { rho: self.rho, batch });
                drive(&step, svgp, &stop("elbo of a minibatch (nats)"), run)?;
            }
            Posterior::Diagonal => {
                drive(&adam, svgp, &stop("negative elbo of a minibatch (nats a row)"), run)?;
            }
        }
        Ok(())
    }
}

impl System for SvgpSystem {
    const CARD: Card = Card {
        id: "svgp",
        title: "Stochastic variational Gaussian process",
        family: "gp",
        kind: Kind::Baseline,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Reproduce],
        source: "Hensman, Matthews and Ghahramani (2015)",
        about: include_str!("svgp.md"),
        validates_itself: false,
    };
    type Config = SvgpConfig;
    type Input = Supervised;
    type Model = SvgpModel;

    fn fit(&self, config: &SvgpConfig, input: Supervised, run: &mut Run) -> Result<SvgpModel> {
        let Rows { x, y, columns, target, notes } = config.named().rows(input)?;
        notes.iter().for_each(|note| run.warn(note));
        if config.multi.is_some() {
            run.warn_idle(config, &["likelihood"], "where `multi` is given");
        }
        if config.posterior == Posterior::Diagonal {
            run.warn_idle(config, &["rho"], "with posterior=diagonal");
        }
        let kernel = config.kernel.build_for(&x)?;
        let z = InducingPoints::start_as(config.start, kernel.as_ref(), &x, config.inducing, run)?;
        let rows = x.rows;
        let mut svgp = config.build(&x, target, &z, table::tensor(&x), y)?;
        config.train(&mut svgp, run)?;
        let bound = svgp.full_bound()?;
        let mut summary = table::summarise(svgp.kernel(), &svgp, &x.names);
        summary.objective = Some(("elbo".into(), bound));
        summary.metrics = vec![("elbo_per_row".into(), bound / rows as f64)];
        summary.text = format!(
            "A sparse Gaussian process with kernel {} and likelihood {} on {rows} rows, carried by {} inducing points.",
            svgp.kernel().summary(),
            svgp.likelihood().description(),
            svgp.inducing().count()
        );
        Ok(SvgpModel::new(config, columns, svgp, summary))
    }

    fn load(&self, file: &ModelFile) -> Result<SvgpModel> {
        SvgpModel::load(file, |config, columns| {
            let like = table::features_like(columns);
            let z = table::stored_points(file, "svgp.inducing", like.dims)?;
            let nothing = Tensor::from_vec(vec![], &[0, like.dims]);
            let mut svgp = config.build(&like, Target::of(columns), &z, nothing, vec![])?;
            svgp.read_from(file, "svgp")?;
            Ok(svgp)
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let (rows, m, steps) = run.pick((200, 15, 60), (1000, 30, 300));
        let (mut gap, mut lead) = (0.0f64, f64::INFINITY);
        for seed in &seeds {
            let mut child = run.child(*seed);
            let x: Vec<f64> = (0..rows * 2).map(|_| child.rng.range(-2.0, 2.0)).collect();
            let y: Vec<f64> = x
                .chunks_exact(2)
                .map(|x| (2.0 * x[0]).sin() + 0.5 * x[0] * (1.5 * x[1]).cos() + 0.2 * child.rng.normal())
                .collect();
            let x = Tensor::from_vec(x, &[rows, 2]);
            let z = x.narrow(0, 0, m);
            let kernel = || -> Result<Box<dyn Kernel>> {
                KernelConfig::default().build_for(&Features::numeric(2, vec![0.0, 0.0]))
            };
            let svgp = || -> Result<Svgp> {
                let likelihood = Box::new(Single(Box::new(Gaussian::new(0.1))));
                Svgp::new(kernel()?, Box::new(Zero), likelihood, &z, x.clone(), y.clone())
            };
            let every: Vec<usize> = (0..rows).collect();
            let mut one_step = svgp()?.with_natural_posterior();
            one_step.natural_step(&every, 1.0)?;
            let targets = Tensor::from_slice(&y, &[rows]);
            let best = Sgpr::new(kernel()?, Box::new(Zero), 0.1, z.clone(), x.clone(), targets).bound()?.item();
            gap = gap.max((best - one_step.full_bound()?).abs());

            // The same steps, batches and rate: natural steps on q with Adam on the rest, against Adam on everything.
            let config = SvgpConfig { steps, batch: 64, ..SvgpConfig::default() };
            let mut natural = svgp()?.with_natural_posterior();
            config.train(&mut natural, &mut run.child(*seed))?;
            let mut plain = svgp()?;
            let adam = Adam::with_rate(config.rate)
                .on(|svgp: &Svgp, run: &mut Run| Ok(svgp.bound(&run.rng.choose(rows, 64))? * (-1.0 / rows as f64)));
            drive(&adam, &mut plain, &Stop::after(steps, "minibatches", "loss"), &mut run.child(*seed))?;
            let (with, without) = (natural.full_bound()? / rows as f64, plain.full_bound()? / rows as f64);
            lead = lead.min(with - without);
        }
        let mut claim = Claim::new(seeds);
        claim.at_most("distance of one natural step from the collapsed optimum (nats)", gap, None, 1e-4);
        claim.at_least("least lead of natural steps over Adam on everything (nats a row)", lead, Some(0.0), 0.0);
        Ok(claim)
    }
}

/// A trained sparse process.
pub type SvgpModel = TableModel<SvgpConfig, Svgp>;
