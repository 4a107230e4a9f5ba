//! A made-up scene as a folder: pictures and `transforms.json`, as `elbo fit gs-mcmc` reads it.
//!
//! ```sh
//! cargo run --release -p elbo --example scene -- scene
//! elbo fit gs-mcmc scene --set cap=1500 --set steps=2000 --report scene.html
//! ```

use elbo::core::file::write_atomically;
use elbo::prelude::*;
use elbo::report::picture::png;
use elbo::splat::make::{Recipe, make, transforms_json};
use elbo::splat::scene::interleaved;
use std::path::PathBuf;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| Error::data("no folder was named", "give the name of a new folder"))?;
    let scene = make(&Recipe::default(), 1).scene;
    std::fs::create_dir_all(&folder).map_err(|cause| Error::file("cannot make the folder", &folder, &cause))?;
    let names: Vec<String> = (1..=scene.len()).map(|i| format!("{i:05}.png")).collect();
    let area = scene.width * scene.height;
    for (name, planes) in names.iter().zip(scene.images.chunks_exact(3 * area)) {
        let pixels: Vec<u8> = interleaved(planes).collect();
        write_atomically(&folder.join(name), &png(scene.width, scene.height, 3, &pixels))?;
    }
    write_atomically(&folder.join("transforms.json"), transforms_json(&scene, &names).as_bytes())?;
    println!("{} pictures in {}", scene.len(), folder.display());
    Ok(())
}
