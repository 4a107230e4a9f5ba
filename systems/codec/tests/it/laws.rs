//! A fitted model keeps its promises: files, saved models, bad input.

use elbo_core::{AnySystem, Array, Data, Model, ModelFile, Run, Values};
use elbo_systems_codec::SYSTEMS;
use serde_json::{Value, json};

fn quick() -> Value {
    json!({"latents": 12, "second": 4, "width": 8, "hyper": 8, "steps": 3, "crop": 32, "batch": 2})
}

fn picture(shape: [usize; 3], seed: usize) -> Array {
    let [h, w, c] = shape;
    let value = |i: usize| {
        let (y, x, k) = (i / (w * c), i / c % w, i % c);
        (128.0 + 60.0 * ((y + seed) as f64 / 7.0).sin() + 50.0 * ((x * (k + 1)) as f64 / 11.0).cos()) as u8
    };
    Array { shape: vec![1, h, w, c], values: Values::U8((0..h * w * c).map(value).collect()) }
}

fn data(arrays: Vec<Array>) -> Data {
    let named = arrays.into_iter().enumerate().map(|(i, a)| (format!("{i}.png"), a)).collect();
    Data { source: "photos".into(), arrays: named, ..Data::default() }
}

fn fitted(system: &dyn AnySystem) -> Box<dyn Model> {
    let photos = data(vec![picture([40, 50, 3], 0), picture([33, 20, 1], 3)]);
    system.fit(&quick(), &photos, &mut Run::new(1)).unwrap()
}

#[test]
fn a_saved_model_reads_the_files_of_the_first_and_another_one_refuses_them() {
    let models: Vec<Box<dyn Model>> = SYSTEMS.iter().map(|s| fitted(*s)).collect();
    let mut files = vec![];
    for (system, model) in SYSTEMS.iter().zip(&models) {
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let back = system.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        let photo = data(vec![picture([45, 31, 3], 9)]);
        let codec = model.as_compress().unwrap();
        let bytes = codec.compress(&photo, &json!({"quality": 6}), &mut Run::new(0)).unwrap();
        let picture = codec.decompress(&bytes).unwrap();
        assert_eq!(picture.arrays[0].1.shape, [1, 45, 31, 3]);
        assert_eq!(back.as_compress().unwrap().decompress(&bytes).unwrap(), picture);
        assert_eq!(
            back.as_compress().unwrap().compress(&photo, &json!({"quality": 6}), &mut Run::new(5)).unwrap(),
            bytes
        );
        files.push(bytes);
    }
    let error = models[0].as_compress().unwrap().decompress(&files[1]).unwrap_err();
    assert!(error.to_string().contains("another model"), "{error}");
}

#[test]
fn both_transforms_are_chosen_by_a_setting_and_a_file_without_it_is_of_the_lapped_one() {
    let photo = data(vec![picture([45, 31, 3], 9)]);
    let photos = data(vec![picture([40, 50, 3], 0)]);
    for system in SYSTEMS {
        let mut lapped = quick();
        if system.card().id == "ggm-codec" {
            lapped["entropy_steps"] = json!(3);
        }
        let mut gdn = lapped.clone();
        gdn["transform"] = json!("gdn");
        let model = system.fit(&gdn, &photos, &mut Run::new(1)).unwrap();
        assert!(model.summary().text.contains("divisive normalisation"), "{}", model.summary().text);
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let back = system.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        let bytes = |model: &dyn Model| {
            model.as_compress().unwrap().compress(&photo, &json!({"quality": 6}), &mut Run::new(0)).unwrap()
        };
        assert_eq!(bytes(back.as_ref()), bytes(model.as_ref()));
        // As a file was before there was a choice.
        let model = system.fit(&lapped, &photos, &mut Run::new(1)).unwrap();
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let mut known: Value = file.fact("settings").unwrap();
        assert_eq!(known.as_object_mut().unwrap().remove("transform"), Some(json!("lapped")));
        file.set("settings", &known);
        assert_eq!(bytes(system.load(&file).unwrap().as_ref()), bytes(model.as_ref()));
    }
    assert!(SYSTEMS[0].fit(&json!({"transform": "fourier"}), &photos, &mut Run::new(1)).is_err());
}

#[test]
fn a_model_of_mixtures_comes_back_from_its_file_and_with_changed_tables_is_refused() {
    let system = SYSTEMS[0];
    let mut settings = quick();
    settings["density"] = json!("mixture");
    let photo = data(vec![picture([45, 31, 3], 9)]);
    let model = system.fit(&settings, &photo, &mut Run::new(1)).unwrap();
    let mut file = ModelFile::new(system.card().id);
    model.save(&mut file).unwrap();
    let back = system.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    let codec = model.as_compress().unwrap();
    let bytes = codec.compress(&photo, &json!({"quality": 6}), &mut Run::new(0)).unwrap();
    let restored = back.as_compress().unwrap().decompress(&bytes).unwrap();
    assert_eq!(restored, codec.decompress(&bytes).unwrap());
    let mut below = file.get_i64("frozen.mixture.below").unwrap();
    below[9] += 1;
    file.put_i64("frozen.mixture.below", &[below.len()], &below);
    let error = system.load(&file).err().expect("refused").to_string();
    assert!(error.contains("tables are damaged"), "{error}");
}

#[test]
fn a_model_file_with_changed_tables_is_refused() {
    let system = SYSTEMS[0];
    let mut file = ModelFile::new(system.card().id);
    fitted(system).save(&mut file).unwrap();
    let mut own = file.get_i64("frozen.own").unwrap();
    own[0] += 1;
    file.put_i64("frozen.own", &[own.len()], &own);
    let error = system.load(&file).err().expect("refused").to_string();
    assert!(error.contains("tables are damaged"), "{error}");
}

#[test]
fn the_coder_is_a_setting_and_the_file_says_which_one_wrote_it() {
    let model = fitted(SYSTEMS[0]);
    let codec = model.as_compress().unwrap();
    let photo = data(vec![picture([45, 31, 3], 9)]);
    let file = |settings: &Value| codec.compress(&photo, settings, &mut Run::new(0)).unwrap();
    let plain = file(&json!({}));
    assert_eq!(file(&codec.defaults()), plain);
    assert_eq!(file(&json!({"coder": "rans", "skip_zeros": false})), plain);
    let restored = codec.decompress(&plain).unwrap();
    let range = file(&json!({"coder": "range"}));
    assert_ne!(range, plain);
    for bytes in [range, file(&json!({"skip_zeros": true})), file(&json!({"coder": "range", "skip_zeros": true}))] {
        assert_eq!(codec.decompress(&bytes).unwrap(), restored);
    }
}

#[test]
fn bad_pictures_and_settings_are_refused_with_a_remedy() {
    let model = fitted(SYSTEMS[0]);
    let codec = model.as_compress().unwrap();
    let refused = |data: &Data, settings: Value, expected: &str| {
        let error = codec.compress(data, &settings, &mut Run::new(0)).unwrap_err();
        assert!(error.to_string().contains(expected) && error.remedy().len() > 5, "{error}; {}", error.remedy());
    };
    let one = data(vec![picture([9, 9, 3], 0)]);
    refused(&one, json!({"quality": 9}), "quality");
    refused(&one, json!({"quality": 0.5}), "quality");
    refused(&one, json!({"qualty": 3}), "qualty");
    refused(&one, json!({"coder": "huffman"}), "coder");
    refused(&one, json!({"coder": 1}), "coder");
    refused(&one, json!({"skip_zeros": "yes"}), "skip_zeros");
    refused(&data(vec![]), json!({}), "holds no pictures");
    refused(&data(vec![picture([9, 9, 3], 0), picture([9, 9, 3], 1)]), json!({}), "2 pictures");
    let real = Array { shape: vec![1, 2, 2, 3], values: Values::F64(vec![0.5; 12]) };
    refused(&data(vec![real]), json!({}), "does not hold bytes");
    let five = Array { shape: vec![1, 2, 2, 5], values: Values::U8(vec![0; 20]) };
    refused(&data(vec![five]), json!({}), "has the shape");
    let none = Array { shape: vec![1, 0, 2, 3], values: Values::U8(vec![]) };
    refused(&data(vec![none]), json!({}), "no pixels");
}

#[test]
fn a_fit_goes_on_from_a_checkpoint_to_the_same_bits() {
    use elbo_core::run::Checkpoints;
    let system = SYSTEMS[1];
    let settings = json!({"latents": 8, "second": 4, "width": 4, "hyper": 4, "steps": 4, "entropy_steps": 4, "crop": 32, "batch": 2});
    let photos = data(vec![picture([40, 50, 3], 0)]);
    let bytes = |model: &dyn Model| {
        let mut file = ModelFile::new("m");
        model.save(&mut file).unwrap();
        file.to_bytes()
    };
    let whole = system.fit(&settings, &photos, &mut Run::new(4)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let header = ModelFile::new(system.card().id);
    let every = std::time::Duration::ZERO;
    let mut run = Run::new(4).with_checkpoints(Checkpoints { path: path.clone(), every, header });
    system.fit(&settings, &photos, &mut run).unwrap();
    // The last checkpoint is of the last step of the second stage; what went before it must not matter.
    let file = ModelFile::read(&path).unwrap();
    let resumed = system.fit(&settings, &photos, &mut Run::new(4).resuming(file)).unwrap();
    assert!(bytes(resumed.as_ref()) == bytes(whole.as_ref()), "another model");
}
