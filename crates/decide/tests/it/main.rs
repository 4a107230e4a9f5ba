//! Laws of the crate.

mod acquisition;
mod asking;
mod bandits;
mod batches;
mod constraints;
mod designs;
mod functions;
mod history;
mod information;
mod objectives;
mod outputs;
mod planning;
mod regret;
mod spaces;
mod student;
mod surrogate;

use elbo_core::Rng;
use elbo_decide::acquisition::Acquisition;
use elbo_decide::surrogate::{Gp, Hyper};

/// Central differences agree with the gradient, relative to its size.
fn assert_gradient(what: &str, f: impl Fn(&[f64]) -> f64, gradient: &[f64], at: &[f64], tolerance: f64) {
    for (i, &exact) in gradient.iter().enumerate() {
        let h = 1e-5;
        let shifted = |delta: f64| {
            let mut p = at.to_vec();
            p[i] += delta;
            f(&p)
        };
        let numeric = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!(
            (numeric - exact).abs() <= tolerance * exact.abs().max(1.0),
            "{what}, d{i}: {numeric} (numeric) and {exact}"
        );
    }
}

/// One place or many, a score has the same value, and the gradient of differences.
fn check_gradient(what: &str, score: &dyn Acquisition, at: &[f64]) {
    let mut gradient = vec![0.0; at.len()];
    let value = score.value_and_gradient(at, &mut gradient);
    let again = score.values(at, at.len())[0];
    assert!((value - again).abs() < 1e-9 * value.abs().max(1.0), "{what}: {value} and {again}");
    assert_gradient(what, |x| score.value_and_gradient(x, &mut vec![0.0; x.len()]), &gradient, at, 2e-4);
}

/// A wavy function of three variables at 14 places, with its process.
fn wavy(noise: f64) -> Gp {
    let mut rng = Rng::new(5);
    let x = rng.uniforms(14 * 3);
    let y: Vec<f64> =
        x.chunks(3).map(|x| (6.0 * x[0]).sin() + x[1] * x[1] - 0.5 * x[2] + noise.sqrt() * rng.normal()).collect();
    let hyper = Hyper { lengthscale: vec![0.4, 0.7, 1.1], variance: 0.8, noise: noise.max(1e-6) };
    Gp::with_hyper(&x, &y, &[0, 1, 2], hyper).unwrap()
}
