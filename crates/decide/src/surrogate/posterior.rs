//! The posterior of a function, with gradients in its inputs.

use super::factor::{distinct, factorised, noise_of};
use super::mean::Mean;
use super::output::Warp;
use super::{Hyper, matern52, student};
use crate::space::distance;
use elbo_core::{Error, Result, Rng};
use elbo_linalg::{Cholesky, Ladder, LinalgError, MatMut, vector::dot};
use elbo_tensor::special::{ndtr, student_t_cdf, student_t_quantile};

/// Rows predicted at once.
const BLOCK: usize = 512;

/// A Gaussian process that has seen data, or a Student-t process: see [`Gp::freedom`]. Values are standardised: see [`Gp::natural`].
#[derive(Debug, Clone)]
pub struct Gp {
    pub(super) x: Vec<f64>,
    scaled: Vec<f64>,
    pub(super) y: Vec<f64>,
    groups: Vec<usize>,
    pub(super) inverse: Vec<f64>,
    hyper: Hyper,
    /// Noise variance of each datum.
    pub(super) noise: Vec<f64>,
    dropped: usize,
    pub(super) chol: Cholesky<f64>,
    pub(super) alpha: Vec<f64>,
    mean: Mean,
    constant: f64,
    warp: Warp,
    shift: f64,
    scale: f64,
    log_evidence: f64,
    /// Degrees of freedom before the data; `None` of a Gaussian process.
    degrees: Option<f64>,
    /// What the data make of the covariance; one of a Gaussian process.
    spread: f64,
    /// How many of the data are the process's own means, which say nothing of its scale.
    supposed: usize,
}

/// The joint distribution of the function at `q` points, normal or Student-t by its process, and what its pullback needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// The points, `[q, E]`.
    pub x: Vec<f64>,
    /// Means, `[q]`.
    pub mean: Vec<f64>,
    /// Covariances, `[q, q]`, without noise.
    pub covariance: Vec<f64>,
    /// Covariances with the data and the slopes of the profile there, `[q, N]`.
    cross: Vec<f64>,
    slopes: Vec<f64>,
    /// `K⁻¹ k`, `[q, N]`.
    solved: Vec<f64>,
}

impl Joint {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.mean.len()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.mean.is_empty()
    }
}

impl Gp {
    /// Conditions on standardised values `y: [N]` at given hyperparameters. `known: [N]` are the data's noise variances, NaN where the noise is that of
    /// the hyperparameters; empty where all are. Where the covariance cannot be factorised, trials that nearly repeat an earlier one are left out:
    /// [`Gp::dropped`].
    ///
    /// # Errors
    /// [`Error::Numerical`] when the covariance of the others cannot be factorised either with the project's jitter.
    pub(crate) fn condition(
        x: &[f64],
        y: &[f64],
        known: &[f64],
        groups: &[usize],
        fitted: Saved,
        standard: (f64, f64),
    ) -> Result<Self> {
        Self::condition_by(Ladder::standard::<f64>(), x, y, known, groups, fitted, standard)
    }

    fn condition_by(
        ladder: Ladder,
        x: &[f64],
        y: &[f64],
        known: &[f64],
        groups: &[usize],
        fitted: Saved,
        (shift, scale): (f64, f64),
    ) -> Result<Self> {
        let Saved { hyper, mean, learns_constant, log_evidence, warp, degrees } = fitted;
        let (n, width) = (y.len(), groups.len());
        let inverse: Vec<f64> =
            groups.iter().map(|g| 1.0 / hyper.lengthscale[if hyper.lengthscale.len() == 1 { 0 } else { *g }]).collect();
        let scaled: Vec<f64> = x.iter().enumerate().map(|(i, v)| v * inverse[i % width]).collect();
        let noise: Vec<f64> = (0..n).map(|i| noise_of(known, i, hyper.noise)).collect();
        let factor = |rows: &[usize]| factorised(ladder, rows, (&scaled, width), &hyper, &noise);
        let refused = |cause: LinalgError| {
            Error::numerical(
                format!("the covariance of {n} trials cannot be factorised: {cause}"),
                "merge repeated trials, or let the noise be learned",
            )
        };
        let mut rows: Vec<usize> = (0..n).collect();
        let chol = match factor(&rows) {
            Ok(chol) => chol,
            Err(cause) => {
                rows = distinct(&scaled, width);
                if rows.len() == n {
                    return Err(refused(cause));
                }
                factor(&rows).map_err(refused)?
            }
        };
        let take = |values: &[f64], width: usize| -> Vec<f64> {
            rows.iter().flat_map(|i| values[i * width..(i + 1) * width].iter().copied()).collect()
        };
        let mut gp = Self {
            x: take(x, width),
            scaled: take(&scaled, width),
            y: take(y, 1),
            noise: take(&noise, 1),
            dropped: n - rows.len(),
            groups: groups.to_vec(),
            inverse,
            hyper,
            chol,
            alpha: vec![],
            mean,
            constant: 0.0,
            warp,
            shift,
            scale,
            log_evidence,
            degrees,
            spread: 1.0,
            supposed: 0,
        };
        if learns_constant {
            let ones = gp.solve(&vec![1.0; gp.len()]);
            let residual = gp.residual();
            gp.constant = dot(&ones, &residual) / ones.iter().sum::<f64>();
        }
        gp.weigh();
        Ok(gp)
    }

    /// A process with given hyperparameters, without a mean function, on values taken as they are. For tests and examples.
    ///
    /// # Errors
    /// As the factorisation's.
    pub fn with_hyper(x: &[f64], y: &[f64], groups: &[usize], hyper: Hyper) -> Result<Self> {
        Self::with_degrees(x, y, groups, hyper, None)
    }

    /// [`Gp::with_hyper`] of a Student-t process with these degrees of freedom before the data, above 2; of a Gaussian one where there are none.
    ///
    /// # Errors
    /// [`Error::Setting`] for other degrees; as [`Gp::with_hyper`].
    pub fn with_degrees(x: &[f64], y: &[f64], groups: &[usize], hyper: Hyper, degrees: Option<f64>) -> Result<Self> {
        student::check(degrees)?;
        let (mean, warp) = (Mean::Zero, Warp::Identity);
        let fitted = Saved { hyper, mean, learns_constant: false, log_evidence: f64::NAN, warp, degrees };
        Self::condition(x, y, &[], groups, fitted, (0.0, 1.0))
    }

    /// The same process on the same data with these hyperparameters and mean function, as a file keeps them; `errors` as in [`Gp::fit_with_errors`].
    ///
    /// # Errors
    /// [`Error::ModelFile`] when they do not belong to such data; else as the factorisation's.
    pub(crate) fn rebuild(x: &[f64], y: &[f64], errors: &[f64], groups: &[usize], saved: Saved) -> Result<Self> {
        if y.is_empty() || !saved.fits(groups) {
            return Err(Error::model_file(
                "a surrogate of the model does not belong to its trials",
                "fit the model again",
            ));
        }
        let warped: Vec<f64> = y.iter().map(|v| saved.warp.forward(*v)).collect();
        let (shift, scale) = super::fit::standardiser(&warped);
        let z: Vec<f64> = warped.iter().map(|v| (v - shift) / scale).collect();
        let known: Vec<f64> = errors.iter().map(|e| (e / scale).powi(2)).collect();
        Self::condition(x, &z, &known, groups, saved, (shift, scale))
    }

    /// What [`Gp::rebuild`] needs besides the data.
    pub(crate) fn saved(&self, learns_constant: bool) -> Saved {
        Saved {
            hyper: self.hyper.clone(),
            mean: self.mean.clone(),
            learns_constant,
            log_evidence: self.log_evidence,
            warp: self.warp.clone(),
            degrees: self.degrees,
        }
    }

    /// Number of data.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether there are no data.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// Number of data that were left out since they nearly repeat others.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Encoded columns, `E`.
    pub fn width(&self) -> usize {
        self.groups.len()
    }

    /// The variable of each encoded column.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// The data's points, `[N, E]`.
    pub fn inputs(&self) -> &[f64] {
        &self.x
    }

    /// The data's standardised values, `[N]`.
    pub fn values(&self) -> &[f64] {
        &self.y
    }

    /// Hyperparameters.
    pub fn hyper(&self) -> &Hyper {
        &self.hyper
    }

    /// Degrees of freedom after the data, of a Student-t process: its distributions are of that kind, with the means and covariances that are told.
    /// `None` of a Gaussian process.
    pub fn freedom(&self) -> Option<f64> {
        self.degrees.map(|before| before + self.telling() as f64)
    }

    /// How many of the data tell the scale of a Student-t process.
    fn telling(&self) -> usize {
        self.len() - self.supposed
    }

    /// Variance of the noise after the data: of a Student-t process they tell its scale too.
    pub fn noise(&self) -> f64 {
        self.spread * self.hyper.noise
    }

    /// Probability that a value of this mean and variance lies below `value`, all standardised.
    pub fn probability_below(&self, mean: f64, variance: f64, value: f64) -> f64 {
        let z = (value - mean) / variance.sqrt();
        match self.freedom() {
            None => ndtr(z),
            Some(freedom) => student_t_cdf(z * (freedom / (freedom - 2.0)).sqrt(), freedom),
        }
    }

    /// How many standard deviations from the mean 95 % of the probability end.
    pub fn half_width(&self) -> f64 {
        let of = |freedom: f64| student_t_quantile(0.975, freedom) * ((freedom - 2.0) / freedom).sqrt();
        self.freedom().map_or(1.96, of)
    }

    /// A draw of what the covariance before the data is to be stretched by, for a draw of the function: of a Student-t process, which is a Gaussian one
    /// whose scale is drawn first.
    pub(super) fn stretch(&self, rng: &mut Rng) -> Option<f64> {
        self.freedom().map(|freedom| (self.spread * (freedom - 2.0) / rng.chi_squared(freedom)).sqrt())
    }

    /// Log marginal likelihood of the standardised values, in nats.
    pub fn log_evidence(&self) -> f64 {
        self.log_evidence
    }

    /// A standardised value in the unit of the data; of a mean, under a transform of the values, the median.
    pub fn natural(&self, value: f64) -> f64 {
        self.warp.inverse(self.shift + self.scale * value)
    }

    /// A value of the data's unit, standardised.
    pub fn standardised(&self, value: f64) -> f64 {
        (self.warp.forward(value) - self.shift) / self.scale
    }

    /// The standard deviation, in the unit of the data, of a standardised normal variable: half the width of its one-sigma interval, exact without
    /// a transform of the values.
    pub fn natural_sd(&self, mean: f64, variance: f64) -> f64 {
        let sd = variance.sqrt();
        match self.warp {
            Warp::Identity => self.scale * sd,
            _ => 0.5 * (self.natural(mean + sd) - self.natural(mean - sd)),
        }
    }

    fn residual(&self) -> Vec<f64> {
        let prior = self.x.chunks_exact(self.width()).map(|x| self.prior_mean(x));
        self.y.iter().zip(prior).map(|(y, m)| y - m).collect()
    }

    /// The weights of the data, and what they make of the covariance.
    fn weigh(&mut self) {
        let residual = self.residual();
        self.alpha = self.solve(&residual);
        let square = dot(&residual, &self.alpha);
        self.spread = self.degrees.map_or(1.0, |before| student::spread(before, self.telling(), square));
    }

    pub(super) fn mean_function(&self) -> &Mean {
        &self.mean
    }

    /// The mean function's value, constant included.
    pub fn prior_mean(&self, x: &[f64]) -> f64 {
        self.constant + self.mean.value(x)
    }

    /// `K⁻¹ v`.
    pub(super) fn solve(&self, v: &[f64]) -> Vec<f64> {
        let mut out = v.to_vec();
        self.chol.solve(MatMut::column(&mut out));
        out
    }

    /// Covariances of the function at `x: [E]` with the data, and slopes of the profile.
    fn row(&self, x: &[f64], cross: &mut [f64], slopes: &mut [f64]) {
        let scaled: Vec<f64> = x.iter().zip(&self.inverse).map(|(v, i)| v * i).collect();
        for ((data, k), h) in self.scaled.chunks_exact(x.len()).zip(cross).zip(slopes) {
            let (g, slope) = matern52(distance(data, &scaled));
            *k = self.hyper.variance * g;
            *h = self.hyper.variance * slope;
        }
    }

    /// Covariance of the function at two points, before data.
    pub fn kernel(&self, a: &[f64], b: &[f64]) -> f64 {
        self.pair(a, b).0
    }

    fn pair(&self, a: &[f64], b: &[f64]) -> (f64, f64) {
        let square: f64 = (0..a.len()).map(|e| ((a[e] - b[e]) * self.inverse[e]).powi(2)).sum();
        let (g, h) = matern52(square.sqrt());
        (self.hyper.variance * g, self.hyper.variance * h)
    }

    /// Adds `weight * d k(x, b) / d x`, where `slope` is the profile's at that pair.
    fn add_slope(&self, x: &[f64], b: &[f64], weight: f64, slope: f64, gradient: &mut [f64]) {
        for e in 0..x.len() {
            gradient[e] -= weight * slope * (x[e] - b[e]) * self.inverse[e] * self.inverse[e];
        }
    }

    /// Adds the gradient in `x: [E]` of `Σ weights_i k(x, x_i)` over the data's points.
    pub(crate) fn add_cross_gradient(&self, x: &[f64], weights: &[f64], gradient: &mut [f64]) {
        for (data, weight) in self.x.chunks_exact(x.len()).zip(weights) {
            self.add_slope(x, data, *weight, self.pair(x, data).1, gradient);
        }
    }

    /// Means and variances (without noise) at many points `xs: [M, E]`, both `[M]`.
    pub fn marginals(&self, xs: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (n, width) = (self.len(), self.width());
        let (mut means, mut variances) = (vec![], vec![]);
        for block in xs.chunks(BLOCK * width) {
            let m = block.len() / width;
            // A column a point.
            let (mut cross, mut slopes) = (vec![0.0; n * m], vec![0.0; n]);
            for (x, column) in block.chunks_exact(width).zip(cross.chunks_exact_mut(n.max(1))) {
                self.row(x, column, &mut slopes);
                means.push(self.prior_mean(x) + dot(column, &self.alpha));
            }
            self.chol.half_solve(MatMut::column_major(&mut cross, n, m));
            let left = |column: &[f64]| {
                self.spread * (self.hyper.variance - dot(column, column)).max(1e-12 * self.hyper.variance)
            };
            variances.extend(cross.chunks_exact(n.max(1)).map(left));
        }
        (means, variances)
    }

    /// The joint distribution at `x: [q, E]`.
    pub fn joint(&self, x: &[f64]) -> Joint {
        let (n, width) = (self.len(), self.width());
        let q = x.len() / width;
        let (mut cross, mut slopes) = (vec![0.0; q * n], vec![0.0; q * n]);
        for (i, point) in x.chunks_exact(width).enumerate() {
            self.row(point, &mut cross[i * n..(i + 1) * n], &mut slopes[i * n..(i + 1) * n]);
        }
        let mean = (0..q)
            .map(|i| self.prior_mean(&x[i * width..(i + 1) * width]) + dot(&cross[i * n..(i + 1) * n], &self.alpha))
            .collect();
        let mut solved = cross.clone();
        self.chol.half_solve(MatMut::column_major(&mut solved, n, q));
        let mut covariance = vec![0.0; q * q];
        for i in 0..q {
            for j in 0..=i {
                let prior = self.kernel(&x[i * width..(i + 1) * width], &x[j * width..(j + 1) * width]);
                let left = prior - dot(&solved[i * n..(i + 1) * n], &solved[j * n..(j + 1) * n]);
                let left = self.spread * if i == j { left.max(1e-12 * self.hyper.variance) } else { left };
                covariance[i * q + j] = left;
                covariance[j * q + i] = left;
            }
        }
        self.chol.half_solve_transposed(MatMut::column_major(&mut solved, n, q));
        Joint { x: x.to_vec(), mean, covariance, cross, slopes, solved }
    }

    /// Covariances between two joints of this process, `[a.len(), b.len()]`.
    pub fn between(&self, a: &Joint, b: &Joint) -> Vec<f64> {
        let (n, width) = (self.len(), self.width());
        let mut out = Vec::with_capacity(a.len() * b.len());
        for i in 0..a.len() {
            for j in 0..b.len() {
                let prior = self.kernel(&a.x[i * width..(i + 1) * width], &b.x[j * width..(j + 1) * width]);
                out.push(self.spread * (prior - dot(&a.solved[i * n..(i + 1) * n], &b.cross[j * n..(j + 1) * n])));
            }
        }
        out
    }

    /// Adds to `gradient: [q, E]` the gradient, in the points of `joint`, of a scalar with these derivatives in the joint's means `[q]` and
    /// covariances `[q, q]`, and in its covariances with the fixed points of `others`, `[others.len(), q]`.
    pub fn pullback(
        &self,
        joint: &Joint,
        mean: &[f64],
        covariance: &[f64],
        others: Option<(&Joint, &[f64])>,
        gradient: &mut [f64],
    ) {
        let (n, width, q) = (self.len(), self.width(), joint.len());
        let mut weights = vec![0.0; n];
        for i in 0..q {
            let x = &joint.x[i * width..(i + 1) * width];
            let out = &mut gradient[i * width..(i + 1) * width];
            for (w, a) in weights.iter_mut().zip(&self.alpha) {
                *w = mean[i] * a;
            }
            for j in 0..q {
                let c = self.spread * (covariance[i * q + j] + covariance[j * q + i]);
                elbo_linalg::vector::axpy(-c, &joint.solved[j * n..(j + 1) * n], &mut weights);
                if j != i {
                    let y = &joint.x[j * width..(j + 1) * width];
                    self.add_slope(x, y, c, self.pair(x, y).1, out);
                }
            }
            if let Some((fixed, derivative)) = others {
                for b in 0..fixed.len() {
                    let c = self.spread * derivative[b * q + i];
                    elbo_linalg::vector::axpy(-c, &fixed.solved[b * n..(b + 1) * n], &mut weights);
                    let y = &fixed.x[b * width..(b + 1) * width];
                    self.add_slope(x, y, c, self.pair(x, y).1, out);
                }
            }
            for (m, data) in self.x.chunks_exact(width).enumerate() {
                self.add_slope(x, data, weights[m], joint.slopes[i * n + m], out);
            }
            if mean[i] != 0.0 {
                self.mean.add_gradient(x, mean[i], out);
            }
        }
    }

    /// The process after one more standardised value at `x: [E]`, at the same hyperparameters and mean.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the point repeats another and there is no noise.
    pub fn fantasise(&self, x: &[f64], value: f64) -> Result<Self> {
        self.grow(x, value, self.hyper.noise)
    }

    /// [`Gp::fantasise`] with the process's own mean, for a value that is not known yet. A Student-t process learns nothing of its scale from it, which is
    /// what it expects to learn: were the mean a datum, each would make it more certain everywhere.
    ///
    /// # Errors
    /// As [`Gp::fantasise`].
    pub fn suppose(&self, x: &[f64]) -> Result<Self> {
        let mut next = self.fantasise(x, self.joint(x).mean[0])?;
        next.supposed += 1;
        next.weigh();
        Ok(next)
    }

    /// The process once the function's standardised value at `x: [E]` is known without noise, but for 1e-8 of the process's variance.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the data already determine the value there.
    pub fn know(&self, x: &[f64], value: f64) -> Result<Self> {
        self.grow(x, value, 1e-8 * self.hyper.variance)
    }

    fn grow(&self, x: &[f64], value: f64, noise: f64) -> Result<Self> {
        let (mut cross, mut slopes) = (vec![0.0; self.len()], vec![0.0; self.len()]);
        self.row(x, &mut cross, &mut slopes);
        let mut next = self.clone();
        next.chol.append(&cross, self.hyper.variance + noise).map_err(|_| {
            Error::numerical("the new point repeats an old one and leaves no variance", "allow some noise")
        })?;
        next.x.extend_from_slice(x);
        next.scaled.extend(x.iter().zip(&self.inverse).map(|(v, i)| v * i));
        next.y.push(value);
        next.noise.push(noise);
        next.weigh();
        Ok(next)
    }

    /// Leave-one-out means and variances (noise included) of the standardised values, in closed form; of a Student-t process each with one degree of
    /// freedom less than [`Gp::freedom`].
    pub fn leave_one_out(&self) -> (Vec<f64>, Vec<f64>) {
        let inverse = self.chol.inverse();
        let n = self.len();
        let precision = |i: usize| inverse[i * n + i];
        let mean = (0..n).map(|i| self.y[i] - self.alpha[i] / precision(i)).collect();
        let square = dot(&self.residual(), &self.alpha);
        let spread = |i: usize| {
            // Without the datum, whose error over its variance is its part of the square.
            let others = square - self.alpha[i] * self.alpha[i] / precision(i);
            self.degrees.map_or(1.0, |before| student::spread(before, self.telling().saturating_sub(1), others))
        };
        (mean, (0..n).map(|i| spread(i) / precision(i)).collect())
    }
}

/// A fitted process without its data.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Saved {
    pub(super) hyper: Hyper,
    pub(super) mean: Mean,
    pub(super) learns_constant: bool,
    pub(super) log_evidence: f64,
    // Files of versions before transforms of the values have none.
    #[serde(default)]
    pub(super) warp: Warp,
    // Those of versions before Student-t processes are Gaussian.
    #[serde(default)]
    pub(super) degrees: Option<f64>,
}

impl Saved {
    /// Whether its sizes are those of encoded columns in these groups, and its numbers those of a process.
    fn fits(&self, groups: &[usize]) -> bool {
        let Hyper { lengthscale, variance, noise } = &self.hyper;
        let dims = groups.last().map_or(0, |g| g + 1);
        let is_positive = |v: &f64| *v > 0.0 && v.is_finite();
        (lengthscale.len() == 1 || lengthscale.len() == dims)
            && lengthscale.iter().all(is_positive)
            && is_positive(variance)
            && *noise >= 0.0
            && noise.is_finite()
            && self.mean.fits(groups.len())
            && self.warp.is_sound()
            && self.degrees.is_none_or(|d| d > 2.0 && d.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(noise: f64) -> Saved {
        let hyper = Hyper { lengthscale: vec![0.5], variance: 1.0, noise };
        let (mean, warp) = (Mean::Zero, Warp::Identity);
        Saved { hyper, mean, learns_constant: false, log_evidence: f64::NAN, warp, degrees: None }
    }

    #[test]
    fn what_nearly_repeats_a_trial_is_left_out_where_no_factor_exists() {
        let (x, y) = ([0.1, 0.4, 0.1, 0.9], [1.0, 2.0, 1.5, -1.0]);
        let by = |noise: f64| Gp::condition_by(Ladder::Fixed(0.0), &x, &y, &[], &[0], fitted(noise), (0.0, 1.0));
        let without = by(0.0).unwrap();
        assert_eq!((without.dropped(), without.len()), (1, 3));
        assert_eq!((without.inputs(), without.values()), (&[0.1, 0.4, 0.9][..], &[1.0, 2.0, -1.0][..]));
        assert!((without.marginals(&[0.1]).0[0] - 1.0).abs() < 1e-9);
        assert_eq!(by(0.1).unwrap().len(), 4, "with noise both count");
        // What is no repetition is refused still.
        let error =
            Gp::condition_by(Ladder::Fixed(0.0), &[0.1, f64::NAN], &[1.0, 2.0], &[], &[0], fitted(0.1), (0.0, 1.0));
        assert!(error.unwrap_err().to_string().contains("cannot be factorised"));
    }
}
