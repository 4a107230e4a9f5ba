//! What an answer is worth.
//!
//! | the answer is | look at |
//! |---|---|
//! | a density that is to stand for another one | [`psis`](psis()): log weights in, $\hat k$ and a verdict out |
//! | chains | [`chains`]: rank-normalised split R-hat, effective sample sizes, Monte Carlo errors, E-BFMI |
//! | points, however made, of a density with a score | [`stein`]: kernel Stein discrepancy |
//! | a fit that met numbers which are none | [`left_out`](left_out()): the warning |
//! | a method that is to be right on average over its prior | [`calibration`]: simulation-based calibration, for variational fits too |

pub mod calibration;
pub mod chains;
mod left_out;
mod psis;
pub mod stein;

pub use calibration::{Ranks, sbc};
pub use chains::{Summary, e_bfmi, ess_bulk, ess_mean, ess_quantile, ess_tail, mcse_mean, mcse_quantile, r_hat, worst};
pub use left_out::left_out;
pub use psis::{Psis, effective_size, psis};
pub use stein::{SteinKernel, ksd_squared_u, ksd_squared_v};
