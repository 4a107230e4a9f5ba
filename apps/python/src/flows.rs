//! Normalising flows: maps of standard normal noise, as they are or fitted to rows by maximum likelihood.

use crate::arrays::{Reals, floats, reals};
use crate::error::{raise, raised};
use crate::fit::told;
use crate::work::{Order, unlocked, work};
use elbo::core::step::Batches;
use elbo::core::{Error, ModelFile, Result, Rng, Run, Snapshot, Stop, drive, ensure, ensure_within};
use elbo::dist::flow::FlowSpec;
use elbo::dist::transform::Bijector;
use elbo::tensor::optim::{Adam, Rule, Schedule};
use elbo::tensor::special::LOG_SQRT_TAU;
use elbo::tensor::{Parameter, Parameters, Tensor, no_grad};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use std::cell::RefCell;

/// Largest Euclidean norm of a gradient in training; longer ones are shortened.
const CLIP: f64 = 100.0;
/// What the rate has fallen to at the end, as a share of the first.
const LAST_RATE: f64 = 0.01;

/// What the driver moves.
struct Trained(elbo::dist::flow::Flow);

impl Parameters for Trained {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.0.visit(f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.0.visit_mut(f);
    }
}

impl Snapshot for Trained {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

/// A flow over `D` coordinates.
#[pyclass(frozen, module = "elbo._native")]
pub struct Flow(Trained);

impl Flow {
    fn rows(&self, values: &[u8]) -> Tensor {
        let (values, d) = (reals(values), self.0.0.dimension());
        let rows = values.len() / d;
        Tensor::from_vec(values, &[rows, d])
    }
}

/// `log N(u; 0, I)`, a value a row of `u: [N, D]`.
fn log_standard(u: &Tensor) -> Tensor {
    u.square().sum_axis(-1, false) * -0.5 - u.size(-1) as f64 * LOG_SQRT_TAU
}

/// The refusal of a flow without a density of given points.
fn no_inverse(spec: &FlowSpec) -> Error {
    Error::data(
        format!("`{spec}` has no closed inverse"),
        "take a flow that has one: realnvp, nice, spline, continuous, maf, iaf, radial or householder",
    )
}

fn built(spec: &str, dimension: usize, seed: u64) -> Result<(FlowSpec, Trained)> {
    ensure_within("dimension", dimension, 1..)?;
    let spec: FlowSpec = spec.parse()?;
    Ok((spec, Trained(spec.build(dimension, &mut Rng::new(seed))?)))
}

#[pymethods]
impl Flow {
    /// From its text, at or near the identity; or with parameters that were stored.
    #[new]
    #[pyo3(signature = (spec, dimension, seed, parameters=None))]
    fn new(
        py: Python<'_>,
        spec: &str,
        dimension: usize,
        seed: u64,
        parameters: Option<PyBackedBytes>,
    ) -> PyResult<Self> {
        let (spec, mut trained) = raised(py, unlocked(py, || built(spec, dimension, seed))?)?;
        if let Some(parameters) = parameters {
            let (values, expected) = (reals(&parameters), trained.pack().len());
            if values.len() != expected {
                let message = format!("{} numbers for the {expected} parameters of `{spec}`", values.len());
                return Err(raise(py, &Error::data(message, "give the parameters of a flow of the same text")));
            }
            trained.unpack(&values);
        }
        Ok(Self(trained))
    }

    /// Parameters, unconstrained, one after the other.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> Reals<'py> {
        floats(py, &self.0.pack())
    }

    /// Images `[N, D]` of noise `u: [N, D]`, and `log|det dx/du|`, `[N]`.
    fn forward<'py>(&self, py: Python<'py>, u: PyBackedBytes) -> PyResult<[Reals<'py>; 2]> {
        let (x, log_det) = unlocked(py, || {
            no_grad(|| {
                let u = self.rows(&u);
                let (x, log_prob) = self.0.0.at(&u);
                (x.to_vec(), (log_standard(&u) - log_prob).to_vec())
            })
        })?;
        Ok([floats(py, &x), floats(py, &log_det)])
    }

    /// Noise `[N, D]` of points `x: [N, D]`, and `log|det du/dx|`, `[N]`; None where a layer has no closed inverse.
    fn inverse<'py>(&self, py: Python<'py>, x: PyBackedBytes) -> PyResult<Option<[Reals<'py>; 2]>> {
        let found = unlocked(py, || {
            no_grad(|| {
                let (start, log_det) = self.0.0.layers().inverse(&self.rows(&x))?;
                // Without layers there is one logarithm a coordinate.
                let log_det = if log_det.rank() == 2 { log_det.sum_axis(-1, false) } else { log_det };
                let base = self.0.0.base();
                let (mean, sd) = (base.base().location(), base.base().sd());
                let log_det = log_det - sd.log().sum();
                Some((((start - mean) / sd).to_vec(), log_det.to_vec()))
            })
        })?;
        Ok(found.map(|(u, log_det)| [floats(py, &u), floats(py, &log_det)]))
    }

    /// Log densities `[N]` in nats of points `x: [N, D]`; None where a layer has no closed inverse.
    fn log_prob<'py>(&self, py: Python<'py>, x: PyBackedBytes) -> PyResult<Option<Reals<'py>>> {
        let values = unlocked(py, || no_grad(|| Some(self.0.0.log_prob(&self.rows(&x))?.to_vec())))?;
        Ok(values.map(|values| floats(py, &values)))
    }

    /// Draws `[count, D]` and their log densities `[count]`.
    fn sample<'py>(&self, py: Python<'py>, count: usize, seed: u64) -> PyResult<[Reals<'py>; 2]> {
        let (x, log_prob) = unlocked(py, || no_grad(|| self.0.0.rsample(count, &mut Rng::new(seed))))?;
        Ok([floats(py, &x.to_vec()), floats(py, &log_prob.to_vec())])
    }
}

/// A flow fitted to rows `x: [N, D]` by maximum likelihood: minibatches without replacement, Adam with a rate that falls along half a
/// cosine. Also, as JSON, what the run has to tell.
#[pyfunction]
#[pyo3(signature = (spec, dimension, x, steps, batch, rate, seed, max_time, watcher))]
pub fn fit_flow(
    py: Python<'_>,
    spec: &str,
    dimension: usize,
    x: PyBackedBytes,
    steps: usize,
    batch: usize,
    rate: f64,
    seed: u64,
    max_time: Option<f64>,
    watcher: Option<Py<PyAny>>,
) -> PyResult<(Flow, String)> {
    let (spec, mut trained) = raised(py, unlocked(py, || built(spec, dimension, seed))?)?;
    let order = Order { seed, max_time, watcher, ..Order::default() };
    let done = work(py, order, |run| {
        ensure_within("steps", steps, 1..)?;
        ensure_within("batch", batch, 1..)?;
        ensure("rate", rate, rate > 0.0 && rate.is_finite(), "a positive number")?;
        if !spec.is_invertible() {
            return Err(no_inverse(&spec));
        }
        let values = reals(&x);
        let rows = values.len() / dimension;
        let x = Tensor::from_vec(values, &[rows, dimension]);
        let batches = RefCell::new(Batches::new(rows, batch));
        let loss = |model: &Trained, run: &mut Run| -> Result<Tensor> {
            let rows = Tensor::indices(batches.borrow_mut().next(&mut run.rng));
            let log_prob = model.0.log_prob(&x.index_select(0, &rows)).ok_or_else(|| no_inverse(&spec))?;
            Ok(-log_prob.mean())
        };
        let schedule = Schedule::Cosine { start: rate, end: LAST_RATE * rate, steps };
        let adam = Adam { clip: Some(CLIP), ..Adam::with_rate(schedule) };
        let stop = Stop::after(steps, &format!("flow {spec}"), "negative log likelihood (nats a row)");
        drive(&adam.on(loss), &mut trained, &stop, run)?;
        Ok(trained)
    })?;
    let told = told(&done);
    Ok((Flow(done.value), told))
}
