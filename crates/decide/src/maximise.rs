//! The place where a score is largest: many raw points, a few starts, gradients on the real variables, local search on the others.

use crate::acquisition::Acquisition;
use crate::bound::{Stop, minimise};
use crate::constraint::Polytope;
use crate::design::Design;
use crate::projected::minimise_projected;
use crate::space::{Space, distance};
use elbo_core::{Error, Result, Rng};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Closest that a candidate may come to a trial.
pub const TOO_CLOSE: f64 = 1e-6;
/// Best trials around which raw points are added, points around each, and their spread.
const BEST: usize = 5;
const AROUND: usize = 32;
const SPREAD: f64 = 0.05;
/// Places scored, and steps climbed, between two looks at the clock where there is a time limit.
const SCORED: usize = 64;
const CLIMBED: usize = 10;
/// Rounds of alternating between real and discrete variables.
const ROUNDS: usize = 8;

/// How hard to look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaximiseConfig {
    /// Raw points a variable; from the eighth variable on no more are added.
    #[schemars(range(min = 1))]
    pub raw: usize,
    /// Starts that are climbed from.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// Steps a climb, at most.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Discrete spaces of at most this many points are looked through completely.
    pub enumerate: u64,
    /// Seconds for each suggestion, after which the best place so far is taken; no limit where `null`. Suggestions then depend on the machine's speed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl Default for MaximiseConfig {
    fn default() -> Self {
        Self { raw: 128, starts: 8, steps: 100, enumerate: 2000, seconds: None }
    }
}

/// When to stop looking.
#[derive(Debug, Clone, Copy)]
struct Clock(Option<Instant>);

impl Clock {
    fn start(config: &MaximiseConfig) -> Self {
        let seconds = config.seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
        Self(seconds.and_then(|s| Instant::now().checked_add(s)))
    }

    fn is_over(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}

/// A part of the encoded space: bounds of the real columns, and linear limits. Discrete variables keep all values that keep the limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Lower bounds, `[E]`.
    pub low: Vec<f64>,
    /// Upper bounds, `[E]`.
    pub high: Vec<f64>,
    /// Linear limits.
    pub limits: Polytope,
}

impl Region {
    /// Everything.
    pub fn whole(width: usize) -> Self {
        Self { low: vec![0.0; width], high: vec![1.0; width], limits: Polytope::default() }
    }

    /// The nearest place that differs in real variables only and keeps the limits; the place itself where it keeps them, `None` where there is none.
    pub(crate) fn keeping(&self, space: &Space, point: Vec<f64>) -> Option<Vec<f64>> {
        if self.limits.contains(&point) {
            return Some(point);
        }
        self.limits.project(&point, &self.low, &self.high, &space.is_free(&point))
    }
}

/// A place and its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Encoded.
    pub point: Vec<f64>,
    /// The score.
    pub score: f64,
}

/// The best place for a score of one point, not closer than `1e-6` to any of `taken`.
///
/// `good` are trials around which to look too, best first.
///
/// # Errors
/// [`Error::Data`] when a discrete space has no point left.
pub fn maximise(
    score: &dyn Acquisition,
    space: &Space,
    config: &MaximiseConfig,
    good: &[&[f64]],
    taken: &[&[f64]],
    rng: &mut Rng,
) -> Result<Found> {
    maximise_within(score, space, &Region::whole(space.width()), config, (good, taken), rng)
}

/// [`maximise`] with real variables kept in a region. A discrete space that is small enough is looked through completely all the same.
///
/// # Errors
/// As [`maximise`]; [`Error::Data`] too where no place that was looked at keeps the region's limits.
pub fn maximise_within(
    score: &dyn Acquisition,
    space: &Space,
    region: &Region,
    config: &MaximiseConfig,
    (good, taken): (&[&[f64]], &[&[f64]]),
    rng: &mut Rng,
) -> Result<Found> {
    assert_eq!(score.count(), 1, "points are found one at a time");
    let width = space.width();
    let clock = Clock::start(config);
    let is_new = |point: &[f64]| taken.iter().all(|t| distance(t, point) > TOO_CLOSE);
    if let Some(all) = space.enumerate(config.enumerate) {
        let count = all.len();
        let left: Vec<Vec<f64>> = all.into_iter().filter(|p| is_new(p) && region.limits.contains(p)).collect();
        let scores = scored(score, &left, width, clock);
        let best = (0..left.len()).max_by(|a, b| ordered(scores[*a]).total_cmp(&ordered(scores[*b])).then(b.cmp(a)));
        return match best {
            Some(best) => Ok(Found { point: left[best].clone(), score: scores[best] }),
            None => Err(Error::data(
                format!(
                    "all {count} points of the space have been tried or are pending{}; there is nothing left to suggest",
                    if region.limits.is_whole() { "" } else { ", or break a constraint" }
                ),
                "widen the space, or ask for fewer points",
            )),
        };
    }
    let raw = raw_points(space, region, config, good, rng);
    if raw.is_empty() {
        return Err(Error::data(
            "no place that was looked at keeps the constraints",
            "loosen them, widen the space, or raise `maximise.raw`",
        ));
    }
    let scores: Vec<f64> = scored(score, &raw, width, clock).into_iter().map(ordered).collect();
    let starts = boltzmann(&scores, config.starts, rng);
    let climbed =
        |i: &usize| climb(score, space, region, config, Found { point: raw[*i].clone(), score: scores[*i] }, clock);
    let ends: Vec<Found> = starts.par_iter().map(climbed).collect();
    let mut found: Vec<Found> = ends.into_iter().filter(|f| f.score.is_finite() && is_new(&f.point)).collect();
    if found.is_empty() {
        // All climbs ended at trials: the best raw point that is none.
        let mut order: Vec<usize> = (0..raw.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let next = order.into_iter().find(|i| is_new(&raw[*i])).ok_or_else(|| {
            Error::data(
                format!("all of {} places that were looked at have been tried or are pending", raw.len()),
                "raise `maximise.enumerate` above the number of the space's points, or widen the space",
            )
        })?;
        found.push(Found { point: raw[next].clone(), score: scores[next] });
    }
    let best = found.iter().enumerate().max_by(|a, b| a.1.score.total_cmp(&b.1.score).then(b.0.cmp(&a.0)));
    Ok(best.expect("one was pushed").1.clone())
}

/// Scores of places, one after the other as far as the time goes, but at least of the first ones; minus infinity of the others.
fn scored(score: &dyn Acquisition, points: &[Vec<f64>], width: usize, clock: Clock) -> Vec<f64> {
    if clock.0.is_none() {
        return score.values(&points.concat(), width);
    }
    let of_block = |(i, block): (usize, &[Vec<f64>])| {
        if i > 0 && clock.is_over() {
            return vec![f64::NEG_INFINITY; block.len()];
        }
        score.values(&block.concat(), width)
    };
    points.chunks(SCORED).enumerate().flat_map(of_block).collect()
}

/// A score that can be sorted: what is not a number comes last.
fn ordered(score: f64) -> f64 {
    if score.is_nan() { f64::NEG_INFINITY } else { score }
}

fn raw_points(
    space: &Space,
    region: &Region,
    config: &MaximiseConfig,
    good: &[&[f64]],
    rng: &mut Rng,
) -> Vec<Vec<f64>> {
    let dims = space.dims();
    let mut raw: Vec<Vec<f64>> =
        Design::Sobol.points(config.raw * dims.min(8), dims, rng).iter().map(|u| space.from_cube(u)).collect();
    let best: Vec<Vec<f64>> = good.iter().take(BEST).map(|p| space.encode(&clamped(space, p))).collect();
    let is_real = space.is_real();
    let into = |e: usize, share: f64| region.low[e] + share * (region.high[e] - region.low[e]);
    for point in &mut raw {
        (0..point.len()).filter(|e| is_real[*e]).for_each(|e| point[e] = into(e, point[e]));
    }
    for i in 0..if best.is_empty() { 0 } else { AROUND } {
        let mut point = best[i % best.len()].clone();
        // One discrete variable in two changes; real ones always move.
        let neighbours = space.neighbours(&point);
        if !neighbours.is_empty() && rng.uniform() < 0.5 {
            point = neighbours[rng.below(neighbours.len())].clone();
        }
        for e in (0..point.len()).filter(|e| is_real[*e]) {
            point[e] = (point[e] + SPREAD * rng.normal()).clamp(region.low[e], region.high[e]);
        }
        raw.push(point);
    }
    for a in 0..best.len() {
        for b in 0..a {
            let middle: Vec<f64> = (0..best[a].len())
                .map(|e| {
                    let middle = (0.5 * (best[a][e] + best[b][e])).clamp(region.low[e], region.high[e]);
                    if is_real[e] { middle } else { best[a][e] }
                })
                .collect();
            raw.push(middle);
        }
    }
    raw.iter_mut().for_each(|point| space.settle(point));
    raw.into_iter().filter_map(|point| region.keeping(space, point)).collect()
}

/// Natural values moved into their ranges.
fn clamped(space: &Space, encoded: &[f64]) -> Vec<f64> {
    let inside: Vec<f64> = encoded.iter().map(|v| v.clamp(0.0, 1.0)).collect();
    space.decode(&inside)
}

/// The best, then a draw of the others by `exp` of the standardised score.
fn boltzmann(scores: &[f64], count: usize, rng: &mut Rng) -> Vec<usize> {
    let finite: Vec<usize> = (0..scores.len()).filter(|i| scores[*i].is_finite()).collect();
    let Some(&best) = finite.iter().max_by(|a, b| scores[**a].total_cmp(&scores[**b])) else {
        return (0..scores.len().min(count)).collect();
    };
    let n = finite.len() as f64;
    let mean = finite.iter().map(|i| scores[*i]).sum::<f64>() / n;
    let sd = (finite.iter().map(|i| (scores[*i] - mean).powi(2)).sum::<f64>() / n).sqrt().max(1e-300);
    let mut chosen = vec![best];
    let mut weights: Vec<f64> = scores
        .iter()
        .enumerate()
        .map(|(i, s)| if s.is_finite() && i != best { ((s - scores[best]) / sd).exp() } else { 0.0 })
        .collect();
    while chosen.len() < count.min(finite.len()) {
        if weights.iter().sum::<f64>() <= 0.0 {
            break;
        }
        let next = rng.weighted(&weights);
        weights[next] = 0.0;
        chosen.push(next);
    }
    chosen
}

/// Gradients on the real columns and best-improvement moves of the discrete variables, in turn.
fn climb(
    score: &dyn Acquisition,
    space: &Space,
    region: &Region,
    config: &MaximiseConfig,
    start: Found,
    clock: Clock,
) -> Found {
    if clock.is_over() {
        return start;
    }
    let any_discrete = space.is_real().iter().any(|r| !r);
    let mut point = start.point;
    let mut best = f64::NEG_INFINITY;
    for _ in 0..ROUNDS {
        let is_real = space.is_free(&point);
        if is_real.contains(&true) {
            let (end, value) = descend(score, &point, region, &is_real, config.steps, clock);
            point = end;
            best = value;
        } else if best == f64::NEG_INFINITY {
            best = ordered(score.values(&point, point.len())[0]);
        }
        if !any_discrete {
            break;
        }
        let before = best;
        while !clock.is_over() {
            let neighbours: Vec<Vec<f64>> =
                space.neighbours(&point).into_iter().filter_map(|p| region.keeping(space, p)).collect();
            let scores = score.values(&neighbours.concat(), point.len());
            let next = (0..scores.len()).max_by(|a, b| ordered(scores[*a]).total_cmp(&ordered(scores[*b])));
            match next {
                Some(next) if scores[next] > best + 1e-9 * best.abs().max(1.0) => {
                    best = scores[next];
                    point = neighbours[next].clone();
                }
                _ => break,
            }
        }
        if best <= before || clock.is_over() {
            break;
        }
    }
    Found { point, score: best }
}

/// Minus the score over the real columns: L-BFGS in the box, or projected gradients within linear limits. With a time limit, a few steps at once.
fn descend(
    score: &dyn Acquisition,
    start: &[f64],
    region: &Region,
    is_real: &[bool],
    steps: usize,
    clock: Clock,
) -> (Vec<f64>, f64) {
    let bound = |ends: &[f64]| (0..start.len()).map(|e| if is_real[e] { ends[e] } else { start[e] }).collect();
    let (low, high): (Vec<f64>, Vec<f64>) = (bound(&region.low), bound(&region.high));
    let objective = |x: &[f64], gradient: &mut [f64]| {
        let value = score.value_and_gradient(x, gradient);
        gradient.iter_mut().for_each(|g| *g = -*g);
        -value
    };
    let (mut x, mut value, mut left) = (start.to_vec(), f64::INFINITY, steps);
    loop {
        let some = if clock.0.is_some() { left.min(CLIMBED) } else { left };
        let stop = Stop { steps: some, gradient: 1e-6, decrease: 1e-8 };
        let end = if region.limits.is_whole() {
            minimise(objective, &x, &low, &high, stop)
        } else {
            minimise_projected(objective, &x, |p| region.limits.project(p, &low, &high, is_real), stop)
        };
        left -= some;
        let has_fallen = value.is_infinite() || end.value < value - 1e-8 * value.abs().max(1.0);
        (x, value) = (end.x, end.value);
        if left == 0 || !has_fallen || clock.is_over() {
            return (x, -value);
        }
    }
}
