//! Values of the likelihoods of Gaussian processes. Arrays are `[N]`, or `[N, P]` for several latent values; Python has checked shapes.

use crate::arrays::{Reals, floats, reals};
use crate::error::raised;
use crate::fit::of_json;
use crate::prediction::cdf_at;
use crate::work::unlocked;
use elbo::core::Rng;
use elbo::gp::likelihood::{self as gp, LikelihoodConfig, MultiLikelihoodConfig};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// Several numbers a row as one array each.
fn columns<'py, const K: usize>(
    py: Python<'py>,
    rows: usize,
    of: impl Fn(usize) -> [f64; K] + Send,
) -> PyResult<[Reals<'py>; K]> {
    let rows: Vec<[f64; K]> = unlocked(py, move || (0..rows).map(of).collect())?;
    Ok(std::array::from_fn(|k| floats(py, &rows.iter().map(|row| row[k]).collect::<Vec<_>>())))
}

/// One number a row.
fn column<'py>(py: Python<'py>, rows: usize, of: impl Fn(usize) -> f64 + Send) -> PyResult<Reals<'py>> {
    let [values] = columns(py, rows, move |n| [of(n)])?;
    Ok(values)
}

/// A likelihood of one latent value.
#[pyclass(frozen, module = "elbo._native")]
pub struct Likelihood(Box<dyn gp::Likelihood>);

impl Likelihood {
    /// Targets that the likelihood supports.
    fn targets(&self, py: Python<'_>, y: &[u8]) -> PyResult<Vec<f64>> {
        let y = reals(y);
        raised(py, self.0.check_targets(&y))?;
        Ok(y)
    }
}

#[pymethods]
impl Likelihood {
    /// From its name and settings as JSON.
    #[new]
    fn new(py: Python<'_>, config: &str) -> PyResult<Self> {
        let built = of_json("likelihood", config).and_then(|config: LikelihoodConfig| config.build());
        Ok(Self(raised(py, built)?))
    }

    /// `log p(y | f)` and its first two derivatives in `f`.
    fn log_prob<'py>(&self, py: Python<'py>, y: PyBackedBytes, f: PyBackedBytes) -> PyResult<[Reals<'py>; 3]> {
        let (y, f) = (self.targets(py, &y)?, reals(&f));
        columns(py, y.len(), |n| [self.0.log_prob(y[n], f[n]), self.0.g1(y[n], f[n]), self.0.g2(y[n], f[n])])
    }

    /// `E[log p(y | f)]` under `N(mean, variance)` and its derivatives by both.
    fn expected<'py>(
        &self,
        py: Python<'py>,
        y: PyBackedBytes,
        mean: PyBackedBytes,
        variance: PyBackedBytes,
    ) -> PyResult<[Reals<'py>; 3]> {
        let (y, mean, variance) = (self.targets(py, &y)?, reals(&mean), reals(&variance));
        columns(py, y.len(), |n| {
            let found = self.0.expected(y[n], mean[n], variance[n]);
            [found.value, found.dm, found.dv]
        })
    }

    /// `log E[p(y | f)]`: the log predictive density.
    fn log_density<'py>(
        &self,
        py: Python<'py>,
        y: PyBackedBytes,
        mean: PyBackedBytes,
        variance: PyBackedBytes,
    ) -> PyResult<Reals<'py>> {
        let (y, mean, variance) = (self.targets(py, &y)?, reals(&mean), reals(&variance));
        column(py, y.len(), |n| self.0.log_density(y[n], mean[n], variance[n]))
    }

    /// Means and variances of observations.
    fn predict<'py>(&self, py: Python<'py>, mean: PyBackedBytes, variance: PyBackedBytes) -> PyResult<[Reals<'py>; 2]> {
        let (mean, variance) = (reals(&mean), reals(&variance));
        columns(py, mean.len(), |n| {
            let found = self.0.predict(mean[n], variance[n]);
            [found.mean, found.variance]
        })
    }

    /// The predictive distribution function at `y`.
    fn cdf<'py>(
        &self,
        py: Python<'py>,
        y: PyBackedBytes,
        mean: PyBackedBytes,
        variance: PyBackedBytes,
    ) -> PyResult<Reals<'py>> {
        let (y, mean, variance) = (reals(&y), reals(&mean), reals(&variance));
        column(py, y.len(), |n| cdf_at(y[n], |y| self.0.cdf(y, mean[n], variance[n])))
    }

    /// Predictive quantiles at `p` in (0, 1).
    fn quantile<'py>(
        &self,
        py: Python<'py>,
        p: f64,
        mean: PyBackedBytes,
        variance: PyBackedBytes,
    ) -> PyResult<Reals<'py>> {
        let (mean, variance) = (reals(&mean), reals(&variance));
        column(py, mean.len(), |n| self.0.quantile(p, mean[n], variance[n]))
    }

    /// For two classes, probabilities of the class 1; None for other targets.
    fn probability<'py>(
        &self,
        py: Python<'py>,
        mean: PyBackedBytes,
        variance: PyBackedBytes,
    ) -> PyResult<Option<Reals<'py>>> {
        let (mean, variance) = (reals(&mean), reals(&variance));
        let one = |(m, v): (&f64, &f64)| self.0.probability(*m, *v);
        let values: Option<Vec<f64>> = unlocked(py, || mean.iter().zip(&variance).map(one).collect())?;
        Ok(values.map(|values| floats(py, &values)))
    }

    /// One observation for each latent value.
    fn sample<'py>(&self, py: Python<'py>, f: PyBackedBytes, seed: u64) -> PyResult<Reals<'py>> {
        let draws: Vec<f64> = unlocked(py, || {
            let mut rng = Rng::new(seed);
            reals(&f).into_iter().map(|f| self.0.sample(f, &mut rng)).collect()
        })?;
        Ok(floats(py, &draws))
    }
}

/// A likelihood of several latent values.
#[pyclass(frozen, module = "elbo._native")]
pub struct MultiLikelihood(Box<dyn gp::MultiLikelihood>);

impl MultiLikelihood {
    /// Targets that the likelihood supports.
    fn targets(&self, py: Python<'_>, y: &[u8]) -> PyResult<Vec<f64>> {
        let y = reals(y);
        raised(py, self.0.check_targets(&y))?;
        Ok(y)
    }
}

#[pymethods]
impl MultiLikelihood {
    /// From its name and settings as JSON, for this many classes; the seed is that of softmax's common random numbers.
    #[new]
    fn new(py: Python<'_>, config: &str, classes: usize, seed: u64) -> PyResult<Self> {
        let built = of_json("likelihood", config)
            .and_then(|config: MultiLikelihoodConfig| config.build(classes, &mut Rng::new(seed)));
        Ok(Self(raised(py, built)?))
    }

    /// Number of latent values, `P`.
    #[getter]
    fn latents(&self) -> usize {
        self.0.latents()
    }

    /// `log p(y | f)`, `[N]`.
    fn log_prob<'py>(&self, py: Python<'py>, y: PyBackedBytes, f: PyBackedBytes) -> PyResult<Reals<'py>> {
        let (y, f) = (self.targets(py, &y)?, reals(&f));
        let p = self.0.latents();
        column(py, y.len(), |n| self.0.log_prob(y[n], &f[n * p..(n + 1) * p]))
    }

    /// `E[log p(y | f)]` or its lower bound, `[N]`, and the derivatives by means and variances, `[N, P]` each.
    fn expected<'py>(
        &self,
        py: Python<'py>,
        y: PyBackedBytes,
        mean: PyBackedBytes,
        variance: PyBackedBytes,
    ) -> PyResult<[Reals<'py>; 3]> {
        let (y, mean, variance) = (self.targets(py, &y)?, reals(&mean), reals(&variance));
        let p = self.0.latents();
        let [values, dm, dv] = unlocked(py, || {
            let (mut values, mut dm, mut dv) = (vec![0.0; y.len()], vec![0.0; mean.len()], vec![0.0; mean.len()]);
            for n in 0..y.len() {
                let row = n * p..(n + 1) * p;
                let (mean, variance) = (&mean[row.clone()], &variance[row.clone()]);
                values[n] = self.0.expected(y[n], mean, variance, &mut dm[row.clone()], &mut dv[row]);
            }
            [values, dm, dv]
        })?;
        Ok([floats(py, &values), floats(py, &dm), floats(py, &dv)])
    }

    /// `log E[p(y | f)]`, `[N]`: the log predictive density or probability.
    fn log_density<'py>(
        &self,
        py: Python<'py>,
        y: PyBackedBytes,
        mean: PyBackedBytes,
        variance: PyBackedBytes,
    ) -> PyResult<Reals<'py>> {
        let (y, mean, variance) = (self.targets(py, &y)?, reals(&mean), reals(&variance));
        let p = self.0.latents();
        column(py, y.len(), |n| {
            let row = n * p..(n + 1) * p;
            self.0.log_density(y[n], &mean[row.clone()], &variance[row])
        })
    }

    /// One observation for each row of latent values.
    fn sample<'py>(&self, py: Python<'py>, f: PyBackedBytes, seed: u64) -> PyResult<Reals<'py>> {
        let draws: Vec<f64> = unlocked(py, || {
            let (f, mut rng) = (reals(&f), Rng::new(seed));
            f.chunks_exact(self.0.latents()).map(|f| self.0.sample(f, &mut rng)).collect()
        })?;
        Ok(floats(py, &draws))
    }
}
