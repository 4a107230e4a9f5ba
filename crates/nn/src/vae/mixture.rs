//! Mixtures of normals as priors: of components that nobody names, or of the classes of data points.

use super::draws::{Draws, by_class};
use super::posterior::Posterior;
use super::prior::{Prior, PriorPass, draw_from};
use crate::init::normal;
use crate::layer::Build;
use elbo_core::{Result, Rng, ensure_within};
use elbo_tensor::{Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds of log variances.
const LOG_VARIANCES: (f64, f64) = (-10.0, 10.0);

/// Variances of the normals of a mixture.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Spread {
    /// Learned, of each dimension and each normal.
    #[default]
    Own,
    /// Learned, of each dimension and the same for all normals, between which borders are then flat.
    Shared,
    /// Not learned: narrow ones keep normals apart.
    Fixed {
        /// Standard deviation.
        sd: f64,
    },
}

impl Spread {
    /// Checks ranges.
    pub(super) fn check(self) -> Result<()> {
        // Within the bounds of log variances.
        if let Self::Fixed { sd } = self { ensure_within("prior.spread.sd", sd, 0.01..=100.0) } else { Ok(()) }
    }
}

/// Which components a data point is taken to be of, in the divergence of its posterior from a mixture: the probabilities q(k | x) in
///
/// $$ \sum_k q(k \mid x)\, \mathrm{KL}[q(z \mid x) \,\|\, p(z \mid k)] + \mathrm{KL}[q(k \mid x) \,\|\, \pi] . $$
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Responsibilities {
    /// Those for which this is the least, q(k | x) ∝ π_k exp(-KL[q(z | x) || p(z | k)]); the divergence is then -log Σ_k π_k exp(-KL_k).
    #[default]
    Exact,
    /// Those of the draws, q(k | x) ∝ π_k p(z | k), as in papers.
    Paper,
}

/// Σ_m π_m N(mean_m, diag exp(log_variance_m)).
pub(super) struct Mixture {
    logits: Parameter,
    mean: Parameter,
    log_variance: Parameter,
    responsibilities: Responsibilities,
    /// Whether components are classes, so that a data point whose class is known has the density of its component.
    is_labelled: bool,
}

elbo_tensor::parameters!(Mixture { "logits": logits, "mean": mean, "log_variance": log_variance });

impl Mixture {
    /// Components with learned weights, equal at the start.
    pub(super) fn of_components(
        components: usize,
        latent: usize,
        spread: Spread,
        responsibilities: Responsibilities,
        build: &mut Build<'_>,
    ) -> Self {
        let logits = Parameter::real(&Tensor::zeros(&[components], build.dtype));
        Self::new(logits, latent, spread, responsibilities, false, build)
    }

    /// Classes with these shares of the data points, which stay.
    pub(super) fn of_classes(shares: &[f64], latent: usize, spread: Spread, build: &mut Build<'_>) -> Self {
        let logs = shares.iter().map(|share| share.ln()).collect();
        let logits = Parameter::real(&Tensor::from_vec(logs, &[shares.len()]).cast(build.dtype)).frozen();
        Self::new(logits, latent, spread, Responsibilities::Exact, true, build)
    }

    fn new(
        logits: Parameter,
        latent: usize,
        spread: Spread,
        responsibilities: Responsibilities,
        is_labelled: bool,
        build: &mut Build<'_>,
    ) -> Self {
        let components = logits.len();
        let mean = Parameter::real(&normal(&[components, latent], 1.0, build.rng, build.dtype));
        let full = |rows: usize, value: f64| Parameter::real(&Tensor::full(&[rows, latent], value, build.dtype));
        let log_variance = match spread {
            Spread::Own => full(components, 0.0),
            Spread::Shared => full(1, 0.0),
            Spread::Fixed { sd } => full(1, 2.0 * sd.ln()).frozen(),
        };
        Self { logits, mean, log_variance, responsibilities, is_labelled }
    }

    /// Means and log variances, `[M, L]` each.
    fn moments(&self) -> (Tensor, Tensor) {
        let mean = self.mean.get();
        let log_variance = self.log_variance.get().clamp(LOG_VARIANCES.0, LOG_VARIANCES.1).broadcast_to(mean.shape());
        (mean, log_variance)
    }

    fn components(&self) -> Posterior {
        let (mean, log_variance) = self.moments();
        Posterior::Diagonal { mean, log_variance }
    }

    /// log π, `[M]`.
    fn log_shares(&self) -> Tensor {
        self.logits.get().log_softmax(-1)
    }

    /// log N(z; mean_m, ...) of every component at points `[..., L]`, `[..., M]`.
    fn log_densities(&self, z: &Tensor) -> Tensor {
        let flat = z.reshape(&[z.len() / z.size(-1), z.size(-1)]);
        let each = self.components().log_prob_of_each(&flat);
        let shape = [&z.shape()[..z.rank() - 1], &[self.logits.len()]].concat();
        each.reshape(&shape)
    }

    /// KL(q || p_m) of every component, `[B, M]`; `None` for all but Gaussians.
    fn divergences(&self, q: &Posterior) -> Option<Tensor> {
        let (mean, log_variance) = self.moments();
        let to_component = |m: usize| Some(q.kl_to_diagonal(&mean.row(m), &log_variance.row(m))?.sum_axis(-1, false));
        let each = (0..mean.size(0)).map(to_component).collect::<Option<Vec<Tensor>>>()?;
        Some(Tensor::stack(&each, -1))
    }

    /// For data points whose class is known what `each: [..., B, M]` has for it, where components are classes; for the others `unknown: [..., B]`.
    fn given(&self, labels: &[Option<usize>], unknown: Tensor, each: &Tensor) -> Tensor {
        if self.is_labelled && !labels.is_empty() { by_class(&unknown, each, labels) } else { unknown }
    }
}

impl Prior for Mixture {
    fn log_prob(&self, z: &Tensor, pass: &mut PriorPass<'_>) -> Tensor {
        let each = self.log_densities(z);
        let unknown = (&each + self.log_shares()).log_sum_exp(-1, false);
        self.given(pass.labels, unknown, &each)
    }

    /// With the responsibilities for which it is the least: an upper bound on the divergence, so the objective stays a lower bound.
    fn kl(&self, q: &Posterior) -> Option<Tensor> {
        Some(-(self.log_shares() - self.divergences(q)?).log_sum_exp(-1, true))
    }

    fn charge(&self, draws: &Draws) -> Option<Tensor> {
        let each = self.divergences(&draws.q)?;
        let log_shares = self.log_shares();
        let unknown = match self.responsibilities {
            Responsibilities::Exact => -(&log_shares - &each).log_sum_exp(-1, false),
            Responsibilities::Paper => {
                let log_found = (self.log_densities(&draws.points) + &log_shares).log_softmax(-1);
                draws.average(&(log_found.exp() * (&each + &log_found - log_shares)).sum_axis(-1, false))
            }
        };
        Some(self.given(&draws.labels, unknown, &each).unsqueeze(-1))
    }

    fn log_responsibilities(&self, q: &Posterior, points: &Tensor) -> Option<Tensor> {
        let closed = match self.responsibilities {
            Responsibilities::Exact => self.divergences(q).map(|each| -each.unsqueeze(0)),
            Responsibilities::Paper => None,
        };
        let log_likelihoods = closed.unwrap_or_else(|| self.log_densities(points));
        Some((log_likelihoods + self.log_shares()).log_softmax(-1))
    }

    fn sample(&self, count: usize, _: Option<&Posterior>, rng: &mut Rng) -> Tensor {
        let weights = self.logits.get().detach().softmax(-1).to_vec();
        draw_from(&self.components().detach(), &weights, count, rng)
    }

    fn sample_component(&self, component: usize, count: usize, rng: &mut Rng) -> Option<Tensor> {
        let mut weights = vec![0.0; self.logits.len()];
        *weights.get_mut(component)? = 1.0;
        Some(draw_from(&self.components().detach(), &weights, count, rng))
    }
}
