//! Parameters of families from unconstrained numbers, as optimisers, samplers and networks have them.

use super::{
    Bernoulli, Beta, Binomial, Categorical, Concrete, ContinuousBernoulli, Dirichlet, DiscretisedLogistic, Exponential,
    Gamma, GeneralisedNormal, Geometric, Gumbel, HalfCauchy, HalfNormal, Hurdle, Independent, InverseGamma,
    InverseGaussian, Kumaraswamy, Laplace, LogNormal, Logistic, LogitNormal, LowRankNormal, Mixture, Multinomial,
    MultivariateNormal, MultivariateStudentT, NegativeBinomial, Normal, Pareto, Poisson, StudentT, Uniform, VonMises,
    VonMisesFisher, Weibull, Wishart, ZeroInflated,
};
use crate::transform::{Bijector, CholeskyFactor, Ordered};
use elbo_tensor::Tensor;

/// Where a parameter lies, and how it comes from unconstrained numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Any numbers, as they are: also directions, whose length the family takes away.
    Real,
    /// Numbers above zero, $e^x$.
    Positive,
    /// Numbers above the parameter before this one, in its shape: that one plus $e^x$.
    AbovePrevious,
    /// Numbers that increase along the last axis, by [`Ordered`].
    Increasing,
    /// Cholesky factors, by [`CholeskyFactor`]: `[..., D (D + 1) / 2]` to `[..., D, D]`.
    Factor,
    /// Degrees of freedom above `D - 1`, with the `D` of the factor that is the next parameter: $D - 1 + e^x$.
    AboveFactor,
}

/// The parameters of a family in the order of its constructor, and the map to them from unconstrained numbers.
///
/// ```
/// use elbo_dist::batched::{Gamma, Unconstrained};
/// use elbo_tensor::Tensor;
/// let form = Gamma::free_form();
/// assert_eq!(form.names().collect::<Vec<_>>(), ["shape", "rate"]);
/// let (p, log_jacobian) = form.natural(&[Tensor::scalar(0.3), Tensor::scalar(-1.2)]);
/// let gamma = Gamma::new(p[0].clone(), p[1].clone());
/// assert!((gamma.shape().item() - 0.3f64.exp()).abs() < 1e-12 && (log_jacobian.item() + 0.9).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeForm {
    parameters: Vec<(&'static str, Range)>,
}

impl FreeForm {
    fn new(parameters: &[(&'static str, Range)]) -> Self {
        Self { parameters: parameters.into() }
    }

    /// This one's parameters, then those of another.
    fn then(mut self, rest: Self) -> Self {
        self.parameters.extend(rest.parameters);
        self
    }

    /// Names of the parameters.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &'static str> {
        self.parameters.iter().map(|(name, _)| *name)
    }

    /// Where the parameters lie.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range> {
        self.parameters.iter().map(|(_, range)| *range)
    }

    /// The parameters from one tensor of unconstrained numbers each, and $\log|\det \partial \text{natural} / \partial \text{free}|$ over all their elements
    /// in nats, a scalar: what a density of the parameters gains when it is written in the unconstrained numbers. Both differentiable.
    ///
    /// # Shapes
    /// Those of the parameters, but for [`Range::Factor`].
    ///
    /// # Panics
    /// For another number of tensors than there are parameters, and where the shapes of two do not fit together.
    pub fn natural(&self, free: &[Tensor]) -> (Vec<Tensor>, Tensor) {
        self.check_count(free.len());
        let mut natural: Vec<Tensor> = vec![];
        let mut log_jacobian = Tensor::zeros(&[], free[0].dtype());
        for (i, (range, x)) in self.ranges().zip(free).enumerate() {
            let image = match range {
                Range::Real => {
                    natural.push(x.clone());
                    continue;
                }
                Range::Positive => (x.exp(), x.clone()),
                Range::AbovePrevious => (previous(&natural, x) + x.exp(), x.clone()),
                Range::AboveFactor => (x.exp() + (side(&free[i + 1]) as f64 - 1.0), x.clone()),
                Range::Increasing => Ordered.forward(x),
                Range::Factor => CholeskyFactor::new(side(x)).forward(x),
            };
            natural.push(image.0);
            log_jacobian = log_jacobian + image.1.sum();
        }
        (natural, log_jacobian)
    }

    /// The unconstrained numbers of parameters; not finite where a parameter is outside its range.
    ///
    /// # Panics
    /// As [`FreeForm::natural`].
    pub fn free(&self, natural: &[Tensor]) -> Vec<Tensor> {
        self.check_count(natural.len());
        let inverse = |map: &dyn Bijector, y: &Tensor| map.inverse(y).expect("these maps have closed inverses").0;
        let parameters = self.ranges().zip(natural).enumerate();
        parameters
            .map(|(i, (range, y))| match range {
                Range::Real => y.clone(),
                Range::Positive => y.log(),
                Range::AbovePrevious => (y - previous(&natural[..i], y)).log(),
                Range::AboveFactor => (y - (natural[i + 1].size(-1) as f64 - 1.0)).log(),
                Range::Increasing => inverse(&Ordered, y),
                Range::Factor => inverse(&CholeskyFactor::new(y.size(-1)), y),
            })
            .collect()
    }

    fn check_count(&self, found: usize) {
        let parameters = &self.parameters;
        assert_eq!(found, parameters.len(), "a family with {parameters:?} was given another number of them");
    }
}

/// The parameter before one of this shape.
fn previous<'a>(before: &'a [Tensor], own: &Tensor) -> &'a Tensor {
    let previous = before.last().expect("the first parameter is above no other");
    assert_eq!(previous.shape(), own.shape(), "a parameter above another has its shape");
    previous
}

/// `D` of a triangle of `D (D + 1) / 2` numbers.
fn side(free: &Tensor) -> usize {
    let entries = free.size(-1);
    let side = (0..).find(|d| d * (d + 1) / 2 >= entries).expect("triangles grow without end");
    assert_eq!(side * (side + 1) / 2, entries, "{entries} numbers fill no triangle");
    side
}

/// A family whose parameters come from unconstrained numbers. All families of this module but [`Lkj`](super::Lkj), which has no tensors for parameters. Constants, as
/// a temperature or a number of trials, are no parameters.
pub trait Unconstrained {
    /// Its parameters, and the map to them.
    fn free_form() -> FreeForm;
}

macro_rules! unconstrained {
    ($($family:ident: $($name:ident $range:ident),+;)*) => {$(
        impl Unconstrained for $family {
            fn free_form() -> FreeForm {
                FreeForm::new(&[$((stringify!($name), Range::$range)),+])
            }
        }
    )*};
}

unconstrained! {
    Normal: mean Real, sd Positive;
    StudentT: location Real, scale Positive, dof Positive;
    Laplace: location Real, scale Positive;
    GeneralisedNormal: mean Real, scale Positive, exponent Positive;
    Logistic: location Real, scale Positive;
    Gumbel: location Real, scale Positive;
    Uniform: low Real, high AbovePrevious;
    MultivariateNormal: mean Real, chol Factor;
    LowRankNormal: mean Real, diagonal Positive, factor Real;
    MultivariateStudentT: location Real, chol Factor, dof Positive;
    Gamma: shape Positive, rate Positive;
    InverseGamma: shape Positive, scale Positive;
    LogNormal: mu Real, sigma Positive;
    Exponential: rate Positive;
    Weibull: shape Positive, scale Positive;
    HalfNormal: sd Positive;
    HalfCauchy: scale Positive;
    InverseGaussian: mean Positive, shape Positive;
    Pareto: scale Positive, shape Positive;
    Beta: a Positive, b Positive;
    Kumaraswamy: a Positive, b Positive;
    LogitNormal: mu Real, sigma Positive;
    Dirichlet: concentration Positive;
    Concrete: logits Real;
    VonMises: direction Real, concentration Positive;
    VonMisesFisher: direction Real, concentration Positive;
    Wishart: dof AboveFactor, chol Factor;
    Bernoulli: logits Real;
    Categorical: logits Real;
    Poisson: rate Positive;
    NegativeBinomial: mean Positive, dispersion Positive;
    Binomial: logits Real;
    Multinomial: logits Real;
    Geometric: logits Real;
    ContinuousBernoulli: logits Real;
    DiscretisedLogistic: location Real, log_scale Real;
}

impl Categorical {
    /// The free form of [`Categorical::ordered`].
    pub fn ordered_free_form() -> FreeForm {
        FreeForm::new(&[("location", Range::Real), ("edges", Range::Increasing)])
    }
}

impl<D: Unconstrained> Unconstrained for Independent<D> {
    fn free_form() -> FreeForm {
        D::free_form()
    }
}

/// The logits of the weights, then the parameters of the components.
impl<D: Unconstrained> Unconstrained for Mixture<D> {
    fn free_form() -> FreeForm {
        Categorical::free_form().then(D::free_form())
    }
}

/// The log odds of a forced zero, then the parameters of the base.
impl<D: Unconstrained> Unconstrained for ZeroInflated<D> {
    fn free_form() -> FreeForm {
        FreeForm::new(&[("gate", Range::Real)]).then(D::free_form())
    }
}

/// The log odds of a zero, then the parameters of the base.
impl<D: Unconstrained> Unconstrained for Hurdle<D> {
    fn free_form() -> FreeForm {
        FreeForm::new(&[("gate", Range::Real)]).then(D::free_form())
    }
}
