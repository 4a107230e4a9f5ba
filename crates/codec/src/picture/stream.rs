//! Latents in the order of their coding, one after the other.

use super::frozen::{Code, Frozen};
use crate::coder::{IntegerDecoder, RangeIntegerDecoder};
use crate::container::{CHUNK, Chunk, Coder};
use elbo_core::Result;

/// What reads a chunk.
enum Reader<'a> {
    Rans(IntegerDecoder<'a>),
    Range(RangeIntegerDecoder<'a>),
}

/// Integers of chunks in a row, the table of each known only when it is due.
pub(super) struct Stream<'a> {
    chunks: &'a [Chunk],
    frozen: &'a Frozen,
    /// The coder and its lanes.
    way: (Coder, usize),
    /// The number of the first chunk in the file, and the numbers of those that cannot be read.
    first: usize,
    lost: &'a [usize],
    /// Integers that were read.
    count: usize,
    /// Of the current chunk; none where it is lost.
    reader: Option<Reader<'a>>,
}

impl<'a> Stream<'a> {
    pub fn new(chunks: &'a [Chunk], frozen: &'a Frozen, way: (Coder, usize), first: usize, lost: &'a [usize]) -> Self {
        Self { chunks, frozen, way, first, lost, count: 0, reader: None }
    }

    /// The next integer; zero in a lost chunk.
    ///
    /// # Errors
    /// As [`IntegerDecoder`].
    ///
    /// # Panics
    /// After the last one.
    pub fn next(&mut self, code: Code) -> Result<i32> {
        if self.count.is_multiple_of(CHUNK) {
            self.close()?;
            let chunk = self.count / CHUNK;
            if !self.lost.contains(&(self.first + chunk)) {
                let bytes = &self.chunks[chunk].bytes;
                self.reader = Some(match self.way {
                    (Coder::Rans, lanes) => Reader::Rans(IntegerDecoder::new(bytes, lanes)?),
                    (Coder::Range, _) => Reader::Range(RangeIntegerDecoder::new(bytes)?),
                });
            }
        }
        self.count += 1;
        let Some(reader) = &mut self.reader else { return Ok(0) };
        match (code, self.frozen.mixture()) {
            (Code::Table(table), _) => {
                let lookup = &self.frozen.lookups()[usize::from(table)];
                match reader {
                    Reader::Rans(decoder) => decoder.next(lookup),
                    Reader::Range(decoder) => decoder.next(lookup),
                }
            }
            (Code::Mixture(mixture), Some(tables)) => match reader {
                Reader::Rans(decoder) => decoder.next_of(&mixture, tables),
                Reader::Range(decoder) => decoder.next_of(&mixture, tables),
            },
            (Code::Mixture(_), None) => unreachable!("mixtures are made with tables"),
        }
    }

    fn close(&mut self) -> Result<()> {
        match self.reader.take() {
            None => Ok(()),
            Some(Reader::Rans(decoder)) => decoder.finish(),
            Some(Reader::Range(decoder)) => decoder.finish(),
        }
    }

    /// Whether the last chunk was read to its end.
    ///
    /// # Errors
    /// As [`IntegerDecoder::finish`].
    pub fn finish(mut self) -> Result<()> {
        self.close()
    }
}
