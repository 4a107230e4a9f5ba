//! When to repair which of two machines: the best policy, and what it gains over the best plan that never looks.
//!
//! ```sh
//! cargo run --release -p elbo --example machines
//! ```

use elbo::decide::planning::{Factor, Factored, Flat, Inference};
use elbo::prelude::*;

/// Nothing, or the repair of a machine.
pub const ACTIONS: [&str; 3] = ["wait", "repair the first", "repair the second"];
/// The cost of a repair, in units of what a machine earns in a step.
const COST: f64 = 0.6;

/// Two machines, each broken (0) or at work (1), which break one by one and stay broken until they are repaired.
pub fn machines() -> Result<Flat> {
    let of = |machine: usize| {
        // For each action, from broken and from at work: the probabilities of broken and of at work.
        let rows = |action: usize| {
            let is_repaired = action == machine + 1;
            if is_repaired { [0.1, 0.9, 0.05, 0.95] } else { [1.0, 0.0, 0.2, 0.8] }
        };
        Factor { parents: vec![machine], table: (0..ACTIONS.len()).flat_map(rows).collect() }
    };
    let earned = |machine: usize| Factor { parents: vec![machine], table: [0.0, 1.0].repeat(ACTIONS.len()) };
    let process = Factored {
        sizes: vec![2, 2],
        actions: ACTIONS.len(),
        transitions: vec![of(0), of(1)],
        rewards: vec![earned(0), earned(1), Factor { parents: vec![], table: vec![0.0, -COST, -COST] }],
        start: vec![vec![0.0, 1.0]; 2],
    };
    process.flatten()
}

fn main() -> Result<()> {
    let (steps, risk) = (8, 0.01);
    let process = machines()?;
    let policy = process.plan(steps, 0.0)?;
    for (state, said) in ["both broken", "second broken", "first broken", "both at work"].into_iter().enumerate() {
        // The first variable changes fastest: state 1 is the first at work, the second broken.
        let by_step = policy.actions.iter().map(|chosen| ACTIONS[chosen[state]]).collect::<Vec<_>>();
        println!("{said:14} now: {}; in the last step: {}", by_step[0], by_step[steps - 1]);
    }
    println!("\nworth of {steps} steps, by what is known when an action is chosen");
    for (kind, said) in [(Inference::Planning, "the machines' state"), (Inference::MarginalMap, "nothing")] {
        println!("{said:20} {:.3}", process.energy(kind, steps, risk)?);
    }
    println!("{:20} {:.3}", "actions by chance", process.energy(Inference::MarginalUniform, steps, risk)?);
    Ok(())
}
