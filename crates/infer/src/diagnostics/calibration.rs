//! Simulation-based calibration: over draws of the prior, the truth ranks uniformly among the posterior's draws.
//!
//! | the posterior is | ask |
//! |---|---|
//! | exact but for Monte Carlo error | [`Ranks::p_value`], [`Ranks::is_calibrated`]: whether ranks are uniform |
//! | an approximation whose width is known to be wrong | [`Ranks::symmetry_p_value`]: whether ranks lie evenly about the middle |

use elbo_core::{Result, Rng};
use elbo_tensor::special::gamma_q;

/// Ranks of true values among posterior draws, one row a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    /// Row-major `[simulations, D]`, each from 0 to `draws`.
    pub ranks: Vec<usize>,
    /// Number of unknowns, `D`.
    pub dim: usize,
    /// Posterior draws that each truth was ranked among.
    pub draws: usize,
}

/// Simulates `simulations` times: a truth from the prior, data from the truth, draws from the posterior of the data.
///
/// `simulate` gets a generator of its own and returns the truth `[D]` and posterior draws as rows `[D]`, of the same number each time
/// and thinned until nearly independent: correlated draws make ranks too extreme.
///
/// # Errors
/// Those of `simulate`.
///
/// # Panics
/// When `simulate` returns another number of draws than before, or rows of another length.
///
/// # Source
/// Talts, Betancourt, Simpson, Vehtari and Gelman (2018).
pub fn sbc(
    simulations: usize,
    rng: &mut Rng,
    mut simulate: impl FnMut(&mut Rng) -> Result<(Vec<f64>, Vec<Vec<f64>>)>,
) -> Result<Ranks> {
    let base = rng.fork();
    let (mut ranks, mut dim, mut count) = (vec![], 0, None);
    for i in 0..simulations {
        let (truth, draws) = simulate(&mut base.split(i as u64))?;
        dim = truth.len();
        assert_eq!(*count.get_or_insert(draws.len()), draws.len(), "every simulation must return as many draws");
        ranks.extend((0..dim).map(|d| draws.iter().filter(|z| z[d] < truth[d]).count()));
    }
    Ok(Ranks { ranks, dim, draws: count.unwrap_or(0) })
}

impl Ranks {
    /// Number of simulations.
    pub fn simulations(&self) -> usize {
        self.ranks.len() / self.dim.max(1)
    }

    /// Ranks of one unknown.
    pub fn column(&self, unknown: usize) -> Vec<usize> {
        self.ranks.iter().skip(unknown).step_by(self.dim).copied().collect()
    }

    /// Counts of one unknown's ranks in `bins` equal bins; `draws + 1` must be a multiple of `bins`.
    ///
    /// # Panics
    /// When the bins do not share the ranks equally; without bins.
    pub fn histogram(&self, unknown: usize, bins: usize) -> Vec<usize> {
        assert!((self.draws + 1).is_multiple_of(bins), "{} ranks do not fill {bins} equal bins", self.draws + 1);
        let width = (self.draws + 1) / bins;
        let mut counts = vec![0; bins];
        self.column(unknown).iter().for_each(|r| counts[r / width] += 1);
        counts
    }

    /// Probability of a histogram at least this uneven if the ranks are uniform (chi-squared).
    pub fn p_value(&self, unknown: usize, bins: usize) -> f64 {
        let counts = self.histogram(unknown, bins);
        let expected = self.simulations() as f64 / bins as f64;
        let statistic: f64 = counts.iter().map(|c| (*c as f64 - expected).powi(2) / expected).sum();
        gamma_q(0.5 * (bins - 1) as f64, 0.5 * statistic)
    }

    /// Empirical distribution function of one unknown's ranks minus the uniform one, at every rank. `[draws + 1]`.
    pub fn ecdf_difference(&self, unknown: usize) -> Vec<f64> {
        let mut counts = vec![0usize; self.draws + 1];
        self.column(unknown).iter().for_each(|r| counts[*r] += 1);
        let (n, size) = (self.simulations() as f64, (self.draws + 1) as f64);
        let mut below = 0;
        counts
            .iter()
            .enumerate()
            .map(|(r, c)| {
                below += c;
                below as f64 / n - (r + 1) as f64 / size
            })
            .collect()
    }

    /// Half-width, at every rank, of a band that contains all of [`Ranks::ecdf_difference`] with this probability when ranks are
    /// uniform. Found by simulation: the same multiple of the pointwise deviation everywhere.
    ///
    /// # Source
    /// Säilynoja, Bürkner and Vehtari (2022), with the normal form of the pointwise band.
    pub fn envelope(&self, probability: f64, rng: &mut Rng) -> Vec<f64> {
        const TRIALS: usize = 2000;
        let (n, size) = (self.simulations(), self.draws + 1);
        let deviation: Vec<f64> = (1..=size)
            .map(|r| {
                let p = r as f64 / size as f64;
                (p * (1.0 - p) / n as f64).sqrt()
            })
            .collect();
        let mut largest: Vec<f64> = (0..TRIALS)
            .map(|_| {
                let ranks = (0..n).map(|_| rng.below(size)).collect();
                let uniform = Self { ranks, dim: 1, draws: self.draws };
                let scaled = uniform.ecdf_difference(0).into_iter().zip(&deviation).filter(|(_, d)| **d > 0.0);
                scaled.map(|(e, d)| (e / d).abs()).fold(0.0, f64::max)
            })
            .collect();
        largest.sort_by(f64::total_cmp);
        let multiple = elbo_dist::quantile(&largest, probability);
        deviation.into_iter().map(|d| multiple * d).collect()
    }

    /// How unevenly one unknown's ranks lie about the middle: the largest distance between their empirical distribution function and that of
    /// the ranks counted from the other end. Zero where the truth is above the draws as often as below; a posterior that is too narrow or
    /// too wide keeps it near zero, one whose centre is off does not.
    ///
    /// # Source
    /// Yao, Vehtari, Simpson and Gelman (2018), for variational approximations.
    pub fn asymmetry(&self, unknown: usize) -> f64 {
        imbalance(&self.column(unknown), self.draws)
    }

    /// Probability of an [`asymmetry`](Ranks::asymmetry) at least as large if the truth is as likely above the draws as below. Found by
    /// simulation: each rank is counted from either end with equal probability, 2,000 times.
    ///
    /// # Source
    /// Yao et al. (2018). Deviation: their test of two samples takes the ranks and the turned ranks as independent, which they are not.
    pub fn symmetry_p_value(&self, unknown: usize, rng: &mut Rng) -> f64 {
        const TRIALS: usize = 2000;
        let ranks = self.column(unknown);
        let found = imbalance(&ranks, self.draws);
        let mut as_large = 1usize;
        for _ in 0..TRIALS {
            let turn = |rank: &usize| if rng.uniform() < 0.5 { *rank } else { self.draws - rank };
            let turned: Vec<usize> = ranks.iter().map(turn).collect();
            as_large += usize::from(imbalance(&turned, self.draws) >= found);
        }
        as_large as f64 / (TRIALS + 1) as f64
    }

    /// Whether one unknown's ranks stay in the envelope of this probability.
    pub fn is_calibrated(&self, unknown: usize, probability: f64, rng: &mut Rng) -> bool {
        let band = self.envelope(probability, rng);
        self.ecdf_difference(unknown).iter().zip(band).all(|(e, b)| e.abs() <= b + 1e-12)
    }
}

/// Largest distance between the distribution functions of ranks from 0 to `draws` and of the same ranks counted from the other end.
fn imbalance(ranks: &[usize], draws: usize) -> f64 {
    let mut counts = vec![0i64; draws + 1];
    for rank in ranks {
        counts[*rank] += 1;
        counts[draws - rank] -= 1;
    }
    let (mut below, mut largest) = (0i64, 0i64);
    for count in counts {
        below += count;
        largest = largest.max(below.abs());
    }
    largest as f64 / ranks.len().max(1) as f64
}
