//! Likelihoods of several latent functions.

use super::{assert_close, every_multi, slope};
use elbo_core::{Prediction, Rng};
use elbo_gp::likelihood::*;

#[test]
fn expectations_over_several_latents_have_exact_derivatives() {
    for (likelihood, targets) in every_multi() {
        let p = likelihood.latents();
        let mean: Vec<f64> = [0.3, -0.2, 0.6][..p].to_vec();
        for variance in [vec![0.4, 0.9, 0.2][..p].to_vec(), vec![1e-3; p]] {
            for y in &targets {
                let (mut dm, mut dv) = (vec![0.0; p], vec![0.0; p]);
                likelihood.expected(*y, &mean, &variance, &mut dm, &mut dv);
                let value = |m: &[f64], v: &[f64]| likelihood.expected(*y, m, v, &mut vec![0.0; p], &mut vec![0.0; p]);
                for c in 0..p {
                    let with = |x: &[f64], t: f64| {
                        x.iter().enumerate().map(|(i, x)| if i == c { t } else { *x }).collect::<Vec<_>>()
                    };
                    let what = format!("{} y {y} latent {c}", likelihood.name());
                    assert_close(&what, dm[c], slope(|t| value(&with(&mean, t), &variance), mean[c]), 1e-6);
                    let h = 1e-5 * variance[c];
                    let numeric = (value(&mean, &with(&variance, variance[c] + h))
                        - value(&mean, &with(&variance, variance[c] - h)))
                        / (2.0 * h);
                    assert_close(&what, dv[c], numeric, 1e-5);
                }
            }
        }
    }
}

/// `E[log p]` by plain Monte Carlo, with its standard error.
fn by_sampling(likelihood: &dyn MultiLikelihood, y: f64, mean: &[f64], variance: &[f64]) -> (f64, f64) {
    let mut rng = Rng::new(9);
    let n = 40_000;
    let terms: Vec<f64> = (0..n)
        .map(|_| {
            let f: Vec<f64> = mean.iter().zip(variance).map(|(m, v)| m + v.sqrt() * rng.normal()).collect();
            likelihood.log_prob(y, &f)
        })
        .collect();
    let average = terms.iter().sum::<f64>() / f64::from(n);
    let spread = terms.iter().map(|t| (t - average).powi(2)).sum::<f64>() / f64::from(n);
    (average, (spread / f64::from(n)).sqrt())
}

#[test]
fn expectations_over_several_latents_agree_with_sampling_and_bounds_are_below() {
    let (mean, variance) = ([0.3, -0.2, 0.6], [0.4, 0.9, 0.2]);
    for (likelihood, targets) in every_multi() {
        let p = likelihood.latents();
        for y in targets {
            let (average, error) = by_sampling(likelihood.as_ref(), y, &mean[..p], &variance[..p]);
            let value = likelihood.expected(y, &mean[..p], &variance[..p], &mut vec![0.0; p], &mut vec![0.0; p]);
            if likelihood.description().contains("bound") {
                assert!(value < average - 4.0 * error, "{}: {value} against {average}", likelihood.name());
                continue;
            }
            // 32 draws of the softmax leave an error of their own, about 0.4 / sqrt(32) without the antithetic pairs.
            let slack = if likelihood.name() == "softmax" { 0.05 } else { 1e-3 };
            assert!((value - average).abs() < 4.0 * error + slack, "{}: {value} against {average}", likelihood.name());
        }
    }
}

#[test]
fn curvatures_by_few_draws_are_positive_and_near_those_of_many() {
    let (mean, variance) = ([4.0, -6.0, 1.0], [9.0, 16.0, 4.0]);
    let mut rng = Rng::new(6);
    let (few, many) = (Softmax::new(3, 32, &mut rng), Softmax::new(3, 40_000, &mut rng));
    let (mut dm, mut dv) = (vec![0.0; 3], vec![0.0; 3]);
    many.expected(0.0, &mean, &variance, &mut dm, &mut dv);
    let exact = many.expected_precision(0.0, &mean, &variance, &dv);
    for c in 0..3 {
        // Price's theorem, within the error of the derivative by the variance: at most 1 / sqrt(40,000) standard deviations of p z / sd.
        assert!(
            (exact[c] + 2.0 * dv[c]).abs() < 0.02,
            "latent {c}: {} by curvature, {} by slope",
            exact[c],
            -2.0 * dv[c]
        );
    }
    let precision = few.expected_precision(0.0, &mean, &variance, &dv);
    for c in 0..3 {
        // p (1 - p) lies in [0, 1/4]: four standard errors of 32 draws.
        assert!(precision[c] > 0.0 && (precision[c] - exact[c]).abs() < 0.09, "{precision:?} against {exact:?}");
    }
}

#[test]
fn class_probabilities_sum_to_one_and_agree_with_draws() {
    let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
    let (mean, variance) = ([0.3, -0.2, 0.6], [0.4, 0.9, 0.2]);
    let mut rng = Rng::new(4);
    let likelihoods: [Box<dyn MultiLikelihood>; 2] = [Box::new(Softmax::bounded(3)), Box::new(RobustMax::new(3, 0.01))];
    for likelihood in likelihoods {
        let Prediction::Classes { probabilities, .. } = likelihood.prediction(&mean, &variance, (0.0, 1.0), &names)
        else {
            panic!("classes were expected")
        };
        assert_close("sum", probabilities.iter().sum(), 1.0, 1e-12);
        let n = 40_000;
        let mut counts = [0.0; 3];
        for _ in 0..n {
            let f: Vec<f64> = mean.iter().zip(&variance).map(|(m, v)| m + f64::sqrt(*v) * rng.normal()).collect();
            counts[likelihood.sample(&f, &mut rng) as usize] += 1.0 / f64::from(n);
        }
        for c in 0..3 {
            // Four standard errors of the draws, and the error of 512 prediction draws.
            assert!(
                (counts[c] - probabilities[c]).abs() < 0.01 + 0.01,
                "{}: {counts:?} {probabilities:?}",
                likelihood.name()
            );
            assert_close("density", likelihood.log_density(c as f64, &mean, &variance), probabilities[c].ln(), 1e-12);
        }
    }
    let probit = Single(Box::new(BernoulliProbit::new()));
    let Prediction::Classes { probabilities, .. } = probit.prediction(&[0.5], &[0.2], (0.0, 1.0), &names[..2]) else {
        panic!("classes were expected")
    };
    assert_close("two classes", probabilities[0] + probabilities[1], 1.0, 1e-15);
}
