//! Codes drawn for a batch, and what they are worth.

use super::family::Family;
use super::path::Path;
use super::posterior::Posterior;
use super::prior::PriorPass;
use super::{ROWS_AT_ONCE, Vae};
use crate::layer::Pass;
use elbo_core::Rng;
use elbo_tensor::{Tensor, no_grad};

/// Data points, and what is known of them besides their elements.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Elements, with the condition behind them where the model has one, `[B, width]`; see [`Vae::width`].
    pub x: &'a Tensor,
    /// The class of each data point, where it is known, `[B]`; empty where none is.
    pub labels: &'a [Option<usize>],
    /// Numbers that dimensions of the code are to follow, `[B, A]`.
    pub attributes: Option<&'a Tensor>,
}

impl<'a> From<&'a Tensor> for Batch<'a> {
    fn from(x: &'a Tensor) -> Self {
        Self { x, labels: &[], attributes: None }
    }
}

/// Codes drawn for a batch, and what they are worth.
pub struct Draws {
    /// Posteriors of the batch.
    pub q: Posterior,
    /// Codes, `[K, B, L]`.
    pub z: Tensor,
    /// The points of these codes, in which densities are written, `[K, B, L]`: logarithms of shares, all numbers where few are kept, else the codes.
    pub points: Tensor,
    /// Weights of the codes in expectations under q, `[K, B]`, where these are sums over all classes or over sigma points; else all codes count alike.
    pub weights: Option<Tensor>,
    /// log q(z | x) along the draw, `[K, B]`, nats, f64, where q is behind a flow. Other densities are functions of the points.
    pub log_q: Option<Tensor>,
    /// The decoder's numbers for the codes, `[K, B, P D]`.
    pub output: Tensor,
    /// log p(x | z), `[K, B]`, nats.
    pub log_likelihood: Tensor,
    /// log p(z), `[K, B]`, nats; log p(z | y) where the prior is of classes and a data point's is known.
    pub log_prior: Tensor,
    /// The class of each data point, where it is known, `[B]`; empty where none is.
    pub labels: Vec<Option<usize>>,
}

impl Draws {
    /// log p(x, z) - log q(z | x) of each draw, `[K, B]`, f64.
    pub(super) fn log_weights(&self) -> Tensor {
        let log_q = self.log_q.clone().unwrap_or_else(|| self.q.to_f64().log_prob(&self.points.to_f64()));
        self.log_likelihood.to_f64() + self.log_prior.to_f64() - log_q
    }

    /// log p(x, z) - log q(z | x) of each draw in the draws' precision, `[K, B]`, as `path` lets gradients through.
    pub(super) fn log_weights_along(&self, path: &Path) -> Tensor {
        let log_q = self.log_density(|q| path.density(q));
        &self.log_likelihood + &self.log_prior - log_q
    }

    /// log q(z | x) of each draw in the draws' precision, `[K, B]`: under `density` of the posterior, or along the draw of a flow.
    pub(super) fn log_density(&self, density: impl FnOnce(&Posterior) -> Posterior) -> Tensor {
        match &self.log_q {
            Some(log_q) => log_q.cast(self.z.dtype()),
            None => density(&self.q).log_prob(&self.points),
        }
    }

    /// The expectation of `values: [K, B]` under q, `[B]`.
    pub(super) fn average(&self, values: &Tensor) -> Tensor {
        match &self.weights {
            Some(weights) => (values * weights).sum_axis(0, false),
            None => values.mean_axis(0, false),
        }
    }

    /// The expectation of `values: [K, B]` under q, averaged over the batch, a scalar.
    pub(super) fn expectation(&self, values: &Tensor) -> Tensor {
        match &self.weights {
            Some(_) => self.average(values).mean(),
            None => values.mean(),
        }
    }
}

/// [`Draws`] before they are weighed.
pub(super) struct Drawn {
    pub q: Posterior,
    pub points: Tensor,
    pub weights: Option<Tensor>,
    pub log_q: Option<Tensor>,
}

/// For data points with a known class what `each: [..., B, M]` has for it, for the others `unknown: [..., B]`.
pub(super) fn by_class(unknown: &Tensor, each: &Tensor, labels: &[Option<usize>]) -> Tensor {
    let index: Vec<usize> = labels.iter().map(|label| label.unwrap_or(0)).collect();
    let index = Tensor::indices(&index).broadcast_to(unknown.shape()).contiguous();
    let own = each.gather(-1, &index.unsqueeze(-1)).squeeze(-1);
    let is_known = Tensor::from_bool(labels.iter().map(Option::is_some).collect(), &[labels.len()]);
    is_known.where_(&own, unknown)
}

impl Vae {
    /// Draws `draws` codes for each data point `x: [B, D]` and weighs them.
    pub fn draw(&self, x: &Tensor, draws: usize, path: &Path, rng: &mut Rng, pass: &mut Pass<'_>) -> Draws {
        let q = self.posterior(x, pass);
        let noise = q.noise(draws, rng);
        self.draw_at(q, x, &noise, path, rng, pass)
    }

    /// Draws as [`Vae::draw`], or for classes and sigma points what takes their place in the training step `step`, where the encoder sees `seen: [B, width]`.
    pub(super) fn training_draws(
        &self,
        batch: Batch<'_>,
        seen: &Tensor,
        (draws, step): (usize, usize),
        path: &Path,
        rng: &mut Rng,
        pass: &mut Pass<'_>,
    ) -> Draws {
        let q = self.posterior(seen, pass);
        let (points, weights, log_q) = match (&q, self.config.family) {
            (Posterior::Classes(classes), Family::Categorical(config)) => {
                let (points, weights) = classes.training_codes(config, draws, step, rng);
                (points, weights, None)
            }
            (_, Family::SigmaPoints(config)) => {
                let (standard, weights) = config.standard(&q);
                (q.rsample(&standard), Some(weights), None)
            }
            _ => {
                let (points, log_q) = q.draw(&q.noise(draws, rng));
                (path.attach(&points), None, log_q)
            }
        };
        self.weigh(Drawn { q, points, weights, log_q }, batch, path, rng, pass, |pass| self.pseudo(pass))
    }

    /// The codes at this noise, which is as [`Posterior::noise`] gives it, of the posteriors `q` of `x: [B, D]`, weighed. `rng` is for a
    /// prior with latent variables of its own.
    pub fn draw_at(
        &self,
        q: Posterior,
        x: &Tensor,
        noise: &Tensor,
        path: &Path,
        rng: &mut Rng,
        pass: &mut Pass<'_>,
    ) -> Draws {
        let (points, log_q) = q.draw(noise);
        let points = path.attach(&points);
        self.weigh(Drawn { q, points, weights: None, log_q }, x.into(), path, rng, pass, |pass| self.pseudo(pass))
    }

    /// What codes are worth. `pseudo` gives the posteriors of the prior's pseudo-inputs, where it has some, after the decoder's pass.
    pub(super) fn weigh(
        &self,
        drawn: Drawn,
        batch: Batch<'_>,
        path: &Path,
        rng: &mut Rng,
        pass: &mut Pass<'_>,
        pseudo: impl FnOnce(&mut Pass<'_>) -> Option<Posterior>,
    ) -> Draws {
        let Drawn { q, points, weights, log_q } = drawn;
        let z = self.kept(&q.code(&points));
        let output = self.decode(&z, batch.x, pass);
        let log_likelihood = self.log_likelihood(&output, batch.x);
        let pseudo = pseudo(pass);
        let mut prior_pass = PriorPass { pseudo: pseudo.as_ref(), labels: batch.labels, rng, path };
        let log_prior = self.prior.log_prob(&points, &mut prior_pass);
        Draws { q, z, points, weights, log_q, output, log_likelihood, log_prior, labels: batch.labels.to_vec() }
    }

    /// Posteriors of many data points, in double precision, outside the graph. `values: [N, width]`.
    ///
    /// # Panics
    /// For data points that have no row of a table which takes the encoder's place; see [`Vae::check_known`].
    pub fn encode(&self, values: &[f32]) -> Posterior {
        let encode = || {
            let blocks: Vec<Posterior> = values
                .chunks(ROWS_AT_ONCE * self.width())
                .map(|block| self.posterior(&self.tensor(block), &mut Pass::evaluation()).to_f64())
                .collect();
            Posterior::concatenate(&blocks)
        };
        no_grad(encode)
    }

    /// One code drawn for each of many data points, `[N, L]`, f64, outside the graph. `values: [N, D]`.
    pub fn encode_drawn(&self, values: &[f32], rng: &mut Rng) -> Tensor {
        let q = self.encode(values);
        no_grad(|| self.kept(&q.code(&q.rsample(&q.noise(1, rng)))).select(0, 0))
    }
}
