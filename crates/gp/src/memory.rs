//! Sequential learning in dual form: batches arrive, the past is gone but for a small memory chosen by leverage.
//!
//! What the data said is kept in two forms. Rows that are gone are a sum of sites as the inducing points see them; it is moved onto new
//! inducing points, and follows the kernel with its natural parameters held. Rows at hand, the memory and the present batch, keep a site each, so
//! what they say is computed anew whenever inducing points or kernel change. All parts are sums of positive terms, and nothing is ever
//! subtracted: a precision stays one.
//!
//! # Source
//! Chang, Verma, John, Solin and Khan (2023), memory-based dual Gaussian processes. Deviations: the sites of memory and batch move together, and
//! a move that lowers the bound is shortened.

use crate::dual::{BatchSites, DualPosterior, Sums};
use crate::exact::{checked_variances, in_blocks};
use crate::kernel::Kernel;
use crate::likelihood::{MultiLikelihood, expected_log_prob_multi};
use crate::site::PRECISION_FLOOR;
use elbo_core::{Error, ModelFile, Result, Rng, Run, Snapshot, Step};
use elbo_linalg::pivoted_cholesky;
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut, no_grad, stored};

/// How a batch is absorbed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Absorb {
    /// Inducing points, at most.
    pub inducing: usize,
    /// Rows of a batch that join the memory.
    pub remembered: usize,
    /// Rows in memory, at most; those of least leverage leave.
    pub memory: usize,
    /// Updates of the sites of memory and batch, at most, each time they settle.
    pub sweeps: usize,
    /// Length of a site update, in (0, 1]; halved while the bound would fall.
    pub rho: f64,
    /// L-BFGS iterations on the hyperparameters a round; zero holds them.
    pub moves: usize,
    /// Rounds a batch, at most, of placing inducing points, updating sites and moving hyperparameters.
    pub rounds: usize,
    /// Whether rows join the memory with probability in proportion to leverage; otherwise all alike.
    pub by_leverage: bool,
    /// What stands for the past when hyperparameters move.
    pub past: Past,
}

/// Hyperparameters whose unconstrained values move by less than this in a round have settled.
const SETTLED: f64 = 1e-3;

/// Updates are not shortened beyond this: sites that no longer one improves have settled.
const SHORTEST: f64 = 1e-4;

/// Falls of the bound by less than this share are rounding.
const ROUNDING: f64 = 1e-10;

/// What stands for the past when hyperparameters move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// The rows in memory, weighted to the number of rows seen.
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
    memory_x: Tensor,
    memory_y: Vec<f64>,
    memory_sites: RowSites,
    seen: usize,
    /// Sums of everything, kept up to date.
    sums: Vec<Sums>,
}

/// A site for every row and latent function.
#[derive(Clone)]
struct RowSites(Vec<BatchSites>);

impl RowSites {
    fn flat(latents: usize, rows: usize) -> Self {
        Self(vec![BatchSites { shift: vec![0.0; rows], precision: vec![0.0; rows] }; latents])
    }

    /// The share `rho` of the way to `new`.
    fn towards(&self, new: &Self, rho: f64) -> Self {
        let mix = |old: &[f64], new: &[f64]| old.iter().zip(new).map(|(o, n)| o + rho * (n - o)).collect();
        let each = |(old, new): (&BatchSites, &BatchSites)| BatchSites {
            shift: mix(&old.shift, &new.shift),
            precision: mix(&old.precision, &new.precision),
        };
        Self(self.0.iter().zip(&new.0).map(each).collect())
    }

    fn take(&self, rows: &[usize]) -> Self {
        let pick = |v: &[f64]| rows.iter().map(|i| v[*i]).collect();
        let each = |s: &BatchSites| BatchSites { shift: pick(&s.shift), precision: pick(&s.precision) };
        Self(self.0.iter().map(each).collect())
    }

    fn extend(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            own.shift.extend(&other.shift);
            own.precision.extend(&other.precision);
        }
    }

    fn len(&self) -> usize {
        self.0[0].shift.len()
    }
}

/// The rows of a batch with their sites.
struct Batch<'a> {
    x: &'a Tensor,
    y: &'a [f64],
    sites: RowSites,
}

/// Rows as the inducing variables see them.
struct View {
    /// `chol(K_uu)`, `[M, M]`.
    kuu_chol: Tensor,
    /// `K_uf`, `[M, B]`.
    kuf: Tensor,
    /// `chol(K_uu)⁻¹ K_uf`, `[M, B]`.
    whitened: Tensor,
    /// Prior variances that the inducing variables leave, `[B]`.
    left: Tensor,
}

impl View {
    fn new(kernel: &dyn Kernel, kuu_chol: &Tensor, z: &Tensor, x: &Tensor) -> Self {
        let kuf = kernel.gram(z, x);
        let whitened = kuu_chol.solve_lower(&kuf);
        let left = kernel.diag(x) - whitened.square().sum_axis(0, false);
        Self { kuu_chol: kuu_chol.clone(), kuf, whitened, left }
    }

    /// Means and variances of the latent functions under these posteriors, both `[B, P]`.
    fn marginals(&self, posteriors: &[DualPosterior]) -> (Tensor, Tensor) {
        let parts = posteriors.iter().map(|posterior| posterior.marginals_whitened(&self.whitened, &self.left));
        let (means, variances): (Vec<Tensor>, Vec<Tensor>) = parts.unzip();
        (Tensor::stack(&means, 1), Tensor::stack(&variances, 1))
    }
}

fn of_sums(kuu_chol: &Tensor, sums: &[Sums]) -> Result<Vec<DualPosterior>> {
    sums.iter().map(|sums| DualPosterior::from_chol(kuu_chol, sums)).collect()
}

/// What a posterior asks of rows.
struct Asked {
    /// `sum of E[log p(y | f)]`, nats.
    expected: f64,
    sites: RowSites,
    /// Of each row: the sum over latent functions of a site's precision times the marginal variance.
    leverage: Vec<f64>,
}

impl MemoryGp {
    /// A process that has seen nothing, for inputs of `dims` columns.
    pub fn new(kernel: Box<dyn Kernel>, likelihood: Box<dyn MultiLikelihood>, dims: usize) -> Self {
        let latents = likelihood.latents();
        let nothing = Tensor::from_vec(vec![], &[0, dims]);
        Self {
            kernel,
            likelihood,
            z: nothing.clone(),
            gone: vec![Sums::zero(0); latents],
            memory_x: nothing,
            memory_y: vec![],
            memory_sites: RowSites::flat(latents, 0),
            seen: 0,
            sums: vec![Sums::zero(0); latents],
        }
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
        (&self.memory_x, &self.memory_y)
    }

    /// Rows seen so far.
    pub fn seen(&self) -> usize {
        self.seen
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
        let candidates = Tensor::cat(&[self.z.clone(), self.memory_x.clone(), batch.x.clone()], 0);
        let diagonal = self.kernel.diag(&candidates).to_vec();
        let column = |pivot: usize, out: &mut [f64]| {
            let cross = self.kernel.gram(&candidates, &candidates.narrow(0, pivot, 1));
            out.copy_from_slice(&cross.as_f64());
        };
        let pivots = pivoted_cholesky(&diagonal, column, 1e-6, how.inducing)?.pivots;
        let z = candidates.index_select(0, &Tensor::indices(&pivots));
        if self.z.shape()[0] == 0 {
            self.gone = vec![Sums::zero(pivots.len()); self.gone.len()];
        } else {
            let p = self.kernel.gram_symmetric(&self.z).cholesky()?.cholesky_solve(&self.kernel.gram(&self.z, &z));
            self.gone = self.gone.iter().map(|s| s.project(&p)).collect();
        }
        self.z = z;
        self.sums = self.total(&self.gone, Some(batch));
        Ok(())
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
        add(&self.memory_x, &self.memory_sites);
        if let Some(batch) = batch {
            add(batch.x, &batch.sites);
        }
        sums
    }

    /// Site updates of memory and batch together. Where softmax is saturated on the wrong side, as when a class arrives that was ruled out
    /// so far, its curvature vanishes and a step of the natural gradient overshoots; a step that lowers the bound is halved.
    fn settle(&mut self, batch: &mut Batch<'_>, how: Absorb) -> Result<()> {
        let kept = self.memory_y.len();
        let y = [self.memory_y.as_slice(), batch.y].concat();
        let rows = self.view(&Tensor::cat(&[self.memory_x.clone(), batch.x.clone()], 0))?;
        let mut sites = self.memory_sites.clone();
        sites.extend(&batch.sites);
        let mut now = self.bound(&rows, &y, &sites)?;
        let mut rho = how.rho;
        for _ in 0..how.sweeps {
            let better = loop {
                let trial = sites.towards(&now.1.sites, rho);
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
        self.memory_sites = sites.take(&(0..kept).collect::<Vec<_>>());
        batch.sites = sites.take(&(kept..y.len()).collect::<Vec<_>>());
        self.sums = self.total(&self.gone, Some(batch));
        Ok(())
    }

    /// The bound that these sites of memory and batch lead to, in nats and up to a constant, and the sites that their posterior asks for.
    ///
    /// With `q` proportional to the prior, the factors of rows that are gone, and the sites `exp(alpha s - beta s²/2)` of the projections `s`
    /// of `f`, the bound is `sum of [E log p(y | f) - E(alpha s - beta s²/2)] + log_normaliser`.
    fn bound(&self, rows: &View, y: &[f64], sites: &RowSites) -> Result<(f64, Asked)> {
        let sum = |(gone, s): (&Sums, &BatchSites)| gone.plus(&s.sums(&rows.kuf), 1.0);
        let sums: Vec<Sums> = self.gone.iter().zip(&sites.0).map(sum).collect();
        let posteriors = of_sums(&rows.kuu_chol, &sums)?;
        let (mean, variance) = rows.marginals(&posteriors);
        let (mean, variance, left) = (mean.to_vec(), variance.to_vec(), rows.left.to_vec());
        let asked = self.ask(y, &mean, &variance);
        let latents = self.gone.len();
        let mut bound = asked.expected + posteriors.iter().map(|p| p.log_normaliser().item()).sum::<f64>();
        for (p, site) in sites.0.iter().enumerate() {
            for n in 0..y.len() {
                let (m, v) = (mean[n * latents + p], variance[n * latents + p] - left[n]);
                bound -= site.shift[n] * m - 0.5 * site.precision[n] * (m * m + v);
            }
        }
        Ok((bound, asked))
    }

    /// Rows `x: [B, D]` as the inducing variables see them.
    fn view(&self, x: &Tensor) -> Result<View> {
        let kuu_chol = self.kernel.gram_symmetric(&self.z).cholesky()?;
        Ok(View::new(self.kernel.as_ref(), &kuu_chol, &self.z, x))
    }

    /// What the present posterior asks of these rows.
    fn sites(&self, x: &Tensor, y: &[f64]) -> Result<Asked> {
        let rows = self.view(x)?;
        let (mean, variance) = rows.marginals(&of_sums(&rows.kuu_chol, &self.sums)?);
        Ok(self.ask(y, &mean.to_vec(), &variance.to_vec()))
    }

    /// Sites and leverages at marginals `mean`, `variance`, both `[B, P]` row-major.
    fn ask(&self, y: &[f64], mean: &[f64], variance: &[f64]) -> Asked {
        let latents = self.gone.len();
        let mut asked = Asked { expected: 0.0, sites: RowSites::flat(latents, y.len()), leverage: vec![0.0; y.len()] };
        let (mut dm, mut dv) = (vec![0.0; latents], vec![0.0; latents]);
        for n in 0..y.len() {
            let (m, v) = (&mean[n * latents..(n + 1) * latents], &variance[n * latents..(n + 1) * latents]);
            asked.expected += self.likelihood.expected(y[n], m, v, &mut dm, &mut dv);
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

    /// L-BFGS on the bound of batch and memory, the memory standing for all rows seen, with sites held: each of a row at hand, and the
    /// natural parameters of those that are gone, whose sums follow the kernel.
    fn move_hyperparameters(&mut self, batch: &Batch<'_>, how: Absorb, run: &mut Run) -> Result<()> {
        let kuu_chol = no_grad(|| self.kernel.gram_symmetric(&self.z).cholesky())?;
        let natural = |sums: &Sums| Sums {
            shift_bar: kuu_chol.cholesky_solve(&sums.shift_bar.unsqueeze(1)).squeeze(1),
            precision_bar: kuu_chol.cholesky_solve(&kuu_chol.cholesky_solve(&sums.precision_bar).t()),
        };
        let held: Vec<Sums> = no_grad(|| self.gone.iter().map(natural).collect());
        let loss = |model: &Self, _: &mut Run| {
            let kuu = model.kernel.gram_symmetric(&model.z);
            let gone: Vec<Sums> = held.iter().map(|h| seen_through(h, &kuu)).collect();
            let sums = model.total(&gone, Some(batch));
            let kuu_chol = kuu.cholesky()?;
            let posteriors = of_sums(&kuu_chol, &sums)?;
            let part = |x: &Tensor, y: &[f64], scale: f64| {
                let rows = View::new(model.kernel.as_ref(), &kuu_chol, &model.z, x);
                let (mean, variance) = rows.marginals(&posteriors);
                expected_log_prob_multi(model.likelihood.as_ref(), y, &mean, &variance) * scale
            };
            let mut bound = part(batch.x, batch.y, 1.0);
            if how.past == Past::Memory && !model.memory_y.is_empty() {
                let weight = model.seen as f64 / model.memory_y.len() as f64;
                bound = bound + part(&model.memory_x, &model.memory_y, weight);
            }
            if how.past == Past::Sites {
                for (posterior, old) in posteriors.iter().zip(&held) {
                    let (mean, covariance) = posterior.moments();
                    let second = covariance + mean.unsqueeze(1) * mean.unsqueeze(0);
                    bound = bound + (&old.shift_bar * &mean).sum() - (&old.precision_bar * second).sum() * 0.5;
                }
            }
            for posterior in &posteriors {
                bound = bound - posterior.kl();
            }
            Ok(-bound - model.weak_prior())
        };
        let before = self.pack();
        let step = Lbfgs::default().on(loss);
        let mut memory = step.init(self, run)?;
        for _ in 0..how.moves {
            match step.step(self, &mut memory, run) {
                Ok(progress) if progress.converged => break,
                Ok(_) => {}
                Err(error) if error.is_recoverable() => {
                    self.unpack(&before);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        no_grad(|| {
            let kuu = self.kernel.gram_symmetric(&self.z);
            self.gone = held.iter().map(|h| seen_through(h, &kuu)).collect();
            self.sums = self.total(&self.gone, Some(batch));
        });
        Ok(())
    }

    /// A weak normal prior, of standard deviation two, on the logarithms of the kernel's positive parameters: the
    /// memory-weighted bound alone can drive the amplitude to its limits.
    fn weak_prior(&self) -> Tensor {
        let mut terms = vec![];
        self.kernel.visit(&mut |_, p| {
            if p.constraint() == elbo_tensor::Constraint::Positive && !p.is_frozen() {
                terms.push(p.leaf().square().sum() * -0.125);
            }
        });
        terms.into_iter().sum()
    }

    /// Draws rows of the batch into memory, without replacement, and evicts those of least leverage beyond the limit. The others are gone: what
    /// they said stays as sums.
    fn remember(&mut self, batch: &Batch<'_>, how: Absorb, rng: &mut Rng) -> Result<()> {
        let rows = batch.y.len();
        let mut weights = if how.by_leverage { self.sites(batch.x, batch.y)?.leverage } else { vec![1.0; rows] };
        let mut chosen = vec![];
        for _ in 0..how.remembered.min(rows) {
            if weights.iter().sum::<f64>() <= 0.0 {
                break;
            }
            let i = rng.weighted(&weights);
            weights[i] = 0.0;
            chosen.push(i);
        }
        let others: Vec<usize> = (0..rows).filter(|i| !chosen.contains(i)).collect();
        self.forget(&batch.x.index_select(0, &Tensor::indices(&others)), &batch.sites.take(&others));
        self.memory_x = Tensor::cat(&[self.memory_x.clone(), batch.x.index_select(0, &Tensor::indices(&chosen))], 0);
        self.memory_y.extend(chosen.iter().map(|i| batch.y[*i]));
        self.memory_sites.extend(&batch.sites.take(&chosen));
        if self.memory_y.len() > how.memory {
            let leverage = self.sites(&self.memory_x, &self.memory_y)?.leverage;
            let mut order: Vec<usize> = (0..leverage.len()).collect();
            order.sort_by(|a, b| leverage[*b].total_cmp(&leverage[*a]).then(a.cmp(b)));
            let mut evicted = order.split_off(how.memory);
            order.sort_unstable();
            evicted.sort_unstable();
            let (x, sites) = (self.memory_x.clone(), self.memory_sites.clone());
            self.forget(&x.index_select(0, &Tensor::indices(&evicted)), &sites.take(&evicted));
            self.memory_x = x.index_select(0, &Tensor::indices(&order));
            self.memory_y = order.iter().map(|i| self.memory_y[*i]).collect();
            self.memory_sites = sites.take(&order);
        }
        self.sums = self.total(&self.gone, None);
        Ok(())
    }

    /// Adds what these rows said to the sums of those that are gone.
    fn forget(&mut self, x: &Tensor, sites: &RowSites) {
        if sites.len() > 0 {
            let kuf = self.kernel.gram(&self.z, x);
            self.gone.iter_mut().zip(&sites.0).for_each(|(sum, s)| *sum = sum.plus(&s.sums(&kuf), 1.0));
        }
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
}

/// Natural site parameters as sums seen through a kernel: `K λ`, `K Λ K`.
fn seen_through(natural: &Sums, kuu: &Tensor) -> Sums {
    let precision = kuu.matmul(&natural.precision_bar.matmul(kuu));
    Sums { shift_bar: kuu.matmul(&natural.shift_bar), precision_bar: (&precision + precision.t()) * 0.5 }
}

impl Parameters for MemoryGp {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("kernel", &self.kernel, f);
        nested("likelihood", &self.likelihood, f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("kernel", &mut self.kernel, f);
        nested_mut("likelihood", &mut self.likelihood, f);
    }
}

impl Snapshot for MemoryGp {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
        for (name, t) in [("z", &self.z), ("memory_x", &self.memory_x)] {
            file.put(&format!("{prefix}.{name}"), t.shape(), &t.to_vec());
        }
        self.memory_y.save(file, &format!("{prefix}.memory_y"));
        for (p, (sums, sites)) in self.gone.iter().zip(&self.memory_sites.0).enumerate() {
            sums.save(file, &format!("{prefix}.gone.{p}"));
            sites.shift.save(file, &format!("{prefix}.memory.{p}.shift"));
            sites.precision.save(file, &format!("{prefix}.memory.{p}.precision"));
        }
        file.set(&format!("{prefix}.seen"), &self.seen);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)?;
        let name = |part: &str| format!("{prefix}.{part}");
        let dims = self.z.size(1);
        let rows = |part: &str| file.rows(&name(part), &[dims]);
        let (m, kept) = (rows("z")?, rows("memory_x")?);
        self.z = stored(file, &name("z"), &[m, dims])?;
        self.memory_x = stored(file, &name("memory_x"), &[kept, dims])?;
        self.memory_y = file.get_as(&name("memory_y"), &[kept])?;
        for (p, (sums, sites)) in self.gone.iter_mut().zip(&mut self.memory_sites.0).enumerate() {
            sums.restore(file, &name(&format!("gone.{p}")))?;
            if sums.shift_bar.len() != m {
                return Err(Error::misfit("the sums of the rows that are gone are not those of the inducing points"));
            }
            sites.shift = file.get_as(&name(&format!("memory.{p}.shift")), &[kept])?;
            sites.precision = file.get_as(&name(&format!("memory.{p}.precision")), &[kept])?;
        }
        self.seen = file.fact(&format!("{prefix}.seen"))?;
        self.sums = no_grad(|| self.total(&self.gone, None));
        Ok(())
    }
}
