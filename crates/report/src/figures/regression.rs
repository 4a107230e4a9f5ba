//! Predictions of a number against the truth.

use elbo_core::{Figure, Mark};

use super::{range, same_length};
use crate::format::{count, counted, percent};

/// Intervals of more rows than this would cover each other.
const MOST_INTERVALS: usize = 250;

/// Predicted means against observed values, with the diagonal on which a prediction is exact.
///
/// `lower` and `upper` hold one interval of probability `level` a row, or are empty. Rows whose value lies outside stand out;
/// up to 250 rows show their intervals. `target` names the quantity with its unit.
pub fn predicted_vs_observed(
    target: &str,
    observed: &[f64],
    mean: &[f64],
    lower: &[f64],
    upper: &[f64],
    level: f64,
) -> Figure {
    let n = observed.len();
    same_length("mean", mean.len(), n);
    let has_intervals = !lower.is_empty();
    if has_intervals {
        same_length("lower", lower.len(), n);
        same_length("upper", upper.len(), n);
    }
    let is_inside = |i: usize| !has_intervals || (lower[i] <= observed[i] && observed[i] <= upper[i]);
    let cloud = |label: String, rows: Vec<usize>| {
        let take = |values: &[f64]| rows.iter().map(|&i| values[i]).collect::<Vec<_>>();
        let is_drawn = has_intervals && n <= MOST_INTERVALS;
        let (low, high) = if is_drawn { (take(lower), take(upper)) } else { (vec![], vec![]) };
        Mark::Points { label, x: take(observed), y: take(mean), lower: low, upper: high }
    };
    let (inside, outside): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| is_inside(i));
    let (low, high) = range(observed.iter().chain(mean));
    let mut marks = vec![Mark::Line { label: String::new(), x: vec![low, high], y: vec![low, high], dashed: true }];
    let mut caption = String::from("Predicted against observed values; on the dashed diagonal a prediction is exact.");
    if has_intervals && n > 0 {
        let level = percent(level);
        let share = percent(outside.len() as f64 / n as f64);
        caption = format!(
            "{caption} {} of {} ({share}) lie outside their {level} interval.",
            count(outside.len()),
            counted(n, "row")
        );
        marks.push(cloud(format!("inside the {level} interval"), inside));
        marks.push(cloud("outside".into(), outside));
    } else {
        marks.push(cloud(String::new(), inside));
    }
    Figure {
        name: "predicted-observed".into(),
        caption,
        x_label: joined("observed", target),
        y_label: joined("predicted", target),
        marks,
        ..Figure::default()
    }
}

/// Residuals against predicted means. With standard deviations they are standardised, and dashed lines mark -1.96, 0 and 1.96,
/// between which 95 % lie when the predictions are Gaussian and right.
pub fn residuals(target: &str, observed: &[f64], mean: &[f64], sd: &[f64]) -> Figure {
    let n = observed.len();
    same_length("mean", mean.len(), n);
    let is_standardised = !sd.is_empty();
    if is_standardised {
        same_length("sd", sd.len(), n);
    }
    let scale = |i: usize| if is_standardised { sd[i] } else { 1.0 };
    let y: Vec<f64> = (0..n).map(|i| (observed[i] - mean[i]) / scale(i)).collect();
    let (low, high) = range(mean.iter());
    let reference = |at: f64| Mark::Line { label: String::new(), x: vec![low, high], y: vec![at, at], dashed: true };
    let mut marks = vec![reference(0.0)];
    let mut caption =
        String::from("What is left after the prediction. A trend or a funnel would be structure the model has missed.");
    if is_standardised {
        marks.extend([reference(-1.96), reference(1.96)]);
        caption
            .push_str(" In units of the predicted standard deviation, 95\u{a0}% should lie between the outer lines.");
    }
    marks.push(Mark::Points { label: String::new(), x: mean.to_vec(), y, lower: vec![], upper: vec![] });
    Figure {
        name: "residuals".into(),
        caption,
        x_label: joined("predicted", target),
        y_label: if is_standardised { "residual / standard deviation".into() } else { joined("residual of", target) },
        marks,
        ..Figure::default()
    }
}

fn joined(what: &str, target: &str) -> String {
    if target.is_empty() { what.trim_end_matches(" of").into() } else { format!("{what} {target}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_outside_their_interval_are_a_cloud_of_their_own() {
        let f =
            predicted_vs_observed("y", &[1.0, 2.0, 9.0], &[1.1, 2.1, 3.0], &[0.0, 1.0, 2.0], &[2.0, 3.0, 4.0], 0.95);
        assert!(f.caption.contains("1 of 3 rows (33\u{a0}%) lie outside their 95\u{a0}% interval"), "{}", f.caption);
        let Mark::Points { x, label, .. } = &f.marks[2] else { panic!("the last mark is the cloud outside") };
        assert_eq!((x.as_slice(), label.as_str()), ([9.0].as_slice(), "outside"));
    }

    #[test]
    fn residuals_are_divided_by_the_standard_deviation() {
        let f = residuals("", &[1.0, 2.0], &[0.0, 4.0], &[0.5, 1.0]);
        let Some(Mark::Points { y, .. }) = f.marks.last() else { panic!("the last mark is the cloud") };
        assert_eq!(y, &[2.0, -2.0]);
    }
}
