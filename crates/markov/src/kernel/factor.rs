//! One factor of a block of the state: exact transition and process covariance in dimensionless coordinates.

use super::taylor::{taylor_start, taylor_transition};
use crate::scalar::Real;
use crate::small;
use serde::{Deserialize, Serialize};

/// Highest order of a Matérn factor: ν = 13/2.
pub const MOST_ORDER: usize = 6;

/// A linear stochastic process of unit scale. Its `rate` is the only number that its transition depends on beside the gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Factor {
    /// Matérn of smoothness ν = p + 1/2, in the coordinates `f^(i) / λ^i`; the rate is `λ = sqrt(2 p + 1) / l`.
    Matern(usize),
    /// The squared exponential with its inverse spectrum cut after this many terms; the rate is `1 / l`.
    Taylor(usize),
    /// A rotation: `cos(ω τ)`; the rate is `ω`.
    Rotation,
    /// An unknown constant; no rate.
    Constant,
    /// A line through zero at the origin: value and slope; no rate.
    Linear,
    /// The Wiener process, zero at the origin; no rate.
    Wiener,
    /// The integral of a Wiener process, value and slope zero at the origin; no rate.
    IntegratedWiener,
}

impl Factor {
    /// Dimension of the state.
    pub fn size(self) -> usize {
        match self {
            Self::Matern(p) => p + 1,
            Self::Taylor(order) => order,
            Self::Constant | Self::Wiener => 1,
            Self::Rotation | Self::Linear | Self::IntegratedWiener => 2,
        }
    }

    /// Whether the process forgets, and so has a continuous spectrum.
    pub fn forgets(self) -> bool {
        matches!(self, Self::Matern(_) | Self::Taylor(_))
    }

    /// Whether the transition depends on a rate.
    pub fn has_rate(self) -> bool {
        matches!(self, Self::Matern(_) | Self::Taylor(_) | Self::Rotation)
    }

    /// Whether the prior is the same at all times.
    pub fn is_stationary(self) -> bool {
        !matches!(self, Self::Linear | Self::Wiener | Self::IntegratedWiener)
    }

    /// Covariance of the state `since` after the origin, `[n, n]`.
    pub fn start(self, since: f64) -> Vec<f64> {
        match self {
            Self::Matern(p) => matern_start(p),
            Self::Taylor(order) => taylor_start(order),
            Self::Rotation => vec![1.0, 0.0, 0.0, 1.0],
            Self::Constant => vec![1.0],
            Self::Linear => vec![since * since, since, since, 1.0],
            Self::Wiener => vec![since.max(0.0)],
            Self::IntegratedWiener => integrated(since.max(0.0)),
        }
    }

    /// Transition and process covariance over a gap: `(A, Q)`, both `[n, n]`.
    pub fn transition<T: Real>(self, rate: T, gap: f64) -> (Vec<T>, Vec<T>) {
        let constant = |values: Vec<f64>| -> Vec<T> { values.into_iter().map(T::of).collect() };
        match self {
            Self::Matern(p) => matern_transition(p, rate * T::of(gap)),
            Self::Taylor(order) => taylor_transition(order, rate * T::of(gap)),
            Self::Rotation => {
                let (s, c) = (rate * T::of(gap)).sin_cos();
                (vec![c, -s, s, c], vec![T::of(0.0); 4])
            }
            Self::Constant => (constant(vec![1.0]), constant(vec![0.0])),
            Self::Linear => (constant(vec![1.0, gap, 0.0, 1.0]), constant(vec![0.0; 4])),
            Self::Wiener => (constant(vec![1.0]), constant(vec![gap])),
            Self::IntegratedWiener => (constant(vec![1.0, gap, 0.0, 1.0]), constant(integrated(gap))),
        }
    }
}

fn integrated(d: f64) -> Vec<f64> {
    vec![d * d * d / 3.0, d * d / 2.0, d * d / 2.0, d]
}

fn factorial(n: usize) -> f64 {
    (1..=n).map(|k| k as f64).product()
}

fn binomial(n: usize, k: usize) -> f64 {
    factorial(n) / factorial(k) / factorial(n - k)
}

/// Stationary covariance of a unit Matérn process with rate one: zero for `i + j` odd, else
/// `(-1)^{(j-i)/2} c_m` with `m = (i + j) / 2` and `c_m` the even moments of its spectrum.
fn matern_start(p: usize) -> Vec<f64> {
    // c_m = Γ(m+1/2) Γ(p+1/2-m) / (Γ(1/2) Γ(p+1/2)), by the recursion of Γ.
    let moment = |m: usize| (0..m).map(|k| (k as f64 + 0.5) / (p as f64 - 0.5 - k as f64)).product::<f64>();
    let n = p + 1;
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        for j in (i % 2..n).step_by(2) {
            let sign = if (j.abs_diff(i) / 2) % 2 == 0 { 1.0 } else { -1.0 };
            out[i * n + j] = sign * moment((i + j) / 2);
        }
    }
    out
}

/// The constants of the exact transition: `A = e^{-u} Σ_j u^j powers_j` and `Q = Σ_c P(c + 1, 2 u) parts_c`.
struct Tables {
    powers: Vec<Vec<f64>>,
    parts: Vec<Vec<f64>>,
}

/// For each order. `N = F + λ I` is nilpotent, so the exponential is a finite sum; with `v_a = N^a L / a!`,
/// `Q = q Σ_{a,b} (a+b)! / 2^{a+b+1} P(a+b+1, 2 u) v_a v_b'`, which has no cancellation at small gaps.
fn tables(p: usize) -> &'static Tables {
    static TABLES: std::sync::OnceLock<Vec<Tables>> = std::sync::OnceLock::new();
    &TABLES.get_or_init(|| (0..=MOST_ORDER).map(make_tables).collect())[p]
}

fn make_tables(p: usize) -> Tables {
    let n = p + 1;
    let mut nilpotent = small::identity::<f64>(n);
    for i in 0..p {
        nilpotent[i * n + i + 1] = 1.0;
    }
    for j in 0..n {
        nilpotent[p * n + j] -= binomial(n, j);
    }
    let mut powers = vec![small::identity::<f64>(n)];
    for j in 1..n {
        let next = small::product(&powers[j - 1], &nilpotent, n, n, n);
        powers.push(next.into_iter().map(|x| x / j as f64).collect());
    }
    let density = 2f64.powi(2 * p as i32 + 1) * factorial(p) * factorial(p) / factorial(2 * p);
    let column = |a: usize, i: usize| powers[a][i * n + p];
    let mut parts = vec![vec![0.0; n * n]; 2 * p + 1];
    for a in 0..n {
        for b in 0..n {
            let weight = density * factorial(a + b) / 2f64.powi((a + b) as i32 + 1);
            for i in 0..n {
                for j in 0..n {
                    parts[a + b][i * n + j] += weight * column(a, i) * column(b, j);
                }
            }
        }
    }
    Tables { powers, parts }
}

/// Lower regularised incomplete gamma functions `P(1, x), ..., P(count, x)`, with full relative accuracy, and `e^{-x}`.
fn lower_gammas<T: Real>(count: usize, x: T) -> ([T; 2 * MOST_ORDER + 1], T) {
    let mut out = [T::of(0.0); 2 * MOST_ORDER + 1];
    let decay = (-x).exp();
    // term_a = x^a e^{-x} / a!
    let mut terms = [T::of(0.0); 2 * MOST_ORDER + 2];
    terms[0] = decay;
    for a in 1..=count {
        terms[a] = terms[a - 1] * x / T::of(a as f64);
    }
    if x.value() < count as f64 + 2.0 {
        // The series for the highest, then P(a) = P(a+1) + x^a e^{-x} / a!, all terms positive.
        let mut term = terms[count];
        let mut sum = term;
        let mut a = count as f64;
        while term.value() > 1e-18 * sum.value() {
            a += 1.0;
            term = term * x / T::of(a);
            sum += term;
        }
        out[count - 1] = sum;
        for a in (1..count).rev() {
            out[a - 1] = out[a] + terms[a];
        }
    } else {
        let mut rest = T::of(0.0);
        for a in 1..=count {
            rest += terms[a - 1];
            out[a - 1] = T::of(1.0) - rest;
        }
    }
    (out, decay)
}

fn matern_transition<T: Real>(p: usize, u: T) -> (Vec<T>, Vec<T>) {
    let n = p + 1;
    let tables = tables(p);
    let (mut a, mut q) = (vec![T::of(0.0); n * n], vec![T::of(0.0); n * n]);
    if u.value() > 700.0 {
        // Nothing is remembered: e^{-u} u^p is zero to rounding.
        let start = matern_start(p);
        q.iter_mut().zip(start).for_each(|(q, s)| *q = T::of(s));
        return (a, q);
    }
    let mut weight = (-u).exp();
    for power in &tables.powers {
        a.iter_mut().zip(power).for_each(|(a, c)| *a += weight * T::of(*c));
        weight = weight * u;
    }
    if u.value() > 0.0 {
        let (gammas, _) = lower_gammas(2 * p + 1, u + u);
        for (gamma, part) in gammas.iter().zip(&tables.parts) {
            q.iter_mut().zip(part).for_each(|(q, c)| *q += *gamma * T::of(*c));
        }
    }
    (a, q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_have_their_published_values() {
        let near = |p: usize, expected: &[f64]| {
            assert!(matern_start(p).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{:?}", matern_start(p));
        };
        near(0, &[1.0]);
        near(1, &[1.0, 0.0, 0.0, 1.0]);
        near(2, &[1.0, 0.0, -1.0 / 3.0, 0.0, 1.0 / 3.0, 0.0, -1.0 / 3.0, 0.0, 1.0]);
        near(3, &[1.0, 0.0, -0.2, 0.0, 0.0, 0.2, 0.0, -0.2, -0.2, 0.0, 0.2, 0.0, 0.0, -0.2, 0.0, 1.0]);
    }

    #[test]
    fn process_covariances_are_what_the_transition_leaves_of_the_start() {
        for p in 0..=MOST_ORDER {
            for gap in [0.3, 1.0, 4.0, 30.0] {
                let n = p + 1;
                let (a, q) = Factor::Matern(p).transition(1.0, gap);
                let start = matern_start(p);
                let carried = small::product_transposed(&small::product(&a, &start, n, n, n), &a, n, n, n);
                for i in 0..n * n {
                    assert!((start[i] - carried[i] - q[i]).abs() < 1e-12, "p {p} gap {gap}: entry {i}");
                }
            }
        }
    }

    #[test]
    fn incomplete_gammas_keep_their_relative_accuracy() {
        for x in [1e-6, 1e-3, 0.5, 3.0, 12.9, 13.1, 40.0] {
            let (values, _) = lower_gammas(13, x);
            for (i, value) in values.iter().enumerate() {
                let exact = elbo_tensor::special::gamma_p(i as f64 + 1.0, x);
                assert!((value / exact - 1.0).abs() < 3e-13, "P({}, {x}) = {value}, {exact}", i + 1);
            }
        }
    }
}
