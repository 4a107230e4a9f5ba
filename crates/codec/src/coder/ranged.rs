//! Integers, each with an alphabet of its own, by the range coder: first to last, in one state.

use super::integers::{Lookup, take_excess};
use super::range::{RangeDecoder, RangeEncoder};
use crate::mixture::{self, Mixture, MixtureTables};
use elbo_core::Result;

/// Puts an excess, as the Elias gamma code of one more in flat bits: as many zeros as bits follow the highest one, then the code from that.
fn put_excess(encoder: &mut RangeEncoder, excess: u64, bits: u32) {
    let half = 1u32 << (bits - 1);
    let code = excess + 1;
    let length = code.ilog2();
    let mut flat = |one: bool| encoder.put_share(if one { half } else { 0 }, half, bits);
    (0..length).for_each(|_| flat(false));
    (0..=length).rev().for_each(|bit| flat(code >> bit & 1 == 1));
}

/// The bytes of integers, `values[i]` coded with `lookups[which[i]]`, by the range coder; escapes as in [`super::encode_integers`].
///
/// # Panics
/// When `values` and `which` differ in length.
pub fn encode_integers_by_range(values: &[i32], which: &[u16], lookups: &[Lookup]) -> Vec<u8> {
    assert_eq!(values.len(), which.len(), "an alphabet for each integer");
    let mut encoder = RangeEncoder::default();
    for (value, which) in values.iter().zip(which) {
        let alphabet = lookups[usize::from(*which)].alphabet();
        match alphabet.symbol(*value) {
            Ok(symbol) => encoder.put(alphabet.table(), symbol),
            Err(excess) => {
                encoder.put(alphabet.table(), alphabet.escape());
                put_excess(&mut encoder, excess, alphabet.table().bits());
            }
        }
    }
    encoder.finish()
}

/// The bytes of integers, `values[i]` coded with `mixtures[i]`, by the range coder; escapes as in [`super::encode_integers`].
///
/// # Panics
/// When `values` and `mixtures` differ in length.
pub fn encode_mixtures_by_range(values: &[i32], mixtures: &[Mixture], tables: &MixtureTables) -> Vec<u8> {
    assert_eq!(values.len(), mixtures.len(), "a mixture for each integer");
    let mut encoder = RangeEncoder::default();
    for (value, own) in values.iter().zip(mixtures) {
        let placed = own.symbol(*value);
        let (start, frequency) = tables.share(own, placed.unwrap_or(own.escape()));
        encoder.put_share(start, frequency, mixture::BITS);
        if let Err(excess) = placed {
            put_excess(&mut encoder, excess, mixture::BITS);
        }
    }
    encoder.finish()
}

/// The integers of what [`encode_integers_by_range`] wrote with the same alphabets.
///
/// # Errors
/// As [`RangeIntegerDecoder`].
pub fn decode_integers_by_range(bytes: &[u8], which: &[u16], lookups: &[Lookup]) -> Result<Vec<i32>> {
    let mut decoder = RangeIntegerDecoder::new(bytes)?;
    let mut out = Vec::with_capacity(which.len());
    for which in which {
        out.push(decoder.next(&lookups[usize::from(*which)])?);
    }
    decoder.finish()?;
    Ok(out)
}

/// The integers of what [`encode_mixtures_by_range`] wrote with the same mixtures and tables.
///
/// # Errors
/// As [`RangeIntegerDecoder`].
pub fn decode_mixtures_by_range(bytes: &[u8], mixtures: &[Mixture], tables: &MixtureTables) -> Result<Vec<i32>> {
    let mut decoder = RangeIntegerDecoder::new(bytes)?;
    let mut out = Vec::with_capacity(mixtures.len());
    for mixture in mixtures {
        out.push(decoder.next_of(mixture, tables)?);
    }
    decoder.finish()?;
    Ok(out)
}

/// Reads what [`encode_integers_by_range`] wrote one integer after the other: the alphabet of the next may depend on those before.
///
/// All its functions give [`elbo_core::Error::Data`] when the bytes are cut short, changed, or of other alphabets.
#[derive(Debug, Clone)]
pub struct RangeIntegerDecoder<'a> {
    decoder: RangeDecoder<'a>,
}

impl<'a> RangeIntegerDecoder<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// See the type.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        Ok(Self { decoder: RangeDecoder::new(bytes)? })
    }

    /// The next integer, coded with this alphabet.
    ///
    /// # Errors
    /// See the type.
    #[inline]
    pub fn next(&mut self, lookup: &Lookup) -> Result<i32> {
        let alphabet = lookup.alphabet();
        let table = alphabet.table();
        let (unit, share) = self.decoder.share(table.bits())?;
        let symbol = lookup.symbol_at(share);
        self.decoder.advance(unit, table.start(symbol), table.frequency(symbol))?;
        if symbol == alphabet.escape() {
            self.outside(table.bits(), |excess| alphabet.outside(excess))
        } else {
            Ok(alphabet.value(symbol))
        }
    }

    /// The next integer, coded with this mixture.
    ///
    /// # Errors
    /// See the type.
    pub fn next_of(&mut self, mixture: &Mixture, tables: &MixtureTables) -> Result<i32> {
        let (unit, share) = self.decoder.share(mixture::BITS)?;
        let symbol = tables.symbol_at(mixture, share);
        let (start, frequency) = tables.share(mixture, symbol);
        self.decoder.advance(unit, start, frequency)?;
        if symbol == mixture.escape() {
            self.outside(mixture::BITS, |excess| mixture.outside(excess))
        } else {
            Ok(mixture.value(symbol))
        }
    }

    fn outside(&mut self, bits: u32, place: impl Fn(u64) -> Option<i32>) -> Result<i32> {
        let half = 1u32 << (bits - 1);
        let bit = || -> Result<bool> {
            let (unit, share) = self.decoder.share(bits)?;
            let one = share >= half;
            self.decoder.advance(unit, if one { half } else { 0 }, half)?;
            Ok(one)
        };
        take_excess(bit, place)
    }

    /// Whether all was read.
    ///
    /// # Errors
    /// See the type.
    pub fn finish(self) -> Result<()> {
        self.decoder.finish()
    }
}
