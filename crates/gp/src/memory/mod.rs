//! Sequential learning in dual form: batches arrive, the past is gone but for a small memory chosen by leverage.
//!
//! What the data said is kept in two forms. Rows that are gone are a sum of sites as the inducing points see them; it is moved onto new
//! inducing points, and follows the kernel with its natural parameters held. Rows at hand, the memory and the present batch, keep a site each, so
//! what they say is computed anew whenever inducing points or kernel change. All parts are sums of positive terms, and nothing is ever
//! subtracted: a precision stays one.
//!
//! A row in memory stands for `w` rows, the inverse of its chance to be there, so that sums over the memory weighted by `w` are unbiased estimates
//! of sums over all rows seen. Half of its chance is in proportion to its leverage, half is that of any row, so that no weight is more than twice what it
//! would be at random. Rows are drawn evenly over their targets, where these are classes, and over what is expected of them: weighted sums of either
//! are close to those over all rows in every draw. The weights enter twice.
//! - Hyperparameters: the expected log probability of rows seen is estimated by the weighted sum over the memory. Rows of large leverage are those that
//!   the model finds hard; were all to count alike, hyperparameters would answer to a stream in which every row is as hard as those.
//! - Sites: of rows that leave, a share stays in the sum, as what they said then; the other share goes to the rows in memory, each of which says
//!   anew what the rows it stands for would. Were all of it to stay, a hundred rows whose sites are from before a class was known would give way to
//!   it but for the few that are remembered; were all of it to go, the few would be all that is known. Sites of conjugate likelihoods are the
//!   same under every posterior, and nothing of them goes. They depend on the noise alone, which is one for all rows: when it moves, the sums of the
//!   rows that are gone move with it.
//!
//! # Source
//! Chang, Verma, John, Solin and Khan (2023), memory-based dual Gaussian processes; the weights are those of Horvitz and Thompson (1952), the mixed
//! chances those of Hesterberg (1995). Deviations: rows in memory stand for others; sums follow the noise; the sites of memory and batch move
//! together, and a move that lowers the bound is shortened.

mod draw;
mod hyper;
mod remember;
mod rows;
mod stored;
#[cfg(test)]
mod tests;

use crate::dual::{BatchSites, DualPosterior, Sums};
use crate::exact::{checked_variances, in_blocks};
use crate::kernel::Kernel;
use crate::likelihood::MultiLikelihood;
use crate::path::joint_paths;
use crate::site::PRECISION_FLOOR;
use elbo_core::{Result, Rng, Run};
use elbo_linalg::pivoted_cholesky;
use elbo_tensor::{Parameters, Tensor, no_grad};
use rows::{Kept, RowSites, View};

/// How a batch is absorbed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Absorb {
    /// Inducing points, at most.
    pub inducing: usize,
    /// Rows of a batch that join the memory.
    pub remembered: usize,
    /// Rows in memory, at most.
    pub memory: usize,
    /// Updates of the sites of memory and batch, at most, each time they settle.
    pub sweeps: usize,
    /// Length of a site update, in (0, 1]; halved while the bound would fall.
    pub rho: f64,
    /// L-BFGS iterations on the hyperparameters a round; zero holds them.
    pub moves: usize,
    /// Rounds a batch, at most, of placing inducing points, updating sites and moving hyperparameters.
    pub rounds: usize,
    /// Whether half of the chances to be drawn into memory are in proportion to leverage; otherwise all rows are alike.
    pub by_leverage: bool,
    /// What stands for the past when hyperparameters move.
    pub past: Past,
}

/// Hyperparameters whose unconstrained values move by less than this in a round have settled.
const SETTLED: f64 = 1e-3;

/// Inducing points are enough when they leave no more than this share of the prior variance.
const RESIDUAL: f64 = 1e-6;

/// The same of points that are held: the kernel that is learned later may be rougher than the one that chose them.
const HELD_RESIDUAL: f64 = 1e-10;

/// Updates are not shortened beyond this: sites that no longer one improves have settled.
const SHORTEST: f64 = 1e-4;

/// Falls of the bound by less than this share are rounding.
const ROUNDING: f64 = 1e-10;

/// The share of the sites of rows that leave which goes to rows in memory, unless the likelihood is conjugate.
const HANDED_ON: f64 = 0.5;

/// What stands for the past when hyperparameters move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// The rows in memory, each weighted by the inverse of its chance to be there.
    Memory,
    /// The Gaussian factor that earlier sites left, as streaming sparse processes carry it: the baseline. After Bui, Nguyen and
    /// Turner (2017).
    Sites,
}

/// A sparse Gaussian process of a stream.
pub struct MemoryGp {
    kernel: Box<dyn Kernel>,
    likelihood: Box<dyn MultiLikelihood>,
    z: Tensor,
    /// Sums of sites of the rows that are gone, one a latent function.
    gone: Vec<Sums>,
    kept: Kept,
    seen: usize,
    /// Sums of everything, kept up to date.
    sums: Vec<Sums>,
    /// Whether inducing points stay where they are.
    is_held: bool,
}

/// The rows of a batch with their sites.
struct Batch<'a> {
    x: &'a Tensor,
    y: &'a [f64],
    sites: RowSites,
}

fn of_sums(kuu_chol: &Tensor, sums: &[Sums]) -> Result<Vec<DualPosterior>> {
    sums.iter().map(|sums| DualPosterior::from_chol(kuu_chol, sums)).collect()
}

/// What a posterior asks of rows.
struct Asked {
    /// `E[log p(y | f)]` of each row, nats.
    expected: Vec<f64>,
    sites: RowSites,
    /// Of each row: the sum over latent functions of a site's precision times the marginal variance.
    leverage: Vec<f64>,
}

impl MemoryGp {
    /// A process that has seen nothing, for inputs of `dims` columns.
    pub fn new(kernel: Box<dyn Kernel>, likelihood: Box<dyn MultiLikelihood>, dims: usize) -> Self {
        let latents = likelihood.latents();
        Self {
            kernel,
            likelihood,
            z: Tensor::from_vec(vec![], &[0, dims]),
            gone: vec![Sums::zero(0); latents],
            kept: Kept::nothing(latents, dims),
            seen: 0,
            sums: vec![Sums::zero(0); latents],
            is_held: false,
        }
    }

    /// The same with inducing points that stay where they are, at most `count` of the rows `x: [N, D]`, for a process that has seen nothing.
    ///
    /// # Errors
    /// When the kernel's values are not finite.
    ///
    /// # Panics
    /// When rows were seen already.
    pub fn with_held_inducing(mut self, x: &Tensor, count: usize) -> Result<Self> {
        assert_eq!(self.seen, 0, "inducing points are held from the beginning");
        self.z = no_grad(|| self.chosen(x, HELD_RESIDUAL, count))?;
        let nothing = vec![Sums::zero(self.z.size(0)); self.gone.len()];
        (self.gone, self.sums, self.is_held) = (nothing.clone(), nothing, true);
        Ok(self)
    }

    /// The kernel.
    pub fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }

    /// The likelihood.
    pub fn likelihood(&self) -> &dyn MultiLikelihood {
        self.likelihood.as_ref()
    }

    /// Inducing inputs, `[M, D]`.
    pub fn inducing(&self) -> &Tensor {
        &self.z
    }

    /// Inputs `[R, D]` and targets `[R]` in memory.
    pub fn memory(&self) -> (&Tensor, &[f64]) {
        (&self.kept.x, &self.kept.y)
    }

    /// For each row in memory, how many rows seen it stands for: sums over the memory with these weights estimate, without bias, sums
    /// over all rows seen, as long as each of them had a chance to be remembered. `[R]`.
    pub fn memory_weights(&self) -> &[f64] {
        &self.kept.weights
    }

    /// Rows seen so far.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// The sum over all rows seen, and latent functions, of leverage as the inducing points see it: the precision of a site times the variance of
    /// what it acts on. It is how many of the inducing variables the data determine, at most their number times that of latent functions.
    ///
    /// # Errors
    /// When `K_uu` is not positive definite within the jitter policy.
    pub fn leverage(&self) -> Result<f64> {
        no_grad(|| {
            let kuu_chol = self.kernel.gram_symmetric(&self.z).cholesky()?;
            Ok(of_sums(&kuu_chol, &self.sums)?.iter().map(|posterior| posterior.leverage().item()).sum())
        })
    }

    /// Absorbs a batch `x: [B, D]`, `y: [B]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] for targets outside the likelihood's support; when `K_uu` is not positive definite within the jitter
    /// policy.
    pub fn absorb(&mut self, x: &Tensor, y: &[f64], how: Absorb, run: &mut Run) -> Result<()> {
        self.likelihood.check_targets(y)?;
        let mut batch = Batch { x, y, sites: RowSites::flat(self.gone.len(), y.len()) };
        for _ in 0..if how.moves == 0 { 1 } else { how.rounds } {
            no_grad(|| self.place_inducing(&batch, how))?;
            no_grad(|| self.settle(&mut batch, how))?;
            if how.moves > 0 {
                let before = self.pack();
                self.move_hyperparameters(&batch, how, run)?;
                no_grad(|| self.settle(&mut batch, how))?;
                if self.pack().iter().zip(&before).all(|(a, b)| (a - b).abs() < SETTLED) {
                    break;
                }
            }
        }
        self.seen += y.len();
        no_grad(|| self.remember(&batch, how, &mut run.rng))
    }

    /// Chooses inducing points among the old ones, the memory and the batch by pivoted Cholesky. The memory takes part since a kernel that has
    /// become rougher needs points again where the stream has been.
    fn place_inducing(&mut self, batch: &Batch<'_>, how: Absorb) -> Result<()> {
        if self.is_held {
            self.sums = self.total(&self.gone, Some(batch));
            return Ok(());
        }
        let candidates = Tensor::cat(&[self.z.clone(), self.kept.x.clone(), batch.x.clone()], 0);
        let z = self.chosen(&candidates, RESIDUAL, how.inducing)?;
        if self.z.shape()[0] == 0 {
            self.gone = vec![Sums::zero(z.size(0)); self.gone.len()];
        } else {
            let p = self.kernel.gram_symmetric(&self.z).cholesky()?.cholesky_solve(&self.kernel.gram(&self.z, &z));
            self.gone = self.gone.iter().map(|s| s.project(&p)).collect();
        }
        self.z = z;
        self.sums = self.total(&self.gone, Some(batch));
        Ok(())
    }

    /// At most `count` of these rows by pivoted Cholesky of the kernel, which ends when they leave at most the share `residual` of the prior variance.
    fn chosen(&self, candidates: &Tensor, residual: f64, count: usize) -> Result<Tensor> {
        let diagonal = self.kernel.diag(candidates).to_vec();
        let column = |pivot: usize, out: &mut [f64]| {
            let cross = self.kernel.gram(candidates, &candidates.narrow(0, pivot, 1));
            out.copy_from_slice(&cross.as_f64());
        };
        let pivots = pivoted_cholesky(&diagonal, column, residual, count)?.pivots;
        Ok(candidates.index_select(0, &Tensor::indices(&pivots)))
    }

    /// Sums of everything, given those of the rows that are gone; differentiable in the kernel's parameters.
    fn total(&self, gone: &[Sums], batch: Option<&Batch<'_>>) -> Vec<Sums> {
        let mut sums = gone.to_vec();
        let mut add = |x: &Tensor, sites: &RowSites| {
            if sites.len() > 0 {
                let kuf = self.kernel.gram(&self.z, x);
                sums.iter_mut().zip(&sites.0).for_each(|(sum, s)| *sum = sum.plus(&s.sums(&kuf), 1.0));
            }
        };
        add(&self.kept.x, &self.kept.sites);
        if let Some(batch) = batch {
            add(batch.x, &batch.sites);
        }
        sums
    }

    /// Site updates of memory and batch together. Where softmax is saturated on the wrong side, as when a class arrives that was ruled out
    /// so far, its curvature vanishes and a step of the natural gradient overshoots; a step that lowers the bound is halved.
    fn settle(&mut self, batch: &mut Batch<'_>, how: Absorb) -> Result<()> {
        let kept = self.kept.len();
        let y = [self.kept.y.as_slice(), batch.y].concat();
        let rows = self.view(&Tensor::cat(&[self.kept.x.clone(), batch.x.clone()], 0))?;
        let mut sites = self.kept.sites.clone();
        sites.extend(&batch.sites);
        let mut now = self.bound(&rows, &y, &sites)?;
        let mut rho = how.rho;
        for _ in 0..how.sweeps {
            let better = loop {
                let trial = sites.towards(&now.1, rho);
                let found = self.bound(&rows, &y, &trial)?;
                if found.0 >= now.0 - ROUNDING * now.0.abs() {
                    break Some((trial, found));
                }
                rho *= 0.5;
                if rho < SHORTEST {
                    break None;
                }
            };
            let Some(next) = better else { break };
            (sites, now) = next;
            rho = (2.0 * rho).min(how.rho);
        }
        self.kept.sites = sites.take(&(0..kept).collect::<Vec<_>>());
        batch.sites = sites.take(&(kept..y.len()).collect::<Vec<_>>());
        self.sums = self.total(&self.gone, Some(batch));
        Ok(())
    }

    /// The bound that these sites of memory and batch lead to, in nats and up to a constant, and the sites that their posterior asks for.
    ///
    /// With `q` proportional to the prior, the factors of rows that are gone, and the sites `exp(alpha s - beta s²/2)` of the projections `s`
    /// of `f`, the bound is `sum of [E log p(y | f) - E(alpha s - beta s²/2)] + log_normaliser`; a row in memory, and with it the site that it asks
    /// for, counts as often as it has sites to speak for.
    fn bound(&self, rows: &View, y: &[f64], sites: &RowSites) -> Result<(f64, RowSites)> {
        let sum = |(gone, s): (&Sums, &BatchSites)| gone.plus(&s.sums(&rows.kuf), 1.0);
        let sums: Vec<Sums> = self.gone.iter().zip(&sites.0).map(sum).collect();
        let posteriors = of_sums(&rows.kuu_chol, &sums)?;
        let (mean, variance) = rows.marginals(&posteriors);
        let (mean, variance, left) = (mean.to_vec(), variance.to_vec(), rows.left.to_vec());
        let Asked { expected, sites: asked, .. } = self.ask(y, &mean, &variance);
        let mut counts = self.counts(&self.kept.weights);
        counts.resize(y.len(), 1.0);
        let latents = self.gone.len();
        let mut bound = posteriors.iter().map(|p| p.log_normaliser().item()).sum::<f64>();
        bound += expected.iter().zip(&counts).map(|(e, count)| e * count).sum::<f64>();
        for (p, site) in sites.0.iter().enumerate() {
            for n in 0..y.len() {
                let (m, v) = (mean[n * latents + p], variance[n * latents + p] - left[n]);
                bound -= site.shift[n] * m - 0.5 * site.precision[n] * (m * m + v);
            }
        }
        Ok((bound, asked.scaled(&counts)))
    }

    /// The share of the sites of rows that leave which goes to rows in memory.
    fn handed_on(&self) -> f64 {
        if self.likelihood.is_conjugate() { 0.0 } else { HANDED_ON }
    }

    /// For rows that stand for this many, how many sites they speak for: their own, and a share of those of the others.
    fn counts(&self, weights: &[f64]) -> Vec<f64> {
        weights.iter().map(|weight| 1.0 + self.handed_on() * (weight - 1.0)).collect()
    }

    /// Rows `x: [B, D]` as the inducing variables see them.
    fn view(&self, x: &Tensor) -> Result<View> {
        let kuu_chol = self.kernel.gram_symmetric(&self.z).cholesky()?;
        Ok(View::new(self.kernel.as_ref(), &kuu_chol, &self.z, x))
    }

    /// Expected log probabilities, sites and leverages at marginals `mean`, `variance`, both `[B, P]` row-major.
    fn ask(&self, y: &[f64], mean: &[f64], variance: &[f64]) -> Asked {
        let latents = self.gone.len();
        let nothing = vec![0.0; y.len()];
        let sites = RowSites::flat(latents, y.len());
        let mut asked = Asked { expected: nothing.clone(), sites, leverage: nothing };
        let (mut dm, mut dv) = (vec![0.0; latents], vec![0.0; latents]);
        for n in 0..y.len() {
            let (m, v) = (&mean[n * latents..(n + 1) * latents], &variance[n * latents..(n + 1) * latents]);
            asked.expected[n] = self.likelihood.expected(y[n], m, v, &mut dm, &mut dv);
            let precisions = self.likelihood.expected_precision(y[n], m, v, &dv);
            for (p, site) in asked.sites.0.iter_mut().enumerate() {
                let precision = precisions[p].max(PRECISION_FLOOR);
                site.precision[n] = precision;
                site.shift[n] = dm[p] + precision * m[p];
                asked.leverage[n] += precision * v[p].max(0.0);
            }
        }
        asked
    }

    /// Means and variances of the latent functions at `x: [N*, D]`, both `[N*, P]` row-major.
    ///
    /// # Errors
    /// When `K_uu` is not positive definite within the jitter policy, or a variance is negative beyond rounding.
    pub fn predict(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        let latents = self.gone.len();
        let kuu_chol = no_grad(|| self.kernel.gram_symmetric(&self.z).cholesky())?;
        let posteriors = no_grad(|| of_sums(&kuu_chol, &self.sums))?;
        in_blocks(x, |x| {
            let (mean, variance) = View::new(self.kernel.as_ref(), &kuu_chol, &self.z, x).marginals(&posteriors);
            let prior: Vec<f64> =
                self.kernel.diag(x).to_vec().into_iter().flat_map(|v| std::iter::repeat_n(v, latents)).collect();
            Ok((mean.to_vec(), checked_variances(variance.to_vec(), &prior)?))
        })
    }

    /// Mean `[N*]` and covariance `[N*, N*]` of one of the latent functions at `x: [N*, D]`.
    ///
    /// # Errors
    /// When `K_uu` is not positive definite within the jitter policy.
    ///
    /// # Panics
    /// When there is no such latent function.
    pub fn joint(&self, latent: usize, x: &Tensor) -> Result<(Tensor, Tensor)> {
        no_grad(|| {
            let view = self.view(x)?;
            let left = self.kernel.gram_symmetric(x) - view.whitened.t().matmul(&view.whitened);
            Ok(DualPosterior::from_chol(&view.kuu_chol, &self.sums[latent])?.joint_whitened(&view.whitened, &left))
        })
    }

    /// Joint draws at `x: [N*, D]` of the latent function that observations are plus noise, `[count, N*]` row-major; `None` where the
    /// likelihood has none.
    ///
    /// # Errors
    /// As [`MemoryGp::joint`], also when the covariance at `x` is not positive semi-definite within the jitter policy.
    pub fn sample_paths(&self, x: &Tensor, count: usize, rng: &mut Rng) -> Result<Option<Vec<f64>>> {
        let Some(latent) = self.likelihood.location() else { return Ok(None) };
        joint_paths(x, count, rng, |x| self.joint(latent, x)).map(Some)
    }
}
