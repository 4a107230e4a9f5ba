//! Small dense linear algebra by plain sums: exact answers do not come from the factorisations that are under test.

/// An `[n, n]` matrix, row-major, from its cells.
pub(super) fn matrix(n: usize, cell: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..n * n).map(|k| cell(k / n, k % n)).collect()
}

/// Lower factor of a positive definite matrix, `[n, n]` row-major.
pub(super) fn cholesky(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| factor[i * n + k] * factor[j * n + k]).sum();
            let rest = matrix[i * n + j] - inner;
            factor[i * n + j] = if i == j { rest.sqrt() } else { rest / factor[j * n + j] };
        }
    }
    factor
}

/// The solution of `L Lᵀ x = b`.
pub(super) fn solve(factor: &[f64], b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let mut x = b.to_vec();
    for i in 0..n {
        let inner: f64 = (0..i).map(|k| factor[i * n + k] * x[k]).sum();
        x[i] = (x[i] - inner) / factor[i * n + i];
    }
    for i in (0..n).rev() {
        let inner: f64 = (i + 1..n).map(|k| factor[k * n + i] * x[k]).sum();
        x[i] = (x[i] - inner) / factor[i * n + i];
    }
    x
}

/// `L z`: a draw with the covariance `L Lᵀ` from independent normals `z`.
pub(super) fn colour(factor: &[f64], z: &[f64]) -> Vec<f64> {
    let n = z.len();
    (0..n).map(|i| (0..=i).map(|k| factor[i * n + k] * z[k]).sum()).collect()
}

/// Inner product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Mean and standard deviation with the divisor `N`, as tables are standardised.
pub(super) fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_solves_and_the_factor_squares_to_the_matrix() {
        let matrix = [4.0, 2.0, 0.4, 2.0, 3.0, -0.5, 0.4, -0.5, 1.0];
        let factor = cholesky(&matrix, 3);
        let x = solve(&factor, &[1.0, -2.0, 0.5]);
        let back: Vec<f64> = matrix.chunks_exact(3).map(|row| dot(row, &x)).collect();
        assert!(back.iter().zip([1.0, -2.0, 0.5]).all(|(a, b)| (a - b).abs() < 1e-12), "{back:?}");
        let first: Vec<f64> = colour(&factor, &[1.0, 0.0, 0.0]).iter().map(|v| v * factor[0]).collect();
        assert!(first.iter().zip([4.0, 2.0, 0.4]).all(|(a, b)| (a - b).abs() < 1e-12), "{first:?}");
    }
}
