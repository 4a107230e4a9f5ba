//! How much the divergence counts.

use elbo_core::Rng;
use elbo_nn::bayes::Tempering;
use elbo_tensor::Tensor;

#[test]
fn the_weight_rises_to_its_value_and_says_what_it_is() {
    let plain = Tempering::default();
    assert_eq!((plain.at(0), plain.at(1000), plain.name()), (1.0, 1.0, "bayes"));
    let slow = Tempering::over(200);
    assert_eq!([0, 5, 10, 20, 199].map(|step| slow.at(step)), [0.0, 0.25, 0.5, 1.0, 1.0]);
    let cold = Tempering { weight: 0.1, warmup: 10 };
    assert!((cold.at(5) - 0.05).abs() < 1e-15 && cold.name() == "tempered" && cold.check().is_ok());
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = Tempering { weight, warmup: 0 }.check().unwrap_err();
        assert!(error.to_string().contains("`weight`"), "{error}");
    }
}

#[test]
fn minibatches_average_to_the_bound_of_all_rows_with_the_divergence_counted_once() {
    let log_probs = Tensor::from_vec(Rng::new(1).normals(12), &[12]);
    let divergence = Tensor::scalar(3.0);
    let tempering = Tempering { weight: 0.7, warmup: 0 };
    let whole = tempering.loss(&log_probs, &divergence, 12, 0).item();
    assert!((12.0 * whole - (0.7 * 3.0 - log_probs.sum().item())).abs() < 1e-12);
    let parts = (0..4).map(|b| tempering.loss(&log_probs.narrow(0, 3 * b, 3), &divergence, 12, 0).item());
    assert!((parts.sum::<f64>() / 4.0 - whole).abs() < 1e-12);
}
