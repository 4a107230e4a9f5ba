//! Pictures to test with, in [0, 1].

use elbo_core::Rng;

/// An ellipse: value added, half axes, centre, angle in degrees; lengths in half sides of the picture.
type Ellipse = [f64; 6];

/// The ten ellipses of Shepp and Logan with the contrasts of Toft (1996).
const SHEPP_LOGAN: [Ellipse; 10] = [
    [1.0, 0.69, 0.92, 0.0, 0.0, 0.0],
    [-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0],
    [-0.2, 0.11, 0.31, 0.22, 0.0, -18.0],
    [-0.2, 0.16, 0.41, -0.22, 0.0, 18.0],
    [0.1, 0.21, 0.25, 0.0, 0.35, 0.0],
    [0.1, 0.046, 0.046, 0.0, 0.1, 0.0],
    [0.1, 0.046, 0.046, 0.0, -0.1, 0.0],
    [0.1, 0.046, 0.023, -0.08, -0.605, 0.0],
    [0.1, 0.023, 0.023, 0.0, -0.606, 0.0],
    [0.1, 0.023, 0.046, 0.06, -0.605, 0.0],
];

/// The phantom of Shepp and Logan, `[side, side]`, the top of the head in the first row.
pub fn shepp_logan(side: usize) -> Vec<f64> {
    draw(&SHEPP_LOGAN, side)
}

/// `count` random ellipses over one another, `[side, side]`, within [0, 1].
pub fn ellipses(side: usize, count: usize, rng: &mut Rng) -> Vec<f64> {
    let drawn: Vec<Ellipse> = (0..count)
        .map(|_| {
            let (value, angle) = (rng.range(0.1, 0.6), rng.range(0.0, 180.0));
            let (a, b) = (rng.range(0.1, 0.5), rng.range(0.1, 0.5));
            [value, a, b, rng.range(-0.5, 0.5), rng.range(-0.5, 0.5), angle]
        })
        .collect();
    draw(&drawn, side)
}

/// `count` random convex polygons of three to six corners over one another, `[side, side]`, within [0, 1].
pub fn polygons(side: usize, count: usize, rng: &mut Rng) -> Vec<f64> {
    let drawn: Vec<(f64, Vec<[f64; 2]>)> = (0..count)
        .map(|_| {
            let (value, radius) = (rng.range(0.1, 0.6), rng.range(0.2, 0.6));
            let centre = [rng.range(-0.5, 0.5), rng.range(-0.5, 0.5)];
            let corners = 3 + rng.below(4);
            let turn = rng.uniform();
            // Corners on a circle, one in each equal part of it, make a convex polygon.
            let corner = |k: usize| {
                let share = turn + (k as f64 + rng.range(0.1, 0.9)) / corners as f64;
                let (sin, cos) = (std::f64::consts::TAU * share).sin_cos();
                [centre[0] + radius * cos, centre[1] + radius * sin]
            };
            (value, (0..corners).map(corner).collect())
        })
        .collect();
    shade(side, |x, y| {
        let inside = |corners: &[[f64; 2]]| {
            let next = corners.iter().cycle().skip(1);
            corners.iter().zip(next).all(|(a, b)| (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) >= 0.0)
        };
        drawn.iter().filter(|(_, corners)| inside(corners)).map(|(value, _)| value).sum()
    })
}

/// Sums of ellipses.
fn draw(ellipses: &[Ellipse], side: usize) -> Vec<f64> {
    shade(side, |x, y| {
        let inside = |[_, a, b, cx, cy, angle]: &Ellipse| {
            let (sin, cos) = angle.to_radians().sin_cos();
            let (dx, dy) = (x - cx, y - cy);
            ((dx * cos + dy * sin) / a).powi(2) + ((dy * cos - dx * sin) / b).powi(2) <= 1.0
        };
        ellipses.iter().filter(|e| inside(e)).map(|e| e[0]).sum()
    })
}

/// Values at the middles of pixels, cut off at black and white; x to the right and y up, in half sides from the picture's centre.
fn shade(side: usize, value: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let at = |i: usize| (2.0 * i as f64 + 1.0) / side as f64 - 1.0;
    (0..side * side).map(|i| value(at(i % side), -at(i / side)).clamp(0.0, 1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phantom_is_dark_outside_and_bright_at_the_skull() {
        let picture = shepp_logan(64);
        assert_eq!(picture[0], 0.0);
        assert_eq!(picture[3 * 64 + 32], 1.0);
        assert!((picture[32 * 64 + 32] - 0.2).abs() < 0.11, "{}", picture[32 * 64 + 32]);
        assert_eq!(ellipses(16, 4, &mut Rng::new(1)), ellipses(16, 4, &mut Rng::new(1)));
    }

    #[test]
    fn a_polygon_is_one_convex_piece_of_one_value() {
        for seed in 0..20 {
            let picture = polygons(48, 1, &mut Rng::new(seed));
            let value = picture.iter().fold(0.0, |m: f64, v| m.max(*v));
            assert!((0.1..=0.6).contains(&value) && picture.iter().all(|v| *v == 0.0 || *v == value), "{seed}");
            // Convex: what is filled of a row, and of a column, is in one piece.
            for k in 0..48 {
                for line in
                    [picture[48 * k..48 * (k + 1)].to_vec(), picture.iter().skip(k).step_by(48).copied().collect()]
                {
                    let rises = line.windows(2).filter(|w| w[0] == 0.0 && w[1] > 0.0).count();
                    assert!(rises + usize::from(line[0] > 0.0) <= 1, "{seed}");
                }
            }
        }
    }
}
