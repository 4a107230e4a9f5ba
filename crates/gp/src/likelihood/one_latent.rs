//! A density joined with its named parameters.

use super::density::{Density, Expected, Moments, Tilted};
use super::{Likelihood, check_support};
use elbo_core::{Result, Rng};
use elbo_tensor::{Parameter, Parameters};

/// A [`Density`] with named parameters: a [`Likelihood`].
///
/// The density keeps the parameters' natural values as plain numbers, so that evaluating one datum costs no tensor. They can only
/// change through [`Parameters::visit_mut`], which brings the numbers up to date.
#[derive(Debug, Clone)]
pub struct OneLatent<D: Density> {
    density: D,
    parameters: Vec<(&'static str, Parameter)>,
}

impl<D: Density> OneLatent<D> {
    /// With the density's parameters free to move.
    pub fn of(density: D) -> Self {
        let mut likelihood = Self { parameters: density.parameters(), density };
        likelihood.refresh();
        likelihood
    }

    /// Without parameters: the density's numbers never change.
    pub fn constant(density: D) -> Self {
        Self { parameters: vec![], density }
    }

    /// The density at the present parameter values.
    pub fn density(&self) -> &D {
        &self.density
    }

    fn refresh(&mut self) {
        if !self.parameters.is_empty() {
            let numbers: Vec<f64> = self.parameters.iter().flat_map(|(_, p)| p.value()).collect();
            self.density.set(&numbers);
        }
    }

    fn gradient(&self, fill: impl FnOnce(&mut [f64])) -> Vec<f64> {
        let mut out = vec![0.0; self.parameters.iter().map(|(_, p)| p.len()).sum()];
        if !out.is_empty() {
            fill(&mut out);
        }
        out
    }
}

impl<D: Density> Parameters for OneLatent<D> {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.parameters.iter().for_each(|(name, p)| f(name, p));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.parameters.iter_mut().for_each(|(name, p)| f(name, p));
        self.refresh();
    }
}

impl<D: Density> Likelihood for OneLatent<D> {
    fn name(&self) -> &'static str {
        D::NAME
    }

    fn description(&self) -> String {
        let show = |p: &Parameter| p.value().iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(", ");
        let parts: Vec<String> = self.parameters.iter().map(|(name, p)| format!("{name} {}", show(p))).collect();
        if parts.is_empty() { D::NAME.into() } else { format!("{} ({})", D::NAME, parts.join("; ")) }
    }

    fn log_prob(&self, y: f64, f: f64) -> f64 {
        self.density.log_prob(y, f)
    }

    fn g1(&self, y: f64, f: f64) -> f64 {
        self.density.jet(y, f).g1
    }

    fn g2(&self, y: f64, f: f64) -> f64 {
        self.density.jet(y, f).g2
    }

    fn g3(&self, y: f64, f: f64) -> f64 {
        self.density.jet(y, f).g3
    }

    fn d_log_prob(&self, y: f64, f: f64) -> Vec<f64> {
        self.gradient(|out| self.density.add_gradient(y, f, 1.0, out))
    }

    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        self.density.expected(y, mean, variance)
    }

    fn d_expected(&self, y: f64, mean: f64, variance: f64) -> Vec<f64> {
        self.gradient(|out| self.density.d_expected(y, mean, variance, out))
    }

    fn log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Tilted {
        self.density.log_tilted(y, mean, variance, alpha)
    }

    fn d_log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Vec<f64> {
        self.gradient(|out| self.density.d_log_tilted(y, mean, variance, alpha, out))
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        self.density.predict(mean, variance)
    }

    fn cdf(&self, y: f64, mean: f64, variance: f64) -> f64 {
        self.density.cdf(y, mean, variance)
    }

    fn quantile(&self, p: f64, mean: f64, variance: f64) -> f64 {
        self.density.quantile(p, mean, variance)
    }

    fn probability(&self, mean: f64, variance: f64) -> Option<f64> {
        self.density.probability(mean, variance)
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        self.density.sample(f, rng)
    }

    fn check_targets(&self, y: &[f64]) -> Result<()> {
        check_support(y, D::NAME, D::SUPPORT, D::REMEDY, |y| self.density.supports(y))
    }

    fn is_discrete(&self) -> bool {
        D::DISCRETE
    }

    fn is_log_concave(&self) -> bool {
        D::LOG_CONCAVE
    }

    fn is_conjugate(&self) -> bool {
        D::CONJUGATE
    }

    fn is_location(&self) -> bool {
        D::LOCATION
    }

    fn row(&self, _: usize) -> &dyn Likelihood {
        self
    }

    fn clone_box(&self) -> Box<dyn Likelihood> {
        Box::new(self.clone())
    }
}
