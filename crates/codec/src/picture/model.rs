//! Settings, fitting, the model and its verbs.

use super::LAMBDAS;
use super::codec::{Coding, PictureCodec, RatePoint, UNIT};
use super::context::Context;
use super::distortion::Distortion;
use super::frozen::Frozen;
use super::hyper::{Entropy, Hyper};
use super::photo::{Photo, Photographs};
use super::train::{Part, Trainee, Training};
use super::transform::{Transform, TransformKind};
use crate::container::{Coder, Container, Damaged};
use elbo_core::{
    Allowed, Compress, Data, Error, Figure, Mark, Model, ModelFile, Outcome, Result, Rng, Run, Stop, Summary, Table,
    drive, ensure, ensure_within,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Side of the parts of photographs that a fit is judged on, and how many.
const JUDGED: (usize, usize) = (256, 3);
/// What a restored picture comes from.
const RESTORED: &str = "a compressed picture";
/// Damaged chunks that are named one by one.
const NAMED: usize = 20;

/// Settings of the networks and their training that all codecs of photographs share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PictureSettings {
    /// Latents for each eight by eight pixels.
    pub latents: usize,
    /// Second latents, which say how wide the first are, for each 32 by 32 pixels.
    pub second: usize,
    /// How pixels become latents: lapped, filters of sixteen pixels and a residual block; or gdn, three convolutions with divisive
    /// normalisation between them.
    pub transform: TransformKind,
    /// Channels between the layers of the transform.
    pub width: usize,
    /// Channels between the second latents and the scales.
    pub hyper: usize,
    /// Latents that say more about the next ones: none, checkerboard, channels, or serial, which is slow.
    pub context: Context,
    /// Steps of training.
    pub steps: usize,
    /// Parts of photographs a step.
    pub batch: usize,
    /// Side of these parts in pixels, a multiple of 32.
    pub crop: usize,
    /// Adam's rate at the start.
    pub rate: f64,
    /// What is weighed against the rate: mse, the squared error, or ms-ssim, the structural similarity over several scales.
    pub loss: Distortion,
}

impl Default for PictureSettings {
    fn default() -> Self {
        Self {
            latents: 96,
            second: 32,
            transform: TransformKind::Lapped,
            width: 64,
            hyper: 48,
            context: Context::None,
            steps: 1200,
            batch: 8,
            crop: 64,
            rate: 1e-3,
            loss: Distortion::Mse,
        }
    }
}

impl PictureSettings {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("latents", self.latents, 1..=192)?;
        ensure_within("second", self.second, 1..=1024)?;
        ensure_within("width", self.width, 1..=1024)?;
        ensure_within("hyper", self.hyper, 1..=1024)?;
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=4096)?;
        let fits = self.crop.is_multiple_of(UNIT) && (UNIT..=1024).contains(&self.crop);
        ensure("crop", self.crop, fits, Allowed::within(32..=1024).told("a multiple of 32, from 32 to 1024"))?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")
    }

    /// Networks that are not trained yet.
    pub fn start(&self, entropy: Entropy, rng: &mut Rng) -> Trainee {
        let transform = Transform::new(self.transform, [self.latents, self.width], rng);
        let hyper = Hyper::new([self.latents, self.second, self.hyper], (entropy, self.context), rng);
        Trainee { transform, hyper }
    }

    /// Trains a part of the networks; `steps` of them.
    ///
    /// # Errors
    /// Those of training.
    pub fn train(
        &self,
        trainee: &mut Trainee,
        photos: &[Photo],
        (part, steps, rectify): (Part, usize, bool),
        run: &mut Run,
    ) -> Result<Outcome> {
        let training = Training {
            photos,
            crop: self.crop,
            batch: self.batch,
            rate: self.rate,
            steps,
            part,
            distortion: self.loss,
            rectify,
        };
        if part == Part::Whole {
            training.start_scales(trainee, run);
        }
        let (name, objective) = match part {
            Part::Whole => ("transform and entropy model", "rate and distortion"),
            Part::Entropy => ("entropy model", "rate"),
        };
        drive(&training, trainee, &Stop::after(steps, name, objective), run)
    }
}

/// A fitted codec of photographs.
#[derive(Debug, Clone)]
pub struct PictureModel {
    settings: PictureSettings,
    codec: PictureCodec,
    rates: Vec<RatePoint>,
    objective: (String, f64),
    text: String,
}

impl PictureModel {
    /// A model of trained networks; judges them on parts of the photographs they were trained on.
    ///
    /// # Errors
    /// As [`PictureCodec::new`] and [`PictureCodec::encode`].
    pub fn new(
        settings: &PictureSettings,
        trainee: &Trainee,
        system: u16,
        objective: (&str, f64),
        text: &str,
        input: &Photographs,
    ) -> Result<Self> {
        let codec = PictureCodec::new(trainee, system)?;
        let (side, count) = JUDGED;
        let judged: Vec<Photo> = input.photos.iter().take(count).map(|photo| photo.part([side; 2])).collect();
        let rates = match settings.loss {
            Distortion::Mse => codec.rates(&judged)?,
            Distortion::MsSsim => codec.rates_with_similarity(&judged)?,
        };
        let objective = (objective.0.to_owned(), objective.1);
        Ok(Self { settings: settings.clone(), codec, rates, objective, text: text.into() })
    }

    /// Networks and tables.
    pub fn codec(&self) -> &PictureCodec {
        &self.codec
    }

    /// Takes back what `save` stored. `system` is the number of the system in files.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing or damaged.
    pub fn load(file: &ModelFile, system: u16) -> Result<Self> {
        let settings: PictureSettings = file.fact("settings")?;
        settings.check()?;
        let entropy: Entropy = file.fact("entropy")?;
        let mut trainee = settings.start(entropy, &mut Rng::new(0));
        elbo_core::Snapshot::restore(&mut trainee, file, "network")?;
        let frozen = Frozen::load(file, (entropy, settings.context))?;
        let fits = frozen.latents() == settings.latents && frozen.second() == settings.second;
        if !fits {
            return Err(Error::model_file("the tables are not those of the networks", "copy the model file again"));
        }
        Ok(Self {
            settings,
            codec: PictureCodec::with_tables(trainee, frozen, system),
            rates: file.fact("rates")?,
            objective: file.fact("objective")?,
            text: file.fact("text")?,
        })
    }
}

impl Model for PictureModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("settings", &self.settings);
        file.set("entropy", &self.codec.hyper().entropy());
        elbo_core::Snapshot::save(&self.codec.trainee(), file, "network");
        self.codec.frozen().save(file);
        file.set("rates", &self.rates);
        file.set("objective", &self.objective);
        file.set("text", &self.text);
        Ok(())
    }

    fn summary(&self) -> Summary {
        let mut metrics = vec![];
        for point in self.rates.iter().filter(|p| matches!(p.quality, 1 | 4 | 8)) {
            metrics.push((format!("bits_per_pixel_quality_{}", point.quality), point.rate));
            metrics.push((format!("psnr_quality_{}", point.quality), point.psnr));
            if let Some(similarity) = point.ms_ssim {
                metrics.push((format!("ms_ssim_quality_{}", point.quality), similarity));
            }
        }
        if let Some(shapes) = self.codec.hyper().shapes() {
            let n = shapes.len() as f64;
            metrics.push(("shape_mean".into(), shapes.iter().sum::<f64>() / n));
            metrics.push(("shape_share_at_limit".into(), self.codec.hyper().shapes_at_limit() as f64 / n));
        }
        let digest = crate::container::hex(&self.codec.frozen().digest()[..8]);
        Summary {
            objective: Some(self.objective.clone()),
            metrics,
            parameters: vec![("tables".into(), digest, "begin of the digest that stands in every file".into())],
            text: self.text.clone(),
            ..Summary::default()
        }
    }

    fn as_compress(&self) -> Option<&dyn Compress> {
        Some(self)
    }

    fn tables(&self) -> Vec<Table> {
        let columns = ["quality", "bits_per_pixel", "psnr", "ms_ssim"];
        let shown = if self.rates.iter().all(|p| p.ms_ssim.is_some()) { 4 } else { 3 };
        let mut table = Table::new(
            "rates",
            "Rate and quality of every setting on parts of the photographs the model was fitted to; whole files, headers included.",
            &columns[..shown],
        );
        for p in &self.rates {
            let known = [p.quality.to_string(), format!("{:.4}", p.rate), format!("{:.3}", p.psnr)];
            table.push(known.into_iter().chain(p.ms_ssim.map(|s| format!("{s:.5}"))).collect());
        }
        vec![table]
    }

    fn figures(&self) -> Vec<Figure> {
        let x = self.rates.iter().map(|p| p.rate).collect();
        let y = self.rates.iter().map(|p| p.psnr).collect();
        vec![Figure {
            name: "rate-distortion".into(),
            caption: "Quality against rate on parts of the photographs the model was fitted to, one point a setting."
                .into(),
            x_label: "bits per pixel".into(),
            y_label: "PSNR (dB)".into(),
            x_log: false,
            y_log: false,
            marks: vec![Mark::Line { label: String::new(), x, y, dashed: false }],
        }]
    }
}

impl Compress for PictureModel {
    fn defaults(&self) -> Value {
        json!({ "quality": 4, "coder": "rans", "skip_zeros": false })
    }

    fn compress(&self, data: &Data, settings: &Value, _: &mut Run) -> Result<Vec<u8>> {
        let (mut quality, mut coding) = (4u64, Coding::default());
        for (key, value) in settings.as_object().into_iter().flatten() {
            let wrong = |expected: Allowed| Error::Setting { setting: key.clone(), found: value.to_string(), expected };
            match key.as_str() {
                "quality" => {
                    let found = value.as_u64().filter(|q| (1..=LAMBDAS.len() as u64).contains(q));
                    quality = found.ok_or_else(|| {
                        wrong(Allowed::within(1..=LAMBDAS.len()).told(format!(
                            "a whole number from 1, the smallest files, to {}, the best pictures",
                            LAMBDAS.len()
                        )))
                    })?;
                }
                "coder" => {
                    coding.coder = match value.as_str() {
                        Some("rans") => Coder::Rans,
                        Some("range") => Coder::Range,
                        _ => return Err(wrong(Allowed::one_of(["rans", "range"]))),
                    };
                }
                "skip_zeros" => {
                    coding.skip_zeros = value.as_bool().ok_or_else(|| wrong(Allowed::one_of(["true", "false"])))?;
                }
                other => return Err(Error::unknown("setting", other, ["quality", "coder", "skip_zeros"])),
            }
        }
        Ok(self.codec.encode_with(&Photo::only(data)?, quality as usize - 1, coding)?.0)
    }

    fn decompress(&self, file: &[u8]) -> Result<Data> {
        Ok(self.codec.decode(file)?.into_data(RESTORED))
    }

    fn salvage(&self, file: &[u8], run: &mut Run) -> Result<Data> {
        let (container, damaged, is_whole) = Container::salvage(file)?;
        let (photo, lost) = self.codec.salvage_chunks(&container, &damaged)?;
        let count = container.chunks.len();
        for Damaged { chunk } in damaged.iter().take(NAMED) {
            run.warn(format!("chunk {} of {count} is damaged: its checksum differs", chunk + 1));
        }
        if damaged.len() > NAMED {
            run.warn(format!("{} more chunks are damaged", damaged.len() - NAMED));
        }
        if lost.len() > damaged.len() {
            run.warn(format!("{} chunks cannot be read without the damaged ones", lost.len() - damaged.len()));
        }
        if !is_whole && damaged.is_empty() {
            run.warn("the digest of the file differs though every chunk is sound: its header may have been changed");
        }
        Ok(photo.into_data(RESTORED))
    }
}
