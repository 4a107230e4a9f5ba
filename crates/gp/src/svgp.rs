//! Stochastic variational inference with whitened inducing variables, for any likelihood and minibatches.

mod factors;

use crate::exact::{checked_variances, in_blocks, with_mean};
use crate::inducing::{Inducing, InducingPoints};
use crate::kernel::Kernel;
use crate::likelihood::{MultiLikelihood, expected_log_prob_multi};
use crate::mean::Mean;
use crate::path::{SamplePath, joint_paths, sparse_path};
use crate::site::PRECISION_FLOOR;
use crate::table::Process;
use elbo_core::{Columns, ModelFile, Prediction, Progress, Result, Rng, Run, Snapshot, Step, step::Batches};
use elbo_tensor::{Parameter, Parameters, Tensor, fused, nested, nested_mut, no_grad};
use factors::Factors;

/// A sparse Gaussian process with `P` latent functions that share kernel and inducing variables, `q(L⁻¹u_p) = N(m_p, R_p R_pᵀ)`,
/// `L = chol(K_uu)`.
///
/// $$ \mathcal L = \frac NB \sum_b \mathbb E_{q(f_b)}[\log p(y_b \mid f_b)] - \sum_p \mathrm{KL}[q_p \,\|\, N(0, I)] $$
///
/// # Source
/// Hensman, Matthews and Ghahramani (2015); whitening after Murray and Adams (2010). Minibatches are drawn without replacement.
pub struct Svgp {
    kernel: Box<dyn Kernel>,
    mean: Box<dyn Mean>,
    likelihood: Box<dyn MultiLikelihood>,
    inducing: Box<dyn Inducing>,
    q_mean: Parameter,
    q_chol: Factors,
    x: Tensor,
    y: Vec<f64>,
    is_whitened: bool,
}

/// The bound of a batch and its derivatives by the marginals, before and after the step they lead to.
struct BatchSlopes {
    bound: f64,
    a: Tensor,
    mean: Tensor,
    dm: Tensor,
    dv: Tensor,
}

impl Svgp {
    /// A model of `x: [N, D]` and targets `y: [N]` through function values at `z: [M, D]`, started at the prior.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] for targets outside the likelihood's support.
    pub fn new(
        kernel: Box<dyn Kernel>,
        mean: Box<dyn Mean>,
        likelihood: Box<dyn MultiLikelihood>,
        z: &Tensor,
        x: Tensor,
        y: Vec<f64>,
    ) -> Result<Self> {
        Self::through(kernel, mean, likelihood, Box::new(InducingPoints::new(z)), x, y)
    }

    /// A model of `x: [N, D]` and targets `y: [N]` through any inducing variables, started at the prior.
    ///
    /// # Errors
    /// As [`Svgp::new`].
    pub fn through(
        kernel: Box<dyn Kernel>,
        mean: Box<dyn Mean>,
        likelihood: Box<dyn MultiLikelihood>,
        inducing: Box<dyn Inducing>,
        x: Tensor,
        y: Vec<f64>,
    ) -> Result<Self> {
        assert_eq!(x.shape()[0], y.len(), "one target a row");
        likelihood.check_targets(&y)?;
        let (p, m) = (likelihood.latents(), inducing.count());
        Ok(Self {
            kernel,
            mean,
            likelihood,
            inducing,
            q_mean: Parameter::real(&Tensor::zeros(&[p, m], x.dtype())),
            q_chol: Factors::full(p, m, &x),
            x,
            y,
            is_whitened: true,
        })
    }

    /// The kernel.
    pub fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }

    /// The mean function, common to all latent functions.
    pub fn mean(&self) -> &dyn Mean {
        self.mean.as_ref()
    }

    /// The likelihood.
    pub fn likelihood(&self) -> &dyn MultiLikelihood {
        self.likelihood.as_ref()
    }

    /// The inducing variables, common to all latent functions.
    pub fn inducing(&self) -> &dyn Inducing {
        self.inducing.as_ref()
    }

    /// Number of data rows, `N`.
    pub fn rows(&self) -> usize {
        self.y.len()
    }

    /// Sets the posterior of the whitened inducing variables: `mean: [P, M]`, `chol: [P, M, M]` lower triangular, of which a diagonal
    /// posterior takes the diagonals.
    ///
    /// # Panics
    /// For a diagonal posterior and a factor with a zero on its diagonal.
    pub fn set_posterior(&mut self, mean: &Tensor, chol: &Tensor) {
        self.q_mean.set_free(&mean.to_vec());
        self.q_chol.set(chol);
    }

    /// Keeps `q` out of the parameters that optimisers see: for natural-gradient steps.
    pub fn with_natural_posterior(mut self) -> Self {
        self.q_mean.set_frozen(true);
        self.q_chol.parameter_mut().set_frozen(true);
        self
    }

    /// The same model with whitened inducing variables that are independent in the posterior, `R` diagonal, started at the prior: `M`
    /// numbers instead of `M (M + 1) / 2` for the spread. It has no natural-gradient steps here, so an optimiser moves it with the rest.
    ///
    /// # Panics
    /// For variables that are not whitened.
    pub fn with_diagonal_posterior(mut self) -> Self {
        assert!(self.is_whitened, "a diagonal posterior is one of whitened variables");
        self.q_chol = Factors::diagonal(self.likelihood.latents(), self.inducing.count(), &self.x);
        self
    }

    /// Holds the inducing variables' own parameters, such as where points are.
    pub fn with_fixed_inducing(mut self) -> Self {
        self.inducing.set_all_frozen(true);
        self
    }

    /// The same model with `q(u) = N(m, R Rᵀ)` in place of `q(L⁻¹u)`, started at the prior: what whitening is compared with.
    ///
    /// # Errors
    /// When `K_uu` is not positive definite within the jitter policy.
    ///
    /// # Panics
    /// For a diagonal posterior, which is one of whitened variables.
    pub fn with_unwhitened_posterior(mut self) -> Result<Self> {
        assert!(matches!(self.q_chol, Factors::Full(_)), "a diagonal posterior is one of whitened variables");
        self.is_whitened = false;
        let chol = no_grad(|| self.kuu().cholesky())?;
        let shape = self.q_chol.parameter().shape().to_vec();
        self.q_chol.set(&chol.unsqueeze(0).broadcast_to(&shape));
        Ok(self)
    }

    /// `K_uu: [M, M]`.
    fn kuu(&self) -> Tensor {
        self.inducing.kuu(self.kernel.as_ref())
    }

    /// `K_uf: [M, B]` at `x: [B, D]`.
    fn kuf(&self, x: &Tensor) -> Tensor {
        self.inducing.kuf(self.kernel.as_ref(), x)
    }

    /// Mean `[P, M]` and factor `[P, M, M]` of the whitened inducing variables, differentiable; of the factor only the lower
    /// triangle counts.
    fn whitened(&self) -> Result<(Tensor, Tensor)> {
        let (q_mean, q_chol) = (self.q_mean.get(), self.q_chol.get());
        if self.is_whitened {
            return Ok((q_mean, q_chol));
        }
        let q_chol = q_chol.tril(0);
        let kuu_chol = self.kuu().cholesky()?;
        Ok((kuu_chol.solve_lower(&q_mean.t()).t(), kuu_chol.solve_lower(&q_chol)))
    }

    /// Marginals of the latent functions at `x: [B, D]`, mean function included, differentiable: means and variances, both `[B, P]`.
    ///
    /// # Errors
    /// Recoverable, when `K_uu` is not positive definite within the jitter policy.
    pub fn marginals(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (q_mean, q_chol) = self.whitened()?;
        let (kuu, kuf, kff) = (self.kuu(), self.kuf(x), self.kernel.diag(x));
        let (mean, variance) = fused::svgp_marginals(&kuu, &kuf, &kff, &q_mean, &q_chol)?;
        let (mean, variance) = (mean.t(), variance.t());
        let mean = if self.mean.is_zero() { mean } else { mean + self.mean.value(x).unsqueeze(1) };
        Ok((mean, variance))
    }

    /// `A = L⁻¹ K_uf: [M, B]` at `x: [B, D]`.
    fn projections(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.kuu().cholesky()?.solve_lower(&self.kuf(x)))
    }

    /// Mean `[N*]` and covariance `[N*, N*]` of one of the latent functions at `x: [N*, D]`, mean function included:
    /// `K** - Aᵀ A + Wᵀ W`, `W = Rᵀ A`.
    ///
    /// # Errors
    /// As [`Svgp::marginals`].
    ///
    /// # Panics
    /// When there is no such latent function.
    pub fn joint(&self, latent: usize, x: &Tensor) -> Result<(Tensor, Tensor)> {
        no_grad(|| {
            let (q_mean, q_chol) = self.whitened()?;
            let a = self.projections(x)?;
            let half = q_chol.select(0, latent).tril(0).t().matmul(&a);
            let mean = with_mean(self.mean.as_ref(), x, a.t().matmul(&q_mean.select(0, latent)));
            Ok((mean, self.kernel.gram_symmetric(x) - a.t().matmul(&a) + half.t().matmul(&half)))
        })
    }

    /// A sample path of one of the latent functions less the mean function, with this many random features: a function, through a draw
    /// of the inducing variables.
    ///
    /// # Errors
    /// As [`sparse_path`] and [`Svgp::marginals`].
    ///
    /// # Panics
    /// When there is no such latent function.
    pub fn sample_path(&self, latent: usize, features: usize, rng: &mut Rng) -> Result<SamplePath> {
        no_grad(|| {
            let (q_mean, q_chol) = self.whitened()?;
            let m = self.inducing.count();
            let noise = Tensor::from_vec(rng.normals(m), &[m]);
            let drawn = q_mean.select(0, latent) + q_chol.select(0, latent).tril(0).matmul(&noise);
            sparse_path(self.kernel.as_ref(), self.inducing.as_ref(), &drawn, self.x.size(1), features, rng)
        })
    }

    /// `KL[q || p]` summed over the latent functions, in nats, a scalar.
    ///
    /// # Errors
    /// As [`Svgp::marginals`].
    pub fn kl(&self) -> Result<Tensor> {
        let (q_mean, q_chol) = self.whitened()?;
        Ok(fused::whitened_kl(&q_mean, &q_chol))
    }

    /// The bound estimated from these rows, in nats of the whole data, a scalar.
    ///
    /// # Errors
    /// As [`Svgp::marginals`].
    pub fn bound(&self, rows: &[usize]) -> Result<Tensor> {
        let (x, y) = self.batch(rows);
        let (mean, variance) = self.marginals(&x)?;
        let scale = self.y.len() as f64 / y.len() as f64;
        Ok(expected_log_prob_multi(self.likelihood.as_ref(), &y, &mean, &variance) * scale - self.kl()?)
    }

    fn batch(&self, rows: &[usize]) -> (Tensor, Vec<f64>) {
        if rows.len() == self.y.len() && rows.iter().enumerate().all(|(i, r)| i == *r) {
            return (self.x.clone(), self.y.clone());
        }
        (self.x.index_select(0, &Tensor::indices(rows)), rows.iter().map(|r| self.y[*r]).collect())
    }

    /// The bound on all rows, in blocks, in nats.
    ///
    /// # Errors
    /// As [`Svgp::marginals`].
    pub fn full_bound(&self) -> Result<f64> {
        no_grad(|| {
            let (mut total, n) = (0.0, self.y.len());
            for start in (0..n).step_by(2048) {
                let length = 2048.min(n - start);
                let (mean, variance) = self.marginals(&self.x.narrow(0, start, length))?;
                let y = &self.y[start..start + length];
                total += expected_log_prob_multi(self.likelihood.as_ref(), y, &mean, &variance).item();
            }
            Ok(total - self.kl()?.item())
        })
    }

    /// Means and variances of the latent functions at `x: [N*, D]`, both `[N*, P]` row-major.
    ///
    /// # Errors
    /// As [`Svgp::marginals`], and when a variance is negative beyond rounding.
    pub fn predict(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        let latents = self.likelihood.latents();
        in_blocks(x, |x| {
            let (mean, variance) = self.marginals(x)?;
            let prior: Vec<f64> =
                self.kernel.diag(x).to_vec().into_iter().flat_map(|v| std::iter::repeat_n(v, latents)).collect();
            Ok((mean.to_vec(), checked_variances(variance.to_vec(), &prior)?))
        })
    }

    fn slopes(&self, rows: &[usize]) -> Result<BatchSlopes> {
        let (x, y) = self.batch(rows);
        let (mean, variance) = no_grad(|| self.marginals(&x))?;
        let (mean, variance) = (mean.contiguous().variable(), variance.contiguous().variable());
        let fit = expected_log_prob_multi(self.likelihood.as_ref(), &y, &mean, &variance);
        let slopes = elbo_tensor::grad(&fit, &[&mean, &variance]);
        no_grad(|| {
            let scale = self.y.len() as f64 / y.len() as f64;
            let a = self.projections(&x)?;
            let offset = if self.mean.is_zero() { None } else { Some(self.mean.value(&x).unsqueeze(1)) };
            let mean = offset.map_or(mean.detach(), |o| mean.detach() - o);
            let bound = fit.item() * scale - self.kl()?.item();
            Ok(BatchSlopes { bound, a, mean, dm: &slopes[0] * scale, dv: &slopes[1] * scale })
        })
    }

    /// A natural-gradient step of length `rho` on `q`, from these rows: with a Gaussian likelihood, all rows and `rho` = 1, the
    /// optimum. Returns the bound before the step, in nats.
    ///
    /// In natural coordinates the step is a weighted mean of the old posterior and of the Gaussian that the sites of these rows imply,
    /// `precision = I + A diag(beta) Aᵀ`, `shift = A alpha`, with `beta = -2 dv` floored at [`PRECISION_FLOOR`] and
    /// `alpha = dm + beta mean`.
    ///
    /// # Errors
    /// As [`Svgp::marginals`].
    ///
    /// # Panics
    /// For a posterior that is not whitened, or diagonal.
    pub fn natural_step(&mut self, rows: &[usize], rho: f64) -> Result<f64> {
        let is_full = matches!(self.q_chol, Factors::Full(_));
        assert!(self.is_whitened && is_full, "natural steps are written for the whitened posterior with a full factor");
        let BatchSlopes { bound, a, mean, dm, dv } = self.slopes(rows)?;
        let (latents, m) = (self.likelihood.latents(), a.shape()[0]);
        let (mut means, mut chols) = (vec![], vec![]);
        no_grad(|| -> Result<()> {
            let eye = Tensor::eye(m, a.dtype());
            for p in 0..latents {
                let beta = (dv.select(1, p) * -2.0).clamp(PRECISION_FLOOR, f64::INFINITY);
                let alpha = dm.select(1, p) + &beta * mean.select(1, p);
                let weighted = &a * beta.sqrt().unsqueeze(0);
                let target = weighted.matmul(&weighted.t()) + &eye;
                let (old_mean, old_chol) = (self.q_mean.get().select(0, p), self.q_chol.get().select(0, p));
                let old = old_chol.cholesky_inverse();
                let shift = old.matmul(&old_mean) * (1.0 - rho) + a.matmul(&alpha) * rho;
                let precision = (old * (1.0 - rho) + target * rho).cholesky()?;
                means.push(precision.cholesky_solve(&shift.unsqueeze(1)).squeeze(1));
                chols.push(precision.cholesky_inverse().cholesky()?);
            }
            Ok(())
        })?;
        self.set_posterior(&Tensor::stack(&means, 0), &Tensor::stack(&chols, 0));
        Ok(bound)
    }
}

impl Parameters for Svgp {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("kernel", &self.kernel, f);
        nested("mean", &self.mean, f);
        nested("likelihood", &self.likelihood, f);
        nested("inducing", &self.inducing, f);
        f("q.mean", &self.q_mean);
        f(self.q_chol.name(), self.q_chol.parameter());
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("kernel", &mut self.kernel, f);
        nested_mut("mean", &mut self.mean, f);
        nested_mut("likelihood", &mut self.likelihood, f);
        nested_mut("inducing", &mut self.inducing, f);
        f("q.mean", &mut self.q_mean);
        f(self.q_chol.name(), self.q_chol.parameter_mut());
    }
}

impl Snapshot for Svgp {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

/// Natural-gradient steps on `q` from minibatches. Combine with an optimiser of the other parameters:
/// `NaturalSteps { .. }.then(adam)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NaturalSteps {
    /// Step length in (0, 1].
    pub rho: f64,
    /// Rows a step.
    pub batch: usize,
}

impl Step<Svgp> for NaturalSteps {
    type State = Batches;

    fn init(&self, model: &mut Svgp, _: &mut Run) -> Result<Batches> {
        Ok(Batches::new(model.rows(), self.batch))
    }

    fn step(&self, model: &mut Svgp, batches: &mut Batches, run: &mut Run) -> Result<Progress> {
        let rows = batches.next(&mut run.rng).to_vec();
        Ok(Progress { objective: model.natural_step(&rows, self.rho)?, converged: false })
    }
}

impl Process for Svgp {
    fn save(&self, file: &mut ModelFile) {
        self.write_to(file, "svgp");
    }

    fn predict(&self, x: &Tensor, columns: &Columns) -> Result<Prediction> {
        let (mean, variance) = Svgp::predict(self, x)?;
        Ok(self.likelihood().prediction(&mean, &variance, columns.target_scaling(), columns.classes()))
    }

    fn sample_paths(&self, x: &Tensor, count: usize, rng: &mut Rng) -> Result<Option<Vec<f64>>> {
        let Some(latent) = self.likelihood.location() else { return Ok(None) };
        joint_paths(x, count, rng, |x| self.joint(latent, x)).map(Some)
    }
}
