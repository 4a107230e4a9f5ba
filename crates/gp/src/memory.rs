//! Sequential learning in dual form: batches arrive, the past is gone but for a small memory chosen by leverage.
//!
//! # Source
//! Chang, Verma, John, Solin and Khan (2023), memory-based dual Gaussian processes.

use crate::dual::{DualPosterior, Sums};
use crate::exact::{checked_variances, in_blocks};
use crate::kernel::Kernel;
use crate::likelihood::{MultiLikelihood, expected_log_prob_multi};
use crate::site::PRECISION_FLOOR;
use elbo_core::{ModelFile, Result, Rng, Run, Snapshot, Step};
use elbo_linalg::pivoted_cholesky;
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut, no_grad};

/// How a batch is absorbed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Absorb {
    /// Inducing points, at most.
    pub inducing: usize,
    /// Rows of a batch that join the memory.
    pub remembered: usize,
    /// Rows in memory, at most; those of least leverage leave.
    pub memory: usize,
    /// Site updates a batch.
    pub sweeps: usize,
    /// Length of a site update, in (0, 1].
    pub rho: f64,
    /// L-BFGS iterations on the hyperparameters a batch; zero holds them.
    pub moves: usize,
    /// Whether rows join the memory with probability in proportion to leverage; otherwise all alike.
    pub by_leverage: bool,
    /// What stands for the past when hyperparameters move.
    pub past: Past,
}

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
    /// Sums of sites of all data seen, one a latent function.
    sums: Vec<Sums>,
    memory_x: Tensor,
    memory_y: Vec<f64>,
    /// The memory's own part of `sums`, so that it can be renewed.
    memory_sums: Vec<Sums>,
    seen: usize,
}

/// Site quantities of a batch, per latent function, and leverages.
struct Sites {
    sums: Vec<Sums>,
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
            sums: vec![Sums::zero(0); latents],
            memory_x: nothing,
            memory_y: vec![],
            memory_sums: vec![Sums::zero(0); latents],
            seen: 0,
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
        no_grad(|| self.place_inducing(x, how.inducing))?;
        let mut batch = vec![Sums::zero(self.z.shape()[0]); self.sums.len()];
        no_grad(|| self.settle(x, y, &mut batch, how))?;
        if how.moves > 0 {
            self.move_hyperparameters(x, y, &mut batch, how, run)?;
            no_grad(|| self.settle(x, y, &mut batch, how))?;
        }
        self.seen += y.len();
        no_grad(|| self.remember(x, y, how, &mut run.rng))
    }

    /// Chooses inducing points among the old ones and the batch by pivoted Cholesky, and moves all sums onto them.
    fn place_inducing(&mut self, x: &Tensor, most: usize) -> Result<()> {
        let candidates = Tensor::cat(&[self.z.clone(), x.clone()], 0);
        let diagonal = self.kernel.diag(&candidates).to_vec();
        let column = |pivot: usize, out: &mut [f64]| {
            let cross = self.kernel.gram(&candidates, &candidates.narrow(0, pivot, 1));
            out.copy_from_slice(&cross.as_f64());
        };
        let pivots = pivoted_cholesky(&diagonal, column, 1e-6, most)?.pivots;
        let z = candidates.index_select(0, &Tensor::indices(&pivots));
        if self.z.shape()[0] == 0 {
            self.sums = vec![Sums::zero(pivots.len()); self.sums.len()];
            self.memory_sums.clone_from(&self.sums);
        } else {
            let p = self.kernel.gram_symmetric(&self.z).cholesky()?.cholesky_solve(&self.kernel.gram(&self.z, &z));
            self.sums = self.sums.iter().map(|s| s.project(&p)).collect();
            self.memory_sums = self.memory_sums.iter().map(|s| s.project(&p)).collect();
        }
        self.z = z;
        Ok(())
    }

    /// Site updates of the batch, then renewal of the memory's sites at the posterior they lead to. `batch` is the part of `sums`
    /// that the batch already contributed.
    fn settle(&mut self, x: &Tensor, y: &[f64], batch: &mut [Sums], how: Absorb) -> Result<()> {
        for _ in 0..how.sweeps {
            let sites = self.sites(x, y)?;
            for ((total, old), new) in self.sums.iter_mut().zip(batch.iter_mut()).zip(&sites.sums) {
                let step = Sums::zero(old.shift_bar.len()).plus(old, 1.0 - how.rho).plus(new, how.rho);
                *total = total.plus(old, -1.0).plus(&step, 1.0);
                *old = step;
            }
        }
        if !self.memory_y.is_empty() {
            let sites = self.sites(&self.memory_x.clone(), &self.memory_y.clone())?;
            for ((total, old), new) in self.sums.iter_mut().zip(&mut self.memory_sums).zip(sites.sums) {
                *total = total.plus(old, -1.0).plus(&new, 1.0);
                *old = new;
            }
        }
        Ok(())
    }

    fn posteriors(&self) -> Result<Vec<DualPosterior>> {
        let kuu = self.kernel.gram_symmetric(&self.z);
        self.sums.iter().map(|sums| DualPosterior::new(&kuu, sums)).collect()
    }

    /// Means and variances of the latent functions, both `[B, P]`.
    fn marginals(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (kuf, kff) = (self.kernel.gram(&self.z, x), self.kernel.diag(x));
        let parts: Vec<(Tensor, Tensor)> =
            self.posteriors()?.iter().map(|posterior| posterior.marginals(&kuf, &kff)).collect();
        let (means, variances): (Vec<Tensor>, Vec<Tensor>) = parts.into_iter().unzip();
        Ok((Tensor::stack(&means, 1), Tensor::stack(&variances, 1)))
    }

    fn sites(&self, x: &Tensor, y: &[f64]) -> Result<Sites> {
        let (mean, variance) = self.marginals(x)?;
        let (mean, variance, latents) = (mean.to_vec(), variance.to_vec(), self.sums.len());
        let kuf = self.kernel.gram(&self.z, x);
        let (mut alpha, mut beta) = (vec![vec![]; latents], vec![vec![]; latents]);
        let mut leverage = vec![0.0; y.len()];
        let (mut dm, mut dv) = (vec![0.0; latents], vec![0.0; latents]);
        for n in 0..y.len() {
            let at = n * latents..(n + 1) * latents;
            self.likelihood.expected(y[n], &mean[at.clone()], &variance[at.clone()], &mut dm, &mut dv);
            for p in 0..latents {
                let precision = (-2.0 * dv[p]).max(PRECISION_FLOOR);
                beta[p].push(precision);
                alpha[p].push(dm[p] + precision * mean[at.start + p]);
                leverage[n] += precision * variance[at.start + p].max(0.0);
            }
        }
        let b = y.len();
        let sums = alpha
            .into_iter()
            .zip(beta)
            .map(|(alpha, beta)| {
                let weighted = &kuf * Tensor::from_vec(beta, &[b]).sqrt().unsqueeze(0);
                Sums {
                    shift_bar: kuf.matmul(&Tensor::from_vec(alpha, &[b])),
                    precision_bar: weighted.matmul(&weighted.t()),
                }
            })
            .collect();
        Ok(Sites { sums, leverage })
    }

    /// L-BFGS on the bound of batch and memory, the memory standing for all rows seen. The natural parameters of the sites are held, so
    /// the sums follow the kernel.
    fn move_hyperparameters(
        &mut self,
        x: &Tensor,
        y: &[f64],
        batch: &mut [Sums],
        how: Absorb,
        run: &mut Run,
    ) -> Result<()> {
        let kuu_chol = no_grad(|| self.kernel.gram_symmetric(&self.z).cholesky())?;
        let natural = |sums: &Sums| Sums {
            shift_bar: kuu_chol.cholesky_solve(&sums.shift_bar.unsqueeze(1)).squeeze(1),
            precision_bar: kuu_chol.cholesky_solve(&kuu_chol.cholesky_solve(&sums.precision_bar).t()),
        };
        let held: Vec<Sums> = no_grad(|| self.sums.iter().map(natural).collect());
        let (batch_held, memory_held): (Vec<Sums>, Vec<Sums>) =
            no_grad(|| (batch.iter().map(natural).collect(), self.memory_sums.iter().map(natural).collect()));
        let loss = |model: &Self, _: &mut Run| {
            let kuu = model.kernel.gram_symmetric(&model.z);
            let posteriors: Vec<DualPosterior> =
                held.iter().map(|h| DualPosterior::new(&kuu, &seen_through(h, &kuu))).collect::<Result<_>>()?;
            let part = |x: &Tensor, y: &[f64], scale: f64| {
                let (kuf, kff) = (model.kernel.gram(&model.z, x), model.kernel.diag(x));
                let parts: Vec<(Tensor, Tensor)> = posteriors.iter().map(|q| q.marginals(&kuf, &kff)).collect();
                let (means, variances): (Vec<Tensor>, Vec<Tensor>) = parts.into_iter().unzip();
                let (mean, variance) = (Tensor::stack(&means, 1), Tensor::stack(&variances, 1));
                expected_log_prob_multi(model.likelihood.as_ref(), y, &mean, &variance) * scale
            };
            let mut bound = part(x, y, 1.0);
            if how.past == Past::Memory && !model.memory_y.is_empty() {
                bound = bound + part(&model.memory_x, &model.memory_y, model.seen as f64 / model.memory_y.len() as f64);
            }
            if how.past == Past::Sites {
                for ((posterior, all), new) in posteriors.iter().zip(&held).zip(&batch_held) {
                    let (mean, covariance) = posterior.moments();
                    let old = all.plus(new, -1.0);
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
            self.sums = held.iter().map(|h| seen_through(h, &kuu)).collect();
            self.memory_sums = memory_held.iter().map(|h| seen_through(h, &kuu)).collect();
            batch.iter_mut().zip(&batch_held).for_each(|(b, h)| *b = seen_through(h, &kuu));
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

    /// Draws rows of the batch into memory, without replacement, and evicts those of least leverage beyond the limit.
    fn remember(&mut self, x: &Tensor, y: &[f64], how: Absorb, rng: &mut Rng) -> Result<()> {
        let mut weights = if how.by_leverage { self.sites(x, y)?.leverage } else { vec![1.0; y.len()] };
        let mut chosen = vec![];
        for _ in 0..how.remembered.min(y.len()) {
            if weights.iter().sum::<f64>() <= 0.0 {
                break;
            }
            let i = rng.weighted(&weights);
            weights[i] = 0.0;
            chosen.push(i);
        }
        if !chosen.is_empty() {
            let rows = x.index_select(0, &Tensor::indices(&chosen));
            self.memory_x = Tensor::cat(&[self.memory_x.clone(), rows], 0);
            self.memory_y.extend(chosen.iter().map(|i| y[*i]));
        }
        if self.memory_y.is_empty() {
            return Ok(());
        }
        if self.memory_y.len() > how.memory {
            let leverage = self.sites(&self.memory_x.clone(), &self.memory_y.clone())?.leverage;
            let mut order: Vec<usize> = (0..leverage.len()).collect();
            order.sort_by(|a, b| leverage[*b].total_cmp(&leverage[*a]).then(a.cmp(b)));
            order.truncate(how.memory);
            order.sort_unstable();
            self.memory_x = self.memory_x.index_select(0, &Tensor::indices(&order));
            self.memory_y = order.iter().map(|i| self.memory_y[*i]).collect();
        }
        // From now on this is the part of the sums that a renewal replaces.
        self.memory_sums = self.sites(&self.memory_x.clone(), &self.memory_y.clone())?.sums;
        Ok(())
    }

    /// Means and variances of the latent functions at `x: [N*, D]`, both `[N*, P]` row-major.
    ///
    /// # Errors
    /// When `K_uu` is not positive definite within the jitter policy, or a variance is negative beyond rounding.
    pub fn predict(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        let latents = self.sums.len();
        in_blocks(x, |x| {
            let (mean, variance) = self.marginals(x)?;
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
        file.put(&format!("{prefix}.memory_y"), &[self.memory_y.len()], &self.memory_y);
        for (p, (sums, memory)) in self.sums.iter().zip(&self.memory_sums).enumerate() {
            sums.save(file, &format!("{prefix}.sums.{p}"));
            memory.save(file, &format!("{prefix}.memory_sums.{p}"));
        }
        file.set(&format!("{prefix}.seen"), &self.seen);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)?;
        let tensor = |name: &str| -> Result<Tensor> {
            let name = format!("{prefix}.{name}");
            Ok(Tensor::from_vec(file.get(&name)?, file.shape(&name)?))
        };
        (self.z, self.memory_x) = (tensor("z")?, tensor("memory_x")?);
        self.memory_y = file.get(&format!("{prefix}.memory_y"))?;
        for (p, (sums, memory)) in self.sums.iter_mut().zip(&mut self.memory_sums).enumerate() {
            sums.restore(file, &format!("{prefix}.sums.{p}"))?;
            memory.restore(file, &format!("{prefix}.memory_sums.{p}"))?;
        }
        self.seen = file.fact(&format!("{prefix}.seen"))?;
        Ok(())
    }
}
