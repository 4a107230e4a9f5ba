//! Mixtures of three Gaussians, whose probabilities of integers are made for each integer in integer arithmetic.
//!
//! A mixture has too many numbers for a table of each: its distribution function is the weighted sum of tabulated ones, `sum_j w_j C_j >> 16`, at
//! the boundaries that are asked for. Tables are made once, in real numbers, and stored; all that follows is the same on every machine.
//!
//! [`crate::compare`](mod@crate::compare) says what they save on integers of one distribution.

use crate::density::{Density, LADDER, Ladder, MOST_HALF, TAIL, log_scale_of};
use crate::integer::FRACTION;
use crate::table::{beyond, place};
use elbo_core::{Error, ModelFile, Result};
use elbo_tensor::special::ndtr;
use sha2::{Digest, Sha256};

/// Gaussians of a mixture.
pub const COMPONENTS: usize = 3;
/// Bits of precision of the shares of integers.
pub const BITS: u32 = 16;
/// Bits of a weight: all of a mixture sum to one.
const WEIGHT_BITS: u32 = 16;
/// Bits of a mass.
const MASS_BITS: u32 = 30;
/// Fractional bits of the reciprocal of a scale.
const RECIPROCAL_BITS: u32 = 20;
/// The distribution function is tabulated in steps of 2^-8 up to seven deviations, beyond which no mass of 30 bits is left.
const STEP_BITS: u32 = 8;
const REACH: usize = 7;
/// Bits between the steps.
const BETWEEN: u32 = FRACTION + RECIPROCAL_BITS - STEP_BITS;
/// The exponential is tabulated in steps of 2^-6 down to e^-12.
const FALL_BITS: u32 = 6;
const FALL: usize = 12;

/// What mixtures are made with: computed once, and stored with a model.
#[derive(Debug, Clone, PartialEq)]
pub struct MixtureTables {
    ladder: Ladder,
    /// 2^20 over the scale of each rung.
    reciprocals: Vec<i64>,
    /// Integers on each side of a mean that an alphabet holds, for each rung.
    halves: Vec<i64>,
    /// Mass below i/256 deviations above the mean, of 2^30.
    below: Vec<i64>,
    /// e^(-i/64), of 2^16.
    falls: Vec<i64>,
}

/// A Gaussian of a mixture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Component {
    weight: u32,
    /// With [`FRACTION`] fractional bits.
    mean: i32,
    rung: u8,
}

/// A mixture of three Gaussians, and the integers that have a share of their own; all others share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mixture {
    parts: [Component; COMPONENTS],
    low: i32,
    /// Integers from `low` on.
    count: usize,
    /// Mass below the lowest.
    base: u64,
}

impl Default for MixtureTables {
    fn default() -> Self {
        Self::new()
    }
}

impl MixtureTables {
    /// Computes the tables, in real numbers.
    pub fn new() -> Self {
        let ladder = Ladder::new(Density::Gaussian, LADDER);
        let scales: Vec<f64> = ladder.thresholds().iter().map(|t| log_scale_of(*t)).collect();
        let power = |bits: u32| (1u64 << bits) as f64;
        let half = |s: &f64| ((Density::Gaussian.reach(TAIL) * s).ceil() as i64).clamp(1, i64::from(MOST_HALF));
        let below = |i: usize| (ndtr(i as f64 / power(STEP_BITS)) * power(MASS_BITS)).round() as i64;
        let fall = |i: usize| ((-(i as f64) / power(FALL_BITS)).exp() * power(WEIGHT_BITS)).round() as i64;
        Self {
            reciprocals: scales.iter().map(|s| (power(RECIPROCAL_BITS) / s).round() as i64).collect(),
            halves: scales.iter().map(half).collect(),
            below: (0..=REACH << STEP_BITS).map(below).collect(),
            falls: (0..=FALL << FALL_BITS).map(fall).collect(),
            ladder,
        }
    }

    /// A mixture of these logits of weights, means and logarithms of scales, all with ten fractional bits as networks in integers give them
    /// ([`FRACTION`]). Weights are the softmax of the logits; scales go up to the next rung of the ladder of Gaussians.
    pub fn mixture(
        &self,
        logits: [i32; COMPONENTS],
        means: [i32; COMPONENTS],
        log_scales: [i32; COMPONENTS],
    ) -> Mixture {
        let weights = self.weights(logits);
        let parts: [Component; COMPONENTS] = std::array::from_fn(|j| Component {
            weight: weights[j],
            mean: means[j],
            rung: self.ladder.rung(log_scales[j]) as u8,
        });
        let centre = |p: &Component| (i64::from(p.mean) + (1 << (FRACTION - 1))) >> FRACTION;
        let half = |p: &Component| self.halves[usize::from(p.rung)];
        let mut heavy = parts[0];
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for part in parts.iter().filter(|p| p.weight > 0) {
            low = low.min(centre(part) - half(part));
            high = high.max(centre(part) + half(part));
            if part.weight > heavy.weight {
                heavy = *part;
            }
        }
        let most = i64::from(MOST_HALF);
        (low, high) = (low.max(centre(&heavy) - most), high.min(centre(&heavy) + most));
        let mut mixture = Mixture { parts, low: low as i32, count: (high - low + 1) as usize, base: 0 };
        mixture.base = self.mass_below(&mixture, low);
        mixture
    }

    /// The softmax of logits, of 2^16; what rounding leaves goes to the largest, of equals the first.
    fn weights(&self, logits: [i32; COMPONENTS]) -> [u32; COMPONENTS] {
        let most = logits.iter().copied().max().expect("there are components");
        let shift = FRACTION - FALL_BITS;
        let fall = |logit: i32| {
            let away = (i64::from(most) - i64::from(logit)) as usize;
            let (i, between) = (away >> shift, (away & ((1 << shift) - 1)) as i64);
            match self.falls.get(i + 1) {
                Some(next) => (self.falls[i] - (((self.falls[i] - next) * between) >> shift)) as u64,
                None => 0,
            }
        };
        let falls = logits.map(fall);
        let total: u64 = falls.iter().sum();
        let mut weights = falls.map(|f| ((f << WEIGHT_BITS) / total) as u32);
        let first = logits.iter().position(|l| *l == most).expect("one of them is the largest");
        let rest = (1 << WEIGHT_BITS) - weights.iter().sum::<u32>();
        weights[first] += rest;
        weights
    }

    /// Mass of a mixture below `k - 1/2`, of 2^30.
    fn mass_below(&self, mixture: &Mixture, k: i64) -> u64 {
        let boundary = (2 * k - 1) << (FRACTION - 1);
        let one = |p: &Component| {
            let distance = boundary - i64::from(p.mean);
            let t = distance.unsigned_abs().saturating_mul(self.reciprocals[usize::from(p.rung)] as u64);
            let (i, between) = ((t >> BETWEEN) as usize, (t & ((1 << BETWEEN) - 1)) as i64);
            let above = match self.below.get(i.saturating_add(1)) {
                Some(next) => self.below[i] + (((next - self.below[i]) * between) >> BETWEEN),
                None => 1 << MASS_BITS,
            };
            let mass = if distance < 0 { (1 << MASS_BITS) - above } else { above };
            u64::from(p.weight) * mass as u64
        };
        mixture.parts.iter().map(one).sum::<u64>() >> WEIGHT_BITS
    }

    /// Where the share of a symbol of a mixture begins. Every share is at least one, and the last symbol, which stands for all integers without
    /// one of their own, has what is left.
    fn start(&self, mixture: &Mixture, symbol: usize) -> u32 {
        let mass = self.mass_below(mixture, i64::from(mixture.low) + symbol as i64) - mixture.base;
        let free = (1u64 << BITS) - (mixture.count as u64 + 1);
        symbol as u32 + ((free * mass) >> MASS_BITS) as u32
    }

    /// Begin and length of the share of a symbol.
    pub(crate) fn share(&self, mixture: &Mixture, symbol: usize) -> (u32, u32) {
        let start = self.start(mixture, symbol);
        let end = if symbol == mixture.count { 1 << BITS } else { self.start(mixture, symbol + 1) };
        (start, end - start)
    }

    /// The symbol that holds a place of `0..2^16`.
    pub(crate) fn symbol_at(&self, mixture: &Mixture, at: u32) -> usize {
        // The last one that begins at or before the place.
        let (mut from, mut to) = (0, mixture.count + 1);
        while to - from > 1 {
            let middle = usize::midpoint(from, to);
            if self.start(mixture, middle) <= at { from = middle } else { to = middle }
        }
        from
    }

    /// The cost of an integer in bits, its excess included.
    pub fn cost(&self, mixture: &Mixture, value: i32) -> f64 {
        let bits = |symbol: usize| f64::from(BITS) - f64::from(self.share(mixture, symbol).1).log2();
        match mixture.symbol(value) {
            Ok(symbol) => bits(symbol),
            Err(excess) => bits(mixture.escape()) + f64::from(2 * (excess + 1).ilog2() + 1),
        }
    }

    /// Adds everything that decides the shares to a digest.
    pub(crate) fn digest(&self, hash: &mut Sha256) {
        let thresholds: Vec<i64> = self.ladder.thresholds().iter().map(|t| i64::from(*t)).collect();
        for (_, values) in self.parts(&thresholds) {
            hash.update((values.len() as u64).to_le_bytes());
            values.iter().for_each(|v| hash.update(v.to_le_bytes()));
        }
    }

    /// Stores everything under names that start with `prefix`.
    pub fn save(&self, file: &mut ModelFile, prefix: &str) {
        let thresholds: Vec<i64> = self.ladder.thresholds().iter().map(|t| i64::from(*t)).collect();
        for (name, values) in self.parts(&thresholds) {
            file.put_i64(&format!("{prefix}.{name}"), &[values.len()], values);
        }
    }

    fn parts<'a>(&'a self, thresholds: &'a [i64]) -> [(&'static str, &'a [i64]); 5] {
        [
            ("thresholds", thresholds),
            ("reciprocals", &self.reciprocals),
            ("halves", &self.halves),
            ("below", &self.below),
            ("falls", &self.falls),
        ]
    }

    /// Takes back what [`MixtureTables::save`] stored.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing, or is no such table.
    pub fn load(file: &ModelFile, prefix: &str) -> Result<Self> {
        let damaged = || Error::model_file("the model's tables of mixtures are damaged", "copy the model file again");
        let get = |name: &str| file.get_i64(&format!("{prefix}.{name}"));
        let thresholds: Result<Vec<i32>> =
            get("thresholds")?.into_iter().map(|t| i32::try_from(t).map_err(|_| damaged())).collect();
        let (reciprocals, halves) = (get("reciprocals")?, get("halves")?);
        let (below, falls) = (get("below")?, get("falls")?);
        let ladder = Ladder::from_thresholds(thresholds?);
        let rungs = ladder.len();
        let is_sound = (1..=256).contains(&rungs)
            && ladder.thresholds().is_sorted()
            && reciprocals.len() == rungs
            && reciprocals.iter().all(|r| (1..1 << 24).contains(r))
            && halves.len() == rungs
            && halves.iter().all(|h| (1..=i64::from(MOST_HALF)).contains(h))
            && below.len() == (REACH << STEP_BITS) + 1
            && below.is_sorted()
            && below[0] == 1 << (MASS_BITS - 1)
            && below[below.len() - 1] <= 1 << MASS_BITS
            && falls.len() == (FALL << FALL_BITS) + 1
            && falls.iter().rev().is_sorted()
            && falls[0] == 1 << WEIGHT_BITS
            && falls[falls.len() - 1] >= 0;
        if is_sound { Ok(Self { ladder, reciprocals, halves, below, falls }) } else { Err(damaged()) }
    }
}

impl Mixture {
    /// The lowest integer with a share of its own.
    pub fn low(&self) -> i32 {
        self.low
    }

    /// How many there are from it on.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Never: a mixture has at least three integers.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The symbol of all other integers.
    pub(crate) fn escape(&self) -> usize {
        self.count
    }

    /// As [`crate::table::Alphabet::symbol`].
    pub(crate) fn symbol(&self, value: i32) -> Result<usize, u64> {
        place((self.low, self.count), value)
    }

    /// As [`crate::table::Alphabet::outside`].
    pub(crate) fn outside(&self, excess: u64) -> Option<i32> {
        beyond((self.low, self.count), excess)
    }

    /// As [`crate::table::Alphabet::value`].
    pub(crate) fn value(&self, symbol: usize) -> i32 {
        self.low + symbol as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::density::log_scale_to;
    use elbo_core::Rng;

    /// Weights, means and scales, and the mixture of whole numbers nearest to them.
    fn of(tables: &MixtureTables, parts: [(f64, f64, f64); COMPONENTS]) -> Mixture {
        let fixed = |v: f64| (v * f64::from(1 << FRACTION)).round() as i32;
        tables.mixture(parts.map(|p| fixed(p.0.ln())), parts.map(|p| fixed(p.1)), parts.map(|p| log_scale_to(p.2)))
    }

    #[test]
    fn shares_are_positive_fill_the_whole_and_are_found_again() {
        let tables = MixtureTables::new();
        let mut rng = Rng::new(1);
        for _ in 0..60 {
            let draw = |rng: &mut Rng, by: f64| std::array::from_fn(|_| (by * rng.normal()) as i32);
            let mixture = tables.mixture(draw(&mut rng, 3000.0), draw(&mut rng, 9000.0), draw(&mut rng, 2500.0));
            let mut end = 0;
            for symbol in 0..=mixture.len() {
                let (start, length) = tables.share(&mixture, symbol);
                assert!(start == end && length >= 1, "{mixture:?} {symbol}");
                end = start + length;
                assert_eq!(tables.symbol_at(&mixture, start), symbol);
                assert_eq!(tables.symbol_at(&mixture, end - 1), symbol);
            }
            assert_eq!(end, 1 << BITS);
        }
    }

    #[test]
    fn costs_are_those_of_the_density() {
        let tables = MixtureTables::new();
        // Scales on rungs of the ladder, so that rounding up adds nothing.
        let rung = |i: usize| log_scale_of(tables.ladder.thresholds()[i]);
        for parts in [
            [(0.5, 0.25, rung(20)), (0.3, -3.0, rung(26)), (0.2, 5.5, rung(30))],
            [(0.98, 0.0, rung(22)), (0.01, 0.0, rung(22)), (0.01, 0.0, rung(22))],
        ] {
            let mixture = of(&tables, parts);
            let p = |k: i32| {
                // Means between integers, so not `Density::probability`.
                let above = |x: f64, scale: f64| Density::Gaussian.upper(x / scale);
                let mass = |(w, m, s): &(f64, f64, f64)| {
                    let t = f64::from(k) - m;
                    w * (above(t.abs() - 0.5, *s) - above(t.abs() + 0.5, *s))
                };
                parts.iter().map(mass).sum::<f64>()
            };
            let (mut entropy, mut cross) = (0.0, 0.0);
            for k in mixture.low()..mixture.low() + mixture.len() as i32 {
                entropy -= p(k) * p(k).max(1e-300).log2();
                cross += p(k) * tables.cost(&mixture, k);
                // Shares are whole numbers, and one is given to each integer.
                assert!(p(k) < 0.01 || (tables.cost(&mixture, k) + p(k).log2()).abs() < 0.02, "{k}");
            }
            assert!(cross > entropy - 1e-6 && cross < entropy + 4e-3, "{entropy} {cross}");
        }
    }

    #[test]
    fn weights_are_the_softmax_and_sum_to_the_whole() {
        let tables = MixtureTables::new();
        for logits in [[0, 0, 0], [0, -700, 512], [5000, -20_000, 4900], [i32::MIN, i32::MAX, 0]] {
            let weights = tables.weights(logits);
            assert_eq!(weights.iter().sum::<u32>(), 1 << WEIGHT_BITS, "{logits:?}");
            let most = f64::from(logits.iter().copied().max().unwrap());
            let falls = logits.map(|l| ((f64::from(l) - most) / 1024.0).exp());
            for (w, f) in weights.iter().zip(falls) {
                let exact = f / falls.iter().sum::<f64>();
                assert!((f64::from(*w) / 65536.0 - exact).abs() < 2e-4, "{logits:?} {weights:?}");
            }
        }
    }

    #[test]
    fn integers_outside_come_back_and_alphabets_stay_small() {
        let tables = MixtureTables::new();
        let far = of(&tables, [(0.4, -9000.0, 200.0), (0.35, 0.0, 0.2), (0.25, 9000.0, 200.0)]);
        assert!((MOST_HALF as usize..=2 * MOST_HALF as usize + 1).contains(&far.len()), "{}", far.len());
        for value in [i32::MIN, -20_000, far.low() - 1, far.low() + far.len() as i32, 0, i32::MAX] {
            match far.symbol(value) {
                Ok(symbol) => assert_eq!(far.value(symbol), value),
                Err(excess) => assert_eq!(far.outside(excess), Some(value)),
            }
        }
    }

    #[test]
    fn stored_tables_come_back_and_damaged_ones_are_refused() {
        let tables = MixtureTables::new();
        let mut file = ModelFile::new("test");
        tables.save(&mut file, "mixture");
        assert_eq!(MixtureTables::load(&file, "mixture").unwrap(), tables);
        for (name, at) in [("below", 3), ("halves", 0), ("reciprocals", 5), ("falls", 9), ("thresholds", 2)] {
            let mut damaged = file.clone();
            let key = format!("mixture.{name}");
            let mut values = damaged.get_i64(&key).unwrap();
            values[at] = i64::MIN;
            damaged.put_i64(&key, &[values.len()], &values);
            assert!(MixtureTables::load(&damaged, "mixture").is_err(), "{name}");
        }
        assert!(MixtureTables::load(&file, "other").is_err());
    }
}
