//! Ensembles: what members are trained on, their mixtures, and runs that end early.

use super::distance;
use elbo_core::{Error, Marginals, Rng, Run};
use elbo_nn::Activation;
use elbo_nn::bayes::ensemble::ClassAverage;
use elbo_nn::bayes::{Ensemble, EnsembleConfig, Stack};
use elbo_nn::layer::Build;
use elbo_tensor::{DType, Parameters, Tensor};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn config(members: usize, is_bootstrapped: bool) -> EnsembleConfig {
    EnsembleConfig { members, is_bootstrapped, seed: 40 }
}

/// Networks of two inputs and two outputs.
fn networks(members: usize) -> Ensemble<Stack> {
    let train = |seed: u64| {
        let mut rng = Rng::new(seed);
        let mut build = Build::new(&mut rng);
        build.dtype = DType::F64;
        Ok(Stack::new(&[2, 3, 2], Activation::Tanh, &mut build))
    };
    config(members, false).train(1, &mut Run::new(0), |member, _| train(member.seed)).unwrap()
}

#[test]
fn a_member_sees_all_rows_or_as_many_drawn_with_replacement() {
    let rows = 2000;
    let plain = config(3, false).member(2, rows);
    assert_eq!((plain.index, plain.seed), (2, 42));
    assert!(plain.rows.iter().copied().eq(0..rows));
    let drawn = [0, 1].map(|index| config(3, true).member(index, rows));
    assert_ne!(drawn[0].rows, drawn[1].rows);
    // However many members there are, and whichever seed the first has.
    let other = EnsembleConfig { members: 9, is_bootstrapped: true, seed: 41 };
    assert_eq!(other.member(0, rows).rows, drawn[1].rows);
    for member in &drawn {
        assert!(member.rows.len() == rows && member.rows.iter().all(|row| *row < rows));
        // A row is left out with probability 1 / e; the share of those that are seen has a standard deviation of 0.007.
        let seen = member.rows.iter().collect::<BTreeSet<_>>().len() as f64 / rows as f64;
        assert!((seen - (1.0 - (-1.0f64).exp())).abs() < 0.028, "{seen}");
    }
}

#[test]
fn means_of_bootstrapped_members_spread_as_the_mean_of_the_rows_does() {
    let (rows, members, noise) = (50, 400, 0.7);
    let y = Rng::new(1).normals(rows);
    let mean = y.iter().sum::<f64>() / rows as f64;
    let variance = y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / rows as f64;
    for is_bootstrapped in [false, true] {
        let ensemble = config(members, is_bootstrapped)
            .train(rows, &mut Run::new(0), |member, _| {
                Ok(member.rows.iter().map(|row| y[*row]).sum::<f64>() / rows as f64)
            })
            .unwrap();
        let mixtures = ensemble.mixtures(|m| (vec![*m, *m + 1.0], vec![noise; 2]));
        let spread = mixtures.sd(0).powi(2) - noise * noise;
        let expected = if is_bootstrapped { variance / rows as f64 } else { 0.0 };
        // Four standard errors of a variance from so many members, and of their mean.
        assert!(
            (spread - expected).abs() <= 4.0 * (2.0 / members as f64).sqrt() * expected + 1e-12,
            "{spread} {expected}"
        );
        let error = 4.0 * (expected / members as f64).sqrt() + 1e-12;
        assert!((mixtures.mean(0) - mean).abs() <= error && (mixtures.mean(1) - mean - 1.0).abs() <= error);
    }
}

#[test]
fn a_mixture_has_the_mean_of_the_densities_and_classes_the_mean_of_the_probabilities() {
    let ensemble = Ensemble { members: vec![0.0f64, 2.0] };
    let mixtures = ensemble.mixtures(|m| (vec![*m], vec![1.0 + m]));
    let density =
        |y: f64, m: f64, s: f64| (-0.5 * ((y - m) / s).powi(2)).exp() / (s * (2.0 * std::f64::consts::PI).sqrt());
    let expected = (0.5 * density(0.3, 0.0, 1.0) + 0.5 * density(0.3, 2.0, 3.0)).ln();
    assert!((mixtures.log_prob(0, 0.3) - expected).abs() < 1e-12);

    let ensemble = networks(3);
    let x = Tensor::from_vec(Rng::new(2).normals(8), &[4, 2]);
    let draws = ensemble.draws(|network| network.forward(&x));
    assert_eq!(draws.outputs.shape(), [3, 4, 2]);
    assert!(!draws.outputs.is_tracked());
    let logs: Vec<Vec<f64>> = ensemble.members.iter().map(|m| m.forward(&x).log_softmax(-1).to_vec()).collect();
    let (found, expected) = (draws.classes(), ClassAverage::new(2, &logs));
    let mut pairs = found.log_probabilities.iter().zip(&expected.log_probabilities);
    assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-12));
    assert!(found.epistemic().iter().all(|doubt| *doubt > 0.0), "members start apart");
}

#[test]
fn parameters_of_all_members_are_those_of_the_ensemble() {
    let (ensemble, mut other) = (networks(2), networks(3));
    other.members.remove(0);
    assert_eq!(
        ensemble.names(),
        ["members.0.layers.0", "members.0.layers.1", "members.1.layers.0", "members.1.layers.1"]
    );
    let x = Tensor::from_vec(vec![0.3, -1.2], &[1, 2]);
    let say = |e: &Ensemble<Stack>| e.draws(|network| network.forward(&x)).outputs;
    assert!(distance(&say(&ensemble), &say(&other)) > 1e-3);
    other.unpack(&ensemble.pack());
    assert_eq!(distance(&say(&ensemble), &say(&other)), 0.0);
}

#[test]
fn no_members_no_rows_and_what_training_refuses_are_refused() {
    let train = |members, rows| config(members, false).train(rows, &mut Run::new(0), |member, _| Ok(member.seed));
    assert!(train(0, 5).unwrap_err().to_string().contains("`members`"));
    assert!(train(2, 0).unwrap_err().to_string().contains("no rows"));
    let failing = config(3, false).train(5, &mut Run::new(0), |member, _| match member.index {
        1 => Err(Error::data("the second fails", "leave it")),
        index => Ok(index),
    });
    assert!(failing.unwrap_err().to_string().contains("the second fails"));
}

#[test]
fn a_run_that_is_stopped_keeps_the_members_it_began_and_says_so() {
    let mut run = Run::new(0).with_cancel(Arc::new(AtomicBool::new(true)));
    let ensemble = config(4, false).train(5, &mut run, |member, _| Ok(member.index)).unwrap();
    assert_eq!(ensemble.members, [0]);
    assert!(run.warnings()[0].contains("1 of 4 members"), "{:?}", run.warnings());
}

#[test]
fn a_member_that_is_stopped_before_it_has_anything_does_not_take_the_others_with_it() {
    let mut run = Run::new(0);
    let ensemble = config(4, false)
        .train(5, &mut run, |member, part| {
            part.warn("the loss is noisy");
            if member.index < 2 { Ok(member.index) } else { Err(Error::Stopped) }
        })
        .unwrap();
    assert_eq!(ensemble.members, [0, 1]);
    assert!(run.stopped_early());
    assert_eq!(run.warnings(), ["the loss is noisy", "training stopped after 2 of 4 members of the ensemble"]);
    let nothing = config(4, false).train(5, &mut Run::new(0), |_, _| Err::<usize, _>(Error::Stopped));
    assert!(matches!(nothing, Err(Error::Stopped)));
}
