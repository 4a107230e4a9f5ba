//! Settings, fitting, the model and its verbs.

use super::LAMBDAS;
use super::frozen::{Frozen, MOST_SECOND};
use super::hyper::{Entropy, Hyper, SECOND_STEP};
use super::photo::{Photo, Photographs};
use super::train::{Part, Trainee, Training};
use super::transform::{LATENT_STEP, Transform};
use crate::coder::{decode_integers, encode_integers};
use crate::container::{Arithmetic, CHUNK, Chunk, Coder, Container, MOST_PIXELS, broken};
use crate::integer::FRACTION;
use crate::measure::psnr;
use crate::proxy::quantise;
use elbo_core::{
    Compress, Data, Error, Figure, Mark, Model, ModelFile, Outcome, Result, Rng, Run, Stop, Summary, Table, drive,
    ensure,
};
use elbo_tensor::{Tensor, no_grad};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Sides of pictures are filled up to a multiple of this: the step of the second latents.
const UNIT: usize = LATENT_STEP * SECOND_STEP;
/// Symbols from which on the coder has four lanes.
const MANY: usize = 1 << 16;
/// Side of the parts of photographs that a fit is judged on, and how many.
const JUDGED: (usize, usize) = (256, 3);

/// Settings of the networks and their training that all codecs of photographs share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PictureSettings {
    /// Latents for each eight by eight pixels.
    pub latents: usize,
    /// Second latents, which say how wide the first are, for each 32 by 32 pixels.
    pub second: usize,
    /// Channels of the residual blocks of the transform.
    pub width: usize,
    /// Channels between the second latents and the scales.
    pub hyper: usize,
    /// Steps of training.
    pub steps: usize,
    /// Parts of photographs a step.
    pub batch: usize,
    /// Side of these parts in pixels, a multiple of 32.
    pub crop: usize,
    /// Adam's rate at the start.
    pub rate: f64,
}

impl Default for PictureSettings {
    fn default() -> Self {
        Self { latents: 96, second: 32, width: 64, hyper: 48, steps: 1200, batch: 8, crop: 64, rate: 1e-3 }
    }
}

impl PictureSettings {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure("latents", self.latents, (1..=192).contains(&self.latents), "from 1 to 192")?;
        ensure("second", self.second, (1..=1024).contains(&self.second), "from 1 to 1024")?;
        ensure("width", self.width, (1..=1024).contains(&self.width), "from 1 to 1024")?;
        ensure("hyper", self.hyper, (1..=1024).contains(&self.hyper), "from 1 to 1024")?;
        ensure("steps", self.steps, self.steps >= 1, "at least 1")?;
        ensure("batch", self.batch, (1..=4096).contains(&self.batch), "from 1 to 4096")?;
        let fits = self.crop.is_multiple_of(UNIT) && (UNIT..=1024).contains(&self.crop);
        ensure("crop", self.crop, fits, "a multiple of 32, from 32 to 1024")?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")
    }

    /// Networks that are not trained yet.
    pub fn start(&self, entropy: Entropy, rng: &mut Rng) -> Trainee {
        let transform = Transform::new(self.latents, self.width, rng);
        let hyper = Hyper::new(self.latents, self.second, self.hyper, entropy, rng);
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
        let training = Training { photos, crop: self.crop, batch: self.batch, rate: self.rate, steps, part, rectify };
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

/// Rate and quality of one setting on some photographs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatePoint {
    /// The setting, 1 to 8.
    pub quality: usize,
    /// Bits per pixel of the files, headers included.
    pub rate: f64,
    /// Peak signal to noise ratio in decibels, the mean over pictures.
    pub psnr: f64,
}

/// The integers of a picture, each with the index of its table.
struct Symbols {
    second: Vec<i32>,
    second_tables: Vec<u16>,
    first: Vec<i32>,
    first_tables: Vec<u16>,
}

/// Networks and tables without a system around them.
#[derive(Debug, Clone)]
pub struct PictureCodec {
    transform: Transform,
    hyper: Hyper,
    frozen: Frozen,
    /// The number of the system in files.
    system: u16,
}

impl PictureCodec {
    /// Freezes trained networks.
    ///
    /// # Errors
    /// As [`Frozen::new`].
    pub fn new(trainee: &Trainee, system: u16) -> Result<Self> {
        let Trainee { transform, hyper } = trainee.clone();
        let frozen = Frozen::new(&hyper)?;
        Ok(Self { transform, hyper, frozen, system })
    }

    /// The tables.
    pub fn frozen(&self) -> &Frozen {
        &self.frozen
    }

    /// The hyperprior as it was trained.
    pub fn hyper(&self) -> &Hyper {
        &self.hyper
    }

    /// A picture as a file. `quality` counts from zero.
    ///
    /// # Errors
    /// [`Error::Data`] for more pixels than a reader accepts, [`Error::Numerical`] when the networks give no finite numbers.
    ///
    /// # Panics
    /// When there is no such quality.
    pub fn encode(&self, photo: &Photo, quality: usize) -> Result<Vec<u8>> {
        let symbols = self.quantised(photo, quality)?;
        let lanes = lanes(symbols.first.len());
        let mut chunks = self.chunks(&symbols.second, &symbols.second_tables, lanes);
        chunks.extend(self.chunks(&symbols.first, &symbols.first_tables, lanes));
        let [h, w, _] = photo.shape;
        let container = Container {
            minor: crate::container::VERSION[1],
            coder: Coder::Rans,
            arithmetic: Arithmetic::Integer,
            lanes: lanes as u8,
            model: *self.frozen.digest(),
            system: self.system,
            shape: photo.shape.map(|s| s as u32).to_vec(),
            quality: quality as u16,
            padding: [h, w].map(|n| (n.next_multiple_of(UNIT) - n) as u32).into_iter().chain([0]).collect(),
            chunks,
            metadata: vec![],
        };
        Ok(container.to_bytes())
    }

    /// Bits of the symbols of a picture by the tables: what the file would have without headers and the coder's remainder.
    ///
    /// # Errors
    /// As [`PictureCodec::encode`].
    pub fn cross_entropy(&self, photo: &Photo, quality: usize) -> Result<f64> {
        let symbols = self.quantised(photo, quality)?;
        let cost = |values: &[i32], tables: &[u16]| -> f64 {
            let one = |(v, t): (&i32, &u16)| self.frozen.lookups()[usize::from(*t)].alphabet().cost(*v);
            values.iter().zip(tables).map(one).sum()
        };
        Ok(cost(&symbols.second, &symbols.second_tables) + cost(&symbols.first, &symbols.first_tables))
    }

    /// The integers of a picture with their tables.
    fn quantised(&self, photo: &Photo, quality: usize) -> Result<Symbols> {
        assert!(quality < LAMBDAS.len(), "quality {quality}");
        let [h, w, _] = photo.shape;
        if !is_readable([h, w].map(|n| n as u64)) {
            return Err(Error::data(
                format!(
                    "the picture has {w} x {h} pixels; at most {MOST_PIXELS} are compressed, and twice as many with its sides filled up \
                     to multiples of {UNIT}"
                ),
                "cut it into parts",
            ));
        }
        let [height, width] = [h, w].map(|n| n.next_multiple_of(UNIT));
        let x = Tensor::from_f32(photo.planes([0, 0], [height, width]), &[1, 3, height, width]);
        let (y, z) = no_grad(|| {
            let y = self.transform.analysis_tiled(&x) * self.transform.log_gain(&[quality]).exp();
            let z = self.hyper.encode_tiled(&y);
            (y, z)
        });
        drop(x);
        if !y.is_finite() || !z.is_finite() {
            return Err(Error::numerical("the transform of the picture is not finite", "fit the model again"));
        }
        let grid = [height / UNIT, width / UNIT];
        let whole = |v: &f32| quantise(*v, 0.0).clamp(-MOST_SECOND, MOST_SECOND);
        let second: Vec<i32> = z.as_slice::<f32>().iter().map(whole).collect();
        let prediction = self.frozen.predict(&second, grid, quality);
        let scale = 1.0 / f32::from(1u16 << FRACTION);
        let about = |(y, mean): (&f32, &i32)| quantise(*y, *mean as f32 * scale);
        let first = y.as_slice::<f32>().iter().zip(&prediction.means).map(about).collect();
        let second_tables = self.frozen.second_tables(grid[0] * grid[1]);
        Ok(Symbols { second, second_tables, first, first_tables: prediction.tables })
    }

    fn chunks(&self, values: &[i32], tables: &[u16], lanes: usize) -> Vec<Chunk> {
        let one = |(values, tables): (&[i32], &[u16])| Chunk {
            symbols: values.len() as u32,
            bytes: encode_integers(values, tables, self.frozen.lookups(), lanes),
        };
        values.par_chunks(CHUNK).zip(tables.par_chunks(CHUNK)).map(one).collect()
    }

    /// The picture of a file.
    ///
    /// # Errors
    /// [`Error::Data`] when it is damaged, foreign, of another model or another version.
    pub fn decode(&self, bytes: &[u8]) -> Result<Photo> {
        self.decode_container(&Container::from_bytes(bytes)?, &[])
    }

    /// As much of the picture as can be had from a damaged file: latents of damaged chunks take their means, and where second latents are
    /// damaged, those of zero. Returns the damaged chunks, counted from zero.
    ///
    /// # Errors
    /// [`Error::Data`] when the header is damaged, or the file is of another model.
    pub fn salvage(&self, bytes: &[u8]) -> Result<(Photo, Vec<usize>)> {
        let (container, damaged, _) = Container::salvage(bytes)?;
        let lost: Vec<usize> = damaged.iter().map(|d| d.chunk).collect();
        Ok((self.decode_container(&container, &lost)?, lost))
    }

    fn decode_container(&self, container: &Container, lost: &[usize]) -> Result<Photo> {
        container.check_model(self.frozen.digest())?;
        let (&[h, w, c], &[rows, columns, channels]) = (container.shape.as_slice(), container.padding.as_slice())
        else {
            return Err(broken(format!("it holds an array of {} sizes, no picture", container.shape.len())));
        };
        let quality = usize::from(container.quality);
        let unit = UNIT as u64;
        let [height, width] = [(h, rows), (w, columns)].map(|(n, pad)| u64::from(n) + u64::from(pad));
        let is_sound = h > 0
            && w > 0
            && matches!(c, 1 | 3)
            && is_readable([h, w].map(u64::from))
            && u64::from(rows) < unit
            && u64::from(columns) < unit
            && channels == 0
            && height.is_multiple_of(unit)
            && width.is_multiple_of(unit)
            && quality < LAMBDAS.len()
            && container.system == self.system
            && container.coder == Coder::Rans
            && container.arithmetic == Arithmetic::Integer;
        if !is_sound {
            return Err(broken(format!("its header says {w} x {h} pixels of {c} channels, quality {quality}")));
        }
        // All that is allocated from here on is in proportion to symbols that the file's chunks declare, 2^16 at most each.
        let grid = [(height / unit) as usize, (width / unit) as usize];
        let area = grid[0] * grid[1];
        let (second, first) = (self.frozen.second() * area, self.frozen.latents() * area * SECOND_STEP * SECOND_STEP);
        let sizes = |n: usize| (0..n).step_by(CHUNK).map(move |at| (n - at).min(CHUNK) as u32);
        let declared = container.chunks.iter().map(|c| c.symbols);
        let count = second.div_ceil(CHUNK) + first.div_ceil(CHUNK);
        if container.chunks.len() != count || !declared.eq(sizes(second).chain(sizes(first))) {
            return Err(broken("its chunks do not hold the symbols of its picture".into()));
        }
        let (before, after) = container.chunks.split_at(second.div_ceil(CHUNK));
        let lanes = usize::from(container.lanes);
        let z = self.symbols(before, &self.frozen.second_tables(area), lanes, 0, lost)?;
        let prediction = self.frozen.predict(&z, grid, quality);
        let q = self.symbols(after, &prediction.tables, lanes, before.len(), lost)?;
        let scale = 1.0 / f32::from(1u16 << FRACTION);
        let y: Vec<f32> = q.iter().zip(&prediction.means).map(|(q, m)| *q as f32 + *m as f32 * scale).collect();
        drop((q, prediction));
        let shape = [1, self.frozen.latents(), grid[0] * SECOND_STEP, grid[1] * SECOND_STEP];
        let pixels = no_grad(|| {
            let y = Tensor::from_f32(y, &shape) * (-self.transform.log_gain(&[quality])).exp();
            self.transform.synthesis_tiled(&y)
        });
        let size = [height as usize, width as usize];
        Ok(Photo::from_planes(&pixels.as_slice::<f32>(), size, [h, w, c].map(|s| s as usize)))
    }

    fn symbols(
        &self,
        chunks: &[Chunk],
        tables: &[u16],
        lanes: usize,
        first: usize,
        lost: &[usize],
    ) -> Result<Vec<i32>> {
        let one = |(i, (chunk, tables)): (usize, (&Chunk, &[u16]))| {
            if lost.contains(&(first + i)) {
                return Ok(vec![0; tables.len()]);
            }
            decode_integers(&chunk.bytes, tables, self.frozen.lookups(), lanes)
        };
        let parts = chunks.par_iter().zip(tables.par_chunks(CHUNK)).enumerate().map(one);
        Ok(parts.collect::<Result<Vec<_>>>()?.concat())
    }

    /// Rates and qualities of all settings on these photographs, by encoding and decoding them.
    ///
    /// # Errors
    /// As [`PictureCodec::encode`].
    pub fn rates(&self, photos: &[Photo]) -> Result<Vec<RatePoint>> {
        let of = |quality: usize| {
            let (mut bits, mut pixels, mut decibels) = (0.0, 0.0, 0.0);
            for photo in photos {
                let file = self.encode(photo, quality)?;
                let back = self.decode(&file)?;
                bits += 8.0 * file.len() as f64;
                pixels += photo.pixels() as f64;
                // Equal pictures have no noise at all; 99 dB is more than eight bits can show.
                decibels += psnr(&photo.bytes, &back.bytes).min(99.0);
            }
            Ok(RatePoint { quality: quality + 1, rate: bits / pixels, psnr: decibels / photos.len() as f64 })
        };
        (0..LAMBDAS.len()).map(of).collect()
    }
}

/// Whether a picture of this height and width has few enough pixels, and at most twice as many with its sides filled up: a single row
/// would have 32 times as many.
fn is_readable([h, w]: [u64; 2]) -> bool {
    let filled = |n: u64| n.next_multiple_of(UNIT as u64);
    h.saturating_mul(w) <= MOST_PIXELS && filled(h).saturating_mul(filled(w)) <= 2 * MOST_PIXELS
}

fn lanes(symbols: usize) -> usize {
    if symbols >= MANY { 4 } else { 1 }
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
        let rates = codec.rates(&judged)?;
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
        let frozen = Frozen::load(file)?;
        let fits = frozen.latents() == settings.latents && frozen.second() == settings.second;
        let Trainee { transform, hyper } = trainee;
        if !fits {
            return Err(Error::model_file("the tables are not those of the networks", "copy the model file again"));
        }
        Ok(Self {
            settings,
            codec: PictureCodec { transform, hyper, frozen, system },
            rates: file.fact("rates")?,
            objective: file.fact("objective")?,
            text: file.fact("text")?,
        })
    }
}

impl Model for PictureModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("settings", &self.settings);
        file.set("entropy", &self.codec.hyper.entropy());
        let trainee = Trainee { transform: self.codec.transform.clone(), hyper: self.codec.hyper.clone() };
        elbo_core::Snapshot::save(&trainee, file, "network");
        self.codec.frozen.save(file);
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
        }
        if let Some(shapes) = self.codec.hyper.shapes() {
            let n = shapes.len() as f64;
            metrics.push(("shape_mean".into(), shapes.iter().sum::<f64>() / n));
            metrics.push(("shape_share_at_limit".into(), self.codec.hyper.shapes_at_limit() as f64 / n));
        }
        let digest = crate::container::hex(&self.codec.frozen.digest()[..8]);
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
        let mut table = Table::new(
            "rates",
            "Rate and quality of every setting on parts of the photographs the model was fitted to; whole files, headers included.",
            &["quality", "bits_per_pixel", "psnr"],
        );
        for p in &self.rates {
            table.push(vec![p.quality.to_string(), format!("{:.4}", p.rate), format!("{:.3}", p.psnr)]);
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
        json!({ "quality": 4 })
    }

    fn compress(&self, data: &Data, settings: &Value, _: &mut Run) -> Result<Vec<u8>> {
        let mut quality = 4u64;
        for (key, value) in settings.as_object().into_iter().flatten() {
            if key != "quality" {
                return Err(Error::unknown("setting", key, ["quality"]));
            }
            quality =
                value.as_u64().filter(|q| (1..=LAMBDAS.len() as u64).contains(q)).ok_or_else(|| Error::Setting {
                    setting: "quality".into(),
                    found: value.to_string(),
                    expected: format!(
                        "a whole number from 1, the smallest files, to {}, the best pictures",
                        LAMBDAS.len()
                    ),
                })?;
        }
        self.codec.encode(&Photo::only(data)?, quality as usize - 1)
    }

    fn decompress(&self, file: &[u8]) -> Result<Data> {
        Ok(self.codec.decode(file)?.into_data("a compressed picture"))
    }
}
