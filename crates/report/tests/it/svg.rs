use elbo_core::{Figure, Mark};
use elbo_report::svg::{Size, draw, to_svg};

use crate::{assert_drawn_with_numbers, parse};

fn line(x: &[f64], y: &[f64]) -> Mark {
    Mark::Line { label: "line".into(), x: x.to_vec(), y: y.to_vec(), dashed: false }
}

fn points(x: &[f64], y: &[f64]) -> Mark {
    Mark::Points { label: "points".into(), x: x.to_vec(), y: y.to_vec(), lower: vec![], upper: vec![] }
}

/// One of each kind of mark over the same three positions.
fn every_mark(x: &[f64], y: &[f64]) -> Vec<(&'static str, Mark)> {
    let lower: Vec<f64> = y.iter().map(|v| v - 1.0).collect();
    let upper: Vec<f64> = y.iter().map(|v| v + 1.0).collect();
    let names = (0..y.len()).map(|i| format!("bar {i}")).collect();
    let mut edges = x.to_vec();
    edges.push(x.last().map_or(1.0, |last| last + 1.0));
    let square: Vec<f64> = x.iter().flat_map(|_| y.iter().copied()).collect();
    vec![
        ("line", line(x, y)),
        ("dashed", Mark::Line { label: "reference".into(), x: x.to_vec(), y: y.to_vec(), dashed: true }),
        ("band", Mark::Band { label: "band".into(), x: x.to_vec(), lower: lower.clone(), upper: upper.clone() }),
        ("points", points(x, y)),
        ("intervals", Mark::Points { label: "intervals".into(), x: x.to_vec(), y: y.to_vec(), lower, upper }),
        ("bars", Mark::Bars { names, values: y.to_vec() }),
        ("histogram", Mark::Histogram { label: "counts".into(), edges, counts: y.to_vec() }),
        ("heat", Mark::Heat { x: y.to_vec(), y: x.to_vec(), values: square }),
    ]
}

#[test]
fn every_mark_is_well_formed_over_every_range() {
    let ranges: [&[f64]; 10] = [
        &[1.0, 2.0, 3.0],
        &[],
        &[5.0],
        &[0.0, 0.0, 0.0],
        &[1.0, f64::NAN, 3.0],
        &[f64::NAN],
        &[f64::NEG_INFINITY, 0.0, f64::INFINITY],
        &[-1e300, 0.0, 1e300],
        &[f64::MIN, f64::MAX],
        &[1e-320, 2e-320, 3e-310],
    ];
    for x in ranges {
        for y in ranges {
            let n = x.len().min(y.len());
            for (name, mark) in every_mark(&x[..n], &y[..n]) {
                for (x_log, y_log) in [(false, false), (true, true)] {
                    let figure =
                        Figure { name: name.into(), x_log, y_log, marks: vec![mark.clone()], ..Figure::default() };
                    let text = to_svg(&figure, Size::default());
                    let document = parse(&text);
                    assert_drawn_with_numbers(&document);
                }
            }
        }
    }
}

#[test]
fn marks_can_be_stacked() {
    let marks = every_mark(&[1.0, 2.0, 3.0], &[1.0, 4.0, 2.0]);
    let marks: Vec<Mark> = marks.into_iter().filter(|m| m.0 != "bars").map(|m| m.1).collect();
    let figure = Figure { x_label: "x".into(), y_label: "y".into(), marks, ..Figure::default() };
    let text = to_svg(&figure, Size::default());
    let document = parse(&text);
    assert_drawn_with_numbers(&document);
    for class in ["line k0", "line dashed km", "band f1", "hist", "whisker", "cells"] {
        assert!(text.contains(&format!("class=\"{class}")), "{class} is missing");
    }
}

#[test]
fn a_figure_without_data_says_so() {
    let text = to_svg(&Figure::default(), Size::default());
    assert!(text.contains("No data to draw"));
}

#[test]
fn values_that_are_not_finite_break_the_line_and_are_noted() {
    let figure = Figure {
        marks: vec![line(&[0.0, 1.0, 2.0, 3.0, 4.0], &[0.0, 1.0, f64::NAN, 1.0, f64::INFINITY])],
        ..Figure::default()
    };
    let drawing = draw(&figure, Size::default());
    assert_eq!(drawing.notes, ["2 values are not finite and were left out."]);
    let document = parse(&drawing.svg);
    let path = document.descendants().find(|n| n.attribute("class") == Some("line k0")).and_then(|n| n.attribute("d"));
    assert_eq!(path.map(|d| d.matches('M').count()), Some(2), "{path:?}");
}

#[test]
fn a_logarithmic_axis_leaves_out_what_it_cannot_show() {
    let figure =
        Figure { y_log: true, marks: vec![points(&[1.0, 2.0, 3.0], &[0.0, 10.0, 1000.0])], ..Figure::default() };
    let drawing = draw(&figure, Size::default());
    assert_eq!(drawing.notes, ["1 value is zero or below and was left out of the logarithmic axis."]);
    assert!(drawing.svg.contains(">1000</text>"));
}

#[test]
fn columns_of_different_length_are_noted() {
    let figure = Figure { marks: vec![line(&[0.0, 1.0, 2.0], &[0.0, 1.0])], ..Figure::default() };
    assert_eq!(
        draw(&figure, Size::default()).notes,
        ["The columns of a line differ in length; only 2 rows are drawn."]
    );
}

#[test]
fn a_huge_cloud_is_thinned_the_same_way_each_time_and_says_so() {
    let x: Vec<f64> = (0..100_000).map(f64::from).collect();
    let figure = Figure { marks: vec![points(&x, &x)], ..Figure::default() };
    let drawing = draw(&figure, Size::default());
    assert_eq!(drawing, draw(&figure, Size::default()));
    assert!(drawing.notes[0].ends_with("of 100,000 points are drawn."), "{:?}", drawing.notes);
    let drawn = drawing.svg.matches("h0M").count();
    assert!((2900..3100).contains(&drawn), "{drawn} points");
    assert!(drawing.svg.len() < 100_000, "{} bytes", drawing.svg.len());
}

#[test]
fn a_long_line_keeps_its_extremes_in_few_vertices() {
    let x: Vec<f64> = (0..200_000).map(f64::from).collect();
    let mut y: Vec<f64> = x.iter().map(|v| (0.01 * v).sin()).collect();
    y[123_456] = 7.0;
    let figure = Figure { marks: vec![line(&x, &y)], ..Figure::default() };
    let drawing = draw(&figure, Size::default());
    assert!(drawing.svg.len() < 60_000, "{} bytes", drawing.svg.len());
    let document = parse(&drawing.svg);
    let path = document.descendants().find(|n| n.attribute("class") == Some("line k0")).and_then(|n| n.attribute("d"));
    let top = path.expect("the line").split(['M', 'L']).filter_map(|v| v.split(' ').nth(1)?.parse::<f64>().ok());
    // The peak lies at the top margin, far above the sine.
    assert!(top.fold(f64::INFINITY, f64::min) < 50.0);
}

#[test]
fn a_large_heat_map_stays_small() {
    let grid: Vec<f64> = (0..300).map(|i| f64::from(i) / 300.0).collect();
    let values = grid.iter().flat_map(|y| grid.iter().map(move |x| (9.0 * x).sin() * (7.0 * y).cos())).collect();
    let figure = Figure { marks: vec![Mark::Heat { x: grid.clone(), y: grid.clone(), values }], ..Figure::default() };
    let drawing = draw(&figure, Size::default());
    assert_eq!(drawing.notes, ["100 × 100 of 300 × 300 cells are drawn."]);
    assert!(drawing.svg.len() < 200_000, "{} bytes", drawing.svg.len());
}

#[test]
fn numbers_of_bars_stand_in_a_column_where_points_lie_over_them() {
    let places = |marks: Vec<Mark>| -> Vec<String> {
        let text = to_svg(&Figure { marks, ..Figure::default() }, Size::default());
        let document = parse(&text);
        let numbers = document.descendants().filter(|n| n.attribute("class").is_some_and(|c| c.starts_with("small")));
        numbers.map(|n| n.attribute("x").unwrap().to_owned()).collect()
    };
    let bars = Mark::Bars { names: vec!["a".into(), "b".into()], values: vec![3.0, 1.0] };
    let alone = places(vec![bars.clone()]);
    assert!(alone.len() == 2 && alone[0] != alone[1], "{alone:?}");
    let beside = places(vec![bars, points(&[3.1, 1.1], &[0.0, 1.0])]);
    assert!(beside.len() == 2 && beside[0] == beside[1], "{beside:?}");
    let right = |place: &String| place.parse::<f64>().unwrap();
    assert!(right(&beside[0]) > right(&alone[0]), "{alone:?}, {beside:?}");
}

#[test]
fn text_is_escaped_everywhere() {
    let nasty = "<script>&\"'\u{0}";
    let figure = Figure {
        name: nasty.into(),
        caption: nasty.into(),
        x_label: nasty.into(),
        y_label: nasty.into(),
        marks: vec![
            Mark::Line { label: nasty.into(), x: vec![0.0, 1.0], y: vec![0.0, 1.0], dashed: false },
            Mark::Bars { names: vec![nasty.into()], values: vec![1.0] },
        ],
        ..Figure::default()
    };
    let text = to_svg(&figure, Size::default());
    assert!(!text.contains("<script"));
    let document = parse(&text);
    let shown = document
        .descendants()
        .filter(|n| n.is_text() && n.text().is_some_and(|t| t.contains("<script>&\"'\u{fffd}")))
        .count();
    assert!(shown >= 5, "name, caption, labels, legend and bar: {shown}");
}

#[test]
fn the_legend_stands_above_the_plot_and_inside_the_drawing() {
    let label = "a label of some length";
    let marks = (0..7)
        .map(|k| Mark::Line {
            label: format!("{label} {k}"),
            x: vec![0.0, 1.0],
            y: vec![0.0, f64::from(k)],
            dashed: false,
        })
        .collect();
    let figure = Figure { y_label: "value".into(), marks, ..Figure::default() };
    let drawing = draw(&figure, Size::default());
    let document = parse(&drawing.svg);
    let place = |n: &roxmltree::Node<'_, '_>, name: &str| n.attribute(name).and_then(|v| v.parse::<f64>().ok());
    let entries: Vec<(f64, f64)> = document
        .descendants()
        .filter(|n| n.text().is_some_and(|t| t.starts_with(label)) && n.is_element())
        .filter_map(|n| Some((place(&n, "x")?, place(&n, "y")?)))
        .collect();
    assert_eq!(entries.len(), 7);
    let grid = document.descendants().find(|n| n.attribute("class") == Some("thin kg")).and_then(|n| n.attribute("d"));
    let top = grid
        .expect("a grid")
        .split('M')
        .filter_map(|p| p.split([' ', 'H']).nth(1)?.parse::<f64>().ok())
        .fold(f64::INFINITY, f64::min);
    for (i, (x, y)) in entries.iter().enumerate() {
        assert!(*y < top && x + 130.0 < 460.0, "entry {i} at {x}, {y}; the plot starts at {top}");
        assert!(
            entries[..i].iter().all(|(a, b)| (a - x).abs() > 120.0 || (b - y).abs() > 12.0),
            "entry {i} covers another"
        );
    }
}

#[test]
fn clouds_of_more_classes_than_there_are_colours_all_look_different() {
    let marks = (0..20)
        .map(|k| {
            let at = vec![f64::from(k)];
            Mark::Points { label: format!("class {k}"), x: at.clone(), y: at, lower: vec![], upper: vec![] }
        })
        .collect();
    let drawing = draw(&Figure { marks, ..Figure::default() }, Size::default());
    let document = parse(&drawing.svg);
    let classes = document.descendants().filter_map(|n| n.attribute("class"));
    let looks: Vec<&str> = classes.filter(|c| c.starts_with("dot ") || c.starts_with("cross ")).collect();
    // Each once in the plot and once in the legend.
    assert_eq!(looks.len(), 40, "{looks:?}");
    let distinct: std::collections::BTreeSet<&str> = looks.iter().copied().collect();
    assert_eq!(distinct.len(), 20, "{distinct:?}");
    assert!(looks[..10].iter().all(|look| look.starts_with("dot ")), "{looks:?}");
    assert_drawn_with_numbers(&document);
}

#[test]
fn data_over_a_band_are_discs_however_many_series_stand_before_them() {
    let (x, y) = ([0.0, 1.0], [0.0, 1.0]);
    let mut marks: Vec<Mark> = (0..11).map(|_| line(&x, &y)).collect();
    marks.push(Mark::Band { label: "band".into(), x: x.into(), lower: y.into(), upper: vec![1.0, 2.0] });
    marks.push(points(&x, &y));
    let drawing = draw(&Figure { marks, ..Figure::default() }, Size::default());
    assert!(drawing.svg.contains("class=\"dot kt\"") && !drawing.svg.contains("class=\"cross"));
}

#[test]
fn the_eleventh_series_differs_from_the_first() {
    let marks = (0..11).map(|k| line(&[0.0, 1.0], &[0.0, f64::from(k)])).collect();
    let drawing = draw(&Figure { marks, ..Figure::default() }, Size::default());
    assert!(drawing.svg.contains("class=\"line second k0\""));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let text = to_svg(&Figure { marks: vec![line(&[0.0], &[0.0])], ..Figure::default() }, Size::default());
    let without_namespace = text.replace("http://www.w3.org/2000/svg", "");
    for forbidden in ["http", "url(", "@import", "href"] {
        assert!(!without_namespace.contains(forbidden), "{forbidden}");
    }
    assert!(text.contains("prefers-color-scheme:dark"));
}
