//! Rounds of inference, readout and kernels.

use super::emission::LEAST_NOISE;
use super::expand::{centre, stretch};
use super::field::{Field, Moments, sweep};
use super::panel::{Panel, Trial};
use super::start::start;
use super::{CvhmConfig, Emission, Learn, Trials};
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Snapshot, Step, Stop, drive};
use elbo_markov::counts::{self, FieldSites};
use elbo_markov::{Evidence, Grid, Kernel, StateSpace, Wants, run as pass, sample, whittle};
use elbo_tensor::optim::Lbfgs;
use rayon::prelude::*;

/// Trials shorter than this say too little at low frequencies for Whittle's likelihood.
const LEAST_BINS: usize = 64;

/// What a fit found.
pub struct Fitted {
    /// Kernels and readout.
    pub field: Field,
    /// Evidence lower bound of all trials, nats.
    pub elbo: f64,
    /// Rounds done.
    pub rounds: usize,
    /// Share of counts whose log rate was held at the cap, at the end.
    pub capped: f64,
}

/// The state of the rounds.
struct Latents {
    field: Field,
    sites: Vec<FieldSites>,
    elbo: f64,
    capped: f64,
}

impl Snapshot for Latents {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(&format!("{prefix}.kernels"), &self.field.kernels);
        self.field.readout.c.save(file, &format!("{prefix}.c"));
        self.field.readout.d.save(file, &format!("{prefix}.d"));
        self.field.levels.save(file, &format!("{prefix}.levels"));
        let flat = |f: fn(&FieldSites) -> &Vec<f64>| self.sites.iter().flat_map(|s| f(s).clone()).collect::<Vec<f64>>();
        flat(|s| &s.shift).save(file, &format!("{prefix}.shift"));
        flat(|s| &s.precision).save(file, &format!("{prefix}.precision"));
        vec![self.elbo, self.capped].save(file, &format!("{prefix}.numbers"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let damaged = || Error::model_file("the checkpoint does not fit the data", "start the fit again");
        let sizes = |f: &Field| (f.kernels.len(), f.readout.c.len(), f.readout.d.len(), f.levels.len());
        let expected = sizes(&self.field);
        self.field.kernels = file.fact(&format!("{prefix}.kernels"))?;
        self.field.kernels.iter().try_for_each(Kernel::check)?;
        self.field.readout.c.restore(file, &format!("{prefix}.c"))?;
        self.field.readout.d.restore(file, &format!("{prefix}.d"))?;
        self.field.levels.restore(file, &format!("{prefix}.levels"))?;
        if sizes(&self.field) != expected || !self.field.levels.iter().all(|level| *level >= LEAST_NOISE) {
            return Err(damaged());
        }
        let (shift, precision) = (file.get(&format!("{prefix}.shift"))?, file.get(&format!("{prefix}.precision"))?);
        let (mut shift, mut precision) = (&shift[..], &precision[..]);
        for sites in &mut self.sites {
            let head = shift.split_at_checked(sites.shift.len()).ok_or_else(damaged)?;
            let tail = precision.split_at_checked(sites.precision.len()).ok_or_else(damaged)?;
            sites.shift.copy_from_slice(head.0);
            sites.precision.copy_from_slice(tail.0);
            (shift, precision) = (head.1, tail.1);
        }
        let numbers = file.get(&format!("{prefix}.numbers"))?;
        let [elbo, capped] = numbers[..] else { return Err(damaged()) };
        (self.elbo, self.capped) = (elbo, capped);
        Ok(())
    }
}

/// Fits kernels and readout.
pub(super) fn fit(config: &CvhmConfig, trials: &Trials, run: &mut Run) -> Result<Fitted> {
    trials.notes.iter().for_each(|n| run.warn(n));
    let panel = Panel::learn(config.likelihood, trials, run)?;
    if config.trajectories > panel.kept.len() {
        return Err(Error::data(
            format!("{} latents are asked of {} channels that are not left out", config.trajectories, panel.kept.len()),
            "lower `trajectories`, or give more channels",
        ));
    }
    if trials.times.is_some() {
        run.warn_idle(config, &["width"], "where the data have times");
    }
    let seen = panel.trials(config.width, trials)?;
    let regular = regular(&seen);
    if config.learn == Learn::Whittle
        && let Err(why) = &regular
    {
        run.note(format!("{why}: kernels follow the evidence of the sites"));
    }
    let field = start(config, &seen, panel)?;
    let sites = trials.steps.iter().map(|steps| FieldSites::flat(*steps, config.trajectories)).collect();
    let mut latents = Latents { field, sites, elbo: f64::NEG_INFINITY, capped: 0.0 };
    let step = Round { config, trials: &seen, regular: regular.ok() };
    let outcome =
        drive(&step, &mut latents, &Stop::after(config.rounds, "latents", "evidence lower bound (nats)"), run)?;
    if latents.capped > 0.001 {
        run.warn(format!(
            "{:.2} % of the log rates were held at {}; bins may be too wide, or counts too large",
            100.0 * latents.capped,
            counts::LOG_RATE_CAP
        ));
    }
    let least = latents.field.levels.iter().filter(|level| **level <= LEAST_NOISE).count();
    if least > 0 {
        run.warn(format!("the noise of {least} channels is at its lower bound: latents tell them without error"));
    }
    Ok(Fitted { field: latents.field, elbo: latents.elbo, rounds: outcome.steps, capped: latents.capped })
}

/// Width and number of the bins of every trial, as Whittle's likelihood needs them; or why it cannot be taken.
fn regular(trials: &[Trial]) -> std::result::Result<(f64, usize), String> {
    let first = &trials[0].grid;
    let steps = first.len();
    if trials.iter().any(|t| t.grid.len() != steps) {
        return Err("trials differ in length, and Whittle's likelihood needs equal ones".into());
    }
    if steps < LEAST_BINS {
        return Err(format!("trials of {steps} bins are too short for Whittle's likelihood, which needs {LEAST_BINS}"));
    }
    let width = first.width().unwrap_or(f64::NAN);
    let is_same = |t: &Trial| t.grid.width().is_some_and(|own| (own - width).abs() <= 1e-9 * width);
    if !trials.iter().all(is_same) {
        return Err("bins are not at equal distances, as Whittle's likelihood needs them".into());
    }
    Ok((width, steps))
}

struct Round<'a> {
    config: &'a CvhmConfig,
    trials: &'a [Trial],
    /// Width and number of bins, where they are the same everywhere.
    regular: Option<(f64, usize)>,
}

/// Step length of the sites, and how often the bound fell and the readout stood still, in a row.
#[derive(Debug, Clone, PartialEq)]
struct Pace {
    rate: f64,
    falls: f64,
    still: f64,
}

impl Snapshot for Pace {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        vec![self.rate, self.falls, self.still].save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let numbers = file.get(prefix)?;
        let [rate, falls, still] = numbers[..] else {
            return Err(Error::model_file("the checkpoint's step length is missing", "start the fit again"));
        };
        *self = Self { rate, falls, still };
        Ok(())
    }
}

impl Step<Latents> for Round<'_> {
    type State = Pace;

    fn init(&self, _: &mut Latents, _: &mut Run) -> Result<Pace> {
        Ok(Pace { rate: self.config.rate, falls: 0.0, still: 0.0 })
    }

    fn step(&self, latents: &mut Latents, pace: &mut Pace, run: &mut Run) -> Result<Progress> {
        let field = &latents.field;
        let parts: Vec<(Moments, f64, usize)> = latents
            .sites
            .par_iter_mut()
            .zip(self.trials)
            .map(|(sites, trial)| sweep(self.config, field, trial, sites, (self.config.sweeps, pace.rate)))
            .collect::<Result<_>>()?;
        let elbo: f64 = parts.iter().map(|p| p.1).sum();
        let terms: usize = self.trials.iter().map(|t| t.y.len()).sum();
        latents.capped = parts.iter().map(|p| p.2).sum::<usize>() as f64 / terms as f64;
        pace.falls = if elbo < latents.elbo { pace.falls + 1.0 } else { 0.0 };
        if pace.falls >= 2.0 && pace.rate > 0.02 {
            (pace.rate, pace.falls) = (0.5 * pace.rate, 0.0);
        }
        latents.elbo = elbo;
        let mut moments: Vec<Moments> = parts.into_iter().map(|p| p.0).collect();
        let before = [latents.field.readout.c.clone(), latents.field.readout.d.clone()].concat();
        centre(self.config, &mut latents.field, (&mut latents.sites, &mut moments), self.trials, elbo)?;
        self.read_out(&mut latents.field, &moments)?;
        let after = [latents.field.readout.c.clone(), latents.field.readout.d.clone()].concat();
        match (self.config.learn, self.regular) {
            // Loadings of unit length leave the size to the kernel.
            (Learn::Off, _) => stretch(&mut latents.field.kernels, &latents.sites, &moments),
            (Learn::Whittle, Some(regular)) => self.whittle(latents, regular, &mut run.rng)?,
            (Learn::Whittle | Learn::Bound, _) => self.climb(latents)?,
        }
        normalise(latents);
        let distance: f64 = before.iter().zip(&after).map(|(a, b)| (a - b).powi(2)).sum();
        let size: f64 = after.iter().map(|a| a * a).sum();
        pace.still = if (distance / size).sqrt() < self.config.tolerance { pace.still + 1.0 } else { 0.0 };
        Ok(Progress { objective: elbo, converged: pace.still >= 2.0 })
    }
}

impl Round<'_> {
    /// Loadings, offsets and levels of every channel.
    fn read_out(&self, field: &mut Field, moments: &[Moments]) -> Result<()> {
        let data: Vec<counts::Moments<'_>> = self
            .trials
            .iter()
            .zip(moments)
            .map(|(trial, m)| counts::Moments { seen: trial.seen(), mean: &m.mean, covariance: &m.covariance })
            .collect();
        let l = field.readout.latents;
        let (emission, likelihoods) = (field.panel.emission, field.likelihoods());
        let found: Vec<(Vec<f64>, f64, f64)> = (0..field.panel.kept.len())
            .into_par_iter()
            .map(|channel| {
                let mut own = field.readout.clone();
                if emission == Emission::Poisson {
                    counts::fit_channel(&mut own, channel, &data, self.config.ridge, 20)?;
                } else {
                    let likelihood = likelihoods[channel % likelihoods.len()].as_ref();
                    counts::fit_channel_under(likelihood, &mut own, channel, &data, self.config.ridge, 20)?;
                }
                let level = emission.learn_level(field.levels[channel], &own, channel, &data);
                Ok((own.c[channel * l..(channel + 1) * l].to_vec(), own.d[channel], level))
            })
            .collect::<Result<_>>()?;
        for (channel, (c, d, level)) in found.into_iter().enumerate() {
            field.readout.c[channel * l..(channel + 1) * l].copy_from_slice(&c);
            field.readout.d[channel] = d;
            field.levels[channel] = level;
        }
        Ok(())
    }

    /// Whittle's likelihood of posterior draws, latent by latent.
    fn whittle(&self, latents: &mut Latents, (bin, steps): (f64, usize), rng: &mut Rng) -> Result<()> {
        let l = latents.field.readout.latents;
        let space = StateSpace::of_latents(&latents.field.kernels, 0.0)?;
        let chain = space.chain(&Grid::regular(0.0, bin, steps));
        let window = whittle::Window::hann(steps);
        let jobs: Vec<(usize, Rng)> =
            (0..latents.sites.len() * self.config.paths).map(|i| (i / self.config.paths, rng.fork())).collect();
        let powers: Vec<Vec<f64>> = jobs
            .into_par_iter()
            .map(|(trial, mut rng)| {
                let sites = &latents.sites[trial];
                let evidence = Evidence::Sites { shift: &sites.shift, precision: &sites.precision };
                let path = sample::posterior(&chain, evidence, None, &mut rng)?;
                let one = |latent: usize| path.iter().skip(latent).step_by(l).copied().collect::<Vec<f64>>();
                Ok((0..l).flat_map(|latent| window.periodogram(&one(latent))).collect())
            })
            .collect::<Result<_>>()?;
        let width = steps / 2;
        for (latent, kernel) in latents.field.kernels.iter_mut().enumerate() {
            let mean: Vec<f64> = (0..width)
                .map(|k| powers.iter().map(|p| p[latent * width + k]).sum::<f64>() / powers.len() as f64)
                .collect();
            *kernel = improved(kernel, |k| whittle::debiased(k, bin, &window, &mean))?;
        }
        Ok(())
    }

    /// The evidence of the sites, all kernels at once.
    fn climb(&self, latents: &mut Latents) -> Result<()> {
        let sites = &latents.sites;
        for latent in 0..latents.field.readout.latents {
            let all = latents.field.kernels.clone();
            let first: usize = all[..latent].iter().map(|k| k.parameters().len()).sum();
            let own = all[latent].parameters().len();
            let objective = |kernel: &Kernel| {
                let mut kernels = all.clone();
                kernels[latent] = kernel.clone();
                let space = StateSpace::of_latents(&kernels, 0.0)?;
                let (mut value, mut gradient) = (0.0, vec![0.0; own]);
                for (sites, trial) in sites.iter().zip(self.trials) {
                    let evidence = Evidence::Sites { shift: &sites.shift, precision: &sites.precision };
                    let found = pass(&space.chain(&trial.grid), evidence, Wants::Gradient, None)?;
                    value += found.log_z;
                    let by = space.pull_back(&trial.grid, found.gradient.as_ref().expect("it was asked for"));
                    gradient.iter_mut().zip(&by[first..first + own]).for_each(|(g, b)| *g += b);
                }
                Ok((value, gradient))
            };
            latents.field.kernels[latent] = improved(&all[latent], objective)?;
        }
        Ok(())
    }
}

/// A few steps of L-BFGS up an objective of a kernel, within a factor of twenty of where it is.
pub(super) fn improved(kernel: &Kernel, objective: impl Fn(&Kernel) -> Result<(f64, Vec<f64>)>) -> Result<Kernel> {
    let free: Vec<usize> = (0..kernel.parameters().len()).filter(|i| !kernel.parameters()[*i].is_fixed).collect();
    if free.is_empty() {
        return Ok(kernel.clone());
    }
    let at: Vec<f64> = free.iter().map(|i| kernel.parameters()[*i].value.ln()).collect();
    let bounds = at.iter().map(|x| (x - 3.0, x + 3.0)).collect();
    let moved = |x: &[f64]| {
        let mut moved = kernel.clone();
        let mut parameters = moved.parameters_mut();
        free.iter().zip(x).for_each(|(i, x)| parameters[*i].value = x.exp());
        moved
    };
    let rule = Lbfgs { bounds: Some(bounds), gradient_tolerance: 1e-4, value_tolerance: 1e-9, ..Lbfgs::default() };
    let best = rule.minimise(&at, 25, |x| {
        let (value, gradient) = objective(&moved(x))?;
        Ok((-value, free.iter().map(|i| -gradient[*i]).collect()))
    })?;
    Ok(moved(&best.x))
}

/// Columns of unit length; latents, sites and kernels take the scale.
fn normalise(latents: &mut Latents) {
    let l = latents.field.readout.latents;
    let c = &mut latents.field.readout.c;
    let scale: Vec<f64> =
        (0..l).map(|i| c.iter().skip(i).step_by(l).map(|c| c * c).sum::<f64>().sqrt().clamp(1e-6, 1e6)).collect();
    c.iter_mut().enumerate().for_each(|(i, c)| *c /= scale[i % l]);
    for sites in &mut latents.sites {
        sites.shift.iter_mut().enumerate().for_each(|(i, j)| *j /= scale[i % l]);
        sites.precision.iter_mut().enumerate().for_each(|(i, j)| *j /= scale[i % l] * scale[i / l % l]);
    }
    for (kernel, scale) in latents.field.kernels.iter_mut().zip(&scale) {
        rescale(kernel, scale * scale);
    }
}

/// Multiplies the variance of a kernel.
pub(super) fn rescale(kernel: &mut Kernel, factor: f64) {
    match kernel {
        Kernel::Term(_, parameters) => parameters[0].value *= factor,
        Kernel::Sum(parts) => parts.iter_mut().for_each(|p| rescale(p, factor)),
        // The first factor holds a product's variance.
        Kernel::Product(parts) => rescale(&mut parts[0], factor),
    }
}
