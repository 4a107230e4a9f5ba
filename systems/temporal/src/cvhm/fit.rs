//! Rounds of inference, readout and kernels.

use super::expand::{centre, stretch};
use super::{CvhmConfig, Learn, Smoother, Trials};
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Snapshot, Step, Stop, drive};
use elbo_gp::likelihood::{Likelihood, Poisson};
use elbo_linalg::{MatRef, syevd};
use elbo_markov::counts::{self, FieldSites, Readout};
use elbo_markov::{Evidence, Grid, Kernel, StateSpace, Wants, information, run as pass, sample, whittle};
use elbo_tensor::optim::Lbfgs;
use rayon::prelude::*;

/// Trials shorter than this say too little at low frequencies for Whittle's likelihood.
const LEAST_BINS: usize = 64;

/// Kernels and readout: what is learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// One kernel a latent.
    pub kernels: Vec<Kernel>,
    /// Loadings and offsets of the channels that are kept.
    pub readout: Readout,
    /// The channels that are kept: those that ever fire.
    pub kept: Vec<usize>,
    /// All channels.
    pub channels: usize,
    /// Log rate that stands for a channel that never fired.
    pub silent: f64,
}

impl Field {
    /// Mean counts `[bins, all channels]`.
    pub(super) fn rates(&self, moments: &Moments) -> Vec<f64> {
        let l = self.readout.latents;
        let steps = moments.mean.len() / l;
        let mut out = vec![self.silent.exp(); steps * self.channels];
        for t in 0..steps {
            let (m, v) = (&moments.mean[t * l..(t + 1) * l], &moments.covariance[t * l * l..(t + 1) * l * l]);
            for (i, channel) in self.kept.iter().enumerate() {
                let (eta, variance) = self.readout.project(i, m, v);
                out[t * self.channels + channel] = (eta + 0.5 * variance).min(counts::LOG_RATE_CAP).exp();
            }
        }
        out
    }

    pub(super) fn save(&self, file: &mut ModelFile) {
        file.set("kernels", &self.kernels);
        file.set("kept", &self.kept);
        file.set("channels", &self.channels);
        file.put("silent", &[1], &[self.silent]);
        file.put("loadings", &[self.kept.len(), self.readout.latents], &self.readout.c);
        file.put("offsets", &[self.kept.len()], &self.readout.d);
    }

    pub(super) fn load(file: &ModelFile) -> Result<Self> {
        let kernels: Vec<Kernel> = file.fact("kernels")?;
        kernels.iter().try_for_each(Kernel::check)?;
        let (kept, channels): (Vec<usize>, usize) = (file.fact("kept")?, file.fact("channels")?);
        let latents = kernels.len();
        let (c, d) = (file.get_as("loadings", &[kept.len(), latents])?, file.get_as("offsets", &[kept.len()])?);
        let readout = Readout { c, d, latents };
        let silent = file.get_as("silent", &[1])?[0];
        if kernels.is_empty() || kept.is_empty() || kept.iter().any(|c| *c >= channels) {
            return Err(Error::misfit("the readout is not that of its channels"));
        }
        Ok(Self { kernels, readout, kept, channels, silent })
    }
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
        let flat = |f: fn(&FieldSites) -> &Vec<f64>| self.sites.iter().flat_map(|s| f(s).clone()).collect::<Vec<f64>>();
        flat(|s| &s.shift).save(file, &format!("{prefix}.shift"));
        flat(|s| &s.precision).save(file, &format!("{prefix}.precision"));
        vec![self.elbo, self.capped].save(file, &format!("{prefix}.numbers"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let damaged = || Error::model_file("the checkpoint does not fit the data", "start the fit again");
        let sizes = |field: &Field| (field.kernels.len(), field.readout.c.len(), field.readout.d.len());
        let expected = sizes(&self.field);
        self.field.kernels = file.fact(&format!("{prefix}.kernels"))?;
        self.field.kernels.iter().try_for_each(Kernel::check)?;
        self.field.readout.c.restore(file, &format!("{prefix}.c"))?;
        self.field.readout.d.restore(file, &format!("{prefix}.d"))?;
        if sizes(&self.field) != expected {
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

/// The posterior of one trial given its sites.
pub(super) fn posterior(config: &CvhmConfig, kernels: &[Kernel], sites: &FieldSites, steps: usize) -> Result<Moments> {
    let space = StateSpace::of_latents(kernels, 0.0)?;
    let chain = space.chain(&Grid::regular(0.0, config.width, steps));
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
    y: &[f64],
    sites: &mut FieldSites,
    (sweeps, rate): (usize, f64),
) -> Result<(Moments, f64, usize)> {
    let likelihood = Poisson::new(1.0);
    let steps = y.len() / field.kept.len();
    for _ in 0..sweeps {
        let moments = posterior(config, &field.kernels, sites, steps)?;
        let proposal = counts::propose(&likelihood, &field.readout, y, &moments.mean, &moments.covariance, true);
        counts::blend(sites, &proposal.sites, rate);
    }
    let moments = posterior(config, &field.kernels, sites, steps)?;
    let (bound, capped) = bound(&likelihood, &field.readout, y, sites, &moments, true);
    Ok((moments, bound, capped))
}

/// `Σ E log p(y | f) - (Σ E log site - log Z)`, and the number of terms at the cap.
pub(super) fn bound(
    likelihood: &dyn Likelihood,
    readout: &Readout,
    y: &[f64],
    sites: &FieldSites,
    moments: &Moments,
    caps: bool,
) -> (f64, usize) {
    let proposal = counts::propose(likelihood, readout, y, &moments.mean, &moments.covariance, caps);
    let sites = counts::expected_sites(sites, &moments.mean, &moments.covariance);
    (proposal.expected - sites + moments.log_z, proposal.capped)
}

/// The latents of new trials, kernels and readout held: sweeps until the bound settles.
pub(super) fn infer(config: &CvhmConfig, field: &Field, trials: &Trials) -> Result<Vec<Moments>> {
    let kept = keep(trials, &field.kept);
    kept.par_iter()
        .map(|y| {
            let mut sites = FieldSites::flat(y.len() / field.kept.len(), field.readout.latents);
            let mut last = f64::NEG_INFINITY;
            let mut rate = config.rate;
            for _ in 0..40 {
                let before = sites.clone();
                let (moments, bound, _) = sweep(config, field, y, &mut sites, (config.sweeps, rate))?;
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
            Ok(sweep(config, field, y, &mut sites, (0, rate))?.0)
        })
        .collect()
}

/// The counts of the kept channels, a vector a trial.
pub(super) fn keep(trials: &Trials, kept: &[usize]) -> Vec<Vec<f64>> {
    let one =
        |trial: &&[f64]| trial.chunks_exact(trials.channels).flat_map(|row| kept.iter().map(|c| row[*c])).collect();
    trials.each().iter().map(one).collect()
}

/// Fits kernels and readout.
pub(super) fn fit(config: &CvhmConfig, trials: &Trials, run: &mut Run) -> Result<Fitted> {
    trials.notes.iter().for_each(|n| run.warn(n));
    let fires = |c: usize| trials.counts.iter().skip(c).step_by(trials.channels).any(|y| *y > 0.0);
    let kept: Vec<usize> = (0..trials.channels).filter(|c| fires(*c)).collect();
    if kept.len() < trials.channels {
        run.warn(format!("{} channels never fire and are left out", trials.channels - kept.len()));
    }
    if config.trajectories > kept.len() {
        return Err(Error::data(
            format!("{} latents are asked of {} channels that fire", config.trajectories, kept.len()),
            "lower `trajectories`, or give more channels",
        ));
    }
    if config.learn == Learn::Whittle && trials.steps[0] < LEAST_BINS {
        run.note(format!(
            "trials of {} bins are too short for Whittle's likelihood, which needs {LEAST_BINS}: kernels follow the evidence of the sites",
            trials.steps[0]
        ));
    }
    let y = keep(trials, &kept);
    let field = start(config, &y, kept, trials)?;
    let sites = trials.steps.iter().map(|steps| FieldSites::flat(*steps, config.trajectories)).collect();
    let mut latents = Latents { field, sites, elbo: f64::NEG_INFINITY, capped: 0.0 };
    let step = Round { config, y: &y };
    let outcome =
        drive(&step, &mut latents, &Stop::after(config.rounds, "latents", "evidence lower bound (nats)"), run)?;
    if latents.capped > 0.001 {
        run.warn(format!(
            "{:.2} % of the log rates were held at {}; bins may be too wide, or counts too large",
            100.0 * latents.capped,
            counts::LOG_RATE_CAP
        ));
    }
    Ok(Fitted { field: latents.field, elbo: latents.elbo, rounds: outcome.steps, capped: latents.capped })
}

/// Principal components of smoothed square roots of the counts, for the loadings; their memory, for the lengthscale.
fn start(config: &CvhmConfig, y: &[Vec<f64>], kept: Vec<usize>, trials: &Trials) -> Result<Field> {
    let (n, l) = (kept.len(), config.trajectories);
    let total: usize = trials.steps.iter().sum();
    let mut d = vec![0.0; n];
    y.iter().flatten().enumerate().for_each(|(i, v)| d[i % n] += v / total as f64);
    // Log rates from square roots: d log rate = 2 d sqrt / sqrt(rate).
    let smooth: Vec<Vec<f64>> = y.iter().map(|y| smoothed_logs(y, &d)).collect();
    let mut covariance = vec![0.0; n * n];
    for row in smooth.iter().flat_map(|s| s.chunks_exact(n)) {
        for i in 0..n {
            (0..=i).for_each(|j| covariance[i * n + j] += row[i] * row[j] / total as f64);
        }
    }
    for i in 0..n {
        (0..i).for_each(|j| covariance[j * n + i] = covariance[i * n + j]);
    }
    let eigen = syevd(MatRef::row_major(&covariance, n, n))
        .map_err(|e| Error::numerical(e.to_string(), "counts may be too large; rebin them"))?;
    let mut c = vec![0.0; n * l];
    let written = config.kernels()?;
    let mut kernels = vec![];
    for latent in 0..l {
        let column = n - 1 - latent;
        let direction: Vec<f64> = (0..n).map(|i| eigen.vectors[i * n + column]).collect();
        // The sign of a direction is free; the larger side is positive.
        let sign = if direction.iter().sum::<f64>() < 0.0 { -1.0 } else { 1.0 };
        (0..n).for_each(|i| c[i * l + latent] = sign * direction[i]);
        let memory = memory(&smooth, &direction, n);
        let mut kernel = written[latent % written.len()].clone();
        for p in kernel.parameters_mut().into_iter().filter(|p| !p.is_given && !p.is_fixed) {
            p.value = match p.name.as_str() {
                "variance" => eigen.values[column].clamp(0.1, 20.0),
                "lengthscale" => memory * config.width,
                _ => 4.0 * memory * config.width,
            };
        }
        kernels.push(kernel);
    }
    d.iter_mut().for_each(|d| *d = d.max(0.5 / total as f64).ln());
    Ok(Field {
        kernels,
        readout: Readout { c, d, latents: l },
        kept,
        channels: trials.channels,
        silent: (0.5 / total as f64).ln(),
    })
}

/// Log rates less their mean, roughly: smoothed over eleven bins with triangular weights.
fn smoothed_logs(y: &[f64], rate: &[f64]) -> Vec<f64> {
    let n = rate.len();
    let steps = y.len() / n;
    let mut out = vec![0.0; y.len()];
    for t in 0..steps {
        let (low, high) = (t.saturating_sub(5), (t + 5).min(steps - 1));
        for c in 0..n {
            let (mut sum, mut weight) = (0.0, 0.0);
            for s in low..=high {
                let w = 6.0 - t.abs_diff(s) as f64;
                sum += w * y[s * n + c];
                weight += w;
            }
            let root = rate[c].max(1e-3).sqrt();
            out[t * n + c] = 2.0 * ((sum / weight).sqrt() - root) / root;
        }
    }
    out
}

/// Lag, in bins, at which the autocorrelation along a direction has fallen to a half; at least three.
fn memory(smooth: &[Vec<f64>], direction: &[f64], n: usize) -> f64 {
    let scores: Vec<Vec<f64>> = smooth
        .iter()
        .map(|s| s.chunks_exact(n).map(|row| row.iter().zip(direction).map(|(a, b)| a * b).sum()).collect())
        .collect();
    let longest = scores.iter().map(Vec::len).max().unwrap_or(1);
    let at = |lag: usize| {
        let (mut sum, mut count) = (0.0, 0.0);
        for s in scores.iter().filter(|s| s.len() > lag) {
            (lag..s.len()).for_each(|t| sum += s[t] * s[t - lag]);
            count += (s.len() - lag) as f64;
        }
        sum / f64::max(count, 1.0)
    };
    let zero = at(0);
    (1..longest / 2).find(|lag| at(*lag) < 0.5 * zero).unwrap_or(longest / 2).max(3) as f64
}

struct Round<'a> {
    config: &'a CvhmConfig,
    y: &'a [Vec<f64>],
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
            .zip(self.y)
            .map(|(sites, y)| sweep(self.config, field, y, sites, (self.config.sweeps, pace.rate)))
            .collect::<Result<_>>()?;
        let elbo: f64 = parts.iter().map(|p| p.1).sum();
        let terms: usize = self.y.iter().map(Vec::len).sum();
        latents.capped = parts.iter().map(|p| p.2).sum::<usize>() as f64 / terms as f64;
        pace.falls = if elbo < latents.elbo { pace.falls + 1.0 } else { 0.0 };
        if pace.falls >= 2.0 && pace.rate > 0.02 {
            (pace.rate, pace.falls) = (0.5 * pace.rate, 0.0);
        }
        latents.elbo = elbo;
        let mut moments: Vec<Moments> = parts.into_iter().map(|p| p.0).collect();
        let before = [latents.field.readout.c.clone(), latents.field.readout.d.clone()].concat();
        centre(self.config, &mut latents.field, (&mut latents.sites, &mut moments), self.y, elbo)?;
        self.read_out(&mut latents.field, &moments)?;
        let after = [latents.field.readout.c.clone(), latents.field.readout.d.clone()].concat();
        match self.config.learn {
            // Loadings of unit length leave the size to the kernel.
            Learn::Off => stretch(&mut latents.field.kernels, &latents.sites, &moments),
            Learn::Whittle if self.y[0].len() / latents.field.kept.len() >= LEAST_BINS => {
                self.whittle(latents, &mut run.rng)?;
            }
            Learn::Whittle | Learn::Bound => self.climb(latents)?,
        }
        normalise(latents);
        let distance: f64 = before.iter().zip(&after).map(|(a, b)| (a - b).powi(2)).sum();
        let size: f64 = after.iter().map(|a| a * a).sum();
        pace.still = if (distance / size).sqrt() < self.config.tolerance { pace.still + 1.0 } else { 0.0 };
        Ok(Progress { objective: elbo, converged: pace.still >= 2.0 })
    }
}

impl Round<'_> {
    fn read_out(&self, field: &mut Field, moments: &[Moments]) -> Result<()> {
        let data: Vec<counts::Moments<'_>> = self
            .y
            .iter()
            .zip(moments)
            .map(|(y, m)| counts::Moments { y, mean: &m.mean, covariance: &m.covariance })
            .collect();
        let l = field.readout.latents;
        let found: Vec<(Vec<f64>, f64)> = (0..field.kept.len())
            .into_par_iter()
            .map(|channel| {
                let mut own = field.readout.clone();
                counts::fit_channel(&mut own, channel, &data, self.config.ridge, 20)?;
                Ok((own.c[channel * l..(channel + 1) * l].to_vec(), own.d[channel]))
            })
            .collect::<Result<_>>()?;
        for (channel, (c, d)) in found.into_iter().enumerate() {
            field.readout.c[channel * l..(channel + 1) * l].copy_from_slice(&c);
            field.readout.d[channel] = d;
        }
        Ok(())
    }

    /// Whittle's likelihood of posterior draws, latent by latent.
    fn whittle(&self, latents: &mut Latents, rng: &mut Rng) -> Result<()> {
        let l = latents.field.readout.latents;
        // All trials have one length: both layouts make it so.
        let steps = latents.sites[0].shift.len() / l;
        let space = StateSpace::of_latents(&latents.field.kernels, 0.0)?;
        let chain = space.chain(&Grid::regular(0.0, self.config.width, steps));
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
            *kernel = improved(kernel, |k| whittle::debiased(k, self.config.width, &window, &mean))?;
        }
        Ok(())
    }

    /// The evidence of the sites, all kernels at once.
    fn climb(&self, latents: &mut Latents) -> Result<()> {
        let (sites, l) = (&latents.sites, latents.field.readout.latents);
        for latent in 0..l {
            let all = latents.field.kernels.clone();
            let first: usize = all[..latent].iter().map(|k| k.parameters().len()).sum();
            let own = all[latent].parameters().len();
            let objective = |kernel: &Kernel| {
                let mut kernels = all.clone();
                kernels[latent] = kernel.clone();
                let space = StateSpace::of_latents(&kernels, 0.0)?;
                let (mut value, mut gradient) = (0.0, vec![0.0; own]);
                for sites in sites {
                    let grid = Grid::regular(0.0, self.config.width, sites.shift.len() / l);
                    let evidence = Evidence::Sites { shift: &sites.shift, precision: &sites.precision };
                    let found = pass(&space.chain(&grid), evidence, Wants::Gradient, None)?;
                    value += found.log_z;
                    let by = space.pull_back(&grid, found.gradient.as_ref().expect("it was asked for"));
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
