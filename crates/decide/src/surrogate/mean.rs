//! Mean functions of standardised values, learned before the process.
//!
//! Constants say where the process returns to far from data: the worst value makes it cautious there, the best value curious. The others are
//! regressions, and the process models what they leave.

use super::forest::Forest;
use crate::space::squared_distance;
use elbo_core::Rng;
use elbo_linalg::{MatMut, MatRef, cholesky_with_jitter, gemm, syrk_lower};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ridge penalties that are tried, by decades; and the one of fewer rows than cross-validation needs.
const PENALTIES: [f64; 9] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0];
const FALLBACK: f64 = 0.01;
/// Parts of the cross-validation, and the fewest rows it makes sense with.
const FOLDS: usize = 5;
pub(crate) const FEWEST: usize = 4;

/// The mean function of a surrogate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeanKind {
    /// The mean of the observed values: zero after standardising.
    Arithmetic,
    /// Their median.
    Median,
    /// The best of them.
    Best,
    /// The worst of them.
    Worst,
    /// Linear ridge regression, its penalty by cross-validation.
    Linear,
    /// Quadratic ridge regression with all products, its penalty by cross-validation.
    Quadratic,
    /// A forest of 100 extremely randomised trees.
    Forest,
    /// Radial basis functions at the data, width and penalty by cross-validation.
    Rbf,
    /// The constant of largest likelihood.
    #[default]
    Learned,
}

impl MeanKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Arithmetic,
        Self::Median,
        Self::Best,
        Self::Worst,
        Self::Linear,
        Self::Quadratic,
        Self::Forest,
        Self::Rbf,
        Self::Learned,
    ];

    /// Whether it is chosen by cross-validation, and so needs some rows.
    pub fn is_cross_validated(self) -> bool {
        matches!(self, Self::Linear | Self::Quadratic | Self::Rbf)
    }
}

/// A learned mean function of encoded inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Mean {
    /// Zero.
    Zero,
    /// A constant.
    Constant(f64),
    /// `[1, x, products]` times coefficients.
    Polynomial {
        /// Whether products are there.
        is_quadratic: bool,
        /// Coefficients, the constant first.
        coefficients: Vec<f64>,
    },
    /// `offset + Σ w_i exp(-s |x - c_i|²)`.
    Rbf {
        /// Centres, `[C, E]`.
        centres: Vec<f64>,
        /// Weights, `[C]`.
        weights: Vec<f64>,
        /// `s`.
        sharpness: f64,
        /// The constant.
        offset: f64,
    },
    /// The average of trees. Piecewise constant: its gradient is zero.
    Forest(Forest),
}

impl Mean {
    /// Learns from `x: [N, E]` and standardised `y: [N]`.
    pub fn learn(kind: MeanKind, x: &[f64], y: &[f64], width: usize, rng: &mut Rng) -> Self {
        if y.is_empty() {
            return Self::Zero;
        }
        match kind {
            MeanKind::Arithmetic | MeanKind::Learned => Self::Zero,
            MeanKind::Median => {
                let mut sorted = y.to_vec();
                sorted.sort_by(f64::total_cmp);
                let n = sorted.len();
                Self::Constant(0.5 * (sorted[n / 2] + sorted[(n - 1) / 2]))
            }
            MeanKind::Best => Self::Constant(y.iter().copied().fold(f64::INFINITY, f64::min)),
            MeanKind::Worst => Self::Constant(y.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            MeanKind::Linear | MeanKind::Quadratic => {
                let is_quadratic = kind == MeanKind::Quadratic;
                let rows: Vec<Vec<f64>> = x.chunks_exact(width).map(|x| monomials(x, is_quadratic)).collect();
                let penalty = best_penalty(&rows, y, rng).0;
                Self::Polynomial { is_quadratic, coefficients: ridge(&rows, y, penalty) }
            }
            MeanKind::Rbf => radial(x, y, width, rng),
            MeanKind::Forest => Self::Forest(Forest::grow(x, y, width, rng)),
        }
    }

    /// Whether it is a function of `width` columns.
    pub(super) fn fits(&self, width: usize) -> bool {
        match self {
            Self::Zero | Self::Constant(_) => true,
            Self::Polynomial { is_quadratic, coefficients } => {
                coefficients.len() == monomials(&vec![0.0; width], *is_quadratic).len()
            }
            Self::Rbf { centres, weights, .. } => centres.len() == weights.len() * width,
            Self::Forest(forest) => forest.fits(width),
        }
    }

    /// Its value at `x: [E]`.
    pub fn value(&self, x: &[f64]) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::Constant(value) => *value,
            Self::Polynomial { is_quadratic, coefficients } => {
                monomials(x, *is_quadratic).iter().zip(coefficients).map(|(m, c)| m * c).sum()
            }
            Self::Rbf { centres, weights, sharpness, offset } => {
                let each = centres.chunks_exact(x.len()).zip(weights);
                offset + each.map(|(c, w)| w * (-sharpness * squared_distance(x, c)).exp()).sum::<f64>()
            }
            Self::Forest(forest) => forest.value(x),
        }
    }

    /// Adds `weight` times its gradient.
    pub fn add_gradient(&self, x: &[f64], weight: f64, gradient: &mut [f64]) {
        match self {
            Self::Zero | Self::Constant(_) | Self::Forest(_) => {}
            Self::Polynomial { is_quadratic, coefficients } => {
                let d = x.len();
                for e in 0..d {
                    gradient[e] += weight * coefficients[1 + e];
                }
                if *is_quadratic {
                    let mut at = 1 + d;
                    for a in 0..d {
                        for b in a..d {
                            gradient[a] += weight * coefficients[at] * x[b];
                            gradient[b] += weight * coefficients[at] * x[a];
                            at += 1;
                        }
                    }
                }
            }
            Self::Rbf { centres, weights, sharpness, .. } => {
                for (centre, w) in centres.chunks_exact(x.len()).zip(weights) {
                    let bump = w * (-sharpness * squared_distance(x, centre)).exp();
                    for e in 0..x.len() {
                        gradient[e] -= weight * 2.0 * sharpness * bump * (x[e] - centre[e]);
                    }
                }
            }
        }
    }
}

/// `[1, x]`, and all products of two where quadratic.
fn monomials(x: &[f64], is_quadratic: bool) -> Vec<f64> {
    let mut out = vec![1.0];
    out.extend_from_slice(x);
    if is_quadratic {
        for a in 0..x.len() {
            out.extend((a..x.len()).map(|b| x[a] * x[b]));
        }
    }
    out
}

/// Ridge regression whose first column is a constant without a penalty (a thousandth of one, for the factorisation).
fn ridge(rows: &[Vec<f64>], y: &[f64], penalty: f64) -> Vec<f64> {
    let (n, p) = (rows.len(), rows[0].len());
    let flat: Vec<f64> = rows.iter().flatten().copied().collect();
    let design = MatRef::row_major(&flat, n, p);
    let mut normal = vec![0.0; p * p];
    syrk_lower(MatMut::row_major(&mut normal, p, p), 1.0, design.transpose(), 0.0);
    for i in 0..p {
        normal[i * p + i] += if i == 0 { 1e-9 } else { penalty };
    }
    let mut right = vec![0.0; p];
    gemm(MatMut::column(&mut right), 1.0, design.transpose(), MatRef::column(y), 0.0);
    match cholesky_with_jitter(MatRef::row_major(&normal, p, p), elbo_linalg::Ladder::standard::<f64>()) {
        Ok(chol) => chol.solve(MatMut::column(&mut right)),
        Err(_) => right.fill(0.0),
    }
    right
}

/// The penalty of least squared error in five-fold cross-validation, and that error.
fn best_penalty(rows: &[Vec<f64>], y: &[f64], rng: &mut Rng) -> (f64, f64) {
    let n = y.len();
    if n < FEWEST {
        return (FALLBACK, f64::INFINITY);
    }
    let order = rng.permutation(n);
    let folds = FOLDS.min(n);
    let mut best = (FALLBACK, f64::INFINITY);
    for penalty in PENALTIES {
        let mut error = 0.0;
        for fold in 0..folds {
            let (test, train): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| i % folds == fold);
            let pick = |part: &[usize]| -> (Vec<Vec<f64>>, Vec<f64>) {
                part.iter().map(|i| (rows[order[*i]].clone(), y[order[*i]])).unzip()
            };
            let (train_rows, train_y) = pick(&train);
            let coefficients = ridge(&train_rows, &train_y, penalty);
            let (test_rows, test_y) = pick(&test);
            let predict = |row: &Vec<f64>| row.iter().zip(&coefficients).map(|(r, c)| r * c).sum::<f64>();
            error += test_rows.iter().zip(&test_y).map(|(r, y)| (predict(r) - y).powi(2)).sum::<f64>();
        }
        if error < best.1 {
            best = (penalty, error);
        }
    }
    best
}

fn radial(x: &[f64], y: &[f64], width: usize, rng: &mut Rng) -> Mean {
    let bumps = |sharpness: f64| -> Vec<Vec<f64>> {
        let row = |p: &[f64]| {
            let each = x.chunks_exact(width).map(|c| (-sharpness * squared_distance(p, c)).exp());
            std::iter::once(1.0).chain(each).collect()
        };
        x.chunks_exact(width).map(row).collect()
    };
    let mut best = (1.0, FALLBACK, f64::INFINITY);
    if y.len() >= FEWEST {
        // The same folds for every width.
        let folds = rng.fork();
        for half_decade in -6..=4 {
            let sharpness = 10f64.powf(0.5 * f64::from(half_decade));
            let (penalty, error) = best_penalty(&bumps(sharpness), y, &mut folds.clone());
            if error < best.2 {
                best = (sharpness, penalty, error);
            }
        }
    }
    let coefficients = ridge(&bumps(best.0), y, best.1);
    Mean::Rbf { centres: x.to_vec(), weights: coefficients[1..].to_vec(), sharpness: best.0, offset: coefficients[0] }
}
