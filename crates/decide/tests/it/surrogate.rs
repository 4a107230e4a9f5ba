//! The surrogate: equal to the exact process of `elbo-gp`, right gradients, limits.

use crate::{assert_gradient, wavy};
use elbo_core::Rng;
use elbo_decide::surrogate::{Gp, Hyper, Mean, MeanKind, Path, SurrogateConfig};
use elbo_gp::exact::ExactGp;
use elbo_gp::kernel::Stationary;
use elbo_gp::mean::MeanConfig;
use elbo_tensor::Tensor;

fn data(n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(8);
    let x = rng.uniforms(n * 2);
    let y = x.chunks(2).map(|x| (5.0 * x[0]).sin() + x[1] + 0.1 * rng.normal()).collect();
    (x, y)
}

#[test]
fn likelihood_and_predictions_are_those_of_the_exact_process() {
    let (x, y) = data(20);
    let hyper = Hyper { lengthscale: vec![0.3, 0.9], variance: 1.7, noise: 0.02 };
    let mut kernel = Stationary::matern52(2).with_variance(1.7);
    kernel.lengthscale.set(&[0.3, 0.9]).unwrap();
    let levels = [0, 0];
    let reference = ExactGp::new(
        Box::new(kernel),
        MeanConfig::Zero.build(&levels).unwrap(),
        0.02,
        Tensor::from_slice(&x, &[20, 2]),
        Tensor::from_slice(&y, &[20]),
    );
    let config = SurrogateConfig {
        learns_variance: true,
        priors: false,
        mean: MeanKind::Arithmetic,
        ..SurrogateConfig::default()
    };
    let (value, _) = Gp::evidence(&x, &y, &[0, 1], &config, &hyper);
    let expected = -reference.log_marginal().unwrap().item();
    assert!((value - expected).abs() < 1e-9 * expected.abs(), "{value} and {expected}");

    let gp = Gp::with_hyper(&x, &y, &[0, 1], hyper).unwrap();
    let at = Rng::new(9).uniforms(2 * 7);
    let posterior = reference.condition().unwrap();
    let (mean, variance) = posterior.marginals(&Tensor::from_slice(&at, &[7, 2])).unwrap();
    let ours = gp.marginals(&at);
    let joint = gp.joint(&at);
    for i in 0..7 {
        assert!((ours.0[i] - mean[i]).abs() < 1e-9 && (ours.1[i] - variance[i]).abs() < 1e-9);
        assert!((joint.mean[i] - mean[i]).abs() < 1e-9 && (joint.covariance[i * 8] - variance[i]).abs() < 1e-9);
    }
    let full = posterior.joint(&Tensor::from_slice(&at, &[7, 2])).1.to_vec();
    assert!(joint.covariance.iter().zip(&full).all(|(a, b)| (a - b).abs() < 1e-9));
    let loo = posterior.leave_one_out();
    let ours = gp.leave_one_out();
    assert!(loo.mean.iter().zip(&ours.0).all(|(a, b)| (a - b).abs() < 1e-9));
}

#[test]
fn the_evidences_gradient_agrees_with_differences() {
    let (x, y) = data(15);
    for (isotropic, mean) in [(false, MeanKind::Learned), (true, MeanKind::Arithmetic)] {
        let config = SurrogateConfig { isotropic, learns_variance: true, mean, ..SurrogateConfig::default() };
        let logs: Vec<f64> = if isotropic { vec![-0.7, 0.3, -3.0] } else { vec![-0.7, 0.2, 0.3, -3.0] };
        let hyper = |logs: &[f64]| Hyper {
            lengthscale: logs[..logs.len() - 2].iter().map(|l| l.exp()).collect(),
            variance: logs[logs.len() - 2].exp(),
            noise: logs[logs.len() - 1].exp(),
        };
        let (_, gradient) = Gp::evidence(&x, &y, &[0, 1], &config, &hyper(&logs));
        assert_gradient("evidence", |p| Gp::evidence(&x, &y, &[0, 1], &config, &hyper(p)).0, &gradient, &logs, 1e-6);
    }
}

#[test]
fn known_noise_counts_in_the_evidence_its_gradient_and_the_posterior() {
    let (x, y) = data(15);
    let config = SurrogateConfig { learns_variance: true, ..SurrogateConfig::default() };
    let hyper = |logs: &[f64]| Hyper {
        lengthscale: vec![logs[0].exp(), logs[1].exp()],
        variance: logs[2].exp(),
        noise: logs[3].exp(),
    };
    let logs = [-0.7, 0.2, 0.3, -3.0];
    // Some are known, one of them to be hardly noisy and one to be noise alone.
    let known: Vec<f64> = (0..15).map(|i| if i % 3 == 0 { f64::NAN } else { 0.01 * 4f64.powi(i % 5) }).collect();
    let evidence = |logs: &[f64]| Gp::evidence_with_noise(&x, &y, &known, &[0, 1], &config, &hyper(logs));
    assert_gradient("evidence", |p| evidence(p).0, &evidence(&logs).1, &logs, 1e-6);
    // The noise of the hyperparameters, said for each datum, is the same process.
    let noise = hyper(&logs).noise;
    let said = Gp::evidence_with_noise(&x, &y, &[noise; 15], &[0, 1], &config, &hyper(&logs));
    let silent = Gp::evidence(&x, &y, &[0, 1], &config, &hyper(&logs));
    assert!((said.0 - silent.0).abs() < 1e-12 * silent.0.abs() && said.1[3] == 0.0);

    // A value known to be a guess moves nothing; one known exactly is met.
    let x = [0.1, 0.4, 0.6, 0.9];
    let fit = |y: &[f64], errors: &[f64]| {
        Gp::fit_with_errors(&x, y, errors, &[0], &SurrogateConfig::default(), None, &mut Rng::new(1)).unwrap()
    };
    let gp = fit(&[1.0, 2.0, 9.0, 0.0], &[1e-4, 1e-4, 1e4, 1e-4]);
    let at = |x: f64| gp.natural(gp.marginals(&[x]).0[0]);
    for (x, y) in [(0.1, 1.0), (0.4, 2.0), (0.9, 0.0)] {
        assert!((at(x) - y).abs() < 1e-3, "{x}: {}", at(x));
    }
    assert!(at(0.6) < 4.0, "{}", at(0.6));
}

#[test]
fn a_joints_pullback_agrees_with_differences() {
    let gp = wavy(0.01);
    let mut rng = Rng::new(3);
    let (at, fixed) = (rng.uniforms(2 * 3), rng.uniforms(2 * 3));
    let (by_mean, by_covariance, by_cross) = (rng.normals(2), rng.normals(4), rng.normals(4));
    let fixed = gp.joint(&fixed);
    let value = |x: &[f64]| {
        let joint = gp.joint(x);
        let cross = gp.between(&fixed, &joint);
        let sum = |w: &[f64], v: &[f64]| w.iter().zip(v).map(|(w, v)| w * v).sum::<f64>();
        sum(&by_mean, &joint.mean) + sum(&by_covariance, &joint.covariance) + sum(&by_cross, &cross)
    };
    let mut gradient = vec![0.0; 6];
    gp.pullback(&gp.joint(&at), &by_mean, &by_covariance, Some((&fixed, &by_cross)), &mut gradient);
    assert_gradient("joint", value, &gradient, &at, 1e-6);
}

#[test]
fn a_fantasy_is_a_refit_and_the_prior_returns_far_away() {
    let gp = wavy(0.01);
    let point = [0.3, 0.8, 0.1];
    let more = gp.fantasise(&point, 0.7).unwrap();
    let x: Vec<f64> = gp.inputs().iter().chain(&point).copied().collect();
    let y: Vec<f64> = gp.values().iter().copied().chain([0.7]).collect();
    let again = Gp::with_hyper(&x, &y, &[0, 1, 2], gp.hyper().clone()).unwrap();
    let at = Rng::new(2).uniforms(3 * 5);
    let (a, b) = (more.marginals(&at), again.marginals(&at));
    assert!(a.0.iter().zip(&b.0).chain(a.1.iter().zip(&b.1)).all(|(p, q)| (p - q).abs() < 1e-9));
    let (mean, variance) = gp.marginals(&[50.0, 50.0, 50.0]);
    assert!(mean[0].abs() < 1e-9 && (variance[0] - gp.hyper().variance).abs() < 1e-9);
}

#[test]
fn a_fit_finds_what_matters_and_keeps_the_unit() {
    let mut rng = Rng::new(1);
    let x = rng.uniforms(40 * 3);
    let y: Vec<f64> = x.chunks(3).map(|x| 1e4 + 300.0 * (6.0 * x[0]).sin()).collect();
    let gp = Gp::fit(&x, &y, &[0, 1, 2], &SurrogateConfig::default(), None, &mut rng).unwrap();
    let scales = &gp.hyper().lengthscale;
    assert!(scales[1] > 4.0 * scales[0] && scales[2] > 4.0 * scales[0], "{scales:?}");
    assert!(gp.hyper().noise < 1e-2);
    let (mean, variance) = gp.marginals(&[0.25, 0.5, 0.5]);
    let expected = 1e4 + 300.0 * 1.5f64.sin();
    assert!((gp.natural(mean[0]) - expected).abs() < 10.0 && gp.natural_sd(mean[0], variance[0]) < 30.0);
    // Equal values are no reason to fail.
    let flat = Gp::fit(&x[..12], &[2.0; 4], &[0, 1, 2], &SurrogateConfig::default(), None, &mut rng).unwrap();
    assert!((flat.natural(flat.marginals(&[0.1, 0.2, 0.3]).0[0]) - 2.0).abs() < 1e-6);
}

#[test]
fn mean_functions_have_their_values_and_gradients() {
    let mut rng = Rng::new(6);
    let x = rng.uniforms(30 * 2);
    let y: Vec<f64> = x.chunks(2).map(|x| 2.0 * x[0] - x[1] + 3.0 * x[0] * x[1] - 1.0).collect();
    let at = [0.3, 0.6];
    for kind in MeanKind::ALL {
        let mean = Mean::learn(kind, &x, &y, 2, &mut rng);
        let mut gradient = vec![0.0; 2];
        mean.add_gradient(&at, 1.0, &mut gradient);
        if kind != MeanKind::Forest {
            assert_gradient(&format!("{kind:?}"), |x| mean.value(x), &gradient, &at, 1e-5);
        }
        let truth = 2.0 * at[0] - at[1] + 3.0 * at[0] * at[1] - 1.0;
        let error = (mean.value(&at) - truth).abs();
        match kind {
            MeanKind::Quadratic | MeanKind::Rbf => assert!(error < 0.05, "{kind:?}: {error}"),
            MeanKind::Forest => assert!(error < 0.6, "{kind:?}: {error}"),
            MeanKind::Worst => assert_eq!(mean.value(&at), y.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            MeanKind::Best => assert_eq!(mean.value(&at), y.iter().copied().fold(f64::INFINITY, f64::min)),
            _ => {}
        }
    }
}

#[test]
fn far_from_data_a_process_returns_to_its_mean_function() {
    let (x, y) = data(12);
    for kind in [MeanKind::Worst, MeanKind::Best, MeanKind::Median] {
        let config = SurrogateConfig { mean: kind, isotropic: true, ..SurrogateConfig::default() };
        let gp = Gp::fit(&x, &y, &[0, 1], &config, None, &mut Rng::new(1)).unwrap();
        let far = gp.natural(gp.marginals(&[1e5, -1e5]).0[0]);
        let mut sorted = y.clone();
        sorted.sort_by(f64::total_cmp);
        let expected = match kind {
            MeanKind::Worst => sorted[11],
            MeanKind::Best => sorted[0],
            _ => 0.5 * (sorted[5] + sorted[6]),
        };
        assert!((far - expected).abs() < 1e-9, "{kind:?}: {far} and {expected}");
    }
}

#[test]
fn drawn_functions_have_the_posteriors_moments_and_gradients() {
    let gp = wavy(0.01);
    let mut rng = Rng::new(12);
    let at = [0.2, 0.5, 0.9];
    let mut gradient = vec![0.0; 3];
    let path = Path::draw(&gp, 256, &mut rng);
    path.value_and_gradient(&at, &mut gradient);
    let value = |x: &[f64]| path.value_and_gradient(x, &mut [0.0; 3]);
    assert_gradient("path", value, &gradient, &at, 1e-5);
    let draws = 600;
    let values: Vec<f64> =
        (0..draws).map(|_| Path::draw(&gp, 256, &mut rng).value_and_gradient(&at, &mut [0.0; 3])).collect();
    let mean = values.iter().sum::<f64>() / draws as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / draws as f64;
    let (m, v) = gp.marginals(&at);
    // Four standard errors of a mean and of a variance, and the features' own error.
    assert!((mean - m[0]).abs() < 4.0 * (v[0] / draws as f64).sqrt() + 0.02, "{mean} and {}", m[0]);
    assert!((variance / v[0] - 1.0).abs() < 4.0 * (2.0 / draws as f64).sqrt() + 0.1, "{variance} and {}", v[0]);
}
