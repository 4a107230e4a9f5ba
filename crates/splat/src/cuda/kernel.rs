//! The kernels' signatures, as their source has them: a launch with other arguments is refused before the device sees it.

use super::frame::Frame;
use cudarc::driver::{CudaFunction, CudaSlice};

/// What a parameter is: the frame, an array, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Frame,
    F32,
    U8,
    U32,
    U64,
    Word,
}

/// What is given for a parameter.
#[derive(Clone, Copy)]
pub(super) enum Argument<'a> {
    Frame(&'a Frame),
    F32(&'a CudaSlice<f32>),
    U8(&'a CudaSlice<u8>),
    U32(&'a CudaSlice<u32>),
    U64(&'a CudaSlice<u64>),
    Word(u32),
}

impl Argument<'_> {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Frame(_) => Kind::Frame,
            Self::F32(_) => Kind::F32,
            Self::U8(_) => Kind::U8,
            Self::U32(_) => Kind::U32,
            Self::U64(_) => Kind::U64,
            Self::Word(_) => Kind::Word,
        }
    }
}

/// A compiled kernel and what it takes.
pub(super) struct Kernel {
    pub function: CudaFunction,
    pub takes: Vec<Kind>,
}

/// Name and parameters of each kernel of a source.
///
/// # Panics
/// For a parameter of a type that the kernels do not use.
pub(super) fn signatures(source: &str) -> Vec<(&str, Vec<Kind>)> {
    let kernels = source.split("extern \"C\" __global__ void ").skip(1);
    kernels
        .map(|rest| {
            let (name, rest) = rest.split_once('(').expect("a kernel has parameters");
            let (parameters, _) = rest.split_once(')').expect("the parameters end");
            (name, parameters.split(',').map(kind).collect())
        })
        .collect()
}

fn kind(parameter: &str) -> Kind {
    let words = parameter.trim();
    let words = words.strip_prefix("const ").unwrap_or(words);
    match words.split(' ').next().unwrap_or_default() {
        "Frame" => Kind::Frame,
        "float*" => Kind::F32,
        "u8*" => Kind::U8,
        "u32*" => Kind::U32,
        "u64*" => Kind::U64,
        "u32" => Kind::Word,
        other => panic!("a kernel takes `{other}`, which no argument is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read_from_the_source() {
        let all = signatures(include_str!("kernels.cu"));
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "project",
                "emit",
                "scan_parts",
                "scan_join",
                "count_digits",
                "move_pairs",
                "find_spans",
                "paint",
                "unpaint",
                "gather"
            ]
        );
        assert_eq!(all[2].1, [Kind::U32, Kind::U32, Kind::U32, Kind::Word]);
        assert_eq!(all[0].1[0], Kind::Frame);
        assert_eq!(all[0].1[9], Kind::U8);
        assert_eq!(all[4].1, [Kind::U64, Kind::U32, Kind::Word, Kind::Word, Kind::Word]);
    }
}
