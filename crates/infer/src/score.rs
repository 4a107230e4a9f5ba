//! Gradients of a log density that may be estimated from a part of the data.

use crate::target::LogDensity;
use rayon::prelude::*;

/// The gradient of a log density, or an unbiased estimate of it from some rows of the data.
pub trait Score: Sync {
    /// Number of unknowns, `D`.
    fn dim(&self) -> usize;

    /// Rows of data there are to choose from; zero when the gradient is exact and chooses none.
    fn rows(&self) -> usize;

    /// Writes the gradient at `z: [D]`, estimated from these rows, to `gradient: [D]`: prior once, likelihood scaled by
    /// all rows over the rows used.
    fn score(&self, z: &[f64], rows: &[usize], gradient: &mut [f64]);

    /// The same at many points from the same rows. `z`, `gradient`: row-major `[S, D]`. Override it where many points at once are quicker.
    fn scores(&self, z: &[f64], rows: &[usize], gradient: &mut [f64]) {
        let d = self.dim();
        let each = gradient.par_chunks_exact_mut(d).zip(z.par_chunks_exact(d));
        each.for_each(|(g, z)| self.score(z, rows, g));
    }
}

/// The exact gradient of a log density.
pub struct FullScore<'a>(pub &'a dyn LogDensity);

impl Score for FullScore<'_> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn rows(&self) -> usize {
        0
    }

    fn score(&self, z: &[f64], _: &[usize], gradient: &mut [f64]) {
        self.0.value_and_gradient(z, gradient);
    }

    fn scores(&self, z: &[f64], _: &[usize], gradient: &mut [f64]) {
        gradient.copy_from_slice(&self.0.values_and_gradients(z).1);
    }
}

/// A score given by hand: a closure of the point, the rows, and the gradient to write.
pub struct Batched<F> {
    dim: usize,
    rows: usize,
    function: F,
}

impl<F: Fn(&[f64], &[usize], &mut [f64]) + Send + Sync> Batched<F> {
    /// A score over `dim` unknowns and `rows` data.
    pub fn new(dim: usize, rows: usize, function: F) -> Self {
        Self { dim, rows, function }
    }
}

impl<F: Fn(&[f64], &[usize], &mut [f64]) + Send + Sync> Score for Batched<F> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn score(&self, z: &[f64], rows: &[usize], gradient: &mut [f64]) {
        (self.function)(z, rows, gradient);
    }
}
