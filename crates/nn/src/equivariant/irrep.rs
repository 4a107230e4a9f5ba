//! Irreducible representations of rotations and reflections up to degree two.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_1_SQRT_2 as H;
use std::fmt;

/// A matrix of three rows.
pub type Matrix3 = [[f64; 3]; 3];

/// 1 / sqrt 6.
const S: f64 = 0.408_248_290_463_863;

/// Symmetric matrices without trace, orthonormal: `tr(E_a E_b) = δ_ab`. Degree two is their coefficients.
pub const SYMMETRIC: [Matrix3; 5] = [
    [[0.0, H, 0.0], [H, 0.0, 0.0], [0.0, 0.0, 0.0]],
    [[0.0, 0.0, 0.0], [0.0, 0.0, H], [0.0, H, 0.0]],
    [[-S, 0.0, 0.0], [0.0, -S, 0.0], [0.0, 0.0, 2.0 * S]],
    [[0.0, 0.0, H], [0.0, 0.0, 0.0], [H, 0.0, 0.0]],
    [[H, 0.0, 0.0], [0.0, -H, 0.0], [0.0, 0.0, 0.0]],
];

/// How `2 l + 1` numbers turn with space: as a number, a vector or a symmetric matrix without trace, and whether an inversion changes their
/// sign. Written `0e`, `1o`, `2e`, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Irrep {
    /// Degree l, up to 2.
    pub degree: usize,
    /// Whether an inversion changes the sign.
    pub is_odd: bool,
}

impl Irrep {
    /// Numbers that nothing changes.
    pub const SCALAR: Self = Self { degree: 0, is_odd: false };

    /// The one of the spherical harmonics of this degree, whose parity is that of the degree.
    pub fn natural(degree: usize) -> Self {
        Self { degree, is_odd: degree % 2 == 1 }
    }

    /// How many numbers there are.
    pub fn size(self) -> usize {
        2 * self.degree + 1
    }

    /// The matrix `[2 l + 1, 2 l + 1]`, row-major, by which the numbers change under an orthogonal matrix.
    pub fn rotation(self, q: &Matrix3) -> Vec<f64> {
        // Degrees one and two know what an inversion does to vectors and to their squares.
        let is_flipped = determinant(q) < 0.0 && self != Self::natural(self.degree);
        let sign = if is_flipped { -1.0 } else { 1.0 };
        match self.degree {
            0 => vec![sign],
            1 => q.iter().flatten().map(|v| sign * v).collect(),
            _ => {
                let turned = SYMMETRIC.map(|e| multiply(&multiply(q, &e), &transposed(q)));
                let entry = |a: usize, b: usize| sign * inner(&SYMMETRIC[a], &turned[b]);
                (0..25).map(|i| entry(i / 5, i % 5)).collect()
            }
        }
    }
}

impl fmt::Display for Irrep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.degree, if self.is_odd { 'o' } else { 'e' })
    }
}

/// a b.
pub(super) fn multiply(a: &Matrix3, b: &Matrix3) -> Matrix3 {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

fn transposed(a: &Matrix3) -> Matrix3 {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

/// tr(a' b).
pub(super) fn inner(a: &Matrix3, b: &Matrix3) -> f64 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(x, y)| x * y).sum()
}

/// The volume between three vectors, with its sign.
pub(super) fn determinant(a: &Matrix3) -> f64 {
    let cross = cross(&a[1], &a[2]);
    (0..3).map(|i| a[0][i] * cross[i]).sum()
}

pub(super) fn cross(a: &[f64; 3], b: &[f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
