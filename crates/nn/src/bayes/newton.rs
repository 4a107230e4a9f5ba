//! Variational online Newton: a posterior with one variance a weight, from an optimiser's own numbers.

use elbo_core::step::Snapshot;
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Step, ensure, ensure_within};
use elbo_tensor::Parameters;
use elbo_tensor::optim::{Objective, Schedule};

/// Where the curvature comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Estimate {
    /// The gradient times the displacement over its variance: unbiased (IVON).
    #[default]
    Reparameterised,
    /// The squared gradient (`gradsq`), without the factor λ of some codes: λ is in the variances already. For a single row, where the
    /// likelihood holds, `E (∂ log p)² = -E ∂² log p`, so its mean is the curvature: take batches of one row, since the squared gradient
    /// of M rows is about `1 / M` of it. Where the weights alone are random it is no curvature: on a quadratic with curvature H the fixed
    /// point is `h = (δ m)² + H² / (λ (h + δ))`, which falls as λ grows.
    SquaredGradient,
}

/// Settings of [`NewtonStep`].
#[derive(Debug, Clone, PartialEq)]
pub struct NewtonConfig {
    /// Effective number of rows, λ.
    pub rows: f64,
    /// Weight decay δ; the prior's precision is λ δ.
    pub decay: f64,
    /// Length of a step; multiplied by `curvature + decay`, so that one is a Newton step at the start.
    pub rate: Schedule,
    /// Decay of the averaged gradient.
    pub beta1: f64,
    /// Decay of the averaged curvature.
    pub beta2: f64,
    /// Curvature at the start.
    pub curvature: f64,
    /// Draws of the weights a step.
    pub draws: usize,
    /// Largest entry of the direction before it is divided by the curvature.
    pub clip: f64,
    /// Where the curvature comes from.
    pub estimate: Estimate,
}

impl NewtonConfig {
    /// The published settings for this many rows.
    pub fn new(rows: usize, rate: impl Into<Schedule>) -> Self {
        Self {
            rows: rows as f64,
            decay: 1e-4,
            rate: rate.into(),
            beta1: 0.9,
            beta2: 0.99999,
            curvature: 1.0,
            draws: 1,
            clip: f64::INFINITY,
            estimate: Estimate::Reparameterised,
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure("rows", self.rows, self.rows > 0.0, "above 0")?;
        ensure("decay", self.decay, self.decay > 0.0, "above 0")?;
        ensure_within("beta1", self.beta1, 0.0..1.0)?;
        ensure_within("beta2", self.beta2, 0.0..1.0)?;
        ensure("curvature", self.curvature, self.curvature > 0.0, "above 0")?;
        ensure_within("draws", self.draws, 1..=1_000_000)?;
        ensure("clip", self.clip, self.clip > 0.0, "above 0")
    }
}

/// A model at the mean of its posterior, with the curvature that gives the variances.
pub struct Newton<M> {
    /// The model at the posterior mean.
    pub model: M,
    /// Averaged curvature h of the mean loss, in [`Parameters::pack`]'s order.
    pub curvature: Vec<f64>,
    rows: f64,
    decay: f64,
}

impl<M: Parameters> Newton<M> {
    /// A model before training.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range.
    pub fn new(model: M, config: &NewtonConfig) -> Result<Self> {
        config.check()?;
        let curvature = vec![config.curvature; model.pack().len()];
        Ok(Self { model, curvature, rows: config.rows, decay: config.decay })
    }

    /// Standard deviations of the weights, `1 / sqrt(λ (h + δ))`.
    pub fn sds(&self) -> Vec<f64> {
        self.curvature.iter().map(|h| 1.0 / (self.rows * (h + self.decay)).sqrt()).collect()
    }

    /// One draw of all weights.
    pub fn sample(&self, rng: &mut Rng) -> Vec<f64> {
        let noise = rng.normals(self.curvature.len());
        let sds = self.sds();
        self.model.pack().iter().enumerate().map(|(i, m)| m + sds[i] * noise[i]).collect()
    }
}

impl<M: Snapshot> Snapshot for Newton<M> {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.model.save(file, &format!("{prefix}.model"));
        self.curvature.save(file, &format!("{prefix}.curvature"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.model.restore(file, &format!("{prefix}.model"))?;
        self.curvature.restore(file, &format!("{prefix}.curvature"))
    }
}

/// Diagonal curvatures of the mean loss, in [`Parameters::pack`]'s order.
pub type Curvatures<'a, M> = dyn Fn(&M, &mut Run) -> Result<Vec<f64>> + 'a;

/// One update of mean and curvature from the gradient of the mean loss of a minibatch at drawn weights.
///
/// With the curvature given in closed form it is VON, with its estimate IVON.
///
/// # Source
/// Khan et al. (2018); Shen et al. (2024).
pub struct NewtonStep<'a, M, O> {
    /// The settings.
    pub config: NewtonConfig,
    /// The mean loss of a minibatch, without the prior.
    pub objective: O,
    /// The curvature of the mean loss at drawn weights, in place of its estimate.
    pub exact: Option<Box<Curvatures<'a, M>>>,
}

impl<M: Parameters, O: Objective<M>> Step<Newton<M>> for NewtonStep<'_, M, O> {
    type State = (Vec<f64>, usize);

    fn init(&self, newton: &mut Newton<M>, _: &mut Run) -> Result<Self::State> {
        Ok((vec![0.0; newton.curvature.len()], 0))
    }

    fn step(&self, newton: &mut Newton<M>, (momentum, steps): &mut Self::State, run: &mut Run) -> Result<Progress> {
        let config = &self.config;
        let mean = newton.model.pack();
        let sds = newton.sds();
        let share = 1.0 / config.draws as f64;
        let (mut gradient, mut found) = (vec![0.0; mean.len()], vec![0.0; mean.len()]);
        let mut total = 0.0;
        for _ in 0..config.draws {
            let noise = run.rng.normals(mean.len());
            let drawn: Vec<f64> = (0..mean.len()).map(|i| mean[i] + sds[i] * noise[i]).collect();
            newton.model.unpack(&drawn);
            let evaluated = self.objective.evaluate(&newton.model, run).and_then(|(loss, slope)| {
                let exact = self.exact.as_ref().map(|exact| exact(&newton.model, run)).transpose()?;
                Ok((loss, slope, exact))
            });
            // The model stays at its mean whatever happens.
            newton.model.unpack(&mean);
            let (loss, slope, exact) = evaluated?;
            if !loss.is_finite() || slope.iter().any(|g| !g.is_finite()) {
                return Err(Error::numerical(
                    format!("the loss is {loss} after {steps} steps, or its gradient is not finite"),
                    "lower `rate`, or raise `curvature`, which makes the first draws narrower",
                ));
            }
            total += share * loss;
            for i in 0..mean.len() {
                gradient[i] += share * slope[i];
                found[i] += share
                    * match (&exact, config.estimate) {
                        (Some(exact), _) => exact[i],
                        (None, Estimate::Reparameterised) => slope[i] * noise[i] / sds[i],
                        (None, Estimate::SquaredGradient) => slope[i] * slope[i],
                    };
            }
        }
        let rate = config.rate.at(*steps) * (config.curvature + config.decay);
        *steps += 1;
        let debias = 1.0 - config.beta1.powi(*steps as i32);
        let step = 1.0 - config.beta2;
        let mut moved = mean;
        for i in 0..moved.len() {
            let h = newton.curvature[i];
            momentum[i] = config.beta1 * momentum[i] + (1.0 - config.beta1) * gradient[i];
            // The last term, of second order in the step, keeps h + δ positive.
            let h = h + step * (found[i] - h) + 0.5 * (step * (h - found[i])).powi(2) / (h + config.decay);
            newton.curvature[i] = h;
            let direction = (momentum[i] / debias + config.decay * moved[i]).clamp(-config.clip, config.clip);
            moved[i] -= rate * direction / (h + config.decay);
        }
        newton.model.unpack(&moved);
        Ok(Progress { objective: total, converged: false })
    }
}
