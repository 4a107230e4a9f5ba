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
/// [`elbo_core::Error::Data`] when the bytes are cut short, changed, or of other alphabets.
///
/// # Panics
/// When there are not 1 to 8 lanes.
pub fn decode_integers(bytes: &[u8], which: &[u16], lookups: &[Lookup], lanes: usize) -> Result<Vec<i32>> {
    assert!((1..=8).contains(&lanes), "1 to 8 lanes, not {lanes}");
    let (words, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || words.len() < 2 * lanes {
        return Err(cut_short());
    }
    let word = |i: usize| u64::from(u32::from_le_bytes(words[i]));
    let mut states = [LOW; 8];
    (0..lanes).for_each(|lane| states[lane] = word(2 * lane) << 32 | word(2 * lane + 1));
    let mut at = 2 * lanes;
    let mut advance = |x: &mut u64, start: u32, frequency: u32, bits: u32| -> Result<()> {
        *x = u64::from(frequency) * (*x >> bits) + (*x & ((1 << bits) - 1)) - u64::from(start);
        if *x < LOW {
            if at == words.len() {
                return Err(cut_short());
            }
            *x = *x << 32 | word(at);
            at += 1;
        }
        Ok(())
    };
    let mut out = Vec::with_capacity(which.len());
    for (i, which) in which.iter().enumerate() {
        let lookup = &lookups[usize::from(*which)];
        let x = &mut states[i % lanes];
        let starts = lookup.alphabet.table().starts();
        let bits = lookup.alphabet.table().bits();
        let share = (*x & ((1 << bits) - 1)) as u32;
        let mut symbol = usize::from(lookup.first[(share >> (bits - LOOK)) as usize]);
        while starts[symbol + 1] <= share {
            symbol += 1;
        }
        advance(x, starts[symbol], starts[symbol + 1] - starts[symbol], bits)?;
        if symbol != lookup.alphabet.escape() {
            out.push(lookup.alphabet.value(symbol));
            continue;
        }
        let half = 1u32 << (bits - 1);
        let mut bit = |x: &mut u64| -> Result<bool> {
            let one = *x & u64::from(half) != 0;
            advance(x, if one { half } else { 0 }, half, bits)?;
            Ok(one)
        };
        let mut length = 0;
        while !bit(x)? {
            length += 1;
            if length > 33 {
                return Err(broken("an integer in it does not fit into 32 bits".into()));
            }
        }
        let mut code = 1u64;
        for _ in 0..length {
            code = code << 1 | u64::from(bit(x)?);
        }
        let value = lookup.alphabet.outside(code - 1);
        out.push(value.ok_or_else(|| broken("an integer in it does not fit into 32 bits".into()))?);
    }
    if at != words.len() || states.iter().any(|x| *x != LOW) {
        return Err(left_over());
    }
    Ok(out)
}
