//! Guided denoisers.

use elbo_core::Rng;
use elbo_diffusion::denoiser::{Denoiser, GaussianMixture, estimate};
use elbo_diffusion::guidance::{Classifier, ClassifierFree, reconstruction};
use elbo_diffusion::operator::{Mask, Operator};
use elbo_diffusion::{Sampler, Schedule};
use elbo_tensor::Tensor;

/// A 3 x 3 grid of narrow components.
fn grid() -> GaussianMixture {
    let cells: Vec<_> = (0..9).map(|i| (1.0, vec![f64::from(i % 3) - 1.0, f64::from(i / 3) - 1.0], 0.01)).collect();
    GaussianMixture::isotropic(&cells).unwrap()
}

#[test]
fn a_weight_of_one_is_the_conditional_denoiser_and_of_zero_the_other() {
    let (free, told) = (grid(), grid().restricted(&[0, 1, 2]).unwrap());
    let x = Tensor::from_vec(vec![0.3, -0.4], &[1, 2]);
    for (weight, expected) in [(0.0, &free), (1.0, &told)] {
        let guided = ClassifierFree { unconditional: &free, conditional: &told, weight };
        assert!((estimate(&guided, &x, 0.8) - estimate(expected, &x, 0.8)).abs().max().item() < 1e-12);
    }
}

#[test]
fn an_exact_classifier_with_weight_one_is_bayes_rule() {
    let (free, told) = (grid(), grid().restricted(&[0, 1, 2]).unwrap());
    let law = grid();
    let log_prob =
        move |x: &Tensor, sigma: f64| law.responsibilities(x, sigma).narrow(-1, 0, 3).sum_axis(-1, false).log();
    let guided = Classifier { denoiser: &free, log_prob, weight: 1.0 };
    let x = Tensor::from_vec(vec![0.3, -0.4, -0.2, 0.1], &[2, 2]);
    for sigma in [0.5, 2.0] {
        assert!((estimate(&guided, &x, sigma) - estimate(&told, &x, sigma)).abs().max().item() < 1e-8, "{sigma}");
    }
    let levels = Schedule::Karras { high: 20.0, low: 0.01, rho: 7.0 }.levels(30).unwrap();
    let drawn = Sampler::DpmSolver2m.draw(&guided, &levels, 300, &mut Rng::new(1)).unwrap().x;
    let inside = drawn.select(1, 1).to_vec().iter().filter(|y| **y < -0.5).count();
    assert!(inside >= 297, "{inside} of 300 in the row");
    let unguided = Sampler::DpmSolver2m.draw(&free, &levels, 300, &mut Rng::new(1)).unwrap().x;
    let share = unguided.select(1, 1).to_vec().iter().filter(|y| **y < -0.5).count();
    assert!(share < 140, "{share} of 300 without guidance");
}

/// Prior N(0, 1), condition N(0.8, 0.2): guidance with weight 3 follows a flow whose end is no normal with the tilted precision.
#[test]
fn strong_guidance_does_not_sample_the_tilted_density() {
    let prior = GaussianMixture::gaussian(&[0.0], &[1.0]).unwrap();
    let posterior = GaussianMixture::gaussian(&[0.8], &[0.2]).unwrap();
    let guided = ClassifierFree { unconditional: &prior, conditional: &posterior, weight: 3.0 };
    let levels = Schedule::Karras { high: 80.0, low: 0.002, rho: 7.0 }.levels(200).unwrap();
    let start = Tensor::from_vec(vec![0.0], &[1, 1]);
    // The flow is linear, so that the noise's mean is carried to the samples' mean.
    let end = Sampler::HEUN.sample(&guided, &levels, &start, &mut Rng::new(0)).unwrap().x.item();
    // p · (q/p)^3 has the precision 3/0.2 - 2 and the mean 3 · 0.8/0.2 over it.
    let tilted = (3.0 * 0.8 / 0.2) / (3.0 / 0.2 - 2.0);
    assert!((end - tilted).abs() > 0.05, "{end} {tilted}");
    // dm/dσ = (m - D(m))/σ integrated by many small Euler steps in ln σ.
    let (mut m, n) = (0.0f64, 200_000);
    let (high, low) = (80f64.ln(), 0.002f64.ln());
    for i in 0..n {
        let s2 = (2.0 * (high + (low - high) * (f64::from(i) + 0.5) / f64::from(n))).exp();
        let clean = |mean: f64, v: f64| mean + v / (v + s2) * (m - mean);
        let d = clean(0.0, 1.0) + 3.0 * (clean(0.8, 0.2) - clean(0.0, 1.0));
        m += (low - high) / f64::from(n) * (m - d);
    }
    assert!((end - m).abs() < 0.02 * m.abs(), "{end} {m}");
}

#[test]
fn the_gradient_of_the_misfit_agrees_with_central_differences() {
    let law = grid();
    let mask = Mask::new(&[true, false]).unwrap();
    let y = [0.7];
    let at = |x: &Tensor| {
        let clean = law.denoise(x, 0.6).to_vec();
        mask.apply(&clean).iter().zip(&y).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    let x = Tensor::from_vec(vec![0.3, -0.4], &[1, 2]);
    let (_, norms, gradient) = reconstruction(&law, &x, 0.6, &[(&mask, &y)]);
    assert!((norms[0] - at(&x)).abs() < 1e-12);
    for i in 0..2 {
        let h: Vec<f64> = (0..2).map(|j| if i == j { 1e-6 } else { 0.0 }).collect();
        let h = Tensor::from_vec(h, &[1, 2]);
        let numeric = (at(&(&x + &h)) - at(&(&x - &h))) / 2e-6;
        assert!((numeric - gradient.to_vec()[i]).abs() < 1e-6, "{i}: {numeric}");
    }
}
