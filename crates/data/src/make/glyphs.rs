//! Pictures of made-up letters.

use super::{Size, columns, with_labels};
use elbo_core::{Array, Rng};

const CLASSES: usize = 10;
const STROKES: usize = 4;
/// Points along a stroke whose distances are looked at.
const POINTS: usize = 24;

/// Control points of one quadratic Bezier stroke.
type Stroke = [[f64; 2]; 3];

pub(super) fn glyphs(size: &Size, rng: &mut Rng) -> Vec<(String, Array)> {
    let side = (size.dims as f64).sqrt().round() as usize;
    let letters: Vec<[Stroke; STROKES]> = (0..CLASSES)
        .map(|_| std::array::from_fn(|_| std::array::from_fn(|_| [rng.range(0.1, 0.9), rng.range(0.1, 0.9)])))
        .collect();
    let which: Vec<usize> = (0..size.rows).map(|_| rng.below(CLASSES)).collect();
    let pixels: Vec<f64> = which.iter().flat_map(|c| draw(&letters[*c], side, size.noise, rng)).collect();
    with_labels(columns(&pixels, side * side), &which, |c| format!("g{c}"))
}

/// One picture, `side * side` intensities in [0, 1]. The width of the pen is that of 0.64 pixels at any size.
fn draw(letter: &[Stroke; STROKES], side: usize, jitter: f64, rng: &mut Rng) -> Vec<f64> {
    let (sin, cos) = (8f64.to_radians() * rng.normal()).sin_cos();
    let mut points = Vec::with_capacity(STROKES * POINTS);
    for stroke in letter {
        let moved: Stroke = stroke.map(|[x, y]| {
            let [x, y] = [x + jitter * rng.normal() - 0.5, y + jitter * rng.normal() - 0.5];
            [cos * x - sin * y + 0.5, sin * x + cos * y + 0.5]
        });
        for i in 0..POINTS {
            let t = i as f64 / (POINTS - 1) as f64;
            let weights = [(1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t];
            points.push([0, 1].map(|d| (0..3).map(|k| weights[k] * moved[k][d]).sum::<f64>()));
        }
    }
    let width = 0.64 / side as f64;
    let intensity = |row: usize, column: usize| {
        let [x, y] = [column, row].map(|i| (i as f64 + 0.5) / side as f64);
        let square = |p: &[f64; 2]| (p[0] - x).powi(2) + (p[1] - y).powi(2);
        let nearest = points.iter().map(square).fold(f64::INFINITY, f64::min);
        (-0.5 * nearest / (width * width)).exp()
    };
    (0..side * side).map(|i| intensity(i / side, i % side)).collect()
}
