//! Regression on a series with Gaussian noise: marginal likelihood and gradient, predictions at any time, components, draws.

use crate::evidence::Evidence;
use crate::kernel::Kernel;
use crate::model::{Chain, Grid, StateSpace};
use crate::pass::{Pass, Wants, run};
use crate::sample;
use elbo_core::{Error, Result, Rng};

/// Numbers at times in any order. Rows of equal time are merged into one step, which loses nothing under Gaussian noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    grid: Grid,
    /// Mean of each step's rows; NaN where none was seen.
    mean: Vec<f64>,
    /// Number of rows seen at each step.
    count: Vec<f64>,
    /// Sum of squared distances from the means of their steps.
    spread: f64,
    y: Vec<f64>,
    step: Vec<usize>,
}

impl Series {
    /// Rows `y` at `times`, both `[N]`. A NaN of `y` is a missing value.
    ///
    /// # Errors
    /// [`Error::Data`] for no rows, times that are not finite, infinite values.
    pub fn new(times: &[f64], y: &[f64]) -> Result<Self> {
        assert_eq!(times.len(), y.len(), "one value a time");
        if let Some(i) = times.iter().position(|t| !t.is_finite()) {
            return Err(Error::data(
                format!("the time of row {} is {}", i + 1, times[i]),
                "remove the row, or write its time",
            ));
        }
        if let Some(i) = y.iter().position(|y| y.is_infinite()) {
            return Err(Error::data(
                format!("the value of row {} is infinite", i + 1),
                "remove the row, or leave its value out",
            ));
        }
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by(|a, b| times[*a].total_cmp(&times[*b]));
        let (mut distinct, mut step): (Vec<f64>, _) = (vec![], vec![0; times.len()]);
        for i in order {
            if distinct.last().is_none_or(|last| *last != times[i]) {
                distinct.push(times[i]);
            }
            step[i] = distinct.len() - 1;
        }
        let grid = Grid::new(&distinct)?;
        let (mut sum, mut count) = (vec![0.0; grid.len()], vec![0.0; grid.len()]);
        for (i, value) in y.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            sum[step[i]] += value;
            count[step[i]] += 1.0;
        }
        // 0 / 0 is NaN: nothing seen.
        let mean: Vec<f64> = sum.iter().zip(&count).map(|(s, c)| s / c).collect();
        let spread = y.iter().zip(&step).filter(|(y, _)| !y.is_nan()).map(|(y, k)| (y - mean[*k]).powi(2)).sum();
        Ok(Self { grid, mean, count, spread, y: y.to_vec(), step })
    }

    /// The distinct times in order.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The rows as given, `[N]`.
    pub fn values(&self) -> &[f64] {
        &self.y
    }

    /// The step of each row, `[N]`.
    pub fn steps(&self) -> &[usize] {
        &self.step
    }

    /// The same rows, and steps without any at these times too. Returns the steps of `times`.
    fn extended(&self, times: &[f64]) -> Result<(Self, Vec<usize>)> {
        let mut all: Vec<f64> = self.step.iter().map(|k| self.grid.times()[*k]).collect();
        let mut y = self.y.clone();
        all.extend(times);
        y.resize(all.len(), f64::NAN);
        let joint = Self::new(&all, &y)?;
        let steps = joint.step[self.y.len()..].to_vec();
        Ok((joint, steps))
    }

    fn noise(&self, variance: f64) -> Vec<f64> {
        self.count.iter().map(|c| variance / c.max(1.0)).collect()
    }
}

/// `y = f(t) + noise`, `f` a Gaussian process with a state-space kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkovGp {
    /// The kernel.
    pub kernel: Kernel,
    /// Variance of the noise.
    pub noise: f64,
    /// Where kernels that are not stationary start.
    pub origin: f64,
}

/// Means and variances of `f`, in the order of the times asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Means.
    pub mean: Vec<f64>,
    /// Variances.
    pub variance: Vec<f64>,
}

impl MarkovGp {
    /// A model whose origin is the first time of `series`.
    pub fn new(kernel: Kernel, noise: f64, series: &Series) -> Self {
        Self { kernel, noise, origin: series.grid.times()[0] }
    }

    /// The state.
    ///
    /// # Errors
    /// As [`StateSpace::new`].
    pub fn space(&self) -> Result<StateSpace> {
        StateSpace::new(&self.kernel, self.origin)
    }

    /// Log marginal likelihood of the series, in nats.
    ///
    /// # Errors
    /// Recoverable, where the arithmetic fails.
    pub fn log_marginal(&self, series: &Series) -> Result<f64> {
        let chain = self.space()?.chain(&series.grid);
        let pass = self.pass(&chain, series, Wants::Evidence, None)?;
        Ok(pass.log_z + self.merged(series).0)
    }

    /// Log marginal likelihood, and its derivatives by the logarithms of the kernel's parameters and, last, of the noise variance.
    ///
    /// # Errors
    /// As [`MarkovGp::log_marginal`].
    pub fn gradient(&self, series: &Series) -> Result<(f64, Vec<f64>)> {
        let (value, gradient, _) = self.smoothed_gradient(series)?;
        Ok((value, gradient))
    }

    /// [`MarkovGp::gradient`] together with the posterior of `f` at the series' distinct times, from the same two passes.
    ///
    /// # Errors
    /// As [`MarkovGp::log_marginal`].
    pub fn smoothed_gradient(&self, series: &Series) -> Result<(f64, Vec<f64>, Curve)> {
        let space = self.space()?;
        let chain = space.chain(&series.grid);
        let pass = self.pass(&chain, series, Wants::Gradient, None)?;
        let mut gradient = space.pull_back(&series.grid, pass.gradient.as_ref().expect("it was asked for"));
        let (constant, by_noise) = self.merged(series);
        let by_noise =
            by_noise + pass.noise_gradient.iter().zip(&series.count).map(|(g, c)| g / c.max(1.0)).sum::<f64>();
        gradient.push(by_noise * self.noise);
        Ok((
            pass.log_z + constant,
            gradient,
            Curve { mean: pass.mean.into_vec(), variance: pass.covariance.into_vec() },
        ))
    }

    /// What merging rows of equal time leaves out of the likelihood, and its derivative by the noise variance.
    ///
    /// `Π_i N(y_i; f, R) = N(ȳ; f, R/c) · c^{-1/2} (2 π R)^{-(c-1)/2} exp(-Σ (y_i - ȳ)² / 2R)`.
    fn merged(&self, series: &Series) -> (f64, f64) {
        let more: f64 = series.count.iter().map(|c| (c - 1.0).max(0.0)).sum();
        let roots: f64 = series.count.iter().map(|c| 0.5 * c.max(1.0).ln()).sum();
        let r = self.noise;
        let value = -roots - 0.5 * more * (std::f64::consts::TAU * r).ln() - 0.5 * series.spread / r;
        (value, -0.5 * more / r + 0.5 * series.spread / (r * r))
    }

    fn pass(&self, chain: &Chain<f64>, series: &Series, wants: Wants, rows: Option<&[f64]>) -> Result<Pass<f64>> {
        let noise = series.noise(self.noise);
        run(chain, Evidence::Observations { y: &series.mean, noise: &noise }, wants, rows)
    }

    /// The posterior of `f` at any times: between, before and after the rows.
    ///
    /// # Errors
    /// As [`MarkovGp::log_marginal`]; for times before the origin of a kernel that starts there.
    pub fn predict(&self, series: &Series, times: &[f64]) -> Result<Curve> {
        let mut parts = self.read(series, times, None)?;
        Ok(parts.remove(0))
    }

    /// The posterior of each component of the kernel's outermost sum at any times.
    ///
    /// # Errors
    /// As [`MarkovGp::predict`].
    pub fn components(&self, series: &Series, times: &[f64]) -> Result<Vec<Curve>> {
        let rows = self.space()?.component_rows();
        self.read(series, times, Some(&rows))
    }

    fn read(&self, series: &Series, times: &[f64], rows: Option<&[f64]>) -> Result<Vec<Curve>> {
        let space = self.space()?;
        self.check_origin(&space, times)?;
        let (joint, steps) = series.extended(times)?;
        let chain = space.chain(&joint.grid);
        let pass = self.pass(&chain, &joint, Wants::Smoothed, rows)?;
        let reads = rows.map_or(1, |rows| rows.len() / chain.size);
        let curve = |r: usize| Curve {
            mean: steps.iter().map(|k| pass.mean[k * reads + r]).collect(),
            variance: steps.iter().map(|k| pass.covariance[(k * reads + r) * reads + r].max(0.0)).collect(),
        };
        Ok((0..reads).map(curve).collect())
    }

    fn check_origin(&self, space: &StateSpace, times: &[f64]) -> Result<()> {
        let first = times.iter().fold(f64::INFINITY, |a, t| a.min(*t));
        if space.starts_at_origin() && first < self.origin {
            return Err(Error::data(
                format!("time {first} lies before {}, where `wiener` and `integrated_wiener` begin", self.origin),
                "leave such rows out, or fit with a stationary kernel",
            ));
        }
        Ok(())
    }

    /// Draws of `f` given the series at any times, `[count, times]`.
    ///
    /// # Errors
    /// As [`MarkovGp::predict`].
    pub fn sample(&self, series: &Series, times: &[f64], count: usize, rng: &mut Rng) -> Result<Vec<f64>> {
        let space = self.space()?;
        self.check_origin(&space, times)?;
        let (joint, steps) = series.extended(times)?;
        let chain = space.chain(&joint.grid);
        let noise = joint.noise(self.noise);
        let mut out = Vec::with_capacity(count * times.len());
        for _ in 0..count {
            let evidence = Evidence::Observations { y: &joint.mean, noise: &noise };
            let path = sample::posterior(&chain, evidence, None, rng)?;
            out.extend(steps.iter().map(|k| path[*k]));
        }
        Ok(out)
    }

    /// The prediction of each row from all others: means and variances of `y`, `[N]`; NaN where the row is missing.
    ///
    /// # Errors
    /// As [`MarkovGp::log_marginal`].
    pub fn leave_one_out(&self, series: &Series) -> Result<Curve> {
        let chain = self.space()?.chain(&series.grid);
        let pass = self.pass(&chain, series, Wants::Smoothed, None)?;
        let one = |(y, k): (&f64, &usize)| {
            if y.is_nan() {
                return (f64::NAN, f64::NAN);
            }
            let (k, r) = (*k, self.noise);
            let (d, count) = (pass.left_out.1[k], series.count[k]);
            // f without the whole step, then with the step's other rows.
            let (mean, variance) = (series.mean[k] - pass.left_out.0[k] / d, 1.0 / d - r / count);
            let others = count - 1.0;
            if others < 0.5 {
                return (mean, 1.0 / d);
            }
            let others_mean = (series.mean[k] * count - y) / others;
            let gain = variance / (variance + r / others);
            (mean + gain * (others_mean - mean), variance * (1.0 - gain) + r)
        };
        let (mean, variance) = series.y.iter().zip(&series.step).map(one).unzip();
        Ok(Curve { mean, variance })
    }

    /// The prediction of each step from those before it: means and variances of the step's mean, NaN where nothing was seen.
    ///
    /// # Errors
    /// As [`MarkovGp::log_marginal`].
    pub fn one_step_ahead(&self, series: &Series) -> Result<Curve> {
        let chain = self.space()?.chain(&series.grid);
        let pass = self.pass(&chain, series, Wants::Smoothed, None)?;
        let (u, phi) = &pass.innovation;
        let one = |k: usize| {
            if series.mean[k].is_nan() { (f64::NAN, f64::NAN) } else { (series.mean[k] - u[k] / phi[k], 1.0 / phi[k]) }
        };
        let (mean, variance) = (0..series.grid.len()).map(one).unzip();
        Ok(Curve { mean, variance })
    }
}
