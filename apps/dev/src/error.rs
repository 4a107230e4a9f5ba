//! What can go wrong in a developer tool.

use std::path::{Path, PathBuf};

/// Result with [`DevError`].
pub type Result<T, E = DevError> = std::result::Result<T, E>;

/// Causes, with what to do about them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevError {
    /// A program could not be started, or ended with an error.
    #[error("`{command}` failed: {message}; {remedy}")]
    Command {
        /// The command line.
        command: String,
        /// The last lines it wrote, or why it did not start.
        message: String,
        /// What to do.
        remedy: String,
    },

    /// A file could not be read or written.
    #[error("cannot {verb} {}: {source}", path.display())]
    File {
        /// "read" or "write".
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },

    /// Text that should have had a certain form.
    #[error("{what} cannot be understood: {message}")]
    Format {
        /// What was read.
        what: String,
        /// Why not.
        message: String,
    },

    /// A check found faults; one a line.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),

    /// The library refused.
    #[error("{cause}; {remedy}", cause = .0, remedy = .0.remedy())]
    Elbo(#[from] elbo::core::Error),
}

impl DevError {
    /// Text of the wrong form.
    pub fn format(what: impl Into<String>, message: impl ToString) -> Self {
        Self::Format { what: what.into(), message: message.to_string() }
    }
}

/// The file's text.
///
/// # Errors
/// [`DevError::File`].
pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| DevError::File { verb: "read", path: path.into(), source })
}

/// Writes the file and its folders.
///
/// # Errors
/// [`DevError::File`].
pub fn write(path: &Path, text: &str) -> Result<()> {
    let done = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, text));
    done.map_err(|source| DevError::File { verb: "write", path: path.into(), source })
}
