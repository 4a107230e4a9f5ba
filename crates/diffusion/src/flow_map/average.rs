//! Mean velocities: networks that say how fast a noisy point moves on average between two levels, learned from data alone.

use super::FlowMap;
use crate::network::train::TrainingState;
use crate::network::{Network, Trainee};
use crate::path::check_bounds;
use crate::sampler::{Sampled, pure_noise};
use crate::schedule::Schedule;
use elbo_core::{Error, Progress, Result, Rng, Run, Step, Stop, drive, ensure, ensure_within};
use elbo_tensor::{Tensor, no_grad};
use serde::{Deserialize, Serialize};

/// Step of the difference along the flow, as a share of the level: its square, and the rounding of single precision over it, are about 2e-5.
const STEP: f64 = 5e-3;
/// How the levels of training are spread, as those of samples are.
const RHO: f64 = 7.0;

/// The levels between which a mean velocity was learned, and the spread of the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Standard deviation of the data.
    pub data_sd: f64,
    /// The least level.
    pub low: f64,
    /// The greatest level.
    pub high: f64,
}

/// ū(x; σ → s) = σx/(σ² + σ_d²) - σ_d/√(σ² + σ_d²) F(x/√(σ² + σ_d²), ln(s)/4; ln(σ)/4), and with it the flow map x + (s - σ)ū.
///
/// The factors are those of EDM, so that F has about unit variance at every level. The level where the flow ends joins the input: as one
/// more channel of a picture, as one more number of a row ([`MeanVelocity::seen`]).
pub struct MeanVelocity {
    network: Box<dyn Network>,
    span: Span,
    size: Size,
}

/// Numbers of a point, and those by which the end of the flow is told.
#[derive(Debug, Clone, Copy)]
struct Size {
    dims: usize,
    told: usize,
}

impl Size {
    fn new(shape: &[usize]) -> Self {
        let dims: usize = shape.iter().product();
        Self { dims, told: MeanVelocity::seen(shape).iter().product::<usize>() - dims }
    }
}

impl MeanVelocity {
    /// A network of points of the shape [`MeanVelocity::seen`], for points of this shape.
    pub fn new(mut network: Box<dyn Network>, span: Span, shape: &[usize]) -> Self {
        network.set_all_frozen(true);
        Self { network, span, size: Size::new(shape) }
    }

    /// The shape of what the network sees of points of this shape.
    pub fn seen(shape: &[usize]) -> Vec<usize> {
        match *shape {
            [c, h, w] => vec![c + 1, h, w],
            _ => vec![shape.iter().product::<usize>() + 1],
        }
    }

    /// The network.
    pub fn network(&self) -> &dyn Network {
        self.network.as_ref()
    }

    /// The levels, and the spread of the data.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Draws `count` points in `jumps` evaluations, from pure noise at the greatest level to the least one.
    ///
    /// # Errors
    /// [`Error::Setting`] for no jumps, [`Error::Numerical`] when the network fails.
    pub fn draw(&self, jumps: usize, count: usize, rng: &mut Rng) -> Result<Sampled> {
        ensure_within("jumps", jumps, 1..)?;
        let schedule = Schedule::Karras { high: self.span.high, low: self.span.low, rho: RHO };
        let levels = schedule.levels(jumps.saturating_add(1))?;
        let mut x = pure_noise([count, self.size.dims], levels[0], rng);
        for pair in levels[..=jumps].windows(2) {
            x = self.carry(&x, pair[0], pair[1]);
        }
        if !x.is_finite() {
            return Err(Error::numerical("a sample is not finite", "raise `distil`, or lower `rate`"));
        }
        Ok(Sampled { x, evaluations: jumps })
    }
}

impl FlowMap for MeanVelocity {
    /// Levels below the least one count as that.
    fn carry(&self, x: &Tensor, from: f64, to: f64) -> Tensor {
        let (from, to) = (from.max(self.span.low), to.max(self.span.low));
        let (above, below) = (vec![from; x.size(0)], vec![to; x.size(0)]);
        let mean = velocity(self.network.as_ref(), self.span.data_sd, self.size, x, (&above, &below));
        x + mean.to_f64() * (to - from)
    }
}

/// ū of each row between its two levels, in single precision. `x: [B, D]`.
fn velocity(network: &dyn Network, data_sd: f64, size: Size, x: &Tensor, (from, to): (&[f64], &[f64])) -> Tensor {
    let input = x.to_f32();
    let total = |s: f64| s.hypot(data_sd);
    let end = to.iter().flat_map(|s| std::iter::repeat_n((0.25 * s.ln()) as f32, size.told)).collect();
    let scaled = &input * column(from, &input, |s| 1.0 / total(s));
    let seen = Tensor::cat(&[scaled, Tensor::from_f32(end, &[to.len(), size.told])], 1);
    let levels: Vec<f64> = from.iter().map(|s| 0.25 * s.ln()).collect();
    let output = network.forward(&seen, &levels, &[]).narrow(1, 0, size.dims);
    let skip = column(from, &input, |s| s / total(s).powi(2));
    let out = column(from, &input, |s| data_sd / total(s));
    input * skip - output * out
}

/// A number for each row, `[B, 1]`, in the precision of `like`.
fn column(levels: &[f64], like: &Tensor, f: impl Fn(f64) -> f64) -> Tensor {
    Tensor::from_vec(levels.iter().map(|s| f(*s)).collect(), &[levels.len(), 1]).cast(like.dtype())
}

/// What the mean velocity between two levels is made equal to: by the identity u = ū + (σ - s) dū/dσ,
///
/// $$ v - (\sigma - s) \frac{\mathrm d}{\mathrm d\sigma} \bar u(x, \sigma, s), $$
///
/// the derivative taken along the line with velocity v. It is affine in v: with v = ε, whose mean at a noisy point is the flow's velocity u, the
/// mean of the target is the right side of the identity. `average` gives ū of points at the levels of their rows. `x`, `velocity`: `[B, D]`.
pub fn mean_velocity_target(
    average: &dyn Fn(&Tensor, &[f64]) -> Tensor,
    x: &Tensor,
    velocity: &Tensor,
    (from, to): (&[f64], &[f64]),
) -> Tensor {
    let moved = |by: f64| {
        let levels: Vec<f64> = from.iter().map(|s| s * (1.0 + by)).collect();
        average(&(x + velocity * column(from, x, |s| s * by)), &levels)
    };
    // (σ - s)/(2h) with the step h = STEP σ.
    let factors: Vec<f64> = from.iter().zip(to).map(|(s, t)| (s - t) / (2.0 * STEP * s)).collect();
    velocity - (moved(STEP) - moved(-STEP)) * column(&factors, x, |f| f)
}

/// Settings of the training of a mean velocity.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanVelocityConfig {
    /// Steps, each on one batch.
    pub iterations: usize,
    /// Data points a step.
    pub batch: usize,
    /// Adam's rate at the start; it falls to a hundredth along half a cosine.
    pub rate: f64,
    /// Share of the old average in the new one, of the weights that are kept in the end.
    pub average: f64,
    /// Share of the points whose two levels are one, where the mean velocity is the flow's.
    pub instantaneous: f64,
    /// The least level.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// Standard deviation of the data.
    pub data_sd: f64,
}

impl Default for MeanVelocityConfig {
    fn default() -> Self {
        Self {
            iterations: 4000,
            batch: 64,
            rate: 2e-3,
            average: 0.99,
            instantaneous: 0.25,
            low: 0.01,
            high: 80.0,
            data_sd: 0.5,
        }
    }
}

impl MeanVelocityConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("iterations", self.iterations, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000)?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        ensure_within("average", self.average, 0.0..1.0)?;
        ensure_within("instantaneous", self.instantaneous, 0.0..=1.0)?;
        ensure("data_sd", self.data_sd, self.data_sd > 0.0 && self.data_sd.is_finite(), "above 0")?;
        check_bounds("levels", self.low, self.high)
    }
}

/// Training of a mean velocity from data alone, without a teacher: ū is made equal to [`mean_velocity_target`] of itself with v = ε, through
/// which no gradient goes. Squared errors count in units of the network's output.
///
/// # Source
/// Geng, Deng, Bai, Kolter and He (2025), in the scale of the data. Deviations: the derivative along the line is a central difference, two
/// more evaluations instead of a Jacobian-vector product; levels are spread as those of samples, with the lower one uniform below the upper.
pub struct MeanVelocityTraining<'a> {
    points: &'a [f32],
    shape: Vec<usize>,
    size: Size,
    config: MeanVelocityConfig,
}

impl<'a> MeanVelocityTraining<'a> {
    /// On points `[N, D]` of this shape.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range, [`Error::Data`] without points.
    pub fn new(points: &'a [f32], shape: &[usize], config: &MeanVelocityConfig) -> Result<Self> {
        config.check()?;
        let size = Size::new(shape);
        if points.len() < size.dims || size.dims == 0 {
            return Err(Error::data("there are no data points to learn from", "give at least two"));
        }
        Ok(Self { points, shape: shape.to_vec(), size, config: config.clone() })
    }

    /// Trains networks of the shape [`MeanVelocity::seen`] to the end.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the loss is not finite.
    pub fn run(&self, mut trainee: Trainee, run: &mut Run) -> Result<MeanVelocity> {
        let stop = Stop::after(self.config.iterations, "mean velocity", "squared error of the mean velocity");
        drive(self, &mut trainee, &stop, run)?;
        let MeanVelocityConfig { data_sd, low, high, .. } = self.config;
        Ok(MeanVelocity::new(trainee.into_average(), Span { data_sd, low, high }, &self.shape))
    }

    /// Two levels for each of `count` points, the upper ones one in each equal share of the spread.
    fn levels(&self, count: usize, rng: &mut Rng) -> (Vec<f64>, Vec<f64>) {
        let MeanVelocityConfig { low, high, instantaneous, .. } = self.config;
        let (a, b) = (low.powf(1.0 / RHO), high.powf(1.0 / RHO));
        let level = |share: f64| (a + share * (b - a)).powf(RHO);
        let pair = |i: usize| {
            let share = (i as f64 + rng.uniform()) / count as f64;
            let below = if rng.uniform() < instantaneous { share } else { share * rng.uniform() };
            (level(share), level(below))
        };
        (0..count).map(pair).unzip()
    }
}

impl Step<Trainee> for MeanVelocityTraining<'_> {
    type State = TrainingState;

    fn init(&self, trainee: &mut Trainee, _: &mut Run) -> Result<TrainingState> {
        Ok(TrainingState::new(trainee, self.points.len() / self.size.dims, self.config.batch))
    }

    fn step(&self, trainee: &mut Trainee, state: &mut TrainingState, run: &mut Run) -> Result<Progress> {
        let (d, sd) = (self.size.dims, self.config.data_sd);
        let rows = state.next(&mut run.rng);
        let clean = rows.iter().flat_map(|r| &self.points[r * d..(r + 1) * d]).copied().collect();
        let clean = Tensor::from_f32(clean, &[rows.len(), d]);
        let noise = Tensor::from_vec(run.rng.normals(rows.len() * d), &[rows.len(), d]).to_f32();
        let (from, to) = self.levels(rows.len(), &mut run.rng);
        let x = clean + &noise * column(&from, &noise, |s| s);
        let (network, _) = trainee.networks();
        let target = no_grad(|| {
            let average = |x: &Tensor, levels: &[f64]| velocity(network, sd, self.size, x, (levels, &to));
            mean_velocity_target(&average, &x, &noise, (&from, &to))
        });
        let errors = (velocity(network, sd, self.size, &x, (&from, &to)) - target).square().mean_axis(1, true);
        let loss = (errors * column(&from, &noise, |s| (s.hypot(sd) / sd).powi(2))).mean();
        let rate = state.rate(self.config.rate, self.config.iterations);
        trainee.descend(&loss, rate, self.config.average, state)
    }
}
