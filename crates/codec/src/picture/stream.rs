//! Latents in the order of their coding, one after the other.

use super::frozen::{Code, Frozen};
use crate::coder::IntegerDecoder;
use crate::container::{CHUNK, Chunk};
use elbo_core::Result;

/// Integers of chunks in a row, the table of each known only when it is due.
pub(super) struct Stream<'a> {
    chunks: &'a [Chunk],
    frozen: &'a Frozen,
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
    pub fn new(chunks: &'a [Chunk], frozen: &'a Frozen, lanes: usize, first: usize, lost: &'a [usize]) -> Self {
        Self { chunks, frozen, lanes, first, lost, count: 0, decoder: None }
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
                self.decoder = Some(IntegerDecoder::new(&self.chunks[chunk].bytes, self.lanes)?);
            }
        }
        self.count += 1;
        let Some(decoder) = &mut self.decoder else { return Ok(0) };
        match (code, self.frozen.mixture()) {
            (Code::Table(table), _) => decoder.next(&self.frozen.lookups()[usize::from(table)]),
            (Code::Mixture(mixture), Some(tables)) => decoder.next_of(&mixture, tables),
            (Code::Mixture(_), None) => unreachable!("mixtures are made with tables"),
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
