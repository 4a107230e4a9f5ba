//! The probability flow dx/d ln σ = x - x̂₀(x, σ), solved to a tolerance, and the log density it carries along.

use crate::denoiser::{Denoiser, estimate};
use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use elbo_tensor::{Tensor, vjp};

use super::Sampled;

/// Steps after which a flow is given up.
const MOST_STEPS: usize = 10_000;

/// How the divergence of the flow is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Exactly, by as many backward passes as there are dimensions; for up to 64 or so.
    Exact,
    /// By this many random probes of ±1 (Hutchinson): unbiased.
    Probes(usize),
}

/// Log densities of points.
#[derive(Debug, Clone)]
pub struct LogLikelihood {
    /// Nats, `[N]`.
    pub value: Vec<f64>,
    /// Standard error over the probes, `[N]`; zero when the trace is exact, NaN with one probe.
    pub se: Vec<f64>,
    /// Evaluations of the denoiser.
    pub evaluations: usize,
}

/// Carries points `x: [N, D]` along the flow from one level to another, in either direction, with an adaptive Runge-Kutta pair of
/// orders 5 and 4.
///
/// # Errors
/// [`Error::Setting`] for levels or a tolerance that are not positive, [`Error::Numerical`] when the flow is too stiff.
pub fn flow(denoiser: &dyn Denoiser, x: &Tensor, from: f64, to: f64, tolerance: f64) -> Result<Sampled> {
    let shape = [x.size(0), x.size(1)];
    let mut evaluations = 0;
    let slope = |log_sigma: f64, state: &[f64]| {
        evaluations += 1;
        let x = Tensor::from_slice(state, &shape);
        (&x - estimate(denoiser, &x, log_sigma.exp())).to_vec()
    };
    let end = integrate(slope, x.to_vec(), (from, to), tolerance)?;
    Ok(Sampled { x: Tensor::from_vec(end, &shape), evaluations })
}

/// log p of clean points `x: [N, D]` at the level `low`, by carrying them to the level `high`, where the law is taken to be normal with
/// the data's variance (one) and the noise's:
///
/// $$ \log p(x) = \log p_{\mathrm{high}}(x') + \int \mathrm{div}\,(x - \hat x_0) \; d \ln \sigma. $$
///
/// # Errors
/// As [`flow`](flow()).
pub fn log_likelihood(
    denoiser: &dyn Denoiser,
    x: &Tensor,
    (low, high): (f64, f64),
    trace: Trace,
    tolerance: f64,
    rng: &mut Rng,
) -> Result<LogLikelihood> {
    let (n, d) = (x.size(0), x.size(1));
    let probes: Vec<Tensor> = match trace {
        Trace::Exact => vec![],
        Trace::Probes(count) => {
            ensure_within("probes", count, 1..)?;
            let signs = |rng: &mut Rng| rng.uniforms(n * d).iter().map(|u| if *u < 0.5 { -1.0 } else { 1.0 }).collect();
            (0..count).map(|_| Tensor::from_vec(signs(rng), &[n, d])).collect()
        }
    };
    let integrals = probes.len().max(1);
    let mut evaluations = 0;
    let slope = |log_sigma: f64, state: &[f64]| {
        evaluations += 1;
        let x = Tensor::from_slice(&state[..n * d], &[n, d]).variable();
        let clean = denoiser.denoise(&x, log_sigma.exp());
        let mut out = (x.detach() - clean.detach()).to_vec();
        if probes.is_empty() {
            let mut trace = vec![0.0; n];
            for j in 0..d {
                let unit: Vec<f64> = (0..n * d).map(|i| if i % d == j { 1.0 } else { 0.0 }).collect();
                let row = vjp(&clean, &[&x], &Tensor::from_vec(unit, &[n, d]), false).remove(0);
                trace.iter_mut().zip(row.select(1, j).to_vec()).for_each(|(t, v)| *t += v);
            }
            out.extend(trace.iter().map(|t| d as f64 - t));
        }
        for probe in &probes {
            let pulled = vjp(&clean, &[&x], probe, false).remove(0);
            out.extend((pulled * probe).sum_axis(1, false).to_vec().iter().map(|t| d as f64 - t));
        }
        out
    };
    let start: Vec<f64> = x.to_vec().into_iter().chain(std::iter::repeat_n(0.0, n * integrals)).collect();
    let end = integrate(slope, start, (low, high), tolerance)?;
    let variance = high * high + 1.0;
    let mut found = LogLikelihood { value: vec![], se: vec![], evaluations };
    for i in 0..n {
        let square: f64 = end[i * d..(i + 1) * d].iter().map(|v| v * v).sum();
        let base = -0.5 * (square / variance + d as f64 * (std::f64::consts::TAU * variance).ln());
        let each: Vec<f64> = (0..integrals).map(|k| end[n * d + k * n + i]).collect();
        let mean = each.iter().sum::<f64>() / integrals as f64;
        found.value.push(base + mean);
        found.se.push(if probes.is_empty() {
            0.0
        } else {
            let spread: f64 = each.iter().map(|v| (v - mean).powi(2)).sum();
            (spread / (integrals as f64 - 1.0) / integrals as f64).sqrt()
        });
    }
    Ok(found)
}

/// Coefficients of Dormand and Prince (1980): the rows of the tableau; the last one is the solution of order 5.
const TABLEAU: [&[f64]; 6] = [
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
const TIMES: [f64; 6] = [0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0];
/// Order 5 minus order 4.
const ERROR: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];

/// Solves dy/d ln σ = f(ln σ, y) between two levels.
fn integrate(
    mut f: impl FnMut(f64, &[f64]) -> Vec<f64>,
    start: Vec<f64>,
    (from, to): (f64, f64),
    tolerance: f64,
) -> Result<Vec<f64>> {
    for (name, level) in [("from", from), ("to", to)] {
        ensure(name, level, level > 0.0 && level.is_finite(), "a noise level above 0")?;
    }
    ensure("tolerance", tolerance, tolerance > 0.0 && tolerance < 1.0, "in (0, 1)")?;
    let (mut t, end) = (from.ln(), to.ln());
    let direction = (end - t).signum();
    let mut y = start;
    let mut first = f(t, &y);
    let mut h = 0.05f64.min((end - t).abs());
    for _ in 0..MOST_STEPS {
        if (end - t).abs() < 1e-13 {
            return Ok(y);
        }
        h = h.min((end - t).abs());
        let step = direction * h;
        let mut stages = vec![first.clone()];
        let mut next = vec![];
        for (row, time) in TABLEAU.iter().zip(TIMES) {
            next = y.clone();
            for (weight, stage) in row.iter().zip(&stages) {
                next.iter_mut().zip(stage).for_each(|(y, k)| *y += step * weight * k);
            }
            stages.push(f(t + time * step, &next));
        }
        // Root mean square over all numbers, each in the unit of its tolerance.
        let square: f64 = (0..y.len())
            .map(|i| {
                let error: f64 = ERROR.iter().zip(&stages).map(|(w, k)| step * w * k[i]).sum();
                (error / (tolerance * (1.0 + y[i].abs().max(next[i].abs())))).powi(2)
            })
            .sum();
        let error = (square / y.len() as f64).sqrt();
        if !error.is_finite() {
            h *= 0.1;
        } else {
            if error <= 1.0 {
                t += step;
                y = next;
                // The last stage is the first of the next step.
                first = stages.pop().expect("seven stages");
            }
            h *= (0.9 * error.max(1e-10).powf(-0.2)).clamp(0.2, 5.0);
        }
        if h < 1e-10 {
            break;
        }
    }
    Err(Error::numerical(
        format!("the flow between the levels {from:.3e} and {to:.3e} did not get beyond {:.3e}", t.exp()),
        "raise the lowest level or the tolerance",
    ))
}
