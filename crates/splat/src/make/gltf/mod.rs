//! Meshes of glTF 2.0 files, `.gltf` or `.glb`: places of corners, normals, one picture of base colours, and the tree of nodes that places them.
//!
//! Passed over: everything about a surface but its base colour, opacity, skins, morphs, cameras, lamps and animations. Refused by name: extensions that a file
//! requires, such as compressed meshes, and primitives that are no triangles.

mod buffers;
mod document;
mod looks;

use super::cast::Material;
use super::mesh::Mesh;
use crate::camera::{cross, dot, sub, unit};
use crate::gaussians::{normalised, rotation_matrix};
use buffers::{Buffers, container};
use document::{Document, Node, Primitive};
use elbo_core::{Error, Result};
use looks::{Looks, plain};

/// Most triangles of a file, those of repeated meshes counted as often as they are shown.
const MOST_TRIANGLES: usize = 4_000_000;

/// Largest coordinate of a corner: products of four such distances are still numbers.
const FARTHEST: f64 = 1e70;

/// What a glTF file leaves to others.
pub trait Surroundings {
    /// The bytes of a file, by its name from the folder of the glTF file.
    ///
    /// # Errors
    /// When there is no such file.
    fn file(&self, name: &str) -> Result<Vec<u8>>;

    /// The pixels of a PNG or JPEG file.
    ///
    /// # Errors
    /// When it is damaged.
    fn picture(&self, bytes: Vec<u8>) -> Result<Pixels>;
}

/// A picture as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green and blue, `[H, W, 3]`.
    pub rgb: Vec<u8>,
}

fn wrong(message: impl Into<String>) -> Error {
    Error::data(message, "export the mesh as glTF 2.0 (.glb) with triangles, without compression")
}

/// The bodies of a file's scene, one for each primitive and place, in the file's unit, with z upwards (a file's y). Normals that a file lacks are those of the
/// flat triangles.
///
/// # Errors
/// [`Error::Data`] for a file that is damaged, shows no triangle or too many, or needs what is not read.
pub fn read(bytes: &[u8], around: &dyn Surroundings) -> Result<Vec<(Mesh, Material)>> {
    let (json, binary) = container(bytes)?;
    let document: Document =
        serde_json::from_slice(json).map_err(|error| wrong(format!("the glTF file cannot be read: {error}")))?;
    if !document.asset.version.starts_with("2.") {
        return Err(wrong(format!("the file is of glTF {}", document.asset.version)));
    }
    if let Some(extension) = document.extensions_required.first() {
        return Err(wrong(format!("the file requires the extension {extension}, which is not read")));
    }
    let buffers = Buffers::load(&document, binary, around)?;
    let mut looks = Looks::new(&document, &buffers, around);
    let looks = (0..document.materials.len()).map(|k| looks.of(k)).collect::<Result<Vec<_>>>()?;
    let mut bodies = vec![];
    let (mut triangles, mut vertices) = (0, 0);
    for (mesh, place) in placed(&document)? {
        let entry = document.meshes.get(mesh).ok_or_else(|| wrong(format!("there is no mesh {mesh}")))?;
        for primitive in &entry.primitives {
            let (material, set) = match primitive.material {
                None => (plain([1.0; 3]), None),
                Some(k) => looks.get(k).cloned().ok_or_else(|| wrong(format!("there is no material {k}")))?,
            };
            let mesh = surface(&buffers, primitive, set, &place)?;
            triangles += mesh.triangles.len();
            vertices += mesh.vertices.len();
            if triangles > MOST_TRIANGLES || vertices > 3 * MOST_TRIANGLES {
                return Err(wrong(format!(
                    "the file shows more than {MOST_TRIANGLES} triangles, or three times as many vertices; reduce the mesh"
                )));
            }
            bodies.push((if mesh.normals.is_empty() { flat(&mesh) } else { mesh }, material));
        }
    }
    if triangles == 0 {
        return Err(wrong("the file shows no triangles"));
    }
    Ok(bodies)
}

/// A map `x ↦ Mx + t`.
#[derive(Debug, Clone, Copy)]
struct Affine {
    rows: [[f64; 3]; 3],
    shift: [f64; 3],
}

/// From a file's axes, y upwards, to ours, z upwards.
const UPRIGHT: Affine = Affine { rows: [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]], shift: [0.0; 3] };

impl Affine {
    fn of(node: &Node) -> Result<Self> {
        let map = if let Some(m) = node.matrix {
            Self {
                rows: std::array::from_fn(|r| std::array::from_fn(|c| m[4 * c + r])),
                shift: std::array::from_fn(|r| m[12 + r]),
            }
        } else {
            let [x, y, z, w] = node.rotation.unwrap_or([0.0, 0.0, 0.0, 1.0]);
            let (turn, scale) = (rotation_matrix(normalised([w, x, y, z])), node.scale.unwrap_or([1.0; 3]));
            Self {
                rows: std::array::from_fn(|r| std::array::from_fn(|c| turn[3 * r + c] * scale[c])),
                shift: node.translation.unwrap_or_default(),
            }
        };
        let is_finite = map.rows.iter().flatten().chain(&map.shift).all(|v: &f64| v.is_finite());
        if is_finite { Ok(map) } else { Err(wrong("a node has a rotation or a matrix that places nothing")) }
    }

    fn turned(&self, x: [f64; 3]) -> [f64; 3] {
        self.rows.map(|row| dot(row, x))
    }

    fn point(&self, x: [f64; 3]) -> [f64; 3] {
        let turned = self.turned(x);
        std::array::from_fn(|k| turned[k] + self.shift[k])
    }

    /// First `inner`, then this one.
    fn after(&self, inner: &Self) -> Self {
        let entry = |row: [f64; 3], c: usize| (0..3).map(|k| row[k] * inner.rows[k][c]).sum::<f64>();
        let rows = self.rows.map(|row| [entry(row, 0), entry(row, 1), entry(row, 2)]);
        Self { rows, shift: self.point(inner.shift) }
    }

    /// What normals are multiplied with: the inverse transposed, up to its length.
    fn normals(&self) -> Self {
        let [a, b, c] = self.rows;
        Self { rows: [cross(b, c), cross(c, a), cross(a, b)], shift: [0.0; 3] }
    }
}

/// The meshes that the file's scene shows, and where.
fn placed(document: &Document) -> Result<Vec<(usize, Affine)>> {
    let roots = match document.scenes.get(document.scene) {
        Some(scene) => scene.nodes.clone(),
        None if document.scenes.is_empty() => {
            let mut is_child = vec![false; document.nodes.len()];
            for child in document.nodes.iter().flat_map(|node| &node.children) {
                if let Some(flag) = is_child.get_mut(*child) {
                    *flag = true;
                }
            }
            (0..is_child.len()).filter(|k| !is_child[*k]).collect()
        }
        None => return Err(wrong(format!("there is no scene {}", document.scene))),
    };
    let mut is_placed = vec![false; document.nodes.len()];
    let (mut waiting, mut found): (Vec<(usize, Affine)>, _) =
        (roots.into_iter().map(|k| (k, UPRIGHT)).collect(), vec![]);
    while let Some((k, parent)) = waiting.pop() {
        let node = document.nodes.get(k).ok_or_else(|| wrong(format!("there is no node {k}")))?;
        if std::mem::replace(&mut is_placed[k], true) {
            return Err(wrong(format!("node {k} has two parents, or is its own")));
        }
        let place = parent.after(&Affine::of(node)?);
        found.extend(node.mesh.map(|mesh| (mesh, place)));
        waiting.extend(node.children.iter().map(|child| (*child, place)));
    }
    Ok(found)
}

/// The triangles of a primitive at their place, with normals where the file has them; `set` is that of the coordinates in a picture.
fn surface(buffers: &Buffers<'_>, primitive: &Primitive, set: Option<usize>, place: &Affine) -> Result<Mesh> {
    let mode = primitive.mode.unwrap_or(4);
    if mode != 4 {
        return Err(wrong(format!("a primitive has the mode {mode}; only triangles, mode 4, are read")));
    }
    let attribute = |name: &str, width: usize| -> Result<Option<Vec<f64>>> {
        let Some(index) = primitive.attributes.get(name) else { return Ok(None) };
        let numbers = buffers.numbers(*index, width)?;
        if numbers.iter().all(|v| v.is_finite()) {
            Ok(Some(numbers))
        } else {
            Err(wrong(format!("{name} holds a number that is not finite")))
        }
    };
    let positions = attribute("POSITION", 3)?.ok_or_else(|| wrong("a primitive has no POSITION"))?;
    let vertices: Vec<[f64; 3]> = positions.chunks_exact(3).map(|x| place.point([x[0], x[1], x[2]])).collect();
    if vertices.iter().flatten().any(|v| !(-FARTHEST..=FARTHEST).contains(v)) {
        return Err(wrong(format!("the nodes place a mesh farther away than {FARTHEST:e}")));
    }
    let count = vertices.len();
    let is_corner = |k: &f64| k.fract() == 0.0 && (0.0..count as f64).contains(k);
    let corners: Vec<usize> = match primitive.indices {
        Some(index) => {
            let numbers = buffers.numbers(index, 1)?;
            if !numbers.iter().all(is_corner) {
                return Err(wrong("a primitive has a corner that is none of its vertices"));
            }
            numbers.into_iter().map(|k| k as usize).collect()
        }
        None => (0..count).collect(),
    };
    if !corners.len().is_multiple_of(3) {
        return Err(wrong(format!("a primitive has {} corners, which are no triangles", corners.len())));
    }
    let is_of_all =
        |numbers: &Option<Vec<f64>>, width: usize| numbers.as_ref().is_none_or(|n| n.len() == width * count);
    let normals = attribute("NORMAL", 3)?;
    let places = match set {
        Some(set) => attribute(&format!("TEXCOORD_{set}"), 2)?,
        None => None,
    };
    if !is_of_all(&normals, 3) || !is_of_all(&places, 2) {
        return Err(wrong("a primitive has more or fewer normals or coordinates than vertices"));
    }
    let places: Vec<[f64; 2]> = places.unwrap_or_default().chunks_exact(2).map(|p| [p[0], p[1]]).collect();
    let triangles: Vec<[usize; 3]> = corners.chunks_exact(3).map(|t| [t[0], t[1], t[2]]).collect();
    let mesh = Mesh { vertices, normals: vec![], triangles, places };
    let Some(normals) = normals else { return Ok(mesh) };
    let turn = place.normals();
    let normals = normals.chunks_exact(3).map(|n| of_length_one(turn.turned([n[0], n[1], n[2]]))).collect();
    Ok(Mesh { normals, ..mesh })
}

/// The same triangles with corners and normals of their own.
fn flat(mesh: &Mesh) -> Mesh {
    let mut out = Mesh::default();
    for t in &mesh.triangles {
        let first = out.vertices.len();
        let [a, b, c] = t.map(|k| mesh.vertices[k]);
        out.vertices.extend([a, b, c]);
        out.normals.extend([of_length_one(cross(sub(b, a), sub(c, a))); 3]);
        out.triangles.push([first, first + 1, first + 2]);
        out.places.extend(t.iter().filter_map(|k| mesh.places.get(*k)));
    }
    out
}

/// A direction; upwards where there is none.
fn of_length_one(n: [f64; 3]) -> [f64; 3] {
    let square = dot(n, n);
    if square > 0.0 && square.is_finite() { unit(n) } else { [0.0, 0.0, 1.0] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_stay_perpendicular_under_any_map() {
        let map = Affine { rows: [[2.0, 0.3, 0.0], [-0.4, 0.5, 1.0], [0.0, 0.7, -3.0]], shift: [1.0, 2.0, 3.0] };
        let (a, b) = ([1.0, 0.2, -0.5], [0.3, -1.0, 0.4]);
        let normal = map.normals().turned(cross(a, b));
        assert!(dot(normal, map.turned(a)).abs() < 1e-12 && dot(normal, map.turned(b)).abs() < 1e-12);
    }
}
