//! Gaussian noise whose level is a second latent function.

use super::check_support;
use super::multi::MultiLikelihood;
use elbo_core::{Prediction, Result, Rng};
use elbo_dist::{GaussianMixtures, Rule};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{Parameter, Parameters};

/// `y = f_0 + exp(f_1) noise`: two latents, the mean and the log standard deviation; no parameters. Expectations are in closed form,
/// predictions are mixtures of 20 normal distributions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Heteroscedastic;

impl Heteroscedastic {
    /// Predictive mixtures for rows of marginals `[N, 2]`.
    pub fn marginals(&self, mean: &[f64], variance: &[f64]) -> GaussianMixtures {
        let rule = Rule::hermite20();
        let (mut means, mut sds) = (vec![], vec![]);
        for (m, v) in mean.chunks(2).zip(variance.chunks(2)) {
            for x in &rule.nodes {
                means.push(m[0]);
                sds.push((v[0] + (2.0 * (m[1] + v[1].sqrt() * x)).exp()).sqrt());
            }
        }
        GaussianMixtures::new(rule.len(), rule.weights.clone(), means, sds)
    }
}

impl Parameters for Heteroscedastic {
    fn visit(&self, _: &mut dyn FnMut(&str, &Parameter)) {}

    fn visit_mut(&mut self, _: &mut dyn FnMut(&str, &mut Parameter)) {}
}

impl MultiLikelihood for Heteroscedastic {
    fn name(&self) -> &'static str {
        "heteroscedastic"
    }

    fn description(&self) -> String {
        "heteroscedastic (mean and log standard deviation are latent)".into()
    }

    fn latents(&self) -> usize {
        2
    }

    fn log_prob(&self, y: f64, f: &[f64]) -> f64 {
        -LOG_SQRT_TAU - f[1] - 0.5 * (y - f[0]).powi(2) * (-2.0 * f[1]).exp()
    }

    fn expected(&self, y: f64, mean: &[f64], variance: &[f64], dm: &mut [f64], dv: &mut [f64]) -> f64 {
        // E exp(-2 f_1).
        let precision = (2.0 * (variance[1] - mean[1])).exp();
        let error = y - mean[0];
        let square = precision * (error * error + variance[0]);
        (dm[0], dm[1]) = (precision * error, square - 1.0);
        (dv[0], dv[1]) = (-0.5 * precision, -square);
        -LOG_SQRT_TAU - mean[1] - 0.5 * square
    }

    fn location(&self) -> Option<usize> {
        Some(0)
    }

    fn d_expected(&self, _: f64, _: &[f64], _: &[f64]) -> Vec<f64> {
        vec![]
    }

    fn log_density(&self, y: f64, mean: &[f64], variance: &[f64]) -> f64 {
        elbo_core::Marginals::log_prob(&self.marginals(mean, variance), 0, y)
    }

    fn prediction(&self, mean: &[f64], variance: &[f64], (shift, scale): (f64, f64), _: &[String]) -> Prediction {
        Prediction::Numbers(Box::new(self.marginals(mean, variance).unscaled(shift, scale)))
    }

    fn sample(&self, f: &[f64], rng: &mut Rng) -> f64 {
        f[0] + f[1].exp() * rng.normal()
    }

    fn check_targets(&self, y: &[f64]) -> Result<()> {
        check_support(y, self.name(), "finite numbers", "remove rows without a target", |_| true)
    }

    fn clone_box(&self) -> Box<dyn MultiLikelihood> {
        Box::new(*self)
    }
}
