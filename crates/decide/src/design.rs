//! First points, before anything is known.
//!
//! | design | choose it for |
//! |---|---|
//! | [`Design::Sobol`] | the default: even in all projections, best at powers of two |
//! | [`Design::LatinHypercube`] | every variable alone covered evenly, for any number of points |
//! | [`Design::Halton`] | a sequence that can be continued, in few dimensions |
//! | [`Design::Uniform`] | a baseline |
//! | [`factorial`] | few values a variable, all combinations |
//!
//! To add one, give it a variant and an arm in [`Design::points`]; `tests/it/designs.rs` then checks its range and its strata.

use crate::constraint::Polytope;
use crate::maximise::Region;
use crate::space::{Space, distance};
use elbo_core::Rng;
use elbo_dist::{Scramble, Sobol};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Latin hypercubes among which the one with the largest smallest distance is taken.
const LATIN_TRIES: usize = 100;

/// A way to spread points over the unit cube.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// A scrambled Sobol sequence.
    #[default]
    Sobol,
    /// A random permutation of strata in each dimension, the best of 100 by its smallest distance.
    LatinHypercube,
    /// Halton's sequence, each digit's place permuted at random.
    Halton,
    /// Independent uniform points.
    Uniform,
}

impl Design {
    /// `count` points of the unit cube, `[count][dims]`.
    pub fn points(self, count: usize, dims: usize, rng: &mut Rng) -> Vec<Vec<f64>> {
        match self {
            Self::Sobol if dims <= Sobol::MAX_DIMENSION => {
                let sobol = Sobol::new(dims, Scramble::Owen, rng);
                (0..count as u64).map(|i| sobol.point(i)).collect()
            }
            Self::LatinHypercube => latin_hypercube(count, dims, rng),
            Self::Halton => halton(count, dims, rng),
            Self::Sobol | Self::Uniform => (0..count).map(|_| rng.uniforms(dims)).collect(),
        }
    }
}

fn latin_hypercube(count: usize, dims: usize, rng: &mut Rng) -> Vec<Vec<f64>> {
    let mut best: (f64, Vec<Vec<f64>>) = (f64::NEG_INFINITY, vec![]);
    // Pairs grow with the square of the count; large designs are even enough without many tries.
    let tries = if count > 200 { 1 } else { LATIN_TRIES };
    for _ in 0..tries {
        let columns: Vec<Vec<usize>> = (0..dims).map(|_| rng.permutation(count)).collect();
        let points: Vec<Vec<f64>> = (0..count)
            .map(|i| columns.iter().map(|c| (c[i] as f64 + rng.uniform()) / count as f64).collect())
            .collect();
        let pairs = (0..count).flat_map(|i| (0..i).map(move |j| (i, j)));
        let smallest = pairs.map(|(i, j)| distance(&points[i], &points[j])).fold(f64::INFINITY, f64::min);
        if smallest > best.0 {
            best = (smallest, points);
        }
    }
    best.1
}

fn halton(count: usize, dims: usize, rng: &mut Rng) -> Vec<Vec<f64>> {
    let bases = primes(dims);
    // One permutation a base, with zero kept so that short expansions stay short.
    let digits: Vec<Vec<usize>> = bases
        .iter()
        .map(|base| {
            let mut tail: Vec<usize> = (1..*base).collect();
            rng.shuffle(&mut tail);
            std::iter::once(0).chain(tail).collect()
        })
        .collect();
    let shifts = rng.uniforms(dims);
    let coordinate = |index: usize, d: usize| {
        let (base, mut rest, mut value, mut unit) = (bases[d], index + 1, 0.0, 1.0);
        while rest > 0 {
            unit /= base as f64;
            value += digits[d][rest % base] as f64 * unit;
            rest /= base;
        }
        (value + shifts[d]).fract()
    };
    (0..count).map(|i| (0..dims).map(|d| coordinate(i, d)).collect()).collect()
}

fn primes(count: usize) -> Vec<usize> {
    let mut found: Vec<usize> = vec![];
    let mut candidate = 2;
    while found.len() < count {
        if found.iter().take_while(|p| *p * *p <= candidate).all(|p| !candidate.is_multiple_of(*p)) {
            found.push(candidate);
        }
        candidate += 1;
    }
    found
}

/// All combinations of `levels[d]` equally spaced values of each dimension, ends included; the middle where there is one.
pub fn factorial(levels: &[usize]) -> Vec<Vec<f64>> {
    let total: usize = levels.iter().product();
    let value = |index: usize, count: usize| if count == 1 { 0.5 } else { index as f64 / (count - 1) as f64 };
    (0..total)
        .map(|mut index| {
            let each = levels.iter().map(|count| {
                let digit = index % count;
                index /= count;
                value(digit, *count)
            });
            each.collect()
        })
        .collect()
}

/// The default number of first points: `max(5, 2 D)`.
pub fn default_size(dims: usize) -> usize {
    (2 * dims).max(5)
}

/// The number of first points where trials are known to be noisy: `max(5, 4 D)`.
pub fn default_size_with_noise(dims: usize) -> usize {
    (4 * dims).max(5)
}

/// `count` encoded points that keep away from each other and from `taken`: the design itself where nothing is taken, otherwise one after the other
/// the candidate farthest from all. Fewer when a discrete space has no more points.
pub fn fill(space: &Space, design: Design, count: usize, taken: &[&[f64]], rng: &mut Rng) -> Vec<Vec<f64>> {
    fill_within(space, &Polytope::default(), design, count, taken, rng)
}

/// [`fill`] with points that keep linear limits: those of a design sixteen times as large that do, and then, farthest from all, places that do or that
/// are moved to where they do.
pub fn fill_within(
    space: &Space,
    limits: &Polytope,
    design: Design,
    count: usize,
    taken: &[&[f64]],
    rng: &mut Rng,
) -> Vec<Vec<f64>> {
    const CANDIDATES: usize = 512;
    const SPARE: usize = 16;
    let dims = space.dims();
    let mut chosen: Vec<Vec<f64>> = vec![];
    let offer = |point: Vec<f64>, chosen: &mut Vec<Vec<f64>>| {
        let is_new = taken.iter().copied().chain(chosen.iter().map(Vec::as_slice)).all(|t| distance(t, &point) > 1e-6);
        if is_new && chosen.len() < count {
            chosen.push(point);
        }
    };
    if taken.is_empty() {
        let drawn = if limits.is_whole() { count } else { SPARE * count };
        let points = design.points(drawn, dims, rng).into_iter().map(|u| space.from_cube(&u));
        points.filter(|point| limits.contains(point)).for_each(|point| offer(point, &mut chosen));
    }
    // Twice as many as there will be points; none where none is wanted.
    let candidates = if count == 0 { 0 } else { CANDIDATES.max(2 * (count + taken.len())) };
    let region = Region { limits: limits.clone(), ..Region::whole(space.width()) };
    let candidates: Vec<Vec<f64>> = match space.enumerate(4 * candidates as u64) {
        Some(all) => all,
        None => Design::Sobol.points(candidates, dims, rng).iter().map(|u| space.from_cube(u)).collect(),
    };
    let candidates: Vec<Vec<f64>> = candidates.into_iter().filter_map(|point| region.keeping(space, point)).collect();
    let nearest = |point: &[f64], chosen: &[Vec<f64>]| {
        let all = taken.iter().copied().chain(chosen.iter().map(Vec::as_slice));
        all.map(|t| distance(t, point)).fold(f64::INFINITY, f64::min)
    };
    let mut distances: Vec<f64> = candidates.iter().map(|c| nearest(c, &chosen)).collect();
    while chosen.len() < count {
        let Some(best) = (0..candidates.len()).max_by(|a, b| distances[*a].total_cmp(&distances[*b])) else { break };
        if distances[best] <= 1e-6 {
            break;
        }
        let point = candidates[best].clone();
        for (d, candidate) in distances.iter_mut().zip(&candidates) {
            *d = d.min(distance(&point, candidate));
        }
        chosen.push(point);
    }
    chosen
}
