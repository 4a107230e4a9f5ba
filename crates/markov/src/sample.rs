//! Draws of paths: from the prior, and given evidence.

use crate::evidence::Evidence;
use crate::model::Chain;
use crate::pass::{Wants, run};
use crate::small;
use elbo_core::{Result, Rng};

/// A path of the state from the prior, `[T, n]`.
pub fn prior(chain: &Chain<f64>, rng: &mut Rng) -> Vec<f64> {
    prior_of(chain, &mut || rng.normal())
}

/// The path of these standard normals, in the order of time.
fn prior_of(chain: &Chain<f64>, normal: &mut dyn FnMut() -> f64) -> Vec<f64> {
    let n = chain.size;
    let factors = factors(chain);
    let start = small::cholesky_semidefinite(&chain.start, n);
    let noise: Vec<f64> = (0..n).map(|_| normal()).collect();
    let mut path = small::product(&start, &noise, n, n, 1);
    path.reserve(n * (chain.len() - 1));
    for k in 1..chain.len() {
        let (a, _) = chain.transition(k);
        let gap = chain.gap[k - 1] as usize * chain.packed;
        for place in &chain.places {
            let noise: Vec<f64> = (0..place.size).map(|_| normal()).collect();
            for i in 0..place.size {
                let row = place.packed + i * place.size;
                let mut sum = 0.0;
                for l in 0..place.size {
                    sum += a[row + l] * path[(k - 1) * n + place.at + l] + factors[gap + row + l] * noise[l];
                }
                path.push(sum);
            }
        }
    }
    path
}

/// Lower factors of the process covariances, packed as they are.
fn factors(chain: &Chain<f64>) -> Vec<f64> {
    let mut out = Vec::with_capacity(chain.q.len());
    if chain.packed > 0 {
        for q in chain.q.chunks_exact(chain.packed) {
            for place in &chain.places {
                let own = &q[place.packed..place.packed + place.size * place.size];
                out.extend(small::cholesky_semidefinite(own, place.size));
            }
        }
    }
    out
}

/// The outputs of a path of the state, `[T, L]`.
pub fn outputs(chain: &Chain<f64>, path: &[f64]) -> Vec<f64> {
    read(&chain.h, path, chain.size)
}

fn read(rows: &[f64], path: &[f64], n: usize) -> Vec<f64> {
    let dot = |row: &[f64], x: &[f64]| row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
    path.chunks_exact(n).flat_map(|x| rows.chunks_exact(n).map(move |row| dot(row, x))).collect()
}

/// A draw given the evidence, of the rows asked for (the outputs where `None`), `[T, R]`: a path and data from the prior, and the
/// smoothed difference of the data (Durbin and Koopman 2002). One smoother pass a draw; no covariance is factored but the transitions'.
///
/// # Errors
/// As [`run`].
pub fn posterior(
    chain: &Chain<f64>,
    evidence: Evidence<'_, f64>,
    rows: Option<&[f64]>,
    rng: &mut Rng,
) -> Result<Vec<f64>> {
    posterior_of(chain, evidence, rows, &mut || rng.normal())
}

/// Standard normals that a draw of [`posterior`] takes.
pub fn normals(chain: &Chain<f64>, evidence: Evidence<'_, f64>) -> usize {
    let seen = match evidence {
        Evidence::Observations { .. } => 1,
        Evidence::Sites { .. } => chain.outputs,
    };
    chain.len() * (chain.size + seen)
}

/// The draw of [`posterior`] that these standard normals give, as many as [`normals`] says: affine in them, and the mean of the posterior where all are
/// zero. What multiplies them has the posterior's covariance as its square.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// For another number of normals.
pub fn posterior_at(
    chain: &Chain<f64>,
    evidence: Evidence<'_, f64>,
    rows: Option<&[f64]>,
    noise: &[f64],
) -> Result<Vec<f64>> {
    assert_eq!(noise.len(), normals(chain, evidence), "a draw takes so many standard normals");
    let mut noise = noise.iter().copied();
    posterior_of(chain, evidence, rows, &mut || noise.next().expect("they were counted"))
}

fn posterior_of(
    chain: &Chain<f64>,
    evidence: Evidence<'_, f64>,
    rows: Option<&[f64]>,
    normal: &mut dyn FnMut() -> f64,
) -> Result<Vec<f64>> {
    let l = chain.outputs;
    let path = prior_of(chain, normal);
    let f = outputs(chain, &path);
    let smoothed = match evidence {
        Evidence::Observations { y, noise } => {
            let difference: Vec<f64> = (0..y.len()).map(|k| y[k] - f[k] - noise[k].sqrt() * normal()).collect();
            run(chain, Evidence::Observations { y: &difference, noise }, Wants::Smoothed, rows)?
        }
        Evidence::Sites { shift, precision } => {
            // Data with shift J f + J^½ ε have these sites, also where J is singular.
            let mut difference = shift.to_vec();
            for k in 0..chain.len() {
                let j = &precision[k * l * l..(k + 1) * l * l];
                let half = small::cholesky_semidefinite(j, l);
                let noise: Vec<f64> = (0..l).map(|_| normal()).collect();
                for o in 0..l {
                    for c in 0..l {
                        difference[k * l + o] -= j[o * l + c] * f[k * l + c] + half[o * l + c] * noise[c];
                    }
                }
            }
            run(chain, Evidence::Sites { shift: &difference, precision }, Wants::Smoothed, rows)?
        }
    };
    let drawn = read(rows.unwrap_or(&chain.h), &path, chain.size);
    Ok(drawn.iter().zip(&smoothed.mean).map(|(a, b)| a + b).collect())
}
