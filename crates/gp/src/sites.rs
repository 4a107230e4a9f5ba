//! The model of the site grid: a prior, a likelihood, a mean function and Gaussian sites, as values side by side.

use crate::exact::{in_blocks, with_mean};
use crate::jitter::Clamps;
use crate::likelihood::Likelihood;
use crate::mean::Mean;
use crate::path::joint_paths;
use crate::prior::{LatentPosterior, LatentPrior};
use crate::site::{Marginal, Place, SiteRule, Sites, Update};
use elbo_core::{ModelFile, Result, Rng, Snapshot};
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut, no_grad};

/// Halvings of a step after which it is taken as it is.
const HALVINGS: usize = 20;

/// A Gaussian process with an arbitrary likelihood of one latent function, approximated by sites.
///
/// Switching the approximation is one word: another [`SiteRule`] in [`SiteGp::infer`], another [`LatentPrior`] in [`SiteGp::new`],
/// another [`Evidence`](crate::evidence::Evidence) in [`Rounds`](crate::learn::Rounds).
pub struct SiteGp {
    /// What turns sites into a posterior.
    pub prior: Box<dyn LatentPrior>,
    /// The present sites.
    pub sites: Sites,
    pub(crate) y: Vec<f64>,
    mean: Box<dyn Mean>,
    likelihood: Box<dyn Likelihood>,
    clamps: Clamps,
}

impl SiteGp {
    /// A model with flat sites. `y: [N]` as the likelihood wants it.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] for targets outside the likelihood's support.
    pub fn new(
        prior: Box<dyn LatentPrior>,
        mean: Box<dyn Mean>,
        likelihood: Box<dyn Likelihood>,
        y: Vec<f64>,
    ) -> Result<Self> {
        assert_eq!(prior.rows(), y.len(), "one target a row");
        likelihood.check_targets(&y)?;
        Ok(Self { sites: Sites::flat(y.len()), prior, y, mean, likelihood, clamps: Clamps::default() })
    }

    /// The likelihood.
    pub fn likelihood(&self) -> &dyn Likelihood {
        self.likelihood.as_ref()
    }

    /// Holds the likelihood's parameters at their present values. Returns the names of those that were free.
    pub fn hold_likelihood(&mut self) -> Vec<String> {
        let mut held = vec![];
        self.likelihood.visit_mut(&mut |name, p| {
            if !p.is_frozen() {
                p.set_frozen(true);
                held.push(name.to_owned());
            }
        });
        held
    }

    /// The mean function.
    pub fn mean(&self) -> &dyn Mean {
        self.mean.as_ref()
    }

    /// The targets, `[N]`.
    pub fn targets(&self) -> &[f64] {
        &self.y
    }

    /// `f` from the zero-mean process: adds the mean function at the data.
    pub(crate) fn with_offset(&self, f: &Tensor) -> Tensor {
        if self.mean.is_zero() { f.clone() } else { f + self.mean.value(self.prior.inputs()) }
    }

    /// The posterior marginals at the data, as the site rules see them.
    ///
    /// # Errors
    /// When a covariance is not positive definite within the jitter policy.
    pub fn marginals(&self) -> Result<Vec<Marginal>> {
        no_grad(|| {
            let (shift, precision) = self.sites.tensors();
            let posterior = self.prior.posterior(&shift, &precision)?;
            let offset = if self.mean.is_zero() {
                vec![0.0; self.y.len()]
            } else {
                self.mean.value(self.prior.inputs()).to_vec()
            };
            let [mean, variance, site] =
                [&posterior.mean, &posterior.variance, &posterior.site_variance].map(Tensor::to_vec);
            let floor = 1e-14 * (1.0 + variance.iter().fold(0.0f64, |a, v| a.max(*v)));
            Ok((0..self.y.len())
                .map(|n| Marginal {
                    mean: mean[n] + offset[n],
                    // A marginal fully explained by its neighbours comes out as a rounding of zero.
                    variance: variance[n].max(floor),
                    site_variance: site[n].max(floor),
                    offset: offset[n],
                })
                .collect())
        })
    }

    /// One parallel sweep of a site rule.
    ///
    /// # Errors
    /// As [`SiteGp::marginals`].
    pub fn sweep(&mut self, rule: &dyn SiteRule) -> Result<Update> {
        let marginals = self.marginals()?;
        Ok(rule.update(self.likelihood.as_ref(), &self.y, &marginals, &mut self.sites))
    }

    /// Sweeps until no site changes by more than `tolerance`, at most `sweeps` times. A step that [`SiteRule::overshoots`], or after
    /// which the posterior cannot be computed, is halved. Returns the last report and the number of sweeps.
    ///
    /// # Errors
    /// As [`SiteGp::marginals`].
    pub fn infer(&mut self, rule: &dyn SiteRule, sweeps: usize, tolerance: f64) -> Result<(Update, usize)> {
        let mut report = Update::default();
        if sweeps == 0 {
            return Ok((report, 0));
        }
        let mut marginals = self.marginals()?;
        for done in 1..=sweeps {
            let before = self.sites.clone();
            report = rule.update(self.likelihood.as_ref(), &self.y, &marginals, &mut self.sites);
            if report.change <= tolerance {
                return Ok((report, done));
            }
            (marginals, report.halvings) = self.settle(rule, Place { sites: &before, marginals: &marginals })?;
        }
        Ok((report, sweeps))
    }

    /// Goes back towards a place, by halves, until the rule has no objection. Returns the marginals there and the number of halvings.
    fn settle(&mut self, rule: &dyn SiteRule, from: Place<'_>) -> Result<(Vec<Marginal>, usize)> {
        let mut halvings = 0;
        loop {
            let is_last = halvings == HALVINGS;
            match self.marginals() {
                Ok(marginals) => {
                    let to = Place { sites: &self.sites, marginals: &marginals };
                    if is_last || !rule.overshoots(self.likelihood.as_ref(), &self.y, from, to) {
                        return Ok((marginals, halvings));
                    }
                }
                Err(error) if is_last || !error.is_recoverable() => return Err(error),
                Err(_) => {}
            }
            self.sites.halve_towards(from.sites);
            halvings += 1;
        }
    }

    /// What one more sweep would do, without doing it: how many sites the rule skips or floors where they stand.
    ///
    /// # Errors
    /// As [`SiteGp::marginals`].
    pub fn survey(&self, rule: &dyn SiteRule) -> Result<Update> {
        Ok(rule.update(self.likelihood.as_ref(), &self.y, &self.marginals()?, &mut self.sites.clone()))
    }

    /// Means and variances of `f`, mean function included, at `x: [N*, D]`, both `[N*]`, from a posterior that
    /// [`SiteGp::condition`] gave.
    ///
    /// # Errors
    /// When a variance is negative beyond rounding.
    pub fn predict_with(&self, posterior: &dyn LatentPosterior, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        in_blocks(x, |x| {
            let (mean, variance) = posterior.marginals(x);
            let mean = with_mean(self.mean.as_ref(), x, mean);
            Ok((mean.to_vec(), self.clamps.check(variance.to_vec(), &self.prior.kernel().diag(x).to_vec())?))
        })
    }

    /// Variances that [`SiteGp::predict_with`] has raised since this was last asked; see [`Clamps::check`].
    pub fn take_clamped(&self) -> usize {
        self.clamps.take()
    }

    /// Mean `[N*]` and covariance `[N*, N*]` of `f`, mean function included, at `x: [N*, D]`, from a posterior that
    /// [`SiteGp::condition`] gave.
    pub fn joint_with(&self, posterior: &dyn LatentPosterior, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| {
            let (mean, covariance) = posterior.joint(x);
            (with_mean(self.mean.as_ref(), x, mean), covariance)
        })
    }

    /// Joint draws of `f` at `x: [N*, D]`, `[count, N*]` row-major, from a posterior that [`SiteGp::condition`] gave; `None` where an
    /// observation is not `f` plus noise.
    ///
    /// # Errors
    /// When the covariance at `x` is not positive semi-definite within the jitter policy.
    pub fn sample_paths_with(
        &self,
        posterior: &dyn LatentPosterior,
        x: &Tensor,
        count: usize,
        rng: &mut Rng,
    ) -> Result<Option<Vec<f64>>> {
        if !self.likelihood.is_location() {
            return Ok(None);
        }
        joint_paths(x, count, rng, |x| Ok(self.joint_with(posterior, x))).map(Some)
    }

    /// The posterior as a function of new inputs.
    ///
    /// # Errors
    /// As [`SiteGp::marginals`].
    pub fn condition(&self) -> Result<Box<dyn LatentPosterior>> {
        self.prior.condition(&self.sites)
    }
}

impl Parameters for SiteGp {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Parameter)) {
        nested("kernel", &self.prior, visit);
        nested("mean", &self.mean, visit);
        nested("likelihood", &self.likelihood, visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("kernel", &mut self.prior, visit);
        nested_mut("mean", &mut self.mean, visit);
        nested_mut("likelihood", &mut self.likelihood, visit);
    }
}

impl Snapshot for SiteGp {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, &format!("{prefix}.parameters"));
        self.sites.save(file, &format!("{prefix}.sites"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, &format!("{prefix}.parameters"))?;
        self.sites.restore(file, &format!("{prefix}.sites"))
    }
}
