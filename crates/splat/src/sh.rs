//! Real spherical harmonics to degree 3, with the signs of the 3DGS file format.

use crate::gaussians::coefficients;
use crate::real::Real;
use elbo_linalg::{Lu, MatMut, MatRef};

/// The constant function.
pub const C0: f64 = 0.282_094_791_773_878_14;
const C1: f64 = 0.488_602_511_902_919_9;
const C2: [f64; 5] = [
    1.092_548_430_592_079_2,
    -1.092_548_430_592_079_2,
    0.315_391_565_252_520_05,
    -1.092_548_430_592_079_2,
    0.546_274_215_296_039_6,
];
const C3: [f64; 7] = [
    -0.590_043_589_926_643_5,
    2.890_611_442_640_554,
    -0.457_045_799_464_465_8,
    0.373_176_332_590_115_4,
    -0.457_045_799_464_465_8,
    1.445_305_721_320_277,
    -0.590_043_589_926_643_5,
];

/// Values of the basis in the direction `n` of length one; those beyond `degree` are zero.
#[inline(always)]
pub fn basis<T: Real>(degree: usize, [x, y, z]: [T; 3]) -> [T; 16] {
    let mut out = [T::ZERO; 16];
    out[0] = T::of(C0);
    if degree == 0 {
        return out;
    }
    let c1 = T::of(C1);
    (out[1], out[2], out[3]) = (-c1 * y, c1 * z, -c1 * x);
    if degree == 1 {
        return out;
    }
    let (xx, yy, zz) = (x * x, y * y, z * z);
    let two = T::of(2.0);
    out[4] = T::of(C2[0]) * x * y;
    out[5] = T::of(C2[1]) * y * z;
    out[6] = T::of(C2[2]) * (two * zz - xx - yy);
    out[7] = T::of(C2[3]) * x * z;
    out[8] = T::of(C2[4]) * (xx - yy);
    if degree == 2 {
        return out;
    }
    let (three, four) = (T::of(3.0), T::of(4.0));
    out[9] = T::of(C3[0]) * y * (three * xx - yy);
    out[10] = T::of(C3[1]) * x * y * z;
    out[11] = T::of(C3[2]) * y * (four * zz - xx - yy);
    out[12] = T::of(C3[3]) * z * (two * zz - three * xx - three * yy);
    out[13] = T::of(C3[4]) * x * (four * zz - xx - yy);
    out[14] = T::of(C3[5]) * z * (xx - yy);
    out[15] = T::of(C3[6]) * x * (xx - three * yy);
    out
}

/// Derivatives of the basis in x, y and z, as polynomials of three free variables.
#[inline(always)]
pub fn basis_gradient<T: Real>(degree: usize, [x, y, z]: [T; 3]) -> [[T; 3]; 16] {
    let mut out = [[T::ZERO; 3]; 16];
    if degree == 0 {
        return out;
    }
    let (o, c1) = (T::ZERO, T::of(C1));
    out[1] = [o, -c1, o];
    out[2] = [o, o, c1];
    out[3] = [-c1, o, o];
    if degree == 1 {
        return out;
    }
    let (xx, yy, zz) = (x * x, y * y, z * z);
    let (two, four) = (T::of(2.0), T::of(4.0));
    let c2 = C2.map(T::of);
    out[4] = [c2[0] * y, c2[0] * x, o];
    out[5] = [o, c2[1] * z, c2[1] * y];
    out[6] = [-two * c2[2] * x, -two * c2[2] * y, four * c2[2] * z];
    out[7] = [c2[3] * z, o, c2[3] * x];
    out[8] = [two * c2[4] * x, -two * c2[4] * y, o];
    if degree == 2 {
        return out;
    }
    let (three, six, eight) = (T::of(3.0), T::of(6.0), T::of(8.0));
    let c3 = C3.map(T::of);
    out[9] = [c3[0] * six * x * y, c3[0] * three * (xx - yy), o];
    out[10] = [c3[1] * y * z, c3[1] * x * z, c3[1] * x * y];
    out[11] = [-two * c3[2] * x * y, c3[2] * (four * zz - xx - three * yy), c3[2] * eight * y * z];
    out[12] = [-six * c3[3] * x * z, -six * c3[3] * y * z, c3[3] * (six * zz - three * xx - three * yy)];
    out[13] = [c3[4] * (four * zz - three * xx - yy), -two * c3[4] * x * y, c3[4] * eight * x * z];
    out[14] = [two * c3[5] * x * z, -two * c3[5] * y * z, c3[5] * (xx - yy)];
    out[15] = [c3[6] * three * (xx - yy), -six * c3[6] * x * y, o];
    out
}

/// The coefficient of the constant function that gives this colour value in every direction.
pub fn from_colour(value: f64) -> f64 {
    (value - 0.5) / C0
}

/// Coefficients of the rotated function `f'(n) = f(Qᵀ n)`. `sh: [K, 3]`, `q: [3, 3]` a rotation, row-major.
///
/// For each degree the function is known from its values in as many directions as it has coefficients, so the change of coefficients solves
/// a small linear system; signs of the basis do not matter.
pub fn rotated(degree: usize, sh: &[f64], q: &[f64; 9]) -> Vec<f64> {
    let mut out = sh.to_vec();
    for l in 1..=degree {
        let size = 2 * l + 1;
        let first = l * l;
        // Directions on a spiral whose turns grow: on an even one the middle of two lies on a third.
        let direction = |i: usize| {
            let z = 1.0 - (2 * i + 1) as f64 / size as f64;
            let (s, c) = (2.4 * i as f64 + 0.37 * (i * i) as f64).sin_cos();
            let r = (1.0 - z * z).sqrt();
            [r * c, r * s, z]
        };
        let (mut left, mut right) = (vec![0.0; size * size], vec![0.0; size * 3]);
        for i in 0..size {
            let n = direction(i);
            let turned = std::array::from_fn(|k| q[3 * k] * n[0] + q[3 * k + 1] * n[1] + q[3 * k + 2] * n[2]);
            let (from, to) = (basis(degree, n), basis(degree, turned));
            for j in 0..size {
                left[i * size + j] = to[first + j];
                (0..3).for_each(|c| right[3 * i + c] += from[first + j] * sh[3 * (first + j) + c]);
            }
        }
        let factors = Lu::new(MatRef::row_major(&left, size, size)).expect("the directions tell every coefficient");
        factors.solve(MatMut::row_major(&mut right, size, 3));
        out[3 * first..3 * (first + size)].copy_from_slice(&right);
    }
    debug_assert_eq!(out.len(), 3 * coefficients(degree));
    out
}
