//! Folders of pairs of variables with `pairmeta.txt`.

use crate::{numbers, texts};
use elbo_data::{MissingPolicy, ReadOptions, read};
use std::path::Path;

/// Pair 2 is caused by its second column, pair 3 has two columns for its cause, and nobody lists pair 9.
const META: &str = "0001 1 1 2 2 0.5\n0002\t3\t3\t2\t2\t1\r\n\n0003 1 2 3 3 0\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
    folder
}

fn whole() -> tempfile::TempDir {
    folder(&[
        ("pairmeta.txt", META),
        ("pair0001.txt", "1.5 -2\n 3e1\t4\n"),
        ("pair0001_des.txt", "heights"),
        ("pair0002.txt", "9 1 5\r\n9 2 6\r\n9 3 7\r\n"),
        ("pair0003.txt", "1 2 3\n"),
        ("pair0009.txt", "1 2\n"),
        ("README", "about"),
    ])
}

/// The error of a folder in which one file has another text.
fn refused(name: &str, text: &str, options: &ReadOptions) -> elbo_core::Error {
    let folder = whole();
    std::fs::write(folder.path().join(name), text).unwrap();
    read(folder.path(), options).map(|d| d.rows()).unwrap_err()
}

#[test]
fn a_folder_of_pairs_becomes_one_table_with_weights_and_truths() {
    let folder = whole();
    let data = read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(texts(&data, "pair"), ["pair0001", "pair0001", "pair0002", "pair0002", "pair0002"]);
    assert_eq!(numbers(&data, "weight"), [0.5, 0.5, 1.0, 1.0, 1.0]);
    assert_eq!(numbers(&data, "truth"), [1.0, 1.0, -1.0, -1.0, -1.0]);
    // The variables keep the order of their columns, whichever is the cause.
    assert_eq!(numbers(&data, "a"), [1.5, 30.0, 1.0, 2.0, 3.0]);
    assert_eq!(numbers(&data, "b"), [-2.0, 4.0, 5.0, 6.0, 7.0]);
    assert_eq!(Path::new(&data.source), folder.path());
    assert_eq!(data.notes.len(), 2, "{:?}", data.notes);
    assert!(data.notes[0].starts_with("1 files of pairs that pairmeta.txt does not list"), "{:?}", data.notes);
    assert!(data.notes[1].ends_with("are left out (pair0003)"), "{:?}", data.notes);
    let dropped = ReadOptions { drop: vec!["truth".into()], ..ReadOptions::default() };
    assert!(read(folder.path(), &dropped).unwrap().get("truth").is_err());
}

#[test]
fn missing_samples_are_refused_or_left_out() {
    let text = "1 2\nNA 3\n5 nan\n7 8\n";
    let error = refused("pair0001.txt", text, &ReadOptions::default());
    assert!(error.to_string().contains("2 of 7 rows have missing cells"), "{error}");
    let folder = whole();
    std::fs::write(folder.path().join("pair0001.txt"), text).unwrap();
    let options = ReadOptions { missing: MissingPolicy::Drop, ..ReadOptions::default() };
    assert_eq!(numbers(&read(folder.path(), &options).unwrap(), "a"), [1.0, 7.0, 1.0, 2.0, 3.0]);
}

#[test]
fn bad_pairs_are_answered_with_their_file_line_and_a_remedy() {
    let cases = [
        ("pairmeta.txt", "", "no pair of two variables is listed"),
        ("pairmeta.txt", "0003 1 2 3 3 1\n", "no pair of two variables is listed"),
        ("pairmeta.txt", "0001 1 1 2 2 0.5\n0002 1 1 2 2\n", "line 2 does not describe a pair"),
        ("pairmeta.txt", "0001 1 1 2 2 -1\n", "line 1 does not describe a pair"),
        ("pairmeta.txt", "0001 1 1 1 1 1\n", "line 1 does not describe a pair"),
        ("pairmeta.txt", "0001 0 0 1 1 1\n", "line 1 does not describe a pair"),
        ("pairmeta.txt", "0001 1 1 2 2 nan\n", "line 1 does not describe a pair"),
        ("pairmeta.txt", "0001 1 1 2 2 1\n\n1 1 1 2 2 1\n", "lines 1 and 3 both list pair 1"),
        ("pair0001.txt", "", "the file has no rows"),
        ("pair0001.txt", "1 2\n3 x\n", "column 2 has no number in line 2"),
        ("pair0001.txt", "1 2\n3 inf\n", "column 2 has no number in line 2"),
        ("pair0001.txt", "1,2\n3,4\n", "column 1 has no number in line 1"),
        ("pair0001.txt", "1 2\n3\n", "line 2 has 1 numbers; the first has 2"),
        ("pair0002.txt", "1 2\n3 4\n", "the rows have 2 columns; pairmeta.txt names column 3"),
    ];
    for (file, text, message) in cases {
        let error = refused(file, text, &ReadOptions::default());
        assert!(error.to_string().contains(message), "{text:?}: {error}");
        assert!(error.to_string().ends_with(file) && !error.remedy().is_empty(), "{text:?}: {error}");
    }
}

#[test]
fn a_listed_pair_without_a_file_and_an_unknown_column_are_named() {
    let folder = folder(&[("pairmeta.txt", "7 1 1 2 2 1\n")]);
    let error = read(folder.path(), &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("cannot read a pair that pairmeta.txt lists"), "{error}");
    assert!(error.to_string().ends_with("pair0007.txt"), "{error}");
    let error = refused("README", "", &ReadOptions { drop: vec!["cause".into()], ..ReadOptions::default() });
    assert_eq!(error.to_string(), "unknown column `cause`");
}
