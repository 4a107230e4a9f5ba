//! Latent families: what an encoder's numbers mean.

use super::flowed::Flowed;
use elbo_core::{Result, ensure};
use elbo_dist::batched::{Batched, MultivariateNormal, Normal};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{DType, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// ln 2π.
pub(crate) const LN_TAU: f64 = 2.0 * LOG_SQRT_TAU;

/// Smallest log variance of a posterior, where nothing else is said.
pub const LEAST_LOG_VARIANCE: f64 = -30.0;

/// Largest log variance of a posterior.
const MOST_LOG_VARIANCE: f64 = 20.0;

/// Refuses a bound below which no log variance is left, and a start beyond the bounds, where no gradient flows.
pub(crate) fn check_log_variances(least: f64, start: f64) -> Result<()> {
    ensure("least_log_variance", least, least < MOST_LOG_VARIANCE, "below 20")?;
    ensure(
        "start_log_variance",
        start,
        start == 0.0 || (start > least && start < MOST_LOG_VARIANCE),
        "0, or above `least_log_variance` and below 20",
    )
}

/// The family of q(z | x).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Gaussian with a diagonal covariance.
    #[default]
    GaussDiag,
    /// Gaussian with any covariance.
    GaussFull,
}

impl Family {
    /// Numbers that the encoder returns for `latent` dimensions.
    pub fn width(self, latent: usize) -> usize {
        match self {
            Self::GaussDiag => 2 * latent,
            Self::GaussFull => 2 * latent + latent * (latent - 1) / 2,
        }
    }

    /// The encoder's numbers `[B, W]` with `start` added to the log variances; whatever follows them stays.
    pub(super) fn shifted(self, raw: &Tensor, latent: usize, start: f64) -> Tensor {
        if start == 0.0 {
            return raw.clone();
        }
        let width = raw.size(-1);
        let shift: Vec<f64> = (0..width).map(|i| if (latent..2 * latent).contains(&i) { start } else { 0.0 }).collect();
        raw + Tensor::from_vec(shift, &[width]).cast(raw.dtype())
    }

    /// The posteriors of a batch from the encoder's numbers `[B, width]`: means, then log variances, which are kept between `least` and
    /// 20, then the factor below its diagonal.
    pub fn posterior(self, raw: &Tensor, latent: usize, least: f64) -> Posterior {
        let mean = raw.narrow(-1, 0, latent);
        let log_variance = raw.narrow(-1, latent, latent).clamp(least, MOST_LOG_VARIANCE);
        match self {
            Self::GaussDiag => Posterior::Diagonal { mean, log_variance },
            Self::GaussFull => {
                let sd = (&log_variance * 0.5).exp();
                let below = raw.narrow(-1, 2 * latent, latent * (latent - 1) / 2);
                let zero = Tensor::zeros(&[raw.size(0), 1], raw.dtype());
                let entries = Tensor::cat(&[zero, sd, below], -1);
                let position = |i: usize, j: usize| match i.cmp(&j) {
                    std::cmp::Ordering::Less => 0,
                    std::cmp::Ordering::Equal => 1 + i,
                    std::cmp::Ordering::Greater => 1 + latent + i * (i - 1) / 2 + j,
                };
                let index: Vec<usize> = (0..latent * latent).map(|k| position(k / latent, k % latent)).collect();
                let factor = entries.index_select(-1, &Tensor::indices(&index));
                Posterior::Full { mean, factor: factor.reshape(&[raw.size(0), latent, latent]) }
            }
        }
    }
}

/// Posteriors q(z | x) of a batch.
#[derive(Debug, Clone)]
pub enum Posterior {
    /// N(mean, diag exp(log_variance)).
    Diagonal {
        /// `[B, L]`.
        mean: Tensor,
        /// `[B, L]`.
        log_variance: Tensor,
    },
    /// N(mean, factor factor').
    Full {
        /// `[B, L]`.
        mean: Tensor,
        /// `[B, L, L]`, lower triangular.
        factor: Tensor,
    },
    /// Gaussians whose draws go through a flow.
    Flow(Box<Flowed>),
}

impl Posterior {
    /// Means, `[B, L]`; behind a flow averages over draws, f64 and without a gradient.
    pub fn mean(&self) -> &Tensor {
        match self {
            Self::Diagonal { mean, .. } | Self::Full { mean, .. } => mean,
            Self::Flow(q) => q.mean(),
        }
    }

    /// Variances, `[B, L]`; behind a flow averages over draws, f64 and without a gradient.
    pub fn variance(&self) -> Tensor {
        match self {
            Self::Diagonal { log_variance, .. } => log_variance.exp(),
            Self::Full { factor, .. } => factor.square().sum_axis(-1, false),
            Self::Flow(q) => q.variance().clone(),
        }
    }

    /// The mean of the Gaussian, which is before the flow where there is one.
    fn location(&self) -> &Tensor {
        match self {
            Self::Diagonal { mean, .. } | Self::Full { mean, .. } => mean,
            Self::Flow(q) => q.base().location(),
        }
    }

    /// Number of posteriors, `B`.
    pub fn rows(&self) -> usize {
        self.location().size(0)
    }

    /// Dimensions of the code, `L`.
    pub fn dims(&self) -> usize {
        self.location().size(1)
    }

    /// The precision.
    pub fn dtype(&self) -> DType {
        self.location().dtype()
    }

    /// Whether these are Gaussians, for which much is in closed form.
    pub fn is_gaussian(&self) -> bool {
        !matches!(self, Self::Flow(_))
    }

    /// Draws that follow the parameters. `noise: [K, B, L]`, standard normal; returns `[K, B, L]`.
    pub fn rsample(&self, noise: &Tensor) -> Tensor {
        match self {
            Self::Diagonal { mean, log_variance } => Normal::from_log_variance(mean.clone(), log_variance).at(noise),
            Self::Full { mean, factor } => MultivariateNormal::new(mean.clone(), factor.clone()).at(noise),
            Self::Flow(q) => q.draw(noise).0,
        }
    }

    /// Draws as [`Posterior::rsample`], and for those behind a flow their log densities, `[K, B]`, nats, f64, which are known along the draw.
    pub fn draw(&self, noise: &Tensor) -> (Tensor, Option<Tensor>) {
        match self {
            Self::Flow(q) => {
                let (z, log_q) = q.draw(noise);
                (z, Some(log_q))
            }
            _ => (self.rsample(noise), None),
        }
    }

    /// Log density at any points. `z: [K, B, L]`; returns `[K, B]`, nats.
    ///
    /// # Panics
    /// Behind a flow without a closed inverse, `planar`; see [`Posterior::draw`].
    pub fn log_prob(&self, z: &Tensor) -> Tensor {
        match self {
            Self::Flow(q) => {
                let log_q = q.log_prob(z).expect("only densities of own draws are asked of a flow without inverse");
                log_q.cast(self.dtype())
            }
            _ => self.gaussian().expect("all others are Gaussian").log_prob(z),
        }
    }

    fn gaussian(&self) -> Option<Box<dyn Batched>> {
        Some(match self {
            Self::Diagonal { mean, log_variance } => {
                Box::new(Normal::from_log_variance(mean.clone(), log_variance).to_event(1))
            }
            Self::Full { mean, factor } => Box::new(MultivariateNormal::new(mean.clone(), factor.clone())),
            Self::Flow(_) => return None,
        })
    }

    /// Log density of every point under every posterior. `z: [M, L]`; returns `[M, B]`.
    pub fn log_prob_of_each(&self, z: &Tensor) -> Tensor {
        let (points, dims) = (z.size(0), z.size(1));
        let rows = self.rows();
        self.log_prob(&z.unsqueeze(1).broadcast_to(&[points, rows, dims]))
    }

    /// Entropy, `[B]`, nats; `None` behind a flow.
    pub fn entropy(&self) -> Option<Tensor> {
        self.gaussian()?.entropy()
    }

    /// KL(q || N(mean, diag exp(log_variance))), `[B, J]`, to be summed over J: `J = L` where it is a sum over dimensions, else 1.
    /// `mean` and `log_variance: [L]`. `None` behind a flow.
    pub fn kl_to_diagonal(&self, mean: &Tensor, log_variance: &Tensor) -> Option<Tensor> {
        let shift = (self.location() - mean).square();
        Some(match self {
            Self::Diagonal { log_variance: own, .. } => {
                ((own.exp() + shift) * (-log_variance).exp() - 1.0 - own + log_variance) * 0.5
            }
            Self::Full { factor, .. } => {
                let trace = ((self.variance() + shift) * (-log_variance).exp() - 1.0 + log_variance).sum_axis(-1, true);
                trace * 0.5 - factor.diagonal().log().sum_axis(-1, true)
            }
            Self::Flow(_) => return None,
        })
    }

    /// The same posteriors, through which no gradient flows.
    pub fn detach(&self) -> Self {
        let mut held = self.map(&Tensor::detach);
        if let Self::Flow(q) = &mut held {
            q.hold();
        }
        held
    }

    /// The same posteriors in another precision.
    pub fn cast(&self, dtype: DType) -> Self {
        self.map(&|t| t.cast(dtype))
    }

    /// The same posteriors in double precision.
    pub fn to_f64(&self) -> Self {
        self.cast(DType::F64)
    }

    /// The posteriors of these rows of the batch.
    pub fn take(&self, rows: &[usize]) -> Self {
        let index = Tensor::indices(rows);
        self.map(&|t| t.index_select(0, &index))
    }

    /// The posteriors of all batches, one after the other. They must be of one family.
    pub fn concatenate(batches: &[Self]) -> Self {
        let all =
            |part: fn(&Self) -> &Tensor| Tensor::cat(&batches.iter().map(|q| part(q).clone()).collect::<Vec<_>>(), 0);
        match batches[0] {
            Self::Diagonal { .. } => Self::Diagonal { mean: all(Self::location), log_variance: all(Self::spread) },
            Self::Full { .. } => Self::Full { mean: all(Self::location), factor: all(Self::spread) },
            Self::Flow(_) => {
                let flowed = batches.iter().map(|q| match q {
                    Self::Flow(q) => q.as_ref(),
                    _ => unreachable!("batches are of one family"),
                });
                Self::Flow(Box::new(Flowed::concatenate(&flowed.collect::<Vec<_>>())))
            }
        }
    }

    /// The covariance averaged over the batch, `[L, L]`.
    pub fn mean_covariance(&self) -> Tensor {
        match self {
            Self::Diagonal { log_variance, .. } => log_variance.exp().mean_axis(0, false).diag(),
            Self::Full { factor, .. } => factor.matmul(&factor.t()).mean_axis(0, false),
            Self::Flow(q) => q.mean_covariance().clone(),
        }
    }

    /// The log variances or the factor of the Gaussian.
    fn spread(&self) -> &Tensor {
        match self {
            Self::Diagonal { log_variance, .. } => log_variance,
            Self::Full { factor, .. } => factor,
            Self::Flow(q) => q.base().spread(),
        }
    }

    pub(super) fn map(&self, f: &dyn Fn(&Tensor) -> Tensor) -> Self {
        match self {
            Self::Diagonal { mean, log_variance } => Self::Diagonal { mean: f(mean), log_variance: f(log_variance) },
            Self::Full { mean, factor } => Self::Full { mean: f(mean), factor: f(factor) },
            Self::Flow(q) => Self::Flow(Box::new(q.map(f))),
        }
    }
}
