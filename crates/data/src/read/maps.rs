//! Maps: a number, or a few, for every pixel of a picture, as models of depth, of motion and of shape write them.

use super::{about, npy};
use elbo_core::read::read_file;
use elbo_core::{Array, Error, Result, Values};
use image::codecs::png::PngDecoder;
use image::{ColorType, DynamicImage, ImageDecoder, Limits};
use std::io::Cursor;
use std::path::Path;

/// How a Middlebury flow begins: the bytes of the number 202021.25 in single precision.
pub(crate) const FLOW: &[u8] = b"PIEH";

/// Most bytes that one byte of a PNG file unpacks to, by the format of its compression.
const MOST_UNPACKED: u64 = 1032;

/// Most numbers a pixel.
const MOST_CHANNELS: usize = 4;

/// A map of numbers over a picture, `[H, W]` or `[H, W, C]` with one to four numbers a pixel; the content decides the format.
///
/// | file | becomes |
/// |---|---|
/// | Middlebury `.flo` | `[H, W, 2]` in single precision: pixels to the right, and down; beyond 1e9 where nothing is known |
/// | NPY | the stored array |
/// | grey PNG of 16 or 8 bits | `[H, W]` of the stored whole numbers, in single precision or as bytes; their unit is not in the file |
///
/// Numbers are not judged here: NaN stays NaN.
///
/// # Errors
/// [`Error::File`] when the file cannot be read, [`Error::Data`] when it is damaged, of another kind, or no map.
pub fn read_map(path: &Path) -> Result<Array> {
    read_map_bytes(&path.display().to_string(), &read_file("cannot read the map", path)?)
}

/// The map in the contents of a file, as [`read_map`] gives it; `source` is its name, for messages.
///
/// # Errors
/// [`Error::Data`] as [`read_map`].
pub fn read_map_bytes(source: &str, bytes: &[u8]) -> Result<Array> {
    parse(bytes).and_then(checked).map_err(|error| about(error, source))
}

fn parse(bytes: &[u8]) -> Result<Array> {
    match bytes {
        _ if bytes.starts_with(FLOW) => flow(bytes),
        _ if bytes.starts_with(b"\x93NUMPY") => npy::decode("map", bytes),
        _ if bytes.starts_with(b"\x89PNG") => grey(bytes),
        _ => Err(Error::data(
            "the file is no map of numbers: it begins like none of .flo, .npy and PNG",
            "give a Middlebury .flo file, an array saved with `numpy.save`, or a grey PNG of 16 bits",
        )),
    }
}

/// Refuses what has no picture's shape.
fn checked(array: Array) -> Result<Array> {
    let channels = match *array.shape.as_slice() {
        [_, _] => 1,
        [_, _, channels] => channels,
        _ => 0,
    };
    let is_map = (1..=MOST_CHANNELS).contains(&channels) && !array.values.is_empty();
    if is_map && !matches!(array.values, Values::Text { .. }) {
        return Ok(array);
    }
    let what = if matches!(array.values, Values::Text { .. }) { "text" } else { "numbers" };
    Err(Error::data(
        format!("an array of {what} of shape {:?} is no map over a picture", array.shape),
        "save numbers as [H, W], or as [H, W, C] with at most four numbers a pixel",
    ))
}

/// Middlebury's flow: magic bytes, width and height as whole numbers of 32 bits, and two numbers a pixel, row by row.
fn flow(bytes: &[u8]) -> Result<Array> {
    let damaged = |what: String| {
        Error::data(format!("the .flo file is damaged or incomplete: {what}"), "copy it again, or write it again")
    };
    let word = |at: usize| bytes.get(at..at + 4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let (Some(width), Some(height)) = (word(4), word(8)) else {
        return Err(damaged("it ends within its header".into()));
    };
    let content = &bytes[12..];
    let sides = usize::try_from(width).ok().zip(usize::try_from(height).ok());
    // Nothing is taken for the picture before the bytes for it are there.
    let size = sides.and_then(|(w, h)| w.checked_mul(h)).and_then(|area| area.checked_mul(8));
    match (sides, size) {
        (Some((width, height)), Some(size)) if size == content.len() && size > 0 => {
            let values = content.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            Ok(Array { shape: vec![height, width, 2], values: Values::F32(values) })
        }
        _ => Err(damaged(format!("{} bytes for {width} x {height} pixels", content.len()))),
    }
}

/// The whole numbers of a grey PNG file.
fn grey(bytes: &[u8]) -> Result<Array> {
    const REMEDY: &str = "save it again as a grey PNG of 16 bits";
    let damaged =
        |cause: image::ImageError| Error::data(format!("the PNG file is damaged or incomplete ({cause})"), REMEDY);
    let coloured = || Error::data("the PNG file has colours or transparency, and so is no map of numbers", REMEDY);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), Limits::default()).map_err(damaged)?;
    // Pixels of one bit are widened to eight.
    let widened = match decoder.color_type() {
        ColorType::L16 => 1,
        ColorType::L8 => 8,
        _ => return Err(coloured()),
    };
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() / (widened * MOST_UNPACKED) > bytes.len() as u64 {
        let has = bytes.len();
        return Err(Error::data(format!("{has} bytes of a PNG file cannot hold {width} x {height} pixels"), REMEDY));
    }
    let values = match DynamicImage::from_decoder(decoder).map_err(damaged)? {
        DynamicImage::ImageLuma16(picture) => Values::F32(picture.into_raw().into_iter().map(f32::from).collect()),
        DynamicImage::ImageLuma8(picture) => Values::U8(picture.into_raw()),
        _ => return Err(coloured()),
    };
    Ok(Array { shape: vec![height as usize, width as usize], values })
}
