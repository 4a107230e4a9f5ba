//! Scale mixtures: closed forms, limits, gradients, and the system around them.

use elbo_core::{AnySystem, Array, Data, ModelFile, Prediction, Rng, Run, Values};
use elbo_gp::exact::ExactGp;
use elbo_gp::kernel::{Activation, Nngp, Profile, Stationary};
use elbo_gp::mean::Zero;
use elbo_gp::scale_mixture::{
    ClassBatch, ScaleMixtureClassifier, ScaleMixtureGp, ScalePrior, inverse_gamma_kl, inverse_gamma_quantiles,
};
use elbo_systems_gp::scale_mixture_nngp::ScaleMixtureNngp;
use elbo_tensor::{Parameters, Tensor, no_grad};
use serde_json::json;

fn problem(n: usize, seed: u64) -> (Tensor, Tensor) {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..3 * n).map(|_| rng.range(-1.0, 1.0)).collect();
    let y = x.chunks(3).map(|x| (3.0 * x[0]).sin() + x[1] * x[2] + 0.1 * rng.normal()).collect();
    (Tensor::from_vec(x, &[n, 3]), Tensor::from_vec(y, &[n]))
}

fn process(prior: ScalePrior, n: usize) -> ScaleMixtureGp {
    let (x, y) = problem(n, 1);
    ScaleMixtureGp::new(Box::new(Nngp::new(Activation::Relu, 2, 2.0, 0.1)), 0.02, prior, x, y)
}

fn close(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance * expected.abs().max(1.0), "{what}: {value}, expected {expected}");
}

/// The gradient of a scalar against central differences in every free value.
fn assert_gradient<M: Parameters>(model: &mut M, value: impl Fn(&M) -> Tensor, tolerance: f64) {
    let start = model.pack();
    let exact = model.gradient(&value(model));
    for (i, g) in exact.iter().enumerate().take(60) {
        let mut at = |delta: f64| {
            let mut shifted = start.clone();
            shifted[i] += delta;
            model.unpack(&shifted);
            no_grad(|| value(model)).item()
        };
        let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
        close(&format!("derivative {i}"), *g, numeric, tolerance);
    }
    model.unpack(&start);
}

const T: ScalePrior = ScalePrior::InverseGamma { alpha: 2.0, beta: 1.5 };
const BURR: ScalePrior = ScalePrior::Burr { c: 2.0, k: 1.0 };

#[test]
fn gradients_of_every_evidence_are_right() {
    for prior in [ScalePrior::Point, T, BURR] {
        assert_gradient(&mut process(prior, 12), |gp| gp.log_marginal().unwrap(), 1e-6);
    }
}

#[test]
fn quadrature_over_the_scale_agrees_with_the_closed_form() {
    for n in [1, 8, 60] {
        let gp = process(T, n);
        let closed = gp.log_marginal().unwrap().item();
        // The same integral by the rule that other priors use.
        let gram = no_grad(|| {
            let (x, _) = problem(n, 1);
            use elbo_gp::kernel::Kernel;
            Nngp::new(Activation::Relu, 2, 2.0, 0.1).gram_symmetric(&x) + Tensor::eye(n, x.dtype()) * 0.02
        });
        let chol = gram.cholesky().unwrap();
        let d = chol.solve_lower(&problem(n, 1).1.unsqueeze(1)).square().sum().item();
        let log_det = chol.diagonal().log().sum().item();
        let scales = T.given(d, n);
        let half = 0.5 * n as f64;
        let terms: Vec<f64> = (0..scales.nodes.len())
            .map(|j| {
                let s = scales.nodes[j];
                scales.log_prior[j] - half * (std::f64::consts::TAU * s).ln() - 0.5 * d / s
            })
            .collect();
        let summed = elbo_tensor::special::log_sum_exp(&terms) - log_det;
        close("evidence", summed, closed, 1e-8);
        // The scale's posterior is IG(alpha + n/2, beta + d/2).
        let (a, b) = (2.0 + half, 1.5 + 0.5 * d);
        let mean: f64 = scales.nodes.iter().zip(&scales.weights).map(|(s, w)| s * w).sum();
        close("posterior mean of the scale", mean, b / (a - 1.0), 1e-6);
    }
}

#[test]
fn a_certain_scale_gives_a_gaussian_process() {
    let gauss = process(ScalePrior::Point, 25);
    let certain = process(ScalePrior::InverseGamma { alpha: 1e6, beta: 1e6 }, 25);
    let (x, y) = problem(25, 1);
    let kernel = || Box::new(Nngp::new(Activation::Relu, 2, 2.0, 0.1));
    let exact = ExactGp::new(kernel(), Box::new(Zero), 0.02, x, y);
    let evidence = exact.log_marginal().unwrap().item();
    close("point", gauss.log_marginal().unwrap().item(), evidence, 1e-9);
    // The difference is of the order of N² / alpha.
    close("alpha = 1e6", certain.log_marginal().unwrap().item(), evidence, 1e-4);
    let new = problem(9, 2).0;
    let (a, b) = (gauss.condition().unwrap(), certain.condition().unwrap());
    let (a, b) = (a.predict(&new, (1.0, 2.0)).unwrap(), b.predict(&new, (1.0, 2.0)).unwrap());
    let (mean, variance) = exact.condition().unwrap().marginals(&new).unwrap();
    for i in 0..9 {
        close("mean", a.mean(i), 1.0 + 2.0 * mean[i], 1e-8);
        close("sd", a.sd(i), 2.0 * (variance[i] + 0.02).sqrt(), 1e-8);
        close("t mean", b.mean(i), a.mean(i), 1e-8);
        close("t sd", b.sd(i), a.sd(i), 1e-4);
        close("t quantile", b.quantile(i, 0.01), a.quantile(i, 0.01), 1e-4);
    }
}

#[test]
fn predictions_are_the_ratio_of_evidences() {
    // p(y* | y) = p(y, y*) / p(y), for every prior.
    let (x, y) = problem(11, 1);
    let (new, target) = (x.narrow(0, 10, 1), y.to_vec()[10]);
    for prior in [ScalePrior::Point, T, BURR] {
        let gp = |n: usize| {
            let kernel = Box::new(Nngp::new(Activation::Relu, 2, 2.0, 0.1));
            ScaleMixtureGp::new(kernel, 0.02, prior, x.narrow(0, 0, n), y.narrow(0, 0, n))
        };
        let expected = gp(11).log_marginal().unwrap().item() - gp(10).log_marginal().unwrap().item();
        let found = gp(10).condition().unwrap().predict(&new, (0.0, 1.0)).unwrap().log_prob(0, target);
        close(&format!("{prior:?}"), found, expected, 1e-6);
    }
}

#[test]
fn without_rows_the_prior_predicts() {
    let none = || (Tensor::from_vec(vec![], &[0, 3]), Tensor::from_vec(vec![], &[0]));
    let new = problem(3, 5).0;
    let kernel = || Box::new(Stationary::new(Profile::Rbf, &[1.0; 3]));
    let predict = |prior| {
        let (x, y) = none();
        let gp = ScaleMixtureGp::new(kernel(), 0.5, prior, x, y).condition().unwrap();
        gp.predict(&new, (0.0, 1.0)).unwrap()
    };
    // Two degrees of freedom: no variance, but quantiles.
    let t = predict(ScalePrior::InverseGamma { alpha: 1.0, beta: 3.0 });
    assert!(t.sd(0).is_infinite() && t.quantile(0, 0.9).is_finite());
    // The scale of t is sqrt(β/α (1 + ε)); its 0.9 quantile at two degrees of freedom is 1.885618.
    close("quantile", t.quantile(0, 0.9), 1.885_618_083_164_127 * (3.0f64 * 1.5).sqrt(), 1e-9);
    close("sd", predict(T).sd(1), (1.5f64 / 1.0 * 1.5).sqrt(), 1e-9);
    assert!(predict(BURR).quantile(2, 0.99) > predict(ScalePrior::Point).quantile(2, 0.99));
}

#[test]
fn a_burr_scale_is_normalised() {
    for (c, k) in [(2.0, 1.0), (0.7, 2.5), (5.0, 0.4)] {
        let prior = ScalePrior::Burr { c, k };
        let total: f64 = prior.given(0.0, 0).log_prior.iter().map(|l| l.exp()).sum();
        close("mass", total, 1.0, 1e-6);
        for p in [0.1, 0.5, 0.9] {
            let s = prior.quantile(p);
            close("distribution function", 1.0 - (1.0 + s.powf(c)).powf(-k), p, 1e-10);
        }
    }
}

#[test]
fn the_scale_s_divergence_and_quantiles_have_right_gradients() {
    let (a, b) = (Tensor::scalar(3.0).variable(), Tensor::scalar(2.5).variable());
    close("zero", inverse_gamma_kl(&a, &b, 3.0, 2.5).item(), 0.0, 1e-12);
    // Against quadrature over the density.
    let (q, p) =
        (ScalePrior::InverseGamma { alpha: 3.0, beta: 2.5 }, ScalePrior::InverseGamma { alpha: 2.0, beta: 2.0 });
    let grid = q.given(0.0, 0);
    let expected: f64 = grid.nodes.iter().zip(&grid.weights).map(|(s, w)| w * (q.log_prob(*s) - p.log_prob(*s))).sum();
    close("divergence", inverse_gamma_kl(&a, &b, 2.0, 2.0).item(), expected, 1e-6);
    let value =
        |a: f64, b: f64| inverse_gamma_quantiles(&Tensor::scalar(a), &Tensor::scalar(b), 8).square().sum().item();
    let output = inverse_gamma_quantiles(&a, &b, 8).square().sum();
    let gradient = elbo_tensor::grad(&output, &[&a, &b]);
    close("d/da", gradient[0].item(), (value(3.0 + 1e-5, 2.5) - value(3.0 - 1e-5, 2.5)) / 2e-5, 1e-6);
    close("d/db", gradient[1].item(), (value(3.0, 2.5 + 1e-5) - value(3.0, 2.5 - 1e-5)) / 2e-5, 1e-6);
    let nodes = inverse_gamma_quantiles(&a, &b, 8).to_vec();
    assert!((0..8).all(|j| (q.quantile((j as f64 + 0.5) / 8.0) - nodes[j]).abs() < 1e-10), "{nodes:?}");
}

fn classifier(prior: ScalePrior) -> (ScaleMixtureClassifier, ClassBatch) {
    let (x, y) = problem(14, 3);
    let classes = y.to_vec().iter().map(|y| usize::from(*y > -0.3) + usize::from(*y > 0.3)).collect();
    let kernel = Box::new(Nngp::new(Activation::Relu, 2, 2.0, 0.1));
    let mut model = ScaleMixtureClassifier::new(kernel, &x.narrow(0, 0, 4), 3, prior).unwrap();
    // Away from the prior, so that no term is at its stationary point.
    let mut rng = Rng::new(8);
    let moved: Vec<f64> = model.pack().iter().map(|v| v + 0.1 * rng.normal()).collect();
    model.unpack(&moved);
    let batch = ClassBatch::new(x, classes, 3, 14, 3, &mut rng);
    (model, batch)
}

#[test]
fn the_classifier_s_bound_has_right_gradients_and_its_gaussian_limit() {
    for prior in [ScalePrior::Point, T] {
        let (mut model, batch) = classifier(prior);
        assert_gradient(&mut model, |m| m.elbo(&batch).unwrap(), 1e-5);
    }
    let (gauss, batch) = classifier(ScalePrior::Point);
    let (mut t, _) = classifier(ScalePrior::InverseGamma { alpha: 1e6, beta: 1e6 });
    // The same variational posterior, and q(s) = p(s).
    let mut values = gauss.pack();
    values.extend([1e6f64.ln(), 1e6f64.ln()]);
    t.unpack(&values);
    close("bound", t.elbo(&batch).unwrap().item(), gauss.elbo(&batch).unwrap().item(), 1e-3);
}

#[test]
fn a_scale_of_one_predicts_as_the_gaussian_process_and_a_huge_one_knows_nothing() {
    let (gauss, _) = classifier(ScalePrior::Point);
    let new = problem(7, 9).0;
    assert_eq!(gauss.predict_at(&new, &[1.0]).unwrap(), gauss.predict(&new).unwrap());
    let sure = |p: Vec<f64>| p.chunks(3).map(|p| p.iter().copied().fold(0.0, f64::max)).sum::<f64>() / 7.0;
    // With an infinite scale each draw is sure of its class; their average is the share of 64 draws, near a third.
    assert!(sure(gauss.predict_at(&new, &[1e8]).unwrap()) < 0.6);
}

fn numbers(n: usize, seed: u64) -> Data {
    let (x, y) = problem(n, seed);
    let arrays =
        vec![("x".into(), Array::new(&[n, 3], x.to_vec())), ("y".into(), Array::column(Values::F64(y.to_vec())))];
    Data { source: "made".into(), arrays, target: Some("y".into()), ..Data::default() }
}

fn classes(n: usize, seed: u64) -> Data {
    let mut data = numbers(n, seed);
    let y = data.get("y").unwrap().to_f64().unwrap();
    let levels = vec!["low".into(), "middle".into(), "high".into()];
    let codes = y.iter().map(|y| Some(u32::from(*y > -0.3) + u32::from(*y > 0.3))).collect();
    data.arrays[1].1 = Array::column(Values::Text { levels, codes });
    data
}

fn reload(model: &dyn elbo_core::Model) -> Box<dyn elbo_core::Model> {
    let mut file = ModelFile::new("scale-mixture-nngp");
    model.save(&mut file).unwrap();
    AnySystem::load(&ScaleMixtureNngp, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap()
}

#[test]
fn every_kind_of_tails_fits_and_reloads() {
    let (data, new) = (numbers(40, 11), numbers(15, 12));
    for tails in ["gauss", "inverse_gamma", "burr"] {
        let mut run = Run::new(1);
        let settings = json!({ "tails": tails, "iterations": 30, "starts": 1 });
        let model = AnySystem::fit(&ScaleMixtureNngp, &settings, &data, &mut run).unwrap();
        let read = |model: &dyn elbo_core::Model| {
            let Prediction::Numbers(m) = model.as_predict().unwrap().predict(&new, &mut Run::new(0)).unwrap() else {
                panic!("numbers")
            };
            (0..m.len()).flat_map(|i| [m.mean(i), m.sd(i), m.quantile(i, 0.05)]).collect::<Vec<_>>()
        };
        let before = read(model.as_ref());
        assert_eq!(before, read(reload(model.as_ref()).as_ref()), "{tails}");
        let metrics = model.summary().metrics;
        assert_eq!(metrics.iter().any(|(name, v)| name == "dof" && *v == 44.0), tails == "inverse_gamma");
    }
}

#[test]
fn three_classes_are_told_apart_and_reload() {
    let (data, new) = (classes(150, 13), classes(150, 14));
    for tails in ["gauss", "inverse_gamma"] {
        let settings = json!({ "tails": tails, "steps": 400, "inducing": 20, "batch": 50, "rate": 0.05 });
        let mut run = Run::new(2);
        let model = AnySystem::fit(&ScaleMixtureNngp, &settings, &data, &mut run).unwrap();
        let read = |model: &dyn elbo_core::Model| match model.as_predict().unwrap().predict(&new, &mut Run::new(0)) {
            Ok(Prediction::Classes { classes, probabilities }) => (classes, probabilities),
            _ => panic!("classes"),
        };
        let (names, probabilities) = read(model.as_ref());
        assert_eq!((names.clone(), probabilities.clone()), read(reload(model.as_ref()).as_ref()));
        let truth = new.get("y").unwrap().class_names("y").unwrap();
        let hits = probabilities.chunks(3).zip(&truth).filter(|(p, t)| {
            let best = (0..3).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap();
            Some(&names[best]) == t.as_ref()
        });
        // A constant answer is right in about four of ten rows.
        let share = hits.count() as f64 / 150.0;
        assert!(share > 0.7, "{tails}: {share}");
        assert!(probabilities.chunks(3).all(|p| (p.iter().sum::<f64>() - 1.0).abs() < 1e-9));
    }
}

fn novelty(model: &dyn elbo_core::Model, data: &Data) -> Vec<f64> {
    let codes = model.as_encode().unwrap().encode(data, &mut Run::new(0)).unwrap();
    assert_eq!(codes.arrays.len(), 1);
    codes.get("novelty").unwrap().to_f64().unwrap()
}

#[test]
fn novelty_is_the_entropy_of_classes_and_the_spread_of_numbers() {
    let settings = json!({ "steps": 200, "inducing": 15, "batch": 50, "rate": 0.05 });
    let model = AnySystem::fit(&ScaleMixtureNngp, &settings, &classes(100, 13), &mut Run::new(2)).unwrap();
    let new = classes(30, 14);
    let scores = novelty(model.as_ref(), &new);
    let Ok(Prediction::Classes { probabilities, .. }) = model.as_predict().unwrap().predict(&new, &mut Run::new(0))
    else {
        panic!("classes")
    };
    for (score, p) in scores.iter().zip(probabilities.chunks(3)) {
        let entropy = -p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
        close("entropy", *score, entropy, 1e-12);
        assert!(*score >= 0.0 && *score <= 3f64.ln() + 1e-12, "{score}");
    }
    assert_eq!(scores, novelty(reload(model.as_ref()).as_ref(), &new));

    let settings = json!({ "iterations": 30, "starts": 1 });
    let model = AnySystem::fit(&ScaleMixtureNngp, &settings, &numbers(40, 11), &mut Run::new(1)).unwrap();
    let near = numbers(30, 12);
    let mut far = near.clone();
    let x = near.get("x").unwrap();
    far.arrays[0].1 = Array::new(&x.shape, x.to_f64().unwrap().into_iter().map(|v| 5.0 * v).collect());
    let mean = |data: &Data| novelty(model.as_ref(), data).iter().sum::<f64>() / 30.0;
    assert!(mean(&far) > 2.0 * mean(&near), "{} far away, {} among the rows", mean(&far), mean(&near));
}

#[test]
fn bad_inputs_are_answered() {
    let fit = |settings, data: &Data| {
        let mut run = Run::new(0);
        AnySystem::fit(&ScaleMixtureNngp, &settings, data, &mut run).map(|_| run.warnings().to_vec())
    };
    let many = fit(json!({ "most_rows": 10 }), &numbers(20, 1)).unwrap_err();
    assert!(many.to_string().contains("20 rows") && many.remedy().contains("sdd-gp"), "{many}");
    let burr = fit(json!({ "tails": "burr" }), &classes(60, 2)).unwrap_err();
    assert!(burr.to_string().contains("`tails` is burr"), "{burr}");
    let alpha = fit(json!({ "alpha": 0.0 }), &numbers(20, 1)).unwrap_err();
    assert!(alpha.to_string().contains("`alpha` is 0"), "{alpha}");
    // A kernel of unit variance held against a prior that expects a scale of a thousand.
    let misfit = fit(json!({ "beta": 2000.0, "iterations": 1, "starts": 1 }), &numbers(200, 3)).unwrap();
    assert!(misfit.iter().any(|w| w.contains("the prior does not fit")), "{misfit:?}");
}
