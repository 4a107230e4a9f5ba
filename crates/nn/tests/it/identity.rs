//! The mean divergence from the prior is the mutual information and the divergence of the aggregated posterior together. Both are computed by quadrature
//! from the mixture of Gaussians that the aggregated posterior is, and what an evaluation reports is compared with them.

use crate::common::{shaken, small};
use elbo_core::Rng;
use elbo_nn::vae::{EvaluationConfig, Family, LikelihoodConfig, Noise, ObjectiveConfig, PriorConfig, VaeConfig};
use std::f64::consts::{E, TAU};

/// Means and variances of posteriors, `[N, L]`.
struct Posteriors {
    mean: Vec<f64>,
    variance: Vec<f64>,
    latent: usize,
}

impl Posteriors {
    fn rows(&self) -> usize {
        self.mean.len() / self.latent
    }

    /// Mean closed divergence from the standard normal prior.
    fn mean_kl(&self) -> f64 {
        let each = self.mean.iter().zip(&self.variance).map(|(m, v)| 0.5 * (v + m * m - 1.0 - v.ln()));
        each.sum::<f64>() / self.rows() as f64
    }

    /// Mean entropy of the posteriors.
    fn mean_entropy(&self) -> f64 {
        self.variance.iter().map(|v| 0.5 * (TAU * E * v).ln()).sum::<f64>() / self.rows() as f64
    }

    /// The midpoints of one dimension's cells, their width, and the density of every posterior at them, `[N][count]`.
    fn axis(&self, dimension: usize, count: usize) -> (Vec<f64>, f64, Vec<Vec<f64>>) {
        let at = |n: usize| n * self.latent + dimension;
        let normals: Vec<(f64, f64)> =
            (0..self.rows()).map(|n| (self.mean[at(n)], self.variance[at(n)].sqrt())).collect();
        let low = normals.iter().map(|(m, sd)| m - 9.0 * sd).fold(f64::INFINITY, f64::min);
        let high = normals.iter().map(|(m, sd)| m + 9.0 * sd).fold(f64::NEG_INFINITY, f64::max);
        let width = (high - low) / count as f64;
        // The midpoint rule is exact to rounding for a normal density whose deviation is a cell or more.
        assert!(normals.iter().all(|(_, sd)| *sd > width), "the grid resolves every posterior");
        let points: Vec<f64> = (0..count).map(|i| low + (i as f64 + 0.5) * width).collect();
        let density = |m: f64, sd: f64| -> Vec<f64> {
            points.iter().map(|z| (-0.5 * ((z - m) / sd).powi(2)).exp() / (TAU.sqrt() * sd)).collect()
        };
        let densities = normals.iter().map(|(m, sd)| density(*m, *sd)).collect();
        (points, width, densities)
    }

    /// I(x; z) and KL(q(z) || p(z)) by the midpoint rule on a grid of `count` cells a dimension.
    fn by_quadrature(&self, count: usize) -> (f64, f64) {
        let (first, step, densities) = self.axis(0, count);
        // One dimension is a plane whose second has a single cell of density one.
        let single = || (vec![0.0], 1.0, vec![vec![1.0]; self.rows()]);
        let (second, other_step, others) = if self.latent == 2 { self.axis(1, count) } else { single() };
        let (cell, n) = (step * other_step, self.rows() as f64);
        let (mut entropy, mut cross) = (0.0, 0.0);
        for (i, a) in first.iter().enumerate() {
            let mut line = vec![0.0; second.len()];
            for (own, other) in densities.iter().zip(&others) {
                line.iter_mut().zip(other).for_each(|(q, b)| *q += own[i] * b / n);
            }
            for (q, b) in line.iter().zip(&second).filter(|(q, _)| **q > 0.0) {
                entropy -= q * q.ln() * cell;
                cross += q * 0.5 * (a * a + b * b + self.latent as f64 * TAU.ln()) * cell;
            }
        }
        (entropy - self.mean_entropy(), cross - entropy)
    }
}

/// The mean, and four of its standard errors.
fn mean_and_four_errors(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, 4.0 * (variance / n).sqrt())
}

#[test]
fn what_an_evaluation_says_of_all_codes_together_is_what_quadrature_says() {
    for (latent, rows, count) in [(1, 200, 20_000), (2, 60, 2000)] {
        let mut rng = Rng::new(20 + latent as u64);
        let likelihood = LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 0.5 } };
        let config = VaeConfig { latent, ..small(likelihood, Family::GaussDiag, PriorConfig::Standard) };
        let vae = shaken(&config, &ObjectiveConfig::default(), &mut rng);
        let values: Vec<f32> = rng.normals(3 * rows).iter().map(|v| *v as f32).collect();
        let q = vae.encode(&values);
        let exact = Posteriors { mean: q.mean().to_vec(), variance: q.variance().to_vec(), latent };
        let (information, gap) = exact.by_quadrature(count);
        let kl = exact.mean_kl();
        assert!((kl - information - gap).abs() < 1e-6, "{latent}: {kl} is not {information} and {gap}");
        assert!(information > 0.01 && gap > 0.01, "{latent}: {information} {gap}");

        let effort = EvaluationConfig { draws: 20, pairs: rows };
        let found: Vec<_> = (0..40).map(|_| vae.evaluate(&values, &effort, &mut rng)).collect();
        let per_dimension: f64 = found[0].kl_per_dimension.iter().sum();
        assert!((per_dimension - kl).abs() < 1e-9, "{latent}: {per_dimension} for {kl}");
        for (name, estimates, expected) in [
            ("divergence", found.iter().map(|f| f.kl).collect::<Vec<f64>>(), kl),
            ("mutual information", found.iter().map(|f| f.mutual_information).collect(), information),
            ("aggregated divergence", found.iter().map(|f| f.aggregated_kl).collect(), gap),
        ] {
            let (mean, errors) = mean_and_four_errors(&estimates);
            // Forty evaluations of all data points must tell the parts from each other, or the comparison would say nothing.
            assert!(errors < 0.3 * kl, "{name} in {latent}: {errors} of {kl}");
            assert!((mean - expected).abs() < errors, "{name} in {latent}: {mean} within {errors}, {expected}");
        }
    }
}
