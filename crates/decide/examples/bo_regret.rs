//! Regret and thinking time of Bayesian optimisation on the functions that `benches/peers/bo_regret.py` gives to a peer, from the same first points.
//!
//! `cargo run --release -p elbo-decide --example bo_regret -- OUT.json [SEEDS] [FUNCTION]`

use elbo_core::Run;
use elbo_decide::ask::AskConfig;
use elbo_decide::design::{Design, default_size};
use elbo_decide::functions::function;
use elbo_decide::surrogate::SurrogateConfig;
use elbo_decide::trial_loop::Loop;
use serde_json::{Value, json};

/// Function, variables, all trials.
const PROBLEMS: [(&str, usize, usize); 4] =
    [("branin", 2, 30), ("hartmann-6", 6, 60), ("ackley", 5, 60), ("levy", 8, 80)];

/// Seconds of processor time of this process, on Linux; NaN elsewhere.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    let field = |i: usize| after.split_whitespace().nth(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN);
    // Clock ticks of user and system time; a hundred a second everywhere in practice.
    (field(11) + field(12)) / 100.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let out = words.next().ok_or("give the file to write")?;
    let seeds: u64 = words.next().map_or(Ok(10), |w| w.parse())?;
    let only = words.next();
    let mut rows: Vec<Value> = vec![];
    for (name, dims, trials) in PROBLEMS.into_iter().filter(|p| only.as_deref().is_none_or(|o| o == p.0)) {
        let problem = function(name, dims).ok_or("an unknown function")?;
        for seed in 0..seeds {
            let mut run = Run::new(seed);
            let start = Design::Sobol.points(default_size(dims), dims, &mut run.rng);
            let looped = Loop { surrogate: SurrogateConfig::default(), ask: AskConfig::default(), trials };
            let before = processor_seconds();
            let done = looped.run(&problem, Some(&start), &mut run)?;
            let asked = (trials - start.len()) as f64;
            let row = json!({
                "engine": "elbo", "function": name, "dims": dims, "trials": trials, "seed": seed, "start": start,
                "bounds": problem.bounds, "optimum": problem.optimum, "values": done.values,
                "regret": done.best() - problem.optimum,
                "wall_s": done.thinking.as_secs_f64() / asked, "cpu_s": (processor_seconds() - before) / asked,
            });
            println!(
                "{name} seed {seed}: regret {:.3e}, {:.1} ms a suggestion",
                done.best() - problem.optimum,
                1e3 * done.thinking.as_secs_f64() / asked
            );
            rows.push(row);
        }
    }
    std::fs::write(&out, serde_json::to_string(&rows)?)?;
    Ok(())
}
