//! A prior that is given by samples.

use super::posterior::{LN_TAU, Posterior};
use super::prior::{Prior, PriorConfig, PriorPass};
use elbo_core::{Result, Rng, ensure};
use elbo_tensor::Tensor;

impl PriorConfig {
    /// Refuses samples that are no points of `latent` numbers, or that a dimension does not vary over.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub(super) fn check_samples(&self, latent: usize) -> Result<()> {
        let Self::Samples { points, .. } = self else { return Ok(()) };
        let found = format!("{} numbers for codes of {latent} dimensions", points.len());
        let fits = points.len().is_multiple_of(latent) && points.len() >= 2 * latent;
        ensure("prior.points", found, fits, "two samples at least, each with one number a dimension of the code")?;
        let is_flat = |d: &usize| points.iter().skip(*d).step_by(latent).all(|v| *v == points[*d]);
        let flat = (0..latent).find(is_flat);
        let found = format!("the same in dimension {}", flat.map_or(0, |d| d + 1));
        let expected = "samples that vary in every dimension; add a little noise to them";
        ensure("prior.points", found, flat.is_none(), expected)
    }
}

/// (1/M) Σ_m N(r_m, diag h²) around samples r_m, with bandwidths h in proportion to the spread of the samples in each dimension.
///
/// # Source
/// Scott (1992) for the bandwidth, where none is given.
pub(super) struct Reference {
    points: Vec<f64>,
    /// Their mean, `[L]`, taken off before squares are, so that samples far from zero keep their digits.
    mean: Vec<f64>,
    /// h, `[L]`.
    bandwidth: Vec<f64>,
}

elbo_tensor::parameters!(Reference {});

impl Reference {
    /// Around `points: [M, L]`, with this share of their standard deviations as bandwidth, or Scott's.
    pub(super) fn new(points: &[f64], latent: usize, bandwidth: Option<f64>) -> Self {
        let rows = (points.len() / latent) as f64;
        let share = bandwidth.unwrap_or_else(|| rows.powf(-1.0 / (latent as f64 + 4.0)));
        let all = Tensor::from_slice(points, &[points.len() / latent, latent]);
        let bandwidth = (all.variance_axis(0, false, 0).sqrt() * share).to_vec();
        Self { points: points.to_vec(), mean: all.mean_axis(0, false).to_vec(), bandwidth }
    }

    fn rows(&self) -> usize {
        self.points.len() / self.bandwidth.len()
    }
}

impl Prior for Reference {
    fn log_prob(&self, z: &Tensor, _: &mut PriorPass<'_>) -> Tensor {
        let dims = self.bandwidth.len();
        let inverse: Vec<f64> = self.bandwidth.iter().map(|h| 1.0 / h).collect();
        let inverse = Tensor::from_vec(inverse, &[dims]).cast(z.dtype());
        let mean = Tensor::from_slice(&self.mean, &[dims]);
        let centres = (Tensor::from_slice(&self.points, &[self.rows(), dims]) - &mean).cast(z.dtype()) * &inverse;
        let flat = (z.reshape(&[z.len() / dims, dims]) - mean.cast(z.dtype())) * inverse;
        let squares = flat.square().sum_axis(-1, true) + centres.square().sum_axis(-1, false);
        let each = (squares - flat.matmul(&centres.t()) * 2.0) * -0.5;
        let log_scale: f64 = self.bandwidth.iter().map(|h| h.ln()).sum();
        let constant = (self.rows() as f64).ln() + log_scale + 0.5 * dims as f64 * LN_TAU;
        each.log_sum_exp(-1, false).reshape(&z.shape()[..z.rank() - 1]) - constant
    }

    fn sample(&self, count: usize, _: Option<&Posterior>, rng: &mut Rng) -> Tensor {
        let dims = self.bandwidth.len();
        let mut drawn = Vec::with_capacity(count * dims);
        for _ in 0..count {
            let row = rng.below(self.rows());
            let centre = &self.points[row * dims..(row + 1) * dims];
            centre.iter().zip(&self.bandwidth).for_each(|(r, h)| drawn.push(r + h * rng.normal()));
        }
        Tensor::from_vec(drawn, &[count, dims])
    }
}
