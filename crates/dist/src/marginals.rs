//! Predictive distributions, one a row.

use crate::{Distribution, Normal, StudentT, crps};
use elbo_core::Marginals;
use elbo_tensor::special::log_sum_exp;

/// A normal distribution a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Normals {
    /// Means, `[N]`.
    pub mean: Vec<f64>,
    /// Standard deviations, `[N]`, positive.
    pub sd: Vec<f64>,
}

impl Normals {
    /// The distributions of `shift + scale * y`; `scale` is positive.
    pub fn unscaled(mut self, shift: f64, scale: f64) -> Self {
        self.mean.iter_mut().for_each(|m| *m = shift + scale * *m);
        self.sd.iter_mut().for_each(|s| *s *= scale);
        self
    }

    fn row(&self, i: usize) -> Normal {
        Normal { mean: self.mean[i], sd: self.sd[i] }
    }
}

impl Marginals for Normals {
    fn len(&self) -> usize {
        self.mean.len()
    }

    fn mean(&self, i: usize) -> f64 {
        self.mean[i]
    }

    fn sd(&self, i: usize) -> f64 {
        self.sd[i]
    }

    fn quantile(&self, i: usize, p: f64) -> f64 {
        self.row(i).quantile(p)
    }

    fn cdf(&self, i: usize, y: f64) -> f64 {
        self.row(i).cdf(y)
    }

    fn log_prob(&self, i: usize, y: f64) -> f64 {
        self.row(i).log_prob(y)
    }

    fn crps(&self, i: usize, y: f64) -> f64 {
        crps::normal(self.mean[i], self.sd[i], y)
    }
}

/// A Student-t distribution a row, with common degrees of freedom.
#[derive(Debug, Clone, PartialEq)]
pub struct StudentTs {
    /// Locations, `[N]`.
    pub location: Vec<f64>,
    /// Scales, `[N]`, positive.
    pub scale: Vec<f64>,
    /// Degrees of freedom, positive.
    pub dof: f64,
}

impl StudentTs {
    /// The distributions of `shift + scale * y`; `scale` is positive.
    pub fn unscaled(mut self, shift: f64, scale: f64) -> Self {
        self.location.iter_mut().for_each(|m| *m = shift + scale * *m);
        self.scale.iter_mut().for_each(|s| *s *= scale);
        self
    }

    fn row(&self, i: usize) -> StudentT {
        StudentT { location: self.location[i], scale: self.scale[i], dof: self.dof }
    }
}

impl Marginals for StudentTs {
    fn len(&self) -> usize {
        self.location.len()
    }

    /// The location, also where there is no mean.
    fn mean(&self, i: usize) -> f64 {
        self.location[i]
    }

    fn sd(&self, i: usize) -> f64 {
        // Not the root of the variance, which overflows from a scale of 1e154 on.
        if self.dof > 2.0 { self.scale[i] * (self.dof / (self.dof - 2.0)).sqrt() } else { f64::INFINITY }
    }

    fn quantile(&self, i: usize, p: f64) -> f64 {
        self.row(i).quantile(p)
    }

    fn cdf(&self, i: usize, y: f64) -> f64 {
        self.row(i).cdf(y)
    }

    fn log_prob(&self, i: usize, y: f64) -> f64 {
        self.row(i).log_prob(y)
    }

    fn crps(&self, i: usize, y: f64) -> f64 {
        crps::student_t(self.location[i], self.scale[i], self.dof, y)
    }
}

/// A mixture of `K` normal distributions a row.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixtures {
    components: usize,
    weights: Vec<f64>,
    means: Vec<f64>,
    sds: Vec<f64>,
}

impl GaussianMixtures {
    /// From weights, means and standard deviations, `[N, K]` row-major; each row's weights sum to one, deviations are positive.
    /// Weights of one row only, `[K]`, serve every row.
    pub fn new(components: usize, weights: Vec<f64>, means: Vec<f64>, sds: Vec<f64>) -> Self {
        assert!(
            components > 0 && means.len().is_multiple_of(components) && means.len() == sds.len(),
            "[N, K] means and deviations"
        );
        let weights = if weights.len() == components { weights.repeat(means.len() / components) } else { weights };
        assert_eq!(weights.len(), means.len(), "[N, K] or [K] weights");
        for row in weights.chunks(components) {
            let total: f64 = row.iter().sum();
            assert!((total - 1.0).abs() < 1e-9, "a mixture's weights sum to one, found {total}");
        }
        Self { components, weights, means, sds }
    }

    /// Mixtures whose parts have one mean: means `[N]`, weights `[K]` of every row, standard deviations `[N, K]` row-major.
    pub fn around(means: &[f64], weights: Vec<f64>, sds: Vec<f64>) -> Self {
        let components = weights.len();
        let means = means.iter().flat_map(|m| std::iter::repeat_n(*m, components)).collect();
        Self::new(components, weights, means, sds)
    }

    /// The distributions of `shift + scale * y`; `scale` is positive.
    pub fn unscaled(mut self, shift: f64, scale: f64) -> Self {
        self.means.iter_mut().for_each(|m| *m = shift + scale * *m);
        self.sds.iter_mut().for_each(|s| *s *= scale);
        self
    }

    /// Weights, means and deviations of row `i`, `[K]` each.
    pub fn row(&self, i: usize) -> (&[f64], &[f64], &[f64]) {
        let range = i * self.components..(i + 1) * self.components;
        (&self.weights[range.clone()], &self.means[range.clone()], &self.sds[range])
    }

    fn parts(&self, i: usize) -> impl Iterator<Item = (f64, Normal)> + '_ {
        let (weights, means, sds) = self.row(i);
        (0..self.components).map(move |k| (weights[k], Normal { mean: means[k], sd: sds[k] }))
    }
}

impl Marginals for GaussianMixtures {
    fn len(&self) -> usize {
        self.means.len() / self.components
    }

    fn mean(&self, i: usize) -> f64 {
        self.parts(i).map(|(w, n)| w * n.mean).sum()
    }

    fn sd(&self, i: usize) -> f64 {
        let mean = self.mean(i);
        // Against the greatest, whose square may overflow where the deviation does not.
        let spread = |n: &Normal| n.sd.hypot(n.mean - mean);
        let greatest = self.parts(i).map(|(_, n)| spread(&n)).fold(f64::MIN_POSITIVE, f64::max);
        greatest * self.parts(i).map(|(w, n)| w * (spread(&n) / greatest).powi(2)).sum::<f64>().sqrt()
    }

    fn quantile(&self, i: usize, p: f64) -> f64 {
        let ends = self.parts(i).filter(|(w, _)| *w > 0.0).map(|(_, n)| n.quantile(p));
        let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), q| (a.min(q), b.max(q)));
        mixture_quantile(p, low, high, |y| self.cdf(i, y))
    }

    fn cdf(&self, i: usize, y: f64) -> f64 {
        self.parts(i).map(|(w, n)| w * n.cdf(y)).sum()
    }

    fn log_prob(&self, i: usize, y: f64) -> f64 {
        let terms: Vec<f64> = self.parts(i).map(|(w, n)| w.ln() + n.log_prob(y)).collect();
        log_sum_exp(&terms)
    }

    fn crps(&self, i: usize, y: f64) -> f64 {
        let (weights, means, sds) = self.row(i);
        crps::gaussian_mixture(weights, means, sds, y)
    }
}

/// The quantile of a mixture, between the least and the greatest of its components' quantiles, by bisection with secant steps (the
/// Illinois form of false position). `cdf` is continuous.
pub fn mixture_quantile(p: f64, low: f64, high: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    let (mut a, mut b) = (low, high);
    let (mut fa, mut fb) = (cdf(a) - p, cdf(b) - p);
    // Rounding may put the root a digit outside the bracket.
    if fa >= 0.0 || a >= b {
        return a;
    }
    if fb <= 0.0 {
        return b;
    }
    let mut side = 0;
    for iteration in 0..200 {
        let secant = b - fb * (b - a) / (fb - fa);
        // Every third step halves the bracket, whatever the shape of the distribution.
        let x = if iteration % 3 == 2 || !(secant > a && secant < b) { 0.5 * (a + b) } else { secant };
        let fx = cdf(x) - p;
        if fx == 0.0 || (b - a) <= 4.0 * f64::EPSILON * a.abs().max(b.abs()) || x == a || x == b {
            return x;
        }
        if fx < 0.0 {
            (a, fa) = (x, fx);
            if side == -1 {
                fb *= 0.5;
            }
            side = -1;
        } else {
            (b, fb) = (x, fx);
            if side == 1 {
                fa *= 0.5;
            }
            side = 1;
        }
    }
    0.5 * (a + b)
}
