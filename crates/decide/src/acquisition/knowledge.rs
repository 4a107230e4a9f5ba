//! The knowledge gradient on a finite set.

use super::Acquisition;
use super::normal::{density, h};
use crate::surrogate::{Gp, Joint};

/// `E max_i (a_i + b_i Z) - max_i a_i` for a standard normal `Z`, exact, with its derivatives in every `b_i`.
///
/// Lines are sorted by slope; those never on top are dropped; each breakpoint `c` between neighbours adds `(b_next - b) h(-|c|)`.
///
/// # Source
/// Frazier, Powell and Dayanik (2009), algorithm 1.
pub fn knowledge_gradient(a: &[f64], b: &[f64]) -> (f64, Vec<f64>) {
    let mut order: Vec<usize> = (0..a.len()).collect();
    order.sort_by(|i, j| b[*i].total_cmp(&b[*j]).then(a[*i].total_cmp(&a[*j])));
    // The lines on top from left to right, with the place where each takes over.
    let mut top: Vec<(usize, f64)> = vec![];
    for &i in &order {
        loop {
            let Some(&(last, from)) = top.last() else {
                top.push((i, f64::NEG_INFINITY));
                break;
            };
            if b[i] == b[last] {
                // Of equal slopes the higher line comes last in the order.
                top.pop();
                continue;
            }
            let takes_over = (a[last] - a[i]) / (b[i] - b[last]);
            if takes_over <= from {
                top.pop();
                continue;
            }
            top.push((i, takes_over));
            break;
        }
    }
    let mut value = 0.0;
    let mut gradient = vec![0.0; a.len()];
    for pair in top.windows(2) {
        let ((left, _), (right, c)) = (pair[0], pair[1]);
        value += (b[right] - b[left]) * h(-c.abs());
        // E[Z; Z > c] is the density at c.
        gradient[right] += density(c);
        gradient[left] -= density(c);
    }
    (value, gradient)
}

/// The logarithm of how much the smallest posterior mean over a set is expected to fall when `x` is measured.
///
/// That fall is the sum over breakpoints of [`knowledge_gradient`] with `a = -μ`, `b_i = cov(f_i, f(x)) / √(σ²(x) + noise)`.
pub struct KnowledgeGradient<'a> {
    gp: &'a Gp,
    set: Joint,
    heights: Vec<f64>,
}

impl<'a> KnowledgeGradient<'a> {
    /// Over the points `set: [A, E]`.
    pub fn new(gp: &'a Gp, set: &[f64]) -> Self {
        let set = gp.joint(set);
        let heights = set.mean.iter().map(|m| -m).collect();
        Self { gp, set, heights }
    }
}

impl Acquisition for KnowledgeGradient<'_> {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let joint = self.gp.joint(x);
        let cross = self.gp.between(&self.set, &joint);
        let spread = (joint.covariance[0] + self.gp.hyper().noise).sqrt();
        // Falling values: the sign of Z does not matter.
        let slopes: Vec<f64> = cross.iter().map(|c| c / spread).collect();
        let (value, mut by_slope) = knowledge_gradient(&self.heights, &slopes);
        // Of the logarithm; far from everything the fall is zero, and so is its gradient.
        let value = value.max(f64::MIN_POSITIVE);
        by_slope.iter_mut().for_each(|g| *g /= value);
        let by_cross: Vec<f64> = by_slope.iter().map(|g| g / spread).collect();
        let by_variance = -0.5 * by_slope.iter().zip(&slopes).map(|(g, b)| g * b).sum::<f64>() / (spread * spread);
        self.gp.pullback(&joint, &[0.0], &[by_variance], Some((&self.set, &by_cross)), gradient);
        value.ln()
    }
}

/// The knowledge gradient without a set: how far the smallest posterior mean is expected to fall, with a place for it in each of several fantasies.
///
/// Points `[1 + K, E]` are the trial and the places, which are found together:
/// $$ -\tfrac1K \sum_k \left[ \mu(x'_k) + z_k \frac{\operatorname{cov}(f(x'_k), f(x))}{\sqrt{\sigma^2(x) + \tau^2}} \right] $$
/// with `z_k` the normal quantiles of `(k + 1/2) / K`. Up to the smallest mean now, which is a constant.
///
/// # Source
/// Balandat et al. (2020).
pub struct OneShot<'a> {
    gp: &'a Gp,
    quantiles: Vec<f64>,
}

impl<'a> OneShot<'a> {
    /// With this many fantasies, `K`.
    pub fn new(gp: &'a Gp, fantasies: usize) -> Self {
        let quantile = |k: usize| elbo_tensor::special::ndtri((k as f64 + 0.5) / fantasies as f64);
        Self { gp, quantiles: (0..fantasies).map(quantile).collect() }
    }
}

impl Acquisition for OneShot<'_> {
    fn count(&self) -> usize {
        1 + self.quantiles.len()
    }

    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let joint = self.gp.joint(x);
        let q = self.count();
        let spread = (joint.covariance[0] + self.gp.hyper().noise).sqrt();
        let share = 1.0 / self.quantiles.len() as f64;
        let (mut value, mut by_mean, mut by_covariance) = (0.0, vec![0.0; q], vec![0.0; q * q]);
        for (k, z) in self.quantiles.iter().enumerate() {
            let slope = joint.covariance[(k + 1) * q] / spread;
            value -= share * (joint.mean[k + 1] + z * slope);
            by_mean[k + 1] = -share;
            by_covariance[(k + 1) * q] = -share * z / spread;
            by_covariance[0] += 0.5 * share * z * slope / (spread * spread);
        }
        self.gp.pullback(&joint, &by_mean, &by_covariance, None, gradient);
        value
    }
}
