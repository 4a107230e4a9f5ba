//! Restoration by sampling with the measurement as guidance.

use super::{Problem, RestoreConfig, Restored, misfit};
use crate::denoiser::{Denoiser, estimate, pullback};
use crate::guidance::reconstruction;
use crate::operator::{Operator, proximal, regularised};
use crate::sampler::{pure_noise, renoise};
use elbo_core::{Error, Result, Rng, Run};
use elbo_tensor::Tensor;

/// What is sampled: the prior, the measurements, and how.
pub(super) struct Guided<'a> {
    pub(super) denoiser: &'a dyn Denoiser,
    pub(super) problems: &'a [Problem<'a>],
    pub(super) config: &'a RestoreConfig,
}

impl Guided<'_> {
    /// From noise to data, with a look at the misfit after each step. A step takes the noisy points, this level and the next, and
    /// returns the next noisy points.
    pub(super) fn descend(
        &self,
        run: &mut Run,
        step: impl Fn(&Self, &Tensor, (f64, f64), &mut Rng) -> Tensor,
    ) -> Result<Restored> {
        let levels = self.config.schedule.levels(self.config.steps)?;
        let mut x = pure_noise([self.problems.len(), self.denoiser.dims()], levels[0], &mut run.rng);
        let mut trajectory = vec![];
        for pair in levels.windows(2) {
            if run.must_stop() {
                // Half-way there is only noise.
                return Err(Error::Stopped);
            }
            x = step(self, &x, (pair[0], pair[1]), &mut run.rng);
            if !x.is_finite() {
                return Err(Error::numerical(
                    format!("the points are not finite at level {:.3e}", pair[1]),
                    "lower `zeta`, or raise `noise`",
                ));
            }
            trajectory.push(misfit(self.problems, &x.as_f64()));
        }
        Ok(Restored { x, sd: None, evaluations: levels.len() - 1, trajectory })
    }

    /// Variance of the measurement's noise; without noise, rounding is left.
    fn noise_variance(&self) -> f64 {
        (self.config.noise * self.config.noise).max(1e-8)
    }

    /// An ancestral step, followed by one of length ζ down ‖y - H x̂₀‖ (the norm, not its square).
    ///
    /// # Source
    /// Chung et al. (2023). The published step is for the path with α² + σ² = 1; in the scale of the data it is ζ/(α_s α_t).
    pub(super) fn dps(&self, x: &Tensor, (sigma, next): (f64, f64), rng: &mut Rng) -> Tensor {
        let measured: Vec<(&dyn Operator, &[f64])> =
            self.problems.iter().map(|p| (p.operator, p.y.as_slice())).collect();
        let (clean, _, gradient) = reconstruction(self.denoiser, x, sigma, &measured);
        let scale = self.config.zeta * ((1.0 + sigma * sigma) * (1.0 + next * next)).sqrt();
        renoise(&clean, x, (sigma, next), 1.0, rng) - gradient * scale
    }

    /// The score gains that of p(y | x) ≈ N(H x̂₀, r²HHᵀ + σ_y²I) with r² = σ²/(1 + σ²), so that the clean estimate gains
    /// σ² (∂x̂₀/∂x)ᵀ Hᵀ (r²HHᵀ + σ_y²I)⁻¹ (y - H x̂₀): exact for the prior N(0, I).
    ///
    /// # Source
    /// Song, Vahdat, Mardani and Kautz (2023). Deviation: the guided score enters both parts of the step, as Bayes' rule has it.
    pub(super) fn pi_gdm(&self, x: &Tensor, (sigma, next): (f64, f64), rng: &mut Rng) -> Tensor {
        let spread = sigma * sigma / (1.0 + sigma * sigma);
        let (clean, gradient) = pullback(self.denoiser, x, sigma, |clean| {
            let values = clean.to_vec();
            let pulled = self.problems.iter().zip(values.chunks_exact(clean.size(1))).flat_map(|(p, row)| {
                p.operator.adjoint(&regularised(p.operator, &p.residual(row), spread, self.noise_variance()))
            });
            Tensor::from_vec(pulled.collect(), clean.shape())
        });
        let guided = clean + gradient * (sigma * sigma);
        renoise(&guided, x, (sigma, next), self.config.eta, rng)
    }

    /// The clean estimate is replaced by the point that balances it with the measurement: argmin ‖y - Hx‖²/σ_y² + ‖x - x̂₀‖²/(penalty σ²).
    ///
    /// # Source
    /// Zhu et al. (2023).
    pub(super) fn diff_pir(&self, x: &Tensor, (sigma, next): (f64, f64), rng: &mut Rng) -> Tensor {
        let clean = estimate(self.denoiser, x, sigma).to_vec();
        let pull = self.noise_variance() / (self.config.penalty * sigma * sigma);
        let rows = self.problems.iter().zip(clean.chunks_exact(x.size(1)));
        let near = rows.flat_map(|(p, row)| proximal(p.operator, &p.y, row, pull)).collect();
        renoise(&Tensor::from_vec(near, x.shape()), x, (sigma, next), self.config.eta, rng)
    }
}
