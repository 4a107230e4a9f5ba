//! Normal densities whose covariance is a Kronecker product plus noise, by the eigendecompositions of the two factors.
//!
//! With `B = V diag(β) Vᵀ`, `K = U diag(κ) Uᵀ`, `D_np = κ_n β_p + 1` and `A = (Uᵀ Y V) / D`, elementwise, the log
//! density of `vec(Y) ~ N(0, B ⊗ K + I)` is `-½ Σ D A² - ½ Σ log D - NP/2 log 2π`. Its derivatives are
//! `dK = ½ U [A diag(β) Aᵀ - diag((1/D) β)] Uᵀ`, `dB = ½ V [Aᵀ diag(κ) A - diag((1/D)ᵀ κ)] Vᵀ` and `dY = -U A Vᵀ`:
//! nowhere is a difference of eigenvalues divided by, as derivatives of single eigenvectors would do, so that equal
//! eigenvalues do no harm.

use elbo_core::{Error, Result};
use elbo_tensor::Tensor;

/// `B ⊗ K`: `[P, Q]` and `[N, M]` to `[P N, Q M]`, differentiable in both. Block `(p, q)` is `B_pq K`, so that numbers
/// are stacked output by output.
pub fn kronecker(b: &Tensor, k: &Tensor) -> Tensor {
    let ([p, q], [n, m]) = ([b.size(0), b.size(1)], [k.size(0), k.size(1)]);
    (b.reshape(&[p, 1, q, 1]) * k.reshape(&[1, n, 1, m])).reshape(&[p * n, q * m])
}

/// Observations `Y: [N, P]` of covariance `B ⊗ K + I`, turned into the coordinates in which they are independent.
pub(super) struct Grid {
    /// `β`, `[P]`.
    pub b_values: Tensor,
    /// `V`, `[P, P]`.
    pub b_vectors: Tensor,
    /// `κ`, `[N]`.
    pub k_values: Tensor,
    /// `U`, `[N, N]`.
    pub k_vectors: Tensor,
    /// `1 / D`, `[N, P]`.
    pub precision: Tensor,
    /// `A`, `[N, P]`.
    pub scaled: Tensor,
    /// The log density, in nats.
    pub value: f64,
}

impl Grid {
    /// From `b: [P, P]` and `k: [N, N]`, symmetric, and `y: [N, P]`; outside of any graph.
    ///
    /// # Errors
    /// Recoverable, when a matrix is not finite, or so far from positive semi-definite that the sum is not positive
    /// definite.
    pub fn new(b: &Tensor, k: &Tensor, y: &Tensor) -> Result<Self> {
        let (b_values, b_vectors) = b.detach().eigh()?;
        let (k_values, k_vectors) = k.detach().eigh()?;
        let spread = k_values.unsqueeze(1) * b_values.unsqueeze(0) + 1.0;
        match spread.min().item() {
            least if least > 0.0 => {}
            least => {
                return Err(Error::recoverable(
                    format!("the covariance of the outputs has an eigenvalue of {least:.1e} of the noise variance"),
                    "raise the noise, or use a kernel that is positive semi-definite",
                ));
            }
        }
        let rotated = k_vectors.t().matmul(&y.detach()).matmul(&b_vectors);
        let scaled = &rotated / &spread;
        let fit = (&rotated * &scaled).sum().item();
        let constant = spread.len() as f64 * std::f64::consts::TAU.ln();
        let value = -0.5 * (fit + spread.log().sum().item() + constant);
        Ok(Self { b_values, b_vectors, k_values, k_vectors, precision: spread.recip(), scaled, value })
    }

    /// `(B ⊗ K + I)⁻¹ vec(Y)` as a matrix, `[N, P]`.
    pub fn solution(&self) -> Tensor {
        self.k_vectors.matmul(&self.scaled).matmul(&self.b_vectors.t())
    }

    /// Twice the derivative by `B`.
    fn twice_b(&self) -> Tensor {
        let weights = self.k_values.unsqueeze(1);
        let outer = self.scaled.t().matmul(&(&self.scaled * &weights));
        let inner = outer - (&self.precision * &weights).sum_axis(0, false).diag();
        symmetric(&self.b_vectors.matmul(&inner).matmul(&self.b_vectors.t()))
    }

    /// Twice the derivative by `K`.
    fn twice_k(&self) -> Tensor {
        let weights = self.b_values.unsqueeze(0);
        let outer = (&self.scaled * &weights).matmul(&self.scaled.t());
        let inner = outer - (&self.precision * &weights).sum_axis(1, false).diag();
        symmetric(&self.k_vectors.matmul(&inner).matmul(&self.k_vectors.t()))
    }
}

fn symmetric(a: &Tensor) -> Tensor {
    (a + a.t()) * 0.5
}

/// Log density of `vec(Y) ~ N(0, B ⊗ K + I)` in nats, a scalar, for `b: [P, P]` and `k: [N, N]` symmetric and
/// `y: [N, P]`; differentiable in all of them, gradients by `B` and `K` being symmetric.
///
/// # Errors
/// As [`Grid::new`].
pub(super) fn log_density(b: &Tensor, k: &Tensor, y: &Tensor) -> Result<Tensor> {
    let grid = Grid::new(b, k, y)?;
    let value = Tensor::scalar(grid.value);
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let g = grad.item();
        vec![
            wanted[0].then(|| grid.twice_b() * (0.5 * g)),
            wanted[1].then(|| grid.twice_k() * (0.5 * g)),
            wanted[2].then(|| grid.solution() * -g),
        ]
    };
    let inputs = vec![b.clone(), k.clone(), y.clone()];
    Ok(Tensor::custom("kronecker_log_density", inputs, value, backward)
        .with_twin(|t| composed(&t[0], &t[1], &t[2]).expect("a positive semi-definite matrix plus one has a factor")))
}

/// The twin of [`log_density`]: the stacked covariance and its factor.
fn composed(b: &Tensor, k: &Tensor, y: &Tensor) -> Result<Tensor> {
    let n = y.len();
    let chol = (kronecker(b, k) + Tensor::eye(n, y.dtype())).cholesky()?;
    let half = chol.solve_lower(&y.t().reshape(&[n, 1]));
    Ok((half.square().sum() + chol.cholesky_log_det() + n as f64 * std::f64::consts::TAU.ln()) * -0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;
    use elbo_tensor::{grad, grad_graph};

    /// Symmetric positive semi-definite matrices of these sizes and ranks, and a matrix between them.
    fn problem(p: [usize; 2], n: [usize; 2], seed: u64) -> [Tensor; 3] {
        let mut rng = Rng::new(seed);
        let mut root = |[size, rank]: [usize; 2]| {
            let w = Tensor::from_vec(rng.normals(size * rank), &[size, rank]);
            w.matmul(&w.t())
        };
        let (b, k) = (root(p), root(n));
        [b, k, Tensor::from_vec(rng.normals(n[0] * p[0]), &[n[0], p[0]])]
    }

    fn close(a: &Tensor, b: &Tensor) {
        assert_eq!(a.shape(), b.shape());
        for (a, b) in a.to_vec().iter().zip(b.to_vec()) {
            assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} and {b}");
        }
    }

    #[test]
    fn value_and_gradient_are_those_of_the_stacked_covariance_whatever_the_ranks() {
        // A rank below the size leaves several eigenvalues of zero.
        for (p, n) in [([3, 3], [6, 6]), ([3, 1], [6, 2]), ([1, 1], [5, 5]), ([2, 2], [1, 1])] {
            let t = problem(p, n, 7).map(Tensor::variable);
            let (fused, twin) = (log_density(&t[0], &t[1], &t[2]).unwrap(), composed(&t[0], &t[1], &t[2]).unwrap());
            close(&fused, &twin);
            let inputs = [&t[0], &t[1], &t[2]];
            for (a, b) in grad(&fused, &inputs).iter().zip(grad(&twin, &inputs)) {
                close(a, &b);
            }
        }
    }

    #[test]
    fn equal_eigenvalues_leave_the_gradient_as_it_is() {
        let [_, _, y] = problem([3, 3], [4, 4], 8);
        let same = |n: usize| (Tensor::eye(n, y.dtype()) * 0.7).variable();
        let (b, k) = (same(3), same(4));
        let found = grad(&log_density(&b, &k, &y).unwrap(), &[&b, &k]);
        let expected = grad(&composed(&b, &k, &y).unwrap(), &[&b, &k]);
        close(&found[0], &expected[0]);
        close(&found[1], &expected[1]);
        assert!(found[0].to_vec()[1].abs() > 1e-3, "off the diagonal it is not zero");
    }

    #[test]
    fn a_second_derivative_comes_from_the_stacked_covariance() {
        let t = problem([2, 2], [3, 3], 9).map(Tensor::variable);
        let second = |value: Tensor| grad(&grad_graph(&value, &[&t[2]])[0].square().sum(), &[&t[1]]).remove(0);
        let found = second(log_density(&t[0], &t[1], &t[2]).unwrap());
        close(&found, &second(composed(&t[0], &t[1], &t[2]).unwrap()));
    }

    #[test]
    fn a_matrix_that_is_no_covariance_is_refused() {
        let [b, k, y] = problem([2, 2], [3, 3], 10);
        let error = log_density(&b, &(k * -1e3), &y).unwrap_err();
        assert!(error.to_string().contains("eigenvalue"), "{error}");
    }
}
