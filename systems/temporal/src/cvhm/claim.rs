//! The claim: exactness, trajectories behind spikes, held-out channels, Whittle's likelihood.

use super::fit::{self, Moments};
use super::{CvhmConfig, Layout, Learn, Trials};
use elbo_core::{Budget, Claim, Error, Result, Rng, Run};
use elbo_gp::likelihood::Gaussian;
use elbo_markov::counts::{self, FieldSites, Readout};
use elbo_markov::{Evidence, Grid, Kernel, StateSpace, Wants, reference, run as pass, sample, small, whittle};

/// All parts.
pub(super) fn claim(run: &mut Run) -> Result<Claim> {
    let seeds = run.seeds(3);
    let mut claim = Claim::new(seeds.clone());
    exact(&mut claim, &seeds)?;
    oscillator(&mut claim, &seeds, run)?;
    spectrum(&mut claim, &seeds, run)?;
    Ok(claim)
}

/// Gaussian noise: one update of length one is the exact posterior, and the bound is the log likelihood.
fn exact(claim: &mut Claim, seeds: &[u64]) -> Result<()> {
    let (steps, channels, noise) = (80, 4, 0.3);
    let (mut moments_error, mut bound_error) = (0.0f64, 0.0f64);
    for seed in seeds {
        let mut rng = Rng::new(*seed);
        let kernels = [Kernel::matern(1, 1.2, 8.0), "matern12(lengthscale=9) * cosine(period=20)".parse()?];
        let readout = Readout { c: rng.normals(2 * channels), d: rng.normals(channels), latents: 2 };
        let y: Vec<f64> = rng.normals(steps * channels);
        let chain = StateSpace::of_latents(&kernels, 0.0)?.chain(&Grid::regular(0.0, 1.0, steps));
        // The flat posterior is the prior.
        let flat = FieldSites::flat(steps, 2);
        let prior =
            pass(&chain, Evidence::Sites { shift: &flat.shift, precision: &flat.precision }, Wants::Smoothed, None)?;
        let likelihood = Gaussian::new(noise);
        let sites = counts::propose(&likelihood, &readout, &y, &prior.mean, &prior.covariance, false).sites;
        let found =
            pass(&chain, Evidence::Sites { shift: &sites.shift, precision: &sites.precision }, Wants::Smoothed, None)?;
        let moments = Moments { mean: found.mean, covariance: found.covariance, log_z: found.log_z };
        let (bound, _) = fit::bound(&likelihood, &readout, &y, &sites, &moments, false);
        // The same model with the channels as outputs, by the textbook filter.
        let mut direct = chain.clone();
        direct.outputs = channels;
        direct.h = small::product(&readout.c, &chain.h, channels, 2, chain.size);
        let centred: Vec<f64> = y.iter().enumerate().map(|(i, y)| y - readout.d[i % channels]).collect();
        let states = reference::smooth(&direct, &centred, &vec![noise; channels])
            .ok_or_else(|| Error::numerical("the textbook filter failed", "take another seed"))?;
        bound_error = bound_error.max((bound - states.log_likelihood).abs());
        for k in 0..steps {
            let mean = small::product(&chain.h, &states.mean[k], 2, chain.size, 1);
            (0..2).for_each(|i| moments_error = moments_error.max((mean[i] - moments.mean[2 * k + i]).abs()));
        }
    }
    claim.at_most("Gaussian noise: distance of one update from the exact smoother", moments_error, None, 1e-9);
    claim.at_most("Gaussian noise: distance of the bound from the log likelihood (nats)", bound_error, None, 1e-8);
    Ok(())
}

/// Standardised paths of a Van der Pol oscillator, `[trials][steps, 2]`.
fn van_der_pol(trials: usize, steps: usize, rng: &mut Rng) -> Vec<Vec<f64>> {
    let dt: f64 = 0.02;
    let mut paths: Vec<Vec<f64>> = vec![];
    for _ in 0..trials {
        let (mut x, mut v) = (rng.normal(), rng.normal());
        let mut path = vec![];
        for k in 0..steps + 500 {
            let push = 1.5 * (1.0 - x * x) * v - x;
            x += dt * v + 0.05 * dt.sqrt() * rng.normal();
            v += dt * push + 0.05 * dt.sqrt() * rng.normal();
            if k >= 500 {
                path.extend([x, v]);
            }
        }
        paths.push(path);
    }
    for dim in 0..2 {
        let all: Vec<f64> = paths.iter().flat_map(|p| p.iter().skip(dim).step_by(2).copied()).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let sd = (all.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt();
        paths.iter_mut().for_each(|p| p.iter_mut().skip(dim).step_by(2).for_each(|a| *a = (*a - mean) / sd));
    }
    paths
}

/// Share of the variance of `truth` that an affine map of the means explains, averaged over dimensions.
fn explained(moments: &[Moments], truth: &[Vec<f64>]) -> f64 {
    let rows: Vec<([f64; 3], [f64; 2])> = moments
        .iter()
        .zip(truth)
        .flat_map(|(m, t)| {
            m.mean.chunks_exact(2).zip(t.chunks_exact(2)).map(|(m, t)| ([m[0], m[1], 1.0], [t[0], t[1]]))
        })
        .collect();
    let (mut normal, mut right) = (vec![0.0; 9], vec![0.0; 6]);
    for (x, y) in &rows {
        for i in 0..3 {
            (0..3).for_each(|j| normal[3 * i + j] += x[i] * x[j]);
            (0..2).for_each(|d| right[2 * i + d] += x[i] * y[d]);
        }
    }
    if small::solve(&mut normal, &mut right, 3, 2).is_none() {
        return 0.0;
    }
    let share = |d: usize| {
        let mean = rows.iter().map(|r| r.1[d]).sum::<f64>() / rows.len() as f64;
        let total: f64 = rows.iter().map(|r| (r.1[d] - mean).powi(2)).sum();
        let rest: f64 =
            rows.iter().map(|(x, y)| (y[d] - (0..3).map(|i| x[i] * right[2 * i + d]).sum::<f64>()).powi(2)).sum();
        1.0 - rest / total
    };
    0.5 * (share(0) + share(1))
}

fn oscillator(claim: &mut Claim, seeds: &[u64], run: &Run) -> Result<()> {
    let (steps, trials, channels) = run.pick((200, 3, 20), (500, 10, 50));
    let (mut ours, mut rival, mut bits) = (0.0, 0.0, 0.0);
    for seed in seeds {
        let mut child = run.child(*seed);
        let truth = van_der_pol(trials + 1, steps, &mut child.rng);
        let mut c = child.rng.normals(2 * channels);
        for l in 0..2 {
            let length = c.iter().skip(l).step_by(2).map(|c| c * c).sum::<f64>().sqrt();
            c.iter_mut().skip(l).step_by(2).for_each(|c| *c /= length);
        }
        // In a small run the same information comes from fewer channels.
        let d = (0.3f64 * run.pick(2.0, 1.0)).ln();
        let mut draw = |path: &[f64]| -> Vec<f64> {
            path.chunks_exact(2)
                .flat_map(|f| {
                    (0..channels).map(|n| (c[2 * n] * f[0] + c[2 * n + 1] * f[1] + d).exp()).collect::<Vec<_>>()
                })
                .map(|rate| child.rng.poisson(rate) as f64)
                .collect()
        };
        let counted: Vec<Vec<f64>> = truth.iter().map(|p| draw(p)).collect();
        let layout = Layout::Cube { name: "counts".into(), channels };
        let of = |parts: &[Vec<f64>]| Trials {
            counts: parts.concat(),
            steps: vec![steps; parts.len()],
            channels,
            layout: layout.clone(),
            notes: vec![],
        };
        let (train, test) = (of(&counted[..trials]), &counted[trials]);
        let config = CvhmConfig { rounds: run.pick(8, 30), ..CvhmConfig::default() };
        let fitted = fit::fit(&config, &train, &mut child)?;
        ours += explained(&fit::infer(&config, &fitted.field, &train)?, &truth[..trials]);
        rival += explained(&square_roots(&config, &train, &mut child)?, &truth[..trials]);
        bits += held_out_bits(&config, &fitted.field, test, &train)?;
    }
    let count = seeds.len() as f64;
    // Latents that have nothing to do with the truth explain next to nothing.
    let least = run.pick(0.3, 0.8);
    claim.at_least("oscillator: variance of the truth explained", ours / count, Some(rival / count), least);
    // A smoke run is too short for these differences.
    if run.budget == Budget::Full {
        claim.at_least("oscillator: gain over Gaussian noise on square roots", (ours - rival) / count, Some(0.0), 0.02);
        claim.at_least("held-out channels: bits a spike over their mean rate", bits / count, Some(0.0), 0.0);
    }
    Ok(())
}

/// The same rounds for `sqrt(y) = c'f + d + noise`, exact inference: Gaussian process factor analysis.
fn square_roots(config: &CvhmConfig, trials: &Trials, run: &mut Run) -> Result<Vec<Moments>> {
    let (n, l) = (trials.channels, config.trajectories);
    let y: Vec<Vec<f64>> = trials.each().iter().map(|t| t.iter().map(|c| c.sqrt()).collect()).collect();
    let steps = trials.steps[0];
    let rows = (steps * y.len()) as f64;
    // The rival starts where ours does.
    let mut off = config.clone();
    (off.rounds, off.learn) = (1, Learn::Off);
    let start = fit::fit(&off, trials, run)?.field;
    let mut kernels = start.kernels.clone();
    let mut readout = Readout { c: vec![0.0; n * l], d: vec![0.0; n], latents: l };
    let mut noise = vec![0.25; n];
    for channel in 0..n {
        readout.d[channel] = y.iter().flat_map(|t| t.iter().skip(channel).step_by(n)).sum::<f64>() / rows;
    }
    for (i, channel) in start.kept.iter().enumerate() {
        let slope = 0.5 * (0.5 * start.readout.d[i]).exp();
        (0..l).for_each(|k| readout.c[channel * l + k] = slope * start.readout.c[i * l + k]);
    }
    let window = whittle::Window::hann(steps);
    let mut out = vec![];
    for round in 0..config.rounds {
        let chain = StateSpace::of_latents(&kernels, 0.0)?.chain(&Grid::regular(0.0, config.width, steps));
        out.clear();
        let mut powers = vec![vec![0.0; steps / 2]; l];
        for trial in &y {
            let mut sites = FieldSites::flat(steps, l);
            for t in 0..steps {
                for channel in 0..n {
                    let c = &readout.c[channel * l..(channel + 1) * l];
                    for i in 0..l {
                        sites.shift[t * l + i] += c[i] * (trial[t * n + channel] - readout.d[channel]) / noise[channel];
                        (0..l).for_each(|j| sites.precision[(t * l + i) * l + j] += c[i] * c[j] / noise[channel]);
                    }
                }
            }
            let evidence = Evidence::Sites { shift: &sites.shift, precision: &sites.precision };
            let found = pass(&chain, evidence, Wants::Smoothed, None)?;
            let path = sample::posterior(&chain, evidence, None, &mut run.rng)?;
            for (k, power) in powers.iter_mut().enumerate() {
                let own: Vec<f64> = path.iter().skip(k).step_by(l).copied().collect();
                power.iter_mut().zip(window.periodogram(&own)).for_each(|(a, b)| *a += b / y.len() as f64);
            }
            out.push(Moments { mean: found.mean, covariance: found.covariance, log_z: found.log_z });
        }
        if round + 1 == config.rounds {
            break;
        }
        // Regression of each channel on the latents and a constant, with their second moments.
        let size = l + 1;
        let mut gram = vec![0.0; size * size];
        let mut right = vec![0.0; size * n];
        let mut squares = vec![0.0; n];
        for (trial, m) in y.iter().zip(&out) {
            for t in 0..steps {
                let mean: Vec<f64> = m.mean[t * l..(t + 1) * l].iter().copied().chain([1.0]).collect();
                for i in 0..size {
                    for j in 0..size {
                        let own = if i < l && j < l { m.covariance[(t * l + i) * l + j] } else { 0.0 };
                        gram[i * size + j] += mean[i] * mean[j] + own;
                    }
                    (0..n).for_each(|channel| right[i * n + channel] += mean[i] * trial[t * n + channel]);
                }
                (0..n).for_each(|channel| squares[channel] += trial[t * n + channel].powi(2));
            }
        }
        let moments = right.clone();
        if small::solve(&mut gram, &mut right, size, n).is_none() {
            break;
        }
        for channel in 0..n {
            (0..l).for_each(|i| readout.c[channel * l + i] = right[i * n + channel]);
            readout.d[channel] = right[l * n + channel];
            let fitted: f64 = (0..size).map(|i| right[i * n + channel] * moments[i * n + channel]).sum();
            noise[channel] = ((squares[channel] - fitted) / rows).max(1e-3);
        }
        for (kernel, power) in kernels.iter_mut().zip(&powers) {
            *kernel = fit::improved(kernel, |k| whittle::debiased(k, config.width, &window, power))?;
        }
    }
    Ok(out)
}

/// Bits a spike that the latents, inferred from four in five channels of a new trial, say about the others beyond their mean rates.
fn held_out_bits(config: &CvhmConfig, field: &fit::Field, test: &[f64], train: &Trials) -> Result<f64> {
    let n = train.channels;
    let held = |channel: usize| channel.is_multiple_of(5);
    // A model of the channels that are seen; the loadings of the others are known from training.
    let seen: Vec<usize> = (0..field.kept.len()).filter(|i| !held(field.kept[*i])).collect();
    let l = field.readout.latents;
    let part = fit::Field {
        readout: Readout {
            c: seen.iter().flat_map(|i| field.readout.c[i * l..(i + 1) * l].to_vec()).collect(),
            d: seen.iter().map(|i| field.readout.d[*i]).collect(),
            latents: l,
        },
        kept: seen.iter().map(|i| field.kept[*i]).collect(),
        ..field.clone()
    };
    let trial = Trials {
        counts: test.to_vec(),
        steps: vec![test.len() / n],
        channels: n,
        layout: train.layout.clone(),
        notes: vec![],
    };
    let moments = fit::infer(config, &part, &trial)?;
    let rates = field.rates(&moments[0]);
    let total: usize = train.steps.iter().sum();
    let (mut gain, mut spikes) = (0.0, 0.0);
    for channel in (0..n).filter(|c| held(*c)) {
        let mean = train.counts.iter().skip(channel).step_by(n).sum::<f64>().max(0.5) / total as f64;
        for (y, rate) in test.iter().zip(&rates).skip(channel).step_by(n) {
            gain += y * (rate / mean).ln() - (rate - mean);
            spikes += y;
        }
    }
    Ok(gain / f64::max(spikes, 1.0) / std::f64::consts::LN_2)
}

/// Whittle's likelihood of posterior draws finds the kernel that made the data; of posterior means, it finds too little variance.
fn spectrum(claim: &mut Claim, seeds: &[u64], run: &Run) -> Result<()> {
    let steps = run.pick(1000, 2000);
    let truth = Kernel::matern(1, 1.0, 20.0);
    let chain = StateSpace::new(&truth, 0.0)?.chain(&Grid::regular(0.0, 1.0, steps));
    let window = whittle::Window::hann(steps);
    let (mut distance, mut lost) = (0.0, 0.0);
    for seed in seeds {
        let mut rng = Rng::new(*seed);
        let trials = 4;
        let (mut drawn, mut meant) = (vec![0.0; steps / 2], vec![0.0; steps / 2]);
        for _ in 0..trials {
            let f = sample::outputs(&chain, &sample::prior(&chain, &mut rng));
            // Much noise, so that means and draws differ.
            let noise = vec![4.0; steps];
            let y: Vec<f64> = f.iter().map(|f| f + 2.0 * rng.normal()).collect();
            let evidence = Evidence::Observations { y: &y, noise: &noise };
            let mean = pass(&chain, evidence, Wants::Smoothed, None)?.mean;
            let paths = 5;
            for _ in 0..paths {
                let path = sample::posterior(&chain, evidence, None, &mut rng)?;
                let power = window.periodogram(&path);
                drawn.iter_mut().zip(power).for_each(|(a, b)| *a += b / f64::from(trials * paths));
            }
            meant.iter_mut().zip(window.periodogram(&mean)).for_each(|(a, b)| *a += b / f64::from(trials));
        }
        let best = |power: &[f64]| {
            let start = Kernel::matern(1, 0.7, 12.0);
            fit::improved(&start, |k| whittle::debiased(k, 1.0, &window, power))
        };
        let value = |kernel: &Kernel, i: usize| kernel.parameters()[i].value;
        distance += (value(&best(&drawn)?, 1) / 20.0).ln().abs();
        // The variance that the means keep, in the band that Whittle's likelihood sees.
        lost += 1.0 - meant.iter().sum::<f64>() / drawn.iter().sum::<f64>();
    }
    let count = seeds.len() as f64;
    claim.at_most("Whittle: distance of the lengthscale from the truth (log)", distance / count, None, 1.15f64.ln());
    claim.at_least("Whittle: share of the variance that posterior means lack", lost / count, Some(0.0), 0.1);
    Ok(())
}
