//! Learning a kernel's parameters from a series: starting values from the data, several starts, bounds.

use crate::batch;
use crate::kernel::{Form, Kernel};
use crate::series::{MarkovGp, Series};
use elbo_core::{Error, Progress, Result, Run, Step, Stop, drive};
use elbo_tensor::optim::{Lbfgs, LbfgsState};

/// Least variance of the noise, of a series of variance one.
pub const NOISE_FLOOR: f64 = 1e-6;

/// What the search did.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Log marginal likelihood at the best end, nats.
    pub log_marginal: f64,
    /// That of every start's end, nats.
    pub ends: Vec<f64>,
}

/// What a look at a series says before any search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glance {
    /// Share of the variance that a parabola leaves.
    pub rest: f64,
    /// The period given, or that which explains most of this rest, and the share of it that it explains.
    pub period: Option<(f64, f64)>,
}

/// Puts values that the data suggest where the user gave none. For a series of variance about one.
///
/// A kernel with a trend leaves what a parabola leaves to its other terms: repetitions start with the share of it that the found period
/// explains, Matérn terms with the others. Without a trend the first Matérn term has all. Lengthscales go from half the span, a tenth beside a
/// trend that bends, to five gaps, evenly in their logarithms, in the order of the terms; one that multiplies a periodic kernel is the span. Periods are
/// `period`.
pub fn suggest(kernel: &mut Kernel, series: &Series, glance: Glance, period: f64) {
    let times = series.grid().times();
    let span = (times[times.len() - 1] - times[0]).max(f64::MIN_POSITIVE);
    let mut gaps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    gaps.sort_by(f64::total_cmp);
    let gap = gaps.get(gaps.len() / 2).copied().unwrap_or(span);
    let (mut count, mut has_trend, mut bends) = (0, false, false);
    walk(kernel, false, &mut |form, parameters, in_product| {
        count += i32::from(has_lengthscale_of_time(form) && !in_product && !parameters[1].is_given);
        has_trend |= matches!(form, Form::Linear | Form::Wiener | Form::IntegratedWiener);
        bends |= form == Form::IntegratedWiener;
    });
    let long = if bends { 0.1 * span } else { 0.5 * span };
    let short = (5.0 * gap).min(long);
    let season = glance.period.map_or(0.0, |(_, share)| share);
    // Never nothing: a search on a logarithm does not come back from there.
    let rest = glance.rest.clamp(1e-3, 1.0);
    let repetition = rest * season.max(0.1);
    let others = rest * (1.0 - season).max(0.1);
    let mut index = 0;
    walk(kernel, false, &mut |form, parameters, in_product| {
        let repeats = in_product || matches!(form, Form::Periodic(_) | Form::Cosine);
        for p in parameters.iter_mut().filter(|p| !p.is_given) {
            p.value = match (p.name.as_str(), form) {
                ("variance", _) if p.is_fixed => 1.0,
                ("variance", Form::Linear) => 4.0 / (span * span),
                ("variance", Form::Wiener) => 1.0 / span,
                ("variance", Form::IntegratedWiener) => 3.0 / span.powi(3),
                ("variance", Form::Constant) if !in_product => 1.0,
                ("variance", _) if repeats => repetition,
                ("variance", _) if index == 0 && !has_trend => 1.0,
                ("variance", _) => others,
                ("period", _) => period,
                ("lengthscale", form) if has_lengthscale_of_time(form) && in_product => span,
                ("lengthscale", form) if has_lengthscale_of_time(form) => {
                    let share = if count > 1 { f64::from(index) / f64::from(count - 1) } else { 0.5 };
                    long.powf(1.0 - share) * short.powf(share)
                }
                _ => 1.0,
            };
        }
        if has_lengthscale_of_time(form) && !in_product && !parameters[1].is_given {
            index += 1;
        }
    });
}

/// Whether the lengthscale is in units of time; that of a periodic kernel is not.
fn has_lengthscale_of_time(form: Form) -> bool {
    matches!(form, Form::Matern(_) | Form::SquaredExponential(_))
}

fn walk(kernel: &mut Kernel, in_product: bool, visit: &mut dyn FnMut(Form, &mut Vec<crate::kernel::Parameter>, bool)) {
    match kernel {
        Kernel::Term(form, parameters) => visit(*form, parameters, in_product),
        Kernel::Sum(parts) => parts.iter_mut().for_each(|p| walk(p, in_product, visit)),
        Kernel::Product(parts) => parts.iter_mut().for_each(|p| walk(p, true, visit)),
    }
}

/// What a parabola leaves of a series, and the period that explains most of that: by least squares on a grid of frequencies (Lomb and Scargle's
/// periodogram), or how much a `given` one explains. No period for fewer than 16 values.
///
/// Periods lie between two median gaps and a third of the span; of 20,000 frequencies at most, the lowest first. Long series are judged by
/// their first 4,000 values.
pub fn glance(series: &Series, given: Option<f64>) -> Glance {
    let times = series.grid().times();
    let mut sorted: Vec<(f64, f64)> =
        series.steps().iter().zip(series.values()).filter(|(_, y)| !y.is_nan()).map(|(k, y)| (times[*k], *y)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    // A contiguous part keeps the gaps as they are.
    sorted.truncate(4000);
    let n = sorted.len() as f64;
    let nothing = Glance { rest: 1.0, period: None };
    if sorted.len() < 16 {
        return nothing;
    }
    let (first, span) = (sorted[0].0, sorted[sorted.len() - 1].0 - sorted[0].0);
    let mut gaps: Vec<f64> = sorted.windows(2).map(|w| w[1].0 - w[0].0).filter(|g| *g > 0.0).collect();
    if gaps.is_empty() {
        return nothing;
    }
    gaps.sort_by(f64::total_cmp);
    let gap = gaps[gaps.len() / 2];
    let residual = detrended(&sorted, first, span);
    let total: f64 = residual.iter().map(|r| r * r).sum();
    let mean = sorted.iter().map(|r| r.1).sum::<f64>() / n;
    let all: f64 = sorted.iter().map(|r| (r.1 - mean).powi(2)).sum();
    if total <= 1e-12 * n || all <= 0.0 {
        return Glance { rest: 0.0, period: None };
    }
    let rest = total / all;
    let explained = |frequency: f64| {
        let omega = std::f64::consts::TAU * frequency;
        let (mut cc, mut ss, mut cs, mut yc, mut ys) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for ((t, _), r) in sorted.iter().zip(&residual) {
            let (s, c) = (omega * (t - first)).sin_cos();
            cc += c * c;
            ss += s * s;
            cs += c * s;
            yc += r * c;
            ys += r * s;
        }
        let det = cc * ss - cs * cs;
        // Not a number where the frequency times the span is none.
        if det.is_nan() || det <= 1e-9 * f64::max(cc, ss).powi(2) {
            return 0.0;
        }
        (yc * yc * ss - 2.0 * yc * ys * cs + ys * ys * cc) / det / total
    };
    if let Some(period) = given {
        return Glance { rest, period: Some((period, explained(1.0 / period))) };
    }
    let best_of = |first: f64, width: f64, count: usize| {
        let better = |best: (f64, f64), i: usize| {
            let frequency = first + i as f64 * width;
            let share = explained(frequency);
            if share > best.1 { (frequency, share) } else { best }
        };
        (0..=count).fold((first, 0.0), better)
    };
    let (lowest, highest) = (3.0 / span, 0.5 / gap);
    // A sixth of the width of a peak; then a hundredth of that around the highest.
    let width = 1.0 / (6.0 * span);
    let count = ((highest - lowest) / width).clamp(0.0, 20_000.0) as usize;
    let (coarse, _) = best_of(lowest, width, count);
    let (frequency, share) = best_of(coarse - width, 0.01 * width, 200);
    Glance { rest, period: (share > 0.0).then_some((1.0 / frequency, share)) }
}

/// Residuals of the least-squares parabola.
fn detrended(rows: &[(f64, f64)], first: f64, span: f64) -> Vec<f64> {
    let basis = |t: f64| {
        let u = 2.0 * (t - first) / span - 1.0;
        [1.0, u, u * u - 1.0 / 3.0]
    };
    let (mut normal, mut right) = (vec![0.0; 9], vec![0.0; 3]);
    for (t, y) in rows {
        let b = basis(*t);
        for i in 0..3 {
            right[i] += b[i] * y;
            (0..3).for_each(|j| normal[i * 3 + j] += b[i] * b[j]);
        }
    }
    // With few distinct times the mean alone is taken off.
    if crate::small::solve(&mut normal, &mut right, 3, 1).is_none() {
        let mean = rows.iter().map(|r| r.1).sum::<f64>() / rows.len() as f64;
        right = vec![mean, 0.0, 0.0];
    }
    rows.iter().map(|(t, y)| y - basis(*t).iter().zip(&right).map(|(b, w)| b * w).sum::<f64>()).collect()
}

/// Maximises the log marginal likelihood of one or several series over the logarithms of all parameters that are not held and of the noise, by
/// L-BFGS, from the model as it is and then from starts around it. The model is left at the best end.
///
/// # Errors
/// Where the likelihood does not exist at the first start.
pub fn fit(gp: &mut MarkovGp, series: &[Series], starts: usize, iterations: usize, run: &mut Run) -> Result<Found> {
    let mut rng = run.rng.fork();
    let climb = Climb::new(gp, series);
    let centre = climb.pack(gp);
    let mut ends = vec![];
    let mut best: Option<(f64, Vec<f64>)> = None;
    for start in 0..starts {
        if start > 0 && run.must_stop() {
            run.mark_stopped_early();
            run.warn(format!("{start} of {starts} starts were tried before the fit was stopped"));
            break;
        }
        let mut x = centre.clone();
        if start > 0 {
            // A period is where the data put it; everything else may be off by a factor of three.
            x.iter_mut().zip(&climb.is_period).filter(|(_, p)| !**p).for_each(|(x, _)| *x += 0.8 * rng.normal());
        }
        let stop = Stop::after(iterations, "hyperparameters", "negative log likelihood (nats)");
        let outcome = drive(&climb, &mut x, &stop, run);
        match (outcome, &best) {
            (Ok(outcome), _) => {
                ends.push(-outcome.objective);
                if best.as_ref().is_none_or(|(value, _)| outcome.objective < *value) {
                    best = Some((outcome.objective, x));
                }
            }
            (Err(error), None) => return Err(error),
            (Err(Error::Stopped), Some(_)) => run.mark_stopped_early(),
            // A later start may lie where the likelihood does not exist.
            (Err(_), Some(_)) => {}
        }
    }
    let (value, x) = best.expect("the first start ended or returned its error");
    climb.unpack(&x, gp);
    Ok(Found { log_marginal: -value, ends })
}

struct Climb<'a> {
    series: &'a [Series],
    template: MarkovGp,
    free: Vec<usize>,
    is_period: Vec<bool>,
    bounds: Vec<(f64, f64)>,
}

impl<'a> Climb<'a> {
    fn new(gp: &MarkovGp, series: &'a [Series]) -> Self {
        let ends = |s: &Series| s.grid().times()[s.grid().len() - 1] - s.grid().times()[0];
        let span = series.iter().map(ends).fold(f64::MIN_POSITIVE, f64::max);
        let gap = series.iter().flat_map(|s| s.grid().gaps()).fold(f64::INFINITY, |a, g| a.min(*g)).min(span);
        let (mut free, mut is_period, mut bounds) = (vec![], vec![], vec![]);
        for (i, p) in gp.kernel.parameters().iter().enumerate().filter(|(_, p)| !p.is_fixed) {
            let around = |factor: f64| (p.value / factor, p.value * factor);
            let (low, high) = match p.name.as_str() {
                "period" => around(1.2),
                "lengthscale" if is_of_time(&gp.kernel, i) => (0.1 * gap.min(p.value), 100.0 * span.max(p.value)),
                "lengthscale" => (0.3f64.min(p.value), 30f64.max(p.value)),
                _ => around(1e6),
            };
            free.push(i);
            is_period.push(p.name == "period");
            bounds.push((low.ln(), high.ln()));
        }
        is_period.push(false);
        bounds.push((NOISE_FLOOR.ln(), 1e2f64.max(gp.noise).ln()));
        Self { series, template: gp.clone(), free, is_period, bounds }
    }

    fn pack(&self, gp: &MarkovGp) -> Vec<f64> {
        let parameters = gp.kernel.parameters();
        self.free.iter().map(|i| parameters[*i].value.ln()).chain([gp.noise.ln()]).collect()
    }

    fn unpack(&self, x: &[f64], gp: &mut MarkovGp) {
        let mut parameters = gp.kernel.parameters_mut();
        self.free.iter().zip(x).for_each(|(i, x)| parameters[*i].value = x.exp());
        gp.noise = x[x.len() - 1].exp();
    }

    fn evaluate(&self, x: &[f64]) -> Result<(f64, Vec<f64>)> {
        let mut gp = self.template.clone();
        self.unpack(x, &mut gp);
        let (value, gradient) = batch::gradient(&gp, self.series)?;
        let noise = gradient[gradient.len() - 1];
        Ok((-value, self.free.iter().map(|i| -gradient[*i]).chain([-noise]).collect()))
    }

    fn rule(&self) -> Lbfgs {
        Lbfgs { bounds: Some(self.bounds.clone()), value_tolerance: 1e-8, gradient_tolerance: 1e-4, ..Lbfgs::default() }
    }
}

/// Whether parameter `i` of a kernel belongs to a term with a lengthscale of time.
fn is_of_time(kernel: &Kernel, i: usize) -> bool {
    fn of(kernel: &Kernel, next: &mut usize, i: usize) -> Option<bool> {
        match kernel {
            Kernel::Term(form, parameters) => {
                *next += parameters.len();
                (i < *next).then_some(has_lengthscale_of_time(*form))
            }
            Kernel::Sum(parts) | Kernel::Product(parts) => parts.iter().find_map(|p| of(p, next, i)),
        }
    }
    of(kernel, &mut 0, i).unwrap_or(false)
}

impl Step<Vec<f64>> for Climb<'_> {
    type State = LbfgsState;

    fn init(&self, x: &mut Vec<f64>, _: &mut Run) -> Result<LbfgsState> {
        self.rule().start(x, &mut |x| self.evaluate(x))
    }

    fn step(&self, x: &mut Vec<f64>, state: &mut LbfgsState, _: &mut Run) -> Result<Progress> {
        self.rule().iterate(x, state, &mut |x| self.evaluate(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_whose_frequency_is_no_number_explains_nothing() {
        let times: Vec<f64> = (0..40).map(f64::from).collect();
        let y: Vec<f64> = times.iter().map(|t| (0.7 * t).sin()).collect();
        let series = Series::new(&times, &y).unwrap();
        let share = |period: f64| glance(&series, Some(period)).period.unwrap().1;
        assert_eq!(share(1e-310), 0.0);
        assert!(share(std::f64::consts::TAU / 0.7) > 0.9);
    }
}
