//! How many threads an operation asks for.
//!
//! Two rules keep the bits independent of the machine. Operations that never split a sum may use every thread. Those that
//! do split sums are always split into [`PARTS`], by size alone, and however many threads there are take the parts.

/// Parts into which the eigen-, singular-value and QR decompositions split their sums.
pub const PARTS: usize = 4;

/// Multiply-adds below which starting other threads costs more than it saves.
const WORTH_SHARING: usize = 96 * 96 * 96;

/// How an operation is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// By the calling thread alone: for callers that are one of many parallel tasks.
    One,
    /// Among the threads of the current rayon pool, where the size warrants it.
    All,
}

impl Threads {
    /// Number of threads for about this many multiply-adds.
    pub(crate) fn degree(self, multiply_adds: usize) -> usize {
        match self {
            Self::One => 1,
            Self::All if multiply_adds < WORTH_SHARING => 1,
            Self::All => rayon::current_num_threads(),
        }
    }
}

/// Multiply-adds of a product, without overflow.
pub(crate) fn multiply_adds(m: usize, n: usize, k: usize) -> usize {
    m.saturating_mul(n).saturating_mul(k)
}
