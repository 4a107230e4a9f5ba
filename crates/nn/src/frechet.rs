//! How far samples are from data: the Fréchet distance between Gaussians of their features.
//!
//! The number means something beside others of the same extractor and the same number of points only, so both are named with it.

use elbo_core::{Error, Result, Rng};
use elbo_infer::gaussian::{Gaussian, bures_wasserstein};
use elbo_linalg::{MatMut, MatRef, gemm, syevd};

/// Numbers that describe a point.
pub trait Extractor {
    /// What it is, for reports: `pca-16 of the training data`.
    fn name(&self) -> String;

    /// Number of features.
    fn width(&self) -> usize;

    /// Features of points `[N, D]`; returns `[N, width]`.
    fn features(&self, points: &[f64]) -> Vec<f64>;
}

/// Mean `[D]` and covariance `[D, D]` of points `[N, D]`, the covariance divided by N - 1.
///
/// # Errors
/// [`Error::Data`] for fewer than two points.
pub fn moments(points: &[f64], dims: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mean, centred) = centred(points, dims)?;
    let n = points.len() / dims;
    let mut covariance = vec![0.0; dims * dims];
    let a = MatRef::row_major(&centred, n, dims);
    gemm(MatMut::row_major(&mut covariance, dims, dims), 1.0 / (n as f64 - 1.0), a.transpose(), a, 0.0);
    Ok((mean, covariance))
}

/// Mean `[D]` of points `[N, D]`, and the points without it.
fn centred(points: &[f64], dims: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let n = points.len() / dims.max(1);
    if n < 2 {
        return Err(Error::data(format!("{n} points have no covariance"), "give at least two"));
    }
    let mut mean = vec![0.0; dims];
    points.chunks_exact(dims).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, v)| *m += v / n as f64));
    let centred = points.iter().enumerate().map(|(i, v)| v - mean[i % dims]).collect();
    Ok((mean, centred))
}

/// Projections on the leading principal components of a data set.
#[derive(Debug, Clone)]
pub struct PrincipalComponents {
    mean: Vec<f64>,
    /// `[K, D]`.
    directions: Vec<f64>,
    width: usize,
}

impl PrincipalComponents {
    /// The `width` leading components of points `[N, D]`; fewer where there are fewer dimensions or points.
    ///
    /// # Errors
    /// [`Error::Data`] for fewer than two points.
    pub fn fit(points: &[f64], dims: usize, width: usize) -> Result<Self> {
        let n = points.len() / dims.max(1);
        let (mean, centred) = centred(points, dims)?;
        let a = MatRef::row_major(&centred, n, dims);
        let width = width.min(dims).min(n - 1);
        // The smaller of the two squares of the matrix has the same eigenvalues.
        let directions = if dims <= n {
            let mut square = vec![0.0; dims * dims];
            gemm(MatMut::row_major(&mut square, dims, dims), 1.0, a.transpose(), a, 0.0);
            let eigen = syevd(MatRef::row_major(&square, dims, dims))?;
            (0..width)
                .flat_map(|k| (0..dims).map(|d| eigen.vectors[d * dims + dims - 1 - k]).collect::<Vec<_>>())
                .collect()
        } else {
            let mut square = vec![0.0; n * n];
            gemm(MatMut::row_major(&mut square, n, n), 1.0, a, a.transpose(), 0.0);
            let eigen = syevd(MatRef::row_major(&square, n, n))?;
            let direction = |k: usize| {
                let mut v = vec![0.0; dims];
                for i in 0..n {
                    let weight = eigen.vectors[i * n + n - 1 - k];
                    v.iter_mut().zip(&centred[i * dims..(i + 1) * dims]).for_each(|(v, x)| *v += weight * x);
                }
                let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
                v.iter_mut().for_each(|x| *x /= norm);
                v
            };
            (0..width).flat_map(direction).collect()
        };
        Ok(Self { mean, directions, width })
    }
}

impl Extractor for PrincipalComponents {
    fn name(&self) -> String {
        format!("pca-{} of the training data", self.width)
    }

    fn width(&self) -> usize {
        self.width
    }

    fn features(&self, points: &[f64]) -> Vec<f64> {
        let dims = self.mean.len();
        let project = |row: &[f64]| {
            (0..self.width)
                .map(|k| {
                    let direction = &self.directions[k * dims..(k + 1) * dims];
                    row.iter().zip(&self.mean).zip(direction).map(|((v, m), w)| (v - m) * w).sum()
                })
                .collect::<Vec<f64>>()
        };
        points.chunks_exact(dims).flat_map(project).collect()
    }
}

/// Squared Fréchet distance between the features of two sets of points `[N, D]`.
///
/// # Errors
/// [`Error::Data`] for sets of fewer than two points, [`Error::Numerical`] for numbers that are not finite.
pub fn distance(extractor: &dyn Extractor, a: &[f64], b: &[f64]) -> Result<f64> {
    let of = |points: &[f64]| law(&extractor.features(points), extractor.width());
    bures_wasserstein(&of(a)?, &of(b)?)
}

/// The Gaussian of features `[N, width]`.
fn law(features: &[f64], width: usize) -> Result<Gaussian> {
    let (mean, covariance) = moments(features, width)?;
    Ok(Gaussian { mean, covariance })
}

/// How many numbers of samples [`limit`] looks at, from a quarter of them to all, and how many parts of each number.
const SIZES: usize = 8;
const PARTS: usize = 4;

/// What [`distance`] would be with endlessly many samples `a: [N, D]`. Few samples are too far by about as much as one over their number: a straight
/// line through the distances of parts of them ends there. `b: [M, D]` stays what it is. `None` where a quarter of the samples is less than twice the features.
///
/// # Errors
/// As [`distance`].
///
/// # Source
/// Chong and Forsyth (2020).
pub fn limit(extractor: &dyn Extractor, a: &[f64], b: &[f64], rng: &mut Rng) -> Result<Option<f64>> {
    let width = extractor.width();
    let features = extractor.features(a);
    let count = features.len() / width.max(1);
    if count / 4 < (2 * width).max(2) {
        return Ok(None);
    }
    let known = law(&extractor.features(b), width)?;
    // One over the number of samples, and the mean distance of as many.
    let mut points = Vec::with_capacity(SIZES);
    for k in 0..SIZES {
        let size = count / 4 + k * (count - count / 4) / (SIZES - 1);
        let mut total = 0.0;
        for _ in 0..PARTS {
            let chosen = rng.choose(count, size);
            let part: Vec<f64> =
                chosen.into_iter().flat_map(|i| &features[i * width..(i + 1) * width]).copied().collect();
            total += bures_wasserstein(&law(&part, width)?, &known)?;
        }
        points.push((1.0 / size as f64, total / PARTS as f64));
    }
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / SIZES as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let products: f64 = points.iter().map(|(p, d)| (p - x) * (d - y)).sum();
    let squares: f64 = points.iter().map(|(p, _)| (p - x).powi(2)).sum();
    Ok(Some(y - products / squares * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_diagonal_gaussians_is_that_of_their_means_and_deviations() {
        // Four points with this mean and these standard deviations.
        let points = |[x, y]: [f64; 2], [s, t]: [f64; 2]| {
            let (s, t) = (1.5f64.sqrt() * s, 1.5f64.sqrt() * t);
            vec![x + s, y, x - s, y, x, y + t, x, y - t]
        };
        let (a, b) = (points([0.0, 1.0], [2.0, 1.0]), points([3.0, 1.0], [1.0, 3.0]));
        // As many components as dimensions turn the points only.
        let d = distance(&PrincipalComponents::fit(&a, 2, 2).unwrap(), &a, &b).unwrap();
        assert!((d - (9.0 + 1.0 + 4.0)).abs() < 1e-10, "{d}");
    }

    #[test]
    fn endlessly_many_samples_of_the_data_are_at_no_distance_where_few_are() {
        const REPEATS: usize = 60;
        let mut rng = Rng::new(2);
        let data = rng.normals(2 * 20_000);
        let extractor = PrincipalComponents::fit(&data, 2, 2).unwrap();
        let (mut few, mut endless) = (0.0, 0.0);
        for _ in 0..REPEATS {
            let samples = rng.normals(2 * 200);
            few += distance(&extractor, &samples, &data).unwrap() / REPEATS as f64;
            endless += limit(&extractor, &samples, &data, &mut rng).unwrap().unwrap() / REPEATS as f64;
        }
        // Few samples are at 0.0185 in the mean, and the mean of the limits has a standard error of 0.002.
        assert!(few > 0.012 && endless.abs() < 0.5 * few, "{few} and {endless}");
        // A shift stays.
        let shifted: Vec<f64> =
            rng.normals(2 * 400).iter().enumerate().map(|(i, v)| v + ((i + 1) % 2) as f64).collect();
        let found = limit(&extractor, &shifted, &data, &mut rng).unwrap().unwrap();
        assert!((found - 1.0).abs() < 0.4, "{found}");
        assert_eq!(limit(&extractor, &data[..2 * 12], &data, &mut rng).unwrap(), None);
    }

    #[test]
    fn components_are_the_same_from_either_square() {
        let mut rng = Rng::new(1);
        let points = rng.normals(6 * 5);
        let tall = PrincipalComponents::fit(&points, 5, 2).unwrap();
        let wide = PrincipalComponents::fit(&points[..4 * 5], 5, 3).unwrap();
        assert_eq!((tall.width(), wide.width()), (2, 3));
        let norms = |p: &PrincipalComponents| {
            p.directions.chunks(5).map(|v| v.iter().map(|x| x * x).sum::<f64>()).collect::<Vec<_>>()
        };
        assert!(norms(&tall).iter().chain(&norms(&wide)).all(|n| (n - 1.0).abs() < 1e-9));
        // All three directions that four points span: features keep the distances between them.
        let f = wide.features(&points[..10]);
        let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
        assert!((distance(&f[..3], &f[3..]) - distance(&points[..5], &points[5..10])).abs() < 1e-9);
    }
}
