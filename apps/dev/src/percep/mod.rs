//! The weights of `percep`: a small classifier of made-up pictures is trained, and its convolutions are kept.

mod pictures;

use crate::error::Result;
use elbo::core::read::read_file;
use elbo::core::{Event, ModelFile, Rng, Run, Snapshot, Stop, drive};
use elbo::nn::layer::Linear;
use elbo::nn::perceptual::Percep;
use elbo::nn::{Build, Layer, Pass, weights};
use elbo::tensor::optim::{Adam, Rule, Schedule};
use elbo::tensor::{Parameters, Tensor, no_grad};
use pictures::{CLASSES, Pictures};
use std::path::{Path, PathBuf};

/// Pixels a side.
const SIZE: usize = 48;
/// Pictures a step.
const BATCH: usize = 32;
/// Adam's rate at the start; it falls to a hundredth along half a cosine.
const RATE: f64 = 2e-3;
/// Scenes to judge by, five of each class.
const FRESH: u64 = 5 * CLASSES as u64;
/// Steps between two lines of progress.
const TOLD_EVERY: usize = 200;

/// Settings of `percep`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Scenes to learn from, four pictures each.
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u32).range(24..=100_000))]
    pub scenes: u32,
    /// Steps of training.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The file of the weights, from the root.
    #[arg(long, default_value = "crates/nn/src/perceptual/percep.safetensors")]
    pub out: PathBuf,
}

/// Tells classes by the answers of [`Percep`] at its coarsest scale, averaged over the picture.
struct Classifier {
    trunk: Percep,
    head: Linear,
}

elbo::tensor::parameters!(Classifier { "trunk": trunk, "head": head });

impl Snapshot for Classifier {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> elbo::core::Result<()> {
        self.read_from(file, prefix)
    }
}

impl Classifier {
    /// Trains on pictures whose light changes by chance, so that what is told apart is form more than brightness.
    fn fitted(pictures: &Pictures, steps: usize, run: &mut Run) -> Result<Self> {
        let trunk = Percep::new(&mut run.rng);
        let channels = summary(&trunk, &pictures.batch(&[0], || (1.0, 0.0))).size(1);
        let head = Linear::new(channels, CLASSES, true, &mut Build::new(&mut run.rng));
        let mut classifier = Self { trunk, head };
        let objective = |classifier: &Self, run: &mut Run| -> elbo::core::Result<Tensor> {
            let rows = run.rng.choose(pictures.len(), BATCH.min(pictures.len()));
            let x = pictures.batch(&rows, || (run.rng.range(0.6, 1.2), run.rng.range(-0.15, 0.15)));
            Ok(classifier.logits(&x).cross_entropy(&pictures.labels(&rows)))
        };
        let rate = Schedule::Cosine { start: RATE, end: 0.01 * RATE, steps };
        let stop = Stop::after(steps, "classifier", "cross entropy");
        drive(&Adam::with_rate(rate).on(objective), &mut classifier, &stop, run)?;
        Ok(classifier)
    }

    fn logits(&self, x: &Tensor) -> Tensor {
        self.head.forward(&summary(&self.trunk, x), &mut Pass::evaluation())
    }

    /// Share of the pictures whose likeliest class is theirs.
    fn accuracy(&self, pictures: &Pictures) -> f64 {
        let rows: Vec<usize> = (0..pictures.len()).collect();
        let right = |rows: &[usize]| {
            let logits = no_grad(|| self.logits(&pictures.batch(rows, || (1.0, 0.0))));
            let found = logits.argmax(-1, false).to_vec();
            found.iter().zip(rows).filter(|(class, row)| **class as usize == pictures.label(**row)).count()
        };
        rows.chunks(BATCH).map(right).sum::<usize>() as f64 / rows.len() as f64
    }
}

/// The answers at the coarsest scale, averaged over the picture: `[B, C]`.
fn summary(trunk: &Percep, x: &Tensor) -> Tensor {
    let coarsest = trunk.answers(x).pop().expect("there are three scales");
    coarsest.mean_axes(&[2, 3], false)
}

/// Trains, writes the weights, and returns how well the classifier tells fresh pictures, in words.
///
/// # Errors
/// [`crate::DevError::Elbo`] when the training fails, or the file cannot be written or read again.
pub fn run(root: &Path, options: &Options) -> Result<String> {
    let (rng, scenes) = (Rng::new(options.seed), u64::from(options.scenes));
    let training = Pictures::make(0..scenes, SIZE, &rng);
    let fresh = Pictures::make(scenes..scenes + FRESH, SIZE, &rng);
    let mut run = Run::new(options.seed).with_watcher(|event| {
        if let Event::Step { step, objective } = event
            && step.is_multiple_of(TOLD_EVERY)
        {
            eprintln!("step {step}: cross entropy {objective:.3} nats");
        }
    });
    let classifier = Classifier::fitted(&training, options.steps as usize, &mut run)?;
    let path = root.join(&options.out);
    weights::save(&classifier.trunk, &path)?;
    let bytes = read_file("the weights cannot be read again", &path)?;
    Percep::from_weights(&bytes)?;
    Ok(format!(
        "{} pictures, {} steps: {:.1} % of {} fresh pictures are told right, by chance {:.1} % would be\n\
         {} has {} bytes",
        training.len(),
        options.steps,
        100.0 * classifier.accuracy(&fresh),
        fresh.len(),
        100.0 / CLASSES as f64,
        options.out.display(),
        bytes.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_training_lowers_the_loss_and_follows_from_its_seed() {
        let pictures = Pictures::make(0..CLASSES as u64, 16, &Rng::new(1));
        let fitted = || {
            let mut run = Run::new(1);
            let classifier = Classifier::fitted(&pictures, 40, &mut run).unwrap();
            (run.metrics()[0].1.clone(), weights::to_safetensors(&classifier.trunk), classifier.accuracy(&pictures))
        };
        let (curve, bytes, accuracy) = fitted();
        let mean = |part: &[(f64, f64)]| part.iter().map(|(_, loss)| loss).sum::<f64>() / part.len() as f64;
        // It starts where nothing is known, at the logarithm of the number of classes.
        assert!((curve[0].1 - (CLASSES as f64).ln()).abs() < 0.3, "{}", curve[0].1);
        assert!(mean(&curve[30..]) < mean(&curve[..10]), "{curve:?}");
        assert!((0.0..=1.0).contains(&accuracy));
        assert!(bytes.len() < 200_000 && Percep::from_weights(&bytes).is_ok());
        assert_eq!(fitted().1, bytes, "the same seed, the same bits");
    }
}
