//! Curves of rate and quality: those of sets of pictures, and Bjøntegaard's difference of rates.

use elbo_core::{Error, Result};

/// One operating point of a codec.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Bits per pixel.
    pub rate: f64,
    /// Quality in decibels.
    pub quality: f64,
}

/// Mean difference of the rate at equal quality, as a share: -0.1 is ten per cent less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BdRate {
    /// With the logarithm of the rate as a cubic polynomial of the quality, by least squares.
    pub cubic: f64,
    /// With a monotone piecewise cubic through the points (Fritsch and Carlson 1980); the one to report.
    pub pchip: f64,
}

/// How much more rate `test` needs than `anchor`, over the qualities that both reach.
///
/// # Errors
/// [`Error::Data`] with fewer than four points, qualities that do not increase with the rate, or a common interval below one decibel. The order of the
/// points does not matter.
///
/// # Source
/// Bjøntegaard (2001), VCEG-M33.
pub fn bd_rate(anchor: &[Point], test: &[Point]) -> Result<BdRate> {
    let (anchor, test) = (prepared(anchor)?, prepared(test)?);
    let low = anchor[0].0.max(test[0].0);
    let high = anchor[anchor.len() - 1].0.min(test[test.len() - 1].0);
    if high - low < 1.0 {
        return Err(Error::data(
            format!("the curves share {:.2} dB of quality, from {low:.2} to {high:.2}", (high - low).max(0.0)),
            "measure points that overlap by at least 1 dB",
        ));
    }
    let mean = |integral: Integral| (integral(&test, low, high) - integral(&anchor, low, high)) / (high - low);
    let (cubic, pchip) = (mean(polynomial_integral), mean(pchip_integral));
    Ok(BdRate { cubic: cubic.exp_m1(), pchip: pchip.exp_m1() })
}

/// The curve of a set of pictures from the pixels and the curve of each, whose points are those of the same settings: at
/// each setting the bits of all files over all pixels, and the mean quality over pictures.
///
/// # Errors
/// [`Error::Data`] without pictures, or with curves of different length.
pub fn average(pictures: &[(usize, &[Point])]) -> Result<Vec<Point>> {
    let Some((_, first)) = pictures.first() else {
        return Err(Error::data("there are no curves to average", "measure at least one picture"));
    };
    if let Some((_, other)) = pictures.iter().find(|(_, curve)| curve.len() != first.len()) {
        return Err(Error::data(
            format!("the curves have {} and {} points", first.len(), other.len()),
            "measure every picture at the same settings",
        ));
    }
    let pixels: f64 = pictures.iter().map(|(pixels, _)| *pixels as f64).sum();
    let of = |k: usize| Point {
        rate: pictures.iter().map(|(pixels, curve)| *pixels as f64 * curve[k].rate).sum::<f64>() / pixels,
        quality: pictures.iter().map(|(_, curve)| curve[k].quality).sum::<f64>() / pictures.len() as f64,
    };
    Ok((0..first.len()).map(of).collect())
}

/// The integral over an interval of a curve through or near these points.
type Integral = fn(&[(f64, f64)], f64, f64) -> f64;

/// Qualities with the logarithm of their rate, by quality; both increase.
fn prepared(points: &[Point]) -> Result<Vec<(f64, f64)>> {
    let refuse = |message: String| Err(Error::data(message, "measure at least four rates, each with its own quality"));
    if points.len() < 4 {
        return refuse(format!("a curve has {} points", points.len()));
    }
    let mut all: Vec<(f64, f64)> = points.iter().map(|p| (p.quality, p.rate.ln())).collect();
    if all.iter().any(|(q, r)| !q.is_finite() || !r.is_finite()) {
        return refuse("a point of a curve is not finite, or has no rate".into());
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    if all.windows(2).any(|w| w[1].0 - w[0].0 < 1e-9) {
        return refuse("two points of a curve have the same quality".into());
    }
    if let Some(pair) = all.windows(2).find(|w| w[1].1 <= w[0].1) {
        let ((lower, more), (higher, less)) = (pair[0], pair[1]);
        return Err(Error::data(
            format!(
                "the quality of a curve does not increase with its rate: {lower:.2} dB at {:.4} bits a pixel, {higher:.2} dB at {:.4}",
                more.exp(),
                less.exp()
            ),
            "leave out each point that another exceeds in quality without more bits",
        ));
    }
    Ok(all)
}

/// Integral of the cubic polynomial of least squares.
fn polynomial_integral(points: &[(f64, f64)], low: f64, high: f64) -> f64 {
    // About the middle and in units of half the width, so that the normal equations are well conditioned.
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let (middle, half) = (0.5 * (first + last), 0.5 * (last - first));
    let mut a = [[0.0; 5]; 4];
    for (q, r) in points {
        let x = (q - middle) / half;
        for i in 0..4 {
            for j in 0..4 {
                a[i][j] += x.powi((i + j) as i32);
            }
            a[i][4] += x.powi(i as i32) * r;
        }
    }
    for i in 0..4 {
        let pivot = (i..4).max_by(|p, q| a[*p][i].abs().total_cmp(&a[*q][i].abs())).expect("rows are left");
        a.swap(i, pivot);
        for row in 0..4 {
            if row != i {
                let factor = a[row][i] / a[i][i];
                let pivot = a[i];
                a[row].iter_mut().zip(pivot).for_each(|(x, p)| *x -= factor * p);
            }
        }
    }
    let integral = |q: f64| {
        let x = (q - middle) / half;
        (0..4).map(|i| a[i][4] / a[i][i] * x.powi(i as i32 + 1) / (i + 1) as f64).sum::<f64>() * half
    };
    integral(high) - integral(low)
}

/// Integral of the monotone piecewise cubic.
fn pchip_integral(points: &[(f64, f64)], low: f64, high: f64) -> f64 {
    let n = points.len();
    let h: Vec<f64> = points.windows(2).map(|w| w[1].0 - w[0].0).collect();
    let secant: Vec<f64> = points.windows(2).zip(&h).map(|(w, h)| (w[1].1 - w[0].1) / h).collect();
    let mut slope = vec![0.0; n];
    for i in 1..n - 1 {
        let (a, b) = (secant[i - 1], secant[i]);
        if a * b > 0.0 {
            let (v, w) = (2.0 * h[i] + h[i - 1], h[i] + 2.0 * h[i - 1]);
            slope[i] = (v + w) / (v / a + w / b);
        }
    }
    // Three points at the ends, kept to the shape of the data.
    let end = |h0: f64, h1: f64, a: f64, b: f64| {
        let s = ((2.0 * h0 + h1) * a - h0 * b) / (h0 + h1);
        if s * a <= 0.0 {
            0.0
        } else if a * b <= 0.0 && s.abs() > 3.0 * a.abs() {
            3.0 * a
        } else {
            s
        }
    };
    slope[0] = end(h[0], h[1], secant[0], secant[1]);
    slope[n - 1] = end(h[n - 2], h[n - 3], secant[n - 2], secant[n - 3]);
    let mut sum = 0.0;
    for i in 0..n - 1 {
        let (from, to) = (low.max(points[i].0), high.min(points[i + 1].0));
        if from >= to {
            continue;
        }
        let c2 = (3.0 * secant[i] - 2.0 * slope[i] - slope[i + 1]) / h[i];
        let c3 = (slope[i] + slope[i + 1] - 2.0 * secant[i]) / (h[i] * h[i]);
        let integral = |q: f64| {
            let t = q - points[i].0;
            t * (points[i].1 + t * (slope[i] / 2.0 + t * (c2 / 3.0 + t * c3 / 4.0)))
        };
        sum += integral(to) - integral(from);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(rows: &[(f64, f64)]) -> Vec<Point> {
        rows.iter().map(|(rate, quality)| Point { rate: *rate, quality: *quality }).collect()
    }

    fn columns(rate: &[f64], quality: &[f64]) -> Vec<Point> {
        rate.iter().zip(quality).map(|(rate, quality)| Point { rate: *rate, quality: *quality }).collect()
    }

    /// The specification's figures in per cent; they come from unrounded points.
    fn close(found: BdRate, cubic: f64, pchip: f64) {
        let near = |a: f64, b: f64| (100.0 * a - b).abs() < 0.01;
        assert!(near(found.cubic, cubic) && near(found.pchip, pchip), "{found:?}");
    }

    /// Averages over the Kodak set as the CompressAI repository publishes them, rounded.
    fn published() -> [Vec<Point>; 3] {
        [
            curve(&[
                (0.1226, 26.9088),
                (0.1885, 28.2179),
                (0.2878, 29.6169),
                (0.4404, 31.2771),
                (0.6481, 32.9561),
                (0.9670, 35.3809),
                (1.3512, 37.3969),
                (1.8333, 39.6213),
            ]),
            curve(&[
                (0.1313, 27.5815),
                (0.2089, 29.1967),
                (0.3199, 30.9722),
                (0.4784, 32.8382),
                (0.6687, 34.5263),
                (0.9388, 36.7433),
                (1.2592, 38.5838),
                (1.6602, 40.5569),
            ]),
            curve(&[
                (0.1239, 27.6995),
                (0.1980, 29.3588),
                (0.3072, 31.1289),
                (0.4606, 32.9507),
                (0.6617, 34.9683),
                (0.9144, 36.9111),
                (1.2342, 38.8375),
                (1.6191, 40.6333),
            ]),
        ]
    }

    #[test]
    fn published_curves_have_the_published_differences() {
        let [factorised, hyperprior, mean_scale] = published();
        let first = bd_rate(&factorised, &hyperprior).unwrap();
        let second = bd_rate(&hyperprior, &mean_scale).unwrap();
        assert!((100.0 * first.cubic + 21.145).abs() < 0.005, "{first:?}");
        assert!((100.0 * second.cubic + 6.775).abs() < 0.005, "{second:?}");
        // Of the unrounded figures the specification has -21.130 and -6.833.
        assert!((100.0 * first.pchip + 21.130).abs() < 0.02, "{first:?}");
        assert!((100.0 * second.pchip + 6.833).abs() < 0.02, "{second:?}");
    }

    #[test]
    fn formats_have_the_published_differences() {
        // Kodak averages of Pillow 7.1.2, as the CompressAI repository publishes them, rounded.
        let jpeg = columns(
            &[
                0.221153, 0.326614, 0.423126, 0.508386, 0.587866, 0.660127, 0.728946, 0.786027, 0.849719, 0.906001,
                0.964380, 1.037212, 1.127396, 1.239846, 1.368827, 1.571807, 1.858816, 2.350199, 3.401340,
            ],
            &[
                23.779895, 26.577230, 28.042246, 29.041809, 29.784730, 30.378313, 30.903165, 31.307827, 31.704845,
                32.058653, 32.399296, 32.789916, 33.234742, 33.792594, 34.394295, 35.239001, 36.328865, 37.912125,
                40.556657,
            ],
        );
        let webp = columns(
            &[
                0.234419, 0.296336, 0.352865, 0.407049, 0.460802, 0.512705, 0.567407, 0.620739, 0.674676, 0.721817,
                0.770877, 0.823675, 0.874027, 0.934291, 0.998388, 1.216314, 1.520081, 2.010354, 2.928479,
            ],
            &[
                28.328424, 29.151205, 29.820851, 30.406979, 30.939177, 31.442621, 31.935956, 32.424824, 32.883460,
                33.237553, 33.606664, 33.971663, 34.328179, 34.693450, 35.104168, 36.369046, 37.778259, 39.556952,
                41.759249,
            ],
        );
        close(bd_rate(&jpeg, &webp).unwrap(), -36.616, -36.176);
        let [_, hyperprior, _] = published();
        close(bd_rate(&webp, &hyperprior).unwrap(), -28.357, -28.424);
    }

    #[test]
    fn codecs_with_a_context_and_bpg_have_the_published_differences() {
        // Kodak averages as the CompressAI repository publishes them; those of networks with a context are of its runs on a GPU.
        let mean_scale = columns(
            &[0.123922, 0.197981, 0.307244, 0.460612, 0.661665, 0.914405, 1.234212, 1.619093],
            &[27.699502, 29.358835, 31.128941, 32.950694, 34.968342, 36.911109, 38.837543, 40.633336],
        );
        let autoregressive = columns(
            &[0.110531, 0.186971, 0.287696, 0.432339, 0.638767, 0.885305, 1.200365, 1.587345],
            &[28.088470, 29.645498, 31.362275, 33.085947, 35.093758, 36.988820, 38.933501, 40.639067],
        );
        let anchor = columns(
            &[0.119595, 0.183797, 0.270952, 0.417375, 0.594469, 0.805735],
            &[28.582352, 29.969273, 31.342784, 33.390309, 35.118869, 36.704096],
        );
        let bpg = columns(
            &[0.067768, 0.161023, 0.351554, 0.684697, 1.199665, 1.929712, 3.057876, 4.703143],
            &[26.195128, 28.681549, 31.594657, 34.857474, 38.259887, 41.478873, 44.703110, 47.632516],
        );
        close(bd_rate(&mean_scale, &autoregressive).unwrap(), -8.121, -8.003);
        close(bd_rate(&autoregressive, &anchor).unwrap(), -7.846, -7.987);
        close(bd_rate(&bpg, &mean_scale).unwrap(), -3.440, -3.283);
    }

    #[test]
    fn a_tenth_less_rate_is_a_tenth_and_short_curves_are_refused() {
        let [a, ..] = published();
        let b: Vec<Point> = a.iter().map(|p| Point { rate: 0.9 * p.rate, ..*p }).collect();
        let found = bd_rate(&a, &b).unwrap();
        assert!((found.cubic + 0.1).abs() < 1e-12 && (found.pchip + 0.1).abs() < 1e-12);
        // More rate is positive, and the way back is the reciprocal.
        let back = bd_rate(&b, &a).unwrap();
        assert!((back.cubic - 1.0 / 9.0).abs() < 1e-12 && (back.pchip - 1.0 / 9.0).abs() < 1e-12);
        let better: Vec<Point> = a.iter().map(|p| Point { quality: p.quality + 0.5, ..*p }).collect();
        assert!(bd_rate(&a, &better).unwrap().pchip < -0.05);
        assert!(bd_rate(&a[..3], &b).is_err());
        let far: Vec<Point> = a.iter().map(|p| Point { quality: p.quality + 12.5, ..*p }).collect();
        assert!(bd_rate(&a, &far).unwrap_err().to_string().contains("share 0.21 dB"), "{:?}", bd_rate(&a, &far));
        assert!(bd_rate(&[a[0]; 5], &b).is_err());
        let backwards: Vec<Point> = b.iter().rev().copied().collect();
        assert_eq!(bd_rate(&a, &backwards).unwrap(), found);
        // More bits for less quality, and as many.
        for rate in [a[4].rate + 0.01, a[4].rate] {
            let mut bent = a.clone();
            bent[3].rate = rate;
            for error in [bd_rate(&a, &bent).unwrap_err(), bd_rate(&bent, &a).unwrap_err()] {
                assert!(error.to_string().contains("does not increase with its rate: 31.28 dB"), "{error}");
            }
        }
    }

    #[test]
    fn an_average_weighs_rates_by_pixels_and_qualities_alike() {
        let (small, large) = (curve(&[(1.0, 30.0), (2.0, 36.0)]), curve(&[(0.2, 34.0), (0.6, 38.0)]));
        let found = average(&[(100, &small[..]), (300, &large[..])]).unwrap();
        let expected = [(0.4, 32.0), (0.95, 37.0)];
        assert_eq!(found.len(), expected.len());
        for (point, (rate, quality)) in found.iter().zip(expected) {
            assert!((point.rate - rate).abs() < 1e-12 && (point.quality - quality).abs() < 1e-12, "{point:?}");
        }
        assert_eq!(average(&[(7, &small[..])]).unwrap(), small);
    }

    #[test]
    fn curves_that_cannot_be_averaged_are_refused() {
        let (two, one) = (curve(&[(1.0, 30.0), (2.0, 36.0)]), curve(&[(1.0, 30.0)]));
        assert!(average(&[]).unwrap_err().to_string().contains("no curves"));
        assert!(average(&[(1, &two[..]), (1, &one[..])]).unwrap_err().to_string().contains("2 and 1 points"));
    }
}
