//! Random Fourier features, and draws of a Gaussian process that are functions.
//!
//! | I want | use |
//! |---|---|
//! | a function drawn from the prior, to evaluate anywhere | [`PriorPath`] |
//! | a finite-dimensional approximation of a kernel | [`RandomFeatures`] |
//!
//! They exist for kernels with a spectrum: stationary ones, kernels over categories, and their sums, products, scalings and restrictions.

use elbo_core::{Error, Result, Rng};
use elbo_tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::kernel::{Kernel, LevelTable};

/// `φ(x)` with `φ(x) · φ(x') ≈ k(x, x')`: pairs `√w_j [cos(ω_j · x), sin(ω_j · x)]`, times a factor for each categorical level.
///
/// # Source
/// Rahimi and Recht (2007), in the paired form, which has less variance than a random phase (Sutherland and Schneider, 2015).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RandomFeatures {
    dims: usize,
    /// `[m, D]` row-major.
    frequencies: Vec<f64>,
    /// `√w`, `[m]`.
    amplitudes: Vec<f64>,
    tables: Vec<LevelTable>,
}

impl RandomFeatures {
    /// Draws `count` frequencies for a kernel over `dims` dimensions.
    ///
    /// # Errors
    /// [`Error::Data`] for a kernel without a spectrum, or a sum with more terms than `count`.
    pub fn draw(kernel: &dyn Kernel, dims: usize, count: usize, rng: &mut Rng) -> Result<Self> {
        let sample = kernel.spectral_sample(dims, count, rng).ok_or_else(|| {
            Error::data(
                format!("the kernel {} has no random Fourier features with {count} frequencies", kernel.summary()),
                "use stationary kernels and their sums and products, and at least one frequency for each term; \
                 or draw jointly at given points",
            )
        })?;
        Ok(Self {
            dims,
            frequencies: sample.frequencies,
            amplitudes: sample.weights.iter().map(|w| w.sqrt()).collect(),
            tables: sample.tables,
        })
    }

    /// Whether features that were read from a file fit together, and inputs of `dims` columns.
    pub(crate) fn is_sound(&self, dims: usize) -> bool {
        let m = self.count();
        let is_table =
            |table: &LevelTable| table.dim < dims && !table.values.is_empty() && table.values.len().is_multiple_of(m);
        m > 0 && self.dims == dims && self.frequencies.len() == m * dims && self.tables.iter().all(is_table)
    }

    /// Number of frequencies, `m`; there are twice as many features.
    pub fn count(&self) -> usize {
        self.amplitudes.len()
    }

    /// Number of input dimensions, `D`.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// `φ(x)`, `[N, D] -> [N, 2 m]`, differentiable in the numeric inputs.
    pub fn features(&self, x: &Tensor) -> Tensor {
        assert_eq!(x.size(1), self.dims, "features of {} dimensions at points of shape {:?}", self.dims, x.shape());
        let m = self.count();
        let angle = x.matmul(&Tensor::from_slice(&self.frequencies, &[m, self.dims]).t());
        let amplitude = self.amplitudes(x);
        Tensor::cat(&[angle.cos() * &amplitude, angle.sin() * &amplitude], 1)
    }

    /// Amplitudes, `[1, m]`, or `[N, m]` where they depend on categorical levels.
    fn amplitudes(&self, x: &Tensor) -> Tensor {
        let m = self.count();
        let mut amplitude = Tensor::from_slice(&self.amplitudes, &[1, m]);
        for table in &self.tables {
            let rows = table.values.len() / m;
            let row = |code: f64| if code < 0.0 { rows - 1 } else { (code as usize).min(rows - 1) };
            let codes: Vec<usize> = x.detach().select(1, table.dim).to_vec().into_iter().map(row).collect();
            let values = Tensor::from_slice(&table.values, &[rows, m]);
            amplitude = amplitude * values.index_select(0, &Tensor::indices(&codes));
        }
        amplitude
    }
}

/// A function drawn from the prior, `f_0(x) = φ(x) · w` with standard normal `w`. It can be evaluated anywhere, differentiated, and
/// saved: it owns its frequencies and weights, so it reads back to the same bits whatever became of the kernel.
///
/// ```
/// use elbo_core::Rng;
/// use elbo_gp::{features::PriorPath, kernel::Stationary};
/// use elbo_tensor::Tensor;
/// let path = PriorPath::sample(&Stationary::matern52(2), 2, 500, &mut Rng::new(7))?;
/// let x = Tensor::from_vec(vec![0.0, 0.5, 1.0, -1.0], &[2, 2]);
/// assert_eq!(path.value(&x).to_vec().len(), 2);
/// # Ok::<(), elbo_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriorPath {
    features: RandomFeatures,
    /// `[2 m]`.
    weights: Vec<f64>,
}

impl PriorPath {
    /// Draws a function of `dims` inputs with `count` frequencies. White noise in a kernel has no spectrum; leave it out.
    ///
    /// # Errors
    /// As [`RandomFeatures::draw`].
    pub fn sample(kernel: &dyn Kernel, dims: usize, count: usize, rng: &mut Rng) -> Result<Self> {
        let features = RandomFeatures::draw(kernel, dims, count, rng)?;
        Ok(Self::with_features(features, rng))
    }

    /// Draws a function with these features; several functions may share them.
    pub fn with_features(features: RandomFeatures, rng: &mut Rng) -> Self {
        let weights = rng.normals(2 * features.count());
        Self { features, weights }
    }

    /// The function with these features and weights `[2 m]`.
    pub fn with_weights(features: RandomFeatures, weights: Vec<f64>) -> Self {
        assert_eq!(weights.len(), 2 * features.count(), "one weight a feature");
        Self { features, weights }
    }

    /// The function at `x: [N, D]`, returns `[N]`, differentiable in `x`.
    pub fn value(&self, x: &Tensor) -> Tensor {
        self.features.features(x).matmul(&Tensor::from_slice(&self.weights, &[self.weights.len()]))
    }

    /// Value and gradient at one point, `[D]`, without a graph; for optimisers that walk along a path.
    pub fn value_and_gradient(&self, x: &[f64]) -> (f64, Vec<f64>) {
        let features = &self.features;
        let (m, dims) = (features.count(), features.dims);
        let amplitude = features.amplitudes(&Tensor::from_slice(x, &[1, dims])).to_vec();
        let (mut value, mut gradient) = (0.0, vec![0.0; dims]);
        for j in 0..m {
            let frequency = &features.frequencies[j * dims..(j + 1) * dims];
            let angle: f64 = frequency.iter().zip(x).map(|(f, x)| f * x).sum();
            let (sin, cos) = angle.sin_cos();
            let (a, b) = (amplitude[j] * self.weights[j], amplitude[j] * self.weights[m + j]);
            value += a * cos + b * sin;
            let slope = b * cos - a * sin;
            gradient.iter_mut().zip(frequency).for_each(|(g, f)| *g += slope * f);
        }
        (value, gradient)
    }

    /// Whether a path that was read from a file fits together, and inputs of `dims` columns.
    pub(crate) fn is_sound(&self, dims: usize) -> bool {
        self.features.is_sound(dims) && self.weights.len() == 2 * self.features.count()
    }

    /// The features behind it.
    pub fn features(&self) -> &RandomFeatures {
        &self.features
    }
}

/// Values of several functions with the same features, `[N, D] -> [N, S]`, for `S` columns of standard normal weights
/// `[2 m, S]`; one product for all.
pub fn paths(features: &RandomFeatures, weights: &Tensor, x: &Tensor) -> Tensor {
    assert_eq!(weights.dtype(), DType::F64, "weights are doubles");
    features.features(x).matmul(weights)
}
