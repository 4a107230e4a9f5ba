//! Pathwise samples: a draw from the posterior as a function, by Matheron's rule.

use crate::exact::ExactPosterior;
use crate::features::PriorPath;
use crate::kernel::Kernel;
use elbo_core::{Error, Result, Rng};
use elbo_tensor::{Tensor, no_grad};

/// One sample path `f(x) = f_0(x) + k(x, anchors) weights`, where `f_0` is a draw from the prior by random Fourier features.
///
/// A path is a function: it can be evaluated anywhere, at the cost of one row of the kernel, and differentiated.
///
/// # Source
/// Wilson, Borovitskiy, Terenin, Mostowsky and Deisenroth (2020).
pub struct SamplePath {
    kernel: Box<dyn Kernel>,
    prior: PriorPath,
    anchors: Tensor,
    weights: Tensor,
}

impl SamplePath {
    /// Puts a prior path and an update at `anchors: [A, D]` with `weights: [A]` together.
    pub fn new(kernel: Box<dyn Kernel>, prior: PriorPath, anchors: Tensor, weights: Tensor) -> Self {
        Self { kernel, prior, anchors, weights }
    }

    /// Values at `x: [N, D]`, `[N]`, differentiable in `x`. The mean function is not included.
    pub fn value(&self, x: &Tensor) -> Tensor {
        self.prior.value(x) + self.kernel.gram(x, &self.anchors).matmul(&self.weights)
    }
}

impl ExactPosterior {
    /// A sample path of `f` less its mean function, with this many random features.
    ///
    /// # Errors
    /// For a kernel without a spectral form.
    pub fn sample_path(&self, features: usize, rng: &mut Rng) -> Result<SamplePath> {
        let prior = PriorPath::sample(self.kernel(), self.inputs().shape()[1], features, rng)?;
        no_grad(|| {
            let n = self.targets().len();
            let noise = Tensor::from_vec(rng.normals(n), &[n]) * self.noise_of_rows().sqrt();
            let x = self.inputs();
            // K_y⁻¹ (y - mean - f_0(X) - noise), the mean's part being `alpha` already.
            let drawn = self.solve(&(prior.value(x) + noise).unsqueeze(1)).reshape(&[n]);
            Ok(SamplePath::new(self.kernel().clone_box(), prior, x.clone(), self.alpha() - drawn))
        })
    }
}

/// A sample path through inducing points: `u: [M]` is a draw of `f(z)`.
///
/// # Errors
/// For a kernel without a spectral form, or when `K_uu` is not positive definite within the jitter policy.
pub fn sparse_path(kernel: &dyn Kernel, z: &Tensor, u: &Tensor, features: usize, rng: &mut Rng) -> Result<SamplePath> {
    let prior = PriorPath::sample(kernel, z.shape()[1], features, rng)?;
    no_grad(|| {
        let chol = kernel.gram_symmetric(z).cholesky()?;
        let weights = chol.cholesky_solve(&(u - prior.value(z)).unsqueeze(1)).reshape(&[z.shape()[0]]);
        Ok(SamplePath::new(kernel.clone_box(), prior, z.clone(), weights))
    })
}

/// Rows up to which joint draws are made: beyond, a covariance alone takes more than 2 GiB.
pub const JOINT_ROWS: usize = 1 << 14;

/// Refuses points `[N, D]` that are too many for a covariance of them all.
///
/// # Errors
/// [`Error::Data`] for more than [`JOINT_ROWS`].
pub fn ensure_joint(x: &Tensor) -> Result<()> {
    match x.size(0) {
        rows if rows <= JOINT_ROWS => Ok(()),
        rows => Err(Error::data(
            format!("sample paths at {rows} rows together need a covariance of {rows} x {rows} numbers"),
            format!("ask for paths at {JOINT_ROWS} rows at most, or draw each row by itself from its prediction"),
        )),
    }
}

/// Joint draws at `x: [N, D]`, `[count, N]` row-major, from the mean `[N]` and the covariance `[N, N]` that `joint` gives there.
///
/// # Errors
/// Those of [`ensure_joint`], [`joint_samples`] and `joint`.
pub fn joint_paths(
    x: &Tensor,
    count: usize,
    rng: &mut Rng,
    joint: impl FnOnce(&Tensor) -> Result<(Tensor, Tensor)>,
) -> Result<Vec<f64>> {
    ensure_joint(x)?;
    let (mean, covariance) = joint(x)?;
    joint_samples(&mean, &covariance, count, rng)
}

/// Draws from a joint normal: `count` rows of the length of `mean: [N]`, row-major, for a `covariance: [N, N]` that may be
/// singular by rounding.
///
/// # Errors
/// When the covariance is not positive semi-definite within the jitter policy.
pub fn joint_samples(mean: &Tensor, covariance: &Tensor, count: usize, rng: &mut Rng) -> Result<Vec<f64>> {
    no_grad(|| {
        let n = mean.len();
        let chol = covariance.cholesky()?;
        let noise = Tensor::from_vec(rng.normals(count * n), &[count, n]);
        Ok((noise.matmul(&chol.t()) + mean.unsqueeze(0)).to_vec())
    })
}
