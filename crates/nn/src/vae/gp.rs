//! Codes that follow Gaussian processes: each dimension of the code is a function of an auxiliary input, such as a time or a place.
//!
//! A sequence has one code for each of `T` inputs. The prior couples them by covariances, one matrix `[T, T]` for each dimension or one for all, which the
//! caller gives: from the Gram matrix of any kernel, or a matrix of its own. Everything is dense and costs T³ a sequence and dimension; for long series
//! take a state-space form.
//!
//! | the encoder's numbers are | use |
//! |---|---|
//! | means and variances of the codes, independent of each other | [`GpForm::Diagonal`] |
//! | observations of the codes and their noise, so that the posterior is coupled as the prior is | [`GpForm::Sites`] |
//!
//! [`Vae::losses_along`] is the objective of a model whose codes are such.

use super::Vae;
use super::family::{Family, LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE};
use super::posterior::LN_TAU;
use super::prior::PriorConfig;
use crate::init::normal;
use crate::layer::Pass;
use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use elbo_tensor::{DType, Tensor};

/// Asymmetry of a covariance that is more than rounding, relative to its largest entry.
const ASYMMETRIC: f64 = 1e-5;

/// A Gaussian process of mean zero at `T` inputs for each of `L` dimensions: z_l ~ N(0, K_l), independent over dimensions.
#[derive(Debug, Clone)]
pub struct GpPrior {
    /// `[L, T, T]`, or `[1, T, T]` where all dimensions have one.
    covariance: Tensor,
    /// Its lower factor, of the same shape.
    chol: Tensor,
    latent: usize,
    jitter: f64,
}

impl GpPrior {
    /// From covariances at the inputs, differentiable in them. `covariance: [T, T]` for all of `latent` dimensions, or `[L, T, T]`; it is best f64, which
    /// everything is then computed in.
    ///
    /// # Errors
    /// [`Error::Setting`] for another shape, and for matrices that are not finite or not symmetric; [`Error::Numerical`] for one that is not positive
    /// definite within the jitter policy.
    pub fn new(covariance: &Tensor, latent: usize) -> Result<Self> {
        let fits = match *covariance.shape() {
            [rows, columns] => rows == columns,
            [dims, rows, columns] => dims == latent && rows == columns,
            _ => false,
        };
        let found = format!("of shape {:?} for {latent} dimensions of the code", covariance.shape());
        let expected = "[T, T] for all dimensions, or [L, T, T] with one for each, with an input at least";
        ensure("covariance", found, fits && latent > 0 && !covariance.is_empty(), expected)?;
        ensure("covariance", "not finite", covariance.is_finite(), "finite numbers")?;
        let gap = (covariance - covariance.t()).abs().max().item();
        let is_symmetric = gap <= ASYMMETRIC * covariance.abs().max().item();
        ensure("covariance", format!("asymmetric by {gap:.1e}"), is_symmetric, "a symmetric matrix")?;
        let covariance = if covariance.rank() == 2 { covariance.unsqueeze(0) } else { covariance.clone() };
        let (chol, jitter) = covariance.cholesky_jittered()?;
        Ok(Self { covariance, chol, latent, jitter: jitter.absolute })
    }

    /// From a kernel for each dimension: `kernel(l, inputs)` is the covariance of dimension `l` between all inputs, `[T, T]`. `inputs: [T, D]`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a kernel that returns another shape; those of [`GpPrior::new`].
    pub fn of_kernels(inputs: &Tensor, latent: usize, kernel: impl Fn(usize, &Tensor) -> Tensor) -> Result<Self> {
        let each: Vec<Tensor> = (0..latent).map(|l| kernel(l, inputs)).collect();
        let expected = [inputs.size(0), inputs.size(0)];
        let unfit = each.iter().find(|k| k.shape() != expected);
        let found = format!("of shape {:?} for {} inputs", unfit.map_or(&[][..], Tensor::shape), inputs.size(0));
        ensure("covariance", found, unfit.is_none() && latent > 0, "[T, T] from the kernel of each dimension")?;
        Self::new(&Tensor::stack(&each, 0), latent)
    }

    /// Number of inputs, `T`.
    pub fn inputs(&self) -> usize {
        self.covariance.size(-1)
    }

    /// Dimensions of the code, `L`.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// The precision.
    pub fn dtype(&self) -> DType {
        self.covariance.dtype()
    }

    /// What was added to the diagonals of the covariances to factor them, the most of all; zero where nothing was needed.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Log densities of courses of each dimension. `z: [..., T, L]`; returns `[..., L]`, nats.
    pub fn log_prob(&self, z: &Tensor) -> Tensor {
        let white = self.chol.solve_lower(&z.t().unsqueeze(-1)).squeeze(-1);
        let size = self.inputs() as f64;
        (white.square().sum_axis(-1, false) + self.chol.cholesky_log_det() + size * LN_TAU) * -0.5
    }

    /// Draws of codes, `[count, T, L]`, that follow the covariances.
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Tensor {
        self.course(&normal(&[count, self.latent, self.inputs()], 1.0, rng, self.dtype())).t()
    }

    /// The courses that standard normal `noise: [..., L, T]` becomes.
    fn course(&self, noise: &Tensor) -> Tensor {
        self.chol.matmul(&noise.unsqueeze(-1)).squeeze(-1)
    }

    /// The covariances times `v: [..., L, T]`.
    fn times(&self, v: &Tensor) -> Tensor {
        self.covariance.matmul(&v.unsqueeze(-1)).squeeze(-1)
    }
}

/// What the encoder's numbers for each input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GpForm {
    /// Means and log variances of the codes themselves: q(z_l | x) = N(m, diag v).
    #[default]
    Diagonal,
    /// Observations y of the codes and the log variances s of their noise: q(z_l | x) is the prior conditioned on them, ∝ N(z; 0, K) N(y; z, diag s). Far from
    /// all that is observed it returns to the prior.
    Sites,
}

/// Posteriors of `B` sequences of codes under one prior.
#[derive(Debug, Clone)]
pub struct GpPosterior {
    prior: GpPrior,
    /// `[B, L, T]`.
    mean: Tensor,
    spread: Spread,
}

/// All but the mean.
#[derive(Debug, Clone)]
enum Spread {
    /// `[B, L, T]`.
    Diagonal { log_variance: Tensor },
    /// Observations of the codes.
    Sites(Box<Sites>),
}

/// With R = diag s^(-1/2), and B = I + R K R = C C'. Then (K + S)⁻¹ = R B⁻¹ R, and no inverse of K is needed.
#[derive(Debug, Clone)]
struct Sites {
    /// y, `[B, L, T]`.
    observed: Tensor,
    /// The diagonal of R, `[B, L, T]`.
    root: Tensor,
    /// C, `[B, L, T, T]`.
    chol: Tensor,
    /// (K + S)⁻¹ y, `[B, L, T]`.
    weights: Tensor,
}

impl GpPosterior {
    /// The posteriors that an encoder's numbers stand for. `raw: [B, T, 2 L]`: means or observations, then log variances, which are kept between -30 and
    /// 20. They are cast to the prior's precision.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers of another shape; [`Error::Numerical`] for numbers that are not finite.
    ///
    /// # Source
    /// Casale, Dalca, Saglietti, Listgarten and Fusi (2018) for the diagonal form, Pearce (2020) for observations.
    pub fn encoded(form: GpForm, raw: &Tensor, prior: &GpPrior) -> Result<Self> {
        let (inputs, latent) = (prior.inputs(), prior.latent());
        let fits = matches!(*raw.shape(), [_, t, width] if t == inputs && width == 2 * latent);
        if !fits {
            return Err(Error::data(
                format!("the encoder's numbers have shape {:?}, not [B, {inputs}, {}]", raw.shape(), 2 * latent),
                "give a mean and a log variance for each dimension of the code at each of the prior's inputs",
            ));
        }
        if !raw.is_finite() {
            let remedy = "lower the rate of training, or scale the data";
            return Err(Error::numerical("a number of the encoder is not finite", remedy));
        }
        let raw = raw.cast(prior.dtype());
        let first = raw.narrow(-1, 0, latent).t();
        let log_variance = raw.narrow(-1, latent, latent).t().clamp(LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE);
        match form {
            GpForm::Diagonal => {
                Ok(Self { prior: prior.clone(), mean: first, spread: Spread::Diagonal { log_variance } })
            }
            GpForm::Sites => Self::conditioned(first, &log_variance, prior),
        }
    }

    /// The prior conditioned on `observed: [B, L, T]` with this noise.
    fn conditioned(observed: Tensor, log_noise: &Tensor, prior: &GpPrior) -> Result<Self> {
        let root = (log_noise * -0.5).exp();
        let scaled = root.unsqueeze(-1) * &prior.covariance * root.unsqueeze(-2);
        let chol = (scaled + Tensor::eye(prior.inputs(), prior.dtype())).cholesky()?;
        let weights = &root * solve(&chol, &(&root * &observed));
        let mean = prior.times(&weights);
        let sites = Box::new(Sites { observed, root, chol, weights });
        Ok(Self { prior: prior.clone(), mean, spread: Spread::Sites(sites) })
    }

    /// Means of the codes, which are also their modes, `[B, T, L]`.
    pub fn mean(&self) -> Tensor {
        self.mean.t()
    }

    /// Variances of the codes, `[B, T, L]`.
    pub fn variance(&self) -> Tensor {
        match &self.spread {
            Spread::Diagonal { log_variance } => log_variance.exp().t(),
            Spread::Sites(sites) => {
                let Sites { root, chol, .. } = &**sites;
                let known = chol.solve_lower(&(root.unsqueeze(-1) * &self.prior.covariance)).square();
                // Rounding may leave a variance that is almost zero a little below it.
                (self.prior.covariance.diagonal() - known.sum_axis(-2, false)).relu().t()
            }
        }
    }

    /// Noise for `draws` draws of each sequence, outside the graph: standard normal numbers.
    pub fn noise(&self, draws: usize, rng: &mut Rng) -> Tensor {
        let numbers = match self.spread {
            Spread::Diagonal { .. } => self.prior.inputs(),
            // The course of a draw of the prior, and the noise of what it is observed with.
            Spread::Sites(_) => 2 * self.prior.inputs(),
        };
        normal(&[draws, self.mean.size(0), self.prior.latent(), numbers], 1.0, rng, self.prior.dtype())
    }

    /// Codes `[K, B, T, L]` that follow the parameters. `noise` as [`GpPosterior::noise`] gives it.
    ///
    /// Under observations a draw of the prior is moved by what it misses of them, f + K (K + S)⁻¹ (y - f - noise), so that no factor of the posterior's own
    /// covariance is needed.
    ///
    /// # Source
    /// Wilson, Borovitskiy, Terenin, Mostowsky and Deisenroth (2020) for the latter.
    pub fn rsample(&self, noise: &Tensor) -> Tensor {
        let codes = match &self.spread {
            Spread::Diagonal { log_variance } => &self.mean + (log_variance * 0.5).exp() * noise,
            Spread::Sites(sites) => {
                let Sites { observed, root, chol, .. } = &**sites;
                let inputs = self.prior.inputs();
                let course = self.prior.course(&noise.narrow(-1, 0, inputs));
                let missed = root * (observed - &course) - noise.narrow(-1, inputs, inputs);
                let moved = self.prior.times(&(root * solve(chol, &missed)));
                course + moved
            }
        };
        codes.t()
    }

    /// Log densities of each dimension. `z: [..., B, T, L]`; returns `[..., B, L]`, nats.
    pub fn log_prob(&self, z: &Tensor) -> Tensor {
        let apart = z.t() - &self.mean;
        let size = self.prior.inputs() as f64;
        match &self.spread {
            Spread::Diagonal { log_variance } => {
                let each = apart.square() * (-log_variance).exp() + log_variance;
                (each.sum_axis(-1, false) + size * LN_TAU) * -0.5
            }
            Spread::Sites(sites) => {
                let Sites { root, .. } = &**sites;
                // The precision is K⁻¹ + S⁻¹.
                let white = self.prior.chol.solve_lower(&apart.unsqueeze(-1)).squeeze(-1).square();
                let square = (white + (root * apart).square()).sum_axis(-1, false);
                (square + self.log_det() + size * LN_TAU) * -0.5
            }
        }
    }

    /// Entropy of each dimension, `[B, L]`, nats.
    pub fn entropy(&self) -> Tensor {
        (self.log_det() + self.prior.inputs() as f64 * (1.0 + LN_TAU)) * 0.5
    }

    /// The logarithm of the determinant of each covariance, `[B, L]`.
    fn log_det(&self) -> Tensor {
        match &self.spread {
            Spread::Diagonal { log_variance } => log_variance.sum_axis(-1, false),
            Spread::Sites(sites) => self.prior.chol.cholesky_log_det() - sites.chol.cholesky_log_det(),
        }
    }

    /// KL(q || p) from the prior of each dimension, `[B, L]`, nats.
    ///
    /// $$ \tfrac12 \left[\mathrm{tr}\,K^{-1}\Sigma + m^\top K^{-1} m - T + \log|K| - \log|\Sigma|\right] $$
    ///
    /// Under observations the trace is that of $B^{-1}$, the quadratic form $m^\top (K + S)^{-1} y$ and the determinants $\log|B|$.
    pub fn kl(&self) -> Tensor {
        let size = self.prior.inputs() as f64;
        let twice = match &self.spread {
            Spread::Diagonal { log_variance } => {
                let precision = self.prior.chol.cholesky_inverse().diagonal();
                let trace = (log_variance.exp() * precision).sum_axis(-1, false);
                let white = self.prior.chol.solve_lower(&self.mean.unsqueeze(-1)).squeeze(-1);
                let log_dets = self.prior.chol.cholesky_log_det() - log_variance.sum_axis(-1, false);
                trace + white.square().sum_axis(-1, false) + log_dets
            }
            Spread::Sites(sites) => {
                let Sites { chol, weights, .. } = &**sites;
                let square = (weights * &self.mean).sum_axis(-1, false);
                chol.cholesky_inverse().trace() + square + chol.cholesky_log_det()
            }
        };
        (twice - size) * 0.5
    }
}

/// (C C')⁻¹ v for `chol: [..., T, T]` and `v: [..., T]`.
fn solve(chol: &Tensor, v: &Tensor) -> Tensor {
    chol.cholesky_solve(&v.unsqueeze(-1)).squeeze(-1)
}

/// The two terms of the evidence lower bound of sequences, in nats a sequence.
pub struct CourseLosses {
    /// -E log p(x | z), a scalar.
    pub reconstruction: Tensor,
    /// KL(q(z | x) || p(z)), a scalar.
    pub kl: Tensor,
    /// Posteriors of the sequences.
    pub q: GpPosterior,
    /// Codes, `[K, B, T, L]`.
    pub z: Tensor,
}

impl Vae {
    /// The terms of the objective of sequences whose codes follow a Gaussian process along their inputs, differentiable in the networks and in the
    /// prior's covariances. Encoder and decoder see the data point of one input at a time. `x: [B, T, width]` with a row as [`Vae::width`] says, and
    /// as many inputs as the prior has.
    ///
    /// # Errors
    /// [`Error::Setting`] for a model of another family than gauss_diag, behind a flow, with a prior of its own, or of codes with another number of
    /// dimensions; [`Error::Data`] for data of another shape; those of [`GpPosterior::encoded`].
    pub fn losses_along(
        &self,
        x: &Tensor,
        (form, prior): (GpForm, &GpPrior),
        draws: usize,
        rng: &mut Rng,
    ) -> Result<CourseLosses> {
        self.check_course(x, prior)?;
        ensure_within("draws", draws, 1..)?;
        let (sequences, inputs, latent) = (x.size(0), prior.inputs(), self.latent());
        let flat = x.reshape(&[sequences * inputs, self.width()]);
        let (mut noise, mut inner) = (rng.fork(), rng.fork());
        let pass = &mut Pass::training(&mut inner);
        let raw = self.encoded(&flat, pass).reshape(&[sequences, inputs, 2 * latent]);
        let q = GpPosterior::encoded(form, &raw, prior)?;
        let z = q.rsample(&q.noise(draws, &mut noise));
        let codes = self.kept(&z.cast(self.dtype()).reshape(&[draws, sequences * inputs, latent]));
        let log_likelihood = self.log_likelihood(&self.decode(&codes, &flat, pass), &flat);
        // A mean over the elements of the batch, each of which is one of a sequence's inputs.
        let reconstruction = -log_likelihood.mean() * inputs as f64;
        let kl = q.kl().sum_axis(-1, false).mean();
        Ok(CourseLosses { reconstruction, kl, q, z })
    }

    fn check_course(&self, x: &Tensor, prior: &GpPrior) -> Result<()> {
        let config = self.config();
        ensure("family", config.family.name(), config.family == Family::GaussDiag, "gauss_diag along inputs")?;
        let flow = config.flow.as_deref();
        ensure("flow", flow.unwrap_or("none"), flow.is_none(), "none for codes along inputs")?;
        let is_standard = config.prior == PriorConfig::Standard;
        ensure("prior", config.prior.name(), is_standard, "standard, whose place the process takes")?;
        let found = format!("{} where the process has {} dimensions", self.latent(), prior.latent());
        ensure("latent", found, self.latent() == prior.latent(), "as many as the process has")?;
        let (inputs, width) = (prior.inputs(), self.width());
        if matches!(*x.shape(), [sequences, t, w] if sequences > 0 && t == inputs && w == width) {
            return Ok(());
        }
        Err(Error::data(
            format!("the sequences have shape {:?}, not [B, {inputs}, {width}]", x.shape()),
            "give sequences of one data point at each of the prior's inputs, one sequence at least",
        ))
    }
}
