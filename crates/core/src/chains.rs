//! Draws of a sampler, chain by chain, as a fitted model keeps them.

use crate::data::{Array, Data};
use crate::error::{Error, Result};
use crate::file::ModelFile;
use crate::rng::Rng;

/// Draws of unknowns by chains of equal length, and what was noted of each draw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chains {
    chains: usize,
    draws: usize,
    unknowns: Vec<(String, Vec<f64>)>,
    stats: Vec<(String, Vec<f64>)>,
}

impl Chains {
    /// Unknowns and notes by name, each `[chains, draws]` row-major.
    ///
    /// # Panics
    /// When there is no chain, or a name has another number of values than the first.
    pub fn new(chains: usize, unknowns: Vec<(String, Vec<f64>)>, stats: Vec<(String, Vec<f64>)>) -> Self {
        let count = unknowns.first().map_or(0, |(_, values)| values.len());
        assert!(chains > 0 && count.is_multiple_of(chains), "{count} draws in {chains} chains of one length");
        let is_alike = unknowns.iter().chain(&stats).all(|(_, values)| values.len() == count);
        assert!(is_alike, "every name has {count} values");
        Self { chains, draws: count / chains, unknowns, stats }
    }

    /// Number of chains.
    pub fn chains(&self) -> usize {
        self.chains
    }

    /// Draws of each chain.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// The unknowns by name, each `[chains, draws]`.
    pub fn unknowns(&self) -> &[(String, Vec<f64>)] {
        &self.unknowns
    }

    /// What was noted of each draw, `[chains, draws]` by name: under ArviZ's names where it has one.
    pub fn stats(&self) -> &[(String, Vec<f64>)] {
        &self.stats
    }

    /// Whether there are no draws.
    pub fn is_empty(&self) -> bool {
        self.unknowns.is_empty() || self.chains * self.draws == 0
    }

    /// `count` draws of all chains as columns, in a random order: each comes once before any comes again. No rows where there are no draws.
    pub fn shuffled(&self, count: usize, rng: &mut Rng) -> Data {
        let all = if self.is_empty() { 0 } else { self.chains * self.draws };
        let places = rng.in_rounds(all, count);
        let column = |values: &[f64]| Array::new(&[places.len()], places.iter().map(|i| values[*i]).collect());
        let arrays = self.unknowns.iter().map(|(name, values)| (name.clone(), column(values))).collect();
        Data { source: "posterior draws".into(), arrays, ..Data::default() }
    }

    /// Writes the draws under names that start with `prefix`.
    pub fn save(&self, file: &mut ModelFile, prefix: &str) {
        let names = |columns: &[(String, Vec<f64>)]| -> Vec<String> {
            // Nothing is kept of chains without draws.
            let kept = if self.is_empty() { &columns[..0] } else { columns };
            kept.iter().map(|(name, _)| name.clone()).collect()
        };
        file.set(prefix, &(names(&self.unknowns), names(&self.stats)));
        for (part, columns) in [("unknowns", &self.unknowns), ("stats", &self.stats)] {
            if !self.is_empty() && !columns.is_empty() {
                let values: Vec<f64> = columns.iter().flat_map(|(_, values)| values.iter().copied()).collect();
                file.put(&format!("{prefix}.{part}"), &[columns.len(), self.chains, self.draws], &values);
            }
        }
    }

    /// Reads what [`Chains::save`] wrote.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing or does not fit together, and for unknowns that are not finite.
    pub fn load(file: &ModelFile, prefix: &str) -> Result<Self> {
        let (unknowns, stats): (Vec<String>, Vec<String>) = file.fact(prefix)?;
        if unknowns.is_empty() {
            return Ok(Self::default());
        }
        let of_unknowns = format!("{prefix}.unknowns");
        let (chains, draws) = match *file.shape(&of_unknowns)? {
            [_, chains, draws] if chains > 0 && draws > 0 => (chains, draws),
            ref found => return Err(Error::misfit(format!("array `{of_unknowns}` has the shape {found:?}"))),
        };
        let values = file.get_as(&of_unknowns, &[unknowns.len(), chains, draws])?;
        let unknowns = named(unknowns, &values);
        let stats = if stats.is_empty() {
            vec![]
        } else {
            let of_stats = format!("{prefix}.stats");
            if file.shape(&of_stats)? != [stats.len(), chains, draws] {
                return Err(Error::misfit(format!("array `{of_stats}` has another shape than the draws")));
            }
            named(stats, &file.get(&of_stats)?)
        };
        Ok(Self { chains, draws, unknowns, stats })
    }
}

/// Equal parts of `values`, one a name.
fn named(names: Vec<String>, values: &[f64]) -> Vec<(String, Vec<f64>)> {
    let length = values.len() / names.len();
    names.into_iter().zip(values.chunks_exact(length)).map(|(name, part)| (name, part.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chains() -> Chains {
        let unknowns = vec![("a".to_owned(), (0..6).map(f64::from).collect()), ("b".to_owned(), vec![9.0; 6])];
        Chains::new(2, unknowns, vec![("energy".to_owned(), vec![f64::NAN; 6])])
    }

    fn stored(chains: &Chains) -> ModelFile {
        let mut file = ModelFile::new("test");
        chains.save(&mut file, "chains");
        ModelFile::from_bytes(&file.to_bytes()).unwrap()
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let (given, back) = (chains(), Chains::load(&stored(&chains()), "chains").unwrap());
        assert_eq!((back.chains(), back.draws(), back.unknowns()), (2, 3, given.unknowns()));
        assert!(back.stats()[0].0 == "energy" && back.stats()[0].1.iter().all(|v| v.is_nan()));
        let without_draws = Chains::new(2, vec![("a".to_owned(), vec![])], vec![]);
        for none in [Chains::default(), without_draws] {
            assert_eq!(Chains::load(&stored(&none), "chains").unwrap(), Chains::default());
        }
        assert_eq!(stored(&back).to_bytes(), stored(&given).to_bytes());
    }

    #[test]
    fn parts_that_do_not_fit_together_are_refused() {
        let refused = |change: &dyn Fn(&mut ModelFile)| {
            let mut file = stored(&chains());
            change(&mut file);
            matches!(Chains::load(&file, "chains"), Err(Error::ModelFile { .. }))
        };
        assert!(refused(&|file| file.set("chains", &(vec!["a"], vec!["energy"]))));
        assert!(refused(&|file| file.put("chains.unknowns", &[12], &[0.0; 12])));
        assert!(refused(&|file| file.put("chains.unknowns", &[2, 0, 3], &[])));
        assert!(refused(&|file| file.put("chains.unknowns", &[2, 2, 3], &[f64::NAN; 12])));
        assert!(refused(&|file| file.put("chains.stats", &[1, 3, 2], &[0.0; 6])));
    }

    #[test]
    fn shuffled_draws_are_whole_rows_and_each_comes_once_first() {
        let count = |first: u8| -> Vec<f64> { (first..first + 6).map(f64::from).collect() };
        let unknowns = vec![("a".to_owned(), count(0)), ("b".to_owned(), count(10))];
        let drawn = Chains::new(3, unknowns, vec![]).shuffled(8, &mut Rng::new(1));
        let [a, b] = ["a", "b"].map(|name| drawn.get(name).unwrap().to_f64().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| b - a == 10.0));
        let mut first = a[..6].to_vec();
        first.sort_by(f64::total_cmp);
        assert_eq!(first, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(Chains::default().shuffled(8, &mut Rng::new(1)).rows(), 0);
    }

    #[test]
    #[should_panic(expected = "every name has 4 values")]
    fn columns_of_two_lengths_are_a_mistake() {
        Chains::new(2, vec![("a".to_owned(), vec![0.0; 4]), ("b".to_owned(), vec![0.0; 2])], vec![]);
    }
}
