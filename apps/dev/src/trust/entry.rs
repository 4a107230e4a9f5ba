//! What one test of the suite is, and what it found.

use super::uniform;
use crate::error::{DevError, Result};
use elbo::core::{Array, Data, Marginals, Model, ModelFile, Prediction, Run};
use elbo::tensor::with_grad;
use rayon::prelude::*;
use serde_json::Value;

/// How much work the suite does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Seconds: for the tests of the workspace.
    Small,
    /// Minutes: for the document.
    Full,
}

impl Size {
    /// The first in a small suite, the second in a full one.
    pub fn pick<T>(self, small: T, full: T) -> T {
        match self {
            Self::Small => small,
            Self::Full => full,
        }
    }
}

/// A distance from an answer in closed form, with the largest that is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exact {
    /// The largest distance over all data sets: of means in standard deviations, of standard deviations as a share.
    pub distance: f64,
    /// The largest that passes.
    pub tolerance: f64,
}

/// The largest of some distances; undefined where one of them is.
pub(super) fn largest(distances: impl IntoIterator<Item = f64>) -> f64 {
    distances.into_iter().fold(0.0, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) })
}

/// What a test found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Where each truth lies in the distribution that the system gave it, in (0, 1): uniform when the system is right. Empty where only
    /// exact answers are compared.
    pub places: Vec<f64>,
    /// The comparison with a closed form, where there is one.
    pub exact: Option<Exact>,
}

impl Outcome {
    /// The chi-square p-value of the places, where there are any.
    pub fn p_value(&self) -> Option<f64> {
        (!self.places.is_empty()).then(|| uniform::p_value(&self.places, uniform::bins(self.places.len())))
    }

    /// Why this outcome fails, or nothing.
    pub fn fault(&self) -> Option<String> {
        if let Some(Exact { distance, tolerance }) = self.exact
            && (distance.is_nan() || distance > tolerance)
        {
            return Some(format!("is {distance:.1e} from the exact answer, allowed are {tolerance:.1e}"));
        }
        self.p_value().filter(|p| p.is_nan() || *p <= LEAST_P).map(|p| format!("ranks are not uniform: p = {p:.1e}"))
    }
}

/// The p-value at or below which a test fails. By Bonferroni's bound a suite of `m` right systems fails with a probability of at most `m`
/// times this.
pub const LEAST_P: f64 = 1e-3;

type Test = Box<dyn Fn(Size) -> Result<Outcome> + Send + Sync>;

/// One system's test.
pub struct Entry {
    /// The system's id.
    pub system: &'static str,
    /// What is compared with what, in words.
    pub test: &'static str,
    run: Test,
}

impl Entry {
    /// A test of this system.
    pub fn new(
        system: &'static str,
        test: &'static str,
        run: impl Fn(Size) -> Result<Outcome> + Send + Sync + 'static,
    ) -> Self {
        Self { system, test, run: Box::new(run) }
    }

    /// Runs the test.
    ///
    /// # Errors
    /// When a fit or a verb of the system fails.
    pub fn run(&self, size: Size) -> Result<Outcome> {
        // Several tests may share the threads of one pool.
        with_grad(|| (self.run)(size))
    }
}

/// The results of `count` independent simulations, in order, run in parallel.
///
/// # Errors
/// An error of a simulation.
pub(super) fn simulations<T: Send>(count: usize, one: impl Fn(u64) -> Result<T> + Send + Sync) -> Result<Vec<T>> {
    // Fits take gradients, and the thread may be waiting for another fit's work that does not.
    (0..count as u64).into_par_iter().map(|i| with_grad(|| one(i))).collect()
}

/// Fits a system through the registry.
pub(super) fn fit(system: &str, settings: &Value, data: &Data, run: &mut Run) -> Result<Box<dyn Model>> {
    Ok(elbo::find(system)?.fit(settings, data, run)?)
}

/// The predictive distributions of rows with a numeric target.
pub(super) fn predict(system: &str, model: &dyn Model, rows: &Data, run: &mut Run) -> Result<Box<dyn Marginals>> {
    let verb = model.as_predict().ok_or_else(|| DevError::format(system, "its models do not predict"))?;
    match verb.predict(rows, run)? {
        Prediction::Numbers(marginals) => Ok(marginals),
        Prediction::Classes { .. } => Err(DevError::format(system, "it took a numeric target for classes")),
    }
}

/// The codes of data, or the latent functions behind them.
pub(super) fn encode(system: &str, model: &dyn Model, data: &Data, run: &mut Run) -> Result<Data> {
    let verb = model.as_encode().ok_or_else(|| DevError::format(system, "its models do not encode"))?;
    Ok(verb.encode(data, run)?)
}

/// What a model would write to its file.
pub(super) fn saved(system: &str, model: &dyn Model) -> Result<ModelFile> {
    let mut file = ModelFile::new(system);
    model.save(&mut file)?;
    Ok(file)
}

/// A stored array of real numbers of either precision.
pub(super) fn stored(file: &ModelFile, name: &str) -> Result<Vec<f64>> {
    match file.get(name) {
        Ok(values) => Ok(values),
        Err(_) => Ok(file.get_f32(name)?.into_iter().map(f64::from).collect()),
    }
}

/// The only number of a stored array, or its first.
pub(super) fn stored_number(file: &ModelFile, name: &str) -> Result<f64> {
    let first = stored(file, name)?.first().copied();
    first.ok_or_else(|| DevError::format(format!("array `{name}`"), "it is empty"))
}

/// A table of columns of numbers.
pub(super) fn table(columns: Vec<(&str, Vec<f64>)>, target: Option<&str>) -> Data {
    let array = |(name, values): (&str, Vec<f64>)| (name.to_owned(), Array::new(&[values.len()], values));
    Data {
        source: "a simulation of the trust suite".into(),
        arrays: columns.into_iter().map(array).collect(),
        target: target.map(Into::into),
        ..Data::default()
    }
}

/// A named column of numbers.
pub(super) fn column(data: &Data, name: &str) -> Result<Vec<f64>> {
    data.get(name)?.to_f64().ok_or_else(|| DevError::format(format!("column `{name}`"), "it holds text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo::tensor::{is_recording, no_grad};

    #[test]
    fn simulations_record_also_on_a_thread_that_waits_without_recording() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let entry = Entry::new("gpr", "words", |_| {
            let recording = || -> Result<Vec<bool>> { simulations(3, |_| Ok(is_recording())) };
            let all = [vec![is_recording()], recording()?, no_grad(recording)?].concat();
            Ok(Outcome { places: all.into_iter().map(f64::from).collect(), exact: None })
        });
        let found = pool.install(|| no_grad(|| entry.run(Size::Small))).unwrap();
        assert_eq!(found.places, [1.0; 7]);
    }

    #[test]
    fn a_distance_that_is_no_number_is_the_largest() {
        assert_eq!(largest([0.1, 0.3, 0.2]), 0.3);
        assert!(largest([0.1, f64::NAN, 0.2]).is_nan());
    }

    #[test]
    fn an_outcome_fails_by_distance_or_by_uneven_places() {
        let even: Vec<f64> = (0..200).map(|i| (f64::from(i) + 0.5) / 200.0).collect();
        let exact = |distance| Some(Exact { distance, tolerance: 1e-3 });
        assert_eq!(Outcome { places: even.clone(), exact: exact(1e-4) }.fault(), None);
        assert!(Outcome { places: even, exact: exact(f64::NAN) }.fault().is_some());
        assert!(Outcome { places: vec![], exact: exact(1e-2) }.fault().unwrap().contains("1.0e-2"));
        assert!(Outcome { places: vec![0.99; 200], exact: None }.fault().unwrap().contains("not uniform"));
    }
}
