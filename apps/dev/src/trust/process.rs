//! A Gaussian process of one input whose hyperparameters are known: data from it, and the exact predictions.

use super::entry::table;
use super::linear::{cholesky, colour, dot, matrix, mean_and_sd, solve};
use elbo::core::{Data, Rng};

/// Hyperparameters of a Matérn-3/2 process with Gaussian noise, in one unit of inputs and target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Process {
    /// In the unit of the input.
    pub lengthscale: f64,
    /// Of the function, in the square of the target's unit.
    pub variance: f64,
    /// Of an observation around the function, in the same unit.
    pub noise: f64,
}

/// A predictive distribution by its first two moments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moments {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, noise included.
    pub sd: f64,
}

/// Rows of a process and one observation that is held back.
pub(super) struct Draw {
    /// Inputs, `[N]`.
    pub x: Vec<f64>,
    /// Observations, `[N]`, of mean zero.
    pub y: Vec<f64>,
    /// The input held back.
    pub new_x: f64,
    /// Its observation.
    pub new_y: f64,
}

impl Process {
    fn kernel(&self, a: f64, b: f64) -> f64 {
        let r = 3f64.sqrt() * (a - b).abs() / self.lengthscale;
        self.variance * (1.0 + r) * (-r).exp()
    }

    fn covariance(&self, x: &[f64]) -> Vec<f64> {
        matrix(x.len(), |i, j| self.kernel(x[i], x[j]) + if i == j { self.noise } else { 0.0 })
    }

    /// Observations at `x`, `[N]`.
    pub fn observations(&self, x: &[f64], rng: &mut Rng) -> Vec<f64> {
        let noise: Vec<f64> = x.iter().map(|_| rng.normal()).collect();
        colour(&cholesky(&self.covariance(x), x.len()), &noise)
    }

    /// Observations at `x` and at `new_x`, given that those at `x` have mean zero.
    ///
    /// Systems subtract the mean of the target, and their process has mean zero after that. Both are the model here as long as the
    /// mean is zero; and since the condition is on what the system sees, it leaves every posterior as it is.
    pub fn draw(&self, x: &[f64], new_x: f64, rng: &mut Rng) -> Draw {
        let all = [x, &[new_x]].concat();
        let y = with_mean_zero(&self.covariance(&all), rng);
        Draw { x: x.to_vec(), new_y: y[x.len()], y: y[..x.len()].to_vec(), new_x }
    }

    /// The exact prediction of an observation at `new_x`.
    pub fn predict(&self, x: &[f64], y: &[f64], new_x: f64) -> Moments {
        let factor = cholesky(&self.covariance(x), x.len());
        let cross: Vec<f64> = x.iter().map(|x| self.kernel(*x, new_x)).collect();
        let mean = dot(&cross, &solve(&factor, y));
        let variance = self.variance + self.noise - dot(&cross, &solve(&factor, &cross));
        Moments { mean, sd: variance.sqrt() }
    }

    /// `yᵀ K⁻¹ y` with the noise in `K`.
    pub fn square(&self, x: &[f64], y: &[f64]) -> f64 {
        dot(y, &solve(&cholesky(&self.covariance(x), x.len()), y))
    }

    /// The same process where inputs are divided by `input` and the target by `target`.
    pub fn in_unit(&self, input: f64, target: f64) -> Self {
        let square = target * target;
        Self { lengthscale: self.lengthscale / input, variance: self.variance / square, noise: self.noise / square }
    }
}

/// A draw with this covariance, `[n + 1, n + 1]`, given that its first `n` numbers have mean zero.
pub(super) fn with_mean_zero(covariance: &[f64], rng: &mut Rng) -> Vec<f64> {
    let size = covariance.len().isqrt();
    let n = size - 1;
    let noise: Vec<f64> = (0..size).map(|_| rng.normal()).collect();
    let mut y = colour(&cholesky(covariance, size), &noise);
    let mean = y[..n].iter().sum::<f64>() / n as f64;
    // Covariances of each number with the mean, and the mean's variance.
    let with_mean: Vec<f64> =
        covariance.chunks_exact(size).map(|row| row[..n].iter().sum::<f64>() / n as f64).collect();
    let variance = with_mean[..n].iter().sum::<f64>() / n as f64;
    y.iter_mut().zip(&with_mean).for_each(|(y, c)| *y -= c / variance * mean);
    y
}

impl Draw {
    /// Scale of the inputs and of the target, as a table is standardised.
    pub fn scales(&self) -> (f64, f64) {
        (mean_and_sd(&self.x).1, mean_and_sd(&self.y).1)
    }

    /// The rows as a table with the target `y`.
    pub fn rows(&self) -> Data {
        table(vec![("x", self.x.clone()), ("y", self.y.clone())], Some("y"))
    }

    /// The input held back, as a table.
    pub fn new_row(&self) -> Data {
        table(vec![("x", vec![self.new_x])], None)
    }
}

/// So many inputs, evenly from -1.6 to 1.6.
pub(super) fn inputs(rows: usize) -> Vec<f64> {
    (0..rows).map(|i| -1.6 + 3.2 * i as f64 / (rows - 1) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::super::uniform;
    use super::*;
    use elbo::tensor::special::ndtr;

    const PROCESS: Process = Process { lengthscale: 0.6, variance: 0.8, noise: 0.2 };

    #[test]
    fn one_row_is_predicted_by_hand() {
        let found = PROCESS.predict(&[0.0], &[0.5], 0.0);
        assert!((found.mean - 0.8 * 0.5).abs() < 1e-15 && (found.sd.powi(2) - 0.36).abs() < 1e-14, "{found:?}");
        assert!((PROCESS.square(&[0.0], &[0.5]) - 0.25).abs() < 1e-15);
    }

    #[test]
    fn predictions_do_not_depend_on_the_unit() {
        let (x, y) = ([0.0, 0.7, 1.1], [0.3, -0.2, 0.4]);
        let found = PROCESS.predict(&x, &y, 0.5);
        let other = PROCESS.in_unit(2.0, 3.0).predict(&x.map(|x| x / 2.0), &y.map(|y| y / 3.0), 0.25);
        assert!((found.mean - 3.0 * other.mean).abs() < 1e-14 && (found.sd - 3.0 * other.sd).abs() < 1e-14);
    }

    #[test]
    fn draws_have_mean_zero_and_exact_predictions_place_them_uniformly() {
        let one = |i: u64| {
            let draw = PROCESS.draw(&inputs(6), 0.4, &mut Rng::new(1).split(i));
            assert!(draw.y.iter().sum::<f64>().abs() < 1e-12);
            let exact = PROCESS.predict(&draw.x, &draw.y, draw.new_x);
            ndtr((draw.new_y - exact.mean) / exact.sd)
        };
        let places: Vec<f64> = (0..800).map(one).collect();
        assert!(uniform::p_value(&places, 20) > 1e-3);
    }
}
