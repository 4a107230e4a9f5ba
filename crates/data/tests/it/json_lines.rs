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
fn a_key_that_stands_twice_in_an_object_is_refused_with_its_line() {
    let read = |lines: &str| read_text(lines, &ReadOptions::default());
    let first = r#"{"a": 1, "b": 2}"#;
    for (second, name) in [
        (r#"{"a": 3, "b": 4, "a": 5}"#, "a"),
        (r#"{"a": 3, "a": 3}"#, "a"),
        (r#"{ "b" :"x: \"{", "a":1,"b":null}"#, "b"),
        // Another way to write the letter.
        (r#"{"a": 3, "b": 4, "\u0061": 5}"#, "a"),
        (r#"{"a": {"c": [1, {}]}, "b": 4, "a": 5}"#, "a"),
        (r#"{"a\"é": 1, "a": 2, "a\"é": 3}"#, "a\"é"),
    ] {
        let error = read(&format!("{first}\n\n{second}\n")).unwrap_err();
        let expected = format!("line 3 has the key `{name}` twice");
        assert!(error.to_string().contains(&expected), "{second}: {error}");
        assert!(error.remedy().contains("a key of its own"), "{}", error.remedy());
    }
    // The same key in objects inside, and signs of objects inside texts, are no repetition.
    let options = ReadOptions { drop: vec!["c".into()], ..ReadOptions::default() };
    let sound = r#"{"a": 1, "b": "\\", "c": {"a": 1, "b": {"a": 2}}}
{"a": 2, "b": "}, \"a\": {", "c": [{"a": 1}, {"a": 2}]}
"#;
    let data = read_text(sound, &options).unwrap();
    assert_eq!((numbers(&data, "a"), texts(&data, "b")), (vec![1.0, 2.0], vec!["\\".into(), "}, \"a\": {".into()]));
}

#[test]
fn a_single_row_is_known_by_the_name_of_its_file() {
    let row = |name: &str| read_bytes(name, b"{\"a\": 1, \"y\": 2}\n".to_vec(), &ReadOptions::default());
    for name in ["day.jsonl", "DAY.NDJSON"] {
        assert_eq!(numbers(&row(name).unwrap(), "y"), [2.0], "{name}");
    }
    assert!(row("day.json").unwrap_err().to_string().contains("the file is JSON"));
}
