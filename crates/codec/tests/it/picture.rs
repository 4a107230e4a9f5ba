//! Photographs in and out.

use crate::fixed;
use elbo_codec::picture::{
    Context, Distortion, Entropy, Part, Photo, PictureCodec, PictureSettings, Trainee, TransformKind,
};
use elbo_core::{Rng, Run, Snapshot};
use elbo_picture::psnr;
use elbo_tensor::Parameters;
use std::collections::HashMap;

/// Small networks.
pub fn settings() -> PictureSettings {
    let whole = PictureSettings::default();
    PictureSettings { latents: 12, second: 4, width: 6, hyper: 6, steps: 4, batch: 2, crop: 32, ..whole }
}

/// A smooth picture with some detail.
pub fn photo([h, w, c]: [usize; 3], seed: u64) -> Photo {
    let mut rng = Rng::new(seed);
    let waves: Vec<[f64; 4]> =
        (0..6).map(|_| [rng.normal(), rng.normal(), rng.range(0.0, 6.0), rng.normal()]).collect();
    let at = |y: usize, x: usize, k: usize| {
        let wave = |v: &[f64; 4]| v[3] * (0.12 * (v[0] * y as f64 + v[1] * x as f64) + v[2] + 0.5 * k as f64).sin();
        (128.0 + 30.0 * waves.iter().map(wave).sum::<f64>()).clamp(0.0, 255.0) as u8
    };
    let bytes = (0..h * w * c).map(|i| at(i / (w * c), i / c % w, i % c)).collect();
    Photo { shape: [h, w, c], bytes }
}

fn trained(entropy: Entropy) -> Trainee {
    trained_with(&settings(), entropy)
}

fn trained_with(settings: &PictureSettings, entropy: Entropy) -> Trainee {
    let mut rng = Rng::new(1);
    let mut trainee = settings.start(entropy, &mut rng);
    let photos = [photo([50, 60, 3], 10), photo([20, 90, 1], 11)];
    settings.train(&mut trainee, &photos, (Part::Whole, 4, true), &mut Run::new(2)).unwrap();
    trainee
}

/// A codec that was trained for a moment.
pub fn model() -> PictureCodec {
    PictureCodec::new(&trained(Entropy::Gaussian), 1).unwrap()
}

#[test]
fn pictures_of_every_size_come_back_in_their_size() {
    let codec = model();
    for shape in [[1, 1, 1], [1, 1, 3], [31, 33, 3], [32, 32, 3], [7, 100, 1], [65, 40, 3], [3, 500, 3]] {
        let photo = photo(shape, 5);
        let file = codec.encode(&photo, 7).unwrap();
        let back = codec.decode(&file).unwrap();
        assert_eq!(back.shape, shape);
        assert_eq!(codec.decode(&file).unwrap(), back);
        if shape[0] > 6 {
            let quality = psnr(&photo.bytes, &back.bytes, 255.0);
            assert!(quality > 25.0, "{shape:?}: {quality} dB");
        }
    }
}

#[test]
fn stages_are_timed_and_the_file_and_the_picture_are_the_same() {
    let codec = model();
    let photo = photo([90, 130, 3], 4);
    let (file, there) = codec.encode_timed(&photo, 3).unwrap();
    assert_eq!(file, codec.encode(&photo, 3).unwrap());
    let (back, again) = codec.decode_timed(&file).unwrap();
    assert_eq!(back, codec.decode(&file).unwrap());
    for stages in [there, again] {
        assert!(stages.transform > 0.0 && stages.prediction > 0.0 && stages.coder > 0.0, "{stages:?}");
    }
}

#[test]
fn better_qualities_have_larger_files_and_better_pictures() {
    let rates = model().rates(&[photo([96, 96, 3], 6)]).unwrap();
    assert!(rates[0].rate < rates[4].rate && rates[4].rate < rates[7].rate, "{rates:?}");
    assert!(rates[0].psnr < rates[4].psnr, "{rates:?}");
}

#[test]
fn files_are_the_same_bytes_for_any_number_of_threads() {
    let codec = model();
    let photo = photo([200, 150, 3], 7);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let file = codec.encode(&photo, 3).unwrap();
            let back = codec.decode(&file).unwrap();
            (file, back)
        })
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn every_density_codes_and_learned_shapes_move() {
    let shaped = [Entropy::GeneralisedModel, Entropy::GeneralisedChannel, Entropy::GeneralisedElement];
    for entropy in [Entropy::Laplace, Entropy::Logistic, Entropy::Mixture].into_iter().chain(shaped) {
        let mut trainee = trained(entropy);
        let before = trainee.hyper.shapes();
        let photos = [photo([64, 64, 3], 12)];
        settings().train(&mut trainee, &photos, (Part::Entropy, 3, true), &mut Run::new(3)).unwrap();
        if before.is_some() {
            assert_ne!(trainee.hyper.shapes(), before, "{entropy:?}");
        }
        let codec = PictureCodec::new(&trainee, 1).unwrap();
        let back = codec.decode(&codec.encode(&photos[0], 4).unwrap()).unwrap();
        assert!(psnr(&photos[0].bytes, &back.bytes, 255.0) > 24.0, "{entropy:?}");
    }
}

#[test]
fn tables_and_files_are_those_of_the_first_release_in_every_build_and_for_any_number_of_threads() {
    let codecs = fixed::EXPECTED.map(|(entropy, context, _)| fixed::codec(entropy, context).unwrap());
    for threads in [1, 2, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| codecs.each_ref().map(|codec| fixed::digests(codec).unwrap()));
        assert_eq!(found, fixed::EXPECTED.map(|(.., expected)| expected.map(String::from)), "{threads} threads");
    }
}

/// The same numbers for every parameter that both have.
fn take_over(trainee: &mut Trainee, from: &Trainee) {
    let mut known = HashMap::new();
    from.visit(&mut |name, p| drop(known.insert(name.to_owned(), p.value())));
    trainee.visit_mut(&mut |name, p| {
        if let Some(values) = known.get(name) {
            p.set(values).unwrap();
        }
    });
}

#[test]
fn contexts_code_and_save_rate_against_the_same_networks_trained_as_long_without() {
    let photos = [photo([96, 96, 3], 12)];
    let start = trained(Entropy::Gaussian);
    let train = |settings: &PictureSettings, trainee: &mut Trainee| {
        settings.train(trainee, &photos, (Part::Entropy, 40, false), &mut Run::new(3)).unwrap();
        PictureCodec::new(trainee, 1).unwrap()
    };
    let without = train(&settings(), &mut start.clone()).cross_entropy(&photos[0], 4).unwrap();
    for context in [Context::Checkerboard, Context::Channels, Context::Serial] {
        let settings = PictureSettings { context, ..settings() };
        let mut trainee = settings.start(Entropy::Gaussian, &mut Rng::new(1));
        take_over(&mut trainee, &start);
        let codec = train(&settings, &mut trainee);
        let file = codec.encode(&photos[0], 4).unwrap();
        let back = codec.decode(&file).unwrap();
        assert!(psnr(&photos[0].bytes, &back.bytes, 255.0) > 24.0, "{context:?}");
        let entropy = codec.cross_entropy(&photos[0], 4).unwrap();
        assert!((8.0 * file.len() as f64) < entropy + 8.0 * 260.0, "{context:?}");
        assert!(entropy < without, "{context:?}: {entropy} bits, {without} without");
    }
}

#[test]
fn strided_convolutions_with_divisive_normalisation_train_and_code() {
    let settings = PictureSettings { transform: TransformKind::Gdn, width: 12, ..settings() };
    let trainee = trained_with(&settings, Entropy::Gaussian);
    let start = settings.start(Entropy::Gaussian, &mut Rng::new(1));
    let values = |trainee: &Trainee| {
        let mut all = HashMap::new();
        trainee.transform.visit(&mut |name, p| drop(all.insert(name.to_owned(), p.value())));
        all
    };
    let (before, after) = (values(&start), values(&trainee));
    for name in ["analysis.0", "synthesis.2", "analysis.gdn.0.gamma", "synthesis.gdn.1.beta"] {
        assert_ne!(before[name], after[name], "{name} stays");
    }
    let codec = PictureCodec::new(&trainee, 1).unwrap();
    for shape in [[1, 1, 1], [45, 70, 3]] {
        let photo = photo(shape, 5);
        let file = codec.encode(&photo, 7).unwrap();
        let back = codec.decode(&file).unwrap();
        assert_eq!((back.shape, &codec.decode(&file).unwrap()), (shape, &back));
        assert!(shape[0] == 1 || psnr(&photo.bytes, &back.bytes, 255.0) > 20.0, "{shape:?}");
    }
}

#[test]
fn mixtures_of_gaussians_code_with_every_context_and_for_any_number_of_threads() {
    let photos = [photo([64, 64, 3], 12)];
    for context in [Context::None, Context::Checkerboard, Context::Channels, Context::Serial] {
        let settings = PictureSettings { context, ..settings() };
        let mut trainee = trained_with(&settings, Entropy::Gaussian);
        trainee.hyper.set_entropy(Entropy::Mixture);
        settings.train(&mut trainee, &photos, (Part::Entropy, 3, true), &mut Run::new(3)).unwrap();
        let codec = PictureCodec::new(&trainee, 1).unwrap();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let file = codec.encode(&photos[0], 4).unwrap();
                let back = codec.decode(&file).unwrap();
                (file, back)
            })
        };
        let (mut file, back) = with(1);
        assert_eq!(with(3), (file.clone(), back.clone()), "{context:?}");
        assert!(psnr(&photos[0].bytes, &back.bytes, 255.0) > 24.0, "{context:?}");
        let entropy = codec.cross_entropy(&photos[0], 4).unwrap();
        let bits = 8.0 * file.len() as f64;
        assert!((entropy..entropy + 8.0 * 260.0).contains(&bits), "{context:?}: {bits} bits, {entropy} by the shares");
        let at = file.len() - 40;
        file[at] ^= 1;
        assert!(codec.decode(&file).unwrap_err().to_string().contains("chunk 2 of 2"), "{context:?}");
        assert_eq!(codec.salvage(&file).unwrap().1, [1], "{context:?}");
    }
}

#[test]
fn the_entropy_part_trains_alone() {
    let mut trainee = trained(Entropy::Gaussian);
    let file = |t: &Trainee| {
        let mut file = elbo_core::ModelFile::new("test");
        t.save(&mut file, "t");
        file
    };
    let before = file(&trainee);
    settings().train(&mut trainee, &[photo([64, 64, 3], 1)], (Part::Entropy, 3, true), &mut Run::new(3)).unwrap();
    let after = file(&trainee);
    for name in before.names() {
        let moved = before.get_f32(name).unwrap() != after.get_f32(name).unwrap();
        let is_fixed = name.starts_with("t.transform") || name.contains("encoder");
        assert!(!(moved && is_fixed), "{name} moved");
    }
    let decoder = "t.hyper.decoder.2_bias";
    assert_ne!(before.get_f32(decoder).unwrap(), after.get_f32(decoder).unwrap());
}

#[test]
fn a_loss_of_similarity_trains_and_its_rates_show_the_similarity() {
    let settings = PictureSettings { loss: Distortion::MsSsim, crop: 64, ..settings() };
    let trainee = trained_with(&settings, Entropy::Gaussian);
    let codec = PictureCodec::new(&trainee, 1).unwrap();
    let photos = [photo([170, 165, 3], 13), photo([40, 200, 3], 14)];
    let rates = codec.rates_with_similarity(&photos).unwrap();
    let similarity = |k: usize| rates[k].ms_ssim.unwrap();
    assert!(similarity(0) < similarity(7) && similarity(7) <= 1.0 && similarity(0) > 0.5, "{rates:?}");
    assert!(codec.rates(&photos).unwrap().iter().all(|p| p.ms_ssim.is_none()));
    // No picture here is large enough for five scales.
    assert!(codec.rates_with_similarity(&photos[1..]).unwrap().iter().all(|p| p.ms_ssim.is_none()));
    // The squared error makes other networks of the same parts.
    let usual = trained_with(&PictureSettings { loss: Distortion::Mse, ..settings }, Entropy::Gaussian);
    let file = |t: &Trainee| {
        let mut file = elbo_core::ModelFile::new("test");
        t.save(&mut file, "t");
        file.to_bytes()
    };
    assert!(file(&trainee) != file(&usual));
}
