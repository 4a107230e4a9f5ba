//! Denoisers without training.

use elbo_core::Rng;
use elbo_diffusion::Denoiser;
use elbo_diffusion::denoiser::{NonLocalMeans, TotalVariation, estimate, push_forward};
use elbo_diffusion::phantom::polygons;
use elbo_tensor::Tensor;

fn both(shape: [usize; 3]) -> [(&'static str, Box<dyn Denoiser>); 2] {
    [
        ("total variation", Box::new(TotalVariation::new(shape, 0.1).unwrap())),
        ("non-local means", Box::new(NonLocalMeans::new(shape, 4, 1, 1.0).unwrap())),
    ]
}

#[test]
fn two_pixels_come_nearer_by_the_weight_until_they_meet() {
    let two = TotalVariation::new([1, 1, 2], 0.2).unwrap();
    // A weight of σ²/scale = 0.2 for each.
    let x = Tensor::from_vec(vec![0.0, 1.0, 0.0, 0.3], &[2, 2]);
    let found = estimate(&two, &x, 0.2).to_vec();
    for (a, b) in found.iter().zip([0.2, 0.8, 0.15, 0.15]) {
        assert!((a - b).abs() < 1e-5, "{found:?}");
    }
}

#[test]
fn unlike_pixels_weigh_less_by_what_their_distance_exceeds_the_noise() {
    let square = NonLocalMeans::new([1, 2, 2], 1, 0, 1.0).unwrap();
    let x = Tensor::from_vec(vec![0.0, 0.0, 1.0, 1.0], &[1, 4]);
    // Around each pixel lie three of its own row and six of the other one, at a squared distance of 1: exp(-(1 - 2σ²)/σ²), at most one.
    for (sigma, weight) in [(0.5, (-2.0f64).exp()), (1.0, 1.0)] {
        let found = estimate(&square, &x, sigma).to_vec();
        let (low, high) = (2.0 * weight / (1.0 + 2.0 * weight), 1.0 / (1.0 + 2.0 * weight));
        for (a, b) in found.iter().zip([low, low, high, high]) {
            assert!((a - b).abs() < 1e-12, "{found:?}");
        }
    }
}

#[test]
fn a_flat_picture_stays_and_rows_do_not_influence_each_other() {
    let mut rng = Rng::new(3);
    for (name, denoiser) in both([3, 7, 6]) {
        let flat = Tensor::from_vec(vec![0.4; 126], &[1, 126]);
        assert!((estimate(denoiser.as_ref(), &flat, 0.2) - &flat).abs().max().item() < 1e-9, "{name}");
        let (a, b) = (Tensor::from_vec(rng.normals(126), &[1, 126]), Tensor::from_vec(rng.normals(126), &[1, 126]));
        let together = estimate(denoiser.as_ref(), &Tensor::cat(&[a.clone(), b], 0), 0.5);
        let alone = estimate(denoiser.as_ref(), &a, 0.5);
        assert!((together.narrow(0, 0, 1) - alone).abs().max().item() < 1e-12, "{name}");
    }
}

#[test]
fn derivatives_agree_with_central_differences() {
    let mut rng = Rng::new(5);
    let (x, v) = (Tensor::from_vec(rng.normals(30), &[1, 30]), Tensor::from_vec(rng.normals(30), &[1, 30]));
    for (name, denoiser) in both([1, 6, 5]) {
        let h = 1e-6;
        let at = |s: f64| estimate(denoiser.as_ref(), &(&x + &v * s), 0.4);
        let numeric = (at(h) - at(-h)) / (2.0 * h);
        let exact = push_forward(denoiser.as_ref(), &x, 0.4, &v);
        // A kink between the two points is possible, and is not met with this seed.
        assert!((exact - numeric).abs().max().item() < 1e-4, "{name}");
    }
}

#[test]
fn most_of_the_noise_goes_where_edges_are_few() {
    let (side, mut rng) = (32, Rng::new(8));
    let clean = polygons(side, 3, &mut rng);
    for sigma in [0.05, 0.1] {
        let noisy: Vec<f64> = clean.iter().map(|v| v + sigma * rng.normal()).collect();
        let x = Tensor::from_vec(noisy, &[1, side * side]);
        for (name, denoiser) in both([1, side, side]) {
            let found = estimate(denoiser.as_ref(), &x, sigma).to_vec();
            let square: f64 = found.iter().zip(&clean).map(|(a, b)| (a - b).powi(2)).sum();
            let left = (square / clean.len() as f64).sqrt() / sigma;
            // Half of the amplitude is 6 dB.
            assert!(left < 0.6, "{name} at {sigma}: {left} of the noise is left");
        }
    }
}

#[test]
fn bad_settings_are_refused() {
    assert!(TotalVariation::new([1, 4, 4], 0.0).is_err() && TotalVariation::new([0, 4, 4], 1.0).is_err());
    assert!(NonLocalMeans::new([1, 9, 9], 3, 1, f64::NAN).is_err());
    let error = NonLocalMeans::new([1, 4, 9], 4, 1, 1.0).unwrap_err().to_string();
    assert!(error.contains("5 pixels a side"), "{error}");
}
