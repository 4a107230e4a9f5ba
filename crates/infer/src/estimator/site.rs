//! One site of an approximation, given by its distribution: how the gradient of an expectation under it is estimated, and the rule that chooses.

use super::leave_one_out;
use elbo_core::{Error, Result, Rng, ensure_within};
use elbo_dist::batched::Batched;
use elbo_tensor::{Tensor, no_grad};
use serde::{Deserialize, Serialize};

/// Most states of a site that are enumerated by default.
pub const ENUMERATED_STATES: usize = 64;

/// How the gradient of $\mathbb E_{q(z)} f(z)$ is estimated, in the parameters of `q` and in all that `f` depends on.
///
/// | estimator | unbiased | gradient of `f` in `z` | evaluations of `f` |
/// |---|---|---|---|
/// | [`SiteEstimator::Paths`] | yes | yes | one a draw |
/// | [`SiteEstimator::Enumeration`] | exact | no | one a state |
/// | [`SiteEstimator::Score`] | yes | no | one a draw |
///
/// ```
/// use elbo_core::Rng;
/// use elbo_dist::batched::{Bernoulli, Gamma, Poisson};
/// use elbo_infer::estimator::SiteEstimator;
/// use elbo_tensor::Tensor;
/// let one = || Tensor::scalar(1.0);
/// assert_eq!(SiteEstimator::default_for(&Gamma::new(one(), one())), SiteEstimator::Paths);
/// assert_eq!(SiteEstimator::default_for(&Bernoulli::new(one())), SiteEstimator::Enumeration);
/// assert_eq!(SiteEstimator::default_for(&Poisson::new(one())), SiteEstimator::Score);
/// let site = Bernoulli::new(Tensor::scalar(0.0));
/// let mean = SiteEstimator::Enumeration.surrogate(&site, 1, &mut Rng::new(0), |z| (z - 0.3).square())?;
/// assert!((mean.item() - 0.29).abs() < 1e-15);
/// # Ok::<(), elbo_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteEstimator {
    /// Through reparameterised draws; implicitly for gamma variables and what is made of them.
    Paths,
    /// The sum over all states of a finite support.
    Enumeration,
    /// The score function, with the mean of the other draws as baseline.
    Score,
}

impl SiteEstimator {
    /// The default: paths where draws are reparameterised, else enumeration of at most [`ENUMERATED_STATES`] states, else the score.
    pub fn default_for(site: &dyn Batched) -> Self {
        // Whether there are paths is known from a draw alone.
        if no_grad(|| site.rsample(&[1], &mut Rng::new(0))).is_some() {
            return Self::Paths;
        }
        match site.enumerate() {
            Some(states) if states.size(0) <= ENUMERATED_STATES => Self::Enumeration,
            _ => Self::Score,
        }
    }

    /// Fewest draws: four for the score, whose baseline is of no use with fewer.
    pub fn least_draws(self) -> usize {
        if self == Self::Score { 4 } else { 1 }
    }

    /// Whether the gradient of `f` in `z` is needed.
    pub fn needs_gradient(self) -> bool {
        self == Self::Paths
    }

    /// A tensor whose value estimates $\mathbb E f$, summed over the site's batch, and whose gradient estimates the gradient of that.
    ///
    /// `f` maps points `[S, batch..., event...]` to values `[S, batch...]`; `S` is `draws`, or the number of states, which enumeration
    /// takes side by side for all batch elements: each must stand in terms of `f` of its own. Joint states of sites that meet in a term
    /// are listed by [`enumerate`](super::enumerate).
    ///
    /// # Errors
    /// [`Error::Setting`] for fewer draws than [`SiteEstimator::least_draws`], and for a site that has no such estimator; a recoverable
    /// [`Error::Numerical`] where `f` is not finite.
    ///
    /// # Panics
    /// When `f` returns another shape.
    pub fn surrogate(
        self,
        site: &dyn Batched,
        draws: usize,
        rng: &mut Rng,
        f: impl FnOnce(&Tensor) -> Tensor,
    ) -> Result<Tensor> {
        ensure_within("draws", draws, self.least_draws()..)?;
        let refuse = |found: &str, expected: &str| Error::Setting {
            setting: "estimator".into(),
            found: found.into(),
            expected: expected.into(),
        };
        let share = 1.0 / draws as f64;
        match self {
            Self::Paths => {
                let z = site.rsample(&[draws], rng).ok_or_else(|| {
                    refuse("paths for a site without reparameterised draws", "enumeration of few states, or score")
                })?;
                Ok(evaluated(site, draws, f(&z))?.sum() * share)
            }
            Self::Enumeration => {
                let states = site.enumerate().ok_or_else(|| {
                    refuse("enumeration of a site without a finite support", "paths where draws have them, or score")
                })?;
                let values = evaluated(site, states.size(0), f(&states))?;
                Ok((site.log_prob(&states).exp() * values).sum())
            }
            Self::Score => {
                let z = site.sample(&[draws], rng);
                let log_q = site.log_prob(&z);
                let values = evaluated(site, draws, f(&z))?;
                let score = &log_q - log_q.detach();
                let signal = leave_one_out(&values.detach());
                Ok((values + signal * score).sum() * share)
            }
        }
    }
}

/// The values that `f` returned, if they can be used.
fn evaluated(site: &dyn Batched, rows: usize, values: Tensor) -> Result<Tensor> {
    let expected = [&[rows], site.batch_shape().as_slice()].concat();
    assert_eq!(values.shape(), expected, "`f` returns one value a point and batch element");
    if values.is_finite() {
        return Ok(values);
    }
    Err(Error::recoverable(
        "the function under the expectation is not finite at a point of the site",
        "start nearer to where it exists, or lower the rate",
    ))
}
