//! Predictions from solved right-hand sides.

use super::PriorDraws;
use crate::exact::{in_blocks, stored_noise};
use crate::kernel::Kernel;
use crate::mean::Mean;
use crate::path::SamplePath;
use elbo_core::{Error, ModelFile, Result, Snapshot};
use elbo_tensor::special::{ndtri, student_t_cdf};
use elbo_tensor::{Parameters, Tensor, no_grad, stored};

/// What the solutions of `(K + σ² I) A = [y - mean, b_1, ..., b_S]` say about `f`: its mean, and `S` samples by Matheron's rule.
///
/// The samples are `f_s(x) = mean(x) + f_0s(x) + k(x, X) (a_y - a_s)` for prior draws `f_0s`. Their mean is known, so the variance is the
/// average of the squared distances from it; its relative standard error is `√(2/S)`.
pub struct DualPosterior {
    kernel: Box<dyn Kernel>,
    mean: Box<dyn Mean>,
    noise: f64,
    x: Tensor,
    weights: Tensor,
    draws: PriorDraws,
}

impl DualPosterior {
    /// From inputs `x: [n, D]`, solutions `weights: [n, 1 + S]` and the prior draws behind all but the first.
    pub fn new(
        kernel: Box<dyn Kernel>,
        mean: Box<dyn Mean>,
        noise: f64,
        x: Tensor,
        weights: Tensor,
        draws: PriorDraws,
    ) -> Self {
        assert!(weights.shape()[0] == x.shape()[0] && weights.shape()[1] >= 2, "[n, 1 + S] weights with S >= 1");
        Self { kernel, mean, noise, x, weights, draws }
    }

    /// Number of samples, `S`.
    pub fn samples(&self) -> usize {
        self.weights.shape()[1] - 1
    }

    /// The noise variance.
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// Of values of `f`, the share between mean ± 1.96 standard deviations, where those come from this many samples.
    ///
    /// The posterior is normal and the samples' mean is known, so that an error over its estimated standard deviation has Student's t distribution
    /// with `S` degrees of freedom: 0.878 of them are within 1.96 for 4 samples, 0.946 for 64, and 0.95 in the limit. Known noise, which observations
    /// have besides, brings theirs nearer to 0.95.
    pub fn coverage_of(samples: usize) -> f64 {
        2.0 * student_t_cdf(ndtri(0.975), samples as f64) - 1.0
    }

    /// Mean `[N]`, deviations of the samples from it `[N, S]`, and variance they lack `[N]`.
    fn parts(&self, x: &Tensor) -> (Tensor, Tensor, Vec<f64>) {
        no_grad(|| {
            // In blocks of training rows, so that no [N, n] matrix is needed.
            let n = self.x.shape()[0];
            let mut carried: Option<Tensor> = None;
            for start in (0..n).step_by(4 * crate::exact::BLOCK) {
                let count = (4 * crate::exact::BLOCK).min(n - start);
                let cross = self.kernel.gram(x, &self.x.narrow(0, start, count));
                let part = cross.matmul(&self.weights.narrow(0, start, count));
                carried = Some(match carried {
                    Some(sum) => sum + part,
                    None => part,
                });
            }
            let carried = carried.expect("there is at least one row");
            let mean = crate::exact::with_mean(self.mean.as_ref(), x, carried.select(1, 0));
            let (prior, left) = self.draws.values(self.kernel.as_ref(), x);
            (mean, prior - carried.narrow(1, 1, self.samples()), left)
        })
    }

    /// Means and variances of `f` (noise not included) at `x: [N, D]`, both `[N]`.
    ///
    /// # Errors
    /// None at present; fallible as the exact posterior's is.
    pub fn marginals(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        in_blocks(x, |x| {
            let (mean, deviations, left) = self.parts(x);
            let spread = (deviations.square().sum_axis(1, false) / self.samples() as f64).to_vec();
            Ok((mean.to_vec(), spread.into_iter().zip(left).map(|(v, l)| v + l).collect()))
        })
    }

    /// The samples at `x: [N, D]`, `[S, N]` row-major.
    pub fn sample_paths(&self, x: &Tensor) -> Vec<f64> {
        let n = x.shape()[0];
        let mut out = vec![0.0; self.samples() * n];
        for start in (0..n).step_by(crate::exact::BLOCK) {
            let block = x.narrow(0, start, crate::exact::BLOCK.min(n - start));
            let (mean, deviations, _) = self.parts(&block);
            let values = no_grad(|| deviations + mean.unsqueeze(1)).to_vec();
            for (i, row) in values.chunks_exact(self.samples()).enumerate() {
                row.iter().enumerate().for_each(|(s, v)| out[s * n + start + i] = *v);
            }
        }
        out
    }

    /// Sample `index` as a function with a gradient, less its mean function: `f_0s(x) + k(x, X) (a_y - a_s)`.
    ///
    /// # Errors
    /// As [`PriorDraws::path`].
    pub fn sample_path(&self, index: usize) -> Result<SamplePath> {
        assert!(index < self.samples(), "sample {index} of {}", self.samples());
        let prior = self.draws.path(index)?;
        let weights = self.weights.select(1, 0) - self.weights.select(1, 1 + index);
        Ok(SamplePath::new(self.kernel.clone_box(), prior, &self.x, weights))
    }

    /// Writes everything that [`DualPosterior::load`] needs.
    pub fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.kernel.write_to(file, &format!("{prefix}.kernel"));
        self.mean.write_to(file, &format!("{prefix}.mean"));
        self.noise.save(file, &format!("{prefix}.noise"));
        file.put(&format!("{prefix}.x"), self.x.shape(), &self.x.to_vec());
        file.put(&format!("{prefix}.weights"), self.weights.shape(), &self.weights.to_vec());
        self.draws.save(file, &format!("{prefix}.draws"));
    }

    /// Rebuilds a posterior from its file, given a kernel and a mean of the same form for inputs of `dims` columns.
    ///
    /// # Errors
    /// [`elbo_core::Error::ModelFile`] when something is missing or of another shape.
    pub fn load(
        mut kernel: Box<dyn Kernel>,
        mut mean: Box<dyn Mean>,
        dims: usize,
        file: &ModelFile,
        prefix: &str,
    ) -> Result<Self> {
        let name = |part: &str| format!("{prefix}.{part}");
        kernel.read_from(file, &name("kernel"))?;
        mean.read_from(file, &name("mean"))?;
        let noise = stored_noise(file, &name("noise"))?;
        let rows = file.rows(&name("x"), &[dims])?;
        if rows == 0 {
            return Err(Error::misfit("the posterior has no rows"));
        }
        let x = stored(file, &name("x"), &[rows, dims])?;
        let draws = PriorDraws::load(file, &name("draws"), dims)?;
        // The mean's weights stand before those of the draws.
        let weights = stored(file, &name("weights"), &[rows, 1 + draws.count()])?;
        Ok(Self { kernel, mean, noise, x, weights, draws })
    }
}
