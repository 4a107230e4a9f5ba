//! What trajectories are compared with: Gaussian noise on square roots of the counts, and dense Gaussian processes.

use super::field::Moments;
use super::fit;
use super::{CvhmConfig, Learn, Trials};
use elbo_core::{Result, Run};
use elbo_linalg::{Ladder, MatMut, MatRef, cholesky_with_jitter};
use elbo_markov::counts::{FieldSites, Readout};
use elbo_markov::{Evidence, Grid, Kernel, StateSpace, Wants, run as pass, sample, small, whittle};
use std::time::Instant;

/// Covariances of independent latents at regular bins, `[T L, T L]`, a step's latents side by side.
fn gram(kernels: &[Kernel], width: f64, steps: usize) -> Vec<f64> {
    let l = kernels.len();
    let n = steps * l;
    let mut k = vec![0.0; n * n];
    for (latent, kernel) in kernels.iter().enumerate() {
        let lags: Vec<f64> = (0..steps).map(|j| kernel.covariance(j as f64 * width, 0.0, 0.0)).collect();
        for t in 0..steps {
            (0..steps).for_each(|s| k[(t * l + latent) * n + s * l + latent] = lags[t.abs_diff(s)]);
        }
    }
    k
}

/// The posterior given sites, by dense algebra: with `J = G G'`, `V = K - K G (I + G' K G)⁻¹ G' K` and `m = V j`.
pub(super) fn dense_posterior(kernels: &[Kernel], width: f64, sites: &FieldSites, steps: usize) -> Result<Moments> {
    let l = kernels.len();
    let n = steps * l;
    let k = gram(kernels, width, steps);
    let mut gk = vec![0.0; n * n];
    let mut b = vec![0.0; n * n];
    let halves: Vec<Vec<f64>> =
        sites.precision.chunks_exact(l * l).map(|j| small::cholesky_semidefinite(j, l)).collect();
    for (t, g) in halves.iter().enumerate() {
        for i in 0..l {
            for a in i..l {
                let weight = g[a * l + i];
                let source = &k[(t * l + a) * n..(t * l + a + 1) * n];
                gk[(t * l + i) * n..(t * l + i + 1) * n].iter_mut().zip(source).for_each(|(g, k)| *g += weight * k);
            }
        }
    }
    for r in 0..n {
        for (t, g) in halves.iter().enumerate() {
            for i in 0..l {
                b[r * n + t * l + i] = (i..l).map(|a| gk[r * n + t * l + a] * g[a * l + i]).sum();
            }
        }
        b[r * n + r] += 1.0;
    }
    let factor = cholesky_with_jitter(MatRef::row_major(&b, n, n), Ladder::Fixed(0.0))?;
    factor.half_solve(MatMut::row_major(&mut gk, n, n));
    let taken = small::product(&gk, &sites.shift, n, n, 1);
    let mut out = Moments { mean: vec![0.0; n], covariance: vec![0.0; n * l], log_z: f64::NAN };
    for i in 0..n {
        out.mean[i] = (0..n).map(|j| k[i * n + j] * sites.shift[j]).sum();
        (0..l).for_each(|o| out.covariance[i * l + o] = k[i * n + i / l * l + o]);
    }
    for (r, row) in gk.chunks_exact(n).enumerate() {
        for i in 0..n {
            out.mean[i] -= row[i] * taken[r];
            (0..l).for_each(|o| out.covariance[i * l + o] -= row[i] * row[i / l * l + o]);
        }
    }
    Ok(out)
}

/// Seconds that a dense process needs for the factor of one update.
pub(super) fn dense_seconds(kernels: &[Kernel], steps: usize) -> Result<f64> {
    let n = steps * kernels.len();
    let mut k = gram(kernels, 1.0, steps);
    (0..n).for_each(|i| k[i * n + i] += 1.0);
    let start = Instant::now();
    let factor = cholesky_with_jitter(MatRef::row_major(&k, n, n), Ladder::Fixed(0.0))?;
    std::hint::black_box(factor.log_det());
    Ok(start.elapsed().as_secs_f64())
}

/// The same rounds for `sqrt(y) = c'f + d + noise`, exact inference: with squared exponential kernels, Gaussian process factor
/// analysis.
pub(super) fn square_roots(config: &CvhmConfig, trials: &Trials, run: &mut Run) -> Result<Vec<Moments>> {
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
    for (i, channel) in start.panel.kept.iter().enumerate() {
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
            out.push(Moments {
                mean: found.mean.into_vec(),
                covariance: found.covariance.into_vec(),
                log_z: found.log_z,
            });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dense_posterior_is_that_of_the_passes() {
        let kernels = [Kernel::matern(1, 1.2, 5.0), Kernel::matern(2, 0.7, 3.0)];
        let (steps, mut sites) = (25, FieldSites::flat(25, 2));
        for t in 0..steps {
            // Full, absent, and of rank one.
            let c = [[1.0, 0.4], [0.0, 0.0], [-0.3, 0.8]][t % 3];
            let more = if t % 3 == 0 { 0.5 } else { 0.0 };
            for i in 0..2 {
                sites.shift[2 * t + i] = c[i] * (t as f64).sin();
                (0..2).for_each(|j| sites.precision[4 * t + 2 * i + j] = c[i] * c[j] + if i == j { more } else { 0.0 });
            }
        }
        let dense = dense_posterior(&kernels, 0.7, &sites, steps).unwrap();
        let chain = StateSpace::of_latents(&kernels, 0.0).unwrap().chain(&Grid::regular(0.0, 0.7, steps));
        let evidence = Evidence::Sites { shift: &sites.shift, precision: &sites.precision };
        let found = pass(&chain, evidence, Wants::Smoothed, None).unwrap();
        for (a, b) in dense.mean.iter().zip(&found.mean).chain(dense.covariance.iter().zip(&found.covariance)) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
    }
}
