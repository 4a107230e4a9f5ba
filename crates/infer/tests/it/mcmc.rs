//! Samplers against closed forms, and what a run promises: same bits, resuming, stopping.

use crate::common::interrupted;
use crate::support::{assert_gradient, assert_moments, correlated, independent, log_gamma};
use elbo_core::{ModelFile, Run, Snapshot};
use elbo_dist::MultivariateNormal;
use elbo_infer::diagnostics::ess_mean;
use elbo_infer::mcmc::{
    Chains, Draws, EllipticalSlice, Hamiltonian, Metric, Slice, Start, Trajectory, elliptical_slice, sample, sample_by,
};
use elbo_infer::{Explicit, LogDensity};
use elbo_tensor::special::{digamma, trigamma};

fn short(settings: Hamiltonian) -> Hamiltonian {
    Hamiltonian { warmup: 500, draws: 500, ..settings }
}

fn samplers() -> Vec<(&'static str, Hamiltonian)> {
    vec![
        ("nuts", Hamiltonian::nuts()),
        ("nuts, dense", Hamiltonian { metric: Metric::Dense, ..Hamiltonian::nuts() }),
        ("nuts, gradient", Hamiltonian { metric: Metric::Gradient, ..Hamiltonian::nuts() }),
        ("nuts, low rank", Hamiltonian { metric: Metric::LowRank, ..Hamiltonian::nuts() }),
        ("nuts, identity", Hamiltonian { metric: Metric::Identity, ..Hamiltonian::nuts() }),
        ("hmc", Hamiltonian::hmc()),
        ("mala", Hamiltonian { draws: 3000, ..Hamiltonian::mala() }),
    ]
}

#[test]
fn every_sampler_has_the_moments_of_a_badly_scaled_gaussian() {
    let (mean, sd) = (vec![1.0, -3.0, 0.0], vec![0.2, 1.0, 4.0]);
    let target = independent(mean.clone(), sd.clone());
    assert_gradient(&target, &[0.3, 0.4, 0.5]);
    let variance: Vec<f64> = sd.iter().map(|s| s * s).collect();
    for (name, settings) in samplers() {
        for seed in [1, 2, 3] {
            let mut run = Run::new(seed);
            let draws = sample(&target, &short(settings.clone()), &Start::default(), &mut run).unwrap();
            assert_moments(name, &draws, &mean, &variance);
            assert_eq!(draws.divergences(), 0, "{name}");
        }
    }
}

#[test]
fn every_sampler_has_the_moments_of_a_skewed_density() {
    let target = log_gamma(2.0, 3.0);
    assert_gradient(&target, &[-0.7]);
    for (name, settings) in samplers() {
        let draws = sample(&target, &short(settings), &Start::default(), &mut Run::new(4)).unwrap();
        assert_moments(name, &draws, &[digamma(2.0) - 3f64.ln()], &[trigamma(2.0)]);
    }
}

#[test]
fn the_dense_metric_makes_correlation_harmless() {
    let target = correlated(0.99);
    assert_gradient(&target, &[0.3, -0.5]);
    let per_gradient = |metric| {
        let settings = Hamiltonian { metric, ..short(Hamiltonian::nuts()) };
        let draws = sample(&target, &settings, &Start::default(), &mut Run::new(5)).unwrap();
        assert_moments("correlated", &draws, &[0.0, 0.0], &[1.0, 1.0]);
        ess_mean(&draws.column(0), 4) / draws.gradients() as f64
    };
    let (dense, diagonal) = (per_gradient(Metric::Dense), per_gradient(Metric::Diagonal));
    // One preconditioned gradient is worth about 1 / sqrt(1 - 0.99) = 10 plain ones; a third of that is asked for.
    assert!(dense > 3.0 * diagonal, "dense {dense}, diagonal {diagonal}");
}

#[test]
fn a_low_rank_metric_undoes_a_few_correlated_directions_of_many() {
    // Forty unknowns, variance 400 along one direction across all of them and one elsewhere.
    const D: usize = 40;
    let target = Explicit::new(D, |z: &[f64], gradient: &mut [f64]| {
        let along = z.iter().sum::<f64>() / D as f64;
        gradient.iter_mut().zip(z).for_each(|(g, z)| *g = -z + (399.0 / 400.0) * along);
        0.5 * z.iter().zip(&*gradient).map(|(z, g)| z * g).sum::<f64>()
    });
    assert_gradient(&target, &(0..D).map(|i| (i as f64 * 0.9).sin()).collect::<Vec<_>>());
    let per_gradient = |metric| {
        let settings = Hamiltonian { metric, ..short(Hamiltonian::nuts()) };
        let draws = sample(&target, &settings, &Start::default(), &mut Run::new(5)).unwrap();
        // Each variance is 1 + 399 / 40.
        let variance = 1.0 + 399.0 / D as f64;
        assert_moments("stretched", &draws, &[0.0; D], &[variance; D]);
        let along = draws.map(&["along".into()], |row, out| out.push(row.iter().sum()));
        ess_mean(&along.column(0), 4) / draws.gradients() as f64
    };
    let (low_rank, diagonal) = (per_gradient(Metric::LowRank), per_gradient(Metric::Diagonal));
    // The condition number falls from 400 to a few; a third of the root is asked for.
    assert!(low_rank > 3.0 * diagonal, "low rank {low_rank}, diagonal {diagonal}");
}

#[test]
fn a_funnel_is_reported() {
    let target = Explicit::new(5, |z: &[f64], gradient: &mut [f64]| {
        let precision = (-z[0]).exp();
        let square: f64 = z[1..].iter().map(|x| x * x).sum();
        gradient[0] = -z[0] / 9.0 - 2.0 + 0.5 * precision * square;
        gradient[1..].iter_mut().zip(&z[1..]).for_each(|(g, x)| *g = -precision * x);
        -z[0] * z[0] / 18.0 - 2.0 * z[0] - 0.5 * precision * square
    });
    assert_gradient(&target, &[0.4, 0.1, -0.3, 1.0, 0.7]);
    for seed in [1, 2, 3] {
        let mut run = Run::new(seed);
        let draws = sample(&target, &short(Hamiltonian::nuts()), &Start::default(), &mut run).unwrap();
        assert!(
            draws.divergences() > 0 && run.warnings().iter().any(|w| w.contains("diverged")),
            "{:?}",
            run.warnings()
        );
    }
}

#[test]
fn chains_that_disagree_are_reported() {
    // Two modes ten deviations apart, one chain started in each.
    let target = Explicit::new(1, |z: &[f64], gradient: &mut [f64]| {
        let (a, b) = (-0.5 * (z[0] - 5.0).powi(2), -0.5 * (z[0] + 5.0).powi(2));
        let value = a.max(b) + (-(a - b).abs()).exp().ln_1p();
        let share = (a - value).exp();
        gradient[0] = -share * (z[0] - 5.0) - (1.0 - share) * (z[0] + 5.0);
        value
    });
    assert_gradient(&target, &[0.2]);
    let start = Start::At(vec![vec![5.0], vec![-5.0]]);
    let mut run = Run::new(3);
    let draws = sample(&target, &Hamiltonian { chains: 2, ..short(Hamiltonian::nuts()) }, &start, &mut run).unwrap();
    assert!(draws.summaries()[0].r_hat > 1.5);
    assert!(run.warnings().iter().any(|w| w.contains("disagree")), "{:?}", run.warnings());
}

#[test]
fn a_metric_that_could_not_be_learnt_is_reported_and_kept_in_files() {
    // The second unknown does not matter: it has no gradient to learn a scale from.
    let flat = Explicit::new(2, |z: &[f64], gradient: &mut [f64]| {
        (gradient[0], gradient[1]) = (-z[0], 0.0);
        -0.5 * z[0] * z[0]
    });
    let said = |metric: Metric| {
        let settings = Hamiltonian { chains: 2, warmup: 100, draws: 20, metric, ..Hamiltonian::hmc() };
        let mut run = Run::new(7);
        let draws = sample(&flat, &settings, &Start::default(), &mut run).unwrap();
        let is_said = run.warnings().iter().any(|w| w.contains("2 of 2 chains sampled with the metric"));
        (draws, is_said)
    };
    for metric in [Metric::Gradient, Metric::LowRank] {
        let (draws, is_said) = said(metric);
        assert!(is_said && draws.metric_failures()[0].contains("unknown 2"), "{metric:?}: {draws:?}");
        let mut file = ModelFile::new("test");
        draws.save(&mut file, "draws");
        let mut back = Draws::default();
        back.restore(&file, "draws").unwrap();
        assert_eq!(back.metric_failures(), draws.metric_failures());
    }
    for metric in [Metric::Identity, Metric::Diagonal, Metric::Dense] {
        let (draws, is_said) = said(metric);
        assert!(!is_said && draws.metric_failures().is_empty(), "{metric:?}");
    }
}

fn bits(draws: &Draws) -> Vec<u64> {
    draws.values().iter().map(|v| v.to_bits()).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let target = correlated(0.7);
    let settings = Hamiltonian { metric: Metric::Dense, warmup: 200, draws: 100, ..Hamiltonian::nuts() };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bits(&sample(&target, &settings, &Start::default(), &mut Run::new(8)).unwrap()))
    };
    let one = with(1);
    assert!(with(2) == one && with(5) == one);
}

/// Stops a run at its `at`-th step, resumes it, and compares with an uninterrupted one.
fn assert_resumes(at: usize, mut work: impl FnMut(&mut Run) -> elbo_core::Result<Draws>) {
    let whole = work(&mut Run::new(6)).unwrap();
    let (run, stopped, resumed) = interrupted(at, &mut work);
    assert!(run.stopped_early() && stopped.is_ok_and(|d| d.draws() < whole.draws()));
    assert_eq!(bits(&resumed.unwrap()), bits(&whole));
}

#[test]
fn a_resumed_run_draws_the_same_bits() {
    let target = correlated(0.7);
    for (_, settings) in samplers() {
        let settings = Hamiltonian { warmup: 150, draws: 50, ..settings };
        assert_resumes(80, |run| sample(&target, &settings, &Start::default(), run));
    }
    let prior = MultivariateNormal::new(vec![0.0], vec![1.0]);
    let settings = EllipticalSlice { chains: 2, warmup: 50, draws: 100 };
    assert_resumes(60, |run| elliptical_slice(&|z| -0.5 * (z[0] - 1.0).powi(2), &prior, &settings, run));
    let slice = Slice::new(|z: &[f64]| -0.5 * (z[0] - 1.0).powi(2) - z[1].abs(), &[1.0, 1.0]);
    let settings = Chains { chains: 2, warmup: 50, draws: 100, thin: 2 };
    assert_resumes(60, |run| sample_by(&slice, &settings, &[vec![0.0, 0.5]], run));
}

#[test]
fn a_resume_within_the_warmup_draws_the_same_bits() {
    let target = correlated(0.7);
    let settings = Hamiltonian { warmup: 150, draws: 50, ..Hamiltonian::nuts() };
    let whole = sample(&target, &settings, &Start::default(), &mut Run::new(6)).unwrap();
    let (_, stopped, resumed) = interrupted(30, |run| sample(&target, &settings, &Start::default(), run));
    assert!(matches!(stopped, Err(elbo_core::Error::Stopped)));
    assert_eq!(bits(&resumed.unwrap()), bits(&whole));
}

#[test]
fn elliptical_slices_have_the_conjugate_posterior() {
    // Prior N(m, S), likelihood N(2 | z0 + z1, 0.5^2): the posterior by the Kalman gain.
    let prior = MultivariateNormal::new(vec![1.0, -1.0], vec![1.0, 0.0, 0.6, 0.8]);
    let draws = elliptical_slice(
        &|z| -0.5 * ((2.0 - z[0] - z[1]) / 0.5).powi(2),
        &prior,
        &EllipticalSlice::default(),
        &mut Run::new(2),
    )
    .unwrap();
    // S = [[1, .6], [.6, 1]], S h = [1.6, 1.6], h' S h = 3.2; gain 1.6 / 3.45.
    let gain = 1.6 / 3.45;
    assert_moments("slice", &draws, &[1.0 + 2.0 * gain, -1.0 + 2.0 * gain], &[1.0 - 1.6 * gain, 1.0 - 1.6 * gain]);
}

#[test]
fn draws_survive_saving_and_know_their_names() {
    let target = correlated(0.2);
    let settings = Hamiltonian { chains: 2, warmup: 50, draws: 30, ..Hamiltonian::nuts() };
    let draws = sample(&target, &settings, &Start::default(), &mut Run::new(1)).unwrap().named(&["a", "b"]);
    let mut file = ModelFile::new("test");
    draws.save(&mut file, "draws");
    let mut back = Draws::default();
    back.restore(&ModelFile::from_bytes(&file.to_bytes()).unwrap(), "draws").unwrap();
    assert_eq!(back, draws);
    assert_eq!(draws.thinned(10).len(), 10);
    assert_eq!(draws.arviz()["posterior"]["b"][1][29], draws.column(1)[59]);
    let doubled = draws.map(&["2a".into()], |row, out| out.push(2.0 * row[0]));
    assert_eq!(doubled.column(0)[7], 2.0 * draws.column(0)[7]);
    assert_eq!(doubled.table().rows[0][0], "2a");
}

#[test]
fn a_start_outside_the_support_and_bad_settings_are_refused() {
    let nowhere = Explicit::new(1, |_: &[f64], gradient: &mut [f64]| {
        gradient[0] = 0.0;
        f64::NEG_INFINITY
    });
    let refuse = |target: &dyn LogDensity, settings: Hamiltonian, start: Start| {
        sample(target, &settings, &start, &mut Run::new(0)).unwrap_err().to_string()
    };
    assert!(refuse(&nowhere, Hamiltonian::nuts(), Start::default()).contains("100 random points"));
    assert!(refuse(&nowhere, Hamiltonian::nuts(), Start::At(vec![vec![0.0]])).contains("chain 0"));
    let good = correlated(0.0);
    let no_draws = Hamiltonian { draws: 0, ..Hamiltonian::nuts() };
    assert!(refuse(&good, no_draws, Start::default()).contains("`draws` is 0"));
    let backwards = Hamiltonian { trajectory: Trajectory::Jittered { least: 5, most: 2 }, ..Hamiltonian::hmc() };
    assert!(refuse(&good, backwards, Start::default()).contains("`trajectory.least` is 5"));
    assert!(refuse(&good, Hamiltonian::nuts(), Start::At(vec![])).contains("`start` is of lengths []"));
    let uneven = Start::At(vec![vec![0.0; 2], vec![0.0; 3]]);
    assert!(refuse(&good, Hamiltonian::nuts(), uneven).contains("`start` is of lengths [2, 3]"));
}
