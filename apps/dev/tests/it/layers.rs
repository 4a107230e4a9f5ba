use elbo_dev::layers;
use std::path::Path;

fn root() -> &'static Path {
    Path::new("../..")
}

#[test]
fn every_arrow_of_this_workspace_is_allowed() {
    let packages = layers::packages(root()).unwrap();
    assert!(packages.iter().any(|p| p.folder == "crates/core"), "{packages:?}");
    assert_eq!(layers::faults(&packages), Vec::<String>::new());
}

#[test]
fn a_system_on_top_of_a_system_is_found_in_real_manifests() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = |path: &str, name: &str, dependencies: &str| {
        let place = folder.path().join(path);
        std::fs::create_dir_all(place.join("src")).unwrap();
        std::fs::write(place.join("src/lib.rs"), "").unwrap();
        let text = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dev-dependencies]\n{dependencies}\n"
        );
        std::fs::write(place.join("Cargo.toml"), text).unwrap();
    };
    std::fs::write(folder.path().join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"systems/*\"]\n")
        .unwrap();
    manifest("systems/vae", "elbo-systems-vae", "");
    manifest("systems/codec", "elbo-systems-codec", "elbo-systems-vae = { path = \"../vae\" }");
    let error = layers::check(folder.path()).unwrap_err().to_string();
    assert!(error.starts_with("systems/codec depends on systems/vae, but a system never names another"), "{error}");
}
