//! What `cargo metadata` says about the workspace.

use crate::error::{DevError, Result};
use std::path::Path;
use std::process::Command;

/// The JSON that `cargo metadata --format-version 1` prints with these further arguments.
///
/// # Errors
/// [`DevError::Command`] when cargo fails.
pub fn metadata(root: &Path, arguments: &[&str]) -> Result<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let failed = |message: String| DevError::Command {
        command: format!("{cargo} metadata {} --format-version 1", arguments.join(" ")),
        message,
        remedy: "run it in the workspace and see what it says".into(),
    };
    let output = Command::new(&cargo)
        .arg("metadata")
        .args(arguments)
        .args(["--format-version", "1"])
        .current_dir(root)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().into()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
