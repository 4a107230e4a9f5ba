//! Measurement operators.

use elbo_core::Rng;
use elbo_diffusion::operator::{
    Blur, Boundary, Chain, Clip, Fan, Grey, Haze, LinearPart, Mask, Noise, Operator, Parallel, Shadow, Shrink,
    Weighted, proximal, pseudo_inverse, regularised,
};
use elbo_diffusion::phantom::shepp_logan;

fn every_operator() -> Vec<(&'static str, Box<dyn Operator>)> {
    let mut rng = Rng::new(2);
    let shape = [3, 8, 6];
    let kernel = rng.normals(25);
    let parallel = Parallel { angles: (0..9).map(|i| 20.0 * f64::from(i)).collect(), detectors: 13, spacing: 0.9 };
    let fan = Fan { angles: vec![0.0, 33.0, 190.0], detectors: 11, spacing: 1.5, source: 20.0, detector: 10.0 };
    let blur = || Blur::gaussian(shape, 0.8, Boundary::Circular).unwrap();
    vec![
        ("mask", Box::new(Mask::random(shape, 0.5, &mut rng).unwrap())),
        ("circular blur", Box::new(Blur::new(shape, &kernel, 5, Boundary::Circular).unwrap())),
        ("blur", Box::new(Blur::new(shape, &kernel, 5, Boundary::Zero).unwrap())),
        ("shrink", Box::new(Shrink::new(shape, 2).unwrap())),
        ("grey", Box::new(Grey::new(shape).unwrap())),
        ("parallel rays", Box::new(parallel.rays(8, 6).unwrap())),
        ("fan of rays", Box::new(fan.rays(8, 6).unwrap())),
        ("chain", Box::new(Chain::new(Box::new(blur()), Box::new(Shrink::new(shape, 2).unwrap())))),
        ("haze", Box::new(Haze::new(&vec![0.6; 48], &[0.9, 0.8, 0.7]).unwrap())),
        ("shadow", Box::new(Shadow::new(shape, parallel.rays(8, 6).unwrap()))),
        ("linear part of a shadow", Box::new(LinearPart::new(Box::new(Shadow::new(shape, fan.rays(8, 6).unwrap()))))),
        ("clip", Box::new(Clip::new(144, 2.0, (-1.0, 1.0)).unwrap())),
        ("clip of a blur", Box::new(Chain::new(Box::new(blur()), Box::new(Clip::new(144, 2.0, (-1.0, 1.0)).unwrap())))),
    ]
}

#[test]
fn adjoints_are_exact() {
    let mut rng = Rng::new(1);
    for (name, operator) in every_operator() {
        assert_eq!(operator.apply(&rng.normals(operator.input())).len(), operator.output(), "{name}");
        if operator.is_linear() {
            for _ in 0..5 {
                let error = operator.adjoint_error(&mut rng);
                assert!(error <= 1e-12, "{name}: {error:e}");
            }
        }
    }
}

#[test]
fn pullbacks_of_every_operator_agree_with_central_differences() {
    let mut rng = Rng::new(6);
    for (name, operator) in every_operator() {
        let (x, v, u) = (rng.normals(operator.input()), rng.normals(operator.output()), rng.normals(operator.input()));
        let h = 1e-7;
        let at = |s: f64| operator.apply(&x.iter().zip(&u).map(|(x, u)| x + s * u).collect::<Vec<_>>());
        let numeric: f64 = at(h).iter().zip(at(-h)).zip(&v).map(|((a, b), v)| (a - b) / (2.0 * h) * v).sum();
        let exact: f64 = operator.pullback(&x, &v).iter().zip(&u).map(|(p, u)| p * u).sum();
        // A kink between the two points is possible, and is not met with this seed.
        assert!((numeric - exact).abs() < 1e-5 * exact.abs().max(1.0), "{name}: {numeric} {exact}");
    }
}

#[test]
fn shadows_go_from_black_to_white_and_weights_keep_the_adjoint() {
    let rays = Parallel { angles: vec![0.0, 45.0, 53.0], detectors: 15, spacing: 0.7 }.rays(8, 6).unwrap();
    let shadow = Shadow::new([3, 8, 6], rays);
    assert!(shadow.apply(&[-1.0; 144]).iter().all(|v| *v == -1.0));
    let white = shadow.apply(&[1.0; 144]);
    assert!(white.iter().all(|v| *v <= 1.0 + 1e-12) && white.iter().any(|v| *v > 0.5), "{white:?}");
    let part = LinearPart::new(Box::new(shadow));
    let mut rng = Rng::new(3);
    let weighted = Weighted::new(&part, rng.normals(part.output()));
    let error = (&weighted as &dyn Operator).adjoint_error(&mut rng);
    assert!(weighted.is_linear() && error <= 1e-12, "{error:e}");
}

#[test]
fn a_disc_casts_shadows_of_the_length_of_its_chords() {
    let (side, radius) = (64, 20.0);
    let at = |i: usize| i as f64 + 0.5 - 0.5 * side as f64;
    let disc: Vec<f64> =
        (0..side * side).map(|i| f64::from(u8::from(at(i % side).hypot(at(i / side)) < radius))).collect();
    let angles: Vec<f64> = (0..60).map(|i| 3.0 * f64::from(i)).collect();
    let rays = Parallel { angles, detectors: 95, spacing: 1.0 }.rays(side, side).unwrap();
    let shadow = rays.apply(&disc);
    for (i, v) in shadow.iter().enumerate() {
        let s = (i % 95) as f64 - 47.0;
        let chord = 2.0 * (radius * radius - s * s).max(0.0).sqrt();
        // Pixels of the edge are in or out as a whole.
        let tolerance = if s.abs() < 17.0 { 3.0 } else { 14.0 };
        assert!((v - chord).abs() < tolerance, "ray {s}: {v} instead of {chord}");
    }
    let back = rays.back_projection(&shadow, false).unwrap();
    let error = |x: &[f64], truth: &[f64]| {
        let square = |v: &mut dyn Iterator<Item = f64>| v.map(|d| d * d).sum::<f64>().sqrt();
        square(&mut x.iter().zip(truth).map(|(a, b)| a - b)) / square(&mut truth.iter().copied())
    };
    assert!(error(&back, &disc) < 0.3, "{}", error(&back, &disc));
    assert!((back[32 * 64 + 32] - 1.0).abs() < 0.1, "{}", back[32 * 64 + 32]);
    // The window is the same as shadows that are smoothed first; the outermost rays miss the picture.
    let phantom = shepp_logan(side);
    let shadow = rays.apply(&phantom);
    let smooth = rays.back_projection(&shadow, true).unwrap();
    let smoothed = |row: &[f64]| {
        let at = |i: usize| row.get(i).copied().unwrap_or(0.0);
        (0..95).map(|i| 0.5 * at(i) + 0.25 * (at(i + 1) + at(i.wrapping_sub(1)))).collect::<Vec<_>>()
    };
    let first: Vec<f64> = shadow.chunks(95).flat_map(smoothed).collect();
    let expected = rays.back_projection(&first, false).unwrap();
    assert!(error(&smooth, &expected) < 1e-12, "{}", error(&smooth, &expected));
    // What the window leaves of the phantom, to second order in the frequency: each pixel mixed with its neighbours.
    let kernel: Vec<f64> = [0.25, 0.5, 0.25].iter().flat_map(|a| [0.25, 0.5, 0.25].map(|b| a * b)).collect();
    let mixed = Blur::new([1, side, side], &kernel, 3, Boundary::Zero).unwrap().apply(&phantom);
    let (sharp, soft) = (rays.back_projection(&shadow, false).unwrap(), error(&smooth, &mixed));
    // The spec has 0.415 for the sharp one with 45 angles and two per cent of noise.
    assert!(error(&sharp, &phantom) < 0.415 && soft < 0.2, "{} {soft}", error(&sharp, &phantom));
}

#[test]
fn a_fan_from_far_away_is_parallel() {
    let x = shepp_logan(16);
    let far = Fan { angles: vec![30.0], detectors: 9, spacing: 1.0, source: 1e7, detector: 0.0 }.rays(16, 16).unwrap();
    let parallel = Parallel { angles: vec![30.0], detectors: 9, spacing: 1.0 }.rays(16, 16).unwrap();
    for (a, b) in far.apply(&x).iter().zip(parallel.apply(&x)) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
    assert!(far.back_projection(&[0.0; 9], false).is_none());
}

#[test]
fn pseudo_inverses_solve_what_can_be_solved() {
    let mut rng = Rng::new(9);
    for (name, operator) in every_operator() {
        if !operator.is_linear() {
            continue;
        }
        let y = operator.apply(&rng.normals(operator.input()));
        let x = pseudo_inverse(operator.as_ref(), &y, 1e-9);
        let residual: f64 = operator.apply(&x).iter().zip(&y).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let size = y.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!(residual < 1e-3 * size, "{name}: {residual:e} of {size}");
        // With a strong pull the point stays where it was.
        let start = rng.normals(operator.input());
        let near = proximal(operator.as_ref(), &y, &start, 1e9);
        assert!(near.iter().zip(&start).all(|(a, b)| (a - b).abs() < 1e-5), "{name}");
        let z = regularised(operator.as_ref(), &y, 0.0, 2.0);
        assert!(z.iter().zip(&y).all(|(z, y)| (2.0 * z - y).abs() < 1e-9), "{name}");
    }
}

#[test]
fn bad_operators_are_refused() {
    assert!(Mask::new(&[false, false]).is_err());
    assert!(Mask::random([1, 2, 2], 1.0, &mut Rng::new(0)).is_err());
    assert!(Shrink::new([1, 9, 8], 2).unwrap_err().to_string().contains("divisor of both sides"));
    assert!(Grey::new([1, 4, 4]).is_err());
    assert!(Blur::new([1, 4, 4], &[1.0; 4], 2, Boundary::Zero).is_err());
    assert!(Blur::gaussian([1, 4, 4], 0.0, Boundary::Zero).is_err());
    assert!(Haze::new(&[0.0], &[1.0]).is_err());
    assert!(Clip::new(4, 2.0, (1.0, 0.0)).is_err());
    assert!(Parallel { angles: vec![], detectors: 3, spacing: 1.0 }.rays(4, 4).is_err());
    assert!(Parallel { angles: vec![0.0], detectors: 3, spacing: 0.0 }.rays(4, 4).is_err());
}

#[test]
fn noise_has_its_mean_and_spread() {
    let mut rng = Rng::new(3);
    let y = vec![2.0; 20_000];
    for (noise, variance) in [(Noise::Gaussian(0.5), 0.25f64), (Noise::Poisson { scale: 10.0 }, 0.2)] {
        let noisy = noise.add(&y, &mut rng);
        let mean = noisy.iter().sum::<f64>() / 20_000.0;
        let found = noisy.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 20_000.0;
        // Five standard errors.
        assert!((mean - 2.0).abs() < 5.0 * (variance / 20_000.0).sqrt(), "{noise:?} {mean}");
        assert!((found - variance).abs() < 5.0 * variance * (2.5f64 / 20_000.0).sqrt(), "{noise:?} {found}");
    }
}
