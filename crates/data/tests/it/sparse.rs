//! Sparse matrices that SciPy saved (`golden/make_sparse.py`), and damaged ones.

use crate::{golden, numbers};
use elbo_core::{Array, Error, Values};
use elbo_data::{ReadOptions, read_bytes, write_npz};

/// The matrix of the golden files, row by row.
const COUNTS: [[i64; 4]; 5] = [[0, 2, 0, 0], [1, 0, 0, 3], [0, 0, 0, 0], [0, 0, 4, 0], [5, 0, 0, 6]];

/// The golden matrix in parts, with `change` made to them, as the bytes of an archive.
fn archive(change: impl FnOnce(&mut Vec<(String, Array)>)) -> Vec<u8> {
    let whole = |values: &[i64]| Array::column(Values::I64(values.to_vec()));
    let format = Array::column(Values::Text { levels: vec!["csr".into()], codes: vec![Some(0)] });
    let mut parts: Vec<(String, Array)> = [
        ("format", format),
        ("shape", whole(&[5, 4])),
        ("data", whole(&[2, 1, 3, 4, 5, 6])),
        ("indices", whole(&[1, 0, 3, 2, 0, 3])),
        ("indptr", whole(&[0, 1, 3, 3, 4, 6])),
    ]
    .map(|(name, array)| (name.to_owned(), array))
    .into();
    change(&mut parts);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.npz");
    write_npz(&path, &parts).unwrap();
    std::fs::read(&path).unwrap()
}

fn set(parts: &mut [(String, Array)], name: &str, values: &[i64]) {
    parts.iter_mut().find(|(n, _)| n == name).unwrap().1 = Array::column(Values::I64(values.to_vec()));
}

fn refused(bytes: Vec<u8>) -> Error {
    read_bytes("t.npz", bytes, &ReadOptions::default()).map(|data| data.rows()).unwrap_err()
}

#[test]
fn compressed_rows_become_the_dense_matrix() {
    let dense = Array { shape: vec![5, 4], values: Values::I64(COUNTS.concat()) };
    for bytes in [golden("csr.npz"), archive(|_| ())] {
        let data = read_bytes("t.npz", bytes, &ReadOptions::default()).unwrap();
        assert_eq!(data.arrays, [("x".to_owned(), dense.clone())]);
        assert_eq!(
            data.notes,
            ["the sparse matrix of 5 rows and 4 columns, 30.00 % of it stored, is read as a dense array `x`"]
        );
    }
    // Within a row SciPy takes any order.
    let unsorted = archive(|parts| {
        set(parts, "data", &[2, 3, 1, 4, 6, 5]);
        set(parts, "indices", &[1, 3, 0, 2, 3, 0]);
    });
    assert_eq!(read_bytes("t.npz", unsorted, &ReadOptions::default()).unwrap().arrays[0].1, dense);
}

#[test]
fn a_matrix_without_values_is_zero() {
    let data = read_bytes("t.npz", golden("csr_none.npz"), &ReadOptions::default()).unwrap();
    assert_eq!(data.get("x").unwrap(), &Array { shape: vec![3, 4], values: Values::F32(vec![0.0; 12]) });
}

#[test]
fn a_target_stands_beside_the_matrix_and_columns_have_names() {
    let data = read_bytes("t.npz", golden("csr_target.npz"), &ReadOptions::with_target("y")).unwrap();
    assert_eq!(data.get("x").unwrap().shape, [5, 4]);
    assert_eq!(numbers(&data, "x"), COUNTS.concat().iter().map(|v| *v as f64).collect::<Vec<_>>());
    assert_eq!(numbers(&data, "y"), [1.0, 2.0, 3.0, 4.0, 5.0]);
    let column = read_bytes("t.npz", golden("csr_target.npz"), &ReadOptions::with_target("x[3]")).unwrap();
    assert_eq!(numbers(&column, "x[3]"), [0.0, 3.0, 0.0, 0.0, 6.0]);
}

#[test]
fn arrays_that_only_have_such_names_stay_as_they_are() {
    let bytes = archive(|parts| {
        let levels = vec!["jpeg".into()];
        parts[0].1 = Array::column(Values::Text { levels, codes: vec![Some(0)] });
    });
    let data = read_bytes("t.npz", bytes, &ReadOptions::default()).unwrap();
    assert_eq!(data.arrays.len(), 5);
}

#[test]
fn every_damage_is_named() {
    let with = |name: &'static str, values: &'static [i64]| archive(move |parts| set(parts, name, values));
    let without = |name: &'static str| archive(move |parts| parts.retain(|(n, _)| n != name));
    let fractions = archive(|parts| parts[3].1 = Array::new(&[6], vec![1.0, 0.0, 3.0, 2.0, 0.5, 3.0]));
    let text = archive(|parts| {
        let levels = vec!["a".into()];
        parts[2].1 = Array::column(Values::Text { levels, codes: vec![Some(0); 6] });
    });
    for (bytes, says) in [
        (with("indices", &[1, 0, 3, 4, 0, 3]), "row 4 has a value in column 4; there are 4, counted from 0"),
        (with("indices", &[1, 0, 3, -1, 0, 3]), "`indices` holds -1"),
        (with("indices", &[1, 0, 3, 2, 0]), "`data` has 6 values, and `indices` 5"),
        (fractions, "`indices` is no list of whole numbers"),
        (with("indptr", &[0, 3, 1, 3, 4, 6]), "`indptr` falls from 3 to 1 in row 2"),
        (with("indptr", &[1, 1, 3, 3, 4, 6]), "`indptr` begins with 1"),
        (with("indptr", &[0, 1, 3, 3, 4, 5]), "`indptr` ends with 5, and `data` has 6 values"),
        (with("indptr", &[0, 1, 3, 3, 4, 9]), "`indptr` ends with 9"),
        (with("indptr", &[0, 1, 3, 6]), "`indptr` has 4 entries for 5 rows"),
        (with("shape", &[4_611_686_018_427_387_904, 4]), "`indptr` has 6 entries for 4611686018427387904 rows"),
        (with("shape", &[5, 4, 1]), "its shape [5, 4, 1] has not two sizes"),
        (with("shape", &[5, -4]), "`shape` holds -4"),
        (without("indices"), "it has no `indices`"),
        (without("indptr"), "it has no `indptr`"),
        (text, "`data` holds text"),
    ] {
        let error = refused(bytes);
        let message = error.to_string();
        assert!(message.contains("the sparse matrix is damaged: ") && message.contains(says), "{message}");
        assert!(error.remedy().contains("check_format"), "{says}: {}", error.remedy());
    }
}

#[test]
fn what_cannot_be_read_says_what_to_do() {
    let twice = archive(|parts| set(parts, "indices", &[1, 3, 3, 2, 0, 3]));
    let named = archive(|parts| parts.push(("x".into(), Array::new(&[5], vec![0.5; 5]))));
    let wide = archive(|parts| set(parts, "shape", &[5, 1 << 40]));
    let empty = archive(|parts| set(parts, "shape", &[5, 0]));
    for (bytes, says, remedy) in [
        (golden("csc.npz"), "a sparse matrix of the format `csc`; only `csr` is read", "matrix.tocsr()"),
        (twice, "row 2 of the sparse matrix has two values in column 3", "sum_duplicates"),
        (named, "an array `x`", "another name"),
        (wide, "the sparse matrix has 1099511627776 columns, more than 20000", "transpose"),
        (empty, "the sparse matrix of shape [5, 0] is empty", "at least two rows"),
    ] {
        let error = refused(bytes);
        assert!(error.to_string().contains(says) && error.to_string().ends_with(": t.npz"), "{error}");
        assert!(error.remedy().contains(remedy), "{says}: {}", error.remedy());
    }
}

#[test]
fn a_dense_size_beyond_the_limit_is_refused_before_memory_is_asked_for() {
    let options = ReadOptions { max_columns: 1 << 40, ..ReadOptions::default() };
    // Few rows of columns by the billion.
    let bytes = archive(|parts| set(parts, "shape", &[5, 1 << 28]));
    let error = read_bytes("t.npz", bytes, &options).map(|data| data.rows()).unwrap_err();
    assert!(error.to_string().contains("more than 8 GiB"), "{error}");
}
