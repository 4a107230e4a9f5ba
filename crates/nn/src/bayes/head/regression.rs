//! A last layer for numbers.

use super::{Head, HeadConfig};
use crate::bayes::expected::{expected_normal, expected_varying_normal};
use crate::bayes::{Covariance, Gaussians};
use elbo_core::{Error, Marginals, Result, Rng};
use elbo_dist::{GaussianMixtures, Normals, Rule, StudentTs};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor, nested, nested_mut, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nodes over the log variance of varying noise when predicting.
const NODES: usize = 12;

/// The noise of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseConfig {
    /// One standard deviation, learned.
    #[default]
    Gaussian,
    /// One precision with a Gamma posterior, so predictions have heavier tails.
    StudentT,
    /// A log variance that is itself a last layer of the features.
    Heteroscedastic,
}

enum Noise {
    Gaussian { sd: Parameter },
    StudentT { shape: Parameter, rate: Parameter },
    Heteroscedastic { log_variance: Gaussians },
}

/// y_k ~ N(w_k' φ, noise), with a Gaussian posterior over each w_k.
///
/// $$ \log N(y_k; \bar w_k^\top \phi, \sigma_k^2) - \tfrac12 \phi^\top S_k \phi / \sigma_k^2 $$
///
/// With Student's noise the weights are `N(w̄_k, S_k / τ_k)` given a precision `τ_k ~ Gamma(a, b)`, the conjugate form; the prior of τ is
/// Gamma(dof / 2, scale / 2). With varying noise log σ² = u' φ, where u has a Gaussian posterior of its own.
pub struct RegressionHead {
    config: HeadConfig,
    /// The weights' posterior.
    pub weights: Gaussians,
    noise: Noise,
}

impl Parameters for RegressionHead {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("weights", &self.weights, f);
        match &self.noise {
            Noise::Gaussian { sd } => nested("sd", sd, f),
            Noise::StudentT { shape, rate } => {
                nested("shape", shape, f);
                nested("rate", rate, f);
            }
            Noise::Heteroscedastic { log_variance } => nested("log_variance", log_variance, f),
        }
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("weights", &mut self.weights, f);
        match &mut self.noise {
            Noise::Gaussian { sd } => nested_mut("sd", sd, f),
            Noise::StudentT { shape, rate } => {
                nested_mut("shape", shape, f);
                nested_mut("rate", rate, f);
            }
            Noise::Heteroscedastic { log_variance } => nested_mut("log_variance", log_variance, f),
        }
    }
}

impl RegressionHead {
    /// A head at its start.
    ///
    /// # Errors
    /// [`Error::Setting`] for covariances that take too much memory.
    pub fn new(config: HeadConfig, noise: NoiseConfig, rng: &mut Rng) -> Result<Self> {
        let gaussians = |rng: &mut Rng| {
            let mean = config.start(rng);
            Gaussians::new(&mean, config.start_sd(), config.covariance, config.rank, rng)
        };
        let weights = gaussians(rng)?;
        let k = config.outputs;
        let each = |value: f64| Parameter::new(&vec![value; k], &[k], Constraint::Positive);
        let noise = match noise {
            NoiseConfig::Gaussian => Noise::Gaussian { sd: each(config.noise_sd) },
            NoiseConfig::StudentT => {
                Noise::StudentT { shape: each(2.0), rate: each(2.0 * config.noise_sd * config.noise_sd) }
            }
            NoiseConfig::Heteroscedastic => {
                let log_variance = gaussians(rng)?;
                Noise::Heteroscedastic { log_variance }
            }
        };
        Ok(Self { config, weights, noise })
    }

    /// Variance of the prior of each weight.
    pub fn prior_variance(&self) -> f64 {
        self.config.prior_scale / self.config.features as f64
    }

    /// Standard deviations of the noise, `[K]`; `None` where it varies.
    pub fn noise_sd(&self) -> Option<Vec<f64>> {
        match &self.noise {
            Noise::Gaussian { sd } => Some(sd.value()),
            Noise::StudentT { shape, rate } => {
                Some(rate.value().iter().zip(shape.value()).map(|(b, a)| (b / a).sqrt()).collect())
            }
            Noise::Heteroscedastic { .. } => None,
        }
    }

    /// Sets the noise's standard deviations and holds them fixed.
    ///
    /// # Errors
    /// [`Error::Setting`] for values that are not positive, or noise without one size.
    pub fn fix_noise(&mut self, values: &[f64]) -> Result<()> {
        let Noise::Gaussian { sd } = &mut self.noise else {
            return Err(Error::Setting {
                setting: "noise".into(),
                found: "not Gaussian".into(),
                expected: "Gaussian noise, whose deviation can be held".into(),
            });
        };
        sd.set(values)?;
        sd.set_frozen(true);
        Ok(())
    }

    /// Means of the outputs and the variances that come from the weights, `[B, K]` each.
    pub fn outputs(&self, features: &Tensor) -> (Tensor, Tensor) {
        let variance = self.weights.project_variance(features);
        match &self.noise {
            // Mean of 1 / τ: the weights' spread in the unit of the output.
            Noise::StudentT { shape, rate } => {
                (self.weights.project_mean(features), variance * rate.get() / shape.get())
            }
            _ => (self.weights.project_mean(features), variance),
        }
    }

    /// Predictive distributions of output `k`, noise included, of `shift + scale * y`.
    pub fn predict(&self, features: &Tensor, k: usize, (shift, scale): (f64, f64)) -> Box<dyn Marginals> {
        no_grad(|| {
            let column = |t: &Tensor| t.select(1, k).to_f64().to_vec();
            let mean = column(&self.weights.project_mean(features));
            let spread = column(&self.weights.project_variance(features));
            match &self.noise {
                Noise::Gaussian { sd } => {
                    let noise = sd.value()[k].powi(2);
                    let sd = spread.iter().map(|v| (v + noise).sqrt()).collect();
                    Box::new(Normals { mean, sd }.unscaled(shift, scale)) as Box<dyn Marginals>
                }
                Noise::StudentT { shape, rate } => {
                    let (a, b) = (shape.value()[k], rate.value()[k]);
                    let widths = spread.iter().map(|v| ((v + 1.0) * b / a).sqrt()).collect();
                    Box::new(StudentTs { location: mean, scale: widths, dof: 2.0 * a }.unscaled(shift, scale))
                }
                Noise::Heteroscedastic { log_variance } => {
                    let rule = Rule::hermite(NODES);
                    let level = column(&log_variance.project_mean(features));
                    let doubt = column(&log_variance.project_variance(features));
                    let total: f64 = rule.weights.iter().sum();
                    let weights = rule.weights.iter().map(|w| w / total).collect();
                    let sds = (0..mean.len())
                        .flat_map(|i| {
                            let (v, l, d) = (spread[i], level[i], doubt[i].sqrt());
                            rule.nodes.iter().map(move |x| (v + (l + d * x).exp()).sqrt())
                        })
                        .collect();
                    Box::new(GaussianMixtures::around(&mean, weights, sds).unscaled(shift, scale))
                }
            }
        })
    }

    /// Weights of one function drawn from the posterior, `[K, H]`; for Student's noise at the mean precision.
    pub fn draw(&self, rng: &mut Rng) -> Tensor {
        let mean = self.weights.mean.get();
        let drawn = self.weights.rsample(rng);
        match &self.noise {
            Noise::StudentT { shape, rate } => {
                let width = (rate.get() / shape.get()).sqrt().unsqueeze(-1);
                &mean + (drawn - &mean) * width
            }
            _ => drawn,
        }
    }

    /// The noise's deviations, where it is Gaussian of one size, and the weights' best posterior so in closed form.
    fn collapsible(&self) -> Result<&Parameter> {
        match &self.noise {
            Noise::Gaussian { sd } => Ok(sd),
            _ => Err(Error::data(
                "the noise of this model is not Gaussian of one size, so the best last layer has no closed form",
                "fit with noise=gaussian, or with collapsed=false",
            )),
        }
    }

    /// The bound of all rows with the best posterior of the weights inside it, less the cost of the noise; in nats, a scalar.
    ///
    /// $$ \sum_k \log N(y_k; 0, \sigma_k^2 I + s\, \Phi \Phi^\top) + \log p(\sigma^2) $$
    ///
    /// It is the sum of [`Head::bound`] less [`Head::cost`] at [`RegressionHead::optimal`], and no posterior of the weights has more at the same
    /// features and noise. Differentiable in both; the head's own weights are not in it. Costs N H² + K H³.
    ///
    /// # Shapes
    /// `features: [N, H]`, `y: [N, K]`.
    ///
    /// # Errors
    /// [`Error::Data`] where the noise is not Gaussian of one size; [`Error::Numerical`] when the features are not finite.
    pub fn collapsed_bound(&self, features: &Tensor, y: &Tensor) -> Result<Tensor> {
        let sd = self.collapsible()?.get();
        let prior = self.prior_variance();
        let (n, unit) = (y.size(0) as f64, Tensor::eye(self.config.features, features.dtype()));
        let gram = features.t().matmul(features) * prior;
        let pulled = features.t().matmul(y) * prior.sqrt();
        let mut total = -self.config.noise_cost(&sd);
        for k in 0..self.config.outputs {
            let variance = sd.select(0, k).square();
            // With A = I + s Φ'Φ / σ²: log |σ² I + s Φ Φ'| = N log σ² + log |A|, and its inverse is (I - s Φ A⁻¹ Φ' / σ²) / σ².
            let factor = (&gram / &variance + &unit).cholesky()?;
            let explained = factor.solve_lower(&pulled.narrow(1, k, 1)).square().sum();
            let square = (y.select(1, k).square().sum() - explained / &variance) / &variance;
            let log_det = factor.cholesky_log_det() + variance.log() * n;
            total = total + (square + log_det + n * std::f64::consts::TAU.ln()) * -0.5;
        }
        Ok(total)
    }

    /// The head with the best posterior of the weights at these features and the present noise, as if it had seen these rows and no others; dense.
    /// `features: [N, H]`, `y: [N, K]`.
    ///
    /// # Errors
    /// As [`RegressionHead::collapsed_bound`]; [`Error::Data`] when dense covariances would take more than a gigabyte.
    pub fn optimal(&self, features: &Tensor, y: &Tensor) -> Result<Self> {
        let sd = self.collapsible()?.clone();
        let prior = no_grad(|| {
            let root = Tensor::eye(self.config.features, features.dtype()) * self.prior_variance().sqrt();
            let mean = Tensor::zeros(&[self.config.outputs, self.config.features], features.dtype());
            Gaussians::from_cholesky(&mean, &Tensor::stack(&vec![root; self.config.outputs], 0))
        });
        Self { config: self.config, weights: prior, noise: Noise::Gaussian { sd } }.condition(features, y)
    }

    /// The head after rows were seen, by Bayes' rule with these features; the weights' covariances become dense.
    /// `features: [N, H]`, `y: [N, K]`.
    ///
    /// # Errors
    /// [`Error::Data`] where the noise is not Gaussian or there is no posterior.
    pub fn condition(&self, features: &Tensor, y: &Tensor) -> Result<Self> {
        let Noise::Gaussian { sd } = &self.noise else {
            return Err(Error::data(
                "the noise of this model is not Gaussian of one size, so new rows have no update in closed form",
                "fit with noise=gaussian, or fit again with all rows",
            ));
        };
        let noise: Vec<f64> = sd.value().iter().map(|s| s * s).collect();
        let weights = no_grad(|| self.weights.condition(features, y, &noise))?;
        let config = HeadConfig { covariance: Covariance::Dense, ..self.config };
        Ok(Self { config, weights, noise: Noise::Gaussian { sd: sd.clone() } })
    }
}

impl Head for RegressionHead {
    fn bound(&self, features: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let error = targets - self.weights.project_mean(features);
        let spread = self.weights.project_variance(features);
        let each = match &self.noise {
            Noise::Gaussian { sd } => expected_normal(&error, &spread, &sd.get().square()),
            Noise::StudentT { shape, rate } => {
                let (a, b) = (shape.get(), rate.get());
                let level = (a.digamma() - b.log()) * 0.5 - LOG_SQRT_TAU;
                level - (error.square() * (&a / &b) + spread) * 0.5
            }
            Noise::Heteroscedastic { log_variance } => {
                let level = log_variance.project_mean(features);
                let doubt = log_variance.project_variance(features);
                expected_varying_normal(&error, &spread, &level, &doubt)
            }
        };
        Ok(each.sum_axis(-1, false))
    }

    fn cost(&self) -> Result<Tensor> {
        let prior = self.prior_variance();
        match &self.noise {
            Noise::Gaussian { sd } => Ok(self.weights.kl(prior)?.sum() + self.config.noise_cost(&sd.get())),
            Noise::StudentT { shape, rate } => {
                let (a, b) = (shape.get(), rate.get());
                let (a0, b0) = (0.5 * self.config.wishart_dof, 0.5 * self.config.wishart_scale);
                let weights = self.weights.scaled_kl(prior, Some(&(&a / &b)))?;
                let constant = elbo_tensor::special::lgamma(a0) - a0 * b0.ln();
                let precision =
                    (&a - a0) * a.digamma() - a.lgamma() + b.log() * a0 + &a * (b.recip() * b0 - 1.0) + constant;
                Ok(weights.sum() + precision.sum())
            }
            Noise::Heteroscedastic { log_variance } => {
                Ok(self.weights.kl(prior)?.sum() + log_variance.kl(prior)?.sum())
            }
        }
    }
}
