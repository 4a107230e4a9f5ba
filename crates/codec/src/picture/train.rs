//! Rate and distortion on random parts of photographs, one minibatch a step.

use super::LAMBDAS;
use super::distortion::Distortion;
use super::hyper::Hyper;
use super::photo::Photo;
use super::transform::Transform;
use crate::proxy::{noisy, straight_through};
use elbo_core::step::Snapshot;
use elbo_core::{Error, ModelFile, Progress, Result, Run, Step};
use elbo_tensor::optim::{Adam, AdamState, Rule, Schedule, descend};
use elbo_tensor::{DType, Parameters, Tensor, grad, no_grad};

/// Gradients of a shape that are remembered, and the share of them that is let through whole.
const REMEMBERED: usize = 64;
const LET_THROUGH: f64 = 0.9;

/// What is trained.
#[derive(Debug, Clone)]
pub struct Trainee {
    /// Pixels to latents and back.
    pub transform: Transform,
    /// The second latent.
    pub hyper: Hyper,
}

elbo_tensor::parameters!(Trainee { transform, hyper });

impl Snapshot for Trainee {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

/// What a stage of training moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything, for rate and distortion.
    Whole,
    /// The entropy model and what predicts it; the pictures that come out stay as they are, so only the rate counts.
    Entropy,
}

/// Adam on the rate and the distortion.
pub struct Training<'a> {
    /// The photographs.
    pub photos: &'a [Photo],
    /// Side of the parts that are drawn.
    pub crop: usize,
    /// Parts a step.
    pub batch: usize,
    /// Adam's rate at the start; it falls to a twentieth along half a cosine.
    pub rate: f64,
    /// Steps in all, for the rate.
    pub steps: usize,
    /// What moves.
    pub part: Part,
    /// What is weighed against the rate.
    pub distortion: Distortion,
    /// Whether a learned shape gets the gradient of the least scale where that lowers the loss, and its long gradients are shortened.
    pub rectify: bool,
}

/// What training remembers between steps.
pub struct TrainingState {
    adam: AdamState,
    step: usize,
    /// Largest gradients of the shape.
    shape_gradients: Vec<f64>,
}

impl Snapshot for TrainingState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.adam.save(file, &format!("{prefix}.adam"));
        self.step.save(file, &format!("{prefix}.step"));
        self.shape_gradients.save(file, &format!("{prefix}.shape"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.adam.restore(file, &format!("{prefix}.adam"))?;
        self.step.restore(file, &format!("{prefix}.step"))?;
        self.shape_gradients.restore(file, &format!("{prefix}.shape"))
    }
}

impl Training<'_> {
    /// A minibatch: pixels `[B, 3, crop, crop]`, and a quality for each part.
    fn batch(&self, run: &mut Run) -> (Tensor, Vec<usize>) {
        let mut pixels = Vec::with_capacity(self.batch * 3 * self.crop * self.crop);
        let mut qualities = vec![];
        // Large photographs are drawn in proportion to their pixels.
        let sizes: Vec<f64> = self.photos.iter().map(|p| p.pixels() as f64).collect();
        for _ in 0..self.batch {
            let photo = &self.photos[run.rng.weighted(&sizes)];
            pixels.extend(photo.crop(self.crop, &mut run.rng));
            qualities.push(run.rng.below(LAMBDAS.len()));
        }
        (Tensor::from_f32(pixels, &[self.batch, 3, self.crop, self.crop]), qualities)
    }

    /// The loss of a minibatch, and its rate in bits a pixel.
    fn loss(&self, model: &Trainee, x: &Tensor, qualities: &[usize], run: &mut Run) -> (Tensor, f64) {
        let Trainee { transform, hyper } = model;
        let pixels = (self.crop * self.crop) as f64;
        // Errors cost a hundred times more at the highest quality than at the lowest; weights bring their shares of the loss together.
        let lambdas = self.distortion.lambdas();
        let weights: Vec<f64> = qualities.iter().map(|q| (lambdas[3] / lambdas[*q]).powf(0.4)).collect();
        let count = qualities.len();
        let column = |values: Vec<f64>| Tensor::from_f32(values.into_iter().map(|v| v as f32).collect(), &[count, 1]);
        let rate_weight = column(weights.iter().map(|w| w / (pixels * count as f64)).collect());
        let gain = transform.log_gain(qualities);
        let forward = || {
            let y = transform.analysis(x) * gain.exp();
            let z = hyper.encode(&y);
            (y, z)
        };
        let (y, z) = if self.part == Part::Whole { forward() } else { no_grad(forward) };
        let second_bits = hyper.factorised().bits(&noisy(&z, &mut run.rng));
        let rounded = straight_through(&z, &Tensor::zeros(&[1], DType::F32));
        let blurred = noisy(&y, &mut run.rng);
        let known = hyper.decode(&rounded, &blurred, qualities, self.rectify);
        let first_bits = known.bits(&blurred);
        // The second latents come channel by channel, [C, 1, B N].
        let second = second_bits.reshape(&[z.size(1), count, z.len() / (z.size(1) * count)]);
        let second = second.permute(&[1, 0, 2]).reshape(&[count, z.len() / count]);
        let first = first_bits.reshape(&[count, y.len() / count]);
        let rates = first.sum_axis(1, true) + second.sum_axis(1, true);
        let shown = rates.to_vec().iter().sum::<f64>() / (count as f64 * pixels);
        let rate = (&rates * &rate_weight).sum();
        if self.part == Part::Entropy {
            return (rate, shown);
        }
        let decoded = transform.synthesis(&(straight_through(&y, &known.centre()) * (-gain).exp()));
        let errors = self.distortion.of(&decoded, x);
        let error_weight =
            column(qualities.iter().zip(&weights).map(|(q, w)| lambdas[*q] * w / count as f64).collect());
        (rate + (errors * error_weight).sum(), shown)
    }

    /// Shortens the gradient of the shape to what most of the last ones were.
    fn shorten(&self, model: &Trainee, gradients: &mut [Tensor], state: &mut TrainingState) {
        let mut at = None;
        let mut part = 0;
        model.visit(&mut |name, p| {
            if !p.is_frozen() {
                if name == "hyper.shape" {
                    at = Some(part);
                }
                part += 1;
            }
        });
        let Some(at) = at.filter(|_| self.rectify) else { return };
        let size = gradients[at].abs().max().item();
        let past = &mut state.shape_gradients;
        if past.len() >= REMEMBERED / 4 {
            let mut sorted = past.clone();
            sorted.sort_by(f64::total_cmp);
            let limit = sorted[(LET_THROUGH * (sorted.len() - 1) as f64) as usize];
            let cut = |v: &f64| v.clamp(-limit, limit) as f32;
            let values = gradients[at].to_vec().iter().map(cut).collect();
            gradients[at] = Tensor::from_f32(values, gradients[at].shape());
        }
        past.push(size);
        if past.len() > REMEMBERED {
            past.remove(0);
        }
    }

    /// Gives each channel at each quality the scale that its latents have in some parts, from which training goes on.
    pub fn start_scales(&self, model: &mut Trainee, run: &mut Run) {
        let (x, _) = self.batch(run);
        let y = no_grad(|| model.transform.analysis(&x));
        let deviations = y.square().mean_axes(&[0, 2, 3], false).sqrt().to_vec();
        let gains = no_grad(|| model.transform.log_gain(&(0..LAMBDAS.len()).collect::<Vec<_>>())).to_vec();
        let channels = deviations.len();
        let start = |(i, gain): (usize, &f64)| {
            // Heavy tails: the typical scale is below the deviation.
            (deviations[i % channels].max(1e-3).ln() + gain - 0.5).clamp(-2.0, 5.0)
        };
        let scales: Vec<f64> = gains.iter().enumerate().map(start).collect();
        model.hyper.set_own_scales(&scales);
    }
}

impl Step<Trainee> for Training<'_> {
    type State = TrainingState;

    fn init(&self, model: &mut Trainee, _: &mut Run) -> Result<TrainingState> {
        let frozen = self.part == Part::Entropy;
        model.transform.set_all_frozen(frozen);
        model.hyper.set_encoder_frozen(frozen);
        Ok(TrainingState { adam: Adam::default().start_parts(&model.parts()), step: 0, shape_gradients: vec![] })
    }

    fn step(&self, model: &mut Trainee, state: &mut TrainingState, run: &mut Run) -> Result<Progress> {
        let (x, qualities) = self.batch(run);
        let (loss, rate) = self.loss(model, &x, &qualities, run);
        let leaves = model.leaves();
        let mut gradients = grad(&loss, &leaves.iter().collect::<Vec<_>>());
        let value = loss.item();
        if !value.is_finite() || !gradients.iter().all(Tensor::is_finite) {
            return Err(Error::numerical(
                format!("the loss is {value} at step {}", state.step + 1),
                "lower the learning rate with --set rate=...",
            ));
        }
        self.shorten(model, &mut gradients, state);
        let rate_now = Schedule::Cosine { start: self.rate, end: 0.05 * self.rate, steps: self.steps };
        let adam = Adam { rate: rate_now.at(state.step).into(), clip: Some(1.0), ..Adam::default() };
        descend(&adam, model, &gradients, &mut state.adam);
        state.step += 1;
        run.metric("bits per pixel", state.step as f64, rate);
        Ok(Progress { objective: value, converged: false })
    }
}
