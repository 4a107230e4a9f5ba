//! Consistency models: networks that carry a noisy point to where the flow of a denoiser ends.

use super::Boundary;
use crate::denoiser::Denoiser;
use crate::network::train::TrainingState;
use crate::network::{Network, Trainee};
use crate::path::check_bounds;
use crate::sampler::{Sampled, Sampler, pure_noise};
use crate::schedule::Schedule;
use elbo_core::{Error, Progress, Result, Rng, Run, Step, Stop, drive, ensure, ensure_within};
use elbo_tensor::{Tensor, no_grad};

/// Levels of a batch: points of one level go through the teacher together.
const GROUPS: usize = 8;

/// f(x; σ) = skip(σ) x + out(σ) F(x/√(σ² + σ_d²); ln(σ)/4): the end of the flow at the least level, in one evaluation.
pub struct Consistency {
    network: Box<dyn Network>,
    boundary: Boundary,
    dims: usize,
    /// The greatest level that it has seen.
    high: f64,
}

impl Consistency {
    /// A network of points of `dims` numbers, trained up to the level `high`.
    pub fn new(mut network: Box<dyn Network>, boundary: Boundary, dims: usize, high: f64) -> Self {
        network.set_all_frozen(true);
        Self { network, boundary, dims, high }
    }

    /// The network.
    pub fn network(&self) -> &dyn Network {
        self.network.as_ref()
    }

    /// The boundary.
    pub fn boundary(&self) -> &Boundary {
        &self.boundary
    }

    /// The greatest level that it has seen.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Points `x: [N, D]` at a level, carried to the least one.
    pub fn carry(&self, x: &Tensor, from: f64) -> Tensor {
        wrapped(self.network.as_ref(), &self.boundary, x, &vec![from; x.size(0)]).to_f64()
    }

    /// Draws `count` points in `jumps` evaluations: each but the first starts from the points of the one before with fresh noise of a
    /// lower level.
    ///
    /// # Errors
    /// [`Error::Setting`] for no jumps, [`Error::Numerical`] when the network fails.
    ///
    /// # Source
    /// Song, Dhariwal, Chen and Sutskever (2023), algorithm 1.
    pub fn draw(&self, jumps: usize, count: usize, rng: &mut Rng) -> Result<Sampled> {
        ensure_within("jumps", jumps, 1..)?;
        // The last of these is the least level, where nothing is left to do.
        let schedule = Schedule::Karras { high: self.high, low: self.boundary.low, rho: 7.0 };
        let levels = schedule.levels(jumps.saturating_add(1))?;
        let mut x = self.carry(&pure_noise([count, self.dims], levels[0], rng), levels[0]);
        for level in &levels[1..jumps] {
            let fresh = Tensor::from_vec(rng.normals(x.len()), x.shape());
            let added = (level * level - self.boundary.low * self.boundary.low).sqrt();
            x = self.carry(&(&x + fresh * added), *level);
        }
        if !x.is_finite() {
            return Err(Error::numerical("a sample is not finite", "raise `distil`, or lower `rate`"));
        }
        Ok(Sampled { x, evaluations: jumps })
    }
}

/// f at the level of each row, in single precision. `x: [B, D]`.
fn wrapped(network: &dyn Network, boundary: &Boundary, x: &Tensor, levels: &[f64]) -> Tensor {
    let column =
        |f: &dyn Fn(f64) -> f64| Tensor::from_f32(levels.iter().map(|s| f(*s) as f32).collect(), &[levels.len(), 1]);
    let input = x.to_f32();
    let scaled = &input * column(&|s| 1.0 / s.hypot(boundary.data_sd));
    let scales: Vec<f64> = levels.iter().map(|s| 0.25 * s.ln()).collect();
    let output = network.forward(&scaled, &scales, &[]);
    input * column(&|s| boundary.at(s).0) + output * column(&|s| boundary.at(s).1)
}

/// Settings of consistency distillation.
#[derive(Debug, Clone, PartialEq)]
pub struct DistillConfig {
    /// Steps, each on one batch.
    pub iterations: usize,
    /// Data points a step.
    pub batch: usize,
    /// Adam's rate at the start; it falls to a hundredth along half a cosine.
    pub rate: f64,
    /// Share of the old average in the new one, of the weights that make the targets and are kept in the end.
    pub average: f64,
    /// Levels of the flow, between each two of which the teacher takes one step.
    pub levels: usize,
    /// The least of them.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// Standard deviation of the data.
    pub data_sd: f64,
}

impl Default for DistillConfig {
    fn default() -> Self {
        Self { iterations: 4000, batch: 64, rate: 2e-3, average: 0.95, levels: 18, low: 0.01, high: 80.0, data_sd: 0.5 }
    }
}

impl DistillConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("iterations", self.iterations, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000)?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        ensure_within("average", self.average, 0.0..1.0)?;
        ensure_within("levels", self.levels, 2..=10_000)?;
        ensure("data_sd", self.data_sd, self.data_sd > 0.0 && self.data_sd.is_finite(), "above 0")?;
        check_bounds("levels", self.low, self.high)
    }
}

/// Consistency training from a teacher: f at a level is made equal to the averaged f at the next lower level of the teacher's flow,
///
/// $$ \min_\theta \; \mathbb E \, \lVert f_\theta(x_{\sigma}, \sigma) - f_{\bar\theta}(x_{\sigma'}, \sigma') \rVert^2, $$
///
/// where x_σ is a noisy data point and x_σ' one step of Heun's method from it.
///
/// # Source
/// Song, Dhariwal, Chen and Sutskever (2023), algorithm 2, with the squared distance.
pub struct Distillation<'a> {
    teacher: &'a dyn Denoiser,
    points: &'a [f32],
    dims: usize,
    config: DistillConfig,
    /// Falling.
    levels: Vec<f64>,
}

impl<'a> Distillation<'a> {
    /// From a teacher, on points `[N, D]`.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range, [`Error::Data`] without points.
    pub fn new(teacher: &'a dyn Denoiser, points: &'a [f32], dims: usize, config: &DistillConfig) -> Result<Self> {
        config.check()?;
        if points.len() < dims || dims == 0 {
            return Err(Error::data("there are no data points to learn from", "give at least two"));
        }
        let mut levels = Schedule::Karras { high: config.high, low: config.low, rho: 7.0 }.levels(config.levels)?;
        levels.pop();
        Ok(Self { teacher, points, dims, config: config.clone(), levels })
    }

    fn boundary(&self) -> Boundary {
        Boundary { data_sd: self.config.data_sd, low: self.config.low }
    }

    /// Trains to the end.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the loss or the teacher is not finite.
    pub fn run(&self, mut trainee: Trainee, run: &mut Run) -> Result<Consistency> {
        let stop = Stop::after(self.config.iterations, "distillation", "squared distance between neighbouring levels");
        drive(self, &mut trainee, &stop, run)?;
        Ok(Consistency::new(trainee.into_average(), self.boundary(), self.dims, self.config.high))
    }

    /// Points at a level, and where one step of the teacher's flow takes them at a lower one. `x: [N, D]`.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the teacher fails.
    pub fn pair(&self, x: &Tensor, (from, to): (f64, f64), rng: &mut Rng) -> Result<(Tensor, Tensor)> {
        let noisy = x + Tensor::from_vec(rng.normals(x.len()), x.shape()) * from;
        let moved = Sampler::HEUN.sample(self.teacher, &[from, to], &noisy, rng)?.x;
        Ok((noisy, moved))
    }
}

impl Step<Trainee> for Distillation<'_> {
    type State = TrainingState;

    fn init(&self, trainee: &mut Trainee, _: &mut Run) -> Result<TrainingState> {
        Ok(TrainingState::new(trainee, self.points.len() / self.dims, self.config.batch))
    }

    fn step(&self, trainee: &mut Trainee, state: &mut TrainingState, run: &mut Run) -> Result<Progress> {
        let (d, intervals) = (self.dims, self.levels.len() - 1);
        let rows = state.next(&mut run.rng);
        let size = rows.len().div_ceil(GROUPS);
        let (mut noisy, mut moved, mut from, mut to) = (vec![], vec![], vec![], vec![]);
        let groups = rows.len().div_ceil(size);
        for (i, group) in rows.chunks(size).enumerate() {
            let values = group.iter().flat_map(|r| &self.points[r * d..(r + 1) * d]).map(|v| f64::from(*v)).collect();
            // One draw in each equal share of the levels.
            let share = (i as f64 + run.rng.uniform()) / groups as f64;
            let at = ((share * intervals as f64) as usize).min(intervals - 1);
            let pair = (self.levels[at], self.levels[at + 1]);
            let (above, below) = self.pair(&Tensor::from_vec(values, &[group.len(), d]), pair, &mut run.rng)?;
            noisy.push(above);
            moved.push(below);
            from.extend(vec![pair.0; group.len()]);
            to.extend(vec![pair.1; group.len()]);
        }
        let boundary = self.boundary();
        let (network, average) = trainee.networks();
        let target = no_grad(|| wrapped(average, &boundary, &Tensor::cat(&moved, 0), &to));
        let loss = (wrapped(network, &boundary, &Tensor::cat(&noisy, 0), &from) - target).square().mean();
        let rate = state.rate(self.config.rate, self.config.iterations);
        trainee.descend(&loss, rate, self.config.average, state)
    }
}
