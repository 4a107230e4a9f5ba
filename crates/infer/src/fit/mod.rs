//! One call that fits: variational inference of any family, and the same call for every method side by side.
//!
//! | I want | use |
//! |---|---|
//! | to fit a family to a target | [`vi`] |
//! | a first look, or where to start sampling, for a few hundred gradients | [`pathfinder`] |
//! | the same with several modes, or skewed: draws of several such approximations by their weights | [`multipath`] |
//! | to fit a flow to a target of several modes, flat at first | [`annealed`] |
//! | one answer from a method named in a setting | [`infer`] with a [`Method`] |
//! | the posterior of any data at once, from a model that can be simulated but not evaluated | [`simulated`] |
//! | several answers, how far apart they are, and which to trust | [`compare`] |
//! | to know whether fits of a family are right on average over the prior | [`Fit::calibration`] |

mod annealed;
mod calibration;
mod compare;
mod file;
mod iterates;
mod method;
mod multipath;
mod pathfinder;
mod simulated;
mod vi;

pub use annealed::{AnnealedSettings, annealed};
pub use calibration::{Finding, VariationalCalibration};
pub use compare::{Comparison, compare};
pub use method::{Inference, Method, MethodSettings, infer};
pub use multipath::multipath;
pub use pathfinder::{PathfinderSettings, pathfinder};
pub use simulated::{Simulated, SimulatedSettings, simulated};
pub use vi::{Fit, ViSettings, vi};

use crate::target::LogDensity;
use elbo_core::{Result, ensure};

/// Checks that a start or a family has as many unknowns as the target.
fn ensure_dim(setting: &str, found: usize, target: &dyn LogDensity) -> Result<()> {
    let dim = target.dim();
    ensure(setting, format!("of {found} unknowns"), found == dim, format!("of {dim} unknowns, as the target"))
}
