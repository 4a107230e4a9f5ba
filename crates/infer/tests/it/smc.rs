//! Sequential Monte Carlo: known evidence and moments, temperatures, resampling, modes, and what a run promises.

use crate::common::{assert_derivatives, by_threads, interrupted};
use crate::support::{assert_close, correlated};
use elbo_core::{Error, Rng, Run};
use elbo_infer::family::{FlowFamily, MeanField, Variational};
use elbo_infer::mcmc::{Hamiltonian, Population, Smc, Start, sample, smc, systematic};
use elbo_infer::{Estimate, Explicit, LogDensity};
use elbo_tensor::special::{LOG_SQRT_TAU, log_add_exp};
use std::time::Duration;

/// What was observed of two unknowns, and the standard deviation of the noise; the prior is standard normal.
const SEEN: [f64; 2] = [1.5, -1.0];
const NOISE: f64 = 0.3;

fn log_normal(x: f64, mean: f64, sd: f64) -> f64 {
    -0.5 * ((x - mean) / sd).powi(2) - sd.ln() - LOG_SQRT_TAU
}

/// Prior times likelihood, both normalised.
fn conjugate() -> impl LogDensity {
    Explicit::new(2, |z: &[f64], gradient: &mut [f64]| {
        let mut value = 0.0;
        for i in 0..2 {
            value += log_normal(z[i], 0.0, 1.0) + log_normal(SEEN[i], z[i], NOISE);
            gradient[i] = -z[i] + (SEEN[i] - z[i]) / (NOISE * NOISE);
        }
        value
    })
}

/// Its log evidence: the data are normal with the variance of prior and noise together.
fn conjugate_evidence() -> f64 {
    SEEN.iter().map(|y| log_normal(*y, 0.0, 1f64.hypot(NOISE))).sum()
}

fn prior() -> MeanField {
    MeanField::new(&[0.0; 2], &[1.0; 2])
}

fn small() -> Smc {
    Smc { particles: 400, ..Smc::default() }
}

fn populations(seeds: std::ops::Range<u64>, settings: &Smc) -> Vec<Population> {
    seeds.map(|seed| smc(&conjugate(), &prior(), settings, &mut Run::new(seed)).unwrap()).collect()
}

/// The mean of independent values is the expected one within five standard errors.
fn assert_mean(what: &str, values: &[f64], expected: f64) {
    let found = Estimate::mean(values);
    assert_close(what, found.value, expected, found.error);
}

#[test]
fn the_evidence_of_a_conjugate_model_is_found_with_its_error() {
    assert_derivatives(&conjugate(), &[0.3, -0.4], "conjugate");
    let found = populations(1..25, &small());
    let exact = conjugate_evidence();
    // The evidence itself, whose bias of order 1/N is far below the error of this mean.
    let ratios: Vec<f64> = found.iter().map(|p| (p.log_evidence.value - exact).exp()).collect();
    assert_mean("evidence over the exact one", &ratios, 1.0);
    // Its bias, half the variance of one logarithm, is small beside the error of the mean.
    let logs: Vec<f64> = found.iter().map(|p| p.log_evidence.value).collect();
    assert_mean("log evidence", &logs, exact);
    // The spread over 24 seeds is known to 15 %; the errors may be somewhat too large.
    let spread = Estimate::mean(&logs).error * 24f64.sqrt();
    let told = Estimate::mean(&found.iter().map(|p| p.log_evidence.error).collect::<Vec<_>>()).value;
    assert!(told > 0.5 * spread && told < 2.5 * spread, "error {told}, spread {spread}");
    let twice = populations(1..4, &Smc { particles: 4 * 400, ..Smc::default() });
    let smaller = Estimate::mean(&twice.iter().map(|p| p.log_evidence.error).collect::<Vec<_>>()).value;
    assert!((told / smaller - 2.0).abs() < 0.6, "{told} with 400 particles, {smaller} with 1600");
}

#[test]
fn particles_have_the_moments_of_the_posterior() {
    let found = populations(1..13, &small());
    let variance = NOISE * NOISE / (1.0 + NOISE * NOISE);
    for i in 0..2 {
        let mean = SEEN[i] / (1.0 + NOISE * NOISE);
        let square = |p: &Population| p.rows().map(|z| (z[i] - mean).powi(2)).sum::<f64>() / p.len() as f64;
        let means: Vec<f64> = found.iter().map(|p| p.mean()[i]).collect();
        let squares: Vec<f64> = found.iter().map(square).collect();
        assert_mean("mean", &means, mean);
        assert_mean("variance", &squares, variance);
    }
}

#[test]
fn temperatures_rise_to_one_by_weights_of_the_share_that_is_asked_for() {
    for share in [0.3, 0.5, 0.9] {
        let settings = Smc { share, ..small() };
        let found = &populations(3..4, &settings)[0];
        assert_eq!((found.temperatures[0], found.temperature()), (0.0, 1.0));
        assert!(found.temperatures.windows(2).all(|w| w[0] < w[1]), "{:?}", found.temperatures);
        let (last, before) = found.effective.split_last().unwrap();
        assert!(found.effective.len() + 1 == found.temperatures.len() && !before.is_empty());
        let asked = share * 400.0;
        // The tolerance of the bisection.
        assert!(before.iter().all(|size| (size / asked - 1.0).abs() <= 1e-6), "{before:?}");
        assert!(*last >= asked * (1.0 - 1e-6), "{last}");
        assert!(found.accepted.iter().all(|share| (0.3..=1.0).contains(share)), "{:?}", found.accepted);
        let steps = found.effective.len() as u64;
        assert_eq!(found.gradients, 400 * steps * 26);
    }
}

#[test]
fn a_start_that_is_the_target_needs_one_rise_and_has_no_error() {
    let target = Explicit::new(2, |z: &[f64], gradient: &mut [f64]| {
        gradient.iter_mut().zip(z).for_each(|(g, z)| *g = -z);
        2.0 - 0.5 * (z[0] * z[0] + z[1] * z[1]) - 2.0 * LOG_SQRT_TAU
    });
    let found = smc(&target, &prior(), &small(), &mut Run::new(1)).unwrap();
    assert_eq!(found.temperatures, [0.0, 1.0]);
    let Estimate { value, error } = found.log_evidence;
    assert!((value - 2.0).abs() < 1e-10 && error < 1e-5, "{value} +- {error}");
    assert!((found.lineages - 400.0).abs() < 1e-3, "{}", found.lineages);
}

#[test]
fn systematic_resampling_takes_each_particle_its_share_rounded_down_or_up() {
    const TIMES: usize = 20_000;
    let mut rng = Rng::new(8);
    let weights: Vec<f64> = (0..7).map(|_| rng.exponential()).chain([0.0, 1e-9, 3.0]).collect();
    let total: f64 = weights.iter().sum();
    for count in [1, 5, 10, 37] {
        let mut sums = vec![0.0; weights.len()];
        for _ in 0..TIMES {
            let chosen = systematic(&weights, count, &mut rng).unwrap();
            assert!(chosen.len() == count && chosen.is_sorted());
            for (i, weight) in weights.iter().enumerate() {
                let times = chosen.iter().filter(|k| **k == i).count() as f64;
                let share = count as f64 * weight / total;
                assert!(times == share.floor() || times == share.ceil(), "{times} of {share}");
                sums[i] += times;
            }
        }
        for (i, weight) in weights.iter().enumerate() {
            // The counts are two numbers, the upper one with the probability of the fraction.
            let share = count as f64 * weight / total;
            let error = (share.fract() * (1.0 - share.fract()) / TIMES as f64).sqrt();
            assert_close(&format!("particle {i} of {count}"), sums[i] / TIMES as f64, share, error.max(1e-6));
        }
    }
    for bad in [vec![], vec![0.0; 3], vec![1.0, -1.0, 2.0], vec![1.0, f64::NAN], vec![f64::INFINITY, 1.0]] {
        let error = systematic(&bad, 3, &mut rng).unwrap_err();
        assert!(error.to_string().contains("setting `weights`"), "{error}");
    }
}

/// Normals of variance one at (6, 0) and (-6, 0), with 70 % and 30 % of the mass.
fn two_modes() -> impl LogDensity {
    Explicit::new(2, |z: &[f64], gradient: &mut [f64]| {
        let along = |centre: f64, share: f64| share.ln() + log_normal(z[0], centre, 1.0);
        let (right, left) = (along(6.0, 0.7), along(-6.0, 0.3));
        let value = log_add_exp(right, left);
        let share = (right - value).exp();
        gradient[0] = -(share * (z[0] - 6.0) + (1.0 - share) * (z[0] + 6.0));
        gradient[1] = -z[1];
        value + log_normal(z[1], 0.0, 1.0)
    })
}

#[test]
fn both_modes_keep_their_mass_where_chains_from_one_start_see_one() {
    let target = two_modes();
    assert_derivatives(&target, &[0.1, 0.4], "two modes");
    let wide = MeanField::new(&[0.0; 2], &[6.0; 2]);
    let found: Vec<Population> =
        (1..13).map(|seed| smc(&target, &wide, &Smc::default(), &mut Run::new(seed)).unwrap()).collect();
    let right = |rows: &mut dyn Iterator<Item = bool>, count: usize| rows.filter(|r| *r).count() as f64 / count as f64;
    let masses: Vec<f64> = found.iter().map(|p| right(&mut p.rows().map(|z| z[0] > 0.0), p.len())).collect();
    assert_mean("mass of the right mode", &masses, 0.7);
    // Each seed by itself: a thousand particles, worth some hundreds, leave an error of three hundredths.
    assert!(masses.iter().all(|m| (m - 0.7).abs() < 0.15), "{masses:?}");
    let evidence: Vec<f64> = found.iter().map(|p| p.log_evidence.value.exp()).collect();
    assert_mean("evidence", &evidence, 1.0);
    // Chains stay where their warm-up leaves them: what they say depends on where they start.
    let by_chains = |at: f64| {
        let settings = Hamiltonian { warmup: 300, draws: 300, ..Hamiltonian::hmc() };
        let mass = |seed: u64| {
            let draws = sample(&target, &settings, &Start::At(vec![vec![at, 0.0]]), &mut Run::new(seed)).unwrap();
            right(&mut draws.rows().map(|z| z[0] > 0.0), draws.len())
        };
        (1..4).map(mass).sum::<f64>() / 3.0
    };
    let (from_right, from_left) = (by_chains(6.0), by_chains(-6.0));
    assert!(from_right - from_left > 0.5, "{from_right} and {from_left}");
}

fn bits(found: &Population) -> Vec<u64> {
    let evidence = [found.log_evidence.value, found.log_evidence.error];
    let numbers = found.draws.iter().chain(&found.temperatures).chain(&found.effective).chain(&found.accepted);
    numbers.chain(&evidence).map(|x| x.to_bits()).collect()
}

#[test]
fn the_bits_do_not_depend_on_threads_and_those_of_a_resumed_run_are_the_same() {
    let work = |run: &mut Run| smc(&correlated(0.9), &MeanField::new(&[3.0; 2], &[2.0; 2]), &small(), run).unwrap();
    let whole = work(&mut Run::new(6));
    by_threads(work).iter().for_each(|found| assert_eq!(bits(found), bits(&whole)));
    let (run, stopped, resumed) = interrupted(2, work);
    assert!(run.stopped_early() && stopped.temperatures.len() == 3 && stopped.temperature() < 1.0);
    assert!(run.warnings().iter().any(|w| w.contains("of the bridge at the exponent")), "{:?}", run.warnings());
    assert_eq!(bits(&resumed), bits(&whole));
}

#[test]
fn a_run_that_is_out_of_temperatures_of_time_or_of_lineages_says_so() {
    let mut run = Run::new(1);
    let found = smc(&conjugate(), &prior(), &Smc { steps: 1, ..small() }, &mut run).unwrap();
    assert!(found.temperature() < 1.0 && run.warnings()[0].contains("allow more temperatures"), "{:?}", run.warnings());
    // Nine particles cannot descend from ten.
    let mut run = Run::new(1);
    let found = smc(&conjugate(), &prior(), &Smc { particles: 9, ..small() }, &mut run).unwrap();
    let is_told = run.warnings().iter().any(|w| w.contains("the error of the evidence is not known"));
    assert!(found.lineages < 10.0 && is_told, "{}: {:?}", found.lineages, run.warnings());
    let mut run = Run::new(1).with_time(Duration::ZERO);
    assert!(matches!(smc(&conjugate(), &prior(), &small(), &mut run), Err(Error::Stopped)));
}

#[test]
fn particles_off_the_support_are_left_behind() {
    // Half of a standard normal, where half of the start has no density.
    let target = Explicit::new(1, |z: &[f64], gradient: &mut [f64]| {
        gradient[0] = -z[0];
        if z[0] > 0.0 { log_normal(z[0], 0.0, 1.0) } else { f64::NAN }
    });
    let start = MeanField::new(&[0.0], &[1.5]);
    let work = |seed| smc(&target, &start, &small(), &mut Run::new(seed)).unwrap();
    let found: Vec<Population> = (1..13).map(work).collect();
    assert!(found.iter().all(|p| p.draws.iter().all(|z| *z > 0.0)));
    assert_mean("evidence", &found.iter().map(|p| p.log_evidence.value.exp()).collect::<Vec<_>>(), 0.5);
}

#[test]
fn bad_input_is_refused() {
    let refused = |target: &dyn LogDensity, start: &dyn Variational, settings: Smc, part: &str| {
        let error = smc(target, start, &settings, &mut Run::new(1)).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    let target = conjugate();
    for (settings, part) in [
        (Smc { particles: 1, ..small() }, "`particles` is 1"),
        (Smc { share: 0.0, ..small() }, "`share` is 0"),
        (Smc { share: 1.0, ..small() }, "`share` is 1"),
        (Smc { share: f64::NAN, ..small() }, "`share` is NaN"),
        (Smc { moves: 0, ..small() }, "`moves` is 0"),
        (Smc { leapfrogs: 0, ..small() }, "`leapfrogs` is 0"),
        (Smc { accept: 1.5, ..small() }, "`accept` is 1.5"),
        (Smc { steps: 0, ..small() }, "`steps` is 0"),
    ] {
        refused(&target, &prior(), settings, part);
    }
    refused(&target, &MeanField::new(&[0.0; 3], &[1.0; 3]), small(), "`start` is");
    let planar = FlowFamily::new("planar:2".parse().unwrap(), &[0.0; 2], &[1.0; 2], &mut Rng::new(1)).unwrap();
    refused(&target, &planar, small(), "known at any point");
    let nowhere = Explicit::new(2, |_: &[f64], _: &mut [f64]| f64::NAN);
    refused(&nowhere, &prior(), small(), "none of 400 particles has a density");
    let infinite = Explicit::new(2, |_: &[f64], _: &mut [f64]| f64::INFINITY);
    refused(&infinite, &prior(), small(), "is inf at a particle");
}
