//! A few directions along which the unit of draws and of gradients is not the same.

use crate::gaussian::{product, spectral};
use elbo_core::Result;
use elbo_linalg::vector::{axpy, dot};
use elbo_linalg::{Eigen, MatRef, syevd};

/// Directions taken at most from the draws, and as many from the gradients.
const RANK: usize = 20;
/// Directions whose variance in units of the diagonal is between the inverse of this and this stay as the diagonal has them.
const CUTOFF: f64 = 2.0;
/// A direction that is shorter once the others are taken out of it is one of theirs.
const DEPENDENT: f64 = 1e-6;

/// Orthonormal directions and their variances, in units of a diagonal metric: $M^{-1} = \sigma (I + \sum_k (\lambda_k - 1) u_k u_k^\top) \sigma$.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Directions {
    /// `[k, D]` row-major.
    pub vectors: Vec<f64>,
    /// `[k]`, positive.
    pub values: Vec<f64>,
}

/// What draws and gradients `[n, D]` say beyond a diagonal metric with this variance; none where they say nothing.
///
/// In the span of the leading directions of both, the metric is the geometric mean of the draws' covariance and the inverse of the gradients':
/// the matrix `S` with `S G S = C`, which is the covariance of a Gaussian target and otherwise brings draws and gradients to one scale.
///
/// # Source
/// Seyboldt, Carlson and Carpenter (2026), "Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence", as in nutpie. Deviation: leading
/// directions alone span the space, and both covariances are shrunk as the other metrics are.
pub(super) fn directions(draws: &[f64], gradients: &[f64], variance: &[f64]) -> Result<Directions> {
    let d = variance.len();
    let n = draws.len() / d;
    if n < 4 {
        return Ok(Directions::default());
    }
    let scale: Vec<f64> = variance.iter().map(|v| v.sqrt()).collect();
    let draws = centred(draws, &scale, |x, s| x / s);
    let gradients = centred(gradients, &scale, |g, s| g * s);
    let mut basis: Vec<Vec<f64>> = vec![];
    for rows in [&draws, &gradients] {
        lead(rows, d, n, &mut basis)?;
    }
    if basis.is_empty() {
        return Ok(Directions::default());
    }
    let (covariance, curvature) = (shrunk(&draws, &basis, n), shrunk(&gradients, &basis, n));
    let k = basis.len();
    let found = eigen(&geometric_mean(&covariance, &curvature, k)?, k)?;
    let mut result = Directions::default();
    for (column, value) in found.values.iter().enumerate().filter(|(_, v)| **v > CUTOFF || **v < 1.0 / CUTOFF) {
        let mut vector = vec![0.0; d];
        for (row, direction) in basis.iter().enumerate() {
            axpy(found.vectors[row * k + column], direction, &mut vector);
        }
        result.vectors.extend(vector);
        result.values.push(*value);
    }
    Ok(result)
}

/// Rows `[n, D]` less their mean, each number brought to its unit.
fn centred(rows: &[f64], scale: &[f64], unit: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let d = scale.len();
    let mut mean = vec![0.0; d];
    rows.chunks_exact(d).for_each(|row| axpy(1.0, row, &mut mean));
    let n = (rows.len() / d) as f64;
    rows.iter().enumerate().map(|(i, x)| unit(x - mean[i % d] / n, scale[i % d])).collect()
}

/// Adds the directions of most variance of centred rows to an orthonormal basis, by the eigenvectors of the rows' products.
fn lead(rows: &[f64], d: usize, n: usize, basis: &mut Vec<Vec<f64>>) -> Result<()> {
    let row = |i: usize| &rows[i * d..(i + 1) * d];
    let mut products = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let product = dot(row(i), row(j)) / (n - 1) as f64;
            (products[i * n + j], products[j * n + i]) = (product, product);
        }
    }
    let found = eigen(&products, n)?;
    // Fewer than half as many as there are rows, so that both covariances have full rank in the span.
    for column in (0..n).rev().take(RANK.min((n - 1) / 4)) {
        if found.values[column] <= CUTOFF {
            break;
        }
        let mut vector = vec![0.0; d];
        (0..n).for_each(|i| axpy(found.vectors[i * n + column], row(i), &mut vector));
        let length = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|v| *v /= length);
        // Twice: the second pass takes out what rounding left of the first.
        for _ in 0..2 {
            for other in basis.iter() {
                let along = dot(other, &vector);
                axpy(-along, other, &mut vector);
            }
        }
        let rest = dot(&vector, &vector).sqrt();
        if rest > DEPENDENT {
            vector.iter_mut().for_each(|v| *v /= rest);
            basis.push(vector);
        }
    }
    Ok(())
}

/// The covariance of centred rows along a basis, `[k, k]`, shrunk to 1e-3 of the identity.
fn shrunk(rows: &[f64], basis: &[Vec<f64>], n: usize) -> Vec<f64> {
    let (d, k) = (basis[0].len(), basis.len());
    let along: Vec<f64> = rows.chunks_exact(d).flat_map(|row| basis.iter().map(move |b| dot(row, b))).collect();
    let weight = n as f64 / (n as f64 + 5.0) / (n - 1) as f64;
    let floor = 1e-3 * 5.0 / (n as f64 + 5.0);
    let mut covariance = vec![0.0; k * k];
    for row in along.chunks_exact(k) {
        (0..k).for_each(|i| axpy(weight * row[i], row, &mut covariance[i * k..(i + 1) * k]));
    }
    (0..k).for_each(|i| covariance[i * k + i] += floor);
    covariance
}

/// The positive definite `S` with `S G S = C`: $G^{-1/2} (G^{1/2} C G^{1/2})^{1/2} G^{-1/2}$.
fn geometric_mean(c: &[f64], g: &[f64], k: usize) -> Result<Vec<f64>> {
    // Rounding may take the smallest eigenvalue below zero.
    let root_of = |value: f64| value.max(f64::MIN_POSITIVE).sqrt();
    let root = spectral(g, k, root_of)?;
    let inverse_root = spectral(g, k, |value| root_of(value).recip())?;
    let inner = spectral(&product(&product(&root, c, k), &root, k), k, root_of)?;
    Ok(product(&product(&inverse_root, &inner, k), &inverse_root, k))
}

/// Of a symmetric matrix; its lower triangle is read.
fn eigen(a: &[f64], k: usize) -> Result<Eigen<f64>> {
    Ok(syevd(MatRef::row_major(a, k, k))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_geometric_mean_solves_its_equation() {
        let (c, g) = (vec![4.0, 1.0, 1.0, 2.0], vec![0.5, -0.2, -0.2, 3.0]);
        let s = geometric_mean(&c, &g, 2).unwrap();
        let back = product(&product(&s, &g, 2), &s, 2);
        back.iter().zip(&c).for_each(|(b, c)| assert!((b - c).abs() < 1e-12, "{back:?}"));
        // Of a covariance and its own inverse it is the covariance.
        let inverse: Vec<f64> = [2.0, -1.0, -1.0, 4.0].iter().map(|v| v / 7.0).collect();
        let same = geometric_mean(&c, &inverse, 2).unwrap();
        same.iter().zip(&c).for_each(|(s, c)| assert!((s - c).abs() < 1e-12, "{same:?}"));
    }

    #[test]
    fn directions_are_orthonormal_and_few_rows_give_none() {
        let rows: Vec<f64> = elbo_core::Rng::new(4).normals(60 * 5);
        // One direction of variance 100, along the diagonal of the first two unknowns; gradients are those of that Gaussian.
        let along = |factor: f64, sign: f64| -> Vec<f64> {
            let row = |r: &[f64]| {
                let middle = 0.5 * (r[0] + r[1]);
                let moved = [r[0] + factor * middle, r[1] + factor * middle, r[2], r[3], r[4]];
                moved.map(|v| sign * v)
            };
            rows.chunks(5).flat_map(row).collect()
        };
        let (stretched, slopes) = (along(9.0, 1.0), along(-0.9, -1.0));
        let found = directions(&stretched, &slopes, &[1.0; 5]).unwrap();
        let k = found.values.len();
        assert!(k >= 1 && found.vectors.len() == 5 * k, "{found:?}");
        for i in 0..k {
            for j in 0..k {
                let product = dot(&found.vectors[5 * i..5 * i + 5], &found.vectors[5 * j..5 * j + 5]);
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-10, "{product}");
            }
        }
        let largest = found.values.iter().copied().fold(0.0, f64::max);
        assert!((50.0..200.0).contains(&largest), "{largest}");
        assert_eq!(directions(&stretched[..15], &slopes[..15], &[1.0; 5]).unwrap(), Directions::default());
    }
}
