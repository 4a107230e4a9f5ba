//! Recipes with a target. The formulas stand in the table of `mod.rs`.

use super::{Size, with_classes, with_target};
use elbo_core::{Array, Rng};
use std::f64::consts::{FRAC_PI_2, PI, TAU};

type Arrays = Vec<(String, Array)>;

pub(super) fn snelson(size: &Size, rng: &mut Rng) -> Arrays {
    let f = |x: f64| (2.5 * x).sin() + 0.5 * (5.0 * x).sin();
    curve(size, rng, [(0.0, 2.4), (3.6, 6.0)], f)
}

pub(super) fn sine_gap(size: &Size, rng: &mut Rng) -> Arrays {
    curve(size, rng, [(-4.0, -0.3), (1.0, 4.0)], |x| (3.0 * x).sin() * (-x / 6.0).exp())
}

pub(super) fn cubic_gap(size: &Size, rng: &mut Rng) -> Arrays {
    curve(size, rng, [(-4.0, -1.0), (1.0, 4.0)], |x| x * x * x)
}

/// A function of one input that lies in either of two ranges.
fn curve(size: &Size, rng: &mut Rng, ranges: [(f64, f64); 2], f: impl Fn(f64) -> f64) -> Arrays {
    let (mut xs, mut ys) = (vec![], vec![]);
    for _ in 0..size.rows {
        let (low, high) = ranges[rng.below(2)];
        let x = rng.range(low, high);
        xs.push(x);
        ys.push(f(x) + size.noise * rng.normal());
    }
    with_target(&xs, 1, ys)
}

/// Rows of a task of `sines`.
const TASK: usize = 20;

pub(super) fn two_sines(size: &Size, rng: &mut Rng) -> Arrays {
    const ENDS: [f64; 2] = [0.61, 1.28];
    // 38 of 70 rows lie on the left.
    let left = (38 * size.rows).div_ceil(70);
    let even = |n: usize, low: f64, high: f64| {
        let step = if n > 1 { (high - low) / (n - 1) as f64 } else { 0.0 };
        (0..n).map(move |i| low + step * i as f64)
    };
    let x: Vec<f64> = even(left, -ENDS[1], -ENDS[0]).chain(even(size.rows - left, ENDS[0], ENDS[1])).collect();
    let f = |x: f64| x + 0.8 * (TAU * x).sin() + 0.8 * (2.0 * TAU * x).sin();
    let y = x.iter().map(|x| f(*x) + size.noise * rng.normal()).collect();
    with_target(&x.iter().map(|x| x / ENDS[1]).collect::<Vec<_>>(), 1, y)
}

pub(super) fn sines(size: &Size, rng: &mut Rng) -> Arrays {
    let (mut tasks, mut xs, mut ys) = (vec![], vec![], vec![]);
    let (mut amplitude, mut phase) = (0.0, 0.0);
    for i in 0..size.rows {
        if i.is_multiple_of(TASK) {
            (amplitude, phase) = (rng.range(0.1, 5.0), rng.range(0.0, PI));
        }
        let x = rng.range(-5.0, 5.0);
        tasks.push((i / TASK) as f64);
        xs.push(x);
        ys.push(amplitude * (x + phase).sin() + size.noise * rng.normal());
    }
    [("task", tasks), ("x0", xs), ("y", ys)].map(|(name, v)| (name.to_owned(), Array::new(&[size.rows], v))).into()
}

pub(super) fn friedman1(size: &Size, rng: &mut Rng) -> Arrays {
    let points = rng.uniforms(size.rows * size.dims);
    let y = points
        .chunks_exact(size.dims)
        .map(|x| {
            let f = 10.0 * (PI * x[0] * x[1]).sin() + 20.0 * (x[2] - 0.5).powi(2) + 10.0 * x[3] + 5.0 * x[4];
            f + size.noise * rng.normal()
        })
        .collect();
    with_target(&points, size.dims, y)
}

pub(super) fn kin8(size: &Size, rng: &mut Rng) -> Arrays {
    let lengths: Vec<f64> = (0..8).map(|_| rng.range(0.6, 1.0)).collect();
    let points: Vec<f64> = (0..size.rows * 8).map(|_| rng.range(-FRAC_PI_2, FRAC_PI_2)).collect();
    let mut y: Vec<f64> = points.chunks_exact(8).map(|angles| tip_distance(&lengths, angles)).collect();
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let spread = (y.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / y.len() as f64).sqrt();
    y.iter_mut().for_each(|v| *v += size.noise * spread * rng.normal());
    with_target(&points, 8, y)
}

/// Distance from (2, 1, 1) of the tip of an arm that starts at the origin along x.
fn tip_distance(lengths: &[f64], angles: &[f64]) -> f64 {
    // From the last link to the first: rotating what hangs on a joint needs no matrices.
    let mut tip = [0.0; 3];
    for (joint, (length, angle)) in lengths.iter().zip(angles).enumerate().rev() {
        let [x, y, z] = [tip[0] + length, tip[1], tip[2]];
        let (sin, cos) = angle.sin_cos();
        tip = if joint % 2 == 0 {
            [cos * x - sin * y, sin * x + cos * y, z]
        } else {
            [cos * x + sin * z, y, cos * z - sin * x]
        };
    }
    ((tip[0] - 2.0).powi(2) + (tip[1] - 1.0).powi(2) + (tip[2] - 1.0).powi(2)).sqrt()
}

pub(super) fn gp_draw(size: &Size, rng: &mut Rng) -> Arrays {
    const PAIRS: usize = 2000;
    const LENGTHSCALE: f64 = 0.3;
    let dims = size.dims;
    // The spectral density of a Matern 3/2 kernel is a multivariate Student t with 3 degrees of freedom.
    let mut frequencies = vec![0.0; PAIRS * dims];
    for frequency in frequencies.chunks_exact_mut(dims) {
        let scale = (3.0 / rng.chi_squared(3.0)).sqrt() / LENGTHSCALE;
        frequency.iter_mut().for_each(|w| *w = scale * rng.normal());
    }
    let weights = rng.normals(2 * PAIRS);
    let points = rng.uniforms(size.rows * dims);
    let amplitude = (1.0 / PAIRS as f64).sqrt();
    let y = points
        .chunks_exact(dims)
        .map(|x| {
            let mut sum = 0.0;
            for (frequency, weight) in frequencies.chunks_exact(dims).zip(weights.as_chunks::<2>().0) {
                let phase: f64 = frequency.iter().zip(x).map(|(w, x)| w * x).sum();
                let (sin, cos) = phase.sin_cos();
                sum += weight[0] * cos + weight[1] * sin;
            }
            amplitude * sum + size.noise * rng.normal()
        })
        .collect();
    with_target(&points, dims, y)
}

pub(super) fn two_moons(size: &Size, rng: &mut Rng) -> Arrays {
    classes(size, rng, |is_second, rng| {
        let (sin, cos) = rng.range(0.0, PI).sin_cos();
        if is_second { [1.0 - cos, 0.5 - sin] } else { [cos, sin] }
    })
}

pub(super) fn spiral(size: &Size, rng: &mut Rng) -> Arrays {
    classes(size, rng, |is_second, rng| {
        let radius = rng.range(0.01, 1.0).sqrt();
        let turn = if is_second { PI } else { 0.0 };
        let (sin, cos) = (1.75 * TAU * radius + turn).sin_cos();
        [radius * cos, radius * sin]
    })
}

/// Points of two classes, equally frequent, in random order.
fn classes(size: &Size, rng: &mut Rng, point: impl Fn(bool, &mut Rng) -> [f64; 2]) -> Arrays {
    let mut is_second: Vec<bool> = (0..size.rows).map(|i| i % 2 == 1).collect();
    rng.shuffle(&mut is_second);
    let points: Vec<f64> = is_second
        .iter()
        .flat_map(|second| {
            let [x, y] = point(*second, rng);
            [x + size.noise * rng.normal(), y + size.noise * rng.normal()]
        })
        .collect();
    with_classes(&points, &is_second)
}

pub(super) fn probit_2d(size: &Size, rng: &mut Rng) -> Arrays {
    let points: Vec<f64> = (0..size.rows * 2).map(|_| rng.range(-3.0, 3.0)).collect();
    // A latent normal above zero has exactly the probability Phi(f).
    let is_second: Vec<bool> =
        points.as_chunks::<2>().0.iter().map(|[a, b]| 2.0 * a.sin() + b + rng.normal() > 0.0).collect();
    with_classes(&points, &is_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_arm_reaches_the_sum_of_its_links() {
        let distance = tip_distance(&[1.0; 8], &[0.0; 8]);
        assert!((distance - f64::sqrt(36.0 + 2.0)).abs() < 1e-12);
        // A first joint at 90 degrees about z points the whole arm along y.
        let mut angles = [0.0; 8];
        angles[0] = FRAC_PI_2;
        assert!((tip_distance(&[1.0; 8], &angles) - f64::sqrt(4.0 + 49.0 + 1.0)).abs() < 1e-12);
    }
}
