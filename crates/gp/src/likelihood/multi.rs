//! Likelihoods of several latent values.

use super::{Likelihood, LikelihoodMarginals};
use elbo_core::{Prediction, Result, Rng};
use elbo_tensor::{Parameter, Parameters};
use std::fmt::Debug;

/// A likelihood of `P` latent values that are independent given the inducing variables.
///
/// `mean` and `variance` are `[P]` for one datum. Derivatives by parameters are by natural values, in visiting order.
pub trait MultiLikelihood: Parameters + Send + Sync + Debug {
    /// The likelihood's name.
    fn name(&self) -> &'static str;

    /// One line for people.
    fn description(&self) -> String;

    /// Number of latent values, `P`.
    fn latents(&self) -> usize;

    /// `log p(y | f)`, `f: [P]`.
    fn log_prob(&self, y: f64, f: &[f64]) -> f64;

    /// `E[log p(y | f)]`, or a lower bound where documented; writes its derivatives by means and variances into `dm`, `dv`, both `[P]`.
    fn expected(&self, y: f64, mean: &[f64], variance: &[f64], dm: &mut [f64], dv: &mut [f64]) -> f64;

    /// `-E[d² log p(y | f) / d f_c²]` for each latent value, `[P]`, given the `dv` of [`MultiLikelihood::expected`]. By Price's theorem it
    /// is `-2 dv`; expectations by draws, for which the two are different estimates, average the curvature itself.
    fn expected_precision(&self, _y: f64, _mean: &[f64], _variance: &[f64], dv: &[f64]) -> Vec<f64> {
        dv.iter().map(|dv| -2.0 * dv).collect()
    }

    /// Whether `log p(y | f)` is quadratic in `f`, so that its site is the same under every posterior.
    fn is_conjugate(&self) -> bool {
        false
    }

    /// Which latent value is the location of `y`, so that an observation is this value plus noise, whatever the noise depends on; `None`
    /// where there is none.
    fn location(&self) -> Option<usize> {
        None
    }

    /// Derivatives of [`MultiLikelihood::expected`] by the parameters.
    fn d_expected(&self, y: f64, mean: &[f64], variance: &[f64]) -> Vec<f64>;

    /// Log predictive density `log E[p(y | f)]`.
    fn log_density(&self, y: f64, mean: &[f64], variance: &[f64]) -> f64;

    /// Predictive distributions for rows of marginals, both `[N, P]` row-major. Numbers are returned in the unit of the target,
    /// `shift + scale * y`; classes under these names.
    fn prediction(&self, mean: &[f64], variance: &[f64], scaling: (f64, f64), classes: &[String]) -> Prediction;

    /// One observation given the latent values.
    fn sample(&self, f: &[f64], rng: &mut Rng) -> f64;

    /// Refuses targets outside the support.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] naming the first such row.
    fn check_targets(&self, y: &[f64]) -> Result<()>;

    /// A copy.
    fn clone_box(&self) -> Box<dyn MultiLikelihood>;
}

impl Clone for Box<dyn MultiLikelihood> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

/// A likelihood of one latent value as one of `P = 1`.
#[derive(Debug, Clone)]
pub struct Single(pub Box<dyn Likelihood>);

impl Parameters for Single {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.0.visit(f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.0.visit_mut(f);
    }
}

impl MultiLikelihood for Single {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn description(&self) -> String {
        self.0.description()
    }

    fn latents(&self) -> usize {
        1
    }

    fn log_prob(&self, y: f64, f: &[f64]) -> f64 {
        self.0.log_prob(y, f[0])
    }

    fn expected(&self, y: f64, mean: &[f64], variance: &[f64], dm: &mut [f64], dv: &mut [f64]) -> f64 {
        let expected = self.0.expected(y, mean[0], variance[0]);
        (dm[0], dv[0]) = (expected.dm, expected.dv);
        expected.value
    }

    fn is_conjugate(&self) -> bool {
        self.0.is_conjugate()
    }

    fn location(&self) -> Option<usize> {
        self.0.is_location().then_some(0)
    }

    fn d_expected(&self, y: f64, mean: &[f64], variance: &[f64]) -> Vec<f64> {
        self.0.d_expected(y, mean[0], variance[0])
    }

    fn log_density(&self, y: f64, mean: &[f64], variance: &[f64]) -> f64 {
        self.0.log_density(y, mean[0], variance[0])
    }

    /// Classes when the likelihood has two and two names are given, in the order -1, 1; numbers otherwise.
    fn prediction(&self, mean: &[f64], variance: &[f64], (shift, scale): (f64, f64), classes: &[String]) -> Prediction {
        if classes.len() == 2 {
            let of_one = |(m, v): (&f64, &f64)| self.0.probability(*m, *v);
            if let Some(ones) = mean.iter().zip(variance).map(of_one).collect::<Option<Vec<f64>>>() {
                let probabilities = ones.iter().flat_map(|p| [1.0 - p, *p]).collect();
                return Prediction::Classes { classes: classes.to_vec(), probabilities };
            }
        }
        let marginals = LikelihoodMarginals::new(self.0.clone(), mean.to_vec(), variance.to_vec());
        Prediction::Numbers(Box::new(marginals.unscaled(shift, scale)))
    }

    fn sample(&self, f: &[f64], rng: &mut Rng) -> f64 {
        self.0.sample(f[0], rng)
    }

    fn check_targets(&self, y: &[f64]) -> Result<()> {
        self.0.check_targets(y)
    }

    fn clone_box(&self) -> Box<dyn MultiLikelihood> {
        Box::new(self.clone())
    }
}
