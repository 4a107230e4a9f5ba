//! k-means with careful seeding.

use elbo_core::Rng;
use rayon::prelude::*;

/// Rows that one parallel task handles; a constant, so that sums do not depend on the number of threads.
const CHUNK: usize = 1024;

/// Settings of [`kmeans`].
#[derive(Debug, Clone, PartialEq)]
pub struct KMeansConfig {
    /// Independent starts; the best is kept.
    pub restarts: usize,
    /// Lloyd's iterations per start, at most.
    pub iterations: usize,
    /// Rows used; of more, a random subset is taken.
    pub max_rows: usize,
    /// Stop when the inertia falls by less than this share.
    pub tolerance: f64,
}

impl Default for KMeansConfig {
    fn default() -> Self {
        Self { restarts: 3, iterations: 50, max_rows: 20_000, tolerance: 1e-4 }
    }
}

/// The result of [`kmeans`].
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// Centres, `[K, D]` row-major. There are fewer than asked for when there are fewer different rows.
    pub centres: Vec<f64>,
    /// Sum of squared distances of the used rows to their centres.
    pub inertia: f64,
}

/// k-means++ seeding and Lloyd's iterations on `x: [N, D]` row-major. The same seed gives the same bits for any number of threads.
///
/// # Source
/// Arthur and Vassilvitskii (2007). A cluster that loses all rows takes the row farthest from its centre.
pub fn kmeans(x: &[f64], dimension: usize, count: usize, config: &KMeansConfig, rng: &mut Rng) -> KMeans {
    assert!(dimension > 0 && x.len().is_multiple_of(dimension), "{} values are not rows of {dimension}", x.len());
    let n = x.len() / dimension;
    let subset: Vec<f64>;
    let rows = if n > config.max_rows {
        let chosen = rng.choose(n, config.max_rows);
        subset = chosen.iter().flat_map(|i| &x[i * dimension..(i + 1) * dimension]).copied().collect();
        &subset
    } else {
        x
    };
    let base = rng.fork();
    (0..config.restarts.max(1))
        .map(|restart| one_start(rows, dimension, count, config, &mut base.split(restart as u64)))
        .reduce(|best, next| if next.inertia < best.inertia { next } else { best })
        .expect("there is at least one start")
}

fn one_start(x: &[f64], d: usize, count: usize, config: &KMeansConfig, rng: &mut Rng) -> KMeans {
    let mut centres = seeds(x, d, count, rng);
    let mut last = f64::INFINITY;
    for _ in 0..config.iterations {
        let (inertia, sums, sizes, farthest) = assign(x, d, &centres);
        if inertia >= last * (1.0 - config.tolerance) || inertia == 0.0 {
            return KMeans { centres, inertia };
        }
        last = inertia;
        let mut spare = Some(farthest);
        for (k, size) in sizes.iter().enumerate() {
            let centre = &mut centres[k * d..(k + 1) * d];
            if *size > 0 {
                centre.iter_mut().zip(&sums[k * d..]).for_each(|(c, s)| *c = s / *size as f64);
            } else if let Some(row) = spare.take() {
                centre.copy_from_slice(&x[row * d..(row + 1) * d]);
            }
        }
    }
    let inertia = assign(x, d, &centres).0;
    KMeans { centres, inertia }
}

/// k-means++: each further centre is a row drawn with probability proportional to its squared distance to the centres so far.
fn seeds(x: &[f64], d: usize, count: usize, rng: &mut Rng) -> Vec<f64> {
    let n = x.len() / d;
    let mut centres = vec![];
    let mut nearest = vec![f64::INFINITY; n];
    for k in 0..count.min(n) {
        let row = if k == 0 {
            rng.below(n)
        } else if nearest.iter().all(|v| *v == 0.0) {
            break;
        } else {
            rng.weighted(&nearest)
        };
        let centre = &x[row * d..(row + 1) * d];
        nearest.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK * d)).for_each(|(nearest, rows)| {
            for (best, row) in nearest.iter_mut().zip(rows.chunks(d)) {
                *best = best.min(distance(row, centre));
            }
        });
        centres.extend_from_slice(centre);
    }
    centres
}

/// Inertia, sums and sizes of the clusters, and the row farthest from its centre.
fn assign(x: &[f64], d: usize, centres: &[f64]) -> (f64, Vec<f64>, Vec<usize>, usize) {
    let count = centres.len() / d;
    let parts: Vec<_> = x
        .par_chunks(CHUNK * d)
        .map(|rows| {
            let mut part = (0.0, vec![0.0; centres.len()], vec![0usize; count], (0, -1.0));
            for (i, row) in rows.chunks(d).enumerate() {
                let (mut best, mut least) = (0, f64::INFINITY);
                for (k, centre) in centres.chunks(d).enumerate() {
                    let square = distance(row, centre);
                    if square < least {
                        (best, least) = (k, square);
                    }
                }
                part.0 += least;
                part.1[best * d..(best + 1) * d].iter_mut().zip(row).for_each(|(s, v)| *s += v);
                part.2[best] += 1;
                if least > part.3.1 {
                    part.3 = (i, least);
                }
            }
            part
        })
        .collect();
    let mut total = (0.0, vec![0.0; centres.len()], vec![0usize; count], (0, -1.0));
    for (chunk, part) in parts.into_iter().enumerate() {
        total.0 += part.0;
        total.1.iter_mut().zip(part.1).for_each(|(t, p)| *t += p);
        total.2.iter_mut().zip(part.2).for_each(|(t, p)| *t += p);
        if part.3.1 > total.3.1 {
            total.3 = (chunk * CHUNK + part.3.0, part.3.1);
        }
    }
    (total.0, total.1, total.2, total.3.0)
}

/// The squared distance.
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
