//! Coupled arms: the cost of disagreement, gradients, the consensus of equal arms, training, and what is refused.

use crate::common::{assert_gradient, bernoulli, normals, objective, small};
use elbo_core::{Rng, Run};
use elbo_nn::vae::arms::{Arms, ArmsConfig, consensus_cost};
use elbo_nn::vae::{
    Binarise, ClassesConfig, Family, LikelihoodConfig, ObjectiveConfig, PriorConfig, Term, TrainingConfig, VaeConfig,
    Weight, Weighted,
};
use elbo_tensor::{Parameters, Tensor, grad};

fn model() -> VaeConfig {
    let family = Family::Categorical(ClassesConfig::default());
    VaeConfig { latent: 3, ..small(LikelihoodConfig::Bernoulli, family, PriorConfig::Standard) }
}

fn only() -> ObjectiveConfig {
    objective(&[Term::Reconstruction], 1)
}

fn build(config: &ArmsConfig, seed: u64) -> Arms {
    config.build(&model(), &[3], &only(), &mut Rng::new(seed)).unwrap()
}

/// The parameters of the second arm are made those of the first.
fn equal(arms: &mut Arms) {
    let packed = arms.pack();
    let half = packed.len() / 2;
    arms.unpack(&[&packed[..half], &packed[..half]].concat());
}

#[test]
fn equal_arms_agree_for_nothing_and_the_cost_is_the_formula_by_hand() {
    let mut rng = Rng::new(1);
    let [a, b] = [0, 1].map(|_| normals(&[5, 3], &mut rng).log_softmax(-1));
    assert_eq!(consensus_cost(&a, &a).item(), 0.0);
    let scale = |t: &Tensor| -> Vec<f64> {
        let p = t.to_vec();
        (0..3)
            .map(|k| {
                let column: Vec<f64> = p.iter().skip(k).step_by(3).map(|v| v.exp()).collect();
                let mean = column.iter().sum::<f64>() / 5.0;
                (column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 5.0).sqrt()
            })
            .collect()
    };
    let (scale_a, scale_b) = (scale(&a), scale(&b));
    let cost = |a: &[f64]| -> f64 {
        let b = b.to_vec();
        (0..15).map(|i| (a[i] / scale_a[i % 3] - b[i] / scale_b[i % 3]).powi(2)).sum::<f64>() / 5.0
    };
    let (found, expected) = (consensus_cost(&a, &b).item(), cost(&a.to_vec()));
    assert!((found - expected).abs() < 1e-10 * expected, "{found} for {expected}");

    // The variances are held, so that finite differences hold the scales.
    let variable = a.detach().variable();
    let gradient = grad(&consensus_cost(&variable, &b), &[&variable]).remove(0).to_vec();
    let start = a.to_vec();
    for i in 0..15 {
        let at = |delta: f64| {
            let mut moved = start.clone();
            moved[i] += delta;
            cost(&moved)
        };
        let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert!((numeric - gradient[i]).abs() < 1e-6 * numeric.abs().max(1.0), "{i}: {numeric} for {}", gradient[i]);
    }
}

#[test]
fn classes_that_are_never_given_cost_a_finite_number() {
    let sure = Tensor::from_slice(&[0.0, -800.0, -800.0, 0.0], &[2, 2]);
    let same = Tensor::from_slice(&[0.0, -800.0, 0.0, -800.0], &[2, 2]);
    assert!(consensus_cost(&sure, &same).is_finite());
}

#[test]
fn the_loss_without_a_coupling_has_the_gradient_of_its_value() {
    for arms in [2, 3] {
        let config = ArmsConfig { arms, coupling: 0.0, dropout: 0.3, noise: 0.1 };
        let mut arms = build(&config, 2);
        let x = bernoulli(6, &mut Rng::new(3));
        let loss = |arms: &Arms| arms.loss(&x, &only(), 0, &mut Rng::new(4)).unwrap();
        assert_gradient("arms", &mut arms, loss, 1e-6);
    }
}

#[test]
fn the_loss_is_that_of_the_arms_their_entropies_and_their_distance() {
    let config = ArmsConfig { coupling: 0.7, dropout: 0.0, noise: 0.0, ..ArmsConfig::default() };
    let mut arms = build(&config, 5);
    let x = bernoulli(8, &mut Rng::new(6));
    let found = arms.loss(&x, &only(), 0, &mut Rng::new(7)).unwrap().item();
    let values: Vec<f32> = x.to_vec().iter().map(|v| *v as f32).collect();
    // Codes are summed over, so that there is no noise.
    let own = |i: usize| arms.arms()[i].losses(&x, &only(), 0, &mut Rng::new(8)).unwrap().terms[0].item();
    let logs = [0, 1].map(|i| arms.arms()[i].encode(&values).mean().log());
    let entropies: f64 = logs.iter().map(|l| (l.exp() * l).sum_axis(-1, false).mean().item()).sum();
    let expected = own(0) + own(1) + entropies + 0.7 * consensus_cost(&logs[0], &logs[1]).item();
    assert!((found - expected).abs() < 1e-9 * expected.abs(), "{found} for {expected}");

    equal(&mut arms);
    let equal = arms.loss(&x, &only(), 0, &mut Rng::new(7)).unwrap().item();
    let logs = arms.arms()[0].encode(&values).mean().log();
    let own = arms.arms()[0].losses(&x, &only(), 0, &mut Rng::new(8)).unwrap().terms[0].item();
    let expected = 2.0 * (own + (logs.exp() * &logs).sum_axis(-1, false).mean().item());
    assert!((equal - expected).abs() < 1e-9 * expected.abs(), "equal arms pay nothing for their distance");
    let consensus = arms.consensus(0, 1, &values).to_vec();
    for k in 0..3 {
        let row: f64 = consensus[3 * k..3 * k + 3].iter().sum();
        assert!(consensus[4 * k] == row && (row == 0.0 || (row - 1.0).abs() < 1e-12), "{consensus:?}");
    }
    let together = arms.class_probabilities(&values);
    assert!((together - logs.exp()).abs().max().item() < 1e-12, "equal arms are one");
}

#[test]
fn training_lowers_the_loss_and_gives_the_same_bits_again() {
    let values: Vec<f32> = (0..60).flat_map(|i| if i % 2 == 0 { [1.0, 1.0, 0.0] } else { [0.0, 0.0, 1.0] }).collect();
    let config = ArmsConfig::default();
    let settings = TrainingConfig { epochs: 40, batch: 20, rate: 0.01, ..TrainingConfig::default() };
    let x = Tensor::from_f32(values.clone(), &[60, 3]).to_f64();
    let loss = |arms: &Arms| arms.loss(&x, &only(), 0, &mut Rng::new(9)).unwrap().item();
    let trained = || {
        let mut arms = build(&config, 10);
        let before = loss(&arms);
        arms.fit(&values, &only(), &settings, &mut Run::new(11)).unwrap();
        assert!(loss(&arms) < before, "{before} before, {} after", loss(&arms));
        arms.pack()
    };
    assert_eq!(trained(), trained());
}

#[test]
fn arms_that_cannot_agree_are_refused() {
    let refused = |config: ArmsConfig, model: VaeConfig, objective: &ObjectiveConfig, part: &str| {
        let error = config.build(&model, &[3], objective, &mut Rng::new(0)).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    let of = ArmsConfig::default;
    refused(ArmsConfig { arms: 1, ..of() }, model(), &only(), "`arms` is 1");
    refused(ArmsConfig { coupling: -1.0, ..of() }, model(), &only(), "`coupling` is -1");
    refused(ArmsConfig { dropout: 1.0, ..of() }, model(), &only(), "`dropout` is 1");
    refused(ArmsConfig { noise: f64::NAN, ..of() }, model(), &only(), "`noise` is NaN");
    refused(of(), VaeConfig { family: Family::GaussDiag, ..model() }, &only(), "`family` is gauss_diag");
    refused(of(), VaeConfig { nan_is_missing: true, ..model() }, &only(), "`nan_is_missing` is true");
    let target = Weight::Target { start: 1.0, target: 1.0 };
    let controlled = ObjectiveConfig { draws: 1, terms: vec![Weighted::new(target, Term::Reconstruction)] };
    refused(of(), model(), &controlled, "`weight` is a target");

    let mut arms = build(&of(), 1);
    let mut fit = |values: &[f32], settings: TrainingConfig| {
        arms.fit(values, &only(), &settings, &mut Run::new(1)).unwrap_err().to_string()
    };
    let settings = TrainingConfig { epochs: 1, ..TrainingConfig::default() };
    let error = fit(&[1.0, 0.0], settings.clone());
    assert!(error.contains("no rows of 3"), "{error}");
    let error = fit(&[1.0, 0.0, 1.0], TrainingConfig { weight_precision: 1.0, ..settings.clone() });
    assert!(error.contains("`training` is weight_precision or binarise"), "{error}");
    let error = fit(&[1.0, 0.0, 1.0], TrainingConfig { binarise: Binarise::Dynamic, ..settings });
    assert!(error.contains("`training` is weight_precision or binarise"), "{error}");
}
