//! The spread of the weights that stochastic gradient descent visits.

use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Progress, Result, Rng, Run, Step};
use elbo_tensor::Parameters;

/// Least variance of a weight.
const LEAST_VARIANCE: f64 = 1e-30;

/// A Gaussian with the moments of the weights visited: half its covariance is diagonal, half of low rank.
///
/// A draw is `θ̄ + √½ d ⊙ z1 + (2(K - 1))^-½ D z2`, where d² is the variance of each weight and D the last K deviations. A network with batch
/// norms needs [`crate::layer::refresh_statistics`] after each draw.
///
/// # Source
/// Maddox, Garipov, Izmailov, Vetrov and Wilson (2019).
#[derive(Debug, Clone, PartialEq)]
pub struct Swag {
    rank: usize,
    count: usize,
    mean: Vec<f64>,
    squares: Vec<f64>,
    /// The last `rank` deviations from the running mean, oldest first, one after the other.
    deviations: Vec<f64>,
}

impl Swag {
    /// Nothing seen yet; keeps this many deviations (20 as published), at least two.
    ///
    /// # Panics
    /// For fewer than two deviations.
    pub fn new(rank: usize) -> Self {
        assert!(rank >= 2, "a low-rank part needs two deviations at least");
        Self { rank, count: 0, mean: vec![], squares: vec![], deviations: vec![] }
    }

    /// How many vectors were seen.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Running mean of the weights.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Sees the weights, in [`Parameters::pack`]'s order.
    ///
    /// # Panics
    /// For another number of weights than before.
    pub fn collect(&mut self, weights: &[f64]) {
        if self.count == 0 {
            self.mean = vec![0.0; weights.len()];
            self.squares = vec![0.0; weights.len()];
        }
        assert_eq!(weights.len(), self.mean.len(), "the weights of one network");
        self.count += 1;
        let share = 1.0 / self.count as f64;
        for ((w, m), s) in weights.iter().zip(&mut self.mean).zip(&mut self.squares) {
            *m += share * (w - *m);
            *s += share * (w * w - *s);
        }
        if self.deviations.len() == self.rank * weights.len() {
            self.deviations.drain(..weights.len());
        }
        self.deviations.extend(weights.iter().zip(&self.mean).map(|(w, m)| w - m));
    }

    /// Variances of the weights visited.
    pub fn variances(&self) -> Vec<f64> {
        self.mean.iter().zip(&self.squares).map(|(m, s)| (s - m * m).max(LEAST_VARIANCE)).collect()
    }

    /// One draw of all weights. At least two vectors must have been seen.
    ///
    /// # Panics
    /// Before two vectors were seen.
    pub fn sample(&self, rng: &mut Rng) -> Vec<f64> {
        assert!(self.count >= 2, "draws need two vectors at least, {} were seen", self.count);
        let size = self.mean.len();
        let kept = self.deviations.len() / size;
        let low_rank = 1.0 / (2.0 * (kept as f64 - 1.0)).sqrt();
        let along: Vec<f64> = (0..kept).map(|_| low_rank * rng.normal()).collect();
        let own = rng.normals(size);
        let variances = self.variances();
        (0..size)
            .map(|i| {
                let common: f64 = (0..kept).map(|k| along[k] * self.deviations[k * size + i]).sum();
                self.mean[i] + (0.5 * variances[i]).sqrt() * own[i] + common
            })
            .collect()
    }
}

/// One draw of all weights from several runs, each as likely as the others (MultiSWAG).
///
/// # Panics
/// Without runs, and as [`Swag::sample`].
///
/// # Source
/// Wilson and Izmailov (2020).
pub fn sample_of_several(runs: &[Swag], rng: &mut Rng) -> Vec<f64> {
    runs[rng.below(runs.len())].sample(rng)
}

/// A model, and what is known of the weights it passed through.
pub struct Averaged<M> {
    /// The model as it moves.
    pub model: M,
    /// What it passed through.
    pub swag: Swag,
}

impl<M: Snapshot> Snapshot for Averaged<M> {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.model.save(file, &format!("{prefix}.model"));
        file.set(&format!("{prefix}.seen"), &(self.swag.rank, self.swag.count));
        self.swag.mean.save(file, &format!("{prefix}.mean"));
        self.swag.squares.save(file, &format!("{prefix}.squares"));
        self.swag.deviations.save(file, &format!("{prefix}.deviations"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.model.restore(file, &format!("{prefix}.model"))?;
        (self.swag.rank, self.swag.count) = file.fact(&format!("{prefix}.seen"))?;
        self.swag.mean.restore(file, &format!("{prefix}.mean"))?;
        self.swag.squares.restore(file, &format!("{prefix}.squares"))?;
        self.swag.deviations.restore(file, &format!("{prefix}.deviations"))
    }
}

/// A step of training that also collects the weights, every so many steps after the first ones. Use a constant rate then.
pub struct SwagStep<S> {
    /// How the model moves.
    pub step: S,
    /// Steps before the first are collected.
    pub burn_in: usize,
    /// Steps between two that are collected; one epoch as published.
    pub every: usize,
}

impl<M: Parameters, S: Step<M>> Step<Averaged<M>> for SwagStep<S> {
    type State = (S::State, usize);

    fn init(&self, averaged: &mut Averaged<M>, run: &mut Run) -> Result<Self::State> {
        Ok((self.step.init(&mut averaged.model, run)?, 0))
    }

    fn step(&self, averaged: &mut Averaged<M>, state: &mut Self::State, run: &mut Run) -> Result<Progress> {
        let progress = self.step.step(&mut averaged.model, &mut state.0, run)?;
        state.1 += 1;
        if state.1 > self.burn_in && (state.1 - self.burn_in).is_multiple_of(self.every) {
            averaged.swag.collect(&averaged.model.pack());
        }
        Ok(progress)
    }
}
