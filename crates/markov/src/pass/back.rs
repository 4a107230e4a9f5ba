//! The way back: smoothed moments, predictions left out, and the gradient.

use super::forward::{Filter, Memory, Scratch};
use super::shape::{Outputs, Shape, close, left_transposed, right, smoothed, times, times_transposed};
use super::{Asked, Pass, Wants};
use crate::evidence::Update;
use crate::model::ChainGradient;
use crate::scalar::Real;
use elbo_core::recycle::Kept;

#[inline(always)]
pub(super) fn back<T: Real, S: Shape, E: Update<T>, O: Outputs, const GRADIENT: bool>(
    filter: Filter<'_, T, S, E, O>,
    log_z: T,
    memory: Memory<T>,
    scratch: &mut Scratch<T>,
    (wants, rows): Asked<'_, T>,
) -> Pass<T> {
    let keeps = !GRADIENT && wants == Wants::Smoothed;
    let zero = T::of(0.0);
    let half = T::of(0.5);
    let Filter { shape, chain, outputs, .. } = filter;
    let (n, l) = (shape.size(), outputs.count());
    let (stride, moments) = (filter.stride(), filter.moments());
    let steps = chain.len();
    let h = &chain.h[..l * n];
    let rows = rows.unwrap_or(h);
    let reads = rows.len() / n;
    // Every step writes its part of all of them.
    let kept_if = |wanted, numbers| Kept::new(if wanted { numbers } else { 0 });
    let mut pass = Pass {
        log_z,
        mean: Kept::new(steps * reads),
        covariance: Kept::new(steps * reads * reads),
        state: kept_if(keeps, steps * n),
        innovation: (kept_if(keeps, steps * l), kept_if(keeps, steps * l * l)),
        left_out: (kept_if(keeps, steps * l), kept_if(keeps, steps * l * l)),
        gradient: None,
        noise_gradient: kept_if(GRADIENT && E::HAS_NOISE, steps),
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
    let (mut state, mut e, mut d) = (vec![zero; n], vec![zero; l], vec![zero; l * l]);
    let (r_after, r, state) = (&mut r_after[..n], &mut r[..n], &mut state[..n]);
    let (e, d) = (&mut e[..l], &mut d[..l * l]);
    let (after, big, moved) = (&mut after[..n * n], &mut big[..n * n], &mut moved[..n * n]);
    let Memory { checkpoints, block, first, record: mut part } = memory;
    // The record at hand begins with this step.
    let mut from = first;
    for k in (0..steps).rev() {
        if k + 1 == from {
            // The next block, from the checkpoint before it; the kept steps' memory is free for it.
            let to = from;
            from -= block;
            let entry = (from / block).saturating_sub(1) * moments;
            if part.len() < block * stride {
                part = Kept::new(block * stride);
            }
            filter.recorded((from, to), &checkpoints[entry..], &mut part, zero, scratch);
        }
        let (m, rest) = part[(k - from) * stride..(k - from + 1) * stride].split_at(n);
        let (p, rest) = rest.split_at(n * n);
        let (ph, rest) = rest.split_at(n * l);
        let (u, phi) = rest.split_at(l);
        if k + 1 == steps {
            smoothed(n, m, p, r_after, state);
        }
        if keeps {
            pass.state[k * n..(k + 1) * n].copy_from_slice(state);
        }
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
        if keeps {
            pass.innovation.0[k * l..(k + 1) * l].copy_from_slice(&u[..l]);
            pass.innovation.1[k * l * l..(k + 1) * l * l].copy_from_slice(&phi[..l * l]);
            pass.left_out.0[k * l..(k + 1) * l].copy_from_slice(e);
            pass.left_out.1[k * l * l..(k + 1) * l * l].copy_from_slice(d);
        }
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
        let before = if k > from {
            &part[(k - 1 - from) * stride..][..moments]
        } else {
            &checkpoints[(from / block - 1) * moments..][..moments]
        };
        let (m, p) = before.split_at(n);
        left_transposed(shape, a, r, r_after);
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
