//! A clean point from a measurement, with a denoiser as the prior.
//!
//! | I want | use |
//! |---|---|
//! | a picture close to the most probable one, any differentiable operator | [`Method::RedDiff`] |
//! | a draw from something like the posterior, any differentiable operator | [`Method::Dps`] |
//! | a better draw, linear operators | [`Method::PiGdm`], [`Method::DiffPir`] |
//! | a draw with measured parts kept to the letter, linear operators and small pictures | [`Method::Ddrm`] |
//! | no prior at all | [`Method::PseudoInverse`], [`Method::Tikhonov`] |
//!
//! All of them take the same [`Problem`]s, one a row, and the same [`RestoreConfig`], so that they stand beside one another.

mod baselines;
mod ddrm;
mod red_diff;
mod sampling;

pub use red_diff::{Order, RedDiff, Rule, fixed_point};

use crate::denoiser::Denoiser;
use crate::operator::{Operator, pseudo_inverse};
use crate::schedule::Schedule;
use elbo_core::{Error, Result, Run, ensure, ensure_within};
use elbo_tensor::Tensor;
use sampling::Guided;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measurement y = H(x) + noise.
pub struct Problem<'a> {
    /// H.
    pub operator: &'a dyn Operator,
    /// y.
    pub y: Vec<f64>,
}

impl Problem<'_> {
    /// y - H(x).
    fn residual(&self, x: &[f64]) -> Vec<f64> {
        self.operator.apply(x).iter().zip(&self.y).map(|(a, y)| y - a).collect()
    }
}

/// How to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A Gaussian fitted to the diffusion posterior by regularised optimisation.
    #[default]
    #[serde(alias = "red-diff")]
    RedDiff,
    /// Diffusion posterior sampling: steps down the misfit of the clean estimate.
    Dps,
    /// Pseudo-inverse guided sampling, for linear operators.
    #[serde(alias = "pigdm")]
    PiGdm,
    /// Sampling with the clean estimate brought closest to the measurement, for linear operators.
    #[serde(alias = "diffpir")]
    DiffPir,
    /// Denoising diffusion restoration: sampling along the singular vectors of a linear operator.
    Ddrm,
    /// H⁺y.
    PseudoInverse,
    /// The measurement's best fit with a penalty on the length.
    Tikhonov,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::RedDiff, Self::Dps, Self::PiGdm, Self::DiffPir, Self::Ddrm, Self::PseudoInverse, Self::Tikhonov];

    /// The word in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::RedDiff => "red_diff",
            Self::Dps => "dps",
            Self::PiGdm => "pi_gdm",
            Self::DiffPir => "diff_pir",
            Self::Ddrm => "ddrm",
            Self::PseudoInverse => "pseudo_inverse",
            Self::Tikhonov => "tikhonov",
        }
    }
}

/// Settings of a restoration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RestoreConfig {
    /// How to restore: red_diff, dps, pi_gdm, diff_pir, ddrm, pseudo_inverse or tikhonov.
    pub method: Method,
    /// Standard deviation of the measurement's noise, in the unit of the model's points (black is -1, white 1).
    pub noise: f64,
    /// Noise levels that are visited.
    pub steps: usize,
    /// How the levels are spread.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub schedule: Schedule,
    /// Settings of red_diff.
    pub red_diff: RedDiff,
    /// Length of a step of dps down the misfit.
    pub zeta: f64,
    /// Randomness of pi_gdm, diff_pir and ddrm: zero is deterministic, one is ancestral.
    pub eta: f64,
    /// Penalty of tikhonov, and how far diff_pir trusts the clean estimate.
    pub penalty: f64,
}

impl Default for RestoreConfig {
    fn default() -> Self {
        Self {
            method: Method::RedDiff,
            noise: 0.02,
            steps: 200,
            schedule: Schedule::Ddpm,
            red_diff: RedDiff::default(),
            zeta: 0.5,
            eta: 1.0,
            penalty: 1.0,
        }
    }
}

impl RestoreConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("noise", self.noise, 0.0..)?;
        self.schedule.levels(self.steps)?;
        self.red_diff.check()?;
        ensure("zeta", self.zeta, self.zeta > 0.0 && self.zeta.is_finite(), "above 0")?;
        ensure_within("eta", self.eta, 0.0..=1.0)?;
        ensure("penalty", self.penalty, self.penalty > 0.0 && self.penalty.is_finite(), "above 0")
    }
}

/// Restored points.
#[derive(Debug, Clone)]
pub struct Restored {
    /// `[N, D]`.
    pub x: Tensor,
    /// Standard deviations `[N, D]`, where the method has them.
    pub sd: Option<Tensor>,
    /// Evaluations of the denoiser for the whole batch.
    pub evaluations: usize,
    /// The mean squared misfit of the measurement after each step.
    pub trajectory: Vec<f64>,
}

/// Restores points, one a problem.
///
/// # Errors
/// [`Error::Setting`] for settings out of range or a method that needs a linear operator, [`Error::Data`] for measurements that are
/// not of their operator's size or not finite, [`Error::Numerical`] when the denoiser fails, [`Error::Stopped`] when the run was.
pub fn restore(
    denoiser: &dyn Denoiser,
    problems: &[Problem<'_>],
    config: &RestoreConfig,
    run: &mut Run,
) -> Result<Restored> {
    config.check()?;
    if problems.is_empty() {
        return Err(Error::data("there is nothing to restore", "give at least one measurement"));
    }
    for problem in problems {
        let (expected, found) = (problem.operator.output(), problem.y.len());
        if found != expected || problem.operator.input() != denoiser.dims() {
            return Err(Error::data(
                format!(
                    "a measurement has {found} numbers; its operator makes {expected} of {}",
                    problem.operator.input()
                ),
                "give the operator that the measurement was made with",
            ));
        }
        if problem.y.iter().any(|v| !v.is_finite()) {
            return Err(Error::data(
                "a measurement holds a value that is not finite",
                "mark missing pixels in the mask instead",
            ));
        }
        let needs_linear = !matches!(config.method, Method::RedDiff | Method::Dps);
        if needs_linear && !problem.operator.is_linear() {
            return Err(Error::Setting {
                setting: "method".into(),
                found: format!("`{}` with an operator that is not linear", config.method.name()),
                expected: "red_diff or dps".into(),
            });
        }
    }
    let guided = Guided { denoiser, problems, config };
    match config.method {
        Method::RedDiff => red_diff::run(denoiser, problems, config, run),
        Method::Dps => guided.descend(run, Guided::dps),
        Method::PiGdm => guided.descend(run, Guided::pi_gdm),
        Method::DiffPir => guided.descend(run, Guided::diff_pir),
        Method::Ddrm => {
            let spectra = ddrm::spectra(problems, config.noise)?;
            guided.descend(run, |guided, x, levels, rng| guided.ddrm(&spectra, x, levels, rng))
        }
        Method::PseudoInverse => Ok(baselines::linear(problems, PSEUDO)),
        Method::Tikhonov => Ok(baselines::linear(problems, config.penalty)),
    }
}

/// The δ of a pseudo-inverse: small beside operators of unit scale.
pub(crate) const PSEUDO: f64 = 1e-6;

/// Where methods start: the pseudo-inverse, or for an operator that is not linear zero, moved along the gradient of the misfit.
pub(crate) fn start(problem: &Problem<'_>) -> Vec<f64> {
    let Problem { operator, y } = problem;
    if operator.is_linear() {
        return pseudo_inverse(*operator, y, PSEUDO);
    }
    let mut x = vec![0.0; operator.input()];
    for _ in 0..50 {
        let residual = problem.residual(&x);
        let slope = operator.pullback(&x, &residual);
        // A step as for a linear operator along this direction.
        let moved = operator.apply(&x.iter().zip(&slope).map(|(x, s)| x + 1e-3 * s).collect::<Vec<_>>());
        let change: Vec<f64> = moved.iter().zip(operator.apply(&x)).map(|(a, b)| (a - b) / 1e-3).collect();
        let (up, down): (f64, f64) =
            (residual.iter().zip(&change).map(|(r, c)| r * c).sum(), change.iter().map(|c| c * c).sum());
        if down <= 1e-20 {
            break;
        }
        x.iter_mut().zip(&slope).for_each(|(x, s)| *x += up / down * s);
    }
    x
}

/// Mean over all numbers of (y - H x)². `x: [N, D]`.
pub(crate) fn misfit(problems: &[Problem<'_>], x: &[f64]) -> f64 {
    let d = x.len() / problems.len();
    let count: usize = problems.iter().map(|p| p.y.len()).sum();
    let square = |(p, x): (&Problem<'_>, &[f64])| p.residual(x).iter().map(|r| r * r).sum::<f64>();
    problems.iter().zip(x.chunks_exact(d)).map(square).sum::<f64>() / count as f64
}
