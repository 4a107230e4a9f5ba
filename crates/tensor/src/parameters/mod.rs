//! Named, constrained, freezable values: what optimisers move, files store and reports print.
//!
//! A [`Parameter`] holds an unconstrained tensor, a variable of the graph, and a [`Constraint`] that maps it to the natural value. A
//! model implements [`Parameters`] by naming its members:
//!
//! ```
//! use elbo_tensor::{Constraint, Parameter, Parameters, nested, nested_mut};
//!
//! struct Kernel { variance: Parameter, lengthscale: Parameter }
//!
//! impl Parameters for Kernel {
//!     fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
//!         f("variance", &self.variance);
//!         f("lengthscale", &self.lengthscale);
//!     }
//!     fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
//!         f("variance", &mut self.variance);
//!         f("lengthscale", &mut self.lengthscale);
//!     }
//! }
//!
//! struct Model { kernel: Kernel }
//!
//! impl Parameters for Model {
//!     fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) { nested("kernel", &self.kernel, f) }
//!     fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) { nested_mut("kernel", &mut self.kernel, f) }
//! }
//!
//! let mut model = Model { kernel: Kernel {
//!     variance: Parameter::scalar(2.0, Constraint::Positive),
//!     lengthscale: Parameter::new(&[0.5, 1.5], &[2], Constraint::Positive),
//! } };
//! assert_eq!(model.names(), ["kernel.variance", "kernel.lengthscale"]);
//! let free = model.pack();
//! assert_eq!(free[0], 2f64.ln());
//! model.unpack(&free);
//! # assert!((model.kernel.variance.get().item() - 2.0).abs() < 1e-15);
//! ```

mod constraint;
mod members;
mod parameter;

pub use constraint::Constraint;
pub use members::{nested, nested_mut};
pub use parameter::{Parameter, Prior};

use crate::dtype::DType;
use crate::tensor::Tensor;
use elbo_core::{Error, ModelFile, Result};

/// A parameter as it is printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Dotted name.
    pub name: String,
    /// The sizes of its axes.
    pub shape: Vec<usize>,
    /// Natural values, row-major.
    pub value: Vec<f64>,
    /// Open interval of natural values.
    pub bounds: (f64, f64),
    /// Whether it is held fixed.
    pub frozen: bool,
    /// The prior's text.
    pub prior: Option<String>,
}

/// Anything with parameters. Implement the two walks, in the same order; the rest follows.
pub trait Parameters {
    /// Calls `f` with each parameter and its dotted name.
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter));

    /// Calls `f` with each parameter, for changing, in the order of [`Parameters::visit`].
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter));

    /// All dotted names.
    fn names(&self) -> Vec<String> {
        let mut names = vec![];
        self.visit(&mut |name, _| names.push(name.to_owned()));
        names
    }

    /// The variables that are not frozen, in order.
    fn leaves(&self) -> Vec<Tensor> {
        let mut leaves = vec![];
        self.visit(&mut |_, p| {
            if !p.frozen {
                leaves.push(p.leaf.clone());
            }
        });
        leaves
    }

    /// Lengths and types of the variables that are not frozen, in order: what the memory of an optimiser is made for.
    fn parts(&self) -> Vec<(usize, crate::DType)> {
        self.leaves().iter().map(|leaf| (leaf.len(), leaf.dtype())).collect()
    }

    /// Unconstrained values of what is not frozen, one after the other.
    fn pack(&self) -> Vec<f64> {
        let mut flat = vec![];
        self.visit(&mut |_, p| {
            if !p.frozen {
                flat.extend_from_slice(&p.leaf.as_f64());
            }
        });
        flat
    }

    /// Sets what is not frozen from [`Parameters::pack`]'s order. The length must agree.
    fn unpack(&mut self, flat: &[f64]) {
        let mut rest = flat;
        self.visit_mut(&mut |name, p| {
            if !p.frozen {
                assert!(rest.len() >= p.len(), "`unpack` has {} values left for `{name}`", rest.len());
                let (head, tail) = rest.split_at(p.len());
                p.set_free(head);
                rest = tail;
            }
        });
        assert!(rest.is_empty(), "`unpack` was given {} values too many", rest.len());
    }

    /// Gradient of a scalar in [`Parameters::pack`]'s order.
    fn gradient(&self, output: &Tensor) -> Vec<f64> {
        let leaves = self.leaves();
        let inputs: Vec<&Tensor> = leaves.iter().collect();
        crate::grad(output, &inputs).iter().flat_map(|g| g.to_vec()).collect()
    }

    /// Sum of the log priors of natural values, in nats; zero without any.
    fn log_prior(&self) -> Tensor {
        let mut terms = vec![];
        self.visit(&mut |_, p| terms.extend(p.log_prior()));
        terms.into_iter().sum()
    }

    /// Sum of the log-Jacobians of the free parameters' constraints: what a density of natural values gains when it is written in
    /// [`Parameters::pack`]'s numbers.
    fn log_jacobian(&self) -> Tensor {
        let mut terms = vec![];
        self.visit(&mut |_, p| {
            if !p.is_frozen() {
                terms.push(p.constraint().log_jacobian(p.leaf()).sum());
            }
        });
        terms.into_iter().sum()
    }

    /// Holds every parameter fixed, or lets all move.
    fn set_all_frozen(&mut self, frozen: bool) {
        self.visit_mut(&mut |_, p| p.frozen = frozen);
    }

    /// Sets one parameter by name, in natural values.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest name, [`Error::Setting`] for a value outside the constraint.
    fn assign(&mut self, name: &str, natural: &[f64]) -> Result<()> {
        let mut outcome = None;
        self.visit_mut(&mut |known, p| {
            if known == name {
                outcome = Some(p.set(natural));
            }
        });
        outcome.unwrap_or_else(|| Err(Error::unknown("parameter", name, self.names().iter().map(String::as_str))))
    }

    /// Everything a report prints.
    fn describe(&self) -> Vec<Description> {
        let mut found = vec![];
        self.visit(&mut |name, p| {
            found.push(Description {
                name: name.to_owned(),
                shape: p.shape().to_vec(),
                value: p.value(),
                bounds: p.constraint.bounds(),
                frozen: p.frozen,
                prior: p.prior.as_ref().map(|prior| prior.describe()),
            });
        });
        found
    }

    /// Stores the unconstrained values, bit for bit and in their own precision, as arrays `prefix.name`, frozen ones too.
    fn write_to(&self, file: &mut ModelFile, prefix: &str) {
        self.visit(&mut |name, p| match p.leaf.dtype() {
            DType::F32 => file.put_f32(&join(prefix, name), p.shape(), &p.leaf.as_slice::<f32>()),
            _ => file.put(&join(prefix, name), p.shape(), &p.leaf.as_f64()),
        });
    }

    /// Takes back what [`Parameters::write_to`] stored.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when an array is absent, has another shape or precision, or holds numbers that are not finite or stand for none.
    fn read_from(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let mut outcome = Ok(());
        self.visit_mut(&mut |name, p| {
            let array = join(prefix, name);
            let dtype = p.leaf.dtype();
            let values = match dtype {
                DType::F32 => file.get_f32_as(&array, p.shape()).map(|v| v.into_iter().map(f64::from).collect()),
                _ => file.get_as(&array, p.shape()),
            };
            let read = values.and_then(|values: Vec<f64>| {
                match values.iter().find(|v| !p.constraint.is_natural(**v, dtype)) {
                    Some(free) => {
                        Err(Error::misfit(format!("array `{array}` holds {free}, too large for what it stands for")))
                    }
                    None => {
                        p.set_free(&values);
                        Ok(())
                    }
                }
            });
            if outcome.is_ok() {
                outcome = read;
            }
        });
        outcome
    }
}

/// A constant of this shape, as a model file holds it.
///
/// # Errors
/// [`Error::ModelFile`] when it is absent, of another shape, or not finite.
pub fn stored(file: &ModelFile, name: &str, shape: &[usize]) -> Result<Tensor> {
    Ok(Tensor::from_vec(file.get_as(name, shape)?, shape))
}

/// Implements [`Parameters`] for a type by its members that have parameters, in this order: `parameters!(Linear { weight, bias })`, or
/// with other names, `parameters!(Linear { "w": weight, "b": bias })`. A member called `""` gives its parameters without a name in front.
#[macro_export]
macro_rules! parameters {
    (@named $type:ty { $($name:expr, $member:ident;)* }) => {
        impl $crate::Parameters for $type {
            fn visit(&self, f: &mut dyn FnMut(&str, &$crate::Parameter)) {
                $($crate::nested($name, &self.$member, f);)*
                let _ = f;
            }
            fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut $crate::Parameter)) {
                $($crate::nested_mut($name, &mut self.$member, f);)*
                let _ = f;
            }
        }
    };
    ($type:ty { $($name:literal: $member:ident),+ $(,)? }) => {
        $crate::parameters!(@named $type { $($name, $member;)* });
    };
    ($type:ty { $($member:ident),* $(,)? }) => {
        $crate::parameters!(@named $type { $(stringify!($member), $member;)* });
    };
}

fn join(prefix: &str, name: &str) -> String {
    match (prefix, name) {
        ("", name) => name.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, name) => format!("{prefix}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_a_constraint_are_refused_and_change_nothing() {
        let mut p =
            vec![Parameter::scalar(2.0, Constraint::Interval(1.0, 4.0)), Parameter::scalar(0.0, Constraint::Real)];
        let error = p.assign("0", &[4.0]).unwrap_err().to_string();
        assert!(error.contains("(1, 4)"), "{error}");
        assert!(p.assign("1", &[f64::NAN]).is_err() && p.assign("0", &[2.0, 3.0]).is_err());
        assert!(p.assign("2", &[1.0]).unwrap_err().to_string().contains("unknown parameter"));
        assert!((p[0].value()[0] - 2.0).abs() < 1e-15);
    }

    #[test]
    fn frozen_parameters_are_neither_packed_nor_differentiated_but_stored() {
        let mut p =
            vec![Parameter::scalar(2.0, Constraint::Positive).frozen(), Parameter::scalar(3.0, Constraint::Real)];
        assert_eq!(p.pack(), [3.0]);
        assert!(!p[0].get().is_tracked());
        p.unpack(&[5.0]);
        let mut file = ModelFile::new("test");
        p.write_to(&mut file, "model");
        assert_eq!(file.names().collect::<Vec<_>>(), ["model.0", "model.1"]);
        let mut back = vec![Parameter::scalar(1.0, Constraint::Positive), Parameter::scalar(1.0, Constraint::Real)];
        back.read_from(&file, "model").unwrap();
        assert_eq!(back[0].leaf().item().to_bits(), 2f64.ln().to_bits());
        assert_eq!(back[1].value(), [5.0]);
        let forged: [(&[usize], &[f64]); 3] = [(&[2], &[1.0, 2.0]), (&[], &[f64::NAN]), (&[], &[1e4])];
        for (shape, values) in forged {
            file.put("model.0", shape, values);
            let error = back.read_from(&file, "model").unwrap_err();
            assert!(matches!(error, Error::ModelFile { .. }) && error.to_string().contains("model.0"), "{error}");
        }
        // e^100 is a double, and no single.
        let mut single = vec![Parameter::from_tensor(&Tensor::full(&[1], 1.0, DType::F32), Constraint::Positive)];
        file.put_f32("single.0", &[1], &[100.0]);
        assert!(single.read_from(&file, "single").is_err());
        let loss = back[0].get() * back[1].get();
        assert!((back.gradient(&loss)[0] - 10.0).abs() < 1e-14);
    }
}
