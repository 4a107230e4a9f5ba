//! Hyperparameters, moved while sites are held.

use super::rows::View;
use super::{Absorb, Batch, MemoryGp, Past, of_sums};
use crate::dual::Sums;
use crate::likelihood::{expected_log_prob_multi, expected_log_prob_weighted};
use elbo_core::{Result, Run, Step};
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::{Parameters, Tensor, no_grad};

impl MemoryGp {
    /// L-BFGS on the bound of batch and memory, the memory standing for all rows seen, with sites held: each of a row at hand, and the
    /// natural parameters of those that are gone. Afterwards these follow the kernel, and the noise of a conjugate likelihood.
    pub(super) fn move_hyperparameters(&mut self, batch: &Batch<'_>, how: Absorb, run: &mut Run) -> Result<()> {
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
            let likelihood = model.likelihood.as_ref();
            let marginals =
                |x: &Tensor| View::new(model.kernel.as_ref(), &kuu_chol, &model.z, x).marginals(&posteriors);
            let (mean, variance) = marginals(batch.x);
            let mut bound = expected_log_prob_multi(likelihood, batch.y, &mean, &variance);
            if how.past == Past::Memory && model.kept.len() > 0 {
                let (mean, variance) = marginals(&model.kept.x);
                let (y, weights) = (&model.kept.y, &model.kept.weights);
                bound = bound + expected_log_prob_weighted(likelihood, y, weights, &mean, &variance);
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
        let (before, old) = (self.pack(), self.gone_precisions(batch, how));
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
            let grown = self.gone_precisions(batch, how).into_iter().zip(&old).map(|(new, old)| new / old);
            self.gone = held.iter().zip(grown).map(|(h, grown)| seen_through(h, &kuu).times(grown)).collect();
            self.sums = self.total(&self.gone, Some(batch));
        });
        Ok(())
    }

    /// For each latent function, what the precisions of sites of rows that are gone are in proportion to, `[P]`. Conjugate likelihoods have one noise for
    /// all rows, so that its change is known to apply to each of those rows, whatever they were; sites of the others, and the old sites of the
    /// baseline, stay as they were.
    fn gone_precisions(&self, batch: &Batch<'_>, how: Absorb) -> Vec<f64> {
        let latents = self.gone.len();
        match batch.y.first() {
            Some(y) if self.likelihood.is_conjugate() && how.past == Past::Memory => {
                let asked = self.ask(&[*y], &vec![0.0; latents], &vec![1.0; latents]);
                asked.sites.0.iter().map(|site| site.precision[0]).collect()
            }
            _ => vec![1.0; latents],
        }
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
}

/// Natural site parameters as sums seen through a kernel: `K λ`, `K Λ K`.
fn seen_through(natural: &Sums, kuu: &Tensor) -> Sums {
    let precision = kuu.matmul(&natural.precision_bar.matmul(kuu));
    Sums { shift_bar: kuu.matmul(&natural.shift_bar), precision_bar: (&precision + precision.t()) * 0.5 }
}
