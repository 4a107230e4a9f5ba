//! Convolutions with one variance a weight: moments of their outputs, and what neighbouring pixels share.

use super::{assert_mean, distance, passes, shake};
use crate::common::assert_gradient;
use elbo_core::Rng;
use elbo_nn::bayes::{MeanFieldConv2d, MeanFieldConv2dConfig, Noise};
use elbo_nn::layer::{Build, Conv2dConfig, Layer, Pass};
use elbo_tensor::{DType, Parameters, Tensor};

fn config(noise: Noise) -> MeanFieldConv2dConfig {
    let convolution = Conv2dConfig { out: 2, kernel: 2, stride: 1, padding: 0, ..Conv2dConfig::default() };
    MeanFieldConv2dConfig { convolution, sd: 0.3, noise }
}

fn layer(noise: Noise) -> MeanFieldConv2d {
    let mut rng = Rng::new(1);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    let (mut layer, shape) = config(noise).build(&[2, 2, 3], &mut build).unwrap();
    assert_eq!(shape, [2, 1, 2]);
    shake(&mut layer, 0.3, &mut Rng::new(2));
    layer
}

/// Windows of the pictures `[N, 2, 2, 3]` and a one, `[N, 2, 9]`, as a linear layer sees them.
fn windows(x: &Tensor) -> Tensor {
    let rows = x.size(0);
    let window = |column: usize| x.narrow(3, column, 2).reshape(&[rows, 1, 8]);
    let one = Tensor::ones(&[rows, 2, 1], DType::F64);
    Tensor::cat(&[Tensor::cat(&[window(0), window(1)], 1), one], 2)
}

#[test]
fn outputs_have_the_moments_of_drawn_filters_but_for_what_local_noise_drops() {
    let x = Tensor::from_vec(Rng::new(3).normals(2 * 12), &[2, 2, 2, 3]);
    let seen = windows(&x);
    for (noise, is_function) in
        [(Noise::Local, false), (Noise::Flipout, false), (Noise::Weights, false), (Noise::Local, true)]
    {
        let layer = layer(noise);
        let weights = |filters: Tensor, bias: Tensor| Tensor::cat(&[filters.reshape(&[2, 8]), bias.unsqueeze(1)], 1);
        let mean = weights(layer.mean.get(), layer.bias_mean.get());
        let variance = weights(layer.sd.get().square(), layer.bias_sd.get().square());
        // [N, T, O] to the layout of pictures.
        let centre = seen.linear(&mean, None).transpose(1, 2).to_vec();
        assert!(
            distance(&layer.forward(&x, &mut Pass::evaluation()).flatten(), &Tensor::from_vec(centre.clone(), &[8]))
                < 1e-12
        );
        let draws = passes(&layer, &x, is_function, 6000);
        let (a, v) = (seen.to_vec(), variance.to_vec());
        // Entry (row, channel, place).
        for i in 0..8 {
            for j in 0..=i {
                let [(row, channel, place), (other_row, other_channel, other_place)] =
                    [i, j].map(|k| (k / 4, k / 2 % 2, k % 2));
                let products: Vec<f64> = draws.iter().map(|d| (d[i] - centre[i]) * (d[j] - centre[j])).collect();
                let shared: f64 = (0..9)
                    .map(|d| {
                        let (p, q) = (a[(row * 2 + place) * 9 + d], a[(other_row * 2 + other_place) * 9 + d]);
                        v[channel * 9 + d] * p * q
                    })
                    .sum();
                let is_common = match (noise, is_function) {
                    (Noise::Weights, _) | (_, true) => true,
                    (Noise::Flipout, _) => row == other_row,
                    (Noise::Local, _) => (row, place) == (other_row, other_place),
                };
                let expected = if is_common && channel == other_channel { shared } else { 0.0 };
                assert_mean(&format!("{noise:?} {is_function} {i} {j}"), &products, expected);
            }
        }
    }
}

#[test]
fn the_divergence_is_that_of_independent_normals_and_has_its_gradient() {
    let mut layer = layer(Noise::Flipout);
    let (s, mut expected) = (0.7f64, 0.0);
    for (mean, sd) in [(&layer.mean, &layer.sd), (&layer.bias_mean, &layer.bias_sd)] {
        for (m, d) in mean.value().iter().zip(sd.value()) {
            expected += (s / d).ln() + (d * d + m * m) / (2.0 * s * s) - 0.5;
        }
    }
    assert!((layer.kl(s).item() - expected).abs() < 1e-10);
    assert_gradient("divergence", &mut layer, |l| l.kl(s), 1e-6);
    assert_eq!(layer.names(), ["mean", "sd", "bias_mean", "bias_sd"]);
}

#[test]
fn settings_out_of_range_are_refused() {
    let mut rng = Rng::new(5);
    let mut build = Build::new(&mut rng);
    let mut refused = |config: MeanFieldConv2dConfig, shape: &[usize], part: &str| {
        let error = config.build(shape, &mut build).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(MeanFieldConv2dConfig { sd: 0.0, ..config(Noise::Local) }, &[2, 2, 3], "`sd`");
    let convolution = Conv2dConfig { has_bias: false, ..Conv2dConfig::default() };
    refused(MeanFieldConv2dConfig { convolution, ..config(Noise::Local) }, &[2, 2, 3], "`has_bias`");
    refused(config(Noise::Local), &[6], "[C, H, W]");
}
