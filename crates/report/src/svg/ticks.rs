//! Where the ticks stand and what they say.

use crate::format::superscript;

/// Ticks of one axis.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ticks {
    /// Positions in data coordinates.
    pub at: Vec<f64>,
    /// One label a position.
    pub labels: Vec<String>,
    /// A common factor or offset taken out of the labels; it follows the axis' name.
    pub unit: Option<String>,
}

/// Ticks for a range, about `count` of them.
pub(super) fn ticks(domain: (f64, f64), is_log: bool, count: usize) -> Ticks {
    if is_log { logarithmic(domain, count) } else { linear(domain, count) }
}

/// Steps of 1, 2 or 5 times a power of ten.
fn linear((low, high): (f64, f64), count: usize) -> Ticks {
    let half = 0.5 * high - 0.5 * low;
    if half <= 0.0 || !half.is_finite() {
        return Ticks::default();
    }
    let raw = half / (0.5 * count.max(1) as f64);
    let mut power = raw.log10().floor() as i32;
    let ratio = scaled(raw, -power);
    let digit = match ratio {
        r if r <= 1.4 => 1.0,
        r if r <= 3.2 => 2.0,
        r if r <= 7.0 => 5.0,
        _ => {
            power += 1;
            1.0
        }
    };
    let step = scaled(digit, power);
    let slack = 1e-9 * half;
    let first = (low / step).ceil();
    let at: Vec<f64> = (-1..=2 * count as i64 + 2)
        .map(|i| clean((first + i as f64) * step, step))
        .filter(|v| v.is_finite() && *v >= low - slack && *v <= high + slack)
        .collect();
    label(at, power)
}

/// Labels with the decimals that the step 10^`power` needs, and a common factor or offset where the plain numbers would be long.
fn label(at: Vec<f64>, power: i32) -> Ticks {
    let Some(largest) = at.iter().map(|v| v.abs()).reduce(f64::max) else {
        return Ticks::default();
    };
    let exponent = if largest == 0.0 { power } else { largest.log10().floor() as i32 };
    if exponent - power > 5 {
        // Many equal leading digits: name a round number just below, label the distances from it.
        let unit = scaled(1.0, power + 3);
        let base = (at[0] / unit).floor() * unit;
        let shifted = label(at.iter().map(|v| v - base).collect(), power);
        let offset = format!("{} {:e}", if base < 0.0 { '−' } else { '+' }, base.abs());
        let factor = shifted.unit.map(|unit| format!("{unit} ")).unwrap_or_default();
        return Ticks { at, labels: shifted.labels, unit: Some(format!("{factor}{offset}")) };
    }
    let factor = if (-3..=4).contains(&exponent) { 0 } else { exponent };
    let decimals = (factor - power).max(0) as usize;
    let labels = at.iter().map(|&v| signed(scaled(v, -factor), decimals)).collect();
    Ticks { at, labels, unit: (factor != 0).then(|| format!("×10{}", superscript(factor))) }
}

/// Decades, every few decades on a wide range, 1-2-5 on a narrow one, and linear ticks where not even those occur twice.
fn logarithmic((low, high): (f64, f64), count: usize) -> Ticks {
    let (first, last) = (low.log10(), high.log10());
    if !first.is_finite() || !last.is_finite() {
        return Ticks::default();
    }
    let (from, to) = ((first - 1e-9).ceil() as i32, (last + 1e-9).floor() as i32);
    let decades = to - from + 1;
    if decades >= 3 || (decades == 2 && count < 4) {
        let least = (decades as f64 / count.max(2) as f64).ceil() as i32;
        let every = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200].into_iter().find(|e| *e >= least).unwrap_or(400);
        let powers = (from..=to).filter(|p| p.rem_euclid(every) == 0);
        let (at, labels) = powers.map(|p| (scaled(1.0, p), power_label(p))).unzip();
        return Ticks { at, labels, unit: None };
    }
    let mut found = Ticks::default();
    for p in from - 1..=to {
        for digit in [1.0, 2.0, 5.0] {
            let v = scaled(digit, p);
            if v >= low * (1.0 - 1e-9) && v <= high * (1.0 + 1e-9) {
                let decimals = (-p).max(0) as usize;
                let has_short_form = (-3..=4).contains(&p);
                let label =
                    if has_short_form { format!("{v:.decimals$}") } else { format!("{digit}×{}", power_label(p)) };
                found.at.push(v);
                found.labels.push(label);
            }
        }
    }
    if found.at.len() < 2 { linear((low, high), count) } else { found }
}

fn power_label(p: i32) -> String {
    match p {
        -3..=-1 => format!("{:.*}", -p as usize, scaled(1.0, p)),
        0..=4 => format!("{:.0}", scaled(1.0, p)),
        _ => format!("10{}", superscript(p)),
    }
}

/// `value * 10^power`, in two parts because 10^320 and 10^-320 are not themselves representable.
fn scaled(value: f64, power: i32) -> f64 {
    if power < 0 && power > -300 {
        // Division by an exact power rounds once: 3 / 10 is 0.3, 3 * 0.1 is not.
        return value / 10f64.powi(-power);
    }
    let part = power / 2;
    value * 10f64.powi(part) * 10f64.powi(power - part)
}

/// Rounding noise around zero is zero.
fn clean(value: f64, step: f64) -> f64 {
    if value.abs() < 1e-9 * step { 0.0 } else { value }
}

fn signed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let is_zero = text.bytes().all(|b| b == b'0' || b == b'.');
    if value < 0.0 && !is_zero { format!("−{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(domain: (f64, f64), is_log: bool, count: usize) -> (String, Option<String>) {
        let t = ticks(domain, is_log, count);
        assert_eq!(t.at.len(), t.labels.len());
        (t.labels.join(" "), t.unit)
    }

    #[test]
    fn linear_steps_are_one_two_or_five() {
        assert_eq!(labels((0.0, 10.0), false, 5), ("0 2 4 6 8 10".into(), None));
        assert_eq!(labels((-0.13, 0.42), false, 5), ("−0.1 0.0 0.1 0.2 0.3 0.4".into(), None));
        assert_eq!(labels((3.0, 97.0), false, 4), ("20 40 60 80".into(), None));
    }

    #[test]
    fn large_and_small_numbers_share_a_factor() {
        assert_eq!(labels((0.0, 3e6), false, 3), ("0 1 2 3".into(), Some("×10⁶".into())));
        assert_eq!(labels((0.0, 3e-7), false, 3), ("0 1 2 3".into(), Some("×10⁻⁷".into())));
        assert_eq!(labels((-1e300, 1e300), false, 4).1, Some("×10³⁰⁰".into()));
        assert!(!ticks((f64::MIN, f64::MAX), false, 5).at.is_empty());
        assert!(!ticks((1e-310, 3e-310), false, 5).at.is_empty());
    }

    #[test]
    fn nearly_equal_numbers_are_labelled_by_their_distance() {
        assert_eq!(
            labels((1e6 + 0.01, 1e6 + 0.05), false, 4),
            ("0.01 0.02 0.03 0.04 0.05".into(), Some("+ 1e6".into()))
        );
    }

    #[test]
    fn logarithmic_ticks_adapt_to_the_number_of_decades() {
        assert_eq!(labels((0.008, 1.2e3), true, 6).0, "0.01 0.1 1 10 100 1000");
        assert_eq!(labels((0.9, 60.0), true, 5).0, "1 2 5 10 20 50");
        assert_eq!(labels((2.1, 4.3), true, 5).0, "2.5 3.0 3.5 4.0");
        assert_eq!(labels((1e-300, 1e300), true, 5).0, "10⁻²⁰⁰ 1 10²⁰⁰");
    }
}
