//! Predictions of several networks together, and how much of their doubt is disagreement.
//!
//! Members are networks trained from different starts, or draws of one posterior. Numbers are best kept as the mixture itself,
//! [`elbo_dist::GaussianMixtures`]; [`Moments`] are for intervals at a glance.

use elbo_tensor::special::log_sum_exp;

/// Averaged class probabilities of rows, and the parts of their entropy in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassAverage {
    /// Log of the averaged probabilities, `[N, K]` row-major.
    pub log_probabilities: Vec<f64>,
    /// Entropy of the average, `[N]`.
    pub total: Vec<f64>,
    /// Mean of the members' entropies, `[N]`: doubt that no further data would remove.
    pub aleatoric: Vec<f64>,
}

impl ClassAverage {
    /// From each member's log probabilities, `[N, K]` row-major.
    ///
    /// # Panics
    /// Without members or classes, and for members of different shapes.
    pub fn new(classes: usize, members: &[Vec<f64>]) -> Self {
        assert!(!members.is_empty() && classes > 0, "an average needs members and classes");
        let size = members[0].len();
        assert!(members.iter().all(|m| m.len() == size && size.is_multiple_of(classes)), "members of one shape");
        let share = (members.len() as f64).ln();
        let average = |i: usize| log_sum_exp(&members.iter().map(|m| m[i]).collect::<Vec<_>>()) - share;
        let log_probabilities: Vec<f64> = (0..size).map(average).collect();
        let total: Vec<f64> = log_probabilities.chunks(classes).map(entropy).collect();
        let mut aleatoric = vec![0.0; total.len()];
        for member in members {
            for (sum, row) in aleatoric.iter_mut().zip(member.chunks(classes)) {
                *sum += entropy(row) / members.len() as f64;
            }
        }
        Self { log_probabilities, total, aleatoric }
    }

    /// Entropy less its aleatoric part, `[N]`: what the members disagree about, never negative but for rounding.
    pub fn epistemic(&self) -> Vec<f64> {
        self.total.iter().zip(&self.aleatoric).map(|(t, a)| t - a).collect()
    }
}

fn entropy(log_probabilities: &[f64]) -> f64 {
    // A class of probability zero adds nothing.
    -log_probabilities.iter().filter(|l| l.is_finite()).map(|l| l.exp() * l).sum::<f64>()
}

/// Mean of the members' means, and the parts of the variance.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Means, `[N]`.
    pub mean: Vec<f64>,
    /// Mean of the members' variances, `[N]`.
    pub aleatoric: Vec<f64>,
    /// Variance of the members' means, `[N]`.
    pub epistemic: Vec<f64>,
}

impl Moments {
    /// From each member's means and variances, `[N]` each.
    ///
    /// # Panics
    /// Without members, and for members of different lengths.
    pub fn new(members: &[(Vec<f64>, Vec<f64>)]) -> Self {
        assert!(!members.is_empty(), "an average needs members");
        let rows = members[0].0.len();
        let (mut mean, mut aleatoric, mut epistemic) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
        let share = 1.0 / members.len() as f64;
        for (means, variances) in members {
            for i in 0..rows {
                mean[i] += share * means[i];
                aleatoric[i] += share * variances[i];
            }
        }
        for (means, _) in members {
            for i in 0..rows {
                epistemic[i] += share * (means[i] - mean[i]).powi(2);
            }
        }
        Self { mean, aleatoric, epistemic }
    }
}
