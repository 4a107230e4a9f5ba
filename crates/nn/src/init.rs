//! How the weights of a layer start.

use elbo_core::Rng;
use elbo_tensor::{DType, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the weights of a layer start. Biases start as PyTorch's do.
///
/// The fan-in of a weight `[out, in, ...]` is `in` times the size of its kernel, the fan-out `out` times that size.
///
/// # Source
/// Glorot and Bengio (2010); He, Zhang, Ren and Sun (2015); Saxe, McClelland and Ganguli (2014).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Init {
    /// What PyTorch's layers do: uniform within `1 / sqrt(fan_in)`; embeddings are standard normal.
    #[default]
    Torch,
    /// Uniform within `sqrt(6 / fan_in)`, for rectified layers.
    KaimingUniform,
    /// Normal with variance `2 / fan_in`, for rectified layers.
    KaimingNormal,
    /// Uniform within `sqrt(6 / (fan_in + fan_out))`, for saturating layers.
    XavierUniform,
    /// Normal with variance `2 / (fan_in + fan_out)`, for saturating layers.
    XavierNormal,
    /// Normal around zero.
    Normal {
        /// Standard deviation.
        sd: f64,
    },
    /// Orthonormal rows or columns, whichever are fewer, times a gain.
    Orthogonal {
        /// The gain.
        gain: f64,
    },
    /// All zero.
    Zeros,
}

impl Init {
    /// A weight of shape `[out, in, ...]`.
    ///
    /// # Panics
    /// For fewer than two axes.
    pub fn weight(&self, shape: &[usize], rng: &mut Rng, dtype: DType) -> Tensor {
        assert!(shape.len() >= 2, "a weight has at least two axes, found {shape:?}");
        let kernel: usize = shape[2..].iter().product();
        let (fan_in, fan_out) = ((shape[1] * kernel) as f64, (shape[0] * kernel) as f64);
        match *self {
            Self::Torch => uniform(shape, 1.0 / fan_in.sqrt(), rng, dtype),
            Self::KaimingUniform => uniform(shape, (6.0 / fan_in).sqrt(), rng, dtype),
            Self::KaimingNormal => normal(shape, (2.0 / fan_in).sqrt(), rng, dtype),
            Self::XavierUniform => uniform(shape, (6.0 / (fan_in + fan_out)).sqrt(), rng, dtype),
            Self::XavierNormal => normal(shape, (2.0 / (fan_in + fan_out)).sqrt(), rng, dtype),
            Self::Normal { sd } => normal(shape, sd, rng, dtype),
            Self::Orthogonal { gain } => orthogonal(shape, rng, dtype) * gain,
            Self::Zeros => Tensor::zeros(shape, dtype),
        }
    }

    /// A bias of `n` numbers that are added to sums over `fan_in` products.
    pub fn bias(&self, n: usize, fan_in: usize, rng: &mut Rng, dtype: DType) -> Tensor {
        match self {
            Self::Torch => uniform(&[n], 1.0 / (fan_in as f64).sqrt(), rng, dtype),
            _ => Tensor::zeros(&[n], dtype),
        }
    }
}

/// Uniform numbers in `[-bound, bound)`.
pub fn uniform(shape: &[usize], bound: f64, rng: &mut Rng, dtype: DType) -> Tensor {
    let count = shape.iter().product();
    Tensor::from_vec(rng.uniforms(count), shape).cast(dtype).affine(2.0 * bound, -bound)
}

/// Normal numbers with this standard deviation.
pub fn normal(shape: &[usize], sd: f64, rng: &mut Rng, dtype: DType) -> Tensor {
    let count = shape.iter().product();
    (Tensor::from_vec(rng.normals(count), shape) * sd).cast(dtype)
}

/// A matrix `[out, rest]` with orthonormal rows or columns, drawn uniformly.
fn orthogonal(shape: &[usize], rng: &mut Rng, dtype: DType) -> Tensor {
    let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
    let tall = Tensor::from_vec(rng.normals(rows * columns), &[rows.max(columns), rows.min(columns)]);
    let (q, r) = tall.qr();
    // The factor of a Gaussian matrix is uniform once the diagonal of R is positive.
    let q = q * r.diagonal().sign();
    let q = if rows < columns { q.t().contiguous() } else { q };
    q.reshape(shape).cast(dtype)
}
