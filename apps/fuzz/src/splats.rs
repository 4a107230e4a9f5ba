//! Gaussians in the files of other programs.

use crate::tables::packed;
use elbo::core::Rng;
use elbo::splat::file::{Format, Stored, read, write};
use elbo::splat::gaussians::Gaussians;
use flate2::read::GzDecoder;
use std::io::Read;

const FORMATS: [Format; 4] = [Format::Ply, Format::CompressedPly, Format::Spz, Format::Splat];

/// Four Gaussians of degree 1.
fn example(format: Format) -> Vec<u8> {
    let mut rng = Rng::new(1);
    let mut draw = |n: usize| -> Vec<f32> { rng.normals(n).into_iter().map(|v| v as f32).collect() };
    let gaussians = Gaussians {
        degree: 1,
        mean: draw(12),
        log_scale: draw(12),
        rotation: draw(16),
        opacity: draw(4),
        sh: draw(48),
    };
    write(format, &Stored { gaussians, antialias: true }).expect("four Gaussians fit into every format")
}

/// Reads a file; what it holds must go into every format that can hold it.
fn survive(format: Format, bytes: &[u8]) -> bool {
    let Ok(stored) = read(format, bytes) else { return false };
    let g = &stored.gaussians;
    for (array, width) in g.arrays().into_iter().zip(g.widths()) {
        assert_eq!(array.len(), width * g.len(), "an array has another size than there are Gaussians");
    }
    FORMATS.iter().for_each(|format| drop(write(*format, &stored)));
    true
}

pub(crate) fn ply_seeds() -> Vec<Vec<u8>> {
    vec![example(Format::Ply), example(Format::CompressedPly)]
}

pub(crate) fn ply(bytes: &[u8]) -> bool {
    survive(Format::Ply, bytes)
}

/// Packed and not: behind the checksum of gzip no change to a packed file is ever seen.
pub(crate) fn spz_seeds() -> Vec<Vec<u8>> {
    let file = example(Format::Spz);
    let mut raw = vec![];
    GzDecoder::new(&file[..]).read_to_end(&mut raw).expect("the file was just packed");
    vec![file, raw]
}

/// Reads the input as a file, and as what a file holds.
pub(crate) fn spz(bytes: &[u8]) -> bool {
    let as_it_is = survive(Format::Spz, bytes);
    survive(Format::Spz, &packed(bytes)) || as_it_is
}

pub(crate) fn splat_seeds() -> Vec<Vec<u8>> {
    vec![example(Format::Splat)]
}

pub(crate) fn splat(bytes: &[u8]) -> bool {
    survive(Format::Splat, bytes)
}
