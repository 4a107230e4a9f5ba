//! Gram matrices made pair by pair, beside the same kernels of tensor operations.

use crate::kernels::{Inputs, points};
use elbo_core::Rng;
use elbo_gp::kernel::*;
use elbo_tensor::{DType, Tensor, grad, no_grad};

type Composed = Box<dyn Fn(&Tensor, &Tensor) -> Tensor>;

/// A kernel, what it is of tensor operations, and its inputs.
struct Pair {
    name: String,
    kernel: Box<dyn Kernel>,
    composed: Composed,
    inputs: Inputs,
}

fn pair<K: Kernel + Clone + 'static>(
    name: impl Into<String>,
    inputs: Inputs,
    kernel: K,
    composed: fn(&K, &Tensor, &Tensor) -> Tensor,
) -> Pair {
    let own = kernel.clone();
    Pair { name: name.into(), kernel: Box::new(kernel), composed: Box::new(move |x, z| composed(&own, x, z)), inputs }
}

fn pairs() -> Vec<Pair> {
    use Inputs::*;
    let mut all = vec![
        pair("periodic", Real(3), Periodic::new(&[1.3, 0.8, 2.0]).with(0.9, 1.2), Periodic::composed),
        pair("exchangeable", Levels(&[3, 4]), Exchangeable::new(&[3, 4], 0.3), Exchangeable::composed),
        pair("hamming", Levels(&[3, 2, 4]), Hamming::new(&[3, 2, 4], 0.7), Hamming::composed),
    ];
    for spectrum in [Spectrum::Gaussian, Spectrum::Student1, Spectrum::Student3, Spectrum::Student5] {
        let mixture = SpectralMixture::new(spectrum, 2, &[0.7, 1.1], &[0.1, 0.4, 0.9, 0.2], &[0.3, 0.2, 0.15, 0.6]);
        all.push(pair(format!("{spectrum:?} mixture"), Real(2), mixture, SpectralMixture::composed));
    }
    all
}

fn weights(n: usize, m: usize) -> Tensor {
    Tensor::from_vec((0..n * m).map(|i| (i as f64 * 0.7 + 0.3).sin()).collect(), &[n, m])
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1.0f64, |most, v| most.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * size, "{what}, {i}: {a}, composed {b}");
    }
}

/// Gradients by both sets of points: zeros where a matrix does not move with them, as with codes.
fn by_points(k: &Tensor, x: &Tensor, z: &Tensor) -> [Vec<f64>; 2] {
    let all = grad(&(k * weights(k.size(0), k.size(1))).sum(), &[x, z]);
    [all[0].to_vec(), all[1].to_vec()]
}

#[test]
fn value_and_gradients_are_those_of_tensor_operations() {
    let mut rng = Rng::new(41);
    for Pair { name, kernel, composed, inputs } in pairs() {
        // One row; fewer rows than parts, and more of them than parts; the second row repeats the first.
        for (n, m) in [(1, 1), (7, 5), (37, 18)] {
            let what = format!("{name}, {n} x {m}");
            let (x, z) = (points(inputs, n, &mut rng).variable(), points(inputs, m, &mut rng).variable());
            let (fused, slow) = (kernel.gram(&x, &z), composed(&x, &z));
            assert_near(&fused.to_vec(), &slow.to_vec(), 1e-13, &what);
            let [fx, fz] = by_points(&fused, &x, &z);
            let [sx, sz] = by_points(&slow, &x, &z);
            assert_near(&fx, &sx, 1e-11, &format!("{what} by x"));
            assert_near(&fz, &sz, 1e-11, &format!("{what} by z"));
            let (fused, slow) = (kernel.gram_symmetric(&x), composed(&x, &x));
            assert_near(&fused.to_vec(), &slow.to_vec(), 1e-13, &format!("{what}, symmetric"));
            let ([fx, _], [sx, _]) = (by_points(&fused, &x, &z), by_points(&slow, &x, &z));
            assert_near(&fx, &sx, 1e-11, &format!("{what}, symmetric by x"));
        }
    }
}

#[test]
fn gradients_by_parameters_are_those_of_tensor_operations() {
    let mut rng = Rng::new(42);
    let mixture =
        SpectralMixture::new(Spectrum::Student5, 2, &[0.7, 1.1], &[0.1, 0.4, 0.9, 0.2], &[0.3, 0.2, 0.15, 0.6]);
    let periodic = Periodic::new(&[1.3, 0.8]).with(0.9, 1.2);
    let (exchangeable, hamming) = (Exchangeable::new(&[3, 4], 0.3), Hamming::new(&[3, 4], 0.7));
    let real = [points(Inputs::Real(2), 23, &mut rng), points(Inputs::Real(2), 9, &mut rng)];
    let levels = Inputs::Levels(&[3, 4]);
    let codes = [points(levels, 23, &mut rng), points(levels, 9, &mut rng)];
    let check = |kernel: &dyn Kernel, composed: &dyn Fn(&Tensor, &Tensor) -> Tensor, [x, z]: &[Tensor; 2]| {
        let by = |k: Tensor| kernel.gradient(&(&k * weights(k.size(0), k.size(1))).sum());
        let what = kernel.summary();
        assert_near(&by(kernel.gram(x, z)), &by(composed(x, z)), 1e-11, &what);
        assert_near(&by(kernel.gram_symmetric(x)), &by(composed(x, x)), 1e-11, &format!("{what}, symmetric"));
    };
    check(&mixture, &|x, z| mixture.composed(x, z), &real);
    check(&periodic, &|x, z| periodic.composed(x, z), &real);
    check(&exchangeable, &|x, z| exchangeable.composed(x, z), &codes);
    check(&hamming, &|x, z| hamming.composed(x, z), &codes);
}

#[test]
fn no_rows_make_no_covariances_and_no_gradients() {
    for Pair { name, kernel, inputs, .. } in pairs() {
        let z = points(inputs, 3, &mut Rng::new(43));
        let none = Tensor::zeros(&[0, z.size(1)], DType::F64);
        for (k, shape) in
            [(kernel.gram(&none, &z), [0, 3]), (kernel.gram(&z, &none), [3, 0]), (kernel.gram_symmetric(&none), [0, 0])]
        {
            assert_eq!(k.shape(), shape, "{name}");
            assert!(kernel.gradient(&k.sum()).iter().all(|g| *g == 0.0), "{name}");
        }
    }
}

#[test]
fn the_bits_of_gradients_do_not_depend_on_threads() {
    let mut rng = Rng::new(44);
    for Pair { name, kernel, inputs, .. } in pairs() {
        let (x, z) = (points(inputs, 45, &mut rng).variable(), points(inputs, 20, &mut rng).variable());
        let bits = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (cross, own) = (kernel.gram(&x, &z), kernel.gram_symmetric(&x));
                let output = (cross * weights(45, 20)).sum() + (own * weights(45, 45)).sum();
                let mut all = kernel.gradient(&output);
                if inputs == Inputs::Real(x.size(1)) {
                    grad(&output, &[&x, &z]).iter().for_each(|g| all.extend(g.to_vec()));
                }
                all.into_iter().map(f64::to_bits).collect::<Vec<_>>()
            })
        };
        assert_eq!(bits(1), bits(4), "{name}");
    }
}

#[test]
fn symmetric_matrices_are_symmetric_to_the_bit_with_the_variance_on_the_diagonal() {
    let mut rng = Rng::new(45);
    for Pair { name, kernel, inputs, .. } in pairs() {
        let x = points(inputs, 140, &mut rng);
        let (k, diag) = no_grad(|| (kernel.gram_symmetric(&x), kernel.diag(&x).to_vec()));
        assert_eq!(k.to_vec(), k.t().to_vec(), "{name}");
        assert_near(&k.diagonal().to_vec(), &diag, 1e-14, &name);
    }
}
