//! The program `elbo-dev`.

use clap::{Parser, Subcommand};
use elbo_dev::{Result, layers, peers};
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
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Layers => println!("{}", layers::check(&arguments.root)?),
        Command::Peers { half: Half::Gp(options) } => peers::gp(&arguments.root, &options)?,
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
