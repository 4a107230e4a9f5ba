//! What the paper shows, as numbers with thresholds: the shares of pairs whose direction is found.

mod real;

use super::{Estimator, LsnmConfig};
use elbo_core::{Budget, Claim, Result, Rng, Run, Table};
use elbo_data::{MakeOptions, make};
use rayon::prelude::*;
use serde::Serialize;

/// On made pairs; in the full budget on pairs with another noise and on real ones too.
pub(super) fn claim(run: &mut Run) -> Result<Claim> {
    let seeds = run.seeds(3);
    let mut claim = Claim::new(seeds.clone());
    let (count, rows) = run.pick((16, 400), (50, 500));
    let shares = Shares::over("cause-effect", &seeds, count, rows)?;
    let [likelihood, independence] = shares.of(Estimator::Splines);
    let [equal_likelihood, equal_independence] = shares.of(Estimator::Homoscedastic);
    claim.at_least("right by likelihood", likelihood, Some(equal_likelihood), run.pick(0.8, 0.95));
    claim.at_least(
        "right by likelihood, gain over equal noise",
        likelihood - equal_likelihood,
        Some(0.0),
        run.pick(0.0, 0.1),
    );
    claim.at_least("right by independence", independence, Some(equal_independence), run.pick(0.6, 0.7));
    claim.at_most("right by independence with equal noise", equal_independence, None, run.pick(0.4, 0.3));
    let undecided = control(&seeds, run.pick(10, 50), rows)?;
    claim.at_least("linear Gaussian pairs that are left undecided", undecided, None, run.pick(0.7, 0.8));
    if run.budget == Budget::Full {
        let uniform = Shares::over("cause-effect-uniform", &seeds, count, rows)?;
        let [likelihood, independence] = uniform.of(Estimator::Splines);
        claim.at_least(
            "uniform noise: right by independence less right by likelihood",
            independence - likelihood,
            Some(0.0),
            -0.05,
        );
        run.table(shares.table("gaussian-noise", "Gaussian noise: share of the pairs whose direction is right."));
        run.table(uniform.table("uniform-noise", "Uniform noise: share of the pairs whose direction is right."));
        real::pairs(&mut claim, &seeds, run)?;
    }
    Ok(claim)
}

/// Shares of pairs that are decided rightly, by estimator and rule.
struct Shares(Vec<(Estimator, [f64; 2])>);

impl Shares {
    /// Over `count` pairs of this recipe for each seed, each turned round by a coin; a score of zero counts as wrong.
    fn over(recipe: &str, seeds: &[u64], count: usize, rows: usize) -> Result<Self> {
        let mut shares = vec![];
        for estimator in [Estimator::Splines, Estimator::Homoscedastic, Estimator::TwoStep] {
            let decide = LsnmConfig { estimator, ..LsnmConfig::default() }.decide();
            let all: Vec<(u64, u64)> = seeds.iter().flat_map(|s| (0..count as u64).map(move |i| (*s, i))).collect();
            let right = |(seed, i): &(u64, u64)| -> Result<[f64; 2]> {
                let mut rng = Rng::new(*seed).split(*i);
                let [a, b] = made(recipe, *seed * 1000 + i, rows)?;
                let is_turned = rng.uniform() < 0.5;
                let (first, second) = if is_turned { (&b, &a) } else { (&a, &b) };
                let scores = decide.scores(first, second, &mut rng)?;
                Ok(scores.map(|s| f64::from(if is_turned { s < 0.0 } else { s > 0.0 })))
            };
            let found: Vec<[f64; 2]> = all.par_iter().map(right).collect::<Result<_>>()?;
            let mean = |rule: usize| found.iter().map(|f| f[rule]).sum::<f64>() / found.len() as f64;
            shares.push((estimator, [mean(0), mean(1)]));
        }
        Ok(Self(shares))
    }

    /// By likelihood, by independence.
    fn of(&self, estimator: Estimator) -> [f64; 2] {
        self.0.iter().find(|(e, _)| *e == estimator).expect("every estimator is run").1
    }

    fn table(&self, name: &str, caption: &str) -> Table {
        let mut table = Table::new(name, caption, &["estimator", "by likelihood", "by independence"]);
        for (estimator, shares) in &self.0 {
            let [a, b] = shares.map(|s| format!("{s:.3}"));
            table.push(vec![word(estimator), a, b]);
        }
        table
    }
}

/// The name of an option in settings.
fn word(option: &impl Serialize) -> String {
    serde_json::to_value(option).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A pair of a recipe: cause, effect.
fn made(recipe: &str, seed: u64, rows: usize) -> Result<[Vec<f64>; 2]> {
    let data = make(recipe, seed, &MakeOptions { rows: Some(rows), ..MakeOptions::default() })?;
    let column = |i: usize| data.arrays[i].1.to_f64().expect("recipes are numbers");
    Ok([column(0), column(1)])
}

/// Share of linear Gaussian pairs, which look the same from both sides, that stay undecided.
fn control(seeds: &[u64], count: usize, rows: usize) -> Result<f64> {
    let config = LsnmConfig { permutations: 19, ..LsnmConfig::default() };
    let decide = config.decide();
    let (mut undecided, mut all) = (0, 0);
    for seed in seeds {
        for i in 0..count as u64 {
            let [a, b] = made("cause-effect-linear", seed * 1000 + i, rows)?;
            let found = decide.pair(&a, &b, &mut Rng::new(*seed).split(i))?;
            undecided += usize::from((found.score / found.error).abs() < config.decide);
            all += 1;
        }
    }
    Ok(undecided as f64 / all as f64)
}
