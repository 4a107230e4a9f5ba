//! Several classes through the softmax of their scores.

use super::check_support;
use super::multi::MultiLikelihood;
use super::poisson::is_count;
use elbo_core::{Prediction, Result, Rng};
use elbo_tensor::special::log_sum_exp;
use elbo_tensor::{Parameter, Parameters};

/// Below this standard deviation the pathwise derivative by the variance gives way to the curvature.
const NARROW: f64 = 1e-5;

/// Seed of the common random numbers of predictions.
const PREDICTION_SEED: u64 = 7_919;

/// Pairs of draws in predictions.
const PREDICTION_PAIRS: usize = 256;

/// Classes 0 .. C-1 with probabilities `softmax(f)`, one latent score a class; no parameters.
///
/// Expectations of `f_y - log sum exp(f)` are Monte Carlo averages over common random numbers, the same for every datum, so that the
/// objective is one smooth function; or the closed lower bound `m_y - log sum exp(m + v/2)`, which is looser.
#[derive(Debug, Clone)]
pub struct Softmax {
    classes: usize,
    /// Standard normals `[S, C]` in antithetic pairs; none for the lower bound.
    noise: Option<Vec<f64>>,
    prediction_noise: Vec<f64>,
}

impl Softmax {
    /// With Monte Carlo expectations over this many draws, rounded up to even; 32 is usual.
    pub fn new(classes: usize, draws: usize, rng: &mut Rng) -> Self {
        Self { noise: Some(pairs(classes, draws.div_ceil(2).max(1), rng)), ..Self::bounded(classes) }
    }

    /// With the closed lower bound.
    pub fn bounded(classes: usize) -> Self {
        assert!(classes >= 2, "softmax needs at least two classes, found {classes}");
        let prediction_noise = pairs(classes, PREDICTION_PAIRS, &mut Rng::new(PREDICTION_SEED));
        Self { classes, noise: None, prediction_noise }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Predictive probabilities `[C]` of one datum, by 512 fixed draws.
    pub fn probabilities(&self, mean: &[f64], variance: &[f64]) -> Vec<f64> {
        let rows = self.prediction_noise.chunks(self.classes);
        let share = 1.0 / rows.len() as f64;
        let mut total = vec![0.0; self.classes];
        for noise in rows {
            let (p, _) = softmax(mean, variance, noise);
            total.iter_mut().zip(p).for_each(|(t, p)| *t += share * p);
        }
        total
    }
}

/// Antithetic pairs of standard normals, `[2 * pairs, C]`.
fn pairs(classes: usize, pairs: usize, rng: &mut Rng) -> Vec<f64> {
    let mut noise = vec![];
    for _ in 0..pairs {
        let draw: Vec<f64> = (0..classes).map(|_| rng.normal()).collect();
        noise.extend(&draw);
        noise.extend(draw.iter().map(|z| -z));
    }
    noise
}

/// Softmax at one draw, and the log of its normaliser.
fn softmax(mean: &[f64], variance: &[f64], noise: &[f64]) -> (Vec<f64>, f64) {
    let f: Vec<f64> = mean.iter().zip(variance).zip(noise).map(|((m, v), z)| m + v.sqrt() * z).collect();
    let total = log_sum_exp(&f);
    (f.iter().map(|f| (f - total).exp()).collect(), total)
}

impl Parameters for Softmax {
    fn visit(&self, _: &mut dyn FnMut(&str, &Parameter)) {}

    fn visit_mut(&mut self, _: &mut dyn FnMut(&str, &mut Parameter)) {}
}

impl MultiLikelihood for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn description(&self) -> String {
        match &self.noise {
            Some(noise) => format!("softmax ({} classes, {} draws)", self.classes, noise.len() / self.classes),
            None => format!("softmax ({} classes, lower bound)", self.classes),
        }
    }

    fn latents(&self) -> usize {
        self.classes
    }

    fn log_prob(&self, y: f64, f: &[f64]) -> f64 {
        f[y as usize] - log_sum_exp(f)
    }

    fn expected(&self, y: f64, mean: &[f64], variance: &[f64], dm: &mut [f64], dv: &mut [f64]) -> f64 {
        dm.fill(0.0);
        dv.fill(0.0);
        // The mean of f_y is exact; only the normaliser is averaged.
        let mut value = mean[y as usize];
        dm[y as usize] = 1.0;
        let Some(noise) = &self.noise else {
            let shifted: Vec<f64> = mean.iter().zip(variance).map(|(m, v)| m + 0.5 * v).collect();
            let total = log_sum_exp(&shifted);
            for c in 0..self.classes {
                let p = (shifted[c] - total).exp();
                dm[c] -= p;
                dv[c] -= 0.5 * p;
            }
            return value - total;
        };
        let share = 1.0 / (noise.len() / self.classes) as f64;
        for draw in noise.chunks(self.classes) {
            let (p, total) = softmax(mean, variance, draw);
            value -= share * total;
            for c in 0..self.classes {
                let sd = variance[c].sqrt();
                dm[c] -= share * p[c];
                dv[c] -= 0.5 * share * if sd < NARROW { p[c] * (1.0 - p[c]) } else { p[c] * draw[c] / sd };
            }
        }
        value
    }

    /// The average of `p_c (1 - p_c)`: never negative, where `-2 dv` of few draws often is.
    fn expected_precision(&self, _: f64, mean: &[f64], variance: &[f64], dv: &[f64]) -> Vec<f64> {
        let Some(noise) = &self.noise else { return dv.iter().map(|dv| -2.0 * dv).collect() };
        let share = 1.0 / (noise.len() / self.classes) as f64;
        let mut precision = vec![0.0; self.classes];
        for draw in noise.chunks(self.classes) {
            let (p, _) = softmax(mean, variance, draw);
            precision.iter_mut().zip(p).for_each(|(sum, p)| *sum += share * p * (1.0 - p));
        }
        precision
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
        let total = log_sum_exp(f);
        rng.weighted(&f.iter().map(|f| (f - total).exp()).collect::<Vec<_>>()) as f64
    }

    fn check_targets(&self, y: &[f64]) -> Result<()> {
        check_classes(y, self.name(), self.classes)
    }

    fn clone_box(&self) -> Box<dyn MultiLikelihood> {
        Box::new(self.clone())
    }
}

/// Refuses targets that are not class numbers.
pub(super) fn check_classes(y: &[f64], name: &str, classes: usize) -> Result<()> {
    let support = format!("class numbers from 0 to {}", classes - 1);
    check_support(y, name, &support, "number the classes from 0", |y| is_count(y) && y < classes as f64)
}
