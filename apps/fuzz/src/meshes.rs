//! Meshes in glTF files.

use elbo::core::{Error, Result};
use elbo::splat::make::gltf::{Pixels, Surroundings, read};
use elbo::splat::make::{Recipe, make_of};

/// No files beside, and one pixel for every picture.
struct Alone;

impl Surroundings for Alone {
    fn file(&self, name: &str) -> Result<Vec<u8>> {
        Err(Error::data(format!("there is no `{name}`"), "put it beside the file"))
    }

    fn picture(&self, _: Vec<u8>) -> Result<Pixels> {
        Ok(Pixels { width: 1, height: 1, rgb: vec![200, 100, 50] })
    }
}

/// A textured triangle, below two nodes: its bytes as text in the document, and as a chunk of the binary form.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut binary: Vec<u8> =
        [[0f32, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]].iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    binary.extend([0u16, 1, 2].iter().flat_map(|v| v.to_le_bytes()));
    let document = |uri: &str| {
        format!(
            r#"{{"asset":{{"version":"2.0"}},"scenes":[{{"nodes":[0]}}],"nodes":[{{"children":[1],"scale":[2,1,1]}},{{"mesh":0}}],
            "meshes":[{{"primitives":[{{"attributes":{{"POSITION":0,"TEXCOORD_0":2}},"indices":1,"material":0}}]}}],
            "materials":[{{"pbrMetallicRoughness":{{"baseColorTexture":{{"index":0}}}}}}],"textures":[{{"source":0}}],"images":[{{"bufferView":1}}],
            "accessors":[{{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"}},
            {{"bufferView":1,"componentType":5123,"count":3,"type":"SCALAR"}},
            {{"bufferView":0,"componentType":5126,"count":3,"type":"VEC2"}}],
            "bufferViews":[{{"buffer":0,"byteLength":36}},{{"buffer":0,"byteOffset":36,"byteLength":6}}],
            "buffers":[{{{uri}"byteLength":42}}]}}"#
        )
    };
    let coded = base64(&binary);
    let text = document(&format!(r#""uri":"data:application/octet-stream;base64,{coded}","#)).into_bytes();
    let json = document("").into_bytes();
    let mut packed = b"glTF".to_vec();
    packed.extend([2u32, 0, json.len() as u32].iter().flat_map(|v| v.to_le_bytes()));
    packed.extend(b"JSON");
    packed.extend(&json);
    packed.extend(42u32.to_le_bytes());
    packed.extend(b"BIN\0");
    packed.extend(&binary);
    vec![text, packed]
}

fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |three: &[u8]| {
        let bits = three.iter().fold(0u32, |bits, byte| (bits << 8) | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(letters[(bits >> shift) as usize & 63]))
    };
    bytes.chunks_exact(3).flat_map(four).collect()
}

/// Reads a file; what it shows must be whole, and can be photographed.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(bodies) = read(bytes, &Alone) else { return false };
    for (mesh, _) in &bodies {
        let count = mesh.vertices.len();
        assert_eq!(mesh.normals.len(), count, "there are more or fewer normals than vertices");
        assert!(mesh.places.is_empty() || mesh.places.len() == count, "there are more or fewer places than vertices");
        assert!(mesh.triangles.iter().flatten().all(|k| *k < count), "a triangle has a corner that is no vertex");
    }
    make_of(bodies, &Recipe { views: 1, size: 4, points: 3, rays: 1, ..Recipe::default() }, 1);
    true
}
