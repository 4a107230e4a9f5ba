//! The squared exponential as a linear process: its inverse spectral density cut after a few terms.
//!
//! `S(w) ∝ exp(-l² w² / 2)`, so `1 / S` is `Σ_j (l² w² / 2)^j / j!`. Cut after `N` terms it is a polynomial in `w²`, whose stable roots give a
//! process of `N` derivatives. How far its covariance is from that of the kernel is [`taylor_error`].
//!
//! # Source
//! Hartikainen and Särkkä (2010). Deviation: process covariances are sums of positive terms over a short gap, then doubled, so that they keep their
//! digits at any gap.

use super::{Form, Kernel};
use crate::scalar::Real;
use crate::small;
use std::sync::OnceLock;

/// Orders of the approximation.
pub const TAYLOR_ORDERS: std::ops::RangeInclusive<usize> = 2..=8;

/// Terms of the exponential's series over a gap of at most [`SHORT`]: the rest is below 1e-20.
const TERMS: usize = 26;
/// Longest gap, in lengthscales, that the series is used for.
const SHORT: f64 = 0.25;
/// Gap, in lengthscales, after which nothing is remembered: no root has a real part above -1.55.
const LONG: f64 = 50.0;

/// Constants of one order, for lengthscale one and variance one, in coordinates of unit variance.
struct Tables {
    /// `F^j / j!`, `[TERMS][n, n]`.
    powers: Vec<Vec<f64>>,
    /// `Q(h) = Σ_c h^{c+1} parts_c`, `[2 TERMS - 1][n, n]`.
    parts: Vec<Vec<f64>>,
    /// The stationary covariance, `[n, n]`.
    start: Vec<f64>,
    error: f64,
}

fn tables(order: usize) -> &'static Tables {
    static TABLES: OnceLock<Vec<Tables>> = OnceLock::new();
    &TABLES.get_or_init(|| TAYLOR_ORDERS.map(make_tables).collect())[order - TAYLOR_ORDERS.start()]
}

fn make_tables(n: usize) -> Tables {
    let monic = stable_polynomial(n);
    let mut drift = vec![0.0; n * n];
    for i in 0..n - 1 {
        drift[i * n + i + 1] = 1.0;
    }
    (0..n).for_each(|j| drift[(n - 1) * n + j] = -monic[j]);
    let mut noise = vec![0.0; n];
    noise[n - 1] = 1.0;
    // The covariance after a long time, in the plain coordinates; then these are scaled to unit variance.
    let (powers, parts) = series(&drift, &noise, n);
    let (_, plain) = doubled::<f64>(&powers, &parts, n, LONG);
    let scale: Vec<f64> = (0..n).map(|i| plain[i * n + i].sqrt()).collect();
    for i in 0..n {
        (0..n).for_each(|j| drift[i * n + j] *= scale[j] / scale[i]);
    }
    noise[n - 1] /= scale[n - 1];
    let (powers, parts) = series(&drift, &noise, n);
    let (_, start) = doubled::<f64>(&powers, &parts, n, LONG);
    let mut tables = Tables { powers, parts, start: small::symmetrised(start, n), error: 0.0 };
    let distance = |k: usize| {
        let tau = 0.01 * k as f64;
        ((-0.5 * tau * tau).exp() - correlated(&tables, n, tau)).abs()
    };
    tables.error = (0..=1000).map(distance).fold(0.0, f64::max);
    tables
}

/// `F^j / j!` and the parts of `Q`.
fn series(drift: &[f64], noise: &[f64], n: usize) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let mut powers = vec![small::identity::<f64>(n)];
    for j in 1..TERMS {
        let next = small::product(&powers[j - 1], drift, n, n, n);
        powers.push(next.into_iter().map(|x| x / j as f64).collect());
    }
    let columns: Vec<Vec<f64>> = powers.iter().map(|p| small::product(p, noise, n, n, 1)).collect();
    let mut parts = vec![vec![0.0; n * n]; 2 * TERMS - 1];
    for (a, left) in columns.iter().enumerate() {
        for (b, right) in columns.iter().enumerate() {
            for i in 0..n {
                (0..n).for_each(|j| parts[a + b][i * n + j] += left[i] * right[j] / (a + b + 1) as f64);
            }
        }
    }
    (powers, parts)
}

/// `A` and `Q` over `u` lengthscales: by the series over a short gap, which is then doubled, `Q(2 h) = Q(h) + A(h) Q(h) A(h)'`.
fn doubled<T: Real>(powers: &[Vec<f64>], parts: &[Vec<f64>], n: usize, u: T) -> (Vec<T>, Vec<T>) {
    let mut times = 0;
    while u.value() / f64::from(1u32 << times) > SHORT {
        times += 1;
    }
    let h = u / T::of(f64::from(1u32 << times));
    let sum = |terms: &[Vec<f64>], first: T| {
        let mut out = vec![T::of(0.0); n * n];
        let mut weight = first;
        for term in terms {
            out.iter_mut().zip(term).for_each(|(o, t)| *o += weight * T::of(*t));
            weight = weight * h;
        }
        out
    };
    let (mut a, mut q) = (sum(powers, T::of(1.0)), sum(parts, h));
    for _ in 0..times {
        let carried = small::product_transposed(&small::product(&a, &q, n, n, n), &a, n, n, n);
        q.iter_mut().zip(carried).for_each(|(q, c)| *q += c);
        a = small::product(&a, &a, n, n, n);
    }
    (a, q)
}

/// Stationary covariance of the state, of unit variances, `[n, n]`.
pub(super) fn taylor_start(order: usize) -> Vec<f64> {
    tables(order).start.clone()
}

/// Transition and process covariance over `u` lengthscales.
pub(super) fn taylor_transition<T: Real>(order: usize, u: T) -> (Vec<T>, Vec<T>) {
    let tables = tables(order);
    if u.value() > LONG {
        return (vec![T::of(0.0); order * order], tables.start.iter().map(|x| T::of(*x)).collect());
    }
    doubled(&tables.powers, &tables.parts, order, u)
}

/// The correlation of the process at `u` lengthscales.
pub(super) fn taylor_correlation(order: usize, u: f64) -> f64 {
    correlated(tables(order), order, u)
}

fn correlated(tables: &Tables, n: usize, u: f64) -> f64 {
    if u > LONG {
        return 0.0;
    }
    let (a, _) = doubled::<f64>(&tables.powers, &tables.parts, n, u);
    (0..n).map(|j| a[j] * tables.start[j * n]).sum()
}

/// Largest distance between the correlation of the process and `exp(-u² / 2)`.
///
/// # Panics
/// For orders outside [`TAYLOR_ORDERS`].
pub fn taylor_error(order: usize) -> f64 {
    tables(order).error
}

impl Kernel {
    /// Largest distance of a squared exponential's covariance from the kernel that it stands for, as a share of its variance, over all such terms. `None`
    /// without one.
    pub fn taylor_error(&self) -> Option<f64> {
        match self {
            Self::Sum(parts) | Self::Product(parts) => parts.iter().filter_map(Self::taylor_error).reduce(f64::max),
            Self::Term(Form::SquaredExponential(order), _) => Some(taylor_error(*order)),
            Self::Term(..) => None,
        }
    }
}

/// Coefficients of the monic polynomial of degree `n` with the stable roots of `Σ_j (-s²/2)^j / j!`, the constant first, without the leading one.
fn stable_polynomial(n: usize) -> Vec<f64> {
    // Roots z of Σ z^j / j! by Weierstrass's simultaneous iteration; all are simple. Then s = -sqrt(-2 z).
    let mut factorial = 1.0;
    (1..=n).for_each(|k| factorial *= k as f64);
    let monic: Vec<f64> = (0..=n)
        .map(|j| {
            let own: f64 = (1..=j).map(|k| k as f64).product();
            factorial / own
        })
        .collect();
    let mut roots: Vec<Complex> =
        (0..n).map(|k| polar(0.5 * n as f64 + 0.5, std::f64::consts::TAU * (k as f64 + 0.3) / n as f64)).collect();
    for _ in 0..500 {
        for k in 0..n {
            let value = monic.iter().rev().fold((0.0, 0.0), |sum, c| add(times(sum, roots[k]), (*c, 0.0)));
            let others =
                (0..n).filter(|j| *j != k).fold((1.0, 0.0), |product, j| times(product, sub(roots[k], roots[j])));
            roots[k] = sub(roots[k], over(value, others));
        }
    }
    let mut out = vec![(0.0, 0.0); n + 1];
    out[0] = (1.0, 0.0);
    for (done, z) in roots.iter().enumerate() {
        let s = root((-2.0 * z.0, -2.0 * z.1));
        // Times (x + s), as -s is the stable root.
        for j in (0..=done + 1).rev() {
            let below = if j > 0 { out[j - 1] } else { (0.0, 0.0) };
            out[j] = add(below, times(out[j], s));
        }
    }
    out[..n].iter().map(|c| c.0).collect()
}

type Complex = (f64, f64);

fn add(a: Complex, b: Complex) -> Complex {
    (a.0 + b.0, a.1 + b.1)
}

fn sub(a: Complex, b: Complex) -> Complex {
    (a.0 - b.0, a.1 - b.1)
}

fn times(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn over(a: Complex, b: Complex) -> Complex {
    let norm = b.0 * b.0 + b.1 * b.1;
    ((a.0 * b.0 + a.1 * b.1) / norm, (a.1 * b.0 - a.0 * b.1) / norm)
}

fn polar(size: f64, angle: f64) -> Complex {
    let (s, c) = angle.sin_cos();
    (size * c, size * s)
}

/// The root with a positive real part.
fn root(z: Complex) -> Complex {
    polar(z.0.hypot(z.1).sqrt(), 0.5 * z.1.atan2(z.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_an_independent_computation() {
        // By roots of numpy 2 and the matrix exponential of scipy 1, on the grid 0, 0.02, ... 8.
        let expected =
            [(2, 0.133_900), (3, 0.051_803), (4, 0.021_651), (5, 0.009_463_4), (6, 0.004_258_1), (8, 0.000_909_79)];
        for (order, error) in expected {
            let found = taylor_error(order);
            assert!((found / error - 1.0).abs() < 2e-3, "order {order}: {found}, {error}");
        }
    }

    #[test]
    fn the_error_of_a_kernel_is_that_of_its_coarsest_squared_exponential() {
        let of = |text: &str| text.parse::<Kernel>().unwrap().taylor_error();
        let text = "linear + squared_exponential * (periodic + squared_exponential(order=3)) + matern32";
        assert_eq!(of(text), Some(taylor_error(3)));
        assert_eq!(of("squared_exponential(order=8)"), Some(taylor_error(8)));
        assert_eq!(of("linear + matern32 * periodic"), None);
    }

    #[test]
    fn process_covariances_are_what_the_transition_leaves_and_keep_their_digits() {
        for n in TAYLOR_ORDERS {
            let start = taylor_start(n);
            for u in [0.2, 1.0, 7.0, 49.0] {
                let (a, q) = taylor_transition(n, u);
                let carried = small::product_transposed(&small::product(&a, &start, n, n, n), &a, n, n, n);
                for i in 0..n * n {
                    assert!((start[i] - carried[i] - q[i]).abs() < 1e-9, "order {n}, gap {u}, entry {i}");
                }
            }
            // At a tiny gap only the leading term is left: h^{2n-1} (noise / (n-1)!)² / (2n-1) for the function itself.
            let (_, q) = taylor_transition(n, 1e-5);
            let leading = tables(n).parts[2 * n - 2][0] * 1e-5f64.powi(2 * n as i32 - 1);
            assert!(leading > 0.0 && (q[0] / leading - 1.0).abs() < 1e-4, "order {n}");
        }
    }
}
