//! Posteriors that belong to single data points: a table of them in the place of an encoder, and the refinement of an encoder's.

use super::path::{Gradient, Path};
use super::prior::PriorConfig;
use super::train::{Decay, update};
use super::{Posterior, ROWS_AT_ONCE, Vae, VaeConfig};
use crate::layer::Pass;
use crate::network::EncoderConfig;
use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use elbo_dist::flow::Amortised;
use elbo_tensor::optim::{Adam, Rule, Schedule};
use elbo_tensor::{Parameter, Tensor, no_grad, with_grad};

/// Most rows of a table: single precision tells their places apart.
const MOST_ROWS: usize = 1 << 24;

/// How posteriors of their own are fitted to data points, by Adam with a rate that falls along half a cosine.
#[derive(Debug, Clone, PartialEq)]
pub struct Refinement {
    /// Steps.
    pub steps: usize,
    /// Draws of the code for each data point in a step.
    pub draws: usize,
    /// Adam's rate at the start.
    pub rate: f64,
}

impl Default for Refinement {
    fn default() -> Self {
        Self { steps: 500, draws: 10, rate: 0.05 }
    }
}

impl Refinement {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("steps", self.steps, 1..=1_000_000)?;
        ensure_within("draws", self.draws, 1..=ROWS_AT_ONCE)?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")
    }
}

impl VaeConfig {
    /// Refuses a table in the place of an encoder without the place of each data point, and with a prior of pseudo-inputs.
    pub(super) fn check_table(&self) -> Result<()> {
        let EncoderConfig::Table { rows } = self.encoder else { return Ok(()) };
        ensure_within("encoder.rows", rows, 1..=MOST_ROWS)?;
        let is_place = self.condition.is_some_and(|c| c.numbers == 1 && c.encoder && !c.decoder);
        let expected = "one number that the encoder alone sees: the data point's row of the table, counted from 0";
        ensure("condition", "not a place with a table for an encoder", is_place, expected)?;
        let has_inputs = matches!(self.prior, PriorConfig::Vamp { .. });
        ensure("prior", "vamp with a table for an encoder", !has_inputs, "another; pseudo-inputs have no row of it")
    }
}

impl Vae {
    /// Whether posteriors are rows of a table.
    pub(super) fn has_table(&self) -> bool {
        matches!(self.config.encoder, EncoderConfig::Table { .. })
    }

    /// Refuses data points that have no row in a table which takes the encoder's place; a network knows all. `values: [N, width]`.
    ///
    /// # Errors
    /// [`Error::Data`] with the place of one such data point.
    pub fn check_known(&self, values: &[f32]) -> Result<()> {
        let EncoderConfig::Table { rows } = self.config.encoder else { return Ok(()) };
        let is_known = |place: f32| place >= 0.0 && place.fract() == 0.0 && (place as usize) < rows;
        let mut places = values.chunks_exact(self.width()).map(|row| row[self.size()]);
        match places.find(|place| !is_known(*place)) {
            None => Ok(()),
            Some(place) => Err(Error::data(
                format!("a data point has the place {place} in a table of {rows} posteriors, counted from 0"),
                "give the place that it was trained with, or fit a posterior of its own with `Vae::refined`",
            )),
        }
    }

    /// Posteriors of data points that are fitted to each alone, with the model as it is, from where the encoder puts them: how far these are above it in
    /// their bound is what one network for all data points costs. Where a table takes the encoder's place they start at mean zero, and the places of data points, which may be
    /// new, do not count. In double precision. `values: [N, width]`.
    ///
    /// # Errors
    /// [`Error::Setting`] for families whose draws do not move with their parameters; [`Error::Data`] for values that are no rows of the model;
    /// [`Error::Numerical`] when the bound is not finite.
    ///
    /// # Source
    /// Cremer, Li and Duvenaud (2018). The gradient is that of Roeder, Wu and Duvenaud (2017), which has no noise at a posterior that is exact.
    pub fn refined(&self, values: &[f32], config: &Refinement, rng: &mut Rng) -> Result<Posterior> {
        config.check()?;
        let (family, width) = (self.config.family, self.width());
        ensure("family", family.name(), family.is_gaussian(), "a Gaussian one, whose draws move with its parameters")?;
        if values.is_empty() || !values.len().is_multiple_of(width) {
            return Err(Error::data(
                format!("{} values are no rows of {width}", values.len()),
                "give rows of the elements, then the numbers of the condition where the model has one",
            ));
        }
        let base = rng.fork();
        let at_once = (ROWS_AT_ONCE / config.draws).clamp(1, 256);
        let mut fitted = vec![];
        for (i, block) in values.chunks(at_once * width).enumerate() {
            fitted.push(self.refined_block(&self.tensor(block), config, &mut base.split(i as u64))?);
        }
        Ok(Posterior::concatenate(&fitted))
    }

    fn refined_block(&self, x: &Tensor, config: &Refinement, rng: &mut Rng) -> Result<Posterior> {
        let start = no_grad(|| self.start_of(x));
        let mut free = Parameter::real(&start);
        let adam = |step: usize| Adam {
            rate: Schedule::from(config.rate * Decay::Cosine.at(step, config.steps)),
            ..Adam::default()
        };
        let mut state = adam(0).start_parts(&[(start.len(), start.dtype())]);
        for step in 0..config.steps {
            let loss = with_grad(|| self.negative_bound(&free.get(), x, config.draws, rng));
            update(&mut free, &loss, &adam(step), &mut state)?;
        }
        Ok(no_grad(|| self.posterior_of(&free.get()).detach().to_f64()))
    }

    /// What the encoder gives for data points, or zeros where there is none.
    fn start_of(&self, x: &Tensor) -> Tensor {
        if !self.has_table() {
            return self.encoded(x, &mut Pass::evaluation());
        }
        let (family, latent) = (self.config.family, self.latent());
        let width = family.width(latent) + self.flow.as_ref().map_or(0, Amortised::context);
        let zeros = Tensor::zeros(&[x.size(0), width], self.dtype());
        family.shifted(&zeros, latent, self.config.start_log_variance)
    }

    /// Minus the evidence lower bound of the posteriors with these numbers in the place of the encoder's, nats a data point.
    fn negative_bound(&self, numbers: &Tensor, x: &Tensor, draws: usize, rng: &mut Rng) -> Tensor {
        let path = Path::new(Gradient::StickingTheLanding);
        let q = self.posterior_of(numbers);
        let noise = q.noise(draws, rng);
        let drawn = self.draw_at(q, x, &noise, &path, rng, &mut Pass::evaluation());
        let log_q = drawn.log_density(|q| path.density(q));
        (log_q - &drawn.log_likelihood - &drawn.log_prior).mean()
    }
}
