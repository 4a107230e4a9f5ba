//! Relocation of dead Gaussians so that the picture stays nearly the same, and the noise that makes fitting a Markov chain.
//!
//! # Source
//! Kheradmand, Rebain, Sharma, Sun, Tseng, Isack, Kar, Tagliasacchi and Yi (2024). Deviations: the common scale is an integral instead of an
//! alternating sum, which loses all digits beyond some thirty copies; moments of targets and copies are both forgotten.

use crate::gaussians::{logit, sigmoid};
use crate::optimise::Cloud;
use elbo_core::{Error, Result, Rng};
use rayon::prelude::*;

/// Opacity at and below which a Gaussian is dead.
pub const DEAD: f64 = 0.005;
/// Most copies that one Gaussian is made of.
pub const MOST_COPIES: usize = 51;
const NEARLY_ONE: f64 = 1.0 - 1e-7;

/// Opacity of each of `n` copies at one place that together let through as little light as one of opacity `o`.
pub fn shared_opacity(o: f64, n: usize) -> f64 {
    -((-o).ln_1p() / n as f64).exp_m1()
}

/// Factor of the scales of `n` copies, so that they cover as much as one of opacity `o`.
///
/// $$ f = o \Big/ \frac{1}{\sqrt{2\pi}} \int \left[1 - (1 - o' e^{-x^2/2})^n\right] dx $$
pub fn shared_scale(o: f64, n: usize) -> f64 {
    const POINTS: usize = 80;
    const END: f64 = 9.0;
    let each = shared_opacity(o, n);
    let at = |x: f64| 1.0 - (1.0 - each * (-0.5 * x * x).exp()).powi(n as i32);
    let step = END / POINTS as f64;
    let inner: f64 = (1..POINTS).map(|k| at(k as f64 * step)).sum();
    let half = step * (0.5 * (at(0.0) + at(END)) + inner);
    o / (2.0 * half / std::f64::consts::TAU.sqrt())
}

/// The largest change of the opacity along a line through the centre when a Gaussian of opacity `o` becomes `n` of opacity `each`, whose scales are
/// its own times `factor`.
pub fn slice_change(o: f64, n: usize, each: f64, factor: f64) -> f64 {
    let at = |x: f64| {
        let before = o * (-0.5 * x * x).exp();
        let after = 1.0 - (1.0 - each * (-0.5 * (x / factor).powi(2)).exp()).powi(n as i32);
        (before - after).abs()
    };
    (0..5000).map(|k| at(f64::from(k) * 1e-3)).fold(0.0, f64::max)
}

/// Moves the dead onto the living, chosen in proportion to their opacity. Returns how many there were.
///
/// # Errors
/// [`Error::Numerical`] when all are dead.
pub fn relocate(cloud: &mut Cloud, rng: &mut Rng) -> Result<usize> {
    let opacities: Vec<f64> = (0..cloud.gaussians.len()).map(|i| cloud.gaussians.opacity_of(i)).collect();
    // What is not a number counts as dead too.
    let dead: Vec<usize> = (0..opacities.len()).filter(|i| opacities[*i] <= DEAD || opacities[*i].is_nan()).collect();
    if dead.is_empty() {
        return Ok(0);
    }
    let mut alive = opacities;
    dead.iter().for_each(|i| alive[*i] = 0.0);
    let targets = drawn(&alive, dead.len(), rng)?;
    share(cloud, &targets);
    let widths = cloud.gaussians.widths();
    for (to, from) in dead.iter().zip(&targets) {
        for (values, width) in cloud.gaussians.arrays_mut().into_iter().zip(widths) {
            values.copy_within(from * width..(from + 1) * width, to * width);
        }
        cloud.forget(*to);
    }
    cloud.counts.relocated += dead.len();
    Ok(dead.len())
}

/// Adds 5 % more Gaussians, at least one, up to `cap`, as copies of the living. Returns how many.
///
/// # Errors
/// [`Error::Numerical`] when all are dead.
pub fn grow(cloud: &mut Cloud, cap: usize, rng: &mut Rng) -> Result<usize> {
    let n = cloud.gaussians.len();
    let more = (n / 20).max(1).min(cap.saturating_sub(n));
    if more == 0 {
        return Ok(0);
    }
    let opacities: Vec<f64> = (0..n).map(|i| cloud.gaussians.opacity_of(i)).collect();
    let targets = drawn(&opacities, more, rng)?;
    share(cloud, &targets);
    let copies = cloud.gaussians.take(&targets);
    cloud.add(&copies);
    cloud.counts.added += more;
    Ok(more)
}

/// Rows drawn in proportion to these opacities, with replacement.
fn drawn(opacities: &[f64], count: usize, rng: &mut Rng) -> Result<Vec<usize>> {
    let mut total = 0.0;
    let sums: Vec<f64> = opacities
        .iter()
        .map(|o| {
            total += if o.is_finite() { *o } else { 0.0 };
            total
        })
        .collect();
    if total <= 0.0 {
        return Err(Error::numerical(
            "every Gaussian has become transparent",
            "lower `opacity_weight`, `scale_weight` or `rate_opacity`",
        ));
    }
    let row = |_| {
        let at = rng.uniform() * total;
        sums.partition_point(|s| *s <= at).min(opacities.len() - 1)
    };
    Ok((0..count).map(row).collect())
}

/// Gives the targets the opacity and scale of as many copies as each was chosen for, and one more.
fn share(cloud: &mut Cloud, targets: &[usize]) {
    let mut chosen = std::collections::BTreeMap::<usize, usize>::new();
    targets.iter().for_each(|t| *chosen.entry(*t).or_default() += 1);
    for (row, times) in chosen {
        let copies = (times + 1).min(MOST_COPIES);
        let o = cloud.gaussians.opacity_of(row).clamp(DEAD, NEARLY_ONE);
        let each = shared_opacity(o, copies).clamp(DEAD, NEARLY_ONE);
        let factor = shared_scale(o, copies).ln() as f32;
        cloud.gaussians.opacity[row] = logit(each) as f32;
        cloud.gaussians.log_scale[3 * row..3 * row + 3].iter_mut().for_each(|l| *l += factor);
        cloud.forget(row);
    }
}

/// Moves every mean by `Σ η` times `strength`, unless it is opaque: `sigmoid(-100 (o - 0.005))`.
pub fn shake(cloud: &mut Cloud, strength: f64, rng: &mut Rng) {
    const CHUNK: usize = 1024;
    let base = rng.fork();
    let g = &cloud.gaussians;
    let moves: Vec<Vec<f32>> = (0..g.len().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let mut rng = base.split(chunk as u64);
            let mut out = Vec::with_capacity(3 * CHUNK);
            for i in chunk * CHUNK..((chunk + 1) * CHUNK).min(g.len()) {
                let eta = [rng.normal(), rng.normal(), rng.normal()];
                let gate = strength * sigmoid(-100.0 * (g.opacity_of(i) - DEAD));
                let covariance = g.covariance(i);
                let along = |a: usize| (0..3).map(|b| covariance[3 * a + b] * eta[b]).sum::<f64>();
                out.extend((0..3).map(|a| (gate * along(a)) as f32));
            }
            out
        })
        .collect();
    cloud.gaussians.mean.iter_mut().zip(moves.iter().flatten()).for_each(|(x, d)| *x += d);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_scale_has_its_known_values() {
        for (o, n, expected) in [(0.3, 2, 0.97461), (0.95, 4, 0.77280), (0.99, 50, 0.64224), (0.999_999, 50, 0.51552)] {
            let found = shared_scale(o, n);
            assert!((found - expected).abs() < 6e-6, "f({o}, {n}) = {found}");
        }
        assert!((shared_scale(0.7, 1) - 1.0).abs() < 1e-9, "one copy is the Gaussian itself");
    }

    #[test]
    fn the_integral_equals_the_alternating_sum_where_that_has_digits() {
        for (o, n) in [(0.2, 3), (0.6, 4), (0.9, 8)] {
            let each = shared_opacity(o, n);
            let (mut z, mut choose) = (0.0, 1.0);
            for m in 1..=n {
                choose *= (n - m + 1) as f64 / m as f64;
                let sign = if m % 2 == 1 { 1.0 } else { -1.0 };
                z += sign * choose * each.powi(m as i32) / (m as f64).sqrt();
            }
            assert!((shared_scale(o, n) - o / z).abs() < 1e-9, "{o}, {n}");
        }
    }

    #[test]
    fn relocation_changes_a_slice_least_when_opacity_and_scale_are_both_corrected() {
        for (o, expected) in [(0.6, [0.0149, 0.0508, 0.4725]), (0.99, [0.12, 0.33, 0.47])] {
            let each = shared_opacity(o, 4);
            let scale = shared_scale(o, 4);
            let found = [slice_change(o, 4, each, scale), slice_change(o, 4, each, 1.0), slice_change(o, 4, o, 1.0)];
            let tolerance = if o < 0.9 { 6e-5 } else { 6e-3 };
            for (f, e) in found.iter().zip(expected) {
                assert!((f - e).abs() < tolerance, "opacity {o}: {found:?}");
            }
        }
    }
}
