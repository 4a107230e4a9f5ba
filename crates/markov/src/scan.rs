//! The filter and smoother as associative scans, parallel over time.
//!
//! About three times the work of the sequential filter, in a span of the logarithm of its length; for one long series on many cores.
//! Chunks have a fixed length, so the bits do not depend on the number of threads.
//!
//! # Source
//! Särkkä and García-Fernández (2021).

use crate::model::Chain;
use crate::small::{product, product_transposed, solve, symmetrised, transposed};
use elbo_core::{Error, Result};
use rayon::prelude::*;

/// Steps of one chunk.
const CHUNK: usize = 512;

/// Filtered and smoothed states, and the likelihood.
#[derive(Debug, Clone, PartialEq)]
pub struct Scanned {
    /// Log likelihood, nats.
    pub log_likelihood: f64,
    /// Smoothed means, `[T][n]`.
    pub mean: Vec<Vec<f64>>,
    /// Smoothed covariances, `[T][n, n]`.
    pub covariance: Vec<Vec<f64>>,
}

#[derive(Clone)]
struct Element {
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
    eta: Vec<f64>,
    j: Vec<f64>,
}

#[derive(Clone)]
struct Backward {
    e: Vec<f64>,
    g: Vec<f64>,
    l: Vec<f64>,
}

/// Filters and smooths `y: [T]` with noise variances `[T]`; a NaN is missing. For chains of one output.
///
/// # Errors
/// Recoverable, where a predicted covariance is singular, as with deterministic blocks that are known, or the arithmetic fails.
pub fn smooth(chain: &Chain<f64>, y: &[f64], noise: &[f64]) -> Result<Scanned> {
    let (n, steps) = (chain.size, chain.len());
    assert_eq!((chain.outputs, y.len()), (1, steps), "one number a step");
    let elements: Vec<Element> = (0..steps).into_par_iter().map(|k| element(chain, y[k], noise[k], k)).collect();
    let filtered = scan(&elements, |first, second| combine(first, second, n));
    // The likelihood from the predictions, in one parallel map.
    let terms: Vec<f64> = (0..steps)
        .into_par_iter()
        .map(|k| {
            if y[k].is_nan() {
                return 0.0;
            }
            let (mean, covariance) = if k == 0 {
                (vec![0.0; n], chain.start.clone())
            } else {
                predict(chain, k, &filtered[k - 1].b, &filtered[k - 1].c)
            };
            let ph = product_transposed(&covariance, &chain.h, n, n, 1);
            let total = product(&chain.h, &ph, 1, n, 1)[0] + noise[k];
            let v = y[k] - product(&chain.h, &mean, 1, n, 1)[0];
            -0.5 * (v * v / total + (std::f64::consts::TAU * total).ln())
        })
        .collect();
    let backward: Vec<Backward> = (0..steps)
        .into_par_iter()
        .rev()
        .map(|k| {
            let (m, p) = (&filtered[k].b, &filtered[k].c);
            if k + 1 == steps {
                return Backward { e: vec![0.0; n * n], g: m.clone(), l: p.clone() };
            }
            let (a, _) = chain.transition(k + 1);
            let a = chain.dense(a);
            let (predicted_mean, predicted) = predict(chain, k + 1, m, p);
            // E = P A' P⁻⁻¹; both sides are symmetric, so the transpose solves.
            let mut e = product(&a, p, n, n, n);
            solve_or_nan(&mut predicted.clone(), &mut e, n, n);
            let e = transposed(&e, n, n);
            let em = product(&e, &predicted_mean, n, n, 1);
            let g = m.iter().zip(&em).map(|(a, b)| a - b).collect();
            let left = product(&product(&e, &a, n, n, n), p, n, n, n);
            let l = symmetrised(p.iter().zip(&left).map(|(a, b)| a - b).collect(), n);
            Backward { e, g, l }
        })
        .collect();
    // In reversed order, the later element comes first.
    let smoothed = scan(&backward, |later, earlier| combine_backward(earlier, later, n));
    let log_likelihood: f64 = terms.iter().sum();
    let is_finite = |s: &Backward| s.g.iter().chain(&s.l).all(|x| x.is_finite());
    if !log_likelihood.is_finite() || !smoothed.iter().all(is_finite) {
        return Err(Error::recoverable(
            format!("the scan over {steps} steps met a singular covariance"),
            "raise the noise variance, or use the two-pass smoother",
        ));
    }
    Ok(Scanned {
        log_likelihood,
        mean: smoothed.iter().rev().map(|s| s.g.clone()).collect(),
        covariance: smoothed.iter().rev().map(|s| s.l.clone()).collect(),
    })
}

/// As [`solve`]; NaN where `a` is singular, which spreads to the result and is answered there.
fn solve_or_nan(a: &mut [f64], b: &mut [f64], n: usize, m: usize) {
    if solve(a, b, n, m).is_none() {
        b.fill(f64::NAN);
    }
}

/// All prefixes of an associative operation: chunks in parallel, then their ends in order, then all elements of chunks in parallel.
fn scan<E: Clone + Send + Sync>(elements: &[E], combine: impl Fn(&E, &E) -> E + Sync) -> Vec<E> {
    let within = |chunk: &[E]| {
        let mut out: Vec<E> = Vec::with_capacity(chunk.len());
        for element in chunk {
            let next = out.last().map_or_else(|| element.clone(), |last| combine(last, element));
            out.push(next);
        }
        out
    };
    let mut chunks: Vec<Vec<E>> = elements.par_chunks(CHUNK).map(within).collect();
    let ends: Vec<E> = chunks.iter().map(|c| c.last().expect("chunks are not empty").clone()).collect();
    let ends = within(&ends);
    chunks.par_iter_mut().skip(1).zip(&ends).for_each(|(chunk, before)| {
        chunk.iter_mut().for_each(|element| *element = combine(before, element));
    });
    chunks.concat()
}

fn predict(chain: &Chain<f64>, k: usize, mean: &[f64], covariance: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = chain.size;
    let (a, q) = chain.transition(k);
    let (a, q) = (chain.dense(a), chain.dense(q));
    let carried = product_transposed(&product(&a, covariance, n, n, n), &a, n, n, n);
    (product(&a, mean, n, n, 1), carried.iter().zip(&q).map(|(a, b)| a + b).collect())
}

fn element(chain: &Chain<f64>, y: f64, noise: f64, k: usize) -> Element {
    let n = chain.size;
    let (f, q) = if k == 0 {
        // The first step forgets what came before: there is nothing.
        (vec![0.0; n * n], chain.start.clone())
    } else {
        let (a, q) = chain.transition(k);
        (chain.dense(a), chain.dense(q))
    };
    if y.is_nan() {
        return Element { a: f, b: vec![0.0; n], c: q, eta: vec![0.0; n], j: vec![0.0; n * n] };
    }
    let qh = product_transposed(&q, &chain.h, n, n, 1);
    let total = product(&chain.h, &qh, 1, n, 1)[0] + noise;
    let gain: Vec<f64> = qh.iter().map(|x| x / total).collect();
    let hf = product(&chain.h, &f, 1, n, n);
    let mut a = f;
    let mut c = q;
    let mut j = vec![0.0; n * n];
    for i in 0..n {
        for l in 0..n {
            a[i * n + l] -= gain[i] * hf[l];
            c[i * n + l] -= gain[i] * qh[l];
            j[i * n + l] = hf[i] * hf[l] / total;
        }
    }
    Element { a, b: gain.iter().map(|g| g * y).collect(), c, eta: hf.iter().map(|x| x * y / total).collect(), j }
}

fn combine(first: &Element, second: &Element, n: usize) -> Element {
    // [B A₁ | B (b₁ + C₁ η₂) | B C₁] with B = (I + C₁ J₂)⁻¹, solved at once.
    let width = 2 * n + 1;
    let mut system = product(&first.c, &second.j, n, n, n);
    (0..n).for_each(|i| system[i * n + i] += 1.0);
    let c_eta = product(&first.c, &second.eta, n, n, 1);
    let mut right = Vec::with_capacity(n * width);
    for i in 0..n {
        right.extend_from_slice(&first.a[i * n..(i + 1) * n]);
        right.push(first.b[i] + c_eta[i]);
        right.extend_from_slice(&first.c[i * n..(i + 1) * n]);
    }
    let mut transposed_system = transposed(&system, n, n);
    solve_or_nan(&mut system, &mut right, n, width);
    let part = |from: usize, columns: usize| -> Vec<f64> {
        (0..n).flat_map(|i| right[i * width + from..i * width + from + columns].to_vec()).collect()
    };
    let (ba, bb, bc) = (part(0, n), part(n, 1), part(n + 1, n));
    let a = product(&second.a, &ba, n, n, n);
    let b = product(&second.a, &bb, n, n, 1).iter().zip(&second.b).map(|(x, y)| x + y).collect();
    let c = product_transposed(&product(&second.a, &bc, n, n, n), &second.a, n, n, n);
    let c = symmetrised(c.iter().zip(&second.c).map(|(x, y)| x + y).collect(), n);
    // (I + J₂ C₁)⁻¹ is the transpose of B.
    let (jb, ja) = (product(&second.j, &first.b, n, n, 1), product(&second.j, &first.a, n, n, n));
    let mut right = Vec::with_capacity(n * (n + 1));
    for i in 0..n {
        right.push(second.eta[i] - jb[i]);
        right.extend_from_slice(&ja[i * n..(i + 1) * n]);
    }
    solve_or_nan(&mut transposed_system, &mut right, n, n + 1);
    let column: Vec<f64> = (0..n).map(|i| right[i * (n + 1)]).collect();
    let matrix: Vec<f64> = (0..n).flat_map(|i| right[i * (n + 1) + 1..(i + 1) * (n + 1)].to_vec()).collect();
    let at = transposed(&first.a, n, n);
    let eta = product(&at, &column, n, n, 1).iter().zip(&first.eta).map(|(x, y)| x + y).collect();
    let j = product(&at, &matrix, n, n, n).iter().zip(&first.j).map(|(x, y)| x + y).collect();
    Element { a, b, c, eta, j: symmetrised(j, n) }
}

fn combine_backward(earlier: &Backward, later: &Backward, n: usize) -> Backward {
    let g = product(&earlier.e, &later.g, n, n, 1);
    let l = product_transposed(&product(&earlier.e, &later.l, n, n, n), &earlier.e, n, n, n);
    Backward {
        e: product(&earlier.e, &later.e, n, n, n),
        g: g.iter().zip(&earlier.g).map(|(a, b)| a + b).collect(),
        l: symmetrised(l.iter().zip(&earlier.l).map(|(a, b)| a + b).collect(), n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_operation_is_associative() {
        let n = 2;
        let element = |seed: u64| {
            let mut rng = elbo_core::Rng::new(seed);
            let mut draw = |count: usize| (0..count).map(|_| 0.5 * rng.normal()).collect::<Vec<f64>>();
            let positive = |half: Vec<f64>| product_transposed(&half, &half, n, n, n);
            Element { a: draw(4), b: draw(2), c: positive(draw(4)), eta: draw(2), j: positive(draw(4)) }
        };
        let (x, y, z) = (element(1), element(2), element(3));
        let left = combine(&combine(&x, &y, n), &z, n);
        let right = combine(&x, &combine(&y, &z, n), n);
        let flat = |e: &Element| [e.a.clone(), e.b.clone(), e.c.clone(), e.eta.clone(), e.j.clone()].concat();
        assert!(flat(&left).iter().zip(flat(&right)).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
