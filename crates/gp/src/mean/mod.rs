//! Mean functions.
//!
//! | the function, far from data | use | in a configuration |
//! |---|---|---|
//! | returns to zero, that is, to the mean of a standardised target | [`Zero`] | `{ type = "zero" }` |
//! | returns to an unknown level | [`Trend`] of degree 0 | `{ type = "constant" }` |
//! | follows a line | [`Trend`] of degree 1 | `{ type = "linear" }` |
//! | follows a parabola or cubic | [`Trend`] of degree 2 or 3 | `{ type = "polynomial", degree = 2 }` |
//! | is a combination of functions you know | [`FixedBasis`] | in code |
//!
//! Coefficients are parameters to be optimised. To integrate them out instead (universal kriging), see
//! [`ExactGp::with_integrated_mean`](crate::exact::ExactGp::with_integrated_mean). To add a mean, implement [`Mean`].

mod basis;

use std::sync::Arc;

use elbo_core::{Config, Result, ensure, ensure_within};
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use basis::Basis;

/// The mean of a process before any data.
pub trait Mean: Parameters + Send + Sync {
    /// Means at the points. `x: [N, D]`, returns `[N]`, differentiable in the points and the parameters.
    fn value(&self, x: &Tensor) -> Tensor;

    /// The functions it combines, `H`: `[N, p]`; `None` where it is not a linear combination of known functions.
    fn basis(&self, x: &Tensor) -> Option<Tensor>;

    /// Whether it is zero everywhere, so that nothing need be added.
    fn is_zero(&self) -> bool {
        false
    }

    /// One line for people.
    fn summary(&self) -> String;

    /// A copy with parameters of its own.
    fn clone_box(&self) -> Box<dyn Mean>;
}

impl Clone for Box<dyn Mean> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

/// Zero everywhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Zero;

impl Parameters for Zero {
    fn visit(&self, _: &mut dyn FnMut(&str, &Parameter)) {}
    fn visit_mut(&mut self, _: &mut dyn FnMut(&str, &mut Parameter)) {}
}

impl Mean for Zero {
    fn value(&self, x: &Tensor) -> Tensor {
        Tensor::zeros(&[x.size(0)], x.dtype())
    }

    fn basis(&self, x: &Tensor) -> Option<Tensor> {
        Some(Tensor::zeros(&[x.size(0), 0], x.dtype()))
    }

    fn is_zero(&self) -> bool {
        true
    }

    fn summary(&self) -> String {
        "zero".into()
    }

    fn clone_box(&self) -> Box<dyn Mean> {
        Box::new(*self)
    }
}

/// A polynomial of the numeric columns with a shift for every categorical level, `m(x) = h(x) · c`; see [`Basis`].
///
/// Parameters: `coefficients` `[p]`, starting at zero.
#[derive(Debug, Clone)]
pub struct Trend {
    basis: Basis,
    /// `c`.
    pub coefficients: Parameter,
}

impl Trend {
    /// A trend with these basis functions.
    pub fn new(basis: Basis) -> Self {
        let p = basis.len();
        Self { basis, coefficients: Parameter::new(&vec![0.0; p], &[p], Constraint::Real) }
    }
}

impl Parameters for Trend {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        f("coefficients", &self.coefficients);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("coefficients", &mut self.coefficients);
    }
}

impl Mean for Trend {
    fn value(&self, x: &Tensor) -> Tensor {
        self.basis.matrix(x).matmul(&self.coefficients.get())
    }

    fn basis(&self, x: &Tensor) -> Option<Tensor> {
        Some(self.basis.matrix(x))
    }

    fn summary(&self) -> String {
        format!("{} with {} coefficients", self.basis.summary(), self.basis.len())
    }

    fn clone_box(&self) -> Box<dyn Mean> {
        Box::new(self.clone())
    }
}

type BasisFn = Arc<dyn Fn(&Tensor) -> Tensor + Send + Sync>;

/// A linear combination of functions given in code, `m(x) = h(x) · c`.
///
/// Parameters: `coefficients` `[p]`, starting at zero.
#[derive(Clone)]
pub struct FixedBasis {
    functions: BasisFn,
    /// `c`.
    pub coefficients: Parameter,
}

impl FixedBasis {
    /// `functions` maps `[N, D]` to `[N, count]`, row by row.
    pub fn new(count: usize, functions: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static) -> Self {
        Self {
            functions: Arc::new(functions),
            coefficients: Parameter::new(&vec![0.0; count], &[count], Constraint::Real),
        }
    }
}

impl Parameters for FixedBasis {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        f("coefficients", &self.coefficients);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("coefficients", &mut self.coefficients);
    }
}

impl Mean for FixedBasis {
    fn value(&self, x: &Tensor) -> Tensor {
        (self.functions)(x).matmul(&self.coefficients.get())
    }

    fn basis(&self, x: &Tensor) -> Option<Tensor> {
        Some((self.functions)(x))
    }

    fn summary(&self) -> String {
        format!("combination of {} given functions", self.coefficients.get().len())
    }

    fn clone_box(&self) -> Box<dyn Mean> {
        Box::new(self.clone())
    }
}

/// The mean function as written in a configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum MeanConfig {
    /// Zero everywhere; the target is standardised.
    #[default]
    Zero,
    /// An unknown level.
    Constant,
    /// A linear function.
    Linear,
    /// A polynomial with all mixed terms.
    Polynomial {
        /// Its degree, 1 to 3.
        #[schemars(range(min = 1, max = 3))]
        degree: usize,
    },
}

/// Basis functions beyond which a trend is more likely a mistake.
const MOST_FUNCTIONS: usize = 1000;

impl Config for MeanConfig {
    fn check(&self) -> Result<()> {
        match self {
            Self::Polynomial { degree } => ensure_within("mean.degree", *degree, 1..=3),
            _ => Ok(()),
        }
    }
}

impl MeanConfig {
    /// The functions that it combines, for columns with these numbers of levels, zero for a numeric one; `None` for the zero mean.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a degree out of range, or with more than a thousand terms.
    pub fn basis(&self, levels: &[usize]) -> Result<Option<Basis>> {
        self.check()?;
        let degree = match self {
            Self::Zero => return Ok(None),
            Self::Constant => 0,
            Self::Linear => 1,
            Self::Polynomial { degree } => *degree,
        };
        let basis = Basis::polynomial(levels, degree);
        let p = basis.len();
        ensure("mean", format!("a trend with {p} terms"), p <= MOST_FUNCTIONS, "at most 1000 terms; lower the degree")?;
        Ok(Some(basis))
    }

    /// The mean for columns with these numbers of levels, zero for a numeric one.
    ///
    /// # Errors
    /// As [`MeanConfig::basis`].
    pub fn build(&self, levels: &[usize]) -> Result<Box<dyn Mean>> {
        let mean: Box<dyn Mean> = match self.basis(levels)? {
            Some(basis) => Box::new(Trend::new(basis)),
            None => Box::new(Zero),
        };
        Ok(mean)
    }
}
