//! What a model expects of the elements that a data point lacks.

use super::path::{Gradient, Path};
use super::{ROWS_AT_ONCE, Vae};
use crate::layer::Pass;
use elbo_core::Rng;
use elbo_infer::objective::effective_draws;
use elbo_tensor::no_grad;

/// Data points whose missing elements were filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Imputation {
    /// `[N, D]`, with conditions behind them where the model has some; elements that were there are as they were.
    pub values: Vec<f32>,
    /// How many draws count for a data point that lacks elements, on average; NaN where none does.
    pub effective: f64,
}

impl Vae {
    /// Fills in the missing elements, NaN in `values: [N, D]`, with their means given the others: self-normalised importance sampling
    /// with `draws` draws of q for each data point,
    ///
    /// $$ E[x_m \mid x_o] \approx \sum_k \bar w_k E[x_m \mid z_k], \qquad w_k = \frac{p(x_o \mid z_k) p(z_k)}{q(z_k \mid x_o)}. $$
    ///
    /// Categories get the level that is the likeliest. Data points without missing elements stay as they are.
    ///
    /// # Panics
    /// Without data points or draws.
    ///
    /// # Source
    /// Mattei and Frellsen (2019).
    pub fn impute(&self, values: &[f32], draws: usize, rng: &mut Rng) -> Imputation {
        assert!(!values.is_empty() && draws > 0, "an imputation needs data points and draws");
        let base = rng.fork();
        let chunk = (ROWS_AT_ONCE / draws).clamp(1, 256) * self.width();
        let path = Path::new(Gradient::Plain);
        let mut filled = values.to_vec();
        let (mut effective, mut incomplete) = (0.0, 0.0);
        no_grad(|| {
            for (i, block) in filled.chunks_mut(chunk).enumerate() {
                let x = self.tensor(block);
                let pass = &mut Pass::evaluation();
                let drawn = self.draw(&x, draws, &path, &mut base.split(i as u64), pass);
                let log_weights = drawn.log_weights();
                for (row, count) in block.chunks(self.width()).zip(effective_draws(&log_weights).to_vec()) {
                    if row.iter().any(|v| v.is_nan()) {
                        effective += count;
                        incomplete += 1.0;
                    }
                }
                let weights = log_weights.softmax(0).cast(self.dtype());
                let means = self.likelihood().weighted_mean(&drawn.output, &weights).to_f32();
                let means = means.as_slice::<f32>();
                for (row, means) in block.chunks_mut(self.width()).zip(means.chunks(self.size())) {
                    let missing = row.iter_mut().zip(means).filter(|(v, _)| v.is_nan());
                    missing.for_each(|(v, mean)| *v = *mean);
                }
            }
        });
        Imputation { values: filled, effective: effective / incomplete }
    }
}
