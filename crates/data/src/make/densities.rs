//! Recipes of points without a target. The formulas stand in the table of `mod.rs`.

use super::{Size, columns};
use elbo_core::{Array, Rng};
use std::f64::consts::TAU;

type Arrays = Vec<(String, Array)>;

pub(super) fn mixture(size: &Size, rng: &mut Rng) -> Arrays {
    const WEIGHTS: [f64; 6] = [0.3, 0.2, 0.15, 0.15, 0.1, 0.1];
    const SPREADS: [f64; 6] = [0.1, 0.1, 0.1, 0.06, 0.1, 0.1];
    let dims = size.dims;
    let centres: Vec<f64> = (0..6 * dims).map(|_| 0.5 * rng.normal()).collect();
    let mut points = Vec::with_capacity(size.rows * dims);
    for _ in 0..size.rows {
        let k = rng.weighted(&WEIGHTS);
        points.extend((0..dims).map(|d| centres[k * dims + d] + SPREADS[k] * rng.normal()));
    }
    columns(&points, dims)
}

pub(super) fn eight_gaussians(size: &Size, rng: &mut Rng) -> Arrays {
    let point = |_| {
        let (sin, cos) = (TAU * rng.below(8) as f64 / 8.0).sin_cos();
        [2.0 * cos + size.noise * rng.normal(), 2.0 * sin + size.noise * rng.normal()]
    };
    columns(&(0..size.rows).flat_map(point).collect::<Vec<_>>(), 2)
}

pub(super) fn crescent(size: &Size, rng: &mut Rng) -> Arrays {
    let mut points = rng.normals(size.rows * size.dims);
    for point in points.chunks_exact_mut(size.dims) {
        point[0] *= 2.0;
        point[1] += (point[0] * point[0] - 4.0) / 4.0;
    }
    columns(&points, size.dims)
}

pub(super) fn funnel(size: &Size, rng: &mut Rng) -> Arrays {
    let mut points = rng.normals(size.rows * size.dims);
    for point in points.chunks_exact_mut(size.dims) {
        point[0] *= 3.0;
        let scale = (0.5 * point[0]).exp();
        point[1..].iter_mut().for_each(|x| *x *= scale);
    }
    columns(&points, size.dims)
}
