//! Predictions through a likelihood.

use super::Likelihood;
use elbo_core::Marginals;
use elbo_dist::Rule;
use std::sync::OnceLock;

/// Quantile levels between which the score's integrand is smooth; beyond the outermost it is negligible.
const PIECES: [f64; 7] = [1e-6, 1e-3, 0.1, 0.5, 0.9, 0.999, 1.0 - 1e-6];

/// Up to this many whole numbers the score of a count is an exact sum.
const SUMMED: f64 = 500.0;

/// Predictive distributions of observations, from Gaussian marginals of the latent value under a likelihood, in the target's unit.
#[derive(Debug, Clone)]
pub struct LikelihoodMarginals {
    likelihood: Box<dyn Likelihood>,
    mean: Vec<f64>,
    variance: Vec<f64>,
    shift: f64,
    scale: f64,
}

impl LikelihoodMarginals {
    /// From latent means and variances, `[N]`.
    pub fn new(likelihood: Box<dyn Likelihood>, mean: Vec<f64>, variance: Vec<f64>) -> Self {
        assert_eq!(mean.len(), variance.len(), "one variance for each mean");
        Self { likelihood, mean, variance, shift: 0.0, scale: 1.0 }
    }

    /// The distributions of `shift + scale * y`; `scale` is positive, and 1 for counts and classes.
    pub fn unscaled(self, shift: f64, scale: f64) -> Self {
        Self { shift: shift + scale * self.shift, scale: scale * self.scale, ..self }
    }

    fn scaled(&self, y: f64) -> f64 {
        (y - self.shift) / self.scale
    }
}

impl Marginals for LikelihoodMarginals {
    fn len(&self) -> usize {
        self.mean.len()
    }

    fn mean(&self, i: usize) -> f64 {
        let mean = self.likelihood.predict(self.mean[i], self.variance[i]).mean;
        if mean.is_nan() { self.quantile(i, 0.5) } else { self.shift + self.scale * mean }
    }

    fn sd(&self, i: usize) -> f64 {
        let variance = self.likelihood.predict(self.mean[i], self.variance[i]).variance;
        if variance.is_nan() { f64::INFINITY } else { self.scale * variance.sqrt() }
    }

    fn quantile(&self, i: usize, p: f64) -> f64 {
        self.shift + self.scale * self.likelihood.quantile(p, self.mean[i], self.variance[i])
    }

    fn cdf(&self, i: usize, y: f64) -> f64 {
        self.likelihood.cdf(self.scaled(y), self.mean[i], self.variance[i])
    }

    fn log_prob(&self, i: usize, y: f64) -> f64 {
        self.likelihood.log_density(self.scaled(y), self.mean[i], self.variance[i]) - self.scale.ln()
    }

    /// The integral of `(F(t) - 1[t >= y])^2`, piece by piece between quantiles.
    fn crps(&self, i: usize, y: f64) -> f64 {
        let miss = |t: f64| (self.cdf(i, t) - f64::from(u8::from(t >= y))).powi(2);
        let mut breaks: Vec<f64> = PIECES.iter().map(|p| self.quantile(i, *p)).chain([y]).collect();
        breaks.sort_by(f64::total_cmp);
        let (low, high) = (breaks[0], breaks[breaks.len() - 1]);
        if self.likelihood.is_discrete() && self.scale == 1.0 && high - low <= SUMMED {
            // The distribution function is constant between whole numbers (and y is one of them).
            return (0..=(high - low) as usize).map(|k| miss(low + k as f64)).sum();
        }
        static RULE: OnceLock<Rule> = OnceLock::new();
        let rule = RULE.get_or_init(|| Rule::legendre(12));
        breaks.windows(2).map(|w| rule.integrate_over(w[0], w[1], miss)).sum()
    }
}
