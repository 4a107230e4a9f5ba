//! Integers, each with an alphabet of its own.

use super::bytes::{cut_short, left_over};
use super::rans::{LOW, Piece, Words};
use crate::container::broken;
use crate::table::Alphabet;
use elbo_core::Result;

/// Bits of the first look at a share of a table.
const LOOK: u32 = 8;

/// An alphabet with what coder and decoder look up.
#[derive(Debug, Clone)]
pub struct Lookup {
    alphabet: Alphabet,
    pieces: Vec<Piece>,
    /// For each leading eight bits of a share, the first symbol that may hold it.
    first: Vec<u16>,
    /// A flat bit, zero and one.
    flat: [Piece; 2],
}

impl Lookup {
    /// Tabulates an alphabet.
    ///
    /// # Panics
    /// When it has more than 65,535 symbols.
    pub fn new(alphabet: Alphabet) -> Self {
        let table = alphabet.table();
        assert!(table.len() < 1 << 16, "an alphabet of {} symbols", table.len());
        let bits = table.bits();
        let pieces = (0..table.len()).map(|i| Piece::of(table, i)).collect();
        let mut symbol = 0;
        let first = (0..1u32 << LOOK)
            .map(|look| {
                while table.starts()[symbol + 1] <= look << (bits - LOOK) {
                    symbol += 1;
                }
                symbol as u16
            })
            .collect();
        let half = 1 << (bits - 1);
        let flat = [0, half].map(|start| Piece::new(start, half, bits));
        Self { alphabet, pieces, first, flat }
    }

    /// The alphabet.
    pub fn alphabet(&self) -> &Alphabet {
        &self.alphabet
    }
}

/// The bytes of integers, `values[i]` coded with `lookups[which[i]]`, in `lanes` interleaved lanes.
///
/// An integer outside its alphabet is the escape symbol, and then its excess plus one as an Elias gamma code of flat bits.
///
/// # Panics
/// When `values` and `which` differ in length, or there are not 1 to 8 lanes.
pub fn encode_integers(values: &[i32], which: &[u16], lookups: &[Lookup], lanes: usize) -> Vec<u8> {
    assert_eq!(values.len(), which.len(), "an alphabet for each integer");
    assert!((1..=8).contains(&lanes), "1 to 8 lanes, not {lanes}");
    let mut states = [LOW; 8];
    let mut words = Words::new(values.len() / 4 + 16);
    for i in (0..values.len()).rev() {
        let lookup = &lookups[usize::from(which[i])];
        let x = &mut states[i % lanes];
        let symbol = lookup.alphabet.symbol(values[i]).unwrap_or_else(|excess| {
            let code = excess + 1;
            let length = code.ilog2();
            // Decoded: `length` zeros, then the code from its highest bit.
            (0..=length).for_each(|bit| words.put(x, &lookup.flat[(code >> bit & 1) as usize]));
            (0..length).for_each(|_| words.put(x, &lookup.flat[0]));
            lookup.alphabet.escape()
        });
        words.put(x, &lookup.pieces[symbol]);
    }
    words.finish(&states[..lanes])
}

/// The integers of what [`encode_integers`] wrote with the same alphabets and lanes.
///
/// # Errors
/// As [`IntegerDecoder`].
///
/// # Panics
/// When there are not 1 to 8 lanes.
pub fn decode_integers(bytes: &[u8], which: &[u16], lookups: &[Lookup], lanes: usize) -> Result<Vec<i32>> {
    let mut decoder = IntegerDecoder::new(bytes, lanes)?;
    let mut out = Vec::with_capacity(which.len());
    for which in which {
        out.push(decoder.next(&lookups[usize::from(*which)])?);
    }
    decoder.finish()?;
    Ok(out)
}

/// Reads what [`encode_integers`] wrote one integer after the other: the alphabet of the next may depend on those before.
///
/// All its functions give [`elbo_core::Error::Data`] when the bytes are cut short, changed, or of other alphabets.
#[derive(Debug, Clone)]
pub struct IntegerDecoder<'a> {
    words: &'a [[u8; 4]],
    at: usize,
    states: [u64; 8],
    lanes: usize,
    lane: usize,
}

impl<'a> IntegerDecoder<'a> {
    /// Reads the states.
    ///
    /// # Errors
    /// See the type.
    ///
    /// # Panics
    /// When there are not 1 to 8 lanes.
    pub fn new(bytes: &'a [u8], lanes: usize) -> Result<Self> {
        assert!((1..=8).contains(&lanes), "1 to 8 lanes, not {lanes}");
        let (words, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || words.len() < 2 * lanes {
            return Err(cut_short());
        }
        let word = |i: usize| u64::from(u32::from_le_bytes(words[i]));
        let mut states = [LOW; 8];
        (0..lanes).for_each(|lane| states[lane] = word(2 * lane) << 32 | word(2 * lane + 1));
        Ok(Self { words, at: 2 * lanes, states, lanes, lane: 0 })
    }

    #[inline(always)]
    fn advance(&mut self, x: &mut u64, start: u32, frequency: u32, bits: u32) -> Result<()> {
        *x = u64::from(frequency) * (*x >> bits) + (*x & ((1 << bits) - 1)) - u64::from(start);
        if *x < LOW {
            let Some(word) = self.words.get(self.at) else { return Err(cut_short()) };
            *x = *x << 32 | u64::from(u32::from_le_bytes(*word));
            self.at += 1;
        }
        Ok(())
    }

    /// The next integer, coded with this alphabet.
    ///
    /// # Errors
    /// See the type.
    #[inline(always)]
    pub fn next(&mut self, lookup: &Lookup) -> Result<i32> {
        let mut x = self.states[self.lane];
        let starts = lookup.alphabet.table().starts();
        let bits = lookup.alphabet.table().bits();
        let share = (x & ((1 << bits) - 1)) as u32;
        let mut symbol = usize::from(lookup.first[(share >> (bits - LOOK)) as usize]);
        while starts[symbol + 1] <= share {
            symbol += 1;
        }
        self.advance(&mut x, starts[symbol], starts[symbol + 1] - starts[symbol], bits)?;
        let value = if symbol == lookup.alphabet.escape() {
            self.outside(&mut x, lookup)?
        } else {
            lookup.alphabet.value(symbol)
        };
        self.states[self.lane] = x;
        self.lane = if self.lane + 1 == self.lanes { 0 } else { self.lane + 1 };
        Ok(value)
    }

    /// An integer outside its alphabet: its excess plus one, as an Elias gamma code of flat bits.
    fn outside(&mut self, x: &mut u64, lookup: &Lookup) -> Result<i32> {
        let too_large = || broken("an integer in it does not fit into 32 bits".into());
        let bits = lookup.alphabet.table().bits();
        let half = 1u32 << (bits - 1);
        let mut bit = |x: &mut u64| -> Result<bool> {
            let one = *x & u64::from(half) != 0;
            self.advance(x, if one { half } else { 0 }, half, bits)?;
            Ok(one)
        };
        let mut length = 0;
        while !bit(x)? {
            length += 1;
            if length > 33 {
                return Err(too_large());
            }
        }
        let mut code = 1u64;
        for _ in 0..length {
            code = code << 1 | u64::from(bit(x)?);
        }
        lookup.alphabet.outside(code - 1).ok_or_else(too_large)
    }

    /// Whether all was read.
    ///
    /// # Errors
    /// See the type.
    pub fn finish(self) -> Result<()> {
        if self.at != self.words.len() || self.states.iter().any(|x| *x != LOW) {
            return Err(left_over());
        }
        Ok(())
    }
}
