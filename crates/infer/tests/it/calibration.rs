//! Simulation-based calibration of the samplers on three models, and of the check itself.

use elbo_core::{Result, Rng, Run};
use elbo_dist::MultivariateNormal;
use elbo_infer::diagnostics::{Ranks, sbc};
use elbo_infer::mcmc::{
    Chains, EllipticalSlice, Hamiltonian, Metric, Slice, Start, Stochastic, elliptical_slice, sample, sample_by,
    sample_stochastic,
};
use elbo_infer::{Batched, Explicit, FullScore, LogDensity};
use elbo_tensor::special::log1p_exp;

/// A model to be calibrated: a truth from the prior, and the posterior of data simulated from it.
type Model = fn(&mut Rng) -> (Vec<f64>, Box<dyn LogDensity>);

/// Location and log deviation: m ~ N(0, 1), log s ~ N(0, 0.5^2), ten y ~ N(m, s^2). No closed posterior.
fn location_scale(rng: &mut Rng) -> (Vec<f64>, Box<dyn LogDensity>) {
    let truth = vec![rng.normal(), 0.5 * rng.normal()];
    let y: Vec<f64> = (0..10).map(|_| truth[0] + truth[1].exp() * rng.normal()).collect();
    let density = move |z: &[f64], gradient: &mut [f64]| {
        let precision = (-2.0 * z[1]).exp();
        let (sum, square) = y.iter().fold((0.0, 0.0), |(a, b), y| (a + y - z[0], b + (y - z[0]).powi(2)));
        gradient[0] = -z[0] + precision * sum;
        gradient[1] = -4.0 * z[1] - 10.0 + precision * square;
        -0.5 * z[0] * z[0] - 2.0 * z[1] * z[1] - 10.0 * z[1] - 0.5 * precision * square
    };
    (truth, Box::new(Explicit::new(2, density)))
}

/// The log rate of counts: rate ~ Gamma(2, 1), five y ~ Poisson(rate). Conjugate.
fn poisson_rate(rng: &mut Rng) -> (Vec<f64>, Box<dyn LogDensity>) {
    let rate = rng.gamma(2.0);
    let total: u64 = (0..5).map(|_| rng.poisson(rate)).sum();
    let shape = 2.0 + total as f64;
    let density = move |z: &[f64], gradient: &mut [f64]| {
        gradient[0] = shape - 6.0 * z[0].exp();
        shape * z[0] - 6.0 * z[0].exp()
    };
    (vec![rate.ln()], Box::new(Explicit::new(1, density)))
}

/// Logistic regression with two N(0, 1) weights on 20 rows.
fn logistic(rng: &mut Rng) -> (Vec<f64>, Box<dyn LogDensity>) {
    let truth = vec![rng.normal(), rng.normal()];
    let rows: Vec<([f64; 2], f64)> = (0..20)
        .map(|_| {
            let x = [1.0, rng.normal()];
            let logit = x[0] * truth[0] + x[1] * truth[1];
            (x, f64::from(u8::from(rng.uniform() < 1.0 / (1.0 + (-logit).exp()))))
        })
        .collect();
    let density = move |z: &[f64], gradient: &mut [f64]| {
        let mut value = -0.5 * (z[0] * z[0] + z[1] * z[1]);
        (gradient[0], gradient[1]) = (-z[0], -z[1]);
        for (x, y) in &rows {
            let logit = x[0] * z[0] + x[1] * z[1];
            value += y * logit - log1p_exp(logit);
            let residual = y - 1.0 / (1.0 + (-logit).exp());
            gradient[0] += residual * x[0];
            gradient[1] += residual * x[1];
        }
        value
    };
    (truth, Box::new(Explicit::new(2, density)))
}

const MODELS: [(&str, Model); 3] =
    [("location and scale", location_scale), ("rate", poisson_rate), ("logistic", logistic)];

/// Draws each truth is ranked among: few, so that thinning makes them nearly independent.
pub const DRAWS: usize = 19;

fn ranks(model: Model, settings: &Hamiltonian, simulations: usize, seed: u64) -> Result<Ranks> {
    sbc(simulations, &mut Rng::new(seed), |rng| {
        let (truth, target) = model(rng);
        let mut run = Run::new(rng.next_u64() % 1_000_000);
        let draws = sample(target.as_ref(), settings, &Start::default(), &mut run)?;
        Ok((truth, draws.thinned(DRAWS)))
    })
}

/// Every unknown of every model: the p-values of a right sampler are uniform, so the smallest of 5 is below 0.001 once in 200.
pub fn assert_calibrated(name: &str, found: &Ranks) {
    for unknown in 0..found.dim {
        let p = found.p_value(unknown, 10);
        assert!(p > 1e-3, "{name}, unknown {unknown}: p = {p}, {:?}", found.histogram(unknown, 10));
        assert!(found.is_calibrated(unknown, 0.999, &mut Rng::new(1)), "{name}, unknown {unknown} leaves the envelope");
    }
}

#[test]
fn nuts_is_calibrated() {
    let settings = Hamiltonian { chains: 1, warmup: 300, draws: 10 * DRAWS, ..Hamiltonian::nuts() };
    for (name, model) in MODELS {
        assert_calibrated(name, &ranks(model, &settings, 300, 1).unwrap());
    }
}

#[test]
fn nuts_in_a_low_rank_metric_is_calibrated() {
    let nuts = Hamiltonian { metric: Metric::LowRank, ..Hamiltonian::nuts() };
    let settings = Hamiltonian { chains: 1, warmup: 300, draws: 10 * DRAWS, ..nuts };
    for (name, model) in MODELS {
        assert_calibrated(name, &ranks(model, &settings, 300, 11).unwrap());
    }
}

#[test]
fn univariate_slices_are_calibrated() {
    let settings = Chains { chains: 1, warmup: 100, draws: DRAWS, thin: 20 };
    for (name, model) in MODELS {
        // A width far from the spread, and intervals of two widths at most, cost mixing alone.
        for (width, steps, seed) in [(1.0, 100, 12), (0.3, 2, 13)] {
            let thin = if steps == 2 { 60 } else { settings.thin };
            let found = sbc(300, &mut Rng::new(seed), |rng| {
                let (truth, target) = model(rng);
                let d = truth.len();
                let log_density = |z: &[f64]| target.value_and_gradient(z, &mut vec![0.0; d]);
                let slice = Slice::new(log_density, &vec![width; d]).within(steps);
                let mut run = Run::new(rng.next_u64() % 1_000_000);
                let draws = sample_by(&slice, &Chains { thin, ..settings.clone() }, &[vec![0.0; d]], &mut run)?;
                Ok((truth, draws.rows().map(<[f64]>::to_vec).collect()))
            });
            assert_calibrated(name, &found.unwrap());
        }
    }
}

#[test]
fn hmc_is_calibrated() {
    let settings = Hamiltonian { chains: 1, warmup: 300, draws: 10 * DRAWS, ..Hamiltonian::hmc() };
    for (name, model) in MODELS {
        assert_calibrated(name, &ranks(model, &settings, 300, 2).unwrap());
    }
}

#[test]
fn mala_is_calibrated() {
    // One leapfrog step a transition: draws are further apart than those of long trajectories.
    let settings = Hamiltonian { chains: 1, warmup: 400, draws: 40 * DRAWS, ..Hamiltonian::mala() };
    for (name, model) in MODELS {
        assert_calibrated(name, &ranks(model, &settings, 300, 6).unwrap());
    }
}

#[test]
fn elliptical_slices_are_calibrated() {
    let settings = EllipticalSlice { chains: 1, warmup: 200, draws: 60 * DRAWS };
    for (name, model) in MODELS {
        let found = sbc(300, &mut Rng::new(7), |rng| {
            let (truth, target) = model(rng);
            let d = truth.len();
            let identity = (0..d * d).map(|ij| f64::from(u8::from(ij / d == ij % d))).collect();
            let prior = MultivariateNormal::new(vec![0.0; d], identity);
            // The ratio of any density to that of N(0, I) is a likelihood under it.
            let likelihood = |z: &[f64]| {
                let log_prior = -0.5 * z.iter().map(|v| v * v).sum::<f64>();
                target.value_and_gradient(z, &mut vec![0.0; d]) - log_prior
            };
            let mut run = Run::new(rng.next_u64() % 1_000_000);
            let draws = elliptical_slice(&likelihood, &prior, &settings, &mut run)?;
            Ok((truth, draws.thinned(DRAWS)))
        });
        assert_calibrated(name, &found.unwrap());
    }
}

/// Chains driven by the exact score, whose steps are so short that their bias is invisible to 300 ranks.
fn assert_stochastic_calibrated(settings: &Stochastic, seed: u64) {
    for (name, model) in MODELS {
        let found = sbc(300, &mut Rng::new(seed), |rng| {
            let (truth, target) = model(rng);
            let mut run = Run::new(rng.next_u64() % 1_000_000);
            let start = [vec![0.0; truth.len()]];
            let draws = sample_stochastic(&FullScore(target.as_ref()), settings, &start, &mut run)?;
            Ok((truth, draws.rows().map(<[f64]>::to_vec).collect()))
        });
        assert_calibrated(name, &found.unwrap());
    }
}

#[test]
fn langevin_steps_are_calibrated() {
    let settings = Stochastic { chains: 1, burnin: 1500, draws: DRAWS, thin: 600, step: 4e-3, ..Stochastic::sgld() };
    assert_stochastic_calibrated(&settings, 8);
}

#[test]
fn preconditioned_langevin_steps_are_calibrated() {
    let settings = Stochastic { chains: 1, burnin: 600, draws: DRAWS, thin: 200, step: 0.02, ..Stochastic::psgld() };
    assert_stochastic_calibrated(&settings, 9);
}

#[test]
fn second_order_dynamics_are_calibrated() {
    let settings = Stochastic { chains: 1, burnin: 1000, draws: DRAWS, thin: 100, step: 0.05, ..Stochastic::sghmc() };
    assert_stochastic_calibrated(&settings, 10);
}

/// The posterior of a mean, by minibatch Langevin steps of this length: prior N(0, 1), 40 y ~ N(z, 1).
fn langevin_ranks(step: f64, batch: usize, simulations: usize) -> Ranks {
    sbc(simulations, &mut Rng::new(3), |rng| {
        let truth = rng.normal();
        let y: Vec<f64> = (0..40).map(|_| truth + rng.normal()).collect();
        let score = Batched::new(1, 40, move |z: &[f64], rows: &[usize], gradient: &mut [f64]| {
            gradient[0] = -z[0] + 40.0 / rows.len() as f64 * rows.iter().map(|i| y[*i] - z[0]).sum::<f64>();
        });
        let settings =
            Stochastic { chains: 1, burnin: 500, draws: DRAWS, thin: 150, batch, step, ..Stochastic::sgld() };
        let draws = sample_stochastic(&score, &settings, &[vec![0.0]], &mut Run::new(rng.next_u64() % 1_000_000))?;
        Ok((vec![truth], draws.rows().map(<[f64]>::to_vec).collect()))
    })
    .unwrap()
}

#[test]
fn langevin_steps_are_calibrated_when_short_and_full() {
    // Variance is inflated by 1 / (1 - eps 41 / 4), one per cent here: invisible to 300 ranks.
    assert_calibrated("langevin", &langevin_ranks(1e-3, 40, 300));
}

#[test]
fn langevin_steps_with_small_batches_are_found_too_wide() {
    // The gradient of 2 of 40 rows adds its own noise, more than the injected one at this step.
    let found = langevin_ranks(1e-2, 2, 300);
    assert!(found.p_value(0, 10) < 1e-3 && !found.is_calibrated(0, 0.999, &mut Rng::new(1)));
}

/// Ranks under the exact posterior of a mean from ten values, moved by `shift` of its deviations and then scaled.
fn scaled_and_moved(scale: f64, shift: f64) -> Ranks {
    sbc(500, &mut Rng::new(5), |rng| {
        let truth = rng.normal();
        let sum: f64 = (0..10).map(|_| truth + rng.normal()).sum();
        let draws = (0..DRAWS).map(|_| vec![sum / 11.0 + (shift + scale * rng.normal()) / 11f64.sqrt()]).collect();
        Ok((vec![truth], draws))
    })
    .unwrap()
}

#[test]
fn a_posterior_too_narrow_is_found() {
    assert_calibrated("exact", &scaled_and_moved(1.0, 0.0));
    let narrow = scaled_and_moved(0.7, 0.0);
    assert!(narrow.p_value(0, 10) < 1e-6);
    assert!(!narrow.is_calibrated(0, 0.999, &mut Rng::new(1)));
}

#[test]
fn symmetry_forgives_a_wrong_width_and_finds_a_centre_that_is_off() {
    let p = |ranks: &Ranks| ranks.symmetry_p_value(0, &mut Rng::new(2));
    for scale in [0.5, 1.0, 2.0] {
        let found = p(&scaled_and_moved(scale, 0.0));
        assert!(found > 1e-3, "width {scale}: p = {found}");
    }
    // Half a deviation: the truth is below the centre in 69 % of the simulations, where chance alone allows 58 %.
    for shift in [-0.5, 0.5] {
        let moved = scaled_and_moved(0.5, shift);
        assert!(p(&moved) < 1e-3 && moved.asymmetry(0) > 0.2, "shift {shift}: {}", moved.asymmetry(0));
    }
}

#[test]
fn asymmetry_is_the_distance_between_the_ranks_and_their_mirror_image() {
    let of = |ranks: &[usize]| Ranks { ranks: ranks.to_vec(), dim: 1, draws: 4 }.asymmetry(0);
    assert_eq!(of(&[0, 1, 2, 3, 4]), 0.0);
    assert_eq!(of(&[0, 0, 4, 4]), 0.0);
    assert_eq!(of(&[0, 0, 0]), 1.0);
    // At most 1: three quarters of the ranks, against one quarter of the turned ones.
    assert_eq!(of(&[0, 1, 1, 4]), 0.5);
    assert_eq!(of(&[4, 3, 3, 0]), 0.5);
}
