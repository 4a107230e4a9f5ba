//! Claims and laws of the systems.

use elbo_core::{AnySystem, Error, FromData, ModelFile, Run, Views};
use elbo_splat::make::{Recipe, make, to_data};
use elbo_splat::scene::Scene;
use elbo_systems_splat::{SYSTEMS, gs_mcmc};
use serde_json::json;

elbo_core::claim_tests! {
    SYSTEMS, seeds [31];
    gs_mcmc_holds: "gs-mcmc",
    gaussian_splatting_holds: "gaussian-splatting",
}

fn small() -> elbo_core::Data {
    to_data(&make(&Recipe { views: 12, size: 24, bodies: 2, points: 100, rays: 1, ..Recipe::default() }, 5).scene)
}

#[test]
fn the_cap_is_exact_and_a_scene_can_be_rendered_again() {
    let system: &dyn AnySystem = &gs_mcmc::GsMcmc;
    let settings = json!({"steps": 150, "cap": 137, "refine_every": 10, "test_every": 4});
    let data = small();
    let model = system.fit(&settings, &data, &mut Run::new(1)).unwrap();
    let metric = |name: &str| model.summary().metrics.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
    assert_eq!(metric("gaussians"), Some(137.0));
    let extent = Scene::from_data(&data).unwrap().extent();
    assert!((metric("extent").unwrap() - extent).abs() < 1e-9 * extent);
    assert!(metric("psnr").unwrap() > 10.0 && metric("ssim").unwrap() > 0.1);
    assert!(metric("percep").is_some_and(|d| d > 0.0 && d < 0.5) && metric("lpips_alex").is_none());

    let renderer = model.as_render().unwrap();
    let orbit = renderer.render(&Views::Orbit { count: 3, size: Some([20, 16]) }, &mut Run::new(0)).unwrap();
    assert_eq!(orbit.get("image").unwrap().shape, [3, 16, 20, 3]);
    assert_eq!(orbit.get("depth").unwrap().shape, [3, 16, 20]);
    let again = renderer.render(&Views::Data(data), &mut Run::new(0)).unwrap();
    assert_eq!(again.get("image").unwrap().shape, [12, 24, 24, 3]);

    let mut file = ModelFile::new("gs-mcmc");
    model.save(&mut file).unwrap();
    let back = system.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    let from_back =
        back.as_render().unwrap().render(&Views::Orbit { count: 3, size: Some([20, 16]) }, &mut Run::new(0));
    assert_eq!(from_back.unwrap(), orbit);

    // The sums of the table are among what `fit --json` tells, and the file keeps both.
    let table = model.tables().into_iter().find(|t| t.name == "refinements").unwrap();
    assert_eq!(back.tables(), model.tables());
    assert_eq!(metric("refinements"), Some(table.rows.len() as f64));
    for name in ["relocated", "added", "cloned", "split", "deleted"] {
        let column = table.columns.iter().position(|c| c == name).unwrap();
        let sum: f64 = table.rows.iter().map(|row| row[column].parse::<f64>().unwrap()).sum();
        assert_eq!(metric(name), Some(sum), "{name}");
    }
    assert_eq!(metric("added"), Some(37.0));
    let figures = back.figures();
    assert!(figures.len() == 2 && figures[0].name == "number-of-gaussians");

    let mut look: serde_json::Value = file.fact("look").unwrap();
    look["orbit"]["size"] = json!([0, 16]);
    file.set("look", &look);
    assert!(system.load(&file).err().unwrap().to_string().contains("cameras"));
}

#[test]
fn a_scene_far_away_in_another_unit_fits_as_well() {
    let mut scene =
        make(&Recipe { views: 10, size: 24, bodies: 2, points: 100, rays: 1, ..Recipe::default() }, 5).scene;
    let config = json!({"steps": 60, "cap": 120, "refine_every": 10});
    let psnr = |scene: &Scene| {
        let model = AnySystem::fit(&gs_mcmc::GsMcmc, &config, &to_data(scene), &mut Run::new(1)).unwrap();
        model.summary().metrics.iter().find(|(n, _)| n == "psnr").unwrap().1
    };
    let here = psnr(&scene);
    scene.transform(500.0, [1000.0, -2000.0, 300.0]);
    let there = psnr(&scene);
    // The same up to rounding, which sixty steps amplify.
    assert!((here - there).abs() < 0.5, "{here} {there}");
}

#[test]
fn bad_input_is_refused_by_name() {
    let system: &dyn AnySystem = &gs_mcmc::GsMcmc;
    let quick = json!({"steps": 5, "cap": 100});
    let refused = |settings: &serde_json::Value, data: &elbo_core::Data, what: &str| {
        let error = system.fit(settings, data, &mut Run::new(1)).err().expect(what);
        assert!(error.to_string().contains(what), "{error}, expected `{what}`");
        assert!(!error.remedy().is_empty());
        error
    };
    let data = small();
    let error = refused(&json!({"cap": 50}), &data, "cap");
    assert!(matches!(error, Error::Setting { .. }) && error.to_string().contains("MB"), "{error}");
    refused(&json!({"test_every": 1}), &data, "test_every");
    refused(&json!({"degree": 4}), &data, "degree");
    refused(&json!({"lpips": "no-such-file"}), &data, "the weights of LPIPS cannot be read");
    let change = |name: &str, change: &dyn Fn(&mut elbo_core::Array)| {
        let mut data = data.clone();
        change(&mut data.arrays.iter_mut().find(|(n, _)| n == name).unwrap().1);
        data
    };
    let numbers = |array: &mut elbo_core::Array, at: usize, value: f64| {
        let elbo_core::Values::F64(values) = &mut array.values else { panic!("cameras are numbers") };
        values[at] = value;
    };
    refused(&quick, &change("pose", &|a| numbers(a, 3, f64::NAN)), "not a number");
    refused(&quick, &change("pose", &|a| numbers(a, 0, 7.0)), "not a rotation");
    refused(&quick, &change("intrinsics", &|a| numbers(a, 0, -1.0)), "focal lengths");
    refused(&quick, &data.take_rows(&[0]), "1 pictures");
    refused(&quick, &change("intrinsics", &|a| a.shape = vec![24, 2]), "intrinsics");
    let mut without = data.clone();
    without.arrays.retain(|(n, _)| n != "points");
    refused(&json!({"start": "points"}), &without, "no points");
    without.arrays.retain(|(n, _)| n != "pose");
    refused(&quick, &without, "no scene");
}
