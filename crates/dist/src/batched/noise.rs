//! Shapes and noise shared by the families.

use elbo_core::Rng;
use elbo_tensor::{DType, Tensor};
use rayon::prelude::*;

/// Values drawn by one child generator; a constant of the stream, not of the machine.
const CHUNK: usize = 512;

/// The shape that all of these broadcast to.
pub fn common_shape(shapes: &[&[usize]]) -> Vec<usize> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut common = vec![1; rank];
    for shape in shapes {
        for (to, size) in common[rank - shape.len()..].iter_mut().zip(shape.iter()) {
            assert!(*to == *size || *to == 1 || *size == 1, "parameters of shapes {shapes:?} do not broadcast");
            *to = if *to == 1 { *size } else { *to };
        }
    }
    common
}

/// The axes before the last `event` ones.
pub fn batch_axes(t: &Tensor, event: usize) -> Vec<usize> {
    t.shape()[..t.rank() - event].to_vec()
}

/// Tensors in their common shape.
pub fn broadcast<const N: usize>(tensors: [Tensor; N]) -> [Tensor; N] {
    let shapes: Vec<&[usize]> = tensors.iter().map(Tensor::shape).collect();
    let shape = common_shape(&shapes);
    tensors.map(|t| t.broadcast_to(&shape))
}

/// One shape after the other.
pub fn joined(parts: &[&[usize]]) -> Vec<usize> {
    parts.concat()
}

/// Sum over the last axes.
pub fn sum_last(x: &Tensor, axes: usize) -> Tensor {
    if axes == 0 {
        return x.clone();
    }
    let last: Vec<isize> = (1..=axes as isize).map(|a| -a).collect();
    x.sum_axes(&last, false)
}

/// Standard normal noise.
pub fn normals(shape: &[usize], dtype: DType, rng: &mut Rng) -> Tensor {
    Tensor::from_vec(rng.normals(shape.iter().product()), shape).cast(dtype)
}

/// Uniform noise on the open interval (0, 1).
pub fn uniforms(shape: &[usize], dtype: DType, rng: &mut Rng) -> Tensor {
    // The midpoints of cells of 2^-53 exclude both ends. In single precision the largest would round to one.
    let top = if dtype == DType::F32 { 1.0 - f64::from(f32::EPSILON) / 2.0 } else { 1.0 };
    let inside = |u: f64| (u + 0.5 / (1u64 << 53) as f64).min(top);
    Tensor::from_vec(rng.uniforms(shape.iter().product()).into_iter().map(inside).collect(), shape).cast(dtype)
}

/// One draw an element of `parameter`, in parallel, the same for any number of threads; advances `rng` by one step.
pub fn draw_each(parameter: &[f64], rng: &mut Rng, draw: impl Fn(f64, &mut Rng) -> f64 + Sync) -> Vec<f64> {
    let base = rng.fork();
    let mut out = vec![0.0; parameter.len()];
    out.par_chunks_mut(CHUNK).zip(parameter.par_chunks(CHUNK)).enumerate().for_each(|(i, (out, parameter))| {
        let mut rng = base.split(i as u64);
        out.iter_mut().zip(parameter).for_each(|(o, p)| *o = draw(*p, &mut rng));
    });
    out
}

/// `f` of each element of two slices, in parallel.
pub fn map_pairs(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64 + Sync) -> Vec<f64> {
    a.par_iter().zip(b).with_min_len(CHUNK).map(|(a, b)| f(*a, *b)).collect()
}
