//! Pictures of shapes on a texture, with a class for each pixel, in styles that shift between training and use.
//!
//! Styles of both kinds are drawn from ranges that do not meet, so that a network that was trained in one kind meets the other for the first time.

use elbo_core::Rng;
use std::f64::consts::TAU;

/// Pixels of a side.
pub const SIDE: usize = 32;
/// Classes of a pixel: the texture, discs, squares, triangles.
pub const CLASSES: usize = 4;

/// How a scene becomes a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// What multiplies red, green and blue.
    pub gains: [f64; 3],
    /// Power of the intensities.
    pub gamma: f64,
    /// Standard deviation of the noise of each number.
    pub noise: f64,
    /// Standard deviation of the blur, in pixels.
    pub blur: f64,
    /// Waves of the texture along a side.
    pub frequency: f64,
}

impl Style {
    /// A style to train in: gains and gamma within [0.8, 1.2], noise up to 0.03, blur up to 0.6 pixels, 2 to 4 waves.
    pub fn source(rng: &mut Rng) -> Self {
        Self {
            gains: std::array::from_fn(|_| rng.range(0.8, 1.2)),
            gamma: rng.range(0.8, 1.2),
            noise: rng.range(0.0, 0.03),
            blur: rng.range(0.0, 0.6),
            frequency: rng.range(2.0, 4.0),
        }
    }

    /// A style to be used in: gains within [0.4, 0.7] or [1.3, 1.6], gamma within [0.4, 0.7] or [1.4, 2], noise from 0.08 to 0.15, blur from
    /// 0.9 to 1.5 pixels, 6 to 9 waves.
    pub fn target(rng: &mut Rng) -> Self {
        let either = |rng: &mut Rng, low: (f64, f64), high: (f64, f64)| {
            let (from, to) = if rng.uniform() < 0.5 { low } else { high };
            rng.range(from, to)
        };
        Self {
            gains: std::array::from_fn(|_| either(rng, (0.4, 0.7), (1.3, 1.6))),
            gamma: either(rng, (0.4, 0.7), (1.4, 2.0)),
            noise: rng.range(0.08, 0.15),
            blur: rng.range(0.9, 1.5),
            frequency: rng.range(6.0, 9.0),
        }
    }
}

/// A picture and what its pixels are.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Intensities in [0, 1], `[3, 32, 32]`.
    pub pixels: Vec<f64>,
    /// The class of each pixel, `[32, 32]`.
    pub labels: Vec<usize>,
}

/// A shape of one colour.
struct Shape {
    class: usize,
    centre: [f64; 2],
    size: f64,
    turn: (f64, f64),
    colour: [f64; 3],
}

impl Shape {
    fn new(rng: &mut Rng) -> Self {
        Self {
            class: 1 + rng.below(CLASSES - 1),
            centre: std::array::from_fn(|_| rng.range(6.0, SIDE as f64 - 6.0)),
            size: rng.range(3.5, 7.0),
            turn: (TAU * rng.uniform()).sin_cos(),
            colour: std::array::from_fn(|_| rng.range(0.2, 1.0)),
        }
    }

    fn holds(&self, row: usize, column: usize) -> bool {
        let [x, y] = [column as f64 + 0.5 - self.centre[0], row as f64 + 0.5 - self.centre[1]];
        let (sin, cos) = self.turn;
        let (x, y) = (cos * x + sin * y, cos * y - sin * x);
        match self.class {
            1 => x * x + y * y < self.size * self.size,
            2 => x.abs().max(y.abs()) < 0.85 * self.size,
            // Three half planes at a distance of half the size, turned by thirds.
            _ => (0..3).all(|k| {
                let (sin, cos) = (TAU * f64::from(k) / 3.0).sin_cos();
                cos * x + sin * y < 0.6 * self.size
            }),
        }
    }
}

/// One to three shapes over a texture, the later ones in front. The scene depends on the random numbers alone, its picture on the style too.
pub fn scene(style: &Style, rng: &mut Rng) -> Scene {
    let mut layout = rng.fork();
    let shapes: Vec<Shape> = (0..1 + layout.below(3)).map(|_| Shape::new(&mut layout)).collect();
    let waves: [(f64, f64, f64); 3] =
        std::array::from_fn(|_| (TAU * layout.uniform(), TAU * layout.uniform(), layout.range(0.05, 0.12)));
    let base: [f64; 3] = std::array::from_fn(|_| layout.range(0.2, 0.6));
    let texture = |row: usize, column: usize| -> f64 {
        let wave = |(direction, phase, height): &(f64, f64, f64)| {
            let along = column as f64 * direction.cos() + row as f64 * direction.sin();
            height * (TAU * style.frequency * along / SIDE as f64 + phase).cos()
        };
        waves.iter().map(wave).sum()
    };
    let front = |i: usize| shapes.iter().rev().find(|shape| shape.holds(i / SIDE, i % SIDE));
    let labels = (0..SIDE * SIDE).map(|i| front(i).map_or(0, |shape| shape.class)).collect();
    let mut pixels = Vec::with_capacity(3 * SIDE * SIDE);
    for channel in 0..3 {
        let plain: Vec<f64> = (0..SIDE * SIDE)
            .map(|i| match front(i) {
                Some(shape) => shape.colour[channel],
                None => base[channel] + texture(i / SIDE, i % SIDE),
            })
            .collect();
        let seen = blurred(&plain, style.blur).into_iter().map(|v| {
            let v = (v * style.gains[channel]).clamp(0.0, 1.0).powf(style.gamma);
            (v + style.noise * rng.normal()).clamp(0.0, 1.0)
        });
        pixels.extend(seen);
    }
    Scene { pixels, labels }
}

/// A Gaussian blur, along rows and then columns; the border repeats.
fn blurred(plain: &[f64], width: f64) -> Vec<f64> {
    // Narrower than a fifth of a pixel, the neighbours have no weight.
    if width < 0.2 {
        return plain.to_vec();
    }
    let reach = (3.0 * width).ceil() as isize;
    let weights: Vec<f64> = (-reach..=reach).map(|d| (-0.5 * (d as f64 / width).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let one = |values: &[f64], step: [isize; 2]| -> Vec<f64> {
        let held = |at: isize| at.clamp(0, SIDE as isize - 1);
        let at = |i: usize, d: isize| {
            let (row, column) = ((i / SIDE) as isize + d * step[0], (i % SIDE) as isize + d * step[1]);
            values[(held(row) * SIDE as isize + held(column)) as usize]
        };
        let sum = |i: usize| weights.iter().zip(-reach..).map(|(w, d)| w * at(i, d)).sum::<f64>() / total;
        (0..values.len()).map(sum).collect()
    };
    one(&one(plain, [0, 1]), [1, 0])
}
