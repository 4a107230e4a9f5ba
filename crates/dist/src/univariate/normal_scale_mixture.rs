use super::{Distribution, Normal};
use crate::mixture_quantile;
use elbo_core::Rng;
use elbo_tensor::special::log_sum_exp;
use serde::{Deserialize, Serialize};

/// A mixture of normal distributions around zero, of one width each: symmetric, with a mode at zero and tails as heavy as its widest part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NormalScaleMixture {
    /// Weights `[K]`, positive, of sum one.
    pub weights: Vec<f64>,
    /// Standard deviations `[K]`, positive.
    pub sds: Vec<f64>,
}

/// Rounds of expectation maximisation.
const ROUNDS: usize = 300;
/// Powers of two that the narrowest and the widest standard deviation are at the start, at most.
const POWERS: (i32, i32) = (-4, 40);
/// Quantiles of a standard normal that join the residuals.
const QUANTILES: usize = 20;

impl NormalScaleMixture {
    /// The likeliest mixture for standardised residuals, which assumes nothing of the tails. Weights and widths are learned by expectation
    /// maximisation from the powers of two between a sixteenth, the least width, and the greatest residual; more parts than these add next
    /// to nothing. Twenty quantiles of a standard normal join the residuals: with few of them the answer stays near a standard normal,
    /// which is the answer for none. Residuals that are not numbers are left out.
    ///
    /// # Source
    /// Kiefer and Wolfowitz (1956), the likeliest distribution over widths; Dempster, Laird and Rubin (1977), section 4.3.
    pub fn of_residuals(residuals: &[f64]) -> Self {
        let standard = Normal { mean: 0.0, sd: 1.0 };
        let quantiles = (0..QUANTILES).map(|k| standard.quantile((k as f64 + 0.5) / QUANTILES as f64));
        let limit = f64::from(POWERS.1).exp2();
        let values: Vec<f64> =
            residuals.iter().filter(|z| !z.is_nan()).map(|z| z.clamp(-limit, limit)).chain(quantiles).collect();
        let greatest = values.iter().fold(2.0f64, |a, z| a.max(z.abs()));
        let widest = greatest.log2().ceil() as i32;
        let count = values.len() as f64;
        let sds: Vec<f64> = (POWERS.0..=widest).map(f64::from).map(f64::exp2).collect();
        let mut mixture = Self { weights: vec![1.0 / sds.len() as f64; sds.len()], sds };
        (0..ROUNDS).for_each(|_| mixture.improve(&values));
        // A part that stands for less than a tenth of a value is one whose weight has not yet reached zero.
        let kept: Vec<(f64, f64)> =
            mixture.weights.into_iter().zip(mixture.sds).filter(|(w, _)| *w > 0.1 / count).collect();
        let total: f64 = kept.iter().map(|(w, _)| w).sum();
        let (weights, sds) = kept.into_iter().map(|(w, sd)| (w / total, sd)).unzip();
        Self { weights, sds }
    }

    /// One round: every part takes its share of each value.
    fn improve(&mut self, values: &[f64]) {
        let mut sums = vec![(0.0, 0.0); self.sds.len()];
        for z in values {
            let logs: Vec<f64> = self.parts().map(|(w, part)| w.ln() + part.log_prob(*z)).collect();
            let total = log_sum_exp(&logs);
            for ((share, squares), log) in sums.iter_mut().zip(&logs) {
                let p = (log - total).exp();
                *share += p;
                *squares += p * z * z;
            }
        }
        let least = f64::from(POWERS.0).exp2();
        for ((w, sd), (share, squares)) in self.weights.iter_mut().zip(&mut self.sds).zip(sums) {
            *w = share / values.len() as f64;
            if share > 0.0 {
                *sd = (squares / share).sqrt().max(least);
            }
        }
    }

    fn parts(&self) -> impl Iterator<Item = (f64, Normal)> + '_ {
        self.weights.iter().zip(&self.sds).map(|(w, sd)| (*w, Normal { mean: 0.0, sd: *sd }))
    }
}

impl Distribution for NormalScaleMixture {
    fn log_prob(&self, x: f64) -> f64 {
        log_sum_exp(&self.parts().map(|(w, part)| w.ln() + part.log_prob(x)).collect::<Vec<_>>())
    }

    fn cdf(&self, x: f64) -> f64 {
        self.parts().map(|(w, part)| w * part.cdf(x)).sum()
    }

    fn quantile(&self, p: f64) -> f64 {
        let ends = self.parts().map(|(_, part)| part.quantile(p));
        let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), q| (a.min(q), b.max(q)));
        mixture_quantile(p, low, high, |x| self.cdf(x))
    }

    fn mean(&self) -> f64 {
        0.0
    }

    fn variance(&self) -> f64 {
        self.parts().map(|(w, part)| w * part.variance()).sum()
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.sds[rng.weighted(&self.weights)] * rng.normal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StudentT;

    #[test]
    fn the_shares_within_intervals_of_residuals_are_found() {
        for seed in [1, 2, 3] {
            let mut rng = Rng::new(seed);
            let student = StudentT { location: 0.0, scale: 0.7, dof: 1.4 };
            let laws: [&dyn Fn(&mut Rng) -> f64; 3] = [&|rng| 1.3 * rng.normal(), &|rng| student.sample(rng), &|rng| {
                if rng.uniform() < 0.1 { 3.0 * rng.normal() } else { 0.4 * rng.normal() }
            }];
            for (index, law) in laws.iter().enumerate() {
                let drawn: Vec<f64> = (0..4000).map(|_| law(&mut rng)).collect();
                let found = NormalScaleMixture::of_residuals(&drawn);
                for level in [0.5, 0.9, 0.95] {
                    let half = found.quantile(0.5 + 0.5 * level);
                    let share = (0..4000).filter(|_| law(&mut rng).abs() < half).count() as f64 / 4000.0;
                    // Three standard errors of both samples together.
                    let error = 3.0 * (2.0 * level * (1.0 - level) / 4000.0f64).sqrt();
                    assert!((share - level).abs() < error, "law {index}, level {level}: {share}");
                }
            }
        }
    }

    #[test]
    fn no_further_part_would_make_it_likelier() {
        let mut rng = Rng::new(4);
        let drawn: Vec<f64> = (0..200).map(|_| rng.normal() * (0.5 * rng.normal()).exp()).collect();
        let found = NormalScaleMixture::of_residuals(&drawn);
        let standard = Normal { mean: 0.0, sd: 1.0 };
        let all: Vec<f64> =
            drawn.into_iter().chain((0..20).map(|k| standard.quantile((k as f64 + 0.5) / 20.0))).collect();
        // At the maximum the mean of p(z | width) / p(z) is at most one for every width.
        for power in -16..=16 {
            let part = Normal { mean: 0.0, sd: (0.25 * f64::from(power)).exp2() };
            let ratio =
                all.iter().map(|z| (part.log_prob(*z) - found.log_prob(*z)).exp()).sum::<f64>() / all.len() as f64;
            assert!(ratio < 1.01, "width 2^({power}/4): {ratio}");
        }
    }

    #[test]
    fn without_residuals_it_is_a_standard_normal_nearly() {
        let found = NormalScaleMixture::of_residuals(&[]);
        assert!((0.8..1.05).contains(&found.variance().sqrt()), "{found:?}");
        assert!((found.quantile(0.975) - 1.96).abs() < 0.25, "{found:?}");
        // Residuals that are all zero, as of rows that are copies of others, shrink it and keep it finite; huge ones widen it.
        let found = NormalScaleMixture::of_residuals(&[0.0; 200]);
        assert!(found.quantile(0.75) > 0.0 && found.quantile(0.75) < 0.1, "{found:?}");
        let found = NormalScaleMixture::of_residuals(&[1e300, -1e300]);
        assert!(found.variance().is_finite() && found.quantile(0.99) > 1e9, "{found:?}");
        let found = NormalScaleMixture::of_residuals(&[f64::NAN, f64::INFINITY]);
        assert_eq!(found, NormalScaleMixture::of_residuals(&[f64::INFINITY]));
        assert!(found.variance().is_finite(), "{found:?}");
    }
}
