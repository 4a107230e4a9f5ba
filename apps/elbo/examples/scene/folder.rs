//! The folder of a made-up scene.

use super::priors;
use elbo::core::file::write_atomically;
use elbo::data::write_npz;
use elbo::prelude::*;
use elbo::report::picture::png;
use elbo::splat::make::{Made, colmap_text, transforms_json};
use elbo::splat::scene::interleaved;
use std::path::Path;

/// Writes all that is known of a scene into a folder, which is made.
pub fn write(folder: &Path, made: &Made, has_priors: bool) -> Result<()> {
    let scene = &made.scene;
    let model = folder.join("sparse/0");
    std::fs::create_dir_all(&model).map_err(|cause| Error::file("cannot make the folder", &model, &cause))?;
    let names: Vec<String> = (1..=scene.len()).map(|i| format!("{i:05}.png")).collect();
    let (n, w, h) = (scene.len(), scene.width, scene.height);
    for (name, planes) in names.iter().zip(scene.images.chunks_exact(3 * w * h)) {
        let pixels: Vec<u8> = interleaved(planes).collect();
        write_atomically(&folder.join(name), &png(w, h, 3, &pixels))?;
    }
    write_atomically(&folder.join("transforms.json"), transforms_json(scene, &names).as_bytes())?;
    for (name, text) in ["cameras.txt", "images.txt", "points3D.txt"].iter().zip(colmap_text(scene, &names)) {
        write_atomically(&model.join(name), text.as_bytes())?;
    }
    let mask = made.mask().into_iter().map(u8::from).collect();
    let truth = [
        ("depth", vec![n, h, w], Values::F32(made.depth.clone())),
        ("normal", vec![n, 3, h, w], Values::F32(made.normal.clone())),
        ("mask", vec![n, h, w], Values::U8(mask)),
    ];
    let truth = truth.map(|(name, shape, values)| (name.to_owned(), Array { shape, values }));
    write_npz(&folder.join("truth.npz"), &truth)?;
    if has_priors {
        priors::write(&folder.join("priors"), made, 1)?;
    }
    Ok(())
}
