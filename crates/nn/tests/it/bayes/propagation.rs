//! Moments passed through networks: integrals for every unit, drawn weights for layers, limits, and an exact posterior.

use super::{assert_mean, classes, distance, numbers, shake};
use crate::common::assert_gradient;
use elbo_core::{Rng, Run, Stop, drive};
use elbo_nn::bayes::head::Bound;
use elbo_nn::bayes::propagation::{MomentNetwork, MomentNetworkConfig, Spread, Uncertain, Unit};
use elbo_nn::bayes::{DrawsConfig, ObservationConfig};
use elbo_nn::layer::{Build, Layer, Pass};
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::{Constraint, DType, Parameter, Parameters, Tensor, no_grad};

const UNITS: [Unit; 4] = [Unit::Identity, Unit::Relu, Unit::Gelu, Unit::Probit];

fn network(config: &MomentNetworkConfig, input: usize, out: usize) -> MomentNetwork {
    let mut rng = Rng::new(1);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    let mut network = config.build(input, out, &mut build).unwrap();
    shake(&mut network, 0.3, &mut Rng::new(2));
    network
}

fn points(rows: usize, columns: usize, seed: u64) -> Tensor {
    Tensor::from_vec(Rng::new(seed).normals(rows * columns), &[rows, columns])
}

/// Mean and variance of a unit of normal numbers, by the trapezoidal rule.
fn integrals(unit: Unit, mean: f64, variance: f64) -> (f64, f64) {
    let (count, reach) = (200_001, 10.0);
    let z = Tensor::linspace(-reach, reach, count);
    let density = z.square().affine(-0.5, -0.5 * std::f64::consts::TAU.ln()).exp();
    let weights = density * (2.0 * reach / (count - 1) as f64);
    let values = unit.apply(&(z * variance.sqrt() + mean));
    let centre = (&values * &weights).sum().item();
    (centre, ((values - centre).square() * weights).sum().item())
}

#[test]
fn moments_of_every_unit_are_the_integrals() {
    for unit in UNITS {
        for (m, v) in [(0.3, 0.5), (-1.2, 2.0), (0.0, 0.1), (2.5, 1.0), (-3.0, 0.7), (0.4, 9.0)] {
            let one = |x: f64| Tensor::from_vec(vec![x], &[1, 1]);
            let found = unit.moments(&one(m), &one(v));
            // The kink of max(x, 0) costs the rule an error of the square of its step, about 1e-9.
            let (mean, variance) = integrals(unit, m, v);
            assert!((found.mean.item() - mean).abs() < 1e-7, "{unit:?} at {m}, {v}: mean");
            assert!((found.variance.item() - variance).abs() < 1e-7, "{unit:?} at {m}, {v}: variance");
            // The expected slope is the mean's derivative in m.
            let h = 1e-5;
            let slope = (unit.moments(&one(m + h), &one(v)).mean - unit.moments(&one(m - h), &one(v)).mean).item();
            assert!((found.slope.item() - slope / (2.0 * h)).abs() < 1e-8, "{unit:?} at {m}, {v}: slope");
        }
    }
}

/// Means and variances as a model.
struct Inputs {
    mean: Parameter,
    variance: Parameter,
}

elbo_tensor::parameters!(Inputs { mean, variance });

#[test]
fn gradients_of_every_units_moments_agree_with_differences() {
    for unit in UNITS {
        let mut inputs = Inputs {
            mean: Parameter::real(&points(2, 3, 3)),
            variance: Parameter::from_tensor(&points(2, 3, 4).square(), Constraint::Positive),
        };
        let weights = points(2, 3, 5);
        let loss = |i: &Inputs| {
            let found = unit.moments(&i.mean.get(), &i.variance.get());
            (&found.mean * &weights + &found.variance * 0.7 + found.slope * 0.3).sum()
        };
        assert_gradient(&format!("{unit:?}"), &mut inputs, loss, 1e-6);
    }
}

#[test]
fn without_variance_a_network_is_deterministic() {
    for unit in UNITS {
        for has_covariances in [false, true] {
            let config = MomentNetworkConfig { hidden: vec![4, 3], unit, has_covariances, ..Default::default() };
            let mut network = network(&config, 2, 2);
            network.visit_mut(&mut |name, p| {
                if name.ends_with("sd") {
                    p.set(&vec![1e-9; p.len()]).unwrap();
                }
            });
            let x = points(3, 2, 6);
            let found = network.moments(&x);
            // Rectified units add a variance of 1e-12 under their root.
            assert!(distance(&found.mean, &network.forward(&x, &mut Pass::evaluation())) < 1e-5, "{unit:?}");
            assert!(found.variances().abs().max().item() < 1e-9, "{unit:?}");
        }
    }
}

#[test]
fn one_hidden_layer_has_exactly_the_moments_of_drawn_weights() {
    let x = points(2, 3, 7);
    for unit in [Unit::Relu, Unit::Gelu, Unit::Probit] {
        for has_covariances in [false, true] {
            let config = MomentNetworkConfig { hidden: vec![5], unit, has_covariances, sd: 0.8, ..Default::default() };
            let network = network(&config, 3, 2);
            let found = network.moments(&x);
            let (mean, variance) = (found.mean.to_vec(), found.variances().to_vec());
            let draws = DrawsConfig { count: 8000, are_functions: true };
            let outputs = draws.draw(&network, &x, &mut Rng::new(8)).unwrap().outputs.to_vec();
            for i in 0..4 {
                let column: Vec<f64> = outputs.iter().skip(i).step_by(4).copied().collect();
                assert_mean(&format!("{unit:?} mean {i}"), &column, mean[i]);
                let squares: Vec<f64> = column.iter().map(|y| (y - mean[i]).powi(2)).collect();
                assert_mean(&format!("{unit:?} variance {i}"), &squares, variance[i]);
            }
            if let Spread::Covariances(c) = &found.spread {
                // Outputs share their hidden units.
                for row in 0..2 {
                    let products: Vec<f64> = outputs
                        .chunks(4)
                        .map(|d| (d[2 * row] - mean[2 * row]) * (d[2 * row + 1] - mean[2 * row + 1]))
                        .collect();
                    assert_mean(&format!("{unit:?} covariance"), &products, c.row(row).to_vec()[1]);
                }
            }
        }
    }
}

#[test]
fn a_linear_layer_of_uncertain_inputs_has_the_moments_of_drawn_inputs_and_weights() {
    let root = points(3, 3, 9) * 0.5;
    let covariance = root.matmul(&root.t());
    let mean = points(1, 3, 10);
    let x = Uncertain::with_covariances(mean.clone(), covariance.reshape(&[1, 3, 3]));
    let (centre, spread) = (points(2, 4, 11), points(2, 4, 12).square() * 0.3);
    let found = x.linear(&centre, &spread);
    let mut rng = Rng::new(13);
    let draws: Vec<Vec<f64>> = (0..8000)
        .map(|_| {
            let input = root.matmul(&Tensor::from_vec(rng.normals(3), &[3])) + mean.row(0);
            let weights = &centre + spread.sqrt() * Tensor::from_vec(rng.normals(8), &[2, 4]);
            let input = Tensor::cat(&[input, Tensor::ones(&[1], DType::F64)], 0);
            weights.matmul(&input).to_vec()
        })
        .collect();
    let Spread::Covariances(c) = &found.spread else { panic!("covariances stay covariances") };
    let (m, c) = (found.mean.to_vec(), c.to_vec());
    for i in 0..2 {
        assert_mean(&format!("mean {i}"), &draws.iter().map(|d| d[i]).collect::<Vec<_>>(), m[i]);
        for j in 0..=i {
            let products: Vec<f64> = draws.iter().map(|d| (d[i] - m[i]) * (d[j] - m[j])).collect();
            assert_mean(&format!("covariance {i} {j}"), &products, c[2 * i + j]);
        }
    }
    // With independent entries both forms agree.
    let variances = points(1, 3, 14).square();
    let plain = Uncertain::new(mean.clone(), variances.clone()).linear(&centre, &spread);
    let full = Uncertain::with_covariances(mean, variances.diag()).linear(&centre, &spread);
    assert!(distance(&plain.variances(), &full.variances()) < 1e-12 && distance(&plain.mean, &full.mean) < 1e-12);
}

#[test]
fn sums_and_products_of_independent_vectors_have_their_moments() {
    let of = |seed: u64| {
        let root = points(2, 2, seed) * 0.7;
        (points(1, 2, seed + 50), root)
    };
    let ((a, ra), (b, rb)) = (of(15), of(16));
    let full = |m: &Tensor, r: &Tensor| Uncertain::with_covariances(m.clone(), r.matmul(&r.t()).reshape(&[1, 2, 2]));
    let (x, y) = (full(&a, &ra), full(&b, &rb));
    let mut rng = Rng::new(17);
    let mut draw = |m: &Tensor, r: &Tensor| m.row(0) + r.matmul(&Tensor::from_vec(rng.normals(2), &[2]));
    let pairs: Vec<(Tensor, Tensor)> = (0..8000).map(|_| (draw(&a, &ra), draw(&b, &rb))).collect();
    for (name, found, draws) in [
        ("sum", x.plus(&y), pairs.iter().map(|(p, q)| (p + q).to_vec()).collect::<Vec<_>>()),
        ("product", x.times(&y), pairs.iter().map(|(p, q)| (p * q).to_vec()).collect()),
    ] {
        let Spread::Covariances(c) = &found.spread else { panic!("covariances stay covariances") };
        let (m, c) = (found.mean.to_vec(), c.to_vec());
        for i in 0..2 {
            assert_mean(&format!("{name} mean {i}"), &draws.iter().map(|d| d[i]).collect::<Vec<_>>(), m[i]);
            for j in 0..=i {
                let products: Vec<f64> = draws.iter().map(|d| (d[i] - m[i]) * (d[j] - m[j])).collect();
                assert_mean(&format!("{name} {i} {j}"), &products, c[2 * i + j]);
            }
        }
    }
    let (p, q) = (Uncertain::new(a, x.variances()), Uncertain::new(b, y.variances()));
    assert!(distance(&p.times(&q).variances(), &x.times(&y).variances()) < 1e-12);
    assert!(distance(&p.plus(&q).variances(), &x.plus(&y).variances()) < 1e-12);
}

#[test]
fn expected_log_probabilities_are_expectations() {
    // Two targets: means and log variances that all vary together.
    let root = points(4, 4, 18) * 0.4;
    let mean = points(1, 4, 19);
    let joint = Uncertain::with_covariances(mean.clone(), root.matmul(&root.t()).reshape(&[1, 4, 4]));
    let y = points(1, 2, 20);
    let mut rng = Rng::new(21);
    let (mut varying, mut fixed, mut counts, mut of_class) = (vec![], vec![], vec![], vec![]);
    let (log_tau, noise) = (std::f64::consts::TAU.ln(), Tensor::from_vec(vec![0.3, 0.6, 0.9, 0.4], &[4]));
    let wide = points(1, 4, 22);
    let (label, seen) = (Tensor::indices(&[2]), Tensor::from_vec(vec![0.0, 3.0, 1.0, 2.0], &[1, 4]));
    for _ in 0..20_000 {
        let f = mean.row(0) + root.matmul(&Tensor::from_vec(rng.normals(4), &[4]));
        let (centre, level) = (f.narrow(0, 0, 2), f.narrow(0, 2, 2));
        let error = y.row(0) - centre;
        varying.push((error.square() * (-&level).exp() + level + log_tau).sum().item() * -0.5);
        fixed.push(((wide.row(0) - &f).square() / &noise + noise.log() + log_tau).sum().item() * -0.5);
        of_class.push(f.unsqueeze(0).categorical_log_prob(&label).item());
        counts.push((seen.row(0) * &f - f.exp() - (seen.row(0) + 1.0).lgamma()).sum().item());
    }
    let build = |config: ObservationConfig, targets: usize| config.build(targets, DType::F64).unwrap();
    let expect = |y: &Tensor, config: ObservationConfig, targets: usize| {
        joint.expected_log_prob(y, &build(config, targets), Bound::Jensen).unwrap().item()
    };
    assert_mean("varying", &varying, expect(&y, ObservationConfig::Varying { beta: 0.5 }, 2));
    assert_mean("counts", &counts, expect(&seen, ObservationConfig::Poisson, 4));
    let mut learned = build(ObservationConfig::Learned { sd: 1.0 }, 4);
    learned.visit_mut(&mut |_, p| p.set(&noise.sqrt().to_vec()).unwrap());
    assert_mean("fixed", &fixed, joint.expected_log_prob(&wide, &learned, Bound::Jensen).unwrap().item());
    let expected = of_class.iter().sum::<f64>() / 20_000.0;
    // The logits of the bound are independent, and the bound lies below their expectation only then: take the same variances alone.
    let alone = Uncertain::new(mean.clone(), joint.variances());
    let [loose, tight] =
        [Bound::Jensen, Bound::Tilted].map(|bound| alone.expected_log_prob(&label, &classes(4), bound).unwrap().item());
    let mut rng = Rng::new(23);
    let independent: Vec<f64> = (0..20_000)
        .map(|_| {
            let f = &mean + joint.variances().sqrt() * Tensor::from_vec(rng.normals(4), &[1, 4]);
            f.categorical_log_prob(&label).item()
        })
        .collect();
    let (level, error) = super::mean_and_error(&independent);
    assert!(loose < tight && tight < level + 4.0 * error, "{loose} {tight} {level} ({expected} with covariances)");
    // Nothing is uncertain: the log probability itself.
    let certain = Uncertain::certain(&mean, false);
    let sure = certain.expected_log_prob(&label, &classes(4), Bound::Jensen).unwrap();
    assert!((sure - mean.categorical_log_prob(&label)).abs().item() < 1e-12);
    for (config, targets, y) in [
        (ObservationConfig::Fixed { sd: 0.7 }, 4, &wide),
        (ObservationConfig::Varying { beta: 0.0 }, 2, &y),
        (ObservationConfig::Poisson, 4, &seen),
    ] {
        let observation = build(config, targets);
        let found = certain.expected_log_prob(y, &observation, Bound::Jensen).unwrap();
        assert!((found - observation.log_prob(&mean, y)).abs().item() < 1e-12, "{config:?}");
    }
    for (config, targets, y, part) in [
        (ObservationConfig::Bernoulli, 4, &wide, "`observation` is bernoulli"),
        (ObservationConfig::StudentT { scale: 1.0, dof: 3.0 }, 4, &wide, "`observation` is student_t"),
        (ObservationConfig::Poisson, 3, &seen, "poisson of 3 outputs"),
        (ObservationConfig::Poisson, 4, &y, "shape [1, 2]"),
    ] {
        let error = certain.expected_log_prob(y, &build(config, targets), Bound::Jensen).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn gradients_of_a_networks_bound_agree_with_differences() {
    let (x, y) = (points(4, 2, 24), points(4, 1, 25));
    for unit in [Unit::Relu, Unit::Gelu, Unit::Probit] {
        for has_covariances in [false, true] {
            let config = MomentNetworkConfig { hidden: vec![3], unit, has_covariances, ..Default::default() };
            let mut network = network(&config, 2, 2);
            let varying = ObservationConfig::Varying { beta: 0.0 }.build(1, DType::F64).unwrap();
            let loss = |n: &MomentNetwork| {
                n.kl() - n.moments(&x).expected_log_prob(&y, &varying, Bound::Jensen).unwrap().sum()
            };
            assert_gradient(&format!("{config:?}"), &mut network, loss, 1e-6);
        }
    }
}

#[test]
fn the_best_bound_of_a_linear_network_has_the_exact_mean_and_the_precisions_diagonal() {
    // Of all Gaussians with independent entries, the one nearest to N(m, P^-1) has its mean and the variances 1 / P_ii.
    let (n, noise) = (30, 0.2);
    let x = points(n, 3, 26);
    let y = x.matmul(&points(3, 1, 27)) + points(n, 1, 28) * 0.4 + 0.3;
    let config = MomentNetworkConfig { hidden: vec![], prior_sd: 1.5, ..Default::default() };
    let mut network = network(&config, 3, 1);
    let phi = Tensor::cat(&[x.clone(), Tensor::ones(&[n, 1], DType::F64)], 1);
    let prior = 1.5 * 1.5 / 3.0;
    let precision = phi.t().matmul(&phi) * (1.0 / noise) + Tensor::eye(4, DType::F64) * (1.0 / prior);
    let mean = precision.inverse_spd().unwrap().matmul(&phi.t().matmul(&y)) * (1.0 / noise);
    let observation = numbers(noise, 1);
    let loss = move |n: &MomentNetwork, _: &mut Run| -> elbo_core::Result<Tensor> {
        Ok(n.kl() - n.moments(&x).expected_log_prob(&y, &observation, Bound::Jensen)?.sum())
    };
    let lbfgs = Lbfgs { gradient_tolerance: 1e-9, value_tolerance: 1e-17, ..Lbfgs::default() };
    drive(&lbfgs.on(loss), &mut network, &Stop::after(1500, "optimum", "loss"), &mut Run::new(0)).unwrap();
    let mut found = std::collections::BTreeMap::new();
    network.visit(&mut |name, p| {
        found.insert(name.to_owned(), Tensor::from_vec(p.value(), &[4]));
    });
    assert!(distance(&found["layers.0.mean"], &mean.flatten()) < 1e-6);
    let exact = precision.diagonal().sqrt().recip();
    assert!(distance(&found["layers.0.sd"], &exact.contiguous()) < 1e-6);
}

#[test]
fn the_refreshed_prior_has_the_least_divergence_and_settings_are_checked() {
    let config = MomentNetworkConfig { hidden: vec![4], ..Default::default() };
    let mut network = network(&config, 2, 1);
    let before = no_grad(|| network.kl()).item();
    network.refresh_prior();
    let after = no_grad(|| network.kl()).item();
    assert!(after < before, "{after} {before}");
    network.refresh_prior();
    assert!((no_grad(|| network.kl()).item() - after).abs() < 1e-12);
    let mut rng = Rng::new(29);
    let mut build = Build::new(&mut rng);
    let mut refused = |config: MomentNetworkConfig, part: &str| {
        let error = config.build(2, 1, &mut build).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(MomentNetworkConfig { hidden: vec![0], ..Default::default() }, "`hidden`");
    refused(MomentNetworkConfig { sd: f64::NAN, ..Default::default() }, "`sd`");
    refused(MomentNetworkConfig { prior_sd: 0.0, ..Default::default() }, "`prior_sd`");
    let wide = MomentNetworkConfig { hidden: vec![300], has_covariances: true, ..Default::default() };
    refused(wide.clone(), "at most 256 units");
    let wide = MomentNetworkConfig { has_covariances: false, ..wide };
    assert!(wide.build(2, 1, &mut Build::new(&mut Rng::new(30))).is_ok());
}
