//! Objectives as functions of log weights $\ell_k = \log p(x, z_k) - \log q(z_k)$.
//!
//! Log weights are `[K, B]`: `K` draws for each of `B` data (one for a plain posterior). Values are `[B]`, in nats; means over `B` are
//! the caller's, outside every logarithm.
//!
//! | I want | use |
//! |---|---|
//! | the evidence lower bound from log weights | [`Objective::ELBO`] |
//! | the same with a closed entropy, or a closed divergence from the prior | [`elbo_with_entropy`], [`elbo_with_kl`] |
//! | the importance-weighted bound of `K` draws | [`Objective::IWAE`] |
//! | a Rényi bound, a chi-square upper bound | [`Objective::renyi`], [`Objective::cubo`] |
//! | the largest log weight alone | [`Objective::VR_MAX`] |
//! | an upper bound by draws of the posterior, or an estimate of it without them | [`eubo`], [`eubo_by_weights`] |
//! | to cover the posterior rather than fit into it | [`Objective::ForwardKl`]; where the model can be simulated, [`simulated`](crate::fit::simulated) |
//! | a distance that needs no constants, by gradients alone | [`fisher_divergence`] |
//! | bounds for a family whose density is an integral | [`Hierarchical`](crate::family::Hierarchical) |
//! | gradients of the ELBO without differentiating the target | [`Objective::VarGrad`] |
//! | the integral over temperatures | [`Objective::Thermodynamic`] |
//! | a tempered bound | [`elbo_with_kl`] with a weight; a target that is flat at first: [`annealed`](crate::fit::annealed) |
//! | log mean weights of more draws than fit in memory | [`LogMeanExp`] |
//!
//! ELBO, IWAE, Rényi and CUBO are one formula whose order is a number, $\frac1r \log \frac1K \sum_k e^{r \ell_k}$: 0, 1, $1 - \alpha$, $n$. It rises with
//! the order, from the least log weight at minus infinity to the largest at infinity.

mod fisher;

pub use fisher::fisher_divergence;

use elbo_core::{Result, ensure};
use elbo_tensor::Tensor;
use elbo_tensor::special::log_add_exp;
use serde::{Deserialize, Serialize};

/// What is maximised or reported, as a function of log weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Objective {
    /// $\frac1r \log \frac1K \sum_k e^{r \ell_k}$; the mean at $r = 0$, the largest of the log weights at infinity and the least at minus infinity. A
    /// lower bound of $\log p(x)$ in expectation for $r \le 1$; for finite $r > 1$ it tends to an upper bound with `K`, but is biased down at finite `K`:
    /// an estimate, never a certificate. The largest log weight less $\log K$ is a lower bound in expectation, for any `K`, that is within $\log K$ of the
    /// importance-weighted one.
    Power {
        /// The order `r`; infinities are written as `"infinity"` and `"-infinity"`.
        #[serde(with = "order")]
        order: f64,
    },
    /// Minus the divergence from posterior to approximation, by self-normalised weights: what wake-phi steps ascend. Consistent, not
    /// unbiased. Its gradient is that of $\sum_k \bar w_k \log q(z_k)$.
    ForwardKl,
    /// Minus half the variance of log weights with draws held fixed; its gradient is the leave-one-out score estimator of the ELBO's.
    VarGrad,
    /// $\sum_i (\beta_{i+1} - \beta_i) \mathbb E_{\pi_{\beta_i}}[\ell]$ with $\pi_\beta \propto q^{1-\beta} p^\beta$ by self-normalised
    /// weights: a left Riemann sum of the integral that is $\log p(x)$, hence a lower bound as `K` grows.
    Thermodynamic {
        /// Inverse temperatures from 0 to 1, increasing; one interval, `[0, 1]`, is the ELBO.
        betas: Vec<f64>,
    },
}

impl Objective {
    /// The evidence lower bound.
    pub const ELBO: Self = Self::Power { order: 0.0 };
    /// The importance-weighted bound.
    pub const IWAE: Self = Self::Power { order: 1.0 };
    /// The largest log weight, the Rényi bound of order minus infinity: gradients go through one draw of the `K`.
    ///
    /// # Source
    /// Li and Turner (2016), "VR-max".
    pub const VR_MAX: Self = Self::Power { order: f64::INFINITY };

    /// The variational Rényi bound of order `alpha`: 1 is the ELBO, 0 the importance-weighted bound, minus infinity the largest log weight and
    /// infinity the least.
    pub fn renyi(alpha: f64) -> Self {
        Self::Power { order: 1.0 - alpha }
    }

    /// The chi^n upper bound: its value estimates at least $\log p(x)$ only as `K` grows.
    pub fn cubo(n: f64) -> Self {
        Self::Power { order: n }
    }

    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Power { order } => ensure("order", order, !order.is_nan(), "a number, or infinite"),
            Self::Thermodynamic { betas } => {
                let path = betas.first() == Some(&0.0) && betas.last() == Some(&1.0);
                let rises = betas.windows(2).all(|w| w[0] < w[1]);
                ensure("betas", format!("{betas:?}"), path && rises, "increasing from 0 to 1")
            }
            Self::ForwardKl | Self::VarGrad => Ok(()),
        }
    }

    /// Whether a larger value is wanted. The chi-square bounds are upper bounds of the evidence and are lowered; the largest log weight is a lower
    /// bound but for a constant, and is raised.
    pub fn is_maximised(&self) -> bool {
        !matches!(self, Self::Power { order } if *order > 1.0 && order.is_finite())
    }

    /// The value, `[B]`, differentiable in the log weights `[K, B]`.
    ///
    /// The gradient of a [`Objective::ForwardKl`] value is not the wake step's; use [`Objective::weights`] for that one.
    ///
    /// # Panics
    /// For the variance of fewer than two draws.
    pub fn value(&self, log_weights: &Tensor) -> Tensor {
        let draws = log_weights.size(0);
        match self {
            Self::Power { order } => power(log_weights, *order),
            Self::ForwardKl => {
                let weights = log_weights.softmax(0);
                log_mean_exp(log_weights) - (weights * log_weights).sum_axis(0, false)
            }
            // The unbiased variance, so that the gradient is the leave-one-out estimator exactly.
            Self::VarGrad => {
                assert!(draws >= 2, "a variance needs two draws");
                log_weights.variance_axis(0, false, 1) * -0.5
            }
            Self::Thermodynamic { betas } => betas
                .windows(2)
                .map(|w| ((log_weights * w[0]).softmax(0) * log_weights).sum_axis(0, false) * (w[1] - w[0]))
                .sum(),
        }
    }

    /// Weight of each draw's log weight in the gradient, `[K, B]`, outside the graph: the gradient that the objective asks for is
    /// $\sum_k c_k \nabla \ell_k$, through whatever a gradient estimator differentiates.
    ///
    /// For [`Objective::ForwardKl`] it is $-\bar w_k$, to be sent through $\log q$ alone with draws held fixed.
    ///
    /// # Panics
    /// As [`Objective::value`].
    pub fn weights(&self, log_weights: &Tensor) -> Tensor {
        let log_weights = log_weights.detach();
        match self {
            Self::Power { order } if *order == 0.0 => log_weights.full_like(1.0 / log_weights.size(0) as f64),
            Self::Power { order } if order.is_infinite() => {
                let chosen = if *order > 0.0 { log_weights.argmax(0, false) } else { log_weights.argmin(0, false) };
                chosen.one_hot(log_weights.size(0), log_weights.dtype()).t()
            }
            Self::Power { order } => (&log_weights * *order).softmax(0),
            Self::ForwardKl => -log_weights.softmax(0),
            Self::VarGrad | Self::Thermodynamic { .. } => {
                let leaf = log_weights.variable();
                elbo_tensor::grad(&self.value(&leaf).sum(), &[&leaf]).remove(0)
            }
        }
    }
}

/// $\frac1r \log \frac1K \sum_k e^{r \ell_k}$ over the first axis: `[K, B]` to `[B]`; the mean where `order` is zero, the largest where it is infinite, the
/// least where it is minus infinity. Of equal ones the first has the gradient there.
pub fn power(log_weights: &Tensor, order: f64) -> Tensor {
    if order == 0.0 {
        log_weights.mean_axis(0, false)
    } else if order == f64::INFINITY {
        log_weights.max_axis(0, false)
    } else if order == f64::NEG_INFINITY {
        log_weights.min_axis(0, false)
    } else {
        log_mean_exp(&(log_weights * order)) * (1.0 / order)
    }
}

/// An order in text: JSON has no infinity, which is written as a word.
mod order {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// As a number or as a word.
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an order is a number, `infinity` or `-infinity`")]
    enum Written {
        Number(f64),
        Word(String),
    }

    pub fn serialize<S: Serializer>(order: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if order.is_infinite() {
            serializer.serialize_str(if *order > 0.0 { "infinity" } else { "-infinity" })
        } else {
            serializer.serialize_f64(*order)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Number(order) => Ok(order),
            Written::Word(word) => match word.as_str() {
                "infinity" => Ok(f64::INFINITY),
                "-infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(D::Error::custom(format!("the order `{word}` is no number, `infinity` or `-infinity`"))),
            },
        }
    }
}

/// $\log \frac1K \sum_k e^{\ell_k}$ over the first axis: `[K, B]` to `[B]`.
pub fn log_mean_exp(log_weights: &Tensor) -> Tensor {
    log_weights.log_sum_exp(0, false) - (log_weights.size(0) as f64).ln()
}

/// The importance-weighted bound with its `K` draws in `groups` of equal size, averaged outside the logarithm: one group is
/// [`Objective::IWAE`], `K` groups are the ELBO. `[K, B]` to `[B]`.
///
/// # Panics
/// When the draws do not make groups of equal size.
///
/// # Source
/// Rainforth et al. (2018), "MIWAE".
pub fn grouped(log_weights: &Tensor, groups: usize) -> Tensor {
    let (draws, rest) = (log_weights.size(0), log_weights.size(1));
    assert!(groups > 0 && draws.is_multiple_of(groups), "{draws} draws cannot make {groups} equal groups");
    let folded = log_weights.reshape(&[groups, draws / groups, rest]);
    (folded.log_sum_exp(1, false) - ((draws / groups) as f64).ln()).mean_axis(0, false)
}

/// A convex combination of the ELBO and the importance-weighted bound of draws in `groups`: `beta` of the first. `[K, B]` to `[B]`.
///
/// # Source
/// Rainforth et al. (2018), "CIWAE"; with several groups its combination with [`grouped`].
pub fn combined(log_weights: &Tensor, groups: usize, beta: f64) -> Tensor {
    let weighted = if groups == 1 { Objective::IWAE.value(log_weights) } else { grouped(log_weights, groups) };
    if beta > 0.0 { weighted * (1.0 - beta) + Objective::ELBO.value(log_weights) * beta } else { weighted }
}

/// The ELBO with a closed entropy: $\mathbb E_q \log p(x, z) + H(q)$. `log_joint: [K, B]`, `entropy: [B]`; returns `[B]`.
pub fn elbo_with_entropy(log_joint: &Tensor, entropy: &Tensor) -> Tensor {
    log_joint.mean_axis(0, false) + entropy
}

/// The ELBO with a closed divergence: $\mathbb E_q \log p(x \mid z) - \beta\, \mathrm{KL}[q \| p]$; one for `beta` is the ELBO itself,
/// anything else tempers it. `log_likelihood: [K, B]`, `kl: [B]`; returns `[B]`.
pub fn elbo_with_kl(log_likelihood: &Tensor, kl: &Tensor, beta: f64) -> Tensor {
    log_likelihood.mean_axis(0, false) - kl * beta
}

/// The evidence upper bound $\mathbb E_{p(z \mid x)}[\log p(x, z) - \log q(z)] = \log p(x) + \mathrm{KL}[p(z \mid x) \| q]$ from log weights
/// at exact draws of the posterior: `[K, B]` to `[B]`, in nats.
///
/// Its mean is not below $\log p(x)$; draws of a chain that has not converged lose that. Lowering it is raising $\log q$ at posterior draws.
///
/// # Source
/// Ji and Shen (2019), "Stochastic variational inference via upper bound".
pub fn eubo(log_weights: &Tensor) -> Tensor {
    log_weights.mean_axis(0, false)
}

/// The evidence upper bound from log weights at draws of the approximation, self-normalised: $\sum_k \bar w_k \ell_k$, `[K, B]` to `[B]`, in nats.
///
/// Consistent, and biased down at finite `K`: an estimate, never a certificate. On every sample it is at least the importance-weighted bound
/// of the same draws, and what it exceeds that by is minus the value of [`Objective::ForwardKl`], whose gradient lowers it.
pub fn eubo_by_weights(log_weights: &Tensor) -> Tensor {
    (log_weights.softmax(0) * log_weights).sum_axis(0, false)
}

/// $\int_0^1 E_t\,dt$ by the trapezoid rule from expectations $E_t = \mathbb E_{p_t} \log p(x \mid z)$ at increasing `t` from 0 to 1:
/// the log evidence.
///
/// # Panics
/// For fewer than two temperatures, and for another number of expectations.
pub fn thermodynamic_integral(t: &[f64], expectation: &[f64]) -> f64 {
    assert!(t.len() == expectation.len() && t.len() >= 2, "one expectation a temperature, two at least");
    t.windows(2).zip(expectation.windows(2)).map(|(t, e)| 0.5 * (t[1] - t[0]) * (e[0] + e[1])).sum()
}

/// Weights of each draw for the doubly reparameterised family, $a \bar w + (1 - 2a) \bar w^2$: 0 is the importance-weighted bound
/// (DReG), 1 the wake step, 1/2 half of sticking the landing. `[K, B]`, outside the graph; they multiply $\partial \ell_k / \partial z_k$.
///
/// # Source
/// Tucker, Lawson, Gu and Maddison (2019).
pub fn doubly_reparameterised(log_weights: &Tensor, a: f64) -> Tensor {
    let weights = log_weights.detach().softmax(0);
    &weights * a + weights.square() * (1.0 - 2.0 * a)
}

/// Effective number of draws, $(\sum w)^2 / \sum w^2$: `[K, B]` to `[B]`, outside the graph.
pub fn effective_draws(log_weights: &Tensor) -> Tensor {
    log_weights.detach().softmax(0).square().sum_axis(0, false).recip()
}

/// A mean and its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Its standard error; NaN from one value.
    pub error: f64,
}

impl Estimate {
    /// Of independent values with the mean in question.
    pub fn mean(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let value = values.iter().sum::<f64>() / n;
        let square: f64 = values.iter().map(|v| (v - value).powi(2)).sum();
        Self { value, error: (square / (n - 1.0) / n).sqrt() }
    }

    /// Of `log mean exp` of independent log weights; the error by the delta method, `sd(w) / (mean(w) sqrt K)`.
    pub fn log_mean(log_weights: &[f64]) -> Self {
        let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let Self { value, error } = Self::mean(&log_weights.iter().map(|l| (l - largest).exp()).collect::<Vec<_>>());
        Self { value: value.ln() + largest, error: error / value }
    }
}

/// `log mean exp` over more draws than are held at once: each block of draws is added, then forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct LogMeanExp {
    total: Vec<f64>,
    count: usize,
}

impl LogMeanExp {
    /// Nothing yet, for `B` data.
    pub fn new(batch: usize) -> Self {
        Self { total: vec![f64::NEG_INFINITY; batch], count: 0 }
    }

    /// Adds draws `[K, B]`.
    ///
    /// # Panics
    /// For another number of data than before.
    pub fn add(&mut self, log_weights: &Tensor) {
        let block = log_weights.detach().to_f64().log_sum_exp(0, false).to_vec();
        assert_eq!(block.len(), self.total.len(), "the same data in every block");
        self.total.iter_mut().zip(block).for_each(|(t, b)| *t = log_add_exp(*t, b));
        self.count += log_weights.size(0);
    }

    /// Draws so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The log means, `[B]`.
    pub fn value(&self) -> Vec<f64> {
        self.total.iter().map(|t| t - (self.count as f64).ln()).collect()
    }
}
