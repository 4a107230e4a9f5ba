//! The model behind the systems `ddpm` and `red-diff`: a prior over data points, with the verbs `sample` and `restore`.
//!
//! A system adds which prior it learns and its claim. Everything else is here: scaling, training, measures, figures, files.

mod degraded;
mod learn;
mod measured;
mod parts;
mod restorer;
mod scan;
mod settings;

pub use degraded::{Degradation, MaskConfig, OperatorName};
pub use restorer::RestoreSettings;
pub use scan::Scan;
pub use settings::{NetworkSettings, PriorKind, StudentKind};

use crate::denoiser::{Denoiser, Empirical};
use crate::flow_map::{Boundary, Consistency, MeanVelocity, Span};
use crate::frechet::moments;
use crate::guidance::ClassifierFree;
use crate::network::foreign::Foreign;
use crate::network::{Network, NetworkDenoiser};
use elbo_core::samples::Form;
use elbo_core::{
    Array, Data, Error, Model, ModelFile, Restore, Result, Rng, Run, Sample, Samples, Summary, Values, ensure_within,
};
use elbo_nn::Build;
use elbo_nn::fidelity::Fidelity;
pub use elbo_nn::fidelity::independent;
use elbo_tensor::Parameters;
use learn::{adopt, distil, picture, told, train};
use parts::{Classes, Gaussian, Law, Student};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Points drawn at a time.
const CHUNK: usize = 256;
/// Training points that measures look at.
const MEASURED: usize = 2000;
/// Most numbers of a point for a Gaussian prior, whose covariance is a full matrix.
const MOST_DIMS: usize = 4096;

/// A prior over data points.
pub struct DiffusionModel {
    settings: Value,
    network: NetworkSettings,
    kind: PriorKind,
    form: Form,
    law: Law,
    /// Where the flow ends in few evaluations, where that was learned.
    student: Option<Student>,
    classes: Option<Classes>,
    /// What the files of a network that was trained elsewhere say of it.
    foreign: Option<Foreign>,
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
        network.warn_idle(kind, samples.form.picture().is_some(), run);
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
        let labels = told(kind, network, &samples)?;
        // Points spread over the data, for measures. A class that is rare may be missing among them, which is to be known before the training.
        let chosen = samples.spread(MEASURED);
        let known = samples.labels.as_ref().map(|labels| labels.gather(&chosen));
        if network.measured > 0 {
            network.features.check(&samples.form.shape, known.as_deref())?;
        }
        let (mut student, mut foreign) = (None, None);
        let law = match kind {
            PriorKind::Network => {
                let denoiser = match &network.weights {
                    Some(folder) => {
                        let (read, made) = adopt(folder, &samples.form)?;
                        foreign = Some(made);
                        read
                    }
                    None => train(network, &samples, labels, &mut record, run)?,
                };
                if network.distil > 0 {
                    student = distil(network, &denoiser, &samples, run)?;
                }
                Law::Network(denoiser)
            }
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
        let some = wide(&samples.gather(&chosen));
        let mut model = Self {
            settings: serde_json::to_value(settings).expect("settings are plain data"),
            network: network.clone(),
            kind,
            law,
            student,
            classes: labels.map(Classes::new),
            foreign,
            form: samples.form,
            record,
        };
        model.measure(&some, known.as_deref(), count, run)?;
        Ok(model)
    }

    /// Rebuilds a model from its file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing or does not fit together.
    pub fn load(file: &ModelFile) -> Result<Self> {
        let network: NetworkSettings = file.fact("network")?;
        network.check()?;
        let form = Form::load(file, "form")?;
        let kind: PriorKind = file.fact("prior")?;
        let dims = form.size();
        let classes: Option<Classes> = if file.has("classes") { Some(file.fact("classes")?) } else { None };
        if classes.as_ref().is_some_and(|classes| !classes.is_sound()) {
            return Err(Error::misfit("classes without names or shares"));
        }
        let count = classes.as_ref().map_or(0, |c| c.names.len());
        let read = |prefix: &str, shape: &[usize]| -> Result<Box<dyn Network>> {
            let mut built = network.network(count).build(shape, &mut Build::new(&mut Rng::new(0)))?;
            built.read_from(file, prefix)?;
            Ok(built)
        };
        let student = if file.has("boundary") {
            let (boundary, high): (Boundary, f64) = (file.fact("boundary")?, file.fact("high")?);
            if !(boundary.data_sd > 0.0 && boundary.low > 0.0 && high > boundary.low) {
                return Err(Error::misfit(format!("noise levels from {} to {high}", boundary.low)));
            }
            Some(Student::Consistency(Consistency::new(read("student", &form.shape)?, boundary, dims, high)))
        } else if file.has("span") {
            let span: Span = file.fact("span")?;
            if !(span.data_sd > 0.0 && span.low > 0.0 && span.high > span.low) {
                return Err(Error::misfit(format!("noise levels from {} to {}", span.low, span.high)));
            }
            let built = read("student", &MeanVelocity::seen(&form.shape))?;
            Some(Student::MeanVelocity(MeanVelocity::new(built, span, &form.shape)))
        } else {
            None
        };
        let foreign: Option<Foreign> = if file.has("foreign") { Some(file.fact("foreign")?) } else { None };
        let law = match (kind, &foreign) {
            (PriorKind::Network, Some(foreign)) => {
                let mut built = foreign.build(picture(&form)?)?;
                built.read_from(file, "weights")?;
                Law::Network(NetworkDenoiser::new(built, foreign.preconditioning()?, dims))
            }
            (PriorKind::Network, None) => {
                Law::Network(NetworkDenoiser::new(read("weights", &form.shape)?, network.parameterisation, dims))
            }
            (PriorKind::Empirical, _) => {
                let rows = file.rows("points", &[dims])?;
                Law::Empirical(Empirical::new(&wide(&file.get_f32_as("points", &[rows, dims])?), dims)?)
            }
            (PriorKind::Gaussian, _) => {
                let covariance = file.get_as("covariance", &[dims, dims])?;
                Law::Gaussian(Gaussian::new(file.get_as("mean", &[dims])?, covariance)?)
            }
        };
        let (settings, record) = (file.fact("config")?, file.fact("record")?);
        let model = Self { settings, network, kind, form, law, student, classes, foreign, record };
        let found = model.denoiser().dims();
        if found != dims {
            return Err(Error::misfit(format!("a prior of {found} numbers for data points of {dims}")));
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

    /// The denoiser of points of these classes, by rows in turn, with the model's guidance; of all points where there are no classes.
    fn guided(&self, classes: &[usize]) -> Box<dyn Denoiser + '_> {
        match &self.law {
            Law::Network(network) if !classes.is_empty() => {
                let (told, weight) = (network.of_classes(classes), self.network.guidance);
                // A weight of one needs one evaluation.
                if weight == 1.0 {
                    return Box::new(told);
                }
                Box::new(ClassifierFree { unconditional: network, conditional: told, weight })
            }
            _ => Box::new(self.denoiser()),
        }
    }

    /// The class of this name.
    fn class(&self, name: &str) -> Result<usize> {
        let names = self.classes.as_ref().map_or(&[][..], |c| &c.names);
        if names.is_empty() {
            return Err(Error::Setting {
                setting: "class".into(),
                found: format!("`{name}`, but the model knows no classes"),
                expected: "a model fitted with conditional=true and --target".into(),
            });
        }
        let found = names.iter().position(|n| n == name);
        found.ok_or_else(|| Error::unknown("class", name, names.iter().map(String::as_str)))
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

    /// Draws in the model's unit, `[count, D]`; of a conditional model with its classes as often as in the data.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the run was, and those of the sampler.
    pub fn draw(&self, count: usize, run: &mut Run) -> Result<Vec<f64>> {
        let classes = self.draw_classes(count, run);
        self.draw_of(count, &classes, run)
    }

    /// A class for each of `count` samples; nothing for a model without classes.
    fn draw_classes(&self, count: usize, run: &mut Run) -> Vec<usize> {
        let Some(classes) = &self.classes else { return vec![] };
        (0..count).map(|_| run.rng.weighted(&classes.shares)).collect()
    }

    /// Draws in the model's unit, `[count, D]`, of these classes, one a draw.
    ///
    /// # Errors
    /// As [`DiffusionModel::draw`].
    ///
    /// # Panics
    /// When there are fewer classes than draws, or the model does not know one of them.
    pub fn draw_of(&self, count: usize, classes: &[usize], run: &mut Run) -> Result<Vec<f64>> {
        let levels = self.network.schedule.levels(self.network.steps)?;
        let mut drawn = vec![];
        while drawn.len() < count * self.form.size() {
            if run.must_stop() {
                return Err(Error::Stopped);
            }
            let done = drawn.len() / self.form.size();
            let chunk = (count - done).min(CHUNK);
            let sampled = match &self.student {
                Some(student) => student.draw(self.network.jumps, chunk, &mut run.rng)?,
                None => {
                    let denoiser = self.guided(if classes.is_empty() { &[] } else { &classes[done..done + chunk] });
                    self.network.sampler.draw(&denoiser, &levels, chunk, &mut run.rng)?
                }
            };
            drawn.extend(sampled.x.to_vec());
        }
        Ok(drawn)
    }

    /// Draws some points and says how far they are from the data.
    fn measure(&mut self, some: &[f64], labels: Option<&[usize]>, rows: usize, run: &mut Run) -> Result<()> {
        let count = self.network.measured;
        if count >= 2 {
            // A child goes on after the time of training is used up.
            let mut own = Run::new(run.rng.next_u64());
            let drawn = self.draw(count, &mut own)?;
            let extractor = self.network.features.fit(some, &self.form.shape, labels, run)?;
            let found = Fidelity::measure(extractor.as_ref(), &drawn, some, self.form.size(), &mut own.rng)?;
            self.record.metrics.extend(found.metrics().into_iter().map(|(name, value)| (name.to_owned(), value)));
            self.record.text = format!("{} {}", self.record.text, found.describe());
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

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

impl Model for DiffusionModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.settings);
        file.set("network", &self.network);
        file.set("form", &self.form);
        file.set("prior", &self.kind);
        file.set("record", &self.record);
        if let Some(foreign) = &self.foreign {
            file.set("foreign", foreign);
        }
        if let Some(classes) = &self.classes {
            file.set("classes", classes);
        }
        if let Some(student) = &self.student {
            student.save(file);
        }
        let dims = self.form.size();
        match &self.law {
            Law::Network(network) => network.network().write_to(file, "weights"),
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
        ensure_within("count", count, 1..)?;
        let classes = self.draw_classes(count, run);
        let drawn = self.draw_of(count, &classes, run)?;
        let mut made = self.form.decode(&from_model(&self.form, &drawn));
        if let Some(known) = &self.classes {
            let codes = classes.iter().map(|k| Some(*k as u32)).collect();
            made.arrays.push(("class".into(), Array::column(Values::Text { levels: known.names.clone(), codes })));
            // As in the data that the model was fitted to: a label, and no pixel.
            made.target = Some("class".into());
        }
        Ok(made)
    }
}
