//! Recordings: WAV files, and folders of them.
//!
//! | holds | read as |
//! |---|---|
//! | whole numbers of 8, 16, 24 or 32 bits | shares of the largest, in [-1, 1) |
//! | real numbers of 32 or 64 bits | as they are |
//!
//! A file is a table with a row for each moment, a folder one with a row for each recording.

use super::pictures::{by_class, classes, is_picture};
use super::{MOST_BYTES, ReadOptions, about, check_cells, npy};
use elbo_core::read::read_file;
use elbo_core::{Array, Data, Error, Result, Values};
use std::path::Path;

/// The name of the samples.
const NAME: &str = "audio";

/// How a sample is stored.
#[derive(Debug, Clone, Copy)]
enum Coding {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

/// What stands before the samples.
#[derive(Debug, Clone, Copy)]
struct Format {
    coding: Coding,
    channels: usize,
    /// Moments a second.
    rate: u32,
}

/// The samples of all channels, moment by moment.
struct Recording {
    format: Format,
    samples: Vec<f32>,
}

/// Whether a file begins as a WAV file does.
pub(super) fn is_wave(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(&b"WAVE"[..])
}

/// Whether a folder, or its sub-folders, hold recordings and no pictures.
///
/// # Errors
/// [`Error::File`] when a folder cannot be read.
pub(super) fn is_folder(path: &Path) -> Result<bool> {
    // Pictures first: where there are some, the sub-folders beside them need not be readable.
    Ok(by_class(path, is_picture)?.0.is_empty() && !by_class(path, is_recording)?.0.is_empty())
}

fn is_recording(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav")) && path.is_file()
}

/// One recording: `time` `[T]` in seconds from its start, and `audio`, `[T]` or with more than one channel `[T, C]`.
///
/// # Errors
/// [`Error::Data`] when it is damaged, or its samples are of a kind that is not read.
pub(super) fn parse(bytes: &[u8], options: &ReadOptions) -> Result<Data> {
    let recording = decode(bytes)?;
    let Format { channels, rate, .. } = recording.format;
    let frames = recording.frames();
    check_cells(frames as u64, channels + 1)?;
    let time = (0..frames).map(|i| i as f64 / f64::from(rate)).collect();
    let shape = if channels == 1 { vec![frames] } else { vec![frames, channels] };
    let note = recording.note();
    let audio = Array { shape, values: Values::F32(recording.samples) };
    let arrays = vec![("time".into(), Array::new(&[frames], time)), (NAME.into(), audio)];
    let mut data = npy::assemble(arrays, options)?;
    data.notes.extend(note);
    Ok(data)
}

/// A folder of recordings of one length and rate: `audio` `[N, T]`, with the mean of the channels where there are more than one. Where
/// they lie in sub-folders, those are the classes, in an array `label`.
///
/// # Errors
/// [`Error::File`] when the folder or a recording cannot be read, [`Error::Data`] when one is damaged, or they differ.
pub(super) fn folder(path: &Path, options: &ReadOptions) -> Result<Data> {
    let (files, others) = by_class(path, is_recording)?;
    let mut notes: Vec<String> = vec![];
    if others > 0 {
        notes.push(format!("{others} files or folders that are no recordings are left out"));
    }
    let mut samples: Vec<f32> = vec![];
    let mut first = None;
    for (_, file) in &files {
        let found =
            decode(&read_file("cannot read the recording", file)?).map_err(|error| about(error, file.display()))?;
        let size = (found.frames(), found.format.rate);
        let expected = *first.get_or_insert(size);
        if size != expected {
            return Err(Error::data(
                format!(
                    "the recordings differ: {} samples at {} a second in {}, {} at {} in {}",
                    expected.0,
                    expected.1,
                    files[0].1.display(),
                    size.0,
                    size.1,
                    file.display()
                ),
                "cut or pad them to one length, and bring them to one rate",
            ));
        }
        if size.0 > options.max_columns {
            return Err(Error::data(
                format!("a recording has {} samples, more than {}", size.0, options.max_columns),
                "cut the recordings into shorter ones, or lower their rate",
            ));
        }
        let of_channels = (found.format.channels > 1).then(|| "the channels of recordings are averaged".to_owned());
        for note in found.note().into_iter().chain(of_channels) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        samples.extend(found.mono());
        if samples.len() as u64 > MOST_BYTES / 4 {
            return Err(Error::data("the recordings take more than 8 GiB", "give fewer or shorter ones"));
        }
    }
    let frames = first.map_or(0, |(frames, _)| frames);
    let mut arrays = vec![(NAME.to_owned(), Array { shape: vec![files.len(), frames], values: Values::F32(samples) })];
    arrays.extend(classes(&files).map(|label| ("label".to_owned(), label)));
    let mut data = npy::assemble(arrays, options)?;
    data.notes.extend(notes);
    Ok(Data { source: path.display().to_string(), ..data })
}

impl Recording {
    fn frames(&self) -> usize {
        self.samples.len() / self.format.channels
    }

    /// The mean of the channels at every moment.
    fn mono(self) -> Vec<f32> {
        let channels = self.format.channels;
        if channels == 1 {
            return self.samples;
        }
        self.samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect()
    }

    /// What it loses.
    fn note(&self) -> Option<String> {
        let is_finer = matches!(self.format.coding, Coding::I32 | Coding::F64);
        is_finer.then(|| "recordings lose all but 24 bits a sample".into())
    }
}

fn damaged(what: &str) -> Error {
    Error::data(
        format!("the WAV file is damaged or incomplete: {what}"),
        "copy or download it again, or save it again as WAV",
    )
}

/// The samples of a WAV file: of its chunks those named `fmt ` and `data`.
fn decode(bytes: &[u8]) -> Result<Recording> {
    if !is_wave(bytes) {
        return Err(damaged("it does not begin as one"));
    }
    let mut rest = &bytes[12..];
    let mut format: Option<Format> = None;
    while let Some((head, after)) = rest.split_at_checked(8) {
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        match &head[..4] {
            b"fmt " => {
                let content = after.get(..size).ok_or_else(|| damaged("it ends within the kind of its samples"))?;
                format = Some(Format::parse(content)?);
            }
            b"data" => {
                let format = format.ok_or_else(|| damaged("the kind of its samples is missing or follows them"))?;
                // A program that writes into a pipe does not know the size beforehand.
                let size = if size == u32::MAX as usize { after.len() } else { size };
                let content = after.get(..size).ok_or_else(|| damaged("it ends within its samples"))?;
                return format.samples(content);
            }
            _ => {}
        }
        // Chunks begin at even places.
        rest = after.get(size.saturating_add(size % 2)..).unwrap_or_default();
    }
    Err(damaged("it has no samples"))
}

impl Format {
    fn parse(content: &[u8]) -> Result<Self> {
        let short = || damaged("the kind of its samples is cut off");
        let number = |at: usize| content.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]])).ok_or_else(short);
        let (channels, bits) = (usize::from(number(2)?), number(14)?);
        let rate = u32::from(number(4)?) | (u32::from(number(6)?) << 16);
        // In the extended form the kind stands further behind.
        let kind = match number(0)? {
            0xfffe => number(24)?,
            kind => kind,
        };
        let coding = match (kind, bits) {
            (1, 8) => Coding::U8,
            (1, 16) => Coding::I16,
            (1, 24) => Coding::I24,
            (1, 32) => Coding::I32,
            (3, 32) => Coding::F32,
            (3, 64) => Coding::F64,
            _ => {
                return Err(Error::data(
                    format!("the WAV file holds samples of the kind {kind} with {bits} bits, which are not read"),
                    "save it without compression, for example with `ffmpeg -i FILE -c:a pcm_s16le NEW.wav`",
                ));
            }
        };
        let format = Self { coding, channels, rate };
        if channels == 0 || rate == 0 || usize::from(number(12)?) != format.frame() {
            return Err(damaged("its channels, rate and sizes do not belong together"));
        }
        Ok(format)
    }

    /// Bytes of a sample.
    fn width(self) -> usize {
        match self.coding {
            Coding::U8 => 1,
            Coding::I16 => 2,
            Coding::I24 => 3,
            Coding::I32 | Coding::F32 => 4,
            Coding::F64 => 8,
        }
    }

    /// Bytes of the samples of a moment.
    fn frame(self) -> usize {
        self.channels * self.width()
    }

    fn samples(self, content: &[u8]) -> Result<Recording> {
        if !content.len().is_multiple_of(self.frame()) {
            return Err(damaged("it ends within the samples of a moment"));
        }
        if content.is_empty() {
            return Err(Error::data("the WAV file holds no samples", "give a recording of two samples at least"));
        }
        let one = |b: &[u8]| match self.coding {
            Coding::U8 => f32::from(b[0]) / 128.0 - 1.0,
            Coding::I16 => f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0,
            // In the upper three bytes, so that the sign is that of the number.
            Coding::I24 => i32::from_le_bytes([0, b[0], b[1], b[2]]) as f32 / 2_147_483_648.0,
            Coding::I32 => i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32 / 2_147_483_648.0,
            Coding::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            Coding::F64 => f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
        };
        let samples: Vec<f32> = content.chunks_exact(self.width()).map(one).collect();
        if let Some(at) = samples.iter().position(|v| !v.is_finite()) {
            return Err(Error::data(
                format!("sample {} of the WAV file is no finite number", at / self.channels + 1),
                "save it again with whole numbers of 16 or 24 bits",
            ));
        }
        Ok(Recording { format: self, samples })
    }
}
