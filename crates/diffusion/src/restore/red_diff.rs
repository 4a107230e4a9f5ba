//! Regularisation by denoising diffusion: a Gaussian q(x₀ | y) = N(μ, s²) fitted to the diffusion posterior.
//!
//! One step at the level σ (in the scale of the data, σ_t/α_t): x = μ + σε, and the loss is
//!
//! $$ \tfrac v2 \operatorname{mean} (y - H(\mu))^2 + \lambda\, w(\sigma) \operatorname{mean}\big[ (\hat\varepsilon - \varepsilon)^\top \mu \big], $$
//!
//! with ε̂ constant; ε̂ - ε = (μ - x̂₀)/σ. Adam follows its gradient.

use super::{Problem, RestoreConfig, Restored, misfit, start};
use crate::denoiser::{Denoiser, estimate};
use elbo_core::{Allowed, Error, Result, Run, ensure, half_open};
use elbo_linalg::{Ladder, MatMut, MatRef, cholesky_with_jitter, gemm};
use elbo_tensor::Tensor;
use elbo_tensor::optim::{Adam, Rule as Optimiser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the regulariser's weight depends on the level σ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// σ.
    #[default]
    Linear,
    /// √σ.
    Sqrt,
    /// σ².
    Square,
    /// ln(1 + σ).
    Log,
    /// min(σ, 1).
    TruncatedLinear,
    /// 1.
    Constant,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Linear, Self::Sqrt, Self::Square, Self::Log, Self::TruncatedLinear, Self::Constant];

    /// w(σ).
    pub fn at(self, sigma: f64) -> f64 {
        match self {
            Self::Linear => sigma,
            Self::Sqrt => sigma.sqrt(),
            Self::Square => sigma * sigma,
            Self::Log => sigma.ln_1p(),
            Self::TruncatedLinear => sigma.min(1.0),
            Self::Constant => 1.0,
        }
    }
}

/// In which order levels are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// From noise to data, once.
    #[default]
    Descending,
    /// At random, as many as there are steps: the descent of an objective, with a fixed point.
    Random,
}

/// Settings of RED-Diff.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedDiff {
    /// Weight λ of the regulariser.
    pub weight: f64,
    /// How it depends on the level: linear, sqrt, square, log, truncated_linear or constant.
    pub rule: Rule,
    /// Weight v of the measurement.
    pub fidelity: f64,
    /// Adam's rate.
    pub rate: f64,
    /// Order of the levels: descending or random.
    pub order: Order,
    /// Standard deviation s of q; with one above zero, points are drawn from q at every step.
    pub dispersion: f64,
}

impl Default for RedDiff {
    fn default() -> Self {
        Self { weight: 0.25, rule: Rule::Linear, fidelity: 1.0, rate: 0.1, order: Order::Descending, dispersion: 0.0 }
    }
}

impl RedDiff {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure(
            "red_diff",
            self.weight,
            self.weight >= 0.0 && self.weight.is_finite(),
            Allowed::within(0.0..).told("`weight` of at least 0"),
        )?;
        ensure("red_diff", self.fidelity, self.fidelity > 0.0 && self.fidelity.is_finite(), "`fidelity` above 0")?;
        ensure(
            "red_diff",
            self.rate,
            self.rate > 0.0 && self.rate <= 10.0,
            Allowed::within(half_open(0.0, 10.0)).told("`rate` in (0, 10]"),
        )?;
        ensure(
            "red_diff",
            self.dispersion,
            (0.0..10.0).contains(&self.dispersion),
            Allowed::within(0.0..10.0).told("`dispersion` in [0, 10)"),
        )
    }
}

pub(super) fn run(
    denoiser: &dyn Denoiser,
    problems: &[Problem<'_>],
    config: &RestoreConfig,
    run: &mut Run,
) -> Result<Restored> {
    let how = &config.red_diff;
    let (n, d) = (problems.len(), denoiser.dims());
    let mut mean: Vec<f64> = problems.iter().flat_map(start).collect();
    let mut levels = config.schedule.levels(config.steps)?;
    // Nothing is learned at level zero.
    levels.pop();
    let adam = Adam { beta2: 0.99, ..Adam::with_rate(how.rate) };
    let mut memory = adam.start(n * d);
    let mut trajectory = vec![];
    for step in 0..levels.len() {
        if run.must_stop() {
            if step == 0 {
                return Err(Error::Stopped);
            }
            run.warn(format!("stopped after {step} of {} levels; the result is the state then", levels.len()));
            break;
        }
        let sigma = match how.order {
            Order::Descending => levels[step],
            Order::Random => levels[run.rng.below(levels.len())],
        };
        let mut noisy: Vec<f64> = run.rng.normals(n * d).iter().zip(&mean).map(|(e, m)| m + sigma * e).collect();
        if how.dispersion > 0.0 {
            noisy.iter_mut().zip(run.rng.normals(n * d)).for_each(|(x, e)| *x += how.dispersion * e);
        }
        let clean = estimate(denoiser, &Tensor::from_slice(&noisy, &[n, d]), sigma);
        if !clean.is_finite() {
            return Err(Error::numerical(
                format!("the clean estimate at level {sigma:.3e} is not finite"),
                "lower `rate` of red_diff, or train the model longer",
            ));
        }
        // ε̂ - ε with the noise that was added, of which the mean's own part is (μ - x̂₀)/σ.
        let pull = how.weight * how.rule.at(sigma) / (sigma * d as f64);
        let mut gradient: Vec<f64> = mean.iter().zip(clean.as_f64().iter()).map(|(m, c)| pull * (m - c)).collect();
        for (i, problem) in problems.iter().enumerate() {
            let x = &mean[i * d..(i + 1) * d];
            let share = how.fidelity / problem.y.len() as f64;
            let back = problem.operator.pullback(x, &problem.residual(x));
            gradient[i * d..(i + 1) * d].iter_mut().zip(back).for_each(|(g, b)| *g -= share * b);
        }
        adam.update(&mut mean, &gradient, &mut memory);
        trajectory.push(misfit(problems, &mean));
    }
    let sd = (how.dispersion > 0.0).then(|| Tensor::from_vec(vec![how.dispersion; n * d], &[n, d]));
    Ok(Restored { x: Tensor::from_vec(mean, &[n, d]), sd, evaluations: trajectory.len(), trajectory })
}

/// Where RED-Diff comes to rest under a Gaussian prior N(m, C) when levels are drawn at random: the solution μ of
///
/// $$ (v' H^\top H + W)\,\mu = v' H^\top y + W m, \qquad W = \mathbb E_\sigma\, \frac{\lambda w(\sigma)}{D}\, \sigma\, (C + \sigma^2 I)^{-1}, $$
///
/// with v' = v / (numbers of y), as the means of the loss have it. `prior` is `(m: [D], C: [D, D])`.
///
/// # Errors
/// Those of the factorisations.
pub fn fixed_point(problem: &Problem<'_>, (m, c): (&[f64], &[f64]), levels: &[f64], how: &RedDiff) -> Result<Vec<f64>> {
    let d = m.len();
    let eigen = elbo_linalg::syevd(MatRef::row_major(c, d, d))?;
    // (μ - x̂₀)/σ averages to σ (C + σ²)⁻¹ (μ - m).
    let weights: Vec<f64> = eigen
        .values
        .iter()
        .map(|v| {
            let each = levels.iter().map(|s| how.weight * how.rule.at(*s) * s / (v + s * s));
            each.sum::<f64>() / (levels.len() * d) as f64
        })
        .collect();
    let scaled: Vec<f64> = (0..d * d).map(|i| eigen.vectors[i] * weights[i % d]).collect();
    let mut w = vec![0.0; d * d];
    let vectors = MatRef::row_major(&eigen.vectors, d, d);
    gemm(MatMut::row_major(&mut w, d, d), 1.0, MatRef::row_major(&scaled, d, d), vectors.transpose(), 0.0);
    let share = how.fidelity / problem.y.len() as f64;
    let mut right: Vec<f64> = problem.operator.adjoint(&problem.y).iter().map(|v| share * v).collect();
    for i in 0..d {
        right[i] += (0..d).map(|j| w[i * d + j] * m[j]).sum::<f64>();
    }
    for j in 0..d {
        let unit: Vec<f64> = (0..d).map(|i| f64::from(u8::from(i == j))).collect();
        let column = problem.operator.adjoint(&problem.operator.apply(&unit));
        (0..d).for_each(|i| w[i * d + j] += share * column[i]);
    }
    let factor = cholesky_with_jitter(MatRef::row_major(&w, d, d), Ladder::standard::<f64>())?;
    factor.solve(MatMut::column(&mut right));
    Ok(right)
}
