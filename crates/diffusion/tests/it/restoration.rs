//! Restoration with an exact prior.

use elbo_core::{Rng, Run};
use elbo_diffusion::denoiser::GaussianMixture;
use elbo_diffusion::operator::{Clip, Mask, Operator};
use elbo_diffusion::restore::{Method, Order, Problem, RedDiff, RestoreConfig, fixed_point, restore};
use elbo_diffusion::schedule::Schedule;

/// A regular covariance of `d` dimensions with unit scale.
fn covariance(d: usize, rng: &mut Rng) -> Vec<f64> {
    let root = rng.normals(d * d);
    let entry = |i: usize| (0..d).map(|k| root[i / d * d + k] * root[i % d * d + k]).sum::<f64>() / d as f64;
    (0..d * d).map(|i| entry(i) + if i % (d + 1) == 0 { 0.1 } else { 0.0 }).collect()
}

#[test]
fn red_diff_comes_to_rest_at_its_fixed_point_where_levels_are_random() {
    let mut rng = Rng::new(1);
    let d = 4;
    let (mean, covariance) = (rng.normals(d), covariance(d, &mut rng));
    let prior = GaussianMixture::gaussian(&mean, &covariance).unwrap();
    let mask = Mask::new(&[true, false, true, false]).unwrap();
    let y = vec![0.8, -0.6];
    let schedule = Schedule::Log { high: 3.0, low: 0.3 };
    let mut levels = schedule.levels(20).unwrap();
    levels.pop();
    let how = RedDiff { order: Order::Random, rate: 0.02, ..RedDiff::default() };
    let expected =
        fixed_point(&Problem { operator: &mask, y: y.clone() }, (&mean, &covariance), &levels, &how).unwrap();
    // As many levels as steps, of the same law.
    let config = RestoreConfig { red_diff: how, steps: 4000, schedule, ..RestoreConfig::default() };
    let problems: Vec<Problem<'_>> = (0..64).map(|_| Problem { operator: &mask, y: y.clone() }).collect();
    let found = restore(&prior, &problems, &config, &mut Run::new(3)).unwrap().x;
    let mut exact_levels = config.schedule.levels(4000).unwrap();
    exact_levels.pop();
    let exact = fixed_point(&problems[0], (&mean, &covariance), &exact_levels, &config.red_diff).unwrap();
    // Chains fluctuate about it; their mean does not.
    for (i, value) in found.mean_axis(0, false).to_vec().iter().enumerate() {
        assert!((value - exact[i]).abs() < 0.03, "{i}: {value} instead of {}", exact[i]);
        assert!((expected[i] - exact[i]).abs() < 0.1, "the law of the levels hardly matters");
    }
}

#[test]
fn pi_gdm_is_exact_for_the_standard_normal() {
    // Prior N(0, I), the first of two numbers seen with noise: posterior N(y/(1 + s²), s²/(1 + s²)) and N(0, 1).
    let prior = GaussianMixture::gaussian(&[0.0, 0.0], &[1.0, 0.0, 0.0, 1.0]).unwrap();
    let mask = Mask::new(&[true, false]).unwrap();
    let problems: Vec<Problem<'_>> = (0..4000).map(|_| Problem { operator: &mask, y: vec![1.5] }).collect();
    let config = RestoreConfig {
        method: Method::PiGdm,
        noise: 0.5,
        steps: 150,
        schedule: Schedule::Karras { high: 30.0, low: 0.01, rho: 7.0 },
        ..RestoreConfig::default()
    };
    for eta in [0.0, 1.0] {
        let config = RestoreConfig { eta, ..config.clone() };
        let found = restore(&prior, &problems, &config, &mut Run::new(1)).unwrap();
        let (mean, covariance) = elbo_diffusion::frechet::moments(&found.x.to_vec(), 2).unwrap();
        // Five standard errors of 4,000 draws and the error of the steps.
        assert!((mean[0] - 1.2).abs() < 0.05 && mean[1].abs() < 0.09, "{eta}: {mean:?}");
        assert!((covariance[0] - 0.2).abs() < 0.04 && (covariance[3] - 1.0).abs() < 0.13, "{eta}: {covariance:?}");
    }
}

#[test]
fn every_method_beats_the_pseudo_inverse_under_its_prior() {
    let mut rng = Rng::new(4);
    let d = 16;
    // Smooth signals: neighbours belong together.
    let kernel: Vec<f64> = (0..d * d).map(|i| (-0.5 * ((i / d) as f64 - (i % d) as f64).powi(2) / 9.0).exp()).collect();
    let prior = GaussianMixture::gaussian(&vec![0.0; d], &kernel).unwrap();
    let truth = prior.sample(6, &mut rng).to_vec();
    let seen: Vec<bool> = (0..d).map(|i| i % 2 == 0).collect();
    let mask = Mask::new(&seen).unwrap();
    let problems =
        || -> Vec<Problem<'_>> { truth.chunks(d).map(|x| Problem { operator: &mask, y: mask.apply(x) }).collect() };
    let error = |method: Method| {
        let config = RestoreConfig { method, noise: 0.05, steps: 100, penalty: 1.0, ..RestoreConfig::default() };
        let found = restore(&prior, &problems(), &config, &mut Run::new(2)).unwrap();
        assert_eq!(found.trajectory.len(), found.evaluations.max(1), "{method:?}");
        found.x.to_vec().iter().zip(&truth).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    };
    let blind = error(Method::PseudoInverse);
    for method in [Method::RedDiff, Method::Dps, Method::PiGdm, Method::DiffPir, Method::Ddrm] {
        let found = error(method);
        assert!(found < 0.5 * blind, "{method:?}: {found} beside {blind}");
    }
}

#[test]
fn overexposed_signals_are_restored_without_a_linear_operator() {
    const SIGNALS: usize = 40;
    let kernel: Vec<f64> =
        (0..64).map(|i| (-0.5 * ((i / 8) as f64 - f64::from(i % 8)).powi(2) / 4.0).exp() * 0.3).collect();
    let prior = GaussianMixture::gaussian(&[0.0; 8], &kernel).unwrap();
    let clip = Clip::new(8, 2.0, (-1.0, 1.0)).unwrap();
    let config =
        RestoreConfig { red_diff: RedDiff { dispersion: 0.05, ..RedDiff::default() }, ..RestoreConfig::default() };
    let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    for seed in [3, 4, 5] {
        let truth = prior.sample(SIGNALS, &mut Rng::new(seed)).to_vec();
        let problems: Vec<Problem<'_>> =
            truth.chunks(8).map(|x| Problem { operator: &clip as &dyn Operator, y: clip.apply(x) }).collect();
        let found = restore(&prior, &problems, &config, &mut Run::new(1)).unwrap();
        let naive: Vec<f64> = problems.iter().flat_map(|p| &p.y).map(|v| 0.5 * v).collect();
        // Pooled, since a signal that was hardly cut off has next to nothing to gain. The spec asks for two decibels on digits, which
        // the claim of `red-diff` checks; of eight numbers, one of which may be all that was not cut off, half of that is asked.
        let gain = 10.0 * (square(&naive, &truth) / square(&found.x.to_vec(), &truth)).log10();
        assert!(gain > 1.0, "{seed}: {gain} dB");
        assert!(found.sd.unwrap().to_vec().iter().all(|sd| *sd == 0.05));
    }
    let truth = prior.sample(1, &mut Rng::new(3)).to_vec();
    let problem = vec![Problem { operator: &clip as &dyn Operator, y: clip.apply(&truth) }];
    let config = RestoreConfig { method: Method::PiGdm, ..RestoreConfig::default() };
    let message = restore(&prior, &problem, &config, &mut Run::new(1)).unwrap_err().to_string();
    assert!(message.contains("`pi_gdm` with an operator that is not linear"), "{message}");
}

#[test]
fn ddrm_keeps_what_was_measured_and_leaves_the_rest_to_the_chain() {
    // Independent numbers: a rotation of them is measured, so that its singular directions are no coordinates.
    let prior = GaussianMixture::gaussian(&[0.0; 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
    let grey = elbo_diffusion::operator::Grey::new([3, 1, 1]).unwrap();
    let problems: Vec<Problem<'_>> = (0..3000).map(|_| Problem { operator: &grey, y: vec![0.7] }).collect();
    let schedule = Schedule::Karras { high: 30.0, low: 0.01, rho: 7.0 };
    let config =
        RestoreConfig { method: Method::Ddrm, noise: 0.0, steps: 60, schedule, eta: 0.85, ..RestoreConfig::default() };
    let found = restore(&prior, &problems, &config, &mut Run::new(2)).unwrap();
    assert!(found.trajectory[found.trajectory.len() - 1] < 1e-20, "{:?}", found.trajectory.last());
    // Across it nothing is known, and the chain of one number has this variance.
    let levels = config.schedule.levels(config.steps).unwrap();
    let mut expected = levels[0].powi(2) + 1.0;
    for pair in levels.windows(2) {
        let (sigma, next) = (pair[0], pair[1]);
        let clean = 1.0 / (1.0 + sigma * sigma);
        let kept = clean + (1.0 - clean) / sigma * next * (1.0 - 0.85f64.powi(2)).sqrt();
        expected = kept * kept * expected + (0.85 * next).powi(2);
    }
    let [a, b, c] = [0.299, 0.587, 0.114];
    for direction in [[b, -a, 0.0], [a * c, b * c, -a * a - b * b]] {
        let length = direction.iter().map(|v: &f64| v * v).sum::<f64>().sqrt();
        let part = |x: &[f64]| (0..3).map(|k| x[k] * direction[k]).sum::<f64>() / length;
        let parts: Vec<f64> = found.x.to_vec().chunks(3).map(part).collect();
        let mean = parts.iter().sum::<f64>() / 3000.0;
        let variance = parts.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 3000.0;
        // Five standard errors.
        assert!(mean.abs() < 0.092 && (variance / expected - 1.0).abs() < 0.13, "{mean} {variance} of {expected}");
    }
    let wide = Mask::new(&[true; 2100]).unwrap();
    let unit = elbo_diffusion::denoiser::from_fn(2100, |x, _| x.clone());
    let message = restore(&unit, &[Problem { operator: &wide, y: vec![0.0; 2100] }], &config, &mut Run::new(0));
    assert!(message.unwrap_err().to_string().contains("ddrm for pictures of 2100 numbers"));
}

#[test]
fn bad_problems_are_refused() {
    let prior = GaussianMixture::gaussian(&[0.0, 0.0], &[1.0, 0.0, 0.0, 1.0]).unwrap();
    let mask = Mask::new(&[true, false]).unwrap();
    let config = RestoreConfig { steps: 10, ..RestoreConfig::default() };
    let message =
        |problems: &[Problem<'_>]| restore(&prior, problems, &config, &mut Run::new(0)).unwrap_err().to_string();
    assert!(message(&[]).contains("nothing to restore"));
    assert!(message(&[Problem { operator: &mask, y: vec![1.0, 2.0] }]).contains("2 numbers"));
    assert!(message(&[Problem { operator: &mask, y: vec![f64::NAN] }]).contains("not finite"));
    let small = Mask::new(&[true]).unwrap();
    assert!(message(&[Problem { operator: &small, y: vec![1.0] }]).contains("makes 1 of 1"));
    let refuse = |config: RestoreConfig| config.check().unwrap_err().to_string();
    assert!(refuse(RestoreConfig { steps: 0, ..config.clone() }).contains("steps"));
    assert!(refuse(RestoreConfig { noise: -1.0, ..config.clone() }).contains("noise"));
    assert!(refuse(RestoreConfig { zeta: 0.0, ..config.clone() }).contains("zeta"));
    let red_diff = RedDiff { rate: 0.0, ..RedDiff::default() };
    assert!(refuse(RestoreConfig { red_diff, ..config.clone() }).contains("rate"));
}
