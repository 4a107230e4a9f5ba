//! Draws from a prior over many rows, without their covariance matrix.

use crate::features::{PriorPath, RandomFeatures, paths};
use crate::kernel::Kernel;
use elbo_core::{Error, ModelFile, Result, Rng};
use elbo_tensor::{Tensor, no_grad, stored};

/// Rows that carry the prior of a kernel without a spectrum.
const ANCHORS: usize = 1000;

/// `S` functions drawn from a prior, to be evaluated anywhere.
pub enum PriorDraws {
    /// Random Fourier features that all functions share.
    Spectral {
        /// The features.
        features: RandomFeatures,
        /// Standard normal weights, `[2 m, S]`.
        weights: Tensor,
    },
    /// For kernels without a spectrum: functions carried by anchor rows, `f(x) = k(x, z) L⁻ᵀ w`, whose variance falls short of the prior's
    /// by the second result of [`PriorDraws::values`]; adding that as independent noise makes variances right and correlations approximate.
    Anchored {
        /// Anchors, `[M, D]`.
        z: Tensor,
        /// Factor of their covariance, `[M, M]`.
        chol: Tensor,
        /// Standard normal weights, `[M, S]`.
        weights: Tensor,
    },
}

impl PriorDraws {
    /// `count` functions with this many frequencies, or with anchors among the rows of `x: [n, D]` where the kernel has no spectrum.
    ///
    /// # Errors
    /// When the anchors' covariance is not positive definite within the jitter policy.
    pub fn draw(kernel: &dyn Kernel, x: &Tensor, count: usize, frequencies: usize, rng: &mut Rng) -> Result<Self> {
        let (n, dims) = (x.shape()[0], x.shape()[1]);
        if let Ok(features) = RandomFeatures::draw(kernel, dims, frequencies, rng) {
            let m = 2 * features.count();
            let weights = Tensor::from_vec(rng.normals(m * count), &[m, count]);
            return Ok(Self::Spectral { features, weights });
        }
        no_grad(|| {
            let rows = rng.choose(n, ANCHORS.min(n));
            let z = x.index_select(0, &Tensor::indices(&rows));
            let chol = kernel.gram_symmetric(&z).cholesky()?;
            let weights = Tensor::from_vec(rng.normals(rows.len() * count), &[rows.len(), count]);
            Ok(Self::Anchored { z, chol, weights })
        })
    }

    /// Whether the functions have the kernel's exact covariance in expectation.
    pub fn is_spectral(&self) -> bool {
        matches!(self, Self::Spectral { .. })
    }

    /// Values at `x: [N, D]`, `[N, S]`, and the prior variance that the functions lack there, `[N]`.
    pub fn values(&self, kernel: &dyn Kernel, x: &Tensor) -> (Tensor, Vec<f64>) {
        no_grad(|| match self {
            Self::Spectral { features, weights } => (paths(features, weights, x), vec![0.0; x.shape()[0]]),
            Self::Anchored { z, chol, weights } => {
                let half = chol.solve_lower(&kernel.gram(z, x));
                let left = (kernel.diag(x) - half.square().sum_axis(0, false)).to_vec();
                // Rounding at the anchors themselves.
                (half.t().matmul(weights), left.into_iter().map(|v| v.max(0.0)).collect())
            }
        })
    }

    /// Right-hand sides whose solutions turn the functions into posterior samples: values at the rows `x: [n, D]` plus noise, `[n, S]`.
    pub fn targets(&self, kernel: &dyn Kernel, x: &Tensor, noise: f64, rng: &mut Rng) -> Tensor {
        let n = x.shape()[0];
        let mut blocks = vec![];
        for start in (0..n).step_by(crate::exact::BLOCK) {
            let block = x.narrow(0, start, crate::exact::BLOCK.min(n - start));
            let (values, left) = self.values(kernel, &block);
            let (rows, count) = (values.shape()[0], values.shape()[1]);
            let sd = Tensor::from_vec(left.into_iter().map(|v| (v + noise).sqrt()).collect(), &[rows, 1]);
            blocks.push(values + Tensor::from_vec(rng.normals(rows * count), &[rows, count]) * sd);
        }
        Tensor::cat(&blocks, 0)
    }

    /// Function `index` of these by itself, as a function of numeric inputs with a gradient.
    ///
    /// # Errors
    /// [`Error::Data`] for functions that anchors carry, which lack some of the prior's variance.
    pub fn path(&self, index: usize) -> Result<PriorPath> {
        match self {
            Self::Spectral { features, weights } => {
                Ok(PriorPath::with_weights(features.clone(), weights.select(1, index).to_vec()))
            }
            Self::Anchored { .. } => Err(Error::data(
                "the kernel has no random frequencies, so that its draws are not functions with a gradient",
                "use stationary kernels and their sums and products, or take the samples at given points",
            )),
        }
    }

    pub(super) fn save(&self, file: &mut ModelFile, prefix: &str) {
        let mut put = |name: &str, t: &Tensor| file.put(&format!("{prefix}.{name}"), t.shape(), &t.to_vec());
        match self {
            Self::Spectral { features, weights } => {
                put("weights", weights);
                file.set(&format!("{prefix}.features"), features);
            }
            Self::Anchored { z, chol, weights } => {
                put("z", z);
                put("chol", chol);
                put("weights", weights);
            }
        }
    }

    /// Number of functions, `S`.
    pub(super) fn count(&self) -> usize {
        let (Self::Spectral { weights, .. } | Self::Anchored { weights, .. }) = self;
        weights.shape()[1]
    }

    pub(super) fn load(file: &ModelFile, prefix: &str, dims: usize) -> Result<Self> {
        let name = |part: &str| format!("{prefix}.{part}");
        let &[rows, count] = file.shape(&name("weights"))? else {
            return Err(Error::misfit("the weights of the prior's draws are no matrix"));
        };
        if count == 0 {
            return Err(Error::misfit("there are no draws of the prior"));
        }
        let weights = stored(file, &name("weights"), &[rows, count])?;
        if file.has(&name("features")) {
            let features: RandomFeatures = file.fact(&name("features"))?;
            if !features.is_sound(dims) || rows != 2 * features.count() {
                return Err(Error::misfit("the random features are not those of the kernel's columns"));
            }
            return Ok(Self::Spectral { features, weights });
        }
        let (z, chol) = (stored(file, &name("z"), &[rows, dims])?, stored(file, &name("chol"), &[rows, rows])?);
        Ok(Self::Anchored { z, chol, weights })
    }
}
