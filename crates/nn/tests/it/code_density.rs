//! Densities of the codes of the training data: moments, files, and what is refused.

use crate::common::{normals, shake, small};
use elbo_core::{ModelFile, Rng, Run};
use elbo_nn::model::LatentSettings;
use elbo_nn::vae::{
    CodeDensity, CodeDensityConfig, Family, LikelihoodConfig, Noise, ObjectiveConfig, PriorConfig, Term, Vae, VaeConfig,
};
use elbo_tensor::{Parameters, Tensor};

/// An autoencoder with codes in two groups, and its data.
fn two_groups(rows: usize) -> (Vae, Vec<f32>) {
    let mut rng = Rng::new(1);
    let likelihood = LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 0.5 } };
    let config = small(likelihood, Family::Dirac, PriorConfig::Standard);
    let objective = ObjectiveConfig { draws: 1, terms: vec![Term::Reconstruction.into()] };
    let mut vae = config.build(&[3], &objective, &mut rng).unwrap();
    shake(&mut vae, 0.5, &mut rng);
    let group = Tensor::from_vec((0..rows).map(|i| if i % 2 == 0 { 2.0 } else { -2.0 }).collect(), &[rows, 1]);
    let x = normals(&[rows, 3], &mut rng) * 0.3 + group;
    let values = x.to_vec().iter().map(|v| *v as f32).collect();
    (vae, values)
}

fn covariance(codes: &Tensor) -> Tensor {
    let centred = codes - codes.mean_axis(0, true);
    centred.t().matmul(&centred) * (1.0 / codes.size(0) as f64)
}

#[test]
fn draws_of_one_normal_have_the_moments_of_the_codes() {
    let (vae, values) = two_groups(400);
    let codes = vae.encode(&values).mean().clone();
    let one = CodeDensityConfig::Mixture { components: 1 };
    let density = CodeDensity::fit(&one, &vae, &values, &mut Run::new(2)).unwrap();
    let count = 20_000;
    let drawn = density.sample(count, &mut Rng::new(3));
    assert_eq!(drawn.shape(), [count, 2]);
    let spread = covariance(&codes);
    let (found, variances) = (covariance(&drawn), spread.diagonal().to_vec());
    let root = (count as f64).sqrt();
    for i in 0..2 {
        let off = drawn.mean_axis(0, false).to_vec()[i] - codes.mean_axis(0, false).to_vec()[i];
        assert!(off.abs() < 4.0 * variances[i].sqrt() / root + 1e-6, "{off}");
        for j in 0..2 {
            let (a, b) = (found.row(i).to_vec()[j], spread.row(i).to_vec()[j]);
            let error = (variances[i] * variances[j] + b * b).sqrt() / root;
            assert!((a - b).abs() < 4.0 * error + 1e-5, "{i}, {j}: {a} for {b}");
        }
    }
}

#[test]
fn several_normals_follow_codes_in_groups_where_one_does_not() {
    let (vae, values) = two_groups(400);
    let codes = vae.encode(&values).mean().clone();
    // Along the line between the groups, in units of half their distance.
    let middle = |start: usize| {
        let rows: Vec<usize> = (start..400).step_by(2).collect();
        codes.index_select(0, &Tensor::indices(&rows)).mean_axis(0, false)
    };
    let (a, b) = (middle(0), middle(1));
    let (centre, half) = ((&a + &b) * 0.5, (&a - &b) * 0.5);
    let share = |components: usize| {
        let config = CodeDensityConfig::Mixture { components };
        let density = CodeDensity::fit(&config, &vae, &values, &mut Run::new(4)).unwrap();
        let drawn = density.sample(4000, &mut Rng::new(5)) - &centre;
        let along = (drawn * &half).sum_axis(-1, false) / half.square().sum();
        along.abs().lt_scalar(0.3).to_vec().iter().sum::<f64>() / 4000.0
    };
    // A normal with the moments of the groups has its mode between them.
    let (one, two) = (share(1), share(2));
    assert!(one > 0.15 && two < 0.5 * one, "{one} with one normal, {two} with two");
}

#[test]
fn a_second_stage_has_about_the_moments_of_the_codes() {
    let (vae, values) = two_groups(400);
    let codes = vae.encode(&values).mean().clone();
    let config = CodeDensityConfig::Vae { hidden: vec![32], epochs: 150 };
    let density = CodeDensity::fit(&config, &vae, &values, &mut Run::new(6)).unwrap();
    let drawn = density.sample(4000, &mut Rng::new(7));
    let (expected, found) = (codes.variance_axis(0, false, 1).sqrt(), drawn.variance_axis(0, false, 1).sqrt());
    let off = (drawn.mean_axis(0, false) - codes.mean_axis(0, false)).abs() / &expected;
    assert!(off.max().item() < 0.4, "{off:?}");
    let ratio = (found / expected).to_vec();
    assert!(ratio.iter().all(|r| (0.6..1.5).contains(r)), "{ratio:?}");
    // Independent draws of these means and deviations have a correlation of 0, give or take 0.016.
    let correlation = |z: &Tensor| {
        let c = covariance(z).to_vec();
        c[1] / (c[0] * c[3]).sqrt()
    };
    let (expected, found) = (correlation(&codes), correlation(&drawn));
    assert!(expected.abs() > 0.8 && found * expected.signum() > 0.5 * expected.abs(), "{found} for {expected}");
}

#[test]
fn numbers_that_are_the_same_in_all_codes_stay_so() {
    let (mut vae, values) = two_groups(60);
    vae.visit_mut(&mut |name, p| {
        if name.starts_with("encoder") {
            // Biases alone.
            let value = if p.shape().len() == 1 { 0.3 } else { 0.0 };
            p.set_free(&vec![value; p.len()]);
        }
    });
    let code = vae.encode(&values).mean().row(0).to_vec();
    assert!(code.iter().all(|c| *c > 0.0), "{code:?}");
    let config = CodeDensityConfig::Vae { hidden: vec![8], epochs: 2 };
    let density = CodeDensity::fit(&config, &vae, &values, &mut Run::new(10)).unwrap();
    for drawn in density.sample(5, &mut Rng::new(11)).to_vec().chunks_exact(2) {
        assert!(drawn.iter().zip(&code).all(|(a, b)| (a - b).abs() < 1e-6), "{drawn:?} for {code:?}");
    }
}

#[test]
fn a_second_stage_that_time_ends_says_so() {
    let (vae, values) = two_groups(60);
    let fit = |epochs: usize, run: &mut Run| {
        let config = CodeDensityConfig::Vae { hidden: vec![8], epochs };
        CodeDensity::fit(&config, &vae, &values, run).unwrap();
        (run.stopped_early(), run.warnings().to_vec())
    };
    let (is_stopped, ended) = fit(10_000_000, &mut Run::new(12).with_time(std::time::Duration::from_secs(1)));
    assert!(is_stopped);
    for part in ["stopped before its end", "the time budget was used up after"] {
        assert!(ended.iter().any(|w| w.contains(part)), "{ended:?}");
    }
    let (is_stopped, whole) = fit(2, &mut Run::new(12));
    assert!(!is_stopped && whole.is_empty(), "{whole:?}");
}

#[test]
fn a_file_keeps_a_density_and_one_without_has_none() {
    let (vae, values) = two_groups(60);
    let none = CodeDensity::load(&ModelFile::new("test"), "density", 2).unwrap();
    assert!(none.is_none());
    for config in [CodeDensityConfig::Mixture { components: 3 }, CodeDensityConfig::Vae { hidden: vec![8], epochs: 2 }]
    {
        let density = CodeDensity::fit(&config, &vae, &values, &mut Run::new(8)).unwrap();
        let mut file = ModelFile::new("test");
        density.save(&mut file, "density");
        let back = CodeDensity::load(&ModelFile::from_bytes(&file.to_bytes()).unwrap(), "density", 2).unwrap().unwrap();
        let draw = |density: &CodeDensity| density.sample(10, &mut Rng::new(9)).to_vec();
        assert_eq!(draw(&density), draw(&back), "{config:?}");
        assert_eq!(density.describe(), back.describe());
        assert!(CodeDensity::load(&file, "density", 3).is_err(), "{config:?}");
    }
}

#[test]
fn densities_are_set_by_a_word_and_are_of_codes_that_are_free_numbers() {
    let read = |text: &str| serde_json::from_str::<LatentSettings>(text).unwrap();
    assert_eq!(read(r#"{"density": "mixture"}"#).density, Some(CodeDensityConfig::Mixture { components: 10 }));
    assert_eq!(read(r#"{"density": "gmm"}"#).density, Some(CodeDensityConfig::Mixture { components: 10 }));
    let second = CodeDensityConfig::Vae { hidden: vec![128, 128], epochs: 100 };
    assert_eq!(read(r#"{"density": "vae"}"#).density, Some(second));
    assert_eq!(read("{}").density, None);
    for (text, part) in [
        (r#"{"density": "mixture", "family": "vmf"}"#, "`family` is vmf"),
        (r#"{"density": "vae", "family": "categorical"}"#, "`family` is categorical"),
        (r#"{"density": {"type": "mixture", "components": 0}}"#, "`density.components` is 0"),
        (r#"{"density": {"type": "vae", "epochs": 0}}"#, "`density.epochs` is 0"),
        (r#"{"density": {"type": "vae", "hidden": [0]}}"#, "`density.hidden` is 0"),
    ] {
        let error = read(text).check().unwrap_err();
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    let (vae, values) = two_groups(4);
    let many = CodeDensityConfig::Mixture { components: 5 };
    let error = CodeDensity::fit(&many, &vae, &values, &mut Run::new(0)).err().unwrap();
    assert!(error.to_string().contains("4 points for 5 normals"), "{error}");
    let sphere = VaeConfig { family: Family::Vmf(Default::default()), ..vae.config().clone() };
    let sphere = sphere.build(&[3], &ObjectiveConfig::default(), &mut Rng::new(0)).unwrap();
    assert!(CodeDensity::fit(&many, &sphere, &values, &mut Run::new(0)).is_err());
}
