//! Inducing variables and where they start.

use crate::problems::{Problem, assert_close};
use elbo_core::{Error, Features, ModelFile, Rng};
use elbo_gp::dual::DualGp;
use elbo_gp::evidence::{Elbo, Evidence};
use elbo_gp::inducing::*;
use elbo_gp::kernel::*;
use elbo_gp::likelihood::{Gaussian, Single, StudentT};
use elbo_gp::mean::Zero;
use elbo_gp::prior::SparsePrior;
use elbo_gp::sgpr::{Sgpr, SgprPosterior};
use elbo_gp::site::Cvi;
use elbo_gp::sites::SiteGp;
use elbo_gp::svgp::Svgp;
use elbo_tensor::{Parameters, Tensor, no_grad};

fn cloud(n: usize, seed: u64) -> Features {
    let mut rng = Rng::new(seed);
    Features::numeric(2, rng.normals(2 * n))
}

fn tensor(x: &Features) -> Tensor {
    Tensor::from_slice(&x.values, &[x.rows, x.dims])
}

/// The variance that the points leave: its mean over the data, and its largest value.
fn left_over(kernel: &dyn Kernel, z: &InducingPoints, x: &Features) -> (f64, f64) {
    no_grad(|| {
        let x = tensor(x);
        let a = z.kuu(kernel).cholesky().unwrap().solve_lower(&z.kuf(kernel, &x));
        let rest = kernel.diag(&x) - a.square().sum_axis(0, false);
        (rest.mean().item(), rest.max().item())
    })
}

#[test]
fn kmeans_leaves_less_variance_than_random_rows_and_pivots_a_smaller_largest_one() {
    let (x, kernel) = (cloud(400, 41), Stationary::rbf(2));
    let place = |start| {
        let (z, notes) = InducingPoints::place(start, &kernel, &x, 15, &mut Rng::new(5)).unwrap();
        assert_eq!((z.count(), notes.len()), (15, 0), "{start:?}: {notes:?}");
        left_over(&kernel, &z, &x)
    };
    let [random, kmeans, pivoted] = [InducingStart::Random, InducingStart::Kmeans, InducingStart::Pivoted].map(place);
    assert!(kmeans.0 < random.0, "{kmeans:?} {random:?}");
    assert!(pivoted.1 < random.1 && pivoted.1 < kmeans.1, "{pivoted:?} {kmeans:?} {random:?}");
}

#[test]
fn the_pivoted_start_stops_when_nothing_is_left_and_says_so() {
    let x = cloud(50, 42);
    let (z, notes) = InducingPoints::pivoted(&Linear::new(&[1.0], 1.0), &x, 20, 1e-6, &mut Rng::new(5)).unwrap();
    assert_eq!(z.count(), 3, "a linear function of two inputs has three degrees of freedom");
    assert!(notes[0].contains("3 inducing points explain"), "{notes:?}");
}

#[test]
fn repeated_points_are_dropped_with_a_note() {
    let kernel = Stationary::new(Profile::Matern52, &[1.0, 10.0]);
    let near = vec![0.0, 0.0, 5e-7, 5e-6, 1.0, 1.0, 0.0, 0.0];
    let (z, notes) = InducingPoints::without_duplicates(&kernel, near, 2, 4).unwrap();
    assert_eq!(z.get().to_vec(), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(notes, ["2 inducing points coincide with others and are left out"]);
    let few = Features::numeric(1, vec![1.0, 2.0, 1.0, 2.0]);
    let (z, notes) = InducingPoints::kmeans(&Stationary::rbf(1), &few, 5, &mut Rng::new(1)).unwrap();
    assert_eq!(z.count(), 2);
    assert!(notes[0].contains("no more different rows"), "{notes:?}");
}

#[test]
fn points_of_mixed_columns_have_levels_that_exist() {
    let mut rng = Rng::new(43);
    let values = (0..200).flat_map(|_| [rng.normal(), rng.below(3) as f64]).collect();
    let x = Features { levels: vec![0, 3], ..Features::numeric(2, values) };
    let kernel = KernelConfig::default().build_for(&x).unwrap();
    let (z, _) = InducingPoints::kmeans(kernel.as_ref(), &x, 12, &mut rng).unwrap();
    let codes = z.get().select(1, 1).to_vec();
    assert!(codes.iter().all(|c| [0.0, 1.0, 2.0].contains(c)), "{codes:?}");
    // The codes get no gradient, so optimisers leave them where they are.
    let gradient = z.gradient(&z.kuf(kernel.as_ref(), &tensor(&x)).sum());
    assert!(gradient.chunks(2).all(|g| g[1] == 0.0) && gradient.iter().any(|g| *g != 0.0));
}

#[test]
fn no_points_and_no_rows_are_refused() {
    let kernel = Stationary::rbf(1);
    let empty = Features { dims: 1, levels: vec![0], ..Features::default() };
    let error =
        |x: &Features, count| InducingPoints::kmeans(&kernel, x, count, &mut Rng::new(1)).err().unwrap().to_string();
    assert!(error(&empty, 3).contains("no rows"));
    assert_eq!(error(&Features::numeric(1, vec![1.0]), 0), "setting `inducing` is 0; expected at least 1");
}

/// Averages over a pair of points, as a user would write them.
fn averages(z: &Tensor) -> Box<dyn Inducing> {
    let (a, b) = (z.clone(), z.clone());
    let pair = |z: &Tensor| z + 0.1;
    Box::new(InterDomain::new(
        z.size(0),
        move |k| (k.gram(&a, &a) + k.gram(&pair(&a), &a) + k.gram(&a, &pair(&a)) + k.gram(&pair(&a), &pair(&a))) * 0.25,
        move |k, x| (k.gram(&b, x) + k.gram(&pair(&b), x)) * 0.5,
    ))
}

/// Function values at points, written as variables of any kind.
fn values_at(z: &Tensor) -> Box<dyn Inducing> {
    let (a, b) = (z.clone(), z.clone());
    Box::new(InterDomain::new(z.size(0), move |k| k.gram_symmetric(&a), move |k, x| k.gram(&b, x)))
}

#[test]
fn inter_domain_variables_stand_in_for_points() {
    let domain = averages(&Tensor::from_vec(vec![-1.0, 0.5], &[2, 1]));
    let kernel = Stationary::rbf(1);
    let variables: Box<dyn Inducing> = domain.clone_box();
    assert_eq!(variables.count(), 2);
    let x = Tensor::from_vec(vec![0.0, 1.0, 2.0], &[3, 1]);
    let (kuu, kuf) = (variables.kuu(&kernel), variables.kuf(&kernel, &x));
    assert_eq!((kuu.shape(), kuf.shape()), (&[2, 2][..], &[2, 3][..]));
    // Joint covariance of variables and function values is a covariance.
    let joint =
        Tensor::cat(&[Tensor::cat(&[kuu, kuf.clone()], 1), Tensor::cat(&[kuf.t(), kernel.gram_symmetric(&x)], 1)], 0);
    assert!(joint.eigh().unwrap().0.min().item() > -1e-12);
}

/// A process through variables at a step from the start, as its bound, the gradient of it, and predictions at `new`.
fn variational(p: &Problem, inducing: Box<dyn Inducing>, new: &Tensor) -> Vec<f64> {
    let likelihood = Box::new(Single(Box::new(Gaussian::new(p.noise))));
    let model = Svgp::through(p.kernel(), Box::new(Zero), likelihood, inducing, p.x.clone(), p.y.clone()).unwrap();
    let mut model = model.with_natural_posterior().with_fixed_inducing();
    model.natural_step(&[0, 4, 7, 11, 12, 13, 20, 29], 0.7).unwrap();
    let bound = model.bound(&[1, 2, 5, 25]).unwrap();
    let (mean, variance) = model.predict(new).unwrap();
    [vec![bound.item(), model.full_bound().unwrap()], model.gradient(&bound), mean, variance].concat()
}

/// The same of a process of sites.
fn sites(p: &Problem, inducing: Box<dyn Inducing>, new: &Tensor) -> Vec<f64> {
    let prior = Box::new(SparsePrior::through(p.kernel(), inducing, p.x.clone()));
    let mut model = SiteGp::new(prior, Box::new(Zero), Box::new(StudentT::new(4.0, 0.3)), p.y.clone()).unwrap();
    model.infer(&Cvi { rho: 0.5 }, 10, 1e-9).unwrap();
    let bound = Elbo.value(&model).unwrap();
    let posterior = model.condition().unwrap();
    let (mean, variance) = model.predict_with(posterior.as_ref(), new).unwrap();
    [vec![bound.item()], model.gradient(&bound), mean, variance].concat()
}

/// The same of a dual process.
fn dual(p: &Problem, inducing: Box<dyn Inducing>, new: &Tensor) -> Vec<f64> {
    let mut model = DualGp::through(p.kernel(), Box::new(Gaussian::new(p.noise)), inducing);
    model.step(&p.x.narrow(0, 3, 10), &p.y[3..13], 3.0, 0.6).unwrap();
    let bound = model.bound(&p.x, &p.y, 1.0).unwrap();
    let (mean, variance) = model.predict(new).unwrap();
    [vec![bound.item()], model.gradient(&bound), mean, variance].concat()
}

/// The same of a process with the best posterior, and its bounds.
fn collapsed(p: &Problem, inducing: Box<dyn Inducing>, new: &Tensor) -> Vec<f64> {
    let gp = Sgpr::through(p.kernel(), Box::new(Zero), p.noise, inducing, p.x.clone(), p.targets());
    let gp = gp.with_fixed_inducing();
    let (bound, power, bounds) = (gp.bound().unwrap(), gp.power_bound(0.5).unwrap(), gp.bounds().unwrap());
    let (mean, variance) = gp.condition().unwrap().marginals(new).unwrap();
    let gradients = [gp.gradient(&bound), gp.gradient(&power)].concat();
    [vec![bound.item(), power.item(), bounds.lower, bounds.upper], gradients, mean, variance].concat()
}

#[test]
fn variables_that_are_function_values_are_points_in_every_process() {
    let p = Problem::regression(30, 2, 45);
    let new = Problem::regression(6, 2, 46).x;
    let z = p.x.narrow(0, 0, 7);
    type Fitted = fn(&Problem, Box<dyn Inducing>, &Tensor) -> Vec<f64>;
    for (fitted, name) in
        [(variational as Fitted, "variational"), (sites, "sites"), (dual, "dual"), (collapsed, "collapsed")]
    {
        let (found, expected) = (fitted(&p, values_at(&z), &new), fitted(&p, Box::new(InducingPoints::new(&z)), &new));
        assert_eq!(found.len(), expected.len(), "{name}");
        found.iter().zip(&expected).for_each(|(f, e)| assert_close(*f, *e, 1e-10, name));
        // Averages are other variables, so that the comparison can fail.
        let other = fitted(&p, averages(&z), &new);
        assert!(other.iter().zip(&expected).any(|(o, e)| (o - e).abs() > 1e-3), "{name}");
    }
}

#[test]
fn a_process_through_averages_is_regression_with_the_covariance_that_they_explain() {
    let p = Problem::regression(30, 2, 47);
    let (inducing, kernel) = (averages(&p.x.narrow(0, 0, 8)), p.kernel());
    let expected = no_grad(|| {
        let kuu_chol = inducing.kuu(kernel.as_ref()).cholesky().unwrap();
        let a = kuu_chol.solve_lower(&inducing.kuf(kernel.as_ref(), &p.x));
        let explained = a.t().matmul(&a);
        let left = kernel.diag(&p.x).sum().item() - explained.trace().item();
        let chol = (explained + Tensor::eye(30, p.x.dtype()) * p.noise).cholesky().unwrap();
        let quadratic = chol.solve_lower(&p.targets().unsqueeze(1)).square().sum().item();
        let log_density = -0.5 * (quadratic + 30.0 * std::f64::consts::TAU.ln()) - chol.diagonal().log().sum().item();
        log_density - 0.5 * left / p.noise
    });
    let likelihood = Box::new(Single(Box::new(Gaussian::new(p.noise))));
    let mut model = Svgp::through(p.kernel(), Box::new(Zero), likelihood, inducing, p.x.clone(), p.y.clone()).unwrap();
    model.natural_step(&(0..30).collect::<Vec<_>>(), 1.0).unwrap();
    assert_close(model.full_bound().unwrap(), expected, 1e-6, "bound");
    assert_eq!(model.inducing().count(), 8);
    let inducing = averages(&p.x.narrow(0, 0, 8));
    let best = Sgpr::through(p.kernel(), Box::new(Zero), p.noise, inducing, p.x.clone(), p.targets());
    assert_close(best.bound().unwrap().item(), expected, 1e-6, "collapsed bound");
}

#[test]
fn a_posterior_through_averages_reads_back_to_the_same_bits() {
    let p = Problem::regression(25, 2, 48);
    let through = || averages(&p.x.narrow(0, 0, 6));
    let gp = Sgpr::through(p.kernel(), Box::new(Zero), p.noise, through(), p.x.clone(), p.targets());
    let posterior = gp.condition().unwrap();
    let mut file = ModelFile::new("test");
    posterior.save(&mut file, "posterior");
    let back = SgprPosterior::load_through(p.kernel(), Box::new(Zero), through(), &file, "posterior").unwrap();
    let new = Problem::regression(5, 2, 49).x;
    assert_eq!(back.marginals(&new).unwrap(), posterior.marginals(&new).unwrap());
    // Points are asked for by name, and other numbers of variables do not fit.
    assert!(SgprPosterior::load(p.kernel(), Box::new(Zero), 2, &file, "posterior").is_err());
    let fewer = averages(&p.x.narrow(0, 0, 5));
    assert!(SgprPosterior::load_through(p.kernel(), Box::new(Zero), fewer, &file, "posterior").is_err());
}

#[test]
fn variables_that_follow_from_each_other_are_not_called_points() {
    let p = Problem::regression(12, 1, 50);
    // No covariance has such a matrix, whatever is added to its diagonal within the policy.
    let opposed = InterDomain::new(
        2,
        |_| Tensor::from_vec(vec![1.0, 2.0, 2.0, 1.0], &[2, 2]),
        |_, x| Tensor::zeros(&[2, x.size(0)], x.dtype()),
    );
    let gp = Sgpr::through(p.kernel(), Box::new(Zero), p.noise, Box::new(opposed), p.x.clone(), p.targets());
    let error = gp.bound().err().unwrap();
    let Error::Numerical { remedy, .. } = &error else { panic!("{error}") };
    assert!(remedy.contains("fewer inducing variables"), "{remedy}");
}

/// A lower triangular factor.
fn factor(n: usize, rng: &mut Rng) -> Tensor {
    Tensor::from_vec(rng.normals(n * n), &[n, n]).tril(-1) * 0.3
        + Tensor::from_vec((0..n).map(|_| rng.range(0.3, 1.2)).collect(), &[n]).diag()
}

#[test]
fn orthogonal_decoupling_is_a_sparse_posterior_on_the_union() {
    let mut rng = Rng::new(44);
    let kernel = Stationary::rbf(2);
    let points = |n: usize, rng: &mut Rng| Tensor::from_vec(rng.normals(2 * n), &[n, 2]);
    let (u, v, x) = (points(4, &mut rng), points(3, &mut rng), points(5, &mut rng));
    let (mean_u, mean_v) = (Tensor::from_vec(rng.normals(4), &[4]), Tensor::from_vec(rng.normals(3), &[3]));
    let (factor_u, factor_v) = (factor(4, &mut rng), factor(3, &mut rng));
    let kuu_chol = kernel.gram_symmetric(&u).cholesky().unwrap();
    let projections = orthogonal::project(
        &kuu_chol,
        &kernel.gram(&u, &v),
        &kernel.gram(&u, &x),
        &kernel.gram_symmetric(&v),
        &kernel.gram(&v, &x),
    )
    .unwrap();
    let (mean, variance) =
        orthogonal::marginals(&projections, &kernel.diag(&x), &mean_u, &factor_u, &mean_v, Some(&factor_v));

    // The union's Cholesky factor has L_u and L_v on its diagonal, so its whitened variables are ours side by side.
    let union = Tensor::cat(&[u.clone(), v], 0);
    let whole = kernel.gram_symmetric(&union).cholesky().unwrap().solve_lower(&kernel.gram(&union, &x));
    let m = Tensor::cat(&[mean_u.clone(), mean_v.clone()], 0);
    let r = factor_u.pad(&[(0, 3), (0, 3)]) + factor_v.pad(&[(4, 0), (4, 0)]);
    let union_mean = whole.t().matmul(&m);
    let columns = |t: &Tensor| t.square().sum_axis(0, false);
    let union_variance = kernel.diag(&x) - columns(&whole) + columns(&r.t().matmul(&whole));
    let close = |a: &Tensor, b: &Tensor| a.to_vec().iter().zip(b.to_vec()).all(|(a, b)| (a - b).abs() < 1e-9);
    assert!(close(&mean, &union_mean) && close(&variance, &union_variance));

    let kl = |m: &Tensor, r: &Tensor| {
        let n = m.len() as f64;
        0.5 * (r.square().sum().item() + m.square().sum().item() - n) - r.diagonal().log().sum().item()
    };
    let divergence = orthogonal::divergence(&mean_u, &factor_u, &mean_v, Some(&factor_v));
    assert!((divergence.item() - kl(&m, &r)).abs() < 1e-12);
    let prior_v = orthogonal::divergence(&mean_u, &factor_u, &mean_v, None).item();
    let identity = Tensor::eye(3, elbo_tensor::DType::F64);
    assert!((prior_v - orthogonal::divergence(&mean_u, &factor_u, &mean_v, Some(&identity)).item()).abs() < 1e-13);

    // With the prior on v it is the sparse posterior on u alone, as without any v.
    let zero = mean_v.zeros_like();
    let (mean, variance) = orthogonal::marginals(&projections, &kernel.diag(&x), &mean_u, &factor_u, &zero, None);
    let a = kuu_chol.solve_lower(&kernel.gram(&u, &x));
    let alone = kernel.diag(&x) - columns(&a) + columns(&factor_u.t().matmul(&a));
    assert!(close(&mean, &a.t().matmul(&mean_u)) && close(&variance, &alone));
    let divergence = orthogonal::divergence(&mean_u, &factor_u, &zero, None);
    assert!((divergence.item() - kl(&mean_u, &factor_u)).abs() < 1e-12);
}

#[test]
fn decoupling_with_nothing_left_over_is_refused() {
    let kernel = Linear::new(&[1.0], 1.0);
    let u = Tensor::from_vec(vec![0.0, 1.0, 1.0, 0.0], &[4, 1]).narrow(0, 0, 2);
    let far = Tensor::from_vec(vec![1e9, -1e9], &[2, 1]);
    let kuu_chol = kernel.gram_symmetric(&u).cholesky().unwrap();
    let (_, cvf, _) = orthogonal::residual_covariances(
        &kuu_chol,
        &kernel.gram(&u, &u),
        &kernel.gram(&u, &far),
        &kernel.gram_symmetric(&u),
        &kernel.gram(&u, &far),
    );
    // v = u: nothing is left but rounding of numbers near 1e9.
    assert!(cvf.abs().max().item() < 1e-5);
}
