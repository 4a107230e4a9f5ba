//! A denoiser that is a row of convolutions.

use crate::files::{moved, renamed};
use elbo_core::run::Checkpoints;
use elbo_core::{Event, ModelFile, Rng, Run};
use elbo_diffusion::Denoiser;
use elbo_diffusion::denoiser::{DnCnn, DnCnnConfig, DnCnnTraining, DnCnnTrainingConfig, estimate, pullback};
use elbo_diffusion::phantom::polygons;
use elbo_nn::{Build, weights};
use elbo_tensor::{DType, Parameter, Parameters, Tensor};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn config(channels: usize, has_batch_norm: bool) -> DnCnnConfig {
    DnCnnConfig { channels, depth: 4, width: 5, has_batch_norm, levels: [0.05, 0.2], ..DnCnnConfig::default() }
}

fn random(config: &DnCnnConfig, dtype: DType, seed: u64) -> DnCnn {
    let mut rng = Rng::new(seed);
    let mut network = config.build(&mut Build { dtype, ..Build::new(&mut rng) }).unwrap();
    moved(&mut network, seed + 1);
    network
}

/// Clean estimates of two pictures of 6 x 5 pixels.
fn answers(network: DnCnn) -> Vec<f64> {
    let c = network.config().channels;
    let x = Tensor::from_vec(Rng::new(9).uniforms(2 * c * 30), &[2, c * 30]);
    estimate(&network.on([c, 6, 5], [0.0, 1.0]).unwrap(), &x, 0.1).to_vec()
}

/// A network without the biases of its convolutions.
struct WithoutBiases(DnCnn);

impl Parameters for WithoutBiases {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        // Convolutions, whose biases go, stand at 0, 2, 5 and 8 between batch norms.
        let biases = [0, 2, 5, 8].map(|place| format!("model.{place}.bias"));
        self.0.visit(&mut |name, p| {
            if !biases.iter().any(|bias| bias == name) {
                f(name, p);
            }
        });
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.0.visit_mut(f);
    }
}

#[test]
fn files_from_here_come_back_with_their_levels() {
    for (channels, has_batch_norm) in [(1, false), (1, true), (3, true)] {
        let network = random(&config(channels, has_batch_norm), DType::F32, 3);
        let file = network.to_safetensors();
        let back = DnCnn::from_safetensors(&file, None).unwrap();
        assert_eq!(back.config(), network.config());
        let told = DnCnn::from_safetensors(&file, Some([0.3, 0.3])).unwrap();
        assert_eq!(told.config().levels, [0.3, 0.3]);
        assert_eq!(answers(back), answers(network));
    }
}

#[test]
fn the_names_of_public_checkpoints_are_the_same_network() {
    let levels = Some([0.05, 0.2]);
    let read = |file: &[u8]| answers(DnCnn::from_safetensors(file, levels).unwrap());
    // KAIR, and a wrapper of PyTorch around it.
    for has_batch_norm in [false, true] {
        let file = random(&config(3, has_batch_norm), DType::F32, 3).to_safetensors();
        let expected = answers(random(&config(3, has_batch_norm), DType::F32, 3));
        assert_eq!(read(&renamed(&file, |name, _| name.to_owned())), expected);
        assert_eq!(read(&renamed(&file, |name, _| format!("module.{name}"))), expected);
    }
    // DnCNN-PyTorch: no biases but those of batch norm.
    let plain = || {
        let mut network = random(&DnCnnConfig { epsilon: 1e-5, ..config(1, true) }, DType::F32, 5);
        for place in [0, 2, 5, 8] {
            let name = format!("model.{place}.bias");
            let zeros = vec![0.0; if place == 8 { 1 } else { 5 }];
            network.assign(&name, &zeros).unwrap();
        }
        network
    };
    let file = weights::to_safetensors(&WithoutBiases(plain()));
    assert_eq!(read(&renamed(&file, |name, _| name.replace("model.", "dncnn."))), answers(plain()));
    // DeepInverse: the noise with the other sign.
    let network = random(&config(1, false), DType::F32, 7);
    let mut turned = random(&config(1, false), DType::F32, 7);
    turned.visit_mut(&mut |name, p| {
        if name.starts_with("model.6.") {
            let values: Vec<f64> = p.value().iter().map(|v| -v).collect();
            p.set(&values).unwrap();
        }
    });
    let names = [
        ("model.0.", "in_conv."),
        ("model.2.", "conv_list.0."),
        ("model.4.", "conv_list.1."),
        ("model.6.", "out_conv."),
    ];
    let foreign = renamed(&turned.to_safetensors(), |name, _| {
        names.iter().fold(name.to_owned(), |name, (here, there)| name.replace(here, there))
    });
    assert_eq!(read(&foreign), answers(network));
}

#[test]
fn batch_norm_can_be_taken_into_the_convolutions() {
    let of = || random(&config(3, true), DType::F64, 11);
    let folded = of().folded().unwrap();
    assert!(!folded.config().has_batch_norm && folded.names().iter().all(|name| !name.contains("running")));
    for (a, b) in answers(folded).iter().zip(answers(of())) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
}

#[test]
fn its_slopes_agree_with_central_differences() {
    for has_batch_norm in [false, true] {
        let denoiser = random(&config(1, has_batch_norm), DType::F64, 13).on([1, 6, 5], [-1.0, 1.0]).unwrap();
        let mut rng = Rng::new(14);
        let mut draw = || Tensor::from_vec(rng.normals(60), &[2, 30]);
        let (x, v, direction) = (draw(), draw(), draw());
        // In the range of the levels, and on both sides of it.
        for sigma in [0.01, 0.2, 3.0] {
            let (clean, slope) = pullback(&denoiser, &x, sigma, |_| v.clone());
            assert!((clean - estimate(&denoiser, &x, sigma)).abs().max().item() < 1e-12);
            let exact = (slope * &direction).sum().item();
            let h = 1e-6;
            let at = |s: f64| (estimate(&denoiser, &(&x + &direction * s), sigma) * &v).sum().item();
            let numeric = (at(h) - at(-h)) / (2.0 * h);
            // A kink between the two points is possible, and is not met with this seed.
            assert!((exact - numeric).abs() < 1e-5 * numeric.abs().max(1.0), "{sigma}: {exact} {numeric}");
        }
    }
}

#[test]
fn contrast_brings_the_noise_to_the_nearest_level() {
    let of = |range: [f64; 2]| random(&config(1, false), DType::F64, 17).on([1, 6, 5], range).unwrap();
    let x = Tensor::from_vec(Rng::new(18).uniforms(30), &[1, 30]);
    let unit = of([0.0, 1.0]);
    assert_eq!(unit.levels(), [0.05, 0.2]);
    // Within the levels nothing depends on the level.
    let inside = estimate(&unit, &x, 0.2);
    assert_eq!(estimate(&unit, &x, 0.05).to_vec(), inside.to_vec());
    // At twice the highest level, of half the contrast about the middle grey.
    let far = estimate(&unit, &((&x - 0.5) * 2.0 + 0.5), 0.4);
    assert!(((far - 0.5) * 0.5 + 0.5 - &inside).abs().max().item() < 1e-12);
    // Another black and white is another unit.
    let wide = of([-1.0, 1.0]);
    assert_eq!(wide.levels(), [0.1, 0.4]);
    let found = estimate(&wide, &(&x * 2.0 - 1.0), 0.4);
    assert!(((found + 1.0) * 0.5 - inside).abs().max().item() < 1e-12);
}

#[test]
fn a_grey_network_takes_each_channel_of_a_colour_picture() {
    let of = |c: usize| random(&config(1, false), DType::F64, 19).on([c, 6, 5], [0.0, 1.0]).unwrap();
    let x = Tensor::from_vec(Rng::new(20).uniforms(180), &[2, 90]);
    let colour = of(3);
    assert_eq!(colour.dims(), 90);
    let together = estimate(&colour, &x, 0.1);
    let alone = estimate(&of(1), &x.reshape(&[6, 30]), 0.1);
    assert!((together.reshape(&[6, 30]) - alone).abs().max().item() < 1e-12);
}

#[test]
fn a_network_that_has_not_been_trained_takes_nothing_off() {
    let network = config(1, false).build(&mut Build::new(&mut Rng::new(1))).unwrap();
    let x = Tensor::from_vec(Rng::new(2).uniforms(30), &[1, 30]);
    assert_eq!(estimate(&network.on([1, 6, 5], [0.0, 1.0]).unwrap(), &x, 0.1).to_vec(), x.to_vec());
}

/// Patches of 12 x 12 pixels with few edges.
fn patches() -> Vec<f32> {
    let mut rng = Rng::new(21);
    (0..24).flat_map(|_| polygons(12, 2, &mut rng)).map(|v| v as f32).collect()
}

#[test]
fn training_takes_noise_off_and_goes_on_where_it_was_stopped() {
    let patches = patches();
    let how = DnCnnTrainingConfig { iterations: 100, batch: 8, rate: 5e-3 };
    let training = DnCnnTraining::new(&patches, [1, 12, 12], &how).unwrap();
    for has_batch_norm in [false, true] {
        let config = DnCnnConfig { levels: [0.1, 0.1], ..config(1, has_batch_norm) };
        let start = || config.build(&mut Build::new(&mut Rng::new(22))).unwrap();
        let (mut whole, mut run) = (start(), Run::new(23));
        training.run(&mut whole, &mut run).unwrap();
        let curve = &run.metrics()[0].1;
        let end = curve[80..].iter().map(|(_, loss)| loss).sum::<f64>() / 20.0;
        // A network that says nothing leaves the noise, whose mean square is 0.01.
        assert!(end < 0.9 * 0.01, "batch norm {has_batch_norm}: {end}");
        // Stopped in the middle, and taken up from the checkpoint.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let checkpoints = Checkpoints { path: path.clone(), every: Duration::ZERO, header: ModelFile::new("test") };
        let flag = Arc::new(AtomicBool::new(false));
        let raised = flag.clone();
        let mut stopped = Run::new(23).with_checkpoints(checkpoints).with_cancel(flag).with_watcher(move |event| {
            if let Event::Step { step: 40, .. } = event {
                raised.store(true, Ordering::Relaxed);
            }
        });
        let mut part = start();
        assert_eq!(training.run(&mut part, &mut stopped).unwrap().steps, 40);
        let mut resumed = start();
        training.run(&mut resumed, &mut Run::new(0).resuming(ModelFile::read(&path).unwrap())).unwrap();
        assert!(part.to_safetensors() != whole.to_safetensors());
        assert!(resumed.to_safetensors() == whole.to_safetensors(), "batch norm {has_batch_norm}");
    }
}

#[test]
fn settings_and_patches_that_do_not_fit_are_refused() {
    let good = config(1, false);
    for (bad, said) in [
        (DnCnnConfig { channels: 0, ..good.clone() }, "channels"),
        (DnCnnConfig { depth: 1, ..good.clone() }, "depth"),
        (DnCnnConfig { depth: usize::MAX, ..good.clone() }, "depth"),
        (DnCnnConfig { width: 0, ..good.clone() }, "width"),
        (DnCnnConfig { epsilon: 0.0, ..good.clone() }, "epsilon"),
        (DnCnnConfig { levels: [0.2, 0.1], ..good.clone() }, "levels"),
        (DnCnnConfig { levels: [0.0, 0.0], ..good.clone() }, "levels"),
        (DnCnnConfig { levels: [f64::NAN, 0.1], ..good.clone() }, "levels"),
    ] {
        let error = bad.build(&mut Build::new(&mut Rng::new(1))).err().unwrap().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    let colour = || config(3, false).build(&mut Build::new(&mut Rng::new(1))).unwrap();
    assert!(colour().on([1, 6, 5], [0.0, 1.0]).err().unwrap().to_string().contains("pictures [3, H, W]"));
    assert!(colour().on([3, 0, 5], [0.0, 1.0]).is_err() && colour().on([3, 6, 5], [1.0, 1.0]).is_err());
    let how = DnCnnTrainingConfig::default();
    let refuse = |patches: &[f32], shape: [usize; 3], how: &DnCnnTrainingConfig| {
        DnCnnTraining::new(patches, shape, how).err().unwrap().to_string()
    };
    assert!(refuse(&[], [1, 2, 2], &how).contains("no patches"));
    assert!(refuse(&[0.0; 5], [1, 2, 2], &how).contains("5 numbers are no patches"));
    assert!(refuse(&[0.0, 1.0, 0.5, 1.5], [1, 2, 2], &how).contains("a pixel of 1.5"));
    assert!(refuse(&[0.0, 1.0, 0.5, f32::NAN], [1, 2, 2], &how).contains("a pixel of NaN"));
    assert!(refuse(&[0.0; 4], [1, 2, 2], &DnCnnTrainingConfig { rate: 0.0, ..how.clone() }).contains("rate"));
    let grey = patches();
    let error = DnCnnTraining::new(&grey, [1, 12, 12], &how).unwrap().run(&mut colour(), &mut Run::new(1));
    assert!(error.unwrap_err().to_string().contains("1 channels, the network 3"));
}

#[test]
fn files_of_other_networks_are_refused_by_what_they_have() {
    let file = random(&config(1, true), DType::F32, 3).to_safetensors();
    let refuse = |file: &[u8]| DnCnn::from_safetensors(file, Some([0.1, 0.1])).err().unwrap().to_string();
    let bare = renamed(&file, |name, _| name.to_owned());
    let silent = DnCnn::from_safetensors(&bare, None).err().unwrap().to_string();
    assert!(silent.contains("levels") && silent.contains("does not say them"), "{silent}");
    assert!(DnCnn::from_safetensors(&bare, Some([0.3, 0.1])).err().unwrap().to_string().contains("levels"));
    assert!(refuse(&renamed(&file, |name, _| name.replace("model.", "net."))).contains("arrays called `net."));
    let reshaped = |which: &str, shape: serde_json::Value| {
        renamed(&file, |name, entry| {
            if name == which {
                entry["shape"] = shape.clone();
            }
            name.replace("model.", "dncnn.")
        })
    };
    // As if there were a map of the level beside a grey picture: 5 filters of 9 numbers.
    let mapped = reshaped("model.0.weight", serde_json::json!([1, 5, 3, 3]));
    assert!(refuse(&mapped).contains("takes 5 channels and returns 1"), "{}", refuse(&mapped));
    let long = reshaped("model.2.weight", serde_json::json!([5, 9, 5, 1]));
    assert!(refuse(&long).contains("`dncnn.2.weight` has the shape [5, 9, 5, 1]"), "{}", refuse(&long));
    let narrow = reshaped("model.2.weight", serde_json::json!([25, 1, 3, 3]));
    assert!(refuse(&narrow).contains("`dncnn.2.weight` has the shape [25, 1, 3, 3], expected [5, 5, 3, 3]"));
    let lost = renamed(&file, |name, _| name.replace("model.3.running_var", "model.3.spread"));
    let message = refuse(&lost);
    assert!(message.contains("no array `model.3.running_var`") && message.contains("an array `model.3.spread` that"));
    // Seven convolutions without batch norm may be IRCNN, unless the file is from here.
    let seven = DnCnnConfig { depth: 7, ..config(1, false) };
    let file = random(&seven, DType::F32, 4).to_safetensors();
    assert!(refuse(&renamed(&file, |name, _| name.to_owned())).contains("IRCNN"));
    assert!(DnCnn::from_safetensors(&file, None).is_ok());
    for damaged in [&file[..4], &file[..100], &file[..file.len() - 4]] {
        assert!(refuse(damaged).contains("weights"), "{}", refuse(damaged));
    }
    let absent = DnCnn::read(Path::new("no/such/file"), None).err().unwrap().to_string();
    assert!(absent.contains("cannot be read"), "{absent}");
}
