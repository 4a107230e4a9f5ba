//! Integer frequency tables: what coder and decoder share, computed once and stored.

use elbo_core::{Error, Result};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Least and most bits of precision of a table.
pub const PRECISION: std::ops::RangeInclusive<u32> = 12..=24;

/// Integer frequencies of a finite alphabet, at least one each, with the sum `2^bits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    bits: u32,
    /// `starts[i]..starts[i + 1]` is the symbol's share of `0..2^bits`.
    starts: Vec<u32>,
}

/// A change by one of a symbol's frequency and what it is worth; the heap's top is the most worth, of equals the lowest index.
struct Change {
    worth: f64,
    index: usize,
}

impl PartialEq for Change {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Change {}

impl PartialOrd for Change {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Change {
    fn cmp(&self, other: &Self) -> Ordering {
        self.worth.total_cmp(&other.worth).then(other.index.cmp(&self.index))
    }
}

impl Table {
    /// The table of these probabilities, which need not sum to one exactly.
    ///
    /// Every frequency is the rounded probability, at least one. While the sum is too small, the symbol that gains most from one more
    /// gets it, `p ln((f + 1) / f)`; while it is too large, the one that loses least gives one.
    ///
    /// # Panics
    /// When there are no symbols, more than `2^bits`, or `bits` is not in [`PRECISION`].
    pub fn from_probabilities(p: &[f64], bits: u32) -> Self {
        let total = 1u64 << bits;
        assert!(PRECISION.contains(&bits), "a table has 12 to 24 bits, not {bits}");
        assert!(!p.is_empty() && p.len() as u64 <= total, "{} symbols do not fit into {bits} bits", p.len());
        let mut f: Vec<u64> = p.iter().map(|p| ((p * total as f64 + 0.5).floor() as u64).clamp(1, total)).collect();
        let mut sum: u64 = f.iter().sum();
        let more = |i: usize, f: &[u64]| Change { worth: p[i] * ((f[i] + 1) as f64 / f[i] as f64).ln(), index: i };
        let less = |i: usize, f: &[u64]| Change { worth: -p[i] * (f[i] as f64 / (f[i] - 1) as f64).ln(), index: i };
        if sum < total {
            let mut heap: BinaryHeap<Change> = (0..f.len()).map(|i| more(i, &f)).collect();
            while sum < total {
                let i = heap.pop().expect("there are symbols").index;
                f[i] += 1;
                sum += 1;
                heap.push(more(i, &f));
            }
        } else if sum > total {
            let mut heap: BinaryHeap<Change> = (0..f.len()).filter(|i| f[*i] > 1).map(|i| less(i, &f)).collect();
            while sum > total {
                let i = heap.pop().expect("there are at most as many symbols as shares").index;
                f[i] -= 1;
                sum -= 1;
                if f[i] > 1 {
                    heap.push(less(i, &f));
                }
            }
        }
        Self::from_sums(f.iter().map(|f| *f as u32), bits)
    }

    /// The table of stored frequencies.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when one is zero, or they do not sum to `2^bits`.
    pub fn from_frequencies(frequencies: &[u32], bits: u32) -> Result<Self> {
        let sum: u64 = frequencies.iter().map(|f| u64::from(*f)).sum();
        if !PRECISION.contains(&bits) || frequencies.contains(&0) || sum != 1 << bits {
            return Err(Error::model_file(
                format!("a frequency table of {bits} bits has the sum {sum}"),
                "the model file is damaged; copy it again",
            ));
        }
        Ok(Self::from_sums(frequencies.iter().copied(), bits))
    }

    fn from_sums(frequencies: impl Iterator<Item = u32>, bits: u32) -> Self {
        let mut starts = vec![0];
        let mut sum = 0;
        starts.extend(frequencies.map(|f| {
            sum += f;
            sum
        }));
        Self { bits, starts }
    }

    /// Bits of precision, `n`.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Number of symbols.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Never: a table has at least one symbol.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// A symbol's frequency.
    pub fn frequency(&self, symbol: usize) -> u32 {
        self.starts[symbol + 1] - self.starts[symbol]
    }

    /// Sum of the frequencies of the symbols before this one.
    pub fn start(&self, symbol: usize) -> u32 {
        self.starts[symbol]
    }

    /// All frequencies.
    pub fn frequencies(&self) -> Vec<u32> {
        (0..self.len()).map(|i| self.frequency(i)).collect()
    }

    /// The cost of a symbol in bits.
    pub fn cost(&self, symbol: usize) -> f64 {
        f64::from(self.bits) - f64::from(self.frequency(symbol)).log2()
    }

    pub(crate) fn starts(&self) -> &[u32] {
        &self.starts
    }
}

/// The place of an integer among `count` from `low` on, or its excess: see [`Alphabet::symbol`].
#[inline]
pub(crate) fn place((low, count): (i32, usize), value: i32) -> Result<usize, u64> {
    let at = i64::from(value) - i64::from(low);
    match at {
        at if at < 0 => Err(2 * (-at - 1) as u64 + 1),
        at if at >= count as i64 => Err(2 * (at - count as i64) as u64),
        at => Ok(at as usize),
    }
}

/// The integer of an excess: see [`Alphabet::outside`].
pub(crate) fn beyond((low, count): (i32, usize), excess: u64) -> Option<i32> {
    let away = i64::try_from(excess / 2).ok()?;
    let value = if excess % 2 == 1 {
        i64::from(low).checked_sub(away)?.checked_sub(1)?
    } else {
        (i64::from(low) + count as i64).checked_add(away)?
    };
    i32::try_from(value).ok()
}

/// Integers from `low` upwards with a table; its last symbol stands for all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alphabet {
    low: i32,
    table: Table,
}

impl Alphabet {
    /// Integers `low`, `low + 1`, ... with these probabilities, and all others with what is left, for which one symbol is added.
    ///
    /// # Panics
    /// As [`Table::from_probabilities`].
    pub fn new(low: i32, probabilities: &[f64], bits: u32) -> Self {
        let rest = (1.0 - probabilities.iter().sum::<f64>()).max(0.0);
        let all: Vec<f64> = probabilities.iter().copied().chain([rest]).collect();
        Self { low, table: Table::from_probabilities(&all, bits) }
    }

    /// From stored parts.
    ///
    /// # Errors
    /// As [`Table::from_frequencies`].
    pub fn from_frequencies(low: i32, frequencies: &[u32], bits: u32) -> Result<Self> {
        Ok(Self { low, table: Table::from_frequencies(frequencies, bits)? })
    }

    /// The lowest integer.
    pub fn low(&self) -> i32 {
        self.low
    }

    /// The table, the escape at its end.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The symbol of the integers that have none of their own.
    pub fn escape(&self) -> usize {
        self.table.len() - 1
    }

    /// The symbol of an integer, or how far it lies outside: `2 e + 1` at `e + 1` below the lowest, `2 e` at `e + 1` above the highest.
    pub fn symbol(&self, value: i32) -> Result<usize, u64> {
        place((self.low, self.escape()), value)
    }

    /// The integer of a symbol other than the escape.
    pub fn value(&self, symbol: usize) -> i32 {
        self.low + symbol as i32
    }

    /// The integer of an excess as [`Alphabet::symbol`] gives it; `None` where it is none that fits.
    pub fn outside(&self, excess: u64) -> Option<i32> {
        beyond((self.low, self.escape()), excess)
    }

    /// The cost of an integer in bits, its excess included.
    pub fn cost(&self, value: i32) -> f64 {
        match self.symbol(value) {
            Ok(symbol) => self.table.cost(symbol),
            Err(excess) => self.table.cost(self.escape()) + f64::from(2 * (excess + 1).ilog2() + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_positive_and_sum_to_the_precision() {
        for p in [vec![1.0], vec![0.5, 0.5], vec![1e-12; 4000], vec![0.999, 1e-4, 1e-9, 0.0], vec![0.2; 7]] {
            for bits in [12, 16, 24] {
                let table = Table::from_probabilities(&p, bits);
                let f = table.frequencies();
                assert!(f.iter().all(|f| *f >= 1));
                assert_eq!(f.iter().map(|f| u64::from(*f)).sum::<u64>(), 1 << bits);
                assert_eq!(Table::from_frequencies(&f, bits).unwrap(), table);
            }
        }
    }

    #[test]
    fn integers_outside_come_back_from_their_excess() {
        let alphabet = Alphabet::new(-3, &[0.1; 7], 16);
        for value in [-3, 3] {
            assert!(alphabet.symbol(value).is_ok());
        }
        for (value, excess) in [(-4, 1), (4, 0), (-5, 3), (5, 2), (i32::MAX, 0), (i32::MIN, 0)] {
            let found = alphabet.symbol(value).unwrap_err();
            assert!(excess == 0 || found == excess, "{value}: {found}");
            assert_eq!(alphabet.outside(found), Some(value));
        }
        assert_eq!(alphabet.outside(u64::MAX), None);
    }

    #[test]
    fn damaged_tables_are_refused() {
        assert!(Table::from_frequencies(&[0, 4096], 12).is_err());
        assert!(Table::from_frequencies(&[1, 4096], 12).is_err());
        assert!(Table::from_frequencies(&[1], 0).is_err());
    }
}
