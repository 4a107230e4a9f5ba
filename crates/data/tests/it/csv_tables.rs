//! Tables that are read, in every usual way of writing them.

use crate::{numbers, read_text, texts};
use elbo_data::{MissingPolicy, ReadOptions, read, read_bytes};

#[test]
fn numbers_and_categories_are_told_apart_and_the_target_is_kept() {
    let data =
        read_text("a,colour,ok,y\n1, red ,true,0.5\n-2e3,blue,false,1e300\n", &ReadOptions::with_target("y")).unwrap();
    assert_eq!(numbers(&data, "a"), [1.0, -2000.0]);
    assert_eq!(texts(&data, "colour"), ["red", "blue"]);
    assert_eq!(texts(&data, "ok"), ["true", "false"]);
    assert_eq!(numbers(&data, "y"), [0.5, 1e300]);
    assert_eq!(data.target().unwrap(), "y");
    assert_eq!((data.source.as_str(), data.notes.len()), ("t.csv", 0));
}

#[test]
fn every_delimiter_line_end_and_a_byte_order_mark_give_the_same_table() {
    let expected = read_text("a,b\n1,x\n2,z\n", &ReadOptions::default()).unwrap();
    for text in [
        "a;b\n1;x\n2;z\n",
        "a\tb\r\n1\tx\r\n2\tz",
        "a|b\r1|x\r2|z\r",
        "a , b\r\n1 , x\n2 , z\r",
        "\u{feff}a,b\n1,x\n2,z\n",
        "\n\na,b\n\n1,x\n  \n2,z\n\n",
        "\"a\",\"b\"\n\"1\",\"x\"\n\"2\",\"z\"\n",
    ] {
        assert_eq!(read_text(text, &ReadOptions::default()).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn a_table_may_have_no_rows_where_that_is_asked_for() {
    let options = ReadOptions { missing: MissingPolicy::Keep, may_be_empty: true, ..ReadOptions::with_target("b") };
    for (text, columns) in [("a,b\n", 2), ("a;b\r", 2), ("a,b", 2), ("", 0), ("\u{feff} \n", 0)] {
        let data = read_text(text, &options).unwrap();
        assert_eq!((data.rows(), data.arrays.len()), (0, columns), "{text:?}");
        assert_eq!(data.target.as_deref(), Some("b"));
        assert!(read_text(text, &ReadOptions::default()).is_err(), "{text:?}");
    }
    // What is there is read and checked as ever.
    assert_eq!(read_text("a,b\r1,2\r", &options).unwrap().rows(), 1);
    assert!(read_text("a,c\n", &options).unwrap_err().to_string().contains("`b`"));
}

#[test]
fn quoted_fields_may_hold_delimiters_line_ends_and_quotes() {
    let data =
        read_text("name,v\n\"Doe, J.\",1\n\"two\nlines\",2\n\"say \"\"hi\"\"\",3\n", &ReadOptions::default()).unwrap();
    assert_eq!(texts(&data, "name"), ["Doe, J.", "two\nlines", "say \"hi\""]);
}

#[test]
fn every_missing_marker_is_counted_and_its_row_left_out_when_asked() {
    let text =
        "a,b,y\n1,p,1\n,q,2\nNA,q,3\n4,N/A,4\nNaN,q,5\nnan,q,6\nnull,q,7\nNone,q,8\n?,q,9\n-,q,10\n11,q,\n12,r,12\n";
    let error = read_text(text, &ReadOptions::with_target("y")).unwrap_err();
    assert!(
        error.to_string().starts_with("10 of 12 rows have missing cells (`a`: 8, `b`: 1, target `y`: 1)"),
        "{error}"
    );
    assert!(error.remedy().contains("--missing drop"));
    let options = ReadOptions { missing: MissingPolicy::Drop, ..ReadOptions::with_target("y") };
    let data = read_text(text, &options).unwrap();
    assert_eq!(numbers(&data, "a"), [1.0, 12.0]);
    assert_eq!(texts(&data, "b"), ["p", "r"]);
    assert!(data.notes[0].contains("10 of 12 rows have missing cells and are left out"), "{:?}", data.notes);
}

#[test]
fn levels_that_lose_all_their_rows_are_forgotten() {
    let options = ReadOptions { missing: MissingPolicy::Drop, ..Default::default() };
    let data = read_text("a,b\n,gone\n1,p\n2,q\n", &options).unwrap();
    let elbo_core::Values::Text { levels, codes } = &data.get("b").unwrap().values else { panic!("not text") };
    assert_eq!(
        (levels.as_slice(), codes.as_slice()),
        (["p".to_owned(), "q".into()].as_slice(), [Some(0), Some(1)].as_slice())
    );
}

#[test]
fn dropped_columns_may_hold_anything_and_kept_columns_are_the_only_ones_read() {
    let text = "day,a,b,y\n2020-01-05,1,,2\n2020-01-06,3,inf,4\n";
    let drop = ReadOptions { drop: vec!["day".into(), "b".into()], ..ReadOptions::with_target("y") };
    let data = read_text(text, &drop).unwrap();
    assert_eq!(data.arrays.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["a", "y"]);
    let spare = vec!["day".into(), "b".into(), "absent".into()];
    assert_eq!(read_text(text, &ReadOptions { spare, ..ReadOptions::with_target("y") }).unwrap(), data);
    let keep = ReadOptions { keep: Some(vec!["a".into(), "absent".into()]), ..Default::default() };
    let data = read_text(text, &keep).unwrap();
    assert_eq!(data.arrays.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn codes_with_leading_zeros_and_named_categories_stay_text() {
    let data = read_text("zip,month,split,y\n01234,01,0110,1\n10001,12,1001,2\n", &ReadOptions::default()).unwrap();
    assert_eq!(texts(&data, "zip"), ["01234", "10001"]);
    assert_eq!(numbers(&data, "month"), [1.0, 12.0]);
    assert!(data.notes.iter().any(|n| n.contains("`zip`") && n.contains("leading zeros")));
    let options = ReadOptions { categorical: vec!["month".into()], ..Default::default() };
    let data = read_text("month,y\n1,1\n12,2\n", &options).unwrap();
    assert_eq!(texts(&data, "month"), ["1", "12"]);
}

#[test]
fn decimal_commas_are_read_where_the_comma_does_not_separate() {
    let data = read_text("a;b\n1,5;x\n-2,25;y\n3;x\n", &ReadOptions::default()).unwrap();
    assert_eq!(numbers(&data, "a"), [1.5, -2.25, 3.0]);
    assert!(data.notes[0].contains("decimal commas"), "{:?}", data.notes);
}

#[test]
fn a_table_without_a_header_gets_names_and_a_note() {
    let data = read_text("1,2,3\n4,5,6\n", &ReadOptions::with_target("y")).unwrap();
    assert_eq!(
        (numbers(&data, "x0"), numbers(&data, "x1"), numbers(&data, "y")),
        (vec![1.0, 4.0], vec![2.0, 5.0], vec![3.0, 6.0])
    );
    assert!(data.notes[0].contains("no header"), "{:?}", data.notes);
    // A number that the user names is a column's name.
    let named = read_text("1990,2000\n4,5\n6,7\n", &ReadOptions::with_target("2000")).unwrap();
    assert_eq!(numbers(&named, "1990"), [4.0, 6.0]);
}

#[test]
fn a_single_column_is_a_table() {
    let data = read_text("velocity\n9172\n9350\n\n", &ReadOptions::default()).unwrap();
    assert_eq!(numbers(&data, "velocity"), [9172.0, 9350.0]);
}

#[test]
fn dates_written_as_one_number_are_pointed_out() {
    let data = read_text("day,y\n20200105,1\n20200106,2\n", &ReadOptions::default()).unwrap();
    assert!(data.notes[0].contains("YYYYMMDD"), "{:?}", data.notes);
}

#[test]
fn a_mostly_textual_column_may_hold_numbers() {
    let data = read_text("code,y\nA,1\n7,2\nB,3\n8,4\n", &ReadOptions::default()).unwrap();
    assert_eq!(texts(&data, "code"), ["A", "7", "B", "8"]);
}

#[test]
fn gzip_is_recognised_by_content_and_may_have_several_parts() {
    use std::io::Write;
    let part = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let bytes = [part("a,y\n1,2\n"), part("3,4\n")].concat();
    let data = read_bytes("plainly-named", bytes, &ReadOptions::default()).unwrap();
    assert_eq!(numbers(&data, "y"), [2.0, 4.0]);
}

#[test]
fn the_fixtures_of_the_repository_are_read() {
    let folder = std::path::Path::new("../../examples/data");
    for (file, target, rows, columns) in [
        ("concrete.csv", "strength", 1030, 9),
        ("uci/power.csv.gz", "power", 9568, 6),
        ("uci/servo.csv.gz", "rise_time", 167, 6),
        ("small/digits8.csv.gz", "digit", 1797, 65),
        ("small/iris.csv.gz", "species", 150, 5),
        ("classic/mcycle.csv", "acceleration", 133, 2),
    ] {
        let data = read(&folder.join(file), &ReadOptions::with_target(target)).unwrap();
        assert_eq!((data.rows(), data.arrays.len()), (rows, columns), "{file}");
    }
}
