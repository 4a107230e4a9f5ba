//! Signals of ten classes, in the manner of MNIST-1D (Greydanus 2020) with curves of its own. The recipe stands in the table of `mod.rs`.

use super::{Size, columns, with_labels};
use elbo_core::{Array, Rng};
use std::f64::consts::PI;

const CLASSES: usize = 10;
/// Amplitudes of sin(k π t), k = 1, 2, 3, 4, of each class.
const AMPLITUDES: [[f64; 4]; CLASSES] = [
    [1.0, 0.0, 0.0, 0.0],
    [-1.0, 0.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, 0.0],
    [0.0, -1.0, 0.0, 0.0],
    [0.5, 0.0, 0.9, 0.0],
    [-0.5, 0.0, -0.9, 0.0],
    [0.0, 0.5, 0.0, 0.9],
    [0.7, -0.7, 0.0, 0.0],
    [-0.7, -0.7, 0.0, 0.0],
    [0.0, 0.0, 0.8, -0.6],
];
/// Points of a class's curve.
const POINTS: usize = 12;
/// Width of the filter that smooths noise, in points.
const SMOOTHNESS: f64 = 2.0;

pub(super) fn signals(size: &Size, rng: &mut Rng) -> Vec<(String, Array)> {
    let which: Vec<usize> = (0..size.rows).map(|_| rng.below(CLASSES)).collect();
    let mut values: Vec<f64> = which.iter().flat_map(|c| signal(*c, size, rng)).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
    values.iter_mut().for_each(|v| *v = (*v - mean) / spread);
    with_labels(columns(&values, size.dims), &which, |c| format!("s{c}"))
}

fn signal(class: usize, size: &Size, rng: &mut Rng) -> Vec<f64> {
    let length = POINTS + 36 + rng.below(25);
    let scale = rng.range(0.6, 1.4);
    let shift = rng.below(49);
    let curve = |i: usize| {
        let t = i as f64 / (POINTS - 1) as f64;
        (0..4).map(|k| AMPLITUDES[class][k] * ((k + 1) as f64 * PI * t).sin()).sum::<f64>()
    };
    let mut moved = vec![0.0; length];
    (0..POINTS).for_each(|i| moved[(i + shift) % length] = scale * curve(i));
    let slope = 0.75 * rng.range(-1.0, 1.0);
    let smooth = smoothed(length, rng);
    for (i, v) in moved.iter_mut().enumerate() {
        *v += size.noise * smooth[i] + slope * (i as f64 / (length - 1) as f64 - 0.5) + 0.02 * rng.normal();
    }
    (0..size.dims)
        .map(|j| {
            let place = (length - 1) as f64 * j as f64 / (size.dims - 1) as f64;
            let (low, share) = (place.floor() as usize, place.fract());
            moved[low] + share * (moved[(low + 1).min(length - 1)] - moved[low])
        })
        .collect()
}

/// Normal noise through a Gaussian filter, of variance one in the middle.
fn smoothed(length: usize, rng: &mut Rng) -> Vec<f64> {
    let reach = (4.0 * SMOOTHNESS) as usize;
    let raw = rng.normals(length + 2 * reach);
    let weight = |d: usize| (-0.5 * ((d as f64 - reach as f64) / SMOOTHNESS).powi(2)).exp();
    let weights: Vec<f64> = (0..=2 * reach).map(weight).collect();
    let size = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
    (0..length).map(|i| weights.iter().zip(&raw[i..]).map(|(w, n)| w * n).sum::<f64>() / size).collect()
}
