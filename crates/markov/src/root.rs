//! Square-root filter and smoother: factors of covariances, never covariances, so that they stay positive even in single precision.

use crate::model::Chain;
use crate::scalar::Real;
use crate::small::{cholesky_semidefinite, product, tria};

/// Filtered and smoothed moments as factors.
#[derive(Debug, Clone, PartialEq)]
pub struct Roots<T> {
    /// Log likelihood, nats.
    pub log_likelihood: T,
    /// Filtered means, `[T, n]`.
    pub filtered_mean: Vec<T>,
    /// Lower factors of the filtered covariances, `[T, n, n]`.
    pub filtered: Vec<T>,
    /// Smoothed means, `[T, n]`.
    pub mean: Vec<T>,
    /// Lower factors of the smoothed covariances, `[T, n, n]`.
    pub factor: Vec<T>,
}

/// Filters and smooths numbers `y: [T]` with noise variances `[T]`; a NaN is missing. For chains of one output.
///
/// The chain is given in double precision, in which its process covariances are factored; the recursions run in `T`.
pub fn smooth<T: Real>(chain: &Chain<f64>, y: &[f64], noise: &[f64]) -> Roots<T> {
    assert_eq!((chain.outputs, y.len()), (1, chain.len()), "one number a step");
    let n = chain.size;
    let steps = chain.len();
    let cast = |values: &[f64]| -> Vec<T> { values.iter().map(|v| T::of(*v)).collect() };
    let dense: Vec<(Vec<T>, Vec<T>)> = (0..chain.q.len() / chain.packed.max(1))
        .map(|g| {
            let own = g * chain.packed..(g + 1) * chain.packed;
            let q = cholesky_semidefinite(&chain.dense(&chain.q[own.clone()]), n);
            (cast(&chain.dense(&chain.a[own])), cast(&q))
        })
        .collect();
    let h = cast(&chain.h);
    let zero = T::of(0.0);
    let mut log_likelihood = zero;
    let (mut mean, mut factor) = (vec![zero; n], cast(&cholesky_semidefinite(&chain.start, n)));
    let (mut filtered_mean, mut filtered) = (Vec::with_capacity(steps * n), Vec::with_capacity(steps * n * n));
    for k in 0..steps {
        if k > 0 {
            let (a, q) = &dense[chain.gap[k - 1] as usize];
            mean = product(a, &mean, n, n, 1);
            factor = tria(&beside(&product(a, &factor, n, n, n), q, n), n, 2 * n);
        }
        if !y[k].is_nan() {
            // [[√R, H L], [0, L]] becomes [[√S, 0], [K √S, L⁺]].
            let hl = product(&h, &factor, 1, n, n);
            let size = n + 1;
            let mut joint = vec![zero; size * size];
            joint[0] = T::of(noise[k].sqrt());
            joint[1..size].copy_from_slice(&hl);
            for i in 0..n {
                joint[(i + 1) * size + 1..(i + 2) * size].copy_from_slice(&factor[i * n..(i + 1) * n]);
            }
            let joint = tria(&joint, size, size);
            let root = joint[0];
            let v = T::of(y[k]) - product(&h, &mean, 1, n, 1)[0];
            let scaled = v / root;
            log_likelihood -= T::of(0.5) * (scaled * scaled + T::of(std::f64::consts::TAU).ln()) + root.ln();
            for i in 0..n {
                mean[i] += joint[(i + 1) * size] * scaled;
                factor[i * n..(i + 1) * n].copy_from_slice(&joint[(i + 1) * size + 1..(i + 2) * size]);
            }
        }
        filtered_mean.extend_from_slice(&mean);
        filtered.extend_from_slice(&factor);
    }
    let (mut smoothed_mean, mut smoothed) = (filtered_mean.clone(), filtered.clone());
    for k in (0..steps - 1).rev() {
        let (a, q) = &dense[chain.gap[k] as usize];
        let own = &filtered[k * n * n..(k + 1) * n * n];
        // [[A L, √Q], [L, 0]] becomes [[Φ, 0], [X, Y]]; G = X Φ⁻¹.
        let al = product(a, own, n, n, n);
        let mut joint = beside(&al, q, n);
        joint.extend(beside(own, &vec![zero; n * n], n));
        let joint = tria(&joint, 2 * n, 2 * n);
        let at = |i: usize, j: usize| joint[i * 2 * n + j];
        let mut gain = vec![zero; n * n];
        for i in 0..n {
            for j in (0..n).rev() {
                let mut sum = at(n + i, j);
                (j + 1..n).for_each(|c| sum -= gain[i * n + c] * at(c, j));
                // A direction that never varies has no gain.
                gain[i * n + j] = if at(j, j).value() == 0.0 { zero } else { sum / at(j, j) };
            }
        }
        let m = &filtered_mean[k * n..(k + 1) * n];
        let predicted = product(a, m, n, n, 1);
        let next = &smoothed_mean[(k + 1) * n..(k + 2) * n];
        let difference: Vec<T> = next.iter().zip(&predicted).map(|(a, b)| *a - *b).collect();
        let step = product(&gain, &difference, n, n, 1);
        let moved: Vec<T> = m.iter().zip(&step).map(|(a, b)| *a + *b).collect();
        smoothed_mean[k * n..(k + 1) * n].copy_from_slice(&moved);
        let rest: Vec<T> = (0..n * n).map(|i| at(n + i / n, n + i % n)).collect();
        let carried = product(&gain, &smoothed[(k + 1) * n * n..(k + 2) * n * n], n, n, n);
        let own = tria(&beside(&rest, &carried, n), n, 2 * n);
        smoothed[k * n * n..(k + 1) * n * n].copy_from_slice(&own);
    }
    Roots { log_likelihood, filtered_mean, filtered, mean: smoothed_mean, factor: smoothed }
}

/// Two matrices of `n` rows and columns side by side.
fn beside<T: Real>(left: &[T], right: &[T], n: usize) -> Vec<T> {
    left.chunks(n).zip(right.chunks(n)).flat_map(|(a, b)| a.iter().chain(b).copied()).collect()
}
