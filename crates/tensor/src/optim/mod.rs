//! Optimisers: updates of a model's [`Parameters`], as [`Step`]s of the one driver.
//!
//! | I have | use |
//! |---|---|
//! | a smooth objective without noise, up to some thousand parameters | [`Lbfgs`] |
//! | a noisy objective, or a network | [`Adam`] |
//! | the simplest thing, or momentum | [`Sgd`] |
//! | a Gaussian posterior's mean and factor | [`natural_step`] |
//!
//! A length of step that changes with time is a [`Schedule`]. All minimise, and all take an [`Objective`]: a closure that returns the loss
//! as a tensor, or [`Explicit`] around one that returns the number and its gradient.
//!
//! To add a first-order method, implement [`Rule`]; [`Descent`] makes it a step.
//!
//! ```
//! use elbo_core::{Run, Stop, drive};
//! use elbo_tensor::{Constraint, Parameter, Parameters, optim::Lbfgs};
//!
//! let mut x = Parameter::scalar(3.0, Constraint::Positive);
//! let step = Lbfgs::default().on(|x: &Parameter, _: &mut Run| Ok((x.get() - 2.0).square()));
//! drive(&step, &mut x, &Stop::after(50, "fit", "loss"), &mut Run::new(0))?;
//! assert!((x.value()[0] - 2.0).abs() < 1e-6);
//! # Ok::<(), elbo_core::Error>(())
//! ```

mod adam;
mod lbfgs;
mod linesearch;
mod natural;
mod schedule;
mod sgd;

use elbo_core::step::Snapshot;
use elbo_core::{Error, ModelFile, Progress, Result, Run, Step};

pub use adam::{Adam, AdamState};
pub use lbfgs::{Lbfgs, LbfgsState, LbfgsStep, Minimum};
pub use natural::{natural_step, natural_step_with};
pub use schedule::Schedule;
pub use sgd::{Sgd, SgdState};

use crate::parameters::{Parameter, Parameters};
use crate::tensor::Tensor;

/// The value and the gradient of a function of a flat vector.
pub type Function<'a> = dyn FnMut(&[f64]) -> Result<(f64, Vec<f64>)> + 'a;

/// Something to minimise in a model's parameters.
pub trait Objective<M> {
    /// The loss and its gradient in [`Parameters::pack`]'s order.
    ///
    /// # Errors
    /// A recoverable error where the loss does not exist (a line search then shortens its step), any other to give up.
    fn evaluate(&self, model: &M, run: &mut Run) -> Result<(f64, Vec<f64>)>;
}

/// A loss as a tensor without axes; its gradient comes from the graph.
impl<M: Parameters, F: Fn(&M, &mut Run) -> Result<Tensor>> Objective<M> for F {
    fn evaluate(&self, model: &M, run: &mut Run) -> Result<(f64, Vec<f64>)> {
        let loss = self(model, run)?;
        Ok((loss.item(), model.gradient(&loss)))
    }
}

/// An objective that computes its own gradient: the loss and the gradient in [`Parameters::pack`]'s order.
pub struct Explicit<F>(pub F);

impl<M, F: Fn(&M, &mut Run) -> Result<(f64, Vec<f64>)>> Objective<M> for Explicit<F> {
    fn evaluate(&self, model: &M, run: &mut Run) -> Result<(f64, Vec<f64>)> {
        (self.0)(model, run)
    }
}

/// A first-order update of a flat vector.
pub trait Rule {
    /// What it remembers between updates.
    type State: Snapshot;

    /// Memory for `n` numbers.
    fn start(&self, n: usize) -> Self::State;

    /// Moves `x` against the gradient.
    fn update(&self, x: &mut [f64], gradient: &[f64], state: &mut Self::State);

    /// As a step of a driver. It never converges by itself.
    fn on<O>(self, objective: O) -> Descent<Self, O>
    where
        Self: Sized,
    {
        Descent { rule: self, objective }
    }
}

/// A [`Rule`] applied to an [`Objective`]. See [`Rule::on`].
pub struct Descent<R, O> {
    rule: R,
    objective: O,
}

impl<M: Parameters, R: Rule, O: Objective<M>> Step<M> for Descent<R, O> {
    type State = R::State;

    fn init(&self, model: &mut M, _: &mut Run) -> Result<Self::State> {
        Ok(self.rule.start(model.pack().len()))
    }

    /// Reports the loss before the update, which is what was computed.
    fn step(&self, model: &mut M, state: &mut Self::State, run: &mut Run) -> Result<Progress> {
        let (loss, gradient) = self.objective.evaluate(model, run)?;
        check_finite(loss, &gradient)?;
        let mut x = model.pack();
        self.rule.update(&mut x, &gradient, state);
        model.unpack(&x);
        Ok(Progress { objective: loss, converged: false })
    }
}

/// Refuses a loss or gradient that is not finite.
pub(crate) fn check_finite(loss: f64, gradient: &[f64]) -> Result<()> {
    let finite = loss.is_finite() && gradient.iter().all(|g| g.is_finite());
    if finite {
        return Ok(());
    }
    let what = if loss.is_finite() {
        "gradient of the objective is not finite".into()
    } else {
        format!("objective is {loss}")
    };
    Err(Error::recoverable(format!("the {what}"), "lower the learning rate, or scale the data to unit variance"))
}

/// Stores a list of numbers as one array.
pub(crate) fn save_list(file: &mut ModelFile, prefix: &str, name: &str, values: &[f64]) {
    file.put(&format!("{prefix}.{name}"), &[values.len()], values);
}

/// A parameter's checkpoint is its values.
impl Snapshot for Parameter {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }
    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}
