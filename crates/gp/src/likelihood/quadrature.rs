//! Gauss-Hermite forms of everything a likelihood of one latent value offers; also the reference for the closed forms.

use super::density::{Density, Expected, Moments, Tilted};
use elbo_dist::{Rule, mixture_quantile};
use elbo_tensor::special::log_sum_exp;

/// Below this standard deviation the difference quotient of `g1` has lost its digits, and `g2` takes its place.
const NARROW: f64 = 1e-5;

/// Nodes lighter than this do not count in a distribution function.
const NEGLIGIBLE: f64 = 1e-16;

/// `E[log p]` with 20 nodes.
///
/// The derivatives are those of the quadrature sum itself, so that an optimiser sees a consistent function. By Bonnet's and Price's
/// theorems they approximate `E[g1]` and `E[g2] / 2`.
pub fn expected<D: Density>(density: &D, y: f64, mean: f64, variance: f64) -> Expected {
    let rule = Rule::hermite20();
    let sd = variance.sqrt();
    let mut sum = Expected::default();
    for (x, w) in rule.nodes.iter().zip(&rule.weights) {
        let jet = density.jet(y, mean + sd * x);
        sum.value += w * jet.value;
        sum.dm += w * jet.g1;
        sum.dv += if sd < NARROW { 0.5 * w * jet.g2 } else { 0.5 * w * jet.g1 * x / sd };
    }
    sum
}

/// Derivatives of [`expected`] by the natural parameter values.
pub fn d_expected<D: Density>(density: &D, y: f64, mean: f64, variance: f64, out: &mut [f64]) {
    let rule = Rule::hermite20();
    let sd = variance.sqrt();
    for (x, w) in rule.nodes.iter().zip(&rule.weights) {
        density.add_gradient(y, mean + sd * x, *w, out);
    }
}

/// `log E[p^alpha]` with 50 nodes, in logarithms; derivatives are those of the quadrature sum.
pub fn log_tilted<D: Density>(density: &D, y: f64, mean: f64, variance: f64, alpha: f64) -> Tilted {
    let rule = Rule::hermite50();
    let sd = variance.sqrt();
    let jets: Vec<_> = rule.nodes.iter().map(|x| density.jet(y, mean + sd * x)).collect();
    let logs: Vec<f64> = jets.iter().zip(&rule.log_weights).map(|(j, w)| w + alpha * j.value).collect();
    let value = log_sum_exp(&logs);
    let (mut d1, mut second, mut dv) = (0.0, 0.0, 0.0);
    for ((jet, log), x) in jets.iter().zip(&logs).zip(&rule.nodes) {
        let weight = (log - value).exp();
        // A node without mass may have infinite derivatives.
        if weight > 0.0 {
            d1 += weight * alpha * jet.g1;
            let curvature = (alpha * jet.g1).powi(2) + alpha * jet.g2;
            second += weight * curvature;
            dv += 0.5 * weight * if sd < NARROW { curvature } else { alpha * jet.g1 * x / sd };
        }
    }
    Tilted { value, d1, d2: second - d1 * d1, dv }
}

/// Derivatives of [`log_tilted`] by the natural parameter values: `alpha` times the tilted mean of those of `log p`.
pub fn d_log_tilted<D: Density>(density: &D, y: f64, mean: f64, variance: f64, alpha: f64, out: &mut [f64]) {
    let rule = Rule::hermite50();
    let sd = variance.sqrt();
    let at = |x: &f64| mean + sd * x;
    let logs: Vec<f64> =
        rule.nodes.iter().zip(&rule.log_weights).map(|(x, w)| w + alpha * density.log_prob(y, at(x))).collect();
    let value = log_sum_exp(&logs);
    for (x, log) in rule.nodes.iter().zip(&logs) {
        let weight = (log - value).exp();
        if weight > 0.0 {
            density.add_gradient(y, at(x), alpha * weight, out);
        }
    }
}

/// Mean and variance of `y` with 20 nodes, by the law of total variance.
pub fn predict<D: Density>(density: &D, mean: f64, variance: f64) -> Moments {
    let rule = Rule::hermite20();
    let sd = variance.sqrt();
    let parts: Vec<Moments> = rule.nodes.iter().map(|x| density.conditional(mean + sd * x)).collect();
    let average: f64 = parts.iter().zip(&rule.weights).map(|(p, w)| w * p.mean).sum();
    let spread = |p: &Moments| p.variance + (p.mean - average).powi(2);
    Moments { mean: average, variance: parts.iter().zip(&rule.weights).map(|(p, w)| w * spread(p)).sum() }
}

/// Predictive distribution function: a mixture over 50 nodes.
pub fn cdf<D: Density>(density: &D, y: f64, mean: f64, variance: f64) -> f64 {
    let sd = variance.sqrt();
    let total: f64 = heavy_nodes().map(|(x, w)| w * density.conditional_cdf(y, mean + sd * x)).sum();
    total.min(1.0)
}

/// Predictive quantile of that mixture. Every likelihood here is stochastically monotone in `f`, so the quantiles at the outermost nodes
/// bracket it.
pub fn quantile<D: Density>(density: &D, p: f64, mean: f64, variance: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let reach = heavy_nodes().fold(0.0, |reach: f64, (x, _)| reach.max(x)) * variance.sqrt();
    let (low, high) = (density.conditional_quantile(p, mean - reach), density.conditional_quantile(p, mean + reach));
    if D::DISCRETE {
        return whole_quantile(p, low, high, |y| density.cdf(y, mean, variance));
    }
    mixture_quantile(p, low, high, |y| density.cdf(y, mean, variance))
}

/// The nodes of the 50-node rule that carry probability.
fn heavy_nodes() -> impl Iterator<Item = (f64, f64)> {
    let rule = Rule::hermite50();
    rule.nodes.iter().copied().zip(rule.weights.iter().copied()).filter(|(_, w)| *w > NEGLIGIBLE)
}

/// The smallest whole number in `[low, high]` whose distribution function reaches `p`.
pub(super) fn whole_quantile(p: f64, low: f64, high: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    let (mut below, mut reached) = (low - 1.0, high);
    while reached - below > 1.0 {
        let middle = (0.5 * (below + reached)).floor();
        if cdf(middle) < p { below = middle } else { reached = middle }
    }
    reached
}
