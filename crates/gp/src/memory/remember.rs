//! Which rows stay in memory, and what is kept of those that leave.

use super::draw::{chances, draw, mixed, side_by_side};
use super::rows::{Kept, pick};
use super::{Absorb, Asked, Batch, MemoryGp, of_sums};
use elbo_core::{Result, Rng};
use elbo_tensor::Tensor;

/// Rows drawn and the others, both ascending, with every row's chance to be drawn.
struct Lot {
    shares: Vec<f64>,
    drawn: Vec<usize>,
    others: Vec<usize>,
}

impl MemoryGp {
    /// Draws rows of the batch into memory, without replacement. The others are gone, but for the share of their sites that is handed on.
    pub(super) fn remember(&mut self, batch: &Batch<'_>, how: Absorb, rng: &mut Rng) -> Result<()> {
        let alone = vec![1.0; batch.y.len()];
        let Lot { shares, drawn: joining, others: leaving } =
            self.lot(batch.x, batch.y, &alone, how.remembered.min(how.memory), how, rng)?;
        let rows = Kept {
            x: batch.x.clone(),
            y: batch.y.to_vec(),
            sites: batch.sites.clone(),
            weights: shares.iter().map(|share| 1.0 / share).collect(),
        };
        self.forget(&rows.take(&leaving), &pick(&alone, &leaving));
        let mut joining = rows.take(&joining);
        joining.sites = joining.sites.scaled(&self.counts(&joining.weights));
        self.kept.extend(joining);
        if self.kept.len() > how.memory {
            self.thin(how, rng)?;
        }
        self.sums = self.total(&self.gone, None);
        Ok(())
    }

    /// Draws the rows that stay when the memory is too large; each also has the chances of the rows that it stands for.
    pub(super) fn thin(&mut self, how: Absorb, rng: &mut Rng) -> Result<()> {
        let Lot { shares, drawn: staying, others: leaving } =
            self.lot(&self.kept.x, &self.kept.y, &self.kept.weights, how.memory, how, rng)?;
        let before = self.counts(&self.kept.weights);
        self.kept.weights.iter_mut().zip(&shares).for_each(|(weight, share)| *weight /= share);
        let (gone, mut kept) = (self.kept.take(&leaving), self.kept.take(&staying));
        self.forget(&gone, &pick(&before, &leaving));
        let grown = self.counts(&kept.weights).into_iter().zip(&staying).map(|(after, row)| after / before[*row]);
        kept.sites = kept.sites.scaled(&grown.collect::<Vec<_>>());
        self.kept = kept;
        Ok(())
    }

    /// Draws `count` of these rows, each of which stands for `weights` rows, itself among them.
    fn lot(&self, x: &Tensor, y: &[f64], weights: &[f64], count: usize, how: Absorb, rng: &mut Rng) -> Result<Lot> {
        let rows = self.view(x)?;
        let (mean, variance) = rows.marginals(&of_sums(&rows.kuu_chol, &self.sums)?);
        let Asked { expected, leverage, .. } = self.ask(y, &mean.to_vec(), &variance.to_vec());
        let sizes = if how.by_leverage { mixed(&leverage, weights) } else { weights.to_vec() };
        let shares = chances(&sizes, count);
        let (drawn, others) = draw(&shares, &side_by_side(y, &expected, count), rng);
        Ok(Lot { shares, drawn, others })
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
