//! What can go wrong in a factorisation.

/// Result with [`LinalgError`].
pub type Result<T, E = LinalgError> = std::result::Result<T, E>;

/// A factorisation that does not exist, or that arithmetic could not finish. Shapes that do not fit are mistakes of our
/// own and panic instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LinalgError {
    /// Cholesky met a pivot that is not positive.
    #[error(
        "the {size}x{size} matrix is not positive definite at row {row}, even with jitter {jitter:.0e} of its mean diagonal"
    )]
    NotPositiveDefinite {
        /// Number of rows.
        size: usize,
        /// The row whose pivot is not positive, counted from 0.
        row: usize,
        /// The last jitter tried, relative to the mean of the diagonal.
        jitter: f64,
    },

    /// An entry is NaN or infinite.
    #[error("the {rows}x{columns} matrix has {value} at row {row}, column {column}")]
    NotFinite {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        columns: usize,
        /// Row of the first such entry, counted from 0.
        row: usize,
        /// Its column.
        column: usize,
        /// The entry.
        value: f64,
    },

    /// A pivot of an LU factorisation is zero.
    #[error("the {size}x{size} matrix is singular: no pivot is left at row {row}")]
    Singular {
        /// Number of rows.
        size: usize,
        /// The row without a pivot, counted from 0.
        row: usize,
    },

    /// An iteration did not settle.
    #[error("the {what} of a {rows}x{columns} matrix did not converge")]
    NoConvergence {
        /// Which decomposition.
        what: &'static str,
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        columns: usize,
    },
}

impl LinalgError {
    /// Whether a shorter step of the parameters may mend it, as in a line search.
    pub fn is_recoverable(&self) -> bool {
        matches!(self, Self::NotPositiveDefinite { .. } | Self::NotFinite { .. })
    }

    /// What the user can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotPositiveDefinite { .. } => {
                "remove repeated or nearly repeated inputs, raise the noise, or shorten the lengthscales"
            }
            Self::NotFinite { .. } => "look for missing or huge values in that row, or for a parameter that overflowed",
            Self::Singular { .. } => "remove columns that are combinations of others",
            Self::NoConvergence { .. } => "scale the data to unit variance; entries may differ too much in size",
        }
    }
}

impl From<LinalgError> for elbo_core::Error {
    fn from(error: LinalgError) -> Self {
        let (message, remedy) = (error.to_string(), error.remedy());
        if error.is_recoverable() { Self::recoverable(message, remedy) } else { Self::numerical(message, remedy) }
    }
}
