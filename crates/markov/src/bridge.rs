//! The state between two steps, given both: interpolation without a step of its own.

use crate::small::{cholesky, cholesky_solve, product, product_transposed, symmetrised, transposed};

/// `x_t | x_1, x_2 ~ N(W [x_1; x_2], C)` for a time `t` between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    /// `W: [n, 2 n]`.
    pub weights: Vec<f64>,
    /// `C: [n, n]`.
    pub covariance: Vec<f64>,
}

impl Bridge {
    /// From the transition to `t`, `(A₁, Q₁)`, and that from there on, `(A₂, Q₂)`; all `[n, n]`, dense. With `P⁺ = A₂ Q₁ A₂' + Q₂` and
    /// `G = Q₁ A₂' P⁺⁻¹`, `W = [A₁ - G A₂ A₁, G]` and `C = Q₁ - G A₂ Q₁`. `None` where `P⁺` is singular, as with deterministic blocks.
    pub fn new((a1, q1): (&[f64], &[f64]), (a2, q2): (&[f64], &[f64]), n: usize) -> Option<Self> {
        let aq = product(a2, q1, n, n, n);
        let total: Vec<f64> = product_transposed(&aq, a2, n, n, n).iter().zip(q2).map(|(a, b)| a + b).collect();
        let chol = cholesky(&symmetrised(total, n), n)?;
        let gain = transposed(&cholesky_solve(&chol, &aq, n, n), n, n);
        let through = product(&product(&gain, a2, n, n, n), a1, n, n, n);
        let mut weights = vec![0.0; 2 * n * n];
        for i in 0..n {
            for j in 0..n {
                weights[i * 2 * n + j] = a1[i * n + j] - through[i * n + j];
                weights[i * 2 * n + n + j] = gain[i * n + j];
            }
        }
        let taken = product(&gain, &aq, n, n, n);
        let covariance = symmetrised(q1.iter().zip(&taken).map(|(q, t)| q - t).collect(), n);
        Some(Self { weights, covariance })
    }

    /// Mean and covariance at `t` from the joint moments of both ends: means `[n]` and covariances `[n, n]`, `between = Cov(x_1, x_2)`.
    pub fn moments(
        &self,
        means: (&[f64], &[f64]),
        (first, between, second): (&[f64], &[f64], &[f64]),
    ) -> (Vec<f64>, Vec<f64>) {
        let n = means.0.len();
        let mut joint = vec![0.0; 4 * n * n];
        for i in 0..n {
            for j in 0..n {
                joint[i * 2 * n + j] = first[i * n + j];
                joint[i * 2 * n + n + j] = between[i * n + j];
                joint[(n + j) * 2 * n + i] = between[i * n + j];
                joint[(n + i) * 2 * n + n + j] = second[i * n + j];
            }
        }
        let mean = product(&self.weights, &[means.0, means.1].concat(), n, 2 * n, 1);
        let spread = product(&self.weights, &joint, n, 2 * n, 2 * n);
        let spread = product_transposed(&spread, &self.weights, n, 2 * n, n);
        (mean, symmetrised(self.covariance.iter().zip(&spread).map(|(c, s)| c + s).collect(), n))
    }
}
