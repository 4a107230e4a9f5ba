//! Which of eight articles to show, round by round: what four policies lose against always showing the best one. Of 40 features of an article
//! three matter.
//!
//! ```sh
//! cargo run --release -p elbo --example bandit
//! ```

use elbo::decide::bandit::{Linear, Plan, Policy, Sparse, Width, play};
use elbo::prelude::*;

const FEATURES: usize = 40;
const ARTICLES: usize = 8;

/// The regret of each policy after each round.
pub fn regrets(rounds: usize, seed: u64) -> Vec<(&'static str, Vec<f64>)> {
    let theta: Vec<f64> = (0..FEATURES).map(|j| if j < 3 { 1.0 } else { 0.0 }).collect();
    let policies: [(&'static str, Box<dyn Policy>); 4] = [
        ("chance", Box::new(Sparse::new(FEATURES, Plan::Commit { rounds, penalty: 0.1 }))),
        ("Thompson sampling", Box::new(Linear::new(FEATURES, 1.0, Width::Draw(0.5)))),
        ("upper bounds", Box::new(Linear::new(FEATURES, 1.0, Width::Bound(0.5)))),
        ("thresholded lasso", Box::new(Sparse::new(FEATURES, Plan::Threshold { penalty: 0.1 }))),
    ];
    let one = |(name, mut policy): (&'static str, Box<dyn Policy>)| {
        let shown = |rng: &mut Rng| (0..ARTICLES).map(|_| rng.normals(FEATURES)).collect::<Vec<_>>();
        (name, play(policy.as_mut(), shown, &theta, 1.0, rounds, &mut Rng::new(seed)))
    };
    policies.into_iter().map(one).collect()
}

fn main() {
    let rounds = 200;
    println!("regret after      50      100      200 rounds");
    for (name, curve) in regrets(rounds, 1) {
        let at = |round: usize| curve[round - 1];
        println!("{name:17} {:7.1} {:8.1} {:8.1}", at(50), at(100), at(rounds));
    }
}
