//! Gaussian noise whose variance is known for each row.

use super::density::{Expected, Moments, Tilted};
use super::{Gaussian, GaussianDensity, Likelihood};
use elbo_core::{Error, Result, Rng};
use elbo_tensor::{Parameter, Parameters};

/// Gaussian noise of a known variance a row; no parameters. Rows are told apart by [`Likelihood::row`] and [`Likelihood::select`];
/// asked without a row, as for a new one, it answers with the mean of the known variances.
#[derive(Debug, Clone)]
pub struct KnownNoise {
    rows: Vec<Gaussian>,
    other: Gaussian,
}

impl KnownNoise {
    /// Variances, `[N]`.
    ///
    /// # Errors
    /// [`Error::Data`] when there are none, or one is not a positive number.
    pub fn new(variances: &[f64]) -> Result<Self> {
        if variances.is_empty() {
            return Err(Error::data("there are no noise variances", "give one positive variance for each row"));
        }
        if let Some(i) = variances.iter().position(|v| !(*v > 0.0 && v.is_finite())) {
            let message = format!("the noise variance in row {} is {}", i + 1, variances[i]);
            return Err(Error::data(
                message,
                "give a positive variance (not a standard deviation of zero) for each row",
            ));
        }
        let fixed = |variance: f64| Gaussian::constant(GaussianDensity { variance });
        let mean = variances.iter().sum::<f64>() / variances.len() as f64;
        Ok(Self { rows: variances.iter().map(|v| fixed(*v)).collect(), other: fixed(mean) })
    }
}

impl Parameters for KnownNoise {
    fn visit(&self, _: &mut dyn FnMut(&str, &Parameter)) {}

    fn visit_mut(&mut self, _: &mut dyn FnMut(&str, &mut Parameter)) {}
}

impl Likelihood for KnownNoise {
    fn name(&self) -> &'static str {
        "known_noise"
    }

    fn description(&self) -> String {
        format!("known_noise ({} variances, mean {:.4})", self.rows.len(), self.other.density().variance)
    }

    fn log_prob(&self, y: f64, f: f64) -> f64 {
        self.other.log_prob(y, f)
    }

    fn g1(&self, y: f64, f: f64) -> f64 {
        self.other.g1(y, f)
    }

    fn g2(&self, y: f64, f: f64) -> f64 {
        self.other.g2(y, f)
    }

    fn g3(&self, y: f64, f: f64) -> f64 {
        self.other.g3(y, f)
    }

    fn d_log_prob(&self, _: f64, _: f64) -> Vec<f64> {
        vec![]
    }

    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        self.other.expected(y, mean, variance)
    }

    fn d_expected(&self, _: f64, _: f64, _: f64) -> Vec<f64> {
        vec![]
    }

    fn log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Tilted {
        self.other.log_tilted(y, mean, variance, alpha)
    }

    fn d_log_tilted(&self, _: f64, _: f64, _: f64, _: f64) -> Vec<f64> {
        vec![]
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        self.other.predict(mean, variance)
    }

    fn cdf(&self, y: f64, mean: f64, variance: f64) -> f64 {
        self.other.cdf(y, mean, variance)
    }

    fn quantile(&self, p: f64, mean: f64, variance: f64) -> f64 {
        self.other.quantile(p, mean, variance)
    }

    fn probability(&self, _: f64, _: f64) -> Option<f64> {
        None
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        self.other.sample(f, rng)
    }

    fn check_targets(&self, y: &[f64]) -> Result<()> {
        if y.len() != self.rows.len() {
            let message = format!("there are {} targets and {} noise variances", y.len(), self.rows.len());
            return Err(Error::data(message, "give one positive variance for each row"));
        }
        self.other.check_targets(y)
    }

    fn is_discrete(&self) -> bool {
        false
    }

    fn is_log_concave(&self) -> bool {
        true
    }

    fn is_conjugate(&self) -> bool {
        true
    }

    fn is_location(&self) -> bool {
        true
    }

    fn row(&self, n: usize) -> &dyn Likelihood {
        &self.rows[n]
    }

    fn select(&self, rows: &[usize]) -> Box<dyn Likelihood> {
        Box::new(Self { rows: rows.iter().map(|n| self.rows[*n].clone()).collect(), other: self.other.clone() })
    }

    fn clone_box(&self) -> Box<dyn Likelihood> {
        Box::new(self.clone())
    }
}
