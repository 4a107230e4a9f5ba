//! The posterior of a small network's weights and of both precisions.

use crate::score::Score;
use crate::target::{LogDensity, values_and_gradients, with_gradient};
use elbo_core::Rng;
use elbo_linalg::vector::{axpy, dot};
use elbo_tensor::Tensor;
use elbo_tensor::special::LOG_SQRT_TAU;

/// $y = w_2^\top \max(W_1 x, 0) + b + \epsilon$, $\epsilon \sim N(0, 1/\gamma)$, all weights $N(0, 1/\lambda)$, and
/// $\gamma, \lambda \sim \mathrm{Gamma}(a, b)$.
///
/// Unknowns: $W_1$ `[H, D]`, $w_2$ `[H]`, $b$, $\log\gamma$, $\log\lambda$. A column of ones in the design is the hidden layer's bias.
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
        let one = |x: &[f64]| {
            let units = first.chunks_exact(dims).zip(rest).map(|(w, v)| v * dot(w, x).max(0.0));
            rest[hidden] + units.sum::<f64>()
        };
        design.chunks_exact(dims).map(one).collect()
    }

    /// A start: weights of the size that keeps outputs of order one, the noise that their misfit suggests, a prior draw of the
    /// weights' precision.
    pub fn start(&self, rng: &mut Rng) -> Vec<f64> {
        let (d, h) = (self.dims, self.hidden);
        let mut z: Vec<f64> = (0..h * d).map(|_| rng.normal() / (d as f64).sqrt()).collect();
        z.extend((0..h).map(|_| rng.normal() / ((h + 1) as f64).sqrt()));
        z.push(0.0);
        let outputs = Self::outputs(&self.x, d, h, &z);
        let misfit = outputs.iter().zip(&self.y).map(|(f, y)| (f - y).powi(2)).sum::<f64>() / self.y.len() as f64;
        z.extend([-misfit.ln(), (rng.gamma(self.shape) / self.rate).ln()]);
        z
    }

    /// Log density from these rows, the likelihood scaled up, and its gradient.
    fn evaluate(&self, z: &[f64], rows: impl ExactSizeIterator<Item = usize>, gradient: &mut [f64]) -> f64 {
        let (d, h, p) = (self.dims, self.hidden, self.weights());
        let (log_noise, log_weight) = (z[p], z[p + 1]);
        let (noise, weight) = (log_noise.exp(), log_weight.exp());
        let n = self.y.len() as f64;
        let scale = n / rows.len() as f64;
        gradient.fill(0.0);
        let (first, rest) = z.split_at(h * d);
        let mut square = 0.0;
        let mut active = vec![0.0; h];
        for i in rows {
            let x = &self.x[i * d..(i + 1) * d];
            let mut f = rest[h];
            for (u, (a, w)) in active.iter_mut().zip(first.chunks_exact(d)).enumerate() {
                *a = dot(w, x).max(0.0);
                f += rest[u] * *a;
            }
            let residual = self.y[i] - f;
            square += residual * residual;
            // d(-noise residual^2 / 2) / df.
            let pull = scale * noise * residual;
            let (g1, g2) = gradient.split_at_mut(h * d);
            for u in 0..h {
                g2[u] += pull * active[u];
                if active[u] > 0.0 {
                    axpy(pull * rest[u], x, &mut g1[u * d..(u + 1) * d]);
                }
            }
            g2[h] += pull;
        }
        square *= scale;
        let size = dot(&z[..p], &z[..p]);
        axpy(-weight, &z[..p], &mut gradient[..p]);
        let count = p as f64;
        gradient[p] = 0.5 * n - 0.5 * noise * square + self.shape - self.rate * noise;
        gradient[p + 1] = 0.5 * count - 0.5 * weight * size + self.shape - self.rate * weight;
        0.5 * n * log_noise - 0.5 * noise * square + 0.5 * count * log_weight - 0.5 * weight * size
            + self.shape * (log_noise + log_weight)
            - self.rate * (noise + weight)
            - (n + count) * LOG_SQRT_TAU
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
        let (values, gradient) = values_and_gradients(self, &z.as_f64());
        with_gradient("network", z, values, gradient)
    }

    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        self.evaluate(z, 0..self.y.len(), gradient)
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
        self.evaluate(z, rows.iter().copied(), gradient);
    }
}
