//! Posteriors behind a flow.

use super::posterior::Posterior;
use super::prior::PriorConfig;
use elbo_core::{Result, Rng, ensure};
use elbo_dist::flow::{Amortised, FlowSpec};
use elbo_tensor::{DType, Parameters, Tensor, no_grad};
use std::sync::OnceLock;

/// Draws of each posterior that its moments are averages over, half of them the mirror images of the others.
const MOMENT_DRAWS: usize = 256;

/// Draws of all posteriors that are held at once for moments.
const DRAWS_AT_ONCE: usize = 65_536;

/// The flow that a setting names, with a refusal of what a posterior behind it cannot do.
///
/// # Errors
/// [`elbo_core::Error::Setting`] for a text that names no flow, one that an encoder gives no parameters or that is too large for `latent` dimensions,
/// or a prior made of posteriors.
pub(crate) fn flow_of(text: Option<&str>, latent: usize, prior: &PriorConfig) -> Result<Option<FlowSpec>> {
    let Some(text) = text else { return Ok(None) };
    let spec: FlowSpec = text.parse()?;
    spec.check_amortised(latent)?;
    ensure(
        "prior",
        format!("vamp with the flow `{spec}`"),
        !matches!(prior, PriorConfig::Vamp { .. }),
        "another prior: this one asks for densities of posteriors at each other's draws, which a flow knows at its own alone",
    )?;
    Ok(Some(spec))
}

/// Gaussian posteriors of a batch whose draws go through the layers of a flow that differ by data point.
///
/// $$ \log q(z_K \mid x) = \log q_0(z_0 \mid x) - \sum_k \log|\det \partial f_k / \partial z_{k-1}| $$
///
/// The density is known along a draw. Nothing else is closed: means and variances are averages over 256 draws, the same noise for every posterior.
#[derive(Debug, Clone)]
pub struct Flowed {
    base: Posterior,
    context: Tensor,
    flow: Amortised,
    moments: OnceLock<Moments>,
}

/// Averages over draws, f64.
#[derive(Debug, Clone)]
struct Moments {
    mean: Tensor,
    variance: Tensor,
    mean_covariance: Tensor,
}

impl Flowed {
    /// Gaussians `base` over `[B, L]`, and what the encoder gives the flow, `context: [B, C]`.
    pub(super) fn new(base: Posterior, context: Tensor, flow: Amortised) -> Self {
        Self { base, context, flow, moments: OnceLock::new() }
    }

    /// The Gaussians before the flow.
    pub fn base(&self) -> &Posterior {
        &self.base
    }

    /// Draws `[K, B, L]` at this noise of the same shape, and their log densities `[K, B]`, nats, f64; both follow the parameters.
    pub fn draw(&self, noise: &Tensor) -> (Tensor, Tensor) {
        let (z, log_q) = self.draw_f64(noise);
        (z.cast(self.base.dtype()), log_q)
    }

    fn draw_f64(&self, noise: &Tensor) -> (Tensor, Tensor) {
        let base = self.base.to_f64();
        let start = base.rsample(&noise.to_f64());
        let log_base = base.log_prob(&start);
        let (flat, context) = self.rows_of(&start);
        let (z, log_det) = self.flow.forward(&flat, &context);
        (z.reshape(start.shape()), &log_base - log_det.reshape(log_base.shape()))
    }

    /// Log density at any points `z: [K, B, L]`, `[K, B]`, f64; `None` where the flow has no closed inverse.
    pub fn log_prob(&self, z: &Tensor) -> Option<Tensor> {
        let (flat, context) = self.rows_of(&z.to_f64());
        let (start, log_det) = self.flow.inverse(&flat, &context)?;
        let log_base = self.base.to_f64().log_prob(&start.reshape(z.shape()));
        Some(&log_base + log_det.reshape(log_base.shape()))
    }

    /// Points `[K, B, L]` as rows `[K B, L]`, each with the context of its posterior.
    fn rows_of(&self, z: &Tensor) -> (Tensor, Tensor) {
        let (draws, rows, width) = (z.size(0), z.size(1), self.context.size(-1));
        let context = self.context.to_f64().unsqueeze(0).broadcast_to(&[draws, rows, width]);
        (z.reshape(&[draws * rows, z.size(2)]), context.reshape(&[draws * rows, width]))
    }

    /// Means, `[B, L]`.
    pub(super) fn mean(&self) -> &Tensor {
        &self.moments().mean
    }

    /// Variances, `[B, L]`.
    pub(super) fn variance(&self) -> &Tensor {
        &self.moments().variance
    }

    /// The covariance averaged over the batch, `[L, L]`.
    pub(super) fn mean_covariance(&self) -> &Tensor {
        &self.moments().mean_covariance
    }

    fn moments(&self) -> &Moments {
        self.moments.get_or_init(|| no_grad(|| self.average()))
    }

    fn average(&self) -> Moments {
        let (rows, dims) = (self.base.rows(), self.base.dims());
        let half = MOMENT_DRAWS / 2;
        let half = Tensor::from_vec(Rng::new(0).normals(half * dims), &[half, 1, dims]);
        let noise = Tensor::cat(&[half.clone(), -half], 0);
        // Distances from one point of each posterior do not cancel as squares of means would.
        let (origin, _) = self.draw_f64(&Tensor::zeros(&[1, rows, dims], DType::F64));
        let mut first = Tensor::zeros(&[rows, dims], DType::F64);
        let mut second = Tensor::zeros(&[rows, dims], DType::F64);
        let mut products = Tensor::zeros(&[dims, dims], DType::F64);
        let at_once = (DRAWS_AT_ONCE / rows).clamp(1, MOMENT_DRAWS);
        for start in (0..MOMENT_DRAWS).step_by(at_once) {
            let count = at_once.min(MOMENT_DRAWS - start);
            let part = noise.narrow(0, start, count).broadcast_to(&[count, rows, dims]).contiguous();
            let away = self.draw_f64(&part).0 - &origin;
            first += &away.sum_axis(0, false);
            second += &away.square().sum_axis(0, false);
            let flat = away.reshape(&[count * rows, dims]);
            products += &flat.t().matmul(&flat);
        }
        let share = 1.0 / MOMENT_DRAWS as f64;
        let shift = first * share;
        let between = shift.t().matmul(&shift) * (1.0 / rows as f64);
        Moments {
            mean: origin.select(0, 0) + &shift,
            variance: (second * share - shift.square()).relu(),
            mean_covariance: products * (share / rows as f64) - between,
        }
    }

    pub(super) fn map(&self, f: &dyn Fn(&Tensor) -> Tensor) -> Self {
        Self::new(self.base.map(f), f(&self.context), self.flow.clone())
    }

    /// Holds the flow's own weights.
    pub(super) fn hold(&mut self) {
        self.flow.set_all_frozen(true);
    }

    /// All posteriors one after the other; those of the first batch's flow.
    pub(super) fn concatenate(batches: &[&Self]) -> Self {
        let bases: Vec<Posterior> = batches.iter().map(|q| q.base.clone()).collect();
        let contexts: Vec<Tensor> = batches.iter().map(|q| q.context.clone()).collect();
        Self::new(Posterior::concatenate(&bases), Tensor::cat(&contexts, 0), batches[0].flow.clone())
    }
}
