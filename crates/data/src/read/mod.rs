//! Reading a user's file: the content decides the format, the extension only helps with messages.
//!
//! | format | recognised by | becomes |
//! |---|---|---|
//! | CSV (`,` `;` tab or a bar), plain or `.gz` | text | one array `[N]` a column: numbers or text |
//! | JSON lines, plain or `.gz` | lines that are objects; a single one by its name `.jsonl` or `.ndjson` | the same |
//! | Parquet | `PAR1` | the same |
//! | NPY | `\x93NUMPY` | one array `x` of the stored shape |
//! | NPZ | a zip of `.npy` members | one array a member; a sparse matrix of compressed rows (`scipy.sparse.save_npz`) becomes a dense `x` |
//! | IDX, plain or `.gz` | two zeros, a type, the number of dimensions | `image` `[N, H, W]` of bytes, or `label` `[N]` |
//! | a folder of PNG or JPEG | being a folder | `image` of bytes, turned as the files' orientation says; sub-folders become `label` |
//! | WAV without compression | `RIFF`, `WAVE` | `time` `[T]` in seconds and `audio`, `[T]` or `[T, C]` |
//! | a folder of WAV | being a folder without pictures | `audio` `[N, T]`, a row a recording; sub-folders become `label` |
//! | a scene | a folder with `transforms.json` or a COLMAP model | `image`, as its pixels are stored, `pose`, `intrinsics`, `points` |
//! | pairs of variables | a folder with `pairmeta.txt`, as the Tübingen collection | `pair`, `weight`, `truth`, `a`, `b`, a row a sample |
//!
//! Missing cells are an error, or their rows are left out and a note says so; they get through only where they are asked for ([`MissingPolicy`]).

mod audio;
mod csv;
mod instant;
pub(crate) mod maps;
mod npy;
mod pairs;
mod parquet;
pub(crate) mod pictures;
mod scene;
mod select;
mod sniff;
mod sparse;
mod table;

use elbo_core::read::{MOST_BYTES, read_file, read_most};
use elbo_core::{Data, Error, Result};
use sniff::Kind;
use std::fmt::Display;
use std::path::Path;

/// What to do with rows that have missing cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingPolicy {
    /// Refuse the table and say where the cells are missing.
    #[default]
    Error,
    /// Leave such rows out and say how many.
    Drop,
    /// Keep them, as NaN or no category: for histories of experiments, whose empty cells have a meaning.
    Keep,
}

/// How to read a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadOptions {
    /// Name of the column to predict.
    pub target: Option<String>,
    /// What to do with missing cells.
    pub missing: MissingPolicy,
    /// Columns to leave out before anything is checked.
    pub drop: Vec<String>,
    /// Columns to leave out where they are there.
    pub spare: Vec<String>,
    /// Where given, only these columns and the target are read; names the file lacks are ignored. Used to predict: columns that
    /// the model does not need may hold anything.
    pub keep: Option<Vec<String>>,
    /// Columns to read as text even when every cell is a number, such as a region's code.
    pub categorical: Vec<String>,
    /// Columns of a CSV or Parquet file in which dates are kept, as text, for models of series; in others they are refused.
    pub times: Vec<String>,
    /// Field separator of a CSV file; `None` finds it among `,` `;` tab and `|`.
    pub delimiter: Option<u8>,
    /// Most columns a table may have.
    pub max_columns: usize,
    /// Whether a CSV or Parquet file may have no rows, and a file may hold nothing at all: for histories of experiments that have not begun. What is
    /// read then has no rows.
    pub may_be_empty: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            target: None,
            missing: MissingPolicy::Error,
            drop: vec![],
            spare: vec![],
            keep: None,
            categorical: vec![],
            times: vec![],
            delimiter: None,
            max_columns: 20_000,
            may_be_empty: false,
        }
    }
}

impl ReadOptions {
    /// The defaults with this target.
    pub fn with_target(target: &str) -> Self {
        Self { target: Some(target.into()), ..Self::default() }
    }
}

/// The error, with the file it is about.
fn about(error: Error, source: impl Display) -> Error {
    match error {
        Error::Data { message, remedy } => Error::Data { message: format!("{message}: {source}"), remedy },
        other => other,
    }
}

/// Refuses a table whose cells, of eight bytes each, are more than [`MOST_BYTES`]: run lengths and short cells let a small file claim any number.
fn check_cells(rows: u64, columns: usize) -> Result<()> {
    if rows.saturating_mul(columns as u64) <= MOST_BYTES / 8 {
        return Ok(());
    }
    Err(Error::data(
        format!("a table of {rows} rows and {columns} columns takes more than 8 GiB"),
        "give fewer rows or columns",
    ))
}

/// Reads a CSV or JSON-lines file (plain or gzip), a Parquet, NPY, NPZ, IDX or WAV file, or a folder of pictures or recordings, a scene or pairs of variables.
///
/// A column is numeric when every cell that is not missing is a number; else it is text. A column of dates, one that is numeric but for
/// a few cells, and one with infinite values are refused with the lines at fault.
///
/// # Errors
/// [`Error::File`] when the file cannot be read or is larger than 8 GiB, [`Error::Data`] when its contents cannot be used, [`Error::Unknown`] for a target or
/// another named column that is not there.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Data> {
    if path.is_dir() && pairs::is_pairs(path) {
        return pairs::folder(path, options);
    }
    if path.is_dir() && scene::is_scene(path) {
        return select::arrays(scene::folder(path)?, options);
    }
    if path.is_dir() && audio::is_folder(path)? {
        return audio::folder(path, options);
    }
    if path.is_dir() {
        return select::arrays(pictures::folder(path)?, options);
    }
    read_bytes(&path.display().to_string(), read_file("cannot read the data", path)?, options)
}

/// Reads the contents of a file; `source` is its name, for messages and for what the extension says.
///
/// # Errors
/// As [`read()`], less those of opening the file.
pub fn read_bytes(source: &str, bytes: Vec<u8>, options: &ReadOptions) -> Result<Data> {
    let data = parse(source, bytes, options).map_err(|error| about(error, source))?;
    Ok(Data { source: source.into(), ..data })
}

fn parse(source: &str, bytes: Vec<u8>, options: &ReadOptions) -> Result<Data> {
    if options.may_be_empty && bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii().is_empty() {
        return Ok(Data { target: options.target.clone(), ..Data::default() });
    }
    let bytes = match sniff::kind(source, &bytes)? {
        Kind::Gzip => gunzip(&bytes)?,
        _ => bytes,
    };
    let kind = sniff::kind(source, &bytes)?;
    sniff::check_extension(source, kind)?;
    match kind {
        Kind::Text => csv::parse(&bytes, options),
        Kind::JsonLines => csv::parse_json_lines(&bytes, options),
        Kind::Parquet => parquet::parse(bytes, options),
        Kind::Npy => npy::parse_npy(&bytes, options),
        Kind::Zip => npy::parse_npz(&bytes, options),
        Kind::Idx => select::arrays(pictures::parse_idx(&bytes)?, options),
        Kind::Wave => audio::parse(&bytes, options),
        Kind::Gzip => Err(Error::data("the file is compressed twice", "unpack it once with `gunzip`")),
    }
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let damaged = |cause: std::io::Error| {
        Error::data(
            format!("the compressed file is damaged or incomplete ({cause})"),
            "copy or download it again; `gzip -t FILE` checks it",
        )
    };
    read_most(flate2::read::MultiGzDecoder::new(bytes), 0, MOST_BYTES)
        .map_err(damaged)?
        .ok_or_else(|| Error::data("the compressed file unpacks to more than 8 GiB", "give fewer rows or columns"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_files_of_more_than_eight_gibibytes_are_refused() {
        assert!(check_cells(1 << 27, 8).is_ok());
        for (rows, columns) in [((1 << 27) + 1, 8), (1 << 31, 1), (u64::MAX, 2)] {
            assert!(check_cells(rows, columns).unwrap_err().to_string().contains("8 GiB"));
        }
        // Without any byte written.
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MOST_BYTES + 1).unwrap();
        let error = read(file.path(), &ReadOptions::default()).unwrap_err();
        assert!(error.to_string().contains("larger than 8 GiB"), "{error}");
    }
}
