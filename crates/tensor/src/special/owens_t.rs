use super::ndtr;
use std::f64::consts::TAU;

/// Owen's T function: the probability that `X > h` and `0 < Y < a X` for independent standard normals.
///
/// $$ T(h, a) = \frac{1}{2\pi} \int_0^a \frac{e^{-h^2 (1 + x^2) / 2}}{1 + x^2} dx $$
///
/// # Source
/// Owen (1956), with his identity for `|a| > 1` in the form without cancellation; Gauss-Legendre panels.
pub fn owens_t(h: f64, a: f64) -> f64 {
    if h.is_nan() || a.is_nan() {
        return f64::NAN;
    }
    let (h, size) = (h.abs(), a.abs());
    let value = if size <= 1.0 {
        panels(h, size)
    } else {
        // The limit, where the product of zero and infinity is none.
        let far = if size.is_infinite() { f64::INFINITY } else { size * h };
        let (q, r) = (ndtr(-h), ndtr(-far));
        0.5 * (q + r) - q * r - panels(far, 1.0 / size)
    };
    if a < 0.0 { -value } else { value }
}

fn panels(h: f64, a: f64) -> f64 {
    if a == 0.0 || h > 40.0 {
        return 0.0;
    }
    let count = (4.0 * a * (1.0 + h)).ceil();
    let half = 0.5 * a / count;
    let f = |x: f64| (-0.5 * h * h * x * x).exp() / (1.0 + x * x);
    let mut sum = 0.0;
    for p in 0..count as usize {
        let centre = (2 * p + 1) as f64 * half;
        for (node, weight) in LEGENDRE_10 {
            sum += weight * (f(centre - half * node) + f(centre + half * node));
        }
    }
    sum * half * (-0.5 * h * h).exp() / TAU
}

/// Nodes in (0, 1) and weights of the Gauss-Legendre rule of ten points on [-1, 1]; the other half is symmetric.
const LEGENDRE_10: [(f64, f64); 5] = [
    (0.14887433898163122, 0.29552422471475287),
    (0.4333953941292472, 0.26926671930999635),
    (0.6794095682990244, 0.21908636251598204),
    (0.8650633666889845, 0.1494513491505806),
    (0.9739065285171717, 0.06667134430868814),
];
