//! Laplace's approximation: exact where the network is linear, and each form against the full matrix.

use super::{assert_mean, classes, distance, numbers};
use elbo_core::Rng;
use elbo_nn::Activation;
use elbo_nn::bayes::{
    Curvature, Laplace, LaplaceConfig, Observation, ObservationConfig, Pooled, Pooling, Scope, Sharing, Stack, Trace,
    Traced,
};
use elbo_nn::layer::Build;
use elbo_tensor::{DType, Parameter, Parameters, Tensor, hvp, jacobian, no_grad};

/// Every form that there is.
const FORMS: [(Curvature, Scope); 6] = [
    (Curvature::Full, Scope::All),
    (Curvature::Diagonal, Scope::All),
    (Curvature::Kronecker, Scope::All),
    (Curvature::Full, Scope::LastLayer),
    (Curvature::Diagonal, Scope::LastLayer),
    (Curvature::Kronecker, Scope::LastLayer),
];

fn settings(curvature: Curvature, delta: f64) -> LaplaceConfig {
    LaplaceConfig::new(curvature, Scope::All, delta)
}

fn stack(widths: &[usize], seed: u64) -> Stack {
    let mut rng = Rng::new(seed);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    Stack::new(widths, Activation::Tanh, &mut build)
}

fn inputs(n: usize, d: usize, seed: u64) -> Tensor {
    Tensor::from_vec(Rng::new(seed).normals(n * d), &[n, d])
}

#[test]
fn a_linear_gaussian_model_is_exact_posterior_evidence_and_prediction() {
    let (n, noise, delta) = (25, 0.2, 1.7);
    let x = inputs(n, 3, 1);
    let y = x.matmul(&Tensor::from_vec(vec![1.0, -1.0, 0.3], &[3, 1])) + inputs(n, 1, 2) * 0.4 + 0.2;
    let phi = Tensor::cat(&[x.clone(), Tensor::ones(&[n, 1], DType::F64)], 1);
    let precision = phi.t().matmul(&phi) * (1.0 / noise) + Tensor::eye(4, DType::F64) * delta;
    let covariance = precision.inverse_spd().unwrap();
    let best = covariance.matmul(&phi.t().matmul(&y)) * (1.0 / noise);
    let mut model = stack(&[3, 1], 3);
    model.unpack(&best.to_vec());
    let gram = phi.matmul(&phi.t()) * (1.0 / delta) + Tensor::eye(n, DType::F64) * noise;
    let factor = gram.cholesky().unwrap();
    let square = factor.solve_lower(&y).square().sum();
    let evidence = ((square + factor.cholesky_log_det() + n as f64 * std::f64::consts::TAU.ln()) * -0.5).item();
    let at = inputs(6, 3, 4);
    let phi_at = Tensor::cat(&[at.clone(), Tensor::ones(&[6, 1], DType::F64)], 1);
    let exact = (phi_at.matmul(&covariance) * &phi_at).sum_axis(-1, true) + noise;
    // With one output and one layer the Kronecker product is exact too.
    for (kind, scope) in FORMS.into_iter().filter(|(kind, _)| *kind != Curvature::Diagonal) {
        let config = LaplaceConfig::new(kind, scope, delta);
        let laplace = Laplace::new(&model, &x, &y, &numbers(noise, 1), &config).unwrap();
        assert!((laplace.log_evidence(delta) - evidence).abs() < 1e-9, "{config:?}: evidence");
        let (mean, variance) = laplace.predict(&at);
        assert!(distance(&mean, &phi_at.matmul(&best)) < 1e-10 && distance(&variance, &exact) < 1e-10, "{config:?}");
    }
}

#[test]
fn the_curvature_of_a_linear_softmax_model_is_its_hessian() {
    let x = inputs(20, 2, 5);
    let labels = Tensor::indices(&(0..20).map(|i| i % 3).collect::<Vec<_>>());
    let model = stack(&[2, 3], 6);
    let laplace = Laplace::new(&model, &x, &labels, &classes(3), &settings(Curvature::Full, 1.0)).unwrap();
    let loss = -model.forward(&x).categorical_log_prob(&labels).sum();
    let leaf = &model.leaves()[0];
    let columns: Vec<Tensor> = (0..9)
        .map(|i| {
            let mut unit = vec![0.0; 9];
            unit[i] = 1.0;
            hvp(&loss, &[leaf], &[&Tensor::from_vec(unit, &[3, 3])]).remove(0).flatten()
        })
        .collect();
    assert!(distance(&laplace.curvature(), &Tensor::stack(&columns, 0)) < 1e-10);
}

#[test]
fn every_form_is_that_part_of_the_full_gauss_newton_matrix() {
    let x = inputs(15, 2, 7);
    let labels = Tensor::indices(&(0..15).map(|i| i % 3).collect::<Vec<_>>());
    let model = stack(&[2, 4, 3], 8);
    let of =
        |kind, scope| Laplace::new(&model, &x, &labels, &classes(3), &LaplaceConfig::new(kind, scope, 0.5)).unwrap();
    let full = of(Curvature::Full, Scope::All).curvature();
    // J' (diag p - p p') J from the Jacobian of the tape.
    let leaves = model.leaves();
    let output = model.forward(&x);
    let parts: Vec<Tensor> = leaves.iter().map(|l| jacobian(&output, l).reshape(&[15, 3, l.len()])).collect();
    let j = Tensor::cat(&parts, -1);
    let p = output.detach().softmax(-1);
    let middle = p.diag() - p.unsqueeze(2) * p.unsqueeze(1);
    let expected = j.t().matmul(&middle.matmul(&j)).sum_axis(0, false);
    assert!(distance(&full, &expected) < 1e-10);
    assert!(distance(&of(Curvature::Diagonal, Scope::All).curvature().diagonal(), &full.diagonal()) < 1e-10);
    let last = of(Curvature::Full, Scope::LastLayer);
    assert_eq!(last.weights(), 15);
    let block = full.narrow(0, 12, 15).narrow(1, 12, 15);
    assert!(distance(&last.curvature(), &block) < 1e-10);
    let diagonal = of(Curvature::Diagonal, Scope::LastLayer).curvature().diagonal();
    assert!(distance(&diagonal, &block.diagonal()) < 1e-10);
    // The Kronecker form has no blocks between layers; within a layer it is exact for one row, which the next test asks.
    let kron = of(Curvature::Kronecker, Scope::All).curvature();
    assert!(kron.narrow(0, 0, 12).narrow(1, 12, 15).abs().max().item() < 1e-12);
    let last = of(Curvature::Kronecker, Scope::LastLayer).curvature();
    assert!(distance(&last, &kron.narrow(0, 12, 15).narrow(1, 12, 15)) < 1e-12);
}

#[test]
fn with_one_row_the_kronecker_form_of_each_layer_is_exact() {
    let x = inputs(1, 2, 9);
    let y = Tensor::from_vec(vec![0.3, 0.1], &[1, 2]);
    let model = stack(&[2, 3, 2], 10);
    let of = |kind| Laplace::new(&model, &x, &y, &numbers(0.5, 2), &settings(kind, 0.5)).unwrap().curvature();
    let (full, kron) = (of(Curvature::Full), of(Curvature::Kronecker));
    for (from, n) in [(0, 9), (9, 8)] {
        let block = |m: &Tensor| m.narrow(0, from, n).narrow(1, from, n);
        assert!(distance(&block(&full), &block(&kron)) < 1e-10);
    }
}

#[test]
fn output_covariances_and_draws_agree_with_the_matrix_written_out() {
    let x = inputs(12, 2, 11);
    let labels = Tensor::indices(&(0..12).map(|i| i % 3).collect::<Vec<_>>());
    let model = stack(&[2, 3, 3], 12);
    let at = inputs(2, 2, 13);
    let output = model.forward(&at);
    let parts: Vec<Tensor> = model.leaves().iter().map(|l| jacobian(&output, l).reshape(&[2, 3, l.len()])).collect();
    let j = Tensor::cat(&parts, -1);
    for (kind, scope) in FORMS {
        let config = LaplaceConfig::new(kind, scope, 0.8);
        let laplace = Laplace::new(&model, &x, &labels, &classes(3), &config).unwrap();
        let n = laplace.weights();
        let posterior = (laplace.curvature() + Tensor::eye(n, DType::F64) * 0.8).inverse_spd().unwrap();
        let own = j.narrow(-1, 21 - n, n);
        let expected = own.matmul(&posterior).matmul(&own.t());
        let (_, covariance) = laplace.outputs(&at);
        assert!(distance(&covariance, &expected) < 1e-10, "{config:?}");
        let trained = model.pack();
        let mut rng = Rng::new(14);
        let draws: Vec<Vec<f64>> = (0..4000).map(|_| laplace.sample(&mut rng)).collect();
        for (a, b) in [(0, 0), (1, n - 1), (n - 1, n - 1)] {
            let [i, k] = [a, b].map(|c| 21 - n + c);
            let products: Vec<f64> = draws.iter().map(|d| (d[i] - trained[i]) * (d[k] - trained[k])).collect();
            assert_mean(&format!("{config:?} {a} {b}"), &products, posterior.select(0, a).select(0, b).item());
        }
    }
}

#[test]
fn the_evidence_is_largest_at_the_precision_found_and_probabilities_shrink_with_doubt() {
    let x = inputs(30, 2, 15);
    let labels =
        Tensor::indices(&(0..30).map(|i| usize::from(x.select(0, i).select(0, 0).item() > 0.0)).collect::<Vec<_>>());
    let model = stack(&[2, 4, 2], 16);
    let config = settings(Curvature::Kronecker, 1.0);
    let mut laplace = Laplace::new(&model, &x, &labels, &classes(2), &config).unwrap();
    laplace.maximise_evidence();
    let best = laplace.prior_precisions()[0];
    for factor in [0.9, 1.1] {
        assert!(laplace.log_evidence(best) > laplace.log_evidence(best * factor));
    }
    let (p, variance) = laplace.predict(&(&x * 5.0));
    let plain = model.forward(&(&x * 5.0)).softmax(-1);
    assert!(variance.min().item() > 0.0);
    assert!(p.max_axis(-1, false).mean().item() < plain.max_axis(-1, false).mean().item());
    let wide = stack(&[2, 2000, 2], 17);
    let full = settings(Curvature::Full, 1.0);
    let error = Laplace::new(&wide, &x, &labels, &classes(2), &full).err().unwrap();
    assert!(error.to_string().contains("GB") && error.to_string().contains("Kronecker"), "{error}");
}

#[test]
fn each_layers_precision_is_where_its_part_of_the_evidence_is_largest() {
    let (x, y) = (inputs(40, 2, 18), inputs(40, 1, 19));
    let model = stack(&[2, 5, 1], 20);
    let observation = numbers(0.3, 1);
    for kind in [Curvature::Diagonal, Curvature::Kronecker] {
        let mut laplace = Laplace::new(&model, &x, &y, &observation, &settings(kind, 1.0)).unwrap();
        laplace.maximise_evidence();
        let common = laplace.log_evidence_at(laplace.prior_precisions());
        laplace.maximise_evidence_by_layer();
        let best = laplace.prior_precisions().to_vec();
        let found = laplace.log_evidence_at(&best);
        assert!(best.len() == 2 && best[0] != best[1] && found > common, "{kind:?}: {best:?} {found} {common}");
        for l in 0..2 {
            for factor in [0.9, 1.1] {
                let mut other = best.clone();
                other[l] *= factor;
                assert!(laplace.log_evidence_at(&other) < found, "{kind:?}, layer {l}");
            }
        }
    }
    let mut full = Laplace::new(&model, &x, &y, &observation, &settings(Curvature::Full, 1.0)).unwrap();
    full.maximise_evidence();
    let common = full.prior_precisions().to_vec();
    full.maximise_evidence_by_layer();
    assert!(common.len() == 1 && (full.prior_precisions()[0] / common[0] - 1.0).abs() < 1e-6);
    let error = full.set_prior_precisions(&[1.0, 2.0]).unwrap_err();
    assert!(error.to_string().contains("1 positive numbers"), "{error}");
    assert!(full.set_prior_precisions(&[-1.0]).is_err() && full.set_prior_precisions(&[3.0]).is_ok());
}

#[test]
fn the_noise_found_has_the_largest_evidence_and_is_that_of_a_fresh_approximation() {
    let x = inputs(60, 2, 21);
    let y = x.matmul(&Tensor::from_vec(vec![1.0, -0.5], &[2, 1])) + inputs(60, 1, 22) * 0.3;
    let mut model = stack(&[2, 1], 23);
    // Least squares, near which the approximation is taken.
    let phi = Tensor::cat(&[x.clone(), Tensor::ones(&[60, 1], DType::F64)], 1);
    let best = phi.t().matmul(&phi).inverse_spd().unwrap().matmul(&phi.t().matmul(&y));
    model.unpack(&best.to_vec());
    let at = |variance: f64, delta: f64| {
        Laplace::new(&model, &x, &y, &numbers(variance, 1), &settings(Curvature::Full, delta)).unwrap()
    };
    let mut laplace = at(1.0, 1.0);
    assert!(laplace.maximise_evidence_and_noise().unwrap().is_converged);
    let variance = laplace.observation().noise(DType::F64).unwrap().item();
    let delta = laplace.prior_precisions()[0];
    let found = laplace.log_evidence(delta);
    assert!((at(variance, delta).log_evidence(delta) - found).abs() < 1e-8);
    for (v, d) in [(1.05, 1.0), (0.95, 1.0), (1.0, 1.05), (1.0, 0.95)] {
        assert!(at(variance * v, delta).log_evidence(delta * d) < found, "{v} {d}");
    }
    // Known noise of 0.09, to five standard errors of a variance from 60 rows.
    assert!((variance / 0.09 - 1.0).abs() < 5.0 * (2.0f64 / 60.0).sqrt(), "{variance}");
    let (mean, spread) = laplace.predict(&x);
    let (same, again) = at(variance, delta).predict(&x);
    assert!(distance(&mean, &same) < 1e-12 && distance(&spread, &again) < 1e-9);
    let labels = Tensor::indices(&[0; 60]);
    let (two, config) = (stack(&[2, 2], 24), settings(Curvature::Full, 1.0));
    let mut of_classes = Laplace::new(&two, &x, &labels, &classes(2), &config).unwrap();
    assert!(of_classes.maximise_evidence_and_noise().unwrap_err().to_string().contains("is categorical"));
    let learned = ObservationConfig::Learned { sd: 0.3 }.build(1, DType::F64).unwrap();
    let mut of_learned = Laplace::new(&model, &x, &y, &learned, &config).unwrap();
    assert!(of_learned.maximise_evidence_and_noise().unwrap_err().to_string().contains("is learned"));
}

#[test]
fn learned_noise_that_each_target_has_for_itself_is_that_of_targets_alone() {
    let (x, y) = (inputs(20, 2, 42), inputs(20, 2, 43));
    let model = stack(&[2, 2], 44);
    let mut observation = ObservationConfig::Learned { sd: 1.0 }.build(2, DType::F64).unwrap();
    observation.visit_mut(&mut |_, p| p.set(&[0.5, 2.0]).unwrap());
    let config = settings(Curvature::Full, 1.0);
    let both = Laplace::new(&model, &x, &y, &observation, &config).unwrap();
    let (_, variance) = both.predict(&x);
    // A linear layer's outputs share no weights.
    for (k, noise) in [0.25, 4.0].into_iter().enumerate() {
        let mut one = stack(&[2, 1], 45);
        one.unpack(&model.pack()[3 * k..3 * k + 3]);
        let alone = Laplace::new(&one, &x, &y.narrow(1, k, 1), &numbers(noise, 1), &config).unwrap();
        assert!(distance(&variance.narrow(1, k, 1), &alone.predict(&x).1) < 1e-10, "target {k}");
    }
}

#[test]
fn averaged_draws_of_the_logits_are_the_mean_probability() {
    let x = inputs(20, 2, 25);
    let labels = Tensor::indices(&(0..20).map(|i| i % 3).collect::<Vec<_>>());
    let model = stack(&[2, 3], 26);
    let config = settings(Curvature::Full, 1.0);
    let laplace = Laplace::new(&model, &x, &labels, &classes(3), &config).unwrap();
    let at = inputs(1, 2, 27) * 3.0;
    // A linear network's outputs at drawn weights have exactly the linearised distribution.
    let mut copy = stack(&[2, 3], 26);
    let mut rng = Rng::new(28);
    let draws: Vec<Vec<f64>> = (0..4000)
        .map(|_| {
            copy.unpack(&laplace.sample(&mut rng));
            no_grad(|| copy.forward(&at).softmax(-1)).to_vec()
        })
        .collect();
    let count = 20_000;
    let noise = Tensor::from_vec(rng.normals(count * 3), &[count, 3]);
    let found = laplace.probabilities(&at, &noise).unwrap().to_vec();
    assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    for k in 0..3 {
        // The other side is five times as sure, so four standard errors of this one nearly cover both.
        assert_mean(&format!("class {k}"), &draws.iter().map(|d| d[k]).collect::<Vec<_>>(), found[k]);
    }
}

/// A stack whose outputs at all positions are outputs of the row.
struct Laid(Stack);

impl Parameters for Laid {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.0.visit(f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.0.visit_mut(f);
    }
}

impl Traced for Laid {
    fn shapes(&self) -> Vec<[usize; 2]> {
        self.0.shapes()
    }
    fn trace(&self, x: &Tensor) -> Trace {
        let trace = self.0.trace(x);
        let output = trace.output.reshape(&[x.size(0), trace.output.len() / x.size(0)]);
        Trace { output, ..trace }
    }
}

fn curvatures<N: Traced>(network: &N, x: &Tensor, y: &Tensor, sharing: Sharing) -> [Tensor; 3] {
    [Curvature::Full, Curvature::Kronecker, Curvature::Diagonal].map(|curvature| {
        let config = LaplaceConfig { curvature, sharing, ..LaplaceConfig::default() };
        Laplace::new(network, x, y, &numbers(0.4, y.size(1)), &config).unwrap().curvature()
    })
}

#[test]
fn a_layer_used_at_several_positions_is_exact_where_its_sharing_says_so() {
    let x = Tensor::from_vec(Rng::new(29).normals(6 * 5 * 2), &[6, 5, 2]);
    for pooling in [Pooling::Sum, Pooling::Mean] {
        let network = Pooled { stack: stack(&[2, 3], 30), pooling };
        let [full, reduced, diagonal] = curvatures(&network, &x, &inputs(6, 3, 31), Sharing::Reduce);
        assert!(distance(&full, &reduced) < 1e-10, "{pooling:?}");
        assert!(distance(&full.diagonal(), &diagonal.diagonal()) < 1e-10, "{pooling:?}");
        let [_, expanded, _] = curvatures(&network, &x, &inputs(6, 3, 31), Sharing::Expand);
        assert!(distance(&full, &expanded) > 1e-3, "{pooling:?}: positions are not rows of a pooled output");
    }
    let [full, expanded, diagonal] = curvatures(&Laid(stack(&[2, 3], 30)), &x, &inputs(6, 15, 31), Sharing::Expand);
    assert!(distance(&full, &expanded) < 1e-10);
    assert!(distance(&full.diagonal(), &diagonal.diagonal()) < 1e-10);
}

#[test]
fn a_pooled_networks_outputs_vary_as_the_matrix_written_out_says() {
    let x = Tensor::from_vec(Rng::new(32).normals(8 * 3 * 2), &[8, 3, 2]);
    let network = Pooled { stack: stack(&[2, 4, 2], 33), pooling: Pooling::Sum };
    let at = Tensor::from_vec(Rng::new(34).normals(2 * 3 * 2), &[2, 3, 2]);
    let output = network.trace(&at).output;
    let parts: Vec<Tensor> = network.leaves().iter().map(|l| jacobian(&output, l).reshape(&[2, 2, l.len()])).collect();
    let j = Tensor::cat(&parts, -1);
    for curvature in [Curvature::Full, Curvature::Diagonal, Curvature::Kronecker] {
        let config = settings(curvature, 0.7);
        let laplace = Laplace::new(&network, &x, &inputs(8, 2, 35), &numbers(0.4, 2), &config).unwrap();
        let posterior = (laplace.curvature() + Tensor::eye(22, DType::F64) * 0.7).inverse_spd().unwrap();
        let (_, covariance) = laplace.outputs(&at);
        assert!(distance(&covariance, &j.matmul(&posterior).matmul(&j.t())) < 1e-10, "{curvature:?}");
    }
}

#[test]
fn predictions_do_not_need_the_graph_to_be_on() {
    let (x, y) = (inputs(10, 2, 36), inputs(10, 1, 37));
    let model = stack(&[2, 3, 1], 38);
    let observation = numbers(0.4, 1);
    let laplace = Laplace::new(&model, &x, &y, &observation, &settings(Curvature::Full, 1.0)).unwrap();
    let (_, outside) = laplace.outputs(&x);
    let (_, inside) =
        no_grad(|| Laplace::new(&model, &x, &y, &observation, &settings(Curvature::Full, 1.0)).unwrap().outputs(&x));
    assert!(distance(&outside, &inside) < 1e-12 && outside.min().item() > 0.0);
}

#[test]
fn settings_out_of_range_are_refused_and_a_plan_says_what_a_form_takes() {
    let (x, y) = (inputs(4, 2, 39), inputs(4, 1, 40));
    let model = stack(&[2, 3, 1], 41);
    let bad = Laplace::new(&model, &x, &y, &numbers(0.4, 1), &settings(Curvature::Full, 0.0)).err().unwrap();
    assert!(bad.to_string().contains("prior_precision"), "{bad}");
    let refused = |observation: &Observation, rows: usize, y: &Tensor, part: &str| {
        let x = x.narrow(0, 0, rows);
        let error = Laplace::new(&model, &x, y, observation, &LaplaceConfig::default()).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    let counts = ObservationConfig::Poisson.build(1, DType::F64).unwrap();
    refused(&counts, 4, &y, "`observation` is poisson");
    refused(&numbers(0.4, 2), 4, &y, "fixed of 2 outputs");
    refused(&numbers(0.4, 1), 4, &y.flatten(), "shape [4]");
    refused(&numbers(0.4, 1), 0, &y, "no rows");
    let wide = [[3000, 3001], [10, 3001]];
    let bytes = |config: LaplaceConfig| {
        let plan = config.plan(&wide, 100);
        (plan.weights, plan.jacobian + plan.curvature)
    };
    let (weights, full) = bytes(settings(Curvature::Full, 1.0));
    assert_eq!(weights, 3001 * 3010);
    let (_, kronecker) = bytes(settings(Curvature::Kronecker, 1.0));
    let (_, diagonal) = bytes(settings(Curvature::Diagonal, 1.0));
    assert!(full > 1e14 && kronecker < 1e9 && diagonal < kronecker, "{full} {kronecker} {diagonal}");
    assert_eq!(bytes(LaplaceConfig::new(Curvature::Full, Scope::LastLayer, 1.0)).0, 30_010);
}
