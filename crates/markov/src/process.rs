//! One latent function under any likelihood of one number: sites by any rule of `elbo_gp`, the posterior by the Markov passes.

use crate::evidence::Evidence;
use crate::kernel::Kernel;
use crate::model::{Grid, StateSpace};
use crate::pass::{Pass, Wants, run};
use elbo_core::{Error, Result};
use elbo_gp::likelihood::Likelihood;
use elbo_gp::site::{Marginal, SiteRule, Sites, Update};

/// A latent Gaussian process with a state-space kernel, seen through a likelihood; its posterior given by Gaussian sites.
pub struct SiteProcess {
    /// The kernel.
    pub kernel: Kernel,
    /// Where kernels that are not stationary start.
    pub origin: f64,
    /// One site a row.
    pub sites: Sites,
    /// Sites whose precision the last sweep had to raise to nearly zero: there the likelihood is not log-concave.
    pub floored: usize,
    grid: Grid,
    step: Vec<usize>,
    y: Vec<f64>,
    likelihood: Box<dyn Likelihood>,
}

/// What [`SiteProcess::posterior`] found.
pub struct SitePosterior {
    /// Means of `f`, one a row.
    pub mean: Vec<f64>,
    /// Variances of `f`, one a row.
    pub variance: Vec<f64>,
    /// Log of the integral of the prior times the sites, nats.
    pub log_z: f64,
    /// Derivatives of `log_z` by the logarithms of the kernel's parameters; at a fixed point of CVI, of the ELBO.
    pub gradient: Vec<f64>,
}

impl SiteProcess {
    /// A process with flat sites. `times, y: [N]` in any order; equal times are allowed.
    ///
    /// # Errors
    /// [`Error::Data`] for times that are not finite and targets outside the likelihood's support.
    pub fn new(kernel: Kernel, likelihood: Box<dyn Likelihood>, times: &[f64], y: &[f64]) -> Result<Self> {
        likelihood.check_targets(y)?;
        // Only the grid and the rows' steps are taken: missing values carry no numbers.
        let series = crate::series::Series::new(times, &vec![f64::NAN; times.len()])?;
        Ok(Self {
            kernel,
            origin: series.grid().times()[0],
            sites: Sites::flat(y.len()),
            floored: 0,
            grid: series.grid().clone(),
            step: series.steps().to_vec(),
            y: y.to_vec(),
            likelihood,
        })
    }

    /// The distinct times.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Sites of equal times are one site: their natural parameters add.
    fn stepwise(&self) -> (Vec<f64>, Vec<f64>) {
        let (mut shift, mut precision) = (vec![0.0; self.grid.len()], vec![0.0; self.grid.len()]);
        for (n, k) in self.step.iter().enumerate() {
            shift[*k] += self.sites.shift[n];
            precision[*k] += self.sites.precision[n];
        }
        (shift, precision)
    }

    fn pass(&self, wants: Wants) -> Result<(StateSpace, Pass<f64>)> {
        let space = StateSpace::new(&self.kernel, self.origin)?;
        let (shift, precision) = self.stepwise();
        let evidence = Evidence::Sites { shift: &shift, precision: &precision };
        let pass = run(&space.chain(&self.grid), evidence, wants, None)?;
        Ok((space, pass))
    }

    /// Log normaliser, and the posterior of each row.
    fn marginals(&self) -> Result<(f64, Vec<Marginal>)> {
        let (_, pass) = self.pass(Wants::Moments)?;
        let marginal = |k: &usize| {
            let (mean, variance) = (pass.mean[*k], pass.covariance[*k]);
            Marginal { mean, variance, site_variance: variance, offset: 0.0 }
        };
        Ok((pass.log_z, self.step.iter().map(marginal).collect()))
    }

    /// The posterior with the present sites.
    ///
    /// # Errors
    /// As [`run`].
    pub fn posterior(&self) -> Result<SitePosterior> {
        let (space, pass) = self.pass(Wants::Gradient)?;
        Ok(SitePosterior {
            mean: self.step.iter().map(|k| pass.mean[*k]).collect(),
            variance: self.step.iter().map(|k| pass.covariance[*k]).collect(),
            log_z: pass.log_z,
            gradient: space.pull_back(&self.grid, pass.gradient.as_ref().expect("it was asked for")),
        })
    }

    /// Updates sites until they change by less than `tolerance`, at most `sweeps` times. Returns the sweeps done.
    ///
    /// # Errors
    /// As [`run`]; recoverable where the sites diverge.
    pub fn infer(&mut self, rule: &dyn SiteRule, sweeps: usize, tolerance: f64) -> Result<usize> {
        for done in 0..sweeps {
            let (_, marginals) = self.marginals()?;
            let update = sweep(rule, self.likelihood.as_ref(), &self.y, &marginals, &mut self.sites)?;
            self.floored = update.floored;
            if update.change < tolerance {
                return Ok(done + 1);
            }
        }
        Ok(sweeps)
    }

    /// Evidence lower bound with the present sites, nats: `Σ E log p(y | f) - (Σ E log site - log Z)`.
    ///
    /// # Errors
    /// As [`run`].
    pub fn elbo(&self) -> Result<f64> {
        let (log_z, marginals) = self.marginals()?;
        Ok(bound(self.likelihood.as_ref(), &self.y, &marginals, &self.sites, log_z))
    }
}

/// One update of all sites, and what it did.
///
/// # Errors
/// Recoverable where a site is no number any more.
pub(crate) fn sweep(
    rule: &dyn SiteRule,
    likelihood: &dyn Likelihood,
    y: &[f64],
    marginals: &[Marginal],
    sites: &mut Sites,
) -> Result<Update> {
    let update = rule.update(likelihood, y, marginals, sites);
    if update.change.is_finite() {
        return Ok(update);
    }
    Err(Error::recoverable("the sites diverged", "shorten the rule's step"))
}

/// Evidence lower bound of a posterior that is the prior times the sites, whose log normaliser is `log_z`; nats.
pub(crate) fn bound(likelihood: &dyn Likelihood, y: &[f64], marginals: &[Marginal], sites: &Sites, log_z: f64) -> f64 {
    let mut elbo = log_z;
    for (n, (y, at)) in y.iter().zip(marginals).enumerate() {
        elbo += likelihood.row(n).expected(*y, at.mean, at.variance).value;
        elbo -= sites.shift[n] * at.mean - 0.5 * sites.precision[n] * (at.site_variance + at.mean * at.mean);
    }
    elbo
}
