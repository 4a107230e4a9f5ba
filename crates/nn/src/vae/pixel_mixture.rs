//! Mixtures of discretised logistic distributions, whose components the channels of a pixel share.

use elbo_core::Rng;
use elbo_dist::batched::{Batched, DiscretisedLogistic};
use elbo_tensor::Tensor;

/// Bounds of log scales, on [-1, 1].
const LOG_SCALES: (f64, f64) = (-7.0, 7.0);
/// Added to the decoder's numbers, so that log scales start there.
const START_LOG_SCALE: f64 = -2.0;

/// Mixtures for pixels of some channels, from a decoder's numbers.
///
/// $$ p(x) = \sum_k \pi_k \prod_c \mathrm{L}\Big(x_c;\, \mu_{ck} + \sum_{j < c} a_{ckj} x_j,\, s_{ck}\Big), \qquad a = \tanh(\cdot) $$
///
/// with logistic distributions cut into bins, on [-1, 1]. The decoder has `M (3 + C - 1)` numbers for each of the `C` channels of a pixel: the mean over
/// the channels of the first `M` is a component's unnormalised log weight; then come locations, log scales, and coefficients on each earlier
/// channel. Locations start spread over the range.
///
/// # Source
/// Salimans, Karpathy, Chen and Kingma (2017). Deviation: weights come from every channel of a pixel, so that the decoder's numbers are of elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct PixelMixture {
    pub(super) levels: usize,
    pub(super) components: usize,
    pub(super) channels: usize,
}

/// Parameters of the mixtures of pixels.
struct Parts {
    /// Log weights, `[..., M, S]`.
    log_weights: Tensor,
    /// Locations without earlier channels, on [-1, 1], `[..., M, C, S]`.
    location: Tensor,
    /// Log scales, `[..., M, C, S]`.
    log_scale: Tensor,
    /// Coefficients of each channel on an earlier one, `[..., M, C, S]` for each of the first `C - 1` channels.
    slopes: Vec<Tensor>,
}

/// From [0, 1] onto [-1, 1].
fn onto(t: &Tensor) -> Tensor {
    t.affine(2.0, -1.0)
}

impl PixelMixture {
    /// Numbers that the decoder returns for each element.
    pub(super) fn blocks(self) -> usize {
        self.components * (2 + self.channels)
    }

    /// The parameters in a decoder's `output: [..., P C S]`.
    fn parts(self, output: &Tensor) -> Parts {
        let (count, channels) = (self.components, self.channels);
        let lead = &output.shape()[..output.rank() - 1];
        let pixels = output.size(-1) / (self.blocks() * channels);
        let all = output.reshape(&[lead, &[self.blocks(), channels, pixels]].concat());
        let block = |i: usize| all.narrow(-3, i * count, count);
        let spread = (0..count).map(|k| k as f64 / count as f64).collect();
        let spread = Tensor::from_vec(spread, &[count, 1, 1]).cast(output.dtype());
        Parts {
            log_weights: block(0).mean_axis(-2, false).log_softmax(-2),
            location: onto(&(block(1) + spread)),
            log_scale: (block(2) + START_LOG_SCALE).clamp(LOG_SCALES.0, LOG_SCALES.1),
            slopes: (1..channels).map(|j| block(2 + j).tanh()).collect(),
        }
    }

    /// One on the channels after the `j`-th, `[C, 1]`.
    fn later(self, j: usize, like: &Tensor) -> Tensor {
        let is_later = (0..self.channels).map(|c| f64::from(u8::from(c > j))).collect();
        Tensor::from_vec(is_later, &[self.channels, 1]).cast(like.dtype())
    }

    /// Log probabilities of pixels, `[..., S]`. `output: [..., P C S]`, `x: [B, C S]` on [0, 1].
    pub(super) fn log_prob(self, output: &Tensor, x: &Tensor) -> Tensor {
        let Parts { log_weights, mut location, log_scale, slopes } = self.parts(output);
        let pixels = log_weights.size(-1);
        let lead = &x.shape()[..x.rank() - 1];
        let x = onto(&x.reshape(&[lead, &[1, self.channels, pixels]].concat()));
        for (j, slope) in slopes.iter().enumerate() {
            location += &(slope * x.narrow(-2, j, 1) * self.later(j, &x));
        }
        let each = DiscretisedLogistic::new(location, log_scale, self.levels).log_prob(&x);
        (each.sum_axis(-2, false) + log_weights).log_sum_exp(-2, false)
    }

    /// Means of the elements on [0, 1], but for what the end bins cut, `[..., C S]`.
    pub(super) fn mean(self, output: &Tensor) -> Tensor {
        let Parts { log_weights, location, slopes, .. } = self.parts(output);
        let mut means: Vec<Tensor> = vec![];
        for c in 0..self.channels {
            let own = location.select(-2, c);
            let moved = means.iter().zip(&slopes).map(|(mean, slope)| slope.select(-2, c) * mean);
            let mean = moved.fold(own, |sum, part| sum + part);
            means.push(mean);
        }
        let each = Tensor::stack(&means, -2);
        let mean = (log_weights.exp().unsqueeze(-2) * each).sum_axis(-3, false);
        let lead = &mean.shape()[..mean.rank() - 2];
        let size = mean.size(-1) * self.channels;
        mean.affine(0.5, 0.5).clamp(0.0, 1.0).reshape(&[lead, &[size]].concat())
    }

    /// Draws of the elements, row-major `[N, C S]`. `output: [N, P C S]`.
    pub(super) fn sample(self, output: &Tensor, rng: &mut Rng) -> Vec<f64> {
        let parts = self.parts(output);
        let (count, channels, pixels) = (self.components, self.channels, parts.log_weights.size(-1));
        let weights = parts.log_weights.exp().to_vec();
        let (location, log_scale) = (parts.location.to_vec(), parts.log_scale.to_vec());
        let slopes: Vec<Vec<f64>> = parts.slopes.iter().map(Tensor::to_vec).collect();
        let steps = (self.levels - 1) as f64;
        let mut drawn = vec![0.0; output.size(0) * channels * pixels];
        for (row, values) in drawn.chunks_exact_mut(channels * pixels).enumerate() {
            for s in 0..pixels {
                let shares: Vec<f64> = (0..count).map(|k| weights[(row * count + k) * pixels + s]).collect();
                let k = rng.weighted(&shares);
                for c in 0..channels {
                    let at = ((row * count + k) * channels + c) * pixels + s;
                    // Earlier channels are on [0, 1] by now.
                    let earlier: f64 = (0..c).map(|j| slopes[j][at] * (2.0 * values[j * pixels + s] - 1.0)).sum();
                    let u = rng.range(1e-12, 1.0 - 1e-12);
                    let value = location[at] + earlier + log_scale[at].exp() * (u / (1.0 - u)).ln();
                    values[c * pixels + s] = (0.5 * (value + 1.0) * steps).round().clamp(0.0, steps) / steps;
                }
            }
        }
        drawn
    }
}
