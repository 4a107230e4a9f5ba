//! Laws that every kernel obeys, over one list of constructors.

use elbo_core::Rng;
use elbo_gp::kernel::*;
use elbo_tensor::{Parameters, Tensor, grad, grad_graph, no_grad};

/// What a kernel's inputs are.
#[derive(Clone, Copy, PartialEq)]
pub enum Inputs {
    /// Real numbers in this many dimensions.
    Real(usize),
    /// Counts in this many dimensions.
    Counts(usize),
    /// Codes of categories with these numbers of levels, some unseen.
    Levels(&'static [usize]),
    /// Two real numbers and a category with three levels.
    Mixed,
}

pub struct Case {
    pub name: &'static str,
    pub kernel: Box<dyn Kernel>,
    pub inputs: Inputs,
    /// Whether second derivatives exist and are checked.
    is_smooth: bool,
}

fn case(name: &'static str, inputs: Inputs, kernel: impl Kernel + 'static) -> Case {
    Case { name, kernel: Box::new(kernel), inputs, is_smooth: true }
}

fn rough(case: Case) -> Case {
    Case { is_smooth: false, ..case }
}

/// One line a kernel; see `kernel/mod.rs` on adding one.
pub fn every_kernel() -> Vec<Case> {
    use Inputs::*;
    let mixture =
        |spectrum| SpectralMixture::new(spectrum, 2, &[0.7, 1.1], &[0.1, 0.4, 0.9, 0.2], &[0.3, 0.2, 0.15, 0.6]);
    let rbf = || Box::new(Stationary::new(Profile::Rbf, &[0.6, 1.4]).with_variance(1.3)) as Box<dyn Kernel>;
    let mixed = Product::new(vec![
        Box::new(Active::new(vec![0, 2], Box::new(Stationary::matern52(2)))),
        Box::new(Active::new(vec![1], Box::new(Exchangeable::new(&[3], 0.4)))),
    ]);
    vec![
        case("rbf", Real(2), Stationary::new(Profile::Rbf, &[0.6, 1.4]).with_variance(1.3)),
        case("rbf, one lengthscale", Real(3), Stationary::new(Profile::Rbf, &[0.8])),
        case("rbf, many dimensions", Real(20), Stationary::rbf(20)),
        rough(case("matern12", Real(2), Stationary::new(Profile::Matern12, &[0.6, 1.4]).with_variance(0.7))),
        case("matern32", Real(2), Stationary::new(Profile::Matern32, &[0.6, 1.4])),
        case("matern52", Real(3), Stationary::new(Profile::Matern52, &[0.6, 1.4, 0.9]).with_variance(2.0)),
        case("rational quadratic", Real(2), Stationary::new(Profile::RationalQuadratic, &[0.6, 1.4]).with_alpha(1.7)),
        case("periodic", Real(2), Periodic::new(&[1.3, 0.8]).with(0.9, 1.2)),
        case("linear", Real(2), Linear::new(&[0.5, 2.0], 0.3)),
        case("polynomial", Real(2), Polynomial::new(3, 0.6, 1.5)),
        case("constant", Real(2), Constant::new(0.8)),
        case("white", Real(2), White::new(0.4)),
        rough(case("arc-cosine 0", Real(2), ArcCosine::new(0, &[0.5, 1.5], 0.4).with_variance(1.2))),
        rough(case("arc-cosine 1", Real(2), ArcCosine::new(1, &[0.5, 1.5], 0.4).with_variance(1.2))),
        rough(case("arc-cosine 2", Real(2), ArcCosine::new(2, &[0.7], 0.4))),
        rough(case("nngp, relu", Real(3), Nngp::new(Activation::Relu, 3, 1.8, 0.2).with_variance(1.1))),
        case("nngp, erf", Real(3), Nngp::new(Activation::Erf, 2, 1.8, 0.2)),
        case("spectral mixture", Real(2), mixture(Spectrum::Gaussian)),
        rough(case("spectral mixture, t1", Real(2), mixture(Spectrum::Student1))),
        rough(case("spectral mixture, t3", Real(2), mixture(Spectrum::Student3))),
        case("spectral mixture, t5", Real(2), mixture(Spectrum::Student5)),
        case("exchangeable", Levels(&[3, 4]), Exchangeable::new(&[3, 4], 0.3)),
        case("hamming", Levels(&[3, 2, 4]), Hamming::new(&[3, 2, 4], 0.7)),
        case("index", Levels(&[4]), Index::new(4, 2)),
        rough(case("tanimoto", Counts(6), Tanimoto::new(1.4))),
        case("changepoint", Real(2), Changepoint::new(1, 0.2, 1.5, rbf(), Box::new(Linear::new(&[0.7], 0.2)))),
        case("sum", Real(2), Sum::new(vec![rbf(), Box::new(White::new(0.2)), Box::new(Linear::new(&[0.7], 0.2))])),
        case("product", Real(2), Product::new(vec![rbf(), Box::new(Periodic::new(&[1.0, 1.5]))])),
        case("scaled", Real(2), Scaled::new(1.7, rbf())),
        case("mixed", Mixed, mixed),
        case("warped", Real(2), Warped::by(|x| Tensor::cat(&[x.sin(), x.square()], 1), Box::new(Stationary::rbf(4)))),
    ]
}

/// `[n, D]` points; the second repeats the first, and some levels are unseen.
pub fn points(inputs: Inputs, n: usize, rng: &mut Rng) -> Tensor {
    let level = |levels: usize, rng: &mut Rng| rng.below(levels + 1) as f64 - 1.0;
    let row = |rng: &mut Rng| -> Vec<f64> {
        match inputs {
            Inputs::Real(d) => (0..d).map(|_| rng.normal()).collect(),
            Inputs::Counts(d) => (0..d).map(|_| rng.poisson(1.5) as f64).collect(),
            Inputs::Levels(levels) => levels.iter().map(|l| level(*l, rng)).collect(),
            Inputs::Mixed => vec![rng.normal(), level(3, rng), rng.normal()],
        }
    };
    let mut rows: Vec<Vec<f64>> = (0..n).map(|_| row(rng)).collect();
    if n > 1 {
        rows[1] = rows[0].clone();
    }
    let d = rows.first().map_or(0, Vec::len);
    Tensor::from_vec(rows.concat(), &[n, d])
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.to_vec().iter().zip(b.to_vec()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn gram_matrices_are_symmetric_and_positive_semidefinite() {
    let mut rng = Rng::new(1);
    for case in every_kernel() {
        for n in [1, 2, 7, 15] {
            let x = points(case.inputs, n, &mut rng);
            let k = no_grad(|| case.kernel.gram_symmetric(&x));
            let scale = k.diagonal().max().item();
            assert!(largest_difference(&k, &k.t()) <= 1e-14 * scale, "{} is not symmetric", case.name);
            let (values, _) = k.eigh().unwrap();
            // Arccosines near one lose half the digits, which the order-0 kernel feels for repeated rows.
            let tolerance = if case.name == "arc-cosine 0" { 1e-7 } else { 1e-12 * n as f64 };
            assert!(values.min().item() > -tolerance * scale, "{}: {:?}", case.name, values.min());
        }
    }
}

#[test]
fn diag_is_the_diagonal_of_the_symmetric_gram_matrix() {
    let mut rng = Rng::new(2);
    for case in every_kernel() {
        let x = points(case.inputs, 9, &mut rng);
        let (diag, full) = no_grad(|| (case.kernel.diag(&x), case.kernel.gram_symmetric(&x).diagonal()));
        assert!(largest_difference(&diag, &full) < 1e-13 * full.max().item(), "{}", case.name);
    }
}

#[test]
fn symmetric_and_cross_matrices_agree_but_for_noise() {
    let mut rng = Rng::new(3);
    for case in every_kernel() {
        let x = points(case.inputs, 6, &mut rng);
        let (full, cross) = no_grad(|| (case.kernel.gram_symmetric(&x), case.kernel.gram(&x, &x)));
        let noise = if ["white", "sum"].contains(&case.name) {
            full.diagonal() - cross.diagonal()
        } else {
            full.diagonal() * 0.0
        };
        let tolerance = if case.name == "arc-cosine 0" { 1e-7 } else { 1e-12 };
        assert!(largest_difference(&full, &(&cross + noise.diag())) < tolerance * full.max().item(), "{}", case.name);
        let z = points(case.inputs, 4, &mut rng);
        let back = no_grad(|| case.kernel.gram(&z, &x).t());
        assert!(
            largest_difference(&no_grad(|| case.kernel.gram(&x, &z)), &back) < 1e-13 * full.max().item(),
            "{}",
            case.name
        );
    }
}

/// A scalar that feels every entry of every method.
fn probe(kernel: &dyn Kernel, x: &Tensor, z: &Tensor) -> Tensor {
    let weights =
        |n: usize, m: usize| Tensor::from_vec((0..n * m).map(|i| (i as f64 * 0.7 + 0.3).sin()).collect(), &[n, m]);
    let (n, m) = (x.size(0), z.size(0));
    (kernel.gram(x, z) * weights(n, m)).sum()
        + (kernel.gram_symmetric(x) * weights(n, n)).sum()
        + (kernel.diag(z) * weights(1, m).reshape(&[m])).sum()
}

/// Central differences agree with the gradient, relative to its size.
fn assert_gradient(
    name: &str,
    f: &mut dyn FnMut(&[f64]) -> f64,
    gradient: &[f64],
    at: &[f64],
    skip: &dyn Fn(usize) -> bool,
) {
    assert_eq!(gradient.len(), at.len(), "{name}");
    let size = gradient.iter().fold(1.0f64, |m, g| m.max(g.abs()));
    for i in (0..at.len()).filter(|i| !skip(*i)) {
        let h = 1e-5;
        let mut shifted = |delta: f64| {
            let mut p = at.to_vec();
            p[i] += delta;
            f(&p)
        };
        let numeric = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!((numeric - gradient[i]).abs() <= 2e-7 * size, "{name}, d{i}: {numeric} (numeric) vs {}", gradient[i]);
    }
}

/// Distinct rows away from kinks, for finite differences.
fn scattered(inputs: Inputs, n: usize, rng: &mut Rng) -> Tensor {
    match inputs {
        Inputs::Real(_) => {
            let d = points(inputs, 1, rng).size(1);
            Tensor::from_vec(rng.normals(n * d), &[n, d])
        }
        // Counts need not be whole numbers for the formula, and ties are kinks.
        Inputs::Counts(d) => Tensor::from_vec((0..n * d).map(|_| rng.range(0.1, 5.0)).collect(), &[n, d]),
        _ => points(inputs, n, rng),
    }
}

fn is_categorical(inputs: Inputs, at: usize) -> bool {
    matches!(inputs, Inputs::Levels(_)) || (inputs == Inputs::Mixed && at % 3 == 1)
}

#[test]
fn gradients_in_parameters_and_inputs_are_central_differences() {
    let mut rng = Rng::new(4);
    for case in every_kernel() {
        let (x, z) = (scattered(case.inputs, 4, &mut rng), scattered(case.inputs, 3, &mut rng));
        let kernel = case.kernel.as_ref();
        let mut moved = case.kernel.clone();
        let mut value = |free: &[f64]| {
            moved.unpack(free);
            no_grad(|| probe(moved.as_ref(), &x, &z).item())
        };
        let gradient = kernel.gradient(&probe(kernel, &x, &z));
        assert!(!gradient.is_empty() || case.name == "warped", "{}", case.name);
        assert_gradient(case.name, &mut value, &gradient, &kernel.pack(), &|_| false);

        let (tx, tz) = (x.clone().variable(), z.clone().variable());
        let gradients = grad(&probe(kernel, &tx, &tz), &[&tx, &tz]);
        let skip = |at: usize| is_categorical(case.inputs, at);
        let mut in_x = |v: &[f64]| no_grad(|| probe(kernel, &Tensor::from_slice(v, x.shape()), &z).item());
        assert_gradient(case.name, &mut in_x, &gradients[0].to_vec(), &x.to_vec(), &skip);
        let mut in_z = |v: &[f64]| no_grad(|| probe(kernel, &x, &Tensor::from_slice(v, z.shape())).item());
        assert_gradient(case.name, &mut in_z, &gradients[1].to_vec(), &z.to_vec(), &skip);
    }
}

#[test]
fn second_derivatives_are_central_differences_of_first_ones() {
    let mut rng = Rng::new(5);
    for case in every_kernel().into_iter().filter(|c| c.is_smooth && matches!(c.inputs, Inputs::Real(_))) {
        let (x, z) = (scattered(case.inputs, 3, &mut rng), scattered(case.inputs, 2, &mut rng));
        let direction = Tensor::from_vec(rng.normals(x.len()), x.shape());
        // The directional derivative in x, differentiated again in x and in the parameters.
        let slope = |kernel: &dyn Kernel, x: &Tensor| {
            let first = grad_graph(&probe(kernel, x, &z), &[x]).remove(0);
            (first * &direction).sum()
        };
        let tracked = x.clone().variable();
        let output = slope(case.kernel.as_ref(), &tracked);
        if !output.is_tracked() {
            continue;
        }
        let second = grad(&output, &[&tracked]).remove(0).to_vec();
        let mut in_x = |v: &[f64]| slope(case.kernel.as_ref(), &Tensor::from_slice(v, x.shape()).variable()).item();
        assert_gradient(case.name, &mut in_x, &second, &x.to_vec(), &|_| false);
        let mixed = case.kernel.gradient(&output);
        let mut moved = case.kernel.clone();
        let mut in_free = |free: &[f64]| {
            moved.unpack(free);
            slope(moved.as_ref(), &x.clone().variable()).item()
        };
        assert_gradient(case.name, &mut in_free, &mixed, &case.kernel.pack(), &|_| false);
    }
}

#[test]
fn the_fused_gram_matrix_is_the_composed_one() {
    let mut rng = Rng::new(6);
    let (x, z) = (points(Inputs::Real(3), 40, &mut rng), points(Inputs::Real(3), 30, &mut rng));
    let profiles = [Profile::Rbf, Profile::Matern12, Profile::Matern32, Profile::Matern52, Profile::RationalQuadratic];
    for profile in profiles {
        for scales in [&[0.4, 1.0, 2.0][..], &[0.7]] {
            let kernel = Stationary::new(profile, scales).with_variance(1.3);
            let (fast, slow) = no_grad(|| (kernel.gram(&x, &z), kernel.composed(&x, &z)));
            assert!(largest_difference(&fast, &slow) < 1e-13, "{profile:?}");
            let (fast, slow) = no_grad(|| (kernel.gram_symmetric(&x), kernel.composed(&x, &x)));
            assert!(largest_difference(&fast, &slow) < 1e-13, "{profile:?}");
        }
    }
}

#[test]
fn derivatives_at_coinciding_points_are_those_of_the_formula() {
    let x = Tensor::from_vec(vec![0.3, -0.2], &[1, 2]);
    let scales = [0.6, 1.4];
    // -g'(r)/r at zero: 1, 3 and 5/3; the Matern-3/2 and -1/2 lack the derivative that the loop below would need for more.
    for (profile, slope) in [(Profile::Rbf, 1.0), (Profile::Matern32, 3.0), (Profile::Matern52, 5.0 / 3.0)] {
        let kernel = Stationary::new(profile, &scales);
        let (a, b) = (x.clone().variable(), x.clone().variable());
        let first = grad_graph(&kernel.composed(&a, &b).sum(), &[&a]).remove(0);
        assert_eq!(first.to_vec(), [0.0, 0.0], "{profile:?}");
        let second = grad(&first.select(1, 0).sum(), &[&b]).remove(0).to_vec();
        assert!((second[0] - slope / scales[0].powi(2)).abs() < 1e-9, "{profile:?}: {second:?}");
        assert!(second[1].abs() < 1e-9);
    }
    let rough = Stationary::matern12(2);
    let a = x.clone().variable();
    assert_eq!(grad(&rough.gram(&a, &x).sum(), &[&a])[0].to_vec(), [0.0, 0.0], "no NaN at the kink");
}

#[test]
fn clones_have_parameters_of_their_own_and_names_are_unique() {
    for case in every_kernel() {
        let mut copy = case.kernel.clone();
        let before = case.kernel.pack();
        copy.unpack(&before.iter().map(|v| v + 0.1).collect::<Vec<_>>());
        assert_eq!(case.kernel.pack(), before, "{}", case.name);
        let mut names = case.kernel.names();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), case.kernel.names().len(), "{}: {names:?}", case.name);
        assert!(!case.kernel.summary().is_empty());
    }
    let sum = Sum::new(vec![Box::new(Stationary::rbf(1)), Box::new(White::new(0.1))]);
    assert_eq!(sum.names(), ["terms.0.lengthscale", "terms.0.variance", "terms.1.variance"]);
}

#[test]
fn unseen_levels_keep_their_variance_and_have_no_correlation_with_seen_ones() {
    let x = Tensor::from_vec(vec![0.0, 1.0, -1.0], &[3, 1]);
    let kernels: [Box<dyn Kernel>; 3] =
        [Box::new(Exchangeable::new(&[3], 0.4)), Box::new(Hamming::new(&[3], 0.7)), Box::new(Index::new(3, 1))];
    for kernel in kernels {
        let k = no_grad(|| kernel.gram(&x, &x)).to_vec();
        assert!(k[1] > 0.0, "seen levels are alike: {}", kernel.summary());
        assert_eq!([k[2], k[5], k[6], k[7]], [0.0; 4], "{}", kernel.summary());
        assert!((k[8] - k[0]).abs() < 1e-12, "{}", kernel.summary());
    }
}

#[test]
fn white_noise_knows_rows_and_not_values() {
    let kernel = White::new(0.4);
    let x = Tensor::from_vec(vec![1.0, 1.0], &[2, 1]);
    assert_eq!(kernel.gram(&x, &x).to_vec(), [0.0; 4]);
    let full = kernel.gram_symmetric(&x).to_vec();
    assert_eq!([full[1], full[2]], [0.0, 0.0]);
    assert!((full[0] - 0.4).abs() < 1e-15 && (full[3] - 0.4).abs() < 1e-15);
}

#[test]
fn a_periodic_kernel_is_the_sum_of_its_harmonics() {
    for lengthscale in [0.3, 1.0, 4.0] {
        let kernel = Periodic::new(&[1.3]).with(lengthscale, 1.0);
        let weights = kernel.harmonics(0);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        for lag in [0.0, 0.2, 0.61] {
            let (x, z) = (Tensor::from_vec(vec![0.0], &[1, 1]), Tensor::from_vec(vec![lag], &[1, 1]));
            let sum: f64 =
                weights.iter().enumerate().map(|(j, w)| w * (std::f64::consts::TAU * j as f64 * lag / 1.3).cos()).sum();
            assert!((kernel.gram(&x, &z).item() - sum).abs() < 1e-13, "lengthscale {lengthscale}, lag {lag}");
        }
    }
}

#[test]
fn counts_that_are_negative_are_refused_with_row_and_column() {
    let x = Tensor::from_vec(vec![1.0, 2.0, 0.0, -3.0], &[2, 2]);
    let kernel = Scaled::new(2.0, Box::new(Tanimoto::new(1.0)));
    let error = kernel.check_inputs(&x).unwrap_err();
    assert_eq!(error.to_string(), "column 1 is negative in row 2; the Tanimoto kernel compares counts");
}

#[test]
fn two_empty_count_vectors_are_alike() {
    let x = Tensor::zeros(&[1, 4], elbo_tensor::DType::F64).variable();
    let k = Tanimoto::new(1.0).gram(&x, &x);
    assert!((k.item() - 1.0).abs() < 1e-15);
    assert!(grad(&k, &[&x])[0].is_finite());
}
