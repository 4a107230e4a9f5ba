#![doc = "[picture]: ../../../../docs/pictures/ggm-codec.svg"]
#![doc = include_str!("ggm-codec.md")]

use crate::hyperprior::{claimed, difference, photographs, worse};
use elbo_codec::density::{Density, best_bits, bits_of};
use elbo_codec::picture::{
    Entropy, Part, Photographs, PictureCodec, PictureModel, PictureSettings, RatePoint, Trainee,
};
use elbo_core::{Budget, Card, Claim, Config, Kind, ModelFile, Result, Rng, Run, System, Table, Verb, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// A codec whose latents are generalised Gaussians of learned shape.
pub struct GgmCodec;

/// The number of the system in files.
const NUMBER: u16 = 2;

/// What has a shape of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// The model: one shape (`GGM-m`).
    M,
    /// Every channel (`GGM-c`).
    #[default]
    C,
    /// Every latent, whose shape the second latents say (`GGM-e`).
    E,
}

impl From<Variant> for Entropy {
    fn from(variant: Variant) -> Self {
        match variant {
            Variant::M => Self::GeneralisedModel,
            Variant::C => Self::GeneralisedChannel,
            Variant::E => Self::GeneralisedElement,
        }
    }
}

/// Settings of `ggm-codec`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GgmCodecConfig {
    /// The networks and their training.
    #[serde(flatten)]
    pub picture: PictureSettings,
    /// What has a shape of its own: m, the model; c, every channel; or e, every latent.
    pub variant: Variant,
    /// Steps in which the entropy model alone is trained with learned shapes, after `steps` of everything with Gaussians.
    pub entropy_steps: usize,
    /// Whether the shape also gets the gradient of the least scale where that lowers the loss, and its long gradients are shortened.
    pub rectify: bool,
}

impl Default for GgmCodecConfig {
    fn default() -> Self {
        Self { picture: PictureSettings::default(), variant: Variant::C, entropy_steps: 400, rectify: true }
    }
}

impl Config for GgmCodecConfig {
    fn check(&self) -> Result<()> {
        self.picture.check()?;
        ensure_within("entropy_steps", self.entropy_steps, 1..=1_000_000_000)
    }
}

impl System for GgmCodec {
    const CARD: Card = Card {
        id: "ggm-codec",
        title: "Generalized Gaussian Model for Learned Image Compression",
        family: "codec",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Compress, Verb::Restore, Verb::Reproduce],
        source: "Zhang, Li, Liu and others (2024)",
        about: include_str!("ggm-codec.md"),
        validates_itself: false,
    };
    type Config = GgmCodecConfig;
    type Input = Photographs;
    type Model = PictureModel;

    fn fit(&self, config: &GgmCodecConfig, input: Photographs, run: &mut Run) -> Result<PictureModel> {
        let settings = &config.picture;
        let mut trainee = settings.start(Entropy::Gaussian, &mut run.rng);
        let photos = &input.photos;
        settings.train(&mut trainee, photos, (Part::Whole, settings.steps, false), run)?;
        trainee.hyper.set_entropy(config.variant.into());
        let how = (Part::Entropy, config.entropy_steps, config.rectify);
        let outcome = settings.train(&mut trainee, photos, how, run)?;
        let text = format!(
            "A codec of photographs whose latents are generalised Gaussians with a learned shape: {}, and a hyperprior that says where \
             each latent lies and how widely.",
            settings.transform.describe()
        );
        let model = PictureModel::new(settings, &trainee, NUMBER, ("rate", outcome.objective), &text, &input)?;
        let at_limit = trainee.hyper.shapes_at_limit();
        if at_limit > 0 {
            run.warn(format!("{at_limit} of {} channels have a shape at a limit of 0.5 to 3", trainee.hyper.latents()));
        }
        Ok(model)
    }

    fn load(&self, file: &ModelFile) -> Result<PictureModel> {
        PictureModel::load(file, NUMBER)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        exact_rates(&mut claim);
        gradients(&mut claim);
        small_codec(&mut claim, &seeds, run)?;
        Ok(claim)
    }
}

/// Bits of integers rounded from a known source, by the best Gaussian and by the best generalised Gaussian.
fn exact_rates(claim: &mut Claim) {
    // The scale at which a shape has the standard deviation two.
    let of_two = |shape: f64| 2.0 / Density::Generalised { shape }.variance().sqrt();
    // Shape and scale of the source, and what the specification measured: the saving in per cent, and where it gives them the bits of
    // the best Gaussian.
    let cases = [
        (1.0, 0.5, 4.4, Some(1.6320)),
        (1.0, 2.0, 2.85, Some(3.5567)),
        (1.0, 8.0, 1.93, None),
        (0.7, of_two(0.7), 8.64, None),
        (1.3, of_two(1.3), 1.04, None),
        (2.0, 2.0 * 2f64.sqrt(), 0.0, None),
    ];
    let mut worst = 0f64;
    for (shape, scale, saved, gaussian) in cases {
        let source = (Density::Generalised { shape }, scale);
        let (of_gaussian, of_own) = (best_bits(source, Density::Gaussian), bits_of(source, source));
        worst = worse(worst, (of_gaussian * (1.0 - saved / 100.0) - of_own).abs());
        if let Some(gaussian) = gaussian {
            worst = worse(worst, (of_gaussian - gaussian).abs());
        }
    }
    claim.at_most("exact rates of integers from six sources, worst distance (bits)", worst, None, 0.01);
    let source = (Density::Laplace, 2.0);
    claim.at_least(
        "saving of the right shape over the best Gaussian, Laplace source of scale 2 (%)",
        100.0 * (1.0 - bits_of(source, source) / best_bits(source, Density::Gaussian)),
        Some(0.0),
        2.7,
    );
}

/// Slopes of the distribution function in the shape against central differences.
fn gradients(claim: &mut Claim) {
    let mut worst = 0f64;
    for i in 0..=25 {
        let shape = 0.5 + 0.1 * f64::from(i);
        for x in [0.05, 0.3, 0.9, 1.0, 1.5, 2.5, 4.0, 8.0] {
            let at = |s: f64| Density::Generalised { shape: s }.upper(x);
            let h = 1e-4;
            // Fourth order, so that the difference is not what limits the comparison.
            let numeric =
                (8.0 * (at(shape + h) - at(shape - h)) - (at(shape + 2.0 * h) - at(shape - 2.0 * h))) / (12.0 * h);
            let exact = Density::Generalised { shape }.upper_slope(x);
            // Below, the difference has no digits left; a slope that is wrongly nothing is seen.
            if numeric.abs() > 1e-9 {
                worst = worse(worst, (numeric - exact).abs() / exact.abs().max(1e-3));
            }
        }
    }
    claim.at_most("slope of the distribution function in the shape, worst relative error", worst, None, 1e-6);
}

/// The same transform with four entropy models, each trained as long with the transform held fixed.
fn small_codec(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let (training, test) = photographs(run)?;
    let settings = claimed(run);
    let entropy_steps = run.pick(3, 300);
    let (mut m, mut c, mut time) = (vec![], vec![], vec![]);
    let mut differences = Table::new(
        "differences",
        "Rate at equal PSNR and time to decode against one Gaussian for each latent, by seed; gmm3 is a mixture of three.",
        &["seed", "entropy", "rate_percent", "decode_time"],
    );
    let mut table = Table::new(
        "rates",
        "Rate and quality of whole files of the held-out photograph, by seed, entropy model and quality.",
        &["seed", "entropy", "quality", "bits_per_pixel", "psnr"],
    );
    for seed in seeds {
        let mut trainee = settings.start(Entropy::Gaussian, &mut Rng::new(*seed));
        let how = (Part::Whole, settings.steps, false);
        settings.train(&mut trainee, &training.photos, how, &mut run.child(*seed))?;
        let mut curve = |entropy: Entropy, name: &str| -> Result<(Vec<RatePoint>, PictureCodec)> {
            let mut own: Trainee = trainee.clone();
            own.hyper.set_entropy(entropy);
            // The same parts of photographs for each.
            let mut child = run.child(*seed + 1000);
            settings.train(&mut own, &training.photos, (Part::Entropy, entropy_steps, true), &mut child)?;
            let codec = PictureCodec::new(&own, NUMBER)?;
            let found = codec.rates(&test.photos)?;
            for p in &found {
                let cells = [p.quality.to_string(), format!("{:.4}", p.rate), format!("{:.3}", p.psnr)];
                table.push([seed.to_string(), name.to_owned()].into_iter().chain(cells).collect());
            }
            Ok((found, codec))
        };
        let (gaussian, gaussian_codec) = curve(Entropy::Gaussian, "gaussian")?;
        let (of_model, model_codec) = curve(Entropy::GeneralisedModel, "ggm-m")?;
        let (of_channel, channel_codec) = curve(Entropy::GeneralisedChannel, "ggm-c")?;
        let (of_mixture, mixture_codec) = curve(Entropy::Mixture, "gmm3")?;
        // The curves of a smoke run need not rise, and its machine is shared with others.
        if run.budget == Budget::Smoke {
            continue;
        }
        let mut compared = |name: &str, points: &[RatePoint], codec: &PictureCodec| -> Result<(f64, f64)> {
            let (rate, decode) = (difference(&gaussian, points)?, time_ratio(&gaussian_codec, codec, &test)?);
            let cells = [seed.to_string(), name.into(), format!("{:.2}", 100.0 * rate), format!("{decode:.3}")];
            differences.push(cells.into());
            Ok((rate, decode))
        };
        m.push(compared("ggm-m", &of_model, &model_codec)?.0);
        let (rate, decode) = compared("ggm-c", &of_channel, &channel_codec)?;
        c.push(rate);
        time.push(decode);
        compared("gmm3", &of_mixture, &mixture_codec)?;
    }
    run.table(table);
    if run.budget == Budget::Full {
        run.table(differences);
        let mean = |v: &[f64]| 100.0 * v.iter().sum::<f64>() / v.len() as f64;
        let (m, c) = (mean(&m), mean(&c));
        claim.at_most(
            "rate of the better of m and c against Gaussians at equal PSNR, mean over seeds (%)",
            m.min(c),
            Some(0.0),
            -1.0,
        );
        claim.at_most("rate of GGM-m against Gaussians (%)", m, Some(0.0), 0.0);
        claim.at_most("rate of GGM-c against Gaussians (%)", c, Some(0.0), 0.0);
        time.sort_by(f64::total_cmp);
        let median = time[time.len() / 2];
        claim.at_most("time to decode with GGM-c over Gaussians, median over seeds", median, Some(1.0), 1.1);
    }
    Ok(())
}

/// The least of some times to decode the pictures with the second codec over that with the first, measured in turn.
fn time_ratio(first: &PictureCodec, second: &PictureCodec, test: &Photographs) -> Result<f64> {
    let encoded = |codec: &PictureCodec| test.photos.iter().map(|p| codec.encode(p, 4)).collect::<Result<Vec<_>>>();
    let both = [(first, encoded(first)?), (second, encoded(second)?)];
    let mut least = [f64::INFINITY; 2];
    for _ in 0..7 {
        for ((codec, files), least) in both.iter().zip(&mut least) {
            let started = Instant::now();
            for file in files {
                codec.decode(file)?;
            }
            *least = least.min(started.elapsed().as_secs_f64());
        }
    }
    Ok(least[1] / least[0])
}
