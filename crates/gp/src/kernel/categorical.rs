//! Kernels over categories.
//!
//! A categorical dimension holds level codes 0, 1, ...; -1 stands for levels that training did not see. Such a level has
//! correlation zero with every seen one and keeps the prior variance; all unseen levels of a dimension count as one.

use elbo_core::Rng;
use elbo_tensor::{DType, Parameter, Tensor, no_grad};

use super::Kernel;
use super::parameter::{between, positive, real, show};
use super::spectral::{LevelTable, Spectral};

/// Where the codes of one dimension agree, as numbers `[N, M]`, and where both are seen levels.
fn agreement(x: &Tensor, z: &Tensor, d: usize) -> (Tensor, Tensor) {
    let (x, z) = (x.detach().narrow(1, d, 1), z.detach().narrow(1, d, 1).t());
    let known = x.ge_scalar(0.0).cast(DType::F64) * z.ge_scalar(0.0).cast(DType::F64);
    (x.eq(&z).cast(DType::F64), known)
}

/// Codes as row numbers of a table with `levels + 1` rows; the last row is for unseen levels.
fn rows(x: &Tensor, d: usize, levels: usize) -> Tensor {
    let row = |code: f64| match code {
        c if c < 0.0 => levels,
        c if c.fract() == 0.0 && (c as usize) < levels => c as usize,
        c => panic!("dimension {d} holds {c}, expected a level code below {levels} or -1"),
    };
    Tensor::indices(&x.detach().select(1, d).to_vec().into_iter().map(row).collect::<Vec<_>>())
}

/// Factors `L s` of a covariance between levels, with the lower Cholesky factor `L` and random signs `s`, one column a frequency.
fn table(dim: usize, covariance: &[f64], rows: usize, count: usize, rng: &mut Rng) -> LevelTable {
    let mut factor = covariance.to_vec();
    for j in 0..rows {
        for i in j..rows {
            let dot: f64 = (0..j).map(|k| factor[i * rows + k] * factor[j * rows + k]).sum();
            let rest = factor[i * rows + j] - dot;
            // A semi-definite covariance ends in zeros; their columns are zero too.
            factor[i * rows + j] = match (i == j, factor[j * rows + j]) {
                (true, _) => rest.max(0.0).sqrt(),
                (false, pivot) if pivot > 1e-12 => rest / pivot,
                _ => 0.0,
            };
        }
    }
    let mut values = vec![0.0; rows * count];
    for f in 0..count {
        let signs: Vec<f64> = (0..rows).map(|_| if rng.uniform() < 0.5 { -1.0 } else { 1.0 }).collect();
        for i in 0..rows {
            values[i * count + f] = (0..=i).map(|k| factor[i * rows + k] * signs[k]).sum();
        }
    }
    LevelTable { dim, values }
}

/// A constant wave for each frequency, to be multiplied by tables.
fn still(count: usize, dims: usize, tables: Vec<LevelTable>) -> Spectral {
    Spectral { tables, ..Spectral::equal(1.0, count, dims, vec![0.0; count * dims]) }
}

/// The covariance between levels when different ones share one correlation, with the unseen level last.
fn exchangeable_levels(levels: usize, correlation: f64) -> Vec<f64> {
    let n = levels + 1;
    let at = |i: usize, j: usize| match (i == j, i.max(j) == levels) {
        (true, _) => 1.0,
        (_, true) => 0.0,
        _ => correlation,
    };
    (0..n * n).map(|k| at(k / n, k % n)).collect()
}

/// `Π_d (1 if the levels agree else ρ_d)`: all levels of a dimension are equally alike.
///
/// Parameters: `correlation` `[D]`, in (0, 1).
#[derive(Debug, Clone)]
pub struct Exchangeable {
    levels: Vec<usize>,
    /// `ρ`, in (0, 1).
    pub correlation: Parameter,
}
elbo_tensor::parameters!(Exchangeable { correlation });

impl Exchangeable {
    /// A kernel over dimensions with these numbers of levels, every correlation starting at `correlation`.
    pub fn new(levels: &[usize], correlation: f64) -> Self {
        let d = levels.len();
        Self { levels: levels.to_vec(), correlation: between(&vec![correlation; d], &[d], 0.0, 1.0) }
    }
}

impl Kernel for Exchangeable {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let correlation = self.correlation.get();
        let factors = (0..self.levels.len()).map(|d| {
            let (equal, known) = agreement(x, z, d);
            let different = (1.0 - &equal) * known;
            different * correlation.narrow(0, d, 1) + equal
        });
        factors.reduce(|a, b| a * b).expect("a categorical kernel has a dimension")
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        Tensor::ones(&[x.size(0)], DType::F64)
    }

    fn summary(&self) -> String {
        format!("exchangeable categories (correlation {})", show(&self.correlation))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    /// What an RBF would need for levels one apart: `√(-2 log ρ)`.
    fn relevance(&self, _dims: usize) -> Option<Vec<f64>> {
        Some(self.correlation.value().iter().map(|c| (-2.0 * c.ln()).sqrt()).collect())
    }

    fn spectral_sample(&self, dims: usize, count: usize, rng: &mut Rng) -> Option<Spectral> {
        let correlation = self.correlation.value();
        let one = |(d, &n): (usize, &usize)| table(d, &exchangeable_levels(n, correlation[d]), n + 1, count, rng);
        let tables = self.levels.iter().enumerate().map(one).collect();
        Some(still(count, dims, tables))
    }
}

/// `exp(-(number of dimensions that differ) / (D l))`.
///
/// Parameters: `lengthscale` `[]`, as a share of the dimensions.
#[derive(Debug, Clone)]
pub struct Hamming {
    levels: Vec<usize>,
    /// `l`, positive.
    pub lengthscale: Parameter,
}
elbo_tensor::parameters!(Hamming { lengthscale });

impl Hamming {
    /// A kernel over dimensions with these numbers of levels.
    pub fn new(levels: &[usize], lengthscale: f64) -> Self {
        Self { levels: levels.to_vec(), lengthscale: positive(&[lengthscale], &[]) }
    }

    fn correlation(&self) -> Tensor {
        (-1.0 / (self.lengthscale.get() * self.levels.len() as f64)).exp()
    }
}

impl Kernel for Hamming {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let zeros = Tensor::zeros(&[x.size(0), z.size(0)], DType::F64);
        let (mut mismatches, mut related) = (zeros.clone(), zeros + 1.0);
        for d in 0..self.levels.len() {
            let (equal, known) = agreement(x, z, d);
            mismatches = mismatches + (1.0 - &equal);
            // An unseen level beside a seen one: no correlation.
            related = related * equal.maximum(&known);
        }
        (-mismatches / (self.lengthscale.get() * self.levels.len() as f64)).exp() * related
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        Tensor::ones(&[x.size(0)], DType::F64)
    }

    fn summary(&self) -> String {
        format!("Hamming over {} columns (lengthscale {})", self.levels.len(), show(&self.lengthscale))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    /// What an RBF would need for levels one apart.
    fn relevance(&self, dims: usize) -> Option<Vec<f64>> {
        Some(vec![(2.0 / (self.lengthscale.value()[0] * self.levels.len() as f64)).sqrt(); dims])
    }

    /// The kernel is a product of exchangeable ones.
    fn spectral_sample(&self, dims: usize, count: usize, rng: &mut Rng) -> Option<Spectral> {
        let correlation = self.correlation().item();
        let one = |(d, &n): (usize, &usize)| table(d, &exchangeable_levels(n, correlation), n + 1, count, rng);
        let tables = self.levels.iter().enumerate().map(one).collect();
        Some(still(count, dims, tables))
    }
}

/// A free covariance between the levels of one dimension, `B = W Wᵀ + diag(κ)`. An unseen level has the mean variance.
///
/// Parameters: `weights` `[levels, rank]`; `variance` (`κ`) `[levels]`.
#[derive(Debug, Clone)]
pub struct Index {
    levels: usize,
    /// `W`.
    pub weights: Parameter,
    /// `κ`, positive.
    pub variance: Parameter,
}
elbo_tensor::parameters!(Index { weights, variance });

impl Index {
    /// A kernel with this number of levels, at least one, and this rank. Starts from unit variances and correlation one half: the
    /// first column of `W` is constant, the others are small and alternate, so that they can grow apart.
    pub fn new(levels: usize, rank: usize) -> Self {
        assert!(levels >= 1 && rank >= 1, "an index kernel needs a level and a rank of 1 or more");
        let start = |i: usize, r: usize| match r {
            0 => 0.5f64.sqrt(),
            _ => 0.1 * (((i + 1) * r) as f64 * 2.399_963).cos(),
        };
        let weights: Vec<f64> = (0..levels).flat_map(|i| (0..rank).map(move |r| start(i, r))).collect();
        Self { levels, weights: real(&weights, &[levels, rank]), variance: positive(&vec![0.5; levels], &[levels]) }
    }

    /// `B`, `[levels, levels]`.
    pub fn covariance(&self) -> Tensor {
        let w = self.weights.get();
        w.matmul(&w.t()) + self.variance.get().diag()
    }

    /// `B` with the unseen level as its last row and column.
    fn extended(&self) -> Tensor {
        let b = self.covariance();
        let unseen = b.diagonal().mean().reshape(&[1, 1]).pad(&[(self.levels, 0), (self.levels, 0)]);
        b.pad(&[(0, 1), (0, 1)]) + unseen
    }
}

impl Kernel for Index {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let b = self.extended();
        b.index_select(0, &rows(x, 0, self.levels)).index_select(1, &rows(z, 0, self.levels))
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        self.extended().diagonal().index_select(0, &rows(x, 0, self.levels))
    }

    fn summary(&self) -> String {
        let rank = self.weights.get().size(1);
        format!("free covariance of {} levels (rank {rank})", self.levels)
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    /// Root mean square difference between levels, in units of their standard deviation; for like levels what an RBF would need
    /// for levels one apart.
    fn relevance(&self, _dims: usize) -> Option<Vec<f64>> {
        let (b, n) = (no_grad(|| self.covariance()).to_vec(), self.levels);
        let trace: f64 = (0..n).map(|i| b[i * n + i]).sum();
        let others = (n * (n - 1)).max(1) as f64;
        let correlation = (b.iter().sum::<f64>() - trace) / others / (trace / n as f64);
        Some(vec![(2.0 * (1.0 - correlation)).sqrt()])
    }

    fn spectral_sample(&self, dims: usize, count: usize, rng: &mut Rng) -> Option<Spectral> {
        let table = table(0, &self.extended().to_vec(), self.levels + 1, count, rng);
        Some(still(count, dims, vec![table]))
    }
}
