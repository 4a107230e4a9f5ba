//! Which rows stay in memory, and what is kept of those that leave.

use super::draw::{chances, draw};
use super::rows::{Kept, pick};
use super::{Absorb, Batch, MemoryGp, of_sums};
use elbo_core::{Result, Rng};
use elbo_tensor::Tensor;

impl MemoryGp {
    /// Draws rows of the batch into memory, without replacement. The others are gone, but for the share of their sites that is handed on.
    pub(super) fn remember(&mut self, batch: &Batch<'_>, how: Absorb, rng: &mut Rng) -> Result<()> {
        let sizes = self.sizes(batch.x, batch.y, how)?;
        let shares = chances(&sizes, how.remembered.min(how.memory));
        let (joining, leaving) = draw(&shares, rng);
        let rows = Kept {
            x: batch.x.clone(),
            y: batch.y.to_vec(),
            sites: batch.sites.clone(),
            weights: shares.iter().map(|share| 1.0 / share).collect(),
        };
        self.forget(&rows.take(&leaving), &vec![1.0; leaving.len()]);
        let mut joining = rows.take(&joining);
        joining.sites = joining.sites.scaled(&self.counts(&joining.weights));
        self.kept.extend(joining);
        if self.kept.len() > how.memory {
            self.thin(how, rng)?;
        }
        self.sums = self.total(&self.gone, None);
        Ok(())
    }

    /// Draws the rows that stay when the memory is too large, in proportion to what each stands for.
    pub(super) fn thin(&mut self, how: Absorb, rng: &mut Rng) -> Result<()> {
        let mut sizes = self.sizes(&self.kept.x, &self.kept.y, how)?;
        sizes.iter_mut().zip(&self.kept.weights).for_each(|(size, weight)| *size *= weight);
        let shares = chances(&sizes, how.memory);
        let (staying, leaving) = draw(&shares, rng);
        let before = self.counts(&self.kept.weights);
        self.kept.weights.iter_mut().zip(&shares).for_each(|(weight, share)| *weight /= share);
        let (gone, mut kept) = (self.kept.take(&leaving), self.kept.take(&staying));
        self.forget(&gone, &pick(&before, &leaving));
        let grown = self.counts(&kept.weights).into_iter().zip(&staying).map(|(after, row)| after / before[*row]);
        kept.sites = kept.sites.scaled(&grown.collect::<Vec<_>>());
        self.kept = kept;
        Ok(())
    }

    /// What the chances of these rows to be remembered are in proportion to, `[B]`.
    fn sizes(&self, x: &Tensor, y: &[f64], how: Absorb) -> Result<Vec<f64>> {
        if !how.by_leverage {
            return Ok(vec![1.0; y.len()]);
        }
        let rows = self.view(x)?;
        let (mean, variance) = rows.marginals(&of_sums(&rows.kuu_chol, &self.sums)?);
        Ok(self.ask(y, &mean.to_vec(), &variance.to_vec()).leverage)
    }

    /// Adds to the sums of rows that are gone what stays there of these rows, whose sites now count as often as `counts` says: of a single one, what is
    /// not handed on; all of a row that had no chance to be in memory, for which no other stands.
    fn forget(&mut self, rows: &Kept, counts: &[f64]) {
        if rows.len() > 0 {
            let stays = 1.0 - self.handed_on();
            let share = |(weight, count): (&f64, &f64)| if weight.is_finite() { stays / count } else { 1.0 };
            let sites = rows.sites.scaled(&rows.weights.iter().zip(counts).map(share).collect::<Vec<_>>());
            let kuf = self.kernel.gram(&self.z, &rows.x);
            self.gone.iter_mut().zip(&sites.0).for_each(|(sum, s)| *sum = sum.plus(&s.sums(&kuf), 1.0));
        }
    }
}
