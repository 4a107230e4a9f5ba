//! Mixtures of normals with full covariances, fitted to points by expectation maximisation.

use crate::kmeans::distance;
use crate::{KMeansConfig, MultivariateNormal, kmeans};
use elbo_core::{Error, ModelFile, Result, Rng, ensure_within};
use elbo_tensor::special::log_sum_exp;
use rayon::prelude::*;

/// Rows that one parallel task handles; a constant, so that sums do not depend on the number of threads.
const CHUNK: usize = 1024;

/// Rows that a component must stand for; one with less is dropped.
const LEAST_ROWS: f64 = 1e-8;

/// Settings of [`GaussianMixture::fit`].
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixtureConfig {
    /// Number of normals.
    pub components: usize,
    /// Added to the diagonal of every covariance.
    pub ridge: f64,
    /// Rounds, at most.
    pub iterations: usize,
    /// Stop when the mean log density rises by less, in nats.
    pub tolerance: f64,
}

impl Default for GaussianMixtureConfig {
    fn default() -> Self {
        Self { components: 10, ridge: 1e-6, iterations: 200, tolerance: 1e-6 }
    }
}

impl GaussianMixtureConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("components", self.components, 1..=10_000)?;
        ensure_within("ridge", self.ridge, 0.0..)?;
        ensure_within("iterations", self.iterations, 1..=1_000_000)?;
        ensure_within("tolerance", self.tolerance, 0.0..)
    }
}

/// $\sum_k \pi_k \mathcal N(\mu_k, \Sigma_k)$.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    dims: usize,
    log_weights: Vec<f64>,
    components: Vec<MultivariateNormal>,
}

/// The result of [`GaussianMixture::fit`].
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixtureFit {
    /// The mixture.
    pub mixture: GaussianMixture,
    /// Rounds done.
    pub rounds: usize,
    /// Whether the mean log density rose by less than the tolerance before the rounds were used up.
    pub is_converged: bool,
}

impl GaussianMixture {
    /// Fits the mixture to points `x: [N, D]` row-major, from the clusters of k-means. The same seed gives the same bits for any number of threads.
    ///
    /// There are fewer components than asked for where there are fewer different points, or where one loses all of its points. A fit that used up
    /// its rounds is returned as it is then, and says so.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range; [`Error::Data`] for fewer points than components or than two, and for numbers that are
    /// not finite; [`Error::Numerical`] for covariances that stay singular, which a ridge prevents.
    ///
    /// # Panics
    /// When `x` is not rows of `dims` numbers, one at least.
    ///
    /// # Source
    /// Dempster, Laird and Rubin (1977).
    pub fn fit(x: &[f64], dims: usize, config: &GaussianMixtureConfig, rng: &mut Rng) -> Result<GaussianMixtureFit> {
        config.check()?;
        assert!(dims > 0 && x.len().is_multiple_of(dims), "{} values are not rows of {dims}", x.len());
        let rows = x.len() / dims;
        if rows < config.components.max(2) {
            return Err(Error::data(
                format!("there are {rows} points for {} normals", config.components),
                "give at least two points, and as many as normals",
            ));
        }
        if let Some(at) = x.iter().position(|v| !v.is_finite()) {
            return Err(Error::data(
                format!("point {} has {} as coordinate {}", at / dims + 1, x[at], at % dims + 1),
                "leave such points out",
            ));
        }
        let centres = kmeans(x, dims, config.components, &KMeansConfig::default(), rng).centres;
        let mut mixture = Self::maximised(x, dims, &nearest(x, dims, &centres), config.ridge)?;
        let mut last = f64::NEG_INFINITY;
        for rounds in 0..config.iterations {
            let (shares, mean_log) = mixture.expectation(x);
            if mean_log - last < config.tolerance {
                return Ok(GaussianMixtureFit { mixture, rounds, is_converged: true });
            }
            last = mean_log;
            mixture = Self::maximised(x, dims, &shares, config.ridge)?;
        }
        Ok(GaussianMixtureFit { mixture, rounds: config.iterations, is_converged: false })
    }

    /// The mixture that is the likeliest for these shares of the points, `[N, K]`.
    fn maximised(x: &[f64], dims: usize, shares: &[f64], ridge: f64) -> Result<Self> {
        let rows = x.len() / dims;
        let count = shares.len() / rows;
        let one = |k: usize| -> Result<Option<(f64, MultivariateNormal)>> {
            let own: Vec<f64> = shares.iter().skip(k).step_by(count).copied().collect();
            let total: f64 = own.iter().sum();
            if total < LEAST_ROWS {
                return Ok(None);
            }
            let (mean, covariance) = moments(x, dims, &own, total, ridge);
            let (normal, _) = MultivariateNormal::from_covariance(mean, covariance)?;
            Ok(Some((total, normal)))
        };
        let found = (0..count).into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
        let (totals, components): (Vec<f64>, Vec<MultivariateNormal>) = found.into_iter().flatten().unzip();
        let all: f64 = totals.iter().sum();
        Ok(Self { dims, log_weights: totals.iter().map(|t| (t / all).ln()).collect(), components })
    }

    /// Shares of the components in every point, `[N, K]`, and the mean log density.
    fn expectation(&self, x: &[f64]) -> (Vec<f64>, f64) {
        let (rows, count) = (x.len() / self.dims, self.components.len());
        let mut shares = vec![0.0; rows * count];
        let parts = shares.par_chunks_mut(CHUNK * count).zip(x.par_chunks(CHUNK * self.dims));
        let logs: Vec<f64> = parts
            .map(|(shares, points)| {
                let each = shares.chunks_exact_mut(count).zip(points.chunks_exact(self.dims));
                let one = |(shares, point): (&mut [f64], &[f64])| {
                    let joint = self.log_joint(point);
                    let log = log_sum_exp(&joint);
                    shares.iter_mut().zip(&joint).for_each(|(share, joint)| *share = (joint - log).exp());
                    log
                };
                each.map(one).sum::<f64>()
            })
            .collect();
        (shares, logs.iter().sum::<f64>() / rows as f64)
    }

    /// log π_k N(x; μ_k, Σ_k) of every component.
    fn log_joint(&self, point: &[f64]) -> Vec<f64> {
        self.log_weights.iter().zip(&self.components).map(|(log, normal)| log + normal.log_prob(point)).collect()
    }

    /// Number of dimensions, `D`.
    pub fn dimension(&self) -> usize {
        self.dims
    }

    /// Weights of the components, `[K]`; they add up to one.
    pub fn weights(&self) -> Vec<f64> {
        self.log_weights.iter().map(|log| log.exp()).collect()
    }

    /// The normals, `K` of them.
    pub fn components(&self) -> &[MultivariateNormal] {
        &self.components
    }

    /// Log density at `point: [D]`, in nats.
    pub fn log_prob(&self, point: &[f64]) -> f64 {
        log_sum_exp(&self.log_joint(point))
    }

    /// Probabilities of the components given `point: [D]`, `[K]`.
    pub fn responsibilities(&self, point: &[f64]) -> Vec<f64> {
        let joint = self.log_joint(point);
        let log = log_sum_exp(&joint);
        joint.iter().map(|joint| (joint - log).exp()).collect()
    }

    /// `count` draws, `[count, D]` row-major.
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Vec<f64> {
        let weights = self.weights();
        let mut drawn = Vec::with_capacity(count * self.dims);
        for _ in 0..count {
            let chosen = rng.weighted(&weights);
            drawn.extend(self.components[chosen].sample(rng));
        }
        drawn
    }

    /// Stores the mixture under names that start with `prefix`.
    pub fn save(&self, file: &mut ModelFile, prefix: &str) {
        let count = self.components.len();
        let means: Vec<f64> = self.components.iter().flat_map(|c| c.mean()).copied().collect();
        let factors: Vec<f64> = self.components.iter().flat_map(|c| c.chol()).copied().collect();
        file.put(&format!("{prefix}.log_weights"), &[count], &self.log_weights);
        file.put(&format!("{prefix}.means"), &[count, self.dims], &means);
        file.put(&format!("{prefix}.factors"), &[count, self.dims, self.dims], &factors);
    }

    /// Takes back what [`GaussianMixture::save`] stored.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing, or makes no mixture over `dims` dimensions.
    pub fn load(file: &ModelFile, prefix: &str, dims: usize) -> Result<Self> {
        let name = |part: &str| format!("{prefix}.{part}");
        let count = file.rows(&name("log_weights"), &[])?;
        let log_weights = file.get_as(&name("log_weights"), &[count])?;
        let means = file.get_as(&name("means"), &[count, dims])?;
        let factors = file.get_as(&name("factors"), &[count, dims, dims])?;
        let has_factors = factors.chunks_exact(dims * dims).all(|f| (0..dims).all(|i| f[i * dims + i] > 0.0));
        if count == 0 || !has_factors || log_sum_exp(&log_weights).abs() > 1e-6 {
            return Err(Error::misfit(format!("`{prefix}` is no mixture of normals")));
        }
        let parts = means.chunks_exact(dims).zip(factors.chunks_exact(dims * dims));
        let components = parts.map(|(mean, chol)| MultivariateNormal::new(mean.to_vec(), chol.to_vec())).collect();
        Ok(Self { dims, log_weights, components })
    }
}

/// One for the nearest centre of each point and zero for the others, `[N, K]`.
fn nearest(x: &[f64], dims: usize, centres: &[f64]) -> Vec<f64> {
    let (rows, count) = (x.len() / dims, centres.len() / dims);
    let mut shares = vec![0.0; rows * count];
    shares.par_chunks_mut(count).zip(x.par_chunks(dims)).for_each(|(shares, point)| {
        let each: Vec<f64> = centres.chunks_exact(dims).map(|centre| distance(centre, point)).collect();
        let best = (0..count).min_by(|a, b| each[*a].total_cmp(&each[*b])).expect("there is a centre");
        shares[best] = 1.0;
    });
    shares
}

/// Mean and covariance of points with these weights, which add up to `total`; `ridge` is added to the variances.
fn moments(x: &[f64], dims: usize, weights: &[f64], total: f64, ridge: f64) -> (Vec<f64>, Vec<f64>) {
    let mut mean = vec![0.0; dims];
    for (point, weight) in x.chunks_exact(dims).zip(weights) {
        mean.iter_mut().zip(point).for_each(|(m, v)| *m += weight / total * v);
    }
    let mut covariance = vec![0.0; dims * dims];
    let mut away = vec![0.0; dims];
    for (point, weight) in x.chunks_exact(dims).zip(weights).filter(|(_, weight)| **weight > 0.0) {
        away.iter_mut().zip(point.iter().zip(&mean)).for_each(|(a, (v, m))| *a = v - m);
        for i in 0..dims {
            let scaled = weight / total * away[i];
            (0..=i).for_each(|j| covariance[i * dims + j] += scaled * away[j]);
        }
    }
    for i in 0..dims {
        covariance[i * dims + i] += ridge;
        (0..i).for_each(|j| covariance[j * dims + i] = covariance[i * dims + j]);
    }
    (mean, covariance)
}
