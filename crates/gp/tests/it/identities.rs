//! The identities that tie the approximations to each other and to closed forms.

use crate::problems::{Problem, assert_close, gradient_check};
use elbo_core::{Rng, Run};
use elbo_gp::dual::DualGp;
use elbo_gp::evidence::{Elbo, Energy, Evidence, LaplaceEvidence};
use elbo_gp::exact::ExactGp;
use elbo_gp::kernel::{Periodic, Profile, Scaled, Stationary};
use elbo_gp::likelihood::{BernoulliLogit, BernoulliProbit, Gaussian, Likelihood, Poisson, Single, StudentT};
use elbo_gp::mean::Zero;
use elbo_gp::prior::{DensePrior, LatentPrior, SparsePrior};
use elbo_gp::sgpr::Sgpr;
use elbo_gp::site::{Cvi, Laplace, PowerEp, SiteRule};
use elbo_gp::sites::SiteGp;
use elbo_gp::svgp::Svgp;
use elbo_tensor::{Parameters, Tensor, no_grad};

fn exact(p: &Problem) -> ExactGp {
    ExactGp::new(p.kernel(), Box::new(Zero), p.noise, p.x.clone(), p.targets())
}

fn sgpr(p: &Problem, z: &Tensor) -> Sgpr {
    Sgpr::new(p.kernel(), Box::new(Zero), p.noise, z.clone(), p.x.clone(), p.targets())
}

fn dense(p: &Problem) -> Box<dyn LatentPrior> {
    Box::new(DensePrior::new(p.kernel(), p.x.clone()))
}

fn sparse(p: &Problem, m: usize) -> Box<dyn LatentPrior> {
    Box::new(SparsePrior::new(p.kernel(), p.x.narrow(0, 0, m), p.x.clone()))
}

fn site_gp(prior: Box<dyn LatentPrior>, likelihood: Box<dyn Likelihood>, y: &[f64]) -> SiteGp {
    SiteGp::new(prior, Box::new(Zero), likelihood, y.to_vec()).unwrap()
}

#[test]
fn svgp_at_its_gaussian_optimum_is_sgpr() {
    let p = Problem::regression(60, 2, 1);
    let z = p.x.narrow(0, 0, 12);
    let collapsed = sgpr(&p, &z);
    let likelihood = Box::new(Single(Box::new(Gaussian::new(p.noise))));
    let mut svgp = Svgp::new(p.kernel(), Box::new(Zero), likelihood, &z, p.x.clone(), p.y.clone()).unwrap();
    let rows: Vec<usize> = (0..60).collect();
    svgp.natural_step(&rows, 1.0).unwrap();
    assert_close(svgp.full_bound().unwrap(), collapsed.bound().unwrap().item(), 1e-6, "bound");
    let new = Problem::regression(9, 2, 77).x;
    let (mean, variance) = svgp.predict(&new).unwrap();
    let (expected_mean, expected_variance) = collapsed.condition().unwrap().marginals(&new).unwrap();
    for i in 0..9 {
        assert_close(mean[i], expected_mean[i], 1e-6, "mean");
        assert_close(variance[i], expected_variance[i], 1e-6, "variance");
    }
}

#[test]
fn sgpr_with_all_points_is_exact() {
    let p = Problem::regression(40, 2, 2);
    let bound = sgpr(&p, &p.x).bound().unwrap().item();
    assert_close(bound, exact(&p).log_marginal().unwrap().item(), 1e-4, "bound");
}

#[test]
fn a_dual_step_is_a_natural_gradient_step() {
    let p = Problem::classification(50, 2, 3);
    let z = p.x.narrow(0, 0, 10);
    let likelihood = || Box::new(BernoulliProbit::new()) as Box<dyn Likelihood>;
    let mut svgp =
        Svgp::new(p.kernel(), Box::new(Zero), Box::new(Single(likelihood())), &z, p.x.clone(), p.y.clone()).unwrap();
    let mut dual = DualGp::new(p.kernel(), likelihood(), z);
    for (step, rows) in [[0usize, 50], [10, 30], [25, 50]].into_iter().enumerate() {
        let rows: Vec<usize> = (rows[0]..rows[1]).collect();
        let scale = 50.0 / rows.len() as f64;
        let y: Vec<f64> = rows.iter().map(|r| p.y[*r]).collect();
        dual.step(&p.x.narrow(0, rows[0], rows.len()), &y, scale, 0.3).unwrap();
        svgp.natural_step(&rows, 0.3).unwrap();
        let (mean, variance) = svgp.predict(&p.x).unwrap();
        let (dual_mean, dual_variance) = dual.predict(&p.x).unwrap();
        for i in 0..50 {
            assert_close(mean[i], dual_mean[i], 1e-8, &format!("mean after step {step}"));
            assert_close(variance[i], dual_variance[i], 1e-8, &format!("variance after step {step}"));
        }
    }
    let bound = dual.bound(&p.x, &p.y, 1.0).unwrap().item();
    assert_close(bound, svgp.full_bound().unwrap(), 1e-8, "bound, through the dual form of the KL");
}

/// A dual process with a probit likelihood that has made two minibatch steps.
fn stepped_dual(p: &Problem, m: usize) -> DualGp {
    let mut dual = DualGp::new(p.kernel(), Box::new(BernoulliProbit::new()), p.x.narrow(0, 0, m));
    for start in [0, 20] {
        dual.step(&p.x.narrow(0, start, 20), &p.y[start..start + 20], 2.0, 0.5).unwrap();
    }
    dual
}

#[test]
fn dual_bounds_of_minibatches_average_to_the_bound_of_all_rows_at_every_kernel() {
    let p = Problem::classification(40, 2, 51);
    let mut dual = stepped_dual(&p, 10);
    for lengthscales in [[0.7, 1.1], [1.2, 0.5]] {
        dual.assign("kernel.lengthscale", &lengthscales).unwrap();
        let batch = |start| dual.bound(&p.x.narrow(0, start, 10), &p.y[start..start + 10], 4.0).unwrap();
        let batches = [0, 10, 20, 30].map(batch);
        let whole = dual.bound(&p.x, &p.y, 1.0).unwrap();
        assert_close(batches.iter().map(Tensor::item).sum::<f64>() / 4.0, whole.item(), 1e-9, "bound");
        let gradients = batches.map(|bound| dual.gradient(&bound));
        for (i, whole) in dual.gradient(&whole).into_iter().enumerate() {
            assert_close(gradients.iter().map(|g| g[i]).sum::<f64>() / 4.0, whole, 1e-8, "gradient");
        }
    }
}

#[test]
fn a_dual_bound_has_the_gradient_of_finite_differences_and_a_step_of_length_zero_leaves_it() {
    let p = Problem::classification(40, 2, 52);
    let (x, y) = (p.x.narrow(0, 5, 15), &p.y[5..20]);
    let mut dual = stepped_dual(&p, 8);
    dual.assign("kernel.lengthscale", &[0.9, 0.8]).unwrap();
    gradient_check(&mut dual, |m: &mut DualGp| m.bound(&x, y, 2.0), 1e-5, "natural parameters held");
    let sites = dual.sites(&p.x, &p.y).unwrap();
    gradient_check(&mut dual, |m: &mut DualGp| m.bound_with_sites(&p.x, &p.y, &sites), 1e-5, "sites held");
    let before = dual.bound(&x, y, 2.0).unwrap().item();
    dual.step(&x, y, 2.0, 0.0).unwrap();
    assert_close(dual.bound(&x, y, 2.0).unwrap().item(), before, 1e-9, "bound");
}

#[test]
fn natural_parameters_held_are_sites_held_where_every_row_is_inducing() {
    let p = Problem::classification(20, 2, 53);
    let mut dual = DualGp::new(p.kernel(), Box::new(BernoulliProbit::new()), p.x.clone());
    let sites = dual.sites(&p.x, &p.y).unwrap();
    dual.step(&p.x, &p.y, 1.0, 1.0).unwrap();
    let mut dense = site_gp(dense(&p), Box::new(BernoulliProbit::new()), &p.y);
    (dense.sites.shift, dense.sites.precision) = (sites.shift.clone(), sites.precision.clone());
    for lengthscales in [[0.7, 1.1], [1.2, 0.5]] {
        dual.assign("kernel.lengthscale", &lengthscales).unwrap();
        dense.assign("kernel.lengthscale", &lengthscales).unwrap();
        let held = dual.bound(&p.x, &p.y, 1.0).unwrap().item();
        let anew = dual.bound_with_sites(&p.x, &p.y, &sites).unwrap().item();
        assert_close(held, anew, 1e-6, "sums made anew");
        assert_close(held, Elbo.value(&dense).unwrap().item(), 1e-6, "a dense process with these sites");
    }
}

#[test]
fn with_gaussian_noise_the_dual_bound_is_the_exact_likelihood_at_kernels_it_has_not_seen() {
    let p = Problem::regression(25, 2, 54);
    let rows: Vec<usize> = (0..25).collect();
    let mut dual = DualGp::new(p.kernel(), Box::new(Gaussian::new(p.noise)), p.x.clone());
    dual.step(&p.x, &p.y, 1.0, 1.0).unwrap();
    let likelihood = Box::new(Single(Box::new(Gaussian::new(p.noise))));
    let mut whitened = Svgp::new(p.kernel(), Box::new(Zero), likelihood, &p.x, p.x.clone(), p.y.clone()).unwrap();
    whitened.natural_step(&rows, 1.0).unwrap();
    let mut truth = exact(&p);
    for (lengthscales, is_other) in [([0.7, 1.1], false), ([1.1, 0.6], true)] {
        dual.assign("kernel.lengthscale", &lengthscales).unwrap();
        whitened.assign("kernel.lengthscale", &lengthscales).unwrap();
        truth.assign("kernel.lengthscale", &lengthscales).unwrap();
        let (bound, truth) = (dual.bound(&p.x, &p.y, 1.0).unwrap().item(), truth.log_marginal().unwrap().item());
        assert_close(bound, truth, 1e-6, "dual bound");
        // Whitened moments held are the optimum of one kernel alone.
        let below = truth - whitened.full_bound().unwrap();
        assert_eq!(below > 0.1, is_other, "{below} nats below");
    }
}

#[test]
fn gaussian_sites_are_exact_in_one_step_for_every_rule_and_evidence() {
    let p = Problem::regression(40, 2, 4);
    let truth = exact(&p).log_marginal().unwrap().item();
    let rules: [Box<dyn SiteRule>; 3] = [
        Box::new(Cvi { rho: 1.0 }),
        Box::new(PowerEp { alpha: 1.0, damping: 1.0 }),
        Box::new(Laplace { damping: 1.0 }),
    ];
    let evidences: [Box<dyn Evidence>; 3] =
        [Box::new(Elbo), Box::new(Energy { alpha: 1.0 }), Box::new(LaplaceEvidence)];
    let expected = exact(&p).condition().unwrap().marginals(&p.x).unwrap();
    for rule in &rules {
        let mut model = site_gp(dense(&p), Box::new(Gaussian::new(p.noise)), &p.y);
        model.sweep(rule.as_ref()).unwrap();
        for evidence in &evidences {
            let value = evidence.value(&model).unwrap().item();
            assert_close(value, truth, 1e-8, &format!("{} with {}", evidence.name(), rule.name()));
        }
        let (mean, variance) = model.condition().unwrap().marginals(&p.x);
        for i in 0..40 {
            assert_close(mean.to_vec()[i], expected.0[i], 1e-8, "mean");
            assert_close(variance.to_vec()[i], expected.1[i], 1e-8, "variance");
        }
    }
}

#[test]
fn a_sparse_prior_with_gaussian_sites_is_sgpr_for_every_rule() {
    let p = Problem::regression(50, 2, 5);
    let truth = sgpr(&p, &p.x.narrow(0, 0, 15)).bound().unwrap().item();
    let mut model = site_gp(sparse(&p, 15), Box::new(Gaussian::new(p.noise)), &p.y);
    model.sweep(&Cvi { rho: 1.0 }).unwrap();
    assert_close(Elbo.value(&model).unwrap().item(), truth, 1e-6, "elbo");
    // The sparse power-EP energy of Gaussian noise has its own closed form, of which alpha = 1 is FITC.
    for alpha in [0.3, 1.0] {
        let mut model = site_gp(sparse(&p, 15), Box::new(Gaussian::new(p.noise)), &p.y);
        model.infer(&PowerEp { alpha, damping: 0.8 }, 200, 1e-12).unwrap();
        let expected = sgpr(&p, &p.x.narrow(0, 0, 15)).power_bound(alpha).unwrap().item();
        assert_close(Energy { alpha }.value(&model).unwrap().item(), expected, 1e-6, &format!("alpha {alpha}"));
    }
}

#[test]
fn power_ep_towards_zero_is_the_elbo() {
    let p = Problem::classification(30, 2, 6);
    for prior in [dense(&p), sparse(&p, 12)] {
        let mut model = site_gp(prior, Box::new(BernoulliProbit::new()), &p.y);
        model.infer(&Cvi { rho: 0.8 }, 300, 1e-10).unwrap();
        let elbo = Elbo.value(&model).unwrap().item();
        assert_close(Energy { alpha: 1e-4 }.value(&model).unwrap().item(), elbo, 1e-3, "energy");
    }
}

/// The EP evidence as a textbook states it (Rasmussen and Williams 2006, equations 3.65 and 3.73), by dense algebra without `B`.
fn textbook_ep_evidence(p: &Problem, model: &SiteGp) -> f64 {
    let n = p.y.len();
    let k = no_grad(|| p.kernel().gram_symmetric(&p.x));
    let (tau, nu) = (&model.sites.precision, &model.sites.shift);
    let site_variance: Vec<f64> = tau.iter().map(|t| 1.0 / t).collect();
    let site_mean: Vec<f64> = tau.iter().zip(nu).map(|(t, v)| v / t).collect();
    let covariance = &k + Tensor::from_vec(site_variance.clone(), &[n]).diag();
    let chol = covariance.cholesky().unwrap();
    let mu = Tensor::from_vec(site_mean.clone(), &[n, 1]);
    let quadratic = chol.solve_lower(&mu).square().sum().item();
    let mut value = -chol.diagonal().log().sum().item() - 0.5 * quadratic;
    for (i, at) in model.marginals().unwrap().iter().enumerate() {
        let cavity_variance = 1.0 / (1.0 / at.variance - tau[i]);
        let cavity_mean = cavity_variance * (at.mean / at.variance - nu[i]);
        let z = p.y[i] * cavity_mean / (1.0 + cavity_variance).sqrt();
        let total = cavity_variance + site_variance[i];
        value +=
            elbo_tensor::special::log_ndtr(z) + 0.5 * total.ln() + 0.5 * (cavity_mean - site_mean[i]).powi(2) / total;
    }
    value
}

#[test]
fn the_ep_energy_is_the_textbook_formula() {
    let p = Problem::classification(25, 2, 7);
    let mut model = site_gp(dense(&p), Box::new(BernoulliProbit::new()), &p.y);
    model.infer(&PowerEp { alpha: 1.0, damping: 0.8 }, 500, 1e-12).unwrap();
    let energy = Energy { alpha: 1.0 }.value(&model).unwrap().item();
    assert_close(energy, textbook_ep_evidence(&p, &model), 1e-8, "log evidence");
}

#[test]
fn every_evidence_has_the_gradient_of_finite_differences() {
    let p = Problem::classification(14, 2, 8);
    let counts: Vec<f64> = (0..14).map(|i| f64::from((i * 7 % 5) as u32)).collect();
    for is_sparse in [false, true] {
        let prior = || if is_sparse { sparse(&p, 6) } else { dense(&p) };
        // Derivatives by the variance use Price's identity, differences use the quadrature: for Student-t's kinked integrand
        // the two agree to the quadrature's own error.
        let cases: Vec<(Box<dyn Likelihood>, &[f64], f64)> = vec![
            (Box::new(BernoulliLogit::new()), &p.y, 1e-5),
            (Box::new(BernoulliProbit::new()), &p.y, 1e-5),
            (Box::new(Poisson::new(1.0)), &counts, 1e-5),
            (Box::new(StudentT::new(4.0, 0.5)), &p.y, 2e-3),
        ];
        for (likelihood, y, tolerance) in cases {
            let name = format!("{likelihood:?}, sparse {is_sparse}");
            let mut model = site_gp(prior(), likelihood, y);
            model.infer(&Cvi { rho: 0.5 }, 30, 1e-9).unwrap();
            gradient_check(&mut model, |m| Elbo.value(m), tolerance, &format!("elbo, {name}"));
            gradient_check(&mut model, |m| Energy { alpha: 0.5 }.value(m), tolerance, &format!("energy, {name}"));
        }
        // Laplace: the sites follow the mode, so they are found anew at every shifted parameter.
        for (likelihood, y) in
            [(Box::new(BernoulliLogit::new()) as Box<dyn Likelihood>, &p.y), (Box::new(Poisson::new(1.0)), &counts)]
        {
            let mut model = site_gp(prior(), likelihood, y);
            let at_mode = |m: &mut SiteGp| {
                m.infer(&Laplace { damping: 1.0 }, 100, 1e-13)?;
                LaplaceEvidence.value(m)
            };
            gradient_check(&mut model, at_mode, 1e-5, &format!("laplace, sparse {is_sparse}"));
        }
    }
}

#[test]
fn every_regression_bound_has_the_gradient_of_finite_differences() {
    let p = Problem::regression(20, 2, 9);
    gradient_check(&mut exact(&p), |m: &mut ExactGp| m.log_marginal(), 1e-5, "exact");
    let z = Problem::regression(5, 2, 10).x;
    gradient_check(&mut sgpr(&p, &z), |m: &mut Sgpr| m.bound(), 1e-5, "sgpr");
    gradient_check(&mut sgpr(&p, &z), |m: &mut Sgpr| m.power_bound(0.5), 1e-5, "power bound");
    let mut svgp = Svgp::new(
        p.kernel(),
        Box::new(Zero),
        Box::new(Single(Box::new(StudentT::new(4.0, 0.3)))),
        &z,
        p.x.clone(),
        p.y.clone(),
    )
    .unwrap();
    let chol = (Tensor::from_vec(Rng::new(1).normals(25), &[5, 5]) * 0.1 + Tensor::eye(5, z.dtype())).tril(0);
    svgp.set_posterior(&Tensor::from_vec(Rng::new(2).normals(5), &[1, 5]), &chol.unsqueeze(0));
    gradient_check(&mut svgp, |m: &mut Svgp| m.bound(&[0, 3, 5, 6, 19]), 1e-5, "svgp");
}

#[test]
fn leave_one_out_in_closed_form_is_leave_one_out_by_hand() {
    let p = Problem::regression(15, 2, 11);
    let closed = exact(&p).condition().unwrap().leave_one_out();
    for i in 0..15 {
        let keep: Vec<usize> = (0..15).filter(|j| *j != i).collect();
        let x = p.x.index_select(0, &Tensor::indices(&keep));
        let y = p.targets().index_select(0, &Tensor::indices(&keep));
        let (mean, variance) = ExactGp::new(p.kernel(), Box::new(Zero), p.noise, x, y)
            .condition()
            .unwrap()
            .marginals(&p.x.narrow(0, i, 1))
            .unwrap();
        assert_close(closed.mean[i], mean[0], 1e-8, "mean");
        assert_close(closed.variance[i], variance[0] + p.noise, 1e-8, "variance");
    }
}

#[test]
fn growing_by_a_row_is_a_refit() {
    let p = Problem::regression(21, 2, 12);
    let first = ExactGp::new(p.kernel(), Box::new(Zero), p.noise, p.x.narrow(0, 0, 20), p.targets().narrow(0, 0, 20));
    let grown = first.condition().unwrap().append(&p.x.narrow(0, 20, 1), p.y[20]).unwrap();
    let new = Problem::regression(6, 2, 13).x;
    let (mean, variance) = grown.marginals(&new).unwrap();
    let (expected_mean, expected_variance) = exact(&p).condition().unwrap().marginals(&new).unwrap();
    for i in 0..6 {
        assert_close(mean[i], expected_mean[i], 1e-8, "mean");
        assert_close(variance[i], expected_variance[i], 1e-8, "variance");
    }
}

#[test]
fn sgpr_brackets_the_exact_likelihood_on_a_hundred_draws() {
    for seed in 0..100 {
        let p = Problem::regression(25, 2, 100 + seed);
        let truth = exact(&p).log_marginal().unwrap().item();
        let bounds = sgpr(&p, &p.x.narrow(0, 0, 3 + (seed as usize % 8))).bounds().unwrap();
        assert!(bounds.lower <= truth + 1e-8 && truth <= bounds.upper + 1e-8, "{bounds:?} around {truth}, seed {seed}");
    }
}

#[test]
fn the_elbo_is_below_the_sampled_evidence_and_the_ep_energy_is_near_it() {
    let p = Problem::classification(20, 2, 16);
    let mut model = site_gp(dense(&p), Box::new(BernoulliProbit::new()), &p.y);
    model.infer(&PowerEp { alpha: 1.0, damping: 0.8 }, 200, 1e-10).unwrap();
    let elbo_gp::importance::Estimate { value: truth, error } =
        elbo_gp::importance::log_evidence(&model, 20_000, &mut Rng::new(5)).unwrap();
    let energy = Energy { alpha: 1.0 }.value(&model).unwrap().item();
    assert!((energy - truth).abs() < 0.05 + 4.0 * error, "energy {energy}, sampled {truth} +- {error}");
    model.infer(&Cvi { rho: 0.8 }, 300, 1e-10).unwrap();
    let elbo = Elbo.value(&model).unwrap().item();
    assert!(elbo <= truth + 4.0 * error && elbo > truth - 2.0, "elbo {elbo}, sampled {truth} +- {error}");
}

/// Every path draws frequencies of its own, so that the prior's part has the kernel as its covariance, without bias,
/// whatever their number; what is left is the error of as many draws. A periodic kernel's waves are its harmonics themselves.
#[test]
fn moments_of_sample_paths_are_the_predictive_moments() {
    let p = Problem::regression(25, 1, 17);
    let new = Problem::regression(4, 1, 18).x;
    let periodic = Box::new(Periodic::new(&[3.0]).with(0.9, 1.3));
    for kernel in [p.kernel(), periodic] {
        let what = kernel.summary();
        let model = ExactGp::new(kernel, Box::new(Zero), p.noise, p.x.clone(), p.targets());
        let posterior = model.condition().unwrap();
        let (mean, variance) = posterior.marginals(&new).unwrap();
        let (draws, mut rng) = (2000, Rng::new(9));
        let paths: Vec<Vec<f64>> =
            (0..draws).map(|_| posterior.sample_path(200, &mut rng).unwrap().value(&new).to_vec()).collect();
        for i in 0..4 {
            let values: Vec<f64> = paths.iter().map(|v| v[i] - mean[i]).collect();
            within_errors(&values, 0.0, &format!("mean {i}, {what}"));
            let squares: Vec<f64> = values.iter().map(|v| v * v).collect();
            within_errors(&squares, variance[i], &format!("variance {i}, {what}"));
        }
    }
}

/// The mean of independent values is the expected one, to four standard errors.
fn within_errors(values: &[f64], expected: f64, what: &str) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let error = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
    assert!((mean - expected).abs() < 4.0 * error, "{what}: {mean} +- {error}, expected {expected}");
}

#[test]
fn a_search_finds_the_parameters_that_made_the_data_and_resumes_to_the_same_bits() {
    use elbo_core::{ModelFile, run::Checkpoints};
    use elbo_gp::fit::{Search, search};
    let p = Problem::regression(80, 1, 19);
    let options = Search { starts: 2, iterations: 30 };
    let mut whole = exact(&p);
    let found = search(&mut whole, options, &mut Run::new(1)).unwrap();
    assert!(found.loss <= -exact(&p).log_marginal().unwrap().item(), "no worse than the truth");
    assert!((whole.noise() / p.noise).ln().abs() < 0.7, "noise {} of {}", whole.noise(), p.noise);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let header = ModelFile::new("test");
    let checkpoints = Checkpoints { path: path.clone(), every: std::time::Duration::ZERO, header };
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let raised = flag.clone();
    let mut run = Run::new(1).with_checkpoints(checkpoints).with_cancel(flag).with_watcher(move |event| {
        if let elbo_core::Event::Step { step: 7, .. } = event {
            raised.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    search(&mut exact(&p), options, &mut run).unwrap();
    let mut resumed = exact(&p);
    let mut run = Run::new(1).resuming(ModelFile::read(&path).unwrap());
    let again = search(&mut resumed, options, &mut run).unwrap();
    assert_eq!(again.loss.to_bits(), found.loss.to_bits());
    assert_eq!(resumed.pack(), whole.pack());
}

#[test]
fn the_fused_likelihood_of_a_stationary_kernel_is_that_of_its_covariances() {
    let p = Problem::regression(70, 3, 23);
    for profile in [Profile::Rbf, Profile::Matern12, Profile::Matern32, Profile::Matern52, Profile::RationalQuadratic] {
        let kernel = || Stationary::new(profile, &[0.8, 1.1, 1.7]).with_variance(1.4);
        let fused = ExactGp::new(Box::new(kernel()), Box::new(Zero), 0.1, p.x.clone(), p.targets());
        assert!(fused.kernel().radial_form().is_some());
        // Times one, held: the same covariances by the way of any kernel.
        let mut scaled = Scaled::new(1.0, Box::new(kernel()));
        scaled.variance.set_frozen(true);
        let general = ExactGp::new(Box::new(scaled), Box::new(Zero), 0.1, p.x.clone(), p.targets());
        assert!(general.kernel().radial_form().is_none());
        let (a, b) = (fused.log_marginal().unwrap(), general.log_marginal().unwrap());
        assert_close(a.item(), b.item(), 1e-11, "value");
        for (a, b) in fused.gradient(&a).into_iter().zip(general.gradient(&b)) {
            assert_close(a, b, 1e-9, "gradient");
        }
    }
}
