//! The command line as types. A comment here is the help text.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Variational and Gaussian probabilistic machine learning.
#[derive(Debug, Parser)]
#[command(
    name = "elbo",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Start here:\n  elbo fit auto table.csv --target price --report report.html\n  elbo predict table.gpr.elbo new.csv\n\n\
                  Exit codes: 0 done, 1 error, 2 wrong usage, 3 a claim failed, 70 a bug, 130 stopped by the user."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Print one JSON object on standard output, and errors as one on standard error.
    #[arg(long, global = true)]
    pub json: bool,

    /// Threads to use; all cores by default. The result does not depend on it.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the systems, or one of them.
    List(List),
    /// Explain a system and its settings, or show what a model file holds.
    Info(Info),
    /// Fit a model to a table and write it to a file.
    Fit(Box<Fit>),
    /// Predict the rows of a table with a model.
    Predict(Predict),
    /// Score a model on rows whose target is known, or on data points it has not seen.
    Evaluate(Evaluate),
    /// Draw new data points, or draws of a posterior, from a model.
    Sample(Sample),
    /// Show what a model makes of data points after coding and decoding them.
    Reconstruct(Reconstruct),
    /// Write the codes that a model gives to data points.
    Encode(Encode),
    /// Let a model absorb new rows without the old ones.
    Update(Update),
    /// Write a picture as a small file.
    Compress(Compress),
    /// Make a picture of a compressed file, or a clean one of a degraded one.
    Restore(Restore),
    /// Compare what codecs are made of.
    Codec(Codec),
    /// Say what to try next in an experiment, from its space and its history.
    Suggest(Suggest),
    /// Draw pictures of a fitted scene from new places, or write its Gaussians for other programs.
    Render(Render),
    /// Measure the effect that a system's paper claims.
    Reproduce(Reproduce),
    /// Get, make and check data sets.
    Data(Data),
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only this system.
    pub id: Option<String>,
    /// Only systems of this family.
    #[arg(long)]
    pub family: Option<String>,
    /// Only systems that offer this verb.
    #[arg(long)]
    pub verb: Option<String>,
}

/// Arguments of `info`.
#[derive(Debug, Args)]
pub struct Info {
    /// A system's id, or a model file.
    #[arg(value_name = "ID|MODEL")]
    pub what: String,
    /// Print this table of the model as CSV.
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
}

/// Arguments of `fit`.
#[derive(Debug, Args)]
pub struct Fit {
    /// The system's id, or `auto` to let the table decide. May stand in the --config file instead.
    #[arg(value_name = "ID|auto")]
    pub system: Option<String>,
    /// The table: CSV or JSON lines (also .gz), Parquet, NPY or NPZ; for pictures also IDX, or a folder of them; for recordings WAV, or a folder of them.
    pub data: Option<String>,
    /// The column to predict.
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// The column of times, for systems of series: numbers, or dates such as 2020-05-17. With `auto` it chooses `markov-gp`.
    #[arg(long, value_name = "COLUMN")]
    pub time: Option<String>,
    /// A setting, as `key=value`; see `elbo info ID`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A TOML file with `system`, `target`, `seed` and a table `[settings]`; the command line goes before it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The seed everything random follows from.
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Stop in time with the best state so far: 30s, 2m, 1h.
    #[arg(long, value_name = "TIME", value_parser = crate::settings::duration)]
    pub budget: Option<std::time::Duration>,
    /// Take the target as a quantity or as classes, whatever its values look like.
    #[arg(long)]
    pub task: Option<TaskName>,
    #[command(flatten)]
    pub reading: Reading,
    /// Share of rows kept back for scoring, in [0, 0.9]; 0.1 by default from 50 rows on, none where the model validates itself.
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = crate::settings::share)]
    pub holdout: Option<f64>,
    /// The model file; `TABLE.ID.elbo` in the current folder by default.
    #[arg(long, value_name = "MODEL")]
    pub out: Option<PathBuf>,
    /// Write a report to this HTML file.
    #[arg(long, value_name = "HTML")]
    pub report: Option<PathBuf>,
    /// Write every figure of the report to this folder, as SVG files.
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
    /// Where to keep the state of a long fit; beside the model by default. Removed when the fit ends by itself.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Time between two states kept: `10s`, `500ms`.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::settings::duration)]
    pub checkpoint_every: std::time::Duration,
    /// Go on from a checkpoint: system, settings, target and seed are its own.
    #[arg(long, value_name = "CHECKPOINT", conflicts_with_all = ["target", "time", "set", "config", "seed", "task", "holdout", "drop", "delimiter", "missing", "categorical"])]
    pub resume: Option<PathBuf>,
}

/// How to read a table.
#[derive(Debug, Args, Clone, Default)]
pub struct Reading {
    /// What to do with rows that lack a value. Without it they are refused, but by systems that can make use of them.
    #[arg(long, value_name = "WHAT")]
    pub missing: Option<Missing>,
    /// Leave this column out. May be repeated.
    #[arg(long, value_name = "COLUMN")]
    pub drop: Vec<String>,
    /// Take this column as text even where it holds numbers, such as a region's code. May be repeated.
    #[arg(long, value_name = "COLUMN")]
    pub categorical: Vec<String>,
    /// The character between cells of a CSV file (`tab` for a tab); found from the file by default.
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<String>,
}

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub struct Predict {
    /// The model file.
    pub model: PathBuf,
    /// The table with the model's input columns.
    pub data: String,
    /// Write the CSV to this file instead of standard output, which `-` stands for.
    #[arg(long, value_name = "CSV")]
    pub out: Option<PathBuf>,
    /// Share of the probability between `lower` and `upper`.
    #[arg(long, default_value = "0.9", allow_negative_numbers = true, value_parser = crate::settings::level)]
    pub level: f64,
    #[command(flatten)]
    pub reading: Reading,
}

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The model file.
    pub model: PathBuf,
    /// The table with the model's input columns and its target, or data points of the model's form.
    pub data: String,
    /// Importance draws a data point, for the likelihood of models without a target.
    #[arg(long, default_value_t = elbo::core::IMPORTANCE_DRAWS as u32, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub iwae: u32,
    #[command(flatten)]
    pub reading: Reading,
}

/// Arguments of `sample`.
#[derive(Debug, Args)]
pub struct Sample {
    /// The model file.
    pub model: PathBuf,
    /// How many.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// Decode the codes of this table, which has the columns that `encode` writes, in place of draws.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["count", "traverse"])]
    pub codes: Option<PathBuf>,
    /// Decode codes that move one number at a time, in so many steps through the prior, in place of draws: a row of the grid for each number. The codes are
    /// written to `codes.csv`.
    #[arg(long, value_name = "STEPS", conflicts_with = "count", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub traverse: Option<u32>,
    /// The folder to write to: `samples.csv`, or arrays as NPY where the data are arrays; for pictures also `grid.png` and the pictures one by one.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The seed of the draws; that of the fit by default.
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub seed: Option<u64>,
}

/// Arguments of `reconstruct`.
#[derive(Debug, Args)]
pub struct Reconstruct {
    /// The model file.
    pub model: PathBuf,
    /// Data points of the model's form: a table, an array, or a folder of pictures.
    pub data: String,
    /// The file to write: .png for a grid of pictures above their reconstructions, or .csv, .csv.gz, .npz.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub reading: Reading,
}

/// Arguments of `encode`.
#[derive(Debug, Args)]
pub struct Encode {
    /// The model file.
    pub model: PathBuf,
    /// Data points of the model's form: a table, an array, or a folder of pictures.
    pub data: String,
    /// Write the codes to this file (.csv, .csv.gz or .npz) instead of standard output, which `-` stands for.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Add bounds on the log likelihood of each data point: `elbo`, `iwae`, `effective_draws`, and `pareto_k` where there are draws enough.
    #[arg(long)]
    pub bounds: bool,
    /// Importance draws a data point for the bounds; 100 by default.
    #[arg(long, value_name = "K", requires = "bounds", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub iwae: Option<u32>,
    #[command(flatten)]
    pub reading: Reading,
}

/// Arguments of `update`.
#[derive(Debug, Args)]
pub struct Update {
    /// The model file.
    pub model: PathBuf,
    /// The table of new rows.
    pub data: String,
    /// The file of the updated model; may be the old one.
    #[arg(long, value_name = "MODEL")]
    pub out: PathBuf,
    #[command(flatten)]
    pub reading: Reading,
}

/// Arguments of `compress`.
#[derive(Debug, Args)]
pub struct Compress {
    /// The model file, then the picture (PNG or JPEG); the picture alone with --model, or for the codec that ships with the program.
    #[arg(value_name = "[MODEL] PICTURE", required = true, num_args = 1..=2)]
    pub words: Vec<PathBuf>,
    /// The model file.
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// The file to write; the picture's name with the ending `.elbc` by default.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// A setting, as `key=value`, such as the quality or the coder. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The model file, then a file that `compress` wrote or a degraded picture (PNG, JPEG, NPY, or NPZ with what stands beside it); a compressed file alone where no model was given
    /// to `compress`.
    #[arg(value_name = "[MODEL] INPUT", required = true, num_args = 1..=2)]
    pub words: Vec<PathBuf>,
    /// The picture to write, as PNG.
    #[arg(long, value_name = "PNG")]
    pub out: PathBuf,
    /// A setting of a restoration, as `key=value`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Which pixels are missing: a picture of the same size that is black there.
    #[arg(long, value_name = "PICTURE")]
    pub mask: Option<PathBuf>,
    /// Write the picture and all that came with it to this file: what was measured, the spread, the course of the misfit.
    #[arg(long, value_name = "NPZ")]
    pub npz: Option<PathBuf>,
    /// Read what can be read of a damaged compressed file, and warn of what was lost.
    #[arg(long)]
    pub salvage: bool,
    /// The seed of a restoration that draws; that of the fit by default.
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub seed: Option<u64>,
}

/// Arguments of `codec`.
#[derive(Debug, Args)]
pub struct Codec {
    #[command(subcommand)]
    pub verb: CodecVerb,
}

/// The verbs of `codec`.
#[derive(Debug, Subcommand)]
pub enum CodecVerb {
    /// Compare entropy models on quantised residuals: bits an integer of each at its best.
    FitEntropy {
        /// The integers, quantised about a mean of zero: NPY, NPZ or a table, of which all cells count.
        #[arg(long, value_name = "FILE")]
        data: PathBuf,
        /// Write the comparison to this CSV file.
        #[arg(long, value_name = "CSV")]
        out: Option<PathBuf>,
    },
}

/// Arguments of `suggest`.
#[derive(Debug, Args)]
pub struct Suggest {
    /// The space: a TOML file that names the target, the goal and the variables; or a model fitted to a history.
    #[arg(value_name = "SPACE.toml|MODEL")]
    pub space: PathBuf,
    /// The trials so far: a table with a column for each variable and one for the target, which is empty in pending rows. None before the first trial.
    pub history: Option<String>,
    /// How many trials to suggest.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: u32,
    /// The system that chooses; `bo` by default.
    #[arg(long, value_name = "ID")]
    pub system: Option<String>,
    /// The column to optimise, instead of the one that the space names.
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// A setting, as `key=value`; see `elbo info bo`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The seed everything random follows from.
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// The character between cells of the history; found from the file by default.
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<String>,
    /// Write the suggestions to this CSV file.
    #[arg(long, value_name = "CSV")]
    pub out: Option<PathBuf>,
    /// Write a report to this HTML file.
    #[arg(long, value_name = "HTML")]
    pub report: Option<PathBuf>,
}

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct Render {
    /// The model file of a scene, or a file of Gaussians: .ply, .spz or .splat.
    pub model: PathBuf,
    /// So many cameras on a circle around the scene.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000), conflicts_with = "views")]
    pub orbit: Option<u32>,
    /// The cameras of this scene; its own pictures are compared with those drawn.
    #[arg(long, value_name = "SCENE")]
    pub views: Option<String>,
    /// Pixels of the pictures on the circle; those of the fit by default.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = crate::settings::size, requires = "orbit")]
    pub size: Option<[usize; 2]>,
    /// The folder to write to: one PNG a picture.
    #[arg(long, value_name = "DIR", default_value = "frames")]
    pub out: PathBuf,
    /// Write the depths too, as `depth.npy` in the folder.
    #[arg(long)]
    pub depth: bool,
    /// Compare by LPIPS too, with these weights: torchvision's AlexNet or VGG-16 and the heads of LPIPS, as safetensors.
    #[arg(long, value_name = "FILE", requires = "views")]
    pub lpips: Option<PathBuf>,
    /// Write the Gaussians to this file, for viewers: .ply, .compressed.ply, .spz or .splat.
    #[arg(long, value_name = "FILE")]
    pub ply: Option<PathBuf>,
}

/// Arguments of `reproduce`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["id", "family", "all"]))]
pub struct Reproduce {
    /// The system's id.
    pub id: Option<String>,
    /// All systems of this family.
    #[arg(long)]
    pub family: Option<String>,
    /// All systems.
    #[arg(long)]
    pub all: bool,
    /// `smoke` takes seconds and shows that it runs; `full` takes minutes and measures the claim.
    #[arg(long, default_value = "full")]
    pub budget: BudgetName,
    /// How many seeds to run, instead of the claim's own number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 0, value_name = "S", allow_negative_numbers = true)]
    pub seed: u64,
    /// Write checks, figures, tables and a page into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Arguments of `data`.
#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    pub verb: DataVerb,
}

/// The verbs of `data`.
#[derive(Debug, Subcommand)]
pub enum DataVerb {
    /// List the data sets that can be fetched, and those that can be made.
    List,
    /// Fetch a data set from the package it ships in, with the package manager of this machine.
    Get {
        /// The data set's key.
        key: String,
        /// The folder that gets a sub-folder KEY; $ELBO_DATA or ~/.local/share/elbo/data by default.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Make a synthetic data set.
    Make {
        /// The recipe's name.
        name: String,
        /// The seed.
        #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
        seed: u64,
        /// Number of rows, where the recipe lets you choose.
        #[arg(long, value_name = "N")]
        rows: Option<usize>,
        /// Number of inputs, where the recipe lets you choose.
        #[arg(long, value_name = "D")]
        dims: Option<usize>,
        /// Standard deviation of the noise, where the recipe has noise.
        #[arg(long, value_name = "SD", allow_negative_numbers = true)]
        noise: Option<f64>,
        /// The file to write (.csv, .csv.gz or .npz); `NAME.csv` by default.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Say where a fetched data set lies.
    Where {
        /// The data set's key.
        key: String,
        /// The folder it was fetched to.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Check a fetched data set against its checksums.
    Verify {
        /// The data set's key.
        key: String,
        /// The folder it was fetched to.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}

/// `--missing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Missing {
    /// Leave such rows out, and say how many.
    Drop,
    /// Refuse the table.
    Error,
}

/// `--task`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TaskName {
    /// The target is a quantity.
    Regression,
    /// The target is a class.
    Classification,
}

/// `--budget` of `reproduce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BudgetName {
    /// Seconds.
    Smoke,
    /// Minutes.
    Full,
}
