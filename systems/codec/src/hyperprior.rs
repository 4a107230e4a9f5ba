#![doc = "[picture]: ../../../../docs/pictures/hyperprior.svg"]
#![doc = include_str!("hyperprior.md")]

use elbo_codec::density::{Density, bits_of};
use elbo_codec::measure::{Point, bd_rate};
use elbo_codec::picture::{
    Entropy, Part, Photographs, PictureCodec, PictureModel, PictureSettings, RatePoint, Trainee,
};
use elbo_core::{Budget, Card, Claim, Config, Error, FromData, Kind, ModelFile, Result, Rng, Run, System, Verb};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A transform with a hyperprior: the baseline of the family.
pub struct Hyperprior;

/// The number of the system in files.
const NUMBER: u16 = 1;

/// Densities of `hyperprior`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Gaussians, as published.
    #[default]
    Gaussian,
    /// Laplace densities.
    Laplace,
    /// Logistic densities.
    Logistic,
    /// Mixtures of three Gaussians.
    Mixture,
}

impl From<Shape> for Entropy {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Gaussian => Self::Gaussian,
            Shape::Laplace => Self::Laplace,
            Shape::Logistic => Self::Logistic,
            Shape::Mixture => Self::Mixture,
        }
    }
}

/// Settings of `hyperprior`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HyperpriorConfig {
    /// The networks and their training.
    #[serde(flatten)]
    pub picture: PictureSettings,
    /// The density of a latent: gaussian, laplace or logistic around its mean, or a mixture of three Gaussians.
    pub density: Shape,
}

impl Config for HyperpriorConfig {
    fn check(&self) -> Result<()> {
        self.picture.check()
    }
}

impl System for Hyperprior {
    const CARD: Card = Card {
        id: "hyperprior",
        title: "Variational image compression with a scale hyperprior",
        family: "codec",
        kind: Kind::Baseline,
        verbs: &[Verb::Fit, Verb::Compress, Verb::Restore, Verb::Reproduce],
        source: "Ballé, Minnen, Singh, Hwang and Johnston (2018); Minnen, Ballé and Toderici (2018)",
        about: include_str!("hyperprior.md"),
        validates_itself: false,
    };
    type Config = HyperpriorConfig;
    type Input = Photographs;
    type Model = PictureModel;

    fn fit(&self, config: &HyperpriorConfig, input: Photographs, run: &mut Run) -> Result<PictureModel> {
        let settings = &config.picture;
        let mut trainee = settings.start(config.density.into(), &mut run.rng);
        let outcome = settings.train(&mut trainee, &input.photos, (Part::Whole, settings.steps, false), run)?;
        let text = format!(
            "A codec of photographs: {}, and a hyperprior that says where each latent lies and how widely.",
            settings.transform.describe()
        );
        PictureModel::new(settings, &trainee, NUMBER, ("rate and distortion", outcome.objective), &text, &input)
    }

    fn load(&self, file: &ModelFile) -> Result<PictureModel> {
        PictureModel::load(file, NUMBER)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        let (training, test) = photographs(run)?;
        let settings = claimed(run);
        let (mut side_information, mut gap, mut curves) = (vec![], vec![], vec![]);
        for seed in seeds {
            let mut child = run.child(seed);
            let mut trainee = settings.start(Entropy::Gaussian, &mut Rng::new(seed));
            settings.train(&mut trainee, &training.photos, (Part::Whole, settings.steps, false), &mut child)?;
            let with = PictureCodec::new(&trainee, NUMBER)?.rates(&test.photos)?;
            // The second latents of a smoke run say nothing yet, and its curves need not rise.
            if run.budget == Budget::Full {
                // The same pictures with the second latents silenced: every channel keeps one scale.
                let without = PictureCodec::new(&silenced(&trainee), NUMBER)?.rates(&test.photos)?;
                side_information.push(difference(&without, &with)?);
            }
            gap.push(coder_overhead(&trainee, &test)?);
            curves.push(with);
        }
        if run.budget == Budget::Full {
            claim.at_most(
                "rate at equal PSNR against the same model with its second latents silenced, worst seed (%)",
                100.0 * side_information.into_iter().fold(f64::NEG_INFINITY, worse),
                Some(0.0),
                -5.0,
            );
        }
        let worst = gap.into_iter().fold(f64::NEG_INFINITY, worse);
        claim.at_most(
            "file size over its cross-entropy, worst quality and seed (%)",
            100.0 * worst,
            None,
            run.pick(40.0, 4.0),
        );
        let table = bits_of((Density::Gaussian, 1.0), (Density::Gaussian, 1.0));
        claim.at_most("bits of a rounded standard normal, distance from 2.10483", (table - 2.104_83).abs(), None, 1e-5);
        record(run, &curves);
        Ok(claim)
    }
}

/// Photographs to train on and to judge by; in a smoke run a part of the latter.
pub(crate) fn photographs(run: &Run) -> Result<(Photographs, Photographs)> {
    let (training, test) = elbo_data::photos()?;
    let (training, mut test) = (Photographs::from_data(&training)?, Photographs::from_data(&test)?);
    let side = run.pick(128, usize::MAX);
    test.photos.iter_mut().for_each(|photo| *photo = photo.part([side; 2]));
    Ok((training, test))
}

/// The settings of the family's claims: about half of the default networks, so that three seeds take minutes; in a smoke run small ones,
/// for a few steps.
pub(crate) fn claimed(run: &Run) -> PictureSettings {
    let half =
        PictureSettings { latents: 64, second: 24, width: 48, steps: 600, batch: 4, ..PictureSettings::default() };
    match run.budget {
        Budget::Smoke => PictureSettings { latents: 24, second: 8, width: 8, hyper: 8, steps: 6, ..half },
        Budget::Full => half,
    }
}

/// The model with means of zero and one scale a channel: what it would be without second latents.
fn silenced(trainee: &Trainee) -> Trainee {
    use elbo_tensor::Parameters;
    let mut silent = trainee.clone();
    silent.hyper.visit_mut(&mut |name, p| {
        if name.starts_with("encoder.1") || name == "decoder.2" || name == "decoder.2_bias" {
            p.set(&vec![0.0; p.len()]).expect("zeros are finite");
        }
    });
    silent
}

/// The larger of two errors; what is no number stays, so that its check fails.
pub(crate) fn worse(worst: f64, error: f64) -> f64 {
    if error > worst || error.is_nan() { error } else { worst }
}

/// BD-rate by the monotone piecewise cubic; curves too short for it, or that do not rise, are an error.
pub(crate) fn difference(anchor: &[RatePoint], test: &[RatePoint]) -> Result<f64> {
    let curve =
        |points: &[RatePoint]| points.iter().map(|p| Point { rate: p.rate, quality: p.psnr }).collect::<Vec<Point>>();
    Ok(bd_rate(&curve(anchor), &curve(test))?.pchip)
}

/// How much larger files are than the cross-entropy of their symbols by the tables.
fn coder_overhead(trainee: &Trainee, test: &Photographs) -> Result<f64> {
    let codec = PictureCodec::new(trainee, NUMBER)?;
    let mut worst = f64::NEG_INFINITY;
    for quality in [2, 4, 7] {
        for photo in &test.photos {
            let file = codec.encode(photo, quality)?;
            let entropy = codec.cross_entropy(photo, quality)?;
            if entropy <= 0.0 {
                return Err(Error::numerical("a picture has no cross-entropy", "report this"));
            }
            worst = worse(worst, 8.0 * file.len() as f64 / entropy - 1.0);
        }
    }
    Ok(worst)
}

/// The curves of the seeds on the held-out photograph.
fn record(run: &mut Run, curves: &[Vec<RatePoint>]) {
    let mut table = elbo_core::Table::new(
        "rates",
        "Rate and quality of whole files of the held-out photograph, by seed and quality.",
        &["seed", "quality", "bits_per_pixel", "psnr"],
    );
    for (i, curve) in curves.iter().enumerate() {
        for p in curve {
            table.push(vec![
                (run.seed + i as u64).to_string(),
                p.quality.to_string(),
                format!("{:.4}", p.rate),
                format!("{:.3}", p.psnr),
            ]);
        }
    }
    run.table(table);
}
