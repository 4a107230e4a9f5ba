//! Kernels over categories.
//!
//! A categorical dimension holds level codes 0, 1, ...; -1 stands for levels that training did not see. Such a level has
//! correlation zero with every seen one and keeps the prior variance; all unseen levels of a dimension count as one.

use elbo_core::Rng;
use elbo_tensor::{DType, Parameter, Tensor, no_grad};

use super::Kernel;
use super::pairwise::{self, Pairwise, Pull, products_of_others};
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

    /// The kernel from tensor operations alone: the readable reference, and the way to derivatives of any order.
    pub fn composed(&self, x: &Tensor, z: &Tensor) -> Tensor {
        exchangeable(x, z, &self.correlation.get(), self.levels.len())
    }
}

/// `correlation: [D]`.
fn exchangeable(x: &Tensor, z: &Tensor, correlation: &Tensor, dims: usize) -> Tensor {
    let factors = (0..dims).map(|d| {
        let (equal, known) = agreement(x, z, d);
        let different = (1.0 - &equal) * known;
        different * correlation.narrow(0, d, 1) + equal
    });
    factors.reduce(|a, b| a * b).expect("a categorical kernel has a dimension")
}

/// Whether two codes are of different levels that were seen, `Some(true)`, or of one level, `Some(false)`; `None` for an unseen level beside
/// a seen one.
#[inline]
fn differ(a: f64, b: f64) -> Option<bool> {
    if a == b {
        Some(false)
    } else if a < 0.0 || b < 0.0 {
        None
    } else {
        Some(true)
    }
}

/// The exchangeable kernel as numbers.
struct Levels {
    correlation: Vec<f64>,
}

impl Levels {
    #[inline]
    fn factor(&self, d: usize, a: f64, b: f64) -> f64 {
        match differ(a, b) {
            Some(false) => 1.0,
            Some(true) => self.correlation[d],
            None => 0.0,
        }
    }
}

impl Pairwise for Levels {
    fn value(&self, a: &[f64], b: &[f64]) -> f64 {
        (0..self.correlation.len()).map(|d| self.factor(d, a[d], b[d])).product()
    }

    fn pull(&self, a: &[f64], b: &[f64], weight: f64, to: &mut Pull) {
        let dims = self.correlation.len();
        let (factors, others) = to.room.split_at_mut(dims);
        for d in 0..dims {
            factors[d] = self.factor(d, a[d], b[d]);
        }
        products_of_others(factors, others);
        for d in 0..dims {
            if differ(a[d], b[d]) == Some(true) {
                to.by_parameter[d] += weight * others[d];
            }
        }
    }

    fn room(&self) -> usize {
        2 * self.correlation.len()
    }
}

impl Kernel for Exchangeable {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let (correlation, dims) = (self.correlation.get(), self.levels.len());
        let levels = Levels { correlation: correlation.to_vec() };
        // Codes do not move: no derivative with respect to them.
        let (x, z) = (x.detach(), z.detach());
        pairwise::gram("exchangeable_gram", levels, &x, &z, &[correlation], move |i| {
            exchangeable(&i[0], &i[1], &i[2], dims)
        })
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        let (correlation, dims) = (self.correlation.get(), self.levels.len());
        let levels = Levels { correlation: correlation.to_vec() };
        pairwise::gram_symmetric("exchangeable_gram_symmetric", levels, &x.detach(), &[correlation], move |i| {
            exchangeable(&i[0], &i[0], &i[1], dims)
        })
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

    /// The kernel from tensor operations alone: the readable reference, and the way to derivatives of any order.
    pub fn composed(&self, x: &Tensor, z: &Tensor) -> Tensor {
        hamming(x, z, &self.lengthscale.get(), self.levels.len())
    }

    fn correlation(&self) -> Tensor {
        (-1.0 / (self.lengthscale.get() * self.levels.len() as f64)).exp()
    }
}

/// `lengthscale: []`.
fn hamming(x: &Tensor, z: &Tensor, lengthscale: &Tensor, dims: usize) -> Tensor {
    let zeros = Tensor::zeros(&[x.size(0), z.size(0)], DType::F64);
    let (mut mismatches, mut related) = (zeros.clone(), zeros + 1.0);
    for d in 0..dims {
        let (equal, known) = agreement(x, z, d);
        mismatches = mismatches + (1.0 - &equal);
        // An unseen level beside a seen one: no correlation.
        related = related * equal.maximum(&known);
    }
    (-mismatches / (lengthscale * dims as f64)).exp() * related
}

/// The Hamming kernel as numbers.
struct Mismatches {
    dims: usize,
    lengthscale: f64,
}

impl Mismatches {
    /// The share of dimensions that differ, over the lengthscale; infinite where an unseen level stands beside a seen one.
    #[inline]
    fn exponent(&self, a: &[f64], b: &[f64]) -> f64 {
        let mut count = 0.0;
        for d in 0..self.dims {
            count += match differ(a[d], b[d]) {
                Some(differ) => f64::from(u8::from(differ)),
                None => return f64::INFINITY,
            };
        }
        count / (self.lengthscale * self.dims as f64)
    }
}

impl Pairwise for Mismatches {
    fn value(&self, a: &[f64], b: &[f64]) -> f64 {
        (-self.exponent(a, b)).exp()
    }

    fn pull(&self, a: &[f64], b: &[f64], weight: f64, to: &mut Pull) {
        let exponent = self.exponent(a, b);
        if exponent.is_finite() {
            to.by_parameter[0] += weight * (-exponent).exp() * exponent / self.lengthscale;
        }
    }
}

impl Kernel for Hamming {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let (lengthscale, dims) = (self.lengthscale.get(), self.levels.len());
        let mismatches = Mismatches { dims, lengthscale: lengthscale.item() };
        // Codes do not move: no derivative with respect to them.
        let (x, z) = (x.detach(), z.detach());
        pairwise::gram("hamming_gram", mismatches, &x, &z, &[lengthscale], move |i| hamming(&i[0], &i[1], &i[2], dims))
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        let (lengthscale, dims) = (self.lengthscale.get(), self.levels.len());
        let mismatches = Mismatches { dims, lengthscale: lengthscale.item() };
        pairwise::gram_symmetric("hamming_gram_symmetric", mismatches, &x.detach(), &[lengthscale], move |i| {
            hamming(&i[0], &i[0], &i[1], dims)
        })
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
