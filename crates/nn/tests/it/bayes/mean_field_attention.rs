//! Attention with one variance a weight: moments where a row has one position, and what positions and rows share.

use super::{assert_moments, distance, passes, shake};
use crate::common::assert_gradient;
use elbo_core::Rng;
use elbo_nn::bayes::{MeanFieldAttention, MeanFieldAttentionConfig, Noise};
use elbo_nn::layer::{AttentionConfig, Build, Layer, Pass};
use elbo_tensor::{DType, Tensor};

const WIDTH: usize = 2;

fn config(noise: Noise, heads: usize) -> MeanFieldAttentionConfig {
    MeanFieldAttentionConfig { attention: AttentionConfig { heads, is_causal: false }, sd: 0.3, noise }
}

fn built(config: &MeanFieldAttentionConfig, shape: &[usize]) -> MeanFieldAttention {
    let mut rng = Rng::new(1);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    let (layer, after) = config.build(shape, &mut build).unwrap();
    assert_eq!(after, shape);
    layer
}

#[test]
fn outputs_of_one_position_have_the_moments_of_two_drawn_matrices() {
    // A position that is alone sees itself: the output is W_o (W_v x + b_v) + b_o.
    let x = Tensor::from_vec(Rng::new(3).normals(2 * WIDTH), &[2, 1, WIDTH]);
    for (noise, is_function) in [(Noise::Flipout, false), (Noise::Weights, false), (Noise::Flipout, true)] {
        let mut layer = built(&config(noise, 1), &[1, WIDTH]);
        shake(&mut layer, 0.3, &mut Rng::new(2));
        let columns = WIDTH + 1;
        let of_values = |v: Vec<f64>| v[2 * WIDTH * columns..].to_vec();
        let squares = |v: Vec<f64>| v.iter().map(|s| s * s).collect::<Vec<f64>>();
        let (mean_v, var_v) = (of_values(layer.input.mean.value()), of_values(squares(layer.input.sd.value())));
        let (mean_o, var_o) = (layer.output.mean.value(), squares(layer.output.sd.value()));
        let rows = Tensor::cat(&[x.clone(), Tensor::ones(&[2, 1, 1], DType::F64)], 2).to_vec();
        let at = |row: usize, d: usize| rows[row * columns + d];
        let value = |row: usize, i: usize| (0..columns).map(|d| mean_v[i * columns + d] * at(row, d)).sum::<f64>();
        let common = |n: usize, m: usize, i: usize| {
            (0..columns).map(|d| var_v[i * columns + d] * at(n, d) * at(m, d)).sum::<f64>()
        };
        let mean = |row: usize, j: usize| {
            (0..WIDTH).map(|i| mean_o[j * columns + i] * value(row, i)).sum::<f64>() + mean_o[j * columns + WIDTH]
        };
        // Between rows that meet the same weights; the variance for one row.
        let covariance = |n: usize, m: usize, j: usize| {
            let through = |i: usize| {
                let (c, at) = (common(n, m, i), j * columns + i);
                var_o[at] * (value(n, i) * value(m, i) + c) + mean_o[at] * mean_o[at] * c
            };
            (0..WIDTH).map(through).sum::<f64>() + var_o[j * columns + WIDTH]
        };
        let draws = passes(&layer, &x, is_function, 3000);
        let is_shared = is_function || noise == Noise::Weights;
        assert_moments(&format!("{noise:?} {is_function}"), &draws, is_shared, mean, covariance);
    }
}

#[test]
fn without_variance_it_is_the_plain_layer() {
    for is_causal in [false, true] {
        let attention = AttentionConfig { heads: 2, is_causal };
        let config = MeanFieldAttentionConfig { attention, sd: 1e-13, noise: Noise::Flipout };
        let layer = built(&config, &[3, 4]);
        let mut rng = Rng::new(1);
        let mut build = Build::new(&mut rng);
        build.dtype = DType::F64;
        let plain = config.attention.build(&[3, 4], &mut build).unwrap().layer;
        let x = Tensor::from_vec(Rng::new(5).normals(2 * 3 * 4), &[2, 3, 4]);
        let expected = plain.forward(&x, &mut Pass::evaluation());
        assert!(distance(&layer.forward(&x, &mut Pass::evaluation()), &expected) < 1e-12, "{is_causal}");
        assert!(distance(&layer.forward(&x, &mut Pass::training(&mut rng)), &expected) < 1e-10, "{is_causal}");
    }
}

#[test]
fn positions_of_a_row_meet_the_same_weights_and_rows_do_not() {
    let layer = built(&config(Noise::Flipout, 1), &[2, WIDTH]);
    // Two rows of two positions, all alike.
    let x = Tensor::from_vec([0.5, -1.0].repeat(4), &[2, 2, WIDTH]);
    let mut rng = Rng::new(6);
    let y = layer.forward(&x, &mut Pass::training(&mut rng));
    for row in 0..2 {
        assert!(distance(&y.row(row).row(0), &y.row(row).row(1)) < 1e-14, "{row}");
    }
    assert!(distance(&y.row(0), &y.row(1)) > 1e-3);
    let y = layer.forward(&x, &mut Pass::drawing_function(&mut rng));
    assert!(distance(&y.row(0), &y.row(1)) < 1e-14);
}

#[test]
fn gradients_are_those_of_the_drawn_outputs_and_of_the_divergence() {
    let x = Tensor::from_vec(Rng::new(8).normals(2 * 3 * 4), &[2, 3, 4]);
    for noise in [Noise::Flipout, Noise::Weights] {
        let mut layer = built(&config(noise, 2), &[3, 4]);
        let loss = |layer: &MeanFieldAttention| {
            let y = layer.forward(&x, &mut Pass::training(&mut Rng::new(9)));
            (&y * (&y + 1.0)).sum() + layer.kl(0.7) * 0.01
        };
        assert_gradient(&format!("{noise:?}"), &mut layer, loss, 1e-6);
        let parts = layer.input.kl(0.7).item() + layer.output.kl(0.7).item();
        assert!((layer.kl(0.7).item() - parts).abs() < 1e-12);
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let mut rng = Rng::new(10);
    let mut build = Build::new(&mut rng);
    let mut refused = |config: MeanFieldAttentionConfig, shape: &[usize], part: &str| {
        let error = config.build(shape, &mut build).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(MeanFieldAttentionConfig { sd: f64::NAN, ..config(Noise::Flipout, 1) }, &[2, 4], "`sd`");
    refused(config(Noise::Local, 1), &[2, 4], "flipout or weights");
    refused(config(Noise::Flipout, 3), &[2, 4], "3 heads");
}
