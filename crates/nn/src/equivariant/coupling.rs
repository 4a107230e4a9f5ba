//! How two representations couple to a third, and the spherical harmonics.

use super::irrep::{SYMMETRIC, inner, multiply};
use elbo_tensor::Tensor;

/// ε_abc.
fn levi_civita(a: usize, b: usize, c: usize) -> f64 {
    match (a, b, c) {
        (0, 1, 2) | (1, 2, 0) | (2, 0, 1) => 1.0,
        (0, 2, 1) | (2, 1, 0) | (1, 0, 2) => -1.0,
        _ => 0.0,
    }
}

fn delta(a: usize, b: usize) -> f64 {
    if a == b { 1.0 } else { 0.0 }
}

/// The axial vector of the commutator of two symmetric matrices, `sqrt(2 / 15) ε_cij (E_a E_b)_ij`.
fn commutator(a: usize, b: usize, c: usize) -> f64 {
    let product = multiply(&SYMMETRIC[a], &SYMMETRIC[b]);
    let sum: f64 = (0..9).map(|k| levi_civita(c, k / 3, k % 3) * product[k / 3][k % 3]).sum();
    (2.0f64 / 15.0).sqrt() * sum
}

/// The part of the anticommutator along a third, `sqrt(12 / 35) tr(E_a E_b E_c + E_b E_a E_c) / 2`.
fn anticommutator(a: usize, b: usize, c: usize) -> f64 {
    // Both traces are equal, since the three are symmetric.
    (12.0f64 / 35.0).sqrt() * inner(&multiply(&SYMMETRIC[b], &SYMMETRIC[a]), &SYMMETRIC[c])
}

/// The coupling of degrees `l1` and `l2` to `l3`, each up to two: `[2 l1 + 1, 2 l2 + 1, 2 l3 + 1]`, row-major, of unit Frobenius norm; `None`
/// where there is none. The parity of the result is the product of the parities.
pub fn coupling(l1: usize, l2: usize, l3: usize) -> Option<Vec<f64>> {
    let root = |l: usize| ((2 * l + 1) as f64).sqrt();
    let fifth = 0.2f64.sqrt();
    let entry: Box<dyn Fn(usize, usize, usize) -> f64> = match (l1, l2, l3) {
        (l1 @ 0..=2, 0, l3) if l1 == l3 => Box::new(move |a, _, c| delta(a, c) / root(l1)),
        (0, l2 @ 0..=2, l3) if l2 == l3 => Box::new(move |_, b, c| delta(b, c) / root(l2)),
        (l1 @ 0..=2, l2, 0) if l1 == l2 => Box::new(move |a, b, _| delta(a, b) / root(l1)),
        (1, 1, 1) => Box::new(|a, b, c| levi_civita(a, b, c) / 6f64.sqrt()),
        (1, 1, 2) => Box::new(move |a, b, c| SYMMETRIC[c][a][b] * fifth),
        (2, 1, 1) => Box::new(move |a, b, c| SYMMETRIC[a][b][c] * fifth),
        (1, 2, 1) => Box::new(move |a, b, c| SYMMETRIC[b][a][c] * fifth),
        (2, 2, 1) => Box::new(commutator),
        (2, 1, 2) => Box::new(|a, b, c| commutator(a, c, b)),
        (1, 2, 2) => Box::new(|a, b, c| commutator(b, c, a)),
        (2, 2, 2) => Box::new(anticommutator),
        _ => return None,
    };
    let [m, n, k] = [l1, l2, l3].map(|l| 2 * l + 1);
    Some((0..m * n * k).map(|i| entry(i / (n * k), i / k % n, i % k)).collect())
}

/// Real spherical harmonics of unit vectors `[E, 3]`, `[E, 2 l + 1]`, whose squares add up to `2 l + 1`; l up to two.
///
/// # Panics
/// For a higher degree.
pub fn harmonics(degree: usize, unit: &Tensor) -> Tensor {
    let [x, y, z] = [0, 1, 2].map(|d| unit.narrow(1, d, 1));
    match degree {
        0 => x.ones_like().contiguous(),
        1 => unit * 3f64.sqrt(),
        2 => {
            let root = 15f64.sqrt();
            let along = z.square() * 2.0 - x.square() - y.square();
            let parts = [
                &x * &y * root,
                &y * &z * root,
                along * (0.5 * 5f64.sqrt()),
                &x * &z * root,
                (x.square() - y.square()) * (0.5 * root),
            ];
            Tensor::cat(&parts, 1)
        }
        _ => panic!("harmonics of degree {degree}; there are those up to two"),
    }
}
