//! Ensemble Kalman methods: least squares and posteriors of linear models, affine maps, and what a run promises.

use crate::common::{assert_close, by_threads, interrupted};
use elbo_core::{Error, Rng, Run};
use elbo_dist::MultivariateNormal;
use elbo_infer::particles::{Ensemble, EnsembleKalman, InverseProblem, Kalman, ensemble_kalman};
use elbo_linalg::{Lu, MatMut, MatRef, lstsq};
use std::time::Duration;

/// `A x` for a row-major matrix with as many columns as `x` has numbers.
fn times(a: &[f64], x: &[f64]) -> Vec<f64> {
    a.chunks_exact(x.len()).map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
}

/// `A^-1 B` for `a: [n, n]`, `b: [n, m]`.
fn solved(a: &[f64], n: usize, b: &[f64]) -> Vec<f64> {
    let (mut x, m) = (b.to_vec(), b.len() / n);
    Lu::new(MatRef::row_major(a, n, n)).unwrap().solve(MatMut::row_major(&mut x, n, m));
    x
}

/// Three outputs of two unknowns.
const MODEL: [f64; 6] = [1.0, 0.5, -0.3, 1.2, 0.7, -0.4];
const UNIT: [f64; 4] = [1.0, 0.0, 0.0, 1.0];

type Forward = dyn Fn(&[f64]) -> Vec<f64> + Sync;

fn linear(theta: &[f64]) -> Vec<f64> {
    times(&MODEL, theta)
}

fn data() -> MultivariateNormal {
    MultivariateNormal::new(vec![1.5, -0.5, 0.8], vec![0.5, 0.0, 0.0, 0.2, 0.4, 0.0, -0.1, 0.1, 0.6])
}

fn prior() -> MultivariateNormal {
    MultivariateNormal::new(vec![0.5, -0.5], vec![1.0, 0.0, 0.4, 0.8])
}

/// Mean and covariance of the linear model's posterior.
fn posterior() -> ([f64; 2], [f64; 4]) {
    let weighted = solved(&data().covariance(), 3, &MODEL);
    let mut precision = solved(&prior().covariance(), 2, &UNIT);
    let mut shift = times(&precision, prior().mean());
    for i in 0..2 {
        for (row, y) in data().mean().iter().enumerate() {
            shift[i] += weighted[2 * row + i] * y;
            (0..2).for_each(|j| precision[2 * i + j] += MODEL[2 * row + i] * weighted[2 * row + j]);
        }
    }
    let (mean, covariance) = (solved(&precision, 2, &shift), solved(&precision, 2, &UNIT));
    ([mean[0], mean[1]], covariance.try_into().unwrap())
}

fn start(count: usize, prior: &MultivariateNormal, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = Rng::new(seed);
    (0..count).map(|_| prior.sample(&mut rng)).collect()
}

fn work(count: usize, settings: &EnsembleKalman, run: &mut Run) -> elbo_core::Result<Ensemble> {
    let (data, prior) = (data(), prior());
    let problem = InverseProblem { forward: &linear, data: &data, prior: &prior };
    ensemble_kalman(&problem, settings, &start(count, &prior, run.seed + 100), run)
}

/// Kept draws of three seeds.
fn draws(count: usize, settings: &EnsembleKalman) -> Vec<f64> {
    (1..4).flat_map(|seed| work(count, settings, &mut Run::new(seed)).unwrap().draws).collect()
}

/// Mean of the draws, and their mean products about `centre`, `[2, 2]`.
fn moments(draws: &[f64], centre: [f64; 2]) -> ([f64; 2], [f64; 4]) {
    let count = (draws.len() / 2) as f64;
    let (mut mean, mut products) = ([0.0; 2], [0.0; 4]);
    for z in draws.chunks_exact(2) {
        for i in 0..2 {
            mean[i] += z[i] / count;
            (0..2).for_each(|j| products[2 * i + j] += (z[i] - centre[i]) * (z[j] - centre[j]) / count);
        }
    }
    (mean, products)
}

#[test]
fn samplers_have_the_posterior_of_a_linear_model() {
    let (mean, covariance) = posterior();
    for method in [Kalman::Sampler, Kalman::Aldi] {
        let settings = EnsembleKalman { method, steps: 2500, step: 0.02, warmup: 500, thin: 25 };
        let draws = draws(100, &settings);
        assert_eq!(draws.len(), 3 * 80 * 100 * 2);
        let (found, products) = moments(&draws, mean);
        for i in 0..2 {
            // Forty units of time, in which means forget their past twenty times: five standard errors of 3 x 20 x 100
            // independent draws.
            let sd = covariance[3 * i].sqrt();
            assert!((found[i] - mean[i]).abs() < 0.07 * sd, "{method:?}, mean {i}: {} and {}", found[i], mean[i]);
            for j in 0..2 {
                // Five standard errors of 3 x 40 x 100 independent products, 6.5 %; 1 % for the step; 3 / 100 for the
                // finite ensemble of EKS.
                let size = (covariance[3 * i] * covariance[3 * j]).sqrt();
                let (a, b) = (products[2 * i + j], covariance[2 * i + j]);
                assert!((a - b).abs() < 0.11 * size, "{method:?}, covariance {i}, {j}: {a} and {b}");
            }
        }
    }
}

#[test]
fn the_drift_of_aldi_makes_a_small_ensemble_as_wide_as_the_posterior() {
    let (mean, covariance) = posterior();
    let width = |method: Kalman| {
        let settings = EnsembleKalman { method, steps: 6500, step: 0.02, warmup: 500, thin: 10 };
        let (_, products) = moments(&draws(8, &settings), mean);
        // The mean of the variances in units of the posterior's.
        let scaled = solved(&covariance, 2, &products);
        0.5 * (scaled[0] + scaled[3])
    };
    // Some thousand independent products leave an error of about 3 %. Without the drift the balance of growth and decay
    // is at (N - 1)^2 / (N (N + D)) + 1 / N = 0.74 of the covariance for eight particles and two unknowns.
    let (corrected, plain) = (width(Kalman::Aldi), width(Kalman::Sampler));
    assert!((corrected - 1.0).abs() < 0.15, "{corrected}");
    assert!(plain > 0.59 && plain < 0.85, "{plain}");
}

#[test]
fn inversion_ends_in_the_least_squares_within_the_span_of_the_start() {
    const D: usize = 4;
    const P: usize = 6;
    let mut rng = Rng::new(3);
    let (a, y) = (rng.normals(P * D), rng.normals(P));
    let sd: Vec<f64> = (0..P).map(|_| rng.range(0.5, 2.0)).collect();
    let factor: Vec<f64> = (0..P * P).map(|ij| if ij % (P + 1) == 0 { sd[ij / P] } else { 0.0 }).collect();
    let data = MultivariateNormal::new(y.clone(), factor);
    let unit: Vec<f64> = (0..D * D).map(|ij| f64::from(u8::from(ij % (D + 1) == 0))).collect();
    let prior = MultivariateNormal::new(vec![0.0; D], unit);
    let problem = InverseProblem { forward: &|theta| times(&a, theta), data: &data, prior: &prior };
    for count in [2, 3, 5, 12] {
        let start = start(count, &prior, 9);
        let settings = EnsembleKalman { method: Kalman::Inversion, steps: 3000, ..EnsembleKalman::default() };
        let found = ensemble_kalman(&problem, &settings, &start, &mut Run::new(1)).unwrap();
        // The nearest point of the span: the first point and a combination of the others' differences from it.
        let rank = (count - 1).min(D);
        let along: Vec<Vec<f64>> =
            start[1..=rank].iter().map(|point| point.iter().zip(&start[0]).map(|(x, x0)| x - x0).collect()).collect();
        let outputs: Vec<Vec<f64>> = along.iter().map(|direction| times(&a, direction)).collect();
        let design: Vec<f64> = (0..P * rank).map(|ij| outputs[ij % rank][ij / rank] / sd[ij / rank]).collect();
        let gap: Vec<f64> = times(&a, &start[0]).iter().zip(&y).zip(&sd).map(|((g, y), s)| (y - g) / s).collect();
        let (shares, _) = lstsq(MatRef::row_major(&design, P, rank), MatRef::column(&gap)).unwrap();
        let mut best = start[0].clone();
        for (share, direction) in shares.iter().zip(&along) {
            best.iter_mut().zip(direction).for_each(|(b, d)| *b += share * d);
        }
        // Deviations and the mean's error fall alike, so that it has come as near when outputs agree to 1e-9 of their noise.
        found.rows().for_each(|row| assert_close(row, &best, 1e-7, &format!("{count} particles")));
        assert!(found.draws.is_empty() && found.time > 0.0 && found.evaluations < 3000 * count as u64);
        assert_close(&found.mean(), &best, 1e-7, "mean");
    }
}

#[test]
fn an_affine_map_of_the_unknowns_maps_the_ensemble() {
    let curved = |theta: &[f64]| {
        let (x, y) = (theta[0], theta[1]);
        vec![x + 0.1 * y * y, y.sin(), 0.2 * x * y]
    };
    let (map, shift) = ([2.0, 0.5, -1.0, 3.0], [1.0, -2.0]);
    let forth = |theta: &[f64]| -> Vec<f64> { times(&map, theta).iter().zip(&shift).map(|(x, s)| x + s).collect() };
    let back = |mapped: &[f64]| {
        let moved: Vec<f64> = mapped.iter().zip(&shift).map(|(x, s)| x - s).collect();
        solved(&map, 2, &moved)
    };
    let (data, prior) = (data(), prior());
    // M P M', by rows of M P and of M.
    let half: Vec<f64> = map.chunks_exact(2).flat_map(|row| times(&prior.covariance(), row)).collect();
    let covariance: Vec<f64> = half.chunks_exact(2).flat_map(|row| times(&map, row)).collect();
    let (mapped_prior, _) = MultivariateNormal::from_covariance(forth(prior.mean()), covariance).unwrap();
    let through = |mapped: &[f64]| curved(&back(mapped));
    let plain = InverseProblem { forward: &curved, data: &data, prior: &prior };
    let mapped = InverseProblem { forward: &through, data: &data, prior: &mapped_prior };
    let start = start(10, &prior, 4);
    let mapped_start: Vec<Vec<f64>> = start.iter().map(|point| forth(point)).collect();
    for method in [Kalman::Inversion, Kalman::Sampler, Kalman::Aldi] {
        let settings = EnsembleKalman { method, steps: 40, step: 0.05, warmup: 10, thin: 10 };
        let first = ensemble_kalman(&plain, &settings, &start, &mut Run::new(5)).unwrap();
        let second = ensemble_kalman(&mapped, &settings, &mapped_start, &mut Run::new(5)).unwrap();
        let all = |points: &[f64]| -> Vec<f64> { points.chunks_exact(2).flat_map(forth).collect() };
        assert_close(&second.points, &all(&first.points), 1e-9, &format!("{method:?}"));
        assert_close(&second.draws, &all(&first.draws), 1e-9, &format!("{method:?}, draws"));
        assert_eq!(first.draws.len(), if method == Kalman::Inversion { 0 } else { 3 * 10 * 2 });
        // The inversion takes its steps from deviations, of which rounding leaves fewer digits.
        assert!((second.time / first.time - 1.0).abs() < 1e-6, "{method:?}");
        assert_eq!(first.evaluations, 400);
        // It went somewhere.
        assert!(first.points.iter().zip(start.iter().flatten()).any(|(a, b)| (a - b).abs() > 0.1));
    }
}

#[test]
fn a_model_that_sees_nothing_leaves_the_inversion_where_it_starts() {
    let (data, prior) = (data(), prior());
    let problem = InverseProblem { forward: &|_| vec![1.0, 2.0, 3.0], data: &data, prior: &prior };
    let start = start(4, &prior, 1);
    let settings = EnsembleKalman { method: Kalman::Inversion, ..EnsembleKalman::default() };
    let found = ensemble_kalman(&problem, &settings, &start, &mut Run::new(1)).unwrap();
    assert_eq!((found.points, found.evaluations, found.time), (start.concat(), 4, 0.0));
}

fn bits(found: &Ensemble) -> Vec<u64> {
    found.points.iter().chain(&found.draws).chain([&found.time]).map(|x| x.to_bits()).collect()
}

#[test]
fn the_bits_do_not_depend_on_threads_and_those_of_a_resumed_run_are_the_same() {
    for method in [Kalman::Inversion, Kalman::Aldi] {
        let settings = EnsembleKalman { method, steps: 60, step: 0.05, warmup: 20, thin: 5 };
        let data_of = |run: &mut Run| {
            let (data, prior) = (data(), prior());
            let problem = InverseProblem { forward: &linear, data: &data, prior: &prior };
            ensemble_kalman(&problem, &settings, &start(70, &prior, 2), run).unwrap()
        };
        let whole = data_of(&mut Run::new(6));
        by_threads(data_of).iter().for_each(|found| assert_eq!(bits(found), bits(&whole)));
        let (run, stopped, resumed) = interrupted(33, data_of);
        assert!(run.stopped_early() && stopped.evaluations == 33 * 70);
        assert_eq!(bits(&resumed), bits(&whole));
    }
}

#[test]
fn what_a_run_did_not_reach_is_said() {
    let mut run = Run::new(1);
    let found = work(10, &EnsembleKalman { steps: 5, ..EnsembleKalman::default() }, &mut run).unwrap();
    assert!(found.draws.is_empty() && run.warnings()[0].contains("no ensemble was kept"), "{:?}", run.warnings());
    let mut run = Run::new(1);
    let settings = EnsembleKalman { method: Kalman::Sampler, steps: 20, step: 0.02, warmup: 0, thin: 5 };
    work(2, &settings, &mut run).unwrap();
    assert!(run.warnings()[0].contains("2 particles stay in their span"), "{:?}", run.warnings());
    let mut run = Run::new(1).with_time(Duration::ZERO);
    assert!(matches!(work(10, &settings, &mut run), Err(Error::Stopped)));
}

#[test]
fn bad_input_is_refused() {
    let (data, prior) = (data(), prior());
    let standard = EnsembleKalman::default();
    let refused = |forward: &Forward, settings: &EnsembleKalman, start: &[Vec<f64>], part: &str| {
        let problem = InverseProblem { forward, data: &data, prior: &prior };
        let error = ensemble_kalman(&problem, settings, start, &mut Run::new(1)).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    let points = start(5, &prior, 1);
    for (settings, part) in [
        (EnsembleKalman { steps: 0, ..standard.clone() }, "`steps` is 0"),
        (EnsembleKalman { step: 0.0, ..standard.clone() }, "`step` is 0"),
        (EnsembleKalman { step: 0.5, ..standard.clone() }, "`step` is 0.5"),
        (EnsembleKalman { step: f64::NAN, ..standard.clone() }, "`step` is NaN"),
        (EnsembleKalman { thin: 0, ..standard.clone() }, "`thin` is 0"),
    ] {
        refused(&linear, &settings, &points, part);
    }
    refused(&linear, &standard, &[], "`start` is 0 points");
    refused(&linear, &standard, &points[..3], "expected 4 points or more");
    refused(&linear, &standard, &vec![vec![1.0]; 5], "of lengths [1, 1, 1, 1, 1]");
    refused(&linear, &standard, &vec![vec![1.0, 2.0]; 5], "one point many times");
    let mut holed = points.clone();
    holed[2][1] = f64::NAN;
    refused(&linear, &standard, &holed, "not a number somewhere");
    refused(&|theta| theta.to_vec(), &standard, &points, "`forward` is of 2 outputs");
    let infinite = "output 2 of the forward model is inf for particle 1";
    refused(&|_| vec![0.0, f64::INFINITY, 1.0], &standard, &points, infinite);
    refused(&|theta| vec![1e200 * theta[0]; 3], &standard, &points, "too large to be multiplied");
}
