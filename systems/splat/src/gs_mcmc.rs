#![doc = "[picture]: ../../../../docs/pictures/gs-mcmc.svg"]
#![doc = include_str!("gs-mcmc.md")]

use elbo_core::{Budget, Card, Claim, Config, Kind, ModelFile, Result, Run, System, Verb};
use elbo_splat::fit::{Settings, Start, Strategy, fit};
use elbo_splat::make::{Recipe, make};
use elbo_splat::model::SplatModel;
use elbo_splat::relocate::{shared_opacity, shared_scale, slice_change};
use elbo_splat::scene::Scene;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 3D Gaussian splatting as Markov chain Monte Carlo.
pub struct GsMcmc;

/// Settings of `gs-mcmc`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GsMcmcConfig {
    /// The scene, the start and the descent.
    #[serde(flatten)]
    pub common: Settings,
    /// Most Gaussians there may be; the number grows to exactly this.
    #[schemars(range(min = 100))]
    pub cap: usize,
    /// Strength of the noise on the means, as a multiple of their rate; zero turns it off.
    pub noise: f64,
    /// Weight of the mean opacity in the loss.
    pub opacity_weight: f64,
    /// Weight of the mean scale in the loss, in units of the scene's extent.
    pub scale_weight: f64,
}

impl Default for GsMcmcConfig {
    fn default() -> Self {
        Self { common: Settings::default(), cap: 20_000, noise: 5e5, opacity_weight: 0.01, scale_weight: 0.01 }
    }
}

impl Config for GsMcmcConfig {
    fn check(&self) -> Result<()> {
        self.common.check()?;
        self.strategy().check()
    }
}

impl GsMcmcConfig {
    fn strategy(&self) -> Strategy {
        Strategy::Relocation {
            cap: self.cap,
            noise: self.noise,
            opacity_weight: self.opacity_weight,
            scale_weight: self.scale_weight,
        }
    }
}

impl System for GsMcmc {
    const CARD: Card = Card {
        id: "gs-mcmc",
        title: "3D Gaussian Splatting as Markov Chain Monte Carlo",
        family: "splat",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Render, Verb::Reproduce],
        source: "Kheradmand, Rebain, Sharma, Sun, Tseng, Isack, Kar, Tagliasacchi and Yi (2024)",
        about: include_str!("gs-mcmc.md"),
        validates_itself: false,
    };
    type Config = GsMcmcConfig;
    type Input = Scene;
    type Model = SplatModel;

    fn fit(&self, config: &GsMcmcConfig, input: Scene, run: &mut Run) -> Result<SplatModel> {
        SplatModel::fit(&config.common, &config.strategy(), config, input, run)
    }

    fn load(&self, file: &ModelFile) -> Result<SplatModel> {
        SplatModel::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        relocation(&mut claim);
        against_control(&mut claim, &seeds, run)?;
        Ok(claim)
    }
}

/// The largest change of the opacity along a line through the centre when a Gaussian of opacity 0.6 becomes four.
fn relocation(claim: &mut Claim) {
    let (o, n) = (0.6, 4);
    let change = |each: f64, factor: f64| slice_change(o, n, each, factor);
    let each = shared_opacity(o, n);
    let found = change(each, shared_scale(o, n));
    claim.at_most(
        "relocation: largest change of a slice, opacity 0.6 as four copies",
        found,
        Some(change(o, 1.0)),
        0.015,
    );
    claim.at_most(
        "relocation: that change over the one without a factor on scales",
        found / change(each, 1.0),
        None,
        0.5,
    );
    let known = [(0.3, 2, 0.97461), (0.95, 4, 0.77280), (0.99, 50, 0.64224), (0.999_999, 50, 0.51552)];
    let worst = known.iter().map(|(o, n, f)| (shared_scale(*o, *n) - f).abs()).fold(0.0, f64::max);
    claim.at_most("relocation: distance of the factor from its known values", worst, None, 1e-5);
}

/// A made-up scene fitted with as many Gaussians by the chain and by adaptive density control, from points and from a random start.
fn against_control(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let recipe = run.pick(
        Recipe { views: 15, size: 32, bodies: 2, points: 150, rays: 1, ..Recipe::default() },
        Recipe { views: 50, size: 64, bodies: 5, points: 800, rays: 2, ..Recipe::default() },
    );
    // Both caps lie below what growth alone would reach.
    let (steps, cap) = run.pick((200, 160), (2000, 1500));
    let (mut gain, mut gaps, mut missed) = (0.0, [0.0; 2], 0);
    let (mut psnr, mut plain, count) = ([[0.0; 2]; 2], 0.0, seeds.len() as f64);
    for seed in seeds {
        let scene = make(&recipe, *seed).scene;
        let mut found = [[0.0; 2]; 2];
        for (s, start) in [Start::Random, Start::Points].into_iter().enumerate() {
            let settings = Settings { steps, start, points: recipe.points, test_every: 5, ..Settings::default() };
            let control = Strategy::Adaptive { threshold: 2e-4, absolute: false, cap };
            let chain = GsMcmcConfig { cap, ..GsMcmcConfig::default() }.strategy();
            for (k, strategy) in [control, chain].iter().enumerate() {
                let fitted = fit(&settings, strategy, scene.clone(), &mut run.child(*seed))?;
                found[k][s] = fitted.held.expect("pictures were kept back").psnr;
                psnr[k][s] += found[k][s] / count;
                plain += fitted.plain.expect("pictures were kept back") / (4.0 * count);
                if k == 1 {
                    missed = missed.max(fitted.gaussians.len().abs_diff(cap));
                }
            }
        }
        gain += (found[1][0] - found[0][0]) / count;
        (0..2).for_each(|k| gaps[k] += (found[k][1] - found[k][0]).abs() / count);
    }
    run.note(format!(
        "PSNR of pictures kept back, mean over seeds: adaptive control {:.2} dB from a random start and {:.2} from points, the chain {:.2} and {:.2}",
        psnr[0][0], psnr[0][1], psnr[1][0], psnr[1][1]
    ));
    // In a smoke run nothing has converged: the two methods cannot be compared.
    if run.budget == Budget::Full {
        claim.at_least("random start: gain over adaptive control with as many Gaussians (dB)", gain, Some(0.0), 0.5);
        let ratio = gaps[1] / gaps[0].max(1e-9);
        claim.at_most("difference between the two starts over that of adaptive control", ratio, Some(1.0), 0.5);
    }
    // What any fit that works is worth, far from what a broken one gives.
    let [control, chain] = psnr.map(|starts| starts.map(|decibels| decibels - plain));
    let least = run.pick([2.0, 4.5], [12.0, 12.0]);
    for (s, start) in ["random start", "start from points"].into_iter().enumerate() {
        let name = format!("{start}: gain over pictures of one colour (dB)");
        claim.at_least(&name, chain[s], Some(control[s]), least[s]);
    }
    claim.at_most("Gaussians more or fewer than the cap in the end", missed as f64, None, 0.0);
    Ok(())
}
