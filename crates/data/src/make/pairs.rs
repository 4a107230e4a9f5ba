//! Recipes of a cause and its effect. The formulas stand in the table of `mod.rs`.

use super::Size;
use elbo_core::{Array, Rng};

type Arrays = Vec<(String, Array)>;

fn columns(a: Vec<f64>, b: Vec<f64>) -> Arrays {
    vec![("a".into(), Array::new(&[a.len()], a)), ("b".into(), Array::new(&[b.len()], b))]
}

pub(super) fn cause_effect(size: &Size, rng: &mut Rng) -> Arrays {
    location_scale(size, rng, Rng::normal)
}

pub(super) fn cause_effect_uniform(size: &Size, rng: &mut Rng) -> Arrays {
    let bound = 3f64.sqrt();
    location_scale(size, rng, |rng| rng.range(-bound, bound))
}

fn location_scale(size: &Size, rng: &mut Rng, noise: impl Fn(&mut Rng) -> f64) -> Arrays {
    let is_normal = rng.uniform() < 0.5;
    let (steepness, shift, frequency) = (rng.range(0.5, 1.5), 0.3 * rng.normal(), rng.range(0.3, 1.2));
    let turn = if rng.uniform() < 0.5 { -1.0 } else { 1.0 };
    let (slope, middle) = (turn * rng.range(1.0, 4.0), 0.5 * rng.normal());
    let a: Vec<f64> = (0..size.rows).map(|_| if is_normal { rng.normal() } else { rng.range(-2.0, 2.0) }).collect();
    let effect = |a: &f64| {
        let f = (steepness * (a - shift)).tanh() + 0.4 * (2.0 * frequency * a).sin();
        let g = 0.1 + 0.9 / (1.0 + (-slope * (a - middle)).exp());
        f + size.noise * g * noise(rng)
    };
    let b = a.iter().map(effect).collect();
    columns(a, b)
}

pub(super) fn cause_effect_linear(size: &Size, rng: &mut Rng) -> Arrays {
    let a = rng.normals(size.rows);
    let b = a.iter().map(|a| a + size.noise * rng.normal()).collect();
    columns(a, b)
}
