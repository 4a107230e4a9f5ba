//! Fused operations against their composed twins, against differences, and against what is known in closed form.

mod marginals;

use elbo_core::Rng;
use elbo_tensor::fused::{self, Radial};
use elbo_tensor::{Ladder, Tensor, grad, grad_graph, hvp};

const RADIALS: [Radial; 5] =
    [Radial::Rbf, Radial::Matern12, Radial::Matern32, Radial::Matern52, Radial::RationalQuadratic];

fn normals(shape: &[usize], seed: u64) -> Tensor {
    Tensor::from_vec(Rng::new(seed).normals(shape.iter().product()), shape)
}

fn positive(shape: &[usize], seed: u64) -> Tensor {
    normals(shape, seed).tanh() * 0.4 + 0.9
}

/// A well-conditioned covariance.
fn covariance(n: usize, seed: u64) -> Tensor {
    let a = normals(&[n, n], seed);
    a.matmul(&a.t()) / n as f64 + Tensor::eye(n, a.dtype())
}

/// A function of tensors.
type Function = Box<dyn Fn(&[Tensor]) -> Tensor>;

/// A case: a name, the inputs, and a function of them to one scalar. Of an input that must be symmetric, the function symmetrises.
struct Case {
    name: String,
    inputs: Vec<Tensor>,
    f: Function,
    /// The same from tensor operations alone.
    composed: Function,
}

fn symmetric(a: &Tensor) -> Tensor {
    (a + a.t()) * 0.5
}

/// A sum with different weights, so that no gradient is a constant.
fn weigh(x: &Tensor) -> Tensor {
    let weights = Tensor::from_vec((0..x.len()).map(|i| (i as f64 * 0.7 + 0.3).sin()).collect(), x.shape());
    (x * weights).sum()
}

fn distances(x: &Tensor, z: &Tensor, lengthscales: &Tensor) -> Tensor {
    let t = x.unsqueeze(1) - z.unsqueeze(0);
    (t / lengthscales).square().sum_axis(-1, false)
}

/// Values of a kernel at distances that are not zero.
fn profile(radial: Radial, s: &Tensor, alpha: &Tensor) -> Tensor {
    let r = s.sqrt();
    let (r3, r5) = (&r * 3f64.sqrt(), &r * 5f64.sqrt());
    match radial {
        Radial::Rbf => (s * -0.5).exp(),
        Radial::Matern12 => (-r).exp(),
        Radial::Matern32 => (&r3 + 1.0) * (-r3).exp(),
        Radial::Matern52 => (&r5 + s * (5.0 / 3.0) + 1.0) * (-r5).exp(),
        Radial::RationalQuadratic => (s / (alpha * 2.0) + 1.0).pow(&-alpha.clone()),
    }
}

fn log_marginal(k: &Tensor, noise: &Tensor, y: &Tensor) -> Tensor {
    let n = y.size(0);
    let l = (k + noise.broadcast_to(&[n]).diag()).cholesky().unwrap();
    let y = y.reshape(&[n, y.len() / n]);
    let constant = n as f64 * std::f64::consts::TAU.ln();
    (l.solve_lower(&y).square().sum() + (l.cholesky_log_det() + constant) * y.size(1) as f64) * -0.5
}

/// `log N(y; 0, Q + noise) - ½ tr(K - Q)/noise` by the dense matrix `Q = Kfu Kuu⁻¹ Kuf`.
fn dense_sgpr(kuu: &Tensor, kuf: &Tensor, kdiag: &Tensor, noise: &Tensor, y: &Tensor) -> Tensor {
    let a = kuu.cholesky().unwrap().solve_lower(kuf);
    let q = a.t().matmul(&a);
    log_marginal(&q, noise, y) - ((kdiag - q.diagonal()) / noise).sum() * 0.5
}

fn dense_svgp(kuu: &Tensor, kuf: &Tensor, kff: &Tensor, mean: &Tensor, chol: &Tensor) -> Tensor {
    let a = kuu.cholesky().unwrap().solve_lower(kuf);
    let r = chol.tril(0);
    let s = r.matmul(&r.t()) - Tensor::eye(a.size(0), a.dtype());
    let variance = kff + (&a * s.matmul(&a)).sum_axis(-2, false);
    Tensor::stack(&[mean.unsqueeze(-2).matmul(&a).squeeze(-2), variance], 0)
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![];
    let mut add = |name: String, inputs, f: Function, composed: Function| {
        cases.push(Case { name, inputs, f, composed });
    };
    for radial in RADIALS {
        let has_alpha = radial == Radial::RationalQuadratic;
        for (dims, shared) in [(1, false), (3, true), (7, false), (11, false), (40, false)] {
            let scales = positive(&[if shared { 1 } else { dims }], 3) * (dims as f64).sqrt();
            let (x, z) = (normals(&[6, dims], 1), normals(&[5, dims], 2));
            let rest = [scales, Tensor::scalar(1.3), Tensor::scalar(0.8)];
            let inputs: Vec<Tensor> = [x.clone(), z].into_iter().chain(rest.clone()).collect();
            add(
                format!("{radial:?} gram in {dims} dimensions"),
                inputs,
                Box::new(move |i| {
                    weigh(&fused::stationary_gram(radial, &i[0], &i[1], &i[2], &i[3], has_alpha.then_some(&i[4])))
                }),
                Box::new(move |i| weigh(&(profile(radial, &distances(&i[0], &i[1], &i[2]), &i[4]) * &i[3]))),
            );
            let inputs: Vec<Tensor> = [x].into_iter().chain(rest).collect();
            add(
                format!("{radial:?} symmetric gram in {dims} dimensions"),
                inputs,
                Box::new(move |i| {
                    weigh(&fused::stationary_gram_symmetric(radial, &i[0], &i[1], &i[2], has_alpha.then_some(&i[3])))
                }),
                Box::new(move |i| {
                    // A root is only taken off the diagonal.
                    let eye = Tensor::eye(i[0].size(0), i[0].dtype());
                    let s = distances(&i[0], &i[0], &i[1]) + &eye;
                    weigh(&((profile(radial, &s, &i[3]) * (eye.affine(-1.0, 1.0)) + eye) * &i[2]))
                }),
            );
        }
        let y = normals(&[9], 5);
        add(
            format!("{radial:?} log marginal"),
            vec![
                normals(&[9, 3], 4),
                positive(&[3], 6),
                Tensor::scalar(1.4),
                Tensor::scalar(0.7),
                Tensor::scalar(0.3),
                y,
            ],
            Box::new(move |i| {
                let alpha = has_alpha.then_some(&i[3]);
                fused::stationary_log_marginal(radial, &i[0], &i[1], &i[2], alpha, &i[4], &i[5]).unwrap()
            }),
            Box::new(move |i| {
                let eye = Tensor::eye(9, i[0].dtype());
                let s = distances(&i[0], &i[0], &i[1]) + &eye;
                let k = (profile(radial, &s, &i[3]) * (eye.affine(-1.0, 1.0)) + eye) * &i[2];
                log_marginal(&k, &i[4], &i[5])
            }),
        );
    }
    for (noise, columns) in [(vec![], None), (vec![1], Some(3)), (vec![7], None), (vec![7], Some(2))] {
        let y = normals(&[&[7], columns.as_slice()].concat(), 7);
        add(
            format!("log marginal with noise {noise:?}, targets {:?}", y.shape()),
            vec![covariance(7, 8), positive(&noise, 9), y],
            Box::new(|i| fused::gaussian_log_marginal(&symmetric(&i[0]), &i[1], &i[2]).unwrap()),
            Box::new(|i| log_marginal(&symmetric(&i[0]), &i[1], &i[2])),
        );
    }
    for noise in [vec![], vec![12]] {
        add(
            format!("collapsed bound with noise {noise:?}"),
            vec![
                covariance(4, 10),
                normals(&[4, 12], 11),
                positive(&[12], 12) + 3.0,
                positive(&noise, 13),
                normals(&[12], 14),
            ],
            Box::new(|i| fused::sgpr_bound(&symmetric(&i[0]), &i[1], &i[2], &i[3], &i[4]).unwrap()),
            Box::new(|i| dense_sgpr(&symmetric(&i[0]), &i[1], &i[2], &i[3], &i[4])),
        );
    }
    for lead in [vec![], vec![3]] {
        let (mean, chol) = (normals(&[&lead[..], &[4]].concat(), 15), normals(&[&lead[..], &[4, 4]].concat(), 16));
        add(
            format!("marginals of latent functions {lead:?}"),
            vec![covariance(4, 17), normals(&[4, 9], 18), positive(&[9], 19), mean.clone(), chol.clone()],
            Box::new(|i| {
                let (fm, fv) = fused::svgp_marginals(&symmetric(&i[0]), &i[1], &i[2], &i[3], &i[4]).unwrap();
                weigh(&Tensor::stack(&[fm, fv], 0))
            }),
            Box::new(|i| weigh(&dense_svgp(&symmetric(&i[0]), &i[1], &i[2], &i[3], &i[4]))),
        );
        add(
            format!("divergence of latent functions {lead:?}"),
            vec![mean, chol],
            Box::new(|i| fused::whitened_kl(&i[0], &i[1])),
            Box::new(|i| {
                let r = i[1].tril(0);
                let count = i[0].len() as f64;
                let squares = r.square().sum() + i[0].square().sum();
                (squares - count) * 0.5 - r.diagonal().square().log().sum() * 0.5
            }),
        );
    }
    cases
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * scale, "{what}, entry {i}: {f} instead of {e}");
    }
}

fn variables(inputs: &[Tensor]) -> Vec<Tensor> {
    inputs.iter().map(|t| t.detach().variable()).collect()
}

fn gradient(f: &dyn Fn(&[Tensor]) -> Tensor, inputs: &[Tensor]) -> Vec<Vec<f64>> {
    let inputs = variables(inputs);
    grad(&f(&inputs), &inputs.iter().collect::<Vec<_>>()).iter().map(Tensor::to_vec).collect()
}

#[test]
fn values_and_gradients_match_the_composed_twins() {
    for case in cases() {
        let (found, expected) = ((case.f)(&case.inputs).item(), (case.composed)(&case.inputs).item());
        assert_near(&[found], &[expected], 1e-12, &case.name);
        let expected = gradient(&case.composed, &case.inputs);
        for (i, (found, expected)) in gradient(&case.f, &case.inputs).iter().zip(&expected).enumerate() {
            assert_near(found, expected, 1e-11, &format!("{}, gradient of input {i}", case.name));
        }
        // The twin inside the operation answers when a graph of the gradient is asked for.
        let inputs = variables(&case.inputs);
        let twin = grad_graph(&(case.f)(&inputs), &inputs.iter().collect::<Vec<_>>());
        for (i, (found, expected)) in twin.iter().zip(&expected).enumerate() {
            assert_near(&found.to_vec(), expected, 1e-11, &format!("{}, twin's gradient of input {i}", case.name));
        }
    }
}

#[test]
fn gradients_match_central_differences() {
    for case in cases() {
        for (i, gradient) in gradient(&case.f, &case.inputs).iter().enumerate() {
            // Every third entry: the others are covered by the comparison with the twin.
            for at in (0..gradient.len()).step_by(3) {
                let e = 1e-5;
                let shifted = |by: f64| {
                    let mut inputs = case.inputs.clone();
                    let mut values = inputs[i].to_vec();
                    values[at] += by;
                    inputs[i] = Tensor::from_vec(values, inputs[i].shape());
                    (case.f)(&inputs).item()
                };
                let numeric = (shifted(e) - shifted(-e)) / (2.0 * e);
                let what = format!("{}, input {i}, entry {at}", case.name);
                assert_near(&[gradient[at]], &[numeric], 1e-7, &what);
            }
        }
    }
}

#[test]
fn second_derivatives_come_from_the_twins() {
    for case in cases() {
        let inputs = variables(&case.inputs);
        let directions: Vec<Tensor> =
            inputs.iter().enumerate().map(|(i, t)| normals(t.shape(), 70 + i as u64)).collect();
        let asked: Vec<&Tensor> = inputs.iter().collect();
        let found = hvp(&(case.f)(&inputs), &asked, &directions.iter().collect::<Vec<_>>());
        let e = 1e-5;
        let at = |by: f64| {
            let moved: Vec<Tensor> = case.inputs.iter().zip(&directions).map(|(x, d)| x + d * by).collect();
            gradient(&case.f, &moved)
        };
        let (up, down) = (at(e), at(-e));
        for (i, found) in found.iter().enumerate() {
            let numeric: Vec<f64> = up[i].iter().zip(&down[i]).map(|(a, b)| (a - b) / (2.0 * e)).collect();
            assert_near(&found.to_vec(), &numeric, 1e-6, &format!("{}, curvature of input {i}", case.name));
        }
    }
}

#[test]
fn equal_points_have_the_variance_exactly_and_finite_gradients() {
    for radial in RADIALS {
        let x = Tensor::from_vec(vec![0.1, 0.2, 0.1, 0.2, -1.0, 3.0], &[3, 2]).variable();
        let (scales, variance, alpha) =
            (Tensor::scalar(0.7).variable(), Tensor::scalar(1.7).variable(), Tensor::scalar(2.0));
        let alpha = (radial == Radial::RationalQuadratic).then_some(&alpha);
        let k = fused::stationary_gram_symmetric(radial, &x, &scales, &variance, alpha);
        let values = k.to_vec();
        assert_eq!((values[0], values[1], values[3]), (1.7, 1.7, 1.7), "{radial:?}");
        let rectangle = fused::stationary_gram(radial, &x, &x, &scales, &variance, alpha);
        assert_eq!(values, rectangle.to_vec(), "{radial:?}: both forms agree to the bit");
        for g in grad(&weigh(&k), &[&x, &scales, &variance]) {
            assert!(g.is_finite(), "{radial:?}");
        }
    }
}

#[test]
fn far_points_are_uncorrelated_also_when_the_distance_overflows() {
    for radial in RADIALS {
        let x = Tensor::from_vec(vec![0.0, 1e200], &[2, 1]).variable();
        let one = Tensor::scalar(1.0);
        let k = fused::stationary_gram_symmetric(
            radial,
            &x,
            &one,
            &one,
            Some(&one).filter(|_| radial == Radial::RationalQuadratic),
        );
        assert_eq!(k.to_vec(), [1.0, 0.0, 0.0, 1.0], "{radial:?}");
    }
}

#[test]
fn no_points_and_one_point_work() {
    let one = Tensor::scalar(1.0);
    for (n, m) in [(0, 3), (3, 0), (0, 0), (1, 1)] {
        let (x, z) = (normals(&[n, 2], 21).variable(), normals(&[m, 2], 22).variable());
        let k = fused::stationary_gram(Radial::Matern52, &x, &z, &one, &one, None);
        assert_eq!(k.shape(), [n, m]);
        assert_eq!(grad(&k.sum(), &[&x, &z])[0].shape(), [n, 2]);
    }
    // log N(y; 0, 2) at y = 1.
    let y = Tensor::from_vec(vec![1.0], &[1]);
    let value = fused::gaussian_log_marginal(&Tensor::from_vec(vec![1.5], &[1, 1]), &Tensor::scalar(0.5), &y).unwrap();
    assert!((value.item() + 0.5 * (0.5 + (2.0 * std::f64::consts::TAU).ln())).abs() < 1e-14);
}

#[test]
fn single_precision_is_answered_by_the_twin() {
    let x = normals(&[4, 2], 23);
    let one = Tensor::scalar(1.0);
    let wide = fused::stationary_gram_symmetric(Radial::Matern32, &x, &one, &one, None);
    let narrow = fused::stationary_gram_symmetric(Radial::Matern32, &x.to_f32(), &one.to_f32(), &one.to_f32(), None);
    assert_eq!(narrow.dtype(), elbo_tensor::DType::F32);
    assert_near(&narrow.to_vec(), &wide.to_vec(), 1e-6, "f32");
}

/// Points of a larger problem, where blocks, tiles and threads matter.
fn problem(n: usize, dims: usize) -> (Tensor, Tensor, Tensor) {
    let x = normals(&[n, dims], 24);
    let y = x.sin().sum_axis(1, false) + normals(&[n], 25) * 0.1;
    (x, y, positive(&[dims], 26) * 2.0)
}

#[test]
fn one_fused_operation_equals_two_at_a_size_with_many_blocks() {
    for (radial, (n, dims)) in RADIALS.iter().flat_map(|r| [(300, 9), (150, 40)].map(|size| (*r, size))) {
        let (x, y, scales) = problem(n, dims);
        let scales = scales * (dims as f64 / 9.0).sqrt();
        let inputs = variables(&[
            x.clone(),
            scales.clone(),
            Tensor::scalar(1.2),
            Tensor::scalar(0.9),
            Tensor::scalar(0.05),
            y.clone(),
        ]);
        let [x, scales, variance, alpha, noise, y] = &inputs[..] else { unreachable!("six inputs") };
        let alpha = (radial == Radial::RationalQuadratic).then_some(alpha);
        let one = fused::stationary_log_marginal(radial, x, scales, variance, alpha, noise, y).unwrap();
        let k = fused::stationary_gram_symmetric(radial, x, scales, variance, alpha);
        let two = fused::gaussian_log_marginal(&k, noise, y).unwrap();
        let rectangle = fused::stationary_gram(radial, x, x, scales, variance, alpha);
        let three = fused::gaussian_log_marginal(&rectangle, noise, y).unwrap();
        assert_near(&[one.item(), three.item()], &[two.item(); 2], 1e-12, "value");
        let asked: Vec<&Tensor> = [x, scales, variance, noise, y].into_iter().chain(alpha).collect();
        let expected = grad(&two, &asked);
        // Without gradients of points another loop runs.
        for (value, name) in [(&one, "one operation"), (&two, "two operations"), (&three, "rectangle")] {
            let found = grad(value, &[scales]).remove(0);
            assert_near(
                &found.to_vec(),
                &expected[1].to_vec(),
                1e-9,
                &format!("{radial:?}, {name}, lengthscales alone"),
            );
        }
        for (found, name) in [(grad(&one, &asked), "one operation"), (grad(&three, &asked), "rectangle")] {
            for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
                assert_near(&f.to_vec(), &e.to_vec(), 1e-9, &format!("{radial:?}, {name}, input {i}"));
            }
        }
    }
}

#[test]
fn the_same_bits_come_from_1_2_and_8_threads() {
    let (x, y, scales) = problem(700, 5);
    let run = || {
        let inputs = variables(&[x.clone(), scales.clone(), Tensor::scalar(1.2), Tensor::scalar(0.05)]);
        let asked: Vec<&Tensor> = inputs.iter().collect();
        let value =
            fused::stationary_log_marginal(Radial::Rbf, &inputs[0], &inputs[1], &inputs[2], None, &inputs[3], &y)
                .unwrap();
        let z = inputs[0].narrow(0, 0, 90);
        let kuu = fused::stationary_gram_symmetric(Radial::Rbf, &z, &inputs[1], &inputs[2], None);
        let kuf = fused::stationary_gram(Radial::Rbf, &z, &inputs[0], &inputs[1], &inputs[2], None);
        let kdiag = inputs[2].broadcast_to(&[700]);
        let bound = fused::sgpr_bound(&kuu, &kuf, &kdiag, &inputs[3], &y).unwrap();
        let (fm, fv) = fused::svgp_marginals(&kuu, &kuf, &kdiag, &normals(&[90], 27), &normals(&[90, 90], 28)).unwrap();
        let total = value + bound + (fm.square() + fv).sum() * 1e-3;
        let mut bits = vec![total.item().to_bits()];
        bits.extend(grad(&total, &asked).iter().flat_map(Tensor::to_vec).map(f64::to_bits));
        bits
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    let one = with(1);
    assert!([2, 8].iter().all(|&threads| with(threads) == one));
}

#[test]
fn the_collapsed_bound_with_every_point_inducing_is_the_exact_likelihood() {
    let (x, y, scales) = problem(40, 2);
    let (variance, noise) = (Tensor::scalar(1.2), Tensor::scalar(0.1));
    let k = fused::stationary_gram_symmetric(Radial::Matern32, &x, &scales, &variance, None);
    let bound = fused::sgpr_bound(&k, &k, &k.diagonal(), &noise, &y).unwrap();
    let exact = fused::gaussian_log_marginal(&k, &noise, &y).unwrap();
    assert!((bound.item() - exact.item()).abs() < 1e-7, "{} and {}", bound.item(), exact.item());
}

#[test]
fn blocks_of_rows_give_the_bound_and_gradient_of_all_rows() {
    let (n, m) = (5000, 12);
    let (x, y, scales) = problem(n, 3);
    for noise in [Tensor::scalar(0.2), positive(&[n], 29)] {
        let inputs = variables(&[x.narrow(0, 0, m), scales.clone(), Tensor::scalar(1.1), noise]);
        let asked: Vec<&Tensor> = inputs.iter().collect();
        let [z, scales, variance, noise] = &inputs[..] else { unreachable!("four inputs") };
        let kuu = fused::stationary_gram_symmetric(Radial::Matern52, z, scales, variance, None);
        let kdiag = variance.broadcast_to(&[n]);
        let kuf = fused::stationary_gram(Radial::Matern52, z, &x, scales, variance, None);
        let whole = fused::sgpr_bound(&kuu, &kuf, &kdiag, noise, &y).unwrap();
        let (x, own) = (x.clone(), inputs[..3].to_vec());
        let kuf = move |rows: std::ops::Range<usize>| {
            let x = x.narrow(0, rows.start, rows.len());
            fused::stationary_gram(Radial::Matern52, &own[0], &x, &own[1], &own[2], None)
        };
        let ladder = Ladder::standard::<f64>();
        let (blocks, jitter) = fused::sgpr_bound_in_blocks(&kuu, kuf, &inputs[..3], &kdiag, noise, &y, ladder).unwrap();
        assert_eq!(jitter.absolute, 0.0);
        assert_near(&[blocks.item()], &[whole.item()], 1e-12, "value");
        for (f, e) in grad(&blocks, &asked).iter().zip(grad(&whole, &asked)) {
            assert_near(&f.to_vec(), &e.to_vec(), 1e-9, "gradient in blocks");
        }
    }
}

#[test]
fn a_jitter_is_added_when_needed_and_failures_are_named() {
    // Repeated points without noise.
    let x = Tensor::zeros(&[5, 2], elbo_tensor::DType::F64);
    let (one, none, y) = (Tensor::scalar(1.0), Tensor::scalar(0.0), normals(&[5], 30));
    let ladder = Ladder::standard::<f64>();
    let marginal =
        |x: &Tensor, ladder| fused::stationary_log_marginal_with(Radial::Rbf, x, &one, &one, None, &none, &y, ladder);
    let (value, jitter) = marginal(&x, ladder).unwrap();
    assert_eq!(jitter.relative, 1e-10);
    let k = fused::stationary_gram_symmetric(Radial::Rbf, &x, &one, &one, None);
    let (two, same) = fused::gaussian_log_marginal_with(&k, &none, &y, ladder).unwrap();
    assert_eq!((same.relative, two.item()), (1e-10, value.item()));
    let failure = marginal(&x, Ladder::Fixed(0.0)).unwrap_err();
    assert!(failure.is_recoverable());
    assert!(failure.to_string().starts_with("the 5x5 matrix is not positive definite at row 1"), "{failure}");
    let nan = Tensor::from_vec(vec![0.0, 0.0, 1.0, f64::NAN, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0], &[5, 2]);
    assert!(marginal(&nan, ladder).unwrap_err().to_string().contains("NaN at row 1"));
}
