//! Figures as SVG: self-contained text that scales, prints, and follows the reader's light or dark paper.
//!
//! | function | gives |
//! |---|---|
//! | [`draw`] | a fragment for a page that carries [`style`], with the notes for its caption |
//! | [`to_svg`] | a file of its own, with style, background and notes |
//!
//! Colours follow from the order of the marks: each labelled line, cloud, histogram and bar chart takes the next colour of the
//! palette; a band has the colour of the line after it; dashed lines are references and grey; points over a band are data and
//! dark; beside labelled lines those without a label are samples and thin. Beyond the tenth the colours come again, on broken
//! lines and on crosses in place of discs.
//!
//! To add a mark: a variant in `elbo_core::Mark`, its cleaning in `layers.rs`, its path in `marks.rs`, its swatch in `legend.rs`.

mod layers;
mod legend;
mod marks;
mod measure;
mod scale;
mod ticks;

use std::fmt::Write;

use elbo_core::{Figure, Mark};

use self::layers::{Layers, Shape, prepare};
use self::legend::{Legend, ROW};
use self::marks::{Frame, c};
use self::scale::{Scale, domain, extent};
use self::ticks::{Ticks, ticks};
use crate::format::escape;
use crate::palette::{self, Tone};

/// Font size in drawing units.
const FONT: f64 = 12.5;
/// Margin around everything.
const EDGE: f64 = 4.0;
/// Further margin of a file of its own, whose background may differ from its surroundings.
const PAD: f64 = 8.0;

/// Natural size of a drawing, in CSS pixels. Bar charts grow with the number of bars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Default for Size {
    /// Readable in half a desktop page as well as over the whole width of a phone.
    fn default() -> Self {
        Self { width: 460.0, height: 310.0 }
    }
}

/// A drawn figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// The `<svg>` element.
    pub svg: String,
    /// Sentences about what is not shown: values that are not finite, points left out of a large cloud.
    pub notes: Vec<String>,
}

/// Style sheet that [`draw`]'s fragments need, once a page.
pub fn style() -> String {
    palette::figure_css()
}

/// Draws a figure as a fragment for a page.
pub fn draw(figure: &Figure, size: Size) -> Drawing {
    let layers = prepare(figure);
    let mut body = String::new();
    let height = plot(&mut body, figure, &layers, size);
    let label = escape(if figure.caption.is_empty() { &figure.name } else { &figure.caption });
    let svg = format!(
        "<svg class=\"fig\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {} {}\">\n{body}</svg>\n",
        c(size.width),
        c(height)
    );
    Drawing { svg, notes: layers.notes }
}

/// Draws a figure as a file of its own. The notes stand below the drawing.
pub fn to_svg(figure: &Figure, size: Size) -> String {
    let layers = prepare(figure);
    let mut body = String::new();
    let mut height = plot(&mut body, figure, &layers, size);
    for note in &layers.notes {
        height += 15.0;
        let text = escape(&measure::fit(note, size.width - 2.0 * EDGE, FONT - 1.5));
        let (tone, x, y) = (Tone::Muted.fill(), c(EDGE), c(height - 4.0));
        let _ = writeln!(body, "<text class=\"small {tone}\" x=\"{x}\" y=\"{y}\">{text}</text>");
    }
    let (width, height, pad) = (c(size.width + 2.0 * PAD), c(height + 2.0 * PAD), c(-PAD));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" role=\"img\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"{pad} {pad} {width} {height}\">\n<title>{}</title>\n<desc>{}</desc>\n<style>\n{}</style>\n\
         <rect class=\"{}\" x=\"{pad}\" y=\"{pad}\" width=\"100%\" height=\"100%\"/>\n{body}</svg>\n",
        escape(&figure.name),
        escape(&figure.caption),
        style().replace('&', "&amp;").replace('<', "&lt;"),
        Tone::Paper.fill(),
    )
}

/// Draws axes, marks and legend; returns the height used.
fn plot(out: &mut String, figure: &Figure, layers: &Layers, size: Size) -> f64 {
    if let Some(Mark::Picture { width, height, channels, pixels }) = picture(figure) {
        return draw_picture(out, (*width, *height, *channels), pixels, size);
    }
    let names = layers.names();
    let is_histogram = layers.any(|s| matches!(s, Shape::Histogram { .. }));
    let x_domain = x_domain(figure, layers);
    let mut y_domain = match &names {
        Some(names) => (-0.5, names.len().max(1) as f64 - 0.5),
        None => domain(layers.y_extent(figure.y_log), figure.y_log, layers.is_filled(figure.y_log).1),
    };
    if is_histogram && !figure.y_log {
        y_domain = (y_domain.0.min(0.0), y_domain.1.max(0.0));
        if layers.y_extent(false).is_some_and(|(low, _)| low >= 0.0) {
            y_domain.0 = 0.0;
        }
    }

    // The rows above the plot: the vertical axis' name, then the legend, on one row where both fit.
    let room = size.width - 2.0 * EDGE;
    let legend = Legend::new(&layers.layers, room);
    let y_unit = if names.is_some() { None } else { ticks(y_domain, figure.y_log, 5).unit };
    let y_name = named(&figure.y_label, y_unit.as_deref());
    let y_name = measure::fit(&y_name, room, FONT);
    let name_width = measure::width(&y_name, FONT);
    let shares_row = legend.rows == 1 && name_width + legend.width + 24.0 <= room;
    let name_rows = usize::from(!y_name.is_empty());
    let rows = if shares_row { 1 } else { name_rows + legend.rows };
    let top = EDGE + rows as f64 * ROW + if rows > 0 { 7.0 } else { 6.0 };
    let has_x_name = !figure.x_label.is_empty() || ticks(x_domain, figure.x_log, 5).unit.is_some();
    let below = 22.0 + if has_x_name { 18.0 } else { 0.0 } + EDGE;
    let height = match &names {
        Some(names) => (names.len() as f64 * 23.0).max(46.0),
        None => (size.height - top - below).max(0.5 * size.height),
    };
    let bottom = top + height;

    let y_ticks = match &names {
        Some(_) => Ticks::default(),
        None => ticks(y_domain, figure.y_log, ((height / 48.0) as usize).max(2)),
    };
    let label_width = |labels: &[String]| labels.iter().map(|l| measure::width(l, FONT)).fold(0.0, f64::max);
    let left = EDGE + 7.0 + label_width(names.as_deref().unwrap_or(&y_ticks.labels)).min(0.38 * size.width);
    let bar_domain = layers.heat().map(|heat| domain(extent(heat.values.iter().copied()), false, true));
    let bar_ticks = bar_domain.map(|d| ticks(d, false, 5));
    let bar_room = bar_ticks.as_ref().map_or(0.0, |t| 29.0 + label_width(&t.labels));
    let right = size.width - EDGE - bar_room.max(10.0);

    let x = Scale::new(x_domain, figure.x_log, left, right);
    let y = if names.is_some() {
        Scale::new(y_domain, false, top, bottom)
    } else {
        Scale::new(y_domain, figure.y_log, bottom, top)
    };
    let x_ticks = spaced(x_domain, &x);
    axes(out, figure, &x_ticks, &y_ticks, &x, &y, names.is_some(), (left, right, top, bottom));
    if let Some(names) = &names {
        for (i, name) in names.iter().enumerate() {
            let shown = escape(&measure::fit(name, left - EDGE - 7.0, FONT));
            let (tone, at) = (Tone::Ink.fill(), y.position(i as f64) + 4.3);
            let _ = writeln!(
                out,
                "<text class=\"{tone}\" text-anchor=\"end\" x=\"{}\" y=\"{}\"><title>{}</title>{shown}</text>",
                c(left - 7.0),
                c(at),
                escape(name)
            );
        }
    }
    let points = layers.layers.iter().map(|l| if let Shape::Points { dots } = &l.shape { dots.len() } else { 0 }).sum();
    let frame = Frame { x, y, is_on_heat: layers.heat().is_some(), points };
    for layer in &layers.layers {
        marks::draw(out, layer, &frame);
    }
    if layers.x_extent().is_none() {
        let (at, line) = (0.5 * (left + right), 0.5 * (top + bottom));
        let tone = Tone::Muted.fill();
        let _ = writeln!(
            out,
            "<text class=\"{tone}\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">No data to draw</text>",
            c(at),
            c(line)
        );
    }
    if let (Some(d), Some(t)) = (bar_domain, &bar_ticks) {
        marks::colour_bar(out, t, &Scale::new(d, false, bottom, top), right + 10.0, top, bottom);
    }
    if !y_name.is_empty() {
        let (tone, at) = (Tone::Muted.fill(), c(EDGE + 0.5 * ROW + 4.3));
        let _ = writeln!(out, "<text class=\"{tone}\" x=\"{}\" y=\"{at}\">{}</text>", c(EDGE), escape(&y_name));
    }
    let legend_left = if shares_row && name_rows > 0 { size.width - EDGE - legend.width } else { EDGE };
    let legend_top = if shares_row { EDGE } else { EDGE + name_rows as f64 * ROW };
    legend.draw(out, legend_left, legend_top);
    bottom + below
}

/// The picture that a figure is, if it is one.
pub(crate) fn picture(figure: &Figure) -> Option<&Mark> {
    figure.marks.iter().find(|m| matches!(m, Mark::Picture { .. }))
}

/// Pixels at a whole number of drawing units each where there is room; returns the height used.
fn draw_picture(out: &mut String, (width, height, channels): (usize, usize, usize), pixels: &[u8], size: Size) -> f64 {
    let (w, h) = (width as f64, height as f64);
    let room = (size.width - 2.0 * EDGE) / w;
    let scale = if room >= 1.0 { room.floor().min(8.0) } else { room };
    let left = 0.5 * (size.width - scale * w);
    let _ = writeln!(
        out,
        "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" style=\"image-rendering:pixelated\" href=\"{}\"/>",
        c(left),
        c(EDGE),
        c(scale * w),
        c(scale * h),
        crate::picture::data_uri(width, height, channels, pixels)
    );
    scale * h + 2.0 * EDGE
}

/// Horizontal range: bars start at zero and leave room for their numbers.
fn x_domain(figure: &Figure, layers: &Layers) -> (f64, f64) {
    let extent = layers.x_extent();
    let (mut low, mut high) = domain(extent, figure.x_log, layers.is_filled(figure.y_log).0);
    let bars = layers.layers.iter().find_map(|l| if let Shape::Bars { bars } = &l.shape { Some(bars) } else { None });
    let Some(bars) = bars else { return (low, high) };
    let share = (marks::bar_label_room(bars) / (0.6 * Size::default().width)).min(0.4);
    if figure.x_log {
        // In logarithms, because the ratio of the ends may not be representable.
        let longer = high.log10() + share * (high.log10() - low.log10());
        return (low, 10f64.powf(longer.min(308.2)));
    }
    let (least, most) = extent.unwrap_or((0.0, 1.0));
    let room = share * (most.max(0.0) - least.min(0.0));
    low = if least < 0.0 { least - room } else { 0.0 };
    high = if most > 0.0 { most + room } else { 0.0 };
    if low == high { (0.0, 1.0) } else { (low.max(f64::MIN), high.min(f64::MAX)) }
}

/// As many horizontal ticks as there is room for their labels.
fn spaced(domain: (f64, f64), scale: &Scale) -> Ticks {
    let mut wanted = ((scale.length() / 62.0) as usize).max(2);
    loop {
        let found = ticks(domain, scale.is_log, wanted);
        let places = found.at.iter().zip(&found.labels).map(|(at, label)| {
            let half = 0.5 * measure::width(label, FONT) + 3.0;
            let middle = scale.position(*at);
            (middle - half, middle + half)
        });
        let places: Vec<(f64, f64)> = places.collect();
        if wanted == 1 || places.windows(2).all(|pair| pair[0].1 <= pair[1].0) {
            return found;
        }
        wanted -= 1;
    }
}

/// An axis' name with its common factor.
fn named(label: &str, unit: Option<&str>) -> String {
    match unit {
        None => label.into(),
        Some(unit) if label.is_empty() => unit.into(),
        Some(unit) => format!("{label} ({unit})"),
    }
}

/// Grid, tick labels, the base line and the horizontal axis' name.
fn axes(
    out: &mut String,
    figure: &Figure,
    x_ticks: &Ticks,
    y_ticks: &Ticks,
    x: &Scale,
    y: &Scale,
    is_bars: bool,
    (left, right, top, bottom): (f64, f64, f64, f64),
) {
    let (text, grid, axis) = (Tone::Muted.fill(), Tone::Grid.stroke(), Tone::Muted.stroke());
    let mut lines = String::new();
    let mut labels = String::new();
    for (at, label) in y_ticks.at.iter().zip(&y_ticks.labels) {
        let line = y.position(*at);
        let _ = write!(lines, "M{} {}H{}", c(left), c(line), c(right));
        let (x, y) = (c(left - 7.0), c(line + 4.3));
        let _ = writeln!(labels, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{}</text>", escape(label));
    }
    let mut strokes = String::new();
    for (at, label) in x_ticks.at.iter().zip(&x_ticks.labels) {
        let column = x.position(*at);
        if is_bars {
            let _ = write!(lines, "M{} {}V{}", c(column), c(top), c(bottom));
        } else {
            let _ = write!(strokes, "M{} {}v4", c(column), c(bottom));
        }
        let (x, y) = (c(column), c(bottom + 17.0));
        let _ = writeln!(labels, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", escape(label));
    }
    if !is_bars {
        let _ = write!(strokes, "M{} {}H{}", c(left), c(bottom), c(right));
    }
    if !lines.is_empty() {
        let _ = writeln!(out, "<path class=\"thin {grid}\" d=\"{lines}\"/>");
    }
    if !strokes.is_empty() {
        let _ = writeln!(out, "<path class=\"thin {axis}\" opacity=\"0.6\" d=\"{strokes}\"/>");
    }
    let _ = writeln!(out, "<g class=\"{text}\">\n{labels}</g>");
    let x_name = named(&figure.x_label, x_ticks.unit.as_deref());
    if !figure.x_label.is_empty() || x_ticks.unit.is_some() {
        let shown = escape(&measure::fit(&x_name, right - left, FONT));
        let (x, y) = (c(0.5 * (left + right)), c(bottom + 35.0));
        let _ = writeln!(out, "<text class=\"{text}\" text-anchor=\"middle\" x=\"{x}\" y=\"{y}\">{shown}</text>");
    }
}
