//! Splits are partitions, the same for the same seed, and the fixed ones follow their published recipe.

use elbo_core::{Array, Data, Rng, Values};
use elbo_data::{ReadOptions, fixed_split, fixed_split_count, folds, holdout, read};
use sha2::{Digest, Sha256};

fn assert_partition(rows: usize, train: &[usize], test: &[usize]) {
    let mut all = [train, test].concat();
    all.sort_unstable();
    assert_eq!(all, (0..rows).collect::<Vec<_>>());
}

#[test]
fn a_holdout_has_its_share_and_both_parts() {
    let split = holdout(101, 0.2, &mut Rng::new(4)).unwrap();
    assert_eq!(split.test.len(), 20);
    assert_partition(101, &split.train, &split.test);
    assert_eq!(split, holdout(101, 0.2, &mut Rng::new(4)).unwrap());
    assert_ne!(split, holdout(101, 0.2, &mut Rng::new(5)).unwrap());
    assert_eq!(holdout(3, 0.01, &mut Rng::new(4)).unwrap().test.len(), 1);
    assert_eq!(holdout(3, 0.99, &mut Rng::new(4)).unwrap().train.len(), 1);
    assert!(holdout(10, 1.0, &mut Rng::new(4)).unwrap_err().to_string().contains("in (0, 1)"));
    assert!(holdout(1, 0.5, &mut Rng::new(4)).unwrap_err().to_string().contains("1 rows cannot be split"));
}

#[test]
fn every_row_is_tested_once_over_the_folds() {
    let parts = folds(23, 5, &mut Rng::new(6)).unwrap();
    let mut tested: Vec<usize> = parts.iter().flat_map(|p| p.test.clone()).collect();
    tested.sort_unstable();
    assert_eq!(tested, (0..23).collect::<Vec<_>>());
    for part in &parts {
        assert_partition(23, &part.train, &part.test);
        assert!((4..=5).contains(&part.test.len()));
    }
    assert!(folds(3, 4, &mut Rng::new(6)).is_err());
}

#[test]
fn fixed_splits_follow_the_recipe_beside_the_fixtures() {
    let path = std::path::Path::new("../../examples/data/uci/servo.csv.gz");
    let data = read(path, &ReadOptions::with_target("rise_time")).unwrap();
    assert_eq!(fixed_split_count(&data), 10);
    for k in [0, 9] {
        let (train, test) = fixed_split(&data, k).unwrap();
        let rank = |row: &usize| format!("{:x}", Sha256::digest(format!("elbo split servo {k} {row}")));
        let mut order: Vec<usize> = (0..data.rows()).collect();
        order.sort_by_key(rank);
        let mut expected = order[..17].to_vec();
        expected.sort_unstable();
        let plain = |d: &Data| d.arrays[..5].to_vec();
        assert_eq!(plain(&test), plain(&data.take_rows(&expected)), "split {k}");
        assert_eq!((train.rows(), test.rows()), (150, 17));
        assert!(train.get("split").is_err(), "the marks are no input");
    }
    assert!(fixed_split(&data, 10).unwrap_err().to_string().contains("from 0 to 9"));
}

#[test]
fn data_without_usable_marks_are_refused() {
    let table = |text: &str| elbo_data::read_bytes("t", text.as_bytes().to_vec(), &ReadOptions::default()).unwrap();
    let none = fixed_split(&table("a\n1\n2\n"), 0).unwrap_err();
    assert!(none.to_string().contains("no usable column `split`: there is none"), "{none}");
    assert_eq!(fixed_split_count(&table("a\n1\n2\n")), 0);
    let texts = Array::column(Values::Text { levels: vec![String::new()], codes: vec![Some(0); 2] });
    let empty = Data { arrays: vec![("split".into(), texts)], ..Data::default() };
    assert!(fixed_split(&empty, 0).unwrap_err().to_string().contains("its texts are empty"));
    assert!(fixed_split(&table("a,split\n1,x0\n2,0\n"), 0).unwrap_err().to_string().contains("not of 0 and 1"));
    assert!(
        fixed_split(&table("a,split\n1,00000\n2,00000\n"), 0)
            .unwrap_err()
            .to_string()
            .contains("no training or no test")
    );
}
