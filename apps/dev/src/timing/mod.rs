//! Our side of every work in [`crate::peers::works`], on the inputs that `benches/peers/make_data.py` and `nn_data.py` wrote.

mod fit;
mod likelihood;
mod measure;
mod networks;
mod svgp;
mod tiny;

pub use measure::{Load, Timing, measure, watched};

use crate::error::{DevError, Result};
use crate::peers::rows::Row;
use elbo::core::Values;
use elbo::tensor::Tensor;
use std::path::{Path, PathBuf};

/// Where every measurement and fit starts, as in `benches/peers/common.py`: variance, lengthscale, noise variance.
pub const START: (f64, f64, f64) = (1.0, 1.5, 0.1);

/// Settings of `time`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What to time.
    #[arg(value_parser = [
        "gp-nll", "gp-fit", "svgp-step", "tiny-ops", "vae-step", "conv-vae-step", "conv-both", "denoiser-step",
    ])]
    pub work: String,
    /// The folder that `make_data.py` or `nn_data.py` filled.
    #[arg(long)]
    pub data: PathBuf,
    /// Rows, batch or rounds.
    #[arg(long)]
    pub size: usize,
    /// Seconds to spend repeating it.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
}

/// What a work computed, beside its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    timing: Timing,
    value: f64,
    evaluations: Option<usize>,
    gradient: Vec<f64>,
}

/// Times one work.
///
/// # Errors
/// When an input is missing, or the work fails.
pub fn time(options: &Options) -> Result<Row> {
    let Options { work, data, size, seconds } = options;
    let outcome = match work.as_str() {
        "gp-nll" => likelihood::time(data, *size, *seconds)?,
        "gp-fit" => fit::time(data, *size)?,
        "svgp-step" => svgp::time(data, *size, *seconds)?,
        "vae-step" => networks::vae(data, *seconds)?,
        "conv-vae-step" => networks::conv_vae(data, *seconds)?,
        "conv-both" => networks::convolution(data, *seconds)?,
        "denoiser-step" => networks::denoiser(data, *seconds)?,
        _ => tiny::time(data, *size, *seconds)?,
    };
    Ok(Row {
        engine: "elbo".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        work: work.clone(),
        size: *size,
        threads: std::env::var("RAYON_NUM_THREADS").ok().and_then(|count| count.parse().ok()).unwrap_or_else(cores),
        median_ms: outcome.timing.median_ms,
        min_ms: outcome.timing.min_ms,
        repeats: outcome.timing.repeats,
        foreign_cores: outcome.timing.foreign_cores,
        value: Some(outcome.value),
        evaluations: outcome.evaluations,
        gradient: outcome.gradient,
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The array `NAME.npy` of the folder, in its own precision.
fn array(folder: &Path, name: &str) -> Result<Tensor> {
    let path = folder.join(format!("{name}.npy"));
    let data = elbo::data::read(&path, &elbo::data::ReadOptions::default())?;
    let array = data.get("x")?;
    match &array.values {
        Values::F32(values) => Ok(Tensor::from_f32(values.clone(), &array.shape)),
        Values::F64(values) => Ok(Tensor::from_slice(values, &array.shape)),
        _ => Err(DevError::format(path.display().to_string(), "expected floating-point numbers")),
    }
}
