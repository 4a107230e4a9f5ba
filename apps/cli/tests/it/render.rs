//! `elbo fit` of a scene's folder, and `elbo render` of what came out.

use crate::folder::Folder;
use elbo::splat::make::{Recipe, make, transforms_json};
use elbo::splat::scene::interleaved;
use elbo_report::picture::png;

/// A made-up scene as a folder `scene`.
fn folder() -> Folder {
    let folder = Folder::new();
    let scene = make(&Recipe { views: 12, size: 24, bodies: 2, points: 100, rays: 1 }, 5).scene;
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

#[test]
fn a_scene_is_fitted_rendered_and_exported() {
    let folder = folder();
    let words = "fit gs-mcmc scene --set cap=137 --set steps=150 --set refine_every=10 --set points=100 --set test_every=4 \
                 --report r.html --json";
    let fitted = folder.elbo(words).json();
    assert_eq!(fitted["metrics"]["gaussians"].as_f64(), Some(137.0), "{fitted}");
    assert!(fitted["metrics"]["psnr"].as_f64().unwrap() > 10.0, "{fitted}");
    let report = std::fs::read_to_string(folder.path("r.html")).unwrap();
    assert!(report.contains("kept back") && report.contains("data:image/png"));

    let orbit = folder.elbo("render scene.gs-mcmc.elbo --orbit 3 --size 40x30 --out frames --ply s.ply --json").json();
    assert_eq!(orbit["count"].as_u64(), Some(3));
    assert!(folder.path("frames/00003.png").is_file());
    let bytes = std::fs::read(folder.path("s.ply")).unwrap();
    assert!(bytes.starts_with(b"ply\nformat binary_little_endian 1.0\nelement vertex 137\n"));

    let views = folder.elbo("render scene.gs-mcmc.elbo --views scene --out again --json").json();
    assert_eq!(views["count"].as_u64(), Some(12));
    assert!(views["psnr"].as_f64().unwrap() > 10.0 && views["ssim"].as_f64().unwrap() < 1.0, "{views}");
    let from_file = folder.elbo("render s.ply --orbit 2 --size 32x32 --out other --json").json();
    assert_eq!(from_file["count"].as_u64(), Some(2));

    folder.elbo("render s.ply --ply s.spz").ok();
    let packed = folder.elbo("render s.spz --orbit 1 --size 32x32 --out packed --json").json();
    assert_eq!(packed["system"].as_str(), Some("spz"));
    let ran = folder.elbo("render s.ply --ply s.obj");
    assert!(ran.code != 0 && ran.err.contains("names no format of Gaussians"), "{}", ran.err);
}
