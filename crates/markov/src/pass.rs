//! Filter, smoother and gradient as one operation: one pass forward, one pass back.
//!
//! The way back carries `r` and `N`, the derivatives of the remaining log evidence by a step's mean and (twice, negated, with `r r'`) its
//! covariance. They give the smoothed moments without inverting a covariance and, at the same cost, the derivatives by every transition,
//! process covariance, output row and noise variance: smoother and gradient are the same recursion (Bryson and Frazier 1963; Koopman and
//! Shephard 1992). Every formula holds for singular process covariances and singular sites.

use crate::evidence::{Evidence, Observed, Sited, Update};
use crate::model::{Chain, ChainGradient, Place};
use crate::scalar::Real;
use elbo_core::{Error, Result};

/// What [`run`] computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// The log evidence alone.
    Evidence,
    /// Smoothed moments too.
    Smoothed,
    /// Smoothed moments and the gradient.
    Gradient,
}

/// What one pass found.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass<T> {
    /// Log evidence: of the observations, or of the unnormalised sites. Nats.
    pub log_z: T,
    /// Smoothed means of the rows read, `[T, R]`.
    pub mean: Vec<T>,
    /// Smoothed covariances of the rows read, `[T, R, R]`.
    pub covariance: Vec<T>,
    /// Smoothed states, `[T, n]`.
    pub state: Vec<T>,
    /// What each step's prediction missed: `u: [T, L]`, `Φ: [T, L, L]`; zero where nothing was seen. For numbers with noise,
    /// the prediction before the step had mean `y - u / Φ` and variance `1 / Φ`.
    pub innovation: (Vec<T>, Vec<T>),
    /// The same with all other steps known: `e: [T, L]`, `D: [T, L, L]`. The prediction of `y` from all others has mean `y - e / D` and
    /// variance `1 / D`.
    pub left_out: (Vec<T>, Vec<T>),
    /// Derivatives by the chain's numbers.
    pub gradient: Option<ChainGradient<T>>,
    /// Derivatives by each step's noise variance, `[T]`; for observations.
    pub noise_gradient: Vec<T>,
}

/// Dimensions known to the compiler, or not.
trait Shape: Copy {
    fn size(self) -> usize;

    /// Calls `f(at, size, packed)` for each block.
    fn each(self, f: impl FnMut(usize, usize, usize));
}

/// One dense block of known size.
#[derive(Clone, Copy)]
struct Fixed<const N: usize>;

impl<const N: usize> Shape for Fixed<N> {
    #[inline(always)]
    fn size(self) -> usize {
        N
    }

    #[inline(always)]
    fn each(self, mut f: impl FnMut(usize, usize, usize)) {
        f(0, N, 0);
    }
}

/// Any blocks.
#[derive(Clone, Copy)]
struct Blocks<'a>(&'a [Place], usize);

impl Shape for Blocks<'_> {
    #[inline(always)]
    fn size(self) -> usize {
        self.1
    }

    #[inline(always)]
    fn each(self, mut f: impl FnMut(usize, usize, usize)) {
        for place in self.0 {
            f(place.at, place.size, place.packed);
        }
    }
}

/// Number of outputs, known to be one or not.
trait Outputs: Copy {
    const IS_ONE: bool;

    fn count(self) -> usize;
}

#[derive(Clone, Copy)]
struct One;

impl Outputs for One {
    const IS_ONE: bool = true;

    #[inline(always)]
    fn count(self) -> usize {
        1
    }
}

#[derive(Clone, Copy)]
struct Many(usize);

impl Outputs for Many {
    const IS_ONE: bool = false;

    #[inline(always)]
    fn count(self) -> usize {
        self.0
    }
}

/// Filters, and on the way back smooths and differentiates.
///
/// `rows: [R, n]` are the functions of the state whose smoothed moments are wanted; the chain's own outputs where `None`.
/// Time is linear in the number of steps; nothing is allocated inside the loops.
///
/// # Errors
/// A recoverable [`Error::Numerical`] where the log evidence is not finite.
///
/// # Panics
/// When there is evidence for another number of steps than the chain has, or observations for several outputs.
pub fn run<T: Real>(chain: &Chain<T>, evidence: Evidence<'_, T>, wants: Wants, rows: Option<&[T]>) -> Result<Pass<T>> {
    match evidence {
        Evidence::Observations { y, noise } => {
            assert_eq!(chain.outputs, 1, "observations are of one output; give sites for several");
            assert_eq!(y.len(), noise.len(), "one noise variance an observation");
            by_outputs(chain, Observed { y, noise }, wants, rows)
        }
        Evidence::Sites { shift, precision } => {
            assert_eq!(precision.len(), shift.len() * chain.outputs, "sites have precisions [T, L, L]");
            by_outputs(chain, Sited { shift, precision }, wants, rows)
        }
    }
}

fn by_outputs<T: Real, E: Update<T>>(
    chain: &Chain<T>,
    evidence: E,
    wants: Wants,
    rows: Option<&[T]>,
) -> Result<Pass<T>> {
    assert_eq!(evidence.steps(chain.outputs), chain.len(), "evidence for every step");
    if chain.outputs == 1 {
        by_size(chain, evidence, One, wants, rows)
    } else {
        by_size(chain, evidence, Many(chain.outputs), wants, rows)
    }
}

fn by_size<T: Real, E: Update<T>, O: Outputs>(
    chain: &Chain<T>,
    evidence: E,
    outputs: O,
    wants: Wants,
    rows: Option<&[T]>,
) -> Result<Pass<T>> {
    // Only the hottest cases are compiled for a known size: each is a copy of both passes.
    if O::IS_ONE && T::IS_PLAIN && chain.places.len() == 1 {
        match chain.size {
            1 => return both(Fixed::<1>, chain, evidence, outputs, wants, rows),
            2 => return both(Fixed::<2>, chain, evidence, outputs, wants, rows),
            3 => return both(Fixed::<3>, chain, evidence, outputs, wants, rows),
            4 => return both(Fixed::<4>, chain, evidence, outputs, wants, rows),
            _ => {}
        }
    }
    both(Blocks(&chain.places, chain.size), chain, evidence, outputs, wants, rows)
}

fn both<T: Real, S: Shape, E: Update<T>, O: Outputs>(
    shape: S,
    chain: &Chain<T>,
    evidence: E,
    outputs: O,
    wants: Wants,
    rows: Option<&[T]>,
) -> Result<Pass<T>> {
    let keep = wants != Wants::Evidence;
    let (log_z, record) = forward(shape, chain, evidence, outputs, keep);
    if !log_z.value().is_finite() {
        return Err(Error::recoverable(
            format!("the log evidence of {} steps is {}", chain.len(), log_z.value()),
            "raise the noise variance, or start from other lengthscales",
        ));
    }
    Ok(match wants {
        Wants::Evidence => Pass {
            log_z,
            mean: vec![],
            covariance: vec![],
            state: vec![],
            innovation: (vec![], vec![]),
            left_out: (vec![], vec![]),
            gradient: None,
            noise_gradient: vec![],
        },
        Wants::Smoothed => back::<T, S, E, O, false>(shape, chain, outputs, log_z, &record, rows),
        Wants::Gradient => back::<T, S, E, O, true>(shape, chain, outputs, log_z, &record, rows),
    })
}

/// What the forward pass keeps of a step: filtered mean `[n]` and covariance `[n, n]`, `P H' [n, L]`, `u [L]`, `Φ [L, L]`.
fn stride(n: usize, outputs: usize) -> usize {
    n + n * n + n * outputs + outputs + outputs * outputs
}

#[inline(always)]
fn forward<T: Real, S: Shape, E: Update<T>, O: Outputs>(
    shape: S,
    chain: &Chain<T>,
    evidence: E,
    outputs: O,
    keep: bool,
) -> (T, Vec<T>) {
    let zero = T::of(0.0);
    let (n, l) = (shape.size(), outputs.count());
    let stride = stride(n, l);
    let steps = chain.len();
    let mut record = vec![zero; if keep { steps * stride } else { 2 * stride }];
    let (mut mean, mut covariance, mut half) = (vec![zero; n], chain.start.clone(), vec![zero; n * n]);
    let (mut f_mean, mut f_covariance, mut scratch) = (vec![zero; l], vec![zero; l * l], vec![zero; 2 * l * (l + 1)]);
    let h = &chain.h[..l * n];
    let mut log_z = zero;
    for k in 0..steps {
        let at = if keep { k } else { k % 2 } * stride;
        if k > 0 {
            let (a, q) = chain.transition(k);
            let before = if keep { k - 1 } else { (k - 1) % 2 } * stride;
            let (m, rest) = record[before..before + stride].split_at(n);
            carry(shape, a, q, m, &rest[..n * n], &mut mean, &mut covariance, &mut half);
        }
        let (m, rest) = record[at..at + stride].split_at_mut(n);
        let (p, rest) = rest.split_at_mut(n * n);
        let (ph, rest) = rest.split_at_mut(n * l);
        let (u, phi) = rest.split_at_mut(l);
        // P H', then the moments of f.
        times_transposed(&covariance, h, (n, n, l), ph);
        for o in 0..l {
            let mut sum = zero;
            for j in 0..n {
                sum += h[o * n + j] * mean[j];
            }
            f_mean[o] = sum;
            for c in 0..l {
                let mut sum = zero;
                for j in 0..n {
                    sum += h[o * n + j] * ph[j * l + c];
                }
                f_covariance[o * l + c] = sum;
            }
        }
        log_z += evidence.update(k, &f_mean[..l], &f_covariance[..l * l], &mut u[..l], &mut phi[..l * l], &mut scratch);
        for i in 0..n {
            let mut sum = mean[i];
            for o in 0..l {
                sum += ph[i * l + o] * u[o];
            }
            m[i] = sum;
            for j in 0..=i {
                let mut value = covariance[i * n + j];
                for o in 0..l {
                    let mut gain = zero;
                    for c in 0..l {
                        gain += phi[o * l + c] * ph[j * l + c];
                    }
                    value -= ph[i * l + o] * gain;
                }
                p[i * n + j] = value;
                p[j * n + i] = value;
            }
        }
    }
    (log_z, record)
}

/// `m' = A m`, `P' = A P A' + Q`.
#[inline(always)]
fn carry<T: Real, S: Shape>(
    shape: S,
    a: &[T],
    q: &[T],
    m: &[T],
    p: &[T],
    mean: &mut [T],
    covariance: &mut [T],
    half: &mut [T],
) {
    let n = shape.size();
    let (mean, covariance, half) = (&mut mean[..n], &mut covariance[..n * n], &mut half[..n * n]);
    left(shape, a, p, half);
    shape.each(|at, size, packed| {
        for i in 0..size {
            let row = &a[packed + i * size..packed + (i + 1) * size];
            let mut sum = T::of(0.0);
            for l in 0..size {
                sum += row[l] * m[at + l];
            }
            mean[at + i] = sum;
            // Column at + i of (A P) A', and its mirror image.
            for r in at + i..n {
                let mut sum = T::of(0.0);
                for l in 0..size {
                    sum += half[r * n + at + l] * row[l];
                }
                if r < at + size {
                    sum += q[packed + (r - at) * size + i];
                }
                covariance[r * n + at + i] = sum;
                covariance[(at + i) * n + r] = sum;
            }
        }
    });
}

/// `out = a b` for `a: [n, k]`, `b: [k, m]`: [`small::product`](crate::small::product) without an allocation.
#[inline(always)]
fn times<T: Real>(a: &[T], b: &[T], (n, k, m): (usize, usize, usize), out: &mut [T]) {
    for i in 0..n {
        for o in 0..m {
            let mut sum = T::of(0.0);
            for j in 0..k {
                sum += a[i * k + j] * b[j * m + o];
            }
            out[i * m + o] = sum;
        }
    }
}

/// `out = a b'` for `a: [n, k]`, `b: [m, k]`.
#[inline(always)]
fn times_transposed<T: Real>(a: &[T], b: &[T], (n, k, m): (usize, usize, usize), out: &mut [T]) {
    for i in 0..n {
        for o in 0..m {
            let mut sum = T::of(0.0);
            for j in 0..k {
                sum += a[i * k + j] * b[o * k + j];
            }
            out[i * m + o] = sum;
        }
    }
}

/// `out = A p` for block-diagonal `A`, `p: [n, n]`.
#[inline(always)]
fn left<T: Real, S: Shape>(shape: S, a: &[T], p: &[T], out: &mut [T]) {
    let n = shape.size();
    shape.each(|at, size, packed| {
        for i in 0..size {
            let target = &mut out[(at + i) * n..(at + i + 1) * n];
            target.fill(T::of(0.0));
            for l in 0..size {
                let weight = a[packed + i * size + l];
                let source = &p[(at + l) * n..(at + l + 1) * n];
                for j in 0..n {
                    target[j] += weight * source[j];
                }
            }
        }
    });
}

/// `out = p A` for block-diagonal `A`, `p: [n, n]`.
#[inline(always)]
fn right<T: Real, S: Shape>(shape: S, p: &[T], a: &[T], out: &mut [T]) {
    let n = shape.size();
    shape.each(|at, size, packed| {
        for r in 0..n {
            for j in 0..size {
                let mut sum = T::of(0.0);
                for l in 0..size {
                    sum += p[r * n + at + l] * a[packed + l * size + j];
                }
                out[r * n + at + j] = sum;
            }
        }
    });
}

/// `out = A' v` for block-diagonal `A`.
#[inline(always)]
fn left_transposed<T: Real, S: Shape>(shape: S, a: &[T], v: &[T], out: &mut [T]) {
    shape.each(|at, size, packed| {
        for j in 0..size {
            let mut sum = T::of(0.0);
            for l in 0..size {
                sum += a[packed + l * size + j] * v[at + l];
            }
            out[at + j] = sum;
        }
    });
}

/// `out = A' p` for block-diagonal `A`, symmetric result: only the lower triangle is computed, and mirrored.
#[inline(always)]
fn close<T: Real, S: Shape>(shape: S, a: &[T], p: &[T], out: &mut [T]) {
    let n = shape.size();
    shape.each(|at, size, packed| {
        for j in 0..size {
            for c in 0..=at + j {
                let mut sum = T::of(0.0);
                for l in 0..size {
                    sum += a[packed + l * size + j] * p[(at + l) * n + c];
                }
                out[(at + j) * n + c] = sum;
                out[c * n + at + j] = sum;
            }
        }
    });
}

/// `out = m + P r`.
#[inline(always)]
fn smoothed<T: Real>(n: usize, m: &[T], p: &[T], r: &[T], out: &mut [T]) {
    for i in 0..n {
        let mut sum = m[i];
        for j in 0..n {
            sum += p[i * n + j] * r[j];
        }
        out[i] = sum;
    }
}

#[inline(always)]
fn back<T: Real, S: Shape, E: Update<T>, O: Outputs, const GRADIENT: bool>(
    shape: S,
    chain: &Chain<T>,
    outputs: O,
    log_z: T,
    record: &[T],
    rows: Option<&[T]>,
) -> Pass<T> {
    let zero = T::of(0.0);
    let half = T::of(0.5);
    let (n, l) = (shape.size(), outputs.count());
    let stride = stride(n, l);
    let steps = chain.len();
    let h = &chain.h[..l * n];
    let rows = rows.unwrap_or(h);
    let reads = rows.len() / n;
    let mut pass = Pass {
        log_z,
        mean: vec![zero; steps * reads],
        covariance: vec![zero; steps * reads * reads],
        state: vec![zero; steps * n],
        innovation: (vec![zero; steps * l], vec![zero; steps * l * l]),
        left_out: (vec![zero; steps * l], vec![zero; steps * l * l]),
        gradient: None,
        noise_gradient: vec![zero; if GRADIENT && E::HAS_NOISE { steps } else { 0 }],
    };
    let mut gradient = ChainGradient {
        h: vec![zero; if GRADIENT { l * n } else { 0 }],
        start: vec![zero; if GRADIENT { n * n } else { 0 }],
        a: vec![zero; if GRADIENT { chain.a.len() } else { 0 }],
        q: vec![zero; if GRADIENT { chain.q.len() } else { 0 }],
    };
    // Derivatives by the filtered moments (`after`) and by the predicted ones (`r`, `big`).
    let (mut r_after, mut r) = (vec![zero; n], vec![zero; n]);
    let (mut after, mut big, mut moved) = (vec![zero; n * n], vec![zero; n * n], vec![zero; n * n]);
    let (mut gain, mut after_gain) = (vec![zero; n * l], vec![zero; n * l]);
    let (mut width, mut after_width) = (vec![zero; n * reads], vec![zero; n * reads]);
    let (r_after, r) = (&mut r_after[..n], &mut r[..n]);
    let (after, big, moved) = (&mut after[..n * n], &mut big[..n * n], &mut moved[..n * n]);
    for k in (0..steps).rev() {
        let (m, rest) = record[k * stride..(k + 1) * stride].split_at(n);
        let (p, rest) = rest.split_at(n * n);
        let (ph, rest) = rest.split_at(n * l);
        let (u, phi) = rest.split_at(l);
        if k + 1 == steps {
            smoothed(n, m, p, r_after, &mut pass.state[k * n..(k + 1) * n]);
        }
        let state = &pass.state[k * n..(k + 1) * n];
        // What was asked to be read: mean G ms, covariance G (P - P N P) G'.
        times_transposed(p, rows, (n, n, reads), &mut width);
        times(after, &width, (n, n, reads), &mut after_width);
        for o in 0..reads {
            let mut sum = zero;
            for j in 0..n {
                sum += rows[o * n + j] * state[j];
            }
            pass.mean[k * reads + o] = sum;
            for c in 0..reads {
                let mut sum = zero;
                for j in 0..n {
                    sum += rows[o * n + j] * width[j * reads + c] - width[j * reads + o] * after_width[j * reads + c];
                }
                pass.covariance[(k * reads + o) * reads + c] = sum;
            }
        }
        // The step's own evidence: K = P H' Φ, e = u - K' r, D = Φ + K' N K.
        times(ph, phi, (n, l, l), &mut gain);
        times(after, &gain, (n, n, l), &mut after_gain);
        let e = &mut pass.left_out.0[k * l..(k + 1) * l];
        let d = &mut pass.left_out.1[k * l * l..(k + 1) * l * l];
        for o in 0..l {
            let mut sum = u[o];
            for i in 0..n {
                sum -= gain[i * l + o] * r_after[i];
            }
            e[o] = sum;
            for c in 0..l {
                let mut sum = phi[o * l + c];
                for i in 0..n {
                    sum += gain[i * l + o] * after_gain[i * l + c];
                }
                d[o * l + c] = sum;
            }
        }
        pass.innovation.0[k * l..(k + 1) * l].copy_from_slice(&u[..l]);
        pass.innovation.1[k * l * l..(k + 1) * l * l].copy_from_slice(&phi[..l * l]);
        if GRADIENT {
            if E::HAS_NOISE {
                pass.noise_gradient[k] = half * (e[0] * e[0] - d[0]);
            }
            for o in 0..l {
                for j in 0..n {
                    let mut sum = e[o] * state[j] - gain[j * l + o];
                    for i in 0..n {
                        sum += after_gain[i * l + o] * p[i * n + j];
                    }
                    gradient.h[o * n + j] += sum;
                }
            }
        }
        // To the predicted moments: r = r + H' e, N = N - H' g' - g H + H' D H.
        for i in 0..n {
            let mut sum = r_after[i];
            for o in 0..l {
                sum += h[o * n + i] * e[o];
            }
            r[i] = sum;
            for j in 0..=i {
                let mut value = after[i * n + j];
                for o in 0..l {
                    value -= h[o * n + i] * after_gain[j * l + o] + after_gain[i * l + o] * h[o * n + j];
                    for c in 0..l {
                        value += h[o * n + i] * d[o * l + c] * h[c * n + j];
                    }
                }
                big[i * n + j] = value;
                big[j * n + i] = value;
            }
        }
        if k == 0 {
            if GRADIENT {
                for i in 0..n {
                    for j in 0..n {
                        gradient.start[i * n + j] = half * (r[i] * r[j] - big[i * n + j]);
                    }
                }
            }
            break;
        }
        // Through the transition, to the filtered moments of the step before.
        let (a, _) = chain.transition(k);
        let (m, rest) = record[(k - 1) * stride..k * stride].split_at(n);
        let p = &rest[..n * n];
        left_transposed(shape, a, r, r_after);
        let (before, _) = pass.state.split_at_mut(k * n);
        let state = &mut before[(k - 1) * n..];
        smoothed(n, m, p, r_after, state);
        right(shape, big, a, moved);
        if GRADIENT {
            let at = chain.gap[k - 1] as usize * chain.packed;
            let (by_a, by_q) = (&mut gradient.a[at..], &mut gradient.q[at..]);
            shape.each(|at, size, packed| {
                for i in 0..size {
                    for j in 0..size {
                        let (row, column) = (at + i, at + j);
                        by_q[packed + i * size + j] += half * (r[row] * r[column] - big[row * n + column]);
                        let mut sum = r[row] * state[column];
                        for c in 0..n {
                            sum -= moved[row * n + c] * p[c * n + column];
                        }
                        by_a[packed + i * size + j] += sum;
                    }
                }
            });
        }
        close(shape, a, moved, after);
    }
    pass.gradient = GRADIENT.then_some(gradient);
    pass
}
