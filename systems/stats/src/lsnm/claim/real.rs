//! Real pairs: the Tübingen collection.

use super::{NETWORK_SEEDS, network, word};
use crate::lsnm::{Estimator, LsnmConfig, Pair, Pairs, Rule};
use elbo_core::{Claim, Data, Error, FromData, Result, Rng, Run, Table};
use elbo_data::stored_table;
use rayon::prelude::*;

const EQUAL: &str = "Tübingen pairs 1 to 60: right by likelihood";
const WEIGHTED: &str = "Tübingen pairs 1 to 60, each with its weight: right by likelihood";

/// On the pairs that `elbo data get pairs` gives, all of them with every seed, turned round by coins.
pub(super) fn pairs(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let data = match stored_table("pairs", false).and_then(with_weights) {
        Ok(data) => data,
        Err(absence) => {
            claim.skip(EQUAL, &absence);
            claim.skip(WEIGHTED, &absence);
            return Ok(());
        }
    };
    let input = Pairs::from_data(&data)?;
    let mut table = Table::new(
        "tuebingen",
        "Tübingen pairs 1 to 60: share that is right when forced to answer, in the mean over seeds, with its standard error over pairs (those of a source \
         taken as independent) and its range over seeds; with weights; the share decided at 1.96 standard errors, and the right ones of those. The network has fewer \
         steps, the first seed and no half-samples, by which it decides nothing.",
        &[
            "estimator",
            "rule",
            "right",
            "its error",
            "over seeds",
            "weighted",
            "its error, weighted",
            "decided",
            "right of those",
        ],
    );
    let usual = |estimator| LsnmConfig { estimator, resamples: 20, rows: 1000, ..LsnmConfig::default() };
    let short = LsnmConfig { resamples: 0, rows: 1000, ..network() };
    for config in [usual(Estimator::Splines), usual(Estimator::Homoscedastic), short] {
        let estimator = config.estimator;
        let few = if estimator == Estimator::Network { &seeds[..seeds.len().min(NETWORK_SEEDS)] } else { seeds };
        let answers = answers(&config, &input, few)?;
        for (k, rule) in [Rule::Likelihood, Rule::Independence].into_iter().enumerate() {
            let of_rule: Vec<&Answers> = answers.iter().map(|both| &both[k]).collect();
            let tally = Tally::of(&input.pairs, &of_rule);
            if estimator == Estimator::Splines && rule == Rule::Likelihood {
                claim.at_least(EQUAL, tally.equal.0, Some(0.5), 0.6);
                claim.at_least(WEIGHTED, tally.weighted.0, Some(0.5), 0.6);
            }
            table.push([word(&estimator), word(&rule)].into_iter().chain(tally.cells()).collect());
        }
    }
    run.table(table);
    Ok(())
}

/// The table, if it has the weights of the pairs.
fn with_weights(data: Data) -> Result<Data> {
    if data.arrays.iter().any(|(name, _)| name == "weight") {
        return Ok(data);
    }
    Err(Error::data("the stored pairs are of an older version, without weights", "run `elbo data get pairs`"))
}

/// What a rule says of a pair, for each seed: whether it is right, and whether it is decided.
type Answers = Vec<(bool, bool)>;

/// By likelihood and by independence, for each pair.
fn answers(config: &LsnmConfig, input: &Pairs, seeds: &[u64]) -> Result<Vec<[Answers; 2]>> {
    let decide = config.decide();
    let of_pair = |(i, pair): (usize, &Pair)| -> Result<[Answers; 2]> {
        let mut answers = [vec![], vec![]];
        for seed in seeds {
            let mut rng = Rng::new(*seed).split(i as u64);
            let is_turned = rng.uniform() < 0.5;
            let (a, b) = if is_turned { (&pair.b, &pair.a) } else { (&pair.a, &pair.b) };
            for (answers, (score, error)) in answers.iter_mut().zip(decide.scores_with_errors(a, b, &mut rng)?) {
                let is_right = if is_turned { score < 0.0 } else { score > 0.0 };
                answers.push((is_right, error > 0.0 && (score / error).abs() >= config.decide));
            }
        }
        Ok(answers)
    };
    input.pairs.par_iter().enumerate().map(of_pair).collect()
}

/// Shares of pairs, means over seeds.
struct Tally {
    /// Of right answers, and the standard error over pairs.
    equal: (f64, f64),
    /// The same with the weights of the pairs.
    weighted: (f64, f64),
    /// The least and the largest share of right answers over seeds.
    range: (f64, f64),
    /// Of decided pairs.
    decided: f64,
    /// Of right answers among the decided ones.
    right_decided: f64,
}

impl Tally {
    fn of(pairs: &[Pair], answers: &[&Answers]) -> Self {
        let share = |of: fn(&(bool, bool)) -> bool| -> Vec<f64> {
            let mean = |one: &&Answers| one.iter().filter(|a| of(a)).count() as f64 / one.len() as f64;
            answers.iter().map(mean).collect()
        };
        let (right, decided, both) = (share(|a| a.0), share(|a| a.1), share(|a| a.0 && a.1));
        let seeds = answers.first().map_or(0, |one| one.len());
        let by_seed = |k: usize| answers.iter().filter(|one| one[k].0).count() as f64 / answers.len() as f64;
        let range = (0..seeds).map(by_seed).fold((1.0, 0.0), |(low, high), s| (f64::min(low, s), f64::max(high, s)));
        let decided_sum = decided.iter().sum::<f64>();
        Self {
            equal: mean_with_error(&right, &vec![1.0; pairs.len()]),
            weighted: mean_with_error(&right, &pairs.iter().map(|p| p.weight).collect::<Vec<_>>()),
            range,
            decided: decided_sum / pairs.len() as f64,
            right_decided: both.iter().sum::<f64>() / decided_sum.max(f64::MIN_POSITIVE),
        }
    }

    fn cells(&self) -> [String; 7] {
        let share = |value: f64| format!("{value:.3}");
        [
            share(self.equal.0),
            share(self.equal.1),
            format!("{:.3} to {:.3}", self.range.0, self.range.1),
            share(self.weighted.0),
            share(self.weighted.1),
            share(self.decided),
            share(self.right_decided),
        ]
    }
}

/// Weighted mean, and its standard error where the values are independent.
fn mean_with_error(values: &[f64], weights: &[f64]) -> (f64, f64) {
    let total = weights.iter().sum::<f64>();
    let mean = values.iter().zip(weights).map(|(v, w)| w * v).sum::<f64>() / total;
    let squares = values.iter().zip(weights).map(|(v, w)| (w * (v - mean)).powi(2)).sum::<f64>();
    (mean, squares.sqrt() / total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Array;

    fn pair(name: &str, weight: f64) -> Pair {
        Pair { name: name.into(), a: vec![], b: vec![], weight, truth: None }
    }

    #[test]
    fn a_weighted_share_and_its_error_are_as_by_hand() {
        let (mean, error) = mean_with_error(&[1.0, 0.0, 1.0, 0.0], &[1.0; 4]);
        // A coin thrown four times: sqrt(p (1 - p) / n).
        assert!((mean - 0.5).abs() < 1e-12 && (error - 0.25).abs() < 1e-12, "{mean} {error}");
        let (mean, error) = mean_with_error(&[1.0, 0.0], &[3.0, 1.0]);
        assert!((mean - 0.75).abs() < 1e-12 && (error - (2.0 * 0.75f64.powi(2)).sqrt() / 4.0).abs() < 1e-12);
    }

    #[test]
    fn shares_are_means_over_seeds_and_count_every_pair_with_its_weight() {
        let pairs = [pair("1", 1.0), pair("2", 0.25)];
        // The first is right with both seeds and decided once; the second right once, never decided.
        let (first, second) = (vec![(true, true), (true, false)], vec![(true, false), (false, false)]);
        let tally = Tally::of(&pairs, &[&first, &second]);
        assert!((tally.equal.0 - 0.75).abs() < 1e-12 && (tally.weighted.0 - 0.9).abs() < 1e-12);
        assert_eq!(tally.range, (0.5, 1.0));
        assert!((tally.decided - 0.25).abs() < 1e-12 && (tally.right_decided - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_pair_is_answered_alike_whichever_way_a_coin_turns_it() {
        let [a, b] = super::super::made("cause-effect", 3, 200).unwrap();
        let pairs = (0..6).map(|i| Pair { a: a.clone(), b: b.clone(), ..pair(&i.to_string(), 1.0) }).collect();
        let input = Pairs { columns: ["a".into(), "b".into()], pairs };
        let config = LsnmConfig { resamples: 2, ..LsnmConfig::default() };
        let found = answers(&config, &input, &[1, 2]).unwrap();
        let right: Vec<bool> = found.iter().flat_map(|both| both[0].iter().map(|a| a.0)).collect();
        assert_eq!(right.len(), 12);
        assert!(right.iter().all(|r| *r == right[0]), "{right:?}");
    }

    #[test]
    fn pairs_without_weights_are_refused_with_the_command_that_gives_them() {
        let column = |name: &str| (name.to_owned(), Array::new(&[2], vec![1.0, 2.0]));
        let data = |names: &[&str]| Data { arrays: names.iter().map(|n| column(n)).collect(), ..Data::default() };
        assert!(with_weights(data(&["pair", "weight", "a", "b"])).is_ok());
        assert!(with_weights(data(&["pair", "a", "b"])).unwrap_err().remedy().contains("elbo data get pairs"));
    }
}
