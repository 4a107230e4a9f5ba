//! Particles: laws of the coin, fields against derivatives and moments, and what a run promises.

use crate::support::{assert_gradient, correlated, independent};
use elbo_core::run::Checkpoints;
use elbo_core::{ModelFile, Rng, Run, Snapshot};
use elbo_infer::diagnostics::{SteinKernel, ksd_squared_v};
use elbo_infer::glm::{Glm, GlmLikelihood};
use elbo_infer::network::Network;
use elbo_infer::particles::{
    Field, Kernel, Ksdd, Lawgd, Pace, Particles, Purse, Svgd, Transport, Velocity, median_bandwidth, transport,
    transport_by,
};
use elbo_infer::target::Toy;
use elbo_infer::{Batched, Explicit, FullScore, LogDensity, Score};
use std::time::Duration;

fn start(n: usize, dim: usize, seed: u64) -> Particles {
    let mut rng = Rng::new(seed);
    Particles::at(&(0..n).map(|_| (0..dim).map(|_| 0.1 * rng.normal()).collect()).collect::<Vec<_>>())
}

fn scores(target: &dyn LogDensity, points: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; points.len()];
    let dim = target.dim();
    for (z, s) in points.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
        target.value_and_gradient(z, s);
    }
    out
}

#[test]
fn scaling_the_velocity_leaves_every_coin_iterate_unchanged() {
    let mut rng = Rng::new(1);
    let first = rng.normals(6);
    // A power of two scales without rounding; only the start of the running maximum, 1e-10, breaks the law.
    let (mut a, mut b) = (first.clone(), first.clone());
    let (mut pa, mut pb) = (Purse::new(&first, 2), Purse::new(&first, 2));
    for _ in 0..200 {
        let c: Vec<f64> = a.iter().map(|x| 1.0 - x + 0.3 * rng.normal()).collect();
        let scaled: Vec<f64> = c.iter().map(|c| 1024.0 * c).collect();
        pa.advance(Pace::default(), &mut a, &c, &[false; 3]).unwrap();
        pb.advance(Pace::default(), &mut b, &scaled, &[false; 3]).unwrap();
        assert_eq!(a, b);
    }
}

#[test]
fn the_first_bet_is_half_a_unit_or_one_over_alpha() {
    for (alpha, length) in [(0.0, 0.5), (100.0, 0.01)] {
        let mut x = vec![3.0, -2.0];
        Purse::new(&x.clone(), 2).advance(Pace::Coin { alpha }, &mut x, &[7.0, -1e-3], &[false]).unwrap();
        assert!((x[0] - 3.0 - length).abs() < 1e-12 && (x[1] + 2.0 + length).abs() < 1e-9, "{x:?}");
    }
}

#[test]
fn a_unit_coin_follows_its_closed_form_and_refuses_longer_velocities() {
    let (mut x, mut purse) = (vec![0.0f64], Purse::new(&[0.0], 1));
    let (mut sum, mut won) = (0.0, 0.0);
    for t in 1..50 {
        let c: f64 = (0.5 * (1.0 - x[0])).clamp(-0.5, 0.5);
        won += c * x[0];
        sum += c;
        purse.advance(Pace::UnitCoin, &mut x, &[c], &[false]).unwrap();
        assert!((x[0] - sum / (t + 1) as f64 * (1.0 + won)).abs() < 1e-12);
    }
    let error = purse.advance(Pace::UnitCoin, &mut x, &[1.5], &[false]).unwrap_err();
    assert!(error.remedy().contains("`coin`"), "{error}");
}

#[test]
fn running_squares_are_their_definition_and_frozen_moves_leave_no_trace() {
    let velocities = [[0.5, -2.0], [1.0, 0.3], [-0.2, 0.7]];
    let (mut x, mut purse, pace) = (vec![0.0, 0.0], Purse::new(&[0.0, 0.0], 1), Pace::Adagrad { rate: 0.1 });
    let (mut y, mut squares) = ([0.0; 2], [0.0f64; 2]);
    for (t, v) in velocities.iter().enumerate() {
        // The second particle is frozen at the second move.
        let frozen = [false, t == 1];
        purse.advance(pace, &mut x, v, &frozen).unwrap();
        for i in (0..2).filter(|i| !frozen[*i]) {
            squares[i] = if t == 0 { v[i] * v[i] } else { 0.9 * squares[i] + 0.1 * v[i] * v[i] };
            y[i] += 0.1 * v[i] / (1e-6 + squares[i].sqrt());
        }
        assert!((0..2).all(|i| (x[i] - y[i]).abs() < 1e-13), "{x:?} and {y:?}");
    }
    // A coin that slept through the first move bets as at its first.
    let (mut x, mut purse) = (vec![1.0, 4.0], Purse::new(&[1.0, 4.0], 1));
    purse.advance(Pace::default(), &mut x, &[0.3, 0.3], &[false, true]).unwrap();
    purse.advance(Pace::default(), &mut x, &[0.3, 0.3], &[true, false]).unwrap();
    assert!((x[0] - 1.5).abs() < 1e-9 && (x[1] - 4.5).abs() < 1e-9, "{x:?}");
}

#[test]
fn frozen_particles_stay() {
    for pace in [
        Pace::default(),
        Pace::UnitCoin,
        Pace::Fixed { rate: 0.1 },
        Pace::Adagrad { rate: 0.1 },
        Pace::Adam { rate: 0.1 },
    ] {
        let mut x = vec![1.0, 2.0];
        Purse::new(&[1.0, 2.0], 1).advance(pace, &mut x, &[0.5, 0.5], &[true, false]).unwrap();
        assert!(x[0] == 1.0 && x[1] > 2.0, "{pace:?}: {x:?}");
    }
}

#[test]
fn the_bandwidth_is_of_distinct_pairs() {
    // Squared distances 1, 4, 9 (three points on a line at 0, 1, 3): median 4.
    assert!((median_bandwidth(&[0.0, 1.0, 3.0], 1) - 2.0 / 4f64.ln()).abs() < 1e-14);
    // Of 0, 1, 3, 7: squares 1, 4, 9, 16, 36, 49; the middle two average to 12.5.
    assert!((median_bandwidth(&[0.0, 1.0, 3.0, 7.0], 1) - 6.25 / 5f64.ln()).abs() < 1e-14);
    assert_eq!(median_bandwidth(&[1.0, 1.0], 1), 1e-12);
}

#[test]
fn svgd_velocities_are_their_definition() {
    let target = correlated(0.4);
    let points = Rng::new(2).normals(10);
    let s = scores(&target, &points);
    for kernel in [Kernel::Median, Kernel::Rbf { h: 0.7 }, Kernel::InverseMultiquadric { c: 1.2 }] {
        let mut out = vec![0.0; 10];
        Svgd { kernel }.velocity(&FullScore(&target), &[], &points, &s, &mut out);
        let k = |x: &[f64], y: &[f64]| {
            let square: f64 = x.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum();
            match kernel {
                Kernel::Median => (-0.5 * square / median_bandwidth(&points, 2)).exp(),
                Kernel::Rbf { h } => (-0.5 * square / (h * h)).exp(),
                Kernel::InverseMultiquadric { c } => (c * c + square).powf(-0.5),
            }
        };
        for i in 0..5 {
            let x = &points[2 * i..2 * i + 2];
            for d in 0..2 {
                let mut expected = 0.0;
                for j in 0..5 {
                    let y = &points[2 * j..2 * j + 2];
                    let moved = |h: f64| {
                        let mut y = y.to_vec();
                        y[d] += h;
                        k(&y, x)
                    };
                    expected += (k(y, x) * s[2 * j + d] + (moved(1e-5) - moved(-1e-5)) / 2e-5) / 5.0;
                }
                assert!((out[2 * i + d] - expected).abs() < 1e-8, "{kernel:?}");
            }
        }
    }
}

#[test]
fn ksdd_descends_the_discrepancy() {
    // A density with a score that is not linear, so that the Hessian matters.
    let target = Explicit::new(2, |z: &[f64], gradient: &mut [f64]| {
        gradient.iter_mut().zip(z).for_each(|(g, z)| *g = -z.powi(3));
        -0.25 * z.iter().map(|z| z.powi(4)).sum::<f64>()
    });
    let points = Rng::new(3).normals(8);
    for kernel in [SteinKernel::default(), SteinKernel::Rbf { h: 0.9 }] {
        let mut out = vec![0.0; 8];
        Ksdd { kernel }.velocity(&FullScore(&target), &[], &points, &scores(&target, &points), &mut out);
        for i in 0..8 {
            let at = |h: f64| {
                let mut p = points.clone();
                p[i] += h;
                ksd_squared_v(&p, &scores(&target, &p), 2, kernel)
            };
            let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((out[i] + numeric).abs() < 1e-6 * numeric.abs().max(1.0), "{} vs {numeric}", out[i]);
        }
    }
}

#[test]
fn lawgd_knows_the_spectrum_of_a_gaussian() {
    // Ornstein and Uhlenbeck: eigenvalues k / s^2, eigenfunctions Hermite's.
    let target = independent(vec![1.0], vec![0.8]);
    let field = Lawgd::new(&FullScore(&target), (-5.0, 7.0), 401, 40).unwrap();
    for (k, value) in field.eigenvalues()[..4].iter().enumerate() {
        let expected = (k + 1) as f64 / 0.64;
        // Second differences at spacing 0.03: relative error of order (spacing / s)^2 (k + 1).
        assert!((value / expected - 1.0).abs() < 2e-3 * (k + 1) as f64, "{value} vs {expected}");
    }
    let settings = Transport { steps: 2000, trace: 0, ..Transport::default() };
    let particles = transport_by(&FullScore(&target), &field, &settings, start(20, 1, 4), &mut Run::new(1)).unwrap();
    let mean = particles.points.iter().sum::<f64>() / 20.0;
    let variance = particles.points.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20.0;
    assert!((mean - 1.0).abs() < 0.05 && (variance / 0.64 - 1.0).abs() < 0.15, "mean {mean}, variance {variance}");
}

#[test]
fn lawgd_knows_the_spectrum_of_a_gaussian_in_the_plane_and_its_covariance() {
    // The precision has the eigenvalues 2/3 and 2, whose sums of multiples are the generator's.
    let target = correlated(0.5);
    let field = Lawgd::plane(&FullScore(&target), [(-4.5, 4.5); 2], 21, 25).unwrap();
    for (value, expected) in field.eigenvalues().iter().zip([2.0 / 3.0, 4.0 / 3.0, 2.0, 2.0]) {
        // Second differences at a spacing of 0.45 deviations; fluxes at the middles take most of their error away.
        assert!((value / expected - 1.0).abs() < 5e-3, "{value} vs {expected}");
    }
    let settings = Transport { steps: 600, trace: 0, ..Transport::default() };
    for seed in [1, 2] {
        let particles =
            transport_by(&FullScore(&target), &field, &settings, start(20, 2, seed), &mut Run::new(seed)).unwrap();
        let column = |i: usize| particles.points.iter().skip(i).step_by(2).copied().collect::<Vec<f64>>();
        let (x, y) = (column(0), column(1));
        let average = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(&y).map(|(x, y)| f(*x, *y)).sum::<f64>() / 20.0;
        let mean = [average(&|x, _| x), average(&|_, y| y)];
        assert!(mean.iter().all(|m| m.abs() < 0.05), "seed {seed}: mean {mean:?}");
        let moments = [average(&|x, _| x * x), average(&|_, y| y * y), average(&|x, y| x * y)];
        // Twenty-five functions fix the moments but for the grid's error.
        let is_near = moments.iter().zip([1.0, 1.0, 0.5]).all(|(found, exact)| (found - exact).abs() < 0.15);
        assert!(is_near, "seed {seed}: {moments:?}");
    }
}

#[test]
fn lawgd_moves_points_from_one_mode_to_the_other() {
    let score = FullScore(&Toy::TwoModes);
    let field = Lawgd::plane(&score, [(-4.5, 4.5); 2], 21, 20).unwrap();
    // The function that tells the modes apart is the slowest by far.
    assert!(field.eigenvalues()[0] < 0.02 && field.eigenvalues()[1] > 1.5, "{:?}", field.eigenvalues());
    let mut rng = Rng::new(3);
    let points: Vec<Vec<f64>> = (0..20).map(|_| vec![-2.0 + 0.5 * rng.normal(), 2.0 + 0.5 * rng.normal()]).collect();
    let settings = Transport { steps: 1000, trace: 0, ..Transport::default() };
    let particles = transport_by(&score, &field, &settings, Particles::at(&points), &mut Run::new(1)).unwrap();
    let moved = particles.points.iter().step_by(2).filter(|x| **x > 0.0).count();
    assert!((4..=16).contains(&moved), "{moved} of 20 are at the other mode");
}

#[test]
fn lawgd_places_its_grid_around_the_mode_of_a_log_concave_density() {
    // In units of its deviations a normal has whole eigenvalues, whatever they are.
    let target = independent(vec![30.0, -4.0], vec![2.0, 0.1]);
    let field = Lawgd::around(&target, &[0.0; 2]).unwrap();
    for (value, expected) in field.eigenvalues().iter().zip([1.0, 1.0, 2.0]) {
        assert!((value / expected - 1.0).abs() < 1e-2, "{value} vs {expected}");
    }
    // A point is drawn back along each direction, also along one that is twenty times as narrow as the other.
    for (point, axis) in [([30.0, -3.9], 1), ([32.0, -4.0], 0)] {
        for side in [1.0, -1.0] {
            let point: Vec<f64> = point.iter().zip([30.0, -4.0]).map(|(x, c)| c + side * (x - c)).collect();
            let mut out = [0.0; 2];
            field.velocity(&FullScore(&target), &[], &point, &[0.0; 2], &mut out);
            assert!(side * out[axis] < -0.1 && out[1 - axis].abs() < 1e-6, "{point:?}: {out:?}");
        }
    }
    let line = Lawgd::around(&independent(vec![-7.0], vec![0.5]), &[0.0]).unwrap();
    assert!((line.eigenvalues()[0] - 1.0).abs() < 1e-2, "{:?}", line.eigenvalues());
    let error = Lawgd::around(&independent(vec![0.0; 3], vec![1.0; 3]), &[0.0; 3]).unwrap_err();
    assert!(error.to_string().contains("`target` is of 3 unknowns"), "{error}");
    let error = Lawgd::around(&independent(vec![0.0], vec![1.0]), &[0.0; 2]).unwrap_err();
    assert!(error.to_string().contains("`start` is of 2 unknowns"), "{error}");
    // Rising without end: there is no mode, and no width.
    let slope = Explicit::new(1, |z: &[f64], gradient: &mut [f64]| {
        gradient[0] = 1.0;
        z[0]
    });
    let error = Lawgd::around(&slope, &[0.0]).unwrap_err();
    assert!(error.remedy().contains("`Lawgd::new`"), "{error}");
}

#[test]
fn lawgd_around_a_mode_holds_a_density_that_is_all_ridge() {
    let target = correlated(0.95);
    let field = Lawgd::around(&target, &[0.3, -0.2]).unwrap();
    let settings = Transport { steps: 600, trace: 0, ..Transport::default() };
    let mut rng = Rng::new(5);
    // Off the ridge, eight deviations along its narrow axis.
    let points: Vec<Vec<f64>> = (0..20).map(|_| vec![1.0 + 0.1 * rng.normal(), -1.0 + 0.1 * rng.normal()]).collect();
    let start = Particles::at(&points);
    let particles = transport_by(&FullScore(&target), &field, &settings, start, &mut Run::new(1)).unwrap();
    let average = |f: &dyn Fn(&[f64]) -> f64| particles.points.chunks_exact(2).map(f).sum::<f64>() / 20.0;
    let mean = [average(&|z| z[0]), average(&|z| z[1])];
    assert!(mean.iter().all(|m| m.abs() < 0.1), "{mean:?}");
    let [xx, yy, xy] = [average(&|z| z[0] * z[0]), average(&|z| z[1] * z[1]), average(&|z| z[0] * z[1])];
    // The coin has not spread them to the full along the ridge by then.
    assert!(xx > 0.55 && xx < 1.1 && yy > 0.55 && yy < 1.1, "{xx} {yy}");
    assert!((xy / (xx * yy).sqrt() - 0.95).abs() < 0.045, "{xx} {yy} {xy}");
}

#[test]
fn every_field_and_pace_finds_a_gaussian() {
    let target = correlated(0.5);
    for field in [
        Field::default(),
        Field::Svgd { kernel: Kernel::InverseMultiquadric { c: 1.0 } },
        Field::Ksdd { kernel: SteinKernel::default() },
    ] {
        for pace in [Pace::default(), Pace::Adagrad { rate: 0.05 }, Pace::Adam { rate: 0.05 }] {
            for seed in [1, 2, 3] {
                let settings = Transport { steps: 800, field, pace, ..Transport::default() };
                let particles =
                    transport(&FullScore(&target), &settings, start(20, 2, seed), &mut Run::new(seed)).unwrap();
                let (first, last) = (particles.ksd[0].1, particles.ksd.last().unwrap().1);
                // Twenty independent draws have about 0.5.
                assert!(last < 0.25, "{field:?} {pace:?}: {first} -> {last}");
            }
        }
    }
}

#[test]
fn a_resumed_run_ends_at_the_same_bits() {
    let data: Vec<f64> = (0..60).map(|i| (i as f64).sin()).collect();
    let score = Batched::new(1, 60, move |z: &[f64], rows: &[usize], gradient: &mut [f64]| {
        gradient[0] = -z[0] + 60.0 / rows.len() as f64 * rows.iter().map(|i| data[*i] - z[0]).sum::<f64>();
    });
    for pace in [Pace::default(), Pace::Adam { rate: 0.01 }] {
        let settings = |steps| Transport { steps, batch: 7, pace, ..Transport::default() };
        let whole = transport(&score, &settings(90), start(5, 1, 2), &mut Run::new(4)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let checkpoints = Checkpoints { path: path.clone(), every: Duration::ZERO, header: ModelFile::new("test") };
        transport(&score, &settings(40), start(5, 1, 2), &mut Run::new(4).with_checkpoints(checkpoints)).unwrap();
        let mut run = Run::new(99).resuming(ModelFile::read(&path).unwrap());
        assert_eq!(transport(&score, &settings(90), start(5, 1, 3), &mut run).unwrap(), whole);
    }
}

#[test]
fn scores_that_do_not_exist_are_counted_then_refused() {
    // NaN left of -0.3: one particle starts there and is frozen.
    let target = Explicit::new(1, |z: &[f64], gradient: &mut [f64]| {
        gradient[0] = if z[0] < -0.3 { f64::NAN } else { 1.0 - z[0] };
        -0.5 * (z[0] - 1.0).powi(2)
    });
    let points: Vec<Vec<f64>> = std::iter::once(vec![-0.5]).chain((0..40).map(|i| vec![0.01 * f64::from(i)])).collect();
    let settings = Transport { steps: 99, ..Transport::default() };
    let mut run = Run::new(0);
    let particles = transport(&FullScore(&target), &settings, Particles::at(&points), &mut run).unwrap();
    assert!(particles.points[0] == -0.5 && particles.frozen >= 99, "{}", particles.frozen);
    assert!(run.warnings().iter().any(|w| w.contains("not finite")));
    let settings = Transport { steps: 100, ..settings };
    let error = transport(&FullScore(&target), &settings, Particles::at(&points), &mut Run::new(0)).unwrap_err();
    assert!(error.to_string().contains("not finite"), "{error}");
    assert_eq!(FullScore(&target).dim(), 1);
}

#[test]
fn particles_and_grids_that_are_not_of_the_target_are_refused() {
    let target = independent(vec![0.0, 1.0], vec![1.0, 1.0]);
    let score = FullScore(&target);
    let error = transport(&score, &Transport::default(), Particles::at(&[vec![0.0; 3]]), &mut Run::new(0)).unwrap_err();
    assert!(error.to_string().contains("`start` is of 3 coordinates"), "{error}");
    let refuse = |score: &dyn Score, ends: (f64, f64), size: usize, part: &str| {
        let error = Lawgd::new(score, ends, size, 10).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    refuse(&score, (-5.0, 5.0), 101, "`score` is of 2 dimensions");
    let line = independent(vec![0.0], vec![1.0]);
    refuse(&FullScore(&line), (5.0, -5.0), 101, "`interval` is from 5 to -5");
    refuse(&FullScore(&line), (-5.0, 5.0), 11, "`size` is 11");
    let refuse = |score: &dyn Score, sides: [(f64, f64); 2], size: usize, part: &str| {
        let error = Lawgd::plane(score, sides, size, 10).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    refuse(&FullScore(&line), [(-5.0, 5.0); 2], 21, "`score` is of 1 dimensions");
    refuse(&score, [(-5.0, 5.0), (1.0, 1.0)], 21, "`interval` is from 1 to 1");
    refuse(&score, [(-5.0, 5.0); 2], 3, "`size` is 3");
    refuse(&score, [(-5.0, 5.0); 2], 51, "`size` is 51");
    // At the ends of a ridge's rectangle rounding is all that is left of the eigenfunctions.
    let ridge = correlated(0.9);
    refuse(&FullScore(&ridge), [(-5.0, 5.0); 2], 11, "zero to rounding");
}

#[test]
fn checkpoints_of_other_particles_are_refused() {
    let mut file = ModelFile::new("test");
    start(3, 2, 1).save(&mut file, "particles");
    let mut same = start(3, 2, 5);
    same.restore(&file, "particles").unwrap();
    assert_eq!(same, start(3, 2, 1));
    // Too many, too few, and as many numbers in another shape.
    for (count, dim) in [(4, 2), (2, 2), (2, 3), (6, 1)] {
        let error = start(count, dim, 1).restore(&file, "particles").unwrap_err().to_string();
        assert!(error.contains(&format!("where there are {count} particles in {dim}")), "{error}");
    }
    file.put("particles.purse.start", &[2], &[0.0; 2]);
    let error = start(3, 2, 1).restore(&file, "particles").unwrap_err().to_string();
    assert!(error.contains("a purse of other particles"), "{error}");
}

#[test]
fn one_particle_finds_the_mode() {
    let target = independent(vec![2.0, -1.0], vec![0.5, 1.5]);
    let particles =
        transport(&FullScore(&target), &Transport::default(), Particles::at(&[vec![0.0, 0.0]]), &mut Run::new(0))
            .unwrap();
    assert!(
        (particles.points[0] - 2.0).abs() < 0.02 && (particles.points[1] + 1.0).abs() < 0.02,
        "{:?}",
        particles.points
    );
}

#[test]
fn every_toy_has_its_gradient() {
    for toy in Toy::ALL {
        for at in [[0.3, -0.8], [1.7, 0.4], [-2.2, 3.1]] {
            assert_gradient(&toy, &at);
        }
    }
}

#[test]
fn scores_of_all_rows_are_gradients_and_batches_average_to_them() {
    let mut rng = Rng::new(3);
    let (x, y) = (rng.normals(36), rng.normals(12));
    let events = y.iter().map(|y| f64::from(u8::from(*y > 0.0))).collect();
    let network = Network::new(x.clone(), y.clone(), 4);
    let linear = Glm::new(GlmLikelihood::Gaussian { noise: None }, x.clone(), y, vec![1.0; 3]);
    let logistic = Glm::new(GlmLikelihood::Bernoulli, x, events, vec![1.0; 3]);
    fn check<T: LogDensity + Score>(target: &T, z: &[f64]) {
        assert_gradient(target, z);
        let dim = z.len();
        let (mut exact, mut mean) = (vec![0.0; dim], vec![0.0; dim]);
        target.value_and_gradient(z, &mut exact);
        // Twelve rows in four batches of three.
        for batch in 0..4 {
            let mut part = vec![0.0; dim];
            target.score(z, &[3 * batch, 3 * batch + 1, 3 * batch + 2], &mut part);
            mean.iter_mut().zip(part).for_each(|(m, p)| *m += p / 4.0);
        }
        exact.iter().zip(&mean).for_each(|(e, m)| assert!((e - m).abs() < 1e-9 * e.abs().max(1.0), "{e} vs {m}"));
        // Several points at once are the points one after the other.
        let points: Vec<f64> = (0..3).flat_map(|s| z.iter().map(move |z| z + 0.1 * f64::from(s))).collect();
        let (mut together, mut alone) = (vec![0.0; 3 * dim], vec![0.0; 3 * dim]);
        target.scores(&points, &[1, 5, 7, 11], &mut together);
        points.chunks(dim).zip(alone.chunks_mut(dim)).for_each(|(z, g)| target.score(z, &[1, 5, 7, 11], g));
        together.iter().zip(&alone).for_each(|(t, a)| assert!((t - a).abs() < 1e-9 * a.abs().max(1.0), "{t} vs {a}"));
        let full = FullScore(target);
        full.scores(&points, &[], &mut together);
        points.chunks(dim).zip(alone.chunks_mut(dim)).for_each(|(z, g)| full.score(z, &[], g));
        together.iter().zip(&alone).for_each(|(t, a)| assert!((t - a).abs() < 1e-9 * a.abs().max(1.0), "{t} vs {a}"));
    }
    check(&network, &network.start(&mut rng));
    check(&linear, &[0.3, -0.2, 0.5, -0.4]);
    check(&logistic, &[0.3, -0.2, 0.5]);
}
