//! Dense factorisations in f32 and f64; the only crate that names the library underneath.
//!
//! | I want | use |
//! |---|---|
//! | a product, also of transposed or triangular operands | [`gemm`], [`gemm_structured`], [`gemm_batched`], [`syrk_lower`] |
//! | to factor a covariance | [`cholesky_with_jitter`] (the one jitter policy), or [`potrf`] for the bare factor |
//! | to solve with a triangular matrix, or invert one | [`trsm`], [`triangular_inverse`] |
//! | the inverse of a covariance from its factor | [`potri`], or [`potri_lower`] for one triangle |
//! | eigenvalues, singular values, orthogonal bases | [`syevd`], [`svd`], [`qr`] |
//! | to solve a general or an overdetermined system | [`Lu`], [`lstsq`] |
//! | a low-rank factor of a covariance too large to form | [`pivoted_cholesky`] |
//!
//! Matrices are [`MatRef`] and [`MatMut`]: views with strides over slices, so row-major, transposed and block views cost
//! nothing. Functions are generic over [`Real`], but everything behind [`Dense`] and [`Decompose`] is compiled once in
//! this crate, for f32 and f64: a caller instantiates only a shim.
//!
//! # Same bits for any number of threads
//! Products, Cholesky, triangular solves, inverses and LU never split a sum between threads, so they use every thread
//! of the current rayon pool and give the same bits with any number of them. The eigen-, singular-value and QR
//! decompositions do split sums; they are always split in the same number of parts, whatever the pool (see
//! [`threads`]). The tests hold both to it.
//!
//! # Another library underneath
//! [`Dense`] is the seam: five functions, from which everything on a hot path is made. A system BLAS would implement it.

mod backend;
mod cholesky;
mod decompose;
mod error;
mod gemm;
mod library;
mod multiversion;
mod pivoted;
mod real;
mod small;
pub mod threads;
mod triangular;
pub mod vector;
mod view;

pub use backend::{Decompose, Dense, Diagonal, Shape, Side, Triangle};
pub use cholesky::{
    Cholesky, Jitter, Ladder, cholesky_in_place, cholesky_with_jitter, log_det_from_factor, potrf, potri, potri_lower,
};
pub use decompose::{Eigen, Lu, Qr, Svd, lstsq, qr, svd, syevd};
pub use error::{LinalgError, Result};
pub use gemm::{gemm, gemm_batched, gemm_structured, mirror_lower, syrk_lower};
pub use pivoted::{PivotedCholesky, pivoted_cholesky};
pub use real::Real;
pub use small::BY_TILES;
pub use triangular::{triangular_inverse, trsm};
pub use view::{MatMut, MatRef};
