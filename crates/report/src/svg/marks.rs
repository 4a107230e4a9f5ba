//! Each kind of mark as SVG paths. Many small shapes share one path, which keeps files small.

use std::fmt::Write;

use super::layers::{Dot, Heat, Layer, Shape};
use super::scale::{Scale, extent};
use super::{FONT, measure};
use crate::format::{escape, number};
use crate::palette::{Tone, ramp};

/// Opacity of a band; bands on top of each other add up.
pub(super) const BAND: f64 = 0.18;
/// Width of a cross's lines beside the diameter of the disc whose place it takes.
pub(super) const CROSS: f64 = 0.36;
/// Colours of a heat map; neighbours differ by less than the eye sees.
const LEVELS: usize = 48;

/// Both axes, and whether points lie on a heat map.
pub(super) struct Frame {
    pub x: Scale,
    pub y: Scale,
    pub is_on_heat: bool,
    /// Size of the point clouds in this figure, which decides the size of a point.
    pub points: usize,
}

/// A coordinate with one decimal, which is a tenth of a pixel at natural size, and no more digits than needed.
pub(super) fn c(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".into(),
        Some(whole) => whole.into(),
        None => text,
    }
}

/// Draws one layer.
pub(super) fn draw(out: &mut String, layer: &Layer, frame: &Frame) {
    let (stroke, fill) = (layer.tone.stroke(), layer.tone.fill());
    match &layer.shape {
        Shape::Line { runs, is_dashed, is_sample } => {
            let kind = match (is_dashed, is_sample, layer.is_repeated) {
                (true, ..) => " dashed",
                (_, true, _) => " sample",
                (_, _, true) => " second",
                _ => "",
            };
            let path = line_path(runs, frame);
            if !path.is_empty() {
                let _ = writeln!(out, "<path class=\"line{kind} {stroke}\" d=\"{path}\"/>");
            }
        }
        Shape::Band { runs } => {
            let path = band_path(runs, frame);
            if !path.is_empty() {
                let _ = writeln!(out, "<path class=\"band {fill}\" opacity=\"{BAND}\" d=\"{path}\"/>");
            }
        }
        Shape::Points { dots } => points(out, dots, &stroke, layer.is_repeated, frame),
        Shape::Bars { bars } => draw_bars(out, bars, &fill, frame),
        Shape::Histogram { bins } => {
            let base = frame.y.position(if frame.y.is_log { f64::NEG_INFINITY } else { 0.0 });
            let mut path = String::new();
            for &(from, to, height) in bins {
                let (left, right, top) = (frame.x.position(from), frame.x.position(to), frame.y.position(height));
                let _ = write!(path, "M{} {}V{}H{}V{}z", c(left), c(base), c(top), c(right), c(base));
            }
            if !path.is_empty() {
                let _ = writeln!(out, "<path class=\"hist {fill} {}\" d=\"{path}\"/>", Tone::Paper.stroke());
            }
        }
        Shape::Heat(heat) => draw_heat(out, heat, frame),
    }
}

fn line_path(runs: &[Vec<(f64, f64)>], frame: &Frame) -> String {
    let mut path = String::new();
    for run in runs {
        let drawn: Vec<(f64, f64)> = run.iter().map(|p| (frame.x.position(p.0), frame.y.position(p.1))).collect();
        let drawn = simplify(&drawn);
        for (i, (x, y)) in drawn.iter().enumerate() {
            let _ = write!(path, "{}{} {}", if i == 0 { 'M' } else { 'L' }, c(*x), c(*y));
        }
        if drawn.len() == 1 {
            // A round cap makes a lone vertex visible.
            path.push_str("h0");
        }
    }
    path
}

/// Of the vertices in one pixel column only the first, the last and the extremes: the drawing looks the same.
fn simplify(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() < 1000 {
        return points.to_vec();
    }
    let mut kept = vec![];
    for column in points.chunk_by(|a, b| (2.0 * a.0).floor() == (2.0 * b.0).floor()) {
        let y = |i: usize| column[i].1;
        let least = (0..column.len()).min_by(|&a, &b| y(a).total_cmp(&y(b))).unwrap_or(0);
        let most = (0..column.len()).max_by(|&a, &b| y(a).total_cmp(&y(b))).unwrap_or(0);
        let mut chosen = vec![0, least, most, column.len() - 1];
        chosen.sort_unstable();
        chosen.dedup();
        kept.extend(chosen.into_iter().map(|i| column[i]));
    }
    kept
}

fn band_path(runs: &[Vec<(f64, f64, f64)>], frame: &Frame) -> String {
    let mut path = String::new();
    for run in runs {
        let edge = |which: fn(&(f64, f64, f64)) -> f64| -> Vec<(f64, f64)> {
            let drawn: Vec<_> = run.iter().map(|p| (frame.x.position(p.0), frame.y.position(which(p)))).collect();
            simplify(&drawn)
        };
        let (mut lower, mut upper) = (edge(|p| p.1), edge(|p| p.2));
        if run.len() == 1 {
            // One position has no width; a sliver shows that there is something.
            for side in [&mut lower, &mut upper] {
                let (x, y) = side[0];
                *side = vec![(x - 2.0, y), (x + 2.0, y)];
            }
        }
        for (i, (x, y)) in upper.iter().chain(lower.iter().rev()).enumerate() {
            let _ = write!(path, "{}{} {}", if i == 0 { 'M' } else { 'L' }, c(*x), c(*y));
        }
        path.push('z');
    }
    path
}

/// Points are zero-length strokes with round caps. A path is painted at once, so that overlaps inside one path do not add up;
/// large clouds are dealt out to several paths, and dense places become darker. A cloud whose colour another has is of crosses.
fn points(out: &mut String, dots: &[Dot], stroke: &str, is_cross: bool, frame: &Frame) {
    let (diameter, opacity, paths) = match frame.points {
        0..=60 => (7.0, 0.9, 1),
        61..=300 => (5.6, 0.75, 2),
        301..=1000 => (4.4, 0.6, 4),
        _ => (3.2, 0.5, 6),
    };
    let whiskers: String = dots
        .iter()
        .filter_map(|d| d.interval.map(|(low, high)| (d.x, low, high)))
        .map(|(x, low, high)| {
            format!("M{} {}V{}", c(frame.x.position(x)), c(frame.y.position(low)), c(frame.y.position(high)))
        })
        .collect();
    if !whiskers.is_empty() {
        let _ = writeln!(out, "<path class=\"whisker {stroke}\" d=\"{whiskers}\"/>");
    }
    let (class, width) = if is_cross { ("cross", CROSS * diameter) } else { ("dot", diameter) };
    let place = |d: &Dot| {
        let (x, y) = (frame.x.position(d.x), frame.y.position(d.y));
        if is_cross { cross(x, y, diameter) } else { format!("M{} {}h0", c(x), c(y)) }
    };
    if frame.is_on_heat && !dots.is_empty() {
        let halo: String = dots.iter().map(place).collect();
        let (tone, wider) = (Tone::Paper.stroke(), c(width + 2.0));
        let _ = writeln!(out, "<path class=\"{class} {tone}\" stroke-width=\"{wider}\" d=\"{halo}\"/>");
    }
    let opacity = if frame.is_on_heat { 1.0 } else { opacity };
    for k in 0..paths {
        let path: String = dots.iter().skip(k).step_by(paths).map(place).collect();
        if !path.is_empty() {
            let _ = writeln!(
                out,
                "<path class=\"{class} {stroke}\" stroke-width=\"{}\" opacity=\"{opacity}\" d=\"{path}\"/>",
                c(width)
            );
        }
    }
}

/// An upright cross around a point, a little wider than the disc whose place it takes, since its lines are thin.
pub(super) fn cross(x: f64, y: f64, diameter: f64) -> String {
    let arm = 0.6 * diameter;
    let length = c(2.0 * arm);
    format!("M{} {}h{length}M{} {}v{length}", c(x - arm), c(y), c(x), c(y - arm))
}

/// Bars with their numbers: at the ends, or in a column on the right where points might cover them.
fn draw_bars(out: &mut String, bars: &[(String, Option<f64>)], fill: &str, frame: &Frame) {
    let base = frame.x.position(if frame.x.is_log { f64::NEG_INFINITY } else { 0.0 });
    let mut path = String::new();
    for (i, (_, value)) in bars.iter().enumerate() {
        let middle = frame.y.position(i as f64);
        let Some(value) = *value else { continue };
        let end = frame.x.position(value);
        let _ = write!(path, "M{} {}H{}v14H{}z", c(base), c(middle - 7.0), c(end), c(base));
        let (x, anchor) = if frame.points > 0 {
            (frame.x.position(f64::INFINITY), "end")
        } else if end >= base {
            (end + 5.0, "start")
        } else {
            (end - 5.0, "end")
        };
        let _ = writeln!(
            out,
            "<text class=\"small {}\" text-anchor=\"{anchor}\" x=\"{}\" y=\"{}\">{}</text>",
            Tone::Muted.fill(),
            c(x),
            c(middle + 4.0),
            number(value)
        );
    }
    if !path.is_empty() {
        let _ = writeln!(out, "<path class=\"bar {fill}\" d=\"{path}\"/>");
    }
}

/// Room that the numbers of bars take on the right.
pub(super) fn bar_label_room(bars: &[(String, Option<f64>)]) -> f64 {
    bars.iter().filter_map(|b| b.1).map(|v| measure::width(&number(v), FONT - 1.5)).fold(0.0, f64::max) + 8.0
}

/// Equal neighbours in a row become one rectangle; rectangles of one colour become one path.
fn draw_heat(out: &mut String, heat: &Heat, frame: &Frame) {
    let Some((low, high)) = extent(heat.values.iter().copied()) else { return };
    let level = |v: f64| {
        let width = 0.5 * high - 0.5 * low;
        let share = if width > 0.0 { (0.5 * v - 0.5 * low) / width } else { 0.5 };
        ((share * (LEVELS - 1) as f64).round() as usize).min(LEVELS - 1)
    };
    let columns = heat.x_edges.len() - 1;
    let mut paths = vec![String::new(); LEVELS];
    for (r, row) in heat.values.chunks(columns).enumerate() {
        let (bottom, top) = (frame.y.position(heat.y_edges[r]), frame.y.position(heat.y_edges[r + 1]));
        let levels: Vec<Option<usize>> = row.iter().map(|v| v.is_finite().then(|| level(*v))).collect();
        let mut start = 0;
        for run in levels.chunk_by(|a, b| a == b) {
            let end = start + run.len();
            if let Some(level) = run[0] {
                let (left, right) = (frame.x.position(heat.x_edges[start]), frame.x.position(heat.x_edges[end]));
                let _ = write!(paths[level], "M{} {}H{}V{}H{}z", c(left), c(bottom), c(right), c(top), c(left));
            }
            start = end;
        }
    }
    out.push_str("<g class=\"cells\" shape-rendering=\"crispEdges\">\n");
    for (level, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let colour = ramp(level as f64 / (LEVELS - 1) as f64);
        let _ = writeln!(out, "<path fill=\"{colour}\" d=\"{path}\"/>");
    }
    out.push_str("</g>\n");
}

/// The colour bar of a heat map at `left`, from `top` to `bottom`, with its tick labels.
pub(super) fn colour_bar(
    out: &mut String,
    ticks: &super::ticks::Ticks,
    scale: &Scale,
    left: f64,
    top: f64,
    bottom: f64,
) {
    let step = (bottom - top) / LEVELS as f64;
    out.push_str("<g class=\"cells\" shape-rendering=\"crispEdges\">\n");
    for level in 0..LEVELS {
        let y = bottom - (level + 1) as f64 * step;
        let colour = ramp(level as f64 / (LEVELS - 1) as f64);
        let _ = write!(out, "<path fill=\"{colour}\" d=\"M{} {}h10v{}h-10z\"/>", c(left), c(y), c(step + 0.5));
    }
    out.push_str("\n</g>\n");
    let text = Tone::Muted.fill();
    for (at, label) in ticks.at.iter().zip(&ticks.labels) {
        let y = scale.position(*at);
        let _ = write!(
            out,
            "<text class=\"{text}\" x=\"{}\" y=\"{}\">{}</text>",
            c(left + 15.0),
            c(y + 4.3),
            escape(label)
        );
    }
    if let Some(unit) = &ticks.unit {
        let _ = write!(
            out,
            "<text class=\"{text}\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>",
            c(left + 12.0),
            c(top - 6.0),
            escape(unit)
        );
    }
    out.push('\n');
}
