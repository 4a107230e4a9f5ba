//! Measures of a model on data points, in nats a data point.

use super::divergence::{Kernel, mmd, sliced_wasserstein};
use super::path::{Gradient, Path};
use super::{Posterior, ROWS_AT_ONCE, Vae};
use crate::layer::Pass;
use elbo_core::{PointBounds, Rng};
use elbo_infer::diagnostics::{Psis, psis};
use elbo_infer::objective::{Estimate, Objective, effective_draws};
use elbo_tensor::{DType, Tensor, no_grad};
use serde::{Deserialize, Deserializer, Serialize};

/// How much work an evaluation does.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationConfig {
    /// Draws of the importance-weighted bound, `k`.
    pub draws: usize,
    /// Most data points that are compared with each other, for what concerns the aggregated posterior.
    pub pairs: usize,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self { draws: 500, pairs: 2000 }
    }
}

/// Measures of a model on data points.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of data points.
    pub rows: usize,
    /// Evidence lower bound. NaN where codes are points or the likelihood is a loss, as are all bounds and what is made of them: neither has a
    /// density.
    #[serde(deserialize_with = "number_or_nan")]
    pub elbo: f64,
    /// Its standard error over data points.
    #[serde(deserialize_with = "number_or_nan")]
    pub elbo_se: f64,
    /// E log p(x | z); where the likelihood is a loss, minus the loss.
    pub reconstruction: f64,
    /// Mean divergence of the posteriors from the prior.
    #[serde(deserialize_with = "number_or_nan")]
    pub kl: f64,
    /// The divergence of each dimension, where it is a sum over dimensions; else empty.
    pub kl_per_dimension: Vec<f64>,
    /// Draws of the importance-weighted bound.
    pub draws: usize,
    /// The importance-weighted bound.
    #[serde(deserialize_with = "number_or_nan")]
    pub iwae: f64,
    /// Its standard error over data points.
    #[serde(deserialize_with = "number_or_nan")]
    pub iwae_se: f64,
    /// Minus the evidence lower bound in bits an element that is there.
    #[serde(deserialize_with = "number_or_nan")]
    pub bits_per_dim: f64,
    /// Share of the data points that have each element; empty where none may be missing.
    #[serde(default)]
    pub observed: Vec<f64>,
    /// Dimensions whose posterior mean varies over the data by more than 0.01.
    pub active_units: usize,
    /// Dimensions whose mean posterior variance is above 0.8.
    pub idle_units: usize,
    /// Mean over dimensions of the total variance of the codes; near 1 for a standard normal prior that is met.
    pub code_variance: f64,
    /// Mutual information between data points and codes. NaN behind a flow: it takes the density of each code under every posterior, which a flow does
    /// not know, or knows at the price of a pass a dimension; and where codes are points.
    #[serde(deserialize_with = "number_or_nan")]
    pub mutual_information: f64,
    /// The most that [`Evaluation::mutual_information`] can be: the logarithm of the data points it was taken over. NaN with it.
    #[serde(deserialize_with = "number_or_nan")]
    pub mutual_information_cap: f64,
    /// KL(q(z) || p(z)) of the aggregated posterior: the mean divergence less the mutual information, which is what it is for every posterior with a
    /// density, q(z) being the mixture of the posteriors of the data points it was taken over. NaN with it.
    #[serde(deserialize_with = "number_or_nan")]
    pub aggregated_kl: f64,
    /// Maximum mean discrepancy between codes and draws of the prior.
    pub mmd: f64,
    /// Squared 2-Wasserstein distance between codes and draws of the prior, over directions.
    pub sliced_wasserstein: f64,
    /// log |det Cov(q(z))|; 0 for a standard normal prior that is met. NaN for classes, spheres and shares.
    #[serde(deserialize_with = "number_or_nan")]
    pub code_log_det: f64,
    /// Mean share of the draws that count, (Σw)² / (K Σw²).
    #[serde(deserialize_with = "number_or_nan")]
    pub effective_share: f64,
    /// Share of the data points for which one draw has more than half of the weight.
    #[serde(deserialize_with = "number_or_nan")]
    pub dominated_share: f64,
    /// Share of the data points whose weights have a tail too heavy for their mean to be trusted, by Pareto k.
    #[serde(deserialize_with = "number_or_nan")]
    pub unreliable_share: f64,
}

impl Evaluation {
    /// Without bounds and what is made of the weights of draws.
    fn without_bounds(self) -> Self {
        let none = f64::NAN;
        Self {
            elbo: none,
            elbo_se: none,
            kl: none,
            iwae: none,
            iwae_se: none,
            bits_per_dim: none,
            effective_share: none,
            dominated_share: none,
            unreliable_share: none,
            ..self
        }
    }
}

/// JSON has no NaN and stores null.
fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Bounds on data points, averaged over them: what a curve over the training shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanBounds {
    /// Evidence lower bound; NaN for a model that has none.
    pub elbo: f64,
    /// The importance-weighted bound of the same draws; NaN for a model that has none.
    pub iwae: f64,
    /// E log p(x | z); where the likelihood is a loss, minus the loss.
    pub reconstruction: f64,
}

/// Log weights of draws for data points.
pub struct LogWeights {
    /// log p(x, z) - log q(z | x), `[K, B]`, f64.
    pub weights: Tensor,
    /// log p(x | z), `[K, B]`, f64.
    pub log_likelihood: Tensor,
}

impl Vae {
    /// Log weights of `draws` codes for each of the data points `x: [B, D]`, as many at once as memory allows; outside the graph.
    pub fn log_weights(&self, x: &Tensor, draws: usize, rng: &mut Rng) -> LogWeights {
        let batch = x.size(0);
        let at_once = (ROWS_AT_ONCE / batch).clamp(1, draws);
        let (mut weights, mut likelihoods) = (vec![], vec![]);
        let path = Path::new(Gradient::Plain);
        no_grad(|| {
            let q = self.posterior(x, &mut Pass::evaluation());
            let mut done = 0;
            while done < draws {
                let count = at_once.min(draws - done);
                let noise = q.noise(count, rng);
                let drawn = self.draw_at(q.clone(), x, &noise, &path, rng, &mut Pass::evaluation());
                weights.push(drawn.log_weights());
                likelihoods.push(drawn.log_likelihood.to_f64());
                done += count;
            }
        });
        LogWeights { weights: Tensor::cat(&weights, 0), log_likelihood: Tensor::cat(&likelihoods, 0) }
    }

    /// Means and standard deviations of the codes of data points `values: [N, D]` under the posterior that `draws` weighted draws stand
    /// for, which is nearer to the true one than q is. `[N, L]` each, f64.
    pub fn resampled(&self, values: &[f32], draws: usize, rng: &mut Rng) -> (Tensor, Tensor) {
        let base = rng.fork();
        let chunk = (ROWS_AT_ONCE / draws).clamp(1, 256);
        let path = Path::new(Gradient::Plain);
        let (mut means, mut sds) = (vec![], vec![]);
        no_grad(|| {
            for (i, block) in values.chunks(chunk * self.width()).enumerate() {
                let x = self.tensor(block);
                let drawn = self.draw(&x, draws, &path, &mut base.split(i as u64), &mut Pass::evaluation());
                let weights = drawn.log_weights().softmax(0).unsqueeze(-1);
                let z = drawn.z.to_f64();
                let mean = (&z * &weights).sum_axis(0, false);
                sds.push(((&z - &mean).square() * weights).sum_axis(0, false).sqrt());
                means.push(mean);
            }
        });
        (Tensor::cat(&means, 0), Tensor::cat(&sds, 0))
    }

    /// Hands `take` the log weights of `draws` codes for each of the data points `values: [N, width]`, a block of data points at a time.
    fn weigh_blocks(&self, values: &[f32], draws: usize, rng: &mut Rng, mut take: impl FnMut(LogWeights)) {
        let base = rng.fork();
        // A chunk is a constant of the stream, so that the result does not depend on memory or threads.
        let chunk = (ROWS_AT_ONCE / draws).clamp(1, 256);
        for (i, block) in values.chunks(chunk * self.width()).enumerate() {
            take(self.log_weights(&self.tensor(block), draws, &mut base.split(i as u64)));
        }
    }

    /// Bounds on each of the data points `values: [N, width]`, in the model's unit, from the draws that [`Vae::evaluate`] with as many takes from the same stream. Of a
    /// model without bounds the numbers mean nothing.
    ///
    /// # Panics
    /// Without draws, and as [`Vae::encode`].
    pub fn bounds_of_each(&self, values: &[f32], draws: usize, rng: &mut Rng) -> Vec<PointBounds> {
        assert!(draws > 0, "bounds need draws");
        let mut found = Vec::with_capacity(values.len() / self.width());
        self.weigh_blocks(values, draws, rng, |LogWeights { weights, .. }| {
            let (elbos, bounds) = (Objective::ELBO.value(&weights).to_vec(), Objective::IWAE.value(&weights).to_vec());
            let by_row = weights.t().contiguous();
            let cells = by_row.as_f64();
            let tails = cells.chunks_exact(draws).map(|row| tail_of(row).map(|smoothed| smoothed.k));
            let each = elbos.into_iter().zip(bounds).zip(effective_draws(&weights).to_vec()).zip(tails);
            found.extend(each.map(|(((elbo, iwae), effective_draws), pareto_k)| PointBounds {
                elbo,
                iwae,
                effective_draws,
                pareto_k,
            }));
        });
        found
    }

    /// Bounds on the data points `values: [N, width]` from `draws` codes each, averaged.
    ///
    /// # Panics
    /// Without data points or draws, and as [`Vae::encode`].
    pub fn mean_bounds(&self, values: &[f32], draws: usize, rng: &mut Rng) -> MeanBounds {
        let rows = values.len() / self.width();
        assert!(rows > 0 && draws > 0, "bounds need data points and draws");
        let (mut elbo, mut iwae, mut reconstruction) = (0.0, 0.0, 0.0);
        self.weigh_blocks(values, draws, rng, |LogWeights { weights, log_likelihood }| {
            elbo += Objective::ELBO.value(&weights).sum().item();
            iwae += Objective::IWAE.value(&weights).sum().item();
            reconstruction += log_likelihood.mean_axis(0, false).sum().item();
        });
        let n = rows as f64;
        let bound = |total: f64| if self.config.has_bounds() { total / n } else { f64::NAN };
        MeanBounds { elbo: bound(elbo), iwae: bound(iwae), reconstruction: reconstruction / n }
    }

    /// Share of the data points `values: [N, width]` that have each element, `[D]`; empty where none may be missing.
    pub fn shares_observed(&self, values: &[f32]) -> Vec<f64> {
        if self.config.nan_is_missing { shares_present(values, self.size(), self.width()) } else { vec![] }
    }

    /// Measures the model on data points `values: [N, width]`, in the form the likelihood takes.
    ///
    /// # Panics
    /// Without data points or draws, and as [`Vae::encode`].
    pub fn evaluate(&self, values: &[f32], config: &EvaluationConfig, rng: &mut Rng) -> Evaluation {
        let rows = values.len() / self.width();
        assert!(rows > 0 && config.draws > 0, "an evaluation needs data points and draws");
        let has_density = self.config.family.has_bounds();
        // All draws of a point are the same.
        let draws = if has_density { config.draws } else { 1 };
        let mut elbos = Vec::with_capacity(rows);
        let mut bounds = Vec::with_capacity(rows);
        let (mut reconstruction, mut effective, mut dominated, mut unreliable) = (0.0, 0.0, 0.0, 0.0);
        self.weigh_blocks(values, draws, rng, |LogWeights { weights, log_likelihood }| {
            elbos.extend(Objective::ELBO.value(&weights).to_vec());
            bounds.extend(Objective::IWAE.value(&weights).to_vec());
            reconstruction += log_likelihood.mean_axis(0, false).sum().item();
            effective += effective_draws(&weights).sum().item() / draws as f64;
            let largest = weights.softmax(0).max_axis(0, false);
            dominated += largest.gt_scalar(0.5).cast(DType::F64).sum().item();
            let by_row = weights.t().contiguous();
            for row in by_row.as_f64().chunks_exact(draws) {
                unreliable += f64::from(u8::from(tail_of(row).is_some_and(|smoothed| !smoothed.is_reliable())));
            }
        });
        let q = self.encode(values);
        let (elbo, iwae) = (Estimate::mean(&elbos), Estimate::mean(&bounds));
        let observed = self.shares_observed(values);
        let elements = if observed.is_empty() { self.size() as f64 } else { observed.iter().sum() };
        let n = rows as f64;
        let mut evaluation = Evaluation {
            rows,
            elbo: elbo.value,
            elbo_se: elbo.error,
            reconstruction: reconstruction / n,
            kl: reconstruction / n - elbo.value,
            draws,
            iwae: iwae.value,
            iwae_se: iwae.error,
            bits_per_dim: -elbo.value / (elements * std::f64::consts::LN_2),
            observed,
            effective_share: effective / n,
            dominated_share: dominated / n,
            unreliable_share: unreliable / n,
            ..Evaluation::default()
        };
        if !self.config.has_bounds() {
            // Posteriors with a density have a divergence also where a loss takes the likelihood's place.
            let kl = if has_density { evaluation.kl } else { f64::NAN };
            evaluation = Evaluation { kl, ..evaluation.without_bounds() };
        }
        no_grad(|| self.codes(&q, config.pairs, &mut evaluation, rng));
        evaluation
    }

    /// What concerns the codes of all data points together.
    fn codes(&self, q: &Posterior, pairs: usize, evaluation: &mut Evaluation, rng: &mut Rng) {
        let (rows, latent) = (q.rows(), self.latent());
        if let Posterior::Diagonal { .. } = q
            && let Some(each) = self.prior().kl(&q.cast(self.dtype()))
            && each.size(-1) == latent
        {
            evaluation.kl_per_dimension = each.to_f64().mean_axis(0, false).to_vec();
        }
        let spread = if rows > 1 { q.mean().variance_axis(0, false, 1).to_vec() } else { vec![0.0; latent] };
        let own = q.variance().mean_axis(0, false).to_vec();
        evaluation.active_units = spread.iter().filter(|v| **v > 0.01).count();
        evaluation.idle_units = own.iter().filter(|v| **v > 0.8).count();
        evaluation.code_variance = spread.iter().zip(&own).map(|(a, b)| a + b).sum::<f64>() / latent as f64;

        let count = rows.min(pairs.max(2));
        let chosen = if count < rows { q.take(&rng.choose(rows, count)) } else { q.clone() };
        let points = chosen.rsample(&chosen.noise(1, rng));
        if chosen.has_density() {
            let log_q = chosen.log_prob(&points).to_vec();
            let aggregated = aggregated_log_prob(&chosen, &points.select(0, 0));
            let gap: f64 = log_q.iter().zip(&aggregated).map(|(own, all)| own - all).sum();
            evaluation.mutual_information = gap / count as f64;
            evaluation.mutual_information_cap = (count as f64).ln();
        } else {
            evaluation.mutual_information = f64::NAN;
            evaluation.mutual_information_cap = f64::NAN;
        }
        let z = self.kept(&chosen.code(&points)).select(0, 0);
        evaluation.aggregated_kl = evaluation.kl - evaluation.mutual_information;
        if count < 2 {
            return;
        }
        let prior = self.sample_prior(count, rng).to_f64();
        evaluation.mmd = mmd(&z, &prior, &Kernel::InverseMultiquadric).item();
        evaluation.sliced_wasserstein = sliced_wasserstein(&z, &prior, 50, rng);
        let Some(within) = q.mean_covariance() else {
            evaluation.code_log_det = f64::NAN;
            return;
        };
        let centred = q.mean() - q.mean().mean_axis(0, true);
        let spread = centred.t().matmul(&centred) * (1.0 / rows as f64);
        let (_, log_det) = (spread + within)
            .sign_and_log_det()
            .unwrap_or_else(|_| (Tensor::scalar(0.0), Tensor::scalar(f64::NEG_INFINITY)));
        evaluation.code_log_det = log_det.item();
    }
}

/// The smoothed weights of a data point; `None` for nearly equal ones, which have no tail that matters, and of a few draws, which have none that can be judged.
fn tail_of(log_weights: &[f64]) -> Option<Psis> {
    let smoothed = psis(log_weights);
    let has_tail = smoothed.k.is_finite() && smoothed.effective_size() < 0.95 * log_weights.len() as f64;
    has_tail.then_some(smoothed)
}

/// Share of the data points `values: [N, width]` that have each of the first `size` numbers, the elements, `[D]`.
fn shares_present(values: &[f32], size: usize, width: usize) -> Vec<f64> {
    let mut shares = vec![0.0; size];
    let share = width as f64 / values.len() as f64;
    for row in values.chunks_exact(width) {
        shares.iter_mut().zip(row).filter(|(_, v)| !v.is_nan()).for_each(|(total, _)| *total += share);
    }
    shares
}

/// log (1/N) Σ_n q(z | x_n) at points `z: [M, L]`, a block of points at a time.
pub(crate) fn aggregated_log_prob(q: &Posterior, z: &Tensor) -> Vec<f64> {
    let (points, rows) = (z.size(0), q.rows());
    let at_once = (1_000_000 / (rows * z.size(1))).max(1);
    let block = |start: usize| {
        let part = z.narrow(0, start, at_once.min(points - start));
        q.log_prob_of_each(&part).log_sum_exp(-1, false).to_vec()
    };
    (0..points).step_by(at_once).flat_map(block).map(|v| v - (rows as f64).ln()).collect()
}
