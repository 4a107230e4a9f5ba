//! Gaussians as files that viewers open: 3DGS PLY, and `.splat`.

use crate::gaussians::{Gaussians, coefficients, sigmoid};
use crate::sh::C0;
use elbo_core::{Error, Result};

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

/// A binary little-endian PLY file of `f32` properties: places, normals of zero, colours (`f_rest` red first, then green, then blue), logits of
/// opacities, logarithms of scales, quaternions `(w, x, y, z)`.
pub fn write(g: &Gaussians<f32>) -> Vec<u8> {
    let names = properties(g.degree);
    let mut out = format!("ply\nformat binary_little_endian 1.0\nelement vertex {}\n", g.len()).into_bytes();
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

/// Reads such a file. Properties are found by their names, in any order; others are passed over. Fewer `f_rest` mean a lower degree.
///
/// # Errors
/// [`Error::Data`] for a file that is no PLY, is damaged, or holds no Gaussians.
pub fn read(bytes: &[u8]) -> Result<Gaussians<f32>> {
    let wrong =
        |message: String| Error::data(message, "give a binary PLY file as Gaussian splatting programs write it");
    const END: &[u8] = b"end_header\n";
    let head = bytes.get(..bytes.len().min(64 << 10)).unwrap_or_default();
    let normal = head.windows(END.len()).position(|w| w == END).filter(|_| bytes.starts_with(b"ply"));
    let Some(end) = normal else { return Err(wrong("this is not a PLY file, or its header does not end".into())) };
    let header = String::from_utf8_lossy(&bytes[..end]);
    if !header.contains("format binary_little_endian 1.0") {
        return Err(wrong("the PLY file is not binary little-endian".into()));
    }
    let mut count = None;
    let mut offsets: Vec<(String, usize)> = vec![];
    let mut stride = 0usize;
    for line in header.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["element", "vertex", n] if count.is_none() => {
                count = Some(n.parse::<usize>().map_err(|_| wrong(format!("the PLY file has `{n}` vertices")))?);
            }
            // What follows the vertices is not read.
            ["element", ..] if count.is_some() => break,
            ["element", name, ..] => return Err(wrong(format!("the PLY file has `{name}` before its vertices"))),
            ["property", "list", ..] => return Err(wrong("the vertices of the PLY file hold lists".into())),
            ["property", kind, name] => {
                let size = match *kind {
                    "float" | "float32" => {
                        offsets.push(((*name).to_owned(), stride));
                        4
                    }
                    "int" | "uint" | "int32" | "uint32" => 4,
                    "double" | "float64" => 8,
                    "short" | "ushort" | "int16" | "uint16" => 2,
                    "char" | "uchar" | "int8" | "uint8" => 1,
                    other => return Err(wrong(format!("the PLY file has a property of type `{other}`"))),
                };
                stride += size;
            }
            _ => {}
        }
    }
    let count = count.ok_or_else(|| wrong("the PLY file has no vertices".into()))?;
    let body = &bytes[end + END.len()..];
    if count == 0 || stride == 0 || count.checked_mul(stride).is_none_or(|needed| body.len() < needed) {
        return Err(wrong(format!("the PLY file is cut short: {count} vertices are announced")));
    }
    let place = |name: &str| offsets.iter().find(|(n, _)| n == name).map(|(_, at)| *at);
    let needed = |name: String| {
        place(&name)
            .ok_or_else(|| wrong(format!("the PLY file has no property `{name}`; these are points, not Gaussians")))
    };
    let rest = (0..).take_while(|k| place(&format!("f_rest_{k}")).is_some()).count();
    let degree = (0..=3).find(|d| 3 * (coefficients(*d) - 1) == rest).ok_or_else(|| {
        wrong(format!("the PLY file has {rest} properties `f_rest`; degrees 0 to 3 have 0, 9, 24 and 45"))
    })?;
    let k = coefficients(degree);
    let all = |stem: &str, n: usize| (0..n).map(|i| needed(format!("{stem}{i}"))).collect::<Result<Vec<usize>>>();
    let mean = ["x", "y", "z"].map(|n| needed(n.into())).into_iter().collect::<Result<Vec<usize>>>()?;
    let (scale, rotation, opacity) = (all("scale_", 3)?, all("rot_", 4)?, needed("opacity".into())?);
    let mut sh = all("f_dc_", 3)?;
    let harmonics = all("f_rest_", rest)?;
    for j in 0..k - 1 {
        (0..3).for_each(|c| sh.push(harmonics[c * (k - 1) + j]));
    }
    let mut g = Gaussians::empty(degree);
    for row in body.chunks_exact(stride).take(count) {
        let value = |at: &usize| f32::from_le_bytes(*row[*at..].first_chunk().expect("offsets lie within a row"));
        g.mean.extend(mean.iter().map(value));
        g.log_scale.extend(scale.iter().map(value));
        g.rotation.extend(rotation.iter().map(value));
        g.opacity.push(value(&opacity));
        g.sh.extend(sh.iter().map(value));
    }
    let is_finite = g.arrays().iter().all(|a| a.iter().all(|v| v.is_finite()));
    let has_turns = g.rotation.chunks_exact(4).all(|q| q.iter().any(|v| *v != 0.0));
    if !is_finite || !has_turns {
        return Err(wrong("the PLY file holds Gaussians that are not numbers, or without a rotation".into()));
    }
    Ok(g)
}

/// The 32 bytes a Gaussian of `.splat` files: place, scale, colour with opacity, rotation. Colours lose their dependence on the direction.
/// The most visible come first, as viewers like them.
pub fn write_splat(g: &Gaussians<f32>) -> Vec<u8> {
    let k = coefficients(g.degree);
    let size =
        |i: usize| g.log_scale[3 * i..3 * i + 3].iter().map(|l| f64::from(*l)).sum::<f64>().exp() * g.opacity_of(i);
    let mut order: Vec<usize> = (0..g.len()).collect();
    order.sort_by(|a, b| size(*b).total_cmp(&size(*a)).then(a.cmp(b)));
    let byte = |v: f64| v.clamp(0.0, 255.0).round() as u8;
    let mut out = Vec::with_capacity(32 * g.len());
    for i in order {
        let mut put = |v: f32| out.extend(v.to_le_bytes());
        g.mean[3 * i..3 * i + 3].iter().for_each(|v| put(*v));
        g.log_scale[3 * i..3 * i + 3].iter().for_each(|v| put(v.exp()));
        out.extend((0..3).map(|c| byte(255.0 * (0.5 + C0 * f64::from(g.sh[3 * k * i + c])))));
        out.push(byte(255.0 * sigmoid(f64::from(g.opacity[i]))));
        let q = crate::gaussians::normalised::<f64>(std::array::from_fn(|j| f64::from(g.rotation[4 * i + j])));
        out.extend(q.map(|v| byte(128.0 * v + 128.0)));
    }
    out
}
