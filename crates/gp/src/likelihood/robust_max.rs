//! The class of the largest score, with a small chance of an error.

use super::multi::MultiLikelihood;
use super::softmax::check_classes;
use elbo_core::{Prediction, Result, Rng};
use elbo_dist::Rule;
use elbo_tensor::special::{LOG_SQRT_TAU, ndtr};
use elbo_tensor::{Parameter, Parameters};

/// Distribution functions are squashed into `[SQUASH, 1 - SQUASH]`, so that no product vanishes.
const SQUASH: f64 = 1e-6;

/// Below this standard deviation the difference quotient in the variance is replaced by its limit.
const NARROW: f64 = 1e-5;

/// Classes 0 .. C-1: the class of the largest of C latent scores with probability `1 - epsilon`, any other one otherwise; no parameters.
///
/// # Source
/// Hernández-Lobato, Hernández-Lobato and Dupont (2011).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RobustMax {
    classes: usize,
    epsilon: f64,
}

/// The probability that one score is the largest, with its derivatives.
struct Largest {
    probability: f64,
    dm: Vec<f64>,
    dv: Vec<f64>,
}

impl RobustMax {
    /// With this chance of an error, in (0, 1); 1e-3 is usual.
    pub fn new(classes: usize, epsilon: f64) -> Self {
        assert!(classes >= 2, "robust-max needs at least two classes, found {classes}");
        assert!(epsilon > 0.0 && epsilon < 1.0, "the chance of an error lies in (0, 1), found {epsilon}");
        Self { classes, epsilon }
    }

    /// `E` over `f_y` of the product over the other classes of `Phi((f_y - m_c) / sd_c)`, with 20 nodes.
    fn largest(&self, y: usize, mean: &[f64], variance: &[f64]) -> Largest {
        let rule = Rule::hermite20();
        let sd = variance[y].sqrt();
        let mut sum = Largest { probability: 0.0, dm: vec![0.0; self.classes], dv: vec![0.0; self.classes] };
        for (x, w) in rule.nodes.iter().zip(&rule.weights) {
            let f = mean[y] + sd * x;
            let others = || (0..self.classes).filter(|c| *c != y);
            let standardised = |c: usize| (f - mean[c]) / variance[c].sqrt();
            let squashed = |c: usize| SQUASH + (1.0 - 2.0 * SQUASH) * ndtr(standardised(c));
            let product: f64 = others().map(squashed).product();
            // First and second logarithmic derivatives of the product in f.
            let (mut first, mut second) = (0.0, 0.0);
            for c in others() {
                let z = standardised(c);
                let rate = (1.0 - 2.0 * SQUASH) * (-0.5 * z * z - LOG_SQRT_TAU).exp() / squashed(c);
                let slope = rate / variance[c].sqrt();
                sum.dm[c] -= w * product * slope;
                sum.dv[c] -= 0.5 * w * product * rate * z / variance[c];
                first += slope;
                second -= slope * slope + z * rate / variance[c];
            }
            sum.probability += w * product;
            sum.dm[y] += w * product * first;
            let curvature = second + first * first;
            sum.dv[y] += 0.5 * w * product * if sd < NARROW { curvature } else { first * x / sd };
        }
        sum
    }

    /// Predictive probabilities `[C]` of one datum; they sum to one.
    pub fn probabilities(&self, mean: &[f64], variance: &[f64]) -> Vec<f64> {
        let p: Vec<f64> = (0..self.classes).map(|c| self.largest(c, mean, variance).probability).collect();
        // Quadrature and squashing leave the sum a little off one.
        let total: f64 = p.iter().sum();
        p.iter().map(|p| self.with_errors(p / total)).collect()
    }

    fn with_errors(&self, p: f64) -> f64 {
        p * (1.0 - self.epsilon) + (1.0 - p) * self.epsilon / (self.classes - 1) as f64
    }

    /// `log p` of a hit and of a miss.
    fn logs(&self) -> (f64, f64) {
        ((-self.epsilon).ln_1p(), (self.epsilon / (self.classes - 1) as f64).ln())
    }
}

impl Parameters for RobustMax {
    fn visit(&self, _: &mut dyn FnMut(&str, &Parameter)) {}

    fn visit_mut(&mut self, _: &mut dyn FnMut(&str, &mut Parameter)) {}
}

impl MultiLikelihood for RobustMax {
    fn name(&self) -> &'static str {
        "robust_max"
    }

    fn description(&self) -> String {
        format!("robust_max ({} classes, error {})", self.classes, self.epsilon)
    }

    fn latents(&self) -> usize {
        self.classes
    }

    fn log_prob(&self, y: f64, f: &[f64]) -> f64 {
        let top = (1..f.len()).fold(0, |best, c| if f[c] > f[best] { c } else { best });
        let (hit, miss) = self.logs();
        if top == y as usize { hit } else { miss }
    }

    fn expected(&self, y: f64, mean: &[f64], variance: &[f64], dm: &mut [f64], dv: &mut [f64]) -> f64 {
        let largest = self.largest(y as usize, mean, variance);
        let (hit, miss) = self.logs();
        for c in 0..self.classes {
            dm[c] = largest.dm[c] * (hit - miss);
            dv[c] = largest.dv[c] * (hit - miss);
        }
        miss + largest.probability * (hit - miss)
    }

    fn d_expected(&self, _: f64, _: &[f64], _: &[f64]) -> Vec<f64> {
        vec![]
    }

    fn log_density(&self, y: f64, mean: &[f64], variance: &[f64]) -> f64 {
        self.probabilities(mean, variance)[y as usize].ln()
    }

    fn prediction(&self, mean: &[f64], variance: &[f64], _: (f64, f64), classes: &[String]) -> Prediction {
        let rows = mean.chunks(self.classes).zip(variance.chunks(self.classes));
        let probabilities = rows.flat_map(|(m, v)| self.probabilities(m, v)).collect();
        Prediction::Classes { classes: classes.to_vec(), probabilities }
    }

    fn sample(&self, f: &[f64], rng: &mut Rng) -> f64 {
        let top = (1..f.len()).fold(0, |best, c| if f[c] > f[best] { c } else { best });
        if rng.uniform() >= self.epsilon {
            return top as f64;
        }
        let other = rng.below(self.classes - 1);
        if other < top { other as f64 } else { (other + 1) as f64 }
    }

    fn check_targets(&self, y: &[f64]) -> Result<()> {
        check_classes(y, self.name(), self.classes)
    }

    fn clone_box(&self) -> Box<dyn MultiLikelihood> {
        Box::new(*self)
    }
}
