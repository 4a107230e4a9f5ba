//! Regression on inputs that are not known exactly, and latent variable models, by the collapsed bound from kernel
//! expectations.
//!
//! | the inputs are | use |
//! |---|---|
//! | measured with a known error | [`LatentGp::with_held_inputs`] |
//! | unknown, to be found from several outputs | [`LatentGp::new`] |

use crate::exact::{NOISE_FLOOR, checked_variances, in_blocks};
use crate::fit::Loss;
use crate::kernel::{Expectations, Kernel, Profile, Stationary, expectations};
use elbo_core::{Error, ModelFile, Result, Snapshot};
use elbo_dist::batched::Normal;
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor, no_grad};

/// `y_p = f_p(x) + noise`, `f_p ~ GP(0, k)` with an RBF `k` that all outputs share, and inputs
/// `x_n ~ q(x_n) = N(μ_n, diag(s_n))`.
///
/// With `ψ0 = Σ E k(x_n, x_n)`, `Ψ1 = E K_fu`, `Ψ2 = Σ E k_un k_nu` under `q(X)`, `L = chol(K_uu)`,
/// `A = L⁻¹ Ψ2 L⁻ᵀ / σ²`, `B = I + A` and `c = chol(B)⁻¹ L⁻¹ Ψ1ᵀ Y / σ²`:
///
/// $$ \mathcal L = -\tfrac{NP}2 \log 2\pi\sigma^2 - \tfrac P2 \log|B| - \frac{\mathrm{tr}\, Y Y^\top}{2\sigma^2} + \tfrac12 \|c\|^2
///    - \frac{P \psi_0}{2\sigma^2} + \tfrac P2 \mathrm{tr} A - \mathrm{KL}[q(X) \,\|\, p(X)] $$
///
/// Where inputs are certain it is the collapsed bound of sparse regression. The process has mean zero: centre each
/// output first.
///
/// Parameters: `kernel.*`; `noise` `[]`; `inducing` `[M, Q]`; `mean` `[N, Q]` and `variance` `[N, Q]` of the inputs,
/// held where they are known.
///
/// # Source
/// Titsias and Lawrence (2010); for uncertain inputs Damianou, Titsias and Lawrence (2016), where `q(X)` is fixed at
/// `p(X)`.
pub struct LatentGp {
    kernel: Stationary,
    noise: Parameter,
    inducing: Parameter,
    mean: Parameter,
    variance: Parameter,
    y: Tensor,
    has_prior: bool,
}
elbo_tensor::parameters!(LatentGp { kernel, noise, inducing, mean, variance });

/// The bound without its KL, and what a posterior is made of.
struct Collapsed {
    bound: Tensor,
    kuu_chol: Tensor,
    b_chol: Tensor,
    /// `c`, `[M, P]`.
    centre: Tensor,
}

/// `y: [N, P]` through the expectations of the covariances with `M` inducing variables.
fn collapse(found: &Expectations, kuu: &Tensor, noise: &Tensor, y: &Tensor) -> Result<Collapsed> {
    let (numbers, outputs) = (y.len() as f64, y.size(1) as f64);
    let kuu_chol = kuu.cholesky()?;
    let whitened = kuu_chol.solve_lower(&kuu_chol.solve_lower(&found.psi2).t());
    let a = (&whitened + whitened.t()) * 0.5 / noise;
    let b_chol = (&a + Tensor::eye(kuu.size(0), kuu.dtype())).cholesky()?;
    let centre = b_chol.solve_lower(&kuu_chol.solve_lower(&found.psi1.t().matmul(y))) / noise;
    let log_det = b_chol.cholesky_log_det() * outputs + (noise.log() + std::f64::consts::TAU.ln()) * numbers;
    let fit = (y.square().sum() + &found.psi0 * outputs) / noise - centre.square().sum();
    let bound = (log_det + fit - a.trace() * outputs) * -0.5;
    Ok(Collapsed { bound, kuu_chol, b_chol, centre })
}

impl LatentGp {
    /// Unknown inputs with the prior `N(0, I)`, from these starts of `q(X)`: `mean: [N, Q]` and `variance: [N, Q]`, positive; `z: [M, Q]`,
    /// `y: [N, P]`. The principal components of `y`, scaled to unit variance, are good means, and 0.1 a good variance.
    ///
    /// # Errors
    /// [`Error::Data`] when a target or an input is not finite, or a variance is not positive.
    ///
    /// # Panics
    /// For a kernel other than the RBF, of which no closed expectations are known.
    pub fn new(
        kernel: Stationary,
        noise: f64,
        z: &Tensor,
        mean: &Tensor,
        variance: &Tensor,
        y: Tensor,
    ) -> Result<Self> {
        assert!(kernel.profile() == Profile::Rbf, "closed expectations exist for the RBF kernel only");
        assert!(
            y.rank() == 2 && mean.rank() == 2 && mean.shape() == variance.shape(),
            "targets and inputs are matrices"
        );
        assert!(mean.size(0) == y.size(0) && mean.size(1) == z.size(1), "one input a row, of as many columns as `z`");
        ensure_each("target", &y, f64::is_finite)?;
        ensure_each("mean of the inputs", mean, f64::is_finite)?;
        ensure_each("variance of the inputs", variance, |v| v.is_finite() && v > 0.0)?;
        Ok(Self {
            kernel,
            noise: Parameter::scalar(noise, Constraint::Above(NOISE_FLOOR)),
            inducing: Parameter::real(z),
            mean: Parameter::real(mean),
            variance: Parameter::from_tensor(variance, Constraint::Positive),
            y,
            has_prior: true,
        })
    }

    /// The same with `q(X)` held as it is: inputs known up to a normal error.
    pub fn with_held_inputs(mut self) -> Self {
        self.mean.set_frozen(true);
        self.variance.set_frozen(true);
        self.has_prior = false;
        self
    }

    /// The kernel.
    pub fn kernel(&self) -> &Stationary {
        &self.kernel
    }

    /// The kernel, to change or freeze its parameters.
    pub fn kernel_mut(&mut self) -> &mut Stationary {
        &mut self.kernel
    }

    /// The noise variance.
    pub fn noise(&self) -> f64 {
        self.noise.get().item()
    }

    /// Means and variances of the inputs, both `[N, Q]`.
    pub fn inputs(&self) -> (Tensor, Tensor) {
        (self.mean.get().detach(), self.variance.get().detach())
    }

    /// The inducing inputs, to hold or move them.
    pub fn inducing_mut(&mut self) -> &mut Parameter {
        &mut self.inducing
    }

    fn collapsed(&self) -> Result<Collapsed> {
        let z = self.inducing.get();
        let found = expectations(&self.kernel, &self.mean.get(), &self.variance.get(), &z);
        collapse(&found, &self.kernel.gram_symmetric(&z), &self.noise.get(), &self.y)
    }

    /// `KL[q(X) || N(0, I)]` in nats, a scalar.
    fn divergence(&self) -> Tensor {
        Normal::new(self.mean.get(), self.variance.get().sqrt()).kl_standard().sum()
    }

    /// The bound on the log evidence in nats, a scalar, differentiable in all parameters.
    ///
    /// # Errors
    /// Recoverable, when a covariance is not positive definite within the jitter policy.
    pub fn bound(&self) -> Result<Tensor> {
        let bound = self.collapsed()?.bound;
        Ok(if self.has_prior { bound - self.divergence() } else { bound })
    }

    /// The posterior of `f` at the present parameters.
    ///
    /// # Errors
    /// As [`LatentGp::bound`].
    pub fn condition(&self) -> Result<LatentGpPosterior> {
        no_grad(|| {
            let Collapsed { kuu_chol, b_chol, centre, .. } = self.collapsed()?;
            Ok(LatentGpPosterior {
                kernel: self.kernel.clone(),
                z: self.inducing.get().detach(),
                kuu_chol,
                b_chol,
                centre,
                noise: self.noise(),
            })
        })
    }
}

/// Refuses numbers that do not hold, by their place.
fn ensure_each(what: &str, table: &Tensor, holds: impl Fn(f64) -> bool) -> Result<()> {
    let (values, columns) = (table.to_vec(), table.size(1));
    match values.iter().position(|v| !holds(*v)) {
        None => Ok(()),
        Some(i) => Err(Error::data(
            format!("the {what} in row {}, column {} is {}", i / columns + 1, i % columns + 1, values[i]),
            "leave this row out, or correct it",
        )),
    }
}

impl Loss for LatentGp {
    fn loss(&self) -> Result<Tensor> {
        Ok(-self.bound()?)
    }
}

impl Snapshot for LatentGp {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

/// The best `q(u)` of a [`LatentGp`], as a function of inputs that are known.
pub struct LatentGpPosterior {
    kernel: Stationary,
    z: Tensor,
    kuu_chol: Tensor,
    b_chol: Tensor,
    centre: Tensor,
    noise: f64,
}

impl LatentGpPosterior {
    /// Means and variances of every output's `f` (noise not included) at `x: [N*, Q]`, both `[N*, P]` row-major. The
    /// variances of a row are equal.
    ///
    /// # Errors
    /// When a variance is negative beyond rounding.
    pub fn marginals(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        let outputs = self.centre.size(1);
        in_blocks(x, |x| {
            let a = self.kuu_chol.solve_lower(&self.kernel.gram(&self.z, x));
            let half = self.b_chol.solve_lower(&a);
            let prior = self.kernel.diag(x);
            let variance = &prior - a.square().sum_axis(0, false) + half.square().sum_axis(0, false);
            let variance = checked_variances(variance.to_vec(), &prior.to_vec())?;
            let each = variance.into_iter().flat_map(|v| vec![v; outputs]).collect();
            Ok((half.t().matmul(&self.centre).to_vec(), each))
        })
    }

    /// Means `[M, P]` and the covariance `[M, M]`, one for all outputs, of the whitened inducing variables: `L_B⁻ᵀ c`,
    /// `B⁻¹`.
    pub fn whitened(&self) -> (Tensor, Tensor) {
        no_grad(|| (self.b_chol.solve_lower_t(&self.centre), self.b_chol.cholesky_inverse()))
    }

    /// The noise variance.
    pub fn noise(&self) -> f64 {
        self.noise
    }
}
