//! Where an unknown may lie, and how it comes from unconstrained numbers.

use elbo_core::{Error, Result};
use elbo_dist::transform::{Bijector, Sphere};
use elbo_tensor::{Constraint, Tensor};

/// Where an unknown may lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Support {
    /// Each element by itself: any number, positive, above a bound, in an interval.
    Each(Constraint),
    /// Shares along the last axis: positive, with sum one. `K` shares need `K - 1` free numbers, zeros for equal shares.
    Simplex,
    /// Increasing along the last axis.
    Ordered,
    /// Of length one along the last axis: a point of the circle or a sphere. As many free numbers, whose length is an auxiliary unknown with the
    /// law of a normal vector's; zeros have no direction, so that starts must be elsewhere. Densities are with respect to the area.
    Direction,
}

impl Support {
    /// Free numbers of an unknown of this shape.
    pub fn free_len(&self, shape: &[usize]) -> usize {
        let all: usize = shape.iter().product();
        match self {
            Self::Simplex => all / shape[shape.len() - 1] * (shape[shape.len() - 1] - 1),
            Self::Each(_) | Self::Ordered | Self::Direction => all,
        }
    }

    /// Free numbers of an unknown of this shape about which nothing is said: zeros, or the first axis for directions.
    pub(super) fn start(&self, shape: &[usize]) -> Vec<f64> {
        let mut free = vec![0.0; self.free_len(shape)];
        if *self == Self::Direction {
            free.iter_mut().step_by(shape[shape.len() - 1]).for_each(|first| *first = 1.0);
        }
        free
    }

    /// Natural values and the log-Jacobian of the map, both differentiable.
    ///
    /// # Shapes
    /// `free: [S, F]` with `F` from [`Support::free_len`]; returns `[S, shape...]` and `[S]`.
    ///
    /// # Source
    /// Stick breaking with the shift that puts equal shares at zero: Carpenter et al. (2017), "Stan".
    pub fn natural(&self, free: &Tensor, shape: &[usize]) -> (Tensor, Tensor) {
        let rows = free.size(0);
        let full = |last: Option<usize>| {
            let mut sizes = vec![rows];
            sizes.extend_from_slice(shape);
            if let Some(last) = last {
                *sizes.last_mut().expect("rows come first") = last;
            }
            sizes
        };
        let per_row = |t: &Tensor| t.reshape(&[rows, t.len() / rows.max(1)]).sum_axis(-1, false);
        match self {
            Self::Each(constraint) => {
                (constraint.natural(free).reshape(&full(None)), per_row(&constraint.log_jacobian(free)))
            }
            Self::Simplex => {
                let k = shape[shape.len() - 1];
                let shift: Vec<f64> = (1..k).map(|j| ((k - j) as f64).ln()).collect();
                let logit = free.reshape(&full(Some(k - 1))) - Tensor::from_vec(shift, &[k - 1]);
                let (broken, kept) = (logit.log_sigmoid(), (-&logit).log_sigmoid());
                // What is left of the stick after j pieces; before piece j it is one entry earlier.
                let left = kept.cumsum(-1);
                let before = &left - &kept;
                let log_shares = Tensor::cat(&[&broken + &before, left.narrow(-1, k - 2, 1)], -1);
                (log_shares.exp(), per_row(&(broken + kept + before)))
            }
            Self::Ordered => {
                let k = shape[shape.len() - 1];
                let free = free.reshape(&full(None));
                let (first, gaps) = (free.narrow(-1, 0, 1), free.narrow(-1, 1, k - 1));
                let natural = Tensor::cat(&[first, gaps.exp()], -1).cumsum(-1);
                (natural, per_row(&gaps))
            }
            Self::Direction => {
                let k = shape[shape.len() - 1];
                let (image, log_det) = Sphere.forward(&free.reshape(&full(None)));
                let (direction, radius) = (image.narrow(-1, 0, k), image.narrow(-1, k, 1).squeeze(-1));
                // The density of the free numbers is that of the direction, times the auxiliary radius's.
                (direction, per_row(&(log_det + Sphere::radial_log_prob(&radius, k))))
            }
        }
    }

    /// Free numbers of natural values, row-major in `shape`: a start, or a draw from elsewhere.
    ///
    /// # Errors
    /// [`Error::Data`] when a value is outside the support.
    pub fn free(&self, natural: &[f64], shape: &[usize]) -> Result<Vec<f64>> {
        let refuse = |expected: &str| {
            Err(Error::data(format!("{natural:?} is outside the support of its unknown"), expected.to_owned()))
        };
        if natural.len() != shape.iter().product::<usize>() {
            return refuse(&format!("give values in the shape {shape:?}"));
        }
        let last = shape.last().copied().unwrap_or(1);
        match self {
            Self::Each(constraint) if natural.iter().all(|v| constraint.allows(*v)) => {
                Ok(natural.iter().map(|v| constraint.free(*v)).collect())
            }
            Self::Each(constraint) => {
                let (low, high) = constraint.bounds();
                refuse(&format!("give numbers in ({low}, {high})"))
            }
            Self::Simplex => {
                let is_simplex =
                    |row: &[f64]| row.iter().all(|v| *v > 0.0) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-8;
                if !natural.chunks_exact(last).all(is_simplex) {
                    return refuse("give positive shares that sum to one");
                }
                Ok(natural.chunks_exact(last).flat_map(break_stick).collect())
            }
            Self::Ordered => {
                if !natural.chunks_exact(last).all(|row| row.windows(2).all(|w| w[0] < w[1])) {
                    return refuse("give increasing numbers");
                }
                let row = |row: &[f64]| {
                    let mut free = vec![row[0]];
                    free.extend(row.windows(2).map(|w| (w[1] - w[0]).ln()));
                    free
                };
                Ok(natural.chunks_exact(last).flat_map(row).collect())
            }
            Self::Direction => {
                let is_unit = |row: &[f64]| (row.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-8;
                if !natural.chunks_exact(last).all(is_unit) {
                    return refuse("give vectors of length one");
                }
                Ok(natural.to_vec())
            }
        }
    }
}

/// The logits of the pieces of a stick, shifted as in [`Support::natural`].
fn break_stick(shares: &[f64]) -> Vec<f64> {
    let k = shares.len();
    (0..k - 1).map(|j| (shares[j] / shares[j + 1..].iter().sum::<f64>()).ln() + ((k - 1 - j) as f64).ln()).collect()
}
