//! A Gaussian by mean and covariance, and distances between two.

use elbo_core::{Error, ModelFile, Result, Rng, Snapshot, ensure};
use elbo_dist::{MultivariateNormal, divergence};
use elbo_linalg::{Ladder, MatMut, MatRef, cholesky_in_place, gemm, potri, syevd};

/// A Gaussian by its mean `[D]` and covariance `[D, D]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussian {
    /// Mean, `[D]`.
    pub mean: Vec<f64>,
    /// Covariance, `[D, D]` row-major, symmetric positive definite.
    pub covariance: Vec<f64>,
}

impl Gaussian {
    /// Independent unknowns of one variance.
    pub fn isotropic(mean: Vec<f64>, variance: f64) -> Self {
        let d = mean.len();
        let mut covariance = vec![0.0; d * d];
        (0..d).for_each(|i| covariance[i * d + i] = variance);
        Self { mean, covariance }
    }

    /// Number of unknowns, `D`.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Lower Cholesky factor of the covariance, `[D, D]`.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the covariance is not positive definite.
    pub fn chol(&self) -> Result<Vec<f64>> {
        let mut chol = self.covariance.clone();
        cholesky_in_place(&mut chol, self.dim(), Ladder::Fixed(0.0), true)?;
        Ok(chol)
    }

    /// Inverse of the covariance, `[D, D]`.
    ///
    /// # Errors
    /// As [`Gaussian::chol`].
    pub fn precision(&self) -> Result<Vec<f64>> {
        let (chol, d) = (self.chol()?, self.dim());
        let mut out = vec![0.0; d * d];
        potri(MatMut::row_major(&mut out, d, d), MatRef::row_major(&chol, d, d));
        Ok(out)
    }

    /// Log determinant of the covariance.
    ///
    /// # Errors
    /// As [`Gaussian::chol`].
    pub fn log_det(&self) -> Result<f64> {
        let (chol, d) = (self.chol()?, self.dim());
        Ok(2.0 * (0..d).map(|i| chol[i * d + i].ln()).sum::<f64>())
    }

    /// As a distribution with a log density.
    ///
    /// # Errors
    /// As [`Gaussian::chol`].
    pub fn distribution(&self) -> Result<MultivariateNormal> {
        Ok(MultivariateNormal::new(self.mean.clone(), self.chol()?))
    }

    /// Divergence from this one to `other`, in nats.
    ///
    /// # Errors
    /// As [`Gaussian::chol`], for either.
    pub fn kl(&self, other: &Self) -> Result<f64> {
        Ok(divergence::dense(&self.distribution()?, &other.distribution()?))
    }

    /// Fisher divergence $\mathbb E_q \|\nabla \log q - \nabla \log p\|^2$ from this one, `q`, to `other`, `p`; in squared nats over the square
    /// of the unknowns' unit. With $\Delta = S_p^{-1} - S_q^{-1}$ it is
    ///
    /// $$ \mathrm{tr}(\Delta S_q \Delta) + \|S_p^{-1}(m_q - m_p)\|^2 $$
    ///
    /// # Errors
    /// As [`Gaussian::chol`], for either; [`Error::Setting`] for another number of unknowns.
    pub fn fisher_divergence(&self, other: &Self) -> Result<f64> {
        let d = self.dim();
        let (found, expected) = (format!("over {} unknowns", other.dim()), format!("over {d} unknowns"));
        ensure("other", found, other.dim() == d, expected)?;
        let precision = other.precision()?;
        let change: Vec<f64> = precision.iter().zip(self.precision()?).map(|(p, q)| p - q).collect();
        let spread: f64 = product(&change, &self.covariance, d).iter().zip(&change).map(|(a, b)| a * b).sum();
        let gap: Vec<f64> = self.mean.iter().zip(&other.mean).map(|(q, p)| q - p).collect();
        let pulls = precision.chunks_exact(d).map(|row| row.iter().zip(&gap).map(|(p, g)| p * g).sum::<f64>());
        Ok(spread + pulls.map(|pull| pull * pull).sum::<f64>())
    }

    /// `count` draws, `[S, D]` row-major.
    ///
    /// # Errors
    /// As [`Gaussian::chol`].
    pub fn draws(&self, count: usize, rng: &mut Rng) -> Result<Vec<f64>> {
        self.at(&rng.normals(count * self.dim()))
    }

    /// Draws from standard normal noise `[S, D]`.
    ///
    /// # Errors
    /// As [`Gaussian::chol`].
    pub fn at(&self, noise: &[f64]) -> Result<Vec<f64>> {
        let (chol, d) = (self.chol()?, self.dim());
        let rows = noise.len() / d;
        let mut z = self.mean.repeat(rows);
        gemm(
            MatMut::row_major(&mut z, rows, d),
            1.0,
            MatRef::row_major(noise, rows, d),
            MatRef::row_major(&chol, d, d).transpose(),
            1.0,
        );
        Ok(z)
    }
}

impl Snapshot for Gaussian {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.put(&format!("{prefix}.mean"), &[self.dim()], &self.mean);
        file.put(&format!("{prefix}.covariance"), &[self.dim(), self.dim()], &self.covariance);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.mean = file.get(&format!("{prefix}.mean"))?;
        self.covariance = file.get(&format!("{prefix}.covariance"))?;
        if self.covariance.len() != self.mean.len().pow(2) {
            return Err(Error::model_file("the checkpoint's covariance does not fit its mean", "start again"));
        }
        Ok(())
    }
}

/// `A B` of square matrices, row-major.
pub(crate) fn product(a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    let mut c = vec![0.0; d * d];
    gemm(MatMut::row_major(&mut c, d, d), 1.0, MatRef::row_major(a, d, d), MatRef::row_major(b, d, d), 0.0);
    c
}

/// Makes a matrix symmetric to the bit.
pub(super) fn symmetrise(a: &mut [f64], d: usize) {
    for i in 0..d {
        for j in 0..i {
            let mean = 0.5 * (a[i * d + j] + a[j * d + i]);
            a[i * d + j] = mean;
            a[j * d + i] = mean;
        }
    }
}

/// `f` of a symmetric matrix, by its eigenvalues.
pub(crate) fn spectral(a: &[f64], d: usize, f: impl Fn(f64) -> f64) -> Result<Vec<f64>> {
    let eigen = syevd(MatRef::row_major(a, d, d))?;
    let vectors = MatRef::row_major(&eigen.vectors, d, d);
    let scaled: Vec<f64> = (0..d * d).map(|ij| vectors.get(ij / d, ij % d) * f(eigen.values[ij % d])).collect();
    let mut out = vec![0.0; d * d];
    gemm(MatMut::row_major(&mut out, d, d), 1.0, MatRef::row_major(&scaled, d, d), vectors.transpose(), 0.0);
    symmetrise(&mut out, d);
    Ok(out)
}

/// Squared Wasserstein distance,
/// $\|m_1 - m_2\|^2 + \mathrm{tr}(S_1 + S_2 - 2 (S_1^{1/2} S_2 S_1^{1/2})^{1/2})$.
///
/// # Errors
/// [`Error::Numerical`] when a decomposition fails.
pub fn bures_wasserstein(a: &Gaussian, b: &Gaussian) -> Result<f64> {
    let d = a.dim();
    let root = spectral(&a.covariance, d, |v| v.max(0.0).sqrt())?;
    let mut inner = product(&product(&root, &b.covariance, d), &root, d);
    symmetrise(&mut inner, d);
    let cross: f64 = syevd(MatRef::row_major(&inner, d, d))?.values.iter().map(|v| v.max(0.0).sqrt()).sum();
    let trace: f64 = (0..d).map(|i| a.covariance[i * d + i] + b.covariance[i * d + i]).sum();
    let shift: f64 = a.mean.iter().zip(&b.mean).map(|(x, y)| (x - y).powi(2)).sum();
    // Two nearly equal numbers are subtracted: rounding may leave a digit below zero.
    Ok((shift + trace - 2.0 * cross).max(0.0))
}
