//! Tables of one JSON object a line.

use crate::{numbers, read_text, texts};
use elbo_data::{MissingPolicy, ReadOptions, read_bytes};

#[test]
fn objects_are_the_rows_that_a_csv_file_of_their_values_has() {
    let options = ReadOptions { missing: MissingPolicy::Drop, ..ReadOptions::with_target("y") };
    let lines = "{\"a\": 1, \"colour\": \"red\", \"ok\": true, \"y\": 0.1}\n\n\
                 {\"a\": -2e3, \"colour\": \"a \\\"b\\\", c\", \"ok\": false, \"y\": 1e300}\r\n\
                 {\"a\": null, \"colour\": \"red\", \"ok\": true, \"y\": 2}\n";
    let rows = "a,colour,ok,y\n1,red,true,0.1\n-2e3,\"a \"\"b\"\", c\",false,1e300\n,red,true,2\n";
    let data = read_text(lines, &options).unwrap();
    assert_eq!(data, read_text(rows, &options).unwrap());
    assert_eq!((numbers(&data, "a"), texts(&data, "ok")), (vec![1.0, -2000.0], vec!["true".into(), "false".into()]));
}

#[test]
fn keys_come_in_any_order_and_one_that_a_row_lacks_is_missing_there() {
    let options = ReadOptions { missing: MissingPolicy::Keep, ..ReadOptions::default() };
    let data = read_text("{\"a\": 1}\n{\"b\": \"x\", \"a\": 2}\n{\"a\": 3}\n", &options).unwrap();
    assert_eq!(data.arrays.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(numbers(&data, "a"), [1.0, 2.0, 3.0]);
    assert_eq!(texts(&data, "b"), ["", "x", ""]);
}

#[test]
fn columns_are_left_out_whatever_they_hold_and_texts_are_asked_for_by_name() {
    let lines = "{\"a\": 1, \"tags\": [1, 2], \"y\": 2}\n{\"a\": 2, \"tags\": {}, \"y\": 3}\n";
    let options = ReadOptions { drop: vec!["tags".into()], categorical: vec!["a".into()], ..ReadOptions::default() };
    let data = read_text(lines, &options).unwrap();
    assert_eq!((texts(&data, "a"), numbers(&data, "y")), (vec!["1".into(), "2".into()], vec![2.0, 3.0]));
    let kept = ReadOptions { keep: Some(vec!["y".into()]), ..ReadOptions::default() };
    assert_eq!(read_text(lines, &kept).unwrap().arrays.len(), 1);
    let error = read_text(lines, &ReadOptions::with_target("tag")).unwrap_err();
    assert_eq!(error.remedy(), "did you mean `tags`?");
}

#[test]
fn a_single_row_is_known_by_the_name_of_its_file() {
    let row = |name: &str| read_bytes(name, b"{\"a\": 1, \"y\": 2}\n".to_vec(), &ReadOptions::default());
    for name in ["day.jsonl", "DAY.NDJSON"] {
        assert_eq!(numbers(&row(name).unwrap(), "y"), [2.0], "{name}");
    }
    assert!(row("day.json").unwrap_err().to_string().contains("the file is JSON"));
}
