//! Counter-based random numbers (Philox 4x32, 10 rounds).
//!
//! A generator is a key and a position. Work that runs in parallel gets its own generator by *index* ([`Rng::split`]), never by
//! thread, so the same seed gives the same bits for any number of threads.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Values filled by one child generator in the bulk methods; a constant of the stream, not of the machine.
const CHUNK: usize = 4096;

/// A seeded stream of random numbers.
///
/// # Source
/// Salmon, Moraes, Dror and Shaw (2011), Philox 4x32-10. Normals by the polar-free Box-Muller form.
///
/// ```
/// use elbo_core::Rng;
/// let mut a = Rng::new(7);
/// let mut b = Rng::new(7);
/// assert_eq!(a.normal().to_bits(), b.normal().to_bits());
/// assert_ne!(a.split(0).next_u64(), a.split(1).next_u64());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rng {
    key: u64,
    stream: u64,
    position: u64,
    spare_word: Option<u64>,
    spare_normal: Option<f64>,
}

impl Rng {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self { key: mix(seed ^ 0x6a09_e667_f3bc_c908), stream: 0, position: 0, spare_word: None, spare_normal: None }
    }

    /// An independent generator for the piece of work with this index. Does not advance `self`.
    pub fn split(&self, index: u64) -> Self {
        let child = mix(self.key ^ mix(self.stream.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.position));
        Self { key: child, stream: mix(index.wrapping_add(1)), position: 0, spare_word: None, spare_normal: None }
    }

    /// An independent generator, advancing `self`, so that two forks differ.
    pub fn fork(&mut self) -> Self {
        let index = self.next_u64();
        self.split(index)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        if let Some(word) = self.spare_word.take() {
            return word;
        }
        let [a, b] = philox(self.key, self.stream, self.position);
        self.position += 1;
        self.spare_word = Some(b);
        a
    }

    /// Uniform on [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform on [low, high).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        if let Some(value) = self.spare_normal.take() {
            return value;
        }
        // 1 - u lies in (0, 1], so that the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.spare_normal = Some(radius * sin);
        radius * cos
    }

    /// Uniform on 0..n, without bias. `n` must be positive.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "`below` needs a positive bound");
        let n = n as u64;
        // Lemire's multiply-shift with rejection of the short remainder.
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// Exponential with mean one.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// Gamma with this shape and rate one (Marsaglia and Tsang; boosted below one).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        assert!(shape > 0.0, "`gamma` needs a positive shape");
        if shape < 1.0 {
            let boost = (1.0 - self.uniform()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Chi-squared with this many degrees of freedom.
    pub fn chi_squared(&mut self, dof: f64) -> f64 {
        2.0 * self.gamma(0.5 * dof)
    }

    /// Poisson with this mean.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        assert!(mean >= 0.0 && mean.is_finite(), "`poisson` needs a finite mean >= 0");
        // Halving by a gamma draw keeps the multiplication method's cost bounded for large means.
        if mean > 30.0 {
            let shape = (mean * 0.875).floor();
            let waiting = self.gamma(shape);
            if waiting > mean {
                return self.binomial(shape as u64 - 1, mean / waiting);
            }
            return shape as u64 + self.poisson(mean - waiting);
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    /// Number of successes in `trials` with this probability.
    pub fn binomial(&mut self, trials: u64, probability: f64) -> u64 {
        (0..trials).filter(|_| self.uniform() < probability).count() as u64
    }

    /// An index drawn with probability proportional to these weights, which must not all be zero.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        assert!(total > 0.0 && total.is_finite(), "`weighted` needs finite weights with a positive sum");
        let mut left = self.uniform() * total;
        for (i, w) in weights.iter().enumerate() {
            left -= w;
            if left < 0.0 {
                return i;
            }
        }
        weights.iter().rposition(|w| *w > 0.0).expect("a positive sum has a positive term")
    }

    /// Shuffles in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// A permutation of 0..n.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// `count` indices out of 0..n in random order, each once before any comes again; none where `n` is zero.
    pub fn in_rounds(&mut self, n: usize, count: usize) -> Vec<usize> {
        let count = if n == 0 { 0 } else { count };
        let mut places = Vec::with_capacity(count);
        while places.len() < count {
            let left = count - places.len();
            places.extend(self.permutation(n).into_iter().take(left));
        }
        places
    }

    /// `count` different indices out of 0..n, in random order. `count` must not exceed `n`.
    pub fn choose(&mut self, n: usize, count: usize) -> Vec<usize> {
        assert!(count <= n, "cannot choose {count} of {n}");
        if count * 8 > n {
            let mut order: Vec<usize> = (0..n).collect();
            for i in 0..count {
                order.swap(i, i + self.below(n - i));
            }
            order.truncate(count);
            return order;
        }
        let mut seen = std::collections::HashSet::with_capacity(count);
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let i = self.below(n);
            if seen.insert(i) {
                chosen.push(i);
            }
        }
        chosen
    }

    /// `n` standard normals, filled in parallel; advances `self` by one step.
    pub fn normals(&mut self, n: usize) -> Vec<f64> {
        self.bulk(n, Rng::normal)
    }

    /// `n` uniforms on [0, 1), filled in parallel; advances `self` by one step.
    pub fn uniforms(&mut self, n: usize) -> Vec<f64> {
        self.bulk(n, Rng::uniform)
    }

    /// `n` of the normals that [`Rng::normals`] would give next if it were asked for enough, from place `start` on. Does not advance `self`, so that many
    /// numbers can be had a part at a time.
    pub fn normals_from(&self, start: usize, n: usize) -> Vec<f64> {
        self.clone().fork().filled(start, n, Rng::normal)
    }

    fn bulk(&mut self, n: usize, draw: fn(&mut Rng) -> f64) -> Vec<f64> {
        self.fork().filled(0, n, draw)
    }

    /// `n` values from place `start` on, where each piece of [`CHUNK`] values is filled by the child with the piece's index.
    fn filled(&self, start: usize, n: usize, draw: fn(&mut Rng) -> f64) -> Vec<f64> {
        // A piece is a stream, whose first values must be drawn even where they are not asked for.
        let (first, skipped) = (start / CHUNK, start % CHUNK);
        let mut out = vec![0.0; skipped + n];
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(i, chunk)| {
            let mut rng = self.split((first + i) as u64);
            chunk.iter_mut().for_each(|value| *value = draw(&mut rng));
        });
        out.drain(..skipped);
        out
    }
}

/// A bijection of 64 bits that spreads every input bit (the finaliser of SplitMix64).
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn philox(key: u64, stream: u64, position: u64) -> [u64; 2] {
    let words = philox_words(
        [position as u32, (position >> 32) as u32, stream as u32, (stream >> 32) as u32],
        [key as u32, (key >> 32) as u32],
    );
    [u64::from(words[0]) | u64::from(words[1]) << 32, u64::from(words[2]) | u64::from(words[3]) << 32]
}

fn philox_words(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_matches_the_published_vectors() {
        // Known answers of Random123's philox4x32-10.
        assert_eq!(philox_words([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox_words([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn bulk_draws_have_the_same_bits_for_1_2_and_8_threads() {
        let draw = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Rng::new(3).normals(3 * CHUNK + 17))
        };
        let one: Vec<u64> = draw(1).iter().map(|v| v.to_bits()).collect();
        for threads in [2, 8] {
            assert_eq!(one, draw(threads).iter().map(|v| v.to_bits()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_part_of_the_bulk_draws_has_the_bits_that_it_has_in_the_whole() {
        let mut rng = Rng::new(4);
        rng.normal();
        let parts = rng.clone();
        let whole = rng.normals(3 * CHUNK + 17);
        // Within a piece, across pieces, from the first of a pair of normals and from the second, whole pieces, and none.
        for (start, n) in
            [(0, 5), (1, 6), (CHUNK - 3, 7), (CHUNK + 1, 2 * CHUNK), (2 * CHUNK, CHUNK), (3 * CHUNK, 17), (9, 0)]
        {
            assert_eq!(parts.normals_from(start, n), whole[start..start + n], "{n} from {start} on");
        }
    }

    /// Mean and variance of `n` draws within five standard errors.
    fn assert_moments(name: &str, draws: &[f64], mean: f64, variance: f64, fourth: f64) {
        let n = draws.len() as f64;
        let m = draws.iter().sum::<f64>() / n;
        let v = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n;
        assert!((m - mean).abs() < 5.0 * (variance / n).sqrt(), "{name}: mean {m}, expected {mean}");
        assert!((v - variance).abs() < 5.0 * ((fourth - variance * variance) / n).sqrt(), "{name}: variance {v}");
    }

    #[test]
    fn moments_of_every_distribution_are_right() {
        let mut rng = Rng::new(11);
        let n = 200_000;
        assert_moments("normal", &rng.normals(n), 0.0, 1.0, 3.0);
        assert_moments("uniform", &rng.uniforms(n), 0.5, 1.0 / 12.0, 1.0 / 80.0);
        for shape in [0.3, 1.0, 4.5] {
            let draws: Vec<f64> = (0..n).map(|_| rng.gamma(shape)).collect();
            assert_moments("gamma", &draws, shape, shape, 3.0 * shape * shape + 6.0 * shape);
        }
        for mean in [0.5, 7.0, 80.0] {
            let draws: Vec<f64> = (0..n).map(|_| rng.poisson(mean) as f64).collect();
            assert_moments("poisson", &draws, mean, mean, mean + 3.0 * mean * mean);
        }
    }

    #[test]
    fn choices_are_distinct_and_every_index_is_reached() {
        let mut rng = Rng::new(5);
        let mut counts = [0usize; 40];
        for _ in 0..4000 {
            let chosen = rng.choose(40, 4);
            assert_eq!(chosen.iter().collect::<std::collections::HashSet<_>>().len(), 4);
            chosen.iter().for_each(|i| counts[*i] += 1);
        }
        // 400 expected, standard deviation 19.
        assert!(counts.iter().all(|c| (300..500).contains(c)), "{counts:?}");
    }
}
