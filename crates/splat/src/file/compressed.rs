//! PlayCanvas's compressed PLY: blocks of 256 Gaussians with the range of each coordinate, scale and colour, and four words a Gaussian that count in
//! that range.
//!
//! # Source
//! The format of SuperSplat and splat-transform (<https://github.com/playcanvas/splat-transform>).

use super::ply::{ANTIALIAS, Element, Kind, wrong};
use super::{Stored, completed, largest_first, logit_of, whole};
use crate::gaussians::{Gaussians, coefficients, normalised, sigmoid};
use crate::sh::C0;
use elbo_core::Result;
use std::f64::consts::FRAC_1_SQRT_2;

const BLOCK: usize = 256;
/// Bits of x, y and z, from the top of a word.
const PLACE: [u32; 3] = [11, 10, 11];
const COLOUR: [u32; 4] = [8; 4];
/// Three components of a quaternion, below two bits for which one is missing.
const TURN: [u32; 3] = [10; 3];
/// Coefficients beyond the constant one lie from minus to plus this.
const HARMONICS: f64 = 4.0;
/// Logarithms of scales are limited to this: an infinite range would hold nothing.
const MOST_SCALE: f64 = 20.0;

/// The bytes of a file. Coefficients beyond the constant one are limited to -4 to 4, and logarithms of scales to -20 to 20.
pub fn write(stored: &Stored) -> Vec<u8> {
    let g = &stored.gaussians;
    let order = along_a_curve(&g.mean);
    let blocks = order.len().div_ceil(BLOCK);
    let mark = if stored.antialias { ANTIALIAS } else { "" };
    let mut head = format!("ply\nformat binary_little_endian 1.0\n{mark}element chunk {blocks}\n");
    ranges(true).iter().for_each(|name| head += &format!("property float {name}\n"));
    head += &format!("element vertex {}\n", order.len());
    WORDS.iter().for_each(|name| head += &format!("property uint {name}\n"));
    let width = g.widths()[4];
    if width > 3 {
        head += &format!("element sh {}\n", order.len());
        (0..width - 3).for_each(|k| head += &format!("property uchar f_rest_{k}\n"));
    }
    head += "end_header\n";

    let (mut limits, mut words) = (vec![], vec![]);
    for rows in order.chunks(BLOCK) {
        let three = |values: &[f32], width: usize, map: &dyn Fn(f64) -> f64| -> Vec<[f64; 3]> {
            rows.iter().map(|i| std::array::from_fn(|k| map(f64::from(values[width * i + k])))).collect()
        };
        let places = three(&g.mean, 3, &|v| v);
        let scales = three(&g.log_scale, 3, &|v| v.clamp(-MOST_SCALE, MOST_SCALE));
        let colours = three(&g.sh, width, &|h| C0 * h + 0.5);
        let parts = [places, scales, colours].map(|values| shares(&values, &mut limits));
        for (j, i) in rows.iter().enumerate() {
            let [r, c, b] = parts[2][j];
            let opacity = sigmoid(f64::from(g.opacity[*i]));
            let turn = packed(std::array::from_fn(|k| f64::from(g.rotation[4 * i + k])));
            words.extend([join(parts[0][j], PLACE), turn, join(parts[1][j], PLACE), join([r, c, b, opacity], COLOUR)]);
        }
    }
    let mut out = head.into_bytes();
    limits.iter().for_each(|v: &f32| out.extend(v.to_le_bytes()));
    words.iter().for_each(|v: &u32| out.extend(v.to_le_bytes()));
    let each = width / 3 - 1;
    for i in &order {
        for c in 0..3 {
            let channel = (1..=each).map(|j| f64::from(g.sh[width * i + 3 * j + c]));
            out.extend(channel.map(|h| (256.0 * (h / (2.0 * HARMONICS) + 0.5)).floor().clamp(0.0, 255.0) as u8));
        }
    }
    out
}

const WORDS: [&str; 4] = ["packed_position", "packed_rotation", "packed_scale", "packed_color"];

/// Names of the limits of a block.
fn ranges(with_colour: bool) -> Vec<String> {
    let mut out = vec![];
    for (stem, axes) in [("", "xyz"), ("scale_", "xyz"), ("", "rgb")].iter().take(if with_colour { 3 } else { 2 }) {
        for end in ["min", "max"] {
            out.extend(axes.chars().map(|axis| format!("{end}_{stem}{axis}")));
        }
    }
    out
}

/// Values as shares of the range of each axis, which is added to `limits`.
fn shares(values: &[[f64; 3]], limits: &mut Vec<f32>) -> Vec<[f64; 3]> {
    let over = |pick: fn(f64, f64) -> f64| -> [f64; 3] {
        std::array::from_fn(|k| values.iter().map(|v| v[k]).reduce(pick).expect("a block is not empty"))
    };
    let (low, high) = (over(f64::min), over(f64::max));
    limits.extend(low.iter().chain(&high).map(|v| *v as f32));
    let share = |v: &[f64; 3]| {
        std::array::from_fn(|k| if high[k] > low[k] { (v[k] - low[k]) / (high[k] - low[k]) } else { 0.0 })
    };
    values.iter().map(share).collect()
}

/// Numbers from 0 to 1 in so many bits each, the first uppermost.
fn join<const N: usize>(values: [f64; N], bits: [u32; N]) -> u32 {
    values.iter().zip(bits).fold(0, |word, (v, n)| (word << n) | whole(v * f64::from((1u32 << n) - 1), n))
}

/// The inverse of [`join`].
fn split<const N: usize>(mut word: u32, bits: [u32; N]) -> [f64; N] {
    let mut out = [0.0; N];
    for k in (0..N).rev() {
        let most = (1u32 << bits[k]) - 1;
        out[k] = f64::from(word & most) / f64::from(most);
        word >>= bits[k];
    }
    out
}

fn packed(q: [f64; 4]) -> u32 {
    let (largest, q) = largest_first(normalised(q));
    let mut others = (0..4).filter(|k| *k != largest).map(|k| q[k] * FRAC_1_SQRT_2 + 0.5);
    let others = std::array::from_fn(|_| others.next().expect("three are left"));
    ((largest as u32) << 30) | join(others, TURN)
}

/// The inverse of [`packed`].
fn turned(word: u32) -> [f64; 4] {
    let largest = (word >> 30) as usize;
    let mut q = [0.0; 4];
    for (k, v) in (0..4).filter(|k| *k != largest).zip(split(word, TURN)) {
        q[k] = (v - 0.5) / FRAC_1_SQRT_2;
    }
    completed(q, largest)
}

/// Rows in the order of a curve that goes through all of space, so that a block is small.
fn along_a_curve(means: &[f32]) -> Vec<usize> {
    const CELLS: f64 = 1023.0;
    let mut limits = vec![];
    let places: Vec<[f64; 3]> = means.chunks_exact(3).map(|x| [x[0], x[1], x[2]].map(f64::from)).collect();
    if places.is_empty() {
        return vec![];
    }
    let key = |share: &[f64; 3]| -> u32 {
        let cells = share.map(|v| (v * CELLS) as u32);
        (0..30).fold(0, |key, bit| key | ((cells[bit % 3] >> (bit / 3) & 1) << bit))
    };
    let keys: Vec<u32> = shares(&places, &mut limits).iter().map(key).collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|i| keys[*i]);
    order
}

/// Gaussians from the tables of a file.
pub(super) fn unpacked(
    blocks: &Element<'_>,
    vertices: &Element<'_>,
    sh: Option<&Element<'_>>,
) -> Result<Gaussians<f32>> {
    let has_colour = blocks.place("min_r", Kind::Float).is_some();
    let missing = |name: &str| wrong(format!("the compressed PLY file has no property `{name}`"));
    let limits = ranges(has_colour).into_iter().map(|n| blocks.place(&n, Kind::Float).ok_or_else(|| missing(&n)));
    let limits = limits.collect::<Result<Vec<usize>>>()?;
    let words = WORDS.iter().map(|n| vertices.place(n, Kind::Uint).ok_or_else(|| missing(n)));
    let words = words.collect::<Result<Vec<usize>>>()?;
    if blocks.count != vertices.count.div_ceil(BLOCK) || sh.is_some_and(|e| e.count != vertices.count) {
        return Err(wrong("the tables of the compressed PLY file do not belong together".into()));
    }
    let (harmonics, degree) = sh.map_or(Ok((vec![], 0)), |e| e.harmonics(Kind::Uchar))?;
    let mut g = Gaussians::empty(degree);
    let bytes = |row: &[u8], at: usize| *row[at..].first_chunk::<4>().expect("places lie within a row");
    for (i, row) in vertices.rows.chunks_exact(vertices.stride).enumerate() {
        let block = &blocks.rows[i / BLOCK * blocks.stride..][..blocks.stride];
        let limit = |k: usize| f64::from(f32::from_le_bytes(bytes(block, limits[k])));
        let between = |first: usize, shares: [f64; 3]| -> [f64; 3] {
            std::array::from_fn(|k| (1.0 - shares[k]) * limit(first + k) + shares[k] * limit(first + 3 + k))
        };
        let word = |k: usize| u32::from_le_bytes(bytes(row, words[k]));
        g.mean.extend(between(0, split(word(0), PLACE)).map(|v| v as f32));
        g.rotation.extend(turned(word(1)).map(|v| v as f32));
        g.log_scale.extend(between(6, split(word(2), PLACE)).map(|v| v as f32));
        let [red, green, blue, _] = split(word(3), COLOUR);
        let shown = [red, green, blue];
        let colour = if has_colour { between(12, shown) } else { shown };
        g.sh.extend(colour.map(|v| ((v - 0.5) / C0) as f32));
        g.opacity.push(logit_of((word(3) & 255) as u8));
        if let Some(sh) = sh {
            let row = &sh.rows[i * sh.stride..];
            // The middle of a step; the two ends stand for the limits themselves.
            let value = |at: &usize| match row[*at] {
                0 => -HARMONICS,
                255 => HARMONICS,
                b => ((f64::from(b) + 0.5) / 256.0 - 0.5) * 2.0 * HARMONICS,
            };
            g.sh.extend(harmonics.iter().map(|at| value(at) as f32));
        }
    }
    debug_assert_eq!(g.sh.len(), 3 * coefficients(degree) * g.len());
    Ok(g)
}
