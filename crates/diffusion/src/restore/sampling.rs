//! Restoration by sampling with the measurement as guidance.

use super::{Problem, RestoreConfig, Restored, misfit};
use crate::denoiser::{Denoiser, estimate, pullback};
use crate::guidance::reconstruction;
use crate::operator::{Operator, proximal, regularised};
use elbo_core::{Error, Result, Run};
use elbo_tensor::Tensor;

/// What all of these do at a level: the noisy points, this level and the next; returns the next noisy points.
type Move<'a> = dyn FnMut(&Tensor, f64, f64, &mut Run) -> Result<Tensor> + 'a;

/// From noise to data, with a look at the misfit after each step.
fn descend(
    denoiser: &dyn Denoiser,
    problems: &[Problem<'_>],
    config: &RestoreConfig,
    run: &mut Run,
    step: &mut Move<'_>,
) -> Result<Restored> {
    let (n, d) = (problems.len(), denoiser.dims());
    let levels = config.schedule.levels(config.steps)?;
    let mut x = Tensor::from_vec(run.rng.normals(n * d), &[n, d]) * (levels[0] * levels[0] + 1.0).sqrt();
    let mut trajectory = vec![];
    for pair in levels.windows(2) {
        if run.must_stop() {
            // Half-way there is only noise.
            return Err(Error::Stopped);
        }
        x = step(&x, pair[0], pair[1], run)?;
        if !x.is_finite() {
            return Err(Error::numerical(
                format!("the points are not finite at level {:.3e}", pair[1]),
                "lower `zeta`, or raise `noise`",
            ));
        }
        trajectory.push(misfit(problems, &x.as_f64()));
    }
    Ok(Restored { x, sd: None, evaluations: levels.len() - 1, trajectory })
}

/// The next noisy points from clean estimates, with a share of fresh noise.
fn renoise(clean: &Tensor, x: &Tensor, (sigma, next): (f64, f64), eta: f64, run: &mut Run) -> Tensor {
    let variance = eta * eta * next * next * (1.0 - (next / sigma).powi(2));
    let fresh = Tensor::from_vec(run.rng.normals(x.len()), x.shape()) * variance.sqrt();
    clean + (x - clean) * ((next * next - variance).max(0.0).sqrt() / sigma) + fresh
}

/// Ancestral steps, each followed by one of length ζ down ‖y - H x̂₀‖ (the norm, not its square).
///
/// # Source
/// Chung et al. (2023). The published step is for the path with α² + σ² = 1; in the scale of the data it is ζ/(α_s α_t).
pub(super) fn dps(
    denoiser: &dyn Denoiser,
    problems: &[Problem<'_>],
    config: &RestoreConfig,
    run: &mut Run,
) -> Result<Restored> {
    let measured: Vec<(&dyn Operator, &[f64])> = problems.iter().map(|p| (p.operator, p.y.as_slice())).collect();
    let mut step = |x: &Tensor, sigma: f64, next: f64, run: &mut Run| {
        let (clean, _, gradient) = reconstruction(denoiser, x, sigma, &measured);
        let scale = config.zeta * ((1.0 + sigma * sigma) * (1.0 + next * next)).sqrt();
        Ok(renoise(&clean, x, (sigma, next), 1.0, run) - gradient * scale)
    };
    descend(denoiser, problems, config, run, &mut step)
}

/// The score gains that of p(y | x) ≈ N(H x̂₀, r²HHᵀ + σ_y²I) with r² = σ²/(1 + σ²), so that the clean estimate gains
/// σ² (∂x̂₀/∂x)ᵀ Hᵀ (r²HHᵀ + σ_y²I)⁻¹ (y - H x̂₀): exact for the prior N(0, I).
///
/// # Source
/// Song, Vahdat, Mardani and Kautz (2023). Deviation: the guided score enters both parts of the step, as Bayes' rule has it.
pub(super) fn pi_gdm(
    denoiser: &dyn Denoiser,
    problems: &[Problem<'_>],
    config: &RestoreConfig,
    run: &mut Run,
) -> Result<Restored> {
    let d = denoiser.dims();
    let mut step = |x: &Tensor, sigma: f64, next: f64, run: &mut Run| {
        let spread = sigma * sigma / (1.0 + sigma * sigma);
        // Without noise, rounding is left.
        let noise = (config.noise * config.noise).max(1e-8);
        let (clean, gradient) = pullback(denoiser, x, sigma, |clean| {
            let values = clean.to_vec();
            let pulled = problems.iter().zip(values.chunks_exact(d)).flat_map(|(p, row)| {
                let residual: Vec<f64> = p.operator.apply(row).iter().zip(&p.y).map(|(a, y)| y - a).collect();
                p.operator.adjoint(&regularised(p.operator, &residual, spread, noise))
            });
            Tensor::from_vec(pulled.collect(), clean.shape())
        });
        let guided = clean + gradient * (sigma * sigma);
        Ok(renoise(&guided, x, (sigma, next), config.eta, run))
    };
    descend(denoiser, problems, config, run, &mut step)
}

/// The clean estimate is replaced by the point that balances it with the measurement: argmin ‖y - Hx‖²/σ_y² + ‖x - x̂₀‖²/(penalty σ²).
///
/// # Source
/// Zhu et al. (2023).
pub(super) fn diff_pir(
    denoiser: &dyn Denoiser,
    problems: &[Problem<'_>],
    config: &RestoreConfig,
    run: &mut Run,
) -> Result<Restored> {
    let d = denoiser.dims();
    let mut step = |x: &Tensor, sigma: f64, next: f64, run: &mut Run| {
        let clean = estimate(denoiser, x, sigma).to_vec();
        let pull = (config.noise * config.noise).max(1e-8) / (config.penalty * sigma * sigma);
        let near =
            problems.iter().zip(clean.chunks_exact(d)).flat_map(|(p, row)| proximal(p.operator, &p.y, row, pull));
        let near = Tensor::from_vec(near.collect(), x.shape());
        Ok(renoise(&near, x, (sigma, next), config.eta, run))
    };
    descend(denoiser, problems, config, run, &mut step)
}
