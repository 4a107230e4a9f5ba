//! Sparse linear maps along one axis: what resizing, reflecting and averaging are made of.

use rayon::prelude::*;

use super::GRAIN;
use crate::dtype::Real;

/// Rows of weights, one an output position: `(input position, weight)` pairs.
#[derive(Debug, Clone)]
pub(crate) struct Taps {
    starts: Vec<usize>,
    entries: Vec<(usize, f64)>,
    inputs: usize,
}

impl Taps {
    /// From each output position's pairs.
    pub fn new(inputs: usize, rows: Vec<Vec<(usize, f64)>>) -> Self {
        let mut starts = vec![0];
        let mut entries = vec![];
        for row in rows {
            entries.extend(row);
            starts.push(entries.len());
        }
        Self { starts, entries, inputs }
    }

    /// Output positions.
    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// Input positions.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    fn row(&self, output: usize) -> &[(usize, f64)] {
        &self.entries[self.starts[output]..self.starts[output + 1]]
    }

    /// The adjoint map.
    pub fn transposed(&self) -> Self {
        let mut rows = vec![vec![]; self.inputs];
        for output in 0..self.outputs() {
            self.row(output).iter().for_each(|(input, weight)| rows[*input].push((output, *weight)));
        }
        Self::new(self.outputs(), rows)
    }

    /// Applies the map to the middle axis of `[outer, inputs, inner]`.
    pub fn apply<T: Real>(&self, x: &[T], [outer, inner]: [usize; 2]) -> Vec<T> {
        let (from, to) = (self.inputs * inner, self.outputs() * inner);
        let mut out = vec![T::ZERO; outer * to];
        if out.is_empty() || from == 0 {
            return out;
        }
        let entries: Vec<(usize, T)> = self.entries.iter().map(|(i, w)| (*i, T::from_f64(*w))).collect();
        let one = |(y, x): (&mut [T], &[T])| {
            for (output, y) in y.chunks_exact_mut(inner).enumerate() {
                let row = &entries[self.starts[output]..self.starts[output + 1]];
                if inner == 1 {
                    let mut sum = T::ZERO;
                    row.iter().for_each(|(input, weight)| sum += *weight * x[*input]);
                    y[0] = sum;
                    continue;
                }
                for (k, (input, weight)) in row.iter().enumerate() {
                    let pairs = y.iter_mut().zip(&x[input * inner..][..inner]);
                    if k == 0 {
                        pairs.for_each(|(y, x)| *y = *weight * *x);
                    } else {
                        pairs.for_each(|(y, x)| *y += *weight * *x);
                    }
                }
            }
        };
        let together = (GRAIN / to).max(1);
        let many = |(y, x): (&mut [T], &[T])| y.chunks_exact_mut(to).zip(x.chunks_exact(from)).for_each(one);
        if out.len() < 2 * GRAIN {
            many((&mut out, x));
        } else {
            out.par_chunks_mut(together * to).zip(x.par_chunks(together * from)).for_each(many);
        }
        out
    }
}
