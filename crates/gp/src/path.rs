//! Pathwise samples: a draw from the posterior as a function, by Matheron's rule.
//!
//! The rule solves with the covariance of what carries the posterior, here by its Cholesky factor: of the rows in
//! [`ExactPosterior::sample_path`], of the inducing variables in [`sparse_path`]. For many rows without inducing variables
//! [`sdd`](crate::sdd) solves by stochastic dual descent. Conjugate gradients are left out: they would do what that does, at the cost of a
//! pass over all pairs of rows an iteration.

use crate::exact::ExactPosterior;
use crate::features::PriorPath;
use crate::inducing::{Inducing, InducingPoints};
use crate::kernel::Kernel;
use crate::table::stored_points;
use elbo_core::{Error, ModelFile, Result, Rng, Snapshot};
use elbo_tensor::{Parameters, Tensor, grad, no_grad, stored, with_grad};

/// One sample path `f(x) = f_0(x) + k(x, anchors) weights`, where `f_0` is a draw from the prior by random Fourier features.
///
/// A path is a function: it can be evaluated anywhere, at the cost of one row of the kernel, differentiated, and saved. Over paths with
/// features of their own, mean and covariance are those of the posterior for any number of features, since random features estimate
/// the kernel without bias; one path is the nearer to a draw of the process the more there are.
///
/// # Source
/// Wilson, Borovitskiy, Terenin, Mostowsky and Deisenroth (2020).
pub struct SamplePath {
    kernel: Box<dyn Kernel>,
    prior: PriorPath,
    anchors: Box<dyn Inducing>,
    weights: Tensor,
}

impl SamplePath {
    /// Puts a prior path and an update at `anchors: [A, D]` with `weights: [A]` together.
    pub fn new(kernel: Box<dyn Kernel>, prior: PriorPath, anchors: &Tensor, weights: Tensor) -> Self {
        Self::through(kernel, prior, Box::new(InducingPoints::new(anchors)), weights)
    }

    /// The same with an update by `A` variables of any kind, whose own parameters are held.
    pub fn through(kernel: Box<dyn Kernel>, prior: PriorPath, mut anchors: Box<dyn Inducing>, weights: Tensor) -> Self {
        assert_eq!(anchors.count(), weights.len(), "one weight a variable");
        anchors.set_all_frozen(true);
        Self { kernel, prior, anchors, weights }
    }

    /// Values at `x: [N, D]`, `[N]`, differentiable in `x`. The mean function is not included.
    pub fn value(&self, x: &Tensor) -> Tensor {
        self.prior.value(x) + self.anchors.kuf(self.kernel.as_ref(), x).t().matmul(&self.weights)
    }

    /// Where the path is highest within the box of `low` and `high`, `[D]` each, as far as climbs from `starts: [S, D]` find: the place, `[D]`,
    /// and the value there. The mean function is not included.
    ///
    /// All starts climb side by side along their gradients, `steps` times, in the units of the box and stopped at its walls: a step that
    /// raises the value is taken and the next one is longer by half, another one is left and the next one is half as long.
    pub fn maximise(&self, starts: &Tensor, low: &[f64], high: &[f64], steps: usize) -> (Vec<f64>, f64) {
        let (count, dims) = (starts.size(0), starts.size(1));
        assert!(count > 0 && low.len() == dims && high.len() == dims, "a start, and two walls a dimension");
        assert!(low.iter().zip(high).all(|(low, high)| low <= high), "a box from {low:?} to {high:?}");
        let width: Vec<f64> = low.iter().zip(high).map(|(low, high)| high - low).collect();
        let inside = |x: Vec<f64>| -> Vec<f64> {
            x.into_iter().enumerate().map(|(i, v)| v.clamp(low[i % dims], high[i % dims])).collect()
        };
        let mut at = inside(starts.to_vec());
        let (mut values, mut slopes) = self.values_and_slopes(&at, dims);
        let size = |slope: &[f64]| slope.iter().zip(&width).map(|(s, w)| (s * w).powi(2)).sum::<f64>().sqrt();
        // The first step is a tenth of the box.
        let mut lengths: Vec<f64> =
            slopes.chunks_exact(dims).map(|slope| 0.1 / size(slope).max(f64::MIN_POSITIVE)).collect();
        for _ in 0..steps {
            let moved = at.iter().zip(&slopes).enumerate().map(|(i, (x, s))| {
                let w = width[i % dims];
                x + lengths[i / dims] * s * w * w
            });
            let next = inside(moved.collect());
            let (found, rises) = self.values_and_slopes(&next, dims);
            for (i, value) in found.into_iter().enumerate() {
                if value > values[i] {
                    let row = i * dims..(i + 1) * dims;
                    at[row.clone()].copy_from_slice(&next[row.clone()]);
                    slopes[row.clone()].copy_from_slice(&rises[row]);
                    (values[i], lengths[i]) = (value, 1.5 * lengths[i]);
                } else {
                    lengths[i] *= 0.5;
                }
            }
        }
        let best = (1..count).fold(0, |best, i| if values[i] > values[best] { i } else { best });
        (at[best * dims..(best + 1) * dims].to_vec(), values[best])
    }

    /// Values `[S]` and gradients `[S, D]` at `S` points, row-major.
    fn values_and_slopes(&self, at: &[f64], dims: usize) -> (Vec<f64>, Vec<f64>) {
        with_grad(|| {
            let x = Tensor::from_slice(at, &[at.len() / dims, dims]).variable();
            let values = self.value(&x);
            (values.to_vec(), grad(&values.sum(), &[&x])[0].to_vec())
        })
    }

    /// Rebuilds a path whose anchors are points from what [`Snapshot::save`] wrote, given a kernel of the same form for inputs of `dims`
    /// columns. A path through other variables is restored into one through variables of the same form.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing, of another shape, or of another number of columns.
    pub fn load(kernel: Box<dyn Kernel>, dims: usize, file: &ModelFile, prefix: &str) -> Result<Self> {
        let anchors = stored_points(file, &format!("{prefix}.anchors"), dims)?;
        let weights = Tensor::zeros(&[anchors.size(0)], anchors.dtype());
        let mut path = Self::new(kernel, stored_prior(file, prefix, dims)?, &anchors, weights);
        path.restore(file, prefix)?;
        Ok(path)
    }
}

/// The prior path that a model file holds, of functions of `dims` inputs.
fn stored_prior(file: &ModelFile, prefix: &str, dims: usize) -> Result<PriorPath> {
    let prior: PriorPath = file.fact(&format!("{prefix}.prior"))?;
    if !prior.is_sound(dims) {
        return Err(Error::misfit(format!("the random features of the path are not those of {dims} columns")));
    }
    Ok(prior)
}

impl Snapshot for SamplePath {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.kernel.write_to(file, &format!("{prefix}.kernel"));
        file.set(&format!("{prefix}.prior"), &self.prior);
        self.anchors.write_to(file, &format!("{prefix}.anchors"));
        file.put(&format!("{prefix}.weights"), self.weights.shape(), &self.weights.to_vec());
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.kernel.read_from(file, &format!("{prefix}.kernel"))?;
        self.prior = stored_prior(file, prefix, self.prior.features().dims())?;
        self.anchors.read_from(file, &format!("{prefix}.anchors"))?;
        self.weights = stored(file, &format!("{prefix}.weights"), &[self.anchors.count()])?;
        Ok(())
    }
}

impl ExactPosterior {
    /// A sample path of `f` less its mean function, with this many random features.
    ///
    /// # Errors
    /// For a kernel without a spectral form, and for an integrated mean function, which varies with the path.
    pub fn sample_path(&self, features: usize, rng: &mut Rng) -> Result<SamplePath> {
        if self.has_integrated_mean() {
            return Err(Error::data(
                "the coefficients of the mean function are integrated out, and a path without it would hold them fixed",
                "draw jointly at given points, or optimise the coefficients",
            ));
        }
        let prior = PriorPath::sample(self.kernel(), self.inputs().shape()[1], features, rng)?;
        no_grad(|| {
            let n = self.targets().len();
            let noise = Tensor::from_vec(rng.normals(n), &[n]) * self.noise_of_rows().sqrt();
            let x = self.inputs();
            // K_y⁻¹ (y - mean - f_0(X) - noise), the mean's part being `alpha` already.
            let drawn = self.solve(&(prior.value(x) + noise).unsqueeze(1)).reshape(&[n]);
            Ok(SamplePath::new(self.kernel().clone_box(), prior, x, self.alpha() - drawn))
        })
    }
}

/// A sample path of a function of `dims` inputs through inducing variables, with this many random features:
/// `f(x) = f_0(x) + k_fu K_uu⁻¹ (u - u_0)`, where `u_0` is what the variables are of `f_0`. `whitened: [M]` is a draw of `L⁻¹u`,
/// `L = chol(K_uu)`.
///
/// # Errors
/// For a kernel without a spectral form; [`Error::Data`] for variables without [`Inducing::of_function`]; when `K_uu` is not positive
/// definite within the jitter policy.
pub fn sparse_path(
    kernel: &dyn Kernel,
    inducing: &dyn Inducing,
    whitened: &Tensor,
    dims: usize,
    features: usize,
    rng: &mut Rng,
) -> Result<SamplePath> {
    let prior = PriorPath::sample(kernel, dims, features, rng)?;
    no_grad(|| {
        let before = inducing.of_function(&|x: &Tensor| prior.value(x)).ok_or_else(|| {
            Error::data(
                "of these inducing variables only covariances are known, so that no path runs through them",
                "give them `of_function`, or draw jointly at given points",
            )
        })?;
        let kuu_chol = inducing.kuu(kernel).cholesky()?;
        let moved = whitened - kuu_chol.solve_lower(&before.unsqueeze(1)).squeeze(1);
        let weights = kuu_chol.solve_lower_t(&moved.unsqueeze(1)).squeeze(1);
        Ok(SamplePath::through(kernel.clone_box(), prior, inducing.clone_box(), weights))
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
