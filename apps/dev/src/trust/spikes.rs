//! Counts of several channels behind one latent function, against the exact posterior.

use super::entry::{Entry, Exact, Outcome, Size, column, encode, fit, largest, saved, simulations, stored};
use super::linear::{cholesky, colour, dot, matrix, solve};
use crate::error::{DevError, Result};
use elbo::core::{Array, Data, ModelFile, Rng, Run};
use elbo::markov::Kernel;
use elbo::tensor::special::ndtr;
use serde_json::json;

/// `cvhm`.
pub(super) fn entry() -> Entry {
    Entry::new(
        "cvhm",
        "kernel and readout held: the true latent in the middle of each trial lies uniformly in its posterior, whose mean and standard deviation are \
         the exact ones but for its Gaussian form",
        spikes,
    )
}

const BINS: usize = 8;
const MIDDLE: usize = BINS / 2;
const CHANNELS: usize = 12;
const LENGTHSCALE: f64 = 4.0;
/// Variance of the latent where loadings have length one.
const VARIANCE: f64 = 6.0;
const LOG_RATE: f64 = -0.2;

/// One bin a trial: trials are independent. The readout is the true one: a learned one would move all places together.
fn spikes(size: Size) -> Result<Outcome> {
    let trials = size.pick(160, 600);
    let simulated = Simulated::new(trials, &mut Rng::new(7));
    let mut run = Run::new(7);
    let settings = json!({"trajectories": 1, "learn": "off", "rounds": 1});
    let learned = fit("cvhm", &settings, &simulated.data, &mut run)?;
    let mut file = saved("cvhm", learned.as_ref())?;
    simulated.put_truth(&mut file)?;
    let model = elbo::find("cvhm")?.load(&file)?;
    let codes = encode("cvhm", model.as_ref(), &simulated.data, &mut run)?;
    let (mean, sd) = (column(&codes, "latent_1")?, column(&codes, "latent_1_sd")?);
    let place = |trial: usize| {
        let at = trial * BINS + MIDDLE;
        ndtr((simulated.latent[at] - mean[at]) / sd[at])
    };
    let distances = simulations(size.pick(6, 30), |trial| {
        let at = trial as usize * BINS + MIDDLE;
        let (exact_mean, exact_sd) = simulated.middle(trial as usize, &mut Rng::new(8).split(trial));
        Ok(largest([((mean[at] - exact_mean) / exact_sd).abs(), (sd[at] / exact_sd - 1.0).abs()]))
    })?;
    // The Gaussian form and the error of 20,000 weighted draws come to 0.02 together. A Gaussian at the mode is 0.1 off.
    let exact = Some(Exact { distance: largest(distances), tolerance: 5e-2 });
    Ok(Outcome { places: (0..trials).map(place).collect(), exact })
}

/// Truths and their counts.
struct Simulated {
    /// Cholesky factor of the latent's covariance in a trial.
    factor: Vec<f64>,
    /// Of length one, `[CHANNELS]`.
    loadings: Vec<f64>,
    /// `[trials, BINS]`.
    latent: Vec<f64>,
    /// `[trials, BINS, CHANNELS]`.
    counts: Vec<f64>,
    data: Data,
}

impl Simulated {
    fn new(trials: usize, rng: &mut Rng) -> Self {
        let raw: Vec<f64> = (0..CHANNELS).map(|_| rng.normal()).collect();
        let length = dot(&raw, &raw).sqrt();
        let loadings: Vec<f64> = raw.iter().map(|c| c / length).collect();
        let kernel = |i: usize, j: usize| {
            let r = 3f64.sqrt() * i.abs_diff(j) as f64 / LENGTHSCALE;
            VARIANCE * (1.0 + r) * (-r).exp()
        };
        let factor = cholesky(&matrix(BINS, kernel), BINS);
        let (mut latent, mut counts) = (vec![], vec![]);
        for _ in 0..trials {
            let noise: Vec<f64> = (0..BINS).map(|_| rng.normal()).collect();
            for f in colour(&factor, &noise) {
                counts.extend(loadings.iter().map(|c| rng.poisson((c * f + LOG_RATE).exp()) as f64));
                latent.push(f);
            }
        }
        let array = Array::new(&[trials, BINS, CHANNELS], counts.clone());
        let data = Data { source: "counts".into(), arrays: vec![("counts".into(), array)], ..Data::default() };
        Self { factor, loadings, latent, counts, data }
    }

    /// The true kernel and readout in place of what was learned.
    fn put_truth(&self, file: &mut ModelFile) -> Result<()> {
        let kept = stored(file, "offsets")?.len();
        if kept != CHANNELS {
            return Err(DevError::format("cvhm", format!("it kept {kept} of {CHANNELS} channels")));
        }
        file.set("kernels", &[Kernel::matern(1, VARIANCE, LENGTHSCALE)]);
        file.put("loadings", &[CHANNELS, 1], &self.loadings);
        file.put("offsets", &[CHANNELS], &[LOG_RATE; CHANNELS]);
        Ok(())
    }

    /// The counts of a trial, `[BINS, CHANNELS]`.
    fn trial(&self, trial: usize) -> &[f64] {
        &self.counts[trial * BINS * CHANNELS..(trial + 1) * BINS * CHANNELS]
    }

    /// Log joint density of the counts of a trial and of `z: [BINS]`, up to a constant; the latent is `L z`, `z` standard normal.
    fn log_joint(&self, trial: usize, z: &[f64]) -> f64 {
        let mut sum = -0.5 * dot(z, z);
        for (f, row) in colour(&self.factor, z).iter().zip(self.trial(trial).chunks_exact(CHANNELS)) {
            for (y, c) in row.iter().zip(&self.loadings) {
                let log_rate = c * f + LOG_RATE;
                sum += y * log_rate - log_rate.exp();
            }
        }
        sum
    }

    /// The largest log joint density by Newton's method with halved steps, and the Cholesky factor of the negative Hessian there.
    fn mode(&self, trial: usize) -> (Vec<f64>, Vec<f64>) {
        let l = |t: usize, i: usize| self.factor[t * BINS + i];
        let mut z = vec![0.0; BINS];
        loop {
            let f = colour(&self.factor, &z);
            let (mut slope, mut weight) = (vec![0.0; BINS], vec![0.0; BINS]);
            for (t, row) in self.trial(trial).chunks_exact(CHANNELS).enumerate() {
                for (y, c) in row.iter().zip(&self.loadings) {
                    let rate = (c * f[t] + LOG_RATE).exp();
                    slope[t] += c * (y - rate);
                    weight[t] += c * c * rate;
                }
            }
            let gradient: Vec<f64> =
                (0..BINS).map(|i| (i..BINS).map(|t| l(t, i) * slope[t]).sum::<f64>() - z[i]).collect();
            let cell = |i: usize, j: usize| {
                let own = if i == j { 1.0 } else { 0.0 };
                own + (i.max(j)..BINS).map(|t| l(t, i) * weight[t] * l(t, j)).sum::<f64>()
            };
            let precision = cholesky(&matrix(BINS, cell), BINS);
            let step = solve(&precision, &gradient);
            let before = self.log_joint(trial, &z);
            let mut share = 1.0;
            let moved = |share: f64| -> Vec<f64> { z.iter().zip(&step).map(|(z, s)| z + share * s).collect() };
            while share > 1e-9 && self.log_joint(trial, &moved(share)) < before {
                share *= 0.5;
            }
            // At the mode rounding decides which of two points is higher.
            if share <= 1e-9 || dot(&gradient, &step) < 1e-12 {
                return (z, precision);
            }
            z = moved(share);
        }
    }

    /// Mean and standard deviation of the latent in the middle bin, by importance sampling from a Student-t at the mode, a little wider than the
    /// curvature there.
    fn middle(&self, trial: usize, rng: &mut Rng) -> (f64, f64) {
        const DRAWS: usize = 20_000;
        const FREEDOM: f64 = 8.0;
        const WIDER: f64 = 1.1;
        let (mode, precision) = self.mode(trial);
        let columns: Vec<Vec<f64>> = (0..BINS)
            .map(|j| solve(&precision, &(0..BINS).map(|i| f64::from(u8::from(i == j))).collect::<Vec<f64>>()))
            .collect();
        let spread = cholesky(&matrix(BINS, |i, j| columns[j][i]), BINS);
        let (mut logs, mut values) = (vec![], vec![]);
        for _ in 0..DRAWS {
            let scale = (FREEDOM / rng.chi_squared(FREEDOM)).sqrt();
            let u: Vec<f64> = (0..BINS).map(|_| scale * rng.normal()).collect();
            let z: Vec<f64> = mode.iter().zip(colour(&spread, &u)).map(|(m, s)| m + WIDER * s).collect();
            logs.push(self.log_joint(trial, &z) + 0.5 * (FREEDOM + BINS as f64) * (dot(&u, &u) / FREEDOM).ln_1p());
            values.push(dot(&self.factor[MIDDLE * BINS..=MIDDLE * BINS + MIDDLE], &z[..=MIDDLE]));
        }
        let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logs.iter().map(|l| (l - top).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mean = dot(&weights, &values) / total;
        let variance = weights.iter().zip(&values).map(|(w, v)| w * (v - mean).powi(2)).sum::<f64>() / total;
        (mean, variance.sqrt())
    }
}
