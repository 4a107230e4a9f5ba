//! What a report shows: warnings, figures and tables.

use super::{Finding, Judged, LsnmConfig, Pair, Ridge, Verdict};
use elbo_core::{Figure, Mark, Run, Table};

/// What a user should know about a pair before trusting its verdict.
pub(super) fn warn_about(
    pair: &Pair,
    columns: &[String; 2],
    found: &Finding,
    config: &LsnmConfig,
    is_alone: bool,
    run: &mut Run,
) {
    let of = if is_alone { String::new() } else { format!(" of pair `{}`", pair.name) };
    let n = pair.a.len();
    if n < 100 {
        run.warn(format!("{n} rows{of} are few: with less than 100 a direction is rarely found"));
    }
    if n > config.rows {
        run.note(format!("{} of {n} rows{of} are used; raise `rows` for more", config.rows));
    }
    if let ([Some(forward), Some(backward)], Ridge::Chosen(_)) =
        (found.directions.each_ref().map(|d| d.fitted.ridge), config.ridge)
    {
        let [a, b] = columns;
        run.note(format!("ridges{of} by their evidence: {forward:.0e} for {a} → {b}, {backward:.0e} for {b} → {a}"));
    }
    for (name, values, used) in [(&columns[0], &pair.a, &found.used[0]), (&columns[1], &pair.b, &found.used[1])] {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        if sorted.len() * 2 < n {
            run.warn(format!(
                "`{name}`{of} has {} different values in {n} rows; the model is for continuous variables, and rounding can turn \
                 the verdict round",
                sorted.len()
            ));
        }
        let kurtosis = used.iter().map(|v| v.powi(4)).sum::<f64>() / used.len() as f64 - 3.0;
        if kurtosis > 10.0 {
            run.warn(format!(
                "`{name}`{of} has outliers (excess kurtosis {kurtosis:.0}); the likelihood is sensitive to them: look at the figure, or \
                 take logarithms"
            ));
        }
    }
    if found.directions.iter().all(|d| d.p_value <= config.level) {
        run.warn(format!(
            "residuals{of} depend on the supposed cause in both directions (p = {:.3}, {:.3}): the model does not hold, or something else acts on both",
            found.directions[0].p_value, found.directions[1].p_value
        ));
    }
}

/// Most points of a scatter plot.
const SHOWN: usize = 800;

/// Both directions: the sample with the fitted law, and the residuals over the supposed cause.
pub(super) fn pictures(found: &Finding, columns: &[String; 2]) -> Vec<Figure> {
    let n = found.used[0].len();
    let every = n.div_ceil(SHOWN);
    let thin = |values: Vec<f64>| values.into_iter().step_by(every).collect::<Vec<f64>>();
    let points = |label: &str, x: Vec<f64>, y: Vec<f64>| Mark::Points {
        label: label.into(),
        x: thin(x),
        y: thin(y),
        lower: vec![],
        upper: vec![],
    };
    let mut figures = vec![];
    let mut residuals = vec![];
    for (i, direction) in found.directions.iter().enumerate() {
        let (cause, effect) = (i, 1 - i);
        let raw = |which: usize| {
            let (centre, scale) = found.scaling[which];
            found.used[which].iter().map(|v| centre + scale * v).collect::<Vec<f64>>()
        };
        let (centre, scale) = found.scaling[effect];
        let grid = grid(&found.used[cause]);
        let law: Vec<(f64, f64)> = grid.iter().map(|x| (direction.fitted.law)(*x)).collect();
        let at = |k: f64| law.iter().map(|(mean, sd)| centre + scale * (mean + k * sd)).collect::<Vec<f64>>();
        let x: Vec<f64> = grid.iter().map(|x| found.scaling[cause].0 + found.scaling[cause].1 * x).collect();
        let (from, to) = (&columns[cause], &columns[effect]);
        figures.push(Figure {
            name: ["forward", "backward"][i].into(),
            caption: format!(
                "{from} → {to}: the sample, f and f ± 2g. Mean log likelihood {:.4} nats a row; residuals and {from} independent: p = {:.3}.",
                direction.fitted.log_likelihood(),
                direction.p_value
            ),
            x_label: from.clone(),
            y_label: to.clone(),
            marks: vec![
                Mark::Band { label: "f ± 2g".into(), x: x.clone(), lower: at(-2.0), upper: at(2.0) },
                points("sample", raw(cause), raw(effect)),
                Mark::Line { label: "f".into(), x, y: at(0.0), dashed: false },
            ],
            ..Figure::default()
        });
        residuals.push(Figure {
            name: ["residuals-forward", "residuals-backward"][i].into(),
            caption: format!(
                "Residuals of {from} → {to} over {from}: in the causal direction their spread and form do not change along the axis."
            ),
            x_label: from.clone(),
            y_label: format!("({to} - f) / g"),
            marks: vec![points("residuals", raw(cause), direction.fitted.residuals.clone())],
            ..Figure::default()
        });
    }
    figures.into_iter().chain(residuals).collect()
}

fn grid(x: &[f64]) -> Vec<f64> {
    let low = x.iter().copied().fold(f64::INFINITY, f64::min);
    let high = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (0..=100).map(|i| low + (high - low) * f64::from(i) / 100.0).collect()
}

/// Every pair's score in standard errors.
pub(super) fn overview(judged: &[Judged], config: &LsnmConfig) -> Figure {
    let mut order: Vec<&Judged> = judged.iter().collect();
    order.sort_by(|a, b| a.z().total_cmp(&b.z()));
    let last = order.len() as f64;
    let mut marks: Vec<Mark> = [-config.decide, config.decide]
        .into_iter()
        .map(|z| Mark::Line { label: String::new(), x: vec![1.0, last], y: vec![z, z], dashed: true })
        .collect();
    for (verdict, label) in [
        (Verdict::Forward, "first causes second"),
        (Verdict::Backward, "second causes first"),
        (Verdict::Undecided, "undecided"),
        (Verdict::NoModel, "model does not hold"),
    ] {
        let chosen: Vec<(f64, f64)> = order
            .iter()
            .enumerate()
            .filter(|(_, j)| j.verdict == verdict)
            .map(|(i, j)| (i as f64 + 1.0, j.z().clamp(-30.0, 30.0)))
            .collect();
        if !chosen.is_empty() {
            let (x, y) = chosen.into_iter().unzip();
            marks.push(Mark::Points { label: label.into(), x, y, lower: vec![], upper: vec![] });
        }
    }
    Figure {
        name: "pairs".into(),
        caption: "Scores of all pairs in standard errors, sorted and cut at 30; between the dashed lines a pair is undecided.".into(),
        x_label: "pair, by score".into(),
        y_label: "score / standard error".into(),
        marks,
        ..Figure::default()
    }
}

/// Scores are written with what the eye can compare.
fn short(value: f64) -> String {
    format!("{value:.5}")
}

pub(super) fn directions_table(judged: &Judged, [a, b]: &[String; 2]) -> Table {
    let mut table = Table::new(
        "directions",
        "Both directions: dependence of the residuals on the supposed cause, and whether independence is rejected.",
        &["direction", "dependence (HSIC)", "p-value"],
    );
    for (name, i) in [(format!("{a} → {b}"), 0), (format!("{b} → {a}"), 1)] {
        table.push(vec![name, format!("{:.3e}", judged.hsic[i]), format!("{:.3}", judged.p_values[i])]);
    }
    table
}

pub(super) fn verdicts_table(judged: &[Judged], columns: &[String; 2]) -> Table {
    let mut table = Table::new(
        "verdicts",
        "One row a pair; a positive score says that the first variable is the cause.",
        &["pair", "rows", "verdict", "score", "standard error", "z", "agreement", "p forward", "p backward"],
    );
    for j in judged {
        table.push(vec![
            j.name.clone(),
            j.rows.to_string(),
            j.words(columns),
            short(j.score),
            short(j.error),
            format!("{:.2}", j.z()),
            format!("{:.2}", j.agreement),
            format!("{:.3}", j.p_values[0]),
            format!("{:.3}", j.p_values[1]),
        ]);
    }
    table
}

/// `f` and `g` of both directions in the variables' own units.
pub(super) fn curves(found: &Finding, columns: &[String; 2]) -> Table {
    let mut table = Table::new(
        "curves",
        "The fitted mean f and standard deviation g of the effect along the cause, both directions, in the variables' own units.",
        &["cause", "effect", "at", "f", "g"],
    );
    for (i, direction) in found.directions.iter().enumerate() {
        let (cause, effect) = (i, 1 - i);
        let (centre, scale) = found.scaling[effect];
        for x in grid(&found.used[cause]) {
            let (mean, sd) = (direction.fitted.law)(x);
            let at = found.scaling[cause].0 + found.scaling[cause].1 * x;
            let numbers = [at, centre + scale * mean, scale * sd].map(|v| format!("{v:.6}"));
            table.push([columns[cause].clone(), columns[effect].clone()].into_iter().chain(numbers).collect());
        }
    }
    table
}
