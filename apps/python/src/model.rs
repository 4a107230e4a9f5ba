//! Fitted models: their verbs, their report, and the model file.

use crate::arrays::{Given, Reals, Taken, data, floats, taken};
use crate::error::{raise, raised, warned};
use crate::fit::{identity, parsed, told};
use crate::prediction::Prediction;
use crate::work::{Finished, Order, work};
use elbo::core::{self, Card, Data, Error, ModelFile, Run, Views};
use elbo::{FitRecord, Observed, bound_columns, check_prediction, findings, record_of, refused, write_model};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Columns of numbers by name.
type Named<'py> = Vec<(String, Reals<'py>)>;

/// A fitted model with where it came from.
#[pyclass(frozen, module = "elbo._native")]
pub struct Model {
    pub(crate) card: &'static Card,
    pub(crate) model: Box<dyn core::Model>,
    pub(crate) record: FitRecord,
    /// What its report needs; a model from a file has lost it.
    pub(crate) kept: Option<Kept>,
}

/// The training rows, what the run recorded, and how long it took.
pub struct Kept {
    training: Data,
    run: Mutex<Run>,
    seconds: f64,
}

impl Kept {
    /// Takes over a finished run.
    pub fn new(training: Data, run: Run) -> Option<Self> {
        Some(Self { training, seconds: run.elapsed().as_secs_f64(), run: Mutex::new(run) })
    }
}

impl Model {
    /// Something quick, or at least something whose half is worth nothing: Ctrl-C raises. What the run warns of is left in it.
    fn finished<T: Send>(
        &self,
        py: Python<'_>,
        seed: Option<u64>,
        job: impl FnOnce(&dyn core::Model, &mut Run) -> Result<T, Error> + Send,
    ) -> PyResult<Finished<T>> {
        let order = Order { seed: seed.unwrap_or(self.record.seed), ..Order::default() };
        let model = self.model.as_ref();
        work(py, order, |run| job(model, run))
    }

    /// The same, and what the run warns of are warnings of Python.
    fn quick<T: Send>(
        &self,
        py: Python<'_>,
        seed: Option<u64>,
        job: impl FnOnce(&dyn core::Model, &mut Run) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let done = self.finished(py, seed, job)?;
        warned(py, done.run.warnings())?;
        Ok(done.value)
    }

    /// The same for data that the model makes.
    fn arrays(
        &self,
        py: Python<'_>,
        seed: Option<u64>,
        job: impl FnOnce(&dyn core::Model, &mut Run) -> Result<Data, Error> + Send,
    ) -> PyResult<Vec<Taken>> {
        Ok(taken(py, &self.quick(py, seed, job)?))
    }

    /// A verb of the model, or a message with those it has.
    fn offered<T>(&self, verb: &str, capability: Option<T>) -> Result<T, Error> {
        capability.ok_or_else(|| refused(self.card, verb))
    }

    /// The model of a file that `read` reads.
    fn of(py: Python<'_>, read: impl FnOnce() -> Result<ModelFile, Error> + Send) -> PyResult<Self> {
        let rebuilt = work(py, Order::default(), |_| {
            let file = read()?;
            let (card, model) = elbo::rebuild(&file)?;
            Ok(Self { card, model, record: record_of(&file)?, kept: None })
        });
        Ok(rebuilt?.value)
    }
}

#[pymethods]
impl Model {
    /// The system's id.
    #[getter]
    fn system(&self) -> &'static str {
        self.card.id
    }

    /// The fit's record, as JSON: settings, seed, columns, what was found, warnings.
    #[getter]
    fn record(&self) -> String {
        serde_json::to_string(&self.record).expect("a record is plain data")
    }

    /// The model's own tables, as JSON.
    #[getter]
    fn tables(&self, py: Python<'_>) -> PyResult<String> {
        self.quick(py, None, |model, _| Ok(serde_json::to_string(&model.tables()).expect("tables are plain data")))
    }

    /// The model's own figures: names, captions and drawings.
    #[getter]
    fn figures(&self, py: Python<'_>) -> PyResult<Vec<(String, String, String)>> {
        let size = || elbo::report::svg::Size { width: 720.0, height: 400.0 };
        let drawn = |f: core::Figure| {
            let drawing = elbo::report::svg::to_svg(&f, size());
            (f.name, f.caption, drawing)
        };
        self.quick(py, None, |model, _| Ok(model.figures().into_iter().map(drawn).collect()))
    }

    /// Whether the model still has what its report needs.
    #[getter]
    fn has_report(&self) -> bool {
        self.kept.is_some()
    }

    /// The report as HTML: a page, or only its heart. Judged on these rows, with the target where there is one, where they are given.
    #[pyo3(signature = (arrays, is_heart))]
    fn report(&self, py: Python<'_>, arrays: Option<Vec<Given>>, is_heart: bool) -> PyResult<String> {
        let kept = self.kept.as_ref().ok_or_else(|| {
            let error = Error::data("a model from a file has no report", "fit again, or use `elbo fit --report`");
            raise(py, &error)
        })?;
        let held = arrays.map(|a| data(a, self.record.target.clone(), "held-out rows".into())).transpose()?;
        let mut record = self.record.clone();
        self.quick(py, None, |model, _| {
            use elbo::report::html;
            let judged = findings::judge(model, held.as_ref(), record.seed)?;
            record.validation = match (&judged, &held) {
                (Some(judged), _) => Some(judged.scored.clone()),
                (None, Some(held)) => findings::bounds_of(model, held, record.seed)?,
                (None, None) => None,
            };
            let settings = record.config.as_object().into_iter().flatten();
            let settings = settings.map(|(name, value)| (name.clone(), value.to_string())).collect();
            // The run is only read: a panic on the way has left it whole.
            let run = kept.run.lock().unwrap_or_else(PoisonError::into_inner);
            let (card, seconds) = (self.card, kept.seconds);
            let work = findings::Work { card, model, record: &record, run: &run, seconds, settings };
            let report = findings::make(&work, &kept.training, judged, held.as_ref())?;
            Ok(if is_heart { html::heart(&report) } else { html::render(&report) })
        })
    }

    /// Class names, of a classifier.
    #[getter]
    fn classes(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.quick(py, None, |model, _| {
            let mut file = ModelFile::new(self.card.id);
            model.save(&mut file)?;
            Ok(file.fact::<core::Columns>("columns")?.classes().to_vec())
        })
    }

    /// Of a model that a sampler fitted: the number of chains and of draws in each, the unknowns and what was noted, `[chains, draws]` by name.
    #[getter]
    fn chains<'py>(&self, py: Python<'py>) -> Option<(usize, usize, Named<'py>, Named<'py>)> {
        let kept = self.model.chains()?;
        let listed = |columns: &[(String, Vec<f64>)]| -> Named<'py> {
            columns.iter().map(|(name, values)| (name.clone(), floats(py, values))).collect()
        };
        Some((kept.chains(), kept.draws(), listed(kept.unknowns()), listed(kept.stats())))
    }

    /// The model file's bytes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.quick(py, None, |model, _| {
            let mut file = self.record.header(self.card.id);
            model.save(&mut file)?;
            Ok(file.to_bytes())
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The model of a model file's bytes.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        Self::of(py, || ModelFile::from_bytes(bytes))
    }

    /// Writes the model file.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.quick(py, None, |model, _| write_model(&path, self.card.id, model, &self.record))
    }

    /// Reads a model file.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Self::of(py, || ModelFile::read(&path))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Py<PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("from_bytes")?.unbind(), (self.to_bytes(py)?,)))
    }

    /// Predictive distributions of rows.
    fn predict(&self, py: Python<'_>, arrays: Vec<Given>) -> PyResult<Prediction> {
        let rows = data(arrays, None, "the rows to predict".into())?;
        let prediction = self.quick(py, None, |model, run| {
            let prediction = self.offered("predict", model.as_predict())?.predict(&rows, run)?;
            check_prediction(&prediction)?;
            Ok(prediction)
        })?;
        Ok(Prediction(prediction))
    }

    /// Scores on rows with the target, as JSON.
    fn scores(&self, py: Python<'_>, arrays: Vec<Given>) -> PyResult<String> {
        let rows = data(arrays, self.record.target.clone(), "the rows to score".into())?;
        let scores = self.quick(py, None, |model, run| {
            let prediction = self.offered("evaluate", model.as_predict())?.predict(&rows, run)?;
            check_prediction(&prediction)?;
            Observed::of(&rows, &prediction)?.score_against(&prediction, self.record.target_normal.as_ref())
        })?;
        Ok(serde_json::to_string(&scores).expect("scores are plain data"))
    }

    /// Sample paths `[count, N]` at rows, or None where the model has none.
    fn sample_paths<'py>(
        &self,
        py: Python<'py>,
        arrays: Vec<Given>,
        count: usize,
        seed: u64,
    ) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        let rows = data(arrays, None, "the rows to sample".into())?;
        let paths = self.quick(py, Some(seed), |model, run| {
            self.offered("predict", model.as_predict())?.sample_paths(&rows, count, run)
        })?;
        Ok(paths.map(|paths| floats(py, &paths)))
    }

    /// New data points, or draws of a posterior.
    fn sample(&self, py: Python<'_>, count: usize, seed: u64) -> PyResult<Vec<Taken>> {
        self.arrays(py, Some(seed), |model, run| self.offered("sample", model.as_sample())?.sample(count, run))
    }

    /// Codes of data points; with a number of importance draws, bounds on the likelihood of each as well.
    #[pyo3(signature = (arrays, draws))]
    fn encode(&self, py: Python<'_>, arrays: Vec<Given>, draws: Option<usize>) -> PyResult<Vec<Taken>> {
        let given = data(arrays, None, "the data to encode".into())?;
        self.arrays(py, None, |model, run| {
            let encoder = self.offered("encode", model.as_encode())?;
            let bounds = match draws {
                Some(draws) => Some((self.offered("bound the likelihood of data points", model.as_evaluate())?, draws)),
                None => None,
            };
            let mut codes = encoder.encode(&given, run)?;
            if let Some((evaluator, draws)) = bounds {
                codes.arrays.extend(bound_columns(evaluator, &given, draws, run.seed)?);
            }
            Ok(codes)
        })
    }

    /// Names of the numbers of a code that `decode` reads; None of a model that decodes none.
    #[getter]
    fn code_columns(&self) -> Option<Vec<String>> {
        Some(self.model.as_decode()?.code_columns())
    }

    /// Data points of codes.
    fn decode(&self, py: Python<'_>, arrays: Vec<Given>) -> PyResult<Vec<Taken>> {
        let codes = data(arrays, None, "the table of codes".into())?;
        self.arrays(py, None, |model, run| self.offered("decode codes", model.as_decode())?.decode(&codes, run))
    }

    /// Codes that move one number at a time.
    fn traverse(&self, py: Python<'_>, steps: usize) -> PyResult<Vec<Taken>> {
        self.arrays(py, None, |model, run| self.offered("move codes", model.as_decode())?.traverse(steps, run))
    }

    /// Data points as the model gives them back.
    fn reconstruct(&self, py: Python<'_>, arrays: Vec<Given>) -> PyResult<Vec<Taken>> {
        let given = data(arrays, None, "the data to reconstruct".into())?;
        self.arrays(py, None, |model, run| {
            self.offered("reconstruct", model.as_reconstruct())?.reconstruct(&given, run)
        })
    }

    /// Bounds on the likelihood of data points, as JSON.
    fn evaluate(&self, py: Python<'_>, arrays: Vec<Given>, draws: usize) -> PyResult<String> {
        let given = data(arrays, None, "the data to evaluate".into())?;
        let bounds = self.quick(py, None, |model, run| {
            self.offered("evaluate", model.as_evaluate())?.evaluate(&given, draws, run)
        })?;
        Ok(serde_json::to_string(&bounds).expect("bounds are plain data"))
    }

    /// Clean pictures from degraded ones.
    fn restore(&self, py: Python<'_>, arrays: Vec<Given>, settings: &str, seed: u64) -> PyResult<Vec<Taken>> {
        let given = data(arrays, None, "the pictures to restore".into())?;
        let settings = raised(py, parsed(settings))?;
        self.arrays(py, Some(seed), |model, run| {
            self.offered("restore", model.as_restore())?.restore(&given, &settings, run)
        })
    }

    /// One picture as a file that stands for itself.
    fn compress<'py>(&self, py: Python<'py>, arrays: Vec<Given>, settings: &str) -> PyResult<Bound<'py, PyBytes>> {
        let given = data(arrays, None, "the picture to compress".into())?;
        let settings = raised(py, parsed(settings))?;
        Ok(PyBytes::new(
            py,
            &self.quick(py, None, |model, run| {
                self.offered("compress", model.as_compress())?.compress(&given, &settings, run)
            })?,
        ))
    }

    /// The picture of a compressed file.
    fn decompress(&self, py: Python<'_>, file: &[u8]) -> PyResult<Vec<Taken>> {
        self.arrays(py, None, |model, _| {
            self.offered("restore a compressed file", model.as_compress())?.decompress(file)
        })
    }

    /// As much of the picture as a damaged file gives, and what was lost.
    fn salvage(&self, py: Python<'_>, file: &[u8]) -> PyResult<(Vec<Taken>, Vec<String>)> {
        // What was lost is the answer, so that it is no warning as well.
        let done = self.finished(py, None, |model, run| {
            self.offered("restore a compressed file", model.as_compress())?.salvage(file, run)
        })?;
        Ok((taken(py, &done.value), done.run.warnings().to_vec()))
    }

    /// Pictures from cameras on a circle, or from those of a data set.
    #[pyo3(signature = (count, size, arrays))]
    fn render(
        &self,
        py: Python<'_>,
        count: usize,
        size: Option<[usize; 2]>,
        arrays: Option<Vec<Given>>,
    ) -> PyResult<Vec<Taken>> {
        let views = match arrays {
            Some(arrays) => Views::Data(data(arrays, None, "the scene".into())?),
            None => Views::Orbit { count, size },
        };
        self.arrays(py, None, |model, run| self.offered("render", model.as_render())?.render(&views, run))
    }

    /// The next points to try.
    fn suggest(&self, py: Python<'_>, count: usize, seed: u64) -> PyResult<Vec<Taken>> {
        self.arrays(py, Some(seed), |model, run| self.offered("suggest", model.as_suggest())?.suggest(count, run))
    }

    /// A model that has also absorbed these rows, and as JSON what the run has to tell.
    #[pyo3(signature = (arrays, source, watcher))]
    fn update(
        &self,
        py: Python<'_>,
        arrays: Vec<Given>,
        source: String,
        watcher: Option<Py<PyAny>>,
    ) -> PyResult<(Self, String)> {
        let given = data(arrays, self.record.target.clone(), source)?;
        let mut record = self.record.clone();
        // Each update draws its own numbers, decided by the seed and by how many came before.
        let seed = record.seed.wrapping_add(1 + record.updates.len() as u64);
        let fitted = self.model.as_ref();
        let done = work(py, Order { seed, watcher, ..Order::default() }, |run| {
            self.offered("update", fitted.as_update())?.update(&given, run)
        })?;
        record.absorb(identity(py, &given)?, done.value.summary(), done.run.warnings());
        let told = told(&done);
        let kept = Kept::new(given, done.run);
        Ok((Self { card: self.card, model: done.value, record, kept }, told))
    }
}
