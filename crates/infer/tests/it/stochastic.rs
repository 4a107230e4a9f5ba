//! Stochastic gradients: the bias is the known one, and the correction removes the other.

use crate::support::{assert_close, independent};
use elbo_core::Run;
use elbo_infer::diagnostics::mcse_mean;
use elbo_infer::mcmc::{Draws, Rule, Stochastic, sample_stochastic};
use elbo_infer::{Batched, FullScore, Score};

fn variance(draws: &Draws, unknown: usize, mean: f64) -> (f64, f64) {
    let square: Vec<f64> = draws.column(unknown).iter().map(|x| (x - mean).powi(2)).collect();
    (square.iter().sum::<f64>() / square.len() as f64, mcse_mean(&square, draws.chains()))
}

#[test]
fn langevin_steps_have_the_bias_of_their_length() {
    // On N(0, s^2) the chain is autoregressive with variance s^2 / (1 - eps / (4 s^2)).
    let target = independent(vec![0.0, 1.0], vec![1.0, 0.5]);
    for seed in [1, 2, 3] {
        let settings = Stochastic { step: 0.2, burnin: 500, draws: 4000, thin: 5, ..Stochastic::sgld() };
        let start = vec![vec![0.0, 1.0]];
        let draws = sample_stochastic(&FullScore(&target), &settings, &start, &mut Run::new(seed)).unwrap();
        for (i, (mean, square)) in [(0.0, 1.0), (1.0, 0.25)].into_iter().enumerate() {
            let (found, error) = variance(&draws, i, mean);
            assert_close("variance", found, square / (1.0 - 0.2 / (4.0 * square)), error);
        }
    }
}

#[test]
fn minibatches_keep_the_mean_of_a_conjugate_posterior() {
    // Mean of N(y | z, 1) under a prior N(0, 1): sum y / (N + 1), variance 1 / (N + 1).
    let y: Vec<f64> = (0..200).map(|i| 1.5 + (i as f64 * 0.7).sin()).collect();
    let expected = y.iter().sum::<f64>() / 201.0;
    let data = y.clone();
    let score = Batched::new(1, 200, move |z: &[f64], rows: &[usize], gradient: &mut [f64]| {
        let pull: f64 = rows.iter().map(|i| data[*i] - z[0]).sum();
        gradient[0] = -z[0] + 200.0 / rows.len() as f64 * pull;
    });
    for (name, settings) in [
        ("sgld", Stochastic { step: 1e-4, batch: 50, ..Stochastic::sgld() }),
        ("psgld", Stochastic { step: 2e-3, batch: 50, ..Stochastic::psgld() }),
        ("sghmc", Stochastic { step: 0.02, batch: 50, ..Stochastic::sghmc() }),
    ] {
        let draws = sample_stochastic(&score, &settings, &[vec![0.0]], &mut Run::new(3)).unwrap();
        let column = draws.column(0);
        assert_close(name, draws.mean()[0], expected, mcse_mean(&column, 4));
    }
}

#[test]
fn second_order_dynamics_have_the_variance_of_the_target() {
    let target = independent(vec![0.0, 2.0], vec![1.0, 0.1]);
    for seed in [1, 2, 3] {
        let settings = Stochastic { step: 0.05, burnin: 2000, draws: 2000, thin: 30, ..Stochastic::sghmc() };
        let draws = sample_stochastic(&FullScore(&target), &settings, &[vec![0.0, 2.0]], &mut Run::new(seed)).unwrap();
        for (i, (mean, square)) in [(0.0, 1.0), (2.0, 0.01)].into_iter().enumerate() {
            let (found, error) = variance(&draws, i, mean);
            // Discretisation adds a relative error of the order of the step's square times the curvature, below 5 %.
            assert_close("variance", found, square, error + 0.01 * square);
        }
    }
}

#[test]
fn the_metric_correction_restores_the_distribution() {
    // With a metric that follows the present score alone, leaving the correction out shifts mass to where the metric is small.
    let target = independent(vec![0.0], vec![1.0]);
    let deviation = |is_corrected: bool| {
        let rule = Rule::Preconditioned { decay: 0.5, floor: 1.0, is_corrected };
        let settings = Stochastic { step: 0.02, burnin: 500, draws: 4000, thin: 20, rule, ..Stochastic::sgld() };
        let draws = sample_stochastic(&FullScore(&target), &settings, &[vec![0.0]], &mut Run::new(2)).unwrap();
        let (found, error) = variance(&draws, 0, 0.0);
        ((found - 1.0).abs(), error)
    };
    let ((with, error), (without, _)) = (deviation(true), deviation(false));
    assert!(with < 5.0 * error + 0.02, "corrected: {with} +- {error}");
    assert!(without > 2.0 * with && without > 5.0 * error, "corrected {with}, uncorrected {without}, error {error}");
}

#[test]
fn a_step_too_long_is_reported() {
    let target = independent(vec![0.0], vec![1e-3]);
    let settings = Stochastic { step: 1.0, ..Stochastic::sgld() };
    let error = sample_stochastic(&FullScore(&target), &settings, &[vec![1.0]], &mut Run::new(0)).unwrap_err();
    assert!(
        error.to_string().contains("left the finite numbers") && error.remedy().contains("smaller `step`"),
        "{error}"
    );
    assert_eq!(FullScore(&target).rows(), 0);
    for (start, lengths) in [(vec![], "[]"), (vec![vec![0.0], vec![0.0; 2]], "[1, 2]")] {
        let error = sample_stochastic(&FullScore(&target), &Stochastic::sgld(), &start, &mut Run::new(0)).unwrap_err();
        assert!(error.to_string().contains(&format!("`start` is of lengths {lengths}")), "{error}");
    }
}
