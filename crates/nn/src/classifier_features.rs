//! Features that a small convolutional network learned while it told the data's own classes apart.
//!
//! Leading principal components see where pixels vary most; what a network needs to tell classes apart is nearer to what eyes look at. It is trained
//! here, from the same start every time, on the data that samples are measured against, so that nothing is read from anywhere.

use crate::activation::Activation;
use crate::frechet::Extractor;
use crate::layer::{
    Build, Conv2dConfig, Layer, LayerConfig, Linear, LinearConfig, Pass, PoolConfig, ReshapeConfig, Sequential,
};
use elbo_core::step::Snapshot;
use elbo_core::{Error, ModelFile, Result, Rng, Run, Stop, drive};
use elbo_tensor::optim::{Adam, Rule};
use elbo_tensor::{DType, Parameters, Tensor, no_grad};

/// Numbers that describe a picture.
pub const FEATURES: usize = 32;
/// Channels of the two convolutions, each of which is followed by half the pixels a side.
const CHANNELS: [usize; 2] = [8, 16];
/// Fewest pixels a side, which leave one.
const LEAST: usize = 1 << CHANNELS.len();
/// Steps of training, pictures in each, and Adam's rate.
const STEPS: usize = 300;
const BATCH: usize = 64;
const RATE: f64 = 3e-3;
/// The start of the weights and the order of the pictures: part of what the features are, not of a run.
const SEED: u64 = 32;
/// Pictures that are looked at together.
const CHUNK: usize = 256;

/// The inputs of the last layer of a classifier of pictures: two convolutions of 3 x 3 with 8 and 16 channels, each followed by SiLU and the largest of
/// 2 x 2 pixels, then 32 features, which a linear layer turns into logits.
///
/// The classifier sees pictures less the mean of all pixels and over their standard deviation. Numbers are single precision.
pub struct ClassifierFeatures {
    network: Classifier,
    shape: [usize; 3],
    shift: f64,
    scale: f64,
    rows: usize,
    accuracy: f64,
    majority: f64,
}

struct Classifier {
    body: Sequential,
    head: Linear,
}

elbo_tensor::parameters!(Classifier { "body": body, "head": head });

impl Snapshot for Classifier {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

impl Classifier {
    fn new(shape: &[usize], classes: usize, rng: &mut Rng) -> Result<Self> {
        let mut layers = vec![];
        for out in CHANNELS {
            layers.push(LayerConfig::Conv2d(Conv2dConfig { out, ..Conv2dConfig::default() }));
            layers.extend([LayerConfig::from(Activation::Silu), LayerConfig::Pool(PoolConfig::default())]);
        }
        layers.extend([
            LayerConfig::Reshape(ReshapeConfig::default()),
            LayerConfig::Linear(LinearConfig::new(FEATURES)),
            LayerConfig::from(Activation::Silu),
        ]);
        let mut build = Build::new(rng);
        let (body, _) = Sequential::build(&layers, shape, &mut build)?;
        Ok(Self { body, head: Linear::new(FEATURES, classes, true, &mut build) })
    }

    fn features(&self, x: &Tensor) -> Tensor {
        self.body.forward(x, &mut Pass::evaluation())
    }

    fn logits(&self, x: &Tensor) -> Tensor {
        self.head.forward(&self.features(x), &mut Pass::evaluation())
    }
}

/// Refuses data points whose features cannot be learned: those that are no pictures of a few pixels, and those without classes, or of one class only. The
/// classes are those of the data points that features are learned from.
///
/// # Errors
/// [`Error::Setting`] that names the features which go without.
pub fn check(shape: &[usize], labels: Option<&[usize]>) -> Result<()> {
    let refuse = |found: String, expected: &str| {
        let expected = format!("{expected}, or features=pca-16, which go without");
        Err(Error::Setting { setting: "features".into(), found, expected: expected.into() })
    };
    match *shape {
        [_, height, width] if height >= LEAST && width >= LEAST => {}
        _ => {
            return refuse(
                format!("cnn-32, with data points of shape {shape:?}"),
                "pictures of 4 pixels a side or more",
            );
        }
    }
    let Some(labels) = labels else {
        return refuse("cnn-32, without classes".into(), "the column of classes, named by --target");
    };
    if labels.iter().all(|label| Some(label) == labels.first()) {
        return refuse("cnn-32, with one class among the data points that are measured".into(), "two classes at least");
    }
    Ok(())
}

impl ClassifierFeatures {
    /// Trains the classifier on pictures `points: [N, C H W]` of this shape `[C, H, W]` with a class each, which takes 300 steps of 64 pictures.
    ///
    /// # Errors
    /// As [`check`]; [`Error::Data`] for another number of classes than of pictures and for numbers that are not finite, and those of training.
    pub fn fit(points: &[f64], shape: &[usize], labels: &[usize]) -> Result<Self> {
        Self::trained(points, shape, labels, STEPS)
    }

    fn trained(points: &[f64], shape: &[usize], labels: &[usize], steps: usize) -> Result<Self> {
        check(shape, Some(labels))?;
        let shape: [usize; 3] = shape.try_into().expect("pictures have three axes, which was checked");
        let rows = labels.len();
        if points.len() != rows * shape.iter().product::<usize>() {
            let found = format!("there are {} numbers for {rows} labelled pictures of shape {shape:?}", points.len());
            return Err(Error::data(found, "give a class for each picture"));
        }
        if !points.iter().all(|v| v.is_finite()) {
            return Err(Error::data("a picture has a number that is not finite", "leave such pictures out"));
        }
        let count = points.len() as f64;
        let shift = points.iter().sum::<f64>() / count;
        let variance = points.iter().map(|v| (v - shift).powi(2)).sum::<f64>() / count;
        let classes = labels.iter().max().map_or(0, |most| most + 1);
        let mut run = Run::new(SEED);
        let network = Classifier::new(&shape, classes, &mut run.rng.fork())?;
        let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        let mut found = Self { network, shape, shift, scale, rows, accuracy: 0.0, majority: 0.0 };
        let (x, y) = (found.pictures(points), Tensor::indices(labels));
        let loss = |network: &Classifier, run: &mut Run| -> Result<Tensor> {
            let chosen = Tensor::indices(&run.rng.choose(rows, BATCH.min(rows)));
            let logits = network.logits(&x.index_select(0, &chosen));
            Ok(-logits.categorical_log_prob(&y.index_select(0, &chosen)).mean())
        };
        let stop = Stop::after(steps, "features", "loss (nats a picture)");
        drive(&Adam::with_rate(RATE).on(loss), &mut found.network, &stop, &mut run)?;
        let guessed = found.by_chunks(points, |x| found.network.logits(x).argmax(-1, false));
        let hits = guessed.iter().zip(labels).filter(|(guess, label)| **guess as usize == **label).count();
        found.accuracy = hits as f64 / rows as f64;
        let of_class = |class: usize| labels.iter().filter(|label| **label == class).count();
        found.majority = (0..classes).map(of_class).max().unwrap_or(0) as f64 / rows as f64;
        Ok(found)
    }

    /// Share of the training pictures that the classifier names right.
    pub fn accuracy(&self) -> f64 {
        self.accuracy
    }

    /// Whether it names more of them right than the most frequent class alone does, by more than two standard errors: otherwise the features are those
    /// of an untrained network.
    pub fn has_learned(&self) -> bool {
        let error = (self.majority * (1.0 - self.majority) / self.rows as f64).sqrt();
        self.accuracy > self.majority + 2.0 * error
    }

    /// Pictures `[B, C, H, W]` as the network takes them.
    fn pictures(&self, points: &[f64]) -> Tensor {
        let [channels, height, width] = self.shape;
        let rows = points.len() / (channels * height * width);
        let values = points.iter().map(|v| (v - self.shift) / self.scale).collect::<Vec<f64>>();
        Tensor::from_vec(values, &[rows, channels, height, width]).cast(DType::F32)
    }

    fn by_chunks(&self, points: &[f64], of: impl Fn(&Tensor) -> Tensor) -> Vec<f64> {
        let size = self.shape.iter().product::<usize>();
        let chunks = points.chunks(CHUNK * size);
        chunks.flat_map(|chunk| no_grad(|| of(&self.pictures(chunk))).to_vec()).collect()
    }
}

impl Extractor for ClassifierFeatures {
    fn name(&self) -> String {
        format!("cnn-{FEATURES} of the training data's classes")
    }

    fn width(&self) -> usize {
        FEATURES
    }

    fn features(&self, points: &[f64]) -> Vec<f64> {
        self.by_chunks(points, |x| self.network.features(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frechet::distance;
    use std::sync::LazyLock;

    const SIDE: usize = 8;
    const SHAPE: [usize; 3] = [1, SIDE, SIDE];

    /// A bright row, a bright column or a bright square somewhere, with a little noise, and which it is.
    fn pictures(count: usize, seed: u64) -> (Vec<f64>, Vec<usize>) {
        let mut rng = Rng::new(seed);
        let mut values = vec![];
        for i in 0..count {
            let (at, across) = (rng.below(SIDE - 2), rng.below(SIDE - 2));
            for pixel in 0..SIDE * SIDE {
                let (row, column) = (pixel / SIDE, pixel % SIDE);
                let is_bright = match i % 3 {
                    0 => row == at,
                    1 => column == at,
                    _ => row.wrapping_sub(at) < 3 && column.wrapping_sub(across) < 3,
                };
                values.push(f64::from(u8::from(is_bright)) + 0.1 * rng.normal());
            }
        }
        (values, (0..count).map(|i| i % 3).collect())
    }

    static FITTED: LazyLock<(ClassifierFeatures, Vec<f64>)> = LazyLock::new(|| {
        let (points, labels) = pictures(240, 1);
        (ClassifierFeatures::fit(&points, &SHAPE, &labels).unwrap(), points)
    });

    #[test]
    fn the_classifier_learns_its_classes_and_names_its_features() {
        let (features, points) = &*FITTED;
        assert!(features.accuracy() > 0.9 && features.has_learned(), "{}", features.accuracy());
        assert_eq!((features.name().as_str(), features.width()), ("cnn-32 of the training data's classes", 32));
        assert_eq!(features.features(&points[..3 * 64]).len(), 3 * 32);
        // Pictures are looked at one by one, however many there are.
        let (all, first) = (features.features(points), features.features(&points[..64]));
        assert!(all.iter().zip(&first).all(|(a, b)| (a - b).abs() < 1e-4 * b.abs().max(1.0)));
    }

    #[test]
    fn the_distance_is_zero_for_a_set_itself_symmetric_and_small_for_its_like() {
        let (features, points) = &*FITTED;
        let scale = distance(features, points, &vec![0.0; points.len()]).unwrap();
        assert!(distance(features, points, points).unwrap() < 1e-5 * scale);
        let (others, _) = pictures(240, 2);
        let (there, back) =
            (distance(features, points, &others).unwrap(), distance(features, &others, points).unwrap());
        assert!((there - back).abs() < 1e-5 * scale, "{there} {back}");
        assert!(there < 0.2 * scale, "{there} {scale}");
    }

    #[test]
    fn the_distance_grows_with_noise_and_with_a_shift() {
        let (features, points) = &*FITTED;
        let noise = Rng::new(3).normals(points.len());
        for name in ["noise", "shift"] {
            let found: Vec<f64> = [0.0, 0.2, 0.6, 1.5]
                .iter()
                .map(|size| {
                    let moved = |(v, e): (&f64, &f64)| v + size * if name == "noise" { *e } else { 1.0 };
                    let moved: Vec<f64> = points.iter().zip(&noise).map(moved).collect();
                    distance(features, &moved, points).unwrap()
                })
                .collect();
            assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {found:?}");
        }
    }

    #[test]
    fn features_have_the_same_bits_for_1_and_2_threads() {
        let (points, labels) = pictures(90, 4);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| ClassifierFeatures::trained(&points, &SHAPE, &labels, 20).unwrap().features(&points))
        };
        let (one, two) = (with(1), with(2));
        assert!(one.iter().zip(&two).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert!(one.iter().any(|v| *v != one[0]), "features differ");
    }

    #[test]
    fn what_has_no_classes_or_is_no_picture_is_told_of_principal_components() {
        let refused = |shape: &[usize], labels: Option<&[usize]>, part: &str| {
            let error = check(shape, labels).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("features=pca-16"), "{error}");
        };
        let classes = [0, 1];
        assert!(check(&SHAPE, Some(&classes)).is_ok());
        refused(&SHAPE, None, "without classes");
        refused(&SHAPE, Some(&[1, 1]), "one class");
        refused(&SHAPE, Some(&[]), "one class");
        refused(&[64], Some(&classes), "[64]");
        refused(&[1, 3, 9], Some(&classes), "4 pixels");
        let fit = |points: &[f64]| ClassifierFeatures::fit(points, &SHAPE, &classes).err().unwrap().to_string();
        assert!(fit(&[0.0; 64]).contains("64 numbers for 2 labelled pictures"));
        assert!(fit(&[f64::NAN; 128]).contains("not finite"));
    }
}
