//! The evidence of the prior's precisions and of the noise.

use super::Laplace;
use crate::bayes::{ObservationConfig, Traced};
use elbo_core::{Error, Result};
use elbo_tensor::optim::golden_section;
use elbo_tensor::special::LOG_SQRT_TAU;

/// Rounds over the prior's precision and the noise at most.
const ROUNDS: usize = 200;
/// How little both logarithms move when they count as found.
const TOLERANCE: f64 = 1e-6;
/// Precisions and variances are sought between e to the power of minus this and of this.
const WIDEST: f64 = 12.0;
/// Points of the grid on which a search begins, for each unit of the logarithm.
const DENSITY: u32 = 2;

/// How a search for the largest evidence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a search that did not settle has found no maximum"]
pub struct EvidenceSearch {
    /// Rounds done.
    pub rounds: usize,
    /// Whether the last round moved neither logarithm by more than 1e-6.
    pub is_converged: bool,
}

impl<N: Traced> Laplace<'_, N> {
    /// Squared norms of each block's trained weights.
    fn squares(&self) -> Vec<f64> {
        let flat = self.network.pack();
        let mut at = flat.len() - self.weights();
        let squares = self.blocks.iter().map(|block| -> f64 {
            let n = block.values.len();
            at += n;
            flat[at - n..at].iter().map(|w| w * w).sum()
        });
        squares.collect()
    }

    /// What a block gives to the evidence, the prior's precision being `precision` and its curvature `scale` times what it is.
    fn block_evidence(&self, block: usize, square: f64, precision: f64, scale: f64) -> f64 {
        let values = self.blocks[block].values.to_vec();
        let determinant: f64 = values.iter().map(|v| (1.0 + scale * v / precision).ln()).sum();
        -0.5 * (precision * square + determinant)
    }

    /// The log evidence with these precisions of the prior, log p(D), in nats, the weights held at their trained values.
    ///
    /// $$ \log p(D \mid \hat\theta) + \tfrac12 \sum_b \{ P_b \log \delta_b - \delta_b \|\hat\theta_b\|^2
    ///    - \log |G_b + \delta_b I| \} $$
    ///
    /// # Panics
    /// For another number of precisions than [`Laplace::prior_precisions`] has.
    pub fn log_evidence_at(&self, precisions: &[f64]) -> f64 {
        assert_eq!(precisions.len(), self.blocks.len(), "one precision a block");
        let squares = self.squares();
        let parts = (0..self.blocks.len()).map(|b| self.block_evidence(b, squares[b], precisions[b], 1.0));
        self.log_likelihood + parts.sum::<f64>()
    }

    /// [`Laplace::log_evidence_at`] one precision of the prior for all weights.
    pub fn log_evidence(&self, prior_precision: f64) -> f64 {
        self.log_evidence_at(&vec![prior_precision; self.blocks.len()])
    }

    /// Moves the prior's precision, one for all weights, to where the evidence is largest, between e^-12 and e^12.
    pub fn maximise_evidence(&mut self) {
        let best = maximiser(|precision| self.log_evidence(precision));
        self.precisions = vec![best; self.blocks.len()];
    }

    /// The same for each layer's precision by itself; with a full matrix there is one for all.
    pub fn maximise_evidence_by_layer(&mut self) {
        let squares = self.squares();
        // The evidence is a sum over blocks, so each is maximised alone.
        self.precisions = (0..self.blocks.len())
            .map(|b| maximiser(|precision| self.block_evidence(b, squares[b], precision, 1.0)))
            .collect();
    }

    /// Moves the prior's precision, one for all weights, and the variance of the noise to where the evidence is largest, in turns, both between
    /// e^-12 and e^12. Whoever calls it has to look whether it settled within 200 rounds: if not, both are where the last round left them.
    ///
    /// # Errors
    /// [`Error::Setting`] for classes, which have no noise, and for noise that was learned, of which each target has its own.
    pub fn maximise_evidence_and_noise(&mut self) -> Result<EvidenceSearch> {
        self.maximise_in(ROUNDS)
    }

    fn maximise_in(&mut self, most: usize) -> Result<EvidenceSearch> {
        for rounds in 1..=most {
            let (variance, precision) = (self.one_variance()?, self.precisions[0]);
            self.maximise_evidence();
            let best = maximiser(|noise| self.log_evidence_of_noise(noise, variance));
            self.set_noise(best, variance)?;
            let moved = (self.precisions[0] / precision).ln().abs().max((best / variance).ln().abs());
            if moved < TOLERANCE {
                return Ok(EvidenceSearch { rounds, is_converged: true });
            }
        }
        Ok(EvidenceSearch { rounds: most, is_converged: false })
    }

    /// The variance of noise that is one for all targets.
    fn one_variance(&self) -> Result<f64> {
        match self.observation.config() {
            ObservationConfig::Fixed { sd } => Ok(sd * sd),
            other => Err(Error::Setting {
                setting: "observation".into(),
                found: other.name().into(),
                expected: "fixed, whose noise has one variance".into(),
            }),
        }
    }

    fn log_likelihood_of_noise(&self, noise: f64) -> f64 {
        let (square, count) = self.errors;
        -0.5 * square / noise - count * (LOG_SQRT_TAU + 0.5 * noise.ln())
    }

    /// The log evidence with noise of another variance than this: the curvature of numbers is proportional to the precision of their noise.
    fn log_evidence_of_noise(&self, noise: f64, variance: f64) -> f64 {
        let squares = self.squares();
        let parts =
            (0..self.blocks.len()).map(|b| self.block_evidence(b, squares[b], self.precisions[b], variance / noise));
        self.log_likelihood_of_noise(noise) + parts.sum::<f64>()
    }

    fn set_noise(&mut self, noise: f64, variance: f64) -> Result<()> {
        for block in &mut self.blocks {
            block.values = &block.values * (variance / noise);
        }
        self.log_likelihood = self.log_likelihood_of_noise(noise);
        let dtype = self.blocks[0].values.dtype();
        self.observation = ObservationConfig::Fixed { sd: noise.sqrt() }.build(self.observation.targets(), dtype)?;
        Ok(())
    }
}

/// Where a function of a positive number is largest, between e^-12 and e^12: the best of a grid over its logarithm, then a golden section
/// around it.
fn maximiser(f: impl Fn(f64) -> f64) -> f64 {
    let at = |log: f64| f(log.exp());
    let spacing = f64::from(DENSITY).recip();
    let grid = (0..=2 * WIDEST as u32 * DENSITY).map(|i| f64::from(i) * spacing - WIDEST);
    let best = grid.max_by(|a, b| at(*a).total_cmp(&at(*b))).expect("the grid is not empty");
    golden_section((best - spacing).max(-WIDEST), (best + spacing).min(WIDEST), 60, |log| -at(log)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::bayes::{LaplaceConfig, Stack};
    use crate::layer::Build;
    use elbo_core::Rng;
    use elbo_tensor::{DType, Parameters, Tensor};

    #[test]
    fn a_maximum_is_found_inside_and_at_the_ends_of_one_range() {
        let log = |f: fn(f64) -> f64| maximiser(|value| f(value.ln())).ln();
        // A square root of the rounding of a value of one.
        assert!((log(|at| 1.0 - (at - 3.3).powi(2)) - 3.3).abs() < 1e-6);
        assert!((log(|at| at) - WIDEST).abs() < 1e-9 && (log(|at| -at) + WIDEST).abs() < 1e-9);
    }

    #[test]
    fn a_search_that_is_cut_short_says_that_it_did_not_settle() {
        let normals = |d: usize, seed: u64| Tensor::from_vec(Rng::new(seed).normals(20 * d), &[20, d]);
        let x = normals(2, 1);
        let y = x.matmul(&Tensor::from_vec(vec![1.0, -0.5], &[2, 1])) + normals(1, 2) * 0.3 + 0.2;
        let mut rng = Rng::new(3);
        let mut build = Build::new(&mut rng);
        build.dtype = DType::F64;
        let mut model = Stack::new(&[2, 1], Activation::Tanh, &mut build);
        model.unpack(&[1.0, -0.5, 0.2]);
        let noise = ObservationConfig::Fixed { sd: 10.0 }.build(1, DType::F64).unwrap();
        let mut laplace = Laplace::new(&model, &x, &y, &noise, &LaplaceConfig::default()).unwrap();
        assert_eq!(laplace.maximise_in(1).unwrap(), EvidenceSearch { rounds: 1, is_converged: false });
        let whole = laplace.maximise_evidence_and_noise().unwrap();
        assert!(whole.is_converged && whole.rounds < ROUNDS, "{whole:?}");
        // From there one round is enough to see it.
        assert_eq!(laplace.maximise_in(1).unwrap(), EvidenceSearch { rounds: 1, is_converged: true });
    }
}
