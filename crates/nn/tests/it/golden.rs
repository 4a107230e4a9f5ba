//! Every layer gives what PyTorch's gives with the same weights. `golden/make_torch.py` made the numbers.

use elbo_core::Rng;
use elbo_nn::layer::{
    AttentionConfig, BatchNormConfig, Conv2dConfig, ConvTranspose2dConfig, EmbeddingConfig, GroupNormConfig, GruConfig,
    LayerNormConfig, LinearConfig, Output, PoolConfig, PoolKind, TransformerConfig, UpsampleConfig,
};
use elbo_nn::network::{ConvConfig, DecoderConfig, EncoderConfig, Norm, Start};
use elbo_nn::vae::{DecoderWeights, Family, LikelihoodConfig, ObjectiveConfig, Posterior, PriorConfig, VaeConfig};
use elbo_nn::{Activation, Build, Layer, LayerConfig, Pass, weights};
use elbo_tensor::{Parameters, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

const LAYERS: &[u8] = include_bytes!("golden/layers.safetensors");
const VAE: &[u8] = include_bytes!("golden/vae.safetensors");
const EXPECTED: &[u8] = include_bytes!("golden/vae_expected.safetensors");

/// Single precision, and sums of some dozen products.
const TOLERANCE: f64 = 1e-5;

fn array(file: &SafeTensors<'_>, name: &str) -> Tensor {
    let view = file.tensor(name).unwrap();
    let values = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    Tensor::from_f32(values, view.shape())
}

#[track_caller]
fn assert_close(name: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.shape(), expected.shape(), "{name}");
    let worst = (found - expected).abs().max().item();
    assert!(worst <= TOLERANCE * expected.abs().max().item().max(1.0), "{name}: off by {worst}");
}

/// The weights of a case as a file of their own.
fn weights_of(file: &SafeTensors<'_>, case: &str) -> Vec<u8> {
    let prefix = format!("{case}/w/");
    let views: Vec<(String, TensorView<'_>)> = file
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| Some((name.strip_prefix(&prefix)?.to_owned(), view)))
        .collect();
    safetensors::serialize(views, None).unwrap()
}

fn loaded(case: &str, config: &LayerConfig) -> (Box<dyn Layer>, Tensor, Tensor) {
    let file = SafeTensors::deserialize(LAYERS).unwrap();
    let (input, output) = (array(&file, &format!("{case}/input")), array(&file, &format!("{case}/output")));
    let built = config.build(&input.shape()[1..], &mut Build::new(&mut Rng::new(1))).unwrap();
    assert_eq!(built.shape, output.shape()[1..], "{case}: the shape it promised");
    let mut layer = built.layer;
    weights::from_safetensors(&mut layer, &weights_of(&file, case)).unwrap();
    (layer, input, output)
}

#[test]
fn layers_give_what_pytorch_gives() {
    let heads = |is_causal| LayerConfig::Attention(AttentionConfig { heads: 2, is_causal });
    let gru = |output| LayerConfig::Gru(GruConfig { hidden: 4, layers: 2, output });
    let pool = |kind| LayerConfig::Pool(PoolConfig { kind, size: 2 });
    let upsample = |is_smooth| LayerConfig::Upsample(UpsampleConfig { factor: 2, is_smooth });
    let block = TransformerConfig {
        attention: AttentionConfig { heads: 2, is_causal: false },
        hidden: 16,
        ..TransformerConfig::default()
    };
    let down = Conv2dConfig { out: 6, stride: 2, groups: 2, ..Conv2dConfig::default() };
    let up = ConvTranspose2dConfig { out: 3, kernel: 3, output_padding: [0, 1], ..ConvTranspose2dConfig::default() };
    let mut cases: Vec<(String, LayerConfig)> = [
        ("linear", LayerConfig::Linear(LinearConfig::new(3))),
        ("linear_rank3", LayerConfig::Linear(LinearConfig { out: 3, has_bias: false })),
        ("conv", LayerConfig::Conv2d(down)),
        ("conv_transpose", LayerConfig::ConvTranspose2d(up)),
        ("max_pool", pool(PoolKind::Max)),
        ("mean_pool", pool(PoolKind::Mean)),
        ("nearest", upsample(false)),
        ("bilinear", upsample(true)),
        ("layer_norm", LayerConfig::LayerNorm(LayerNormConfig { axes: 2, ..LayerNormConfig::default() })),
        ("group_norm", LayerConfig::GroupNorm(GroupNormConfig { groups: 2, ..GroupNormConfig::default() })),
        ("batch_norm", LayerConfig::BatchNorm(BatchNormConfig::default())),
        ("embedding", LayerConfig::Embedding(EmbeddingConfig { levels: 7, out: 4 })),
        ("gru_all", gru(Output::All)),
        ("gru_last", gru(Output::Last)),
        ("attention", heads(false)),
        ("attention_causal", heads(true)),
        ("transformer", LayerConfig::Transformer(block)),
    ]
    .map(|(name, config)| (name.to_owned(), config))
    .into();
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
        Activation::Elu,
        Activation::Gelu,
        Activation::Silu,
    ] {
        let name = serde_json::to_value(activation).unwrap();
        cases.push((format!("activation_{}", name.as_str().unwrap()), activation.into()));
    }
    for (case, config) in cases {
        let (layer, input, output) = loaded(&case, &config);
        assert_close(&case, &layer.forward(&input, &mut Pass::evaluation()), &output);
        let described = serde_json::to_value(&config).unwrap();
        assert_eq!(serde_json::from_value::<LayerConfig>(described).unwrap(), config, "{case}: settings come back");
    }
}

#[test]
fn batch_norm_moves_its_running_statistics_as_pytorch_does() {
    let case = "batch_norm_training";
    let (layer, input, output) = loaded(case, &LayerConfig::BatchNorm(BatchNormConfig::default()));
    let mut rng = Rng::new(0);
    assert_close(case, &layer.forward(&input, &mut Pass::training(&mut rng)), &output);
    let file = SafeTensors::deserialize(LAYERS).unwrap();
    layer.visit(&mut |name, p| {
        if name.starts_with("running") {
            assert!(p.is_frozen());
            assert_close(name, &p.get(), &array(&file, &format!("{case}/{name}")));
        }
    });
}

#[test]
fn an_autoencoder_saved_by_pytorch_gives_the_same_numbers() {
    let conv = ConvConfig { channels: vec![4, 6], norm: Norm::Batch, ..ConvConfig::default() };
    let config = VaeConfig {
        latent: 3,
        family: Family::GaussDiag,
        least_log_variance: -30.0,
        start_log_variance: 0.0,
        prior: PriorConfig::Standard,
        encoder: EncoderConfig::Conv(conv.clone()),
        decoder: DecoderConfig::Conv(conv),
        likelihood: LikelihoodConfig::Bernoulli,
        start: Start::default(),
        topk: None,
        nan_is_missing: false,
        condition: None,
        flow: None,
        weights: DecoderWeights::Point,
    };
    let mut vae = config.build(&[1, 8, 7], &ObjectiveConfig::default(), &mut Rng::new(5)).unwrap();
    weights::from_safetensors(&mut vae, VAE).unwrap();
    let file = SafeTensors::deserialize(EXPECTED).unwrap();
    let x = array(&file, "x").reshape(&[2, 56]);
    let Posterior::Diagonal { mean, log_variance } = vae.posterior(&x, &mut Pass::evaluation()) else {
        panic!("the family is diagonal")
    };
    assert_close("mean", &mean, &array(&file, "mean"));
    assert_close("log variance", &log_variance, &array(&file, "log_variance"));
    let logits = vae.decoder().forward(&array(&file, "z"), None, &mut Pass::evaluation());
    assert_close("logits", &logits, &array(&file, "logits").reshape(&[2, 56]));
    // And back: the file that we write has PyTorch's names and shapes.
    let ours = weights::to_safetensors(&vae);
    let (ours, theirs) = (SafeTensors::deserialize(&ours).unwrap(), SafeTensors::deserialize(VAE).unwrap());
    let counted = |n: &&str| !n.ends_with("num_batches_tracked");
    for name in theirs.names().into_iter().filter(counted) {
        assert_eq!(ours.tensor(name).unwrap().data(), theirs.tensor(name).unwrap().data(), "{name}");
    }
    assert_eq!(ours.names().len(), theirs.names().into_iter().filter(counted).count());
}
