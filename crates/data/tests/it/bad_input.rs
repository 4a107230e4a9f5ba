//! What a user is told: every message names the place and the remedy, and the file comes last.

use crate::{golden, read_text};
use elbo_core::Error;
use elbo_data::{MissingPolicy, ReadOptions, read, read_bytes};
use std::io::Write;

/// Name of the case, bytes, options, part of the message, part of the remedy.
type Case = (&'static str, Vec<u8>, ReadOptions, &'static str, &'static str);

fn text(name: &'static str, text: &str, message: &'static str, remedy: &'static str) -> Case {
    (name, text.as_bytes().to_vec(), ReadOptions::default(), message, remedy)
}

/// A column `a` of `count` numbers and these further cells.
fn mostly_numbers(count: usize, others: &[&str]) -> String {
    let numbers = (0..count).map(|i| format!("{i},1\n")).collect::<String>();
    let others = others.iter().map(|o| format!("{o},1\n")).collect::<String>();
    format!("a,y\n{numbers}{others}")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip_of(name: &str) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(b"content").unwrap();
    archive.finish().unwrap().into_inner()
}

fn cases() -> Vec<Case> {
    let wide = (0..100_000).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",");
    let with = |options: ReadOptions, mut case: Case| {
        case.2 = options;
        case
    };
    let raw = |name, bytes: &[u8], message, remedy| (name, bytes.to_vec(), ReadOptions::default(), message, remedy);
    vec![
        raw("empty", b"", "the file is empty", "header line"),
        text("blank", " \n\n", "only blank lines", "header line"),
        text("quoted blank", "\"\"\n\"\"", "only blank lines", "header line"),
        text("header only", "a,b\n", "no rows", "at least two rows"),
        text("no name", "a,,b\n1,2,3\n", "column 2 of the header has no name", "name every column"),
        text("index", ",a\n0,1\n1,2\n", "column 1 of the header has no name", "index=False"),
        text("twice", "a,b,a\n1,2,3\n", "columns 1 and 3 are both named `a`", "its own name"),
        text("ragged short", "a,b,c\n1,2,3\n4,5\n", "line 3 has 2 fields; the header has 3", "quotes"),
        text("ragged long", "a,b\n1,2\n3,4,5\n", "line 3 has 3 fields; the header has 2", "row names of R"),
        text("open quote", "a,b\n1,\"x\n2,y\n", "the quote opened in line 2 is never closed", "twice"),
        text("after quote", "a,b\n\"x\"y,2\n", "line 2 has text after a closing quote", "twice"),
        raw("latin-1", b"a,b\n1,2\n3,caf\xe9\n", "line 3 has the byte 0xe9, which is not UTF-8", "iconv"),
        raw("zero byte", b"a,b\r\n1,2\r\n3,\x004\r\n", "line 3 has a zero byte", "UTF-8"),
        raw("utf-16", b"\xff\xfea\0,\0b\0\n\0", "UTF-16", "iconv"),
        text(
            "infinite",
            "a,y\n1,2\ninf,3\n",
            "column `a` has cells that are not finite: \"inf\" in line 3",
            "--drop a",
        ),
        text("too large", "a,y\n1,2\n1e999,3\n", "\"1e999\" in line 3", "--drop a"),
        (
            "text among numbers",
            mostly_numbers(38, &["abc", "n.d."]).into_bytes(),
            ReadOptions::default(),
            "column `a` has 2 of 40 cells that are not numbers: \"abc\" in line 40, \"n.d.\" in line 41",
            "--categorical a",
        ),
        text(
            "iso dates",
            "when,y\n2020-01-05,1\n2020-01-06,2\n",
            "dates or times, such as \"2020-01-05\" (line 2)",
            "--drop when",
        ),
        text("d/m/y dates", "when,y\n5/1/2020,1\n26/1/2020,2\n", "dates or times", "days since"),
        text(
            "date and time",
            "when,y\n2020-01-05T10:00:00Z,1\n2020-01-06T11:30:00Z,2\n",
            "dates or times",
            "days since",
        ),
        text("month names", "when,y\n\"Jan 5, 2020\",1\n\"Feb 6, 2020\",2\n", "dates or times", "days since"),
        text("clock", "at,y\n10:30,1\n23:59,2\n", "dates or times", "--drop at"),
        text(
            "currency",
            "price,y\n$5,1\n\"$1,200\",2\n",
            "numbers with signs or separators: \"$5\" in line 2",
            "plain numbers",
        ),
        text("per cent", "share,y\n5%,1\n12 %,2\n", "numbers with signs or separators", "plain numbers"),
        text(
            "both marks",
            "a;y\n1,5;1\n2.5;2\n",
            "decimal commas (\"1,5\" in line 2) and decimal points (\"2.5\" in line 3)",
            "same decimal mark",
        ),
        text("spaces", "a b c\n1 2 3\n4 5 6\n", "spaces seem to separate 3 columns", "tr -s"),
        text("colons", "a:b\n1:2\n3:4\n", "`:` seem to separate 2 columns", "--delimiter"),
        text("missing", "a,y\n1,2\n,3\n", "1 of 2 rows have missing cells (`a`: 1)", "--missing drop"),
        text("all missing", "a,y\nNA,2\n,3\n", "column `a` has no value in any row", "--drop a"),
        with(
            ReadOptions { missing: MissingPolicy::Drop, ..Default::default() },
            text("every row", "a,b\n1,\n,2\n", "every row has a missing cell", "--drop NAME"),
        ),
        with(
            ReadOptions { delimiter: Some(b';'), ..Default::default() },
            text(
                "wrong delimiter",
                "a,b,c\n1,2,3\n",
                "with the delimiter `;` the header is a single column; `,` gives 3",
                "--delimiter",
            ),
        ),
        with(
            ReadOptions { drop: vec!["a".into()], ..Default::default() },
            text("nothing left", "a\n1\n2\n", "no column is left", "--drop"),
        ),
        with(
            ReadOptions { drop: vec!["y".into()], ..ReadOptions::with_target("y") },
            text("target dropped", "a,y\n1,2\n", "`y` is the target and is also left out", "--target or with --drop"),
        ),
        (
            "100,000 columns",
            format!("{wide}\n").into_bytes(),
            ReadOptions::default(),
            "100000 columns, more than 20000",
            "transpose",
        ),
        text("json", "[{\"a\": 1}]", "the file is JSON", "CSV"),
        text("one object of json", "{\n  \"a\": 1\n}\n", "the file is JSON", "an object a row"),
        text("half an object", "{\"a\": 1}\n{\"a\": 2\n", "line 2 is not a JSON object", "an object a line"),
        text("NaN in json", "{\"a\": 1}\n{\"a\": NaN}\n", "line 2 is not a JSON object", "null"),
        text("a list in json", "{\"a\": 1}\n{\"a\": [1, 2]}\n", "line 2 has a list or an object under `a`", "--drop a"),
        text("words in json", "{\"a\": \"red\"}\n{\"\": 2}\n", "line 2 has a key without a name", "name every value"),
        text("missing in json", "{\"a\": 1}\n{\"b\": 2}\n", "2 of 2 rows have missing cells", "--missing drop"),
        text("web page", "\n<!DOCTYPE html><html></html>", "the file is HTML or XML", "failed download"),
        raw("picture", b"\x89PNG\r\n\x1a\n....", "a PNG picture", "CSV"),
        raw("pdf", b"%PDF-1.7", "a PDF document", "spreadsheet"),
        raw("pickle", b"\x80\x04\x95....", "Python pickle", "NPZ"),
        raw("hdf5", b"\x89HDF\r\n\x1a\n", "an HDF5 file", "NPZ"),
        raw("flac", b"fLaC\0\0\0\x22", "a FLAC recording", "WAV"),
        raw("midi", b"MThd\0\0\0\x06", "a MIDI file", "CSV"),
        raw("xz", b"\xfd7zXZ\0\0", "compressed with xz", "gzip"),
        raw("model file", b"\x40\0\0\0\0\0\0\0{\"__metadata__\":{}}", "a model or weights file", "CSV"),
        ("workbook", zip_of("xl/workbook.xml"), ReadOptions::default(), "an Excel workbook", "CSV"),
        ("zip", zip_of("table.csv"), ReadOptions::default(), "holds no .npy arrays, but table.csv", "unpack"),
        ("half a gzip", gzip(b"a,b\n1,2\n")[..20].to_vec(), ReadOptions::default(), "damaged or incomplete", "gzip -t"),
        ("gzip twice", gzip(&gzip(b"a,b\n1,2\n")), ReadOptions::default(), "compressed twice", "gunzip"),
        ("objects", golden("object.npy"), ReadOptions::default(), "holds Python objects", "numbers or text"),
        (
            "half an array",
            golden("f8.npy")[..200].to_vec(),
            ReadOptions::default(),
            "damaged or incomplete",
            "numpy.save",
        ),
        (
            "dates in parquet",
            golden("date.parquet"),
            ReadOptions::default(),
            "column `when` holds dates or times",
            "--drop when",
        ),
        (
            "times in parquet",
            golden("timestamp.parquet"),
            ReadOptions::default(),
            "column `at` holds dates or times",
            "--drop at",
        ),
        ("nested", golden("nested.parquet"), ReadOptions::default(), "is nested", "plain columns"),
        ("inf in parquet", golden("infinite.parquet"), ReadOptions::default(), "infinite value in row 2", "--drop a"),
        ("no rows in parquet", golden("empty.parquet"), ReadOptions::default(), "no rows", "two rows"),
        (
            "brotli",
            golden("brotli.parquet"),
            ReadOptions::default(),
            "the Parquet file is damaged, incomplete, or of a kind that is not read",
            "snappy",
        ),
        (
            "half a parquet",
            golden("snappy.parquet")[..900].to_vec(),
            ReadOptions::default(),
            "Parquet file is damaged",
            "again",
        ),
    ]
}

#[test]
fn every_bad_input_is_answered_with_its_place_and_a_remedy() {
    for (name, bytes, options, message, remedy) in cases() {
        let error = read_bytes("folder/t", bytes, &options).map(|d| d.rows()).unwrap_err();
        assert!(error.to_string().contains(message), "{name}: {error}");
        assert!(error.to_string().ends_with(": folder/t"), "{name}: {error}");
        assert!(error.remedy().contains(remedy), "{name}: {}", error.remedy());
        assert_eq!(error.kind(), "data", "{name}");
    }
}

#[test]
fn unknown_columns_suggest_the_nearest() {
    for options in [
        ReadOptions::with_target("strenght"),
        ReadOptions { drop: vec!["strenght".into()], ..Default::default() },
        ReadOptions { categorical: vec!["strenght".into()], ..Default::default() },
    ] {
        let error = read_text("age,strength\n1,2\n", &options).unwrap_err();
        assert_eq!(error.to_string(), "unknown column `strenght`");
        assert_eq!(error.remedy(), "did you mean `strength`?");
    }
}

#[test]
fn a_name_that_promises_another_format_is_refused() {
    for name in ["t.parquet", "t.npy", "t.npz"] {
        let error = read_bytes(name, b"a,b\n1,2\n".to_vec(), &ReadOptions::default()).unwrap_err();
        assert!(error.to_string().contains("but is not"), "{name}: {error}");
    }
}

#[test]
fn a_delimiter_that_cannot_separate_is_a_setting_out_of_range() {
    let options = ReadOptions { delimiter: Some(b'"'), ..Default::default() };
    assert!(matches!(read_text("a,b\n1,2\n", &options), Err(Error::Setting { .. })));
}

#[test]
fn a_path_that_is_absent_or_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let absent = read(&folder.path().join("absent.csv"), &ReadOptions::default()).unwrap_err();
    assert!(absent.to_string().contains("cannot read the data (no such file or directory)"), "{absent}");
    assert!(absent.to_string().ends_with("absent.csv"), "{absent}");
    let directory = read(folder.path(), &ReadOptions::default()).unwrap_err();
    assert!(directory.to_string().contains("the folder holds no PNG or JPEG pictures"), "{directory}");
}
