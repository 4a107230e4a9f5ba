//! Modified Bessel functions of the first kind.

use std::f64::consts::TAU;

/// `exp(-|x|) I_n(x)` for an integer order: the Fourier coefficients of `exp(x cos t)`, scaled.
///
/// ```
/// use elbo_tensor::special::bessel_ie;
/// assert!((bessel_ie(0, 1.0) - 0.465_759_607_593_640_4).abs() < 1e-15);
/// ```
pub fn bessel_ie(order: usize, x: f64) -> f64 {
    let size = x.abs();
    let value = if size.is_nan() {
        f64::NAN
    } else if size < 20.0 {
        series(order, size)
    } else if size > 60.0 && size > (order * order) as f64 {
        asymptotic(order, size)
    } else {
        backward(order, size)
    };
    if x < 0.0 && order % 2 == 1 { -value } else { value }
}

/// `(x/2)^n / n! * sum of (x^2/4)^k / (k! (n+1)...(n+k))`; every term is positive.
fn series(order: usize, x: f64) -> f64 {
    let half = 0.5 * x;
    let mut front = (-x).exp();
    for k in 1..=order {
        front *= half / k as f64;
    }
    let (mut term, mut sum, mut k) = (1.0, 1.0, 0.0);
    while term > 1e-17 * sum {
        k += 1.0;
        term *= half * half / (k * (order as f64 + k));
        sum += term;
    }
    front * sum
}

/// Hankel's expansion for large `x`.
fn asymptotic(order: usize, x: f64) -> f64 {
    if x == f64::INFINITY {
        return 0.0;
    }
    let mu = 4.0 * (order as f64).powi(2);
    let (mut term, mut sum, mut k) = (1.0f64, 1.0, 0.0f64);
    while term.abs() > 1e-17 && k < 60.0 {
        k += 1.0;
        term *= -(mu - (2.0 * k - 1.0).powi(2)) / (8.0 * k * x);
        sum += term;
    }
    sum / (TAU * x).sqrt()
}

/// Miller's backward recurrence, normalised by `exp(x) = I_0 + 2 (I_1 + I_2 + ...)`.
fn backward(order: usize, x: f64) -> f64 {
    // I_k(x) / I_0(x) is about exp(-k^2 / 2x); beyond `order` the ratio to I_order counts.
    let start = ((order * order) as f64 + 80.0 * x).sqrt() as usize + 30;
    let (mut above, mut here) = (0.0, 1e-280);
    let (mut sum, mut wanted) = (0.0, 0.0);
    for k in (1..=start).rev() {
        if k == order {
            wanted = here;
        }
        sum += 2.0 * here;
        (above, here) = (here, above + 2.0 * k as f64 / x * here);
        if here > 1e250 {
            for value in [&mut above, &mut here, &mut sum, &mut wanted] {
                *value *= 1e-250;
            }
        }
    }
    if order == 0 {
        wanted = here;
    }
    wanted / (sum + here)
}
