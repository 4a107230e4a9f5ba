//! Regression of several outputs at the same inputs, with Gaussian noise.
//!
//! # Which one should I use?
//!
//! | the outputs | use | cost |
//! |---|---|---|
//! | share a kernel and a noise, and say nothing about each other | [`SharedGp`] | one factor, `N³ + N² P` |
//! | share a kernel and are correlated, and every row has all of them | [`Icm`] | two eigendecompositions, `N³ + P³ + N² P` |
//! | are mixtures of functions with different kernels, or some are missing | [`Lmc`] | one factor of all numbers, `(N P)³` |
//! | come one a row, with a column that says which one it is | [`ExactGp`](crate::exact::ExactGp) with the kernel `rbf * index(COLUMN)` | `rows³` |
//!
//! The last is [`Icm`] in another form, with one noise variance: the same evidence and the same predictions.
//!
//! The processes have mean zero: centre each output first. Covariances of outputs are [`Index`](crate::kernel::Index)
//! kernels, `B = W Wᵀ + diag(κ)`. Since `B` scales the kernel beside it, freeze that kernel's variance before a search.
//!
//! ```
//! use elbo_gp::kernel::{Index, Stationary};
//! use elbo_gp::multi_output::Icm;
//! use elbo_tensor::Tensor;
//! let x = Tensor::from_vec(vec![0.0, 0.4, 0.9], &[3, 1]);
//! let y = Tensor::from_vec(vec![0.1, 0.2, 0.5, 0.4, 0.3, -0.1], &[3, 2]);
//! let model = Icm::new(Index::new(2, 1), Box::new(Stationary::rbf(1)), &[0.1], x.clone(), y)?;
//! let (mean, variance) = model.condition()?.marginals(&x)?;
//! assert_eq!((mean.len(), variance.len()), (6, 6));
//! # Ok::<(), elbo_core::Error>(())
//! ```
//!
//! # How do I add one?
//!
//! A struct with its covariance and noise, `log_marginal` and `condition`, and a test that both are those of the dense
//! process of all numbers.

mod icm;
mod kronecker;
mod lmc;
mod shared;

use crate::exact::NOISE_FLOOR;
use crate::fit::Loss;
use elbo_core::{Error, ModelFile, Result, Snapshot};
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor};

pub use icm::{Icm, IcmPosterior};
pub use kronecker::kronecker;
pub use lmc::{Component, Lmc, LmcPosterior};
pub use shared::{SharedGp, SharedPosterior};

/// Noise variances of `outputs` outputs: one for all, or one for each.
fn noise_parameter(noise: &[f64], outputs: usize) -> Parameter {
    assert!(noise.len() == 1 || noise.len() == outputs, "{} noise variances of {outputs} outputs", noise.len());
    Parameter::new(noise, &[noise.len()], Constraint::Above(NOISE_FLOOR))
}

/// Checks that there is something in `x: [N, D]`, `y: [N, P]`; the shapes are the author's.
fn ensure_table(x: &Tensor, y: &Tensor) -> Result<()> {
    assert!(x.rank() == 2 && y.rank() == 2 && x.size(0) == y.size(0), "x {:?}, y {:?}", x.shape(), y.shape());
    match (y.size(0), y.size(1)) {
        (0, _) => Err(Error::data("there are no rows to learn from", "give one row at least")),
        (_, 0) => Err(Error::data("there are no outputs to learn", "give one output at least")),
        _ => Ok(()),
    }
}

/// Refuses targets `[N, P]` that have gaps, or numbers that are not finite.
fn ensure_complete(y: &Tensor) -> Result<()> {
    let (values, outputs) = (y.to_vec(), y.size(1));
    let Some(first) = values.iter().position(|v| !v.is_finite()) else { return Ok(()) };
    let gaps = values.iter().filter(|v| !v.is_finite()).count();
    let (row, output) = (first / outputs + 1, first % outputs + 1);
    Err(Error::data(
        format!(
            "{gaps} of {} targets are missing or not finite, the first in row {row}, output {output}",
            values.len()
        ),
        "use the linear model of coregionalisation, which leaves missing ones out, or give one observed number a row \
         with a column that says which output it is",
    ))
}

/// What a search of hyperparameters asks of a model: a loss, and its parameters in a checkpoint.
macro_rules! searchable {
    ($($model:ty),*) => {$(
        impl Loss for $model {
            fn loss(&self) -> Result<Tensor> {
                Ok(-self.log_marginal()?)
            }
        }

        impl Snapshot for $model {
            fn save(&self, file: &mut ModelFile, prefix: &str) {
                self.write_to(file, prefix);
            }

            fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
                self.read_from(file, prefix)
            }
        }
    )*};
}
searchable!(SharedGp, Icm, Lmc);
