//! Samplers: orders, published forms, likelihoods.

use elbo_core::Rng;
use elbo_diffusion::denoiser::{GaussianMixture, from_fn};
use elbo_diffusion::sampler::{Trace, flow, log_likelihood};
use elbo_diffusion::{Denoiser, Sampler, Schedule};
use elbo_tensor::Tensor;

fn mixture() -> GaussianMixture {
    GaussianMixture::new(&[
        (0.4, vec![1.0, -0.5], vec![0.3, 0.1, 0.1, 0.2]),
        (0.6, vec![-0.8, 0.6], vec![0.2, -0.05, -0.05, 0.3]),
    ])
    .unwrap()
}

/// Largest error at the end of the flow from level 20 to 0.05 in this many steps, levels even in ln σ.
fn error(sampler: Sampler, steps: usize) -> f64 {
    let mixture = mixture();
    let x = Tensor::from_vec(Rng::new(1).normals(16), &[8, 2]) * 20.0;
    let mut levels = Schedule::Log { high: 20.0, low: 0.05 }.levels(steps + 1).unwrap();
    levels.pop();
    let exact = flow(&mixture, &x, 20.0, 0.05, 1e-10).unwrap().x;
    let found = sampler.sample(&mixture, &levels, &x, &mut Rng::new(0)).unwrap().x;
    (found - exact).abs().max().item()
}

#[test]
fn deterministic_samplers_have_their_orders() {
    for (name, sampler, order) in [
        ("ddim", Sampler::Ddim { eta: 0.0 }, 1.0),
        ("dpm_solver_2m", Sampler::DpmSolver2m, 2.0),
        ("heun", Sampler::HEUN, 2.0),
    ] {
        let errors: Vec<f64> = [40, 80, 160].map(|n| error(sampler, n)).into();
        for pair in errors.windows(2) {
            let found = (pair[0] / pair[1]).log2();
            assert!((found - order).abs() < 0.35, "{name}: order {found} from {errors:?}");
        }
    }
}

/// Under a normal law every sampler is linear, and its error is one of the spread of its samples.
#[test]
fn twenty_steps_even_in_the_logarithm_have_the_laws_spread_where_a_hundred_ancestral_ones_lack_some() {
    let chain = Schedule::Ddpm.levels(100).unwrap();
    for variance in [0.01f64, 0.05, 0.2, 1.0, 4.0, 10.0] {
        let law = GaussianMixture::gaussian(&[0.0], &[variance]).unwrap();
        let start = (80f64.powi(2) + variance).sqrt();
        let spread = |schedule: Schedule| {
            let x = Tensor::from_vec(vec![start], &[1, 1]);
            let levels = schedule.levels(20).unwrap();
            let end = Sampler::DpmSolver2m.sample(&law, &levels, &x, &mut Rng::new(0)).unwrap().x.item();
            (end / variance.sqrt() - 1.0).abs()
        };
        let even = spread(Schedule::Log { high: 80.0, low: 0.01 });
        let karras = spread(Schedule::Karras { high: 80.0, low: 0.01, rho: 7.0 });
        // The variance of the ancestral chain, by its recursion.
        let mut square = chain[0].powi(2) + variance;
        for pair in chain.windows(2) {
            let (sigma, next) = (pair[0], pair[1]);
            let fresh = next * next * (1.0 - (next / sigma).powi(2));
            let clean = variance / (variance + sigma * sigma);
            let kept = clean + (1.0 - clean) / sigma * (next * next - fresh).sqrt();
            square = kept * kept * square + fresh;
        }
        let ancestral = 1.0 - (square / variance).sqrt();
        assert!(even < 0.02 && even < 0.6 * karras, "{variance}: {even} even, {karras} Karras");
        assert!(ancestral > 2.0 * even, "{variance}: {ancestral} ancestral, {even} even");
    }
}

#[test]
fn samplers_agree_with_their_published_forms_at_constant_variance() {
    // One step from t to s, in the scale where α² + σ² = 1.
    let mixture = mixture();
    let (kept_t, kept_s) = (0.3f64, 0.6f64);
    let level = |kept: f64| ((1.0 - kept) / kept).sqrt();
    let x_t = Tensor::from_vec(vec![0.4, -0.9], &[1, 2]);
    let x = &x_t / kept_t.sqrt();
    let clean = mixture.denoise(&x, level(kept_t));
    let z = Tensor::from_vec(Rng::new(5).normals(2), &[1, 2]);
    let beta = 1.0 - kept_t / kept_s;
    let mean = &clean * (kept_s.sqrt() * beta / (1.0 - kept_t))
        + &x_t * ((kept_t / kept_s).sqrt() * (1.0 - kept_s) / (1.0 - kept_t));
    let variance = beta * (1.0 - kept_s) / (1.0 - kept_t);
    let run = |sampler: Sampler| {
        sampler.sample(&mixture, &[level(kept_t), level(kept_s)], &x, &mut Rng::new(5)).unwrap().x * kept_s.sqrt()
    };
    assert!((run(Sampler::Ancestral) - (&mean + &z * variance.sqrt())).abs().max().item() < 1e-12);
    let noise = (&x_t - &clean * kept_t.sqrt()) / (1.0 - kept_t).sqrt();
    for eta in [0.0, 0.4] {
        let v = eta * eta * variance;
        let expected = &clean * kept_s.sqrt() + &noise * (1.0 - kept_s - v).sqrt() + &z * v.sqrt();
        assert!((run(Sampler::Ddim { eta }) - expected).abs().max().item() < 1e-12, "{eta}");
    }
    let h = (level(kept_t) / level(kept_s)).ln();
    let expected = &x_t * ((1.0 - kept_s) / (1.0 - kept_t)).sqrt() - &clean * (kept_s.sqrt() * (-h).exp_m1());
    assert!((run(Sampler::DpmSolver2m) - expected).abs().max().item() < 1e-12);
}

#[test]
fn every_sampler_draws_from_the_law() {
    let mixture = mixture();
    let (mean, covariance) = mixture.moments();
    let samplers = [
        (Sampler::Ancestral, 200),
        (Sampler::Ddim { eta: 0.5 }, 200),
        (Sampler::DpmSolver2m, 40),
        (Sampler::HEUN, 30),
        (Sampler::Heun { churn: 10.0, churn_from: 0.05, churn_to: 5.0 }, 40),
    ];
    for (sampler, steps) in samplers {
        let levels = Schedule::Karras { high: 20.0, low: 0.01, rho: 7.0 }.levels(steps).unwrap();
        let drawn = sampler.draw(&mixture, &levels, 4000, &mut Rng::new(7)).unwrap();
        let expected = if matches!(sampler, Sampler::Heun { .. }) { 2 * steps - 1 } else { steps };
        assert_eq!(drawn.evaluations, expected, "{sampler:?}");
        let (m, c) = elbo_diffusion::frechet::moments(&drawn.x.to_vec(), 2).unwrap();
        // Five standard errors of 4,000 draws with a variance of about one, and one per cent for the steps.
        assert!(m.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 0.09), "{sampler:?}: {m:?} {mean:?}");
        assert!(c.iter().zip(&covariance).all(|(a, b)| (a - b).abs() < 0.1), "{sampler:?}: {c:?} {covariance:?}");
    }
}

#[test]
fn the_flow_carries_the_exact_log_density() {
    let mixture = mixture();
    let x = Tensor::from_vec(vec![0.3, 0.2, -1.0, 0.8, 1.4, -0.9], &[3, 2]);
    let low = 0.02;
    let exact = mixture.log_prob(&x, low).to_vec();
    let mut rng = Rng::new(2);
    let found = log_likelihood(&mixture, &x, (low, 1000.0), Trace::Exact, 1e-6, &mut rng).unwrap();
    for (a, b) in found.value.iter().zip(&exact) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
    let probed = log_likelihood(&mixture, &x, (low, 1000.0), Trace::Probes(40), 1e-5, &mut rng).unwrap();
    for ((a, b), se) in probed.value.iter().zip(&exact).zip(&probed.se) {
        assert!((a - b).abs() < 5.0 * se + 2e-3, "{a} ± {se} instead of {b}");
    }
    assert!(log_likelihood(&mixture, &x, (low, 1000.0), Trace::Probes(0), 1e-5, &mut rng).is_err());
}

#[test]
fn bad_schedules_settings_and_denoisers_are_refused() {
    let mixture = mixture();
    let x = Tensor::from_vec(vec![0.0, 0.0], &[1, 2]);
    let mut rng = Rng::new(0);
    for sampler in [Sampler::Ancestral, Sampler::DpmSolver2m, Sampler::HEUN] {
        let message = sampler.sample(&mixture, &[2.0, 1.0, 1.0], &x, &mut rng).unwrap_err().to_string();
        assert!(message.contains("level 3 of 3"), "{message}");
        assert!(sampler.sample(&mixture, &[1.0, 2.0], &x, &mut rng).is_err());
    }
    assert!(Sampler::Ddim { eta: 2.0 }.sample(&mixture, &[1.0, 0.0], &x, &mut rng).is_err());
    let broken = from_fn(2, |x, _| x * f64::NAN);
    let message = Sampler::Ancestral.sample(&broken, &[1.0, 0.0], &x, &mut rng).unwrap_err().to_string();
    assert!(message.contains("not finite"), "{message}");
}
