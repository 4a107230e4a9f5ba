//! SPZ: positions of 24 bits, everything else of 8 or 10, one array after the other, packed by gzip.
//!
//! # Source
//! Niantic's format, versions 2 and 3 (<https://github.com/nianticlabs/spz>). Coordinates are not turned, as its command-line tools do not.

use super::{Stored, checked, completed, largest_first, logit_of, whole};
use crate::gaussians::{Gaussians, coefficients, normalised, sigmoid};
use elbo_core::{Error, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::f64::consts::FRAC_1_SQRT_2;
use std::io::{Read, Write};

/// `NGSP`, which a file starts with once unpacked.
const MAGIC: u32 = 0x5053_474e;
/// What is written.
const VERSION: u32 = 3;
/// Bytes before the arrays: sign, version, count, degree, bits of fraction, flags, and one that is zero.
const HEADER: usize = 16;
/// The flag of Gaussians that were fitted with antialiasing.
const ANTIALIAS: u8 = 1;
/// Colours are `h₀` times this, and a half.
const COLOUR: f64 = 0.15;
/// Most bits behind the point of a position.
const MOST_FRACTION: i32 = 20;
/// Largest number of three bytes with a sign.
const MOST_PLACE: f64 = 8_388_607.0;
/// gzip cannot pack any better than this: its limit is 1032 to one.
const MOST_PACKED: usize = 1040;

/// The bytes of a file of version 3. Positions get as many bits behind the point as their range leaves; scales are kept from `e⁻¹⁰` to `e⁵·⁹⁴`, and
/// coefficients beyond the constant one from -1 to 0.992: what lies beyond becomes the nearest of these.
///
/// # Errors
/// [`Error::Data`] when a position is too far from the origin.
pub fn write(stored: &Stored) -> Result<Vec<u8>> {
    let g = &stored.gaussians;
    let farthest = g.mean.iter().fold(0.0f64, |far, v| far.max(f64::from(v.abs())));
    let fraction = ((MOST_PLACE / farthest.max(1e-9)).log2().floor() as i32).min(MOST_FRACTION);
    let count = u32::try_from(g.len()).ok().filter(|_| fraction >= 0 && farthest.is_finite()).ok_or_else(|| {
        Error::data(
            format!("{} Gaussians up to {farthest:.3e} from the origin do not fit into an SPZ file", g.len()),
            "write a .ply file, or scale the scene down",
        )
    })?;
    let mut raw = Vec::with_capacity(HEADER + 65 * g.len());
    [MAGIC, VERSION, count].iter().for_each(|v| raw.extend(v.to_le_bytes()));
    raw.extend([g.degree as u8, fraction as u8, if stored.antialias { ANTIALIAS } else { 0 }, 0]);
    let scale = f64::from(fraction).exp2();
    for v in &g.mean {
        raw.extend_from_slice(&((f64::from(*v) * scale).round() as i32).to_le_bytes()[..3]);
    }
    let byte = |v: f64| whole(v, 8) as u8;
    raw.extend(g.opacity.iter().map(|a| byte(255.0 * sigmoid(f64::from(*a)))));
    let width = g.widths()[4];
    let constant = g.sh.chunks_exact(width).flat_map(|sh| &sh[..3]);
    raw.extend(constant.map(|h| byte(255.0 * (COLOUR * f64::from(*h) + 0.5))));
    raw.extend(g.log_scale.iter().map(|l| byte(16.0 * (f64::from(*l) + 10.0))));
    for q in g.rotation.chunks_exact(4) {
        raw.extend(packed([q[0], q[1], q[2], q[3]].map(f64::from)).to_le_bytes());
    }
    let harmonics = g.sh.chunks_exact(width).flat_map(|sh| &sh[3..]);
    raw.extend(harmonics.map(|h| byte(128.0 * f64::from(*h) + 128.0)));

    let mut packer = GzEncoder::new(vec![], Compression::default());
    packer.write_all(&raw).and_then(|()| packer.finish()).map_err(|e| wrong(format!("it cannot be packed ({e})")))
}

/// A rotation in four bytes: which component is the largest, and sign and nine bits of each other. Components are counted x, y, z, w.
fn packed(q: [f64; 4]) -> u32 {
    let [w, x, y, z] = normalised(q);
    let (largest, q) = largest_first([x, y, z, w]);
    let others = (0..4).filter(|k| *k != largest);
    others.fold(largest as u32, |bits, k| {
        (bits << 10) | (u32::from(q[k] < 0.0) << 9) | whole(511.0 * q[k].abs() / FRAC_1_SQRT_2, 9)
    })
}

/// The inverse of [`packed`], w first.
fn unpacked(mut bits: u32) -> [f64; 4] {
    let largest = (bits >> 30) as usize;
    let mut q = [0.0; 4];
    for k in (0..4).rev().filter(|k| *k != largest) {
        let size = f64::from(bits & 511) / 511.0 * FRAC_1_SQRT_2;
        q[k] = if bits & 512 == 0 { size } else { -size };
        bits >>= 10;
    }
    let [x, y, z, w] = completed(q, largest);
    [w, x, y, z]
}

fn wrong(what: String) -> Error {
    Error::data(format!("the SPZ file cannot be used: {what}"), "write it again as version 2 or 3, or as a .ply file")
}

/// Reads a file of version 2 or 3.
///
/// # Errors
/// [`Error::Data`] for a file of another kind or version, or one that is damaged.
pub fn read(bytes: &[u8]) -> Result<Stored> {
    if bytes.starts_with(&MAGIC.to_le_bytes()) {
        return Err(wrong("it is of version 4 or not packed by gzip".into()));
    }
    let mut unpacker = GzDecoder::new(bytes);
    let mut head = [0u8; HEADER];
    unpacker.read_exact(&mut head).map_err(|_| wrong("it is not packed by gzip, or cut short".into()))?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (version, count, degree) = (word(4), word(8) as usize, usize::from(head[12]));
    if word(0) != MAGIC {
        return Err(wrong("it does not start with its sign".into()));
    }
    if !(2..=3).contains(&version) || degree > 3 || head[13] > 24 {
        return Err(wrong(format!("version {version}, harmonics of degree {degree}, {} bits of fraction", head[13])));
    }
    let rest = 3 * (coefficients(degree) - 1);
    let turn = if version == 2 { 3 } else { 4 };
    let sizes = [9, 1, 3, 3, turn, rest];
    let needed = count.saturating_mul(sizes.iter().sum());
    let cut = || wrong(format!("{count} Gaussians are announced, and it is damaged or cut short"));
    if needed > bytes.len().saturating_mul(MOST_PACKED) {
        return Err(cut());
    }
    let mut raw = vec![];
    // One byte more than is needed: the checksum is compared where the file ends.
    unpacker.take(needed as u64 + 1).read_to_end(&mut raw).map_err(|_| cut())?;
    if raw.len() < needed {
        return Err(cut());
    }
    let mut left = raw.as_slice();
    let mut next = |size: usize| {
        let (part, tail) = left.split_at(size * count);
        left = tail;
        part
    };
    let [places, opacities, colours, scales, turns, harmonics] = sizes.map(&mut next);

    let mut g = Gaussians::empty(degree);
    let unit = (-f64::from(head[13])).exp2();
    // Three bytes at the upper end of four keep their sign.
    let place = |b: &[u8]| (f64::from(i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) * unit) as f32;
    g.mean.extend(places.chunks_exact(3).map(place));
    g.opacity.extend(opacities.iter().map(|b| logit_of(*b)));
    g.log_scale.extend(scales.iter().map(|b| f32::from(*b) / 16.0 - 10.0));
    for q in turns.chunks_exact(turn) {
        let q = if let [x, y, z] = *q {
            completed([0.0, x.into(), y.into(), z.into()].map(|v: f64| v / 127.5 - 1.0), 0)
        } else {
            unpacked(u32::from_le_bytes([q[0], q[1], q[2], q[3]]))
        };
        g.rotation.extend(q.map(|v| v as f32));
    }
    for i in 0..count {
        let constant = colours[3 * i..3 * i + 3].iter();
        g.sh.extend(constant.map(|b| ((f64::from(*b) / 255.0 - 0.5) / COLOUR) as f32));
        g.sh.extend(harmonics[rest * i..rest * (i + 1)].iter().map(|b| (f32::from(*b) - 128.0) / 128.0));
    }
    checked(g, head[14] & ANTIALIAS != 0)
}
