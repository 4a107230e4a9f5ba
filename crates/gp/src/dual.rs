//! The sparse Gaussian process in dual form for streams and minibatches: sites are kept only as their sums over the data.
//!
//! `shift_bar = sum of alpha_n k_zn` and `precision_bar = sum of beta_n k_zn k_znᵀ` say everything about the data seen so far. One step
//! towards the sums of a batch equals a natural-gradient step, and sums can be subtracted, added and projected onto other
//! inducing points, which is what sequential learning needs.
//!
//! While hyperparameters move, what the data said is held as natural parameters `λ = K_uu⁻¹ shift_bar`, `Λ = K_uu⁻¹ precision_bar K_uu⁻¹`, which
//! multiply the prior of the inducing variables by `exp(λᵀu - ½ uᵀΛu)`: the posterior then follows the kernel, so that the bound is
//! tighter as a function of it than with a mean and a covariance held. [`DualGp`] keeps the sums whitened, `s = L⁻¹ shift_bar = Lᵀλ` and
//! `S = L⁻¹ precision_bar L⁻ᵀ = LᵀΛL`, with the factor `L` of their time: at another kernel they are `Tᵀs` and `TᵀST` with `T = L_old⁻¹ L_new`,
//! and no `K_uu` is inverted.
//!
//! # Source
//! Adam, Chang, Khan and Solin (2021), dual parameterisation of sparse variational Gaussian processes.

use crate::exact::{checked_variances, in_blocks};
use crate::inducing::{Inducing, InducingPoints};
use crate::kernel::Kernel;
use crate::likelihood::{Likelihood, expected_log_prob};
use crate::site::PRECISION_FLOOR;
use elbo_core::{ModelFile, Result, Snapshot};
use elbo_tensor::{DType, Parameters, Tensor, no_grad, stored};

/// Sums of sites as the inducing points see them.
#[derive(Clone)]
pub struct Sums {
    /// `[M]`.
    pub shift_bar: Tensor,
    /// `[M, M]`, symmetric.
    pub precision_bar: Tensor,
}

impl Sums {
    /// Sums over no data, for `M` inducing points.
    pub fn zero(m: usize) -> Self {
        Self { shift_bar: Tensor::zeros(&[m], DType::F64), precision_bar: Tensor::zeros(&[m, m], DType::F64) }
    }

    /// Sums of sites, both `[B]`, as seen through `kuf: [M, B]`; whitened where it is `L⁻¹ K_uf`. Differentiable in all.
    pub fn of_sites(kuf: &Tensor, shift: &Tensor, precision: &Tensor) -> Self {
        let weighted = kuf * precision.sqrt().unsqueeze(0);
        Self { shift_bar: kuf.matmul(shift), precision_bar: weighted.matmul(&weighted.t()) }
    }

    /// `self + scale * other`.
    pub fn plus(&self, other: &Self, scale: f64) -> Self {
        Self {
            shift_bar: &self.shift_bar + &other.shift_bar * scale,
            precision_bar: &self.precision_bar + &other.precision_bar * scale,
        }
    }

    /// `scale * self`.
    pub fn times(&self, scale: f64) -> Self {
        Self { shift_bar: &self.shift_bar * scale, precision_bar: &self.precision_bar * scale }
    }

    /// The same information seen from other inducing points: `p = K(z, z)⁻¹ K(z, z_new)`, `[M, M_new]`. Exact when `f(z_new)`
    /// determines `f(z)`.
    pub fn project(&self, p: &Tensor) -> Self {
        let precision = p.t().matmul(&self.precision_bar.matmul(p));
        Self { shift_bar: p.t().matmul(&self.shift_bar), precision_bar: (&precision + precision.t()) * 0.5 }
    }
}

impl Snapshot for Sums {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        let m = self.shift_bar.len();
        file.put(&format!("{prefix}.shift_bar"), &[m], &self.shift_bar.to_vec());
        file.put(&format!("{prefix}.precision_bar"), &[m, m], &self.precision_bar.to_vec());
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let shift = format!("{prefix}.shift_bar");
        let m = file.rows(&shift, &[])?;
        self.shift_bar = stored(file, &shift, &[m])?;
        self.precision_bar = stored(file, &format!("{prefix}.precision_bar"), &[m, m])?;
        Ok(())
    }
}

/// Site quantities of a batch at given marginals: `shift = d/dm + precision * m`, `precision = -2 d/dv`, floored.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchSites {
    /// `alpha`, `[B]`.
    pub shift: Vec<f64>,
    /// `beta`, `[B]`.
    pub precision: Vec<f64>,
}

impl BatchSites {
    /// Sites of the targets `y` under a likelihood at the marginals `(mean, variance)`, all `[B]`.
    pub fn new(likelihood: &dyn Likelihood, y: &[f64], mean: &[f64], variance: &[f64]) -> Self {
        let (shift, precision) = (0..y.len())
            .map(|n| {
                let expected = likelihood.row(n).expected(y[n], mean[n], variance[n]);
                let precision = (-2.0 * expected.dv).max(PRECISION_FLOOR);
                (expected.dm + precision * mean[n], precision)
            })
            .unzip();
        Self { shift, precision }
    }

    /// Their sums as seen through `kuf: [M, B]`; whitened where it is `L⁻¹ K_uf`. Differentiable in it.
    pub fn sums(&self, kuf: &Tensor) -> Sums {
        let [shift, precision] = [&self.shift, &self.precision].map(|v| Tensor::from_slice(v, &[v.len()]));
        Sums::of_sites(kuf, &shift, &precision)
    }
}

/// The posterior that sums imply at given inducing points, factorised once.
pub struct DualPosterior {
    kuu_chol: Tensor,
    w_chol: Tensor,
    centre: Tensor,
}

impl DualPosterior {
    /// The posterior of the zero-mean process with `K_uu = kuu: [M, M]`. Differentiable in `kuu` and in the sums.
    ///
    /// # Errors
    /// When `K_uu` is not positive definite within the jitter policy.
    pub fn new(kuu: &Tensor, sums: &Sums) -> Result<Self> {
        Self::from_chol(&kuu.cholesky()?, sums)
    }

    /// The same from the factor `chol(K_uu): [M, M]`, which processes with one kernel share.
    ///
    /// # Errors
    /// When the posterior's precision is not finite.
    pub fn from_chol(kuu_chol: &Tensor, sums: &Sums) -> Result<Self> {
        let half = kuu_chol.solve_lower(&sums.precision_bar);
        let inner = kuu_chol.solve_lower(&half.t());
        let precision_bar = (&inner + inner.t()) * 0.5;
        let shift_bar = kuu_chol.solve_lower(&sums.shift_bar.unsqueeze(1)).squeeze(1);
        Self::from_whitened(kuu_chol, &Sums { shift_bar, precision_bar })
    }

    /// The same from whitened sums, `L⁻¹ shift_bar` and `L⁻¹ precision_bar L⁻ᵀ` with `L = kuu_chol: [M, M]`.
    ///
    /// # Errors
    /// As [`DualPosterior::from_chol`].
    pub fn from_whitened(kuu_chol: &Tensor, sums: &Sums) -> Result<Self> {
        let w_chol = (&sums.precision_bar + Tensor::eye(kuu_chol.shape()[0], kuu_chol.dtype())).cholesky()?;
        let centre = w_chol.solve_lower(&sums.shift_bar.unsqueeze(1));
        Ok(Self { kuu_chol: kuu_chol.clone(), w_chol, centre })
    }

    /// Means and variances of `f`, both `[B]`, for `kuf: [M, B]` and prior variances `kff: [B]`.
    pub fn marginals(&self, kuf: &Tensor, kff: &Tensor) -> (Tensor, Tensor) {
        let a = self.kuu_chol.solve_lower(kuf);
        self.marginals_whitened(&a, &(kff - a.square().sum_axis(0, false)))
    }

    /// The same from `a = chol(K_uu)⁻¹ kuf: [M, B]` and the variances that the inducing variables leave, `kff - diag(aᵀ a): [B]`.
    pub fn marginals_whitened(&self, a: &Tensor, left: &Tensor) -> (Tensor, Tensor) {
        let (mean, half) = self.projections(a);
        (mean, left + half.square().sum_axis(0, false))
    }

    /// Mean `[B]` and covariance `[B, B]` of `f`, for `kuf: [M, B]` and the prior covariance `kff: [B, B]`.
    pub fn joint(&self, kuf: &Tensor, kff: &Tensor) -> (Tensor, Tensor) {
        let a = self.kuu_chol.solve_lower(kuf);
        self.joint_whitened(&a, &(kff - a.t().matmul(&a)))
    }

    /// Mean `[B]` and covariance `[B, B]` of `f` from `a = chol(K_uu)⁻¹ kuf: [M, B]` and the covariance that the inducing variables leave,
    /// `K_ff - aᵀ a: [B, B]`.
    pub fn joint_whitened(&self, a: &Tensor, left: &Tensor) -> (Tensor, Tensor) {
        let (mean, half) = self.projections(a);
        (mean, left + half.t().matmul(&half))
    }

    /// Mean `[B]`, and `H: [M, B]` with `Hᵀ H` the covariance that comes from the inducing variables.
    pub(crate) fn projections(&self, a: &Tensor) -> (Tensor, Tensor) {
        let half = self.w_chol.solve_lower(a);
        (half.t().matmul(&self.centre).reshape(&[a.size(1)]), half)
    }

    /// `log E_p(u)[exp(shiftᵀ u - uᵀ precision u / 2)]` in nats, a scalar: what the sites, taken together, weigh under the prior.
    pub fn log_normaliser(&self) -> Tensor {
        self.centre.square().sum() * 0.5 - self.w_chol.diagonal().log().sum()
    }

    /// `KL[q(u) || p(u)]` in nats, a scalar, computed through factors only.
    ///
    /// `½ [log|W| - M + tr W⁻¹ + ‖W^{-½ᵀ} c‖²]` with `W = I + L⁻¹ precision_bar L⁻ᵀ`.
    pub fn kl(&self) -> Tensor {
        let m = self.w_chol.shape()[0];
        let inverse_root = self.w_chol.solve_lower(&Tensor::eye(m, self.w_chol.dtype()));
        let mean = self.w_chol.solve_lower_t(&self.centre);
        self.w_chol.diagonal().log().sum() + (inverse_root.square().sum() + mean.square().sum() - m as f64) * 0.5
    }

    /// How many of the inducing variables the data determine, in [0, M]: the sum over data of a site's precision times the variance of what it acts on,
    /// `tr (I - W⁻¹)` with `W = I + L⁻¹ precision_bar L⁻ᵀ`.
    pub fn leverage(&self) -> Tensor {
        let m = self.w_chol.shape()[0];
        let inverse_root = self.w_chol.solve_lower(&Tensor::eye(m, self.w_chol.dtype()));
        inverse_root.square().sum() * -1.0 + m as f64
    }

    /// Mean `[M]` and covariance `[M, M]` of the inducing variables.
    pub fn moments(&self) -> (Tensor, Tensor) {
        let (mean, covariance) = self.whitened();
        let l = &self.kuu_chol;
        (l.matmul(&mean), l.matmul(&covariance).matmul(&l.t()))
    }

    /// Mean `[M]` and covariance of the whitened inducing variables `L⁻¹u`: covariance `W⁻¹`.
    pub fn whitened(&self) -> (Tensor, Tensor) {
        (self.w_chol.solve_lower_t(&self.centre).squeeze(1), self.w_chol.cholesky_inverse())
    }
}

/// A dual sparse Gaussian process with one latent function.
pub struct DualGp {
    /// The kernel.
    pub kernel: Box<dyn Kernel>,
    /// The likelihood.
    pub likelihood: Box<dyn Likelihood>,
    inducing: Box<dyn Inducing>,
    /// Whitened sums over the data seen, and the factor that whitened them; nothing at the start.
    seen: Option<(Sums, Tensor)>,
}

impl DualGp {
    /// A process that has seen nothing, carried by function values at `z: [M, D]`.
    pub fn new(kernel: Box<dyn Kernel>, likelihood: Box<dyn Likelihood>, z: Tensor) -> Self {
        Self::through(kernel, likelihood, Box::new(InducingPoints::new(&z)))
    }

    /// The same carried by any inducing variables, whose own parameters are held.
    pub fn through(kernel: Box<dyn Kernel>, likelihood: Box<dyn Likelihood>, mut inducing: Box<dyn Inducing>) -> Self {
        inducing.set_all_frozen(true);
        Self { kernel, likelihood, inducing, seen: None }
    }

    fn kuu_chol(&self) -> Result<Tensor> {
        Ok(self.inducing.kuu(self.kernel.as_ref()).cholesky()?)
    }

    /// The sums over the data seen, with their natural parameters held, whitened by the factor of the present kernel.
    fn sums(&self, kuu_chol: &Tensor) -> Sums {
        match &self.seen {
            Some((sums, old)) => sums.project(&old.solve_lower(kuu_chol)),
            None => Sums::zero(self.inducing.count()),
        }
    }

    /// `a = L⁻¹ K_uf: [M, B]` at `x: [B, D]`, and the variances that the inducing variables leave, `[B]`.
    fn projections(&self, kuu_chol: &Tensor, x: &Tensor) -> (Tensor, Tensor) {
        let a = kuu_chol.solve_lower(&self.inducing.kuf(self.kernel.as_ref(), x));
        let left = self.kernel.diag(x) - a.square().sum_axis(0, false);
        (a, left)
    }

    /// The posterior at the present kernel, differentiable in its parameters with the natural parameters of the data seen held.
    ///
    /// # Errors
    /// When `K_uu` is not positive definite within the jitter policy.
    pub fn posterior(&self) -> Result<DualPosterior> {
        let kuu_chol = self.kuu_chol()?;
        DualPosterior::from_whitened(&kuu_chol, &self.sums(&kuu_chol))
    }

    /// The sites of these rows at the present posterior.
    ///
    /// # Errors
    /// As [`DualGp::posterior`].
    pub fn sites(&self, x: &Tensor, y: &[f64]) -> Result<BatchSites> {
        no_grad(|| {
            let posterior = self.posterior()?;
            let (a, left) = self.projections(&posterior.kuu_chol, x);
            let (mean, variance) = posterior.marginals_whitened(&a, &left);
            Ok(BatchSites::new(self.likelihood.as_ref(), y, &mean.to_vec(), &variance.to_vec()))
        })
    }

    /// A step of length `rho` towards the sums of this batch, weighted by `scale` (rows of the whole data over rows of the
    /// batch). Equal to a natural-gradient step on the minibatch bound.
    ///
    /// # Errors
    /// As [`DualGp::posterior`].
    pub fn step(&mut self, x: &Tensor, y: &[f64], scale: f64, rho: f64) -> Result<()> {
        no_grad(|| {
            let sites = self.sites(x, y)?;
            let kuu_chol = self.kuu_chol()?;
            let (a, _) = self.projections(&kuu_chol, x);
            let sums = self.sums(&kuu_chol).times(1.0 - rho).plus(&sites.sums(&a), rho * scale);
            self.seen = Some((sums, kuu_chol));
            Ok(())
        })
    }

    /// The bound from these rows, weighted by `scale`, with the natural parameters of the data seen held: in nats, differentiable in the
    /// kernel's and the likelihood's parameters. The rows seen before are not asked for.
    ///
    /// # Errors
    /// As [`DualGp::posterior`].
    pub fn bound(&self, x: &Tensor, y: &[f64], scale: f64) -> Result<Tensor> {
        Ok(self.bound_of(&self.posterior()?, x, y, scale))
    }

    /// The bound on all rows with a site of each held, whose sums are made anew with the present kernel: in nats, differentiable as
    /// [`DualGp::bound`], to which it is equal where the inducing variables determine the function at all rows.
    ///
    /// # Errors
    /// As [`DualGp::posterior`].
    pub fn bound_with_sites(&self, x: &Tensor, y: &[f64], sites: &BatchSites) -> Result<Tensor> {
        let kuu_chol = self.kuu_chol()?;
        let (a, _) = self.projections(&kuu_chol, x);
        let posterior = DualPosterior::from_whitened(&kuu_chol, &sites.sums(&a))?;
        Ok(self.bound_of(&posterior, x, y, 1.0))
    }

    fn bound_of(&self, posterior: &DualPosterior, x: &Tensor, y: &[f64], scale: f64) -> Tensor {
        let (a, left) = self.projections(&posterior.kuu_chol, x);
        let (mean, variance) = posterior.marginals_whitened(&a, &left);
        expected_log_prob(self.likelihood.as_ref(), y, &mean, &variance) * scale - posterior.kl()
    }

    /// Means and variances of `f` at `x: [N*, D]`, both `[N*]`.
    ///
    /// # Errors
    /// As [`DualGp::posterior`], and when a variance is negative beyond rounding.
    pub fn predict(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        let posterior = no_grad(|| self.posterior())?;
        in_blocks(x, |x| {
            let (a, left) = self.projections(&posterior.kuu_chol, x);
            let (mean, variance) = posterior.marginals_whitened(&a, &left);
            Ok((mean.to_vec(), checked_variances(variance.to_vec(), &self.kernel.diag(x).to_vec())?))
        })
    }
}

elbo_tensor::parameters!(DualGp { kernel, likelihood, inducing });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Profile, Stationary};

    #[test]
    fn the_divergence_is_what_the_sites_expect_less_their_log_normaliser() {
        let kernel = Stationary::new(Profile::Matern52, &[1.0]);
        let z = Tensor::from_vec(vec![0.0, 1.0, 2.5], &[3, 1]);
        let kuu = kernel.gram_symmetric(&z);
        let sites = BatchSites { shift: vec![0.5, -2.0, 1.0], precision: vec![2.0, 0.3, 1.0] };
        let posterior = DualPosterior::new(&kuu, &sites.sums(&kuu)).unwrap();
        let (mean, variance) = posterior.marginals(&kuu, &kernel.diag(&z));
        let (m, v) = (mean.to_vec(), variance.to_vec());
        let term = |n: usize| sites.shift[n] * m[n] - 0.5 * sites.precision[n] * (m[n] * m[n] + v[n]);
        let expected = (0..3).map(term).sum::<f64>() - posterior.log_normaliser().item();
        let found = posterior.kl().item();
        assert!((found - expected).abs() < 1e-10, "{found}, expected {expected}");
    }
}
