//! 3DGS PLY: places, normals of zero, colours (`f_rest` red first, then green, then blue), logits of opacities, logarithms of scales, quaternions
//! `(w, x, y, z)`.

use super::{Stored, checked, compressed};
use crate::gaussians::{Gaussians, coefficients};
use elbo_core::{Error, Result};

/// The comment by which programs mark Gaussians that were fitted with antialiasing.
pub(super) const ANTIALIAS: &str = "comment SplatRenderMode: mip\n";

/// Names of the properties at this degree, in the order of the reference's files.
fn properties(degree: usize) -> Vec<String> {
    let mut names: Vec<String> = ["x", "y", "z", "nx", "ny", "nz"].map(str::to_owned).into();
    names.extend((0..3).map(|k| format!("f_dc_{k}")));
    names.extend((0..3 * (coefficients(degree) - 1)).map(|k| format!("f_rest_{k}")));
    names.push("opacity".into());
    names.extend((0..3).map(|k| format!("scale_{k}")));
    names.extend((0..4).map(|k| format!("rot_{k}")));
    names
}

/// A binary little-endian file of `f32` properties.
pub fn write(stored: &Stored) -> Vec<u8> {
    let g = &stored.gaussians;
    let names = properties(g.degree);
    let mark = if stored.antialias { ANTIALIAS } else { "" };
    let mut out = format!("ply\nformat binary_little_endian 1.0\n{mark}element vertex {}\n", g.len()).into_bytes();
    names.iter().for_each(|name| out.extend(format!("property float {name}\n").bytes()));
    out.extend(b"end_header\n");
    let k = coefficients(g.degree);
    out.reserve(4 * names.len() * g.len());
    for i in 0..g.len() {
        let sh = &g.sh[3 * k * i..3 * k * (i + 1)];
        let mut put = |values: &[f32]| values.iter().for_each(|v| out.extend(v.to_le_bytes()));
        put(&g.mean[3 * i..3 * i + 3]);
        put(&[0.0; 3]);
        put(&sh[..3]);
        for c in 0..3 {
            (1..k).for_each(|j| put(&[sh[3 * j + c]]));
        }
        put(&[g.opacity[i]]);
        put(&g.log_scale[3 * i..3 * i + 3]);
        put(&g.rotation[4 * i..4 * i + 4]);
    }
    out
}

/// Reads such a file, or a compressed one. Properties are found by their names, in any order; others are passed over. Fewer `f_rest` mean a lower
/// degree.
///
/// # Errors
/// [`Error::Data`] for a file that is no PLY, is damaged, or holds no Gaussians.
pub fn read(bytes: &[u8]) -> Result<Stored> {
    let (elements, antialias) = elements(bytes)?;
    let find = |name: &str| elements.iter().find(|e| e.name == name);
    let vertices = find("vertex").ok_or_else(|| wrong("the PLY file has no vertices".into()))?;
    if vertices.count == 0 {
        return Err(wrong("the PLY file has 0 vertices".into()));
    }
    if let Some(blocks) = find("chunk") {
        return checked(compressed::unpacked(blocks, vertices, find("sh"))?, antialias);
    }
    let place = |name: String| vertices.place(&name, Kind::Float);
    let needed = |name: String| {
        let missing = || wrong(format!("the PLY file has no property `{name}`; these are points, not Gaussians"));
        place(name.clone()).ok_or_else(missing)
    };
    let all = |stem: &str, n: usize| (0..n).map(|i| needed(format!("{stem}{i}"))).collect::<Result<Vec<usize>>>();
    let (rest, degree) = vertices.harmonics(Kind::Float)?;
    let mean = ["x", "y", "z"].map(|n| needed(n.into())).into_iter().collect::<Result<Vec<usize>>>()?;
    let (scale, rotation, opacity) = (all("scale_", 3)?, all("rot_", 4)?, needed("opacity".into())?);
    let mut sh = all("f_dc_", 3)?;
    sh.extend(rest);
    let mut g = Gaussians::empty(degree);
    for row in vertices.rows.chunks_exact(vertices.stride) {
        let value = |at: &usize| f32::from_le_bytes(*row[*at..].first_chunk().expect("places lie within a row"));
        g.mean.extend(mean.iter().map(value));
        g.log_scale.extend(scale.iter().map(value));
        g.rotation.extend(rotation.iter().map(value));
        g.opacity.push(value(&opacity));
        g.sh.extend(sh.iter().map(value));
    }
    checked(g, antialias)
}

/// Types of properties that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Uint,
    Uchar,
    Other,
}

/// A table of a PLY file.
pub(super) struct Element<'a> {
    name: String,
    pub count: usize,
    pub stride: usize,
    properties: Vec<(String, Kind, usize)>,
    pub rows: &'a [u8],
}

impl Element<'_> {
    /// Where a property of this type lies in a row.
    pub fn place(&self, name: &str, kind: Kind) -> Option<usize> {
        self.properties.iter().find(|(n, k, _)| n == name && *k == kind).map(|(.., at)| *at)
    }

    /// Places of the coefficients beyond the constant one, channels within coefficients, and their degree.
    pub fn harmonics(&self, kind: Kind) -> Result<(Vec<usize>, usize)> {
        let found: Vec<usize> = (0..).map_while(|k| self.place(&format!("f_rest_{k}"), kind)).collect();
        let degree = (0..=3).find(|d| 3 * (coefficients(*d) - 1) == found.len()).ok_or_else(|| {
            let count = found.len();
            wrong(format!("the PLY file has {count} properties `f_rest`; degrees 0 to 3 have 0, 9, 24 and 45"))
        })?;
        let each = found.len() / 3;
        Ok(((0..each).flat_map(|j| [found[j], found[each + j], found[2 * each + j]]).collect(), degree))
    }
}

pub(super) fn wrong(message: String) -> Error {
    Error::data(message, "give a binary PLY file as Gaussian splatting programs write it")
}

/// The tables up to the first that holds lists, and whether a comment speaks of antialiasing.
fn elements(bytes: &[u8]) -> Result<(Vec<Element<'_>>, bool)> {
    const END: &[u8] = b"end_header\n";
    let head = bytes.get(..bytes.len().min(64 << 10)).unwrap_or_default();
    let end = head.windows(END.len()).position(|w| w == END).filter(|_| bytes.starts_with(b"ply"));
    let Some(end) = end else { return Err(wrong("this is not a PLY file, or its header does not end".into())) };
    let header = String::from_utf8_lossy(&bytes[..end]);
    if !header.contains("format binary_little_endian 1.0") {
        return Err(wrong("the PLY file is not binary little-endian".into()));
    }
    let mut out: Vec<Element<'_>> = vec![];
    for line in header.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.as_slice(), out.last_mut()) {
            (["element", name, n], _) => {
                let count = n.parse().map_err(|_| wrong(format!("the PLY file has `{n}` rows of `{name}`")))?;
                out.push(Element { name: (*name).into(), count, stride: 0, properties: vec![], rows: &[] });
            }
            (["property", "list", ..], Some(_)) => {
                // Rows have no fixed size: neither this table nor what follows it can be found.
                out.pop();
                break;
            }
            (["property", kind, name], Some(element)) => {
                let (kind, size) = match *kind {
                    "float" | "float32" => (Kind::Float, 4),
                    "uint" | "uint32" => (Kind::Uint, 4),
                    "uchar" | "uint8" => (Kind::Uchar, 1),
                    "int" | "int32" => (Kind::Other, 4),
                    "double" | "float64" => (Kind::Other, 8),
                    "short" | "ushort" | "int16" | "uint16" => (Kind::Other, 2),
                    "char" | "int8" => (Kind::Other, 1),
                    other => return Err(wrong(format!("the PLY file has a property of type `{other}`"))),
                };
                element.properties.push(((*name).to_owned(), kind, element.stride));
                element.stride += size;
            }
            _ => {}
        }
    }
    let mut rest = &bytes[end + END.len()..];
    for element in &mut out {
        let (name, count) = (&element.name, element.count);
        let cut = || wrong(format!("the PLY file is cut short: {count} rows of `{name}` are announced"));
        let size = count.checked_mul(element.stride).filter(|size| *size <= rest.len()).ok_or_else(cut)?;
        (element.rows, rest) = rest.split_at(size);
    }
    Ok((out, header.contains(ANTIALIAS)))
}
