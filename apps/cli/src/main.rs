//! The program `elbo`.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 error, 2 wrong usage, 3 a claim
//! failed, 70 a bug in the program, 130 stopped by the user.

mod args;
#[cfg(test)]
mod documents;
mod failure;
mod output;
mod progress;
mod report;
mod settings;
mod shipped;
mod table;
mod verbs;

use args::{Arguments, Command};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let json = std::env::args_os().skip(1).any(|a| a == "--json");
    failure::report_panics(json);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return failure::usage(&error, json),
    };
    // The hook has told the user already.
    let done = std::panic::catch_unwind(|| run(&arguments));
    match done {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => failure.report(arguments.json),
        Err(_) => ExitCode::from(failure::BUG),
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let json = arguments.json;
    progress::use_threads(arguments.threads)?;
    match &arguments.command {
        Command::List(list) => verbs::list::run(list, json),
        Command::Info(info) => verbs::info::run(info, json),
        Command::Fit(fit) => verbs::fit::run(fit.as_ref(), json),
        Command::Predict(predict) => verbs::predict::run(predict, json),
        Command::Evaluate(evaluate) => verbs::evaluate::run(evaluate, json),
        Command::Sample(sample) => verbs::generate::sample(sample, json),
        Command::Reconstruct(reconstruct) => verbs::generate::reconstruct(reconstruct, json),
        Command::Encode(encode) => verbs::generate::encode(encode, json),
        Command::Update(update) => verbs::update::run(update, json),
        Command::Compress(compress) => verbs::compress::run(compress, json),
        Command::Restore(restore) => verbs::restore::run(restore, json),
        Command::Codec(codec) => verbs::codec::run(codec, json),
        Command::Suggest(suggest) => verbs::suggest::run(suggest, json),
        Command::Render(render) => verbs::render::run(render, json),
        Command::Reproduce(reproduce) => verbs::reproduce::run(reproduce, json),
        Command::Data(data) => verbs::data::run(data, json),
    }
}
