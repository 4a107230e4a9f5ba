//! The exact denoiser of a mixture of Gaussians.

use super::Denoiser;
use elbo_core::{Error, Result, Rng};
use elbo_linalg::{MatRef, syevd};
use elbo_tensor::Tensor;

/// Σ_k π_k N(m_k, C_k), with everything a denoiser's test wants to know: densities at every level, draws, clean estimates.
///
/// At level σ the law is Σ_k π_k N(m_k, C_k + σ²I), and x̂₀ = Σ_k r_k [m_k + C_k (C_k + σ²I)⁻¹ (x - m_k)] with the responsibilities
/// r_k of that law. Every C_k is kept as its eigenvectors, so that a level costs no factorisation. Covariances may be singular.
#[derive(Debug, Clone)]
pub struct GaussianMixture {
    dims: usize,
    components: Vec<Component>,
}

#[derive(Debug, Clone)]
struct Component {
    log_weight: f64,
    /// `[1, D]`.
    mean: Tensor,
    /// Eigenvalues of the covariance, `[1, D]`, and eigenvectors as columns, `[D, D]`.
    values: Tensor,
    vectors: Tensor,
}

impl GaussianMixture {
    /// A mixture of components `(weight, mean: [D], covariance: [D, D])`; weights are brought to a sum of one.
    ///
    /// # Errors
    /// [`Error::Data`] for no components, lengths that differ, weights that are not positive, or a covariance that is not positive
    /// semi-definite.
    pub fn new(components: &[(f64, Vec<f64>, Vec<f64>)]) -> Result<Self> {
        let dims = components.first().map_or(0, |(_, mean, _)| mean.len());
        let total: f64 = components.iter().map(|(w, ..)| w).sum();
        let fits = |(w, mean, cov): &(f64, Vec<f64>, Vec<f64>)| {
            *w > 0.0 && w.is_finite() && mean.len() == dims && cov.len() == dims * dims
        };
        if dims == 0 || !components.iter().all(fits) {
            return Err(Error::data(
                "the components of a mixture do not fit together",
                "give each a positive weight, D means and D x D covariances",
            ));
        }
        let component = |(weight, mean, covariance): &(f64, Vec<f64>, Vec<f64>)| {
            let eigen = syevd(MatRef::row_major(covariance, dims, dims))?;
            let largest = eigen.values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
            if eigen.values.iter().any(|v| *v < -1e-9 * largest) {
                return Err(Error::data(
                    format!("a covariance has the eigenvalue {:.3e}", eigen.values[0]),
                    "give positive semi-definite covariances",
                ));
            }
            let values = eigen.values.iter().map(|v| v.max(0.0)).collect();
            Ok(Component {
                log_weight: (weight / total).ln(),
                mean: Tensor::from_slice(mean, &[1, dims]),
                values: Tensor::from_vec(values, &[1, dims]),
                vectors: Tensor::from_vec(eigen.vectors, &[dims, dims]),
            })
        };
        Ok(Self { dims, components: components.iter().map(component).collect::<Result<_>>()? })
    }

    /// One Gaussian: its denoiser is the best linear one.
    ///
    /// # Errors
    /// As [`GaussianMixture::new`].
    pub fn gaussian(mean: &[f64], covariance: &[f64]) -> Result<Self> {
        Self::new(&[(1.0, mean.to_vec(), covariance.to_vec())])
    }

    /// Components with the same variance in every direction: `(weight, mean, variance)`.
    ///
    /// # Errors
    /// As [`GaussianMixture::new`].
    pub fn isotropic(components: &[(f64, Vec<f64>, f64)]) -> Result<Self> {
        let full = |(weight, mean, variance): &(f64, Vec<f64>, f64)| {
            let d = mean.len();
            let covariance = (0..d * d).map(|i| if i % (d + 1) == 0 { *variance } else { 0.0 }).collect();
            (*weight, mean.clone(), covariance)
        };
        Self::new(&components.iter().map(full).collect::<Vec<_>>())
    }

    /// The Gaussian with the mean and covariance of some points, `[N, D]`.
    ///
    /// # Errors
    /// [`Error::Data`] for fewer than two points.
    pub fn fitted(points: &[f64], dims: usize) -> Result<Self> {
        let (mean, covariance) = crate::frechet::moments(points, dims)?;
        Self::gaussian(&mean, &covariance)
    }

    /// Logarithms of π_k N(x; m_k, C_k + σ²I), `[N, K]`, and the projections of x - m_k on each component's eigenvectors.
    fn log_joint(&self, x: &Tensor, sigma: f64) -> (Tensor, Vec<Tensor>) {
        let mut projections = vec![];
        let columns: Vec<Tensor> = self
            .components
            .iter()
            .map(|c| {
                let z = (x - &c.mean).matmul(&c.vectors);
                let variance = &c.values + sigma * sigma;
                let normaliser = (&variance * std::f64::consts::TAU).log().sum().item();
                let log = (z.square() / &variance).sum_axis(-1, true) * -0.5 + (c.log_weight - 0.5 * normaliser);
                projections.push(z);
                log
            })
            .collect();
        (Tensor::cat(&columns, -1), projections)
    }

    /// log p_σ(x) of each row, `[N]`, in nats. `x: [N, D]`. At σ = 0 the covariances must be regular.
    pub fn log_prob(&self, x: &Tensor, sigma: f64) -> Tensor {
        self.log_joint(x, sigma).0.log_sum_exp(-1, false)
    }

    /// Probabilities of the components given the noisy points, `[N, K]`. `x: [N, D]`.
    pub fn responsibilities(&self, x: &Tensor, sigma: f64) -> Tensor {
        self.log_joint(x, sigma).0.softmax(-1)
    }

    /// Draws of the clean law, `[count, D]`.
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Tensor {
        let weights: Vec<f64> = self.components.iter().map(|c| c.log_weight.exp()).collect();
        let rows: Vec<Tensor> = (0..count)
            .map(|_| {
                let c = &self.components[rng.weighted(&weights)];
                let z = Tensor::from_vec(rng.normals(self.dims), &[1, self.dims]) * c.values.sqrt();
                z.matmul(&c.vectors.t()) + &c.mean
            })
            .collect();
        Tensor::cat(&rows, 0)
    }

    /// The mixture given that the clean point lies in one of these components: what a class tells.
    ///
    /// # Errors
    /// [`Error::Data`] when there is no such component.
    pub fn restricted(&self, components: &[usize]) -> Result<Self> {
        let mut chosen: Vec<Component> = components.iter().filter_map(|k| self.components.get(*k).cloned()).collect();
        if chosen.is_empty() {
            return Err(Error::data("no component of the mixture is left", "name components that exist"));
        }
        let total: f64 = chosen.iter().map(|c| c.log_weight.exp()).sum();
        chosen.iter_mut().for_each(|c| c.log_weight -= total.ln());
        Ok(Self { dims: self.dims, components: chosen })
    }

    /// Mean `[D]` and covariance `[D, D]` of the whole mixture.
    pub fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let d = self.dims;
        let mut mean = Tensor::zeros(&[1, d], elbo_tensor::DType::F64);
        let mut second = Tensor::zeros(&[d, d], elbo_tensor::DType::F64);
        for c in &self.components {
            let weight = c.log_weight.exp();
            mean = mean + &c.mean * weight;
            let covariance = (&c.vectors * &c.values).matmul(&c.vectors.t());
            second = second + (covariance + c.mean.t().matmul(&c.mean)) * weight;
        }
        let covariance = second - mean.t().matmul(&mean);
        (mean.to_vec(), covariance.to_vec())
    }
}

impl Denoiser for GaussianMixture {
    fn dims(&self) -> usize {
        self.dims
    }

    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        let (log_joint, projections) = self.log_joint(x, sigma);
        let shares = log_joint.softmax(-1);
        let mut sum = x.zeros_like();
        for (k, (c, z)) in self.components.iter().zip(projections).enumerate() {
            let kept = z * (&c.values / (&c.values + sigma * sigma));
            let clean = kept.matmul(&c.vectors.t()) + &c.mean;
            sum = sum + shares.narrow(-1, k, 1) * clean;
        }
        sum
    }
}
