//! The engine: tensors, differentiable operations, fused operations, parameters and optimisers.
//!
//! | I want | look at |
//! |---|---|
//! | numbers in a shape | [`Tensor`] |
//! | which operation there is, how to add one | `ops/mod.rs` in the source; every operation is a method of [`Tensor`] |
//! | a derivative: gradient, vJ, Jv, Hv, Jacobian | [`gradient`] |
//! | a hand-written derivative | [`Tensor::custom`] |
//! | Gram matrices, marginal likelihoods and sparse bounds at full speed | [`fused`] |
//! | named, constrained, freezable values | [`Parameters`], [`Parameter`] |
//! | an optimiser, a schedule | [`optim`] |
//! | special functions of one number | [`special`] |
//!
//! The graph lives in the tensors. An operation on a tracked tensor records what made it; nothing is global, and a graph vanishes
//! with the last tensor that needs it. Backward passes are written in the same operations, so derivatives of derivatives work.

mod custom;
mod dtype;
mod fastmath;
pub mod fused;
pub mod gradient;
mod kernels;
mod layout;
mod ops;
pub mod optim;
mod parameters;
pub mod special;
mod storage;
mod tape;
mod tensor;

pub use dtype::{DType, Element};
pub use elbo_linalg::{Jitter, Ladder, LinalgError};
pub use gradient::{checkpoint, grad, grad_graph, hvp, jacobian, jvp, vjp, vjp_many};
pub use ops::{Attention, Convolution, Window};
pub use parameters::{Constraint, Description, Parameter, Parameters, Prior, nested, nested_mut, stored};
pub use storage::Storage;
pub use tape::{is_recording, no_grad, with_grad};
pub use tensor::Tensor;
