//! The posterior of a generalised linear model's weights.

use crate::score::Score;
use crate::target::{LogDensity, with_gradient};
use elbo_linalg::{MatMut, MatRef, gemm};
use elbo_tensor::Tensor;
use elbo_tensor::special::{LOG_SQRT_TAU, bernoulli_logits, lgamma};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// Predictors held at once when many draws are evaluated.
const BLOCK: usize = 1 << 21;
/// Predictors below which one thread is quicker.
const SMALL: usize = 1 << 14;

/// How a target depends on the linear predictor `x'w`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum GlmLikelihood {
    /// Normal around the predictor. Unknown noise has a half-normal prior of scale 1 on its standard deviation, which is the last
    /// unknown, as a logarithm.
    Gaussian {
        /// The standard deviation where it is known.
        noise: Option<f64>,
    },
    /// Events, with the logistic link; targets are 0 and 1.
    Bernoulli,
    /// Counts, with the exponential link.
    Poisson,
    /// One predictor a class, with the softmax link; targets are 0, 1, ..., and weights `[C, D]`. The prior makes them identified.
    Categorical {
        /// Number of classes, `C`.
        classes: usize,
    },
}

/// The posterior of a generalised linear model with independent normal priors on its weights, normalised over data and prior.
///
/// $$ \log p(y \mid Xw) + \sum_d \log N(w_d; 0, s_d^2) $$
///
/// Unknowns are the weights, `[C, D]` row-major with `C = 1` but for classes, then the log noise where it is unknown. Values and
/// gradients of many draws are two matrix products.
#[derive(Debug, Clone)]
pub struct Glm {
    likelihood: GlmLikelihood,
    x: Vec<f64>,
    /// The design's columns one after another, `[D, N]`: the products of one draw then run along them.
    columns: Vec<f64>,
    y: Vec<f64>,
    dims: usize,
    prior_sd: Vec<f64>,
    /// What the log likelihood adds whatever the weights: of the normal's and the Poisson's normalisers.
    constant: f64,
    labels: Vec<String>,
}

impl Glm {
    /// From the design `x: [N, D]` row-major, targets `y: [N]` and the prior's standard deviations `[D]`, the same for every class.
    ///
    /// # Panics
    /// When the design is not rows of as many numbers as the prior has deviations, one row a target.
    pub fn new(likelihood: GlmLikelihood, x: Vec<f64>, y: Vec<f64>, prior_sd: Vec<f64>) -> Self {
        let dims = prior_sd.len();
        assert!(dims > 0 && x.len() == y.len() * dims, "a design of {} rows and {dims} columns", y.len());
        let constant = constant(likelihood, &y);
        let columns = columns(&x, dims);
        let mut glm = Self { likelihood, x, columns, y, dims, prior_sd, constant, labels: vec![] };
        let heads = glm.heads();
        glm.labels = (0..heads)
            .flat_map(|c| (0..dims).map(move |d| if heads == 1 { format!("w[{d}]") } else { format!("w[{c},{d}]") }))
            .collect();
        if glm.has_noise() {
            glm.labels.push("noise".into());
        }
        glm
    }

    /// The same with these names for the unknowns.
    ///
    /// # Panics
    /// For another number of names than unknowns.
    pub fn with_labels(mut self, labels: Vec<String>) -> Self {
        assert_eq!(labels.len(), LogDensity::dim(&self), "one name an unknown");
        self.labels = labels;
        self
    }

    /// The likelihood.
    pub fn likelihood(&self) -> GlmLikelihood {
        self.likelihood
    }

    /// Number of rows, `N`.
    pub fn rows(&self) -> usize {
        self.y.len()
    }

    /// Columns of the design, `D`.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The design, `[N, D]` row-major.
    pub fn design(&self) -> &[f64] {
        &self.x
    }

    /// Predictors a row, `C`.
    pub fn heads(&self) -> usize {
        if let GlmLikelihood::Categorical { classes } = self.likelihood { classes } else { 1 }
    }

    /// Whether the last unknown is the log noise.
    pub fn has_noise(&self) -> bool {
        matches!(self.likelihood, GlmLikelihood::Gaussian { noise: None })
    }

    fn weights(&self) -> usize {
        self.heads() * self.dims
    }

    fn noise(&self, z: &[f64]) -> f64 {
        match self.likelihood {
            GlmLikelihood::Gaussian { noise: Some(noise) } => noise,
            GlmLikelihood::Gaussian { noise: None } => z[self.weights()].exp(),
            _ => 1.0,
        }
    }

    /// Replaces predictors `eta: [C, N]` by the log likelihood's derivatives in them, and returns the log likelihood without its
    /// constant, and its derivative in the log noise.
    fn residuals(&self, eta: &mut [f64], z: &[f64]) -> (f64, f64) {
        let (y, n) = (&self.y, self.y.len());
        let mut total = 0.0;
        match self.likelihood {
            GlmLikelihood::Gaussian { .. } => {
                let noise = self.noise(z);
                let precision = 1.0 / (noise * noise);
                let mut square = 0.0;
                for (eta, y) in eta.iter_mut().zip(y) {
                    let residual = y - *eta;
                    square += residual * residual;
                    *eta = residual * precision;
                }
                square *= precision;
                return (-0.5 * square - n as f64 * noise.ln(), square - n as f64);
            }
            GlmLikelihood::Bernoulli => total = bernoulli_logits(eta, y),
            GlmLikelihood::Poisson => {
                for (eta, y) in eta.iter_mut().zip(y) {
                    let rate = eta.exp();
                    total += *eta * y - rate;
                    *eta = y - rate;
                }
            }
            GlmLikelihood::Categorical { classes } => {
                for i in 0..n {
                    let largest = (0..classes).fold(f64::NEG_INFINITY, |a, c| a.max(eta[c * n + i]));
                    let truth = y[i] as usize;
                    total += eta[truth * n + i] - largest;
                    let mut sum = 0.0;
                    for c in 0..classes {
                        let e = (eta[c * n + i] - largest).exp();
                        eta[c * n + i] = e;
                        sum += e;
                    }
                    total -= sum.ln();
                    for c in 0..classes {
                        eta[c * n + i] = f64::from(u8::from(c == truth)) - eta[c * n + i] / sum;
                    }
                }
            }
        }
        (total, 0.0)
    }

    /// The same model of some rows alone, without names.
    pub(super) fn of_rows(&self, rows: &[usize]) -> Self {
        let x: Vec<f64> =
            rows.iter().flat_map(|i| self.x[i * self.dims..(i + 1) * self.dims].iter().copied()).collect();
        let y: Vec<f64> = rows.iter().map(|i| self.y[*i]).collect();
        Self {
            columns: columns(&x, self.dims),
            constant: constant(self.likelihood, &y),
            x,
            y,
            prior_sd: self.prior_sd.clone(),
            labels: vec![],
            ..*self
        }
    }

    /// Log prior and its gradient, added to what is there.
    pub(super) fn prior(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let mut total = 0.0;
        for (w, g) in z[..self.weights()].chunks_exact(self.dims).zip(gradient.chunks_exact_mut(self.dims)) {
            for ((w, g), sd) in w.iter().zip(g).zip(&self.prior_sd) {
                let white = w / sd;
                total -= 0.5 * white * white + sd.ln() + LOG_SQRT_TAU;
                *g -= white / sd;
            }
        }
        if self.has_noise() {
            let square = (2.0 * z[self.weights()]).exp();
            total += LN_2 - 0.5 * square - LOG_SQRT_TAU + z[self.weights()];
            gradient[self.weights()] += 1.0 - square;
        }
        total
    }

    /// The diagonal of the log prior's Hessian, which has nothing else, `[P]`.
    pub(super) fn prior_curvature(&self, z: &[f64]) -> Vec<f64> {
        let of_weights = (0..self.heads()).flat_map(|_| self.prior_sd.iter().map(|sd| -sd.powi(-2)));
        let of_noise = self.has_noise().then(|| -2.0 * (2.0 * z[self.weights()]).exp());
        of_weights.chain(of_noise).collect()
    }

    /// The same density in tensor operations, without a derivative of its own: the reference, and what second derivatives use.
    pub fn reference(&self, z: &Tensor) -> Tensor {
        let (rows, n, w) = (z.size(0), self.y.len(), self.weights());
        let x = Tensor::from_slice(&self.x, &[n, self.dims]);
        let y = Tensor::from_slice(&self.y, &[n]);
        let weights = z.narrow(-1, 0, w).reshape(&[rows, self.heads(), self.dims]);
        let eta = weights.matmul(&x.t());
        let scale: Vec<f64> = self.prior_sd.iter().map(|s| 1.0 / s).collect();
        let white = (&weights * Tensor::from_vec(scale, &[self.dims])).square().sum_axes(&[-1, -2], false);
        let normaliser: f64 = self.prior_sd.iter().map(|s| s.ln() + LOG_SQRT_TAU).sum();
        let mut total = white * -0.5 - self.heads() as f64 * normaliser + self.constant;
        let one = || eta.squeeze(1);
        total += &match self.likelihood {
            GlmLikelihood::Gaussian { noise: Some(noise) } => {
                ((y - one()) * (1.0 / noise)).square().sum_axis(-1, false) * -0.5 - n as f64 * noise.ln()
            }
            GlmLikelihood::Gaussian { noise: None } => {
                let log_noise = z.narrow(-1, w, 1);
                let square = ((y - one()) / log_noise.exp()).square().sum_axis(-1, false);
                let log_noise = log_noise.squeeze(-1);
                let prior = (&log_noise * 2.0).exp() * -0.5 + &log_noise + (LN_2 - LOG_SQRT_TAU);
                square * -0.5 - log_noise * n as f64 + prior
            }
            // log p = log sigmoid(eta) where y = 1, log sigmoid(-eta) where y = 0.
            GlmLikelihood::Bernoulli => (one() * (y * 2.0 - 1.0)).log_sigmoid().sum_axis(-1, false),
            GlmLikelihood::Poisson => (one() * y - one().exp()).sum_axis(-1, false),
            GlmLikelihood::Categorical { classes } => {
                let index: Vec<usize> = self.y.iter().map(|c| *c as usize).collect();
                let truth = Tensor::indices(&index).one_hot(classes, z.dtype()).t();
                (eta.log_softmax(1) * truth).sum_axes(&[-1, -2], false)
            }
        };
        total
    }
}

impl LogDensity for Glm {
    fn dim(&self) -> usize {
        self.weights() + usize::from(self.has_noise())
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let (values, gradient) = self.values_and_gradients(&z.as_f64());
        with_gradient("glm", z, values, gradient)
    }

    fn values_and_gradients(&self, z: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (p, w, n) = (LogDensity::dim(self), self.weights(), self.y.len());
        let width = self.heads() * n;
        let mut values = vec![0.0; z.len() / p];
        let mut gradient = vec![0.0; z.len()];
        let block = (BLOCK / width.max(1)).max(1);
        let design = MatRef::row_major(&self.columns, self.dims, n).transpose();
        for (at, z) in z.chunks(block * p).enumerate() {
            let rows = z.len() / p;
            let weights: Vec<f64> = z.chunks_exact(p).flat_map(|z| z[..w].iter().copied()).collect();
            let mut eta = vec![0.0; rows * width];
            let heads = rows * self.heads();
            gemm(
                MatMut::row_major(&mut eta, heads, n),
                1.0,
                MatRef::row_major(&weights, heads, self.dims),
                design.transpose(),
                0.0,
            );
            let one = |(eta, z): (&mut [f64], &[f64])| self.residuals(eta, z);
            let parts: Vec<(f64, f64)> = if eta.len() > SMALL {
                eta.par_chunks_mut(width).zip(z.par_chunks(p)).map(one).collect()
            } else {
                eta.chunks_mut(width).zip(z.chunks(p)).map(one).collect()
            };
            let mut slope = vec![0.0; rows * w];
            gemm(MatMut::row_major(&mut slope, heads, self.dims), 1.0, MatRef::row_major(&eta, heads, n), design, 0.0);
            for s in 0..rows {
                let row = at * block + s;
                let g = &mut gradient[row * p..(row + 1) * p];
                g[..w].copy_from_slice(&slope[s * w..(s + 1) * w]);
                if self.has_noise() {
                    g[w] = parts[s].1;
                }
                values[row] = self.constant + parts[s].0 + self.prior(&z[s * p..(s + 1) * p], g);
            }
        }
        (values, gradient)
    }

    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let (values, slope) = self.values_and_gradients(z);
        gradient.copy_from_slice(&slope);
        values[0]
    }

    fn hessian(&self, z: &[f64]) -> Option<Vec<f64>> {
        let (p, w, d, n) = (LogDensity::dim(self), self.weights(), self.dims, self.y.len());
        let heads = self.heads();
        let mut eta = vec![0.0; heads * n];
        let design = MatRef::row_major(&self.x, n, d);
        gemm(MatMut::row_major(&mut eta, heads, n), 1.0, MatRef::row_major(&z[..w], heads, d), design.transpose(), 0.0);
        let mut residuals = eta.clone();
        let (_, noise_slope) = self.residuals(&mut residuals, z);
        let noise = self.noise(z);
        let mut hessian = vec![0.0; p * p];
        for a in 0..heads {
            for b in 0..=a {
                // -d^2 log p / d eta_a d eta_b of each row.
                let curvature = |i: usize| match self.likelihood {
                    GlmLikelihood::Gaussian { .. } => 1.0 / (noise * noise),
                    GlmLikelihood::Bernoulli => {
                        let small = (-eta[i].abs()).exp();
                        small / (1.0 + small).powi(2)
                    }
                    GlmLikelihood::Poisson => eta[i].exp(),
                    GlmLikelihood::Categorical { .. } => {
                        // Residuals are 1{class = c} - p_c.
                        let chance = |c: usize| f64::from(u8::from(self.y[i] as usize == c)) - residuals[c * n + i];
                        if a == b { chance(a) * (1.0 - chance(a)) } else { -chance(a) * chance(b) }
                    }
                };
                let weighted: Vec<f64> = (0..n)
                    .flat_map(|i| {
                        let c = curvature(i);
                        self.x[i * d..(i + 1) * d].iter().map(move |x| c * x)
                    })
                    .collect();
                let mut block = vec![0.0; d * d];
                let weighted = MatRef::row_major(&weighted, n, d);
                gemm(MatMut::row_major(&mut block, d, d), -1.0, design.transpose(), weighted, 0.0);
                for i in 0..d {
                    for j in 0..d {
                        let prior = if a == b && i == j { self.prior_sd[i].powi(-2) } else { 0.0 };
                        hessian[(a * d + i) * p + b * d + j] = block[i * d + j] - prior;
                        hessian[(b * d + j) * p + a * d + i] = block[i * d + j] - prior;
                    }
                }
            }
        }
        if self.has_noise() {
            // In log noise s: the squared residuals scale as exp(-2s), the prior's square as exp(2s).
            for i in 0..d {
                let cross = -2.0 * (0..n).map(|r| residuals[r] * self.x[r * d + i]).sum::<f64>();
                hessian[w * p + i] = cross;
                hessian[i * p + w] = cross;
            }
            hessian[w * p + w] = -2.0 * (noise_slope + n as f64) - 2.0 * noise * noise;
        }
        Some(hessian)
    }

    fn labels(&self) -> Vec<String> {
        self.labels.clone()
    }

    fn natural(&self, draws: &[f64]) -> Vec<f64> {
        let mut natural = draws.to_vec();
        if self.has_noise() {
            natural.chunks_exact_mut(LogDensity::dim(self)).for_each(|z| z[self.weights()] = z[self.weights()].exp());
        }
        natural
    }
}

/// What the log likelihood adds whatever the weights.
fn constant(likelihood: GlmLikelihood, y: &[f64]) -> f64 {
    match likelihood {
        GlmLikelihood::Gaussian { .. } => -(y.len() as f64) * LOG_SQRT_TAU,
        GlmLikelihood::Poisson => -y.iter().map(|y| lgamma(y + 1.0)).sum::<f64>(),
        GlmLikelihood::Bernoulli | GlmLikelihood::Categorical { .. } => 0.0,
    }
}

/// The columns of `x: [N, dims]` one after another.
fn columns(x: &[f64], dims: usize) -> Vec<f64> {
    (0..dims).flat_map(|d| x.iter().skip(d).step_by(dims).copied()).collect()
}

/// The gradient from some rows, the likelihood's part scaled up.
impl Score for Glm {
    fn dim(&self) -> usize {
        LogDensity::dim(self)
    }

    fn rows(&self) -> usize {
        self.y.len()
    }

    fn score(&self, z: &[f64], rows: &[usize], gradient: &mut [f64]) {
        self.scores(z, rows, gradient);
    }

    fn scores(&self, z: &[f64], rows: &[usize], gradient: &mut [f64]) {
        let (_, slope) = self.of_rows(rows).values_and_gradients(z);
        gradient.fill(0.0);
        let p = LogDensity::dim(self);
        z.chunks_exact(p).zip(gradient.chunks_exact_mut(p)).for_each(|(z, g)| {
            self.prior(z, g);
        });
        let scale = self.y.len() as f64 / rows.len() as f64;
        gradient.iter_mut().zip(slope).for_each(|(g, s)| *g = scale * (s - *g) + *g);
    }
}
