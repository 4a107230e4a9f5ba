//! The metric: the covariance by which momenta are turned into velocities.

use super::low_rank::{Directions, directions};
use elbo_core::{Error, Result};
use elbo_linalg::vector::{axpy, dot};
use elbo_linalg::{MatRef, cholesky_with_jitter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Twice as many draws of a window are kept for the low-rank metric at most; every other one is then dropped.
const KEPT: usize = 100;

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
    /// As `gradient`, and up to forty directions along which draws are much wider or narrower than that says: correlations of many unknowns, from
    /// fewer draws than there are unknowns.
    LowRank,
}

/// The inverse mass matrix.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Mass {
    /// `scale[i]^2` is the variance.
    Diagonal { variance: Vec<f64>, scale: Vec<f64> },
    /// `covariance = factor factor^T`, both row-major `[D, D]`.
    Dense { covariance: Vec<f64>, factor: Vec<f64> },
    /// `scale (I + sum_k (values[k] - 1) u_k u_k^T) scale`, with orthonormal `u_k` as rows of `vectors: [k, D]`.
    LowRank { scale: Vec<f64>, vectors: Vec<f64>, values: Vec<f64> },
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
            Self::LowRank { scale, vectors, values } => {
                stretch(noise, vectors, values, |value| value.sqrt().recip());
                noise.iter_mut().zip(scale).for_each(|(p, s)| *p /= s);
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
            Self::LowRank { scale, vectors, values } => {
                velocity.iter_mut().zip(momentum).zip(scale).for_each(|((v, p), s)| *v = p * s);
                stretch(velocity, vectors, values, |value| value);
                velocity.iter_mut().zip(scale).for_each(|(v, s)| *v *= s);
                0.5 * dot(velocity, momentum)
            }
        }
    }
}

/// Multiplies what of `x` lies along each of these orthonormal directions by a function of its value.
fn stretch(x: &mut [f64], vectors: &[f64], values: &[f64], by: impl Fn(f64) -> f64) {
    for (vector, value) in vectors.chunks_exact(x.len()).zip(values) {
        let along = dot(vector, x);
        axpy((by(*value) - 1.0) * along, vector, x);
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
    /// Draws, and gradients there, `[n, D]` evenly spaced; of the low-rank metric alone.
    rows: [Vec<f64>; 2],
    /// One draw in this many is kept.
    spacing: usize,
}

impl Moments {
    pub fn new(kind: Metric, dim: usize) -> Self {
        let (square, gradient) = match kind {
            Metric::Identity => (0, 0),
            Metric::Diagonal => (dim, 0),
            Metric::Gradient => (dim, dim),
            Metric::Dense => (dim * dim, 0),
            Metric::LowRank => (dim, dim),
        };
        Self {
            kind,
            count: 0.0,
            mean: vec![0.0; dim],
            square: vec![0.0; square],
            gradient_mean: vec![0.0; gradient],
            gradient_square: vec![0.0; gradient],
            rows: [vec![], vec![]],
            spacing: 1,
        }
    }

    pub fn push(&mut self, draw: &[f64], gradient: &[f64]) {
        self.count += 1.0;
        match self.kind {
            Metric::Identity => {}
            Metric::Diagonal => push_diagonal(self.count, draw, &mut self.mean, &mut self.square),
            Metric::Gradient | Metric::LowRank => {
                push_diagonal(self.count, draw, &mut self.mean, &mut self.square);
                push_diagonal(self.count, gradient, &mut self.gradient_mean, &mut self.gradient_square);
                if self.kind == Metric::LowRank {
                    self.keep(draw, gradient);
                }
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

    /// Keeps a draw, where its turn has come.
    fn keep(&mut self, draw: &[f64], gradient: &[f64]) {
        if !(self.count as usize).is_multiple_of(self.spacing) {
            return;
        }
        let [draws, gradients] = &mut self.rows;
        draws.extend_from_slice(draw);
        gradients.extend_from_slice(gradient);
        if draws.len() == 2 * KEPT * draw.len() {
            for rows in &mut self.rows {
                *rows = rows.chunks_exact(draw.len()).skip(1).step_by(2).flatten().copied().collect();
            }
            self.spacing *= 2;
        }
    }

    /// $\mathrm{var}(\text{draws}) / \mathrm{var}(\text{gradients})$ to the power of one half.
    ///
    /// # Errors
    /// [`Error::Numerical`] where a flat direction has no gradient to learn from, or a fixed one no draws.
    fn variance_by_gradients(&self) -> Result<Vec<f64>> {
        let ratio = |(s, g): (&f64, &f64)| (s / g).sqrt();
        usable(self.square.iter().zip(&self.gradient_square).map(ratio).collect())
    }

    /// The metric so far; `None` of the identity, which stays, and while there are too few draws for another.
    ///
    /// # Errors
    /// [`Error::Numerical`] where draws or gradients say nothing about an unknown, or are too large to be squared; those of the decompositions.
    pub fn mass(&self) -> Result<Option<Mass>> {
        if self.count < 3.0 {
            return Ok(None);
        }
        let shrink = self.count / (self.count + 5.0);
        let floor = 1e-3 * 5.0 / (self.count + 5.0);
        let unbiased = 1.0 / (self.count - 1.0);
        Ok(Some(match self.kind {
            Metric::Identity => return Ok(None),
            Metric::Diagonal => {
                Mass::diagonal(usable(self.square.iter().map(|s| shrink * s * unbiased + floor).collect())?)
            }
            Metric::Gradient => Mass::diagonal(self.variance_by_gradients()?),
            Metric::LowRank => {
                let variance = self.variance_by_gradients()?;
                let Directions { vectors, values } = directions(&self.rows[0], &self.rows[1], &variance)?;
                let scale = variance.iter().map(|v| v.sqrt()).collect();
                Mass::LowRank { scale, vectors, values }
            }
            Metric::Dense => {
                let dim = self.mean.len();
                let mut covariance: Vec<f64> = self.square.iter().map(|s| shrink * s * unbiased).collect();
                (0..dim).for_each(|i| covariance[i * dim + i] += floor);
                usable((0..dim).map(|i| covariance[i * dim + i]).collect())?;
                let factor = cholesky_with_jitter(MatRef::row_major(&covariance, dim, dim), standard())?;
                // Momenta are drawn by the factor, so that the covariance has to be its square.
                (0..dim).for_each(|i| covariance[i * dim + i] += factor.jitter().absolute);
                let factor = factor.factor().to_row_major();
                Mass::Dense { covariance, factor }
            }
        }))
    }
}

/// Variances, none of which is zero, infinite or no number.
fn usable(variance: Vec<f64>) -> Result<Vec<f64>> {
    let worst = variance.iter().position(|v| !v.is_finite() || *v <= 0.0);
    match worst {
        None => Ok(variance),
        Some(i) => Err(Error::numerical(
            format!("draws and gradients say that unknown {} has the variance {}", i + 1, variance[i]),
            "look for an unknown that does not matter, cannot move or has no bound, or take another metric",
        )),
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
        let (a, b) = (0.6f64, 0.8f64);
        let low_rank =
            Mass::LowRank { scale: vec![0.5, 2.0, 3.0], vectors: vec![a, b, 0.0, -b, a, 0.0], values: vec![20.0, 0.3] };
        for mass in [moments.mass().unwrap().unwrap(), Mass::diagonal(vec![0.5, 2.0, 3.0]), low_rank] {
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
        let Some(Mass::Diagonal { variance, .. }) = moments.mass().unwrap() else { panic!("a diagonal metric") };
        assert!((variance[0] - 4.0).abs() < 1e-12 && (variance[1] - 100.0).abs() < 1e-10, "{variance:?}");
    }

    #[test]
    fn draws_that_say_nothing_of_an_unknown_give_an_error_and_few_give_none() {
        let moments = |kind: Metric, draws: &[[f64; 2]], gradients: &[[f64; 2]]| {
            let mut moments = Moments::new(kind, 2);
            draws.iter().zip(gradients).for_each(|(x, g)| moments.push(x, g));
            moments
        };
        let apart = [[1.0, 0.3], [-2.0, 0.1], [0.5, -0.7], [0.1, 0.9], [-0.4, -1.1], [0.8, 0.2]];
        let (fixed, flat) = (apart.map(|[a, _]| [a, 4.0]), apart.map(|[a, _]| [-a, 0.0]));
        let far = apart.map(|[a, b]| [1e200 * a, b]);
        let (gradient, low_rank) = (Metric::Gradient, Metric::LowRank);
        for (kind, draws, gradients, unknown) in [
            (gradient, &fixed, &apart, "unknown 2"),
            (gradient, &apart, &flat, "unknown 2"),
            (low_rank, &fixed, &apart, "unknown 2"),
            (low_rank, &apart, &flat, "unknown 2"),
            (low_rank, &far, &apart, "unknown 1"),
            (Metric::Dense, &far, &apart, "unknown 1"),
            (Metric::Diagonal, &far, &apart, "unknown 1"),
        ] {
            let error = moments(kind, draws, gradients).mass().unwrap_err().to_string();
            assert!(error.contains(unknown), "{kind:?}: {error}");
        }
        for kind in [Metric::Diagonal, gradient, low_rank, Metric::Dense] {
            assert!(moments(kind, &apart[..2], &apart[..2]).mass().unwrap().is_none(), "{kind:?}");
        }
        // What is added to the diagonal is enough for an unknown that does not vary, or that is another one's double.
        let double = apart.map(|[a, _]| [a, 2.0 * a]);
        for (kind, draws) in [(Metric::Diagonal, &fixed), (Metric::Dense, &fixed), (Metric::Dense, &double)] {
            assert!(moments(kind, draws, &apart).mass().unwrap().is_some(), "{kind:?}");
        }
    }

    #[test]
    fn a_dense_metric_that_needed_a_jitter_is_still_the_square_of_its_factor() {
        // Two unknowns that are one, so wide that what is added to the diagonal is lost in rounding: both have the variance 2^54, exactly.
        let mut moments = Moments::new(Metric::Dense, 2);
        for x in [2.0, -2.0, 0.0, 0.0, 0.0] {
            moments.push(&[f64::from(1 << 27) * x; 2], &[0.0; 2]);
        }
        let Some(Mass::Dense { covariance, factor }) = moments.mass().unwrap() else { panic!("a dense metric") };
        for i in 0..2 {
            for j in 0..=i {
                let square = dot(&factor[2 * i..2 * i + 2], &factor[2 * j..2 * j + 2]);
                let found = covariance[2 * i + j];
                assert!((square / found - 1.0).abs() < 1e-14, "{i}, {j}: {square} {found}");
            }
        }
        assert!(covariance[0] > covariance[1], "{covariance:?}");
    }

    #[test]
    fn a_low_rank_metric_finds_the_few_directions_that_a_diagonal_misses() {
        // Variances 100 along u and 0.01 along w, one across: the diagonal has them all near one.
        const D: usize = 30;
        let sign = |i: usize, period: usize| if (i / period).is_multiple_of(2) { 1.0 } else { -1.0 };
        let unit = |period: usize| -> Vec<f64> { (0..D).map(|i| sign(i, period) / (D as f64).sqrt()).collect() };
        let (u, w) = (unit(D), unit(1));
        assert!(dot(&u, &w).abs() < 1e-12);
        let along = |x: &[f64], by: [f64; 2]| -> Vec<f64> {
            let mut x = x.to_vec();
            let parts = [dot(&u, &x), dot(&w, &x)];
            axpy((by[0] - 1.0) * parts[0], &u, &mut x);
            axpy((by[1] - 1.0) * parts[1], &w, &mut x);
            x
        };
        let (mut rng, mut moments) = (Rng::new(5), Moments::new(Metric::LowRank, D));
        for _ in 0..300 {
            let z = rng.normals(D);
            // x = S^(1/2) z has the gradient -S^(-1/2) z.
            let gradient: Vec<f64> = along(&z, [0.1, 10.0]).iter().map(|g| -g).collect();
            moments.push(&along(&z, [10.0, 0.1]), &gradient);
        }
        assert!(moments.rows[0].len() < 2 * KEPT * D && moments.spacing == 2);
        let mass = moments.mass().unwrap().unwrap();
        let variance = |direction: &[f64]| {
            let mut velocity = vec![0.0; D];
            2.0 * mass.velocity(direction, &mut velocity)
        };
        // Within a factor of two along both, and along a third direction.
        let mut third = vec![0.0; D];
        (third[0], third[2]) = (0.5f64.sqrt(), -0.5f64.sqrt());
        for (direction, expected) in [(&u, 100.0), (&w, 0.01), (&third, 1.0)] {
            let found = variance(direction) / expected;
            assert!((0.5..2.0).contains(&found), "{found} of {expected}");
        }
    }
}
