//! Draws of networks with random layers: dropout against its closed form, and what is shared among rows.

use super::{assert_mean, distance};
use elbo_core::Rng;
use elbo_nn::bayes::{DrawsConfig, MeanFieldLinear, Noise};
use elbo_nn::layer::{BatchNormConfig, Build, DropoutConfig, Layer, LayerConfig, LinearConfig, Pass, Sequential};
use elbo_tensor::{DType, Parameters, Tensor};

const SHARE: f64 = 0.3;

/// Dropout of the inputs, then a linear layer without a constant.
fn dropped() -> Sequential {
    let layers = [
        LayerConfig::Dropout(DropoutConfig { share: SHARE }),
        LayerConfig::Linear(LinearConfig { out: 1, has_bias: false }),
    ];
    let mut rng = Rng::new(1);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    Sequential::build(&layers, &[4], &mut build).unwrap().0
}

fn points(rows: usize, columns: usize) -> Tensor {
    Tensor::from_vec(Rng::new(2).normals(rows * columns), &[rows, columns])
}

#[test]
fn draws_of_dropout_have_its_moments_and_rows_share_them_only_as_a_function() {
    let (network, x) = (dropped(), points(2, 4));
    let (w, flat) = (network.pack(), x.to_vec());
    // Each input is kept with probability 1 - p and divided by it: the mean stays, and variances are p / (1 - p) times w² x².
    let odds = SHARE / (1.0 - SHARE);
    let part = |i: usize, d: usize| w[d] * flat[4 * i + d];
    let mean = |i: usize| (0..4).map(|d| part(i, d)).sum::<f64>();
    let product = |i: usize, j: usize| odds * (0..4).map(|d| part(i, d) * part(j, d)).sum::<f64>();
    for are_functions in [false, true] {
        let config = DrawsConfig { count: 6000, are_functions };
        let draws = config.draw(&network, &x, &mut Rng::new(3)).unwrap();
        assert_eq!((draws.outputs.shape(), draws.count()), (&[6000, 2, 1][..], 6000));
        let values = draws.outputs.to_vec();
        let of = |i: usize| values.iter().skip(i).step_by(2).copied().collect::<Vec<f64>>();
        let (first, second) = (of(0), of(1));
        for (i, column) in [&first, &second].into_iter().enumerate() {
            assert_mean(&format!("{config:?} mean {i}"), column, mean(i));
            let squares: Vec<f64> = column.iter().map(|y| (y - mean(i)).powi(2)).collect();
            assert_mean(&format!("{config:?} variance {i}"), &squares, product(i, i));
        }
        let products: Vec<f64> = first.iter().zip(&second).map(|(a, b)| (a - mean(0)) * (b - mean(1))).collect();
        assert_mean(&format!("{config:?} covariance"), &products, if are_functions { product(0, 1) } else { 0.0 });
    }
}

#[test]
fn weights_with_distributions_are_drawn_once_for_a_function() {
    let mut rng = Rng::new(4);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    for noise in [Noise::Local, Noise::Flipout, Noise::Weights] {
        let layer = MeanFieldLinear::new(3, 1, 0.5, noise, &mut build);
        // Values at x, 2x - z and z of one affine function lie on a line.
        let (x, z) = (points(1, 3), points(1, 3) * -0.7);
        let rows = Tensor::cat(&[x.clone(), &x * 2.0 - &z, z], 0);
        let config = DrawsConfig { count: 20, are_functions: true };
        let draws = config.draw(&layer, &rows, &mut Rng::new(5)).unwrap().outputs;
        let middle = (draws.select(1, 1) + draws.select(1, 2)) * 0.5 - draws.select(1, 0);
        assert!(middle.abs().max().item() < 1e-12, "{noise:?}");
        assert!(draws.select(1, 0).variance(1).item() > 1e-3, "{noise:?}: draws differ");
        let each = DrawsConfig { count: 20, are_functions: false };
        let draws = each.draw(&layer, &rows, &mut Rng::new(5)).unwrap().outputs;
        let middle = (draws.select(1, 1) + draws.select(1, 2)) * 0.5 - draws.select(1, 0);
        assert!(noise == Noise::Weights || middle.abs().max().item() > 1e-3, "{noise:?}");
    }
}

#[test]
fn draws_leave_running_statistics_as_they_are_and_use_them() {
    let layers = [
        LayerConfig::BatchNorm(BatchNormConfig::default()),
        LayerConfig::Dropout(DropoutConfig { share: 0.0 }),
        LayerConfig::Linear(LinearConfig::new(2)),
    ];
    let mut rng = Rng::new(6);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    let (network, _) = Sequential::build(&layers, &[3], &mut build).unwrap();
    let x = points(5, 3) * 4.0;
    let state = |n: &Sequential| n.describe().into_iter().flat_map(|d| d.value).collect::<Vec<f64>>();
    let before = state(&network);
    let draws = DrawsConfig { count: 3, are_functions: false }.draw(&network, &x, &mut Rng::new(7)).unwrap();
    assert_eq!(state(&network), before);
    // Nothing is random without a share to drop.
    let plain = network.forward(&x, &mut Pass::evaluation());
    for s in 0..3 {
        assert_eq!(draws.outputs.row(s).to_vec(), plain.to_vec());
    }
    network.forward(&x, &mut Pass::training(&mut rng));
    assert_ne!(state(&network), before);
}

#[test]
fn draws_do_not_depend_on_how_many_follow_and_give_moments_mixtures_and_classes() {
    let (network, x) = (dropped(), points(3, 4));
    let of = |count| DrawsConfig { count, are_functions: true }.draw(&network, &x, &mut Rng::new(8)).unwrap();
    let (few, many) = (of(5), of(40));
    assert_eq!(few.outputs.to_vec(), many.outputs.narrow(0, 0, 5).to_vec());
    let moments = many.moments(0, 0.5);
    let mixtures = many.mixtures(0, 0.5);
    for i in 0..3 {
        let values: Vec<f64> = (0..40).map(|s| many.outputs.row(s).to_vec()[i]).collect();
        let mean = values.iter().sum::<f64>() / 40.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 40.0;
        assert!((moments.mean[i] - mean).abs() < 1e-12 && (moments.epistemic[i] - variance).abs() < 1e-12);
        assert!((moments.aleatoric[i] - 0.25).abs() < 1e-12);
        let (_, means, sds) = mixtures.row(i);
        assert!(means == values.as_slice() && sds.iter().all(|s| *s == 0.5));
    }
    // Two classes whose logits are 0 and the drawn number.
    let pair = Tensor::cat(&[many.outputs.zeros_like(), many.outputs.clone()], -1);
    let classes = elbo_nn::bayes::Draws { outputs: pair }.classes();
    for i in 0..3 {
        let p: Vec<f64> = (0..40).map(|s| 1.0 / (1.0 + (-many.outputs.row(s).to_vec()[i]).exp())).collect();
        let mean = p.iter().sum::<f64>() / 40.0;
        assert!((classes.log_probabilities[2 * i + 1] - mean.ln()).abs() < 1e-12);
    }
    assert!(classes.epistemic().iter().all(|e| *e > 0.0));
    assert!(distance(&many.outputs, &of(40).outputs) == 0.0);
}

#[test]
fn no_draws_are_refused() {
    let none = DrawsConfig { count: 0, are_functions: false };
    let error = none.draw(&dropped(), &points(1, 4), &mut Rng::new(0)).err().unwrap();
    assert!(error.to_string().contains("`count` is 0"), "{error}");
}
