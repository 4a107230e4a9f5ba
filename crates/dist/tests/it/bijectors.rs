//! The three laws of bijections, over one list that includes every layer of a flow.

use super::assert_close;
use elbo_core::Rng;
use elbo_dist::batched::{Batched, Normal};
use elbo_dist::flow::*;
use elbo_dist::transform::*;
use elbo_tensor::{DType, Parameters, Tensor, grad, jacobian};
use std::sync::Arc;

/// Which coordinates of an image are free.
#[derive(Clone, Copy)]
enum Free {
    All,
    /// All but the last.
    Simplex,
    /// The triangle of a matrix below diagonal `-skip`, included.
    Triangle(usize),
    /// Coordinates that keep areas: the angle on the circle, the height and the angle on the sphere in three dimensions; then the radius.
    Sphere,
}

struct Case {
    name: &'static str,
    map: Box<dyn Bijector>,
    /// Shape of a point.
    point: Vec<usize>,
    free: Free,
}

fn t(values: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape)
}

/// Moves the parameters away from the start, where many maps are the identity.
fn shaken(mut map: Box<dyn Bijector>, rng: &mut Rng) -> Box<dyn Bijector> {
    let packed: Vec<f64> = map.pack().iter().map(|p| p + 0.4 * rng.normal()).collect();
    map.unpack(&packed);
    map
}

/// Every bijection. A new one gets a line here.
fn maps() -> Vec<Case> {
    let mut rng = Rng::new(8);
    let r = &mut rng;
    let spline = Monotone::Spline(Spline { bins: 5, bound: 3.0 });
    let mut all: Vec<Case> = vec![];
    let mut add =
        |name, map: Box<dyn Bijector>, point: &[usize], free| all.push(Case { name, map, point: point.to_vec(), free });
    add("exp", Box::new(Exp), &[], Free::All);
    add("softplus", Box::new(Softplus), &[], Free::All);
    add("interval", Box::new(Interval::new(-1.0, 3.0)), &[], Free::All);
    add("tanh", Box::new(Tanh), &[], Free::All);
    add("affine", Box::new(Affine::new(&t(&[0.3, -1.0], &[2]), &t(&[0.5, 2.0], &[2]))), &[2], Free::All);
    let factor = t(&[0.7, 0.0, 0.0, -0.3, 1.5, 0.0, 0.2, 0.9, 0.6], &[3, 3]);
    add("triangular", Box::new(Triangular::new(&t(&[1.0, 2.0, 3.0], &[3]), &factor)), &[3], Free::All);
    add("permutation", Box::new(Permutation::new(vec![2, 0, 1])), &[3], Free::All);
    add("lu", Box::new(Lu::identity(3)), &[3], Free::All);
    add("householder", Box::new(Householder::new(&t(&[0.3, 1.0, -0.5], &[3]))), &[3], Free::All);
    add("ordered", Box::new(Ordered), &[4], Free::All);
    add("stick-breaking", Box::new(StickBreaking), &[3], Free::Simplex);
    add("positive definite", Box::new(PositiveDefinite::new(3)), &[6], Free::Triangle(0));
    add("cholesky factor", Box::new(CholeskyFactor::new(3)), &[6], Free::Triangle(0));
    add("correlation", Box::new(CorrelationCholesky::new(4)), &[6], Free::Triangle(1));
    add("circle", Box::new(Sphere), &[2], Free::Sphere);
    add("sphere", Box::new(Sphere), &[3], Free::Sphere);
    let turned = Chain::new(vec![Box::new(Householder::new(&t(&[0.3, 1.0, -0.5], &[3]))), Box::new(Sphere)]);
    add("chain to the sphere", Box::new(turned), &[3], Free::Sphere);
    add("inverse of exp", Box::new(Chain::new(vec![Box::new(Exp), Box::new(Invert(Softplus))])), &[], Free::All);
    let mixed = Chain::new(vec![Box::new(Lu::identity(3)), Box::new(Tanh), Box::new(Permutation::reversal(3))]);
    add("chain", Box::new(mixed), &[3], Free::All);
    let to_matrix = Chain::new(vec![Box::new(Tanh), Box::new(PositiveDefinite::new(2))]);
    add("chain to matrices", Box::new(to_matrix), &[3], Free::Triangle(0));
    add("blocks", Box::new(Blocks::new(vec![(1, Box::new(Exp)), (3, Box::new(Ordered))])), &[4], Free::All);
    add("masked", Box::new(Masked::new(Exp, vec![true, false, true])), &[3], Free::All);
    add("planar", Box::new(Planar::random(3, r)), &[3], Free::All);
    add("radial", Box::new(Radial::random(3, r)), &[3], Free::All);
    add("sylvester", Box::new(Sylvester::random(3, 2, r)), &[3], Free::All);
    add("actnorm", Box::new(Actnorm::identity(3)), &[3], Free::All);
    let mask = [true, false, true];
    add("nice", Box::new(Coupling::new(&mask, Monotone::Additive, &[4], r)), &[3], Free::All);
    add("realnvp", Box::new(Coupling::new(&mask, Monotone::default(), &[4], r)), &[3], Free::All);
    add("spline coupling", Box::new(Coupling::new(&mask, spline, &[4], r)), &[3], Free::All);
    add("iaf", Box::new(Autoregressive::new(3, Monotone::Gate, &[6], r)), &[3], Free::All);
    add("affine iaf", Box::new(Autoregressive::new(3, Monotone::default(), &[6], r)), &[3], Free::All);
    add("spline iaf", Box::new(Autoregressive::new(3, spline, &[6], r)), &[3], Free::All);
    add("maf", Box::new(Invert(Autoregressive::new(3, Monotone::default(), &[6], r))), &[3], Free::All);
    // Steps short enough for the tolerances of closed maps: the error of order 4 is then below 1e-8, that of the way back and forth below 1e-10.
    add("continuous", Box::new(Continuous::new(3, 3, 128, &mut Rng::new(9))), &[3], Free::All);
    all.into_iter().map(|case| Case { map: shaken(case.map, r), ..case }).collect()
}

/// `count` points around zero, some in the tails of the splines.
fn points(case: &Case, count: usize) -> Tensor {
    let shape = [&[count], &case.point[..]].concat();
    let n = shape.iter().product();
    Tensor::from_vec(Rng::new(31).normals(n).iter().map(|v| 1.3 * v).collect(), &shape)
}

fn free_coordinates(image: &[f64], shape: &[usize], free: Free) -> Vec<f64> {
    match free {
        Free::All => image.to_vec(),
        Free::Simplex => image[..image.len() - 1].to_vec(),
        Free::Triangle(skip) => {
            let d = shape[0];
            (skip..d).flat_map(|i| (0..=i - skip).map(move |j| image[i * d + j])).collect()
        }
        Free::Sphere => {
            let angle = image[1].atan2(image[0]);
            if image.len() == 3 { vec![angle, image[2]] } else { vec![image[2], angle, image[3]] }
        }
    }
}

/// log |det| of a square matrix by elimination with pivots.
fn log_abs_det(mut a: Vec<f64>, n: usize) -> f64 {
    let mut total = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs())).unwrap();
        for c in 0..n {
            a.swap(k * n + c, pivot * n + c);
        }
        total += a[k * n + k].abs().ln();
        for i in k + 1..n {
            let factor = a[i * n + k] / a[k * n + k];
            for c in k..n {
                a[i * n + c] -= factor * a[k * n + c];
            }
        }
    }
    total
}

#[test]
fn log_determinants_are_those_of_the_jacobian_by_differences() {
    for case in maps() {
        let x = points(&case, 5);
        let (y, log_det) = case.map.forward(&x);
        assert_eq!(log_det.shape(), [5], "{}", case.name);
        assert_eq!(y.shape()[1..], case.map.image_shape(&case.point), "{}", case.name);
        assert_eq!(
            (case.point.len(), y.rank() - 1),
            match case.map.ranks() {
                (0, 0) => (0, 0),
                ranks => ranks,
            }
        );
        for row in 0..5 {
            let start = x.row(row).to_vec();
            let n = start.len();
            let image = |p: &[f64]| {
                let y = case.map.forward(&t(p, &case.point)).0;
                free_coordinates(&y.to_vec(), y.shape(), case.free)
            };
            let mut jacobian = vec![0.0; n * n];
            for j in 0..n {
                let h = 1e-5;
                let moved = |delta: f64| {
                    let mut p = start.clone();
                    p[j] += delta;
                    image(&p)
                };
                let (up, down) = (moved(h), moved(-h));
                for i in 0..n {
                    jacobian[i * n + j] = (up[i] - down[i]) / (2.0 * h);
                }
            }
            let what = format!("{} at {start:?}", case.name);
            assert_close(&what, log_det.to_vec()[row], log_abs_det(jacobian, n), 1e-6);
        }
    }
}

#[test]
fn the_inverse_of_the_image_is_the_point_and_its_log_determinant_the_negative() {
    let mut without = vec![];
    for case in maps() {
        let x = points(&case, 50);
        let (y, log_det) = case.map.forward(&x);
        let Some((back, back_log_det)) = case.map.inverse(&y) else {
            without.push(case.name);
            continue;
        };
        for (a, b) in back.to_vec().iter().zip(x.to_vec()) {
            assert_close(case.name, *a, b, 1e-10);
        }
        for (a, b) in back_log_det.to_vec().iter().zip(log_det.to_vec()) {
            assert_close(case.name, -*a, b, 1e-9);
        }
    }
    assert_eq!(without, ["planar", "sylvester"]);
}

/// The point of an image `[1, D]` by Newton's method from `start`, each step halved until it comes closer.
fn solved(map: &dyn Bijector, image: &Tensor, start: &Tensor) -> Tensor {
    let d = start.len();
    let rest = |x: &Tensor| image - map.forward(x).0;
    let size = |rest: &Tensor| rest.square().sum().item();
    let mut x = start.clone();
    for _ in 0..200 {
        let at = x.clone().variable();
        let left = rest(&at);
        if size(&left) < 1e-26 {
            break;
        }
        let slope = jacobian(&left, &at).reshape(&[d, d]);
        let step = slope.solve(&left.detach().reshape(&[d, 1])).unwrap().reshape(&[1, d]);
        let nearer = (0..40).map(|k| &x - &step * 0.5f64.powi(k)).find(|trial| size(&rest(trial)) < size(&left));
        let Some(trial) = nearer else { break };
        x = trial;
    }
    x
}

#[test]
fn layers_without_a_closed_inverse_have_one_point_an_image() {
    let mut found = vec![];
    for case in maps() {
        let x = points(&case, 6);
        let y = case.map.forward(&x).0.detach();
        if case.map.inverse(&y).is_some() {
            continue;
        }
        found.push(case.name);
        for row in 0..6 {
            let (point, image) = (x.narrow(0, row, 1), y.narrow(0, row, 1));
            // From the image itself, from the centre and from the far side: all come back to the point.
            for start in [image.clone(), image.zeros_like(), &image * -3.0] {
                let back = solved(&*case.map, &image, &start);
                for (a, b) in back.to_vec().iter().zip(point.to_vec()) {
                    assert_close(case.name, *a, b, 1e-9);
                }
            }
        }
    }
    assert_eq!(found, ["planar", "sylvester"]);
}

#[test]
fn gradients_of_images_and_log_determinants_agree_with_differences() {
    for mut case in maps() {
        let x = points(&case, 3).variable();
        // Weights that differ by element, so that no term cancels.
        let score = |map: &dyn Bijector, x: &Tensor| {
            let (y, log_det) = map.forward(x);
            let weights = Tensor::linspace(0.5, 1.5, y.len()).reshape(y.shape());
            (y * weights).sum() + log_det.square().sum()
        };
        let output = score(&*case.map, &x);
        let by_point = grad(&output, &[&x]).remove(0).to_vec();
        let by_parameter = case.map.gradient(&output);
        let start = x.to_vec();
        let h = 1e-6;
        for i in 0..start.len() {
            let at = |delta: f64| {
                let mut p = start.clone();
                p[i] += delta;
                score(&*case.map, &t(&p, x.shape())).item()
            };
            assert_close(&format!("{}: coordinate {i}", case.name), by_point[i], (at(h) - at(-h)) / (2.0 * h), 2e-6);
        }
        let packed = case.map.pack();
        for i in 0..packed.len() {
            let mut at = |delta: f64| {
                let mut p = packed.clone();
                p[i] += delta;
                case.map.unpack(&p);
                score(&*case.map, &x).item()
            };
            let numeric = (at(h) - at(-h)) / (2.0 * h);
            assert_close(&format!("{}: parameter {i}", case.name), by_parameter[i], numeric, 2e-6);
        }
    }
}

#[test]
fn errors_of_a_continuous_flow_fall_with_the_fourth_power_of_the_step() {
    let worst = |a: &Tensor, b: &Tensor| (a - b).abs().to_vec().into_iter().fold(0.0, f64::max);
    for seed in [1, 2, 3] {
        // The same velocity for any number of steps.
        let with_steps =
            |steps| shaken(Box::new(Continuous::new(3, 4, steps, &mut Rng::new(seed))), &mut Rng::new(10 + seed));
        let x = Tensor::from_vec(Rng::new(20 + seed).normals(60), &[20, 3]);
        let (fine, fine_log_det) = with_steps(256).forward(&x);
        let errors: Vec<[f64; 4]> = [8, 16, 32]
            .into_iter()
            .map(|steps| {
                let map = with_steps(steps);
                let (y, log_det) = map.forward(&x);
                let (back, back_log_det) = map.inverse(&y).unwrap();
                [worst(&y, &fine), worst(&log_det, &fine_log_det), worst(&back, &x), worst(&back_log_det, &(-&log_det))]
            })
            .collect();
        for pair in errors.windows(2) {
            let ratios: Vec<f64> = pair[0].iter().zip(&pair[1]).map(|(coarse, fine)| coarse / fine).collect();
            // 16 for half the step; there and back again loses one more power, 32. The next power is not negligible at 8 steps.
            assert!(ratios[..2].iter().all(|r| (11.0..24.0).contains(r)), "seed {seed}: {ratios:?}, {errors:?}");
            assert!(ratios[2..].iter().all(|r| *r > 16.0), "seed {seed}: {ratios:?}, {errors:?}");
        }
    }
}

#[test]
fn a_continuous_flow_starts_at_the_identity_and_without_steps_stays_there() {
    let x = Tensor::from_vec(Rng::new(3).normals(8), &[4, 2]);
    let start = Continuous::new(2, 5, 3, &mut Rng::new(1));
    let still = shaken(Box::new(Continuous::new(2, 5, 0, &mut Rng::new(1))), &mut Rng::new(2));
    for (y, log_det) in [start.forward(&x), start.inverse(&x).unwrap(), still.forward(&x), still.inverse(&x).unwrap()] {
        assert_eq!(y.to_vec(), x.to_vec());
        assert_eq!(log_det.to_vec(), [0.0; 4]);
    }
}

#[test]
fn zero_goes_to_the_uniform_point_of_the_simplex() {
    let y = StickBreaking.forward(&Tensor::zeros(&[3], DType::F64)).0;
    y.to_vec().iter().for_each(|v| assert_close("weight", *v, 0.25, 1e-15));
}

#[test]
fn the_direction_of_a_normal_vector_is_uniform_and_its_radius_chi() {
    for d in [1, 2, 3, 6] {
        let x = Tensor::from_vec(Rng::new(7).normals(20 * d), &[20, d]);
        let (y, log_det) = Sphere.forward(&x);
        let (direction, radius) = (y.narrow(-1, 0, d), y.narrow(-1, d, 1).squeeze(-1));
        direction.square().sum_axis(-1, false).to_vec().iter().for_each(|v| assert_close("length", *v, 1.0, 1e-14));
        // The normal density of x is that of the radius and of a uniform direction.
        let normal = Normal::standard(&[d], DType::F64).to_event(1).log_prob(&x) - log_det;
        let parts = Sphere::radial_log_prob(&radius, d) - Sphere::log_area(d);
        normal.to_vec().iter().zip(parts.to_vec()).for_each(|(a, b)| assert_close("density", *a, b, 1e-12));
        let density = |r: f64| Sphere::radial_log_prob(&Tensor::scalar(r), d).item().exp();
        assert_close("mass of radii", elbo_dist::tanh_sinh(density, 0.0, 40.0, 1e-11), 1.0, 1e-6);
    }
    // Two points, a circle, a sphere.
    for (d, area) in [(1, 2.0), (2, std::f64::consts::TAU), (3, 2.0 * std::f64::consts::TAU)] {
        assert_close("area", Sphere::log_area(d), f64::ln(area), 1e-14);
    }
    assert!(Sphere.forward(&Tensor::zeros(&[1, 2], DType::F64)).0.to_vec()[0].is_nan());
}

#[test]
fn the_lkj_density_is_normalised() {
    // With two rows the free entry is the correlation r, of density (1 - r^2)^(eta - 1) / B.
    for eta in [0.7, 1.0, 3.0] {
        let density =
            |r: f64| lkj_cholesky_log_prob(&t(&[1.0, 0.0, r, (1.0 - r * r).sqrt()], &[2, 2]), eta).item().exp();
        assert_close("mass", elbo_dist::tanh_sinh(density, -1.0, 1.0, 1e-11), 1.0, 1e-6);
    }
    // With three, a grid over the partial correlations' free vector.
    let map = CorrelationCholesky::new(3);
    let (n, width) = (40, 8.0);
    let at = |k: usize| -width / 2.0 + width * (k as f64 + 0.5) / n as f64;
    let grid: Vec<f64> = (0..n * n * n).flat_map(|k| [at(k / (n * n)), at(k / n % n), at(k % n)]).collect();
    let (factor, log_det) = map.forward(&t(&grid, &[n * n * n, 3]));
    let mass = (lkj_cholesky_log_prob(&factor, 2.0) + log_det).exp().sum().item() * (width / n as f64).powi(3);
    assert_close("mass of three", mass, 1.0, 1e-4);
}

#[test]
fn a_transformed_normal_is_the_log_normal() {
    let base = Normal::new(Tensor::scalar(0.3), Tensor::scalar(0.7));
    let d = Transformed::new(Arc::new(base), Arc::new(Exp));
    let scalar = elbo_dist::LogNormal { mu: 0.3, sigma: 0.7 };
    for x in [0.2, 1.0, 4.0] {
        assert_close(
            "density",
            d.log_prob(&Tensor::scalar(x)).item(),
            elbo_dist::Distribution::log_prob(&scalar, x),
            1e-14,
        );
    }
    let (z, log_q) = d.rsample_with_log_prob(&[7], &mut Rng::new(1)).unwrap();
    for (a, b) in d.log_prob(&z).to_vec().iter().zip(log_q.to_vec()) {
        assert_close("own draws", *a, b, 1e-13);
    }
}

#[test]
fn actnorm_standardises_the_data_it_is_fitted_to() {
    let x = t(&[1.0, 5.0, 2.0, 5.0, 6.0, 5.0], &[3, 2]);
    let y = Actnorm::fitted(&x).forward(&x).0;
    assert_close("mean", y.mean_axis(0, false).to_vec()[0], 0.0, 1e-14);
    assert_close("variance", y.variance_axis(0, false, 0).to_vec()[0], 1.0, 1e-14);
    assert_eq!(y.select(-1, 1).to_vec(), [0.0; 3]);
}

#[test]
fn flows_are_built_from_texts_and_score_their_draws() {
    for text in [
        "planar:3",
        "radial:2",
        "householder:2",
        "sylvester:2x2",
        "nice:2x4",
        "realnvp:2x4",
        "iaf:2x4",
        "maf:2x4",
        "spline:2x4",
        // As many steps as its inverse needs to agree as closely as the closed ones.
        "continuous:100x4",
        "planar:0",
    ] {
        let spec: FlowSpec = text.parse().unwrap();
        assert_eq!(spec.to_string(), text);
        let mut rng = Rng::new(12);
        let mut flow = spec.build(3, &mut rng).unwrap().with_base(&[0.1, 0.2, 0.3], &[1.0, 0.5, 2.0]);
        let packed: Vec<f64> = flow.pack().iter().map(|p| p + 0.2 * rng.normal()).collect();
        flow.unpack(&packed);
        let (z, log_q) = flow.rsample(200, &mut rng);
        assert_eq!((z.shape(), log_q.shape()), (&[200, 3][..], &[200][..]));
        let again = flow.log_prob(&z);
        assert_eq!(again.is_some(), spec.is_invertible(), "{text}");
        if let Some(again) = again {
            for (a, b) in again.to_vec().iter().zip(log_q.to_vec()) {
                assert_close(text, *a, b, 1e-9);
            }
        }
    }
    for wrong in [
        "planar",
        "planar:",
        "planar:x",
        "planar:3x2",
        "planar:99999999999999999999",
        "unknown:3",
        "spline:2x1",
        "spline:2x501",
        "nice:2x0",
        "nice:-1",
        "continuous:4x0",
        "continuous:10001",
        "realnvp:10000x10000",
    ] {
        let error = wrong.parse::<FlowSpec>().unwrap_err().to_string();
        assert!(error.contains("planar:32"), "{error}");
    }
    assert_eq!("spline:0x8".parse::<FlowSpec>().unwrap().layers(), 0);
    assert!("realnvp:2".parse::<FlowSpec>().unwrap().build(1, &mut Rng::new(1)).is_err());
    for single in ["spline:2x4", "continuous:2x4"] {
        assert!(single.parse::<FlowSpec>().unwrap().build(1, &mut Rng::new(1)).is_ok());
    }
    // All steps share one velocity.
    let count = |text: &str| text.parse::<FlowSpec>().unwrap().build(3, &mut Rng::new(1)).unwrap().pack().len();
    assert_eq!(count("continuous:2x4"), count("continuous:9x4"));
    assert_eq!(count("continuous:0x4"), count("planar:0"));
    for large in ["spline:400x500", "sylvester:1", "maf:100x1000", "householder:10000", "continuous:1x10000"] {
        let error = large.parse::<FlowSpec>().unwrap().build(16_384, &mut Rng::new(1)).err().unwrap().to_string();
        assert!(error.contains("for 16384 coordinates"), "{error}");
    }
}

#[test]
fn importance_weights_of_a_flow_integrate_a_known_density() {
    // The mean of p/q over draws of q is the mass of p, whatever the flow does.
    let mut rng = Rng::new(6);
    for text in ["planar:4", "sylvester:2x2", "iaf:2x6", "spline:2x4", "continuous:8x4"] {
        let mut flow = text.parse::<FlowSpec>().unwrap().build(2, &mut rng).unwrap().with_base(&[0.0; 2], &[1.5; 2]);
        let packed: Vec<f64> = flow.pack().iter().map(|p| p + 0.1 * rng.normal()).collect();
        flow.unpack(&packed);
        let (z, log_q) = flow.rsample(20_000, &mut rng);
        let p = Normal::standard(&[2], DType::F64).to_event(1);
        let weights = (p.log_prob(&z) - log_q).exp().to_vec();
        let mean = weights.iter().sum::<f64>() / 20_000.0;
        let sd = (weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / 20_000.0).sqrt();
        assert!((mean - 1.0).abs() < 5.0 * sd / 20_000f64.sqrt(), "{text}: {mean}");
    }
}
