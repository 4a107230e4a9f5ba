//! Parquet files written by Arrow (`golden/make_parquet.py`).

use crate::{golden, numbers, texts};
use elbo_data::{MissingPolicy, ReadOptions, read_bytes};

#[test]
fn every_compression_and_type_gives_the_same_table() {
    for name in ["none.parquet", "snappy.parquet", "gzip.parquet", "zstd.parquet"] {
        let error = read_bytes(name, golden(name), &ReadOptions::default()).unwrap_err();
        assert!(error.to_string().contains("2 of 6 rows have missing cells (`long`: 1, `real`: 1)"), "{error}");
        let options = ReadOptions { missing: MissingPolicy::Drop, ..ReadOptions::with_target("real") };
        let data = read_bytes(name, golden(name), &options).unwrap();
        assert_eq!(numbers(&data, "whole"), [1.0, 4.0, 5.0, 6.0], "{name}");
        assert_eq!(numbers(&data, "long"), [10.0, 40.0, 50.0, 60.0]);
        assert_eq!(numbers(&data, "real"), [0.5, 3.5, 4.5, 1e300]);
        assert_eq!(numbers(&data, "single"), [0.25, 1.0, 1.25, 1.5]);
        assert_eq!(numbers(&data, "byte"), [0.0, 250.0, 251.0, 255.0]);
        assert_eq!(texts(&data, "colour"), ["red", "blue", "red", "blue"]);
        assert_eq!(texts(&data, "flag"), ["true", "true", "false", "false"]);
        assert_eq!(numbers(&data, "price"), [1.25, 0.01, 99.99, 0.1]);
        assert_eq!(numbers(&data, "half"), [0.5, 3.5, 4.5, -5.5]);
    }
}

#[test]
fn every_encoding_and_page_version_is_read() {
    let options = ReadOptions { missing: MissingPolicy::Drop, ..Default::default() };
    for name in ["plain_v2.parquet", "encodings.parquet"] {
        let data = read_bytes(name, golden(name), &options).unwrap();
        assert_eq!(numbers(&data, "whole"), [1.0, 4.0, 5.0, 6.0], "{name}");
        assert_eq!(numbers(&data, "real"), [0.5, 3.5, 4.5, 1e300], "{name}");
        assert_eq!(texts(&data, "colour"), ["red", "blue", "red", "blue"], "{name}");
    }
}

#[test]
fn whole_numbers_can_be_categories_and_nulls_stay_missing() {
    let options = ReadOptions {
        categorical: vec!["long".into()],
        keep: Some(vec!["long".into()]),
        missing: MissingPolicy::Drop,
        ..Default::default()
    };
    let data = read_bytes("t", golden("snappy.parquet"), &options).unwrap();
    assert_eq!(texts(&data, "long"), ["10", "30", "40", "50", "60"]);
}

#[test]
fn the_index_that_pandas_writes_is_left_out_with_a_note() {
    let data = read_bytes("t", golden("index.parquet"), &ReadOptions::default()).unwrap();
    assert_eq!(data.arrays.len(), 1);
    assert!(data.notes[0].contains("row index"), "{:?}", data.notes);
}

#[test]
fn columns_of_dates_are_no_trouble_once_dropped() {
    let options = ReadOptions { drop: vec!["when".into()], ..Default::default() };
    assert_eq!(numbers(&read_bytes("t", golden("date.parquet"), &options).unwrap(), "y"), [1.0, 2.0]);
}
