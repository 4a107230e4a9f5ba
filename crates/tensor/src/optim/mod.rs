//! Optimisers: updates of a model's [`Parameters`], as [`Step`]s of the one driver.
//!
//! | I have | use |
//! |---|---|
//! | a smooth objective without noise, up to some thousand parameters | [`Lbfgs`] |
//! | a noisy objective, or a network | [`Adam`]; with `amsgrad` where its rates must not grow again |
//! | the simplest thing, or momentum | [`Sgd`] |
//! | steps over squared gradients, summed or averaged | [`Adagrad`], [`RmsProp`] |
//! | no rate to choose | [`Dog`] by the distance covered, [`Coin`] by betting |
//! | to choose among these in a setting | [`Optimiser`], which makes an [`AnyRule`] |
//! | the mean of iterates that stay noisy | [`PolynomialAverage`] |
//! | a Gaussian posterior's mean and factor | [`natural_step`] |
//! | a function of one number with one minimum | [`golden_section`] |
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
mod average;
mod choice;
mod coin;
mod dog;
mod golden;
mod lbfgs;
mod linesearch;
mod memory;
mod natural;
mod schedule;
mod sgd;
mod squares;

use elbo_core::step::Snapshot;
use elbo_core::{Error, ModelFile, Progress, Result, Run, Step};

pub use adam::{Adam, AdamState, AdamUpdate};
pub use average::PolynomialAverage;
pub use choice::{AnyRule, AnyState, AnyUpdate, Optimiser};
pub use coin::{Coin, CoinState, UnitCoin, UnitCoinState, UnitCoinUpdate};
pub use dog::{Dog, DogState, DogUpdate};
pub use golden::golden_section;
pub use lbfgs::{Lbfgs, LbfgsState, LbfgsStep, Minimum};
pub use natural::{natural_step, natural_step_with};
pub use schedule::Schedule;
pub use sgd::{Sgd, SgdState, SgdUpdate};
pub use squares::{Adagrad, RmsProp, SquaresState, SquaresUpdate};

use crate::dtype::{DType, Element};
use crate::kernels::GRAIN;
use crate::parameters::{Parameter, Parameters};
use crate::storage::Storage;
use crate::tape::with_grad;
use crate::tensor::Tensor;

/// The value and the gradient of a function of a flat vector.
pub type Function<'a> = dyn FnMut(&[f64]) -> Result<(f64, Vec<f64>)> + 'a;

/// Something to minimise in a model's parameters.
pub trait Objective<M: Parameters> {
    /// The loss and its gradient in [`Parameters::pack`]'s order.
    ///
    /// # Errors
    /// A recoverable error where the loss does not exist (a line search then shortens its step), any other to give up.
    fn evaluate(&self, model: &M, run: &mut Run) -> Result<(f64, Vec<f64>)>;

    /// The loss and the gradient of each parameter that is not frozen, in its own shape and type.
    ///
    /// # Errors
    /// As [`Objective::evaluate`], which is the same in one vector.
    fn gradients(&self, model: &M, run: &mut Run) -> Result<(f64, Vec<Tensor>)> {
        let (loss, flat) = self.evaluate(model, run)?;
        let mut rest = &flat[..];
        let mut gradients = vec![];
        model.visit(&mut |name, p| {
            if !p.is_frozen() {
                assert!(rest.len() >= p.len(), "the gradient has {} numbers left for `{name}`", rest.len());
                let (head, tail) = rest.split_at(p.len());
                gradients.push(Tensor::from_slice(head, p.shape()).cast(p.leaf().dtype()));
                rest = tail;
            }
        });
        assert!(rest.is_empty(), "the gradient has {} numbers too many", rest.len());
        Ok((loss, gradients))
    }
}

/// A loss as a tensor without axes; its gradient comes from the graph.
impl<M: Parameters, F: Fn(&M, &mut Run) -> Result<Tensor>> Objective<M> for F {
    fn evaluate(&self, model: &M, run: &mut Run) -> Result<(f64, Vec<f64>)> {
        with_grad(|| {
            let loss = self(model, run)?;
            Ok((loss.item(), model.gradient(&loss)))
        })
    }

    fn gradients(&self, model: &M, run: &mut Run) -> Result<(f64, Vec<Tensor>)> {
        with_grad(|| {
            let loss = self(model, run)?;
            let leaves = model.leaves();
            Ok((loss.item(), crate::grad(&loss, &leaves.iter().collect::<Vec<_>>())))
        })
    }
}

/// An objective that computes its own gradient: the loss and the gradient in [`Parameters::pack`]'s order.
pub struct Explicit<F>(pub F);

impl<M: Parameters, F: Fn(&M, &mut Run) -> Result<(f64, Vec<f64>)>> Objective<M> for Explicit<F> {
    fn evaluate(&self, model: &M, run: &mut Run) -> Result<(f64, Vec<f64>)> {
        (self.0)(model, run)
    }
}

/// A first-order update, applied to each parameter in place and in its own type.
pub trait Rule {
    /// What it remembers between updates.
    type State: Snapshot;

    /// What one update does to every parameter: its rate and the like.
    type Update;

    /// Memory for parameters of these lengths and types.
    fn start_parts(&self, parts: &[(usize, DType)]) -> Self::State;

    /// Begins the next update, given the Euclidean norm of the gradient (which costs a pass, so it is a function).
    fn begin(&self, norm: &dyn Fn() -> f64, state: &mut Self::State) -> Self::Update;

    /// Moves one parameter, the `part`-th, against its gradient, which has its length and type.
    fn apply(&self, update: &Self::Update, part: usize, x: &mut Storage, gradient: &Tensor, state: &mut Self::State);

    /// Memory for one vector of `n` doubles.
    fn start(&self, n: usize) -> Self::State {
        self.start_parts(&[(n, DType::F64)])
    }

    /// Moves the `part`-th parameter, given as doubles, against its gradient.
    fn apply_to(&self, update: &Self::Update, part: usize, x: &mut [f64], gradient: &[f64], state: &mut Self::State) {
        assert_eq!(x.len(), gradient.len(), "the vector and its gradient differ in length");
        let mut moved = Storage::F64(x.to_vec());
        self.apply(update, part, &mut moved, &Tensor::from_slice(gradient, &[gradient.len()]), state);
        x.copy_from_slice(f64::slice(&moved));
    }

    /// Moves a vector of doubles against the gradient.
    fn update(&self, x: &mut [f64], gradient: &[f64], state: &mut Self::State) {
        let update = self.begin(&|| gradient.iter().map(|g| g * g).sum::<f64>().sqrt(), state);
        self.apply_to(&update, 0, x, gradient, state);
    }

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
        Ok(self.rule.start_parts(&model.parts()))
    }

    /// Reports the loss before the update, which is what was computed.
    fn step(&self, model: &mut M, state: &mut Self::State, run: &mut Run) -> Result<Progress> {
        let (loss, gradients) = self.objective.gradients(model, run)?;
        check_all_finite(loss, gradients.iter().all(Tensor::is_finite))?;
        descend(&self.rule, model, &gradients, state);
        Ok(Progress { objective: loss, converged: false })
    }
}

/// One update of the parameters that are not frozen, given their gradients in order. For loops that do not fit [`Descent`].
pub fn descend<R: Rule>(rule: &R, model: &mut impl Parameters, gradients: &[Tensor], state: &mut R::State) {
    let squares = |g: &Tensor| g.square().sum().item();
    let update = rule.begin(&|| gradients.iter().map(squares).sum::<f64>().sqrt(), state);
    let mut part = 0;
    model.visit_mut(&mut |name, p| {
        if !p.is_frozen() {
            let gradient = gradients.get(part).unwrap_or_else(|| panic!("no gradient is left for `{name}`"));
            assert_eq!(gradient.shape(), p.shape(), "the gradient of `{name}` has another shape");
            rule.apply(&update, part, p.free_mut(), gradient, state);
            part += 1;
        }
    });
    assert_eq!(part, gradients.len(), "there are more gradients than parameters");
}

type PartLoop<'a, T, const N: usize> = dyn Fn(&mut [T], &[T], [&mut [T]; N]) + Sync + 'a;

/// Runs a loop over a parameter, its gradient and `N` memories, in parallel pieces.
fn for_parts<T: Element, const N: usize>(
    x: &mut Storage,
    gradient: &Tensor,
    memory: [&mut [T]; N],
    f: &PartLoop<T, N>,
) {
    let (x, gradient) = (T::slice_mut(x), gradient.as_slice::<T>());
    let fits = x.len() == gradient.len() && memory.iter().all(|m| m.len() == x.len());
    assert!(fits, "a parameter, its gradient and the optimiser's memory differ in length");
    fn halves<T: Element, const N: usize>(x: &mut [T], gradient: &[T], memory: [&mut [T]; N], f: &PartLoop<T, N>) {
        if x.len() < 2 * GRAIN {
            return f(x, gradient, memory);
        }
        let middle = x.len() / 2 / GRAIN * GRAIN;
        let (x, y) = x.split_at_mut(middle);
        let (g, h) = gradient.split_at(middle);
        let mut tails = vec![];
        let heads = memory.map(|m| {
            let (head, tail) = m.split_at_mut(middle);
            tails.push(tail);
            head
        });
        let mut tails = tails.into_iter();
        let tails = std::array::from_fn(|_| tails.next().expect("one tail a memory"));
        rayon::join(|| halves(x, g, heads, f), || halves(y, h, tails, f));
    }
    halves(x, &gradient, memory, f);
}

/// Refuses a loss or gradient that is not finite.
pub(crate) fn check_finite(loss: f64, gradient: &[f64]) -> Result<()> {
    check_all_finite(loss, gradient.iter().all(|g| g.is_finite()))
}

fn check_all_finite(loss: f64, gradient_is_finite: bool) -> Result<()> {
    if loss.is_finite() && gradient_is_finite {
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
