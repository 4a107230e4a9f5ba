//! Class probabilities against what happened.

use elbo_core::{Figure, Mark, Table};

use super::same_length;
use crate::chance::wilson;
use crate::format::{count, counted, percent};

/// How often something happened against the probability it was given, in ten bins, with Wilson's 95 % intervals.
///
/// `probability[i]` is the probability given to an event and `happened[i]` whether it came true: the most probable class being
/// right, or one of two classes.
pub fn reliability(probability: &[f64], happened: &[bool]) -> Figure {
    same_length("happened", happened.len(), probability.len());
    const BINS: usize = 10;
    let mut sums = [(0usize, 0usize, 0.0); BINS];
    for (p, &h) in probability.iter().zip(happened).filter(|(p, _)| !p.is_nan()) {
        let bin = &mut sums[((p * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + 1, bin.1 + usize::from(h), bin.2 + p);
    }
    let filled: Vec<_> = sums.into_iter().filter(|bin| bin.0 > 0).collect();
    let bounds: Vec<(f64, f64)> = filled.iter().map(|bin| wilson(bin.1, bin.0, 1.96)).collect();
    let stated = |bin: &(usize, usize, f64)| bin.2 / bin.0 as f64;
    let astray = filled.iter().zip(&bounds).filter(|(bin, b)| stated(bin) < b.0 || stated(bin) > b.1).count();
    let conclusion = match (filled.len(), astray) {
        (0, _) => "There are no predictions to check.".into(),
        (_, 0) => "Every interval meets the diagonal: the probabilities can be taken at their word.".into(),
        (bins, astray) => {
            format!("{} of {} miss the diagonal by more than chance.", count(astray), counted(bins, "bin"))
        }
    };
    let mut marks = vec![Mark::Line { label: String::new(), x: vec![0.0, 1.0], y: vec![0.0, 1.0], dashed: true }];
    marks.push(Mark::Points {
        label: String::new(),
        x: filled.iter().map(stated).collect(),
        y: filled.iter().map(|bin| bin.1 as f64 / bin.0 as f64).collect(),
        lower: bounds.iter().map(|b| b.0).collect(),
        upper: bounds.iter().map(|b| b.1).collect(),
    });
    Figure {
        name: "reliability".into(),
        caption: format!("How often a stated probability came true, in bins, with the error of counting. {conclusion}"),
        x_label: "probability stated".into(),
        y_label: "share that came true".into(),
        marks,
        ..Figure::default()
    }
}

/// Share of wrong rows among those that are kept, the surest first, against how many are kept, with Wilson's 95 % intervals: what is gained by leaving rows
/// in doubt to somebody else.
///
/// `confidence[i]` is the probability given to the most probable class and `right[i]` whether it was the true one. Rows with equal confidence share their
/// errors.
pub fn risk_coverage(confidence: &[f64], right: &[bool]) -> Figure {
    same_length("right", right.len(), confidence.len());
    let mut order: Vec<usize> = (0..confidence.len()).filter(|i| !confidence[*i].is_nan()).collect();
    order.sort_by(|a, b| confidence[*b].total_cmp(&confidence[*a]));
    let rows = order.len();
    // Wrong rows among the first `k`, at `k`.
    let mut wrong = vec![0.0];
    for group in order.chunk_by(|a, b| confidence[*a] == confidence[*b]) {
        let share = group.iter().filter(|i| !right[**i]).count() as f64 / group.len() as f64;
        for _ in group {
            wrong.push(wrong[wrong.len() - 1] + share);
        }
    }
    let mut kept: Vec<usize> = (1..=50).map(|level| (level * rows).div_ceil(50)).filter(|k| *k > 0).collect();
    kept.dedup();
    let risk = |k: usize| wrong[k] / k as f64;
    let bounds: Vec<(f64, f64)> = kept.iter().map(|k| wilson(wrong[*k].round() as usize, *k, 1.96)).collect();
    let (conclusion, marks) = if rows == 0 {
        ("There are no predictions to check.".into(), vec![])
    } else {
        let x: Vec<f64> = kept.iter().map(|k| 100.0 * *k as f64 / rows as f64).collect();
        let band = Mark::Band {
            label: String::new(),
            x: x.clone(),
            lower: bounds.iter().map(|b| 100.0 * b.0).collect(),
            upper: bounds.iter().map(|b| 100.0 * b.1).collect(),
        };
        let y = kept.iter().map(|k| 100.0 * risk(*k)).collect();
        let of = |k: usize| percent(risk(k));
        (
            format!("Of the surest half {} are wrong, of all {}.", of(rows.div_ceil(2)), of(rows)),
            vec![band, Mark::Line { label: String::new(), x, y, dashed: false }],
        )
    };
    Figure {
        name: "risk-coverage".into(),
        caption: format!(
            "Wrong classes among the rows that are kept, the surest first, with the error of counting. {conclusion}"
        ),
        x_label: "rows kept (%)".into(),
        y_label: "wrong among them (%)".into(),
        marks,
        ..Figure::default()
    }
}

/// Index of the most probable class of each row; the first of equals. `probabilities` is row-major `[N, C]`.
pub fn most_probable(probabilities: &[f64], classes: usize) -> Vec<usize> {
    let best = |row: &[f64]| (0..row.len()).reduce(|a, b| if row[b] > row[a] { b } else { a }).unwrap_or(0);
    probabilities.chunks(classes.max(1)).map(best).collect()
}

/// Share of each class' rows that were recognised. `truth` and `predicted` are class indices.
pub fn recall_bars(classes: &[String], truth: &[usize], predicted: &[usize]) -> Figure {
    same_length("predicted", predicted.len(), truth.len());
    let recall = |class: usize| {
        let rows = truth.iter().filter(|&&t| t == class).count();
        let right = truth.iter().zip(predicted).filter(|&(&t, &p)| t == class && p == class).count();
        (rows, if rows == 0 { f64::NAN } else { 100.0 * right as f64 / rows as f64 })
    };
    let measured: Vec<(usize, f64)> = (0..classes.len()).map(recall).collect();
    let seen = measured.iter().enumerate().filter(|(_, m)| m.0 > 0);
    let worst = seen.min_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(i, m)| (&classes[i], m));
    let mut caption = String::from("Share of each class that was recognised.");
    if let Some((name, (rows, share))) = worst {
        caption.push_str(&format!(" Hardest is `{name}`: {} of {}.", percent(share / 100.0), counted(*rows, "row")));
    }
    Figure {
        name: "recall".into(),
        caption,
        x_label: "recognised (%)".into(),
        marks: vec![Mark::Bars { names: classes.to_vec(), values: measured.iter().map(|m| m.1).collect() }],
        ..Figure::default()
    }
}

/// Counts of true classes (rows) against predicted ones (columns).
pub fn confusion(classes: &[String], truth: &[usize], predicted: &[usize]) -> Table {
    same_length("predicted", predicted.len(), truth.len());
    let mut counts = vec![vec![0usize; classes.len()]; classes.len()];
    for (&t, &p) in truth.iter().zip(predicted) {
        counts[t][p] += 1;
    }
    let columns: Vec<&str> = std::iter::once("true class").chain(classes.iter().map(String::as_str)).collect();
    let mut table = Table::new("confusion", "Rows by true class (down) and predicted class (across).", &columns);
    for (name, row) in classes.iter().zip(&counts) {
        table.push(std::iter::once(name.clone()).chain(row.iter().map(|&n| count(n))).collect());
    }
    table
}

/// Probability of a class over two inputs, with the data on top.
///
/// `values` is row-major `[y.len(), x.len()]`; `clouds` holds `(class, x, y)`; `labels` names the two inputs.
pub fn decision_map(
    class: &str,
    x: &[f64],
    y: &[f64],
    values: &[f64],
    clouds: &[(String, Vec<f64>, Vec<f64>)],
    labels: (&str, &str),
) -> Figure {
    same_length("values", values.len(), x.len() * y.len());
    let mut marks = vec![Mark::Heat { x: x.to_vec(), y: y.to_vec(), values: values.to_vec() }];
    for (label, x, y) in clouds {
        let (x, y) = (x.clone(), y.clone());
        marks.push(Mark::Points { label: label.clone(), x, y, lower: vec![], upper: vec![] });
    }
    Figure {
        name: "decision-map".into(),
        caption: format!("Probability of `{class}` over the two inputs; light is probable. Points are the data."),
        x_label: labels.0.into(),
        y_label: labels.1.into(),
        marks,
        ..Figure::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_probabilities_meet_the_diagonal_and_boasts_do_not() {
        let p: Vec<f64> = (0..1000).map(|i| 0.5 + f64::from(i % 50) / 100.0).collect();
        let honest: Vec<bool> = (0..1000).map(|i| (f64::from(i) * 0.618_034).fract() < p[i as usize]).collect();
        assert!(reliability(&p, &honest).caption.contains("at their word"));
        let boast: Vec<bool> = (0..1000).map(|i| i % 2 == 0).collect();
        assert!(reliability(&p, &boast).caption.contains("miss the diagonal"));
    }

    #[test]
    fn the_surest_rows_are_kept_first_and_equal_ones_share_their_errors() {
        // Ten sure rows of which one is wrong, ten in doubt of which five are, in any order.
        let confidence: Vec<f64> = (0..20).map(|i| if i % 2 == 0 { 0.95 } else { 0.6 }).collect();
        let right: Vec<bool> = (0..20).map(|i| if i % 2 == 0 { i != 4 } else { i % 4 == 1 }).collect();
        let figure = risk_coverage(&confidence, &right);
        assert!(figure.caption.contains("half 10\u{a0}% are wrong, of all 30\u{a0}%"), "{}", figure.caption);
        let Mark::Line { x, y, .. } = &figure.marks[1] else { panic!("a line") };
        assert!(x.windows(2).all(|pair| pair[0] <= pair[1]) && x[x.len() - 1] == 100.0);
        let up_to_half: Vec<f64> = x.iter().zip(y).filter(|(x, _)| **x <= 50.0).map(|(_, y)| *y).collect();
        assert!(up_to_half.len() == 10 && up_to_half.iter().all(|y| (y - 10.0).abs() < 1e-9), "{up_to_half:?}");
        let Mark::Band { lower, upper, .. } = &figure.marks[0] else { panic!("a band") };
        assert!(y.iter().zip(lower).zip(upper).all(|((y, low), high)| low <= y && y <= high));
        assert!(risk_coverage(&[], &[]).caption.contains("no predictions"));
    }

    #[test]
    fn the_confusion_table_counts_rows_by_truth_and_prediction() {
        let classes = ["a".into(), "b".into()];
        let predicted = most_probable(&[0.9, 0.1, 0.2, 0.8, 0.5, 0.5], 2);
        assert_eq!(predicted, [0, 1, 0]);
        let table = confusion(&classes, &[0, 1, 1], &predicted);
        assert_eq!(table.rows, [["a", "1", "0"], ["b", "1", "1"]]);
        let recall = recall_bars(&classes, &[0, 1, 1], &predicted);
        assert!(recall.caption.contains("Hardest is `b`: 50\u{a0}% of 2 rows"));
    }
}
