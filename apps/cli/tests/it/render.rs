//! `elbo fit` of a scene's folder, and `elbo render` of what came out.

use crate::folder::Folder;
use elbo::splat::make::{Recipe, make, transforms_json};
use elbo::splat::scene::interleaved;
use elbo_report::picture::png;

/// A made-up scene as a folder `scene`.
pub fn folder() -> Folder {
    let folder = Folder::new();
    let scene = make(&Recipe { views: 12, size: 24, bodies: 2, points: 100, rays: 1, ..Recipe::default() }, 5).scene;
    let names: Vec<String> = (0..scene.len()).map(|i| format!("{i:02}.png")).collect();
    std::fs::create_dir(folder.path("scene")).unwrap();
    let area = scene.width * scene.height;
    for (name, planes) in names.iter().zip(scene.images.chunks_exact(3 * area)) {
        let pixels: Vec<u8> = interleaved(planes).collect();
        folder.write(&format!("scene/{name}"), &png(scene.width, scene.height, 3, &pixels));
    }
    folder.write("scene/transforms.json", transforms_json(&scene, &names).as_bytes());
    folder
}

/// VGG's layers with four channels each and the heads of LPIPS, as a safetensors file: waves as filters, and all answers weigh the same.
fn weights() -> Vec<u8> {
    let convolutions = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
    let mut shapes = vec![];
    for (place, index) in convolutions.into_iter().enumerate() {
        shapes.push((format!("features.{index}.weight"), vec![4, if place == 0 { 3 } else { 4 }, 3, 3]));
        shapes.push((format!("features.{index}.bias"), vec![4]));
    }
    shapes.extend((0..5).map(|k| (format!("lin{k}.weight"), vec![1, 4, 1, 1])));
    let (mut header, mut at) = (serde_json::Map::new(), 0);
    for (name, shape) in shapes {
        let end = at + 4 * shape.iter().product::<usize>();
        header.insert(name, serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [at, end] }));
        at = end;
    }
    let text = serde_json::Value::Object(header).to_string();
    let mut file = (text.len() as u64).to_le_bytes().to_vec();
    file.extend(text.bytes());
    // The heads are the last twenty numbers.
    let number = |k: usize| if k + 20 < at / 4 { (k as f32).sin() } else { 0.1 };
    file.extend((0..at / 4).flat_map(|k| number(k).to_le_bytes()));
    file
}

#[test]
fn a_scene_is_fitted_rendered_and_exported() {
    let folder = folder();
    folder.write("vgg.safetensors", &weights());
    let words = "fit gs-mcmc scene --set cap=137 --set steps=150 --set refine_every=10 --set points=100 --set test_every=4 \
                 --set lpips=vgg.safetensors --report r.html --json";
    let fitted = folder.elbo(words).json();
    assert_eq!(fitted["metrics"]["gaussians"].as_f64(), Some(137.0), "{fitted}");
    assert!(fitted["metrics"]["psnr"].as_f64().unwrap() > 10.0, "{fitted}");
    // Answers of length one that are not negative are at most the root of two apart, which five heads of 0.1 make 1.
    let is_near = |value: &serde_json::Value| value.as_f64().is_some_and(|d| d > 0.0 && d < 0.5);
    assert!(is_near(&fitted["metrics"]["percep"]) && is_near(&fitted["metrics"]["percep_fitted"]), "{fitted}");
    let is_distance = |value: &serde_json::Value| value.as_f64().is_some_and(|d| (0.01..1.0).contains(&d));
    assert!(is_distance(&fitted["metrics"]["lpips_vgg"]), "{fitted}");
    let report = std::fs::read_to_string(folder.path("r.html")).unwrap();
    assert!(report.contains("kept back") && report.contains("data:image/png") && report.contains("LPIPS (vgg)"));
    assert!(report.contains("not LPIPS"));
    // Each refinement: a curve and a table in the report, rows of the model, sums among the metrics.
    assert!(report.contains("The number of Gaussians during the fit.") && report.contains("What each refinement did"));
    let table = folder.elbo("info scene.gs-mcmc.elbo --table refinements --json").json();
    let cell = |row: usize, column: usize| table["rows"][row][column].as_str().unwrap().parse::<f64>().unwrap();
    let last = table["rows"].as_array().unwrap().len() - 1;
    assert_eq!((table["columns"][1].as_str(), cell(last, 7)), (Some("before"), 137.0), "{table}");
    assert_eq!(fitted["metrics"]["added"].as_f64(), Some(137.0 - cell(0, 1)), "{table}");
    assert!(fitted["metrics"]["extent"].as_f64().unwrap() > 0.0, "{fitted}");

    let orbit = folder.elbo("render scene.gs-mcmc.elbo --orbit 3 --size 40x30 --out frames --ply s.ply --json").json();
    assert_eq!(orbit["count"].as_u64(), Some(3));
    assert!(folder.path("frames/00003.png").is_file());
    let bytes = std::fs::read(folder.path("s.ply")).unwrap();
    assert!(bytes.starts_with(b"ply\nformat binary_little_endian 1.0\nelement vertex 137\n"));

    let views = folder.elbo("render scene.gs-mcmc.elbo --views scene --out again --json").json();
    assert_eq!(views["count"].as_u64(), Some(12));
    assert!(views["psnr"].as_f64().unwrap() > 10.0 && views["ssim"].as_f64().unwrap() < 1.0, "{views}");
    // Without weights of LPIPS nothing has its name.
    let names = ["lpips", "lpips_network"];
    assert!(is_near(&views["percep"]) && names.iter().all(|name| views.get(name).is_none()), "{views}");
    let words = "render scene.gs-mcmc.elbo --views scene --lpips vgg.safetensors --out third --json";
    let looks = folder.elbo(words).json();
    assert_eq!((looks["lpips_network"].as_str(), looks["psnr"].as_f64()), (Some("vgg"), views["psnr"].as_f64()));
    assert!(is_distance(&looks["lpips"]), "{looks}");
    let ran = folder.elbo("render scene.gs-mcmc.elbo --views scene --lpips s.ply --out fourth");
    assert!(ran.code != 0 && ran.err.contains("the weights cannot be read"), "{}", ran.err);
    let from_file = folder.elbo("render s.ply --orbit 2 --size 32x32 --out other --json").json();
    assert_eq!(from_file["count"].as_u64(), Some(2));

    folder.elbo("render s.ply --ply s.spz").ok();
    let packed = folder.elbo("render s.spz --orbit 1 --size 32x32 --out packed --json").json();
    assert_eq!(packed["system"].as_str(), Some("spz"));
    let ran = folder.elbo("render s.ply --ply s.obj");
    assert!(ran.code != 0 && ran.err.contains("names no format of Gaussians"), "{}", ran.err);
}

#[test]
fn lpips_is_refused_where_it_cannot_judge() {
    let folder = folder();
    folder.write("vgg.safetensors", &weights());
    let fit = "fit gs-mcmc scene --set cap=137 --set points=100 --set steps=5";
    let refused = |settings: &str, words: &[&str]| {
        let ran = folder.elbo(&format!("{fit} {settings}"));
        assert!(ran.code != 0 && words.iter().all(|word| ran.err.contains(word)), "{}", ran.err);
    };
    refused("--set lpips=none.safetensors", &["the weights of LPIPS cannot be read", "none.safetensors"]);
    refused("--set lpips=scene/transforms.json", &["the weights cannot be read", "AlexNet"]);
    refused("--set lpips=vgg.safetensors --set size=15", &["15 x 15", "LPIPS (vgg)", "below 16"]);
    let ran = folder.elbo(&format!("{fit} --set test_every=0 --set lpips=none.safetensors"));
    let warning = "setting `lpips` has no effect where no picture is kept back";
    assert!(ran.code == 0 && ran.err.contains(warning), "{}", ran.err);
}
