//! The spread of visited weights, and averages of several members.

use super::assert_mean;
use elbo_core::{Progress, Result, Rng, Run, Step, Stop, drive};
use elbo_nn::bayes::ensemble::{ClassAverage, Moments};
use elbo_nn::bayes::{Averaged, Swag, SwagStep, sample_of_several};
use elbo_tensor::{Constraint, Parameter, Parameters};

#[test]
fn moments_are_those_of_what_was_seen_and_draws_have_half_of_each_part() {
    let mut rng = Rng::new(1);
    let mut swag = Swag::new(4);
    let mut seen: Vec<Vec<f64>> = vec![];
    let mut deviations: Vec<Vec<f64>> = vec![];
    for _ in 0..30 {
        let common = rng.normal();
        let weights = vec![1.0 + common + 0.1 * rng.normal(), -common, 0.3 * rng.normal()];
        seen.push(weights.clone());
        swag.collect(&weights);
        deviations.push((0..3).map(|i| weights[i] - swag.mean()[i]).collect());
    }
    let mean: Vec<f64> = (0..3).map(|i| seen.iter().map(|w| w[i]).sum::<f64>() / 30.0).collect();
    let variance: Vec<f64> =
        (0..3).map(|i| seen.iter().map(|w| (w[i] - mean[i]).powi(2)).sum::<f64>() / 30.0).collect();
    for i in 0..3 {
        assert!((swag.mean()[i] - mean[i]).abs() < 1e-12 && (swag.variances()[i] - variance[i]).abs() < 1e-12);
    }
    let last = &deviations[26..];
    let draws: Vec<Vec<f64>> = (0..8000).map(|_| swag.sample(&mut rng)).collect();
    for i in 0..3 {
        for j in 0..3 {
            let low_rank: f64 = last.iter().map(|d| d[i] * d[j]).sum::<f64>() / (2.0 * 3.0);
            let expected = low_rank + if i == j { 0.5 * variance[i] } else { 0.0 };
            let products: Vec<f64> = draws.iter().map(|d| (d[i] - mean[i]) * (d[j] - mean[j])).collect();
            assert_mean(&format!("{i} {j}"), &products, expected);
        }
    }
}

#[test]
fn the_step_collects_after_the_burn_in_every_so_often() {
    struct Count;
    impl Step<Parameter> for Count {
        type State = ();
        fn init(&self, _: &mut Parameter, _: &mut Run) -> Result<()> {
            Ok(())
        }
        fn step(&self, x: &mut Parameter, (): &mut (), _: &mut Run) -> Result<Progress> {
            let next = x.pack()[0] + 1.0;
            x.unpack(&[next]);
            Ok(Progress { objective: next, converged: false })
        }
    }
    let mut averaged = Averaged { model: Parameter::scalar(0.0, Constraint::Real), swag: Swag::new(2) };
    let step = SwagStep { step: Count, burn_in: 4, every: 3 };
    drive(&step, &mut averaged, &Stop::after(14, "count", "x"), &mut Run::new(0)).unwrap();
    // Steps 7, 10 and 13.
    assert_eq!((averaged.swag.count(), averaged.swag.mean()[0]), (3, 10.0));
}

#[test]
fn doubt_is_what_members_disagree_about() {
    let log = |p: &[f64]| p.iter().map(|p| p.ln()).collect::<Vec<f64>>();
    // In the first row members agree on doubt, in the second each is sure of another class.
    let members = [log(&[0.5, 0.5, 1.0, 0.0]), log(&[0.5, 0.5, 0.0, 1.0])];
    let average = ClassAverage::new(2, &members);
    let half = 2f64.ln();
    for i in 0..4 {
        assert!((average.log_probabilities[i] + half).abs() < 1e-12);
    }
    assert!((average.total[1] - half).abs() < 1e-12 && average.aleatoric[1] == 0.0);
    let epistemic = average.epistemic();
    assert!(epistemic[0].abs() < 1e-12 && (epistemic[1] - half).abs() < 1e-12);
    let mut rng = Rng::new(2);
    let random: Vec<Vec<f64>> = (0..5)
        .map(|_| {
            let raw: Vec<f64> = (0..30).map(|_| rng.exponential()).collect();
            raw.chunks(3).flat_map(|r| log(&r.iter().map(|v| v / r.iter().sum::<f64>()).collect::<Vec<_>>())).collect()
        })
        .collect();
    assert!(ClassAverage::new(3, &random).epistemic().iter().all(|e| *e >= 0.0));
    let moments = Moments::new(&[(vec![1.0], vec![0.5]), (vec![3.0], vec![0.1])]);
    assert_eq!((moments.mean[0], moments.epistemic[0]), (2.0, 1.0));
    assert!((moments.aleatoric[0] - 0.3).abs() < 1e-15);
}

#[test]
fn draws_of_several_runs_are_their_mixture() {
    let mut rng = Rng::new(3);
    let runs: Vec<Swag> = [-5.0, 1.0, 4.0]
        .map(|centre| {
            let mut swag = Swag::new(2);
            (0..50).for_each(|_| swag.collect(&[centre + 0.1 * rng.normal()]));
            swag
        })
        .into();
    let draws: Vec<f64> = (0..3000).map(|_| sample_of_several(&runs, &mut rng)[0]).collect();
    for centre in [-5.0, 1.0, 4.0] {
        let near: Vec<f64> = draws.iter().map(|w| f64::from((w - centre).abs() < 1.0)).collect();
        assert_mean(&format!("run at {centre}"), &near, 1.0 / 3.0);
    }
}
