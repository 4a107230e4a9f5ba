//! Random frequencies of a kernel, and how they combine.

use elbo_core::Rng;

/// A Monte Carlo estimate of a kernel by waves,
/// `k(x, x') ≈ Σ_j weight_j cos(ω_j · (x - x')) Π_tables t_j(x) t_j(x')`, unbiased for every pair of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectral {
    /// Number of frequencies, `m`.
    pub count: usize,
    /// Number of input dimensions, `D`.
    pub dims: usize,
    /// `[m, D]` row-major, radians per unit of the input.
    pub frequencies: Vec<f64>,
    /// `[m]`, positive; they add up to the variance where the kernel is stationary.
    pub weights: Vec<f64>,
    /// Factors that depend on the level of a categorical dimension.
    pub tables: Vec<LevelTable>,
}

/// A factor for every level of one dimension and every frequency: `L s` with `L Lᵀ` the covariance between levels and
/// independent random signs `s`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LevelTable {
    /// The dimension that holds the level's code.
    pub dim: usize,
    /// `[levels + 1, m]` row-major; the last row is for a level not seen in training.
    pub values: Vec<f64>,
}

impl Spectral {
    /// Frequencies that share the variance equally.
    pub fn equal(variance: f64, count: usize, dims: usize, frequencies: Vec<f64>) -> Self {
        Self { count, dims, frequencies, weights: vec![variance / count as f64; count], tables: vec![] }
    }

    /// The sum of two kernels: the waves of both.
    pub(crate) fn concat(parts: &[Spectral]) -> Self {
        let dims = parts[0].dims;
        let count = parts.iter().map(|p| p.count).sum();
        let mut tables = vec![];
        let mut start = 0;
        for part in parts {
            for table in &part.tables {
                let rows = table.values.len() / part.count;
                let mut values = vec![1.0; rows * count];
                for (to, from) in values.chunks_mut(count).zip(table.values.chunks(part.count)) {
                    to[start..start + part.count].copy_from_slice(from);
                }
                tables.push(LevelTable { dim: table.dim, values });
            }
            start += part.count;
        }
        let frequencies = parts.iter().flat_map(|p| p.frequencies.iter().copied()).collect();
        let weights = parts.iter().flat_map(|p| p.weights.iter().copied()).collect();
        Self { count, dims, frequencies, weights, tables }
    }

    /// The product of two kernels: frequencies add, since `cos(a) cos(b)` and `cos(a + b)` agree in the mean over symmetric
    /// frequencies. Waves meet in random pairs, so that the terms of sums on both sides all meet.
    pub(crate) fn times(self, other: &Spectral, rng: &mut Rng) -> Self {
        assert_eq!((self.count, self.dims), (other.count, other.dims), "waves to multiply must be as many");
        let order = rng.permutation(self.count);
        let (count, dims) = (self.count, self.dims);
        let mut product = self;
        for (j, &k) in order.iter().enumerate() {
            product.weights[j] *= other.weights[k] * count as f64;
            for d in 0..dims {
                product.frequencies[j * dims + d] += other.frequencies[k * dims + d];
            }
        }
        for table in &other.tables {
            let rows = table.values.chunks(count).flat_map(|row| order.iter().map(|k| row[*k]));
            product.tables.push(LevelTable { dim: table.dim, values: rows.collect() });
        }
        product
    }

    /// The kernel times a variance.
    pub(crate) fn scaled(mut self, variance: f64) -> Self {
        self.weights.iter_mut().for_each(|w| *w *= variance);
        self
    }

    /// The same waves in a space with more dimensions: dimension `d` becomes `columns[d]`.
    pub(crate) fn embedded(self, columns: &[usize], dims: usize) -> Self {
        let mut frequencies = vec![0.0; self.count * dims];
        for (to, from) in frequencies.chunks_mut(dims).zip(self.frequencies.chunks(self.dims)) {
            columns.iter().zip(from).for_each(|(c, f)| to[*c] += f);
        }
        let tables = self.tables.into_iter().map(|t| LevelTable { dim: columns[t.dim], values: t.values }).collect();
        Self { dims, frequencies, tables, ..self }
    }
}
