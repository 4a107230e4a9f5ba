//! Fused operations: hot Gaussian computations with hand-derived first derivatives.
//!
//! | I want | use |
//! |---|---|
//! | a stationary kernel's Gram matrix, without an `N x M x D` temporary | [`stationary_gram`], [`stationary_gram_symmetric`] |
//! | the log marginal likelihood of a Gaussian with a covariance at hand | [`gaussian_log_marginal`] |
//! | the same for a stationary kernel, in one operation and half the memory | [`stationary_log_marginal`] |
//! | the collapsed bound of sparse regression | [`sgpr_bound`]; for many rows [`sgpr_bound_in_blocks`] |
//! | marginals of a whitened sparse posterior, for any likelihood | [`svgp_marginals`], with [`whitened_kl`] |
//!
//! Each one is an operation of the graph ([`Tensor::custom`]) with a *composed twin*: the same function of tensor operations, which
//! tests compare it with and which answers when a second derivative is asked for. All arithmetic is f64; where a fused
//! operation is given f32 it is the twin that runs. Gradients with respect to symmetric matrices are symmetric.
//!
//! To add one: numbers in plain functions of slices, then the binding, then the twin, then a line in the tests' list
//! (`tests/it/fused.rs`), which checks the value and the gradient against the twin and against differences.

mod columns;
mod gram;
mod log_marginal;
mod marginals;
mod radial;
mod sgpr;
mod sgpr_blocks;
mod svgp;
mod whitening;

pub use gram::{stationary_gram, stationary_gram_symmetric};
pub use log_marginal::{
    gaussian_log_marginal, gaussian_log_marginal_with, stationary_log_marginal, stationary_log_marginal_with,
};
pub use radial::Radial;
pub use sgpr::{sgpr_bound, sgpr_bound_with};
pub use sgpr_blocks::sgpr_bound_in_blocks;
pub use svgp::{svgp_marginals, svgp_marginals_with, whitened_kl};

use crate::dtype::DType;
use crate::tensor::Tensor;
use elbo_core::recycle::Kept;
use elbo_linalg::{BY_TILES, Diagonal, Triangle};
use elbo_linalg::{MatMut, MatRef, Shape, gemm_structured, potri_lower, triangular_inverse};
use rayon::prelude::*;

/// Whether every tensor is f64, so that the fused arithmetic applies.
fn all_f64(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|t| t.dtype() == DType::F64)
}

/// A gradient in the shape of the input it belongs to.
fn shaped(values: Vec<f64>, like: &[usize]) -> Option<Tensor> {
    Some(Tensor::from_vec(values, like))
}

/// Calls `f` with the number and the values of each row of `x`, `[rows, length]`, in blocks that threads share.
fn by_rows(x: &mut [f64], length: usize, f: impl Fn(usize, &mut [f64]) + Sync) {
    const BLOCK: usize = 32;
    x.par_chunks_mut((BLOCK * length).max(1)).enumerate().for_each(|(block, rows)| {
        (block * BLOCK..).zip(rows.chunks_exact_mut(length)).for_each(|(i, row)| f(i, row));
    });
}

/// Lower triangle of `(L Lᵀ)⁻¹`, row-major, from the lower triangle of `l: [n, n]`; zero above the diagonal.
fn inverse_lower(l: &[f64], n: usize) -> Kept<f64> {
    let l = MatRef::row_major(l, n, n);
    let mut out = Kept::zeros(n * n);
    if n <= BY_TILES {
        potri_lower(MatMut::row_major(&mut out, n, n), l);
        return out;
    }
    // The same for large matrices, with room for `L⁻¹` that is used again.
    let mut half = Kept::zeros(n * n);
    triangular_inverse(MatMut::row_major(&mut half, n, n), Triangle::Lower, Diagonal::Stored, l);
    let half = MatRef::row_major(&half, n, n);
    let target = (Shape::Lower, MatMut::row_major(&mut out, n, n));
    gemm_structured(target, 1.0, (Shape::Upper, half.transpose()), (Shape::Lower, half), 0.0);
    out
}

/// One number a row from a scalar or a vector of noise variances.
fn per_row(noise: &[f64], n: usize) -> impl Fn(usize) -> f64 + Sync + '_ {
    assert!(noise.len() == 1 || noise.len() == n, "{} noise variances for {n} rows", noise.len());
    move |i| noise[if noise.len() == 1 { 0 } else { i }]
}

/// Gradients a row collected for a scalar or a vector.
fn collect_rows(rows: Vec<f64>, length: usize) -> Vec<f64> {
    if length == 1 { vec![elbo_linalg::vector::sum(&rows)] } else { rows }
}
