//! Points that move together until they stand for a density.
//!
//! Two choices, side by side: where the points want to go ([`Field`]), and how far they go ([`Pace`]).
//!
//! | where | use |
//! |---|---|
//! | down the divergence to the target, in a kernel's space (SVGD) | [`Field::Svgd`] |
//! | down the kernel Stein discrepancy (KSDD) | [`Field::Ksdd`] |
//! | down the divergence, by the spectrum of the density of one unknown or two (LAWGD) | [`Lawgd`] with [`transport_by`] |
//! | anywhere else | implement [`Velocity`] |
//! | to the data of a forward model without derivatives, or to its posterior (EKI, EKS, ALDI) | [`ensemble_kalman`], which needs no pace |
//!
//! | how far | use |
//! |---|---|
//! | by betting on the direction: no rate to choose | [`Pace::Coin`] |
//! | by a rate | [`Pace::Fixed`], [`Pace::Adagrad`], [`Pace::Adam`] |

mod ensemble;
mod field;
mod lawgd;
mod pace;
mod transport;

pub use ensemble::{Ensemble, EnsembleKalman, InverseProblem, Kalman, ensemble_kalman};
pub use field::{Field, Kernel, Ksdd, Svgd, Velocity, median_bandwidth};
pub use lawgd::Lawgd;
pub use pace::{Pace, Purse};
pub use transport::{Particles, Transport, transport, transport_by};
