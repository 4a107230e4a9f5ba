//! Gaussians as files of other programs.
//!
//! | name ends in | what it keeps | bytes a Gaussian |
//! |---|---|---|
//! | `.ply` ([`ply`]) | everything, in single precision | 68 to 248 |
//! | `.compressed.ply` ([`compressed`]) | everything, in 8 to 11 bits a number, most of them of what a block of 256 spans | 16 to 61, and 72 a block |
//! | `.spz` ([`spz`]) | everything, in fixed point, packed | some 10 to 40 |
//! | `.splat` ([`splat`]) | no dependence of colours on the direction | 32 |
//!
//! Coordinates stay as they are in every format.

pub mod compressed;
pub mod ply;
pub mod splat;
pub mod spz;

use crate::gaussians::{Gaussians, logit};
use elbo_core::{Error, Result};
use std::path::Path;

/// What a file of Gaussians holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The Gaussians.
    pub gaussians: Gaussians<f32>,
    /// Whether they were fitted with antialiasing, and so have to be drawn with it. Formats that do not say so mean no.
    pub antialias: bool,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 3DGS PLY.
    Ply,
    /// PlayCanvas's compressed PLY.
    CompressedPly,
    /// Niantic's SPZ, version 3.
    Spz,
    /// 32 bytes a Gaussian.
    Splat,
}

impl Format {
    /// The format that a file's name asks for, in letters of either case.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let endings = [
            (".compressed.ply", Self::CompressedPly),
            (".ply", Self::Ply),
            (".spz", Self::Spz),
            (".splat", Self::Splat),
        ];
        endings.into_iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, format)| format)
    }
}

/// The bytes of a file.
///
/// # Errors
/// [`Error::Data`] for Gaussians that the format cannot hold.
pub fn write(format: Format, stored: &Stored) -> Result<Vec<u8>> {
    match format {
        Format::Ply => Ok(ply::write(stored)),
        Format::CompressedPly => Ok(compressed::write(stored)),
        Format::Spz => spz::write(stored),
        Format::Splat => Ok(splat::write(&stored.gaussians)),
    }
}

/// Reads a file. Whether a PLY file is compressed is seen from its header.
///
/// # Errors
/// [`Error::Data`] for a file that is damaged, of another kind, or holds no Gaussians.
pub fn read(format: Format, bytes: &[u8]) -> Result<Stored> {
    match format {
        Format::Ply | Format::CompressedPly => ply::read(bytes),
        Format::Spz => spz::read(bytes),
        Format::Splat => splat::read(bytes),
    }
}

/// Refuses Gaussians that cannot be drawn.
fn checked(gaussians: Gaussians<f32>, antialias: bool) -> Result<Stored> {
    let is_finite = gaussians.arrays().iter().all(|a| a.iter().all(|v| v.is_finite()));
    let has_turns = gaussians.rotation.chunks_exact(4).all(|q| q.iter().any(|v| *v != 0.0));
    if !is_finite || !has_turns || gaussians.is_empty() {
        return Err(Error::data(
            "the file holds no Gaussians, or some that are not numbers or have no rotation",
            "write it again with the program that fitted the scene",
        ));
    }
    Ok(Stored { gaussians, antialias })
}

/// The nearest whole number from 0 to `2^bits - 1`.
fn whole(v: f64, bits: u32) -> u32 {
    v.round().clamp(0.0, f64::from((1u32 << bits) - 1)) as u32
}

/// The logit of an opacity in 255ths; the ends count as half a step from zero and one, so that it is finite.
fn logit_of(byte: u8) -> f32 {
    logit((f64::from(byte) / 255.0).clamp(0.5 / 255.0, 254.5 / 255.0)) as f32
}

/// The place of the component of a quaternion that is farthest from zero, and the quaternion with a sign that makes it positive.
fn largest_first(q: [f64; 4]) -> (usize, [f64; 4]) {
    let largest = (1..4).fold(0, |best, k| if q[k].abs() > q[best].abs() { k } else { best });
    (largest, if q[largest] < 0.0 { q.map(|v| -v) } else { q })
}

/// The quaternion whose component `largest` is the positive one that is missing to a length of one.
fn completed(mut q: [f64; 4], largest: usize) -> [f64; 4] {
    q[largest] = 0.0;
    q[largest] = (1.0 - q.iter().map(|v| v * v).sum::<f64>()).max(0.0).sqrt();
    q
}
