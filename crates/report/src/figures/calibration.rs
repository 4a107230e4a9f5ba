//! Whether predictive distributions hold what they promise.

use elbo_core::{Figure, Mark};

use super::same_length;
use crate::chance::{binomial_shares, normal_cdf, uniform_distance, uniform_distance_limit, wilson};
use crate::format::{count, counted, number, percent};

/// Probability integral transform under Gaussian predictions: the distribution function at each observed value.
pub fn gaussian_pit(observed: &[f64], mean: &[f64], sd: &[f64]) -> Vec<f64> {
    same_length("mean", mean.len(), observed.len());
    same_length("sd", sd.len(), observed.len());
    (0..observed.len()).map(|i| normal_cdf((observed[i] - mean[i]) / sd[i])).collect()
}

/// Share of values inside the central interval of every level, against the level.
///
/// `pit` holds the predictive distribution function at each observed value. The band is what 95 % of perfectly calibrated
/// models show at each level with as many independent rows. Values that are not numbers are left out.
pub fn calibration(pit: &[f64]) -> Figure {
    let mut depth: Vec<f64> = pit.iter().filter(|p| !p.is_nan()).map(|p| (2.0 * p - 1.0).abs()).collect();
    depth.sort_by(f64::total_cmp);
    let n = depth.len();
    let levels: Vec<f64> = (0..=50).map(|i| f64::from(i) / 50.0).collect();
    let held: Vec<f64> = levels.iter().map(|&l| depth.partition_point(|&d| d <= l) as f64 / n.max(1) as f64).collect();
    let band: Vec<(f64, f64)> = levels.iter().map(|&l| binomial_shares(n, l, 0.95)).collect();
    let strays = (0..levels.len()).filter(|&i| held[i] < band[i].0 || held[i] > band[i].1).count();
    let mean_gap = held.iter().zip(&levels).map(|(h, l)| h - l).sum::<f64>();
    let conclusion = if n == 0 {
        "There are no predictions to check."
    } else if strays <= levels.len() / 10 {
        "The curve keeps to the band: the intervals are as wide as they should be."
    } else if mean_gap < 0.0 {
        "The curve leaves the band below the diagonal: intervals hold less than they promise, they are too narrow."
    } else {
        "The curve leaves the band above the diagonal: intervals hold more than they promise, they are too wide."
    };
    let marks = if n == 0 {
        vec![]
    } else {
        vec![
            Mark::Band {
                label: "95\u{a0}% of calibrated models".into(),
                x: levels.clone(),
                lower: band.iter().map(|b| b.0).collect(),
                upper: band.iter().map(|b| b.1).collect(),
            },
            diagonal(),
            Mark::Line { label: "this model".into(), x: levels, y: held, dashed: false },
        ]
    };
    Figure {
        name: "calibration".into(),
        caption: format!(
            "Share of values inside the central interval of each level ({}). {conclusion}",
            counted(n, "row")
        ),
        x_label: "probability promised".into(),
        y_label: "share held".into(),
        marks,
        ..Figure::default()
    }
}

/// Share of values held at a few levels, each with Wilson's 95 % interval. `held[k]` of `rows` values lie inside at `levels[k]`.
pub fn coverage(levels: &[f64], held: &[usize], rows: usize) -> Figure {
    same_length("held", held.len(), levels.len());
    let bounds: Vec<(f64, f64)> = held.iter().map(|&h| wilson(h, rows, 1.96)).collect();
    let said: Vec<String> = levels
        .iter()
        .zip(held)
        .map(|(l, &h)| format!("{} held {}", percent(*l), percent(h as f64 / rows.max(1) as f64)))
        .collect();
    Figure {
        name: "coverage".into(),
        caption: format!(
            "Share of {} inside their intervals, with the error of counting: {}.",
            counted(rows, "row"),
            said.join(", ")
        ),
        x_label: "probability promised".into(),
        y_label: "share held".into(),
        marks: vec![
            diagonal(),
            Mark::Points {
                label: String::new(),
                x: levels.to_vec(),
                y: held.iter().map(|&h| h as f64 / rows.max(1) as f64).collect(),
                lower: bounds.iter().map(|b| b.0).collect(),
                upper: bounds.iter().map(|b| b.1).collect(),
            },
        ],
        ..Figure::default()
    }
}

/// Histogram of the probability integral transform, flat when the predictive distributions are right.
///
/// The band is what 95 % of calibrated models show in each bin. The caption has Kolmogorov and Smirnov's distance from an even distribution; that of
/// counts is larger than zero however right the predictions are, since their distribution function jumps.
pub fn pit_histogram(pit: &[f64]) -> Figure {
    let values: Vec<f64> = pit.iter().copied().filter(|p| !p.is_nan()).collect();
    let n = values.len();
    let bins = if n >= 200 { 20 } else { 10 };
    let mut counts = vec![0.0; bins];
    for p in &values {
        counts[((p * bins as f64) as usize).min(bins - 1)] += 1.0;
    }
    let expected = n as f64 / bins as f64;
    let (low, high) = binomial_shares(n, 1.0 / bins as f64, 0.95);
    let ends = vec![0.0, 1.0];
    let mut caption = String::from("Where the observed values fall in their predictive distributions. Flat is right; ");
    caption.push_str("a hump means too wide, a bowl too narrow, a slope a bias.");
    let outside = counts.iter().filter(|&&c| n > 0 && (c < low * n as f64 || c > high * n as f64)).count();
    if n > 0 {
        caption.push_str(&format!(
            " {} of {bins} bins leave the 95\u{a0}% band. Their distribution is at most {} from an even one (Kolmogorov and Smirnov's \
             distance); 95\u{a0}% of calibrated models stay below {}.",
            count(outside),
            number(uniform_distance(&values)),
            number(uniform_distance_limit(n))
        ));
    }
    let marks = if n == 0 {
        vec![]
    } else {
        vec![
            Mark::Histogram {
                label: "this model".into(),
                edges: (0..=bins).map(|i| i as f64 / bins as f64).collect(),
                counts,
            },
            Mark::Band {
                label: "95\u{a0}% of calibrated models".into(),
                x: ends.clone(),
                lower: vec![low * n as f64; 2],
                upper: vec![high * n as f64; 2],
            },
            Mark::Line { label: String::new(), x: ends, y: vec![expected; 2], dashed: true },
        ]
    };
    Figure {
        name: "pit".into(),
        caption,
        x_label: "predictive distribution function at the observed value".into(),
        y_label: "rows".into(),
        marks,
        ..Figure::default()
    }
}

fn diagonal() -> Mark {
    Mark::Line { label: String::new(), x: vec![0.0, 1.0], y: vec![0.0, 1.0], dashed: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_transforms_are_calibrated_and_crowded_ones_are_not() {
        let even: Vec<f64> = (0..400).map(|i| (f64::from(i) + 0.5) / 400.0).collect();
        assert!(calibration(&even).caption.contains("as wide as they should be"));
        let ends: Vec<f64> = even.iter().map(|p| if *p < 0.5 { 0.3 * p } else { 1.0 - 0.3 * (1.0 - p) }).collect();
        assert!(calibration(&ends).caption.contains("too narrow"));
        let middle: Vec<f64> = even.iter().map(|p| 0.4 + 0.2 * p).collect();
        assert!(calibration(&middle).caption.contains("too wide"));
    }

    #[test]
    fn the_transform_of_a_gaussian_is_its_distribution_function() {
        let pit = gaussian_pit(&[1.0, 3.0], &[1.0, 1.0], &[2.0, 2.0]);
        assert_eq!(pit[0], 0.5);
        assert!((pit[1] - 0.841_344_746).abs() < 1e-9);
    }

    #[test]
    fn the_histogram_says_how_far_it_is_from_even_and_how_far_chance_goes() {
        let even: Vec<f64> = (0..100).map(|i| (f64::from(i) + 0.5) / 100.0).collect();
        let caption = pit_histogram(&even).caption;
        assert!(
            caption.contains("at most 0.005 from an even one") && caption.contains("stay below 0.134"),
            "{caption}"
        );
        let low: Vec<f64> = even.iter().map(|p| 0.5 * p).collect();
        let caption = pit_histogram(&low).caption;
        assert!(caption.contains("at most 0.502 from") || caption.contains("at most 0.503 from"), "{caption}");
        assert!(!pit_histogram(&[f64::NAN]).caption.contains("Kolmogorov"));
    }

    #[test]
    fn the_histogram_counts_every_value_once() {
        let Mark::Histogram { counts, .. } = &pit_histogram(&[0.0, 0.05, 1.0, f64::NAN]).marks[0] else {
            panic!("the first mark is the histogram")
        };
        assert_eq!((counts[0], counts[9], counts.iter().sum::<f64>()), (2.0, 1.0, 3.0));
    }
}
