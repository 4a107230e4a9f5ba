//! Every comparison of times, one after the other, and the picture of them all. Not among them are comparisons of scores: `elbo-dev accuracy`,
//! `elbo-dev scale`, and the scripts of `benches/peers` that write no table.

use super::{Options, beside, gp, infer, linear, nn, ratios, refuse_choice, regret};
use crate::error::{DevError, Result};
use std::path::Path;

/// Runs every comparison, each of which writes its table as it ends, then draws the ratios. One that fails does not keep the others
/// from running.
///
/// # Errors
/// [`DevError::Format`] for a choice of works; [`DevError::Faults`] with what each comparison has to say: bounds that were missed,
/// values that disagree, sides that failed.
pub fn all(root: &Path, options: &Options) -> Result<()> {
    refuse_choice(options)?;
    let sampling = infer::Options {
        rounds: options.rounds.max(1) as u64,
        threads: options.threads,
        only: vec![],
        tiny: options.tiny,
        patience: infer::PATIENCE,
        out: options.out.clone(),
    };
    // The comparison of first predictions starts this program.
    beside::cargo(root, options.threads, &["build", "--release", "--locked", "--workspace", "--bin", "elbo"], &[])?;
    let picture = || -> Result<()> {
        if options.tiny {
            return Ok(()); // The tables were printed, not written.
        }
        println!("{}", ratios::plot(root, &ratios::Options { from: options.out.clone() })?);
        Ok(())
    };
    let comparisons: [(&str, &dyn Fn() -> Result<()>); 9] = [
        ("gp", &|| gp(root, options)),
        ("nn", &|| nn(root, options)),
        ("infer", &|| infer::infer(root, &sampling)),
        ("markov", &|| beside::markov(root, options)),
        ("linear", &|| linear::linear(root, options)),
        ("splat", &|| beside::splat(root, options)),
        ("codec", &|| beside::codec(root, options)),
        ("bo", &|| regret::bo(root, options)),
        ("plot", &picture),
    ];
    let mut faults = vec![];
    for (name, run) in comparisons {
        eprintln!("== {name}");
        if let Err(error) = run() {
            faults.push(format!("{name}: {error}"));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(DevError::Faults(faults)) }
}
