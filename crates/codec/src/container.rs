//! The file `ELBC`: a header, a table of chunks, their bytes, and a digest of all before it.
//!
//! All integers are little-endian.
//!
//! | part | bytes |
//! |---|---|
//! | magic `ELBC` | 4 |
//! | major, minor version | 1, 1 |
//! | flags: bits 0-1 the coder, bit 2 the arithmetic, 3 chunked, 4 metadata, 5 digest, 6 zero channels; bits 8-11 the lanes | 2 |
//! | SHA-256 of the model's entropy part | 32 |
//! | system | 2 |
//! | rank, then the sizes | 1, 4 each |
//! | quality | 2 |
//! | padding at the end of each size | 4 each |
//! | zero channels, where the flag says so: how many channels there are, then a bit for each, the lowest first | 2, 1 for each eight |
//! | number of chunks, then for each: offset in the payload, length, symbols, CRC-32 | 4, 8 + 4 + 4 + 4 each |
//! | payload | sum of the lengths |
//! | metadata (CBOR), where the flag says so | to the digest |
//! | SHA-256 of everything before it, where the flag says so | 32 |
//!
//! Declared sizes are checked against the bytes that are there before anything is allocated for them.
//!
//! Files with zero channels have the minor version 1: a program that knows version 1.0 only cannot read them. All others have 0. What a later minor
//! version adds in a place of its own has a flag of its own, and a file with a flag that is not known is refused.

use elbo_core::{Error, Result};
use sha2::{Digest, Sha256};

/// How a file begins.
pub const MAGIC: &[u8; 4] = b"ELBC";
/// The version this crate writes. Files of another major version are refused, of a later minor one read where their flags are known.
pub const VERSION: [u8; 2] = [1, 0];
/// The minor version of files that leave out channels which are zero everywhere.
pub const MINOR_WITH_ZEROS: u8 = 1;
/// Most symbols a chunk may hold.
pub const CHUNK: usize = 1 << 16;
/// Most pixels of a picture that is read: against headers made to fill the memory.
pub const MOST_PIXELS: u64 = 1 << 27;

const DIGEST: usize = 32;
/// Where the digest of the model begins, after magic, version and flags.
const MODEL_AT: usize = 8;
const CHUNK_ENTRY: usize = 20;
const FLAG_CHUNKED: u16 = 1 << 3;
const FLAG_METADATA: u16 = 1 << 4;
const FLAG_DIGEST: u16 = 1 << 5;
const FLAG_ZEROS: u16 = 1 << 6;
/// All bits that say something: the coder, the arithmetic, the flags, the lanes.
const KNOWN: u16 = 7 | FLAG_CHUNKED | FLAG_METADATA | FLAG_DIGEST | FLAG_ZEROS | 15 << 8;

/// The arithmetic that chooses tables, by which encoder and decoder agree to the bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// Integers only.
    Integer,
    /// Single precision in a fixed order, without fused multiplication and addition: known to the header, but pictures are neither written nor
    /// read with it.
    FixedOrder,
}

/// The entropy coder of the chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coder {
    /// Asymmetric numeral systems with interleaved states.
    Rans,
    /// The range coder.
    Range,
}

/// A run of symbols with its own coder state: damage stays inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Number of symbols.
    pub symbols: u32,
    /// The coder's bytes.
    pub bytes: Vec<u8>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Minor version; in files of this crate [`VERSION`]'s, or [`MINOR_WITH_ZEROS`].
    pub minor: u8,
    /// The coder.
    pub coder: Coder,
    /// The arithmetic that chooses tables.
    pub arithmetic: Arithmetic,
    /// Interleaved states of the coder, 1 to 8; the range coder has one.
    pub lanes: u8,
    /// SHA-256 of the model's entropy part.
    pub model: [u8; 32],
    /// The system that wrote the file.
    pub system: u16,
    /// Sizes of what is compressed; of a picture `[H, W, C]`.
    pub shape: Vec<u32>,
    /// Index of the quality.
    pub quality: u16,
    /// What was added at the end of each size.
    pub padding: Vec<u32>,
    /// Which channels are zero everywhere, so that the chunks leave them out; empty where they hold all.
    pub zeros: Vec<bool>,
    /// The chunks, in order.
    pub chunks: Vec<Chunk>,
    /// Metadata as CBOR, unread; may be empty.
    pub metadata: Vec<u8>,
}

/// A chunk that does not have the checksum it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Which, counted from zero.
    pub chunk: usize,
}

impl Container {
    /// The file, digest included.
    ///
    /// # Panics
    /// When there are more than 255 sizes or 65,535 channels, or a chunk has four gigabytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        assert!(self.shape.len() < 256 && self.padding.len() == self.shape.len(), "a padding for each of few sizes");
        assert!((1..=8).contains(&self.lanes), "1 to 8 lanes, not {}", self.lanes);
        let mut flags = FLAG_CHUNKED | FLAG_DIGEST | u16::from(self.lanes) << 8;
        flags |= u16::from(self.coder == Coder::Range) | u16::from(self.arithmetic == Arithmetic::FixedOrder) << 2;
        if !self.metadata.is_empty() {
            flags |= FLAG_METADATA;
        }
        if !self.zeros.is_empty() {
            flags |= FLAG_ZEROS;
        }
        let mut out = Vec::with_capacity(256 + self.chunks.iter().map(|c| c.bytes.len() + CHUNK_ENTRY).sum::<usize>());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION[0], self.minor]);
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&self.model);
        out.extend_from_slice(&self.system.to_le_bytes());
        out.push(self.shape.len() as u8);
        self.shape.iter().for_each(|s| out.extend_from_slice(&s.to_le_bytes()));
        out.extend_from_slice(&self.quality.to_le_bytes());
        self.padding.iter().for_each(|s| out.extend_from_slice(&s.to_le_bytes()));
        if !self.zeros.is_empty() {
            let count = u16::try_from(self.zeros.len()).expect("there are few channels");
            out.extend_from_slice(&count.to_le_bytes());
            out.extend_from_slice(&packed(&self.zeros));
        }
        out.extend_from_slice(&(self.chunks.len() as u32).to_le_bytes());
        let mut offset = 0u64;
        for chunk in &self.chunks {
            let length = u32::try_from(chunk.bytes.len()).expect("a chunk is short");
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&chunk.symbols.to_le_bytes());
            out.extend_from_slice(&crc32(&chunk.bytes).to_le_bytes());
            offset += u64::from(length);
        }
        self.chunks.iter().for_each(|chunk| out.extend_from_slice(&chunk.bytes));
        out.extend_from_slice(&self.metadata);
        let digest = Sha256::digest(&out);
        out.extend_from_slice(&digest);
        out
    }

    /// Reads a file that must be whole.
    ///
    /// # Errors
    /// [`Error::Data`] saying what is wrong: another kind of file, a newer version, cut short, changed, or a damaged chunk by its
    /// number.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (container, damaged, is_whole) = Self::salvage(bytes)?;
        if let Some(Damaged { chunk }) = damaged.first() {
            let count = container.chunks.len();
            return Err(broken(format!("chunk {} of {count} is damaged: its checksum differs", chunk + 1)));
        }
        if !is_whole {
            return Err(broken("its digest differs from its contents".into()));
        }
        Ok(container)
    }

    /// Reads what can be read: the header must be sound; damaged chunks are named and keep their bytes. The last value says whether
    /// the digest agrees.
    ///
    /// # Errors
    /// As [`Container::from_bytes`], but for damaged chunks and a digest that differs.
    pub fn salvage(bytes: &[u8]) -> Result<(Self, Vec<Damaged>, bool)> {
        if !bytes.starts_with(MAGIC) {
            let shown =
                if bytes.is_empty() { "it is empty".into() } else { format!("it begins with {}", shown(bytes)) };
            return Err(Error::data(
                format!("this is not a file of `elbo compress`: {shown}"),
                "give a file that `elbo compress` wrote; they begin with ELBC",
            ));
        }
        let mut at = Reader { bytes, at: MAGIC.len() };
        let [major, minor] = at.take::<2>("version")?;
        if major != VERSION[0] {
            return Err(Error::data(
                format!("the file has version {major}.{minor}; this program reads {}.x", VERSION[0]),
                "use the version of elbo that wrote it",
            ));
        }
        let flags = at.u16("flags")?;
        if flags & !KNOWN != 0 {
            return Err(Error::data(
                format!("the file has version {major}.{minor} and flags that this program does not know: {flags:#06x}"),
                "use the version of elbo that wrote it; if it was this one, the file is damaged: copy or download it again",
            ));
        }
        let coder = match flags & 3 {
            0 => Coder::Rans,
            1 => Coder::Range,
            other => return Err(broken(format!("coder {other} is unknown"))),
        };
        let arithmetic = if flags & 4 == 0 { Arithmetic::Integer } else { Arithmetic::FixedOrder };
        let lanes = (flags >> 8 & 15) as u8;
        if flags & FLAG_CHUNKED == 0 || !(1..=8).contains(&lanes) {
            return Err(broken(format!("its flags are {flags:#06x}")));
        }
        let model = at.take::<32>("model digest")?;
        let system = at.u16("system")?;
        let [rank] = at.take::<1>("rank")?;
        let rank = usize::from(rank);
        at.has(rank * 8 + 2, "sizes")?;
        let shape = (0..rank).map(|_| at.u32("sizes")).collect::<Result<Vec<u32>>>()?;
        let quality = at.u16("quality")?;
        let padding = (0..rank).map(|_| at.u32("padding")).collect::<Result<Vec<u32>>>()?;
        let zeros = if flags & FLAG_ZEROS == 0 { vec![] } else { at.zeros()? };
        let count = at.u32("number of chunks")? as usize;
        at.has(count.saturating_mul(CHUNK_ENTRY), "table of chunks")?;
        let mut entries = Vec::with_capacity(count);
        let mut total = 0u64;
        for chunk in 0..count {
            let (offset, length) = (at.u64("chunk")?, at.u32("chunk")?);
            let (symbols, checksum) = (at.u32("chunk")?, at.u32("chunk")?);
            if offset != total || symbols as usize > CHUNK {
                return Err(broken(format!("the entry of chunk {} of {count} is damaged", chunk + 1)));
            }
            total += u64::from(length);
            entries.push((length as usize, symbols, checksum));
        }
        at.has(usize::try_from(total).unwrap_or(usize::MAX), "chunks")?;
        let (mut chunks, mut damaged) = (Vec::with_capacity(count), vec![]);
        for (chunk, (length, symbols, checksum)) in entries.into_iter().enumerate() {
            let bytes = at.slice(length, "chunks")?.to_vec();
            if crc32(&bytes) != checksum {
                damaged.push(Damaged { chunk });
            }
            chunks.push(Chunk { symbols, bytes });
        }
        let tail = if flags & FLAG_DIGEST == 0 { 0 } else { DIGEST };
        at.has(tail, "digest")?;
        let metadata = at.slice(bytes.len() - at.at - tail, "metadata")?.to_vec();
        if flags & FLAG_METADATA == 0 && !metadata.is_empty() {
            return Err(broken(format!("{} bytes follow its end", metadata.len())));
        }
        let is_whole = tail == 0 || *Sha256::digest(&bytes[..at.at]) == bytes[at.at..];
        let container =
            Self { minor, coder, arithmetic, lanes, model, system, shape, quality, padding, zeros, chunks, metadata };
        Ok((container, damaged, is_whole))
    }

    /// Refuses a file that was written with another model.
    ///
    /// # Errors
    /// [`Error::Data`] with both digests.
    pub fn check_model(&self, digest: &[u8; 32]) -> Result<()> {
        if self.model == *digest {
            return Ok(());
        }
        Err(Error::data(
            format!(
                "the file was written with another model: its entropy part is {}, this model's is {}",
                hex(&self.model),
                hex(digest)
            ),
            "give the model file that the picture was compressed with",
        ))
    }
}

/// The digest of the model that a file names in its header; `None` for another kind of file, or one that ends before it. Says nothing of
/// whether the file is sound.
pub fn model_digest(bytes: &[u8]) -> Option<[u8; 32]> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    bytes.get(MODEL_AT..MODEL_AT + DIGEST)?.try_into().ok()
}

/// Bits of bytes, the lowest first.
fn packed(bits: &[bool]) -> Vec<u8> {
    let byte = |eight: &[bool]| eight.iter().rev().fold(0u8, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn shown(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(4)];
    if first.iter().all(u8::is_ascii_graphic) { String::from_utf8_lossy(first).into_owned() } else { hex(first) }
}

/// A file that cannot be used, and why.
pub(crate) fn broken(why: String) -> Error {
    Error::data(format!("the compressed file is damaged: {why}"), "copy or download it again")
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Whether so many bytes are left.
    fn has(&self, count: usize, what: &str) -> Result<()> {
        let left = self.bytes.len() - self.at;
        if count <= left {
            return Ok(());
        }
        Err(broken(format!("it is cut short in its {what}: {count} bytes are needed, {left} are left")))
    }

    fn slice(&mut self, count: usize, what: &str) -> Result<&'a [u8]> {
        self.has(count, what)?;
        self.at += count;
        Ok(&self.bytes[self.at - count..self.at])
    }

    fn take<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        Ok(self.slice(N, what)?.try_into().expect("a slice of this length"))
    }

    /// Which channels are zero everywhere: at least one, and no bit of the last byte without a channel.
    fn zeros(&mut self) -> Result<Vec<bool>> {
        let count = usize::from(self.u16("zero channels")?);
        let bytes = self.slice(count.div_ceil(8), "zero channels")?;
        let zeros: Vec<bool> = (0..count).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1).collect();
        if !zeros.contains(&true) || packed(&zeros) != bytes {
            return Err(broken("its list of zero channels is none that is written".into()));
        }
        Ok(zeros)
    }

    fn u16(&mut self, what: &str) -> Result<u16> {
        self.take(what).map(u16::from_le_bytes)
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        self.take(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        self.take(what).map(u64::from_le_bytes)
    }
}

const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (mut value, mut bit) = (i as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[i] = value;
        i += 1;
    }
    table
};

/// CRC-32 as in zip and PNG.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| crc >> 8 ^ CRC[((crc ^ u32::from(*byte)) & 255) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Container {
        let chunk = |n: u8| Chunk { symbols: u32::from(n), bytes: (0..n).collect() };
        Container {
            minor: 0,
            coder: Coder::Rans,
            arithmetic: Arithmetic::Integer,
            lanes: 4,
            model: [7; 32],
            system: 3,
            shape: vec![30, 40, 3],
            quality: 2,
            padding: vec![2, 24, 0],
            zeros: vec![],
            chunks: vec![chunk(9), chunk(0), chunk(200)],
            metadata: vec![],
        }
    }

    #[test]
    fn a_file_read_back_is_the_same_and_a_later_minor_version_is_read() {
        let mut container = example();
        assert_eq!(Container::from_bytes(&container.to_bytes()).unwrap(), container);
        container.metadata = vec![0xa0];
        container.minor = 9;
        assert_eq!(Container::from_bytes(&container.to_bytes()).unwrap(), container);
    }

    #[test]
    fn a_file_with_a_flag_of_a_later_version_is_refused_with_that_remedy() {
        let bytes = example().to_bytes();
        for bit in [7, 12, 13, 14, 15] {
            let mut later = bytes.clone();
            later[6 + bit / 8] ^= 1 << (bit % 8);
            let error = Container::salvage(&later).unwrap_err();
            assert!(error.to_string().contains("does not know"), "{bit}: {error}");
            assert!(error.remedy().contains("the version of elbo that wrote it"), "{bit}: {}", error.remedy());
        }
    }

    #[test]
    fn the_model_of_a_file_is_known_from_its_first_bytes() {
        let bytes = example().to_bytes();
        assert_eq!(model_digest(&bytes), Some([7; 32]));
        assert_eq!(model_digest(&bytes[..40]), Some([7; 32]));
        assert_eq!(model_digest(&bytes[..39]), None);
        assert_eq!(model_digest(&[&b"RIFF"[..], &bytes[4..]].concat()), None);
    }

    #[test]
    fn the_checksum_is_that_of_zip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    /// A file of the range coder that leaves out some of eleven channels.
    fn example_with_zeros() -> Container {
        let zeros = (0..11).map(|i| i % 3 == 1).collect();
        Container { minor: MINOR_WITH_ZEROS, coder: Coder::Range, lanes: 1, zeros, ..example() }
    }

    #[test]
    fn channels_that_are_left_out_are_bits_of_the_header() {
        let (without, with) = (Container { coder: Coder::Range, lanes: 1, ..example() }, example_with_zeros());
        let (without, bytes) = (without.to_bytes(), with.to_bytes());
        assert_eq!(Container::from_bytes(&bytes).unwrap(), with);
        // A count and eleven bits; one flag more and the version beside it.
        assert_eq!(bytes.len(), without.len() + 4);
        assert_eq!((bytes[5], u16::from_le_bytes([bytes[6], bytes[7]])), (1, 0b1_0110_1001));
        let at = 8 + 32 + 2 + 1 + 12 + 2 + 12;
        assert_eq!(bytes[at..at + 4], [11, 0, 0b1001_0010, 0b0000_0100]);
        // Checksums that fit do not help a list that nobody writes: none of them zero, a bit too many, more channels than bytes.
        for (change, expected) in [
            ([0, 0, 0, 0], "zero channels"),
            ([11, 0, 0, 0], "zero channels"),
            ([11, 0, 0b1001_0010, 0b0000_1100], "zero channels"),
            ([255, 255, 0b1001_0010, 0b0000_0100], "cut short in its zero channels"),
        ] {
            let mut changed = bytes.clone();
            changed[at..at + 4].copy_from_slice(&change);
            let end = changed.len() - DIGEST;
            let digest = Sha256::digest(&changed[..end]);
            changed[end..].copy_from_slice(&digest);
            let message = Container::from_bytes(&changed).unwrap_err().to_string();
            assert!(message.contains(expected), "{change:?}: {message}");
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_refused_with_a_message() {
        for bytes in [example().to_bytes(), example_with_zeros().to_bytes()] {
            for length in 0..bytes.len() {
                let message = Container::from_bytes(&bytes[..length]).unwrap_err().to_string();
                assert!(message.contains("cut short") || message.contains("not a file"), "{length}: {message}");
            }
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 0x55;
                assert!(Container::from_bytes(&changed).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_damaged_chunk_is_named_and_the_others_survive() {
        let bytes = example().to_bytes();
        let mut changed = bytes.clone();
        let last = bytes.len() - DIGEST - 1;
        changed[last] ^= 1;
        assert!(Container::from_bytes(&changed).unwrap_err().to_string().contains("chunk 3 of 3"));
        let (container, damaged, is_whole) = Container::salvage(&changed).unwrap();
        assert_eq!((damaged, is_whole), (vec![Damaged { chunk: 2 }], false));
        assert_eq!(container.chunks[0], example().chunks[0]);
    }

    #[test]
    fn versions_and_models_that_do_not_fit_are_named() {
        let mut bytes = example().to_bytes();
        bytes[4] = 2;
        assert!(Container::from_bytes(&bytes).unwrap_err().to_string().contains("version 2.0"));
        let message = example().check_model(&[8; 32]).unwrap_err().to_string();
        assert!(message.contains(&"07".repeat(32)) && message.contains(&"08".repeat(32)), "{message}");
    }
}
