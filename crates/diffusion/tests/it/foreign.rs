//! Networks that were trained elsewhere; `golden/make_diffusers.py` made what they are compared with.

use elbo_core::{Array, Data, FromData, Model, ModelFile, Rng, Run, Samples, Values};
use elbo_diffusion::Schedule;
use elbo_diffusion::denoiser::estimate;
use elbo_diffusion::model::{DiffusionModel, NetworkSettings, PriorKind};
use elbo_diffusion::network::foreign::read_folder;
use elbo_diffusion::network::{Network, NetworkDenoiser};
use elbo_diffusion::parameterisation::Preconditioning;
use elbo_diffusion::schedule::ddpm_levels;
use elbo_tensor::Tensor;
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

/// The golden weights under the names of the paper's network, with attention as convolutions.
fn in_the_papers_names(file: &[u8]) -> Vec<u8> {
    let end = 8 + u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let header: serde_json::Map<String, Value> = serde_json::from_slice(&file[8..end]).unwrap();
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
    let old = |(name, mut entry): (String, Value)| {
        if name.contains("attentions.") && entry["shape"].as_array().is_some_and(|shape| shape.len() == 2) {
            entry["shape"].as_array_mut().unwrap().extend([json!(1), json!(1)]);
        }
        (names.iter().fold(name, |name, (today, old)| name.replace(today, old)), entry)
    };
    let header: serde_json::Map<String, Value> = header.into_iter().map(old).collect();
    let text = serde_json::to_vec(&header).unwrap();
    [&(text.len() as u64).to_le_bytes()[..], &text, &file[end..]].concat()
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

fn pictures() -> Samples {
    let mut rng = Rng::new(1);
    let array = Array { shape: vec![20, 8, 8], values: Values::U8((0..1280).map(|_| rng.below(256) as u8).collect()) };
    Samples::from_data(&Data { source: "noise".into(), arrays: vec![("image".into(), array)], ..Data::default() })
        .unwrap()
}

#[test]
fn a_model_takes_such_a_network_and_keeps_it() {
    let weights = Some(golden().to_str().unwrap().to_owned());
    let settings =
        NetworkSettings { weights, measured: 0, steps: 5, schedule: Schedule::Ddpm, ..NetworkSettings::default() };
    let fit = |settings: &NetworkSettings| {
        DiffusionModel::fit(PriorKind::Network, 9, settings, &json!({}), pictures(), &mut Run::new(1))
    };
    let model = fit(&settings).unwrap();
    let mut file = ModelFile::new("test");
    model.save(&mut file).unwrap();
    let back = DiffusionModel::load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    let x = Tensor::from_vec(Rng::new(2).normals(128), &[2, 64]);
    let of = |m: &DiffusionModel| estimate(m.denoiser(), &x, 0.7).to_vec();
    assert_eq!(of(&model), of(&back));
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
