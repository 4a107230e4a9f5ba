//! The rate in training under mixtures of Gaussians, with its derivatives in weights, means and scales.

use super::Density;
use super::likelihood::FLOOR;
use elbo_tensor::Tensor;
use rayon::prelude::*;

/// Of a value under one Gaussian: the mass within half a unit of it, and its slopes in the value and in the logarithm of the scale.
fn mass(t: f64, log_scale: f64) -> [f64; 3] {
    let (density, scale, away) = (Density::Gaussian, log_scale.exp(), t.abs());
    let (near, far) = ((away - 0.5) / scale, (away + 0.5) / scale);
    let (at_near, at_far) = (density.density(near), density.density(far));
    let by_away = (at_far - at_near) / scale;
    let by_value = if t < 0.0 { -by_away } else { by_away };
    [density.upper(near) - density.upper(far), by_value, near * at_near - far * at_far]
}

/// Value of `-log2 P`, its slope in the value, and three slopes for each Gaussian, in this order in `out`: in the logit of its weight, in its mean,
/// in the logarithm of its scale.
fn cost(y: f64, logits: &[f64], means: &[f64], log_scales: &[f64], out: &mut [[f64; 3]]) -> [f64; 2] {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits.iter().map(|l| (l - most).exp()).sum();
    let (mut p, mut by_value) = (0.0, 0.0);
    for (j, out) in out.iter_mut().enumerate() {
        let weight = (logits[j] - most).exp() / total;
        let [own, slope, by_scale] = mass(y - means[j], log_scales[j]);
        p += weight * own;
        by_value += weight * slope;
        // The slope in the logit is weight (own - P), with P known at the end.
        *out = [weight * own, -weight * slope, weight * by_scale];
    }
    let kept = p.max(FLOOR);
    let factor = -1.0 / (kept * std::f64::consts::LN_2);
    for (j, out) in out.iter_mut().enumerate() {
        let weight = (logits[j] - most).exp() / total;
        *out = [factor * (out[0] - weight * p), factor * out[1], factor * out[2]];
    }
    [-kept.log2(), factor * by_value]
}

/// Bits of each value under a mixture of Gaussians of its own: `-log2` of the mass within half a unit of it, at least that of 1e-9. Weights are
/// the softmax of `logits` over the Gaussians.
///
/// # Shapes
/// `y`: any; `logits`, `means` and `log_scales`: `[K, ...]` with the shape of `y` after the number of Gaussians. All in single precision. Returns the shape of
/// `y`, differentiable once in all four.
pub fn mixture_bits(y: &Tensor, logits: &Tensor, means: &Tensor, log_scales: &Tensor) -> Tensor {
    let (shape, parts) = (y.shape().to_vec(), logits.shape().to_vec());
    let same = means.shape() == parts && log_scales.shape() == parts;
    assert!(same && parts[1..] == shape[..], "weight, mean and scale of each Gaussian for each value");
    let (count, k) = (y.len(), parts[0]);
    let (ys, logits_of, means_of, scales_of) = (y.to_vec(), logits.to_vec(), means.to_vec(), log_scales.to_vec());
    let one = |i: usize| {
        let of = |values: &[f64]| (0..k).map(|j| values[j * count + i]).collect::<Vec<f64>>();
        let mut slopes = vec![[0.0; 3]; k];
        let value = cost(ys[i], &of(&logits_of), &of(&means_of), &of(&scales_of), &mut slopes);
        (value, slopes)
    };
    let found: Vec<([f64; 2], Vec<[f64; 3]>)> = (0..count).into_par_iter().map(one).collect();
    let of_value = |n: usize| Tensor::from_f32(found.iter().map(|(v, _)| v[n] as f32).collect(), &shape);
    let of_part = |n: usize| {
        let values = (0..k).flat_map(|j| found.iter().map(move |(_, slopes)| slopes[j][n] as f32)).collect();
        Tensor::from_f32(values, &parts)
    };
    let (value, by_value) = (of_value(0), of_value(1));
    let slopes = [of_part(0), of_part(1), of_part(2)];
    let inputs = vec![y.clone(), logits.clone(), means.clone(), log_scales.clone()];
    Tensor::custom("mixture_bits", inputs, value, move |g, wanted| {
        let mut grads = vec![wanted[0].then(|| g * &by_value)];
        grads.extend(slopes.iter().enumerate().map(|(n, slope)| wanted[n + 1].then(|| g * slope)));
        grads
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::density::{Bits, bits};
    use elbo_tensor::grad;

    #[test]
    fn slopes_are_those_of_central_differences() {
        let (logits, means, scales) = ([0.3, -0.8, 0.1], [0.2, 1.4, -2.0], [-1.2, 0.3, 0.9]);
        let at = |y: f64, l: &[f64], m: &[f64], s: &[f64]| cost(y, l, m, s, &mut [[0.0; 3]; 3])[0];
        let h = 1e-6;
        for y in [-3.3, -0.7, 0.2, 0.9, 4.0] {
            let mut found = [[0.0; 3]; 3];
            let [_, by_value] = cost(y, &logits, &means, &scales, &mut found);
            let close = |a: f64, b: f64| (a - b).abs() < 1e-6 * (1.0 + b.abs());
            let numeric = (at(y + h, &logits, &means, &scales) - at(y - h, &logits, &means, &scales)) / (2.0 * h);
            assert!(close(numeric, by_value), "{y}: {numeric} {by_value}");
            for (j, found) in found.iter().enumerate() {
                let moved = |values: &[f64; 3], by: f64| {
                    let mut moved = *values;
                    moved[j] += by;
                    moved
                };
                let by_logit = at(y, &moved(&logits, h), &means, &scales) - at(y, &moved(&logits, -h), &means, &scales);
                let by_mean = at(y, &logits, &moved(&means, h), &scales) - at(y, &logits, &moved(&means, -h), &scales);
                let by_scale = at(y, &logits, &means, &moved(&scales, h)) - at(y, &logits, &means, &moved(&scales, -h));
                for (numeric, exact) in [by_logit, by_mean, by_scale].iter().zip(found) {
                    assert!(close(numeric / (2.0 * h), *exact), "{y} {j}: {} {exact}", numeric / (2.0 * h));
                }
            }
        }
    }

    #[test]
    fn equal_gaussians_are_one_with_its_derivatives() {
        let y = Tensor::from_f32(vec![-3.0, 0.4, 1.0, 2.5], &[1, 2, 2]).variable();
        let mean = Tensor::from_f32(vec![0.1, -0.5, 1.0, 0.0], &[1, 2, 2]).variable();
        let scale = Tensor::from_f32(vec![0.3, -0.4, 0.0, 1.0], &[1, 2, 2]).variable();
        let logits = Tensor::from_f32((0..12).map(|i| 0.1 * i as f32).collect(), &[3, 1, 2, 2]).variable();
        let thrice = |x: &Tensor| Tensor::stack(&[x.clone(), x.clone(), x.clone()], 0);
        let one = bits(&Bits::Fixed(Density::Gaussian), &y, &mean, &scale);
        let mixed = mixture_bits(&y, &logits, &thrice(&mean), &thrice(&scale));
        assert_eq!(mixed.shape(), [1, 2, 2]);
        let near = |a: &Tensor, b: &Tensor| (a - b).abs().max().item() < 1e-5;
        assert!(near(&one, &mixed));
        let (a, b) = (grad(&one.sum(), &[&y, &mean, &scale]), grad(&mixed.sum(), &[&y, &mean, &scale, &logits]));
        assert!((0..3).all(|i| near(&a[i], &b[i])));
        assert!(b[3].abs().max().item() < 1e-6);
    }
}
