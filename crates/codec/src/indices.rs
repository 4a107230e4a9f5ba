//! How often the entries of a codebook occur: what the indices of a vector quantiser cost.
//!
//! Without counts an index of `K` entries costs `log₂ K` bits; with them, about the entropy of the indices.
//!
//! For codecs of your own: no system here has a codebook.

use crate::table::{PRECISION, Table};
use elbo_core::{Result, ensure, ensure_within, half_open};

/// Counts of indices below `K`, where older ones weigh less.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexCounts {
    counts: Vec<f64>,
    decay: f64,
}

impl IndexCounts {
    /// As if each of `size` entries had been seen once. A batch leaves `decay` of the weight of what came before it: 0.99 while the codebook is
    /// trained, 1 to count for good.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for no entries, more than a table can hold, and a decay outside (0, 1].
    pub fn new(size: usize, decay: f64) -> Result<Self> {
        ensure_within("size", size, 1..=1_usize << PRECISION.end())?;
        ensure_within("decay", decay, half_open(0.0, 1.0))?;
        Ok(Self { counts: vec![1.0; size], decay })
    }

    /// Takes the indices of a batch, each below `K`; a batch without any changes nothing.
    ///
    /// # Panics
    /// When an index is not below `K`.
    pub fn observe(&mut self, indices: &[usize]) {
        if indices.is_empty() {
            return;
        }
        self.counts.iter_mut().for_each(|c| *c *= self.decay);
        indices.iter().for_each(|i| self.counts[*i] += 1.0);
    }

    /// Shares of the entries, `[K]`, which sum to one.
    pub fn probabilities(&self) -> Vec<f64> {
        let total: f64 = self.counts.iter().sum();
        self.counts.iter().map(|c| c / total).collect()
    }

    /// How many equally frequent entries would cost as much: `K` where all are in use, far less where most are dead.
    pub fn perplexity(&self) -> f64 {
        let entropy: f64 = self.probabilities().iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        entropy.exp()
    }

    /// The table of a coder with `bits` of precision.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a precision that no table has, or too little for so many entries.
    pub fn table(&self, bits: u32) -> Result<Table> {
        let fits = PRECISION.contains(&bits) && self.counts.len() <= 1 << bits;
        let expected = format!("12 to 24, and at least the logarithm of {} entries", self.counts.len());
        ensure("bits", bits, fits, expected)?;
        Ok(Table::from_probabilities(&self.probabilities(), bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coder::{RangeDecoder, RangeEncoder};
    use elbo_core::Rng;

    #[test]
    fn indices_cost_their_entropy_and_come_back() {
        let weights: Vec<f64> = (0..300).map(|i| (-0.05 * f64::from(i)).exp()).collect();
        let mut rng = Rng::new(4);
        let indices: Vec<usize> = (0..20_000).map(|_| rng.weighted(&weights)).collect();
        let mut counts = IndexCounts::new(300, 1.0).unwrap();
        indices.chunks(1000).for_each(|batch| counts.observe(batch));
        let table = counts.table(16).unwrap();
        let mut encoder = RangeEncoder::default();
        indices.iter().for_each(|i| encoder.put(&table, *i));
        let bytes = encoder.finish();
        let mut decoder = RangeDecoder::new(&bytes).unwrap();
        let back: Vec<usize> = indices.iter().map(|_| decoder.take(&table).unwrap()).collect();
        assert_eq!(back, indices);
        let count = indices.len() as f64;
        let (bits, cost) =
            (8.0 * bytes.len() as f64 / count, indices.iter().map(|i| table.cost(*i)).sum::<f64>() / count);
        // The entropy is that of the counts, each of which began at one.
        assert!((bits - cost).abs() < 0.06 && (cost - counts.perplexity().log2()).abs() < 0.2, "{bits} {cost}");
        assert!(bits < 0.8 * 300f64.log2(), "{bits}");
    }

    #[test]
    fn nothing_seen_is_flat_and_what_is_old_fades() {
        let mut counts = IndexCounts::new(256, 0.5).unwrap();
        let table = counts.table(16).unwrap();
        assert!((0..256).all(|i| table.cost(i) == 8.0));
        assert!((counts.perplexity() - 256.0).abs() < 1e-9);
        // As often as would leave no weight to any entry.
        (0..2000).for_each(|_| counts.observe(&[]));
        assert!((counts.perplexity() - 256.0).abs() < 1e-9);
        counts.observe(&[7; 100]);
        (0..40).for_each(|_| counts.observe(&[3]));
        let p = counts.probabilities();
        assert!(p[3] > 0.999 && p[7] < 1e-9 && (p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        // Every entry keeps a share of the table.
        assert!(counts.table(12).unwrap().cost(7) <= 12.0);
        assert!(IndexCounts::new(0, 0.9).is_err() && IndexCounts::new(5, 0.0).is_err());
        assert!(IndexCounts::new(5000, 0.9).unwrap().table(12).is_err() && counts.table(30).is_err());
    }
}
