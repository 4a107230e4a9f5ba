//! Evidences: which estimate of the log marginal likelihood the hyperparameters climb, at sites that are held fixed.
//!
//! | evidence | what it is |
//! |---|---|
//! | [`Elbo`] | a lower bound; learned amplitudes tend to be too small for non-Gaussian likelihoods |
//! | [`Energy`] | the power-EP energy evaluated at whatever sites are given; close to the truth, not a bound |
//! | [`LaplaceEvidence`] | the Gaussian integral around the mode, with the mode's part of the gradient |

use crate::likelihood::{Likelihood, expected_log_prob, log_tilted_sum};
use crate::prior::SitePosterior;
use crate::sites::SiteGp;
use elbo_core::{Error, Result};
use elbo_tensor::Tensor;

/// An estimate of the log marginal likelihood, differentiable in the hyperparameters.
pub trait Evidence: std::fmt::Debug + Send + Sync {
    /// The estimate for a model at its present sites, in nats, a scalar.
    ///
    /// # Errors
    /// Recoverable when a cavity is not positive, so that a line search shortens its step.
    fn value(&self, model: &SiteGp) -> Result<Tensor>;

    /// The evidence's name.
    fn name(&self) -> &'static str;

    /// An evidence of the same kind that exists in more places, to climb where this one does not.
    fn milder(&self) -> Option<Box<dyn Evidence>> {
        None
    }

    /// Whether the value has derivatives by the likelihood's parameters too; where it has none, [`Rounds`](crate::learn::Rounds) holds
    /// them.
    fn learns_likelihood(&self) -> bool {
        true
    }
}

/// Evidence lower bound `E[log p(y|f)] - E[log sites] + log_z`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Elbo;

impl Evidence for Elbo {
    fn value(&self, model: &SiteGp) -> Result<Tensor> {
        let (shift, precision) = model.sites.tensors();
        let posterior = model.prior.posterior(&shift, &precision)?;
        let fit =
            expected_log_prob(model.likelihood(), &model.y, &model.with_offset(&posterior.mean), &posterior.variance);
        Ok(fit - expected_sites(&posterior, &shift, &precision) + posterior.log_z)
    }

    fn name(&self) -> &'static str {
        "elbo"
    }
}

/// `E_q` of the sum of the log sites.
fn expected_sites(posterior: &SitePosterior, shift: &Tensor, precision: &Tensor) -> Tensor {
    let second = &posterior.site_variance + posterior.mean.square();
    (shift * &posterior.mean - precision * second * 0.5).sum()
}

/// Power-EP energy at power `alpha` in (0, 1]; 1 is EP's log evidence.
///
/// # Source
/// Minka (2004); with sites from [`Cvi`](crate::site::Cvi): Li, John and Solin (2023).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Energy {
    /// Power in (0, 1].
    pub alpha: f64,
}

/// The power that is tried when a cavity at a larger one has no positive variance.
const MILDER_POWER: f64 = 0.8;

impl Evidence for Energy {
    fn value(&self, model: &SiteGp) -> Result<Tensor> {
        let alpha = self.alpha;
        let (shift, precision) = model.sites.tensors();
        let posterior = model.prior.posterior(&shift, &precision)?;
        let marginal_precision = posterior.site_variance.recip();
        let marginal_shift = &posterior.mean * &marginal_precision;
        let cavity_precision = &marginal_precision - &precision * alpha;
        let cavity_shift = &marginal_shift - &shift * alpha;
        if cavity_precision.to_vec().iter().any(|p| p.is_nan() || *p <= 0.0) {
            return Err(Error::recoverable(
                "a cavity of the power-EP energy has no positive variance",
                "use a smaller `alpha`, such as 0.5, or variational evidence",
            ));
        }
        let cavity_variance = cavity_precision.recip();
        let cavity_mean = &cavity_shift * &cavity_variance;
        let unexplained = &posterior.variance - &posterior.site_variance;
        let tilted = log_tilted_sum(
            model.likelihood(),
            &model.y,
            &model.with_offset(&cavity_mean),
            &(&cavity_variance + unexplained),
            alpha,
        );
        let site = ((&cavity_precision / &marginal_precision).log() + marginal_shift.square() / &marginal_precision
            - cavity_shift.square() * cavity_variance)
            .sum()
            * 0.5;
        Ok((tilted - site) * (1.0 / alpha) + posterior.log_z)
    }

    fn name(&self) -> &'static str {
        "energy"
    }

    /// The energy at power 0.8.
    fn milder(&self) -> Option<Box<dyn Evidence>> {
        (self.alpha > MILDER_POWER).then(|| Box::new(Self { alpha: MILDER_POWER }) as Box<dyn Evidence>)
    }
}

/// Laplace's log evidence, valid at the fixed point of the [`Laplace`](crate::site::Laplace) rule.
///
/// The mode is written as differentiable Newton steps from itself, and the sites as functions of it, so that the gradient holds
/// the mode's part (third derivatives of the log likelihood) for every prior. The first step, at the sites as they are, misses what the mean
/// function does to the mode, which a second one has. Where a site's precision is floored, steps are no longer Newton's and approach the
/// mode's derivative at a rate below one, so there are more. Parameters of the likelihood itself have no derivative here: they are held.
///
/// # Source
/// Rasmussen and Williams (2006), section 5.5.1; the gradient by implicit differentiation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LaplaceEvidence;

/// Steps from the mode to itself where sites are floored.
const STEPS_AT_FLOOR: usize = 16;

impl Evidence for LaplaceEvidence {
    fn value(&self, model: &SiteGp) -> Result<Tensor> {
        let (shift, held) = model.sites.tensors();
        let mut mode = model.prior.posterior(&shift, &held)?.mean;
        let mut f = model.with_offset(&mode);
        let mut terms = Derivatives::at(model.likelihood(), &model.y, &f);
        let is_floored = terms.precision.contains(&crate::site::PRECISION_FLOOR);
        for _ in 0..if is_floored { STEPS_AT_FLOOR } else { 1 } {
            let shift = terms.function(&f, &terms.first, &terms.second) + &held * &mode;
            mode = model.prior.posterior(&shift, &held)?.mean;
            f = model.with_offset(&mode);
            terms = Derivatives::at(model.likelihood(), &model.y, &f);
        }
        // The site's precision -g2(f) and shift g1(f) - g2(f) * mode, as functions of the mode.
        let precision = terms.function(&f, &terms.precision, &terms.third.iter().map(|t| -t).collect::<Vec<_>>());
        let shift = terms.function(&f, &terms.first, &terms.second) + &precision * &mode;
        let log_prob = terms.function(&f, &terms.value, &terms.first).sum();
        let posterior = model.prior.posterior(&shift, &precision)?;
        let site = (&shift * &mode - precision * mode.square() * 0.5).sum();
        Ok(log_prob - site + posterior.log_z)
    }

    fn name(&self) -> &'static str {
        "laplace"
    }

    fn learns_likelihood(&self) -> bool {
        false
    }
}

/// Log likelihood and derivatives at fixed values of `f`, one a datum. The precision is floored as the site rule floors it.
struct Derivatives {
    value: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    precision: Vec<f64>,
    third: Vec<f64>,
}

impl Derivatives {
    fn at(likelihood: &dyn Likelihood, y: &[f64], f: &Tensor) -> Self {
        let f = f.to_vec();
        let each = |derivative: &dyn Fn(&dyn Likelihood, f64, f64) -> f64| {
            (0..y.len()).map(|n| derivative(likelihood.row(n), y[n], f[n])).collect()
        };
        let floor = crate::site::PRECISION_FLOOR;
        Self {
            value: each(&|l, y, f| l.log_prob(y, f)),
            first: each(&|l, y, f| l.g1(y, f)),
            second: each(&|l, y, f| l.g2(y, f)),
            precision: each(&|l, y, f| (-l.g2(y, f)).max(floor)),
            third: each(&|l, y, f| if -l.g2(y, f) > floor { l.g3(y, f) } else { 0.0 }),
        }
    }

    /// A function of `f` known by its values and slopes.
    fn function(&self, f: &Tensor, value: &[f64], slope: &[f64]) -> Tensor {
        let (value, slope) = (Tensor::from_slice(value, &[value.len()]), Tensor::from_slice(slope, &[slope.len()]));
        Tensor::custom("function-of-mode", vec![f.clone()], value, move |g, _| vec![Some(g * &slope)])
    }
}
