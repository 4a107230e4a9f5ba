//! Points of the law that a denoiser knows, from noise, and their likelihood.
//!
//! | I want | use |
//! |---|---|
//! | good samples in 10 to 30 evaluations | [`Sampler::DpmSolver2m`], with levels even in ln σ |
//! | a little more precision, or some randomness with it | [`Sampler::Heun`] |
//! | the published sampler of DDPM | [`Sampler::Ancestral`] |
//! | one knob from deterministic to ancestral | [`Sampler::Ddim`] |
//! | a flow to a tolerance, log likelihoods | [`flow`](flow()), [`log_likelihood`] |
//!
//! All of them are in the scale of the data, where their formulas are short; on a path with α they are the published ones, since a
//! change of scale commutes with each of them (tested).

mod ode;

pub use ode::{LogLikelihood, Trace, flow, log_likelihood};

use crate::denoiser::{Denoiser, estimate};
use crate::schedule::check_levels;
use elbo_core::{Allowed, Error, Result, Rng, ensure};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How one goes from a level to the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampler {
    /// The posterior of the next level given this one and the clean estimate: random.
    Ancestral,
    /// A step along the flow with a share of fresh noise.
    Ddim {
        /// Zero is deterministic, one is ancestral.
        #[serde(default)]
        eta: f64,
    },
    /// Second order in ln σ with one evaluation a step.
    #[serde(rename = "dpm_solver_2m")]
    DpmSolver2m,
    /// Second order in σ with two evaluations a step.
    Heun {
        /// Noise that is added and removed on the way; zero is deterministic.
        #[serde(default)]
        churn: f64,
        /// Levels below which none is added.
        #[serde(default)]
        churn_from: f64,
        /// Levels above which none is added.
        #[serde(default = "unlimited")]
        churn_to: f64,
    },
}

fn unlimited() -> f64 {
    1e9
}

impl Sampler {
    /// Heun's method without churn.
    pub const HEUN: Self = Self::Heun { churn: 0.0, churn_from: 0.0, churn_to: 1e9 };
}

/// Points, and what they cost.
#[derive(Debug, Clone)]
pub struct Sampled {
    /// `[N, D]`.
    pub x: Tensor,
    /// Evaluations of the denoiser, for the whole batch at once.
    pub evaluations: usize,
}

impl Sampler {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Ddim { eta } => {
                ensure("sampler", eta, (0.0..=1.0).contains(eta), Allowed::within(0.0..=1.0).told("`eta` in [0, 1]"))
            }
            Self::Heun { churn, churn_from, churn_to } => ensure(
                "sampler",
                format!("churn {churn} from {churn_from} to {churn_to}"),
                *churn >= 0.0 && churn.is_finite() && churn_from < churn_to,
                "`churn` of at least 0, `churn_from` below `churn_to`",
            ),
            _ => Ok(()),
        }
    }

    /// Takes noisy points `x: [N, D]` at the first level down to the last.
    ///
    /// # Errors
    /// [`Error::Setting`] for levels that do not fall, [`Error::Numerical`] when the denoiser returns something that is not finite.
    pub fn sample(&self, denoiser: &dyn Denoiser, levels: &[f64], x: &Tensor, rng: &mut Rng) -> Result<Sampled> {
        self.check()?;
        check_levels(levels)?;
        assert_eq!(x.size(1), denoiser.dims(), "points and denoiser differ in their dimensions");
        let mut state = State { denoiser, x: x.detach(), evaluations: 0, before: None };
        let steps = levels.len() - 1;
        for i in 0..steps {
            let (sigma, next) = (levels[i], levels[i + 1]);
            match *self {
                Self::Ancestral => state.ddim(sigma, next, 1.0, rng)?,
                Self::Ddim { eta } => state.ddim(sigma, next, eta, rng)?,
                Self::DpmSolver2m => state.dpm(sigma, next, steps < 15 && i + 1 == steps)?,
                Self::Heun { churn, churn_from, churn_to } => {
                    let is_churned = churn > 0.0 && sigma >= churn_from && sigma <= churn_to;
                    let gamma = if is_churned { (churn / steps as f64).min(2f64.sqrt() - 1.0) } else { 0.0 };
                    state.heun(sigma, next, gamma, rng)?;
                }
            }
        }
        Ok(Sampled { x: state.x, evaluations: state.evaluations })
    }

    /// Draws `count` points from pure noise at the first level.
    ///
    /// # Errors
    /// As [`Sampler::sample`].
    pub fn draw(&self, denoiser: &dyn Denoiser, levels: &[f64], count: usize, rng: &mut Rng) -> Result<Sampled> {
        check_levels(levels)?;
        let start = pure_noise([count, denoiser.dims()], levels[0], rng);
        self.sample(denoiser, levels, &start, rng)
    }
}

/// Points `[N, D]` at a level at which nothing of the data is left. The data's own variance is one, and noise comes on top: at α < 1
/// this is the path's unit normal.
pub(crate) fn pure_noise(shape: [usize; 2], level: f64, rng: &mut Rng) -> Tensor {
    Tensor::from_vec(rng.normals(shape[0] * shape[1]), &shape) * (level * level + 1.0).sqrt()
}

/// Noisy points at the next level from those at this one and their clean estimates, `[N, D]`, with a share of fresh noise:
/// x_s = x̂₀ + √(σ_s² - η²v) ε̂ + η√v z with v the variance of the posterior σ_s²(σ_t² - σ_s²)/σ_t².
pub(crate) fn renoise(clean: &Tensor, x: &Tensor, (sigma, next): (f64, f64), eta: f64, rng: &mut Rng) -> Tensor {
    let noise = (x - clean) / sigma;
    let variance = eta * eta * next * next * (1.0 - (next / sigma).powi(2));
    let kept = clean + noise * (next * next - variance).max(0.0).sqrt();
    if variance > 0.0 {
        let fresh = Tensor::from_vec(rng.normals(x.len()), x.shape());
        return kept + fresh * variance.sqrt();
    }
    kept
}

struct State<'a> {
    denoiser: &'a dyn Denoiser,
    x: Tensor,
    evaluations: usize,
    /// The level before and its clean estimate.
    before: Option<(f64, Tensor)>,
}

impl State<'_> {
    fn clean(&mut self, x: &Tensor, sigma: f64) -> Result<Tensor> {
        self.evaluations += 1;
        let clean = estimate(self.denoiser, x, sigma);
        if clean.is_finite() {
            return Ok(clean);
        }
        Err(Error::numerical(
            format!("the clean estimate at level {sigma:.3e} is not finite"),
            "train longer or with a lower `rate`, or start from a lower noise level",
        ))
    }

    /// A step along the flow, with a share of fresh noise.
    fn ddim(&mut self, sigma: f64, next: f64, eta: f64, rng: &mut Rng) -> Result<()> {
        let x = self.x.clone();
        let clean = self.clean(&x, sigma)?;
        self.x = renoise(&clean, &x, (sigma, next), eta, rng);
        Ok(())
    }

    /// x_s = (σ_s/σ_t) x - (e^(-h) - 1) D, where D extrapolates the clean estimates in ln σ.
    fn dpm(&mut self, sigma: f64, next: f64, is_first_order: bool) -> Result<()> {
        let x = self.x.clone();
        let clean = self.clean(&x, sigma)?;
        if next == 0.0 {
            self.x = clean;
            return Ok(());
        }
        let h = (sigma / next).ln();
        let mixed = match &self.before {
            Some((sigma_before, before)) if !is_first_order => {
                let r = (sigma_before / sigma).ln() / h;
                &clean * (1.0 + 0.5 / r) - before * (0.5 / r)
            }
            _ => clean.clone(),
        };
        self.x = x * (next / sigma) - mixed * (-h).exp_m1();
        self.before = Some((sigma, clean));
        Ok(())
    }

    /// Euler, then the trapezoid; only Euler to zero.
    fn heun(&mut self, sigma: f64, next: f64, gamma: f64, rng: &mut Rng) -> Result<()> {
        let raised = sigma * (1.0 + gamma);
        let mut x = self.x.clone();
        if gamma > 0.0 {
            let fresh = Tensor::from_vec(rng.normals(x.len()), x.shape());
            x = x + fresh * (raised * raised - sigma * sigma).sqrt();
        }
        let slope = (&x - self.clean(&x, raised)?) / raised;
        let euler = &x + &slope * (next - raised);
        if next == 0.0 {
            self.x = euler;
            return Ok(());
        }
        let end = (&euler - self.clean(&euler, next)?) / next;
        self.x = x + (slope + end) * (0.5 * (next - raised));
        Ok(())
    }
}
