//! Factors of counts. With one factor the posterior of the columns' shares is known, whatever the rows are.
//!
//! Given its total, a row of counts is multinomial with the columns' shares; weights of one gamma prior have Dirichlet shares, independent of
//! their sum. So the shares' posterior is Dirichlet, of the prior's shape and the columns' totals, and the ratio of two weights is that of two
//! gamma variables of these shapes. Independent gamma posteriors of one rate have such ratios: nothing in the family stands in the way.

use super::entry::{Entry, Exact, Outcome, Size, fit, largest, saved, simulations, stored, table};
use crate::error::Result;
use elbo::core::{Data, Rng, Run};
use elbo::tensor::special::{beta_inc, digamma, log1p_exp, trigamma};
use serde_json::json;

const ROWS: usize = 20;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// Shape and rate of the prior of the weights.
const WEIGHT: (f64, f64) = (0.1, 0.3);
/// Shape and rate of the prior of the codes.
const CODE: (f64, f64) = (0.1, 0.1);
/// Least total of the second column. A posterior of few counts is wide, and its place says more.
const SECOND: f64 = 3.0;
/// Largest total of the table: shapes that have far to go from their start arrive late.
const TOTAL: f64 = 40.0;
/// Least shape and mean, above which the model file holds them.
const LEAST: (f64, f64) = (1e-3, 1e-4);

/// `rsvi`.
pub(super) fn entry() -> Entry {
    Entry::new(
        "rsvi",
        "one factor: the true ratio of the two largest columns lies uniformly in its posterior, whose logarithm has the exact mean and standard \
         deviation",
        ratios,
    )
}

fn ratios(size: Size) -> Result<Outcome> {
    // The largest of many distances is that of the noisiest fit: with 8 draws a step it was 0.34.
    let (steps, draws) = size.pick((1500, 4), (4000, 16));
    let settings = json!({"layers": [1], "steps": steps, "draws": draws, "rate": 2.0});
    let found = simulations(size.pick(24, 240), |i| {
        let Simulated { weights, totals, pair, data } = simulate(&mut Rng::new(12).split(i));
        let model = fit("rsvi", &settings, &data, &mut Run::new(i))?;
        let file = saved("rsvi", model.as_ref())?;
        let (shapes, means) = (stored(&file, "weights.0.shape")?, stored(&file, "weights.0.mean")?);
        let shapes = pair.map(|d| log1p_exp(shapes[d]) + LEAST.0);
        let means = pair.map(|d| log1p_exp(means[d]) + LEAST.1);
        let given = Ratio { shapes, rates: [shapes[0] / means[0], shapes[1] / means[1]] };
        let exact = Ratio { shapes: pair.map(|d| WEIGHT.0 + totals[d]), rates: [1.0; 2] };
        Ok((given.place(weights[pair[0]] / weights[pair[1]]), given.distance(&exact)))
    })?;
    let (places, distances): (Vec<f64>, Vec<f64>) = found.into_iter().unzip();
    // The steps are of noisy gradients and never still.
    let exact = Some(Exact { distance: largest(distances), tolerance: size.pick(0.4, 0.3) });
    Ok(Outcome { places, exact })
}

/// The ratio of two independent gamma variables.
struct Ratio {
    shapes: [f64; 2],
    rates: [f64; 2],
}

impl Ratio {
    /// Mean and standard deviation of the logarithm.
    fn log_moments(&self) -> (f64, f64) {
        let ([a, b], [c, d]) = (self.shapes, self.rates);
        (digamma(a) - digamma(b) - (c / d).ln(), (trigamma(a) + trigamma(b)).sqrt())
    }

    /// The distribution function.
    fn place(&self, ratio: f64) -> f64 {
        let scaled = ratio * self.rates[0] / self.rates[1];
        beta_inc(self.shapes[0], self.shapes[1], scaled / (1.0 + scaled))
    }

    /// How far the logarithm is from the exact one: its mean in standard deviations, its standard deviation as a share.
    fn distance(&self, exact: &Self) -> f64 {
        let ((mean, sd), (exact_mean, exact_sd)) = (self.log_moments(), exact.log_moments());
        largest([((mean - exact_mean) / exact_sd).abs(), (sd / exact_sd - 1.0).abs()])
    }
}

/// A truth and its counts.
struct Simulated {
    weights: Vec<f64>,
    /// Of each column.
    totals: Vec<f64>,
    /// The columns of the largest totals.
    pair: [usize; 2],
    data: Data,
}

/// Weights and codes from their priors and counts, drawn anew until there are enough in two columns and not too many in all: a condition
/// on what the system sees.
fn simulate(rng: &mut Rng) -> Simulated {
    loop {
        let weights: Vec<f64> = NAMES.iter().map(|_| rng.gamma(WEIGHT.0) / WEIGHT.1).collect();
        let codes: Vec<f64> = (0..ROWS).map(|_| rng.gamma(CODE.0) / CODE.1).collect();
        let column = |weight: &f64| -> Vec<f64> { codes.iter().map(|z| rng.poisson(weight * z) as f64).collect() };
        let counts: Vec<Vec<f64>> = weights.iter().map(column).collect();
        let totals: Vec<f64> = counts.iter().map(|column| column.iter().sum()).collect();
        let mut order: Vec<usize> = (0..totals.len()).collect();
        order.sort_by(|i, j| totals[*j].total_cmp(&totals[*i]));
        let pair = [order[0], order[1]];
        if totals[pair[1]] >= SECOND && totals.iter().sum::<f64>() <= TOTAL {
            let data = table(NAMES.into_iter().zip(counts).collect(), None);
            return Simulated { weights, totals, pair, data };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::uniform::p_value;
    use super::*;

    #[test]
    fn the_ratio_of_two_exponential_variables_has_the_known_distribution() {
        let ratio = Ratio { shapes: [1.0; 2], rates: [2.0, 1.0] };
        for at in [0.01, 0.5, 3.0, 1e6] {
            assert!((ratio.place(at) - 2.0 * at / (1.0 + 2.0 * at)).abs() < 1e-12, "{at}");
        }
        let (mean, sd) = ratio.log_moments();
        assert!((mean + 2f64.ln()).abs() < 1e-12 && (sd - std::f64::consts::PI / 3f64.sqrt()).abs() < 1e-12);
        assert!((ratio.distance(&Ratio { shapes: [1.0; 2], rates: [1.0; 2] }) - 2f64.ln() / sd).abs() < 1e-12);
    }

    #[test]
    fn true_ratios_lie_uniformly_in_the_exact_posterior_and_in_no_sharper_one() {
        let places = |sharpness: f64| -> Vec<f64> {
            let one = |i: u64| {
                let Simulated { weights, totals, pair, .. } = simulate(&mut Rng::new(13).split(i));
                let shapes = pair.map(|d| sharpness * (WEIGHT.0 + totals[d]));
                Ratio { shapes, rates: [1.0; 2] }.place(weights[pair[0]] / weights[pair[1]])
            };
            (0..400).map(one).collect()
        };
        assert!(p_value(&places(1.0), 20) > 1e-3);
        assert!(p_value(&places(4.0), 20) < 1e-6);
    }
}
