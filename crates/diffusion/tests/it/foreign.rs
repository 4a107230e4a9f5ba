//! Networks that were trained elsewhere; `golden/make_diffusers.py` made what they are compared with.

use crate::files::{Beside, moved, renamed};
use elbo_core::{Array, Data, FromData, Model, ModelFile, Rng, Run, Samples, Values};
use elbo_diffusion::Schedule;
use elbo_diffusion::denoiser::{DnCnn, estimate};
use elbo_diffusion::model::{DiffusionModel, NetworkSettings, PriorKind};
use elbo_diffusion::network::diffusers::{DiffusersUNet, NoiseConfig, UNetConfig};
use elbo_diffusion::network::edm::{EdmConfig, EdmUNet};
use elbo_diffusion::network::foreign::{Foreign, read, read_folder};
use elbo_diffusion::network::{Network, NetworkDenoiser};
use elbo_diffusion::parameterisation::Preconditioning;
use elbo_diffusion::schedule::ddpm_levels;
use elbo_nn::{Build, weights};
use elbo_tensor::{Parameter, Parameters, Tensor};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn a_network_of_diffusers_returns_what_it_does_there() {
    let (network, _, noise) = read_folder(&golden(), [1, 8, 8]).unwrap();
    assert_eq!(noise.preconditioning().unwrap(), Preconditioning::Noise);
    let expected: Value = serde_json::from_slice(&std::fs::read(golden().join("unet.json")).unwrap()).unwrap();
    let x = Tensor::from_f32(numbers(&expected["x"]).iter().map(|v| *v as f32).collect(), &[2, 64]);
    let levels = ddpm_levels(1000, 1e-4, 0.02);
    for (time, output) in numbers(&expected["times"]).iter().zip(expected["outputs"].as_array().unwrap()) {
        let level = 0.25 * levels[*time as usize].ln();
        let found = network.forward(&x, &[level, level], &[]).to_f64().to_vec();
        let output = numbers(output);
        let size = output.iter().map(|v| v.abs()).fold(0.0, f64::max);
        // Single precision, a dozen layers deep.
        let worst = found.iter().zip(&output).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4 * size, "time {time}: {worst:e} of {size}");
    }
    // As a denoiser it is fed x/√(1 + σ²) and says the noise.
    let denoiser = NetworkDenoiser::new(Box::new(network), noise.preconditioning().unwrap(), 64);
    let sigma = levels[37];
    let noisy = x.to_f64() * (1.0 + sigma * sigma).sqrt();
    let implied = ((&noisy - estimate(&denoiser, &noisy, sigma)) / sigma).to_vec();
    let output = numbers(&expected["outputs"][1]);
    assert!(implied.iter().zip(&output).all(|(a, b)| (a - b).abs() < 1e-3 * a.abs().max(1.0)));
}

/// A safetensors file of a network of diffusers under the names of the paper's network, with attention as convolutions.
fn in_the_papers_names(file: &[u8]) -> Vec<u8> {
    let names = [
        ("time_embedding.linear_1.", "temb.dense.0."),
        ("time_embedding.linear_2.", "temb.dense.1."),
        ("conv_norm_out.", "norm_out."),
        ("mid_block.resnets.0.", "mid.block_1."),
        ("mid_block.resnets.1.", "mid.block_2."),
        ("mid_block.attentions.0.", "mid.attn_1."),
        ("down_blocks.", "down."),
        // Levels count from the largest pictures.
        ("up_blocks.0.", "up.1."),
        ("up_blocks.1.", "up.0."),
        (".resnets.", ".block."),
        (".attentions.", ".attn."),
        (".downsamplers.0.", ".downsample."),
        (".upsamplers.0.", ".upsample."),
        (".time_emb_proj.", ".temb_proj."),
        (".conv_shortcut.", ".nin_shortcut."),
        (".group_norm.", ".norm."),
        (".to_q.", ".q."),
        (".to_k.", ".k."),
        (".to_v.", ".v."),
        (".to_out.0.", ".proj_out."),
        (".query.", ".q."),
        (".key.", ".k."),
        (".value.", ".v."),
        (".proj_attn.", ".proj_out."),
    ];
    renamed(file, |name, entry| {
        if name.contains("attentions.") && entry["shape"].as_array().is_some_and(|shape| shape.len() == 2) {
            entry["shape"].as_array_mut().unwrap().extend([json!(1), json!(1)]);
        }
        names.iter().fold(name.to_owned(), |name, (today, old)| name.replace(today, old))
    })
}

#[test]
fn the_papers_names_are_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let name = "diffusion_pytorch_model.safetensors";
    let weights = in_the_papers_names(&std::fs::read(golden().join("unet").join(name)).unwrap());
    let text = String::from_utf8_lossy(&weights[8..4000]).into_owned();
    assert!(text.contains("\"down.1.attn.0.proj_out.bias\"") && !text.contains("down_blocks"), "{text}");
    std::fs::write(folder.path().join(name), weights).unwrap();
    std::fs::copy(golden().join("unet/config.json"), folder.path().join("config.json")).unwrap();
    let (expected, ..) = read_folder(&golden(), [1, 8, 8]).unwrap();
    let (found, ..) = read_folder(folder.path(), [1, 8, 8]).unwrap();
    let x = Tensor::from_f32(Rng::new(4).normals(128).iter().map(|v| *v as f32).collect(), &[2, 64]);
    let of = |network: &dyn Network| network.forward(&x, &[-0.3, 0.2], &[]).to_f64().to_vec();
    assert_eq!(of(&found), of(&expected));
}

#[test]
fn the_papers_network_is_known_by_its_arrays() {
    let config: UNetConfig = serde_json::from_value(json!({
        "in_channels": 1, "out_channels": 1, "layers_per_block": 1, "block_out_channels": [32, 64],
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
        "norm_num_groups": 32, "norm_eps": 1e-6, "attention_head_dim": null, "downsample_padding": 0,
        "flip_sin_to_cos": false, "freq_shift": 1.0
    }))
    .unwrap();
    let noise = NoiseConfig::default();
    let mut network = DiffusersUNet::new(&config, &noise, [1, 8, 8], &mut Build::new(&mut Rng::new(5))).unwrap();
    moved(&mut network, 6);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let file = in_the_papers_names(&weights::to_safetensors(&network));
    // As a wrapper of PyTorch saves it.
    std::fs::write(&path, renamed(&file, |name, _| format!("module.{name}"))).unwrap();
    for place in [folder.path(), path.as_path()] {
        let (found, foreign) = read(place, [1, 8, 8]).unwrap();
        assert_eq!(foreign, Foreign::Diffusers(Box::new(config.clone()), noise.clone()));
        assert_eq!(answers(found.as_ref()), answers(&network));
    }
    // Missing arrays, and those left over, have the file's own names.
    let broken = renamed(&file, |name, _| name.replace("up.0.block.1.conv2.weight", "up.0.block.1.conv3.weight"));
    std::fs::write(&path, broken).unwrap();
    let message = read(&path, [1, 8, 8]).err().unwrap().to_string();
    for part in ["no array `up.0.block.1.conv2.weight`", "an array `up.0.block.1.conv3.weight` that"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(read(&path, [3, 8, 8]).err().unwrap().to_string().contains("in_channels"));
    std::fs::write(folder.path().join("second.safetensors"), &file).unwrap();
    assert!(read(folder.path(), [1, 8, 8]).err().unwrap().to_string().contains("there are 2 safetensors files"));
}

/// What a network of pictures of 64 pixels says of two points.
fn answers(network: &dyn Network) -> Vec<f64> {
    let x = Tensor::from_f32(Rng::new(4).normals(128).iter().map(|v| *v as f32).collect(), &[2, 64]);
    network.forward(&x, &[-0.3, 0.2], &[]).to_f64().to_vec()
}

fn edm() -> (EdmConfig, EdmUNet) {
    let config = EdmConfig {
        resolution: 8,
        channels: 1,
        base: 4,
        widths: vec![4, 8],
        attention: vec![false, true],
        blocks: 2,
        embedding: [4, 16],
        data_sd: 0.5,
    };
    let mut network = EdmUNet::new(&config, [1, 8, 8], &mut Build::new(&mut Rng::new(7))).unwrap();
    moved(&mut network, 8);
    (config, network)
}

/// A file of this network with further arrays.
fn edm_with(network: EdmUNet, beside: &[(&str, &[usize])]) -> Vec<u8> {
    let of = |(name, shape): &(&str, &[usize])| {
        let count = shape.iter().product();
        ((*name).to_owned(), Parameter::real(&Tensor::from_f32(vec![0.25; count], shape)))
    };
    weights::to_safetensors(&Beside { network, beside: beside.iter().map(of).collect() })
}

const FILTERS: [(&str, &[usize]); 3] = [
    ("map_augment.weight", &[4, 9]),
    ("enc.4x4_down.conv0.resample_filter", &[1, 1, 2, 2]),
    ("dec.8x8_up.skip.resample_filter", &[1, 1, 2, 2]),
];

#[test]
fn the_names_of_edm_are_the_same_network() {
    let (config, network) = edm();
    let expected = answers(&network);
    assert!(network.names().contains(&"enc.4x4_block1.qkv.weight".to_owned()));
    let plain = edm_with(network, &FILTERS);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edm.safetensors");
    for front in ["", "model.", "module.model."] {
        std::fs::write(&path, renamed(&plain, |name, _| format!("{front}{name}"))).unwrap();
        let (found, foreign) = read(&path, [1, 8, 8]).unwrap();
        assert_eq!(foreign, Foreign::Edm(config.clone()));
        assert_eq!(foreign.preconditioning().unwrap(), Preconditioning::Edm { data_sd: 0.5 });
        assert_eq!(answers(found.as_ref()), expected);
    }
}

#[test]
fn other_networks_with_the_names_of_edm_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edm.safetensors");
    let refuse = |file: &[u8], shape: [usize; 3]| {
        std::fs::write(&path, file).unwrap();
        read(&path, shape).err().unwrap().to_string()
    };
    let others: [(&str, &[usize], &str); 7] = [
        ("map_label.weight", &[4, 10], "class labels"),
        ("map_noise.freqs", &[2], "NCSN++"),
        ("enc.4x4_aux_residual.weight", &[4, 1, 3, 3], "residual encoder"),
        ("enc.4x4_down.conv0.resample_filter", &[1, 1, 4, 4], "longer filter `enc.4x4_down.conv0.resample_filter`"),
        ("out_conv.weight", &[1, 4, 3, 3], "ADM"),
        ("u", &[1001], "improved DDPM"),
        ("enc.8x8_block7.conv9.weight", &[1], "an array `enc.8x8_block7.conv9.weight` that the network has not"),
    ];
    for (name, shape, said) in others {
        let message = refuse(&edm_with(edm().1, &[(name, shape)]), [1, 8, 8]);
        assert!(message.contains(said), "{said}: {message}");
    }
    let plain = edm_with(edm().1, &[]);
    for shape in [[1, 16, 16], [3, 8, 8], [1, 8, 6]] {
        assert!(refuse(&plain, shape).contains("[1, 8, 8] for pictures"), "{shape:?}");
    }
    let lost = renamed(&plain, |name, _| format!("model.{}", name.replace("in0.proj.bias", "in0.proj.offset")));
    let message = refuse(&lost, [1, 8, 8]);
    assert!(message.contains("no array `model.dec.4x4_in0.proj.bias`"), "{message}");
    assert!(message.contains("an array `model.dec.4x4_in0.proj.offset` that"), "{message}");
    // Twice as many numbers from the level are a scale and a shift.
    let scaled = renamed(&plain, |name, entry| {
        if name == "enc.8x8_block0.affine.weight" {
            entry["shape"] = json!([8, 8]);
        }
        name.to_owned()
    });
    assert!(refuse(&scaled, [1, 8, 8]).contains("a scale beside the shift"));
    let narrow = renamed(&plain, |name, entry| {
        if name == "dec.4x4_in1.conv1.weight" {
            entry["shape"] = json!([4, 16, 3, 3]);
        }
        name.to_owned()
    });
    let message = refuse(&narrow, [1, 8, 8]);
    let said = "`dec.4x4_in1.conv1.weight` has the shape [4, 16, 3, 3], expected [8, 8, 3, 3]";
    assert!(message.contains(said), "{message}");
    for (name, said) in [
        ("time_embedding.linear_1.weight", "config.json"),
        ("model.time_embed.0.weight", "guided-diffusion"),
        ("net.0.weight", "arrays called `net.0.weight`"),
    ] {
        let one = vec![(name.to_owned(), Parameter::real(&Tensor::from_f32(vec![1.0; 4], &[2, 2])))];
        let message = refuse(&weights::to_safetensors(&Beside { network: (), beside: one }), [1, 8, 8]);
        assert!(message.contains(said), "{said}: {message}");
    }
}

/// What PyTorch returned; `golden/make_torch.py` made it.
fn torch() -> (PathBuf, Value) {
    let folder = golden().join("torch");
    let text = std::fs::read(folder.join("networks.json")).expect("run tests/golden/make_torch.py");
    (folder, serde_json::from_slice(&text).unwrap())
}

#[track_caller]
fn assert_same(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().map(|v| v.abs()).fold(1.0, f64::max);
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    // Single precision against double precision.
    assert!(worst < 1e-5 * size, "{what}: {worst:e} of {size}");
}

#[test]
fn networks_of_pytorch_return_what_they_do_there() {
    let (folder, expected) = torch();
    let (found, foreign) = read(&folder.join("edm.safetensors"), [1, 8, 8]).unwrap();
    let denoiser = NetworkDenoiser::new(found, foreign.preconditioning().unwrap(), 64);
    let of = &expected["edm"];
    let x = Tensor::from_vec(numbers(&of["x"]), &[2, 64]);
    for (sigma, clean) in numbers(&of["sigmas"]).iter().zip(of["clean"].as_array().unwrap()) {
        assert_same(&format!("EDM at {sigma}"), &estimate(&denoiser, &x, *sigma).to_vec(), &numbers(clean));
    }
    let (found, _) = read(&folder.join("ddpm"), [1, 8, 8]).unwrap();
    let of = &expected["ddpm"];
    let x = Tensor::from_f32(numbers(&of["x"]).iter().map(|v| *v as f32).collect(), &[2, 64]);
    let levels = ddpm_levels(1000, 1e-4, 0.02);
    for (time, output) in numbers(&of["times"]).iter().zip(of["outputs"].as_array().unwrap()) {
        let level = 0.25 * levels[*time as usize].ln();
        let found = found.forward(&x, &[level, level], &[]).to_f64().to_vec();
        assert_same(&format!("DDPM at {time}"), &found, &numbers(output));
    }
    for of in expected["dncnn"].as_array().unwrap() {
        let file = of["file"].as_str().unwrap();
        let network = DnCnn::read(&folder.join(file), Some([0.1, 0.1])).unwrap();
        assert_eq!((network.config().depth, network.config().width, network.config().channels), (4, 6, 3), "{file}");
        let x = Tensor::from_vec(numbers(&of["x"]), &[2, 60]);
        for network in [network, DnCnn::read(&folder.join(file), Some([0.1, 0.1])).unwrap().folded().unwrap()] {
            let denoiser = network.on([3, 5, 4], [0.0, 1.0]).unwrap();
            assert_same(file, &estimate(&denoiser, &x, 0.1).to_vec(), &numbers(&of["clean"]));
        }
    }
}

fn pictures() -> Samples {
    let mut rng = Rng::new(1);
    let array = Array { shape: vec![20, 8, 8], values: Values::U8((0..1280).map(|_| rng.below(256) as u8).collect()) };
    Samples::from_data(&Data { source: "noise".into(), arrays: vec![("image".into(), array)], ..Data::default() })
        .unwrap()
}

#[test]
fn a_model_takes_such_a_network_and_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let edm_file = folder.path().join("edm.safetensors");
    std::fs::write(&edm_file, edm_with(edm().1, &FILTERS)).unwrap();
    let settings = |place: &Path| NetworkSettings {
        weights: Some(place.to_str().unwrap().to_owned()),
        measured: 0,
        steps: 5,
        schedule: Schedule::Ddpm,
        ..NetworkSettings::default()
    };
    let fit = |settings: &NetworkSettings| {
        DiffusionModel::fit(PriorKind::Network, 9, settings, &json!({}), pictures(), &mut Run::new(1))
    };
    for place in [golden(), edm_file] {
        let model = fit(&settings(&place)).unwrap();
        let mut file = ModelFile::new("test");
        model.save(&mut file).unwrap();
        let back = DiffusionModel::load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        let x = Tensor::from_vec(Rng::new(2).normals(128), &[2, 64]);
        let of = |m: &DiffusionModel| estimate(m.denoiser(), &x, 0.7).to_vec();
        assert_eq!(of(&model), of(&back));
    }
    let settings = settings(&golden());
    assert!(NetworkSettings { conditional: true, ..settings.clone() }.check().is_err());
    let absent = NetworkSettings { weights: Some("no/such/folder".into()), ..settings };
    assert!(fit(&absent).err().unwrap().to_string().contains("cannot be read"));
}

#[test]
fn networks_that_are_damaged_or_not_supported_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = |change: Value| {
        let text = std::fs::read(golden().join("unet/config.json")).unwrap();
        let mut config: Value = serde_json::from_slice(&text).unwrap();
        change.as_object().unwrap().iter().for_each(|(k, v)| config[k] = v.clone());
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    };
    let name = "diffusion_pytorch_model.safetensors";
    let weights = std::fs::read(golden().join("unet").join(name)).unwrap();
    std::fs::write(folder.path().join(name), &weights).unwrap();
    let refuse = |shape: [usize; 3]| read_folder(folder.path(), shape).err().unwrap().to_string();
    for (change, said) in [
        (json!({"act_fn": "gelu"}), "act_fn gelu"),
        (json!({"down_block_types": ["DownBlock2D", "SkipDownBlock2D"]}), "SkipDownBlock2D"),
        (json!({"time_embedding_type": "fourier"}), "fourier"),
        (json!({"norm_num_groups": 3}), "norm_num_groups 3"),
        (json!({"attention_head_dim": 0}), "attention_head_dim 0"),
        (json!({"block_out_channels": [4]}), "block_out_channels"),
        (json!({"block_out_channels": [4, 1_u64 << 62]}), "block_out_channels"),
        (json!({"attn_norm_num_groups": 1}), "attn_norm_num_groups 1"),
        (json!({"mid_block_scale_factor": 2.0}), "mid_block_scale_factor 2"),
        (json!({"block_out_channels": [4, 16]}), "shape"),
        (json!({"num_class_embeds": 10}), "classes"),
        (json!({"in_channels": "many"}), "not understood"),
    ] {
        config(change);
        let message = refuse([1, 8, 8]);
        assert!(message.contains(said), "{said}: {message}");
    }
    config(json!({}));
    let scheduler = folder.path().join("scheduler_config.json");
    std::fs::write(&scheduler, r#"{"rescale_betas_zero_snr": true}"#).unwrap();
    assert!(refuse([1, 8, 8]).contains("rescaled"));
    std::fs::remove_file(&scheduler).unwrap();
    assert!(refuse([3, 8, 8]).contains("in_channels"));
    assert!(refuse([1, 7, 8]).contains("7 x 8"));
    for damaged in
        [&weights[..4], &weights[..100], &weights[..weights.len() - 4], b"\xff\xff\xff\xff\xff\xff\xff\xff12"]
    {
        std::fs::write(folder.path().join(name), damaged).unwrap();
        assert!(refuse([1, 8, 8]).contains("weights"));
    }
}
