//! Predictions as distributions: normalised, invertible, in agreement with draws.

use super::{MARGINALS, assert_close, every};
use elbo_core::{Marginals, Rng};
use elbo_dist::Rule;
use elbo_gp::likelihood::*;

#[test]
fn predictive_densities_are_normalised() {
    for (likelihood, targets) in every() {
        for (m, v) in &MARGINALS[..3] {
            let what = format!("{}, mean {m}, variance {v}", likelihood.name());
            if likelihood.is_discrete() {
                let first = targets[0];
                let step = if likelihood.probability(0.0, 1.0).is_some() { 2.0 } else { 1.0 };
                let mut sum = 0.0;
                for k in 0..40 {
                    let y = first + step * f64::from(k);
                    if likelihood.check_targets(&[y]).is_err() {
                        break;
                    }
                    sum += likelihood.log_density(y, *m, *v).exp();
                    assert_close(&format!("cdf of {what} at {y}"), likelihood.cdf(y, *m, *v), sum, 2e-6);
                }
                continue;
            }
            let points: Vec<f64> = [0.02, 0.3, 0.6, 0.97].iter().map(|p| likelihood.quantile(*p, *m, *v)).collect();
            for pair in points.windows(2) {
                let mass =
                    Rule::legendre(30).integrate_over(pair[0], pair[1], |y| likelihood.log_density(y, *m, *v).exp());
                let difference = likelihood.cdf(pair[1], *m, *v) - likelihood.cdf(pair[0], *m, *v);
                assert_close(&format!("mass of {what}"), mass, difference, 1e-4);
            }
        }
    }
}

#[test]
fn quantiles_invert_the_predictive_distribution_function() {
    for (likelihood, _) in every() {
        for (m, v) in &MARGINALS[..3] {
            for p in [0.005, 0.025, 0.3, 0.5, 0.9, 0.995] {
                let y = likelihood.quantile(p, *m, *v);
                let what = format!("{}, mean {m}, variance {v}: {y} for {p}", likelihood.name());
                if likelihood.is_discrete() {
                    assert!(likelihood.cdf(y, *m, *v) >= p - 1e-12, "{what}");
                    assert!(likelihood.cdf(y - 1.0, *m, *v) < p, "{what}");
                } else {
                    assert_close(&what, likelihood.cdf(y, *m, *v), p, 1e-9);
                }
            }
        }
    }
}

#[test]
fn draws_have_the_predicted_moments_and_quantiles() {
    let mut rng = Rng::new(77);
    let (m, v, n) = (0.2, 0.3, 20_000);
    for (likelihood, _) in every() {
        let draws: Vec<f64> = (0..n).map(|_| likelihood.sample(m + f64::sqrt(v) * rng.normal(), &mut rng)).collect();
        likelihood.row(0).check_targets(&draws).unwrap();
        let predicted = likelihood.predict(m, v);
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        // Five standard errors.
        assert!(
            (mean - predicted.mean).abs() < 5.0 * (predicted.variance / f64::from(n)).sqrt(),
            "{}: mean {mean}",
            likelihood.name()
        );
        for p in [0.2, 0.7] {
            let y = likelihood.quantile(p, m, v);
            let below = draws.iter().filter(|d| **d <= y).count() as f64 / f64::from(n);
            assert!((below - likelihood.cdf(y, m, v)).abs() < 0.018, "{}: {below} below {y}", likelihood.name());
        }
    }
}

#[test]
fn heteroscedastic_predictions_are_mixtures_with_the_right_moments() {
    let (mean, variance) = ([0.4, -0.3], [0.2, 0.1]);
    let mixture = Heteroscedastic.marginals(&mean, &variance).unscaled(1.0, 2.0);
    assert_close("mean", mixture.mean(0), 1.0 + 2.0 * 0.4, 1e-12);
    let total: f64 = 0.2 + f64::exp(2.0 * -0.3 + 2.0 * 0.1);
    assert_close("sd", mixture.sd(0), 2.0 * total.sqrt(), 1e-10);
}

#[test]
fn predictions_through_a_likelihood_are_distributions_in_the_targets_unit() {
    for (likelihood, targets) in every() {
        let (shift, scale) = if likelihood.is_discrete() { (0.0, 1.0) } else { (2.0, 3.0) };
        let marginals = LikelihoodMarginals::new(likelihood.clone_box(), vec![0.2], vec![0.3]).unscaled(shift, scale);
        let predicted = likelihood.predict(0.2, 0.3);
        assert_close("mean", marginals.mean(0), shift + scale * predicted.mean, 1e-12);
        assert_close("sd", marginals.sd(0), scale * predicted.variance.sqrt(), 1e-12);
        for z in targets {
            let y = shift + scale * z;
            assert_close(
                "density",
                marginals.log_prob(0, y),
                likelihood.log_density(z, 0.2, 0.3) - f64::ln(scale),
                1e-12,
            );
            // E|Y - y| - E|Y - Y'| / 2 by sampling.
            let mut rng = Rng::new(2);
            let n = 20_000;
            let mut draw = || shift + scale * likelihood.sample(0.2 + f64::sqrt(0.3) * rng.normal(), &mut rng);
            let terms: Vec<f64> = (0..n).map(|_| (draw() - y).abs() - 0.5 * (draw() - draw()).abs()).collect();
            let average = terms.iter().sum::<f64>() / f64::from(n);
            let error =
                (terms.iter().map(|t| (t - average).powi(2)).sum::<f64>() / f64::from(n)).sqrt() / f64::from(n).sqrt();
            let score = marginals.crps(0, y);
            assert!(
                (score - average).abs() < 4.0 * error + 1e-4,
                "{}: crps at {y} is {score}, sampled {average} +- {error}",
                likelihood.name()
            );
        }
    }
}
