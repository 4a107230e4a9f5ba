//! Exact regression with Gaussian noise: marginal likelihood, prediction, leave-one-out, growing by a row, universal kriging.

mod trend;

use trend::FlatTrend;
pub use trend::ensure_determined;

use crate::fit::{Loss, diagnosis, with_remedy};
use crate::jitter::{Clamps, Rung};
use crate::kernel::Kernel;
use crate::mean::Mean;
use elbo_core::{Error, ModelFile, Result, Snapshot};
use elbo_tensor::{Constraint, Jitter, Ladder, Parameter, Parameters, Tensor, fused, nested, nested_mut, no_grad};

/// Rows predicted at once: keeps `[N, block]` temporaries small whatever the number of new rows.
pub const BLOCK: usize = 1024;

/// Least noise variance, relative to a target of variance one.
pub const NOISE_FLOOR: f64 = 1e-6;

/// A noise variance that a model file holds.
pub(crate) fn stored_noise(file: &ModelFile, name: &str) -> Result<f64> {
    match file.get_as(name, &[1])?[0] {
        noise if noise >= 0.0 => Ok(noise),
        noise => Err(Error::misfit(format!("a noise variance of {noise}"))),
    }
}

/// Noise variances at the data: the learned one, `[]`, or with known ones added `[N]`.
pub(crate) fn noise_of_rows(learned: &Tensor, known: Option<&Tensor>) -> Tensor {
    known.map_or_else(|| learned.clone(), |known| known + learned)
}

/// Log marginal likelihood of `y: [N]`, or of the columns of `[N, P]`, with mean zero and this noise, and the jitter that it needed.
pub(crate) fn log_marginal_of(
    kernel: &dyn Kernel,
    x: &Tensor,
    noise: &Tensor,
    y: &Tensor,
    ladder: Ladder,
) -> Result<(Tensor, Jitter)> {
    match kernel.radial_form() {
        Some(k) => {
            let alpha = k.alpha.as_ref();
            fused::stationary_log_marginal_with(k.radial, x, &k.lengthscale, &k.variance, alpha, noise, y, ladder)
        }
        None => fused::gaussian_log_marginal_with(&kernel.gram_symmetric(x), noise, y, ladder),
    }
}

/// `y = mean(x) + f(x) + noise`, `f ~ GP(0, k)`, with all `N³` of it. Rows may have known noise besides the learned one.
pub struct ExactGp {
    kernel: Box<dyn Kernel>,
    mean: Box<dyn Mean>,
    noise: Parameter,
    x: Tensor,
    y: Tensor,
    known: Option<Tensor>,
    /// Whether the mean's coefficients are integrated out.
    integrates: bool,
    rung: Rung,
}

impl ExactGp {
    /// A model of `x: [N, D]`, `y: [N]`, with this start for the noise variance.
    pub fn new(kernel: Box<dyn Kernel>, mean: Box<dyn Mean>, noise: f64, x: Tensor, y: Tensor) -> Self {
        assert_eq!(x.shape()[0], y.len(), "one target a row");
        Self {
            kernel,
            mean,
            noise: Parameter::scalar(noise, Constraint::Above(NOISE_FLOOR)),
            x,
            y,
            known: None,
            integrates: false,
            rung: Rung::default(),
        }
    }

    /// The same, with noise of these variances `[N]`, zero at least, besides the learned noise.
    pub fn with_known_noise(mut self, variances: &[f64]) -> Self {
        assert_eq!(variances.len(), self.y.len(), "one known variance a row");
        self.known = Some(Tensor::from_slice(variances, &[variances.len()]));
        self
    }

    /// The same, with the coefficients of the mean function integrated out under a flat prior instead of optimised, which is universal kriging:
    /// [`ExactGp::log_marginal`] is then the restricted likelihood, and predictions hold what the rows leave open of the coefficients.
    ///
    /// # Errors
    /// [`Error::Data`] for a mean function that is no combination of known functions, and as [`ensure_determined`].
    pub fn with_integrated_mean(mut self) -> Result<Self> {
        let basis = self.mean.basis(&self.x).filter(|basis| basis.size(1) > 0).ok_or_else(|| {
            Error::data(
                format!("the mean function, {}, has no coefficients to integrate out", self.mean.summary()),
                "choose a constant, linear or polynomial mean, or optimise what parameters it has",
            )
        })?;
        ensure_determined(&basis, |j| (j + 1).to_string())?;
        self.mean.set_all_frozen(true);
        self.integrates = true;
        Ok(self)
    }

    /// The same, with later solves at the jitter that earlier ones have needed; see [`Rung`].
    pub fn with_held_jitter(mut self) -> Self {
        self.rung = Rung::held();
        self
    }

    /// The kernel.
    pub fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }

    /// The kernel, to change or freeze its parameters.
    pub fn kernel_mut(&mut self) -> &mut dyn Kernel {
        self.kernel.as_mut()
    }

    /// The mean function.
    pub fn mean(&self) -> &dyn Mean {
        self.mean.as_ref()
    }

    /// The learned noise variance.
    pub fn noise(&self) -> f64 {
        self.noise.get().item()
    }

    /// The noise variance's parameter.
    pub fn noise_mut(&mut self) -> &mut Parameter {
        &mut self.noise
    }

    /// The inputs, `[N, D]`.
    pub fn inputs(&self) -> &Tensor {
        &self.x
    }

    fn noise_of_rows(&self) -> Tensor {
        noise_of_rows(&self.noise.get(), self.known.as_ref())
    }

    /// The lower factor of `K_y`, `[N, N]`, and the jitter that it needed.
    fn factor(&self) -> Result<(Tensor, Jitter)> {
        let noise = Tensor::eye(self.y.len(), self.x.dtype()) * self.noise_of_rows();
        let ky = self.kernel.gram_symmetric(&self.x) + noise;
        let (chol, jitter) = ky.cholesky_with(self.rung.ladder()).map_err(|e| self.diagnose(e.into()))?;
        Ok((self.rung.keep((chol, jitter)), jitter))
    }

    /// Log marginal likelihood in nats, a scalar, differentiable in all parameters.
    ///
    /// $$ -\tfrac12 r^\top K_y^{-1} r - \tfrac12 \log |K_y| - \tfrac N2 \log 2\pi $$
    ///
    /// With an integrated mean the restricted one, in which `-½ log|Hᵀ K_y⁻¹ H|` is added and `N` is less by the number of coefficients.
    ///
    /// # Errors
    /// Recoverable, when the covariance is not positive definite within the jitter policy.
    pub fn log_marginal(&self) -> Result<Tensor> {
        if self.integrates {
            let (chol, _) = self.factor()?;
            let trend = FlatTrend::new(&chol, &basis_of(self.mean.as_ref(), &self.x), &self.y)?;
            return Ok(trend.restricted_log_likelihood(&chol));
        }
        let (noise, residual) = (self.noise_of_rows(), residual(self.mean.as_ref(), &self.x, &self.y));
        let value = log_marginal_of(self.kernel.as_ref(), &self.x, &noise, &residual, self.rung.ladder());
        Ok(self.rung.keep(value.map_err(|e| self.diagnose(e))?))
    }

    /// The posterior at the present parameters.
    ///
    /// # Errors
    /// As [`ExactGp::log_marginal`].
    pub fn condition(&self) -> Result<ExactPosterior> {
        no_grad(|| {
            let (chol, jitter) = self.factor()?;
            let mut mean = self.mean.clone_box();
            let (alpha, trend) = weights_of(&chol, mean.as_mut(), self.integrates, &self.x, &self.y)?;
            Ok(ExactPosterior {
                kernel: self.kernel.clone_box(),
                mean,
                trend,
                noise: self.noise(),
                known: self.known.clone(),
                x: self.x.detach(),
                y: self.y.detach(),
                chol,
                alpha,
                jitter: jitter.relative,
                clamps: Clamps::default(),
            })
        })
    }

    /// Adds what the user can change to a failed factorisation.
    fn diagnose(&self, error: Error) -> Error {
        with_remedy(error, || diagnosis(&self.x, self.noise()))
    }
}

impl Parameters for ExactGp {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Parameter)) {
        nested("kernel", &self.kernel, visit);
        nested("mean", &self.mean, visit);
        visit("noise", &self.noise);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("kernel", &mut self.kernel, visit);
        nested_mut("mean", &mut self.mean, visit);
        visit("noise", &mut self.noise);
    }
}

impl Snapshot for ExactGp {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
        self.rung.save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)?;
        self.rung.restore(file, prefix)
    }
}

impl Loss for ExactGp {
    fn loss(&self) -> Result<Tensor> {
        Ok(-self.log_marginal()?)
    }
}

/// Targets less the mean function, `[N]`.
pub(crate) fn residual(mean: &dyn Mean, x: &Tensor, y: &Tensor) -> Tensor {
    if mean.is_zero() { y.clone() } else { y - mean.value(x) }
}

/// The functions that an integrated mean combines, `[N, p]`.
fn basis_of(mean: &dyn Mean, x: &Tensor) -> Tensor {
    mean.basis(x).expect("only a combination of known functions is integrated out")
}

/// `K_y⁻¹ (y - mean)`, `[N]`, given the factor of `K_y`. Where coefficients are integrated out, what is known of them too, and those of `mean` become
/// their means.
fn weights_of(
    chol: &Tensor,
    mean: &mut dyn Mean,
    integrates: bool,
    x: &Tensor,
    y: &Tensor,
) -> Result<(Tensor, Option<Box<FlatTrend>>)> {
    if !integrates {
        let residual = residual(mean, x, y).unsqueeze(1);
        return Ok((chol.cholesky_solve(&residual).squeeze(1), None));
    }
    let trend = FlatTrend::new(chol, &basis_of(mean, x), y)?;
    let mut outcome = Ok(());
    mean.visit_mut(&mut |_, coefficients| outcome = coefficients.set(&trend.coefficients()));
    outcome?;
    Ok((trend.alpha(chol), Some(Box::new(trend))))
}

/// What is known after seeing the data.
pub struct ExactPosterior {
    kernel: Box<dyn Kernel>,
    mean: Box<dyn Mean>,
    /// What is known of the mean's coefficients, where they are integrated out.
    trend: Option<Box<FlatTrend>>,
    noise: f64,
    known: Option<Tensor>,
    x: Tensor,
    y: Tensor,
    chol: Tensor,
    alpha: Tensor,
    jitter: f64,
    clamps: Clamps,
}

/// Leave-one-out predictions of the targets.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaveOneOut {
    /// Means, `[N]`.
    pub mean: Vec<f64>,
    /// Variances of the target, noise included, `[N]`.
    pub variance: Vec<f64>,
}

impl ExactPosterior {
    /// Means and variances of `f` (noise not included) at `x: [N*, D]`, both `[N*]`.
    ///
    /// # Errors
    /// When a variance is negative beyond rounding, which means the factorisation has lost its digits.
    pub fn marginals(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        in_blocks(x, |x| {
            let cross = self.kernel.gram(&self.x, x);
            let half = self.chol.solve_lower(&cross);
            let mean = with_mean(self.mean.as_ref(), x, cross.t().matmul(&self.alpha));
            let prior = self.kernel.diag(x);
            let mut variance = &prior - half.square().sum_axis(0, false);
            if let Some(unknown) = self.unknown(&half, x) {
                variance = variance + unknown.square().sum_axis(0, false);
            }
            Ok((mean.to_vec(), self.clamps.check(variance.to_vec(), &prior.to_vec())?))
        })
    }

    /// Mean `[N*]` and covariance `[N*, N*]` of `f` at `x: [N*, D]`.
    pub fn joint(&self, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| {
            let cross = self.kernel.gram(&self.x, x);
            let half = self.chol.solve_lower(&cross);
            let mean = with_mean(self.mean.as_ref(), x, cross.t().matmul(&self.alpha));
            let covariance = self.kernel.gram_symmetric(x) - half.t().matmul(&half);
            match self.unknown(&half, x) {
                Some(unknown) => (mean, covariance + unknown.t().matmul(&unknown)),
                None => (mean, covariance),
            }
        })
    }

    /// What the rows leave open of an integrated mean at `x: [N*, D]`, as in [`FlatTrend::unknown`]. `half: [N, N*]` is `L⁻¹ k*`.
    fn unknown(&self, half: &Tensor, x: &Tensor) -> Option<Tensor> {
        self.trend.as_ref().map(|trend| trend.unknown(half, &basis_of(self.mean.as_ref(), x)))
    }

    /// Leave-one-out predictions in closed form: mean `y - alpha / [K_y⁻¹]_ii`, variance `1 / [K_y⁻¹]_ii`. With an integrated mean, whose coefficients
    /// then are those of the other rows, `K_y⁻¹` is `K_y⁻¹ - K_y⁻¹ H (Hᵀ K_y⁻¹ H)⁻¹ Hᵀ K_y⁻¹`.
    pub fn leave_one_out(&self) -> LeaveOneOut {
        no_grad(|| {
            let precision = match &self.trend {
                Some(trend) => trend.precision_diagonal(&self.chol),
                None => self.chol.cholesky_inverse().diagonal().to_vec(),
            };
            let (y, alpha) = (self.y.to_vec(), self.alpha.to_vec());
            let mean = (0..y.len()).map(|i| y[i] - alpha[i] / precision[i]).collect();
            LeaveOneOut { mean, variance: precision.iter().map(|p| 1.0 / p).collect() }
        })
    }

    /// The posterior after one more observation, which has the learned noise alone, by growing the factor by a row: equal to a refit at the
    /// same parameters.
    ///
    /// # Errors
    /// When the new point repeats an old one and there is no noise.
    pub fn append(&self, x: &Tensor, y: f64) -> Result<Self> {
        no_grad(|| {
            let n = self.y.len();
            let row = x.reshape(&[1, self.x.shape()[1]]);
            let cross = self.kernel.gram(&self.x, &row);
            let below = self.chol.solve_lower(&cross);
            let pivot = self.kernel.diag(&row).item() + self.noise - below.square().sum().item();
            if pivot <= 0.0 {
                return Err(Error::numerical(
                    "the new point repeats an old one and leaves no variance",
                    "allow some noise",
                ));
            }
            let top = Tensor::cat(&[self.chol.clone(), Tensor::zeros(&[n, 1], self.x.dtype())], 1);
            let bottom = Tensor::cat(&[below.t(), Tensor::full(&[1, 1], pivot.sqrt(), self.x.dtype())], 1);
            let chol = Tensor::cat(&[top, bottom], 0);
            let x = Tensor::cat(&[self.x.clone(), row], 0);
            let targets = Tensor::cat(&[self.y.clone(), Tensor::from_slice(&[y], &[1])], 0);
            let mut mean = self.mean.clone_box();
            let (alpha, trend) = weights_of(&chol, mean.as_mut(), self.trend.is_some(), &x, &targets)?;
            Ok(Self {
                kernel: self.kernel.clone_box(),
                mean,
                trend,
                noise: self.noise,
                known: self
                    .known
                    .as_ref()
                    .map(|known| Tensor::cat(&[known.clone(), Tensor::zeros(&[1], known.dtype())], 0)),
                x,
                y: targets,
                chol,
                alpha,
                jitter: self.jitter,
                clamps: Clamps::default(),
            })
        })
    }

    /// The learned noise variance, that of a new row.
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// Noise variances at the data: `[]`, or `[N]` where some are known.
    pub fn noise_of_rows(&self) -> Tensor {
        noise_of_rows(&Tensor::scalar(self.noise), self.known.as_ref())
    }

    /// Variances that [`ExactPosterior::marginals`] has raised since this was last asked; see [`Clamps::check`].
    pub fn take_clamped(&self) -> usize {
        self.clamps.take()
    }

    /// The jitter that the factorisation needed, relative to the mean of the diagonal; zero as a rule.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// The kernel.
    pub fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }

    /// The training inputs, `[N, D]`.
    pub fn inputs(&self) -> &Tensor {
        &self.x
    }

    /// `K_y⁻¹ v` for `v: [N, P]`.
    pub fn solve(&self, v: &Tensor) -> Tensor {
        no_grad(|| self.chol.cholesky_solve(v))
    }

    /// The mean function; of an integrated one with the coefficients' means.
    pub fn mean(&self) -> &dyn Mean {
        self.mean.as_ref()
    }

    /// Whether the coefficients of the mean function are integrated out.
    pub fn has_integrated_mean(&self) -> bool {
        self.trend.is_some()
    }

    /// The training targets, `[N]`.
    pub fn targets(&self) -> &Tensor {
        &self.y
    }

    /// `K_y⁻¹ (y - mean)`, `[N]`.
    pub fn alpha(&self) -> &Tensor {
        &self.alpha
    }
}

/// Adds the mean function at `x` to a process without one.
pub(crate) fn with_mean(mean: &dyn Mean, x: &Tensor, f: Tensor) -> Tensor {
    if mean.is_zero() { f } else { f + mean.value(x) }
}

/// Applies a prediction to blocks of rows, outside of any graph.
pub(crate) fn in_blocks(
    x: &Tensor,
    mut predict: impl FnMut(&Tensor) -> Result<(Vec<f64>, Vec<f64>)>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let rows = x.shape()[0];
    let (mut means, mut variances) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for start in (0..rows).step_by(BLOCK) {
        let block = x.narrow(0, start, BLOCK.min(rows - start));
        let (mean, variance) = no_grad(|| predict(&block))?;
        means.extend(mean);
        variances.extend(variance);
    }
    Ok((means, variances))
}

/// [`Clamps::check`] where nobody asks for the count.
pub(crate) fn checked_variances(variance: Vec<f64>, prior: &[f64]) -> Result<Vec<f64>> {
    Clamps::default().check(variance, prior)
}
