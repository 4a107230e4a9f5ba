//! Distributions: of one number, named in JSON, and of vectors. Python has checked parameters and shapes.

use crate::arrays::{Reals, floats, reals};
use crate::error::raised;
use crate::fit::of_json;
use crate::work::unlocked;
use elbo::core::{Error, Rng};
use elbo::dist::batched::{self, Batched, Kl};
use elbo::dist::{
    Bernoulli, Beta, Binomial, Categorical, Distribution, Exponential, Gamma, GeneralisedNormal, Geometric, Gumbel,
    HalfCauchy, HalfNormal, InverseGamma, InverseGaussian, Kumaraswamy, Laplace, LogNormal, Logistic,
    MultivariateNormal, NegativeBinomial, Normal, Pareto, Poisson, StudentT, Uniform, VonMises, Weibull, ZeroInflated,
    divergence,
};
use elbo::tensor::{Tensor, no_grad};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use serde::Deserialize;

/// One variant for each distribution, and what they have in common.
macro_rules! laws {
    ($($name:ident($law:ty)),+ $(,)?) => {
        #[derive(Debug, Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Law {
            $($name($law),)+
        }

        impl Law {
            fn distribution(&self) -> &dyn Distribution {
                match self {
                    $(Self::$name(law) => law,)+
                }
            }
        }
    };
}

laws! {
    Bernoulli(Bernoulli),
    Beta(Beta),
    Binomial(Binomial),
    Categorical(Categorical),
    Exponential(Exponential),
    Gamma(Gamma),
    GeneralisedNormal(GeneralisedNormal),
    Geometric(Geometric),
    Gumbel(Gumbel),
    HalfCauchy(HalfCauchy),
    HalfNormal(HalfNormal),
    InverseGamma(InverseGamma),
    InverseGaussian(InverseGaussian),
    Kumaraswamy(Kumaraswamy),
    Laplace(Laplace),
    LogNormal(LogNormal),
    Logistic(Logistic),
    NegativeBinomial(NegativeBinomial),
    Normal(Normal),
    Pareto(Pareto),
    Poisson(Poisson),
    StudentT(StudentT),
    Uniform(Uniform),
    VonMises(VonMises),
    Weibull(Weibull),
    ZeroInflatedBinomial(ZeroInflated<Binomial>),
    ZeroInflatedNegativeBinomial(ZeroInflated<NegativeBinomial>),
    ZeroInflatedPoisson(ZeroInflated<Poisson>),
}

/// `KL[q || p]` in nats, where it is closed.
fn closed_kl(q: &Law, p: &Law) -> Option<f64> {
    let value = match (q, p) {
        (Law::Bernoulli(q), Law::Bernoulli(p)) => divergence::bernoulli(q, p),
        (Law::Beta(q), Law::Beta(p)) => divergence::beta(q, p),
        (Law::Categorical(q), Law::Categorical(p)) if q.probabilities.len() == p.probabilities.len() => {
            divergence::categorical(&q.probabilities, &p.probabilities)
        }
        (Law::Gamma(q), Law::Gamma(p)) => divergence::gamma(q, p),
        (Law::GeneralisedNormal(q), Law::GeneralisedNormal(p)) if q.mean == p.mean => {
            divergence::generalised_normal(q, p)
        }
        (Law::InverseGamma(q), Law::InverseGamma(p)) => divergence::inverse_gamma(q, p),
        (Law::Laplace(q), Law::Laplace(p)) => divergence::laplace(q, p),
        (Law::Normal(q), Law::Normal(p)) => divergence::normal(q, p),
        (Law::Poisson(q), Law::Poisson(p)) => divergence::poisson(q, p),
        (Law::VonMises(q), Law::VonMises(p)) => divergence::von_mises(q, p),
        // A gamma distribution of shape one, and the image of a normal one: divergences do not change under bijections.
        (Law::Exponential(q), Law::Exponential(p)) => {
            divergence::gamma(&Gamma { shape: 1.0, rate: q.rate }, &Gamma { shape: 1.0, rate: p.rate })
        }
        (Law::LogNormal(q), Law::LogNormal(p)) => {
            divergence::normal(&Normal { mean: q.mu, sd: q.sigma }, &Normal { mean: p.mu, sd: p.sigma })
        }
        _ => return None,
    };
    Some(value)
}

/// A distribution of one number.
#[pyclass(frozen, module = "elbo._native")]
pub struct Univariate(Law);

impl Univariate {
    fn each<'py>(
        &self,
        py: Python<'py>,
        at: &[u8],
        of: impl Fn(&dyn Distribution, f64) -> f64 + Send,
    ) -> PyResult<Reals<'py>> {
        let values: Vec<f64> = unlocked(py, move || {
            let law = self.0.distribution();
            reals(at).into_iter().map(|x| of(law, x)).collect()
        })?;
        Ok(floats(py, &values))
    }
}

#[pymethods]
impl Univariate {
    /// From its name and parameters as JSON.
    #[new]
    fn new(py: Python<'_>, law: &str) -> PyResult<Self> {
        Ok(Self(raised(py, of_json("distribution", law))?))
    }

    /// Mean; infinite or NaN where there is none.
    #[getter]
    fn mean(&self) -> f64 {
        self.0.distribution().mean()
    }

    /// Variance; infinite where there is none.
    #[getter]
    fn variance(&self) -> f64 {
        self.0.distribution().variance()
    }

    /// Entropy in nats, or None where it is not closed.
    #[getter]
    fn entropy(&self) -> Option<f64> {
        self.0.distribution().entropy()
    }

    /// Log densities or log probabilities in nats.
    fn log_prob<'py>(&self, py: Python<'py>, x: PyBackedBytes) -> PyResult<Reals<'py>> {
        self.each(py, &x, |law, x| law.log_prob(x))
    }

    /// Distribution function.
    fn cdf<'py>(&self, py: Python<'py>, x: PyBackedBytes) -> PyResult<Reals<'py>> {
        self.each(py, &x, |law, x| law.cdf(x))
    }

    /// Quantiles at probabilities in (0, 1).
    fn quantile<'py>(&self, py: Python<'py>, p: PyBackedBytes) -> PyResult<Reals<'py>> {
        self.each(py, &p, |law, p| law.quantile(p))
    }

    /// Draws `[count]`.
    fn sample<'py>(&self, py: Python<'py>, count: usize, seed: u64) -> PyResult<Reals<'py>> {
        let draws: Vec<f64> = unlocked(py, || {
            let (law, mut rng) = (self.0.distribution(), Rng::new(seed));
            (0..count).map(|_| law.sample(&mut rng)).collect()
        })?;
        Ok(floats(py, &draws))
    }

    /// `KL[self || p]` in nats, or None where it is not closed.
    fn kl(&self, p: PyRef<'_, Self>) -> Option<f64> {
        closed_kl(&self.0, &p.0)
    }
}

enum VectorLaw {
    Normal(batched::MultivariateNormal),
    Dirichlet(batched::Dirichlet),
}

/// A distribution of a vector.
#[pyclass(frozen, module = "elbo._native")]
pub struct Multivariate {
    law: VectorLaw,
    /// What was added to a covariance's diagonal, where it is worth telling.
    #[pyo3(get)]
    jitter: Option<f64>,
}

impl Multivariate {
    fn law(&self) -> &dyn Batched {
        match &self.law {
            VectorLaw::Normal(law) => law,
            VectorLaw::Dirichlet(law) => law,
        }
    }
}

/// A closed moment for Python.
fn moment<'py>(py: Python<'py>, value: Option<Tensor>) -> Reals<'py> {
    floats(py, &value.expect("both families have closed moments").to_vec())
}

#[pymethods]
impl Multivariate {
    /// Normal with mean `[D]` and covariance `[D, D]`.
    #[staticmethod]
    fn normal(py: Python<'_>, mean: PyBackedBytes, covariance: PyBackedBytes) -> PyResult<Self> {
        let made = unlocked(py, || MultivariateNormal::from_covariance(reals(&mean), reals(&covariance)))?;
        let (plain, jitter) = raised(py, made.map_err(Error::from))?;
        let d = plain.dimension();
        let chol = Tensor::from_slice(plain.chol(), &[d, d]).tril(0);
        let law = batched::MultivariateNormal::new(Tensor::from_slice(plain.mean(), &[d]), chol);
        Ok(Self { law: VectorLaw::Normal(law), jitter: jitter.is_worth_reporting().then_some(jitter.absolute) })
    }

    /// Dirichlet with concentrations `[K]`.
    #[staticmethod]
    fn dirichlet(concentration: PyBackedBytes) -> Self {
        let values = reals(&concentration);
        let shape = [values.len()];
        Self { law: VectorLaw::Dirichlet(batched::Dirichlet::new(Tensor::from_vec(values, &shape))), jitter: None }
    }

    /// Mean `[D]`.
    #[getter]
    fn mean<'py>(&self, py: Python<'py>) -> Reals<'py> {
        moment(py, self.law().mean())
    }

    /// Variance of each coordinate, `[D]`.
    #[getter]
    fn variance<'py>(&self, py: Python<'py>) -> Reals<'py> {
        moment(py, self.law().variance())
    }

    /// Entropy in nats.
    #[getter]
    fn entropy(&self) -> f64 {
        self.law().entropy().expect("both families have a closed entropy").item()
    }

    /// Log densities `[N]` in nats at `x: [N, D]`.
    fn log_prob<'py>(&self, py: Python<'py>, x: PyBackedBytes) -> PyResult<Reals<'py>> {
        let values = unlocked(py, || {
            let (values, d) = (reals(&x), self.law().event_shape()[0]);
            let rows = values.len() / d;
            let x = Tensor::from_vec(values, &[rows, d]);
            no_grad(|| self.law().log_prob(&x)).to_vec()
        })?;
        Ok(floats(py, &values))
    }

    /// Draws `[count, D]`.
    fn sample<'py>(&self, py: Python<'py>, count: usize, seed: u64) -> PyResult<Reals<'py>> {
        let draws = unlocked(py, || self.law().sample(&[count], &mut Rng::new(seed)).to_vec())?;
        Ok(floats(py, &draws))
    }

    /// `KL[self || p]` in nats of two distributions of one dimension, or None where it is not closed.
    fn kl(&self, p: PyRef<'_, Self>) -> Option<f64> {
        let value = match (&self.law, &p.law) {
            (VectorLaw::Normal(q), VectorLaw::Normal(p)) => q.kl(p),
            (VectorLaw::Dirichlet(q), VectorLaw::Dirichlet(p)) => q.kl(p),
            _ => return None,
        };
        Some(value.item())
    }
}
