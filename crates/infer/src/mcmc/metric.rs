//! The metric: the covariance by which momenta are turned into velocities.

use elbo_linalg::vector::dot;
use elbo_linalg::{MatRef, cholesky_with_jitter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the shape of the target is learnt during the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// None: every unknown is taken to have scale one.
    Identity,
    /// Variances of the draws, shrunk to 1e-3.
    #[default]
    Diagonal,
    /// $\sqrt{\mathrm{var}(\text{draws}) / \mathrm{var}(\text{gradients})}$: exact for independent Gaussians after a few draws.
    Gradient,
    /// Covariance of the draws, shrunk to 1e-3 of the identity.
    Dense,
}

/// The inverse mass matrix.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Mass {
    /// `scale[i]^2` is the variance.
    Diagonal { variance: Vec<f64>, scale: Vec<f64> },
    /// `covariance = factor factor^T`, both row-major `[D, D]`.
    Dense { covariance: Vec<f64>, factor: Vec<f64> },
}

impl Mass {
    pub fn identity(dim: usize) -> Self {
        Self::Diagonal { variance: vec![1.0; dim], scale: vec![1.0; dim] }
    }

    fn diagonal(variance: Vec<f64>) -> Self {
        let scale = variance.iter().map(|v| v.sqrt()).collect();
        Self::Diagonal { variance, scale }
    }

    /// Turns standard normals, in place, into a momentum of covariance `mass`.
    pub fn momentum(&self, noise: &mut [f64]) {
        match self {
            Self::Diagonal { scale, .. } => noise.iter_mut().zip(scale).for_each(|(p, s)| *p /= s),
            Self::Dense { factor, .. } => {
                // Back substitution with the transposed factor, reading the factor by rows.
                let dim = noise.len();
                for i in (0..dim).rev() {
                    let row = &factor[i * dim..=i * dim + i];
                    noise[i] /= row[i];
                    let value = noise[i];
                    noise[..i].iter_mut().zip(row).for_each(|(p, l)| *p -= l * value);
                }
            }
        }
    }

    /// The velocity of a momentum; returns the kinetic energy.
    pub fn velocity(&self, momentum: &[f64], velocity: &mut [f64]) -> f64 {
        match self {
            Self::Diagonal { variance, .. } => {
                let mut twice = 0.0;
                for ((v, p), s) in velocity.iter_mut().zip(momentum).zip(variance) {
                    *v = s * p;
                    twice += *v * p;
                }
                0.5 * twice
            }
            Self::Dense { covariance, .. } => {
                for (v, row) in velocity.iter_mut().zip(covariance.chunks_exact(momentum.len())) {
                    *v = dot(row, momentum);
                }
                0.5 * dot(velocity, momentum)
            }
        }
    }
}

/// Running moments of draws and, where the metric asks for them, of gradients (Welford).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Moments {
    kind: Metric,
    count: f64,
    mean: Vec<f64>,
    /// Sums of squares `[D]`, or of products `[D, D]` for the dense metric.
    square: Vec<f64>,
    gradient_mean: Vec<f64>,
    gradient_square: Vec<f64>,
}

impl Moments {
    pub fn new(kind: Metric, dim: usize) -> Self {
        let (square, gradient) = match kind {
            Metric::Identity => (0, 0),
            Metric::Diagonal => (dim, 0),
            Metric::Gradient => (dim, dim),
            Metric::Dense => (dim * dim, 0),
        };
        Self {
            kind,
            count: 0.0,
            mean: vec![0.0; dim],
            square: vec![0.0; square],
            gradient_mean: vec![0.0; gradient],
            gradient_square: vec![0.0; gradient],
        }
    }

    pub fn push(&mut self, draw: &[f64], gradient: &[f64]) {
        self.count += 1.0;
        match self.kind {
            Metric::Identity => {}
            Metric::Diagonal => push_diagonal(self.count, draw, &mut self.mean, &mut self.square),
            Metric::Gradient => {
                push_diagonal(self.count, draw, &mut self.mean, &mut self.square);
                push_diagonal(self.count, gradient, &mut self.gradient_mean, &mut self.gradient_square);
            }
            Metric::Dense => {
                let dim = draw.len();
                let before: Vec<f64> = draw.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
                self.mean.iter_mut().zip(&before).for_each(|(m, d)| *m += d / self.count);
                let weight = (self.count - 1.0) / self.count;
                for (row, d) in self.square.chunks_exact_mut(dim).zip(&before) {
                    row.iter_mut().zip(&before).for_each(|(s, e)| *s += weight * d * e);
                }
            }
        }
    }

    /// The metric so far; `None` while there are too few draws for one.
    pub fn mass(&self) -> Option<Mass> {
        if self.count < 3.0 {
            return None;
        }
        let shrink = self.count / (self.count + 5.0);
        let floor = 1e-3 * 5.0 / (self.count + 5.0);
        let unbiased = 1.0 / (self.count - 1.0);
        match self.kind {
            Metric::Identity => None,
            Metric::Diagonal => {
                Some(Mass::diagonal(self.square.iter().map(|s| shrink * s * unbiased + floor).collect()))
            }
            Metric::Gradient => {
                let ratio = |(s, g): (&f64, &f64)| (s / g).sqrt();
                let variance: Vec<f64> = self.square.iter().zip(&self.gradient_square).map(ratio).collect();
                // A flat direction has no gradient to learn from, a fixed one no draws.
                variance.iter().all(|v| v.is_finite() && *v > 0.0).then(|| Mass::diagonal(variance))
            }
            Metric::Dense => {
                let dim = self.mean.len();
                let mut covariance: Vec<f64> = self.square.iter().map(|s| shrink * s * unbiased).collect();
                (0..dim).for_each(|i| covariance[i * dim + i] += floor);
                let factor = cholesky_with_jitter(MatRef::row_major(&covariance, dim, dim), standard()).ok()?;
                let factor = factor.factor().to_row_major();
                Some(Mass::Dense { covariance, factor })
            }
        }
    }
}

fn standard() -> elbo_linalg::Ladder {
    elbo_linalg::Ladder::standard::<f64>()
}

fn push_diagonal(count: f64, x: &[f64], mean: &mut [f64], square: &mut [f64]) {
    for ((x, m), s) in x.iter().zip(mean).zip(square) {
        let before = x - *m;
        *m += before / count;
        *s += before * (x - *m);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;

    #[test]
    fn momenta_have_the_covariance_that_velocities_undo() {
        // For momentum L^{-T} z the kinetic energy is z.z / 2, for any metric.
        let mut rng = Rng::new(3);
        let mut moments = Moments::new(Metric::Dense, 3);
        for _ in 0..50 {
            let a = rng.normal();
            moments.push(&[a, a + 0.1 * rng.normal(), rng.normal()], &[0.0; 3]);
        }
        for mass in [moments.mass().unwrap(), Mass::diagonal(vec![0.5, 2.0, 3.0])] {
            let noise = [0.3, -1.2, 0.7];
            let (mut momentum, mut velocity) = (noise, [0.0; 3]);
            mass.momentum(&mut momentum);
            let energy = mass.velocity(&momentum, &mut velocity);
            assert!((energy - 0.5 * dot(&noise, &noise)).abs() < 1e-12, "{energy}");
        }
    }

    #[test]
    fn gradients_give_the_scale_of_a_gaussian_exactly() {
        // The gradient of N(0, s^2) is -x / s^2, so the ratio of deviations is s^2 from any two different draws.
        let mut moments = Moments::new(Metric::Gradient, 2);
        for x in [1.0, -2.0, 0.5, 0.1] {
            moments.push(&[x, 3.0 * x], &[-x / 4.0, -3.0 * x / 100.0]);
        }
        let Some(Mass::Diagonal { variance, .. }) = moments.mass() else { panic!("a diagonal metric") };
        assert!((variance[0] - 4.0).abs() < 1e-12 && (variance[1] - 100.0).abs() < 1e-10, "{variance:?}");
    }
}
