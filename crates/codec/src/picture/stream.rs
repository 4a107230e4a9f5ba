//! Latents in the order of their coding, one after the other.

use crate::coder::{IntegerDecoder, Lookup};
use crate::container::{CHUNK, Chunk};
use elbo_core::Result;

/// Integers of chunks in a row, the table of each known only when it is due.
pub(super) struct Stream<'a> {
    chunks: &'a [Chunk],
    lookups: &'a [Lookup],
    lanes: usize,
    /// The number of the first chunk in the file, and the numbers of those that cannot be read.
    first: usize,
    lost: &'a [usize],
    /// Integers that were read.
    count: usize,
    /// Of the current chunk; none where it is lost.
    decoder: Option<IntegerDecoder<'a>>,
}

impl<'a> Stream<'a> {
    pub fn new(chunks: &'a [Chunk], lookups: &'a [Lookup], lanes: usize, first: usize, lost: &'a [usize]) -> Self {
        Self { chunks, lookups, lanes, first, lost, count: 0, decoder: None }
    }

    /// The next integer; zero in a lost chunk.
    ///
    /// # Errors
    /// As [`IntegerDecoder`].
    ///
    /// # Panics
    /// After the last one.
    pub fn next(&mut self, table: u16) -> Result<i32> {
        if self.count.is_multiple_of(CHUNK) {
            self.close()?;
            let chunk = self.count / CHUNK;
            if !self.lost.contains(&(self.first + chunk)) {
                self.decoder = Some(IntegerDecoder::new(&self.chunks[chunk].bytes, self.lanes)?);
            }
        }
        self.count += 1;
        match &mut self.decoder {
            Some(decoder) => decoder.next(&self.lookups[usize::from(table)]),
            None => Ok(0),
        }
    }

    fn close(&mut self) -> Result<()> {
        self.decoder.take().map_or(Ok(()), IntegerDecoder::finish)
    }

    /// Whether the last chunk was read to its end.
    ///
    /// # Errors
    /// As [`IntegerDecoder::finish`].
    pub fn finish(mut self) -> Result<()> {
        self.close()
    }
}
