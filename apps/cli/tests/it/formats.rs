//! The same rows in every format give the same model.

use crate::folder::{Folder, QUICK, table};
use std::io::Write;

/// Bytes of an NPY file of one dimension.
fn npy(values: &[f64]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({},), }}", values.len());
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    values.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
    bytes
}

fn columns() -> Vec<(String, Vec<f64>)> {
    let text = table(40);
    let names: Vec<String> = text.lines().next().unwrap().split(',').map(str::to_owned).collect();
    let cells = |c: usize| text.lines().skip(1).map(|l| l.split(',').nth(c).unwrap().parse().unwrap()).collect();
    names.into_iter().enumerate().map(|(c, n)| (n, cells(c))).collect()
}

#[test]
fn csv_gzip_and_npz_hold_the_same_rows() {
    let folder = Folder::new();
    folder.write("t.csv", table(40).as_bytes());
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    gzip.write_all(table(40).as_bytes()).unwrap();
    folder.write("t.csv.gz", &gzip.finish().unwrap());
    let arrays: Vec<_> = columns().into_iter().map(|(n, v)| (n, elbo_core::Array::new(&[v.len()], v))).collect();
    elbo_data::write_npz(&folder.path("t.npz"), &arrays).unwrap();
    let predicted = |file: &str| {
        let fitted = folder.elbo(&format!("fit gpr {file} --target y {QUICK} --out m.elbo --json")).json();
        assert_eq!(fitted["rows"], 40);
        folder.elbo(&format!("predict m.elbo {file}")).ok()
    };
    let expected = predicted("t.csv");
    assert_eq!(predicted("t.csv.gz"), expected);
    assert_eq!(predicted("t.npz"), expected);
}

#[test]
fn parquet_holds_the_same_rows_as_csv() {
    let folder = Folder::new();
    folder.write("t.csv", table(40).as_bytes());
    // Written by Arrow: `golden/make_parquet.py`.
    folder.write("t.parquet", include_bytes!("../golden/table.parquet"));
    let fitted = folder.elbo(&format!("fit gpr t.parquet --target y {QUICK} --out p.elbo --json")).json();
    assert_eq!((fitted["rows"].as_u64(), fitted["target"].as_str()), (Some(40), Some("y")));
    folder.elbo(&format!("fit gpr t.csv --target y {QUICK} --out c.elbo")).ok();
    let expected = folder.elbo("predict c.elbo t.csv").ok();
    assert_eq!(expected.lines().count(), 41);
    for (model, rows) in [("p", "parquet"), ("p", "csv"), ("c", "parquet")] {
        assert_eq!(folder.elbo(&format!("predict {model}.elbo t.{rows}")).ok(), expected, "{model} on {rows}");
    }
    assert_eq!(
        folder.elbo("evaluate p.elbo t.parquet --json").json(),
        folder.elbo("evaluate c.elbo t.csv --json").json()
    );
}

#[test]
fn a_matrix_in_an_npz_is_named_by_its_columns() {
    let folder = Folder::new();
    let columns = columns();
    let (a, b, y) = (&columns[0].1, &columns[1].1, &columns[2].1);
    let x: Vec<f64> = a.iter().zip(b).flat_map(|(a, b)| [*a, *b]).collect();
    let arrays = [
        ("x".to_owned(), elbo_core::Array::new(&[40, 2], x)),
        ("y".to_owned(), elbo_core::Array::new(&[40], y.clone())),
    ];
    elbo_data::write_npz(&folder.path("t.npz"), &arrays).unwrap();
    folder.elbo(&format!("fit gpr t.npz --target y {QUICK} --out m.elbo")).ok();
    assert_eq!(folder.elbo("predict m.elbo t.npz").ok().lines().count(), 41);
    assert_eq!(folder.elbo("evaluate m.elbo t.npz --json").json()["rows"], 40);
    let info = folder.elbo("info m.elbo --json").json();
    assert_eq!(info["inputs"], serde_json::json!(["x"]));
}

#[test]
fn an_npy_file_of_points_is_read() {
    let folder = Folder::new();
    folder.write("x.npy", &npy(&[1.0, 2.0, 3.0]));
    let ran = folder.elbo("fit gpr x.npy --target x");
    assert!(ran.err.contains("no input column"), "one array is a target without inputs: {}", ran.err);
}

#[test]
fn made_data_go_straight_into_a_fit() {
    let folder = Folder::new();
    let made = folder.elbo("data make friedman1 --rows 40 --seed 3 --json").json();
    assert_eq!((made["path"].as_str(), made["target"].as_str()), (Some("friedman1.csv"), Some("y")));
    folder.elbo(&format!("fit gpr friedman1.csv --target y {QUICK}")).ok();
    assert!(folder.names().contains("friedman1.gpr.elbo"));
}

#[test]
fn arrays_of_different_lengths_are_no_table() {
    let folder = Folder::new();
    let ramp = |rows: usize| elbo_core::Array::new(&[rows], (0..rows).map(|i| i as f64).collect());
    elbo_data::write_npz(&folder.path("t.npz"), &[("x".to_owned(), ramp(60)), ("y".to_owned(), ramp(50))]).unwrap();
    let ran = folder.elbo("fit gpr t.npz --target y --holdout 0.2 --out m.elbo");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("`y` has 50 rows"), "{}", ran.err);
}
