//! Centre and size of the latents, between two rounds.
//!
//! Counts do not tell `f` from `f + a` with offsets `d - C a`, nor `f` from `s f` with loadings `C / s`; only the prior does. Rounds that learn
//! the readout from posteriors, and posteriors from the readout, creep along these directions. Both have a closed form.
//!
//! # Source
//! Parameter expansion: Liu, Rubin and Wu (1998). The centre is a Newton step with the posteriors profiled out.

use super::CvhmConfig;
use super::field::{Field, Moments, bound, posterior};
use super::fit::rescale;
use super::panel::Trial;
use elbo_core::Result;
use elbo_markov::counts::FieldSites;
use elbo_markov::small;
use elbo_markov::{Grid, Kernel};
use rayon::prelude::*;

/// What one trial says about constants `a: [L]` that are added to its latents. With sites `j, J` and the posterior `N(m, V)` that they leave,
/// `log Z(a) = log Z + a' (Σ J m - j) - a' (Σ J - B) a / 2` and `B = (J 1)' V (J 1)`.
struct Response {
    /// `V J 1`, one column a latent, `[L][T, L]`: how the means follow.
    columns: Vec<Vec<f64>>,
    /// `Σ J m`, `[L]`.
    pulled: Vec<f64>,
    /// `Σ J m - j`, `[L]`.
    slope: Vec<f64>,
    /// `B: [L, L]`.
    b: Vec<f64>,
    /// `Σ J - B: [L, L]`.
    curvature: Vec<f64>,
}

impl Response {
    fn new(
        config: &CvhmConfig,
        kernels: &[Kernel],
        grid: &Grid,
        sites: &FieldSites,
        moments: &Moments,
    ) -> Result<Self> {
        let l = kernels.len();
        let ones = |latent: usize| -> Vec<f64> { sites.precision.iter().skip(latent).step_by(l).copied().collect() };
        let mut columns = vec![];
        for latent in 0..l {
            let shifted = FieldSites { shift: ones(latent), precision: sites.precision.clone() };
            columns.push(posterior(config, kernels, &shifted, grid)?.mean);
        }
        let (mut pulled, mut slope) = (vec![0.0; l], vec![0.0; l]);
        let (mut b, mut curvature) = (vec![0.0; l * l], vec![0.0; l * l]);
        for i in 0..l {
            let along = ones(i);
            pulled[i] = inner(&along, &moments.mean);
            slope[i] = pulled[i] - sites.shift.iter().skip(i).step_by(l).sum::<f64>();
            for k in 0..l {
                b[i * l + k] = inner(&along, &columns[k]);
                curvature[i * l + k] = along.iter().skip(k).step_by(l).sum::<f64>() - b[i * l + k];
            }
        }
        Ok(Self { columns, pulled, slope, b, curvature })
    }

    /// Sites and posterior of the latents moved by `a`.
    fn moved(&self, sites: &FieldSites, moments: &Moments, a: &[f64]) -> (FieldSites, Moments) {
        let l = a.len();
        let (mut sites, mut moments) = (sites.clone(), moments.clone());
        sites.shift.iter_mut().zip(sites.precision.chunks_exact(l)).for_each(|(j, row)| *j += inner(row, a));
        for (column, a) in self.columns.iter().zip(a) {
            moments.mean.iter_mut().zip(column).for_each(|(m, w)| *m += a * w);
        }
        moments.log_z += inner(&self.pulled, a) + 0.5 * inner(&small::product(&self.b, a, l, l, 1), a);
        (sites, moments)
    }
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Moves every latent by a constant and the offsets against it, to the largest evidence of the sites. `elbo` is the bound before, in nats; steps that
/// lower it are halved.
///
/// # Errors
/// As [`posterior`].
pub(super) fn centre(
    config: &CvhmConfig,
    field: &mut Field,
    (sites, moments): (&mut [FieldSites], &mut [Moments]),
    trials: &[Trial],
    elbo: f64,
) -> Result<()> {
    let l = field.readout.latents;
    let responses: Vec<Response> = sites
        .par_iter()
        .zip(moments.par_iter())
        .zip(trials)
        .map(|((sites, moments), trial)| Response::new(config, &field.kernels, &trial.grid, sites, moments))
        .collect::<Result<_>>()?;
    let (mut slope, mut curvature) = (vec![0.0; l], vec![0.0; l * l]);
    for response in &responses {
        slope.iter_mut().zip(&response.slope).for_each(|(a, b)| *a += b);
        curvature.iter_mut().zip(&response.curvature).for_each(|(a, b)| *a += b);
    }
    // Where counts say nothing about some direction, all latents stay where they are.
    let Some(factor) = small::cholesky(&curvature, l) else { return Ok(()) };
    let mut a = small::cholesky_solve(&factor, &slope, l, 1);
    let (likelihoods, caps) = (field.likelihoods(), field.panel.emission.caps());
    for _ in 0..6 {
        let mut readout = field.readout.clone();
        readout.d.iter_mut().zip(field.readout.c.chunks_exact(l)).for_each(|(d, c)| *d -= inner(c, &a));
        let moved: Vec<(FieldSites, Moments, f64)> = responses
            .par_iter()
            .zip(sites.par_iter().zip(moments.par_iter()))
            .zip(trials)
            .map(|((response, (sites, moments)), trial)| {
                let (sites, moments) = response.moved(sites, moments, &a);
                let (bound, _) = bound((likelihoods.as_slice(), caps), &readout, trial.seen(), &sites, &moments);
                (sites, moments, bound)
            })
            .collect();
        // Less than rounding is no fall.
        if moved.iter().map(|(_, _, bound)| bound).sum::<f64>() >= elbo - 1e-10 * elbo.abs() {
            field.readout = readout;
            for ((own_sites, own_moments), (to_sites, to_moments, _)) in sites.iter_mut().zip(moments).zip(moved) {
                (*own_sites, *own_moments) = (to_sites, to_moments);
            }
            return Ok(());
        }
        a.iter_mut().for_each(|a| *a *= 0.5);
    }
    Ok(())
}

/// Scales every kernel to the size that its latent has: `E f' K⁻¹ f / T`, one where they agree. With `K⁻¹ m = j - J m` and `K⁻¹ V = I - J V` it is
/// linear in the number of bins.
pub(super) fn stretch(kernels: &mut [Kernel], sites: &[FieldSites], moments: &[Moments]) {
    let l = kernels.len();
    for (i, kernel) in kernels.iter_mut().enumerate() {
        let (mut size, mut count) = (0.0, 0.0);
        for (sites, moments) in sites.iter().zip(moments) {
            for t in 0..sites.shift.len() / l {
                let row = &sites.precision[(t * l + i) * l..(t * l + i + 1) * l];
                let mean = &moments.mean[t * l..(t + 1) * l];
                let spread: f64 = (0..l).map(|k| row[k] * moments.covariance[(t * l + k) * l + i]).sum();
                size += 1.0 - spread + mean[i] * (sites.shift[t * l + i] - inner(row, mean));
                count += 1.0;
            }
        }
        // Far from the end a round may ask for more than its posteriors can tell.
        rescale(kernel, (size / count).clamp(0.1, 10.0));
    }
}
