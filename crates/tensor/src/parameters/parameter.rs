//! One named quantity of a model, and a prior over it.

use super::Constraint;
use crate::dtype::{DType, Element, with_any};
use crate::storage::Storage;
use crate::tensor::Tensor;
use elbo_core::{Error, Result};
use std::sync::Arc;

/// A prior over a parameter's natural value.
pub trait Prior: Send + Sync + std::fmt::Debug {
    /// Log density, summed over the elements, differentiable; a scalar in nats.
    fn log_prob(&self, natural: &Tensor) -> Tensor;
    /// As it is printed: "LogNormal(0, 1)".
    fn describe(&self) -> String;
}

/// One named quantity of a model.
#[derive(Debug, Clone)]
pub struct Parameter {
    pub(super) leaf: Tensor,
    pub(super) constraint: Constraint,
    pub(super) frozen: bool,
    pub(super) prior: Option<Arc<dyn Prior>>,
}

impl Parameter {
    /// Natural values in double precision. They are the author's, so a value outside the constraint is our own bug and panics; for
    /// values from a user see [`Parameter::set`].
    pub fn new(natural: &[f64], shape: &[usize], constraint: Constraint) -> Self {
        Self::from_tensor(&Tensor::from_slice(natural, shape), constraint)
    }

    /// One natural value, without axes.
    pub fn scalar(natural: f64, constraint: Constraint) -> Self {
        Self::new(&[natural], &[], constraint)
    }

    /// Natural values in the precision of a tensor.
    pub fn from_tensor(natural: &Tensor, constraint: Constraint) -> Self {
        let values = natural.to_vec();
        if let Some(wrong) = values.iter().find(|v| !constraint.allows(**v)) {
            panic!("a parameter starts at {wrong}, outside {constraint:?}");
        }
        let free: Vec<f64> = values.iter().map(|v| constraint.free(*v)).collect();
        let leaf = leaf(&free, natural.shape(), natural.dtype());
        Self { leaf, constraint, frozen: false, prior: None }
    }

    /// An unconstrained tensor, as in a network.
    pub fn real(value: &Tensor) -> Self {
        Self::from_tensor(value, Constraint::Real)
    }

    /// The same, held fixed.
    pub fn frozen(mut self) -> Self {
        self.frozen = true;
        self
    }

    /// The same, with a prior over the natural value.
    pub fn with_prior(mut self, prior: Arc<dyn Prior>) -> Self {
        self.prior = Some(prior);
        self
    }

    /// The natural value, differentiable in [`Parameter::leaf`]; a constant while frozen.
    pub fn get(&self) -> Tensor {
        if self.frozen { self.constraint.natural(&self.leaf.detach()) } else { self.constraint.natural(&self.leaf) }
    }

    /// Natural values, row-major.
    pub fn value(&self) -> Vec<f64> {
        self.constraint.natural(&self.leaf.detach()).to_vec()
    }

    /// The unconstrained variable.
    pub fn leaf(&self) -> &Tensor {
        &self.leaf
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        self.leaf.shape()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.leaf.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.leaf.is_empty()
    }

    /// Where the natural value may lie.
    pub fn constraint(&self) -> Constraint {
        self.constraint
    }

    /// Whether optimisers leave it alone.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Holds it fixed, or lets it move.
    pub fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// The prior, if there is one.
    pub fn prior(&self) -> Option<&Arc<dyn Prior>> {
        self.prior.as_ref()
    }

    /// Gives it a prior, or takes it away.
    pub fn set_prior(&mut self, prior: Option<Arc<dyn Prior>>) {
        self.prior = prior;
    }

    /// Sets natural values.
    ///
    /// # Errors
    /// [`Error::Setting`] when there are too many or too few, or one is outside the constraint; the old values stay.
    pub fn set(&mut self, natural: &[f64]) -> Result<()> {
        let refuse = |found: String, expected: String| Error::Setting {
            setting: "parameter".into(),
            found,
            expected: expected.into(),
        };
        if natural.len() != self.len() {
            return Err(refuse(format!("{} values", natural.len()), format!("{} values", self.len())));
        }
        if let Some(wrong) = natural.iter().find(|v| !self.constraint.allows(**v)) {
            let (low, high) = self.constraint.bounds();
            return Err(refuse(format!("{wrong}"), format!("a number in ({low}, {high})")));
        }
        let free: Vec<f64> = natural.iter().map(|v| self.constraint.free(*v)).collect();
        self.set_free(&free);
        Ok(())
    }

    /// Sets unconstrained values, row-major.
    pub fn set_free(&mut self, free: &[f64]) {
        self.leaf = leaf(free, self.leaf.shape(), self.leaf.dtype());
    }

    /// The unconstrained values for changing in place; graphs that were made before keep the old ones.
    pub(crate) fn free_mut(&mut self) -> &mut Storage {
        let leaf = self.leaf.detach();
        self.leaf = leaf.variable();
        // A copy only where somebody else still looks at the values.
        Arc::make_mut(&mut self.leaf.storage)
    }

    /// Log density of the prior at the natural value, in nats; `None` without one.
    pub fn log_prior(&self) -> Option<Tensor> {
        self.prior.as_ref().map(|prior| prior.log_prob(&self.get()))
    }
}

fn leaf(free: &[f64], shape: &[usize], dtype: DType) -> Tensor {
    with_any!(dtype, T => Tensor::new(free.iter().map(|v| T::from_f64(*v)).collect::<Vec<T>>(), shape)).variable()
}
