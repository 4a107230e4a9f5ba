//! Fisher information: closed forms, the curvature it must equal, draws, and the variational estimate on losses whose curvature is known.

use super::{assert_mean, classes, numbers, shake};
use crate::common::assert_gradient;
use elbo_core::{Error, Rng, Run};
use elbo_nn::Activation;
use elbo_nn::bayes::{
    Anchor, Curvature, Fisher, FisherTargets, Laplace, LaplaceConfig, ObservationConfig, Pooled, Pooling, Scope, Stack,
    Traced, VariationalFisherConfig, squares_of_layers,
};
use elbo_nn::layer::Build;
use elbo_tensor::gradient::Layer;
use elbo_tensor::{Constraint, Convolution, DType, Parameter, Parameters, Tensor, grad};

fn stack(widths: &[usize]) -> Stack {
    let mut rng = Rng::new(1);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    Stack::new(widths, Activation::Tanh, &mut build)
}

fn points(shape: &[usize], seed: u64) -> Tensor {
    Tensor::from_vec(Rng::new(seed).normals(shape.iter().product()), shape)
}

fn assert_close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() < 1e-10 * e.abs().max(1.0), "{what} {i}: {f} {e}");
    }
}

#[test]
fn a_linear_model_has_its_inputs_second_moments_and_the_empirical_one_its_errors() {
    let (x, y, noise) = (points(&[20, 2], 2), points(&[20, 1], 3), 0.4);
    let model = stack(&[2, 1]);
    let observation = numbers(noise, 1);
    let mut rng = Rng::new(4);
    let phi = Tensor::cat(&[x.clone(), Tensor::ones(&[20, 1], DType::F64)], 1);
    let expected = Fisher::new(&model, &x, None, &observation, FisherTargets::Expected, &mut rng).unwrap();
    assert_close("expected", &expected.diagonal, &(phi.square().mean_axis(0, false) / noise).to_vec());
    let observed = Fisher::new(&model, &x, Some(&y), &observation, FisherTargets::Observed, &mut rng).unwrap();
    let slopes = (&y - model.forward(&x)) / noise * &phi;
    assert_close("observed", &observed.diagonal, &slopes.square().mean_axis(0, false).to_vec());
    assert_eq!(observed.targets, FisherTargets::Observed);
}

#[test]
fn the_expected_one_is_the_gauss_newton_diagonal_and_draws_average_to_it() {
    let x = points(&[12, 2], 5);
    let labels = Tensor::indices(&[0; 12]);
    let model = stack(&[2, 4, 3]);
    let mut rng = Rng::new(6);
    let of = |targets, rng: &mut Rng| Fisher::new(&model, &x, None, &classes(3), targets, rng).unwrap();
    let expected = of(FisherTargets::Expected, &mut rng).diagonal;
    let config = LaplaceConfig::new(Curvature::Diagonal, Scope::All, 1.0);
    let laplace = Laplace::new(&model, &x, &labels, &classes(3), &config).unwrap();
    assert_close("curvature", &expected, &(laplace.curvature().diagonal() / 12.0).to_vec());
    let draws: Vec<Vec<f64>> = (0..1500).map(|_| of(FisherTargets::Drawn { draws: 2 }, &mut rng).diagonal).collect();
    for i in [0, 5, 11, 12, 20, 26] {
        assert_mean(&format!("weight {i}"), &draws.iter().map(|d| d[i]).collect::<Vec<_>>(), expected[i]);
    }
}

#[test]
fn draws_average_to_the_expected_one_whatever_the_targets_are() {
    // A hundred rows that are the same, so that every run averages as many draws.
    let x = points(&[1, 2], 5).broadcast_to(&[100, 2]).contiguous();
    for config in [
        ObservationConfig::Fixed { sd: 0.7 },
        ObservationConfig::Learned { sd: 0.4 },
        ObservationConfig::Varying { beta: 0.5 },
        ObservationConfig::StudentT { scale: 0.6, dof: 3.5 },
        ObservationConfig::Laplace { scale: 0.8 },
        ObservationConfig::Bernoulli,
        ObservationConfig::Poisson,
    ] {
        let observation = config.build(2, DType::F64).unwrap();
        let model = stack(&[2, observation.outputs()]);
        let mut rng = Rng::new(6);
        let mut of = |targets| Fisher::new(&model, &x, None, &observation, targets, &mut rng).unwrap().diagonal;
        let expected = of(FisherTargets::Expected);
        let draws: Vec<Vec<f64>> = (0..100).map(|_| of(FisherTargets::Drawn { draws: 2 })).collect();
        // The biases' squared gradients are those of the outputs.
        for i in (0..expected.len()).filter(|i| i % 3 == 2) {
            let found: Vec<f64> = draws.iter().map(|d| d[i]).collect();
            assert_mean(&format!("{config:?}, weight {i}"), &found, expected[i]);
        }
    }
}

#[test]
fn single_rows_losses_give_the_same_and_a_batchs_loss_is_refused() {
    let (x, sites) = (points(&[6, 2], 7), points(&[6, 3, 2], 8));
    let labels = Tensor::indices(&[0, 1, 2, 0, 1, 2]);
    let plain = stack(&[2, 4, 3]);
    let pooled = Pooled { stack: stack(&[2, 4, 3]), pooling: Pooling::Sum };
    fn both<N: Traced>(network: &N, x: &Tensor, labels: &Tensor) -> [Fisher; 2] {
        let observation = classes(3);
        let losses = observation.log_prob(&network.trace(x).output, labels);
        let targets = FisherTargets::Observed;
        [
            Fisher::new(network, x, Some(labels), &observation, targets, &mut Rng::new(0)).unwrap(),
            Fisher::of_losses(network, &losses, 6, targets).unwrap(),
        ]
    }
    for [fast, slow] in [both(&plain, &x, &labels), both(&pooled, &sites, &labels)] {
        assert_close("rows", &fast.diagonal, &slow.diagonal);
    }
    let losses = classes(3).log_prob(&plain.forward(&x), &labels);
    let error = Fisher::of_losses(&plain, &losses.mean(), 6, FisherTargets::Observed).unwrap_err();
    assert!(error.to_string().contains("for 6 rows") && error.remedy() == "give one loss a row", "{error}");
    // What the refusal is about.
    let together: Vec<f64> = plain.gradient(&losses.mean()).iter().map(|g| g * g).collect();
    let fisher = Fisher::of_losses(&plain, &losses, 6, FisherTargets::Observed).unwrap();
    assert!(together.iter().sum::<f64>() < 0.9 * fisher.diagonal.iter().sum::<f64>());
}

/// A convolution and a linear layer.
struct Picture {
    filters: Parameter,
    shift: Parameter,
    weight: Parameter,
    bias: Parameter,
}

elbo_tensor::parameters!(Picture { filters, shift, weight, bias });

#[test]
fn layers_give_in_one_pass_what_rows_give_one_by_one() {
    let model = Picture {
        filters: Parameter::real(&points(&[2, 1, 2, 2], 9)),
        shift: Parameter::real(&points(&[2], 10)),
        weight: Parameter::real(&points(&[3, 8], 11)),
        bias: Parameter::real(&points(&[3], 12)),
    };
    let x = points(&[4, 1, 3, 3], 13);
    let labels = Tensor::indices(&[0, 1, 2, 1]);
    let how = Convolution::default();
    let sums = x.conv2d(&model.filters.get(), Some(&model.shift.get()), &how);
    let hidden = sums.tanh().reshape(&[4, 8]);
    let output = hidden.linear(&model.weight.get(), Some(&model.bias.get()));
    let losses = -output.categorical_log_prob(&labels);
    let layers = [
        Layer::Conv2d { input: x, output: sums, kernel: [2, 2], how },
        Layer::Linear { input: hidden, output: output.clone() },
    ];
    let fast: Vec<f64> = squares_of_layers(&losses, &layers)
        .iter()
        .flat_map(|g| [g.weight.to_vec(), g.bias.to_vec()].concat())
        .collect();
    let slow = Fisher::of_losses(&model, &losses, 4, FisherTargets::Observed).unwrap();
    assert_close("layers", &fast, &slow.diagonal);
}

#[test]
fn draws_targets_and_rows_that_are_not_there_are_refused() {
    let (model, x) = (stack(&[2, 3]), points(&[4, 2], 14));
    let of = |targets| Fisher::new(&model, &x, None, &classes(3), targets, &mut Rng::new(0)).unwrap_err();
    assert!(of(FisherTargets::Observed).to_string().contains("none are given"));
    assert!(of(FisherTargets::Drawn { draws: 0 }).to_string().contains("`draws` is 0"));
    let (none, rng) = (Tensor::zeros(&[0, 2], x.dtype()), &mut Rng::new(0));
    let error = Fisher::new(&model, &none, None, &classes(3), FisherTargets::Expected, rng).unwrap_err();
    assert!(error.to_string().contains("no rows"), "{error}");
    for (observation, y, part) in [
        (classes(4), Tensor::indices(&[0; 4]), "categorical of 4 outputs"),
        (classes(3), Tensor::indices(&[0; 5]), "shape [5]"),
        (classes(3), Tensor::indices(&[0, 1, 2, 3]), "none of the 3 classes"),
        (classes(3), Tensor::zeros(&[4], x.dtype()), "not whole numbers"),
        (numbers(1.0, 3), Tensor::zeros(&[4], x.dtype()), "shape [4]"),
    ] {
        let error = Fisher::new(&model, &x, Some(&y), &observation, FisherTargets::Observed, rng).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

const CURVATURE: [f64; 4] = [0.05, 1.0, 8.0, -0.5];

fn weights() -> Parameter {
    Parameter::new(&[0.3, -1.0, 0.5, 2.0], &[4], Constraint::Real)
}

/// A quadratic whose minimum is elsewhere; one direction bends down.
fn quadratic(w: &Parameter, _: &mut Run) -> elbo_core::Result<Tensor> {
    let centre = Tensor::from_vec(vec![0.0, 0.5, 0.2, 1.0], &[4]);
    Ok(((w.get() - centre).square() * Tensor::from_slice(&CURVATURE, &[4])).sum() * 0.5)
}

#[test]
fn the_variational_estimate_of_a_quadratic_is_its_curvature_and_not_below_zero() {
    let mut model = weights();
    let config = VariationalFisherConfig { steps: 3000, pairs: 32, gamma: 0.7, prior_variance: 0.5, rate: 0.05 };
    let found = config.fit(&mut model, quadratic, &mut Run::new(15)).unwrap();
    assert_eq!(model.value(), weights().value());
    let least = config.gamma / config.prior_variance;
    for i in 0..3 {
        // The small steps at the end average fifty of them or more: 32 * 50 draws know a variance to sqrt(2 / 1600) = 3.5 %.
        let (precision, f) = (CURVATURE[i] + least, found.diagonal[i]);
        assert!((f - CURVATURE[i]).abs() < 5.0 * 0.035 * precision, "{i}: {f}");
        assert!(f == 0.0 || (config.gamma * found.precisions[i] - least - f).abs() < 1e-9);
    }
    // Curvature of -0.5 gives precisions below the prior's, which are no information.
    assert!(found.diagonal[3] == 0.0 && config.gamma * found.precisions[3] < least);
    // The squared gradient is something else away from the minimum.
    let slope = grad(&quadratic(&model, &mut Run::new(0)).unwrap(), &[model.leaf()]).remove(0).to_vec();
    assert!((slope[1] * slope[1] - CURVATURE[1]).abs() > 0.5);
}

#[test]
fn a_loss_that_is_not_finite_leaves_the_weights() {
    let mut model = weights();
    let bad = |w: &Parameter, _: &mut Run| -> elbo_core::Result<Tensor> { Ok((w.get() - 1e9).sqrt().sum()) };
    let error = VariationalFisherConfig::default().fit(&mut model, bad, &mut Run::new(0)).unwrap_err();
    assert!(matches!(error, Error::Numerical { .. }) && error.to_string().contains("NaN"), "{error}");
    assert_eq!(model.value(), weights().value());
    for (name, config) in [
        ("steps", VariationalFisherConfig { steps: 0, ..Default::default() }),
        ("rate", VariationalFisherConfig { rate: 1.0, ..Default::default() }),
        ("pairs", VariationalFisherConfig { pairs: 0, ..Default::default() }),
        ("gamma", VariationalFisherConfig { gamma: 0.0, ..Default::default() }),
        ("prior_variance", VariationalFisherConfig { prior_variance: f64::NAN, ..Default::default() }),
    ] {
        let error = config.fit(&mut model, quadratic, &mut Run::new(0)).unwrap_err();
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
}

#[test]
fn an_anchor_is_a_weighted_square_that_is_zero_where_it_was_cast() {
    let mut model = stack(&[2, 3, 1]);
    let information: Vec<f64> = (0..13).map(|i| 0.1 * f64::from(i)).collect();
    let anchor = Anchor::new(&model, information.clone()).unwrap();
    assert_eq!(anchor.penalty(&model).item(), 0.0);
    let before = model.pack();
    shake(&mut model, 0.5, &mut Rng::new(16));
    let moved: Vec<f64> = model.pack().iter().zip(&before).map(|(a, b)| a - b).collect();
    let expected: f64 = moved.iter().zip(&information).map(|(d, f)| 0.5 * f * d * d).sum();
    assert!((anchor.penalty(&model).item() - expected).abs() < 1e-12);
    assert_gradient("anchor", &mut model, |m| anchor.penalty(m), 1e-6);
    for wrong in [vec![1.0; 12], vec![-1.0; 13], vec![f64::NAN; 13]] {
        assert!(Anchor::new(&model, wrong).unwrap_err().to_string().contains("13 weights"));
    }
    // The best of a quadratic task with the anchor of an earlier one lies between them, by their curvatures.
    let (f, old, new) = (2.0, 1.0, 3.0);
    let mut weight = Parameter::scalar(old, Constraint::Real);
    let fisher = Fisher { diagonal: vec![f], targets: FisherTargets::Expected };
    let anchor = fisher.anchor(&weight).unwrap();
    let best = (f * old + 6.0 * new) / (f + 6.0);
    weight.set(&[best]).unwrap();
    let loss = (weight.get() - new).square() * 3.0 + anchor.penalty(&weight);
    assert!(weight.gradient(&loss)[0].abs() < 1e-12);
}
