use std::f64::consts::E;

/// Lambert's W on its principal branch: the `w >= -1` with `w e^w = x`, for `x >= -1/e`; NaN below.
///
/// ```
/// use elbo_tensor::special::lambert_w;
/// assert!((lambert_w(1.0) - 0.567_143_290_409_783_8).abs() < 1e-15);
/// ```
pub fn lambert_w(x: f64) -> f64 {
    if x.is_nan() || x < -1.0 / E {
        return f64::NAN;
    }
    if x == 0.0 || x == f64::INFINITY {
        return x;
    }
    let start = if x < -0.3 {
        branch_series((2.0 * distance(x)).sqrt())
    } else if x < 3.0 {
        x.ln_1p() * (1.0 - x.ln_1p().ln_1p() / (2.0 + x.ln_1p()))
    } else {
        x.ln() - x.ln().ln()
    };
    refine(start, x)
}

/// Lambert's W on its lower branch: the `w <= -1` with `w e^w = x`, for `-1/e <= x < 0`; NaN elsewhere.
pub fn lambert_w_lower(x: f64) -> f64 {
    if x.is_nan() || !(-1.0 / E..0.0).contains(&x) {
        return f64::NAN;
    }
    let start = if x < -0.25 {
        branch_series(-(2.0 * distance(x)).sqrt())
    } else {
        let l = (-x).ln();
        l - (-l).ln() + (-l).ln() / l
    };
    refine(start, x)
}

/// `1 + e x`, with e in two parts: near the branch point almost all digits cancel.
fn distance(x: f64) -> f64 {
    const E_LOW: f64 = 1.445_646_891_729_250_2e-16;
    (x.mul_add(E, 1.0) + x * E_LOW).max(0.0)
}

/// The expansion at the branch point in `p = +-sqrt(2 (1 + e x))`.
fn branch_series(p: f64) -> f64 {
    -1.0 + p * (1.0 - p * (1.0 / 3.0 - p * (11.0 / 72.0 - p * (43.0 / 540.0 - p * (769.0 / 17280.0)))))
}

/// Halley's iteration.
fn refine(mut w: f64, x: f64) -> f64 {
    for _ in 0..12 {
        // Close to the branch point the series is exact, and the iteration divides by w + 1.
        if (w + 1.0).abs() < 1e-4 {
            return w;
        }
        let e = w.exp();
        let f = w * e - x;
        let step = f / (e * (w + 1.0) - (w + 2.0) * f / (2.0 * w + 2.0));
        w -= step;
        if step.abs() <= 1e-16 * w.abs() {
            break;
        }
    }
    w
}
