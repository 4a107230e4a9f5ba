//! Kernels and readout, and the posteriors of latents under them.

use super::emission::LEAST_NOISE;
use super::panel::{Panel, Trial};
use super::{CvhmConfig, Smoother, Trials};
use elbo_core::{Error, ModelFile, Result};
use elbo_gp::likelihood::Likelihood;
use elbo_markov::counts::{self, FieldSites, Readout, Seen};
use elbo_markov::{Evidence, Grid, Kernel, StateSpace, Wants, information, run as pass};
use rayon::prelude::*;

/// Kernels and readout: what is learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// One kernel a latent.
    pub kernels: Vec<Kernel>,
    /// Loadings and offsets of the channels that are kept.
    pub readout: Readout,
    /// Noise variance or dispersion of these channels, where the likelihood has one; else one.
    pub levels: Vec<f64>,
    /// The channels.
    pub panel: Panel,
}

/// Posterior moments of the latents of one trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// `[bins, L]`.
    pub mean: Vec<f64>,
    /// `[bins, L, L]`.
    pub covariance: Vec<f64>,
    /// Log evidence of the sites, nats.
    pub log_z: f64,
}

impl Field {
    /// The likelihood of each kept channel, or one for all.
    pub(super) fn likelihoods(&self) -> Vec<Box<dyn Likelihood>> {
        self.panel.emission.likelihoods(&self.levels)
    }

    /// The field of those kept channels that are not `held`.
    pub(super) fn without(&self, held: impl Fn(usize) -> bool) -> Self {
        let l = self.readout.latents;
        let seen: Vec<usize> = (0..self.panel.kept.len()).filter(|i| !held(self.panel.kept[*i])).collect();
        let readout = Readout {
            c: seen.iter().flat_map(|i| self.readout.c[i * l..(i + 1) * l].to_vec()).collect(),
            d: seen.iter().map(|i| self.readout.d[*i]).collect(),
            latents: l,
        };
        let levels = seen.iter().map(|i| self.levels[*i]).collect();
        let kept = seen.iter().map(|i| self.panel.kept[*i]).collect();
        Self { kernels: self.kernels.clone(), readout, levels, panel: Panel { kept, ..self.panel.clone() } }
    }

    /// Mean and variance of `η` of a kept channel at each bin; `offset: [bins, all channels]`.
    pub(super) fn predictors(&self, index: usize, moments: &Moments, offset: Option<&[f64]>) -> Vec<(f64, f64)> {
        let (l, n) = (self.readout.latents, self.panel.channels);
        let channel = self.panel.kept[index];
        let at = |t: usize| {
            let (m, v) = (&moments.mean[t * l..(t + 1) * l], &moments.covariance[t * l * l..(t + 1) * l * l]);
            let (eta, variance) = self.readout.project(index, m, v);
            (eta + offset.map_or(0.0, |o| o[t * n + channel]) / self.panel.scales[channel], variance)
        };
        (0..moments.mean.len() / l).map(at).collect()
    }

    /// Mean numbers `[bins, all channels]`; `offset` likewise.
    pub(super) fn rates(&self, moments: &Moments, offset: Option<&[f64]>) -> Vec<f64> {
        let panel = &self.panel;
        let steps = moments.mean.len() / self.readout.latents;
        let mut out = panel.means.repeat(steps);
        let likelihoods = self.likelihoods();
        for (i, channel) in panel.kept.iter().enumerate() {
            let likelihood = likelihoods[i % likelihoods.len()].as_ref();
            for (t, (eta, variance)) in self.predictors(i, moments, offset).into_iter().enumerate() {
                let mean = panel.emission.mean(likelihood, eta, variance);
                out[t * panel.channels + channel] = panel.shift(*channel) + panel.scales[*channel] * mean;
            }
        }
        out
    }

    pub(super) fn save(&self, file: &mut ModelFile) {
        file.set("kernels", &self.kernels);
        let kept = self.panel.kept.len();
        file.put("loadings", &[kept, self.readout.latents], &self.readout.c);
        file.put("offsets", &[kept], &self.readout.d);
        file.put("levels", &[kept], &self.levels);
        self.panel.save(file);
    }

    pub(super) fn load(file: &ModelFile) -> Result<Self> {
        let kernels: Vec<Kernel> = file.fact("kernels")?;
        kernels.iter().try_for_each(Kernel::check)?;
        let panel = Panel::load(file)?;
        let (kept, latents) = (panel.kept.len(), kernels.len());
        let (c, d) = (file.get_as("loadings", &[kept, latents])?, file.get_as("offsets", &[kept])?);
        let levels = file.get_as("levels", &[kept])?;
        if kernels.is_empty() || levels.iter().any(|level| *level < LEAST_NOISE) {
            return Err(Error::misfit("the readout is not that of its channels"));
        }
        Ok(Self { kernels, readout: Readout { c, d, latents }, levels, panel })
    }
}

/// The posterior of one trial given its sites.
pub(super) fn posterior(config: &CvhmConfig, kernels: &[Kernel], sites: &FieldSites, grid: &Grid) -> Result<Moments> {
    let space = StateSpace::of_latents(kernels, 0.0)?;
    let chain = space.chain(grid);
    match config.smoother {
        Smoother::Passes => {
            let evidence = Evidence::Sites { shift: &sites.shift, precision: &sites.precision };
            let found = pass(&chain, evidence, Wants::Moments, None)?;
            Ok(Moments { mean: found.mean.into_vec(), covariance: found.covariance.into_vec(), log_z: found.log_z })
        }
        Smoother::Bidirectional => {
            let found = information::smooth(&space, &chain, &sites.shift, &sites.precision)?;
            Ok(Moments { mean: found.mean, covariance: found.covariance, log_z: found.log_z })
        }
    }
}

/// Sweeps over the sites of one trial. Returns the last posterior, the bound, and the number of terms at the cap.
pub(super) fn sweep(
    config: &CvhmConfig,
    field: &Field,
    trial: &Trial,
    sites: &mut FieldSites,
    (sweeps, rate): (usize, f64),
) -> Result<(Moments, f64, usize)> {
    let likelihoods = field.likelihoods();
    let (seen, caps) = (trial.seen(), field.panel.emission.caps());
    for _ in 0..sweeps {
        let moments = posterior(config, &field.kernels, sites, &trial.grid)?;
        let proposal = counts::propose(&likelihoods, &field.readout, seen, &moments.mean, &moments.covariance, caps);
        counts::blend(sites, &proposal.sites, rate);
    }
    let moments = posterior(config, &field.kernels, sites, &trial.grid)?;
    let (bound, capped) = bound((likelihoods.as_slice(), caps), &field.readout, seen, sites, &moments);
    Ok((moments, bound, capped))
}

/// `Σ E log p(y | f) - (Σ E log site - log Z)`, and the number of terms at the cap. With the likelihoods comes whether log rates are capped.
pub(super) fn bound(
    (likelihoods, caps): (&[Box<dyn Likelihood>], bool),
    readout: &Readout,
    seen: Seen<'_>,
    sites: &FieldSites,
    moments: &Moments,
) -> (f64, usize) {
    let proposal = counts::propose(likelihoods, readout, seen, &moments.mean, &moments.covariance, caps);
    let sites = counts::expected_sites(sites, &moments.mean, &moments.covariance);
    (proposal.expected - sites + moments.log_z, proposal.capped)
}

/// The latents of new trials, kernels and readout held: sweeps until the bound settles.
///
/// # Errors
/// As [`Panel::trials`] and [`posterior`].
pub(super) fn infer(config: &CvhmConfig, field: &Field, trials: &Trials) -> Result<Vec<Moments>> {
    let seen = field.panel.trials(config.width, trials)?;
    seen.par_iter()
        .map(|trial| {
            let mut sites = FieldSites::flat(trial.grid.len(), field.readout.latents);
            let mut last = f64::NEG_INFINITY;
            let mut rate = config.rate;
            for _ in 0..40 {
                let before = sites.clone();
                let (moments, bound, _) = sweep(config, field, trial, &mut sites, (config.sweeps, rate))?;
                if bound < last - 1e-9 * last.abs() && rate > 0.05 {
                    // Oscillation: back, with shorter steps.
                    (sites, rate) = (before, 0.5 * rate);
                    continue;
                }
                if (bound - last).abs() < 1e-8 * (1.0 + bound.abs()) {
                    return Ok(moments);
                }
                last = bound;
            }
            Ok(sweep(config, field, trial, &mut sites, (0, rate))?.0)
        })
        .collect()
}
