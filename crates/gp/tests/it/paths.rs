//! Joint posteriors and their draws.

use crate::problems::{Problem, assert_close};
use elbo_core::{ModelFile, Rng, Run, Snapshot};
use elbo_gp::coreset::CoresetGp;
use elbo_gp::exact::ExactGp;
use elbo_gp::features::PriorPath;
use elbo_gp::inducing::InterDomain;
use elbo_gp::kernel::{Profile, Stationary};
use elbo_gp::likelihood::{
    BernoulliProbit, Gaussian, Heteroscedastic, Likelihood, MultiLikelihood, Poisson, Single, Softmax, StudentT,
};
use elbo_gp::mean::{FixedBasis, Mean, Zero};
use elbo_gp::memory::{Absorb, MemoryGp, Past};
use elbo_gp::path::{JOINT_ROWS, SamplePath, joint_paths, joint_samples};
use elbo_gp::prior::{DensePrior, LatentPrior, SparsePrior};
use elbo_gp::scale_mixture::{ScaleMixtureGp, ScaleMixturePosterior, ScalePrior};
use elbo_gp::site::Cvi;
use elbo_gp::sites::SiteGp;
use elbo_gp::svgp::Svgp;
use elbo_gp::table::Process;
use elbo_tensor::{Tensor, no_grad};

const DRAWS: usize = 4000;

/// Five points: the first two are near each other, the last is away from the data.
fn points() -> Tensor {
    Tensor::from_vec(vec![0.1, -0.3, 0.15, -0.3, 1.2, 0.4, -1.5, 1.0, 3.5, -2.5], &[5, 2])
}

fn zero() -> Box<dyn Mean> {
    Box::new(Zero)
}

/// A plane, `0.4 + 0.3 x_1`.
fn plane() -> Box<dyn Mean> {
    let functions = |x: &Tensor| Tensor::cat(&[Tensor::ones(&[x.size(0), 1], x.dtype()), x.narrow(1, 0, 1)], 1);
    let mut mean = FixedBasis::new(2, functions);
    mean.coefficients.set(&[0.4, 0.3]).unwrap();
    Box::new(mean)
}

fn every(p: &Problem) -> Vec<usize> {
    (0..p.y.len()).collect()
}

fn svgp(p: &Problem, mean: Box<dyn Mean>, likelihood: Box<dyn MultiLikelihood>, m: usize) -> Svgp {
    Svgp::new(p.kernel(), mean, likelihood, &p.x.narrow(0, 0, m), p.x.clone(), p.y.clone()).unwrap()
}

fn gaussian(p: &Problem) -> Box<dyn MultiLikelihood> {
    Box::new(Single(Box::new(Gaussian::new(p.noise))))
}

/// The coreset of the first rows, each of this weight.
fn coreset(p: &Problem, mean: Box<dyn Mean>, outputs: &[f64], weight: f64) -> CoresetGp {
    let m = outputs.len();
    let (inputs, outputs) = (p.x.narrow(0, 0, m), Tensor::from_slice(outputs, &[m]));
    let weights = Tensor::full(&[m], weight, outputs.dtype());
    CoresetGp::new(p.kernel(), mean, p.noise, (&inputs, &outputs, &weights), p.x.clone(), p.targets())
}

fn site_gp(p: &Problem, prior: Box<dyn LatentPrior>, mean: Box<dyn Mean>, likelihood: Box<dyn Likelihood>) -> SiteGp {
    let mut model = SiteGp::new(prior, mean, likelihood, p.y.clone()).unwrap();
    model.infer(&Cvi { rho: 0.5 }, 30, 1e-9).unwrap();
    model
}

fn dense(p: &Problem) -> Box<dyn LatentPrior> {
    Box::new(DensePrior::new(p.kernel(), p.x.clone()))
}

fn sparse(p: &Problem) -> Box<dyn LatentPrior> {
    Box::new(SparsePrior::new(p.kernel(), p.x.narrow(0, 0, 8), p.x.clone()))
}

/// A process that has read all rows at once, with as many inducing points as it wants.
fn memory(p: &Problem, likelihood: Box<dyn MultiLikelihood>) -> MemoryGp {
    let how = Absorb {
        inducing: p.y.len(),
        remembered: 5,
        memory: 5,
        sweeps: 20,
        rho: 1.0,
        moves: 0,
        rounds: 1,
        by_leverage: true,
        past: Past::Memory,
    };
    let mut gp = MemoryGp::new(p.kernel(), likelihood, 2);
    gp.absorb(&p.x, &p.y, how, &mut Run::new(1)).unwrap();
    gp
}

fn scale_mixture(p: &Problem, prior: ScalePrior) -> ScaleMixturePosterior {
    ScaleMixtureGp::new(p.kernel(), p.noise, prior, p.x.clone(), p.targets()).condition().unwrap()
}

fn exact_joint(p: &Problem, mean: Box<dyn Mean>) -> (Tensor, Tensor) {
    ExactGp::new(p.kernel(), mean, p.noise, p.x.clone(), p.targets()).condition().unwrap().joint(&points())
}

fn assert_same(found: &(Tensor, Tensor), expected: &(Tensor, Tensor), tolerance: f64, what: &str) {
    assert_eq!((found.0.shape(), found.1.shape()), (expected.0.shape(), expected.1.shape()), "{what}");
    let pairs = |a: &Tensor, b: &Tensor| a.to_vec().into_iter().zip(b.to_vec()).collect::<Vec<_>>();
    pairs(&found.0, &expected.0).iter().for_each(|(a, b)| assert_close(*a, *b, tolerance, &format!("{what}, mean")));
    pairs(&found.1, &expected.1).iter().for_each(|(a, b)| assert_close(*a, *b, tolerance, &format!("{what}, cov")));
}

/// The diagonal of a joint is the marginals.
fn assert_diagonal(joint: &(Tensor, Tensor), marginals: &(Vec<f64>, Vec<f64>), what: &str) {
    let found = (joint.0.to_vec(), joint.1.diagonal().to_vec());
    for i in 0..5 {
        assert_close(found.0[i], marginals.0[i], 1e-9, &format!("{what}, mean"));
        assert_close(found.1[i], marginals.1[i], 1e-9, &format!("{what}, variance"));
    }
}

/// Means and covariances of draws, within five of their standard errors of these.
fn assert_moments(paths: &[f64], (mean, covariance): &(Tensor, Tensor), what: &str) {
    let (mean, covariance) = (mean.to_vec(), covariance.to_vec());
    let (n, count) = (mean.len(), (paths.len() / mean.len()) as f64);
    let near = |of: &dyn Fn(&[f64]) -> f64, expected: f64, what: &str| {
        let values: Vec<f64> = paths.chunks_exact(n).map(of).collect();
        let found = values.iter().sum::<f64>() / count;
        let error = (values.iter().map(|v| (v - found).powi(2)).sum::<f64>() / count).sqrt() / count.sqrt();
        assert!((found - expected).abs() < 5.0 * error, "{what}: {found} +- {error}, expected {expected}");
    };
    for i in 0..n {
        near(&|f| f[i], mean[i], &format!("{what}, mean {i}"));
        for j in 0..=i {
            let product = |f: &[f64]| (f[i] - mean[i]) * (f[j] - mean[j]);
            near(&product, covariance[i * n + j], &format!("{what}, covariance {i} {j}"));
        }
    }
}

/// What a process draws: moments of the joint, of as many as asked for; the same of a seed, others of another.
fn assert_draws(draw: &dyn Fn(usize, &mut Rng) -> Vec<f64>, joint: &(Tensor, Tensor), what: &str) {
    let paths = draw(DRAWS, &mut Rng::new(7));
    assert_eq!(paths.len(), DRAWS * 5, "{what}");
    assert_moments(&paths, joint, what);
    let bits = |seed: u64| draw(3, &mut Rng::new(seed)).iter().map(|f| f.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(1), bits(1), "{what}");
    assert_ne!(bits(1), bits(2), "{what}");
}

#[test]
fn draws_of_a_variational_process_have_its_joint_and_marginal_moments() {
    let p = Problem::regression(30, 2, 31);
    let mut model = svgp(&p, plane(), gaussian(&p), 8);
    model.natural_step(&every(&p), 1.0).unwrap();
    let joint = model.joint(0, &points()).unwrap();
    assert_diagonal(&joint, &model.predict(&points()).unwrap(), "svgp");
    let draw = |count: usize, rng: &mut Rng| model.sample_paths(&points(), count, rng).unwrap().unwrap();
    assert_draws(&draw, &joint, "svgp");
}

#[test]
fn a_variational_process_with_all_rows_inducing_has_the_exact_joint() {
    let p = Problem::regression(30, 2, 32);
    for mean in [zero as fn() -> Box<dyn Mean>, plane] {
        let mut model = svgp(&p, mean(), gaussian(&p), 30);
        model.natural_step(&every(&p), 1.0).unwrap();
        assert_same(&model.joint(0, &points()).unwrap(), &exact_joint(&p, mean()), 1e-6, "svgp");
    }
}

#[test]
fn the_joint_does_not_depend_on_whitening_and_each_latent_has_its_own() {
    let p = Problem::regression(20, 2, 33);
    let m = 6;
    let mut rng = Rng::new(3);
    let mean = Tensor::from_vec(rng.normals(2 * m), &[2, m]);
    let factors = Tensor::from_vec(rng.normals(2 * m * m), &[2, m, m]) * 0.2;
    let chol = (factors + Tensor::eye(m, p.x.dtype()).unsqueeze(0)).tril(0);
    let mut whitened = svgp(&p, plane(), Box::new(Heteroscedastic), m);
    whitened.set_posterior(&mean, &chol);
    let root = no_grad(|| p.kernel().gram_symmetric(&p.x.narrow(0, 0, m)).cholesky()).unwrap();
    let mut plain = svgp(&p, plane(), Box::new(Heteroscedastic), m).with_unwhitened_posterior().unwrap();
    let each = |of: &dyn Fn(usize) -> Tensor| Tensor::stack(&[of(0), of(1)], 0);
    plain.set_posterior(&each(&|c| root.matmul(&mean.select(0, c))), &each(&|c| root.matmul(&chol.select(0, c))));
    let (means, variances) = whitened.predict(&points()).unwrap();
    for latent in 0..2 {
        let joint = whitened.joint(latent, &points()).unwrap();
        assert_same(&plain.joint(latent, &points()).unwrap(), &joint, 1e-8, "unwhitened");
        let column = |v: &[f64]| v.iter().skip(latent).step_by(2).copied().collect::<Vec<_>>();
        assert_diagonal(&joint, &(column(&means), column(&variances)), "one of two latents");
    }
    // The target is the first latent function plus noise, whose spread is the second.
    let draw = |count: usize, rng: &mut Rng| whitened.sample_paths(&points(), count, rng).unwrap().unwrap();
    assert_draws(&draw, &whitened.joint(0, &points()).unwrap(), "heteroscedastic");
}

/// Averages of the function over a pair of points.
fn averages(z: &Tensor) -> InterDomain {
    let (a, b) = (z.clone(), z.clone());
    let pair = |z: &Tensor| z + 0.3;
    InterDomain::new(
        z.size(0),
        move |k| (k.gram(&a, &a) + k.gram(&pair(&a), &a) + k.gram(&a, &pair(&a)) + k.gram(&pair(&a), &pair(&a))) * 0.25,
        move |k, x| (k.gram(&b, x) + k.gram(&pair(&b), x)) * 0.5,
    )
}

#[test]
fn functions_drawn_from_a_variational_process_have_its_joint_moments() {
    let p = Problem::regression(30, 2, 42);
    let z = p.x.narrow(0, 0, 8);
    let through = |inducing: InterDomain| {
        Svgp::through(p.kernel(), zero(), gaussian(&p), Box::new(inducing), p.x.clone(), p.y.clone()).unwrap()
    };
    let at = z.clone();
    let known = averages(&z).with_of_function(move |f| (f(&at) + f(&(&at + 0.3))) * 0.5);
    for (mut model, what) in [(svgp(&p, zero(), gaussian(&p), 8), "points"), (through(known), "averages")] {
        model.natural_step(&every(&p), 1.0).unwrap();
        // Each path has features of its own, so that the moments over paths are exact for any number of them.
        let draw = |count: usize, rng: &mut Rng| -> Vec<f64> {
            let mut path = || no_grad(|| model.sample_path(0, 30, rng).unwrap().value(&points())).to_vec();
            (0..count).flat_map(|_| path()).collect()
        };
        assert_draws(&draw, &model.joint(0, &points()).unwrap(), what);
    }
    let error = through(averages(&z)).sample_path(0, 30, &mut Rng::new(1)).err().unwrap();
    assert!(error.to_string().contains("only covariances are known"), "{error}");
}

#[test]
fn a_path_reads_back_to_the_same_bits() {
    let p = Problem::regression(20, 2, 43);
    let mut model = svgp(&p, zero(), gaussian(&p), 6);
    model.natural_step(&every(&p), 1.0).unwrap();
    let exact = ExactGp::new(p.kernel(), zero(), p.noise, p.x.clone(), p.targets()).condition().unwrap();
    let rng = &mut Rng::new(3);
    let bits = |path: &SamplePath| path.value(&points()).to_vec().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let file_of = |path: &SamplePath| {
        let mut file = ModelFile::new("test");
        path.save(&mut file, "path");
        ModelFile::from_bytes(&file.to_bytes()).unwrap()
    };
    let sparse = model.sample_path(0, 50, rng).unwrap();
    for path in [&sparse, &exact.sample_path(50, rng).unwrap()] {
        let other = Box::new(Stationary::new(Profile::Matern52, &[9.0, 9.0]));
        let back = SamplePath::load(other, 2, &file_of(path), "path").unwrap();
        assert_eq!(bits(&back), bits(path));
    }
    let mut second = model.sample_path(0, 50, rng).unwrap();
    assert_ne!(bits(&second), bits(&sparse));
    second.restore(&file_of(&sparse), "path").unwrap();
    assert_eq!(bits(&second), bits(&sparse));

    let refusal = |file: &ModelFile| SamplePath::load(p.kernel(), 2, file, "path").err().unwrap().to_string();
    let mut file = file_of(&sparse);
    file.put("path.weights", &[5], &[0.0; 5]);
    assert!(refusal(&file).contains("path.weights"), "{}", refusal(&file));
    let mut file = file_of(&sparse);
    file.set("path.prior", &PriorPath::sample(&Stationary::rbf(1), 1, 50, rng).unwrap());
    assert!(refusal(&file).contains("not those of 2 columns"), "{}", refusal(&file));
}

#[test]
fn draws_of_a_coreset_have_its_moments_and_with_every_row_it_is_exact() {
    let p = Problem::regression(30, 2, 34);
    let few = coreset(&p, plane(), &p.y[..8], 2.5);
    let joint = few.joint(&points()).unwrap();
    assert_diagonal(&joint, &few.predict(&points()).unwrap(), "coreset");
    let draw = |count: usize, rng: &mut Rng| few.sample_paths(&points(), count, rng).unwrap().unwrap();
    assert_draws(&draw, &joint, "coreset");
    // Pseudo-observations are of the zero-mean process.
    let all = coreset(&p, zero(), &p.y, 1.0).joint(&points()).unwrap();
    assert_same(&all, &exact_joint(&p, zero()), 1e-8, "every row");
}

#[test]
fn draws_of_site_models_have_their_moments_and_gaussian_sites_are_exact() {
    let p = Problem::regression(30, 2, 35);
    for (prior, what) in [(dense(&p), "dense"), (sparse(&p), "sparse")] {
        let model = site_gp(&p, prior, plane(), Box::new(StudentT::new(4.0, 0.3)));
        let posterior = model.condition().unwrap();
        let joint = model.joint_with(posterior.as_ref(), &points());
        assert_diagonal(&joint, &model.predict_with(posterior.as_ref(), &points()).unwrap(), what);
        let draw = |count: usize, rng: &mut Rng| {
            model.sample_paths_with(posterior.as_ref(), &points(), count, rng).unwrap().unwrap()
        };
        assert_draws(&draw, &joint, what);
    }
    let mut model = SiteGp::new(dense(&p), plane(), Box::new(Gaussian::new(p.noise)), p.y.clone()).unwrap();
    model.sweep(&Cvi { rho: 1.0 }).unwrap();
    let found = model.joint_with(model.condition().unwrap().as_ref(), &points());
    assert_same(&found, &exact_joint(&p, plane()), 1e-8, "gaussian sites");
}

#[test]
fn draws_of_a_stream_have_its_moments_and_with_every_row_inducing_it_is_exact() {
    let p = Problem::regression(30, 2, 36);
    let model = memory(&p, gaussian(&p));
    let joint = model.joint(0, &points()).unwrap();
    assert_diagonal(&joint, &model.predict(&points()).unwrap(), "memory");
    let draw = |count: usize, rng: &mut Rng| model.sample_paths(&points(), count, rng).unwrap().unwrap();
    assert_draws(&draw, &joint, "memory");
    // Inducing points are placed until they leave a millionth of the variance; sites of precision 20 make more of it.
    assert_same(&joint, &exact_joint(&p, zero()), 1e-3, "every row");
}

#[test]
fn draws_of_a_scale_mixture_have_its_moments() {
    let p = Problem::regression(20, 2, 37);
    let t = ScalePrior::InverseGamma { alpha: 2.0, beta: 1.5 };
    for prior in [ScalePrior::Point, t, ScalePrior::Burr { c: 2.0, k: 1.0 }] {
        let model = scale_mixture(&p, prior);
        let (mean, unit) = model.unit_joint(&points());
        let what = format!("{prior:?}");
        assert_diagonal(&(mean.clone(), unit.clone()), &model.unit_marginals(&points()).unwrap(), &what);
        // The posterior mean of the scale: an inverse gamma's is b / (a - 1), of which the factor is b / a.
        let scale = match model.dof() {
            Some(dof) => model.scale_factor() * dof / (dof - 2.0),
            None => model.scale_factor(),
        };
        let draw = |count: usize, rng: &mut Rng| model.sample_paths(&points(), count, rng).unwrap();
        assert_draws(&draw, &(mean, unit * scale), &what);
    }
    // Without rows, the prior's.
    let none = (Tensor::from_vec(vec![], &[0, 2]), Tensor::from_vec(vec![], &[0]));
    let prior = ScaleMixtureGp::new(p.kernel(), p.noise, ScalePrior::Point, none.0, none.1).condition().unwrap();
    let joint = (Tensor::zeros(&[5], p.x.dtype()), no_grad(|| p.kernel().gram_symmetric(&points())));
    assert_same(&prior.unit_joint(&points()), &joint, 0.0, "no rows");
    assert_moments(&prior.sample_paths(&points(), DRAWS, &mut Rng::new(5)).unwrap(), &joint, "no rows");
}

/// Whitened deviations from the mean are independent given the scale, so that the mean of `u_i² u_j²` is that of `s²` where the scale is
/// common to the rows, and the square of the mean of `s` where each row has its own.
#[test]
fn the_scale_of_a_path_is_common_to_its_rows() {
    let p = Problem::regression(8, 2, 38);
    let model = scale_mixture(&p, ScalePrior::InverseGamma { alpha: 6.0, beta: 5.0 });
    let count = 40_000;
    let paths = model.sample_paths(&points(), count, &mut Rng::new(11)).unwrap();
    let (mean, unit) = model.unit_joint(&points());
    let deviations = Tensor::from_vec(paths, &[count, 5]) - mean.unsqueeze(0);
    let squares = no_grad(|| unit.cholesky().unwrap().solve_lower(&deviations.t())).square().t().to_vec();
    let pairs = |u: &[f64]| (u.iter().sum::<f64>().powi(2) - u.iter().map(|u| u * u).sum::<f64>()) / 20.0;
    let values: Vec<f64> = squares.chunks_exact(5).map(pairs).collect();
    let found = values.iter().sum::<f64>() / count as f64;
    let spread = values.iter().map(|v| (v - found).powi(2)).sum::<f64>() / count as f64;
    let error = (spread / count as f64).sqrt();
    // The scale's posterior is IG(a, b) with 2 a degrees of freedom, and b / a the factor of the variances.
    let a = 0.5 * model.dof().unwrap();
    let b = a * model.scale_factor();
    let (common, apart) = (b * b / ((a - 1.0) * (a - 2.0)), (b / (a - 1.0)).powi(2));
    assert!((found - common).abs() < 5.0 * error, "{found} +- {error}, expected {common}");
    assert!((found - apart).abs() > 5.0 * error, "{found} +- {error} does not tell {common} from {apart}");
}

#[test]
fn where_the_target_is_not_a_function_plus_noise_there_are_no_draws() {
    let p = Problem::classification(20, 2, 39);
    let rng = &mut Rng::new(1);
    let classes = svgp(&p, zero(), Box::new(Single(Box::new(BernoulliProbit::new()))), 6);
    assert!(classes.sample_paths(&points(), 3, rng).unwrap().is_none());
    let mut counts = Problem::regression(20, 2, 40);
    counts.y = (0..20).map(|i| f64::from(i % 5)).collect();
    let model = site_gp(&counts, dense(&counts), zero(), Box::new(Poisson::new(1.0)));
    let posterior = model.condition().unwrap();
    assert!(model.sample_paths_with(posterior.as_ref(), &points(), 3, rng).unwrap().is_none());
    let mut three = Problem::regression(20, 2, 41);
    three.y = (0..20).map(|i| f64::from(i % 3)).collect();
    assert!(memory(&three, Box::new(Softmax::bounded(3))).sample_paths(&points(), 3, rng).unwrap().is_none());
}

#[test]
fn a_covariance_that_is_not_one_is_refused() {
    let covariance = Tensor::from_vec(vec![1.0, 2.0, 2.0, 1.0], &[2, 2]);
    let error = joint_samples(&Tensor::from_vec(vec![0.0; 2], &[2]), &covariance, 3, &mut Rng::new(1)).unwrap_err();
    assert!(error.to_string().contains("positive definite"), "{error}");
}

#[test]
fn more_rows_than_a_covariance_has_room_for_are_refused_before_it_is_made() {
    let x = Tensor::zeros(&[JOINT_ROWS + 1, 1], elbo_tensor::DType::F64);
    let error = joint_paths(&x, 1, &mut Rng::new(1), |_| panic!("it is not asked for")).unwrap_err();
    assert!(error.to_string().contains("at 16385 rows together"), "{error}");
}
