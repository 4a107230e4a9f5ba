//! Where the numbers lie.

use crate::dtype::{DType, Element};
use elbo_core::recycle::keep;

/// The elements of one or more tensors, in host memory.
#[derive(Debug, Clone, PartialEq)]
pub enum Storage {
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
    /// Integers.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
}

impl Storage {
    /// The elements' type.
    pub fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => f32::DTYPE,
            Self::F64(_) => f64::DTYPE,
            Self::I64(_) => i64::DTYPE,
            Self::Bool(_) => bool::DTYPE,
        }
    }

    /// How many elements it holds.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::Bool(v) => v.len(),
        }
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Large buffers are used again.
impl Drop for Storage {
    fn drop(&mut self) {
        match self {
            Self::F32(v) => keep(std::mem::take(v)),
            Self::F64(v) => keep(std::mem::take(v)),
            Self::I64(v) => keep(std::mem::take(v)),
            Self::Bool(v) => keep(std::mem::take(v)),
        }
    }
}
