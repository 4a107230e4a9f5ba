//! The program `elbo-dev`.

use clap::{Parser, Subcommand};
use elbo_dev::{Result, accuracy, generate, layers, peers, percep, results, scale, site, supply, timing, trust};
use std::path::{Path, PathBuf};
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
    /// Check licences, sources and owners of libraries, and where unsafe code stands.
    Supply,
    /// Write the documents that are made from the registry, build the site and follow every link.
    Generate {
        /// Change no document; fail when one is out of date.
        #[arg(long)]
        check: bool,
        /// The site's folder; `site` in cargo's target folder by default.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Write the systems of files that `elbo reproduce --budget full --json` printed into docs/results.md, and draw the checks of all; others stay as
    /// they are. The bounds at its end are copied from docs/bounds.md.
    Results {
        /// The files, in any order; with none, only the pictures are drawn and the bounds copied.
        files: Vec<PathBuf>,
    },
    /// Score our models on the fixed splits beside GPyTorch's; writes the table in docs/benchmarks.md.
    Accuracy(accuracy::Options),
    /// Fit tables of many rows and take the time and the memory; writes the table in docs/benchmarks.md.
    Scale(scale::Options),
    /// Test whether systems are as sure as they may be; writes the tables in docs/trust.md.
    Trust(trust::Options),
    /// Train the small network behind the perceptual distance `percep` on made-up pictures; writes the weights that travel with the library.
    Percep(percep::Options),
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
    Gp(peers::Choice),
    /// Networks; writes the table in docs/benchmarks.md.
    Nn(peers::Choice),
    /// The no-U-turn sampler beside NumPyro's; writes the table in docs/benchmarks.md.
    Infer(peers::infer::Options),
    /// State-space models beside JAX; writes the table in docs/benchmarks.md.
    Markov(peers::Options),
    /// Pictures of Gaussians beside PyTorch; writes the table in docs/benchmarks.md.
    Splat(peers::Options),
    /// The coder beside constriction; writes the table in docs/benchmarks.md.
    Codec(peers::Options),
    /// Bayesian optimisation beside BoTorch; writes the table in docs/benchmarks.md.
    Bo(peers::Options),
    /// State-space models up to a million times, alone; writes the table in docs/benchmarks.md.
    Linear(peers::Options),
    /// The codecs beside JPEG, WebP, AVIF and JPEG XL; writes the tables in docs/cookbook/compression.md and their picture.
    Formats(peers::formats::Options),
    /// Bounds on the log likelihood of pictures; writes a table in docs/bounds.md.
    Bounds(peers::bounds::Options),
    /// Every comparison, then the picture of all ratios; says in docs/benchmarks.md what was run when.
    ///
    /// All of gp, nn, infer, markov, linear, splat, codec, bo, accuracy, scale, formats and bounds, each of which has a command of its own too: an
    /// hour or two. What would take longer runs in a smaller number, which the options `--splits` and `--epochs` give. `scale` wants `elbo data get flights`
    /// and `bounds` wants `elbo data get mnist10k` first; leave out what is not wanted with `--skip`.
    /// With `--tiny` `accuracy` and `scale` are left out, which have no tiny form, and refused where `--only` names them; `formats` and `bounds` have pages of their own, whatever `--out` says.
    All(peers::all::Options),
    /// Draw the ratios of the tables in docs/benchmarks.md, without a new run.
    Plot(peers::ratios::Options),
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Layers => println!("{}", layers::check(&arguments.root)?),
        Command::Supply => println!("{}", supply::check(&arguments.root)?),
        Command::Generate { check, out } => {
            let out = out.unwrap_or_else(|| site::default_out(&arguments.root));
            println!("{}", generate::generate(&arguments.root, &out, check)?);
        }
        Command::Results { files } => println!("{}", results::results(&arguments.root, &files)?),
        Command::Accuracy(options) => accuracy::run(&arguments.root, &options)?,
        Command::Scale(options) => scale::run(&arguments.root, &options)?,
        Command::Trust(options) => trust::run(&arguments.root, &options)?,
        Command::Percep(options) => println!("{}", percep::run(&arguments.root, &options)?),
        Command::Time(options) => {
            let row = timing::time(&options)?;
            println!("{}", serde_json::to_string(&row).expect("a row is plain data"));
        }
        Command::Peers { half } => run_peers(&arguments.root, half)?,
    }
    Ok(())
}

fn run_peers(root: &Path, half: Half) -> Result<()> {
    match half {
        Half::Gp(options) => peers::gp(root, &options),
        Half::Nn(options) => peers::nn(root, &options),
        Half::Infer(options) => peers::infer::infer(root, &options),
        Half::Markov(options) => peers::beside::markov(root, &options),
        Half::Splat(options) => peers::beside::splat(root, &options),
        Half::Codec(options) => peers::beside::codec(root, &options),
        Half::Bo(options) => peers::regret::bo(root, &options),
        Half::Linear(options) => peers::linear::linear(root, &options),
        Half::Formats(options) => peers::formats::formats(root, &options),
        Half::Bounds(options) => peers::bounds::bounds(root, &options),
        Half::All(options) => peers::all::all(root, &options),
        Half::Plot(options) => {
            println!("{}", peers::ratios::plot(root, &options)?);
            Ok(())
        }
    }
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
