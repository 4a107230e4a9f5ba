//! Sparse regression with Gaussian noise: the collapsed bound, its upper companion, and the FITC family.

use crate::exact::{NOISE_FLOOR, in_blocks, noise_of_rows, residual, stored_noise, with_mean};
use crate::fit::{Loss, inducing_diagnosis, with_remedy};
use crate::inducing::{Inducing, InducingPoints};
use crate::jitter::{Clamps, Rung};
use crate::kernel::Kernel;
use crate::mean::Mean;
use crate::table::{self, Process};
use elbo_core::{Columns, Error, ModelFile, Prediction, Result, Rng, Snapshot, ensure_within};
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor, fused, nested, nested_mut, no_grad, stored};

/// Regression through `M` inducing variables, the best `q(u)` found in closed form.
///
/// With `L = chol(K_uu)`, `A = L⁻¹ K_uf / sigma`, `B = I + A Aᵀ`, `c = chol(B)⁻¹ A y / sigma`:
///
/// $$ \mathrm{ELBO} = -\tfrac N2 \log 2\pi\sigma^2 - \tfrac12\log|B| - \tfrac{y^\top y}{2\sigma^2} + \tfrac{c^\top c}2
///    - \tfrac{\mathrm{tr} K_{ff}}{2\sigma^2} + \tfrac{\mathrm{tr} AA^\top}2 $$
///
/// # Source
/// Titsias (2009). Costs N M² and never holds an N x N matrix.
pub struct Sgpr {
    kernel: Box<dyn Kernel>,
    mean: Box<dyn Mean>,
    noise: Parameter,
    inducing: Box<dyn Inducing>,
    x: Tensor,
    y: Tensor,
    known: Option<Tensor>,
    power: f64,
    rung: Rung,
}

/// Number of covariances `M N` from which they are made in blocks: 128 MiB.
pub const BLOCKED: usize = 1 << 24;

/// `A W Aᵀ` and `A W r` for whitened covariances `A = L⁻¹ K_uf` and weights `W` of the rows, and `tr AᵀA`.
struct Sums {
    gram: Tensor,
    projected: Tensor,
    explained: f64,
}

/// Weights of the rows from a place on, given their whitened covariances.
type Weigh<'a> = dyn Fn(usize, &Tensor) -> Tensor + 'a;

/// Lower and upper bounds of the exact log marginal likelihood at the same parameters, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The collapsed bound.
    pub lower: f64,
    /// Titsias's upper bound.
    pub upper: f64,
}

impl Sgpr {
    /// A model of `x: [N, D]`, `y: [N]` through inducing inputs `z: [M, D]`, which are optimised unless frozen.
    pub fn new(kernel: Box<dyn Kernel>, mean: Box<dyn Mean>, noise: f64, z: Tensor, x: Tensor, y: Tensor) -> Self {
        Self::through(kernel, mean, noise, Box::new(InducingPoints::new(&z)), x, y)
    }

    /// A model of `x: [N, D]`, `y: [N]` through any inducing variables, whose own parameters are optimised unless frozen.
    pub fn through(
        kernel: Box<dyn Kernel>,
        mean: Box<dyn Mean>,
        noise: f64,
        inducing: Box<dyn Inducing>,
        x: Tensor,
        y: Tensor,
    ) -> Self {
        assert_eq!(x.shape()[0], y.len(), "one target a row");
        let noise = Parameter::scalar(noise, Constraint::Above(NOISE_FLOOR));
        Self { kernel, mean, noise, inducing, x, y, known: None, power: 0.0, rung: Rung::default() }
    }

    /// The same, with noise of these variances `[N]`, zero at least, besides the learned noise.
    pub fn with_known_noise(mut self, variances: &[f64]) -> Self {
        assert_eq!(variances.len(), self.y.len(), "one known variance a row");
        self.known = Some(Tensor::from_slice(variances, &[variances.len()]));
        self
    }

    /// Holds the inducing variables' own parameters, such as where points are.
    pub fn with_fixed_inducing(mut self) -> Self {
        self.inducing.set_all_frozen(true);
        self
    }

    /// The same, with hyperparameters that a search learns by [`Sgpr::power_bound`] at a power in `0..=1`; at 0, as it comes, by [`Sgpr::bound`].
    /// [`Sgpr::condition_with_power`] is the posterior that belongs to it.
    pub fn with_power(mut self, power: f64) -> Self {
        assert!((0.0..=1.0).contains(&power), "a power of {power}");
        self.power = power;
        self
    }

    /// The kernel.
    pub fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }

    /// The learned noise variance.
    pub fn noise(&self) -> f64 {
        self.noise.get().item()
    }

    fn noise_of_rows(&self) -> Tensor {
        noise_of_rows(&self.noise.get(), self.known.as_ref())
    }

    /// The mean function.
    pub fn mean(&self) -> &dyn Mean {
        self.mean.as_ref()
    }

    /// The inducing variables.
    pub fn inducing(&self) -> &dyn Inducing {
        self.inducing.as_ref()
    }

    fn kuu(&self) -> Tensor {
        self.inducing.kuu(self.kernel.as_ref())
    }

    /// Covariances of the inducing variables with the function at `x: [B, D]`, `[M, B]`.
    fn kuf(&self, x: &Tensor) -> Tensor {
        self.inducing.kuf(self.kernel.as_ref(), x)
    }

    /// The same, with later solves at the jitter that earlier ones have needed; see [`Rung`].
    pub fn with_held_jitter(mut self) -> Self {
        self.rung = Rung::held();
        self
    }

    /// The jitter of the inducing variables' covariance at which solves begin, relative to the mean of its diagonal: where it is held, the
    /// largest that was needed so far.
    pub fn jitter(&self) -> f64 {
        self.rung.relative()
    }

    fn residual(&self) -> Tensor {
        residual(self.mean.as_ref(), &self.x, &self.y)
    }

    /// The collapsed bound in nats, a scalar, differentiable in all parameters. From [`BLOCKED`] covariances on they are made in
    /// blocks of rows and thrown away.
    ///
    /// # Errors
    /// Recoverable, when a covariance is not positive definite within the jitter policy.
    pub fn bound(&self) -> Result<Tensor> {
        let kuu = self.kuu();
        let (diag, noise, residual) = (self.kernel.diag(&self.x), self.noise_of_rows(), self.residual());
        if self.inducing.count() * self.y.len() < BLOCKED {
            let kuf = self.kuf(&self.x);
            let bound = fused::sgpr_bound_with(&kuu, &kuf, &diag, &noise, &residual, self.rung.ladder());
            return Ok(self.rung.keep(bound.map_err(|e| self.diagnose(e))?));
        }
        // The copies share the variables, so gradients reach them.
        let (kernel, inducing, x) = (self.kernel.clone_box(), self.inducing.clone_box(), self.x.clone());
        let mut leaves = kernel.leaves();
        leaves.extend(inducing.leaves());
        let block =
            move |rows: std::ops::Range<usize>| inducing.kuf(kernel.as_ref(), &x.narrow(0, rows.start, rows.len()));
        let ladder = self.rung.ladder();
        let bound = fused::sgpr_bound_in_blocks(&kuu, block, &leaves, &diag, &noise, &residual, ladder);
        Ok(self.rung.keep(bound.map_err(|e| self.diagnose(e))?))
    }

    /// The evidence of the family between SGPR and FITC: `alpha` towards 0 is [`Sgpr::bound`], 1 is FITC's log likelihood. In nats. It is no
    /// bound but at 0, and holds all covariances `[M, N]`.
    ///
    /// # Errors
    /// As [`Sgpr::bound`].
    ///
    /// # Source
    /// Bui, Yan and Turner (2017), power EP for Gaussian noise.
    pub fn power_bound(&self, alpha: f64) -> Result<Tensor> {
        let a = self.kuu_chol()?.solve_lower(&self.kuf(&self.x));
        let noise = self.noise_of_rows();
        let missing = self.kernel.diag(&self.x) - a.square().sum_axis(0, false);
        let spread = &missing * alpha + &noise;
        let value = low_rank_log_density(&a, &spread, &spread, &self.residual())?;
        let penalty = (&missing / &noise * alpha + 1.0).log().sum() * ((1.0 - alpha) / (2.0 * alpha));
        Ok(value - penalty)
    }

    /// Lower and upper bounds of the exact log marginal likelihood.
    ///
    /// # Errors
    /// As [`Sgpr::bound`].
    pub fn bounds(&self) -> Result<Bounds> {
        no_grad(|| {
            let kuu_chol = self.kuu_chol()?;
            // Equal weights leave the sums alone but for a factor.
            let alike = self.known.is_none().then(|| self.sums(&kuu_chol, None));
            let sums = self.weighted_sums(&kuu_chol, alike.as_ref(), 0.0);
            let missing = (self.kernel.diag(&self.x).sum().item() - sums.explained).max(0.0);
            let n = self.y.len();
            let noise = self.noise_of_rows().broadcast_to(&[n]);
            let log_det = sums.inner_chol()?.diagonal().log().sum().item() * 2.0 + noise.log().sum().item();
            // The upper bound takes a larger noise in the quadratic term only.
            let loose = self.weighted_sums(&kuu_chol, alike.as_ref(), missing);
            let explained = loose.inner_chol()?.solve_lower(&loose.projected.unsqueeze(1)).square().sum().item();
            let quadratic = (self.residual().square() / (noise + missing)).sum().item() - explained;
            let upper = -0.5 * (log_det + quadratic + n as f64 * std::f64::consts::TAU.ln());
            Ok(Bounds { lower: self.bound()?.item(), upper })
        })
    }

    /// `chol(K_uu)`.
    fn kuu_chol(&self) -> Result<Tensor> {
        let factor = self.kuu().cholesky_with(self.rung.ladder());
        Ok(self.rung.keep(factor.map_err(|e| self.diagnose(e.into()))?))
    }

    /// Adds what the user can change to a failed factorisation.
    fn diagnose(&self, error: Error) -> Error {
        with_remedy(error, || inducing_diagnosis(self.inducing.points().as_ref()))
    }

    /// Sums over the rows of the whitened covariances `a = L⁻¹ k_u`, in blocks, with the weights that `weigh` has for the rows from a place on,
    /// given their `a`, or one for each.
    fn sums(&self, kuu_chol: &Tensor, weigh: Option<&Weigh<'_>>) -> Sums {
        let (m, dtype, residual) = (self.inducing.count(), self.x.dtype(), self.residual());
        let mut sums =
            Sums { gram: Tensor::zeros(&[m, m], dtype), projected: Tensor::zeros(&[m], dtype), explained: 0.0 };
        for start in (0..self.y.len()).step_by(2048) {
            let length = 2048.min(self.y.len() - start);
            let a = kuu_chol.solve_lower(&self.kuf(&self.x.narrow(0, start, length)));
            let weighted = weigh.map_or_else(|| a.clone(), |weigh| &a * weigh(start, &a).unsqueeze(0));
            sums.gram = sums.gram + weighted.matmul(&a.t());
            sums.projected = sums.projected + weighted.matmul(&residual.narrow(0, start, length));
            sums.explained += a.square().sum().item();
        }
        sums
    }

    /// Sums in which a row's weight is the inverse of its noise variance with `extra` added; `alike` holds those of equal weights, where rows
    /// have the same noise.
    fn weighted_sums(&self, kuu_chol: &Tensor, alike: Option<&Sums>, extra: f64) -> Sums {
        match alike {
            Some(alike) => alike.scaled(1.0 / (self.noise() + extra)),
            None => {
                let weights = (self.noise_of_rows() + extra).recip();
                self.sums(kuu_chol, Some(&|start, a| weights.narrow(0, start, a.size(1))))
            }
        }
    }

    /// The posterior at the present parameters.
    ///
    /// # Errors
    /// As [`Sgpr::bound`].
    pub fn condition(&self) -> Result<SgprPosterior> {
        self.condition_by(|kuu_chol| {
            let alike = self.known.is_none().then(|| self.sums(kuu_chol, None));
            self.weighted_sums(kuu_chol, alike.as_ref(), 0.0)
        })
    }

    /// The posterior of power expectation propagation, at its fixed point: each row is seen with the noise `σ² + α (k_nn - q_nn)`, where `q_nn`
    /// is what the inducing variables explain of its variance. `alpha` 0 is [`Sgpr::condition`], 1 FITC; [`Sgpr::power_bound`] is its evidence.
    ///
    /// $$ q(u) = N(u;\ K_{uf} \bar K^{-1} y,\ K_{uu} - K_{uf} \bar K^{-1} K_{fu}), \qquad \bar K = Q + \alpha\,\mathrm{diag}(K - Q) + \sigma^2 I $$
    ///
    /// # Errors
    /// As [`Sgpr::bound`]; [`Error::Setting`] for a power outside `0..=1`.
    ///
    /// # Source
    /// Bui, Yan and Turner (2017); for FITC, Snelson and Ghahramani (2006).
    pub fn condition_with_power(&self, alpha: f64) -> Result<SgprPosterior> {
        ensure_within("alpha", alpha, 0.0..=1.0)?;
        self.condition_by(|kuu_chol| {
            let noise = self.noise_of_rows().broadcast_to(&[self.y.len()]);
            let diag = self.kernel.diag(&self.x);
            let weigh = |start: usize, a: &Tensor| {
                let rows = |all: &Tensor| all.narrow(0, start, a.size(1));
                let missing = (rows(&diag) - a.square().sum_axis(0, false)).relu();
                (missing * alpha + rows(&noise)).recip()
            };
            self.sums(kuu_chol, Some(&weigh))
        })
    }

    fn condition_by(&self, sums: impl FnOnce(&Tensor) -> Sums) -> Result<SgprPosterior> {
        no_grad(|| {
            let kuu_chol = self.kuu_chol()?;
            let sums = sums(&kuu_chol);
            let b_chol = sums.inner_chol()?;
            let centre = b_chol.solve_lower(&sums.projected.unsqueeze(1));
            let (kernel, mean, inducing) = (self.kernel.clone_box(), self.mean.clone_box(), self.inducing.clone_box());
            let (noise, clamps) = (self.noise(), Clamps::default());
            Ok(SgprPosterior { kernel, mean, inducing, kuu_chol, b_chol, centre, noise, clamps })
        })
    }
}

impl Sums {
    /// With all weights this many times as large.
    fn scaled(&self, factor: f64) -> Self {
        Self { gram: &self.gram * factor, projected: &self.projected * factor, explained: self.explained }
    }

    /// The Cholesky factor of `I + A W Aᵀ`.
    fn inner_chol(&self) -> Result<Tensor> {
        Ok((&self.gram + Tensor::eye(self.gram.shape()[0], self.gram.dtype())).cholesky()?)
    }
}

/// Log density of `r ~ N(0, AᵀA + diag(spread))`, with `quadratic` in place of `spread` in the quadratic term only.
fn low_rank_log_density(a: &Tensor, spread: &Tensor, quadratic: &Tensor, r: &Tensor) -> Result<Tensor> {
    let inner = |d: &Tensor| -> Result<Tensor> {
        let scaled = a / d.sqrt().unsqueeze(0);
        Ok((scaled.matmul(&scaled.t()) + Tensor::eye(a.shape()[0], a.dtype())).cholesky()?)
    };
    let log_det = inner(spread)?.diagonal().log().sum() * 2.0 + spread.log().sum();
    let weighted = r / quadratic;
    let c = inner(quadratic)?.solve_lower(&a.matmul(&weighted).unsqueeze(1));
    let fit = (r * &weighted).sum() - c.square().sum();
    Ok((log_det + fit + r.len() as f64 * std::f64::consts::TAU.ln()) * -0.5)
}

impl Parameters for Sgpr {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Parameter)) {
        nested("kernel", &self.kernel, visit);
        nested("mean", &self.mean, visit);
        visit("noise", &self.noise);
        nested("inducing", &self.inducing, visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("kernel", &mut self.kernel, visit);
        nested_mut("mean", &mut self.mean, visit);
        visit("noise", &mut self.noise);
        nested_mut("inducing", &mut self.inducing, visit);
    }
}

impl Snapshot for Sgpr {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
        self.rung.save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)?;
        self.rung.restore(file, prefix)
    }
}

impl Loss for Sgpr {
    fn loss(&self) -> Result<Tensor> {
        Ok(-if self.power > 0.0 { self.power_bound(self.power)? } else { self.bound()? })
    }
}

/// The posterior of a sparse regression.
pub struct SgprPosterior {
    kernel: Box<dyn Kernel>,
    mean: Box<dyn Mean>,
    inducing: Box<dyn Inducing>,
    kuu_chol: Tensor,
    b_chol: Tensor,
    centre: Tensor,
    noise: f64,
    clamps: Clamps,
}

impl SgprPosterior {
    /// Means and variances of `f` (noise not included) at `x: [N*, D]`, both `[N*]`.
    ///
    /// # Errors
    /// When a variance is negative beyond rounding.
    pub fn marginals(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        in_blocks(x, |x| {
            let a = self.kuu_chol.solve_lower(&self.inducing.kuf(self.kernel.as_ref(), x));
            let half = self.b_chol.solve_lower(&a);
            let mean = half.t().matmul(&self.centre).reshape(&[x.shape()[0]]);
            let prior = self.kernel.diag(x);
            let variance = &prior - a.square().sum_axis(0, false) + half.square().sum_axis(0, false);
            let mean = with_mean(self.mean.as_ref(), x, mean);
            Ok((mean.to_vec(), self.clamps.check(variance.to_vec(), &prior.to_vec())?))
        })
    }

    /// Mean `[N*]` and covariance `[N*, N*]` of `f` at `x: [N*, D]`.
    pub fn joint(&self, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| {
            let a = self.kuu_chol.solve_lower(&self.inducing.kuf(self.kernel.as_ref(), x));
            let half = self.b_chol.solve_lower(&a);
            let mean = with_mean(self.mean.as_ref(), x, half.t().matmul(&self.centre).reshape(&[x.shape()[0]]));
            (mean, self.kernel.gram_symmetric(x) - a.t().matmul(&a) + half.t().matmul(&half))
        })
    }

    /// Writes what [`SgprPosterior::load`] needs.
    pub fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.kernel.write_to(file, &format!("{prefix}.kernel"));
        self.mean.write_to(file, &format!("{prefix}.mean"));
        file.put(&format!("{prefix}.noise"), &[1], &[self.noise]);
        self.inducing.write_to(file, &format!("{prefix}.z"));
        for (name, t) in [("kuu_chol", &self.kuu_chol), ("b_chol", &self.b_chol), ("centre", &self.centre)] {
            file.put(&format!("{prefix}.{name}"), t.shape(), &t.to_vec());
        }
    }

    /// Rebuilds a posterior through points from its file, given a kernel and a mean of the same form for inputs of `dims` columns.
    ///
    /// # Errors
    /// [`elbo_core::Error::ModelFile`] when something is missing or of another shape.
    pub fn load(
        kernel: Box<dyn Kernel>,
        mean: Box<dyn Mean>,
        dims: usize,
        file: &ModelFile,
        prefix: &str,
    ) -> Result<Self> {
        let z = table::stored_points(file, &format!("{prefix}.z"), dims)?;
        Self::load_through(kernel, mean, Box::new(InducingPoints::new(&z)), file, prefix)
    }

    /// Rebuilds a posterior from its file, given a kernel, a mean and inducing variables of the same form.
    ///
    /// # Errors
    /// As [`SgprPosterior::load`].
    pub fn load_through(
        mut kernel: Box<dyn Kernel>,
        mut mean: Box<dyn Mean>,
        mut inducing: Box<dyn Inducing>,
        file: &ModelFile,
        prefix: &str,
    ) -> Result<Self> {
        let name = |part: &str| format!("{prefix}.{part}");
        kernel.read_from(file, &name("kernel"))?;
        mean.read_from(file, &name("mean"))?;
        let noise = stored_noise(file, &name("noise"))?;
        inducing.read_from(file, &name("z"))?;
        let m = inducing.count();
        let part = |part: &str, shape: &[usize]| stored(file, &name(part), shape);
        let (kuu_chol, b_chol, centre) =
            (part("kuu_chol", &[m, m])?, part("b_chol", &[m, m])?, part("centre", &[m, 1])?);
        Ok(Self { kernel, mean, inducing, kuu_chol, b_chol, centre, noise, clamps: Clamps::default() })
    }

    /// The noise variance.
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// Mean `[M]` and covariance `[M, M]` of the whitened inducing variables: `centre_w = L_B⁻ᵀ c`, `B⁻¹`.
    pub fn whitened(&self) -> (Tensor, Tensor) {
        no_grad(|| {
            let m = self.inducing.count();
            (self.b_chol.solve_lower_t(&self.centre).reshape(&[m]), self.b_chol.cholesky_inverse())
        })
    }

    /// The inducing variables.
    pub fn inducing(&self) -> &dyn Inducing {
        self.inducing.as_ref()
    }
}

impl Process for SgprPosterior {
    fn save(&self, file: &mut ModelFile) {
        SgprPosterior::save(self, file, "posterior");
    }

    fn predict(&self, x: &Tensor, columns: &Columns) -> Result<Prediction> {
        Ok(table::normal_prediction(self.marginals(x)?, self.noise, columns))
    }

    fn clamped(&self) -> usize {
        self.clamps.take()
    }

    fn sample_paths(&self, x: &Tensor, count: usize, rng: &mut Rng) -> Result<Option<Vec<f64>>> {
        crate::path::joint_paths(x, count, rng, |x| Ok(self.joint(x))).map(Some)
    }
}
