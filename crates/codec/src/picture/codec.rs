//! Pictures to files and back, with networks and tables but without a system around them.

use super::LAMBDAS;
use super::frozen::{Code, Codes, Frozen, MOST_SECOND};
use super::hyper::{Hyper, SECOND_STEP};
use super::photo::Photo;
use super::stages::{Stages, timed};
use super::stream::Stream;
use super::train::Trainee;
use super::transform::{LATENT_STEP, Transform};
use super::zeros;
use crate::coder::{
    decode_integers, decode_integers_by_range, decode_mixtures, decode_mixtures_by_range, encode_integers,
    encode_integers_by_range, encode_mixtures, encode_mixtures_by_range,
};
use crate::container::{
    Arithmetic, CHUNK, Chunk, Coder, Container, Damaged, MINOR_WITH_ZEROS, MOST_PIXELS, VERSION, broken,
};
use crate::integer::FRACTION;
use crate::mixture::{Mixture, MixtureTables};
use crate::proxy::quantise;
use elbo_core::{Error, Result};
use elbo_picture::{ms_ssim, psnr, scales_held};
use elbo_tensor::{Tensor, no_grad};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Sides of pictures are filled up to a multiple of this: the step of the second latents.
pub(super) const UNIT: usize = LATENT_STEP * SECOND_STEP;
/// Symbols from which on the coder has four lanes.
const MANY: usize = 1 << 16;

/// Rate and quality of one setting on some photographs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatePoint {
    /// The setting, 1 to 8.
    pub quality: usize,
    /// Bits per pixel of the files, headers included.
    pub rate: f64,
    /// Peak signal to noise ratio in decibels, the mean over pictures.
    pub psnr: f64,
    /// Structural similarity over five scales, the mean over pictures of at least 161 pixels either way; where it was asked for and there are
    /// such pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms_ssim: Option<f64>,
}

/// How the integers of a picture are written; a file says it, so that reading needs no setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coding {
    /// The entropy coder.
    pub coder: Coder,
    /// Whether channels of latents that are zero everywhere are named in the file instead of being coded, where that makes it smaller.
    pub skip_zeros: bool,
}

impl Default for Coding {
    fn default() -> Self {
        Self { coder: Coder::Rans, skip_zeros: false }
    }
}

/// The integers of a picture, each with what codes it.
pub(super) struct Symbols {
    second: Vec<i32>,
    second_tables: Vec<u16>,
    pub(super) first: Vec<i32>,
    pub(super) first_codes: Codes,
    /// The channels of the first ones in the order of their coding; none where one channel's plane follows the other.
    pub(super) channels: Vec<u16>,
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

    /// Networks with tables that were made before.
    pub(super) fn with_tables(trainee: Trainee, frozen: Frozen, system: u16) -> Self {
        let Trainee { transform, hyper } = trainee;
        Self { transform, hyper, frozen, system }
    }

    /// The networks.
    pub(super) fn trainee(&self) -> Trainee {
        Trainee { transform: self.transform.clone(), hyper: self.hyper.clone() }
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
        Ok(self.encode_timed(photo, quality)?.0)
    }

    /// [`PictureCodec::encode`], and how long its stages took.
    ///
    /// # Errors
    /// As [`PictureCodec::encode`].
    ///
    /// # Panics
    /// When there is no such quality.
    pub fn encode_timed(&self, photo: &Photo, quality: usize) -> Result<(Vec<u8>, Stages)> {
        self.encode_with(photo, quality, Coding::default())
    }

    /// [`PictureCodec::encode_timed`] with another coder, or without channels that are zero everywhere.
    ///
    /// # Errors
    /// As [`PictureCodec::encode`].
    ///
    /// # Panics
    /// When there is no such quality.
    pub fn encode_with(&self, photo: &Photo, quality: usize, coding: Coding) -> Result<(Vec<u8>, Stages)> {
        let mut stages = Stages::default();
        let mut symbols = self.quantised(photo, quality, &mut stages)?;
        let (zeros, lanes, chunks) = timed(&mut stages.coder, || {
            let zeros = if coding.skip_zeros { zeros::take_out(&mut symbols, &self.frozen) } else { vec![] };
            let lanes = match coding.coder {
                Coder::Rans => lanes(symbols.first.len()),
                Coder::Range => 1,
            };
            let way = (coding.coder, lanes);
            let mut chunks = self.chunks(&symbols.second, &symbols.second_tables, way);
            chunks.extend(match &symbols.first_codes {
                Codes::Tables(tables) => self.chunks(&symbols.first, tables, way),
                Codes::Mixtures(mixtures) => self.chunks_of(&symbols.first, mixtures, way),
            });
            (zeros, lanes, chunks)
        });
        let [h, w, _] = photo.shape;
        let container = Container {
            minor: if zeros.is_empty() { VERSION[1] } else { MINOR_WITH_ZEROS },
            coder: coding.coder,
            arithmetic: Arithmetic::Integer,
            lanes: lanes as u8,
            model: *self.frozen.digest(),
            system: self.system,
            shape: photo.shape.map(|s| s as u32).to_vec(),
            quality: quality as u16,
            padding: [h, w].map(|n| (n.next_multiple_of(UNIT) - n) as u32).into_iter().chain([0]).collect(),
            zeros,
            chunks,
            metadata: vec![],
        };
        Ok((container.to_bytes(), stages))
    }

    /// Bits of the symbols of a picture by the tables: what the file would have without headers and the coder's remainder.
    ///
    /// # Errors
    /// As [`PictureCodec::encode`].
    pub fn cross_entropy(&self, photo: &Photo, quality: usize) -> Result<f64> {
        let symbols = self.quantised(photo, quality, &mut Stages::default())?;
        let second = |(v, t): (&i32, &u16)| self.frozen.lookups()[usize::from(*t)].alphabet().cost(*v);
        let first = |(at, v): (usize, &i32)| self.frozen.cost(&symbols.first_codes, at, *v);
        Ok(symbols.second.iter().zip(&symbols.second_tables).map(second).sum::<f64>()
            + symbols.first.iter().enumerate().map(first).sum::<f64>())
    }

    /// The integers of a picture with their tables.
    fn quantised(&self, photo: &Photo, quality: usize, stages: &mut Stages) -> Result<Symbols> {
        assert!(quality < LAMBDAS.len(), "quality {quality}");
        let [h, w, _] = photo.shape;
        let most = self.most_pixels();
        if !is_readable([h, w].map(|n| n as u64), most) {
            return Err(Error::data(
                format!(
                    "the picture has {w} x {h} pixels; at most {most} are compressed, and twice as many with its sides filled up \
                     to multiples of {UNIT}"
                ),
                "cut it into parts",
            ));
        }
        let [height, width] = [h, w].map(|n| n.next_multiple_of(UNIT));
        let (y, z) = timed(&mut stages.transform, || {
            let x = Tensor::from_f32(photo.planes([0, 0], [height, width]), &[1, 3, height, width]);
            no_grad(|| {
                let y = self.transform.analysis_tiled(&x) * self.transform.log_gain(&[quality]).exp();
                let z = self.hyper.encode_tiled(&y);
                (y, z)
            })
        });
        if !y.is_finite() || !z.is_finite() {
            return Err(Error::numerical("the transform of the picture is not finite", "fit the model again"));
        }
        let grid = [height / UNIT, width / UNIT];
        let whole = |v: &f32| quantise(*v, 0.0).clamp(-MOST_SECOND, MOST_SECOND);
        let second: Vec<i32> = z.as_slice::<f32>().iter().map(whole).collect();
        let second_tables = self.frozen.second_tables(grid[0] * grid[1]);
        let y = y.as_slice::<f32>();
        let (mut first, mut first_codes) = (Vec::with_capacity(y.len()), self.frozen.no_codes());
        let mut channels = vec![];
        if self.frozen.has_context() {
            let plane = y.len() / self.frozen.latents();
            let code = &mut |at: usize, mean: i32, code: Code| -> Result<i32> {
                let integer = quantise(y[at], real(mean));
                first.push(integer);
                first_codes.push(code);
                channels.push((at / plane) as u16);
                Ok(integer)
            };
            timed(&mut stages.prediction, || self.frozen.in_passes(&second, grid, quality, code))?;
        } else {
            let prediction = timed(&mut stages.prediction, || self.frozen.predict(&second, grid, quality));
            first.extend(y.iter().zip(&prediction.means).map(|(y, mean)| quantise(*y, real(*mean))));
            first_codes = prediction.codes;
        }
        Ok(Symbols { second, second_tables, first, first_codes, channels })
    }

    fn chunks(&self, values: &[i32], tables: &[u16], (coder, lanes): (Coder, usize)) -> Vec<Chunk> {
        let lookups = self.frozen.lookups();
        let one = |(values, tables): (&[i32], &[u16])| Chunk {
            symbols: values.len() as u32,
            bytes: match coder {
                Coder::Rans => encode_integers(values, tables, lookups, lanes),
                Coder::Range => encode_integers_by_range(values, tables, lookups),
            },
        };
        values.par_chunks(CHUNK).zip(tables.par_chunks(CHUNK)).map(one).collect()
    }

    /// [`PictureCodec::chunks`] of integers with mixtures.
    fn chunks_of(&self, values: &[i32], mixtures: &[Mixture], (coder, lanes): (Coder, usize)) -> Vec<Chunk> {
        let tables = self.mixture_tables();
        let one = |(values, mixtures): (&[i32], &[Mixture])| Chunk {
            symbols: values.len() as u32,
            bytes: match coder {
                Coder::Rans => encode_mixtures(values, mixtures, tables, lanes),
                Coder::Range => encode_mixtures_by_range(values, mixtures, tables),
            },
        };
        values.par_chunks(CHUNK).zip(mixtures.par_chunks(CHUNK)).map(one).collect()
    }

    /// Most pixels of a picture: a mixture takes several times the memory of a table's index.
    fn most_pixels(&self) -> u64 {
        if self.frozen.mixture().is_some() { MOST_PIXELS / 4 } else { MOST_PIXELS }
    }

    fn mixture_tables(&self) -> &MixtureTables {
        self.frozen.mixture().expect("latents have mixtures only where the model has their tables")
    }

    /// The picture of a file.
    ///
    /// # Errors
    /// [`Error::Data`] when it is damaged, foreign, of another model or another version.
    pub fn decode(&self, bytes: &[u8]) -> Result<Photo> {
        Ok(self.decode_timed(bytes)?.0)
    }

    /// [`PictureCodec::decode`], and how long its stages took.
    ///
    /// # Errors
    /// As [`PictureCodec::decode`].
    pub fn decode_timed(&self, bytes: &[u8]) -> Result<(Photo, Stages)> {
        let mut stages = Stages::default();
        let photo = self.decode_container(&Container::from_bytes(bytes)?, &[], &mut stages)?;
        Ok((photo, stages))
    }

    /// As much of the picture as can be had from a damaged file: latents of damaged chunks take their means, zero under mixtures, and where second latents are
    /// damaged, those of zero. A chunk whose tables depend on a damaged one cannot be read either: all latents where second latents are
    /// damaged, and with a context all that follow. Returns the chunks that were not read, counted from zero.
    ///
    /// # Errors
    /// [`Error::Data`] when the header is damaged, or the file is of another model.
    pub fn salvage(&self, bytes: &[u8]) -> Result<(Photo, Vec<usize>)> {
        let (container, damaged, _) = Container::salvage(bytes)?;
        self.salvage_chunks(&container, &damaged)
    }

    /// [`PictureCodec::salvage`] of a file that was read, with its damaged chunks.
    pub(super) fn salvage_chunks(&self, container: &Container, damaged: &[Damaged]) -> Result<(Photo, Vec<usize>)> {
        let mut lost: Vec<usize> = damaged.iter().map(|d| d.chunk).collect();
        if let Some(first) = lost.first().copied() {
            let second = self.second_chunks(container);
            if first < second {
                lost.extend(second..container.chunks.len());
            } else if self.frozen.has_context() {
                lost.extend(first..container.chunks.len());
            }
            lost.sort_unstable();
            lost.dedup();
        }
        Ok((self.decode_container(container, &lost, &mut Stages::default())?, lost))
    }

    /// Chunks of second latents in a file, as far as its header says.
    fn second_chunks(&self, container: &Container) -> usize {
        let sides = container.shape.iter().zip(&container.padding).take(2);
        let area: u64 = sides.map(|(n, pad)| (u64::from(*n) + u64::from(*pad)) / UNIT as u64).product();
        (area.saturating_mul(self.frozen.second() as u64)).div_ceil(CHUNK as u64) as usize
    }

    fn decode_container(&self, container: &Container, lost: &[usize], stages: &mut Stages) -> Result<Photo> {
        container.check_model(self.frozen.digest())?;
        if container.arithmetic != Arithmetic::Integer {
            return Err(Error::data(
                "the tables of the file were chosen in single precision; this program chooses them in integers",
                "use the program that wrote it",
            ));
        }
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
            && is_readable([h, w].map(u64::from), self.most_pixels())
            && u64::from(rows) < unit
            && u64::from(columns) < unit
            && channels == 0
            && height.is_multiple_of(unit)
            && width.is_multiple_of(unit)
            && quality < LAMBDAS.len()
            && container.system == self.system;
        if !is_sound {
            return Err(broken(format!("its header says {w} x {h} pixels of {c} channels, quality {quality}")));
        }
        let (zeros, latents) = (&container.zeros, self.frozen.latents());
        if !zeros.is_empty() && zeros.len() != latents {
            return Err(broken(format!("it says which of {} channels are zero, and has {latents}", zeros.len())));
        }
        // All that is allocated from here on is in proportion to symbols that the file's chunks declare, 2^16 at most each: where all channels
        // are left out, to those of the second latents.
        let grid = [(height / unit) as usize, (width / unit) as usize];
        let area = grid[0] * grid[1];
        let plane = area * SECOND_STEP * SECOND_STEP;
        let left_out = zeros.iter().filter(|is_zero| **is_zero).count();
        let (second, first) = (self.frozen.second() * area, (latents - left_out) * plane);
        let sizes = |n: usize| (0..n).step_by(CHUNK).map(move |at| (n - at).min(CHUNK) as u32);
        let declared = container.chunks.iter().map(|c| c.symbols);
        let count = second.div_ceil(CHUNK) + first.div_ceil(CHUNK);
        if container.chunks.len() != count || !declared.eq(sizes(second).chain(sizes(first))) {
            return Err(broken("its chunks do not hold the symbols of its picture".into()));
        }
        let (before, after) = container.chunks.split_at(second.div_ceil(CHUNK));
        let way = (container.coder, usize::from(container.lanes));
        let z = timed(&mut stages.coder, || self.symbols(before, &self.frozen.second_tables(area), way, 0, lost))?;
        let y = if self.frozen.has_context() {
            let mut y = vec![0f32; latents * plane];
            let mut stream = Stream::new(after, &self.frozen, way, before.len(), lost);
            let code = &mut |at: usize, mean: i32, code: Code| -> Result<i32> {
                let is_zero = zeros.get(at / plane).is_some_and(|is_zero| *is_zero);
                let integer = if is_zero { 0 } else { stream.next(code)? };
                y[at] = integer as f32 + real(mean);
                Ok(integer)
            };
            timed(&mut stages.prediction, || self.frozen.in_passes(&z, grid, quality, code))?;
            stream.finish()?;
            y
        } else {
            let prediction = timed(&mut stages.prediction, || self.frozen.predict(&z, grid, quality));
            let integers = timed(&mut stages.coder, || match &prediction.codes {
                Codes::Tables(tables) => {
                    self.symbols(after, &zeros::coded(tables, zeros, plane), way, before.len(), lost)
                }
                Codes::Mixtures(mixtures) => {
                    let tables = self.mixture_tables();
                    let read = |bytes: &[u8], own: &[Mixture]| match way {
                        (Coder::Rans, lanes) => decode_mixtures(bytes, own, tables, lanes),
                        (Coder::Range, _) => decode_mixtures_by_range(bytes, own, tables),
                    };
                    joined(after, &zeros::coded(mixtures, zeros, plane), before.len(), lost, read)
                }
            })?;
            let integers = zeros::filled(integers, zeros, plane);
            integers.iter().zip(&prediction.means).map(|(q, mean)| *q as f32 + real(*mean)).collect()
        };
        let shape = [1, latents, grid[0] * SECOND_STEP, grid[1] * SECOND_STEP];
        Ok(timed(&mut stages.transform, || {
            let pixels = no_grad(|| {
                let y = Tensor::from_f32(y, &shape) * (-self.transform.log_gain(&[quality])).exp();
                self.transform.synthesis_tiled(&y)
            });
            let size = [height as usize, width as usize];
            Photo::from_planes(&pixels.as_slice::<f32>(), size, [h, w, c].map(|s| s as usize))
        }))
    }

    fn symbols(
        &self,
        chunks: &[Chunk],
        tables: &[u16],
        way: (Coder, usize),
        first: usize,
        lost: &[usize],
    ) -> Result<Vec<i32>> {
        let lookups = self.frozen.lookups();
        let read = |bytes: &[u8], own: &[u16]| match way {
            (Coder::Rans, lanes) => decode_integers(bytes, own, lookups, lanes),
            (Coder::Range, _) => decode_integers_by_range(bytes, own, lookups),
        };
        joined(chunks, tables, first, lost, read)
    }

    /// Rates and qualities of all settings on these photographs, by encoding and decoding them.
    ///
    /// # Errors
    /// As [`PictureCodec::encode`].
    pub fn rates(&self, photos: &[Photo]) -> Result<Vec<RatePoint>> {
        self.judged(photos, false)
    }

    /// [`PictureCodec::rates`] with the structural similarity over five scales.
    ///
    /// # Errors
    /// As [`PictureCodec::encode`].
    pub fn rates_with_similarity(&self, photos: &[Photo]) -> Result<Vec<RatePoint>> {
        self.judged(photos, true)
    }

    fn judged(&self, photos: &[Photo], with_similarity: bool) -> Result<Vec<RatePoint>> {
        let of = |quality: usize| {
            let (mut bits, mut pixels, mut decibels) = (0.0, 0.0, 0.0);
            let mut similarities = vec![];
            for photo in photos {
                let file = self.encode(photo, quality)?;
                let back = self.decode(&file)?;
                bits += 8.0 * file.len() as f64;
                pixels += photo.pixels() as f64;
                // Equal pictures have no noise at all; 99 dB is more than eight bits can show.
                decibels += psnr(&photo.bytes, &back.bytes, 255.0).min(99.0);
                if with_similarity && scales_held(photo.shape[0].min(photo.shape[1])) == 5 {
                    similarities.push(ms_ssim(&photo.bytes, &back.bytes, photo.shape)?);
                }
            }
            let (rate, psnr) = (bits / pixels, decibels / photos.len() as f64);
            let mean = similarities.iter().sum::<f64>() / similarities.len() as f64;
            Ok(RatePoint { quality: quality + 1, rate, psnr, ms_ssim: (!similarities.is_empty()).then_some(mean) })
        };
        (0..LAMBDAS.len()).map(of).collect()
    }
}

/// The integers of chunks, of which the first has the number `first` in the file, each read with its part of `codes`; zeros where they are lost.
fn joined<C: Sync>(
    chunks: &[Chunk],
    codes: &[C],
    first: usize,
    lost: &[usize],
    read: impl Fn(&[u8], &[C]) -> Result<Vec<i32>> + Sync,
) -> Result<Vec<i32>> {
    let one = |(i, (chunk, codes)): (usize, (&Chunk, &[C]))| {
        if lost.contains(&(first + i)) { Ok(vec![0; codes.len()]) } else { read(&chunk.bytes, codes) }
    };
    let parts = chunks.par_iter().zip(codes.par_chunks(CHUNK)).enumerate().map(one);
    Ok(parts.collect::<Result<Vec<_>>>()?.concat())
}

/// A number with [`FRACTION`] fractional bits.
fn real(fixed: i32) -> f32 {
    fixed as f32 * (1.0 / f32::from(1u16 << FRACTION))
}

/// Whether a picture of this height and width has at most so many pixels, and at most twice as many with its sides filled up: a single row
/// would have 32 times as many.
fn is_readable([h, w]: [u64; 2], most: u64) -> bool {
    let filled = |n: u64| n.next_multiple_of(UNIT as u64);
    h.saturating_mul(w) <= most && filled(h).saturating_mul(filled(w)) <= 2 * most
}

fn lanes(symbols: usize) -> usize {
    if symbols >= MANY { 4 } else { 1 }
}
