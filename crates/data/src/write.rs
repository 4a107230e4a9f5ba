//! Writing tables and arrays. Files appear whole or not at all.

use crate::read::maps::FLOW;
use elbo_core::file::write_atomically;
use elbo_core::{Array, Data, Error, Result, Values};
use std::collections::HashSet;
use std::io::{Cursor, Write};
use std::path::Path;

/// The cells of a column to write.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Real numbers, written so that they read back to the bit; NaN is an empty cell.
    Numbers(Vec<f64>),
    /// Texts, quoted where needed.
    Text(Vec<String>),
}

impl Cells {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }
}

/// A table as CSV: comma, header, one line end `\n`.
///
/// # Errors
/// [`Error::Numerical`] for an infinite number, which no table should hold.
pub fn table_bytes(columns: &[(String, Cells)]) -> Result<Vec<u8>> {
    let rows = columns.first().map_or(0, |(_, cells)| cells.len());
    let infinite = |cells: &Cells| matches!(cells, Cells::Numbers(v) if v.iter().any(|x| x.is_infinite()));
    if let Some((name, _)) = columns.iter().find(|(_, cells)| infinite(cells)) {
        return Err(Error::numerical(
            format!("column `{name}` of the output has an infinite number"),
            "the model's predictions are out of range; check the inputs for extreme values",
        ));
    }
    let mut out = Vec::with_capacity(rows * columns.len() * 12);
    for (i, (name, cells)) in columns.iter().enumerate() {
        assert_eq!(cells.len(), rows, "column `{name}` needs as many cells as the first");
        separate(&mut out, i);
        push_text(&mut out, name);
    }
    out.push(b'\n');
    for row in 0..rows {
        for (i, (_, cells)) in columns.iter().enumerate() {
            separate(&mut out, i);
            match cells {
                Cells::Numbers(v) => push_number(&mut out, v[row]),
                Cells::Text(v) => push_text(&mut out, &v[row]),
            }
        }
        out.push(b'\n');
    }
    Ok(out)
}

/// Writes a table to a file (gzip when it ends in `.gz`), or to standard output.
///
/// # Errors
/// [`Error::File`] when the place cannot be written; nothing is left behind. [`Error::Numerical`] as [`table_bytes`].
pub fn write_table(path: Option<&Path>, columns: &[(String, Cells)]) -> Result<()> {
    let bytes = table_bytes(columns)?;
    let Some(path) = path else {
        let written = std::io::stdout().lock().write_all(&bytes);
        return match written {
            // A reader such as `head` that has seen enough is no error.
            Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|cause| Error::file("cannot write the table", "standard output", &cause)),
        };
    };
    write_atomically(path, &maybe_gzip(path, bytes))
}

/// Writes data by the extension: `.npz`, or CSV (plain or `.gz`) of [`table_columns`].
///
/// # Errors
/// As [`table_columns`] for a CSV file; [`Error::File`] for other extensions, and when the place cannot be written.
pub fn write_data(path: &Path, data: &Data) -> Result<()> {
    let name = path.to_string_lossy().to_ascii_lowercase();
    if name.ends_with(".npz") {
        return write_npz(path, &data.arrays);
    }
    if !name.ends_with(".csv") && !name.ends_with(".csv.gz") {
        return Err(Error::File {
            message: "cannot tell the format from the file's name".into(),
            remedy: "end it in .csv, .csv.gz or .npz".into(),
            path: path.into(),
        });
    }
    write_table(Some(path), &table_columns(data)?)
}

/// The arrays as columns of a table, the target last: a matrix `[N, D]` becomes `NAME_1` to `NAME_D`.
///
/// # Errors
/// [`Error::Data`] for an array of more axes, for one with another number of rows than the first, and for two columns of one name.
pub fn table_columns(data: &Data) -> Result<Vec<(String, Cells)>> {
    data.check_rows()?;
    let is_target = |name: &String| data.target.as_ref() == Some(name);
    let ordered =
        data.arrays.iter().filter(|(n, _)| !is_target(n)).chain(data.arrays.iter().filter(|(n, _)| is_target(n)));
    let mut columns = vec![];
    for (name, array) in ordered {
        match (array.shape.as_slice(), cells_of(array)) {
            ([_], cells) => columns.push((name.clone(), cells)),
            (&[_, width], Cells::Numbers(values)) => columns.extend((0..width).map(|d| {
                let cells = values.iter().skip(d).step_by(width).copied().collect();
                (format!("{name}_{}", d + 1), Cells::Numbers(cells))
            })),
            (shape, _) => {
                return Err(Error::data(
                    format!("array `{name}` of shape {shape:?} is no column of a table"),
                    "write it to a file that ends in .npz",
                ));
            }
        }
    }
    if let Some(name) = repeated(&columns) {
        return Err(Error::data(
            format!("two columns of the table would have the name `{name}`"),
            "rename one of the arrays, or write to a file that ends in .npz",
        ));
    }
    Ok(columns)
}

/// The first name that a column before has too.
fn repeated(columns: &[(String, Cells)]) -> Option<&str> {
    let mut names = HashSet::new();
    columns.iter().map(|(name, _)| name.as_str()).find(|name| !names.insert(*name))
}

fn cells_of(array: &Array) -> Cells {
    match &array.values {
        Values::Text { levels, codes } => {
            Cells::Text(codes.iter().map(|c| c.map_or(String::new(), |c| levels[c as usize].clone())).collect())
        }
        _ => Cells::Numbers(array.to_f64().expect("only text is not numeric")),
    }
}

/// Writes one array as NPY version 1, little-endian, C order.
///
/// # Errors
/// [`Error::File`] when the place cannot be written; nothing is left behind.
pub fn write_npy(path: &Path, array: &Array) -> Result<()> {
    write_atomically(path, &npy_bytes(array))
}

/// Writes named arrays as a compressed NPZ; equal arrays give equal bytes.
///
/// # Errors
/// [`Error::File`] when the place cannot be written; nothing is left behind.
pub fn write_npz(path: &Path, arrays: &[(String, Array)]) -> Result<()> {
    write_atomically(path, &npz_bytes(arrays)?)
}

pub(crate) fn npz_bytes(arrays: &[(String, Array)]) -> Result<Vec<u8>> {
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .large_file(arrays.iter().any(|(_, a)| a.values.len() > 1 << 28));
    let mut archive = zip::ZipWriter::new(Cursor::new(vec![]));
    for (name, array) in arrays {
        archive
            .start_file(format!("{name}.npy"), options)
            .and_then(|()| archive.write_all(&npy_bytes(array)).map_err(Into::into))
            .map_err(|cause| {
                Error::data(format!("array `{name}` cannot be archived ({cause})"), "give it another name")
            })?;
    }
    Ok(archive.finish().expect("an archive in memory can be closed").into_inner())
}

/// Writes a map `[H, W, 2]` of pixels to the right and pixels down as a Middlebury `.flo` file, in single precision.
///
/// # Errors
/// [`Error::Data`] as [`flow_bytes`]; [`Error::File`] when the place cannot be written, and nothing is left behind.
pub fn write_flow(path: &Path, flow: &Array) -> Result<()> {
    write_atomically(path, &flow_bytes(flow)?)
}

/// The contents of a Middlebury `.flo` file, as [`write_flow`] writes it.
///
/// # Errors
/// [`Error::Data`] for an array of another shape, without a pixel, or of text.
pub fn flow_bytes(flow: &Array) -> Result<Vec<u8>> {
    let sides = match *flow.shape.as_slice() {
        [height, width, 2] if height > 0 && width > 0 => i32::try_from(width).ok().zip(i32::try_from(height).ok()),
        _ => None,
    };
    let (Some((width, height)), Some(values)) = (sides, flow.to_f64()) else {
        return Err(Error::data(
            format!("an array of shape {:?} is no flow", flow.shape),
            "give numbers [H, W, 2]: pixels to the right, and pixels down",
        ));
    };
    let mut out = FLOW.to_vec();
    out.extend([width, height].iter().flat_map(|side| side.to_le_bytes()));
    out.extend(values.iter().flat_map(|v| (*v as f32).to_le_bytes()));
    Ok(out)
}

/// Writes a map `[H, W]` of whole numbers from 0 to 65535 as a grey PNG of 16 bits.
///
/// # Errors
/// [`Error::Data`] as [`grey16_bytes`]; [`Error::File`] when the place cannot be written, and nothing is left behind.
pub fn write_grey16(path: &Path, map: &Array) -> Result<()> {
    write_atomically(path, &grey16_bytes(map)?)
}

/// The contents of a grey PNG file of 16 bits, as [`write_grey16`] writes it.
///
/// # Errors
/// [`Error::Data`] for an array of another shape, without a pixel, or with anything else than such numbers.
pub fn grey16_bytes(map: &Array) -> Result<Vec<u8>> {
    let wrong = || {
        Error::data(
            format!("an array of shape {:?} is no grey picture of 16 bits", map.shape),
            "give [H, W] of whole numbers from 0 to 65535",
        )
    };
    let &[height, width] = map.shape.as_slice() else { return Err(wrong()) };
    let sides = u32::try_from(width).ok().zip(u32::try_from(height).ok()).filter(|(w, h)| *w > 0 && *h > 0);
    let ((width, height), values) = sides.zip(map.to_f64()).ok_or_else(wrong)?;
    if values.iter().any(|v| !(0.0..=65_535.0).contains(v) || v.fract() != 0.0) {
        return Err(wrong());
    }
    let pixels: Vec<u16> = values.iter().map(|v| *v as u16).collect();
    let picture =
        image::ImageBuffer::<image::Luma<u16>, Vec<u16>>::from_raw(width, height, pixels).ok_or_else(wrong)?;
    let mut out = Cursor::new(vec![]);
    image::DynamicImage::ImageLuma16(picture)
        .write_to(&mut out, image::ImageFormat::Png)
        .map_err(|cause| Error::data(format!("the map cannot be written as PNG ({cause})"), "save it as .npy"))?;
    Ok(out.into_inner())
}

fn npy_bytes(array: &Array) -> Vec<u8> {
    let (descr, content): (String, Vec<u8>) = match &array.values {
        Values::F64(v) => ("<f8".into(), v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Values::F32(v) => ("<f4".into(), v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Values::U8(v) => ("|u1".into(), v.clone()),
        Values::I64(v) => ("<i8".into(), v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Values::Text { levels, codes } => {
            let width = levels.iter().map(|l| l.chars().count()).max().unwrap_or(0).max(1);
            let cell = |code: &Option<u32>| {
                let text = code.map_or("", |c| levels[c as usize].as_str());
                text.chars().map(u32::from).chain(std::iter::repeat(0)).take(width).collect::<Vec<_>>()
            };
            (format!("<U{width}"), codes.iter().flat_map(cell).flat_map(u32::to_le_bytes).collect())
        }
    };
    let shape: String = array.shape.iter().map(|s| format!("{s}, ")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    // The content starts at a multiple of 64 bytes, after a line end.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header += &" ".repeat(length - header.len() - 1);
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((length as u16).to_le_bytes());
    out.extend(header.into_bytes());
    out.extend(content);
    out
}

/// Compressed without a name or a time, so that equal contents give equal bytes.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new().mtime(0).write(vec![], flate2::Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

fn maybe_gzip(path: &Path, bytes: Vec<u8>) -> Vec<u8> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) { gzip(&bytes) } else { bytes }
}

fn separate(out: &mut Vec<u8>, column: usize) {
    if column > 0 {
        out.push(b',');
    }
}

/// The shortest text that reads back to the same bits.
fn push_number(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return;
    }
    let start = out.len();
    write!(out, "{value:?}").expect("writing to memory does not fail");
    if out[start..].ends_with(b".0") {
        out.truncate(out.len() - 2);
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let needs_quotes = text.contains([',', ';', '\t', '|', '"', '\n', '\r']) || text.trim() != text;
    if needs_quotes {
        out.push(b'"');
        out.extend(text.replace('"', "\"\"").into_bytes());
        out.push(b'"');
    } else {
        out.extend(text.as_bytes());
    }
}
