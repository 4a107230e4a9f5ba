//! The peers' private Python environment, and running a program in it or beside it.

use crate::error::{DevError, Result, read, write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names a Python that already has the requirements, instead of the private environment.
pub const PYTHON_VARIABLE: &str = "ELBO_PEERS_PYTHON";

/// A Python with the peers, and the folders they use.
#[derive(Debug)]
pub struct Python {
    /// The interpreter.
    pub program: PathBuf,
    /// `benches/peers`.
    pub scripts: PathBuf,
    /// Where both sides read their inputs.
    pub data: PathBuf,
    /// Threads that every process may use.
    pub threads: usize,
}

/// Finds or makes the environment: `ELBO_PEERS_PYTHON`, or `.peers/` in the workspace with `requirements.txt` installed.
/// The inputs lie in `folder` of `.peers/`.
///
/// # Errors
/// [`DevError::Command`] when the environment cannot be made.
pub fn prepare(root: &Path, folder: &str, threads: usize) -> Result<Python> {
    let scripts = root.join("benches/peers");
    let home = root.join(".peers");
    let program = match std::env::var_os(PYTHON_VARIABLE) {
        Some(program) => program.into(),
        None => install(&home, &scripts.join("requirements.txt"))?,
    };
    Ok(Python { program, scripts, data: home.join(folder), threads })
}

/// Makes the environment once for each version of the requirements.
fn install(home: &Path, requirements: &Path) -> Result<PathBuf> {
    let program = home.join("bin/python");
    let stamp = home.join("installed.txt");
    let wanted = read(requirements)?;
    if program.exists() && read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(program);
    }
    eprintln!("installing the peers into {} (several GB, once)", home.display());
    let remedy = format!("install Python 3.11 or later with venv, or set {PYTHON_VARIABLE}");
    output(Command::new("python3").args(["-m", "venv"]).arg(home), &remedy)?;
    let remedy = format!("see pip's message; or set {PYTHON_VARIABLE} to a Python that has the requirements");
    output(
        Command::new(&program).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements),
        &remedy,
    )?;
    write(&stamp, &wanted)?;
    Ok(program)
}

impl Python {
    /// What a script prints.
    ///
    /// # Errors
    /// [`DevError::Command`] with the end of its error output.
    pub fn run(&self, script: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(script);
        output(command.args(arguments), "run it by hand to see the whole message")
    }

    /// The command of a script, without its arguments.
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(self.scripts.join(script));
        limit(&mut command, self.threads);
        command
    }

    /// The data folder as an argument.
    pub fn folder(&self) -> &str {
        self.data.to_str().expect("the workspace's path is UTF-8, as cargo requires")
    }
}

/// Gives a process so many threads, whatever library it counts them with.
pub fn limit(command: &mut Command, threads: usize) {
    for name in
        ["ELBO_PEERS_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
    {
        command.env(name, threads.to_string());
    }
    // A system BLAS is told its machine by these; in the builds that Python packages carry they choose slow kernels.
    command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// [`DevError::Command`] with the last lines of its error output, and `remedy`.
pub fn output(command: &mut Command, remedy: &str) -> Result<String> {
    let failed = |command: &Command, message: String| DevError::Command {
        command: format!("{command:?}").replace('"', ""),
        message,
        remedy: remedy.into(),
    };
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return Err(failed(command, error.to_string())),
    };
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.trim().lines().collect();
        return Err(failed(command, lines[lines.len().saturating_sub(5)..].join(" | ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
