//! From symbols to bytes and back.
//!
//! | I want | use |
//! |---|---|
//! | bytes of one table, as fast as possible | [`encode_bytes`], [`ByteDecoder`] |
//! | integers, each with its own alphabet, and escapes | [`encode_integers`], [`decode_integers`] |
//! | such integers, where the next alphabet depends on those before | [`IntegerDecoder`] |
//! | integers, each with a mixture of Gaussians of its own | [`encode_mixtures`], [`decode_mixtures`] |
//! | symbols one after the other as they come | [`RangeEncoder`], [`RangeDecoder`] |
//! | bytes, integers or mixtures by the range coder | the functions whose names end in `_by_range`, [`RangeIntegerDecoder`] |
//!
//! All others are asymmetric numeral systems (rANS, Duda 2014) with a 64-bit state in `[2^31, 2^63)` and words of 32 bits. Symbols are
//! encoded last to first; the stream is the state's high and low word, lane by lane, then the words in the reverse of the order in
//! which they came out. A decoder that ends with the first state and no word left has read what was written.

mod bytes;
mod integers;
mod range;
mod ranged;
mod rans;

pub use bytes::{ByteDecoder, encode_bytes, encode_bytes_by_range};
pub use integers::{IntegerDecoder, Lookup, decode_integers, decode_mixtures, encode_integers, encode_mixtures};
pub use range::{RangeDecoder, RangeEncoder};
pub use ranged::{
    RangeIntegerDecoder, decode_integers_by_range, decode_mixtures_by_range, encode_integers_by_range,
    encode_mixtures_by_range,
};
