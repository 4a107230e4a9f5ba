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

mod folder;
mod mesh;
mod priors;

use elbo::prelude::*;
use elbo::splat::make::{Arrangement, Recipe, make, make_of};
pub use folder::write;
use std::path::PathBuf;

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
        Some(file) => make_of(mesh::meshes(&file)?, &recipe, 1),
    };
    write(&folder, &made, has_priors)?;
    println!("{} pictures in {}", made.scene.len(), folder.display());
    Ok(())
}
