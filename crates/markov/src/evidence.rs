//! What is seen at each step: numbers with Gaussian noise, or Gaussian sites.

use crate::scalar::Real;

/// What is seen at each step of a chain.
#[derive(Debug, Clone, Copy)]
pub enum Evidence<'a, T> {
    /// One number a step, `y = f + noise`: both `[T]`. A NaN of `y` is a missing value. For chains of one output.
    Observations {
        /// The numbers.
        y: &'a [T],
        /// Variances of their noise, positive.
        noise: &'a [T],
    },
    /// Sites `exp(shift' f - f' precision f / 2)`: `shift: [T, L]`, `precision: [T, L, L]` symmetric, singular or zero where a step
    /// says little or nothing.
    Sites {
        /// Linear natural parameters.
        shift: &'a [T],
        /// Quadratic natural parameters.
        precision: &'a [T],
    },
}

/// How one step's evidence changes a Gaussian: from the predicted mean and covariance of `f` to `u` and `Φ`, with which
/// `m⁺ = m + P H' u`, `P⁺ = P - P H' Φ H P`. Returns the logarithm of the evidence's normaliser, zero and no change where nothing is seen.
pub(crate) trait Update<T: Real>: Copy {
    /// Number of steps that there is evidence for.
    fn steps(&self, outputs: usize) -> usize;

    /// `mean: [L]`, `covariance: [L, L]`; writes `u: [L]`, `phi: [L, L]`. `scratch: [2, L, L + 1]`.
    fn update(&self, k: usize, mean: &[T], covariance: &[T], u: &mut [T], phi: &mut [T], scratch: &mut [T]) -> T;

    /// Whether the evidence is noise on one number, whose variance has a derivative.
    const HAS_NOISE: bool;
}

/// See [`Evidence::Observations`].
#[derive(Clone, Copy)]
pub(crate) struct Observed<'a, T> {
    pub y: &'a [T],
    pub noise: &'a [T],
}

impl<T: Real> Update<T> for Observed<'_, T> {
    const HAS_NOISE: bool = true;

    fn steps(&self, _: usize) -> usize {
        self.y.len()
    }

    #[inline(always)]
    fn update(&self, k: usize, mean: &[T], covariance: &[T], u: &mut [T], phi: &mut [T], _: &mut [T]) -> T {
        let y = self.y[k];
        if y.value().is_nan() {
            (u[0], phi[0]) = (T::of(0.0), T::of(0.0));
            return T::of(0.0);
        }
        let total = covariance[0] + self.noise[k];
        let inverse = T::of(1.0) / total;
        let difference = y - mean[0];
        (u[0], phi[0]) = (difference * inverse, inverse);
        T::of(-0.5) * (difference * u[0] + (total * T::of(std::f64::consts::TAU)).ln())
    }
}

/// See [`Evidence::Sites`].
#[derive(Clone, Copy)]
pub(crate) struct Sited<'a, T> {
    pub shift: &'a [T],
    pub precision: &'a [T],
}

impl<T: Real> Update<T> for Sited<'_, T> {
    const HAS_NOISE: bool = false;

    fn steps(&self, outputs: usize) -> usize {
        self.shift.len() / outputs
    }

    /// `Φ = J (I + V J)⁻¹`, `u = (I + J V)⁻¹ (j - J μ)`,
    /// `log Z = j'μ - μ'Jμ/2 + (j - Jμ)' V u / 2 - log|I + V J| / 2`: defined for singular `J` and `V`.
    #[inline(always)]
    fn update(&self, k: usize, mean: &[T], covariance: &[T], u: &mut [T], phi: &mut [T], scratch: &mut [T]) -> T {
        let outputs = mean.len();
        let half = T::of(0.5);
        let shift = &self.shift[k * outputs..(k + 1) * outputs];
        let precision = &self.precision[k * outputs * outputs..(k + 1) * outputs * outputs];
        if outputs == 1 {
            let (j, p, v, m) = (shift[0], precision[0], covariance[0], mean[0]);
            let b = T::of(1.0) + v * p;
            let rest = j - p * m;
            (u[0], phi[0]) = (rest / b, p / b);
            return j * m - half * p * m * m + half * rest * v * u[0] - half * b.ln();
        }
        // [Φ | u] = (I + J V)⁻¹ [J | j - J μ], solved in place.
        let width = outputs + 1;
        let (system, rest) = scratch.split_at_mut(outputs * outputs);
        let (right, residual) = rest.split_at_mut(outputs * width);
        let (mut linear, mut quadratic) = (T::of(0.0), T::of(0.0));
        for i in 0..outputs {
            let mut jm = T::of(0.0);
            for l in 0..outputs {
                let mut sum = T::of(if i == l { 1.0 } else { 0.0 });
                for c in 0..outputs {
                    sum += precision[i * outputs + c] * covariance[c * outputs + l];
                }
                system[i * outputs + l] = sum;
                right[i * width + l] = precision[i * outputs + l];
                jm += precision[i * outputs + l] * mean[l];
            }
            residual[i] = shift[i] - jm;
            right[i * width + outputs] = residual[i];
            linear += shift[i] * mean[i];
            quadratic += jm * mean[i];
        }
        let mut along = T::of(0.0);
        let Some(log_det) = crate::small::solve(system, right, outputs, width) else {
            u.fill(T::of(f64::NAN));
            return T::of(f64::NAN);
        };
        for i in 0..outputs {
            u[i] = right[i * width + outputs];
            for l in 0..outputs {
                phi[i * outputs + l] = half * (right[i * width + l] + right[l * width + i]);
            }
        }
        for i in 0..outputs {
            let mut vu = T::of(0.0);
            (0..outputs).for_each(|l| vu += covariance[i * outputs + l] * u[l]);
            along += residual[i] * vu;
        }
        linear - half * quadratic + half * along - half * log_det
    }
}
