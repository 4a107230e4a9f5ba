//! The posterior of a small network's weights and of both precisions.

use crate::score::Score;
use crate::target::{LogDensity, with_gradient};
use elbo_core::Rng;
use elbo_linalg::vector::{axpy, dot};
use elbo_linalg::{MatMut, MatRef, gemm};
use elbo_tensor::Tensor;
use elbo_tensor::special::LOG_SQRT_TAU;
use rayon::prelude::*;

/// Rows whose units are held at once.
const ROWS: usize = 1024;

/// $y = w_2^\top \max(W_1 x, 0) + b + \epsilon$, $\epsilon \sim N(0, 1/\gamma)$, all weights $N(0, 1/\lambda)$, and
/// $\gamma, \lambda \sim \mathrm{Gamma}(a, b)$.
///
/// Unknowns: $\sqrt\lambda\,W_1$ `[H, D]`, $\sqrt\lambda\,w_2$ `[H]`, $\sqrt\lambda\,b$, $\log\gamma$, $\log\lambda$. A column of ones in the design is
/// the hidden layer's bias. The weights' own density is largest, by far, where all of them vanish and $\lambda$ is as large as its prior
/// allows, which says nothing of the posterior's mass; the scaled weights' is not, so that methods which climb stay where the mass is.
///
/// # Source
/// Hernández-Lobato and Adams (2015); the form used by Liu and Wang (2016) for particles.
#[derive(Debug, Clone)]
pub struct Network {
    x: Vec<f64>,
    y: Vec<f64>,
    dims: usize,
    hidden: usize,
    shape: f64,
    rate: f64,
}

impl Network {
    /// From the design `x: [N, D]` row-major and targets `y: [N]`, with this many hidden units and Gamma(1, 0.1) on both precisions.
    ///
    /// # Panics
    /// Without targets or hidden units, and when the design is not one row a target.
    pub fn new(x: Vec<f64>, y: Vec<f64>, hidden: usize) -> Self {
        assert!(!y.is_empty() && x.len().is_multiple_of(y.len()) && hidden > 0, "one row a target, and hidden units");
        let dims = x.len() / y.len();
        Self { x, y, dims, hidden, shape: 1.0, rate: 0.1 }
    }

    /// Number of weights, biases included.
    fn weights(&self) -> usize {
        weights(self.dims, self.hidden)
    }

    /// Outputs of the network with unknowns `z: [P]` at the rows of a design `[N, dims]`.
    pub(super) fn outputs(design: &[f64], dims: usize, hidden: usize, z: &[f64]) -> Vec<f64> {
        let (first, rest) = z.split_at(hidden * dims);
        let scale = (-0.5 * rest[hidden + 2]).exp();
        let one = |x: &[f64]| {
            let units = first.chunks_exact(dims).zip(rest).map(|(w, v)| v * dot(w, x).max(0.0));
            scale * (rest[hidden] + scale * units.sum::<f64>())
        };
        design.chunks_exact(dims).map(one).collect()
    }

    /// A start: weights of the size that keeps outputs of order one, the noise that their misfit suggests, a prior draw of the
    /// weights' precision.
    pub fn start(&self, rng: &mut Rng) -> Vec<f64> {
        let (d, h) = (self.dims, self.hidden);
        let mut z: Vec<f64> = (0..h * d).map(|_| rng.normal() / (d as f64).sqrt()).collect();
        z.extend((0..h).map(|_| rng.normal() / ((h + 1) as f64).sqrt()));
        let weight = rng.gamma(self.shape) / self.rate;
        z.iter_mut().for_each(|w| *w *= weight.sqrt());
        z.extend([0.0, 0.0, weight.ln()]);
        let outputs = Self::outputs(&self.x, d, h, &z);
        let misfit = outputs.iter().zip(&self.y).map(|(f, y)| (f - y).powi(2)).sum::<f64>() / self.y.len() as f64;
        z[self.weights()] = -misfit.ln();
        z
    }

    /// Log density from the rows of a design `x: [B, D]` with targets `y: [B]`, the likelihood scaled up to all rows, and its gradient.
    fn evaluate(&self, z: &[f64], x: &[f64], y: &[f64], gradient: &mut [f64]) -> f64 {
        let (d, h, p) = (self.dims, self.hidden, self.weights());
        let (log_noise, log_weight) = (z[p], z[p + 1]);
        let (noise, weight) = (log_noise.exp(), log_weight.exp());
        // From unknowns to weights.
        let s = (-0.5 * log_weight).exp();
        let n = self.y.len() as f64;
        let repeat = n / y.len() as f64;
        gradient.fill(0.0);
        let (first, rest) = z.split_at(h * d);
        let weights = MatRef::row_major(first, h, d);
        let (mut square, mut along) = (0.0, 0.0);
        for (x, y) in x.chunks(ROWS * d).zip(y.chunks(ROWS)) {
            let design = MatRef::row_major(x, y.len(), d);
            let mut units = vec![0.0; y.len() * h];
            gemm(MatMut::row_major(&mut units, y.len(), h), 1.0, design, weights.transpose(), 0.0);
            let rest_gradient = &mut gradient[h * d..p];
            for (units, y) in units.chunks_exact_mut(h).zip(y) {
                units.iter_mut().for_each(|a| *a = a.max(0.0));
                let (bias, bent) = (s * rest[h], s * s * dot(units, &rest[..h]));
                let residual = y - bias - bent;
                square += residual * residual;
                // d(-noise residual^2 / 2) / df.
                let pull = repeat * noise * residual;
                axpy(pull * s * s, units, &mut rest_gradient[..h]);
                rest_gradient[h] += pull * s;
                along += pull * (0.5 * bias + bent);
                // The units become the derivatives in what they were made of.
                units.iter_mut().zip(rest).for_each(|(a, w)| *a = if *a > 0.0 { pull * s * s * w } else { 0.0 });
            }
            let slopes = MatRef::row_major(&units, y.len(), h).transpose();
            gemm(MatMut::row_major(&mut gradient[..h * d], h, d), 1.0, slopes, design, 1.0);
        }
        square *= repeat;
        axpy(-1.0, &z[..p], &mut gradient[..p]);
        gradient[p] = 0.5 * n - 0.5 * noise * square + self.shape - self.rate * noise;
        gradient[p + 1] = self.shape - self.rate * weight - along;
        0.5 * n * log_noise - 0.5 * noise * square - 0.5 * dot(&z[..p], &z[..p]) + self.shape * (log_noise + log_weight)
            - self.rate * (noise + weight)
            - (n + p as f64) * LOG_SQRT_TAU
    }
}

pub(super) fn weights(dims: usize, hidden: usize) -> usize {
    hidden * dims + hidden + 1
}

impl LogDensity for Network {
    fn dim(&self) -> usize {
        self.weights() + 2
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let (values, gradient) = self.values_and_gradients(&z.as_f64());
        with_gradient("network", z, values, gradient)
    }

    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        self.evaluate(z, &self.x, &self.y, gradient)
    }

    fn hessian(&self, _: &[f64]) -> Option<Vec<f64>> {
        None
    }
}

impl Score for Network {
    fn dim(&self) -> usize {
        self.weights() + 2
    }

    fn rows(&self) -> usize {
        self.y.len()
    }

    fn score(&self, z: &[f64], rows: &[usize], gradient: &mut [f64]) {
        self.scores(z, rows, gradient);
    }

    fn scores(&self, z: &[f64], rows: &[usize], gradient: &mut [f64]) {
        let x: Vec<f64> =
            rows.iter().flat_map(|i| self.x[i * self.dims..(i + 1) * self.dims].iter().copied()).collect();
        let y: Vec<f64> = rows.iter().map(|i| self.y[*i]).collect();
        let each = gradient.par_chunks_exact_mut(Score::dim(self)).zip(z.par_chunks_exact(Score::dim(self)));
        each.for_each(|(gradient, z)| {
            self.evaluate(z, &x, &y, gradient);
        });
    }
}
