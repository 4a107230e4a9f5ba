//! Bytes of one table, with the states of all lanes in registers.

use super::range::{RangeDecoder, RangeEncoder};
use super::rans::{LOW, Piece};
use crate::container::broken;
use crate::table::Table;
use elbo_core::recycle::Kept;
use elbo_core::{Error, Result};

/// The bytes of `symbols`, coded in 1, 2, 4 or 8 interleaved lanes.
///
/// # Errors
/// [`Error::Data`] when a symbol is not in the table.
///
/// # Panics
/// For another number of lanes.
pub fn encode_bytes(symbols: &[u8], table: &Table, lanes: usize) -> Result<Vec<u8>> {
    check(symbols, table)?;
    // All 256, so that no index needs a check.
    let mut pieces = [Piece::default(); 256];
    (0..table.len().min(256)).for_each(|i| pieces[i] = Piece::of(table, i));
    Ok(match lanes {
        1 => encode::<1>(symbols, &pieces),
        2 => encode::<2>(symbols, &pieces),
        4 => encode::<4>(symbols, &pieces),
        8 => encode::<8>(symbols, &pieces),
        other => panic!("1, 2, 4 or 8 lanes, not {other}"),
    })
}

/// The bytes of `symbols` by the range coder.
///
/// # Errors
/// As [`encode_bytes`].
pub fn encode_bytes_by_range(symbols: &[u8], table: &Table) -> Result<Vec<u8>> {
    check(symbols, table)?;
    let mut encoder = RangeEncoder::default();
    symbols.iter().for_each(|symbol| encoder.put(table, usize::from(*symbol)));
    Ok(encoder.finish())
}

fn check(symbols: &[u8], table: &Table) -> Result<()> {
    match symbols.iter().find(|s| usize::from(**s) >= table.len()) {
        None => Ok(()),
        Some(symbol) => Err(Error::data(
            format!("symbol {symbol} is not among the {} of the table", table.len()),
            "make the table from data of the same kind",
        )),
    }
}

fn encode<const L: usize>(symbols: &[u8], pieces: &[Piece; 256]) -> Vec<u8> {
    let mut x = [LOW; L];
    // A symbol gives away at most one word; the stream is filled from its end.
    let mut out: Kept<u32> = Kept::new(symbols.len() + 2 * L);
    let mut at = out.len();
    let mut one = |x: &mut u64, symbol: u8| {
        let piece = &pieces[usize::from(symbol)];
        // Written in any case, kept when the state overflows: no branch to mispredict.
        let overflows = piece.overflows(*x);
        out[at - 1] = *x as u32;
        at -= usize::from(overflows);
        *x = piece.push(if overflows { *x >> 32 } else { *x });
    };
    let (groups, rest) = symbols.as_chunks::<L>();
    rest.iter().enumerate().rev().for_each(|(lane, s)| one(&mut x[lane], *s));
    for group in groups.iter().rev() {
        for lane in (0..L).rev() {
            one(&mut x[lane], group[lane]);
        }
    }
    for lane in (0..L).rev() {
        (out[at - 1], out[at - 2]) = (x[lane] as u32, (x[lane] >> 32) as u32);
        at -= 2;
    }
    let words = &out[at..];
    let mut bytes = vec![0; 4 * words.len()];
    bytes.as_chunks_mut().0.iter_mut().zip(words).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
    bytes
}

/// A share of the table: the frequency, and the symbol below the distance from its start.
#[derive(Debug, Clone, Copy)]
struct Slot {
    frequency: u32,
    distance: u32,
}

/// Decodes bytes of one table.
#[derive(Debug, Clone)]
pub struct ByteDecoder {
    bits: u32,
    slots: Vec<Slot>,
}

impl ByteDecoder {
    /// Tabulates every share of the table.
    ///
    /// # Panics
    /// When the table has more than 256 symbols.
    pub fn new(table: &Table) -> Self {
        assert!(table.len() <= 256, "{} symbols are no bytes", table.len());
        let mut slots = Vec::with_capacity(1 << table.bits());
        for symbol in 0..table.len() {
            let frequency = table.frequency(symbol);
            slots.extend((0..frequency).map(|d| Slot { frequency, distance: d << 8 | symbol as u32 }));
        }
        Self { bits: table.bits(), slots }
    }

    /// `count` symbols of what [`encode_bytes`] wrote with as many lanes.
    ///
    /// # Errors
    /// [`Error::Data`] when the bytes are cut short, changed, or of another table.
    pub fn decode(&self, bytes: &[u8], count: usize, lanes: usize) -> Result<Vec<u8>> {
        match lanes {
            1 => self.decode_lanes::<1>(bytes, count),
            2 => self.decode_lanes::<2>(bytes, count),
            4 => self.decode_lanes::<4>(bytes, count),
            8 => self.decode_lanes::<8>(bytes, count),
            other => Err(broken(format!("{other} lanes"))),
        }
    }

    /// `count` symbols of what [`encode_bytes_by_range`] wrote.
    ///
    /// # Errors
    /// As [`ByteDecoder::decode`].
    pub fn decode_by_range(&self, bytes: &[u8], count: usize) -> Result<Vec<u8>> {
        let mut decoder = RangeDecoder::new(bytes)?;
        let mut out = vec![0; count];
        for symbol in &mut out {
            let (unit, share) = decoder.share(self.bits)?;
            let slot = self.slots[share as usize];
            decoder.advance(unit, share - (slot.distance >> 8), slot.frequency)?;
            *symbol = slot.distance as u8;
        }
        decoder.finish()?;
        Ok(out)
    }

    fn decode_lanes<const L: usize>(&self, bytes: &[u8], count: usize) -> Result<Vec<u8>> {
        let (words, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || words.len() < 2 * L {
            return Err(cut_short());
        }
        let word = |i: usize| u64::from(u32::from_le_bytes(words[i]));
        let mut x: [u64; L] = std::array::from_fn(|lane| word(2 * lane) << 32 | word(2 * lane + 1));
        let mut at = 2 * L;
        let mask = (1u64 << self.bits) - 1;
        let slots = self.slots.as_slice();
        let pop = |x: &mut u64| {
            let slot = slots[(*x & mask) as usize];
            *x = u64::from(slot.frequency) * (*x >> self.bits) + u64::from(slot.distance >> 8);
            slot.distance as u8
        };
        let mut out = vec![0; count];
        let (groups, tail) = out.as_chunks_mut::<L>();
        let mut groups = groups.iter_mut();
        // While every lane may take a word without looking.
        while at + L <= words.len() {
            let Some(group) = groups.next() else { break };
            for lane in 0..L {
                group[lane] = pop(&mut x[lane]);
                let needs = x[lane] < LOW;
                let refilled = x[lane] << 32 | word(at);
                x[lane] = if needs { refilled } else { x[lane] };
                at += usize::from(needs);
            }
        }
        let mut careful = |symbol: &mut u8, x: &mut u64| -> Result<()> {
            *symbol = pop(x);
            if *x < LOW {
                if at == words.len() {
                    return Err(cut_short());
                }
                *x = *x << 32 | word(at);
                at += 1;
            }
            Ok(())
        };
        for group in groups {
            for lane in 0..L {
                careful(&mut group[lane], &mut x[lane])?;
            }
        }
        for (lane, symbol) in tail.iter_mut().enumerate() {
            careful(symbol, &mut x[lane])?;
        }
        if at != words.len() || x.iter().any(|x| *x != LOW) {
            return Err(left_over());
        }
        Ok(out)
    }
}

pub(super) fn cut_short() -> Error {
    broken("a chunk ends before its symbols do".into())
}

pub(super) fn left_over() -> Error {
    broken("a chunk does not end as the coder began".into())
}
