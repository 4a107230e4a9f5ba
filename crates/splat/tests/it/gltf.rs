//! Meshes of glTF files: where they stand, what is on them, and files that are refused.

use elbo_core::{Error, Result};
use elbo_splat::make::cast::{Material, Pattern, World};
use elbo_splat::make::gltf::{Pixels, Surroundings, read};
use elbo_splat::make::mesh::Mesh;
use elbo_splat::make::{Recipe, make_of};
use serde_json::{Value, json};

/// A file `beside.bin`, and pictures that are two numbers of pixels and their bytes.
struct Beside(Vec<u8>);

impl Surroundings for Beside {
    fn file(&self, name: &str) -> Result<Vec<u8>> {
        if name == "beside.bin" { Ok(self.0.clone()) } else { Err(Error::data(format!("no file {name}"), "none")) }
    }

    fn picture(&self, bytes: Vec<u8>) -> Result<Pixels> {
        let [width, height] = [0, 1].map(|k| usize::from(bytes[k]));
        Ok(Pixels { width, height, rgb: bytes[2..].to_vec() })
    }
}

/// Red, green in the upper row, blue, white in the lower one.
const PICTURE: [u8; 14] = [2, 2, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];

/// A square from (0, 0, 0) to (1, 1, 0) that faces z, with the picture on it: four corners of place, normal and coordinates, six indices, the picture.
fn square() -> (Value, Vec<u8>) {
    let corners = [[0.0f32, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    let mut bytes: Vec<u8> = vec![];
    for [x, y] in corners {
        // The picture's first row is the upper one.
        for v in [x, y, 0.0, 0.0, 0.0, 1.0, x, 1.0 - y] {
            bytes.extend(v.to_le_bytes());
        }
    }
    for k in [0u16, 1, 2, 0, 2, 3] {
        bytes.extend(k.to_le_bytes());
    }
    bytes.extend(PICTURE);
    let document = json!({
        "asset": { "version": "2.0" },
        "scenes": [{ "nodes": [0] }],
        "nodes": [{ "mesh": 0 }],
        "meshes": [{ "primitives": [{
            "attributes": { "POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2 }, "indices": 3, "material": 0
        }] }],
        "materials": [{ "pbrMetallicRoughness": { "baseColorTexture": { "index": 0 } } }],
        "textures": [{ "source": 0, "sampler": 0 }],
        "samplers": [{ "wrapS": 33071, "wrapT": 33071 }],
        "images": [{ "bufferView": 2 }],
        "accessors": [
            { "bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3" },
            { "bufferView": 0, "byteOffset": 12, "componentType": 5126, "count": 4, "type": "VEC3" },
            { "bufferView": 0, "byteOffset": 24, "componentType": 5126, "count": 4, "type": "VEC2" },
            { "bufferView": 1, "componentType": 5123, "count": 6, "type": "SCALAR" }
        ],
        "bufferViews": [
            { "buffer": 0, "byteLength": 128, "byteStride": 32 },
            { "buffer": 0, "byteOffset": 128, "byteLength": 12 },
            { "buffer": 0, "byteOffset": 140, "byteLength": 14 }
        ],
        "buffers": [{ "byteLength": 154 }]
    });
    (document, bytes)
}

/// A `.glb` file.
fn glb(document: &Value, binary: &[u8]) -> Vec<u8> {
    let mut text = document.to_string().into_bytes();
    text.resize(text.len().next_multiple_of(4), b' ');
    let mut out = b"glTF".to_vec();
    let total = 12 + 8 + text.len() + 8 + binary.len();
    out.extend([2u32, total as u32, text.len() as u32].iter().flat_map(|v| v.to_le_bytes()));
    out.extend(b"JSON");
    out.extend(&text);
    out.extend((binary.len() as u32).to_le_bytes());
    out.extend(b"BIN\0");
    out.extend(binary);
    out
}

fn bodies(document: &Value, binary: &[u8]) -> Vec<(Mesh, Material)> {
    read(&glb(document, binary), &Beside(vec![])).unwrap()
}

#[test]
fn a_square_stands_upright_with_its_picture_the_right_way_up() {
    let (document, binary) = square();
    let world = World::new(&bodies(&document, &binary));
    // The file's z is our -y: seen from there, x goes to the right and z up.
    for (x, z, colour) in [
        (0.25, 0.75, [1.0, 0.0, 0.0]),
        (0.75, 0.75, [0.0, 1.0, 0.0]),
        (0.25, 0.25, [0.0, 0.0, 1.0]),
        (0.75, 0.25, [1.0; 3]),
    ] {
        let hit = world.hit([x, -3.0, z], [0.0, 1.0, 0.0], 100.0).unwrap();
        assert!((hit.distance - 3.0).abs() < 1e-6 && (hit.normal[1] + 1.0).abs() < 1e-6, "{hit:?}");
        let found = world.materials[hit.body].colour([0.0; 3], hit.place);
        assert!(found.iter().zip(colour).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-6), "{x} {z}: {found:?}");
    }
    assert!(world.hit([1.25, -3.0, 0.5], [0.0, 1.0, 0.0], 100.0).is_none());
}

#[test]
fn nodes_place_their_meshes_through_all_their_parents() {
    let (mut document, binary) = square();
    // A quarter turn about the file's y after a scale, then a shift; below it a matrix that moves by x = 1.
    document["nodes"] = json!([
        { "children": [1], "translation": [10.0, 20.0, 30.0], "scale": [2.0, 1.0, 1.0],
          "rotation": [0.0, 0.5f64.sqrt(), 0.0, 0.5f64.sqrt()] },
        { "mesh": 0, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1] }
    ]);
    let (mesh, _) = &bodies(&document, &binary)[0];
    // (0, 0, 0) is moved to x = 1, scaled to 2, turned to z = -2, shifted to (10, 20, 28): ours is (x, -z, y).
    let near = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(near(mesh.vertices[0], [10.0, -28.0, 20.0]), "{:?}", mesh.vertices);
    assert!(near(mesh.vertices[2], [10.0, -26.0, 21.0]), "{:?}", mesh.vertices);
    // The normal (0, 0, 1) is turned to x.
    assert!(near(mesh.normals[0], [1.0, 0.0, 0.0]), "{:?}", mesh.normals);
}

#[test]
fn bytes_beside_a_file_or_within_its_text_are_those_of_the_binary_form() {
    let (mut document, binary) = square();
    let expected = bodies(&document, &binary);
    document["buffers"][0]["uri"] = json!("beside.bin");
    let text = document.to_string();
    assert_eq!(read(text.as_bytes(), &Beside(binary.clone())).unwrap(), expected);
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for three in binary.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, k| (bits << 8) | u32::from(*three.get(k).unwrap_or(&0)));
        (0..=three.len()).for_each(|k| coded.push(char::from(letters[(bits >> (18 - 6 * k)) as usize & 63])));
    }
    document["buffers"][0]["uri"] = json!(format!("data:application/octet-stream;base64,{coded}"));
    assert_eq!(read(document.to_string().as_bytes(), &Beside(vec![])).unwrap(), expected);
}

#[test]
fn without_normals_triangles_are_flat_and_without_a_picture_plain() {
    let (mut document, binary) = square();
    document["meshes"][0]["primitives"][0]["attributes"] = json!({ "POSITION": 0 });
    document["materials"] = json!([{ "pbrMetallicRoughness": { "baseColorFactor": [1.0, 0.5, 0.0, 1.0] } }]);
    let (mesh, material) = &bodies(&document, &binary)[0];
    assert_eq!((mesh.vertices.len(), mesh.triangles.len(), mesh.places.len()), (6, 2, 0));
    assert!(mesh.normals.iter().all(|n| (n[1] + 1.0).abs() < 1e-9), "{:?}", mesh.normals);
    assert_eq!(material.pattern, Pattern::Plain);
    // Half of the light is shown as 0.735.
    assert!((material.colours[0][1] - 0.7354).abs() < 1e-3 && material.colours[0][2] == 0.0);
}

#[test]
fn a_mesh_becomes_a_scene_of_radius_one() {
    let (document, binary) = square();
    let recipe = Recipe { views: 8, size: 32, points: 100, ..Recipe::default() };
    let made = make_of(bodies(&document, &binary), &recipe, 5);
    assert_eq!((made.scene.len(), made.scene.points.len()), (8, 100));
    // The square's corners lie on the ball, in the plane y = 0.
    let far = made.scene.points.iter().map(|p| p.iter().map(|v| v * v).sum::<f64>().sqrt()).fold(0.0, f64::max);
    assert!(far > 0.7 && far <= 1.0 && made.scene.points.iter().all(|p| p[1].abs() < 1e-9), "{far}");
    assert!(made.scene.colours.iter().any(|c| c[0] > 0.6 && c[1] < 0.1), "some points are red");
    let seen = made.depth.iter().filter(|z| **z > 0.0).count();
    assert!(seen > 8 * 32 * 32 / 50, "{seen}");
}

#[test]
fn files_that_cannot_be_shown_are_refused_by_name() {
    let change = |path: &[&str], value: Value, word: &str| {
        let (mut document, binary) = square();
        let mut at = &mut document;
        for key in path {
            at = match key.parse::<usize>() {
                Ok(k) => &mut at[k],
                Err(_) => &mut at[*key],
            };
        }
        *at = value;
        let error = read(&glb(&document, &binary), &Beside(vec![])).err().unwrap_or_else(|| panic!("{word}: accepted"));
        assert!(error.to_string().contains(word) && !error.remedy().is_empty(), "{word}: {error}");
    };
    change(&["asset", "version"], json!("1.0"), "glTF 1.0");
    change(&["extensionsRequired"], json!(["KHR_draco_mesh_compression"]), "KHR_draco_mesh_compression");
    change(&["meshes", "0", "primitives", "0", "mode"], json!(1), "mode 1");
    change(&["meshes", "0", "primitives", "0", "attributes"], json!({ "NORMAL": 1 }), "no POSITION");
    change(&["meshes", "0", "primitives", "0", "indices"], json!(9), "no accessor 9");
    change(&["meshes", "0", "primitives", "0", "material"], json!(3), "no material 3");
    change(&["accessors", "3", "count"], json!(5), "5 corners");
    change(&["accessors", "0", "count"], json!(3), "none of its vertices");
    // The bytes of the indices as one number that is not whole.
    change(
        &["accessors", "3"],
        json!({ "bufferView": 1, "componentType": 5126, "count": 3, "type": "SCALAR" }),
        "none of",
    );
    change(&["accessors", "0", "count"], json!(usize::MAX / 2), "outside of its buffer view");
    change(&["accessors", "0", "count"], json!(0), "is empty");
    change(&["accessors", "0", "sparse"], json!({}), "sparse");
    change(&["accessors", "0", "componentType"], json!(5120), "type that is not read");
    change(&["accessors", "2", "count"], json!(3), "more or fewer");
    change(&["bufferViews", "0", "byteLength"], json!(usize::MAX), "outside of its buffer");
    change(&["buffers", "0", "byteLength"], json!(1000), "has 154 bytes");
    change(&["buffers", "0", "uri"], json!("../secret.bin"), "outside of the file's folder");
    change(&["buffers", "0", "uri"], json!("data:text/plain,hello"), "base64");
    change(&["buffers", "0", "uri"], json!("data:;base64,Zm9v!"), "base64");
    change(&["nodes", "0", "children"], json!([0]), "two parents");
    change(&["nodes", "0", "rotation"], json!([0.0, 0.0, 0.0, 0.0]), "places nothing");
    let far = json!([1e308, 0, 0, 0, 1e308, 1e308, 0, 0, 0, 0, 1, 0, 1e308, 1e308, 0, 1]);
    change(&["nodes", "0", "matrix"], far, "farther away");
    change(&["nodes", "0", "scale"], json!([1e80, 1.0, 1.0]), "farther away");
    change(&["nodes", "0", "mesh"], json!(4), "no mesh 4");
    change(&["scenes", "0", "nodes"], json!([]), "no triangles");
    change(&["scene"], json!(2), "no scene 2");
    change(&["textures", "0", "source"], json!(7), "texture 0 is not whole");
    change(&["samplers", "0", "wrapS"], json!(1), "wraps by 1");
    change(&["images", "0"], json!({ "bufferView": 1 }), "bytes for");
}

/// Nodes that all show the square's mesh.
fn repeated(document: &mut Value, count: usize) {
    document["nodes"] = vec![json!({ "mesh": 0 }); count].into();
    document["scenes"] = json!([{ "nodes": (0..count).collect::<Vec<usize>>() }]);
}

#[test]
fn a_mesh_shown_too_often_is_refused_by_its_triangles_or_its_vertices() {
    let (mut document, mut binary) = square();
    // Vertices of zeros, of which one triangle takes three.
    let (vertices, at) = (100_000, binary.len());
    binary.resize(at + 12 * vertices, 0);
    document["buffers"] = json!([{ "byteLength": binary.len() }]);
    document["bufferViews"][0] = json!({ "buffer": 0, "byteOffset": at, "byteLength": 12 * vertices });
    document["accessors"] = json!([
        { "bufferView": 0, "componentType": 5126, "count": vertices, "type": "VEC3" },
        { "bufferView": 1, "componentType": 5123, "count": 3, "type": "SCALAR" }
    ]);
    document["meshes"] = json!([{ "primitives": [{ "attributes": { "POSITION": 0 }, "indices": 1 }] }]);
    document["materials"] = json!([]);
    repeated(&mut document, 2);
    assert_eq!(bodies(&document, &binary).len(), 2);
    repeated(&mut document, 121);
    let error = read(&glb(&document, &binary), &Beside(vec![])).unwrap_err();
    assert!(error.to_string().contains("three times as many vertices"), "{error}");
}

#[test]
fn materials_of_one_texture_share_its_pixels() {
    let (mut document, binary) = square();
    let look = document["materials"][0].clone();
    let mut dim = look.clone();
    dim["pbrMetallicRoughness"]["baseColorFactor"] = json!([0.5, 0.5, 0.5, 1.0]);
    let mesh = |k: usize| {
        let mut primitive = document["meshes"][0]["primitives"][0].clone();
        primitive["material"] = json!(k);
        primitive
    };
    document["meshes"][0]["primitives"] = vec![mesh(0), mesh(1), mesh(2)].into();
    document["materials"] = json!([look, look, dim]);
    let textures: Vec<_> = bodies(&document, &binary)
        .into_iter()
        .map(|(_, material)| match material.pattern {
            Pattern::Picture(texture) => texture,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(std::sync::Arc::ptr_eq(&textures[0], &textures[1]));
    assert!((textures[2].pixels[0][0] - 0.7354).abs() < 1e-3 && textures[0].pixels[0][0] == 1.0);
}

#[test]
fn a_file_that_ends_early_is_an_error_and_no_panic() {
    let (document, binary) = square();
    let whole = glb(&document, &binary);
    for length in (0..whole.len()).step_by(7) {
        assert!(read(&whole[..length], &Beside(vec![])).is_err(), "{length} bytes");
    }
}
