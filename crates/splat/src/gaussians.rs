//! The Gaussians themselves: flat arrays of raw, unconstrained parameters.

use crate::real::Real;

/// Numbers of spherical-harmonic coefficients a channel at this degree.
pub const fn coefficients(degree: usize) -> usize {
    (degree + 1) * (degree + 1)
}

/// `N` Gaussians in space. Every array is flat and row-major; its rows are Gaussians.
///
/// The same type holds a gradient, or an optimiser's moments, in each parameter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gaussians<T> {
    /// Degree of the spherical harmonics, 0 to 3.
    pub degree: usize,
    /// Means, `[N, 3]`.
    pub mean: Vec<T>,
    /// Logarithms of the standard deviations along the axes, `[N, 3]`.
    pub log_scale: Vec<T>,
    /// Quaternions `(w, x, y, z)` of any length but zero, `[N, 4]`.
    pub rotation: Vec<T>,
    /// Logits of the opacity, `[N]`.
    pub opacity: Vec<T>,
    /// Coefficients of the colour, `[N, K, 3]` with `K = (degree + 1)²`.
    pub sh: Vec<T>,
}

impl<T: Real> Gaussians<T> {
    /// No Gaussians, of this degree.
    pub fn empty(degree: usize) -> Self {
        Self { degree, mean: vec![], log_scale: vec![], rotation: vec![], opacity: vec![], sh: vec![] }
    }

    /// As many zeros as `like` has parameters.
    pub fn zeros_like(like: &Self) -> Self {
        let zeros = |v: &Vec<T>| vec![T::ZERO; v.len()];
        Self {
            degree: like.degree,
            mean: zeros(&like.mean),
            log_scale: zeros(&like.log_scale),
            rotation: zeros(&like.rotation),
            opacity: zeros(&like.opacity),
            sh: zeros(&like.sh),
        }
    }

    /// Number of Gaussians.
    pub fn len(&self) -> usize {
        self.opacity.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.opacity.is_empty()
    }

    /// Numbers a Gaussian has in each array: mean, logarithm of the scale, rotation, opacity, colour.
    pub fn widths(&self) -> [usize; 5] {
        [3, 3, 4, 1, 3 * coefficients(self.degree)]
    }

    /// The arrays, in the order of [`Gaussians::widths`].
    pub fn arrays(&self) -> [&Vec<T>; 5] {
        [&self.mean, &self.log_scale, &self.rotation, &self.opacity, &self.sh]
    }

    /// The arrays to change, in the order of [`Gaussians::widths`].
    pub fn arrays_mut(&mut self) -> [&mut Vec<T>; 5] {
        [&mut self.mean, &mut self.log_scale, &mut self.rotation, &mut self.opacity, &mut self.sh]
    }

    /// The Gaussians of these rows, in their order; a row may come more than once.
    pub fn take(&self, rows: &[usize]) -> Self {
        let mut out = Self::empty(self.degree);
        for ((to, from), width) in out.arrays_mut().into_iter().zip(self.arrays()).zip(self.widths()) {
            to.reserve(rows.len() * width);
            rows.iter().for_each(|r| to.extend_from_slice(&from[r * width..(r + 1) * width]));
        }
        out
    }

    /// These Gaussians, then those of `other`, which must be of the same degree.
    pub fn extend(&mut self, other: &Self) {
        assert_eq!(self.degree, other.degree, "Gaussians of two degrees cannot be joined");
        self.arrays_mut().into_iter().zip(other.arrays()).for_each(|(to, from)| to.extend_from_slice(from));
    }

    /// The same numbers in another precision.
    pub fn cast<U: Real>(&self) -> Gaussians<U> {
        let cast = |v: &Vec<T>| v.iter().map(|x| U::of(x.to_f64())).collect();
        Gaussians {
            degree: self.degree,
            mean: cast(&self.mean),
            log_scale: cast(&self.log_scale),
            rotation: cast(&self.rotation),
            opacity: cast(&self.opacity),
            sh: cast(&self.sh),
        }
    }

    /// Opacity of Gaussian `i`, in (0, 1).
    pub fn opacity_of(&self, i: usize) -> f64 {
        sigmoid(self.opacity[i].to_f64())
    }

    /// Greatest standard deviation of Gaussian `i`.
    pub fn largest_scale(&self, i: usize) -> f64 {
        self.log_scale[3 * i..3 * i + 3].iter().map(|l| l.to_f64()).fold(f64::NEG_INFINITY, f64::max).exp()
    }

    /// Covariance of Gaussian `i`, `[3, 3]`.
    pub fn covariance(&self, i: usize) -> [f64; 9] {
        let m = self.root(i);
        let mut out = [0.0; 9];
        for a in 0..3 {
            for b in 0..3 {
                out[3 * a + b] = (0..3).map(|k| m[3 * a + k] * m[3 * b + k]).sum();
            }
        }
        out
    }

    /// `R diag(s)` of Gaussian `i`, `[3, 3]`: the covariance is its square.
    pub fn root(&self, i: usize) -> [f64; 9] {
        let q: [f64; 4] = std::array::from_fn(|k| self.rotation[4 * i + k].to_f64());
        let mut m = rotation_matrix(normalised(q));
        for a in 0..3 {
            for k in 0..3 {
                m[3 * a + k] *= self.log_scale[3 * i + k].to_f64().exp();
            }
        }
        m
    }

    /// Moves and scales the scene: `x ↦ factor x + shift`.
    pub fn transform(&mut self, factor: f64, shift: [f64; 3]) {
        for x in self.mean.chunks_exact_mut(3) {
            (0..3).for_each(|k| x[k] = T::of(factor * x[k].to_f64() + shift[k]));
        }
        let add = T::of(factor.ln());
        self.log_scale.iter_mut().for_each(|l| *l += add);
    }
}

/// `1 / (1 + exp(-a))`.
pub fn sigmoid(a: f64) -> f64 {
    1.0 / (1.0 + (-a).exp())
}

/// The inverse of [`sigmoid`].
pub fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

/// A quaternion of length one.
#[inline(always)]
pub fn normalised<T: Real>(q: [T; 4]) -> [T; 4] {
    let length = (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]).sqrt();
    q.map(|v| v / length)
}

/// The rotation of a quaternion `(w, x, y, z)` of length one, row-major.
#[inline(always)]
pub fn rotation_matrix<T: Real>([w, x, y, z]: [T; 4]) -> [T; 9] {
    let (one, two) = (T::ONE, T::of(2.0));
    [
        one - two * (y * y + z * z),
        two * (x * y - w * z),
        two * (x * z + w * y),
        two * (x * y + w * z),
        one - two * (x * x + z * z),
        two * (y * z - w * x),
        two * (x * z - w * y),
        two * (y * z + w * x),
        one - two * (x * x + y * y),
    ]
}

/// The quaternion `(w, x, y, z)` of a rotation, row-major; `w` is not negative.
pub fn quaternion(r: &[f64; 9]) -> [f64; 4] {
    // The largest of the four squares keeps the division safe (Shepperd).
    let trace = r[0] + r[4] + r[8];
    let squares = [1.0 + trace, 1.0 + 2.0 * r[0] - trace, 1.0 + 2.0 * r[4] - trace, 1.0 + 2.0 * r[8] - trace];
    let k = (0..4).max_by(|a, b| squares[*a].total_cmp(&squares[*b])).expect("there are four");
    let half = 0.5 / squares[k].sqrt();
    let (a, b, c) = (r[7] - r[5], r[2] - r[6], r[3] - r[1]);
    let (d, e, f) = (r[1] + r[3], r[2] + r[6], r[5] + r[7]);
    let q = match k {
        0 => [squares[0] * half, a * half, b * half, c * half],
        1 => [a * half, squares[1] * half, d * half, e * half],
        2 => [b * half, d * half, squares[2] * half, f * half],
        _ => [c * half, e * half, f * half, squares[3] * half],
    };
    if q[0] < 0.0 { q.map(|v| -v) } else { q }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quaternion_survives_its_matrix() {
        for q in [[1.0, 0.0, 0.0, 0.0], [0.1, 0.9, -0.2, 0.3], [0.2, -0.1, 0.9, 0.4], [0.0, 0.3, 0.1, -0.9]] {
            let q = normalised::<f64>(q);
            let back = quaternion(&rotation_matrix(q));
            let sign = if back[0] * q[0] + back[1] * q[1] + back[2] * q[2] + back[3] * q[3] < 0.0 { -1.0 } else { 1.0 };
            for k in 0..4 {
                assert!((sign * back[k] - q[k]).abs() < 1e-12, "{back:?} for {q:?}");
            }
        }
    }
}
