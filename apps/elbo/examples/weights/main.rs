//! Seven posteriors over the weights of one small network, on a cubic with a gap: what each says of unseen rows, and how sure it is where
//! there are data, in the gap, and beyond.
//!
//! ```sh
//! cargo run --release -p elbo --example weights
//! ```

mod asked;
mod posteriors;
mod problem;

use asked::{Answer, Asked};
use elbo::infer::fit::{MethodSettings, ViSettings};
use elbo::nn::bayes::{EnsembleConfig, Scope};
use elbo::prelude::*;
use posteriors::Training;
use problem::{NOISE, ROWS, rows};

/// Trains with `steps` of each kind, and asks all posteriors.
pub fn answers(steps: usize, settings: &MethodSettings, run: &mut Run) -> Result<Vec<Answer>> {
    let (x, y) = rows(ROWS, 1)?;
    let (training, asked) = (Training { x, y, steps }, Asked::new()?);
    let ensemble = EnsembleConfig::default().train(ROWS, run, |member, run| training.mode(member.seed, run))?;
    let mixtures = ensemble.draws(|member| member.forward(&asked.at)).mixtures(0, NOISE);
    let mode = &ensemble.members[0];
    let mut found = vec![asked.said("ensemble", &mixtures)];
    for (name, scope) in [("laplace", Scope::All), ("laplace, last layer", Scope::LastLayer)] {
        found.push(asked.said(name, &training.laplace(mode, scope, &asked.at)?));
    }
    found.push(asked.of_draws("swag", &training.swag(mode, run)?));
    found.push(asked.of_draws("ivon", &training.ivon(mode, run)?));
    for name in ["mean-field", "low-rank:4"] {
        found.push(asked.of_draws(name, &training.variational(name, mode, settings, run)?));
    }
    Ok(found)
}

fn main() -> Result<()> {
    let vi = ViSettings { steps: 4000, ..ViSettings::default() };
    let found = answers(3000, &MethodSettings { vi, ..MethodSettings::default() }, &mut Run::new(1))?;
    println!("{:20} {:>11} {:>7} {:>7} {:>7}", "posterior", "log density", "data", "gap", "beyond");
    for Answer { name, log_density, sd: [data, gap, beyond] } in found {
        println!("{name:20} {log_density:>11.3} {data:>7.3} {gap:>7.3} {beyond:>7.3}");
    }
    Ok(())
}
