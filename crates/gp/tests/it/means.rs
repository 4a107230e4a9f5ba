//! Mean functions.

use elbo_core::Rng;
use elbo_gp::mean::*;
use elbo_tensor::{Parameters, Tensor};
use serde_json::json;

#[test]
fn a_cubic_trend_has_all_mixed_terms() {
    let basis = Basis::polynomial(&[0, 0], 3);
    assert_eq!(basis.len(), 10);
    let (x, y) = (0.7, -1.3);
    let h = basis.matrix(&Tensor::from_vec(vec![x, y], &[1, 2])).to_vec();
    let expected = [1.0, x, y, x * x, x * y, y * y, x * x * x, x * x * y, x * y * y, y * y * y];
    assert!(h.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{h:?}");
}

#[test]
fn categorical_columns_shift_a_trend_and_unseen_levels_do_not() {
    let basis = Basis::polynomial(&[0, 3], 1);
    let x = Tensor::from_vec(vec![2.0, 0.0, 2.0, 2.0, 2.0, -1.0], &[3, 2]);
    assert_eq!(basis.matrix(&x).to_vec(), [1.0, 2.0, 0.0, 0.0, 1.0, 2.0, 0.0, 1.0, 1.0, 2.0, 0.0, 0.0]);
    assert_eq!(Basis::polynomial(&[0, 3], 0).len(), 1);
}

#[test]
fn terms_of_a_trend_are_named_after_their_columns() {
    let basis = Basis::polynomial(&[0, 3, 0], 2);
    let names = ["a".to_owned(), "site".to_owned(), "b".to_owned()];
    let terms: Vec<String> = (0..basis.len()).map(|j| basis.term(j, &names)).collect();
    assert_eq!(terms, ["constant", "a", "b", "a * a", "a * b", "b * b", "a level of site", "a level of site"]);
}

#[test]
fn means_are_linear_in_their_coefficients() {
    let mut rng = Rng::new(31);
    let x = Tensor::from_vec(rng.normals(10), &[5, 2]);
    let fixed = FixedBasis::new(2, |x| x.sin());
    let means: Vec<Box<dyn Mean>> = vec![
        MeanConfig::Constant.build(&[0, 0]).unwrap(),
        MeanConfig::Linear.build(&[0, 0]).unwrap(),
        MeanConfig::Polynomial { degree: 2 }.build(&[0, 0]).unwrap(),
        Box::new(fixed),
    ];
    for mut mean in means {
        assert_eq!(mean.value(&x).to_vec(), [0.0; 5], "coefficients start at zero");
        let c: Vec<f64> = rng.normals(mean.pack().len());
        mean.unpack(&c);
        let h = mean.basis(&x).unwrap();
        let by_hand = h.matmul(&Tensor::from_slice(&c, &[c.len()]));
        assert_eq!(mean.value(&x).to_vec(), by_hand.to_vec());
        // The gradient of the sum is the sum of the basis.
        let gradient = mean.gradient(&mean.value(&x).sum());
        let sums = h.sum_axis(0, false).to_vec();
        assert!(gradient.iter().zip(sums).all(|(a, b)| (a - b).abs() < 1e-13));
        assert!(!mean.is_zero() && !mean.summary().is_empty());
    }
}

#[test]
fn configurations_name_means_and_bad_degrees_are_refused() {
    let config: MeanConfig = serde_json::from_value(json!({ "type": "polynomial", "degree": 2 })).unwrap();
    assert_eq!(config, MeanConfig::Polynomial { degree: 2 });
    assert!(MeanConfig::default().build(&[0]).unwrap().is_zero());
    let error = MeanConfig::Polynomial { degree: 4 }.build(&[0]).err().unwrap();
    assert_eq!(error.to_string(), "setting `mean.degree` is 4; expected in 1..=3");
    let error = MeanConfig::Polynomial { degree: 3 }.build(&[0; 30]).err().unwrap();
    assert!(error.to_string().contains("5456 terms"), "{error}");
}
