//! Laplacian adjusted Wasserstein gradient descent on a grid.

use super::field::Velocity;
use crate::score::Score;
use elbo_core::{Error, Result, ensure};
use elbo_linalg::{MatRef, syevd};

/// The velocity $-\tfrac1N \sum_j \partial_1 K(x, x_j)$ with $K = \sum_{i \ge 1} \phi_i \phi_i / \lambda_i$ over the eigenfunctions of
/// the target's Langevin generator $-\partial^2 + V' \partial$, for one unknown.
///
/// # Source
/// Chewi, Le Gouic, Lu, Maunu and Rigollet (2020).
#[derive(Debug, Clone)]
pub struct Lawgd {
    low: f64,
    spacing: f64,
    /// Eigenfunctions and their derivatives on the grid, one row each, and the eigenvalues.
    functions: Vec<Vec<f64>>,
    derivatives: Vec<Vec<f64>>,
    values: Vec<f64>,
}

impl Lawgd {
    /// The eigenfunctions on `size` points of an interval that must hold nearly all of the target; the `count` of lowest eigenvalue.
    ///
    /// # Errors
    /// [`Error::Setting`] for more than one dimension, an interval without room, and fewer than two grid points more than functions;
    /// [`Error::Numerical`] when the density cannot be followed over the interval, or is zero to rounding within it.
    pub fn new(score: &dyn Score, (low, high): (f64, f64), size: usize, count: usize) -> Result<Self> {
        ensure("score", format!("of {} dimensions", score.dim()), score.dim() == 1, "of one, as the grid")?;
        ensure("interval", format!("from {low} to {high}"), low < high && (high - low).is_finite(), "one with room")?;
        ensure("size", size, size > count + 1, format!("at least {}, for {count} functions", count + 2))?;
        let spacing = (high - low) / (size - 1) as f64;
        let slope = |x: f64| {
            let mut s = [0.0];
            score.score(&[x], &[], &mut s);
            s[0]
        };
        // Log density up to a constant at grid points, by Simpson's rule over each cell; and at the cells' middles.
        let (mut log_density, mut middle) = (vec![0.0], vec![]);
        for i in 0..size - 1 {
            let x = low + i as f64 * spacing;
            let [a, b, c, d, e] = [0.0, 0.25, 0.5, 0.75, 1.0].map(|t| slope(x + t * spacing));
            let half = spacing / 12.0 * (a + 4.0 * b + c);
            middle.push(log_density[i] + half);
            log_density.push(log_density[i] + half + spacing / 12.0 * (c + 4.0 * d + e));
        }
        let top = log_density.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !top.is_finite() || log_density.iter().any(|l| !l.is_finite()) {
            return Err(Error::numerical("the score is not finite on the whole grid", "take a narrower interval"));
        }
        // The generator as the form sum w_(i+1/2) (f_(i+1) - f_i)^2 / spacing^2 over sum w_i f_i^2, made symmetric by sqrt(w).
        let mut matrix = vec![0.0; size * size];
        for i in 0..size - 1 {
            let link =
                |a: usize, b: usize| (middle[i] - 0.5 * (log_density[a] + log_density[b])).exp() / spacing.powi(2);
            matrix[i * size + i] += link(i, i);
            matrix[(i + 1) * size + i + 1] += link(i + 1, i + 1);
            matrix[(i + 1) * size + i] -= link(i, i + 1);
            matrix[i * size + i + 1] -= link(i, i + 1);
        }
        let eigen = syevd(MatRef::row_major(&matrix, size, size))
            .map_err(|cause| Error::numerical(cause.to_string(), "take a narrower interval"))?;
        let root: Vec<f64> = log_density.iter().map(|l| (0.5 * (l - top)).exp()).collect();
        let mass: f64 = root.iter().map(|r| r * r).sum();
        let (mut functions, mut derivatives, mut values) = (vec![], vec![], vec![]);
        for j in 1..=count {
            // Orthonormal under the normalised density.
            let f: Vec<f64> = (0..size).map(|i| eigen.vectors[i * size + j] / root[i] * mass.sqrt()).collect();
            if f.iter().any(|v| !v.is_finite()) {
                return Err(Error::numerical(
                    "the density is zero to rounding somewhere on the grid",
                    "take a narrower interval",
                ));
            }
            let derivative = (0..size).map(|i| {
                let (a, b) = (i.saturating_sub(1), (i + 1).min(size - 1));
                (f[b] - f[a]) / ((b - a) as f64 * spacing)
            });
            derivatives.push(derivative.collect());
            functions.push(f);
            values.push(eigen.values[j]);
        }
        Ok(Self { low, spacing, functions, derivatives, values })
    }

    /// Linear interpolation; constant outside of the grid.
    fn at(&self, row: &[f64], x: f64) -> f64 {
        let position = ((x - self.low) / self.spacing).clamp(0.0, (row.len() - 1) as f64);
        let below = (position as usize).min(row.len() - 2);
        row[below] + (position - below as f64) * (row[below + 1] - row[below])
    }

    /// The eigenvalues kept, ascending; the zero of the constant is left out.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.values
    }
}

impl Velocity for Lawgd {
    fn velocity(&self, _: &dyn Score, _: &[usize], points: &[f64], _: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        let n = points.len() as f64;
        for ((f, df), value) in self.functions.iter().zip(&self.derivatives).zip(&self.values) {
            let mean = points.iter().map(|x| self.at(f, *x)).sum::<f64>() / n;
            out.iter_mut().zip(points).for_each(|(o, x)| *o -= mean * self.at(df, *x) / value);
        }
    }
}
