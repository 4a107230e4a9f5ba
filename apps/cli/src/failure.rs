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
        let nearest = match &error {
            Error::Setting { found, expected, .. } => nearest(found, expected),
            _ => None,
        };
        let remedy = match nearest {
            Some(value) => format!("the nearest allowed value is {value}; {}", error.remedy()),
            None => error.remedy().to_owned(),
        };
        Self { kind: error.kind(), message: error.to_string(), remedy, code }
    }
}

/// The end of a range that a number outside of it is nearest to, as written in `expected`: `in 1..=100`, `in (0, 1]`, `at least 2e-6`,
/// `from 1 to 50,000,000`. `None` for other sentences, and where the end is not allowed itself.
fn nearest<'a>(found: &str, expected: &'a str) -> Option<&'a str> {
    let number = |text: &str| text.replace(',', "").parse::<f64>().ok();
    let value = number(found)?;
    if let Some(low) = expected.strip_prefix("at least ") {
        return (value < number(low)?).then_some(low);
    }
    let (low, high, ends) = if let Some(range) = expected.strip_prefix("from ") {
        let (low, high) = range.split_once(" to ")?;
        (low, high.split(' ').next()?, ('[', ']'))
    } else {
        let range = expected.strip_prefix("in ")?;
        match range.split_once("..=") {
            Some((low, high)) => (low, high, ('[', ']')),
            None => {
                let ends = (range.chars().next()?, range.chars().last()?);
                let inner = range.strip_prefix(['(', '['])?.strip_suffix([')', ']'])?;
                let (low, high) = inner.split_once(", ")?;
                (low, high, ends)
            }
        }
    };
    match (number(low)?, number(high)?) {
        (bound, _) if value < bound => (ends.0 == '[').then_some(low),
        (_, bound) if value > bound => (ends.1 == ']').then_some(high),
        _ => None,
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
        say("usage", &nearest.to_string(), nearest.remedy(), json);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_allowed_value_is_the_end_of_the_range_if_it_is_allowed() {
        assert_eq!(nearest("0", "in 1..=100"), Some("1"));
        assert_eq!(nearest("500", "in 1..=100"), Some("100"));
        assert_eq!(nearest("2", "in (0, 1]"), Some("1"));
        assert_eq!(nearest("-2", "in (0, 1]"), None);
        assert_eq!(nearest("1e-9", "at least 2e-6"), Some("2e-6"));
        assert_eq!(nearest("0", "from 1 to 50,000,000"), Some("1"));
        assert_eq!(nearest("3", "from 1 to 1 for `snelson`"), Some("1"));
        assert_eq!(nearest("-1", "above 1e-6"), None);
        assert_eq!(nearest("many", "in 1..=100"), None);
    }
}
