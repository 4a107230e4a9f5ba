//! How the number of a channel in a bin follows from the latents.

use elbo_core::columns::is_count;
use elbo_core::{Error, Result};
use elbo_gp::likelihood::{BernoulliLogit, Gaussian, Likelihood, NegativeBinomial, Poisson};
use elbo_markov::counts::{LOG_RATE_CAP, Moments, Readout};
use elbo_tensor::special::sigmoid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The distribution of a channel's number in a bin, given `η = c'f + d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Emission {
    /// Counts of mean `exp(η)`.
    Poisson,
    /// Whether something happened, 0 or 1, with the logistic function of `η`.
    Bernoulli,
    /// Counts of mean `μ = exp(η)` and variance `μ + μ² / dispersion`, with a dispersion a channel, learned.
    NegativeBinomial,
    /// Any numbers, standardised channel by channel: `η` and noise, with a variance a channel, learned.
    Gaussian,
}

/// Least variance of noise, of channels of variance one.
pub(super) const LEAST_NOISE: f64 = 1e-5;

/// Least and largest dispersion: from the largest on the counts are Poisson's.
pub(super) const DISPERSIONS: (f64, f64) = (1e-2, 1e4);

impl Emission {
    /// Whether `η` is a log rate that is held at a cap in expectations.
    pub(super) fn caps(self) -> bool {
        self == Self::Poisson
    }

    /// Whether numbers are events that add up.
    pub(super) fn counts(self) -> bool {
        matches!(self, Self::Poisson | Self::NegativeBinomial)
    }

    /// Refuses the first number that it cannot give; `place` says where an entry stands.
    ///
    /// # Errors
    /// [`Error::Data`] naming the number and its place.
    pub(super) fn check(self, values: &[f64], place: impl Fn(usize) -> String) -> Result<()> {
        let (what, remedy) = match self {
            Self::Poisson | Self::NegativeBinomial => (
                "a count",
                "counts are whole numbers from zero on; bin the events first, or use --set likelihood=gaussian for other numbers",
            ),
            Self::Bernoulli => {
                ("0 or 1", "write 1 where something happened, or use --set likelihood=poisson for counts")
            }
            Self::Gaussian => ("a number", "mend the cell"),
        };
        let holds = |v: f64| match self {
            Self::Poisson | Self::NegativeBinomial => is_count(v),
            Self::Bernoulli => v == 0.0 || v == 1.0,
            Self::Gaussian => true,
        };
        match values.iter().position(|v| !(v.is_finite() && holds(*v))) {
            Some(i) => Err(Error::data(format!("{} holds {}, which is not {what}", place(i), values[i]), remedy)),
            None => Ok(()),
        }
    }

    /// The likelihood of each channel at its level, or one for all where there are no levels.
    pub(super) fn likelihoods(self, levels: &[f64]) -> Vec<Box<dyn Likelihood>> {
        let one = |likelihood: Box<dyn Likelihood>| vec![likelihood];
        match self {
            Self::Poisson => one(Box::new(Poisson::new(1.0))),
            Self::Bernoulli => one(Box::new(BernoulliLogit::new())),
            Self::NegativeBinomial => {
                levels.iter().map(|r| Box::new(NegativeBinomial::new(*r)) as Box<dyn Likelihood>).collect()
            }
            Self::Gaussian => levels.iter().map(|v| Box::new(Gaussian::new(*v)) as Box<dyn Likelihood>).collect(),
        }
    }

    /// What the level of a channel is called, where there is one.
    pub(super) fn level_name(self) -> Option<&'static str> {
        match self {
            Self::Poisson | Self::Bernoulli => None,
            Self::NegativeBinomial => Some("dispersion"),
            Self::Gaussian => Some("noise variance"),
        }
    }

    /// The level of a channel at the start.
    pub(super) fn first_level(self) -> f64 {
        match self {
            Self::Poisson | Self::Bernoulli => 1.0,
            Self::NegativeBinomial => 10.0,
            Self::Gaussian => 0.5,
        }
    }

    /// `η` of a channel with this mean number, of `total` bins.
    pub(super) fn link(self, mean: f64, total: f64) -> f64 {
        match self {
            Self::Poisson | Self::NegativeBinomial => mean.max(0.5 / total).ln(),
            Self::Bernoulli => {
                let share = (0.5 + 0.5 * mean).clamp(0.5 / total, 1.0 - 0.5 / total);
                (share / (1.0 - share)).ln()
            }
            Self::Gaussian => mean,
        }
    }

    /// By how much a local mean moves `η` from that of the channel's `mean`, roughly.
    pub(super) fn deviation(self, local: f64, mean: f64) -> f64 {
        match self {
            // Log rates from square roots: d log rate = 2 d sqrt / sqrt(rate).
            Self::Poisson | Self::NegativeBinomial => {
                let root = mean.max(1e-3).sqrt();
                2.0 * (local.sqrt() - root) / root
            }
            Self::Bernoulli => {
                let share = 0.5 + 0.5 * mean;
                0.5 * (local - mean) / (share * (1.0 - share)).max(1e-3)
            }
            Self::Gaussian => local - mean,
        }
    }

    /// The mean number given mean and variance of `η`; of two classes the probability of 1.
    pub(super) fn mean(self, likelihood: &dyn Likelihood, eta: f64, variance: f64) -> f64 {
        match self {
            Self::Poisson => (eta + 0.5 * variance).min(LOG_RATE_CAP).exp(),
            Self::Bernoulli => likelihood.probability(eta, variance).unwrap_or_else(|| sigmoid(eta)),
            Self::NegativeBinomial | Self::Gaussian => likelihood.predict(eta, variance).mean,
        }
    }

    /// Log probability of a number given mean and variance of `η`, in nats; of counts with their mean rate.
    pub(super) fn log_prob(self, likelihood: &dyn Likelihood, y: f64, eta: f64, variance: f64) -> f64 {
        if self.counts() {
            return likelihood.log_prob(y, self.mean(likelihood, eta, variance).ln());
        }
        likelihood.log_density(y, eta, variance)
    }

    /// How many events a number is, as the likelihood takes it; with Gaussian noise every number counts.
    pub(super) fn events(self, y: f64) -> f64 {
        match self {
            Self::Poisson | Self::NegativeBinomial => y,
            Self::Bernoulli => 0.5 + 0.5 * y,
            Self::Gaussian => 1.0,
        }
    }

    /// The level of a channel that its moments ask for, from the present one; the bound does not fall.
    pub(super) fn learn_level(self, level: f64, readout: &Readout, channel: usize, data: &[Moments<'_>]) -> f64 {
        let terms = || data.iter().flat_map(move |part| part.terms(readout, channel));
        match self {
            Self::Poisson | Self::Bernoulli => level,
            Self::Gaussian => {
                let (mut sum, mut count) = (0.0, 0.0);
                for (y, eta, variance) in terms() {
                    sum += (y - eta).powi(2) + variance;
                    count += 1.0;
                }
                f64::max(sum / f64::max(count, 1.0), LEAST_NOISE)
            }
            Self::NegativeBinomial => {
                let terms: Vec<(f64, f64, f64)> = terms().collect();
                let told = |log: f64| -> f64 {
                    let likelihood = NegativeBinomial::new(log.exp());
                    terms.iter().map(|(y, eta, variance)| likelihood.expected(*y, *eta, *variance).value).sum()
                };
                highest(level.ln(), (DISPERSIONS.0.ln(), DISPERSIONS.1.ln()), told).exp()
            }
        }
    }
}

/// A step up a smooth function of one number: the best of the point, its neighbours, and the top of the parabola through them.
fn highest(at: f64, (low, high): (f64, f64), value: impl Fn(f64) -> f64) -> f64 {
    const STEP: f64 = 0.5;
    let held = |x: f64| x.clamp(low, high);
    let mut all = vec![at, held(at - STEP), held(at + STEP)];
    let mut values: Vec<f64> = all.iter().map(|x| value(*x)).collect();
    let bend = values[1] - 2.0 * values[0] + values[2];
    if bend < 0.0 {
        let top = held(at + (0.5 * STEP * (values[1] - values[2]) / bend).clamp(-1.0, 1.0));
        all.push(top);
        values.push(value(top));
    }
    let best = (0..all.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best });
    all[best]
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;
    use elbo_markov::counts::Seen;

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        let refused = |emission: Emission, y: f64| {
            emission.check(&[0.0, y], |i| format!("bin {}", i + 1)).err().map(|error| error.to_string())
        };
        for (emission, y) in [
            (Emission::Poisson, 0.5),
            (Emission::Poisson, -1.0),
            (Emission::NegativeBinomial, f64::NAN),
            (Emission::Bernoulli, 2.0),
            (Emission::Gaussian, f64::INFINITY),
        ] {
            assert!(refused(emission, y).is_some_and(|text| text.contains("bin 2")), "{emission:?} {y}");
        }
        for (emission, y) in [(Emission::Poisson, 7.0), (Emission::Bernoulli, 1.0), (Emission::Gaussian, -0.5)] {
            assert_eq!(refused(emission, y), None, "{emission:?} {y}");
        }
    }

    #[test]
    fn deviations_are_slopes_of_the_link() {
        for (emission, mean) in [
            (Emission::Poisson, 0.7),
            (Emission::NegativeBinomial, 3.0),
            (Emission::Bernoulli, -0.4),
            (Emission::Gaussian, 0.2),
        ] {
            let by = 1e-5;
            let slope = (emission.link(mean + by, 1e9) - emission.link(mean, 1e9)) / by;
            let found = emission.deviation(mean + by, mean) / by;
            assert!((slope - found).abs() < 1e-3 * slope, "{emission:?}: {found} {slope}");
        }
    }

    #[test]
    fn levels_are_those_that_made_the_numbers() {
        let mut rng = Rng::new(4);
        let steps = 4000;
        let mean = rng.normals(steps);
        let covariance = vec![0.0; steps];
        let readout = Readout { c: vec![0.7], d: vec![0.4], latents: 1 };
        for (emission, truth) in [(Emission::Gaussian, 0.3), (Emission::NegativeBinomial, 2.0)] {
            let likelihood = emission.likelihoods(&[truth]).remove(0);
            let y: Vec<f64> = mean.iter().map(|f| likelihood.sample(0.7 * f + 0.4, &mut rng)).collect();
            let data = [Moments { seen: Seen::plain(&y), mean: &mean, covariance: &covariance }];
            let mut level = emission.first_level();
            for _ in 0..12 {
                level = emission.learn_level(level, &readout, 0, &data);
            }
            // About five standard errors of the logarithm of a dispersion.
            assert!((level / truth).ln().abs() < 0.3, "{emission:?}: {level}");
        }
    }
}
