//! Sampling and variational inference of a log density that is a Python function.

use crate::arrays::{Reals, floats, reals};
use crate::error::{raise, raised};
use crate::fit::of_json;
use crate::work::{Order, work};
use elbo::core::Error;
use elbo::infer::fit::{Method, MethodSettings, infer};
use elbo::infer::mcmc::{Hamiltonian, Start, sample};
use elbo::infer::{Explicit, LogDensity};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Numbers with a name.
type Named<'py> = (&'static str, Reals<'py>);

/// An exception that the function raised; the first one ends the work.
#[derive(Default)]
struct Failure {
    exception: Mutex<Option<PyErr>>,
    stop: Arc<AtomicBool>,
    /// No value is worth anything any more.
    is_over: Arc<AtomicBool>,
}

impl Failure {
    fn keep(&self, exception: PyErr) {
        self.stop.store(true, Ordering::Relaxed);
        self.is_over.store(true, Ordering::Relaxed);
        let mut kept = self.exception.lock().expect("nobody panics with the lock");
        kept.get_or_insert(exception);
    }

    fn order(&self, seed: u64, max_time: Option<f64>, watcher: Option<Py<PyAny>>) -> Order {
        Order { seed, max_time, watcher, stop: self.stop.clone(), abandon: self.is_over.clone(), ..Order::default() }
    }

    /// The function's own exception comes before what followed from it.
    fn first<T>(&self, result: PyResult<T>) -> PyResult<T> {
        match self.exception.lock().expect("nobody panics with the lock").take() {
            Some(exception) => Err(exception),
            None => result,
        }
    }
}

/// `function` takes the point as bytes of 64-bit floats, and returns the value and the gradient in the same form.
fn density<'a>(function: &'a Py<PyAny>, dim: usize, failure: &'a Failure) -> impl LogDensity + 'a {
    let call = move |z: &[f64]| {
        Python::attach(|py| {
            let answer = function.call1(py, (floats(py, z),))?;
            answer.extract::<(f64, PyBackedBytes)>(py)
        })
    };
    Explicit::new(dim, move |z: &[f64], gradient: &mut [f64]| {
        if failure.is_over.load(Ordering::Relaxed) {
            return f64::NAN;
        }
        match call(z) {
            Ok((value, slope)) => {
                gradient.iter_mut().zip(reals(&slope)).for_each(|(g, s)| *g = s);
                value
            }
            Err(exception) => {
                failure.keep(exception);
                f64::NAN
            }
        }
    })
}

/// The no-U-turn sampler and its kin: draws `[chains, draws, D]`, what was noted of each draw, and as JSON the rest.
#[pyfunction]
#[pyo3(signature = (function, dim, options, start, seed, max_time, watcher))]
pub fn nuts<'py>(
    py: Python<'py>,
    function: Py<PyAny>,
    dim: usize,
    options: &str,
    start: Option<Vec<Vec<f64>>>,
    seed: u64,
    max_time: Option<f64>,
    watcher: Option<Py<PyAny>>,
) -> PyResult<(Reals<'py>, Vec<Named<'py>>, String)> {
    let options: Hamiltonian = raised(py, of_json("settings", options))?;
    let start = start.map_or_else(Start::default, Start::At);
    let failure = Failure::default();
    let order = failure.order(seed, max_time, watcher);
    let done = work(py, order, |run| sample(&density(&function, dim, &failure), &options, &start, run));
    let done = failure.first(done)?;
    let draws = &done.value;
    let stats = draws.stats().map(|(name, values)| (name, floats(py, values)));
    let rest = json!({
        "chains": draws.chains(),
        "draws": draws.draws(),
        "step_size": draws.step_size(),
        "gradients": draws.gradients() + draws.warmup_gradients(),
        "warnings": done.run.warnings(),
        "interrupted": done.is_interrupted,
        "summaries": draws.summaries(),
    });
    Ok((floats(py, draws.values()), stats.into(), rest.to_string()))
}

/// Variational inference by a named family: draws `[S, D]` of the approximation, their normalised log weights, and as JSON the rest.
#[pyfunction]
#[pyo3(signature = (function, dim, method, options, start, seed, max_time, watcher))]
pub fn vi<'py>(
    py: Python<'py>,
    function: Py<PyAny>,
    dim: usize,
    method: &str,
    options: &str,
    start: Option<Vec<f64>>,
    seed: u64,
    max_time: Option<f64>,
    watcher: Option<Py<PyAny>>,
) -> PyResult<(Reals<'py>, Reals<'py>, String)> {
    let method: Method = raised(py, method.parse())?;
    if method == Method::Nuts {
        let error = Error::Setting {
            setting: "method".into(),
            found: "`nuts`".into(),
            expected: "a variational family; sample with `elbo.infer.nuts`".into(),
        };
        return Err(raise(py, &error));
    }
    let options = MethodSettings { vi: raised(py, of_json("settings", options))?, start, ..MethodSettings::default() };
    let failure = Failure::default();
    let order = failure.order(seed, max_time, watcher);
    let done = work(py, order, |run| {
        options.vi.check()?;
        infer(&density(&function, dim, &failure), method, &options, run)
    });
    let done = failure.first(done)?;
    let found = &done.value;
    let psis = found.psis.as_ref().expect("a variational method weighs its draws");
    let elbo = found.elbo.expect("a variational method has a bound");
    let mut warnings = done.run.warnings().to_vec();
    warnings.extend(found.warnings.iter().filter(|w| !done.run.warnings().contains(w)).cloned());
    let rest = json!({
        "elbo": [elbo.value, elbo.error],
        "k_hat": psis.k.is_finite().then_some(psis.k),
        "threshold": psis.threshold,
        "doubt": found.doubt(),
        "gradients": found.gradients,
        "warnings": warnings,
        "interrupted": done.is_interrupted,
    });
    Ok((floats(py, &found.draws), floats(py, &psis.log_weights), rest.to_string()))
}
