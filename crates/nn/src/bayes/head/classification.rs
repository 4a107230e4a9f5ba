//! Last layers for classes.

use super::{Head, HeadConfig, normal_log_prob};
use crate::bayes::{Covariance, Gaussians};
use elbo_core::{Result, Rng};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor, nested, nested_mut, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rounds of the fixed point of the tilted bound.
const ROUNDS: usize = 3;

/// How the expected log of a sum of exponentials is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// By the log of the expected sum.
    #[default]
    Jensen,
    /// By the tilted bound, which is tighter.
    Tilted,
}

impl Bound {
    /// Upper bound on the expected `log Σ_k exp(z_k)` of independent normal logits, `[B]`. `mean`, `variance: [B, K]`.
    ///
    /// $$ \log \sum_k \exp(m_k + v_k / 2), \qquad
    ///    \tfrac12 \sum_k a_k^2 v_k + \log \sum_k \exp\{ m_k + (1 - 2 a_k) v_k / 2 \} $$
    ///
    /// # Source
    /// Knowles and Minka (2011) for the tilted bound, whose tilt a is a few rounds of its fixed point.
    pub fn log_sum_exp(self, mean: &Tensor, variance: &Tensor) -> Tensor {
        match self {
            Self::Jensen => (mean + variance * 0.5).log_sum_exp(-1, false),
            Self::Tilted => {
                // Valid for any tilt, so the tilt is not differentiated.
                let (m, v) = (mean.detach(), variance.detach());
                let exponent = |tilt: &Tensor| &m + (tilt * -2.0 + 1.0) * &v * 0.5;
                let tilt = (0..ROUNDS).fold(m.zeros_like(), |tilt, _| exponent(&tilt).softmax(-1));
                let tilted = mean + (&tilt * -2.0 + 1.0) * variance * 0.5;
                (tilt.square() * variance).sum_axis(-1, false) * 0.5 + tilted.log_sum_exp(-1, false)
            }
        }
    }
}

/// Classes from noisy logits z_k ~ N(w_k' φ, σ_k²), with a Gaussian posterior over each w_k.
///
/// $$ \bar w_y^\top \phi - \log \sum_k \exp\{ \bar w_k^\top \phi + \tfrac12 (\phi^\top S_k \phi + \sigma_k^2) \} $$
pub struct DiscriminativeHead {
    config: HeadConfig,
    bound: Bound,
    /// The weights' posterior.
    pub weights: Gaussians,
    /// Standard deviations of the logits' noise, `[K]`; none without a posterior, where they would only shift logits.
    sd: Option<Parameter>,
}

impl Parameters for DiscriminativeHead {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("weights", &self.weights, f);
        nested("sd", &self.sd, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("weights", &mut self.weights, f);
        nested_mut("sd", &mut self.sd, f);
    }
}

impl DiscriminativeHead {
    /// A head at its start.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for covariances that take too much memory.
    pub fn new(config: HeadConfig, bound: Bound, rng: &mut Rng) -> Result<Self> {
        let mean = config.start(rng);
        let weights = Gaussians::new(&mean, config.start_sd(), config.covariance, config.rank, rng)?;
        let k = config.outputs;
        let sd = (config.covariance != Covariance::Point)
            .then(|| Parameter::new(&vec![config.noise_sd; k], &[k], Constraint::Positive));
        Ok(Self { config, bound, weights, sd })
    }

    /// Means and variances of the logits, `[B, K]` each.
    pub fn logits(&self, features: &Tensor) -> (Tensor, Tensor) {
        let variance = self.weights.project_variance(features);
        let variance = self.sd.as_ref().map_or(variance.clone(), |sd| variance + sd.get().square());
        (self.weights.project_mean(features), variance)
    }

    /// Class probabilities `[B, K]`, averaged over draws of the logits from standard normals `noise: [S, K]`, the same for all rows.
    pub fn probabilities(&self, features: &Tensor, noise: &Tensor) -> Tensor {
        no_grad(|| {
            let (mean, variance) = self.logits(features);
            let sd = variance.sqrt();
            let draws = noise.size(0);
            let one = |s: usize| (&mean + &sd * noise.row(s)).softmax(-1);
            // In order, whatever the number of threads.
            (0..draws).map(one).fold(mean.zeros_like(), |sum, p| sum + p) * (1.0 / draws as f64)
        })
    }
}

impl Head for DiscriminativeHead {
    fn bound(&self, features: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let (mean, variance) = self.logits(features);
        let own = mean.gather(-1, &targets.unsqueeze(-1)).squeeze(-1);
        Ok(own - self.bound.log_sum_exp(&mean, &variance))
    }

    fn cost(&self) -> Result<Tensor> {
        let prior = 2.0 * self.config.prior_scale / self.config.features as f64;
        let weights = self.weights.kl(prior)?.sum();
        Ok(self.sd.iter().fold(weights, |cost, sd| cost + self.config.noise_cost(&sd.get())))
    }
}

/// Classes from features φ ~ N(μ_k, Σ) with diagonal Σ and a Gaussian posterior N(m_k, S_k) over each class's mean.
///
/// $$ \log \pi_y N(\phi; m_y, \Sigma) - \tfrac12 \mathrm{tr}(\Sigma^{-1} S_y) - \log \sum_k \pi_k N(\phi; m_k, \Sigma + S_k) $$
///
/// Predictive probabilities are exact, and the last sum says how usual the features are.
pub struct GenerativeHead {
    config: HeadConfig,
    /// The posterior of the class means.
    pub means: Gaussians,
    /// Standard deviations of a class's features, `[H]`.
    sd: Parameter,
    /// Shares of the classes, `[K]`, held.
    shares: Parameter,
}

impl Parameters for GenerativeHead {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("means", &self.means, f);
        nested("sd", &self.sd, f);
        nested("shares", &self.shares, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("means", &mut self.means, f);
        nested_mut("sd", &mut self.sd, f);
        nested_mut("shares", &mut self.shares, f);
    }
}

impl GenerativeHead {
    /// A head at its start, with these shares of the classes, which sum to one.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for covariances that take too much memory.
    pub fn new(config: HeadConfig, shares: &[f64], rng: &mut Rng) -> Result<Self> {
        let mean = config.start(rng);
        let means = Gaussians::new(&mean, config.start_sd(), config.covariance, config.rank, rng)?;
        let h = config.features;
        let sd = Parameter::new(&vec![config.noise_sd; h], &[h], Constraint::Positive);
        let shares = Parameter::new(shares, &[config.outputs], Constraint::Positive).frozen();
        Ok(Self { config, means, sd, shares })
    }

    /// Log densities of the features with each class, log π_k N(φ; m_k, Σ + S_k), `[B, K]`.
    ///
    /// # Errors
    /// When a covariance cannot be factorised.
    pub fn joint(&self, features: &Tensor) -> Result<Tensor> {
        let error = features.unsqueeze(0) - self.means.mean.get().unsqueeze(1);
        let noise = self.sd.get().square();
        let each = match self.means.covariance() {
            Covariance::Point | Covariance::Diagonal => {
                let variance = (self.means.variances() + noise).unsqueeze(1);
                normal_log_prob(&error, &variance).sum_axis(-1, false)
            }
            _ => {
                let factor = (self.means.covariances() + noise.diag()).cholesky()?;
                let squares = factor.solve_lower(&error.t()).square().sum_axis(1, false);
                let constant = factor.cholesky_log_det() * 0.5 + self.config.features as f64 * LOG_SQRT_TAU;
                squares * -0.5 - constant.unsqueeze(-1)
            }
        };
        Ok(each.t() + self.shares.get().log())
    }

    /// Class probabilities `[B, K]` and the log density of the features `[B]`: the lower, the less they look like any class.
    ///
    /// # Errors
    /// As [`GenerativeHead::joint`].
    pub fn probabilities(&self, features: &Tensor) -> Result<(Tensor, Tensor)> {
        let joint = no_grad(|| self.joint(features))?;
        Ok((joint.softmax(-1), joint.log_sum_exp(-1, false)))
    }
}

impl Head for GenerativeHead {
    fn bound(&self, features: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let joint = self.joint(features)?;
        let mean = self.means.mean.get();
        let variance = self.sd.get().square();
        let error = features - mean.index_select(0, targets);
        let own = normal_log_prob(&error, &variance).sum_axis(-1, false);
        let trace = (self.means.variances() / variance).sum_axis(-1, false) * 0.5;
        let share = self.shares.get().log() - trace;
        Ok(own + share.index_select(0, targets) - joint.log_sum_exp(-1, false))
    }

    fn cost(&self) -> Result<Tensor> {
        let prior = 2.0 * self.config.prior_scale / self.config.features as f64;
        Ok(self.means.kl(prior)?.sum() + self.config.noise_cost(&self.sd.get()))
    }
}
