//! Derivatives against finite differences.

use crate::problems::{every_kernel, series};
use elbo_core::Rng;
use elbo_markov::{Evidence, Grid, Kernel, MarkovGp, Series, StateSpace, Wants, reference, run, vjp};

/// Central differences agree with the gradient, relative to its size.
fn assert_gradient(what: &str, f: impl Fn(&[f64]) -> f64, gradient: &[f64], at: &[f64], tolerance: f64) {
    for (i, exact) in gradient.iter().enumerate() {
        let h = 1e-5;
        let shifted = |delta: f64| {
            let mut p = at.to_vec();
            p[i] += delta;
            f(&p)
        };
        let numeric = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!(
            (numeric - exact).abs() <= tolerance * exact.abs().max(1.0),
            "{what}: derivative {i} is {exact}, by differences {numeric}"
        );
    }
}

#[test]
fn the_likelihood_has_its_gradient_for_every_kernel() {
    for (name, kernel) in every_kernel() {
        let (times, y) = series(40, 4);
        let data = Series::new(&times, &y).unwrap();
        let gp = MarkovGp { kernel, noise: 0.2, origin: 0.0 };
        let (value, gradient) = gp.gradient(&data).unwrap();
        assert!((value - gp.log_marginal(&data).unwrap()).abs() < 1e-10);
        let at: Vec<f64> = gp.kernel.parameters().iter().map(|p| p.value.ln()).chain([gp.noise.ln()]).collect();
        let f = |x: &[f64]| {
            let mut moved = gp.clone();
            moved.kernel.parameters_mut().into_iter().zip(x).for_each(|(p, x)| p.value = x.exp());
            moved.noise = x[x.len() - 1].exp();
            moved.log_marginal(&data).unwrap()
        };
        assert_gradient(name, f, &gradient, &at, 2e-6);
    }
}

#[test]
fn every_number_of_a_chain_has_its_derivative() {
    let kernels: Vec<Kernel> =
        ["matern32(lengthscale=0.8)", "matern12 * cosine(period=2)"].iter().map(|t| t.parse().unwrap()).collect();
    let grid = Grid::new(&[0.1, 0.5, 0.6, 1.7]).unwrap();
    let chain = StateSpace::of_latents(&kernels, 0.0).unwrap().chain(&grid);
    let (shift, precision) = sites(4, 2, 3);
    let evaluate = |chain: &elbo_markov::Chain<f64>, wants| {
        run(chain, Evidence::Sites { shift: &shift, precision: &precision }, wants, None).unwrap()
    };
    let gradient = evaluate(&chain, Wants::Gradient).gradient.unwrap();
    let value = |chain: &elbo_markov::Chain<f64>| evaluate(chain, Wants::Evidence).log_z;
    assert_gradient(
        "h",
        |x| value(&elbo_markov::Chain { h: x.to_vec(), ..chain.clone() }),
        &gradient.h,
        &chain.h,
        1e-6,
    );
    assert_gradient(
        "a",
        |x| value(&elbo_markov::Chain { a: x.to_vec(), ..chain.clone() }),
        &gradient.a,
        &chain.a,
        1e-6,
    );
    // Covariances move symmetrically.
    for (i, j) in [(0, 0), (0, 1), (1, 1)] {
        let moved = |delta: f64| {
            let mut other = chain.clone();
            other.q[i * 2 + j] += delta;
            if i != j {
                other.q[j * 2 + i] += delta;
            }
            value(&other)
        };
        let numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        let exact = gradient.q[i * 2 + j] * if i == j { 1.0 } else { 2.0 };
        assert!((numeric - exact).abs() < 1e-6 * exact.abs().max(1.0), "q {i} {j}: {exact} and {numeric}");
    }
}

#[test]
fn fishers_identity_gives_the_same_gradient() {
    for text in ["matern52(lengthscale=0.8)", "matern32 * cosine(period=2) + matern12(variance=0.3)"] {
        let kernel: Kernel = text.parse().unwrap();
        let times: Vec<f64> = (0..40).map(|k| 0.3 * k as f64 + 0.05 * ((k * k) as f64).sin()).collect();
        let chain = StateSpace::new(&kernel, 0.0).unwrap().chain(&Grid::new(&times).unwrap());
        let y: Vec<f64> = (0..40).map(|k| if k % 4 == 2 { f64::NAN } else { (0.4 * k as f64).sin() }).collect();
        let noise = [0.2; 40];
        let pass = run(&chain, Evidence::Observations { y: &y, noise: &noise }, Wants::Gradient, None).unwrap();
        let adjoint = pass.gradient.unwrap();
        let states = reference::smooth(&chain, &y, &[0.2]).unwrap();
        let (fisher, by_noise) = reference::fisher(&chain, &states, &y, &noise).unwrap();
        let pairs = [
            ("h", &fisher.h[..], &adjoint.h[..]),
            ("start", &fisher.start[..], &adjoint.start[..]),
            ("a", &fisher.a[..], &adjoint.a[..]),
            ("q", &fisher.q[..], &adjoint.q[..]),
            ("noise", &by_noise[..], &pass.noise_gradient[..]),
        ];
        for (what, a, b) in pairs {
            let size = b.iter().fold(1.0, |m: f64, b| m.max(b.abs()));
            let error = a.iter().zip(b).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
            assert_eq!(a.len(), b.len());
            assert!(error < 1e-8 * size, "{text}, by {what}: {error:e} of {size:e}");
        }
    }
}

/// Random sites of full and of lower rank, and one that is zero.
pub fn sites(steps: usize, latents: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let (mut shift, mut precision) = (vec![], vec![]);
    for k in 0..steps {
        let rank = if k == 1 { 0 } else { 1 + k % latents };
        let half: Vec<f64> = (0..latents * rank).map(|_| rng.normal()).collect();
        for i in 0..latents {
            for j in 0..latents {
                precision.push((0..rank).map(|r| half[i * rank + r] * half[j * rank + r]).sum());
            }
        }
        shift.extend((0..latents).map(|_| if rank == 0 { 0.0 } else { rng.normal() }));
    }
    (shift, precision)
}

#[test]
fn posterior_moments_have_their_pullback() {
    let kernels: Vec<Kernel> = ["matern32(lengthscale=0.8, variance=1.2)", "matern52(lengthscale=1.5)"]
        .iter()
        .map(|t| t.parse().unwrap())
        .collect();
    let grid = Grid::new(&[0.0, 0.4, 0.9, 1.0, 2.2]).unwrap();
    let (shift, precision) = sites(5, 2, 9);
    let mut rng = Rng::new(1);
    let mut draw = |n: usize| (0..n).map(|_| rng.normal()).collect::<Vec<f64>>();
    let (by_mean, mut by_covariance) = (draw(10), draw(20));
    for k in 0..5 {
        by_covariance[k * 4 + 2] = by_covariance[k * 4 + 1];
    }
    let objective = |kernels: &[Kernel], shift: &[f64], precision: &[f64]| -> f64 {
        let chain = StateSpace::of_latents(kernels, 0.0).unwrap().chain(&grid);
        let pass = run(&chain, Evidence::Sites { shift, precision }, Wants::Smoothed, None).unwrap();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        0.7 * pass.log_z + dot(&by_mean, &pass.mean) + dot(&by_covariance, &pass.covariance)
    };
    let space = StateSpace::of_latents(&kernels, 0.0).unwrap();
    let chain = space.chain(&grid);
    let pass = run(&chain, Evidence::Sites { shift: &shift, precision: &precision }, Wants::Smoothed, None).unwrap();
    let found = vjp::pull_back(&chain, (&shift, &precision), &pass.mean, 0.7, &by_mean, &by_covariance).unwrap();
    assert_gradient("shift", |x| objective(&kernels, x, &precision), &found.shift, &shift, 1e-6);
    for k in [0, 2, 4] {
        for (i, j) in [(0, 0), (0, 1), (1, 1)] {
            let moved = |delta: f64| {
                let mut other = precision.clone();
                other[k * 4 + i * 2 + j] += delta;
                if i != j {
                    other[k * 4 + j * 2 + i] += delta;
                }
                objective(&kernels, &shift, &other)
            };
            let numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            let exact = found.precision[k * 4 + i * 2 + j] * if i == j { 1.0 } else { 2.0 };
            assert!((numeric - exact).abs() < 2e-6 * exact.abs().max(1.0), "site {k} {i} {j}: {exact} and {numeric}");
        }
    }
    let by_kernel = space.pull_back(&grid, &found.chain);
    let at: Vec<f64> =
        kernels.iter().flat_map(|k| k.parameters().iter().map(|p| p.value.ln()).collect::<Vec<_>>()).collect();
    let f = |x: &[f64]| {
        let mut moved = kernels.clone();
        moved.iter_mut().flat_map(Kernel::parameters_mut).zip(x).for_each(|(p, x)| p.value = x.exp());
        objective(&moved, &shift, &precision)
    };
    assert_gradient("kernels", f, &by_kernel, &at, 1e-6);
}
