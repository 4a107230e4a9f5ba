//! The model behind the systems `ddpm` and `red-diff`: a prior over data points, with the verbs `sample` and `restore`.
//!
//! A system adds which prior it learns and its claim. Everything else is here: scaling, training, measures, figures, files.

mod degraded;
mod restorer;
mod settings;

pub use degraded::{Degradation, MaskConfig, OperatorName};
pub use restorer::RestoreSettings;
pub use settings::{NetworkSettings, PriorKind};

use crate::denoiser::{Denoiser, Empirical, GaussianMixture};
use crate::frechet::{Extractor, PrincipalComponents, distance, moments};
use crate::network::{NetworkDenoiser, Trainee, Training};
use elbo_core::samples::Form;
use elbo_core::{Data, Error, Model, ModelFile, Restore, Result, Rng, Run, Sample, Samples, Summary, ensure};
use elbo_nn::{Build, weights};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Points drawn at a time.
const CHUNK: usize = 256;
/// Features of the distance between samples and data.
const FEATURES: usize = 16;
/// Training points that measures look at.
const MEASURED: usize = 2000;
/// Most numbers of a point for a Gaussian prior, whose covariance is a full matrix.
const MOST_DIMS: usize = 4096;

/// A law of data points, known through its denoiser.
enum Law {
    Network(NetworkDenoiser),
    Empirical(Empirical),
    Gaussian(Gaussian),
}

/// A Gaussian, with the numbers it was made from, which its file keeps.
struct Gaussian {
    mean: Vec<f64>,
    covariance: Vec<f64>,
    law: GaussianMixture,
}

impl Gaussian {
    fn new(mean: Vec<f64>, covariance: Vec<f64>) -> Result<Self> {
        let law = GaussianMixture::gaussian(&mean, &covariance)?;
        Ok(Self { mean, covariance, law })
    }
}

/// A prior over data points.
pub struct DiffusionModel {
    settings: Value,
    network: NetworkSettings,
    kind: PriorKind,
    form: Form,
    law: Law,
    record: Record,
}

/// What a fit found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Record {
    text: String,
    objective: Option<f64>,
    metrics: Vec<(String, f64)>,
}

/// Pixels in [0, 1] become [-1, 1]; numbers of a table are standardised already.
fn to_model(form: &Form, values: &[f32]) -> Vec<f64> {
    let is_picture = form.picture().is_some();
    values.iter().map(|v| if is_picture { 2.0 * f64::from(*v) - 1.0 } else { f64::from(*v) }).collect()
}

/// The way back; pixels stay within black and white.
fn from_model(form: &Form, values: &[f64]) -> Vec<f32> {
    let is_picture = form.picture().is_some();
    values.iter().map(|v| if is_picture { (0.5 * (v + 1.0)).clamp(0.0, 1.0) as f32 } else { *v as f32 }).collect()
}

impl DiffusionModel {
    /// Learns a prior. `settings` are the system's own, kept in the file; an empirical prior keeps at most `rows` points.
    ///
    /// # Errors
    /// [`Error::Data`] for too few or too large data points, [`Error::Setting`] for a network that does not fit them, and those of
    /// training.
    pub fn fit(
        kind: PriorKind,
        rows: usize,
        network: &NetworkSettings,
        settings: &impl Serialize,
        mut samples: Samples,
        run: &mut Run,
    ) -> Result<Self> {
        samples.notes.iter().for_each(|note| run.note(note));
        if samples.len() < 2 {
            return Err(Error::data(format!("there are {} data points", samples.len()), "give at least two"));
        }
        match samples.form.picture() {
            Some(_) => samples.values.iter_mut().for_each(|v| *v = 2.0 * *v - 1.0),
            None => samples.standardise(),
        }
        let dims = samples.form.size();
        let count = samples.len();
        let points = &samples.values;
        let mut record = Record::default();
        let law = match kind {
            PriorKind::Network => Law::Network(train(network, &samples.form, points, &mut record, run)?),
            PriorKind::Empirical => {
                let mut chosen: Vec<usize> =
                    if count > rows { run.rng.choose(count, rows) } else { (0..count).collect() };
                chosen.sort_unstable();
                if count > rows {
                    run.warn(format!("the prior keeps {rows} of {count} data points; raise `rows` to keep more"));
                }
                Law::Empirical(Empirical::new(&wide(&samples.gather(&chosen)), dims)?)
            }
            PriorKind::Gaussian => {
                if dims > MOST_DIMS {
                    return Err(Error::data(
                        format!("a data point has {dims} numbers; a Gaussian prior keeps a matrix of {dims} x {dims}"),
                        "take prior=network or prior=empirical, or smaller pictures",
                    ));
                }
                let (mean, covariance) = moments(&wide(points), dims)?;
                Law::Gaussian(Gaussian::new(mean, covariance)?)
            }
        };
        // Points spread over the data, for measures.
        let measured = count.min(MEASURED);
        let some = wide(&samples.gather(&(0..measured).map(|i| i * count / measured).collect::<Vec<_>>()));
        let mut model = Self {
            settings: serde_json::to_value(settings).expect("settings are plain data"),
            network: network.clone(),
            kind,
            form: samples.form,
            law,
            record,
        };
        model.measure(&some, count, run)?;
        Ok(model)
    }

    /// Rebuilds a model from its file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing or does not fit together.
    pub fn load(file: &ModelFile) -> Result<Self> {
        let network: NetworkSettings = file.fact("network")?;
        let form: Form = file.fact("form")?;
        let kind: PriorKind = file.fact("prior")?;
        let dims = form.size();
        let law = match kind {
            PriorKind::Network => {
                let mut built = network.network().build(&form.shape, &mut Build::new(&mut Rng::new(0)))?;
                weights::read_from(built.as_mut(), file, "weights")?;
                Law::Network(NetworkDenoiser::new(built, network.parameterisation, dims))
            }
            PriorKind::Empirical => Law::Empirical(Empirical::new(&wide(&file.get_f32("points")?), dims)?),
            PriorKind::Gaussian => Law::Gaussian(Gaussian::new(file.get("mean")?, file.get("covariance")?)?),
        };
        let model = Self { settings: file.fact("config")?, network, kind, form, law, record: file.fact("record")? };
        let found = model.denoiser().dims();
        if found != dims {
            let message = format!("the prior of the model file is of {found} numbers, its data points of {dims}");
            return Err(Error::model_file(message, "fit the model again with this version"));
        }
        Ok(model)
    }

    /// The denoiser, in the model's unit: pixels from -1 to 1, other numbers standardised.
    pub fn denoiser(&self) -> &dyn Denoiser {
        match &self.law {
            Law::Network(network) => network,
            Law::Empirical(points) => points,
            Law::Gaussian(gaussian) => &gaussian.law,
        }
    }

    /// How data points come to the model's unit and back.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// Data points of the user's in the model's unit, `[N, D]`.
    ///
    /// # Errors
    /// [`Error::Data`] when they are not of the model's form.
    pub fn points(&self, data: &Data) -> Result<Vec<f64>> {
        Ok(to_model(&self.form, &self.form.encode(data)?))
    }

    /// Draws in the model's unit, `[count, D]`.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the run was, and those of the sampler.
    pub fn draw(&self, count: usize, run: &mut Run) -> Result<Vec<f64>> {
        let levels = self.network.schedule.levels(self.network.steps)?;
        let mut drawn = vec![];
        while drawn.len() < count * self.form.size() {
            if run.must_stop() {
                return Err(Error::Stopped);
            }
            let left = count - drawn.len() / self.form.size();
            let chunk = self.network.sampler.draw(self.denoiser(), &levels, left.min(CHUNK), &mut run.rng)?;
            drawn.extend(chunk.x.to_vec());
        }
        Ok(drawn)
    }

    /// Draws some points and says how far they are from the data.
    fn measure(&mut self, some: &[f64], rows: usize, run: &mut Run) -> Result<()> {
        let dims = self.form.size();
        let chosen = some.len() / dims;
        let count = self.network.measured;
        if count >= 2 {
            let extractor = PrincipalComponents::fit(some, dims, FEATURES)?;
            // A child goes on after the time of training is used up.
            let mut own = Run::new(run.rng.next_u64());
            let drawn = self.draw(count, &mut own)?;
            let found = distance(&extractor, &drawn, some)?;
            let scrambled = independent(some, dims, count, &mut own.rng);
            self.record.metrics.push(("frechet".into(), found));
            self.record.metrics.push(("frechet_independent".into(), distance(&extractor, &scrambled, some)?));
            self.record.metrics.push(("samples_measured".into(), count as f64));
            self.record.text = format!(
                "{} Distance of {count} samples from {chosen} data points: {found:.4} (Fréchet, features {}).",
                self.record.text,
                extractor.name()
            );
        }
        let what = match self.kind {
            PriorKind::Network => "A diffusion model, its denoiser a network",
            PriorKind::Empirical => "The law of the data points themselves, with its exact denoiser",
            PriorKind::Gaussian => "A Gaussian with the data's mean and covariance, with its exact denoiser",
        };
        let text = format!("{what}; {rows} data points of shape {:?}.{}", self.form.shape, self.record.text);
        self.record.text = text;
        Ok(())
    }
}

/// Points whose numbers are drawn from the data one by one: the same marginals, and nothing of how they belong together.
pub fn independent(points: &[f64], dims: usize, count: usize, rng: &mut Rng) -> Vec<f64> {
    let rows = points.len() / dims;
    (0..count * dims).map(|i| points[rng.below(rows) * dims + i % dims]).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

fn train(
    settings: &NetworkSettings,
    form: &Form,
    values: &[f32],
    record: &mut Record,
    run: &mut Run,
) -> Result<NetworkDenoiser> {
    let dims = form.size();
    if values.chunks_exact(dims).all(|row| row == &values[..dims]) {
        run.warn("all data points are the same; a model of them says nothing else");
    }
    let config = settings.training();
    let start = run.rng.fork();
    let build = || settings.network().build(&form.shape, &mut Build::new(&mut start.clone()));
    let mut trainee = Trainee::new(build()?, build()?);
    let training = Training::new(values, dims, &config)?;
    training.run(&mut trainee, run)?;
    let denoiser = trainee.finish(&config, dims);
    let some = values.len().min(512 * dims);
    record.objective = Some(training.evaluate(denoiser.network(), &values[..some], &mut Rng::new(0)));
    Ok(denoiser)
}

impl Model for DiffusionModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.settings);
        file.set("network", &self.network);
        file.set("form", &self.form);
        file.set("prior", &self.kind);
        file.set("record", &self.record);
        let dims = self.form.size();
        match &self.law {
            Law::Network(network) => weights::write_to(network.network(), file, "weights"),
            // They were single precision before.
            Law::Empirical(law) => {
                file.put_f32("points", law.points().shape(), &law.points().to_f32().as_slice::<f32>())
            }
            Law::Gaussian(law) => {
                file.put("mean", &[dims], &law.mean);
                file.put("covariance", &[dims, dims], &law.covariance);
            }
        }
        Ok(())
    }

    fn summary(&self) -> Summary {
        Summary {
            objective: self.record.objective.map(|v| ("loss".into(), v)),
            metrics: self.record.metrics.clone(),
            text: self.record.text.clone(),
            ..Summary::default()
        }
    }

    fn as_sample(&self) -> Option<&dyn Sample> {
        Some(self)
    }

    fn as_restore(&self) -> Option<&dyn Restore> {
        Some(self)
    }
}

impl Sample for DiffusionModel {
    fn sample(&self, count: usize, run: &mut Run) -> Result<Data> {
        ensure("count", count, count >= 1, "at least 1")?;
        let drawn = self.draw(count, run)?;
        Ok(self.form.decode(&from_model(&self.form, &drawn)))
    }
}
