//! Integers, each with an alphabet of its own.

use super::bytes::{cut_short, left_over};
use super::rans::{LOW, Piece, Words};
use crate::container::broken;
use crate::mixture::{self, Mixture, MixtureTables};
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
        let flat = flat_bits(bits);
        Self { alphabet, pieces, first, flat }
    }

    /// The alphabet.
    pub fn alphabet(&self) -> &Alphabet {
        &self.alphabet
    }

    /// The symbol whose share holds this place.
    #[inline(always)]
    pub(super) fn symbol_at(&self, share: u32) -> usize {
        let table = self.alphabet.table();
        let starts = table.starts();
        let mut symbol = usize::from(self.first[(share >> (table.bits() - LOOK)) as usize]);
        while starts[symbol + 1] <= share {
            symbol += 1;
        }
        symbol
    }
}

/// A flat bit of a coder of this precision, zero and one.
fn flat_bits(bits: u32) -> [Piece; 2] {
    let half = 1 << (bits - 1);
    [0, half].map(|start| Piece::new(start, half, bits))
}

/// Puts an excess, as the Elias gamma code of one more. Decoded: as many zeros as bits follow the highest one, then the code from that.
fn put_excess(words: &mut Words, x: &mut u64, excess: u64, flat: &[Piece; 2]) {
    let code = excess + 1;
    let length = code.ilog2();
    (0..=length).for_each(|bit| words.put(x, &flat[(code >> bit & 1) as usize]));
    (0..length).for_each(|_| words.put(x, &flat[0]));
}

/// The integer whose excess plus one these bits tell as an Elias gamma code; `place` gives the integer of an excess.
pub(super) fn take_excess(mut bit: impl FnMut() -> Result<bool>, place: impl Fn(u64) -> Option<i32>) -> Result<i32> {
    let too_large = || broken("an integer in it does not fit into 32 bits".into());
    let mut length = 0;
    while !bit()? {
        length += 1;
        if length > 33 {
            return Err(too_large());
        }
    }
    let mut code = 1u64;
    for _ in 0..length {
        code = code << 1 | u64::from(bit()?);
    }
    place(code - 1).ok_or_else(too_large)
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
            put_excess(&mut words, x, excess, &lookup.flat);
            lookup.alphabet.escape()
        });
        words.put(x, &lookup.pieces[symbol]);
    }
    words.finish(&states[..lanes])
}

/// The bytes of integers, `values[i]` coded with `mixtures[i]`, in `lanes` interleaved lanes; escapes as in [`encode_integers`].
///
/// # Panics
/// When `values` and `mixtures` differ in length, or there are not 1 to 8 lanes.
pub fn encode_mixtures(values: &[i32], mixtures: &[Mixture], tables: &MixtureTables, lanes: usize) -> Vec<u8> {
    assert_eq!(values.len(), mixtures.len(), "a mixture for each integer");
    assert!((1..=8).contains(&lanes), "1 to 8 lanes, not {lanes}");
    let flat = flat_bits(mixture::BITS);
    let mut states = [LOW; 8];
    let mut words = Words::new(values.len() / 4 + 16);
    for (i, (value, own)) in values.iter().zip(mixtures).enumerate().rev() {
        let x = &mut states[i % lanes];
        let symbol = own.symbol(*value).unwrap_or_else(|excess| {
            put_excess(&mut words, x, excess, &flat);
            own.escape()
        });
        let (start, frequency) = tables.share(own, symbol);
        words.put(x, &Piece::new(start, frequency, mixture::BITS));
    }
    words.finish(&states[..lanes])
}

/// The integers of what [`encode_mixtures`] wrote with the same mixtures, tables and lanes.
///
/// # Errors
/// As [`IntegerDecoder`].
///
/// # Panics
/// When there are not 1 to 8 lanes.
pub fn decode_mixtures(bytes: &[u8], mixtures: &[Mixture], tables: &MixtureTables, lanes: usize) -> Result<Vec<i32>> {
    let mut decoder = IntegerDecoder::new(bytes, lanes)?;
    let mut out = Vec::with_capacity(mixtures.len());
    for mixture in mixtures {
        out.push(decoder.next_of(mixture, tables)?);
    }
    decoder.finish()?;
    Ok(out)
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
        let symbol = lookup.symbol_at(share);
        self.advance(&mut x, starts[symbol], starts[symbol + 1] - starts[symbol], bits)?;
        let value = if symbol == lookup.alphabet.escape() {
            self.outside(&mut x, bits, |excess| lookup.alphabet.outside(excess))?
        } else {
            lookup.alphabet.value(symbol)
        };
        self.states[self.lane] = x;
        self.lane = if self.lane + 1 == self.lanes { 0 } else { self.lane + 1 };
        Ok(value)
    }

    /// The next integer, coded with this mixture.
    ///
    /// # Errors
    /// See the type.
    pub fn next_of(&mut self, mixture: &Mixture, tables: &MixtureTables) -> Result<i32> {
        let mut x = self.states[self.lane];
        let symbol = tables.symbol_at(mixture, (x & ((1 << mixture::BITS) - 1)) as u32);
        let (start, frequency) = tables.share(mixture, symbol);
        self.advance(&mut x, start, frequency, mixture::BITS)?;
        let value = if symbol == mixture.escape() {
            self.outside(&mut x, mixture::BITS, |excess| mixture.outside(excess))?
        } else {
            mixture.value(symbol)
        };
        self.states[self.lane] = x;
        self.lane = if self.lane + 1 == self.lanes { 0 } else { self.lane + 1 };
        Ok(value)
    }

    /// An integer outside its alphabet: its excess plus one, as an Elias gamma code of flat bits; `place` gives the integer of an excess.
    fn outside(&mut self, x: &mut u64, bits: u32, place: impl Fn(u64) -> Option<i32>) -> Result<i32> {
        let half = 1u32 << (bits - 1);
        let bit = || -> Result<bool> {
            let one = *x & u64::from(half) != 0;
            self.advance(x, if one { half } else { 0 }, half, bits)?;
            Ok(one)
        };
        take_excess(bit, place)
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
