#![doc = "[picture]: ../../../../docs/pictures/gaussian-splatting.svg"]
#![doc = include_str!("gaussian-splatting.md")]

use elbo_core::{Card, Claim, Config, Kind, ModelFile, Result, Run, System, Verb};
use elbo_splat::fit::{Settings, Start, Strategy, fit};
use elbo_splat::make::{Recipe, make};
use elbo_splat::model::SplatModel;
use elbo_splat::scene::Scene;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 3D Gaussian splatting with adaptive density control.
pub struct GaussianSplatting;

/// Settings of `gaussian-splatting`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GaussianSplattingConfig {
    /// The scene, the start and the descent.
    #[serde(flatten)]
    pub common: Settings,
    /// Mean derivative in a Gaussian's centre from which on it is doubled, in halves of the picture's sides.
    pub threshold: f64,
    /// Whether absolute derivatives are added up over pixels, so that opposite ones do not cancel; wants a threshold some four times higher.
    pub absolute: bool,
    /// Most Gaussians there may be.
    #[schemars(range(min = 100))]
    pub cap: usize,
}

impl Default for GaussianSplattingConfig {
    fn default() -> Self {
        Self { common: Settings::default(), threshold: 2e-4, absolute: false, cap: 100_000 }
    }
}

impl Config for GaussianSplattingConfig {
    fn check(&self) -> Result<()> {
        self.common.check()?;
        self.strategy().check()
    }
}

impl GaussianSplattingConfig {
    fn strategy(&self) -> Strategy {
        Strategy::Adaptive { threshold: self.threshold, absolute: self.absolute, cap: self.cap }
    }
}

impl System for GaussianSplatting {
    const CARD: Card = Card {
        id: "gaussian-splatting",
        title: "3D Gaussian splatting with adaptive density control",
        family: "splat",
        kind: Kind::Baseline,
        verbs: &[Verb::Fit, Verb::Render, Verb::Reproduce],
        source: "Kerbl, Kopanas, Leimkühler and Drettakis (2023)",
        about: include_str!("gaussian-splatting.md"),
        validates_itself: false,
    };
    type Config = GaussianSplattingConfig;
    type Input = Scene;
    type Model = SplatModel;

    fn fit(&self, config: &GaussianSplattingConfig, input: Scene, run: &mut Run) -> Result<SplatModel> {
        SplatModel::fit(&config.common, &config.strategy(), config, input, run)
    }

    fn load(&self, file: &ModelFile) -> Result<SplatModel> {
        SplatModel::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        let recipe = run.pick(
            Recipe { views: 15, size: 32, bodies: 2, points: 100, rays: 1, ..Recipe::default() },
            Recipe { views: 50, size: 64, bodies: 5, points: 400, rays: 2, ..Recipe::default() },
        );
        let steps = run.pick(200, 2000);
        let count = seeds.len() as f64;
        let (mut with, mut without, mut least) = (0.0, 0.0, f64::INFINITY);
        for seed in &seeds {
            let scene = make(&recipe, *seed).scene;
            let settings = Settings { steps, start: Start::Points, test_every: 5, ..Settings::default() };
            let found = |threshold: f64| -> Result<f64> {
                let strategy = GaussianSplattingConfig { threshold, ..GaussianSplattingConfig::default() }.strategy();
                let fitted = fit(&settings, &strategy, scene.clone(), &mut run.child(*seed))?;
                let (held, plain) = fitted.held.zip(fitted.plain).expect("pictures were kept back");
                Ok(held.psnr - plain)
            };
            // No derivative is as large as this: nothing is doubled.
            let (dense, sparse) = (found(2e-4)?, found(1e9)?);
            with += dense / count;
            without += sparse / count;
            least = least.min(dense - sparse);
        }
        claim.at_least(
            "least gain of density control on pictures kept back (dB)",
            least,
            Some(0.0),
            run.pick(0.0, 1.0),
        );
        claim.at_least("gain over pictures of one colour (dB)", with, Some(without), run.pick(4.5, 13.0));
        Ok(claim)
    }
}
