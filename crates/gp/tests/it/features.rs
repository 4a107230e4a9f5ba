//! Random Fourier features, paths and expectations under normal inputs.

use elbo_core::Rng;
use elbo_dist::Rule;
use elbo_gp::features::{PriorPath, RandomFeatures, paths};
use elbo_gp::kernel::*;
use elbo_tensor::{Parameters, Tensor, grad, no_grad};

use crate::kernels::{every_kernel, points};

#[test]
fn random_frequencies_estimate_the_kernel_without_bias() {
    let mut rng = Rng::new(21);
    let mut seen = vec![];
    for case in every_kernel() {
        let x = points(case.inputs, 6, &mut rng);
        let dims = x.size(1);
        let m = 4000;
        let Some(sample) = case.kernel.spectral_sample(dims, m, &mut rng) else { continue };
        seen.push(case.name);
        assert_eq!((sample.count, sample.frequencies.len(), sample.weights.len()), (m, m * dims, m), "{}", case.name);
        let expected = no_grad(|| case.kernel.gram(&x, &x)).to_vec();
        let values = x.to_vec();
        for i in 0..6 {
            for j in 0..6 {
                let (a, b) = (&values[i * dims..(i + 1) * dims], &values[j * dims..(j + 1) * dims]);
                let term = |f: usize| {
                    let wave = &sample.frequencies[f * dims..(f + 1) * dims];
                    let angle: f64 = wave.iter().zip(a.iter().zip(b)).map(|(w, (a, b))| w * (a - b)).sum();
                    let factor = |t: &LevelTable, code: f64| {
                        let rows = t.values.len() / m;
                        t.values[if code < 0.0 { rows - 1 } else { code as usize } * m + f]
                    };
                    let levels: f64 = sample.tables.iter().map(|t| factor(t, a[t.dim]) * factor(t, b[t.dim])).product();
                    sample.weights[f] * angle.cos() * levels
                };
                let terms: Vec<f64> = (0..m).map(term).collect();
                let sum: f64 = terms.iter().sum();
                // Terms of a sum have different means, which only widens this estimate of the standard error.
                let variance = terms.iter().map(|t| (t - sum / m as f64).powi(2)).sum::<f64>();
                let error = (sum - expected[i * 6 + j]).abs();
                assert!(error < 4.5 * variance.sqrt() + 1e-12, "{}: {sum} vs {}", case.name, expected[i * 6 + j]);
            }
        }
    }
    let must =
        ["matern12", "rational quadratic", "periodic", "spectral mixture, t3", "hamming", "index", "mixed", "product"];
    assert!(must.iter().all(|name| seen.contains(name)), "{seen:?}");
}

#[test]
fn features_multiply_to_the_estimate_and_paths_have_its_covariance() {
    let kernel = Sum::new(vec![Box::new(Stationary::rbf(2)), Box::new(Periodic::new(&[1.0, 2.0]))]);
    let mut rng = Rng::new(22);
    let features = RandomFeatures::draw(&kernel, 2, 300, &mut rng).unwrap();
    let x = Tensor::from_vec(rng.normals(8), &[4, 2]);
    let phi = features.features(&x);
    assert_eq!(phi.shape(), [4, 600]);
    let estimate = phi.matmul(&phi.t());
    let draws = 4000;
    let weights = Tensor::from_vec(rng.normals(600 * draws), &[600, draws]);
    let f = paths(&features, &weights, &x);
    let empirical = (f.matmul(&f.t()) / draws as f64).to_vec();
    let exact = estimate.to_vec();
    for i in 0..4 {
        for j in 0..4 {
            let se = ((exact[i * 4 + i] * exact[j * 4 + j] + exact[i * 4 + j].powi(2)) / draws as f64).sqrt();
            assert!((empirical[i * 4 + j] - exact[i * 4 + j]).abs() < 4.0 * se);
        }
    }
}

#[test]
fn a_path_is_a_function_with_a_gradient_that_reads_back_to_the_same_bits() {
    let mixed = Product::new(vec![
        Box::new(Active::new(vec![0, 2], Box::new(Stationary::matern52(2)))),
        Box::new(Active::new(vec![1], Box::new(Exchangeable::new(&[3], 0.4)))),
    ]);
    let path = PriorPath::sample(&mixed, 3, 40, &mut Rng::new(23)).unwrap();
    let text = serde_json::to_string(&path).unwrap();
    let back: PriorPath = serde_json::from_str(&text).unwrap();
    assert_eq!(back, path);
    let at = [0.3, 2.0, -0.7];
    let x = Tensor::from_slice(&at, &[1, 3]).variable();
    let value = path.value(&x);
    let gradient = grad(&value.sum(), &[&x])[0].to_vec();
    let (by_hand, slope) = path.value_and_gradient(&at);
    assert!((value.item() - by_hand).abs() < 1e-12);
    for d in [0, 2] {
        let shifted = |h: f64| {
            let mut p = at;
            p[d] += h;
            path.value(&Tensor::from_slice(&p, &[1, 3])).item()
        };
        let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
        assert!((numeric - gradient[d]).abs() < 1e-8 && (slope[d] - gradient[d]).abs() < 1e-12);
    }
    // Another level is another function.
    assert_ne!(path.value_and_gradient(&[0.3, 1.0, -0.7]).0, by_hand);
    assert_eq!(PriorPath::sample(&mixed, 3, 40, &mut Rng::new(23)).unwrap(), path, "the seed decides");
}

#[test]
fn a_kernel_without_a_spectrum_is_refused_by_name() {
    let error = PriorPath::sample(&Linear::new(&[1.0], 1.0), 1, 10, &mut Rng::new(1)).unwrap_err();
    assert!(error.to_string().contains("linear"), "{error}");
}

#[test]
fn expectations_under_normal_inputs_agree_with_quadrature() {
    let kernel = Stationary::new(Profile::Rbf, &[0.8, 1.5]).with_variance(1.3);
    let mut rng = Rng::new(24);
    let mean = Tensor::from_vec(rng.normals(6), &[3, 2]);
    let variance = Tensor::from_vec((0..6).map(|_| rng.range(0.05, 0.8)).collect(), &[3, 2]);
    let z = Tensor::from_vec(rng.normals(8), &[4, 2]);
    let found = expectations(&kernel, &mean, &variance, &z);
    let rule = Rule::hermite(60);
    let (m, s, zs) = (mean.to_vec(), variance.to_vec(), z.to_vec());
    let one = |x: f64, z: f64, l: f64| (-(x - z).powi(2) / (2.0 * l * l)).exp();
    let scales = [0.8, 1.5];
    let mut psi2 = vec![0.0; 16];
    for n in 0..3 {
        for a in 0..4 {
            let factor = |d: usize| rule.expect(m[n * 2 + d], s[n * 2 + d], |x| one(x, zs[a * 2 + d], scales[d]));
            let expected = 1.3 * factor(0) * factor(1);
            assert!((found.psi1.to_vec()[n * 4 + a] - expected).abs() < 1e-10);
            for b in 0..4 {
                let factor = |d: usize| {
                    let pair = |x: f64| one(x, zs[a * 2 + d], scales[d]) * one(x, zs[b * 2 + d], scales[d]);
                    rule.expect(m[n * 2 + d], s[n * 2 + d], pair)
                };
                psi2[a * 4 + b] += 1.69 * factor(0) * factor(1);
            }
        }
    }
    assert!((found.psi0.item() - 3.9).abs() < 1e-12);
    for (found, expected) in found.psi2.to_vec().iter().zip(&psi2) {
        assert!((found - expected).abs() < 1e-10, "{found} vs {expected}");
    }
}

#[test]
fn expectations_have_the_right_gradients_and_certain_inputs_give_the_kernel() {
    let kernel = Stationary::new(Profile::Rbf, &[0.8, 1.5]).with_variance(1.3);
    let mut rng = Rng::new(25);
    let mean = Tensor::from_vec(rng.normals(4), &[2, 2]);
    let z = Tensor::from_vec(rng.normals(6), &[3, 2]);
    let tiny = Tensor::full(&[2, 2], 1e-14, elbo_tensor::DType::F64);
    let k = kernel.gram(&mean, &z);
    let sure = expectations(&kernel, &mean, &tiny, &z);
    let close = |a: &Tensor, b: &Tensor| a.to_vec().iter().zip(b.to_vec()).all(|(a, b)| (a - b).abs() < 1e-11);
    assert!(close(&sure.psi1, &k) && close(&sure.psi2, &k.t().matmul(&k)));

    let log_variance = Tensor::from_vec(rng.normals(4), &[2, 2]).variable();
    let (mean, z) = (mean.variable(), z.variable());
    let objective = |kernel: &Stationary, mean: &Tensor, s: &Tensor, z: &Tensor| {
        let e = expectations(kernel, mean, &s.exp(), z);
        e.psi0.sin() + e.psi1.square().sum() + (e.psi2.sin()).sum()
    };
    let output = objective(&kernel, &mean, &log_variance, &z);
    let inputs = [&mean, &log_variance, &z];
    let gradients = grad(&output, &inputs);
    for (which, gradient) in gradients.iter().enumerate() {
        for i in 0..gradient.len() {
            let shifted = |h: f64| {
                let moved: Vec<Tensor> = inputs
                    .iter()
                    .enumerate()
                    .map(|(k, t)| {
                        let mut v = t.to_vec();
                        v[i.min(t.len() - 1)] += if k == which { h } else { 0.0 };
                        Tensor::from_slice(&v, t.shape())
                    })
                    .collect();
                objective(&kernel, &moved[0], &moved[1], &moved[2]).item()
            };
            let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            let exact = gradient.to_vec()[i];
            assert!((numeric - exact).abs() < 1e-7 * exact.abs().max(1.0), "input {which}, d{i}: {numeric} vs {exact}");
        }
    }
    let free = kernel.pack();
    for (i, exact) in kernel.gradient(&output).iter().enumerate() {
        let shifted = |h: f64| {
            let mut moved = kernel.clone();
            let mut v = free.clone();
            v[i] += h;
            moved.unpack(&v);
            objective(&moved, &mean, &log_variance, &z).item()
        };
        let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
        assert!((numeric - exact).abs() < 1e-7 * exact.abs().max(1.0), "parameter {i}: {numeric} vs {exact}");
    }
}

#[test]
fn covariances_with_derivatives_are_derivatives_of_the_kernel() {
    let mut rng = Rng::new(26);
    let x = Tensor::from_vec(rng.normals(4), &[2, 2]);
    let mut z = rng.normals(6);
    z[..2].copy_from_slice(&x.to_vec()[..2]);
    let z = Tensor::from_vec(z, &[3, 2]);
    for profile in [Profile::Rbf, Profile::Matern32, Profile::Matern52, Profile::RationalQuadratic] {
        let kernel = Stationary::new(profile, &[0.8, 1.5]).with_variance(1.3);
        let full = derivative_gram(&kernel, &x, &z).unwrap();
        assert_eq!(full.shape(), [6, 9]);
        let full = full.to_vec();
        let k = |i: usize, a: [f64; 2], j: usize, b: [f64; 2]| {
            let shift = |t: &Tensor, row: usize, by: [f64; 2]| {
                let v = t.to_vec();
                Tensor::from_vec(vec![v[row * 2] + by[0], v[row * 2 + 1] + by[1]], &[1, 2])
            };
            kernel.gram(&shift(&x, i, a), &shift(&z, j, b)).item()
        };
        // The Matern-3/2's second derivative has a kink at zero, so its differences there converge slowly.
        let (h, tolerance) = if profile == Profile::Matern32 { (1e-4, 2e-3) } else { (1e-4, 1e-6) };
        let unit = |d: usize, s: f64| if d == 0 { [s, 0.0] } else { [0.0, s] };
        for i in 0..2 {
            for j in 0..3 {
                for e in 0..2 {
                    let numeric = (k(i, [0.0; 2], j, unit(e, h)) - k(i, [0.0; 2], j, unit(e, -h))) / (2.0 * h);
                    assert!((full[i * 9 + 3 + j * 2 + e] - numeric).abs() < tolerance, "{profile:?}");
                    for d in 0..2 {
                        let numeric = (k(i, unit(d, h), j, unit(e, h))
                            - k(i, unit(d, h), j, unit(e, -h))
                            - k(i, unit(d, -h), j, unit(e, h))
                            + k(i, unit(d, -h), j, unit(e, -h)))
                            / (4.0 * h * h);
                        let found = full[(2 + i * 2 + d) * 9 + 3 + j * 2 + e];
                        assert!((found - numeric).abs() < tolerance, "{profile:?}: {found} vs {numeric}");
                    }
                }
            }
        }
        let own = derivative_gram(&kernel, &z, &z).unwrap();
        assert!(own.eigh().unwrap().0.min().item() > -1e-10, "{profile:?}");
    }
    let error = derivative_gram(&Stationary::matern12(2), &x, &z).err().unwrap();
    assert!(error.to_string().contains("Matern-1/2"));
}
