//! One error type for the seam: what went wrong, and what the user can do about it.

use crate::allowed::Allowed;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a user is told. Variants by cause; [`Error::remedy`] is shown on its own line, and is a field of `--json` output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user's data cannot be used as they are.
    #[error("{message}")]
    Data {
        /// What was found, and where.
        message: String,
        /// What to change.
        remedy: String,
    },

    /// A setting is outside its range, of the wrong type, or not a setting at all.
    #[error("setting `{setting}` is {found}; expected {expected}")]
    Setting {
        /// The setting's name.
        setting: String,
        /// The value found.
        found: String,
        /// The values allowed; the remedy names the nearest of them.
        expected: Allowed,
    },

    /// A name that nothing answers to.
    #[error("unknown {what} `{name}`")]
    Unknown {
        /// What kind of thing was named: "system", "setting", "column", "data key".
        what: &'static str,
        /// The name given.
        name: String,
        /// The remedy: the nearest known name, or where to find the list.
        remedy: String,
    },

    /// A verb that this system's models do not offer.
    #[error("`{system}` cannot {verb}; it offers: {offered}")]
    Verb {
        /// The system's id.
        system: String,
        /// The verb asked for.
        verb: String,
        /// The verbs there are.
        offered: String,
    },

    /// Arithmetic failed: a matrix that is not positive definite, a value that is not finite.
    #[error("{message}")]
    Numerical {
        /// What failed, with the numbers.
        message: String,
        /// What to change.
        remedy: String,
        /// Whether a shorter step could succeed.
        recoverable: bool,
    },

    /// A file that cannot be read or written.
    #[error("{message}: {}", path.display())]
    File {
        /// What failed.
        message: String,
        /// What to change.
        remedy: String,
        /// The file.
        path: PathBuf,
    },

    /// A file that is not one of our model files, or is damaged, or is of another system or a newer format.
    #[error("{message}")]
    ModelFile {
        /// What is wrong with it.
        message: String,
        /// What to do.
        remedy: String,
    },

    /// The user, or the budget, stopped the work before there was anything to keep.
    #[error("stopped before the first usable state")]
    Stopped,
}

impl Error {
    /// Data that cannot be used, with a remedy.
    pub fn data(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Data { message: message.into(), remedy: remedy.into() }
    }

    /// A numerical failure that no shorter step would mend.
    pub fn numerical(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Numerical { message: message.into(), remedy: remedy.into(), recoverable: false }
    }

    /// A numerical failure that a shorter step may mend, as in a line search.
    pub fn recoverable(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Numerical { message: message.into(), remedy: remedy.into(), recoverable: true }
    }

    /// A failed file operation; the remedy follows from the cause.
    pub fn file(message: impl Into<String>, path: impl AsRef<Path>, source: &std::io::Error) -> Self {
        use std::io::ErrorKind::*;
        let remedy = match source.kind() {
            NotFound => "check the path; it is relative to the current folder",
            PermissionDenied => "choose a place you may write to, or change the permissions",
            IsADirectory => "give a file, not a folder",
            NotADirectory => "a part of the path is a file, not a folder",
            StorageFull | QuotaExceeded => "free some space or choose another disk; nothing was left half-written",
            ReadOnlyFilesystem => "choose a place you may write to",
            FileTooLarge => "raise the limit on the size of files (`ulimit -f`); nothing was left half-written",
            _ => "see the cause in brackets",
        };
        Self::File {
            message: format!("{} ({})", message.into(), describe(source)),
            remedy: remedy.into(),
            path: path.as_ref().into(),
        }
    }

    /// A model file that cannot be used.
    pub fn model_file(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::ModelFile { message: message.into(), remedy: remedy.into() }
    }

    /// A model file whose parts do not belong together; `what` completes "the parts of the model file do not fit together: ...".
    pub fn misfit(what: impl std::fmt::Display) -> Self {
        Self::model_file(
            format!("the parts of the model file do not fit together: {what}"),
            "copy it again from where it was made, or fit the model again with this version",
        )
    }

    /// An unknown name, with the nearest of the known ones as the remedy.
    pub fn unknown<'a>(what: &'static str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let remedy = match nearest_name(name, known.iter().copied()) {
            Some(candidate) => format!("did you mean `{candidate}`?"),
            None if known.len() <= 12 => format!("known: {}", known.join(", ")),
            None => format!("{} are known; see the list", known.len()),
        };
        Self::Unknown { what, name: name.into(), remedy }
    }

    /// The cause's short name, stable for scripts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Data { .. } => "data",
            Self::Setting { .. } => "setting",
            Self::Unknown { .. } => "unknown",
            Self::Verb { .. } => "verb",
            Self::Numerical { .. } => "numerical",
            Self::File { .. } => "file",
            Self::ModelFile { .. } => "model_file",
            Self::Stopped => "stopped",
        }
    }

    /// What the user can do.
    pub fn remedy(&self) -> Cow<'_, str> {
        match self {
            Self::Data { remedy, .. }
            | Self::Unknown { remedy, .. }
            | Self::Numerical { remedy, .. }
            | Self::File { remedy, .. }
            | Self::ModelFile { remedy, .. } => remedy.into(),
            Self::Setting { found, expected, .. } => {
                let all = "see `elbo info ID` for every setting with its range";
                match expected.nearest(found) {
                    Some(value) => format!("the nearest allowed value is {value}; {all}").into(),
                    None => all.into(),
                }
            }
            Self::Verb { .. } => "see `elbo list --verb VERB` for the systems that can".into(),
            Self::Stopped => "allow more time with --budget".into(),
        }
    }

    /// Whether a driver may shrink its step and go on.
    pub fn is_recoverable(&self) -> bool {
        matches!(self, Self::Numerical { recoverable: true, .. })
    }

    /// Whether the command was wrong, as opposed to the data or the arithmetic. Decides between exit codes 2 and 1.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Setting { .. } | Self::Unknown { .. } | Self::Verb { .. })
    }
}

/// The known name that is most like this one, in whatever case; `None` where none is close.
pub(crate) fn nearest_name<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|known| (likeness(&name.to_lowercase(), &known.to_lowercase()), known));
    let close = scored.filter(|(score, _)| *score > 0.7);
    close.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// From 0 to 1. A single slip of the fingers counts as close also in short names, where Jaro and Winkler's measure misses it.
fn likeness(a: &str, b: &str) -> f64 {
    let measure = strsim::jaro_winkler(a, b);
    if a.len() > 1 && strsim::osa_distance(a, b) == 1 { measure.max(0.9) } else { measure }
}

/// An operating system's message without its number.
fn describe(source: &std::io::Error) -> String {
    let text = source.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_name_is_suggested() {
        let error = Error::unknown("system", "sgrp", ["gpr", "sgpr", "svgp"]);
        assert_eq!(error.remedy(), "did you mean `sgpr`?");
        assert!(error.is_usage());
        assert_eq!(Error::unknown("command", "fti", ["list", "fit", "info"]).remedy(), "did you mean `fit`?");
    }
}
