//! A range coder: symbols go out as they come, first to first, where rANS needs the whole chunk.
//!
//! The range has 32 bits and a carry runs through the bytes that wait (Martin 1979, as in LZMA). It shares the tables. With `n` bits of
//! precision a symbol costs at most `-log2(1 - 2^(n - 24))` bits more than its share, since the range is cut down to a multiple of `2^n`:
//! 0.006 bits at 16. With more than 16 bits tables come back too, but the range is too coarse for their cost.

use super::bytes::{cut_short, left_over};
use crate::container::broken;
use crate::table::Table;
use elbo_core::Result;

const TOP: u32 = 1 << 24;

/// Writes symbols.
#[derive(Debug, Clone)]
pub struct RangeEncoder {
    low: u64,
    range: u32,
    /// The byte that a carry would still change, and how many 255s follow it.
    held: u8,
    waiting: u64,
    is_first: bool,
    out: Vec<u8>,
}

impl Default for RangeEncoder {
    fn default() -> Self {
        Self { low: 0, range: u32::MAX, held: 0, waiting: 0, is_first: true, out: vec![] }
    }
}

impl RangeEncoder {
    /// Puts a symbol.
    pub fn put(&mut self, table: &Table, symbol: usize) {
        self.put_share(table.start(symbol), table.frequency(symbol), table.bits());
    }

    /// Puts a share of `0..2^bits`.
    #[inline]
    pub(super) fn put_share(&mut self, start: u32, frequency: u32, bits: u32) {
        let unit = self.range >> bits;
        self.low += u64::from(unit) * u64::from(start);
        self.range = unit * frequency;
        // A precision of 24 bits needs a unit of at least one: the range has more than 24 bits at every symbol's beginning.
        while self.range < TOP {
            self.range <<= 8;
            self.shift();
        }
    }

    #[inline]
    fn shift(&mut self) {
        let carry = (self.low >> 32) as u8;
        if self.low < 0xff00_0000 || carry == 1 {
            if !self.is_first {
                self.out.push(self.held.wrapping_add(carry));
            }
            self.is_first = false;
            self.out.extend((0..self.waiting).map(|_| 255u8.wrapping_add(carry)));
            self.waiting = 0;
            self.held = (self.low >> 24) as u8;
        } else {
            self.waiting += 1;
        }
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    /// The bytes so far that no later symbol changes; they are handed over once.
    pub fn drain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// The last bytes.
    pub fn finish(mut self) -> Vec<u8> {
        (0..5).for_each(|_| self.shift());
        self.out
    }
}

/// Reads what [`RangeEncoder`] wrote.
#[derive(Debug, Clone)]
pub struct RangeDecoder<'a> {
    bytes: &'a [u8],
    at: usize,
    range: u32,
    code: u32,
}

impl<'a> RangeDecoder<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] when there are fewer than four bytes.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let first = bytes.first_chunk().ok_or_else(cut_short)?;
        Ok(Self { bytes, at: 4, range: u32::MAX, code: u32::from_be_bytes(*first) })
    }

    /// Takes a symbol.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] when the bytes are used up, or are none that the coder writes.
    pub fn take(&mut self, table: &Table) -> Result<usize> {
        let (unit, share) = self.share(table.bits())?;
        let symbol = table.starts().partition_point(|s| *s <= share) - 1;
        self.advance(unit, table.start(symbol), table.frequency(symbol))?;
        Ok(symbol)
    }

    /// The unit of the range, and the place of `0..2^bits` that the next symbol's share holds.
    #[inline]
    pub(super) fn share(&self, bits: u32) -> Result<(u32, u32)> {
        let unit = self.range >> bits;
        let share = self.code / unit;
        // What the units leave of the range belongs to no symbol: only damaged bytes lie there.
        if share >> bits != 0 {
            return Err(broken("a chunk lies beyond the range of its coder".into()));
        }
        Ok((unit, share))
    }

    /// Goes on behind the symbol that holds the place which [`RangeDecoder::share`] gave.
    #[inline]
    pub(super) fn advance(&mut self, unit: u32, start: u32, frequency: u32) -> Result<()> {
        // The place lies in the symbol's share, so the code stays below the new range.
        self.code -= unit * start;
        self.range = unit * frequency;
        while self.range < TOP {
            let byte = *self.bytes.get(self.at).ok_or_else(cut_short)?;
            self.code = self.code << 8 | u32::from(byte);
            self.range <<= 8;
            self.at += 1;
        }
        Ok(())
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] when bytes are left, or the last ones do not close the range.
    pub fn finish(self) -> Result<()> {
        if self.at == self.bytes.len() && self.code == 0 { Ok(()) } else { Err(left_over()) }
    }
}
