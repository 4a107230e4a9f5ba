//! Whole slices at once, in loops that vectorise.

use crate::fastmath::{exp_f64, ln_f64};
use crate::kernels::{Vectorised, run_vectorised};

const LANES: usize = 8;
/// Elements of a block; `BLOCK / LANES` factors, each in (1, 2], have a product that is a double without fear of overflow.
const BLOCK: usize = 1024;

/// The log likelihood of events with these logits, and its slopes in their place.
///
/// Returns $\sum_i y_i \eta_i - \log(1 + e^{\eta_i})$ and replaces $\eta_i$ by $y_i - \sigma(\eta_i)$. `y: [N]` is 0 or 1 (or between), `eta: [N]`.
/// One logarithm is taken of the product of many $1 + e^{-|\eta|}$, so a term below 1e-16 counts as nothing.
///
/// ```
/// let mut eta = [0.0, 2.0];
/// let value = elbo_tensor::special::bernoulli_logits(&mut eta, &[1.0, 0.0]);
/// assert!((value - (0.5f64.ln() - 2.0f64.exp().ln_1p())).abs() < 1e-12);
/// assert!((eta[0] - 0.5).abs() < 1e-12);
/// ```
pub fn bernoulli_logits(eta: &mut [f64], y: &[f64]) -> f64 {
    assert_eq!(eta.len(), y.len(), "one target a logit");
    let mut total = 0.0;
    run_vectorised(BernoulliLogits { eta, y, total: &mut total });
    total
}

struct BernoulliLogits<'a> {
    eta: &'a mut [f64],
    y: &'a [f64],
    total: &'a mut f64,
}

impl Vectorised for BernoulliLogits<'_> {
    #[inline(always)]
    fn run(self) {
        let mut total = 0.0;
        // Short loops over a block that stays in cache, since each of them vectorises and one of everything does not.
        let mut small = [0.0; BLOCK];
        for (eta, y) in self.eta.chunks_mut(BLOCK).zip(self.y.chunks(BLOCK)) {
            let small = &mut small[..eta.len()];
            small.iter_mut().zip(eta.iter()).for_each(|(s, e)| *s = exp_f64(-e.abs()));
            let (mut sums, mut products) = ([0.0; LANES], [1.0; LANES]);
            for ((small, eta), y) in small.chunks(LANES).zip(eta.chunks(LANES)).zip(y.chunks(LANES)) {
                for (lane, ((s, e), y)) in small.iter().zip(eta).zip(y).enumerate() {
                    sums[lane] += y * e - if *e > 0.0 { *e } else { 0.0 };
                    products[lane] *= 1.0 + s;
                }
            }
            for ((e, s), y) in eta.iter_mut().zip(small.iter()).zip(y) {
                let share = if *e > 0.0 { 1.0 } else { *s };
                *e = y - share / (1.0 + s);
            }
            for lane in 0..LANES {
                total += sums[lane] - ln_f64(products[lane]);
            }
        }
        *self.total = total;
    }
}
