//! What the paper shows, as numbers with thresholds: the shares of pairs whose direction is found.

mod real;

use super::{Estimator, LsnmConfig};
use elbo_core::{Budget, Claim, Result, Rng, Run, Table};
use elbo_data::{MakeOptions, make};
use rayon::prelude::*;
use serde::Serialize;

/// Steps of the network in the tables, a tenth of the usual ones, and seeds whose pairs it is run on.
const NETWORK_STEPS: usize = 500;
const NETWORK_SEEDS: usize = 1;

/// On made pairs; in the full budget on pairs with another noise and on real ones too.
pub(super) fn claim(run: &mut Run) -> Result<Claim> {
    let seeds = run.seeds(3);
    let mut claim = Claim::new(seeds.clone());
    let (count, rows) = run.pick((16, 400), (50, 500));
    let mut shares = Shares::over("cause-effect", &seeds, count, rows)?;
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
        let mut uniform = Shares::over("cause-effect-uniform", &seeds, count, rows)?;
        let [likelihood, independence] = uniform.of(Estimator::Splines);
        claim.at_least(
            "uniform noise: right by independence less right by likelihood",
            independence - likelihood,
            Some(0.0),
            -0.05,
        );
        let few = &seeds[..seeds.len().min(NETWORK_SEEDS)];
        shares.add(&network(), "cause-effect", few, count, rows)?;
        uniform.add(&network(), "cause-effect-uniform", few, count, rows)?;
        run.table(shares.table("gaussian-noise", "Gaussian noise"));
        run.table(uniform.table("uniform-noise", "Uniform noise"));
        real::pairs(&mut claim, &seeds, run)?;
    }
    Ok(claim)
}

/// The network's settings in the tables. Nothing is claimed of it.
fn network() -> LsnmConfig {
    LsnmConfig { estimator: Estimator::Network, steps: NETWORK_STEPS, ..LsnmConfig::default() }
}

/// Shares of pairs that are decided rightly, by estimator and rule, and how many pairs there were.
struct Shares(Vec<(Estimator, [f64; 2], usize)>);

impl Shares {
    /// Over `count` pairs of this recipe for each seed, each turned round by a coin; a score of zero counts as wrong.
    fn over(recipe: &str, seeds: &[u64], count: usize, rows: usize) -> Result<Self> {
        let mut shares = Self(vec![]);
        for estimator in [Estimator::Splines, Estimator::Homoscedastic, Estimator::TwoStep] {
            let config = LsnmConfig { estimator, ..LsnmConfig::default() };
            shares.add(&config, recipe, seeds, count, rows)?;
        }
        Ok(shares)
    }

    /// The same with one more estimator.
    fn add(&mut self, config: &LsnmConfig, recipe: &str, seeds: &[u64], count: usize, rows: usize) -> Result<()> {
        let decide = config.decide();
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
        self.0.push((config.estimator, [mean(0), mean(1)], found.len()));
        Ok(())
    }

    /// By likelihood, by independence.
    fn of(&self, estimator: Estimator) -> [f64; 2] {
        self.0.iter().find(|(e, ..)| *e == estimator).expect("every estimator is run").1
    }

    /// Shares with their standard errors; `noise` begins the caption.
    fn table(&self, name: &str, noise: &str) -> Table {
        let caption = format!(
            "{noise}: share of the pairs whose direction is right, with its standard error. The network has {NETWORK_STEPS} steps, and the pairs of the first \
             seed only."
        );
        let mut table = Table::new(name, &caption, &["estimator", "pairs", "by likelihood", "by independence"]);
        for (estimator, shares, pairs) in &self.0 {
            let [a, b] = shares.map(|s| format!("{s:.3} ± {:.3}", (s * (1.0 - s) / *pairs as f64).sqrt()));
            table.push(vec![word(estimator), pairs.to_string(), a, b]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_joins_a_table_with_its_own_number_of_pairs() {
        let mut shares = Shares(vec![(Estimator::Splines, [0.75, 1.0], 300)]);
        let short = LsnmConfig { steps: 20, hidden: 5, ..network() };
        shares.add(&short, "cause-effect", &[1], 2, 60).unwrap();
        let [likelihood, independence] = shares.of(Estimator::Network);
        assert!([likelihood, independence].iter().all(|s| [0.0, 0.5, 1.0].contains(s)), "{likelihood} {independence}");
        let table = shares.table("t", "Some noise");
        assert_eq!(table.rows[0], ["splines", "300", "0.750 ± 0.025", "1.000 ± 0.000"]);
        assert_eq!(table.rows[1][..2], ["network".to_owned(), "2".to_owned()]);
    }
}
