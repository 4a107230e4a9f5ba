//! What is believed about a function from its values: a Gaussian or a Student-t process with a Matern-5/2 kernel.
//!
//! It differs from `elbo_gp::exact` in what deciding needs: gradients of means and covariances in the *inputs*, one lengthscale for all columns of
//! a category, growing by a fantasy, and fits of a few milliseconds. At the same hyperparameters both have the same marginal
//! likelihood and predictions; a test holds them to it.
//!
//! | part | file |
//! |---|---|
//! | hyperparameters by MAP or maximum likelihood | `fit.rs` |
//! | the posterior, its gradients, draws as functions | `posterior.rs`, `factor.rs`, `path.rs` |
//! | a process whose scale is unknown | `student.rs` |
//! | mean functions learned from the data first | `mean.rs`, `forest.rs` |
//! | transforms of the values | `output.rs` |

mod factor;
mod fit;
mod forest;
mod mean;
mod output;
mod path;
mod posterior;
mod student;

pub(crate) use mean::FEWEST as FEWEST_CROSS_VALIDATED;
pub use mean::{Mean, MeanKind};
pub use output::{Output, Warp};
pub use path::Path;
pub(crate) use posterior::Saved;
pub use posterior::{Gp, Joint};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is believed about the function before the trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SurrogateKind {
    /// A Gaussian process.
    #[default]
    Gp,
    /// A Student-t process: a Gaussian one whose scale is unknown, so that values far from what was expected widen what is believed everywhere.
    StudentT,
}

/// Hyperparameters, for encoded inputs and standardised values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hyper {
    /// One a variable, or a single one for all.
    pub lengthscale: Vec<f64>,
    /// The process's variance.
    pub variance: f64,
    /// The noise's variance.
    pub noise: f64,
}

/// How a surrogate is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SurrogateConfig {
    /// Whether all variables share one lengthscale.
    pub isotropic: bool,
    /// Whether the process's variance is learned, or one.
    pub learns_variance: bool,
    /// The noise variance as a share of the values' variance; learned where `null`.
    pub noise: Option<f64>,
    /// Whether lengthscales and noise have priors: `ln l ~ N(√2 + ln(D)/2, 3)`, `ln noise ~ N(-4, 1)`, as densities of natural values.
    pub priors: bool,
    /// Degrees of freedom, above 2, of a Student-t process; a Gaussian process where `null`. Noise, known noise too, has its unknown scale.
    pub degrees: Option<f64>,
    /// The mean function.
    pub mean: MeanKind,
    /// What happens to values before they are standardised.
    pub output: Output,
    /// Starting points of the search for hyperparameters.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// L-BFGS steps a start, at most.
    #[schemars(range(min = 1))]
    pub iterations: usize,
}

impl Default for SurrogateConfig {
    fn default() -> Self {
        Self {
            isotropic: false,
            learns_variance: false,
            noise: None,
            priors: true,
            degrees: None,
            mean: MeanKind::Learned,
            output: Output::Standardise,
            starts: 4,
            iterations: 100,
        }
    }
}

/// `(g, h)` of the Matern-5/2 at distance `r`: `g = (1 + √5 r + 5r²/3) e^{-√5 r}`, and `h = -g'(r) / r`, which is finite at zero.
pub(crate) fn matern52(r: f64) -> (f64, f64) {
    const ROOT5: f64 = 2.236_067_977_499_79;
    let a = ROOT5 * r;
    let decay = (-a).exp();
    ((1.0 + a + a * a / 3.0) * decay, 5.0 / 3.0 * (1.0 + a) * decay)
}
