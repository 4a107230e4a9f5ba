//! Spectra of sampled kernels, and Whittle's likelihood.

use elbo_core::Rng;
use elbo_markov::{Grid, Kernel, StateSpace, fourier, sample, whittle};
use std::f64::consts::TAU;

#[test]
fn the_mean_of_the_spectrum_is_the_variance_and_aliases_add_up() {
    let kernel: Kernel =
        "matern32(variance=1.3, lengthscale=2) * (constant + cosine(period=7)) + matern12(variance=0.5)"
            .parse()
            .unwrap();
    let count = 4096;
    let frequencies: Vec<f64> = (0..count).map(|k| TAU * (k as f64 + 0.5) / f64::from(count)).collect();
    let s = whittle::spectrum(&kernel, 1.0, &frequencies).unwrap();
    let mean = s.iter().sum::<f64>() / f64::from(count);
    assert!((mean - kernel.covariance(0.0, 0.0, 0.0)).abs() < 1e-9, "{mean}");
    // Matern 3/2 alone: the sum of the continuous spectrum at all aliases.
    let (l, w) = (2.0, 0.7);
    let lambda = 3f64.sqrt() / l;
    let continuous = |w: f64| 4.0 * lambda.powi(3) / (lambda * lambda + w * w).powi(2);
    let aliases: f64 = (-2000..=2000).map(|m| continuous(w + TAU * f64::from(m))).sum();
    let found = whittle::spectrum(&Kernel::matern(1, 1.0, l), 1.0, &[w]).unwrap()[0];
    assert!((found - aliases).abs() < 1e-8, "{found} {aliases}");
    assert!(whittle::spectrum(&"cosine".parse().unwrap(), 1.0, &[w]).is_err());
}

#[test]
fn the_sampled_spectrum_is_the_continuous_one_at_all_its_aliases() {
    let width = 0.5;
    for text in [
        "matern32(variance=1.3, lengthscale=2)",
        "matern52(lengthscale=1.5) * cosine(period=5) + matern72(variance=0.4)",
        "matern32(variance=0.7, lengthscale=3) * (constant + cosine(period=4)) * cosine(period=9)",
        "matern52(lengthscale=4) * periodic(period=6, lengthscale=1.2, harmonics=3)",
    ] {
        let kernel: Kernel = text.parse().unwrap();
        for w in [0.2, 1.1, 2.9] {
            // The terms that are left out fall with at least the fourth power of their number.
            let aliases: Vec<f64> = (-2000..=2000).map(|m| (w + TAU * f64::from(m)) / width).collect();
            let sum = whittle::continuous(&kernel, &aliases).unwrap().iter().sum::<f64>() / width;
            let found = whittle::spectrum(&kernel, width, &[w]).unwrap()[0];
            assert!((found - sum).abs() < 1e-8 * (1.0 + sum), "{text} at {w}: {found} {sum}");
        }
    }
    for text in ["squared_exponential", "matern12 * matern32", "cosine", "matern32 + constant"] {
        let error = whittle::continuous(&text.parse().unwrap(), &[1.0]).unwrap_err().to_string();
        assert!(error.contains("Matérn"), "{text}: {error}");
    }
}

#[test]
fn whittles_likelihood_has_its_gradient_and_finds_the_lengthscale() {
    let truth = Kernel::matern(1, 1.0, 20.0);
    let steps = 2000;
    let chain = StateSpace::new(&truth, 0.0).unwrap().chain(&Grid::regular(0.0, 1.0, steps));
    let mut rng = Rng::new(4);
    let window = whittle::Window::hann(steps);
    let draws: Vec<Vec<f64>> =
        (0..8).map(|_| window.periodogram(&sample::outputs(&chain, &sample::prior(&chain, &mut rng)))).collect();
    let mean: Vec<f64> = (0..steps / 2).map(|k| draws.iter().map(|d| d[k]).sum::<f64>() / 8.0).collect();
    type Estimate<'a> = &'a dyn Fn(&Kernel) -> elbo_core::Result<(f64, Vec<f64>)>;
    let debiased = |k: &Kernel| whittle::debiased(k, 1.0, &window, &mean);
    let plain = |k: &Kernel| whittle::log_likelihood(k, 1.0, steps, &mean);
    for (name, estimate) in [("debiased", &debiased as Estimate<'_>), ("plain", &plain)] {
        let value = |log_v: f64, log_l: f64| estimate(&Kernel::matern(1, log_v.exp(), log_l.exp())).unwrap();
        let (v, l) = (0.2, 2.7);
        let (_, gradient) = value(v, l);
        let h = 1e-5;
        let numeric =
            [(value(v + h, l).0 - value(v - h, l).0) / (2.0 * h), (value(v, l + h).0 - value(v, l - h).0) / (2.0 * h)];
        for (a, b) in gradient.iter().zip(numeric) {
            assert!((a - b).abs() < 1e-5 * b.abs().max(1.0), "{name}: {a} {b}");
        }
        let best = elbo_tensor::optim::Lbfgs::default()
            .minimise(&[0.0, 3.5], 100, |x| {
                let (value, gradient) = value(x[0], x[1]);
                Ok((-value, gradient.iter().map(|g| -g).collect()))
            })
            .unwrap();
        // Eight series of a hundred lengthscales: a standard error of about 4 %.
        assert!((best.x[1].exp() / 20.0 - 1.0).abs() < 0.15, "{name}: lengthscale {}", best.x[1].exp());
    }
}

#[test]
fn a_flat_window_is_the_plain_periodogram_and_expectations_are_right() {
    let kernel = Kernel::matern(0, 1.5, 4.0);
    let steps = 30;
    let chain = StateSpace::new(&kernel, 0.0).unwrap().chain(&Grid::regular(0.0, 1.0, steps));
    let mut rng = Rng::new(9);
    let y = sample::outputs(&chain, &sample::prior(&chain, &mut rng));
    let flat = whittle::Window::flat(steps);
    for (a, b) in flat.periodogram(&y).iter().zip(fourier::periodogram(&y)) {
        assert!((a - b).abs() < 1e-12);
    }
    // The likelihood's derivative by the power is minus one over the expectation.
    let count = 20_000;
    let mut mean = vec![0.0; steps / 2];
    for _ in 0..count {
        let path = sample::outputs(&chain, &sample::prior(&chain, &mut rng));
        mean.iter_mut().zip(flat.periodogram(&path)).for_each(|(m, p)| *m += p / f64::from(count));
    }
    let zero = whittle::debiased(&kernel, 1.0, &flat, &vec![0.0; steps / 2]).unwrap().0;
    for k in 0..steps / 2 - 1 {
        let mut power = vec![0.0; steps / 2];
        power[k] = 1.0;
        let expected = -1.0 / (whittle::debiased(&kernel, 1.0, &flat, &power).unwrap().0 - zero);
        // Five standard errors of an average of exponential variables.
        assert!((mean[k] / expected - 1.0).abs() < 5.0 / f64::from(count).sqrt(), "{k}: {} {expected}", mean[k]);
    }
}
