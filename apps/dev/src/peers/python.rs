//! The peers' private Python environment, and running a program in it or beside it.

use crate::error::{DevError, Result, read, write};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

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

/// The interpreter for scripts that use the standard library only: `ELBO_PEERS_PYTHON`, or the system's.
pub fn of_the_system() -> PathBuf {
    std::env::var_os(PYTHON_VARIABLE).map_or_else(|| "python3".into(), PathBuf::from)
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
    match command.stdin(Stdio::null()).output() {
        Ok(output) => printed(command, &output, remedy),
        Err(error) => Err(failed(command, error.to_string(), remedy)),
    }
}

/// [`output`], or `None` when the command has not ended after this time; it is then stopped.
///
/// # Errors
/// As [`output`].
pub fn output_within(command: &mut Command, limit: Duration, remedy: &str) -> Result<Option<String>> {
    match run_within(command, limit) {
        Ok(Some(output)) => printed(command, &output, remedy).map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(failed(command, error.to_string(), remedy)),
    }
}

fn run_within(command: &mut Command, limit: Duration) -> std::io::Result<Option<Output>> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Full pipes would stop the child.
    let stdout = drain(child.stdout.take().expect("it was piped"));
    let stderr = drain(child.stderr.take().expect("it was piped"));
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(Duration::from_millis(20));
    };
    let read = |thread: JoinHandle<std::io::Result<Vec<u8>>>| thread.join().expect("reading a pipe does not panic");
    Ok(Some(Output { status, stdout: read(stdout)?, stderr: read(stderr)? }))
}

/// Reads a pipe to its end, in a thread of its own.
fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<std::io::Result<Vec<u8>>> {
    spawn(move || {
        let mut bytes = vec![];
        pipe.read_to_end(&mut bytes).map(|_| bytes)
    })
}

fn failed(command: &Command, message: String, remedy: &str) -> DevError {
    DevError::Command { command: format!("{command:?}").replace('"', ""), message, remedy: remedy.into() }
}

/// What a command printed that ended well.
fn printed(command: &Command, output: &Output, remedy: &str) -> Result<String> {
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.trim().lines().collect();
        return Err(failed(command, lines[lines.len().saturating_sub(5)..].join(" | "), remedy));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_takes_too_long_is_stopped() {
        let start = Instant::now();
        let slow = output_within(Command::new("sleep").arg("600"), Duration::from_millis(50), "");
        assert_eq!(slow.unwrap(), None);
        assert!(start.elapsed() < Duration::from_secs(300));
    }

    #[test]
    fn a_command_that_ends_gives_its_output_or_its_last_words() {
        let limit = Duration::from_secs(300);
        let good = output_within(Command::new("sh").args(["-c", "echo one; echo two >&2"]), limit, "");
        assert_eq!(good.unwrap().as_deref(), Some("one\n"));
        let bad = output_within(Command::new("sh").args(["-c", "echo why >&2; exit 3"]), limit, "look").unwrap_err();
        assert!(bad.to_string().contains("why; look"), "{bad}");
    }
}
