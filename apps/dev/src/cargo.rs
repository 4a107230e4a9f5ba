//! Running cargo, and what `cargo metadata` says about the workspace.

use crate::error::{DevError, Result};
use std::path::Path;
use std::process::Command;

/// The cargo that started this program, or the one on the path.
pub fn program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// The folder of a manifest from the workspace's root, with `/`: `crates/gp`. `None` when it lies outside.
pub fn folder_of(manifest: &str, workspace_root: &str) -> Option<String> {
    let folder = Path::new(manifest).parent()?.strip_prefix(workspace_root).ok()?;
    Some(folder.to_string_lossy().replace('\\', "/"))
}

/// The JSON that `cargo metadata --format-version 1` prints with these further arguments.
///
/// # Errors
/// [`DevError::Command`] when cargo fails.
pub fn metadata(root: &Path, arguments: &[&str]) -> Result<String> {
    let cargo = program();
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
