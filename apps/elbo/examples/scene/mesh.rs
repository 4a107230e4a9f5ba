//! The meshes of a glTF file, with what lies beside it.

use elbo::core::read::read_file;
use elbo::data::read_picture_bytes;
use elbo::prelude::*;
use elbo::splat::make::cast::Material;
use elbo::splat::make::gltf::{Pixels, Surroundings, read};
use elbo::splat::make::mesh::Mesh;
use std::path::{Path, PathBuf};

const UNREAD: &str = "cannot read the mesh";

/// All meshes of the file.
pub fn meshes(file: &Path) -> Result<Vec<(Mesh, Material)>> {
    read(&read_file(UNREAD, file)?, &Beside(file.parent().unwrap_or(Path::new("")).into()))
}

/// The folder of a glTF file.
struct Beside(PathBuf);

impl Surroundings for Beside {
    fn file(&self, name: &str) -> Result<Vec<u8>> {
        read_file(UNREAD, &self.0.join(name))
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
