//! The Sobol sequence: points that fill the unit cube evenly.

use crate::sobol_table::DIRECTIONS;
use elbo_core::Rng;

const BITS: u32 = 32;

/// How the sequence is randomised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scramble {
    /// Not at all: the published sequence, shifted by half a cell so that no coordinate is 0.
    None,
    /// One random exclusive-or per dimension: unbiased, keeps the net.
    DigitalShift,
    /// Owen's nested scrambling: unbiased, and the variance of smooth integrals falls faster than 1/N².
    Owen,
}

/// A Sobol sequence in up to 53 dimensions, of up to 2^32 points.
///
/// Every block of `2^k` points that starts at a multiple of `2^k` puts one point into each interval of length `2^-k` in every
/// dimension. Use a power of two for the number of points.
///
/// ```
/// use elbo_core::Rng;
/// use elbo_dist::{Scramble, Sobol};
/// let points = Sobol::new(2, Scramble::Owen, &mut Rng::new(1)).points(8);
/// assert_eq!(points.len(), 16);
/// ```
#[derive(Debug, Clone)]
pub struct Sobol {
    directions: Vec<[u32; BITS as usize]>,
    keys: Vec<u64>,
    scramble: Scramble,
    next: u64,
}

impl Sobol {
    /// The largest dimension there are direction numbers for.
    pub const MAX_DIMENSION: usize = DIRECTIONS.len() + 1;

    /// A sequence in `dimension` dimensions, from 1 to [`Self::MAX_DIMENSION`]. `rng` gives the scrambling; it is not used without one.
    pub fn new(dimension: usize, scramble: Scramble, rng: &mut Rng) -> Self {
        assert!(
            (1..=Self::MAX_DIMENSION).contains(&dimension),
            "the Sobol sequence has 1 to {} dimensions, asked for {dimension}",
            Self::MAX_DIMENSION
        );
        let keys = (0..dimension).map(|_| if scramble == Scramble::None { 0 } else { rng.next_u64() }).collect();
        Self { directions: (0..dimension).map(directions).collect(), keys, scramble, next: 0 }
    }

    /// Number of dimensions.
    pub fn dimension(&self) -> usize {
        self.directions.len()
    }

    /// The point with this index, in the open unit cube.
    pub fn point(&self, index: u64) -> Vec<f64> {
        assert!(index < 1 << BITS, "the Sobol sequence has 2^{BITS} points");
        let digits = |numbers: &[u32; BITS as usize]| {
            (0..BITS).filter(|bit| index >> bit & 1 == 1).fold(0, |x, bit| x ^ numbers[bit as usize])
        };
        let scrambled = |(numbers, key): (&[u32; BITS as usize], &u64)| {
            let x = digits(numbers);
            let x = match self.scramble {
                Scramble::None => x,
                Scramble::DigitalShift => x ^ (key >> 32) as u32,
                Scramble::Owen => nested(x, *key),
            };
            (f64::from(x) + 0.5) / (1u64 << BITS) as f64
        };
        self.directions.iter().zip(&self.keys).map(scrambled).collect()
    }

    /// The next `n` points, `[n, D]` row-major.
    pub fn points(&mut self, n: usize) -> Vec<f64> {
        let start = self.next;
        self.next += n as u64;
        (start..self.next).flat_map(|index| self.point(index)).collect()
    }
}

/// The direction numbers of one dimension, as binary fractions of 2^32.
fn directions(dimension: usize) -> [u32; BITS as usize] {
    let mut v = [0u32; BITS as usize];
    if dimension == 0 {
        // The radical inverse in base two.
        for (i, v) in v.iter_mut().enumerate() {
            *v = 1 << (BITS as usize - 1 - i);
        }
        return v;
    }
    let (degree, inner, initial) = DIRECTIONS[dimension - 1];
    let s = degree as usize;
    for i in 0..BITS as usize {
        if i < s {
            v[i] = initial[i] << (BITS as usize - 1 - i);
            continue;
        }
        v[i] = v[i - s] ^ (v[i - s] >> s);
        for k in 1..s {
            if inner >> (s - 1 - k) & 1 == 1 {
                v[i] ^= v[i - k];
            }
        }
    }
    v
}

/// Flips each binary digit by a random bit that depends on the digits before it.
fn nested(x: u32, key: u64) -> u32 {
    let mut out = 0;
    for bit in 0..BITS {
        // The digits before this one, with a leading one so that prefixes of different lengths differ.
        let prefix = (1u64 << bit) | (u64::from(x) >> (BITS - bit));
        let flip = (hash(key ^ prefix.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 63) as u32;
        out = out << 1 | ((x >> (BITS - 1 - bit) & 1) ^ flip);
    }
    out
}

fn hash(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
