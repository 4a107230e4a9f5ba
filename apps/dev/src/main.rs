//! The program `elbo-dev`.

use clap::{Parser, Subcommand};
use elbo_dev::{Result, accuracy, generate, layers, peers, results, timing, trust};
use std::path::PathBuf;
use std::process::ExitCode;

/// Developer tools of the elbo workspace.
#[derive(Parser)]
#[command(name = "elbo-dev", version)]
struct Arguments {
    /// The workspace's root.
    #[arg(long, global = true, default_value = ".")]
    root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check that dependencies between packages point downwards only.
    Layers,
    /// Write the documents that are made from the registry.
    Generate {
        /// Only check that they are up to date.
        #[arg(long)]
        check: bool,
    },
    /// Write docs/results.md from files that `elbo reproduce --json` printed.
    Results {
        /// The files, in the document's order.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Score our models on the fixed splits beside GPyTorch's; writes the table in docs/benchmarks.md.
    Accuracy(accuracy::Options),
    /// Test whether systems are as sure as they may be; writes the tables in docs/trust.md.
    Trust(trust::Options),
    /// Time our side of one work; prints a line of JSON.
    Time(timing::Options),
    /// Time the Python peers and elbo on the same data.
    Peers {
        #[command(subcommand)]
        half: Half,
    },
}

#[derive(Subcommand)]
enum Half {
    /// The Gaussian half; writes the table in docs/benchmarks.md.
    Gp(peers::Options),
    /// Networks; writes the table in docs/benchmarks.md.
    Nn(peers::Options),
    /// The no-U-turn sampler beside NumPyro's; writes the table in docs/benchmarks.md.
    Infer(peers::infer::Options),
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Layers => println!("{}", layers::check(&arguments.root)?),
        Command::Generate { check } => println!("{}", generate::generate(&arguments.root, check)?),
        Command::Results { files } => println!("{}", results::results(&arguments.root, &files)?),
        Command::Accuracy(options) => accuracy::run(&arguments.root, &options)?,
        Command::Trust(options) => trust::run(&arguments.root, &options)?,
        Command::Time(options) => {
            let row = timing::time(&options)?;
            println!("{}", serde_json::to_string(&row).expect("a row is plain data"));
        }
        Command::Peers { half: Half::Gp(options) } => peers::gp(&arguments.root, &options)?,
        Command::Peers { half: Half::Nn(options) } => peers::nn(&arguments.root, &options)?,
        Command::Peers { half: Half::Infer(options) } => peers::infer::infer(&arguments.root, &options)?,
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
