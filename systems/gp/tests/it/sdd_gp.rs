//! Stochastic dual descent against a factorisation, and the system around it.

use elbo_core::run::Checkpoints;
use elbo_core::{AnySystem, Array, Data, ModelFile, Prediction, Rng, Run, Stop, Values, drive};
use elbo_gp::exact::ExactGp;
use elbo_gp::kernel::{Kernel, Linear, Profile, Stationary, Tanimoto};
use elbo_gp::mean::Zero;
use elbo_gp::sdd::{DualPosterior, Duals, Gradient, PriorDraws, Sdd, largest_eigenvalue};
use elbo_systems_gp::sdd_gp::SddGp;
use elbo_tensor::special::ndtr;
use elbo_tensor::{Tensor, no_grad};
use serde_json::json;

const NOISE: f64 = 0.05;

fn kernel() -> Stationary {
    Stationary::new(Profile::Matern32, &[0.8, 0.8]).with_variance(1.2)
}

fn problem(n: usize, seed: u64) -> (Tensor, Tensor) {
    let mut rng = Rng::new(seed);
    let x = Tensor::from_vec((0..2 * n).map(|_| rng.range(-2.0, 2.0)).collect(), &[n, 2]);
    let y = x.to_vec().chunks(2).map(|x| (2.0 * x[0]).sin() + x[1] + NOISE.sqrt() * rng.normal()).collect();
    (x, Tensor::from_vec(y, &[n]))
}

fn sdd<'a>(kernel: &'a dyn Kernel, x: &'a Tensor, targets: &'a Tensor, steps: usize) -> Sdd<'a> {
    let (noise, gradient) = (NOISE, Gradient::Dual);
    Sdd { kernel, x, noise, targets, batch: 32, steps, momentum: 0.9, scale: 1.0, tolerance: 1e-12, gradient }
}

fn solve(sdd: &Sdd<'_>, run: &mut Run) -> Duals {
    let mut duals = Duals::zero(sdd.x.shape()[0], sdd.targets.shape()[1]);
    drive(sdd, &mut duals, &Stop::after(sdd.steps, "descent", "relative residual"), run).unwrap();
    duals
}

/// Relative distance in the Euclidean norm.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>();
    (square(&mut a.iter().zip(b).map(|(a, b)| a - b)) / square(&mut b.iter().copied())).sqrt()
}

#[test]
fn the_descent_solves_several_systems_as_cholesky_does() {
    let (x, y) = problem(200, 1);
    let kernel = kernel();
    let other = Tensor::from_vec(Rng::new(5).normals(200), &[200]);
    let targets = Tensor::stack(&[y, other], 1);
    let sdd = sdd(&kernel, &x, &targets, 6000);
    let solved = solve(&sdd, &mut Run::new(2)).solution();
    let gram = kernel.gram_symmetric(&x) + Tensor::eye(200, x.dtype()) * NOISE;
    let exact = no_grad(|| gram.cholesky().unwrap().cholesky_solve(&targets));
    assert!(distance(&solved.to_vec(), &exact.to_vec()) < 1e-3, "{}", distance(&solved.to_vec(), &exact.to_vec()));
    let residuals = sdd.relative_residuals(&solved, &mut Rng::new(3));
    assert!(residuals.iter().all(|r| *r < 1e-2), "{residuals:?}");
    assert!(sdd.relative_residuals(&(exact * 0.0), &mut Rng::new(3)).iter().all(|r| (r - 1.0).abs() < 0.2));
}

#[test]
fn the_residual_is_exact_when_the_batches_cover_all_rows() {
    // The second spans several blocks of rows and of columns.
    for (n, batch) in [(100, 32), (600, 150)] {
        let (x, y) = problem(n, 4);
        let (kernel, targets) = (kernel(), y.unsqueeze(1));
        let sdd = Sdd { batch, ..sdd(&kernel, &x, &targets, 100) };
        let alpha = Tensor::from_vec(Rng::new(6).normals(n), &[n, 1]) * 0.1;
        let gram = kernel.gram_symmetric(&x) + Tensor::eye(n, x.dtype()) * NOISE;
        let expected = no_grad(|| ((gram.matmul(&alpha) - &targets).norm() / targets.norm()).item());
        let found = sdd.relative_residuals(&alpha, &mut Rng::new(7))[0];
        assert!((found - expected).abs() < 1e-10 * expected, "{n} rows: {found}, expected {expected}");
    }
}

#[test]
fn the_largest_eigenvalue_is_found() {
    let (x, _) = problem(150, 8);
    let (values, _) = no_grad(|| kernel().gram_symmetric(&x).eigh().unwrap());
    let found = largest_eigenvalue(&kernel(), &x, &mut Rng::new(9));
    let expected = values.max().item();
    assert!((found / expected - 1.0).abs() < 1e-3, "{found}, expected {expected}");
}

#[test]
fn a_step_too_long_is_halved_until_the_descent_converges() {
    let (x, y) = problem(150, 10);
    let (kernel, targets) = (kernel(), y.unsqueeze(1));
    let mut run = Run::new(11);
    let long = Sdd { scale: 40.0, ..sdd(&kernel, &x, &targets, 6000) };
    let solved = solve(&long, &mut run).solution();
    assert!(run.warnings().iter().any(|w| w.contains("step was halved")), "{:?}", run.warnings());
    assert!(long.relative_residuals(&solved, &mut Rng::new(1))[0] < 0.1);
}

#[test]
fn a_resumed_descent_ends_with_the_same_bits() {
    let (x, y) = problem(120, 12);
    let (kernel, targets) = (kernel(), y.unsqueeze(1));
    let sdd = sdd(&kernel, &x, &targets, 300);
    let whole = solve(&sdd, &mut Run::new(4)).solution().to_vec();
    let path = std::env::temp_dir().join(format!("elbo-sdd-{}", std::process::id()));
    let checkpoints =
        Checkpoints { path: path.clone(), every: std::time::Duration::ZERO, header: ModelFile::new("test") };
    let mut part = Duals::zero(120, 1);
    let stop = |steps| Stop::after(steps, "descent", "relative residual");
    drive(&sdd, &mut part, &stop(137), &mut Run::new(4).with_checkpoints(checkpoints)).unwrap();
    let mut resumed = Duals::zero(120, 1);
    let file = ModelFile::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    drive(&sdd, &mut resumed, &stop(300), &mut Run::new(999).resuming(file)).unwrap();
    assert_eq!(resumed.solution().to_vec(), whole);
}

/// Marginals from exactly solved right-hand sides against the exact posterior.
fn assert_samples_are_posterior(kernel: &dyn Kernel, x: &Tensor, y: &Tensor, new: &Tensor) {
    let exact = ExactGp::new(kernel.clone_box(), Box::new(Zero), NOISE, x.clone(), y.clone()).condition().unwrap();
    let mut rng = Rng::new(21);
    let samples = 800;
    let draws = PriorDraws::draw(kernel, x, samples, 2000, &mut rng).unwrap();
    let targets = Tensor::cat(&[y.unsqueeze(1), draws.targets(kernel, x, NOISE, &mut rng)], 1);
    let weights = exact.solve(&targets);
    let posterior = DualPosterior::new(kernel.clone_box(), Box::new(Zero), NOISE, x.clone(), weights, draws);
    let (mean, variance) = posterior.marginals(new).unwrap();
    let (expected_mean, expected) = exact.marginals(new).unwrap();
    assert!(distance(&mean, &expected_mean) < 1e-8);
    // Five standard errors of a variance from 800 draws, and the prior's random features.
    for (v, e) in variance.iter().zip(&expected) {
        assert!((v / e - 1.0).abs() < 5.0 * (2.0 / samples as f64).sqrt() + 0.1, "{v}, expected {e}");
    }
    let paths = posterior.sample_paths(new);
    let average: Vec<f64> =
        (0..mean.len()).map(|i| paths.iter().skip(i).step_by(mean.len()).sum::<f64>() / samples as f64).collect();
    for ((a, m), v) in average.iter().zip(&mean).zip(&expected) {
        assert!((a - m).abs() < 5.0 * (v / samples as f64).sqrt() + 1e-9, "{a}, expected {m}");
    }
}

#[test]
fn samples_have_the_posterior_s_mean_and_variance() {
    let (x, y) = problem(80, 13);
    let new = problem(20, 14).0;
    assert_samples_are_posterior(&kernel(), &x, &y, &new);
    // Without a spectrum: all rows are anchors, so the prior is exact at them.
    assert_samples_are_posterior(&Linear::new(&[1.0, 0.5], 0.3), &x, &y, &new);
    let counts = Tensor::from_vec((0..80 * 6).map(|i| ((i * 7919) % 5) as f64).collect(), &[80, 6]);
    let fresh = Tensor::from_vec((0..10 * 6).map(|i| ((i * 104_729) % 4) as f64).collect(), &[10, 6]);
    assert_samples_are_posterior(&Tanimoto::new(1.0), &counts, &y, &fresh);
}

#[test]
fn intervals_from_few_samples_cover_what_student_s_t_says() {
    let (x, y) = problem(60, 15);
    let new = problem(10, 16).0;
    let groups = 150;
    for count in [2, 4, 8] {
        let (posterior, ..) = solved(&kernel(), &x, &y, count * groups);
        let (mean, variance) = posterior.marginals(&new).unwrap();
        let paths = posterior.sample_paths(&new);
        let at = |s: usize, i: usize| paths[s * mean.len() + i] - mean[i];
        // Values of f are normal about the mean with the variance of all samples; the interval is that of `count` of them.
        let covered = |group: usize, i: usize| {
            let estimate = (0..count).map(|s| at(group * count + s, i).powi(2)).sum::<f64>() / count as f64;
            2.0 * ndtr(1.959_964 * (estimate / variance[i]).sqrt()) - 1.0
        };
        let shares: Vec<f64> =
            (0..groups).map(|g| (0..mean.len()).map(|i| covered(g, i)).sum::<f64>() / mean.len() as f64).collect();
        let average = shares.iter().sum::<f64>() / groups as f64;
        let spread = shares.iter().map(|s| (s - average).powi(2)).sum::<f64>() / (groups - 1) as f64;
        let expected = DualPosterior::coverage_of(count);
        // Four standard errors, and what the variance of all samples is off by.
        let tolerance = 4.0 * (spread / groups as f64).sqrt() + 0.01;
        assert!((average - expected).abs() < tolerance, "{count}: {average}, expected {expected}");
    }
    // In closed form for two degrees of freedom, and the normal distribution's in the limit.
    let two = 1.959_964 / (2.0 + 1.959_964f64.powi(2)).sqrt();
    assert!((DualPosterior::coverage_of(2) - two).abs() < 1e-6);
    assert!((DualPosterior::coverage_of(1_000_000) - 0.95).abs() < 1e-5);
}

/// A posterior of some samples whose right-hand sides are solved exactly, and these.
fn solved(kernel: &Stationary, x: &Tensor, y: &Tensor, samples: usize) -> (DualPosterior, Tensor, Tensor) {
    let exact =
        ExactGp::new(Box::new(kernel.clone()), Box::new(Zero), NOISE, x.clone(), y.clone()).condition().unwrap();
    let mut rng = Rng::new(22);
    let draws = PriorDraws::draw(kernel, x, samples, 300, &mut rng).unwrap();
    let targets = Tensor::cat(&[y.unsqueeze(1), draws.targets(kernel, x, NOISE, &mut rng)], 1);
    let weights = exact.solve(&targets);
    let posterior =
        DualPosterior::new(Box::new(kernel.clone()), Box::new(Zero), NOISE, x.clone(), weights.clone(), draws);
    (posterior, targets, weights)
}

#[test]
fn a_sample_is_a_function_with_a_gradient_that_finds_where_it_is_highest() {
    let (x, y) = problem(60, 23);
    let smooth = Stationary::new(Profile::Rbf, &[0.8, 0.8]).with_variance(1.2);
    let (posterior, ..) = solved(&smooth, &x, &y, 3);
    let new = problem(100, 24).0;
    let samples = posterior.sample_paths(&new);
    for (index, sample) in samples.chunks_exact(100).enumerate() {
        let path = posterior.sample_path(index).unwrap();
        let values = path.value(&new).to_vec();
        assert!(values.iter().zip(sample).all(|(v, s)| (v - s).abs() < 1e-9), "sample {index}");
        let (place, highest) = path.maximise(&new, &[-2.0, -2.0], &[2.0, 2.0], 80);
        let at = |place: &[f64]| path.value(&Tensor::from_slice(place, &[1, 2])).item();
        assert!((at(&place) - highest).abs() < 1e-9 && place.iter().all(|v| v.abs() <= 2.0), "{place:?}");
        // Higher than all points that it started from, and than its neighbours in the box.
        assert!(values.iter().all(|v| *v + 1e-4 < highest), "sample {index}: {highest}");
        for (d, by) in [(0, 0.02), (0, -0.02), (1, 0.02), (1, -0.02)] {
            let mut beside = place.clone();
            beside[d] = (beside[d] + by).clamp(-2.0, 2.0);
            assert!(at(&beside) <= highest + 1e-9, "sample {index}: {place:?} and {beside:?}");
        }
    }
    let linear = Linear::new(&[1.0, 0.5], 0.3);
    let draws = PriorDraws::draw(&linear, &x, 1, 300, &mut Rng::new(26)).unwrap();
    let weights = Tensor::zeros(&[60, 2], y.dtype());
    let posterior = DualPosterior::new(Box::new(linear), Box::new(Zero), NOISE, x, weights, draws);
    assert!(posterior.sample_path(0).err().unwrap().to_string().contains("no random frequencies"));
}

#[test]
fn with_a_row_added_the_descent_from_the_earlier_solution_is_nearer_than_from_zero() {
    let (x, y) = problem(120, 27);
    let kernel = kernel();
    let (posterior, targets, weights) = solved(&kernel, &x, &y, 2);
    // Thompson's step: look where a sample is highest, and observe there what is a little more than was predicted.
    let (place, _) = posterior.sample_path(0).unwrap().maximise(&x, &[-2.0, -2.0], &[2.0, 2.0], 30);
    let row = Tensor::from_slice(&place, &[1, 2]);
    let observed = no_grad(|| kernel.gram(&row, &x).matmul(&weights) + 0.2);
    let (more, targets) = (Tensor::cat(&[x, row], 0), Tensor::cat(&[targets, observed], 0));
    let exact = no_grad(|| {
        let gram = kernel.gram_symmetric(&more) + Tensor::eye(121, more.dtype()) * NOISE;
        gram.cholesky().unwrap().cholesky_solve(&targets).to_vec()
    });
    let sdd = sdd(&kernel, &more, &targets, 400);
    let stop = Stop::after(400, "descent", "relative residual");
    let ends = [Tensor::zeros(&[121, 3], y.dtype()), Tensor::cat(&[weights, Tensor::zeros(&[1, 3], y.dtype())], 0)]
        .map(|start| {
            let mut duals = Duals::from(&start);
            drive(&sdd, &mut duals, &stop, &mut Run::new(28)).unwrap();
            distance(&duals.last().to_vec(), &exact)
        });
    assert!(ends[1] < 0.5 * ends[0], "{ends:?} from zero and from the earlier solution");
}

fn table(x: &[f64], dims: usize, y: Vec<f64>) -> Data {
    let arrays =
        vec![("x".into(), Array::new(&[y.len(), dims], x.to_vec())), ("y".into(), Array::column(Values::F64(y)))];
    Data { source: "made".into(), arrays, target: Some("y".into()), ..Data::default() }
}

/// A rough function with much noise: few steps solve it.
pub fn wave(n: usize, seed: u64) -> Data {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..2 * n).map(|_| rng.range(-2.0, 2.0)).collect();
    let y = x.chunks(2).map(|x| (3.0 * x[0]).sin() * (3.0 * x[1]).cos() + 0.3 * rng.normal()).collect();
    table(&x, 2, y)
}

fn normals(prediction: Prediction) -> (Vec<f64>, Vec<f64>) {
    let Prediction::Numbers(m) = prediction else { panic!("numbers") };
    ((0..m.len()).map(|i| m.mean(i)).collect(), (0..m.len()).map(|i| m.sd(i)).collect())
}

#[test]
fn both_methods_predict_the_same_and_files_keep_predictions() {
    let (data, new) = (wave(400, 15), wave(30, 16));
    let mut fits = vec![];
    for method in ["exact", "sdd"] {
        let settings = json!({ "method": method, "steps": 3000, "batch": 64, "iterations": 20, "samples": 100 });
        let mut run = Run::new(17);
        let model = AnySystem::fit(&SddGp, &settings, &data, &mut run).unwrap();
        let before = normals(model.as_predict().unwrap().predict(&new, &mut run).unwrap());
        let mut file = ModelFile::new("sdd-gp");
        model.save(&mut file).unwrap();
        let file = ModelFile::from_bytes(&file.to_bytes()).unwrap();
        let loaded = AnySystem::load(&SddGp, &file).unwrap();
        assert_eq!(normals(loaded.as_predict().unwrap().predict(&new, &mut run).unwrap()), before);
        assert_eq!(loaded.summary(), model.summary());
        let paths = loaded.as_predict().unwrap().sample_paths(&new, 7, &mut run).unwrap().unwrap();
        assert_eq!(paths.len(), 7 * 30);
        fits.push((before, model.summary(), run.warnings().to_vec()));
    }
    assert!(distance(&fits[1].0.0, &fits[0].0.0) < 0.03);
    // Predictive deviations are mostly noise; the samples' share has a relative error of a tenth.
    assert!(distance(&fits[1].0.1, &fits[0].0.1) < 0.05);
    let residual = fits[1].1.metrics.iter().find(|(name, _)| name == "relative_residual").unwrap().1;
    assert!(residual < 0.02, "{residual}");
    assert!(fits[1].2.iter().any(|w| w.contains("a Cholesky factorisation is faster")), "{:?}", fits[1].2);
}

#[test]
fn counts_keep_their_unit_under_the_tanimoto_kernel() {
    let mut rng = Rng::new(18);
    let x: Vec<f64> = (0..150 * 8).map(|_| rng.below(4) as f64).collect();
    let y: Vec<f64> = x.chunks(8).map(|x| x[0] + x[1] - x[2] + 0.1 * rng.normal()).collect();
    let data = table(&x, 8, y);
    let settings = json!({ "kernel": "tanimoto", "method": "sdd", "steps": 800, "batch": 32, "iterations": 15 });
    let mut run = Run::new(19);
    let model = AnySystem::fit(&SddGp, &settings, &data, &mut run).unwrap();
    assert!(run.warnings().iter().any(|w| w.contains("no random frequencies")), "{:?}", run.warnings());
    let (mean, sd) = normals(model.as_predict().unwrap().predict(&data, &mut run).unwrap());
    let observed = data.get("y").unwrap().to_f64().unwrap();
    assert!(distance(&mean, &observed) < 0.8 && sd.iter().all(|s| *s > 0.0));
}

#[test]
fn bad_inputs_are_answered() {
    let data = wave(60, 20);
    let fit = |settings: serde_json::Value| {
        let mut run = Run::new(0);
        AnySystem::fit(&SddGp, &settings, &data, &mut run).map(|_| run.warnings().to_vec())
    };
    let quick = |more: serde_json::Value| {
        let mut all = json!({ "method": "sdd", "steps": 100, "iterations": 3, "samples": 4, "frequencies": 50 });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let white = fit(quick(json!({ "kernel": "matern32 + white" }))).unwrap_err();
    assert!(white.to_string().contains("holds white noise"), "{white}");
    let momentum = fit(json!({ "momentum": 1.0 })).unwrap_err();
    assert!(momentum.to_string().contains("`momentum` is 1"), "{momentum}");
    let stuck = fit(quick(json!({ "tolerance": 1e-9 }))).unwrap();
    assert!(stuck.iter().any(|w| w.contains("above the tolerance")), "{stuck:?}");
    assert!(stuck.iter().any(|w| w.contains("come from 4 samples") && w.contains("cover 88 %")), "{stuck:?}");
    let enough = fit(quick(json!({ "samples": 16 }))).unwrap();
    assert!(!enough.iter().any(|w| w.contains("samples:")), "{enough:?}");
    // Interpolation: hardly any noise.
    let x: Vec<f64> = (0..60).map(|i| f64::from(i) / 30.0).collect();
    let smooth = table(&x, 1, x.iter().map(|x| x.sin()).collect());
    let mut run = Run::new(0);
    AnySystem::fit(&SddGp, &quick(json!({ "noise": 1e-5 , "iterations": 60 })), &smooth, &mut run).unwrap();
    assert!(
        run.warnings().iter().any(|w| w.contains("condition number") && w.contains("epochs")),
        "{:?}",
        run.warnings()
    );
}
