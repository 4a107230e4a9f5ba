//! What a user is told when something goes wrong, and with which exit code the program ends.

use crate::args::Arguments;
use clap::CommandFactory;
use elbo::core::Error;
use std::io::Write;
use std::process::ExitCode;

/// Exit code of a bug.
pub const BUG: u8 = 70;
/// Exit code of work that the user stopped.
pub const STOPPED: u8 = 130;

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    kind: &'static str,
    message: String,
    remedy: String,
    code: u8,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Stopped if crate::progress::is_cancelled() => STOPPED,
            error if error.is_usage() => 2,
            _ => 1,
        };
        Self { kind: error.kind(), message: error.to_string(), remedy: error.remedy().into_owned(), code }
    }
}

impl Failure {
    /// A command that was given wrongly.
    pub fn usage(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind: "usage", message: message.into(), remedy: remedy.into(), code: 2 }
    }

    /// Says it on standard error.
    pub fn report(&self, json: bool) -> ExitCode {
        say(self.kind, &self.message, &self.remedy, json);
        ExitCode::from(self.code)
    }
}

/// Help and version go out as they are; everything else that the parser refuses becomes an error of ours.
pub fn usage(error: &clap::Error, json: bool) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    if matches!(error.kind(), DisplayHelp | DisplayVersion) {
        return match crate::output::print(&error.to_string()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(json),
        };
    }
    if error.kind() == DisplayHelpOnMissingArgumentOrSubcommand && !json {
        // Nothing more can be told to somebody whose standard error is closed.
        let _ = error.print();
        return ExitCode::from(2);
    }
    if let Some(name) = unknown_verb(error) {
        let program = Arguments::command();
        let nearest = Error::unknown("command", &name, program.get_subcommands().map(clap::Command::get_name));
        say("usage", &nearest.to_string(), &nearest.remedy(), json);
        return ExitCode::from(2);
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let (message, rest) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let message = message.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
    let hints: Vec<&str> = rest
        .split('\n')
        .map(str::trim)
        .filter_map(|line| line.strip_prefix("tip: ").or_else(|| line.starts_with("Usage:").then_some(line)))
        .collect();
    let hints = if hints.is_empty() { "see `elbo --help`".to_owned() } else { hints.join("; ") };
    say("usage", &message, &hints, json);
    ExitCode::from(2)
}

/// A misspelt verb, outside `elbo data`, whose verbs the parser lists itself.
fn unknown_verb(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let is_top = error.to_string().contains("Usage: elbo [");
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) if error.kind() == ErrorKind::InvalidSubcommand && is_top => {
            Some(name.clone())
        }
        _ => None,
    }
}

fn say(kind: &str, message: &str, remedy: &str, json: bool) {
    let text = if json {
        serde_json::json!({"error": {"kind": kind, "message": message, "remedy": remedy}}).to_string()
    } else {
        format!("error: {message}\nremedy: {remedy}")
    };
    // Nothing more can be told to somebody whose standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A panic is a bug of the program; the user gets a message of the same form as every other, not a trace.
pub fn report_panics(json: bool) {
    std::panic::set_hook(Box::new(move |info| {
        let what = info
            .payload()
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| info.payload().downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "unknown cause".into());
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        say(
            "bug",
            &format!("this is a bug in elbo {version}: {what} ({place})"),
            "please report it with the command and, if you may, the data; nothing was written",
            json,
        );
    }));
}
