//! Rows at hand: their sites, what the memory holds of them, and how inducing variables see them.

use crate::dual::{BatchSites, DualPosterior};
use crate::kernel::Kernel;
use elbo_tensor::Tensor;

/// A site for every row and latent function.
#[derive(Clone)]
pub(super) struct RowSites(pub Vec<BatchSites>);

impl RowSites {
    pub fn flat(latents: usize, rows: usize) -> Self {
        Self(vec![BatchSites { shift: vec![0.0; rows], precision: vec![0.0; rows] }; latents])
    }

    /// The share `rho` of the way to `new`.
    pub fn towards(&self, new: &Self, rho: f64) -> Self {
        let mix = |old: &[f64], new: &[f64]| old.iter().zip(new).map(|(o, n)| o + rho * (n - o)).collect();
        let each = |(old, new): (&BatchSites, &BatchSites)| BatchSites {
            shift: mix(&old.shift, &new.shift),
            precision: mix(&old.precision, &new.precision),
        };
        Self(self.0.iter().zip(&new.0).map(each).collect())
    }

    /// Every row's sites times its factor.
    pub fn scaled(&self, factors: &[f64]) -> Self {
        let times = |values: &[f64]| values.iter().zip(factors).map(|(value, factor)| value * factor).collect();
        let each = |s: &BatchSites| BatchSites { shift: times(&s.shift), precision: times(&s.precision) };
        Self(self.0.iter().map(each).collect())
    }

    pub fn take(&self, rows: &[usize]) -> Self {
        let each = |s: &BatchSites| BatchSites { shift: pick(&s.shift, rows), precision: pick(&s.precision, rows) };
        Self(self.0.iter().map(each).collect())
    }

    pub fn extend(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            own.shift.extend(&other.shift);
            own.precision.extend(&other.precision);
        }
    }

    pub fn len(&self) -> usize {
        self.0[0].shift.len()
    }
}

/// These entries of `values`.
pub(super) fn pick(values: &[f64], rows: &[usize]) -> Vec<f64> {
    rows.iter().map(|i| values[*i]).collect()
}

/// Rows in memory.
pub(super) struct Kept {
    /// Inputs, `[R, D]`.
    pub x: Tensor,
    /// Targets, `[R]`.
    pub y: Vec<f64>,
    /// What they say now, for themselves and for the rows that they stand for.
    pub sites: RowSites,
    /// How many rows seen each stands for, itself among them: the inverse of its chance to be here, `[R]`.
    pub weights: Vec<f64>,
}

impl Kept {
    /// No rows, of inputs of `dims` columns.
    pub fn nothing(latents: usize, dims: usize) -> Self {
        let x = Tensor::from_vec(vec![], &[0, dims]);
        Self { x, y: vec![], sites: RowSites::flat(latents, 0), weights: vec![] }
    }

    pub fn len(&self) -> usize {
        self.y.len()
    }

    pub fn take(&self, rows: &[usize]) -> Self {
        Self {
            x: self.x.index_select(0, &Tensor::indices(rows)),
            y: pick(&self.y, rows),
            sites: self.sites.take(rows),
            weights: pick(&self.weights, rows),
        }
    }

    pub fn extend(&mut self, other: Self) {
        self.x = Tensor::cat(&[self.x.clone(), other.x], 0);
        self.sites.extend(&other.sites);
        self.y.extend(other.y);
        self.weights.extend(other.weights);
    }
}

/// Rows as the inducing variables see them.
pub(super) struct View {
    /// `chol(K_uu)`, `[M, M]`.
    pub kuu_chol: Tensor,
    /// `K_uf`, `[M, B]`.
    pub kuf: Tensor,
    /// `chol(K_uu)⁻¹ K_uf`, `[M, B]`.
    pub whitened: Tensor,
    /// Prior variances that the inducing variables leave, `[B]`.
    pub left: Tensor,
}

impl View {
    pub fn new(kernel: &dyn Kernel, kuu_chol: &Tensor, z: &Tensor, x: &Tensor) -> Self {
        let kuf = kernel.gram(z, x);
        let whitened = kuu_chol.solve_lower(&kuf);
        let left = kernel.diag(x) - whitened.square().sum_axis(0, false);
        Self { kuu_chol: kuu_chol.clone(), kuf, whitened, left }
    }

    /// Means and variances of the latent functions under these posteriors, both `[B, P]`.
    pub fn marginals(&self, posteriors: &[DualPosterior]) -> (Tensor, Tensor) {
        let parts = posteriors.iter().map(|posterior| posterior.marginals_whitened(&self.whitened, &self.left));
        let (means, variances): (Vec<Tensor>, Vec<Tensor>) = parts.unzip();
        (Tensor::stack(&means, 1), Tensor::stack(&variances, 1))
    }
}
