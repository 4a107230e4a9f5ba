//! Sparse posteriors of a long series: the states at `M` knots stand for all rows.
//!
//! Given the states at the knots around it, the function at a row has a mean `w' [x_m; x_{m+1}]` and a variance that no knot explains
//! ([`Bridge`]). A row's site acts on that mean, so the sites of all rows between two knots add up to one Gaussian on a pair of states, and pairs
//! of neighbours are a chain of their own: the recursions cost `O(M n³)`, a row `O(n²)`.
//!
//! For programs of your own: no system here has knots.
//!
//! # Source
//! Adam, Eleftheriadis, Artemev, Durrande and Hensman (2020), *Doubly sparse variational Gaussian processes*.

use crate::bridge::Bridge;
use crate::evidence::Evidence;
use crate::kernel::Kernel;
use crate::model::{Chain, Grid, Place, StateSpace, block_transition};
use crate::pass::{Wants, run};
use crate::process::{bound, sweep};
use crate::small::{identity, product, product_transposed, transposed};
use elbo_core::{Error, Result};
use elbo_gp::likelihood::Likelihood;
use elbo_gp::site::{Marginal, SiteRule, Sites};

/// A latent Gaussian process seen through a likelihood, its posterior given by the states at the knots.
pub struct SparseProcess {
    /// One site a row, on the part of `f` that the knots explain.
    pub sites: Sites,
    /// Sites whose precision the last sweep had to raise to nearly zero: there the likelihood is not log-concave.
    pub floored: usize,
    space: StateSpace,
    knots: Grid,
    /// The prior of pairs of neighbouring states.
    chain: Chain<f64>,
    rows: Vec<Row>,
    y: Vec<f64>,
    likelihood: Box<dyn Likelihood>,
}

/// What [`SparseProcess::posterior`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct SparsePosterior {
    /// Means of `f`, one a row.
    pub mean: Vec<f64>,
    /// Variances of `f`, one a row.
    pub variance: Vec<f64>,
    /// The part of each variance that is the knots' own; the rest is the prior's, given the knots.
    pub explained: Vec<f64>,
    /// Log of the integral of the prior times the sites, nats.
    pub log_z: f64,
}

/// How the function at a time follows from the pair of states around it.
struct Row {
    /// The pair, counted by its first knot.
    pair: usize,
    /// `[2 n]`.
    weights: Vec<f64>,
    /// Variance given both states.
    rest: f64,
}

/// Means `[M - 1, 2 n]` and covariances `[M - 1, 2 n, 2 n]` of pairs of neighbouring states, and the log normaliser.
struct Pairs {
    mean: Vec<f64>,
    covariance: Vec<f64>,
    log_z: f64,
}

impl SparseProcess {
    /// A process with flat sites. `times, y: [N]` in any order; `knots: [M]` increasing, from the first time or before to the last or after.
    /// Kernels that are not stationary start at the first knot.
    ///
    /// # Errors
    /// [`Error::Data`] for fewer than two knots, knots that do not increase, times that are not between them, and targets outside the likelihood's
    /// support; recoverable where a knot is so near to a time that the state between cannot be found.
    ///
    /// # Panics
    /// When there is not one target a time.
    pub fn new(
        kernel: &Kernel,
        likelihood: Box<dyn Likelihood>,
        (times, y): (&[f64], &[f64]),
        knots: &[f64],
    ) -> Result<Self> {
        assert_eq!(times.len(), y.len(), "one target a time");
        likelihood.check_targets(y)?;
        if knots.len() < 2 {
            return Err(Error::data(
                format!("{} knots have no time between them", knots.len()),
                "give at least the first and the last time",
            ));
        }
        let knots = Grid::new(knots)?;
        let space = StateSpace::new(kernel, knots.times()[0])?;
        let (chain, rows) = (of_pairs(&space.chain(&knots)), rows(&space, &knots, times)?);
        Ok(Self { sites: Sites::flat(y.len()), floored: 0, space, knots, chain, rows, y: y.to_vec(), likelihood })
    }

    /// The knots.
    pub fn knots(&self) -> &Grid {
        &self.knots
    }

    /// The posterior of the rows with the present sites.
    ///
    /// # Errors
    /// As [`run`].
    pub fn posterior(&self) -> Result<SparsePosterior> {
        let (log_z, marginals) = self.marginals()?;
        Ok(SparsePosterior {
            mean: marginals.iter().map(|m| m.mean).collect(),
            variance: marginals.iter().map(|m| m.variance).collect(),
            explained: marginals.iter().map(|m| m.site_variance).collect(),
            log_z,
        })
    }

    /// Means and variances of `f` at other times between the knots.
    ///
    /// # Errors
    /// As [`SparseProcess::new`] for the times, and as [`run`].
    pub fn predict(&self, times: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let pairs = self.pairs()?;
        let read = |row: &Row| {
            let Marginal { mean, variance, .. } = self.read(&pairs, row);
            (mean, variance)
        };
        Ok(rows(&self.space, &self.knots, times)?.iter().map(read).unzip())
    }

    /// Updates sites until they change by less than `tolerance`, at most `sweeps` times. Returns the sweeps done.
    ///
    /// # Errors
    /// As [`run`]; recoverable where the sites diverge.
    pub fn infer(&mut self, rule: &dyn SiteRule, sweeps: usize, tolerance: f64) -> Result<usize> {
        for done in 0..sweeps {
            let (_, marginals) = self.marginals()?;
            let update = sweep(rule, self.likelihood.as_ref(), &self.y, &marginals, &mut self.sites)?;
            self.floored = update.floored;
            if update.change < tolerance {
                return Ok(done + 1);
            }
        }
        Ok(sweeps)
    }

    /// Evidence lower bound with the present sites, nats: `Σ E log p(y | f) - (Σ E log site - log Z)`. With Gaussian noise and sites it is the
    /// bound of the best posterior that these knots allow.
    ///
    /// # Errors
    /// As [`run`].
    pub fn elbo(&self) -> Result<f64> {
        let (log_z, marginals) = self.marginals()?;
        Ok(bound(self.likelihood.as_ref(), &self.y, &marginals, &self.sites, log_z))
    }

    /// Log normaliser, and the posterior of each row.
    fn marginals(&self) -> Result<(f64, Vec<Marginal>)> {
        let pairs = self.pairs()?;
        Ok((pairs.log_z, self.rows.iter().map(|row| self.read(&pairs, row)).collect()))
    }

    /// The sites of all rows as sites of pairs, and the chain of pairs smoothed under them.
    fn pairs(&self) -> Result<Pairs> {
        let (size, count) = (self.chain.size, self.chain.len());
        let (mut shift, mut precision) = (vec![0.0; count * size], vec![0.0; count * size * size]);
        for (k, row) in self.rows.iter().enumerate() {
            let (j, p) = (self.sites.shift[k], self.sites.precision[k]);
            let own = &mut precision[row.pair * size * size..(row.pair + 1) * size * size];
            for (a, left) in row.weights.iter().enumerate() {
                shift[row.pair * size + a] += j * left;
                for (b, right) in row.weights.iter().enumerate() {
                    own[a * size + b] += p * left * right;
                }
            }
        }
        let evidence = Evidence::Sites { shift: &shift, precision: &precision };
        let pass = run(&self.chain, evidence, Wants::Moments, None)?;
        Ok(Pairs { mean: pass.mean.into_vec(), covariance: pass.covariance.into_vec(), log_z: pass.log_z })
    }

    /// The posterior of a row.
    fn read(&self, pairs: &Pairs, row: &Row) -> Marginal {
        let size = self.chain.size;
        let covariance = &pairs.covariance[row.pair * size * size..(row.pair + 1) * size * size];
        let mean = dot(&row.weights, &pairs.mean[row.pair * size..(row.pair + 1) * size]);
        let site_variance = dot(&row.weights, &product(covariance, &row.weights, size, size, 1));
        Marginal { mean, variance: site_variance + row.rest, site_variance, offset: 0.0 }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The chain of pairs `[x_m; x_{m+1}]`: a step forgets the first state and draws a new second one. Its outputs are the pair itself.
fn of_pairs(chain: &Chain<f64>) -> Chain<f64> {
    let (n, size) = (chain.size, 2 * chain.size);
    let mut start = vec![0.0; size * size];
    let (first_a, first_q) = chain.transition(1);
    let (first_a, first_q) = (chain.dense(first_a), chain.dense(first_q));
    let across = product(&first_a, &chain.start, n, n, n);
    let second = product_transposed(&across, &first_a, n, n, n);
    let back = transposed(&across, n, n);
    let gaps = chain.a.len() / chain.packed;
    let (mut a, mut q) = (vec![0.0; gaps * size * size], vec![0.0; gaps * size * size]);
    for i in 0..n {
        for j in 0..n {
            start[i * size + j] = chain.start[i * n + j];
            start[i * size + n + j] = back[i * n + j];
            start[(n + i) * size + j] = across[i * n + j];
            start[(n + i) * size + n + j] = second[i * n + j] + first_q[i * n + j];
        }
    }
    for gap in 0..gaps {
        let own = gap * chain.packed..(gap + 1) * chain.packed;
        let (of_gap, noise) = (chain.dense(&chain.a[own.clone()]), chain.dense(&chain.q[own]));
        let at = gap * size * size;
        for i in 0..n {
            a[at + i * size + n + i] = 1.0;
            for j in 0..n {
                a[at + (n + i) * size + n + j] = of_gap[i * n + j];
                q[at + (n + i) * size + n + j] = noise[i * n + j];
            }
        }
    }
    Chain {
        places: vec![Place { at: 0, size, packed: 0 }],
        size,
        packed: size * size,
        outputs: size,
        h: identity(size),
        start,
        a,
        q,
        gap: chain.gap[1..].to_vec(),
    }
}

/// How the function at each of these times follows from the pair of states around it.
fn rows(space: &StateSpace, knots: &Grid, times: &[f64]) -> Result<Vec<Row>> {
    let (at, last) = (knots.times(), knots.len() - 1);
    let one = |(i, t): (usize, &f64)| {
        if !(at[0]..=at[last]).contains(t) {
            return Err(Error::data(
                format!("the time {t} of row {} is not between the knots {} and {}", i + 1, at[0], at[last]),
                "place the first knot before all times, and the last one after them",
            ));
        }
        let pair = at.partition_point(|knot| knot <= t).saturating_sub(1).min(last - 1);
        between(space, pair, (t - at[pair], at[pair + 1] - t)).ok_or_else(|| {
            Error::recoverable(
                format!("the time {t} of row {} and the knots around it are too near to one another", i + 1),
                "leave out one of the knots",
            )
        })
    };
    times.iter().enumerate().map(one).collect()
}

/// Blocks do not know of each other, so each has a bridge of its own. `None` where one cannot be found.
fn between(space: &StateSpace, pair: usize, (before, after): (f64, f64)) -> Option<Row> {
    let n = space.size();
    let mut row = Row { pair, weights: vec![0.0; 2 * n], rest: 0.0 };
    for (block, place) in space.blocks().iter().zip(space.places()) {
        let (scale, size) = (block.scale, place.size);
        if before == 0.0 || after == 0.0 {
            // At a knot.
            row.weights[place.at + if before == 0.0 { 0 } else { n }] = scale;
            continue;
        }
        let (a1, q1) = block_transition::<f64>(block, &block.rates, before);
        if q1.iter().all(|q| *q == 0.0) {
            // Nothing happens by chance: the first state says it all.
            (0..size).for_each(|j| row.weights[place.at + j] = scale * a1[j]);
            continue;
        }
        let (a2, q2) = block_transition::<f64>(block, &block.rates, after);
        let bridge = Bridge::new((&a1, &q1), (&a2, &q2), size)?;
        for j in 0..size {
            row.weights[place.at + j] = scale * bridge.weights[j];
            row.weights[n + place.at + j] = scale * bridge.weights[size + j];
        }
        // Rounding must not make it negative next to a knot.
        row.rest += scale * scale * bridge.covariance[0].max(0.0);
    }
    Some(row)
}
