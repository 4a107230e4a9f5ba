//! Mixtures of normals as priors, of components and of classes; classes of data points in the objective.

use crate::common::{assert_gradient, bernoulli, objective, shaken, small};
use elbo_core::{Rng, Run};
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig};
use elbo_nn::vae::{
    Batch, Classifier, Decay, Estimate, Family, LikelihoodConfig, ObjectiveConfig, Posterior, PriorConfig,
    Responsibilities, Spread, Term, Training, TrainingConfig, Vae, VaeConfig,
};
use elbo_nn::{Activation, Pass};
use elbo_tensor::{Parameters, Tensor};

const KL: Term = Term::Kl { estimate: Estimate::Closed };
const BY_PRIOR: Term = Term::CrossEntropy { classifier: Classifier::Prior };

fn by_network(classes: usize) -> Term {
    Term::CrossEntropy { classifier: Classifier::Network { classes, hidden: vec![4] } }
}

fn config(prior: PriorConfig) -> VaeConfig {
    small(LikelihoodConfig::Bernoulli, Family::GaussDiag, prior)
}

fn mixture(components: usize, spread: Spread, responsibilities: Responsibilities) -> PriorConfig {
    PriorConfig::Mixture { components, spread, responsibilities }
}

fn of_classes(shares: &[f64]) -> PriorConfig {
    PriorConfig::ClassConditional { shares: shares.to_vec(), spread: Spread::Own }
}

fn parameter(vae: &Vae, wanted: &str) -> Tensor {
    let mut found = None;
    vae.visit(&mut |name, p| {
        if name == wanted {
            found = Some(p.get().detach());
        }
    });
    found.unwrap_or_else(|| panic!("{wanted} among {:?}", vae.names()))
}

/// log π, `[M]`, and KL(q || p_m), `[B, M]`, by their formulas.
fn parts(vae: &Vae, q: &Posterior) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (mean, log_variance) = (parameter(vae, "prior.mean"), parameter(vae, "prior.log_variance"));
    let log_variance = log_variance.broadcast_to(mean.shape());
    let log_shares = parameter(vae, "prior.logits").log_softmax(-1).to_vec();
    let (mu, variance) = (q.mean(), q.variance());
    let kl = |b: usize, m: usize| -> f64 {
        let one = |d: usize| {
            let at = |t: &Tensor, row: usize| t.row(row).to_vec()[d];
            let (v, s) = (at(&log_variance, m).exp(), at(&variance, b));
            0.5 * ((s + (at(mu, b) - at(&mean, m)).powi(2)) / v - 1.0 - s.ln() + v.ln())
        };
        (0..2).map(one).sum()
    };
    let count = log_shares.len();
    (log_shares, (0..q.rows()).map(|b| (0..count).map(|m| kl(b, m)).collect()).collect())
}

fn log_sum_exp(values: &[f64]) -> f64 {
    elbo_tensor::special::log_sum_exp(values)
}

#[test]
fn one_standard_component_is_the_standard_prior() {
    let objective = objective(&[Term::Reconstruction, KL], 3);
    let mut rng = Rng::new(1);
    let x = bernoulli(5, &mut rng);
    let known: Vec<Option<usize>> = vec![Some(0), None, Some(0), None, None];
    let values = |prior: PriorConfig| {
        let mut vae = config(prior).build(&[3], &objective, &mut Rng::new(2)).unwrap();
        vae.visit_mut(&mut |name, p| {
            if name == "prior.mean" {
                p.set_free(&vec![0.0; p.len()]);
            }
        });
        let batch = Batch { x: &x, labels: &known, attributes: None };
        let losses = vae.losses(batch, &objective, 0, &mut Rng::new(3)).unwrap();
        let (kl, prior) = (losses.terms[1].item(), losses.draws.log_prior.to_vec());
        [kl].into_iter().chain(prior).collect::<Vec<f64>>()
    };
    let standard = values(PriorConfig::Standard);
    for spread in [Spread::Own, Spread::Shared, Spread::Fixed { sd: 1.0 }] {
        for responsibilities in [Responsibilities::Exact, Responsibilities::Paper] {
            let found = values(mixture(1, spread, responsibilities));
            assert!(found.iter().zip(&standard).all(|(a, b)| (a - b).abs() < 1e-12), "{spread:?}");
        }
    }
    let found = values(of_classes(&[7.0]));
    assert!(found.iter().zip(&standard).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn what_is_charged_is_the_sum_over_components() {
    for spread in [Spread::Own, Spread::Shared, Spread::Fixed { sd: 0.3 }] {
        let objective = objective(&[Term::Reconstruction, KL], 4);
        let mut charged = vec![];
        for responsibilities in [Responsibilities::Exact, Responsibilities::Paper] {
            let mut rng = Rng::new(4);
            let vae = shaken(&config(mixture(3, spread, responsibilities)), &objective, &mut rng);
            let x = bernoulli(5, &mut rng);
            let losses = vae.losses(&x, &objective, 0, &mut Rng::new(5)).unwrap();
            let (log_shares, kl) = parts(&vae, &losses.draws.q);
            let (mean, log_variance) = (parameter(&vae, "prior.mean"), parameter(&vae, "prior.log_variance"));
            let component = Posterior::Diagonal { log_variance: log_variance.broadcast_to(mean.shape()), mean };
            // Σ_m r_m KL_m + KL(r || π) for responsibilities that are given up to a factor.
            let penalty = |b: usize, logs: Vec<f64>| -> f64 {
                let total = log_sum_exp(&logs);
                (0..3).map(|m| (logs[m] - total).exp() * (kl[b][m] + logs[m] - total - log_shares[m])).sum()
            };
            let each = |b: usize| -> f64 {
                if responsibilities == Responsibilities::Exact {
                    return penalty(b, (0..3).map(|m| log_shares[m] - kl[b][m]).collect());
                }
                let of_draw = |k: usize| {
                    let z = losses.draws.points.row(k).row(b).unsqueeze(0);
                    let densities = component.log_prob_of_each(&z).to_vec();
                    penalty(b, (0..3).map(|m| log_shares[m] + densities[m]).collect())
                };
                (0..4).map(of_draw).sum::<f64>() / 4.0
            };
            let expected = (0..5).map(each).sum::<f64>() / 5.0;
            let found = losses.terms[1].item();
            assert!((found - expected).abs() < 1e-9, "{spread:?}, {responsibilities:?}: {found} vs {expected}");
            charged.push(found);
        }
        // The exact ones are those for which it is the least.
        assert!(charged[0] <= charged[1], "{charged:?}");
    }
}

#[test]
fn exact_responsibilities_are_the_optimum_of_the_bound_in_its_two_forms() {
    let mut rng = Rng::new(6);
    let vae = shaken(&config(PriorConfig::mixture(3)), &ObjectiveConfig::default(), &mut rng);
    let x = bernoulli(4, &mut rng);
    let q = vae.posterior(&x, &mut Pass::evaluation());
    let found = vae.prior().log_responsibilities(&q, &q.mean().unsqueeze(0)).unwrap().select(0, 0).exp();
    let (log_shares, kl) = parts(&vae, &q);
    let (mean, log_variance) = (parameter(&vae, "prior.mean"), parameter(&vae, "prior.log_variance"));
    for b in 0..4 {
        // π_k exp(log N(mu; m_k, S_k) - sum sigma² / 2 S_k).
        let second = |m: usize| -> f64 {
            let one = |d: usize| {
                let v = log_variance.row(m).to_vec()[d].exp();
                let away = q.mean().row(b).to_vec()[d] - mean.row(m).to_vec()[d];
                -0.5 * ((away * away + q.variance().row(b).to_vec()[d]) / v + v.ln())
            };
            log_shares[m] + (0..2).map(one).sum::<f64>()
        };
        for form in [&second as &dyn Fn(usize) -> f64, &|m: usize| log_shares[m] - kl[b][m]] {
            let logs: Vec<f64> = (0..3).map(form).collect();
            let total = log_sum_exp(&logs);
            for (m, log) in logs.iter().enumerate() {
                let (ours, theirs) = (found.row(b).to_vec()[m], (log - total).exp());
                assert!((ours - theirs).abs() < 1e-10, "{b}, {m}: {ours} vs {theirs}");
            }
        }
    }
}

#[test]
fn a_known_class_has_its_own_normal_and_an_unknown_one_the_mixture() {
    let objective = objective(&[Term::Reconstruction, KL], 2);
    let mut rng = Rng::new(7);
    let x = bernoulli(3, &mut rng);
    let labels = [Some(2), None, Some(0)];
    let vae = shaken(&config(of_classes(&[2.0, 1.0, 1.0])), &objective, &mut rng);
    let batch = Batch { x: &x, labels: &labels, attributes: None };
    let losses = vae.losses(batch, &objective, 0, &mut Rng::new(8)).unwrap();
    let (log_shares, kl) = parts(&vae, &losses.draws.q);
    assert!((log_shares[0] - 0.5f64.ln()).abs() < 1e-12 && (log_shares[2] - 0.25f64.ln()).abs() < 1e-12);
    let unknown = -log_sum_exp(&(0..3).map(|m| log_shares[m] - kl[1][m]).collect::<Vec<f64>>());
    let expected = (kl[0][2] + unknown + kl[2][0]) / 3.0;
    let found = losses.terms[1].item();
    assert!((found - expected).abs() < 1e-10, "{found} vs {expected}");
    // Densities at the draws follow the same rule.
    let (mean, log_variance) = (parameter(&vae, "prior.mean"), parameter(&vae, "prior.log_variance"));
    let each = Posterior::Diagonal { mean, log_variance };
    for (b, label) in labels.iter().enumerate() {
        for k in 0..2 {
            let densities = each.log_prob_of_each(&losses.draws.points.row(k).row(b).unsqueeze(0)).to_vec();
            let mixed = || log_sum_exp(&(0..3).map(|m| log_shares[m] + densities[m]).collect::<Vec<f64>>());
            let expected = label.map_or_else(mixed, |m| densities[m]);
            let found = losses.draws.log_prior.row(k).to_vec()[b];
            assert!((found - expected).abs() < 1e-10, "{b}: {found} vs {expected}");
        }
    }
    // Without classes, and with a mixture that has none, labels say nothing.
    let alone = vae.losses(&x, &objective, 0, &mut Rng::new(8)).unwrap().terms[1].item();
    let every = (0..3).map(|b| -log_sum_exp(&(0..3).map(|m| log_shares[m] - kl[b][m]).collect::<Vec<f64>>()));
    assert!((alone - every.sum::<f64>() / 3.0).abs() < 1e-10);
    let plain = shaken(&config(PriorConfig::mixture(3)), &objective, &mut Rng::new(9));
    let with = plain.losses(batch, &objective, 0, &mut Rng::new(8)).unwrap().terms[1].item();
    assert_eq!(with, plain.losses(&x, &objective, 0, &mut Rng::new(8)).unwrap().terms[1].item());
}

#[test]
fn objectives_with_classes_have_the_gradient_of_their_value() {
    let priors = [
        mixture(3, Spread::Own, Responsibilities::Paper),
        mixture(3, Spread::Shared, Responsibilities::Exact),
        mixture(3, Spread::Fixed { sd: 0.5 }, Responsibilities::Exact),
        of_classes(&[0.2, 0.5, 0.3]),
        PriorConfig::ClassConditional { shares: vec![1.0; 3], spread: Spread::Shared },
    ];
    let labels = [Some(1), None, Some(0), Some(2)];
    for prior in priors {
        for third in [BY_PRIOR, by_network(3)] {
            for family in [Family::GaussDiag, Family::GaussFull, Family::SigmaPoints(Default::default())] {
                let objective = objective(&[Term::Reconstruction, KL, third.clone()], 1);
                objective.check(4).unwrap();
                let mut rng = Rng::new(10);
                let config = VaeConfig { family, ..config(prior.clone()) };
                let mut vae = shaken(&config, &objective, &mut rng);
                let x = bernoulli(4, &mut rng);
                let loss = |vae: &Vae| {
                    let batch = Batch { x: &x, labels: &labels, attributes: None };
                    vae.losses(batch, &objective, 0, &mut Rng::new(3)).unwrap().total(&[1.0, 0.7, 1.3])
                };
                assert_gradient(&format!("{prior:?} {third:?} {family:?}"), &mut vae, loss, 5e-6);
            }
        }
    }
}

#[test]
fn the_cross_entropy_is_of_the_known_classes_over_the_batch() {
    let labels = [Some(1), None, Some(0), None];
    let mut rng = Rng::new(11);
    let x = bernoulli(4, &mut rng);
    let batch = Batch { x: &x, labels: &labels, attributes: None };
    // By responsibilities of the draws, which are those of their densities.
    let by_prior = objective(&[Term::Reconstruction, BY_PRIOR], 2);
    let vae = shaken(&config(mixture(3, Spread::Own, Responsibilities::Paper)), &by_prior, &mut rng);
    let losses = vae.losses(batch, &by_prior, 0, &mut Rng::new(3)).unwrap();
    let draws = &losses.draws;
    let found = vae.prior().log_responsibilities(&draws.q, &draws.points).unwrap();
    assert!((found.exp().sum_axis(-1, false) - 1.0).abs().max().item() < 1e-12);
    let at = |k: usize, b: usize, m: usize| found.row(k).row(b).to_vec()[m];
    let expected = -(at(0, 0, 1) + at(1, 0, 1) + at(0, 2, 0) + at(1, 2, 0)) / 8.0;
    assert!((losses.terms[1].item() - expected).abs() < 1e-12);
    // A network without an opinion.
    let by_network = objective(&[Term::Reconstruction, by_network(5)], 2);
    let mut vae = config(PriorConfig::Standard).build(&[3], &by_network, &mut rng).unwrap();
    vae.visit_mut(&mut |name, p| {
        if name.starts_with("classifier.2") {
            p.set_free(&vec![0.0; p.len()]);
        }
    });
    let found = vae.losses(batch, &by_network, 0, &mut rng).unwrap().terms[1].item();
    assert!((found - 0.5 * 5f64.ln()).abs() < 1e-12, "{found}");
    let probabilities = vae.class_probabilities(&[0.0, 1.0, 1.0]).unwrap();
    assert!(probabilities.to_vec().iter().all(|p| (p - 0.2).abs() < 1e-12), "{probabilities:?}");
}

#[test]
fn draws_of_a_component_are_its_normal_s() {
    let spread = Spread::Fixed { sd: 0.2 };
    let prior = PriorConfig::ClassConditional { shares: vec![3.0, 1.0], spread };
    let vae = config(prior).build(&[3], &ObjectiveConfig::default(), &mut Rng::new(12)).unwrap();
    let mean = parameter(&vae, "prior.mean");
    let count = 10_000;
    for class in 0..2 {
        let drawn = vae.sample_component(class, count, &mut Rng::new(13)).unwrap();
        let off = (drawn.mean_axis(0, false) - mean.row(class)).abs().max().item();
        assert!(off < 4.0 * 0.2 / (count as f64).sqrt(), "{class}: {off}");
        let sd = drawn.variance_axis(0, false, 1).sqrt();
        assert!((sd - 0.2).abs().max().item() < 4.0 * 0.2 / (2.0 * count as f64).sqrt());
    }
    // Three in four are of the first class.
    let all = vae.sample_prior(count, &mut Rng::new(14)).mean_axis(0, false);
    let expected = mean.row(0) * 0.75 + mean.row(1) * 0.25;
    let gap = (mean.row(0) - mean.row(1)).abs();
    let error = (gap.square() * (0.75 * 0.25) + 0.04).sqrt() * (1.0 / (count as f64).sqrt());
    assert!(((all - expected).abs() / error).max().item() < 4.0);
    assert!(vae.sample_component(2, 1, &mut Rng::new(0)).is_none());
    let standard = config(PriorConfig::Standard).build(&[3], &ObjectiveConfig::default(), &mut Rng::new(0)).unwrap();
    assert!(standard.sample_component(0, 1, &mut Rng::new(0)).is_none());
    assert!(standard.class_probabilities(&[1.0; 3]).is_none());
}

/// Pictures of nine elements of three kinds, each of which has a third of them black, and the kinds.
fn kinds(rows: usize, rng: &mut Rng) -> (Vec<f32>, Vec<usize>) {
    let kinds: Vec<usize> = (0..rows).map(|_| rng.below(3)).collect();
    let pixel = |i: usize, rng: &mut Rng| {
        let chance = if kinds[i / 9] == i % 9 / 3 { 0.95 } else { 0.05 };
        f32::from(u8::from(rng.uniform() < chance))
    };
    let values = (0..rows * 9).map(|i| pixel(i, rng)).collect();
    (values, kinds)
}

#[test]
fn a_few_classes_tell_the_others_and_each_has_codes_of_its_own() {
    let mut rng = Rng::new(15);
    let (values, truth) = kinds(300, &mut rng);
    // One in five is known.
    let labels: Vec<Option<usize>> = truth.iter().enumerate().map(|(i, y)| (i % 5 == 0).then_some(*y)).collect();
    let mlp = MlpConfig::new(&[16], Activation::Tanh);
    let objective = objective(&[Term::Reconstruction, KL, by_network(3)], 1);
    let settings = TrainingConfig { epochs: 100, batch: 50, rate: 1e-2, decay: Decay::Cosine, ..Default::default() };
    let config = VaeConfig {
        encoder: EncoderConfig::Mlp(mlp.clone()),
        decoder: DecoderConfig::Mlp(mlp),
        ..config(PriorConfig::ClassConditional { shares: vec![1.0; 3], spread: Spread::Fixed { sd: 0.3 } })
    };
    let mut vae = config.build(&[9], &objective, &mut rng).unwrap();
    let training = Training::new(&values, 9, &objective, &settings, &mut rng).unwrap().with_labels(&labels).unwrap();
    training.run(&mut vae, &mut Run::new(1)).unwrap();
    let accuracy = |found: Tensor, truth: &[usize]| {
        let right = found.argmax(-1, false).to_vec().iter().zip(truth).filter(|(a, b)| **a as usize == **b).count();
        right as f64 / truth.len() as f64
    };
    let (unseen, of_unseen) = kinds(300, &mut rng);
    let found = accuracy(vae.class_probabilities(&unseen).unwrap(), &of_unseen);
    assert!(found > 0.9, "{found}");
    // Pictures of codes of a class are blackest where the class is.
    for class in 0..3 {
        let z = vae.sample_component(class, 200, &mut rng).unwrap();
        let made = vae.generate(&z, false, &mut rng).mean_axis(0, false).reshape(&[3, 3]).mean_axis(-1, false);
        assert_eq!(made.argmax(-1, false).item() as usize, class, "{made:?}");
    }
}

#[test]
fn priors_of_several_normals_are_set_by_a_word_or_with_their_settings() {
    let read = |text: &str| serde_json::from_str::<elbo_nn::model::LatentSettings>(text).unwrap().prior;
    assert_eq!(read(r#"{"prior": "mixture"}"#), PriorConfig::mixture(10));
    assert_eq!(read(r#"{"prior": "gmm"}"#), PriorConfig::mixture(10));
    let paper = r#"{"prior": {"type": "mixture", "components": 2, "spread": {"type": "fixed", "sd": 0.1},
        "responsibilities": "paper"}}"#;
    assert_eq!(read(paper), mixture(2, Spread::Fixed { sd: 0.1 }, Responsibilities::Paper));
    let shared = read(r#"{"prior": {"type": "class_conditional", "spread": "shared"}}"#);
    assert_eq!(shared, PriorConfig::ClassConditional { shares: vec![], spread: Spread::Shared });
    // Files of models with a mixture before there were spreads.
    assert_eq!(read(r#"{"prior": {"type": "mixture", "components": 4}}"#), PriorConfig::mixture(4));
}

#[test]
fn classes_that_do_not_fit_are_refused() {
    let bound = ObjectiveConfig::default();
    let refused = |prior: PriorConfig, objective: &ObjectiveConfig, part: &str| {
        let error = config(prior).build(&[3], objective, &mut Rng::new(0)).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(of_classes(&[]), &bound, "`prior.shares` is empty");
    refused(of_classes(&[1.0, 0.0]), &bound, "numbers above 0");
    refused(mixture(2, Spread::Fixed { sd: 0.0 }, Responsibilities::Exact), &bound, "`prior.spread.sd` is 0");
    let by_prior = objective(&[Term::Reconstruction, BY_PRIOR], 1);
    refused(PriorConfig::Standard, &by_prior, "`prior` is standard with a cross-entropy");
    let error = objective(&[Term::Reconstruction, by_network(1)], 1).check(4).unwrap_err();
    assert!(error.to_string().contains("`classes` is 1"), "{error}");
    let two = objective(&[Term::Reconstruction, by_network(2), by_network(3)], 1).check(4).unwrap_err();
    assert!(two.to_string().contains("one network of classes"), "{two}");

    let with = objective(&[Term::Reconstruction, KL, by_network(2)], 1);
    let mut vae = config(PriorConfig::Standard).build(&[3], &with, &mut Rng::new(0)).unwrap();
    let x = bernoulli(4, &mut Rng::new(1));
    let error = vae.losses(&x, &with, 0, &mut Rng::new(0)).err().unwrap();
    assert!(error.to_string().contains("needs classes"), "{error}");
    let labels = [Some(0), Some(2), None, None];
    let batch = Batch { x: &x, labels: &labels, attributes: None };
    let error = vae.losses(batch, &with, 0, &mut Rng::new(0)).err().unwrap();
    assert!(error.to_string().contains("class 2, counted from 0, and the model has 2"), "{error}");

    let values = vec![0.0; 12];
    let training = || Training::new(&values, 3, &with, &TrainingConfig::default(), &mut Rng::new(0)).unwrap();
    assert!(training().with_labels(&labels[..3]).err().unwrap().to_string().contains("for 4 data points"));
    assert!(training().with_labels(&[None; 4]).err().unwrap().to_string().contains("0 classes of 4"));
    for unfit in [training(), training().with_labels(&labels).unwrap()] {
        assert!(unfit.run(&mut vae, &mut Run::new(0)).is_err());
    }
}
