use elbo_core::Rng;
use elbo_dist::{Scramble, Sobol};

#[test]
fn the_first_points_are_the_published_ones_in_natural_order() {
    let sobol = Sobol::new(3, Scramble::None, &mut Rng::new(0));
    let half_cell = 0.5 / (1u64 << 32) as f64;
    // In natural (not Gray code) order.
    let expected = [
        [0.0, 0.0, 0.0],
        [0.5, 0.5, 0.5],
        [0.25, 0.75, 0.75],
        [0.75, 0.25, 0.25],
        [0.125, 0.625, 0.375],
        [0.625, 0.125, 0.875],
        [0.375, 0.375, 0.625],
        [0.875, 0.875, 0.125],
    ];
    for (i, point) in expected.iter().enumerate() {
        let found: Vec<f64> = sobol.point(i as u64).iter().map(|x| x - half_cell).collect();
        assert_eq!(found, point, "point {i}");
    }
}

#[test]
fn every_interval_of_every_dimension_holds_one_point_whatever_the_scrambling() {
    for scramble in [Scramble::None, Scramble::DigitalShift, Scramble::Owen] {
        let mut sobol = Sobol::new(Sobol::MAX_DIMENSION, scramble, &mut Rng::new(3));
        let (n, d) = (256, sobol.dimension());
        for block in 0..2 {
            let points = sobol.points(n);
            for j in 0..d {
                let mut cells: Vec<usize> = (0..n).map(|i| (points[i * d + j] * n as f64) as usize).collect();
                cells.sort_unstable();
                assert!(cells.iter().enumerate().all(|(i, c)| i == *c), "{scramble:?}, dimension {j}, block {block}");
            }
        }
    }
}

#[test]
fn the_first_two_dimensions_fill_every_elementary_box() {
    for scramble in [Scramble::None, Scramble::DigitalShift, Scramble::Owen] {
        let points = Sobol::new(2, scramble, &mut Rng::new(9)).points(64);
        for k in 0..=6 {
            let (wide, high) = (1 << k, 64 >> k);
            let mut seen = vec![0; 64];
            for p in points.chunks(2) {
                seen[(p[0] * f64::from(wide)) as usize * high as usize + (p[1] * f64::from(high)) as usize] += 1;
            }
            assert!(seen.iter().all(|c| *c == 1), "{scramble:?}: boxes of 1/{wide} by 1/{high}");
        }
    }
}

#[test]
fn scrambled_integration_is_unbiased_and_beats_plain_sampling() {
    // The mean of the product over 6 dimensions of (pi/2) sin(pi x) is one.
    let f = |x: &[f64]| -> f64 {
        x.iter().map(|x| std::f64::consts::FRAC_PI_2 * (std::f64::consts::PI * x).sin()).product()
    };
    let mut rng = Rng::new(12);
    for scramble in [Scramble::DigitalShift, Scramble::Owen] {
        let errors: Vec<f64> = (0..40)
            .map(|_| {
                let points = Sobol::new(6, scramble, &mut rng).points(256);
                points.chunks(6).map(f).sum::<f64>() / 256.0 - 1.0
            })
            .collect();
        let mean = errors.iter().sum::<f64>() / 40.0;
        let rms = (errors.iter().map(|e| e * e).sum::<f64>() / 40.0).sqrt();
        // Plain sampling: the variance of the integrand is (pi^2/8)^6 - 1 = 2.52, the standard error 0.1.
        assert!(rms < 0.05, "{scramble:?}: {rms}");
        assert!(mean.abs() < 4.0 * rms / 40f64.sqrt(), "{scramble:?}: bias {mean} against {rms}");
    }
}
