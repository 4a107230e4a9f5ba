//! A ladder of scales, with an integer table for each rung.

use super::{Density, TAIL};
use crate::table::Alphabet;
use elbo_tensor::optim::golden_section;

/// The largest scale of a ladder.
const LARGEST: f64 = 256.0;
/// Rungs of a ladder of a density without a shape.
pub const LADDER: usize = 64;
/// Most integers on each side of the mean that an alphabet holds; those beyond are escaped.
pub const MOST_HALF: i32 = 2047;
/// Fractional bits of a logarithm of a scale where it chooses a table.
const FRACTION: f64 = 1024.0;

/// Scales from the least one to 256, evenly spaced in their logarithm, as whole numbers to compare with.
///
/// The table of a scale is that of the smallest rung that is not below it. Logarithms are compared as integers, so every machine takes
/// the same one.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    thresholds: Vec<i32>,
}

impl Ladder {
    /// A ladder of `count` rungs.
    pub fn new(density: Density, count: usize) -> Self {
        let thresholds = scales(density, count).iter().map(|s| log_scale_to(*s)).collect();
        Self { thresholds }
    }

    /// From stored logarithms, in the unit of [`log_scale_to`].
    pub fn from_thresholds(thresholds: Vec<i32>) -> Self {
        Self { thresholds }
    }

    /// The stored logarithms.
    pub fn thresholds(&self) -> &[i32] {
        &self.thresholds
    }

    /// Number of rungs.
    pub fn len(&self) -> usize {
        self.thresholds.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.thresholds.is_empty()
    }

    /// The rung of a scale, given as [`log_scale_to`] does.
    #[inline]
    pub fn rung(&self, log_scale: i32) -> usize {
        self.thresholds.partition_point(|t| *t < log_scale).min(self.thresholds.len() - 1)
    }

    /// The alphabet of every rung.
    pub fn alphabets(density: Density, count: usize, bits: u32) -> Vec<Alphabet> {
        use rayon::prelude::*;
        scales(density, count).par_iter().map(|scale| alphabet(density, *scale, bits)).collect()
    }
}

/// The logarithm of a scale as the whole number that is compared.
pub fn log_scale_to(scale: f64) -> i32 {
    (scale.ln() * FRACTION).round() as i32
}

/// The scale of such a whole number.
pub fn log_scale_of(log_scale: i32) -> f64 {
    (f64::from(log_scale) / FRACTION).exp()
}

fn scales(density: Density, count: usize) -> Vec<f64> {
    let (low, high) = (density.least_scale().ln(), LARGEST.ln());
    (0..count).map(|i| (low + (high - low) * i as f64 / (count - 1).max(1) as f64).exp()).collect()
}

/// Integers around the mean that hold all but [`TAIL`] of the mass, or [`MOST_HALF`] on each side where that is more.
fn alphabet(density: Density, scale: f64, bits: u32) -> Alphabet {
    let half = ((density.reach(TAIL) * scale).ceil() as i32).clamp(1, MOST_HALF);
    let side: Vec<f64> = (0..=half).map(|k| density.probability(i64::from(k), scale)).collect();
    let all: Vec<f64> = (-half..=half).map(|k| side[k.unsigned_abs() as usize]).collect();
    Alphabet::new(-half, &all, bits)
}

/// Cross-entropy in bits of integers of the density at one scale, coded with the probabilities of another density and scale; for
/// comparisons on paper.
pub fn bits_of(source: (Density, f64), code: (Density, f64)) -> f64 {
    let reach = (source.0.reach(1e-15) * source.1).ceil() as i64 + 2;
    let one = |k: i64| {
        let p = source.0.probability(k, source.1);
        let weight = if k == 0 { 1.0 } else { 2.0 };
        // Beyond the smallest double the mass of the source is nothing either.
        if p == 0.0 { 0.0 } else { -weight * p * code.0.probability(k, code.1).max(1e-300).log2() }
    };
    (0..=reach).map(one).sum()
}

/// [`bits_of`] with the scale of the code at which they are fewest, by golden sections around the scale of the source.
pub fn best_bits(source: (Density, f64), code: Density) -> f64 {
    let at = |log_scale: f64| bits_of(source, (code, log_scale.exp()));
    at(golden_section(source.1.ln() - 2.0, source.1.ln() + 3.0, 50, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_the_golden_ones() {
        let of = |scale: f64| alphabet(Density::Gaussian, scale, 16);
        let one = of(1.0);
        let expected = [1, 1, 1, 15, 392, 3971, 15840, 25093, 15840, 3971, 392, 15, 1, 1, 1, 1];
        assert_eq!(one.table().frequencies(), expected);
        assert_eq!(one.low(), -7);
        assert_eq!(of(0.11).table().frequencies(), [1, 65533, 1, 1]);
        let p: Vec<f64> = (-7..=7).map(|k| Density::Gaussian.probability(k, 1.0)).collect();
        let entropy: f64 = p.iter().map(|p| -p * p.log2()).sum();
        let cross: f64 = p.iter().enumerate().map(|(i, p)| p * one.table().cost(i)).sum();
        assert!((entropy - 2.10483).abs() < 1e-5, "{entropy}");
        assert!(((cross - entropy) / 1.3e-4 - 1.0).abs() < 0.1, "{}", cross - entropy);
    }

    #[test]
    fn the_rung_is_the_smallest_not_below() {
        let ladder = Ladder::new(Density::Gaussian, LADDER);
        let all = scales(Density::Gaussian, LADDER);
        assert!((all[0] - 0.11).abs() < 1e-12 && (all[63] - 256.0).abs() < 1e-9);
        for (i, scale) in all.iter().enumerate() {
            assert_eq!(ladder.rung(log_scale_to(*scale)), i);
            assert_eq!(ladder.rung(log_scale_to(*scale) + 1), (i + 1).min(63));
        }
        assert_eq!(ladder.rung(i32::MIN), 0);
    }

    #[test]
    fn rates_of_the_specification() {
        // Best Gaussian against best generalised Gaussian on integers rounded from a source of known shape.
        // Those of shapes 0.7 and 1.3 have the standard deviation two; of a Gaussian source nothing can be saved.
        for (shape, scale, gaussian, saved) in [
            (1.0, 0.5, 1.6320, 4.4),
            (1.0, 2.0, 3.5567, 2.85),
            (1.0, 8.0, f64::NAN, 1.93),
            (0.7, 0.638_715, f64::NAN, 8.64),
            (1.3, 2.024_187, f64::NAN, 1.04),
            (2.0, 1.5, f64::NAN, 0.0),
        ] {
            let source = (Density::Generalised { shape }, scale);
            let with = best_bits(source, Density::Gaussian);
            let own = bits_of(source, source);
            assert!(gaussian.is_nan() || (with - gaussian).abs() < 0.01, "{shape} {scale}: {with}");
            assert!((100.0 * (1.0 - own / with) - saved).abs() < 0.1, "{shape} {scale}: {}", 1.0 - own / with);
        }
    }
}
