//! Parquet files written by Arrow (`golden/make_parquet.py`), and one with every kind of time, written here.

use crate::{golden, numbers, texts};
use elbo_data::{MissingPolicy, ReadOptions, read_bytes};
use parquet::data_type::{DataType, DoubleType, Int32Type, Int64Type, Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

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

#[test]
fn dates_are_kept_as_text_where_they_are_the_times_of_a_series() {
    let times = |name: &str| ReadOptions { times: vec![name.into()], ..Default::default() };
    let data = read_bytes("t", golden("date.parquet"), &times("when")).unwrap();
    assert_eq!(texts(&data, "when"), ["2020-01-05", "2020-01-05"]);
    let data = read_bytes("t", golden("timestamp.parquet"), &times("at")).unwrap();
    assert_eq!(texts(&data, "at"), ["1970-01-01T00:00:00", "1970-01-01T00:00:00.000001"]);
}

/// Columns of [`series`] as the words of a CSV file.
const SERIES: [(&str, [&str; 2]); 5] = [
    ("day", ["", "1969-12-31"]),
    ("milli", ["2020-01-05T10:00:00", "1969-12-31T23:59:59.999"]),
    ("nano", ["1970-01-02T00:00:00", "1970-01-01T00:00:00.000000001"]),
    ("old", ["1970-01-01T00:00:01", "1970-01-03T00:00:00"]),
    ("clock", ["13:30:00", "00:00:00.25"]),
];

#[test]
fn every_kind_of_time_is_kept_as_text() {
    let options = ReadOptions {
        times: SERIES.map(|(name, _)| String::from(name)).to_vec(),
        missing: MissingPolicy::Keep,
        ..Default::default()
    };
    let data = read_bytes("t", series(), &options).unwrap();
    for (name, expected) in SERIES {
        assert_eq!(texts(&data, name), expected, "{name}");
    }
    assert_eq!(numbers(&data, "y"), [1.0, 2.0]);
}

#[test]
fn every_kind_of_time_is_refused_elsewhere_as_in_a_csv_file() {
    for (name, texts) in SERIES {
        let options = ReadOptions { keep: Some(vec![name.into()]), ..Default::default() };
        let error = read_bytes("t", series(), &options).unwrap_err();
        let (row, example) = if texts[0].is_empty() { (2, texts[1]) } else { (1, texts[0]) };
        assert_eq!(
            error.to_string(),
            format!("column `{name}` holds dates or times, such as {example:?} (row {row}): t")
        );
        assert!(error.remedy().ends_with(&format!("a series over time is fitted with --time {name}")), "{error:?}");
    }
}

/// Two rows with a column of each kind of time; the first date is missing.
fn series() -> Vec<u8> {
    let schema = "message series {
        optional int32 day (DATE);
        required int64 milli (TIMESTAMP(MILLIS,true));
        required int64 nano (TIMESTAMP(NANOS,false));
        required int96 old;
        required int32 clock (TIME(MILLIS,true));
        required double y;
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = vec![];
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    write::<Int32Type>(&mut group, &[-1], Some(&[0, 1]));
    // 18,266 days and ten hours; a thousandth of a second before 1970.
    write::<Int64Type>(&mut group, &[1_578_218_400_000, -1], None);
    write::<Int64Type>(&mut group, &[86_400_000_000_000, 1], None);
    // Nanoseconds since midnight in two words, and the Julian day, which is 2,440,588 at the beginning of 1970.
    let instants = [vec![1_000_000_000, 0, 2_440_588], vec![0, 0, 2_440_590]].map(Int96::from);
    write::<Int96Type>(&mut group, &instants, None);
    write::<Int32Type>(&mut group, &[48_600_000, 250], None);
    write::<DoubleType>(&mut group, &[1.0, 2.0], None);
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    values: &[T::T],
    present: Option<&[i16]>,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, present, None).unwrap();
    column.close().unwrap();
}
