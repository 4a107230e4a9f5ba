//! Test functions have the minima that they say.

use elbo_core::Rng;
use elbo_decide::bound::{Stop, minimise};
use elbo_decide::functions::{function, functions, gardner, gramacy};

#[test]
fn the_value_at_each_minimiser_is_the_optimum() {
    for dims in [1, 2, 5, 10] {
        for f in functions(dims) {
            for x in &f.minimisers {
                let value = f.value(x);
                assert!(
                    (value - f.optimum).abs() <= f.tolerance * f.optimum.abs().max(1.0),
                    "{} at {x:?}: {value}",
                    f.name
                );
                assert!(x.iter().zip(&f.bounds).all(|(x, (a, b))| (a..=b).contains(&x)), "{}", f.name);
            }
        }
    }
}

#[test]
fn minimisers_of_shekel_and_eggholder_have_eight_digits() {
    for name in ["shekel-5", "shekel-7", "shekel-10", "eggholder"] {
        let f = function(name, 4).unwrap();
        assert_eq!(f.tolerance, 1e-6, "{name}");
        for x in &f.minimisers {
            for d in 0..x.len() {
                let h = 1e-4;
                let value = |delta: f64| {
                    let mut p = x.clone();
                    p[d] += delta;
                    f.value(&p)
                };
                let slope = (value(h) - value(-h)) / (2.0 * h);
                if x[d] == f.bounds[d].1 {
                    assert!(slope < 0.0, "{name}, d{d}: the function falls towards the bound, {slope}");
                } else {
                    // Curvatures are up to 200, so that this is a distance of 5e-8.
                    assert!(slope.abs() < 1e-5, "{name}, d{d}: {slope}");
                }
            }
        }
    }
}

#[test]
fn nothing_lies_below_the_optimum() {
    for f in functions(3) {
        let mut rng = Rng::new(4);
        let (low, high): (Vec<f64>, Vec<f64>) = f.bounds.iter().copied().unzip();
        for _ in 0..20 {
            let start: Vec<f64> = f.bounds.iter().map(|(a, b)| rng.range(*a, *b)).collect();
            let numeric = |x: &[f64], gradient: &mut [f64]| {
                for d in 0..x.len() {
                    let h = 1e-6 * (high[d] - low[d]);
                    let mut p = x.to_vec();
                    p[d] = (x[d] + h).min(high[d]);
                    let (above, to) = (f.value(&p), p[d]);
                    p[d] = (x[d] - h).max(low[d]);
                    gradient[d] = (above - f.value(&p)) / (to - p[d]);
                }
                f.value(x)
            };
            let end = minimise(numeric, &start, &low, &high, Stop::default());
            assert!(
                end.value >= f.optimum - 2.0 * f.tolerance * f.optimum.abs().max(1.0),
                "{}: {} at {:?}",
                f.name,
                end.value,
                end.x
            );
        }
    }
}

#[test]
fn michalewicz_has_the_published_minima_of_each_dimension() {
    for (dims, optimum) in [(2, -1.80130341), (5, -4.68765816), (10, -9.66015168)] {
        let f = function("michalewicz", dims).unwrap();
        assert!((f.optimum - optimum).abs() < 1e-7, "{dims}: {}", f.optimum);
    }
}

#[test]
fn constrained_optima_are_feasible_and_nothing_feasible_on_a_grid_lies_below() {
    for f in [gramacy(), gardner()] {
        let steps = 400;
        let mut best = f64::INFINITY;
        for i in 0..=steps {
            for j in 0..=steps {
                let at = |k: usize, d: usize| {
                    f.bounds[d].0 + (f.bounds[d].1 - f.bounds[d].0) * k as f64 / f64::from(steps as u32)
                };
                let x = [at(i, 0), at(j, 1)];
                if f.constraints.iter().all(|c| c(&x) <= 0.0) {
                    best = best.min((f.value)(&x));
                }
            }
        }
        assert!(best >= f.optimum - 1e-6 && best < f.optimum + 0.01, "{}: {best}", f.name);
    }
}

#[test]
fn a_quadratic_in_a_box_ends_at_its_face() {
    let end = minimise(
        |x, g| {
            (g[0], g[1]) = (2.0 * (x[0] - 3.0) + 0.5 * x[1], 20.0 * (x[1] - 0.4) + 0.5 * x[0]);
            (x[0] - 3.0).powi(2) + 10.0 * (x[1] - 0.4).powi(2) + 0.5 * x[0] * x[1]
        },
        &[0.2, 0.9],
        &[0.0, 0.0],
        &[1.0, 1.0],
        Stop::default(),
    );
    assert_eq!(end.x[0], 1.0);
    assert!((end.x[1] - 0.375).abs() < 1e-5, "{:?}", end.x);
    assert!(end.evaluations < 30);
}
