//! A made-up scene as a folder: pictures, their cameras for nerfstudio (`transforms.json`) and COLMAP (`sparse/0`, with points of the surfaces), and in
//! `truth.npz` what no camera sees: depths, normals and where there is anything. With a glTF file its meshes, without bodies on a table.
//!
//! ```sh
//! cargo run --release -p elbo --example scene -- scene [MESH.glb] [--ring] [--priors]
//! elbo fit gs-mcmc scene --set cap=1500 --set steps=2000 --report scene.html
//! ```
//!
//! With `--ring` the cameras go round on a circle, in place of all over a hemisphere. With `--priors` the folder `priors` holds what other models would estimate:
//! depths of each picture, flows and points between each picture and the next.

mod priors;

use elbo::core::file::write_atomically;
use elbo::core::read::read_file;
use elbo::data::{read_picture_bytes, write_npz};
use elbo::prelude::*;
use elbo::report::picture::png;
use elbo::splat::make::gltf::{Pixels, Surroundings, read};
use elbo::splat::make::{Arrangement, Made, Recipe, colmap_text, make, make_of, transforms_json};
use elbo::splat::scene::interleaved;
use std::path::{Path, PathBuf};

/// The folder of a glTF file.
struct Beside(PathBuf);

impl Surroundings for Beside {
    fn file(&self, name: &str) -> Result<Vec<u8>> {
        read_file("cannot read the mesh", &self.0.join(name))
    }

    fn picture(&self, bytes: Vec<u8>) -> Result<Pixels> {
        let data = read_picture_bytes(Path::new("a picture of the mesh"), bytes)?;
        let image = data.get("image")?;
        let ([_, height, width, channels], Values::U8(bytes)) = (&image.shape[..], &image.values) else {
            return Err(Error::data("a picture of the mesh is none of bytes", "save it as PNG"));
        };
        // One channel is all three.
        let rgb = bytes.chunks_exact(*channels).flat_map(|p| [p[0], p[channels / 2], p[channels - 1]]).collect();
        Ok(Pixels { width: *width, height: *height, rgb })
    }
}

fn main() -> Result<()> {
    let (mut words, mut recipe, mut has_priors) = (vec![], Recipe::default(), false);
    for word in std::env::args_os().skip(1) {
        match word.to_str() {
            Some("--ring") => recipe.cameras = Arrangement::Ring,
            Some("--priors") => has_priors = true,
            Some(other) if other.starts_with("--") => {
                return Err(Error::data(format!("{other} is unknown"), "give --ring, --priors, both or neither"));
            }
            _ => words.push(PathBuf::from(word)),
        }
    }
    let mut words = words.into_iter();
    let folder = words.next().ok_or_else(|| Error::data("no folder was named", "give the name of a new folder"))?;
    let made = match words.next() {
        None => make(&recipe, 1),
        Some(mesh) => {
            let beside = Beside(mesh.parent().unwrap_or(Path::new("")).into());
            let bytes = read_file("cannot read the mesh", &mesh)?;
            make_of(read(&bytes, &beside)?, &recipe, 1)
        }
    };
    write(&folder, &made, has_priors)?;
    println!("{} pictures in {}", made.scene.len(), folder.display());
    Ok(())
}

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
