//! NPY and NPZ files written by NumPy (`golden/make_npy.py`).

use crate::{golden, numbers, texts};
use elbo_core::{Data, Values};
use elbo_data::{MissingPolicy, ReadOptions, read_bytes};

fn read(name: &str) -> Data {
    read_bytes(name, golden(name), &ReadOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_version_byte_order_and_memory_order_gives_the_same_matrix() {
    let expected: Vec<f64> = (0..12).map(|i| f64::from(i) - 2.5).collect();
    for name in ["f8.npy", "f8_fortran.npy", "f8_big.npy", "version2.npy", "version3.npy"] {
        let data = read(name);
        let array = data.get("x").unwrap();
        assert_eq!(
            (array.shape.as_slice(), &array.values),
            ([3, 4].as_slice(), &Values::F64(expected.clone())),
            "{name}"
        );
    }
}

#[test]
fn every_type_keeps_its_values() {
    let values = |name: &str| read(name).get("x").unwrap().clone();
    let cube = values("f4_cube_fortran.npy");
    assert_eq!((cube.shape, cube.values), (vec![2, 3, 4], Values::F32((0..24u8).map(f32::from).collect())));
    assert_eq!(values("i4.npy").values, Values::I64(vec![-1, 0, i64::from(i32::MAX)]));
    assert_eq!(values("i8.npy").values, Values::I64(vec![i64::MIN, 7, i64::MAX]));
    assert_eq!(values("u1.npy").values, Values::U8(vec![0, 1, 2, 3, 4, 5]));
    assert_eq!(values("bool.npy").values, Values::U8(vec![1, 0, 1]));
    assert_eq!((values("scalar.npy").shape, values("scalar.npy").values), (vec![1], Values::F64(vec![1.5])));
    assert_eq!(texts(&read("text.npy"), "x"), ["red", "grün", "red"]);
}

#[test]
fn half_precision_is_widened_exactly() {
    let options = ReadOptions { missing: MissingPolicy::Drop, ..Default::default() };
    let data = read_bytes("f2.npy", golden("f2.npy"), &options).unwrap();
    // 6e-8 is the smallest subnormal, 2^-24.
    assert_eq!(numbers(&data, "x"), [0.5, -2.0, 65504.0, 2f64.powi(-24)]);
    assert!(data.notes[0].contains("1 of 5 rows"), "{:?}", data.notes);
}

#[test]
fn an_archive_is_a_table_when_its_arrays_have_as_many_rows() {
    for name in ["table.npz", "table_compressed.npz"] {
        let error = read_bytes(name, golden(name), &ReadOptions::default()).unwrap_err();
        assert!(error.to_string().contains("1 of 4 rows have missing cells (`a`: 1)"), "{error}");
        let options = ReadOptions { missing: MissingPolicy::Drop, ..ReadOptions::with_target("y") };
        let data = read_bytes(name, golden(name), &options).unwrap();
        assert_eq!(numbers(&data, "a"), [1.5, 3.0, 4.0]);
        assert_eq!(
            (numbers(&data, "b"), &data.get("b").unwrap().shape),
            (vec![0.0, 1.0, 4.0, 5.0, 6.0, 7.0], &vec![3, 2])
        );
        assert_eq!(numbers(&data, "y"), [1.0, 1.0, 0.0]);
    }
}

#[test]
fn a_column_of_a_matrix_can_be_the_target() {
    let data = read_bytes("f8.npy", golden("f8.npy"), &ReadOptions::with_target("x[3]")).unwrap();
    assert_eq!(data.arrays.len(), 4);
    assert_eq!(numbers(&data, "x[3]"), [0.5, 4.5, 8.5]);
    let keep = ReadOptions { keep: Some(vec!["x[0]".into(), "x[2]".into()]), ..Default::default() };
    let rows = read_bytes("f8.npy", golden("f8.npy"), &keep).unwrap();
    assert_eq!(rows.get("x").unwrap().shape, [3, 4], "a model that knows `x[0]` finds it in the whole matrix");
    let error = read_bytes("f8.npy", golden("f8.npy"), &ReadOptions::with_target("x[4]")).unwrap_err();
    assert!(error.to_string().contains("unknown column `x[4]`"), "{error}");
}
