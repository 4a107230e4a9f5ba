//! What is written reads back the same.

use crate::{numbers, texts};
use elbo_core::{Array, Data, Rng, Values};
use elbo_data::{Cells, ReadOptions, read, table_bytes, write_data, write_npy, write_npz, write_table};

/// Numbers of every size, and the awkward ones.
fn awkward() -> Vec<f64> {
    let mut rng = Rng::new(3);
    let mut values: Vec<f64> = (0..2000).map(|_| f64::from_bits(rng.next_u64())).filter(|v| v.is_finite()).collect();
    values.extend([0.0, -0.0, 1.0, 0.1, 1e300, 1e-300, 5e-324, f64::MAX, f64::MIN_POSITIVE, 1e15, 1e16, 123456789.0]);
    values
}

#[test]
fn a_table_of_numbers_and_texts_comes_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let values = awkward();
    let words = ["plain", "with, comma", "with \"quote\"", " spaces ", "two\nlines", "ünïcode", "semi;colon"];
    let text: Vec<String> = (0..values.len()).map(|i| words[i % words.len()].trim().to_owned()).collect();
    let columns =
        [("v, alue".to_owned(), Cells::Numbers(values.clone())), ("word".to_owned(), Cells::Text(text.clone()))];
    for name in ["t.csv", "t.csv.gz"] {
        let path = folder.path().join(name);
        write_table(Some(&path), &columns).unwrap();
        let data = read(&path, &ReadOptions::default()).unwrap();
        let back: Vec<u64> = numbers(&data, "v, alue").iter().map(|v| v.to_bits()).collect();
        assert_eq!(back, values.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), "{name}");
        assert_eq!(texts(&data, "word"), text);
    }
}

#[test]
fn numbers_are_written_short_nan_is_empty_and_infinity_is_refused() {
    let columns = [("a".to_owned(), Cells::Numbers(vec![1.0, 0.5, f64::NAN, 1e300]))];
    assert_eq!(String::from_utf8(table_bytes(&columns).unwrap()).unwrap(), "a\n1\n0.5\n\n1e300\n");
    let infinite = [("a".to_owned(), Cells::Numbers(vec![f64::INFINITY]))];
    assert!(table_bytes(&infinite).unwrap_err().to_string().contains("`a`"));
}

#[test]
fn arrays_of_every_type_come_back_from_npy_and_npz() {
    let folder = tempfile::tempdir().unwrap();
    let text = Values::Text { levels: vec!["grün".into(), "b".into()], codes: vec![Some(0), Some(1), Some(0)] };
    let arrays: Vec<(String, Array)> = [
        ("f8", Array::new(&[3, 2], vec![1.0, -0.0, 5e-324, f64::MAX, 0.1, 2.0])),
        ("f4", Array { shape: vec![3], values: Values::F32(vec![0.1, -1.0, 3.0]) }),
        ("u1", Array { shape: vec![3], values: Values::U8(vec![0, 128, 255]) }),
        ("i8", Array { shape: vec![3], values: Values::I64(vec![i64::MIN, 0, i64::MAX]) }),
        ("text", Array { shape: vec![3], values: text }),
    ]
    .map(|(n, a)| (n.to_owned(), a))
    .into();
    let path = folder.path().join("t.npz");
    write_npz(&path, &arrays).unwrap();
    let first = std::fs::read(&path).unwrap();
    assert_eq!(read(&path, &ReadOptions::default()).unwrap().arrays, arrays);
    write_npz(&path, &arrays).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first, "equal arrays give equal bytes");
    for (name, array) in &arrays {
        let path = folder.path().join(format!("{name}.npy"));
        write_npy(&path, array).unwrap();
        assert_eq!(read(&path, &ReadOptions::default()).unwrap().get("x").unwrap(), array, "{name}");
    }
}

#[test]
fn data_are_written_by_the_extension_with_the_target_last() {
    let folder = tempfile::tempdir().unwrap();
    let column = |values: &[f64]| Array::new(&[values.len()], values.to_vec());
    let mut data = Data {
        arrays: vec![("y".into(), column(&[1.0, 2.0])), ("a".into(), column(&[3.0, 4.0]))],
        target: Some("y".into()),
        ..Default::default()
    };
    let path = folder.path().join("t.csv");
    write_data(&path, &data).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,y\n3,1\n4,2\n");
    assert!(write_data(&folder.path().join("t.xlsx"), &data).unwrap_err().remedy().contains(".csv.gz"));
    data.arrays.push(("m".into(), Array::new(&[2, 2], vec![5.0, 6.0, 7.0, 8.0])));
    write_data(&path, &data).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,m_1,m_2,y\n3,5,6,1\n4,7,8,2\n");
    data.arrays.push(("m_2".into(), column(&[9.0, 9.0])));
    assert!(write_data(&path, &data).unwrap_err().to_string().contains("the name `m_2`"));
    data.arrays.pop();
    data.arrays.push(("cube".into(), Array::new(&[2, 1, 1], vec![0.0; 2])));
    assert!(write_data(&path, &data).unwrap_err().remedy().contains(".npz"));
    write_data(&folder.path().join("t.npz"), &data).unwrap();
}

#[test]
fn a_place_that_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let columns = [("a".to_owned(), Cells::Numbers(vec![1.0]))];
    assert!(write_table(Some(folder.path()), &columns).is_err());
    assert!(write_table(Some(&folder.path().join("absent/t.csv")), &columns).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
