//! Posteriors of a batch: draws, densities, entropies and moments.

use super::classes::Classes;
use super::flowed::Flowed;
use super::shares::Shares;
use super::sphere::Sphere;
use elbo_core::Rng;
use elbo_dist::batched::{Batched, Kl, MultivariateNormal, Normal};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{DType, Tensor};

/// ln 2π.
pub(crate) const LN_TAU: f64 = 2.0 * LOG_SQRT_TAU;

/// Posteriors q(z | x) of a batch.
///
/// Draws are of *points*, in which densities are written: the codes themselves, but for shares, which are drawn as logarithms;
/// [`Posterior::code`] turns points into codes.
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
    /// Points `[B, L]`, without a spread. Their log density is that of the point itself: zero at it and minus infinity elsewhere.
    Point(Tensor),
    /// Gaussians whose draws go through a flow.
    Flow(Box<Flowed>),
    /// Probabilities of classes.
    Classes(Classes),
    /// Von Mises-Fisher distributions on a sphere.
    Sphere(Sphere),
    /// Dirichlet distributions of shares.
    Shares(Shares),
}

impl Posterior {
    /// Means of the codes, `[B, L]`; without a gradient where they are no parameters. Behind a flow averages over draws, f64.
    pub fn mean(&self) -> &Tensor {
        match self {
            Self::Diagonal { mean, .. } | Self::Full { mean, .. } | Self::Point(mean) => mean,
            Self::Flow(q) => q.mean(),
            Self::Classes(q) => q.mean(),
            Self::Sphere(q) => q.mean(),
            Self::Shares(q) => q.mean(),
        }
    }

    /// Variances of the codes, `[B, L]`; behind a flow averages over draws, f64 and without a gradient.
    pub fn variance(&self) -> Tensor {
        match self {
            Self::Diagonal { log_variance, .. } => log_variance.exp(),
            Self::Full { factor, .. } => factor.square().sum_axis(-1, false),
            Self::Point(mean) => mean.zeros_like(),
            Self::Flow(q) => q.variance().clone(),
            Self::Classes(q) => q.mean() * (1.0 - q.mean()),
            Self::Sphere(q) => q.variance(),
            Self::Shares(q) => q.variance(),
        }
    }

    /// The first parameter, `[B, L]`: of Gaussians the mean, before the flow where there is one.
    fn location(&self) -> &Tensor {
        match self {
            Self::Diagonal { mean, .. } | Self::Full { mean, .. } | Self::Point(mean) => mean,
            Self::Flow(q) => q.base().location(),
            Self::Classes(q) => q.logits(),
            Self::Sphere(q) => q.direction(),
            Self::Shares(q) => q.concentration(),
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

    /// Whether there is a density that is known at all points, and not along own draws alone as behind a flow.
    pub fn has_density(&self) -> bool {
        !matches!(self, Self::Flow(_) | Self::Point(_))
    }

    /// Noise for `draws` draws of each posterior, outside the graph, `[K, B, ...]`: standard normal numbers `[K, B, L]` for Gaussians and flows. The
    /// noise of spheres and shares depends on their concentrations, and points have none.
    pub fn noise(&self, draws: usize, rng: &mut Rng) -> Tensor {
        match self {
            Self::Diagonal { .. } | Self::Full { .. } | Self::Flow(_) => {
                let shape = [draws, self.rows(), self.dims()];
                Tensor::from_vec(rng.normals(shape.iter().product()), &shape).cast(self.dtype())
            }
            Self::Point(mean) => Tensor::zeros(&[draws, mean.size(0), mean.size(1)], mean.dtype()),
            Self::Classes(q) => q.noise(draws, rng),
            Self::Sphere(q) => q.noise(draws, rng),
            Self::Shares(q) => q.noise(draws, rng),
        }
    }

    /// The noise of `draws` draws from the `start`-th on, of many that are taken a part at a time; `rng` stays as it is. Of Gaussians and flows it is the
    /// part that [`Posterior::noise`] of all has there, whatever the parts are; others draw that of each part from a stream of its own.
    pub(super) fn noise_from(&self, start: usize, draws: usize, rng: &Rng) -> Tensor {
        match self {
            Self::Diagonal { .. } | Self::Full { .. } | Self::Flow(_) => {
                let shape = [draws, self.rows(), self.dims()];
                let before = start * self.rows() * self.dims();
                Tensor::from_vec(rng.normals_from(before, shape.iter().product()), &shape).cast(self.dtype())
            }
            Self::Point(_) | Self::Classes(_) | Self::Sphere(_) | Self::Shares(_) => {
                self.noise(draws, &mut rng.split(start as u64))
            }
        }
    }

    /// Points that follow the parameters, but for classes, which cannot. `noise` as [`Posterior::noise`] gives it; returns `[K, B, L]`.
    pub fn rsample(&self, noise: &Tensor) -> Tensor {
        match self {
            Self::Diagonal { mean, log_variance } => Normal::from_log_variance(mean.clone(), log_variance).at(noise),
            Self::Full { mean, factor } => MultivariateNormal::new(mean.clone(), factor.clone()).at(noise),
            Self::Point(mean) => mean.broadcast_to(noise.shape()),
            Self::Flow(q) => q.draw(noise).0,
            Self::Classes(q) => q.draw(noise),
            Self::Sphere(q) => q.draw(noise),
            Self::Shares(q) => q.draw(noise),
        }
    }

    /// The codes of points, of the same shape.
    pub fn code(&self, points: &Tensor) -> Tensor {
        if let Self::Shares(_) = self { points.exp() } else { points.clone() }
    }

    /// Points as [`Posterior::rsample`], and for those behind a flow their log densities, `[K, B]`, nats, f64, which are known along the draw.
    pub fn draw(&self, noise: &Tensor) -> (Tensor, Option<Tensor>) {
        match self {
            Self::Flow(q) => {
                let (z, log_q) = q.draw(noise);
                (z, Some(log_q))
            }
            _ => (self.rsample(noise), None),
        }
    }

    /// Log density at any points, for classes log probability. `points: [K, B, L]`; returns `[K, B]`, nats.
    ///
    /// # Panics
    /// Behind a flow without a closed inverse, `planar`; see [`Posterior::draw`].
    pub fn log_prob(&self, points: &Tensor) -> Tensor {
        match self {
            Self::Flow(q) => {
                let log_q =
                    q.log_prob(points).expect("only densities of own draws are asked of a flow without inverse");
                log_q.cast(self.dtype())
            }
            Self::Point(mean) => {
                let differing = points.ne(mean).cast(self.dtype()).sum_axis(-1, false);
                differing.zeros_like().masked_fill(&differing.gt_scalar(0.0), f64::NEG_INFINITY)
            }
            Self::Classes(q) => q.log_prob(points),
            Self::Sphere(q) => q.log_prob(points),
            Self::Shares(q) => q.log_prob(points),
            Self::Diagonal { .. } | Self::Full { .. } => {
                self.gaussian().expect("diagonal and full ones are Gaussian").log_prob(points)
            }
        }
    }

    fn gaussian(&self) -> Option<Box<dyn Batched>> {
        Some(match self {
            Self::Diagonal { mean, log_variance } => {
                Box::new(Normal::from_log_variance(mean.clone(), log_variance).to_event(1))
            }
            Self::Full { mean, factor } => Box::new(MultivariateNormal::new(mean.clone(), factor.clone())),
            _ => return None,
        })
    }

    /// Log density of every point under every posterior. `points: [M, L]`; returns `[M, B]`.
    pub fn log_prob_of_each(&self, points: &Tensor) -> Tensor {
        let (count, dims) = (points.size(0), points.size(1));
        let rows = self.rows();
        self.log_prob(&points.unsqueeze(1).broadcast_to(&[count, rows, dims]))
    }

    /// Entropy, `[B]`, nats; `None` behind a flow.
    pub fn entropy(&self) -> Option<Tensor> {
        match self {
            Self::Point(mean) => Some(Tensor::zeros(&[mean.size(0)], mean.dtype())),
            Self::Classes(q) => q.entropy(),
            Self::Sphere(q) => q.entropy(),
            Self::Shares(q) => q.entropy(),
            _ => self.gaussian()?.entropy(),
        }
    }

    /// KL(q || N(mean, diag exp(log_variance))), `[B, J]`, to be summed over J: `J = L` where it is a sum over dimensions, else 1.
    /// `mean` and `log_variance: [L]`. `None` for all but Gaussians.
    pub fn kl_to_diagonal(&self, mean: &Tensor, log_variance: &Tensor) -> Option<Tensor> {
        let shift = || (self.location() - mean).square();
        Some(match self {
            Self::Diagonal { log_variance: own, .. } => {
                ((own.exp() + shift()) * (-log_variance).exp() - 1.0 - own + log_variance) * 0.5
            }
            Self::Full { factor, .. } => {
                let trace =
                    ((self.variance() + shift()) * (-log_variance).exp() - 1.0 + log_variance).sum_axis(-1, true);
                trace * 0.5 - factor.diagonal().log().sum_axis(-1, true)
            }
            _ => return None,
        })
    }

    /// KL(self || other) of Gaussians of one family, `[B]`, nats; `None` for others.
    pub fn kl_to(&self, other: &Self) -> Option<Tensor> {
        Some(match (self, other) {
            (
                Self::Diagonal { mean, log_variance },
                Self::Diagonal { mean: other_mean, log_variance: other_log_variance },
            ) => {
                let law = |mean: &Tensor, s: &Tensor| Normal::from_log_variance(mean.clone(), s).to_event(1);
                law(mean, log_variance).kl(&law(other_mean, other_log_variance))
            }
            (Self::Full { mean, factor }, Self::Full { mean: other_mean, factor: other_factor }) => {
                let law = |mean: &Tensor, factor: &Tensor| MultivariateNormal::new(mean.clone(), factor.clone());
                law(mean, factor).kl(&law(other_mean, other_factor))
            }
            _ => return None,
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
    ///
    /// # Panics
    /// Without batches, and for batches of different families.
    pub fn concatenate(batches: &[Self]) -> Self {
        let all =
            |part: fn(&Self) -> &Tensor| Tensor::cat(&batches.iter().map(|q| part(q).clone()).collect::<Vec<_>>(), 0);
        match batches[0] {
            Self::Diagonal { .. } => Self::Diagonal { mean: all(Self::location), log_variance: all(Self::spread) },
            Self::Full { .. } => Self::Full { mean: all(Self::location), factor: all(Self::spread) },
            Self::Point(_) => Self::Point(all(Self::location)),
            Self::Flow(_) => {
                let flowed = batches.iter().map(|q| match q {
                    Self::Flow(q) => q.as_ref(),
                    _ => unreachable!("batches are of one family"),
                });
                Self::Flow(Box::new(Flowed::concatenate(&flowed.collect::<Vec<_>>())))
            }
            Self::Classes(_) => Self::Classes(Classes::new(all(Self::location))),
            Self::Sphere(_) => Self::Sphere(Sphere::new(all(Self::location), all(Self::spread))),
            Self::Shares(_) => Self::Shares(Shares::new(all(Self::location))),
        }
    }

    /// The covariance averaged over the batch, `[L, L]`, of Gaussians, points and flows; `None` for codes that cannot fill all directions.
    pub fn mean_covariance(&self) -> Option<Tensor> {
        Some(match self {
            Self::Diagonal { log_variance, .. } => log_variance.exp().mean_axis(0, false).diag(),
            Self::Full { factor, .. } => factor.matmul(&factor.t()).mean_axis(0, false),
            Self::Point(mean) => Tensor::zeros(&[mean.size(1), mean.size(1)], mean.dtype()),
            Self::Flow(q) => q.mean_covariance().clone(),
            Self::Classes(_) | Self::Sphere(_) | Self::Shares(_) => return None,
        })
    }

    /// The second parameter: of Gaussians log variances or the factor, on a sphere concentrations.
    fn spread(&self) -> &Tensor {
        match self {
            Self::Diagonal { log_variance, .. } => log_variance,
            Self::Full { factor, .. } => factor,
            Self::Flow(q) => q.base().spread(),
            Self::Sphere(q) => q.concentration(),
            Self::Point(_) | Self::Classes(_) | Self::Shares(_) => unreachable!("these have one parameter"),
        }
    }

    pub(super) fn map(&self, f: &dyn Fn(&Tensor) -> Tensor) -> Self {
        match self {
            Self::Diagonal { mean, log_variance } => Self::Diagonal { mean: f(mean), log_variance: f(log_variance) },
            Self::Full { mean, factor } => Self::Full { mean: f(mean), factor: f(factor) },
            Self::Point(mean) => Self::Point(f(mean)),
            Self::Flow(q) => Self::Flow(Box::new(q.map(f))),
            Self::Classes(q) => Self::Classes(q.map(f)),
            Self::Sphere(q) => Self::Sphere(q.map(f)),
            Self::Shares(q) => Self::Shares(q.map(f)),
        }
    }
}
