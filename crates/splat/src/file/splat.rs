//! `.splat`: 32 bytes a Gaussian; place, scale, colour with opacity, rotation. Colours lose their dependence on the direction.

use super::{Stored, checked, logit_of, whole};
use crate::gaussians::{Gaussians, normalised, sigmoid};
use crate::sh::C0;
use elbo_core::{Error, Result};

const BYTES: usize = 32;

/// The bytes of a file. The most visible come first, as viewers like them.
pub fn write(g: &Gaussians<f32>) -> Vec<u8> {
    let width = g.widths()[4];
    let size =
        |i: usize| g.log_scale[3 * i..3 * i + 3].iter().map(|l| f64::from(*l)).sum::<f64>().exp() * g.opacity_of(i);
    let mut order: Vec<usize> = (0..g.len()).collect();
    order.sort_by(|a, b| size(*b).total_cmp(&size(*a)).then(a.cmp(b)));
    let byte = |v: f64| whole(v, 8) as u8;
    let mut out = Vec::with_capacity(BYTES * g.len());
    for i in order {
        let mut put = |v: f32| out.extend(v.to_le_bytes());
        g.mean[3 * i..3 * i + 3].iter().for_each(|v| put(*v));
        g.log_scale[3 * i..3 * i + 3].iter().for_each(|v| put(v.exp()));
        out.extend((0..3).map(|c| byte(255.0 * (0.5 + C0 * f64::from(g.sh[width * i + c])))));
        out.push(byte(255.0 * sigmoid(f64::from(g.opacity[i]))));
        let q = normalised::<f64>(std::array::from_fn(|j| f64::from(g.rotation[4 * i + j])));
        out.extend(q.map(|v| byte(128.0 * v + 128.0)));
    }
    out
}

/// Reads such a file, as Gaussians of degree 0.
///
/// # Errors
/// [`Error::Data`] for a file of another length, or with something in it that cannot be drawn.
pub fn read(bytes: &[u8]) -> Result<Stored> {
    if !bytes.len().is_multiple_of(BYTES) {
        return Err(Error::data(
            format!("a .splat file has 32 bytes a Gaussian; this one has {} bytes", bytes.len()),
            "give a whole .splat file",
        ));
    }
    let mut g = Gaussians::empty(0);
    for row in bytes.chunks_exact(BYTES) {
        let float = |k: usize| f32::from_le_bytes(*row[4 * k..].first_chunk().expect("a row has 32 bytes"));
        g.mean.extend((0..3).map(float));
        g.log_scale.extend((3..6).map(|k| float(k).ln()));
        g.sh.extend((24..27).map(|k| ((f64::from(row[k]) / 255.0 - 0.5) / C0) as f32));
        g.opacity.push(logit_of(row[27]));
        g.rotation.extend((28..32).map(|k| (f32::from(row[k]) - 128.0) / 128.0));
    }
    checked(g, false)
}
