//! One step of the coder, with division by reciprocal multiplication.

use crate::table::Table;

/// The least state, and the first.
pub(super) const LOW: u64 = 1 << 31;

/// A symbol as the encoder needs it: `x / f` is `(x * reciprocal) >> 64 >> shift` for all states.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Piece {
    /// A state from here on gives a word away first.
    limit: u64,
    reciprocal: u64,
    bias: u64,
    /// `2^bits - f`.
    rest: u32,
    shift: u32,
}

impl Piece {
    pub fn new(start: u32, frequency: u32, bits: u32) -> Self {
        let limit = ((LOW >> bits) << 32).saturating_mul(u64::from(frequency));
        let rest = (1u64 << bits) as u32 - frequency;
        if frequency < 2 {
            // x / 1 = x: the product's high word is x - 1, which the bias makes good.
            let bias = u64::from(start) + (1 << bits) - 1;
            return Self { limit, reciprocal: u64::MAX, bias, rest, shift: 0 };
        }
        // After Alverson (1991): the reciprocal rounded up, exact for states below 2^63.
        let f = u64::from(frequency);
        let shift = frequency.next_power_of_two().trailing_zeros();
        let reciprocal = ((1u128 << (shift + 63)).div_ceil(u128::from(f))) as u64;
        Self { limit, reciprocal, bias: u64::from(start), rest, shift: shift - 1 }
    }

    pub fn of(table: &Table, symbol: usize) -> Self {
        Self::new(table.start(symbol), table.frequency(symbol), table.bits())
    }

    /// Whether the state gives a word away before this symbol.
    #[inline(always)]
    pub fn overflows(&self, x: u64) -> bool {
        x >= self.limit
    }

    /// The state with the symbol put on top, after overflow was dealt with.
    #[inline(always)]
    pub fn push(&self, x: u64) -> u64 {
        let quotient = ((u128::from(x) * u128::from(self.reciprocal)) >> 64) as u64 >> self.shift;
        x + self.bias + quotient * u64::from(self.rest)
    }
}

/// The stream, filled from its end.
pub(super) struct Words {
    words: Vec<u32>,
}

impl Words {
    pub fn new(capacity: usize) -> Self {
        Self { words: Vec::with_capacity(capacity) }
    }

    #[inline(always)]
    pub fn put(&mut self, x: &mut u64, piece: &Piece) {
        if piece.overflows(*x) {
            self.words.push(*x as u32);
            *x >>= 32;
        }
        *x = piece.push(*x);
    }

    /// The states, the first lane first, then the words in reverse, as little-endian bytes.
    pub fn finish(mut self, states: &[u64]) -> Vec<u8> {
        for x in states.iter().rev() {
            self.words.extend([*x as u32, (*x >> 32) as u32]);
        }
        self.words.iter().rev().flat_map(|w| w.to_le_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;

    #[test]
    fn the_reciprocal_divides_exactly() {
        let mut rng = Rng::new(5);
        let mut check = |x: u64, f: u32, bits: u32| {
            let start = rng.below((1 << bits) - f as usize + 1) as u32;
            let expected = ((x / u64::from(f)) << bits) + x % u64::from(f) + u64::from(start);
            assert_eq!(Piece::new(start, f, bits).push(x), expected, "x {x}, f {f}, n {bits}");
        };
        let mut draws = Rng::new(6);
        for bits in [12u32, 16, 24] {
            for i in 0..4000 {
                let f = match i {
                    0 => 1,
                    1 => 2,
                    2 => 1 << (bits - 1),
                    3 => (1 << bits) - 1,
                    _ => {
                        let most = 2 << draws.below(bits as usize);
                        1 + draws.below(most - 1) as u32
                    }
                };
                let most = ((LOW >> bits) << 32) * u64::from(f) - 1;
                for x in [LOW, most, most / 2, most - draws.below(1 << 20) as u64, most & !(u64::from(f) - 1)] {
                    check(x.clamp(LOW, most), f, bits);
                }
            }
        }
    }
}
