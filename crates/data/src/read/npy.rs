//! NPY arrays (versions 1 to 3, C and Fortran order) and NPZ archives of them.
//!
//! Sizes are checked against the bytes that are there before anything is allocated, and pickled objects are never read.

use super::{ReadOptions, select, sparse, table};
use elbo_core::read::{MOST_BYTES, read_most};
use elbo_core::{Array, Data, Error, Result, Values};
use std::io::Cursor;

/// A single array, named `x`.
pub(super) fn parse_npy(bytes: &[u8], options: &ReadOptions) -> Result<Data> {
    assemble(vec![("x".into(), decode("x", bytes)?)], options)
}

/// One array a member, named as the member without `.npy`; the members of a sparse matrix become one array.
pub(super) fn parse_npz(bytes: &[u8], options: &ReadOptions) -> Result<Data> {
    let damaged = |cause: &dyn std::fmt::Display| {
        Error::data(
            format!("the archive is damaged or incomplete ({cause})"),
            "copy or download it again; `unzip -t FILE` checks it",
        )
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|cause| damaged(&cause))?;
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    if names.iter().any(|n| n.starts_with("xl/")) {
        return Err(Error::data("the file is an Excel workbook, not a table", "save the sheet as CSV"));
    }
    if !names.iter().any(|n| n.ends_with(".npy")) {
        let first = names.first().map_or("nothing", |n| n.as_str());
        return Err(Error::data(
            format!("the zip archive holds no .npy arrays, but {first}"),
            "unpack it and give the table inside",
        ));
    }
    let mut arrays: Vec<(String, Array)> = vec![];
    let mut total = 0;
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(|cause| damaged(&cause))?;
        let Some(name) = member.name().strip_suffix(".npy").map(str::to_owned) else { continue };
        let content = read_most(member, 0, MOST_BYTES - total)
            .map_err(|cause| damaged(&cause))?
            .ok_or_else(|| Error::data("the archive unpacks to more than 8 GiB", "give fewer rows or columns"))?;
        total += content.len() as u64;
        if arrays.iter().any(|(n, _)| *n == name) {
            return Err(Error::data(format!("the archive holds two arrays `{name}`"), "give every array its own name"));
        }
        let array = decode(&name, &content)?;
        arrays.push((name, array));
    }
    let (arrays, note) = sparse::expand(arrays, options)?;
    let mut data = assemble(arrays, options)?;
    data.notes.extend(note);
    Ok(data)
}

/// Selects arrays, and matrix columns named like `x[3]`; treats arrays with one common number of rows as a table.
pub(super) fn assemble(arrays: Vec<(String, Array)>, options: &ReadOptions) -> Result<Data> {
    if let Some((name, array)) = arrays.iter().find(|(_, array)| array.values.is_empty()) {
        return Err(Error::data(
            format!("array `{name}` of shape {:?} is empty", array.shape),
            "give at least two rows",
        ));
    }
    let arrays = split_named_columns(arrays, options);
    let names: Vec<&str> = arrays.iter().map(|(n, _)| n.as_str()).collect();
    let wider = options.keep.as_ref().map(|keep| {
        // A model fitted on a matrix knows its columns as `x[0]`, `x[1]`, ...: the matrix is needed for any of them.
        let stem = |name: &String| name.rsplit_once('[').map_or(name.clone(), |(stem, _)| stem.to_owned());
        keep.iter().cloned().chain(keep.iter().map(stem)).collect()
    });
    let options = &ReadOptions { keep: wider, ..options.clone() };
    let wanted = select::or_pictures(select::wanted(&names, options)?, &arrays, options);
    let arrays: Vec<(String, Array)> = arrays.into_iter().zip(wanted).filter_map(|(a, w)| w.then_some(a)).collect();
    let rows = arrays.first().map_or(0, |(_, a)| a.rows());
    let is_table = arrays.iter().all(|(_, a)| (1..=2).contains(&a.shape.len()) && a.rows() == rows);
    if !is_table {
        return Ok(Data { source: String::new(), arrays, target: options.target.clone(), ..Data::default() });
    }
    for (name, array) in &arrays {
        check_table_array(name, array, options)?;
    }
    let arrays = arrays
        .into_iter()
        .map(|(name, array)| {
            if options.categorical.contains(&name) {
                as_text(&name, array).map(|a| (name, a))
            } else {
                Ok((name, array))
            }
        })
        .collect::<Result<_>>()?;
    table::finish(arrays, options, vec![])
}

fn check_table_array(name: &str, array: &Array, options: &ReadOptions) -> Result<()> {
    let width = array.shape.get(1).copied().unwrap_or(1);
    if width > options.max_columns {
        return Err(Error::data(
            format!("array `{name}` has {width} columns, more than {}", options.max_columns),
            "give fewer columns; if rows and columns are swapped, transpose the array",
        ));
    }
    let infinite = match &array.values {
        Values::F64(v) => v.iter().position(|x| x.is_infinite()),
        Values::F32(v) => v.iter().position(|x| x.is_infinite()),
        _ => None,
    };
    if let Some(at) = infinite {
        return Err(Error::data(
            format!("array `{name}` has an infinite value in row {}", at / width + 1),
            "replace infinite values by numbers, or by NaN and use --missing drop",
        ));
    }
    Ok(())
}

/// Splits every matrix of which the options name a column (`x[3]`) into its columns.
fn split_named_columns(arrays: Vec<(String, Array)>, options: &ReadOptions) -> Vec<(String, Array)> {
    let named: Vec<&str> = options
        .target
        .iter()
        .chain(&options.drop)
        .chain(&options.spare)
        .chain(&options.categorical)
        .filter_map(|n| n.rsplit_once('['))
        .map(|(s, _)| s)
        .collect();
    let mut out = vec![];
    for (name, array) in arrays {
        let numbers =
            (array.shape.len() == 2 && array.shape[1] <= options.max_columns && named.contains(&name.as_str()))
                .then(|| array.to_f64())
                .flatten();
        let Some(numbers) = numbers else {
            out.push((name, array));
            continue;
        };
        let (rows, width) = (array.shape[0], array.shape[1]);
        out.extend((0..width).map(|d| {
            let column = (0..rows).map(|i| numbers[i * width + d]).collect();
            (format!("{name}[{d}]"), Array::new(&[rows], column))
        }));
    }
    out
}

fn as_text(name: &str, array: Array) -> Result<Array> {
    if array.shape.len() != 1 {
        return Err(Error::data(
            format!("array `{name}` is a matrix and cannot be categories"),
            format!("name one of its columns, such as `{name}[0]`"),
        ));
    }
    let Some(numbers) = array.to_f64() else { return Ok(array) };
    let mut levels = table::Levels::default();
    numbers.iter().for_each(|v| levels.push((!v.is_nan()).then(|| v.to_string()).as_deref()));
    Ok(levels.finish())
}

/// Decodes the bytes of one `.npy` file.
pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<Array> {
    let damaged = |what: &str| {
        Error::data(
            format!("array `{name}` is damaged or incomplete: {what}"),
            "save it again with `numpy.save` or `numpy.savez`",
        )
    };
    if bytes.len() < 12 || !bytes.starts_with(b"\x93NUMPY") {
        return Err(damaged("no NPY header"));
    }
    let (length, start) = match bytes[6] {
        1 => (usize::from(u16::from_le_bytes([bytes[8], bytes[9]])), 10),
        2 | 3 => (u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize, 12),
        other => return Err(damaged(&format!("version {other} is unknown"))),
    };
    let end = start + length;
    let header = bytes.get(start..end).ok_or_else(|| damaged("it ends within its header"))?;
    let header = Header::parse(&String::from_utf8_lossy(header)).ok_or_else(|| damaged("its header cannot be read"))?;
    let kind = Kind::parse(name, &header.descr)?;
    // An empty array is refused later, where it is no part of a sparse matrix.
    let is_empty = header.shape.contains(&0);
    let cells = if is_empty { Some(0) } else { header.shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)) };
    let size = cells.and_then(|n| n.checked_mul(kind.size())).filter(|n| isize::try_from(*n).is_ok());
    let content = &bytes[end..];
    if size != Some(content.len()) {
        return Err(damaged(&format!(
            "{} bytes for the shape {:?} of type {}",
            content.len(),
            header.shape,
            header.descr
        )));
    }
    if header.shape.len() > 8 {
        return Err(Error::data(format!("array `{name}` has {} dimensions", header.shape.len()), "give at most 8"));
    }
    let values = kind.decode(content);
    let is_transposed = header.fortran && header.shape.len() > 1 && !is_empty;
    let values = if is_transposed { row_major(values, &header.shape) } else { values };
    let shape = if header.shape.is_empty() { vec![1] } else { header.shape };
    Ok(Array { shape, values })
}

/// The three entries of the header's Python dictionary.
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Option<Self> {
        let after = |key: &str| {
            let at = text.find(&format!("'{key}'"))? + key.len() + 2;
            text[at..].trim_start().strip_prefix(':').map(str::trim_start)
        };
        let descr = after("descr")?;
        // A list of fields, a structured type, keeps its bracket and is refused by name later.
        let descr = match descr.strip_prefix('\'') {
            Some(rest) => rest.split('\'').next()?.to_owned(),
            None => descr.chars().take(1).collect(),
        };
        let fortran = match after("fortran_order")? {
            t if t.starts_with("True") => true,
            t if t.starts_with("False") => false,
            _ => return None,
        };
        let shape = after("shape")?.strip_prefix('(')?.split(')').next()?;
        let shape =
            shape.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.trim_end_matches('L').parse().ok());
        Some(Self { descr, fortran, shape: shape.collect::<Option<_>>()? })
    }
}

/// A number type, or text of a fixed width.
#[derive(Debug, Clone, Copy)]
struct Kind {
    code: u8,
    width: usize,
    is_big: bool,
}

impl Kind {
    fn parse(name: &str, descr: &str) -> Result<Self> {
        let refuse = |what: &str, remedy: &str| Err(Error::data(format!("array `{name}` {what}"), remedy));
        let (order, rest) = match descr.as_bytes() {
            [order @ (b'<' | b'>' | b'|' | b'='), rest @ ..] => (*order, rest),
            rest => (b'<', rest),
        };
        let [code, width @ ..] = rest else { return refuse("has no type", "save it again with numpy") };
        let width = std::str::from_utf8(width).ok().and_then(|w| w.parse().ok()).unwrap_or(0usize);
        match (*code, width) {
            (b'O', _) => refuse(
                "holds Python objects, which are never read because they can run code",
                "save it as numbers or text",
            ),
            (b'c', _) => refuse("holds complex numbers", "save real and imaginary parts as two arrays"),
            (b'M' | b'm', _) => refuse("holds dates", "save a number such as days since the first row"),
            (b'[' | b'V', _) => refuse("holds records", "save every field as its own array with `numpy.savez`"),
            (b'f', 2 | 4 | 8) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'b', 1) | (b'S' | b'U', 1..=4096) => {
                Ok(Self { code: *code, width, is_big: order == b'>' })
            }
            _ => refuse(
                &format!("has the type {descr}, which is not read"),
                "save it as float64, float32, int64, uint8 or text",
            ),
        }
    }

    /// Bytes of a cell.
    fn size(self) -> usize {
        if self.code == b'U' { 4 * self.width } else { self.width }
    }

    fn decode(self, bytes: &[u8]) -> Values {
        macro_rules! numbers {
            ($from:ty, $to:expr) => {
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| $to(if self.is_big { <$from>::from_be_bytes(*b) } else { <$from>::from_le_bytes(*b) }))
                    .collect()
            };
        }
        match (self.code, self.width) {
            (b'f', 8) => Values::F64(numbers!(f64, |v| v)),
            (b'f', 4) => Values::F32(numbers!(f32, |v| v)),
            (b'f', _) => Values::F32(numbers!(u16, half_to_f32)),
            (b'i', 1) => Values::I64(numbers!(i8, i64::from)),
            (b'i', 2) => Values::I64(numbers!(i16, i64::from)),
            (b'i', 4) => Values::I64(numbers!(i32, i64::from)),
            (b'i', _) => Values::I64(numbers!(i64, |v| v)),
            (b'u', 1) => Values::U8(bytes.to_vec()),
            (b'b', _) => Values::U8(bytes.iter().map(|b| u8::from(*b != 0)).collect()),
            (b'u', 2) => Values::I64(numbers!(u16, i64::from)),
            (b'u', 4) => Values::I64(numbers!(u32, i64::from)),
            // Past the range of i64 a real number is nearer than a wrapped one.
            (b'u', _) => Values::F64(numbers!(u64, |v: u64| v as f64)),
            _ => self.decode_text(bytes),
        }
    }

    fn decode_text(self, bytes: &[u8]) -> Values {
        let mut levels = table::Levels::default();
        for cell in bytes.chunks_exact(self.size()) {
            let text: String = if self.code == b'U' {
                let point = |b: &[u8; 4]| if self.is_big { u32::from_be_bytes(*b) } else { u32::from_le_bytes(*b) };
                let characters = cell.as_chunks().0.iter().map(point).take_while(|p| *p != 0);
                characters.map(|p| char::from_u32(p).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            } else {
                String::from_utf8_lossy(cell).trim_end_matches('\0').to_owned()
            };
            levels.push((!text.is_empty()).then_some(&text));
        }
        levels.finish().values
    }
}

/// IEEE half precision, widened exactly.
pub(super) fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// Reorders cells stored with the first index fastest.
fn row_major(values: Values, shape: &[usize]) -> Values {
    let count: usize = shape.iter().product();
    let strides: Vec<usize> = shape
        .iter()
        .scan(1, |stride, size| {
            let own = *stride;
            *stride *= size;
            Some(own)
        })
        .collect();
    let mut index = vec![0; shape.len()];
    let mut order = Vec::with_capacity(count);
    for _ in 0..count {
        order.push(index.iter().zip(&strides).map(|(i, s)| i * s).sum::<usize>());
        for d in (0..shape.len()).rev() {
            index[d] += 1;
            if index[d] < shape[d] {
                break;
            }
            index[d] = 0;
        }
    }
    // The array is one row of `count` cells, so that rows can be taken cell by cell.
    Array { shape: vec![count], values }.take_rows(&order).values
}
