//! What layers promise besides their numbers: shapes, starting weights, refusals.

use elbo_core::Rng;
use elbo_nn::layer::{
    AttentionConfig, BatchNormConfig, Conv2dConfig, DropoutConfig, EmbeddingConfig, GdnConfig, GroupNormConfig,
    GruConfig, LinearConfig, Output, ReshapeConfig, SequentialConfig, refresh_statistics,
};
use elbo_nn::network::{ConvConfig, DecoderConfig, EncoderConfig, MlpConfig, SequenceConfig};
use elbo_nn::{Build, Init, LayerConfig, Pass};
use elbo_tensor::{DType, Parameters, Tensor};

#[test]
fn starting_weights_have_the_promised_spread_and_are_seeded() {
    let shape = [300, 200];
    let draw = |init: Init, seed| init.weight(&shape, &mut Rng::new(seed), DType::F64);
    let variance = |init| draw(init, 3).variance(0).item();
    for (init, expected) in [
        (Init::Torch, 1.0 / (3.0 * 200.0)),
        (Init::KaimingUniform, 2.0 / 200.0),
        (Init::KaimingNormal, 2.0 / 200.0),
        (Init::XavierUniform, 2.0 / 500.0),
        (Init::XavierNormal, 2.0 / 500.0),
        (Init::Normal { sd: 0.01 }, 1e-4),
    ] {
        // Sixty thousand draws: the standard error of a normal's variance is 0.6 %.
        assert!((variance(init) / expected - 1.0).abs() < 0.03, "{init:?}: {} for {expected}", variance(init));
        assert_eq!(draw(init, 3).to_vec(), draw(init, 3).to_vec());
        assert_ne!(draw(init, 3).to_vec(), draw(init, 4).to_vec());
    }
    assert_eq!(Init::default().weight(&[2, 2], &mut Rng::new(0), DType::F32).dtype(), DType::F32);
}

#[test]
fn orthogonal_weights_have_orthonormal_rows_or_columns() {
    for shape in [[5, 8], [8, 5], [6, 6]] {
        let w = Init::Orthogonal { gain: 2.0 }.weight(&shape, &mut Rng::new(1), DType::F64);
        let product = if shape[0] <= shape[1] { w.matmul(&w.t()) } else { w.t().matmul(&w) };
        let gap = (product - Tensor::eye(shape[0].min(shape[1]), DType::F64) * 4.0).abs().max().item();
        assert!(gap < 1e-12, "{shape:?}: {gap}");
    }
}

#[test]
fn dropout_keeps_the_mean_in_training_and_does_nothing_in_evaluation() {
    let layer = DropoutConfig { share: 0.25 }.build(&[1000]).unwrap().layer;
    let x = Tensor::ones(&[200, 1000], DType::F32);
    let mut rng = Rng::new(2);
    let dropped = layer.forward(&x, &mut Pass::training(&mut rng));
    // 200,000 units: the mean has a standard error of 0.0013.
    assert!((dropped.to_f64().mean().item() - 1.0).abs() < 0.006);
    let zeros = dropped.eq_scalar(0.0).cast(DType::F64).mean().item();
    assert!((zeros - 0.25).abs() < 0.005, "{zeros}");
    assert_eq!(layer.forward(&x, &mut Pass::evaluation()).to_vec(), x.to_vec());
}

#[test]
fn refreshed_statistics_are_the_means_over_batches_whatever_they_were() {
    let layer = BatchNormConfig::default().build(&[3], &mut Build::new(&mut Rng::new(1))).unwrap().layer;
    let mut rng = Rng::new(4);
    let batch = |rng: &mut Rng| Tensor::from_vec(rng.normals(60), &[20, 3]).to_f32() * 2.0 + 1.0;
    // Statistics of another time.
    layer.forward(&(batch(&mut rng) * 50.0), &mut Pass::training(&mut Rng::new(0)));
    let batches: Vec<Tensor> = (0..4).map(|_| batch(&mut rng)).collect();
    refresh_statistics(layer.as_ref(), &batches, &mut rng);
    let mut found = std::collections::BTreeMap::new();
    layer.visit(&mut |name, p| {
        found.insert(name.to_owned(), p.value());
    });
    let mean = |of: &dyn Fn(&Tensor) -> Tensor| -> Vec<f64> {
        let total: Tensor = batches.iter().map(|b| of(&b.to_f64())).sum();
        (total * 0.25).to_vec()
    };
    let (means, variances) = (mean(&|b| b.mean_axis(0, false)), mean(&|b| b.variance_axis(0, false, 1)));
    for c in 0..3 {
        // Single precision.
        assert!((found["running_mean"][c] - means[c]).abs() < 1e-5, "{c}");
        assert!((found["running_var"][c] / variances[c] - 1.0).abs() < 1e-5, "{c}");
    }
}

#[test]
fn convolutional_networks_take_and_make_pictures_of_any_size() {
    for (shape, channels) in [([1, 28, 28], vec![4, 8]), ([3, 9, 17], vec![4, 8, 8]), ([1, 8, 8], vec![4])] {
        for kernel in [3, 4, 5] {
            let config = ConvConfig { channels: channels.clone(), kernel, hidden: vec![10], ..ConvConfig::default() };
            let mut rng = Rng::new(1);
            let mut build = Build::new(&mut rng);
            let encoder = EncoderConfig::Conv(config.clone()).build(&shape, 6, &mut build).unwrap();
            let decoder = DecoderConfig::Conv(config).build(3, &shape, 2, &mut build).unwrap();
            let size: usize = shape.iter().product();
            let pass = &mut Pass::evaluation();
            let code = encoder.forward(&Tensor::zeros(&[2, size], DType::F32), pass);
            assert_eq!(code.shape(), [2, 6]);
            let output = decoder.forward(&Tensor::zeros(&[2, 3], DType::F32), None, pass);
            assert_eq!(output.shape(), [2, 2 * size], "{shape:?} with filters of {kernel}");
        }
    }
}

#[test]
fn a_recurrent_layer_averages_its_states() {
    let x = Tensor::from_f32((0..24).map(|i| (i as f32 * 0.7).sin()).collect(), &[2, 4, 3]);
    let run = |output| {
        let config = LayerConfig::Gru(GruConfig { hidden: 5, layers: 2, output });
        let built = config.build(&[4, 3], &mut Build::new(&mut Rng::new(3))).unwrap();
        (built.layer.forward(&x, &mut Pass::evaluation()), built.shape)
    };
    let ((all, _), (mean, shape)) = (run(Output::All), run(Output::Mean));
    assert_eq!(shape, [5]);
    // Single precision.
    let apart = (all.mean_axis(1, false) - mean).abs().max();
    assert!(apart.item() < 1e-6, "{}", apart.item());
}

#[test]
fn data_points_that_a_layer_cannot_take_are_refused() {
    let refused = |config: LayerConfig, shape: &[usize], part: &str| {
        let mut rng = Rng::new(0);
        let Err(error) = config.build(shape, &mut Build::new(&mut rng)) else { panic!("{config:?} took {shape:?}") };
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(LayerConfig::Linear(LinearConfig::new(0)), &[3], "sizes of at least 1");
    refused(LayerConfig::Conv2d(Conv2dConfig::default()), &[3], "[C, H, W]");
    refused(LayerConfig::Conv2d(Conv2dConfig { padding: 0, ..Conv2dConfig::default() }), &[1, 2, 2], "filter of 3");
    refused(LayerConfig::Conv2d(Conv2dConfig { groups: 2, ..Conv2dConfig::default() }), &[3, 5, 5], "2 groups");
    refused(LayerConfig::GroupNorm(GroupNormConfig { groups: 2, ..GroupNormConfig::default() }), &[3], "2 groups");
    refused(LayerConfig::Gdn(GdnConfig::default()), &[], "at least one axis");
    refused(LayerConfig::Gdn(GdnConfig { weight: -0.1, ..GdnConfig::default() }), &[3], "in [0, 1000]");
    refused(LayerConfig::Gdn(GdnConfig { weight: f64::NAN, ..GdnConfig::default() }), &[3], "in [0, 1000]");
    refused(LayerConfig::Gdn(GdnConfig::default()), &[0, 4, 4], "sizes of at least 1");
    refused(LayerConfig::Embedding(EmbeddingConfig::default()), &[3, 4], "one level a position");
    refused(LayerConfig::Gru(GruConfig::default()), &[3], "[T, D]");
    refused(LayerConfig::Attention(AttentionConfig::default()), &[3, 6], "4 heads");
    refused(LayerConfig::Dropout(DropoutConfig { share: 1.0 }), &[3], "in [0, 1)");
    refused(LayerConfig::Reshape(ReshapeConfig { shape: vec![4] }), &[3], "[4]");
    let narrow = SequentialConfig { layers: vec![LayerConfig::Linear(LinearConfig::new(2))] };
    refused(LayerConfig::Residual(narrow), &[3], "keep the shape");
}

#[test]
fn networks_out_of_range_are_refused() {
    let conv = |kernel| ConvConfig { kernel, ..ConvConfig::default() };
    let error = |outcome: elbo_core::Result<()>, part: &str| {
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    let mut rng = Rng::new(0);
    let mut build = Build::new(&mut rng);
    error(EncoderConfig::Conv(conv(0)).build(&[1, 8, 8], 2, &mut build).map(drop), "`kernel` is 0");
    error(DecoderConfig::Conv(conv(0)).build(2, &[1, 8, 8], 1, &mut build).map(drop), "`kernel` is 0");
    let mlp = MlpConfig { dropout: -0.5, ..MlpConfig::default() };
    error(EncoderConfig::Mlp(mlp).build(&[8], 2, &mut build).map(drop), "in [0, 1)");
    let gru = SequenceConfig { levels: 3, embedding: 0, ..SequenceConfig::default() };
    error(DecoderConfig::Gru(gru).build(2, &[8], 3, &mut build).map(drop), "`embedding` is 0");
    let layers = vec![LayerConfig::Embedding(EmbeddingConfig::default())];
    error(DecoderConfig::Layers { layers }.build(2, &[8], 1, &mut build).map(drop), "a code is not");
}
