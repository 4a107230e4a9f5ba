//! What a file is, by its first bytes; and what to say about the many things that are not tables.

use elbo_core::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    JsonLines,
    Gzip,
    Parquet,
    Npy,
    Zip,
    Idx,
    Wave,
}

/// First bytes, what they mean, what to do instead.
const FOREIGN: &[(&[u8], &str, &str)] = &[
    (b"\x89PNG", "a PNG picture", PICTURE),
    (b"\xff\xd8\xff", "a JPEG picture", PICTURE),
    (b"GIF8", "a GIF picture", PICTURE),
    (b"%PDF", "a PDF document", "copy the table into a spreadsheet and save it as CSV"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF\r\n", "an HDF5 file", "save the table as CSV, Parquet or NPZ"),
    (b"CDF\x01", "a NetCDF file", "save the variables as NPZ"),
    (b"CDF\x02", "a NetCDF file", "save the variables as NPZ"),
    (b"ARROW1", "an Arrow (Feather) file", "save the table as Parquet, for example with `frame.to_parquet(...)`"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV"),
    (b"BZh", "compressed with bzip2", "unpack it with `bunzip2`, or compress it with gzip"),
    (b"\xfd7zXZ\0", "compressed with xz", "unpack it with `unxz`, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it with `unzstd`, or compress it with gzip"),
    (b"fLaC\0", "a FLAC recording", RECORDING),
    (b"OggS\0", "an Ogg recording", RECORDING),
    (b"ID3\x03\0", "an MP3 recording", RECORDING),
    (b"ID3\x04\0", "an MP3 recording", RECORDING),
    (b"MThd\0", "a MIDI file", "turn its notes into a table, and save it as CSV"),
    (b"RDX", "an R data file", "save the table from R with `write.csv(...)`"),
    (b"\xff\xfe", "UTF-16 text", UTF16),
    (b"\xfe\xff", "UTF-16 text", UTF16),
];

const PICTURE: &str = "give a table (CSV, Parquet, NPY or NPZ), or the folder that the pictures lie in";
const RECORDING: &str = "save it as WAV, for example with `ffmpeg -i FILE -c:a pcm_s16le NEW.wav`";
const UTF16: &str = "save it as UTF-8, for example with `iconv -f utf-16 -t utf-8 FILE > NEW`";

/// `source` is the file's name.
///
/// # Errors
/// [`Error::Data`] for an empty file and for known formats that hold no table we read.
pub(super) fn kind(source: &str, bytes: &[u8]) -> Result<Kind> {
    if bytes.is_empty() {
        return Err(Error::data("the file is empty", "give a table with a header line and at least two rows"));
    }
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if let Some((_, what, remedy)) = FOREIGN.iter().find(|(magic, ..)| starts(magic)) {
        return Err(Error::data(format!("the file is {what}, not a table"), *remedy));
    }
    if bytes.len() > 1 && bytes[0] == 0x80 && (2..=5).contains(&bytes[1]) {
        return Err(Error::data(
            "the file is a Python pickle, which is never read because it can run code",
            "save the table as CSV, Parquet or NPZ",
        ));
    }
    if bytes.len() > 9 && bytes[8] == b'{' && bytes[5..8] == [0; 3] {
        return Err(Error::data(
            "the file is a model or weights file, not a table",
            "give the data as CSV, Parquet, NPY or NPZ",
        ));
    }
    Ok(match bytes {
        _ if starts(b"\x1f\x8b") => Kind::Gzip,
        _ if starts(b"PAR1") => Kind::Parquet,
        _ if starts(b"\x93NUMPY") => Kind::Npy,
        _ if super::audio::is_wave(bytes) => Kind::Wave,
        [0, 0, 8 | 9 | 11..=14, 1..=8, ..] => Kind::Idx,
        _ if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") => Kind::Zip,
        _ => {
            let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
            if is_json_lines(source, text) {
                return Ok(Kind::JsonLines);
            }
            let markup = match text.first() {
                Some(b'{' | b'[') => Some("JSON"),
                Some(b'<') => Some("HTML or XML"),
                _ => None,
            };
            if let Some(markup) = markup {
                return Err(Error::data(
                    format!("the file is {markup}, not a table"),
                    "save the table as CSV with one header line, or as JSON lines, an object a row; a web page instead of data is a common result of a failed download",
                ));
            }
            Kind::Text
        }
    })
}

/// Whether a text without space before it holds an object a line: one line of it is taken for a row where the name says so.
fn is_json_lines(source: &str, text: &[u8]) -> bool {
    let name = source.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let is_named = name.ends_with(".jsonl") || name.ends_with(".ndjson");
    let end = text.iter().position(|b| *b == b'\n').unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    let is_followed = first.trim_ascii_end().ends_with(b"}") && rest.trim_ascii_start().starts_with(b"{");
    text.starts_with(b"{") && (is_named || is_followed)
}

/// Refuses a file whose name promises a binary format that its content is not.
///
/// # Errors
/// [`Error::Data`] for such a file.
pub(super) fn check_extension(source: &str, kind: Kind) -> Result<()> {
    let name = source.to_ascii_lowercase();
    let promised = [
        (".parquet", Kind::Parquet, "a Parquet file"),
        (".npy", Kind::Npy, "an NPY file"),
        (".npz", Kind::Zip, "an NPZ file"),
        (".wav", Kind::Wave, "a WAV file"),
    ];
    for (extension, expected, what) in promised {
        if name.ends_with(extension) && kind != expected {
            return Err(Error::data(
                format!("the file is named `{extension}` but is not {what}"),
                "copy or download it again, or give it the extension of what it is",
            ));
        }
    }
    Ok(())
}
