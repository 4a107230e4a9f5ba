//! Means and variances passed through a network without sampling.
//!
//! A linear layer with independent normal weights is exact; a nonlinear function is exact in the mean and variance of each unit, its input
//! taken as normal, and of first order in the covariances of two. [`MomentNetwork`] is such layers in a row.
//!
//! # Source
//! Wu et al. (2019); moments of units after Frey and Hinton (1999) and, for x Φ(x), derived here.

mod network;
mod unit;

pub use network::{MomentNetwork, MomentNetworkConfig};
pub use unit::{Unit, UnitMoments};

use super::expected::{expected_normal, expected_varying_normal};
use super::head::Bound;
use super::stack::with_one;
use super::{Observation, ObservationConfig};
use elbo_core::{Error, Result};
use elbo_tensor::Tensor;

/// How much uncertain vectors vary.
#[derive(Debug, Clone)]
pub enum Spread {
    /// Variances `[B, D]` of entries that are taken as independent.
    Variances(Tensor),
    /// Covariances, `[B, D, D]`.
    Covariances(Tensor),
}

/// Vectors of known mean and spread, one a row, taken as normal.
#[derive(Debug, Clone)]
pub struct Uncertain {
    /// Means, `[B, D]`.
    pub mean: Tensor,
    /// How much they vary.
    pub spread: Spread,
}

impl Uncertain {
    /// Vectors with independent entries of these means and variances, `[B, D]` each.
    ///
    /// # Panics
    /// For another number of variances than means.
    pub fn new(mean: Tensor, variance: Tensor) -> Self {
        assert_eq!(mean.shape(), variance.shape(), "one variance a mean");
        Self { mean, spread: Spread::Variances(variance) }
    }

    /// Vectors of these means `[B, D]` and covariances `[B, D, D]`.
    ///
    /// # Panics
    /// For covariances of another shape.
    pub fn with_covariances(mean: Tensor, covariances: Tensor) -> Self {
        let (rows, size) = (mean.size(0), mean.size(1));
        assert_eq!(covariances.shape(), [rows, size, size], "one covariance a row");
        Self { mean, spread: Spread::Covariances(covariances) }
    }

    /// Vectors that do not vary, `[B, D]`.
    pub fn certain(x: &Tensor, has_covariances: bool) -> Self {
        if has_covariances {
            let shape = [x.size(0), x.size(1), x.size(1)];
            return Self::with_covariances(x.clone(), Tensor::zeros(&shape, x.dtype()));
        }
        Self::new(x.clone(), x.zeros_like())
    }

    /// Variances of the entries, `[B, D]`.
    pub fn variances(&self) -> Tensor {
        match &self.spread {
            Spread::Variances(v) => v.clone(),
            Spread::Covariances(c) => c.diagonal().contiguous(),
        }
    }

    /// W x + b with independent normal weights: their means and variances, `[O, D + 1]`, the last column of the bias.
    ///
    /// `Var_j = Σ_i { V_ji (m_i² + v_i) + M_ji² v_i } + Var b_j`, and with covariances `M C M' + diag_j Σ_i V_ji (m_i² + C_ii) + Var b_j`.
    pub fn linear(&self, mean: &Tensor, variance: &Tensor) -> Self {
        let from_weights = with_one(&(self.mean.square() + self.variances())).linear(variance, None);
        let centre = with_one(&self.mean).linear(mean, None);
        let slope = mean.narrow(1, 0, self.mean.size(1));
        match &self.spread {
            Spread::Variances(v) => Self::new(centre, from_weights + v.linear(&slope.square(), None)),
            Spread::Covariances(c) => {
                let carried = slope.matmul(c).matmul(&slope.t());
                Self::with_covariances(centre, carried + from_weights.diag())
            }
        }
    }

    /// A nonlinear function of every entry.
    pub fn through(&self, unit: Unit) -> Self {
        let UnitMoments { mean, variance, slope } = unit.moments(&self.mean, &self.variances());
        match &self.spread {
            Spread::Variances(_) => Self::new(mean, variance),
            Spread::Covariances(c) => {
                let carried = slope.unsqueeze(2) * slope.unsqueeze(1) * c;
                let own = variance - carried.diagonal();
                Self::with_covariances(mean, carried + own.diag())
            }
        }
    }

    /// The sum with independent vectors of the same kind of spread.
    ///
    /// # Panics
    /// For variances beside covariances.
    pub fn plus(&self, other: &Self) -> Self {
        let mean = &self.mean + &other.mean;
        match (&self.spread, &other.spread) {
            (Spread::Variances(a), Spread::Variances(b)) => Self::new(mean, a + b),
            (Spread::Covariances(a), Spread::Covariances(b)) => Self::with_covariances(mean, a + b),
            _ => panic!("a sum of vectors with variances and vectors with covariances"),
        }
    }

    /// The product, entry by entry, with independent vectors of the same kind of spread: `C_x ∘ C_y + C_x ∘ m_y m_y' + C_y ∘ m_x m_x'`.
    ///
    /// # Panics
    /// For variances beside covariances.
    pub fn times(&self, other: &Self) -> Self {
        let mean = &self.mean * &other.mean;
        let joined =
            |a: &Tensor, b: &Tensor, square: &Tensor, other_square: &Tensor| a * b + a * other_square + b * square;
        match (&self.spread, &other.spread) {
            (Spread::Variances(a), Spread::Variances(b)) => {
                Self::new(mean, joined(a, b, &self.mean.square(), &other.mean.square()))
            }
            (Spread::Covariances(a), Spread::Covariances(b)) => {
                let outer = |m: &Tensor| m.unsqueeze(2) * m.unsqueeze(1);
                Self::with_covariances(mean, joined(a, b, &outer(&self.mean), &outer(&other.mean)))
            }
            _ => panic!("a product of vectors with variances and vectors with covariances"),
        }
    }

    /// Expected log probability of each row's targets, `[B]`, in nats, differentiable in what `observation` learns too. Of classes it is a lower
    /// bound, by `bound`, which is read for them alone. Log variances are not held: an expectation of held ones is not closed.
    ///
    /// # Errors
    /// [`Error::Setting`] for targets whose expectation is not closed, and of another number of outputs; [`Error::Data`] for targets of
    /// another shape.
    pub fn expected_log_prob(&self, y: &Tensor, observation: &Observation, bound: Bound) -> Result<Tensor> {
        observation.check_rows(&self.mean, Some(y))?;
        let each = match observation.config() {
            ObservationConfig::Fixed { .. } | ObservationConfig::Learned { .. } => {
                let noise = observation.noise(self.mean.dtype()).expect("it is normal noise");
                expected_normal(&(y - &self.mean), &self.variances(), &noise)
            }
            ObservationConfig::Varying { .. } => self.expected_of_varying(y),
            ObservationConfig::Poisson => {
                let mean = (&self.mean + self.variances() * 0.5).exp();
                y * &self.mean - mean - (y + 1.0).lgamma()
            }
            ObservationConfig::Categorical { .. } => {
                let own = self.mean.gather(-1, &y.unsqueeze(-1)).squeeze(-1);
                return Ok(own - bound.log_sum_exp(&self.mean, &self.variances()));
            }
            other => {
                return Err(Error::Setting {
                    setting: "observation".into(),
                    found: other.name().into(),
                    expected: "fixed, learned, varying, poisson or categorical, whose expectations are closed".into(),
                });
            }
        };
        Ok(each.sum_axis(-1, false))
    }

    /// Of each target, whose mean and log variance are two outputs.
    fn expected_of_varying(&self, y: &Tensor) -> Tensor {
        let k = y.size(1);
        let halves = |t: &Tensor| (t.narrow(1, 0, k), t.narrow(1, k, k));
        let ((mean, level), (spread, doubt)) = (halves(&self.mean), halves(&self.variances()));
        let error = y - mean;
        let error = match &self.spread {
            Spread::Variances(_) => error,
            // Where output and log variance vary together, the precision's weight moves the mean by minus their covariance.
            Spread::Covariances(c) => error + c.narrow(1, 0, k).narrow(2, k, k).diagonal(),
        };
        expected_varying_normal(&error, &spread, &level, &doubt)
    }
}
